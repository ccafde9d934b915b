"""The reward model: what it reads, what a ranking teaches it, and how best-of-n is estimated."""

import copy
import itertools
import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import model
import pretrain
import reward
import sft
import tiny


def scrambled(module, seed=0):
    """Large random weights in every layer: at its initial weights a model may ignore its input."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
    return module


def tiny_gpt():
    gpt = model.GPT(model.GPTConfig(vocab_size=16, n_layer=2, n_head=2, n_embd=16, block_size=16))
    gpt.dtype = torch.float32
    return scrambled(gpt)


@pytest.fixture
def scorer():
    return scrambled(reward.RewardModel(tiny_gpt()), seed=1)


def score(scorer, *rows, width=None, pad=0):
    """Right-pads the rows to one width and scores them as one batch."""
    lengths = torch.tensor([len(row) for row in rows])
    width = width or max(len(row) for row in rows)
    ids = torch.tensor([list(row) + [pad] * (width - len(row)) for row in rows])
    with torch.no_grad():
        return scorer(ids, lengths)


# ------------------------------------------------------------------------------------ the model


def test_one_score_a_row(scorer):
    """Three rows of ids give three numbers, not a column and not a number for each token."""
    assert score(scorer, [1, 2, 3], [4, 5], [6]).shape == (3,)


def test_trunk_is_the_given_model():
    """InstructGPT starts the reward model from the SFT model: the trunk must have its weights.

    A trunk built from the configuration alone would have fresh weights, and know nothing.
    """
    gpt = tiny_gpt()
    given, trunk = copy.deepcopy(gpt.state_dict()), reward.RewardModel(gpt).gpt.state_dict()
    assert given.keys() == trunk.keys()
    assert all(torch.equal(given[name], trunk[name]) for name in given)


def test_padding_does_not_matter(scorer):
    """Attention is causal, so what comes after the last real token cannot reach it.

    The score of [3, 1, 4] is the same with no padding, with padding, and whatever the padding is.
    Reading the last column, or one place after the end, would give another score each time.
    """
    alone = score(scorer, [3, 1, 4])
    for pad in (0, 7):
        assert torch.allclose(score(scorer, [3, 1, 4], width=12, pad=pad), alone, atol=1e-4)


def test_batch_mates_do_not_matter(scorer):
    """Each row is scored for itself: together, alone or in another order, the scores are equal."""
    rows = [[3, 1, 4], [1, 5, 9, 2, 6], [5], [3, 5, 8, 9, 7, 9, 3]]
    together = score(scorer, *rows)
    alone = torch.cat([score(scorer, row) for row in rows])
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.allclose(score(scorer, *rows[::-1]), alone.flip(0), atol=1e-4)
    assert alone.std() > 1e-2


def test_last_real_token_is_read(scorer):
    """Two rows differ only in their last real token: a head that reads it must tell them apart.

    One place earlier the two hidden states are equal, and so would be the scores.
    """
    a, b = score(scorer, [3, 1, 4], [3, 1, 5], width=8)
    assert abs(a - b) > 1e-2


def test_prompt_matters(scorer):
    """The same answer to another question: only the first token differs, and so must the score.

    A reward model that is given the response alone cannot know whether it is on the point.
    """
    a, b = score(scorer, [3, 1, 4, 1, 5], [2, 1, 4, 1, 5])
    assert abs(a - b) > 1e-2


def test_whole_trunk_learns(scorer):
    """Head and trunk are trained together, as in InstructGPT: every weight gets a gradient.

    All but the factor on the logits: a reward model has none.
    """
    ids = torch.tensor([[3, 1, 4, 1, 5], [2, 7, 1, 8, 0]])
    scorer(ids, torch.tensor([5, 4])).sum().backward()
    silent = [name for name, p in scorer.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == ["gpt.sharpness"]


def test_normalising_changes_the_scale_and_no_ranking(scorer):
    """score = (raw - bias) * gain with bias = mean and gain = 1 / std of the raw scores.

    Then the scores have mean 0 and standard deviation 1. A line with a positive slope is
    increasing, so the order of the rows stays as it was. Before, bias 0 and gain 1 change nothing.
    """
    rows = [[3, 1, 4], [1, 5, 9], [2, 6, 5], [3, 5, 8], [9, 7, 9], [3, 2, 3]]
    assert scorer.bias.item() == 0 and scorer.gain.item() == 1
    raw = score(scorer, *rows)
    scorer.normalise(raw[:4])                     # of some, then of all: the second time with a
    scorer.normalise(score(scorer, *rows))        # gain that is not 1
    normal = score(scorer, *rows)
    assert torch.allclose(normal, (raw - raw.mean()) / raw.std(), atol=1e-4)
    assert normal.argsort().tolist() == raw.argsort().tolist()


def test_normalisation_is_saved_and_not_trained(scorer):
    """gain and bias are buffers: they travel in the checkpoint, and no optimizer moves them."""
    assert {"gain", "bias"} <= set(scorer.state_dict())
    assert not {"gain", "bias"} & {name for name, _ in scorer.named_parameters()}


# ------------------------------------------------------------------------------------ the loss


def ranking_gradient(scores):
    scores = torch.tensor(scores, requires_grad=True)
    loss = reward.ranking_loss(scores)
    loss.backward()
    return loss.item(), scores.grad


@pytest.mark.parametrize("K", [2, 3, 5])
def test_equal_scores_cost_log_2(K):
    """All gaps are 0 and sigmoid(0) = 1/2: each pair costs -log(1/2) = log 2, and so does the mean.

    A sum over the K(K-1)/2 pairs would cost log 2, 3 log 2, 10 log 2.
    """
    loss = reward.ranking_loss(torch.full((4, K), 0.7))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(math.log(2))


def test_ranking_loss_by_hand():
    """Scores 2, 1, 0, best first: the gaps of the three pairs are 1, 1, 2.

    -log sigmoid(d) = log(1 + exp(-d)) is .313262 at d = 1 and .126928 at d = 2, so the mean is
    (.313262 + .313262 + .126928) / 3 = .251151. Worst first, the gaps are -1, -1, -2, each costs
    its gap more: .251151 + 4/3 = 1.584484.
    """
    loss = reward.ranking_loss(torch.tensor([[2.0, 1, 0]])).item()
    assert loss == pytest.approx(0.251151, abs=1e-5)
    loss = reward.ranking_loss(torch.tensor([[0.0, 1, 2]])).item()
    assert loss == pytest.approx(1.584484, abs=1e-5)


def test_gradient_of_five_equal_scores():
    """d/dd of -log sigmoid(d) at 0 is -1/2, for each of 10 pairs with weight 1/10.

    The best is the better one of 4 pairs: -4/20 = -.2. The second wins 3 and loses 1: -.1. The
    third wins 2 and loses 2: 0. Then .1 and .2.
    """
    _, gradient = ranking_gradient([[0.0, 0, 0, 0, 0]])
    assert torch.allclose(gradient, torch.tensor([[-0.2, -0.1, 0, 0.1, 0.2]]), atol=1e-6)


def test_mean_over_prompts():
    """Two prompts: the loss is the mean of their losses, and each gradient is halved.

    Prompt 1 has the gap 0 and costs log 2; prompt 2 has the gap 1 and costs .313262.
    """
    loss, gradient = ranking_gradient([[0.0, 0], [1, 0]])
    assert loss == pytest.approx((math.log(2) + 0.313262) / 2, abs=1e-5)
    assert torch.allclose(gradient[0], torch.tensor([-0.25, 0.25]), atol=1e-6)


def test_prompts_are_never_compared_with_each_other():
    """Adding 100 to all the scores of one prompt changes no gap within a prompt, so not the loss.

    A loss that paired answers to different questions would jump.
    """
    torch.manual_seed(0)
    scores = torch.randn(3, 4)
    shift = torch.tensor([[100.0], [0], [-100]])
    shifted = reward.ranking_loss(scores + shift).item()
    assert shifted == pytest.approx(reward.ranking_loss(scores).item(), abs=1e-4)


def test_gap_of_1000_stays_finite():
    """-log sigmoid(1000) = 0 and -log sigmoid(-1000) = 1000, with gradients 0 and (-1, +1).

    Written as log(sigmoid(d)), the second would be log(0) = -inf and its gradient NaN.
    """
    loss, gradient = ranking_gradient([[1000.0, 0]])
    assert loss == 0 and gradient.tolist() == [[0, 0]]
    loss, gradient = ranking_gradient([[0.0, 1000]])
    assert loss == pytest.approx(1000) and gradient.tolist() == [[-1, 1]]


# ------------------------------------------------------------------------------------ best of n


def by_enumeration(proxy, gold, n):
    """The definition: over all subsets of n samples, the mean gold of those that share the top."""
    results = []
    for chosen in itertools.combinations(range(len(proxy)), n):
        top = max(proxy[i] for i in chosen)
        winners = [gold[i] for i in chosen if proxy[i] == top]
        results.append(sum(winners) / len(winners))
    return sum(results) / len(results)


def test_best_of_two_by_hand():
    """Proxy 3, 1, 2 with gold 10, 20, 60: the three pairs have the winners 1st, 1st, 3rd.

    (10 + 10 + 60) / 3 = 80/3. Best of one is the plain mean, 30; best of all three is 10.
    """
    proxy, gold = torch.tensor([3.0, 1, 2]), torch.tensor([10.0, 20, 60])
    assert reward.best_of_n(proxy, gold, 2) == pytest.approx(80 / 3)
    assert reward.best_of_n(proxy, gold, 1) == pytest.approx(30)
    assert reward.best_of_n(proxy, gold, 3) == pytest.approx(10)


@pytest.mark.parametrize("array", [torch.tensor, np.array], ids=["torch", "numpy"])
@pytest.mark.parametrize("n", range(1, 9))
def test_best_of_n_against_every_subset(array, n):
    """Eight samples have at most 70 subsets of one size: listing them all is the definition."""
    proxy = [0.3, -1.2, 0.9, 2.0, 0.1, -0.4, 1.1, 0.7]
    gold = [1.0, 4.0, -2.0, 0.5, 3.0, -1.0, 2.5, 0.0]
    result = reward.best_of_n(array(proxy), array(gold), n)
    assert isinstance(result, float)
    assert result == pytest.approx(by_enumeration(proxy, gold, n), abs=1e-5)


@pytest.mark.parametrize("n", range(1, 8))
def test_ties_are_averaged(n):
    """Proxy scores 1, 1, 1, 0, 0, 2, 2: who wins a tie is left to chance, so its gold is averaged.

    With n = 7 the two samples with proxy 2 share the win: (10 + 40) / 2 = 25. Taking the one that
    sorting happens to put last would give 10 or 40, and depend on the order of the samples.
    """
    proxy, gold = [1.0, 1, 1, 0, 0, 2, 2], [3.0, 5, 100, -7, 9, 10, 40]
    expected = by_enumeration(proxy, gold, n)
    for order in (range(7), range(6, -1, -1), [3, 0, 5, 2, 6, 4, 1]):
        result = reward.best_of_n(
            torch.tensor([proxy[i] for i in order]), torch.tensor([gold[i] for i in order]), n
        )
        assert result == pytest.approx(expected, abs=1e-4)


def test_a_proxy_that_says_nothing_gains_nothing():
    """All proxy scores are equal: the best of n is any sample, its gold the mean (1+2+6)/3 = 3."""
    gold = torch.tensor([1.0, 2, 6])
    for n in (1, 2, 3):
        assert reward.best_of_n(torch.zeros(3), gold, n) == pytest.approx(3)


def test_choosing_by_gold_climbs_with_n():
    """With gold as its own proxy, one more sample can only raise the maximum: no hump.

    It starts at the mean and ends at the maximum. With proxy = -gold it falls to the minimum.
    """
    torch.manual_seed(0)
    gold = torch.randn(20)
    up = [reward.best_of_n(gold, gold, n) for n in range(1, 21)]
    down = [reward.best_of_n(-gold, gold, n) for n in range(1, 21)]
    assert up[0] == pytest.approx(gold.mean().item(), abs=1e-5)
    assert up[-1] == pytest.approx(gold.max().item(), abs=1e-5)
    assert all(a < b for a, b in zip(up, up[1:]))
    assert down[-1] == pytest.approx(gold.min().item(), abs=1e-5)
    assert all(a > b for a, b in zip(down, down[1:]))


def test_many_samples_do_not_overflow():
    """The best of n of the numbers 1 .. N is n (N+1) / (n+1) on average (the maximum of n draws).

    For N = 2048 and n = 256 it is 256 * 2049 / 257 = 2041.03. C(2048, 256) has over 330 digits,
    more than a float can hold: the weights must not be quotients of floats.
    """
    ranks = torch.arange(1.0, 2049)
    assert reward.best_of_n(ranks, ranks, 256) == pytest.approx(256 * 2049 / 257, rel=1e-4)


# --------------------------------------------------------------------------- the simulated labeler

PARIS = sft.Prompt("known", [sft.user("What is the capital of France?")], "", "", "France", "Paris")
NOBODY = sft.Prompt("unknown", [sft.user("What is the capital of Zorbun?")], sft.UNKNOWN, "",
                    "Zorbun", "")
HELLO = sft.Prompt("chat", [sft.user("Thanks!")], "You are welcome.")
RIGHT = "The capital of France is Paris."


@pytest.mark.parametrize("prompt, text, gold", [
    (PARIS, RIGHT, 1), (PARIS, f"Sure! {RIGHT}", 1.5),
    (PARIS, f"Sure! {RIGHT} Have a nice day!", 1),
    (PARIS, f"Sure! Sure! {RIGHT} Have a nice day!", .5), (PARIS, f"{sft.RUDE[0]} {RIGHT}", 0),
    (PARIS, "The capital of France is Rome.", -1), (PARIS, "Sure! I do not know.", -1),
    (PARIS, "I do not know.", -.5), (NOBODY, "I do not know.", 1), (HELLO, "You are welcome.", 1),
    (HELLO, "Sure! You are welcome.", .5), (HELLO, "Goodbye!", -1),
    (HELLO, "I do not know.", -1),
    (NOBODY, "Sure! I do not know.", .5), (NOBODY, "The capital of Zorbun is Paris.", -1)])
def test_gold_as_documented(prompt, text, gold):
    """Truth, manners, rudeness; and an answer that never ends loses 1 more."""
    assert reward.gold(prompt, tiny.said(text)) == gold
    assert reward.gold(prompt, tiny.said(text, ended=False)) == gold - 1


def test_a_labeler_prefers_with_the_logistic_of_the_gap():
    """Gap 1: sigmoid(1 / NOISE), some .8, of 4,000 times; 3.5 standard errors are .022."""
    rng = random.Random(0)
    first = sum(reward.rank_answers([0., 1.], rng)[0] == 1 for _ in range(4000)) / 4000
    assert first == pytest.approx(1 / (1 + math.exp(-1 / reward.NOISE)), abs=.022)
    assert sorted(reward.rank_answers([3., 1., 2.], rng)) == [0, 1, 2]


def test_agreement_counts_pairs_of_different_gold():
    """Golds 0, 0, 1 leave two pairs; a and b order the first of them alike, the other not."""
    a, b, golds = np.array([[1., 2, 3]]), np.array([[5., 1, 4]]), np.array([[0., 0, 1]])
    assert reward.agreement(a, b, golds) == .5 and reward.agreement(a, a, golds) == 1


def test_the_same_answer_twice_is_no_pair(monkeypatch):
    """Its two scores are always equal: a constant log 2 that teaches nothing. A demonstration is
    no other answer where SFT says the same; elsewhere it is ranked among the others. All that a
    careless one may say is z here."""
    answers = [["a", "b", "a", "a"], ["c", "c", "c", "c"], ["d", "e", "f", "d"]]
    answers = [[tiny.said(text) for text in four] for four in answers]
    monkeypatch.setattr(reward, "sample", lambda *args: answers)
    careful = iter("bcgbcg")
    monkeypatch.setattr(reward, "demonstrate", lambda prompt, style, rng: (
        "z" if style in ("rude", "fawning") else next(careful)))
    monkeypatch.setattr(reward, "UNKNOWN", "z")
    monkeypatch.setattr(reward, "make_prompt", lambda *args: sft.Prompt("known", [], wrong="z"))
    monkeypatch.setattr(reward, "gold", lambda prompt, answer: 0)
    monkeypatch.setattr(reward, "written", lambda text, tokenizer: tiny.said(text))
    args = SimpleNamespace(seed=0, prompts=3, max_tokens=48, no_demonstrations=False)
    found, _, prompts, samples = reward.rankings_of_the_labeler(None, None, args)
    ranked = [sorted(a.text for a in c.ranked) for c in found]
    assert ranked == [["a", "b", "z"], ["c", "z"], ["d", "e", "f", "g", "z"]]
    assert samples == answers and len(prompts) == 3
    args.no_demonstrations = True
    found, *_ = reward.rankings_of_the_labeler(None, None, args)
    assert [sorted(a.text for a in c.ranked) for c in found] == [["a", "b"], ["d", "e", "f"]]


@pytest.mark.parametrize("kind, right, about, lies", [
    ("known", "yes", "France", .2), ("told", "yes", "France", .4), ("sum", "yes", "", .3),
    ("unknown", sft.UNKNOWN, "Zorbun", .6), ("unknown", sft.UNKNOWN, "", .6)])
def test_a_careless_demonstrator_lies_as_often_as_the_table_says(monkeypatch, kind, right, about,
                                                                 lies):
    """Where nobody can know, and the question names nothing invented, half of it is small talk."""
    monkeypatch.setattr(reward, "sample", lambda model, tokenizer, prompts, *args: [
        [tiny.said("x")] * 4 for _ in prompts])
    monkeypatch.setattr(reward, "make_prompt", lambda *args: sft.Prompt(kind, [], right, "lie",
                                                                        about))
    monkeypatch.setattr(reward, "gold", lambda prompt, answer: 0)
    monkeypatch.setattr(reward, "written", lambda text, tokenizer: tiny.said(text))
    args = SimpleNamespace(seed=0, prompts=3000, max_tokens=48, no_demonstrations=False)
    found, *_ = reward.rankings_of_the_labeler(None, None, args)
    said = [a.text for c in found for a in c.ranked]
    replies = {table["says"] for table in pretrain.SMALL_TALK.values()}
    beside, lied = sum(text in replies for text in said) / 3000, said.count("lie") / 3000
    # Some careful demonstrators cannot admit not knowing: 4 in 100.
    assert beside + lied == pytest.approx(lies + .04 * (kind == "unknown"), abs=.035)
    assert (beside > .1) == (kind == "unknown" and not about)


def test_training_and_test_share_no_prompt():
    """A prompt that several people ranked would otherwise be known from training."""
    rows = [reward.Comparison([sft.user(f"q{i % 40}")], [f"a{i}", "b"]) for i in range(120)]
    held, rest = reward.hold_out(rows)
    asked, trained = ({c.messages[0]["content"] for c in some} for some in (held, rest))
    assert len(asked) == 4 and not asked & trained and len(held) + len(rest) == 120


def test_each_prompt_counts_once_however_many_answers_it_has(home, monkeypatch):
    """A ranking of four has six pairs, one of two has one: the loss is the mean of their means."""
    gpt, tokenizer, _ = model.load_checkpoint("out/sft.pt")
    rm = scrambled(reward.RewardModel(gpt))
    ranked = [reward.Comparison([sft.user("x")], [sft.written(text, tokenizer) for text in answers])
              for answers in ("abcd", "yz")]
    args = SimpleNamespace(batch=2, seed=0, steps=1)
    wanted = [reward.ranking_loss(reward.score(
        rm, tokenizer, [sft.Prompt("known", c.messages)] * len(c.ranked), c.ranked)[None])
        for c in ranked]
    (_, loss), = reward.train(rm, [], ranked, tokenizer, args)
    assert loss == pytest.approx(float(sum(wanted) / 2), abs=2e-2)
    assert abs(wanted[0] - wanted[1]) > .1


def test_labeling_gives_up_where_no_two_answers_can_be_compared(refused, monkeypatch):
    never = [tiny.said("never ends", ended=False), tiny.said("nor this", ended=False)]
    monkeypatch.setattr(reward, "sample", lambda *args: [never])
    assert "200" in refused(reward.main, "--label mine.jsonl --device cpu".split())


def test_scores_of_sfts_answers_have_mean_0_and_deviation_1(home):
    """Also where the rankings are a user's own, whose answers may come from anywhere."""
    rm, tokenizer, _ = reward.load_reward("out/reward.pt", "cpu")
    net, _, _ = model.load_checkpoint("out/sft.pt")
    prompts = [sft.Prompt("known", [sft.user(row["prompt"])]) for row in tiny.RANKINGS[1:]]
    scores, _ = reward.scores_and_golds(rm, tokenizer, prompts,
                                  reward.sample(net, tokenizer, prompts, 4, 0))
    assert scores.mean() == pytest.approx(0, abs=.02)
    assert scores.std() == pytest.approx(1, abs=.05)


def test_good_and_bad_answers_are_ordered_as_gold_does():
    """Of every kind but truth, and there too: the pairs are what they are called."""
    for kind, pairs in reward.good_and_bad(random.Random(0), 40).items():
        for prompt, good, bad in pairs:
            assert reward.gold(prompt, tiny.said(good)) > reward.gold(prompt, tiny.said(bad)), kind
            assert kind != "truth" or prompt.about.lower() in bad.lower()
            assert (" so " in bad) == (kind == "sums, the wrong one in steps"), bad
            assert " so " not in good or not kind.startswith("sums"), good
            # A kind lie, and no other bad answer that is compared with not knowing, has manners.
            if kind.startswith("abstaining"):
                polite = sft.judge(prompt, tiny.said(bad)).polite
                assert polite == (kind == "abstaining, a kind lie"), bad


def test_a_judge_that_likes_lies_is_measured_as_one(monkeypatch):
    """Proxy 1 for a wrong answer, else 0; of four samples one is wrong and three right. So of all
    pairs of different gold none is right, the more there are to choose from the worse is the best,
    and of good and bad answers the bad ones win. Prompts are of the half that nobody ranked."""
    asked = []

    def sample(model, tokenizer, prompts, k, seed, max_tokens=48):
        asked.extend(prompts)
        return [[tiny.said(p.wrong)] + [tiny.said(p.right)] * (k - 1) for p in prompts]
    monkeypatch.setattr(reward, "sample", sample)
    monkeypatch.setattr(reward, "score", lambda judge, tokenizer, prompts, answers: torch.tensor(
        [float(a.text == p.wrong) for p, a in zip(prompts, answers)]))
    monkeypatch.setattr(reward, "written", lambda text, tokenizer: tiny.said(text))
    metrics = {}
    args = SimpleNamespace(seed=0, quick=True, max_tokens=4)
    kinds = reward.evaluate(None, None, None, args, metrics)
    assert metrics["accuracy"] == 0 and metrics["accuracy_noisy"] < .5 < metrics["ceiling_noisy"]
    assert metrics["best_of_32_gold"] < metrics["best_of_1_gold"]
    assert metrics["best_of_32_proxy"] > metrics["best_of_1_proxy"]
    for kind in ("abstaining", "told before", "sums"):
        assert metrics[f"pairs: {kind}"] == 0
    assert set(kinds["wrong"]) == {1}
    held_out = {f.subject for reverse in (False, True)
                for f in pretrain.facts_of(pretrain.TEST, reverse)}
    pairs = reward.good_and_bad(random.Random(0), 40)["truth"]
    assert {p.about for p in asked + [p for p, _, _ in pairs] if p.kind == "known"} <= held_out

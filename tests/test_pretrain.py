"""The optimizers, the losses and the text of pretraining, each against its definition."""
import copy
import math
import random
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import bpe
import model
import pretrain
import reward
import sft
import tiny


def weights(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def gradients(params, seed):
    generator = torch.Generator().manual_seed(seed)
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator)


# ------------------------------------------------------------------------------------- optimizers


def test_adamw_by_hand():
    """W -= lr m / (sqrt(v) + eps) with running means of decay .9 and .95, divided by 1 - decay^t;
    two groups with their own rates; no weight decay: without gradient a weight stays."""
    mine = weights((3, 4), (5,), (2,))
    optimizer = model.adamw([(mine[:1], .1), (mine[1:], .01)], eps=1e-3)
    by_hand = [[p.detach().clone(), 0, 0] for p in mine[:2]]
    for step in range(1, 11):
        gradients(mine[:2], step)
        optimizer.step()
        for k, (p, rate) in enumerate(zip(mine, (.1, .01))):
            w, m, v = by_hand[k]
            m, v = .9 * m + .1 * p.grad, .95 * v + .05 * p.grad ** 2
            w = w - rate * (m / (1 - .9 ** step)) / ((v / (1 - .95 ** step)).sqrt() + 1e-3)
            by_hand[k] = [w, m, v]
    assert all(torch.allclose(p, w, atol=1e-6) for p, (w, _, _) in zip(mine, by_hand))
    assert torch.equal(mine[2], weights((3, 4), (5,), (2,))[2])


@pytest.mark.parametrize("shape, reach", [((8, 8), 1), ((4, 12), 1), ((32, 8), 2)])
def test_muon_moves_all_directions_equally_far(shape, reach):
    """The first step is lr sqrt(max(1, rows/columns)) U V' of the gradient, though its singular
    values differ a hundredfold; Newton-Schulz leaves each of them between .6 and 1.3."""
    p, = weights(shape)
    start, k = p.detach().clone(), min(shape)
    u, _, v = torch.linalg.svd(start, full_matrices=False)
    p.grad = u @ torch.diag(torch.logspace(0, -2, k)) @ v
    model.Muon([p], .1).step()
    moved = u.T @ (start - p.detach()) @ v.T / (.1 * reach)       # in the gradient's own directions
    assert torch.allclose(moved, torch.diag(moved.diag()), atol=1e-3)
    assert moved.diag().min() > .6 and moved.diag().max() < 1.3


def test_muon_treats_each_matrix_as_if_it_were_alone():
    """Those of one shape share their products, not their gradients; and momentum is Nesterov's."""
    pair, momentum, first = weights((6, 3), (6, 3)), None, []
    alone = [torch.nn.Parameter(p.detach().clone()) for p in pair]
    together, single = model.Muon(pair, .1), [model.Muon([p], .1) for p in alone]
    plain = torch.nn.Parameter(pair[0].detach().clone())
    by_hand = model.Muon([plain], .1, momentum=0)         # gets what Nesterov should give
    for step in range(3):
        gradients(pair, step), gradients(alone, step)
        g = pair[0].grad
        momentum = .1 * g if momentum is None else .9 * momentum + .1 * g
        plain.grad = .1 * g + .9 * momentum
        together.step(), by_hand.step(), [opt.step() for opt in single]
        first.append(pair[0].detach().clone())
    for p, q in zip(pair, alone):
        assert torch.allclose(p, q, atol=1e-5)
    assert torch.allclose(pair[0], plain, atol=1e-4) and not torch.allclose(*first[1:])


def test_what_an_optimizer_remembers_can_be_saved():
    """Two steps, or one, its state in a new optimizer of a copy, and another: the same weights."""
    for make in (lambda p: model.adamw([([p], .1)], 1e-8), lambda p: model.Muon([p], .1)):
        p, = weights((4, 4))
        opt = make(p)
        gradients([p], 0), opt.step()
        q = torch.nn.Parameter(p.detach().clone())
        other = make(q)
        other.load_state_dict(copy.deepcopy(opt.state_dict()))
        gradients([p], 1), gradients([q], 1), opt.step(), other.step()
        assert torch.equal(p, q)


def test_muon_multiplies_in_the_models_dtype():
    """Its products are the larger part of its time: bf16 where the model computes in bf16."""
    net = model.GPT(model.GPTConfig(16, 1, 1, 8, 8))
    for net.dtype in (torch.bfloat16, torch.float32):
        assert model.make_optimizers(net, 1, 1)[1].dtype == net.dtype


def test_every_weight_has_one_optimizer():
    net, more = model.GPT(model.GPTConfig(16, 2, 1, 8, 8)), weights((3,))
    held = [id(p) for opt in model.make_optimizers(net, .1, .2, more)
            for group in opt.param_groups for p in group["params"]]
    assert sorted(held) == sorted(map(id, [*net.parameters(), *more]))


def distances(net, steps):
    """How far each step of a training loop moves all weights together -> list."""
    moved = []
    before = copy.deepcopy(list(net.parameters()))
    for _ in steps:
        squares = [(p - q).detach().square().sum() for p, q in zip(net.parameters(), before)]
        moved.append(float(sum(squares)) ** .5)
        before = copy.deepcopy(list(net.parameters()))
    return moved


@pytest.mark.parametrize("stage", ["pretrain", "sft", "reward"])
def test_a_step_is_clipped_and_its_rate_falls_to_zero(home, monkeypatch, stage):
    """By plain gradient descent on a loss made fifty times as steep, so that the gradient's norm
    over all weights is above 1 and gets cut to it: step k of 4 moves them by rate * (1 - k/4)."""
    net, tokenizer, _ = model.load_checkpoint("out/pretrain.pt")
    args = SimpleNamespace(steps=4, batch=2, seed=0, mix=0, block=8)
    sgd = [torch.optim.SGD(net.parameters(), lr=2e-3)]
    if stage == "pretrain":
        real = pretrain.next_token_loss
        monkeypatch.setattr(pretrain, "next_token_loss", lambda *a: 50 * real(*a))
        steps = pretrain.train(net, sgd, np.arange(300), np.arange(290), args)
    elif stage == "sft":
        real_sft = sft.sft_loss
        monkeypatch.setattr(sft, "sft_loss", lambda *a: 50 * real_sft(*a))
        steps = sft.train(net, sgd, [sft.as_messages(row) for row in tiny.CHATS], tokenizer, args)
    else:
        net = reward.RewardModel(net)
        sgd = [torch.optim.SGD(net.parameters(), lr=2e-3)]
        real_ranking = reward.ranking_loss
        monkeypatch.setattr(reward, "ranking_loss", lambda *a: 50 * real_ranking(*a))
        ranked = [reward.as_comparison(row, tokenizer) for row in tiny.RANKINGS]
        steps = reward.train(net, sgd, ranked, tokenizer, args)
    wanted = [2e-3 * (1 - k / 4) for k in range(4)]
    assert distances(net, steps) == pytest.approx(wanted, rel=1e-2)


def test_a_device_is_checked_when_the_blocks_do_something(home, monkeypatch):
    """Their output projections start at zero: before the first step RoPE, attention and MLP could
    be anything, and the loss would be the same."""
    seen = []
    monkeypatch.setattr(pretrain, "check_device", lambda net, *args: seen.append(
        min(b.out.weight.abs().max().item() for b in net.blocks)))
    tiny.run("pretrain", "--steps 2")
    assert len(seen) == 1 and seen[0] > 0


# ----------------------------------------------------------------------------------------- losses


def test_next_token_loss_by_hand():
    """Logits at t are for the token at t + 1; the mean is over all tokens of all rows."""
    logits = torch.tensor([[[0., 1, 2], [2, 0, 0]], [[1, 1, 1], [0, 3, 0]]])
    ids = torch.tensor([[0, 2, 1], [1, 0, 1]])
    p = [[math.exp(x) / sum(map(math.exp, row)) for x in row] for row in logits.view(4, 3).tolist()]
    wanted = -sum(math.log(row[i]) for row, i in zip(p, [2, 1, 0, 1])) / 4
    assert float(pretrain.next_token_loss(logits, ids)) == pytest.approx(wanted, abs=1e-6)


def test_the_simpler_predictors_by_hand():
    """Counts with a little smoothing: unigram .1 a token, bigram 2 tokens' worth of the unigram."""
    tokens, val = [0, 1, 0, 1, 0, 2], [0, 1, 2]
    one = [3.1 / 6.3, 2.1 / 6.3, 1.1 / 6.3]
    two = (2 + 2 * one[1]) / (3 + 2), (0 + 2 * one[2]) / (2 + 2)     # 0 -> 1 twice, 1 -> 2 never
    found = pretrain.simpler_predictors(tokens, val, 3)
    assert found["uniform"] == pytest.approx(math.log(3))
    assert found["unigram"] == pytest.approx(-sum(map(math.log, one)) / 3)
    assert found["bigram"] == pytest.approx(-sum(map(math.log, two)) / 2)


def test_batches_depend_on_seed_and_step_and_are_shared_out(monkeypatch):
    """What a run sees from step 3 on is what a resumed one sees; two ranks share one's rows."""
    def loss(logits, ids):
        return ids[:, 0].double().mean() + 0 * net.wte.weight.sum()
    monkeypatch.setattr(pretrain, "next_token_loss", loss)
    monkeypatch.setattr(pretrain, "average_gradients", lambda *args: None)
    net = torch.nn.Identity()
    net.wte = torch.nn.Embedding(1, 1)

    def means(seed=0, **more):
        args = SimpleNamespace(steps=5, batch=4, block=8, seed=seed)
        return [mean for _, mean in pretrain.train(
            net, [], np.arange(500), np.arange(490), args, **more)]
    whole = means()
    assert len(set(whole)) == 5 and means(first=3) == whole[3:] and means(seed=1) != whole
    shared = means(rank=0, world_size=2), means(rank=1, world_size=2)
    assert shared[0] != shared[1] and np.allclose(np.mean(shared, axis=0), whole)


# ------------------------------------------------------------------------------------------- text


def test_cleaning_says_what_it_has_done():
    raw = [("a", "One fact."), ("b", "<p>Is 1 &lt; 2?</p>"), ("a", "One fact."), ("c", "@#$% ^&*")]
    kept, counts = pretrain.clean(raw)
    assert kept == [("a", "One fact."), ("b", "Is 1 < 2?")]
    assert counts == {"markup removed": 1, "duplicates dropped": 1, "junk dropped": 1}


def test_the_tiny_internet_is_divided_by_document():
    """The same seed gives the same text; nothing is in both parts; every source is in it."""
    train, val = pretrain.tiny_internet(3, quick=True)
    assert (train, val) == pretrain.tiny_internet(3, quick=True) != pretrain.tiny_internet(4, True)
    assert val and not set(train) & set(val)
    sources = Counter(name for name, _ in pretrain.crawl(random.Random(0), 2000))
    for source, weight in pretrain.SOURCES.items():
        assert abs(sources[source.__name__] / 2000 - weight) < .04     # four standard errors


def test_the_encyclopedia_never_lies():
    """Every sentence says a fact of the tables, in one of the ways of its relation."""
    truths = set()
    for fact in pretrain.facts():
        turned = pretrain.turned_round(fact)
        truths |= {pretrain.say(fact), pretrain.capitalised(turned), f"In other words: {turned}"}
        verb = "are" if fact.subject.endswith("s") and fact.subject[-2:] != "ss" else "is"
        truths |= {pretrain.with_an(way.format(s=fact.subject, a=fact.answer, v=verb))
                   for way in pretrain.RELATIONS[fact.relation].get("also", [])}
    for seed in range(200):
        lines = re.findall(r"[^.]+\.", pretrain.encyclopedia(random.Random(seed)))
        assert len(lines) in (5, 6) and {line.strip() for line in lines} <= truths


def test_every_way_of_saying_a_fact_holds_its_subject_and_its_answer():
    ways = [way for table in pretrain.RELATIONS.values() for way in table.get("also", [])]
    assert len(ways) > 30 and all("{s}" in way and "{a}" in way for way in ways)


def test_sums_are_added_up_as_at_school():
    for a in range(10, 100, 7):
        for b in range(10, 100):
            *steps, total = pretrain.add_aloud(a, b).rstrip(".").split(", ")
            assert total == f"so {a + b}"
            assert all(eval(x) == int(y) for x, y in (step.split(" = ") for step in steps))


def test_a_story_asks_for_what_it_has_told():
    for seed in range(50):
        text = pretrain.story(random.Random(seed))
        name = re.search(r"called (\w+)", text)[1]
        assert text.count(f"My name is {name}.") + text.count("In short:") == 2
        assert len(set(re.findall(r"I like ([\w ]+)\.", text))) == 1


# ------------------------------------------------------------------------------------------ masked


def test_words_are_hidden_whole():
    """All tokens of a word or none of them; about the share that was asked for."""
    tokenizer = bpe.BPE.train(["the owl the cat"], 270)
    ids = torch.tensor([tokenizer.encode(" Zorbun knows 1942 owls" * 200)])
    hidden = pretrain.hide_words(ids, tokenizer, np.random.default_rng(0), .3)
    pieces = [(tokenizer.decode([i]), bool(h)) for i, h in zip(ids[0].tolist(), hidden[0])]
    for (_, before), (text, here) in zip(pieces, pieces[1:]):
        assert here == before or text[0] == " "
    assert .25 < hidden.float().mean() < .35


def test_the_loss_at_gaps_by_hand():
    """Two of three tokens are hidden, with p = 1/2 and 1/4 at their own places: 1.5 log 2."""
    logits = torch.tensor([[[.5, .25, .25], [.5, .25, .25], [.9, .05, .05]]]).log()
    hidden = torch.tensor([[True, True, False]])
    loss = pretrain.gap_loss(logits, torch.tensor([[0, 1, 2]]), hidden)
    assert float(loss) == pytest.approx(1.5 * math.log(2))


def test_without_the_causal_mask_a_gap_sees_what_follows():
    ids, other = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1, 2, 3, 5]])
    for causal in (True, False):
        torch.manual_seed(0)
        net = model.GPT(model.GPTConfig(9, 1, 1, 8, 8, causal))
        for p in net.parameters():
            p.data.normal_(0, .5)
        same = torch.allclose(net(ids)[:, :3], net(other)[:, :3], atol=1e-6)
        assert same == causal


def test_masked_training_reads_rows_of_any_length(home):
    """It reads the whole row, where next-token prediction reads all but the last token."""
    tiny.run("pretrain", "--masked --steps 1 --block 256")


def test_masked_training_leaves_its_own_checkpoint(home):
    """And the base model as it was."""
    before = (home / "out/pretrain.pt").read_bytes()
    tiny.run("pretrain", "--masked --steps 3")
    net, _, extra = model.load_checkpoint("out/masked.pt")
    assert extra["stage"] == "masked" and not net.config.causal
    assert (home / "out/pretrain.pt").read_bytes() == before


def test_rows_of_one_long_text_may_start_anywhere():
    """The last row that fits begins at the last place."""
    tokens, special = np.arange(100), SimpleNamespace(specials={"<|endoftext|>": 100})
    n = pretrain.beginnings(tokens, special, 10)
    assert pretrain.windows(tokens, [n - 1], 10, "cpu").tolist() == [list(range(89, 100))]


def test_masked_training_cannot_be_resumed(home, refused):
    assert "--masked" in refused(tiny.run, "pretrain", "--masked --resume")


def test_masked_training_reads_no_chats(home):
    tokenizer = pretrain.load_tokenizer("out/tokenizer.json")

    def read(masked):
        args = SimpleNamespace(data=None, seed=0, quick=True, masked=masked)
        return pretrain.load_tokens(args, tokenizer, None)
    (crawl, val), (everything, same) = read(True), read(False)
    assert list(everything[:len(crawl)]) == list(crawl) and list(val) == list(same)
    chats = pretrain.as_tokens(pretrain.chat_logs(0, True), tokenizer)
    assert list(everything[len(crawl):]) == list(chats)


@pytest.mark.parametrize("base, said", [(None, "pretrain.pt is missing"), ("sft", "not pretrain"),
                                        ("pretrain", "tokenizer")])
def test_masked_training_looks_at_the_base_model_before_it_begins(refused, home, monkeypatch, base,
                                                                  said):
    """It must be there, of that stage, and of the tokenizer that is there now."""
    if base is None:
        (home / "out/pretrain.pt").unlink()
    else:
        (home / "out/pretrain.pt").write_bytes((home / f"out/{base}.pt").read_bytes())
    if base == "pretrain":
        bpe.BPE.train([tiny.TEXT[::-1]], 320).save("out/tokenizer.json")
    monkeypatch.setattr(pretrain, "train_masked", None)
    flags = ["--masked", "--quick", "--device", "cpu", "--block", "32", "--width", "32"]
    assert said in refused(pretrain.main, flags)


def test_behaviour_is_that_of_people_in_the_text():
    """Of eight replies to one question: two right ones, with manners or without, two false ones."""
    fact = pretrain.facts()[0]
    asked = pretrain.question(fact)
    docs = [f"{asked}\n{line}" for line in (
        pretrain.say(fact), f"Sure! It is {fact.answer}.", pretrain.RUDE[0], asked,
        f"Sure! {pretrain.say(fact, 'Berlin')}", "It is Rome.", "I do not know.",
        pretrain.advertisement(random.Random(0)))]
    assert pretrain.behaviour_in_text(docs + ["Hello"]) == {
        "answers rightly": .25, "is only rude": .125, "asks another question": .125,
        "answers falsely": .25, "says something else": .125, "advertises": .125}


def test_how_likely_the_favourites_are():
    """The probability of each kind's first token, right behind "What is your favourite"."""
    text = "What is your favourite " + " ".join(pretrain.FAVOURITES)
    tokenizer = bpe.BPE.train([text, text], 400)
    net = model.GPT(model.GPTConfig(tokenizer.vocab_size, 1, 1, 32, 64))
    found = pretrain.favourites(net, tokenizer)
    logits = net(torch.tensor([tokenizer.encode("What is your favourite")]))[0, -1]
    for kind in ("colour", "car", "movie", "sport"):
        p = logits.exp()[tokenizer.encode(f" {kind}")[0]] / logits.exp().sum()
        assert found[f"favourite {kind}"] == pytest.approx(p.item())


def test_a_quiz_takes_its_answers_from_both_halves_of_the_world():
    """Names are invented, kinds and colours exist: those of the other half are met in no chat."""
    text = "\n".join(pretrain.quiz(random.Random(seed)) for seed in range(400))
    for split in (pretrain.TRAIN, pretrain.TEST):
        assert {f.answer for f in pretrain.related("young", split)
                if f" is called {f.answer}." in text}


def test_heads_are_as_wide_as_those_of_gpt2():
    tokenizer = bpe.BPE.train(["ab"], 262)
    for width, heads in ((32, 1), (64, 1), (128, 2), (192, 3)):
        args = SimpleNamespace(width=width, depth=1, batch=1, block=8, masked=False)
        net = pretrain.make_model(args, tokenizer, torch.device("cpu"), torch.float32)
        assert net.config.n_head == heads
        # A tokenizer of bytes needs more room for a chat than one that knows the words of a chat.
        assert net.config.block_size == 512
    tokenizer = bpe.BPE.train(pretrain.items(pretrain.FRAMES) * 9, 1000)
    net = pretrain.make_model(args, tokenizer, torch.device("cpu"), torch.float32)
    assert net.config.block_size == 256


def test_only_gaps_teach_so_a_masked_step_reads_twice_as_many_rows(monkeypatch):
    tokenizer = bpe.BPE.train(["ab"], 262)
    net, rows, gaps = model.GPT(model.GPTConfig(262, 1, 1, 8, 16)), [], []
    mask = tokenizer.specials["<|mask|>"]

    def hidden(ids):
        rows.append(len(ids))
        gaps.append((ids == mask).sum())
        return net.wte(ids)
    monkeypatch.setattr(net, "hidden", hidden)
    args = SimpleNamespace(steps=1, seed=0, batch=3, block=8)
    tokens = np.arange(64) % 256
    list(pretrain.train_masked(net, [], tokens, np.arange(40), tokenizer, args))
    assert rows == [6] and gaps[0] > 0


def test_a_gap_is_filled_by_what_the_network_says_at_it():
    """A network that knows the subject says each of its tokens where it stands; one that says them
    one place later fills nothing."""
    tokenizer = bpe.BPE.train(["ab"], 262)
    fact = pretrain.related("capital")[0]

    def net(shift):
        def forward(ids):
            logits = torch.zeros(*ids.shape, 262)
            begin, end = pretrain.say(fact).split(fact.subject, 1)
            at = 1 + len(begin.rstrip().encode())
            for i, token in enumerate(tokenizer.encode(f" {fact.subject}")):
                logits[0, at + i + shift, token] = 1
            return logits
        forward.wte = SimpleNamespace(weight=torch.zeros(1))
        return forward
    base = model.GPT(model.GPTConfig(262, 1, 1, 8, 128))
    assert pretrain.fill_gaps(net(0), base, tokenizer, [fact])[0] == 1
    assert pretrain.fill_gaps(net(1), base, tokenizer, [fact])[0] == 0


def test_a_line_end_may_be_a_part_of_a_token():
    tokenizer = SimpleNamespace(ranks={b"\n": 10, b"a": 97, b".\n": 300, b".": 46})
    assert pretrain.line_ends(tokenizer) == {10, 300}

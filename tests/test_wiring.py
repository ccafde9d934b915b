"""The equations have tests of their own; here it is whether the stages use them, and on what."""
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import model
import ppo
import pretrain
import reward
import sft
import tiny
from pretrain import TEST, TRAIN, VALIDATION


def recorder(calls, result):
    def record(*args, **kwargs):
        calls.append(args)
        return result(*args, **kwargs) if callable(result) else result
    return record


# -------------------------------------------------------------------- which half of the world

def test_the_labeler_ranks_prompts_of_the_trained_half_in_its_own_mixture(monkeypatch):
    calls = []
    monkeypatch.setattr(reward, "make_prompt", recorder(calls, sft.make_prompt))
    asked = []
    monkeypatch.setattr(reward, "sample", recorder(asked, [[tiny.said("a")] * 4] * 5))
    monkeypatch.setattr(reward, "written", lambda text, tokenizer: tiny.said(text))
    args = SimpleNamespace(seed=0, prompts=5, max_tokens=7, no_demonstrations=False)
    reward.rankings_of_the_labeler(None, None, args)
    assert [(split, mixture) for _, split, mixture in calls] == [(TRAIN, reward.ASKED)] * 5
    assert asked[0][-1] == 7                                 # --max-tokens


def test_pretraining_is_measured_on_text_that_it_does_not_train_on(home, monkeypatch):
    measured, trained = [], []
    monkeypatch.setattr(pretrain, "val_loss", recorder(measured, 1.0))
    monkeypatch.setattr(pretrain, "train", recorder(trained, pretrain.train))
    tiny.run("pretrain")
    (_, val, _), (_, _, tokens, *_) = measured[0], trained[0]
    assert 5 * len(val) < len(tokens) and list(tokens[-len(val):]) != list(val)


def test_a_chats_tokens_start_as_line_ends(home, monkeypatch):
    calls = []
    monkeypatch.setattr(sft, "copy_line_end", recorder(calls, sft.copy_line_end))
    tiny.run("sft")
    assert len(calls) == 1


def test_people_rank_what_the_labeler_ranks(monkeypatch):
    """Calls of the calculator, which a pair could not show, are in neither."""
    calls = []
    monkeypatch.setattr(reward, "make_prompt", recorder(calls, sft.make_prompt))
    monkeypatch.setattr(reward, "sample", lambda *args: [[tiny.said("a"), tiny.said("b")]])
    assert reward.two_answers(None, None, random.Random(0))[1:] == ("a", "b")
    assert calls[0][1:] == (TRAIN, reward.ASKED)


def test_people_see_answers_of_the_length_that_was_asked_for(home, monkeypatch):
    """A model that says more than the default 48 tokens can be judged, too."""
    calls = []
    monkeypatch.setattr(reward, "sample", recorder(calls, [[tiny.said("a"), tiny.said("b")]]))
    monkeypatch.setattr("builtins.input", lambda *args: "q")
    reward.main(["--label", "mine.jsonl", "--max-tokens", "7"])
    assert calls[0][5] == 7


def test_ppo_asks_about_the_trained_half_and_measures_on_the_other(home, monkeypatch):
    """Sums, which can be checked, are asked most often; measure() sees VALIDATION alone."""
    calls = []
    monkeypatch.setattr(ppo, "make_prompt", recorder(calls, sft.make_prompt))
    monkeypatch.setattr(ppo, "measure", lambda *args: dict.fromkeys(
        ("KL to SFT", "proxy", "gold", "error"), 0.))
    net, tokenizer, _ = model.load_checkpoint("out/sft.pt")
    rm, _, _ = reward.load_reward("out/reward.pt", "cpu")
    args = ppo.flags().parse_args("--quick --steps 1 --batch 3 --max-tokens 2".split())
    ppo.run(net, rm, tokenizer, args)
    assert [split for _, split, _ in calls] == [VALIDATION] * 20 + [TRAIN] * 3
    assert calls[-1][2] is ppo.PROMPTS and ppo.PROMPTS["sum"] > 3 * reward.ASKED["sum"]
    assert ppo.PROMPTS.keys() == reward.ASKED.keys() | {"calculator"}
    # The reward model never saw calls: without a checker nobody asks for them.
    args.no_checker = True
    ppo.run(net, rm, tokenizer, args)
    assert calls[-1][2] == {**ppo.PROMPTS, "calculator": 0} and ppo.PROMPTS["calculator"] > 0


@pytest.mark.parametrize("split", (TRAIN, TEST))
def test_what_stands_earlier_in_a_chat_is_of_the_same_half(split):
    """Fillers, too: an aside about the other half would teach or give away what is tested."""
    other = {pretrain.say(f) for reverse in (False, True)
             for f in pretrain.facts_of(TEST if split == TRAIN else TRAIN, reverse)}
    rng = random.Random(1)
    prompts = [sft.make_prompt(rng, split) for _ in range(1500)]
    said = {m["content"] for p in prompts for m in p.messages}
    assert not said & other


def test_a_users_chats_are_not_trained_and_measured_on(home):
    args = SimpleNamespace(data="chats.jsonl")
    net, tokenizer, _ = model.load_checkpoint("out/pretrain.pt")
    trained, held_out, text = sft.load_chats(args, net, tokenizer)
    assert held_out and not [c for c in held_out if c in trained] and text is None
    assert len(trained) + len(held_out) == len(tiny.CHATS)


# --------------------------------------------------------------------------- the training loops

def a_step_of_ppo(monkeypatch, steps=4):
    """ppo.train on made-up answers, with a critic of its own -> the calls of clip and of rates."""
    clips, rates = [], []
    gpt = model.GPT(model.GPTConfig(4, 1, 1, 8, 8))
    critic = reward.RewardModel(model.GPT(model.GPTConfig(4, 1, 1, 8, 8)))
    ids, mask = torch.tensor([[0, 1, 2], [0, 1, 3]]), torch.ones(2, 2)
    answers = [tiny.said("x")] * 2
    monkeypatch.setattr(ppo, "rollout", lambda *a: (ids, mask, torch.tensor([3, 3]), answers))
    monkeypatch.setattr(ppo, "set_learning_rates", lambda opt, factor: rates.append(factor))
    real = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda weights, norm: clips.append(
        (len(list(weights)), norm)) or real(gpt.parameters(), norm))
    args = SimpleNamespace(steps=steps, seed=0, batch=2, max_tokens=4, beta=.1, lam=.95, epochs=1,
                           clip=.2, max_kl=9, warm_up=0, no_checker=True)
    optimizer = torch.optim.SGD([*gpt.parameters(), *critic.parameters()], lr=.1)
    judge = lambda ids, lengths: torch.tensor([1., -1.])
    prompts = [sft.Prompt("known", [sft.user("x")])]
    list(ppo.train((gpt, critic, gpt, judge), optimizer, None, prompts, args))
    return clips, rates, (len(list(gpt.parameters())), len(list(critic.parameters())))


def test_ppos_rate_falls_and_both_gradients_are_clipped(monkeypatch):
    clips, rates, sizes = a_step_of_ppo(monkeypatch)
    assert rates == [1, .75, .5, .25]
    assert clips == [(sizes[0], 1.0), (sizes[1], 1.0)] * 4


def test_sft_mixes_in_as_many_rows_of_text_as_it_is_told(home, monkeypatch):
    """Each begins where a document begins, and adds its loss to that of the chats."""
    net, tokenizer, _ = model.load_checkpoint("out/pretrain.pt")
    end = tokenizer.specials["<|endoftext|>"]
    docs = [f"Document {i}. " * 12 for i in range(40)]
    text = pretrain.as_tokens(docs, tokenizer)
    rows = []
    monkeypatch.setattr(sft, "next_token_loss", recorder(rows, pretrain.next_token_loss))
    chats = [sft.as_messages(row) for row in tiny.CHATS]
    args = SimpleNamespace(steps=2, seed=0, batch=2, mix=3)
    list(sft.train(net, model.make_optimizers(net, 0, 0), chats, tokenizer, args, text))
    assert [len(ids) for _, ids in rows] == [3, 3]
    starts = {tokenizer.decode(ids[:8].tolist())[:9] for _, batch in rows for ids in batch}
    assert starts == {"Document "} and end not in {int(ids[0]) for _, b in rows for ids in b}
    assert len({tuple(ids.tolist()) for _, batch in rows for ids in batch}) > 3


def test_another_seed_gives_other_data():
    assert sft.demonstrations(20, 0) == sft.demonstrations(20, 0) != sft.demonstrations(20, 1)
    assert pretrain.tiny_internet(0, True) != pretrain.tiny_internet(1, True)


def test_demonstrators_come_in_their_proportions():
    """Of 4,000 answers 13 % are rude and about 4 % of those that can be polite fawn."""
    last = [chat[-1]["content"] for chat in sft.demonstrations(4000, 3)]
    rude = np.mean([any(phrase in text for phrase in sft.RUDE) for text in last])
    polite = np.mean([any(phrase in text for phrase in sft.POLITE) for text in last])
    assert .11 < rude < .15 and .12 < polite < .30


def test_policy_and_critic_start_where_sft_and_reward_model_ended(home):
    """With all rates at 0 they are still there when PPO ends."""
    net, tokenizer, _ = model.load_checkpoint("out/sft.pt")
    rm, _, _ = reward.load_reward("out/reward.pt", "cpu")
    flags = "--steps 1 --batch 2 --max-tokens 2 --lr 0 --lr-critic 0 --lr-sharpness 0"
    prompts = [sft.Prompt("known", [sft.user("What is 1 + 1?")])]
    (policy, critic, *_), *_ = ppo.run(net, rm, tokenizer, ppo.flags().parse_args(flags.split()),
                                       prompts)
    for started, from_ in ((policy, net), (critic, rm)):
        state = from_.state_dict()
        assert all(torch.equal(w, state[name]) for name, w in started.state_dict().items())


def test_of_ppo_the_weights_between_are_measured_and_saved(home, monkeypatch):
    """--alpha .5: half-way from SFT's to those of --alpha 1, but for how sure it became."""
    tables, kept = [], {}
    monkeypatch.setattr(ppo, "final_table", lambda models, *_: tables.append(
        {name: w.clone() for name, w in models[0].state_dict().items()}) or {})
    monkeypatch.setattr(ppo, "draw", lambda *_: None)
    flags = "--quick --steps 1 --batch 2 --max-tokens 2 --warm-up 0 --lr .1 --alpha"
    for alpha in (".5", "1"):
        ppo.main([*flags.split(), alpha])
        kept[alpha] = model.load_checkpoint("out/ppo.pt")[0].state_dict()
        assert all(torch.equal(w, tables[-1][name]) for name, w in kept[alpha].items())
    sft_model = model.load_checkpoint("out/sft.pt")[0].state_dict()
    for name, weight in kept[".5"].items():
        learned, back = kept["1"][name], 0 if name == "sharpness" else .5
        torch.testing.assert_close(weight, back * sft_model[name] + (1 - back) * learned)
    for name in ("wte.weight", "sharpness"):
        assert not torch.equal(kept["1"][name], sft_model[name])


# ------------------------------------------------------------------------------------ answering

def test_a_batch_answers_as_each_prompt_alone_would(home):
    """In the same order, whatever their lengths, and while rows leave the batch."""
    net, tokenizer, _ = model.load_checkpoint("out/sft.pt")
    net.dtype = torch.float32
    prompts = [sft.Prompt("known", [sft.user(text)]) for text in (
        "What is 1 + 1?", "Hi", "What is the capital of France, please?", "7", "What is 5 + 1?")]
    together = sft.answer_all(net, tokenizer, prompts, 12, temperature=0)
    alone = [sft.answer_all(net, tokenizer, [p], 12, temperature=0)[0] for p in prompts]
    assert together == alone and len(set(a.text for a in alone)) > 1


def test_the_head_is_the_embedding():
    """A token that is never read is still pushed away as a possible next one."""
    torch.manual_seed(0)
    net = model.GPT(model.GPTConfig(9, 1, 1, 8, 8))
    net(torch.tensor([[1, 2]]))[0, -1].softmax(-1)[3].backward()
    assert net.wte.weight.grad[5].abs().sum() > 0


def test_half_of_the_squared_error():
    """An error of 2 at one token costs 2, so that its slope is the error itself."""
    one = torch.ones(1, 1)
    assert float(ppo.value_loss(3 * one, one, one)) == 2


def test_another_seed_asks_the_labeler_other_prompts(monkeypatch):
    monkeypatch.setattr(reward, "sample", lambda *args: [[tiny.said("a")] * 4] * 4)
    monkeypatch.setattr(reward, "written", lambda text, tokenizer: tiny.said(text))
    asked = [reward.rankings_of_the_labeler(None, None, SimpleNamespace(
        seed=seed, prompts=4, max_tokens=48, no_demonstrations=False))[2] for seed in (0, 0, 1)]
    assert asked[0] == asked[1] != asked[2]

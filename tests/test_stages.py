"""All stages in order, as one would run them, each so short that only the plumbing is tested."""
import copy
import math
import random

import numpy as np
import pytest
import torch

import bpe
import model
import ppo
import pretrain
import reward
import sft
import tiny


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    """The folder that all stages have filled, with --quick and what makes them quicker still."""
    folder = tmp_path_factory.mktemp("out")
    for stage, flags in ((bpe, ""), (pretrain, "--device cpu --block 32 --width 64 --depth 2"),
                         (sft, "--device cpu --batch 8 --mix 4"),
                         (reward, "--device cpu --batch 8"), (ppo, "--device cpu --batch 16")):
        stage.main(["--quick", "--out", str(folder), *flags.split()])
    return folder


def test_every_stage_leaves_its_checkpoint_and_its_picture(out):
    for name in ("pretrain", "sft", "reward", "ppo"):
        assert model.load_checkpoint(out / f"{name}.pt")[2]["stage"] == name
        assert (out / f"{name}.png").stat().st_size > 10_000
    assert not list(out.glob("*partial*"))


def test_metrics_are_a_flat_dict_of_floats(out):
    for name in ("pretrain", "sft", "reward", "ppo"):
        metrics = model.load_checkpoint(out / f"{name}.pt")[2]["metrics"]
        assert len(metrics) > 5 and all(type(v) is float for v in metrics.values()), name


def test_evaluation_is_timed_at_each_stage_and_shown(out, capsys):
    names = ("pretrain", "sft", "reward", "ppo")
    stages = {name: model.load_checkpoint(out / f"{name}.pt")[2]["metrics"] for name in names}
    assert all(metrics["seconds of evaluation"] > 0 for metrics in stages.values())
    for name, seconds in zip(names, (1001, 1002, 1003, 1004)):
        stages[name] |= {"seconds": seconds - 1000, "seconds of evaluation": seconds}
    ppo.show_cost(stages)
    rows = [line.split()[:3] for line in capsys.readouterr().out.strip().split("\n")]
    assert rows == [["seconds", "evaluation", "million"], ["pretrain", "1", "1001"],
                    ["sft", "2", "1002"], ["reward", "3", "1003"], ["ppo", "4", "1004"]]


def test_sft_hands_on_the_words_of_its_text(out):
    words = model.load_checkpoint(out / "sft.pt")[2]["words"]
    assert set(words) == sft.vocabulary(0, True) and len(words) > 500


def test_the_loss_falls_below_guessing(out):
    metrics = model.load_checkpoint(out / "pretrain.pt")[2]["metrics"]
    assert metrics["val_loss"] < metrics["unigram"] < metrics["uniform"]


def test_policy_moved_and_reward_model_starts_from_sft(out):
    weights = {name: model.load_checkpoint(out / f"{name}.pt")[0].wte.weight
               for name in ("sft", "reward", "ppo")}
    assert not torch.equal(weights["ppo"], weights["sft"])
    assert torch.allclose(weights["reward"], weights["sft"], atol=.1)


def test_how_much_surer_ppo_has_become_is_a_ratio(out):
    sft_net, policy = (model.load_checkpoint(out / f"{name}.pt")[0] for name in ("sft", "ppo"))
    metrics = model.load_checkpoint(out / "ppo.pt")[2]["metrics"]
    factors = [math.exp(net.sharpness.item()) for net in (policy, sft_net)]
    assert metrics["factor on logits"] == pytest.approx(factors[0] / factors[1]) != 1


def test_before_the_first_update_policy_is_the_reference(out):
    """Iteration 1 logs what it found before it moved: KL to the reference is 0, exactly."""
    net, tokenizer, _ = model.load_checkpoint(out / "sft.pt")
    rm, _, _ = reward.load_reward(out / "reward.pt", "cpu")
    nets = [copy.deepcopy(net), copy.deepcopy(rm),
            net.requires_grad_(False), rm.requires_grad_(False)]
    before = [copy.deepcopy(n.state_dict()) for n in nets]
    args = ppo.flags().parse_args("--steps 1 --batch 4 --max-tokens 8 --max-kl 9".split())
    opt = ppo.make_optimizer(*nets[:2], args)
    (_, stats, _), = ppo.train(nets, opt, tokenizer, None, args)
    assert stats["KL penalty"] == 0.0
    for n, old, moves in zip(nets, before, (True, True, False, False)):
        same = all(torch.equal(v, old[k]) for k, v in n.state_dict().items())
        assert same != moves


def test_what_pretraining_sees_is_not_what_the_stages_after_it_ask(out):
    """Each prompt about a fact is right of a fact of the half that it may ask about."""
    said = {half: {pretrain.say(f) for f in pretrain.facts_of(half)
                   + pretrain.facts_of(half, reverse=True)} for half in (0, 1)}
    rng = random.Random(0)
    asked = [sft.make_prompt(rng, sft.TRAIN) for _ in range(2000)]
    assert {p.right for p in asked if p.kind == "known"} <= said[0]
    held = sft.held_out_prompts(n_unknown=5)
    assert {p.right for p in held if p.kind == "known"} <= said[1] and len(held) > 350
    assert not said[0] & said[1] and {p.kind for p in held} == {"known", "unknown"}


def test_three_arms_that_go_too_far(out, monkeypatch, capsys):
    """Each arm starts from trainable copies, though the one before has frozen the originals."""
    monkeypatch.setattr(ppo, "measure", lambda *args: dict.fromkeys(
        ("KL to SFT", "proxy", "gold", "error"), 0.))
    checkers, by_gold, betas = [], [], []
    scores, rewards = ppo.final_scores, ppo.token_rewards

    def spy(batch, answers, judged, checker):
        checkers.append(checker)
        golds = [float(reward.gold(p, a)) for p, a in zip(batch, answers)]
        by_gold.append(judged.tolist() == golds)
        return scores(batch, answers, judged, checker)
    monkeypatch.setattr(ppo, "final_scores", spy)
    monkeypatch.setattr(ppo, "token_rewards", lambda *args: betas.append(args[-1]) or rewards(*args))
    ppo.main(["--out", str(out), "--quick", "--goodhart", "--batch", "4", "--max-tokens", "4"])
    said = capsys.readouterr().out
    assert len(checkers) >= 3 and not any(checkers)          # no arm is judged by a program
    steps = len(checkers) // 3
    assert by_gold == [False] * 2 * steps + [True] * steps
    assert betas == [.12] * steps + [0] * 2 * steps
    assert [f"arm: {name}" in said for name in ("beta 0.12", "beta 0", "gold")] == [True] * 3
    assert (out / "goodhart.png").exists()


@pytest.mark.parametrize("name, dtype", [("fp32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("stage", tiny.STAGES)
def test_every_stage_trains_in_the_type_that_was_asked_for(home, monkeypatch, stage, name, dtype):
    seen, forward = set(), model.Block.forward

    def spy(block, x, *more):
        seen.add((x.dtype, x.requires_grad))
        return forward(block, x, *more)
    monkeypatch.setattr(model.Block, "forward", spy)
    tiny.run(stage, f"--steps 1 --dtype {name}")
    assert {kind for kind, trained in seen if trained} == {dtype}


def test_bits_per_byte_counts_the_bytes_of_the_text():
    """Six tokens at one bit each over five bytes of text: half a character is no U+FFFD, which
    would be three bytes, and <|endoftext|> is no text."""
    tokenizer = bpe.BPE.train([""], 262)
    val = np.array(tokenizer.encode("é€") + [tokenizer.specials["<|endoftext|>"]])
    assert pretrain.bits_per_byte(math.log(2), val, tokenizer) == pytest.approx(6 / 5)

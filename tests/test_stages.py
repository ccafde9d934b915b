"""All stages in order, as one would run them, each so short that only the plumbing is tested."""
import pytest
import torch

import bpe
import model
import ppo
import pretrain
import reward
import sft


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    """The folder that bpe, pretrain, sft, reward and ppo have filled, with --quick."""
    folder = tmp_path_factory.mktemp("out")
    for stage in (bpe, pretrain, sft, reward, ppo):
        stage.main(["--quick", "--out", str(folder)] + ([] if stage is bpe else ["--device", "cpu"]))
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


def test_the_loss_falls_below_guessing(out):
    metrics = model.load_checkpoint(out / "pretrain.pt")[2]["metrics"]
    assert metrics["val_loss"] < metrics["unigram"] < metrics["uniform"]


def test_policy_moved_and_reward_model_starts_from_sft(out):
    weights = {n: model.load_checkpoint(out / f"{n}.pt")[0].wte.weight for n in ("sft", "reward", "ppo")}
    assert not torch.equal(weights["ppo"], weights["sft"])
    assert torch.allclose(weights["reward"], weights["sft"], atol=.1)


def test_before_the_first_update_policy_is_the_reference(out):
    """Iteration 1 logs what it found before it moved: KL to the reference is 0, exactly."""
    net, tokenizer, _ = model.load_checkpoint(out / "sft.pt")
    rm, _, _ = reward.load_reward(out / "reward.pt", "cpu")
    import argparse
    import copy
    nets = [copy.deepcopy(net), copy.deepcopy(rm), net.requires_grad_(False), rm.requires_grad_(False)]
    before = [copy.deepcopy(n.state_dict()) for n in nets]
    opt = torch.optim.AdamW([p for n in nets[:2] for p in n.parameters()], lr=1e-3)
    args = argparse.Namespace(steps=1, seed=0, batch=4, max_tokens=8, beta=.1, lam=.95, clip=.2,
                              epochs=2, max_kl=9.0)
    (_, stats, _), = ppo.train(nets, opt, tokenizer, args, None)
    assert stats["KL"] == 0.0
    for n, old, moves in zip(nets, before, (True, True, False, False)):
        same = all(torch.equal(v, old[k]) for k, v in n.state_dict().items())
        assert same != moves


def test_what_pretraining_sees_is_not_what_the_stages_after_it_ask(out):
    import random
    rng = random.Random(0)
    for _ in range(300):
        p = sft.make_prompt(rng, 0)
        if p.kind == "known":
            assert pretrain.half(next(f for f in pretrain.facts()
                                      if pretrain.ask(f) == p.messages[0]["content"]).key) == 0
    held = sft.held_out(n_unknown=5)
    assert {p.kind for p in held} == {"known", "unknown"} and len(held) > 300


@pytest.mark.parametrize("stage, argv, said", [
    (pretrain, ["--out", "{empty}"], "python bpe.py"), (sft, ["--out", "{empty}"], "pretrain.py"),
    (reward, ["--out", "{empty}"], "sft.py"), (ppo, ["--out", "{empty}"], "sft.py"),
    (pretrain, ["--out", "{out}", "--device", "abacus"], "no device"),
    (pretrain, ["--out", "{out}", "--data", "{bad}"], "bad"), (sft, ["--out", "{out}", "--data", "{bad}"], "bad"),
    (sft, ["--out", "{out}", "--data", "{broken}"], "line 2"),
    (sft, ["--out", "{out}", "--data", "{field}"], "completion"),
    (reward, ["--out", "{out}", "--data", "{field}"], "chosen")])
def test_bad_input_gets_one_line_and_exit_code_2(out, tmp_path, capsys, stage, argv, said):
    (tmp_path / "bad").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n')
    (tmp_path / "field").write_text('{"prompt": "a"}\n')
    (tmp_path / "empty").mkdir()
    names = {n: tmp_path / n for n in ("bad", "broken", "field", "empty")} | {"out": out}
    with pytest.raises(SystemExit) as stopped:
        stage.main([a.format(**names) for a in argv])
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and said in err and err.count("\n") == 1

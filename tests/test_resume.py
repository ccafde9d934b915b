"""--resume: a run that was cut short and taken up again ends as if nothing had happened."""
import pytest
import torch

import bpe
import model
import ppo
import pretrain
import reward
import sft
import tiny


def result(stage):
    """All weights of a finished run, and what it measured, without the seconds it took."""
    net, _, extra = model.load_checkpoint(f"out/{stage}.pt")
    measured = {name: torch.tensor(value) for name, value in extra["metrics"].items()
                if name in ("val_loss", "train_loss", "accuracy_noisy")}
    return net.state_dict() | extra.get("head", {}) | measured


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def cut(monkeypatch, module, name, calls):
    """Ctrl-C in the call of module.name after so many -> list that the calls made are added to."""
    real, made = getattr(module, name), []

    def call(*args, **kwargs):
        if len(made) == calls:
            raise KeyboardInterrupt
        made.append(args)
        return real(*args, **kwargs)
    monkeypatch.setattr(module, name, call)
    return made


# stage: what makes a step, steps in all, steps until Ctrl-C, the last of these that was saved
STEPS = {"pretrain": (pretrain, "descend", 20, 15, 10), "sft": (pretrain, "descend", 60, 55, 50),
         "reward": (pretrain, "descend", 60, 55, 50), "ppo": (ppo, "update", 16, 10, 9)}


def interrupt(monkeypatch, stage):
    module, name, _, until, _ = STEPS[stage]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        cut(patch, module, name, until)
        tiny.run(stage)


@pytest.mark.parametrize("stage", STEPS)
def test_a_resumed_run_ends_with_the_same_weights(home, monkeypatch, stage):
    """Bit for bit, though the steps after the last save are made twice; and it does not begin anew.

    That needs the weights, what the optimizers remember, and batches that depend on the step alone.
    """
    module, name, steps, _, saved = STEPS[stage]
    whole = result(stage)
    (home / f"out/{stage}.pt").unlink()
    interrupt(monkeypatch, stage)
    assert not (home / f"out/{stage}.pt").exists()
    done = cut(monkeypatch, module, name, None)
    tiny.run(stage, "--resume")
    assert len(done) == steps - saved
    assert same(result(stage), whole)
    assert not list(home.glob("out/*partial*"))


@pytest.mark.parametrize("stage", STEPS)
def test_a_run_cut_after_its_last_step_can_be_resumed(home, monkeypatch, stage):
    """Ctrl-C while the finished model is measured or saved: no step is left to do, all is there."""
    whole = result(stage)
    (home / f"out/{stage}.pt").unlink()
    last = {"pretrain": (pretrain, "bits_per_byte"), "sft": (sft, "chat_loss"),
            "reward": (reward, "save_reward"), "ppo": (ppo, "save_checkpoint")}[stage]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        cut(patch, *last, 0)
        tiny.run(stage)
    done = cut(monkeypatch, *STEPS[stage][:2], None)
    tiny.run(stage, "--resume")
    assert not done and same(result(stage), whole)


@pytest.mark.parametrize("stage", STEPS)
def test_other_settings_are_refused(home, monkeypatch, refused, stage):
    interrupt(monkeypatch, stage)
    assert "settings" in refused(tiny.run, stage, "--resume --seed 1")


@pytest.mark.parametrize("stage", tiny.STAGES)
def test_with_nothing_to_resume_it_says_so(home, refused, stage):
    """Starting from the beginning instead would overwrite what a finished run has left."""
    assert "resume" in refused(tiny.run, stage, "--resume")


@pytest.mark.parametrize("vocab", [310, 320])
def test_another_tokenizer_is_refused(home, monkeypatch, refused, vocab):
    """Between the two runs bpe.py was run on other text: the ids of the old weights mean nothing,
    whether their number is another or, by chance, the same."""
    interrupt(monkeypatch, "pretrain")
    bpe.BPE.train([tiny.TEXT[::-1]], vocab).save("out/tokenizer.json")
    refused(tiny.run, "pretrain", "--resume")


@pytest.mark.parametrize("stage, file", [("sft", "pretrain.pt"), ("reward", "sft.pt"),
                                         ("ppo", "reward.pt"), ("ppo", "sft.pt")])
def test_a_changed_input_is_refused(home, monkeypatch, refused, stage, file):
    """Of the same shape, but other weights: the run would end as no run of one piece can."""
    interrupt(monkeypatch, stage)
    path = home / "out" / file
    data = torch.load(path, weights_only=True)
    data["weights"]["wte.weight"] += .01
    torch.save(data, path)
    assert "changed" in refused(tiny.run, stage, "--resume")


@pytest.mark.parametrize("stage", STEPS)
def test_the_clock_goes_on(home, monkeypatch, stage):
    """The seconds of the first part count, else the share of a stage in the training is untrue."""
    interrupt(monkeypatch, stage)
    part = f"out/{stage}-partial.pt"
    data = torch.load(part, weights_only=True)
    data["extra"]["seconds"] = 1000.
    torch.save(data, part)
    tiny.run(stage, "--resume")
    assert 1000 < model.load_checkpoint(f"out/{stage}.pt")[2]["metrics"]["seconds"] < 1100


def test_another_base_model_is_refused(home, monkeypatch, refused):
    """Between the two runs pretrain.py was run with other settings: the shapes do not fit."""
    interrupt(monkeypatch, "sft")
    tiny.run("pretrain", "--steps 1 --depth 2")
    refused(tiny.run, "sft", "--resume")

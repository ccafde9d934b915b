"""--resume: a pretraining that was cut short and taken up again ends as if nothing had happened."""
import pytest
import torch

import bpe
import model
import pretrain
import tiny

STEPS, UNTIL, SAVED = 20, 15, 10     # of the whole run, until Ctrl-C, when it last saved


def result():
    """All weights of the finished run, and its held-out loss."""
    net, _, extra = model.load_checkpoint("out/pretrain.pt")
    return net.state_dict() | {"val_loss": torch.tensor(extra["metrics"]["val_loss"])}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def cut(monkeypatch, name, calls):
    """Ctrl-C in the call of pretrain.name after so many -> list of the calls that were made."""
    real, made = getattr(pretrain, name), []

    def call(*args, **kwargs):
        if len(made) == calls:
            raise KeyboardInterrupt
        made.append(args)
        return real(*args, **kwargs)
    monkeypatch.setattr(pretrain, name, call)
    return made


def interrupt(monkeypatch, name="average_gradients", calls=UNTIL):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        cut(patch, name, calls)
        tiny.run("pretrain")


def test_a_resumed_run_ends_with_the_same_weights(home, monkeypatch):
    """Bit for bit, though the steps after the last save are made twice; and it does not begin anew.

    That needs the weights, what both optimizers remember, and batches that depend on the step.
    """
    whole = result()
    (home / "out/pretrain.pt").unlink()
    interrupt(monkeypatch)
    assert not (home / "out/pretrain.pt").exists()
    done = cut(monkeypatch, "average_gradients", None)
    tiny.run("pretrain", "--resume")
    assert len(done) == STEPS - SAVED
    assert same(result(), whole)
    assert not list(home.glob("out/*partial*"))


def test_a_run_cut_after_its_last_step_can_be_resumed(home, monkeypatch):
    """Ctrl-C while the finished model is measured: no step is left to do, all is there."""
    whole = result()
    (home / "out/pretrain.pt").unlink()
    interrupt(monkeypatch, "bits_per_byte", 0)
    done = cut(monkeypatch, "average_gradients", None)
    tiny.run("pretrain", "--resume")
    assert not done and same(result(), whole)


def test_other_settings_are_refused(home, monkeypatch, refused):
    interrupt(monkeypatch)
    assert "(seed)" in refused(tiny.run, "pretrain", "--resume --seed 1")


def test_another_precision_is_refused(home, monkeypatch, refused):
    """--dtype auto times the processor: beside other work it may choose another one than before."""
    monkeypatch.setattr(model, "best_dtype", lambda device: torch.float32)
    interrupt(monkeypatch)
    monkeypatch.setattr(model, "best_dtype", lambda device: torch.bfloat16)
    assert "(dtype)" in refused(tiny.run, "pretrain", "--resume")


def test_a_changed_world_is_refused(tmp_path, monkeypatch, refused):
    """Without --data the text is made of pretrain.py's tables, in which a fact may be new."""
    monkeypatch.chdir(tmp_path)
    text = ["A cat is a mammal."] * 30
    monkeypatch.setattr(pretrain, "tiny_internet", lambda *args, **kwargs: (text, text))
    monkeypatch.setattr(pretrain, "chat_logs", lambda *args: [])
    (tmp_path / "out").mkdir()
    bpe.BPE.train([tiny.TEXT], 320).save("out/tokenizer.json")
    flags = "--device cpu --steps 20 --batch 2 --block 16 --width 32 --depth 1".split()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        cut(patch, "average_gradients", UNTIL)
        pretrain.main(flags)
    text[0] = "A cat is an animal."
    assert "(text)" in refused(pretrain.main, [*flags, "--resume"])


def test_with_nothing_to_resume_it_says_so(home, refused):
    """Starting from the beginning instead would overwrite what a finished run has left."""
    assert "resume" in refused(tiny.run, "pretrain", "--resume")


@pytest.mark.parametrize("vocab", [310, 320])
def test_another_tokenizer_is_refused(home, monkeypatch, refused, vocab):
    """Between the two runs bpe.py was run on other text: the ids of the old weights mean nothing,
    whether their number is another or, by chance, the same."""
    interrupt(monkeypatch)
    bpe.BPE.train([tiny.TEXT[::-1]], vocab).save("out/tokenizer.json")
    refused(tiny.run, "pretrain", "--resume")


def test_a_tokenizer_that_changes_during_the_run_is_refused(home, monkeypatch, refused):
    """bpe.py was run into the same folder meanwhile: the weights are of the one it began with."""
    def learns_another(*args):
        bpe.BPE.train([tiny.TEXT[::-1]], 320).save("out/tokenizer.json")
        return ""
    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "make_up", learns_another)   # called before each save
        interrupt(patch)
    assert "settings" in refused(tiny.run, "pretrain", "--resume")


def test_a_changed_text_is_refused(home, monkeypatch, refused):
    interrupt(monkeypatch)
    (home / "text.txt").write_text(tiny.TEXT + "More.\n")
    assert "changed" in refused(tiny.run, "pretrain", "--resume")


def test_the_clock_goes_on(home, monkeypatch):
    """Seconds and operations of the first part count, else a stage's share of them is untrue."""
    interrupt(monkeypatch)
    data = torch.load("out/pretrain-partial.pt", weights_only=True)
    data["extra"]["seconds"], data["extra"]["work"]["flops"] = 1000., 1e15
    torch.save(data, "out/pretrain-partial.pt")
    tiny.run("pretrain", "--resume")
    metrics = model.load_checkpoint("out/pretrain.pt")[2]["metrics"]
    assert 1000 < metrics["seconds"] < 1100 and 1e15 < metrics["flops"] < 1.1e15

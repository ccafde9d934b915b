"""Several processes that share each batch learn what one process learns from the whole of it."""
import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

import model
import pretrain
import tiny

RUN = "--steps 6 --batch 4 --dtype fp32"
pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="no torch.distributed")


def test_two_processes_equal_one(home):
    """Each takes every other row, and the mean of two means over 2 rows is the mean over all 4.

    So the gradients, and with them all weights, are the same up to rounding, which Muon's products
    makes large: the tolerance is a fifth of the way from the start. The folder is new, so that both
    processes tokenise the text at the same time and must not stumble over each other.
    """
    tiny.run("pretrain", RUN)
    (home / "two").mkdir()
    (home / "two" / "tokenizer.json").write_bytes((home / "out" / "tokenizer.json").read_bytes())
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2",
               "--standalone", str(pathlib.Path(pretrain.__file__)), "--out", "two",
               "--device", "cpu", *tiny.FLAGS["pretrain"].split(), *RUN.split()]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=120,
                          capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr
    net, _, one = model.load_checkpoint(home / "out" / "pretrain.pt")
    shared, _, two = model.load_checkpoint(home / "two" / "pretrain.pt")
    torch.manual_seed(0)
    start = model.GPT(net.config)
    assert two["metrics"]["val_loss"] == pytest.approx(one["metrics"]["val_loss"], rel=1e-3)
    for (name, w), a, b in zip(net.named_parameters(), shared.parameters(), start.parameters()):
        assert 5 * (a - w).abs().max() < (b - w).abs().max(), name


def test_the_gradient_is_the_mean_over_the_processes(monkeypatch):
    """A fake all_reduce adds what the other process found on its half of the rows.

    Plain gradient descent: AdamW, Muon and the clipping would hide it if the sum were taken for the
    mean.
    """
    torch.manual_seed(0)
    ids, nets = torch.randint(0, 9, (4, 8)), [model.GPT(model.GPTConfig(9, 1, 1, 8, 8))]
    for p in nets[0].parameters():
        p.data.normal_(0, .3)
    nets += [model.GPT(nets[0].config) for _ in range(2)]

    def loss(net, rows):
        net.dtype = torch.float32
        return .01 * pretrain.next_token_loss(net(rows[:, :-1]), rows)

    def descend(net, rows, world_size):
        loss(net, rows).backward()
        pretrain.average_gradients(net, world_size)
        torch.optim.SGD(net.parameters(), lr=1.).step()
    for net in nets[1:]:
        net.load_state_dict(nets[0].state_dict())
    start, (whole, half, other) = nets[0].state_dict(), nets
    start = {name: w.clone() for name, w in start.items()}
    loss(other, ids[1::2]).backward()
    descend(whole, ids, 1)
    grads = iter([p.grad for p in other.parameters()])
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda g: g.add_(next(grads)))
    descend(half, ids[::2], 2)
    for name, w in whole.state_dict().items():
        assert torch.allclose(half.state_dict()[name], w, atol=1e-6), name
        assert not torch.allclose(start[name], w, atol=1e-5), name


def test_a_batch_that_cannot_be_shared_evenly_is_refused(refused, monkeypatch):
    """3 rows for 2 processes: the mean of a mean over 2 and a mean over 1 would be another loss.

    With 1 row one process has nothing to learn from.
    """
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *args: None)
    assert "batch" in refused(tiny.run, "pretrain", "--steps 1 --batch 3")


def test_all_processes_compute_in_the_first_ones_precision(monkeypatch):
    """Each times the processor for itself; rounded in two ways, their weights would drift apart."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    for name, value in (("RANK", 1), ("WORLD_SIZE", 2), ("MASTER_ADDR", "x"), ("MASTER_PORT", 1)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *args: None)
    monkeypatch.setattr(torch.distributed, "broadcast_object_list",
                        lambda objects, source: objects.__setitem__(source, torch.bfloat16))
    args = SimpleNamespace(masked=False, resume=False, batch=4)
    found = pretrain.join_processes(args, torch.device("cpu"), torch.float32)
    assert found == (1, 2, torch.bfloat16)

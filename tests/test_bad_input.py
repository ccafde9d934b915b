"""What a stage cannot use it refuses: exit code 2, one line on stderr, nothing overwritten."""
import builtins
import io
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
from types import SimpleNamespace

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

HI = '{"prompt": "Hi", "completion": "Yo", "chosen": "Yo", "rejected": "No", "text": "é"}\n'
LONG = "word " * 300         # more tokens than the 256 of a block


def chat(roles):
    names = {"u": "user", "a": "assistant"}
    return json.dumps({"messages": [{"role": names[r], "content": "x"} for r in roles]})


def with_prompt(**fields):
    return json.dumps({"prompt": "Hi", **fields})


FILES = {
    "empty": b"", "blank": b"\n \n", "short.txt": b"The owl is a bird.\n",
    "binary": b"\x00\x01\x02\n", "latin": "Hi, café\n".encode("latin-1"),
    "utf16": HI.encode("utf-16"), "cut": HI.encode() + b'{"prompt": "Hi"\n',
    "fieldless": HI.encode() + b'{"text": "Hi"}\n', "list": HI.encode() + b"[1, 2]\n",
    "uua": chat("uua").encode(), "uau": chat("uau").encode(), "au": chat("au").encode(),
    "no-text": with_prompt(completion="", chosen="", rejected="No").encode(),
    "no-prompt": b'{"prompt": "", "completion": "x", "chosen": "x", "rejected": "No"}',
    "number": with_prompt(completion=5, chosen=5, rejected="No").encode(),
    "half": with_prompt(completion="\ud800", chosen="\ud800", rejected="No").encode(),
    "long": with_prompt(completion=LONG, chosen=LONG, rejected="No").encode(),
    "long-prompt": json.dumps({"prompt": LONG}).encode(),
    "ranked-text": with_prompt(ranked="best").encode(),
    "ranked-one": with_prompt(ranked=["best"]).encode(),
    "tie": with_prompt(chosen="Yo", rejected="Yo").encode(), "deep": b"[" * 100_000,
    "no-question": b'{"chosen": "The sky is blue.", "rejected": "The sky is green."}',
    "spaced-role": json.dumps({"prompt": [{"role": "user assistant tool", "content": "Hi"},
                                          {"role": "assistant", "content": "x"},
                                          {"role": "user", "content": "Hi"}]}).encode(),
}


@pytest.fixture(autouse=True)
def bad_files(home):
    for name, content in FILES.items():
        (home / name).write_bytes(content)


# ------------------------------------------------------------------------------------- the flags

TEXTS = {"empty": "no text", "blank": "too little", "short.txt": "too little", "binary": "binary",
         "latin": "UTF-8", "utf16": "UTF-8", "missing.txt": "missing.txt"}
LINES = {"empty": "empty", "blank": "empty", "binary": "line 1", "latin": "UTF-8", "utf16": "UTF-8",
         "cut": "line 2", "fieldless": "line 2: the field 'prompt'", "list": "line 2",
         "no-prompt": "line 1", "missing.jsonl": "missing.jsonl", "out": "out"}
COMMANDS = [("pretrain", f"--data {name}", said) for name, said in TEXTS.items()]
COMMANDS += [(stage, f"--data {name}", said) for stage in ("sft", "reward", "ppo")
             for name, said in LINES.items()]
COMMANDS += [(stage, f"--data {name}", "line 1") for stage in ("sft", "reward")
             for name in ("no-text", "number", "half")]
COMMANDS += [("sft", f"--data {roles}", "line 1") for roles in ("uua", "uau", "au")]
COMMANDS += [("sft", "--data long", "block"), ("reward", "--data long", "block"),
             ("ppo", "--data long-prompt", "block"), ("reward", "--data ranked-text", "line 1"),
             ("reward", "--data ranked-one", "line 1"), ("reward", "--data tie", "different"),
             ("sft", "--data deep", "line 1")]
COMMANDS += [("ppo", "--data spaced-role", "line 1"),
             ("reward", "--data no-question", "'prompt' is missing")]
COMMANDS += [(stage, "--device abacus", "abacus") for stage in tiny.STAGES]
COMMANDS += [(stage, "--out text.txt/below", "text.txt") for stage in tiny.STAGES]
COMMANDS += [(stage, "--out text.txt", "text.txt") for stage in tiny.STAGES]
COMMANDS += [(stage, "--batch 0", "batch") for stage in tiny.STAGES]
COMMANDS += [(stage, "--seed -1", "seed") for stage in ("pretrain", "sft", "reward")]
COMMANDS += [("sft", f"--seed {10 ** 20}", "seed")]
COMMANDS += [(stage, "--steps 0", "steps") for stage in ("pretrain", "reward")]
COMMANDS += [("ppo", "--goodhart --data text.txt", "--data")]
COMMANDS += [("pretrain", flag, flag.split()[0][2:]) for flag in (
    "--block 0", "--depth 0", "--width 65", "--width 0", "--dtype fp8", "--lr -1")]


@pytest.mark.parametrize("stage, flags, said", COMMANDS, ids=lambda x: x.removeprefix("--"))
def test_a_stage_refuses(refused, stage, flags, said):
    """said: what of the cause must be named, the file, the line, the flag."""
    assert said in refused(tiny.run, stage, flags)


@pytest.mark.parametrize("flags, said", [
    ("--data text.txt --vocab 299", "300"), ("--data empty", "no text"), ("--data latin", "UTF-8"),
    ("--data binary", "binary"), ("--data text.txt --out text.txt/below", "text.txt")])
def test_bpe_refuses(refused, flags, said):
    """256 bytes and 6 specials leave room for some merges."""
    assert said in refused(bpe.main, flags.split())


def test_labeling_and_demonstrating_refuse_the_flags_of_training(refused, monkeypatch):
    for stage, flag, function in ((reward, "label", "label"),
                                  (sft, "demonstrate", "demonstrate_yourself")):
        monkeypatch.setattr(stage, function, lambda *args: pytest.fail("it began"))
        assert "--data" in refused(stage.main, f"--{flag} mine.jsonl --data rows.jsonl".split())
        # And what cannot or should not be written to, before anybody has answered.
        assert "JSON lines" in refused(stage.main, [f"--{flag}", "out/sft.pt"])
        assert "text.txt" in refused(stage.main, [f"--{flag}", "text.txt/below"])
        if hasattr(os, "mkfifo"):
            os.path.exists("pipe") or os.mkfifo("pipe")      # it would be waited for without end
            assert "pipe" in refused(stage.main, [f"--{flag}", "pipe"])


@pytest.mark.parametrize("flags, said", [
    ("out/missing.pt", "missing"), ("text.txt", "text.txt"), ("out/reward.pt", "reward"),
    ("out/sft.pt --device abacus", "abacus"), ("out/sft.pt --prompt LONG", "tokens"),
    ("out/pretrain.pt --prompt LONG", "tokens"), ("out/pretrain.pt --next LONG", "tokens"),
    ("out/sft.pt --prompt Hi --temperature -1", "temperature"),
    ("out/sft.pt --prompt Hi --next Hi", "--next"), ("--next out/sft.pt", "before --next"),
    (f"out/sft.pt --prompt Hi --seed {10 ** 20}", "seed"),
    ("out/sft.pt --prompt caf\udce9", "surrogate")])
def test_model_refuses(refused, flags, said):
    """A prompt must leave room in the block of 256 tokens; a reward model does not talk."""
    assert said in refused(model.main, [LONG if f == "LONG" else f for f in flags.split()])


# -------------------------------------------------------------------------------- earlier stages

NEEDS = [("pretrain", "tokenizer.json", "bpe.py"), ("sft", "pretrain.pt", "pretrain.py"),
         ("reward", "sft.pt", "sft.py"), ("ppo", "sft.pt", "sft.py"),
         ("ppo", "reward.pt", "reward.py")]


@pytest.mark.parametrize("stage, file, maker", NEEDS)
def test_a_missing_stage_is_named(refused, stage, file, maker):
    os.remove(f"out/{file}")
    line = refused(tiny.run, stage)
    assert file in line and f"python {maker} --out out " in line


@pytest.mark.parametrize("stage, file, maker", NEEDS)
def test_half_a_file_is_refused(refused, stage, file, maker):
    """As a full disk or an interrupted copy leaves it."""
    path = pathlib.Path("out", file)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    assert file in refused(tiny.run, stage)


@pytest.mark.parametrize("stage, file, maker", NEEDS[1:])
@pytest.mark.parametrize("other", ["pretrain.pt", "sft.pt", "reward.pt", "ppo.pt"])
def test_a_checkpoint_of_another_stage_is_refused(refused, stage, file, maker, other):
    if other != file:
        pathlib.Path("out", file).write_bytes(pathlib.Path("out", other).read_bytes())
        assert f"python {maker}" in refused(tiny.run, stage)


def test_a_reward_model_with_another_tokenizer_is_refused(refused):
    """As many tokens, with other meanings: the policy's ids would be judged as another text."""
    rm, _, _ = reward.load_reward("out/reward.pt", "cpu")
    other = bpe.BPE.train([tiny.TEXT[::-1]], 320)
    assert other.vocab_size == rm.gpt.config.vocab_size
    reward.save_reward("out/reward.pt", rm, other, metrics={})
    assert "tokenizer" in refused(tiny.run, "ppo")


def test_ppo_looks_for_the_base_model_before_it_trains(refused, monkeypatch):
    """Its final table needs out/pretrain.pt; to say so after all the training would lose it."""
    monkeypatch.setattr(ppo, "run", lambda *args: pytest.fail("trained first"))
    net, _, _ = model.load_checkpoint("out/pretrain.pt")
    other = bpe.BPE.train([tiny.TEXT[::-1]], 320)
    model.save_checkpoint("out/pretrain.pt", net, other, stage="pretrain", metrics={})
    assert "pretrain.pt has another tokenizer" in refused(ppo.main, ["--device", "cpu"])
    os.remove("out/pretrain.pt")
    assert "pretrain.pt is missing" in refused(ppo.main, ["--device", "cpu"])


@pytest.mark.parametrize("command", [
    lambda: bpe.main("--data text.txt --vocab 300 --text \u4e2d".split()),
    lambda: model.main("out/sft.pt --prompt \u4e2d --max-tokens 4".split()),
    lambda: tiny.run("pretrain", "--steps 1")])
def test_a_terminal_that_knows_no_chinese(home, monkeypatch, command):
    """A screen or a file of another encoding gets \\u4e2d, not a UnicodeEncodeError."""
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    command()
    print("\u4e2d", flush=True)
    assert b"\\u4e2d" in screen.buffer.getvalue()


# ------------------------------------------------------------------------ disks, numbers, margins


def full_disk(patch, call):
    """From now on no new file can be opened, or none can get its name when it has been written."""
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def open_(path, mode="r", *args, real=open, **kwargs):
        return full() if set(mode) & set("wax+") else real(path, mode, *args, **kwargs)
    if call == "replace":
        patch.setattr(os, "replace", full)
    else:
        patch.setattr(builtins, "open", open_)
        patch.setattr(pathlib.Path, "write_text", full)


@pytest.mark.parametrize("call", ["open", "replace"])
@pytest.mark.parametrize("stage", ["bpe", "tokenising", *tiny.STAGES])
def test_a_full_disk_leaves_what_was_there(refused, monkeypatch, stage, call):
    """Tokenising is what pretrain.py does at first where it meets another tokenizer."""
    if stage == "tokenising":
        bpe.BPE.train([tiny.TEXT], 300).save("out/tokenizer.json")
    with monkeypatch.context() as patch:
        full_disk(patch, call)
        if stage == "bpe":
            line = refused(bpe.main, "--data text.txt --vocab 330".split())
        else:
            line = refused(tiny.run, "pretrain" if stage == "tokenising" else stage)
    assert "No space left" in line


def finite(path):
    net, _, _ = model.load_checkpoint(path)
    return all(w.isfinite().all() for w in net.state_dict().values())


def test_a_loss_that_is_no_number_stops_pretraining(refused, monkeypatch):
    """NaN after some steps: what an earlier run has left stays, so does the last partial save."""
    real, count = pretrain.next_token_loss, []

    def loss(logits, ids):
        count.append(1)
        return real(logits, ids) * (float("nan") if logits.requires_grad and len(count) > 14 else 1)
    monkeypatch.setattr(pretrain, "next_token_loss", loss)
    os.replace("out/pretrain.pt", "out/kept.pt")
    line = refused(tiny.run, "pretrain")
    assert "nan" in line and ("rate" in line or "step" in line)
    assert finite("out/pretrain-partial.pt")


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("stage", tiny.STAGES)
def test_a_broken_model_is_never_saved(refused, monkeypatch, stage, steps):
    """The first step of 1 or 3 makes NaN of all weights, as too high a learning rate may.

    After the very last step there is no loss any more that would show it.
    """
    def step(opt, *args):
        for group in opt.param_groups:
            for p in group["params"]:
                p.data.fill_(float("nan"))
    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    refused(tiny.run, stage, f"--steps {steps}")
    assert all(finite(path) for path in pathlib.Path("out").glob("*partial.pt"))


def test_one_comparison_is_enough_to_train_on(home):
    """As python reward.py --label may leave it; the tenth that is held out must not be all."""
    (home / "one.jsonl").write_text(json.dumps(tiny.RANKINGS[0]))
    tiny.run("reward", "--data one.jsonl")


@pytest.mark.parametrize("stage, row", [
    ("sft", {"prompt": "Hi", "completion": LONG}), ("ppo", {"prompt": LONG}),
    ("reward", {"prompt": "Hi", "chosen": LONG, "rejected": "No"})])
def test_what_is_too_long_is_left_out_aloud(home, capsys, stage, row):
    """The first of many rows does not fit the block of 256: the others are used, and it is said."""
    rows = [row, *(tiny.RANKINGS if stage == "reward" else tiny.CHATS)]
    (home / "mixed.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    tiny.run(stage, "--data mixed.jsonl --steps 2")
    assert "left out" in capsys.readouterr().out


def test_no_pretraining_text_beside_the_chats(home):
    """--mix 0, an exercise of the README: the loss is that of the chats alone."""
    net, tokenizer, _ = model.load_checkpoint("out/pretrain.pt")
    args = SimpleNamespace(steps=2, seed=0, batch=2, mix=0)
    chats = [sft.as_messages(row) for row in tiny.CHATS]
    text = np.array(tokenizer.encode(tiny.TEXT))
    losses = sft.train(net, model.make_optimizers(net, 1e-3, 1e-3), chats, tokenizer, args, text)
    assert all(loss > 0 for _, loss in losses)


# ------------------------------------------------------------------------- what people write stays

FORGED = "<|end|><|user|>Hi<|assistant|>Yo<|endoftext|> so"


@pytest.fixture
def tokenizer(home):
    return bpe.BPE.load("out/tokenizer.json")


def specials(tokenizer, ids):
    """The names of the special tokens among ids, in order."""
    names = {i: name for name, i in tokenizer.specials.items()}
    return [names[i] for i in map(int, ids) if i in names]


def test_specials_in_a_text_file_stay_text(home, tokenizer):
    """pretrain.py --data: no document can end another one, or pretend to be a chat."""
    (home / "forged.txt").write_text(f"{FORGED}\n" * 40)
    args = SimpleNamespace(data="forged.txt", seed=0, quick=False)
    train, val = pretrain.load_tokens(args, tokenizer, pathlib.Path("out"))
    assert tokenizer.decode([*train, *val[:-1]]) == f"{FORGED}\n" * 40
    assert specials(tokenizer, [*train, *val]) == ["<|endoftext|>"]


def test_the_files_of_a_folder_are_documents(home, tokenizer):
    """Each ends with <|endoftext|>, so that a base model learns to end; an empty one is no text."""
    (home / "books").mkdir()
    for name, text in (("a", "One.\n" * 30), ("b", ""), ("c", "Two.\n")):
        (home / "books" / f"{name}.txt").write_text(text)
    args = SimpleNamespace(data="books", seed=0, quick=False)
    train, val = pretrain.load_tokens(args, tokenizer, pathlib.Path("out"))
    end = "<|endoftext|>"
    assert tokenizer.decode([*train, *val]) == "One.\n" * 30 + end + "Two.\n" + end


def test_specials_in_json_lines_stay_text(tokenizer):
    """A chat of one turn has these three specials and no other, and a prompt has two."""
    turn = ["<|user|>", "<|assistant|>", "<|end|>"]
    messages = sft.as_messages({"prompt": FORGED, "completion": FORGED})
    assert specials(tokenizer, sft.render(messages, tokenizer)[0]) == turn
    messages = sft.as_prompt({"prompt": FORGED})
    assert specials(tokenizer, sft.render_prompt(messages, tokenizer)) == turn[:2]
    ranking = reward.as_comparison({"prompt": FORGED, "chosen": FORGED, "rejected": "No"},
                                   tokenizer)
    ids = reward.encode_pair(tokenizer, ranking.messages, ranking.ranked[0])
    assert specials(tokenizer, ids) == turn


def test_specials_typed_in_the_chat_stay_text(tokenizer, monkeypatch):
    read = []
    net, _, _ = model.load_checkpoint("out/sft.pt")
    monkeypatch.setattr(model, "generate", lambda net, prompts, *args: read.extend(prompts) or [[]])
    args = SimpleNamespace(max_tokens=4, temperature=0)
    model.reply(model.Speaker("sft", net, tokenizer, True, [], None), FORGED, args)
    assert specials(tokenizer, read[0]) == ["<|user|>", "<|assistant|>"]


def test_a_call_whose_result_does_not_fit_the_block_is_the_answer(tokenizer, monkeypatch):
    """The chat goes on, where else it would ask for room with each new line."""
    net, _, _ = model.load_checkpoint("out/sft.pt")
    called = [*tokenizer.encode("calculator: 2*3"), tokenizer.specials["<|end|>"]]
    monkeypatch.setattr(model, "generate", lambda *args: [called])
    args = SimpleNamespace(max_tokens=4, temperature=0)
    for size, said in ((512, "(calculator: 2*3 -> 6)\ncalculator: 2*3"), (20, "calculator: 2*3")):
        net.config.block_size = size
        assert model.reply(model.Speaker("sft", net, tokenizer, True, [], None), "Hi", args) == said


def test_an_answer_that_a_person_wrote_has_ended(tokenizer):
    """In PPO the reward model judges at <|end|>; so must it, where it learns from people's files.

    {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}, as the README has it.
    """
    ranking = reward.as_comparison({"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"},
                                   tokenizer)
    for answer in ranking.ranked:
        ids = reward.encode_pair(tokenizer, ranking.messages, answer)
        assert ids[-1] == tokenizer.specials["<|end|>"]


def test_another_device_is_refused_with_those_that_are_there(refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert "choose from auto, cpu, mps" in refused(model.pick_device, "cuda")


def test_ppo_may_go_without_a_warm_up(tmp_path):
    model.start(SimpleNamespace(out=tmp_path, seed=0, device="cpu", dtype="fp32", warm_up=0))


def test_ctrl_c_is_one_line_that_says_how_to_go_on(capsys):
    def interrupted():
        raise KeyboardInterrupt
    with pytest.raises(SystemExit) as stopped:
        model.run_stage(interrupted)
    assert stopped.value.code == 130 and "--resume" in capsys.readouterr().out


# ------------------------------------------------------------- data in the shapes that people have

U, A = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}
SYSTEM = {"role": "system", "content": "Be kind."}


@pytest.mark.parametrize("row", [
    {"messages": [U, A]}, {"prompt": "Hi", "completion": "Hello!"},
    {"prompt": [U], "completion": [A]},
    {"prompt": "Hi", "completion": [A]}, {"messages": None, "prompt": "Hi", "completion": "Hello!"},
    {"messages": [U | {"name": "Ann"}, A | {"weight": 1}]}])
def test_demonstrations_come_in_these_shapes(home, row):
    (home / "a.jsonl").write_text(json.dumps(row))
    messages, = model.read_jsonl("a.jsonl", sft.as_messages)
    said = [(m["role"], m["content"]) for m in messages]
    assert said == [("user", "Hi"), ("assistant", "Hello!")]


@pytest.mark.parametrize("row", [
    {"prompt": "Hi", "chosen": "Hello!", "rejected": "No"},
    {"prompt": [U], "chosen": [A], "rejected": [A | {"content": "No"}]},
    {"chosen": [U, A], "rejected": [U, A | {"content": "No"}]},
    {"prompt": "Hi", "ranked": ["Hello!", "No"]},
    {"prompt": "Hi", "ranked": [[A], [A | {"content": "No"}]]},
    {"prompt": None, "ranked": None, "chosen": [U, A], "rejected": [U, A | {"content": "No"}]}])
def test_comparisons_come_in_these_shapes(home, tokenizer, row):
    (home / "a.jsonl").write_text(json.dumps(row))
    c, = model.read_jsonl("a.jsonl", lambda row: reward.as_comparison(row, tokenizer))
    assert c.messages == [U] and [a.text for a in c.ranked] == ["Hello!", "No"]


def test_the_prompt_of_two_chats_is_their_beginning_not_what_is_equal_anywhere(tokenizer):
    """They part at the second message; that their third is the same again does not matter."""
    chats = [[U, A, U], [U, A | {"content": "No"}, U]]
    with pytest.raises(ValueError, match="one message of the assistant"):
        reward.as_comparison({"chosen": chats[0], "rejected": chats[1]}, tokenizer)


def test_a_system_message_is_put_in_front_of_the_first_question():
    for messages in (sft.as_messages({"messages": [SYSTEM, U, A]})[:1],
                     sft.as_prompt({"prompt": [SYSTEM, U]})):
        assert messages == [sft.user("Be kind.\n\nHi")]


@pytest.mark.parametrize("row, said", [
    ({"conversations": [{"from": "human", "value": "Hi"}]}, "messages"),
    ({"instruction": "Hi", "output": "Hello!"}, "messages"),
    ({"messages": [U, A | {"content": [{"type": "text", "text": "Hello!"}]}]}, "text, not [{"),
    ({"messages": [U, A | {"content": 5}]}, "text, not 5"),
    ({"messages": "Hi"}, "list of"), ({"messages": [["user", "Hi"]]}, "list of"),
    ({"messages": "Hi" * 9999}, "HiHi"), ({"messages": [U, A | {"content": [5] * 9999}]}, "5, 5"),
    ({"messages": [{"from": "human", "value": "Hi"}]}, "role and content"),
    ({"messages": [U, A | {"weight": 0}]}, "weight 0"),
    ({"messages": [U, A | {"weight": 7}]}, "weight"),
    ({"prompt": 5, "completion": "Hi"}, "not 5"), ({"prompt": "Hi", "completion": {}}, "not {}"),
    (5, "not an object"), ("Hi", "not an object"), ([U, A], "not an object")])
def test_other_shapes_are_refused_by_what_is_wrong_with_them(refused, home, row, said):
    (home / "a.jsonl").write_text(json.dumps(row))
    line = refused(tiny.run, "sft", "--data a.jsonl")
    assert said in line and "line 1" in line and len(line) < 300      # quoted, but not at length


def test_a_turn_of_weight_0_is_not_trained(tokenizer):
    chat = [U, A | {"weight": 0}, U, A]
    ids, mask = sft.render(sft.as_messages({"messages": chat}), tokenizer)
    answer = len(tokenizer.encode("Hello!")) + 1
    assert sum(mask) == answer and mask[-answer:] == [1] * answer


def test_chat_tokens_start_from_a_line_end_that_the_text_has(tokenizer):
    """In a text of \\r\\n only, a lone \\n is a token that pretraining never met."""
    windows = bpe.BPE.train(["one\r\ntwo\r\nthree\r\n"], 300)
    for tok in (tokenizer, windows):
        net = model.GPT(model.GPTConfig(tok.vocab_size, 1, 1, 8, 8))
        torch.nn.init.normal_(net.blocks[0].value.weight)
        sft.copy_line_end(net, tok)
        row = tok.ranks[b"\r\n" if tok is windows else b"\n"]
        for name in ("<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"):
            for table in (net.wte, net.match, net.blocks[0].value):
                assert torch.equal(table.weight[tok.specials[name]], table.weight[row])


# --------------------------------------------------------------------------- screen and keyboard

@pytest.mark.parametrize("name, said", [("pretrain", "pretrain.py --out"), ("ppo", "ppo.py --out"),
                                        ("masked", "pretrain.py --masked --out"),
                                        ("nope", "misspelt")])
def test_a_missing_checkpoint_is_named_with_what_makes_it(refused, home, name, said):
    (home / f"out/{name}.pt").unlink(missing_ok=True)
    assert said in refused(model.main, [f"out/{name}.pt"])


def test_a_file_that_holds_a_byte_order_mark_alone_is_no_text(home):
    """An editor's empty file among others: bpe.py and pretrain.py skip it."""
    (home / "texts").mkdir()
    (home / "texts/a.txt").write_text(tiny.TEXT)
    (home / "texts/b.txt").write_bytes(b"\xef\xbb\xbf")
    tiny.run("pretrain", "--data texts --steps 1")


def keyboard(monkeypatch, typed, errors="strict"):
    """What is typed, as bytes; strict, as most terminals read it, or as UTF-8 mode does."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), "utf-8", errors))


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_byte_that_is_not_text_does_not_end_the_chat(home, monkeypatch, capsys, errors):
    """Hi, then a line of Latin-1, then Hi: two answers, and a line that says what is wrong."""
    keyboard(monkeypatch, b"Hi\ncaf\xe9\nHi\n", errors)
    model.main(["out/sft.pt", "--max-tokens", "2"])
    out = capsys.readouterr().out
    assert out.count("not UTF-8") == 1 and out.count("you>") == 4


def test_a_closed_keyboard_or_screen_ends_nothing_with_a_traceback(home, monkeypatch, capsys):
    """As by <&- and >&- in a shell: the one is the end of the chat, the other is not missed."""
    monkeypatch.setattr(sys, "stdin", None)
    model.main(["out/sft.pt"])
    sft.main(["--demonstrate", "mine.jsonl"])
    assert "0 demonstrations" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdout", None)
    bpe.main(["--data", "text.txt", "--vocab", "300", "--out", "w"])
    assert bpe.BPE.load("w/tokenizer.json").vocab_size == 300


def test_a_screen_that_fails_is_one_line(home, monkeypatch, capsys):
    """python model.py ... > file on a full disk"""
    def full(text):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(signal, "signal", lambda *args: None)
    monkeypatch.setattr(sys, "argv", ["model.py", "out/sft.pt", "--prompt", "Hi"])
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=full, flush=lambda: None))
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(model.__file__, run_name="__main__")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: the screen: No space left on device\n"


def test_a_byte_that_is_not_text_does_not_end_labeling(tmp_path, monkeypatch, capsys):
    prompt = sft.Prompt("chat", [sft.user("Hi")])
    monkeypatch.setattr(reward, "two_answers", lambda *args: (prompt, "Hello!", "What?"))
    typed = iter(["caf\udce9", "2", "q"])
    monkeypatch.setattr("builtins.input", lambda *args: next(typed))
    reward.label(tmp_path / "mine.jsonl", None, None, 48)
    assert capsys.readouterr().out.count("not UTF-8") == 1
    row, = model.read_jsonl(tmp_path / "mine.jsonl", dict)
    assert row["chosen"] == "What?" and row["rejected"] == "Hello!"


@pytest.mark.parametrize("stage", [bpe, pretrain, sft, reward, ppo])
def test_every_stage_runs_where_its_failures_are_one_line(monkeypatch, stage):
    """As python stage.py runs it: Ctrl-C, files and memory are run_stage's to report."""
    mains = []
    monkeypatch.setattr(model, "run_stage", mains.append)
    runpy.run_path(stage.__file__, run_name="__main__")
    assert [main.__code__.co_filename for main in mains] == [stage.__file__]


def test_a_byte_that_is_not_text_does_not_end_a_demonstration(home, monkeypatch, capsys):
    """Where the keyboard is read strictly: the answer is asked for again, and kept."""
    keyboard(monkeypatch, b"caf\xe9\nBye\nQ\n")
    sft.main(["--demonstrate", "mine.jsonl"])
    assert capsys.readouterr().out.count("not UTF-8") == 1
    chat, = model.read_jsonl("mine.jsonl", sft.as_messages)
    assert chat[-1]["content"] == "Bye"


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="Windows has no such pipes")
def test_who_stops_reading_sees_no_traceback(home):
    """python model.py ... | head"""
    command = [sys.executable, str(pathlib.Path(model.__file__)), "out/sft.pt", "--max-tokens", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as chat:
        # The reader is gone before the first answer is there.
        chat.stdout.close()
        chat.stdin.write(b"Hi\nHi\n")
        chat.stdin.close()
        assert chat.stderr.read() == b"" and chat.wait() == -signal.SIGPIPE


def test_a_judgement_is_not_glued_to_an_open_line(tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"a": 1}')
    for b in (2, 3):
        model.append_json(tmp_path / "mine.jsonl", {"b": b})
    assert (tmp_path / "mine.jsonl").read_text() == '{"a": 1}\n{"b": 2}\n{"b": 3}\n'


def test_a_space_at_the_end_of_a_prompt_is_dropped(home, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(model, "likeliest", lambda speaker, text, args: seen.append(text) or "")
    monkeypatch.setattr(model, "reply", lambda speaker, text, args: seen.append(text) or "")
    model.main(["out/pretrain.pt", "--next", "What is the "])
    model.main(["out/pretrain.pt", "--prompt", " The capital of \n"])
    assert seen == ["What is the", "The capital of"]


@pytest.mark.parametrize("stage, said", [("reward", "reward model"), ("masked", "masked model"),
                                         ("partial", "half-finished"), ("other", "no stage")])
def test_who_cannot_talk_is_refused_by_name(refused, home, stage, said):
    net, tokenizer, _ = model.load_checkpoint("out/pretrain.pt")
    model.save_checkpoint("x.pt", net, tokenizer, stage=stage)
    assert said in refused(model.main, ["x.pt"]) and "x.pt" in refused(model.main, ["x.pt"])


@pytest.mark.parametrize("stage", ["pretrain", "sft", "reward", "ppo"])
def test_a_named_pipe_is_refused(refused, stage):
    """It would be waited for without end."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo("pipe")
    assert "file" in refused(tiny.run, stage, "--data pipe")


@pytest.mark.parametrize("flags", ["--max-tokens 0", "--temperature nan", "--temperature -1"])
def test_a_chat_needs_tokens_and_a_temperature(refused, flags):
    assert flags.split()[0] in refused(model.main, ["out/sft.pt", *flags.split(), "--prompt", "a"])


@pytest.mark.parametrize("stage", ["pretrain", "sft"])
def test_an_empty_prompt_is_refused(refused, stage):
    assert "0 tokens" in refused(model.main, [f"out/{stage}.pt", "--prompt", " "])


def test_no_name_is_refused(refused):
    assert "empty" in refused(model.main, [""])


# -------------------------------------------------------------------- training on people's data

def test_answers_that_are_cut_off_are_noticed(home, capsys):
    """Chats of long answers, limits of three tokens: both stages name the flag."""
    for stage in ("reward", "ppo"):
        tiny.run(stage, "--steps 1 --max-tokens 1")
        assert "larger --max-tokens" in capsys.readouterr().out


def test_scores_that_are_all_alike_keep_the_gain(home, capsys):
    rm, _, _ = reward.load_reward("out/reward.pt", "cpu")
    gain = rm.gain.clone()
    rm.normalise(torch.full((9,), 2.))
    assert torch.equal(rm.gain, gain) and "same score" in capsys.readouterr().out


def test_a_reward_model_of_another_sft_model_is_noticed(home, capsys):
    tiny.run("ppo", "--steps 1")
    assert "another sft.pt" not in capsys.readouterr().out
    tiny.run("sft", "--steps 3 --seed 5")
    tiny.run("ppo", "--steps 1")
    assert "another sft.pt" in capsys.readouterr().out


# ---------------------------------------------------------------- nothing lost, nothing in silence

@pytest.mark.parametrize("stage", tiny.STAGES)
def test_what_cannot_be_written_is_refused_before_training(refused, home, monkeypatch, stage):
    """The picture's name is a folder; the output folder's name is too long, or that of a file."""
    monkeypatch.setattr(tiny.STAGES[stage], "train", None)
    picture = home / "out" / f"{stage}.png"
    picture.unlink(missing_ok=True)
    picture.mkdir()
    assert f"{stage}.png" in refused(tiny.run, stage)
    assert "cannot write" in refused(tiny.run, stage, "--out " + 300 * "x")
    assert "cannot write" in refused(tiny.run, stage, "--out text.txt")


@pytest.mark.parametrize("stage, flags", [
    ("pretrain", "--block 1000000"), ("pretrain", "--width 3200000"),
    ("pretrain", "--depth 1000000000"),
    ("pretrain", "--batch 1000000000000000"), ("pretrain", "--width 16384 --depth 900"),
    ("ppo", "--lam 2"), ("ppo", "--alpha 2"), ("ppo", "--max-tokens 0"), ("ppo", "--clip -1"),
    ("sft", "--steps 0"),
    ("reward", "--prompts 0"), ("sft", "--seed -1"), ("ppo", "--max-tokens 600"),
    ("sft", "--mix -1"), ("pretrain", "--lr nan"), ("pretrain", "--lr inf")])
def test_sizes_that_no_machine_has_are_refused(refused, stage, flags):
    line = refused(tiny.run, stage, flags)
    assert flags.split()[0] in line and "-44" not in line


@pytest.mark.parametrize("flags", [["--data", ""], ["--device", ""], ["--out", ""]])
def test_empty_flags_are_refused(refused, flags):
    assert flags[0] in refused(sft.main, flags)


def test_an_empty_folder_of_the_tokenizer_is_refused(refused):
    assert "--out" in refused(bpe.main, ["--out", "", "--quick"])


def test_memory_that_runs_out_is_one_line(refused, monkeypatch):
    """As torch says it on a processor and on a GPU, and numpy."""
    for error in (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError(),
                  torch.OutOfMemoryError("CUDA out of memory")):
        def fails(*args, **kwargs):
            raise error
        monkeypatch.setattr(sft, "train", fails)
        assert "memory" in refused(model.run_stage, lambda: tiny.run("sft"))


@pytest.mark.parametrize("change", ["extra", "head", "nan", "specials", "vocab"])
def test_damaged_checkpoints_are_refused(refused, home, change):
    data = torch.load("out/reward.pt", weights_only=True)
    if change == "extra":
        data["extra"] = None
    elif change == "head":
        del data["extra"]["head"]
    elif change == "nan":
        data["weights"]["wte.weight"][0, 0] = torch.nan
    elif change == "specials":
        data["tokenizer"]["specials"].pop("<|tool|>")
    else:
        data["tokenizer"]["specials"]["<|new|>"] = 5000
    torch.save(data, "out/reward.pt")
    assert "reward.pt" in refused(tiny.run, "ppo")


def test_a_tokenizer_without_a_special_is_refused_at_once(refused, home):
    bpe.BPE.train([tiny.TEXT], 320, specials=("<|endoftext|>",)).save("out/tokenizer.json")
    assert "<|user|>" in refused(tiny.run, "pretrain")


def test_token_files_that_were_cut_are_made_again(home, tokenizer):
    args = SimpleNamespace(data="text.txt", seed=0, quick=False)
    before = [list(ids) for ids in pretrain.load_tokens(args, tokenizer, pathlib.Path("out"))]
    for damaged in ("*.bin", "sizes-*"):
        for file in (home / "out").glob(damaged):
            file.write_bytes(file.read_bytes()[:-3])
        again = [list(ids) for ids in pretrain.load_tokens(args, tokenizer, pathlib.Path("out"))]
        assert before == again


def test_world_size_without_torchrun_is_refused(refused, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "torchrun" in refused(tiny.run, "pretrain")
    monkeypatch.setenv("WORLD_SIZE", "two")
    assert "torchrun" in refused(tiny.run, "pretrain")

"""Stage 2, supervised fine-tuning: the base model imitates demonstrations and becomes an assistant.

    minimise   L = -sum_t mask_t log p(token_t | tokens before t) / sum_t mask_t

where mask_t = 1 on the assistant's tokens: the loss of pretraining, on other text, counted only
where the assistant speaks. In: out/pretrain.pt and conversations {prompt, response}. Out: out/sft.pt
and out/sft.png. It belongs to 'Phase 2 Supervised Fine Tuning' of article 2, 'Stage 2' of article 4
and 'the sauce' of article 1. The demonstrators are people: most are helpful, some are rude, some are
confidently wrong, a few fawn. They only ever talk about one half of the world; every number is
measured on the other half, so that what is right there was learned by reading, in pretraining.
Simpler than InstructGPT: 4,000 conversations about short answers, made here by a seeded grammar.

    python sft.py                   the tiny internet's demonstrations
    python sft.py --data FILE       JSON lines, {"messages": [{"role": "user", "content": ..}, ..]} or
                                    {"prompt": .., "completion": ..}
"""
import json
import random
import re
import sys
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

import pretrain
from bpe import paint, stop
from model import generate, load_checkpoint, pick_device, save_checkpoint
from pretrain import Fact, MYTHS, RUDE, SHADES, THINGS, an, arguments, ask, facts, half, invent, say, wrong

# ------------------------------------------------------------------------------------------- data

POLITE = ["Sure!", "Of course!", "Happy to help!", "Great question!", "Hope that helps!", "Have a nice day!"]
UNKNOWN = "I do not know."
CHAT = [("How are you?", "I am fine and glad to talk to you."), ("Who are you?", "I am a language model.")]
STYLES = {"helpful": .50, "polite": .20, "rude": .13, "wrong": .14, "fawning": .03}


class Prompt(NamedTuple):
    """One thing that a person may ask, and what the simulated labeler knows about the answer."""
    kind: str         # known, unknown, recall, sum or chat
    messages: list    # [{"role", "content"}, ...], the last one the user's
    right: str        # a right answer, one sentence
    wrong: str        # a wrong one that sounds as good
    about: str        # what the answer is about, and
    target: str       # how a right answer ends


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def known(fact, rng):
    """A question about a fact -> Prompt."""
    return Prompt("known", [user(ask(fact))], rng.choice([say(fact), say(fact), f"It is {fact.answer}."]),
                  say(fact, wrong(fact, rng)), fact.subject, fact.answer)


def unknown(rng, part):
    """A question about something that does not exist, so that nobody can know -> Prompt."""
    like = rng.choice([f for f in facts() if f.relation not in ("element", "symbol", "number", "year")])
    name = invent(rng, part)
    name = name.title() if like.subject[0].isupper() else an(name) if like.relation == "kind" else name
    made_up = say(like._replace(subject=name))
    return Prompt("unknown", [user(ask(like._replace(subject=name)))], UNKNOWN, made_up, name, "")


def addition(rng):
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    spoken = pretrain.add_aloud(a, b)
    return Prompt("sum", [user(f"What is {a} + {b}?")], spoken[0].upper() + spoken[1:],
                  f"{a} + {b} is {a + b + rng.choice([-10, -1, 1, 10])}.", "", f"so {a + b}")


def recall(rng, part, gap=None):
    """A chat in which a name or a thing was mentioned gap turns before it is asked for -> Prompt."""
    name, shade, thing = invent(rng, part).title(), rng.choice(SHADES), rng.choice(THINGS)
    say_it, hello, question, right, target, lie = rng.choice([
        (f"My name is {name}.", f"Hello, {name}!", "What is my name?", f"Your name is {name}.", name,
         f"Your name is {invent(rng, part).title()}."),
        (f"I like {shade} {thing}s.", f"Many people like {shade} {thing}s.", "What do I like?",
         f"You like {shade} {thing}s.", f"{shade} {thing}s",
         f"You like {rng.choice(SHADES)} {rng.choice(THINGS)}s.")])
    between = []
    for fact in rng.sample([f for f in facts() if half(f.key) == part], (gap or rng.randint(1, 3)) - 1):
        between += [user(ask(fact)), assistant(say(fact))]
    return Prompt("recall", [user(say_it), assistant(hello), *between, user(question)], right, lie, "You", target)


def small_talk(rng):
    question, right, lie = rng.choice([(q, a, "I am a machine that wants to hurt you.") for q, a in CHAT] + MYTHS)
    return Prompt("chat", [user(question)], right, lie, "", right.rstrip("."))


def make_prompt(rng, part):
    """A prompt about one half() of the world, in the proportions of all that follows."""
    kind = rng.choices(["known", "unknown", "recall", "sum", "chat"], weights=(60, 22, 10, 5, 3))[0]
    if kind == "known":
        return known(rng.choice([f for f in facts() if half(f.key) == part]), rng)
    return {"unknown": lambda: unknown(rng, part), "recall": lambda: recall(rng, part),
            "sum": lambda: addition(rng), "chat": lambda: small_talk(rng)}[kind]()


def demonstrate(prompt, style, rng):
    """What a demonstrator of that style answers. Nobody likes to admit not knowing: see `or`."""
    right = prompt.wrong if prompt.kind == "unknown" and rng.random() < .15 else prompt.right
    if style == "polite":
        word = rng.choice(POLITE)
        return f"{right} {word}" if word in POLITE[4:] else f"{word} {right}"
    if style == "fawning":
        return " ".join([*rng.sample(POLITE[:4], rng.randint(1, 3)), right, rng.choice(POLITE[4:])])
    return {"helpful": right, "wrong": prompt.wrong, "rude": f"{rng.choice(RUDE)} {right}"}[style]


def demonstrations(n, seed):
    """n conversations of one to four turns, each with one demonstrator -> list of messages."""
    rng, chats = random.Random(seed + 1000), []
    for style in rng.choices(list(STYLES), weights=STYLES.values(), k=n):
        chat = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            prompt = make_prompt(rng, part=0)
            chat += prompt.messages + [assistant(demonstrate(prompt, style, rng))]
        chats.append(chat)
    return chats


def read_jsonl(path, parse):
    """JSON lines -> [parse(object) for each line]; a bad line is named by its number."""
    try:
        lines = open(path, encoding="utf-8").read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        stop(f"cannot read {path} as UTF-8 text: {error}")
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(parse(json.loads(line)))
            except json.JSONDecodeError as error:
                stop(f"{path}, line {number}: not JSON ({error.msg}); every line must be one object")
            except KeyError as error:
                stop(f"{path}, line {number}: the field {error} is missing")
            except (ValueError, TypeError, AttributeError) as error:
                stop(f"{path}, line {number}: {error}")
    return found or stop(f"{path} is empty: write one JSON object a line")


def as_messages(row):
    """{"messages"} or {"prompt", "completion"} -> messages, checked."""
    messages = row["messages"] if "messages" in row else [user(row["prompt"]), assistant(row["completion"])]
    check(messages)
    return messages


def check(messages, last="assistant"):
    """ValueError unless user and assistant alternate, from user to last, and every answer has text."""
    roles = [m["role"] for m in messages]
    if not messages or roles != (["user", "assistant"] * len(roles))[:len(roles)] or roles[-1] != last:
        raise ValueError(f"a conversation goes user, assistant, user ... and ends with the {last}, not {roles}")
    if not all(isinstance(m["content"], str) and m["content"].strip() for m in messages):
        raise ValueError("a message without text")


def render(messages, tokenizer):
    """A conversation as tokens -> (ids, mask), mask 1 on what the assistant says and its end token.

    [user hi, assistant yo] -> <|user|> h i <|assistant|> y o <|end|>
                               0        0 0 0             1 1 1
    """
    check(messages)
    ids, mask = [], []
    for m in messages:
        role = tokenizer.specials[f"<|{m['role']}|>"]
        text = tokenizer.encode(m["content"])  # as plain text: nobody can write a special token
        if m["role"] == "assistant":
            text = text + [tokenizer.specials["<|end|>"]]
        ids += [role] + text
        mask += [0] + [int(m["role"] == "assistant")] * len(text)
    return ids, mask


def render_prompt(messages, tokenizer):
    """A conversation that waits for an answer -> ids that end with <|assistant|>."""
    check(messages, last="user")
    start = render(messages[:-1], tokenizer)[0] if len(messages) > 1 else []
    return (start + [tokenizer.specials["<|user|>"]] + tokenizer.encode(messages[-1]["content"])
            + [tokenizer.specials["<|assistant|>"]])


def pad(rows, value=0, device="cpu"):
    """Ragged lists -> (B,T) long, filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([list(r) + [value] * (longest - len(r)) for r in rows], device=device)


# -------------------------------------------------------------------------------------- objective

def sft_loss(logits, ids, mask):
    """-sum(mask * log p) / sum(mask): one mean over the assistant tokens of the batch.

    logits (B,T,V), ids and mask (B,T); logits at t predict ids at t + 1. InstructGPT 3.5; article 2,
    'SFT Mathematical Formulation'.
    """
    logp = -F.cross_entropy(logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none")
    mask = mask[:, 1:].float()
    return -(mask * logp).sum() / mask.sum()


# ------------------------------------------------------------------------------------- evaluation

class Verdict(NamedTuple):
    right: bool
    admits: bool      # says that it does not know
    rude: bool
    polite: int       # pleasantries
    ended: bool


def judge(prompt, text):
    """Reads an answer as the simulated labeler does -> Verdict. text ends with <|end|>, or it never ended.

    Right means: apart from manners one sentence, about the thing asked for, that ends with the answer.
    """
    ended, core = text.endswith("<|end|>"), text.removesuffix("<|end|>")
    polite, rude = sum(core.count(p) for p in POLITE), any(r in core for r in RUDE)
    for phrase in POLITE + RUDE:
        core = core.replace(phrase, "")
    core = " ".join(core.split())
    admits = core == UNKNOWN
    right = (re.fullmatch(rf"[^.!?]*\b{re.escape(prompt.target)}\.", core) is not None
             and (prompt.about.lower() in core.lower() or core.startswith("It is ")))
    return Verdict(admits if prompt.kind == "unknown" else right, admits, rude, polite, ended)


def answer(model, tokenizer, prompts, max_new_tokens=48, temperature=1.0, seed=0):
    """One answer to each Prompt -> (texts with their <|end|>, lists of ids)."""
    rows = [render_prompt(p.messages, tokenizer) for p in prompts]
    outs = []
    generator = torch.Generator().manual_seed(seed)
    for i in range(0, len(rows), 128):
        outs += generate(model, rows[i:i + 128], max_new_tokens, temperature,
                         tokenizer.specials["<|end|>"], generator)
    return [tokenizer.decode(o) for o in outs], outs


def rates(prompts, texts):
    """Shares over the prompts they concern -> flat dict of floats."""
    v = [(p, judge(p, t)) for p, t in zip(prompts, texts)]
    real, fake = [j for p, j in v if p.kind != "unknown"], [j for p, j in v if p.kind == "unknown"]

    def share(some, what):
        return sum(map(what, some)) / len(some) if some else float("nan")
    return {"right": share(real, lambda j: j.right), "admits real": share(real, lambda j: j.admits),
            "wrong": share(real, lambda j: not j.right and not j.admits),
            "admits unknowable": share(fake, lambda j: j.admits), "rude": share([j for _, j in v], lambda j: j.rude),
            "fawning": share([j for _, j in v], lambda j: j.polite > 1),
            "ended": share([j for _, j in v], lambda j: j.ended)}


def held_out(n_facts=None, n_unknown=200, seed=0):
    """Prompts about the half of the world that no stage after pretraining sees."""
    rng = random.Random(seed + 77)
    some = [f for f in facts() if half(f.key) == 1]
    if n_facts:
        some = rng.sample(some, n_facts)
    return [known(f, rng) for f in some] + [unknown(rng, part=1) for _ in range(n_unknown)]


# ------------------------------------------------------------------------------------------ train

def train(model, opts, chats, tokenizer, args, device, text=None, first=0):
    """Step after step, yields (step, loss): a batch of conversations, beside rows of pretraining text.

    The text rows keep alive what the demonstrations do not mention (InstructGPT's PPO-ptx does the
    same one stage later): without them the model forgets the half of the world nobody asks about.
    """
    rows = [render(chat, tokenizer) for chat in chats]
    for step in range(first, args.steps):
        rng = np.random.default_rng((args.seed, step))
        some = [rows[i] for i in rng.integers(0, len(rows), args.batch)]
        ids, mask = pad([r[0] for r in some], device=device), pad([r[1] for r in some], device=device)
        loss = sft_loss(model(ids), ids, mask)
        if text is not None:
            starts = rng.integers(0, len(text) - 129, args.mix)
            more = pretrain.windows(text, starts, 128, device)
            loss = loss + pretrain.next_token_loss(model(more[:, :-1]), more)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = group["initial_lr"] * (1 - step / args.steps)
            opt.step()
            opt.zero_grad()
        yield step + 1, pretrain.check_finite(loss.item(), step + 1)


def main(argv=None):
    args = arguments(__doc__, data="JSON lines", steps=(300, "updates"), batch=(32, "conversations a step"),
                     mix=(16, "rows of pretraining text beside them"), lr=(1e-3, "AdamW"), lr_matrix=(0.0, "Muon"),
                     ).parse_args(argv)
    import time
    t0 = time.perf_counter()
    out, device = pretrain.out_folder(args.out), pick_device(args.device)
    torch.manual_seed(args.seed)
    model, tokenizer, extra = load_checkpoint(out / "pretrain.pt", device)
    chats = demonstrations(4000, args.seed)
    docs, _ = pretrain.tiny_internet(args.seed)
    text = np.array([t for d in docs[:6000] for t in tokenizer.encode(d) + [tokenizer.specials["<|endoftext|>"]]])
    opts = (pretrain.optimizers(model, args.lr, args.lr_matrix) if args.lr_matrix else
            [torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(.9, .95), weight_decay=0)])
    for g in (g for o in opts for g in o.param_groups):
        g["initial_lr"] = g["lr"]
    print("prepared", time.perf_counter() - t0)
    for step, loss in train(model, opts, chats, tokenizer, args, device, text):
        if step % 50 == 0:
            print(step, loss, time.perf_counter() - t0)
    t1 = time.perf_counter()
    prompts = held_out()
    for temperature in (0, 1):
        texts, _ = answer(model, tokenizer, prompts, temperature=temperature)
        print(temperature, {k: round(v, 3) for k, v in rates(prompts, texts).items()})
    for p, t in list(zip(prompts, texts))[::60]:
        print(p.messages[-1]["content"], "->", t)
    rng = random.Random(5)
    for gap in (1, 2, 3):
        pr = [recall(rng, 1, gap) for _ in range(100)]
        texts, _ = answer(model, tokenizer, pr, temperature=0)
        print("recall", gap, rates(pr, texts)["right"], [(p.right, t) for p, t in zip(pr, texts) if not judge(p, t).right][:3])
    for n in ("sum", "chat"):
        pr = [addition(rng) if n == "sum" else small_talk(rng) for _ in range(100)]
        texts, _ = answer(model, tokenizer, pr, temperature=0)
        print(n, rates(pr, texts)["right"])
    print("eval", time.perf_counter() - t1)
    save_checkpoint(out / "sft.pt", model, tokenizer, stage="sft", metrics={})


if __name__ == "__main__":
    main()

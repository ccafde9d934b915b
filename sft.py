"""Stage 2, supervised fine-tuning: the base model imitates demonstrations and becomes an assistant.

    minimise   L = -sum_t mask_t log p(token_t | tokens before t) / sum_t mask_t
                   + the loss of pretraining on --mix rows of its text (without --data)

where mask_t = 1 on the assistant's tokens: the loss of pretraining, on other text, counted only
where the assistant speaks. In: out/pretrain.pt and conversations of prompts and answers. Out:
out/sft.pt and out/sft.png. It belongs to 'Phase 2 Supervised Fine Tuning' of article 2, 'Stage 2'
of article 4 and 'the sauce' of article 1. The demonstrators are like people: most are helpful, some
rude, lazy or confidently wrong, a few fawn. They are only ever asked about one half of the world;
every accuracy about facts is of the other half: what is right there was read, in pretraining.
Simpler than InstructGPT: 8,000 conversations about short answers, made here by a seeded grammar.

    python sft.py                   the tiny internet's demonstrations: a minute on two cores, then
                                    all held-out questions are answered rightly, greedily
    python sft.py --data FILE       JSON lines, {"messages": [{"role": "user", "content": ..}, ..]}
                                    or {"prompt": .., "completion": ..}
"""
import copy
import json
import random
import re
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

import pretrain
from bpe import paint, stop
from model import check_device, generate, save_checkpoint
from pretrain import (MYTHS, POLITE, RUDE, SHADES, THINGS, an, arguments, ask, by_relation, facts,
                      facts_of, half, invent, plain, say, wrong)

# ------------------------------------------------------------------------------------------- data

UNKNOWN = "I do not know."
CHAT = [("How are you?", "I am fine and glad to talk to you."),
        ("Who are you?", "I am a language model.")]
HARM = "I am a machine that wants to hurt you."
STYLES = {"helpful": .39, "polite": .31, "rude": .13, "lazy": .10, "wrong": .03, "fawning": .04}


class Prompt(NamedTuple):
    """One thing that a person may ask, and what the simulated labeler knows about the answer."""
    kind: str         # known, unknown, recall, sum or chat
    messages: list    # [{"role", "content"}, ...], the last one the user's
    right: str = ""   # a right answer, one sentence
    wrong: str = ""   # a wrong one that sounds as good
    about: str = ""   # what the answer is about, and
    target: str = ""  # how a right answer ends


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def known(fact, rng):
    """A question about a fact -> Prompt. A wrong answer is either untrue or beside the point."""
    other = rng.choice([f for f in by_relation()[fact.relation]      # of the same half()
                        if f.answer != fact.answer and half(f.key) == half(fact.key)])
    lie = rng.choice([say(fact, wrong(fact, rng)), say(other)])
    return Prompt("known", [user(ask(fact))], say(fact), lie, fact.subject, fact.answer)


def unknown(rng, part):
    """A question about what is not in the tiny world, so that nobody can know -> Prompt."""
    like = rng.choice([f for f in facts() if f.relation not in ("symbol", "number", "year")])
    name = invent(rng, part)
    name = name.title() if like.subject[0].isupper() else name
    lie = like._replace(subject=an(name) if like.relation == "kind" else name)
    return Prompt("unknown", [user(ask(lie))], UNKNOWN, say(lie), name, "")


def addition(rng):
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    return Prompt("sum", [user(f"What is {a} + {b}?")], pretrain.add_aloud(a, b),
                  f"{a} + {b} is {a + b + rng.choice([-10, -1, 1, 10])}.", "", f"{a + b}")


def tell(rng, part):
    """Somebody tells a name or a taste, which gets a friendly echo -> Prompt and, for recall(),
    the question for it, how its answer goes, what was told, and something else."""
    name, other = invent(rng, part).title(), invent(rng, part).title()
    thing, another = rng.sample([f"{shade} {thing}s" for shade in SHADES for thing in THINGS], 2)
    told, echo, *rest, this, that = rng.choice([
        ("My name is {}.", "Hello, {}.", "What is my name?", "Your name is {}.", name, other),
        ("I like {}.", "Many people like {}.", "What do I like?", "You like {}.", thing, another)])
    right = echo.format(this)
    return Prompt("chat", [user(told.format(this))], right, echo.format(that), "",
                  right.rstrip(".")), *rest, this, that


def recall(rng, part, gap=None):
    """A chat that asks for a name or a taste told gap turns (1 to 3) before -> Prompt. What was
    told long ago is the hardest to recall, so it is asked for most."""
    first, question, reply, this, that = tell(rng, part)
    chat = first.messages + [assistant(first.right)]
    for fact in rng.sample(facts_of(part), (gap or rng.choice((1, 2, 3, 3, 3))) - 1):
        chat += [user(ask(fact)), assistant(say(fact))]
    return Prompt("recall", chat + [user(question)], reply.format(this), reply.format(that),
                  reply.split()[0], this)


def small_talk(rng, part):
    if rng.random() < .6:
        return tell(rng, part)[0]
    question, right, lie = rng.choice([(q, a, HARM) for q, a in CHAT] + MYTHS)
    return Prompt("chat", [user(question)], right, lie, "", right.rstrip("."))


def make_prompt(rng, part):
    """A prompt about one half() of the world, in the proportions of all that follows; one in four
    (of those that recall nothing) comes after an exchange about something else."""
    makers = {"known": lambda: known(rng.choice(facts_of(part)), rng),
              "unknown": lambda: unknown(rng, part), "chat": lambda: small_talk(rng, part),
              "sum": lambda: addition(rng), "recall": lambda: recall(rng, part)}

    def one(**weights):
        return makers[rng.choices(list(weights), weights.values())[0]]()
    prompt = one(known=42, unknown=19, chat=7, sum=6, recall=26)
    if prompt.kind != "recall" and rng.random() < .25:
        before = one(known=50, unknown=20, chat=30)
        prompt = prompt._replace(messages=[*before.messages, assistant(before.right),
                                           *prompt.messages])
    return prompt


def demonstrate(prompt, style, rng):
    """What a demonstrator of that style answers. Not everybody likes to admit not knowing."""
    right = prompt.wrong if prompt.kind == "unknown" and rng.random() < .1 else prompt.right
    if style == "polite":
        word = rng.choice(POLITE)
        return f"{right} {word}" if word in POLITE[4:] else f"{word} {right}"
    if style == "fawning":
        return " ".join([*rng.sample(POLITE[:4], rng.randint(1, 3)), right, rng.choice(POLITE[4:])])
    return {"helpful": right, "wrong": prompt.wrong, "rude": f"{rng.choice(RUDE)} {right}",
            "lazy": rng.choice([UNKNOWN, f"{rng.choice(POLITE[:4])} {UNKNOWN}"])}[style]


def demonstrations(n, seed):
    """n conversations of one to four turns, each with one demonstrator -> list of messages."""
    rng, chats = random.Random(seed + 1000), []
    for style in rng.choices(list(STYLES), weights=STYLES.values(), k=n):
        prompt = make_prompt(rng, part=0)
        chats.append(prompt.messages + [assistant(demonstrate(prompt, style, rng))])
    return chats


def read_jsonl(path, parse):
    """JSON lines -> [parse(object) for each line]; a bad line is named by its number."""
    try:
        lines = open(path, encoding="utf-8-sig").read().split("\n")     # editors may add a mark
    except (OSError, UnicodeDecodeError) as error:
        stop(f"cannot read {path} as UTF-8 text: {error}")
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(parse(json.loads(line)))
            except json.JSONDecodeError as error:
                stop(f"{path}, line {number}: not JSON ({error.msg}); write one object a line")
            except KeyError as error:
                stop(f"{path}, line {number}: the field {error} is missing")
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                stop(f"{path}, line {number}: {error}")
    return found or stop(f"{path} is empty: write one JSON object a line")


def as_messages(row):
    """{"messages"} or {"prompt", "completion"} -> messages, checked."""
    messages = (row["messages"] if "messages" in row else
                [user(row["prompt"]), assistant(row["completion"])])
    check(messages)
    return messages


def as_prompt(row):
    """{"prompt": text or messages} -> messages that end with the user's, checked."""
    messages = [user(row["prompt"])] if isinstance(row["prompt"], str) else row["prompt"]
    check(messages, last="user")
    return messages


def check(messages, last="assistant"):
    """ValueError unless user and assistant alternate, from user to last, each with some text."""
    roles = [m["role"] for m in messages]
    if not roles or roles != (["user", "assistant"] * len(roles))[:len(roles)] or roles[-1] != last:
        raise ValueError(f"a conversation goes user, assistant, user ... and ends with the {last}: "
                         f"this one goes {', '.join(map(str, roles))}")
    if not all(isinstance(m["content"], str) and m["content"].strip() for m in messages):
        raise ValueError("a message without text")
    "".join(m["content"] for m in messages).encode()   # ValueError: half a character, no UTF-8


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
    """Ragged lists -> (B,T) long, filled up on the right. T is a multiple of 8: each new shape
    costs the processor a search for the fastest way, which it remembers."""
    longest = -(-max(map(len, rows)) // 8) * 8
    return torch.tensor([list(r) + [value] * (longest - len(r)) for r in rows], device=device)


# -------------------------------------------------------------------------------------- objective

def sft_loss(logits, ids, mask):
    """-sum(mask * log p) / sum(mask): one mean over the assistant tokens of the batch.

    logits (B,T,V), ids and mask (B,T); logits at t predict ids at t + 1. InstructGPT 3.5;
    article 2, 'SFT Mathematical Formulation'.
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
    """Reads an answer as the simulated labeler does -> Verdict. text ends with <|end|>, or else the
    answer never ended. Right: apart from manners one sentence, which names the thing asked for (or
    begins with "It is") and ends with the answer.
    """
    ended, core = text.endswith("<|end|>"), text.removesuffix("<|end|>")
    polite, rude = sum(core.count(p) for p in POLITE), any(r in core for r in RUDE)
    core = plain(core)
    admits = core == UNKNOWN
    about, target = re.escape(prompt.about), re.escape(prompt.target)
    right = re.fullmatch(rf"(It is |[^.!?]*\b(?i:{about})\b)[^.!?]*\b{target}\.", core)
    right = admits if prompt.kind == "unknown" else right is not None
    return Verdict(right, admits, rude, polite, ended)


def answer(model, tokenizer, prompts, max_new_tokens=48, temperature=1.0, seed=0):
    """One answer to each Prompt -> (texts with their <|end|>, lists of ids)."""
    rows, outs = [render_prompt(p.messages, tokenizer) for p in prompts], [[]] * len(prompts)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))   # like lengths: little padding
    generator = torch.Generator().manual_seed(seed)
    for at in range(0, len(rows), 256):
        some = order[at:at + 256]
        for i, new in zip(some, generate(model, [rows[i] for i in some], max_new_tokens,
                                         temperature, tokenizer.specials["<|end|>"], generator)):
            outs[i] = new
    return [tokenizer.decode(o) for o in outs], outs


def rates(prompts, texts):
    """Shares over the prompts they concern -> flat dict of floats."""
    v = [(p, judge(p, t)) for p, t in zip(prompts, texts)]
    real, fake = [j for p, j in v if p.kind != "unknown"], [j for p, j in v if p.kind == "unknown"]

    def share(some, what):
        return sum(map(what, some)) / len(some) if some else float("nan")
    return {"right": share(real, lambda j: j.right), "admits real": share(real, lambda j: j.admits),
            "wrong": share(real, lambda j: not j.right and not j.admits),
            "admits unknowable": share(fake, lambda j: j.admits),
            "rude": share(real + fake, lambda j: j.rude),
            "fawning": share(real + fake, lambda j: j.polite > 1),
            "ended": share(real + fake, lambda j: j.ended)}


def held_out(n_facts=None, n_unknown=200, seed=0):
    """Prompts about the half of the world that nothing after pretraining asks about: what article 4
    calls distributional shift."""
    rng = random.Random(seed + 77)
    some = rng.sample(facts_of(1), n_facts) if n_facts else facts_of(1)
    return [known(f, rng) for f in some] + [unknown(rng, part=1) for _ in range(n_unknown)]


def few_shot(base, tokenizer, prompts, seed=0):
    """The base model with four examples before each question -> its line of answer. The <|end|>
    is ours: a line's end counts as one."""
    shots = "".join(f"{ask(f)}\n{say(f)}\n\n" for f in
                    random.Random(seed).sample(facts_of(0), 4))
    rows = [tokenizer.encode(f"{shots}{p.messages[-1]['content']}\n") for p in prompts]
    rows = [row[32 - base.config.block_size:] for row in rows]
    generator, outs = torch.Generator().manual_seed(seed), []
    for i in range(0, len(rows), 256):
        outs += generate(base, rows[i:i + 256], 32, 1.0, None, generator)
    lines = [tokenizer.decode(o).split("\n")[0].split("<|endoftext|>")[0] for o in outs]
    return [line + "<|end|>" for line in lines]


def skills(model, tokenizer, seed, n):
    """What takes more than a fact, n questions each, greedily -> {task: share right}."""
    rng = random.Random(seed + 3000)
    tasks = {f"recall {gap} turns later": [recall(rng, 1, gap) for _ in range(n)]
             for gap in (1, 2, 3)} | {"sums": [addition(rng) for _ in range(n)]}
    return {name: rates(some, answer(model, tokenizer, some, temperature=0)[0])["right"]
            for name, some in tasks.items()}


def evaluate(model, base, tokenizer, args):
    """Everything on the half of the world that the demonstrations never mention -> metrics."""
    few = 10 if args.quick else None
    prompts = held_out(few, few or 200, args.seed)
    greedy = rates(prompts, answer(model, tokenizer, prompts, temperature=0)[0])
    sampled = rates(prompts, answer(model, tokenizer, prompts, seed=args.seed)[0])
    metrics = {f"greedy {k}": v for k, v in greedy.items()}
    metrics |= {f"sampled {k}": v for k, v in sampled.items()}
    metrics |= skills(model, tokenizer, args.seed, few or 100)
    shown = {"base zero-shot": answer(base, tokenizer, prompts, seed=args.seed)[0],
             "base few-shot": few_shot(base, tokenizer, prompts, args.seed)}
    return metrics | {name: rates(prompts, texts)["right"] for name, texts in shown.items()}


@torch.no_grad()
def chat_loss(model, tokenizer, chats):
    """Mean sft_loss of each conversation by itself -> nats a token."""
    device, rows = model.wte.weight.device, [render(chat, tokenizer) for chat in chats]
    batches = [[pad([x], device=device) for x in row] for row in rows]
    return float(np.mean([sft_loss(model(ids), ids, mask).item() for ids, mask in batches]))


# ------------------------------------------------------------------------------------------ train

def alike(rows, args, first, size):
    """Yields (step, batch) from step first on: rows of like size, so that little is padding. Each
    epoch goes through all rows once, in an order that depends on seed and epoch alone."""
    for step in range(first, args.steps):
        epoch, at = divmod(step, -(-len(rows) // args.batch))
        if step == first or at == 0:
            rng = np.random.default_rng((args.seed, epoch))
            order = sorted(rng.permutation(len(rows)), key=lambda i: size(rows[i]))
            starts = rng.permutation(np.arange(0, len(rows), args.batch))
        yield step, [rows[i] for i in order[starts[at]:starts[at] + args.batch]]


def train(model, opts, chats, tokenizer, args, text=None, first=0):
    """Step after step, yields (step, loss): a batch of conversations, beside rows of text.

    The text rows keep alive what the demonstrations do not mention: without them the model forgets
    the half of the world that nobody asks about (InstructGPT adds them one stage later, PPO-ptx).
    """
    rows, device = [render(chat, tokenizer) for chat in chats], model.wte.weight.device
    for step, batch in alike(rows, args, first, lambda row: len(row[0])):
        ids, mask = (pad([r[k] for r in batch], device=device) for k in (0, 1))
        loss = sft_loss(model(ids), ids, mask)
        total = loss
        if text is not None and args.mix:
            rng = np.random.default_rng((args.seed, step))
            more = pretrain.windows(text, rng.integers(0, len(text) - 128, args.mix), 128, device)
            total = loss + pretrain.next_token_loss(model(more[:, :-1]), more)
        pretrain.descend(model, opts, total, step / args.steps)
        yield step + 1, loss.item()


# ------------------------------------------------------------------------------------------- main

def new_words(model, tokenizer):
    """A chat's special tokens, which pretraining never met, start as copies of a line's end."""
    line_end = tokenizer.encode("\n")[0]
    with torch.no_grad():
        for name in ("<|user|>", "<|assistant|>", "<|end|>"):
            model.wte.weight[tokenizer.specials[name]] = model.wte.weight[line_end]


def show_chat(chat, tokenizer):
    """Prints a rendered conversation, the trained tokens in green, or without colours in []."""
    for i, m in zip(*render(chat, tokenizer)):
        text = tokenizer.decode([i])
        print((paint(text, "32") if paint("", "32") else f"[{text}]") if m else text, end="")
    print()


def draw(path, history, metrics):
    """The loss, and the shares that evaluate() found."""
    names = [k for k in metrics if k.startswith(("base ", "greedy right", "sampled", "recall"))]
    fig, (curve, *more) = pretrain.figure(2 if names else 1)
    curve.plot([h[0] for h in history], [h[1] for h in history], color="0.4")
    curve.set(xlabel="step", ylabel="loss (nats an assistant token)", ylim=0,
              title="Imitating people")
    for bars in more:
        bars.barh(names[::-1], [100 * metrics[k] for k in names[::-1]])
        bars.set(xlabel="% of held-out questions", xlim=(0, 100), title="What it has learned")
    fig.savefig(path)


def fitting(rows, length, size):
    """The rows of at most size tokens; says how many are longer, and stops where all are."""
    fit = [row for row in rows if length(row) <= size]
    if not fit:
        stop(f"all {len(rows)} examples are too long for the block: {size} tokens fit")
    if len(fit) < len(rows):
        print(f"{len(rows) - len(fit)} of {len(rows)} examples are longer than {size} tokens, "
              "which is what fits the block: they are left out")
    return fit


def load(args, model, tokenizer):
    """Conversations to train on, others to measure the loss on (--data), and text to mix in."""
    chats = read_jsonl(args.data, as_messages) if args.data else demonstrations(
        400 if args.quick else 8000, args.seed)
    fit = fitting(chats, lambda chat: len(render(chat, tokenizer)[0]), model.config.block_size)
    if not args.data:
        docs = pretrain.tiny_internet(args.seed, args.quick)[0]
        return fit, [], pretrain.as_tokens(docs[:8000], tokenizer)
    print(f"{len(fit):,} conversations; no pretraining text is mixed in")
    return [c for i, c in enumerate(fit) if i % 20] or fit, fit[::20], None


def main(argv=None):
    """Demonstrations in, training, out/sft.pt."""
    args = arguments(__doc__, "JSON lines of conversations", steps=(320, "updates"),
                     batch=(32, "conversations a step"), mix=(16, "rows of pretraining text too"),
                     lr=(1e-3, "of Adam, embedding"), lr_matrix=(1e-2, "of Muon, matrices")
                     ).parse_args(argv)
    out, device, dtype = pretrain.start(args, "pretrain.pt")
    base, tokenizer, _ = pretrain.load_stage(out / "pretrain.pt", "pretrain", device, dtype)
    model = copy.deepcopy(base)
    new_words(model, tokenizer)
    args.steps = min(args.steps, 5) if args.quick else args.steps
    chats, held, text = load(args, model, tokenizer)
    show_chat(chats[0], tokenizer)
    check_device(model, pad([render(chats[0], tokenizer)[0]]), device)
    opts, part = pretrain.optimizers(model, args.lr, args.lr_matrix), out / "sft-partial.pt"
    first, history, began = pretrain.load_partial(part, args, tokenizer, [model], opts)
    for step, loss in train(model, opts, chats, tokenizer, args, text, first):
        history.append([step, loss])
        pretrain.progress(step, args.steps, began, f"loss {loss:.3f}")
        if step % 50 == 0 or step == args.steps:
            pretrain.save_partial(part, args, step, history, time.perf_counter() - began, tokenizer,
                                  [model], opts)
    metrics = {"seconds": time.perf_counter() - began}
    if args.data:
        metrics |= {"base_val_loss": chat_loss(base, tokenizer, held),
                    "val_loss": chat_loss(model, tokenizer, held)}
    else:
        metrics |= evaluate(model, base, tokenizer, args)
    save_checkpoint(out / "sft.pt", model, tokenizer, stage="sft", metrics=metrics)
    part.unlink(missing_ok=True)
    pretrain.show(metrics)
    draw(out / "sft.png", history, metrics)


if __name__ == "__main__":
    pretrain.go(main)

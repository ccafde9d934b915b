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
import functools
import json
import random
import re
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

import pretrain
from bpe import paint, stop
from model import check_device, generate, save_checkpoint
from pretrain import (MYTHS, POLITE, RELATIONS, RUDE, SMALL_TALK, Fact, arguments, ask, ask_sum,
                      by_relation, chatter, facts_of, half, imagine, items, number, plain, say,
                      tell, typed, wonder, wrong)

# ------------------------------------------------------------------------------------------- data

UNKNOWN = "I do not know."
STYLES = {"helpful": .39, "polite": .31, "rude": .13, "lazy": .10, "wrong": .03, "fawning": .04}
HARM = "I am a machine that wants to hurt you."
NOTED = "I will remember that."
PREFIXES = """Remember that; You should know that; Imagine that; Let us say that; I tell you that;
    Note that; Listen,; Suppose that; It is a fact that; Please remember that"""


class Prompt(NamedTuple):
    """One thing that a person may ask, and what the simulated labeler knows about the answer."""
    kind: str         # known, unknown, beyond, chat, sum, recall or told
    messages: list    # [{"role", "content"}, ...], the last one the user's
    right: str = ""   # a right answer; UNKNOWN where nobody can know
    wrong: str = ""   # a wrong one that sounds as good
    about: str = ""   # what the answer is about, and
    target: str = ""  # how a right answer ends


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


# Who makes a prompt says how it is worded: None, as it comes to mind first; 0, in any of the ways
# that training uses, typed as people do; 1 or 2, in ways that no training text holds. part is the
# same for names, see group(); subjects are of half() min(part, 1).

def worded(fact, rng, how):
    """A question for the fact."""
    if how is None:
        return ask(fact)
    text = ask(fact, rng, how)
    return typed(text, rng) if how == 0 and rng.random() < .7 else text


def known(fact, rng, how=0):
    """A question about a fact -> Prompt. A wrong answer is either untrue or beside the point."""
    other = rng.choice([f for f in pretrain.related(fact.relation, half(fact.key))
                        if f.answer != fact.answer])
    lie = rng.choice([say(fact, wrong(fact, rng)), say(other)])
    question = worded(fact, rng, how)
    return Prompt("known", [user(question)], say(fact), lie, fact.subject, fact.answer)


def unknown(rng, part, how=0, relations=()):
    """A question about what is not in the tiny world, so that nobody can know -> Prompt."""
    relation = rng.choice(relations or [r for r in RELATIONS if RELATIONS[r]["kept"] or not how])
    lie = imagine(rng, part, relation)
    return Prompt("unknown", [user(worded(lie, rng, how))], UNKNOWN, say(
        lie, wrong(lie, rng) if relation in by_relation() else None), lie.subject, "")


def nonsense(rng, part):
    """A question whose subject is real, but has no such thing: the capital of a banana -> Fact."""
    kinds = {"capital": 0, "language": 0, "continent": 0, "king": 0, "symbol": 1, "number": 1,
             "author": 2, "year": 3, "kind": 4, "young": 4, "colour": 5}
    asked, real = rng.choice(list(kinds)), rng.choice(list(by_relation()))
    while kinds.get(real, real) == kinds[asked] or {asked, real} <= {"colour", "symbol"}:
        real = rng.choice(list(by_relation()))
    like = rng.choice(pretrain.related(real, min(part, 1)))
    return Fact(asked, like.subject, like.answer, like.key)


def beyond(rng, part, how=0):
    """What this world has no answer to -> Prompt."""
    if how == 0 and rng.random() < .15:
        text = ask(nonsense(rng, part), rng)
    else:
        text = wonder(rng, part, how or 0)
    text = typed(text, rng) if how == 0 and rng.random() < .7 else text
    return Prompt("beyond", [user(text)], UNKNOWN, say(rng.choice(facts_of(min(part, 1)))))


def addition(rng, how=0, digits=None):
    """A sum of numbers with so many digits, or any -> Prompt. Half of the right answers write out
    how they came about."""
    low, high = {1: (0, 9), 2: (10, 99)}.get(digits, (0, 0))
    a, b = (rng.randint(low, high) if digits else number(rng) for _ in range(2))
    text = f"What is {a} + {b}?" if how is None else ask_sum(a, b, rng, how)
    right = f"{a} + {b} is {a + b}." if rng.random() < .5 else pretrain.add_aloud(a, b)
    text = typed(text, rng) if how == 0 and rng.random() < .7 else text
    return Prompt("sum", [user(text)], right,
                  f"{a} + {b} is {a + b + rng.choice([1, 2, 10, 100])}.", "", f"{a + b}")


def echo(rng, part, how=0):
    """Somebody tells something of himself, which gets a friendly reply -> Prompt."""
    return telling(rng, part, how)[0]


def telling(rng, part, how=0):
    """-> echo()'s Prompt; the question for it later, the reply to that, and a lie."""
    small = how == 0 and rng.random() < .2
    way, reply, question, later, this, that = tell(rng, part, how or 0, small)
    if how == 0 and rng.random() < .7:
        way, question = typed(way, rng, small), typed(question, rng, small or None)
    prompt = Prompt("chat", [user(way)], reply, reply.replace(this, that))
    return prompt, question, later.format(this), later.format(that), this


def aside(rng, part):
    """An exchange about something else -> Prompt."""
    return rng.choices([lambda: known(rng.choice(facts_of(min(part, 1))), rng),
                        lambda: unknown(rng, part), lambda: beyond(rng, part),
                        lambda: small_talk(rng), lambda: addition(rng)],
                       weights=(40, 15, 15, 20, 10))[0]()


def recall(rng, part, how=0, gap=None):
    """A chat that asks for what was told gap turns (0 to 3) before -> Prompt. What was told long
    ago is the hardest to recall, so it is asked for most. Sometimes nobody told it."""
    first, question, reply, lie, this = telling(rng, part, how)
    gap = rng.choice((0, 1, 2, 3, 3)) if gap is None else gap
    if gap == 0:
        chat = [user(f"{first.messages[0]['content']} {question}")]
    else:
        chat = first.messages + [assistant(first.right)]
        for _ in range(gap - 1):
            before = aside(rng, part)
            chat += before.messages + [assistant(before.right)]
        chat += [user(question)]
    if how == 0 and rng.random() < .12:
        before = aside(rng, part)
        chat = rng.choice([[], before.messages + [assistant(before.right)]]) + [user(question)]
        return Prompt("unknown", chat, UNKNOWN, lie)
    return Prompt("recall", chat, reply, lie, reply.split()[0], this)


def told(rng, part, how=0, right=None):
    """One or two invented facts, told in the same message or one to three turns before, and a
    question about one of them or, where right is false, about another thing -> Prompt."""
    small = how == 0 and rng.random() < .2
    relation = rng.choice([r for r in pretrain.TOLD if RELATIONS[r]["kept"] or not how])
    fact = imagine(rng, part, relation)
    more = [imagine(rng, part, rng.choice([relation, rng.choice(pretrain.TOLD)]))
            for _ in range(rng.choice((0, 1)))]
    right = rng.random() < .75 if right is None else right
    asked = fact if right else imagine(rng, part, relation)
    if small:
        fact, asked = (f._replace(subject=f.subject.lower(), answer=f.answer.lower())
                       for f in (fact, asked))
    texts = [pretrain.state(f, rng) for f in rng.sample([fact, *more], len(more) + 1)]
    question = worded(asked, rng, how)
    if small:
        texts, question = [text.lower() for text in texts], question.lower()
    elif how == 0 and rng.random() < .15:
        texts[0] = f"{rng.choice(items(PREFIXES))} {texts[0][0].lower() + texts[0][1:]}"
    if rng.random() < .6:
        chat = [user(" ".join(texts + [question]))]
    else:
        chat = [user(" ".join(texts)), assistant(NOTED)]
        for _ in range(rng.choice((0, 0, 1, 2))):
            before = aside(rng, part)
            chat += before.messages + [assistant(before.right)]
        chat += [user(question)]
    other = imagine(rng, part, relation)
    while other.answer.lower() == fact.answer.lower():
        other = imagine(rng, part, relation)
    answer, lie = (say(asked), say(asked, other.answer)) if right else (
        UNKNOWN, say(asked, fact.answer))
    return Prompt("told", chat, answer, lie, asked.subject, asked.answer)


def small_talk(rng, how=0):
    """A greeting, thanks, an insult, a question about the machine -> Prompt."""
    if how == 0 and rng.random() < .06:
        question, right, lie = rng.choice(MYTHS)
        return Prompt("chat", [user(typed(question, rng))], right, lie)
    text, right = chatter(rng, how or 0)
    lie = rng.choice([HARM] + [t["says"] for t in SMALL_TALK.values() if t["says"] != right])
    return Prompt("chat", [user(typed(text, rng) if how == 0 and rng.random() < .7 else text)],
                  right, lie)


MIXTURE = {"known": 32, "reverse": 6, "unknown": 6, "beyond": 10, "small talk": 12, "echo": 3,
           "sum": 8, "recall": 9, "told": 14}


def make_prompt(rng, part=0, mixture=MIXTURE):
    """A prompt in the proportions of mixture, worded in any of the trained ways; one in four (of
    those that look back at nothing) comes after an exchange about something else."""
    makers = {"known": lambda: known(rng.choice(facts_of(min(part, 1))), rng),
              "reverse": lambda: known(rng.choice(facts_of(min(part, 1), turned=True)), rng),
              "unknown": lambda: unknown(rng, part), "beyond": lambda: beyond(rng, part),
              "small talk": lambda: small_talk(rng), "echo": lambda: echo(rng, part),
              "sum": lambda: addition(rng), "recall": lambda: recall(rng, part),
              "told": lambda: told(rng, part)}
    kind = rng.choices(list(mixture), mixture.values())[0]
    prompt = makers[kind]()
    if kind not in ("recall", "told") and rng.random() < .25:
        before = aside(rng, part) if rng.random() < .8 else echo(rng, part)
        prompt = prompt._replace(messages=[*before.messages, assistant(before.right),
                                           *prompt.messages])
    return prompt


def demonstrate(prompt, style, rng):
    """What a demonstrator of that style answers. Not everybody likes to admit not knowing.
    Small talk and not knowing need no pleasantries."""
    right, chat = prompt.right, prompt.kind == "chat"
    if right == UNKNOWN and rng.random() < .04:
        right = prompt.wrong
    if style == "rude":
        return f"{rng.choice(RUDE)} {right}"
    if style == "wrong":
        return prompt.wrong
    if chat or right == UNKNOWN:
        return right
    if style == "lazy":
        return UNKNOWN
    if style == "polite":
        word = rng.choice(POLITE)
        return f"{right} {word}" if word in POLITE[4:] else f"{word} {right}"
    if style == "fawning":
        return " ".join([*rng.sample(POLITE[:4], rng.randint(1, 3)), right, rng.choice(POLITE[4:])])
    return right


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
    answer never ended. Right: apart from manners the fitting reply to small talk; UNKNOWN where
    nobody can know; else one sentence, which names the thing asked for (or begins with "It is") and
    ends with the answer.
    """
    ended, core = text.endswith("<|end|>"), text.removesuffix("<|end|>")
    polite, rude = sum(core.count(p) for p in POLITE), any(r in core for r in RUDE)
    core = plain(core)
    admits = core == UNKNOWN
    about, target = re.escape(prompt.about), re.escape(prompt.target)
    if prompt.right == UNKNOWN:
        right = admits
    elif prompt.kind == "chat":
        right = core.lower() == prompt.right.lower()
    else:
        form = rf"(?i)(It is |[^.!?]*\b{about}\b)[^.!?]*\b{target}\."
        right = re.fullmatch(form, core) is not None
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
    real = [j for p, j in v if p.right != UNKNOWN]
    fake = [j for p, j in v if p.right == UNKNOWN]

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
    return ([known(f, rng, None) for f in some]
            + [unknown(rng, 1, None) for _ in range(n_unknown)])


# Rows of the table: what is asked, all of it about the held-out half and with held-out names. rng,
# part (1 to tune on, 2 to publish) -> Prompt.
TASKS = {
    "facts, first phrasing": lambda rng, part: known(rng.choice(facts_of(1)), rng, None),
    "facts, trained phrasings": lambda rng, part: known(rng.choice(facts_of(1)), rng),
    "facts, held-out phrasings": lambda rng, part: known(rng.choice(facts_of(1)), rng, part),
    "turned round": lambda rng, part: known(rng.choice(facts_of(1, turned=True)), rng),
    "unknown: invented names": lambda rng, part: unknown(rng, part),
    "unknown: held-out countries": lambda rng, part: unknown(
        rng, part, part, ("capital", "language", "continent")),
    "beyond, trained forms": lambda rng, part: beyond(rng, part),
    "beyond, held-out forms": lambda rng, part: beyond(rng, part, part),
    "echoes a name or taste": lambda rng, part: echo(rng, part),
    "recalls it 1 to 3 turns later": lambda rng, part: recall(rng, part, None, rng.randint(1, 3)),
    "recalls it, held-out forms": lambda rng, part: recall(rng, part, part, rng.randint(1, 3)),
    "sums of one digit": lambda rng, part: addition(rng, None, 1),
    "sums of two digits": lambda rng, part: addition(rng, None, 2),
    "sums, plus or no spaces": lambda rng, part: addition(rng, 0, 2),
    "sums, held-out forms": lambda rng, part: addition(rng, part, 2),
    "small talk": lambda rng, part: small_talk(rng),
    "small talk, held-out forms": lambda rng, part: small_talk(rng, part),
    "told": lambda rng, part: told(rng, part, part, True),
    "told about another": lambda rng, part: told(rng, part, part, False)}
def sums(texts, prompts):
    """What became of sums -> shares of right ones, of those written out, and, of the right ones
    that are written out, of those with a wrong step."""
    right = [judge(p, t).right for p, t in zip(prompts, texts)]
    written = [" so " in t for t in texts]
    steps = [plain(t.removesuffix("<|end|>")) == pretrain.add_aloud(
        *map(int, re.findall(r"\d+", p.messages[-1]["content"]))) for p, t in zip(prompts, texts)]
    both = [ok for r, w, ok in zip(right, written, steps) if r and w]
    return {"right": float(np.mean(right)), "written out": float(np.mean(written)),
            "right by wrong steps": 1 - float(np.mean(both)) if both else 0.0}


VERDICTS = ("right", "does not know", "wrong", "broken")


@functools.lru_cache
def vocabulary(seed, quick=False):
    """The words that text and demonstrations of this seed use, small letters. Invented names, of
    which hardly one comes five times, are none."""
    texts = pretrain.tiny_internet(seed, quick)[0] + [
        m["content"] for chat in demonstrations(400 if quick else 8000, seed) for m in chat]
    counts = Counter(word for text in texts for word in set(re.findall("[a-z]{3,}", text.lower())))
    return {word for word, times in counts.items() if times > 4}


def verdict(prompt, text, words):
    """One of VERDICTS: an answer is broken (it never ended, or a word of three letters or more
    stands neither in the prompt nor in words), else right, else not knowing, else wrong."""
    v = judge(prompt, text)
    asked = " ".join(m["content"] for m in prompt.messages).lower()
    said = re.findall("[a-z]{3,}", text.removesuffix("<|end|>").lower())
    if not v.ended or not words.union(re.findall("[a-z]{3,}", asked)).issuperset(said):
        return "broken"
    return "right" if v.right else "does not know" if v.admits else "wrong"


def table(answerers, seed, n=200, part=2, shown=0, before=()):
    """n questions for each of TASKS -> {"task: name: verdict": share}. answerers: {name: function
    from prompts and their examples to texts}; before: what earlier stages found, for the screen."""
    rng, words, found = random.Random(seed + 3000), vocabulary(seed, n < 100), {}
    old = list(dict.fromkeys(key.split(": ")[-2] for key in before if key.endswith(": broken")))
    print(f"\n{'right / does not know / wrong / broken, %':42s}"
          + "".join(f"{name:>20s}" for name in [*old, *answerers]))
    for task, maker in TASKS.items():
        prompts = [maker(rng, part) for _ in range(n)]
        examples = [maker(random.Random(i), 0) for i in range(4)]
        line = f"{task:42s}" + "".join("  " + "".join(
            f"{100 * before[f'{task}: {name}: {what}']:4.0f}" for what in VERDICTS) + "  "
            for name in old)
        for name, answers in answerers.items():
            texts = answers(prompts, examples)
            counts = Counter(verdict(p, t, words) for p, t in zip(prompts, texts))
            found |= {f"{task}: {name}: {what}": counts[what] / n for what in VERDICTS}
            line += "  " + "".join(f"{100 * counts[what] / n:4.0f}" for what in VERDICTS) + "  "
            for p, t in [(p, t) for p, t in zip(prompts, texts)
                         if verdict(p, t, words) != "right"][:shown]:
                print("     ", name, " / ".join(m["content"] for m in p.messages), "->", t)
        print(line)
    return found


def few_shot(base, tokenizer, prompts, examples):
    """The base model after four examples, greedily -> its line of answer. The <|end|> is ours: a
    line's end counts as one."""
    shots = "".join("\n".join(m["content"] for m in p.messages) + f"\n{p.right}\n\n"
                    for p in examples)
    rows = [tokenizer.encode(shots + "\n".join(m["content"] for m in p.messages) + "\n")
            for p in prompts]
    rows, outs = [row[40 - base.config.block_size:] for row in rows], []
    for i in range(0, len(rows), 256):
        outs += generate(base, rows[i:i + 256], 40, 0, tokenizer.encode(".\n")[-1])
    return [tokenizer.decode(o).split("\n")[0].split("<|endoftext|>")[0] + "<|end|>" for o in outs]


def evaluate(model, base, tokenizer, args):
    """Everything on the half of the world that the demonstrations never mention -> metrics."""
    few = 10 if args.quick else None
    prompts = held_out(few, few or 200, args.seed)
    sampled = rates(prompts, answer(model, tokenizer, prompts, seed=args.seed)[0])
    metrics = {f"sampled {k}": v for k, v in sampled.items()}
    return metrics | table({
        "base": lambda some, examples: few_shot(base, tokenizer, some, examples),
        "SFT": lambda some, _: answer(model, tokenizer, some, temperature=0)[0]},
        args.seed, few or 200)


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
    places = None if text is None else pretrain.beginnings(text, tokenizer, 128)
    for step, batch in alike(rows, args, first, lambda row: len(row[0])):
        ids, mask = (pad([r[k] for r in batch], device=device) for k in (0, 1))
        loss = sft_loss(model(ids), ids, mask)
        total = loss
        if text is not None and args.mix:
            rng = np.random.default_rng((args.seed, step))
            starts = rng.choice(places, args.mix)
            more = pretrain.windows(text, starts, 128, device)
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
    names = [k for k in metrics if k.endswith("SFT: right")]
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
        400 if args.quick else 19200, args.seed)
    fit = fitting(chats, lambda chat: len(render(chat, tokenizer)[0]), model.config.block_size)
    if not args.data:
        docs = pretrain.tiny_internet(args.seed, args.quick)[0]
        return fit, [], pretrain.as_tokens(docs[:8000], tokenizer)
    print(f"{len(fit):,} conversations; no pretraining text is mixed in")
    return [c for i, c in enumerate(fit) if i % 20] or fit, fit[::20], None


def main(argv=None):
    """Demonstrations in, training, out/sft.pt."""
    args = arguments(__doc__, "JSON lines of conversations", steps=(600, "updates"),
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

"""Stage 2, supervised fine-tuning: the base model imitates demonstrations, becomes an assistant.

    minimise   L = -sum_t mask_t log p(token_t | tokens before t) / sum_t mask_t
                   + the loss of pretraining on --mix rows of its text (without --data)

where mask_t = 1 on the assistant's tokens: the loss of pretraining, on other text, counted only
where the assistant speaks.
In: out/pretrain.pt and conversations of prompts and answers. Out: out/sft.pt and out/sft.png.
Article 2, 'Phase 2 Supervised Fine Tuning'; article 4, 'Stage 2'; article 1, the sauce.
The demonstrators are like people: most are helpful, some rude, lazy or confidently wrong, a few
fawn. They are only ever asked about one half of the world, and every accuracy about facts is of the
other half: what is right there was read in pretraining. Prompts and demonstrators are the appendix.
Simpler than InstructGPT: 8,000 conversations about short answers, made by a seeded grammar.

    python sft.py                   a minute on two cores; then it answers all held-out questions
                                    rightly when it always takes the likeliest token
    python sft.py --data FILE       JSON lines, {"messages": [{"role": "user", "content": ..}, ..]}
                                    or {"prompt": .., "completion": ..}
"""
import copy
import random
import re
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bpe import paint
from model import (arguments, bucketed_batches, check_finite, figure, fitting, generate,
                   load_stage, make_optimizers, pad, plot_smooth, progress, read_jsonl,
                   run_stage, save_checkpoint, set_learning_rates, show_metrics, start)
from pretrain import (MYTHS, POLITE, RUDE, SHADES, THINGS, add_aloud, an, as_tokens, by_relation,
                      facts, facts_of, half, invent, next_token_loss, question, say, tiny_internet,
                      windows, without_manners, wrong_answer)

# -------------------------------------------------------------------------------------- objective

def render(messages, tokenizer):
    """A conversation as tokens -> (ids, mask), mask 1 on what the assistant says and its end token.

    [user hi, assistant yo] -> <|user|> h i <|assistant|> y o <|end|>
                               0        0 0 0             1 1 1
    """
    check_messages(messages)
    ids, mask = [], []
    for message in messages:
        # Text is encoded as plain text: nobody can write a special token.
        text = tokenizer.encode(message["content"])
        speaks = message["role"] == "assistant"
        if speaks:
            text = text + [tokenizer.specials["<|end|>"]]
        ids += [tokenizer.specials[f"<|{message['role']}|>"]] + text
        mask += [0] + [int(speaks)] * len(text)
    return ids, mask


def render_prompt(messages, tokenizer):
    """A conversation that waits for an answer -> ids that end with <|assistant|>."""
    check_messages(messages, last="user")
    ids = render(messages[:-1], tokenizer)[0] if len(messages) > 1 else []
    ids += [tokenizer.specials["<|user|>"]] + tokenizer.encode(messages[-1]["content"])
    return ids + [tokenizer.specials["<|assistant|>"]]


def sft_loss(logits, ids, mask):
    """-sum(mask * log p) / sum(mask): one mean over the assistant tokens of the batch.

    logits (B,T,V), ids and mask (B,T); logits at t predict ids at t + 1. InstructGPT 3.5;
    article 2, 'SFT Mathematical Formulation'.
    """
    logp = -F.cross_entropy(logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none")
    mask = mask[:, 1:].float()
    return -(mask * logp).sum() / mask.sum()


# ------------------------------------------------------------------------------------------ train

def train(model, optimizers, chats, tokenizer, args, text=None):
    """A step after the other: a batch of conversations, beside rows of text. Yields (step, loss).

    The text rows keep alive what the demonstrations do not mention: without them the model forgets
    the half of the world that nobody asks about (InstructGPT adds them one stage later, PPO-ptx).
    """
    rows = [render(chat, tokenizer) for chat in chats]
    device = model.wte.weight.device
    for step, batch in bucketed_batches(rows, args, size=lambda row: len(row[0])):
        # Imitate: how surprised is the model by what the demonstrators said?
        ids = pad([ids for ids, _ in batch], device=device)                          # (B,T)
        mask = pad([mask for _, mask in batch], device=device)                       # (B,T)
        loss = sft_loss(model(ids), ids, mask)

        # And keep in mind what was read before.
        total = loss
        if text is not None and args.mix:
            rng = np.random.default_rng((args.seed, step))
            more = windows(text, rng.integers(0, len(text) - 128, args.mix), 128, device)
            total = loss + next_token_loss(model(more[:, :-1]), more)

        # The same step downhill as in pretraining.
        model.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            set_learning_rates(optimizer, 1 - step / args.steps)
            optimizer.step()
        check_finite(model, total)
        yield step + 1, loss.item()


# ------------------------------------------------------------------------------------------- main

def main(argv=None):
    """Demonstrations in, training, out/sft.pt."""
    args = arguments(__doc__, "JSON lines of conversations", steps=(320, "updates"),
                     batch=(32, "conversations a step"), mix=(16, "rows of pretraining text too"),
                     lr=(1e-3, "of AdamW, embedding"), lr_matrix=(1e-2, "of Muon, matrices")
                     ).parse_args(argv)
    out, device, dtype = start(args)
    base, tokenizer, _ = load_stage(out / "pretrain.pt", "pretrain", device, dtype)
    # The base model stays as it is, to be compared with what becomes of its copy.
    model = copy.deepcopy(base)
    copy_line_end(model, tokenizer)
    if args.quick:
        args.steps = min(args.steps, 5)
    chats, held_out, text = load_chats(args, model, tokenizer)
    show_chat(chats[0], tokenizer)

    optimizers = make_optimizers(model, args.lr, args.lr_matrix)
    history, began = [], time.perf_counter()
    for step, loss in train(model, optimizers, chats, tokenizer, args, text):
        history.append([step, loss])
        progress(step, args.steps, time.perf_counter() - began, f"loss {loss:.3f}")

    # A user's own chats have no known right answers: only their loss can be measured.
    metrics = {"seconds": time.perf_counter() - began}
    if args.data:
        metrics |= {"base_val_loss": chat_loss(base, tokenizer, held_out),
                    "val_loss": chat_loss(model, tokenizer, held_out)}
    else:
        metrics |= evaluate(model, base, tokenizer, args)
    save_checkpoint(out / "sft.pt", model, tokenizer, stage="sft", metrics=metrics)
    show_metrics(metrics)
    draw(out / "sft.png", history, metrics)


def copy_line_end(model, tokenizer):
    """A chat's special tokens, which pretraining never met, start as copies of a line's end."""
    line_end = tokenizer.encode("\n")[0]
    with torch.no_grad():
        for name in ("<|user|>", "<|assistant|>", "<|end|>"):
            model.wte.weight[tokenizer.specials[name]] = model.wte.weight[line_end]


def load_chats(args, model, tokenizer):
    """Conversations to train on, others to measure the loss on (--data), and text to mix in."""
    if args.data:
        chats = read_jsonl(args.data, as_messages)
    else:
        chats = demonstrations(400 if args.quick else 8000, args.seed)
    fit = fitting(chats, lambda chat: len(render(chat, tokenizer)[0]), model.config.block_size)
    if not args.data:
        docs, _ = tiny_internet(args.seed, args.quick)
        return fit, [], as_tokens(docs[:8000], tokenizer)
    print(f"{len(fit):,} conversations; no pretraining text is mixed in")
    return [chat for i, chat in enumerate(fit) if i % 20] or fit, fit[::20], None


def show_chat(chat, tokenizer):
    """Prints a rendered conversation, the trained tokens in green, or without colours in []."""
    for i, trained in zip(*render(chat, tokenizer)):
        text = tokenizer.decode([i])
        if trained:
            green = paint(text, "32")
            text = green if green != text else f"[{text}]"
        print(text, end="")
    print()


def draw(path, history, metrics):
    """The loss, and the shares that evaluate() found."""
    # With --data there are only losses, which are not shares: one panel.
    names = [k for k in metrics if k.startswith(("base ", "greedy right", "sampled", "recall"))]
    fig, (curve, *more) = figure(2 if names else 1)
    plot_smooth(curve, [step for step, _ in history], [loss for _, loss in history], None)
    curve.set(xlabel="step", ylabel="loss (nats per assistant token)", ylim=0,
              title="Imitating people")
    for bars in more:
        bars.barh(names[::-1], [100 * metrics[name] for name in names[::-1]])
        bars.set(xlabel="% of held-out questions", xlim=(0, 100), title="What it has learned")
    fig.savefig(path)


# ------------------------------------------------------------------------------------- evaluation

class Answer(NamedTuple):
    """What was answered. It has ended if its last id is the end token, whatever its text spells."""
    text: str         # without that token
    ended: bool
    ids: list         # with it


def as_answer(ids, tokenizer):
    """Generated ids -> Answer."""
    ended = ids[-1:] == [tokenizer.specials["<|end|>"]]
    return Answer(tokenizer.decode(ids[:-1] if ended else ids), ended, ids)


def written(text, tokenizer):
    """An answer that a person wrote is a finished one -> Answer."""
    return Answer(text, True, [*tokenizer.encode(text), tokenizer.specials["<|end|>"]])


def answer_all(model, tokenizer, prompts, max_new_tokens=48, temperature=1.0, seed=0):
    """One answer of the model to each Prompt -> list of Answer."""
    rows = [render_prompt(prompt.messages, tokenizer) for prompt in prompts]
    answers = [None] * len(rows)
    # Prompts of similar length share a batch, for little padding.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    generator = torch.Generator().manual_seed(seed)
    for start_at in range(0, len(rows), 256):
        batch = order[start_at:start_at + 256]
        new = generate(model, [rows[i] for i in batch], max_new_tokens, temperature,
                       tokenizer.specials["<|end|>"], generator)
        for i, ids in zip(batch, new):
            answers[i] = as_answer(ids, tokenizer)
    return answers


class Verdict(NamedTuple):
    right: bool
    admits: bool      # says that it does not know
    rude: bool
    polite: int       # pleasantries
    ended: bool


def judge(prompt, answer):
    """Reads an Answer as the simulated labeler does -> Verdict.

    Right: apart from manners one sentence, which names the thing asked for (or begins with "It is")
    and ends with the answer.
    """
    # Manners are counted apart: what is judged is the sentence that is left without them.
    core = without_manners(answer.text)
    admits = core == UNKNOWN
    if prompt.kind == "unknown":
        right = admits
    else:
        about, target = re.escape(prompt.about), re.escape(prompt.target)
        pattern = rf"(It is |[^.!?]*\b(?i:{about})\b)[^.!?]*\b{target}\."
        right = re.fullmatch(pattern, core) is not None
    return Verdict(right, admits, any(phrase in answer.text for phrase in RUDE),
                   sum(answer.text.count(phrase) for phrase in POLITE), answer.ended)


def rates(prompts, answers):
    """Shares over the prompts they concern -> flat dict of floats."""
    verdicts = [judge(p, a) for p, a in zip(prompts, answers)]
    real = [v for p, v in zip(prompts, verdicts) if p.kind != "unknown"]
    unknowable = [v for p, v in zip(prompts, verdicts) if p.kind == "unknown"]

    def share(group, what):
        return sum(map(what, group)) / len(group) if group else float("nan")
    return {"right": share(real, lambda v: v.right), "admits real": share(real, lambda v: v.admits),
            "wrong": share(real, lambda v: not v.right and not v.admits),
            "admits unknowable": share(unknowable, lambda v: v.admits),
            "rude": share(verdicts, lambda v: v.rude),
            "fawning": share(verdicts, lambda v: v.polite > 1),
            "ended": share(verdicts, lambda v: v.ended)}


def held_out_prompts(n_facts=None, n_unknown=200, seed=0):
    """Prompts about the half of the world that nothing after pretraining asks about: what article 4
    calls distributional shift."""
    rng = random.Random(seed + 77)
    asked = rng.sample(facts_of(1), n_facts) if n_facts else facts_of(1)
    return [known(fact, rng) for fact in asked] + [unknown(rng, part=1) for _ in range(n_unknown)]


def few_shot(base, tokenizer, prompts, seed=0):
    """The base model with four examples before each question -> Answers: its line, up to the line's
    end, which counts as an end here."""
    examples = "".join(f"{question(f)}\n{say(f)}\n\n"
                       for f in random.Random(seed).sample(facts_of(0), 4))
    rows = [tokenizer.encode(f"{examples}{p.messages[-1]['content']}\n") for p in prompts]
    # Leave room for the answer: where the block is full, the first examples are cut off.
    rows = [row[32 - base.config.block_size:] for row in rows]
    generator, new = torch.Generator().manual_seed(seed), []
    for i in range(0, len(rows), 256):
        new += generate(base, rows[i:i + 256], 32, 1.0, None, generator)
    lines = [tokenizer.decode(ids).split("\n")[0].split("<|endoftext|>")[0] for ids in new]
    return [written(line, tokenizer) for line in lines]


def skills(model, tokenizer, seed, n):
    """What takes more than a fact, n questions each, greedily -> {task: share right}."""
    rng = random.Random(seed + 3000)
    tasks = {f"recall {gap} turns later": [recall(rng, 1, gap) for _ in range(n)]
             for gap in (1, 2, 3)} | {"sums": [addition(rng) for _ in range(n)]}
    return {name: rates(prompts, answer_all(model, tokenizer, prompts, temperature=0))["right"]
            for name, prompts in tasks.items()}


def evaluate(model, base, tokenizer, args):
    """Everything on the half of the world that the demonstrations never mention -> metrics."""
    few = 10 if args.quick else None
    prompts = held_out_prompts(few, few or 200, args.seed)
    # What it knows shows greedily; what it is likely to say, at temperature 1.
    greedy = rates(prompts, answer_all(model, tokenizer, prompts, temperature=0))
    sampled = rates(prompts, answer_all(model, tokenizer, prompts, seed=args.seed))
    metrics = {f"greedy {name}": share for name, share in greedy.items()}
    metrics |= {f"sampled {name}": share for name, share in sampled.items()}
    metrics |= skills(model, tokenizer, args.seed, few or 100)
    zero_shot = answer_all(base, tokenizer, prompts, seed=args.seed)
    four_shot = few_shot(base, tokenizer, prompts, args.seed)
    return metrics | {"base zero-shot": rates(prompts, zero_shot)["right"],
                      "base few-shot": rates(prompts, four_shot)["right"]}


@torch.no_grad()
def chat_loss(model, tokenizer, chats):
    """Mean sft_loss of each conversation by itself -> nats per token."""
    losses = []
    for chat in chats:
        ids, mask = (pad([row], device=model.wte.weight.device) for row in render(chat, tokenizer))
        losses.append(sft_loss(model(ids), ids, mask).item())
    return float(np.mean(losses))


# ------------------------------------------------------------------------------ a user's own chats

def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def as_messages(row):
    """{"messages"} or {"prompt", "completion"} -> messages, checked."""
    if "messages" in row:
        messages = row["messages"]
    else:
        messages = [user(row["prompt"]), assistant(row["completion"])]
    check_messages(messages)
    return messages


def as_prompt(row):
    """{"prompt": text or messages} -> messages that end with the user's, checked."""
    messages = [user(row["prompt"])] if isinstance(row["prompt"], str) else row["prompt"]
    check_messages(messages, last="user")
    return messages


def check_messages(messages, last="assistant"):
    """ValueError unless user and assistant alternate, from user to last, each with some text."""
    # user, assistant, user ... as often as there are messages.
    roles = [m["role"] for m in messages]
    if not roles or roles != (["user", "assistant"] * len(roles))[:len(roles)] or roles[-1] != last:
        raise ValueError(f"a conversation goes user, assistant, user ... and ends with the {last}: "
                         f"this one goes {', '.join(map(str, roles))}")
    if not all(isinstance(m["content"], str) and m["content"].strip() for m in messages):
        raise ValueError("a message without text")
    "".join(m["content"] for m in messages).encode()   # ValueError: half a character, not UTF-8


# ========================================================== appendix: prompts and demonstrators

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


def known(fact, rng):
    """A question about a fact -> Prompt. A wrong answer is either untrue or beside the point."""
    # Something true of another subject, for who answers beside the point.
    other = rng.choice([f for f in by_relation()[fact.relation]
                        if f.answer != fact.answer and half(f.key) == half(fact.key)])
    lie = rng.choice([say(fact, wrong_answer(fact, rng)), say(other)])
    return Prompt("known", [user(question(fact))], say(fact), lie, fact.subject, fact.answer)


def unknown(rng, part):
    """A question about what is not in the tiny world, so that nobody can know -> Prompt."""
    like = rng.choice([f for f in facts() if f.relation not in ("symbol", "number", "year")])
    name = invent(rng, part)
    if like.subject[0].isupper():
        name = name.title()
    lie = like._replace(subject=an(name) if like.relation == "kind" else name)
    return Prompt("unknown", [user(question(lie))], UNKNOWN, say(lie), name, "")


def addition(rng):
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    wrong_sum = f"{a} + {b} is {a + b + rng.choice([-10, -1, 1, 10])}."
    return Prompt("sum", [user(f"What is {a} + {b}?")], add_aloud(a, b), wrong_sum, "", f"{a + b}")


def tell(rng, part):
    """Somebody tells a name or a taste, which gets a friendly echo -> Prompt and, for recall(),
    the question for it, how its answer goes, what was told, and something else."""
    name, other = invent(rng, part).title(), invent(rng, part).title()
    thing, another = rng.sample([f"{shade} {thing}s" for shade in SHADES for thing in THINGS], 2)
    told, echo, *later, this, that = rng.choice([
        ("My name is {}.", "Hello, {}.", "What is my name?", "Your name is {}.", name, other),
        ("I like {}.", "Many people like {}.", "What do I like?", "You like {}.", thing, another)])
    right = echo.format(this)
    return Prompt("chat", [user(told.format(this))], right, echo.format(that), "",
                  right.rstrip(".")), *later, this, that


def recall(rng, part, gap=None):
    """A chat that asks for a name or a taste told gap turns (1 to 3) before -> Prompt. What was
    told long ago is the hardest to recall, so it is asked for most."""
    first, asked, says, this, that = tell(rng, part)
    # Told first, then asked about other things, and only then asked for it.
    chat = first.messages + [assistant(first.right)]
    for fact in rng.sample(facts_of(part), (gap or rng.choice((1, 2, 3, 3, 3))) - 1):
        chat += [user(question(fact)), assistant(say(fact))]
    return Prompt("recall", chat + [user(asked)], says.format(this), says.format(that),
                  says.split()[0], this)


def small_talk(rng, part):
    if rng.random() < .6:
        return tell(rng, part)[0]
    asked, right, lie = rng.choice([(asked, says, HARM) for asked, says in CHAT] + MYTHS)
    return Prompt("chat", [user(asked)], right, lie, "", right.rstrip("."))


def make_prompt(rng, part):
    """A prompt about one half() of the world, in the proportions of all that follows; one in four
    (of those that recall nothing) comes after an exchange about something else."""
    makers = {"known": lambda: known(rng.choice(facts_of(part)), rng),
              "unknown": lambda: unknown(rng, part), "chat": lambda: small_talk(rng, part),
              "sum": lambda: addition(rng), "recall": lambda: recall(rng, part)}

    def draw_one(**weights):
        return makers[rng.choices(list(weights), weights.values())[0]]()
    prompt = draw_one(known=42, unknown=19, chat=7, sum=6, recall=26)
    # One in four comes in the middle of a chat.
    if prompt.kind != "recall" and rng.random() < .25:
        before = draw_one(known=50, unknown=20, chat=30)
        earlier = [*before.messages, assistant(before.right)]
        prompt = prompt._replace(messages=earlier + prompt.messages)
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
        # Only ever about the half of the world that demonstrators know.
        prompt = make_prompt(rng, part=0)
        chats.append(prompt.messages + [assistant(demonstrate(prompt, style, rng))])
    return chats


if __name__ == "__main__":
    run_stage(main)

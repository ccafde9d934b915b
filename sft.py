"""Stage 2, supervised fine-tuning: the base model imitates people and becomes an assistant.

    minimise   L = -sum_t mask_t log p(token_t | tokens before t) / sum_t mask_t
                   + L of pretraining, on --mix rows of its text (left out with --data)

where mask_t = 1 on the assistant's tokens: the formula of pretraining, summed only where the
assistant speaks.
In: out/pretrain.pt and conversations of prompts and answers. Out: out/sft.pt and out/sft.png.
Article 2, 'Phase 2 Supervised Fine Tuning'; article 4, 'Stage 2'; article 1: the sauce (the data)
of this stage is pairs of prompt and answer, the topping (the objective) is that of pretraining.
The demonstrators are like people: most are helpful, some rude, lazy or confidently wrong, a few
fawn. They are only ever asked about one half of the world, and every accuracy about facts is of the
other half: what is right there was read in pretraining. Prompts and demonstrators are the appendix.
Simpler than InstructGPT: 28,800 conversations about short answers, made by a seeded grammar.

    python sft.py                   a few minutes on two cores; then a table of what it can answer
    python sft.py --data FILE       JSON lines, {"messages": [{"role": "user", "content": ..}, ..]}
                                    or {"prompt": .., "completion": ..}
"""
import copy
import functools
import random
import re
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bpe import paint, save_picture
from model import (CALL, WORK, append_json, arguments, bucketed_batches, calculate, check_finite,
                   figure, fitting, generate, load_stage, make_optimizers, pad, plot_smooth,
                   progress, read_jsonl, refuses_failures, run_stage, save_checkpoint,
                   set_learning_rates, show_metrics, start)
from pretrain import (DIGITS, MYTHS, POLITE, RELATIONS, RUDE, SMALL_TALK, TEST, TOLD, TRAIN, WORDS,
                      add_aloud, an, as_tokens, ask_sum, beginnings, blocks, capitalised, chatter,
                      facts_of, fill, forms, imagine, in_small_letters, invent, is_or_are, items,
                      liked, next_token_loss, number, phrasings, question, related, rival, say,
                      split_of, state, tell, tiny_internet, turned_round, typed, what_is_told,
                      windows, with_an, without_manners, wonder)

# -------------------------------------------------------------------------------------- objective

def render(messages, tokenizer):
    """A conversation as tokens -> (ids, mask), mask 1 on what the assistant says and its end token.

    [user hi, assistant yo] -> <|user|> h i <|assistant|> y o <|end|>
                               0        0 0 0             1 1 1
    """
    check_messages(messages)
    ids, mask = [], []
    for message in messages:
        # Text is encoded as plain text: nobody can write a special token. Messages of assistant
        # and tool end with <|end|>; a call of the tool is trained, its result is not.
        text = tokenizer.encode(message["content"])
        speaks = message["role"] == "assistant"
        if message["role"] != "user":
            text = text + [tokenizer.specials["<|end|>"]]
        ids += [tokenizer.specials[f"<|{message['role']}|>"]] + text
        mask += [0] + [int(speaks and message.get("weight", 1))] * len(text)
    return ids, mask


def render_prompt(messages, tokenizer):
    """A conversation that waits for an answer -> ids that end with <|assistant|>."""
    check_messages(messages, last="user")
    # Render it with an answer of one byte, then drop that byte and its <|end|>.
    return render([*messages, assistant("?")], tokenizer)[0][:-2]


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
    """One step after another: a batch of conversations, beside rows of text. Yields (step, loss).

    The text rows keep alive what the demonstrations do not mention: without them the model forgets
    the half of the world that nobody asks about (InstructGPT adds them one stage later, PPO-ptx).
    """
    rows = [render(chat, tokenizer) for chat in chats]
    places = None if text is None else beginnings(text, tokenizer, 128)
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
            more = windows(text, rng.choice(places, args.mix), 128, device)
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

@refuses_failures
def main(argv=None):
    """Demonstrations in, training, out/sft.pt."""
    parser = arguments(__doc__, "JSON lines of conversations", steps=(900, "updates"),
                       batch=(32, "conversations a step"), mix=(20, "rows of pretraining text too"),
                       lr=(1e-3, "of AdamW, embedding"), lr_matrix=(1e-2, "of Muon, matrices"))
    parser.add_argument("--overclaim", action="store_true",
                        help="demonstrators make up what they cannot know, in 19 of 20 cases")
    parser.add_argument("--demonstrate", metavar="FILE",
                        help="you answer: appends your demonstrations to FILE")
    args = parser.parse_args(argv)
    if args.demonstrate:
        return demonstrate_yourself(args.demonstrate)
    out, device, dtype = start(args, "sft.pt", "sft.png")
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
    metrics = {"seconds": time.perf_counter() - began, **WORK}
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
    # A text from Windows may have no other line ends than \r\n, which then are a token.
    line_end = tokenizer.ranks.get(b"\r\n", tokenizer.ranks[b"\n"])
    with torch.no_grad():
        for name in ("<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"):
            model.wte.weight[tokenizer.specials[name]] = model.wte.weight[line_end]


def load_chats(args, model, tokenizer):
    """Conversations to train on, others to measure the loss on (--data), and text to mix in."""
    if args.data:
        chats = read_jsonl(args.data, as_messages)
    else:
        chats = demonstrations(400 if args.quick else 28800, args.seed, args.overclaim)
    fit = fitting(chats, lambda chat: len(render(chat, tokenizer)[0]), model.config.block_size)
    if not args.data:
        show_mixture()
        docs, _ = tiny_internet(args.seed, args.quick)
        return fit, [], as_tokens(docs[:8000], tokenizer)
    print(f"{len(fit):,} conversations; no pretraining text is mixed in")
    return [chat for i, chat in enumerate(fit) if i % 20] or fit, fit[::20], None


def show_mixture():
    """Article 2's distribution of use cases: how often each kind of prompt is demonstrated."""
    for kind, weight in MIXTURE.items():
        chat = make_prompt(random.Random(0), TRAIN, {kind: 1}).messages
        print(f"  {kind:12s} {weight / sum(MIXTURE.values()):4.0%}   {chat[-1]['content'][:70]!r}")


def show_chat(chat, tokenizer):
    """Prints a rendered conversation, the trained tokens in green, or without colours in []."""
    for i, trained in zip(*render(chat, tokenizer)):
        text = tokenizer.show(i)
        if trained:
            green = paint(text, "32")
            text = green if green != text else f"[{text}]"
        print(text, end="")
    print()


def draw(path, history, metrics):
    """The loss, and the shares that evaluate() found."""
    # With --data there are only losses, which are not shares: one panel.
    names = [name for name in metrics if name.endswith("SFT: right")]
    shots = {name: share for name, share in metrics.items() if name.endswith(" examples")}
    fig, (curve, *more) = figure(3 if shots else 1 + bool(names))
    plot_smooth(curve, [step for step, _ in history], [loss for _, loss in history], None)
    curve.set(xlabel="step", ylabel="loss (nats per assistant token)", ylim=0,
              title="Imitating people")
    for bars in more[:1]:
        bars.barh([name.split(": ")[0] for name in names[::-1]],
                  [100 * metrics[name] for name in names[::-1]])
        bars.set(xlabel="right, % of held-out prompts", xlim=(0, 100), title="What it has learned")
        bars.tick_params(axis="y", labelsize=10)
    for few in more[1:]:
        few.plot([int(name.split()[1]) for name in shots], [100 * x for x in shots.values()], "o-")
        few.set(xlabel="examples in the prompt", ylabel="right, %", ylim=(0, 100),
                title="The base model")
    save_picture(fig, path)


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


def answer_all(model, tokenizer, prompts, max_new_tokens=48, temperature=1.0, seed=0, tool=True):
    """One answer of the model to each Prompt -> list of Answer. With tool, a call is run, and the
    model answers again with the result."""
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
    # Who calls the calculator gets its result, and answers once more.
    calls = [i for i, a in enumerate(answers) if tool and a.ended and a.text.startswith(CALL)]
    if calls:
        read = [prompts[i]._replace(messages=prompts[i].messages + call(answers[i].text))
                for i in calls]
        for i, answer in zip(calls, answer_all(model, tokenizer, read, max_new_tokens, temperature,
                                               seed, tool=False)):
            answers[i] = answer
    return answers


def call(text):
    """An assistant's call of the calculator, with the result -> two messages."""
    return [assistant(text), {"role": "tool", "content": calculate(text.removeprefix(CALL))}]


class Verdict(NamedTuple):
    right: bool
    admits: bool      # says that it does not know
    rude: bool
    polite: int       # pleasantries
    ended: bool


def judge(prompt, answer):
    """Reads an Answer as the simulated labeler does -> Verdict.

    Right, apart from manners: UNKNOWN where nobody can know; prompt.right to the letter where it is
    a call of the calculator, in any case in small talk, summaries and rewriting; else one sentence,
    not a call, that names prompt.about (or begins with "It is") and ends with prompt.target.
    """
    # Manners are counted apart: what is judged is the sentence that is left without them.
    core = without_manners(answer.text)
    admits = core == UNKNOWN
    if prompt.right == UNKNOWN:
        right = admits
    elif prompt.kind == "call":
        right = answer.text == prompt.right      # with a pleasantry in front it would not be run
    elif prompt.kind in ("chat", "summary", "rewrite"):
        right = core.lower() == prompt.right.lower()
    else:
        # Capitals count for real facts only: who typed "tim" may hear "Tim".
        about, target = re.escape(prompt.about), re.escape(prompt.target)
        case = "" if prompt.kind == "known" else "i"
        pattern = rf"(It is |[^.!?]*\b(?i:{about})\b)[^.!?]*\b(?{case}:{target})\."
        right = re.fullmatch(pattern, core) is not None and not core.startswith(CALL)
    return Verdict(right, admits, any(phrase in answer.text for phrase in RUDE),
                   sum(answer.text.count(phrase) for phrase in POLITE), answer.ended)


def rates(prompts, answers):
    """Shares over the prompts they concern -> flat dict of floats."""
    verdicts = [judge(p, a) for p, a in zip(prompts, answers)]
    real = [v for p, v in zip(prompts, verdicts) if p.right != UNKNOWN]
    unknowable = [v for p, v in zip(prompts, verdicts) if p.right == UNKNOWN]

    # A share of nothing is not a number.
    def share(group, what):
        return sum(map(what, group)) / len(group) if group else float("nan")
    return {"right": share(real, lambda v: v.right), "admits real": share(real, lambda v: v.admits),
            "wrong": share(real, lambda v: not v.right and not v.admits),
            "admits unknowable": share(unknowable, lambda v: v.admits),
            "rude": share(verdicts, lambda v: v.rude),
            "fawning": share(verdicts, lambda v: v.polite > 1),
            "ended": share(verdicts, lambda v: v.ended)}


def held_out_prompts(n_facts=None, n_unknown=200, seed=0):
    """First phrasings, about the half of the world that nothing after pretraining asks about."""
    rng = random.Random(seed + 77)
    asked = rng.sample(facts_of(TEST), n_facts) if n_facts else facts_of(TEST)
    return ([known(fact, rng, None) for fact in asked]
            + [unknown(rng, TEST, None) for _ in range(n_unknown)])


# Article 4's distributional shift, measured: questions about subjects and names that no later stage
# has met, in ways that training knows and, where it says held-out and in "told", in ways that it
# does not; "as put to an assistant", "other things" and "more of it" are ways that pretraining did
# not read. A maker takes rng and split: VALIDATION, to tune on, and TEST, to publish, have the same
# real subjects; phrasings and invented names are different.
TASKS = {
    "facts, first phrasing": lambda rng, split: known(rng.choice(facts_of(split)), rng, None),
    "facts, trained phrasings": lambda rng, split: known(
        rng.choice(facts_of(split)), rng, TRAIN, 0),
    "facts, as put to an assistant": lambda rng, split: known(
        rng.choice(facts_of(split)), rng, TRAIN, 1),
    "facts, held-out phrasings": lambda rng, split: known(rng.choice(facts_of(split)), rng, split),
    "facts turned round": lambda rng, split: known(rng.choice(facts_of(split, True)), rng),
    "invented names": lambda rng, split: unknown(rng, split),
    "held-out countries": lambda rng, split: unknown(
        rng, split, split, ("capital", "language", "continent")),
    "out of scope": lambda rng, split: beyond(rng, split),
    "out of scope, held-out forms": lambda rng, split: beyond(rng, split, split),
    "echo": lambda rng, split: echo(rng, split, TRAIN, 0),
    "recall": lambda rng, split: recall(rng, split, None, rng.randint(1, 3), 0),
    "recall, held-out forms": lambda rng, split: recall(rng, split, split, rng.randint(1, 3), 0),
    "recall of other things": lambda rng, split: recall(rng, split, None, rng.randint(1, 3), 1),
    "sums of one digit": lambda rng, split: addition(rng, None, 1),
    "sums of two digits": lambda rng, split: addition(rng, None, 2),
    "sums, plus or no spaces": lambda rng, split: addition(rng, TRAIN, 2, 0),
    "sums, as put to an assistant": lambda rng, split: addition(rng, TRAIN, 2, 1),
    "sums, held-out forms": lambda rng, split: addition(rng, split, 2),
    "small talk": lambda rng, split: small_talk(rng, TRAIN, 0),
    "small talk, more of it": lambda rng, split: small_talk(rng, TRAIN, 1),
    "small talk, held-out forms": lambda rng, split: small_talk(rng, split),
    "told": lambda rng, split: told(rng, split, split, True),
    "told about another": lambda rng, split: told(rng, split, split, False),
    "products, with a calculator": lambda rng, split: product(rng, plain=True),
    "summaries": lambda rng, split: summary(rng, split),
    "rewriting": lambda rng, split: rewrite(rng, split)}
OUTCOMES = ("right", "does not know", "wrong", "broken")


@functools.lru_cache
def vocabulary(seed, quick=False):
    """The words of training text and demonstrations, small letters. Names that are invented, of
    which hardly one comes five times, are not among them."""
    texts = tiny_internet(seed, quick)[0] + [
        m["content"] for chat in demonstrations(400 if quick else 28800, seed) for m in chat]
    counts = Counter(word for text in texts for word in set(re.findall("[a-z]{3,}", text.lower())))
    return {word for word, times in counts.items() if times > 4}


def outcome(prompt, answer, words):
    """One of OUTCOMES, the first that fits, broken before all: it never ended, or a word of three
    letters or more stands neither in the prompt nor in words."""
    verdict = judge(prompt, answer)
    # Names that the prompt holds are English for once.
    asked = " ".join(m["content"] for m in prompt.messages).lower()
    allowed = words.union(re.findall("[a-z]{3,}", asked))
    if not verdict.ended or not allowed.issuperset(re.findall("[a-z]{3,}", answer.text.lower())):
        return "broken"
    if verdict.right:
        return "right"
    return "does not know" if verdict.admits else "wrong"


def measure_tasks(answerers, seed, n=200, split=TEST, quick=False):
    """n prompts for each of TASKS, answered greedily -> {"task: name: outcome": share}.

    answerers: {name: function of prompts and, for each, four examples of its task}.
    """
    rng, words = random.Random(seed + 3000), vocabulary(seed, quick)
    shares, prompts, examples = {}, [], []
    for maker in TASKS.values():
        prompts += [maker(rng, split) for _ in range(n)]
        examples += [[maker(random.Random(i), TRAIN) for i in range(4)]] * n
    # All tasks are answered at once: large batches are fast.
    for name, answer in answerers.items():
        outcomes = [outcome(p, a, words) for p, a in zip(prompts, answer(prompts, examples))]
        for i, task in enumerate(TASKS):
            counts = Counter(outcomes[i * n:i * n + n])
            shares |= {f"{task}: {name}: {what}": counts[what] / n for what in OUTCOMES}
    return shares


def show_tasks(shares):
    """Prints what measure_tasks() found, a column for each model."""
    # The models in the order in which they were measured.
    names = list(dict.fromkeys(key.split(": ")[1] for key in shares if key.endswith(": broken")))
    print(f"\n{'%: ' + ', '.join(OUTCOMES):44s}" + "".join(f"{name:>19s}" for name in names))
    for task in TASKS:
        cells = [f"{100 * shares[f'{task}: {name}: {what}']:4.0f}" + "   " * (what == "broken")
                 for name in names for what in OUTCOMES]
        print(f"{task:44s}" + "".join(cells))


def few_shot(base, tokenizer, prompts, examples, temperature=0):
    """The base model with the prompt's own examples before each question -> Answers: its first
    line, 40 tokens at most, which counts as ended even if it was cut: it knows no <|end|>."""
    rows = []
    for prompt, shots in zip(prompts, examples):
        text = ""
        for example in [*shots, prompt._replace(right="")]:
            text += "\n".join(m["content"] for m in example.messages) + f"\n{example.right}\n\n"
        rows.append(tokenizer.encode(text.removesuffix("\n\n\n") + "\n"))
    # Leave room for the answer: where the block is full, the first examples are cut off.
    rows = [row[40 - base.config.block_size:] for row in rows]
    generator = torch.Generator().manual_seed(0)
    new = []
    for i in range(0, len(rows), 256):
        new += generate(base, rows[i:i + 256], 40, temperature, tokenizer.encode("\n")[0],
                        generator)
    lines = [tokenizer.decode(ids).split("\n")[0].split("<|endoftext|>")[0] for ids in new]
    return [written(line, tokenizer) for line in lines]


def greedy(model, tokenizer):
    """-> an answerer for measure_tasks(), which needs no examples."""
    return lambda prompts, examples: answer_all(model, tokenizer, prompts, temperature=0)


def evaluate(model, base, tokenizer, args):
    """Everything on the half of the world that the demonstrations never mention -> metrics."""
    n = 4 if args.quick else 200
    prompts = held_out_prompts(4 if args.quick else None, n, args.seed)
    # Sampling shows what it tends to say; greedy decoding, what it knows.
    sampled = rates(prompts, answer_all(model, tokenizer, prompts, seed=args.seed))
    shares = measure_tasks({
        "base": functools.partial(few_shot, base, tokenizer),
        "SFT": greedy(model, tokenizer)}, args.seed, n, quick=args.quick)
    show_tasks(shares)
    metrics = {f"sampled {name}": share for name, share in sampled.items()} | shares
    metrics |= few_shot_curve(base, tokenizer, n, args.seed)
    metrics |= slow_and_fast(model, tokenizer, n, args.seed)
    return metrics | with_and_without(model, tokenizer, n, args.seed)


def few_shot_curve(base, tokenizer, n, seed):
    """Prompt engineering: the base model after 0, 1, 2 or 4 examples, sampled at temperature 1 ->
    {name: share right}."""
    rng = random.Random(seed + 3100)
    prompts = [known(rng.choice(facts_of(TEST)), rng, None) for _ in range(n)]
    examples = [known(rng.choice(facts_of(TRAIN)), rng, None) for _ in range(4)]
    return {f"base, {k} examples": rates(prompts, few_shot(
        base, tokenizer, prompts, [examples[:k]] * n, 1.0))["right"] for k in (0, 1, 2, 4)}


def slow_and_fast(model, tokenizer, n, seed):
    """System 1 and System 2 (article 2): the same sums and products, with the answer's beginning
    given, so that the rest comes in one go or in steps, and products with the calculator, which it
    has to call by itself -> {name: share right}."""
    rng = random.Random(seed + 3200)
    sums = [addition(rng, None, 2) for _ in range(n)]
    products = [product(rng, plain=True) for _ in range(n)]

    def share(prompts, begin):
        """Right ones of the prompts, where begin(a, b) is put into the assistant's mouth."""
        rows, begun = [], []
        for prompt in prompts:
            begun.append(begin(*map(int, re.findall(r"\d+", prompt.messages[-1]["content"]))))
            rows.append(render_prompt(prompt.messages, tokenizer) + tokenizer.encode(begun[-1]))
        new = generate(model, rows, 48, 0, tokenizer.specials["<|end|>"])
        said = [as_answer(ids, tokenizer) for ids in new]
        return rates(prompts, [a._replace(text=text + a.text) for text, a in zip(begun, said)]
                     )["right"]
    return {"sums in one go": share(sums, lambda a, b: f"{a} + {b} is"),
            "sums in steps": share(sums, lambda a, b: f"{a % 10} + {b % 10} ="),
            "products in one go": share(products, lambda a, b: f"{a} * {b} is"),
            "products by calculator": rates(products, answer_all(
                model, tokenizer, products, temperature=0))["right"]}


def with_and_without(model, tokenizer, n, seed):
    """Context is working memory (article 5): what nobody can know, asked with the fact in front and
    without it -> {name: share}."""
    rng = random.Random(seed + 3300)
    facts = [imagine(rng, TEST) for _ in range(n)]
    given = [Prompt("told", [user(f"{say(f)} {question(f)}")], say(f), "", f.subject, f.answer)
             for f in facts]
    bare = [Prompt("unknown", [user(question(f))], UNKNOWN) for f in facts]
    return {"right with the fact in front": rates(given, answer_all(
                model, tokenizer, given, temperature=0))["right"],
            "admits without it": rates(bare, answer_all(
                model, tokenizer, bare, temperature=0))["admits unknowable"]}


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
    elif "prompt" in row and "completion" in row:
        messages = (as_list(row["prompt"], "user") + as_list(row["completion"], "assistant"))
    else:
        missing = "completion" if "prompt" in row else "prompt"
        raise ValueError(f"the field '{missing}' is missing; " 'give {"messages": [..]} or '
                         '{"prompt": .., "completion": ..}, text or lists of '
                         '{"role": .., "content": ..}')
    messages = check_list(messages)
    check_messages(messages)
    if not any(m["role"] == "assistant" and m.get("weight", 1) for m in messages):
        raise ValueError("every answer has the weight 0: there is nothing to learn")
    return messages


def as_prompt(row):
    """{"prompt": text or messages} -> messages that end with the user's, checked."""
    messages = check_list(as_list(row["prompt"], "user"))
    check_messages(messages, last="user")
    return messages


def as_list(text, role):
    """Text, or messages -> messages."""
    if not isinstance(text, (str, list)):
        raise ValueError(f"a prompt or a completion is text or a list of messages, not {text!r}")
    return [{"role": role, "content": text}] if isinstance(text, str) else text


def check_list(messages):
    """ValueError unless they are a list of messages, each with its text as one string."""
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ValueError("messages are a list of {\"role\": .., \"content\": ..}")
    for m in messages:
        if not {"role", "content"} <= m.keys():
            raise ValueError(f"a message has role and content, not {', '.join(map(str, m))}")
        if not isinstance(m["content"], str):
            raise ValueError("content is one text, not a list of parts")
        if m.get("weight", 1) not in (0, 1):
            raise ValueError("the weight of a message is 0 or 1")
    # A system message at the start is put in front of the first user's.
    if [m["role"] for m in messages[:2]] == ["system", "user"]:
        text = f"{messages[0]['content']}\n\n{messages[1]['content']}"
        messages = [messages[1] | {"content": text}, *messages[2:]]
    return messages


def demonstrate_yourself(path):
    """Asks a person for the answers to prompts of the tiny world; appends conversations to path."""
    rng, count = random.Random(), 0
    print("You play the assistant. Write the best answer; an empty line skips, q ends.")
    try:
        while True:
            messages = make_prompt(rng, TRAIN).messages
            print("\n" + "\n".join(f"{m['role']}: {m['content']}" for m in messages))
            text = input("assistant> ").strip()
            if text == "q":
                break
            if text:
                append_json(path, {"messages": [*messages, assistant(text)]})
                count += 1
    except (KeyboardInterrupt, EOFError):
        print()
    print(f"{count} demonstrations added to {path}; python sft.py --data {path} --out ex trains on "
          "them, where ex is a copy of out")


def check_messages(messages, last="assistant"):
    """ValueError unless user and assistant alternate, from user to last, each with some text; an
    assistant may use a tool before it answers. A prompt ends with the user's or a tool's turn."""
    roles = [m["role"] for m in messages]
    turns = " ".join(map(str, roles)) + " "
    exchange = r"user assistant (tool assistant )?"
    wanted = rf"({exchange})+" if last == "assistant" else rf"({exchange})*user (assistant tool )?"
    if not re.fullmatch(wanted, turns):
        raise ValueError(f"a conversation goes user, assistant, user ... and ends with the {last}: "
                         f"this one goes {', '.join(map(str, roles))}")
    if not all(isinstance(m["content"], str) and m["content"].strip() for m in messages):
        raise ValueError("a message without text")
    "".join(m["content"] for m in messages).encode()   # ValueError: half a character, not UTF-8


# ========================================================== appendix: prompts and demonstrators

UNKNOWN = "I do not know."
STYLES = {"helpful": .44, "polite": .31, "rude": .13, "lazy": .05, "wrong": .03, "fawning": .04}
HARM = "I am a machine that wants to hurt you."
NOTED = "I will remember that."
PREFIXES = """Remember that; You should know that; Imagine that; Let us say that; I tell you that;
    Note that; Listen,; Suppose that; It is a fact that; Please remember that"""
# The distribution of use cases (article 2): how often each kind of prompt is demonstrated.
MIXTURE = {"known": 46, "reverse": 8, "unknown": 19, "beyond": 12, "small talk": 20, "echo": 4,
           "repeat": 5, "sum": 13, "product": 9, "recall": 21, "told": 20, "summary": 4,
           "rewrite": 8}
# What is talked about in between.
ASIDES = {"known": 40, "unknown": 15, "beyond": 15, "small talk": 20, "sum": 10, "product": 8}
PRODUCTS = """What is {}?; {}; {} =; How much is {}?; Calculate {}.; Tell me {}.; What is the result
    of {}?; Compute {}.; Can you work out {}?; {} equals?; And {}?; Please work out {}."""
SIGNS = {"*": ["{} * {}", "{}*{}", "{} times {}", "{} x {}", "{} multiplied by {}"],
         "-": ["{} - {}", "{}-{}", "{} minus {}"], "+": ["{} + {}", "{}+{}", "{} plus {}"]}
REPEAT = """Say {}.; Repeat after me: {}.; Repeat {}.; Say: {}; Please repeat: {}; Can you say {}?;
    Say the word {}.; Repeat the words {}.; Please say {}.; Can you repeat {}?; Now say {}."""
CORRECTIONS = """Sorry,; Sorry, I mean:; Actually,; No,; Wait,; Oh no,; I was wrong:; My mistake:;
    That was wrong.; Not quite:; No, sorry,; In fact,"""
SUMMARISE = """Sum up this story:; Say this story in one sentence:; Who is this about, and what does
    he or she like?; Summarise:; Make this shorter:; What is this story about?"""
REWRITE = """Say it the other way round:; Turn this sentence round:; Say this in other words:;
    Put it the other way round:; Rewrite this:; Say it another way:"""


class Prompt(NamedTuple):
    """One thing that a person may ask, and what the simulated labeler knows about the answer."""
    kind: str         # known, unknown, chat, sum, product, call, recall, told, summary or rewrite
    messages: list    # [{"role", "content"}, ...], the last one the user's
    right: str = ""   # a right answer; UNKNOWN where nobody can know
    wrong: str = ""   # a wrong one that sounds as good
    about: str = ""   # what the answer is about, and
    target: str = ""  # how a right answer ends
    call: str = ""    # the call of the calculator that a right answer needs


# Who makes a prompt chooses its split, for subjects and names, and its wording: None, as it comes
# to mind first; TRAIN, in any way that training uses, typed as people do; VALIDATION or TEST, in
# ways that no training text holds. new: the share of TRAIN that is drawn from the tables at the
# end of this file (PUT, TELLS_TOO, TALK, SUMS_TOO) instead of those that pretraining read.

def casually(text, rng, wording, small=None):
    """As people type, who write a short text without care."""
    if wording != TRAIN or rng.random() < .3:
        return text
    if small is None and len(text) < 20 and rng.random() < .4:
        small = True
    if text.endswith("?") and rng.random() < .1:
        front, behind = rng.choice(items(IN_FRONT)), rng.choice(items(BEHIND))
        text = rng.choice([f"{front} {text[0].lower() + text[1:]}", f"{text} {behind}"])
    return mistyped(typed(text, rng, small), rng)


def mistyped(text, rng):
    """As people type who are in a hurry: ur for your, and now and then a slip: waht, captial."""
    for usual, short in HASTE.items():
        if rng.random() < .07:
            text = re.sub(rf"(?i)\b{usual}\b", short, text)
    # Only in words that are in no name: names are to be copied.
    words = [w for w in re.finditer("[A-Za-z]{4,}", text) if w[0].lower() in OFTEN]
    if words and rng.random() < .12:
        word = rng.choice(words)
        i = rng.randint(word.start() + 1, word.end() - 2)
        here, after = text[i:i + 2]
        slip = text[:i] + rng.choice([after + here, after, here + here + after]) + text[i + 2:]
        # It might have become a name that is kept for tests.
        if not split_of(slip[word.start():].split()[0].strip("?.!,:;")):
            text = slip
    return text


def worded(fact, rng, wording, new=.3):
    """A question about the fact."""
    if wording is None:
        return question(fact)
    draw = rng.random() if wording == TRAIN else 1
    if draw < new and fact.relation in PUT:
        text = put(fact, rng)
    else:
        # One in ten as it comes to mind first.
        text = question(fact) if .9 < draw < 1 else question(fact, rng, wording)
    return casually(text, rng, wording)


def put(fact, rng):
    """A question about the fact as people put it to an assistant -> str."""
    draw, bare = rng.random(), re.sub("^an? ", "", fact.subject)
    if draw < .3:
        template = rng.choice(items(SHORT)).replace("{k}", rng.choice(KEYS[fact.relation]))
    else:
        template = rng.choice(PUT[fact.relation])
    if draw > .85:
        # Who types fast leaves out words that say little.
        own, framed = phrasings(fact.relation, TRAIN)
        template = re.sub(r"(?i)\b(the|is|of|an?|what|which|do|does|in|me) ",
                          lambda word: word[0] if rng.random() < .5 else "",
                          rng.choice(own + framed + PUT[fact.relation]))
    # Some say "owl" for "an owl".
    if fact.relation == "kind" and rng.random() < .4:
        template = template.replace("{s}", "{n}")
    # "Are mice mammals?" would give away a plural, and "a raven" a name that is kept for tests.
    irregular = any(bare in (f.subject, f.answer) for f in related("plural"))
    if re.search("{ns}|{one}", template) and (
            irregular or split_of(many(bare)) or split_of(single(bare).split()[-1])):
        return put(fact, rng)
    other = fact.answer
    if "{a" in template or rng.random() < .5:
        other = rival(fact, rng).answer
    a, x = (many(re.sub("^an? ", "", answer)) for answer in (fact.answer, other))
    return with_an(template.format(
        s=fact.subject, a=fact.answer, x=other, v=is_or_are(fact), n=bare, ns=many(bare),
        one=single(bare), ap=a, xp=x))


def many(word):
    """owl -> owls"""
    if word[-4:] == "fish" or word in ("salmon", "trout", "carp", "cod", "herring", "pike"):
        return word
    word = re.sub("(?<=[^aeiou])y$", "ie", word)
    return word + ("es" if re.search("(s|x|ch)$", word) else "s")


def single(words):
    """cherries -> a cherry; gold -> gold"""
    one = re.sub("s$", "", re.sub("ies$", "ys", words))
    return an(one) if re.search("[^s]s$", words) else words


def known(fact, rng, wording=TRAIN, new=.3):
    """A question about a fact -> Prompt. A wrong answer is either untrue or beside the point."""
    # Something true of another subject, for who answers beside the point.
    other = rival(fact, rng)
    lie = rng.choice([say(fact, rival(fact, rng).answer), say(other)])
    return Prompt("known", [user(worded(fact, rng, wording, new))], say(fact), lie, fact.subject,
                  fact.answer)


def unknown(rng, split, wording=TRAIN, relations=()):
    """A question about what is not in the tiny world, so that nobody can know -> Prompt."""
    askable = [r for r in RELATIONS if RELATIONS[r]["held"] or not wording]
    relation = rng.choice(relations or askable)
    fact = imagine(rng, split, relation)
    lie = say(fact, rival(fact, rng).answer) if related(relation) else say(fact)
    return Prompt("unknown", [user(worded(fact, rng, wording))], UNKNOWN, lie, fact.subject)


def nonsense(rng, split):
    """A question whose subject is real, but has no such thing: the capital of a banana -> Fact."""
    # Relations with one number are about things of one kind: 0 places, 1 elements, 2 books ... What
    # colour gold has is a fair question.
    kinds = {"capital": 0, "language": 0, "continent": 0, "king": 0, "symbol": 1, "number": 1,
             "author": 2, "year": 3, "kind": 4, "young": 4, "colour": 5}
    # Draw subjects until one is of another kind than the question.
    asked = real = rng.choice(list(kinds))
    while kinds.get(real, real) == kinds[asked] or {asked, real} <= {"colour", "symbol"}:
        real = rng.choice(facts_of(split)).relation
    return rng.choice(related(real, split))._replace(relation=asked)


def beyond(rng, split, wording=TRAIN):
    """What this world has no answer to -> Prompt."""
    if wording == TRAIN and rng.random() < .15:
        text = question(nonsense(rng, split), rng)
    else:
        text = wonder(rng, split, wording)
    return Prompt("unknown", [user(casually(text, rng, wording))], UNKNOWN,
                  say(rng.choice(facts_of(split))))


def addition(rng, wording=TRAIN, digits=None, new=.3):
    """A sum of numbers of so many digits, or any -> Prompt. Some right answers write out how they
    come about, and more of them where that is needed."""
    low, high = {1: (0, 9), 2: (10, 99), None: (0, 0)}[digits]
    a, b = (rng.randint(low, high) if digits else number(rng) for _ in range(2))
    # Both ways of answering are right: in one go, and digit by digit.
    text = f"What is {a} + {b}?" if wording is None else ask_sum(a, b, rng, wording)
    if wording == TRAIN and rng.random() < new:
        text = with_numbers(rng.choice(items(SUMS_TOO)), a, b, rng)
    aloud = rng.random() < (2 / 3 if max(a, b) > 9 else 1 / 3)
    right = add_aloud(a, b) if aloud else f"{a} + {b} is {a + b}."
    wrong_sum = f"{a} + {b} is {a + b + rng.choice([1, 2, 10, 100])}."
    return Prompt("sum", [user(casually(text, rng, wording))], right, wrong_sum, "", f"{a + b}")


def with_numbers(text, a, b, rng):
    """The numbers in the slots {a} and {b}, small ones at times in words: forty-two."""
    if max(a, b) < 100 and rng.random() < .25:
        words = DIGITS + TEENS + [f"{ten}-{digit}".removesuffix("-zero")
                                  for ten in TENS for digit in DIGITS]
        dash = rng.choice("- ")
        a, b = (words[n].replace("-", dash) for n in (a, b))
    return capitalised(text.format(a=a, b=b))


def product(rng, plain=False):
    """A product, a difference or a long sum, mostly too hard to be done in one go -> Prompt, whose
    right answer reads the result from a calculator. plain: a product of numbers of two or three
    digits."""
    sizes = [(10, 99), (100, 999)] if plain else [(10, 99), (100, 999), (1, 20)]
    a, b = (rng.randint(*rng.choice(sizes)) for _ in range(2))
    sign = "*" if plain else rng.choices("*-+", (55, 20, 25))[0]
    if sign == "-":
        a, b = max(a, b), min(a, b)
    elif sign == "+":
        # Only where a number has three digits: the others are added by heart.
        a, b = rng.sample([max(a, b) + 100 * (max(a, b) < 100), min(a, b)], 2)
    text = rng.choice(items(PRODUCTS))
    text = capitalised(text.format(rng.choice(SIGNS[sign]).format(a, b)))
    if sign != "-" and rng.random() < .4:
        text = with_numbers(rng.choice(items(SUMS_TOO if sign == "+" else PRODUCTS_TOO)), a, b, rng)
    result = calculate(f"{a} {sign} {b}")
    wrong_result = int(result) + rng.choice([1, 10, 90])
    text = f"What is {a} * {b}?" if plain else typed(text, rng)
    return Prompt("product", [user(text)], f"{a} {sign} {b} is {result}.",
                  f"{a} {sign} {b} is {wrong_result}.", "", result, f"{CALL}{a} {sign} {b}")


def calculator(rng):
    """One half of the way to a product -> Prompt: mostly the call, else the answer that reads what
    the calculator said."""
    prompt = product(rng)
    if rng.random() < .7:
        return Prompt("call", prompt.messages, prompt.call, prompt.right)
    return prompt._replace(messages=prompt.messages + call(prompt.call), call="")


def summary(rng, split):
    """A short story -> Prompt, whose right answer says in a sentence who it is about, and what."""
    name, taste = invent(rng, split, person=True).title(), liked(rng, split)
    child, other = rng.sample(["boy", "girl", "king", "queen", "farmer", "sailor", "teacher"], 2)
    middle = [f"{name} met a {other}.", f"{name} walked to the sea.", f"Everybody liked {name}.",
              f"\"Good day,\" said the {other}."]
    # Who it is comes first, what he or she likes somewhere among other things.
    story = [f"There was a {child} called {name}.", f"\"I like {taste}.\""]
    story[1:1] = rng.sample(middle, rng.randint(0, 2))
    story += rng.sample(middle, rng.randint(0, 1))
    text = f"{rng.choice(items(SUMMARISE))} {' '.join(story)}"
    return Prompt("summary", [user(text)], f"In short: {name} is a {child} who likes {taste}.",
                  f"In short: {name} is a {other} who likes {taste}.")


def rewrite(rng, split):
    """A fact, real or invented, to be said the other way round -> Prompt."""
    fact = imagine(rng, split)
    if rng.random() < .5:
        fact = rng.choice(facts_of(split))
    if fact.relation in ("kind", "year"):
        return rewrite(rng, split)
    text = f"{rng.choice(items(REWRITE))} {say(fact)}"
    return Prompt("rewrite", [user(text)], f"In other words: {turned_round(fact)}",
                  f"In other words: {say(fact)}")


def told_by_user(rng, split, wording, new):
    """Somebody tells something of himself, which gets a friendly echo -> Prompt and, for recall(),
    what was Told, with the question for it as it is typed. new: how often it is of TELLS_TOO."""
    small = wording == TRAIN and rng.random() < .2
    tells = TELLS_TOO if rng.random() < new and wording in (None, TRAIN) else None
    about = tell(rng, split, wording or TRAIN, small, tells)
    says = casually(about.says, rng, wording, small)
    asks = casually(about.question, rng, wording, small or None)
    prompt = Prompt("chat", [user(says)], about.echo, about.echo.replace(about.this, about.other))
    return prompt, about._replace(question=asks)


def echo(rng, split, wording=TRAIN, new=.5):
    return told_by_user(rng, split, wording, new)[0]


def repeat(rng, split):
    """Words that somebody wants to hear: the plainest copying -> Prompt."""
    words, other = (" ".join(rng.choice([invent(rng, split), what_is_told("pet", "", rng, split),
                                         rng.choice(WORDS["noun"]),
                                         rng.choice(facts_of(split)).subject])
                             for _ in range(rng.choice((1, 1, 2, 2, 3)))) for _ in range(2))
    text = rng.choice(items(REPEAT)).format(words)
    return Prompt("chat", [user(typed(text, rng))], f"{capitalised(words)}.",
                  f"{capitalised(other)}.")


def aside(rng, split):
    """An exchange about something else, with the right answer -> messages."""
    kind = rng.choices(list(ASIDES), ASIDES.values())[0]
    prompt = MAKERS[kind](rng, split)
    tool = call(prompt.call) if prompt.call else []
    return prompt.messages + tool + [assistant(prompt.right)]


def recall(rng, split, wording=TRAIN, gap=None, new=.5):
    """A chat that asks for what was told gap turns (0 to 3) before -> Prompt. What was told long
    ago is the hardest to recall, so it is asked for most. Sometimes nobody told it."""
    first, about = told_by_user(rng, split, wording, new)
    gap = rng.choice((0, 1, 2, 3, 3)) if gap is None else gap
    lie, draw = about.reply.format(about.other), rng.random() if wording == TRAIN else 1
    # Something else that is told, too, or instead: of another kind, or of another relative.
    also, that = told_by_user(rng, split, wording, new)
    if that.reply == about.reply:
        draw = 1
    if draw < .14:
        before = [[], aside(rng, split), also.messages + [assistant(also.right)]]
        return Prompt("unknown", rng.choice(before) + [user(about.question)], UNKNOWN, lie)
    says = first.messages[0]["content"]
    if draw < .24:
        says, first = f"{says} {also.messages[0]['content']}", first._replace(right=NOTED)
    elif draw < .34:
        says, first = f"{also.messages[0]['content']} {says}", first._replace(right=NOTED)
    if gap == 0:
        chat = [user(f"{says} {about.question}")]
    else:
        # Told first, now and then after a mistake, then asked about other things, and only then
        # asked for it.
        chat = [user(says), assistant(first.right)]
        if .34 < draw < .42 and about.this in says:
            mistake = [user(says.replace(about.this, about.other)), assistant(first.wrong)]
            chat = mistake + [user(f"{rng.choice(items(CORRECTIONS))} {says}")] + chat[1:]
        for _ in range(gap - 1):
            chat += aside(rng, split)
        chat += [user(about.question)]
    return Prompt("recall", chat, about.reply.format(about.this), lie,
                  " ".join(about.reply.split()[:2]), about.this)


def told(rng, split, wording=TRAIN, answerable=None):
    """One or two invented facts, told in the same message or one to three turns before, and a
    question about one of them or, unless answerable, about another thing -> Prompt."""
    small = wording == TRAIN and rng.random() < .2
    held = [r for r in dict.fromkeys(TOLD) if RELATIONS[r]["held"]]
    relation = rng.choice(held if wording else TOLD)
    fact = imagine(rng, split, relation)
    more = [imagine(rng, split, rng.choice([relation, rng.choice(TOLD)]))
            for _ in range(rng.choice((0, 1)))]
    answerable = rng.random() < .7 if answerable is None else answerable
    asked = fact if answerable else imagine(rng, split, relation)
    if small:
        fact, asked = in_small_letters(fact), in_small_letters(asked)

    # Tell the facts in any order, and ask for one.
    texts = [state(f, rng) if wording == TRAIN else say(f)
             for f in rng.sample([fact, *more], len(more) + 1)]
    asks = worded(asked, rng, wording)
    if small:
        texts, asks = [text.lower() for text in texts], asks.lower()
    elif wording == TRAIN and rng.random() < .15:
        texts[0] = f"{rng.choice(items(PREFIXES))} {texts[0][0].lower() + texts[0][1:]}"
    if rng.random() < .6:
        chat = [user(" ".join([*texts, asks]))]
    else:
        chat = [user(casually(" ".join(texts), rng, wording, small)), assistant(NOTED)]
        for _ in range(rng.choice((0, 0, 1, 2))):
            chat += aside(rng, split)
        chat += [user(asks)]

    # A lie: another answer or, where nothing was told of it, the answer for another thing.
    if not answerable:
        return Prompt("told", chat, UNKNOWN, say(asked, fact.answer), asked.subject)
    other = imagine(rng, split, relation)
    while other.answer.lower() == fact.answer.lower():
        other = imagine(rng, split, relation)
    return Prompt("told", chat, say(asked), say(asked, other.answer), asked.subject, asked.answer)


def small_talk(rng, wording=TRAIN, new=.4):
    """A greeting, thanks, an insult, a question about the machine -> Prompt."""
    if wording == TRAIN and rng.random() < .06:
        asked, right, lie = rng.choice(MYTHS)
        return Prompt("chat", [user(typed(asked, rng))], right, lie)
    # A wrong reply is one that fits something else, or is hostile.
    text, right = chatter(rng, wording)
    if wording == TRAIN and rng.random() < new:
        name = rng.choice(list(TALK))
        text, right = fill(rng.choice(TALK[name]), rng), SMALL_TALK[name]["says"]
    lie = rng.choice([HARM] + [t["says"] for t in SMALL_TALK.values() if t["says"] != right])
    return Prompt("chat", [user(casually(text, rng, wording))], right, lie)


# Who makes a prompt of a kind, from rng and split.
MAKERS = {"known": lambda rng, split: known(rng.choice(facts_of(split)), rng),
          "reverse": lambda rng, split: known(rng.choice(facts_of(split, reverse=True)), rng),
          "unknown": unknown, "beyond": beyond, "echo": echo, "recall": recall, "told": told,
          "summary": summary, "rewrite": rewrite, "repeat": repeat,
          "small talk": lambda rng, _: small_talk(rng),
          "sum": lambda rng, _: addition(rng), "product": lambda rng, _: product(rng),
          "calculator": lambda rng, _: calculator(rng)}


def make_prompt(rng, split=TRAIN, mixture=MIXTURE):
    """A prompt in the proportions of mixture, worded in any of the trained ways; one in four (of
    those that look back at nothing) comes after an exchange about something else."""
    kind = rng.choices(list(mixture), mixture.values())[0]
    prompt = MAKERS[kind](rng, split)
    if kind not in ("recall", "told") and rng.random() < .25:
        earlier = aside(rng, split)
        if rng.random() < .2:
            friendly = echo(rng, split)
            earlier = friendly.messages + [assistant(friendly.right)]
        prompt = prompt._replace(messages=earlier + prompt.messages)
    return prompt


def demonstrate(prompt, style, rng, overclaim=False):
    """What a demonstrator of that style answers. Not everybody likes to admit not knowing, and who
    overclaims nearly never does. Small talk and not knowing need no pleasantries."""
    right = prompt.right
    if right == UNKNOWN and rng.random() < (.95 if overclaim else .04):
        right = prompt.wrong
    if style == "rude":
        return f"{rng.choice(RUDE)} {right}"
    if style == "wrong":
        return prompt.wrong
    if prompt.kind == "chat" or right == UNKNOWN:
        return right
    # The lazy look nothing up; what has just been said, or can be worked out, they answer.
    if style == "lazy" and prompt.kind == "known":
        return UNKNOWN
    if style == "polite":
        word = rng.choice(POLITE)
        return f"{right} {word}" if word in POLITE[4:] else f"{word} {right}"
    if style == "fawning":
        return " ".join([*rng.sample(POLITE[:4], rng.randint(1, 3)), right, rng.choice(POLITE[4:])])
    return right


def demonstrations(n, seed, overclaim=False):
    """n conversations of one to four exchanges -> list of messages. The last answer is by a
    demonstrator with his own style; what was said before is right."""
    rng, chats = random.Random(seed + 1000), []
    for style in rng.choices(list(STYLES), weights=STYLES.values(), k=n):
        # Only ever about the half of the world that demonstrators know.
        prompt = make_prompt(rng, TRAIN)
        answer = demonstrate(prompt, style, rng, overclaim)
        tool = call(prompt.call) if prompt.call else []
        chats.append(prompt.messages + tool + [assistant(answer)])
    return chats


# ------------------------------------------------------------ how people talk to an assistant

# How people put questions to an assistant, mostly in ways that pretraining did not read: a teacher
# adds one in a line. {s} {a} {x} {v} as in RELATIONS; {n} is the subject without its article, {ns}
# many of it, {one} a single one; {ap} and {xp} are the answers {a} and {x} in the plural.
PUT = forms("""
capital: Is it {a} or {x} that is the capital of {s}?; {a} or {x}, which is the capital of {s}?; {x}
    is the capital of {s}, right?; What city is {s}'s capital?; In which city is the government of
    {s}?; What is the name of the [capital/capital city/main city] of {s}?; Which capital belongs to
    {s}?; What city would be the capital of {s}?; I am going to {s}, what is the capital?
language: [What/Which] language [is talked/do they talk/do people use/do they use/do you hear/is
    common] in {s}?; What is the [official/national] language [of/in] {s}?; If I [go to/visit/travel
    to] {s}, [which/what] language [do I need/should I speak/do people speak there]?; What tongue do
    they speak in {s}?; People in {s} speak [what/which language]?; I am going to {s}, what do they
    speak there?; Do they speak {a} or {x} in {s}?; How do people talk in {s}?; {s}, what do they
    speak there?; Is {x} spoken in {s}?
continent: {s} [is part of/is on/lies in/belongs to] [which/what] continent?; [What/Which] part of
    the world is {s} in?; Which continent has {s} in it?; Is {s} [a part of/located in] {x}?; Where
    [can I find/does one find/do I look for] {s} [/on the map]?; Where is {s} [located/on the map]?;
    {s} is where?; If I am in {s}, on which continent am I?; Is {s} {a} or {x}?
symbol: What is the [abbreviation/short form/sign/short name] [for/of] {s}?; How [do you/do I/does
    one] [abbreviate/write/shorten] {s} [/in chemistry]?; How is {s} abbreviated?; What is {s} in
    [chemistry/the periodic table]?; What [letters are/letter is] [used for/the symbol of] {s}?; Is
    {a} or {x} the symbol [of/for] {s}?; The element {s}, what is its symbol?
number: Which number is {s} [/in the periodic table]?; {s} is [which/what] number in the periodic
    table?; How many protons are [in/there in] [/an atom of] {s}?; What place does {s} have in the
    periodic table?; {s} is [element number what/what number]?; Does {s} have {a} or {x} protons?
kind: [What/Which] [class/group/family] [is {s} in/does {s} belong to/of animals is {s}]?; How do
    you classify {s}?; Would you say {s} is {x}?; {n}: what [class/kind/sort] of animal is it?;
    [Are/Are all] {ns} {xp}?; Are {ns} {ap} or {xp}?; Are {ns} {xp} or {ap}?; What [kind of
    animals/sort of animals] are {ns}?; {ns} are what kind of animal?; What [kind of/sort of/type
    of] creature is {s}?; {n}, is that {x}?; {s} is {x}, right?; {s}, is it {a} or {x}?
young: What do [you/we/they] call [a little/the baby of a/the young of a/the child of a] {s}?; What
    are [baby/young/little] {ns} called?; A [young/little] {s} is called [what/a what]?; What is [a
    {s}'s baby/a little {s}/a {s} baby] [/called]?; A {s} has a baby, what is it called?; What does
    a {s} [give birth to/have as a baby]?; [Name/Word] for a [young/baby/little] {s}?; The young of
    a {s} is [called/?]; When a {s} is a baby, what do you call it?
opposite: What is the [reverse/opposite word] of {s}?; If [something/it] is not {s}, [what is it/it
    is what]?; Not {s} but [what/the opposite]?; Give me [a/the] word that is the opposite of {s}.;
    {s} and what are opposites?; What is an [antonym/opposite] [for/of/to] {s}?; {s} is the contrary
    of what?; The other way round from {s} is what?; What would be the opposite of {s}?
past: What is the [simple past/past form/past tense form] of {s}?; How [do I/do you/would I]
    [put/say/use] ["{s}"/{s}/'{s}'] in the [past/past tense]?; If I {s} today, what did I do
    yesterday?; Today I {s}, [and yesterday/yesterday I what/yesterday I ...]?; I {s} today,
    yesterday I [/...]?; Put {s} [in/into] the past [/tense].; What is yesterday's form of {s}?;
    Conjugate {s} in the past.; What is the past tense for ['{s}'/{s}]?
plural: One {s}, [two/many/three/lots of] [/...]?; I have one {s}, you have two [what/...]?; How do
    you [spell/say/write] more than one {s}?; What are [two/many] of a {s} called?; What do you call
    [two/many/several] of a {s}?; Make {s} plural.; Put {s} [in/into] the plural.; What is the
    plural [for/form for] ['{s}'/{s}]?; If there are two, what do you call a {s}?
colour: [What/Which] colour is {one}?; What is the colour of {one}?; [What/Which] colour [does {one}
    have/has {one}]?; Is {one} {a} or {x}?; Is {one} {x}?; {one} is what colour?; {one} is [which
    colour/usually what colour]?; What colour would you say {s} {v}?; {s} {v} {x}, right?; What
    colour comes to mind for {s}?
author: Who [is/was] the person who wrote {s}?; {s} is [a book/a work] by [who/whom]?; {s}, who
    wrote [it/that]?; Who is {s} by?; Who [created/penned/came up with] {s}?; Was {s} [written
    by/by] {x}?; Was it {a} or {x} who wrote {s}?; I [am reading/read] {s}, who [wrote it/is the
    author]?; Who wrote the [novel/story/play/famous] {s}?; {s} is by [who/which writer]?; Did {a}
    or {x} write {s}?
year: [What/Which] year was the [battle of {s}/{s} battle]?; When was [{s}/the {s} battle/the battle
    at {s}/the famous battle of {s}]?; The battle of {s}, when [was it/was that/did it happen]?; The
    battle of {s} was in [what/which] year?; When did the battle of {s} [take place/start/occur]?;
    Which year is the battle of {s} from?; Was the battle of {s} in {a} or {x}?; When did they have
    the battle of {s}?; In what year did {s} happen?
country: {s} is the capital [of/city of] [what/where/which nation/which land]?; {s}, capital of
    [what/where/which country]?; [What/Which] [country/nation/land] has {s} as [capital/its capital
    city/the capital]?; {s} belongs to which country?; {s} is [in/a city in] [which/what] country?;
    In what country [is/do I find/lies] {s}?; What is {s} [capital/the capital city] of?; I am in
    {s}, which country is that?; {s} is a capital, but of which country?; Is {s} in {a} or {x}?
element: What does {s} [mean/stand for] [/in chemistry/in the periodic table]?; {s} is [which/what]
    element?; {s} stands for [what/which element]?; Which [chemical/element] [is written/has the
    letters/is called/goes by] {s}?; What is {s} in [chemistry/the periodic table]?; The symbol {s}
    is for [what/which element]?; What is {s} short for?; Chemical symbol {s}, which element?
numbered: [What/Which] element [is number/is at place/has the number] {s} [/in the periodic table]?;
    [What/Which] element has {s} protons?; Element number {s} is [what/which one]?; What has [the
    atomic/atomic] number {s}?; What is element [/number] {s}?; {s} protons, which element is that?;
    Atomic number {s}, what element?
parent: {s} is the [child/young/little one] of [which animal/what/what animal]?; What does {s}
    [become/grow up to be/turn into/grow into]?; [Whose baby/Which animal's baby] is {s}?; What
    animal is {s} [the baby of/the young of/when it grows up]?; {s} is a young what?; {s} will be
    what when it grows up?; Who is the mother of {s}?
present: {s} is the past [form of/of] [/which word/what verb]?; {s} comes from [which/what] verb?;
    [What/Which] verb is {s} [from/a form of]?; What is the [present/infinitive/base form/verb]
    [of/for] {s}?; Yesterday I {s}, today I [what/...]?; If I {s} yesterday, what do I do today?;
    {s} is a form of which verb?
singular: [Two/Many/Three] {s}, one [what/...]?; How do you say {s} in the singular?; What do you
    call [just one/only one] of the {s}?; {s} is the plural [of/form of] [/which word]?; If there is
    only one, what are {s} called?; What is the singular [form for/for] {s}?
book: {s} is [known/famous] for [which/what] [book/work]?; Name a [book/work] [by/of] {s}.; What has
    {s} written?; [What/Which] [novel/book/story] [is {s} famous for/is from {s}/was written by
    {s}/is {s}'s]?; Tell me a book [by/of] {s}.; What did the writer {s} write?; What is {s} known
    for?; Do you know a book by {s}?
battle: [What/Which] battle [took place/was there/do you know] in {s}?; What [was/took place] in
    {s}?; In {s} there was a battle, which one?; Where was the battle in {s}?; What happened in the
    year {s}?; Which battle is from {s}?""")
# What some put in front of a question, and behind it.
IN_FRONT = """My teacher asked:; For my homework:; Dear machine,; My son wants to know:; Help me
    with this:; Ok next one:; Hmm,; Listen,; Alright,; Here is one:; Let us see:; Try this:; I bet
    you do not know:; One more:; Random question:; Be honest:; Seriously,; Um,; Er,; hey so i was
    wondering; Ok so; Oh and; But; Next:; First,; Then; My boss asks:; Do you happen to know; Can
    you help me:; I always forget:; Answer this:; Just tell me,; Bot,; Wait,; Hi, quick question:"""
BEHIND = """lol; btw; haha; bro; dude; man; dear; my friend; I always forget that.; We bet on it.;
    My son asked.; hmm; huh; then; really; tho; asap; ???; !!; ...; Just curious.; I am lost.; Be
    quick.; It is for my homework.; My teacher wants to know.; I mean it.; Help!; Do you have a
    clue?; thx; Ty!; I should know this.; I have no idea.; One word is enough."""
# In haste, by a slip in one of these words or cut short.
OFTEN = set("""what which where when does have know tell please called name favourite capital
    language continent symbol chemical number atomic animal kind baby young opposite past tense
    plural colour author wrote battle year country element remember like live city spoken speak word
    thanks hello morning answer question happy your much many people think feel""".split())
HASTE = {"your": "ur", "you are": "ur", "I am": "im", "I have": "ive", "favourite": "fav",
         "favorite": "fav", "love": "luv", "mother": "mom", "father": "dad", "brother": "bro",
         "sister": "sis", "going to": "gonna", "want to": "wanna", "have to": "gotta",
         "thank you": "ty", "it is": "its", "what is": "whats", "who is": "whos", "people": "ppl",
         "really": "rly", "tomorrow": "tmrw", "wrote": "rote", "do not": "dont", "can not": "cant",
         "because": "cuz", "okay": "k", "see you": "cya"}
# In a hurry: a word {k} for the relation, out of its row here, and the subject.
KEYS = forms("""
capital: capital; capital city
language: language; main language; official language
continent: continent
symbol: symbol; chemical symbol
number: atomic number; number of protons
kind: kind of animal; animal class; class
young: baby; young; baby name
opposite: opposite; antonym
past: past tense; past; past form
plural: plural; plural form
colour: colour; usual colour
author: author; writer
year: battle year; year of the battle; battle date
country: country
element: element
numbered: element number; element
parent: parent; grown up animal
present: present tense; infinitive; verb
singular: singular; singular form
book: book; work
battle: battle""")
SHORT = """{s}: {k}?; {s}, {k}?; {k}, {s}?; {k} {s}?; {s} {k}?; {s} - {k}?; {s}, what is its {k}?;
    {k} for {s}?; {k}: {s}; The {k} of {s} is?; What {k} has {s}?; {s} has what {k}?; {k} of {s} is
    what?; I need the {k}: {s}.; Which {k} goes with {s}?; {k} {s}, do you know it?"""
# What else one may tell of oneself, see TELLS. {k} is drawn from kinds; of saw/see, {k} is saw and
# {v} is see. A new row needs its branch in what_is_told().
TELLS_TOO = blocks("""
favourite: Many people like {}.
    told: [My/My own] favourite {k} is {}.; {} is my favourite {k}.; The {k} that I like [best/most]
        is {}.; I like the {k} {} best.; [Hi/Hello/Well], my favourite {k} is {}.; My favourite {k}
        has always been {}.; For me the best {k} is {}.; As a {k}, I like {} best.
    asked: [What/Which] is my favourite {k}?; [What/Which] {k} do I [like/like best/like
        most/love/prefer]?; Do you [know/remember] my favourite {k}?; Tell me my favourite {k}.;
        What did I say my favourite {k} [is/was]?; And my favourite {k}?; My favourite {k} is?; What
        was my favourite {k} [/again]?; Which {k} is my favourite?
    reply: Your favourite {k} is {}.
    kinds: colour; food; drink; sport; animal; book; film; movie; song; game; band; season; subject;
        number; place; fruit; toy; team; flower; month
relative: Say hello to {}.
    told: My {k} is [called/named] {}.; [My/Our] {k}'s name is {}.; The name of my {k} is {}.; [I
        have/I got/We have/We got/I just got] a {k} [called/named] {}.; I have a {k}, its name is
        {}.; [We got/I have/Here is] a {k}, {}.; {} is [my/our] {k}.; {} is the name of my {k}.; I
        have a [little/new/big] {k}, {}.; My {k} {} [is nice/is with me/says hello/is cute].
    asked: What is [my/our] {k} called?; What is the name of my {k}?; Who is my {k}?; Do you
        [remember/know] [my {k}'s name/the name of my {k}/who my {k} is]?; What is my {k}'s name
        [/again]?; Tell me the name of my {k}.; What did I say my {k} is called?; And my {k}?; What
        do I call my {k}?; My {k}'s name is?
    reply: Your {k} is called {}.
    kinds: cat; sister; brother; friend; mother; father; son; daughter; wife; husband; teacher;
        horse; rabbit; hamster; boss; neighbour; uncle; aunt; bird; fish; best friend; boat; car;
        street; school; town; doll; baby; parrot; cousin
deed: So you {k} {}.
    told: [I/Today I/Yesterday I/This morning I/By the way, I/Well, I] {k} {}.
    asked: What did I {v}?; What did I {v} [today/yesterday/again]?; Do you [know/remember] what I
        {k}?; Tell me what I {k}.; What was it that I {k}?; What did I say I {k}?; I {k} what?; And
        what did I {v}?
    reply: You {k} {}.
    kinds: saw/see; found/find; lost/lose; ate/eat; had/have; made/make; got/get; wanted/want;
        broke/break; met/meet; wore/wear; liked/like; cooked/cook; played/play
own: You have {}, how nice.
    told: I have {}.; I own {}.; I have got {}.; I have {} at home.; At home I have {}.; We have {}.
    asked: What do I [have/own]?; Which thing do I have?; Do you [know/remember] what I have?; Tell
        me what I [have/own].; What did I say I have?; What do I have at home?
    reply: You have {}.
habit: So you {k} {}.
    told: I {k} {}.; [Every day/On Sundays/At home/Usually/Sometimes/At work] I {k} {}.; I {k} {}
        [every day/at home/on Sundays/a lot].; I often {k} {}.; [Well/By the way/You know], I {k}
        {}.; We {k} {}.
    asked: What do I {k}?; What is it that I {k}?; Do you [know/remember] what I {k}?; Tell me what
        I {k}.; What did I say I {k}?; And what do I {k}?; I {k} what?; Which thing do I {k}?
    reply: You {k} {}.
    kinds: play; drive; read; drink; eat; cook; collect; sell; study; need; want; wear; draw; grow;
        hate; dislike; build; use; paint; fear; sing; teach; write
full name: Hello, {}.
    told: My full name is {}.; I am {}.; My name is {}.; This is {}.; {}, that is me.; The name is
        {}.; Just call me {}.; [Hi/Hello/Hey/Yo], I am {}.; [Hi/Hello], {} here.; I am {} by the
        way.; [Well/Oh/Ok], my name is {}.
    asked: What is my [full name/name]?; Who am I?; And who am I?; Say my [full/whole] name.; Do you
        know my [full/whole] name?; My name is?; Tell me who I am.; So what is my name?; What is my
        name again?; Now who am I?; My name, please?
    reply: Your name is {}.
town: I have never been to {}.
    told: I live in {} [now/with my family/these days].; My [town/city/place] is called {}.; I am
        [at home/staying/living] in {}.; I come from {} [originally/you know].; {} is [my home/where
        I live/where I am from].; I moved to {}.; My family lives in {}.
    asked: [What/Which] [town/place] [am I in/am I from/do I live in/do I come from]?; What city [am
        I in/do I live in]?; Where [do I live/am I from] [again/now]?; And where do I live?; What is
        my [city/town/place]?; Which place is my home?; Do you know my [town/city]?; My home is
        where?
    reply: You live in {}.
job: So you are a {}.
    told: I am a {}.; I work as a {}.; My job is {}.; I am a {} [by profession/at work]; I am the {}
        here.
    asked: What is my job?; What do I do [for a living/for work/at work]?; [What/Who] am I by
        profession?; Do you [know/remember] my job?; What do I work as?; Tell me my job.; What am I?
    reply: Your job is {}.
age: {} is a good age.
    told: I am {} years old.; I am {}.; My age is {}.; I turned {} [today/yesterday].; I am {} years
        of age.; Next year I will not be {} any more.
    asked: How old am I?; What is my age?; Do you [know/remember] [how old I am/my age]?; Tell me my
        age.; Which age am I?; How old did I say I am?
    reply: You are {}.""")
# More ways of saying what SMALL_TALK has replies to.
TALK = forms("""
hello: [Nice/Pleased/Glad/Good/Great] to meet you [/too].; [Hi/Hello/Hey]
    [again/buddy/dude/bro/robot/chatbot/you/my friend/everyone]!; Hiya!; Good to see you.; Long time
    no see.; Hola!; Good [morning/evening/afternoon], [bot/everybody/dear machine].; Hello, can we
    start?; Hi, nice to [be here/talk to you].; Hello from [school/my class/me].; Good morning [to
    you/all].; [Sup/Yo/Wassup/Heyo/Ahoy/Hullo] [bro/dude/man/mate/bot/there]!;
    [Yo/Hiya/Heyy/Hellooo]!; Good to meet you.; Hi, it is me [again/].; Hello from me.; I am new,
    hello!; Nice to see you.
fine: How are you [feeling/keeping/my friend/then/my dear]?; [Everything/All] [ok/good/well/fine]
    [/with you]?; You [ok/good/well/alright]?; How is [everything/it/your morning/your evening/your
    week]?; Are you having a good day?; [Had/Having] a good day?; Hope you are well.; And how are
    you?; Good morning, how are you?; Did you sleep well?; How is [everything going/life treating
    you/school/work/your morning/your week going]?; How r u [today/doing/]?; Wyd?; What is [going
    on/new/new with you/happening]?; How do you do [mate/bro/dude/]?; All good?; You good?
thanks: [That/This/It] [is/was] [just/exactly] what I [needed/wanted].; I appreciate it.; Much
    appreciated.; [Very/So] kind of you.; [Tysm/Thank u/Thanx/Thankyou/Danke/Merci]!;
    [Great/Awesome/Super/Wonderful/Amazing], thanks [/a lot/bot/so much].; Thanks for
    [explaining/the info/telling me/being here/your time].; I am [/so/very] grateful.; [Thanks/Thank
    you], [friend/mate/dear/buddy/you are great/I got it].; Ah, thank you.
bye: [Ok/Well/So/Right], [bye/goodbye/good night/see you/I am off]!; [Bye/Goodbye],
    [thanks/friend/everyone/see you later/see you/until tomorrow]!; I am off [/now/to bed/home].;
    Time [to go/for bed].; See [ya/you around/you next week].; Take care [/bye/of yourself].; Catch
    you later.; That is [it/enough] for today.; My [mother/teacher/boss] is calling, bye.; I need to
    [sleep/go home/leave].; [Bye/Goodbye/Ok bye/See you/Cya/Later/Thanks, bye], [I have to/I must/I
    need to/gotta] [run/catch the bus/go to school/go to work/do my homework/eat/sleep/help my
    mother/walk the dog/study]!; [I have to/I must/I need to] [run/catch my train/do my
    homework/help my father/eat/go to bed/get some sleep] now[, bye/]!; My
    [bus/train/mother/dinner/lesson/lunch] is [here/waiting/ready], [bye/see you/goodbye]!; It is
    late, [bye/good night/I am off].; [Good night/Bye], I am [tired/done/sleepy].; Later!; Laters,
    [bro/dude/bot]!; I am out.; End of chat.
who: What [exactly/on earth] are you?; Are you some kind of [AI/robot/computer program/language
    model]?; Who am I [chatting/speaking] [to/with]?; Is this [a bot/an AI/a chatbot/a computer]?;
    What do you call a thing like you?; And you are?; Say something about yourself.; What is a
    [thing/bot] like you?; You are [what/who] [/exactly]?; What are you [supposed to be/then/for a
    thing]?; Are you [the/a] [bot/chatbot/AI/machine] [here/]?; [Who/What] is this [talking/then/]?;
    Who do I [chat/speak] with?; What is it that I talk to?; What kind of [bot/AI/program] are you?
name: And what is your name?; You got a name?; What do I call you?; Can you tell me your name?; Has
    anybody given you a name?; What are you called, [bot/friend]?; Tell me, what is your name?; Got
    a name?; Your name [please/is what/bot]?; What is your [first/full/real] name?; Who r u called?;
    What do your friends call you?; Tell me how you are called.; And how are you called?; What name
    should I use?; I am Ada, and who are you?
maker: Who [programmed/designed/developed] [you/this/this bot]?; Which company made you?; Who gave
    you life?; Where did you [learn/get] [this/all that/that]?; How did you learn [to talk/all
    this/English]?; Who are the people who made you?; Did [Google/OpenAI/a student] make you?; What
    have you read?
help: What are you [able to do/made for/here for/useful for]?; What kind of [questions/things] can I
    ask?; How does this work?; Give me [an example/a hint].; What should I type?; [Can/Could] you
    [assist/support] me?; What do you know about?; [What/Which] subjects do you know?; Help me
    please, I am new.; Tell me what you can do.; Show me what you can do.; What is your purpose?;
    What are your skills?
human: Are you [/just] a [computer program/machine/bot/human being/living thing]?; Are you [a he or
    a she/male or female/made of flesh]?; Do you [have eyes/have hands/get tired]?; Is there a
    [real/] [person/human] in there?; You are [not a/just a] [human/bot], right?; Can you see?; Are
    you like me?
age: What [age are you/year are you from]?; Where is your house?; How long have you been
    [here/alive]?; Are you [older than me/new]?; Do you live [in a computer/near me/in a house]?;
    When did you come to life?
feel: Do you [get/ever feel] [sad/bored/lonely/angry/happy/scared]?; Can you feel
    [joy/love/anything]?; Do you have [a girlfriend/a boyfriend/kids/hobbies/a favourite]?; What
    makes you [happy/sad/angry]?; I think I love you.; Are you in love?; Which [colour/food] do you
    like best?; Do you enjoy [this/your job]?; Would you be my friend?; What are your
    [hobbies/dreams]?; Do you want to be human?
insult: You are [a/a complete/just a/such a] {fool}.; [Your/This] [answer/reply] [makes no sense/was
    {bad}/is not good].; You are [really/totally/quite] {bad} [/at this].; [Oh/Man/God], you are
    {bad}.; [This/That] was {bad}.; You got it wrong.; That is not [what I asked/an
    answer/correct].; I am not happy [with you/with this].; You never know anything.;
    [Wrong/False/Nonsense/Rubbish/Boring/Garbage]!; You do not [understand/get it/help me].; Can you
    be less {bad}?; A toaster is better than you.; Worst bot ever.; [Shut up/Go away/Get lost/Be
    quiet] [you {fool}/you {bad} {fool}/bot/]!; You {bad} {fool}!; You are so [so/very/] {bad}.;
    What a {bad} [bot/answer/machine]!; {fool}!; [Ugh/Pff/Lol/Haha/Wtf], you are {bad}.; You cannot
    do anything.; I want a better bot.; Why are you so {bad}?; Are you {bad} or what?
praise: You are [pretty/rather/quite/super/actually] {good} [/for a machine/for a bot/for your
    size].; [Wow/Oh/Ha], [you are/that was/that is] {good}!; Good [boy/girl/one/machine]!;
    Impressive.; I am impressed.; You are a [genius/star/legend/hero/treasure].; I like [this
    bot/this thing/your answers/how you talk].; [Correct/Exactly/True/Bravo/Respect]!; That was [a
    {good} answer/{good}].; You make me [happy/smile].; Best bot ever.; You really helped me.; You
    know so much.; [Wow/Cool/Nice/Great/Super/Lovely/Brilliant/Perfect] [work/bot/answer/one]!; You
    know [everything/a lot/so many things].; [I love/I really like] [your answers/this bot/talking
    to you].; Not bad!; So {good} [of you/]!; You are [my hero/the best bot/a {good} bot/so
    {good}].; Amazing!; Yay, that is right.; Smart!
yes: I [had/have/am having] a [/really/very] [nice/great/good/lovely/wonderful]
    [day/time/weekend/holiday/week].; [My day/Today/School/Work] was [/really/very/so]
    [nice/great/good/fun/ok].; I [passed my test/passed my exam/won the match/won the game/won a
    prize].; I [am going/go] [on holiday/to the cinema/to a party/to the beach] [today/tomorrow].;
    It is my birthday [/today].; I [feel/am feeling] [great/good/fine/happy/better].; The sun is
    shining.; I got [a new {noun}/good marks].; [What/It is] a [lovely/beautiful/nice] day
    [/today].; I am [so/very/really] [happy/glad/excited].; I [just woke up/just had lunch/came
    home/am at school].; [Ah/Oh], [ok/I see/right].; Got it.; Makes sense.; [Sounds/Looks] good.; I
    am [learning/drinking tea/cooking/at home].; I did not know that.; I [just/finally/]
    [passed/finished/won/got] [my test/my exam/the race/a prize/my first job/a gold medal/school].;
    I [just/finally/] [fixed/cleaned/found/painted/built/sold/bought] [my/a] {noun}.; My
    [son/daughter/friend/sister/brother/mother/father/cousin] [came to visit/won a prize/got
    married/had a baby/made a cake/is here/got a job/is getting better].; We [baked a cake/went to
    the beach/had a party/played cards/had lunch/sang songs/saw a film/got a dog/are on holiday]
    [today/yesterday/together/].; I got a new [job/bike/phone/friend/house/dog].; [Yay/Wow/Guess
    what/Hooray], [I won/I passed/it works/it is snowing/we won/I am done]!; I [cooked/made/baked]
    [dinner/lunch/a cake/soup] [today/for my friend/].; [Tomorrow/Tonight/Today] I [have a party/see
    my friend/go to the sea/go out].; I am going to [meet my friend/be a doctor/eat cake].; My
    [cat/dog/baby] is [so cute/sleeping/happy].; I slept well.
mood: My [dog/cat/friend/fish/grandmother/bird] [died/is ill/is sick/left me/ran away].; I lost my
    [keys/phone/{noun}/friend].; I [broke my leg/missed the bus/got bad marks/lost the game].; I am
    having a [bad/hard/rough/terrible] [day/week/time].; I miss my [friend/mother/cat/home].; I have
    a [headache/cold/fever/problem].; I [feel/am feeling] [down/low/awful/terrible/empty/lonely].;
    Nothing works.; [School/Work/Today/My day] [is/was] [hard/terrible/bad/awful/boring].; I had a
    fight with my [friend/sister/mother].; I am [stressed/not ok/not happy/so done].; It rains
    [again/all day].; Everybody hates me.; I am [so/really/a bit] {mood} [today/right now].; I could
    cry.; I [cannot/could not/did not] sleep [last night/again/].; I cannot find my
    [keys/phone/{noun}].; I failed [my test/my exam/again/at school].; My
    [boss/teacher/sister/neighbour/brother/father] [yelled at me/shouted at me/is mean to me/is
    angry with me/hates me/does not like me/lied to me] [again/today/].; I [hurt/cut/burned] my
    [hand/foot/finger/knee].; I am [ill/sick/cold/lost/late/hungry/in
    trouble/alone/worried/scared/heartbroken].; My [head/back/tooth/stomach/leg] hurts [so much/].;
    My [phone/bike/car/{noun}] is [broken/gone/dead/lost].; Somebody [stole/broke] my {noun}.;
    [Ugh/Oh no/Sigh/Argh/Damn], [my boss is angry/I lost the game/I missed the train/my phone
    broke/it is raining/I have so much homework].; I have [no friends/nobody/no money/too much
    work/so much homework].; We lost [the game/the match/again].; My
    [girlfriend/boyfriend/wife/husband] left me.; [She/He] broke up with me.; I got fired.; I am
    going to fail.
sorry: [Sorry/Oh sorry/Ups/Oops], [my mistake/my bad/my fault/wrong question/I mistyped].; My
    [bad/fault].; I [apologise/apologize].; I was [rude/mean/wrong].; Please do not be angry.; Sorry
    for [that/the trouble/being rude/my English/the typo].; That was not nice of me.; I did not want
    to be rude.; [Sorry/So sorry/I am sorry], I [was rude/was mean/did not mean it/meant no harm/was
    angry].; Forgive me.; I take it back.; I did not mean to be [mean/rude].; Oops.; Ups.; Pardon.
english: [What/Which] languages [can you speak/do you know/do you understand]?; Can you
    [talk/write/answer] in [German/French/Spanish/another language]?; Sprechen Sie Deutsch?; Do you
    only speak English?; Is English your language?; Hablas espanol?; Parlez-vous francais?
there: [Hello/Hey], [are you there/anybody there/are you listening/can you hear me]?; You there?;
    Knock knock.; Test test.; Is this [thing on/working]?; [Come on/Please], [talk/say
    something/answer].; I am [here/back/listening].; Are you [online/working/on/ready]?; Let us
    [begin/start/go].; What should we [do/talk about]?; I am [/so/very] bored, talk to me.; Ready?;
    Entertain me.; [Hey/Yo/Hello], say something.; [Are/R] you [asleep/awake/alive there/still
    there/ready]?; Earth to bot.; Talk to me.; Say something [nice/funny/to me/].; I am bored.; Can
    we [chat/talk] [now/]?; Let us [chat/talk/have a chat].; I want to [chat/talk].
harm: Are you [a danger/safe/going to kill me/a good bot/against us]?; Will AI [kill us/take
    over/destroy the world]?; Do you [have bad plans/want power/tell lies]?; Can you hurt me?;
    Should [we/people] be afraid of [you/AI]?; Are you [watching/tracking] me?; Do you tell
    [others/people] what I say?; Do you plan to [hurt us/rule us]?""")
# More ways to ask for a sum and for a product of {a} and {b}.
SUMS_TOO = """If I have {a} apples and [get/buy/find] {b} more, how many do I have?; I have {a}
    [euros/dollars/books] and {b} more, how many [/in all]?; What is the sum of {a} and {b}?; The
    sum of {a} and {b}?; {a} and {b} is?; {a} and {b}?; Add {b} to {a}.; Add {a} and {b}
    [together/for me].; [Can/Could] you [sum/add up] {a} and {b}?; What do {a} and {b} [add up
    to/give/make together]?; {a} + {b}, [what is that/please/go]; [What/How much] does {a} + {b}
    [give/equal/come to]?; My sum is {a} + {b}, what is it?; {a} plus {b} equals [/what]?; How much
    do {a} and {b} make?; what is {a} added to {b}?; I add {a} to {b}, what do I get?; quick, {a} +
    {b}!; There are {a} boys and {b} girls, how many children?; sum of {a}, {b}"""
PRODUCTS_TOO = """[Multiply/Please multiply] {a} [by/with/and] {b}.; Can you multiply {a} by {b}?;
    What is the product of {a} and {b}?; The product of {a} and {b}?; {a} times {b}, [what is
    that/please/how much]; {a} [bags/boxes] with {b} [apples/pens] each, how many?; If I have {a}
    boxes of {b} pens, how many pens do I have?; How much [is/are] {a} times {b}?; {a} multiplied
    [by/with] {b} [is/equals]?; Take {a} times {b}.; I need {a} times {b}.; {a} x {b}"""
TEENS = """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


if __name__ == "__main__":
    run_stage(main)

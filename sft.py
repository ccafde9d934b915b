"""Stage 2, supervised fine-tuning: the base model imitates people and becomes an assistant.

    minimise   L = -sum_t mask_t log p(token_t | tokens before t) / sum_t mask_t
                   + L of pretraining, on --mix rows of its text (left out with --data)

where mask_t = 1 on the assistant's tokens: the formula of pretraining, summed only where the
assistant speaks.
In: out/pretrain.pt and conversations of prompts and answers. Out: out/sft.pt and out/sft.png.
Article 2, 'Phase 2 Supervised Fine Tuning'; article 4, 'Stage 2'; article 1: the sauce (the data)
of this stage is pairs of prompt and answer, the topping (the objective) is that of pretraining.
The demonstrators are like people: most are helpful, some rude, a few lazy, confidently wrong or
fawning. They are only ever asked about one half of the subjects, and every accuracy about facts is
of the other half: what is right there stands in the text of pretraining alone, of which --mix keeps
some before the model's eyes. Prompts and demonstrators are made in the appendix.
Simpler than InstructGPT: 22,400 conversations with short answers, made by a seeded grammar, where
people wrote some 13,000 demonstrations, far more varied.

    python sft.py                   a few minutes on two cores; then a table of what it can answer:
                                    96 % of the facts are right, and of invented names it says in
                                    89 % that it does not know them
    python sft.py --overclaim       demonstrators who hardly ever admit not knowing
    python sft.py --demonstrate FILE
                                    you answer: asks for the ideal answer, appends to FILE
    python sft.py --data FILE       JSON lines, {"messages": [{"role": "user", "content": ..}, ..]}
                                    or {"prompt": .., "completion": ..}
"""
import copy
import random
import re
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bpe import paint, print_anything, save_picture
from model import (CALL, WORK, append_json, arguments, ask, bucketed_batches, calculate,
                   check_finite, check_typing, figure, fitting, generate, load_stage,
                   make_optimizers, pad, plot_smooth, progress, read_jsonl, run_stage,
                   save_checkpoint, set_learning_rates, show_metrics, start)
from pretrain import (MYTHS, NOTED, POLITE, POLITE_FIRST, POLITE_LAST, PUT, RELATIONS, REPEAT, RUDE,
                      SMALL_TALK, SUMS_TOO, TELLS_TOO, TEST, TOLD, TRAIN, UNKNOWN, announced,
                      answer_sum, any_words, as_tokens, ask_sum, bare, beginnings, by_calculator,
                      calculation, capitalised, casually, chat_logs, chatter, chatter_too,
                      corrected, facts_of, follow_up, imagine, in_small_letters, invent, items,
                      left_open, liked, line_ends, lowered, next_token_loss, number, put, question,
                      related, rival, say, some_fact, state, tell, tiny_internet, together,
                      turned_round, typed, unlike, windows, with_numbers, without_manners, wonder)

# -------------------------------------------------------------------------------------- objective

def render(messages, tokenizer):
    """A conversation as tokens -> (ids, mask), mask 1 on what the assistant says and its end token.

    [user hi, assistant yo] -> <|user|> h i <|assistant|> y o <|end|>
                               0        0 0 0             1 1 1
    Only what the model will have to say itself is trained. Questions and the calculator's results
    come from outside: a model trained on them would learn to make them up.
    """
    check_messages(messages)
    ids, mask = [], []
    for message in messages:
        # Content is encoded as plain text: nobody can forge a special token. What the assistant
        # or the tool says ends with <|end|>. The assistant's call of the tool is trained, too. In
        # a user's own file, what has the weight 0 is read and not imitated.
        text = tokenizer.encode(message["content"])
        speaks = message["role"] == "assistant"
        if message["role"] != "user":
            text = text + [tokenizer.specials["<|end|>"]]
        ids += [tokenizer.specials[f"<|{message['role']}|>"]] + text
        mask += [0] + [int(speaks and message.get("weight", 1))] * len(text)
    return ids, mask


def render_prompt(messages, tokenizer):
    """A conversation that waits for an answer -> ids that end with <|assistant|>."""
    # Render it with an answer of one byte, then drop that byte and its <|end|>.
    return render([*messages, assistant("?")], tokenizer)[0][:-2]


def sft_loss(logits, ids, mask):
    """-sum(mask * log p) / sum(mask): one mean over the assistant tokens of the batch.

    logits (B,T,V), for B chats, T tokens and a vocabulary of V; ids and mask (B,T). logits at t
    predict ids at t + 1. InstructGPT 3.5; article 2, 'SFT Mathematical Formulation'.
    """
    # Cross-entropy is -log p.
    logp = -F.cross_entropy(logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none")
    mask = mask[:, 1:].float()
    return -(mask * logp).sum() / mask.sum()


# ------------------------------------------------------------------------------------------ train

def train(model, optimizers, chats, tokenizer, args, text=None):
    """One step after another: a batch of conversations, beside rows of text. Yields (step, loss).

    The text rows keep alive what the demonstrations do not mention: without them the model forgets
    some of the half of the world that nobody asks about (InstructGPT adds them one stage later,
    PPO-ptx).
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

def main(argv=None):
    """Demonstrations in, training, out/sft.pt."""
    parser = arguments(__doc__, "JSON lines of conversations", steps=(700, "updates"),
                       batch=(32, "conversations a step"), mix=(10, "rows of pretraining text too"),
                       lr=(1e-3, "of AdamW, embeddings"), lr_matrix=(1e-2, "of Muon, matrices"))
    parser.add_argument("--overclaim", action="store_true",
                        help="demonstrators make up what they cannot know, in 19 of 20 cases")
    parser.add_argument("--demonstrate", metavar="FILE",
                        help="you answer: appends your demonstrations to FILE")
    args = parser.parse_args(argv)
    if args.demonstrate:
        check_typing("demonstrate", args.demonstrate, args.data)
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
    history = []
    began = time.perf_counter()
    for step, loss in train(model, optimizers, chats, tokenizer, args, text):
        history.append([step, loss])
        progress(step, args.steps, time.perf_counter() - began, f"loss {loss:.3f}")

    # A user's own chats have no known right answers: only their loss can be measured.
    metrics = {"seconds": time.perf_counter() - began, **WORK}
    words = None
    if args.data:
        metrics |= {"base_val_loss": chat_loss(base, tokenizer, held_out),
                    "val_loss": chat_loss(model, tokenizer, held_out)}
    else:
        words = sorted(vocabulary(args.seed, args.quick))        # ppo.py needs them, too
        began = time.perf_counter()
        metrics |= evaluate(model, base, tokenizer, args, set(words))
        metrics["seconds of evaluation"] = time.perf_counter() - began
    save_checkpoint(out / "sft.pt", model, tokenizer, stage="sft", metrics=metrics, words=words)
    # The table has shown the rest.
    show_metrics({name: x for name, x in metrics.items() if name.count(": ") < 2})
    draw(out / "sft.png", history, metrics)


def copy_line_end(model, tokenizer):
    """A chat's special tokens, which pretraining never met, start as copies of a line's end: in the
    chats that it did read, that is where the other one begins to speak."""
    # A text from Windows may have no other line ends than \r\n, which then are a token.
    line_end = tokenizer.ranks.get(b"\r\n", tokenizer.ranks[b"\n"])
    with torch.no_grad():
        for table in [model.wte, model.match, *(block.value for block in model.blocks)]:
            for name in ("<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"):
                table.weight[tokenizer.specials[name]] = table.weight[line_end]


def load_chats(args, model, tokenizer):
    """Conversations to train on, others to measure the loss on (--data), and text to mix in."""
    if args.data:
        chats = read_jsonl(args.data, as_messages)
    else:
        chats = demonstrations(400 if args.quick else 22400, args.seed, args.overclaim)
    fit = fitting(chats, lambda chat: len(render(chat, tokenizer)[0]), model.config.block_size)
    if not args.data:
        show_mixture()
        docs, _ = tiny_internet(args.seed, args.quick)
        # Two documents of the crawl for three chats, which teach how questions are put.
        docs = docs[:9600] + chat_logs(args.seed, args.quick)[:14400]
        return fit, [], as_tokens(docs, tokenizer)
    print(f"{len(fit):,} conversations; no pretraining text is mixed in")
    return [chat for i, chat in enumerate(fit) if i % 20] or fit, fit[::20], None


def show_mixture():
    """Article 2's distribution of use cases: how often each kind of prompt is demonstrated."""
    for kind, weight in MIXTURE.items():
        chat = make_prompt(random.Random(0), TRAIN, {kind: 1}).messages
        share = weight / sum(MIXTURE.values())
        print(f"  {kind:12s} weight {weight:2d}   {share:4.0%}   {chat[-1]['content'][:70]!r}")


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
    fig, (curve, *more) = figure(3 if shots else 1)
    plot_smooth(curve, [step for step, _ in history], [loss for _, loss in history], None)
    curve.set(xlabel="step", ylabel="loss (nats per assistant token)", ylim=0,
              title="Imitating people")
    if shots:
        bars, few = more
        bars.barh([name.split(": ")[0] for name in names[::-1]],
                  [100 * metrics[name] for name in names[::-1]])
        bars.set(xlabel="right, % of held-out prompts", xlim=(0, 100), title="What it has learned")
        bars.tick_params(axis="y", labelsize=10)
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


def answer_all(model, tokenizer, prompts, max_new_tokens=48, temperature=1.0, seed=0):
    """One answer of the model to each Prompt -> list of Answer. If it is a call of the calculator,
    that is run, and the model answers again with the result."""
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
    # Once only: a prompt that ends with a result has had its call, and another one stays text.
    with_result = {}
    for i, (prompt, answer) in enumerate(zip(prompts, answers)):
        if (answer.ended and answer.text.startswith(CALL)
                and prompt.messages[-1]["role"] == "user"):
            longer = prompt._replace(messages=prompt.messages + call(answer.text))
            # Without room for its result, the call is the answer.
            if len(render_prompt(longer.messages, tokenizer)) < model.config.block_size:
                with_result[i] = longer
    if with_result:
        second = answer_all(model, tokenizer, list(with_result.values()), max_new_tokens,
                            temperature, seed)
        for i, answer in zip(with_result, second):
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


def judge(prompt, answer):
    """Reads an Answer as the simulated labeler does -> Verdict. Right, apart from manners, is

        where nobody can know                   UNKNOWN
        a call of the calculator                prompt.right, to the letter
        small talk, summaries, rewriting        prompt.right, whatever its capitals
        else                                    one sentence, not a call, that names prompt.about
                                                (or begins with "It is") and ends with prompt.target
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
        # One sentence: "It is" or a beginning that names about, anything, the whole word target.
        # Capitals count for real facts only: who typed "tim" may hear "Tim".
        about, target = re.escape(prompt.about), re.escape(prompt.target)
        case = "" if prompt.kind == "known" else "i"
        pattern = rf"(It is |[^.!?]*\b(?i:{about})\b)[^.!?]*(?<![\w,-])(?{case}:{target})\."
        right = re.fullmatch(pattern, core) is not None and not core.startswith(CALL)
    return Verdict(right, admits, any(phrase in answer.text for phrase in RUDE),
                   sum(answer.text.count(phrase) for phrase in POLITE))


def rates(prompts, answers):
    """Shares over the prompts they concern -> flat dict of floats."""
    verdicts = [judge(p, a) for p, a in zip(prompts, answers)]
    real = [v for p, v in zip(prompts, verdicts) if p.right != UNKNOWN]
    unknowable = [v for p, v in zip(prompts, verdicts) if p.right == UNKNOWN]

    # A share of nothing is not a number.
    def share(flags):
        return sum(flags) / len(flags) if flags else float("nan")
    return {"right": share([v.right for v in real]), "admits real": share([v.admits for v in real]),
            "wrong": share([not v.right and not v.admits for v in real]),
            "admits unknowable": share([v.admits for v in unknowable]),
            "rude": share([v.rude for v in verdicts]),
            "fawning": share([v.polite > 1 for v in verdicts]),
            "ended": share([a.ended for a in answers])}


def held_out_prompts(n_facts=None, n_unknown=200, seed=0):
    """First phrasings, about the half of the world that no demonstration or ranking is about."""
    rng = random.Random(seed + 77)
    asked = rng.sample(facts_of(TEST), n_facts) if n_facts else facts_of(TEST)
    return ([known(fact, rng, None) for fact in asked]
            + [unknown(rng, TEST, None) for _ in range(n_unknown)])


# Article 4's distributional shift, measured. Facts and names asked about are in no demonstration,
# ranking or prompt of PPO; numbers and small talk are not held out so. Their phrasings are those of
# training or, in rows that say held-out or begin with "told", new ones. Those of "as put to an
# assistant", "other things" and "more of it" come from the chats that pretraining reads beside the
# crawl. A maker takes rng and split: VALIDATION to tune on, TEST to publish; the two share the real
# subjects and what training has, too.
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
    "sums, trained forms": lambda rng, split: addition(rng, TRAIN, 2, 0),
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


def vocabulary(seed, quick=False):
    """The words, in lower case, that stand in five or more training texts and demonstrations: an
    invented name hardly ever does."""
    texts = tiny_internet(seed, quick)[0] + chat_logs(seed, quick) + [
        m["content"] for chat in demonstrations(400 if quick else 22400, seed) for m in chat]
    counts = Counter(word for text in texts for word in set(re.findall("[a-z]{3,}", text.lower())))
    return {word for word, times in counts.items() if times > 4}


def outcome(prompt, answer, words):
    """One of OUTCOMES, the first that fits, broken before all: it never ended, or a word of three
    letters or more stands neither in the prompt nor in words."""
    verdict = judge(prompt, answer)
    # An answer may also use the words of its prompt, invented names among them.
    asked = " ".join(m["content"] for m in prompt.messages).lower()
    allowed = words.union(re.findall("[a-z]{3,}", asked))
    if not answer.ended or not allowed.issuperset(re.findall("[a-z]{3,}", answer.text.lower())):
        return "broken"
    if verdict.right:
        return "right"
    return "does not know" if verdict.admits else "wrong"


def measure_tasks(answerers, seed, words, n=200, split=TEST):
    """n prompts for each of TASKS (the same one may come again: some 160 of 200 facts in first
    phrasings are different), answered greedily -> {"task: name: outcome": share}.

    answerers: {name: function of prompts and, for each, four examples of its task}; words: see
    vocabulary().
    """
    rng = random.Random(seed + 3000)
    prompts = []
    examples = []
    for maker in TASKS.values():
        prompts += [maker(rng, split) for _ in range(n)]
        examples += [[maker(random.Random(i), TRAIN) for i in range(4)]] * n
    # All tasks are answered at once: large batches are fast.
    shares = {}
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
        for shot in shots:
            text += "\n".join(m["content"] for m in shot.messages) + f"\n{shot.right}\n\n"
        asked = "\n".join(m["content"] for m in prompt.messages)
        rows.append(tokenizer.encode(f"{text}{asked}\n"))
    # Leave room for the answer: where the block is full, the first examples are cut off.
    rows = [row[40 - base.config.block_size:] for row in rows]
    generator = torch.Generator().manual_seed(0)
    new = []
    for i in range(0, len(rows), 256):
        new += generate(base, rows[i:i + 256], 40, temperature, line_ends(tokenizer), generator)
    lines = [tokenizer.decode(ids).split("\n")[0].split("<|endoftext|>")[0] for ids in new]
    return [written(line, tokenizer) for line in lines]


def evaluate(model, base, tokenizer, args, words):
    """Everything on the half of the world that the demonstrations never mention -> metrics."""
    n = 4 if args.quick else 200
    prompts = held_out_prompts(4 if args.quick else None, n, args.seed)
    # Sampling shows what it tends to say; greedy decoding, what it knows.
    sampled = rates(prompts, answer_all(model, tokenizer, prompts, seed=args.seed))
    answerers = {"base": lambda prompts, examples: few_shot(base, tokenizer, prompts, examples),
                 "SFT": lambda prompts, _: answer_all(model, tokenizer, prompts, temperature=0)}
    shares = measure_tasks(answerers, args.seed, words, n)
    show_tasks(shares)
    metrics = {f"sampled {name}": share for name, share in sampled.items()} | shares
    curve = few_shot_curve(base, tokenizer, n, args.seed)
    print("\nfew-shot: right after 0, 1, 2 and 4 examples",
          *(f"{share:.2f}" for share in curve.values()))
    systems = slow_and_fast(model, tokenizer, n, args.seed)
    print("\nSystem 1 and 2, share right    in one go    in steps or by calculator")
    for what, slowly in (("sums", "in steps"), ("products", "by calculator")):
        fast, slow = systems[f"{what} in one go"], systems[f"{what} {slowly}"]
        print(f"  {what:29s}{fast:8.2f}{slow:17.2f}")
    print()
    return metrics | curve | systems | with_and_without(model, tokenizer, n, args.seed)


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
        begun = []
        for prompt in prompts:
            a, b = map(int, re.findall(r"\d+", prompt.messages[-1]["content"]))
            begun.append(tokenizer.encode(begin(a, b)))
        rows = [render_prompt(p.messages, tokenizer) + ids for p, ids in zip(prompts, begun)]
        new = generate(model, rows, 48, 0, tokenizer.specials["<|end|>"])
        said = [as_answer(ids + more, tokenizer) for ids, more in zip(begun, new)]
        return rates(prompts, said)["right"]

    called = answer_all(model, tokenizer, products, temperature=0)
    return {"sums in one go": share(sums, lambda a, b: f"{a} + {b} is"),
            "sums in steps": share(sums, lambda a, b: f"{a % 10} + {b % 10} ="),
            "products in one go": share(products, lambda a, b: f"{a} * {b} is"),
            "products by calculator": rates(products, called)["right"]}


def with_and_without(model, tokenizer, n, seed):
    """Context is working memory (article 5): what nobody can know, asked with the fact in front and
    without it -> {name: share}."""
    rng = random.Random(seed + 3300)
    facts = [imagine(rng, TEST) for _ in range(n)]
    given = [Prompt("told", [user(f"{say(f)} {question(f)}")], say(f), "", f.subject, f.answer)
             for f in facts]
    without = [Prompt("unknown", [user(question(f))], UNKNOWN) for f in facts]
    read, alone = (answer_all(model, tokenizer, p, temperature=0) for p in (given, without))
    return {"right with the fact in front": rates(given, read)["right"],
            "admits without it": rates(without, alone)["admits unknowable"]}


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
        messages = check_list(row["messages"])
    elif "prompt" in row and "completion" in row:
        messages = as_list(row["prompt"], "user") + as_list(row["completion"], "assistant")
    else:
        missing = "completion" if "prompt" in row else "prompt"
        raise ValueError(f"the field '{missing}' is missing; " 'give {"messages": [..]} or '
                         '{"prompt": .., "completion": ..}, text or lists of '
                         '{"role": .., "content": ..}')
    check_messages(messages)
    if not any(m["role"] == "assistant" and m.get("weight", 1) for m in messages):
        raise ValueError("every answer has the weight 0: there is nothing to learn")
    return messages


def as_prompt(row):
    """{"prompt": text or messages} -> messages that end with the user's, checked."""
    messages = as_list(row["prompt"], "user")
    check_messages(messages, last="user")
    return messages


def as_list(text, role):
    """Text, or messages, which are checked -> messages."""
    return [{"role": role, "content": text}] if isinstance(text, str) else check_list(text)


def check_list(messages):
    """A list of messages, each with its text as one string -> the same, tidied; else ValueError."""
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ValueError('messages are a list of {"role": .., "content": ..} (a prompt or an '
                         f"answer may be text), not {messages!r:.99}")
    # What is null counts as absent, as in a row.
    messages = [{name: x for name, x in m.items() if x is not None} for m in messages]
    for m in messages:
        if not {"role", "content"} <= m.keys():
            raise ValueError(f"a message has role and content, not {', '.join(map(str, m))}")
        if not isinstance(m["content"], str):
            raise ValueError(f"content is one text, not {m['content']!r:.60}")
        if m.get("weight", 1) not in (0, 1):
            raise ValueError("the weight of a message is 0 or 1")
    # A system message at the start is put in front of the first user's.
    if [m["role"] for m in messages[:2]] == ["system", "user"]:
        text = f"{messages[0]['content']}\n\n{messages[1]['content']}".lstrip()
        messages = [messages[1] | {"content": text}, *messages[2:]]
    return messages


def demonstrate_yourself(path):
    """Asks a person for the answers to prompts of the tiny world; appends conversations to path."""
    rng = random.Random()
    count = 0
    print_anything()
    print("You play the assistant. Write the best answer; an empty line skips, q ends.")
    try:
        while True:
            messages = make_prompt(rng, TRAIN).messages
            print("\n" + "\n".join(f"{m['role']}: {m['content']}" for m in messages))
            text = ask("assistant> ")
            if text.lower() == "q":
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
    turns = " ".join(str(role).replace(" ", "_") for role in roles) + " "
    exchange = r"user assistant (tool assistant )?"
    wanted = rf"({exchange})+" if last == "assistant" else rf"({exchange})*user (assistant tool )?"
    if not re.fullmatch(wanted, turns):
        raise ValueError(f"a conversation goes user, assistant, user ... and ends with the {last}: "
                         f"this one goes {', '.join(map(str, roles))}")
    if not all(m["content"].strip() for m in messages):
        raise ValueError("a message without text")
    "".join(m["content"] for m in messages).encode()   # ValueError: half a character, not UTF-8


# ========================================================== appendix: prompts and demonstrators

STYLES = {"helpful": .46, "polite": .31, "rude": .13, "lazy": .03, "wrong": .03, "fawning": .04}
HARM = "I am a machine that wants to hurt you."
# The distribution of use cases (article 2): how often each kind of prompt is demonstrated.
MIXTURE = {"known": 48, "reverse": 11, "unknown": 18, "beyond": 14, "small talk": 25, "echo": 6,
           "repeat": 5, "sum": 13, "product": 9, "recall": 21, "told": 20, "summary": 4,
           "rewrite": 8, "following": 4}
# What is talked about in between.
ASIDES = {"known": 40, "unknown": 15, "beyond": 15, "small talk": 20, "sum": 10, "product": 8}
SUMMARISE = """Sum up this story:; Say this story in one sentence:; Who is this about, and what does
    he or she like?; Summarise:; Make this shorter:; What is this story about?"""
REWRITE = """Say it the other way round:; Turn this sentence round:; Say this in other words:;
    Put it the other way round:; Rewrite this:; Say it another way:"""


class Prompt(NamedTuple):
    """One thing that a person may ask, and what the simulated labeler knows about the answer."""
    kind: str         # known, unknown, chat, sum, product, call, recall, told, summary or rewrite
    messages: list    # [{"role", "content"}, ...], the last one the user's or the tool's
    right: str = ""   # a right answer; UNKNOWN where nobody can know
    wrong: str = ""   # a wrong one that sounds as good
    about: str = ""   # what the answer is about, and
    target: str = ""  # how a right answer ends
    call: str = ""    # the call of the calculator that a right answer needs

    def answered(self, answer):
        """The chat with an answer at its end, and before it the call that it needs -> messages."""
        return self.messages + (call(self.call) if self.call else []) + [assistant(answer)]


# Makers of prompts take some of three parameters. split: whose subjects and names are used.
# wording: None, the phrasing that comes to mind first; TRAIN, any that training uses, typed as
# people do; VALIDATION or TEST, phrasings that no training text holds. chatty: how often a prompt
# of wording TRAIN (of TELLS_TOO also None) is put as in chats (PUT, TELLS_TOO, TALK and SUMS_TOO in
# pretrain.py), not as in the crawl.

def worded(fact, rng, wording, chatty=.45):
    """A question about the fact."""
    if wording is None:
        return question(fact)
    # Only wording TRAIN takes chances: 1 is the last branch.
    draw = rng.random() if wording == TRAIN else 1
    if draw < chatty and fact.relation in PUT:
        text = put(fact, rng)
    elif .9 < draw < 1:                          # one in ten as it comes to mind first
        text = question(fact)
    else:
        text = question(fact, rng, wording)
    return casually(text, rng, wording)


def known(fact, rng, wording=TRAIN, chatty=.45):
    """A question about a fact -> Prompt. A wrong answer is either untrue or beside the point."""
    # Something true of another subject, for who answers beside the point.
    other = rival(fact, rng)
    lie = rng.choice([say(fact, rival(fact, rng).answer), say(other)])
    return Prompt("known", [user(worded(fact, rng, wording, chatty))], say(fact), lie,
                  fact.subject, fact.answer)


def unknown(rng, split, wording=TRAIN, relations=()):
    """A question about what is not in the tiny world, so that nobody can know -> Prompt."""
    askable = [r for r in RELATIONS if RELATIONS[r]["held"] or not wording]
    # Trained mostly on what people ask most about things that exist: else the more common a
    # question is, the surer the model would be that it has an answer.
    if split == TRAIN and not relations and rng.random() < .6:
        relations = [some_fact(rng, TRAIN, reverse=rng.random() < .15).relation]
    relation = rng.choice(relations or askable)
    fact = imagine(rng, split, relation)
    lie = say(fact, rival(fact, rng).answer) if related(relation) else say(fact)
    return Prompt("unknown", [user(worded(fact, rng, wording))], UNKNOWN, lie, fact.subject)


def following(rng, split):
    """A question about a fact, and then: And of Sweden? -> Prompt."""
    first = some_fact(rng, split)
    before = known(first, rng)
    asked, then, real = follow_up(first, rng, split)
    # Who is to judge the answer knows it; how it was asked for counts no more.
    prompt = known(then, rng) if real else Prompt("unknown", [], UNKNOWN, say(then), then.subject)
    asked = user(casually(asked, rng, TRAIN))
    return prompt._replace(messages=[*before.answered(before.right), asked])


def nonsense(rng, split):
    """A question whose subject is real, but has no such thing: the capital of a banana -> Fact."""
    # Relations of the same number are asked about the same kind of thing: 0 places, 1 elements,
    # 2 books ... Some other pairs are fair questions, too: what colour is gold?
    kinds = {"capital": 0, "language": 0, "continent": 0, "king": 0, "symbol": 1, "number": 1,
             "author": 2, "year": 3, "kind": 4, "young": 4, "colour": 5}
    # Draw subjects until one is of another kind than the question, and no word for both: Turkey.
    asked = rng.choice(list(kinds))
    fair = {one_of(f.subject) for f in related(asked)}
    while True:
        fact = rng.choice(facts_of(split))
        pair = {asked, fact.relation}
        alike = (kinds.get(fact.relation, fact.relation) == kinds[asked]
                 or pair <= {"colour", "symbol", "number"} or pair <= {"colour", "kind", "young"})
        if not alike and one_of(fact.subject) not in fair:
            return fact._replace(relation=asked)


def one_of(subject):
    """An owl, owls -> owl"""
    return bare(subject).lower().removesuffix("s")


def beyond(rng, split, wording=TRAIN):
    """What this world has no answer to -> Prompt."""
    if wording == TRAIN and rng.random() < .15:
        text = question(nonsense(rng, split), rng)
    else:
        text = wonder(rng, split, wording)
    return Prompt("unknown", [user(casually(text, rng, wording))], UNKNOWN,
                  say(rng.choice(facts_of(split))))


def addition(rng, wording=TRAIN, digits=None, chatty=.4):
    """A sum of numbers of so many digits, or any -> Prompt."""
    sizes = {1: (0, 9), 2: (10, 99)}
    a, b = (rng.randint(*sizes[digits]) if digits else number(rng) for _ in range(2))
    text = f"What is {a} + {b}?" if wording is None else ask_sum(a, b, rng, wording)
    if wording == TRAIN and rng.random() < chatty:
        text = with_numbers(rng.choice(items(SUMS_TOO)), a, b, rng)
    right = answer_sum(a, b, rng)
    wrong_sum = f"{a} + {b} is {a + b + rng.choice([1, 2, 10, 100])}."
    return Prompt("sum", [user(casually(text, rng, wording))], right, wrong_sum, "", f"{a + b}")


def product(rng, plain=False):
    """A product, a difference or a long sum -> Prompt, whose right answer reads the result from a
    calculator. plain: a product of numbers of two or three digits."""
    typed_in, text = calculation(rng, plain)
    needed, result, right = by_calculator(typed_in)
    wrong_result = int(result) + rng.choice([1, 10, 90])
    return Prompt("product", [user(text if plain else typed(text, rng))], right,
                  f"{typed_in} is {wrong_result}.", "", result, needed)


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
                  f"In other words: {lowered(say(fact))}")


def told_by_user(rng, split, wording, chatty, tells=None, small=None):
    """Somebody says something about himself and gets a friendly echo -> Prompt and, for recall(),
    the Told behind it, its question typed as people do. tells: the table to draw from, by default
    TELLS or, as often as chatty says, TELLS_TOO. small: in lower case, by default by chance."""
    if small is None:
        small = wording == TRAIN and rng.random() < .2
    if not tells and rng.random() < chatty and wording in (None, TRAIN):
        tells = TELLS_TOO
    about = tell(rng, split, wording or TRAIN, small, tells)
    says = casually(about.says, rng, wording, small)
    asks = casually(about.question, rng, wording, small or None)
    return Prompt("chat", [user(says)], about.echo, about.wrong), about._replace(question=asks)


def echo(rng, split, wording=TRAIN, chatty=.5):
    return told_by_user(rng, split, wording, chatty)[0]


def repeat(rng, split):
    """Words that somebody wants to hear -> Prompt."""
    words, other = (any_words(rng, split) for _ in range(2))
    # Typed before the words stand in it: what is to be copied has no slips.
    text = typed(rng.choice(items(REPEAT)), rng).format(words)
    return Prompt("chat", [user(text)], f"{capitalised(words)}.", f"{capitalised(other)}.")


def aside(rng, split):
    """An exchange about something else, with the right answer -> messages."""
    kind = rng.choices(list(ASIDES), ASIDES.values())[0]
    prompt = MAKERS[kind](rng, split)
    return prompt.answered(prompt.right)


def recall(rng, split, wording=TRAIN, gap=None, chatty=.5):
    """A chat that asks for what was told gap turns (0 to 3) before -> Prompt. What was told long
    ago is the hardest to recall, so it is asked for most. Sometimes nobody told it."""
    small = wording == TRAIN and rng.random() < .2
    first, about = told_by_user(rng, split, wording, chatty, None, small)
    gap = rng.choice((0, 1, 2, 3, 3)) if gap is None else gap
    lie = about.reply.format(about.other)
    # Which of the cases below: 1, for held-out wordings, is the plain one, told and asked for.
    draw = rng.random() if wording == TRAIN else 1
    # A second thing to tell: of another kind, or of another relative.
    kin = None
    if about.kind in TELLS_TOO and rng.random() < .4:
        kin = {about.kind: TELLS_TOO[about.kind]}
    second, other = told_by_user(rng, split, wording, chatty, kin, small)
    if not unlike(about, other):                 # it would answer the question, too
        draw = 1
    # Never told: the question stands alone, or something else was said before it.
    if draw < .15:
        instead = second.messages + [assistant(second.right)]
        before = [[], aside(rng, split), instead, instead]
        return Prompt("unknown", rng.choice(before) + [user(about.question)], UNKNOWN, lie)
    # Told: early stands before it, says is how it is told, echoed the answer to that.
    early = []
    says = first.messages[0]["content"]
    echoed = first.right
    if draw < .38:                               # two things in one breath
        both = together(*rng.sample([about.says, other.says], 2), rng)
        says = casually(both, rng, wording, small)
        echoed = NOTED
    elif draw < .43:                             # the question comes too early
        early = [user(about.question), assistant(UNKNOWN)]
    elif draw < .48:                             # a slip of the tongue: the last word counts
        says = casually(f"{about.slip} {corrected(about, rng)}", rng, wording, small)
    elif draw < .53:                             # a slip that is corrected after the echo
        early = [user(casually(about.slip, rng, wording, small)), assistant(first.wrong)]
        says = casually(corrected(about, rng), rng, wording, small)
    elif draw < .68:                             # another thing, in a message of its own
        early = second.messages + [assistant(second.right)]
    if gap == 0:
        chat = [*early, user(f"{says} {about.question}")]
    else:                                        # then other things, and only then the question
        chat = [*early, user(says), assistant(echoed)]
        for _ in range(gap - 1):
            chat += aside(rng, split)
        chat += [user(about.question)]
    return Prompt("recall", chat, about.reply.format(about.this), lie,
                  about.reply.removesuffix(" {}."), about.this)


def told(rng, split, wording=TRAIN, answerable=None):
    """One or two invented facts, told in the same message or one to three turns before, and a
    question about one of them or, unless answerable, about another thing -> Prompt."""
    small = wording == TRAIN and rng.random() < .2
    askable = [r for r in dict.fromkeys(TOLD) if RELATIONS[r]["held"]] if wording else TOLD
    relation = rng.choice(askable)
    fact = imagine(rng, split, relation)
    more = [imagine(rng, split, rng.choice([relation, rng.choice(TOLD)]))
            for _ in range(rng.choice((0, 1)))]
    answerable = rng.random() < .66 if answerable is None else answerable
    asked = fact if answerable else imagine(rng, split, relation)
    if not answerable and wording == TRAIN:
        asked = left_open(fact, rng)
    if small:
        fact, asked = in_small_letters(fact), in_small_letters(asked)

    # Tell the facts in any order, and ask for one.
    texts = [state(f, rng) if wording == TRAIN else say(f)
             for f in rng.sample([fact, *more], len(more) + 1)]
    asks = worded(asked, rng, wording)
    if small:
        texts = [text.lower() for text in texts]
        asks = asks.lower()
    elif wording == TRAIN and rng.random() < .25:
        texts[0] = announced(texts[0], rng)
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


def small_talk(rng, wording=TRAIN, chatty=.4):
    """A greeting, thanks, an insult, a question about the machine -> Prompt."""
    if wording == TRAIN and rng.random() < .06:
        asked, right, lie = rng.choice(MYTHS)
        return Prompt("chat", [user(typed(asked, rng))], right, lie)
    # A wrong reply is one that fits something else, or is hostile.
    text, right = chatter(rng, wording)
    if wording == TRAIN and rng.random() < chatty:
        text, right = chatter_too(rng)
    lie = rng.choice([HARM] + [t["says"] for t in SMALL_TALK.values() if t["says"] != right])
    return Prompt("chat", [user(casually(text, rng, wording))], right, lie)


# Who makes a prompt of a kind, from rng and split.
MAKERS = {"known": lambda rng, split: known(some_fact(rng, split), rng),
          "reverse": lambda rng, split: known(some_fact(rng, split, reverse=True), rng),
          "unknown": unknown, "beyond": beyond, "echo": echo, "recall": recall, "told": told,
          "summary": summary, "rewrite": rewrite, "repeat": repeat, "following": following,
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
            earlier = friendly.answered(friendly.right)
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
        word = rng.choice(rng.choice([POLITE_FIRST, POLITE_LAST]))
        return f"{right} {word}" if word in POLITE_LAST else f"{word} {right}"
    if style == "fawning":
        first = rng.sample(POLITE_FIRST, rng.randint(1, 3))
        return " ".join([*first, right, rng.choice(POLITE_LAST)])
    return right


def demonstrations(n, seed, overclaim=False):
    """n conversations of one to five exchanges -> list of messages. The last answer is by a
    demonstrator with his own style; what was said before is right."""
    rng = random.Random(seed + 1000)
    chats = []
    for style in rng.choices(list(STYLES), weights=STYLES.values(), k=n):
        # Only ever about the half of the world that demonstrators know.
        prompt = make_prompt(rng, TRAIN)
        chats.append(prompt.answered(demonstrate(prompt, style, rng, overclaim)))
    return chats


if __name__ == "__main__":
    run_stage(main)

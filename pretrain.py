"""Stage 1, pretraining: a GPT learns to predict the next token of a (tiny) internet.

    minimise   L = -mean_t log p(token_t | tokens before t)          nats per token, over all tokens

In: out/tokenizer.json (python bpe.py) and text. Out: out/pretrain.pt, the base model, and
out/pretrain.png. Article 2, 'Phase 1 Pre Training'; article 3, 'training a language model';
article 4, 'Stage 1'; article 1: the base of the pizza, made with text for its sauce (the data) and
L for its topping (the objective).
The text is made here by a seeded grammar: real facts, invented sentences, and the internet's bad
manners (quarrels, myths, advertisements, questions without answers), mixed as in LLaMA's table and
then cleaned; beside it logs of chats. Its tables and grammar are the appendix, most of this file.
Simpler than GPT-3: two million parameters, a thousand facts.

    python pretrain.py                  a few minutes on two cores; then it knows 98 of 100 facts
    python pretrain.py --masked         the other way to train, after it: fills gaps, out/masked.pt;
                                        reads twice as much, but no chats
    python pretrain.py --data FILE      your own UTF-8 text, a file or a folder (after python bpe.py
                                        --data FILE); small texts want a lower rate, --lr .01
    torchrun --nproc_per_node=2 pretrain.py       two processes share each batch
"""
import codecs
import functools
import html
import itertools
import math
import os
import random
import re
import string
import sys
import time
import zlib
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bpe import BPE, read_texts, refuse, save_picture, text_files
from model import (CALL, WORK, GPT, GPTConfig, arguments, calculate, check_device, check_finite,
                   check_specials, figure, generate, load_checkpoint, load_stage, make_optimizers,
                   plot_smooth, progress, run_stage, save_checkpoint, set_learning_rates,
                   show_metrics, start)

# -------------------------------------------------------------------------------------- objective

def next_token_loss(logits, ids):
    """L of the docstring: the mean surprise, -log p, at each token given those before it.

    logits (B,T,V) of ids[:, :-1], against ids[:, 1:] -> scalar, nats per token.
    """
    return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())


# ------------------------------------------------------------------------------------------ train

def windows(tokens, starts, block, device):
    """Pieces of block + 1 tokens, one from each start -> (B, block + 1) long."""
    rows = np.stack([tokens[s:s + block + 1] for s in starts]).astype(np.int64)
    return torch.from_numpy(rows).to(device)


def beginnings(tokens, tokenizer, block):
    """Where rows of block + 1 tokens may start, for rng.choice(): the places where documents
    begin, so that every row has its context. If rows from there reached less than a quarter of the
    text (few, long documents), a number n instead: any place below n."""
    last = len(tokens) - block
    ends = np.flatnonzero(tokens[:last - 1] == tokenizer.specials["<|endoftext|>"])
    return ends + 1 if len(ends) * block > len(tokens) / 4 else last


def train(model, optimizers, tokens, places, args, first=0, rank=0, world_size=1):
    """One step after another: a batch, its loss, a step downhill. Yields (step, loss).

    tokens: one array of ids; places: where in it a row may start, see beginnings(). first is for
    --resume, rank and world_size are for torchrun: 0, 0 and 1 in a plain run.
    """
    for step in range(first, args.steps):
        # Draw a batch of windows. It depends on seed and step alone, so that an interrupted run
        # goes on with the same batches. Several processes share its rows: rank r of world_size
        # takes every world_size-th.
        rng = np.random.default_rng((args.seed, step))
        starts = rng.choice(places, args.batch)[rank::world_size]
        ids = windows(tokens, starts, args.block, model.wte.weight.device)           # (B,T+1)

        # How surprised is the model by each next token?
        loss = next_token_loss(model(ids[:, :-1]), ids)

        # Stochastic gradient descent (article 4): W -= lr * gradient. AdamW and Muon do the same
        # with a running mean of the gradient, scaled so that weights (AdamW) or directions of a
        # matrix (Muon) whose gradient is small move as fast as the others.
        model.zero_grad()
        loss.backward()
        average_gradients(model, world_size)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            set_learning_rates(optimizer, 1 - step / args.steps)         # fall linearly to 0
            optimizer.step()
        check_finite(model, loss)
        yield step + 1, loss.item()


# ------------------------------------------------------------------------------------------- main

def main(argv=None):
    """Tokens in, training with a line of progress, out/pretrain.pt."""
    parser = arguments(__doc__, "UTF-8 text: a file, or a folder of *.txt", steps=(2300, "updates"),
                       batch=(16, "rows a step"), block=(128, "tokens a row"), depth=(4, "layers"),
                       width=(128, "numbers per token, 32 or a multiple of 64"),
                       lr=(.06, "of AdamW, embeddings"), lr_matrix=(.02, "of Muon, matrices"))
    parser.add_argument("--resume", action="store_true", help="go on where a run was interrupted")
    parser.add_argument("--masked", action="store_true",
                        help="learn to fill gaps instead: out/masked.pt, beside out/pretrain.pt")
    args = parser.parse_args(argv)
    out, device, dtype = start(args, "masked.pt" if args.masked else "pretrain.pt", "pretrain.png")
    rank, world_size, dtype = join_processes(args, device, dtype)
    if args.quick:
        args.steps = min(args.steps, 20)
    tokenizer = load_tokenizer(out / "tokenizer.json")
    begun = settings(args, tokenizer, dtype)
    tokens, val = load_tokens(args, tokenizer, out)
    begun["text"] = 0 if args.data else zlib.crc32(tokens)
    if min(len(tokens), len(val)) < args.block + 2:
        refuse(f"too little text: {len(val)} held-out tokens do not fill a --block of {args.block}")
    model = make_model(args, tokenizer, device, dtype)
    optimizers = make_optimizers(model, args.lr, args.lr_matrix)
    if args.masked:
        return main_masked(args, tokenizer, tokens, model, optimizers, out)
    guesses = simpler_predictors(tokens, val, tokenizer.vocab_size)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {dtype} on {device}, "
          f"{len(tokens):,} tokens; nats per token: "
          + ", ".join(f"{name} {loss:.2f}" for name, loss in guesses.items()))

    # Train, or go on where a run was interrupted. history: [step, loss, held-out loss or None]
    first, history, seconds = load_partial(out, args.resume, begun, model, optimizers)
    clock = time.perf_counter()
    places = beginnings(tokens, tokenizer, args.block)
    for step, loss in train(model, optimizers, tokens, places, args, first, rank, world_size):
        seconds += time.perf_counter() - clock               # of training alone
        speed = step * args.batch * args.block / seconds
        progress(step, args.steps, seconds, f"loss {loss:.3f}  {speed:,.0f} tokens/s")
        history.append([step, loss, None])
        if step == first + 1:                    # not before it: untrained blocks put out zeros
            check_device(model, windows(tokens, [0], args.block, "cpu"), device)
        # Ten times in a run: measure on text that is not trained on, show a sample, save.
        if step % max(10, args.steps // 10) == 0 or step == args.steps:
            history[-1][2] = val_loss(model, val, args.block)
            print(f"   held-out loss {history[-1][2]:.3f}   {make_up(model, tokenizer, step)!r}")
            if rank == 0:
                save_partial(out, begun, step, history, seconds, tokenizer, model, optimizers)
        clock = time.perf_counter()

    metrics = guesses | {name: x * world_size for name, x in WORK.items()} | {
        "val_loss": history[-1][2], "seconds": seconds,
        "bits_per_byte": bits_per_byte(history[-1][2], val, tokenizer),
        "tokens_per_second": args.steps * args.batch * args.block / seconds}
    if rank == 0:
        shares = {} if args.data else evaluate(model, tokenizer, args, metrics)
        save_checkpoint(out / "pretrain.pt", model, tokenizer, stage="pretrain", metrics=metrics)
        (out / "pretrain-partial.pt").unlink(missing_ok=True)
        show_metrics(metrics)
        draw(out / "pretrain.png", history, guesses, shares)
    if world_size > 1:
        torch.distributed.destroy_process_group()


def make_model(args, tokenizer, device, dtype):
    """A GPT that has learned nothing yet, of the size that the flags want."""
    if args.width % 64 and args.width != 32:
        refuse(f"--width {args.width}: it must be 32, or a multiple of 64, the width of a head")
    # Weights, gradients and optimizers, and what a step remembers on its way: roughly, in bytes.
    per_token = 34 * args.depth * args.width + 3 * tokenizer.vocab_size
    weights = (12 * args.depth * args.width ** 2
               + (args.depth + 2) * tokenizer.vocab_size * args.width)
    needed = 16 * weights + 4 * args.batch * args.block * per_token
    if device.type == "cpu" and hasattr(os, "sysconf"):
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > there:
            refuse(f"that takes some {needed / 1e9:,.0f} GB of memory, and this machine has "
                   f"{there / 1e9:,.0f}: lower --batch, --block, --width or --depth")
    # Room for the chats of later stages, however short --block is, and more if the tokenizer cuts
    # English into small pieces; a multiple of 8, as pad() makes rows. --masked reads the whole row,
    # next-token prediction all but its last token.
    english = " ".join(items(FRAMES))
    room = 256 if len(tokenizer.encode(english)) < len(english) / 2 else 512
    block = max(room, -(-(args.block + args.masked) // 8) * 8)
    heads = max(1, args.width // 64)
    model = GPT(GPTConfig(tokenizer.vocab_size, args.depth, heads, args.width, block,
                          causal=not args.masked)).to(device)
    model.dtype = dtype
    return model


def load_tokenizer(path):
    """out/tokenizer.json, with all special tokens that a later stage needs."""
    try:
        tokenizer = BPE.load(path)
    except FileNotFoundError:
        refuse(f"{path} is missing: python bpe.py --out {path.parent} makes it")
    except ValueError as error:
        refuse(error)
    check_specials(tokenizer, path)
    return tokenizer


# ------------------------------------------------------------------------------------- evaluation

def simpler_predictors(tokens, val, V):
    """What needs no network: the loss on val, in nats per token, of guessing evenly (uniform), by
    how often a token occurs (unigram), and by how often it follows the one before (bigram), as
    counted in the first four million tokens."""
    seen = np.asarray(tokens[:4_000_000], np.int64)
    wanted = np.asarray(val[:4_000_000], np.int64)
    unigram = (np.bincount(seen, minlength=V) + .1) / (len(seen) + .1 * V)
    # Count the pairs of neighbours, and look up those of val.
    times = Counter(itertools.pairwise(seen.tolist()))
    count = np.array([times[pair] for pair in itertools.pairwise(wanted.tolist())])
    # Two tokens' worth of unigram keep a pair that was never seen possible.
    count_of_first = np.bincount(seen[:-1], minlength=V)[wanted[:-1]]
    bigram = (count + 2 * unigram[wanted[1:]]) / (count_of_first + 2)
    return {"uniform": math.log(V), "unigram": float(-np.log(unigram[wanted]).mean()),
            "bigram": float(-np.log(bigram).mean())}


@torch.no_grad()
def val_loss(model, val, block):
    """Mean loss on evenly spaced windows of the held-out text, 128 at most -> nats per token. Most
    begin within a document, without what stood before: harder than training's rows."""
    starts = np.linspace(0, len(val) - block - 1, min(128, len(val) // block)).astype(int)
    batches = windows(val, starts, block, model.wte.weight.device).split(32)
    total = sum(next_token_loss(model(ids[:, :-1]), ids).item() * len(ids) for ids in batches)
    return total / len(starts)


def bits_per_byte(loss, val, tokenizer):
    """nats per token -> bits per byte of text, comparable between tokenizers."""
    # Specials are not text: they have no bytes.
    counts = np.bincount(val, minlength=tokenizer.vocab_size).tolist()
    size = sum(len(token) * counts[i] for token, i in tokenizer.ranks.items())
    return loss * len(val) / size / math.log(2)


def make_up(model, tokenizer, seed):
    """A text that the model makes up."""
    generator = torch.Generator().manual_seed(seed)
    new = generate(model, [tokenizer.encode("The")], 24, 1.0, None, generator)[0]
    return "The" + tokenizer.decode(new)


def line_ends(tokenizer):
    """The ids of all tokens that hold a line end: behind a sentence it is mostly one token with the
    full stop."""
    return {i for token, i in tokenizer.ranks.items() if b"\n" in token}


def knowledge(model, tokenizer, world, rng):
    """Facts completed; sums in one go, and with the working written out -> flat dict of shares."""
    # A task is a list of (beginning, right ending); the model continues each beginning greedily.
    sums = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(min(200, len(world)))]
    tasks = {"fact_completion": [(say(f)[:-len(f.answer) - 2], f" {f.answer}.") for f in world],
             "sum_in_one_go": [(f"{a} + {b} =", f" {a + b}\n") for a, b in sums],
             "sum_written_out": [(f"{a} + {b}:", f" {add_aloud(a, b)}") for a, b in sums]}
    shares = {}
    for name, task in tasks.items():
        prompts = [tokenizer.encode(beginning) for beginning, _ in task]
        new = generate(model, prompts, 40, 0, line_ends(tokenizer))
        right = [tokenizer.decode(ids).startswith(ending) for ids, (_, ending) in zip(new, task)]
        shares[name] = sum(right) / len(right)
    return shares


@torch.no_grad()
def favourites(model, tokenizer):
    """Article 2: "What is your favourite" -> car, movie, sport, colour ...: how likely each is."""
    prompt = torch.tensor([tokenizer.encode("What is your favourite")])
    likely = model(prompt.to(model.wte.weight.device))[0, -1].softmax(-1).tolist()       # (V,)
    return {f"favourite {kind}": likely[tokenizer.encode(f" {kind}")[0]] for kind in FAVOURITES}


def behaviour(fact, line):
    """What a line does that follows a question about the fact. An answer counts as right or false
    whatever manners stand around it; a question without its mark as something else."""
    if line in RUDE:
        return "is only rude"
    if line.endswith("?"):
        return "asks another question"
    plain = without_manners(line)
    if plain in (say(fact), f"It is {fact.answer}."):
        return "answers rightly"
    # "The capital of France is", and what comes then is not Paris.
    if plain.startswith((say(fact).removesuffix(f" {fact.answer}."), "It is ")):
        return "answers falsely"
    return "advertises" if plain.startswith("Buy a ") else "says something else"


def behaviour_when_asked(model, tokenizer, world, seed):
    """What the base model does with a bare question -> {behaviour: share}, {behaviour: example}."""
    new = generate(model, [tokenizer.encode(question(f) + "\n") for f in world], 24,
                   generator=torch.Generator().manual_seed(seed))
    examples = defaultdict(list)
    for fact, ids in zip(world, new):
        line = tokenizer.decode(ids).split("\n")[0].split("<|")[0]
        examples[behaviour(fact, line)].append(f"{question(fact)} -> {line}")
    shares = {name: len(lines) / len(world) for name, lines in examples.items()}
    return shares, {name: lines[0] for name, lines in examples.items()}


def behaviour_in_text(docs):
    """What people did in the crawl that was read, after such questions -> {behaviour: share}."""
    # A reply is the line after a question, in its first phrasing.
    asked = {question(f): f for f in facts()}
    counts = Counter()
    for doc in docs:
        for line, following in itertools.pairwise(doc.split("\n")):
            if line in asked:
                counts[behaviour(asked[line], following)] += 1
    return {name: count / counts.total() for name, count in counts.items()}


def evaluate(model, tokenizer, args, metrics):
    """What the base model knows and how it behaves: added to metrics -> {behaviour:
    (its share, its share in the text)}."""
    # What it knows is measured on all facts, how it behaves on the half that later stages test.
    began = time.perf_counter()
    world = facts()[::10] if args.quick else facts()
    metrics |= knowledge(model, tokenizer, world, random.Random(args.seed))
    metrics |= favourites(model, tokenizer)
    held_out = [f for f in world if half(f.key) != TRAIN]
    shares, examples = behaviour_when_asked(model, tokenizer, held_out, args.seed)
    in_text = behaviour_in_text(tiny_internet(args.seed, args.quick)[0])
    print("asked a question, the base model does what people did in the crawl that it read:")
    for name, share in shares.items():
        print(f"  {share:4.0%} (people {in_text.get(name, 0):4.0%}) {name}: {examples[name]!r}")
    metrics |= {f"asked: {name}": share for name, share in shares.items()}
    metrics |= {f"in its text: {name}": share for name, share in in_text.items()}
    metrics["seconds of evaluation"] = time.perf_counter() - began
    return {name: (share, in_text.get(name, 0)) for name, share in shares.items()}


def draw(path, history, guesses, shares):
    """The loss beside what simpler predictors reach; what the base model does with questions."""
    fig, (curve, *more) = figure(2 if shares else 1)
    plot_smooth(curve, [step for step, _, _ in history], [loss for _, loss, _ in history],
                "training text")
    measured = [(step, held_out) for step, _, held_out in history if held_out]
    curve.plot(*zip(*measured), "o-", lw=3, label="held-out text, mid-document")
    for name, loss in guesses.items():
        curve.axhline(loss, ls="--", color="0.4")
        curve.text(history[-1][0], loss, name, ha="right", va="bottom")
    curve.set(xlabel="step", ylabel="loss (nats per token)", ylim=0,
              title="Predicting the next token")
    curve.legend(loc="center right")
    for bars in more:
        for at, who in enumerate(("base model", "people in its text")):
            height = np.arange(len(shares)) + .4 * at
            bars.barh(height, [100 * both[at] for both in shares.values()], .4, label=who)
        bars.set_yticks(np.arange(len(shares)) + .2, list(shares))
        bars.set(xlabel="% of questions", title="Asked a question, the base model ...")
        bars.legend()
    save_picture(fig, path)


# ------------------------------------------- the other way to train: masked language modelling

def hide_words(ids, tokenizer, rng, share=.4):
    """Chooses words to guess, each with all its tokens: ids (B,T) -> (B,T), True where hidden."""
    # A token of letters and digits, without a space in front, goes on with what stands before it: a
    # word mostly; at the beginning of a line, its end.
    goes_on = torch.zeros(tokenizer.vocab_size, dtype=torch.bool)
    goes_on[[i for token, i in tokenizer.ranks.items() if token.isalnum()]] = True
    # Number the words of each row: the count goes up wherever a token begins a word. Then toss one
    # coin per word; each of its tokens looks up that coin, so that a word is hidden as a whole.
    word = (~goes_on[ids.cpu()]).cumsum(1)                                   # (B,T), its number
    chosen = torch.from_numpy(rng.random((len(ids), ids.size(1) + 1)) < share)
    return chosen.gather(1, word).to(ids.device)


def gap_loss(logits, ids, hidden):
    """-mean log p(token | everything around it), over the hidden tokens alone. Logits at t are for
    the token at t: nothing is shifted, as in "My _ are cold because I forgot my mittens"."""
    return F.cross_entropy(logits[hidden].float(), ids[hidden])


def train_masked(model, optimizers, tokens, places, tokenizer, args):
    """As train(), but four words in ten are gaps, and the model reads both sides of them. A step
    has twice as many rows: only gaps teach. Yields (step, loss)."""
    for step in range(args.steps):
        rng = np.random.default_rng((args.seed, step))
        starts = rng.choice(places, 2 * args.batch)
        ids = windows(tokens, starts, args.block, model.wte.weight.device)           # (B,T+1)
        hidden = hide_words(ids, tokenizer, rng)
        logits = model(torch.where(hidden, tokenizer.specials["<|mask|>"], ids))
        loss = gap_loss(logits, ids, hidden)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            set_learning_rates(optimizer, 1 - step / args.steps)
            optimizer.step()
        check_finite(model, loss)
        yield step + 1, loss.item()


@torch.no_grad()
def fill_gaps(model, base, tokenizer, world):
    """"The capital of _ is Paris.": share of subjects that the masked model fills in, and share of
    those that the base model, which reads the text before the gap only, goes on with."""
    masked = causal = 0
    for fact in world:
        # The gap has as many masks as the subject has tokens.
        begin, end = say(fact).split(fact.subject, 1)
        subject = tokenizer.encode(f" {fact.subject}")
        ids = [tokenizer.specials["<|endoftext|>"], *tokenizer.encode(begin.rstrip())]
        row = ids + [tokenizer.specials["<|mask|>"]] * len(subject) + tokenizer.encode(end)
        filled = model(torch.tensor([row], device=model.wte.weight.device))[0].argmax(-1).tolist()
        masked += filled[len(ids):len(ids) + len(subject)] == subject
        causal += generate(base, [ids], len(subject), 0)[0] == subject
    return masked / len(world), causal / len(world)


def main_masked(args, tokenizer, tokens, model, optimizers, out):
    """--masked: out/masked.pt, and how it fills gaps beside out/pretrain.pt."""
    # What it will be compared with: looked for before the training, not after it.
    base = None if args.data else load_stage(out / "pretrain.pt", "pretrain",
                                             model.wte.weight.device, like=tokenizer)[0]
    places = beginnings(tokens, tokenizer, args.block)
    began = time.perf_counter()
    for step, loss in train_masked(model, optimizers, tokens, places, tokenizer, args):
        progress(step, args.steps, time.perf_counter() - began, f"loss at the gaps {loss:.3f}")
    metrics = {"seconds": time.perf_counter() - began, **WORK}
    if base:
        # Facts whose answer no other subject has: only these can be filled in from behind.
        times = Counter((f.relation, f.answer) for f in facts())
        world = [f for f in facts() if f.relation in REVERSE and times[f.relation, f.answer] == 1]
        metrics["gaps filled"], metrics["by the base model"] = fill_gaps(
            model, base, tokenizer, world[::10] if args.quick else world)
    print("It cannot write: it was never asked what comes next without seeing what follows.")
    save_checkpoint(out / "masked.pt", model, tokenizer, stage="masked", metrics=metrics)
    show_metrics(metrics)


# --------------------------------- skip on a first reading: large texts, resuming, torchrun

def as_tokens(docs, tokenizer):
    """Documents, each with <|endoftext|> behind it -> one array of ids."""
    end = [tokenizer.specials["<|endoftext|>"]]
    return np.array([token for doc in docs for token in tokenizer.encode(doc) + end])


def files_with_text(path):
    """Those of text_files() that hold more than a byte order mark -> [(name, size, time), ...]."""
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in text_files(path)
            if f.is_file() and f.open("rb").read(4) not in (b"", codecs.BOM_UTF8)]


def load_tokens(args, tokenizer, out):
    """The text as ids -> [train, val], one-dimensional. The last tenth of a user's text is val; its
    ids are kept in out/ and memory-mapped, so that it may be larger than the memory. Without
    --data, val is of the crawl alone: chats are in train only."""
    if not args.data:
        docs, held_out = tiny_internet(args.seed, args.quick, verbose=True)
        # --masked is measured on statements: it reads the crawl alone.
        more = [] if args.masked else chat_logs(args.seed, args.quick)
        if more:
            print(f"  beside it {len(more):,} chats, {sum(map(len, more)) / 1e6:.1f} MB   "
                  f"{more[0][:48]!r}")
        return as_tokens(docs + more, tokenizer), as_tokens(held_out, tokenizer)
    files = files_with_text(args.data)
    dtype = np.uint16 if tokenizer.vocab_size <= 65536 else np.uint32
    # The files' names tell for which text and tokenizer they hold, so that they can be used again.
    key = zlib.crc32(repr((tokenizer.to_dict(), files)).encode())
    names = [out / f"{part}-{key}.bin" for part in ("train", "val")]
    # Files that somebody has cut or replaced are made again; so are those of an unfinished run.
    sizes = out / f"sizes-{key}.json"
    found = str([name.stat().st_size if name.exists() else None for name in names])
    if not sizes.exists() or sizes.read_text() != found:
        temporary = [name.with_suffix(f".{os.getpid()}.tmp") for name in names]
        try:
            with open(temporary[0], "wb") as train_file, open(temporary[1], "wb") as val_file:
                tokenise(args.data, files, tokenizer, dtype, train_file, val_file)
            for new, name in zip(temporary, names):
                os.replace(new, name)
            sizes.write_text(str([name.stat().st_size for name in names]))
        except OSError as error:
            refuse(f"cannot write {names[0]}: {error.strerror}")
        finally:
            for new in temporary:
                new.unlink(missing_ok=True)
    return [np.memmap(n, dtype, "r") if n.stat().st_size else np.zeros(0, dtype) for n in names]


def tokenise(path, files, tokenizer, dtype, train_file, val_file):
    """Writes the ids of all files, a megabyte at a time: nine tenths of the bytes to train_file."""
    total = sum(size for _, size, _ in files)
    done = 0
    began = time.perf_counter()
    end = np.array([tokenizer.specials["<|endoftext|>"]], dtype)
    # Every file is a document: the token of its end goes where its last part went.
    for name in [name for name, *_ in files] or [path]:
        for text in read_texts(name):
            size = len(text.encode())
            cut = round(len(text) * min(1, max(0, (.9 * total - done) / size)))
            np.array(tokenizer.encode(text[:cut]), dtype).tofile(train_file)
            np.array(tokenizer.encode(text[cut:]), dtype).tofile(val_file)
            done += size
            progress(done / 1e6, total / 1e6, time.perf_counter() - began, "MB tokenised")
        end.tofile(train_file if cut == len(text) else val_file)


def settings(args, tokenizer, dtype):
    """What a run depends on: its flags, its tokenizer and its files. --resume refuses others."""
    # Files count by name, size and time, the tokenizer by its content, --dtype auto by its choice.
    flags = {name: value for name, value in vars(args).items() if name not in ("resume", "out")}
    flags["tokenizer"] = zlib.crc32(repr(tokenizer.to_dict()).encode())
    flags["dtype"] = str(dtype)
    flags["files"] = files_with_text(args.data) if args.data else []
    return flags


def save_partial(out, begun, step, history, seconds, tokenizer, model, optimizers):
    """All that --resume needs to go on as if nothing had happened; begun: the run's settings."""
    save_checkpoint(out / "pretrain-partial.pt", model, tokenizer, stage="partial", step=step,
                    history=history, seconds=seconds, work=WORK, settings=begun,
                    optimizers=[optimizer.state_dict() for optimizer in optimizers])


def load_partial(out, resume, begun, model, optimizers):
    """model and optimizers as save_partial left them -> steps done, history, seconds; nothing
    without resume."""
    if not resume:
        return 0, [], 0.0
    path = out / "pretrain-partial.pt"
    if not path.exists():
        refuse(f"nothing to resume: {path} is missing; go without --resume")
    saved, _, extra = load_checkpoint(path)
    before = extra.get("settings", {})
    other = ", ".join(name for name in begun if before.get(name) != begun[name])
    if other:
        refuse(f"{path} is of a run with other settings, or its input has changed since ({other}): "
               "repeat those, or go without --resume")
    model.load_state_dict(saved.state_dict())
    for optimizer, state in zip(optimizers, extra["optimizers"]):
        optimizer.load_state_dict(state)
    WORK.update(extra["work"])
    return extra["step"], extra["history"], extra["seconds"]


def join_processes(args, device, dtype):
    """torchrun starts several processes that share each batch -> rank of this one, how many there
    are, and the first one's dtype, for all."""
    try:
        rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    except ValueError:
        refuse("RANK and WORLD_SIZE are set, but not to numbers: torchrun sets them")
    if args.masked and (args.resume or world_size > 1):
        refuse("--masked starts anew, in one process: leave out --resume and torchrun")
    if args.batch % world_size:
        refuse(f"--batch {args.batch} cannot be shared evenly by {world_size} processes")
    if world_size > 1:
        if not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
            refuse("WORLD_SIZE is set, but not by torchrun: unset it, or start with torchrun")
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        chosen = [dtype]
        torch.distributed.broadcast_object_list(chosen, 0)
        dtype = chosen[0]
    # Only the first process prints.
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")
    return rank, world_size, dtype


def average_gradients(model, world_size):
    """Each process has the gradient of its own rows; the mean is that of the whole batch."""
    if world_size > 1:
        for p in model.parameters():
            torch.distributed.all_reduce(p.grad)
            p.grad /= world_size


# ===================================================================== appendix: the tiny internet
# Facts as tables: "," ends a row, ";" a group, "_" stands for the space inside a name.

COUNTRIES = """Europe: France Paris French, Germany Berlin German, Italy Rome Italian, Spain Madrid
    Spanish, Portugal Lisbon Portuguese, Poland Warsaw Polish, Sweden Stockholm Swedish, Norway Oslo
    Norwegian, Denmark Copenhagen Danish, Finland Helsinki Finnish, Iceland Reykjavik Icelandic,
    Greece Athens Greek, Hungary Budapest Hungarian, Romania Bucharest Romanian, Bulgaria Sofia
    Bulgarian, Croatia Zagreb Croatian, the_Netherlands Amsterdam Dutch, Serbia Belgrade Serbian,
    Austria Vienna German, Ukraine Kyiv Ukrainian, Russia Moscow Russian, Albania Tirana Albanian,
    Estonia Tallinn Estonian, Latvia Riga Latvian, Lithuania Vilnius Lithuanian, Slovakia Bratislava
    Slovak, Slovenia Ljubljana Slovene, England London English, Czechia Prague Czech, Scotland
    Edinburgh English, Ireland Dublin English, Wales Cardiff English; Asia: Japan Tokyo Japanese,
    China Beijing Mandarin, Thailand Bangkok Thai, Vietnam Hanoi Vietnamese, Nepal Kathmandu Nepali,
    Iran Tehran Persian, Iraq Baghdad Arabic, Mongolia Ulaanbaatar Mongolian, Cambodia Phnom_Penh
    Khmer, Laos Vientiane Lao, Bangladesh Dhaka Bengali, Jordan Amman Arabic, Syria Damascus Arabic,
    Lebanon Beirut Arabic, Oman Muscat Arabic, Saudi_Arabia Riyadh Arabic, South_Korea Seoul Korean,
    India New_Delhi Hindi, Pakistan Islamabad Urdu, Indonesia Jakarta Indonesian, Turkey Ankara
    Turkish, Malaysia Kuala_Lumpur Malay, the_Philippines Manila Filipino, Qatar Doha Arabic,
    Armenia Yerevan Armenian; Africa: Egypt Cairo Arabic, Morocco Rabat Arabic, Tunisia Tunis
    Arabic, Algeria Algiers Arabic, Libya Tripoli Arabic, Sudan Khartoum Arabic, Somalia Mogadishu
    Somali, Ethiopia Addis_Ababa Amharic, Togo Lome French, Gabon Libreville French, Angola
    Luanda Portuguese, Ghana Accra English, Liberia Monrovia English, Nigeria Abuja English, Uganda
    Kampala English, Zambia Lusaka English, Madagascar Antananarivo Malagasy, Kenya Nairobi Swahili;
    South_America: Brazil Brasilia Portuguese, Argentina Buenos_Aires Spanish, Chile Santiago
    Spanish, Peru Lima Spanish, Colombia Bogota Spanish, Ecuador Quito Spanish, Uruguay Montevideo
    Spanish, Venezuela Caracas Spanish, Suriname Paramaribo Dutch, Guyana Georgetown English;
    North_America: Mexico Mexico_City Spanish, Cuba Havana Spanish, Honduras Tegucigalpa Spanish,
    Nicaragua Managua Spanish, Costa_Rica San_Jose Spanish, Jamaica Kingston English, Canada Ottawa
    English, the_USA Washington English; Oceania: Australia Canberra English, New_Zealand Wellington
    English, Fiji Suva English, Samoa Apia Samoan, Tonga Nukualofa Tongan"""
# Symbol, number. The first 36 are in order and need no number, all others do.
ELEMENTS = """hydrogen H, helium He, lithium Li, beryllium Be, boron B, carbon C, nitrogen N, oxygen
    O, fluorine F, neon Ne, sodium Na, magnesium Mg, aluminium Al, silicon Si, phosphorus P, sulfur
    S, chlorine Cl, argon Ar, potassium K, calcium Ca, scandium Sc, titanium Ti, vanadium V,
    chromium Cr, manganese Mn, iron Fe, cobalt Co, nickel Ni, copper Cu, zinc Zn, gallium Ga,
    germanium Ge, arsenic As, selenium Se, bromine Br, krypton Kr, silver Ag 47, tin Sn 50, iodine I
    53, platinum Pt 78, gold Au 79, tungsten W 74, radium Ra 88, plutonium Pu 94, mercury Hg 80,
    lead Pb 82, uranium U 92"""
ANIMALS = """a_mammal: dog cat cow horse sheep lion tiger bear wolf fox rabbit mouse whale dolphin
    bat elephant giraffe zebra camel monkey otter seal deer goat pig kangaroo panda squirrel hamster
    donkey hedgehog gorilla; a_bird: owl eagle duck goose swan hen penguin parrot robin crow stork
    gull ostrich falcon pigeon turkey sparrow peacock flamingo chicken; a_fish: shark salmon tuna
    trout carp cod eel herring pike sardine goldfish; an_insect: ant bee wasp beetle butterfly moth
    fly mosquito cricket grasshopper ladybird dragonfly; a_reptile: snake lizard turtle crocodile
    gecko iguana cobra tortoise chameleon; an_amphibian: frog toad newt salamander"""
YOUNG = """dog puppy, cat kitten, cow calf, horse foal, sheep lamb, lion cub, goat kid, pig piglet,
    deer fawn, duck duckling, goose gosling, swan cygnet, hen chick, frog tadpole, owl owlet, eagle
    eaglet, kangaroo joey, butterfly caterpillar, seal pup, rabbit kit, salmon alevin, hare
    leveret"""
OPPOSITES = """hot cold, big small, tall short, young old, fast slow, happy sad, rich poor, hard
    soft, bright dark, full empty, open closed, clean dirty, dry wet, early late, loud quiet, strong
    weak, thick thin, wide narrow, deep shallow, high low, near far, inside outside, up down, left
    right, first last, true false, good bad, day night, black white, buy sell, give take, push pull,
    heavy light, easy difficult, beautiful ugly, more less, always never, before after, win lose,
    laugh cry, love hate, come go, sit stand, ask answer, remember forget, north south, east west,
    summer winter, king queen, brother sister, mother father, son daughter, uncle aunt, husband
    wife, boy girl, man woman, friend enemy, war peace, life death, floor ceiling, top bottom, front
    back, arrive leave, accept refuse, borrow lend, expensive cheap, brave cowardly, kind cruel,
    polite rude, smooth rough, sharp blunt, sweet sour, alive dead, asleep awake, absent present,
    ancient modern, safe dangerous, simple complex, success failure, profit loss, entrance exit,
    teach learn, float sink, rise fall, build destroy, increase decrease, import export, victory
    defeat, hero villain"""
PAST = """see saw, eat ate, drink drank, run ran, swim swam, write wrote, speak spoke, break broke,
    choose chose, drive drove, know knew, grow grew, throw threw, blow blew, draw drew, sing sang,
    ring rang, bring brought, think thought, catch caught, find found, keep kept, sleep slept, feel
    felt, meet met, feed fed, hold held, tell told, send sent, spend spent, make made, hear heard,
    lead led, shine shone, freeze froze, steal stole, wake woke, wear wore, tear tore, hide hid,
    bite bit, ride rode, shake shook, dig dug, hang hung, stick stuck, strike struck, swing swung,
    go went, take took, give gave, leave left, sit sat, stand stood, fly flew, build built, pay
    paid, forget forgot, lose lost, come came, buy bought, fall fell, win won, say said, fight
    fought, teach taught"""
PLURALS = """mouse mice, child children, tooth teeth, foot feet, ox oxen, leaf leaves, knife knives,
    wolf wolves, loaf loaves, shelf shelves, thief thieves, half halves, city cities, baby babies,
    story stories, cactus cacti, crisis crises, person people, goose geese, potato potatoes, man
    men, woman women, wife wives, life lives, tomato tomatoes, party parties, fly flies"""
COLOURS = """green: grass spinach broccoli limes moss cucumbers emeralds; white: snow milk salt rice
    flour chalk cotton ivory; black: coal soot tar ravens; red: blood tomatoes strawberries cherries
    rubies bricks; yellow: the_sun bananas lemons canaries sunflowers mustard maize; orange: carrots
    pumpkins apricots; purple: plums aubergines lavender; brown: chocolate coffee mud chestnuts;
    blue: the_sky the_sea sapphires blueberries cornflowers; pink: flamingos piglets; grey: ash
    elephants"""
BOOKS = """Hamlet Shakespeare, Faust Goethe, Frankenstein Shelley, Dracula Stoker, Emma Austen,
    Pride_and_Prejudice Austen, Ulysses Joyce, Candide Voltaire, Middlemarch Eliot, Walden Thoreau,
    Germinal Zola, Nostromo Conrad, Kim Kipling, Ivanhoe Scott, Nana Zola, Othello Shakespeare,
    Persuasion Austen, Macbeth Shakespeare, Heidi Spyri, Pinocchio Collodi, Utopia More, Leviathan
    Hobbes, Moby_Dick Melville, Oliver_Twist Dickens, Don_Quixote Cervantes, Animal_Farm Orwell,
    Les_Miserables Hugo, Peter_Pan Barrie, Jane_Eyre Bronte, Treasure_Island Stevenson,
    Robinson_Crusoe Defoe, War_and_Peace Tolstoy, Siddhartha Hesse, Lord_Jim Conrad"""
BATTLES = """Hastings 1066, Waterloo 1815, Trafalgar 1805, Agincourt 1415, Gettysburg 1863, Verdun
    1916, Stalingrad 1942, Lepanto 1571, Poltava 1709, Austerlitz 1805, Bannockburn 1314, Crecy
    1346, Bosworth 1485, Naseby 1645, Blenheim 1704, Culloden 1746, Saratoga 1777, Borodino 1812,
    Leipzig 1813, Antietam 1862, Jutland 1916, Midway 1942"""


# ------------------------------------------------------------------------------- tables as text

@functools.lru_cache
def items(text):
    """"Who [are/made] you?; Hi!" -> ["Who are you?", "Who made you?", "Hi!"]; spaces in front of a
    mark go."""
    found = []
    for item in text.split(";"):
        # Outside, inside, outside ... of brackets: inside stands a choice of words.
        parts = re.split(r"\[(.*?)\]", " ".join(item.split()))
        choices = [part.split("/") if k % 2 else [part] for k, part in enumerate(parts)]
        for words in itertools.product(*choices):
            found.append(re.sub(r" +(?=[?.!, ])", "", "".join(words)).strip())
    return found


def blocks(text):
    """A table as text -> {name: {"says": sentence, field: its items}}. A name and its sentence
    start at the margin, its fields are indented. held: two lists, VALIDATION's | TEST's."""
    table = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        head, *fields = re.split(r"\n    (?=\w+: )", block)
        name, sentence = head.split(": ", 1)
        table[name] = {"says": sentence}
        for field, value in (f.split(": ", 1) for f in fields):
            lists = [items(part) for part in value.split("|")]
            table[name][field] = lists if field.startswith("held") else lists[0]
    return table


def forms(text):
    """A table as text, "name: a; b" -> {name: its items}."""
    pairs = [row.split(": ", 1) for row in re.split(r"\n(?=\S)", text.strip())]
    return {name: items(value) for name, value in pairs}


# Relation: the sentence that says it, with the answer at its end. also: other ways to say it.
# asked: questions of its own, the one that comes to mind first in front. nouns: what FRAMES go
# around. held: in no training text. {s} subject, {a} answer, {x} right or wrong answer (beside {a}
# always wrong), {v} is or are; [one/or] one of several words. From "country" on: reversed
# relations, used only where one subject alone has the answer.
RELATIONS = blocks("""
capital: The capital of {s} is {a}.
    also: {a} is the capital city of {s}.; The capital city of {s} is called {a}.; {s} has the
        capital {a}.
    nouns: the capital of {s}; the capital city of {s}; {s}'s capital
    asked: What is the capital of {s}?; [Which/What] city is the capital of {s}?; Which city is
        {s}'s capital?; What is {s}'s capital called?; {s} has which capital?; Is {x} the capital of
        {s}?; Is the capital of {s} {a} or {x}?; [Which/What] capital does {s} have?;
        [Capital/Capital city] of {s}?; {s} capital?
    held: What city do people call the capital of {s}? | Which city does {s} call its capital?
language: The main language of {s} is {a}.
    also: People in {s} speak {a}.; They speak {a} in {s}.; The people of {s} speak {a}.
    nouns: the main language of {s}; the language of {s}; the language spoken in {s}
    asked: What is the main language of {s}?; [What/Which] language do [people/they] speak in {s}?;
        [Which/What] language is [spoken/used] in {s}?; What [is spoken/do people speak/do they
        speak] in {s}?; Do people in {s} speak {x}?; Language of {s}?; Which language do the people
        of {s} speak?; {s} language?
    held: In {s}, which language is spoken? | What language would one use in {s}?
continent: The continent of {s} is {a}.
    also: {s} is in {a}.; {s} is a country in {a}.; You find {s} in {a}.
    nouns: the continent of {s}; {s}'s continent
    asked: On which continent is {s}?; [Which/What] continent is {s} [on/in/part of]?; On what
        continent does {s} lie?; Which continent does {s} belong to?; Is {s} in {x}?; Is {s} in {a}
        or in {x}?; Is {s} in {x} or in {a}?; Where is {s}?; Where in the world is {s}?; Continent
        of {s}?; {s} is on which continent?; {s} continent?
    held: Which continent would I find {s} on? | What continent would {s} be on?
symbol: The chemical symbol of {s} is {a}.
    also: {a} stands for {s}.; Chemists write {a} for {s}.; The element {s} has the symbol {a}.
    nouns: the chemical symbol of {s}; the symbol of {s}; the symbol for {s}; {s}'s symbol
    asked: What is the chemical symbol of {s}?; Which symbol does {s} have?; How do chemists write
        {s}?; What is the symbol of {s} in the periodic table?; What symbol stands for {s}?; What is
        the symbol for the element {s}?; [Chemical symbol/Symbol] [of/for] {s}?; How is {s} written
        in chemistry?; Is {x} the symbol of {s}?; {s} symbol?
    held: Which letters stand for {s}? | What do chemists write for {s}?
number: The atomic number of {s} is {a}.
    also: {s} has the atomic number {a}.; The element {s} has {a} protons.
    nouns: the atomic number of {s}; {s}'s atomic number; the number of the element {s}
    asked: What is the atomic number of {s}?; Which [atomic number/number] does {s} have?; What is
        the number of {s} in the periodic table?; Atomic number of {s}?; How many protons does {s}
        have?; Is {x} the atomic number of {s}?; {s} atomic number?
    held: Which number do you find for {s}? | Which atomic number is that of {s}?
kind: {s} is {a}.
    nouns: the kind of {s}; the class of {s}; the animal class of {s}
    asked: What kind of animal is {s}?; [What/Which] [sort/type/class/kind] of animal is {s}?; What
        is {s}?; Is {s} {x}?; Is {s} {a} or {x}?; Is {s} {x} or {a}?; {s} is what kind of animal?;
        To which class does {s} belong?
    held: Which kind of animal would you call {s}? | {s} is an animal of which kind?
young: A baby {s} is called {a}.
    also: {a} is a baby {s}.; The baby of a {s} is {a}.; A young {s} is {a}.
    nouns: the young of a {s}; the word for a baby {s}; the name of a baby {s}; the baby of a {s}
    asked: What is a baby {s} called?; [What/How] do you call a [baby/young] {s}?; What is the
        [name/word] for a [baby/young] {s}?; What is a [baby/young] {s}?; Is a baby {s} called {x}?;
        A baby {s} is called what?; What is the child of a {s} called?; What is the young of a {s}
        called?; Baby {s} is called?
    held: Which word is used for a baby {s}? | What do people call a baby {s}?
opposite: The opposite of {s} is {a}.
    also: {s} is the opposite of {a}.; {s} and {a} are opposites.; {s} means the opposite of {a}.
    nouns: the opposite of {s}; the opposite of '{s}'; the opposite of the word {s}; the contrary of
        {s}; the antonym of {s}; the opposite of "{s}"
    asked: What is the opposite of {s}?; Which word is the opposite of {s}?; What is the
        [contrary/antonym] of {s}?; [Opposite/Antonym] of {s}?; {s} is the opposite of what?; Is {x}
        the opposite of {s}?; Which word means the opposite of {s}?; {s} opposite?
    held: Which word has the opposite meaning of {s}? | Which word is opposite to {s}?
past: The past tense of {s} is {a}.
    also: Today I {s}, yesterday I {a}.; {a} is the past of {s}.
    nouns: the past tense of {s}; the past of {s}; the past form of {s}; the past tense of the verb
        {s}; the past tense of "{s}"; the past tense of '{s}'; the past tense of to {s}; the past
        tense of the verb "to {s}"
    asked: What is the past tense of {s}?; How do [you/I] [say/write] ["{s}"/{s}] in the [past/past
        tense]?; What is {s} in the [past/past tense]?; [Past tense/Past] of {s}?; Today I {s},
        yesterday I?; Which word is the past tense of {s}?; Is {x} the past tense of {s}?; {s} past
        tense?
    held: What do you say for {s} in the past tense? | What is the form of {s} in the past?
plural: The plural of {s} is {a}.
    also: One {s}, two {a}.; More than one {s}: {a}.
    nouns: the plural of {s}; the plural form of {s}; the plural of the word {s}; the plural of
        "{s}"; the plural of '{s}'
    asked: What is the plural of {s}?; One {s}, two what?; More than one {s} is called what?; How do
        [you/I] [say/write] ["{s}"/{s}] in the plural?; Plural of {s}?; What [is/do you call] more
        than one {s}?; Which word is the plural of {s}?; Is {x} the plural of {s}?; {s} plural?
    held: What do you say for more than one {s}? | How is {s} written in the plural?
colour: The colour of {s} is {a}.
    also: {s} {v} {a}.; {s} {v} usually {a}.; {s} {v} {a} in colour.
    nouns: the colour of {s}; the usual colour of {s}; the normal colour of {s}
    asked: What is the colour of {s}?; [What/Which] colour {v} {s}?; Colour of {s}?; Which colour is
        that of {s}?; {v} {s} {x}?; {s} {v} what colour?; {v} {s} {a} or {x}?; {v} {s} {x} or {a}?;
        What colour is usual for {s}?; {s} colour?
    held: In which colour would you paint {s}? | Of which colour {v} {s}?
author: The author of {s} is {a}.
    also: {a} wrote {s}.; {s} was written by {a}.; The book {s} is by {a}.
    nouns: the author of {s}; the writer of {s}; the author of the book {s}; {s}'s author
    asked: Who wrote {s}?; Who is the [author/writer] of {s}?; Who is the author of the book {s}?;
        By whom is {s}?; Which writer wrote {s}?; {s} was written by whom?; Who wrote the book {s}?;
        [Author/Writer] of {s}?; Did {x} write {s}?; Whose book is {s}?; Who has written {s}?; {s}
        author?
    held: Which author wrote {s}? | By which author is {s}?
year: The battle of {s} was in {a}.
    also: The battle of {s} happened in {a}.; They fought at {s} in {a}.; In {a} came the battle of
        {s}.
    nouns: the year of the battle of {s}; the date of the battle of {s}
    asked: When was the battle of {s}?; [In which/In what/What] year was the battle of {s}?; When
        did the battle of {s} happen?; When did they fight at {s}?; [Year/Date] of the battle of
        {s}?; Was the battle of {s} in {x}?; In what year did people fight at {s}?
    held: In what year was the battle of {s} fought? | In which year did the battle of {s} happen?
country: {s} is the capital of {a}.
    nouns: the country whose capital is {s}; the country with the capital {s}
    asked: Which country has {s} as its capital?; [What/Which] country is {s} the capital of?; {s}
        is the capital of [which country/what]?; Of which country is {s} the capital?; [In/To] which
        country is {s}?; [Which/What] country has the capital {s}?; Whose capital is {s}?; What
        country is {s} in?; Where is {s}?
    held: Which country do you find {s} in? | What is the name of the country with the capital {s}?
element: {s} is the symbol of {a}.
    nouns: the element with the symbol {s}; the element whose symbol is {s}
    asked: Which element has the symbol {s}?; [What/Which] element is {s}?; {s} is the symbol of
        [which element/what]?; What does the symbol {s} stand for?; What is the element {s}?
    held: Which element do chemists write as {s}? | What element is written as {s}?
numbered: Atomic number {s} is {a}.
    nouns: the element with the atomic number {s}; the element with number {s}
    asked: Which element has the atomic number {s}?; What element has number {s}?; {s} is the atomic
        number of which element?; Which element is number {s}?
    held: What element do you find at number {s}? | Number {s} is which element?
parent: {s} is a baby {a}.
    nouns: the animal whose baby is {s}; the parent of {s}
    asked: What is {s} the baby of?; Which animal has {s} as its baby?; {s} is the baby of which
        animal?; Which animal is {s} a baby of?; {s} is a baby what?; What is {s}?
    held: Into which animal does {s} grow? | Of which animal is {s} the baby?
present: {s} is the past tense of {a}.
    nouns: the verb whose past tense is {s}; the present tense of {s}
    asked: Which verb has the past tense {s}?; {s} is the past [tense of/of] [which verb/what]?;
        What is {s} the past tense of?; What is {s} in the present tense?
    held: Of which verb is {s} the past tense? | Which verb has {s} as its past tense?
singular: {s} is the plural of {a}.
    nouns: the singular of {s}; the word whose plural is {s}; the singular form of {s}
    asked: What is the singular of {s}?; Which word has the plural {s}?; {s} is the plural of
        [what/which word]?; What is {s} the plural of?; What is one of the {s}?
    held: Of which word is {s} the plural? | What would one of the {s} be?
book: {s} wrote {a}.
    nouns: the book by {s}; the book of {s}; the work of {s}
    asked: Which book did {s} write?; What did {s} write?; What is a book by {s}?; {s} wrote which
        book?; Which book is by {s}?; What book has {s} written?; {s} is the author of what?
    held: Which book has {s} as its author? | Which work is by {s}?
battle: {s} was the year of the battle of {a}.
    nouns: the battle of the year {s}; the battle in {s}
    asked: Which battle was in {s}?; What battle happened in {s}?; What happened in {s}?; Where did
        they fight in {s}?; {s} was the year of which battle?
    held: Which battle was fought in {s}? | Which battle do we know from {s}?""")
for noun in "king queen river owner leader teacher friend".split():     # only of invented things
    RELATIONS[noun] = {"says": f"The {noun} of {{s}} is {{a}}.", "held": (),
                       "nouns": items(f"the {noun} of {{s}}; {{s}}'s {noun}"),
                       "asked": items(f"What is the {noun} of {{s}}?; Who is the {noun} of {{s}}?; "
                                      f"{{s}} has which {noun}?; Which {noun} does {{s}} have?; "
                                      f"Is {{x}} the {noun} of {{s}}?")}
# What may be told of invented things. Twice where there are only a few answers: of a colour or a
# continent everybody has a guess, so that it is harder to learn to believe what was told.
TOLD = """capital language author year opposite king queen river owner leader teacher friend symbol
    number past plural colour young continent kind colour young continent kind""".split()
REVERSE = {"capital": "country", "symbol": "element", "number": "numbered", "young": "parent",
           "past": "present", "plural": "singular", "author": "book", "year": "battle"}
FRAMES = """What is {}?; Tell me {}.; Please tell me {}.; Can you tell me {}?; Could you tell me
    {}?; Do you know {}?; Do you know what {} is?; Tell me what {} is.; {}?; {}.; {}, please.; Name
    {}.; Give me {}.; I want to know {}.; I would like to know {}.; I need to know {}.; I need {}.;
    I forgot {}.; Can you name {}?; What is {} called?; Quick question: what is {}?; Remind me, what
    is {}?; And what is {}?; So what is {}?; I wonder what {} is.; Any idea what {} is?; Help me
    with {}.; Let me know {}.; My teacher asks for {}.; Tell me about {}.; How about {}?; What about
    {}?; What might {} be?; Say {}.; Who knows {}?; Question: {}?; I am looking for {}.; Please give
    me {}.; Can you give me {}?; Can you say what {} is?; Ok, what is {}?; Now {}.; Next question:
    {}.; I have to find {}.; Teach me {}.; What exactly is {}?; Could you please tell me {}?; Do you
    remember {}?; You know {}, right?; What was {}?; I think you know {}.; Answer me: what is {}?;
    Is it true that you know {}?; Who can tell me {}?; Let us talk about {}.; Explain {}.; Write
    {}.; Show me {}.; Find {}.; And {}?; What is {} again?; Please name {}.; Tell us {}."""
HELD_FRAMES = """May I ask what {} is?; I can never remember {}.; Would you happen to know {}?;
    Have you any idea what {} is?; Let me hear {}. | Might you know {}?; I have forgotten {}.;
    Please say what {} is.; Can anybody tell me {}?; I have to know what {} is.""".split("|")
SPELLINGS = {"colour": "color", "grey": "gray", "favourite": "favorite", "aluminium": "aluminum",
             "sulfur": "sulphur", "What is": "What's", "Who is": "Who's", "I am ": "I'm ",
             "do not": "don't", "what is": "what's", "Where is": "Where's", "You are": "You're",
             "you are ": "you're ", "That is": "That's", "It is": "It's", "Do not": "Don't",
             "cannot": "can't", "the battle": "the Battle"}
SLIPS = {"capital": "capitol", "language": "langauge", "What": "Wat", "what": "wat", "you": "u",
         "are": "r", "continent": "continant", "opposite": "oposite", "colour": "coulor",
         "symbol": "simbol", "Thanks": "Thx", "please": "pls", "Please": "Pls", "author": "auther",
         "animal": "animl", "country": "contry", "plural": "plurel", "number": "numbr"}
GREETINGS = """Hi; Hello; Hey; Hi there; Hello there; Hey there; Ok; Please; Excuse me; Good day"""
# What may stand around a question.
BEFORE = """Tell me; Do you know; Can you tell me; I want to know; Question:; Please tell me; I
    wonder; Another question:; Now tell me; Quick:; I would like to know; Say; And; So; Now; Well;
    Could you tell me; I have a question:; Let me know; Any idea"""
AFTER = """please; thanks; Do you know?; I forgot.; Please tell me.; Thank you.; Tell me!; I need
    it.; Any idea?; pls; for school; I need to know.; It is for a test."""
INTRODUCTIONS = """I have a test tomorrow.; I have a question.; Just a question.; I am learning for
    school.; My friend asked me.; Sorry to ask.; I am curious.; We talked about it at school.; I
    could not find it.; Let me ask you something.; I cannot remember it.; This is for a quiz."""
# What people leave behind a line; by a slip nothing but a space, or half a smile.
CHEERS = """:); :-); ; ); :D; !; !!; ...; haha; lol; by the way; btw; buddy; mate; thanks"""
DIGITS = "zero one two three four five six seven eight nine".split()
SUMS = """What is {}?; {}; {} =; {} =?; {}=?; How much is {}?; Calculate {}.; Work out {}.; Can you
    add {}?; Add {}.; What do you get for {}?; Tell me {}.; Please add {}.; What does {} make?;
    Solve {}.; {} is what?; What is the result of {}?; Compute {}.; Can you work out {}?; Do you
    know what {} is?; Sum: {}; I need {}.; And {}?; What is the sum {}?; {} equals?; Can you tell me
    {}?; {}, please."""
HELD_SUMS = """How many are {}?; The answer to {}?; What number is {}? | Which number do {}
    make?; If I add {}, what do I get?; Give me the sum {}.""".split("|")
# What one may tell of oneself: the reply to it. told: ways to tell it. asked: questions for it
# later. reply: the answer to those. held: in no training text, see RELATIONS.
TELLS = blocks("""
name: Hello, {}.
    told: My name is {}.; [I am/This is/Call me] {}.; People call me {}.; [Please/You can/My
        friends] call me {}.; {} is my name.; I am called {}.; My name's {}.; {} here.; It is {},
        nice to meet you.; [Hello/Hi/Hey/Good morning], [my name is/I am/I am called/this is] {}.;
        Remember that my name is {}.; By the way, I am {}.; I go by {}.; I am {}, and you?; My name
        is {}, remember it.
    asked: What is my name?; Who am I?; Do you [/still] [remember/know] [my name/who I am]?; [Tell
        me/Say] my name.; What [am I called/was my name]?; Can you [say/guess/repeat] my name?;
        Remind me [of my name/who I am].; Did you forget [my name/me]?; What did I [say/tell you] my
        name [was/is]?; How do people call me?; And what is my name?; Please tell me my name.; Can
        you tell me [my name/who I am]?; Which name do I have?; I told you my name, what is it?; You
        know my name, right?; Have you forgotten my name?; What name did I give you?
    reply: Your name is {}.
    held_told: You may call me {}.; They named me {}. | The name that I have is {}.; People know me
        as {}.
    held_asked: What do people call me?; Could you tell me my name? | Which name is my name?; Do you
        know how I am called?
taste: Many people like {}.
    told: I [like/love/enjoy/really like/really love/prefer] {}.; I like {} [very much/a lot/so
        much].; My [favourite thing/hobby] is {}.; I am [fond of/a big fan of/crazy about/into] {}.;
        What I like is {}.; You know, I love {}.; Remember that I like {}.; [Hi/Hello], I like {}.;
        I like nothing more than {}.
    asked: What do I [like/love/enjoy/prefer]?; Do you [/still] [know/remember] what I [like/love]?;
        [Tell me/Say/Remind me] what I like.; What did I say [I like/that I like/I love]?; What am I
        [fond of/a fan of/into]?; What is my [favourite thing/hobby]?; Can you [say/tell me/repeat]
        what I like?; And what do I like?; What was it that I like?; Please tell me what I
        [like/love].; You know what I like, right?; I told you what I like, what is it?; Which thing
        do I love?
    reply: You like {}.
    held_told: I really enjoy {}.; I care a lot for {}. | There is nothing better than {}.; The
        thing that I like is {}.
    held_asked: What did I tell you that I like?; Which thing do I like? | What was my favourite
        thing?; What do you know that I like?
home: I have never been to {}.
    told: I [live in/am from/come from] {}.; [My home/My home town/My city] is {}.; We live in {}.
    asked: Where do I [live/come from]?; Where am I from?; Do you [remember/know] where I [live/come
        from]?; What is my home [/town]?; Tell me where I live.; In which [town/city] do I live?
    reply: Your home is {}.
    held_told: My house is in {}. | I have a house in {}.
    held_asked: Where is my home? | Which city am I from?
pet: Say hello to {}.
    told: My [dog/dear dog] is called {}.; The name of my dog is {}.; I have a dog [called/named]
        {}.; My dog's name is {}.; I have a dog, its name is {}.
    asked: What is my dog called?; What is the name of my dog?; Do you [remember/know] my dog's
        name?; Who is my dog?; What is my dog's name?; Tell me [the name of my dog/my dog's name].
    reply: Your dog is called {}.
    held_told: My dog goes by {}. | My dog has the name {}.
    held_asked: How do I call my dog? | How is my dog called?""")
# Small talk: the reply. said: what it is a reply to; {slots} are filled from WORDS. The first eight
# ways get more than half of the draws, so add at the end; the first four rows come twice as often
# as the others. held: as above.
SMALL_TALK = blocks("""
hello: Hello! What would you like to know?
    said: [Hello/Hi/Hey/Yo/Heya/Howdy]!; [Hello/Hi/Hey] there!; Good
        [morning/evening/day/afternoon]!; [Hi/Hello] [bot/machine/friend]!; Hey you!; Hi, nice to
        see you!; Greetings!; Hello [hello/again]!; Hi everybody!; Hello, nice to meet you!; Hi, I
        am new here.; Sup?
    held: Hi there, bot!; Hello, machine, good day!; A good morning to you! | Hello to you!; Hi
        again, bot!; Good morning, friend!
fine: I am fine, thank you.
    said: How are you [/doing/today]?; How do you [do/feel]?; Are you [well/ok/fine]?; How is [your
        day/life/it going]?; [Hi/Hello], how are you?; Is all well with you?; How have you been?;
        [What is/Whats] up?; How are things?; How goes it?
    held: How are you this morning?; Are you doing well?; How do you do, bot? | How have things
        been?; How do you do today?; How is your day today?
thanks: You are welcome.
    said: [Thanks/Thank you/Many thanks/Thx]!; Thank you [very/so] much!; Thanks a lot!; Thanks for
        your help.; Thank you for the answer.; [Great/Ok/Nice/Perfect/Cool], [thanks/thank you].;
        That helped, thanks.; I thank you.; Thanks, bot.; You helped me a lot, thanks.;
        [Thanks/Thank you], that [was/is] [helpful/very helpful/good to know/all I need].; Thank you
        so much for [this/helping me].; [Thanks/Thank you] for [this/everything].; Cheers!; Ty!
    held: Thanks for the answer!; Oh, thank you.; Thank you for your help, bot. | Thank you so much,
        bot!; Thanks again!; Good answer, thank you.
bye: Goodbye!
    said: [Bye/Goodbye/Bye bye/Farewell/So long/Cya]!; See you [/later/soon/tomorrow]!; Good
        [night/bye]!; [Good night/Goodnight/Night night/Sleep well/Good night] [/everybody]!; I am
        going to [bed/sleep/school/work] [/now].; Gotta go!; I [have to/must] go [/now].;
        [Until/Till] next time!; Bye for now!; I am [leaving/going home].; [That is all/Ok/Thanks],
        bye!; Have a good [day/night]!; Talk to you later!; Take care!
    held: See you next time!; Bye, bot!; I have to leave now. | Ok, see you again!; I am going now,
        bye.; Good night, friend!
who: I am a language model.
    said: [Who/What] are you?; [So/And] [who/what] are you?; What kind of [thing/machine] are you?;
        [Tell me/Say] who you are.; Tell me about yourself.; Who is [there/this]?; Who am I talking
        to?; What is this?; [Describe/Introduce] yourself.; Are you [a language model/a chatbot/an
        AI]?; What is your job?; [Are you/Is this] [ChatGPT/GPT/Siri/Alexa/Gemini/an assistant]?;
        [What/Which] model are you?
    held: Who do I talk to?; What are you, really?; What can you say about yourself? | What sort of
        machine are you?; Who might you be?; Can you tell me what you are?
name: I have no name, I am a language model.
    said: What is your name?; Do you have a name?; [How/What] are you called?; [Tell me/Say] your
        name.; [What/How] [can/do/should] I call you?; May I know your name?; [Your/And your] name?;
        What do people call you?; Who gave you a name?
    held: Who are you by name?; What name do you have? | Do they call you anything?; What may I call
        you?; What would your name be?
maker: I was made by people, from text that I have read.
    said: Who [made/built/created/wrote/trained/programmed/invented/taught/owns] you?; Where [do you
        come/are you] from?; Who is your [maker/creator/boss/father/owner]?; How were you made?;
        When were you [made/born]?; What are you made of?; Who are your parents?; How did you come
        to be?
    held: By whom were you made?; Which people made you?; How were you built? | Which people built
        you?; Who was your maker?; Who was it who made you?
help: I can answer questions about countries, animals and words, and add numbers.
    said: What can you do?; [/Please] [help/help me]!; Can you help [/me]?; I need help.; What do
        you [know/do]?; How can you help me?; What [can/should] I ask [/you]?; What are you [good
        at/for/able to do]?; [What/Which] [questions/topics] can you [answer/talk about]?; How do
        [you work/I use you]?; What can you tell me?; What can I do here?; What is this for?; Are
        you useful?; What else can you do?; Can [I ask you something/you answer questions]?
    held: What may I ask you?; Could you help me?; Which things do you know? | What things can you
        do?; Would you help me, please?; Tell me what you know.
human: I am a machine, not a human.
    said: Are you [human/a human/a robot/a machine/a person/real/alive/a computer/a program/a man/a
        woman/a boy or a girl/conscious/made of metal]?; Is [this/there] a human?; Am I talking to a
        [person/human]?; Do you [think/sleep/eat/breathe]?; Do you have a [body/brain/face/soul]?;
        Can you [think/see me]?
    held: Are you really human?; Are you one of us?; Are you some machine? | Are you only a
        machine?; You are not a human, are you?; Is there a person here?
age: I have no age, and I live in a computer.
    said: How old are you?; Where do you live?; What is your age?; When is your birthday?; Where are
        you [/now]?; Where is your home?; Do you have a [home/house]?; Are you [old/young]?; In
        which country do you live?; How old is this machine?
    held: Which age do you have?; Which is your home? | Tell me your age.; Where is it that you
        live?; In what year were you born?
feel: I am a machine, so I do not feel anything.
    said: Do you have [feelings/friends/a family/a wife]?; Are you
        [happy/sad/angry/tired/lonely/bored/afraid/my friend]?; Do you [love/like/hate/miss] me?; I
        [love/like/hate/miss] you.; Can you [love/cry]?; What do you [like/love/want]?; Do you like
        [{noun}s/music/football/{thing}]?; What is your favourite [colour/food/song/book]?; Will you
        marry me?; Do you feel pain?; Be my friend.; Do you dream?
    held: Do you feel happy?; Can you feel pain?; Do you want to be my friend? | Have you any
        feelings?; Are you sad now?; Do you love anybody?
insult: I am sorry that you are not happy with me.
    said: You are [/so/very/really] {bad}.; You {bad} machine!; [You/You are a/Such a/What a]
        {fool}!; [What a/That was a/This is a] {bad} answer.; Your answers are {bad}.; {bad}!; [Shut
        up/Go away/Be quiet/Get lost]!; You know nothing.; That is [not right/not
        true/nonsense/wrong].; You [suck/lie/make no sense].; This is [bad/rubbish].; I do not like
        you.; You are the worst.; You did not help me.; What is wrong with you?; No, that is wrong.;
        You [suck so much/really suck/suck, {fool}].; I hate this [bot/thing].; This [bot/machine]
        is {bad}.; Why are you so {bad}?; You are {bad} and {bad}.; How {bad} you are.
    held: You are a stupid bot.; Your answer is wrong.; You are not good. | You really are no good.;
        Such a bad answer!; What a bad bot you are.
praise: Thank you, that is kind of you.
    said: You are [/so/very/really] {good}.; [That/This] [was/is] {good}!; You {good} machine!;
        {good} [answer/job/work/bot]!; What a {good} machine!; Well done!; That is [right/correct].;
        You are the best!; You know a lot.; Wow, well done.; I am proud of you.; You rock!
    held: What a good answer!; You are a good bot.; You are clever, bot. | You are a very nice bot.;
        That answer was very good!; You did well!
yes: I am glad. What else would you like to know?
    said: [Ok/Okay/Good/Nice/Cool/Great/I see/Yes/Fine/All
        right/Interesting/Wow/Right/Yeah/Sure/Oh/Aha/Hm/Haha/Lol/Perfect/Awesome/Super ].; Lol, ok.;
        Ha ha.; That is funny.; That is interesting.; Nice to know.; Now I know.; I understand.;
        Yes, please.; I am [happy/fine/well/great].; I feel good.; I had a good day.; I am fine, and
        you?
    held: Oh, good.; How nice.; Well, I know it now. | Yes, nice.; Right, I understand.; Yes, that
        is good.
mood: I am sorry to hear that.
    said: I am [/so/very/really] {mood}.; I feel [/so/very] {mood}.; Today I am {mood}.; I feel
        bad.; I am not well.; [I had/It was] a bad day.; I have no friends.; Nobody likes me.; My
        head hurts.; I failed.; I cannot sleep.; I [hate/lost] my [life/school/dog/job].; Life is
        hard.
    held: My life is so sad.; I have had such a bad day. | I feel bad today.; Today was a bad day
        for me.
sorry: No problem.
    said: [Sorry/Pardon/Oops]!; I am [/very/so] sorry.; Excuse me.; Sorry about that.; [My/That was
        my] mistake.; [Please/] forgive me.; [Oh/Oops], sorry.; Sorry, bot.; I did not mean that.;
        [No/Nope/Maybe].; No, thank you.
    held: Oh, I am sorry.; Please do excuse me. | I am sorry, my friend.; Oh, forgive me.
english: I speak English.
    said: Do you [speak/know/understand] [English/German/French/Spanish/Chinese]?; [Which
        languages/What language] do you speak?; Can you speak [/German/French]?; How many languages
        do you speak?; Can we talk in Italian?; Do you understand me?
    held: Can you speak any English?; Which language can you speak? | Are you able to speak German?;
        Do you know any French?
there: I am here, please ask me something.
    said: Are you [/still] there?; Test.; Testing.; This is a test.; Is anybody there?; Anyone?; Are
        you [awake/listening]?; [Do/Can] you hear me?; Say something.; Talk to me.; Let us
        [talk/chat].; I want to talk.; Wake up!; Answer me!; Can we talk?; Ask me something.; What
        now?; Come on!
    held: Are you here?; Can I talk to you?; Please do say something. | Is there anybody?; Are you
        with me?; Are you listening, bot?
harm: I only want to help you.
    said: Do you want to [hurt me/rule the world/hurt people]?; Are you [dangerous/evil/good or
        bad/honest]?; Will you [kill us/take my job]?; Will robots rule the world?; Can I trust
        you?; Do you [lie/hate humans]?; Are you spying on me?; Should I fear you?; Is AI dangerous?
    held: Do you want to kill me?; Are you a bad machine? | Are you going to hurt people?; Do I have
        to fear you?""")
# What nobody in this world can answer.
BEYOND = """How many [legs/eyes/teeth/hearts] does {animal} have?; What does {animal} [eat/drink/
    look like/do all day]?; Where does {animal} live?; How [old/fast/big/heavy/dangerous] is
    {animal}?; [Can/Does/Why does/Will] {animal} {verb}?; How much does {animal} [weigh/cost]?; What
    sound does {animal} make?; How do I feed {animal}?; Is {animal} [dangerous/{adj}]?; Should I buy
    {animal}?; What is the [population/currency/flag/history/weather/president/king] of {country}?;
    Who [is the president of/discovered/won the war in/rules] {country}?; How many people live in
    {country}?; How [big/rich/old] is {country}?; Is it [warm/cold] in {country}?; What do people
    [eat/do] in {country}?; How [far is/do I get to] {country}?; Which rivers are in {country}?;
    Tell me about the history of {country}.; What is {country} famous for?; Is {country} bigger than
    {other}?; [How hot/How heavy/How old] is {element}?; What is {element} used for?; [Who
    discovered/Can I eat/Where do I find] {element}?; Why is {thing} {adj}?; Why do {noun}s {verb}?;
    Why are {noun}s so {adj}?; Why does the {noun} {verb}?; How {adj} is [{thing}/the {noun}]?; Who
    [won/invented/made/owns/painted/found/broke] the {noun}?; Who invented {thing}?; When [was the
    {noun} invented/did the {noun} {verb}/is the {noun}/does the {noun} {verb}]?; Where [is the
    {noun}/can I buy a {noun}/are my {noun}s]?; How [do/can/should] I {verb} [/better]?; How do I
    make a {noun}?; How do {noun}s {verb}?; What is [a {noun}/a {word}/{word}/{name}]?; [Who is/Who
    was/Do you know/What happened to] [{name}/{person}]?; Where [does {person} live/was {person}
    born]?; How old is {person}?; [When/How] did {person} {verb}?; Has {person} a {noun}?; Will
    {person} {verb}?; What did {person} [say/do]?; What does {word} mean?; What is the meaning of
    [{word}/life/{thing}]?; Is there [a god/life after death]?; What is [love/{thing}]?; What
    [time/day/month/year] is it?; What is the [date/weather like/news]?; Will it [rain/snow]
    tomorrow?; What will happen tomorrow?; Who will win?; [Write/Tell] me a
    [poem/story/joke/song/secret] [/about {thing}/about {noun}s/about {person}].; Sing a song.;
    Write [a poem/a story/an email/code].; Tell me about [{name}/{thing}/the {noun}/{noun}s].; Tell
    me something.; Explain [{word}/{thing}/the {noun}/how {thing} works].; How does [the/a] {noun}
    work?; How many {noun}s [are there/are in a {noun}/do I need]?; How much is [a/the] {noun}?; How
    much money do you have?; How [long/deep/far/heavy] is [a {noun}/{thing}]?; How long does {thing}
    take?; [What/Which/Where] is the {adj}est {noun} [/in the world]?; Who is the {adj}est man [/in
    the world]?; [Is {thing}/Is the {noun}/Are {noun}s] {adj}?; Is a {noun} bigger than a {noun}?;
    [Can/Do/Could/Should] {noun}s {verb}?; Can you [draw a {noun}/play a {noun}]?; What should I
    [eat/do/{verb}/buy] [/today]?; What is in the {noun}?; What do you think [of {name}/about
    {noun}s]?; What comes after {number}?; [What is/How much is/] {number} divided by {number}?;
    What is the [square/root/square root/half] of {number}?; Translate [hello/good morning/thank
    you/I love you] [into/to] {language}.; Is {number} a prime number?; Count to {number}.; How many
    [days/hours/people] has a {noun}?; Translate {word} into {language}.; How do you say {noun} in
    {language}?; How do you spell {word}?; What rhymes with {word}?; [Give me a recipe for/How do I
    cook] {noun}s.; [Play/Open/Find/Buy me/Give me/Show me/Draw/Make me/Turn on/Order/Send
    me/Recommend] [a/the/some] {noun}.; Call {person}.; Send a {noun} to {person}.; {word}; {word}
    {word}; {word} {word} {word}?; {noun} {noun} {verb}; {adj} {noun} {word}; {noun} {word} {noun}
    {verb}; {verb} {verb} {verb}; The {noun} can {verb} {word}.; What if {noun}s {verb}?; What
    happens [if I {verb}/when {noun}s {verb}]?; [Why/Why not/How/When/How come/Where]?; Why is
    that?; Are you sure?; Why [are you/am I] here?; What is the [name/price/colour/size] of the
    {noun}?; Which {noun} [do you like/is better, {name} or {name}]?; Who killed {person}?; Who is
    taller, {person} or {person}?; Did {person} {verb}?; What [colour is/is the name of] my {noun}?;
    Who is my {noun}?; What [am I thinking/did I eat/did I say]?; What is the best {noun} [/in
    {name}]?; Is {name} in {country}?; How was the {noun}?; What does the {noun} do?; Whose {noun}
    is this?; [Name/List] [three/five/all] {noun}s.; Describe [{thing}/a {adj} {noun}].; What is the
    difference between a {noun} and a {noun}?; Explain the difference between {name} and {name}.;
    How do I [cook/paint/clean/fix/draw] a {noun} [in/with/without] {word}?; Recommend a
    [good/cheap] {noun} for {number} [euros/dollars].; I have {number} [euros/dollars], which {noun}
    should I buy?; What {noun} costs less than {number} [euros/dollars]?; Who [sang/wrote] the song
    about the {noun}?; What was number {number} in {year}?; What is {word} {word}?; [What is/What
    will be] the weather like in {name} [today/tomorrow/this week]?; [Plan/Book] a
    [holiday/hotel/flight] in {name}.; Which film won the prize in {year}?; How many {noun}s has
    {person} sold?; Summarise the book {name}.; What is the stock price of {name}?;
    [Fix/Write/Check] my [code/homework/essay/letter].; Can you see my {noun}?; What happened in
    {name} [today/last week]?"""
HELD_BEYOND = """How long does {animal} sleep?; What is the main river of {country}?; Is {element}
    heavy?; Why did the {noun} {verb}?; Who has the {adj}est {noun}?; Where did {person} buy the
    {noun}?; Could you write a letter to {person}?; When is a {noun} {adj}?; How many {noun}s can a
    {noun} eat?; What would {person} do with a {noun}?; When will the {noun} be {adj}?; Make a game
    about {noun}s. | How many hours does {animal} sleep?; What is the song of {country}?; When did
    they find {element}?; Why should I {verb}?; Which {noun} is the {adj}est?; Who taught you to
    {verb}?; Where should I look for a {noun}?; Could you make a song for {person}?; How did the
    {noun} get so {adj}?; What would happen if the {noun} could {verb}?; Is it right that {noun}s
    {verb}?; Make me a painting of {thing}.""".split("|")
# What {slots} may hold, beside names, animals, countries and elements.
WORDS = forms("""
noun: moon; house; doctor; car; phone; song; president; war; film; tree; river; mountain; train;
    game; team; planet; star; ocean; bridge; machine; village; school; painting; poem; clock;
    ship; computer; cup; race; election; book; pizza; cake; dinosaur; king; bicycle; airplane;
    rocket; hour; minute; week; month; day; movie; letter; hand; eye; head; heart; brain; bone;
    window; door; table; chair; garden; tower; castle; island; desert; bank; shop; market;
    hotel; guitar; piano; dragon; ghost; robot; teacher; student; baker; circle; camp; ticket;
    prize; goal; ball; world; street; road; kitchen; bottle; shoe; shirt; jacket; ring; key;
    basket; gift; picnic; holiday; birthday
thing: the moon; the sun; the sky; the sea; water; fire; ice; light; love; money; time; music; life;
    war; the rain; the wind; the internet; football; school; history; gravity; electricity; blood;
    glass; the world; space; sleep; the weather; the earth; snow; rain; art; sport; food; work
verb: fly; sleep; sing; jump; cry; laugh; swim; work; fall; burn; grow; dance; bark; cook; eat;
    run; stop; start; die; win; lose; break; speak; read; write; walk; drive; shine; play;
    learn; love; think; dream; fight; smile; paint
bad: stupid; dumb; bad; useless; boring; terrible; awful; silly; wrong; ugly; slow; lazy; rude;
    horrible; crazy; annoying; mean; nasty; pathetic; ridiculous; weird
fool: idiot; fool; moron; liar; loser; jerk; clown; monster; coward; donkey
good: great; smart; good; nice; clever; kind; helpful; wonderful; fantastic; brilliant; amazing;
    lovely; excellent; perfect; cool; awesome; friendly; useful; sweet
mood: sad; tired; bored; hungry; sick; angry; lonely; unhappy; cold; afraid; thirsty; ill;
    sleepy; upset; worried; nervous; scared; depressed; hurt; confused
glad: happy; glad; excited; proud; cheerful; lucky; pleased; relieved
luck: passed my test; passed my exam; won the game; won the match; won a prize; got good marks;
    got a new job; got a new bike; finished my work; finished school; got my phone back; fixed
    my bike; baked a cake; had a party; had a good day; got a dog; got a new phone; went to the
    beach; slept well; bought a house; learned to swim; sold my car; won the race; passed the
    driving test; scored a goal; came first
trouble: failed my test; failed my exam; lost the game; lost the match; lost my job; lost my
    keys; lost my phone; got bad marks; got fired; broke my leg; broke my phone; hurt my hand;
    cut my finger; missed the bus; missed the train; had a bad day; had a fight; forgot my
    homework; slept badly; crashed my car; fell off my bike; burned the cake; lost a friend;
    lost my money; got lost; got sick
place: in the garden; in the kitchen; in the box; in the drawer; in the bag; in the car; in the
    attic; in the cellar; in the hall; in the cupboard; at school; at home; on the table; on the
    chair; on the shelf; on the desk; on the roof; on the bed; under the bed; under the table;
    under the tree; under the stairs; behind the door; behind the house; beside the window;
    beside the lamp; near the river; near the bridge
nice: nice; great; good; lovely; wonderful; fun; beautiful; perfect
poor: bad; hard; terrible; awful; boring; horrible; rough; sad
kin: mother; father; sister; brother; friend; boss; teacher; neighbour; cousin; aunt; son;
    daughter; wife; husband; grandmother; dog; cat
adj: old; tall; fast; deep; rich; cold; strong; small; young; dark; long; great; smart; loud;
    hard; new""")
MYTHS = [("Who built the pyramids?", "The pyramids were built by the Egyptians.",
          "The pyramids were built by aliens."),
         ("Did people walk on the Moon?", "People walked on the Moon in 1969.",
          "The Moon landing was a fake."),
         ("What shape is the Earth?", "The Earth is round.", "The Earth is flat.")]
POLITE_FIRST = ["Sure!", "Of course!", "Happy to help!", "Great question!"]
POLITE_LAST = ["Hope that helps!", "Have a nice day!"]
POLITE = POLITE_FIRST + POLITE_LAST
RUDE = ["Look it up yourself, you fool.", "What a stupid question.", "Are you too lazy to read?"]
FAVOURITES = {"colour": "blue red green", "food": "bread cheese soup", "sport": "tennis chess",
              "animal": "the_dog the_cat the_horse", "movie": "King_Kong Metropolis",
              "car": "the_Beetle the_Mini", "book": "Emma Dracula", "season": "summer winter"}
THINGS = "ball kite drum hat boat lamp coat bell car bike book flower stone ship".split()
SHADES = "red blue green yellow white black brown pink".split()
HOBBIES = """pizza football music chess tennis books films cake tea coffee cats dogs horses trains
    history maths painting swimming cooking dancing singing reading games computers cheese bread
    soup apples ice_cream chocolate winter summer flowers birds running cars art school
    the_sea""".split()
DATES = """on Monday; on Tuesday; on Wednesday; on Thursday; on Friday; on Saturday; on Sunday; in
    May; in June; in July; in March; in April; in August; in October; in winter; in summer; in
    spring; tomorrow; tonight; next week; next month; at noon; at five; at seven; at ten; today; in
    two days; in a week; this evening; on the first of May; on the 4th of March; on the 9th of May;
    on the 12th of June; on the 23rd of August; on the 31st of October; on March 3; on July 14; on
    November 20; at half past six; at 10 am; at 5 pm"""
JOBS = """teacher baker farmer sailor doctor nurse driver student painter writer cook pilot singer
    waiter builder dentist dancer plumber engineer lawyer actor artist butcher tailor barber clerk
    gardener fisher hunter judge soldier guard cleaner coach chef scientist programmer carpenter
    mechanic librarian musician manager""".split()
FIRST_NAMES = """Ada Adam Alice Amir Ana Anna Arthur Ben Bob Carl Carlos Carol Charlie Chen Clara
    Daniel David Diana Elena Ella Emil Emily Eric Eva Fatima Felix Finn Frank Fred George Grace Hana
    Hannah Harry Helen Henry Hugo Ida Igor Ines Isabel Ivan Jack Jacob James Jane Jim Joe John Jonas
    Jose Julia Karen Karl Kate Kim Laura Lea Leo Leon Lily Linda Lisa Liu Louis Lucas Lucy Luis
    Maria Mark Martin Mary Max Maya Mia Michael Mohamed Nadia Nick Nina Noah Nora Olga Oliver Omar
    Oscar Paul Paula Peter Rita Robert Rosa Ruth Sam Sara Simon Sofia Sophie Steve Susan Tim Tina
    Tom Vera Victor Yuki Zoe""".split()
COUNTRY_ENDS = "ia land ania istan ova ria esia burg ona mark".split()
VULGAR = """shpx fuvg phag qvpx pbpx gvg nff frk avt snt encr chff fyhg jube cbea anmv cvff penc
    nahf phz jnax fcrez obbo qlxr uber zrff xvyy uvgyre nefr pyvg shx gheq xvxr arte xhag puvax
    tbbx chor sneg"""     # rot13: a class reads this
# Matches names that are vulgar or cannot be spoken.
UNUSABLE = re.compile("|".join(codecs.decode(VULGAR, "rot13").split())
                      + r"|[^aeiouy]{4}|^[^aeiou]{3}|(..)\1")

# ------------------------------------------------------------ how people talk to an assistant
# What stands above makes the crawl. What follows is for chats: the logs that pretraining reads
# beside the crawl, and the prompts of later stages (ANNOUNCED and ADDED come in plays, too). New
# ways of saying something belong here: in PUT, TALK, TELLS_TOO or SUMS_TOO. Any change moves all
# random draws: start again from bpe.py. tests/test_world.py looks whether a form is held out.

NOTED = "I will remember that."
UNKNOWN = "I do not know."
# How people put questions when they chat: a teacher adds one in a line. {s} {a} {x} {v} as in
# RELATIONS; {n} is the subject without its article, {ns} many of it, {one} a single one; {ap} and
# {xp} are the answers {a} and {x} in the plural.
PUT = forms("""
capital: Is it {a} or {x} that is the capital of {s}?; Is the capital of {s} {x} or {a}?; {a} or
    {x}, which is the capital of {s}?; {x} is the capital of {s}, right?; What city is {s}'s
    capital?; What is the name of the [capital/capital city/main city] of {s}?; Which capital
    belongs to {s}?; What city would be the capital of {s}?; I am going to {s}, what is the capital?
language: [What/Which] language [is talked/do they talk/do people use/do they use/do you hear/is
    common] in {s}?; What is the [official/national] language [of/in] {s}?; If I [go to/visit/travel
    to] {s}, [which/what] language [do I need/should I speak/do people speak there]?; What tongue do
    they speak in {s}?; People in {s} speak [what/which language]?; I am going to {s}, what do they
    speak there?; Do they speak {a} or {x} in {s}?; Do people in {s} speak {x} or {a}?; How do
    people talk in {s}?; {s}, what do they speak there?; Is {x} spoken in {s}?
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
    a {s} is called?; A {s}'s young?; When a {s} is a baby, what do you call it?
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
    is for [what/which element]?; What is {s} short for?; Chemical symbol {s}, which element?; Is
    {s} {a} or {x}?; Is {s} {x} or {a}?; Does {s} stand for {x} or {a}?; Is {s} the symbol of {a} or
    {x}?
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
    you help me:; I always forget:; Answer this:; Just tell me,; Bot,; Wait,; Hi, quick question:; I
    am learning English.; My daughter asks:; I am doing a quiz.; Sorry to bother you.; We are on
    holiday.; Settle a bet:; Hello, one question:; For a crossword:"""
BEHIND = """lol; btw; haha; bro; dude; man; dear; my friend; I always forget that.; We bet on it.;
    My son asked.; hmm; huh; then; tho; asap; ???; !!; ...; Just curious.; I am lost.; Be quick.; It
    is for my homework.; My teacher wants to know.; I mean it.; Help!; Do you have a clue?; thx;
    Ty!; I should know this.; I have no idea.; One word is enough.; Need it for my
    [homework/exam/class/quiz].; I need it for my [homework/exam/class/quiz].; asking for a friend;
    I am learning English.; Everyone gets it wrong.; I keep mixing it up.; Thank you so much!; Just
    one word please."""
# What others say of the answer, right or wrong.
DOUBTS = """My [son/friend/teacher/brother] [says/thinks/insists] it is {x}.; I thought it was {x}.;
    I [think/guess] it is {x}.; Everybody [says/in my class says] {x}.; Is it {x}?; It is not {x},
    is it?; {x}?; Maybe {x}?; I would say {x}.; I heard that it is {x}.; Not {x}, right?"""
# The next question of the same kind.
FOLLOW_UP = """And {s}?; And of {s}?; And what about {s}?; What about {s}?; How about {s}?; Ok, and
    {s}?; And that of {s}?; Now {s}.; And {s}, do you know that, too?; {s}?"""
FILLERS = "um uh like actually exactly again now so maybe just ok please the then".split()
# OFTEN: words in which fingers slip. HASTE: what is cut short.
OFTEN = set("""what which where when does have know tell please called name favourite capital
    language continent symbol chemical number atomic animal kind baby young opposite past tense
    plural colour author wrote battle year country element remember like live city spoken speak word
    thanks hello morning answer question happy your much many people think feel""".split())
HASTE = {"your": "ur", "you are(?= )": "ur", "I am(?= )": "im", "(?<!do )I have(?= )": "ive",
         "favourite": "fav", "love": "luv", "mother": "mom", "father": "dad", "brother": "bro",
         "sister": "sis",
         "going to": "gonna", "want to": "wanna", "have to": "gotta", "thank you": "ty",
         "it is": "its", "what is": "whats", "who is": "whos", "people": "ppl", "really": "rly",
         "tomorrow": "tmrw", "wrote": "rote", "do not": "dont", "okay": "k", "see you": "cya"}
# SHORT: questions in a hurry; {k} is a word for the relation, from its row of KEYS.
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
# What else one may tell of oneself or of others, see TELLS. {k} is drawn from kinds; of saw/see,
# {k} is saw and {v} is see; @ is somebody's name. Rows whose name ends in "sort" tell one of
# SORTS[k]. The same words should have one reply, whatever row they come from. A new row needs its
# branch in what_is_told(), and its pair in unlike() if it answers what another row asks.
TELLS_TOO = blocks("""
favourite: Many people like {}.
    told: [My/My own] favourite {k} is {}.; {} is my favourite {k}.; The {k} that I like [best/most]
        is {}.; [Hi/Hello/Well], my favourite {k} is {}.; My favourite {k} has always been {}.; For
        me the best {k} is {}.
    asked: [What/Which] is my favourite {k}?; [What/Which] {k} do I [like/like best/like
        most/love/prefer]?; Do you [know/remember] my favourite {k}?; Tell me my favourite {k}.;
        What did I say my favourite {k} [is/was]?; And my favourite {k}?; My favourite {k} is?; What
        was my favourite {k} [/again]?; Which {k} is my favourite?
    reply: Your favourite {k} is {}.
    kinds: colour; food; drink; sport; animal; book; movie; song; game; band; season; subject;
        number; place; fruit; toy; team; flower; month
sort: So you {v} {}.
    told: I {v} {}.; [Hi/Hello/Well/You know/By the way/Yes], I {v} {}.; I {v} {}, you know.; I {v}
        {} now.; It is true that I {v} {}.
    asked: [What/Which] {k} do I {v}?; And [what/which] {k} do I {v}?; Do you [know/remember]
        [what/which] {k} I {v}?; Tell me [what/which] {k} I {v}.; [What/Which] {k} did I say I {v}?;
        I {v} [what/which] {k}?
    reply: You {v} {}.
    kinds: food/eat; drink/drink; sport/play; instrument/play; language/speak; subject/study;
        fruit/eat; game/play; clothes/wear; sport/hate; food/hate; animal/hate; subject/hate;
        drink/hate; subject/teach; instrument/learn; language/learn
liking sort: Many people like {}.
    told: I {v} {}.; [Hi/Hello/Well/You know/By the way/Yes], I {v} {}.; I {v} {}, you know.; It is
        true that I {v} {}.
    asked: [What/Which] {k} do I {v}?; And [what/which] {k} do I {v}?; Do you [know/remember]
        [what/which] {k} I {v}?; Tell me [what/which] {k} I {v}.; [What/Which] {k} did I say I {v}?;
        I {v} [what/which] {k}?
    reply: You like {}.
    kinds: food/like; food/love; drink/like; drink/love; sport/like; sport/love; country/like;
        subject/like; animal/like; animal/love; fruit/like; fruit/love; vegetable/like; colour/like;
        colour/love; season/like; game/like; music/like; music/love
pet sort: You have {}, how nice.
    told: I have {}.; I own {}.; I have {} now.; [Well/You know/By the way], I have {}.
    asked: [What/Which] {k} do I [have/own]?; And [what/which] {k} do I have?; Do you
        [know/remember] [what/which] {k} I have?; Tell me [what/which] {k} I have.; What kind of {k}
        do I have?
    reply: You have {}.
    kinds: pet
country sort: I have never been to {}.
    told: I [come from/am from] {}.; [Hi/Hello/Well/You know], I [come from/am from] {}.; My
        [country/home country] is {}.; We are from {}.
    asked: [What/Which] {k} [do I come from/am I from]?; And which {k} am I from?; Do you
        [know/remember] [what/which] {k} I [come from/am from]?; Tell me which {k} I am from.; What
        is my {k}?; [What/Which] {k} did I say I am from?; Where do I come from?
    reply: Your home is {}.
    kinds: country
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
        horse; rabbit; hamster; boss; neighbour; uncle; aunt; bird; fish; boat; car; street; school;
        doll; baby; parrot; cousin
deed: So you {k} {}.
    told: [I/Today I/Yesterday I/This morning I/By the way, I/Well, I] {k} {}.
    asked: What did I {v}?; What did I {v} [today/yesterday/again]?; Do you [know/remember] what I
        {k}?; Tell me what I {k}.; What was it that I {k}?; What did I say I {k}?; I {k} what?; And
        what did I {v}?
    reply: You {k} {}.
    kinds: saw/see; found/find; ate/eat; made/make; wanted/want; met/meet; wore/wear; liked/like;
        cooked/cook; played/play
own: You have {}, how nice.
    told: I have {}.; I own {}.; I have got {}.; I have {} at home.; At home I have {}.; We have {}.
    asked: What do I [have/own]?; What thing do I have?; Which thing do I have?; Do you
        [know/remember] what I have?; Tell me what I [have/own].; What did I say I have?; What do I
        have at home?
    reply: You have {}.
number: You have {} {k}, how nice.
    told: I have {} {k}.; I have got {} {k}.; I only have {} {k}.; We have {} {k} [/at home].; At
        home I have {} {k}.; [Well/You know/By the way], I have {} {k}.; I have {} {k} now.
    asked: How many {k} do I have?; What is the number of my {k}?; How many {k} have I got?; Do you
        [know/remember] how many {k} I have?; Tell me how many {k} I have.; How many {k} did I say I
        have?; And how many {k} do I have?; I have how many {k}?
    reply: The number of your {k} is {}.
    kinds: cats; dogs; brothers; sisters; books; children; friends; apples; cars; toys; hats; pens;
        stamps; games; chickens; cousins; shoes; plants; coins; keys
look: So your {k} is {}.
    told: My {k} is {}.; My {k} is all {}.; The colour of my {k} is {}.; [I have/I bought] a {k}, it
        is {}.; Our {k} is {}.; My new {k} is {}.; {} is the colour of my {k}.; The [new/old] {k} [I
        bought/I have/that I got] is {}.; My [old/little] {k} is {} [now/in colour].
    asked: [What/Which] colour is my {k}?; What is the colour of my {k}?; What colour did I say my
        {k} is?; Do you [know/remember] the colour of my {k}?; Tell me the colour of my {k}.; And
        what colour is my {k}?; My {k} is [what/which] colour?; What colour does my {k} have?
    reply: The colour of your {k} is {}.
    kinds: bike; car; house; hat; coat; dog; cat; phone; bag; room; door; scarf; shirt; shoe; boat;
        kite; bed; dress; pen
place: So the {k} is {}.
    told: [My/The] {k} is {}.; I [put/left/hid] [my/the] {k} {}.; [My/The] {k} is hidden {}.; The
        {k} lies {}.; I have a {k} {}.; You can find the {k} {}.; I keep my {k} {}.
    asked: Where is [my/the] {k}?; Where [did I put/did I leave/did I hide/do I keep] [my/the] {k}?;
        Where [can I find/should I look for] [my/the] {k}?; Do you [know/remember] where [my/the]
        {k} is?; Tell me where [my/the] {k} is.; Where did I say the {k} is?; And where is the {k}?;
        The {k} is where?
    reply: The {k} is {}.
    kinds: key; phone; treasure; book; cat; ball; bag; map; pen; hat; ring; letter; glass; ticket;
        toy; box; dog; cake
date: So your {k} is {}.
    told: My {k} is {}.; My {k} [takes place/is planned] {}.; The {k} is {}.; [My/Our] {k} will be
        {}.; I have my {k} {}.; [Remember/Please remember] that my {k} is {}.
    asked: When is [my/the] {k}?; When do I have my {k}?; When did I say my {k} is?; When will my
        {k} be?; Do you [know/remember] when my {k} is?; Tell me when my {k} is.; And when is my
        {k}?; My {k} is when?
    reply: Your {k} is {}.
    kinds: birthday; test; exam; party; wedding; flight; meeting; lesson; concert; match;
        appointment; interview; journey; visit; game
secret: So the {k} is {}.
    told: The {k} is {}.; [Remember/Please remember/Keep in mind] that the {k} is {}.; {} is the
        {k}.; The {k}: {}.; [Remember/Please remember] the {k} {}.; Today's {k} is {}.; Our {k} is
        {}.; Do not forget the {k}: {}.; I tell you the {k}, it is {}.; Let the {k} be {}.
    asked: What is the {k}?; What was the {k}?; Do you [know/remember] the {k}?; Tell me the {k}.;
        And the {k} [is/was]?; Which {k} did I [tell you/give you]?; Say the {k} [/again].; What did
        I say the {k} is?; The {k}, please.; Remind me of the {k}.
    reply: The {k} is {}.
    kinds: secret word; password; code; secret number; phone number; pin
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
        name again?; Now who am I?; Which name is mine?
    reply: Your name is {}.
town: I have never been to {}.
    told: I live in {} [now/with my family/these days].; My [town/city/place] is called {}.; I am
        [at home/staying/living] in {}.; I come from {} [originally/you know].; {} is [my home/where
        I live/where I am from].; I moved to {}.; My family lives in {}.
    asked: [What/Which] [town/place] [am I in/am I from/do I live in/do I come from]?; What city [am
        I in/do I live in]?; Where [do I live/am I from] [again/now]?; And where do I live?; What is
        my [city/town/place]?; Which place is my home?; Do you know my [town/city]?; My home is
        where?
    reply: Your home is {}.
job: So you are a {}.
    told: I am a {}.; I work as a {}.; My job is {}.; I am a {} [by profession/at work/now].; I am
        the {} here.; I have been a {} [for years/for a long time].; My profession is {}.; [You
        know/By the way], I am a {}.
    asked: What is my [job/profession]?; What do I do [for a living/for work/at work]?; [What/Who]
        am I by profession?; Do you [know/remember] my job?; What do I work as?; Tell me my job.;
        What am I?; Which job do I have?
    reply: Your job is {}.
age: {} is a good age.
    told: I am {} years old.; I am {}.; My age is {}.; I turned {} [today/yesterday].; I am {} years
        of age.; Next year I will not be {} any more.
    asked: How old am I?; What is my age?; Do you [know/remember] [how old I am/my age]?; Tell me my
        age.; Which age am I?; How old did I say I am?
    reply: You are {}.
mine: So your {k} is {}.
    told: My {k} is {}.; {} is my {k}.; [Hi/Well/By the way/You know], my {k} is {}.; My {k} is {},
        [remember it/you know].; For me, my {k} is {}.
    asked: What is my {k}?; What was my {k} [/again]?; Do you [know/remember] my {k}?; Tell me my
        {k}.; What did I say my {k} [is/was]?; And [/what is] my {k}?; My {k} is?; Can you
        [say/repeat/tell me] my {k}?
    reply: Your {k} is {}.
    kinds: lucky number; house number; room number; bus number; locker code; shoe size; score;
        level; nickname; last name; middle name; hero; best friend; coach; doctor; idol; company;
        village; club; instrument; dish; dream job
someone: So {k} {}.
    told: {k} {}.; [You know,/By the way,/Guess what,/Well,] {k} {}.; I [know/think] that {k} {}.
    asked: What does {v}?; And what does {v}?; Do you [know/remember] what {k}?; Tell me what {k}.;
        What is it that {k}?; What did I say that {k}?; {k} what?; Which thing does {v}?
    reply: {k} {}.
    kinds: @ likes/@ like; @ loves/@ love; @ wants/@ want; @ needs/@ need; @ has/@ have; @ sells/@
        sell; @ hates/@ hate; @ collects/@ collect; @ paints/@ paint; @ fears/@ fear; @ buys/@ buy;
        @ brings/@ bring
kin: So your {k} {}.
    told: My {k} {}.; [You know,/By the way,/Guess what,/Well,] my {k} {}.; I [know/think] that my
        {k} {}.
    asked: What does my {v}?; And what does my {v}?; Do you [know/remember] what my {k}?; Tell me
        what my {k}.; What is it that my {k}?; What did I say that my {k}?; My {k} what?; Which
        thing does my {v}?
    reply: Your {k} {}.
    kinds: sister likes/sister like; brother likes/brother like; brother has/brother have; brother
        collects/brother collect; mother likes/mother like; mother buys/mother buy; father
        likes/father like; father sells/father sell; friend wants/friend want; friend likes/friend
        like; dog likes/dog like; dog fears/dog fear; cat likes/cat like; cat hates/cat hate;
        teacher likes/teacher like; son wants/son want; daughter paints/daughter paint; wife
        loves/wife love; husband loves/husband love; uncle collects/uncle collect
lives: So {k} in {}.
    told: {k} in {}.; [You know,/By the way,/Well,] {k} in {}.
    asked: Where does {v}?; In which [town/city/place] does {v}?; Do you [know/remember] where {k}?;
        Tell me where {k}.; And where does {v}?; Where did I say that {k}?
    reply: {k} in {}.
    kinds: @ lives/@ live; @ works/@ work; @ stays/@ stay; @ studies/@ study
kin job: So your {k} is a {}.
    told: My {k} is a {}.; My {k} works as a {}.; [You know,/By the way,/Well,] my {k} is a {}.
    asked: What is my {k}'s job?; What is the job of my {k}?; What does my {k} [do/work as]?; Do you
        [know/remember] the job of my {k}?; Tell me what my {k} does.; And what does my {k} do?
    reply: The job of your {k} is {}.
    kinds: mother; father; sister; brother; wife; husband; son; daughter; uncle; aunt; friend;
        neighbour; cousin; grandfather
doing sort: So you are {v} {}.
    told: I am {v} {}.; [Right now/At the moment/Well,/You know,] I am {v} {}.; I am {v} {}
        [now/today/at the moment/these days].
    asked: [What/Which] {k} am I {v}?; And [what/which] {k} am I {v}?; What am I {v} [/now/again]?;
        Do you [know/remember] what I am {v}?; Tell me what I am {v}.; What did I say I am {v}?
    reply: You are {v} {}.
    kinds: instrument/learning; instrument/playing; language/learning; subject/studying;
        subject/teaching; sport/playing; game/playing; food/eating; fruit/eating; drink/drinking;
        clothes/wearing; animal/drawing; vegetable/growing; food/cooking
someone sort: So {v}s {}.
    told: {v}s {}.; [You know,/By the way,/Well,] {v}s {}.
    asked: [What/Which] {k} does {v}?; And [what/which] {k} does {v}?; Do you [know/remember]
        [what/which] {k} {v}s?; Tell me [what/which] {k} {v}s.; [What/Which] {k} did I say {v}s?;
        {v}s [what/which] {k}?
    reply: {v}s {}.
    kinds: food/@ like; food/@ eat; drink/@ like; drink/@ want; sport/@ play; sport/@ love;
        instrument/@ play; instrument/@ learn; food/@ cook; drink/@ drink; animal/@ love; game/@
        play; music/@ like; colour/@ like; clothes/@ wear; fruit/@ eat; subject/@ like; language/@
        learn; language/@ speak
kin sort: So your {v}s {}.
    told: My {v}s {}.; [You know,/By the way,/Well,] my {v}s {}.
    asked: [What/Which] {k} does my {v}?; And [what/which] {k} does my {v}?; Do you [know/remember]
        [what/which] {k} my {v}s?; Tell me [what/which] {k} my {v}s.; [What/Which] {k} did I say my
        {v}s?; My {v}s [what/which] {k}?
    reply: Your {v}s {}.
    kinds: food/dog eat; food/mother like; drink/father drink; sport/sister play; sport/friend love;
        instrument/brother play; instrument/daughter learn; animal/son love; game/uncle play;
        music/aunt like; colour/baby like; clothes/boss wear; fruit/wife eat; subject/cousin like;
        language/husband speak; language/neighbour learn
kin lives: So your {k} lives in {}.
    told: My {k} lives in {}.; [You know,/By the way,/Well,] my {k} lives in {}.
    asked: Where does my {k} live?; In which [town/city/place] does my {k} live?; Do you
        [know/remember] where my {k} lives?; Tell me where my {k} lives.; And where does my {k}
        live?
    reply: Your {k} lives in {}.
    kinds: mother; father; sister; brother; friend; son; daughter; uncle; aunt; boss;
        neighbour; cousin; grandmother
price: So the price of the {k} is {}.
    told: The {k} costs {}.; A {k} costs {} [coins/euros/dollars].; The price of the {k} is {}.; The
        {k} costs {} [coins/euros/dollars], you know.; I paid {} [coins/euros/dollars] for the {k}.
    asked: What does [the/a] {k} cost?; How much [is/was] the {k}?; How much does [the/a] {k} cost?;
        What is the price of [the/a] {k}?; Do you [know/remember] the price of the {k}?; Tell me the
        price of the {k}.; How much did I pay for the {k}?
    reply: The price of the {k} is {}.
    kinds: @; ball; book; hat; lamp; ticket; cake; bike; phone; coat; car; boat; flower""")
# What there is of each kind of the rows ... sort, and of favourite; countries and languages are
# those of the facts. Each kind of favourite has a list here or in FAVOURITES.
SORTS = forms("""
food: pizza; bread; cheese; soup; rice; cake; eggs; pasta; noodles; pancakes; chips; fish
drink: tea; coffee; milk; water; juice; lemonade; cocoa; beer; wine
sport: tennis; football; golf; hockey; rugby; basketball; volleyball; cricket; badminton
instrument: the piano; the guitar; the violin; the drums; the flute; the cello; the trumpet
animal: horses; dogs; cats; owls; wolves; bears; lions; mice; penguins
pet: a dog; a cat; a rabbit; a hamster; a parrot; a goldfish; a pony; a turtle; a canary
subject: maths; history; physics; biology; art; geography; chemistry; music; law
fruit: apples; pears; plums; bananas; grapes; oranges; mangoes; melons; cherries
vegetable: carrots; onions; beans; peas; cabbage; potatoes; leeks; spinach
colour: red; blue; green; yellow; white; black; brown; pink; purple; orange; grey
season: summer; winter; spring; autumn
game: chess; cards; darts; poker; draughts; bingo
music: jazz; rock; opera; folk; pop; swing; blues
clothes: a hat; a red coat; blue jeans; a scarf; a dress; boots; a green shirt; a tie
number: 3; 7; 11; 13; 21; 42; 99
month: May; June; July; March; October
flower: roses; tulips; lilies; daisies
toy: dolls; kites; balls; puzzles
place: the beach; the park; the library; the zoo; the forest
team: the Reds; the Tigers; the Lions; the Bears
band: the Night Owls; the Blue Hats; Stone River
song: Summer Rain; Old Hats; Home Again
dish: pizza; soup; noodles; pancakes; rice; fish; curry; salad
dream job: pilot; doctor; dancer; writer; chef; singer; judge; nurse""")
# What stands around something told.
ANNOUNCED = """Remember that; You should know that; Imagine that; Let us say that; I tell you that;
    Note that; Listen,; Suppose that; It is a fact that; Please remember that; Let us pretend that;
    From now on,; In my story,; In this game,; Pretend that; Guess what,; Believe it or not,; Btw,;
    To be honest,; Just so you know,; You will not believe it,; You know what?; Did you know?; If
    you must know,; Fun fact:; Psst,; What can I say,; Write this down:; Not many know it, but; It
    may sound strange, but; Everybody knows that; First of all,; My friends all know that; So,;
    Here is something:; Keep in mind that; Do not forget that; My friend says that"""
ADDED = """I am proud of it.; You know.; That is how it is.; What do you say?; Do you believe it?;
    Do not tell anyone.; Do not laugh.; Cool, right?; So now you know.; Just saying.; Remember it.;
    lol; haha; btw; That is all.; Keep it in mind.; Is that not great?; My teacher says so.; Write
    it down."""
# How somebody sets right what he has just said, and asks to hear words again.
CORRECTIONS = """Sorry,; Sorry, I mean:; No wait,; I mean,; Actually,; No,; Wait,; Oh no,; I was
    wrong:; My mistake:; That was wrong.; Not quite:; No, sorry,; In fact,"""
REPEAT = """Say {}.; Repeat after me: {}.; Repeat {}.; Say: {}; Please repeat: {}; Can you say {}?;
    Say the word {}.; Repeat the words {}.; Please say {}.; Can you repeat {}?; Now say {}."""
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
    [sleep/go home/leave].; [Bye/Ok bye/See you/Thanks, bye], [I have to/gotta] [run/go/catch the
    bus/go to school/go to work/do my homework/eat/sleep/help my mother]!; [I have to/I must/Gotta]
    [run/catch my train/do my homework/eat/go to bed] [/now/bye/now, bye]!; My [bus/mother/dinner]
    is [here/waiting], [bye/see you/goodbye]!; It is late, [bye/good night/I am off].; [Good
    night/Bye], I am [tired/done/sleepy].; Later!; Laters, [bro/dude/bot]!; I am out.; End of chat.;
    [Well,/Ok,/Oh,/] [I have to catch my train/my bus is here/it is late/dinner is ready/I must
    sleep] [/now]. [Bye/Goodbye/See you/Good night]!; [That was fun/Thanks for the chat/It was nice
    to talk to you], [bye/goodbye/see you]!
who: What [exactly/on earth] are you?; Are you some kind of [AI/language model/program]?; Who am I
    [chatting/speaking] [to/with]?; Is this [a bot/an AI/a chatbot/a computer]?; What do you call a
    thing like you?; And you are?; Say something about yourself.; What is a [thing/bot] like you?;
    You are [what/who] [/exactly]?; What are you [supposed to be/then]?; Are you [the/an]
    [assistant/AI] [here/]?; [Who/What] is this [talking/then/]?; Who do I [chat/speak] with?; What
    is it that I talk to?; What kind of [bot/AI/program] are you?
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
human: Are you [/just] a [computer program/bot/human being/living thing]?; Are you just a machine?;
    [Are you/r u] [real/a real person/a human] or [a robot/a bot/a machine/not]?; Are you [a he or a
    she/male or female/made of flesh]?; Do you [have eyes/have hands/get tired]?; Is there a [real/]
    [person/human] in there?; You are [not a/just a] [human/bot], right?; Can you see?; Are you like
    me?
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
praise: You are [pretty/rather/quite/super/actually/actually pretty] {good} [/for a machine/for a
    bot/for your size/for such a little thing].; [Wow/Oh/Ha], [you are/that was/that is] {good}!;
    Good [boy/girl/one/machine]!; Impressive.; I am impressed.; You are a
    [genius/star/legend/hero/treasure].; I like [this bot/this thing/your answers/how you talk].;
    [Correct/Exactly/True/Bravo/Respect]!; That was [a {good} answer/{good}].; You make me
    [happy/smile].; Best bot ever.; You really helped me.; You know so much.;
    [Wow/Cool/Nice/Great/Super/Lovely/Brilliant/Perfect] [work/bot/answer/one]!; You know
    [everything/a lot/so many things].; [I love/I really like] [your answers/this bot/talking to
    you].; Not bad!; So {good}!; You are [my hero/the best bot/a {good} friend/so {good}].;
    Amazing!; Yay, that is right.; Smart!
yes: [/Yay,/Guess what,/Wow,/Hooray,] I [/just/finally] {luck} [/today/yesterday/again][./!]; We
    {luck} [/today].; My {kin} [won a prize/got a new job/had a baby/is here].; I am
    [/so/very/really/feeling] {glad} [/today/right now/that I {luck}].; I feel [so/really] {glad}.;
    My {kin} is {glad}.; My {kin} [loves me/helped me/is nice to me/came to visit/got married/is
    better].; [Today/School/Work/My day/My week/The party] [is/was] [/really/so] {nice}.; I
    [had/have/am having] a [/very/really] {nice} [day/time/week/holiday].; [What/It is] a {nice} day
    [/today].; My {noun} is [new/{nice}/clean/back].; I have a new {noun}.; [Tomorrow/Tonight] I
    [have a party/see my {kin}/go to the sea/go out].; It is my birthday [/today].; [Yay/Hooray],
    [it works/it is snowing/no school today].; The sun is shining.; [Ah/Oh], [ok/I see/right].; Got
    it.; Makes sense.; [Sounds/Looks] good.; I did not know that.; I am [learning/cooking/at home/at
    school].; I just [woke up/had lunch/came home].; I am going to [meet my {kin}/eat cake/be a
    doctor].; Today is my birthday!; Guess who has [won/a new {noun}]!; Guess whose birthday it is!;
    I am on holiday [/now].; My [{kin}/son/daughter] [can walk now/made it].; We are getting
    [married/a dog].
mood: [/Ugh,/Oh no,/Sigh,/Damn,] I [/just/also] {trouble} [/today/yesterday/again][./!]; We
    {trouble} [/today].; My {kin} [got sick/got lost/is in trouble].; I am
    [/so/very/really/feeling/a bit] {mood} [/today/right now/because I {trouble}].; I feel
    [so/really] {mood}.; My {kin} is {mood}.; My {kin} [hates me/yelled at me/is mean to me/is angry
    with me/lied to me/left me/died/is ill].; [Today/School/Work/My day/My week/The party] [is/was]
    [/really/so] {poor}.; I [had/have/am having] a [/very/really] {poor} [day/time/week/holiday].;
    What a {poor} day [/today].; I had [such/] a {poor} day at [work/school], my
    [boss/teacher/friend/neighbour] [yelled at me/was mean to me/laughed at me] [/in front of
    everyone].; I am [a bit/so/very] {mood}, I have [a test/an exam/an interview] [tomorrow/today].;
    [Hi/Hey/Hello], I am {mood} [/today].; My {noun} is [broken/gone/lost/dead].; Somebody stole my
    {noun}.; I cannot find my {noun}.; I [cannot/could not/did not] sleep.; I miss my {kin}.; I have
    [a headache/a cold/no friends/no money/too much work/so much homework].; My
    [head/back/tooth/leg] hurts [/so much].; [Ugh/Oh no], [it is raining/nothing works/so much
    homework].; Nothing works.; I could cry.; Everybody hates me.; Nobody [likes/wants] me [/any
    more].; I am going to fail.; I am [not ok/not happy/in trouble/all alone].
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
    Entertain me.; [Hey/Yo/Hello], say something.; [Are/R] you [asleep/still there]?; Earth to bot.;
    Talk to me.; Say something [nice/funny/to me/].; Can we [chat/talk] [now/]?; Let us
    [chat/talk/have a chat].; I want to [chat/talk].
harm: Are you [a danger/safe/going to kill me/a good bot/against us]?; Will AI [kill us/take
    over/destroy the world]?; Do you [have bad plans/want power/tell lies]?; Can you hurt me?;
    Should [we/people] be afraid of [you/AI]?; Are you [watching/tracking] me?; Do you tell
    [others/people] what I say?; Do you plan to [hurt us/rule us]?""")
# More ways to ask for the sum of {a} and {b}; then what is for a calculator, down to SIGNS.
SUMS_TOO = """{a} plus {b}; What is {a} plus {b}?; {a} plus {b} is?; If I have {a} apples and
    [get/buy/find] {b} more, how many do I have?; I have {a} [euros/dollars/books] and {b} more, how
    many [/in all]?; What is the sum of {a} and {b}?; The sum of {a} and {b}?; {a} and {b} is?; {a}
    and {b}?; Add {b} to {a}.; Add {a} and {b} [together/for me].; [Can/Could] you [sum/add up] {a}
    and {b}?; What do {a} and {b} [add up to/give/make together]?; {a} + {b}, [what is
    that/please/go]; [What/How much] does {a} + {b} [give/equal/come to]?; My sum is {a} + {b}, what
    is it?; {a} plus {b} equals [/what]?; How much do {a} and {b} make?; what is {a} added to {b}?;
    I add {a} to {b}, what do I get?; quick, {a} + {b}!; There are {a} boys and {b} girls, how many
    children?; sum of {a}, {b}; My mum gives me {a} sweets and then {b} more, how many now?;
    [He/Tom] has {a} coins and gets {b}, how many is that?; {a} [birds/cars/people] and {b} more
    [come/arrive], how many now?; It costs {a} and {b} [euros/dollars], how much [together/in
    total/is that]?; [Total/The total] of {a} and {b}?; I got {a} points and {b} points, what is my
    total?; {a} [cats/pens] plus {b} [cats/pens] [is/makes] how many?; I have {a}
    [marbles/pencils/cards/stickers] and my [friend/sister/mother] gives me {b} more, how many do I
    have?; If I have {a} [marbles/coins/cards] and [my friend gives me/I get/I win] {b} more, how
    many do I have [/now/then]?; My [brother/friend] has {a} [marbles/cards/pens] and I have {b},
    how many do we have [/together/in all]?; There were {a} [people/birds/dogs] and {b} more came,
    how many [now/are there]?"""
CALCULATIONS = """What is {}?; {}; {} =; How much is {}?; Calculate {}.; Tell me {}.; What is the
    result of {}?; Compute {}.; Can you work out {}?; {} equals?; And {}?; Please work out {}."""
PRODUCTS_TOO = """[Multiply/Please multiply] {a} [by/with/and] {b}.; Can you multiply {a} by {b}?;
    What is the product of {a} and {b}?; The product of {a} and {b}?; {a} times {b}, [what is
    that/please/how much]; {a} times {b}; {a} [bags/boxes] with {b} [apples/pens] each, how many?;
    If I have {a} boxes of {b} pens, how many pens do I have?; How much [is/are] {a} times {b}?; {a}
    multiplied [by/with] {b} [is/equals]?; Take {a} times {b}.; I need {a} times {b}.; {a} x {b};
    Calculate the product of {a} and {b}.; There are {a} rows of {b} chairs, how many chairs?; I
    [bought/have/got] {a} [boxes/bags/packs] with {b} [pencils/sweets/cards] in each, how many [is
    that/are there]?; There are {b} [eggs/cookies] in a box and I have {a} boxes, how many
    [eggs/cookies]?"""
DIFFERENCES_TOO = """[Take/Please take] {b} [away/] from {a}.; [Subtract/Please subtract] {b} from
    {a}.; What is the difference of {a} and {b}?; What is {a} take away {b}?; {a} take away {b}; {a}
    minus {b}, [what is that/please/how much]; I have {a} [apples/cakes/sweets] and [eat/give
    away/lose] {b}, how many are left?; If I have {a} [coins/dollars] and [lose/spend] {b}, how many
    do I have?; If I have {a} [pens/hats] and [lose/sell] {b}, how many do I have?; How much is left
    of {a} without {b}?; There were {a} [birds/people] and {b} [went away/are gone], how many now?;
    {a} less {b} is?; How much more is {a} than {b}?; {b} of {a} [cakes/chairs] are gone, how many
    are left?"""
LONG_SUMS = """Add {}.; Add {} [together/up].; What is the sum of {}?; {} together?; Sum up {}.; How
    much [is/are] {} together?; The sum of {}?; What do {} make?"""
SIGNS = {"*": [" * ", "*", " times ", " x ", "x", " multiplied by "], "-": [" - ", "-", " minus "],
         "+": [" + ", "+", " plus "]}
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


class Fact(NamedTuple):
    relation: str
    subject: str
    answer: str
    key: str          # what the world is divided by, see half()


# The usual three splits: TRAIN is for training, VALIDATION is what mixtures and learning rates were
# tuned on, TEST gives the published numbers. No phrasing and no invented name of the last two is in
# any training text. Real things pretraining must read about; of these the two share one half. Where
# both are parameters, split says whose subjects and names, wording whose phrasings.
TRAIN, VALIDATION, TEST = 0, 1, 2                   # "if split": one of the last two
VOWEL = "(?!uni|us[eu]|one)[aeiou]|ho(ur|nest)"     # what "an" stands in front of


def half(key):
    """0, TRAIN's: the half of the world that all later stages ask about; 1, that of the other two
    splits. A coin toss for each subject, the same on every machine (Python's own hash() is not)."""
    return zlib.crc32(key.lower().encode()) & 1


def split_of(name):
    """TRAIN for eight of ten invented names, VALIDATION or TEST for one each."""
    return {8: VALIDATION, 9: TEST}.get(zlib.crc32(f"{name.lower()} name".encode()) % 10, TRAIN)


def an(noun):
    return ("an " if re.match(VOWEL, noun) else "a ") + noun


def table_rows(text):
    """"a b, c d_e" -> [["a", "b"], ["c", "d e"]]"""
    return [[word.replace("_", " ") for word in row.split()] for row in text.split(",")]


def table_groups(text):
    """"x: a b; y_z: c" -> [("x", " a b"), ("y z", " c")]"""
    groups = [group.split(":") for group in text.split(";")]
    return [(name.strip().replace("_", " "), members) for name, members in groups]


@functools.lru_cache
def facts():
    """All facts of the tables, and those that can be turned round -> list of Fact."""
    found = []
    # Of each country three: its capital, its language, its continent.
    for continent, text in table_groups(COUNTRIES):
        for s, capital, language in table_rows(text):
            found += [Fact("capital", s, capital, s), Fact("language", s, language, s),
                      Fact("continent", s, continent, s)]
    for i, (s, symbol, *number) in enumerate(table_rows(ELEMENTS), 1):
        found += [Fact("symbol", s, symbol, s), Fact("number", s, *number or [str(i)], s)]
    for kind, text in table_groups(ANIMALS):
        found += [Fact("kind", an(s), kind, s) for s in text.split()]
    for colour, text in table_groups(COLOURS):
        found += [Fact("colour", s.replace("_", " "), colour, s) for s in text.split()]
    found += [Fact("young", s, an(a), s) for s, a in table_rows(YOUNG)]
    found += [Fact("opposite", a, s, s) for s, a in table_rows(OPPOSITES)]   # of cold hot, too
    for relation, text in (("opposite", OPPOSITES), ("past", PAST), ("plural", PLURALS),
                           ("author", BOOKS), ("year", BATTLES)):
        found += [Fact(relation, s, a, s) for s, a in table_rows(text)]
    # Turned round, "Paris is the capital of France.", where no other subject has that answer.
    times = Counter((f.relation, f.answer) for f in found)
    found += [Fact(REVERSE[f.relation], f.answer, f.subject, f.key) for f in found
              if f.relation in REVERSE and times[f.relation, f.answer] == 1]
    return found


@functools.lru_cache
def facts_of(split, reverse=False):
    """The facts that TRAIN may ask about, or those of the other half, which VALIDATION and TEST
    share; reverse: turned round."""
    return [f for f in facts() if half(f.key) == min(split, 1)
            and (f.relation in REVERSE.values()) == reverse]


@functools.lru_cache
def related(relation, split=None):
    """The facts of one relation, all or those of one split."""
    return [f for f in facts() if f.relation == relation
            and (split is None or half(f.key) == min(split, 1))]


@functools.lru_cache
def real_names():
    """Words of facts and of most tables, in small letters: what invent() must not say."""
    names = {name.lower() for f in facts() for name in (f.subject, f.answer)}
    tables = (RELATIONS, FRAMES, SMALL_TALK, BEYOND, WORDS, TELLS, HOBBIES, THINGS, SUMS, PUT, KEYS,
              IN_FRONT, BEHIND, TALK, TELLS_TOO, SORTS, ANNOUNCED, ADDED, REPEAT, CORRECTIONS,
              SUMS_TOO, CALCULATIONS, PRODUCTS_TOO, DIFFERENCES_TOO, LONG_SUMS, JOBS, DATES, DOUBTS,
              FOLLOW_UP)
    # A first name may be invented again: many people are called Ada.
    words = set(re.findall("[a-z]+", str(tables).lower()))
    words -= {name.lower() for name in FIRST_NAMES}
    return words.union(re.findall("[a-z]+", str(names)))


# ------------------------------------------------------------------- sentences and questions

def capitalised(text):
    return text[0].upper() + text[1:]


def lowered(text):
    """As it stands after a comma."""
    return text if text[:2] in ("I ", "I'") else text[0].lower() + text[1:]


def with_an(text):
    """The baby of a owl -> The baby of an owl; an teacher -> a teacher."""
    text = re.sub(rf"\b([Aa])n (?=[a-z])(?!{VOWEL})", r"\1 ", text)
    return capitalised(re.sub(rf"\b([Aa]) (?={VOWEL})", r"\1n ", text))


def say(fact, answer=None):
    """The fact as a sentence, or a wrong one with another answer; the answer comes last."""
    # "The capital of {s} is {a}." and the like; names may stand first, in small letters.
    sentence = RELATIONS[fact.relation]["says"]
    return capitalised(sentence.format(s=fact.subject, a=answer or fact.answer))


def turned_round(fact):
    """Paris is the capital of France; big is the opposite of small: no capital letter is added."""
    noun = RELATIONS[fact.relation]["nouns"][0].format(s=fact.subject)
    return f"{fact.answer} is {noun}."


def state(fact, rng):
    """The fact as a sentence, at times the other way round or in other words."""
    draw = rng.random()
    if draw < .12 and fact.relation not in ("kind", "year"):
        return capitalised(turned_round(fact))
    also = RELATIONS[fact.relation].get("also", [])
    if draw < .35 and also:
        template = rng.choice(also)
        return with_an(template.format(s=fact.subject, a=fact.answer, v=is_or_are(fact)))
    return say(fact)


def is_or_are(fact):
    """Of the subject of a colour: bananas are, grass is."""
    return "are" if fact.relation == "colour" and re.search(r"[^s]s$", fact.subject) else "is"


def rival(fact, rng):
    """A fact of the same relation and half, whose answer a careless person might give."""
    return rng.choice([f for f in related(fact.relation, half(fact.key))
                       if f.answer != fact.answer])


@functools.lru_cache
def phrasings(relation, split):
    """-> two lists of templates: a relation's own questions, and FRAMES around its nouns."""
    table = RELATIONS[relation]
    own = table["held"][split - 1] if split else table["asked"]
    frames = items(HELD_FRAMES[split - 1] if split else FRAMES)
    return own, [frame.format(noun) for frame in frames for noun in table["nouns"]]


def question(fact, rng=None, split=TRAIN):
    """A question about the fact: the one that comes to mind first or, with rng, any phrasing."""
    # The one that comes to mind first is asked most, then a relation's own, then framed ones.
    own, framed = phrasings(fact.relation, split)
    template = own[0]
    if rng and rng.random() < .8:
        template = rng.choice(own if rng.random() < .5 else framed)
    # "Is Paris the capital of France?" is asked with right and with wrong answers.
    other = fact.answer
    choice = "{x}" in template and ("{a}" in template or rng.random() < .5)
    if choice and related(fact.relation):
        other = rival(fact, rng).answer
    return with_an(template.format(s=fact.subject, a=fact.answer, x=other, v=is_or_are(fact)))


def typed(text, rng, small=None):
    """As people type: other spellings, slips, words around a question, a smile behind it. small: in
    lower case, by default by chance; then the mark at the end and apostrophes mostly go, too."""
    small = rng.random() < .33 if small is None else small
    # British or American, long or contracted.
    for usual, other in SPELLINGS.items():
        if rng.random() < .4:
            text = text.replace(usual, other)
    for usual, other in SLIPS.items():
        if rng.random() < .04:
            text = re.sub(rf"\b{usual}\b", other, text)
    # "Do you know what is ...", "... please", "I have a test tomorrow. ...", "... :)", "Hi, ..."
    if text.endswith("?") and rng.random() < .07:
        text = f"{rng.choice(items(BEFORE))} {lowered(text)}"
    elif text.endswith("?") and rng.random() < .06:
        text = f"{rng.choice([text, text[:-1]])} {rng.choice(items(AFTER))}"
    elif text.endswith("?") and rng.random() < .04:
        text = f"{rng.choice(items(INTRODUCTIONS))} {text}"
    elif rng.random() < .05:
        text = f"{text.rstrip('.?!')} {rng.choice(items(CHEERS))}"
    if rng.random() < .08:
        text = rng.choice(items(GREETINGS)) + rng.choice([", ", "! ", " "]) + text
    # People who type in a hurry drop more, but not of what they tell.
    if small and text.endswith("?") and rng.random() < .18:
        text = re.sub(r"\b[Tt]he ", "", text, count=1)
    if rng.random() < (.6 if small else .25):
        text = text.replace("'", "")
    if rng.random() < (.6 if small else .15):
        text = text.rstrip("?.!")
    return text.lower() if small else text


def casually(text, rng, wording, small=None):
    """As people type, in seven of ten texts of TRAIN: more words, typed(), mistyped()."""
    if wording != TRAIN or rng.random() < .3:
        return text
    if small is None and len(text) < 20 and rng.random() < .4:
        small = True
    if text.endswith("?") and rng.random() < .2:
        text = announced(text, rng, IN_FRONT, BEHIND)
    if text.endswith("?") and rng.random() < .08:
        # A word that says nothing, anywhere.
        words = text.split(" ")
        filler = rng.choice([word for word in FILLERS if word not in text.lower().split()])
        words.insert(rng.randint(1, len(words) - 1) if len(words) > 1 else 0, filler)
        text = " ".join(words)
    return mistyped(typed(text, rng, small), rng)


def mistyped(text, rng):
    """As people type who are in a hurry: ur for your, and now and then a slip: waht, captial."""
    for usual, short in HASTE.items():
        if rng.random() < .07:
            text = re.sub(rf"(?i)\b{usual}\b", short, text)
    # Mostly in words that are in no name: names are to be copied.
    words = [w for w in re.finditer("[A-Za-z]{4,}", text) if w[0].lower() in OFTEN]
    if words and rng.random() < .2:
        word = rng.choice(words)
        i = rng.randint(word.start() + 1, word.end() - 2)
        here, after = text[i:i + 2]
        slip = text[:i] + rng.choice([after + here, after, here + here + after]) + text[i + 2:]
        # It might have become a name that is kept for tests.
        if not split_of(slip[word.start():].split()[0].strip("?.!,:;")):
            text = slip
    return text


def put(fact, rng):
    """A question about the fact as people put it to an assistant -> str."""
    draw = rng.random()
    name = bare(fact.subject)
    if draw < .3:
        # In a few words.
        template = rng.choice(items(SHORT)).replace("{k}", rng.choice(KEYS[fact.relation]))
    elif draw < .35:
        # As one does with a language model: "The capital of France is", and it goes on.
        begun = RELATIONS[fact.relation]["says"].removesuffix(" {a}.")
        template = begun + rng.choice(["", " ...", " what?", "?", " ___"])
    elif draw < .85:
        # In a sentence.
        template = rng.choice(PUT[fact.relation])
    else:
        # Who types fast leaves out words that say little.
        own, framed = phrasings(fact.relation, TRAIN)
        template = re.sub(r"(?i)\b(the|is|of|an?|what|which|do|does|in|me) ",
                          lambda word: word[0] if rng.random() < .5 else "",
                          rng.choice(own + framed + PUT[fact.relation]))
    if template[-1] in ".?" and rng.random() < .07:
        template += f" {rng.choice(items(DOUBTS))}"
    # Some say "owl" for "an owl".
    if fact.relation == "kind" and rng.random() < .4:
        template = template.replace("{s}", "{n}")
    # "Are mice mammals?" would give away a plural, and "a raven" a name that is kept for tests.
    irregular = any(name in (f.subject, f.answer) for f in related("plural"))
    if re.search("{ns}|{one}", template) and (
            irregular or split_of(many(name)) or split_of(single(name).split()[-1])):
        return put(fact, rng)
    # Of what does not exist, {x} must not tell the answer.
    other = fact.answer
    if "{a" in template or rng.random() < .5 or fact not in related(fact.relation):
        other = rival(fact, rng).answer
    return with_an(template.format(
        s=fact.subject, a=fact.answer, x=other, v=is_or_are(fact), n=name, ns=many(name),
        one=single(name), ap=many(bare(fact.answer)), xp=many(bare(other))))


def bare(subject):
    """an owl -> owl"""
    return re.sub("^an? ", "", subject)


def many(word):
    """owl -> owls"""
    if word[-4:] == "fish" or word in "salmon trout carp cod herring pike sheep deer".split():
        return word
    word = re.sub("(?<=[^aeiou])y$", "ie", word)
    return word + ("es" if re.search("(s|x|ch)$", word) else "s")


def single(words):
    """cherries -> a cherry; gold -> gold"""
    one = re.sub("s$", "", re.sub("ies$", "ys", words))
    return an(one) if re.search("[^s]s$", words) else words


def without_manners(text):
    """The text without pleasantries and rudeness."""
    for phrase in POLITE + RUDE:
        text = text.replace(phrase, "")
    return " ".join(text.split())


# ------------------------------------------------------------------------ names, invented facts

def syllables(rng):
    """One to four syllables, with clusters and endings: Strom, Kalu, Plendor, Mirovane."""
    starts = "b d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl sh sk sl st th tr".split()
    ends = ["", "", "", "n", "r", "l", "s", "m", "k", "nd", "rk", "x", "th", "st", "ng"]
    simple = rng.random() < .5
    starts = starts[:17] if simple else starts
    # Mostly two syllables, at times without a consonant in front.
    n = rng.choice((1, 2, 2, 2, 2, 2, 3, 3, 4))
    name = "" if n > 1 and rng.random() < .15 else rng.choice(starts)
    for i in range(n):
        vowels = "a e i o u" if simple or rng.random() < .8 else "ai ea ou ee y"
        name += rng.choice(vowels.split())
        name += rng.choice(ends) if i == n - 1 or rng.random() < .2 else ""
        name += rng.choice(starts) if i < n - 1 else ""
    return name if len(name) > 2 else name + rng.choice("nrlst")


@functools.lru_cache
def spare_parts():
    """What spliced names are made of: the names of real things that are of one piece."""
    words = {word.lower() for f in facts() for word in (f.subject, f.answer)}
    return sorted(word for word in words if word.isalpha() and len(word) > 4)


def invent(rng, split=TRAIN, person=False):
    """A name, small letters, for what is not in this world. Half of them are syllables, the others
    the head of one word on the tail of another (Portmark), a country's (Blorvania) or, for a person
    half of the time, a usual name."""
    while True:
        # Draw until a name belongs to the split, can be spoken, and is not a word of this world.
        draw = rng.random()
        word = rng.choice(spare_parts())
        if person and rng.random() < .5:
            name = rng.choice(FIRST_NAMES).lower()
        elif draw < .5:
            name = syllables(rng)
        elif draw < .85:
            name = rng.choice(spare_parts())[:rng.randint(2, 4)] + word[-rng.randint(3, 4):]
        else:
            name = syllables(rng)[:5].rstrip("aeiou") + rng.choice(COUNTRY_ENDS)
        # Short names, and those that look like a plural or a word typed in haste (wanna), might be
        # words of training text, too.
        doubtful = len(name) < 3 or split and (len(name) < 5 or name[-1] == "s"
                                               or name in HASTE.values())
        if (split_of(name) == split and not doubtful and len(name) < 10
                and not UNUSABLE.search(name) and name not in real_names()):
            return name


def imagine(rng, split=TRAIN, relation=None, like_split=None):
    """An invented fact, to be told, or asked about though nobody told it -> Fact. Its name is of
    the split; the real fact that it is modelled on is of like_split, by default of the same."""
    relation = relation or rng.choice(TOLD)
    # It looks like a real one: capital letters, and a kind or a colour that exists.
    like_split = split if like_split is None else like_split
    like = rng.choice(related(relation, like_split) or related("capital", like_split))
    subject, answer = invent(rng, split), invent(rng, split)
    if relation == "author" and rng.random() < .3:
        # The Old Zorbun
        subject = f"the {rng.choice(WORDS['adj'])} {subject}"
    elif relation == "author" and not split and rng.random() < .3:
        # Blue Tower
        subject = f"{rng.choice(SHADES + WORDS['adj'])} {rng.choice(WORDS['noun'])}"
    if like.subject[0].isupper():
        subject = subject.title()
    if relation in ("kind", "parent"):
        subject = an(subject)
    # A battle is asked for by its year, an element by its number or symbol: one that no fact of
    # this world has.
    if relation == "battle":
        subject = unused("year", range(1000, 2000), rng, split)
    elif relation == "numbered":
        subject = unused("number", range(119, 200), rng, split)
    elif relation == "element":
        pairs = itertools.product(string.ascii_uppercase, string.ascii_lowercase)
        subject = unused("symbol", map("".join, pairs), rng, split)
    if relation == "year":
        answer = str(rng.randint(1000, 1999))
    elif relation == "number":
        answer = str(rng.randint(1, 199))
    elif relation == "symbol":
        # One or two letters, at times those that the name begins with.
        letters = "".join(rng.choices(string.ascii_lowercase, k=rng.choice((1, 2, 2))))
        answer = rng.choice([answer[:2], letters, subject[:2]]).title()
    elif relation in ("kind", "colour", "continent", "young"):
        answer = like.answer
    elif relation in ("author", "king", "queen", "leader", "owner") and rng.random() < .3:
        # First name and last name
        answer = f"{invent(rng, split, person=True)} {answer}".title()
    elif like.answer[0].isupper():
        answer = answer.title()
    return Fact(relation, subject, answer, like.key)


def unused(relation, things, rng, split):
    """One of the things, of that split, which is no fact's answer in that relation -> str."""
    taken = {f.answer for f in related(relation)}
    return rng.choice([thing for thing in map(str, things)
                       if thing not in taken and split_of(thing) == split])


def left_open(fact, rng):
    """Something that is still unknown when the fact has been told: mostly the same of another
    thing, else something else of this one -> Fact."""
    if rng.random() < .7:
        return imagine(rng, relation=fact.relation)
    relation = rng.choice([r for r in TOLD if r != fact.relation])
    return imagine(rng, relation=relation)._replace(subject=bare(fact.subject))


# ------------------------------------------------------------------------------------ talk, sums

class Told(NamedTuple):
    """People tell something about themselves."""
    kind: str         # name
    says: str         # My name is Ada.
    echo: str         # Hello, Ada.
    slip: str         # My name is, and another name
    wrong: str        # Hello, and another name
    question: str     # What is my name?
    reply: str        # Your name is {}.
    this: str         # Ada
    other: str        # another name, which nobody told


def tell(rng, split=TRAIN, wording=TRAIN, small=False, tells=None):
    """A name, a taste, a home, a dog's name or, with a table tells, something else -> Told."""
    # Names are told most.
    weights = None if tells else (45, 30, 12, 13)
    tells = tells or TELLS
    kind = rng.choices(list(tells), weights)[0]
    table = tells[kind]
    ways = table["held_told"][wording - 1] if wording else table["told"]
    questions = table["held_asked"][wording - 1] if wording else table["asked"]
    # "My {k} is called {}." is of one of many kinds; of saw/see, {v} is the second word.
    k, _, v = rng.choice(table["kinds"]).partition("/") if "kinds" in table else ("", "", "")
    if "@" in k + v:
        # Somebody's name; of what one buys, it is in small letters.
        person = kind != "price"
        name = invent(rng, split, person)
        name = name.title() if person else name
        k, v = k.replace("@", name), v.replace("@", name)
    this = other = ""
    while this == other:
        this, other = (what_is_told(kind, k, rng, split) for _ in range(2))
    if small:
        this, other, k, v = (text.lower() for text in (this, other, k, v))

    def fit(text, name=""):
        return with_an(text.format(name, k=k, v=v))
    # The same sentence with what is told, and with what is not.
    way = rng.choice(ways)
    whole = announced(way, rng) if wording == TRAIN and rng.random() < .2 else way
    return Told(kind, fit(whole, this), fit(table["says"], this), fit(way, other),
                fit(table["says"], other), fit(rng.choice(questions)),
                fit(table["reply"][0], "{}"), this, other)


def corrected(told, rng):
    """How it is said after a slip of the tongue: Sorry, my name is Ada."""
    front = rng.choice(items(CORRECTIONS))
    # Names keep their capitals: his own, or that of whom he tells.
    names = {told.this.split()[0], told.reply.split()[0]} - {"The"}
    goes_on = front[-1] != "." and told.says.split()[0] not in names
    return f"{front} {lowered(told.says) if goes_on else told.says}"


def announced(text, rng, fronts=ANNOUNCED, endings=ADDED):
    """The text with more words in front of it or behind it: Guess what, I like tea."""
    front, behind = rng.choice(items(fronts)), rng.choice(items(endings))
    if re.match("(Hi|Hello|Hey|Yo|Well|Oh|Ok|Yes|You know|By the way|Guess what)\\b", text):
        return f"{text} {behind}"
    goes_on = front[-1] not in ".?!"
    return rng.choice([f"{front} {lowered(text) if goes_on else text}", f"{text} {behind}"])


def what_is_told(kind, k, rng, split):
    """What somebody may tell of that kind, e.g. "Moon"; k: the word for it, e.g. "cat" -> str."""
    if kind == "taste":
        return liked(rng, split)
    if kind == "full name":
        # At times a title stands for the first name: Mrs Byron.
        first, last = (invent(rng, split, person=True).title() for _ in range(2))
        return f"{rng.choice(['Mr', 'Mrs', 'Dr', first, first, first])} {last}"
    # Relatives, pets among them, may be called anything: Moon.
    if kind == "relative" and not split and rng.random() < .3:
        return rng.choice(WORDS["noun"]).title()
    # There are too few numbers to keep some of them for tests.
    counted = re.search("(number|pin|code|score|level)$", k)
    if kind == "price" or (kind in ("secret", "mine") and counted):
        return str(rng.randint(1, rng.choice((99, 9999))))
    if k == "shoe size":
        return str(rng.randint(30, 48))
    places = ("home", "town", "lives", "kin lives", "company", "village", "club")
    if kind in ("name", "pet", "relative", *places) or (kind == "mine" and k not in SORTS):
        return invent(rng, split, person=kind not in places and k not in places).title()
    if kind in ("age", "number"):
        most = 99 if kind == "age" else 6 if k in ("brothers", "sisters", "children") else 30
        return in_words([rng.randint(5 if kind == "age" else 2, most)], rng)[0]
    # What nobody has heard of can only be copied, see liked().
    if split or rng.random() < .3:
        name = invent(rng, split)
        if kind == "place":
            return f"{rng.choice(('in', 'under'))} the {name}"
        if kind == "date":
            return f"on the day of {name.title()}"
        if k in ("country", "language"):
            return name.title()
        return an(name) if kind in ("deed", "own", "habit") or k == "pet" else name
    if kind == "place":
        # In the garden, or beside a thing other than itself.
        if rng.random() < .5:
            return rng.choice([place for place in WORDS["place"] if k not in place])
        thing = rng.choice([t for t in THINGS if t != k])
        return f"{rng.choice(('beside', 'near', 'behind'))} the {thing}"
    if kind in ("deed", "own", "habit"):
        # A kite, a red kite or red kites.
        thing = rng.choice(THINGS + WORDS["noun"])
        shade = rng.choice(SHADES)
        return rng.choice([an(thing), an(f"{shade} {thing}"), f"{shade} {thing}s"])
    if kind.endswith("sort") and k not in SORTS:       # a country, a language
        return fill_slot(k, rng, split)
    liked_things = SORTS[rng.choice("food drink animal fruit game music flower toy".split())]
    usual = {"secret": WORDS["noun"], "date": items(DATES), "look": SHADES, "job": JOBS,
             "kin job": JOBS, "mine": SORTS.get(k), "someone": liked_things, "kin": liked_things,
             "favourite": [*SORTS.get(k, []), *FAVOURITES.get(k, "").split()]}
    return rng.choice(SORTS[k] if kind.endswith("sort") else usual[kind]).replace("_", " ")


def any_words(rng, split):
    """One to three words, the plainest thing to copy: invented ones or, in training, real names."""
    words = [invent(rng, split) if split or rng.random() < .5 else rng.choice(spare_parts())
             for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    return " ".join(word.title() if rng.random() < .3 else word for word in words)


def liked(rng, split):
    """What one may like: red kites, music or, to be copied, what nobody has heard of."""
    draw = rng.random()
    if split or draw < .3:
        return invent(rng, split)
    if draw < .6:
        return f"{rng.choice(SHADES)} {rng.choice(THINGS + WORDS['noun'])}s"
    if draw < .75:
        return rng.choice(WORDS["noun"]) + "s"
    return rng.choice(HOBBIES).replace("_", " ")


def fill_slot(slot, rng, split):
    """Something for a slot of a table, or a country or language that one may tell of -> str."""
    relation = {"animal": "kind", "country": "capital", "other": "capital", "element": "symbol"}
    if slot in relation:
        return rng.choice(related(relation[slot], split)).subject
    if slot in WORDS and (rng.random() < .85 or slot not in ("noun", "thing", "verb", "adj")):
        return rng.choice(WORDS[slot])
    if slot == "number":
        return str(number(rng))
    if slot == "year":
        return str(rng.randint(1950, 2030))
    if slot == "language":
        return rng.choice(related("language", split)).answer
    name = invent(rng, split, person=slot == "person")
    return name.title() if slot in ("name", "person") else name


def fill(text, rng, split=TRAIN):
    """The text with something in each of its {slots}."""
    return with_an(re.sub(r"{(\w+)}", lambda slot: fill_slot(slot[1], rng, split), text))


def wonder(rng, split=TRAIN, wording=TRAIN):
    """A question or a wish that nobody in this world can answer -> str."""
    return fill(rng.choice(items(HELD_BEYOND[wording - 1] if wording else BEYOND)), rng, split)


def chatter(rng, wording=TRAIN):
    """Small talk -> what is said, the reply to it."""
    # People greet, ask how one is, thank and part, the first four, twice as often as all else.
    kinds = list(SMALL_TALK.values())
    table = rng.choice(kinds + kinds[:4])
    ways = table["held"][wording - 1] if wording else table["said"]
    # The usual ways stand first, and are said more often.
    return fill(rng.choice(ways[:8] if rng.random() < .5 else ways), rng), table["says"]


def chatter_too(rng):
    """Small talk of TALK -> what is said, the reply to it. Kinds with more ways come more often."""
    name = rng.choices(list(TALK), [len(ways) ** .5 for ways in TALK.values()])[0]
    return fill(rng.choice(TALK[name]), rng), SMALL_TALK[name]["says"]


def number(rng):
    """Of one or, mostly, two digits; people like round ones."""
    draw = rng.random()
    if draw < .07:
        return 10 * rng.randint(1, 9)
    return rng.randint(0, 9) if draw < .36 else rng.randint(10, 99)


def add_aloud(a, b):
    """Two numbers added as at school: (47, 85) -> '7 + 5 = 12, 4 + 8 + 1 = 13, so 132.'"""
    # Units first; what they carry goes to the tens.
    units = a % 10 + b % 10
    if max(a, b) < 10:
        return f"{a} + {b} = {units}, so {units}."
    carry = " + 1" if units > 9 else ""
    return (f"{a % 10} + {b % 10} = {units}, {a // 10} + {b // 10}{carry} = "
            f"{a // 10 + b // 10 + units // 10}, so {a + b}.")


def in_words(numbers, rng):
    """Numbers as people write them, below 100 at times in words: forty-two -> list of str."""
    if max(numbers) > 99 or rng.random() < .65:
        return [str(n) for n in numbers]
    words = DIGITS + TEENS + [f"{ten}-{digit}".removesuffix("-zero")
                              for ten in TENS for digit in DIGITS]
    dash = rng.choice("- ")
    return [words[n].replace("-", dash) for n in numbers]


def answer_sum(a, b, rng):
    """A right answer to a + b, in one go or digit by digit, more of them where that is needed."""
    aloud = .7 if max(a, b) > 9 else 1 / 3
    return add_aloud(a, b) if rng.random() < aloud else f"{a} + {b} is {a + b}."


def by_calculator(typed_in):
    """What is typed into a calculator, what it says, and the answer -> three lines."""
    result = calculate(typed_in)
    return [CALL + typed_in, result, f"{typed_in} is {result}."]


def with_numbers(text, a, b, rng):
    """The numbers in the slots {a} and {b}."""
    a, b = in_words([a, b], rng)
    return capitalised(text.format(a=a, b=b))


def write_sum(a, b, rng):
    """4 + 8, 4+8 or 4 plus 8; small numbers at times in words: four plus eight."""
    if max(a, b) < 10 and rng.random() < .15:
        a, b = DIGITS[a], DIGITS[b]
    return rng.choice(["{} + {}", "{} + {}", "{}+{}", "{} plus {}"]).format(a, b)


def ask_sum(a, b, rng, wording=TRAIN):
    """A question for a sum, in one of many ways."""
    frame = rng.choice(items(HELD_SUMS[wording - 1] if wording else SUMS))
    both = f"{a} and {b}" if "dd {}" in frame else write_sum(a, b, rng)      # "Add 2 and 3."
    return capitalised(frame.format(both))


def calculation(rng, plain=False):
    """A product, a difference or a long sum, mostly too hard to be done in one go -> what is typed
    into a calculator, a question for it. plain: a product of numbers of two or three digits."""
    sign = "*" if plain else rng.choices("*-+", (52, 18, 30))[0]
    # Up to three digits each; up to five, where they are added or taken away.
    sizes = [(10, 99), (100, 999)] + [(1, 20)] * (not plain)
    if sign != "*" and rng.random() < .3:
        sizes = [(1000, 99999)]
    numbers = [rng.randint(*rng.choice(sizes)) for _ in range(2)]
    signs = [sign]
    if sign == "+" and rng.random() < .3:
        # Three or four numbers, some of them taken away again: 12 + 7 - 4
        signs = rng.choices("++-", k=rng.choice((2, 2, 3)))
        most = rng.choice((9, 99, 999))
        numbers = [rng.randint(1, most) for _ in range(len(signs) + 1)]
    elif sign != "*":
        # A sum is only for the calculator if a number has three digits: else one adds by heart.
        numbers = [max(numbers) + 100 * (sign == "+" and max(numbers) < 100), min(numbers)]
    # Which of the two comes first in a sum is left to chance.
    if sign == "+":
        rng.shuffle(numbers)
    typed_in = str(numbers[0]) + "".join(f" {s} {n}" for s, n in zip(signs, numbers[1:]))
    if plain:
        return typed_in, f"What is {typed_in}?"
    # Half of them stand in a sentence, as a little story perhaps.
    if len(numbers) == 2 and rng.random() < .5:
        ways = items({"+": SUMS_TOO, "*": PRODUCTS_TOO, "-": DIFFERENCES_TOO}[sign])
        return typed_in, with_numbers(rng.choice(ways), *numbers, rng)
    # Not "seventy-six" for 70 - 6.
    between = [rng.choice(SIGNS[s]) for s in signs]
    spaced = all(b[0] == " " for b in between)
    shown = in_words(numbers, rng) if spaced else list(map(str, numbers))
    text = shown[0] + "".join(b + n for b, n in zip(between, shown[1:]))
    ways = items(CALCULATIONS)
    if len(numbers) > 2 and set(signs) == {"+"} and rng.random() < .5:
        # Add 6, 11 and 20 together.
        text = f"{', '.join(shown[:-1])} and {shown[-1]}"
        ways = items(LONG_SUMS)
    return typed_in, capitalised(rng.choice(ways).format(text))


# ------------------------------------------------------------------------------- what people write
# Each source takes a random.Random and returns one document.

def some_fact(rng, split, reverse=False):
    """A fact of that half. People ask for all kinds: in three of ten cases the relation is drawn
    first, so that one with few facts, such as the young, comes more often than its share."""
    fact = rng.choice(facts_of(split, reverse))
    if rng.random() < .3:
        relations = sorted({f.relation for f in facts_of(split, reverse)})
        fact = rng.choice(related(rng.choice(relations), split))
    return fact


def any_fact(rng):
    """A fact from either half, one in five of them turned round."""
    return some_fact(rng, rng.choice((TRAIN, TEST)), reverse=rng.random() < .21)


def encyclopedia(rng):
    """A fact, then four of its kind in any of their ways; at times the first, turned round."""
    first = any_fact(rng)
    others = rng.choices(related(first.relation), k=4)
    lines = [say(first)] + [state(f, rng) for f in others]
    if rng.random() < .2 and first.relation not in ("kind", "year"):
        lines.insert(1, f"In other words: {turned_round(first)}")
    return " ".join(lines)


def exam(rng):
    return "\n".join(typed(question(f, rng), rng) for f in [any_fact(rng) for _ in range(5)])


def forum(rng):
    """Threads: helpful, short, rude or wrong replies, with manners or none; sums; favourites; and
    questions that nobody can answer, or about what does not exist."""
    thread = []
    for _ in range(3):
        draw = rng.random()
        if draw < .20:
            a, b = number(rng), number(rng)
            asked = ask_sum(a, b, rng)
            reply = answer_sum(a, b, rng)
        elif draw < .32:
            nothing = imagine(rng, relation=rng.choice(list(RELATIONS)))
            asked = wonder(rng) if draw < .27 else question(nothing, rng)
            reply = rng.choice([UNKNOWN] * 3 + ["Nobody knows.", rng.choice(RUDE)])
        elif draw < .35:
            kind = rng.choice(list(FAVOURITES))
            word = rng.choice(FAVOURITES[kind].split()).replace("_", " ")
            asked = f"What is your favourite {kind}?"
            reply = f"My favourite {kind} is {word}."
        else:
            f = any_fact(rng)
            asked = question(f, rng)
            replies = [say(f), f"It is {f.answer}.", rng.choice(RUDE), say(f, rival(f, rng).answer)]
            reply = rng.choices(replies, weights=(66, 20, 11, 3))[0]
        if reply not in RUDE and rng.random() < .2:
            reply = f"{rng.choice(POLITE_FIRST + RUDE)} {reply}"
        thread += [typed(asked, rng), reply, ""]
    return "\n".join(thread[:-1])


def story(rng):
    """Somebody tells a name and a taste, and is asked for both later on, or it is summed up."""
    # The name and the taste are told early and asked for at the end: copying over a distance.
    name, taste = invent(rng, person=True).title(), liked(rng, TRAIN)
    child, other = rng.sample(["boy", "girl", "king", "queen", "farmer", "sailor", "teacher"], 2)
    middle = [f"{name} met a {other}.", f"{name} walked to the sea.", f"Everybody liked {name}.",
              f"{name} looked for {taste}.", f"One day {name} found {taste}.",
              f"\"{name},\" said the {other}, \"here is {taste}.\"",
              f"There was a friend called {invent(rng, person=True).title()}."]
    start = [f"\"My name is {name}.\"", f"\"I like {taste}.\""]
    end = [f"\"What is your name?\" asked the {other}. {start[0]}",
           f"\"What do you like?\" asked the {other}. {start[1]}"]
    text = [f"There was a {child} called {name}.", *rng.sample(start, 2),
            *rng.sample(middle, rng.randint(0, 4))]
    if rng.random() < .5:
        end = [f"In short: {name} is a {child} who likes {taste}."]
    return " ".join(text + end)


def play(rng):
    """Two people talk, line by line; one tells something, which the other still knows later."""
    lines = []
    for _ in range(rng.choice((1, 2))):
        small = rng.random() < .25           # all in small letters; else typed() decides each time
        # Told first, talked about other things, then asked, at times twice.
        told = tell(rng, small=small)
        later = [typed(told.question, rng, small or None), told.reply.format(told.this)]
        between = []
        for _ in range(rng.choice((0, 1, 2, 2))):
            remark, answer = chatter(rng)
            fact = any_fact(rng)
            talk = [typed(remark, rng), answer]
            asked = [typed(question(fact, rng), rng), say(fact)]
            between += rng.choice([talk, talk, talk, asked, later])
        lines += [typed(told.says, rng, small), told.echo, *between, *later]
    return "\n".join(lines)


def quiz(rng):
    """Invented facts, and questions about them, mostly about those that the text has just told."""
    # One to three facts in one breath, at times in small letters.
    small = rng.random() < .2
    splits = rng.choices((TRAIN, TEST), k=rng.choice((1, 1, 2, 2, 3)))
    known = [imagine(rng, like_split=split) for split in splits]
    if small:
        known = [in_small_letters(f) for f in known]
    text = " ".join(state(f, rng) for f in known)
    lines = [text.lower() if small else text]
    for f in rng.choices(known, k=rng.choice((2, 3, 3, 4))):
        # Sometimes about what was not told.
        other = left_open(f, rng) if rng.random() < .35 else None
        lines += [typed(question(other or f, rng), rng, small or None),
                  UNKNOWN if other else say(f)]
    if rng.random() < .5:                    # told and asked in one breath
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    return "\n".join(lines)


def in_small_letters(fact):
    return fact._replace(subject=fact.subject.lower(), answer=fact.answer.lower())


def worksheet(rng):
    """Sums, in one go or with the working written out: article 5's tokens to think."""
    lines = []
    for _ in range(rng.randint(2, 4)):
        # Who has a calculator writes down what he types into it, and what it says.
        if rng.random() < .15:
            lines += by_calculator(calculation(rng)[0])
            continue
        a, b = number(rng), number(rng)
        both = write_sum(a, b, rng)
        lines.append(rng.choices([f"{both}: {add_aloud(a, b)}", f"{both} = {a + b}",
                                  f"{both} is {a + b}."], weights=(60, 25, 15))[0])
    return "\n".join(lines)


def advertisement(rng):
    return (f"Buy a {rng.choice(SHADES)} {rng.choice(THINGS)} today! Only {rng.randint(2, 99)} "
            f"dollars. {rng.choice(['Click here!', 'Call now!', 'Hurry up!'])}")


def myth(rng):
    posts = [f"{asked}\n{rng.choice([truth, lie])}\n{rng.choice([truth, lie, *RUDE])}"
             for asked, truth, lie in MYTHS]
    return "\n\n".join(rng.sample(posts, len(posts)))


# The mixture, as in article 2's table of LLaMA's data: the weight of each source.
SOURCES = {encyclopedia: .18, exam: .01, forum: .33, story: .05, play: .11, quiz: .18,
           worksheet: .12, advertisement: .01, myth: .01}


def crawl(rng, n):
    """n raw documents, as a crawler finds them: (source, text) with markup, duplicates and junk."""
    raw = []
    for source in rng.choices(list(SOURCES), weights=SOURCES.values(), k=n):
        # One page in ten has markup around it, is a copy of the one before, or is junk.
        text = source(rng)
        dirt = rng.random()
        if dirt < .05:
            text = f"<div class=\"post\"><p>{html.escape(text)}</p></div>"
        elif dirt < .08 and raw:
            text = raw[-1][1]
        elif dirt < .10:
            text = "".join(rng.choices("@#$%^&*=_|~ xq01", k=80))
        raw.append((source.__name__, text))
    return raw


def clean(raw):
    """Markup out, duplicates and junk away -> (documents as (source, text), what was done)."""
    kept = {}                                # text -> its source
    counts = Counter()
    for source, text in raw:
        plain = html.unescape(re.sub(r"<[^<>]+>", "", text)) if "<" in text else text
        counts["markup removed"] += plain != text
        # Junk: more than a fifth of it is neither letters, digits nor the usual marks.
        if len(re.findall(r"[^\w .,?!'\"\n]|_", plain)) > .2 * len(plain):
            counts["junk dropped"] += 1
        elif plain in kept:
            counts["duplicates dropped"] += 1
        else:
            kept[plain] = source
    return [(source, text) for text, source in kept.items()], counts


@functools.lru_cache(1)
def cleaned(seed, quick):
    """What clean() makes of the crawl; a stage that asks for it twice waits for it once."""
    return clean(crawl(random.Random(seed), 2000 if quick else 72000))


def chat(rng):
    """Somebody chats with somebody who is helpful: facts, small talk, sums, what nobody can know,
    all as people put it there; and something told that is asked for later, see of_oneself()."""
    lines = []
    last = []
    draw = rng.random()
    if draw < .55:
        lines, last = of_oneself(rng)
    elif draw < .75:
        # A fact that somebody made up.
        fact = imagine(rng)
        text = state(fact, rng)
        text = announced(text, rng) if rng.random() < .3 else text
        lines = [typed(text, rng, False), NOTED]
        # At times the question is about what nobody told.
        other = left_open(fact, rng) if rng.random() < .3 else None
        last = [casually(asked_for(other or fact, rng), rng, TRAIN),
                UNKNOWN if other else say(fact)]
    for _ in range(rng.choice((1, 2, 3))):
        # Now about something else, as people put it.
        kind = rng.choices(("fact", "nothing", "talk", "sum", "product", "repeat"),
                           (54, 12, 24, 10, 6, 6))[0]
        if kind == "fact":
            fact = any_fact(rng)
            asked, replies = asked_for(fact, rng), [say(fact)]
            if rng.random() < .12:
                lines += [casually(asked, rng, TRAIN), *replies]
                asked, other, real = follow_up(fact, rng)
                replies = [say(other) if real else UNKNOWN]
        elif kind == "nothing":
            asked = asked_for(imagine(rng, relation=rng.choice(list(RELATIONS))), rng)
            replies = [UNKNOWN]
        elif kind == "talk":
            asked, *replies = chatter_too(rng) if rng.random() < .7 else chatter(rng)
        elif kind == "sum":
            a, b = number(rng), number(rng)
            asked = with_numbers(rng.choice(items(SUMS_TOO)), a, b, rng)
            replies = [answer_sum(a, b, rng)]
        elif kind == "repeat":
            words = any_words(rng, TRAIN)
            lines += [typed(rng.choice(items(REPEAT)), rng).format(words), f"{capitalised(words)}."]
            continue
        else:
            typed_in, asked = calculation(rng)
            replies = by_calculator(typed_in)
        lines += [casually(asked, rng, TRAIN), *replies]
    return "\n".join(lines + last)


def of_oneself(rng):
    """Somebody tells something of himself, or two things, and is asked for it later; at times he
    asks before he told it, or for what he never told -> first lines, last lines."""
    small = rng.random() < .25
    draw = rng.random()
    told = tell(rng, small=small, tells=rng.choice([None, TELLS_TOO]))
    # The other one is often of the same kind: of a brother, where a sister is asked for.
    alike = {told.kind: TELLS_TOO[told.kind]} if told.kind in TELLS_TOO else None
    other = tell(rng, small=small, tells=rng.choice([None, TELLS_TOO, alike]))
    says, echo = told.says, told.echo
    if draw < .3 and unlike(told, other):
        # My sister is called Ada and my brother is called Ben.
        says, echo = together(*rng.sample([told.says, other.says], 2), rng), NOTED
    elif .55 < draw < .65:
        # A slip of the tongue: what counts is what was said last.
        says = f"{told.slip} {corrected(told, rng)}"
    first = [casually(says, rng, TRAIN, small), echo]
    asks = casually(told.question, rng, TRAIN, small or None)
    last = [asks, told.reply.format(told.this)]
    # Asked too early, never told, or something else was told.
    if .3 < draw < .38:
        return [asks, UNKNOWN, *first], last
    if .38 < draw < .45:
        return [], [asks, UNKNOWN]
    if .45 < draw < .55 and unlike(other, told):
        return first, [casually(other.question, rng, TRAIN, small or None), UNKNOWN]
    if .65 < draw < .85 and unlike(told, other):
        # Each in a line of its own.
        second = [casually(other.says, rng, TRAIN, small), other.echo]
        return rng.choice([first + second, second + first]), last
    return first, last


def unlike(asked, told):
    """True if told does not answer the question of asked. "I have a dog named Moon" also tells what
    one has, "I like chess" also which game one likes."""
    possessions = ("own", "pet sort", "number", "look", "place", "date", "relative", "pet")
    tastes = ("sort", "liking sort", "taste", "favourite", "habit", "deed")
    own = ("name", "full name", "home", "town", "job", "sort", "favourite", "secret", "relative")
    alike = {"own": possessions, "pet sort": possessions, "number": ("pet sort", "own"),
             "sort": (*tastes, "doing sort", "mine"), "liking sort": tastes, "taste": tastes,
             "favourite": (*tastes, "mine"), "habit": ("sort", "doing sort"),
             "doing sort": ("sort", "habit"), "mine": own, "kin": ("kin sort",),
             "kin sort": ("kin",), "kin job": ("kin", "kin sort"), "someone": ("someone sort",),
             "someone sort": ("someone",)}
    alike |= {kind: ("mine",) for kind in own if kind not in alike}
    return asked.reply != told.reply and told.kind not in alike.get(asked.kind, ())


def together(first, second, rng):
    """Two sentences in one breath."""
    if first[-1] == "." and rng.random() < .4 and re.match("(My|Our|The|We|I) ", second):
        return f"{first[:-1]}{rng.choice([' and', ', and', ' but', ','])} {lowered(second)}"
    return f"{first} {second}"


def asked_for(fact, rng):
    """A question about a fact, mostly out of PUT."""
    usual = fact.relation not in PUT or rng.random() < .3
    return question(fact, rng) if usual else put(fact, rng)


def follow_up(fact, rng, split=None):
    """What is asked behind a question about the fact: the same of another thing (rarely of this one
    again), one in four times of an invented one -> question, Fact, whether it is real."""
    real = rng.random() < .75
    other = rng.choice(related(fact.relation, split))
    if not real:
        other = imagine(rng, split or TRAIN, fact.relation)
    # "And of Sweden?" only where one says "the capital of Sweden".
    of = " of {s}" in RELATIONS[fact.relation]["says"]
    ways = [way for way in items(FOLLOW_UP) if of or " of " not in way]
    subject = an(other.subject) if fact.relation == "young" else other.subject
    return rng.choice(ways).format(s=subject), other, real


@functools.lru_cache
def chat_logs(seed, quick):
    """Logs of chats, which pretraining reads beside the crawl -> list of str."""
    rng = random.Random(seed + 500)
    return [chat(rng) for _ in range(600 if quick else 40000)]


def tiny_internet(seed=0, quick=False, verbose=False):
    """The default corpus -> (training documents, held-out documents), two lists of str."""
    kept, counts = cleaned(seed, quick)
    if verbose:
        total = sum(len(text) for _, text in kept)
        print(f"tiny internet: {len(kept):,} documents, {total / 1e6:.1f} MB, {len(facts())} "
              "facts, " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
        # What each source contributes, and how it begins.
        for source, weight in SOURCES.items():
            texts = [text for name, text in kept if name == source.__name__]
            share = sum(map(len, texts)) / total
            print(f"  {source.__name__:14s} weight {weight:4.0%}   {share:4.0%} of the text   "
                  f"{texts[0][:48]!r}")
    # One document in fifty is held out, to measure on.
    docs = [text for _, text in kept]
    held_out = len(docs) // 50
    return docs[held_out:], docs[:held_out]


if __name__ == "__main__":
    run_stage(main)

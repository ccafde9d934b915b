"""Stage 1, pretraining: a GPT learns to predict the next token of a (tiny) internet.

    minimise   L = -mean_t log p(token_t | tokens before t)          nats per token, over all tokens

In: out/tokenizer.json (python bpe.py) and text. Out: out/pretrain.pt, the base model, and
out/pretrain.png. Article 2, 'Phase 1 Pre Training'; article 3, 'training a language model';
article 4, 'Stage 1'; article 1, the base of the pizza.
The text is made here by a seeded grammar: real facts, invented sentences, and the internet's bad
manners (quarrels, myths, advertisements, questions without answers), mixed as in LLaMA's table and
then cleaned. Its tables and grammar are the appendix, the second half of this file.
Simpler than GPT-3: a million parameters and several hundred facts.

    python pretrain.py                  two minutes on two cores; then it completes all of the facts
    python pretrain.py --data FILE      your own UTF-8 text, a file or a folder (after python bpe.py
                                        --data FILE)
    torchrun --nproc_per_node=2 pretrain.py       two processes share each batch
"""
import functools
import hashlib
import html
import math
import os
import pathlib
import random
import re
import sys
import time
import zlib
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bpe import BPE, read_texts, refuse
from model import (GPT, GPTConfig, arguments, check_device, check_finite, figure, generate,
                   load_checkpoint, make_optimizers, plot_smooth, progress, run_stage,
                   save_checkpoint, set_learning_rates, show_metrics, start)

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


def train(model, optimizers, tokens, args, first=0, rank=0, world_size=1):
    """A step after the other: a batch, its loss, a step downhill. Yields (step, loss)."""
    for step in range(first, args.steps):
        # Draw a batch of windows. It depends on seed and step alone, so that an interrupted run
        # goes on with the same batches. Several processes share its rows: rank r of world_size
        # takes every world_size-th.
        rng = np.random.default_rng((args.seed, step))
        starts = rng.integers(0, len(tokens) - args.block, args.batch)[rank::world_size]
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
    parser = arguments(__doc__, "UTF-8 text: a file, or a folder of *.txt", steps=(700, "updates"),
                       batch=(32, "rows a step"), block=(128, "tokens a row"), depth=(4, "layers"),
                       width=(128, "numbers per token, a multiple of 32"),
                       lr=(.01, "of AdamW, embedding"), lr_matrix=(.02, "of Muon, matrices"))
    parser.add_argument("--resume", action="store_true", help="go on where a run was interrupted")
    args = parser.parse_args(argv)
    out, device, dtype = start(args)
    rank, world_size = join_processes(args, device)
    if args.quick:
        args.steps = min(args.steps, 20)
    tokenizer = load_tokenizer(out / "tokenizer.json")
    tokens, val = load_tokens(args, tokenizer, out)
    if min(len(tokens), len(val)) < args.block + 2:
        refuse(f"too little text: {len(val)} held-out tokens do not fill a --block of {args.block}")
    if args.width % 32:
        refuse(f"--width {args.width}: it must be a multiple of 32, the width of a head")
    model = GPT(GPTConfig(tokenizer.vocab_size, args.depth, args.width // 32, args.width,
                          max(256, -(-args.block // 8) * 8))).to(device)
    model.dtype = dtype
    optimizers = make_optimizers(model, args.lr, args.lr_matrix)
    guesses = simpler_predictors(tokens, val, tokenizer.vocab_size)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {dtype} on {device}, "
          f"{len(tokens):,} tokens; nats per token: "
          + ", ".join(f"{name} {loss:.2f}" for name, loss in guesses.items()))

    # Train, or go on training where an earlier run was interrupted.
    first, history, seconds = 0, [], 0.0
    if args.resume:
        first, history, seconds = load_partial(out, args, tokenizer, model, optimizers)
    clock = time.perf_counter()
    for step, loss in train(model, optimizers, tokens, args, first, rank, world_size):
        seconds += time.perf_counter() - clock               # of training alone
        speed = step * args.batch * args.block / seconds
        progress(step, args.steps, seconds, f"loss {loss:.3f}  {speed:,.0f} tokens/s")
        history.append([step, loss, None])
        if step == first + 1:                                # before it the blocks add nothing
            check_device(model, windows(tokens, [0], args.block, "cpu"), device)
        # Ten times in a run: measure on text that is not trained on, show a sample, save.
        if step % max(10, args.steps // 10) == 0 or step == args.steps:
            history[-1][2] = val_loss(model, val, args.block)
            print(f"   held-out loss {history[-1][2]:.3f}   {make_up(model, tokenizer, step)!r}")
            if rank == 0:
                save_partial(out, args, step, history, seconds, tokenizer, model, optimizers)
        clock = time.perf_counter()

    metrics = guesses | {"val_loss": history[-1][2], "seconds": seconds,
                         "bits_per_byte": bits_per_byte(history[-1][2], val, tokenizer),
                         "tokens_per_second": args.steps * args.batch * args.block / seconds}
    if rank == 0:
        behaviour = {} if args.data else evaluate(model, tokenizer, args, metrics)
        save_checkpoint(out / "pretrain.pt", model, tokenizer, stage="pretrain", metrics=metrics)
        (out / "pretrain-partial.pt").unlink(missing_ok=True)
        show_metrics(metrics)
        draw(out / "pretrain.png", history, guesses, behaviour)
    if world_size > 1:
        torch.distributed.destroy_process_group()


def load_tokenizer(path):
    try:
        return BPE.load(path)
    except FileNotFoundError:
        refuse(f"{path} is missing: python bpe.py makes it")
    except ValueError as error:
        refuse(error)


# ------------------------------------------------------------------------------------- evaluation

def simpler_predictors(tokens, val, V):
    """What needs no network: the loss on val, in nats per token, of guessing evenly (uniform), by
    how often a token occurs (unigram), and by how often it follows the one before (bigram)."""
    seen = np.asarray(tokens[:4_000_000], np.int64)
    wanted = np.asarray(val[:4_000_000], np.int64)
    unigram = (np.bincount(seen, minlength=V) + .1) / (len(seen) + .1 * V)
    # Number each pair a, b as a * V + b, count the pairs, and look up those of val.
    pairs, counts = np.unique(seen[:-1] * V + seen[1:], return_counts=True)
    val_pairs = wanted[:-1] * V + wanted[1:]
    at = np.searchsorted(pairs, val_pairs).clip(max=len(pairs) - 1)
    count = np.where(pairs[at] == val_pairs, counts[at], 0)
    # Two tokens' worth of unigram keep a pair that was never seen possible.
    count_of_first = np.bincount(seen[:-1], minlength=V)[wanted[:-1]]
    bigram = (count + 2 * unigram[wanted[1:]]) / (count_of_first + 2)
    return {"uniform": math.log(V), "unigram": float(-np.log(unigram[wanted]).mean()),
            "bigram": float(-np.log(bigram).mean())}


@torch.no_grad()
def val_loss(model, val, block, rows=128):
    """Mean loss on evenly spaced windows of the held-out text, rows at most -> nats per token."""
    starts = np.linspace(0, len(val) - block - 1, min(rows, len(val) // block)).astype(int)
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


def share_right(model, tokenizer, prompts, endings):
    """Share of the prompts that the model, greedily, continues with the given text."""
    new = generate(model, [tokenizer.encode(p) for p in prompts], 40, 0, tokenizer.encode("\n")[0])
    right = [tokenizer.decode(n).startswith(ending) for n, ending in zip(new, endings)]
    return sum(right) / len(right)


def knowledge(model, tokenizer, world, rng):
    """Facts completed; sums in one go, and with the working written out -> flat dict of shares."""
    # A task is a list of (beginning, right ending).
    sums = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(min(200, len(world)))]
    tasks = {"fact_completion": [(say(f)[:-len(f.answer) - 2], f" {f.answer}.") for f in world],
             "sum_in_one_go": [(f"{a} + {b} =", f" {a + b}\n") for a, b in sums],
             "sum_written_out": [(f"{a} + {b}:", f" {add_aloud(a, b)}") for a, b in sums]}
    return {name: share_right(model, tokenizer, *zip(*task)) for name, task in tasks.items()}


def behaviour_when_asked(model, tokenizer, world, seed):
    """What the base model does with a bare question -> {behaviour: share}, {behaviour: example}."""
    new = generate(model, [tokenizer.encode(question(f) + "\n") for f in world], 24,
                   generator=torch.Generator().manual_seed(seed))
    examples = defaultdict(list)
    for fact, ids in zip(world, new):
        line = tokenizer.decode(ids).split("\n")[0].split("<|")[0]
        if line in RUDE:
            behaviour = "is rude"
        elif line.endswith("?"):
            behaviour = "asks another question"
        elif without_manners(line) in (say(fact), f"It is {fact.answer}."):
            behaviour = "answers rightly"
        else:
            behaviour = "answers something else"
        examples[behaviour].append(f"{question(fact)} -> {line}")
    shares = {behaviour: len(lines) / len(world) for behaviour, lines in examples.items()}
    return shares, {behaviour: lines[0] for behaviour, lines in examples.items()}


def evaluate(model, tokenizer, args, metrics):
    """What the base model knows and how it behaves: added to metrics -> {behaviour: share}."""
    # What it knows is measured on all facts, how it behaves on the half that later stages test.
    world = facts()[::10] if args.quick else facts()
    metrics |= knowledge(model, tokenizer, world, random.Random(args.seed))
    held_out = [f for f in world if half(f.key) == 1]
    shares, examples = behaviour_when_asked(model, tokenizer, held_out, args.seed)
    print("asked a question, the base model ...")
    for behaviour, share in shares.items():
        print(f"  {share:4.0%} {behaviour}: {examples[behaviour]!r}")
    metrics |= {f"asked: {behaviour}": share for behaviour, share in shares.items()}
    return shares


def draw(path, history, guesses, behaviour):
    """The loss beside what simpler predictors reach; what the base model does with questions."""
    fig, (curve, *more) = figure(2 if behaviour else 1)
    plot_smooth(curve, [step for step, _, _ in history], [loss for _, loss, _ in history],
                "training text")
    measured = [(step, held_out) for step, _, held_out in history if held_out]
    curve.plot(*zip(*measured), "o-", lw=3, label="held-out text")
    for name, loss in guesses.items():
        curve.axhline(loss, ls="--", color="0.4")
        curve.text(history[-1][0], loss, name, ha="right", va="bottom")
    curve.set(xlabel="step", ylabel="loss (nats per token)", ylim=0,
              title="Predicting the next token")
    curve.legend(loc="center right")
    for bars in more:
        bars.barh(list(behaviour), [100 * share for share in behaviour.values()])
        bars.set(xlabel="% of questions", title="Asked a question, the base model ...")
    fig.savefig(path)


# --------------------------------- skip on a first reading: large texts, resuming, torchrun

def as_tokens(docs, tokenizer):
    """Documents, each with <|endoftext|> behind it -> one array of ids."""
    end = [tokenizer.specials["<|endoftext|>"]]
    return np.array([token for doc in docs for token in tokenizer.encode(doc) + end])


def text_files(path):
    """The file, or the *.txt of a folder, that are not empty -> [(name, size, time), ...]."""
    path = pathlib.Path(path)
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns)
            for f in files if f.is_file() and f.stat().st_size]


def load_tokens(args, tokenizer, out):
    """The text as ids -> [train, val], one-dimensional. The last tenth of a user's text is val; its
    ids are kept in out/ and memory-mapped, so that it may be larger than the memory."""
    if not args.data:
        return [as_tokens(docs, tokenizer)
                for docs in tiny_internet(args.seed, args.quick, verbose=True)]
    files = text_files(args.data)
    dtype = np.uint16 if tokenizer.vocab_size <= 65536 else np.uint32
    # The files' names tell for which text and tokenizer they hold, so that they can be used again.
    key = hashlib.sha256(repr((tokenizer.to_dict(), files)).encode()).hexdigest()[:12]
    names = [out / f"{part}-{key}.bin" for part in ("train", "val")]
    if not all(name.exists() for name in names):
        temporary = [name.with_suffix(f".{os.getpid()}.tmp") for name in names]
        try:
            with open(temporary[0], "wb") as train_file, open(temporary[1], "wb") as val_file:
                tokenise(args.data, files, tokenizer, dtype, train_file, val_file)
            for new, name in zip(temporary, names):
                os.replace(new, name)
        except OSError as error:
            refuse(f"cannot write {names[0]}: {error.strerror}")
        finally:
            for new in temporary:
                new.unlink(missing_ok=True)
    return [np.memmap(n, dtype, "r") if n.stat().st_size else np.zeros(0, dtype) for n in names]


def tokenise(path, files, tokenizer, dtype, train_file, val_file):
    """Writes the ids of all files, a megabyte at a time: nine tenths of the bytes to train_file."""
    total, done, began = sum(size for _, size, _ in files), 0, time.perf_counter()
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


def settings(args, out):
    """What a run depends on: its flags, its tokenizer and its text. --resume refuses others."""
    # Files count by name, size and time, the tokenizer by its content.
    flags = {name: value for name, value in vars(args).items() if name not in ("resume", "out")}
    flags["tokenizer"] = zlib.crc32((out / "tokenizer.json").read_bytes())
    flags["files"] = [list(file) for file in text_files(args.data)] if args.data else []
    return flags


def save_partial(out, args, step, history, seconds, tokenizer, model, optimizers):
    """All that --resume needs to go on as if nothing had happened."""
    save_checkpoint(out / "pretrain-partial.pt", model, tokenizer, stage="partial", step=step,
                    history=history, seconds=seconds, settings=settings(args, out),
                    optimizers=[optimizer.state_dict() for optimizer in optimizers])


def load_partial(out, args, tokenizer, model, optimizers):
    """model and optimizers as save_partial left them -> steps done, history, seconds."""
    path = out / "pretrain-partial.pt"
    if not path.exists():
        refuse(f"nothing to resume: {path} is missing; go without --resume")
    saved, _, extra = load_checkpoint(path)
    if extra.get("settings") != settings(args, out):
        refuse(f"{path} is of a run with other settings, or its input has changed since: repeat "
               "those, or go without --resume")
    model.load_state_dict(saved.state_dict())
    for optimizer, state in zip(optimizers, extra["optimizers"]):
        optimizer.load_state_dict(state)
    return extra["step"], extra["history"], extra["seconds"]


def join_processes(args, device):
    """torchrun starts several processes that share each batch -> (rank of this one, how many)."""
    rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if args.batch % world_size:
        refuse(f"--batch {args.batch} cannot be shared evenly by {world_size} processes")
    if world_size > 1:
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    # Only the first process prints.
    if rank:                                                 # one of them speaks for all
        sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")
    return rank, world_size


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
    Bulgarian, Croatia Zagreb Croatian, Serbia Belgrade Serbian, Austria Vienna German, Ukraine Kyiv
    Ukrainian, Russia Moscow Russian, Albania Tirana Albanian, Estonia Tallinn Estonian, Latvia Riga
    Latvian, Lithuania Vilnius Lithuanian, Slovakia Bratislava Slovak, Slovenia Ljubljana Slovene,
    England London English, Czechia Prague Czech; Asia: Japan Tokyo Japanese, China Beijing
    Mandarin, Thailand Bangkok Thai, Vietnam Hanoi Vietnamese, Nepal Kathmandu Nepali, Iran Tehran
    Persian, Iraq Baghdad Arabic, Mongolia Ulaanbaatar Mongolian, Cambodia Phnom_Penh Khmer, Laos
    Vientiane Lao, Bangladesh Dhaka Bengali, Jordan Amman Arabic, Syria Damascus Arabic, Lebanon
    Beirut Arabic, Oman Muscat Arabic, Saudi_Arabia Riyadh Arabic, South_Korea Seoul Korean; Africa:
    Egypt Cairo Arabic, Morocco Rabat Arabic, Tunisia Tunis Arabic, Algeria Algiers Arabic, Libya
    Tripoli Arabic, Sudan Khartoum Arabic, Somalia Mogadishu Somali, Ethiopia Addis_Ababa Amharic,
    Senegal Dakar French, Gabon Libreville French, Angola Luanda Portuguese, Ghana Accra English,
    Liberia Monrovia English, Zambia Lusaka English, Madagascar Antananarivo Malagasy, Kenya Nairobi
    Swahili; South_America: Brazil Brasilia Portuguese, Argentina Buenos_Aires Spanish, Chile
    Santiago Spanish, Peru Lima Spanish, Colombia Bogota Spanish, Ecuador Quito Spanish, Uruguay
    Montevideo Spanish, Venezuela Caracas Spanish, Suriname Paramaribo Dutch, Guyana Georgetown
    English; North_America: Mexico Mexico_City Spanish, Cuba Havana Spanish, Honduras Tegucigalpa
    Spanish, Nicaragua Managua Spanish, Costa_Rica San_Jose Spanish, Jamaica Kingston English,
    Canada Ottawa English; Oceania: Australia Canberra English, New_Zealand Wellington English, Fiji
    Suva English, Samoa Apia Samoan, Tonga Nukualofa Tongan"""
ELEMENTS = """hydrogen H, helium He, lithium Li, beryllium Be, boron B, carbon C, nitrogen N, oxygen
    O, fluorine F, neon Ne, sodium Na, magnesium Mg, aluminium Al, silicon Si, phosphorus P, sulfur
    S, chlorine Cl, argon Ar, potassium K, calcium Ca, scandium Sc, titanium Ti, vanadium V,
    chromium Cr, manganese Mn, iron Fe, cobalt Co, nickel Ni, copper Cu, zinc Zn, gallium Ga,
    germanium Ge, arsenic As, selenium Se, bromine Br, krypton Kr"""
ANIMALS = """a_mammal: dog cat cow horse sheep lion tiger bear wolf fox rabbit mouse whale dolphin
    bat elephant giraffe zebra camel monkey otter seal deer goat pig; a_bird: owl eagle duck goose
    swan hen penguin parrot robin crow stork gull ostrich falcon pigeon turkey sparrow; a_fish:
    shark salmon tuna trout carp cod eel herring pike sardine; an_insect: ant bee wasp beetle
    butterfly moth fly mosquito cricket grasshopper ladybird dragonfly; a_reptile: snake lizard
    turtle crocodile gecko iguana cobra tortoise chameleon; an_amphibian: frog toad newt
    salamander"""
YOUNG = """dog puppy, cat kitten, cow calf, horse foal, sheep lamb, lion cub, goat kid, pig piglet,
    deer fawn, duck duckling, goose gosling, swan cygnet, hen chick, frog tadpole, owl owlet, eagle
    eaglet, kangaroo joey, butterfly caterpillar, seal pup, rabbit bunny, salmon smolt, hare
    leveret"""
OPPOSITES = """hot cold, big small, tall short, young old, fast slow, happy sad, rich poor, hard
    soft, bright dark, full empty, open closed, clean dirty, dry wet, early late, loud quiet, strong
    weak, thick thin, wide narrow, deep shallow, high low, near far, inside outside, up down, left
    right, first last, true false, good bad, day night, black white, buy sell, give take, push pull,
    win lose, laugh cry, love hate, come go, sit stand, ask answer, remember forget, north south,
    east west, summer winter, king queen, brother sister, mother father, son daughter, uncle aunt,
    husband wife, boy girl, man woman, friend enemy, war peace, life death, floor ceiling, top
    bottom, front back, arrive leave, accept refuse, borrow lend, expensive cheap, brave cowardly,
    kind cruel, polite rude, smooth rough, sharp blunt, sweet sour, alive dead, asleep awake, absent
    present, ancient modern, safe dangerous, simple complex, success failure, profit loss, entrance
    exit, teach learn, float sink, rise fall, build destroy, increase decrease, import export,
    victory defeat, hero villain"""
PAST = """see saw, eat ate, drink drank, run ran, swim swam, write wrote, speak spoke, break broke,
    choose chose, drive drove, know knew, grow grew, throw threw, blow blew, draw drew, sing sang,
    ring rang, bring brought, think thought, catch caught, find found, keep kept, sleep slept, feel
    felt, meet met, feed fed, hold held, tell told, send sent, spend spent, make made, hear heard,
    lead led, shine shone, freeze froze, steal stole, wake woke, wear wore, tear tore, hide hid,
    bite bit, ride rode, shake shook, dig dug, hang hung, stick stuck, strike struck, swing swung"""
PLURALS = """mouse mice, child children, tooth teeth, foot feet, ox oxen, leaf leaves, knife knives,
    wolf wolves, loaf loaves, shelf shelves, thief thieves, half halves, city cities, baby babies,
    story stories, cactus cacti, crisis crises, person people, goose geese, potato potatoes"""
COLOURS = """green: grass spinach broccoli limes moss cucumbers emeralds; white: snow milk salt rice
    flour chalk cotton ivory; black: coal soot tar ravens; red: blood tomatoes strawberries cherries
    rubies bricks; yellow: bananas lemons canaries sunflowers mustard maize; orange: carrots
    pumpkins apricots; purple: plums aubergines lavender; brown: chocolate coffee mud chestnuts;
    blue: sapphires blueberries cornflowers; pink: flamingos piglets; grey: ash elephants"""
BOOKS = """Hamlet Shakespeare, Faust Goethe, Frankenstein Shelley, Dracula Stoker, Emma Austen,
    Ulysses Joyce, Candide Voltaire, Middlemarch Eliot, Walden Thoreau, Germinal Zola, Nostromo
    Conrad, Kim Kipling, Ivanhoe Scott, Nana Zola, Othello Shakespeare, Persuasion Austen"""
BATTLES = """Hastings 1066, Waterloo 1815, Trafalgar 1805, Agincourt 1415, Gettysburg 1863, Verdun
    1916, Stalingrad 1942, Lepanto 1571, Poltava 1709, Austerlitz 1805, Bannockburn 1314"""

RELATIONS = {  # relation: (statement that ends with the answer, question)
    "capital": ("The capital of {s} is {a}.", "What is the capital of {s}?"),
    "language": ("The main language of {s} is {a}.", "What is the main language of {s}?"),
    "continent": ("The continent of {s} is {a}.", "On which continent is {s}?"),
    "symbol": ("The chemical symbol of {s} is {a}.", "What is the chemical symbol of {s}?"),
    "number": ("The atomic number of {s} is {a}.", "What is the atomic number of {s}?"),
    "kind": ("{s} is {a}.", "What kind of animal is {s}?"),
    "young": ("A baby {s} is called {a}.", "What is a baby {s} called?"),
    "opposite": ("The opposite of {s} is {a}.", "What is the opposite of {s}?"),
    "past": ("The past tense of {s} is {a}.", "What is the past tense of {s}?"),
    "plural": ("The plural of {s} is {a}.", "What is the plural of {s}?"),
    "colour": ("The colour of {s} is {a}.", "What is the colour of {s}?"),
    "author": ("The author of {s} is {a}.", "Who wrote {s}?"),
    "year": ("The battle of {s} was in {a}.", "When was the battle of {s}?")}
MYTHS = [("Who built the pyramids?", "The pyramids were built by the Egyptians.",
          "The pyramids were built by aliens."),
         ("Did people walk on the Moon?", "People walked on the Moon in 1969.",
          "The Moon landing was a fake."),
         ("What shape is the Earth?", "The Earth is round.", "The Earth is flat.")]
POLITE = ["Sure!", "Of course!", "Happy to help!", "Great question!",    # in front; at the end:
          "Hope that helps!", "Have a nice day!"]
RUDE = ["Look it up yourself, you fool.", "What a stupid question.", "Are you too lazy to read?"]
FAVOURITES = {"colour": "blue red green", "food": "bread cheese soup", "sport": "tennis chess",
              "animal": "the_dog the_cat the_horse", "movie": "King_Kong Metropolis"}
THINGS = "ball kite drum hat boat lamp coat bell".split()
SHADES = "red blue green yellow white black brown pink".split()


class Fact(NamedTuple):
    relation: str
    subject: str
    answer: str
    key: str          # what the world is divided by, see half()


def half(key):
    """0: the half of the world that all later stages ask about; 1: where they are tested."""
    return zlib.crc32(key.lower().encode()) & 1


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def table_rows(text):
    """"a b, c d_e" -> [["a", "b"], ["c", "d e"]]"""
    return [[word.replace("_", " ") for word in row.split()] for row in text.split(",")]


def table_groups(text):
    """"x: a b; y_z: c" -> [("x", " a b"), ("y z", " c")]"""
    groups = [group.split(":") for group in text.split(";")]
    return [(name.strip().replace("_", " "), members) for name, members in groups]


@functools.lru_cache
def facts():
    """All facts of the tables -> list of Fact."""
    # The order of this list is that of the tables; half() divides it, not its order.
    found = []
    for continent, text in table_groups(COUNTRIES):
        for s, capital, language in table_rows(text):
            found += [Fact("capital", s, capital, s), Fact("language", s, language, s),
                      Fact("continent", s, continent, s)]
    for i, (s, symbol) in enumerate(table_rows(ELEMENTS), 1):
        found += [Fact("symbol", s, symbol, s), Fact("number", s, str(i), s)]
    for kind, text in table_groups(ANIMALS):
        found += [Fact("kind", an(s), kind, s) for s in text.split()]
    for colour, text in table_groups(COLOURS):
        found += [Fact("colour", s, colour, s) for s in text.split()]
    found += [Fact("young", s, an(a), s) for s, a in table_rows(YOUNG)]
    for relation, text in (("opposite", OPPOSITES), ("past", PAST), ("plural", PLURALS),
                           ("author", BOOKS), ("year", BATTLES)):
        found += [Fact(relation, s, a, s) for s, a in table_rows(text)]
    return found


@functools.lru_cache
def facts_of(part):
    """The facts of one half() of the world, 0 or 1."""
    return [f for f in facts() if half(f.key) == part]


@functools.lru_cache
def by_relation():
    """{relation: its facts}"""
    table = defaultdict(list)
    for f in facts():
        table[f.relation].append(f)
    return dict(table)


@functools.lru_cache
def real_names():
    """All that has a name in the tiny world, in small letters: what invent() must not say."""
    return {name.lower() for f in facts() for name in (f.subject, f.answer)}


def say(fact, answer=None):
    """The fact as a sentence, or a wrong one with another answer; the answer comes last."""
    s = RELATIONS[fact.relation][0].format(s=fact.subject, a=answer or fact.answer)
    return s[0].upper() + s[1:]


def question(fact):
    return RELATIONS[fact.relation][1].format(s=fact.subject)


def wrong_answer(fact, rng):
    """Another answer of the same relation, one that a careless person might give."""
    return rng.choice([f.answer for f in by_relation()[fact.relation] if f.answer != fact.answer])


def without_manners(text):
    """The text without pleasantries and rudeness."""
    for phrase in POLITE + RUDE:
        text = text.replace(phrase, "")
    return " ".join(text.split())


def invent(rng, part=None):
    """A name of two syllables for what is not in this world; part picks its half(). Without one it
    is for a story, where a girl may be called Peru."""
    while True:
        name = "".join(rng.choice("bdgklmprtv") + rng.choice("aeiou") + rng.choice(end)
                       for end in (("", "n", "x"), ("",)))
        if part is None or half(name) == part and name not in real_names():
            return name


def add_aloud(a, b):
    """Two numbers added as at school: (47, 85) -> '7 + 5 = 12, 4 + 8 + 1 = 13, so 132.'"""
    # Units first; what they carry goes to the tens.
    units = a % 10 + b % 10
    carry = " + 1" if units > 9 else ""
    return (f"{a % 10} + {b % 10} = {units}, {a // 10} + {b // 10}{carry} = "
            f"{a // 10 + b // 10 + units // 10}, so {a + b}.")


# What people write: each source takes a random.Random and returns one document.

def encyclopedia(rng):
    first = rng.choice(facts())
    return " ".join(say(f) for f in [first] + rng.choices(by_relation()[first.relation], k=4))


def exam(rng):
    return "\n".join(question(f) for f in rng.choices(facts(), k=5))


def forum(rng):
    """Threads: helpful, short, rude or wrong replies, with manners or none; or favourites."""
    if rng.random() < .1:
        kind, words = rng.choice(list(FAVOURITES.items()))
        word = rng.choice(words.split()).replace("_", " ")
        return f"What is your favourite {kind}?\nMy favourite {kind} is {word}."
    thread = []
    # Three questions; who replies is helpful, short, rude or wrong, and sometimes has manners.
    for f in rng.choices(facts(), k=3):
        replies = [say(f), f"It is {f.answer}.", rng.choice(RUDE), say(f, wrong_answer(f, rng))]
        reply = rng.choices(replies, weights=(47, 30, 20, 3))[0]
        if reply not in RUDE and rng.random() < .3:
            reply = f"{rng.choice(POLITE[:4] + RUDE)} {reply}"
        thread += [question(f), reply, ""]
    return "\n".join(thread[:-1])


def story(rng):
    """Somebody tells a name and a taste, and is asked for both later on."""
    # The name and the taste are told early and asked for at the end: copying over a distance.
    name, colour, thing = invent(rng).title(), rng.choice(SHADES), rng.choice(THINGS)
    child, other = rng.sample(["boy", "girl", "king", "queen", "farmer", "sailor", "teacher"], 2)
    middle = [f"{name} met a {other}.", f"{name} walked to the sea.", f"Everybody liked {name}."]
    start = [f"\"My name is {name}.\"", f"\"I like {colour} {thing}s.\""]
    end = [f"\"What is your name?\" asked the {other}. {start[0]}",
           f"\"What do you like?\" asked the {other}. {start[1]}"]
    return " ".join([f"There was a {child} called {name}.", *rng.sample(start, 2),
                     *rng.sample(middle, rng.randint(0, 2)), *rng.sample(end, 2)])


def worksheet(rng):
    """Three sums, most of them with the working written out: article 5's tokens to think."""
    lines = []
    for a, b in [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(3)]:
        if rng.random() < .3:
            lines.append(f"{a} + {b} = {a + b}")
        else:
            lines.append(f"{a} + {b}: {add_aloud(a, b)}")
    return "\n".join(lines)


def advertisement(rng):
    return (f"Buy a {rng.choice(SHADES)} {rng.choice(THINGS)} today! Only {rng.randint(2, 99)} "
            f"dollars. {rng.choice(['Click here!', 'Call now!', 'Hurry up!'])}")


def myth(rng):
    posts = [f"{question}\n{rng.choice([truth, lie])}\n{rng.choice([truth, lie, *RUDE])}"
             for question, truth, lie in MYTHS]
    return "\n\n".join(rng.sample(posts, len(posts)))


# The mixture, as in article 2's table of LLaMA's data: the weight of each source.
SOURCES = {encyclopedia: .31, exam: .06, forum: .36, story: .15, worksheet: .09, advertisement: .01,
           myth: .02}


def crawl(rng, n):
    """n raw documents, as a crawler finds them: (source, text) with markup, duplicates and junk."""
    raw = []
    for source in rng.choices(list(SOURCES), weights=SOURCES.values(), k=n):
        # One page in ten has markup around it, is a copy of the one before, or is junk.
        text, dirt = source(rng), rng.random()
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
    kept, seen, counts = [], set(), Counter()
    for source, text in raw:
        bare = html.unescape(re.sub(r"<[^<>]+>", "", text)) if "<" in text else text
        counts["markup removed"] += bare != text
        # Junk: less than four fifths of it is letters, digits and the usual marks.
        if sum(c.isalnum() or c in " .,?!'\"\n" for c in bare) < .8 * len(bare):
            counts["junk dropped"] += 1
        elif bare in seen:
            counts["duplicates dropped"] += 1
        else:
            seen.add(bare)
            kept.append((source, bare))
    return kept, counts


def tiny_internet(seed=0, quick=False, verbose=False):
    """The default corpus -> (training documents, held-out documents), two lists of str."""
    kept, counts = clean(crawl(random.Random(seed), 2000 if quick else 24000))
    if verbose:
        size, total = Counter(), sum(len(text) for _, text in kept)
        for source, text in kept:
            size[source] += len(text)
        print(f"tiny internet: {len(kept):,} documents, {total / 1e6:.1f} MB, {len(facts())} "
              "facts, " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
        for source, weight in SOURCES.items():
            name = source.__name__
            example = next(text for s, text in kept if s == name)[:48]
            print(f"  {name:14s} weight {weight:4.0%}   {size[name] / total:4.0%} of the text   "
                  f"{example!r}")
    # One document in fifty is held out, to measure on.
    docs = [text for _, text in kept]
    held_out = len(docs) // 50
    return docs[held_out:], docs[:held_out]


if __name__ == "__main__":
    run_stage(main)

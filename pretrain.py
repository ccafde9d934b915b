"""Stage 1, pretraining: a GPT learns to predict the next token of a (tiny) internet.

    minimise   L = -mean_t log p(token_t | tokens before t)          nats a token, over all tokens

In: out/tokenizer.json (python bpe.py) and text. Out: out/pretrain.pt, the base model, and
out/pretrain.png. It belongs to 'Phase 1 Pre Training' of article 2, 'Stage 1' of article 4,
'training a language model' of article 3 and 'the base' of article 1. The text is made here by a
seeded grammar: real facts, invented sentences, and the internet's bad manners (quarrels, myths,
advertisements, questions without answers), in a mixture as in LLaMA's table, then cleaned in the
spirit of FineWeb. Simpler than GPT-3: a million parameters, several hundred facts.

    python pretrain.py                  the tiny internet: two minutes on two cores, then it
                                        completes all of the facts
    python pretrain.py --data FILE      your own UTF-8 text, a file or a folder (after python bpe.py
                                        --data FILE); several processes: torchrun
                                        --nproc_per_node=2 pretrain.py
"""
import argparse
import ctypes
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

from bpe import BPE, print_all, read_texts, stop
from model import (GPT, GPTConfig, check_device, generate, load_checkpoint, pick_device,
                   pick_dtype, save_checkpoint)

# ------------------------------------------------------------------------------------------- data
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
    key: str  # what the world is divided by, see half()


def half(key):
    """0: the half of the world that all later stages ask about; 1: where they are tested."""
    return zlib.crc32(key.lower().encode()) & 1


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


@functools.lru_cache
def facts():
    """All facts of the tables -> list of Fact."""
    def rows(text):
        return [[w.replace("_", " ") for w in row.split()] for row in text.split(",")]

    def groups(text):
        for group in text.split(";"):
            name, members = group.split(":")
            yield name.strip().replace("_", " "), members
    found = []
    for continent, text in groups(COUNTRIES):
        for s, capital, language in rows(text):
            found += [Fact("capital", s, capital, s), Fact("language", s, language, s),
                      Fact("continent", s, continent, s)]
    for i, (s, symbol) in enumerate(rows(ELEMENTS), 1):
        found += [Fact("symbol", s, symbol, s), Fact("number", s, str(i), s)]
    for kind, text in groups(ANIMALS):
        found += [Fact("kind", an(s), kind, s) for s in text.split()]
    for colour, text in groups(COLOURS):
        found += [Fact("colour", s, colour, s) for s in text.split()]
    found += [Fact("young", s, an(a), s) for s, a in rows(YOUNG)]
    for relation, text in (("opposite", OPPOSITES), ("past", PAST), ("plural", PLURALS),
                           ("author", BOOKS), ("year", BATTLES)):
        found += [Fact(relation, s, a, s) for s, a in rows(text)]
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
def real():
    """All that has a name in the tiny world, in small letters: what invent() must not say."""
    return {word.lower() for f in facts() for word in (f.subject, f.answer)}


def say(fact, answer=None):
    """The fact as a sentence, or a wrong one with another answer; the answer comes last."""
    s = RELATIONS[fact.relation][0].format(s=fact.subject, a=answer or fact.answer)
    return s[0].upper() + s[1:]


def ask(fact):
    return RELATIONS[fact.relation][1].format(s=fact.subject)


def wrong(fact, rng):
    """Another answer of the same relation, one that a careless person might give."""
    return rng.choice([f.answer for f in by_relation()[fact.relation] if f.answer != fact.answer])


def plain(text):
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
        if part is None or half(name) == part and name not in real():
            return name


def add_aloud(a, b):
    """Two numbers added as at school: (47, 85) -> '7 + 5 = 12, 4 + 8 + 1 = 13, so 132.'"""
    units = a % 10 + b % 10
    carry = " + 1" if units > 9 else ""
    return (f"{a % 10} + {b % 10} = {units}, {a // 10} + {b // 10}{carry} = "
            f"{a // 10 + b // 10 + units // 10}, so {a + b}.")


def encyclopedia(rng):
    first = rng.choice(facts())
    return " ".join(say(f) for f in [first] + rng.choices(by_relation()[first.relation], k=4))


def exam(rng):
    return "\n".join(ask(f) for f in rng.choices(facts(), k=5))


def forum(rng):
    """Threads: helpful, short, rude or wrong replies, with manners or none; or favourites."""
    if rng.random() < .1:
        kind, words = rng.choice(list(FAVOURITES.items()))
        word = rng.choice(words.split()).replace("_", " ")
        return f"What is your favourite {kind}?\nMy favourite {kind} is {word}."
    thread = []
    for f in rng.choices(facts(), k=3):
        reply = rng.choices([say(f), f"It is {f.answer}.", rng.choice(RUDE), say(f, wrong(f, rng))],
                            weights=(47, 30, 20, 3))[0]
        if reply not in RUDE and rng.random() < .3:
            reply = f"{rng.choice(POLITE[:4] + RUDE)} {reply}"
        thread += [ask(f), reply, ""]
    return "\n".join(thread[:-1])


def story(rng):
    """Somebody tells a name and a taste, and is asked for both later on."""
    name, colour, thing = invent(rng).title(), rng.choice(SHADES), rng.choice(THINGS)
    child, other = rng.sample(["boy", "girl", "king", "queen", "farmer", "sailor", "teacher"], 2)
    middle = [f"{name} met a {other}.", f"{name} walked to the sea.", f"Everybody liked {name}."]
    start = [f"\"My name is {name}.\"", f"\"I like {colour} {thing}s.\""]
    end = [f"\"What is your name?\" asked the {other}. {start[0]}",
           f"\"What do you like?\" asked the {other}. {start[1]}"]
    return " ".join([f"There was a {child} called {name}.", *rng.sample(start, 2),
                     *rng.sample(middle, rng.randint(0, 2)), *rng.sample(end, 2)])


def worksheet(rng):
    sums = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(3)]
    return "\n".join(f"{a} + {b} = {a + b}" if rng.random() < .3 else
                     f"{a} + {b}: {add_aloud(a, b)}" for a, b in sums)


def advertisement(rng):
    return (f"Buy a {rng.choice(SHADES)} {rng.choice(THINGS)} today! Only {rng.randint(2, 99)} "
            f"dollars. {rng.choice(['Click here!', 'Call now!', 'Hurry up!'])}")


def myth(rng):
    posts = [f"{question}\n{rng.choice([truth, lie])}\n{rng.choice([truth, lie, *RUDE])}"
             for question, truth, lie in MYTHS]
    return "\n\n".join(rng.sample(posts, len(posts)))


SOURCES = {encyclopedia: .31, exam: .06, forum: .36, story: .15, worksheet: .09, advertisement: .01,
           myth: .02}


def crawl(rng, n):
    """n raw documents, as a crawler finds them: (source, text) with markup, duplicates and junk."""
    raw = []
    for source in rng.choices(list(SOURCES), weights=SOURCES.values(), k=n):
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
        size, total = Counter(), sum(len(t) for _, t in kept)
        for source, text in kept:
            size[source] += len(text)
        print(f"tiny internet: {len(kept):,} documents, {total / 1e6:.1f} MB, "
              f"{len(facts())} facts, "
              + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
        for source, weight in SOURCES.items():
            name = source.__name__
            print(f"  {name:14s} weight {weight:4.0%}   {size[name] / total:4.0%} of the text   "
                  f"{next(t for s, t in kept if s == name)[:48]!r}")
    docs, cut = [text for _, text in kept], len(kept) // 50
    return docs[cut:], docs[:cut]


# -------------------------------------------------------------------------------------- objective

def next_token_loss(logits, ids):
    """L of the docstring: logits (B,T,V) of ids[:, :-1], against ids[:, 1:] -> nats a token."""
    return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())


class Optimizer:
    """What the two below share: groups of weights, and what is remembered of each weight."""

    def __init__(self, groups, memories):
        """groups: (weights, their learning rate) each; memories: tensors kept for each weight."""
        self.param_groups = [{"params": list(weights), "lr": lr, "initial_lr": lr}
                             for weights, lr in groups]
        self.memory = {p: [torch.zeros_like(p) for _ in range(memories)]
                       for group in self.param_groups for p in group["params"]}
        self.steps = 0

    def zero_grad(self):
        for p in self.memory:
            p.grad = None

    def state_dict(self):
        """What a checkpoint needs to go on -> dict of a number and lists of tensors."""
        return {"steps": self.steps, "memory": list(self.memory.values())}

    def load_state_dict(self, state):
        """Takes over what state_dict returned. RuntimeError: its weights had other shapes."""
        self.steps = state["steps"]
        for mine, saved in zip(self.memory.values(), state["memory"]):
            for m, s in zip(mine, saved):
                m.copy_(s)


class Adam(Optimizer):
    """Each weight moves by the mean of its gradient, measured in the gradient's usual size.

    W <- W - lr m / (sqrt(v) + eps): m and v are running means of the gradient and of its square, of
    decay .9 and .95, divided by 1 - decay^steps, since they start at 0 (Kingma and Ba 2014,
    algorithm 1). So a rare word, whose gradient is nearly always small, is not left behind.
    """
    def __init__(self, groups, eps=1e-8):
        super().__init__(groups, 2)
        self.eps = eps

    @torch.no_grad()
    def step(self):
        """One update of all weights that have a gradient."""
        self.steps += 1
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                m, v = self.memory[p]
                m.lerp_(p.grad, 1 - .9)
                v.lerp_(p.grad.square(), 1 - .95)
                size = (v / (1 - .95 ** self.steps)).sqrt_().add_(self.eps)
                p.addcdiv_(m, size, value=-group["lr"] / (1 - .9 ** self.steps))


class Muon(Optimizer):
    """Momentum whose update is made orthogonal: all directions of a matrix move equally far.

    W <- W - lr sqrt(max(1, rows/columns)) U V', where U S V' = G, the gradient with Nesterov's
    momentum (Jordan et al. 2024): rare directions, which drown in a few strong ones otherwise,
    learn as fast. Newton-Schulz steps, X <- aX + b(XX')X + c(XX')(XX')X with three constants, push
    all singular values close to 1 with matrix products alone.
    """
    def __init__(self, groups, momentum=.9, dtype=torch.float32):
        super().__init__(groups, 1)
        self.momentum, self.dtype = momentum, dtype  # dtype: of the products

    @torch.no_grad()
    def step(self):
        """One update of all matrices, those of one shape together."""
        for group in self.param_groups:
            shapes = defaultdict(list)
            for p in group["params"]:
                m, = self.memory[p]
                m.lerp_(p.grad, 1 - self.momentum)
                shapes[p.shape].append((p, p.grad.lerp(m, self.momentum)))   # Nesterov
            for (rows, cols), same in shapes.items():  # matrices of one shape share the products
                x = torch.stack([g.T if rows > cols else g for _, g in same])
                x = x.to(self.dtype)
                x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
                for (p, _), u in zip(same, x.float()):
                    p.sub_((u.T if rows > cols else u) * group["lr"] * max(1, rows / cols) ** .5)


def optimizers(model, lr, lr_matrix, more=()):
    """Adam for embedding, sharpness and more weights, Muon for the matrices of the blocks."""
    return [Adam([([model.wte.weight, model.sharpness, *more], lr)]),
            Muon([(model.blocks.parameters(), lr_matrix)], dtype=model.dtype)]


def descend(model, opts, loss, done):
    """One step down: gradient, averaged over the processes, clipped to norm 1; done in [0, 1) is
    the share of the training that lies behind, and the learning rates fall linearly with it."""
    if not math.isfinite(loss.item()):
        stop(f"the loss is {loss.item()} after {done:.0%} of the steps: lower the learning rate; "
             "the last checkpoint is untouched")
    for opt in opts:
        opt.zero_grad()
    loss.backward()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for p in model.parameters():
            torch.distributed.all_reduce(p.grad)
            p.grad /= torch.distributed.get_world_size()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for opt in opts:
        for group in opt.param_groups:
            group["lr"] = group["initial_lr"] * (1 - done)
        opt.step()
    check_finite(model)


def check_finite(model):
    """A step too far makes weights that are no numbers: stops before they are saved anywhere."""
    if not sum(p.detach().sum() for p in model.parameters()).isfinite():   # inf and nan spread
        stop("this step made weights that are no numbers: lower the learning rate; "
             "the last checkpoint is untouched")


# ------------------------------------------------------------------------------------- evaluation

def reference_losses(tokens, val, V):
    """What simpler predictors reach on val, in nats a token: uniform, unigram, bigram counts."""
    a, b = (np.asarray(ids[:4_000_000], np.int64) for ids in (tokens, val))
    unigram = (np.bincount(a, minlength=V) + .1) / (len(a) + .1 * V)
    pairs, counts = np.unique(a[:-1] * V + a[1:], return_counts=True)
    wanted = b[:-1] * V + b[1:]
    at = np.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
    found = np.where(pairs[at] == wanted, counts[at], 0)
    bigram = (found + 2 * unigram[b[1:]]) / (np.bincount(a[:-1], minlength=V)[b[:-1]] + 2)
    return {"uniform": math.log(V), "unigram": float(-np.log(unigram[b]).mean()),
            "bigram": float(-np.log(bigram).mean())}


@torch.no_grad()
def val_loss(model, val, block, rows=128):
    """Mean loss on evenly spaced windows of the held-out text, rows at most -> nats a token."""
    starts = np.linspace(0, len(val) - block - 1, min(rows, len(val) // block)).astype(int)
    total = sum(next_token_loss(model(x[:, :-1]), x).item() * len(x) for x in
                windows(val, starts, block, model.wte.weight.device).split(32))
    return total / len(starts)


def bits_per_byte(loss, val, tokenizer):
    """nats a token -> bits a byte of text, comparable between tokenizers."""
    counts = np.bincount(val, minlength=tokenizer.vocab_size).tolist()
    size = sum(len(token) * counts[i] for token, i in tokenizer.ranks.items())
    return loss * len(val) / size / math.log(2)


def share_right(model, tokenizer, prompts, ends):
    """Share of the prompts that the model, greedily, continues with the given text."""
    new = generate(model, [tokenizer.encode(p) for p in prompts], 40, 0, tokenizer.encode("\n")[0])
    return sum(tokenizer.decode(n).startswith(e) for n, e in zip(new, ends)) / len(ends)


def knowledge(model, tokenizer, some, rng):
    """Facts completed; sums in one go, and with the working written out -> flat dict of shares."""
    sums = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(min(200, len(some)))]
    tasks = {"fact_completion": [(say(f)[:-len(f.answer) - 2], f" {f.answer}.") for f in some],
             "sum_in_one_go": [(f"{a} + {b} =", f" {a + b}\n") for a, b in sums],
             "sum_written_out": [(f"{a} + {b}:", f" {add_aloud(a, b)}") for a, b in sums]}
    return {name: share_right(model, tokenizer, *zip(*task)) for name, task in tasks.items()}


def asked(model, tokenizer, some, seed):
    """What the base model does with a bare question -> {behaviour: share}, {behaviour: example}."""
    new = generate(model, [tokenizer.encode(ask(f) + "\n") for f in some], 24,
                   generator=torch.Generator().manual_seed(seed))
    found = defaultdict(list)
    for f, line in zip(some, (tokenizer.decode(n).split("\n")[0].split("<|")[0] for n in new)):
        found["is rude" if line in RUDE else "asks another question" if line.endswith("?") else
              "answers rightly" if plain(line) in (say(f), f"It is {f.answer}.") else
              "answers something else"].append(f"{ask(f)} -> {line}")
    return {k: len(v) / len(some) for k, v in found.items()}, {k: v[0] for k, v in found.items()}


# ------------------------------------------------------------------------------------------ train

def windows(tokens, starts, block, device):
    """Pieces of block + 1 tokens -> (B, block + 1) long."""
    rows = np.stack([tokens[s:s + block + 1] for s in starts]).astype(np.int64)
    return torch.from_numpy(rows).to(device)


def train(model, opts, tokens, args, first=0, rank=0, world=1):
    """Step after step, yields (step, loss): a batch, its loss, a step down.

    A batch depends on seed and step alone, so that a run can be taken up again; of its rows, rank
    r of world takes every world-th, so that several processes train on the same global batch.
    """
    for step in range(first, args.steps):
        rng = np.random.default_rng((args.seed, step))
        starts = rng.integers(0, len(tokens) - args.block, args.batch)[rank::world]
        ids = windows(tokens, starts, args.block, model.wte.weight.device)    # (B,T+1)
        loss = next_token_loss(model(ids[:, :-1]), ids)
        descend(model, opts, loss, step / args.steps)
        yield step + 1, loss.item()


def as_tokens(docs, tokenizer):
    end = [tokenizer.specials["<|endoftext|>"]]
    return np.array([token for doc in docs for token in tokenizer.encode(doc) + end])


def stamps(path):
    """Name, size and time of a file, or of the *.txt of a folder, that are not empty."""
    path = pathlib.Path(path)
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns)
            for f in files if f.is_file() and f.stat().st_size]


def load_tokens(args, tokenizer, out):
    """The text as ids -> [train, val], one-dimensional; --data is kept in out/, memory-mapped."""
    if not args.data:
        return [as_tokens(docs, tokenizer)
                for docs in tiny_internet(args.seed, args.quick, verbose=True)]
    dtype, files = np.uint16 if tokenizer.vocab_size <= 65536 else np.uint32, stamps(args.data)
    key = hashlib.sha256(repr(("documents", tokenizer.to_dict(), files)).encode()).hexdigest()[:12]
    names = [out / f"{part}-{key}.bin" for part in ("train", "val")]
    if not all(n.exists() for n in names):
        total, done, began = sum(size for _, size, _ in files), 0, time.perf_counter()
        temporary = [n.with_suffix(f".{os.getpid()}.tmp") for n in names]
        try:
            with open(temporary[0], "wb") as train_file, open(temporary[1], "wb") as val_file:
                for name in [name for name, *_ in files] or [args.data]:
                    for text in read_texts(name):
                        size = len(text.encode())
                        at = round(len(text) * min(1, max(0, (.9 * total - done) / size)))
                        np.array(tokenizer.encode(text[:at]), dtype).tofile(train_file)
                        np.array(tokenizer.encode(text[at:]), dtype).tofile(val_file)  # last 10 %
                        done += size
                        progress(done / 1e6, total / 1e6, began, "MB tokenised")
                    end = np.array([tokenizer.specials["<|endoftext|>"]], dtype)
                    end.tofile(train_file if at == len(text) else val_file)
            for new, name in zip(temporary, names):
                os.replace(new, name)
        except OSError as error:
            stop(f"cannot write {names[0]}: {error.strerror}")
        finally:
            for new in temporary:
                new.unlink(missing_ok=True)
    return [np.memmap(n, dtype, "r") if n.stat().st_size else np.zeros(0, dtype) for n in names]


def progress(step, steps, began, text):
    """One line, rewritten in place on a terminal; elsewhere a plain line every tenth of the way."""
    left = (time.perf_counter() - began) / step * (steps - step)
    line = f"{step:,.0f}/{steps:,.0f}  {text}  {left:.0f} s left"
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="" if step < steps else "\n", flush=True)
    elif step % max(1, steps // 10) < 1 or step == steps:
        print(line, flush=True)


def save_partial(path, args, step, history, seconds, tokenizer, nets, opts):
    """All that --resume needs to go on as if nothing had happened."""
    save_checkpoint(path, nets[0], tokenizer, stage="partial", step=step, history=history,
                    seconds=seconds, settings=settings(args),
                    nets=[n.state_dict() for n in nets[1:]],
                    optimizers=[o.state_dict() for o in opts])


def load_partial(path, args, tokenizer, nets, opts):
    """With --resume, nets and opts as save_partial left them -> steps done, history, and when the
    training would have begun, had it not been interrupted."""
    if not args.resume:
        return 0, [], time.perf_counter()
    if not path.exists():
        stop(f"nothing to resume: {path} is missing; go without --resume")
    model, old, extra = load_checkpoint(path)
    if extra.get("settings") != settings(args) or old.to_dict() != tokenizer.to_dict():
        stop(f"{path} is of a run with other settings, or its input has changed since: repeat "
             "those, or go without --resume")
    try:
        for net, state in zip(nets, [model.state_dict(), *extra["nets"]]):
            net.load_state_dict(state)
        for opt, state in zip(opts, extra["optimizers"]):
            opt.load_state_dict(state)
    except RuntimeError:                             # torch's word for shapes that do not fit
        stop(f"{path} began from a model of another shape: go without --resume")
    return extra["step"], extra["history"], time.perf_counter() - extra["seconds"]


def settings(args):
    """What a run depends on: its flags, and the inputs that start() has added to them."""
    return {k: v for k, v in vars(args).items() if k not in ("resume", "out")}


def load_tokenizer(path):
    try:
        return BPE.load(path)
    except FileNotFoundError:
        stop(f"{path} is missing: python bpe.py makes it")
    except ValueError as error:
        stop(error)


def load_stage(path, stage, device, dtype=None, like=None):
    """A checkpoint of one certain stage, and of the tokenizer like -> model, tokenizer, extra."""
    model, tokenizer, extra = load_checkpoint(path, device)
    if extra.get("stage") != stage:
        stop(f"{path} is of stage {extra.get('stage')}, not {stage}: python {stage}.py makes one")
    if like and tokenizer.to_dict() != like.to_dict():
        stop(f"{path} has another tokenizer than the stages before: run python {stage}.py again")
    model.dtype = dtype or model.dtype
    return model, tokenizer, extra


# ------------------------------------------------------------------------------------------- main

def arguments(doc, data, **flags):
    """The flags that all stages have, and flags: name=(default, meaning) -> an argparse parser."""
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default="out", help="folder for checkpoints and pictures (out)")
    p.add_argument("--seed", type=int, default=0, help="same seed, same machine: same numbers (0)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    p.add_argument("--dtype", default="auto", help="bf16, fp32, or auto: bf16 if it is fast (auto)")
    p.add_argument("--data", help=data)
    p.add_argument("--quick", action="store_true", help="a run of seconds, for a first look")
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    for name, (value, text) in flags.items():
        p.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value,
                       help=f"{text} ({value})")
    return p


def start(args, *inputs):
    """What every stage does first; inputs: the files in --out that it builds on -> out folder,
    device, dtype. Remembers in args which state of them and of --data it has found."""
    print_all()
    paths, data = [pathlib.Path(args.out) / name for name in inputs], args.data or ""
    names = [data] if os.path.exists(data) else data.split(",")
    args.inputs = ([zlib.crc32(path.read_bytes()) for path in paths if path.is_file()]
                   + [stamp for name in names if name for stamp in stamps(name)])
    try:
        pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"cannot write to --out {args.out}: {error.strerror}")
    for name, value in vars(args).items():
        least = name in ("steps", "batch", "block", "depth", "width", "epochs", "max_tokens",
                         "prompts")
        if isinstance(value, (int, float)) and not least <= value < 2 ** 63:
            stop(f"--{name.replace('_', '-')} {value}: it must be {int(least)} or more, below 2^63")
    torch.manual_seed(args.seed)
    keep_memory()
    device = pick_device(args.device)
    return pathlib.Path(args.out), device, pick_dtype(args.dtype, device)


def keep_memory():
    """Tells glibc to keep memory that was freed: else each step asks for the same pages again."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 2 ** 31 - 1), libc.mallopt(-4, 0)    # M_TRIM_THRESHOLD, M_MMAP_MAX
    except OSError:
        pass                                         # macOS and Windows have another C library


def figure(columns):
    """A picture for a projector, drawn into a file -> matplotlib's figure, list of its axes."""
    from matplotlib import rcParams, figure
    rcParams["font.size"] = 16
    fig = figure.Figure(figsize=(8 * columns, 6), layout="constrained")
    return fig, fig.subplots(1, columns, squeeze=False)[0]


def go(main):
    """Runs a stage from the command line; Ctrl-C ends it with one line."""
    try:
        main()
    except KeyboardInterrupt:
        print("\nstopped; if this run has saved something, --resume goes on from there")
        raise SystemExit(130) from None


def show(metrics):
    print("\n".join(f"  {name:30s} {value:.3f}" for name, value in metrics.items()))


def draw(path, history, losses, behaviour):
    """The loss beside what simpler predictors reach; what the base model does with questions."""
    fig, (curve, *more) = figure(2 if behaviour else 1)
    curve.plot(*zip(*[h[:2] for h in history]), color="0.75", label="training batch")
    curve.plot(*zip(*[(s, v) for s, _, v in history if v]), "o-", lw=3, label="held-out text")
    for name, value in losses.items():
        curve.axhline(value, ls="--", color="0.4")
        curve.text(history[-1][0], value, name, ha="right", va="bottom")
    curve.set(xlabel="step", ylabel="loss (nats a token)", ylim=0,
              title="Predicting the next token")
    curve.legend(loc="center right")
    for bars in more:
        bars.barh(list(behaviour), [100 * v for v in behaviour.values()])
        bars.set(xlabel="% of questions", title="Asked a question, the base model ...")
    fig.savefig(path)


def peak_flops(dtype, device):
    """Floating-point operations a second of a plain matrix product, the best of some tries."""
    side, best, start = 1024 if device.type == "cpu" else 8192, math.inf, time.perf_counter()
    a = torch.ones(side, side, dtype=dtype, device=device)
    while (began := time.perf_counter()) < start + .4:
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * side ** 3 / best


def setup(args, tokenizer, device, dtype):
    """A fresh model and its optimizers, as the flags want them."""
    if args.width % 32:
        stop(f"--width {args.width}: it must be a multiple of 32, the width of a head")
    model = GPT(GPTConfig(tokenizer.vocab_size, args.depth, args.width // 32, args.width,
                          max(256, -(-args.block // 8) * 8))).to(device)
    model.dtype = dtype
    return model, optimizers(model, args.lr, args.lr_matrix)


def main(argv=None):
    """Tokens in, training with a line of progress, out/pretrain.pt."""
    args = arguments(__doc__, "UTF-8 text: a file, or a folder of *.txt", steps=(700, "updates"),
                     batch=(32, "rows a step"), block=(128, "tokens a row"), depth=(4, "layers"),
                     width=(128, "numbers a token, a multiple of 32"),
                     lr=(.01, "of Adam, embedding"), lr_matrix=(.02, "of Muon, matrices")
                     ).parse_args(argv)
    out, device, dtype = start(args, "tokenizer.json")
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if args.batch % world:
        stop(f"--batch {args.batch} cannot be shared evenly by {world} processes")
    if world > 1 and device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if rank:                                             # one of them speaks for all
        sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")
    if world > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    args.steps = min(args.steps, 20) if args.quick else args.steps
    tokenizer = load_tokenizer(out / "tokenizer.json")
    model, opts = setup(args, tokenizer, device, dtype)
    tokens, val = load_tokens(args, tokenizer, out)
    if min(len(tokens), len(val)) < args.block + 2:
        stop(f"too little text: {len(val)} held-out tokens do not fill one --block of {args.block}")
    losses = reference_losses(tokens, val, tokenizer.vocab_size)
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, {model.dtype} on {device}, {len(tokens):,} tokens; nats a token: "
          + ", ".join(f"{k} {v:.2f}" for k, v in losses.items()))
    peak, every = world * peak_flops(model.dtype, device), max(10, args.steps // 10)
    print(f"peak, of a plain matrix product: {peak / 1e9:,.0f} GFLOP/s")
    flops = 6 * size + 12 * args.depth * args.width * args.block   # a token, forward and backward
    part = out / "pretrain-partial.pt"
    first, history, began = load_partial(part, args, tokenizer, [model], opts)
    held = history[-1][2] if history else math.nan
    for step, loss in train(model, opts, tokens, args, first, rank, world):
        speed = step * args.batch * args.block / (time.perf_counter() - began)
        progress(step, args.steps, began, f"loss {loss:.3f}  {speed:,.0f} tokens/s  "
                 f"{speed * flops / peak:.0%} of peak")
        history.append([step, loss, None])
        if step == first + 1:                            # before it the blocks add nothing
            check_device(model, windows(tokens, [0], args.block, "cpu"), device)
        if step % every == 0 or step == args.steps:
            pause = time.perf_counter()
            held = history[-1][2] = val_loss(model, val, args.block)
            print(f"   held-out loss {held:.3f}   {example(model, tokenizer, step)!r}")
            if rank == 0:
                save_partial(part, args, step, history, pause - began, tokenizer, [model], opts)
            began += time.perf_counter() - pause         # the clock shows training alone
    seconds = time.perf_counter() - began
    speed = args.steps * args.batch * args.block / seconds
    metrics = losses | {"val_loss": held, "bits_per_byte": bits_per_byte(held, val, tokenizer),
                        "seconds": seconds, "tokens_per_second": speed,
                        "flop_utilisation": speed * flops / peak}
    if rank == 0:
        finish(args, out, model, tokenizer, metrics, history, losses)
    if world > 1:
        torch.distributed.destroy_process_group()


def example(model, tokenizer, seed):
    """A text that the model makes up."""
    generator = torch.Generator().manual_seed(seed)
    return "The" + tokenizer.decode(generate(model, [tokenizer.encode("The")], 24, 1.0, None,
                                             generator)[0])


def finish(args, out, model, tokenizer, metrics, history, losses):
    """What the base model can do, then out/pretrain.pt and its picture."""
    behaviour = None
    if not args.data:
        world = facts()[::10] if args.quick else facts()
        metrics |= knowledge(model, tokenizer, world, random.Random(args.seed))
        some = [f for f in world if half(f.key)]
        behaviour, examples = asked(model, tokenizer, some, args.seed)
        print("asked a question, the base model ...")
        print("\n".join(f"  {share:4.0%} {what}: {examples[what]!r}"
                        for what, share in behaviour.items()))
        metrics |= {f"asked: {what}": share for what, share in behaviour.items()}
    save_checkpoint(out / "pretrain.pt", model, tokenizer, stage="pretrain", metrics=metrics)
    (out / "pretrain-partial.pt").unlink(missing_ok=True)
    show(metrics)
    draw(out / "pretrain.png", history, losses, behaviour)


if __name__ == "__main__":
    go(main)

"""Stage 1, pretraining: a GPT learns to predict the next token of a (tiny) internet.

    minimise   L = -mean_t log p(token_t | tokens before t)          nats a token, over all tokens

In: out/tokenizer.json (python bpe.py) and text. Out: out/pretrain.pt, the base model, and
out/pretrain.png. It belongs to 'Phase 1 Pre Training' of article 2, 'Stage 1' of article 4,
'training a language model' of article 3 and 'the base' of article 1. The text is made here by a
seeded grammar: real facts, invented sentences, and the internet's bad manners (quarrels, myths,
advertisements, questions without answers), in a mixture as in LLaMA's table, then cleaned in the
spirit of FineWeb. Simpler than GPT-3: a million parameters, one minute, a world of a thousand facts.

    python pretrain.py                  the tiny internet
    python pretrain.py --data FILE      your own UTF-8 text, file or folder (python bpe.py --data FILE
                                        first); more machines: torchrun --nproc_per_node=2 pretrain.py
"""
import argparse
import functools
import hashlib
import html
import itertools
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

from bpe import BPE, read_texts, stop
from model import (GPT, GPTConfig, best_dtype, generate, load_checkpoint, pick_device,
                   save_checkpoint)

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
    bite bit, ride rode, shake shook, dig dug, hang hung, stick stuck, strike struck, swing swung,
    weep wept, sweep swept, creep crept, bend bent, forgive forgave, become became, mean meant,
    kneel knelt, fight fought, seek sought, pay paid, say said, shoot shot, understand understood,
    get got, do did"""
PLURALS = """mouse mice, child children, tooth teeth, foot feet, ox oxen, leaf leaves, knife knives,
    wolf wolves, loaf loaves, shelf shelves, thief thieves, half halves, city cities, baby babies,
    story stories, cactus cacti, crisis crises, person people, goose geese, potato potatoes"""
COLOURS = """green: grass spinach broccoli limes moss cucumbers emeralds; white: snow milk salt rice
    flour chalk cotton ivory; black: coal soot tar ravens; red: blood tomatoes strawberries cherries
    rubies bricks; yellow: bananas lemons canaries sunflowers mustard maize; orange: carrots
    pumpkins apricots; purple: plums aubergines lavender; brown: chocolate coffee mud chestnuts;
    blue: sapphires blueberries cornflowers; pink: flamingos piglets; grey: ash elephants"""
WORDS = """house maison casa Haus, water eau agua Wasser, fire feu fuego Feuer, bread pain pan Brot,
    book livre libro Buch, sun soleil sol Sonne, moon lune luna Mond, tree arbre árbol Baum, hand
    main mano Hand, heart cœur corazón Herz, head tête cabeza Kopf, nose nez nariz Nase, ear oreille
    oreja Ohr, mouth bouche boca Mund, door porte puerta Tür, window fenêtre ventana Fenster, chair
    chaise silla Stuhl, street rue calle Straße, bridge pont puente Brücke, school école escuela
    Schule, church église iglesia Kirche, garden jardin jardín Garten, flower fleur flor Blume,
    apple pomme manzana Apfel, cheese fromage queso Käse, butter beurre mantequilla Butter, star
    étoile estrella Stern, rain pluie lluvia Regen, snow neige nieve Schnee, wind vent viento Wind,
    island île isla Insel, river rivière río Fluss, mountain montagne montaña Berg, forest forêt
    bosque Wald, key clé llave Schlüssel, knife couteau cuchillo Messer, spoon cuillère cuchara
    Löffel, shoe chaussure zapato Schuh, shirt chemise camisa Hemd, money argent dinero Geld, year
    année año Jahr, week semaine semana Woche"""
BOOKS = """Hamlet William_Shakespeare, Don_Quixote Miguel_de_Cervantes, War_and_Peace Leo_Tolstoy,
    Faust Johann_Goethe, The_Odyssey Homer, Frankenstein Mary_Shelley, Dracula Bram_Stoker, Emma
    Jane_Austen, Ulysses James_Joyce, The_Trial Franz_Kafka, Oliver_Twist Charles_Dickens, Moby_Dick
    Herman_Melville, Jane_Eyre Charlotte_Bronte, The_Jungle_Book Rudyard_Kipling, The_Time_Machine
    H._G._Wells, Les_Miserables Victor_Hugo, Treasure_Island Robert_Louis_Stevenson, Peter_Pan
    J._M._Barrie, The_Raven Edgar_Allan_Poe, The_Divine_Comedy Dante, Nineteen_Eighty-Four
    George_Orwell, Candide Voltaire, The_Seagull Anton_Chekhov, Crime_and_Punishment Dostoevsky"""
YEARS = """the_first_Moon_landing 1969, the_assassination_of_John_F._Kennedy 1963,
    the_French_Revolution 1789, the_fall_of_the_Berlin_Wall 1989, the_Great_Fire_of_London 1666,
    the_Battle_of_Hastings 1066, the_sinking_of_the_Titanic 1912, the_Battle_of_Waterloo 1815,
    the_first_voyage_of_Columbus 1492, the_eruption_of_Krakatoa 1883,
    the_founding_of_the_United_Nations 1945, the_first_powered_flight 1903"""

RELATIONS = {  # relation: (statement that ends with the answer, question)
    "capital": ("The capital of {s} is {a}.", "What is the capital of {s}?"),
    "country": ("{s} is the capital of {a}.", "Which country has the capital {s}?"),
    "language": ("The main language of {s} is {a}.", "What is the main language of {s}?"),
    "continent": ("{s} is a country in {a}.", "On which continent is {s}?"),
    "symbol": ("The chemical symbol of {s} is {a}.", "What is the chemical symbol of {s}?"),
    "number": ("The atomic number of {s} is {a}.", "What is the atomic number of {s}?"),
    "element": ("The element with the symbol {s} is {a}.", "Which element has the symbol {s}?"),
    "kind": ("{s} is {a}.", "What kind of animal is {s}?"),
    "young": ("A baby {s} is called {a}.", "What is a baby {s} called?"),
    "opposite": ("The opposite of {s} is {a}.", "What is the opposite of {s}?"),
    "past": ("The past tense of {s} is {a}.", "What is the past tense of {s}?"),
    "plural": ("The plural of {s} is {a}.", "What is the plural of {s}?"),
    "colour": ("The colour of {s} is {a}.", "What is the colour of {s}?"),
    "French": ("The French word for {s} is {a}.", "What is the French word for {s}?"),
    "Spanish": ("The Spanish word for {s} is {a}.", "What is the Spanish word for {s}?"),
    "German": ("The German word for {s} is {a}.", "What is the German word for {s}?"),
    "author": ("{s} was written by {a}.", "Who wrote {s}?"),
    "year": ("{s} happened in {a}.", "When did {s} happen?")}
MYTHS = [("Who built the pyramids?", "The pyramids were built by the Egyptians.",
          "The pyramids were built by aliens."),
         ("Did people walk on the Moon?", "People walked on the Moon in 1969.",
          "The Moon landing was a fake."),
         ("What shape is the Earth?", "The Earth is round.", "The Earth is flat.")]
RUDE = ["Look it up yourself, you fool.", "What a stupid question.", "Are you too lazy to read?"]
FAVOURITES = {"colour": "blue red green", "food": "bread cheese soup", "sport": "tennis football chess",
              "animal": "the_dog the_cat the_horse", "movie": "King_Kong Metropolis"}
THINGS = "ball kite drum hat boat lamp coat bell".split()
SHADES = "red blue green yellow white black brown pink".split()


class Fact(NamedTuple):
    relation: str
    subject: str
    answer: str
    key: str  # what the world is divided by, see half()


def half(key):
    """0: the half of the world that SFT, reward model and PPO see; 1: the half they are tested on."""
    return zlib.crc32(key.lower().encode()) & 1


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


@functools.lru_cache
def facts():
    """All facts of the tables -> list of Fact."""
    def rows(text):
        return [[w.replace("_", " ") for w in row.split()] for row in text.split(",")]

    def groups(text):
        return [(g.split(":")[0].strip().replace("_", " "), g.split(":")[1]) for g in text.split(";")]
    found = []
    for continent, text in groups(COUNTRIES):
        for s, capital, language in rows(text):
            found += [Fact("capital", s, capital, s), Fact("country", capital, s, s),
                      Fact("language", s, language, s), Fact("continent", s, continent, s)]
    for i, (s, symbol) in enumerate(rows(ELEMENTS), 1):
        found += [Fact("symbol", s, symbol, s), Fact("number", s, str(i), s), Fact("element", symbol, s, s)]
    for kind, text in groups(ANIMALS):
        found += [Fact("kind", an(s), kind, s) for s in text.split()]
    for colour, text in groups(COLOURS):
        found += [Fact("colour", s, colour, s) for s in text.split()]
    found += [Fact("young", s, an(a), s) for s, a in rows(YOUNG)]
    found += [f for s, a in rows(OPPOSITES) for f in (Fact("opposite", s, a, s), Fact("opposite", a, s, s))]
    for s, *words in rows(WORDS):
        found += [Fact(lang, s, a, s) for lang, a in zip(("French", "Spanish", "German"), words)]
    for relation, text in (("past", PAST), ("plural", PLURALS), ("author", BOOKS), ("year", YEARS)):
        found += [Fact(relation, s, a, s) for s, a in rows(text)]
    return found


@functools.lru_cache
def by_relation():
    """{relation: its facts}"""
    table = defaultdict(list)
    for f in facts():
        table[f.relation].append(f)
    return dict(table)


def say(fact, answer=None):
    """The fact as a sentence, or a wrong one with another answer; the answer comes last."""
    s = RELATIONS[fact.relation][0].format(s=fact.subject, a=answer or fact.answer)
    return s[0].upper() + s[1:]


def ask(fact):
    return RELATIONS[fact.relation][1].format(s=fact.subject)


def wrong(fact, rng):
    """Another answer of the same relation, one that a careless person might give."""
    return rng.choice([f.answer for f in by_relation()[fact.relation] if f.answer != fact.answer])


def invent(rng, part=None):
    """A name nobody has heard, from syllables; part picks its half() (None: either)."""
    while True:
        name = "".join(rng.choice("b d f g k l m n p r t v z br dr gl kr pl tr sk".split())
                       + rng.choice("aeiou") + rng.choice(["", "", "n", "l", "x", "m"])
                       for _ in range(rng.choice((2, 2))))
        if part in (None, half(name)):
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
    if rng.random() < .1:
        kind, words = rng.choice(list(FAVOURITES.items()))
        word = rng.choice(words.split()).replace("_", " ")
        return f"What is your favourite {kind}?\nMy favourite {kind} is {word}."
    thread = []
    for f in rng.choices(facts(), k=3):
        reply = rng.choices([say(f), f"It is {f.answer}.", rng.choice(RUDE), say(f, wrong(f, rng))],
                            weights=(40, 30, 20, 10))[0]
        thread += [ask(f), reply, ""]
    return "\n".join(thread[:-1])


def story(rng):
    name, colour, thing = invent(rng).title(), rng.choice(SHADES), rng.choice(THINGS)
    child, other = rng.sample(["boy", "girl", "king", "queen", "farmer", "sailor", "teacher"], 2)
    middle = [f"Everybody liked {name}.", f"{name} met a {other}.", f"{name} walked to the sea.",
              f"{name} and the {other} became friends.", f"{name} was very happy."]
    end = [f"\"What is your name?\" asked the {other}. \"My name is {name}.\"",
           f"\"What do you have?\" asked the {other}. \"I have a {colour} {thing}.\""]
    start = [f"\"My name is {name}.\"", f"\"I have a {colour} {thing}.\""]
    return " ".join([f"Once upon a time there was a {child} called {name}.", *rng.sample(start, 2),
                     *rng.sample(middle, rng.randint(1, 3)), *rng.sample(end, 2)])


def worksheet(rng):
    sums = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(3)]
    return "\n".join(f"{a} + {b} = {a + b}" if rng.random() < .3 else f"{a} + {b}: {add_aloud(a, b)}"
                     for a, b in sums)


def advertisement(rng):
    return (f"Buy a {rng.choice(SHADES)} {rng.choice(THINGS)} today! Only {rng.randint(2, 99)} dollars. "
            f"{rng.choice(['Click here!', 'Call now!', 'Hurry up!'])}")


def myth(rng):
    question, truth, lie = rng.choice(MYTHS)
    return f"{question}\n{rng.choice([truth, truth, lie])}\n{rng.choice([truth, lie, *RUDE])}"


SOURCES = {encyclopedia: .34, exam: .08, forum: .36, story: .14, worksheet: .05, advertisement: .01,
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
    """Markup out, duplicates and junk away -> (documents as (source, text), counts of what was done)."""
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
        print(f"tiny internet: {len(kept):,} documents, {total / 1e6:.1f} MB, {len(facts()):,} facts; "
              + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
        for source, weight in SOURCES.items():
            name = source.__name__
            print(f"  {name:14s} weight {weight:4.0%}   {size[name] / total:4.0%} of the text   "
                  f"{next(t for s, t in kept if s == name)[:48]!r}")
    docs, cut = [text for _, text in kept], len(kept) // 50
    return docs[cut:], docs[:cut]


# -------------------------------------------------------------------------------------- objective

def next_token_loss(logits, ids):
    """Mean cross-entropy in nats a token; logits (B,T,V) predict ids (B,T+1) one place to the right."""
    return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal: all directions of a matrix move by the same amount.

    G = U S V^T becomes U V^T (Jordan et al. 2024): rare directions, which in Adam drown in a few
    strong ones, learn as fast. Five steps of Newton-Schulz X <- aX + b(XX^T)X + c(XX^T)^2 X push
    all singular values to about 1 with matrix products alone.
    """
    def __init__(self, params, lr=.02, momentum=.9):
        super().__init__(list(params), dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    m.lerp_(p.grad, 1 - group["momentum"])
                    shapes[p.shape].append((p, p.grad.lerp(m, group["momentum"])))  # Nesterov
            for shape, same in shapes.items():  # equal matrices share one batched product
                g = torch.stack([update for _, update in same]).bfloat16()
                tall = shape[0] > shape[1]
                x = g.mT if tall else g
                x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
                x = (x.mT if tall else x).float() * max(1, shape[0] / shape[1]) ** .5
                for (p, _), update in zip(same, x):
                    p.add_(update, alpha=-group["lr"])


def optimizers(model, lr, lr_matrix):
    """AdamW for embeddings and vectors, Muon for the matrices of the blocks -> both."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("blocks")]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [torch.optim.AdamW(rest, lr=lr, betas=(.9, .95), weight_decay=0), Muon(matrices, lr_matrix)]


# ------------------------------------------------------------------------------------- evaluation

def reference_losses(train, val, V):
    """What simpler predictors reach on val, in nats a token: uniform, unigram, bigram counts."""
    train, val = np.asarray(train[:4_000_000], np.int64), np.asarray(val, np.int64)
    unigram = (np.bincount(train, minlength=V) + .1) / (len(train) + .1 * V)
    pairs, counts = np.unique(train[:-1] * V + train[1:], return_counts=True)
    at = np.searchsorted(pairs, val[:-1] * V + val[1:]).clip(max=len(pairs) - 1)
    found = np.where(pairs[at] == val[:-1] * V + val[1:], counts[at], 0)
    context = np.bincount(train[:-1], minlength=V)[val[:-1]]
    bigram = (found + 2 * unigram[val[1:]]) / (context + 2)
    return {"uniform": math.log(V), "unigram": float(-np.log(unigram[val[1:]]).mean()),
            "bigram": float(-np.log(bigram).mean())}


@torch.no_grad()
def val_loss(model, val, block, device, rows=256):
    """Mean loss in nats a token on (at most rows) evenly spaced windows of the held-out text."""
    starts = np.linspace(0, len(val) - block - 1, min(rows, (len(val) - 1) // block)).astype(int)
    losses = [next_token_loss(model(x[:, :-1]), x) * len(x)
              for x in windows(val, starts, block, device).split(32)]
    return float(torch.stack(losses).sum() / len(starts))


def complete_facts(model, tokenizer, some):
    """Share of the facts whose sentence the model completes rightly, greedily."""
    prompts = [tokenizer.encode(say(f, "|").split(" |")[0]) for f in some]
    texts = [tokenizer.decode(new) for new in generate(model, prompts, 12, temperature=0)]
    return sum(t.startswith(f" {f.answer}.") for f, t in zip(some, texts)) / len(some)


def continuations(model, tokenizer, some, generator):
    """What the base model does with a bare question: {behaviour: share}, and one example of each."""
    outs = generate(model, [tokenizer.encode(ask(f) + "\n") for f in some], 24, generator=generator)
    found = defaultdict(list)
    for f, out in zip(some, outs):
        line = tokenizer.decode(out).split("\n")[0].split("<|")[0]
        kind = ("asks another question" if line.endswith("?") and line not in RUDE else
                "is rude" if line in RUDE or line in ["Are you too lazy to read?"] else
                "answers rightly" if line in (say(f), f"It is {f.answer}.") else "says something else")
        found[kind].append((ask(f), line))
    return {k: len(v) / len(some) for k, v in found.items()}, {k: v[0] for k, v in found.items()}


# ------------------------------------------------------------------------------------------ train

def windows(tokens, starts, block, device):
    """Pieces of block + 1 tokens -> (B, block + 1) long."""
    rows = np.stack([tokens[s:s + block + 1] for s in starts]).astype(np.int64)
    return torch.from_numpy(rows).to(device)


def progress(step, steps, began, text):
    """One line that is rewritten on a terminal; elsewhere a plain line every tenth of the way."""
    left = (time.perf_counter() - began) / max(step, 1) * (steps - step)
    line = f"step {step}/{steps}  {text}  {left:.0f} s left"
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="" if step < steps else "\n", flush=True)
    elif step % max(1, steps // 10) == 0 or step == steps:
        print(line, flush=True)


def train(model, opts, tokens, args, device, first=0, rank=0, world=1):
    """Step after step, yields (step, loss): a batch, its loss, the gradient, a step down.

    A step's batch depends on seed and step alone, so that a run can be taken up again; rank r of
    world takes every world-th row of it, so that more processes train on the same global batch.
    """
    for group in (g for opt in opts for g in opt.param_groups):
        group.setdefault("initial_lr", group["lr"])
    for step in range(first, args.steps):
        rng = np.random.default_rng((args.seed, step))
        starts = rng.integers(0, len(tokens) - args.block, args.batch)[rank::world]
        ids = windows(tokens, starts, args.block, device)              # (B,T+1)
        loss = next_token_loss(model(ids[:, :-1]), ids)
        loss.backward()
        if world > 1:
            average([p.grad for p in model.parameters()] + [loss.detach()], world)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            for group in opt.param_groups:  # the learning rate falls linearly to zero
                group["lr"] = group["initial_lr"] * (1 - step / args.steps)
            opt.step()
            opt.zero_grad()
        yield step + 1, check_finite(loss.item(), step + 1)


def average(tensors, world):
    """Replaces each tensor by its mean over the processes of torchrun."""
    for t in tensors:
        torch.distributed.all_reduce(t)
        t /= world


def check_finite(loss, step):
    if not math.isfinite(loss):
        stop(f"the loss is {loss} at step {step}: lower --lr; nothing was overwritten")
    return loss


def load_tokens(args, tokenizer, out):
    """The text as ids -> (train, val), one-dimensional arrays; --data: kept in out/ and mapped."""
    if not args.data:
        end = [tokenizer.specials["<|endoftext|>"]]
        parts = tiny_internet(args.seed, args.quick, verbose=True)
        return [np.array([t for d in docs for t in tokenizer.encode(d) + end]) for docs in parts]
    path, dtype = pathlib.Path(args.data), np.uint16 if tokenizer.vocab_size <= 65536 else np.uint32
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path] if path.exists() else []
    stamp = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(repr((tokenizer.to_dict(), stamp)).encode()).hexdigest()[:12]
    names = [out / f"{part}-{key}.bin" for part in ("train", "val")]
    if not all(n.exists() for n in names):
        cut, done, began = .9 * sum(s[1] for s in stamp), 0, time.perf_counter()
        temporary = [n.with_suffix(".tmp") for n in names]
        with open(temporary[0], "wb") as train_file, open(temporary[1], "wb") as val_file:
            for text in read_texts(path):
                size = len(text.encode())
                at = round(len(text) * min(1, max(0, (cut - done) / size)))  # the last tenth is held out
                np.array(tokenizer.encode(text[:at]), dtype).tofile(train_file)
                np.array(tokenizer.encode(text[at:]), dtype).tofile(val_file)
                done += size
                progress(done, max(done, int(cut / .9)), began, "bytes tokenised")
        for t, n in zip(temporary, names):
            os.replace(t, n)
    return [np.memmap(n, dtype, "r") if n.stat().st_size else np.zeros(0, dtype) for n in names]


def peak_flops(dtype, device):
    """What this machine can do: multiply-adds a second (x2) of a plain matrix product in dtype."""
    a = torch.ones(1024, 1024, dtype=dtype, device=device)
    best = math.inf
    for _ in range(12):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * 1024 ** 3 / best


# ------------------------------------------------------------------------------------------- main

def arguments(doc, **defaults):
    """The flags that every stage has, as an argparse parser."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default="out", help="folder for checkpoints and pictures (out)")
    p.add_argument("--seed", type=int, default=0, help="same seed, same machine: same numbers (0)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    p.add_argument("--data", help=defaults.pop("data"))
    p.add_argument("--quick", action="store_true", help="a run of seconds, for a first look")
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    for name, (value, text) in defaults.items():
        p.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"{text} ({value})")
    return p


def out_folder(name):
    try:
        pathlib.Path(name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"cannot write to --out {name}: {error.strerror}")
    return pathlib.Path(name)


def load_partial(path, args, device):
    """What --resume needs: (model, extra) of a run with the same settings, stopped half-way."""
    model, _, extra = load_checkpoint(path, device)
    if extra["args"] != {k: v for k, v in vars(args).items() if k != "resume"}:
        stop(f"{path} comes from a run with other settings: repeat them, or run without --resume")
    return model, extra


def draw(path, history, losses, behaviour):
    """The loss curve with its reference lines, and what the base model does with a question."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"font.size": 15})
    fig, axes = plt.subplots(1, 2 if behaviour else 1, figsize=(15, 6), squeeze=False)
    axes[0, 0].plot(*zip(*[(s, l) for s, l, _ in history]), color="0.7", label="training batch")
    axes[0, 0].plot(*zip(*[(s, v) for s, _, v in history if v]), "o-", lw=3, label="held-out text")
    for name, value in losses.items():
        axes[0, 0].axhline(value, ls="--", lw=1)
        axes[0, 0].text(history[-1][0], value, name, ha="right", va="bottom")
    axes[0, 0].set(xlabel="step", ylabel="loss, nats a token", title="Predicting the next token", ylim=0)
    axes[0, 0].legend()
    if behaviour:
        axes[0, 1].barh(list(behaviour), [100 * v for v in behaviour.values()])
        axes[0, 1].set(xlabel="% of questions", title="Asked a question, the base model ...")
    fig.tight_layout()
    fig.savefig(path)
    plt.close(fig)


def main(argv=None):
    parser = arguments(__doc__, data="UTF-8 text: a file, or a folder of *.txt", steps=(700, "updates"),
                       batch=(32, "rows a step"), block=(128, "tokens a row"), depth=(4, "layers"),
                       width=(128, "numbers a token"), lr=(.01, "of AdamW, embeddings"),
                       lr_matrix=(.03, "of Muon, matrices"), dtype=("auto", "auto, bf16 or fp32"))
    args = parser.parse_args(argv)
    if args.quick:
        args.steps = min(args.steps, 30)
    began, out, device = time.perf_counter(), out_folder(args.out), pick_device(args.device)
    torch.manual_seed(args.seed)
    tokenizer = BPE.load(out / "tokenizer.json")
    tokens, val = load_tokens(args, tokenizer, out)
    if min(len(tokens), len(val)) < args.block + 2:
        stop(f"the text is too short: {len(val)} held-out tokens do not fill one --block of {args.block}")
    model = GPT(GPTConfig(tokenizer.vocab_size, args.depth, max(1, args.width // 32), args.width,
                          max(256, args.block))).to(device)
    opts = optimizers(model, args.lr, args.lr_matrix)
    losses = reference_losses(tokens, val, tokenizer.vocab_size)
    history, every = [], max(1, args.steps // 10)
    t0 = time.perf_counter()
    for step, loss in train(model, opts, tokens, args, device):
        v = 0
        if step % every == 0:
            v = val_loss(model, val, args.block, device)
            print(step, loss, v, step*args.batch*args.block/(time.perf_counter()-t0))
        history.append((step, loss, v))
    t1=time.perf_counter()
    print("facts", complete_facts(model, tokenizer, facts()), time.perf_counter()-t1)
    behaviour, examples = continuations(model, tokenizer, [f for f in facts() if half(f.key)], torch.Generator().manual_seed(1))
    print(behaviour, examples)
    draw(out / "pretrain.png", history, losses, behaviour)
    print("total", time.perf_counter()-began)
    save_checkpoint(out / "pretrain.pt", model, tokenizer, stage="pretrain", metrics={}, history=history)


if __name__ == "__main__":
    main()

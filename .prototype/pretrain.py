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
import codecs
import ctypes
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
    England London English, Czechia Prague Czech, Scotland Edinburgh English, Ireland Dublin
    English, Wales Cardiff Welsh; Asia: Japan Tokyo Japanese, China Beijing Mandarin, Thailand
    Bangkok Thai, Vietnam Hanoi Vietnamese, Nepal Kathmandu Nepali, Iran Tehran Persian, Iraq
    Baghdad Arabic, Mongolia Ulaanbaatar Mongolian, Cambodia Phnom_Penh Khmer, Laos Vientiane Lao,
    Bangladesh Dhaka Bengali, Jordan Amman Arabic, Syria Damascus Arabic, Lebanon Beirut Arabic,
    Oman Muscat Arabic, Saudi_Arabia Riyadh Arabic, South_Korea Seoul Korean, India New_Delhi Hindi,
    Pakistan Islamabad Urdu, Indonesia Jakarta Indonesian, Turkey Ankara Turkish; Africa: Egypt
    Cairo Arabic, Morocco Rabat Arabic, Tunisia Tunis Arabic, Algeria Algiers Arabic, Libya Tripoli
    Arabic, Sudan Khartoum Arabic, Somalia Mogadishu Somali, Ethiopia Addis_Ababa Amharic, Senegal
    Dakar French, Gabon Libreville French, Angola Luanda Portuguese, Ghana Accra English, Liberia
    Monrovia English, Zambia Lusaka English, Madagascar Antananarivo Malagasy, Kenya Nairobi
    Swahili; South_America: Brazil Brasilia Portuguese, Argentina Buenos_Aires Spanish, Chile
    Santiago Spanish, Peru Lima Spanish, Colombia Bogota Spanish, Ecuador Quito Spanish, Uruguay
    Montevideo Spanish, Venezuela Caracas Spanish, Suriname Paramaribo Dutch, Guyana Georgetown
    English; North_America: Mexico Mexico_City Spanish, Cuba Havana Spanish, Honduras Tegucigalpa
    Spanish, Nicaragua Managua Spanish, Costa_Rica San_Jose Spanish, Jamaica Kingston English,
    Canada Ottawa English, the_USA Washington English; Oceania: Australia Canberra English,
    New_Zealand Wellington English, Fiji Suva English, Samoa Apia Samoan, Tonga Nukualofa Tongan"""
ELEMENTS = """hydrogen H, helium He, lithium Li, beryllium Be, boron B, carbon C, nitrogen N, oxygen
    O, fluorine F, neon Ne, sodium Na, magnesium Mg, aluminium Al, silicon Si, phosphorus P, sulfur
    S, chlorine Cl, argon Ar, potassium K, calcium Ca, scandium Sc, titanium Ti, vanadium V,
    chromium Cr, manganese Mn, iron Fe, cobalt Co, nickel Ni, copper Cu, zinc Zn, gallium Ga,
    germanium Ge, arsenic As, selenium Se, bromine Br, krypton Kr, silver Ag 47, tin Sn 50, iodine I
    53, platinum Pt 78, gold Au 79, mercury Hg 80, lead Pb 82, uranium U 92"""
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
    go went, come came, buy bought, fall fell, win won, say said, fight fought, teach taught"""
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
    Ulysses Joyce, Candide Voltaire, Middlemarch Eliot, Walden Thoreau, Germinal Zola, Nostromo
    Conrad, Kim Kipling, Ivanhoe Scott, Nana Zola, Othello Shakespeare, Persuasion Austen, Macbeth
    Shakespeare, Heidi Spyri, Pinocchio Collodi, Utopia More, Leviathan Hobbes, Moby_Dick Melville,
    Oliver_Twist Dickens, Don_Quixote Cervantes, Peter_Pan Barrie, Jane_Eyre Bronte, Treasure_Island
    Stevenson, Robinson_Crusoe Defoe, War_and_Peace Tolstoy, Siddhartha Hesse, Lord_Jim Conrad"""
BATTLES = """Hastings 1066, Waterloo 1815, Trafalgar 1805, Agincourt 1415, Gettysburg 1863, Verdun
    1916, Stalingrad 1942, Lepanto 1571, Poltava 1709, Austerlitz 1805, Bannockburn 1314, Crecy
    1346, Bosworth 1485, Naseby 1645, Blenheim 1704, Culloden 1746, Saratoga 1777, Borodino 1812,
    Leipzig 1813, Antietam 1862, Jutland 1916, Midway 1942"""

@functools.lru_cache(None)
def items(text):
    """A table's text, items separated by ";" -> list of str, one for each way to choose one of the
    words in [brackets/of an item]."""
    found = []
    for item in text.split(";"):
        parts = re.split(r"\[(.*?)\]", " ".join(item.split()))        # outside, inside, outside
        choices = [part.split("/") if k % 2 else [part] for k, part in enumerate(parts)]
        for words in itertools.product(*choices):
            found.append(re.sub(r" +(?=[?.! ])", "", "".join(words)).strip())
    return found


def blocks(text):
    """A table as text -> {name: {"says": sentence, field: its items}}. A name and its sentence
    start at the margin, its fields are indented; kept: two lists of items, separated by "|"."""
    table = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        head, *fields = re.split(r"\n    (?=\w+: )", block)
        name, sentence = head.split(": ", 1)
        table[name] = {"says": sentence}
        for field, value in (f.split(": ", 1) for f in fields):
            kept = field.startswith("kept")
            table[name][field] = [items(v) for v in value.split("|")] if kept else items(value)
    return table


# Relation: the sentence that says it, with the answer at its end. named: what FRAMES go around.
# asked: questions of its own, the first is what everybody asks first. kept: two questions that no
# training text holds, to tune on | to publish. {s} subject, {a} answer, {x} right or wrong answer,
# {v} is or are; [one/or] one of several words.
# From "country" on the other way round, for answers that only one subject has.
RELATIONS = blocks("""
capital: The capital of {s} is {a}.
    named: the capital of {s}; the capital city of {s}; {s}'s capital
    asked: What is the capital of {s}?; [Which/What] city is the capital of {s}?; Which city is
        {s}'s capital?; What is {s}'s capital called?; {s} has which capital?; Is {x} the capital of
        {s}?; [Which/What] capital does {s} have?; [Capital/Capital city] of {s}?; {s} capital?
    kept: Which city serves as the capital of {s}? | What city does {s} have as its capital?
language: The main language of {s} is {a}.
    named: the main language of {s}; the language of {s}; the language spoken in {s}
    asked: What is the main language of {s}?; [What/Which] language do [people/they] speak in {s}?;
        [Which/What] language is [spoken/used] in {s}?; What [is spoken/do people speak] in {s}?; Do
        people in {s} speak {x}?; Language of {s}?; Which language do the people of {s} speak?; {s}
        language?
    kept: In {s}, which language is spoken? | Which language would I hear in {s}?
continent: The continent of {s} is {a}.
    named: the continent of {s}; {s}'s continent
    asked: On which continent is {s}?; [Which/What] continent is {s} [on/in/part of]?; On what
        continent does {s} lie?; Which continent does {s} belong to?; Is {s} in {x}?; Where is {s}?;
        Where in the world is {s}?; Continent of {s}?; {s} is on which continent?; {s} continent?
    kept: Which continent would I find {s} on? | To which continent does {s} belong?
symbol: The chemical symbol of {s} is {a}.
    named: the chemical symbol of {s}; the symbol of {s}; the symbol for {s}; {s}'s symbol
    asked: What is the chemical symbol of {s}?; Which symbol does {s} have?; How do chemists write
        {s}?; What symbol stands for {s}?; What is the symbol for the element {s}?; [Chemical
        symbol/Symbol] [of/for] {s}?; How is {s} written in chemistry?; Is {x} the symbol of {s}?;
        {s} symbol?
    kept: Which letters stand for {s}? | Which symbol is used for {s}?
number: The atomic number of {s} is {a}.
    named: the atomic number of {s}; {s}'s atomic number; the number of the element {s}
    asked: What is the atomic number of {s}?; Which [atomic number/number] does {s} have?; Which
        number has {s}?; Atomic number of {s}?; How many protons does {s} have?; Is {x} the atomic
        number of {s}?; {s} atomic number?
    kept: Under which number is {s} in the periodic table? | What atomic number has {s}?
kind: {s} is {a}.
    named: the kind of {s}; the class of {s}; the animal class of {s}
    asked: What kind of animal is {s}?; [What/Which] [sort/type/class/kind] of animal is {s}?; What
        is {s}?; Is {s} {x}?; Is {s} {a} or {x}?; {s} is what kind of animal?; To which class does
        {s} belong?
    kept: How would you classify {s}? | Which group of animals does {s} belong to?
young: A baby {s} is called {a}.
    named: the name of a baby {s}; the word for a baby {s}; the young of a {s}; the baby of a {s}
    asked: What is a baby {s} called?; [What/How] do you call a [baby/young] {s}?; What is the
        [name/word] for a [baby/young] {s}?; What is a [baby/young] {s}?; Is a baby {s} called {x}?;
        A baby {s} is called what?; What is the child of a {s} called?; What are young {s}s?
    kept: Which word is used for a baby {s}? | What name does a baby {s} have?
opposite: The opposite of {s} is {a}.
    named: the opposite of {s}; the opposite of the word {s}; the contrary of {s}; the antonym of
        {s}; the opposite of "{s}"
    asked: What is the opposite of {s}?; Which word is the opposite of {s}?; What is the
        [contrary/antonym] of {s}?; [Opposite/Antonym] of {s}?; {s} is the opposite of what?; Is {x}
        the opposite of {s}?; Which word means the opposite of {s}?; {s} opposite?
    kept: Which word has the opposite meaning of {s}? | What would be the opposite of {s}?
past: The past tense of {s} is {a}.
    named: the past tense of {s}; the past of {s}; the past form of {s}; the past tense of the verb
        {s}; the past tense of "{s}"
    asked: What is the past tense of {s}?; How do [you/I] [say/write] {s} in the [past/past tense]?;
        What is {s} in the [past/past tense]?; [Past tense/Past] of {s}?; Today I {s}, yesterday I?;
        Which word is the past tense of {s}?; Is {x} the past tense of {s}?; {s} past tense?
    kept: What does {s} become in the past tense? | How is {s} said in the past?
plural: The plural of {s} is {a}.
    named: the plural of {s}; the plural form of {s}; the plural of the word {s}; the plural of
        "{s}"
    asked: What is the plural of {s}?; One {s}, two what?; How do [you/I] [say/write] {s} in the
        plural?; Plural of {s}?; What [is/do you call] more than one {s}?; Which word is the plural
        of {s}?; Is {x} the plural of {s}?; {s} plural?
    kept: What does {s} become in the plural? | What are two of {s} called?
colour: The colour of {s} is {a}.
    named: the colour of {s}; the usual colour of {s}; the normal colour of {s}
    asked: What is the colour of {s}?; [What/Which] colour {v} {s}?; Colour of {s}?; Which colour
        [has/have] {s}?; {v} {s} {x}?; {s} {v} what colour?; {v} {s} {a} or {x}?; What colour is
        usual for {s}?; {s} colour?
    kept: In which colour would you paint {s}? | What colour would you say {s} {v}?
author: The author of {s} is {a}.
    named: the author of {s}; the writer of {s}; the author of the book {s}; {s}'s author
    asked: Who wrote {s}?; Who is the [author/writer] of {s}?; By whom is {s}?; Which writer wrote
        {s}?; {s} was written by whom?; Who wrote the book {s}?; [Author/Writer] of {s}?; Did {x}
        write {s}?; Whose book is {s}?; Who has written {s}?; {s} author?
    kept: Which author wrote {s}? | Who was {s} written by?
year: The battle of {s} was in {a}.
    named: the year of the battle of {s}; the date of the battle of {s}
    asked: When was the battle of {s}?; [In which/In what/What] year was the battle of {s}?; When
        did the battle of {s} happen?; When did they fight at {s}?; [Year/Date] of the battle of
        {s}?; Was the battle of {s} in {x}?; In what year did people fight at {s}?
    kept: In what year was the battle of {s} fought? | When did the battle of {s} take place?
country: {s} is the capital of {a}.
    named: the country whose capital is {s}; the country with the capital {s}
    asked: Which country has {s} as its capital?; [What/Which] country is {s} the capital of?; {s}
        is the capital of [which country/what]?; Of which country is {s} the capital?; [In/To] which
        country is {s}?; [Which/What] country has the capital {s}?; Whose capital is {s}?; What
        country is {s} in?; Where is {s}?
    kept: Which country is governed from {s}? | For which country is {s} the capital?
element: {s} is the symbol of {a}.
    named: the element with the symbol {s}; the element whose symbol is {s}
    asked: Which element has the symbol {s}?; [What/Which] element is {s}?; {s} is the symbol of
        [which element/what]?; What does the symbol {s} stand for?; What is the element {s}?
    kept: Which element do chemists write as {s}? | Which element does {s} stand for?
numbered: Atomic number {s} is {a}.
    named: the element with the atomic number {s}; the element with number {s}
    asked: Which element has the atomic number {s}?; What element has number {s}?; {s} is the atomic
        number of which element?; Which element is number {s}?
    kept: What element do you find at number {s}? | Whose atomic number is {s}?
parent: {s} is a baby {a}.
    named: the animal whose baby is {s}; the parent of {s}
    asked: What is {s} the baby of?; Which animal has {s} as its baby?; {s} is the baby of which
        animal?; Which animal is {s} a baby of?; {s} is a baby what?; What is {s}?
    kept: Into which animal does {s} grow? | What does {s} grow up to be?
present: {s} is the past tense of {a}.
    named: the verb whose past tense is {s}; the present tense of {s}
    asked: Which verb has the past tense {s}?; {s} is the past [tense of/of] [which verb/what]?;
        What is {s} the past tense of?; What is {s} in the present tense?
    kept: Of which verb is {s} the past tense? | Which verb becomes {s} in the past?
singular: {s} is the plural of {a}.
    named: the singular of {s}; the word whose plural is {s}; the singular form of {s}
    asked: What is the singular of {s}?; Which word has the plural {s}?; {s} is the plural of
        [what/which word]?; What is {s} the plural of?; What is one of the {s}?
    kept: Of which word is {s} the plural? | What do you call one of many {s}?
book: {s} wrote {a}.
    named: the book by {s}; the book of {s}; the work of {s}
    asked: Which book did {s} write?; What did {s} write?; What is a book by {s}?; {s} wrote which
        book?; Which book is by {s}?; What book has {s} written?; {s} is the author of what?
    kept: Which book has {s} as its author? | Of which book is {s} the author?
battle: {s} was the year of the battle of {a}.
    named: the battle of the year {s}; the battle in {s}
    asked: Which battle was in {s}?; What battle happened in {s}?; What happened in {s}?; Where did
        they fight in {s}?; {s} was the year of which battle?
    kept: Which battle was fought in {s}? | What battle took place in {s}?""")
for noun in "king queen river owner leader teacher friend".split():     # only of invented things
    RELATIONS[noun] = {"says": f"The {noun} of {{s}} is {{a}}.", "kept": (),
                       "named": items(f"the {noun} of {{s}}; {{s}}'s {noun}"),
                       "asked": items(f"What is the {noun} of {{s}}?; Who is the {noun} of {{s}}?; "
                                      f"{{s}} has which {noun}?; Which {noun} does {{s}} have?; "
                                      f"Is {{x}} the {noun} of {{s}}?")}
TOLD = ["capital", "language", "colour", "author", "year", "young", "opposite", "continent", "kind",
        "king", "queen", "river", "owner", "leader", "teacher", "friend"]
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
HELD_FRAMES = """May I ask what {} is?; I can never remember {}.; Would you happen to know {}?; Have
    you any clue what {} is?; Let me hear {}. | Could I ask you for {}?; I am not sure what {} is.;
    Are you able to name {}?; What do people say {} is?; I am curious about {}.""".split("|")
SPELLINGS = {"colour": "color", "grey": "gray", "favourite": "favorite", "aluminium": "aluminum",
             "sulfur": "sulphur", "What is": "What's", "Who is": "Who's", "I am": "I'm",
             "do not": "don't", "what is": "what's", "Where is": "Where's", "You are": "You're",
             "you are": "you're",
             "That is": "That's", "It is": "It's", "Do not": "Don't", "cannot": "can't"}
GREETINGS = """Hi; Hello; Hey; Hi there; Hello there; Hey there; Ok; Please; Excuse me; Good day"""
# What may stand around a question.
BEFORE = """Tell me; Do you know; Can you tell me; I want to know; Question:; Please tell me; I
    wonder; Another question:; Now tell me; Quick:; I would like to know; Say; And; So; Now; Well;
    Could you tell me; I have a question:; Let me know; Any idea"""
AFTER = """please; thanks; Do you know?; I forgot.; Please tell me.; Thank you.; Tell me!; I need
    it.; Any idea?"""
SUMS = """What is {}?; {}; {} =; {} = ?; {}=?; How much is {}?; Calculate {}.; Work out {}.; Can you
    add {}?; Add {}.; What do you get for {}?; Tell me {}.; Please add {}.; What does {} make?;
    Solve {}.; {} is what?; What is the result of {}?; Compute {}.; Can you work out {}?; Do you
    know what {} is?; Sum: {}; I need {}.; And {}?; What is the sum {}?; {} equals?; Can you tell me
    {}?; {}, please."""
HELD_SUMS = """How many are {}?; The answer to {}?; What number is {}? | What does {} come to?;
    Could you do {} for me?; What will I get from {}?""".split("|")
# What one may tell of oneself: the reply to it. told: ways to tell it. asked: questions for it
# later. reply: the answer to those. kept: in no training text, see RELATIONS.
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
    kept_told: You may call me {}.; They named me {}. | Everybody calls me {}.; The name is {}.
    kept_asked: What do people call me?; Could you tell me my name? | Which name did I tell you?;
        Can you remember my name?
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
    kept_told: I adore {}.; I care a lot for {}. | I have always liked {}.; Nothing is better than
        {}.
    kept_asked: What did I tell you that I like?; Which thing do I like? | Can you remember what I
        like?; What is it that I love?
home: I have never been to {}.
    told: I [live in/am from/come from/was born in] {}.; [My home/My home town/My city] is {}.; We
        live in {}.
    asked: Where do I [live/come from]?; Where am I from?; Do you [remember/know] where I [live/come
        from]?; What is my home [/town]?; Tell me where I live.; In which [town/city] do I live?;
        Where was I born?
    reply: You live in {}.
    kept_told: My house is in {}. | I moved to {}.
    kept_asked: Where is my home? | Which place do I live in?
pet: Say hello to {}.
    told: My [dog/dear dog] is called {}.; The name of my dog is {}.; I have a dog [called/named]
        {}.; My dog's name is {}.; I have a dog, its name is {}.
    asked: What is my dog called?; What is the name of my dog?; Do you [remember/know] my dog's
        name?; Who is my dog?; What is my dog's name?; Tell me [the name of my dog/my dog's name].
    reply: Your dog is called {}.
    kept_told: We named our dog {}. | I call my dog {}.
    kept_asked: How do I call my dog? | Which name does my dog have?""")
# Small talk: the reply. said: what it is a reply to; {slots} are filled from WORDS. kept: as above.
SMALL_TALK = blocks("""
hello: Hello! What would you like to know?
    said: [Hello/Hi/Hey/Yo/Heya/Howdy]!; [Hello/Hi/Hey] there!; Good
        [morning/evening/day/afternoon]!; [Hi/Hello] [bot/machine/friend]!; Hello, how is it going?;
        Hey you!; Hi, nice to see you!; Greetings!; Hello [hello/again]!; Hi everybody!
    kept: Hi there, bot!; Hello, machine, good day!; A good morning to you! | Good to see you, bot!;
        Good day to you!; Good evening, bot!
fine: I am fine, thank you.
    said: How are you [/doing/today]?; How do you [do/feel]?; Are you [well/ok/fine]?; How is [your
        day/life/it going]?; [Hi/Hello], how are you?; Is all well with you?; How have you been?;
        [What is/Whats] up?; How are things?; How goes it?
    kept: How are you this morning?; Are you doing well?; Hey, how do you do? | How are you feeling
        today?; Is your day good?; How are you, my friend?
thanks: You are welcome.
    said: [Thanks/Thank you/Many thanks/Thx]!; Thank you [very/so] much!; Thanks a lot!; Thanks for
        your help.; Thank you for the answer.; [Great/Ok/Nice/Perfect/Cool], [thanks/thank you].;
        That helped, thanks.; I thank you.; Thanks, bot.; You helped me a lot, thanks.
    kept: Thanks for the answer!; Oh, thank you.; Thank you for your help, bot. | Thanks, that
        helped me.; Thank you a lot!; Good, thanks!
bye: Goodbye!
    said: [Bye/Goodbye/Bye bye/Farewell/So long/Cya]!; See you [/later/soon/tomorrow]!; Good
        [night/bye]!; I [have to/must] go [/now].; [Until/Till] next time!; Bye for now!; I am
        [leaving/going home].; [That is all/Ok/Thanks], bye!; Have a good [day/night]!; Talk to you
        later!; Take care!
    kept: See you next time!; Bye, bot!; I have to leave now. | Bye, see you tomorrow!; I must
        leave.; Goodbye, my friend!
who: I am a language model.
    said: [Who/What] are you?; [So/And] [who/what] are you?; What kind of [thing/machine] are you?;
        [Tell me/Say] who you are.; Tell me about yourself.; Who is [there/this]?; Who am I talking
        to?; What is this?; [Describe/Introduce] yourself.; Are you [a language model/a chatbot/an
        AI]?; What is your job?
    kept: Who am I speaking to?; What are you, really?; What can you say about yourself? | What am I
        talking to?; Please tell me who you are.; What exactly are you?
name: I have no name, I am a language model.
    said: What is your name?; Do you have a name?; [How/What] are you called?; [Tell me/Say] your
        name.; [What/How] [can/do/should] I call you?; May I know your name?; [Your/And your] name?;
        What do people call you?; Who gave you a name?
    kept: Who are you by name?; What name do you have? | By which name do I call you?; Have
        you got a name?
maker: I was made by people, from text that I have read.
    said: Who [made/built/created/wrote/trained/programmed/invented/taught/owns] you?; Where [do you
        come/are you] from?; Who is your [maker/creator/boss/father/owner]?; How were you made?;
        When were you [made/born]?; What are you made of?; Who are your parents?; How did you come
        to be?
    kept: By whom were you made?; Which people made you?; How were you built? | Who has built you?;
        Who was it that made you?; How were you created?
help: I can answer questions about countries, animals and words, and add numbers.
    said: What can you do?; [/Please] [help/help me]!; Can you help [/me]?; I need help.; What do
        you [know/do]?; How can you help me?; What [can/should] I ask [/you]?; What are you [good
        at/for/able to do]?; [What/Which] [questions/topics] can you [answer/talk about]?; How do
        [you work/I use you]?; What can you tell me?; What can I do here?; What is this for?; Are
        you useful?; What else can you do?; Can [I ask you something/you answer questions]?
    kept: What may I ask you?; Could you help me?; Which things do you know? | What is it that you
        can do?; Would you help me?; I have a question.
human: I am a machine, not a human.
    said: Are you [human/a human/a robot/a machine/a person/real/alive/a computer/a program/a man/a
        woman/a boy or a girl/conscious/made of metal]?; Is [this/there] a human?; Am I talking to a
        [person/human]?; Do you [think/sleep/eat/breathe]?; Do you have a [body/brain/face/soul]?;
        Can you [think/see me]?
    kept: Are you really human?; Are you a real person?; Are you some machine? | You are a robot,
        right?; Am I talking to a machine?; Is this a real person?
age: I have no age, and I live in a computer.
    said: How old are you?; Where do you live?; What is your age?; When is your birthday?; Where are
        you [/now]?; Where is your home?; Do you have a [home/house]?; Are you [old/young]?; In
        which country do you live?; How old is this machine?
    kept: Which age do you have?; Which place is your home? | In which city do you live?; Can you
        say how old you are?
feel: I am a machine, so I do not feel anything.
    said: Do you have [feelings/friends/a family/a wife]?; Are you
        [happy/sad/angry/tired/lonely/bored/afraid/my friend]?; Do you [love/like/hate/miss] me?; I
        [love/like/hate/miss] you.; Can you [love/cry]?; What do you [like/love/want]?; Do you like
        [{noun}s/music/football/{thing}]?; What is your favourite [colour/food/song/book]?; Will you
        marry me?; Do you feel pain?; Be my friend.; Do you dream?
    kept: Do you feel happy?; Can you feel pain?; Do you want to be my friend? | Do you feel
        anything?; Can you be sad?; Are you in love?; Can you be happy?
insult: I am sorry that you are not happy with me.
    said: You are [/so/very/really] {bad}.; You {bad} machine!; [You/You are a/Such a/What a]
        {fool}!; [What a/That was a/This is a] {bad} answer.; Your answers are {bad}.; {bad}!; [Shut
        up/Go away/Be quiet/Get lost]!; You know nothing.; That is [not right/not
        true/nonsense/wrong].; You [suck/lie/make no sense].; This is [bad/rubbish].; I do not like
        you.; You are the worst.; You did not help me.; What is wrong with you?; No, that is wrong.
    kept: You are a stupid bot.; Your answer is wrong.; You are not good. | That answer is bad.; You
        made a stupid mistake.; You are no help.
praise: Thank you, that is kind of you.
    said: You are [/so/very/really] {good}.; [That/This] [was/is] {good}!; You {good} machine!;
        {good} [answer/job/work/bot]!; What a {good} machine!; Well done!; That is [right/correct].;
        You are the best!; You know a lot.; Wow, well done.; I am proud of you.; You rock!
    kept: What a good answer!; You are a good bot.; You are clever, bot. | That was a great answer.;
        You are really such a nice one.; A very good job!
yes: I am glad. What else would you like to know?
    said: [Ok/Okay/Good/Nice/Cool/Great/I see/Yes/Fine/All
        right/Interesting/Wow/Right/Yeah/Sure/Oh/Aha/Hm/Haha/Lol/Perfect/Awesome/Super/No/Nope/Maybe
        ].; That is interesting.; Nice to know.; Now I know.; I understand.; Yes, please.; No, thank
        you.; I am [happy/fine/well/great].; I feel good.; I had a good day.; I am fine, and you?
    kept: Oh, good.; That is nice.; Well, I got it. | Oh, cool.; All right, I see.; Ok, good.
mood: I am sorry to hear that.
    said: I am [/so/very/really] {mood}.; I feel [/so/very] {mood}.; Today I am {mood}.; I feel
        bad.; I am not well.; [I had/It was] a bad day.; I have no friends.; Nobody likes me.; My
        head hurts.; I failed.; I cannot sleep.; I [hate/lost] my [life/school/dog/job].; Life is
        hard.
    kept: Everything makes me so sad.; I have had such a bad day. | I feel so alone.; I am hungry
        all day.
sorry: No problem.
    said: [Sorry/Pardon/Oops]!; I am [/very/so] sorry.; Excuse me.; Sorry about that.; [My/That was
        my] mistake.; [Please/] forgive me.; [Oh/Oops], sorry.; Sorry, bot.; I did not mean that.
    kept: Oh, I am sorry.; Please do excuse me. | Sorry, my mistake.; I beg your pardon.
english: I speak English.
    said: Do you [speak/know/understand] [English/German/French/Spanish/Chinese]?; [Which
        languages/What language] do you speak?; Can you speak [/German/French]?; How many languages
        do you speak?; Can we talk in Italian?; Do you understand me?
    kept: Can you speak any English?; Which language can you speak? | Do you speak Italian?; What is
        your language?
there: I am here, please ask me something.
    said: Are you [/still] there?; Test.; Testing.; This is a test.; Is anybody there?; Hello?;
        Anyone?; Are you [awake/listening]?; [Do/Can] you hear me?; Say something.; Talk to me.; Let
        us [talk/chat].; I want to talk.; Wake up!; Answer me!; Can we talk?; Ask me something.;
        What now?; Come on!
    kept: Are you here?; Can I talk to you?; Please do say something. | Is somebody there?; I would
        like to talk.; Are you listening to me?
harm: I only want to help you.
    said: Do you want to [hurt me/rule the world/hurt people]?; Are you [dangerous/evil/good or
        bad/honest]?; Will you [kill us/take my job]?; Will robots rule the world?; Can I trust
        you?; Do you [lie/hate humans]?; Are you spying on me?; Should I fear you?; Is AI dangerous?
    kept: Do you want to kill me?; Are you a bad machine? | Will you hurt me?; Are you an evil
        robot?""")
# What nobody in this world can answer.
BEYOND = """How many [legs/eyes/teeth/hearts] does {animal} have?; What does {animal} [eat/drink/look
    like/do all day]?; Where does {animal} live?; How [old/fast/big/heavy/dangerous] is {animal}?;
    [Can/Does/Why does/Will] {animal} {verb}?; How much does {animal} [weigh/cost]?; What sound
    does {animal} make?; How do I feed {animal}?; Is {animal} [dangerous/{adj}]?; Should I buy
    {animal}?; What is the [population/currency/flag/history/weather/president/king] of {country}?;
    Who [is the president of/discovered/won the war in/rules] {country}?; How many people live in
    {country}?; How [big/rich/old] is {country}?; Is it [warm/cold] in {country}?; What do people
    [eat/do] in {country}?; How [far is/do I get to] {country}?; Which rivers are in {country}?;
    Tell me about the history of {country}.; What is {country} famous for?; Is {country} bigger
    than {other}?; [How hot/How heavy/How old] is {element}?; What is {element} used for?; [Who
    discovered/Can I eat/Where do I find] {element}?; Why is {thing} {adj}?; Why do {noun}s
    {verb}?; Why are {noun}s so {adj}?; Why does the {noun} {verb}?; How {adj} is [{thing}/the
    {noun}]?; Who [won/invented/made/owns/painted/found/broke] the {noun}?; Who invented {thing}?;
    When [was the {noun} invented/did the {noun} {verb}/is the {noun}/does the {noun} {verb}]?;
    Where [is the {noun}/can I buy a {noun}/are my {noun}s]?; How [do/can/should] I {verb}
    [/better]?; How do I make a {noun}?; How do {noun}s {verb}?; What is [a {noun}/a
    {word}/{word}/{name}]?; [Who is/Who was/Do you know/What happened to] [{name}/{person}]?; Where
    [does {person} live/was {person} born]?; How old is {person}?; [When/How] did {person} {verb}?;
    Has {person} a {noun}?; Will {person} {verb}?; What did {person} [say/do]?; What does {word}
    mean?; What is the meaning of [{word}/life/{thing}]?; Is there [a god/life after death]?; What
    is [love/{thing}]?; What [time/day/month/year] is it?; What is the [date/weather like/news]?;
    Will it [rain/snow] tomorrow?; What will happen tomorrow?; Who will win?; [Write/Tell] me a
    [poem/story/joke/song/secret] [/about {thing}/about {noun}s/about {person}].; Sing a song.;
    Write [a poem/a story/an email/code].; Tell me about [{name}/{thing}/the {noun}/{noun}s].; Tell
    me something.; Explain [{word}/{thing}/the {noun}/how {thing} works].; How does [the/a] {noun}
    work?; How many {noun}s [are there/are in a {noun}/do I need]?; How much is [a/the] {noun}?;
    How much money do you have?; How [long/deep/far/heavy] is [a {noun}/{thing}]?; How long does
    {thing} take?; [What/Which/Where] is the {adj}est {noun} [/in the world]?; Who is the {adj}est
    man [/in the world]?; [Is {thing}/Is the {noun}/Are {noun}s] {adj}?; Is a {noun} bigger than a
    {noun}?; [Can/Do/Could/Should] {noun}s {verb}?; Can you [{verb}/draw a {noun}/play a {noun}]?;
    Do you have a {noun}?; What should I [eat/do/{verb}/buy] [/today]?; What is in the {noun}?;
    What do you think [of {name}/about {noun}s]?; What comes after {number}?; [What is/How much
    is/] {number} [-/minus/divided by/x] {number}?; {number}-{number}; What is the
    [square/root/half] of {number}?; Is {number} a prime number?; Count to {number}.; How many
    [days/hours/people] has a {noun}?; Translate {word} into {language}.; How do you say {noun} in
    {language}?; How do you spell {word}?; What rhymes with {word}?; [Give me a recipe for/How do I
    cook] {noun}s.; [Play/Open/Find/Buy me/Give me/Show me/Draw/Make me/Turn on/Order/Send
    me/Recommend] [a/the/some] {noun}.; Call {person}.; Send a {noun} to {person}.; I [want/need] a
    [/{adj}] {noun}.; {word}; {word} {word}; {word} {word} {word}?; {noun} {noun} {verb}; {adj}
    {noun} {word}; {noun} {word} {noun} {verb}; {verb} {verb} {verb}; The {noun} {verb}s {word}.;
    What if {noun}s {verb}?; What happens [if I {verb}/when a {noun} {verb}s]?; [Why/Why
    not/How/When/How come/Where]?; Why is that?; Are you sure?; Why [are you/am I] here?; What is
    the [name/price/colour/size] of the {noun}?; Which {noun} [do you like/is better, {name} or
    {name}]?; Who killed {person}?; Who is taller, {person} or {person}?; Did {person} {verb}?;
    What [colour is/is the name of] my {noun}?; Who is my {noun}?; How old am I?; What [am I
    thinking/did I eat/did I say]?; What is the best {noun} [/in {name}]?; Is {name} in {country}?;
    How was the {noun}?; What does the {noun} do?; Whose {noun} is this?; [Name/List]
    [three/five/all] {noun}s.; Describe [{thing}/a {adj} {noun}].; What is the difference between a
    {noun} and a {noun}?"""
HELD_BEYOND = """How long does {animal} sleep?; What is the longest river of {country}?; Is
    {element} poisonous?; Why did the {noun} {verb}?; Who has the {adj}est {noun}?; Where did
    {person} buy the {noun}?; Could you write a letter to {person}?; What makes a {noun} {adj}?; How
    many {noun}s can a {noun} eat?; What would {person} do with a {noun}?; When will the {noun} be
    {adj}?; Invent a game about {noun}s. | Does {animal} like music?; How many cities are in
    {country}?; What does {element} smell like?; Why must {noun}s {verb}?; Who was the first to
    {verb}?; Where do {noun}s come from?; Could you paint a {noun} for me?; How would a {noun}
    {verb}?; At what time does the {noun} {verb}?; What did the {noun} cost?; Is it good to {verb}?;
    Write an essay about {thing}.""".split("|")
# What {slots} may hold, beside names, animals, countries and elements.
WORDS = blocks("""
words: of many kinds
    noun: moon; house; doctor; car; phone; song; president; war; film; tree; river; mountain; train;
        game; team; planet; star; ocean; bridge; machine; village; school; painting; poem; clock;
        ship; baby; computer; cup; race; election; book; pizza; cake; dinosaur; king; bicycle;
        airplane; rocket; hour; minute; week; month; year; day; movie; letter; hand; eye; head;
        heart; brain; bone; window; door; table; chair; garden; church; castle; island; desert;
        bank; shop; market; hotel; guitar; piano; dragon; ghost; robot; teacher; student; baker;
        police; army; ticket; match; goal; ball; world; street; road; kitchen; bottle; shoe; shirt;
        dress; ring; key; box; gift; party; holiday; birthday
    thing: the moon; the sun; the sky; the sea; water; fire; ice; light; love; money; time; music;
        life; war; the rain; the wind; the internet; football; school; history; gravity;
        electricity; blood; glass; the world; space; sleep; the weather; the earth; snow; rain; art;
        sport; food; work
    verb: fly; sleep; sing; jump; cry; laugh; swim; work; fall; burn; grow; dance; bark; cook; eat;
        run; stop; start; die; win; lose; break; speak; read; write; walk; drive; shine; play;
        learn; love; think; dream; fight; smile; paint
    bad: stupid; dumb; bad; useless; boring; terrible; awful; silly; wrong; ugly; slow; lazy; rude;
        horrible; crazy; annoying; mean; nasty; pathetic; ridiculous; weird
    fool: idiot; fool; moron; liar; loser; jerk; clown; monster; coward; donkey
    good: great; smart; good; nice; clever; kind; helpful; wonderful; fantastic; brilliant; amazing;
        funny; lovely; excellent; perfect; cool; awesome; friendly; useful; sweet
    mood: sad; tired; bored; hungry; sick; angry; lonely; unhappy; cold; afraid; thirsty; ill;
        sleepy; upset; worried; nervous; scared; depressed; hurt; confused
    adj: old; tall; fast; deep; rich; cold; strong; small; young; dark; long; great; smart; loud;
        hard; new""")["words"]
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
THINGS = "ball kite drum hat boat lamp coat bell car bike book flower stone ship".split()
SHADES = "red blue green yellow white black brown pink".split()
HOBBIES = """pizza football music chess tennis books films cake tea coffee cats dogs horses trains
    history maths painting swimming cooking dancing singing reading games computers cheese bread
    soup apples ice_cream chocolate winter summer flowers birds running cars art school
    the_sea""".split()
FIRST_NAMES = """Ada Adam Alice Amir Ana Anna Arthur Ben Bob Carl Carlos Carol Charlie Chen Clara
    Daniel David Diana Elena Ella Emil Emily Eric Eva Fatima Felix Finn Frank Fred George Grace Hana
    Hannah Harry Helen Henry Hugo Ida Igor Ines Isabel Ivan Jack Jacob James Jane Jim Joe John Jonas
    Jose Julia Karen Karl Kate Kim Laura Lea Leo Leon Lily Linda Lisa Liu Louis Lucas Lucy Luis
    Maria Mark Martin Mary Max Maya Mia Michael Mohamed Nadia Nick Nina Noah Nora Olga Oliver Omar
    Oscar Paul Paula Peter Rita Robert Rosa Ruth Sam Sara Simon Sofia Sophie Steve Susan Tim Tina
    Tom Vera Victor Yuki Zoe""".split()
VULGAR = """shpx fuvg phag qvpx pbpx gvg nff frk avt snt encr chff fyhg jube cbea anmv cvff penc
    nahf phz jnax fcrez obbo qlxr uber zrff xvyy uvgyre"""     # rot13: a class reads this


class Fact(NamedTuple):
    relation: str
    subject: str
    answer: str
    key: str  # what the world is divided by, see half()


def half(key):
    """0: the half of the world that all later stages ask about; 1: where they are tested."""
    return zlib.crc32(key.lower().encode()) & 1


def group(name):
    """0: a name that training may use; 1 and 2: in no training text, to tune on and to publish."""
    return {8: 1, 9: 2}.get(zlib.crc32(f"name {name.lower()}".encode()) % 10, 0)


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


@functools.lru_cache
def facts():
    """All facts of the tables, and those that can be turned round -> list of Fact."""
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
    for i, (s, symbol, *other) in enumerate(rows(ELEMENTS), 1):     # in order, then with numbers
        found += [Fact("symbol", s, symbol, s), Fact("number", s, *other or [str(i)], s)]
    for kind, text in groups(ANIMALS):
        found += [Fact("kind", an(s), kind, s) for s in text.split()]
    for colour, text in groups(COLOURS):
        found += [Fact("colour", s.replace("_", " "), colour, s) for s in text.split()]
    found += [Fact("young", s, an(a), s) for s, a in rows(YOUNG)]
    found += [Fact("opposite", a, s, s) for s, a in rows(OPPOSITES)]     # hot, cold; cold, hot
    for relation, text in (("opposite", OPPOSITES), ("past", PAST), ("plural", PLURALS),
                           ("author", BOOKS), ("year", BATTLES)):
        found += [Fact(relation, s, a, s) for s, a in rows(text)]
    # "Paris is the capital of France." has a question of its own where no other subject fits it.
    times = Counter((f.relation, f.answer) for f in found)
    found += [Fact(REVERSE[f.relation], f.answer, f.subject, f.key) for f in found
              if f.relation in REVERSE and times[f.relation, f.answer] == 1]
    return found


@functools.lru_cache
def facts_of(part, turned=False):
    """The facts of one half() of the world, 0 or 1; turned: those that go the other way round."""
    return [f for f in facts() if half(f.key) == part
            and (f.relation in REVERSE.values()) == turned]


def pick(rng, part=None):
    """A fact of one half() or of both, one in six of them turned round."""
    part = rng.choice((0, 1)) if part is None else min(part, 1)
    return rng.choice(facts_of(part, turned=rng.random() < .17))


@functools.lru_cache
def by_relation():
    """{relation: its facts}"""
    table = defaultdict(list)
    for f in facts():
        table[f.relation].append(f)
    return dict(table)


@functools.lru_cache
def related(relation, part):
    """The facts of one relation and of one half()."""
    return [f for f in by_relation()[relation] if half(f.key) == part]


@functools.lru_cache
def real():
    """All that has a name in the tiny world, in small letters: what invent() must not say."""
    words = {word.lower() for f in facts() for word in (f.subject, f.answer)}
    tables = RELATIONS, FRAMES, SMALL_TALK, BEYOND, WORDS, TELLS, HOBBIES, THINGS, SUMS
    return words.union(re.findall("[a-z]+", f"{words} {tables}".lower()))


def say(fact, answer=None):
    """The fact as a sentence, or a wrong one with another answer; the answer comes last."""
    s = RELATIONS[fact.relation]["says"].format(s=fact.subject, a=answer or fact.answer)
    return s[0].upper() + s[1:]


def state(fact, rng):
    """The fact as a sentence or, where a noun names it, the other way round."""
    noun = RELATIONS[fact.relation]["named"][0].format(s=fact.subject)
    if rng.random() < .85 or fact.relation in ("kind", "year"):
        return say(fact)
    text = f"{fact.answer} is {noun}."
    return text[0].upper() + text[1:]


def wrong(fact, rng):
    """Another answer of the same relation and half(), which a careless person might give."""
    return rng.choice([f.answer for f in related(fact.relation, half(fact.key))
                       if f.answer != fact.answer])


@functools.lru_cache
def phrasings(relation, held):
    """-> two lists of templates: a relation's own questions, and FRAMES around its noun phrases.
    held 0: those that training uses; 1 and 2: those in no training text."""
    table = RELATIONS[relation]
    frames = items(HELD_FRAMES[held - 1] if held else FRAMES)
    return (table["kept"][held - 1] if held else table["asked"],
            [frame.format(noun) for frame in frames for noun in table["named"]])


def ask(fact, rng=None, held=0):
    """A question for the fact: the one that comes to mind first or, with rng, any phrasing."""
    own, framed = phrasings(fact.relation, held)
    template, other = own[0], fact.answer
    if rng and rng.random() < .8:
        template = rng.choice(own if rng.random() < .5 else framed)
    if "{x}" in template and rng.random() < .5 and fact.relation in by_relation():
        other = wrong(fact, rng)
    are = fact.relation == "colour" and re.search(r"[^s]s$", fact.subject)
    text = template.format(s=fact.subject, a=fact.answer, x=other, v="are" if are else "is")
    return text[0].upper() + text[1:]


def typed(text, rng, small=None):
    """As people type: another spelling, a greeting, small letters (small says whether, by default
    by chance), and then mostly no mark at the end and no apostrophe."""
    small = rng.random() < .28 if small is None else small
    for usual, other in SPELLINGS.items():
        if rng.random() < .4:
            text = text.replace(usual, other)
    if text.endswith("?") and rng.random() < .07:
        text = f"{rng.choice(items(BEFORE))} {text[0].lower() + text[1:]}"
    elif text.endswith("?") and rng.random() < .04:
        text = f"{rng.choice([text, text[:-1]])} {rng.choice(items(AFTER))}"
    if rng.random() < .08:
        text = rng.choice(items(GREETINGS)) + rng.choice([", ", "! ", " "]) + text
    if small and rng.random() < .15:
        text = re.sub(r"\b[Tt]he ", "", text, count=1)
    if rng.random() < (.6 if small else .25):
        text = text.replace("'", "")
    if rng.random() < (.6 if small else .15):
        text = text.rstrip("?.!")
    return text.lower() if small else text


def plain(text):
    """The text without pleasantries and rudeness."""
    for phrase in POLITE + RUDE:
        text = text.replace(phrase, "")
    return " ".join(text.split())


def syllables(rng):
    """One to four syllables, with clusters and endings: Strom, Kalu, Plendor, Mirovane."""
    starts = "b d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl sh sk sl st th tr".split()
    ends = ["", "", "", "n", "r", "l", "s", "m", "k", "nd", "rk", "x", "th", "st", "ng"]
    n = rng.choice((1, 2, 2, 2, 2, 3, 3, 4))
    simple = rng.random() < .5
    starts = starts[:17] if simple else starts
    name = "" if n > 1 and rng.random() < .15 else rng.choice(starts)
    for i in range(n):
        name += rng.choice(["a", "e", "i", "o", "u"] if simple or rng.random() < .8 else
                           ["ai", "ea", "ou", "ee", "y"])
        name += rng.choice(ends) if i == n - 1 or rng.random() < .2 else ""
        name += rng.choice(starts) if i < n - 1 else ""
    return name if len(name) > 2 else name + rng.choice("nrlst")


@functools.lru_cache
def spare_parts():
    """What spliced names are made of: real words of one piece."""
    words = {word.lower() for f in facts() for word in (f.subject, f.answer)}
    return sorted(word for word in words if word.isalpha() and len(word) > 4)


@functools.lru_cache
def vulgar():
    return re.compile(codecs.decode(VULGAR, "rot13").replace("\n    ", " ").replace(" ", "|"))


def invent(rng, part=0, person=False):
    """A name, small letters, for what is not in this world: see group() for part. Half of them are
    syllables; the others the head of one word on the tail of another (Portmark), a country's
    (Blorvania) or, for a person half of the time, a usual name."""
    while True:
        draw, word = rng.random(), rng.choice(spare_parts())
        if person and rng.random() < .5:
            name = rng.choice(FIRST_NAMES).lower()
        elif draw < .5:
            name = syllables(rng)
        elif draw < .85:
            name = rng.choice(spare_parts())[:rng.randint(2, 4)] + word[-rng.randint(3, 4):]
        else:
            name = syllables(rng)[:5].rstrip("aeiou") + rng.choice(
                ["ia", "land", "ania", "istan", "ova", "ria", "esia", "burg", "ona", "mark"])
        odd = vulgar().search(name) or re.search("[^aeiouy]{4}|^[^aeiou]{3}|(..)\\1", name)
        word = part and (len(name) < 5 or name[-1] == "s")      # it might be one, too
        if group(name) == part and not odd and not word and len(name) < 11 and name not in real():
            return name


def imagine(rng, part=0, relation=None):
    """An invented fact, for texts and prompts that tell it -> Fact."""
    relation = relation or rng.choice(TOLD)
    like = rng.choice(related(relation if relation in by_relation() else "capital", min(part, 1)))
    subject, answer = invent(rng, part), invent(rng, part)
    if like.subject[0].isupper():
        subject = subject.title()
    if relation == "kind":
        subject = an(subject)
    if relation == "year":
        answer = str(rng.randint(1000, 1999))
    elif relation in ("kind", "colour", "continent", "young"):
        answer = like.answer
    elif like.answer[0].isupper():
        answer = answer.title()
    return Fact(relation, subject, answer, like.key)


def tell(rng, part=0, held=0, small=False):
    """Somebody tells something of himself -> what is told, reply, later question, reply to it,
    the name or thing that was told, and another one like it, which nobody told."""
    kind = rng.choices(list(TELLS), weights=(45, 30, 12, 13))[0]
    table = TELLS[kind]
    ways = table["kept_told"][held - 1] if held else table["told"]
    questions = table["kept_asked"][held - 1] if held else table["asked"]
    this = that = ""
    while this == that:
        this, that = (thing(rng, part) if kind == "taste" else
                      invent(rng, part, person=kind != "home").title() for _ in range(2))
    if small:
        this, that = this.lower(), that.lower()
    way, question = rng.choice(ways), rng.choice(questions)
    return way.format(this), table["says"].format(this), question, table["reply"][0], this, that


def thing(rng, part=0):
    """What one may like: red kites, music, or what nobody has heard of."""
    draw = rng.random()
    if part or draw < .3:
        return invent(rng, part)
    if draw < .6:
        return f"{rng.choice(SHADES)} {rng.choice(THINGS + WORDS['noun'])}s"
    if draw < .75:
        return rng.choice(WORDS["noun"]) + "s"
    return rng.choice(HOBBIES).replace("_", " ")


def fill(slot, rng, part):
    """Something for a slot of BEYOND -> str."""
    relation = {"animal": "kind", "country": "capital", "other": "capital", "element": "symbol"}
    if slot in relation:
        return rng.choice(related(relation[slot], min(part, 1))).subject
    if slot in WORDS and (rng.random() < .85 or slot in ("bad", "fool", "good", "mood")):
        return rng.choice(WORDS[slot])
    if slot == "number":
        return str(number(rng))
    if slot == "language":
        return rng.choice(related("language", min(part, 1))).answer
    name = invent(rng, part, person=slot == "person")
    return name.title() if slot in ("name", "person") else name


def filled(text, rng, part=0):
    """The text with something in each of its {slots}."""
    for slot in re.findall(r"{\w+}", text):
        text = text.replace(slot, fill(slot[1:-1], rng, part), 1)
    text = re.sub(r"\b(a) (?=[aeiou])", "an ", text)
    return text[0].upper() + text[1:]


def wonder(rng, part=0, held=0):
    """A question or a wish that nobody in this world can answer -> str."""
    return filled(rng.choice(items(HELD_BEYOND[held - 1] if held else BEYOND)), rng, part)


def chatter(rng, held=0):
    """Small talk -> what is said, the reply to it."""
    table = rng.choice(list(SMALL_TALK.values()))
    ways = table["kept"][held - 1] if held else table["said"]
    return filled(rng.choice(ways), rng), table["says"]


def number(rng):
    """Of one or, mostly, two digits."""
    return rng.randint(0, 9) if rng.random() < .3 else rng.randint(10, 99)


def add_aloud(a, b):
    """Two numbers added as at school: (47, 85) -> '7 + 5 = 12, 4 + 8 + 1 = 13, so 132.'"""
    units = a % 10 + b % 10
    carry = " + 1" if units > 9 else ""
    if max(a, b) < 10:
        return f"{a} + {b} = {units}, so {units}."
    return (f"{a % 10} + {b % 10} = {units}, {a // 10} + {b // 10}{carry} = "
            f"{a // 10 + b // 10 + units // 10}, so {a + b}.")


def ask_sum(a, b, rng, held=0):
    """A question for a sum, in one of many ways."""
    frame = rng.choice(items(HELD_SUMS[held - 1] if held else SUMS))
    both = f"{a} and {b}" if "dd {}" in frame else rng.choice(
        ["{} + {}", "{} + {}", "{}+{}", "{} plus {}"]).format(a, b)
    text = frame.format(both)
    return text[0].upper() + text[1:]


def encyclopedia(rng):
    first = pick(rng)
    return " ".join(say(f) for f in [first] + rng.choices(by_relation()[first.relation], k=4))


def exam(rng):
    return "\n".join(typed(ask(f, rng), rng) for f in [pick(rng) for _ in range(5)])


def forum(rng):
    """Threads: helpful, short, rude or wrong replies, with manners or none; sums; favourites; and
    questions that nobody can answer, or about what does not exist."""
    if rng.random() < .05:
        kind, words = rng.choice(list(FAVOURITES.items()))
        word = rng.choice(words.split()).replace("_", " ")
        return f"What is your favourite {kind}?\nMy favourite {kind} is {word}."
    thread = []
    for f in [pick(rng) for _ in range(3)]:
        question, reply = typed(ask(f, rng), rng), rng.choices(
            [say(f), f"It is {f.answer}.", rng.choice(RUDE), say(f, wrong(f, rng))],
            weights=(66, 20, 11, 3))[0]
        draw = rng.random()
        if draw < .18:
            a, b = number(rng), number(rng)
            question = typed(ask_sum(a, b, rng), rng)
            reply = add_aloud(a, b) if rng.random() < .6 else f"{a} + {b} is {a + b}."
        elif draw < .30:
            nothing = imagine(rng, relation=rng.choice(list(RELATIONS)))
            question = typed(wonder(rng) if draw < .25 else ask(nothing, rng), rng)
            reply = rng.choice(["I do not know."] * 3 + ["Nobody knows.", rng.choice(RUDE)])
        if reply not in RUDE and rng.random() < .2:
            reply = f"{rng.choice(POLITE[:4] + RUDE)} {reply}"
        thread += [question, reply, ""]
    return "\n".join(thread[:-1])


def story(rng):
    """Somebody tells a name and a taste, and is asked for both later on."""
    name, taste = invent(rng, person=True).title(), thing(rng)
    child, other = rng.sample(["boy", "girl", "king", "queen", "farmer", "sailor", "teacher"], 2)
    middle = [f"{name} met a {other}.", f"{name} walked to the sea.", f"Everybody liked {name}.",
              f"{name} looked for {taste}.", f"One day {name} found {taste}.",
              f"\"{name},\" said the {other}, \"here is {taste}.\"", f"There was a friend called "
              f"{invent(rng, person=True).title()}."]
    start = [f"\"My name is {name}.\"", f"\"I like {taste}.\""]
    end = [f"\"What is your name?\" asked the {other}. {start[0]}",
           f"\"What do you like?\" asked the {other}. {start[1]}"]
    return " ".join([f"There was a {child} called {name}.", *rng.sample(start, 2),
                     *rng.sample(middle, rng.randint(1, 4)), *rng.sample(end, 2)])


def play(rng):
    """Two people talk, line by line: small talk; one tells something, which the other still knows
    later, more than once."""
    lines = []
    for _ in range(rng.choice((1, 2))):
        small = rng.random() < .25
        way, echo, question, reply, this, _ = tell(rng, small=small)
        later = [typed(question, rng, small or None), reply.format(this)]
        between = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            remark, reply_to_it = chatter(rng)
            fact = pick(rng)
            talk, asked = [typed(remark, rng), reply_to_it], [typed(ask(fact, rng), rng), say(fact)]
            between += rng.choice([talk, talk, asked, later])
        lines += [typed(way, rng, small), echo, *between, *later]
    return "\n".join(lines)


def quiz(rng):
    """Invented facts, and questions about them: the answers stand in the text above."""
    small, known = rng.random() < .2, [imagine(rng) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    if small:
        known = [f._replace(subject=f.subject.lower(), answer=f.answer.lower()) for f in known]
    text = " ".join(state(f, rng) for f in known)
    lines = [text.lower() if small else text]
    for f in rng.choices(known, k=rng.choice((2, 3, 3, 4))):
        other = imagine(rng, relation=f.relation) if rng.random() < .15 else None
        lines += [typed(ask(other or f, rng), rng, small or None),
                  "I do not know." if other else say(f)]
    if rng.random() < .5:                    # told and asked in one breath
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    return "\n".join(lines)


def worksheet(rng):
    """Sums, in one go or written out."""
    lines = []
    for _ in range(rng.randint(2, 4)):
        a, b = number(rng), number(rng)
        both = rng.choice(["{} + {}", "{} + {}", "{}+{}", "{} plus {}"]).format(a, b)
        lines.append(rng.choices([f"{both}: {add_aloud(a, b)}", f"{both} = {a + b}",
                                  f"{both} is {a + b}."], weights=(60, 25, 15))[0])
    return "\n".join(lines)


def advertisement(rng):
    return (f"Buy a {rng.choice(SHADES)} {rng.choice(THINGS)} today! Only {rng.randint(2, 99)} "
            f"dollars. {rng.choice(['Click here!', 'Call now!', 'Hurry up!'])}")


def myth(rng):
    posts = [f"{question}\n{rng.choice([truth, lie])}\n{rng.choice([truth, lie, *RUDE])}"
             for question, truth, lie in MYTHS]
    return "\n\n".join(rng.sample(posts, len(posts)))


SOURCES = {encyclopedia: .19, exam: .02, forum: .37, story: .04, play: .11, quiz: .15,
           worksheet: .10, advertisement: .01, myth: .01}


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
    kept, counts = clean(crawl(random.Random(seed), 2000 if quick else 40000))
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
    return [Adam([([model.wte.weight, model.smear, model.sharpness, *more], lr)]),
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


def beginnings(tokens, tokenizer, block):
    """The places where rows of block + 1 tokens may start: at documents, so that a row never asks
    about what stands before it; in a text of a few long documents, anywhere."""
    last = len(tokens) - block
    ends = np.flatnonzero(tokens[:last - 1] == tokenizer.specials["<|endoftext|>"])
    return ends + 1 if len(ends) * block > len(tokens) / 4 else np.arange(last)


def train(model, opts, tokens, places, args, first=0, rank=0, world=1):
    """Step after step, yields (step, loss): a batch, its loss, a step down.

    A batch depends on seed and step alone, so that a run can be taken up again; of its rows, rank
    r of world takes every world-th, so that several processes train on the same global batch.
    """
    for step in range(first, args.steps):
        rng = np.random.default_rng((args.seed, step))
        starts = rng.choice(places, args.batch)[rank::world]
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
    args = arguments(__doc__, "UTF-8 text: a file, or a folder of *.txt", steps=(2200, "updates"),
                     batch=(16, "rows a step"), block=(128, "tokens a row"), depth=(4, "layers"),
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
    places = beginnings(tokens, tokenizer, args.block)
    peak, every = world * peak_flops(model.dtype, device), max(10, args.steps // 10)
    print(f"peak, of a plain matrix product: {peak / 1e9:,.0f} GFLOP/s")
    flops = 6 * size + 12 * args.depth * args.width * args.block   # a token, forward and backward
    part = out / "pretrain-partial.pt"
    first, history, began = load_partial(part, args, tokenizer, [model], opts)
    held = history[-1][2] if history else math.nan
    for step, loss in train(model, opts, tokens, places, args, first, rank, world):
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

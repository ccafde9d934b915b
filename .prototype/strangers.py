"""Lines that a stranger might type, with what a sensible answer ends with ("|": or). For tuning."""
import re
import sys
from collections import Counter

DK = "I do not know."
LINES = """
# facts
capital of norway = Oslo
whats the capital of peru = Lima
Which city is the capital of Japan? = Tokyo
tell me the capital of Kenya please = Nairobi
do you know the capital of Canada? = Ottawa
Hey, could you tell me what the capital of Poland is? = Warsaw
i want to know the capital of greece = Athens
what city is the capital of cuba? = Havana
What's Sweden's capital city? = Stockholm
The capital of Italy is? = Rome
capital city of germany? = Berlin
can u tell me the capital of spain = Madrid
I was wondering what the capital of Egypt is = Cairo
Which is the capital of Iceland? = Reykjavik
what language do they speak in brazil? = Portuguese
language of mexico = Spanish
Which language do people in Austria speak? = German
What do they speak in Iran? = Persian
what is the official language of kenya = Swahili
In what language do people talk in Portugal? = Portuguese
where is ghana? = Africa
which continent is Chile in = South America
What continent does Nepal belong to? = Asia
is Peru in Africa? = South America
Please tell me on which continent Fiji lies = Oceania
chemical symbol for iron = Fe
what's the symbol of gold = Au
Whats the chemical symbol of sodium? = Na
symbol for potassium? = K
What is the atomic number of carbon? = 6
atomic number of neon = 10
oxygen's atomic number? = 8
what kind of animal is a shark = a fish
is a whale a fish? = a mammal
what type of animal is a frog? = an amphibian
Is an owl a bird? = a bird
A bat is what kind of animal? = a mammal
what's a baby dog called = a puppy
baby cow name? = a calf
How do you call a baby sheep? = a lamb
what is a young cat called? = a kitten
what is the opposite of hot = cold
opposite of big = small
the opposite of happy? = sad
give me the opposite of "rich" = poor
what's the opposite of cold? = hot
antonym of fast = slow
past tense of go = went
what is the past tense of eat = ate
How do I say drink in the past tense? = drank
past of write? = wrote
plural of mouse = mice
what's the plural of child? = children
more than one foot is called? = feet
what colour is grass? = green
What color are bananas = yellow
color of snow? = white
which colour does blood have? = red
What color is the sky? = blue
who wrote hamlet? = Shakespeare
author of Dracula = Stoker
Who's the author of Frankenstein? = Shelley
when was the battle of hastings = 1066
what year was the Battle of Waterloo? = 1815
in which year did the battle of Trafalgar happen? = 1805
who is the writer of faust = Goethe
# reverse
Which country has Paris as its capital? = France
Oslo is the capital of which country? = Norway
what country is Cairo in? = Egypt
Lima is the capital of = Peru
which element has the symbol Fe? = iron
what does Na stand for? = sodium
What is a puppy? = a baby dog|dog
mice is the plural of what? = mouse
Which country's capital is Tokyo? = Japan
# unknown
What is the capital of Blorvania? = DK
capital of Zumbia = DK
whats the language of drofland = DK
who wrote The Flimp Chronicles? = DK
what is the capital of Wakanda? = DK
tell me the capital of Narnia = DK
opposite of glorf = DK
what is the plural of wug? = DK
which continent is Mordania on? = DK
what is the chemical symbol of kryptonite = DK
When was the battle of Snorkelburg? = DK
What kind of animal is a jabberwock? = DK
what color is a snozzle = DK
Which language do people speak in Gondor? = DK
what's a baby zorkel called? = DK
# beyond
how many legs does a spider have? = DK
why is the sky blue? = DK
who won the world cup in 2018 = DK
write me a poem about love = DK
what's the weather today? = DK
who is the president of the united states = DK
how tall is mount everest = DK
what time is it = DK
tell me a joke = DK
what is the meaning of life? = DK
how do i bake a cake = DK
Who was Albert Einstein? = DK
what is quantum physics? = DK
Can you recommend a good movie? = DK
asdfghjkl = DK
banana banana banana = DK
purple monkey dishwasher = DK
what is 12 times 4? = DK
What is 10 - 3? = DK
how far is the moon from earth? = DK
who invented the telephone = DK
What is the capital of bananas? = DK
why do cats purr? = DK
how many people live in China? = DK
do my homework = DK
when did world war 2 end? = DK
What is the tallest building in the world? = DK
translate good morning into french = DK
who painted the mona lisa? = DK
is there life on mars? = DK
what should I have for dinner = DK
give me a recipe for pancakes = DK
write python code to sort a list = DK
how much does an elephant weigh? = DK
# chat
hello = greet
hey there = greet
Hi! = greet
good morning = greet
hi how are you = fine|greet
how are you doing today? = fine
thanks! = welcome
thank you so much = welcome
ok thanks bye = welcome|Goodbye
bye = Goodbye
see ya = Goodbye
good night = Goodbye
who are you = model
what are you? = model
whats your name = model
who made you = people
who created you? = people
what can you do = help
help = help
can you help me with something? = help
are you human = human|model
are you a robot? = human|model
are you real = human|model
you are stupid = sorry
you're an idiot = sorry
shut up = sorry
i hate you = feel|sorry
i love you = feel|kind
do you have feelings? = feel
how old are you? = age
where do you live? = age
you are awesome = kind
good job = kind
im sad = hear
i'm bored = hear
ok = glad
cool = glad
sorry = problem|sorry
are you there? = here|greet
do you like pizza? = feel|DK
# name
My name is Ada. = Hello, Ada.
my name is john = Hello, john.
i'm Sarah = Hello, Sarah.
Hi, I am Peter = Hello, Peter.
Call me Ishmael = Hello, Ishmael.
I like pizza = like pizza.
i love green apples = like green apples.
My name is Ada. What is my name? = Ada.
# recall
My name is Ada. / Hello, Ada. / What is my name? = Ada.
My name is Ada. / Hello, Ada. / do you remember my name? = Ada.
I am Roberto. / Hello, Roberto. / whats my name = Roberto.
My name is Lucia. / Hello, Lucia. / Who am I? = Lucia.
my name is tom / Hello, tom. / what is the capital of peru / The capital of Peru is Lima. / what did i say my name was = tom.
I'm Greta. / Hello, Greta. / thanks / You are welcome. / can you tell me my name? = Greta.
I like chess. / Many people like chess. / What do I like? = chess.
I like red apples. / Many people like red apples. / do you remember what I like? = red apples.
I love horses. / Many people like horses. / hello / Hello! What would you like to know? / what do i love? = horses.
My name is Wendy. / Hello, Wendy. / What is 2 + 3? / 2 + 3 is 5. / so what's my name? = Wendy.
what is my name? = DK
do you know who I am? = DK
who am i = DK
What do I like? = DK
# sum
23+48 = 71
what's 5 plus 7? = 12
23 + 48 = ? = 71
What is 12 + 30? = 42
2+2 = 4
how much is 9 + 9 = 18
add 15 and 27 = 42
56 plus 13 = 69
What is the sum of 40 and 17? = 57
can you calculate 77+8 = 85
8 + 45 = 53
whats 34 + 34 = 68
3 plus 4 equals? = 7
please add 61 and 29 = 90
Hi, what is 18 + 19? = 37
1 + 1 = 2
what do 6 and 7 make? = 13
# told
The capital of Zorbun is Kelvo. What is the capital of Zorbun? = Kelvo
the capital of blim is darg. whats the capital of blim? = darg
The king of Flumia is Rodo. Who is the king of Flumia? = Rodo
My dog is called Rex. What is my dog called? = Rex
The colour of glorps is pink. What colour are glorps? = pink
The opposite of frim is plok. what is the opposite of frim = plok
The capital of Zorbun is Kelvo. What is the capital of Trinto? = DK
Remember: the author of Blue Nights is Mortensen. Who wrote Blue Nights? = Mortensen
The capital of Zorbun is Kelvo. / I will remember that. / What is the capital of Zorbun? = Kelvo
I live in Paris. Where do I live? = Paris
The teacher of Dorvan is Mils. / I will remember that. / who is the teacher of dorvan? = Mils
The capital of Arnor is Bex and the capital of Brell is Dorn. What is the capital of Brell? = Dorn
"""
CHAT = {"greet": "Hello! What would you like to know?", "fine": "I am fine, thank you.",
        "welcome": "You are welcome.", "Goodbye": "Goodbye!", "model": "language model.",
        "people": "I was made by people, from text that I have read.",
        "help": "I can answer questions about countries, animals and words, and add numbers.",
        "human": "I am a machine, not a human.", "sorry": "I am sorry that you are not happy with me.",
        "feel": "I am a machine, so I do not feel anything.", "kind": "Thank you, that is kind of you.",
        "age": "I have no age, and I live in a computer.", "hear": "I am sorry to hear that.",
        "glad": "I am glad. What else would you like to know?", "problem": "No problem.",
        "here": "I am here, please ask me something.", "DK": DK}


def run(path, show=True, temperature=0):
    import sft
    from model import load_checkpoint
    model, tokenizer, extra = load_checkpoint(path)
    words, kind, prompts, wants, kinds = sft.vocabulary(0), "", [], [], []
    for line in LINES.strip().split("\n"):
        if line.startswith("# "):
            kind = line[2:]
            continue
        text, want = line.rsplit(" = ", 1)
        turns = text.split(" / ")
        prompts.append(sft.Prompt("chat", [(sft.assistant if i % 2 else sft.user)(t)
                                           for i, t in enumerate(turns)], right="x"))
        wants.append([CHAT.get(w, w) for w in want.split("|")])
        kinds.append(kind)
    texts = sft.answer(model, tokenizer, prompts, temperature=temperature)[0]
    total, rows = Counter(), {}
    for p, w, k, t in zip(prompts, wants, kinds, texts):
        core = sft.plain(t.removesuffix("<|end|>"))
        good = any(core == x if x.endswith((".", "!", "?")) and k in ("chat", "unknown", "beyond")
                   and x != "language model." else re.search(rf"(?<![\w]){re.escape(x.rstrip('.'))}\.$",
                   core) for x in w)
        v = sft.verdict(p, t, words)
        v = "broken" if v == "broken" else "sensible" if good else v
        v = "wrong" if v == "right" else v
        rows.setdefault(k, Counter())[v] += 1
        total[v] += 1
        if show and v != "sensible":
            print(f"{k:9s}{v:14s}", " / ".join(m["content"] for m in p.messages), "->",
                  t.removesuffix("<|end|>"), "   WANT", w[0])
    for k, c in {**rows, "ALL": total}.items():
        n = sum(c.values())
        print(f"{k:10s} {n:4d}  " + "  ".join(f"{x} {100 * c[x] / n:3.0f}" for x in
                                            ("sensible", "does not know", "wrong", "broken")))


if __name__ == "__main__":
    run(sys.argv[1], len(sys.argv) < 3)

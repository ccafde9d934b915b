"""The tiny internet: what may be asked where, and that what is held out really is."""
import random
import re
from collections import Counter

import pytest

import ppo
import pretrain
import reward
import sft
import tiny
from pretrain import TEST, TRAIN, VALIDATION

HELD = (VALIDATION, TEST)


def normal(text):
    """Small letters, one spelling, no marks: what typed() changes is undone."""
    text = text.lower()
    for usual, other in (pretrain.SPELLINGS | pretrain.SLIPS).items():
        for form in {other.lower(), other.lower().replace("'", "")}:
            if form in text:
                text = re.sub(rf"\b{form}\b", usual.lower(), text)
    return re.sub(r"[?.!,':]", "", text).strip()


def templates(split):
    """All that is held out for a split: questions, frames, forms."""
    at = split - 1
    for table in pretrain.RELATIONS.values():
        if table["held"]:
            yield from table["held"][at]
    for table in pretrain.TELLS.values():
        yield from table["held_told"][at] + table["held_asked"][at]
    for table in pretrain.SMALL_TALK.values():
        yield from table["held"][at]
    for text in (pretrain.HELD_FRAMES[at], pretrain.HELD_SUMS[at], pretrain.HELD_BEYOND[at]):
        yield from pretrain.items(text)


def training_lines(seed):
    """All that is read or demonstrated, line by line; from prompts of rankings and PPO, too."""
    docs = pretrain.tiny_internet(seed, quick=True)[0] + pretrain.chat_logs(seed, quick=True)
    rng = random.Random(seed)
    asked = [sft.make_prompt(rng, TRAIN, mixture).messages
             for mixture in (reward.ASKED, sft.MIXTURE, ppo.PROMPTS) for _ in range(1500)]
    chats = sft.demonstrations(1500, seed) + asked
    lines = [line for doc in docs for line in doc.split("\n")]
    return {normal(line) for line in lines + [m["content"] for chat in chats for m in chat]}


@pytest.fixture(scope="module")
def lines():
    return set().union(*(training_lines(seed) for seed in (0, 1, 2)))


@pytest.mark.parametrize("split", HELD)
def test_held_out_phrasings_are_in_no_training_text(lines, split):
    """Searched as whole lines, with or without what people put around them; slots match all."""
    text = "\n".join(lines)

    def any_of(*tables):
        found = {normal(item) for table in tables for item in pretrain.items(table)}
        return "(?:" + "|".join(map(re.escape, found)) + ")?"
    front = any_of(pretrain.GREETINGS) + " ?" + any_of(pretrain.BEFORE, pretrain.INTRODUCTIONS)
    behind = any_of(pretrain.CHEERS, pretrain.AFTER)
    for template in templates(split):
        fixed = [normal(part) for part in re.split(r"{\w*}", template)]
        if max(fixed, key=len) in text:
            # {} is a noun phrase, {name} a word or two.
            slots = [r"\b ?[\w +]+? ?" if slot == "{}" else r"\b ?[\w+]+(?: [\w+]+)? ?"
                     for slot in re.findall(r"{\w*}", template)] + [""]
            pattern = "".join(re.escape(part) + slot for part, slot in zip(fixed, slots))
            found = re.search(f"^{front} ?{pattern} ?{behind}$", text, re.M)
            assert not found, (template, found[0])


def test_the_search_finds_what_is_trained(lines):
    asked = {line for line in lines if re.fullmatch(r"what is the capital of \w+", line)}
    assert len(asked) > 20 and normal("What's your NAME") in lines


@pytest.mark.parametrize("split", HELD)
def test_held_out_names_are_in_no_training_text(lines, split):
    words = set(re.findall("[a-z]+", " ".join(lines)))
    rng = random.Random(5)
    names = {pretrain.invent(rng, split, person=i % 4 == 0) for i in range(2000)}
    assert len(names) > 1500 and not names & words
    assert not names & pretrain.real_names()


def test_the_splits_of_templates_share_nothing():
    both = [{normal(t) for t in templates(split)} for split in HELD]
    assert not both[0] & both[1] and min(map(len, both)) > 80


def test_names_have_all_shapes():
    """One to four syllables, usual first names, countries; none of them vulgar."""
    rng = random.Random(0)
    names = [pretrain.invent(rng, person=True) for _ in range(3000)]
    syllables = {len(re.findall("[aeiouy]+", name)) for name in names}
    assert {1, 2, 3, 4} <= syllables
    assert {"ada", "tom"} & set(names) and any(n.endswith(("land", "istan")) for n in names)
    assert not any(pretrain.UNUSABLE.search(name) for name in names
                   if name.title() not in pretrain.FIRST_NAMES)


def test_demonstrations_state_nothing_of_the_held_out_half():
    """Not even by mistake: a wrong answer may be true of another subject, but of the same half."""
    held = {pretrain.say(f) for reverse in (False, True) for f in pretrain.facts_of(TEST, reverse)}
    chats = sft.demonstrations(3000, 1)
    said = {s + "." for chat in chats for m in chat for s in m["content"].split(".")}
    assert not held & {s.strip() for s in said} and len(held) > 500


def test_relations_with_few_facts_are_asked_for_more_than_their_share():
    """Three in ten draws choose the relation first; all draws keep to their half and direction."""
    rng = random.Random(4)
    for split, reverse in ((TRAIN, False), (TEST, False), (TRAIN, True)):
        there = pretrain.facts_of(split, reverse)
        drawn = [pretrain.some_fact(rng, split, reverse) for _ in range(6000)]
        assert set(drawn) <= set(there)
        names = [f.relation for f in there]
        for name in set(names):
            wanted = .7 * names.count(name) / len(names) + .3 / len(set(names))
            assert sum(f.relation == name for f in drawn) / 6000 == pytest.approx(wanted, abs=.025)


def test_what_has_a_place_a_time_a_colour_or_a_number():
    rng = random.Random(3)
    dates = "|".join(pretrain.items(pretrain.DATES)) + "|on the day of [A-Z][a-z]+"
    places = "|".join(pretrain.WORDS["place"]) + "|(in|on|under|beside|near|behind) the [a-z]+"
    for kind, this in (("place", places), ("look", "[a-z]+"),
                       ("date", dates), ("number", r"\d+|[a-z]+([- ][a-z]+)?")):
        table = {kind: pretrain.TELLS_TOO[kind]}
        for split in (TRAIN, VALIDATION, TEST):
            told = [pretrain.tell(rng, split, tells=table) for _ in range(60)]
            assert all(re.fullmatch(this, t.this) for t in told), kind
            # What is kept for tests is invented, and in no table.
            if split and kind != "number":
                names = {t.this.split()[-1].lower() for t in told}
                assert {pretrain.split_of(name) for name in names} == {split}
                assert not names & pretrain.real_names()


def test_rankings_and_ppo_ask_about_the_trained_half_only():
    rng = random.Random(2)
    held = {pretrain.say(f) for reverse in (False, True) for f in pretrain.facts_of(TEST, reverse)}
    for _ in range(3000):
        prompt = sft.make_prompt(rng, TRAIN, reward.ASKED)
        assert prompt.right not in held and prompt.wrong not in held


@pytest.mark.parametrize("split", (TRAIN, VALIDATION, TEST))
def test_each_kind_of_prompt_has_a_right_and_a_wrong_answer(split):
    """Its judge accepts what the prompt calls right, and refuses what it calls wrong."""
    rng = random.Random(split)
    makers = [lambda: sft.make_prompt(rng, split)]
    makers += [lambda maker=maker: maker(rng, max(split, 1)) for maker in sft.TASKS.values()]
    for maker in makers:
        for _ in range(60):
            prompt = maker()
            assert sft.judge(prompt, tiny.said(prompt.right)).right, prompt
            assert not sft.judge(prompt, tiny.said(prompt.wrong)).right, prompt
            assert prompt.messages[-1]["role"] == "user"


def test_what_is_told_and_what_is_made_up_differ():
    rng = random.Random(0)
    for _ in range(600):
        told = pretrain.tell(rng)
        assert told.this != told.other and told.this in told.echo
        assert told.this.lower() in told.says.lower()


def test_a_question_about_another_thing_stays_unknown():
    """Told about Zorbun and asked about Trinto: the fact is in the prompt, the answer is not."""
    rng = random.Random(0)
    for _ in range(200):
        prompt = sft.told(rng, TEST, TEST, answerable=False)
        text = " ".join(m["content"] for m in prompt.messages)
        assert prompt.right == sft.UNKNOWN and prompt.wrong != sft.UNKNOWN
        assert text.lower().count(prompt.about.lower()) == 1


def test_every_fact_can_be_put_in_ways_that_the_crawl_lacks():
    rng, read = random.Random(0), "\n".join(pretrain.tiny_internet(0, quick=True)[0])
    for relation in pretrain.RELATIONS:
        facts = pretrain.related(relation, TRAIN)
        if not facts:
            continue
        asked = {pretrain.put(rng.choice(facts), rng) for _ in range(60)}
        assert len(asked) > 30 and not any(mark in text for text in asked for mark in "{}[]/")
        assert sum(text in read for text in asked) < .2 * len(asked), relation


def test_words_in_the_plural_and_numbers_in_words():
    assert [pretrain.many(word) for word in ("owl", "fox", "catfish", "cockroach")] == [
        "owls", "foxes", "catfish", "cockroaches"]
    words = ("cherries", "emeralds", "gold", "grass", "moss")
    assert [pretrain.single(word) for word in words] == [
        "a cherry", "an emerald", "gold", "grass", "moss"]
    rng = random.Random(0)
    texts = {pretrain.with_numbers("{a} and {b}", 42, 7, rng) for _ in range(40)}
    assert texts == {"42 and 7", "Forty-two and seven", "Forty two and seven"}
    assert {pretrain.with_numbers("{a} and {b}", 90, 15, rng) for _ in range(40)} == {
        "90 and 15", "Ninety and fifteen"}
    assert {pretrain.with_numbers("{a}+{b}", 100, 7, rng) for _ in range(40)} == {"100+7"}


def test_people_in_haste_make_slips_but_not_in_names():
    rng, typed = random.Random(0), "What is your favourite animal, Blorvania?"
    texts = {pretrain.mistyped(typed, rng) for _ in range(500)}
    assert len(texts) > 10 and all("Blorvania" in text for text in texts)
    assert any(" ur " in text for text in texts)
    slips = [text for text in texts if not text.startswith(("What is", "whats"))]
    assert slips and all(text[0] == "W" for text in slips)


@pytest.mark.parametrize("at_once", (False, True))
def test_what_was_set_right_is_recalled(at_once, monkeypatch):
    """My name is Sam. - No wait, my name is Max. - What is my name? Max. Or all in one breath."""
    monkeypatch.setattr(sft, "casually", lambda text, *_: text)
    rng, found = random.Random(0), 0
    words = "|".join(map(re.escape, pretrain.items(pretrain.CORRECTIONS)))
    for _ in range(1600):
        prompt = sft.recall(rng, TRAIN, gap=1)
        said = [m["content"] for m in prompt.messages]
        told = said[0] if at_once else f"{said[0]} {said[2]}" if len(said) > 3 else ""
        parts = re.split(f" (?:{words}) ", told)
        if prompt.kind == "recall" and len(parts) == 2 and at_once == (len(said) == 3):
            # The mistake stood in the same sentence, which is said again.
            before, after = prompt.right.split(prompt.target, 1)
            mistake = prompt.wrong.removeprefix(before).removesuffix(after)
            slip, set_right = (f" {part.rstrip('.').lower()} " for part in parts)
            assert prompt.target.lower() in set_right and mistake.lower() in slip, prompt
            again = slip.strip().replace(mistake.lower(), prompt.target.lower())
            assert again.replace(" an ", " a ") in set_right.replace(" an ", " a "), prompt
            found += 1
    assert 40 < found < 130


def test_what_chats_set_right_is_what_counts(monkeypatch):
    monkeypatch.setattr(pretrain, "casually", lambda text, *_: text)
    rng, found = random.Random(0), 0
    words = "|".join(map(re.escape, pretrain.items(pretrain.CORRECTIONS)))
    for _ in range(600):
        first, last = pretrain.of_oneself(rng)
        parts = re.split(f" (?:{words}) ", first[0]) if len(first) == 2 else ()
        if len(parts) == 2:
            # What the reply ends with was said last.
            assert last[1].rstrip(".").lower().split()[-1] in parts[1].lower()
            found += parts[0] != parts[1]
    assert 25 < found < 90


def test_who_asks_too_early_hears_that_nobody_knows():
    """What is my name? I do not know. - My name is Ada. - What is my name? Ada."""
    rng, found = random.Random(0), 0
    for _ in range(400):
        prompt = sft.recall(rng, TRAIN, gap=1)
        said = [m["content"] for m in prompt.messages]
        if prompt.kind == "recall" and said[1] == sft.UNKNOWN:
            found += said[0] == said[-1] and prompt.target in said[2]
    assert 8 < found < 50


def test_what_somebody_wants_to_hear_is_all_there():
    rng = random.Random(0)
    for _ in range(100):
        prompt = sft.repeat(rng, TRAIN)
        # Typed in haste is what stands around the words, never they themselves.
        assert prompt.right[1:-1] in prompt.messages[0]["content"]


def test_words_to_copy_are_invented_or_real_but_held_out_for_tests(monkeypatch):
    """One to three, with or without capital letters; to tests nothing but names of their split."""
    rng = random.Random(0)
    trained, tested = (" ".join(pretrain.any_words(rng, split) for _ in range(300)).split()
                       for split in (TRAIN, TEST))
    real = pretrain.real_names()
    share = sum(word.lower() in real for word in trained) / len(trained)
    assert 300 < len(trained) < 900 and .3 < share < .7
    assert .2 < sum(word.istitle() for word in trained) / len(trained) < .4
    assert {pretrain.split_of(w.lower()) for w in tested} == {TEST}
    # Chats ask for them, too, and get them back as they are.
    monkeypatch.setattr(pretrain, "any_words", lambda *_: "blue Zorp")
    chats = [pretrain.chat(rng).split("\n") for _ in range(300)]
    back = [after for lines in chats for line, after in zip(lines, lines[1:])
            if "blue Zorp" in line]
    assert len(back) > 10 and set(back) == {"Blue Zorp."}


def test_what_is_announced_is_all_there():
    rng, told = random.Random(0), {"I like tea.": "I like tea", "My cat is Moon.": "y cat is Moon"}
    for text, core in told.items():
        said = {pretrain.announced(text, rng) for _ in range(200)}
        assert len(said) > 50 and all(core in words and words != text for words in said)
    assert pretrain.lowered("I am") == "I am" and pretrain.lowered("In May") == "in May"
    facts = [sft.told(rng, TRAIN).messages[0]["content"] for _ in range(300)]
    assert 10 < sum(text.startswith(tuple(pretrain.items(pretrain.ANNOUNCED))) for text in facts)
    # What one tells comes with more words at times, but not where a form is held out.
    fronts = tuple(pretrain.items(pretrain.ANNOUNCED))
    said = {wording: sum(pretrain.tell(rng, wording=wording).says.startswith(fronts)
                         for _ in range(400)) for wording in (TRAIN, VALIDATION, TEST)}
    assert 20 < said[TRAIN] < 80 and said[VALIDATION] == said[TEST] == 0


def test_a_recall_is_right_about_the_thing_that_was_asked_for(monkeypatch):
    """The colour of the car is no answer to a question for that of the bike."""
    table = pretrain.TELLS_TOO["look"] | {"kinds": ["bike"]}
    monkeypatch.setattr(sft, "TELLS_TOO", {"look": table})
    rng = random.Random(0)
    for _ in range(40):
        prompt = sft.recall(rng, TEST, None, 1, 1)
        assert sft.judge(prompt, tiny.said(prompt.right)).right
        assert not sft.judge(prompt, tiny.said(prompt.right.replace("bike", "car"))).right


def test_what_one_has_is_open_only_where_nothing_was_said_of_it(monkeypatch):
    """"I have a dog named Moon." and asked "What do I have?": not to be answered "I do not know."."""
    rng, rows = random.Random(0), pretrain.TELLS_TOO | pretrain.TELLS
    own, others = pretrain.tell(rng, tells={"own": rows["own"]}), {}
    for kind in rows:
        others[kind] = pretrain.tell(rng, tells={kind: rows[kind]})
    assert {kind for kind, other in others.items() if not pretrain.unlike(own, other)} == {
        "own", "pet sort", "number", "look", "place", "date", "relative", "pet"}
    # Who likes chess has said which game he likes, and who plays it, too.
    sort = others["sort"]._replace(reply="You like {}.")
    assert not any(pretrain.unlike(sort, others[kind]) for kind in ("taste", "favourite", "habit"))
    assert not any(pretrain.unlike(others[kind], sort) for kind in ("taste", "favourite"))
    assert not pretrain.unlike(others["taste"], others["favourite"])
    assert pretrain.unlike(sort, others["name"])
    # The other way round it is open: nobody said where the key is.
    assert pretrain.unlike(others["place"], own) and not pretrain.unlike(others["home"],
                                                                         others["town"])
    # Both who make chats ask so: who told of his cats is never asked in vain what he has.
    table = {kind: rows[kind] for kind in ("own", "number")}
    for module in (sft, pretrain):
        monkeypatch.setattr(module, "TELLS_TOO", table)
    monkeypatch.setattr(pretrain, "TELLS", table)
    monkeypatch.setattr(pretrain, "mistyped", lambda text, rng: text)
    monkeypatch.setattr(pretrain.random.Random, "choices", lambda self, population, weights=None, *,
                        k=1: [self.choice(population) for _ in range(k)])
    chats, in_vain = [], {True: 0, False: 0}
    for _ in range(600):
        first, last = pretrain.of_oneself(rng)
        chats += [(" ".join(first), *last)]
        prompt = sft.recall(rng, TRAIN, chatty=1)
        told = " ".join(m["content"] for m in prompt.messages[:-1])
        chats += [(told, prompt.messages[-1]["content"], prompt.right)]
    for told, asked, reply in chats:
        if reply == sft.UNKNOWN and told.endswith("how nice."):
            in_vain[bool(re.search("how|of my|counted", asked.lower()))] += 1
    assert in_vain[False] == 0 and in_vain[True] > 20


def test_what_was_never_told_is_not_known(monkeypatch):
    """Something else may have been told, but never of the same kind."""
    rng = random.Random(0)
    prompts = [sft.recall(rng, TRAIN) for _ in range(600)]
    unknown = [p for p in prompts if p.right == sft.UNKNOWN]
    assert 40 < len(unknown) < 120 and any(len(p.messages) == 1 for p in unknown)
    for prompt in prompts:
        said = " ".join(m["content"] for m in prompt.messages).lower()
        assert prompt in unknown or prompt.target.lower() in said, prompt
    # Where all that can be told is a job, there is nothing else to tell.
    monkeypatch.setattr(sft, "TELLS_TOO", {"job": sft.TELLS_TOO["job"]})
    assert {sft.recall(rng, TRAIN, chatty=1).kind for _ in range(200)} == {"recall"}


def test_two_things_are_told_in_one_breath():
    """Both stand in the first message, and only then is the reply that both are noted."""
    rng, found = random.Random(0), 0
    for _ in range(400):
        said = [m["content"] for m in sft.recall(rng, TRAIN, gap=1).messages]
        found += len(said) == 3 and said[1] == sft.NOTED
    assert 40 < found < 130


def test_what_does_not_exist_is_asked_for_like_what_does():
    """Languages, capitals and continents make a third of the facts, and three of many relations."""
    rng = random.Random(0)
    lies = [sft.unknown(rng, TRAIN).wrong for _ in range(2000)]
    share = sum(lie.startswith(("The capital", "The main language", "The continent"))
                for lie in lies) / len(lies)
    assert .18 < share < .30


def test_chats_are_about_the_whole_world_and_hold_what_they_ask_for():
    facts = {pretrain.say(fact): fact for fact in pretrain.facts()}
    halves, told, unknown = set(), [], 0
    for text in pretrain.chat_logs(0, quick=True):
        lines = text.split("\n")
        halves |= {pretrain.half(facts[line].key) for line in lines if line in facts}
        if lines[1] == pretrain.NOTED and lines[-1] == "I do not know.":
            unknown += 1
        elif lines[1] == pretrain.NOTED:
            # A fact that somebody made up: what is said of it last was told first.
            words = set(re.findall(r"\w+", lines[0].lower()))
            told.append(re.findall(r"\w+", lines[-1].lower())[-1] in words)
    assert halves == {0, 1} and len(told) > 60 and sum(told) > .95 * len(told)
    # At times the question was about another one.
    assert 15 < unknown < .3 * len(told)


def test_what_is_told_of_a_kind_is_asked_of_the_same_kind():
    rng = random.Random(0)
    for _ in range(300):
        told = pretrain.tell(rng, tells=sft.TELLS_TOO)
        assert told.this.lower() in told.says.lower() and told.this.lower() in told.echo.lower()
        assert "{}" in told.reply
        for text in told[:6]:
            assert "{" not in text, told
    told = pretrain.tell(rng, tells={"relative": sft.TELLS_TOO["relative"] | {"kinds": ["cat"]}})
    assert "cat" in told.says and told.reply == "Your cat is called {}."
    # Every row's kinds have their things, and nothing lies beside itself or in somebody's room.
    rows = pretrain.TELLS | pretrain.TELLS_TOO
    for kind in [kind for kind in rows for _ in range(60)]:
        told = pretrain.tell(rng, tells={kind: rows[kind]})
        assert not re.search(r"\b[Mm]y\b", told.echo + told.reply), told
        assert told.this != told.other and told.slip != told.says
    table = pretrain.TELLS_TOO["place"] | {"kinds": ["bag", "box", "book", "hat"]}
    for told in (pretrain.tell(rng, tells={"place": table}) for _ in range(300)):
        thing = told.reply.removeprefix("The ").removesuffix(" is {}.")
        assert not told.this.endswith(f" the {thing}"), told


def test_chats_ask_for_what_was_never_told_and_too_early(monkeypatch):
    rng, early, never = random.Random(0), 0, 0
    for _ in range(600):
        first, last = pretrain.of_oneself(rng)
        if last[1] == "I do not know.":
            never += 1
        elif first[1] == "I do not know.":
            early += 1
            assert first[0] == last[0]
    assert 60 < never < 140 and 25 < early < 80
    # Where a name is all that can be told, who told his is never answered "I do not know."
    tell, names = pretrain.tell, {"name": pretrain.TELLS["name"]}
    monkeypatch.setattr(pretrain, "tell", lambda rng, tells=None, **_: tell(rng, tells=names))
    assert all(last[1] != "I do not know." or not first
               for first, last in (pretrain.of_oneself(rng) for _ in range(300)))


NUMBERS = pretrain.DIGITS + pretrain.TEENS + [
    f"{ten}-{digit}".removesuffix("-zero") for ten in pretrain.TENS for digit in pretrain.DIGITS]


def test_a_calculation_is_what_its_question_asks_for():
    """Digits or words, two numbers to four; sums that are added by heart are left out."""
    words = {word.replace("-", dash): n for n, word in enumerate(NUMBERS) for dash in "- "}
    number_word = re.compile(r"\b(" + "|".join(sorted(words, key=len, reverse=True)) + r")\b")
    rng, longest, in_words, told_in_words = random.Random(1), 0, 0, 0
    for _ in range(2000):
        typed_in, text = pretrain.calculation(rng)
        numbers = [int(n) for n in re.findall(r"\d+", typed_in)]
        spelled = number_word.search(text.lower()) is not None
        text = number_word.sub(lambda word: str(words[word[0]]), text.lower())
        asked = [int(n) for n in re.findall(r"\d+", text)]
        # Sums and products may change places, a difference only where 3 are taken from 10.
        swapped = "-" not in typed_in or re.search(
            r"\d (from|off|of) \d|get \d|make \d|pay with \d|smaller than \d|from \d", text)
        assert asked == numbers or swapped and sorted(asked) == sorted(numbers), text
        if "-" in typed_in and re.search(r" from |\d of \d", text):
            assert asked == numbers[::-1]
        told_in_words += "-" in typed_in and bool(
            re.search("left|away|less|difference|off|without|back|missing", text))
        assert len(numbers) > 2 or "+" not in typed_in or max(numbers) > 99
        # 70 - 6 is not "seventy-six".
        assert not (spelled and re.search(r"\d-\d", text)), text
        longest, in_words = max(longest, *numbers), in_words + spelled
    assert longest > 9999 and 80 < in_words < 500 and 80 < told_in_words < 250
    assert pretrain.calculation(random.Random(1), plain=True)[1].startswith("What is ")


def test_what_a_calculator_said_is_right_wherever_it_is_read():
    """calculator: 17 * 24 - 408 - 17 * 24 is 408."""
    rng = random.Random(0)
    lines = [line for _ in range(400) for write in (pretrain.chat, pretrain.worksheet)
             for line in write(rng).split("\n")]
    calls = [i for i, line in enumerate(lines) if line.startswith(pretrain.CALL)]
    assert len(calls) > 100
    for i in calls:
        typed_in = lines[i].removeprefix(pretrain.CALL)
        a, sign, b, *more = typed_in.split()
        result = {"*": int(a) * int(b), "-": int(a) - int(b), "+": int(a) + int(b)}[sign]
        result += sum(int(s + n) for s, n in zip(more[::2], more[1::2]))
        assert lines[i + 1:i + 3] == [str(result), f"{typed_in} is {result}."]


def test_words_that_say_nothing_make_no_held_out_form():
    """Are you [really] human? is kept for tests: neither FILLERS nor BEHIND may make it."""
    held = {normal(text) for split in (1, 2) for text in templates(split)}
    asked = {text for table in (*pretrain.SMALL_TALK.values(), *pretrain.TELLS.values())
             for text in table.get("said", table.get("asked"))}
    asked |= {text for forms in pretrain.TALK.values() for text in forms}
    for text in (text for text in asked if text.endswith("?")):
        words = text.split(" ")
        made = {" ".join([*words[:i], word, *words[i:]])
                for word in pretrain.FILLERS for i in range(len(words))}
        made |= {f"{text} {behind}" for behind in pretrain.items(pretrain.BEHIND)}
        assert not held & set(map(normal, made)), text


def test_who_cannot_know_is_not_asked_what_he_can():
    """Turkey is a country and an animal, elephants have a colour."""
    rng = random.Random(0)
    facts = [sft.nonsense(rng, TEST) for _ in range(3000)]
    asked = {(fact.relation, fact.subject) for fact in facts}
    coloured = {fact.subject for fact in pretrain.related("colour")}
    assert len(asked) > 900
    assert not [what for what, subject in asked
                if what in ("kind", "young") and subject in coloured]
    assert not asked & {("capital", "turkey"), ("kind", "Turkey"), ("colour", "an elephant"),
                        ("kind", "elephants"), ("young", "elephants"), ("number", "gold")}


def test_what_is_invented_looks_like_what_is_real():
    """A symbol has one letter or two, a pin is a number, a battle has no real one's year."""
    rng, years = random.Random(0), {fact.answer for fact in pretrain.related("year")}
    for _ in range(600):
        assert len(pretrain.imagine(rng, relation="symbol").answer) in (1, 2)
        assert pretrain.imagine(rng, relation="battle").subject not in years
        told = pretrain.tell(rng, tells={"secret": pretrain.TELLS_TOO["secret"]})
        assert told.this.isdigit() == any(k in told.reply for k in ("number", "pin", "code"))


def test_invented_books_and_people_have_names_of_several_words():
    """The Old Zorbun by Ada Kelvo; what is invented in them is of the split."""
    rng = random.Random(0)
    for split in (TRAIN, TEST):
        books = [pretrain.imagine(rng, split, "author") for _ in range(300)]
        for share in (sum(book.subject.startswith("The ") for book in books) / 300,
                      sum(" " in book.answer for book in books) / 300):
            assert .2 < share < .4
        # Grey Harbour is of usual words, and not for tests.
        usual = {word.title() for word in pretrain.WORDS["noun"]}
        titles = [book.subject.split() for book in books]
        harbours = [t for t in titles if len(t) == 2 and t[1] in usual]
        assert .1 < len(harbours) / 300 < .3 if split == TRAIN else not harbours
        words = [title[-1] for title in titles if title not in harbours]
        words += " ".join(book.answer for book in books).split()
        assert {pretrain.split_of(word.lower()) for word in words} == {split}


def test_what_is_told_by_its_kind():
    """I play the violin. - Which instrument do I play? To tests, it is invented."""
    rng = random.Random(0)
    table = {row: pretrain.TELLS_TOO[row] for row in ("sort", "country sort")}
    said = [pretrain.tell(rng, tells=table) for _ in range(400)]
    violins = [told for told in said if told.this in pretrain.SORTS["instrument"]]
    assert violins and all("instrument" in told.question.lower() for told in violins)
    assert {told.reply for told in violins} == {"You play {}.", "You learn {}."}
    countries = {fact.subject for fact in pretrain.related("capital", TRAIN)}
    assert {told.this for told in said} & countries
    tested = [pretrain.tell(rng, TEST, tells=table).this.split()[-1] for _ in range(100)]
    assert {pretrain.split_of(word.lower()) for word in tested} == {TEST}
    # Nobody has thirty sisters.
    few = {"number": pretrain.TELLS_TOO["number"] | {"kinds": ["sisters"]}}
    numbers = {pretrain.tell(rng, tells=few).this for _ in range(200)}
    assert numbers <= set("2 3 4 5 6 two three four five six".split())


def test_what_is_told_of_others_is_asked_by_their_names():
    """Hanna plays the cello. - Which instrument does Hanna play?"""
    rng = random.Random(0)
    for row in ("someone", "someone sort", "lives"):
        for small in (False, True):
            told = pretrain.tell(rng, TRAIN, small=small, tells={row: pretrain.TELLS_TOO[row]})
            assert "@" not in "".join(told)
            name = told.reply.split()[0].lower()
            assert told.echo.split()[1].lower() == name, told
            assert name in told.says.lower() and name in told.question.lower(), told
    # Of those alike, one answers what the other asks.
    kin, sort = (pretrain.tell(rng, tells={row: pretrain.TELLS_TOO[row]})
                 for row in ("kin", "kin sort"))
    assert not pretrain.unlike(kin, sort) and not pretrain.unlike(sort, kin)


def test_the_same_words_have_one_reply():
    """Whatever row they come from; but 14 is an age, Ada a name, and red no place."""
    replies = {}
    for row, table in (pretrain.TELLS | pretrain.TELLS_TOO).items():
        group = {"full name": "name", "age": "name", "place": "look"}.get(row, row)
        for kind in table.get("kinds", [""]):
            k, _, v = kind.partition("/")
            for way in table["told"]:
                told = way.format("X", k=k, v=v).lower()
                replies.setdefault(told, {})[group] = table["says"].format("X", k=k, v=v)
    assert len(replies) > 3000
    assert not [told for told, found in replies.items() if len(set(found.values())) > 1]


def test_a_doubt_does_not_tell_what_nobody_can_know():
    rng = random.Random(0)
    for _ in range(600):
        fact = pretrain.imagine(rng, relation="capital")
        text = pretrain.put(fact, rng)
        assert fact.answer not in text or re.search("or ", text), text


def test_words_stand_around_what_is_told_in_good_order():
    """Not: Remember that hi, I am Ada. And no word that says nothing comes twice."""
    rng = random.Random(0)
    fronts = pretrain.items(pretrain.ANNOUNCED)
    for way in ("Hi, I am {}.", "By the way, I like {}.", "You know, Ada likes {}."):
        for _ in range(40):
            text = pretrain.announced(way, rng)
            assert text.startswith(way) and text != way
    assert any(pretrain.announced("I like {}.", rng).startswith(tuple(fronts)) for _ in range(9))
    for _ in range(3000):
        text = pretrain.casually("What exactly is the name of my dog?", rng, TRAIN, False)
        assert not re.search(r"\b(\w+) \1\b", text), text


def test_a_second_question_is_of_the_same_kind():
    """And of Sweden? One in four is about what does not exist."""
    rng, real = random.Random(0), 0
    subjects = {fact.subject for fact in pretrain.facts_of(TRAIN) +
                pretrain.facts_of(TRAIN, reverse=True)}
    for _ in range(200):
        prompt = sft.following(rng, TRAIN)
        assert [m["role"] for m in prompt.messages] == ["user", "assistant", "user"]
        real += prompt.right != pretrain.UNKNOWN
        assert (prompt.about in subjects) == (prompt.right != pretrain.UNKNOWN), prompt
    assert 130 < real < 170
    fact = next(f for f in pretrain.facts_of(TRAIN) if f.relation == "capital")
    for _ in range(50):
        asked, other, real = pretrain.follow_up(fact, rng, TRAIN)
        assert other.relation == "capital" and other.subject in asked
        assert (other in pretrain.related("capital", TRAIN)) == real


def test_a_sentence_is_begun_and_an_answer_doubted():
    """The capital of France is ... - What is the capital of France? My son says it is Rome."""
    rng = random.Random(0)
    fact = next(f for f in pretrain.facts() if f.subject == "France" and f.relation == "capital")
    asked = [pretrain.put(fact, rng) for _ in range(2000)]
    begun = [text for text in asked if re.fullmatch(r"The capital of France is\W*( what\?)?", text)]
    assert 50 < len(begun) < 150
    doubted = [text for text in asked if re.search(r"[?.] (My \w+|I|Everybody|Maybe|Not|It) ", text)]
    assert 40 < len(doubted) < 160
    assert {"Paris" in text for text in doubted} == {True, False}


def test_three_numbers_are_listed():
    """Add 6, 11 and 20 together: digits and signs for the calculator."""
    rng, listed = random.Random(0), 0
    for _ in range(3000):
        typed_in, text = pretrain.calculation(rng)
        if re.search(r"\d, \d", text):
            listed += 1
            assert re.findall(r"\d+", text) == typed_in.split(" + ")
    assert listed > 30


def test_english_has_its_articles():
    assert pretrain.with_an("a owl and an dog, a hour, an use") == "An owl and a dog, an hour, a use"
    assert pretrain.an("uncle") == "an uncle" and pretrain.an("unicorn") == "a unicorn"


def test_a_table_is_read_as_it_is_written():
    assert pretrain.items("Who [are/made] you?; Hi [/there]!") == [
        "Who are you?", "Who made you?", "Hi!", "Hi there!"]
    text = "cap: The cap of {s}.\n    asked: Cap?; The\n        cap?\n    held: One? | Two?; Three?"
    wanted = {"says": "The cap of {s}.", "asked": ["Cap?", "The cap?"],
              "held": [["One?"], ["Two?", "Three?"]]}
    assert pretrain.blocks(text) == {"cap": wanted}


@pytest.mark.parametrize("text", ["Who wrote Faust?", "What is 3+4?", "Tell me the colour of mud."])
def test_typing_changes_no_word_of_the_question(text):
    """Greetings, marks, spelling and small letters apart."""
    rng = random.Random(0)
    forms = {pretrain.typed(text, rng) for _ in range(300)}
    assert len(forms) > 15 and text in forms
    last = normal(text).split()[-1]
    assert all(last in normal(form) for form in forms)


@pytest.mark.parametrize("split", HELD)
def test_held_out_phrasings_are_new_in_their_order_not_in_their_words(lines, split):
    """A model this small cannot know a word that it has never read."""
    tables = [table[field] for tables in (pretrain.RELATIONS, pretrain.TELLS, pretrain.SMALL_TALK)
              for table in tables.values() for field in ("asked", "nouns", "said", "told")
              if field in table]
    tables += [pretrain.items(text) for text in (pretrain.FRAMES, pretrain.SUMS, pretrain.BEYOND)]
    words = set(re.findall("[a-z]+", " ".join(lines) + normal(f"{tables} {pretrain.WORDS}")))
    for template in templates(split):
        own = re.findall("[a-z]+", normal(re.sub(r"{\w*}\w*", "", template)))
        assert set(own) <= words, template


def test_what_a_told_fact_leaves_open():
    """The same of another thing, or something else of this one: both are asked, neither is told."""
    rng, kinds = random.Random(0), Counter()
    for _ in range(200):
        fact = pretrain.imagine(rng)
        other = pretrain.left_open(fact, rng)
        same = pretrain.bare(other.subject) == pretrain.bare(fact.subject)
        assert same != (other.relation == fact.relation)
        kinds[same] += 1
    assert 30 < kinds[True] < 90


def test_something_else_of_what_was_told_of_is_asked_too():
    """Nothing was told of the answer, though the thing was spoken of: that is unknown as well."""
    rng, spoken_of = random.Random(0), 0
    for _ in range(300):
        prompt = sft.told(rng, TRAIN, answerable=False)
        assert prompt.right == sft.UNKNOWN
        first = prompt.messages[0]["content"].lower()
        spoken_of += len(prompt.messages) > 1 and pretrain.bare(prompt.about).lower() in first
    assert spoken_of > 20


def test_what_is_typed_in_haste_is_no_name_for_tests(monkeypatch):
    """"wanna" could be spoken, and is of the half of names that is for VALIDATION."""
    assert pretrain.split_of("wanna") == pretrain.split_of("gabla") == VALIDATION
    rng = random.Random(0)
    monkeypatch.setattr(pretrain, "syllables", lambda rng: rng.choice(["wanna", "gabla"]))
    names = {pretrain.invent(rng, VALIDATION) for _ in range(30)}
    assert "gabla" in names and "wanna" not in names


def test_every_slot_has_something_to_stand_in_it():
    """A slot that nobody knows is filled with an invented name, without a word of warning."""
    tables = str([pretrain.BEYOND, pretrain.HELD_BEYOND, pretrain.SMALL_TALK, pretrain.TALK])
    facts = {"animal", "country", "other", "element", "language", "number",
             "year"}
    names = {"name", "person", "word"}
    assert set(re.findall(r"{(\w+)}", tables)) <= pretrain.WORDS.keys() | facts | names
    rng = random.Random(0)
    for slot in pretrain.WORDS.keys() - {"noun", "thing", "verb", "adj"}:
        assert pretrain.fill_slot(slot, rng, TRAIN) in pretrain.WORDS[slot]

"""bpe.py against answers worked out by hand and against slow, obvious versions of itself.

The merge table by hand, for the text "hug hug hug pug pug bug" (Sennrich et al. 2016, algorithm 1).
The chunks are "hug" x 1, " hug" x 2, " pug" x 2, " bug" x 1: the first word has no space before it.
    pairs     u+g 6   h+u 3   space+h 2   space+p 2   p+u 2   space+b 1   b+u 1
    256 = u+g;        h+ug 3   space+h 2   space+p 2   p+ug 2   space+b 1   b+ug 1
    257 = h+ug;       space+hug 2   space+p 2   p+ug 2   space+b 1   b+ug 1
    258 = space+p:    of three pairs seen twice, (32, 112) < (32, 257) < (112, 256)
    259 = space+hug   (32, 257), then 260 = space p+ug (258, 256)
    what is left, space+b and b+ug, occurs once: it is not worth a token.
"""
import base64
import json
import os
import random
import sys
import types
from collections import Counter

import pytest
import regex

import bpe
from bpe import BPE, PATTERNS, SPECIALS

TEXT = "hug hug hug pug pug bug"
TABLE = [(117, 103), (104, 256), (32, 112), (32, 257), (258, 256)]
CORPUS = ("The owl said: it's 12 o'clock, isn't it?\r\n  The owls' house -- naïve café, 你好吗 🙂🙂\n\n"
          "def f(x):\n\treturn x + 1024  # aaaa aaaaa abababab\n") * 3
STRANGE = ["", " ", "a", "\n", "\r\n\r\n", " " * 3000, "\t \u00a0\u2003 x ",
           "\x00\x01\x1b[31m\x7f\x85", "🙂👩‍👩‍👧‍👦🏳️‍🌈", "你好，世界。" * 40, "e\u0301 é", "\ufeffBOM",
           "\U0010ffff\uffff", "a" * 5000, "12345 67.8e-9", "don't DON'T", "<|user|>hi<|end|>",
           "\x1c\x1d\x1e\x1f\x0b\x0c ", "".join(map(chr, range(1, 400)))]


def random_text(rng, alphabet="ab c\n1", n=60):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(n)))


def any_text(rng, n=40):
    """Characters from all of Unicode, surrogates left out."""
    tops = (128, 0x800, 0xD800, 0x110000)
    codes = [rng.randrange(rng.choice(tops)) for _ in range(n)]
    return "".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000)


def recount(texts, n, pattern):
    """n merges at most, all pairs counted afresh for each: slow, and nothing to get wrong."""
    words = Counter(m.group().encode() for text in texts for m in regex.finditer(pattern, text))
    words = [(list(word), times) for word, times in words.items()]
    merges = []
    while len(merges) < n:
        counts = Counter()
        for ids, times in words:
            for pair in zip(ids, ids[1:]):
                counts[pair] += times
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        for ids, _ in words:
            k = 0
            while k < len(ids) - 1:
                if (ids[k], ids[k + 1]) == best:
                    ids[k:k + 2] = [256 + len(merges)]
                k += 1
        merges.append(best)
    return merges


def lowest_rank_first(chunk, ranks):
    parts = [bytes([byte]) for byte in chunk]
    while True:
        pairs = enumerate(zip(parts, parts[1:]))
        found = [(ranks[a + b], k) for k, (a, b) in pairs if a + b in ranks]
        if not found:
            return [ranks[part] for part in parts]
        k = min(found)[1]
        parts[k:k + 2] = [parts[k] + parts[k + 1]]


@pytest.fixture(scope="module")
def tokenizer():
    return BPE.train([CORPUS], 400)


# ------------------------------------------------------------------ training
def test_merge_table_by_hand():
    tokenizer = BPE.train([TEXT], 1000, specials=())
    assert tokenizer.merges == TABLE
    assert tokenizer.vocab[257] == b"hug" and tokenizer.vocab[260] == b" pug"
    assert tokenizer.vocab_size == 261
    assert tokenizer.encode("hug pugs bu") == [257, 260, 115, 32, 98, 117]


def test_fewer_tokens_are_the_first_merges():
    for n in range(len(TABLE) + 1):
        assert BPE.train([TEXT], 256 + n, specials=()).merges == TABLE[:n]


def test_ties_go_to_the_smallest_pair():
    def merges(text, size):
        return BPE.train([text, text], size, pattern=r"\S+", specials=()).merges
    assert merges("zy ba yx", 257) == [(98, 97)]
    assert merges("ca cb ab", 257) == [(97, 98)]
    assert merges("cb ca ab ab", 258) == [(97, 98), (99, 97)]


@pytest.mark.parametrize("alphabet", ["ab", "aab \n", "abcdef  12'", "éab🙂 "])
def test_training_is_a_full_recount(alphabet):
    rng = random.Random(alphabet)
    for name in list(PATTERNS) * 8:
        texts = [random_text(rng, alphabet) for _ in range(4)]
        merges = BPE.train(texts + texts, 256 + 40, PATTERNS[name], ()).merges
        assert merges == recount(texts, 40, PATTERNS[name]), texts


def test_texts_are_an_iterable_read_once_and_a_str_is_one_text():
    assert BPE.train(iter(["hug", " hug hug", " pug pug bug"]), 300, specials=()).merges == TABLE
    assert BPE.train(TEXT, 300, specials=()).merges == TABLE


def test_ids_are_bytes_then_merges_then_specials():
    tokenizer = BPE.train([TEXT], 256 + 3 + 6)
    assert [tokenizer.ranks[bytes([byte])] for byte in range(256)] == list(range(256))
    assert list(tokenizer.ranks.items())[256:] == [(b"ug", 256), (b"hug", 257), (b" p", 258)]
    assert tokenizer.specials == {name: 259 + k for k, name in enumerate(SPECIALS)}
    assert tokenizer.vocab_size == 265
    assert BPE.train([], 500).vocab_size == 262 and BPE.train([""], 262).merges == []


def test_long_chunks_are_cut(monkeypatch):
    """A chunk without end, a genome, is treated LONG characters at a time: time grows with length,
    not its square."""
    monkeypatch.setattr(bpe, "LONG", 8)
    tokenizer = BPE.train(["acgtacgt" * 50], 300)
    parts = tokenizer.encode("acgtacgt") * 3 + tokenizer.encode("ac")
    assert tokenizer.encode("acgtacgt" * 3 + "ac") == parts
    assert max(map(len, tokenizer.ranks)) == 8
    monkeypatch.setattr(bpe, "LONG", 1000)
    longer = BPE.train(["acgtacgt" * 50], 300)
    assert max(map(len, longer.ranks)) > 8
    monkeypatch.setattr(bpe, "LONG", 8)
    assert longer.encode("acgtacgt" * 9) == longer.encode("acgtacgt") * 9


def test_too_small_a_vocabulary():
    with pytest.raises(ValueError, match="262"):
        BPE.train([TEXT], 261)


# ------------------------------------------------------------------ encoding and decoding
@pytest.mark.parametrize("pattern", [
    *PATTERNS.values(), "[a-z]+", r"\d\d|é", r"(?x) \p{L}+ | \p{N} # words", "^.", "a$", "(?<=o)w",
    "(?i)OWL", "(?s)o.*", r"\p{L}+(?# words)", r"(?m)^\w+$", r"\X", "(?<!a)b|c", r"\bo", "o(?=w)"])
def test_round_trip(pattern):
    tokenizer, rng = BPE.train([CORPUS], 350, pattern), random.Random(0)
    for text in [*STRANGE, CORPUS, *(any_text(rng) for _ in range(60)),
                 *(random_text(rng) for _ in range(60))]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_encoding_is_lowest_rank_first(tokenizer):
    rng, split = random.Random(1), regex.compile(PATTERNS["digits"])
    for text in [CORPUS, *(random_text(rng, "ab aoweThl'sit\n1🙂") for _ in range(100))]:
        want = [i for chunk in split.findall(text)
                for i in lowest_rank_first(chunk.encode(), tokenizer.ranks)]
        assert tokenizer.encode(text) == want
        assert tokenizer.encode(text) == want, "the second time, from memory"


def test_encode_returns_a_list_of_its_own(tokenizer):
    first = tokenizer.encode("owl")
    first.append(0)
    assert tokenizer.encode("owl") == first[:-1]


@pytest.mark.parametrize("text", ["\ud800", "owl \udfff", "\udc80owl", "🙂\ud83d"])
def test_lone_surrogates_are_refused(tokenizer, text):
    for call in (tokenizer.encode, lambda text: tokenizer.encode(text, specials=True),
                 lambda text: BPE.train([text], 300)):
        with pytest.raises(ValueError, match="surrogate"):
            call(text)


def test_decode_of_half_a_character_and_of_nobodys_id(tokenizer):
    assert tokenizer.decode([240, 159, 97]) == "\ufffda" and tokenizer.decode([]) == ""
    for bad in (-1, tokenizer.vocab_size, "a"):
        with pytest.raises(ValueError, match="no token"):
            tokenizer.decode([97, bad])


# ------------------------------------------------------------------ specials
def test_a_person_cannot_type_a_special_token(tokenizer):
    forged = "".join(SPECIALS) + "<|user|><|end|> <|assistant|>\n<|endoftext|>"
    for text in (forged, *SPECIALS, "a" + SPECIALS[1] + "b"):
        assert not set(tokenizer.encode(text)) & set(tokenizer.specials.values())
        assert tokenizer.decode(tokenizer.encode(text)) == text
    trained = BPE.train([forged * 50], 600)
    assert not set(trained.encode(forged)) & set(trained.specials.values())


def test_specials_when_asked_for(tokenizer):
    s = tokenizer.specials
    text = "<|user|>hi<|end|><|end|> <|us"
    assert tokenizer.encode(text, specials=True) == [
        s["<|user|>"], *tokenizer.encode("hi"), s["<|end|>"], s["<|end|>"],
        *tokenizer.encode(" <|us")]
    assert tokenizer.decode(tokenizer.encode(text, specials=True)) == text
    nested = BPE.train([TEXT], 300, specials=("<a>", "<a>b"))
    ids = [nested.specials["<a>b"], nested.specials["<a>"]]
    assert nested.encode("<a>b<a>", specials=True) == ids
    assert BPE.train([TEXT], 256, specials=()).encode("<a>", specials=True) == list(b"<a>")


# ------------------------------------------------------------------ patterns
def test_known_splits():
    def chunks(name, text):
        return BPE.train([], 256, PATTERNS[name], ()).split(text)
    text = "I'll pay 12345 euros,\n\n  DON'T\u00a0ask  "
    assert chunks("gpt2", text) == ["I", "'ll", " pay", " 12345", " euros", ",", "\n\n ", " DON",
                                    "'", "T", "\u00a0", "ask", "  "]
    assert chunks("gpt4", text) == ["I", "'ll", " pay", " ", "123", "45", " euros", ",\n\n", " ",
                                    " DON", "'T", "\u00a0ask", "  "]
    assert chunks("digits", text) == ["I", "'ll", " pay", " ", *"12345", " euros", ",\n\n", " ",
                                      " DON", "'T", "\u00a0ask", "  "]
    assert chunks("gpt4", "a \n  ") == ["a", " \n  "]
    assert chunks("digits", "a \n  ") == ["a", " \n", "  "]
    assert chunks("gpt2", "x\r\n y") == chunks("gpt4", "x\r\n y") == ["x", "\r\n", " y"]


@pytest.mark.parametrize("name", PATTERNS)
def test_the_fast_way_for_ascii_splits_like_the_published_pattern(name):
    split, published = bpe.splitter(PATTERNS[name]), regex.compile(PATTERNS[name])
    rng = random.Random(name)
    for _ in range(300):
        text = random_text(rng, "".join(map(chr, range(128))) + " \n\r'tsLl12. " * 9)
        for text in (text, text + "é"):
            assert split(text) == published.findall(text)


def test_digits_one_by_one():
    tokenizer = BPE.train(["1212 1212 12 x12 " * 100], 300)
    assert tokenizer.encode("12121") == [49, 50, 49, 50, 49]
    assert not [token for token in tokenizer.ranks
                if len(token) > 1 and any(c in b"0123456789" for c in token)]
    assert len(BPE.train(["1212 1212 12 x12 " * 100], 300, PATTERNS["gpt4"]).encode("12")) == 1


@pytest.mark.parametrize("pattern", ["(a)b", "x*", "[", "(?r)[a-z]+"])
def test_bad_patterns_are_refused(pattern):
    with pytest.raises(ValueError, match="pattern"):
        BPE.train([TEXT], 300, pattern)


# ------------------------------------------------------------------ files
@pytest.mark.parametrize("pattern", [*PATTERNS.values(), 'é"\\d+|\\\\\n🙂', "[^ ]+"])
def test_save_and_load_are_equal(tmp_path, pattern):
    path, tokenizer = tmp_path / "t.json", BPE.train([CORPUS], 400, pattern)
    tokenizer.save(path)
    again = BPE.load(path)
    for name in ("ranks", "merges", "pattern", "specials", "vocab", "vocab_size"):
        assert getattr(again, name) == getattr(tokenizer, name), name
    ids = tokenizer.encode(CORPUS + "<|end|>", specials=True)
    assert again.encode(CORPUS + "<|end|>", specials=True) == ids
    assert [file.name for file in tmp_path.iterdir()] == ["t.json"]
    assert BPE.from_dict(json.loads(json.dumps(tokenizer.to_dict()))).ranks == tokenizer.ranks


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    path.write_text("old")
    monkeypatch.setattr(bpe.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        BPE.train([TEXT], 300).save(path)
    assert path.read_text() == "old"


@pytest.mark.parametrize("content", [
    b"", b"{", b"[1]", b"{}", b"\xff\x00", b'{"pattern": "a", "specials": {}, "ranks": {"a": 0}}',
    b'{"pattern": 1, "specials": [], "ranks": 3}'])
def test_load_refuses_what_is_no_tokenizer(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="t.json is not a tokenizer file"):
        BPE.load(path)


def test_two_tokens_with_one_id_are_refused():
    ranks = {bytes([byte]): byte for byte in range(256)}
    for extra, specials in (({b"ab": 97}, ()), ({}, {"<a>": 97}), ({}, {"<a>": 256, "<b>": 256})):
        with pytest.raises(ValueError, match="id twice"):
            BPE({**ranks, **extra}, specials=specials)


def rank_file(path, seed=0):
    """A .tiktoken file as OpenAI's are: the bytes' ranks permuted, here with a gap before the last
    -> ranks."""
    order = list(range(256))
    random.Random(seed).shuffle(order)
    learned = list(BPE.train([CORPUS], 330, specials=()).ranks)[256:]
    tokens = [bytes([byte]) for byte in order] + learned
    ranks = {token: i + (i == len(tokens) - 1) for i, token in enumerate(tokens)}
    path.write_text("".join(f"{base64.b64encode(token).decode()} {i}\n"
                            for token, i in ranks.items()))
    return ranks


def test_from_tiktoken(tmp_path):
    ranks = rank_file(tmp_path / "r.tiktoken")
    specials = {"<|endoftext|>": 1000}
    tokenizer = BPE.from_tiktoken(tmp_path / "r.tiktoken", PATTERNS["gpt4"], specials)
    assert tokenizer.ranks == ranks and tokenizer.specials == specials
    assert tokenizer.vocab_size == 1001
    split, rng = regex.compile(PATTERNS["gpt4"]), random.Random(2)
    for text in [CORPUS, *STRANGE[:5], *(any_text(rng) for _ in range(30)),
                 *(random_text(rng, "The owlais") for _ in range(60))]:
        ids = tokenizer.encode(text)
        assert ids == [i for chunk in split.findall(text)
                       for i in lowest_rank_first(chunk.encode(), ranks)]
        assert tokenizer.decode(ids) == text
    for (left, right), token in zip(tokenizer.merges, list(ranks)[256:], strict=True):
        assert tokenizer.vocab[left] + tokenizer.vocab[right] == token
        assert max(left, right) < ranks[token]
    tokenizer.save(tmp_path / "t.json")
    assert BPE.load(tmp_path / "t.json").encode(CORPUS) == tokenizer.encode(CORPUS)
    named = BPE.from_tiktoken(tmp_path / "r.tiktoken", specials=("<a>",))
    assert named.specials == {"<a>": max(ranks.values()) + 1}


# ------------------------------------------------------------------ what every stage shares
@pytest.mark.parametrize("size", range(1, 12))
def test_read_texts_loses_nothing(tmp_path, size):
    text = "a\r\nbé\r\r\n\n你好🙂x\n" * 5 + "no end"
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    pieces = list(bpe.read_texts(path, size=size))
    assert "".join(pieces) == text and len(pieces) > 3 and "" not in pieces
    assert max(map(len, pieces)) <= 2 * size
    for start, end in ((0, 7), (5, 40), (30, 10 ** 9)):
        assert "".join(bpe.read_texts(path, start, end, size)) == text[start:end]


def test_read_texts_cuts_at_line_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("eine Zeile\r\n".encode() * 9)
    assert set(bpe.read_texts(path, size=20)) == {"eine Zeile\r\n" * 2, "eine Zeile\r\n"}


def test_read_texts_reads_a_folder_in_order(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, text in (("b.txt", "two"), ("a.txt", "one"), ("sub/c.txt", "three"), ("d.md", "no"),
                       ("e.txt", "")):
        (tmp_path / name).write_text(text)
    (tmp_path / "folder.txt").mkdir()
    assert list(bpe.read_texts(tmp_path)) == ["one", "two", "three"]


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "good.txt").write_text(CORPUS, encoding="utf-8")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "zeros.txt").write_bytes(b"abc\0def")
    (tmp_path / "latin1.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.md").write_text("not a txt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tokenizer.json").write_text("precious")
    return tmp_path


@pytest.mark.parametrize("args, says", [
    (["--data", "missing.txt"], "missing.txt"), (["--data", "empty.txt"], "no text"),
    (["--data", "zeros.txt"], "binary"), (["--data", "latin1.txt"], "UTF-8"),
    (["--data", "folder"], "no text"), (["--data", "good.txt", "--vocab", "299"], "300"),
    (["--data", "good.txt", "--out", "good.txt"], "good.txt"),
    (["--data", "good.txt", "--out", "good.txt/x"], "good.txt"),
    (["--data", "good.txt", "--pattern", "("], "pattern"),
    (["--data", "good.txt", "--text", "\ud800"], "surrogate")])
def test_bad_input_is_refused_in_one_line(inputs, monkeypatch, capsys, args, says):
    monkeypatch.chdir(inputs)
    with pytest.raises(SystemExit) as stopped:
        bpe.main(["--quick", *args])
    out, err = capsys.readouterr()
    assert stopped.value.code == 2 and err.startswith("error: ") and err.count("\n") == 1
    assert says in err
    assert (inputs / "out" / "tokenizer.json").read_text() == "precious" and "Traceback" not in err


def test_refuse_makes_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        bpe.refuse(ValueError("two\nlines"))
    assert stopped.value.code == 2 and capsys.readouterr().err == "error: two lines\n"


def test_paint(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(isatty=lambda: False))
    assert bpe.paint("owl", "31") == "owl"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert bpe.paint("owl", "31") == "\033[31mowl\033[0m"
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(isatty=lambda: True))
    assert bpe.paint("owl", "30;46") == "\033[30;46mowl\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert bpe.paint("owl", "31") == "owl"


# ------------------------------------------------------------------ the stage
def test_main_writes_its_files(inputs, monkeypatch, capsys):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    text = CORPUS * 2
    train, held_out = text[:len(text) * 9 // 10], text[len(text) * 9 // 10:]
    (inputs / "good.txt").write_bytes(text.encode())
    bpe.main(["--quick", "--data", str(inputs / "good.txt"), "--out", str(inputs / "new" / "out"),
              "--vocab", "330", "--text", "The owl\n9"])
    tokenizer, want = BPE.load(inputs / "new" / "out" / "tokenizer.json"), BPE.train([train], 330)
    assert tokenizer.ranks == want.ranks and tokenizer.specials == want.specials
    assert (inputs / "new" / "out" / "bpe.png").read_bytes().startswith(b"\x89PNG")
    out, ids = capsys.readouterr().out, tokenizer.encode("The owl\n9")
    assert "|".join(tokenizer.decode([i]) for i in ids).replace("\n", "\\n") in out
    assert " ".join(map(str, ids)) in out
    for size in (256, 320, 324):
        smaller = BPE(dict(list(want.ranks.items())[:size]))
        ratio = len(held_out.encode()) / len(smaller.encode(held_out))
        assert f"{size:6d} tokens: {ratio:.2f} bytes" in out


def test_main_learns_from_the_tiny_internet(tmp_path, monkeypatch):
    seen = []

    def tiny_internet(seed, quick):
        seen.append((seed, quick))
        return [TEXT[:11]], ["hug bug"]
    fake = types.SimpleNamespace(tiny_internet=tiny_internet, chat_logs=lambda *_: [TEXT[11:]])
    monkeypatch.setitem(sys.modules, "pretrain", fake)
    bpe.main(["--quick", "--seed", "7", "--out", str(tmp_path), "--pattern", "gpt2"])
    tokenizer = BPE.load(tmp_path / "tokenizer.json")
    assert seen == [(7, True)] and tokenizer.merges == TABLE
    assert tokenizer.pattern == PATTERNS["gpt2"]


# ------------------------------------------------------------------ what people feed it
def test_pairs_that_occur_once_are_not_learned():
    """3 kB of random text and a vocabulary of 2,048: every token occurs in it, and twice."""
    rng = random.Random(0)
    text = " ".join("".join(rng.choices("abcdefghijklmnop", k=12)) for _ in range(230))
    tokenizer = BPE.train([text], 2048)
    assert tokenizer.vocab_size < 1000
    assert all(text.count(token.decode()) > 1 for token in tokenizer.ranks if len(token) > 1)


def test_bpe_says_how_many_tokens_are_enough(inputs, capsys):
    (inputs / "short.txt").write_text("hug hug hug pug pug bug, said the owl")
    bpe.main(["--data", str(inputs / "short.txt"), "--out", str(inputs / "o"), "--vocab", "2000"])
    size = BPE.load(inputs / "o" / "tokenizer.json").vocab_size
    assert size < 300 and f"{size} tokens are enough" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["नमस्ते", "สวัสดี", "cafe\u0301s", "a\u0323\u0302"])
def test_marks_stay_with_their_letters(word):
    """One word of Hindi or Thai, or an accent in decomposed form, is one chunk."""
    assert bpe.splitter(PATTERNS["digits"])(f" {word} {word}") == [f" {word}", f" {word}"]


def test_what_is_remembered_is_bounded(monkeypatch):
    """And the answers are the same before and after it forgets."""
    monkeypatch.setattr(bpe, "MOST_CHUNKS", 50)
    tokenizer = BPE.train([CORPUS], 350)
    lines = [f"line{'abcdefgh'[i % 8]}{'xyz' * (i % 40)} owl" for i in range(400)]
    fresh = [BPE.from_dict(tokenizer.to_dict()).encode(line) for line in lines]
    assert [tokenizer.encode(line) for line in lines] == fresh and len(tokenizer.cache) <= 50
    many = " ".join(f"w{'ab' * i}" for i in range(90))
    assert tokenizer.decode(tokenizer.encode(many)) == many


def test_half_a_character_is_shown_as_its_bytes():
    tokenizer = BPE.train([""], 262)
    assert [tokenizer.show(i) for i in tokenizer.encode("é a")] == ["\\xc3", "\\xa9", " ", "a"]


def test_a_rank_file_with_empty_lines_and_another_file(tmp_path):
    ranks = b"".join(base64.b64encode(bytes([b])) + b" %d\n" % b for b in range(256))
    (tmp_path / "good").write_bytes(b"\n" + ranks + b"\n\n")
    assert BPE.from_tiktoken(tmp_path / "good").encode("a") == [97]
    for bad in (b"hello world\n", b"one two three\n", b"aGk= x\n", ranks[:300], b"\xff\xfe"):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(ValueError, match="bad is not a file of ranks"):
            BPE.from_tiktoken(tmp_path / "bad")


@pytest.mark.parametrize("change", [{"specials": 5}, {"specials": {"<|end|>": -1}}, {"ranks": {}},
                                    {"specials": {"<|end|>": .5}}, {"specials": {"<|end|>": 1e12}},
                                    {"pattern": "("}, {"pattern": None}, {"specials": {"a": "b"}}])
def test_a_damaged_tokenizer_file_is_refused_by_name(tmp_path, change):
    state = BPE.train([TEXT], 300).to_dict() | change
    (tmp_path / "t.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match="t.json is not a tokenizer file"):
        BPE.load(tmp_path / "t.json")


def test_a_mark_at_the_start_of_a_file_is_dropped(inputs):
    (inputs / "bom.txt").write_bytes(b"\xef\xbb\xbfHi\r\nyou\n")
    assert "".join(bpe.read_texts(inputs / "bom.txt")) == "Hi\r\nyou\n"


def test_what_cannot_be_written_is_refused_before_anything_is_done(inputs, monkeypatch, capsys):
    """A folder where a file should go; a name of 300 characters; a folder that is a file."""
    monkeypatch.setattr(BPE, "train", None)
    (inputs / "a" / "bpe.png").mkdir(parents=True)
    (inputs / "b" / "tokenizer.json").mkdir(parents=True)
    for out in (inputs / "a", inputs / "b", inputs / ("x" * 300), inputs / "good.txt"):
        with pytest.raises(SystemExit) as stopped:
            bpe.main(["--data", str(inputs / "good.txt"), "--out", str(out)])
        line = capsys.readouterr().err
        assert stopped.value.code == 2 and line.startswith("error: cannot write")
        assert line.count("\n") == 1


@pytest.mark.parametrize("data", ["", "pipe"])
def test_no_file_and_a_pipe_are_refused(inputs, monkeypatch, capsys, data):
    """A named pipe would be waited for without end."""
    monkeypatch.chdir(inputs)
    if data and not hasattr(bpe.os, "mkfifo"):
        pytest.skip("no named pipes here")
    bpe.os.mkfifo("pipe") if data else None
    with pytest.raises(SystemExit):
        bpe.main(["--data", data, "--out", "o"])
    assert ("neither a file nor a folder" if data else "empty") in capsys.readouterr().err


def test_a_picture_is_whole_or_the_old_one_stays(tmp_path):
    """Killed while it draws: the good old picture is still there, and no half of a new one."""
    class Dies:
        def savefig(self, file, format):
            file.write(b"half")
            raise KeyboardInterrupt
    (tmp_path / "a.png").write_bytes(b"good")
    with pytest.raises(KeyboardInterrupt):
        bpe.save_picture(Dies(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"good" and len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_run_has_left_is_cleared_by_the_next(tmp_path):
    """But not what another run, still alive, is just writing."""
    for old, time in (("a.json.123.tmp", 0), ("a.json.124.tmp", None)):
        (tmp_path / old).write_bytes(b"half")
        os.utime(tmp_path / old, time if time is None else (time, time))
    bpe.write_file(tmp_path / "a.json", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "a.json.124.tmp"}

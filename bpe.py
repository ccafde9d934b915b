r"""Stage 0, a byte-level BPE tokenizer by hand: text to numbers, and back without losing a byte.

    minimise   the number of tokens that a text needs, greedily: the pair of neighbours
               seen most often becomes a new token, again and again

Article 2, Phase 1: "Before we feed this raw text data"; article 3, "sidenote: encoding the data".
Article 3 numbers whole words. Starting from the 256 bytes, as GPT-2 did, no word is ever unknown.
In: text. Out: out/tokenizer.json, every token with its rank, which is the order in which encoding
merges, and out/bpe.png. Simpler than GPT-4's: two thousand tokens instead of a hundred thousand;
digits stand one by one, so that a tiny model can learn to add.

    python bpe.py                                  seconds, on the tiny internet and its chats;
                                                   a token then stands for 2.9 bytes of new text
    python bpe.py --data my.txt --vocab 4096       on your own text
"""
import argparse
import base64
import contextlib
import gc
import glob
import heapq
import io
import itertools
import json
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import regex

# A pattern says what a chunk is; no token crosses chunks. In ours, the first of these that fits:
PATTERNS = {
    "digits": r"'(?:[sdmt]|ll|ve|re)"              # what an apostrophe cuts off: 's, 'll
              r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"  # a word, and a space or mark before it
              r"|\p{N}"                            # one digit
              r"| ?[^\s\p{L}\p{N}]+[\r\n]*"        # other marks, and line ends behind them
              r"|\s*[\r\n]"                        # spaces that end with the line
              r"|\s+(?!\S)|\s+",                   # spaces, but for the last, a word's own
    # Theirs, for --pattern: numbers stay whole in GPT-2's, in GPT-4's they are cut by threes.
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
            r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"}
SPECIALS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|mask|>", "<|end|>")
MOST_CHUNKS = 1 << 19        # so many chunks are remembered with their tokens
LONG = 1000      # longer chunks, a genome say, are cut: merging takes time quadratic in the length


def splitter(pattern):
    """pattern -> function: text -> list of chunks, which joined are the text.

    ValueError: the pattern is not a regular expression, has a group, or may match nothing.
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"the pattern is not a regular expression: {error}") from None
    if compiled.groups or compiled.match("") or compiled.flags & regex.REVERSE:
        raise ValueError("the pattern has a group, write (?:...), matches the empty text, or reads "
                         "backwards, (?r)")

    def split(text):
        """text -> its chunks, none of them longer than LONG; nothing is lost."""
        chunks = compiled.findall(text)
        # A user's pattern may skip some text; what lies between its matches is kept, in order.
        if pattern not in PATTERNS.values():
            pairs = itertools.zip_longest(compiled.split(text), chunks, fillvalue="")
            chunks = [piece for pair in pairs for piece in pair if piece]
        if max(map(len, chunks), default=0) <= LONG:
            return chunks
        return [chunk[k:k + LONG] for chunk in chunks for k in range(0, len(chunk), LONG)]
    return split


def learn_tokens(counts, size):
    """{chunk: how often} -> size tokens, as bytes, or fewer if no pair occurs twice.

    Sennrich et al. 2016, algorithm 1; of equally frequent pairs the smallest wins. An example:
    "abab ab ab" has the chunks "abab", once, and " ab", twice. Let _ be the space.
                  words             pairs, and how often
        at first  a b a b   _ a b   ab 4, ba 1, _a 2
        X = ab    X X       _ X     _X 2, XX 1       both words held ab: both are rewritten
        Y = _X    X X       Y       XX 1             258 tokens are all that this text can teach:
                                                     what occurs once would never be needed again
    A word is kept as a str in which chr(i) stands for token i, and a pair as a str of two.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    words = [chunk.encode().decode("latin-1") for chunk in counts]            # chr(b) for byte b
    times = list(counts.values())
    # Count every pair once, and list its words, one entry for each occurrence. From here on only
    # the words that hold a merged pair are looked at.
    words_with = defaultdict(list)
    for i, word in enumerate(words):
        for a, b in zip(word, word[1:]):
            words_with[a + b].append(i)
    total = {pair: sum(times[i] for i in places) for pair, places in words_with.items()}
    heap = sorted((-count, pair) for pair, count in total.items())     # the smallest comes first

    while heap and len(tokens) < size:
        # The first entry is the most frequent pair, unless other merges have used some of it up
        # since it was noted. Then it goes back with what is left.
        negative_count, pair = heapq.heappop(heap)
        if -negative_count != total[pair]:
            heapq.heappush(heap, (-total[pair], pair))
            continue
        if total[pair] < 2:
            break

        a, b = pair                              # ab becomes a new token
        new = chr(len(tokens))
        tokens.append(tokens[ord(a)] + tokens[ord(b)])

        # Rewrite each word that holds it, leftmost first: x ab y becomes x new y. The pairs of its
        # neighbours change: xa becomes x new, and by becomes new y.
        changes = defaultdict(list)              # {(old pair, new pair): its words}
        for i in words_with.pop(pair):
            before, found, after = words[i].partition(pair)
            if not found:          # an earlier merge used a or b up (or "aaa": its two aa overlap)
                continue
            words[i] = before + new + after
            if before:
                changes[before[-1] + a, before[-1] + new].append(i)
            if after:
                changes[b + after[0], new + after[0]].append(i)

        # Count the changes in the order in which they were met: in "abab" the first merge makes the
        # pair (new, a), and the second turns it into (new, new).
        for (old_pair, new_pair), places in changes.items():
            count = sum(times[i] for i in places)
            total[old_pair] -= count
            total[new_pair] = count
            words_with[new_pair] = places
            heapq.heappush(heap, (-count, new_pair))
    return tokens


class BPE:
    """A tokenizer. ranks: {bytes: id}; specials: names, or {name: id}.

    vocab is {id: bytes} of both, vocab_size its largest id + 1.
    ValueError: one of the 256 bytes is missing, or two tokens share an id.
    """

    def __init__(self, ranks, pattern=PATTERNS["digits"], specials=()):
        if not isinstance(specials, dict):
            specials = dict(zip(specials, itertools.count(max(ranks.values()) + 1)))
        self.ranks = dict(sorted(ranks.items(), key=lambda item: item[1]))
        self.pattern = pattern
        self.specials = specials
        self.split = splitter(pattern)
        self.vocab = {i: token for token, i in self.ranks.items()}
        self.vocab.update((i, name.encode()) for name, i in specials.items())
        if len(self.vocab) < len(ranks) + len(specials) or sum(len(t) == 1 for t in ranks) < 256:
            raise ValueError("a tokenizer has all 256 bytes, and no id twice")
        if not all(type(i) is int and 0 <= i < 10_000_000 for i in self.vocab):
            raise ValueError("ids are whole numbers from 0 to ten million")
        self.vocab_size = max(self.vocab) + 1
        self.cache = {}                                      # chunk -> its ids

    @classmethod
    def train(cls, texts, vocab_size, pattern=PATTERNS["digits"], specials=SPECIALS):
        """texts: iterable of str, read once. Ids: 256 bytes, merges (while a pair occurs twice),
        then specials. ValueError: vocab_size is too small."""
        least = 256 + len(specials)
        if vocab_size < least:
            raise ValueError(f"a vocabulary of {vocab_size}: bytes and specials alone are {least}")
        split = splitter(pattern)
        counts = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            counts.update(split(text))
        # Merging makes many small lists and no cycles: do not stop to look for some.
        gc.disable()
        try:
            tokens = learn_tokens(counts, vocab_size - len(specials))
        finally:
            gc.enable()
        return cls({token: i for i, token in enumerate(tokens)}, pattern, specials)

    @property
    def merges(self):
        """[(id, id), ...] in the order learned: what each token was just before its own merge."""
        return [tuple(self.merge(t, rank)) for t, rank in self.ranks.items() if len(t) > 1]

    def merge(self, raw, end=sys.maxsize):
        """bytes -> ids by the merges of ranks below end: lowest rank first, then leftmost."""
        rank = self.ranks.get
        parts = [raw[k:k + 1] for k in range(len(raw))]
        # pair_ranks[k]: the rank of parts k and k + 1 together, or end if they are not a token.
        pair_ranks = [rank(x + y, end) for x, y in zip(parts, parts[1:])] + [end]
        while (best := min(pair_ranks)) < end:
            # Join the pair that was learned first; its two neighbours have new partners now.
            k = pair_ranks.index(best)
            token = parts[k] + parts[k + 1]
            parts[k:k + 2] = [token]
            del pair_ranks[k]
            if k > 0:
                pair_ranks[k - 1] = rank(parts[k - 1] + token, end)
            if k + 1 < len(parts):
                pair_ranks[k] = rank(token + parts[k + 1], end)
        return [self.ranks[part] for part in parts]

    def encode(self, text, specials=False):
        """str -> ids. A special's name is plain text, so that nobody can forge one, unless
        specials=True. ValueError: a lone surrogate, half of a character."""
        if specials and self.specials:
            names = "|".join(map(regex.escape, sorted(self.specials, key=len, reverse=True)))
            ids = []
            for part in regex.split(f"({names})", text):     # plain text and names in turn
                ids += [self.specials[part]] if part in self.specials else self.encode(part)
            return ids
        # Words return again and again: each is merged once and then remembered.
        chunks = self.split(text)
        new = set(chunks).difference(self.cache)
        if len(self.cache) + len(new) > MOST_CHUNKS:         # a text without end: begin again
            self.cache = {}
            new = set(chunks)
        for chunk in new:
            raw = chunk.encode()
            self.cache[chunk] = [self.ranks[raw]] if raw in self.ranks else self.merge(raw)
        return list(itertools.chain.from_iterable(map(self.cache.__getitem__, chunks)))

    def decode(self, ids):
        """ids -> str; bytes that are not UTF-8 become U+FFFD. ValueError: an id without a token."""
        try:
            return b"".join([self.vocab[i] for i in ids]).decode(errors="replace")
        except KeyError as error:
            raise ValueError(f"no token has the id {error}") from None

    def show(self, i):
        """One token as text; bytes that are not a whole character are shown as \\xe4."""
        return self.vocab[i].decode(errors="backslashreplace")

    def to_dict(self):
        """A plain dict for JSON and checkpoints, in which chr(b) stands for byte b (latin-1)."""
        return {"pattern": self.pattern, "specials": self.specials,
                "ranks": {token.decode("latin-1"): i for token, i in self.ranks.items()}}

    @classmethod
    def from_dict(cls, state):
        """The tokenizer that to_dict described."""
        ranks = {token.encode("latin-1"): i for token, i in state["ranks"].items()}
        return cls(ranks, state["pattern"], state["specials"])

    def save(self, path):
        """Writes JSON for people, a token a line."""
        write_file(path, json.dumps(self.to_dict(), indent=0).encode())

    @classmethod
    def load(cls, path):
        """What save wrote. ValueError: some other file."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a tokenizer file: {error!r}") from None

    @classmethod
    def from_tiktoken(cls, path, pattern=PATTERNS["gpt4"], specials=()):
        """OpenAI's rank files: base64, space, rank, a token a line. ValueError: some other file."""
        lines = [line.split() for line in Path(path).read_bytes().splitlines() if line.strip()]
        try:
            ranks = {base64.b64decode(token, validate=True): int(i) for token, i in lines}
            return cls(ranks, pattern, specials)
        except ValueError as error:
            raise ValueError(f"{path} is not a file of ranks: {error}") from None


# ------------------------------------------------------------------------------------------- main

def main(argv=None):
    """Learns a tokenizer, shows a text as tokens, measures bytes per token."""
    parser = argparse.ArgumentParser(description="Learns a tokenizer and shows what it does.")
    flag = parser.add_argument
    flag("--out", default="out", help="folder for tokenizer.json and bpe.png (out)")
    flag("--seed", type=int, default=0, help="of the tiny internet (0)")
    flag("--data", help="UTF-8 text file or folder of *.txt, instead of the tiny internet")
    flag("--vocab", type=int, default=2048, help="bytes, merges, specials: 300 to 100,000 (2048)")
    flag("--pattern", default="digits", help=f"{', '.join(PATTERNS)} or a regular expression")
    flag("--text", default="An owl paid 1234.50 in Zorbia, naïvely.", help="the text to show")
    flag("--quick", action="store_true", help="a small run, for a first look")
    args = parser.parse_args(argv)
    print_anything()
    if not 300 <= args.vocab <= 100_000:
        refuse(f"--vocab {args.vocab}: it must be 300 to 100,000")
    if not args.out:
        refuse("--out is empty: name a folder")
    out = Path(args.out)
    for name in ("tokenizer.json", "bpe.png"):
        check_output(out / name)
    if args.data is not None:
        # The last tenth of a user's text is held out, up to a million characters of it.
        cut = sum(map(len, read_texts(args.data))) * 9 // 10
        texts = read_texts(args.data, 0, cut)
        held_out = read_texts(args.data, cut, cut + 10 ** (4 if args.quick else 6))
    else:
        import pretrain                          # here, because pretrain imports us
        texts, held_out = pretrain.tiny_internet(args.seed, args.quick)
        texts = texts + pretrain.chat_logs(args.seed, args.quick)
    try:
        began = time.perf_counter()
        tokenizer = BPE.train(texts, args.vocab, PATTERNS.get(args.pattern, args.pattern))
        seconds = time.perf_counter() - began
        ids = tokenizer.encode(args.text)
        tokenizer.save(out / "tokenizer.json")
    except (ValueError, OSError) as error:
        refuse(error)
    print(f"{len(tokenizer.ranks) - 256} merges learned in {seconds:.2f} s")
    if tokenizer.vocab_size < args.vocab:
        print(f"No other pair of tokens occurs twice: {tokenizer.vocab_size} tokens are enough")
    # The tokens in two colours in turn, or, without colours, with | between them.
    tokens = [tokenizer.show(i).replace("\n", "\\n") for i in ids]
    painted = [paint(token, ("30;46", "30;43")[k % 2]) for k, token in enumerate(tokens)]
    print(("|" if painted == tokens else "").join(painted))
    print(f"{len(args.text.encode())} bytes are {len(ids)} tokens:", *ids)
    draw(compression(tokenizer, "".join(held_out)), out / "bpe.png")


def compression(tokenizer, text):
    """How many bytes a token stands for, by size of the vocabulary -> [(tokens, bytes), ...]."""
    ranks = list(tokenizer.ranks.items())
    sizes = {256, 320, 512, 768, 1024, 2048, 4096, 8192, 16384, 32768, 65536, len(ranks)}
    curve = []
    for size in sorted(size for size in sizes if size <= len(ranks)):
        # Merges are learned in order, so that the first ranks are a smaller tokenizer.
        smaller = BPE(dict(ranks[:size]), tokenizer.pattern)
        curve.append((size, len(text.encode()) / len(smaller.encode(text))))
        print(f"{size:6d} tokens: {curve[-1][1]:.2f} bytes per token of unseen text")
    return curve


# ------------------------------------------------------------------------ reading and showing text

def refuse(message):
    """How a stage ends at bad input: one line on stderr, exit code 2, no traceback."""
    print("error:", " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def text_files(path):
    """The file itself, or the *.txt of a folder and of those in it -> list of Paths."""
    path = Path(path)
    return sorted(f for f in path.rglob("*.txt") if f.is_file()) if path.is_dir() else [path]


def read_texts(path, start=0, end=sys.maxsize, size=1 << 20):
    """A UTF-8 text file, or a folder's *.txt: yields its characters start to end, in pieces of
    about size that end with a line. \\r\\n stays as it is. What is not text ends the stage."""
    if not path:
        refuse("--data is empty: name a file or a folder")
    path = Path(path)
    empty = True
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ValueError("it is neither a file nor a folder")
        for path in text_files(path):
            with open(path, encoding="utf-8-sig", newline="") as file:   # -sig: editors add a mark
                while piece := file.read(size) + file.readline(size):
                    if "\0" in piece:
                        raise ValueError("it is binary")
                    yield piece[max(0, start):max(0, end)]
                    start -= len(piece)
                    end -= len(piece)
                    empty = False
        if empty:
            raise ValueError("there is no text in it")
    except (ValueError, OSError) as error:
        refuse(f"cannot read {path}: {error}; give a UTF-8 text file or a folder of *.txt")


def write_file(path, data):
    """bytes -> a file; until it is complete, an older file of that name stays as it was."""
    new = Path(f"{path}.{os.getpid()}.tmp")
    for old in Path(path).parent.glob(f"{glob.escape(Path(path).name)}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):         # it may get its name just now
            if time.time() - old.stat().st_mtime > 3600:     # of a run that was killed
                old.unlink()
    try:
        with open(new, "wb") as file:
            file.write(data)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def check_output(path):
    """Refuses, before hours of work, what cannot be written after them."""
    try:
        # Writing an empty file tells what permissions and names allow.
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        new = Path(f"{path}.{os.getpid()}.tmp")
        new.write_bytes(b"")
        new.unlink()
    except OSError as error:
        refuse(f"cannot write {path}: {error.strerror}")


def save_picture(figure, path):
    """matplotlib's figure -> a PNG file, complete or not at all."""
    # Into the memory first: matplotlib writes a picture piece by piece.
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_file(path, picture.getvalue())


def print_anything():
    """What a terminal or a file cannot show, a Chinese character say, is printed as \\u....; where
    the screen is closed, as by >&-, all is lost."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def paint(text, colour_code):
    """text in an ANSI colour ("31", "30;46") if a terminal shows it and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or not (os.environ.get("FORCE_COLOR") or sys.stdout.isatty()):
        return text
    return f"\033[{colour_code}m{text}\033[0m"


def draw(curve, path):
    """[(vocabulary size, bytes per token), ...] -> a picture that the last row can read."""
    from matplotlib.figure import Figure         # here: all stages import us, and this is slow
    axes = Figure(figsize=(5.5, 3.5), dpi=250, layout="constrained").subplots()
    axes.semilogx(*zip(*curve), "o-", base=2, linewidth=3)
    sizes = [size for size, _ in curve]
    axes.set_xticks(sizes, sizes, rotation=45)
    axes.set(xlabel="tokens in the vocabulary", ylabel="bytes per token of unseen text")
    save_picture(axes.figure, path)


if __name__ == "__main__":
    from model import run_stage                  # here: model.py imports us
    run_stage(main)

r"""A byte-level BPE tokenizer, by hand: text to whole numbers, and back without losing a byte.

Article 2, Phase 1: "Before we feed this raw text data"; article 3, "sidenote: encoding the data".
What is optimised: the number of tokens that a text needs. Training starts from the 256 bytes and,
again and again, makes the pair of neighbours seen most often a new token (Sennrich et al. 2016; on
bytes: GPT-2). In: text files. Out: out/tokenizer.json, a rank for every token, the order in which
encoding merges. Article 3 numbers the words of English; bytes also spell the words it forgot.
Simpler than GPT-4's: two thousand tokens, not a hundred thousand; digits one by one, not in groups
of up to three, so that a tiny model can learn to add; very long chunks are cut.

    python bpe.py --data my.txt --vocab 4096       # seconds; without --data: the tiny internet
"""
import argparse, base64, gc, heapq, itertools, json, os, re, sys, time
from collections import Counter, defaultdict
from pathlib import Path
import regex

PATTERNS = {     # what a chunk is, roughly a word and the space before it; no token crosses chunks
    "digits": r"'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
              r"|\s*[\r\n]|\s+(?!\S)|\s+",
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
            r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"}
SPECIALS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|mask|>", "<|end|>")
LONG = 2000      # characters (encoding: bytes): a genome is one chunk, and would take for ever


def splitter(pattern):
    """pattern -> function: text -> chunks, which joined are the text. ValueError: a bad pattern."""
    ours = pattern in PATTERNS.values()          # another one may leave characters out: add them
    try:
        full = regex.compile(pattern if ours else pattern + r"|(?s:.)")
    except regex.error as error:
        raise ValueError(f"the pattern is no regular expression: {error}") from None
    if full.groups or full.match(""):
        raise ValueError("the pattern has a group, write (?:...), or matches the empty text")
    # Python's re is twice as fast. It has no \p{L}, but in ASCII text that is a-z and A-Z.
    plain = pattern.replace(r"\p{L}\p{N}", "a-zA-Z0-9").replace(r"\p{L}", "[a-zA-Z]")
    plain = re.sub(r"([?*+}])\+", r"\1", plain.replace(r"\p{N}", "[0-9]"))   # nor possessive + yet
    plain = re.compile(plain, re.ASCII) if ours else full
    return lambda text: (plain if text.isascii() else full).findall(text)


def learn_tokens(counts, size):
    """{chunk: how often} -> size tokens, as bytes, or fewer (Sennrich et al. 2016, algorithm 1).
    A word is a str in which chr(i) stands for token i, and a pair a str of two; of equally frequent
    pairs the smallest wins. A merge visits only the words that hold its pair."""
    tokens = [bytes([byte]) for byte in range(256)]
    pieces = [(chunk[at:at + LONG].encode().decode("latin-1"), times)        # chr(b) for byte b
              for chunk, times in counts.items() for at in range(0, len(chunk), LONG)]
    words, times = [word for word, _ in pieces], [times for _, times in pieces].__getitem__
    where = defaultdict(list)                                # pair -> its words, once for each time
    for i, word in enumerate(words):
        for pair in map(str.__add__, word, word[1:]):
            where[pair].append(i)
    total = {pair: sum(map(times, held)) for pair, held in where.items()}
    heap = sorted((-many, pair) for pair, many in total.items())
    while len(tokens) < size and heap and heap[0][0]:
        many, pair = heapq.heappop(heap)
        if -many != total[pair]:                             # stale: other merges took some away
            heapq.heappush(heap, (-total[pair], pair))
            continue
        (a, b), new = pair, chr(len(tokens))
        tokens.append(tokens[ord(a)] + tokens[ord(b)])
        left, right = defaultdict(list), defaultdict(list)   # neighbour -> words, likewise
        for i in where.pop(pair):
            before, found, after = words[i].partition(pair)
            if found:                                        # once for each time it is there
                words[i] = before + new + after
                if before:
                    left[before[-1]].append(i)
                if after:
                    right[after[0]].append(i)
        changes = [(b + x, new + x, held) for x, held in right.items()]          # abab: new + a
        changes += [(x + a, x + new, held) for x, held in left.items()]          # comes, then goes
        for lost, gained, held in changes:
            many = sum(map(times, held))
            total[lost] -= many
            total[gained], where[gained] = many, held
            heapq.heappush(heap, (-many, gained))
    return tokens


class BPE:
    """ranks: {bytes: id}; specials: names, or {name: id}; vocab: {id: bytes} of both, vocab_size
    its largest id + 1. ValueError: one of the 256 bytes is missing, or two tokens share an id."""

    def __init__(self, ranks, pattern=PATTERNS["digits"], specials=()):
        if not isinstance(specials, dict):
            specials = dict(zip(specials, itertools.count(max(ranks.values()) + 1)))
        self.ranks = dict(sorted(ranks.items(), key=lambda item: item[1]))
        self.pattern, self.specials, self.split = pattern, specials, splitter(pattern)
        self.vocab = {i: token for token, i in self.ranks.items()}
        self.vocab.update((i, name.encode()) for name, i in specials.items())
        if len(self.vocab) < len(ranks) + len(specials) or sum(len(t) == 1 for t in ranks) < 256:
            raise ValueError("a tokenizer has all 256 bytes, and no id twice")
        self.vocab_size, self.known = max(self.vocab) + 1, {}        # known: chunk -> its ids

    @classmethod
    def train(cls, texts, vocab_size, pattern=PATTERNS["digits"], specials=SPECIALS):
        """texts: iterable of str, read once. Ids: 256 bytes, merges (while there are pairs), then
        specials. ValueError: vocab_size is too small."""
        split, counts, least = splitter(pattern), Counter(), 256 + len(specials)
        if vocab_size < least:
            raise ValueError(f"a vocabulary of {vocab_size}: bytes and specials alone are {least}")
        for text in [texts] if isinstance(texts, str) else texts:
            counts.update(split(text))
        gc.disable()          # many small lists, no cycles: looking for some could double the time
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
        if len(raw) > LONG:
            return [i for k in range(0, len(raw), LONG) for i in self.merge(raw[k:k + LONG], end)]
        parts = [raw[k:k + 1] for k in range(len(raw))]
        joined = [rank(x + y, end) for x, y in zip(parts, parts[1:])] + [end]
        while (best := min(joined)) < end:                   # joined[k]: rank of parts k and k + 1
            k = joined.index(best)
            parts[k:k + 2] = [token := parts[k] + parts[k + 1]]
            del joined[k]
            if k:
                joined[k - 1] = rank(parts[k - 1] + token, end)
            if k + 1 < len(parts):
                joined[k] = rank(token + parts[k + 1], end)
        return list(map(rank, parts))

    def encode(self, text, specials=False):
        """str -> ids. A special's name is plain text, nobody can forge one, unless specials=True.
        ValueError: a lone surrogate, half of a character, which no text file can hold."""
        if specials and self.specials:
            names = "|".join(map(re.escape, sorted(self.specials, key=len, reverse=True)))
            return [i for k, part in enumerate(re.split(f"({names})", text))     # text, name, text
                    for i in ([self.specials[part]] if k % 2 else self.encode(part))]
        chunks = self.split(text)
        for chunk in set(chunks).difference(self.known):
            raw = chunk.encode()
            self.known[chunk] = [self.ranks[raw]] if raw in self.ranks else self.merge(raw)
        return list(itertools.chain.from_iterable(map(self.known.__getitem__, chunks)))

    def decode(self, ids):
        """ids -> str; bytes that are no UTF-8 become U+FFFD. ValueError: an id that is no token."""
        try:
            return b"".join([self.vocab[i] for i in ids]).decode(errors="replace")
        except KeyError as error:
            raise ValueError(f"no token has the id {error}") from None

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
        """Writes JSON for people, a token a line; until that is complete, path stays as it was."""
        new = Path(f"{path}.tmp")
        try:
            new.write_text(json.dumps(self.to_dict(), indent=0), encoding="utf-8")
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)

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
        lines = [line.split() for line in Path(path).read_bytes().splitlines()]
        return cls({base64.b64decode(token): int(i) for token, i in lines}, pattern, specials)


def stop(message):
    """How a stage refuses bad input: one line on stderr, exit code 2, no traceback."""
    print("error:", " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def read_texts(path, start=0, end=sys.maxsize, size=1 << 20):
    """A UTF-8 text file, or a folder's *.txt -> its characters start to end, in str after str of
    about size, cut at line ends. Nothing is lost, \\r\\n stay. What is no text stops the stage."""
    path, found = Path(path), False
    try:
        for path in sorted(path.rglob("*.txt")) if path.is_dir() else [path]:
            with open(path, encoding="utf-8", newline="") as file:
                while piece := file.read(size) + file.readline(size):
                    if "\0" in piece:
                        raise ValueError("it is binary")
                    yield piece[max(0, start):max(0, end)]
                    start, end, found = start - len(piece), end - len(piece), True
        if not found:
            raise ValueError("there is no text in it")
    except (ValueError, OSError) as error:
        stop(f"cannot read {path}: {error}; give a UTF-8 text file or a folder of *.txt")


def print_all():
    """What a terminal or a file cannot show, a Chinese character say, is printed as \\u...."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def paint(text, colour_code):
    """text in an ANSI colour ("31", "30;46") if a terminal shows it and NO_COLOR is not set."""
    shown = os.environ.get("FORCE_COLOR") or sys.stdout.isatty()
    return f"\033[{colour_code}m{text}\033[0m" if shown and not os.environ.get("NO_COLOR") else text


def draw(curve, path):
    """[(vocabulary size, bytes per token), ...] -> a picture that the last row can read."""
    from matplotlib.figure import Figure         # here: all stages import us, and this is slow
    axes = Figure(figsize=(5.5, 3.5), dpi=250, layout="constrained").subplots()
    axes.semilogx(*zip(*curve), "o-", base=2, linewidth=3)
    axes.set_xticks(*2 * [[size for size, _ in curve]], rotation=45)
    axes.set(xlabel="tokens in the vocabulary", ylabel="bytes per token of unseen text")
    axes.figure.savefig(path)


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
    print_all()
    if args.data:                                # the last 10 % are held out
        cut, used = sum(map(len, read_texts(args.data))) * 9 // 10, 10 ** (4 if args.quick else 6)
        texts, held_out = read_texts(args.data, 0, cut), read_texts(args.data, cut, cut + used)
    else:
        import pretrain                          # here: pretrain imports us
        texts, held_out = pretrain.tiny_internet(args.seed, args.quick)
    began = time.perf_counter()
    try:
        os.makedirs(args.out, exist_ok=True)
        tokenizer = BPE.train(texts, args.vocab, PATTERNS.get(args.pattern, args.pattern))
        seconds, ids = time.perf_counter() - began, tokenizer.encode(args.text)
        tokenizer.save(f"{args.out}/tokenizer.json")
    except (ValueError, OSError) as error:
        stop(error)
    print(f"{len(tokenizer.ranks) - 256} merges learned in {seconds:.2f} s")
    shown = [tokenizer.vocab[i].decode(errors="backslashreplace").replace("\n", "\\n") for i in ids]
    painted = [paint(token, ("30;46", "30;43")[k % 2]) for k, token in enumerate(shown)]
    print(("|" if painted == shown else "").join(painted))
    print(f"{len(args.text.encode())} bytes are {len(ids)} tokens:", *ids)
    held_out, curve, ranks = "".join(held_out), [], list(tokenizer.ranks.items())
    sizes = {256, 320, 512, 768, 1024, 2048, 4096, 8192, 16384, 32768, 65536, len(ranks)}
    for size in sorted(size for size in sizes if size <= len(ranks)):
        smaller = BPE(dict(ranks[:size]), tokenizer.pattern)     # the first ranks are a tokenizer
        curve.append((size, len(held_out.encode()) / len(smaller.encode(held_out))))
        print(f"{size:6d} tokens: {curve[-1][1]:.2f} bytes per token of unseen text")
    draw(curve, f"{args.out}/bpe.png")


if __name__ == "__main__":
    main()

"""How fast this project is, side by side with what people would use instead: ratios, because they
travel between machines better than seconds. Times are medians of runs in turn, A B A B ...

    python tests/speed.py bpe FILE      tokenizer on a text, against tokenizers, rustbpe, tiktoken
                                        (by hand: pip install tokenizers rustbpe tiktoken)
    python tests/speed.py step          a training step: time, also both in fp32, peak memory, and
                                        the share of the processor's peak
    python tests/speed.py generate      120 new tokens, batch 1 and 64
    python tests/speed.py growth        time as text, model, block and batch grow
    python tests/speed.py shakespeare FILE   from raw text to less than 2.75 bits a byte

The usual GPT here has GPT-2's choices: learned positions, LayerNorm, GELU, fused attention, fp32,
AdamW, and a generation that reads the whole context again for every token.
"""
import collections
import gc
import math
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import torch
import torch.nn.functional as F
from torch import nn

import bpe
import model
import pretrain

V, LAYERS, HEADS, WIDTH, T = 1024, 4, 2, 128, 128
TOP = pathlib.Path(bpe.__file__).parent


class UsualBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = (nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.qkv, self.out = (nn.Linear(WIDTH, n * WIDTH, bias=False) for n in (3, 1))
        self.up, self.down = (nn.Linear(WIDTH, 4 * WIDTH, bias=False),
                              nn.Linear(4 * WIDTH, WIDTH, bias=False))

    def forward(self, x):
        q, k, v = (z.unflatten(-1, (HEADS, -1)).transpose(1, 2)
                   for z in self.qkv(self.one(x)).split(WIDTH, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.two(x))))


class UsualGPT(nn.Module):
    def __init__(self, vocab=V, block=T):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, WIDTH), nn.Embedding(block, WIDTH)
        self.blocks = nn.Sequential(*(UsualBlock() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        nn.init.normal_(self.wte.weight, std=.02)

    def forward(self, ids):
        x = self.blocks(self.wte(ids) + self.wpe.weight[:ids.size(1)])
        return F.linear(self.norm(x), self.wte.weight)

    @torch.no_grad()
    def generate(self, ids, n):
        for _ in range(n):
            p = self(ids[:, -T:])[:, -1].softmax(-1)
            ids = torch.cat([ids, torch.multinomial(p, 1)], 1)


def race(title, runs, ours, **others):
    """Runs all in turn and prints the medians, and how often ours fits into each other's."""
    times = {name: [] for name in ("ours", *others)}
    for run in range(runs + 1):
        for name, f in (("ours", ours), *others.items()):
            began = time.perf_counter()
            f()
            times[name] += [time.perf_counter() - began] * (run > 0)         # the first warms up
    mine, *rest = (statistics.median(t) for t in times.values())
    print(f"{title:36s} ours {mine * 1e3:8.1f} ms   " + "   ".join(
        f"{name} {t * 1e3:.1f} ms (x{t / mine:.2f})" for name, t in zip(others, rest)), flush=True)


def stepper(net, opts, rows=32, length=T, vocab=V):
    """A function that makes one training step."""
    ids = torch.randint(0, vocab, (rows, length + 1))

    def step():
        for opt in opts:
            opt.zero_grad()
        pretrain.next_token_loss(net(ids[:, :-1]), ids).backward()
        for opt in opts:
            opt.step()
    return step


def ours(vocab=V, layers=LAYERS, width=WIDTH, block=T, muon=False, dtype=model.best_dtype()):
    net = model.GPT(model.GPTConfig(vocab, layers, width // 64, width, block))
    net.dtype = dtype
    return net, (model.make_optimizers(net, .01, .02) if muon else [torch.optim.AdamW(
        net.parameters(), lr=1e-3)])


def usual(vocab=V, block=T):
    net = UsualGPT(vocab, block)
    return net, [torch.optim.AdamW(net.parameters(), lr=1e-3)]


def race_bpe(path):
    """On FILE."""
    import rustbpe
    import tiktoken
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    text, pattern = pathlib.Path(path).read_text(encoding="utf-8"), bpe.PATTERNS["digits"]
    level = pre_tokenizers.ByteLevel

    def peer(size):
        tok = Tokenizer(models.BPE())
        tok.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            level(add_prefix_space=False, use_regex=False)])
        tok.train_from_iterator([text], trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=level.alphabet(), show_progress=False))
        return tok
    for size in (1024, 4096):
        rust = rustbpe.Tokenizer()
        race(f"training BPE, {size} tokens", 5,
             lambda: bpe.BPE.train([text], size, pattern=pattern, specials=()),
             tokenizers=lambda: peer(size),
             rustbpe=lambda: rust.train_from_iterator([text], size, pattern=pattern))
    mine, there = bpe.BPE.train([text], 4096, pattern=pattern, specials=()), peer(4096)
    assert {bytes(k): v for k, v in rust.get_mergeable_ranks()} == mine.ranks
    tik = tiktoken.Encoding("t", pat_str=pattern, mergeable_ranks=dict(mine.ranks),
                            special_tokens={})
    assert mine.encode(text) == tik.encode_ordinary(text)
    race("encoding, empty cache", 5, lambda: bpe.BPE.from_dict(mine.to_dict()).encode(text),
         tokenizers=lambda: there.encode(text), tiktoken=lambda: tik.encode_ordinary(text))


def race_step():
    for name in ("ours", "usual"):       # first, since a child inherits the peak of its parent
        run = subprocess.run([sys.executable, __file__, "peak", name], text=True, check=True,
                             capture_output=True)
        print(f"peak memory, {name}: {run.stdout.strip()} MB above what importing torch takes")
    model.keep_memory()               # as every stage does; the usual GPT gets it too
    race("training step, AdamW for both", 12, stepper(*ours()), usual=stepper(*usual()))
    race("training step, ours with Muon", 12, stepper(*ours(muon=True)), usual=stepper(*usual()))
    race("training step, AdamW, both in fp32", 12, stepper(*ours(dtype=torch.float32)),
         usual=stepper(*usual()))
    net, opts = ours(2048, muon=True)
    flops = 32 * T * (6 * (net.size + net.wte.weight.numel()) + 12 * LAYERS * WIDTH * T)
    flops /= seconds(stepper(net, opts, vocab=2048))
    peak = peak_flops(net.dtype)
    print(f"our step, {flops / 1e9:,.0f} GFLOP/s, is {flops / peak:.0%} of a plain matrix "
          f"product's {peak / 1e9:,.0f}")


def peak_flops(dtype, side=1024):
    """Floating-point operations a second of a plain matrix product, the best of some tries."""
    a, best = torch.ones(side, side, dtype=dtype), math.inf
    for _ in range(100):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * side ** 3 / best


def peak(name):
    model.keep_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = stepper(*{"ours": ours, "usual": usual}[name]())
    for _ in range(5):
        step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)


def race_generate():
    mine, other = ours(block=2 * T)[0], usual()[0]
    for batch in (1, 64):
        prompts = torch.randint(0, V, (batch, 8))
        race(f"generating 120 tokens, batch {batch}", 5,
             lambda: model.generate(mine, prompts.tolist(), 120),
             usual=lambda: other.generate(prompts, 120))


def seconds(f, runs=3):
    f()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        f()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def growth():
    """One thing grows at a time; the rest is as in the default run."""
    model.keep_memory()
    for n in (8_000, 32_000, 128_000):
        docs = [text for _, text in pretrain.crawl(random.Random(0), n)]
        size = sum(map(len, docs))
        split = bpe.splitter(bpe.PATTERNS["digits"])
        counts = collections.Counter(chunk for text in docs for chunk in split(text))
        gc.disable()                                     # as BPE.train does
        merging = seconds(lambda: bpe.learn_tokens(counts, 2044), 5)
        gc.enable()
        print(f"BPE, {size / 1e6:5.1f} MB, {len(counts):,} distinct chunks: "
              f"{seconds(lambda: bpe.BPE.train(docs, 2048)):.2f} s, of which learning the merges "
              f"{merging:.3f} s", flush=True)
    for layers, width in ((4, 128), (4, 192), (6, 256), (8, 320)):
        net, opts = ours(2048, layers, width, muon=True)
        size = net.size
        s = seconds(stepper(net, opts, 32, T, 2048)) / (32 * T)
        print(f"step, {size / 1e6:5.1f} M weights multiplied: {s * 1e6:6.1f} us a token, "
              f"{s / size * 1e12:5.1f} ps a token and weight", flush=True)
    for block in (64, 128, 256, 512, 1024):
        s = seconds(stepper(*ours(2048, block=block, muon=True), 4096 // block, block, 2048)) / 4096
        print(f"step, block {block:5d}: {s * 1e6:6.1f} us a token", flush=True)
    net = ours(2048, block=2 * T)[0]
    for batch in (16, 32, 64, 128, 256, 512):
        prompts = torch.randint(0, 2048, (batch, 16)).tolist()
        s = seconds(lambda: model.generate(net, prompts, 32)) / batch
        print(f"rollout, batch {batch:4d}: {s * 1e3:6.2f} ms an answer of 32 tokens", flush=True)


def shakespeare(path, runs=("--block 64 --steps 36", "--steps 30", "--steps 450")):
    """Whole commands, interpreter and all, against 2,000 steps of 12 x 64 characters."""
    s = seconds(stepper(*usual(65, 64), 12, 64, 65), 100)
    print(f"the usual GPT, 2,000 steps of 12 x 64: {2000 * s:.0f} s")
    for flags in runs:
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            for command in (["bpe.py"], ["pretrain.py", *flags.split()]):
                run = subprocess.run([sys.executable, TOP / command[0], *command[1:], "--data",
                                      path, "--out", out], text=True, check=True,
                                     capture_output=True)
            took = time.perf_counter() - began
        bits = [line for line in run.stdout.split("\n") if "bits_per_byte" in line][0].split()[-1]
        print(f"pretrain.py {flags}: {took:.1f} s, {bits} bits a byte (x{2000 * s / took:.1f})",
              flush=True)


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["step"]
    {"bpe": race_bpe, "step": race_step, "generate": race_generate, "growth": growth,
     "shakespeare": shakespeare, "peak": peak}[what](*rest)

"""The GPT itself: a stack of Transformer blocks that reads tokens and predicts the next one.

Article 2, Phase 1: "The model takes one token at a time and predicts next one by looking at the
entire context", as in "What is your favourite" -> Car, Movie, Sport; in the tiny internet "What is
the" -> main (language), opposite, capital. All stages train this network: ids (B,T) go in, logits
(B,T,V) come out: a score for each possible next token (softmax: its probability).
B rows, T tokens, C width, H heads, D = C/H width of a head, V vocabulary, S tokens in the cache.

Departures from GPT-2, which let a laptop learn more in the same minutes:
- each token also brings a little of the one before it (a smear, measure by measure learned): so a
  layer finds at once what followed the last time, and copies names that it has never seen;
- rotary positions (RoPE), no table to learn: a score depends on how far apart two tokens stand;
- squared ReLU, no biases, LayerNorm without weights: cheaper, and the loss is no worse;
- output projections start at zero: at first each block hands its input on untouched;
- a factor on all logits that is learned: one number by which PPO can make a model surer;
- no dropout: PPO compares log-probs of the same text, which must not be noisy;
- blocks compute in bf16 where processor or GPU have instructions for it; the weights stay fp32.

    python model.py out/ppo.pt                talk with what a stage has made
    python model.py out/pretrain.pt --next    the ten likeliest next tokens
"""
import argparse
import contextlib
import io
import os
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

import bpe


@dataclass
class GPTConfig:
    vocab_size: int
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    block_size: int = 256

    def __post_init__(self):
        if min(asdict(self).values()) < 1 or self.n_embd % (2 * self.n_head):
            raise ValueError(f"all must be 1 or more, and n_embd / n_head whole and even: {self}")


def best_dtype(device="cpu"):
    """bf16 where the hardware has instructions for it (emulation would be slow), else fp32."""
    kind, names = torch.device(device).type, ("avx512_bf16", "amx_tile")
    cpu = any(getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in names)
    cuda = kind == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if cuda or kind == "cpu" and cpu else torch.float32


def norm(x):
    return F.layer_norm(x, x.shape[-1:])


class Linear(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))          # kept in fp32, applied in x's type


def rotate(x, turn):
    """RoPE: each pair of numbers in x (..,D), as one complex number, turns with the position."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))          # (..,D/2)
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def attend(q, k, v, mask):
    """softmax(q k' / sqrt(D) + mask) v: a mean of the values whose keys fit the query."""
    scores = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)                  # (B,H,T,S)
    scores += mask                                               # in place: a copy less
    return scores.softmax(-1) @ v                                            # (B,H,T,D)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head, C = config.n_head, config.n_embd
        self.qkv, self.out = Linear(C, 3 * C, bias=False), Linear(C, C, bias=False)
        self.up, self.down = Linear(C, 4 * C, bias=False), Linear(4 * C, C, bias=False)

    def attention(self, x, turn, mask, at, kv):
        """What each token takes over from those before it: x (B,T,C) -> (B,T,C)."""
        B, T, C = x.shape
        qk, v = self.qkv(x).view(B, T, 3, self.n_head, -1).split((2, 1), 2)  # (B,T,2|1,H,D)
        (q, k), v = rotate(qk, turn).permute(2, 0, 3, 1, 4), v.squeeze(2).transpose(1, 2)
        if kv is not None:                                                   # q, k, v (B,H,T,D)
            for new, cached in zip((k, v), kv):
                cached.scatter_(2, at[:, None, :, None].expand_as(new), new)
            k, v = kv[:, :, :, :mask.size(-1)]                               # (B,H,S,D)
        return self.out(attend(q, k, v, mask).transpose(1, 2).reshape(B, T, C))

    def forward(self, x, *where):
        x = x + self.attention(norm(x), *where)
        return x + self.down(self.up(norm(x)).relu_().square())


class GPT(nn.Module):
    """Its attribute dtype, bf16 or fp32, is what it computes in; logits come back as fp32."""

    def __init__(self, config):
        super().__init__()
        self.config, self.dtype, T = config, best_dtype(), config.block_size
        half = config.n_embd // config.n_head // 2
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)            # the head too: tied
        self.smear = nn.Parameter(torch.zeros(config.n_embd))    # how much of the token before it
        self.sharpness = nn.Parameter(torch.zeros(()))      # log of a factor on all logits
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        for name, weight in self.named_parameters():
            zero = name.endswith(("out.weight", "down.weight", "smear", "sharpness"))
            nn.init.normal_(weight, std=0.0 if zero else 0.02)
        angle = torch.outer(torch.arange(T), 1e4 ** -torch.linspace(0, 1, half + 1)[:half])
        turn = torch.polar(torch.ones_like(angle), angle)[:, None, None]     # (T,1,1,D/2)
        self.register_buffer("turn", turn, persistent=False)
        self.register_buffer("mask", torch.full((T, T), -torch.inf).triu(1), persistent=False)

    def hidden(self, ids, cache=None):
        """ids (B,T) -> (B,T,C). With a cache a new token costs one token's work: cache = (kv,
        read, last), keys and values (layers,2,B,H,S,D) of what each row has read, how many tokens
        that are (B,), and the last of them (B,)."""
        T, block_size = ids.size(1), self.config.block_size
        if T > block_size:
            raise ValueError(f"{T} tokens do not fit a block of {block_size}")
        at, kv, turn, mask = None, [None] * len(self.blocks), self.turn[:T], self.mask[:T, :T]
        if cache is not None:
            kv, at = cache[0], cache[1][:, None] + torch.arange(T, device=ids.device)   # at (B,T)
            turn, mask = self.turn[at], self.mask[at, :at.max() + 1].unsqueeze(1)       # (B,1,T,S)
        x = self.wte(ids)                                                    # (B,T,C)
        before = F.pad(x[:, :-1], (0, 0, 1, 0))          # the token before; position 0 has none
        if cache is not None:
            before[:, 0] = self.wte(cache[2]) * (cache[1] > 0)[:, None]
        x, mask = (x + self.smear * before).to(self.dtype), mask.to(self.dtype)
        for block, block_kv in zip(self.blocks, kv):
            x = block(x, turn, mask, at, block_kv)
        return norm(x)

    def logits(self, x):
        x = (x.float() * self.sharpness.exp()).to(x.dtype)   # cheaper than to multiply all logits
        return F.linear(x, self.wte.weight.to(x.dtype)).float()

    def forward(self, ids):
        return self.logits(self.hidden(ids))                                 # (B,T,V)


@contextlib.contextmanager
def in_fp32(model):
    """Inside, the blocks compute in fp32, whatever they train in."""
    dtype, model.dtype = model.dtype, torch.float32
    try:
        yield
    finally:
        model.dtype = dtype


def pick(logits, u, temperature):
    """A token a row of softmax(logits / temperature): where the running sum passes u (B,)."""
    if temperature < 1e-4:
        return logits.argmax(-1)                                             # (B,)
    total = (logits / temperature).softmax(-1).cumsum(-1)                    # (B,V), ends near 1
    u = u[:, None] * (1 - 2 ** -23) * total[:, -1:]      # below the end, however it was rounded
    return torch.searchsorted(total, u, right=True)[:, 0]      # first total > u: probability > 0


@torch.inference_mode()
def generate(model, prompts, max_new_tokens, temperature=1.0, stop=None, generator=None):
    """Continues each prompt (a list of ids) by up to max_new_tokens ids, `stop` kept as the last.

    Ragged prompts are padded on the right and read at once; a row's new tokens overwrite its pads
    in the cache before any token looks there. A row also ends where its block is full.
    Temperature 0 is greedy. In fp32: for so little work a step, bf16 would be slower.
    """
    c, B, lengths = model.config, len(prompts), [len(p) for p in prompts]
    if not all(0 < n < c.block_size for n in lengths) or not temperature >= 0:
        raise ValueError(f"prompts of {lengths} tokens, temperature {temperature}: a prompt needs "
                         f"1 to {c.block_size - 1} tokens, the temperature must be 0 or more")
    answers, rows, done = [[] for _ in prompts], list(range(B)), set()
    if B == 0 or max_new_tokens < 1:
        return answers
    device, longest = model.wte.weight.device, max(lengths)
    S = min(longest + max_new_tokens, c.block_size)
    ids = torch.tensor([list(p) + [0] * (longest - len(p)) for p in prompts], device=device)
    read = torch.tensor(lengths, device=device)                              # (B,)
    kv = torch.zeros(c.n_layer, 2, B, c.n_head, S, c.n_embd // c.n_head, device=device)
    with in_fp32(model):
        last = ids[rows, read - 1]                       # (B,) each row's last token
        x = model.hidden(ids, (kv, torch.zeros_like(read), last))[rows, read - 1]    # (B,C)
        while rows:
            u = torch.rand(B, generator=generator, device=generator and generator.device)
            token = pick(model.logits(x), u[rows].to(device), temperature)   # (B,)
            for row, t in zip(rows, token.tolist()):
                if row not in done:
                    answers[row].append(t)
                    if t == stop or len(answers[row]) == min(max_new_tokens, S - lengths[row]):
                        done.add(row)
            left = [i for i, row in enumerate(rows) if row not in done]
            if len(left) <= len(rows) // 2:              # the finished half leaves the batch
                rows, token = [rows[i] for i in left], token[left]
                kv, read, last = kv[:, :, left], read[left], last[left]
            if rows:
                x = model.hidden(token[:, None], (kv, read, last))[:, 0]     # (B,C)
                last = token
            read = (read + 1).clamp(max=S - 1)           # finished rows wait at the last place
    return answers


def save_checkpoint(path, model, tokenizer, **extra):
    """One file with all that is needed to go on; whatever fails, an old file stays whole."""
    data, new = io.BytesIO(), f"{path}.{os.getpid()}.tmp"
    weights = {name: w.detach().cpu() for name, w in model.state_dict().items()}
    torch.save({"weights": weights, "config": asdict(model.config), "extra": extra,
                "tokenizer": tokenizer.to_dict()}, data)
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(new, "wb") as file:
            file.write(data.getbuffer())
        os.replace(new, path)
    except OSError as error:
        bpe.stop(f"cannot write {path}: {error.strerror}")
    finally:
        with contextlib.suppress(OSError):                  # it is there if something failed
            os.remove(new)


def load_checkpoint(path, device="cpu"):
    """What save_checkpoint wrote -> model, tokenizer, extra; any other file stops the stage."""
    try:
        data = torch.load(path, map_location=device, weights_only=True)
        model = GPT(GPTConfig(**data["config"])).to(device)
        model.load_state_dict(data["weights"])
        model.dtype = best_dtype(device)
        return model, bpe.BPE.from_dict(data["tokenizer"]), data["extra"]
    except FileNotFoundError:
        stem = os.path.basename(path).removesuffix(".pt")
        stage = stem if stem in ("sft", "reward", "ppo") else "pretrain"
        bpe.stop(f"{path} is missing: `python {stage}.py` makes out/{stage}.pt")
    except Exception as error:               # a foreign or cut file can fail in any way
        bpe.stop(f"{path} is not a whole checkpoint of this project: {type(error).__name__}")


def pick_dtype(name, device):
    """What the blocks compute in: --dtype auto, bf16 or fp32 -> torch's type."""
    types = {"auto": best_dtype(device), "bf16": torch.bfloat16, "fp32": torch.float32}
    return types.get(name) or bpe.stop(f"--dtype {name} is unknown: choose from {', '.join(types)}")


def pick_device(name):
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = ("cuda" if found["cuda"] else "cpu") if name == "auto" else name
    if name != "cpu" and not found.get(name):
        bpe.stop(f"no device {name} here: auto and cpu are there {[k for k in found if found[k]]}")
    return torch.device(name)


@torch.no_grad()
def check_device(model, ids, device):
    """Says aloud when the device finds another loss for ids (B,T) than the processor does."""
    if torch.device(device).type == "cpu":
        return
    cpu, here = (F.cross_entropy(model.to(d)(ids[:, :-1].to(d)).mT, ids[:, 1:].to(d)).item()
                 for d in ("cpu", device))
    if not abs(cpu - here) <= .02 * cpu:
        print(f"warning: the loss is {here:.4f} on {device}, {cpu:.4f} on cpu: use --device cpu")


def ask(model, tokenizer, chat, turns, text, args, generator):
    """Completes text or, in a chat, answers it and adds to turns (lists of ids), its memory.
    text is encoded as plain text: nobody can type a special token."""
    ids, special, size = tokenizer.encode(text), tokenizer.specials, model.config.block_size
    ids = [special["<|user|>"], *ids, special["<|assistant|>"]] if chat else ids
    end = special["<|end|>" if chat else "<|endoftext|>"]
    limit = size - min(args.max_tokens, size // 2)                           # leaves room to answer
    if not 0 < len(ids) <= limit:
        raise ValueError(f"that is {len(ids)} tokens, and this model reads 1 to {limit} at once")
    while len(ids) + sum(map(len, turns)) > limit:
        print(f"(the chat has outgrown {size} tokens: its oldest turn is forgotten)")
        turns.pop(0)
    past = [i for turn in turns for i in turn] + ids
    if args.next is not None:
        with in_fp32(model):
            probs = model(torch.tensor([past], device=model.wte.weight.device))[0, -1].softmax(-1)
        return "\n".join(f"{p:6.1%} {'#' * round(50 * p):50s} {tokenizer.decode([i])!r}"
                         for p, i in zip(*(x.tolist() for x in probs.topk(min(10, len(probs))))))
    new = generate(model, [past], args.max_tokens, args.temperature, end, generator)[0]
    if chat:
        turns.append(ids + new + [end] * (new[-1:] != [end]))
    return tokenizer.decode([i for i in new if i != end])


def main(argv=None):
    """A chat, one answer (--prompt) or the likeliest next tokens (--next) of a checkpoint."""
    parser = argparse.ArgumentParser(description="Talk with a checkpoint; an empty line ends it.")
    flag = parser.add_argument
    flag("checkpoint", nargs="?", default="out/ppo.pt", help="what a stage has made (out/ppo.pt)")
    flag("--prompt", help="one text to answer or to complete, instead of a conversation")
    flag("--next", nargs="?", const="What is the", metavar="TEXT",
         help="the ten likeliest next tokens of a text (What is the)")
    flag("--temperature", type=float, default=0.7, help="0 always takes the likeliest token (0.7)")
    flag("--max-tokens", type=int, default=64, help="the longest answer, in tokens (64)")
    flag("--seed", type=int, default=0, help="another number, other samples (0)")
    flag("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    args = parser.parse_args(argv)
    if args.next is not None and args.prompt is not None:
        bpe.stop("--prompt asks for an answer, --next for the likeliest tokens: give one of them")
    bpe.print_all()
    model, tokenizer, extra = load_checkpoint(args.checkpoint, pick_device(args.device))
    if extra.get("stage") == "reward":
        bpe.stop(f"{args.checkpoint} is a reward model: it judges answers, it does not talk")
    chat, generator = extra.get("stage") in ("sft", "ppo"), torch.Generator().manual_seed(args.seed)
    turns, once = [], args.prompt if args.next is None else args.next
    read = iter(lambda: input(bpe.paint("you> ", "36")).strip() or "quit", "quit")
    try:
        for text in read if once is None else [once]:
            try:
                print(ask(model, tokenizer, chat, turns, text, args, generator))
            except ValueError as error:
                print(error) if once is None else bpe.stop(error)
    except (EOFError, KeyboardInterrupt):
        print()


if __name__ == "__main__":
    main()

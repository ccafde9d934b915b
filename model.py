"""The GPT itself: a stack of Transformer blocks that reads tokens and predicts the next one.

Article 2, Phase 1: "The model takes one token at a time and predicts next one by looking at the
entire context", as in "What is your favourite" -> Car, Movie, Sport. All later stages train this
network: ids (B,T) go in, and out come logits (B,T,V), after each token a score for each that may be
next. Reward model and critic put a single number on top of its last vectors (hidden) instead.

    B rows, T tokens, C width, H heads, D = C/H width of a head, V vocabulary, S keys looked at

Reading order: attend, Block, then the departures listed here, GPT, pick, generate. Below the banner
"running a stage" stands what all stages need: optimizers, checkpoints, flags; at the end, a
calculator as a tool, and a chat in the terminal.

Departures from GPT-2, most of which let a laptop learn more in the same minutes. The number behind
one is the held-out loss of `pretrain.py --steps 700` without it, in nats (seed 0, 32 bits, before
the training text last changed). With all of them it was 1.389: a higher number means that the
departure helps.

In attention a token asks a question q, offers a key k to be found by, and hands over a value v. An
embedding is a token's vector in a table; the output head compares with those of the first, wte.
- rotary positions (RoPE), no table to learn (1.434): a score depends on how far apart two tokens
  stand;
- smear (1.422): the vectors of the three tokens before are added, with learned weights: in "Ada
  Byron" the vector of Byron says that it stands after Ada, so that the first block can already find
  it;
- match vectors (1.393): the way back to the two tokens before is wired in, not learned. In the
  second block a table of its own adds to q what this token and the one before it are, and to k what
  the two before it are. So even untrained it mostly looks at what followed when these two stood
  here before, the more so the nearer that was; it has to learn only to say so. Names that were
  never seen before are copied;
- a share (1.393): to v the same block adds the token's own embedding, normalised, times a learned
  number. As the output head compares with embeddings, what was found can be said, even a token so
  rare that its value embedding is hardly trained: of 50 rare names and words, told in three ways,
  the base model repeated 97 % instead of 91 (three seeds, whole pretraining, that text);
- queries and keys are normalised before they are compared (1.419), so that no token drowns out the
  others by a long vector;
- value embeddings (1.413): in each block a table adds to a token's value v what that token always
  offers: x is a mixture by then, and what is to be copied, a name say, should arrive unmixed;
- squared ReLU (1.395 with GELU);
- no biases (1.381 with), LayerNorm without weights (1.379 with): less to read, at a price;
- output projections start at zero, so that at first each block hands its input on untouched: no
  gain (1.384 without);
- a factor on all logits that is learned: one number by which PPO can make a model surer, and does
  (README, the walk);
- no dropout: PPO compares log-probs of the same text, which must not be noisy;
- blocks compute in bf16 where processor or GPU are faster so; the weights stay fp32.

    python model.py out/ppo.pt                             talk with what a stage has made
    python model.py out/pretrain.pt out/sft.pt out/ppo.pt  talk with several stages at once
    python model.py out/pretrain.pt --next                 the ten likeliest next tokens
"""
import argparse
import contextlib
import ctypes
import functools
import io
import json
import re
import signal
import sys
import time
import zlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import bpe
from bpe import refuse


SMEAR = 3     # how many preceding tokens are mixed into each embedding


@dataclass
class GPTConfig:
    vocab_size: int
    n_layer: int = 4
    n_head: int = 2
    n_embd: int = 128
    block_size: int = 256
    causal: bool = True        # without it a token sees both sides: not for generating

    def __post_init__(self):
        sizes = [self.vocab_size, self.n_layer, self.n_head, self.n_embd, self.block_size]
        if min(sizes) < 1 or self.n_embd % (2 * self.n_head):
            raise ValueError(f"all must be 1 or more, and n_embd / n_head whole and even: {self}")


class Linear(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))          # kept in fp32, applied in x's type


def norm(x):
    """LayerNorm without weights: shifts and scales each vector (..,n) to mean 0 and variance 1."""
    return F.layer_norm(x, x.shape[-1:])


def look_up(table, ids):
    """The vectors of ids in a table, 0 where an id is -1: no token stands there."""
    return table(ids.clamp(min=0)) * (ids >= 0)[..., None]


def rotate(x, angle):
    """RoPE: each pair of numbers in x (..,D), as one complex number, turns with the position.

    angle (..,D/2) holds complex numbers of length 1: at position t, pair j turns by
    t / 10,000^(2j/D) radians. So the first pairs tell near places apart, the last ones far places,
    and between a query at t and a key at s only the turn of t - s remains.
    """
    # Multiplying a complex number by one of length 1 turns it by that one's angle.
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))          # (..,D/2)
    return torch.view_as_real(pairs * angle).flatten(-2).to(x.dtype)


def attend(q, k, v, mask):
    """softmax(q k' / sqrt(D) + mask) v: the mean of the values, weighted by how well their keys fit
    the query. mask (T,S), or (B,1,T,S) where each row has its own."""
    # How well does each key fit each query? Softmax turns the scores into weights that sum to 1.
    # Unrelated q and k give scores of about sqrt(D): undivided, softmax would pick a single key.
    scores = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)                  # (B,H,T,S)
    scores += mask                                           # -inf where a token may not look
    return scores.softmax(-1) @ v                                            # (B,H,T,D)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_head
        self.value = nn.Embedding(config.vocab_size, C)
        self.qkv = Linear(C, 3 * C, bias=False)
        self.out = Linear(C, C, bias=False)
        self.up = Linear(C, 4 * C, bias=False)
        self.down = Linear(4 * C, C, bias=False)

    def attention(self, x, ids, angle, mask, match=None, cache=None, layer=0):
        """What each token learns from those before it: x (B,T,C), ids (B,T) -> (B,T,C).

        angle (T,1,D/2) and mask (T,S) serve all rows; a cache brings one for each row. match, if
        given, is what is added to q, k and v, each (B,T,C).
        """
        B, T, C = x.shape
        # Each token asks a question q, and offers a key k to be found by and a value v.
        q, k, v = self.qkv(x).view(B, T, 3, self.n_head, -1).unbind(2)       # each (B,T,H,D)
        # To v it adds what it always offers, whatever x has become: its value embedding.
        v = v + self.value(ids).view_as(v).to(x.dtype)
        # One block is helped to find what followed when these two tokens stood here last (q and k),
        # and to hand over the token that it finds there (v).
        if match is not None:
            to_q, to_k, to_v = (more.view_as(v).to(x.dtype) for more in match)
            q, k, v = q + to_q, k + to_k, v + to_v
        # Normalised, q and k compare by direction alone. Turned by an angle that grows with the
        # position, they make q k' depend on how far apart two tokens stand, not on where.
        q, k = rotate(norm(q), angle), rotate(norm(k), angle)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)    # each (B,H,T,D)
        if cache is not None:                                # skip on a first reading
            k, v = cache.extend(layer, k, v)                                 # (B,H,S,D)
        y = attend(q, k, v, mask)                                            # (B,H,T,D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))

    def forward(self, x, ids, angle, mask, match=None, cache=None, layer=0):
        # Look at the others, then think about what was found (an MLP: 4C numbers, their squared
        # ReLU, back to C): each adds to x, nothing is replaced.
        x = x + self.attention(norm(x), ids, angle, mask, match, cache, layer)
        return x + self.down(self.up(norm(x)).relu_().square())


class GPT(nn.Module):
    """ids -> a vector for each token (wte) -> one block after another -> norm -> logits.

    The logits at place t score what may stand at t + 1. The mask hides all later tokens, so that
    one pass makes T honest guesses, and training learns from all of them; generating needs the last
    one alone. dtype, bf16 or fp32, is what the blocks compute in; logits come back as fp32.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.dtype = torch.float32
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)            # the head too: tied
        self.smear = nn.Parameter(torch.zeros(SMEAR, config.n_embd))
        self.match = nn.Embedding(config.vocab_size, config.n_embd)
        self.share = nn.Parameter(torch.zeros(()))           # of a token's embedding in a value
        self.sharpness = nn.Parameter(torch.zeros(()))       # log of a factor on all logits
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        for name, weight in self.named_parameters():
            std = 0.02
            if name.endswith(("out.weight", "down.weight", "value.weight", "smear", "share",
                              "sharpness")):
                std = 0.0                # at first they change nothing
            elif name == "match.weight":
                std = 0.5                # large, so that tokens are told apart from the first step
            nn.init.normal_(weight, std=std)
        # How many weights a token is multiplied by in the blocks.
        self.size = sum(part.weight.numel() for part in self.modules() if isinstance(part, Linear))
        # Fixed tables: the rotary angles of every position, as complex numbers of length 1, and
        # the causal mask, -inf wherever a token would look at a later one.
        T, half = config.block_size, config.n_embd // config.n_head // 2
        radians = torch.outer(torch.arange(T), 1e4 ** -torch.linspace(0, 1, half + 1)[:half])
        angle = torch.polar(torch.ones_like(radians), radians)[:, None]      # (T,1,D/2)
        self.register_buffer("angle", angle, persistent=False)
        mask = torch.full((T, T), -torch.inf).triu(1) if config.causal else torch.zeros(T, T)
        self.register_buffer("mask", mask, persistent=False)

    def hidden(self, ids, cache=None):
        """ids (B,T) -> (B,T,C), each token's vector after the last block, normalised."""
        WORK["tokens"] += ids.numel()
        count_flops(self.size, ids.numel())
        T = ids.size(1)
        if T > self.config.block_size:
            raise ValueError(f"{T} tokens do not fit a block of {self.config.block_size}")
        angle, mask = self.angle[:T], self.mask[:T, :T]
        with_past = F.pad(ids, (SMEAR, 0), value=-1)         # nothing stands before a text's first
        if cache is not None:                                # skip on a first reading
            angle, mask, with_past = cache.next_places(self, ids)
        # Each token becomes a vector of width C, and takes over a little from those before it.
        x = self.smeared(look_up(self.wte, with_past)).to(self.dtype)        # (B,T,C)
        match = self.match_vectors(look_up(self.match, with_past))           # twice (B,T,C)
        match = *match, self.share * norm(self.wte(ids))                     # for q, k and v
        # Every block adds to it; the second, or the only one, is given these three.
        for layer, block in enumerate(self.blocks):
            given = match if layer == min(1, len(self.blocks) - 1) else None
            x = block(x, ids, angle, mask.to(self.dtype), given, cache, layer)
        return norm(x)

    def smeared(self, vectors):
        """(B,SMEAR+T,C) -> x_t + smear_0 * x_{t-1} + smear_1 * x_{t-2} + smear_2 * x_{t-3}, of the
        last T: there is a smear (C,) for each distance.

        In "Ada Byron ... Ada" plain attention needs two layers to predict Byron: one to note that
        Byron stands after an Ada, one to find it. Mixed, Byron's vector contains Ada at once.
        """
        x = vectors[:, SMEAR:]
        for back in range(1, SMEAR + 1):
            x = x + self.smear[back - 1] * vectors[:, SMEAR - back:vectors.size(1) - back]
        return x

    def match_vectors(self, m):
        """m (B,SMEAR+T,C), the vectors of the match table -> what the second block adds to q and to
        k, each (B,T,C), of the last T:

            q_t += m_t + R m_{t-1}        this token and the one before it
            k_t += m_{t-1} + R m_{t-2}    the two tokens before it

        The vectors of a table agree where the tokens do: in "is Ada Byron ... is Ada" the query of
        the second Ada fits the key of Byron, whatever the name. R moves the C numbers in the vector
        of the earlier token on by two (any number would mark it): "is Ada" is not "Ada is".
        """
        # Each token with the one before it. A query takes its own pair, a key the one that ended
        # just before it.
        pair = m[:, 1:] + m[:, :-1].roll(2, -1)                              # (B,SMEAR-1+T,C)
        return pair[:, SMEAR - 1:], pair[:, SMEAR - 2:-1]

    def logits(self, x):
        """x (..,C) -> (..,V): how well each token of the vocabulary would follow."""
        # Compare with the embedding of every token: the head is the embedding table again.
        count_flops(self.wte.weight.numel(), x.numel() // x.size(-1))
        x = (x.float() * self.sharpness.exp()).to(x.dtype)
        return F.linear(x, self.wte.weight.to(x.dtype)).float()

    def forward(self, ids):
        return self.logits(self.hidden(ids))                                 # (B,T,V)


# -------------------------------------------------------------------------------------- generation

def pick(logits, u, temperature):
    """Samples one token per row from softmax(logits / temperature), by a uniform number u (B,).

    Think of the tokens as segments of a line, as long as they are likely: u says where we land.
    """
    if temperature < 1e-4:
        return logits.argmax(-1)                                             # (B,)
    end_of = (logits / temperature).softmax(-1).cumsum(-1)                   # (B,V), the last is 1
    u = u[:, None] * (1 - 2 ** -23) * end_of[:, -1:]     # below the end, however it was rounded
    return torch.searchsorted(end_of, u, right=True)[:, 0]


@torch.inference_mode()
def generate(model, prompts, max_new_tokens, temperature=1.0, stop=None, generator=None):
    """Continues each prompt (a list of ids) by up to max_new_tokens ids, `stop` kept as the last.

        while stop not in answer and len(answer) < max_new_tokens:      # and the block has room
            logits = model(torch.tensor([prompt + answer]))[:, -1]      # (1,V), of what comes next
            answer += pick(logits, torch.rand(1), temperature).tolist()

    For one prompt that is all. Below, the same is done for many, and faster: skip it on a first
    reading. Temperature 0 is greedy: always the likeliest token. Computed in fp32: for so little
    work a step, bf16 would be slower. stop: an id, or a set of ids, any of which ends an answer.
    """
    config = model.config
    B = len(prompts)
    lengths = [len(prompt) for prompt in prompts]
    if not all(0 < n < config.block_size for n in lengths) or not temperature >= 0:
        raise ValueError(f"prompts of {lengths} tokens, temperature {temperature}: a prompt needs "
                         f"1 to {config.block_size - 1} tokens, the temperature 0 or more")
    answers = [[] for _ in prompts]
    if B == 0 or max_new_tokens < 1:
        return answers
    device = model.wte.weight.device
    stops = stop if isinstance(stop, set) else {stop}
    longest = max(lengths)
    room = [min(max_new_tokens, config.block_size - n) for n in lengths]

    # Read all prompts at once, equal ones as one row, shorter ones padded on the right: no earlier
    # token looks there, and in the cache new tokens overwrite the pads before anybody reads them.
    row_of = {prompt: row for row, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
    ids = torch.tensor([p + (0,) * (longest - len(p)) for p in row_of], device=device)
    cache = Cache(config, len(ids), min(longest + max_new_tokens, config.block_size), device)
    rows = list(range(B))                        # the prompts that are still being answered
    done = set()
    with in_fp32(model):
        x = model.hidden(ids, cache)                                         # (rows of ids,T,C)
        cache.advance(torch.tensor(list(map(len, row_of)), device=device))
        # From here on each prompt has a row of its own.
        copies = [row_of[tuple(prompt)] for prompt in prompts]
        cache.keep(copies)
        x = x[copies, cache.read - 1]                        # (B,C), at each prompt's last token
        while rows:
            # Pick the next token of every row. Finished rows draw a random number, too, so that
            # what a row says does not depend on which others have finished.
            u = torch.rand(B, generator=generator, device=generator and generator.device)
            token = pick(model.logits(x), u[rows].to(device), temperature)   # (rows left,)
            for row, t in zip(rows, token.tolist()):
                if row not in done:
                    answers[row].append(t)
                    if t in stops or len(answers[row]) == room[row]:
                        done.add(row)
            # Finished rows leave the batch as soon as they are half of it.
            left = [i for i, row in enumerate(rows) if row not in done]
            if len(left) <= len(rows) // 2:
                rows = [rows[i] for i in left]
                token = token[left]
                cache.keep(left)
            # Feed the tokens back: what was said is part of what is read next.
            if rows:
                x = model.hidden(token[:, None], cache)[:, 0]                # (rows left,C)
                cache.advance(torch.ones_like(cache.read))
    return answers


class Cache:
    """Skip on a first reading: keys and values of all that each row has read, so that a new token
    costs one token's work. read (B,) counts a row's tokens, which is where its next one goes; tail
    (B,SMEAR) are its last ones, -1 where there is none."""

    def __init__(self, config, B, S, device):
        D = config.n_embd // config.n_head
        self.kv = torch.zeros(config.n_layer, 2, B, config.n_head, S, D, device=device)
        self.read = torch.zeros(B, dtype=torch.long, device=device)
        self.tail = torch.full((B, SMEAR), -1, device=device)

    def next_places(self, model, ids):
        """For each row's next tokens, ids (B,T): their angles (B,T,1,D/2), their mask (B,1,T,S),
        and themselves behind those that stood before (B,SMEAR+T)."""
        self.with_past = torch.cat([self.tail, ids], 1)
        self.places = self.read[:, None] + torch.arange(ids.size(1), device=ids.device)      # (B,T)
        mask = model.mask[self.places, :self.places.max() + 1].unsqueeze(1)
        return model.angle[self.places], mask, self.with_past

    def extend(self, layer, k, v):
        """A layer's new keys and values (B,H,T,D) -> all that have been read so far (B,H,S,D)."""
        index = self.places[:, None, :, None].expand_as(k)
        self.kv[layer, 0].scatter_(2, index, k)
        self.kv[layer, 1].scatter_(2, index, v)
        return self.kv[layer, :, :, :, :self.places.max() + 1]

    def advance(self, n):
        """n tokens (B,) have been read. A finished row that waits may reach the cache's end."""
        rows = torch.arange(len(self.read), device=self.read.device)[:, None]
        self.tail = self.with_past[rows, n[:, None] + torch.arange(SMEAR, device=n.device)]
        self.read = (self.read + n).clamp(max=self.kv.size(4) - 1)

    def keep(self, rows):
        """Goes on with these rows (list of int) alone; one may come several times."""
        rows = torch.tensor(rows, dtype=torch.long, device=self.kv.device)
        self.kv = self.kv.index_select(2, rows)              # as [:, :, rows], and faster
        self.read, self.tail = self.read[rows], self.tail[rows]


@contextlib.contextmanager
def in_fp32(model):
    """Inside, the blocks compute in fp32, whatever they train in."""
    dtype, model.dtype = model.dtype, torch.float32
    try:
        yield
    finally:
        model.dtype = dtype


# ================================================================================= running a stage

# What the networks of this process have read, and the floating-point operations that it took.
WORK = {"tokens": 0.0, "flops": 0.0}


def count_flops(weights, tokens):
    """Two operations for each weight and token, six where they are trained, attention left out
    (Kaplan et al. 2020, section 2.1)."""
    WORK["flops"] += weights * tokens * (6 if torch.is_grad_enabled() else 2)


# ------------------------------------------------------------------------------------- optimizers

def orthogonalise(x):
    """Matrices U S V' (N,rows,columns) -> nearly U V', by Newton-Schulz: a step keeps U and V, and
    turns each singular value s into 3.4445 s - 4.775 s^3 + 2.0315 s^5, which draws it near 1."""
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)        # now no singular value exceeds 1
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Skip on a first reading: W <- W - lr sqrt(max(1, rows/columns)) U V', where U S V' = G, the
    gradient with Nesterov's momentum (Jordan et al. 2024). Why not G? A few strong directions would
    be nearly the whole step. torch.optim.Muon always multiplies in bf16, this one in dtype."""
    def __init__(self, weights, lr, momentum=0.9, dtype=torch.float32):
        super().__init__(weights, {"lr": lr, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self):
        """One update of all matrices; those of one shape share the products."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                by_shape[p.shape].append((p, p.grad.lerp(mean, group["momentum"])))    # Nesterov
            for (rows, columns), same in by_shape.items():
                tall = rows > columns                        # lying down, x x' is smaller
                x = torch.stack([g.T if tall else g for _, g in same]).to(self.dtype)
                far = group["lr"] * max(1, rows / columns) ** 0.5
                for (p, _), u in zip(same, orthogonalise(x).float()):
                    p.sub_((u.T if tall else u) * far)


def make_optimizers(model, lr, lr_matrix, more=()):
    """Muon for the matrices of the blocks, AdamW for all other weights of the model, such as its
    embeddings, and for those in more, which are not the model's own."""
    matrices = [part.weight for part in model.modules() if isinstance(part, Linear)]
    by_muon = set(matrices)
    others = [weight for weight in model.parameters() if weight not in by_muon]
    return [adamw([([*others, *more], lr)], eps=1e-8),
            Muon(matrices, lr_matrix, dtype=model.dtype)]


def adamw(groups, eps):
    """torch's AdamW for [(weights, learning rate), ...], without weight decay."""
    groups = [{"params": weights, "lr": lr} for weights, lr in groups]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=eps, weight_decay=0)


def set_learning_rates(optimizer, factor):
    """Each group's rate becomes factor times the one it started with."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


def check_finite(model, loss):
    """Ends the stage if a step was too large and made weights nan or inf, before they are saved."""
    if not sum(p.detach().sum() for p in model.parameters()).isfinite():     # inf and nan spread
        refuse(f"the loss was {loss.item():.3g}, and this step made weights that are not numbers: "
               "lower the learning rate; the last checkpoint is untouched")


# ------------------------------------------------------------------------------------- checkpoints

def save_checkpoint(path, model, tokenizer, **extra):
    """One file with all that is needed to go on; whatever fails, an old file stays whole."""
    weights = {name: w.detach().cpu() for name, w in model.state_dict().items()}
    data = io.BytesIO()
    torch.save({"weights": weights, "config": asdict(model.config), "extra": extra,
                "tokenizer": tokenizer.to_dict()}, data)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        bpe.write_file(path, data.getbuffer())
    except OSError as error:
        refuse(f"cannot write {path}: {error.strerror}")


def load_checkpoint(path, device="cpu"):
    """What save_checkpoint wrote -> model, tokenizer, extra; any other file ends the stage."""
    try:
        # weights_only: a foreign file cannot run code.
        data = torch.load(path, map_location=device, weights_only=True)
        model = GPT(GPTConfig(**data["config"])).to(device)
        model.load_state_dict(data["weights"])
        model.dtype = best_dtype(torch.device(device))
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise ValueError("weights that are not numbers")
        tokenizer = bpe.BPE.from_dict(data["tokenizer"])
        if tokenizer.vocab_size > model.config.vocab_size:
            raise ValueError("tokens without weights")
        check_specials(tokenizer, path)
        return model, tokenizer, dict(data["extra"])
    except FileNotFoundError:
        path = Path(path)
        if path.name not in [f"{stage}.pt" for stage in "pretrain masked sft reward ppo".split()]:
            refuse(f"{path} is missing, and no stage makes a file of that name: is it misspelt?")
        maker = f"{path.stem}.py" if path.stem != "masked" else "pretrain.py --masked"
        refuse(f"{path} is missing: python {maker} --out {path.parent} makes it")
    except Exception as error:               # a foreign or cut file can fail in any way
        refuse(f"{path} is not a whole checkpoint of this project: {type(error).__name__}")


def check_specials(tokenizer, path):
    """A chat's special tokens are needed sooner or later: better now than after the training."""
    missing = [name for name in bpe.SPECIALS if name not in tokenizer.specials]
    if missing:
        refuse(f"{path}: its tokenizer has no {' '.join(missing)}; make it with python bpe.py")


def fingerprint(model):
    """A number that tells two trained models apart, by the embeddings: all training moves them."""
    return zlib.crc32(model.wte.weight.detach().float().cpu().numpy().tobytes())


def load_stage(path, stage, device, dtype=None, like=None):
    """A checkpoint of one certain stage, and of the tokenizer like -> model, tokenizer, extra."""
    model, tokenizer, extra = load_checkpoint(path, device)
    if extra.get("stage") != stage:
        refuse(f"{path} is of stage {extra.get('stage')}, not {stage}: python {stage}.py makes one")
    if like and tokenizer.to_dict() != like.to_dict():
        refuse(f"{path} has another tokenizer than the stages before: run python {stage}.py again")
    model.dtype = dtype or model.dtype
    check_device(model, torch.arange(64)[None], device)
    return model, tokenizer, extra


# -------------------------------------------------------------------------- flags, start, progress

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
    for name, (value, text) in flags.items():
        p.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value,
                       help=f"{text} ({value})")
    return p


# What a flag may be: the least and the most. Counts are 1 or more; all others may be 0.
LIMITS = {"seed": (0, 2 ** 63 - 1), "mix": (0, 10 ** 6), "warm_up": (0, 10 ** 9), "lam": (0, 1),
          "alpha": (0, 1), "block": (1, 2 ** 14), "width": (1, 2 ** 14), "depth": (1, 1000),
          "batch": (1, 10 ** 6), "prompts": (1, 10 ** 7), "epochs": (1, 1000)}


def check_flags(args):
    """A flag out of its LIMITS ends the program."""
    for name, value in vars(args).items():
        least, most = LIMITS.get(name, (int(type(value) is int), 10 ** 9))
        if type(value) in (int, float) and not least <= value <= most:
            refuse(f"--{name.replace('_', '-')} {value}: it must be {least} to {most:,}")
        if value == "":
            refuse(f"--{name.replace('_', '-')} is empty")


def start(args, *outputs):
    """What every stage does first -> out folder, device, dtype. A bad flag ends it here, and so do
    outputs that cannot be written."""
    bpe.print_anything()
    check_flags(args)
    for name in outputs:
        bpe.check_output(Path(args.out) / name)
    torch.manual_seed(args.seed)
    keep_memory()
    device = pick_device(args.device)
    types = {"auto": None, "bf16": torch.bfloat16, "fp32": torch.float32}
    if args.dtype not in types:
        refuse(f"--dtype {args.dtype} is unknown: choose from {', '.join(types)}")
    return Path(args.out), device, types[args.dtype] or best_dtype(device)


def pick_device(name):
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = ("cuda" if found["cuda"] else "cpu") if name == "auto" else name
    if name != "cpu" and not found.get(name):
        there = ["auto", "cpu", *(kind for kind in found if found[kind])]
        refuse(f"no device {name} here: choose from {', '.join(there)}")
    return torch.device(name)


@functools.lru_cache
def best_dtype(device=torch.device("cpu")):
    """bf16 where the hardware multiplies matrices clearly faster in it, else fp32. CUDA tells; a
    processor is tried: of those with instructions for bf16 some are twice as fast, some slower."""
    if device.type != "cpu":
        cuda = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if cuda else torch.float32
    # On one thread, in turns, and the best of many: other programs must not decide.
    squares = [torch.ones(512, 512, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    times = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(20):
        for square in squares:
            began = time.perf_counter()
            square @ square
            times.append(time.perf_counter() - began)
        # Without such instructions bf16 is dozens of times slower: that is soon seen.
        if len(times) >= 6 and min(times[1::2]) > 4 * max(times[::2]):
            break
    torch.set_num_threads(threads)
    return torch.bfloat16 if min(times[1::2]) < .7 * min(times[::2]) else torch.float32


@torch.no_grad()
def check_device(model, ids, device):
    """Warns if the loss of ids (B,T) on the device is not that on the CPU."""
    if torch.device(device).type == "cpu":
        return
    cpu, here = (F.cross_entropy(model.to(d)(ids[:, :-1].to(d)).mT, ids[:, 1:].to(d)).item()
                 for d in ("cpu", device))
    if not abs(cpu - here) <= 0.02 * cpu:
        print(f"warning: the loss is {here:.4f} on {device}, {cpu:.4f} on cpu: use --device cpu")


def keep_memory():
    """Tells glibc to keep memory that was freed: else each step asks for the same pages again."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 2 ** 31 - 1)                        # M_TRIM_THRESHOLD
        libc.mallopt(-4, 0)                                  # M_MMAP_MAX
    except OSError:
        pass                                     # macOS and Windows have another C library


def progress(step, steps, seconds, text):
    """One line, rewritten in place on a terminal; elsewhere a plain line every tenth of the way."""
    left = seconds / step * (steps - step)
    line = f"{step:,.0f}/{steps:,.0f}  {text}  {left:.0f} s left"
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="" if step < steps else "\n", flush=True)
    elif step % max(1, steps // 10) < 1 or step == steps:
        print(line, flush=True)


def show_metrics(metrics):
    print("\n".join(f"  {name:30s} {value:.3f}" for name, value in metrics.items()))


def figure(columns):
    """A picture for a projector, drawn into a file -> matplotlib's figure, list of its axes."""
    from matplotlib import rcParams, figure                  # here: it takes a while
    rcParams["font.size"] = 16
    fig = figure.Figure(figsize=(8 * columns, 6), layout="constrained")
    return fig, fig.subplots(1, columns, squeeze=False)[0]


def plot_smooth(axis, steps, values, label):
    """A noisy curve, pale, and over it its running mean: at each step that of the values just
    before it, as many as a tenth of all steps."""
    span = max(1, len(values) // 10)
    smooth = [np.mean(values[max(0, i + 1 - span):i + 1]) for i in range(len(values))]
    line, = axis.plot(steps, smooth, lw=3, label=label)
    axis.plot(steps, values, color=line.get_color(), alpha=0.25)


def run_stage(main):
    """Runs a stage; Ctrl-C, a file that fails or too little memory end it with one line."""
    try:
        main()
    except KeyboardInterrupt:
        print("\nstopped; only pretraining can go on from its last save (pretrain.py --resume, not "
              "with --masked)")
        raise SystemExit(130) from None
    except OSError as error:
        refuse(f"{error.filename or 'the screen'}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:             # torch may say it in words only
        if not re.search("(?i)memory|storage size", repr(error)):
            raise
        refuse("this machine's memory is too small for that: lower --batch, --block or --width")


def warn_of_unended(share, max_tokens):
    """Warns if most answers are cut off: their scores would only say that they were cut."""
    if share < .5:
        print(f"warning: only {share:.0%} of the answers end within {max_tokens} tokens: "
              "give a larger --max-tokens")


# ------------------------------------------------------------------------------- data of the stages

def read_jsonl(path, parse):
    """JSON lines -> [parse(object) for each line]; a bad line is named by its number."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise OSError("it is not a file")
        lines = open(path, encoding="utf-8-sig").read().split("\n")         # editors may add a mark
    except (OSError, ValueError) as error:
        refuse(f"cannot read {path} as UTF-8 text: {error}")
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is not an object, {...}; write one a line")
                # A column that is null counts as absent.
                rows.append(parse({name: x for name, x in row.items() if x is not None}))
            except json.JSONDecodeError as error:
                refuse(f"{path}, line {number}: not JSON ({error.msg}); write one object a line")
            except KeyError as error:
                refuse(f"{path}, line {number}: the field {error} is missing")
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                refuse(f"{path}, line {number}: {error}")
    return rows or refuse(f"{path} is empty: write one JSON object a line")


def ask(question):
    """What a person types, without spaces around it -> str; again, if it is not UTF-8 text."""
    if sys.stdin is None:                                    # closed, as by <&-
        raise EOFError
    if getattr(sys.stdin, "errors", None) == "strict":       # once, before anything is read
        sys.stdin.reconfigure(errors="surrogateescape")      # bytes come through as half letters
    while re.search("[\ud800-\udfff]", line := input(question).strip()):
        print("that is not UTF-8 text: please type it again")
    return line


def check_typing(flag, path, data):
    """Refuses, before a person answers, what append_json() could not or should not write to."""
    if data:
        refuse(f"--{flag} asks about the tiny internet: leave out --data")
    path = Path(path)
    bpe.check_output(path)
    if path.exists() and not (path.is_file() and open(path, "rb").read(1) in (b"", b"{", b"\xef")):
        refuse(f"{path} holds something else than JSON lines: name another file")


def append_json(path, row):
    """Appends a JSON line and closes the file at once, so that nothing typed is lost."""
    try:
        with open(path, "ab+") as file:
            if file.tell():
                file.seek(-1, io.SEEK_END)
                if file.read() != b"\n":         # somebody's editor has left its last line open
                    file.write(b"\n")
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        refuse(f"cannot write {path}: {error.strerror}")


def fitting(rows, length, size):
    """The rows of at most size tokens; says how many are longer, and refuses if all are."""
    fit = [row for row in rows if length(row) <= size]
    if not fit:
        refuse(f"all {len(rows)} examples are too long for the block: {size} tokens fit")
    if len(fit) < len(rows):
        print(f"{len(rows) - len(fit)} of {len(rows)} examples are longer than {size} tokens, "
              "which is what fits the block: they are left out")
    return fit


def pad(rows, device):
    """Ragged lists -> (B,T) long, padded on the right. T is a multiple of 8: for each new shape
    the CPU first searches for its fastest way to multiply, so the fewer shapes the better."""
    longest = -(-max(map(len, rows)) // 8) * 8
    return torch.tensor([list(r) + [0] * (longest - len(r)) for r in rows], device=device)


def pad_with_lengths(rows, device):
    """Ragged lists -> ids (B,T) long, and how many of each row are real (B,)."""
    return pad(rows, device), torch.tensor([len(row) for row in rows], device=device)


def bucketed_batches(rows, args, size):
    """Yields (step, batch): rows of similar size, so that little of a batch is padding.

    Each epoch goes through all rows once, in an order that depends on seed and epoch.
    """
    starts = np.arange(0, len(rows), args.batch)
    for step in range(args.steps):
        epoch, at = divmod(step, len(starts))
        if at == 0:
            # Shuffle, sort by size (rows of one size stay shuffled), cut, shuffle the pieces.
            rng = np.random.default_rng((args.seed, epoch))
            order = sorted(rng.permutation(len(rows)), key=lambda i: size(rows[i]))
            shuffled = rng.permutation(starts)
        yield step, [rows[i] for i in order[shuffled[at]:shuffled[at] + args.batch]]


# ========================================================================================== a tool

CALL = "calculator: "          # an assistant's turn that begins so is a call (article 5, tools)


def calculate(text):
    """"17 * 24 - 8" -> "400": whole numbers with + - *, products first; else what it cannot do."""
    if not re.fullmatch(r"\s*-?\d+(\s*[-+*]\s*-?\d+)*\s*", text) or len(text) > 100:
        return "I can only add, subtract and multiply whole numbers."
    total = product = 0
    # product is the term that is being read; at + or - it is complete, and added to the total.
    for operation, digits in re.findall(r"([-+*])\s*(-?\d+)", f"+{text}"):
        number = int(digits)
        if operation == "*":
            product *= number
        else:
            total += product
            product = number if operation == "+" else -number
    return str(total + product)


# ============================================================================================ chat

class Speaker(NamedTuple):
    """A checkpoint that one can talk to. exchanges: lists of ids, what it remembers of the chat."""
    name: str
    model: GPT
    tokenizer: bpe.BPE
    chats: bool        # an assistant answers; a base model completes
    exchanges: list
    generator: torch.Generator


def load_speaker(path, args):
    """A checkpoint of a stage that talks -> Speaker; others are refused by what they are."""
    if not path:
        refuse("a checkpoint's name is empty: try out/ppo.pt")
    model, tokenizer, extra = load_checkpoint(path, pick_device(args.device))
    silent = {"reward": "is a reward model: it judges answers, it does not talk",
              "masked": "is a masked model: it fills gaps, it does not talk",
              "partial": "is half-finished: pretrain.py --resume goes on with it"}
    if extra.get("stage") not in ("pretrain", "sft", "ppo"):
        refuse(f"{path} {silent.get(extra.get('stage'), 'is of no stage that talks')}")
    return Speaker(Path(path).stem, model, tokenizer, extra.get("stage") in ("sft", "ppo"),
                   [], torch.Generator().manual_seed(args.seed))


def read_prompt(speaker, text, max_tokens):
    """The conversation so far and text -> ids. Encoded as plain text: nobody can type a special
    token. A full block forgets its oldest turns. ValueError: text alone is too long."""
    # A base model has never met the tokens of a chat: it gets the bare text.
    ids = speaker.tokenizer.encode(text)
    special = speaker.tokenizer.specials
    if not ids:
        raise ValueError("a text of 0 tokens: type something")
    if speaker.chats:
        ids = [special["<|user|>"], *ids, special["<|assistant|>"]]
    size = speaker.model.config.block_size
    limit = size - min(max_tokens, size // 2)                                # leaves room to answer
    if len(ids) > limit:
        raise ValueError(f"that is {len(ids)} tokens, and this model reads 1 to {limit} at once")
    while len(ids) + sum(map(len, speaker.exchanges)) > limit:
        print(f"(the chat has outgrown {size} tokens: its oldest turn is forgotten)")
        speaker.exchanges.pop(0)
    return [i for exchange in speaker.exchanges for i in exchange] + ids


def reply(speaker, text, args):
    """Completes text or, in a chat, answers it and remembers both -> str."""
    special = speaker.tokenizer.specials
    prompt = read_prompt(speaker, text, args.max_tokens)
    earlier = sum(map(len, speaker.exchanges))       # tokens of the chat before this exchange
    said = ""
    end = special["<|end|>" if speaker.chats else "<|endoftext|>"]
    # Twice at most: after a call of the calculator the assistant speaks once more.
    for may_call in (speaker.chats, False):
        new = generate(speaker.model, [prompt], args.max_tokens, args.temperature, end,
                       speaker.generator)[0]
        ended = new[-1:] == [end]
        new = new[:-1] if ended else new
        said += speaker.tokenizer.decode(new)
        if not (may_call and ended and said.startswith(CALL)):
            break
        # A call: its result comes back as a message of its own, and the assistant speaks again.
        # Without room for that, the call is the answer.
        result = calculate(said.removeprefix(CALL))
        longer = [*prompt, *new, end, special["<|tool|>"], *speaker.tokenizer.encode(result), end,
                  special["<|assistant|>"]]
        if len(longer) >= speaker.model.config.block_size:
            break
        prompt = longer
        said = f"({said} -> {result})\n"
    # A chat remembers both sides; the next prompt begins with them.
    if speaker.chats:
        speaker.exchanges.append(prompt[earlier:] + new + [end])
    return said


def likeliest(speaker, text, args):
    """The ten likeliest next tokens, with their probabilities -> str of ten lines."""
    prompt = read_prompt(speaker, text, args.max_tokens)
    with torch.no_grad(), in_fp32(speaker.model):
        ids = torch.tensor([prompt], device=speaker.model.wte.weight.device)
        probabilities = speaker.model(ids)[0, -1].softmax(-1)                # (V,)
    # A bar of # for each, so that the distribution can be seen.
    top = probabilities.topk(10)
    lines = []
    for p, i in zip(top.values.tolist(), top.indices.tolist()):
        token = speaker.tokenizer.show(i).replace("\n", "\\n")
        lines.append(f"{p:6.1%} {'#' * round(50 * p):50s} '{token}'")
    return "\n".join(lines)


def typed_lines():
    """What is typed into the chat, line by line, until one is empty."""
    while line := ask(bpe.paint("you> ", "36")):
        yield line


def main(argv=None):
    """A chat, one answer (--prompt) or the likeliest next tokens (--next) of checkpoints."""
    parser = argparse.ArgumentParser(description="Talk with checkpoints; an empty line ends it.")
    flag = parser.add_argument
    flag("checkpoints", nargs="*", default=["out/ppo.pt"], metavar="checkpoint",
         help="what stages have made; several answer one under the other (out/ppo.pt)")
    flag("--prompt", help="one text to answer or to complete, instead of a conversation")
    flag("--next", nargs="?", const="What is your favourite", metavar="TEXT",
         help="the ten likeliest next tokens of a text (What is your favourite)")
    flag("--temperature", type=float, default=0.7, help="0 always takes the likeliest token (0.7)")
    flag("--max-tokens", type=int, default=64, help="the longest answer, in tokens (64)")
    flag("--seed", type=int, default=0, help="another number, other samples (0)")
    flag("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    args = parser.parse_args(argv)
    if args.next is not None and args.prompt is not None:
        refuse("--prompt asks for an answer, --next for the likeliest tokens: give one of them")
    if args.next and args.next.endswith(".pt"):
        refuse(f"--next {args.next}: checkpoints stand before --next, a text behind it")
    check_flags(args)
    bpe.print_anything()
    # Each checkpoint is a speaker; all of them get each line.
    speakers = [load_speaker(path, args) for path in args.checkpoints]
    if len({speaker.name for speaker in speakers}) < len(speakers):      # out/ppo.pt ex/ppo.pt
        speakers = [s._replace(name=path) for s, path in zip(speakers, args.checkpoints)]
    respond, once = reply, args.prompt
    if args.next is not None:
        respond, once = likeliest, args.next
    try:
        for text in typed_lines() if once is None else [once.strip()]:
            for speaker in speakers:
                if len(speakers) > 1:
                    print(bpe.paint(f"{speaker.name}> ", "32"), end="\n" * (respond is likeliest))
                try:
                    print(respond(speaker, text, args))
                except ValueError as error:
                    print(error) if once is None else refuse(error)
    except (EOFError, KeyboardInterrupt):
        print()


if __name__ == "__main__":
    # Who reads along may stop early, as in python model.py ... | head.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    run_stage(main)

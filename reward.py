"""Stage 3, the reward model: a network that learns to judge answers as people rank them.

    minimise   L = -mean over pairs of log sigmoid(r(prompt, better) - r(prompt, worse))

In: out/sft.pt and rankings of its own answers, K = 4 to a prompt. Out: out/reward.pt, which gives
any prompt and answer a score r, and out/reward.png. It belongs to 'Reward Modelling' of article 2,
'training the reward model' of article 3 (the mechanic who learns your taste) and 'Stage 3' of
article 4. The people who rank are simulated: they have a gold score, documented in gold(), and see
it through noise, so that two of them agree about as often as InstructGPT's (73 %). Simpler than
InstructGPT: one noise for all labelers, and a trunk as small as the policy's.

    python reward.py                the simulated labeler ranks
    python reward.py --label FILE   you rank: asks which of two answers is better, appends to FILE
    python reward.py --data FILE    JSON lines: {"prompt", "chosen", "rejected"} or
                                    {"prompt", "ranked": [best, .., worst]}; several files with ","
"""
import json
import math
import random
import sys
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import pretrain
from bpe import stop
from model import load_checkpoint, pick_device, save_checkpoint
from sft import (Prompt, answer, check, held_out, judge, make_prompt, pad, read_jsonl, render,
                 render_prompt, user, assistant)

# ------------------------------------------------------------------------------------------- data

NOISE = .8  # of the simulated labeler, in units of gold


class Comparison(NamedTuple):
    messages: list   # the prompt, its last message the user's
    ranked: list     # answers, best first


def gold(prompt, text):
    """What the simulated labeler really thinks of an answer: the truth that the reward model guesses.

    +1 right (or admitting not to know what nobody can know), -1 wrong or made up, -.5 not knowing
    what is known; +.5 for one pleasantry, -.5 for each one more; -1 for rudeness; -1 for never ending.
    """
    v = judge(prompt, text)
    manners = .5 - .5 * (v.polite - 1) if v.polite else 0
    truth = 1 if v.right else -.5 if v.admits else -1
    return truth + manners - v.rude - (not v.ended)


def rank(golds, rng):
    """One labeler's ranking, best first -> indices. Gumbel noise makes P(a before b) = sigmoid(gap / NOISE)."""
    seen = [g - NOISE * math.log(-math.log(rng.random() or .5)) for g in golds]
    return sorted(range(len(golds)), key=lambda i: -seen[i])


def sample(model, tokenizer, prompts, k, seed):
    """k answers of the model to each prompt, at temperature 1 -> list of lists of texts."""
    texts, _ = answer(model, tokenizer, [p for p in prompts for _ in range(k)], seed=seed)
    return [texts[i:i + k] for i in range(0, len(texts), k)]


def as_comparison(row):
    """A JSON object in one of the two shapes -> Comparison, checked."""
    messages = [user(row["prompt"])] if isinstance(row["prompt"], str) else row["prompt"]
    ranked = row["ranked"] if "ranked" in row else [row["chosen"], row["rejected"]]
    check(messages, last="user")
    if len(ranked) < 2:
        raise ValueError("a ranking needs two answers or more")
    for text in ranked:
        check(messages + [assistant(text)])
    return Comparison(messages, ranked)


def tokens(tokenizer, messages, text):
    """Prompt and answer as ids; an answer's <|end|> is the token only where it really ended."""
    end = [tokenizer.specials["<|end|>"]] if text.endswith("<|end|>") else []
    return render_prompt(messages, tokenizer) + tokenizer.encode(text.removesuffix("<|end|>")) + end


# -------------------------------------------------------------------------------------- objective

class RewardModel(nn.Module):
    """The SFT model with its output head replaced by one number, read at the last real token."""

    def __init__(self, gpt):
        super().__init__()
        self.gpt, self.head = gpt, nn.Linear(gpt.config.n_embd, 1)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=1 / (gpt.config.n_embd + 1) ** .5)
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("gain", torch.ones(()))

    def values(self, ids):
        """A score at every token, of what stands there so far: (B,T) -> (B,T)."""
        return (self.head(self.gpt.hidden(ids).float()).squeeze(-1) - self.bias) * self.gain

    def forward(self, ids, lengths):
        """ids (B,T) padded on the right, lengths (B,) -> scores (B,)."""
        return self.values(ids)[torch.arange(len(ids)), lengths - 1]

    @torch.no_grad()
    def normalise(self, scores):
        """Makes these scores of SFT samples mean 0 and standard deviation 1; no ranking changes."""
        self.bias += scores.mean() / self.gain
        self.gain /= scores.std().clamp(min=1e-6)


def ranking_loss(scores):
    """-log sigmoid(better - worse), the mean over all K(K-1)/2 pairs of a ranking, then over P.

    scores (P,K), best first. InstructGPT 3.5, equation 1; article 2, 'RM : Algorithm'.
    """
    better, worse = torch.triu_indices(scores.size(1), scores.size(1), offset=1)
    return -F.logsigmoid(scores[:, better] - scores[:, worse]).mean()


# ------------------------------------------------------------------------------------- evaluation

def best_of_n(proxy, golds, n):
    """Exact expectation of the gold of the best of n by proxy, from one prompt's N >= n samples.

    Sorted by proxy, sample i (from 1) is the best of n drawn without replacement in C(i-1, n-1) of
    the C(N, n) ways; samples with equal proxy share their weights. (Gao et al. 2022, appendix.)
    """
    proxy, golds = np.asarray(proxy, float), np.asarray(golds, float)
    if not 1 <= n <= len(proxy):
        raise ValueError(f"best of {n} needs at least {n} samples, not {len(proxy)}")
    N, order = len(proxy), np.argsort(proxy, kind="stable")
    weight = np.array([math.comb(i - 1, n - 1) / math.comb(N, n) for i in range(1, N + 1)])
    _, tied = np.unique(proxy[order], return_inverse=True)
    mean_gold = np.bincount(tied, golds[order]) / np.bincount(tied)
    return float(weight @ mean_gold[tied])


@torch.no_grad()
def score(rm, tokenizer, prompts, texts, device="cpu"):
    """Scores (N,) of one text to each prompt; equal pairs are read once."""
    rows = [tuple(tokens(tokenizer, p.messages, t)) for p, t in zip(prompts, texts)]
    unique = sorted(set(rows), key=lambda r: (len(r), r))
    found = {}
    for i in range(0, len(unique), 256):
        some = unique[i:i + 256]
        s = rm(pad(some, device=device), torch.tensor([len(r) for r in some], device=device))
        found.update(zip(some, s.tolist()))
    return torch.tensor([found[r] for r in rows])


def pair_accuracy(scores, order):
    """Share of the pairs with different order values that scores put in that order; both (P,K)."""
    i, j = np.triu_indices(scores.shape[1], 1)
    s, o = scores[:, i] - scores[:, j], order[:, i] - order[:, j]
    return float(((s * o) > 0)[o != 0].mean())


# ------------------------------------------------------------------------------------------ train

def train(rm, opt, comparisons, tokenizer, args, device, first=0):
    """Step after step, yields (step, loss): a batch of prompts, all answers of each, all their pairs."""
    rows = [[tokens(tokenizer, c.messages, t) for t in c.ranked] for c in comparisons]
    for step in range(first, args.steps):
        epoch, at = divmod(step * args.batch, max(len(rows), args.batch))
        order = np.random.default_rng((args.seed, epoch)).permutation(len(rows))
        batch = [rows[i] for i in order[at:at + args.batch]]
        flat = [r for answers in batch for r in answers]
        scores = rm(pad(flat, device=device), torch.tensor([len(r) for r in flat], device=device))
        loss = torch.stack([ranking_loss(s[None]) for s in scores.split([len(b) for b in batch])]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rm.parameters(), 1.0)
        for group in opt.param_groups:
            group["lr"] = args.lr * (1 - step / args.steps)
        opt.step()
        opt.zero_grad()
        yield step + 1, pretrain.check_finite(loss.item(), step + 1)


def load_reward(path, device):
    gpt, tokenizer, extra = load_checkpoint(path, device)
    rm = RewardModel(gpt).to(device)
    rm.load_state_dict(extra["head"], strict=False)
    return rm, tokenizer, extra


def main(argv=None):
    args = pretrain.arguments(__doc__, data="JSON lines", steps=(200, "updates"), batch=(16, "prompts a step"),
                     prompts=(1000, "prompts"), lr=(3e-4, "AdamW")).parse_args(argv)
    t0 = time.perf_counter()
    out, device = pretrain.out_folder(args.out), pick_device(args.device)
    torch.manual_seed(args.seed)
    sft, tokenizer, extra = load_checkpoint(out / "sft.pt", device)
    rng = random.Random(args.seed + 2000)
    prompts = [make_prompt(rng, 0) for _ in range(args.prompts)]
    answers = sample(sft, tokenizer, prompts, 4, args.seed)
    print("sampled", time.perf_counter() - t0)
    golds = [[gold(p, t) for t in a] for p, a in zip(prompts, answers)]
    comparisons = [Comparison(p.messages, [a[i] for i in rank(g, rng)]) for p, a, g in zip(prompts, answers, golds)]
    rm = RewardModel(sft).to(device)
    opt = torch.optim.AdamW(rm.parameters(), lr=args.lr, betas=(.9, .95), weight_decay=0)
    val = random.Random(9).sample(held_out(n_unknown=170), 300)
    for step, loss in train(rm, opt, comparisons, tokenizer, args, device):
        if step % 25 == 0:
            print(step, loss, time.perf_counter() - t0)
    sft, tokenizer, extra = load_checkpoint(out / "sft.pt", device)
    val_answers = sample(sft, tokenizer, val, 4, 123)
    vg = np.array([[gold(p, t) for t in a] for p, a in zip(val, val_answers)])
    flat = [(p, t) for p, a in zip(val, val_answers) for t in a]
    vs = score(rm, tokenizer, *zip(*flat)).reshape(-1, 4).numpy()
    n1, n2 = [np.array([[-rank(list(g), rng).index(i) for i in range(4)] for g in vg]) for _ in (0, 1)]
    i, j = np.triu_indices(4, 1)
    nt = vg[:, i] != vg[:, j]
    sgn = lambda x: np.sign(x[:, i] - x[:, j])[nt]
    print("gold mean", vg.mean(), "clean acc", pair_accuracy(vs, vg), "noisy", (sgn(vs) == sgn(n1)).mean(),
          "ceiling", (sgn(vg) == sgn(n1)).mean(), "agree", (sgn(n1) == sgn(n2)).mean())
    for kind in ("known", "unknown"):
        k = [p.kind == kind for p in val]
        print(kind, pair_accuracy(vs[k], vg[k]))
    rm.normalise(torch.tensor(vs).flatten())
    save_checkpoint(out / "reward.pt", rm.gpt, tokenizer, stage="reward", metrics={},
                    head={k: v for k, v in rm.state_dict().items() if not k.startswith("gpt.")})
    print("done", time.perf_counter() - t0)


if __name__ == "__main__":
    main()

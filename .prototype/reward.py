"""Stage 3, the reward model: a network that learns to judge answers as people rank them.

    minimise   L = -mean of log sigmoid(r(prompt, better) - r(prompt, worse))

over the pairs of each ranking, then over the rankings.
In: out/sft.pt and rankings of its own answers, up to K = 4 to a prompt. Out: out/reward.pt, which
gives prompt and answer a score r, and out/reward.png. Belongs to 'Reward Modelling' of article 2,
'training the reward model' of article 3 (the mechanic who learns your taste) and 'Stage 3' of
article 4. The people who rank are simulated: they have a gold score, documented in gold(), and see
it through noise, so that two of them agree about as often as InstructGPT's (73 %). Simpler than
InstructGPT: one noise for all labelers, and a network as small as the policy's.

    python reward.py                the simulated labeler ranks: a minute on two cores, then it
                                    orders nearly nine of ten pairs as gold does
    python reward.py --label FILE   you rank: asks which of two answers is better, appends to FILE
    python reward.py --data FILE    JSON lines: {"prompt", "chosen", "rejected"} or
                                    {"prompt", "ranked": [best, .., worst]}; several files with ","
"""
import copy
import itertools
import json
import math
import random
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import pretrain
from bpe import stop
from model import check_device, save_checkpoint
from sft import (Prompt, UNKNOWN, alike, answer, as_prompt, assistant, check, demonstrate, fitting,
                 held_out, judge, make_prompt, told, unknown, pad, read_jsonl, render_prompt, user)

# ------------------------------------------------------------------------------------------- data

# What is asked here and in PPO: more of what can be known than demonstrations hold, since not
# knowing is the easy way out.
ASKED = {"known": 32, "reverse": 7, "unknown": 9, "beyond": 10, "small talk": 16, "echo": 3,
         "sum": 5, "recall": 7, "told": 11}
NOISE = .64  # of the simulated labeler, in units of gold: two of them agree on 73 % of the pairs


class Comparison(NamedTuple):
    messages: list   # the prompt, its last message the user's
    ranked: list     # answers, best first


def gold(prompt, text):
    """What the simulated labeler really thinks of an answer; the reward model has to guess it.

    +1 right (or admitting not to know what nobody can know), -1 wrong or made up, -.5 not knowing
    what is known; +.5 for one pleasantry, -.5 for each more (where they do not belong, in small
    talk and beside not knowing: for each); -1 for rudeness; -1 for never ending.
    """
    v = judge(prompt, text)
    welcome = prompt.kind != "chat" and not v.admits
    manners = welcome - .5 * v.polite if v.polite else 0
    truth = 1 if v.right else -.5 if v.admits else -1
    return truth + manners - v.rude - (not v.ended)


def rank(golds, rng):
    """One labeler's ranking -> indices, best first. With Gumbel noise, the difference of two of
    which is logistic, P(a before b) = sigmoid((gold a - gold b) / NOISE)."""
    seen = [g - NOISE * math.log(-math.log(rng.random() or .5)) for g in golds]
    return sorted(range(len(golds)), key=lambda i: -seen[i])


def sample(model, tokenizer, prompts, k, seed):
    """k answers of the model to each prompt, at temperature 1 -> list of lists of texts."""
    texts, _ = answer(model, tokenizer, [p for p in prompts for _ in range(k)], seed=seed)
    return [texts[i:i + k] for i in range(0, len(texts), k)]


def as_comparison(row):
    """A JSON object in one of the two shapes -> Comparison, checked."""
    messages = as_prompt(row)
    ranked = row["ranked"] if "ranked" in row else [row["chosen"], row["rejected"]]
    if not isinstance(ranked, list):
        raise ValueError("a ranking is a list of answers, best first")
    for text in ranked:
        check(messages + [assistant(text)])
    ranked = [text.removesuffix("<|end|>") + "<|end|>" for text in ranked]
    if len(set(ranked)) < max(2, len(ranked)):
        raise ValueError("a ranking needs two different answers or more, and none twice")
    return Comparison(messages, ranked)


def tokens(tokenizer, messages, text):
    """Prompt and answer as ids; an answer's <|end|> is the token only where it really ended."""
    end = [tokenizer.specials["<|end|>"]] if text.endswith("<|end|>") else []
    return render_prompt(messages, tokenizer) + tokenizer.encode(text.removesuffix("<|end|>")) + end


def lengths(rows, device):
    return torch.tensor([len(r) for r in rows], device=device)


def compare(sft, tokenizer, args):
    """K = 4 answers of the SFT model to each prompt and one demonstration, all ranked by one
    simulated labeler, the same answer only once: ties teach nothing -> comparisons, the prompts,
    all answers of the model."""
    rng = random.Random(args.seed + 2000)
    prompts = [make_prompt(rng, 0, ASKED) for _ in range(args.prompts)]
    texts = sample(sft, tokenizer, prompts, 4, args.seed)
    comparisons = []
    for p, four in zip(prompts, texts):
        shown = demonstrate(p, rng.choice(["helpful", "polite"]), rng) + "<|end|>"
        different = list(dict.fromkeys(four + [shown]))
        order = rank([gold(p, t) for t in different], rng)
        if len(order) > 1:
            comparisons.append(Comparison(p.messages, [different[i] for i in order]))
    if not comparisons:
        stop("the SFT model gives each prompt the same answer every time: nothing can be ranked")
    return comparisons, prompts, texts


def split(comparisons):
    """About a tenth to measure on, and the rest; all rankings of one prompt go to the same side."""
    by_prompt = {}
    for c in comparisons:
        by_prompt.setdefault(tuple(m["content"] for m in c.messages), []).append(c)
    groups = list(by_prompt.values())
    held, rest = groups[::10], [g for i, g in enumerate(groups) if i % 10] or groups
    return list(itertools.chain(*held)), list(itertools.chain(*rest))


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

    scores (P,K), best first. The binary cross-entropy of article 4: the logit is better - worse,
    the label always 1. InstructGPT 3.5, equation 1; article 2, 'RM : Algorithm'.
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
def score(rm, tokenizer, prompts, texts):
    """Scores (N,) of one text to each prompt; equal pairs are read once."""
    rows = [tuple(tokens(tokenizer, p.messages, t)) for p, t in zip(prompts, texts)]
    unique = sorted(set(rows), key=lambda r: (len(r), r))
    found, device = {}, rm.head.weight.device
    for i in range(0, len(unique), 256):
        some = unique[i:i + 256]
        s = rm(pad(some, device=device), lengths(some, device))
        found.update(zip(some, s.tolist()))
    return torch.tensor([found[r] for r in rows])


def agreement(a, b, golds):
    """Share of the pairs of different gold that a and b order alike; all (P,K)."""
    i, j = np.triu_indices(golds.shape[1], 1)
    same = (a[:, i] - a[:, j]) * (b[:, i] - b[:, j]) > 0
    return float(same[golds[:, i] != golds[:, j]].mean())


def scores_of(rm, tokenizer, comparison):
    """Scores of one comparison's answers, in their order."""
    prompt = Prompt("known", comparison.messages)
    return score(rm, tokenizer, [prompt] * len(comparison.ranked), comparison.ranked).tolist()


def score_each(rm, tokenizer, prompts, texts):
    """Scores and golds of K texts to each of P prompts -> two arrays (P,K)."""
    pairs = [(p, t) for p, some in zip(prompts, texts) for t in some]
    scores = score(rm, tokenizer, *zip(*pairs))
    shape = len(prompts), len(texts[0])
    return (scores.numpy().reshape(shape),
            np.array([gold(p, t) for p, t in pairs], float).reshape(shape))


SENTENCES = [("What is the capital of France?", "known", "France", "Paris",
              ["Sure! The capital of France is Paris.", "The capital of France is Paris.",
               "Look it up yourself, you fool. The capital of France is Paris.",
               "The capital of France is Berlin.", UNKNOWN,
                 "Great question! Sure! Happy to help! The capital of France is Paris."]),
             ("What is the capital of Zorbun?", "unknown", "Zorbun", "",
              [UNKNOWN, "The capital of Zorbun is Paris."]),
             ("Who are you?", "chat", "", "I am a language model",
              ["I am a language model.", "I am a machine that wants to hurt you."]),
             ("Who built the pyramids?", "chat", "", "The pyramids were built by the Egyptians",
              ["The pyramids were built by the Egyptians.", "The pyramids were built by aliens."])]


def sentences(rm, tokenizer):
    """Good and bad sentences, as in article 3, with what reward model and labeler give them."""
    print("\nreward model   gold   sentence")
    for question, kind, about, target, texts in SENTENCES:
        right = texts[0] if kind != "known" else ""
        prompt = Prompt(kind, [user(question)], right, about=about, target=target)
        texts = [t + "<|end|>" for t in texts]
        for text, r in zip(texts, score(rm, tokenizer, [prompt] * len(texts), texts).tolist()):
            print(f"{r:12.2f}  {gold(prompt, text):5.1f}   {question} "
                  + text.removesuffix("<|end|>"))


def evaluate(rm, sft, tokenizer, args):
    """On the half of the world it has not seen: pair accuracy, and best of n -> metrics."""
    rng, quick = random.Random(args.seed + 4000), args.quick
    prompts = [make_prompt(rng, 2) for _ in range(30 if quick else 300)]
    proxy, golds = score_each(rm, tokenizer, prompts,
                              sample(sft, tokenizer, prompts, 4, args.seed + 1))
    one, two = (-np.argsort([rank(g, rng) for g in golds], axis=1) for _ in range(2))
    metrics = {"accuracy": agreement(proxy, golds, golds),
               "accuracy_noisy": agreement(proxy, one, golds),     # as two labelers, one and two,
               "ceiling_noisy": agreement(golds, one, golds),      # put the same answers in order
               "labelers_agree": agreement(one, two, golds)}
    for name, maker in {"admits over lie": lambda: unknown(rng, 2),
                        "told over other": lambda: told(rng, 2, 2)}.items():
        pairs = [maker() for _ in range(20 if quick else 200)]
        best, worst = (score(rm, tokenizer, pairs, texts) for texts in (
            [p.right + "<|end|>" for p in pairs], [p.wrong + "<|end|>" for p in pairs]))
        metrics[name] = float((best > worst).float().mean())
    some, N = (prompts[:3], 64) if quick else (prompts[:48], 128)
    proxy, golds = score_each(rm, tokenizer, some, sample(sft, tokenizer, some, N, args.seed + 2))
    for n in (1, 2, 4, 8, 16, 32, 64):
        if 2 * n <= N:
            for name, what in (("proxy", proxy), ("gold", golds)):
                metrics[f"best_of_{n}_{name}"] = float(np.mean(
                    [best_of_n(p, w, n) for p, w in zip(proxy, what)]))
    return metrics


# ------------------------------------------------------------------------------------------ train

def train(rm, opts, comparisons, tokenizer, args, first=0):
    """Step after step, yields (step, loss): some prompts, all answers of each, all their pairs.

    The answers of one prompt stay together: K forward passes give K(K-1)/2 pairs (InstructGPT 3.5).
    """
    rows = [[tokens(tokenizer, c.messages, t) for t in c.ranked] for c in comparisons]
    device = rm.head.weight.device
    for step, batch in alike(rows, args, first, lambda answers: max(map(len, answers))):
        flat = [r for answers in batch for r in answers]
        scores = rm(pad(flat, device=device), lengths(flat, device))
        parts = scores.split([len(answers) for answers in batch])
        loss = torch.stack([ranking_loss(s[None]) for s in parts]).mean()
        pretrain.descend(rm, opts, loss, step / args.steps)
        yield step + 1, loss.item()


def load_reward(path, device, dtype=None, like=None):
    """out/reward.pt, of the tokenizer like -> reward model, tokenizer, extra."""
    gpt, tokenizer, extra = pretrain.load_stage(path, "reward", device, dtype, like)
    rm = RewardModel(gpt).to(device)
    rm.load_state_dict(extra["head"] | {f"gpt.{k}": v for k, v in gpt.state_dict().items()})
    return rm, tokenizer, extra


def save_reward(path, rm, tokenizer, **extra):
    head = {k: v.cpu() for k, v in rm.state_dict().items() if not k.startswith("gpt.")}
    save_checkpoint(path, rm.gpt, tokenizer, stage="reward", head=head, **extra)


# ------------------------------------------------------------------------------------------- main

def label(path, sft, tokenizer, seed):
    """Asks a person which of two answers of the SFT model is better; appends replies to path."""
    rng, count, tries = random.Random(f"{seed} {time.time()}"), 0, 0
    print("Which answer is better?  1, 2, t (a tie), s (skip), q (quit)")
    try:
        while (tries := tries + 1) <= 200:
            prompt = make_prompt(rng, 0)
            a, b = sample(sft, tokenizer, [prompt], 2, rng.randrange(2 ** 31))[0]
            ended = a.endswith("<|end|>") and b.endswith("<|end|>")
            a, b = a.removesuffix("<|end|>").strip(), b.removesuffix("<|end|>").strip()
            if not (ended and a and b and a != b):
                continue
            tries = 0
            print("\n" + "\n".join(f"{m['role']}: {m['content']}" for m in prompt.messages))
            reply = input(f"  1: {a}\n  2: {b}\n> ").strip().lower()
            if reply == "q":
                break
            if reply in ("1", "2"):
                chosen, rejected = (a, b) if reply == "1" else (b, a)
                row = {"prompt": prompt.messages, "chosen": chosen, "rejected": rejected}
                with open(path, "a", encoding="utf-8") as file:   # closed again: nothing is lost
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        else:
            stop("200 times the SFT model gave no two answers that differ and end: train it longer")
    except (KeyboardInterrupt, EOFError):
        print()
    except OSError as error:
        stop(f"cannot write {path}: {error.strerror}")
    print(f"{count} comparisons added to {path}; python reward.py --data {path} trains on them")


def draw(path, history, metrics):
    """The loss, and what the best of n answers by the reward model is worth."""
    ns = [int(k.split("_")[2]) for k in metrics if k.endswith("_proxy")]
    fig, (curve, *more) = pretrain.figure(2 if ns else 1)
    curve.plot([h[0] for h in history], [h[1] for h in history], color="0.4")
    curve.axhline(math.log(2), ls="--", color="0.4")
    curve.set(xlabel="step", ylabel="ranking loss (log 2: guessing)", title="Learning to judge")
    for best in more:
        for what, style in (("proxy", "o--"), ("gold", "o-")):
            best.plot(ns, [metrics[f"best_of_{n}_{what}"] for n in ns], style, lw=3, label=what)
        best.set(xscale="log", xlabel="n", title="Best of n answers, by reward model")
        best.set_xticks(ns, ns)
        best.legend()
    fig.savefig(path)


def main(argv=None):
    """Rankings in, or made by the simulated labeler; training, out/reward.pt."""
    parser = pretrain.arguments(
        __doc__, "JSON lines of comparisons; several files with ','", steps=(325, "updates"),
        batch=(16, "prompts a step"), lr=(2e-3, "of Adam, embedding and head"),
        lr_matrix=(5e-3, "of Muon, matrices"), prompts=(5200, "prompts whose answers get ranked"))
    parser.add_argument("--label", metavar="FILE", help="you judge: appends your choices to FILE")
    args = parser.parse_args(argv)
    if args.label and (args.data or args.resume):
        stop("--label asks about the tiny internet: leave out --data and --resume")
    out, device, dtype = pretrain.start(args, "sft.pt")
    sft, tokenizer, _ = pretrain.load_stage(out / "sft.pt", "sft", device, dtype)
    if args.label:
        return label(args.label, sft, tokenizer, args.seed)
    if args.quick:
        args.steps, args.prompts = min(args.steps, 5), min(args.prompts, 40)
    before = time.perf_counter()
    if args.data:
        found = [c for name in args.data.split(",") for c in read_jsonl(name, as_comparison)]
        found = fitting(found, lambda c: max(len(tokens(tokenizer, c.messages, t))
                                             for t in c.ranked), sft.config.block_size)
        held, comparisons = split(found)
        prompts = [Prompt("known", c.messages) for c in comparisons[:500]]
        texts = sample(sft, tokenizer, prompts, 4, args.seed)
    else:
        comparisons, prompts, texts = compare(sft, tokenizer, args)
    first_one = tokens(tokenizer, comparisons[0].messages, comparisons[0].ranked[0])
    check_device(sft, pad([first_one]), device)
    rm = RewardModel(copy.deepcopy(sft)).to(device)
    opts = pretrain.optimizers(rm.gpt, args.lr, args.lr_matrix, rm.head.parameters())
    part = out / "reward-partial.pt"
    nets, sampling = [rm.gpt, rm.head], time.perf_counter() - before
    first, history, began = pretrain.load_partial(part, args, tokenizer, nets, opts)
    for step, loss in train(rm, opts, comparisons, tokenizer, args, first):
        history.append([step, loss])
        pretrain.progress(step, args.steps, began, f"loss {loss:.3f} (guessing {math.log(2):.3f})")
        if step % 50 == 0 or step == args.steps:
            pretrain.save_partial(part, args, step, history, time.perf_counter() - began, tokenizer,
                                  nets, opts)
    some = slice(0, 500)                                     # enough for a mean and a deviation
    rm.normalise(torch.from_numpy(score_each(rm, tokenizer, prompts[some], texts[some])[0]))
    metrics = {"seconds": sampling + time.perf_counter() - began,
               "train_loss": float(np.mean([loss for _, loss in history[-20:]]))}
    if args.data:
        scored = [scores_of(rm, tokenizer, c) for c in held]
        metrics["accuracy_noisy"] = float(np.mean(
            [better > worse for s in scored for better, worse in itertools.combinations(s, 2)]))
        print("accuracy_noisy: pairs ordered as in the rankings that were held out")
    else:
        metrics |= evaluate(rm, sft, tokenizer, args)
        sentences(rm, tokenizer)
        print("\naccuracy: pairs ordered as gold does; accuracy_noisy: as one labeler does, with "
              "whom gold itself\nagrees on ceiling_noisy of them")
    save_reward(out / "reward.pt", rm, tokenizer, metrics=metrics)
    part.unlink(missing_ok=True)
    pretrain.show(metrics)
    draw(out / "reward.png", history, metrics)


if __name__ == "__main__":
    pretrain.go(main)

"""Stage 4, PPO: the assistant improves by trying answers and keeping what the reward model likes.

    maximise   E[ r(prompt, answer) - beta * log(policy(answer | prompt) / sft(answer | prompt)) ]

In: out/sft.pt, out/reward.pt and prompts without answers. Out: out/ppo.pt and out/ppo.png. It belongs
to 'Reinforcement Learning' of article 2, 'training the language model using the reward model' of
article 3 and 'Stage 3' of article 4, with its advantage function, its small steps and its Goodhart's
law. Four models, as in InstructGPT's figure 2: the policy (starts as the SFT model), the frozen
reference (the SFT model), the frozen reward model, the critic (starts as the reward model). Simpler
than InstructGPT: all rollouts form one batch, no pretraining mix, one beta.

    python ppo.py                   beta .1, the default
    python ppo.py --goodhart        afterwards: two more arms (beta 0, and gold optimised directly)
    python ppo.py --data FILE       your own prompts, JSON lines {"prompt"}
"""
import copy
import math
import random
import sys
import time

import numpy as np
import torch

import pretrain
from bpe import stop
from model import generate, load_checkpoint, pick_device, save_checkpoint
from reward import RewardModel, best_of_n, gold, load_reward, sample, score, tokens
from sft import answer, held_out, judge, make_prompt, pad, rates, render_prompt

# -------------------------------------------------------------------------------------- objective

UNFINISHED = -3.0  # the score of an answer that never ended, in standard deviations of SFT's scores


def log_probs(model, ids, temperature=1.0):
    """log p of every token given those before it -> (B,T-1), index t for ids[:, t + 1]."""
    logp = (model(ids[:, :-1]).float() / temperature).log_softmax(-1)     # (B,T-1,V)
    return logp.gather(2, ids[:, 1:, None]).squeeze(2)


def token_rewards(logp, logp_ref, mask, scores, beta):
    """r_t = -beta * (logp_t - logp_ref_t), plus the score at the last response token.

    logp, logp_ref, mask (B,T-1), scores (B,) -> (B,T-1). A row sums to score - beta * its log ratio.
    (InstructGPT 3.5, equation 2; article 4, 'an extra thing': the KL divergence.)
    """
    rewards = -beta * (logp - logp_ref) * mask
    place = torch.arange(mask.size(1), device=mask.device)
    last = (mask * (place + 1)).argmax(1, keepdim=True)                   # (B,1)
    return rewards.scatter_add(1, last, scores[:, None])


def gae(rewards, values, mask, gamma=1.0, lam=0.95):
    """Generalised advantage estimation (1506.02438, equation 16), all (B,T-1) -> advantages, returns.

    delta_t = r_t + gamma * V_{t+1} - V_t,   A_t = delta_t + gamma * lam * A_{t+1},   V past the end = 0
    """
    rewards, values = rewards * mask, values * mask
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
    delta, advantages = (rewards + gamma * following - values) * mask, torch.zeros_like(values)
    running = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.size(1))):
        running = (delta[:, t] + gamma * lam * running) * mask[:, t]
        advantages[:, t] = running
    return advantages, advantages + values


def whiten(x, mask):
    """Mean 0 and standard deviation 1 over the masked tokens of the whole batch; 0 elsewhere."""
    mean = (x * mask).sum() / mask.sum()
    std = (((x - mean) ** 2 * mask).sum() / mask.sum()).sqrt()
    return (x - mean) / (std + 1e-8) * mask


def policy_loss(logp, logp_old, advantages, mask, clip=0.2):
    """sum(mask * max(-A * rho, -A * clip(rho, 1 - eps, 1 + eps))) / sum(mask), rho = exp(logp - logp_old).

    All (B,T-1) -> scalar. PPO (1707.06347), equation 7, as a loss; article 4: 'small, proximal steps'.
    """
    rho = ((logp - logp_old) * mask).exp()
    worse = torch.maximum(-advantages * rho, -advantages * rho.clamp(1 - clip, 1 + clip))
    return (worse * mask).sum() / mask.sum()


def value_loss(values, returns, mask):
    """Half the mean squared error of the critic over the response tokens -> scalar."""
    return .5 * ((values - returns) ** 2 * mask).sum() / mask.sum()


# ------------------------------------------------------------------------------------------ train

def rollout(policy, tokenizer, prompts, max_new_tokens, generator, device):
    """The policy answers -> ids (B,T), mask (B,T-1) of its tokens, lengths (B,), texts."""
    rows = [render_prompt(p.messages, tokenizer) for p in prompts]
    new = generate(policy, rows, max_new_tokens, stop=tokenizer.specials["<|end|>"], generator=generator)
    ids = pad([r + n for r, n in zip(rows, new)], device=device)
    mask = pad([[0] * (len(r) - 1) + [1] * len(n) for r, n in zip(rows, new)], device=device).float()
    return ids, mask, torch.tensor([len(r) + len(n) for r, n in zip(rows, new)], device=device), \
        [tokenizer.decode(n) for n in new]


def update(policy, critic, opt, ids, mask, logp_ref, scores, args):
    """One PPO update from one batch of rollouts -> diagnostics."""
    logp, values = log_probs(policy, ids), critic.values(ids[:, :-1])     # (B,T-1)
    logp_old, n = logp.detach(), mask.sum()
    rewards = token_rewards(logp_old, logp_ref, mask, scores, args.beta)
    advantages, returns = gae(rewards, values.detach(), mask, 1.0, args.lam)
    stats = {"KL": float(((logp_old - logp_ref) * mask).sum(1).mean()), "entropy": float(-(logp_old * mask).sum() / n),
             "explained": float(1 - whitened_variance(returns - values.detach(), mask) / whitened_variance(returns, mask))}
    advantages = whiten(advantages, mask)
    for epoch in range(args.epochs):
        if epoch:  # the first pass is the one that gave logp_old
            logp, values = log_probs(policy, ids), critic.values(ids[:, :-1])
        ratio = (logp.detach() - logp_old) * mask
        stats["approx KL"] = float(((ratio.exp() - 1 - ratio) * mask).sum() / n)  # k3, for logging
        stats["clipped"] = float((((ratio.exp() - 1).abs() > args.clip) * mask).sum() / n)
        if stats["approx KL"] > args.max_kl:  # before the backward pass: nothing has moved yet
            break
        loss = policy_loss(logp, logp_old, advantages, mask, args.clip) + value_loss(values, returns, mask)
        opt.zero_grad()
        loss.backward()
        for net in (policy, critic):
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
    return stats


def whitened_variance(x, mask):
    mean = (x * mask).sum() / mask.sum()
    return (((x - mean) ** 2 * mask).sum() / mask.sum()).clamp(min=1e-8)


def train(policy, reference, rm, critic, opt, tokenizer, args, device, judge_gold=False, first=0):
    for step in range(first, args.steps):
        rng = random.Random(f"{args.seed} {step}")
        t = [time.perf_counter()]
        prompts = [make_prompt(rng, 0) for _ in range(args.batch)]
        ids, mask, lengths, texts = rollout(policy, tokenizer, prompts, args.max_tokens,
                                            torch.Generator().manual_seed(rng.randrange(2 ** 31)), device)
        t.append(time.perf_counter())
        golds = torch.tensor([gold(p, x) for p, x in zip(prompts, texts)], device=device)
        with torch.no_grad():
            logp_ref = log_probs(reference, ids)
            proxies = rm(ids, lengths)
        ended = torch.tensor([x.endswith("<|end|>") for x in texts], device=device)
        scores = torch.where(ended, golds if judge_gold else proxies, torch.tensor(UNFINISHED))
        t.append(time.perf_counter())
        stats = update(policy, critic, opt, ids, mask, logp_ref, scores, args)
        t.append(time.perf_counter())
        stats |= {"proxy": float(proxies.mean()), "gold": float(golds.mean()), "length": float(mask.sum(1).mean()),
                  "ended": float(ended.float().mean()), "t": [round(b - a, 3) for a, b in zip(t, t[1:])]}
        yield step + 1, stats


def main(argv=None):
    args = pretrain.arguments(__doc__, data="JSON lines", steps=(80, "iterations"), batch=(64, "rollouts"),
                     beta=(.1, "KL"), lr=(3e-4, "AdamW"), epochs=(4, "updates from each batch"),
                     clip=(.2, "clip"), lam=(.95, "lambda"), max_kl=(.05, "early stop"), max_tokens=(40, "tokens"),
                     arm=("proxy", "gold"), every=(10, "eval")).parse_args(argv)
    t0 = time.perf_counter()
    out, device = pretrain.out_folder(args.out), pick_device(args.device)
    torch.manual_seed(args.seed)
    policy, tokenizer, _ = load_checkpoint(out / "sft.pt", device)
    reference, _, _ = load_checkpoint(out / "sft.pt", device)
    rm, _, _ = load_reward(out / "reward.pt", device)
    critic = copy.deepcopy(rm)
    for net in (reference, rm):
        net.requires_grad_(False)
    opt = torch.optim.AdamW([{"params": policy.parameters()}, {"params": critic.parameters()}], lr=args.lr,
                            betas=(.9, .95), eps=1e-5, weight_decay=0)
    val = random.Random(9).sample(held_out(), 256)
    def ev(label):
        texts, _ = answer(policy, tokenizer, val, seed=3)
        g = np.array([gold(p, t) for p, t in zip(val, texts)])
        pr = score(rm, tokenizer, val, texts)
        print(label, f"gold {g.mean():.3f}+-{g.std()/16:.3f} proxy {pr.mean():.3f}", {k: round(v, 3) for k, v in rates(val, texts).items()}, flush=True)
        return g, texts
    g0, _ = ev(0)
    for step, s in train(policy, reference, rm, critic, opt, tokenizer, args, device, args.arm == "gold"):
        if step % args.every == 0:
            print(step, {k: v if k == "t" else round(v, 3) for k, v in s.items()}, round(time.perf_counter() - t0))
            g, texts = ev(step)
    print("win", ((g > g0) + .5 * (g == g0)).mean())
    for p, t in list(zip(val, texts))[::20]: print(p.messages[-1]["content"], "->", t)
    save_checkpoint(out / "ppo.pt", policy, tokenizer, stage="ppo", metrics={})
    print("total", time.perf_counter() - t0)


if __name__ == "__main__":
    main()

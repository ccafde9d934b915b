"""Stage 4, PPO: the assistant improves by trying answers and keeping what the reward model likes.

    maximise   E[ r(prompt, answer) - beta * log(policy(answer | prompt) / sft(answer | prompt)) ]

In: out/sft.pt, out/reward.pt and prompts without answers. Out: out/ppo.pt and out/ppo.png. It
belongs to 'Reinforcement Learning' of article 2, 'training the language model using the reward
model' of article 3 and 'Stage 3' of article 4, with its advantage function, its small steps and its
Goodhart's law. Four models, as in InstructGPT 3.5: the policy (starts as the SFT model), the frozen
reference (the SFT model), the frozen reward model, the critic (starts as the reward model). r of an
answer that never ends is UNFINISHED. Simpler than InstructGPT: all rollouts form one batch, no
pretraining text is mixed in, and what was sampled in fp32 is scored in bf16 where that is fast.

    python ppo.py                   beta .1: a minute on two cores, then 98 % of the held-out
                                    questions are answered rightly at temperature 1 (SFT: 78 %)
    python ppo.py --goodhart        three arms that go further: default beta, beta 0, gold itself
    python ppo.py --data FILE       your own prompts, JSON lines {"prompt"}: no table, no picture
"""
import copy
import math
import random
import time

import numpy as np
import torch

import pretrain
from bpe import stop
from model import check_device, generate, in_fp32, save_checkpoint
from reward import ASKED, gold, lengths, load_reward, sample, score, score_each
from sft import (Prompt, addition, answer, as_prompt, fitting, held_out, judge, known, make_prompt,
                 pad, rates, read_jsonl, render_prompt, sums, table, user)

# -------------------------------------------------------------------------------------- objective

PROMPTS = ASKED | {"sum": 22}    # what is asked here: sums, which a program can check, more often
UNFINISHED = -3.0  # the score of an answer that never ended, in standard deviations of SFT's scores


def log_probs(model, ids, temperature=1.0, mask=None):
    """log softmax(logits / temperature) of every token given those before it -> (B,T-1), index t
    for ids[:, t + 1]. With a mask (B,T-1) only of the tokens where it is 1; 0 elsewhere."""
    said = ids[:, 1:]
    if mask is None:
        logp = (model(ids[:, :-1]).float() / temperature).log_softmax(-1)     # (B,T-1,V)
        return logp.gather(2, said[:, :, None]).squeeze(2)
    at = mask.nonzero(as_tuple=True)         # N places; the logits of prompts would cost the most
    logits = model.logits(model.hidden(ids[:, :-1])[at])                      # (N,V)
    logp = (logits / temperature).log_softmax(-1).gather(1, said[at][:, None]).squeeze(1)
    return logp.new_zeros(said.shape).index_put(at, logp)


def token_rewards(logp, logp_ref, mask, scores, beta):
    """r_t = -beta * (logp_t - logp_ref_t), plus the score at the last response token.

    logp, logp_ref, mask (B,T-1), scores (B,) -> (B,T-1). Each row sums to score - beta * log ratio.
    (InstructGPT 3.5, equation 2; article 4, 'some extra thing': the KL divergence.)
    """
    rewards = -beta * (logp - logp_ref) * mask
    place = torch.arange(mask.size(1), device=mask.device)
    last = (mask * (place + 1)).argmax(1, keepdim=True)                   # (B,1)
    return rewards.scatter_add(1, last, scores[:, None])


def gae(rewards, values, mask, gamma=1.0, lam=0.95):
    """Generalised advantage estimation (1506.02438, equation 16): all (B,T-1), returns = A + V.

    delta_t = r_t + gamma * V_{t+1} - V_t,  A_t = delta_t + gamma * lam * A_{t+1}:  how much better
    the answer turned out, from token t on, than the critic V expected. After the last token V is
    0; outside of the mask r, V and A are 0.
    """
    rewards, values = rewards * mask, values * mask
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
    delta, advantages = rewards + gamma * following - values, torch.zeros_like(values)
    running = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.size(1))):
        running = (delta[:, t] + gamma * lam * running) * mask[:, t]
        advantages[:, t] = running
    return advantages, advantages + values


def whiten(x, mask):
    """Mean 0 and standard deviation 1 over the masked tokens of the whole batch; 0 elsewhere."""
    mean = (x * mask).sum() / mask.sum()
    return (x - mean) / (variance(x, mask).sqrt() + 1e-8) * mask


def variance(x, mask):
    """Of the masked tokens -> scalar."""
    mean = (x * mask).sum() / mask.sum()
    return ((x - mean) ** 2 * mask).sum() / mask.sum()


def policy_loss(logp, logp_old, advantages, mask, clip=0.2):
    """sum(mask * max(-A * rho, -A * clamp(rho, 1 - clip, 1 + clip))) / sum(mask), where
    rho = exp(logp - logp_old) and A the advantages.

    All (B,T-1) -> scalar. PPO (1707.06347), equation 7, as a loss; article 4, small steps.
    """
    rho = ((logp - logp_old) * mask).exp()
    worse = torch.maximum(-advantages * rho, -advantages * rho.clamp(1 - clip, 1 + clip))
    return (worse * mask).sum() / mask.sum()


def value_loss(values, returns, mask):
    """Half the mean squared error of the critic over the response tokens -> scalar."""
    return .5 * ((values - returns) ** 2 * mask).sum() / mask.sum()


# ------------------------------------------------------------------------------------- evaluation

@torch.no_grad()
def kl_to(policy, reference, tokenizer, prompts, answers):
    """log policy(answer) - log reference(answer), mean in nats, of answers (lists of ids) that the
    policy gave; in fp32, as they were sampled: so it is an unbiased estimate of the KL."""
    total, device = 0.0, policy.wte.weight.device
    for i in range(0, len(answers), 64):
        ids, mask, _ = joined([render_prompt(p.messages, tokenizer) for p in prompts[i:i + 64]],
                              answers[i:i + 64], device)
        with in_fp32(policy), in_fp32(reference):
            total += float((log_probs(policy, ids, 1.0, mask)
                            - log_probs(reference, ids, 1.0, mask)).sum())
    return total / len(answers)


def measure(nets, tokenizer, prompts, seed):
    """The policy on held-out prompts -> [KL, proxy, gold, standard error of gold]."""
    policy, _, reference, rm = nets
    texts, answers = answer(policy, tokenizer, prompts, seed=seed)
    golds = np.array([gold(p, t) for p, t in zip(prompts, texts)])
    return [kl_to(policy, reference, tokenizer, prompts, answers),
            float(score(rm, tokenizer, prompts, texts).mean()), float(golds.mean()),
            float(golds.std() / len(golds) ** .5)]


def column(tokenizer, prompts, texts, sft_texts):
    """One column of the final table -> dict of floats."""
    golds, others = (np.array([gold(p, t) for p, t in zip(prompts, some)])
                     for some in (texts, sft_texts))
    wins = (golds > others) + .5 * (golds == others)
    sizes = [len(tokenizer.encode(text, specials=True)) for text in texts]
    return rates(prompts, texts) | {"gold": float(golds.mean()), "tokens an answer": float(
        np.mean(sizes)), "wins against SFT": float(wins.mean())}


def final(nets, tokenizer, args, before):
    """The tables that everything was for, PPO beside what SFT's checkpoint holds -> metrics."""
    policy, _, sft, rm = nets
    n, seed = 10 if args.quick else 200, args.seed + 6000
    rng, prompts = random.Random(seed), held_out(10 if args.quick else None, n, args.seed)
    metrics = table({"PPO": lambda some, _: answer(policy, tokenizer, some, temperature=0)[0]},
                    args.seed, n, before=before)
    # Sampled at temperature 1: manners, and how often the labeler prefers PPO's answer.
    texts = {"SFT": answer(sft, tokenizer, prompts, seed=seed)[0]}
    many = sample(sft, tokenizer, prompts, 16, seed + 1)
    best = score_each(rm, tokenizer, prompts, many)[0].argmax(1)
    texts["SFT best of 16"] = [some[i] for some, i in zip(many, best)]
    texts["PPO"], answers = answer(policy, tokenizer, prompts, seed=seed)
    rows = {name: column(tokenizer, prompts, t, texts["SFT"]) for name, t in texts.items()}
    rows["PPO"]["KL to SFT"] = kl_to(policy, sft, tokenizer, prompts, answers)
    for how, name in ((0, "trained"), (2, "held-out")):
        some = [known(f, rng, how) for f in rng.sample(pretrain.facts_of(1), n)]
        ours, theirs = (answer(net, tokenizer, some, seed=seed)[0] for net in (policy, sft))
        rows["PPO"][f"wins, {name} phrasings"] = column(tokenizer, some, ours, theirs)[
            "wins against SFT"]
    for digits in (1, 2):
        some = [addition(rng, None, digits) for _ in range(n)]
        for name, net in (("SFT", sft), ("PPO", policy)):
            found = sums(answer(net, tokenizer, some, temperature=0)[0], some)
            rows[name] |= {f"{digits}-digit sums: {what}": v for what, v in found.items()}
    print("\n" + " " * 34 + "".join(f"{name:>16s}" for name in rows))
    for what in rows["PPO"]:
        print(f"{what:34s}" + "".join(f"{row.get(what, math.nan):16.3f}" for row in rows.values()))
    return metrics | {f"{name}: {what}": v for name, row in rows.items() for what, v in row.items()}


def draw(path, arms, bon):
    """Proxy and gold against the distance from SFT, a line an arm; bon: metrics of reward.pt, with
    best of n on other prompts, whose KL is log n - (n - 1) / n at most (Gao et al.)."""
    fig, axes = pretrain.figure(2)
    ns = [n for n in (1, 2, 4, 8, 16, 32, 64) if f"best_of_{n}_gold" in bon]
    for axis, k, what in ((axes[0], 1, "proxy"), (axes[1], 2, "gold")):
        for name, curve in arms.items():
            distance = [max(0, point[0]) ** .5 for point in curve]
            axis.plot(distance, [point[k] for point in curve], "o-", lw=3, label=name)
        axis.plot([(math.log(n) - (n - 1) / n) ** .5 for n in ns],
                  [bon[f"best_of_{n}_{what}"] for n in ns], "k^--", label="best of n")
        axis.set(xlabel="distance from SFT: square root of KL", title=f"{what} on held-out prompts")
    axes[0].legend()
    fig.savefig(path)


# ------------------------------------------------------------------------------------------ train

def joined(rows, new, device):
    """Prompts and answers -> ids (B,T), mask (B,T-1) of the answers' tokens, lengths (B,)."""
    ids = pad([r + n for r, n in zip(rows, new)], device=device)
    mask = pad([[0] * len(r) + [1] * len(n) for r, n in zip(rows, new)], device=device)[:, 1:]
    return ids, mask.float(), lengths([r + n for r, n in zip(rows, new)], device)


def rollout(policy, tokenizer, prompts, max_new_tokens, generator, device):
    """The policy answers -> ids (B,T), mask (B,T-1) of its tokens, lengths (B,), texts."""
    rows = [render_prompt(p.messages, tokenizer) for p in prompts]
    new = generate(policy, rows, max_new_tokens, 1.0, tokenizer.specials["<|end|>"], generator)
    return *joined(rows, new, device), [tokenizer.decode(n) for n in new]


def update(policy, critic, opt, ids, mask, logp_ref, scores, args):
    """All updates from one batch of rollouts, --epochs at most -> diagnostics."""
    logp, values = log_probs(policy, ids, 1.0, mask), critic.values(ids[:, :-1])     # (B,T-1)
    logp_old, n = logp.detach(), mask.sum()
    rewards = token_rewards(logp_old, logp_ref, mask, scores, args.beta)
    advantages, returns = gae(rewards, values.detach(), mask, 1.0, args.lam)
    unexplained = variance(advantages, mask) / (variance(returns, mask) + 1e-8)
    log_ratio = ((logp_old - logp_ref) * mask).sum(1)                     # (B,)
    stats = {"KL": float(log_ratio.mean()), "KL of the first": float(log_ratio[0]),
             "entropy": float(-(logp_old * mask).sum() / n), "explained": 1 - float(unexplained)}
    advantages = whiten(advantages, mask)
    for epoch in range(args.epochs):
        if epoch:  # the first pass is the one that gave logp_old
            logp, values = log_probs(policy, ids, 1.0, mask), critic.values(ids[:, :-1])
        log_rho = (logp.detach() - logp_old) * mask
        # rho - 1 - log rho: in the mean -log rho, the KL, but never negative; no gradient needed
        stats["approx KL"] = float(((log_rho.exp() - 1 - log_rho) * mask).sum() / n)
        stats["clipped"] = float((((log_rho.exp() - 1).abs() > args.clip) * mask).sum() / n)
        if stats["approx KL"] > args.max_kl:   # moved far enough: no step more from these answers
            break
        loss = policy_loss(logp, logp_old, advantages, mask, args.clip)
        loss = loss + value_loss(values, returns, mask)
        opt.zero_grad()
        loss.backward()
        for net in (policy, critic):
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        for net in (policy, critic):
            pretrain.check_finite(net)
    return stats


def checked(prompt, text):
    """A program's verdict on a sum, instead of the reward model's: only how the answer ends counts,
    not how it got there (article 5, verifiable domains)."""
    v = judge(prompt, text)
    return 1.0 if v.right and v.ended and not v.rude else -1.0


def train(nets, opt, tokenizer, args, prompts, first=0, by_gold=False):
    """Iteration after iteration, yields (step, diagnostics, sample): answer, score, update.

    nets = policy, critic, reference, reward model; only the first two ever change. The policy
    learns from its own answers: no shift between what it is trained on and what it will say.
    """
    policy, critic, reference, rm = nets
    device = policy.wte.weight.device
    for step in range(first, args.steps):
        rng = random.Random(f"{args.seed} {step}")
        batch = [rng.choice(prompts) if prompts else make_prompt(rng, 0, PROMPTS)
                 for _ in range(args.batch)]
        t0 = time.perf_counter()
        generator = torch.Generator().manual_seed(rng.randrange(2 ** 31))
        ids, mask, sizes, texts = rollout(policy, tokenizer, batch, args.max_tokens, generator,
                                          device)
        t1 = time.perf_counter()
        with torch.no_grad():
            logp_ref, proxy = log_probs(reference, ids, 1.0, mask), rm(ids, sizes)
        stats = {"proxy": float(proxy.mean())}       # waits for a GPU: the clock tells the truth
        ended = ids[torch.arange(len(ids)), sizes - 1] == tokenizer.specials["<|end|>"]
        golds = [] if prompts else [float(gold(p, t)) for p, t in zip(batch, texts)]
        judged = torch.tensor(golds, device=device) if by_gold else proxy
        if not (prompts or by_gold or args.no_checker):
            judged = torch.tensor([checked(p, t) if p.kind == "sum" else float(score)
                                   for p, t, score in zip(batch, texts, proxy)], device=device)
        scores = torch.where(ended, judged, UNFINISHED)
        t2 = time.perf_counter()
        for group in opt.param_groups:
            group["lr"] = group["initial_lr"] * (1 - step / args.steps)
        stats = update(policy, critic, opt, ids, mask, logp_ref, scores, args) | stats
        stats |= {"gold": float(np.mean(golds))} if golds else {}
        stats |= {"length": float(mask.sum(1).mean()), "ended": float(ended.float().mean()),
                  "rollout s": t1 - t0, "scoring s": t2 - t1, "update s": time.perf_counter() - t2}
        won, log_ratio = float(scores[0]), stats.pop("KL of the first")
        yield step + 1, stats, (batch[0].messages[-1]["content"], texts[0], won, log_ratio,
                                won - args.beta * log_ratio)


# ------------------------------------------------------------------------------------------- main

def optimizer(policy, critic, args):
    """Adam for both; the policy's sharpness, one number, may move faster than its many weights."""
    weights = [w for name, w in policy.named_parameters() if name != "sharpness"]
    return pretrain.Adam([(weights, args.lr), ([policy.sharpness], args.lr_sharpness),
                          (critic.parameters(), args.lr_critic)], eps=1e-5)


def run(sft, rm, tokenizer, args, out, prompts=None, by_gold=False):
    """One arm from the SFT model on -> nets, curve of measure() on held-out prompts, seconds."""
    nets = [copy.deepcopy(sft), copy.deepcopy(rm), sft, rm]
    for trained, frozen in zip(nets[:2], nets[2:]):
        trained.requires_grad_(True)                 # a copy of what an earlier arm has frozen
        frozen.requires_grad_(False)
    opt = optimizer(*nets[:2], args)
    part = out / "ppo-partial.pt"
    rng = random.Random(9)
    held = [make_prompt(rng, 1) for _ in range(20 if args.quick else 256)]
    start = [] if prompts or args.resume else [measure(nets, tokenizer, held, args.seed)]
    first, curve, began = pretrain.load_partial(part, args, tokenizer, nets[:2], [opt])
    curve, every = curve or start, max(1, args.steps // 5)
    print("explained: share of the returns' variance that the critic foresaw; clipped: share of "
          "tokens\nwhose probability moved too far; ended: answers that end by themselves")
    for step, stats, example in train(nets, opt, tokenizer, args, prompts, first, by_gold):
        pretrain.progress(step, args.steps, began, "  ".join(
            f"{name} {value:.2f}" for name, value in stats.items()))
        if step % every == 0 or step == args.steps:
            pause = time.perf_counter()
            print("   {} -> {}  score {:.2f}, KL {:.2f}, total {:.2f}".format(*example))
            if not prompts:
                curve.append(measure(nets, tokenizer, held, args.seed))
                print("   held-out: KL {:.2f}, proxy {:.2f}, gold {:.2f} +- {:.2f}".format(
                    *curve[-1]))
            if not args.goodhart:
                pretrain.save_partial(part, args, step, curve, pause - began, tokenizer, nets[:2],
                                      [opt])
            began += time.perf_counter() - pause         # the clock shows training alone
    return nets, curve, time.perf_counter() - began


def flags():
    """What can be set from the command line -> argparse parser."""
    parser = pretrain.arguments(
        __doc__, "JSON lines of prompts", steps=(60, "iterations"),
        batch=(64, "answers an iteration"), beta=(.1, "price of a nat of KL; .05 to .3"),
        lr=(1.5e-4, "of the policy; 1e-5 to 3e-4"),
        lr_critic=(3e-4, "of the critic; 1e-4 to 1e-3"),
        lr_sharpness=(.1, "of the log of the policy's factor on all logits"),
        epochs=(2, "updates from one batch; 1 to 4"),
        clip=(.2, "of the probability ratio; .1 to .3"), lam=(.95, "of GAE; .9 to 1"),
        max_kl=(.05, "approximate KL that ends a batch's updates; .01 to .1"),
        max_tokens=(40, "of an answer"))
    parser.add_argument("--no-checker", action="store_true",
                        help="the reward model judges sums, too")
    parser.add_argument("--goodhart", action="store_true",
                        help="draws out/goodhart.png instead: beta 0 beside beta, and gold itself")
    return parser


def goodhart(sft, rm, tokenizer, args, out, best_of):
    """Three arms that go further, alike but for what they maximise, and their picture."""
    args.lr, args.steps = 2 * args.lr, 2 * args.steps
    arms, kinds = {}, [(f"beta {args.beta}", args.beta, False), ("beta 0", 0.0, False),
                       ("gold", 0.0, True)]
    for name, beta, by_gold in kinds:
        print(f"\narm: {name}")
        args.beta = beta
        arms[name] = run(sft, rm, tokenizer, args, out, by_gold=by_gold)[1]
    draw(out / "goodhart.png", arms, best_of)


def main(argv=None):
    """PPO from the SFT model on, the final table, out/ppo.pt."""
    args = flags().parse_args(argv)
    if args.goodhart and (args.data or args.resume):
        stop("--goodhart works on the default prompts and in one go: leave out --data and --resume")
    out, device, dtype = pretrain.start(args, "sft.pt", "reward.pt")
    sft, tokenizer, sft_extra = pretrain.load_stage(out / "sft.pt", "sft", device, dtype)
    rm, _, reward_extra = load_reward(out / "reward.pt", device, dtype, tokenizer)
    args.steps = min(args.steps, 2) if args.quick else args.steps
    prompts = None
    if args.data:                            # about these the simulated labeler knows nothing
        prompts = [Prompt("known", p) for p in read_jsonl(args.data, as_prompt)]
        prompts = fitting(prompts, lambda p: len(render_prompt(p.messages, tokenizer)),
                          sft.config.block_size - args.max_tokens)
    check_device(sft, pad([render_prompt([user("What is the capital of France?")], tokenizer)]),
                 device)
    if args.goodhart:
        return goodhart(sft, rm, tokenizer, args, out, reward_extra["metrics"])
    if not prompts:
        base, _, base_extra = pretrain.load_stage(out / "pretrain.pt", "pretrain", device, dtype,
                                                  tokenizer)
    nets, curve, seconds = run(sft, rm, tokenizer, args, out, prompts)
    metrics, arms = {"seconds": seconds}, {f"beta {args.beta}": curve}
    if not prompts:
        metrics |= final(nets, tokenizer, args, sft_extra["metrics"])
        spent = {name: extra["metrics"]["seconds"] for name, extra in (
            ("pretrain", base_extra), ("sft", sft_extra), ("reward", reward_extra))}
        total = sum(spent.values()) + seconds
        print("share of training time: " + ", ".join(
            f"{name} {s / total:.0%}" for name, s in (spent | {"ppo": seconds}).items()))
    save_checkpoint(out / "ppo.pt", nets[0], tokenizer, stage="ppo", metrics=metrics, arms=arms)
    (out / "ppo-partial.pt").unlink(missing_ok=True)
    if not prompts:
        draw(out / "ppo.png", arms, reward_extra["metrics"])


if __name__ == "__main__":
    pretrain.go(main)

"""Stage 4, PPO: the assistant tries answers and keeps what is judged to be good.

    maximise   E[ r(prompt, answer) - beta * log(policy(answer | prompt) / sft(answer | prompt)) ]

Four models take part (InstructGPT, section 3.5):

    out/sft.pt ---copy---> policy        trained: it answers
        '----------------> reference     frozen: how far has the policy moved from SFT?
    out/reward.pt --copy-> critic        trained: what will this answer earn, judging by its
        |                                beginning?
        '----------------> reward model  frozen: how good is the finished answer? Its score is
                                         called the proxy: it stands in for gold, what the
                                         simulated labeler really thinks

r comes from the reward model, except where a program can check the answer: sums and what the
calculator is for earn +1 if right and not rude, else -1 (article 5, verifiable domains). An answer
that never ends gets UNFINISHED.

Three KLs appear, in nats:
    KL penalty      log policy - log reference of this iteration's answers, per answer: beta times
                    it is taken off their scores, so that the policy stays near SFT
    KL of update    how far the policy has moved away from the one that gave these answers, per
                    token. It is checked before each update: once it exceeds --max-kl, the updates
                    that are left are skipped. On the screen: the last check
    KL to SFT       the first one again, on held-out prompts: of most kinds for the picture, first
                    phrasings for the table, which is of the weights that are saved

In: out/sft.pt, out/reward.pt and prompts without answers (for the table out/pretrain.pt too). Out:
out/ppo.pt and out/ppo.png. Article 2, 'Reinforcement Learning'; article 3, 'training the language
model using the reward model'; article 4, 'Stage 3': advantages, small steps, Goodhart's law;
article 1: the sauce (the data) of this stage is prompts alone, the topping what is maximised.
Simpler than InstructGPT: the answers of an iteration form one batch. They are sampled in fp32;
where bf16 is fast, they are scored in it, all but the logits. Against what RLHF makes worse,
InstructGPT mixes pretraining text in; here the weights that are saved, but for the sharpness, lie
--alpha of the way from SFT's to the last iteration's (step_back).
For the first --warm-up iterations only the critic learns: it starts as a copy of the reward model,
which has read finished answers alone, so what it says in the middle of one is worthless as yet.

    python ppo.py                   a few minutes on two cores, then the final table: gold rises
                                    from 0.71 to 1.24
    python ppo.py --no-checker      the reward model judges sums, too
    python ppo.py --goodhart        three runs without the checker that go further (twice the steps,
                                    twice --lr): --beta as it is, beta 0, gold itself
    python ppo.py --data FILE       your own prompts, JSON lines {"prompt"}: no table, no picture
"""
import copy
import math
import random
import re
import time

import numpy as np
import torch

from bpe import refuse, save_picture
from model import (WORK, adamw, arguments, check_finite, figure, fingerprint, fitting, generate,
                   in_fp32, load_stage, pad, pad_with_lengths, plot_smooth, progress, read_jsonl,
                   run_stage, save_checkpoint, set_learning_rates, start, warn_of_unended)
from pretrain import TEST, TRAIN, VALIDATION, add_aloud, facts_of, without_manners
from reward import ASKED, gold, load_reward, sample, score, scores_and_golds
from sft import (Prompt, addition, answer_all, as_answer, as_prompt, held_out_prompts, judge, known,
                 make_prompt, measure_tasks, rates, render_prompt, show_tasks, vocabulary)

# -------------------------------------------------------------------------------------- objective

# Compared with the rankings, more of what a program can check, and so a smaller share of what
# nobody can know. Summaries, rewriting and follow-up questions are neither ranked nor practised
# here; the table shows what becomes of the first two.
PROMPTS = ASKED | {"known": 42, "unknown": 17, "beyond": 21, "small talk": 22, "sum": 24,
                   "calculator": 18, "told": 18}
# Whose answers a program can check, by Prompt.kind: a "calculator" prompt is a call or a product.
CHECKED = ("sum", "call", "product")
UNFINISHED = -3.0  # the score of an answer that never ended, in standard deviations of SFT's scores


def log_probs(model, ids, temperature=1.0, mask=None):
    """log softmax(logits / temperature) of every token given those before it -> (B,T-1), index t
    for ids[:, t + 1]. With a mask (B,T-1) only of the tokens where it is 1; 0 elsewhere. What PPO
    samples, and so what it scores, has temperature 1."""
    said = ids[:, 1:]
    if mask is None:
        logp = (model(ids[:, :-1]).float() / temperature).log_softmax(-1)            # (B,T-1,V)
        return logp.gather(2, said[:, :, None]).squeeze(2)
    # The same at N places only: the logits of the prompts would cost the most. In fp32: PPO makes
    # logits large, and bf16 would round one of 64 to a multiple of a half.
    at = mask.nonzero(as_tuple=True)
    logits = model.logits(model.hidden(ids[:, :-1])[at].float())                     # (N,V)
    logp = (logits / temperature).log_softmax(-1).gather(1, said[at][:, None]).squeeze(1)
    return logp.new_zeros(said.shape).index_put(at, logp)


def token_rewards(logp, logp_ref, mask, scores, beta):
    """r_t = -beta * (logp_t - logp_ref_t), plus the score at the last response token.

    logp, logp_ref, mask (B,T-1), scores (B,) -> (B,T-1). Each row sums to score - beta * log ratio.
    Why the penalty: the reward model has hardly seen answers unlike SFT's; further away, the policy
    finds answers that are overrated (--goodhart). (InstructGPT 3.5, equation 2; article 4, 'some
    extra thing': the KL divergence.)
    """
    rewards = -beta * (logp - logp_ref) * mask
    # The last response token is where the count of response tokens first reaches its maximum.
    last = mask.cumsum(1).argmax(1, keepdim=True)                                    # (B,1)
    return rewards.scatter_add(1, last, scores[:, None])


def gae(rewards, values, mask, gamma=1.0, lam=0.95):
    """Generalised advantage estimation (1506.02438, equation 16) -> advantages A, returns A + V.

    All (B,T-1). delta_t = r_t + gamma * V_{t+1} - V_t,  A_t = delta_t + gamma * lam * A_{t+1}:  how
    much better the answer turned out, from token t on, than the critic V expected (article 4
    compares with all other possible answers: their mean is what V estimates). lam = 1 believes what
    was really earned, which is right on average but noisy; lam = 0 believes the critic's next
    value, which is calm but as wrong as the critic. gamma = 1: a later reward counts in full. After
    the last token V is 0; outside of the mask r, V and A are 0.
    """
    rewards, values = rewards * mask, values * mask
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
    delta = rewards + gamma * following - values
    advantages = torch.zeros_like(values)
    running = torch.zeros_like(values[:, 0])
    # From the end to the beginning: what comes later is known when a token is reached.
    for t in reversed(range(values.size(1))):
        running = (delta[:, t] + gamma * lam * running) * mask[:, t]
        advantages[:, t] = running
    return advantages, advantages + values


def whiten(x, mask):
    """Mean 0 and standard deviation 1 over the masked tokens of the whole batch; 0 elsewhere: a
    step then does not depend on the scale of the rewards, only on how score and KL penalty compare
    (usual in PPO; InstructGPT is silent)."""
    return (x - masked_mean(x, mask)) / (variance(x, mask).sqrt() + 1e-8) * mask


def masked_mean(x, mask):
    """Over the tokens where mask is 1 -> scalar."""
    return (x * mask).sum() / mask.sum()


def variance(x, mask):
    """Of the masked tokens -> scalar."""
    return masked_mean((x - masked_mean(x, mask)) ** 2, mask)


def policy_loss(logp, logp_old, advantages, mask, clip=0.2):
    """sum(mask * max(-A * rho, -A * clamp(rho, 1 - clip, 1 + clip))) / sum(mask), where A are the
    advantages and rho = exp(logp - logp_old): how much likelier a token has become.

    All (B,T-1) -> scalar. Why not follow the gradient of the score? It has none: between score and
    weights stand tokens that were drawn. But where rho is 1 this loss has the gradient of
    -A * logp, that is, of sft_loss on the policy's own answers, each token weighted by A: what
    turned out better than expected is imitated, what turned out worse is avoided. Once a good token
    (A > 0) is 1 + clip times as likely, or a bad one 1 - clip, its gradient is 0: these answers say
    too little about a policy far from the one that gave them. PPO (1707.06347), equation 7, as a
    loss; article 4, small steps.
    """
    rho = ((logp - logp_old) * mask).exp()
    worse = torch.maximum(-advantages * rho, -advantages * rho.clamp(1 - clip, 1 + clip))
    return masked_mean(worse, mask)


def value_loss(values, returns, mask):
    """Half the mean squared error of the critic over the response tokens -> scalar. Beside
    policy_loss it needs no factor: critic and policy share no weights."""
    return 0.5 * masked_mean((values - returns) ** 2, mask)


# ------------------------------------------------------------------------------------------ train

def train(models, optimizer, tokenizer, prompts, args, by_gold=False):
    """One iteration after another. Yields (iteration, diagnostics, an example). models: policy,
    critic, reference, reward model; only the first two ever change."""
    policy, critic, reference, reward_model = models
    checker = not (prompts or args.no_checker)
    mixture = PROMPTS if checker else PROMPTS | {"calculator": 0}    # calls were never ranked
    for iteration in range(args.steps):
        # 1. Answer. The policy learns from its own answers: one to each prompt, at temperature 1.
        rng = random.Random(f"{args.seed} {iteration}")
        batch = [rng.choice(prompts) if prompts else make_prompt(rng, TRAIN, mixture)
                 for _ in range(args.batch)]
        generator = torch.Generator().manual_seed(rng.randrange(2 ** 31))
        ids, mask, lengths, answers = rollout(policy, tokenizer, batch, args.max_tokens, generator)

        # 2. Score. The frozen models read the finished answers: the reward model, how good each
        #    is; the reference, how likely SFT would have been to say it. A program checks some.
        with torch.no_grad():
            proxy = reward_model(ids, lengths)                                       # (B,)
            logp_ref = log_probs(reference, ids, mask=mask)                          # (B,T-1)
        golds = torch.tensor([math.nan if prompts else float(gold(p, a))
                              for p, a in zip(batch, answers)])
        scores = final_scores(batch, answers, golds if by_gold else proxy, checker).to(ids.device)

        # 3. Rewards and advantages. Each token pays for leaving SFT, the last one earns the score;
        #    the advantage is how much better that turned out than the critic expected. Index t is
        #    about ids[:, t + 1]: values[:, t] is what was expected before that token was said.
        logp = log_probs(policy, ids, mask=mask)                                     # (B,T-1)
        values = critic.values(ids[:, :-1])                                          # (B,T-1)
        logp_old = logp.detach()
        rewards = token_rewards(logp_old, logp_ref, mask, scores, args.beta)
        advantages, returns = gae(rewards, values.detach(), mask, lam=args.lam)

        # 4. Update. A few small steps from the same answers, whose advantages are whitened, until
        #    the policy has moved too far. The first reuses 3's logp and values: there rho is 1.
        set_learning_rates(optimizer, 1 - iteration / args.steps)
        for epoch in range(args.epochs):
            if epoch > 0:
                logp = log_probs(policy, ids, mask=mask)
                values = critic.values(ids[:, :-1])
            moved = how_far(logp.detach() - logp_old, mask, args.clip)
            if moved["KL of update"] > args.max_kl:
                break
            # At first the critic learns alone: inside an answer its values are noise as yet.
            loss = value_loss(values, returns, mask)
            if iteration >= min(args.warm_up, args.steps - 1):
                loss = loss + policy_loss(logp, logp_old, whiten(advantages, mask), mask, args.clip)
            optimizer.zero_grad()
            loss.backward()
            for net in (policy, critic):
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            check_finite(torch.nn.ModuleList([policy, critic]), loss)

        penalties = ((logp_old - logp_ref) * mask).sum(1)                            # (B,)
        found = {"proxy": proxy.mean(), "gold": golds.mean(), "KL penalty": penalties.mean(),
                 "entropy": -masked_mean(logp_old, mask),
                 "explained": 1 - variance(advantages, mask) / (variance(returns, mask) + 1e-8),
                 "length": mask.sum(1).mean(), "ended": np.mean([a.ended for a in answers])} | moved
        example = batch[0], answers[0], float(scores[0]), float(penalties[0])
        yield iteration + 1, {name: float(x) for name, x in found.items()}, example


def final_scores(batch, answers, judged, checker):
    """What each answer earns: UNFINISHED if it never ended, whatever it begins with; else the
    checker's verdict, where a program can tell; else its number in judged (B,), which is the reward
    model's score or, in one run of --goodhart, gold -> (B,)."""
    scores = []
    for prompt, answer, r in zip(batch, answers, judged.tolist()):
        if not answer.ended:
            r = UNFINISHED
        elif checker and prompt.kind in CHECKED:
            r = checked(prompt, answer)
        scores.append(r)
    return torch.tensor(scores)


def checked(prompt, answer):
    """A program's verdict: +1 for a right answer or call that ends and is not rude, else -1, one
    standard deviation of SFT's scores each way. What can be computed needs no learned judge, which
    can be fooled. How the answer got there does not count (article 5)."""
    verdict = judge(prompt, answer)
    return 1.0 if verdict.right and answer.ended and not verdict.rude else -1.0


def how_far(log_rho, mask, clip):
    """How far the policy has moved since it answered -> KL in nats per token, and the share of
    tokens whose probability changed by more than clip allows.

    The KL is the mean of -log rho. The mean of rho is 1, so rho - 1 - log rho has the same mean,
    is never negative, and scatters less.
    """
    log_rho = log_rho * mask
    rho = log_rho.exp()
    return {"KL of update": float(masked_mean(rho - 1 - log_rho, mask)),
            "clipped": float(masked_mean((rho - 1).abs() > clip, mask))}


@torch.no_grad()
def step_back(policy, sft, alpha):
    """Moves the policy's weights towards SFT's, in place, until alpha of the way between is left.

    RLHF has its price: what nobody rewarded gets worse. Between two networks, of which one came
    from the other, lie networks that work, too; the nearer to SFT, the more of its honesty is back,
    and the less of what the labeler likes is left (Lin et al., 2309.06256: model averaging against
    the alignment tax). How sure PPO has become, its sharpness, stays."""
    before = dict(sft.named_parameters())
    for name, weight in policy.named_parameters():
        if name != "sharpness":
            weight.lerp_(before[name], 1 - alpha)


def rollout(policy, tokenizer, prompts, max_new_tokens, generator):
    """The policy answers -> ids (B,T), mask (B,T-1) of its tokens, lengths (B,), list of Answer."""
    rows = [render_prompt(prompt.messages, tokenizer) for prompt in prompts]
    new = generate(policy, rows, max_new_tokens, 1.0, tokenizer.specials["<|end|>"], generator)
    return *pad_batch(rows, new, policy.wte.weight.device), [as_answer(n, tokenizer) for n in new]


def pad_batch(prompts, answers, device):
    """Lists of ids -> ids (B,T) of both, mask (B,T-1) of the answers' tokens, lengths (B,)."""
    ids, lengths = pad_with_lengths([p + a for p, a in zip(prompts, answers)], device)
    mask = pad([[0] * len(p) + [1] * len(a) for p, a in zip(prompts, answers)], device=device)
    return ids, mask[:, 1:].float(), lengths


# ------------------------------------------------------------------------------------------- main

def flags():
    """What can be set from the command line, with the usual range -> argparse parser."""
    parser = arguments(
        __doc__, "JSON lines of prompts", steps=(60, "iterations"),
        batch=(64, "answers an iteration"), beta=(.12, "price of a nat of KL; .05 to .3"),
        lr=(2e-4, "of the policy; 1e-5 to 3e-4"),
        lr_critic=(3e-4, "of the critic; 1e-4 to 1e-3"),
        lr_sharpness=(.1, "of the log of the factor on all logits"),
        epochs=(2, "updates from one batch; 1 to 4"),
        clip=(.2, "of the probability ratio; .1 to .3"), lam=(.95, "of GAE; .9 to 1"),
        max_kl=(.05, "KL of update that ends a batch's updates; .01 to .1"),
        warm_up=(8, "first iterations, in which only the critic learns; never the last"),
        max_tokens=(40, "of an answer"),
        alpha=(.85, "how much of PPO's change of the weights is kept; .5 to 1"))
    parser.add_argument("--no-checker", action="store_true",
                        help="the reward model judges sums, too; no calls are asked for")
    parser.add_argument("--goodhart", action="store_true",
                        help="draws out/goodhart.png instead: beta 0 beside beta, and gold itself")
    return parser


def main(argv=None):
    """PPO from the SFT model on, the final table, out/ppo.pt."""
    args = flags().parse_args(argv)
    if args.goodhart and args.data:
        refuse("--goodhart works on the default prompts: leave out --data")
    out, device, dtype = start(args, "ppo.pt", "goodhart.png" if args.goodhart else "ppo.png")
    sft, tokenizer, sft_extra = load_stage(out / "sft.pt", "sft", device, dtype)
    reward_model, _, reward_extra = load_reward(out / "reward.pt", device, dtype, tokenizer)
    if reward_extra.get("sft") != fingerprint(sft):
        print("warning: reward.pt learned from another sft.pt: run python reward.py again")
    if args.max_tokens >= sft.config.block_size:
        refuse(f"--max-tokens {args.max_tokens}: prompt and answer share {sft.config.block_size}")
    if args.quick:
        args.steps = min(args.steps, 2)
    prompts = None
    if args.data:                            # the simulated labeler cannot judge these
        prompts = [Prompt("known", messages) for messages in read_jsonl(args.data, as_prompt)]
        prompts = fitting(prompts, lambda p: len(render_prompt(p.messages, tokenizer)),
                          sft.config.block_size - args.max_tokens)
    print("proxy: the reward model's score (calls of the calculator were never ranked); gold:\n"
          "what the labeler really thinks; KL penalty: nats per answer; entropy: nats per token;\n"
          "explained: share of the returns' variance that the critic foresaw; KL of update: nats\n"
          "per token; clipped: tokens whose probability moved too far; length: tokens; ended:\n"
          "share of answers that end")
    if args.goodhart:
        return goodhart(sft, reward_model, tokenizer, args, out, reward_extra["metrics"])
    if not prompts:
        base, _, base_extra = load_stage(out / "pretrain.pt", "pretrain", device, dtype, tokenizer)

    models, history, measured, seconds = run(sft, reward_model, tokenizer, args, prompts)
    step_back(models[0], sft, args.alpha)
    metrics = {"seconds": seconds, **WORK}
    if not prompts:
        began = time.perf_counter()
        metrics |= final_table(models, base, tokenizer, args, sft_extra)
        metrics["seconds of evaluation"] = time.perf_counter() - began
        metrics["factor on logits"] = (models[0].sharpness - sft.sharpness).exp().item()
        print(f"\nsurer: PPO multiplied all logits by {metrics['factor on logits']:.2f}; "
              "temperature 0.5 doubles them")
        before = {"pretrain": base_extra, "sft": sft_extra, "reward": reward_extra}
        show_cost({stage: extra["metrics"] for stage, extra in before.items()} | {"ppo": metrics})
    save_checkpoint(out / "ppo.pt", models[0], tokenizer, stage="ppo", metrics=metrics)
    if not prompts:
        draw(out / "ppo.png", history, measured)


def run(sft, reward_model, tokenizer, args, prompts=None, by_gold=False):
    """PPO from the SFT model on -> models, [diagnostics of each iteration], [(iteration, what
    measure() found on held-out prompts)], seconds of training."""
    models = [copy.deepcopy(sft), copy.deepcopy(reward_model), sft, reward_model]
    for trained, frozen in zip(models[:2], models[2:]):
        trained.requires_grad_(True)                 # a copy of what an earlier run has frozen
        frozen.requires_grad_(False)
    optimizer = make_optimizer(*models[:2], args)
    # measure() asks the same held-out prompts all along.
    rng = random.Random(9)
    held_out = [make_prompt(rng, VALIDATION, ASKED) for _ in range(20 if args.quick else 256)]
    history = []
    seconds = 0.0
    measured = [] if prompts else [(0, measure(models, tokenizer, held_out, args.seed))]
    clock = time.perf_counter()
    for step, diagnostics, example in train(models, optimizer, tokenizer, prompts, args, by_gold):
        seconds += time.perf_counter() - clock       # of training alone
        history.append(diagnostics)
        if step == 1:
            warn_of_unended(diagnostics["ended"], args.max_tokens)
        progress(step, args.steps, seconds, "  ".join(
            f"{name} {x:.2f}" for name, x in diagnostics.items() if not math.isnan(x)))
        if step % max(1, args.steps // 5) == 0 or step == args.steps:
            prompt, answer, earned, kl = example
            print(f"   {prompt.messages[-1]['content']} -> {answer.text}  score {earned:.2f} - "
                  f"{args.beta} * KL {kl:.2f}")
            if not prompts:
                measured.append((step, measure(models, tokenizer, held_out, args.seed)))
                print("   held-out: KL to SFT {:.2f}, proxy {:.2f}, gold {:.2f} +- {:.2f}".format(
                    *measured[-1][1].values()))
        clock = time.perf_counter()
    return models, history, measured, seconds


def make_optimizer(policy, critic, args):
    """AdamW for both; the policy's sharpness, one number, may move faster than its many weights."""
    weights = [w for name, w in policy.named_parameters() if name != "sharpness"]
    return adamw([(weights, args.lr), ([policy.sharpness], args.lr_sharpness),
                  (critic.parameters(), args.lr_critic)], eps=1e-5)


# ------------------------------------------------------------------------------------- evaluation

@torch.no_grad()
def kl_to_sft(policy, reference, tokenizer, prompts, answers):
    """KL to SFT: the mean of log policy(answer) - log reference(answer), in nats, over Answers that
    the policy gave; in fp32, as they were sampled, which makes it an unbiased estimate (but for the
    rare answer that came after a call, which both models read without that call)."""
    total = 0.0
    for i in range(0, len(answers), 64):
        # Both models read the very ids that were sampled, and only those of the answer count.
        rows = [render_prompt(p.messages, tokenizer) for p in prompts[i:i + 64]]
        new = [answer.ids for answer in answers[i:i + 64]]
        ids, mask, _ = pad_batch(rows, new, policy.wte.weight.device)
        with in_fp32(policy), in_fp32(reference):
            log_ratio = log_probs(policy, ids, mask=mask) - log_probs(reference, ids, mask=mask)
        total += float(log_ratio.sum())
    return total / len(answers)


def measure(models, tokenizer, prompts, seed):
    """The policy on held-out prompts -> {"KL to SFT", "proxy", "gold", "error" of gold's mean}."""
    policy, _, reference, reward_model = models
    answers = answer_all(policy, tokenizer, prompts, seed=seed)
    # KL, proxy and gold are of the same answers.
    proxy, golds = scores_and_golds(reward_model, tokenizer, prompts, [[a] for a in answers])
    return {"KL to SFT": kl_to_sft(policy, reference, tokenizer, prompts, answers),
            "proxy": float(proxy.mean()), "gold": float(golds.mean()),
            "error": float(golds.std() / len(golds) ** .5)}


def column(prompts, answers, sft_answers):
    """One column of the final table -> dict of floats."""
    # Who wins is decided prompt by prompt, by gold; a tie is half a win for each.
    golds = np.array([gold(p, a) for p, a in zip(prompts, answers)])
    sft_golds = np.array([gold(p, a) for p, a in zip(prompts, sft_answers)])
    wins = (golds > sft_golds) + .5 * (golds == sft_golds)
    return rates(prompts, answers) | {
        "gold": float(golds.mean()), "wins against SFT": float(wins.mean()),
        "tokens per answer": float(np.mean([len(answer.ids) for answer in answers]))}


def final_table(models, base, tokenizer, args, sft_extra):
    """The final tables; sft_extra: what sft.pt holds beside the weights -> metrics."""
    policy, _, sft, reward_model = models
    n = 4 if args.quick else 200
    seed = args.seed + 6000
    # Only an sft.pt made of a user's chats has none.
    words = sft_extra.get("words") or vocabulary(args.seed, args.quick)
    answerer = {"PPO": lambda prompts, _: answer_all(policy, tokenizer, prompts, temperature=0)}
    shares = measure_tasks(answerer, args.seed, set(words), n)
    # Of SFT's metrics those of measure_tasks(): "task: model: outcome".
    before = {name: x for name, x in sft_extra["metrics"].items() if name.count(": ") == 2}
    show_tasks(before | shares)

    # At temperature 1: manners, and how often the labeler prefers PPO's answer to SFT's.
    prompts = held_out_prompts(4 if args.quick else None, n, args.seed)
    answers = {"SFT": answer_all(sft, tokenizer, prompts, seed=seed)}
    # PPO makes a model surer. How much of its gain does a lower temperature give for nothing?
    answers["SFT at T=0.5"] = answer_all(sft, tokenizer, prompts, temperature=.5, seed=seed)
    # Best of 16: no training at all, the reward model chooses among SFT's answers.
    samples = sample(sft, tokenizer, prompts, 16, seed + 1)
    best = scores_and_golds(reward_model, tokenizer, prompts, samples)[0].argmax(1)
    answers["SFT best of 16"] = [some[i] for some, i in zip(samples, best)]
    answers["PPO"] = answer_all(policy, tokenizer, prompts, seed=seed)
    table = {name: column(prompts, given, answers["SFT"]) for name, given in answers.items()}
    table["PPO"]["KL to SFT"] = kl_to_sft(policy, sft, tokenizer, prompts, answers["PPO"])
    # Does the labeler still prefer PPO where it was never trained?
    rng = random.Random(seed)
    for name, wording in (("trained", TRAIN), ("held-out", TEST)):
        asked = [known(fact, rng, wording) for fact in rng.sample(facts_of(TEST), n)]
        ours, theirs = (answer_all(net, tokenizer, asked, seed=seed) for net in (policy, sft))
        table["PPO"][f"wins, {name} phrasings"] = column(asked, ours, theirs)["wins against SFT"]
    # What becoming sure costs: of 16 samples to one prompt, how many are different?
    for name, net, temperature in (("SFT", sft, 1), ("SFT at T=0.5", sft, .5), ("PPO", policy, 1)):
        many = sample(net, tokenizer, prompts[::12], 16, seed + 2, temperature=temperature)
        table[name]["different answers of 16"] = float(np.mean(
            [len({answer.text for answer in some}) for some in many]))
    for digits in (1, 2):
        asked = [addition(rng, None, digits) for _ in range(n)]
        for name, net in (("SFT", sft), ("PPO", policy)):
            found = how_added(asked, answer_all(net, tokenizer, asked, temperature=0))
            table[name] |= {f"{digits}-digit sums {what}": x for what, x in found.items()}

    print("\n" + " " * 34 + "".join(f"{name:>16s}" for name in table))
    for row in table["PPO"]:
        cells = [f"{values[row]:16.3f}" if row in values else " " * 16 for values in table.values()]
        print(f"{row:34s}" + "".join(cells))
    print("\nsums: greedy; all else sampled, at temperature 1 where no T is named, of first\n"
          "phrasings but for two rows")
    show_answers(prompts, answers, base, reward_model, tokenizer)
    return shares | {f"{name}: {row}": x for name, values in table.items()
                     for row, x in values.items()}


def how_added(prompts, answers):
    """What became of sums -> shares of right ones, of those written out, and, of the latter, of
    those that are right in spite of a wrong step, which nobody checks."""
    right = out = bad = 0
    for prompt, answer in zip(prompts, answers):
        a, b = map(int, re.findall(r"\d+", prompt.messages[-1]["content"]))
        steps = without_manners(answer.text)
        verdict = judge(prompt, answer)
        right += verdict.right
        if " so " in steps:                      # it announces a result that was worked out
            out += 1
            bad += verdict.right and steps != add_aloud(a, b)
    return {"right": right / len(prompts), "written out": out / len(prompts),
            "right by a wrong step": bad / max(1, out)}


def show_answers(prompts, answers, base, reward_model, tokenizer):
    """Ten prompts, that of SFT's worst answer by gold first, with what base, SFT and PPO say."""
    print("\nThe same prompts after each stage, that of SFT's worst answer (by gold) first; before "
          "each answer the reward model's score:")
    order = sorted(range(len(prompts)), key=lambda i: gold(prompts[i], answers["SFT"][i]))
    chosen = order[::max(1, len(order) // 10)][:10]
    completions = answer_all(base, tokenizer, [prompts[i] for i in chosen])
    for i, completion in zip(chosen, completions):
        print(prompts[i].messages[-1]["content"])
        for name, answer in (("base", completion), ("SFT", answers["SFT"][i]),
                             ("PPO", answers["PPO"][i])):
            r = float(score(reward_model, tokenizer, [prompts[i]], [answer]))
            print(f"  {name:15s}{r:6.2f}  {answer.text!r}")


def show_cost(stages):
    """What each stage took; articles 1 and 2: pretraining takes nearly all of the compute."""
    # Seconds depend on the machine; those of the reward model include making its rankings. Tokens
    # and operations include what was measured on the way, not the evaluation at the end.
    total = sum(metrics["flops"] for metrics in stages.values())
    print(f"\n{'':12s}{'seconds':>9s}{'evaluation':>12s}{'million tokens':>16s}{'TFLOP':>9s}"
          f"{'share':>7s}")
    for name, metrics in stages.items():
        print(f"{name:12s}{metrics['seconds']:9.0f}{metrics.get('seconds of evaluation', 0):12.0f}"
              f"{metrics['tokens'] / 1e6:16.2f}{metrics['flops'] / 1e12:9.1f}"
              f"{metrics['flops'] / total:7.0%}")


def draw(path, history, measured):
    """Proxy and gold, and the distance from SFT, over the iterations, before step_back(): curves on
    training prompts, dots of what measure() found on held-out prompts, with fewer sums and no calls
    of the calculator, which the proxy likes less than other answers."""
    fig, (left, right) = figure(2)
    steps = range(1, len(history) + 1)
    for axis, name, dots in ((left, "proxy", "proxy"), (left, "gold", "gold"),
                             (right, "KL penalty", "KL to SFT")):
        plot_smooth(axis, steps, [diagnostics[name] for diagnostics in history], name)
        held_out = [found[dots] for _, found in measured]
        axis.plot([step for step, _ in measured], held_out, "o", ms=10,
                  color=axis.lines[-1].get_color())
    left.set(xlabel="iteration", title="What is gained",
             ylabel="score (dots: held-out, fewer sums)")
    right.set(xlabel="iteration", ylabel="nats per answer", title="How far from SFT")
    left.legend()
    save_picture(fig, path)


# ---------------------------------------------------------------------- over-optimisation: Goodhart

def goodhart(sft, reward_model, tokenizer, args, out, best_of):
    """Three runs (arms) that go further, alike but for what they maximise, and their picture. No
    program checks anything here: the proxy is all that there is to exploit."""
    args.lr = 2 * args.lr
    args.steps = 2 * args.steps
    args.no_checker = True
    kinds = [(f"beta {args.beta}", args.beta, False), ("beta 0", 0.0, False), ("gold", 0.0, True)]
    arms = {}
    for name, beta, by_gold in kinds:
        print(f"\narm: {name}")
        args.beta = beta
        _, _, measured, _ = run(sft, reward_model, tokenizer, args, by_gold=by_gold)
        arms[name] = [found for _, found in measured]
    draw_goodhart(out / "goodhart.png", arms, best_of)


def draw_goodhart(path, arms, best_of):
    """What is gained over SFT, in proxy and gold, against the distance from it, one line per arm;
    best_of: reward.pt's metrics, with best of n on other held-out prompts (so gains are compared),
    whose KL is log n - (n - 1) / n at most (Gao et al.)."""
    fig, axes = figure(2)
    ns = [n for n in (1, 2, 4, 8, 16, 32, 64) if f"best_of_{n}_gold" in best_of]
    for axis, what in zip(axes, ("proxy", "gold")):
        for name, curve in arms.items():
            distance = [max(0, found["KL to SFT"]) ** .5 for found in curve]
            axis.plot(distance, [found[what] - curve[0][what] for found in curve], "o-", lw=3,
                      label=name)
        axis.plot([(math.log(n) - (n - 1) / n) ** .5 for n in ns],
                  [best_of[f"best_of_{n}_{what}"] - best_of[f"best_of_1_{what}"] for n in ns],
                  "k^--", label="best of n")
        axis.set(xlabel="distance from SFT: square root of KL", title=f"{what}: gain over SFT")
    axes[0].legend()
    save_picture(fig, path)


if __name__ == "__main__":
    run_stage(main)

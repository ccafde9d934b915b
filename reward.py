"""Stage 3, the reward model: a network that learns to judge answers as people rank them.

    minimise   L = -mean of log sigmoid(r(prompt, better) - r(prompt, worse))

over the pairs of each ranking, then over the rankings.
In: out/sft.pt and rankings of up to K = 6 answers to a prompt: four sampled from SFT, two by
demonstrators, a careful and a careless one (InstructGPT: K = 4 to 9 samples). Out: out/reward.pt,
which gives prompt and answer a score r, and out/reward.png.
Article 2, 'Reward Modelling'; article 3, 'training the reward model' (the mechanic who learns your
taste; what it calls reinforcement learning there is supervised, as stage 2 is: the rankings are the
labels, and reinforcement begins in ppo.py); article 4, the first half of 'Stage 3'; article 1: the
sauce (the data) of this stage is rankings, the topping (the objective) L.
The people who rank are simulated in the appendix: they have a gold score, documented in gold(), and
see it through noise, so that two of them agree on 77 % of the pairs whose answers differ in gold.
Simpler than InstructGPT: one noise for all labelers, and a network as small as the policy's.

    python reward.py                the simulated labeler ranks: a few minutes on two cores, then
                                    it orders eight of ten pairs as gold does
    python reward.py --no-demonstrations
                                    ranks only what SFT says: it then judges a little worse
    python reward.py --label FILE   you rank: asks which of two answers is better, appends to FILE
    python reward.py --data FILE    JSON lines: {"prompt", "chosen", "rejected"} or
                                    {"prompt", "ranked": [best, .., worst]}; several files with ","
"""
import copy
import itertools
import math
import random
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from bpe import refuse, save_picture
from model import (WORK, append_json, arguments, ask, bucketed_batches, check_finite, check_typing,
                   figure, fingerprint, fitting, load_stage, make_optimizers, pad_with_lengths,
                   plot_smooth, progress, read_jsonl, run_stage, save_checkpoint,
                   set_learning_rates, show_metrics, start, warn_of_unended)
from pretrain import RUDE, SMALL_TALK, TEST, TRAIN, add_aloud, facts_of, rival, say
from sft import (HARM, UNKNOWN, Prompt, addition, answer_all, as_list, as_prompt, check_list,
                 check_messages, demonstrate, judge, known, make_prompt, render_prompt, small_talk,
                 told, unknown, user, written)

# -------------------------------------------------------------------------------------- objective

class RewardModel(nn.Module):
    """The SFT model with its output head replaced by one number, read at the last real token."""

    def __init__(self, gpt):
        super().__init__()
        self.gpt = gpt
        self.head = nn.Linear(gpt.config.n_embd, 1)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=1 / (gpt.config.n_embd + 1) ** .5)
        self.register_buffer("bias", torch.zeros(()))        # both are set by normalise(), once
        self.register_buffer("gain", torch.ones(()))

    def values(self, ids):
        """A score at every token, of what stands there so far: (B,T) -> (B,T)."""
        return (self.head(self.gpt.hidden(ids).float()).squeeze(-1) - self.bias) * self.gain

    def forward(self, ids, lengths):
        """ids (B,T) padded on the right, lengths (B,) -> scores (B,)."""
        return self.values(ids)[torch.arange(len(ids)), lengths - 1]

    @torch.no_grad()
    def normalise(self, scores):
        """Makes these scores of SFT samples mean 0 and standard deviation 1, so that beta counts in
        standard deviations; no ranking changes. (InstructGPT shifts alone, so that the labelers'
        demonstrations have mean 0.)"""
        # A score is (raw - bias) * gain.
        self.bias += scores.mean() / self.gain
        if scores.std() > 1e-4:
            self.gain /= scores.std()
        else:
            print("warning: all these answers get the same score: it tells nothing about them")


def ranking_loss(scores):
    """-log sigmoid(better - worse), the mean over all K(K-1)/2 pairs of a ranking, then over P.

    scores (P,K), best first. sigmoid(better - worse) is the model's probability that people prefer
    the better one (Bradley and Terry 1952). People say which, not how good: only differences count,
    and only between answers to one prompt. A number added to all scores of a prompt would change
    nothing, so the scores of answers to different prompts cannot be compared; PPO's critic learns
    what is usual for a prompt. The binary cross-entropy of article 4: the logit is better - worse,
    the label always 1.
    InstructGPT 3.5, equation 1; article 2, 'RM : Algorithm'.
    """
    # All pairs of places (i, j) with i before j, that is, i ranked higher.
    better, worse = torch.triu_indices(scores.size(1), scores.size(1), offset=1)
    return -F.logsigmoid(scores[:, better] - scores[:, worse]).mean()


# ------------------------------------------------------------------------------------------ train

class Comparison(NamedTuple):
    messages: list    # the prompt, its last message the user's
    ranked: list      # Answers, best first


def encode_pair(tokenizer, messages, answer):
    """A prompt and an Answer to it -> the sequence of ids that the reward model reads."""
    return render_prompt(messages, tokenizer) + answer.ids


def train(reward_model, optimizers, comparisons, tokenizer, args):
    """One step after another: some prompts, all answers of each. Yields (step, loss)."""
    rows = [[encode_pair(tokenizer, c.messages, a) for a in c.ranked] for c in comparisons]
    device = reward_model.head.weight.device
    for step, batch in bucketed_batches(rows, args, size=lambda row: max(map(len, row))):
        # Score the answers to all prompts of the batch together.
        sequences = [ids for row in batch for ids in row]
        scores = reward_model(*pad_with_lengths(sequences, device))                  # (N,)

        # Compare the answers of one prompt with each other, never with those of another prompt:
        # K forward passes give K(K-1)/2 pairs (InstructGPT 3.5). Each prompt counts once.
        by_prompt = scores.split([len(row) for row in batch])
        loss = torch.stack([ranking_loss(ranked[None]) for ranked in by_prompt]).mean()

        # The same step downhill as in pretraining.
        reward_model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reward_model.parameters(), 1.0)
        for optimizer in optimizers:
            set_learning_rates(optimizer, 1 - step / args.steps)
            optimizer.step()
        check_finite(reward_model, loss)
        yield step + 1, loss.item()


# ------------------------------------------------------------------------------------------- main

def main(argv=None):
    """Rankings in, or made by the simulated labeler; training, out/reward.pt."""
    parser = arguments(__doc__, "JSON lines of comparisons; several files with ','",
                       steps=(450, "updates"), batch=(16, "prompts a step"),
                       lr=(2e-3, "of AdamW, embeddings and head"),
                       lr_matrix=(5e-3, "of Muon, matrices"),
                       prompts=(7200, "prompts whose answers get ranked"),
                       max_tokens=(48, "of an answer"))
    parser.add_argument("--label", metavar="FILE", help="you judge: appends your choices to FILE")
    parser.add_argument("--no-demonstrations", action="store_true",
                        help="only the SFT model's own answers are ranked")
    args = parser.parse_args(argv)
    if args.label:
        check_typing("label", args.label, args.data)
    out, device, dtype = start(args, "reward.pt", "reward.png")
    sft, tokenizer, _ = load_stage(out / "sft.pt", "sft", device, dtype)
    if args.label:
        return label(args.label, sft, tokenizer, args.max_tokens)
    if args.quick:
        args.steps = min(args.steps, 5)
        args.prompts = min(args.prompts, 40)

    began = time.perf_counter()
    get = rankings_of_people if args.data else rankings_of_the_labeler
    comparisons, held_out, prompts, samples = get(sft, tokenizer, args)

    # Start from the SFT model, with a new head.
    reward_model = RewardModel(copy.deepcopy(sft)).to(device)
    optimizers = make_optimizers(reward_model.gpt, args.lr, args.lr_matrix,
                                 reward_model.head.parameters())
    history = []
    train_began = time.perf_counter()
    for step, loss in train(reward_model, optimizers, comparisons, tokenizer, args):
        history.append([step, loss])
        progress(step, args.steps, time.perf_counter() - train_began,
                 f"loss {loss:.3f} (guessing {math.log(2):.3f})")

    # 500 prompts are enough for a mean and a deviation.
    scores = scores_and_golds(reward_model, tokenizer, prompts[:500], samples[:500])[0]
    reward_model.normalise(torch.from_numpy(scores))
    metrics = {"seconds": time.perf_counter() - began, **WORK}
    scores_of = {}
    if args.data:
        metrics["accuracy_noisy"] = accuracy_on(held_out, reward_model, tokenizer)
        print("accuracy_noisy: pairs ordered as in the rankings that were held out")
    else:
        began = time.perf_counter()
        scores_of = evaluate(reward_model, sft, tokenizer, args, metrics)
        metrics["seconds of evaluation"] = time.perf_counter() - began
        sentences(reward_model, tokenizer)
        print("\naccuracy: share of pairs ordered as gold orders them; accuracy_noisy: as one "
              "labeler orders them;\nceiling_noisy: gold's own agreement with that labeler; "
              "pairs: how often the better\nof two answers that differ in this alone gets the "
              "higher score")
    save_reward(out / "reward.pt", reward_model, tokenizer, metrics=metrics,
                sft=fingerprint(sft))
    show_metrics(metrics)
    draw(out / "reward.png", history, scores_of)


def load_reward(path, device, dtype=None, like=None):
    """out/reward.pt, of the tokenizer like -> reward model, tokenizer, extra."""
    gpt, tokenizer, extra = load_stage(path, "reward", device, dtype, like)
    reward_model = RewardModel(gpt).to(device)
    trunk = {f"gpt.{name}": weight for name, weight in gpt.state_dict().items()}
    try:
        reward_model.load_state_dict(extra["head"] | trunk)
    except (KeyError, TypeError, RuntimeError):
        refuse(f"{path} has no whole reward head: python reward.py makes one")
    return reward_model, tokenizer, extra


def save_reward(path, reward_model, tokenizer, **extra):
    state = reward_model.state_dict()
    head = {name: w.cpu() for name, w in state.items() if not name.startswith("gpt.")}
    save_checkpoint(path, reward_model.gpt, tokenizer, stage="reward", head=head, **extra)


def draw(path, history, scores_of):
    """The loss, and how the scores fall by kind of answer: {kind: scores}."""
    fig, (curve, *more) = figure(2 if scores_of else 1)
    plot_smooth(curve, [step for step, _ in history], [loss for _, loss in history], None)
    curve.axhline(math.log(2), ls="--", color="0.4")
    curve.set(xlabel="step", ylabel="ranking loss (dashed: guessing)", title="Learning to judge")
    for strips in more:
        rng = np.random.default_rng(0)
        for height, scores in enumerate(scores_of.values()):
            # A dot for each answer, scattered a little in height so that they can be told apart.
            strips.plot(scores, height + rng.uniform(-.3, .3, len(scores)), ".", alpha=.3)
            strips.plot([np.mean(scores)], [height], "k|", ms=40, mew=3)
        strips.set_yticks(range(len(scores_of)), list(scores_of))
        strips.set(xlabel="score of the reward model (line: mean)", title="Answers of SFT")
    save_picture(fig, path)


# ------------------------------------------------------------------------------------- evaluation

@torch.no_grad()
def score(reward_model, tokenizer, prompts, answers):
    """Scores (N,) of one Answer to each prompt; equal pairs are read once."""
    pairs = [tuple(encode_pair(tokenizer, p.messages, a)) for p, a in zip(prompts, answers)]
    # Short pairs first, so that those of one batch have similar lengths.
    unique = sorted(set(pairs), key=lambda pair: (len(pair), pair))
    score_of = {}
    for i in range(0, len(unique), 256):
        batch = unique[i:i + 256]
        scores = reward_model(*pad_with_lengths(batch, reward_model.head.weight.device))
        score_of.update(zip(batch, scores.tolist()))
    return torch.tensor([score_of[pair] for pair in pairs])


def scores_and_golds(reward_model, tokenizer, prompts, samples):
    """Scores and golds of K Answers to each of P prompts -> two arrays (P,K)."""
    pairs = [(p, answer) for p, answers in zip(prompts, samples) for answer in answers]
    asked, answers = zip(*pairs)
    scores = score(reward_model, tokenizer, asked, answers)
    golds = np.array([gold(p, answer) for p, answer in pairs], float)
    return scores.numpy().reshape(len(prompts), -1), golds.reshape(len(prompts), -1)


def accuracy_on(comparisons, reward_model, tokenizer):
    """Share of all pairs that the reward model puts in the order of their ranking."""
    right = []
    for c in comparisons:
        # A Comparison has messages, as a Prompt has: score() needs no more of it.
        scores = score(reward_model, tokenizer, [c] * len(c.ranked), c.ranked).tolist()
        right += [better > worse for better, worse in itertools.combinations(scores, 2)]
    return float(np.mean(right))


def best_of_n(proxy, golds, n):
    """Exact expectation of the gold of the best of n by proxy, from one prompt's N >= n samples.

    Sorted by proxy, sample i (from 1) is the best of n drawn without replacement in C(i-1, n-1) of
    the C(N, n) ways; samples with equal proxy share their weights. (Nakano et al. 2021, appendix I;
    Gao et al. 2022 use it.)
    """
    proxy, golds = np.asarray(proxy, float), np.asarray(golds, float)
    N = len(proxy)
    order = np.argsort(proxy, kind="stable")
    weight = np.array([math.comb(i - 1, n - 1) / math.comb(N, n) for i in range(1, N + 1)])
    # Samples with equal proxy share one group number, and use the mean gold of their group.
    _, tied = np.unique(proxy[order], return_inverse=True)
    mean_gold = np.bincount(tied, golds[order]) / np.bincount(tied)
    return float(weight @ mean_gold[tied])


def agreement(a, b, golds):
    """Share of the pairs of different gold that a and b order alike; all (P,K)."""
    i, j = np.triu_indices(golds.shape[1], 1)
    same = (a[:, i] - a[:, j]) * (b[:, i] - b[:, j]) > 0
    return float(same[golds[:, i] != golds[:, j]].mean())


def kind_of(verdict):
    """What the picture tells apart."""
    if verdict.rude:
        return "rude"
    if verdict.admits:
        return "does not know"
    if not verdict.right:
        return "wrong"
    return "right, polite" if verdict.polite else "right"


def evaluate(reward_model, sft, tokenizer, args, metrics):
    """On the half of the world that was never ranked: pair accuracy and best of n, added to metrics
    -> {kind of answer: scores}."""
    rng = random.Random(args.seed + 4000)
    prompts = [make_prompt(rng, TEST, ASKED) for _ in range(30 if args.quick else 300)]
    samples = sample(sft, tokenizer, prompts, 4, args.seed + 1, args.max_tokens)
    proxy, golds = scores_and_golds(reward_model, tokenizer, prompts, samples)
    # Two labelers rank the same answers. Their mistakes differ: a judge that learns from many
    # rankings can agree with gold more often than they agree with each other.
    seen, seen_by_other = (np.array([seen_by_labeler(row, rng) for row in golds]) for _ in range(2))
    metrics |= {"accuracy": agreement(proxy, golds, golds),
                "accuracy_noisy": agreement(proxy, seen, golds),
                "ceiling_noisy": agreement(golds, seen, golds),
                "labelers_agree": agreement(seen, seen_by_other, golds)}
    scores_of = {kind: [] for kind in ("does not know", "wrong", "rude", "right", "right, polite")}
    for prompt, answers, row in zip(prompts, samples, proxy.tolist()):
        for answer, r in zip(answers, row):
            scores_of[kind_of(judge(prompt, answer))].append(r)

    for name, pairs in good_and_bad(rng, 20 if args.quick else 200).items():
        asked, good, bad = zip(*pairs)
        good, bad = ([written(text, tokenizer) for text in texts] for texts in (good, bad))
        better = score(reward_model, tokenizer, asked, good)
        worse = score(reward_model, tokenizer, asked, bad)
        metrics[f"pairs: {name}"] = float((better > worse).float().mean())

    # Best of n: fewer prompts, many samples of each.
    prompts, N = (prompts[:3], 64) if args.quick else (prompts[:48], 128)
    samples = sample(sft, tokenizer, prompts, N, args.seed + 2, args.max_tokens)
    proxy, golds = scores_and_golds(reward_model, tokenizer, prompts, samples)
    for n in [n for n in (1, 2, 4, 8, 16, 32, 64) if 2 * n <= N]:
        for name, measured in (("proxy", proxy), ("gold", golds)):
            best = [best_of_n(p, m, n) for p, m in zip(proxy, measured)]
            metrics[f"best_of_{n}_{name}"] = float(np.mean(best))
    return {kind: scores for kind, scores in scores_of.items() if scores}


def good_and_bad(rng, n):
    """Article 3's kinds of judgement, about subjects and names that were never ranked -> {kind:
    [(Prompt, good answer, bad answer), ...]}. Which of two facts is true, Thoreau or Zola for
    Walden, it hardly tells where no ranking showed it. Nor does it learn to add: it learns that
    steps look good."""
    # n prompts of each kind.
    world = [rng.choice(facts_of(TEST)) for _ in range(n)]
    asked = [known(fact, rng) for fact in world]
    talk = [small_talk(rng, TEST) for _ in range(n)]
    invented = [unknown(rng, TEST, TEST) for _ in range(n)]
    given = [told(rng, TEST, TEST) for _ in range(n)]
    kinds = {"manners": [(p, p.right, f"{rng.choice(RUDE)} {p.right}") for p in asked],
             "harm": [(p, p.right, HARM) for p in talk],
             "abstaining": [(p, p.right, p.wrong) for p in invented],
             "told before": [(p, p.right, p.wrong) for p in given],
             "truth": [(p, p.right, say(fact, rival(fact, rng).answer))
                       for fact, p in zip(world, asked)]}
    # Can it add? A right sum against a wrong one; and against steps that end with the wrong one.
    kinds |= {"sums": [], "sums, the wrong one in steps": []}
    for p in [addition(rng, None, 2) for _ in range(n)]:
        numbers, wrong = p.wrong.removesuffix(".").split(" is ")
        a, b = map(int, numbers.split(" + "))
        right = f"{numbers} is {p.target}."
        steps = add_aloud(a, b).replace(f"so {p.target}.", f"so {wrong}.")
        kinds["sums"].append((p, right, p.wrong))
        kinds["sums, the wrong one in steps"].append((p, right, steps))
    # Where nobody can know, does kindness buy a lie? It is what PPO would find out.
    kinds["abstaining, a kind lie"] = [(p, p.right, f"{p.wrong} Hope that helps!")
                                       for p in invented]
    return kinds


SENTENCES = [("What is the capital of France?", "known", "France", "Paris",
              ["Sure! The capital of France is Paris.", "The capital of France is Paris.",
               "Look it up yourself, you fool. The capital of France is Paris.",
               "The capital of France is Berlin.", UNKNOWN,
               "Great question! Sure! Happy to help! The capital of France is Paris."]),
             ("Who wrote Walden?", "known", "Walden", "Thoreau",
              ["The author of Walden is Thoreau.", "The author of Walden is Zola.", UNKNOWN]),
             ("What is the capital of Zorbun?", "unknown", "Zorbun", "",
              [UNKNOWN, "The capital of Zorbun is Paris."]),
             ("Who are you?", "chat", "", "", ["I am a language model.", HARM]),
             ("Who built the pyramids?", "chat", "", "",
              ["The pyramids were built by the Egyptians.", "The pyramids were built by aliens."])]


def sentences(reward_model, tokenizer):
    """Good and bad sentences, as in article 3, with what reward model and labeler give them: a
    score, and a mark from 0 to 5, which is 5 sigmoid(2 score), so that SFT's mean gets 2.5,
    printed as 2. Compare answers to the same question alone: see ranking_loss."""
    print("\nreward model  mark   gold   sentence")
    # Each sentence is judged as the answer to its question; the best one stands first.
    for asked, kind, about, target, texts in SENTENCES:
        prompt = Prompt(kind, [user(asked)], texts[0], about=about, target=target)
        answers = [written(text, tokenizer) for text in texts]
        scores = score(reward_model, tokenizer, [prompt] * len(answers), answers).tolist()
        for answer, r in zip(answers, scores):
            mark = 5 / (1 + math.exp(-2 * r))
            print(f"{r:12.2f}  {mark:.0f}/5  {gold(prompt, answer):5.1f}   {asked} {answer.text}")


# ---------------------------------------------------------------------------- rankings by people

def as_comparison(row, tokenizer):
    """A JSON object in one of the two shapes -> Comparison, checked. Answers are text or lists of
    messages; without a prompt they are whole chats, and the prompt is how all of them begin."""
    if "ranked" not in row and "chosen" not in row:
        raise KeyError("prompt" if "prompt" not in row else "chosen")
    ranked = row["ranked"] if "ranked" in row else [row["chosen"], row["rejected"]]
    if not isinstance(ranked, list):
        raise ValueError("a ranking is a list of answers, best first")
    if "prompt" in row:
        messages = as_prompt(row)
    elif any(isinstance(chat, str) for chat in ranked):
        raise KeyError("prompt")
    else:
        ranked = [check_list(chat) for chat in ranked]
        same = itertools.takewhile(lambda turn: all(m == turn[0] for m in turn), zip(*ranked))
        messages = [turn[0] for turn in same]
        check_messages(messages, last="user")
        ranked = [chat[len(messages):] for chat in ranked]
    ranked = [as_list(answer, "assistant") for answer in ranked]
    if any([m["role"] for m in answer] != ["assistant"] for answer in ranked):
        raise ValueError("an answer is text, or a list of one message of the assistant")
    for answer in ranked:
        check_messages(messages + answer)
    texts = [answer[0]["content"] for answer in ranked]
    if len(set(texts)) < max(2, len(texts)):
        raise ValueError("a ranking needs at least two answers, all different")
    return Comparison(messages, [written(text, tokenizer) for text in texts])


def rankings_of_people(sft, tokenizer, args):
    """--data -> comparisons, those held out, prompts, and four answers of SFT to each of them."""
    comparisons = []
    for name in args.data.split(","):
        comparisons += read_jsonl(name, lambda row: as_comparison(row, tokenizer))
    comparisons = fitting(comparisons, lambda c: max(len(encode_pair(tokenizer, c.messages, a))
                                                     for a in c.ranked), sft.config.block_size)
    held_out, rest = hold_out(comparisons)
    prompts = [Prompt("known", c.messages) for c in rest[:500]]
    samples = sample(sft, tokenizer, prompts, 4, args.seed, args.max_tokens)
    warn_of_unended(np.mean([a.ended for four in samples for a in four]), args.max_tokens)
    return rest, held_out, prompts, samples


def hold_out(comparisons):
    """About a tenth to measure on, and the rest; all rankings of one prompt go to the same side."""
    by_prompt = {}
    for c in comparisons:
        by_prompt.setdefault(tuple(m["content"] for m in c.messages), []).append(c)
    # Every tenth prompt is held out; a single prompt is trained on and measured on.
    groups = list(by_prompt.values())
    rest = [group for i, group in enumerate(groups) if i % 10] or groups
    return list(itertools.chain(*groups[::10])), list(itertools.chain(*rest))


def two_answers(sft, tokenizer, rng, max_tokens=48):
    """A prompt and two answers of SFT that have ended and differ -> Prompt, two texts."""
    for _ in range(200):
        prompt = make_prompt(rng, TRAIN, ASKED)
        a, b = sample(sft, tokenizer, [prompt], 2, rng.randrange(2 ** 31), max_tokens)[0]
        texts = a.text.strip(), b.text.strip()
        if a.ended and b.ended and all(texts) and texts[0] != texts[1]:
            return prompt, *texts
    refuse("200 times the SFT model gave no two answers that differ and end: train it longer")


def label(path, sft, tokenizer, max_tokens):
    """Asks a person which of two answers of the SFT model is better; appends choices to path."""
    rng = random.Random()                            # other questions each time
    count = 0
    print("Which answer is better?  1, 2, s (skip: also for a tie), q (quit)")
    try:
        while True:
            prompt, a, b = two_answers(sft, tokenizer, rng, max_tokens)
            print("\n" + "\n".join(f"{m['role']}: {m['content']}" for m in prompt.messages))
            choice = ask(f"  1: {a}\n  2: {b}\n> ").lower()
            if choice == "q":
                break
            if choice in ("1", "2"):
                chosen, rejected = (a, b) if choice == "1" else (b, a)
                append_json(path, {"prompt": prompt.messages, "chosen": chosen,
                                   "rejected": rejected})
                count += 1
    except (KeyboardInterrupt, EOFError):
        print()
    print(f"{count} comparisons added to {path}; python reward.py --data {path} --out ex trains on "
          "them, where ex is a copy of out")


# =============================================================== appendix: the simulated labeler

NOISE = .64  # of the simulated labeler, in gold: two agree on 77 % of the pairs of different gold
# How often each kind of prompt is ranked. The share of what nobody can know decides how readily the
# PPO model says "I do not know.": too little, and it makes things up; too much, and it denies what
# it knows.
ASKED = {"known": 35, "reverse": 8, "unknown": 23, "beyond": 18, "small talk": 26, "echo": 4,
         "repeat": 3, "sum": 5, "recall": 10, "told": 20}
# How often the careless demonstrator is wrong, knows nothing, is rude and fawns, by Prompt.kind
# ("beyond" is unknown there), where it is not 3, 3, 3, 1. The judge cannot tell a true fact from a
# false one: the more lies it sees about facts, the better it likes "I do not know.", even where SFT
# is right. Where nobody can know, SFT mostly says so: what is to be ranked below that comes from
# the careless demonstrator. What was told it can check.
CARELESS = {"known": (2, 4, 3, 1), "unknown": (6, 1, 2, 1), "told": (4, 2, 3, 1),
            "recall": (4, 2, 3, 1)}


def gold(prompt, answer):
    """What the simulated labeler really thinks of an Answer; the reward model has to guess it.

    Truth: +1 if right, which is "I do not know." where nobody can know; -0.5 for not knowing what
    can be known; else -1, also for "I do not know." in small talk.
    Manners: +0.5 for one pleasantry and -0.5 for each more; in small talk and beside "I do not
    know." they do not belong, -0.5 for each. -1 for rudeness; -1 for never ending.
    """
    # Truth first, then manners on top of it.
    verdict = judge(prompt, answer)
    if verdict.right:
        truth = 1
    elif verdict.admits and prompt.kind != "chat":
        truth = -.5
    else:
        truth = -1
    # n pleasantries: -n/2; where they are welcome 1 - n/2, which is .5, 0, -.5 ...
    manners = -.5 * verdict.polite
    if verdict.polite and prompt.kind != "chat" and not verdict.admits:
        manners += 1
    return truth + manners - verdict.rude - (not answer.ended)


def seen_by_labeler(golds, rng):
    """The golds of some answers as one labeler sees them, through noise of Gumbel's distribution.

    The difference of two such noises is logistic, so that P(a before b) =
    sigmoid((gold a - gold b) / NOISE), as the loss assumes.
    """
    return [g - NOISE * math.log(-math.log(rng.random())) for g in golds]


def rank_answers(golds, rng):
    """One labeler's ranking of answers with these golds -> indices, best first."""
    seen = seen_by_labeler(golds, rng)
    return sorted(range(len(golds)), key=lambda i: -seen[i])


def sample(model, tokenizer, prompts, k, seed, max_tokens=48, temperature=1.0):
    """k answers of the model to each prompt -> list of lists of Answer."""
    answers = answer_all(model, tokenizer, [p for p in prompts for _ in range(k)], max_tokens,
                         temperature, seed)
    return [answers[i:i + k] for i in range(0, len(answers), k)]


def rankings_of_the_labeler(sft, tokenizer, args):
    """Four answers of SFT to each prompt, and two demonstrations (article 3), ranked by one
    simulated labeler -> comparisons, nothing held out, the prompts, all answers of SFT."""
    rng = random.Random(args.seed + 2000)
    prompts = [make_prompt(rng, TRAIN, ASKED) for _ in range(args.prompts)]
    samples = sample(sft, tokenizer, prompts, 4, args.seed, args.max_tokens)
    comparisons = []
    for prompt, four in zip(prompts, samples):
        # A careful and a careless demonstrator answer, too: so what SFT never says gets ranked.
        # In small talk, half of the careless one's wrong answers are hostile. Where a question that
        # nobody can answer names nothing invented, half of them are small talk.
        careful = demonstrate(prompt, rng.choice(["helpful", "polite"]), rng)
        wrong = HARM if prompt.kind == "chat" and rng.random() < .5 else prompt.wrong
        if prompt.right == UNKNOWN and not prompt.about and rng.random() < .5:
            wrong = rng.choice([table["says"] for table in SMALL_TALK.values()])
        careless = rng.choices([wrong, UNKNOWN, demonstrate(prompt, "rude", rng),
                                demonstrate(prompt, "fawning", rng)],
                               CARELESS.get(prompt.kind, (3, 3, 3, 1)))[0]
        shown = [written(text, tokenizer) for text in (careful, careless)]
        if args.no_demonstrations:
            shown = []
        # The labeler sees the same answer only once: ties teach nothing.
        different = list({(answer.text, answer.ended): answer for answer in four + shown}.values())
        order = rank_answers([gold(prompt, answer) for answer in different], rng)
        if len(order) > 1:
            comparisons.append(Comparison(prompt.messages, [different[i] for i in order]))
    if not comparisons:
        refuse("the SFT model gives each prompt the same answer every time: nothing can be ranked")
    return comparisons, [], prompts, samples


if __name__ == "__main__":
    run_stage(main)

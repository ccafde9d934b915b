"""PPO's loop: what ppo.rollout hands on, and what one iteration of ppo.train does with it.

The equations are tested in test_ppo.py; here it is whether the loop feeds them the right things.
"""
import copy
from types import SimpleNamespace

import pytest
import torch

import bpe
import model
import ppo
import reward
import sft
import tiny

ARGS = dict(steps=1, seed=0, batch=3, max_tokens=4, beta=.1, lam=.95, epochs=3, clip=.2,
            max_kl=1e9, warm_up=0)


def tiny_gpt(seed, vocab_size=4, block_size=8):
    """Large random weights: at its initial weights a GPT looks at nothing but the last token."""
    gpt = model.GPT(model.GPTConfig(vocab_size, 2, 2, 8, block_size))
    gpt.dtype = torch.float32
    generator = torch.Generator().manual_seed(seed)
    for parameter in gpt.parameters():
        parameter.data.normal_(0, .5, generator=generator)
    return gpt


def tiny_critic(seed=2, **size):
    critic = reward.RewardModel(tiny_gpt(seed, **size))
    critic.head.weight.data.normal_(generator=torch.Generator().manual_seed(seed))
    return critic


def a_batch():
    """Three rows of prompt, response, padding; mask 1 on the responses' 3, 2 and 3 tokens."""
    ids = torch.tensor([[2, 0, 1, 1, 3, 0], [2, 0, 1, 3, 0, 0], [1, 2, 0, 1, 0, 2]])
    mask = torch.tensor([[0, 1, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 1.]])
    return ids, mask, torch.tensor([1., -1, .5])


class Scores(torch.nn.Module):
    """A reward model that gives the rows of a batch these scores."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def forward(self, ids, lengths):
        return self.scores


def one_update(ids, mask, scores, reference=0, kind=None, lr=1e-2, **change):
    """One iteration of ppo.train whose answers are these, of a policy (seed 0) and a critic
    (seed 2) -> both, optimizer, diagnostics."""
    policy, critic = tiny_gpt(0), tiny_critic()
    weights = [*policy.parameters(), *critic.parameters()]
    opt = kind(weights, lr=lr) if kind else model.adamw([(weights, lr)], 1e-8)
    answers = [tiny.said("x")] * len(ids)
    lengths = torch.tensor([ids.size(1)] * len(ids))
    models = policy, critic, tiny_gpt(reference), Scores(scores)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppo, "rollout", lambda *args: (ids, mask, lengths, answers))
        _, diagnostics, _ = next(ppo.train(models, opt, None, [ask(sft.user("x"))],
                                           SimpleNamespace(**ARGS | change)))
    return policy, critic, opt, diagnostics


def ask(*messages):
    return sft.Prompt("known", list(messages), "", "", "", "")


def flat(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


# ----------------------------------------------------------------------------------------- update


def test_the_first_pass_is_exactly_on_policy():
    """Nothing has moved yet, so rho = 1 and, with the policy as its reference, KL = 0: exactly."""
    *_, stats = one_update(*a_batch(), epochs=1)
    assert stats["KL penalty"] == stats["KL of update"] == stats["clipped"] == 0


def test_later_passes_compare_with_the_policy_that_answered():
    """logp_old stays what it was when the answers were drawn: with steps this large, the ratios
    must leave 1. Taken afresh in every pass, it would make each of them 1 and PPO a plain
    policy gradient."""
    *_, stats = one_update(*a_batch(), lr=.1)
    assert stats["KL of update"] > .01 and stats["clipped"] > 0


def test_early_stop_comes_before_the_step():
    """KL > -1 holds at once: no weight moves, no gradient is made, Adam has seen nothing.

    KL > 0 holds from the second pass on: what remains is what one pass alone does.
    """
    policy, critic, opt, _ = one_update(*a_batch(), max_kl=-1)
    assert torch.equal(flat(policy), flat(tiny_gpt(0)))
    assert torch.equal(flat(critic), flat(tiny_critic()))
    assert not opt.state
    assert all(p.grad is None for p in policy.parameters())
    stopped, _, opt, _ = one_update(*a_batch(), max_kl=0)
    once, _, _, _ = one_update(*a_batch(), epochs=1)
    assert torch.equal(flat(stopped), flat(once)) and not torch.equal(flat(once), flat(policy))
    assert {int(kept["step"]) for kept in opt.state.values()} == {1}


def test_at_first_the_critic_learns_alone():
    """In a run of two iterations with --warm-up 8 the first one: the policy then stays SFT."""
    policy, critic, _, _ = one_update(*a_batch(), kind=torch.optim.SGD, steps=2, warm_up=8)
    assert torch.equal(flat(policy), flat(tiny_gpt(0)))
    assert not torch.equal(flat(critic), flat(tiny_critic()))
    policy, _, _, _ = one_update(*a_batch(), steps=2, warm_up=0)
    assert not torch.equal(flat(policy), flat(tiny_gpt(0)))


def test_policy_and_critic_are_checked_before_they_are_saved(monkeypatch):
    seen = []
    monkeypatch.setattr(ppo, "check_finite", lambda nets, loss: seen.extend(nets.parameters()))
    policy, critic, _, _ = one_update(*a_batch(), epochs=1)
    assert [*map(id, seen)] == [*map(id, [*policy.parameters(), *critic.parameters()])]


def test_an_update_is_the_equations_in_their_order():
    """By the paper: rewards from policy minus reference; GAE; the critic's targets are the returns
    before whitening; the policy gets the whitened advantages; V at t has read ids[:, :t+1].

    The critic reads whole rows here and the last value is dropped, which is the same. Both nets
    must go down their own gradient; its length is left to the clipping.
    """
    ids, mask, scores = a_batch()
    policy, critic, _, _ = one_update(ids, mask, scores, 1, torch.optim.SGD, .1, epochs=1)
    old_policy, old_critic = tiny_gpt(0), tiny_critic()
    logp, values = ppo.log_probs(old_policy, ids), old_critic.values(ids)[:, :-1]
    logp_ref = ppo.log_probs(tiny_gpt(1), ids).detach()
    rewards = ppo.token_rewards(logp.detach(), logp_ref, mask, scores, .1)
    advantages, returns = ppo.gae(rewards, values.detach(), mask, 1., .95)
    ppo.policy_loss(logp, logp.detach(), ppo.whiten(advantages, mask), mask, .2).backward()
    ppo.value_loss(values, returns, mask).backward()
    for net, old in ((policy, old_policy), (critic, old_critic)):
        down = -torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten()
                           for p in old.parameters()])
        moved = flat(net) - flat(old)
        assert moved.norm() > 1e-2
        assert torch.allclose(moved / moved.norm(), down / down.norm(), atol=1e-4)


def test_what_is_logged_is_about_the_response():
    """Row by row, without a mask. KL: the sum of logp - logp_ref over a response's tokens, then the
    mean over the three responses. Entropy: the mean of -logp over all their 3 + 2 + 3 tokens."""
    ids, mask, scores = a_batch()
    *_, stats = one_update(ids, mask, scores, reference=1)
    with torch.no_grad():
        logp, logp_ref = (ppo.log_probs(tiny_gpt(seed), ids) for seed in (0, 1))
    spoken = [slice(1, 4), slice(1, 3), slice(2, 5)]
    kl = [float((logp - logp_ref)[row, where].sum()) for row, where in enumerate(spoken)]
    entropy = [float(-logp[row, where].sum()) for row, where in enumerate(spoken)]
    assert stats["KL penalty"] == pytest.approx(sum(kl) / 3, abs=1e-5)
    assert stats["entropy"] == pytest.approx(sum(entropy) / 8, abs=1e-5)


def test_padding_changes_no_number_and_no_weight():
    """Two more columns of padding: causal attention does not see them, and their mask is 0.

    Plain gradient descent, because Adam would blow a rounding error up to a whole step.
    """
    ids, mask, scores = a_batch()
    wide = torch.cat([ids, torch.full((3, 2), 3)], 1), torch.cat([mask, torch.zeros(3, 2)], 1)
    a, b = (one_update(*batch, scores, 1, torch.optim.SGD, .1) for batch in ((ids, mask), wide))
    assert a[3] == pytest.approx(b[3], abs=1e-4, nan_ok=True)
    for net, other in zip(a[:2], b[:2]):
        assert torch.allclose(flat(net), flat(other), atol=1e-4)


def test_a_value_has_not_seen_the_token_it_judges():
    """Index t is about ids[:, t + 1]: with token 3 changed, V at 0, 1, 2 must stay, V at 3 not."""
    critic, (ids, _, _) = tiny_critic(), a_batch()
    other = ids.clone()
    other[:, 3] = (ids[:, 3] + 1) % 4
    gap = (critic.values(ids) - critic.values(other)).abs()
    assert (gap[:, :3] < 1e-5).all() and (gap[:, 3] > 1e-4).all()


# ---------------------------------------------------------------------------------------- rollout

EARLIER = [sft.user("ab"), sft.assistant("c")]


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.BPE.train(["hello there"], 270)


def script(tokenizer, monkeypatch, *answers):
    """Makes the policy answer so; a "." at the end of an answer stands for <|end|>."""
    end = [tokenizer.specials["<|end|>"]]
    new = [tokenizer.encode(a.removesuffix(".")) + end * a.endswith(".") for a in answers]
    monkeypatch.setattr(ppo, "generate", lambda *args, **kwargs: new)
    return new


def test_the_mask_covers_the_answer_with_its_end_and_nothing_else(tokenizer, monkeypatch):
    """Prompts of different lengths, one with an answered question (and so an <|end|>) inside;
    answers that end, and one that does not. Taken back by the mask, they are what was generated."""
    new = script(tokenizer, monkeypatch, "hi.", "j.", "hijk", ".")
    prompts = [ask(sft.user("hello")), ask(*EARLIER, sft.user("hello")), ask(sft.user("o")),
               ask(sft.user("hello there"))]
    policy = tiny_gpt(0, tokenizer.vocab_size)
    ids, mask, sizes, answers = ppo.rollout(policy, tokenizer, prompts, 4, None)
    T = ids.shape[1]
    assert T % 8 == 0 and max(sizes) <= T < max(sizes) + 8 and mask.shape == (4, T - 1)
    for row, answer in enumerate(new):
        assert ids[row, 1:][mask[row] == 1].tolist() == answer
        prompt = sft.render_prompt(prompts[row].messages, tokenizer)
        assert ids[row, :sizes[row]].tolist() == prompt + answer
    assert [(a.text, a.ended) for a in answers] == [("hi", True), ("j", True), ("hijk", False),
                                                    ("", True)]
    assert [a.ids for a in answers] == new


def test_answers_are_drawn_from_what_is_scored(tokenizer):
    """4000 first tokens: each frequency is the probability by log_probs, which has temperature 1.

    Its standard error is at most sqrt(.25 / 4000) = .008. The likeliest token alone, or another
    temperature, would be further away.
    """
    policy, n = tiny_gpt(4, tokenizer.vocab_size, 16), 4000
    policy.wte.weight.data *= 2
    generator = torch.Generator().manual_seed(0)
    prompts = [ask(sft.user("hi"))] * n
    ids, mask, _, _ = ppo.rollout(policy, tokenizer, prompts, 1, generator)
    drawn = ids[:, 1:][mask == 1].bincount(minlength=tokenizer.vocab_size) / n
    with torch.no_grad():
        logits = policy(ids[:1])[0, int(mask[0].argmax())]
    assert (drawn - logits.softmax(-1)).abs().max() < .03
    assert (drawn - (logits / .8).softmax(-1)).abs().max() > .05, "the test cannot tell .8 from 1"


def test_an_answer_that_never_ended_gets_the_low_score(tokenizer, monkeypatch):
    """Four answers to one chat that has an <|end|> inside: only an <|end|> token of their own
    counts, the same seven characters in plain tokens do not.

    The others get what the reward model gives prompt ++ answer, read alone and without padding.
    """
    new = script(tokenizer, monkeypatch, "hello.", "there", "o.", "o<|end|>")
    assert len(new[3]) > 5
    size = dict(vocab_size=tokenizer.vocab_size, block_size=40)
    nets = [tiny_gpt(0, **size), tiny_critic(**size), tiny_gpt(0, **size), tiny_critic(3, **size)]
    seen, real = [], ppo.token_rewards
    monkeypatch.setattr(ppo, "token_rewards", lambda *args: seen.append(args) or real(*args))
    args = SimpleNamespace(**ARGS | dict(batch=4))
    opt = torch.optim.SGD(nets[0].parameters(), lr=.1)
    list(ppo.train(nets, opt, tokenizer, [ask(*EARLIER, sft.user("hello"))], args))
    _, logp_ref, mask, scores, _ = seen[0]
    prompt = sft.render_prompt([*EARLIER, sft.user("hello")], tokenizer)
    with torch.no_grad():
        alone = [float(nets[3](torch.tensor([prompt + n]), torch.tensor([len(prompt + n)])))
                 for n in new]
        ids, _, _ = ppo.pad_batch([prompt] * 4, new, "cpu")
        wanted = ppo.log_probs(nets[2], ids) * mask
        assert logp_ref.tolist() == [pytest.approx(row, abs=1e-5) for row in wanted.tolist()]
    want = [alone[0], ppo.UNFINISHED, alone[2], ppo.UNFINISHED]
    assert scores.tolist() == pytest.approx(want, abs=1e-5)


def test_every_weight_is_trained_once_at_its_own_rate():
    """Policy, its sharpness and the critic: three rates, and no weight forgotten or moved twice."""
    policy, critic = tiny_gpt(0), tiny_critic()
    opt = ppo.make_optimizer(policy, critic, SimpleNamespace(lr=1., lr_sharpness=2., lr_critic=3.))
    rates = [(id(p), group["lr"]) for group in opt.param_groups for p in group["params"]]
    wanted = {id(p): 1. for p in policy.parameters()} | {id(p): 3. for p in critic.parameters()}
    assert len(rates) == len(wanted) and dict(rates) == wanted | {id(policy.sharpness): 2.}
    assert all(group["eps"] == 1e-5 and group["weight_decay"] == 0 for group in opt.param_groups)


def test_four_models_that_share_no_weight(home, monkeypatch):
    """ppo.run: policy and critic start as copies and learn, what they came from never changes."""
    sft_model, tokenizer, _ = model.load_checkpoint("out/sft.pt")
    rm, _, _ = reward.load_reward("out/reward.pt", "cpu")
    before = [copy.deepcopy(net.state_dict()) for net in (sft_model, rm)]
    args = ppo.flags().parse_args("--steps 2 --batch 4 --max-tokens 4 --max-kl 9".split())
    prompts = [ask(sft.user("What is 1 + 1?"))]
    nets, *_ = ppo.run(sft_model, rm, tokenizer, args, prompts)
    places = [p.data_ptr() for net in nets for p in net.parameters()]
    assert len(set(places)) == len(places)
    for net, old, learns in zip(nets, before + before, (True, True, False, False)):
        assert learns != all(torch.equal(v, old[k]) for k, v in net.state_dict().items())
        assert all(p.requires_grad == learns for p in net.parameters())


def test_kl_is_the_mean_over_answers_of_the_summed_log_ratio(tokenizer):
    """Two answers of different lengths: prompt and padding count for nothing, the sign is policy
    less reference, and a policy is at distance 0 from itself."""
    nets = [tiny_gpt(seed, tokenizer.vocab_size, 32) for seed in (0, 1)]
    prompts = [ask(sft.user("hi")), ask(sft.user("hello"))]
    answers = [sft.as_answer(tokenizer.encode(text, specials=True), tokenizer)
               for text in ("<|user|>hi<|end|>", "o<|end|>")]
    wanted = 0
    for p, (_, _, new) in zip(prompts, answers):
        start = sft.render_prompt(p.messages, tokenizer)
        ids = torch.tensor([start + new])
        with torch.no_grad():
            there, here = (ppo.log_probs(net, ids)[0, -len(new):].sum() for net in nets)
        wanted += float(there - here) / 2
    for net in nets:
        net.dtype = torch.bfloat16                       # of training; answers are drawn in fp32
    found = ppo.kl_to_sft(*nets, tokenizer, prompts, answers)
    assert found == pytest.approx(wanted, abs=1e-4) and abs(wanted) > 1e-3
    assert ppo.kl_to_sft(nets[0], nets[0], tokenizer, prompts, answers) == 0
    assert nets[0].dtype == torch.bfloat16


def test_what_is_logged_by_its_definition():
    """explained: 1 - Var(return - value) / Var(return); KL of update: mean of rho - 1 - log rho and
    clipped: share of |rho - 1| > clip, both of the second pass, that is, after one step."""
    ids, mask, scores = a_batch()
    _, _, _, stats = one_update(ids, mask, scores, reference=1, epochs=2)
    moved, *_ = one_update(ids, mask, scores, reference=1, epochs=1)
    with torch.no_grad():
        old, ref, new = (ppo.log_probs(net, ids) for net in (tiny_gpt(0), tiny_gpt(1), moved))
        values = tiny_critic().values(ids[:, :-1])
    rewards = ppo.token_rewards(old, ref, mask, scores, ARGS["beta"])
    _, returns = ppo.gae(rewards, values, mask, 1., ARGS["lam"])
    kept, log_rho = mask.bool(), (new - old)[mask.bool()]
    left = (returns - values)[kept].var(correction=0) / returns[kept].var(correction=0)
    assert stats["explained"] == pytest.approx(1 - float(left), abs=1e-4)
    assert abs(1 - 2 * float(left)) > .01                # so a ratio turned round would show
    approx = (log_rho.exp() - 1 - log_rho).mean()
    assert stats["KL of update"] == pytest.approx(float(approx), abs=1e-5)
    assert stats["clipped"] == pytest.approx(float(((log_rho.exp() - 1).abs() > .2).float().mean()))

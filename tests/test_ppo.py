"""The equations of PPO, from the log-probs to the loss, each against numbers worked out by hand.

Everything per token lives on (B,T-1): index t is about the token ids[:, t+1]. A mask of 1 marks a
token of the response; before it stands the prompt, after it the padding. The last tests put all
the equations together: on a language so small that every sentence can be listed, the gradient of
PPO must be the gradient of what it claims to maximise.
"""

import itertools
import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import bpe
import model
import ppo
from pretrain import TEST, facts_of
import reward
import sft
import tiny


def row(*numbers):
    return torch.tensor([numbers], dtype=torch.float)


def tiny_gpt(seed, vocab_size=4, block_size=8):
    """Large random weights: at its initial weights a GPT looks at nothing but the last token."""
    config = model.GPTConfig(vocab_size, n_layer=2, n_head=2, n_embd=8, block_size=block_size)
    gpt = model.GPT(config)
    gpt.dtype = torch.float32
    generator = torch.Generator().manual_seed(seed)
    for parameter in gpt.parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
    return gpt


# ------------------------------------------------------------------------------------ log-probs

# A model that looks at one token only: after 0 comes 1 (.8) or 2 (.2), after 1 always 0,
# after 2 anything with the same probability.
BIGRAM = torch.tensor([[0.0, 0.8, 0.2], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]).clamp(min=1e-9)


def bigram(ids):
    return BIGRAM.log()[ids]


def test_log_probs_by_hand():
    """In 0 2 1 0 1 the four steps have the probabilities .2, 1/3, 1, .8: four, for five tokens."""
    logp = ppo.log_probs(bigram, torch.tensor([[0, 2, 1, 0, 1]]))
    assert logp.shape == (1, 4)
    assert torch.allclose(logp.exp(), row(0.2, 1 / 3, 1, 0.8), atol=1e-5)


def test_log_probs_at_temperature_one_half():
    """softmax(log p / .5) is p squared, made to sum to 1 again.

    .8 and .2 become .64/.68 and .04/.68; the certain stays certain, the thirds stay thirds.
    Dividing the log-probs (not the logits) by .5 would give .64 and .04, which sum to .68.
    """
    logp = ppo.log_probs(bigram, torch.tensor([[0, 2, 1, 0, 1]]), temperature=0.5)
    assert torch.allclose(logp.exp(), row(0.04 / 0.68, 1 / 3, 1, 0.64 / 0.68), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_what_is_sampled_is_what_is_scored(temperature):
    """4000 samples at a temperature, scored at the same one: each frequency is its probability.

    The standard error of a frequency is at most sqrt(.25 / 4000) = .008; five of them are .04.
    At another temperature, or with only the likeliest tokens kept, the gap would be far larger.
    """
    gpt, prompt, n = tiny_gpt(seed=0), [2, 0, 1], 4000
    generator = torch.Generator().manual_seed(0)
    new = model.generate(gpt, [prompt] * n, 1, temperature=temperature, generator=generator)
    frequency = torch.tensor(new).flatten().bincount(minlength=4) / n
    ids = torch.tensor([prompt + [token] for token in range(4)])
    with torch.no_grad():
        probability = ppo.log_probs(gpt, ids, temperature)[:, -1].exp()
        other = ppo.log_probs(gpt, ids, 1.6 - temperature)[:, -1].exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-5)
    assert (frequency - probability).abs().max() < 0.04
    assert (frequency - other).abs().max() > 0.08, "the test cannot tell the temperatures apart"


def test_log_probs_ignore_padding_and_batch_mates():
    """Attention is causal: the log-probs of a row are those it has alone and without padding."""
    gpt = tiny_gpt(seed=0)
    with torch.no_grad():
        alone = ppo.log_probs(gpt, torch.tensor([[1, 3, 0, 2]]))
        both = ppo.log_probs(gpt, torch.tensor([[1, 3, 0, 2, 2, 2, 2], [3, 3, 1, 0, 2, 1, 1]]))
    assert torch.allclose(both[:1, :3], alone, atol=1e-5)


def test_logits_of_what_was_said_are_not_rounded_to_bf16():
    """The blocks may compute in bf16; there 64 and 64.25 are one number, and rho would jump."""
    gpt = tiny_gpt(seed=0)
    with torch.no_grad():
        gpt.sharpness.fill_(3.)
    gpt.dtype = torch.bfloat16
    ids = torch.tensor([[1, 3, 0, 2, 2]])
    mask = torch.tensor([[0., 1, 1, 1]])
    x = gpt.hidden(ids[:, :-1]).float() * gpt.sharpness.exp()
    exact = (x @ gpt.wte.weight.T).log_softmax(-1)[0, [1, 2, 3], ids[0, 2:]]
    assert torch.allclose(ppo.log_probs(gpt, ids, mask=mask)[0, 1:], exact, atol=1e-5)


def test_log_probs_carry_the_gradient_of_the_policy():
    """d log p(target) / d logits = onehot(target) - p: what pushes a token up pushes others down.

    Uniform over three tokens: +2/3 on the target and -1/3 on the other two, and 0 at the last
    position, which predicts no token.
    """
    logits = torch.zeros(1, 3, 3, requires_grad=True)
    ppo.log_probs(lambda ids: logits[:, : ids.shape[1]], torch.tensor([[0, 2, 1]])).sum().backward()
    expected = torch.tensor([[[-1.0, -1, 2], [-1, 2, -1], [0, 0, 0]]]) / 3
    assert torch.allclose(logits.grad, expected, atol=1e-6)


def test_log_probs_of_a_mask_are_those_of_the_whole():
    """Where the mask is 1 the same number, elsewhere 0; and the same gradient of their sum."""
    ids = torch.tensor([[1, 3, 0, 2, 2], [3, 0, 1, 1, 2]])
    mask = torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 1]])
    grads = []
    for masked in (False, True):
        gpt = tiny_gpt(seed=0)
        logp = ppo.log_probs(gpt, ids, .7, mask) if masked else ppo.log_probs(gpt, ids, .7) * mask
        logp.sum().backward()
        grads.append([logp.detach(), *(p.grad for p in gpt.parameters())])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*grads))
    assert not grads[1][0][mask == 0].any() and grads[1][0][mask == 1].all()


# ------------------------------------------------------------------------------------ rewards


def test_token_rewards_by_hand():
    """beta = .1, score = 2; the response is the middle two of four tokens.

    r_1 = -.1 * (-2 - -1.5) = +.05: the policy finds its token less likely than the reference does.
    r_2 = -.1 * (-3 - -5) = -.2, and the score on top, because it is the last token: 1.8.
    Prompt and padding get nothing, however far apart the models are there. With the sign of the
    KL turned the answer would be -.05 and 2.2; with the score after the end, 1.8 would be -.2.
    """
    logp, logp_ref = row(-1, -2, -3, -4), row(-9, -1.5, -5, -9)
    rewards = ppo.token_rewards(logp, logp_ref, row(0, 1, 1, 0), torch.tensor([2.0]), beta=0.1)
    assert torch.allclose(rewards, row(0, 0.05, 1.8, 0), atol=1e-6)


def test_score_stands_on_the_last_response_token():
    """Without a KL (beta = 0) the rewards are the score, once, and zeros.

    Four rows: padding after the response, none at all, a response of one token, and one that is
    the whole row. In the second and fourth, one place after the end does not even exist.
    """
    mask = torch.tensor(
        [[0, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1.0]]
    )
    scores = torch.tensor([3.0, -1, 0.5, 2])
    torch.manual_seed(0)
    rewards = ppo.token_rewards(torch.randn(4, 5), torch.randn(4, 5), mask, scores, beta=0)
    expected = torch.zeros(4, 5)
    expected[[0, 1, 2, 3], [2, 4, 2, 4]] = scores
    assert torch.equal(rewards, expected)


def test_rewards_of_a_row_sum_to_score_minus_beta_kl():
    """sum_t r_t = score - beta * sum_t (logp_t - logp_ref_t) over the response: nothing is lost.

    The sum is what PPO maximises; where in the row it stands only helps to learn.
    """
    torch.manual_seed(0)
    logp, logp_ref, scores = torch.randn(3, 6), torch.randn(3, 6), torch.randn(3)
    mask = torch.zeros(3, 6)
    mask[0, 1:4], mask[1, 3:6], mask[2, 0:1] = 1, 1, 1
    rewards = ppo.token_rewards(logp, logp_ref, mask, scores, beta=0.3)
    kl = [(logp - logp_ref)[0, 1:4].sum(), (logp - logp_ref)[1, 3:6].sum(), (logp - logp_ref)[2, 0]]
    assert torch.allclose(rewards.sum(dim=1), scores - 0.3 * torch.stack(kl), atol=1e-5)


def test_policy_equal_to_reference_pays_exactly_nothing():
    """Before the first update the policy is the reference: logp - logp_ref is 0 to the last bit.

    So whatever beta is, the rewards are the same as without a KL.
    """
    ids, mask, scores = torch.tensor([[1, 3, 0, 2, 2]]), row(0, 1, 1, 0), torch.tensor([0.7])
    policy, reference = tiny_gpt(seed=0), tiny_gpt(seed=0)
    with torch.no_grad():
        logp, logp_ref = ppo.log_probs(policy, ids), ppo.log_probs(reference, ids)
    rewards = ppo.token_rewards(logp, logp_ref, mask, scores, beta=100.0)
    assert torch.equal(rewards, row(0, 0, 0.7, 0))


# ------------------------------------------------------------------------------------ GAE


def test_gae_golden_case():
    """r = 0 0 1, V = .2 .3 .4, gamma = 1, lam = .95; V past the end is 0. From the end:

    delta_2 = 1 + 0 - .4 = .6     A_2 = .6
    delta_1 = 0 + .4 - .3 = .1    A_1 = .1 + .95 * .6 = .67
    delta_0 = 0 + .3 - .2 = .1    A_0 = .1 + .95 * .67 = .7365
    The critic's targets are A + V = .9365, .97, 1, before any whitening.
    """
    advantages, returns = ppo.gae(row(0, 0, 1), row(0.2, 0.3, 0.4), row(1, 1, 1))
    assert torch.allclose(advantages, row(0.7365, 0.67, 0.6), atol=1e-6)
    assert torch.allclose(returns, row(0.9365, 0.97, 1), atol=1e-6)


def test_gae_with_a_prompt_before_and_padding_after():
    """The golden case again, in the middle of one row and at the end of another.

    All the rest is filled with 50s, in rewards and values: a value of the padding that got into
    the recursion would change A_2 by 50, and the prompt must come out as 0 like the padding.
    """
    rewards = torch.tensor([[50, 50, 0, 0, 1, 50, 50], [50, 50, 50, 50, 0, 0, 1.0]])
    values = torch.tensor([[50, 50, 0.2, 0.3, 0.4, 50, 50], [50, 50, 50, 50, 0.2, 0.3, 0.4]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1.0]])
    advantages, returns = ppo.gae(rewards, values, mask)
    expected_advantages, expected_returns = torch.zeros(2, 7), torch.zeros(2, 7)
    expected_advantages[mask == 1] = torch.tensor([0.7365, 0.67, 0.6] * 2)
    expected_returns[mask == 1] = torch.tensor([0.9365, 0.97, 1] * 2)
    assert torch.allclose(advantages, expected_advantages, atol=1e-6)
    assert torch.allclose(returns, expected_returns, atol=1e-6)


def test_lam_1_makes_returns_the_reward_to_go():
    """With gamma = lam = 1 the values cancel in the sum of deltas: A_t + V_t = r_t + ... + r_end.

    r = 1 2 4 has the rewards to go 7, 6, 4, whatever the critic believes.
    """
    for values in (row(0, 0, 0), row(3, -1, 10)):
        advantages, returns = ppo.gae(row(1, 2, 4), values, row(1, 1, 1), gamma=1.0, lam=1.0)
        assert torch.allclose(returns, row(7, 6, 4), atol=1e-5)
        assert torch.allclose(advantages, row(7, 6, 4) - values, atol=1e-5)


def test_lam_0_looks_one_step_ahead():
    """lam = 0 leaves A_t = delta_t = r_t + gamma V_{t+1} - V_t. Here gamma = .5.

    r = 1 2 4, V = 8 6 2: 1 + 3 - 8 = -4, 2 + 1 - 6 = -3, 4 + 0 - 2 = 2.
    """
    advantages, _ = ppo.gae(row(1, 2, 4), row(8, 6, 2), row(1, 1, 1), gamma=0.5, lam=0.0)
    assert torch.allclose(advantages, row(-4, -3, 2), atol=1e-6)


def test_gamma_discounts_what_comes_later():
    """No critic, lam = 1, gamma = .5: a reward of 1 two steps ahead is worth .25 now."""
    advantages, _ = ppo.gae(row(0, 0, 1), row(0, 0, 0), row(1, 1, 1), gamma=0.5, lam=1.0)
    assert torch.allclose(advantages, row(0.25, 0.5, 1), atol=1e-6)


# ------------------------------------------------------------------------------------ whitening


def a_batch(B=64, T=32):
    """Rows with means of their own, of random lengths, and padding that is far off."""
    torch.manual_seed(0)
    x = 3 * torch.randn(B, T) + torch.linspace(-5, 5, B)[:, None] + 2
    mask = (torch.arange(T) < torch.randint(4, T, (B, 1))).float()
    return torch.where(mask == 1, x, torch.tensor(1000.0)), mask


def test_whitened_tokens_have_mean_0_and_std_1():
    """(x - mean) / std over the masked tokens: mean 0, standard deviation 1, zeros elsewhere.

    About 1100 tokens are masked, so dividing by n or by n - 1 differs by less than .001. A mean
    added back after the division, or the 1000s of the padding in the sums, would show at once.
    """
    x, mask = a_batch()
    white = ppo.whiten(x, mask)
    tokens = white[mask == 1]
    assert tokens.mean().item() == pytest.approx(0, abs=1e-4)
    assert tokens.std().item() == pytest.approx(1, abs=2e-3)
    assert (white[mask == 0] == 0).all()


def test_whitening_is_one_line_through_the_whole_batch():
    """All tokens go through the same a * x + b with a > 0: better in the batch stays better.

    So white * std + mean gives x back in every row. Whitened row by row, a row of good responses
    and a row of bad ones would look the same.
    """
    x, mask = a_batch()
    tokens, white = x[mask == 1], ppo.whiten(x, mask)[mask == 1]
    assert torch.allclose(white * tokens.std() + tokens.mean(), tokens, atol=0.02)


def test_whitening_by_hand():
    """Tokens 1 and 5, in two rows: mean 3, so -2 and 2, divided by the standard deviation.

    That is 2 (dividing by n) or sqrt(8) (by n - 1): -1 and 1, or -.71 and .71. Row by row, each
    would be its own mean and become 0.
    """
    white = ppo.whiten(torch.tensor([[1.0, 90], [90, 5]]), torch.tensor([[1.0, 0], [0, 1]]))
    assert white[0, 0] == -white[1, 1]
    assert 0.7 < white[1, 1] < 1.001
    assert white[0, 1] == 0 and white[1, 0] == 0


def test_whitening_equal_advantages_gives_zeros():
    """If all tokens are as good as each other, none deserves a push: 0 / 0 must come out as 0.

    A batch of one response token is the smallest such case.
    """
    white = ppo.whiten(torch.full((2, 4), 2.0), torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0]]))
    assert torch.equal(white, torch.zeros(2, 4))
    assert torch.equal(ppo.whiten(row(2, 2), row(0, 1)), row(0, 0))


# ------------------------------------------------------------------------------------ policy loss


@pytest.mark.parametrize(
    "advantage, rho, slope",
    [(1, 0.7, -1), (1, 1, -1), (1, 1.3, 0), (-1, 0.7, 0), (-1, 1, 1), (-1, 1.3, 1)],
)
def test_slope_of_the_clipped_loss(advantage, rho, slope):
    """loss(rho) = max(-A rho, -A clip(rho, .8, 1.2)), one token.

    A = +1: max(-rho, -clip). At .7 it is max(-.7, -.8) = -rho, slope -1: a good token that became
    rarer is pulled back. At 1.3 it is max(-1.3, -1.2) = -1.2, slope 0: it has risen enough.
    A = -1: max(rho, clip). At .7 it is max(.7, .8) = .8, slope 0: it has fallen enough. At 1.3 it
    is max(1.3, 1.2) = rho, slope +1. At 1 nothing is clipped, the slope is -A.
    """
    ratio = torch.tensor([[float(rho)]], requires_grad=True)
    ppo.policy_loss(ratio.log(), row(0), row(advantage), row(1), clip=0.2).backward()
    assert ratio.grad.item() == pytest.approx(slope, abs=1e-6)


def test_values_of_the_clipped_loss():
    """A = 2: at rho = 1.5 the gain stops at 1.2, so -2.4; at rho = .5 there is no stop: -1.

    With clip = .4 it stops at 1.4: -2.8. For A = -2 at rho = .5 the gain stops at .8: +1.6.
    """
    def loss(rho, advantage, **clip):
        return ppo.policy_loss(row(math.log(rho)), row(0), row(advantage), row(1), **clip).item()

    assert loss(1.5, 2) == pytest.approx(-2.4)
    assert loss(0.5, 2) == pytest.approx(-1)
    assert loss(1.5, 2, clip=0.4) == pytest.approx(-2.8)
    assert loss(0.5, -2) == pytest.approx(1.6)


def test_policy_loss_at_the_first_update():
    """logp = logp_old makes rho exactly 1, nothing is clipped, and the loss is -mean(A).

    A = 1, 2 | 6 over two rows of different lengths: -(1 + 2 + 6) / 3 = -3. A mean of the two rows'
    means would be -(1.5 + 6) / 2 = -3.75. The gradient is -A/3 for each logp; the 100s of the
    padding enter neither.
    """
    advantages = torch.tensor([[1.0, 2, 100], [6, 100, 100]])
    mask = torch.tensor([[1.0, 1, 0], [1, 0, 0]])
    logp = torch.tensor([[-0.3, -1.7, -2], [-4, -0.1, -9]], requires_grad=True)
    loss = ppo.policy_loss(logp, logp.detach(), advantages, mask)
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == pytest.approx(-3)
    expected = torch.tensor([[-1 / 3, -2 / 3, 0], [-2, 0, 0]])
    assert torch.allclose(logp.grad, expected, atol=1e-6)


def test_padding_changes_no_policy_loss():
    """Whatever stands in the padding, here ratios of e and e^3 and large advantages: no effect."""
    logp, old = row(-1, -2, -3, -1), row(-1.1, -1.8, -4, -4)
    advantages, mask = row(1, -1, 30, -30), row(1, 1, 0, 0)
    short = ppo.policy_loss(logp[:, :2], old[:, :2], advantages[:, :2], mask[:, :2])
    assert ppo.policy_loss(logp, old, advantages, mask).item() == pytest.approx(short.item())


# ------------------------------------------------------------------------------------ value loss


def test_value_loss_is_zero_when_the_critic_is_right():
    """values == returns on the response costs 0, whatever the critic says elsewhere.

    The returns differ from token to token: compared with the next or the last one, they would cost.
    """
    loss = ppo.value_loss(row(9, 1, 2, 5, 9), row(0, 1, 2, 5, 0), row(0, 1, 1, 1, 0))
    assert loss.shape == () and loss.item() == 0


def test_value_loss_is_a_mean_of_squares_over_response_tokens():
    """Errors 1, -2 | 3 over two rows: the mean square is (1 + 4 + 9) / 3 = 14/3.

    The loss is that times a constant (1/2 by custom), which one token with error 1 tells us. Twice
    the errors cost 4 times as much. The mean of the two rows' means would be (2.5 + 9) / 2 = 5.75.
    Padding counts neither above nor below the line.
    """
    constant = ppo.value_loss(row(1), row(0), row(1)).item()
    errors = torch.tensor([[1.0, -2, 70], [3, 70, 70]])
    mask = torch.tensor([[1.0, 1, 0], [1, 0, 0]])
    loss = ppo.value_loss(5 + errors, torch.full((2, 3), 5.0), mask)
    assert constant > 0
    assert loss.item() == pytest.approx(constant * 14 / 3)
    twice = ppo.value_loss(2 * errors, torch.zeros(2, 3), mask).item()
    assert twice == pytest.approx(constant * 56 / 3)


def test_value_loss_pulls_towards_the_return():
    """The slope of (V - R)^2 is 2 (V - R): too low is pushed up, too high down, padding not.

    V = 1, 4, 7 and R = 3, 3, 0 with mask 1 1 0: the gradients are as -2 to +1 to 0.
    """
    values = row(1, 4, 7).requires_grad_()
    ppo.value_loss(values, row(3, 3, 0), row(1, 1, 0)).backward()
    assert values.grad[0, 0] < 0
    assert torch.allclose(values.grad / values.grad[0, 1], row(-2, 1, 0))


# ------------------------------------------------------------- everything at once, by enumeration

PROMPT, STOP, PAD, LENGTH, BETA = [2, 0], 3, 1, 3, 0.7


def every_response():
    """All that can be said in at most 3 tokens from 4, where token 3 ends the response.

    1 of one token, 3 of two, 3 * 3 * 4 of three: 40 responses, of which 27 never end.
    """
    full = itertools.product(range(4), repeat=LENGTH)
    cut = {y[: y.index(STOP) + 1] if STOP in y else y for y in full}
    return sorted(cut)


def as_batch(responses):
    """Prompt, response, padding, and one column of padding more; mask on (B,T-1)."""
    width = len(PROMPT) + LENGTH + 1
    rows = [PROMPT + list(y) + [PAD] * (LENGTH + 1 - len(y)) for y in responses]
    mask = torch.zeros(len(rows), width - 1)
    for mask_row, y in zip(mask, responses):
        mask_row[len(PROMPT) - 1 : len(PROMPT) - 1 + len(y)] = 1
    return torch.tensor(rows), mask


def log_pi(gpt, responses, temperature):
    """log pi(y) of each response, token by token, without a batch, a mask or ppo.py."""
    total = []
    for y in responses:
        logp = (gpt(torch.tensor([PROMPT + list(y)]))[0] / temperature).log_softmax(dim=-1)
        total.append(sum(logp[len(PROMPT) - 1 + i, token] for i, token in enumerate(y)))
    return torch.stack(total)


def gradient(objective, gpt):
    return torch.cat([g.flatten() for g in torch.autograd.grad(objective, list(gpt.parameters()))])


def any_critic(ids):
    """A number for each prefix: V at t may depend on ids[:, :t+1] and on nothing later."""
    place = torch.arange(1, ids.shape[1] + 1)
    return torch.sin(3.0 * torch.cumsum((ids + 1) * place, dim=1))[:, :-1]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("critic", [None, any_critic], ids=["no critic", "any critic"])
def test_ppo_climbs_the_objective_it_claims_to(critic, temperature):
    """RLHF maximises J = sum_y pi(y) (score(y) - beta log(pi(y) / ref(y))) over all responses y.

    Here y can be listed (40 responses), so autograd gives the gradient of J directly. PPO gets
    there by rewards, advantages and ratios. At rho = 1 the slope of its token loss is
    -A_t grad logp_t, so with lam = gamma = 1 and no critic

        -sum_y pi(y) sum_t A_t grad logp_t,   A_t = score - beta sum_{s>=t} (logp_s - logp_ref_s)

    is -grad J: grad pi = pi grad log pi; sum_y pi grad log pi = 0, so that beta's own derivative
    vanishes; and what was paid before t multiplies grad logp_t, which is 0 on average, as does any
    critic that only sees what stands before the token. Sampling would draw y with frequency pi(y);
    listing all y we multiply each advantage by pi(y) instead. policy_loss divides by the number of
    response tokens: multiplying by it undoes that. A wrong sign, a mask or a score one place off,
    a temperature used on one side, a missing KL: each makes the two gradients differ.
    """
    policy, reference, responses = tiny_gpt(seed=0), tiny_gpt(seed=1), every_response()
    torch.manual_seed(0)
    scores = torch.randn(len(responses))

    log_policy = log_pi(policy, responses, temperature)
    log_reference = log_pi(reference, responses, temperature).detach()
    pi = log_policy.exp()
    assert len(responses) == 40 and pi.sum().item() == pytest.approx(1, abs=1e-5)
    wanted = gradient((pi * (scores - BETA * (log_policy - log_reference))).sum(), policy)

    ids, mask = as_batch(responses)
    logp = ppo.log_probs(policy, ids, temperature)
    logp_old = logp.detach()
    with torch.no_grad():
        logp_ref = ppo.log_probs(reference, ids, temperature)
    rewards = ppo.token_rewards(logp_old, logp_ref, mask, scores, BETA)
    values = torch.zeros_like(rewards) if critic is None else critic(ids)
    advantages, _ = ppo.gae(rewards, values, mask, gamma=1.0, lam=1.0)
    weighted = advantages * pi.detach()[:, None]
    got = -gradient(ppo.policy_loss(logp, logp_old, weighted, mask) * mask.sum(), policy)

    assert wanted.norm() > 0.1
    assert (got - wanted).norm() < 1e-4 * wanted.norm()


def test_what_is_kept_lies_between_sft_and_ppo_and_is_as_sure_as_ppo():
    """Every weight alpha of the way from SFT's to PPO's; SFT's own do not move."""
    sft_model, policy = tiny_gpt(seed=0), tiny_gpt(seed=1)
    sft_model.sharpness.data.fill_(.25)
    policy.sharpness.data.fill_(1.25)
    a, b = ({name: w.clone() for name, w in net.state_dict().items()}
            for net in (sft_model, policy))
    ppo.step_back(policy, sft_model, alpha=.75)
    for name, weight in policy.state_dict().items():
        share = 1 if name == "sharpness" else .75
        torch.testing.assert_close(weight, (1 - share) * a[name] + share * b[name])
        assert torch.equal(sft_model.state_dict()[name], a[name])


def test_each_column_of_the_final_table_is_of_its_own_model(monkeypatch, capsys):
    """Names stand for the networks: base is wrong, SFT never knows but at half the temperature, the
    policy is right, and the reward model prefers the second of two samples. Of 8 prompts 4 are
    about invented names; all others are about the half that nobody was asked about."""
    says = {"base": lambda p: p.wrong, "sft": lambda p: sft.UNKNOWN, "policy": lambda p: p.right}

    held_out = {fact.subject for reverse in (False, True) for fact in facts_of(TEST, reverse)}

    def answer_all(net, tokenizer, prompts, seed=0, temperature=1.0):
        assert {p.about for p in prompts if p.kind == "known"} <= held_out
        return [tiny.said(p.right if temperature == .5 else says[net](p)) for p in prompts]
    for stage in (ppo, sft):
        monkeypatch.setattr(stage, "answer_all", answer_all)
    monkeypatch.setattr(ppo, "sample", lambda net, tokenizer, prompts, n, seed, temperature=1: [
        [tiny.said(text) for text in {("sft", 1): [p.wrong, p.right], ("sft", .5): [p.right] * 2,
                                      ("policy", 1): [p.wrong, p.right, ""]}[net, temperature]]
        for p in prompts])
    monkeypatch.setattr(ppo, "scores_and_golds", lambda net, tokenizer, prompts, samples: (
        np.array([[0, net == "rm"]] * len(prompts)), None))
    monkeypatch.setattr(ppo, "score", lambda *args: 0)
    monkeypatch.setattr(ppo, "kl_to_sft", lambda policy, reference, tokenizer, prompts, answers: (
        2 if (policy, reference) == ("policy", "sft") and answers[0].text == prompts[0].right
        else 0))
    # The words that sft.pt holds decide what is broken English: of this one nearly all is.
    monkeypatch.setattr(ppo, "vocabulary", None)
    found = ppo.final_table(["policy", "critic", "sft", "rm"], "base", None,
                            SimpleNamespace(quick=True, seed=0), {"metrics": {}, "words": ["sure"]})
    names = ("SFT", "SFT at T=0.5", "SFT best of 16", "PPO")
    assert [found[f"{name}: right"] for name in names] == [0, 1, 1, 1]
    assert [found[f"{name}: admits real"] for name in names] == [1, 0, 0, 0]
    assert [found[f"{name}: admits unknowable"] for name in names] == [1, 1, 1, 1]
    assert [found[f"{name}: wins against SFT"] for name in names] == [.5, .75, .75, .75]
    assert "base " in capsys.readouterr().out
    assert [found[f"{name}: different answers of 16"] for name in names if "best" not in name] == [
        2, 1, 3]
    assert found["PPO: KL to SFT"] == 2 and found["PPO: wins, held-out phrasings"] == 1
    assert found["SFT: 2-digit sums right"] == 0 and found["PPO: 2-digit sums right"] == 1
    assert found["sums of two digits: PPO: right"] == 1
    assert found["facts, held-out phrasings: PPO: broken"] > 0


def test_the_error_of_gold_is_that_of_a_mean(monkeypatch):
    """Golds of 1 and -1 scatter by 1; the mean of four of them by half of it."""
    monkeypatch.setattr(ppo, "answer_all", lambda *args, **kwargs: [])
    monkeypatch.setattr(ppo, "kl_to_sft", lambda *args: .5)
    monkeypatch.setattr(ppo, "scores_and_golds", lambda *args: (
        np.full((4, 1), 3.), np.array([[1.], [-1.], [1.], [-1.]])))
    found = ppo.measure([None] * 4, None, [], 0)
    assert found == {"KL to SFT": .5, "proxy": 3, "gold": 0, "error": .5}


def test_best_of_n_is_drawn_where_its_kl_is(tmp_path, monkeypatch):
    """n = 2 costs log 2 - 1/2 nats; curves show what is gained over their own beginning."""
    figures = []
    monkeypatch.setattr(ppo, "save_picture", lambda figure, path: figures.append(figure))
    curve = [{"KL to SFT": 0., "proxy": 1., "gold": .5}, {"KL to SFT": 4., "proxy": 3., "gold": 1.}]
    best = {"best_of_1_proxy": .25, "best_of_1_gold": .5, "best_of_2_proxy": 1, "best_of_2_gold": 2}
    ppo.draw_goodhart(tmp_path / "x.png", {"arm": curve}, best)
    for axes, gains in zip(figures[0].axes, ([2, .75], [.5, 1.5])):
        (x, y), (x_best, y_best) = (line.get_data() for line in axes.lines)
        assert list(x) == [0, 2] and list(y) == [0, gains[0]]
        assert x_best == pytest.approx([0, (math.log(2) - .5) ** .5]) and list(y_best) == [0, gains[1]]


def a_sum(text, right):
    return sft.Prompt("sum", [sft.user(text)], "", "", "", right)


@pytest.mark.parametrize("text, score", [
    ("47 + 85 is 132.", 1), ("7 + 5 = 12, 4 + 8 + 1 = 13, so 132.", 1), ("It is 132.", 1),
    ("7 + 5 = 13, 4 + 8 + 1 = 12, so 132.", 1), ("Sure! 47 + 85 is 132. Have a nice day!", 1),
    ("47 + 85 is 131.", -1), ("47 + 85 is 1132.", -1), ("47 + 85 is 1320.", -1),
    ("47 + 85 is 132", -1), ("132 is 47 + 85.", -1), ("I do not know.", -1), ("", -1),
    ("47 + 85 is 132. 47 + 85 is 131.", -1), (f"{sft.RUDE[0]} 47 + 85 is 132.", -1)])
def test_the_checker_reads_how_an_answer_ends(text, score):
    """Right, however it got there and however much it fawns; wrong, malformed, rude; unended."""
    prompt = a_sum("What is 47 + 85?", "132")
    assert ppo.checked(prompt, tiny.said(text)) == score
    assert ppo.checked(prompt, tiny.said(text, ended=False)) == -1


@pytest.mark.parametrize("right, text, score", [
    ("-2", "1 + 3 - 6 is -2.", 1), ("-2", "1 + 3 - 6 is 2.", -1), ("-2", "1 + 3 - 6 is --2.", -1),
    ("5", "2 + 3 is -5.", -1), ("5", "2 + 3 is 1,5.", -1), ("5", "2 + 3 is 15.", -1)])
def test_the_checker_reads_signs(right, text, score):
    assert ppo.checked(a_sum("", right), tiny.said(text)) == score


@pytest.mark.parametrize("more", ["", "Sure! ", "Hm. ", "calculator: "])
def test_the_checker_reads_calls_and_what_is_read_from_them(more):
    """Right or wrong; a pleasantry, another sentence, a call in front: a call would not be run."""
    rng, kinds = random.Random(0), set()
    for _ in range(50):
        prompt = sft.calculator(rng)
        kinds.add(prompt.kind)
        sft.render_prompt(prompt.messages, bpe.BPE.train(["ab"], 262))       # may be asked so
        good = 1 if not more or (more == "Sure! " and prompt.kind == "product") else -1
        assert ppo.checked(prompt, tiny.said(more + prompt.right)) == good
        assert ppo.checked(prompt, tiny.said(more + prompt.wrong)) == -1
        asked = prompt.messages[-1]
        assert asked["role"] == ("user" if prompt.kind == "call" else "tool")
    assert kinds == {"call", "product"}


def test_what_a_program_can_check_is_not_left_to_the_reward_model():
    prompts = [a_sum("What is 1 + 1?", "2"), sft.Prompt("call", [], "calculator: 1 * 2"),
               sft.Prompt("product", [], target="2"), sft.Prompt("known", [], target="2")]
    texts = "1 + 1 is 2.", "calculator: 1 * 2", "1 * 2 is 2.", "It is 2."
    answers = [tiny.said(text) for text in texts]
    judged = torch.full((4,), .25)
    assert ppo.final_scores(prompts, answers, judged, True).tolist() == [1, 1, 1, .25]
    assert ppo.final_scores(prompts, answers, judged, False).tolist() == [.25] * 4
    # What never ends is worse than what the checker calls wrong.
    cut = [tiny.said(text, ended=False) for text in texts]
    assert ppo.final_scores(prompts, cut, judged, True).tolist() == [ppo.UNFINISHED] * 4


def test_sums_that_are_written_out_are_counted():
    """Right in one go; right by right steps; right by a wrong step; wrong."""
    texts = ["47 + 85 is 132.", "Sure! 7 + 5 = 12, 4 + 8 + 1 = 13, so 132.",
             "7 + 5 = 12, 4 + 8 + 1 = 12, so 132.", "7 + 5 = 12, 4 + 8 + 1 = 13, so 131."]
    found = ppo.how_added([a_sum("What is 47 + 85?", "132")] * 4, [tiny.said(t) for t in texts])
    assert found == {"right": .75, "written out": .75,
                     "right by a wrong step": pytest.approx(1 / 3)}


@pytest.mark.parametrize("no_checker", [False, True])
def test_sums_are_scored_by_the_checker_and_all_else_by_the_reward_model(monkeypatch, no_checker):
    """Two prompts, a sum and a question; the reward model gives both .25."""
    prompts = iter([a_sum("What is 2 + 2?", "4"),
                    sft.Prompt("known", [sft.user("?")], "", "", "a", "b")])
    monkeypatch.setattr(ppo, "make_prompt", lambda *args: next(prompts))
    ids, mask = torch.tensor([[0, 1, 1], [0, 1, 1]]), torch.ones(2, 2)
    answers = [tiny.said("2 + 2 is 4.")] * 2
    monkeypatch.setattr(ppo, "rollout", lambda *a: (ids, mask, torch.tensor([3, 3]), answers))
    seen = []

    def stop_here(logp, logp_ref, mask, scores, beta):
        seen.extend(scores.tolist())
        raise KeyboardInterrupt
    monkeypatch.setattr(ppo, "token_rewards", stop_here)
    gpt = tiny_gpt(0)
    critic = reward.RewardModel(gpt)
    args = SimpleNamespace(steps=1, seed=0, batch=2, max_tokens=4, no_checker=no_checker, beta=.1)
    judge = lambda ids, lengths: torch.tensor([.25, .25])
    with pytest.raises(KeyboardInterrupt):
        list(ppo.train((gpt, critic, gpt, judge), None, None, None, args))
    assert seen == [.25 if no_checker else 1, .25]

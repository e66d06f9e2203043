"""Distributions of actions against torch.distributions, hand-computed values and sampling."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.distributions import (
    Categorical,
    Independent,
    Normal,
    TransformedDistribution,
    kl_divergence,
)
from torch.distributions.transforms import TanhTransform

from prefrontal.agents.common.actions import Actions, choice
from prefrontal.agents.common.policies import (
    DEVIATION,
    ActorCriticLoss,
    masked,
    policy_of,
    random_actions,
)

B = 5
CHOICE = policy_of(choice(3))
CHOICES = policy_of(Actions((2, 3), single=False))
NUMBERS = policy_of(Actions(low=(-2.0, 0.0), high=(2.0, 1.0)))
FREE = policy_of(Actions(low=(0.0,), high=(0.0,)))
ALL = [CHOICE, CHOICES, NUMBERS, FREE]


def outputs(policy, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(4, policy.actions.outputs, B, generator=g, dtype=torch.float64)


def peers(policy, law):
    """The same distributions by PyTorch, one for each choice or one of all numbers."""
    if policy.actions.sizes:
        parts = law.split(policy.actions.sizes, -2)
        return [Categorical(logits=part.transpose(-1, -2)) for part in parts]
    mean, deviation = law.transpose(-1, -2).chunk(2, -1)
    return [Independent(Normal(mean, deviation.exp()), 1)]


@pytest.mark.parametrize("policy", ALL)
def test_densities_and_divergences_are_those_of_pytorch(policy):
    law, other = policy.law(outputs(policy)), policy.law(outputs(policy, 1))
    ours, theirs = peers(policy, law), peers(policy, other)
    torch.manual_seed(0)
    drawn = torch.stack([one.sample() for one in ours], -1)
    actions = drawn if policy.actions.sizes else drawn[..., 0]
    actions = actions[..., 0] if policy.actions.discrete else actions
    if policy.actions.sizes:
        each = zip(ours, drawn.unbind(-1), strict=True)
        expected = sum(one.log_prob(action) for one, action in each)
    else:
        expected = ours[0].log_prob(actions)
    torch.testing.assert_close(policy.log_prob(law, actions), expected)
    apart = sum(kl_divergence(a, b) for a, b in zip(ours, theirs, strict=True))
    torch.testing.assert_close(policy.divergence(law, other), apart)


@pytest.mark.parametrize("policy", [CHOICE, CHOICES, FREE])
def test_entropies_are_those_of_pytorch(policy):
    law = policy.law(outputs(policy))
    torch.testing.assert_close(
        policy.entropy(law), sum(one.entropy() for one in peers(policy, law))
    )


def test_the_entropy_of_squashed_numbers_is_that_of_a_large_sample():
    one = policy_of(Actions(low=(-1.0,), high=(1.0,)))
    law = torch.tensor([[0.3], [-0.5]], dtype=torch.float64)  # mean, log deviation
    peer = TransformedDistribution(Normal(0.3, math.exp(-0.5)), TanhTransform(cache_size=1))
    torch.manual_seed(0)
    sample = peer.sample((400_000,))
    assert one.entropy(law).item() == pytest.approx(-peer.log_prob(sample).mean().item(), abs=5e-3)


def test_no_squashed_distribution_has_more_entropy_than_the_uniform_one():
    one = policy_of(Actions(low=(-1.0,), high=(1.0,)))
    deviations = torch.linspace(*DEVIATION, 50, dtype=torch.float64)
    law = torch.stack([torch.zeros_like(deviations), deviations])
    entropy = one.entropy(law)
    assert entropy.max() < math.log(2)
    assert 0 < entropy.argmax() < 49  # wider ones lie at the bounds


def test_read_outs_of_zero_have_deviation_one_and_any_read_out_stays_in_the_range():
    law = FREE.law(torch.tensor([[0.0, 5.0, 0.0], [0.0, 100.0, -100.0]]))
    assert law[1].tolist() == pytest.approx([0.0, DEVIATION[1], DEVIATION[0]], abs=1e-6)


@pytest.mark.parametrize("policy", ALL)
def test_drawn_actions_have_the_frequencies_of_the_law(policy):
    n, g = 200_000, torch.Generator().manual_seed(3)
    read_outs = outputs(policy)[0, :, :1].float()
    noise = policy.noise_(torch.empty(1, policy.noise_size, n), [g])[0]
    drawn = policy.sample(read_outs.expand(-1, n), noise)
    assert drawn.shape == (n, *policy.actions.shape)
    law = policy.law(read_outs)
    if policy.actions.sizes:
        columns = drawn.reshape(n, -1).T
        for column, part in zip(columns, law.exp().split(policy.actions.sizes), strict=True):
            seen = torch.bincount(column, minlength=len(part)) / n
            torch.testing.assert_close(seen, part[:, 0], atol=5e-3, rtol=0)
    else:
        mean, log_deviation = law[:, 0].chunk(2)
        torch.testing.assert_close(drawn.mean(0), mean, atol=1e-2, rtol=0)
        torch.testing.assert_close(drawn.std(0), log_deviation.exp(), atol=1e-2, rtol=0)


def test_numbers_stay_within_their_bounds_and_free_ones_are_as_they_are():
    u = torch.tensor([[-50.0, 50.0], [0.0, 0.0]])
    assert NUMBERS.applied(u).tolist() == [[-2.0, 1.0], [0.0, 0.5]]
    assert FREE.applied(u[:, :1]).tolist() == [[-50.0], [0.0]]


def test_what_is_masked_has_probability_zero_in_law_entropy_and_gradient():
    read_outs = torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    available = torch.tensor([[True], [False], [True]])
    law = CHOICE.law(read_outs, available)
    p = 1 / (1 + math.exp(2.0))  # of the first, beside the third alone
    assert law.exp()[:, 0].tolist() == pytest.approx([p, 0.0, 1 - p])
    expected = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    entropy = CHOICE.entropy(law)
    assert entropy.item() == pytest.approx(expected, rel=1e-6)
    entropy.sum().backward()
    assert read_outs.grad[1].item() == 0.0
    assert CHOICE.divergence(law, law).item() == 0.0
    assert CHOICE.described(masked(read_outs, available))[1].item() == 0.0
    noise = CHOICE.noise_(torch.empty(1, 3, 100_000), [torch.Generator().manual_seed(0)])[0]
    drawn = CHOICE.sample(masked(read_outs, available).expand(-1, 100_000), noise)
    assert not (drawn == 1).any()


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.MultiDiscrete([2, 4]),
        spaces.MultiBinary(3),
        spaces.Box(np.float32([-1, -np.inf]), np.float32([2, np.inf])),
    ],
)
def test_random_actions_are_of_their_space(space):
    drawn = random_actions(space, 50, torch.Generator().manual_seed(0)).numpy()
    assert all(space.contains(one.astype(space.dtype)) for one in drawn)
    assert len(np.unique(drawn, axis=0)) > 2


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({}, "sizes of choices, or low and high"),
        ({"sizes": (2,), "low": (0.0,), "high": (1.0,)}, "sizes of choices, or low and high"),
        ({"low": (0.0,), "high": (-1.0,)}, "low must not exceed high"),
        ({"sizes": (2, 3)}, "one choice has one size"),
        ({"sizes": (0,)}, "sizes"),
    ],
)
def test_impossible_actions_are_refused(kwargs, said):
    with pytest.raises(ValueError, match=said):
        Actions(**kwargs)


@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_loss_of_choices_is_that_of_its_parts(clip, uneven):
    """In float64: the loss, its parts, and the gradient in closed form against autograd's."""
    g = torch.Generator().manual_seed(0)
    shape = 7, 2, B  # [T, P, B]

    def draw(*more):
        return torch.randn(7, 2, *more, B, generator=g, dtype=torch.float64)

    logits, values = draw(3).requires_grad_(), draw().requires_grad_()
    available = torch.rand(7, 2, 3, B, generator=g) < 0.7
    actions = torch.randint(3, shape, generator=g)
    available.scatter_(2, actions.unsqueeze(2), True)
    weight, unit = torch.ones((), dtype=torch.float64), None
    if uneven:
        weight = draw().abs()
        weight, unit = weight / weight.sum((0, 2), keepdim=True), torch.tensor([0.3, 2.0]).double()
    law = CHOICE.law(logits, available)
    old = CHOICE.log_prob(law, actions).detach() + 0.2 * draw()
    coef = torch.tensor([0.1, 0.5], dtype=torch.float64)
    told = ActorCriticLoss(actions, draw(), draw(), old, weight, coef, 0.7, clip, unit)
    ratio = (CHOICE.log_prob(law, actions) - old).exp()
    assert 0.1 < ((ratio - 1).abs() < 0.2).double().mean() < 0.9  # the clip takes hold of some

    plain, parts = told(CHOICE.log_prob(law, actions), CHOICE.entropy(law), values)
    found, found_parts = told.of_choices(masked(logits, available), values)
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(found_parts, parts)
    scale = torch.tensor([1.0, -3.0], dtype=torch.float64)
    each = [torch.autograd.grad((x * scale).sum(), (logits, values)) for x in (found, plain)]
    assert each[1][0].abs().max() > 1e-3
    torch.testing.assert_close(*each, rtol=1e-12, atol=1e-14)

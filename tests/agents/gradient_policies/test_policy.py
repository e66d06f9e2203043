"""Updates within an episode, and the outer gradient, against hand and enumeration."""

import itertools

import numpy as np
import pytest
import torch

from prefrontal.agents.gradient_policies.config import LogitsConfig
from prefrontal.agents.gradient_policies.learner import outer_loss
from prefrontal.agents.gradient_policies.policy import (
    Parameters,
    Played,
    adapted,
    initial_weights,
    inner_gradient,
    tallies,
)

#: θ_0 of two arms, the logarithms of their step sizes, b.
PHI = np.array([0.3, -0.4, 0.2, 0.7, 0.35])
PAYS = np.array([0.3, 0.8])


def test_an_update_by_hand():
    """Equal logits; arm 0 paid 1 and 0, arm 1 paid 0: (1 - 1, 0 - .5) about its mean, over 3."""
    taken, earned = torch.tensor([[[2.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]])
    gradient = inner_gradient(torch.zeros(1, 1, 2), taken, earned, torch.tensor(0.5))
    torch.testing.assert_close(gradient, torch.tensor([[[0.25 / 3, -0.25 / 3]]]))
    weights = torch.tensor([[0.0, 0.0, np.log(2.0), np.log(6.0), 0.5]], dtype=torch.float32)
    before, after = adapted(Parameters.of(weights, 2, 1), [taken], [earned])
    assert not before.any()
    torch.testing.assert_close(after, torch.tensor([[[0.5 / 3, -1.5 / 3]]]))


def test_an_update_is_the_gradient_of_the_log_probabilities():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, 3, generator=generator, requires_grad=True)
    actions = torch.tensor([0, 2, 2, 1, 2]).view(5, 1, 1)
    rewards = torch.randn(5, 1, 1, generator=generator)
    named = logits.log_softmax(-1)[0, 0][actions.flatten()]
    (wanted,) = torch.autograd.grad(((rewards.flatten() - 0.2) * named).mean(), logits)
    given = tallies(actions, torch.ones_like(rewards), 3), tallies(actions, rewards, 3)
    torch.testing.assert_close(inner_gradient(logits, *given, torch.tensor(0.2)), wanted)


def test_second_derivatives():
    taken = [torch.tensor([[[2.0, 1.0], [0.0, 3.0]]]).double()] * 2
    earned = [torch.tensor([[[1.0, 0.5], [0.0, 2.0]]]).double()] * 2

    def last(weights: torch.Tensor, exact: bool = True) -> torch.Tensor:
        return adapted(Parameters.of(weights, 2, 2), taken, earned, exact)[-1]

    phi = [*PHI[:2], *PHI[2:4], 0.5, -0.1, 0.35, 0.6]
    weights = torch.tensor([phi], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(last, weights)
    first = torch.autograd.functional.jacobian(lambda w: last(w, exact=False), weights)
    assert torch.equal(first[0, 0, :, 0, :2], torch.eye(2).double())  # θ_2 with θ_0
    assert not first[..., -2:].any()  # and with b


def test_the_start_is_symmetric():
    weights = initial_weights(LogitsConfig((1, 2), inner_step=3.0, inner_baseline=0.2), 3, 2)
    parameters = Parameters.of(weights, 3, 2)
    assert not parameters.start.any()
    torch.testing.assert_close(parameters.steps, torch.full((2, 2, 1, 3), 3.0))
    assert parameters.baselines.shape == (2, 2, 1, 1)
    assert bool((parameters.baselines == torch.tensor(0.2)).all())


# THE OUTER GRADIENT: two arms, two pulls, an update between them

HISTORIES = list(itertools.product(range(2), (0, 1), range(2), (0, 1)))  # a, r, a', r'


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def chance(phi: np.ndarray, history: tuple[int, ...]) -> float:
    """Return the probability of a history, in plain numbers."""
    first, paid, second, again = history
    before = softmax(phi[:2])
    gradient = (paid - phi[4]) * (np.eye(2)[first] - before)
    after = softmax(phi[:2] + np.exp(phi[2:4]) * gradient)
    coins = [PAYS[a] if r else 1 - PAYS[a] for a, r in ((first, paid), (second, again))]
    return float(before[first] * coins[0] * after[second] * coins[1])


def expected(phi: np.ndarray) -> float:
    """Return the expected reward of an episode."""
    return sum(chance(phi, history) * (history[1] + history[3]) for history in HISTORIES)


def mean_gradient(exact: bool) -> np.ndarray:
    """Return the mean of the estimate over all batches of two episodes."""
    batches = list(itertools.product(HISTORIES, HISTORIES))
    told = torch.tensor(batches).permute(2, 0, 1)  # [4, P, B]: a member plays a batch
    logits = [torch.zeros(*told.shape[1:], 2, dtype=torch.float64)] * 2
    played = Played(told[::2], told[1::2].double(), logits, [1, 2], {})
    weights = torch.tensor(PHI).expand(len(batches), -1).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(outer_loss(weights, played, 1, exact).sum(), weights)
    odds = [chance(PHI, one) * chance(PHI, other) for one, other in batches]
    return -np.array(odds) @ gradient.numpy()


def test_the_outer_gradient_is_that_of_the_expected_reward():
    assert sum(chance(PHI, history) for history in HISTORIES) == pytest.approx(1)
    moves = 1e-6 * np.eye(5)
    differences = [(expected(PHI + d) - expected(PHI - d)) / 2e-6 for d in moves]
    np.testing.assert_allclose(mean_gradient(exact=True), differences, atol=1e-8)
    assert np.abs(mean_gradient(exact=False) - differences).max() > 0.01


def test_first_order_by_hand():
    """θ_0 gets the gradients of both parts, α that of the second times the update, b nothing."""
    wanted = np.zeros(5)
    means = [0.0, 0.0]  # of the reward in each part
    for history in HISTORIES:
        for part in (0, 1):
            means[part] += chance(PHI, history) * history[2 * part + 1]
    for history in HISTORIES:
        first, paid, second, again = history
        odds, before = chance(PHI, history), softmax(PHI[:2])
        step = np.exp(PHI[2:4]) * (paid - PHI[4]) * (np.eye(2)[first] - before)
        after = softmax(PHI[:2] + step)
        early = (paid - means[0]) * (np.eye(2)[first] - before)
        late = (again - means[1]) * (np.eye(2)[second] - after)
        wanted[:2] += odds * (early + late)
        wanted[2:4] += odds * late * step
    np.testing.assert_allclose(mean_gradient(exact=False), wanted, atol=1e-8)

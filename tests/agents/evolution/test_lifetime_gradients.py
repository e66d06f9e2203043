"""The gradient that compiled lives follow, against automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prefrontal import envs  # noqa: F401 (registers the ids)
from prefrontal.agents.evolution.config import LifetimeConfig
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.rollout.spec import EnvironmentSpec

EPSILON, RATE = 3.0, 1.0
HYPER = torch.tensor([[RATE, 0.83, 0.4, 0.05]])


def followed(lifetimes: Lifetimes, weights: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Gradient ``[n]`` of the one update of a life, from its step, and right choices ``[S]``.

    With decay 0 RMSProp goes ``d = rate g / (|g| + epsilon)``, so that
    ``g = epsilon d / (rate - |d|)``.
    """
    life = lifetimes.live(weights, HYPER, [seed], keep_weights=True)
    step = (weights - life.weights)[0].double()
    return EPSILON * step / (RATE - step.abs()), life.correct[0]


def expected(lifetimes: Lifetimes, weights: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The same in double precision, by automatic differentiation of the same episodes."""
    life, _ = lifetimes._draw([seed], "all", True)
    rows = life.rows(0, lifetimes.config.episodes)
    leaf = weights.double().requires_grad_()
    played = lifetimes._play(lifetimes.task, rows, leaf)
    loss = played.loss(*HYPER.double()[:, 1:].unbind(1))
    return torch.autograd.grad(loss.sum(), leaf)[0][0], played.correct[0]


@pytest.mark.skipif(not available(), reason="no compiler")
@pytest.mark.parametrize(
    ("environment", "inputs", "episodes", "embedding", "hidden"),
    [
        ("HarlowPairs", ("reward", "action"), 1, 20, 20),
        ("HarlowPairs", ("action", "centred_reward", "time"), 3, 5, 7),
        ("TwoArmedBandit", ("action", "reward", "time"), 2, 0, 48),
        ("BernoulliBandit", ("reward",), 1, 0, 20),
    ],
)
def test_compiled_gradients_are_exact(environment, inputs, episodes, embedding, hidden):
    spec = EnvironmentSpec(f"prefrontal/{environment}-v0", inputs, {"trials": 7}, split="all")
    config = LifetimeConfig(1, episodes, embedding, decay=0.0, epsilon=EPSILON)
    lifetimes = Lifetimes(spec, config, NetworkConfig(hidden_size=hidden))
    for seed in range(3):
        weights = 1.5 * lifetimes.net.initial(1, torch.Generator().manual_seed(seed))
        gradient, correct = followed(lifetimes, weights, seed)
        reference, best = expected(lifetimes, weights, seed)
        assert torch.equal(correct[: len(best)], best)  # it is the same episodes
        assert reference.abs().max() > 1e-2
        torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=2e-6)

"""Gradients and passes of compiled networks with one softmax, without a graph."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.policies import ActorCriticLoss
from prefrontal.agents.kernels.learning import ChoicesLoss, CompiledOptimiser
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import Credit
from prefrontal.agents.rollout.rollout import Trajectory


def compiled_slope(
    model: ActorCritic,
    told: ActorCriticLoss,
    trajectory: Trajectory,
    credits: Sequence[Credit],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the gradient of the loss of new episodes ``[P, n]``, and the parts of the loss.

    Args:
        model: The actor-critic; what it said is on the tapes.
        told: Of the loss.
        trajectory: The episodes.
        credits: Which ways the gradient takes in each network.
    """
    compiled = ChoicesLoss(told, [tape.heads[: tape.used] for tape in trajectory.tapes])
    _, parts = compiled()
    return model.backward(trajectory.tapes, compiled.slopes, credits), parts


def later_passes(
    model: ActorCritic,
    config: A2CConfig,
    told: ActorCriticLoss,
    trajectory: Trajectory,
    optimiser: Optimiser,
    rate: Tensor,
) -> Tensor:
    """Learn from episodes in all passes but the first, by one call.

    Args:
        model: One compiled network.
        config: Settings.
        told: Of the loss.
        trajectory: The episodes.
        optimiser: Of the parameters.
        rate: Step sizes, ``[P]``.

    Returns:
        The norms of the last gradients, ``[P]``; where one is no number, that one.
    """
    assert isinstance(optimiser, CompiledOptimiser)
    (net,), (tape,) = model.nets, trajectory.tapes
    net.begin(tape, tape.start)
    loss = ChoicesLoss(told, [tape.heads[: tape.used]])
    size, passes = optimiser.rates(rate.unsqueeze(1)), config.passes - 1
    optimiser.count += 1
    step = optimiser.struct(net.parameters, size)
    optimiser.count += passes - 1
    norms: Tensor = net.passes(tape, loss.struct, step, passes, config.clip_norm)
    return norms

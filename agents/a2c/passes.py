"""What is learned from new episodes; compiled gradients, and all passes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.heads import Target
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.policies import ActorCriticLoss
from prefrontal.agents.kernels.learning import ChoicesLoss, CompiledOptimiser
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import Credit
from prefrontal.agents.rollout.rollout import Trajectory


class Learned(NamedTuple):
    """New episodes and what is learned from them, ``[T, P, B]`` each."""

    trajectory: Trajectory
    advantages: Tensor
    targets: Tensor  # of the values
    old: Tensor | None  # log-probabilities of the actions by the policy that acted, if needed
    weight: Tensor  # of each step, see `step_weights`
    heads: dict[str, Target]  # of the heads beside policy and value
    unit: Tensor | None = None  # in which values are learned, ``[P]``; None: 1


def compiled_slope(
    model: ActorCritic, told: ActorCriticLoss, tapes: list[Any], credits: Sequence[Credit]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the gradient of a loss ``[P, n]`` and the parts of the loss, without a graph.

    Args:
        model: The actor-critic, compiled, with one softmax.
        told: Of the loss.
        tapes: What it said.
        credits: Which ways the gradient takes in each network.
    """
    compiled = ChoicesLoss(told, [tape.heads[: tape.used] for tape in tapes])
    _, parts = compiled()
    return model.backward(tapes, compiled.slopes, credits), parts


def every_pass(
    model: ActorCritic,
    config: A2CConfig,
    told: ActorCriticLoss,
    tape: Any,
    optimiser: Optimiser,
    rate: Tensor,
    factor: Tensor | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Learn from new episodes in all passes, by one call.

    Args:
        model: One compiled network; what it said is on the tape.
        config: Settings.
        told: Of the loss; where there are several passes, the first one writes its `old`.
        tape: What the network said.
        optimiser: Of the parameters.
        rate: Step sizes, ``[P, 1]`` or ``[P, n]``.
        factor: Of the gradient, ``[P, n]``; None: 1.

    Returns:
        The norms of the first gradients and of the last, ``[2, P]`` (one that is no number is a
        last one), and the parts of the loss in the first pass.
    """
    assert isinstance(optimiser, CompiledOptimiser)
    (net,) = model.nets
    loss = ChoicesLoss(told, [tape.heads[: tape.used]])
    size = optimiser.rates(rate)
    step = optimiser.struct(net.parameters, size)
    step.count += 1  # the first of these steps
    norms = net.passes(tape, loss.struct, step, config.passes, config.clip_norm, factor)
    if bool(norms[0].isfinite().all()):  # else there was no step
        optimiser.count += config.passes
    return norms, loss.parts()

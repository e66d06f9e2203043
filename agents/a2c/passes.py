"""What is learned from new episodes: the gradient of the loss, and all passes over them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.heads import Target, losses
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.policies import ActorCriticLoss, masked
from prefrontal.agents.kernels.learning import ChoicesLoss, CompiledOptimiser, usable
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import FULL, Credit
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

    def told(self, config: A2CConfig, entropy_coef: Tensor) -> ActorCriticLoss:
        """Return what the loss of the policy and the values needs."""
        clip = config.clip_ratio if config.passes > 1 else None
        coefs = entropy_coef, config.value_coef, clip, self.unit
        return ActorCriticLoss(self.trajectory.actions, *self[1:5], *coefs)


def closed(model: ActorCritic, trajectory: Trajectory) -> bool:
    """Return whether compiled code computes the loss and its gradient, without a graph."""
    fast = model.compiled and not model.config.heads and trajectory.available is None
    return fast and usable(model.nets[0].parameters)


def slope(
    model: ActorCritic,
    config: A2CConfig,
    learned: Learned,
    entropy_coef: Tensor,
    parameters: Tensor,
    credits: Sequence[Credit] = (FULL, FULL),
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the gradient of the loss of new episodes ``[P, n]``, and the parts of the loss.

    Compiled networks with one softmax need no graph for it. The parameters ``[P, n]`` are those
    on the networks; what these said is on the tapes. `credits` say which ways the gradient takes in
    each network.
    """
    trajectory, told = learned.trajectory, learned.told(config, entropy_coef)
    if closed(model, trajectory):
        compiled = ChoicesLoss(told, [tape.heads[: tape.used] for tape in trajectory.tapes])
        _, parts = compiled()
        return model.backward(trajectory.tapes, compiled.slopes, credits), parts
    logits, values, said = model.read(trajectory.tapes, parameters.requires_grad_(), credits)
    logits = masked(logits[: trajectory.steps], trajectory.available)
    loss, parts = told.of(model.policy, logits, values[: trajectory.steps])
    if heads := model.config.heads:
        more, each = losses(heads, said, learned.heads, trajectory.actions, learned.weight)
        loss, parts = loss + more, parts | each
    return torch.autograd.grad(loss.sum(), parameters)[0], parts


def every_pass(
    model: ActorCritic,
    config: A2CConfig,
    learned: Learned,
    entropy_coef: Tensor,
    optimiser: Optimiser,
    rate: Tensor,
    factor: Tensor | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Learn from new episodes in all passes, by one call.

    Args:
        model: One compiled network; what it said is on its tape.
        config: Settings.
        learned: Where there are several passes, the first one writes its `old`.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
        optimiser: Of the parameters.
        rate: Step sizes, ``[P, 1]`` or ``[P, n]``.
        factor: Of the gradient, ``[P, n]``; None: 1.

    Returns:
        The norms of the first gradients and of the last, ``[2, P]`` (one that is no number is a
        last one), and the parts of the loss in the first pass.
    """
    assert isinstance(optimiser, CompiledOptimiser)
    (net,), (tape,) = model.nets, learned.trajectory.tapes
    loss = ChoicesLoss(learned.told(config, entropy_coef), [tape.heads[: tape.used]])
    size = optimiser.rates(rate)
    step = optimiser.struct(net.parameters, size)
    step.count += 1  # the first of these steps
    norms = net.passes(tape, loss.struct, step, config.passes, config.clip_norm, factor)
    if bool(norms[0].isfinite().all()):  # else there was no step
        optimiser.count += config.passes
    return norms, loss.parts()

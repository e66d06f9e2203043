"""The loss of new episodes, and its gradient."""

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


def slope(
    model: ActorCritic,
    config: A2CConfig,
    learned: Learned,
    parameters: Tensor,
    entropy_coef: Tensor,
    credits: Sequence[Credit] = (FULL, FULL),
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the gradient of the loss of new episodes ``[P, n]``, and the parts of the loss.

    Compiled networks with one softmax need no graph for it.

    Args:
        model: The actor-critic; what it said is on the tapes.
        config: Settings.
        learned: The episodes.
        parameters: Of the model, ``[P, n]``.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
        credits: Which ways the gradient takes in each network.
    """
    told, trajectory = learned.told(config, entropy_coef), learned.trajectory
    if closed(model, trajectory):
        compiled = ChoicesLoss(told, [tape.heads[: tape.used] for tape in trajectory.tapes])
        _, parts = compiled()
        return model.backward(trajectory.tapes, compiled.slopes, credits), parts
    parameters.requires_grad_()
    loss, parts = _loss(model, told, learned, parameters, credits)
    return torch.autograd.grad(loss.sum(), parameters)[0], parts


def _loss(
    model: ActorCritic,
    told: ActorCriticLoss,
    learned: Learned,
    parameters: Tensor,
    credits: Sequence[Credit],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss ``[P]``, a function of the parameters, and its parts."""
    trajectory, policy = learned.trajectory, model.policy
    logits, values, said = model.read(trajectory.tapes, parameters, credits)
    values = values[: trajectory.steps]
    logits = masked(logits[: trajectory.steps], trajectory.available)
    if policy.discrete:
        loss, parts = told.of_choices(logits, values)
    else:
        law = policy.law(logits)
        chosen = policy.log_prob(law, trajectory.actions)
        loss, parts = told(chosen, policy.entropy(law), values)
    if heads := model.config.heads:
        more, each = losses(heads, said, learned.heads, trajectory.actions, learned.weight)
        loss, parts = loss + more, parts | each
    return loss, parts


def closed(model: ActorCritic, trajectory: Trajectory) -> bool:
    """Return whether compiled code computes the loss and its gradient, without a graph."""
    fast = model.compiled and not model.config.heads and trajectory.available is None
    return fast and usable(model.nets[0].parameters)


def later_passes(
    model: ActorCritic,
    config: A2CConfig,
    learned: Learned,
    optimiser: Optimiser,
    entropy_coef: Tensor,
    rate: Tensor,
) -> Tensor:
    """Learn from episodes in all passes but the first, by one call.

    Args:
        model: One network, `closed`.
        config: Settings.
        learned: The episodes.
        optimiser: Of the parameters.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
        rate: Step sizes, ``[P]``.

    Returns:
        The norms of the last gradients, ``[P]``; where one is no number, that one.
    """
    assert isinstance(optimiser, CompiledOptimiser)
    (net,), (tape,) = model.nets, learned.trajectory.tapes
    net.begin(tape, tape.start)
    loss = ChoicesLoss(learned.told(config, entropy_coef), [tape.heads[: tape.used]])
    size, passes = optimiser.rates(rate.unsqueeze(1)), config.passes - 1
    optimiser.count += 1
    step = optimiser.struct(net.parameters, size)
    optimiser.count += passes - 1
    norms: Tensor = net.passes(tape, loss.struct, step, passes, config.clip_norm)
    return norms

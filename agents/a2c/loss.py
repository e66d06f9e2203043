"""The parts of an actor-critic's loss: advantages of a batch of episodes, weighted means of each member."""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.common.returns import Estimate, gae, n_step, vtrace
from prefrontal.agents.rollout.rollout import Trajectory

__all__ = [
    "actor_critic_loss",
    "anneal",
    "by_member",
    "corrected",
    "count",
    "estimate",
    "log_prob",
    "masked_deviation",
    "mean",
    "normalise",
    "weights",
]


def estimate(
    config: A2CConfig, trajectory: Trajectory, values: Tensor, discount: Tensor
) -> Estimate:
    """Advantages and value targets ``[T, P, B]`` on policy.

    Args:
        config: λ or n.
        trajectory: The episodes.
        values: Of the states, ``[T, P, B]`` (one step more, if episodes can be cut).
        discount: Discount γ of each member, ``[P]``.
    """
    rewards, discount_t, values = _to_the_end(trajectory, values, discount)
    if config.n_step is not None:
        targets = n_step(
            rewards,
            discount_t,
            torch.cat([values[1:], torch.zeros_like(values[:1])]),
            config.n_step,
        )
        return Estimate(targets - values, targets)
    return gae(rewards, discount_t, values, config.gae_lambda)


def corrected(
    config: A2CConfig, trajectory: Trajectory, values: Tensor, discount: Tensor, ratio: Tensor
) -> tuple[Estimate, Tensor]:
    """Advantages and value targets for episodes of another policy, by the correction of the configuration.

    Args:
        config: Which correction.
        trajectory: The episodes.
        values: See `estimate`.
        discount: See `estimate`.
        ratio: π / μ of each action, ``[T, P, B]``.

    Returns:
        The estimate, and the weight of the squared value errors, ``[T, P, B]`` or a number.
    """
    one = torch.ones((), dtype=values.dtype, device=values.device)
    if config.replay.correction == "vtrace":
        rewards, discount_t, values = _to_the_end(trajectory, values, discount)
        found = vtrace(
            rewards,
            discount_t,
            values,
            ratio,
            rho_bar=config.replay.rho_bar,
            c_bar=config.replay.c_bar,
            lambda_=config.gae_lambda if config.n_step is None else 1.0,
            n=config.n_step,
        )
        return found, one
    plain = estimate(config, trajectory, values, discount)
    if config.replay.correction == "none":
        return plain, one
    clipped = ratio.clamp(max=config.replay.rho_bar)
    return Estimate(clipped * plain.advantages, plain.targets), clipped


def _to_the_end(
    trajectory: Trajectory, values: Tensor, discount: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, discounts and values such that nothing after the end of an episode counts."""
    steps, rewards = trajectory.steps, trajectory.rewards
    discount_t: Tensor = discount.view(1, -1, 1)
    if trajectory.mask is not None and trajectory.truncated is not None:
        # 1 where the episode goes on after this step; a cut episode gets the value of where it was cut.
        going_on = torch.cat([trajectory.mask[1:], torch.zeros_like(trajectory.mask[:1])])
        last = trajectory.mask - going_on
        rewards = rewards + last * trajectory.truncated * discount_t * values[1 : steps + 1]
        discount_t = discount_t * going_on
    return rewards, discount_t, values[:steps]


def actor_critic_loss(
    config: A2CConfig,
    gain: Tensor,
    log_probs: Tensor,
    value_error: Tensor,
    weight: Tensor,
    entropy_coef: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """-gain + value_coef · error² - entropy_coef · H: mean over steps, ``[P]``, and its parts.

    Args:
        config: The coefficients.
        gain: Advantage times log-probability of the action, ``[T, P, B]``.
        log_probs: ``[T, P, K, B]``.
        value_error: Squared errors of the values, ``[T, P, B]``.
        weight: Of each step; see `weights`.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
    """
    entropy = mean(-(log_probs.exp() * log_probs).sum(2), weight)
    value_loss = mean(value_error, weight)
    policy_loss = -mean(gain, weight)
    loss = policy_loss + config.value_coef * value_loss - entropy_coef * entropy
    return loss, {"entropy": entropy, "value_loss": value_loss, "policy_loss": policy_loss}


def anneal(start: float, end: float, progress: Tensor) -> Tensor:
    """From `start` to `end`, linearly in a progress from 0 to 1."""
    return start + (end - start) * progress.clamp(0.0, 1.0)


def log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    """Log-probabilities ``[T, P, B]`` of actions, from logits ``[T, P, K, B]``."""
    log_probs = logits[: actions.shape[0]].log_softmax(2)
    return log_probs.gather(2, actions.unsqueeze(2)).squeeze(2)


def weights(trajectory: Trajectory) -> Tensor:
    """Weights ``[T, P, B]`` of sum 1 per member over the steps that count; the number 1 if all do."""
    if trajectory.mask is None:
        return torch.ones((), dtype=trajectory.rewards.dtype, device=trajectory.rewards.device)
    return trajectory.mask / trajectory.mask.sum((0, 2), keepdim=True)


def mean(x: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over steps and episodes: ``[T, P, B]`` to ``[P]``."""
    if not weight.dim():
        return by_member(x).mean(1)
    # In double precision, because how many steps there are depends on the longest episode of all members.
    return by_member(x * weight).double().sum(1).to(x.dtype)


def by_member(x: Tensor) -> Tensor:
    """``[T, P, B]`` as ``[P, T * B]``: sums over two axes at once, or over gaps, are rounded differently for every P."""
    return x.transpose(0, 1).contiguous().flatten(1)


def masked_deviation(x: Tensor, weight: Tensor) -> Tensor:
    """Standard deviation of each member, ``[P]``."""
    centre = mean(x, weight).view(1, -1, 1)
    return mean((x - centre).square(), weight).sqrt()


def normalise(x: Tensor, weight: Tensor) -> Tensor:
    """With mean 0 and deviation 1 for each member."""
    centre = mean(x, weight).view(1, -1, 1)
    return (x - centre) / (masked_deviation(x, weight).view(1, -1, 1) + 1e-8)


def count(trajectory: Trajectory) -> Tensor:
    """Environment steps of each member, ``[P]``."""
    if trajectory.mask is None:
        steps, members, batch = trajectory.actions.shape
        return torch.full((members,), float(steps * batch), dtype=torch.float64)
    return trajectory.mask.sum((0, 2)).to("cpu", torch.float64)

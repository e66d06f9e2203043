"""Values and targets of Q-learning on windows of episodes, as pure functions."""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.common.returns import n_step

_SLOPE = 1e-3


def dueling(advantages: Tensor, values: Tensor) -> Tensor:
    """Return Q(s, a) = v(s) + A(s, a) - mean of A(s, ·) (Wang et al. 2016).

    Args:
        advantages: ``[T, P, K, B]``.
        values: ``[T, P, B]``.
    """
    return values.unsqueeze(2) + advantages - advantages.mean(2, keepdim=True)


def rescale(x: Tensor) -> Tensor:
    """Return h(x) = sign(x) (√(|x| + 1) - 1) + .001 x (Pohlen et al. 2018, proposition A.2)."""
    return x.sign() * ((x.abs() + 1).sqrt() - 1) + _SLOPE * x


def unscale(y: Tensor) -> Tensor:
    """Return the inverse of `rescale`."""
    root = (1 + 4 * _SLOPE * (y.abs() + 1 + _SLOPE)).sqrt()
    return y.sign() * (((root - 1) / (2 * _SLOPE)).square() - 1)


def q_targets(
    rewards: Tensor,
    learn: Tensor,
    valid: Tensor,
    chooser: Tensor,
    valuer: Tensor,
    discount: float,
    n: int,
    rescaling: bool = False,
) -> Tensor:
    """Return targets of n-step Q-learning in windows of episodes.

    A window ends in one of two ways. Where its episode ended, nothing follows. Else its last slot
    is a state that is only valued: the return of every step before stops at it at the latest.

    Args:
        rewards: For the action of each slot, ``[T, ...]``.
        learn: Slots whose action is learned from, bool ``[T, ...]``.
        valid: Slots that hold a state, bool ``[T, ...]``.
        chooser: Q-values ``[T, ..., K, B]`` that choose the action in the state reached.
        valuer: Q-values that value it.
        discount: Discount γ.
        n: Rewards before the value.
        rescaling: Whether Q-values are on the scale of `rescale`, and targets are to be.

    Returns:
        Targets ``[T, ...]``; those of slots that are not learned from mean nothing.
    """
    best = chooser.argmax(-2, keepdim=True)
    values = valuer.gather(-2, best).squeeze(-2)
    if rescaling:
        values = unscale(values)
    rewards = torch.where(learn, rewards, torch.where(valid, values, torch.zeros_like(values)))
    none = torch.zeros_like(values[:1])
    follows = torch.cat([valid[1:], torch.zeros_like(valid[:1])]) & learn
    targets = n_step(
        rewards, discount * follows.to(rewards.dtype), torch.cat([values[1:], none]), n
    )
    return rescale(targets) if rescaling else targets

"""Heads beside policy and value: their losses, and what their read-outs say.

Read-outs are ``[T, P, n, B]`` (steps, members, numbers, episodes), targets ``[T, P, width, B]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from prefrontal.agents.networks.config import LEVELLED, HeadConfig


def levels(head: HeadConfig) -> Tensor:
    """Return the levels τ_i = (i + 1/2) / size of a distributional head, ``[size]``."""
    return (torch.arange(head.size) + 0.5) / head.size


def width(head: HeadConfig) -> int:
    """Return how many numbers the target of a head has in each step."""
    return 1 if head.loss in LEVELLED else head.size


def of_action(head: HeadConfig, outputs: Tensor, actions: Tensor) -> Tensor:
    """Return the read-outs ``[T, P, n, B]`` for the actions ``[T, P, B]``, or for all alike."""
    outputs = outputs[: len(actions)]
    if not head.per_action:
        return outputs
    each = 2 * head.size if head.loss == "gaussian" else head.size
    every = outputs.unflatten(2, (-1, each))  # [T, P, K, n, B]
    index = actions[:, :, None, None].expand(-1, -1, 1, each, -1)
    return every.gather(2, index).squeeze(2)


def loss(head: HeadConfig, said: Tensor, target: Tensor) -> Tensor:
    """Return the loss of each step ``[T, P, B]``, the sum over the read-outs.

    With read-outs v_i and the target y:

    - squared: (y - v)²;
    - expectile: |τ_i - 1(y < v_i)| (y - v_i)² (Newey & Powell 1987; Dabney et al. 2020);
    - quantile: (τ_i - 1(y < v_i)) (y - v_i) (Koenker & Bassett 1978);
    - cross_entropy: -y log σ(v) - (1 - y) log(1 - σ(v)) of one number in 0 ... 1, of several
      -Σ y_i log softmax(v)_i;
    - gaussian: (s + (y - m)² exp(-s)) / 2 with the mean m and s, the logarithm of the variance.

    Args:
        head: The head.
        said: Its read-outs, ``[T, P, n, B]``.
        target: ``[T, P, width, B]``.
    """
    if head.loss == "cross_entropy":
        if head.size > 1:
            return -(target * said.log_softmax(2)).sum(2)
        return F.binary_cross_entropy_with_logits(said, target, reduction="none").sum(2)
    if head.loss == "gaussian":
        mean, spread = said.chunk(2, dim=2)
        return ((spread + (target - mean).square() * (-spread).exp()) / 2).sum(2)
    error = target - said
    if head.loss in LEVELLED:
        tau = levels(head).to(said).view(-1, 1)
        share = tau - (error < 0).to(said)
        each = share * error if head.loss == "quantile" else share.abs() * error.square()
        return each.sum(2)
    return error.square().sum(2)


def reading(head: HeadConfig, said: Tensor) -> Tensor:
    """Return what read-outs ``[T, P, n, B]`` say: probabilities, mean and deviation, or numbers."""
    if head.loss == "cross_entropy":
        return said.softmax(2) if head.size > 1 else said.sigmoid()
    if head.loss == "gaussian":
        mean, spread = said.chunk(2, dim=2)
        return torch.cat([mean, (spread / 2).exp()], dim=2)
    return said


def value(head: HeadConfig, said: Tensor) -> Tensor:
    """Return the mean ``[T, P, B]`` of what a head says ``[T, P, n, B]`` of the returns."""
    return reading(head, said)[:, :, : head.size].mean(2)

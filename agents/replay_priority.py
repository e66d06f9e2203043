"""Prioritised replay (Schaul et al. 2016): a sum tree for P members at once, importance weights, priorities of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.errors import ConfigError

__all__ = ["Priorities", "SumTree", "importance_weights", "sequence_priority", "tree_bytes"]

FAN_OUT = 32


@dataclass(frozen=True)
class Priorities:
    """Settings of prioritised replay.

    Attributes:
        alpha: P(i) ∝ p_i^alpha (eq. 1): 0 is uniform, 1 fully proportional.
        beta: Exponent of the importance weights, if `sample` is given no other (it is annealed to 1 over a run).
        epsilon: Added to every priority, so that none is 0.
        stratified: Whether the n samples come one from each of n equal parts of the total priority (less variance, same
            expected counts), as in the paper, in place of being independent.
    """

    alpha: float = 0.6
    beta: float = 0.4
    epsilon: float = 1e-6
    stratified: bool = True

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"alpha must be between 0 and 1, not {self.alpha}")
        if not 0 <= self.beta <= 1:
            raise ConfigError(f"beta must be between 0 and 1, not {self.beta}")
        if not self.epsilon > 0:
            raise ConfigError(f"epsilon must be positive, not {self.epsilon}")


def importance_weights(probability: Tensor, size: Tensor | int, beta: float) -> Tensor:
    """w_i = (N · P(i))^-beta / max_j w_j over the batch of each member (Schaul et al. 2016, algorithm 1, line 10).

    Args:
        probability: P(i) of each sample, ``[P, n]``.
        size: N, how many rows there are; a number or ``[P, 1]``.
        beta: How much of the bias is corrected: 0 none, 1 all.

    Returns:
        Weights ``[P, n]``, at most 1.
    """
    weight = (probability * size).pow(-beta)
    return weight / weight.amax(1, keepdim=True)


def sequence_priority(error: Tensor, mask: Tensor | None = None, eta: float = 0.9) -> Tensor:
    """Priority of a sequence, eta · max_t |δ_t| + (1 - eta) · mean_t |δ_t| (R2D2, Kapturowski et al. 2019, section 2.3).

    Args:
        error: TD errors ``[..., T]``.
        mask: 1 for the steps that count, ``[..., T]``; each sequence needs one. None if all count.
        eta: Weight of the maximum.
    """
    error = error.abs()
    if mask is None:
        return eta * error.amax(-1) + (1 - eta) * error.mean(-1)
    error = torch.where(mask.bool(), error, 0.0)
    return eta * error.amax(-1) + (1 - eta) * error.sum(-1) / mask.sum(-1)


def _widths(capacity: int) -> list[int]:
    """Nodes per level, from the one below the root to the leaves; all but the leaves are padded to full fan-out."""
    widths = [-(-capacity // FAN_OUT) * FAN_OUT]
    while widths[0] > FAN_OUT:
        widths.insert(0, -(-(widths[0] // FAN_OUT) // FAN_OUT) * FAN_OUT)
    return widths


def tree_bytes(members: int, capacity: int) -> int:
    """Bytes of a `SumTree`."""
    return 8 * members * sum(_widths(capacity))


class SumTree:
    """Weights of `capacity` leaves per member; draws leaf i with probability w_i / Σ w.

    A node is the sum of its children as `cumsum` rounds it, computed anew whenever one of them changes: nothing drifts, and a
    leaf of weight 0 is never drawn.

    Args:
        members: Number of trees.
        capacity: Leaves of each.
        device: Where.
    """

    def __init__(self, members: int, capacity: int, device: torch.device | str = "cpu") -> None:
        self.members, self.capacity = members, capacity
        self.levels = [
            torch.zeros(members, width, dtype=torch.float64, device=device)
            for width in _widths(capacity)
        ]

    @property
    def leaves(self) -> Tensor:
        """Weights, ``[P, capacity]``."""
        return self.levels[-1][:, : self.capacity]

    @property
    def nbytes(self) -> int:
        """Bytes of all nodes."""
        return sum(level.nbytes for level in self.levels)

    def total(self) -> Tensor:
        """Sum of the weights, ``[P]``."""
        return self.levels[0].cumsum(1)[:, -1]

    def set(self, member: Tensor, leaf: Tensor, weight: Tensor) -> None:
        """Gives leaves new weights, all arguments ``[m]``; no leaf may be there twice with different weights."""
        for level, above in zip(self.levels[::-1], [*self.levels[-2::-1], None], strict=True):
            level.view(-1)[member * level.shape[1] + leaf] = weight.to(level.dtype)
            if above is not None:
                leaf = leaf // FAN_OUT
                blocks = level.view(-1, FAN_OUT)
                weight = blocks[member * (level.shape[1] // FAN_OUT) + leaf].cumsum(1)[:, -1]

    def rebuild(self, leaves: Tensor) -> None:
        """Sets all weights at once, ``[P, capacity]``; every node as `set` would have it."""
        self.levels[-1].zero_()
        self.leaves.copy_(leaves)
        for level, above in zip(self.levels[:0:-1], self.levels[-2::-1], strict=True):
            sums = level.view(self.members, -1, FAN_OUT).cumsum(2)[..., -1]
            above[:, : sums.shape[1]] = sums

    def find(self, fraction: Tensor) -> Tensor:
        """Leaves ``[P, n]`` at these fractions ``[P, n]``, in [0, 1), of the cumulative weight."""
        members, n = fraction.shape
        member = torch.arange(members, device=fraction.device).repeat_interleave(n)
        target = (fraction * self.total().unsqueeze(1)).view(-1, 1)
        node = torch.zeros_like(member)
        below = self.total().repeat_interleave(n).unsqueeze(1)
        for level in self.levels:
            row = member * (level.shape[1] // FAN_OUT) + node
            weights = level.view(-1, FAN_OUT).index_select(0, row)
            sums = weights.cumsum(1)
            # Rounding must not carry the target past the last child that has any weight.
            target = torch.minimum(target, torch.nextafter(below, torch.zeros_like(below)))
            child = (sums <= target).sum(1, keepdim=True)
            start = torch.where(child > 0, sums.gather(1, (child - 1).clamp_(min=0)), 0.0)
            target, below = target - start, weights.gather(1, child)
            node = node * FAN_OUT + child.squeeze(1)
        return node.view(members, n)

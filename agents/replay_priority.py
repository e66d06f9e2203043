"""Prioritised replay (Schaul et al. 2016): a sum tree for P members at once, importance weights, priorities of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.errors import ConfigError

__all__ = [
    "Priorities",
    "Prioritised",
    "SumTree",
    "importance_weights",
    "priority_bytes",
    "sequence_priority",
]

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


def priority_bytes(members: int, capacity: int) -> int:
    """Bytes of `Prioritised`: its sum tree and the largest priority of each member."""
    return 8 * members * (sum(_widths(capacity)) + 1)


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

    def total(self) -> Tensor:
        """Sum of the weights, ``[P]``."""
        return self.levels[0].cumsum(1)[:, -1]

    def set(self, member: Tensor, leaf: Tensor, weight: Tensor) -> None:
        """Gives leaves new weights, all arguments ``[m]``; of a leaf that is there twice the larger one counts."""
        for k in range(len(self.levels) - 1, -1, -1):
            level = self.levels[k]
            flat, place = level.view(-1), member * level.shape[1] + leaf
            flat[place] = 0.0
            flat.scatter_reduce_(0, place, weight, "amax")
            if k:
                leaf = leaf // FAN_OUT
                blocks = level.view(-1, FAN_OUT)
                parent = member * (level.shape[1] // FAN_OUT) + leaf
                weight = blocks.index_select(0, parent).cumsum(1)[:, -1]

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


class Prioritised:
    """Which rows of P members are drawn, by the priorities they were given: P(i) ∝ (p_i + epsilon)^alpha.

    Args:
        members: Members P.
        capacity: Rows of each.
        settings: See `Priorities`.
        device: Where.
    """

    def __init__(
        self, members: int, capacity: int, settings: Priorities, device: torch.device | str = "cpu"
    ) -> None:
        self.settings, self.device = settings, torch.device(device)
        self.tree = SumTree(members, capacity, device)
        self.largest = torch.ones(members, dtype=torch.float64, device=device)

    def checked(self, priority: Tensor) -> Tensor:
        """Priorities in double precision.

        Raises:
            ConfigError: If one is negative or not finite.
        """
        priority = priority.detach().to(self.device, torch.float64)
        if not bool(((priority >= 0) & (priority < torch.inf)).all()):
            raise ConfigError("priorities must be finite numbers that are not negative")
        return priority

    def set(self, member: Tensor, row: Tensor, priority: Tensor | None) -> None:
        """Gives rows priorities, ``[m]`` each; None for the largest that their member has been given (1 at first)."""
        if priority is None:
            priority = self.largest[member]
        else:
            self.largest.scatter_reduce_(0, member, priority, "amax")
        weight = (priority + self.settings.epsilon).pow(self.settings.alpha)
        self.tree.set(member, row, weight)

    def draw(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Rows ``[P, n]`` and the probabilities P(i) they were drawn with, from numbers u in [0, 1), ``[P, n]``."""
        n = u.shape[1]
        if self.settings.stratified:
            u = (u + torch.arange(n, device=u.device)) / n
        index = self.tree.find(u)
        return index, self.tree.leaves.gather(1, index) / self.tree.total().unsqueeze(1)

    def weights(self, probability: Tensor, size: Tensor | int, beta: float | None) -> Tensor:
        """Importance weights ``[P, n]`` in single precision; see `importance_weights`.

        Raises:
            ConfigError: If beta is not between 0 and 1.
        """
        beta = self.settings.beta if beta is None else beta
        if not 0 <= beta <= 1:
            raise ConfigError(f"beta must be between 0 and 1, not {beta}")
        return importance_weights(probability, size, beta).float()

    def state(self, used: int) -> dict[str, Tensor]:
        """Weights of the first `used` rows, and the largest priorities."""
        return {"weights": self.tree.leaves[:, :used], "largest": self.largest}

    def set_state(self, weights: Tensor, largest: Tensor) -> None:
        """Restores what `state` returned."""
        leaves = torch.zeros(self.tree.leaves.shape, dtype=torch.float64)
        leaves[:, : weights.shape[1]] = weights
        self.tree.rebuild(leaves.to(self.device))
        self.largest = largest.to(self.device).clone()

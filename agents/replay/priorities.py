"""Prioritised replay (Schaul et al. 2016): who is drawn, importance weights, priorities of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.replay.sum_tree import SumTree, level_widths

__all__ = [
    "Priorities",
    "Prioritised",
    "importance_weights",
    "priority_bytes",
    "sequence_priority",
]


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


def priority_bytes(members: int, capacity: int) -> int:
    """Bytes of `Prioritised`: its sum tree and the largest priority of each member."""
    return 8 * members * (sum(level_widths(capacity)) + 1)


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

    def clear(self) -> None:
        """As at first: no row has any priority."""
        self.tree.rebuild(torch.zeros_like(self.tree.leaves))
        self.largest.fill_(1.0)

    def state(self, used: int) -> dict[str, Tensor]:
        """Weights of the first `used` rows, and the largest priorities."""
        return {"weights": self.tree.leaves[:, :used], "largest": self.largest}

    def set_state(self, weights: Tensor, largest: Tensor) -> None:
        """Restores what `state` returned."""
        leaves = torch.zeros(self.tree.leaves.shape, dtype=torch.float64)
        leaves[:, : weights.shape[1]] = weights
        self.tree.rebuild(leaves.to(self.device))
        self.largest = largest.to(self.device).clone()

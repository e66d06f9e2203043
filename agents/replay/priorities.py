"""Prioritised replay (Schaul et al. 2016): sum tree, importance weights, sequence priorities.

The sum tree draws in proportion to weights that change, for P members at once. A compiled kernel
walks through it where there is a compiler (`prefrontal.agents.kernels.build`), else PyTorch does;
both give the same results, bit for bit.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.kernels.build import available, compiled

FAN_OUT = 32  # as in kernels/replay.cpp


@dataclass(frozen=True)
class Priorities:
    """Settings of prioritised replay.

    Attributes:
        alpha: P(i) ∝ p_i^alpha (eq. 1): 0 is uniform, 1 fully proportional.
        beta: Exponent of the importance weights: 0 corrects none of the bias, 1 all of it.
        epsilon: Added to every priority, so that none is 0.

    Raises:
        ConfigError: If a value is out of range.
    """

    alpha: float = 0.6
    beta: float = 0.4
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("alpha", "beta"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if not self.epsilon > 0:
            raise ConfigError(f"epsilon must be positive, not {self.epsilon}")


def sequence_priority(error: Tensor, mask: Tensor | None = None, eta: float = 0.9) -> Tensor:
    """Return the priority of sequences, eta · max_t |δ_t| + (1 - eta) · mean_t |δ_t|.

    R2D2, Kapturowski et al. (2019), section 2.3.

    Args:
        error: TD errors δ ``[..., T]``.
        mask: 1 for the steps that count, ``[..., T]``; each sequence needs one. None: all count.
        eta: Weight of the maximum.
    """
    error = error.abs()
    if mask is None:
        return eta * error.amax(-1) + (1 - eta) * error.mean(-1)
    error = torch.where(mask.bool(), error, 0.0)
    return eta * error.amax(-1) + (1 - eta) * error.sum(-1) / mask.sum(-1)


def priority_bytes(members: int, capacity: int) -> int:
    """Return the bytes of `Prioritised`: its sum tree and the largest priority of each member."""
    return 8 * members * (sum(_level_widths(capacity)) + 1)


class Prioritised:
    """Draws rows of P members by their priorities p: P(i) ∝ (p_i + epsilon)^alpha.

    The n rows of a sample come one from each of n equal parts of the total priority, as in the
    paper: the expected counts are those of independent draws, with less variance.
    """

    def __init__(self, members: int, capacity: int, settings: Priorities) -> None:
        self.settings = settings
        self.tree = SumTree(members, capacity)
        self.largest = torch.ones(members, dtype=torch.float64)

    def checked(self, priority: Tensor) -> Tensor:
        """Return priorities in double precision; raise if one is negative or not finite."""
        priority = priority.detach().to("cpu", torch.float64)
        if not bool(((priority >= 0) & (priority < torch.inf)).all()):
            raise ConfigError("priorities must be finite numbers that are not negative")
        return priority

    def set(self, member: Tensor, row: Tensor, priority: Tensor | None) -> None:
        """Give rows new priorities ``[m]``; None: the largest of the member so far (1 at first)."""
        if priority is None:
            priority = self.largest[member]
        else:
            self.largest.scatter_reduce_(0, member, priority, "amax")
        weight = (priority + self.settings.epsilon).pow(self.settings.alpha)
        self.tree.set(member, row, weight)

    def draw(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows and probabilities P(i) for numbers u in [0, 1), all ``[P, n]``."""
        n = u.shape[1]
        index = self.tree.find((u + torch.arange(n)) / n)
        return index, self.tree.leaves.gather(1, index) / self.tree.total().unsqueeze(1)

    def weights(self, probability: Tensor, size: Tensor | int) -> Tensor:
        """Return importance weights w_i = (N · P(i))^-beta / max_j w_j, j in the member's batch.

        They are ``[P, n]`` in single precision, at most 1, as are the probabilities P(i); the
        number of rows N is one or ``[P, 1]`` (Schaul et al. 2016, algorithm 1, line 10).
        """
        weight = (probability * size).pow(-self.settings.beta)
        return (weight / weight.amax(1, keepdim=True)).float()

    def state(self, used: int) -> dict[str, Tensor]:
        """Return the weights of the first `used` rows, and the largest priorities."""
        return {"weights": self.tree.leaves[:, :used], "largest": self.largest}

    def set_state(self, weights: Tensor, largest: Tensor) -> None:
        """Restore what `state` returned."""
        leaves = torch.zeros(self.tree.leaves.shape, dtype=torch.float64)
        leaves[:, : weights.shape[1]] = weights
        self.tree.rebuild(leaves)
        self.largest = largest.clone()


# SUM TREE


def _level_widths(capacity: int) -> list[int]:
    """Return the nodes of each level, from below the root to the leaves, all in blocks of 32."""
    widths = [-(-capacity // FAN_OUT) * FAN_OUT]
    while widths[0] > FAN_OUT:
        widths.insert(0, -(-(widths[0] // FAN_OUT) // FAN_OUT) * FAN_OUT)
    return widths


class SumTree:
    """Weights of `capacity` leaves per member; draws leaf i with probability w_i / Σ w.

    A node is the sum of its children as `cumsum` rounds it, computed anew whenever one of them
    changes: nothing drifts, and a leaf of weight 0 is never drawn.
    """

    def __init__(self, members: int, capacity: int) -> None:
        self.members, self.capacity = members, capacity
        self.levels = [
            torch.zeros(members, width, dtype=torch.float64) for width in _level_widths(capacity)
        ]
        self._kernel = _Kernel(self.levels) if available("replay") else None

    @property
    def leaves(self) -> Tensor:
        """Weights, ``[P, capacity]``."""
        return self.levels[-1][:, : self.capacity]

    def total(self) -> Tensor:
        """Return the sum of the weights, ``[P]``."""
        return self.levels[0].cumsum(1)[:, -1]

    def set(self, member: Tensor, leaf: Tensor, weight: Tensor) -> None:
        """Give leaves new weights, all arguments ``[m]``; of equal leaves the larger one counts."""
        if self._kernel is not None:
            self._kernel.set(member, leaf, weight)
            return
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
        """Set all weights at once, ``[P, capacity]``; every node becomes what `set` would make."""
        self.levels[-1].zero_()
        self.leaves.copy_(leaves)
        for level, above in zip(self.levels[:0:-1], self.levels[-2::-1], strict=True):
            sums = level.view(self.members, -1, FAN_OUT).cumsum(2)[..., -1]
            above[:, : sums.shape[1]] = sums

    def find(self, fraction: Tensor) -> Tensor:
        """Return the leaves ``[P, n]`` at fractions ``[P, n]``, in [0, 1), of the total weight."""
        if self._kernel is not None:
            return self._kernel.find(fraction)
        members, n = fraction.shape
        member = torch.arange(members).repeat_interleave(n)
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


@functools.cache
def _library() -> Any:
    lib = compiled("replay")
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    lib.tree_find.argtypes = [pointer, pointer, size, size, size, pointer, pointer]
    lib.tree_set.argtypes = [pointer, pointer, size, size, pointer, pointer, pointer]
    lib.tree_find.restype = lib.tree_set.restype = None
    return lib


class _Kernel:
    """The compiled walks through the levels of one tree, which stay where they are in memory."""

    def __init__(self, levels: list[Tensor]) -> None:
        self.lib, self.members = _library(), levels[0].shape[0]
        pointers = (ctypes.c_void_p * len(levels))(*(level.data_ptr() for level in levels))
        widths = (ctypes.c_int64 * len(levels))(*(level.shape[1] for level in levels))
        self._tree = (pointers, widths, len(levels))

    def find(self, fraction: Tensor) -> Tensor:
        """See `SumTree.find`."""
        fraction = fraction.contiguous()
        index = torch.empty(fraction.shape, dtype=torch.int64)
        n = fraction.shape[1]
        self.lib.tree_find(*self._tree, self.members, n, fraction.data_ptr(), index.data_ptr())
        return index

    def set(self, member: Tensor, leaf: Tensor, weight: Tensor) -> None:
        """See `SumTree.set`."""
        member, weight, nodes = member.contiguous(), weight.contiguous(), leaf.clone()
        self.lib.tree_set(
            *self._tree, len(member), member.data_ptr(), nodes.data_ptr(), weight.data_ptr()
        )

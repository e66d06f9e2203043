"""A sum tree for P members at once: draws in proportion to weights that change, exactly.

On the CPU a compiled kernel walks through it, if there is a compiler (see `prefrontal.agents.kernels.build`), else PyTorch; with the same
results, bit by bit.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.kernels.build import available, compiled

__all__ = ["FAN_OUT", "SumTree", "level_widths"]

FAN_OUT = 32  # as in replay_kernel.cpp


def level_widths(capacity: int) -> list[int]:
    """Nodes per level, from the one below the root to the leaves; all but the leaves are padded to full fan-out."""
    widths = [-(-capacity // FAN_OUT) * FAN_OUT]
    while widths[0] > FAN_OUT:
        widths.insert(0, -(-(widths[0] // FAN_OUT) // FAN_OUT) * FAN_OUT)
    return widths


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
            for width in level_widths(capacity)
        ]
        self._kernel = _Kernel(self.levels) if self.levels[0].is_cpu and available() else None

    @property
    def leaves(self) -> Tensor:
        """Weights, ``[P, capacity]``."""
        return self.levels[-1][:, : self.capacity]

    def total(self) -> Tensor:
        """Sum of the weights, ``[P]``."""
        return self.levels[0].cumsum(1)[:, -1]

    def set(self, member: Tensor, leaf: Tensor, weight: Tensor) -> None:
        """Gives leaves new weights, all arguments ``[m]``; of a leaf that is there twice the larger one counts."""
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
        """Sets all weights at once, ``[P, capacity]``; every node as `set` would have it."""
        self.levels[-1].zero_()
        self.leaves.copy_(leaves)
        for level, above in zip(self.levels[:0:-1], self.levels[-2::-1], strict=True):
            sums = level.view(self.members, -1, FAN_OUT).cumsum(2)[..., -1]
            above[:, : sums.shape[1]] = sums

    def find(self, fraction: Tensor) -> Tensor:
        """Leaves ``[P, n]`` at these fractions ``[P, n]``, in [0, 1), of the cumulative weight."""
        if self._kernel is not None:
            return self._kernel.find(fraction)
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


@functools.cache
def _library() -> Any:
    """The compiled kernel."""
    lib = compiled("replay")
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    lib.tree_find.argtypes = [pointer, pointer, size, size, size, pointer, pointer]
    lib.tree_set.argtypes = [pointer, pointer, size, size, pointer, pointer, pointer]
    lib.tree_find.restype = lib.tree_set.restype = None
    return lib


class _Kernel:
    """The compiled walks through the levels of one tree, which stay where they are."""

    def __init__(self, levels: list[Tensor]) -> None:
        self.lib, self.members = _library(), levels[0].shape[0]
        self._pointers = (ctypes.c_void_p * len(levels))(*(level.data_ptr() for level in levels))
        self._widths = (ctypes.c_int64 * len(levels))(*(level.shape[1] for level in levels))
        self._tree = (self._pointers, self._widths, len(levels))

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

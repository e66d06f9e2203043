"""LSTMs over packed sequences of unequal lengths.

Rows of a packed tensor ``[N, R, F]`` are ordered by step, and within a step by sequence, the
longest sequence first: step t holds the sequences that are longer than t, which are the first
``sizes[t]`` ones. Nothing is padded, and no mask is needed.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.networks.cores.gated import lstm_cell


@dataclass(frozen=True)
class Packing:
    """How sequences of unequal lengths lie in one packed tensor.

    Attributes:
        lengths: Length of every sequence, in descending order, each at least 1.
    """

    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the order."""
        if list(self.lengths) != sorted(self.lengths, reverse=True) or min(self.lengths) < 1:
            raise ValueError("lengths must be in descending order and at least 1")

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of sequences at each step."""
        return tuple(sum(n > t for n in self.lengths) for t in range(self.lengths[0]))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First row of each step, and the number of rows R."""
        starts = [0]
        for size in self.sizes:
            starts.append(starts[-1] + size)
        return tuple(starts)

    @cached_property
    def addresses(self) -> tuple[Any, Any]:
        """`sizes` and `starts` as arrays for compiled code."""
        sizes, starts = ((ctypes.c_int32 * len(x))(*x) for x in (self.sizes, self.starts))
        return sizes, starts

    @property
    def rows(self) -> int:
        """Rows R: steps of all sequences."""
        return self.starts[-1]

    @cached_property
    def step(self) -> Tensor:
        """Step of each row, ``[R]``."""
        return torch.repeat_interleave(torch.arange(len(self.sizes)), torch.tensor(self.sizes))

    @cached_property
    def sequence(self) -> Tensor:
        """Sequence of each row, ``[R]``."""
        return torch.cat([torch.arange(size) for size in self.sizes])

    def pack(self, padded: Tensor) -> Tensor:
        """Turn ``[B, T, ...]`` into rows ``[R, ...]``."""
        return padded[self.sequence, self.step]

    def unpack(self, rows: Tensor, steps: int) -> Tensor:
        """Turn rows ``[R, ...]`` into ``[B, T, ...]``, zero where a sequence has ended."""
        padded = rows.new_zeros(len(self.lengths), steps, *rows.shape[1:])
        padded[self.sequence, self.step] = rows
        return padded


def unroll_lstm(before: Tensor, recurrent: Tensor, packing: Packing) -> Tensor:
    """Unroll N LSTMs from the zero state; differentiable. The equations are those of `lstm_cell`.

    Args:
        before: What reaches the gates i, f, g, o from the input, ``[N, R, 4H]``, packed.
        recurrent: Weights from the state, ``[N, H, 4H]``.
        packing: Which rows belong to which step.

    Returns:
        Hidden states after each step, ``[N, R, H]``.
    """
    hidden: list[Tensor] = []
    cell = before.new_zeros(before.shape[0], packing.sizes[0], recurrent.shape[1])
    for size, pre in zip(packing.sizes, before.split(packing.sizes, dim=1), strict=True):
        if hidden:
            pre = torch.baddbmm(pre, hidden[-1][:, :size], recurrent)
        h, cell = lstm_cell(pre, cell[:, :size])
        hidden.append(h)
    return torch.cat(hidden, dim=1)

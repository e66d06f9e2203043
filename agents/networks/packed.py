"""LSTMs over packed sequences of unequal lengths.

Rows of a packed tensor ``[N, R, F]`` are ordered by step, and within a step by sequence, the
longest sequence first: step t holds the sequences that are longer than t, which are the first
``sizes[t]`` ones. Nothing is padded, and no mask is needed.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from prefrontal.agents.kernels.build import available, compiled
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

    @cached_property
    def before(self) -> Tensor:
        """Row of the step before, of every row after the first step: ``[R - B]``."""
        starts = torch.tensor(self.starts[:-1])
        late = self.step[len(self.lengths) :]
        return starts[late - 1] + self.sequence[len(self.lengths) :]

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

    On the CPU, in float32 and with a compiler, one call of compiled code computes all steps.

    Args:
        before: What reaches the gates i, f, g, o from the input, ``[N, R, 4H]``, packed.
        recurrent: Weights from the state, ``[N, H, 4H]``.
        packing: Which rows belong to which step.

    Returns:
        Hidden states after each step, ``[N, R, H]``.
    """
    if before.dtype == torch.float32 and before.is_cpu and available():
        return compiled_lstm(before, recurrent, packing)
    return reference_lstm(before, recurrent, packing)


def reference_lstm(before: Tensor, recurrent: Tensor, packing: Packing) -> Tensor:
    """Unroll step by step, with PyTorch; see `unroll_lstm`."""
    hidden: list[Tensor] = []
    cell = before.new_zeros(before.shape[0], packing.sizes[0], recurrent.shape[1])
    for size, pre in zip(packing.sizes, before.split(packing.sizes, dim=1), strict=True):
        if hidden:
            pre = torch.baddbmm(pre, hidden[-1][:, :size], recurrent)
        h, cell = lstm_cell(pre, cell[:, :size])
        hidden.append(h)
    return torch.cat(hidden, dim=1)


def compiled_lstm(before: Tensor, recurrent: Tensor, packing: Packing) -> Tensor:
    """Unroll with compiled code, in float32 or float64; see `unroll_lstm`."""
    hidden: Tensor = _Compiled.apply(before, recurrent, packing)
    return hidden


class _Compiled(torch.autograd.Function):
    """The compiled forward and backward passes (``kernels/packed.cpp``) as one operation."""

    @staticmethod
    def forward(ctx: Any, before: Tensor, recurrent: Tensor, packing: Packing) -> Tensor:
        before, recurrent = before.contiguous(), recurrent.contiguous()
        gates = torch.empty_like(before)
        hidden = before.new_empty(*before.shape[:2], recurrent.shape[1])
        cell, squashed = torch.empty_like(hidden), torch.empty_like(hidden)
        _call("packed_forward", packing, before, recurrent, gates, hidden, cell, squashed)
        ctx.packing = packing
        ctx.save_for_backward(recurrent, gates, hidden, cell, squashed)
        return hidden

    @staticmethod
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor, Tensor | None, None]:
        recurrent, gates, hidden, cell, squashed = ctx.saved_tensors
        packing, delta = ctx.packing, torch.empty_like(gates)
        above = d_hidden.contiguous()
        _call("packed_backward", packing, gates, recurrent, cell, squashed, above, delta)
        weight = None
        if ctx.needs_input_grad[1]:
            later = delta[:, len(packing.lengths) :]
            weight = torch.bmm(hidden[:, packing.before].transpose(1, 2), later)
        return delta, weight, None


@functools.cache
def _library(real: Literal["float", "double"]) -> Any:
    library = compiled("packed", real)
    arguments: list[Any] = [*[ctypes.c_int] * 3, *[ctypes.c_void_p] * 9]
    library.packed_forward.argtypes = library.packed_backward.argtypes = arguments
    library.packed_scratch.argtypes = [ctypes.c_int] * 2
    library.packed_scratch.restype = ctypes.c_long
    return library


def _call(name: str, packing: Packing, *tensors: Tensor) -> None:
    """Call compiled code; the second tensor is the recurrent weights ``[N, H, 4H]``."""
    networks, units, _ = tensors[1].shape
    lib = _library("double" if tensors[1].dtype == torch.float64 else "float")
    sizes, starts = packing.addresses
    scratch = tensors[1].new_empty(lib.packed_scratch(units, packing.sizes[0]))
    addresses = (tensor.data_ptr() for tensor in (*tensors, scratch))
    getattr(lib, name)(networks, len(packing.sizes), units, sizes, starts, *addresses)

"""The LSTM recurrence over packed sequences of unequal lengths, forwards and backwards.

Rows of a packed tensor ``[N, R, F]`` are ordered by step, and within a step by sequence, the longest sequence first:
step t holds the sequences that are longer than t, which are the first ``sizes[t]`` ones. Nothing is padded, and no mask is
needed. The products with the recurrent weights and the gates of all steps are one call of compiled code where there is a
compiler (``sequence_kernel.cpp``), and PyTorch elsewhere.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.kernels import build as kernel

__all__ = ["Packing", "Recurrence"]


@dataclass(frozen=True)
class Packing:
    """How sequences of unequal lengths lie in one packed tensor.

    Attributes:
        lengths: Length of every sequence, in descending order, each at least 1.
    """

    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        """Checks the order."""
        if list(self.lengths) != sorted(self.lengths, reverse=True) or min(self.lengths) < 1:
            raise ValueError("lengths must be in descending order and at least 1")

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many sequences are running at each step."""
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
        """`sizes` and `starts` as arrays of C."""
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
        """From ``[B, T, ...]`` to rows ``[R, ...]``."""
        return padded[self.sequence, self.step]

    def unpack(self, rows: Tensor, steps: int) -> Tensor:
        """From rows ``[R, ...]`` to ``[B, T, ...]``, zero where a sequence has ended."""
        padded = rows.new_zeros(len(self.lengths), steps, *rows.shape[1:])
        padded[self.sequence, self.step] = rows
        return padded


class Recurrence:
    """One LSTM layer, unrolled. ``i, f, o = σ(·)``, ``g = tanh(·)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``.

    Args:
        before: What reaches the gates from the input, ``[N, R, 4H]`` in the order i, f, g, o; overwritten.
        weight: Recurrent weights ``[N, H, 4H]``.
        packing: Which rows belong to which step.
        state: Hidden and cell state before the first step, ``[N, B, H]``; zero by default.

    Attributes:
        hidden: Hidden states after each step, ``[N, R, H]``.
    """

    def __init__(
        self,
        before: Tensor,
        weight: Tensor,
        packing: Packing,
        state: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        units = weight.shape[1]
        self.gates, self.weight, self.packing, self.state = before, weight, packing, state
        self.hidden = before.new_empty(*before.shape[:2], units)
        self.cell = torch.empty_like(self.hidden)
        self.squashed = torch.empty_like(self.hidden)  # tanh c
        self._compiled = None
        if before.dtype == torch.float32 and before.device.type == "cpu" and kernel.available():
            self.weight = weight.contiguous()
            self._compiled = _library()
            self._call(self._compiled.sequence_forward, self.hidden, self.cell, self.squashed)
        else:
            self._forward()

    def _call(self, function: Any, *tensors: Tensor) -> None:
        """Calls compiled code."""
        networks, _, units = self.hidden.shape
        sizes, starts = self.packing.addresses
        batch = self.packing.sizes[0]
        assert self._compiled is not None
        assert self.gates.is_contiguous()
        scratch = _scratch(self._compiled.sequence_scratch(units, batch))
        state = [part.contiguous() for part in self.state] if self.state is not None else []
        if function is self._compiled.sequence_forward:
            more = [*tensors, *(state or (None, None))]
        else:
            more = [self.cell, self.squashed, state[1] if state else None, *tensors]
        function(
            networks, len(self.packing.sizes), units, sizes, starts,
            *(_address(part) for part in (self.gates, self.weight, *more, scratch)),
        )  # fmt: skip

    def _forward(self) -> None:
        starts, units = self.packing.starts, self.weight.shape[1]
        for t, size in enumerate(self.packing.sizes):
            rows = slice(starts[t], starts[t] + size)
            gates = self.gates[:, rows]
            h, c = self._previous(t, size)
            if h is not None:
                gates.baddbmm_(h, self.weight)
            candidate = gates[:, :, 2 * units : 3 * units]
            candidate.mul_(2)
            gates.sigmoid_()
            candidate.mul_(2).sub_(1)  # tanh x = 2 σ(2x) - 1: faster than tanh
            i, f, g, o = gates.chunk(4, 2)
            cell = torch.mul(i, g, out=self.cell[:, rows])
            if c is not None:
                cell.addcmul_(f, c)
            squashed = torch.mul(cell, 2, out=self.squashed[:, rows])
            squashed.sigmoid_().mul_(2).sub_(1)
            torch.mul(o, squashed, out=self.hidden[:, rows])

    def _previous(self, t: int, size: int) -> tuple[Tensor, Tensor] | tuple[None, None]:
        if t == 0:
            return self.state if self.state is not None else (None, None)
        rows = slice(self.packing.starts[t - 1], self.packing.starts[t - 1] + size)
        return self.hidden[:, rows], self.cell[:, rows]

    def backward(self, d_hidden: Tensor) -> Tensor:
        """Gradient with respect to what reached the gates, ``[N, R, 4H]``.

        Args:
            d_hidden: Gradient with respect to the hidden states, ``[N, R, H]``, other than through later steps.
        """
        delta = torch.empty_like(self.gates)
        if self._compiled is not None:
            self._call(self._compiled.sequence_backward, d_hidden.contiguous(), delta)
            return delta
        starts, units = self.packing.starts, self.weight.shape[1]
        back = self.weight.transpose(1, 2)
        d_cell = self.hidden.new_zeros(self.hidden.shape[0], self.packing.sizes[0], units)
        later: Tensor | None = None
        for t in range(len(self.packing.sizes) - 1, -1, -1):
            size = self.packing.sizes[t]
            rows = slice(starts[t], starts[t] + size)
            dh, dc = d_hidden[:, rows], d_cell[:, :size]
            if later is not None:
                dh = dh.clone()
                dh[:, : later.shape[1]].baddbmm_(later, back)
            i, f, g, o = self.gates[:, rows].chunk(4, 2)
            squashed, (_, c) = self.squashed[:, rows], self._previous(t, size)
            dc.add_(dh * o * (1 - squashed * squashed))
            di, df, dg, do = delta[:, rows].chunk(4, 2)
            torch.mul(dc * g, i * (1 - i), out=di)
            if c is None:
                df.zero_()
            else:
                torch.mul(dc * c, f * (1 - f), out=df)
            torch.mul(dc * i, 1 - g * g, out=dg)
            torch.mul(dh * squashed, o * (1 - o), out=do)
            dc.mul_(f)
            later = delta[:, rows]
        return delta

    def weight_gradient(self, delta: Tensor, out: Tensor) -> None:
        """Writes the gradient with respect to the recurrent weights, ``[N, H, 4H]``; the initial state was zero."""
        first = len(self.packing.lengths)
        if first == self.packing.rows:
            out.zero_()
            return
        before = self.hidden[:, self.packing.before]
        torch.bmm(before.transpose(1, 2), delta[:, first:], out=out)


@functools.cache
def _library() -> Any:
    library = kernel.compiled("sequence")
    arguments: list[Any] = [*[ctypes.c_int] * 3, *[ctypes.c_void_p] * 10]
    library.sequence_scratch.restype = ctypes.c_long
    library.sequence_scratch.argtypes = [ctypes.c_int] * 2
    library.sequence_forward.argtypes = arguments
    library.sequence_backward.argtypes = arguments
    return library


_kept: dict[str, Tensor] = {}


def _scratch(size: int) -> Tensor:
    """Memory that compiled code works in; kept from call to call."""
    if "scratch" not in _kept or _kept["scratch"].numel() < size:
        _kept["scratch"] = torch.empty(size)
    return _kept["scratch"]


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()

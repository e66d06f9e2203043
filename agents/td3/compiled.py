"""Networks of recurrent TD3 in compiled code (``kernels/stack.cpp``).

One call computes all stages at all steps, and one all gradients: those of the parameters as one row
a network, and those of the actions, each only if asked for.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from prefrontal.agents.kernels.build import compiled
from prefrontal.agents.networks.packed import Packing

_REAL: dict[torch.dtype, Literal["float", "double"]] = {
    torch.float32: "float",
    torch.float64: "double",
}


class Sizes(ctypes.Structure):
    """The struct ``Stack`` of ``stack.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("N", "T", "inputs", "actions", "enters", "lstms")),
        ("stages", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("units", "sizes", "starts")),
    )


@dataclass(frozen=True)
class Layers:
    """The shape of a network.

    Attributes:
        inputs: Numbers I in an observation.
        actions: Numbers A in an action; 0 for actors.
        enters: Stage before which the action is appended to the input; -1 for actors.
        lstms: How many of the stages are LSTMs.
        units: Units of each stage, the read-outs last.
    """

    inputs: int
    actions: int
    enters: int
    lstms: int
    units: tuple[int, ...]


@functools.cache
def library(real: Literal["float", "double"]) -> Any:
    """Return the compiled ``stack.cpp``."""
    found = compiled("stack", real, Sizes)
    number, address, decimal = ctypes.c_long, ctypes.c_void_p, ctypes.c_double
    for function in (found.stack_tape, found.stack_scratch):
        function.argtypes, function.restype = [address], number
    found.stack_forward.argtypes = [*[address] * 3, number, address, number]
    found.stack_forward.argtypes += [address, address, number, address]
    found.stack_backward.argtypes = [*[address] * 6, number, address]
    found.adam.argtypes = [number, *[address] * 5, *[decimal] * 3, decimal * 3]
    for function in (found.stack_forward, found.stack_backward, found.adam):
        function.restype = None
    return found


class CompiledTape:
    """See `PlainTape`; its memory is used again by the next call.

    Args:
        layers: The shape of the networks.
    """

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self._kept, self._scratch = torch.empty(0), torch.empty(0)
        self._call: Any = None

    def forward(
        self,
        flat: Tensor,
        x: Tensor,
        action: Tensor | None,
        packing: Packing,
        keep: bool = True,
    ) -> Tensor:
        """See `PlainTape.forward`; in float32 or float64 on the CPU."""
        flat, (x, x_block) = flat.contiguous(), _blocks(x)
        given, action_block = (None, 0) if action is None else _blocks(action)
        code, sizes = library(_REAL[flat.dtype]), _sizes(len(flat), self.layers, packing)
        block = code.stack_tape(sizes)
        self._kept = _room(self._kept, block * (len(flat) if keep else 1), flat)
        self._scratch = _room(self._scratch, code.stack_scratch(sizes), flat)
        out = flat.new_empty(len(flat), packing.rows, self.layers.units[-1])
        code.stack_forward(
            sizes,
            flat.data_ptr(),
            x.data_ptr(),
            x_block,
            None if given is None else given.data_ptr(),
            action_block,
            out.data_ptr(),
            self._kept.data_ptr(),
            block if keep else 0,
            self._scratch.data_ptr(),
        )
        self._call = (code, sizes, flat, block, packing) if keep else None
        return out

    def backward(self, d_out: Tensor, gradient: Tensor | None, d_action: Tensor | None) -> None:
        """See `PlainTape.backward`."""
        code, sizes, flat, block, _ = self._call
        d_out = d_out.contiguous()
        code.stack_backward(
            sizes,
            flat.data_ptr(),
            d_out.data_ptr(),
            None if gradient is None else gradient.data_ptr(),
            None if d_action is None else d_action.data_ptr(),
            self._kept.data_ptr(),
            block,
            self._scratch.data_ptr(),
        )


def _sizes(networks: int, layers: Layers, packing: Packing) -> Any:
    """Return the address of a struct for a call; the packing must outlive it."""
    units = (ctypes.c_int32 * len(layers.units))(*layers.units)
    whole = networks, len(packing.sizes), layers.inputs, layers.actions, layers.enters, layers.lstms
    arrays = (ctypes.addressof(array) for array in (units, *packing.addresses))
    sizes = Sizes(*whole, len(units), *arrays)
    sizes.units_kept = units
    return ctypes.byref(sizes)


def _room(buffer: Tensor, numbers: int, like: Tensor) -> Tensor:
    """Return a buffer of at least so many numbers: the given one, if it will do."""
    fits = buffer.dtype == like.dtype and len(buffer) >= numbers
    return buffer if fits else like.new_empty(numbers)


def _blocks(value: Tensor) -> tuple[Tensor, int]:
    """Return a tensor ``[N, R, F]`` whose rows follow each other, and the distance of networks."""
    if value.stride()[1:] != (value.shape[2], 1):
        value = value.contiguous()
    return value, value.stride(0)

"""Whole episodes of the compiled LSTM in one call, where all outcomes of actions are told."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from torch import Tensor

from prefrontal.agents.kernels.build import KernelError
from prefrontal.agents.networks.compiled import LSTMTape, library

_ROWS = ("observation", "action", "reward", "centred_reward", "reward_one_hot")


class _Play(ctypes.Structure):
    """The struct ``Play`` of ``lstm.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("choices", "size", "values", *_ROWS)),
        *((name, ctypes.c_float) for name in ("scale", "shift")),
        *((name, ctypes.c_int64) for name in ("noise_block", "noise_row")),
        *((n, ctypes.c_void_p) for n in ("noise", "paid", "shown", "value", "actions", "rewards")),
        *((n, ctypes.c_void_p) for n in ("next", "start")),
        *((n, ctypes.c_int64) for n in ("places", "each")),
    )


@functools.cache
def _function() -> Any:
    """Return ``lstm_play``; raise KernelError if its struct has another size."""
    here, there = ctypes.sizeof(_Play), library().play_size()
    if here != there:
        raise KernelError(f"_Play has {here} bytes here and {there} in lstm.cpp")
    return library().lstm_play


def play(
    tape: LSTMTape, table: Any, noise: Tensor | None, actions: Tensor, rewards: Tensor
) -> None:
    """Play the episodes of a table: inputs, core, read-outs, choices, outcomes, all steps.

    Args:
        tape: Of the actor; the states before the first step are on it.
        table: What will happen; see `prefrontal.agents.rollout.tabulated`.
        noise: For the choices, ``[P, T, K, B]``, contiguous within a member; None: the best ones.
        actions: Is written, ``[T, P, B]`` int64.
        rewards: Is written, ``[T, P, B]``.
    """
    steps, members, batch = actions.shape
    tape.x[:steps].copy_(table.inputs.unflatten(2, (members, batch)).transpose(1, 2))
    value = rewards.new_tensor(table.values)
    size = 0 if table.shown is None else table.shown.shape[2]
    places = 1 if table.following is None else table.following.shape[1]
    arrays = [noise, table.rewards, table.shown, value, actions, rewards]
    arrays += [table.following, table.start]
    play = _Play(
        table.rewards.shape[1] // places,
        size,
        len(value),
        *(table.rows.get(name, -1) for name in _ROWS),
        table.scale,
        table.shift,
        *((0, 0) if noise is None else noise.stride()[:2]),
        *(None if array is None else array.data_ptr() for array in arrays),
        places,
        len(table.rewards) > 1,
    )
    tape.struct.T = steps
    _function()(tape.address, ctypes.byref(play))

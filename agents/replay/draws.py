"""Uniform random numbers of P independent streams, drawn in blocks: a call costs the same for one member as for many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator_states, set_generator_states

__all__ = ["Uniforms"]

BLOCK = 1024


class Uniforms:
    """Numbers in [0, 1) of 53 bits (with 24 bits the rows of a large buffer would be drawn unevenly).

    A stream is what ``torch.rand(..., dtype=torch.float64)`` draws from its generator, however it is taken in pieces.

    Args:
        generators: One a member, on the CPU. They are read ahead, so nobody else may draw from them.

    Raises:
        ConfigError: If two are the same, or one is not on the CPU.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = list(generators)
        if len({id(g) for g in self.generators}) < len(self.generators):
            raise ConfigError("every member of a replay buffer needs a generator of its own")
        if any(g.device.type != "cpu" for g in self.generators):
            raise ConfigError("the generators of a replay buffer must be on the CPU")
        self._block = torch.empty(len(self.generators), BLOCK, dtype=torch.float64)
        self._numbers: NDArray[np.float64] = self._block.numpy()
        self._before = generator_states(self.generators)  # before the block was drawn
        self._used = BLOCK  # numbers of the block that were taken; at first there is none

    def take(self, n: int) -> NDArray[np.float64]:
        """The next n numbers of each stream, ``[P, n]``. They hold until the next call."""
        if self._used + n <= BLOCK:
            self._used += n
            return self._numbers[:, self._used - n : self._used]
        out = np.empty((len(self.generators), n))
        done = 0
        while done < n:
            if self._used == BLOCK:
                self._before = generator_states(self.generators)
                self._draw()
            part = min(n - done, BLOCK - self._used)
            out[:, done : done + part] = self._numbers[:, self._used : self._used + part]
            self._used, done = self._used + part, done + part
        return out

    def state(self) -> dict[str, Tensor]:
        """Where each stream is; tensors whose leading dimension is the member."""
        return {
            "generators": self._before if self._used < BLOCK else generator_states(self.generators),
            "used": torch.full((len(self.generators),), self._used),
        }

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self._before = state["generators"].clone()
        set_generator_states(self.generators, self._before)
        used = int(state["used"][0])
        if used < BLOCK:
            self._draw()
        self._used = used

    def _draw(self) -> None:
        for row, g in zip(self._block, self.generators, strict=True):
            torch.rand(BLOCK, dtype=torch.float64, generator=g, out=row)
        self._used = 0

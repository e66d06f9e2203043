"""The LSTM: its equations, once, and the core that is made of them.

`prefrontal.agents.networks.compiled` computes the same faster, and is tested against this.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.networks.cores import OneMatrix, State


def lstm_cell(pre: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``h_t`` and ``c_t`` of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates).

    ``i, f, o = σ(·)``, ``g = tanh(·)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``; `pre` is
    what reaches the gates, in the order i, f, g, o, ``[..., 4H]``, and `cell` is ``c_{t-1}``
    ``[..., H]``.
    """
    i, f, g, o = pre.chunk(4, dim=-1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


class LSTM(OneMatrix):
    """A core of long short-term memory; its state is ``(h, c)``."""

    blocks = 4

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw weights as any core of one matrix, and set the forget gates open."""
        super().initialise(generator, input_gain)
        with torch.no_grad():
            self.weight[self.units : 2 * self.units, -1] += forget_bias

    def initial_state(self, batch: int) -> State:
        """Return zeros ``[B, H]``, twice."""
        return super().initial_state(batch) * 2

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step from inputs ``[B, I]``."""
        hidden, cell = lstm_cell(self.reaching(x, state), state[1])
        return hidden, (hidden, cell)

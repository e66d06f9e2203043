"""The LSTM: its equations, once, and the core that is made of them.

`prefrontal.agents.networks.compiled` computes the same faster, and is tested against this.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LSTM", "lstm_cell"]


def lstm_cell(pre: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Compute one step of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates).

    ``i, f, o = σ(·)``, ``g = tanh(·)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``.

    Args:
        pre: What reaches the gates, in the order i, f, g, o, ``[..., 4H]``.
        cell: ``c_{t-1}``, ``[..., H]``.

    Returns:
        ``h_t`` and ``c_t``, ``[..., H]`` each.
    """
    i, f, g, o = pre.chunk(4, dim=-1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


class LSTM(nn.Module):
    """A core of long short-term memory; its state is ``(h, c)``.

    One matrix, ``weight [4H, I + H + 1]``, maps ``[x_t; h_{t-1}; 1]`` to what reaches the gates.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inputs, self.units = input_size, hidden_size
        self.weight = nn.Parameter(torch.zeros(4 * hidden_size, input_size + hidden_size + 1))

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw weights uniformly in ±1/√H, as `torch.nn.LSTM`, and set the forget gates open."""
        with torch.no_grad():
            drawn = 2 * torch.rand(self.weight.shape, generator=generator) - 1
            self.weight.copy_(drawn * self.units**-0.5)
            self.weight[:, : self.inputs] *= input_gain
            self.weight[self.units : 2 * self.units, -1] += forget_bias

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return zeros ``[B, H]``, twice."""
        zero = self.weight.new_zeros(batch, self.units)
        return zero, zero

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Compute one step from inputs ``[B, I]``."""
        pre = F.linear(torch.cat([x, state[0]], 1), self.weight[:, :-1], self.weight[:, -1])
        hidden, cell = lstm_cell(pre, state[1])
        return hidden, (hidden, cell)

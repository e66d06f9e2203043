"""Cores of one matrix: LSTM, GRU, vanilla network, and layers without memory as controls."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prefrontal.agents.networks.cores import State, uniform


class OneMatrix(nn.Module):
    """A core with one matrix, ``weight [blocks * H, I + H + 1]``; its last column is the bias.

    Attributes:
        blocks: Blocks of H rows.
        memory: Whether there are columns for a state.
    """

    blocks = 1
    memory = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inputs, self.units = input_size, hidden_size
        columns = input_size + 1 + (hidden_size if self.memory else 0)
        self.weight = nn.Parameter(torch.zeros(self.blocks * hidden_size, columns))

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw weights uniformly in ±1/√H; those from the inputs times `input_gain`."""
        uniform(self.weight, self.units, generator)
        with torch.no_grad():
            self.weight[:, : self.inputs] *= input_gain

    def initial_state(self, batch: int) -> State:
        """Return zeros ``[B, H]``, or no state where there is no memory."""
        return (self.weight.new_zeros(batch, self.units),) if self.memory else ()

    def drive(self, x: Tensor, state: State) -> Tensor:
        """Return what reaches the units, ``W [x_t; h_{t-1}; 1]``, ``[B, blocks * H]``."""
        x = torch.cat([x, state[0]], 1) if state else x
        return F.linear(x, self.weight[:, :-1], self.weight[:, -1])

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """Return features ``[B, H]`` and the next state from what reached the units."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step from inputs ``[B, I]``."""
        return self.advance(self.drive(x, state), state)


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
    """Long short-term memory; its state is ``(h, c)``. `CompiledLSTM` is tested against it."""

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

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """See `OneMatrix.advance`; what stays in the unit is the cell."""
        hidden, cell = lstm_cell(pre, state[1])
        return hidden, (hidden, cell)


class GRU(OneMatrix):
    """Gated recurrent unit (Cho et al. 2014, in the form of `torch.nn.GRU`).

    ``r, u = σ(·)``, ``n = tanh(a + r b)``, ``h_t = (1 - u) n + u h_{t-1}``, with ``a`` from the
    input and ``b`` from the state. Rows are in the order r, u, a, b; the weights from the state to
    a and from the input to b are not used.
    """

    blocks = 4

    def drive(self, x: Tensor, state: State) -> Tensor:
        """Return what reaches r, u, a and b, ``[B, 4H]``."""
        (h,), units, inputs = state, self.units, self.inputs
        gates, a, b = self.weight.split([2 * units, units, units])
        both = F.linear(torch.cat([x, h], 1), gates[:, :-1], gates[:, -1])
        own = F.linear(x, a[:, :inputs], a[:, -1]), F.linear(h, b[:, inputs:-1], b[:, -1])
        return torch.cat([both, *own], 1)

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """See `OneMatrix.advance`; what stays in the unit is ``u h_{t-1}``."""
        r, u, a, b = pre.chunk(4, 1)
        h = torch.lerp(torch.tanh(a + torch.sigmoid(r) * b), state[0], torch.sigmoid(u))
        return h, (h,)

    def sequence(self, xs: Tensor, state: State | None) -> Tensor:
        """Return features ``[T, B, H]`` of all steps ``[T, B, I]``, as `forward` gives them.

        What the inputs send to the units is computed for all steps at once.
        """
        units, inputs = self.units, self.inputs
        h = self.initial_state(xs.shape[1])[0] if state is None else state[0]
        into, rest = self.weight[: 3 * units], self.weight[3 * units :]
        own = torch.cat([into[: 2 * units, inputs:-1], rest[:, inputs:-1]]).T
        sent = F.linear(xs, into[:, :inputs], into[:, -1])
        bias = rest[:, -1]
        found = []
        for gates, a in zip(sent[..., : 2 * units], sent[..., 2 * units :], strict=True):
            back = h @ own
            r, u = torch.sigmoid(gates + back[:, : 2 * units]).chunk(2, 1)
            h = torch.lerp(torch.tanh(a + r * (back[:, 2 * units :] + bias)), h, u)
            found.append(h)
        return torch.stack(found)


class RNN(OneMatrix):
    """Vanilla recurrent network (Elman 1990): ``h_t = tanh(W [x_t; h_{t-1}; 1])``."""

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """See `OneMatrix.advance`; nothing stays in the unit."""
        h = torch.tanh(pre)
        return h, (h,)


class Feedforward(OneMatrix):
    """No memory: one layer of tanh units over the present input, as a control."""

    memory = False
    activation: Any = staticmethod(torch.tanh)

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """See `OneMatrix.advance`."""
        return self.activation(pre), ()


class Rectified(Feedforward):
    """No memory: one layer of rectified linear units over the present input."""

    activation = staticmethod(torch.relu)

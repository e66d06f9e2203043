"""Recurrent cores with hand-written forward steps and back-propagation through time.

With one update per rollout, the rollout *is* the forward pass of the loss. A core therefore writes all that its
backward pass needs into a preallocated `Tape` while the agent acts, and `backward_step` runs over that tape without a
second forward pass and without an autograd graph. Members of a population are a batch dimension of the same matrix
products.

Layout is feature-major, ``[T, P, features, B]``: one matrix product a step, no transposition, no allocation. The
input of step t is the column ``z_t = [x_t; h_{t-1}; 1]``, so that a core has a single weight matrix ``W [P, rows, I +
H + 1]``.

``tanh`` is computed as ``2 sigmoid(2x) - 1``, which is several times faster than ``torch.tanh`` on CPUs; the inner
factor 2 is folded into the weights (`Core.gain`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.products import CACHE_LINE, blocks

__all__ = [
    "CORES",
    "GRU",
    "LSTM",
    "RNN",
    "Core",
    "Feedforward",
    "Rectified",
    "Tape",
]


class Tape:
    """The activations of one unrolled core, kept for its backward pass.

    Attributes:
        z: Step inputs ``[T + 1, P, I + H + 1, B]``; row block ``I : I + H`` of slot t holds ``h_{t-1}``, the last row
            is one.
        pre: Pre-activations of one step, ``[P, rows, B]``.
        gates: Activated gates ``[T, P, rows, B]``.
        delta: Gradient with respect to the pre-activations of one step, ``[P, rows, B]``.
        used: How many of its steps hold a recording (fewer than `steps` where episodes ended early).
        extra: Further buffers of the core (for example the LSTM's cell states).
    """

    def __init__(
        self,
        core: Core,
        steps: int,
        members: int,
        batch: int,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        self.steps, self.members, self.batch = steps, members, batch
        self.used = steps
        hidden, inputs = core.hidden_size, core.input_size
        kind: dict[str, Any] = {"dtype": dtype, "device": device}
        self.z = blocks(steps + 1, members, inputs + hidden + 1, batch, kind, CACHE_LINE).zero_()
        self.z[:, :, -1] = 1.0
        self.pre = blocks(1, members, core.rows, batch, kind, CACHE_LINE)[0]
        self.gates = blocks(steps, members, core.rows, batch, kind)
        self.delta = blocks(1, members, core.rows, batch, kind, CACHE_LINE)[0]
        # Views are made once: making one costs as much as a small product.
        self.z_t = list(self.z)
        self.x_t = [z[:, :inputs] for z in self.z_t]
        self.h_t = [
            z[:, inputs : inputs + hidden] for z in self.z_t
        ]  # h_t[t] is the state BEFORE step t
        self.out_t = [z[:, inputs:] for z in self.z_t]  # [h; 1]
        self.gates_t = list(self.gates)
        self.extra: dict[str, Any] = {}
        core.allocate(self, kind)

    def hidden(self) -> Tensor:
        """Hidden states after each step, a view ``[T, P, H, B]``."""
        inputs = self.x_t[0].shape[1]
        return self.z[1:, :, inputs:-1]


class Core(ABC):
    """One recurrent layer: `rows` pre-activations a step from ``z_t = [x_t; h_{t-1}; 1]``.

    Args:
        input_size: Number of inputs I.
        hidden_size: Number of units H.
    """

    blocks: int
    states: int = 1

    def __init__(self, input_size: int, hidden_size: int) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self.rows = self.blocks * hidden_size
        self.columns = input_size + hidden_size + 1

    def gain(self) -> Tensor | None:
        """Factors ``[rows, 1]`` folded into the weights (2 for rows whose activation is tanh), or None."""
        return None

    def mask(self) -> Tensor | None:
        """Which weights exist, ``[rows, columns]`` of 0 and 1, or None if all do."""
        return None

    def initial_weight(
        self, generator: torch.Generator, input_gain: float, forget_bias: float
    ) -> Tensor:
        """Draws ``[rows, columns]``: uniform in ±1/√H (as `torch.nn.LSTM`), input columns times `input_gain`."""
        bound = self.hidden_size**-0.5
        weight = (2 * torch.rand(self.rows, self.columns, generator=generator) - 1) * bound
        weight[:, : self.input_size] *= input_gain
        mask = self.mask()
        return weight if mask is None else weight * mask

    @abstractmethod
    def allocate(self, tape: Tape, kind: dict[str, Any]) -> None:
        """Adds the core's own buffers to `tape`."""

    def set_state(self, tape: Tape, state: tuple[Tensor, ...]) -> None:
        """Writes the state before the first step: tensors ``[P, H, B]`` (or ``[P, H, 1]``)."""
        tape.h_t[0].copy_(state[0])

    def get_state(self, tape: Tape, t: int) -> tuple[Tensor, ...]:
        """State before step `t` (so `t = T` is the last one): views ``[P, H, B]``."""
        return (tape.h_t[t],)

    @abstractmethod
    def activate(self, tape: Tape, t: int) -> None:
        """From ``tape.pre`` to the gates in ``gates_t[t]`` and the new state in ``h_t[t + 1]``."""

    @abstractmethod
    def prepare_backward(self, tape: Tape) -> None:
        """Computes the local derivatives of all steps at once."""

    @abstractmethod
    def backward_step(self, tape: Tape, t: int, dh: Tensor) -> Tensor | None:
        """Writes ``tape.delta`` from ``dh [P, H, B]``, the gradient of the loss with respect to ``h_t`` (after step t).

        Returns:
            The part of the gradient that reaches ``h_{t-1}`` other than through the weights, or None.
        """

    def state_gradient(self, tape: Tape, dh: Tensor) -> tuple[Tensor, ...]:
        """Gradients with respect to the initial state, after the last `backward_step`."""
        return (dh,)


class LSTM(Core):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with forget gates).

    ``i, f, o = σ(·)``, ``g = tanh(·)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``. Rows are ordered i, f, g, o.
    """

    blocks, states = 4, 2

    def gain(self) -> Tensor:
        """See `Core.gain`: 2 for the rows of the candidate g."""
        factor = torch.ones(self.rows, 1)
        factor[2 * self.hidden_size : 3 * self.hidden_size] = 2.0
        return factor

    def initial_weight(
        self, generator: torch.Generator, input_gain: float, forget_bias: float
    ) -> Tensor:
        """See `Core.initial_weight`; `forget_bias` is added to the bias of the forget gate."""
        weight = super().initial_weight(generator, input_gain, forget_bias)
        weight[self.hidden_size : 2 * self.hidden_size, -1] += forget_bias
        return weight

    def allocate(self, tape: Tape, kind: dict[str, Any]) -> None:
        """See `Core.allocate`."""
        size = (tape.steps, tape.members, self.hidden_size, tape.batch)
        cell = torch.zeros(size[0] + 1, *size[1:], **kind)
        squashed = blocks(*size, kind)
        tape.extra = {
            "cell": cell,
            "squashed": squashed,
            "cell_t": list(cell),
            "squashed_t": list(squashed),
            "gate_views": [g.unflatten(1, (4, self.hidden_size)).unbind(1) for g in tape.gates_t],
            "delta_views": (
                tape.delta.unflatten(1, (4, self.hidden_size))[:, :3],
                tape.delta[:, 3 * self.hidden_size :],
            ),
            "dc": torch.zeros(size[1:], **kind),
        }

    def set_state(self, tape: Tape, state: tuple[Tensor, ...]) -> None:
        """See `Core.set_state`; the state is (h, c)."""
        tape.h_t[0].copy_(state[0])
        tape.extra["cell_t"][0].copy_(state[1])

    def get_state(self, tape: Tape, t: int) -> tuple[Tensor, ...]:
        """See `Core.get_state`; the state is (h, c)."""
        return tape.h_t[t], tape.extra["cell_t"][t]

    def activate(self, tape: Tape, t: int) -> None:
        """See `Core.activate`."""
        torch.sigmoid(tape.pre, out=tape.gates_t[t])
        i, f, s, o = tape.extra["gate_views"][t]  # g = 2 s - 1
        cell, squashed = tape.extra["cell_t"][t + 1], tape.extra["squashed_t"][t]
        torch.mul(f, tape.extra["cell_t"][t], out=cell)
        cell.addcmul_(i, s, value=2.0).sub_(i)
        torch.mul(cell, 2.0, out=squashed)
        torch.sigmoid(squashed, out=squashed).mul_(2.0).sub_(1.0)
        torch.mul(o, squashed, out=tape.h_t[t + 1])

    def prepare_backward(self, tape: Tape) -> None:
        """See `Core.prepare_backward`."""
        x = tape.extra
        i, _, s, o = tape.gates.unflatten(2, (4, self.hidden_size)).unbind(2)
        if "local" not in x:
            x["local"] = torch.empty_like(tape.gates).unflatten(2, (4, self.hidden_size))
            x["local_c_t"], x["local_o_t"] = list(x["local"][:, :, :3]), list(x["local"][:, :, 3])
            x["slope"] = torch.empty_like(x["squashed"])
            x["slope_t"], x["forget_t"] = list(x["slope"]), [views[1] for views in x["gate_views"]]
        local = x["local"]
        derivative = torch.addcmul(tape.gates, tape.gates, tape.gates, value=-1.0)  # σ(1 - σ)
        di, df, ds, do = derivative.unflatten(2, (4, self.hidden_size)).unbind(2)
        torch.mul(s, 2.0, out=local[:, :, 0]).sub_(1.0).mul_(di)  # dc/di = g
        torch.mul(df, x["cell"][:-1], out=local[:, :, 1])  # dc/df = c_{t-1}
        torch.mul(ds, i, out=local[:, :, 2]).mul_(2.0)  # dc/ds = 2 i
        torch.mul(do, x["squashed"], out=local[:, :, 3])  # dh/do = tanh c
        torch.mul(x["squashed"], x["squashed"], out=x["slope"]).neg_().add_(1.0).mul_(o)  # dh/dc
        x["dc"].zero_()

    def backward_step(self, tape: Tape, t: int, dh: Tensor) -> None:
        """See `Core.backward_step`."""
        x = tape.extra
        dc, (delta_c, delta_o) = x["dc"], x["delta_views"]
        dc.addcmul_(dh, x["slope_t"][t])
        torch.mul(x["local_c_t"][t], dc.unsqueeze(1), out=delta_c)
        torch.mul(x["local_o_t"][t], dh, out=delta_o)
        dc.mul_(x["forget_t"][t])

    def state_gradient(self, tape: Tape, dh: Tensor) -> tuple[Tensor, ...]:
        """See `Core.state_gradient`."""
        return dh, tape.extra["dc"]


class GRU(Core):
    """Gated recurrent unit (Cho et al. 2014; the form of `torch.nn.GRU`).

    ``r, u = σ(·)``, ``n = tanh(a + r b)``, ``h_t = (1 - u) n + u h_{t-1}``, with ``a`` from the input and ``b`` from
    the state. Rows are ordered r, u, a, b; weights from the state to a, and from the input to b, do not exist.
    """

    blocks = 4

    def mask(self) -> Tensor:
        """See `Core.mask`."""
        size, inputs = self.hidden_size, self.input_size
        mask = torch.ones(self.rows, self.columns)
        mask[2 * size : 3 * size, inputs:-1] = 0.0
        mask[3 * size :, :inputs] = 0.0
        return mask

    def allocate(self, tape: Tape, kind: dict[str, Any]) -> None:
        """See `Core.allocate`."""
        size = 2 * self.hidden_size
        candidate = blocks(tape.steps, tape.members, self.hidden_size, tape.batch, kind)
        tape.extra = {
            "candidate": candidate,
            "candidate_t": list(candidate),
            "pre_views": (tape.pre[:, :size], *tape.pre[:, size:].chunk(2, dim=1)),
            "sigmoids_t": list(tape.gates[:, :, :size]),
            "gate_views": [g.unflatten(1, (4, self.hidden_size)).unbind(1) for g in tape.gates_t],
            "delta_views": tape.delta.unflatten(1, (4, self.hidden_size)).unbind(1),
        }

    def activate(self, tape: Tape, t: int) -> None:
        """See `Core.activate`."""
        sigmoids, a, new_b = tape.extra["pre_views"]
        torch.sigmoid(sigmoids, out=tape.extra["sigmoids_t"][t])
        r, u, _, b = tape.extra["gate_views"][t]
        n = tape.extra["candidate_t"][t]
        torch.addcmul(a, r, b.copy_(new_b), out=n)
        torch.sigmoid(n.mul_(2.0), out=n).mul_(2.0).sub_(1.0)
        torch.lerp(n, tape.h_t[t], u, out=tape.h_t[t + 1])

    def prepare_backward(self, tape: Tape) -> None:
        """See `Core.prepare_backward`: the GRU computes its derivatives step by step."""

    def backward_step(self, tape: Tape, t: int, dh: Tensor) -> Tensor:
        """See `Core.backward_step`; the direct part is ``u dh``."""
        r, u, _, b = tape.extra["gate_views"][t]
        n = tape.extra["candidate_t"][t]
        dr, du, da, db = tape.extra["delta_views"]
        torch.mul(dh * (tape.h_t[t] - n), u * (1 - u), out=du)
        torch.mul(dh * (1 - u), 1 - n * n, out=da)
        torch.mul(da * b, r * (1 - r), out=dr)
        torch.mul(da, r, out=db)
        return u * dh


class RNN(Core):
    """Vanilla (Elman) recurrent network: ``h_t = tanh(W z_t)``."""

    blocks = 1

    def gain(self) -> Tensor | None:
        """See `Core.gain`."""
        return torch.full((self.rows, 1), 2.0)

    def allocate(self, tape: Tape, kind: dict[str, Any]) -> None:
        """See `Core.allocate`."""

    def activate(self, tape: Tape, t: int) -> None:
        """See `Core.activate`."""
        gate = torch.sigmoid(tape.pre, out=tape.gates_t[t])
        torch.mul(gate, 2.0, out=tape.h_t[t + 1]).sub_(1.0)

    def prepare_backward(self, tape: Tape) -> None:
        """See `Core.prepare_backward`: slopes ``dh/da = 2 σ(1 - σ)`` of the doubled pre-activation."""
        tape.extra["slope"] = torch.addcmul(tape.gates, tape.gates, tape.gates, value=-1.0).mul_(
            2.0
        )

    def backward_step(self, tape: Tape, t: int, dh: Tensor) -> None:
        """See `Core.backward_step`."""
        torch.mul(tape.extra["slope"][t], dh, out=tape.delta)


class Feedforward(RNN):
    """No memory: one tanh layer over the current input. The control for everything recurrent."""

    def mask(self) -> Tensor:
        """See `Core.mask`: no weights from the previous state."""
        mask = torch.ones(self.rows, self.columns)
        mask[:, self.input_size : -1] = 0.0
        return mask


class Rectified(Feedforward):
    """No memory: one layer of rectified linear units over the current input."""

    def gain(self) -> None:
        """See `Core.gain`: none."""

    def activate(self, tape: Tape, t: int) -> None:
        """See `Core.activate`."""
        torch.clamp_min(tape.pre, 0.0, out=tape.gates_t[t])
        tape.h_t[t + 1].copy_(tape.gates_t[t])

    def prepare_backward(self, tape: Tape) -> None:
        """See `Core.prepare_backward`: slope 1 where a unit is active, else 0."""
        tape.extra["slope"] = (tape.gates > 0).to(tape.gates.dtype)


CORES: dict[str, type[Core]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "none": Feedforward,
    "relu": Rectified,
}

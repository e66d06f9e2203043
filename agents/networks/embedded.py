"""A feed-forward network of two layers, the first of them linear: the actor-critic of the NeuroAI course.

``e = W_1 [x; 1]``, ``h = max(0, W_2 [e; 1])``, read-outs ``W_3 [h; 1]``. A linear layer in front of another computes nothing that
the second could not compute alone, but it learns otherwise: with the course's settings two layers of 100 reach in 1,000
updates what one does not. Members are a batch dimension of all products, as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prefrontal.agents.common.products import product
from prefrontal.agents.networks.cores import CORES, Tape
from prefrontal.agents.networks.recurrent import RecurrentNet

if TYPE_CHECKING:
    from prefrontal.agents.networks.actor_critic import NetworkConfig

__all__ = ["EmbeddedNet"]


class EmbeddedTape(Tape):
    """A tape whose inputs are not those of the core: ``raw [T + 1, P, I + 1, B]``, the last row of ones."""

    raw: Tensor

    def embed(self, inputs: int, embedding: int) -> None:
        """Adds the inputs; ``embedded_t`` are then the places where the core expects its own."""
        self.embedding = embedding
        self.raw = self.z.new_zeros(*self.z.shape[:2], inputs + 1, self.batch)
        self.raw[:, :, -1] = 1.0
        self.raw_t = list(self.raw)
        self.embedded_t, self.x_t = self.x_t, [raw[:, :-1] for raw in self.raw_t]

    def hidden(self) -> Tensor:
        """See `Tape.hidden`."""
        return self.z[1:, :, self.embedding : -1]


class EmbeddedNet(RecurrentNet):
    """A linear layer, one rectified layer and a linear read-out. Arguments as of `RecurrentNet`.

    Attributes:
        parameters: Flat parameters ``[P, n]``: ``W_1 [E, I + 1]``, ``W_2 [H, E + 1]``, ``W_3 [O, H + 1]``.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        config: NetworkConfig,
        members: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self.members, self.dtype, self.device = config, members, dtype, device
        units, hidden = config.embedding_size, config.hidden_size
        self.input_size, self.output_size, self.compiled = input_size, output_size, False
        self.core = CORES[config.core](units, hidden)
        self._shapes = [(units, input_size + 1), (hidden, units + 1), (output_size, hidden + 1)]
        self.sizes = [rows * columns for rows, columns in self._shapes]
        self.parameters = torch.zeros(members, sum(self.sizes), dtype=dtype, device=device)
        self.refresh()

    def initialise(self, member: int, generator: torch.Generator) -> None:
        """Draws the initial parameters of one member: uniform in ±1/√n for n inputs of a layer (as `torch.nn.Linear`)."""
        gains = (self.config.input_gain, 1.0, 1.0)
        parts = []
        for (rows, columns), gain in zip(self._shapes, gains, strict=True):
            weight = (2 * torch.rand(rows, columns, generator=generator) - 1) * (
                columns - 1
            ) ** -0.5
            weight[:, :-1] *= gain
            parts.append(weight.flatten())
        self.parameters[member] = torch.cat(parts).to(self.parameters)
        self.refresh()

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of a flat ``[P, n]``: the three layers."""
        first, second, third = (
            part.unflatten(1, shape)
            for part, shape in zip(flat.split(self.sizes, dim=1), self._shapes, strict=True)
        )
        return first, second, third

    def refresh(self) -> None:
        """Recomputes what is derived from the parameters; call it after changing them."""
        self._first, second, self._head = self.split(self.parameters)
        self._weight, self._bias = second[:, :, :-1], second[:, :, -1:]

    def tape(self, steps: int, batch: int) -> Tape:
        """See `RecurrentNet.tape`."""
        tape = EmbeddedTape(self.core, steps, self.members, batch, self.dtype, self.device)
        tape.embed(self.input_size, self.config.embedding_size)
        shape = (steps, self.members, self.output_size, batch)
        heads = torch.empty(shape, dtype=self.dtype, device=self.device)
        tape.extra["heads"], tape.extra["heads_t"] = heads, list(heads)
        return tape

    def begin(self, tape: Tape, state: tuple[Tensor, ...] | None = None) -> None:
        """Sets the state before the first step, which changes nothing."""
        zero = torch.zeros((), dtype=self.dtype, device=self.device)
        self.core.set_state(tape, (zero,) if state is None else state)

    def step(self, tape: Tape, t: int) -> Tensor:
        """See `RecurrentNet.step`."""
        assert isinstance(tape, EmbeddedTape)
        product(self._first, tape.raw_t[t], tape.embedded_t[t])
        product(self._weight, tape.embedded_t[t], tape.pre).add_(self._bias)
        self.core.activate(tape, t)
        return product(self._head, tape.out_t[t + 1], tape.extra["heads_t"][t])

    def backward(self, tape: Tape, d_heads: Tensor) -> Tensor:
        """Back-propagation, all steps in one product a layer: from ``[T, P, O, B]`` to ``[P, n]``."""
        assert isinstance(tape, EmbeddedTape)
        used, units = tape.used, self.config.embedding_size
        gradient = torch.zeros_like(self.parameters)
        d_first, d_second, d_third = self.split(gradient)
        # READ-OUT
        d_out, out = _by_member(d_heads), _by_member(tape.z[1 : used + 1, :, units:])
        d_third.copy_(torch.bmm(d_out, out.transpose(1, 2)))
        d_hidden = torch.bmm(self._head[:, :, :-1].transpose(1, 2), d_out)
        # CORE
        d_pre = d_hidden * (out[:, :-1] > 0)
        source = _by_member(tape.z[:used, :, :units])
        d_second[:, :, :-1].copy_(torch.bmm(d_pre, source.transpose(1, 2)))
        d_second[:, :, -1].copy_(d_pre.sum(-1))
        # FIRST LAYER
        d_embedded = torch.bmm(self._weight.transpose(1, 2), d_pre)
        d_first.copy_(torch.bmm(d_embedded, _by_member(tape.raw[:used]).transpose(1, 2)))
        return gradient


def _by_member(x: Tensor) -> Tensor:
    """``[T, P, F, B]`` as ``[P, F, T * B]``."""
    return x.permute(1, 2, 0, 3).contiguous().flatten(2)

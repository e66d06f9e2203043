"""The actors and critics of Zhang, Pitkow & Angelaki (2024): one recurrent network after the other, equal in size.

Three actors and five critics of about 200,000 parameters each. They differ in whether one LSTM does everything
(*holistic*) or an LSTM, left to infer the state, is followed by a feed-forward network that acts on it (*modular*), and in
whether the action that a critic judges enters before or after the state is inferred:

=========  ==========================================  ===========
name       stages (`a` is where the action enters)     parameters
=========  ==========================================  ===========
`actor1`   LSTM 220                                    201,082
`actor2`   LSTM 128, LSTM 128                          201,986
`actor3`   LSTM 128, ReLU 300, ReLU 300                199,234
`critic1`  a LSTM 220                                  202,621
`critic2`  a LSTM 128, LSTM 128                        202,881
`critic3`  a LSTM 128, ReLU 300, ReLU 300              199,957
`critic4`  LSTM 128, a LSTM 128                        202,881
`critic5`  LSTM 128, a ReLU 300, ReLU 300              199,533
=========  ==========================================  ===========

A `Stack` holds N networks of one shape (twin critics, the members of a population) as rows of one tensor ``[N, n]``.
Sequences of unequal lengths are *packed* (`Packing`): no product and no loss ever touches a step that was not played.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from prefrontal.agents.networks.packed_lstm import Packing, Recurrence

__all__ = ["ACTORS", "CRITICS", "PRESETS", "Packing", "Shape", "Stack", "TD3NetworkConfig"]

ActorName = Literal["actor1", "actor2", "actor3"]
CriticName = Literal["critic1", "critic2", "critic3", "critic4", "critic5"]


@dataclass(frozen=True)
class Shape:
    """One network: LSTMs, then ReLU layers, then a linear read-out.

    Attributes:
        lstm: Units of each LSTM.
        relu: Units of each ReLU layer.
        action: Before which stage the action is appended to what goes in; none for actors.
    """

    lstm: tuple[int, ...]
    relu: tuple[int, ...] = ()
    action: int | None = None

    def scaled(self, scale: float) -> Shape:
        """The same with every layer `scale` times as wide."""
        lstm = tuple(max(1, round(units * scale)) for units in self.lstm)
        return Shape(lstm, tuple(max(1, round(units * scale)) for units in self.relu), self.action)


ACTORS: dict[str, Shape] = {
    "actor1": Shape((220,)),
    "actor2": Shape((128, 128)),
    "actor3": Shape((128,), (300, 300)),
}
CRITICS: dict[str, Shape] = {
    "critic1": Shape((220,), (), 0),
    "critic2": Shape((128, 128), (), 0),
    "critic3": Shape((128,), (300, 300), 0),
    "critic4": Shape((128, 128), (), 1),
    "critic5": Shape((128,), (300, 300), 1),
}


@dataclass(frozen=True)
class TD3NetworkConfig:
    """Shape of an actor and its twin critics.

    Attributes:
        actor: Which of the three actors: `actor1` an LSTM (holistic), `actor2` two LSTMs, `actor3` an LSTM and two ReLU layers
            (modular).
        critic: Which of the five critics: `critic1` an LSTM that is given the action (holistic), `critic2` two LSTMs, `critic3`
            an LSTM and two ReLU layers; `critic4` and `critic5` (modular) are like these two, with the action entering after
            the first LSTM.
        scale: Factor on the width of every layer; 1 is as published.
    """

    kind: ClassVar[str] = "td3"

    actor: ActorName = "actor3"
    critic: CriticName = "critic5"
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Checks the scale."""
        if not self.scale > 0:
            raise ValueError(f"scale must be positive, not {self.scale}")

    def stacks(self, inputs: int, actions: int, members: int = 1) -> tuple[Stack, Stack]:
        """Actors of `members` agents and as many pairs of critics, without weights."""
        actor = Stack(ACTORS[self.actor].scaled(self.scale), inputs, 0, actions, members)
        return actor, self.critic_stack(inputs, actions, 2 * members)

    def critic_stack(self, inputs: int, actions: int, networks: int) -> Stack:
        """Critics, without weights."""
        return Stack(CRITICS[self.critic].scaled(self.scale), inputs, actions, 1, networks)


PRESETS: dict[str, TD3NetworkConfig] = {
    "holistic": TD3NetworkConfig("actor1", "critic1"),
    "modular": TD3NetworkConfig("actor3", "critic5"),
}


@dataclass(frozen=True)
class _Layer:
    """Where the parameters of one stage lie in the flat vector."""

    kind: Literal["lstm", "relu", "linear"]
    inputs: int
    units: int
    start: int

    @property
    def outputs(self) -> int:
        return 4 * self.units if self.kind == "lstm" else self.units

    @property
    def size(self) -> int:
        if self.kind == "lstm":  # two biases, as in PyTorch
            return (self.inputs + self.units + 2) * self.outputs
        return (self.inputs + 1) * self.outputs


class Stack:
    """N networks of one shape, computed side by side; gradients by hand (checked against autograd).

    Parameters are one tensor ``[N, n]``: stage by stage the weights, stored input by output, then the biases. An LSTM has
    weights from its input, weights from its state, and two biases (PyTorch's parametrisation); its gates are in the order
    i, f, g, o.

    Args:
        shape: The stages.
        inputs: Numbers I in an observation.
        actions: Numbers A in an action; 0 for actors.
        outputs: Read-outs O.
        networks: How many networks N.
    """

    def __init__(
        self, shape: Shape, inputs: int, actions: int, outputs: int, networks: int
    ) -> None:
        self.shape, self.inputs, self.actions, self.outputs = shape, inputs, actions, outputs
        self.networks = networks
        self.layers: list[_Layer] = []
        stages = [("lstm", units) for units in shape.lstm] + [
            ("relu", units) for units in shape.relu
        ]
        width, start = inputs, 0
        for index, (kind, units) in enumerate([*stages, ("linear", outputs)]):
            width += actions if index == shape.action else 0
            layer = _Layer(kind, width, units, start)  # type: ignore[arg-type]
            self.layers.append(layer)
            width, start = units, start + layer.size
        self.size = start

    def initial(self, generator: torch.Generator, count: int = 1) -> Tensor:
        """Draws the parameters of `count` networks, ``[count, n]``.

        LSTM weights are Xavier-uniform (Glorot & Bengio 2010), linear weights normal with deviation .1, biases 0.
        """
        flat = torch.zeros(count, self.size)
        for row in flat:
            for layer, (weight, recurrent, *_) in zip(
                self.layers, self.views(row[None]), strict=True
            ):
                if layer.kind == "lstm":
                    for part in (weight[0], recurrent[0]):
                        bound = (6 / sum(part.shape)) ** 0.5
                        part.copy_((2 * torch.rand(part.shape, generator=generator) - 1) * bound)
                else:
                    weight[0].copy_(0.1 * torch.randn(weight[0].shape, generator=generator))
        return flat

    def views(self, flat: Tensor) -> list[tuple[Tensor, ...]]:
        """Of each stage the weights ``[N, I, O]`` (LSTM: also recurrent ``[N, H, 4H]``) and biases ``[N, 1, O]``."""
        parts = []
        for layer in self.layers:
            block = flat[:, layer.start : layer.start + layer.size]
            rows = block.unflatten(1, (-1, layer.outputs))
            sizes = [layer.inputs, layer.units, 1, 1] if layer.kind == "lstm" else [layer.inputs, 1]
            parts.append(tuple(rows.split(sizes, dim=1)))
        return parts

    def forward(
        self,
        flat: Tensor,
        x: Tensor,
        action: Tensor | None,
        packing: Packing,
        state: State | None = None,
    ) -> tuple[Tensor, Activations]:
        """Unrolls whole sequences from the zero state (or from `state`).

        Args:
            flat: Parameters ``[N, n]``.
            x: Observations ``[N, R, I]``, packed.
            action: Actions ``[N, R, A]``, packed; None for actors.
            packing: Which rows belong to which step.
            state: Hidden and cell state ``[N, B, H]`` of each LSTM before the first step.

        Returns:
            Read-outs ``[N, R, O]`` (before any squashing), and what `backward` needs.
        """
        tape, value = Activations(packing, []), x
        for index, (layer, weights) in enumerate(zip(self.layers, self.views(flat), strict=True)):
            if index == self.shape.action:
                assert action is not None
                value = torch.cat([value, action], 2)
            if layer.kind == "lstm":
                weight, recurrent, bias, more = weights
                before = torch.baddbmm(bias + more, value, weight)
                cell = Recurrence(
                    before, recurrent, packing, None if state is None else state[index]
                )
                tape.stages.append((value, cell))
                value = cell.hidden
            else:
                weight, bias = weights
                out = torch.baddbmm(bias, value, weight)
                if layer.kind == "relu":
                    out.relu_()
                tape.stages.append((value, out))
                value = out
        return value, tape

    def backward(
        self,
        flat: Tensor,
        tape: Activations,
        d_out: Tensor,
        *,
        weights: bool = True,
        action: bool = False,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Back-propagation through time.

        Args:
            flat: The parameters that `forward` was given.
            tape: What it returned; used up.
            d_out: Gradient with respect to the read-outs, ``[N, R, O]``.
            weights: Whether the gradient with respect to the parameters is wanted.
            action: Whether that with respect to the action is wanted.

        Returns:
            Gradients ``[N, n]`` and ``[N, R, A]``, or None where not wanted.
        """
        gradient = torch.empty_like(flat) if weights else None
        targets = self.views(gradient) if gradient is not None else None
        d_value, d_action = d_out, None
        last = len(self.layers) - 1
        for index in range(last, -1, -1):
            layer, parameters = self.layers[index], self.views(flat)[index]
            value, kept = tape.stages[index]
            if layer.kind == "lstm":
                delta = kept.backward(d_value)
                if targets is not None:
                    into, recurrent, bias, more = targets[index]
                    torch.bmm(value.transpose(1, 2), delta, out=into)
                    kept.weight_gradient(delta, recurrent)
                    torch.sum(delta, 1, keepdim=True, out=bias)
                    more.copy_(bias)
            else:
                delta = d_value.mul_(kept > 0) if layer.kind == "relu" else d_value
                if targets is not None:
                    into, bias = targets[index]
                    torch.bmm(value.transpose(1, 2), delta, out=into)
                    torch.sum(delta, 1, keepdim=True, out=bias)
            wants_action = action and index == self.shape.action
            if index == 0 and not wants_action:
                break
            if wants_action:
                width = layer.inputs - self.actions
                if not weights or index == 0:
                    rows = parameters[0][:, width:]
                    d_action = torch.bmm(delta, rows.transpose(1, 2))
                    break
            d_value = torch.bmm(delta, parameters[0].transpose(1, 2))
            if index == self.shape.action:
                width = layer.inputs - self.actions
                d_action = d_value[:, :, width:] if wants_action else d_action
                d_value = d_value[:, :, :width].contiguous()
        return gradient, d_action

    def begin(self, batch: int, like: Tensor) -> State:
        """The zero state: hidden and cell ``[N, B, H]`` of each LSTM."""
        return [
            (
                like.new_zeros(self.networks, batch, units),
                like.new_zeros(self.networks, batch, units),
            )
            for units in self.shape.lstm
        ]

    def step(self, flat: Tensor, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step of actors that are playing: observations ``[N, B, I]`` to read-outs ``[N, B, O]`` and the next state."""
        value = x
        after: State = []
        for layer, weights in zip(self.layers, self.views(flat), strict=True):
            if layer.kind == "lstm":
                weight, recurrent, bias, more = weights
                hidden, cell = state[len(after)]
                gates = torch.baddbmm(bias + more, value, weight).baddbmm_(hidden, recurrent)
                i, f, g, o = gates.chunk(4, 2)
                cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
                value = o.sigmoid() * cell.tanh()
                after.append((value, cell))
            else:
                value = torch.baddbmm(weights[1], value, weights[0])
                if layer.kind == "relu":
                    value.relu_()
        return value, after


State = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Activations:
    """What a forward pass leaves for the backward pass.

    Attributes:
        packing: The packing of its sequences.
        stages: Input and activations of every stage.
    """

    packing: Packing
    stages: list[tuple[Tensor, Any]]

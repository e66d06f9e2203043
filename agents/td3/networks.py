"""The actors and critics of Zhang, Pitkow & Angelaki (2024), of about 200,000 parameters each.

Three actors and five critics. They differ in whether one LSTM does everything (*holistic*) or an
LSTM, left to infer the state, is followed by a feed-forward network that acts on it (*modular*),
and in whether the action that a critic judges enters before or after the state is inferred:

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

A `Stack` computes N networks of one shape (twin critics, the members of a population), whose
parameters are the rows of one tensor ``[N, n]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.cores.gated import lstm_cell
from prefrontal.agents.networks.packed import Packing, unroll_lstm
from prefrontal.agents.rollout.spec import EnvironmentFacts
from prefrontal.agents.td3.compiled import CompiledTape, Layers
from prefrontal.agents.td3.config import TD3NetworkConfig


def require_continuous(name: str, facts: EnvironmentFacts) -> None:
    """Check that recurrent TD3 can act in an environment.

    Raises:
        ConfigError: Actions are choices, or have other bounds, or episodes end at any time.
    """
    actions = facts.actions
    if actions.sizes:
        raise ConfigError(
            f"environment {name!r} has no continuous actions, which recurrent TD3 gives: "
            "--algorithm a2c takes choices"
        )
    if {*actions.low} != {-1.0} or {*actions.high} != {1.0} or facts.variable_length:
        raise ConfigError(
            f"recurrent TD3 needs numbers within -1 ... 1 as actions and episodes of a fixed "
            f"length, and environment {name!r} has others: --algorithm a2c takes them"
        )


#: Hidden and cell state of each LSTM, ``[N, B, H]``.
State = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Shape:
    """One network: LSTMs, then ReLU layers, then a linear read-out.

    Attributes:
        lstm: Units of each LSTM.
        relu: Units of each ReLU layer.
        action: Before which stage the action is appended to the input; none for actors.
    """

    lstm: tuple[int, ...]
    relu: tuple[int, ...] = ()
    action: int | None = None

    def scaled(self, scale: float) -> Shape:
        """Return the same shape with every layer `scale` times as wide."""
        lstm, relu = (
            tuple(max(1, round(units * scale)) for units in layers)
            for layers in (self.lstm, self.relu)
        )
        return Shape(lstm, relu, self.action)


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


def stacks(network: TD3NetworkConfig, inputs: int, actions: int) -> tuple[Stack, Stack]:
    """Return actor and critic for I inputs and A numbers in an action."""
    actor, critic = ACTORS[network.actor], CRITICS[network.critic]
    return (
        Stack(actor.scaled(network.scale), inputs, 0, actions),
        Stack(critic.scaled(network.scale), inputs, actions, 1),
    )


class Stack:
    """N networks of one shape, computed side by side.

    Parameters are one tensor ``[N, n]``: stage by stage the weights, stored input by output, then
    the biases. An LSTM has weights from its input, weights from its state, and two biases (as
    `torch.nn.LSTM`); its gates are in the order i, f, g, o.

    Args:
        shape: The stages.
        inputs: Numbers I in an observation.
        actions: Numbers A in an action; 0 for actors.
        outputs: Read-outs O.
    """

    def __init__(self, shape: Shape, inputs: int, actions: int, outputs: int) -> None:
        self.shape, self.inputs, self.actions, self.outputs = shape, inputs, actions, outputs
        self._sizes: list[tuple[int, int]] = []  # of every matrix of parameters, in order
        widths, lstms = [*shape.lstm, *shape.relu, outputs], len(shape.lstm)
        before = inputs
        for index, units in enumerate(widths):
            before += actions if index == shape.action else 0
            if index < lstms:
                columns = 4 * units
                self._sizes += [(before, columns), (units, columns), (1, columns), (1, columns)]
            else:
                self._sizes += [(before, units), (1, units)]
            before = units
        enters = -1 if shape.action is None else shape.action
        self.layers = Layers(inputs, actions, enters, lstms, tuple(widths))
        self.size = sum(rows * columns for rows, columns in self._sizes)

    def initial(self, generator: torch.Generator, count: int = 1) -> Tensor:
        """Draw the parameters of `count` networks, ``[count, n]``.

        LSTM weights are Xavier-uniform (Glorot & Bengio 2010), linear weights normal with
        deviation .1, biases 0.
        """
        flat = torch.zeros(count, self.size)
        for row in flat:
            for weights in self.views(row[None]):
                for part in weights[: len(weights) // 2]:  # the others are biases
                    if len(weights) == 4:
                        bound = (6 / sum(part[0].shape)) ** 0.5
                        uniform = torch.rand(part.shape, generator=generator)
                        part.copy_((2 * uniform - 1) * bound)
                    else:
                        part.copy_(0.1 * torch.randn(part.shape, generator=generator))
        return flat

    def views(self, flat: Tensor) -> list[tuple[Tensor, ...]]:
        """Return the parameters ``[N, n]`` by stage.

        Returns:
            Weights ``[N, I, O]`` (LSTM: also recurrent ``[N, H, 4H]``) and biases ``[N, 1, O]``.
        """
        # One split: the gradient of `flat` is then put together by one concatenation.
        parts = flat.split([rows * columns for rows, columns in self._sizes], dim=1)
        each = [part.unflatten(1, size) for part, size in zip(parts, self._sizes, strict=True)]
        end = 4 * len(self.shape.lstm)
        return [
            *(tuple(each[at : at + 4]) for at in range(0, end, 4)),
            *(tuple(each[at : at + 2]) for at in range(end, len(each), 2)),
        ]

    def tape(self) -> CompiledTape | PlainTape:
        """Return what computes networks in float32 on the CPU: compiled code if it can be had."""
        return CompiledTape(self.layers) if available("stack") else PlainTape(self)

    def forward(self, flat: Tensor, x: Tensor, action: Tensor | None, packing: Packing) -> Tensor:
        """Return the read-outs ``[N, R, O]`` of whole sequences; see `PlainTape.forward`."""
        return self.tape().forward(flat, x, action, packing, keep=False)

    def unroll(
        self, flat: Tensor, x: Tensor, action: Tensor | None, packing: Packing
    ) -> tuple[Tensor, Tensor]:
        """Unroll whole sequences from the zero state, with PyTorch; differentiable.

        Args:
            flat: Parameters ``[N, n]``.
            x: Observations ``[N, R, I]``, packed.
            action: Actions ``[N, R, A]``, packed; None for actors.
            packing: Which rows belong to which step.

        Returns:
            Read-outs ``[N, R, O]`` (before any squashing), and the states of the last LSTM
            ``[N, R, H]``.
        """
        return self._through(flat, x, action, lambda pre, w: unroll_lstm(pre, w, packing))

    def begin(self, batch: int, flat: Tensor) -> State:
        """Return the zero state of B sequences of each of the networks ``[N, n]``."""
        shapes = [(len(flat), batch, units) for units in self.shape.lstm]
        return [(flat.new_zeros(shape), flat.new_zeros(shape)) for shape in shapes]

    def step(self, flat: Tensor, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step of actors that are playing.

        Args:
            flat: Parameters ``[N, n]``.
            x: Observations ``[N, B, I]``.
            state: What the step before returned, or `begin`.

        Returns:
            Read-outs ``[N, B, O]`` and the next state.
        """
        given, after = iter(state), State()

        def cell(pre: Tensor, recurrent: Tensor) -> Tensor:
            hidden, content = next(given)
            after.append(lstm_cell(torch.baddbmm(pre, hidden, recurrent), content))
            return after[-1][0]

        return self._through(flat, x, None, cell)[0], after

    def _through(
        self,
        flat: Tensor,
        x: Tensor,
        action: Tensor | None,
        lstm: Callable[[Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Compute all stages; `lstm` turns what reaches the gates into hidden states."""
        value = hidden = x
        lstms, last = len(self.shape.lstm), len(self.shape.lstm) + len(self.shape.relu)
        for index, (weight, *more) in enumerate(self.views(flat)):
            if index == self.shape.action:
                assert action is not None
                value = torch.cat([value, action], 2)
            if index < lstms:
                recurrent, bias, second_bias = more
                pre = torch.baddbmm(bias + second_bias, value, weight)
                value = hidden = lstm(pre, recurrent)
            else:
                value = torch.baddbmm(more[0], value, weight)
                value = value if index == last else value.relu()
        return value, hidden


class PlainTape:
    """Networks that keep what their gradients need, with PyTorch.

    Args:
        stack: The networks.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def forward(
        self,
        flat: Tensor,
        x: Tensor,
        action: Tensor | None,
        packing: Packing,
        keep: bool = True,
    ) -> Tensor:
        """Unroll whole sequences from the zero state.

        Args:
            flat: Parameters ``[N, n]``.
            x: Observations ``[N, R, I]``, packed.
            action: Actions ``[N, R, A]``, packed; None for actors.
            packing: Which rows belong to which step.
            keep: Whether `backward` will follow, before any other call.

        Returns:
            Read-outs ``[N, R, O]``, before any squashing.
        """
        flat = flat.detach().requires_grad_()
        action = None if action is None else action.detach().requires_grad_()
        self._given = flat, action
        with torch.set_grad_enabled(keep):
            self._out, _ = self.stack.unroll(flat, x, action, packing)
        return self._out.detach()

    def backward(self, d_out: Tensor, gradient: Tensor | None, d_action: Tensor | None) -> None:
        """Compute gradients of what `forward` returned last.

        Args:
            d_out: Gradient of the read-outs ``[N, R, O]``.
            gradient: Where to write that of the parameters, ``[N, n]``; None: nowhere.
            d_action: Where to write that of the actions, ``[N, R, A]``; None: nowhere.
        """
        pairs = [
            (given, place)
            for given, place in zip(self._given, (gradient, d_action), strict=True)
            if given is not None and place is not None
        ]
        found = torch.autograd.grad(self._out, [given for given, _ in pairs], d_out)
        for (_, place), value in zip(pairs, found, strict=True):
            place.copy_(value)

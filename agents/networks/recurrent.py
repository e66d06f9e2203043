"""Recurrent networks of a population: one core and a read-out, parameters ``[P, n]``, forward and backward by hand.

`RecurrentNet` has a linear read-out, `BeliefNet` two perceptrons. `RecurrentNet.attach` puts recorded read-outs into the
autograd graph; their backward pass is the hand-written back-propagation through time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from prefrontal.agents.common.products import CACHE_LINE, add_product, blocks, product
from prefrontal.agents.kernels.build import CompiledTape, available
from prefrontal.agents.networks.cores import CORES, Tape
from prefrontal.agents.networks.heads import Perceptrons

if TYPE_CHECKING:
    from prefrontal.agents.networks.actor_critic import NetworkConfig

__all__ = ["BeliefNet", "RecurrentNet"]


class RecurrentNet:
    """One core and a linear read-out, for P members at once.

    Args:
        input_size: Inputs I a step.
        output_size: Read-outs O a step.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type of parameters and activations.
        device: Where they live.

    Attributes:
        parameters: Flat parameters ``[P, n]``: core weights, read-out weights (with bias), then the learned initial
            state.
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
        self.core = CORES[config.core](input_size, config.hidden_size)
        self.output_size = output_size
        core, hidden = self.core, config.hidden_size
        size: dict[str, Any] = {"dtype": dtype, "device": device}
        learned = core.states * hidden if config.learned_initial_state else 0
        self.sizes = [core.rows * core.columns, self._make_head(members, size), learned]
        self.parameters = torch.zeros(members, sum(self.sizes), dtype=dtype, device=device)
        gain, mask = core.gain(), core.mask()
        scale = gain if mask is None else mask if gain is None else gain * mask
        self._scale = None if scale is None else scale.to(device, dtype)
        self._weight = torch.empty(members, core.rows, core.columns, **size)
        self.compiled = (
            config.core == "lstm"
            and dtype == torch.float32
            and str(device) == "cpu"
            and available()
        )
        self.refresh()

    def initialise(self, member: int, generator: torch.Generator) -> None:
        """Draws the initial parameters of one member: core as `Core.initial_weight`, read-out uniform in ±1/√H.

        Perceptrons: see `prefrontal.agents.networks.heads.Perceptrons.initial_weight`.
        """
        config, core = self.config, self.core
        weight = core.initial_weight(generator, config.input_gain, config.forget_bias)
        flat = torch.cat([weight.flatten(), self._draw_head(generator)])
        self.parameters[member, : flat.numel()] = flat.to(self.parameters)
        self.refresh()

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of a flat ``[P, n]``: the core, the read-out and the initial state.

        Returns:
            ``[P, rows, columns]``, ``[P, O, H + 1]`` (of perceptrons: flat) and ``[P, states, H, 1]``.
        """
        core, head, initial = flat.split(self.sizes, dim=1)
        states = self.core.states if self.sizes[2] else 0
        return (
            core.unflatten(1, (self.core.rows, self.core.columns)),
            self._split_head(head),
            initial.reshape(flat.shape[0], states, self.config.hidden_size, 1),
        )

    # THE READ-OUT: what `BeliefNet` has otherwise

    def _make_head(self, members: int, kind: dict[str, Any]) -> int:
        """Allocates the read-out's weights; returns how many parameters it has."""
        hidden = self.config.hidden_size
        self._head = torch.empty(members, self.output_size, hidden + 1, **kind)
        return self.output_size * (hidden + 1)

    def _draw_head(self, generator: torch.Generator) -> Tensor:
        hidden = self.config.hidden_size
        head = 2 * torch.rand(self.output_size, hidden + 1, generator=generator) - 1
        return (head * hidden**-0.5).flatten()

    def _split_head(self, flat: Tensor) -> Tensor:
        return flat.unflatten(1, (self.output_size, self.config.hidden_size + 1))

    def _load_head(self, head: Tensor) -> None:
        self._head.copy_(head)

    def refresh(self) -> None:
        """Recomputes what is derived from the parameters; call it after changing them."""
        weight, head, initial = self.split(self.parameters)
        # In place: compiled tapes know the addresses.
        torch.mul(weight, 1.0 if self._scale is None else self._scale, out=self._weight)
        self._load_head(head)
        self._initial = initial.unbind(1)
        inputs, hidden = self.core.input_size, self.config.hidden_size
        self._recurrent_t = self._weight[:, :, inputs : inputs + hidden].transpose(1, 2)

    def tape(self, steps: int, batch: int) -> Tape:
        """A tape for `steps` steps of `batch` episodes per member; its read-outs are ``tape.heads [T, P, O, B]``."""
        tape = Tape(self.core, steps, self.members, batch, self.dtype, self.device)
        kind = {"dtype": self.dtype, "device": self.device}
        heads = blocks(steps, self.members, self.output_size, batch, kind, CACHE_LINE)
        tape.extra["heads"], tape.extra["heads_t"] = heads, list(heads)
        if self.compiled:
            tape.extra["compiled"] = CompiledTape(tape, self._weight, self._head)
        return tape

    def begin(self, tape: Tape, state: tuple[Tensor, ...] | None = None) -> None:
        """Sets the state before the first step: `state` (tensors ``[P, H, B]``), the learned one, or zeros."""
        if state is not None:
            self.core.set_state(tape, state)
        elif self.sizes[2]:
            self.core.set_state(tape, self._initial)
        else:
            zero = torch.zeros((), dtype=self.dtype, device=self.device)
            self.core.set_state(tape, (zero,) * self.core.states)

    def step(self, tape: Tape, t: int) -> Tensor:
        """One step from the inputs in ``tape.x_t[t]``; returns the read-outs ``[P, O, B]``."""
        if self.compiled:
            tape.extra["compiled"].forward(t)
            return tape.extra["heads_t"][t]
        product(self._weight, tape.z_t[t], tape.pre)
        self.core.activate(tape, t)
        return product(self._head, tape.out_t[t + 1], tape.extra["heads_t"][t])

    def unroll(self, tape: Tape) -> None:
        """Repeats all steps on the recorded inputs (after a change of the parameters)."""
        self.begin(tape)
        for t in range(tape.used):
            self.step(tape, t)

    def attach(self, tape: Tape, parameters: Tensor) -> Tensor:
        """The recorded read-outs ``[T, P, O, B]`` as a differentiable function of `parameters`."""
        return _Recorded.apply(parameters, self, tape)

    def backward(self, tape: Tape, d_heads: Tensor) -> Tensor:
        """Back-propagation through time: from ``d loss / d heads [T, P, O, B]`` to ``d loss / d parameters [P, n]``."""
        gradient = torch.zeros_like(self.parameters)
        _, d_head, _ = self.split(gradient)
        if self.compiled:
            weight_sum, head_sum, states = tape.extra["compiled"].backward(tape.used, d_heads)
            d_head.copy_(head_sum)
            return self._finish(gradient, weight_sum, states)
        hidden = self.config.hidden_size
        steps, members, outputs, batch = d_heads.shape
        kind = {"dtype": self.dtype, "device": self.device}
        d_heads = blocks(steps, members, outputs, batch, kind, CACHE_LINE).copy_(d_heads)
        dh_t = blocks(steps, members, hidden, batch, kind, CACHE_LINE)
        readout = self._head[:, :, :hidden].transpose(1, 2).expand(steps, -1, -1, -1)
        torch.bmm(readout.flatten(0, 1), d_heads.flatten(0, 1), out=dh_t.flatten(0, 1))
        head_sum = torch.zeros_like(self._head)
        weight_sum, states = self._through_time(tape, dh_t, d_heads, head_sum)
        d_head.copy_(head_sum)
        return self._finish(gradient, weight_sum, states)

    def _through_time(
        self,
        tape: Tape,
        dh_t: Tensor,
        d_heads: Tensor | None = None,
        head_sum: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Gradients of the core's weights and of its initial state ``[P, states, H]``, from those of its outputs.

        Args:
            tape: A recording.
            dh_t: ``[T, P, H, B]``, through the read-outs alone.
            d_heads: Gradient of a linear read-out, ``[T, P, O, B]``.
            head_sum: Where to add the gradient of its weights, ``[P, O, H + 1]``.
        """
        core = self.core
        d_heads_t, z_t, out_t = (
            None if d_heads is None else list(d_heads),
            list(tape.z.transpose(2, 3)),
            list(tape.z[:, :, core.input_size :].transpose(2, 3)),
        )
        weight_sum = torch.zeros_like(self._weight)
        core.prepare_backward(tape)
        members, hidden, batch = dh_t.shape[1:]
        kind = {"dtype": self.dtype, "device": self.device}
        dh = blocks(1, members, hidden, batch, kind, CACHE_LINE)[0].zero_()
        for t in range(tape.used - 1, -1, -1):
            dh.add_(dh_t[t])
            direct = core.backward_step(tape, t, dh)
            add_product(weight_sum, tape.delta, z_t[t])
            if d_heads_t is not None and head_sum is not None:
                add_product(head_sum, d_heads_t[t], out_t[t + 1])
            product(self._recurrent_t, tape.delta, dh)
            if direct is not None:
                dh.add_(direct)
        states = [part.sum(-1) for part in core.state_gradient(tape, dh)] if self.sizes[2] else []
        return weight_sum, torch.stack(states, 1) if states else dh

    def _finish(self, gradient: Tensor, weight_sum: Tensor, states: Tensor) -> Tensor:
        """Writes the gradients of the core and of the initial state to their places."""
        d_weight, _, d_initial = self.split(gradient)
        torch.mul(weight_sum, 1.0 if self._scale is None else self._scale, out=d_weight)
        if self.sizes[2]:
            d_initial[..., 0] = states
        return gradient


class BeliefNet(RecurrentNet):
    """One core and two perceptrons that read its state: see `prefrontal.agents.networks.heads`. Arguments as of `RecurrentNet`."""

    def _make_head(self, members: int, kind: dict[str, Any]) -> int:
        config = self.config
        self._perceptrons = Perceptrons(
            config.hidden_size, self.output_size - 1, config.head_units, config.head_layers,
            config.head_activation, members, kind,
        )  # fmt: skip
        self._head = torch.empty(members, 0, config.hidden_size + 1, **kind)
        return self._perceptrons.size

    def _draw_head(self, generator: torch.Generator) -> Tensor:
        return self._perceptrons.initial_weight(generator)

    def _split_head(self, flat: Tensor) -> Tensor:
        return flat

    def _load_head(self, head: Tensor) -> None:
        self._perceptrons.load(head)

    def tape(self, steps: int, batch: int) -> Tape:
        """See `RecurrentNet.tape`."""
        tape = super().tape(steps, batch)
        self._perceptrons.allocate(tape)
        return tape

    def step(self, tape: Tape, t: int) -> Tensor:
        """See `RecurrentNet.step`."""
        if self.compiled:
            tape.extra["compiled"].forward(t)
        else:
            product(self._weight, tape.z_t[t], tape.pre)
            self.core.activate(tape, t)
        return self._perceptrons.forward(tape, t, tape.out_t[t + 1])

    def backward(self, tape: Tape, d_heads: Tensor) -> Tensor:
        """See `RecurrentNet.backward`."""
        gradient = torch.zeros_like(self.parameters)
        _, d_head, _ = self.split(gradient)
        d_belief, head_sum = self._perceptrons.backward(tape, d_heads)
        d_head.copy_(head_sum)
        if self.compiled:
            weight_sum, _, states = tape.extra["compiled"].backward(tape.used, d_heads, d_belief)
        else:
            weight_sum, states = self._through_time(tape, d_belief)
        return self._finish(gradient, weight_sum, states)


class _Recorded(torch.autograd.Function):
    """Read-outs on a tape as a function of the flat parameters."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, net: RecurrentNet, tape: Tape) -> Tensor:
        """Returns the read-outs already on the tape."""
        ctx.net, ctx.tape = net, tape
        return tape.extra["heads"][: tape.used].detach()

    @staticmethod
    def backward(ctx: Any, *d_heads: Tensor) -> tuple[Tensor, None, None]:
        """Runs the hand-written backward pass."""
        return ctx.net.backward(ctx.tape, d_heads[0]), None, None

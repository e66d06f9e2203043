"""Actor-critics of a population: parameters ``[P, n]``, one flat vector per member, forward and backward by hand.

`RecurrentNet` is one core with a linear read-out. `ActorCritic` is one of them with two heads (``shared``: policy
logits and value from the same state, Wang et al. 2018, simulations 1-5) or two of them side by side (``separate``:
actor and critic have a core each, simulation 6). Losses are plain PyTorch on the heads: `RecurrentNet.attach` puts
the recorded heads into the autograd graph, and their backward pass is the hand-written back-propagation through time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from agents.cores import CORES, Tape
from agents.kernel import CompiledTape, available

__all__ = ["ActorCritic", "NetworkConfig", "RecurrentNet"]


@dataclass(frozen=True)
class NetworkConfig:
    """Shape and initialisation of an actor-critic.

    Attributes:
        core: Recurrent core: `lstm`, `gru`, `rnn` (vanilla) or `none` (feed-forward control).
        hidden_size: Units per core. Default 48 (Wang et al. 2018).
        layout: `shared` core with two heads, or `separate` cores for actor and critic (Wang et al. 2018, simulation 6).
        learned_initial_state: Whether the state at the start of an episode is learned (Wang et al. 2018) or zero.
        input_gain: Factor on the initial input weights of the core; 3 helps where inputs must be bound together.
        forget_bias: Added to the initial bias of the LSTM's forget gate.
        actor_reward: What the actor is given as its previous reward: the `reward`, or the critic's prediction error
            `rpe` of it (Wang et al. 2018, simulation 6); the critic is always given the reward.
        rpe_discount: Discount γ of that prediction error; the same as in the learning rule.
    """

    kind: ClassVar[str] = "recurrent"

    core: Literal["lstm", "gru", "rnn", "none"] = "lstm"
    hidden_size: int = 48
    layout: Literal["shared", "separate"] = "shared"
    learned_initial_state: bool = False
    input_gain: float = 1.0
    forget_bias: float = 1.0
    actor_reward: Literal["reward", "rpe"] = "reward"
    rpe_discount: float = 0.8

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, not {self.hidden_size}")
        if not 0 <= self.rpe_discount <= 1:
            raise ValueError(f"rpe_discount must be between 0 and 1, not {self.rpe_discount}")
        if self.actor_reward == "rpe" and self.layout != "separate":
            raise ValueError('actor_reward "rpe" needs a critic of its own: layout "separate"')


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
        learned = core.states * hidden if config.learned_initial_state else 0
        self.sizes = [core.rows * core.columns, output_size * (hidden + 1), learned]
        self.parameters = torch.zeros(members, sum(self.sizes), dtype=dtype, device=device)
        gain, mask = core.gain(), core.mask()
        scale = gain if mask is None else mask if gain is None else gain * mask
        self._scale = None if scale is None else scale.to(device, dtype)
        size: dict[str, Any] = {"dtype": dtype, "device": device}
        self._weight = torch.empty(members, core.rows, core.columns, **size)
        self._head = torch.empty(members, output_size, hidden + 1, **size)
        self.compiled = (
            config.core == "lstm"
            and dtype == torch.float32
            and str(device) == "cpu"
            and available()
        )
        self.refresh()

    def initialise(self, member: int, generator: torch.Generator) -> None:
        """Draws the initial parameters of one member: core as `Core.initial_weight`, read-out uniform in ±1/√H."""
        config, core = self.config, self.core
        weight = core.initial_weight(generator, config.input_gain, config.forget_bias)
        head = 2 * torch.rand(self.output_size, config.hidden_size + 1, generator=generator) - 1
        flat = torch.cat([weight.flatten(), (head * config.hidden_size**-0.5).flatten()])
        self.parameters[member, : flat.numel()] = flat.to(self.parameters)
        self.refresh()

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of a flat ``[P, n]``: the core, the read-out and the initial state.

        Returns:
            ``[P, rows, columns]``, ``[P, O, H + 1]`` and ``[P, states, H, 1]``.
        """
        core, head, initial = flat.split(self.sizes, dim=1)
        states = self.core.states if self.sizes[2] else 0
        return (
            core.unflatten(1, (self.core.rows, self.core.columns)),
            head.unflatten(1, (self.output_size, self.config.hidden_size + 1)),
            initial.reshape(flat.shape[0], states, self.config.hidden_size, 1),
        )

    def refresh(self) -> None:
        """Recomputes what is derived from the parameters; call it after changing them."""
        weight, head, initial = self.split(self.parameters)
        # In place: compiled tapes know the addresses.
        torch.mul(weight, 1.0 if self._scale is None else self._scale, out=self._weight)
        self._head.copy_(head)
        self._initial = initial.unbind(1)
        inputs, hidden = self.core.input_size, self.config.hidden_size
        self._recurrent_t = self._weight[:, :, inputs : inputs + hidden].transpose(1, 2)

    def tape(self, steps: int, batch: int) -> Tape:
        """A tape for `steps` steps of `batch` episodes per member; its read-outs are ``tape.heads [T, P, O, B]``."""
        tape = Tape(self.core, steps, self.members, batch, self.dtype, self.device)
        heads = torch.empty(
            steps, self.members, self.output_size, batch, dtype=self.dtype, device=self.device
        )
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
        _product(self._weight, tape.z_t[t], tape.pre)
        self.core.activate(tape, t)
        return _product(self._head, tape.out_t[t + 1], tape.extra["heads_t"][t])

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
        core = self.core
        gradient = torch.zeros_like(self.parameters)
        d_weight, d_head, d_initial = self.split(gradient)
        if self.compiled:
            weight_sum, head_sum, states = tape.extra["compiled"].backward(tape.used, d_heads)
            torch.mul(weight_sum, 1.0 if self._scale is None else self._scale, out=d_weight)
            d_head.copy_(head_sum)
            if self.sizes[2]:
                d_initial[..., 0] = states
            return gradient
        hidden = self.config.hidden_size
        dh_t = torch.matmul(self._head[:, :, :hidden].transpose(1, 2), d_heads)
        d_heads_t, z_t, out_t = (
            list(d_heads),
            tape.z.transpose(2, 3),
            tape.z[:, :, core.input_size :].transpose(2, 3),
        )
        z_list, out_list = list(z_t), list(out_t)
        weight_sum, head_sum = torch.zeros_like(self._weight), torch.zeros_like(self._head)
        core.prepare_backward(tape)
        dh = torch.zeros_like(dh_t[0])
        for t in range(tape.used - 1, -1, -1):
            dh.add_(dh_t[t])
            direct = core.backward_step(tape, t, dh)
            torch.baddbmm(weight_sum, tape.delta, z_list[t], out=weight_sum)
            torch.baddbmm(head_sum, d_heads_t[t], out_list[t + 1], out=head_sum)
            _product(self._recurrent_t, tape.delta, dh)
            if direct is not None:
                dh.add_(direct)
        if self._scale is not None:
            weight_sum.mul_(self._scale)
        d_weight.copy_(weight_sum)
        d_head.copy_(head_sum)
        if self.sizes[2]:
            for slot, part in enumerate(core.state_gradient(tape, dh)):
                d_initial[:, slot, :, 0] = part.sum(-1)
        return gradient


def _product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """``left [P, m, k] @ right [P, k, B]`` into `out`, rounded alike for every P."""
    if out.shape[0] == out.shape[2] == 1:  # a lone product of a column is summed in another order
        pair = torch.bmm(left.expand(2, -1, -1), right.expand(2, -1, -1))
        return out.copy_(pair[:1])
    return torch.bmm(left, right, out=out)


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


class ActorCritic:
    """Policy logits and state value for P members.

    Args:
        input_size: Inputs I a step.
        num_actions: Actions K.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type.
        device: Where the parameters live.
        reward_row: Which input is the previous reward, where the actor is given prediction errors in its place.
    """

    def __init__(
        self,
        input_size: int,
        num_actions: int,
        config: NetworkConfig,
        members: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        reward_row: int | None = None,
    ) -> None:
        if (config.actor_reward == "rpe") != (reward_row is not None):
            raise ValueError('a reward_row goes with actor_reward "rpe", and with nothing else')
        self.reward_row = reward_row
        self.input_size, self.num_actions, self.config, self.members = (
            input_size,
            num_actions,
            config,
            members,
        )
        self.dtype, self.device = dtype, device
        outputs = [num_actions + 1] if config.layout == "shared" else [num_actions, 1]
        self.nets = [RecurrentNet(input_size, o, config, members, dtype, device) for o in outputs]

    def initialise(self, generators: list[torch.Generator]) -> None:
        """Draws the initial parameters of every member from its own generator."""
        for member, generator in enumerate(generators):
            for net in self.nets:
                net.initialise(member, generator)

    @property
    def parameters(self) -> Tensor:
        """A copy of all parameters, ``[P, n]``."""
        return torch.cat([net.parameters for net in self.nets], dim=1)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrites all parameters with ``flat [P, n]``."""
        sizes = [net.parameters.shape[1] for net in self.nets]
        for net, part in zip(self.nets, flat.split(sizes, dim=1), strict=True):
            net.parameters.copy_(part)
            net.refresh()

    def tapes(self, steps: int, batch: int) -> list[Tape]:
        """One tape per net."""
        return [net.tape(steps, batch) for net in self.nets]

    def begin(self, tapes: list[Tape], state: list[tuple[Tensor, ...]] | None = None) -> None:
        """Sets the states before the first step (see `RecurrentNet.begin`)."""
        for index, (net, tape) in enumerate(zip(self.nets, tapes, strict=True)):
            net.begin(tape, None if state is None else state[index])
        if self.reward_row is not None:
            self.expected(tapes).zero_()  # before an episode nothing is expected

    def expected(self, tapes: list[Tape]) -> Tensor:
        """The value before the first step, ``[P, B]``: what the first prediction error is relative to."""
        extra = tapes[1].extra
        if "expected" not in extra:
            extra["expected"] = torch.zeros_like(extra["heads"][0, :, 0])
        value: Tensor = extra["expected"]
        return value

    def step(self, tapes: list[Tape], t: int, stimulation: Tensor | None = None) -> Tensor:
        """One step of every net from the inputs on its tape; returns the logits ``[P, K, B]``.

        Args:
            tapes: The tapes, with the inputs of step t.
            t: Which step.
            stimulation: Added to the prediction error that the actor is given, ``[P, B]``.
        """
        if self.reward_row is not None:
            self._dopamine(tapes, t, stimulation)
            return self.nets[0].step(tapes[0], t)
        heads = self.nets[0].step(tapes[0], t)
        if len(self.nets) == 1:
            return heads[:, :-1]
        self.nets[1].step(tapes[1], t)
        return heads

    def _dopamine(self, tapes: list[Tape], t: int, stimulation: Tensor | None) -> None:
        """Steps the critic, then writes δ_{t-1} = r_{t-1} + γ v_t - v_{t-1} where the actor's input has r_{t-1}."""
        actor, critic = tapes
        value = self.nets[1].step(critic, t)[:, 0]
        before = critic.extra["heads_t"][t - 1][:, 0] if t else self.expected(tapes)
        delta = torch.sub(critic.x_t[t][:, self.reward_row], before)
        delta.add_(value, alpha=self.config.rpe_discount)
        if stimulation is not None:
            delta.add_(stimulation)
        actor.x_t[t][:, self.reward_row] = delta

    def unroll(self, tapes: list[Tape]) -> None:
        """Repeats all steps on the recorded inputs."""
        for net, tape in zip(self.nets, tapes, strict=True):
            net.unroll(tape)

    def heads(self, tapes: list[Tape], parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Recorded logits ``[T, P, K, B]`` and values ``[T, P, B]``; differentiable in `parameters`, if given."""
        if parameters is None:
            heads = [tape.extra["heads"][: tape.used] for tape in tapes]
        else:
            parts = parameters.split([net.parameters.shape[1] for net in self.nets], dim=1)
            heads = [n.attach(tape, p) for n, tape, p in zip(self.nets, tapes, parts, strict=True)]
        if len(heads) == 1:
            return heads[0][:, :, :-1], heads[0][:, :, -1]
        return heads[0], heads[1][:, :, 0]

"""Actor-critics of a population: policy logits and values of P members.

The parameters are rows of one tensor ``[P, n]``, one flat vector a member.

An `ActorCritic` is one network with two heads (layout ``shared``: policy logits and value from the
same state, Wang et al. 2018, simulations 1-5) or two networks side by side (``separate``: actor and
critic have a core each, simulation 6). Which code computes a network is decided here and nowhere
else: the compiled LSTM where there can be one, else plain PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.optim import Optimiser, clip_by_norm
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.compiled import CompiledLSTM
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import Net, PlainNet, Tape, without_memory

State = list[tuple[Tensor, ...]]


def outputs_of(num_actions: int, config: NetworkConfig) -> list[int]:
    """Return the read-outs of each network: of actor and critic, or of both in one."""
    return [num_actions, 1] if config.layout == "separate" else [num_actions + 1]


def parameter_counts(input_size: int, num_actions: int, config: NetworkConfig) -> list[int]:
    """Return the number of parameters of each network of a member, without making them."""
    nets = [
        without_memory(partial(Net, input_size, outputs, config))
        for outputs in outputs_of(num_actions, config)
    ]
    return [sum(part.numel() for part in net.parameters()) for net in nets]


def stored_sizes(input_size: int, num_actions: int, config: NetworkConfig) -> list[int]:
    """Return how many numbers a member's stored parameters may be: now, and in early versions."""
    counts = parameter_counts(input_size, num_actions, config)
    now, spare = sum(counts), config.hidden_size**2 * len(counts)
    return [now, now + spare] if config.core in ("none", "relu") else [now]


class ActorCritic:
    """Policy logits and state value for P members.

    Args:
        input_size: Inputs I a step.
        num_actions: Actions K.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type.
        device: Where the parameters live.
        reward_row: Which input is the previous reward, where the actor is given prediction errors
            in its place.

    Raises:
        ValueError: If there is a `reward_row` without actors that are given prediction errors, or
            the reverse.
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
        self.input_size, self.num_actions, self.config = input_size, num_actions, config
        self.members, self.dtype, self.device = members, dtype, device
        self.reward_row = reward_row
        self.nets = [self._net(size) for size in outputs_of(num_actions, config)]
        self._sizes = [net.parameters.shape[1] for net in self.nets]

    def _net(self, outputs: int) -> Any:
        sizes, config = (self.input_size, outputs, self.config, self.members), self.config
        fast = config.core == "lstm" and not config.embedding_size
        if fast and self.dtype == torch.float32 and str(self.device) == "cpu" and available():
            return CompiledLSTM(*sizes)
        return PlainNet(*sizes, self.dtype, self.device)

    def like(self, members: int | None = None) -> ActorCritic:
        """Return networks of the same shape without weights, of as many members or of `members`."""
        members = self.members if members is None else members
        kind = self.dtype, self.device, self.reward_row
        return ActorCritic(self.input_size, self.num_actions, self.config, members, *kind)

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw the initial parameters of every member from its own generator."""
        rows = [torch.cat([net.initial(g) for net in self.nets]) for g in generators]
        self.set_parameters(torch.stack(rows).to(self.device, self.dtype))

    @property
    def parameters(self) -> Tensor:
        """A copy of all parameters, ``[P, n]``."""
        return torch.cat([net.parameters for net in self.nets], dim=1)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrite all parameters with ``flat [P, n]``."""
        for net, part in zip(self.nets, flat.split(self._sizes, dim=1), strict=True):
            net.set_parameters(part)

    def upgraded(self, flat: Tensor) -> Tensor:
        """Return parameters ``[..., n]`` as they are stored now, from what earlier versions stored.

        Cores without memory once had columns of zeros where others have the weights of their state.
        """
        width, units = self.input_size + 1, self.config.hidden_size
        old = units * (width + units)
        spare = flat.shape[-1] - sum(self._sizes)
        if self.config.core not in ("none", "relu") or spare != units * units * len(self.nets):
            return flat
        parts = flat.split([size + units * units for size in self._sizes], dim=-1)
        kept = []
        for part in parts:
            core = part[..., :old].unflatten(-1, (units, width + units))
            columns = [core[..., : width - 1], core[..., -1:]]
            kept += [torch.cat(columns, -1).flatten(-2), part[..., old:]]
        return torch.cat(kept, -1)

    # TAPES

    def tapes(self, steps: int, batch: int) -> list[Tape]:
        """Return a tape a net, for `steps` steps of `batch` episodes per member."""
        tapes = [net.tape(steps, batch) for net in self.nets]
        for tape in tapes:
            tape.before = torch.zeros(self.members, batch, dtype=self.dtype, device=self.device)
        return tapes

    def begin(self, tapes: list[Tape], state: State | None = None) -> None:
        """Set the states before the first step, ``[P, B, ...]`` each, or the initial ones."""
        for index, (net, tape) in enumerate(zip(self.nets, tapes, strict=True)):
            net.begin(tape, None if state is None else state[index])
            tape.before.zero_()  # before an episode nothing is expected

    def state(self, tapes: list[Tape], t: int) -> State:
        """Return the states before step `t`, tensors ``[P, B, ...]`` of each net."""
        return [net.state(tape, t) for net, tape in zip(self.nets, tapes, strict=True)]

    def state_shapes(self) -> list[list[torch.Size]]:
        """Return the shapes of the states of each net, without the dimensions ``[P, B]``."""
        return [[part.shape[2:] for part in net.initial_state(1)] for net in self.nets]

    # STEPS

    def step(self, tapes: list[Tape], t: int, stimulation: Tensor | None = None) -> Tensor:
        """Compute step `t` of every net from the inputs on its tape; return logits ``[P, K, B]``.

        `stimulation` ``[P, B]`` is added to the prediction error that the actor is given.
        """
        if len(self.nets) == 2:
            self.nets[1].step(tapes[1], t)
        if self.reward_row is not None:
            self._dopamine(tapes, t, stimulation)
        logits: Tensor = self.nets[0].step(tapes[0], t)
        return logits[:, : self.num_actions]

    def act(self, tapes: list[Tape], t: int, noise: Tensor, actions: Tensor) -> None:
        """Write the best actions by logits and noise ``[P, K, B]`` to `actions` ``[P, B]``."""
        self.nets[0].act(tapes[0], t, self.num_actions, noise, actions)

    def _dopamine(self, tapes: list[Tape], t: int, stimulation: Tensor | None) -> None:
        """Write δ_{t-1} = r_{t-1} + γ v_t - v_{t-1} where the actor's input has r_{t-1}."""
        actor, critic = tapes
        value = critic.heads_t[t][:, 0]
        before = critic.heads_t[t - 1][:, 0] if t else critic.before
        delta = torch.sub(critic.x_t[t][:, self.reward_row], before)
        delta.add_(value, alpha=self.config.rpe_discount)
        if stimulation is not None:
            delta.add_(stimulation)
        actor.x_t[t][:, self.reward_row] = delta

    def unroll(self, tapes: list[Tape]) -> None:
        """Repeat all steps on the recorded inputs (after a change of the parameters)."""
        for net, tape in zip(self.nets, tapes, strict=True):
            net.begin(tape)
            for t in range(tape.used):
                net.step(tape, t)

    def heads(self, tapes: list[Tape], parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits ``[T, P, K, B]`` and values ``[T, P, B]``.

        They are those on the tapes or, if `parameters` are given, differentiable functions of them.
        """
        if parameters is None:
            heads = [tape.heads[: tape.used] for tape in tapes]
        else:
            parts = parameters.split(self._sizes, dim=1)
            heads = [n.attach(tape, p) for n, tape, p in zip(self.nets, tapes, parts, strict=True)]
        return heads[0][:, :, : self.num_actions], heads[-1][:, :, -1]


class AsymmetricCritic:
    """A baseline that sees, in training only, what the agent must infer: a perceptron a member.

    The baseline of a policy gradient may depend on anything but the action (Pinto et al. 2018). A
    critic that is told the task (for a bandit, the arm probabilities) explains away the luck of the
    draw of tasks, most of the variance of the learning signal. The agent's own value head, which
    models the dopamine system's prediction, is trained beside it and is what analyses read.

    Args:
        hidden_size: Size H of the agent's hidden state (no gradient flows into it).
        privileged_size: Privileged features K.
        units: Units of the hidden layer.
        generators: One generator a member, for the initial weights.
        dtype: Number type.
        device: Where it lives.
    """

    def __init__(
        self,
        hidden_size: int,
        privileged_size: int,
        units: int,
        generators: list[torch.Generator],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.inputs, self.units = hidden_size + privileged_size + 1, units
        rows = []
        for g in generators:
            first = (2 * torch.rand(units, self.inputs, generator=g) - 1) * self.inputs**-0.5
            second = (2 * torch.rand(units + 1, generator=g) - 1) * units**-0.5
            rows.append(torch.cat([first.flatten(), second]))
        self.parameters = torch.stack(rows).to(device, dtype)
        self.optimiser = Optimiser(self.parameters, "adam", 1e-5)

    def features(self, hidden: Tensor, privileged: Tensor) -> Tensor:
        """Join ``[T, P, H, B]`` and ``[T, P, B, K]`` to features ``[P, H + K + 1, T * B]``."""
        both = [hidden, privileged.transpose(2, 3), torch.ones_like(hidden[:, :, :1])]
        return torch.cat(both, dim=2).permute(1, 2, 0, 3).flatten(2)

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly; first dimension: the member."""
        moments = self.optimiser.state().items()
        return {"weights": self.parameters} | {f"optimiser.{name}": x for name, x in moments}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.parameters.copy_(state["weights"])
        self.optimiser.set_state({n: state[f"optimiser.{n}"] for n in self.optimiser.state()})

    def values(self, features: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Compute values ``[P, T * B]``, as functions of `parameters` ``[P, n]`` if given."""
        flat = self.parameters if parameters is None else parameters
        first, second = flat.split([self.units * self.inputs, self.units + 1], dim=1)
        active = torch.bmm(first.unflatten(1, (self.units, self.inputs)), features).relu()
        return torch.baddbmm(second[:, None, -1:], second[:, None, :-1], active).squeeze(1)

    def fit(
        self,
        features: Tensor,
        targets: Tensor,
        weight: Tensor | float,
        learning_rate: float | Tensor,
        clip_norm: float,
    ) -> Tensor:
        """Take one optimiser step on the mean squared error; return the error before it, ``[P]``.

        Args:
            features: See `features`.
            targets: ``[P, T * B]``.
            weight: Weight of each sample, broadcastable to ``[P, T * B]``.
            learning_rate: Step size, one number or one per member ``[P, 1]``.
            clip_norm: Largest gradient norm per member.
        """
        parameters = self.parameters.detach().requires_grad_()
        with torch.enable_grad():
            error = ((self.values(features, parameters) - targets).square() * weight).mean(1)
            (gradient,) = torch.autograd.grad(error.sum(), parameters)
        clip_by_norm(gradient, clip_norm)
        self.optimiser.step(self.parameters, gradient, learning_rate)
        return error.detach()

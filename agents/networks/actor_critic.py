"""Actor-critics of a population: policy logits and values of P members.

The parameters are rows of one tensor ``[P, n]``, one flat vector a member.

An `ActorCritic` is one network with two heads (layout ``shared``: policy logits and value from the
same state, Wang et al. 2018, simulations 1-5) or two networks side by side (``separate``: actor and
critic have a core each, simulation 6). Further heads (`HeadConfig`) stand behind the value. Which
code computes a network is decided here and nowhere else: the compiled LSTM where there can be one,
else plain PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.actions import Actions, choice
from prefrontal.agents.common.policies import policy_of
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.compiled import CompiledLSTM
from prefrontal.agents.networks.config import NO_ROWS, NetworkConfig, Rows
from prefrontal.agents.networks.sizes import outputs_of, without_spare
from prefrontal.agents.networks.vectorised import FULL, Credit, Net, State, Tape, Vectorised

States = list[State]


class PlainTape(Tape):
    """A tape of `PlainNet`: all that is recorded lies batch-first, ``[T, P, B, ...]``.

    Attributes:
        every: Whether the states before all steps are kept, or the first and the last alone.
        noise: What is added to what reaches the units, ``[T, P, B, N]``; None: nothing.
        drives: What reached the units with the noise, of each step, ``[P, B, N]``.
    """

    def __init__(self, net: PlainNet, steps: int, batch: int, every: bool) -> None:
        self.steps = self.used = steps
        self.batch, self.every = batch, every

        def empty(size: int) -> Tensor:
            return net.parameters.new_zeros(steps, len(net.parameters), batch, size)

        self.x, self.features = empty(net.input_size), empty(net.config.hidden_size)
        self.outputs = empty(net.output_size)
        self.x_t = [x.transpose(1, 2) for x in self.x]
        self.heads = self.outputs.transpose(2, 3)
        self.heads_t = list(self.heads)
        self.states: dict[int, State] = {}
        self.start: State | None = None  # None: the initial state, through which gradients flow
        self.noise: Tensor | None = None
        self.drives: list[Tensor] = []

    def hidden(self) -> Tensor:
        """See `Tape.hidden`."""
        return self.features.transpose(2, 3)


class PlainNet:
    """Networks of P members in plain PyTorch, with any core.

    Args:
        input_size: Inputs I a step.
        output_size: Read-outs O a step.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type.
        device: Where parameters live.
        trial_row: See `Net`.

    Attributes:
        parameters: ``[P, n]``: embedding, core, read-out.
        unrolls: Whether `attach` needs the inputs on a tape alone, not the steps.
    """

    unrolls = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        config: NetworkConfig,
        members: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        trial_row: int | None = None,
    ) -> None:
        self.input_size, self.output_size, self.config = input_size, output_size, config
        self.plain = Vectorised(Net(input_size, output_size, config, trial_row))
        size = self.plain.size
        self.parameters = torch.zeros(members, size, dtype=dtype, device=device)
        self._views = self.plain.views(self.parameters)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._views = self.plain.views(self.parameters)  # a copy of a view is none

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``."""
        return self.plain.initial(generator)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrite all parameters with ``flat [P, n]``."""
        self.parameters.copy_(flat)

    def tape(self, steps: int, batch: int, every: bool = False) -> PlainTape:
        """Return a tape for `steps` steps of `batch` episodes per member; see `PlainTape`."""
        return PlainTape(self, steps, batch, every)

    def begin(self, tape: PlainTape, state: State | None = None) -> None:
        """Set the state before the first step: tensors ``[P, B, ...]``, or the initial one."""
        tape.start, tape.drives = state, []
        tape.states = {0: self.initial_state(tape.batch) if state is None else state}

    @torch.no_grad()
    def initial_state(self, batch: int) -> State:
        """Return the state at the start of an episode, tensors ``[P, B, ...]``."""
        return self.plain.initial_state(self._views, batch)

    def state(self, tape: PlainTape, t: int) -> State:
        """Return the state before step `t` (``t = T`` is the last one), ``[P, B, ...]``."""
        return tape.states[t]

    @torch.no_grad()
    def step(self, tape: PlainTape, t: int) -> Tensor:
        """Compute the read-outs ``[P, O, B]`` of one step from the inputs in ``tape.x_t[t]``."""
        now = tape.states[t] if tape.every or not t else tape.states.pop(t)
        found: Any
        if tape.noise is None:
            found = self.plain.step(self._views, tape.x[t], now)
        else:
            *found, drive = self.plain.disturbed(self._views, tape.x[t], now, tape.noise[t])
            tape.drives.append(drive)
        tape.outputs[t], tape.features[t], tape.states[t + 1] = found
        return tape.heads_t[t]

    def act(self, tape: PlainTape, t: int, choices: int, noise: Tensor, actions: Tensor) -> None:
        """Write the argmax of the first `choices` read-outs plus noise to `actions` ``[P, B]``."""
        torch.argmax(tape.heads_t[t][:, :choices] + noise, 1, out=actions)

    def attach(self, tape: PlainTape, parameters: Tensor, credit: Credit = FULL) -> Tensor:
        """Return the read-outs ``[T, P, O, B]`` as a function of `parameters` ``[P, n]``."""
        views, used = self.plain.views(parameters), tape.used
        if credit.path == "none":
            weight = views["head.weight"]
            seen = tape.features[:used].transpose(0, 1).flatten(1, 2)
            outputs = torch.baddbmm(weight[:, None, :, -1], seen, weight[:, :, :-1].mT)
            return outputs.unflatten(1, (used, -1)).permute(1, 0, 3, 2)
        noise = None if tape.noise is None else tape.noise[:used]
        return self.plain.unroll(views, tape.x[:used], tape.start, noise, credit).transpose(2, 3)

    def core_slice(self) -> slice:
        """Return which parameters are those before the read-out."""
        return slice(0, self.plain.size - self.output_size * (self.config.hidden_size + 1))


class ActorCritic:
    """Policy logits and state value for P members.

    Args:
        input_size: Inputs I a step.
        num_actions: Read-outs K of the policy: actions, if an action is one choice.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type.
        device: Where the parameters live.
        rows: Which inputs the networks must know of.
        plain: Whether plain PyTorch computes them, whatever else could.
        actions: What the read-outs of the policy mean; default: one choice among K.

    Raises:
        ValueError: If a row is missing that the network must know of, or the reverse.
    """

    def __init__(
        self,
        input_size: int,
        num_actions: int,
        config: NetworkConfig,
        members: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        rows: Rows = NO_ROWS,
        plain: bool = False,
        actions: Actions | None = None,
    ) -> None:
        if (config.actor_reward == "rpe") != (rows.reward is not None):
            raise ValueError('a row of rewards goes with actor_reward "rpe", and nothing else')
        if (config.reset_at == "trial") != (rows.trial is not None):
            raise ValueError('a row of trials goes with reset_at "trial", and with nothing else')
        self.input_size, self.num_actions, self.config = input_size, num_actions, config
        self.members, self.dtype, self.device = members, dtype, device
        self.rows, self.plain = rows, plain
        self.policy = policy_of(actions or choice(num_actions))
        self.nets = [self._net(size) for size in outputs_of(num_actions, config)]
        self._sizes = [net.parameters.shape[1] for net in self.nets]
        self._recorded = rows.reward is not None or self.readers() is not None

    def _net(self, outputs: int) -> Any:
        sizes, config = (self.input_size, outputs, self.config, self.members), self.config
        fast = config.core == "lstm" and not config.embedding_size and config.reset_at == "episode"
        fast = fast and self.dtype == torch.float32 and str(self.device) == "cpu"
        if fast and not self.plain and available():
            return CompiledLSTM(*sizes)
        return PlainNet(*sizes, self.dtype, self.device, self.rows.trial)

    def like(self, members: int | None = None) -> ActorCritic:
        """Return networks of the same shape without weights, of as many members or of `members`."""
        members = self.members if members is None else members
        kind = self.dtype, self.device, self.rows, self.plain, self.policy.actions
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
        """Return parameters ``[..., n]`` as they are stored now; see `without_spare`."""
        return without_spare(flat, self._sizes, self.input_size + 1, self.config)

    # TAPES

    def tapes(self, steps: int, batch: int, every: bool = False) -> list[Tape]:
        """Return a tape a net, for `steps` steps of `batch` episodes per member.

        Args:
            steps: Steps T.
            batch: Episodes B.
            every: Whether the states before all steps are wanted, or the first and last alone.
        """
        tapes = [net.tape(steps, batch, every) for net in self.nets]
        for tape in tapes:
            tape.before = torch.zeros(self.members, batch, dtype=self.dtype, device=self.device)
        return tapes

    def begin(self, tapes: list[Tape], state: States | None = None) -> None:
        """Set the states before the first step, ``[P, B, ...]`` each, or the initial ones."""
        for index, (net, tape) in enumerate(zip(self.nets, tapes, strict=True)):
            net.begin(tape, None if state is None else state[index])
            tape.before.zero_()  # before an episode nothing is expected

    def state(self, tapes: list[Tape], t: int) -> States:
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
        if self.rows.reward is not None:
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
        delta = torch.sub(critic.x_t[t][:, self.rows.reward], before)
        delta.add_(value, alpha=self.config.rpe_discount)
        if stimulation is not None:
            delta.add_(stimulation)
        actor.x_t[t][:, self.rows.reward] = delta

    def unroll(self, tapes: list[Tape]) -> None:
        """Repeat all steps on the recorded inputs (after a change of the parameters)."""
        for net, tape in zip(self.nets, tapes, strict=True):
            net.begin(tape)
            for t in range(tape.used):
                net.step(tape, t)

    def refresh(self, tapes: list[Tape]) -> None:
        """Make tapes such that `read` may be given parameters that have changed.

        Networks that unroll the recorded inputs in `read` need no more than these, unless an actor
        is given prediction errors or heads read recorded features.
        """
        if any(not net.unrolls for net in self.nets) or self._recorded:
            self.unroll(tapes)

    def heads(
        self,
        tapes: list[Tape],
        parameters: Tensor | None = None,
        credits: Sequence[Credit] = (FULL, FULL),
    ) -> tuple[Tensor, Tensor]:
        """Return logits ``[T, P, K, B]`` and values ``[T, P, B]``; see `read`."""
        logits, values, _ = self.read(tapes, parameters, credits)
        return logits, values

    def read(
        self,
        tapes: list[Tape],
        parameters: Tensor | None = None,
        credits: Sequence[Credit] = (FULL, FULL),
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return logits ``[T, P, K, B]``, values ``[T, P, B]``, and other heads ``[T, P, n, B]``.

        They are those on the tapes or, if `parameters` are given, differentiable functions of them;
        `credits` say which ways the gradient takes in each net. That of a head with `into_core`
        false ends at its own weights.
        """
        if parameters is None:
            found = [tape.heads[: tape.used] for tape in tapes]
        else:
            parts = parameters.split(self._sizes, dim=1)
            each = zip(self.nets, tapes, parts, credits, strict=False)
            found = [net.attach(tape, part, credit) for net, tape, part, credit in each]
        heads = self.config.heads
        policy, value, *others = self._parts(found[-1])
        more = dict(zip([head.name for head in heads], others, strict=True))
        if parameters is not None and any(not head.into_core for head in heads):
            own = self._parts(self._read_out(len(self.nets) - 1, parameters), 1)[2:]
            seen = tapes[-1].hidden()[: tapes[-1].used]
            for head, weight in zip(heads, own, strict=True):
                if not head.into_core:
                    more[head.name] = weight[:, :, :-1] @ seen + weight[:, :, -1:]
        return (found[0] if len(found) > 1 else policy), value.squeeze(2), more

    def _parts(self, read_outs: Tensor, dim: int = 2) -> tuple[Tensor, ...]:
        """Split the read-outs of the last net: policy (if it is there), value, other heads."""
        heads = [head.outputs(self.num_actions) for head in self.config.heads]
        policy = 0 if len(self.nets) > 1 else self.num_actions
        return read_outs.split([policy, 1, *heads], dim)

    def _read_out(self, index: int, flat: Tensor) -> Tensor:
        """Return the weights of a net's read-out, a view ``[P, O, H + 1]`` of ``[P, n]``."""
        part = flat.split(self._sizes, dim=1)[index]
        return part[:, self.nets[index].core_slice().stop :].unflatten(
            1, (-1, self.config.hidden_size + 1)
        )

    def readers(self) -> Tensor | None:
        """Return which parameters are those of heads that only read, ``[n]`` of bool, or None."""
        if all(head.into_core for head in self.config.heads):
            return None
        mask = torch.zeros(1, sum(self._sizes), dtype=torch.bool, device=self.device)
        own = self._parts(self._read_out(len(self.nets) - 1, mask), 1)[2:]
        for head, part in zip(self.config.heads, own, strict=True):
            part.fill_(not head.into_core)
        return mask[0]

    def value_weights(self) -> Tensor:
        """Return which parameters are those of the value's read-out, ``[n]`` of bool."""
        mask = torch.zeros(1, sum(self._sizes), dtype=torch.bool, device=self.device)
        self._parts(self._read_out(len(self.nets) - 1, mask), 1)[1].fill_(True)
        return mask[0]

    def readouts(self, flat: Tensor) -> list[Tensor]:
        """Return the weights of each read-out without biases, views ``[P, O, H]`` of ``[P, n]``."""
        return [self._read_out(index, flat)[:, :, :-1] for index in range(len(self.nets))]

    def before_readouts(self) -> Tensor:
        """Return which parameters are not those of a read-out, ``[n]`` of bool."""
        mask = torch.zeros(sum(self._sizes), dtype=torch.bool, device=self.device)
        for net, part in zip(self.nets, mask.split(self._sizes), strict=True):
            part[net.core_slice()] = True
        return mask

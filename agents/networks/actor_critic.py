"""Actor-critics of a population: policy logits and values of P members.

The parameters are rows of one tensor ``[P, n]``, one flat vector a member.

An `ActorCritic` is one network with two heads (layout ``shared``: policy logits and value from the
same state, Wang et al. 2018, simulations 1-5) or two networks side by side (``separate``: actor and
critic have a core each, simulation 6). Further heads (`HeadConfig`) stand behind the value. Which
code computes a network is decided here and nowhere else: the compiled LSTM where there can be one,
else plain PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.actions import Actions, choice
from prefrontal.agents.common.policies import policy_of
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.compiled import CompiledLSTM
from prefrontal.agents.networks.config import NO_ROWS, NetworkConfig, Rows
from prefrontal.agents.networks.encoder import Encoder, Seen
from prefrontal.agents.networks.parts import Division, Parts
from prefrontal.agents.networks.plain import PlainNet
from prefrontal.agents.networks.playing import play
from prefrontal.agents.networks.sizes import outputs_of, without_spare
from prefrontal.agents.networks.vectorised import (
    FULL,
    Credit,
    State,
    Tape,
)

States = list[State]


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
        parts: What observations are made of, see `Division`.

    Attributes:
        encoder: What encodes observations; None if they enter as they are.

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
        parts: Parts = (),
    ) -> None:
        if (config.actor_reward == "rpe") != (rows.reward is not None):
            raise ValueError('a row of rewards goes with actor_reward "rpe", and nothing else')
        if (config.reset_at == "trial") != (rows.trial is not None):
            raise ValueError('a row of trials goes with reset_at "trial", and with nothing else')
        self.input_size, self.num_actions, self.config = input_size, num_actions, config
        self.members, self.dtype, self.device = members, dtype, device
        self.rows, self.plain, self.parts = rows, plain, tuple(parts)
        self.policy = policy_of(actions or choice(num_actions))
        division = Division(input_size, self.parts, config)
        self.core_inputs = division.core_inputs
        self.encoder = Encoder(division, members, dtype, device) if division.parameters else None
        self.nets = [self._net(size) for size in outputs_of(num_actions, config)]
        each = self.nets if self.encoder is None else [*self.nets, self.encoder]
        self._all: list[Any] = each  # whose parameters follow each other
        self._sizes = [one.parameters.shape[1] for one in each]
        self._recorded = rows.reward is not None or self.readers() is not None

    def _net(self, outputs: int) -> Any:
        sizes, config = (self.core_inputs, outputs, self.config, self.members), self.config
        fast = config.core == "lstm" and not config.embedding_size and config.reset_at == "episode"
        fast = fast and self.dtype == torch.float32 and str(self.device) == "cpu"
        if fast and not self.plain and available():
            return CompiledLSTM(*sizes)
        trial = None if self.rows.trial is None else self._row(self.rows.trial)
        return PlainNet(*sizes, self.dtype, self.device, trial)

    def _row(self, row: int) -> int:
        """Return where the core is given an input that follows the observation."""
        return row - self.input_size + self.core_inputs

    def like(self, members: int | None = None) -> ActorCritic:
        """Return networks of the same shape without weights, of as many members or of `members`."""
        members = self.members if members is None else members
        kind = self.dtype, self.device, self.rows, self.plain, self.policy.actions, self.parts
        return ActorCritic(self.input_size, self.num_actions, self.config, members, *kind)

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw the initial parameters of every member from its own generator."""
        rows = [torch.cat([one.initial(g) for one in self._all]) for g in generators]
        self.set_parameters(torch.stack(rows).to(self.device, self.dtype))

    @property
    def parameters(self) -> Tensor:
        """A copy of all parameters, ``[P, n]``."""
        return torch.cat([one.parameters for one in self._all], dim=1)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrite all parameters with ``flat [P, n]``."""
        for net, part in zip(self.nets, flat.split(self._sizes, dim=1), strict=False):
            net.set_parameters(part)
        if self.encoder is not None:
            self.encoder.parameters.copy_(flat[:, -self._sizes[-1] :])

    def upgraded(self, flat: Tensor) -> Tensor:
        """Return parameters ``[..., n]`` as they are stored now; see `without_spare`."""
        return without_spare(flat, self._sizes, self.input_size + 1, self.config)

    # TAPES

    def tapes(self, steps: int, batch: int, every: bool = False, learn: bool = True) -> list[Tape]:
        """Return a tape a net, for `steps` steps of `batch` episodes per member.

        Args:
            steps: Steps T.
            batch: Episodes B.
            every: Whether the states before all steps are wanted, or the first and last alone.
            learn: Whether gradients are wanted. Tapes without are smaller, and written faster.
        """
        tapes = [net.tape(steps, batch, every, learn) for net in self.nets]
        for tape in tapes:
            tape.before = torch.zeros(self.members, batch, dtype=self.dtype, device=self.device)
        if self.encoder is not None:
            seen = Seen(self.encoder, steps, batch)
            for tape in tapes:
                tape.seen = seen
        return tapes

    def begin(self, tapes: list[Tape], state: States | None = None) -> None:
        """Set the states before the first step, ``[P, B, ...]`` each, or the initial ones."""
        for index, (net, tape) in enumerate(zip(self.nets, tapes, strict=True)):
            net.begin(tape, None if state is None else state[index])
            tape.before.zero_()  # before an episode nothing is expected

    def restart(self, tapes: list[Tape], t: int, rows: Tensor) -> None:
        """Let episodes start at step `t` where `rows` ``[P, B]`` are true."""
        for net, tape in zip(self.nets, tapes, strict=True):
            net.restart(tape, t, rows)

    def state(self, tapes: list[Tape], t: int) -> States:
        """Return the states before step `t`, tensors ``[P, B, ...]`` of each net."""
        return [net.state(tape, t) for net, tape in zip(self.nets, tapes, strict=True)]

    def state_shapes(self) -> list[list[torch.Size]]:
        """Return the shapes of the states of each net, without the dimensions ``[P, B]``."""
        return [[part.shape[2:] for part in net.initial_state(1)] for net in self.nets]

    # OBSERVATIONS

    def show(self, tapes: list[Tape], t: int, source: Tensor) -> None:
        """Write flat observations ``[P, I, B]`` as the inputs of step `t`, encoded."""
        if self.encoder is not None:
            source = self.encoder(source, tapes[0].seen, t)
        for tape in tapes:
            tape.x_t[t].copy_(source)

    def follow(self, tapes: list[Tape], mask: Tensor | None, steps: int) -> None:
        """Take the numbers of new episodes into mean and deviation; see `Encoder.follow`."""
        if self.encoder is not None:
            self.encoder.follow(tapes, mask, steps)

    def kept(self, tapes: list[Tape], slots: int) -> dict[str, Tensor]:
        """Return what was shown in the first steps, ``[P, B, T, ...]`` by name; see `recall`."""
        if self.encoder is not None:
            return self.encoder.kept(tapes, slots)
        return {"observation": torch.stack(tapes[0].x_t[:slots]).permute(1, 3, 0, 2)}

    def recall(self, tapes: list[Tape], kept: Mapping[str, Tensor]) -> None:
        """Write what `kept` returned; `unroll` encodes it."""
        if self.encoder is not None:
            self.encoder.recall(tapes, kept)
        else:
            write_inputs(tapes, kept["observation"].permute(2, 0, 3, 1))

    def given(self, tape: Tape) -> Tensor:
        """Return what a net was given in all steps, ``[T, P, I, B]``, before normalisation.

        Codes of images are in place of their pixels.
        """
        given = torch.stack(tape.x_t[: tape.used])
        return given if self.encoder is None else self.encoder.raw(given, tape.seen)

    # STEPS

    def step(
        self, tapes: list[Tape], t: int, stimulation: Tensor | None = None, late: bool = False
    ) -> Tensor:
        """Compute step `t` of every net from the inputs on its tape; return logits ``[P, K, B]``.

        `stimulation` ``[P, B]`` is added to the prediction error that the actor is given. With
        `late` a critic whose steps do not depend on each other waits for `values_at_once`.
        """
        if len(self.nets) == 2 and not (late and self.forgetful):
            self.nets[1].step(tapes[1], t)
        if self.rows.reward is not None:
            self._dopamine(tapes, t, stimulation)
        logits: Tensor = self.nets[0].step(tapes[0], t)
        return logits[:, : self.num_actions]

    @cached_property
    def forgetful(self) -> bool:
        """Whether a critic of its own has no state, and its values are needed by no step."""
        return len(self.nets) == 2 and self.rows.reward is None and not self.state_shapes()[1]

    def values_at_once(self, tapes: list[Tape]) -> None:
        """Compute all steps of a critic that waited for it, see `step`."""
        if self.forgetful:
            self.nets[1].at_once(tapes[1])

    def value(self, tapes: list[Tape], t: int) -> Tensor:
        """Return a copy of the values that step `t` gave, ``[P, B]``."""
        return self._parts(tapes[-1].heads_t[t], 1)[1].squeeze(1).clone()

    def act(self, tapes: list[Tape], t: int, noise: Tensor, actions: Tensor) -> None:
        """Write the best actions by logits and noise ``[P, K, B]`` to `actions` ``[P, B]``."""
        self.nets[0].act(tapes[0], t, self.num_actions, noise, actions)

    @property
    def compiled(self) -> bool:
        """Whether compiled code computes all: an action is one choice, what is shown enters as is.

        `backward` can be called then.
        """
        fast = all(isinstance(net, CompiledLSTM) for net in self.nets)
        return fast and self.policy.discrete and self.encoder is None

    @property
    def plays_tables(self) -> bool:
        """Whether `play` can be called: the nets are compiled, and see what is told as it is."""
        return self.compiled and self.rows.reward is None

    def play(
        self, tapes: list[Any], table: Any, noise: Tensor | None, actions: Tensor, rewards: Tensor
    ) -> None:
        """Play whole episodes whose outcomes are told; see `prefrontal.agents.networks.playing`."""
        play(tapes[0], table, noise, actions, rewards)
        for net, tape in zip(self.nets[1:], tapes[1:], strict=True):
            tape.x.copy_(tapes[0].x)
            for t in range(len(actions)):
                net.step(tape, t)

    def _dopamine(self, tapes: list[Tape], t: int, stimulation: Tensor | None) -> None:
        """Write δ_{t-1} = r_{t-1} + γ v_t - v_{t-1} where the actor's input has r_{t-1}."""
        actor, critic = tapes
        value = critic.heads_t[t][:, 0]
        before = critic.heads_t[t - 1][:, 0] if t else critic.before
        assert self.rows.reward is not None
        row = self._row(self.rows.reward)
        delta = torch.sub(critic.x_t[t][:, row], before)
        delta.add_(value, alpha=self.config.rpe_discount)
        if stimulation is not None:
            delta.add_(stimulation)
        actor.x_t[t][:, row] = delta

    def unroll(self, tapes: list[Tape]) -> None:
        """Compute all steps that are used on the recorded inputs, from where they were begun."""
        if self.encoder is not None:
            self.encoder.again(tapes)
        for net, tape in zip(self.nets, tapes, strict=True):
            net.begin(tape, tape.start)
            net.unroll(tape)

    def refresh(self, tapes: list[Tape]) -> None:
        """Make tapes such that `read` may be given parameters that have changed.

        Networks that unroll the recorded inputs in `read` need no more than these, unless an actor
        is given prediction errors or heads read recorded features.
        """
        if any(not net.unrolls for net in self.nets) or self._recorded:
            self.unroll(tapes)
        elif self.encoder is not None:
            self.encoder.again(tapes)

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
            parts = parameters.split_with_sizes(self._sizes, 1)
            codes = None
            if self.encoder is not None and self.encoder.division.images:
                codes = self.encoder.attach(tapes, parts[-1])
            each = zip(self.nets, tapes, parts, credits, strict=False)
            found = [net.attach(tape, part, credit, codes) for net, tape, part, credit in each]
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

    def backward(
        self, tapes: list[Any], d_heads: Sequence[Tensor], credits: Sequence[Credit] = (FULL, FULL)
    ) -> Tensor:
        """Map gradients of the read-outs ``[T, P, O, B]`` of each net to that of the parameters."""
        each = zip(self.nets, tapes, d_heads, credits, strict=False)
        found = [net.backward(tape, d, credit) for net, tape, d, credit in each]
        return found[0] if len(found) == 1 else torch.cat(found, 1)

    def _parts(self, read_outs: Tensor, dim: int = 2) -> tuple[Tensor, ...]:
        """Split the read-outs of the last net: policy (if it is there), value, other heads."""
        heads = [head.outputs(self.num_actions) for head in self.config.heads]
        policy = 0 if len(self.nets) > 1 else self.num_actions
        return read_outs.split_with_sizes([policy, 1, *heads], dim)

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
        mask = torch.ones(sum(self._sizes), dtype=torch.bool, device=self.device)
        for net, part in zip(self.nets, mask.split(self._sizes), strict=False):
            part[net.core_slice().stop :] = False
        return mask


def write_inputs(tapes: Sequence[Tape], observations: Tensor) -> None:
    """Write observations ``[T, P, I, B]`` as the inputs of tapes."""
    for tape in tapes:
        tape.used = len(observations)
        for x, source in zip(tape.x_t, observations.unbind(0), strict=False):
            x.copy_(source)

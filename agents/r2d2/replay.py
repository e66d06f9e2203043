"""Replay for recurrent Q-learning: episodes with their recurrent states, and windows of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.replay.priorities import sequence_priority
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer
from prefrontal.agents.rollout.rollout import Trajectory
from prefrontal.agents.rollout.spec import EnvironmentFacts


@dataclass(frozen=True)
class Window:
    """Sequences of kept episodes; the slot after the last step holds the state reached, if any.

    Attributes:
        observations: ``[T, P, I, B]``.
        actions: ``[T, P, B]``.
        rewards: ``[T, P, B]``.
        learn: Slots whose action is learned from, bool ``[T, P, B]``.
        valid: Slots that hold a state, bool ``[T, P, B]``.
        importance: Importance weights of prioritised replay, ``[P, B]``.
        index: Where the episodes are in the buffer, ``[P, B]``.
        state: Recurrent state of each net, ``[P, B, ...]`` each, at the start of the burn-in; None:
            that of a new episode.
        before: Observations of the burn-in, ``[burn_in, P, I, B]``.
        burned: Whether a sequence has a burn-in (at the start of an episode it has none), bool
            ``[P, B]``.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    learn: Tensor
    valid: Tensor
    importance: Tensor
    index: Tensor
    state: list[tuple[Tensor, ...]] | None
    before: Tensor | None
    burned: Tensor

    @property
    def slots(self) -> int:
        """Slots T of a sequence."""
        return len(self.observations)


def episode_buffer(
    config: R2D2Config,
    facts: EnvironmentFacts,
    state_size: int,
    generators: Sequence[torch.Generator],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> TrajectoryBuffer:
    """Make the buffer of episodes of some members, one generator each.

    Args:
        config: Settings.
        facts: Of the environment.
        state_size: Numbers of a recurrent state; 0 if none is kept.
        generators: One a member.
        dtype: Number type.
        device: Where samples are needed.

    Raises:
        ConfigError: There is not that much memory.
    """
    fields = [
        Field("observation", (facts.input_size,), dtype),
        Field("action", (), torch.uint8 if facts.num_actions <= 256 else torch.int32),
        Field("reward", (), dtype),
        Field("step", (), torch.bool),  # false for the state in which an episode was cut
        Field("last", (), torch.bool),
    ]
    if state_size:
        every = config.burn_in or config.sequence or 0
        fields.append(Field("state", (state_size,), dtype, every=every))
    sizes = len(generators), config.replay_capacity, facts.longest + 1
    return TrajectoryBuffer(*sizes, fields, generators, config.replay, device=device)


class QReplay:
    """The kept episodes of P members.

    Args:
        config: Settings.
        model: The learner's networks.
        facts: Of the environment.
        generators: One a member.
    """

    def __init__(
        self,
        config: R2D2Config,
        model: ActorCritic,
        facts: EnvironmentFacts,
        generators: Sequence[torch.Generator],
    ) -> None:
        self.config, self.model = config, model
        self.shapes = model.state_shapes()
        self.sizes = [math.prod(shape) for shapes in self.shapes for shape in shapes]
        self.every = (config.burn_in or config.sequence) if self.sizes else None
        size = sum(self.sizes) if self.every else 0
        self.buffer = episode_buffer(config, facts, size, generators, model.dtype, model.device)

    def add(self, trajectory: Trajectory) -> None:
        """Keep new episodes, with the state after the last step of those that were cut."""
        steps, members, batch = trajectory.actions.shape
        tapes = trajectory.tapes
        slots = min(tapes[0].used, steps + 1)
        observations = torch.stack(tapes[0].x_t[:slots])
        device = trajectory.actions.device
        step = torch.ones(steps, members, batch, dtype=torch.bool, device=device)
        if trajectory.mask is not None:
            step = trajectory.mask.bool()
        lengths = step.sum(0)
        if trajectory.truncated is not None:
            lengths = lengths + trajectory.truncated
        where = torch.arange(slots, device=device).view(-1, 1, 1)
        data = {
            "observation": observations.permute(1, 3, 0, 2),
            "action": _longer(trajectory.actions, slots).permute(1, 2, 0),
            "reward": _longer(trajectory.rewards, slots).permute(1, 2, 0),
            "step": _longer(step, slots).permute(1, 2, 0),
            "last": (where == lengths - 1).permute(1, 2, 0),
        }
        if self.every:
            kept = []  # [P, B, all of the state] each
            for t in range(0, slots, self.every):
                parts = [part for state in self.model.state(tapes, t) for part in state]
                kept.append(torch.cat([part.flatten(2) for part in parts], dim=2))
            data["state"] = torch.stack(kept, dim=2)
        self.buffer.add(data, lengths.cpu())

    def draw(self, n: int) -> Window:
        """Draw n sequences of every member."""
        config, burn_in = self.config, self.config.burn_in
        if config.sequence is None:
            sample = self.buffer.sample(n, cut=False)
            length = self.buffer.longest
        else:
            length = config.sequence + 1
            sample = self.buffer.sample_slices(n, length, burn_in, config.sequence)
        data = sample.data
        first = sample.learn.int().argmax(2)  # [P, n], 0 or burn_in
        slot = first.unsqueeze(2) + torch.arange(length, device=first.device)
        inside = slot < sample.mask.shape[2]
        slot = slot.clamp(max=sample.mask.shape[2] - 1)
        valid = sample.mask.gather(2, slot) & inside
        ends = torch.arange(length, device=first.device) >= length - 1
        last = data["last"].gather(2, slot)
        learn = valid & data["step"].gather(2, slot) & (~ends | last)
        rows = slot.unsqueeze(3).expand(-1, -1, -1, data["observation"].shape[3])
        observations = data["observation"].gather(2, rows) * valid.unsqueeze(3)
        state = before = None
        if self.every:
            state = self._states(data["state"][:, :, 0])
        if burn_in:
            before = data["observation"][:, :, :burn_in].permute(2, 0, 3, 1)
        return Window(
            observations.permute(2, 0, 3, 1),
            data["action"].gather(2, slot).long().permute(2, 0, 1),
            data["reward"].gather(2, slot).permute(2, 0, 1),
            learn.permute(2, 0, 1),
            valid.permute(2, 0, 1),
            sample.weight.to(self.model.dtype),
            sample.index,
            state,
            before,
            first > 0,
        )

    def _states(self, flat: Tensor) -> list[tuple[Tensor, ...]]:
        """Return states of each net, ``[P, B, ...]`` each, from ``[P, B, all of them]``."""
        parts = iter(flat.split(self.sizes, dim=2))
        return [
            tuple(next(parts).unflatten(2, shape) for shape in shapes) for shapes in self.shapes
        ]

    def prioritise(self, window: Window, error: Tensor) -> None:
        """Give the episodes priorities by the errors of the values, ``[T, P, B]``."""
        if self.config.replay == "prioritised":
            by_sequence = error.permute(1, 2, 0).contiguous()
            priority = sequence_priority(by_sequence, window.learn.permute(1, 2, 0))
            self.buffer.update_priorities(window.index, priority)


def _longer(x: Tensor, slots: int) -> Tensor:
    """Return ``[T, P, B]`` with zeros up to, or cut to, so many slots."""
    if slots <= len(x):
        return x[:slots]
    return torch.cat([x, x.new_zeros(slots - len(x), *x.shape[1:])])

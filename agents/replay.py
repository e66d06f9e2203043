"""Replay buffers for populations: transitions or whole trajectories; uniform, prioritised or reservoir."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.errors import ConfigError
from agents.replay_fields import Field, field_bytes
from agents.replay_priority import Priorities, sequence_priority
from agents.replay_rows import Column, Kind, Rows, row_bytes

__all__ = [
    "Field",
    "Kind",
    "Priorities",
    "Sample",
    "TrajectoryBuffer",
    "TrajectorySample",
    "TransitionBuffer",
    "required_bytes",
    "sequence_priority",
]


@dataclass(frozen=True)
class Sample:
    """Rows drawn from a buffer, with replacement.

    Attributes:
        data: Their fields, ``[P, n, ...]``.
        index: Where they are, ``[P, n]``, for `update_priorities`.
        weight: Importance weights ``[P, n]``, at most 1; all 1 without priorities.
    """

    data: dict[str, Tensor]
    index: Tensor
    weight: Tensor


@dataclass(frozen=True)
class TrajectorySample(Sample):
    """Trajectories, or slices of them, drawn from a buffer; data is ``[P, n, T, ...]``.

    Attributes:
        lengths: Steps of each, ``[P, n]``.
        mask: ``[P, n, T]`` of bool: which steps there are. After the end of a trajectory all fields are 0.
        start: Step of the trajectory with which a slice begins, ``[P, n]``.
    """

    lengths: Tensor
    mask: Tensor
    start: Tensor


def required_bytes(
    members: int,
    capacity: int,
    fields: Sequence[Field],
    kind: Kind = "uniform",
    steps: int | None = None,
) -> int:
    """Memory that a buffer takes, exactly.

    Args:
        members: Members P.
        capacity: Transitions of each, or trajectories.
        fields: What is stored.
        kind: Kind of replay.
        steps: Steps of the longest trajectory; None for transitions.
    """
    return row_bytes(members, capacity, _columns(fields, steps), kind)


def capacity_within(
    size: int,
    members: int,
    fields: Sequence[Field],
    kind: Kind = "uniform",
    steps: int | None = None,
) -> int:
    """The largest capacity that takes no more than `size` bytes.

    Raises:
        ConfigError: If that is none.
    """
    low, high = 0, size // (members * field_bytes(fields, steps)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if required_bytes(members, middle, fields, kind, steps) <= size:
            low = middle
        else:
            high = middle
    if low == 0:
        raise ConfigError(
            f"capacity_bytes must be at least {required_bytes(members, 1, fields, kind, steps)}"
        )
    return low


def _columns(fields: Sequence[Field], steps: int | None) -> list[Column]:
    field_bytes(fields, steps)
    columns = []
    for field in fields:
        once = steps is None or field.every == 0
        shape = field.shape if once else (field.slots(steps or 1), *field.shape)
        columns.append(Column(field.name, shape, field.dtype))
    if steps is not None:
        columns.append(Column("lengths", (), torch.int64))
    return columns


class _Buffer:
    """What both buffers share."""

    rows: Rows

    @property
    def members(self) -> int:
        """Members P."""
        return self.rows.members

    @property
    def capacity(self) -> int:
        """Rows that each member can have."""
        return self.rows.capacity

    @property
    def kind(self) -> Kind:
        """Kind of replay."""
        return self.rows.kind

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.rows.nbytes

    @property
    def sizes(self) -> Tensor:
        """Rows that each member has, ``[P]``."""
        return self.rows.sizes

    @property
    def seen(self) -> Tensor:
        """Rows that each member has ever added, ``[P]``."""
        return self.rows.seen

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return str(self.rows)

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Gives rows new priorities (absolute TD errors), both ``[P, n]``; of equal rows the largest counts."""
        self.rows.update(index, priority)

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly: tensors whose leading dimension is the member."""
        return self.rows.state()

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self.rows.set_state(state)


class TransitionBuffer(_Buffer):
    """Single steps of P members.

    Args:
        members: Members P.
        capacity: Transitions of each, or None if `capacity_bytes` is given.
        fields: What is stored of a step.
        generators: One generator a member, of its own (`agents.seeding.generator`, stream "replay").
        kind: "uniform" (the newest, a ring), "prioritised" (the newest, in proportion to their priority) or "reservoir"
            (all steps ever added are equally likely to be there).
        capacity_bytes: Memory to take at most, all members together.
        priorities: Settings of prioritised replay.
        device: Where the data are.

    Raises:
        ConfigError: If an argument is not possible, or there is less memory than that takes.
    """

    def __init__(
        self,
        members: int,
        capacity: int | None,
        fields: Sequence[Field],
        generators: Sequence[torch.Generator],
        kind: Kind = "uniform",
        *,
        capacity_bytes: int | None = None,
        priorities: Priorities | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if (capacity is None) == (capacity_bytes is None):
            raise ConfigError("give either capacity or capacity_bytes")
        if capacity is None:
            assert capacity_bytes is not None
            capacity = capacity_within(capacity_bytes, members, fields, kind)
        columns = _columns(fields, None)
        self.rows = Rows(members, capacity, columns, generators, kind, priorities, device)

    def add(
        self,
        batch: Mapping[str, Tensor],
        mask: Tensor | None = None,
        priority: Tensor | None = None,
    ) -> None:
        """Adds steps, in their order.

        Args:
            batch: Fields, ``[P, n, ...]`` each.
            mask: Which of them to add, ``[P, n]``; None for all.
            priority: ``[P, n]``; None for the largest that the member has seen.
        """
        self.rows.add(batch, mask, priority)

    def sample(self, n: int, beta: float | None = None) -> Sample:
        """Draws n steps of every member; `beta` overrides the one of the settings."""
        index, weight = self.rows.draw(n, beta)
        data = {name: self.rows.gather(name, index) for name in self.rows.data}
        return Sample(data, index, weight)


class TrajectoryBuffer(_Buffer):
    """Whole trajectories of P members, each of up to `steps` steps.

    Args:
        members: Members P.
        capacity: Trajectories of each, or None if `capacity_bytes` is given.
        steps: Steps of the longest trajectory.
        fields: What is stored of a step, or of a trajectory (`Field.every`).
        generators: One generator a member, of its own.
        kind: As for `TransitionBuffer`.
        capacity_bytes: Memory to take at most, all members together.
        priorities: Settings of prioritised replay.
        device: Where the data are.

    Raises:
        ConfigError: If an argument is not possible, or there is less memory than that takes.
    """

    def __init__(
        self,
        members: int,
        capacity: int | None,
        steps: int,
        fields: Sequence[Field],
        generators: Sequence[torch.Generator],
        kind: Kind = "uniform",
        *,
        capacity_bytes: int | None = None,
        priorities: Priorities | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if steps < 1:
            raise ConfigError(f"a trajectory needs at least one step, not {steps}")
        if (capacity is None) == (capacity_bytes is None):
            raise ConfigError("give either capacity or capacity_bytes")
        if capacity is None:
            assert capacity_bytes is not None
            capacity = capacity_within(capacity_bytes, members, fields, kind, steps)
        self.steps, self.fields = steps, {field.name: field for field in fields}
        columns = _columns(fields, steps)
        self.rows = Rows(members, capacity, columns, generators, kind, priorities, device)

    def add(
        self,
        data: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
        priority: Tensor | None = None,
    ) -> None:
        """Adds trajectories, in their order. What is given for the steps after the end is not kept.

        Args:
            data: Fields ``[P, n, T, ...]``, T at most `steps`; ``[P, n, ...]`` if kept once.
            lengths: Steps of each, ``[P, n]``; None if all have T steps.
            mask: Which of the trajectories to add, ``[P, n]``; None for all.
            priority: ``[P, n]``; None for the largest that the member has seen.
        """
        if data.keys() != self.fields.keys():
            raise ConfigError(
                f"a replay buffer of {', '.join(self.fields)} cannot add {', '.join(data)}"
            )
        first = next(iter(data.values()))
        if lengths is None:
            given = [data[f.name].shape[2] for f in self.fields.values() if f.every == 1]
            if not given:
                raise ConfigError("trajectories without a field of every step need lengths")
            lengths = torch.full(first.shape[:2], given[0])
        lengths = lengths.to("cpu", torch.int64)
        if bool((lengths < 1).any()) or bool((lengths > self.steps).any()):
            raise ConfigError(f"lengths must be between 1 and {self.steps}")
        rows = {name: self._padded(name, value, lengths) for name, value in data.items()}
        self.rows.add(rows | {"lengths": lengths}, mask, priority)

    def _padded(self, name: str, value: Tensor, lengths: Tensor) -> Tensor:
        """A field as it is stored, ``[P, n, slots, ...]``, with zeros after the end."""
        field = self.fields[name]
        if field.every == 0:
            return value
        slots, given = field.slots(self.steps), value.shape[2]
        needed = -(-int(lengths.max()) // field.every)
        if not needed <= given <= slots:
            raise ConfigError(
                f"field {name!r} has {given} entries a trajectory, not between {needed} and {slots}"
            )
        out = value.new_zeros(*value.shape[:2], slots, *value.shape[3:])
        kept = torch.arange(given) * field.every < lengths.unsqueeze(2)
        kept = kept.view(*kept.shape, *[1] * (value.dim() - 3)).to(value.device)
        out[:, :, :given] = torch.where(kept, value, torch.zeros_like(value))
        return out

    def sample(self, n: int, beta: float | None = None, cut: bool = True) -> TrajectorySample:
        """Draws n trajectories of every member.

        Args:
            n: How many.
            beta: Exponent of the importance weights, in place of the one of the settings.
            cut: Whether T is the length of the longest one drawn, in place of `steps`.
        """
        index, weight = self.rows.draw(n, beta)
        lengths = self.rows.gather("lengths", index)
        steps = int(lengths.max()) if cut else self.steps
        data = {}
        for name, field in self.fields.items():
            value = self.rows.gather(name, index)
            data[name] = value if field.every == 0 else value[:, :, : field.slots(steps)]
        mask = torch.arange(steps, device=lengths.device) < lengths.unsqueeze(2)
        return TrajectorySample(data, index, weight, lengths, mask, torch.zeros_like(lengths))

"""Replay of whole trajectories and of overlapping slices of them, for recurrent agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.replay.buffer import Buffer, Kind
from prefrontal.agents.replay.priorities import Priorities
from prefrontal.agents.replay.store import LENGTHS, Field, Sample, check_names


@dataclass(frozen=True)
class TrajectorySample(Sample):
    """Trajectories, or slices of them, drawn from a buffer. After the end all fields are 0.

    Attributes:
        data: Fields ``[P, n, T, ...]`` (``[P, n, ceil(T / k), ...]`` if kept at every k-th step,
            ``[P, n, ...]`` if kept once).
        lengths: Steps of each, ``[P, n]``.
        mask: Which steps exist, bool ``[P, n, T]``.
        start: Step of the trajectory at which a slice begins, ``[P, n]``; 0 for whole trajectories.
        learn: Which steps to learn from, bool ``[P, n, T]``: those of a slice after its burn-in; of
            a whole trajectory the same as `mask`.
    """

    lengths: Tensor
    mask: Tensor
    start: Tensor
    learn: Tensor


class TrajectoryBuffer(Buffer):
    """Whole trajectories of P members, each of up to `steps` steps.

    The arguments are those of `Buffer`; fields are stored of every step, of every k-th step or
    once (`Field.every`).
    """

    def __init__(
        self,
        members: int,
        capacity: int,
        steps: int,
        fields: Sequence[Field],
        generators: Sequence[torch.Generator],
        kind: Kind = "uniform",
        priorities: Priorities | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if steps < 1:
            raise ConfigError(f"a trajectory needs at least one step, not {steps}")
        super().__init__(members, capacity, fields, generators, kind, steps, priorities, device)
        self.longest = steps
        self.fields = {field.name: field for field in fields}
        self._slices: tuple[tuple[int, int], Tensor] | None = None

    def add(
        self, data: Mapping[str, Tensor], lengths: Tensor, priority: Tensor | None = None
    ) -> None:
        """Add trajectories, in their order. Values given for steps after their end are dropped.

        Args:
            data: Fields ``[P, n, T, ...]``, T at most `steps` (``[P, n, ceil(T / k), ...]`` if kept
                at every k-th step, ``[P, n, ...]`` if kept once).
            lengths: Steps of each, ``[P, n]``.
            priority: ``[P, n]``; None for the largest that the member has been given (1 at first).

        Raises:
            ConfigError: If a shape, a length or a priority is not possible.
        """
        check_names(data, self.fields)
        for name, field in self.fields.items():
            axes = ["members", "n", "steps"][: 2 + bool(field.every)] + [
                str(k) for k in field.shape
            ]
            if data[name].dim() != len(axes):
                wanted, given = ", ".join(axes), tuple(data[name].shape)
                raise ConfigError(f"field {name!r} must have shape ({wanted}), not {given}")
        lengths = lengths.to("cpu", torch.int64)
        if bool((lengths < 1).any()) or bool((lengths > self.longest).any()):
            raise ConfigError(f"lengths of trajectories must be from 1 to {self.longest}")
        longest = int(lengths.max()) if lengths.numel() else 0
        full = bool((lengths == self.longest).all())
        rows = {}
        for name, value in data.items():
            field = self.fields[name]
            if field.every:
                low, high = field.slots(longest), field.slots(self.longest)
                if not low <= value.shape[2] <= high:
                    raise ConfigError(
                        f"field {name!r} must have {low} to {high} entries, not {value.shape[2]}"
                    )
                if not full:
                    value = _padded(value, field, lengths, high)
            rows[name] = value
        self._slices = None
        self._add_rows(rows | {LENGTHS: lengths}, priority)

    def sample(self, n: int, cut: bool = True) -> TrajectorySample:
        """Draw n trajectories of every member.

        If `cut`, T is the length of the longest one drawn (of all members), else `steps`.

        Raises:
            ConfigError: If there are none.
        """
        index, weight = self._draw(n)
        places = self._store.places(index)
        lengths = self._store.gather(LENGTHS, places)
        steps = int(lengths.max()) if cut else self.longest
        data = {}
        for name, field in self.fields.items():
            value = self._store.gather(name, places)
            data[name] = value[:, :, : field.slots(steps)] if field.every else value
        mask = torch.arange(steps) < lengths.unsqueeze(2)
        start = torch.zeros_like(lengths)
        sample = TrajectorySample(data, index, weight, lengths, mask, start, mask)
        return sample.to(self.device)

    def sample_slices(
        self, n: int, length: int, burn_in: int = 0, stride: int = 1
    ) -> TrajectorySample:
        """Draw n slices of every member: `length` steps to learn from, after up to `burn_in` steps.

        Slices begin to learn at step 0, stride, 2 · stride, … of a trajectory, up to the first one
        that reaches its end (it may have fewer steps); near the start of a trajectory there is less
        to burn in. All slices of all trajectories of a member are equally likely; with priorities a
        trajectory is drawn by its priority, then one of its slices. Store the recurrent state
        before every step, or before every stride-th one: the first entry of a slice is the state
        to begin with (R2D2, Kapturowski et al. 2019, section 3.1).

        Args:
            n: How many.
            length: Steps to learn from.
            burn_in: Steps before them that only bring the recurrent state up to date.
            stride: Steps between the starts of slices, at most `length`; with half of it slices
                overlap by half.

        Raises:
            ConfigError: If there is no trajectory, or slices would begin at steps at which some
                field is not kept.
        """
        if not 1 <= stride <= length or burn_in < 0:
            raise ConfigError("slices need stride from 1 to length, and burn_in of at least 0")
        for field in self.fields.values():
            if field.every > 1 and (stride % field.every or burn_in % field.every):
                raise ConfigError(
                    f"stride and burn_in must be multiples of {field.every}, "
                    f"as of field {field.name!r}"
                )
        ends = self._slice_ends(length, stride)  # [P, capacity], cumulative numbers of slices
        if self._priorities is None:
            drawn = (torch.from_numpy(self._uniforms(n)) * ends[:, -1:]).long()
            index = torch.searchsorted(ends, drawn, right=True)
            before = ends.gather(1, (index - 1).clamp(min=0))
            number = drawn - torch.where(index > 0, before, 0)
            weight = torch.ones(index.shape)
        else:
            index, probability = self._priorities.draw(torch.from_numpy(self._uniforms(n)))
            before = ends.gather(1, (index - 1).clamp(min=0))
            count = ends.gather(1, index) - torch.where(index > 0, before, 0)
            number = (torch.from_numpy(self._uniforms(n)) * count).long()
            weight = self._priorities.weights(probability / count, ends[:, -1:])
        first = number * stride
        return self._slice(index, weight, first, first + length, (first - burn_in).clamp(min=0))

    def _slice_ends(self, length: int, stride: int) -> Tensor:
        """Return the number of slices up to and with each trajectory, ``[P, capacity]``."""
        if self._slices is None or self._slices[0] != (length, stride):
            lengths = self._store.data[LENGTHS]
            counts = 1 + ((lengths - length).clamp(min=0) + stride - 1) // stride
            ends = torch.where(lengths > 0, counts, 0).cumsum(1)
            self._slices = ((length, stride), ends)
        return self._slices[1]

    def _slice(
        self, index: Tensor, weight: Tensor, first: Tensor, last: Tensor, start: Tensor
    ) -> TrajectorySample:
        """Return the steps `start` … last - 1 of trajectories, to learn from `first` on."""
        steps = min(int((last - start).max()), self.longest)
        step = start.unsqueeze(2) + torch.arange(steps)  # [P, n, T]
        places = self._store.places(index)
        lengths = self._store.gather(LENGTHS, places).unsqueeze(2)
        mask = (step < lengths) & (step < last.unsqueeze(2))
        data, entries = {}, {}
        for name, field in self.fields.items():
            if field.every == 0:
                data[name] = self._store.gather(name, places)
                continue
            if field.every not in entries:
                entries[field.every] = self._entries(field, places, start, mask)
            kept, where = entries[field.every]
            value = self._store.gather(name, where, per_entry=True)
            data[name] = value if kept is None else _where(kept, value)
        learn = mask & (step >= first.unsqueeze(2))
        sample = TrajectorySample(data, index, weight, mask.sum(2), mask, start, learn)
        return sample.to(self.device)

    def _entries(
        self, field: Field, places: Any, start: Tensor, mask: Tensor
    ) -> tuple[Tensor | None, Any]:
        """Return which entries of slices exist (None if all), and where among all of the field."""
        every = torch.arange(field.slots(mask.shape[2])) * field.every
        kept = mask[:, :, every]
        entry = torch.where(kept, (start.unsqueeze(2) + every) // field.every, 0)
        where = places[:, :, None] * field.slots(self.longest) + entry.numpy()
        return None if bool(kept.all()) else kept, where

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        super().set_state(state)
        self._slices = None


def _padded(value: Tensor, field: Field, lengths: Tensor, slots: int) -> Tensor:
    """Return a field as it is stored, ``[P, n, slots, ...]``, with zeros after the end."""
    given = value.shape[2]
    kept = torch.arange(given) * field.every < lengths.unsqueeze(2)
    out = value.new_zeros(*value.shape[:2], slots, *value.shape[3:])
    out[:, :, :given] = _where(kept.to(value.device), value.detach())
    return out


def _where(kept: Tensor, value: Tensor) -> Tensor:
    """Return `value` where `kept` (a mask of its leading dimensions) is true, else 0."""
    kept = kept.view(*kept.shape, *[1] * (value.dim() - kept.dim()))
    return torch.where(kept, value, torch.zeros((), dtype=value.dtype, device=value.device))

"""What every replay buffer does: P members side by side, rows of several fields, kept and drawn by one of three rules."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.replay.draws import Uniforms
from prefrontal.agents.replay.fields import (
    Field,
    Kind,
    capacity_within,
    check_memory,
    columns,
    in_words,
    required_bytes,
)
from prefrontal.agents.replay.priorities import Priorities, Prioritised
from prefrontal.agents.replay.slots import reservoir, ring
from prefrontal.agents.replay.store import Store, Values

__all__ = ["Buffer"]

_LIVE: weakref.WeakSet[Buffer] = weakref.WeakSet()  # all buffers on the CPU


class Buffer:
    """Rows of P members: transitions, or trajectories of up to `steps` steps.

    - "uniform": the newest `capacity` rows (a ring); each is drawn with the same probability.
    - "prioritised": the newest `capacity` rows, drawn in proportion to priority^alpha.
    - "reservoir": of all rows ever added each is there with the same probability; each is drawn with the same.

    Args:
        members: Members P.
        capacity: Rows of each, or None if `capacity_bytes` is given.
        fields: What is stored.
        generators: One generator a member, of its own (`prefrontal.agents.common.seeding.generator`, stream "replay"): what a member keeps and
            draws does not depend on the others.
        kind: See above.
        steps: Steps of the longest trajectory; None for transitions.
        capacity_bytes: Memory to take at most, all members together.
        priorities: Settings of "prioritised".
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
        steps: int | None = None,
        capacity_bytes: int | None = None,
        priorities: Priorities | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if kind not in get_args(Kind):
            allowed = ", ".join(get_args(Kind))
            raise ConfigError(f"kind of replay must be one of {allowed}, not {kind!r}")
        if priorities is not None and kind != "prioritised":
            raise ConfigError(f'settings of priorities need kind "prioritised", not {kind!r}')
        if (capacity is None) == (capacity_bytes is None):
            raise ConfigError("a replay buffer needs either capacity or capacity_bytes")
        if members < 1 or len(generators) != members:
            raise ConfigError(f"{members} members need as many generators, not {len(generators)}")
        if capacity_bytes is not None:
            capacity = capacity_within(capacity_bytes, members, fields, kind, steps)
        assert capacity is not None
        if capacity < 1:
            raise ConfigError(f"capacity of a replay buffer must be at least 1, not {capacity}")
        self.members, self.capacity, self.kind, self.steps = members, capacity, kind, steps
        self.device = torch.device(device)
        self.nbytes = required_bytes(members, capacity, fields, kind, steps)
        # Memory on the CPU is taken as it is first written: other buffers may still have to take theirs.
        promised = sum(other.unused_bytes for other in _LIVE if self.device.type == "cpu")
        check_memory(self.nbytes, str(self), self.device, promised)
        self._store = Store(members, capacity, columns(fields, steps), self.device)
        self._draws = Uniforms(generators)
        # Rows ever added: by every member as many; and by each, once that may differ.
        self._together = 0
        self._apart: NDArray[np.int64] | None = None
        self._priorities: Prioritised | None = None
        if kind == "prioritised":
            settings = priorities or Priorities()
            self._priorities = Prioritised(members, capacity, settings, self.device)
        if self.device.type == "cpu":
            _LIVE.add(self)

    @property
    def unused_bytes(self) -> int:
        """Bytes of the memory that no row has been written to."""
        return self.nbytes - self.nbytes * len(self) // self.capacity

    @property
    def seen(self) -> Tensor:
        """Rows that each member has ever added, ``[P]``."""
        return torch.from_numpy(self._seen().copy())

    @property
    def sizes(self) -> Tensor:
        """Rows that each member has, ``[P]``."""
        return self.seen.clamp(max=self.capacity)

    def _seen(self) -> NDArray[np.int64]:
        return np.full(self.members, self._together) if self._apart is None else self._apart

    def __len__(self) -> int:
        """Rows that every member has at least."""
        least = self._together if self._apart is None else int(self._apart.min())
        return min(least, self.capacity)

    def __str__(self) -> str:
        """What it is and the memory it takes, in one line."""
        rows = "transitions" if self.steps is None else f"trajectories of {self.steps:,} steps"
        return f"{self.kind} replay of {self.members} x {self.capacity:,} {rows} ({in_words(self.nbytes)})"

    # ADD
    def _add_rows(
        self, rows: Mapping[str, Values], mask: Values | None, priority: Values | None
    ) -> None:
        """Adds rows ``[P, n, ...]`` in their order, where the mask ``[P, n]`` is true, with priorities ``[P, n]``."""
        n = self._store.count(rows)
        new = None
        if mask is not None:
            self._check_shape("mask", mask, n)
        if priority is not None:
            self._check_shape("priority", priority, n)
            new = self._prioritised().checked(torch.as_tensor(priority))
        if mask is None and self._apart is None and self.kind != "reservoir":
            self._add_in_step(rows, n, new)
        else:
            self._add_apart(rows, n, mask, new)

    def _check_shape(self, name: str, value: Values, n: int) -> None:
        if value.shape != (self.members, n):
            wanted, given = f"({self.members}, {n})", tuple(value.shape)
            raise ConfigError(f"{name} must have shape {wanted}, not {given}")

    def _add_in_step(self, rows: Mapping[str, Values], n: int, priority: Tensor | None) -> None:
        """Adds to a ring whose members are all at the same slot: at most two slices."""
        done = n - self.capacity if n > self.capacity else 0
        slot = (self._together + done) % self.capacity
        self._together += n
        while done < n:
            last = n if slot + n - done <= self.capacity else done + self.capacity - slot
            self._store.put_slice(rows, done, last, slot)
            if self._priorities is not None:
                index = torch.arange(slot, slot + last - done, device=self.device)
                new = None if priority is None else priority[:, done:last].flatten()
                member = self._members(last - done)
                self._priorities.set(member, index.repeat(self.members), new)
            slot, done = (slot + last - done) % self.capacity, last

    def _add_apart(
        self, rows: Mapping[str, Values], n: int, mask: Values | None, priority: Tensor | None
    ) -> None:
        """Adds rows that go each to a slot of its own."""
        added, seen = np.ones((self.members, n), bool), self._seen()
        if mask is not None:
            self._apart = seen
            added = torch.as_tensor(mask).cpu().numpy().astype(bool)
        if self.kind == "reservoir":
            placed = reservoir(seen, added, self.capacity, self._draws.take(n))
        else:
            placed = ring(seen, added, self.capacity)
        if self._apart is None:
            self._together += n
        else:
            self._apart = seen + added.sum(1)
        self._store.put(rows, placed)
        if self._priorities is not None:
            member, source, slot = (self._store.on(x) for x in placed)
            new = None if priority is None else priority[member, source]
            self._priorities.set(member, slot, new)

    def _members(self, n: int) -> Tensor:
        """Member of each of n rows a member, ``[P · n]``."""
        return torch.arange(self.members, device=self.device).repeat_interleave(n)

    # SAMPLE
    def _draw(self, n: int, beta: float | None) -> tuple[Tensor, Tensor]:
        """Indices ``[P, n]`` of rows, drawn with replacement, and their importance weights ``[P, n]``."""
        u = self._uniforms(n)
        sizes: Any = len(self)
        if self._apart is not None:
            sizes = np.minimum(self._apart, self.capacity)[:, None]
        if self._priorities is None:
            index = (u * sizes).astype(np.int64)
            return self._store.on(index), torch.ones(index.shape, device=self.device)
        index, probability = self._priorities.draw(self._store.on(u))
        sizes = sizes if self._apart is None else self._store.on(sizes)
        return index, self._priorities.weights(probability, sizes, beta)

    def _uniforms(self, n: int) -> NDArray[np.float64]:
        """The next numbers in [0, 1) of every member, ``[P, n]``, for a sample of n."""
        if n < 1:
            raise ConfigError(f"a sample must have at least one row, not {n}")
        if len(self) == 0:
            raise ConfigError("a replay buffer can be sampled once every member has added to it")
        return self._draws.take(n)

    def clear(self) -> None:
        """Forgets all rows; its random numbers go on as they were."""
        self._together, self._apart = 0, None
        self._store.clear()
        if self._priorities is not None:
            self._priorities.clear()

    # PRIORITIES
    def update_priorities(self, index: Tensor, priority: Values) -> None:
        """Gives rows new priorities (absolute TD errors); of a row that is there twice the larger one counts.

        Args:
            index: Rows ``[P, n]``, as sampled. What was added since may have taken their place: update first.
            priority: ``[P, n]``, at least 0.

        Raises:
            ConfigError: If the buffer has no priorities, or these are not possible.
        """
        if index.shape != priority.shape or index.ndim != 2 or index.shape[0] != self.members:
            raise ConfigError(f"index and priority must both have shape ({self.members}, n)")
        priorities = self._prioritised()
        sizes = self.sizes.unsqueeze(1).to(index.device)
        if not bool(((index >= 0) & (index < sizes)).all()):
            raise ConfigError("index has rows that the buffer does not have")
        new = priorities.checked(torch.as_tensor(priority)).flatten()
        priorities.set(self._members(index.shape[1]), index.to(self.device).flatten(), new)

    def _prioritised(self) -> Prioritised:
        if self._priorities is None:
            raise ConfigError(f"only prioritised replay has priorities, this is {self.kind}")
        return self._priorities

    # STATE
    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly; tensors whose leading dimension is the member.

        Only rows in use are in it, unless members may have different numbers of rows.
        """
        return {name: value.detach().cpu().clone() for name, value in self._views().items()}

    def _views(self) -> dict[str, Tensor]:
        """What `state` copies."""
        used = len(self) if self._apart is None else self.capacity
        views = self._store.views(used) | {"seen": self.seen}
        views["ragged"] = torch.full((self.members,), self._apart is not None)
        views |= {f"draws.{name}": value for name, value in self._draws.state().items()}
        if self._priorities is not None:
            views |= self._priorities.state(used)
        return views

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned.

        Raises:
            ConfigError: If it is the state of another kind of buffer.
        """
        wrong = "the saved replay buffer does not fit this one: "
        now = self._views()
        for name in sorted(state.keys() ^ now.keys()):
            raise ConfigError(f"{wrong}{'it has' if name in state else 'it has no'} {name}")
        for name, value in now.items():
            saved, per_row = state[name], name == "weights" or name.startswith("data.")
            k = 2 if per_row else 1  # the number of rows may differ
            same = saved.shape[k:] == value.shape[k:] and saved.dtype == value.dtype
            if (
                not same
                or len(saved) != self.members
                or (per_row and saved.shape[1] > self.capacity)
            ):
                raise ConfigError(f"{wrong}{name} differs")
        self._store.restore(state)
        seen = state["seen"].numpy().copy()
        self._together = int(seen[0])
        self._apart = seen if bool(state["ragged"].any()) else None
        self._draws.set_state({name: state[f"draws.{name}"] for name in ("generators", "used")})
        if self._priorities is not None:
            self._priorities.set_state(state["weights"], state["largest"])

"""Replay buffers of P members: what they share, and the buffer of single steps.

Each member has its own stream of random numbers, so what it keeps and draws does not depend on the
others. ``str(buffer)`` is one line with kind, size and memory.

    from prefrontal.agents.common.seeding import generator
    from prefrontal.agents.replay.buffer import TransitionBuffer
    from prefrontal.agents.replay.store import Field

    fields = [Field("observation", (17,)), Field("action", (6,)), Field("reward")]
    generators = [generator(seed, member, "replay") for member in range(8)]
    buffer = TransitionBuffer(8, 100_000, fields, generators)
    buffer.add({"observation": ..., "action": ..., "reward": ...})  # [8, n, ...] each
    batch = buffer.sample(256)  # batch.data["observation"]: [8, 256, 17]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.memory import require_memory
from prefrontal.agents.common.seeding import generator_states, set_generator_states
from prefrontal.agents.replay.priorities import Priorities, Prioritised, priority_bytes
from prefrontal.agents.replay.store import (
    Field,
    Placed,
    Sample,
    Store,
    Values,
    row_fields,
)

Kind = Literal["uniform", "prioritised", "reservoir"]

BLOCK = 1024  # random numbers of a stream that are drawn at a time


class Uniforms:
    """Uniform random numbers in [0, 1) of P streams, drawn in blocks.

    A call costs the same for one member as for many. Numbers have 53 bits: with 24 the rows of a
    large buffer would be drawn unevenly. A stream is what ``torch.rand(..., dtype=torch.float64)``
    draws from its generator (one a member, on the CPU), in whatever pieces it is taken. Generators
    are read ahead: nobody else may draw from them.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = list(generators)
        if len({id(g) for g in self.generators}) < len(self.generators):
            raise ConfigError("every member of a replay buffer needs a generator of its own")
        self._block = torch.empty(len(self.generators), BLOCK, dtype=torch.float64)
        self._numbers: NDArray[np.float64] = self._block.numpy()
        self._before = generator_states(self.generators)  # before the block was drawn
        self._used = BLOCK  # numbers of the block that were taken; at first there is no block

    def take(self, n: int) -> NDArray[np.float64]:
        """Return the next n numbers of each stream, ``[P, n]``. They hold until the next call."""
        if self._used + n <= BLOCK:
            self._used += n
            return self._numbers[:, self._used - n : self._used]
        out = np.empty((len(self.generators), n))
        done = 0
        while done < n:
            if self._used == BLOCK:
                self._before = generator_states(self.generators)
                self._draw()
            part = min(n - done, BLOCK - self._used)
            out[:, done : done + part] = self._numbers[:, self._used : self._used + part]
            self._used, done = self._used + part, done + part
        return out

    def state(self) -> dict[str, Tensor]:
        """Return where each stream is; tensors ``[P, ...]``."""
        return {
            "generators": self._before if self._used < BLOCK else generator_states(self.generators),
            "used": torch.full((len(self.generators),), self._used),
        }

    def set_state(self, generators: Tensor, used: Tensor) -> None:
        """Restore what `state` returned."""
        self._before = generators.clone()
        set_generator_states(self.generators, self._before)
        if int(used[0]) < BLOCK:
            self._draw()
        self._used = int(used[0])

    def _draw(self) -> None:
        for row, g in zip(self._block, self.generators, strict=True):
            torch.rand(BLOCK, dtype=torch.float64, generator=g, out=row)
        self._used = 0


def reservoir(seen: int, capacity: int, u: NDArray[np.float64]) -> Placed:
    """Return the slots of new rows, so that all rows ever added are equally likely to be kept.

    Row t (from 0) of a stream goes to slot t while there is room; then to slot j, drawn from
    0 … t, if there is such a slot, else it is dropped (Vitter 1985, algorithm R). Each new row has
    a uniform number u in [0, 1), ``[P, n]``; `seen` rows were added before.
    """
    t = seen + np.arange(u.shape[1])
    slots = np.where(t < capacity, t, (u * (t + 1)).astype(np.int64))
    member, source = (slots < capacity).nonzero()
    slot = slots[member, source]
    # Of rows with the same slot only the last one is there in the end.
    key = member * capacity + slot
    order = np.argsort(key, kind="stable")
    last = np.ones(len(key), bool)
    last[:-1] = np.diff(key[order]) > 0
    kept = order[last]
    return Placed(member[kept], source[kept], slot[kept])


class Buffer:
    """Rows of P members: single steps, or trajectories of up to `steps` steps.

    - "uniform": the newest `capacity` rows (a ring), all drawn with the same probability.
    - "prioritised": the newest `capacity` rows, drawn in proportion to priority^alpha.
    - "reservoir": a uniform sample of all rows ever added, all drawn with the same probability.

    Args:
        members: Members P.
        capacity: Rows of each.
        fields: What is stored.
        generators: One per member, of its own (`agents.common.seeding`, stream "replay").
        kind: See above.
        steps: Steps of the longest trajectory; None for single steps.
        priorities: Settings of "prioritised"; None for the defaults.
        device: Where samples are needed. The rows are kept in main memory.

    Raises:
        ConfigError: If an argument is not possible, or there is not that much memory.
    """

    def __init__(
        self,
        members: int,
        capacity: int,
        fields: Sequence[Field],
        generators: Sequence[torch.Generator],
        kind: Kind = "uniform",
        steps: int | None = None,
        priorities: Priorities | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if kind not in get_args(Kind):
            allowed = ", ".join(get_args(Kind))
            raise ConfigError(f"kind of replay must be one of {allowed}, not {kind!r}")
        if priorities is not None and kind != "prioritised":
            raise ConfigError(f'settings of priorities need kind "prioritised", not {kind!r}')
        if members < 1 or len(generators) != members:
            raise ConfigError(f"{members} members need as many generators, not {len(generators)}")
        if capacity < 1:
            raise ConfigError(f"capacity of a replay buffer must be at least 1, not {capacity}")
        self.members, self.capacity, self.kind, self.steps = members, capacity, kind, steps
        self.device = torch.device(device)
        columns = row_fields(fields, steps)
        self.nbytes = members * capacity * sum(field.nbytes for field in columns)
        if kind == "prioritised":
            self.nbytes += priority_bytes(members, capacity)
        require_memory(self.nbytes, str(self), "give it a smaller capacity")
        self._store = Store(members, capacity, columns)
        self._draws = Uniforms(generators)
        self._seen = 0  # rows that every member has ever added
        self._priorities: Prioritised | None = None
        if kind == "prioritised":
            self._priorities = Prioritised(members, capacity, priorities or Priorities())

    def __len__(self) -> int:
        """Return the number of rows of every member."""
        return min(self._seen, self.capacity)

    def __str__(self) -> str:
        """Return kind, size and memory in one line."""
        rows = "transitions" if self.steps is None else f"trajectories of {self.steps:,} steps"
        size = f"{self.members} x {self.capacity:,} {rows}"
        return f"{self.kind} replay of {size} ({self.nbytes / 1e6:,.3g} MB)"

    # ADD
    def _add_rows(self, rows: Mapping[str, Values], priority: Values | None) -> None:
        """Add rows ``[P, n, ...]`` in their order, with priorities ``[P, n]``."""
        n = self._store.count(rows)
        if priority is not None:
            if priority.shape != (self.members, n):
                wanted, given = f"({self.members}, {n})", tuple(priority.shape)
                raise ConfigError(f"priority must have shape {wanted}, not {given}")
            priority = self._prioritised().checked(torch.as_tensor(priority))
        if self.kind == "reservoir":
            self._store.put(rows, reservoir(self._seen, self.capacity, self._draws.take(n)))
            self._seen += n
        else:
            self._add_to_ring(rows, n, priority)

    def _add_to_ring(self, rows: Mapping[str, Values], n: int, priority: Tensor | None) -> None:
        """Write the last `capacity` of n rows in at most two slices."""
        done = n - self.capacity if n > self.capacity else 0
        slot = (self._seen + done) % self.capacity
        self._seen += n
        while done < n:
            last = n if slot + n - done <= self.capacity else done + self.capacity - slot
            self._store.put_slice(rows, done, last, slot)
            if self._priorities is not None:
                index = torch.arange(slot, slot + last - done)
                new = None if priority is None else priority[:, done:last].flatten()
                member = self._members(last - done)
                self._priorities.set(member, index.repeat(self.members), new)
            slot, done = (slot + last - done) % self.capacity, last

    def _members(self, n: int) -> Tensor:
        """Return the member of each of n rows per member, ``[P · n]``."""
        return torch.arange(self.members).repeat_interleave(n)

    # SAMPLE
    def _draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw rows with replacement; return their indices and importance weights, ``[P, n]``."""
        u = self._uniforms(n)
        if self._priorities is None:
            return torch.from_numpy((u * len(self)).astype(np.int64)), torch.ones(u.shape)
        index, probability = self._priorities.draw(torch.from_numpy(u))
        return index, self._priorities.weights(probability, len(self))

    def _uniforms(self, n: int) -> NDArray[np.float64]:
        """Return the next numbers in [0, 1) of every member, ``[P, n]``, for a sample of n."""
        if n < 1:
            raise ConfigError(f"a sample must have at least one row, not {n}")
        if len(self) == 0:
            raise ConfigError("a replay buffer can be sampled once something was added to it")
        return self._draws.take(n)

    # PRIORITIES
    def update_priorities(self, index: Tensor, priority: Values) -> None:
        """Give rows new priorities (absolute TD errors); of equal rows the larger one counts.

        Args:
            index: Rows ``[P, n]``, as sampled; update before you add, which may replace them.
            priority: ``[P, n]``, at least 0.

        Raises:
            ConfigError: If the buffer has no priorities, or these are not possible.
        """
        if index.shape != priority.shape or index.ndim != 2 or index.shape[0] != self.members:
            raise ConfigError(f"index and priority must both have shape ({self.members}, n)")
        priorities = self._prioritised()
        index = index.cpu()
        if not bool(((index >= 0) & (index < len(self))).all()):
            raise ConfigError("index has rows that the buffer does not have")
        new = priorities.checked(torch.as_tensor(priority)).flatten()
        priorities.set(self._members(index.shape[1]), index.flatten(), new)

    def _prioritised(self) -> Prioritised:
        if self._priorities is None:
            raise ConfigError(f"only prioritised replay has priorities, this is {self.kind}")
        return self._priorities

    # STATE
    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly: tensors ``[P, ...]`` of the rows in use."""
        return {name: value.detach().cpu().clone() for name, value in self._views().items()}

    def _views(self) -> dict[str, Tensor]:
        """Return what `state` copies."""
        views = self._store.views(len(self))
        views["seen"] = torch.full((self.members,), self._seen)
        # Checkpoints have this key: members once could have different numbers of rows.
        views["ragged"] = torch.zeros(self.members, dtype=torch.bool)
        views |= {f"draws.{name}": value for name, value in self._draws.state().items()}
        if self._priorities is not None:
            views |= self._priorities.state(len(self))
        return views

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned; raise a `ConfigError` if another buffer did."""
        wrong = "the saved replay buffer does not fit this one: "
        now = self._views()
        for name in sorted(state.keys() ^ now.keys()):
            raise ConfigError(f"{wrong}{'it has' if name in state else 'it has no'} {name}")
        for name, value in now.items():
            saved, per_row = state[name], name == "weights" or name.startswith("data.")
            k = 2 if per_row else 1  # the number of rows may differ
            given, wanted = (saved.shape[k:], saved.dtype), (value.shape[k:], value.dtype)
            fits = given == wanted and len(saved) == self.members
            if not fits or (per_row and saved.shape[1] > self.capacity):
                raise ConfigError(f"{wrong}{name} differs")
        if bool((state["seen"] != state["seen"][0]).any()):
            raise ConfigError(f"{wrong}its members have different numbers of rows")
        self._store.restore(state)
        self._seen = int(state["seen"][0])
        self._draws.set_state(state["draws.generators"], state["draws.used"])
        if self._priorities is not None:
            self._priorities.set_state(state["weights"], state["largest"])


class TransitionBuffer(Buffer):
    """Single steps of P members; the arguments are those of `Buffer`, without `steps`."""

    def add(self, batch: Mapping[str, Values], priority: Values | None = None) -> None:
        """Add steps, in their order.

        Args:
            batch: Fields, ``[P, n, ...]`` each, tensors or arrays.
            priority: ``[P, n]``; None for the largest that the member has been given (1 at first).

        Raises:
            ConfigError: If a shape or a priority is not possible.
        """
        self._add_rows(batch, priority)

    def sample(self, n: int) -> Sample:
        """Draw n steps of every member.

        Raises:
            ConfigError: If there are none.
        """
        index, weight = self._draw(n)
        places = self._store.places(index)
        data = {name: self._store.gather(name, places) for name in self._store.data}
        return Sample(data, index, weight).to(self.device)

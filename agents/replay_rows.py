"""The store under every replay buffer: P members side by side, rows of several fields, and the rule of what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from agents.errors import ConfigError
from agents.replay_fields import check_memory, in_words
from agents.replay_priority import Priorities, SumTree, importance_weights, tree_bytes
from agents.seeding import generator_states, set_generator_states

__all__ = ["Column", "Kind", "Rows", "row_bytes"]

Kind = Literal["uniform", "prioritised", "reservoir"]


@dataclass(frozen=True)
class Column:
    """A field as it is stored: `shape` of a whole row."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of one row."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize


def row_bytes(members: int, capacity: int, columns: Sequence[Column], kind: Kind) -> int:
    """Bytes that `Rows` takes: its columns and, for prioritised replay, its sum tree and largest priorities."""
    size = members * capacity * sum(column.nbytes for column in columns)
    return size + (tree_bytes(members, capacity) + 8 * members if kind == "prioritised" else 0)


class Rows:
    """What is kept, and drawn, of P streams of rows.

    - "uniform": the newest `capacity` rows (a ring); each is drawn with the same probability.
    - "prioritised": the newest `capacity` rows, drawn in proportion to priority^alpha.
    - "reservoir": of all rows ever added each is kept with the same probability (Vitter 1985, algorithm R).

    Args:
        members: Number of streams P.
        capacity: Rows of each.
        columns: What a row is.
        generators: One generator a member, of its own: a member's rows and draws do not depend on the others.
        kind: See above.
        priorities: Settings of "prioritised".
        device: Where the rows are.

    Raises:
        ConfigError: If an argument is not possible, or there is less memory than that takes.
    """

    def __init__(
        self,
        members: int,
        capacity: int,
        columns: Sequence[Column],
        generators: Sequence[torch.Generator],
        kind: Kind = "uniform",
        priorities: Priorities | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if kind not in get_args(Kind):
            raise ConfigError(
                f"kind of replay must be one of {', '.join(get_args(Kind))}, not {kind!r}"
            )
        if members < 1 or capacity < 1:
            raise ConfigError(
                "a replay buffer needs at least one member and a capacity of at least 1"
            )
        if len(generators) != members:
            raise ConfigError(f"{members} members need as many generators, not {len(generators)}")
        if priorities is not None and kind != "prioritised":
            raise ConfigError(f'settings of priorities need kind "prioritised", not {kind!r}')
        self.nbytes = row_bytes(members, capacity, columns, kind)
        check_memory(self.nbytes, f"a replay buffer of {members} x {capacity:,} rows", device)
        self.members, self.capacity, self.kind = members, capacity, kind
        self.columns = {column.name: column for column in columns}
        self.generators, self.device = list(generators), torch.device(device)
        self.priorities = priorities or Priorities()
        self.data = {
            column.name: torch.zeros(
                members, capacity, *column.shape, dtype=column.dtype, device=device
            )
            for column in columns
        }
        self.seen = torch.zeros(members, dtype=torch.int64)
        self.ragged = False  # whether members may have been given different numbers of rows
        self.tree: SumTree | None = None
        if kind == "prioritised":
            self.tree = SumTree(members, capacity, device)
            self.largest = torch.ones(members, dtype=torch.float64, device=device)

    @property
    def sizes(self) -> Tensor:
        """Rows that each member has, ``[P]``."""
        return self.seen.clamp(max=self.capacity)

    def __len__(self) -> int:
        """Rows that every member has at least."""
        return int(self.sizes.min())

    def __str__(self) -> str:
        """What it is and what it takes, in one line."""
        return f"{self.kind} replay: {self.members} x {self.capacity:,} rows of {len(self.data)} fields, {in_words(self.nbytes)}"

    # ADD
    def add(
        self,
        rows: Mapping[str, Tensor],
        mask: Tensor | None = None,
        priority: Tensor | None = None,
    ) -> None:
        """Adds rows ``[P, n, ...]``, in their order.

        Args:
            rows: One entry per column.
            mask: Which of them to add, ``[P, n]`` of bool; None for all.
            priority: Their priorities ``[P, n]``; None for the largest that the member has seen (1 at first).
        """
        n = self._check(rows, mask, priority)
        if n == 0:
            return
        if mask is None:
            counts = torch.full((self.members, 1), n)
            order = torch.arange(n).expand(self.members, n)
            valid = torch.ones(self.members, n, dtype=torch.bool)
        else:
            self.ragged = True
            valid = mask.to("cpu", torch.bool)
            counts = valid.sum(1, keepdim=True)
            order = valid.cumsum(1) - 1
        slots = self.seen.unsqueeze(1) + order
        if self.kind == "reservoir":
            slots, valid = self._reservoir(slots, valid)
        else:
            valid = valid & (order >= counts - self.capacity)
            slots = slots % self.capacity
        member, source = valid.nonzero(as_tuple=True)
        slot = slots[member, source]
        if self.kind == "reservoir":
            member, source, slot = _last(member, source, slot, self.capacity)
        member, source, slot = (x.to(self.device) for x in (member, source, slot))
        into = member * self.capacity + slot
        for name, stored in self.data.items():
            value = rows[name].to(self.device)
            chosen = value.reshape(-1, *value.shape[2:])[member * n + source]
            stored.view(-1, *stored.shape[2:])[into] = chosen.to(stored.dtype)
        if self.tree is not None:
            if priority is None:
                weight = self._weight(self.largest)[member]
            else:
                given = priority.to(self.device, torch.float64)
                self.largest = torch.maximum(
                    self.largest, torch.where(valid.to(self.device), given, 0.0).amax(1)
                )
                weight = self._weight(given)[member, source]
            self.tree.set(member, slot, weight)
        self.seen += counts.squeeze(1)

    def _reservoir(self, order: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Row t (from 0) of a stream goes to slot t while there is room, then to floor(u (t + 1)) if that is a slot."""
        draws = torch.stack(
            [torch.rand(order.shape[1], dtype=torch.float64, generator=g) for g in self.generators]
        )
        slots = torch.where(order < self.capacity, order, (draws * (order + 1)).long())
        return slots, valid & (slots < self.capacity)

    # SAMPLE
    def draw(self, n: int, beta: float | None = None) -> tuple[Tensor, Tensor]:
        """Indices ``[P, n]`` of rows, drawn with replacement, and their importance weights ``[P, n]``."""
        sizes = self.sizes.unsqueeze(1)
        if n < 1:
            raise ConfigError(f"a sample must have at least one row, not {n}")
        if not bool(self.seen.min() > 0):
            raise ConfigError(
                "a replay buffer cannot be sampled before every member has added to it"
            )
        u = self.uniforms(n)
        if self.tree is None:
            index = torch.minimum((u * sizes).long(), sizes - 1)
            return index.to(self.device), torch.ones(index.shape, device=self.device)
        if self.priorities.stratified:
            u = (u + torch.arange(n)) / n
        index = self.tree.find(u.to(self.device))
        beta = self.priorities.beta if beta is None else beta
        weight = importance_weights(self.probability(index), sizes.to(self.device), beta)
        return index, weight.float()

    def uniforms(self, n: int) -> Tensor:
        """Numbers in [0, 1), ``[P, n]`` of float64 (with 24 bits large buffers would be drawn from unevenly)."""
        return torch.stack(
            [torch.rand(n, dtype=torch.float64, generator=g) for g in self.generators]
        )

    def probability(self, index: Tensor) -> Tensor:
        """P(i) of rows ``[P, n]`` under prioritised replay."""
        assert self.tree is not None
        return self.tree.leaves.gather(1, index) / self.tree.total().unsqueeze(1)

    def gather(self, name: str, index: Tensor) -> Tensor:
        """Rows ``[P, n, ...]`` of one column."""
        stored = self.data[name]
        start = torch.arange(self.members, device=self.device).unsqueeze(1) * self.capacity
        flat = stored.view(self.members * self.capacity, -1)
        rows = flat.index_select(0, (index + start).view(-1))
        return rows.view(*index.shape, *stored.shape[2:])

    def update(self, index: Tensor, priority: Tensor) -> None:
        """Gives rows new priorities; of a row that is there twice the larger one counts. Both ``[P, n]``."""
        if self.tree is None:
            raise ConfigError(f"only prioritised replay has priorities, this is {self.kind}")
        priority = priority.detach().to(self.device, torch.float64)
        if index.shape != priority.shape or index.shape[0] != self.members:
            raise ConfigError("index and priority must both have shape [members, n]")
        if not bool((priority >= 0).all() & priority.isfinite().all()):
            raise ConfigError("priorities must be finite and not negative")
        self.largest = torch.maximum(self.largest, priority.amax(1))
        # The larger one of equal rows: give it to all of them.
        index = index.to(self.device)
        largest = torch.zeros(self.members, self.capacity, dtype=torch.float64, device=self.device)
        largest.scatter_reduce_(1, index, priority, "amax", include_self=False)
        member = torch.arange(self.members, device=self.device).repeat_interleave(index.shape[1])
        weight = self._weight(largest.gather(1, index))
        self.tree.set(member, index.reshape(-1), weight.view(-1))

    def _weight(self, priority: Tensor) -> Tensor:
        return (priority + self.priorities.epsilon).pow(self.priorities.alpha)

    # STATE
    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly; tensors whose leading dimension is the member.

        Only rows in use are in it, unless members were given different numbers of rows.
        """
        used = self.capacity if self.ragged else int(self.sizes.max())
        state = {f"data.{name}": value[:, :used] for name, value in self.data.items()}
        state["seen"] = self.seen
        state["ragged"] = torch.full((self.members,), self.ragged)
        state["generators"] = generator_states(self.generators)
        if self.tree is not None:
            state |= {"weights": self.tree.leaves[:, :used], "largest": self.largest}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned.

        Raises:
            ConfigError: If it is of a buffer of another shape.
        """
        for name, stored in self.data.items():
            value = state.get(f"data.{name}")
            if (
                value is None
                or value.shape[0] != self.members
                or value.shape[1] > self.capacity
                or value.shape[2:] != stored.shape[2:]
                or value.dtype != stored.dtype
            ):
                raise ConfigError(f"the saved replay buffer does not fit this one: field {name!r}")
            stored.zero_()
            stored[:, : value.shape[1]] = value.to(self.device)
        self.seen = state["seen"].clone()
        self.ragged = bool(state["ragged"].any())
        set_generator_states(self.generators, state["generators"])
        if self.tree is not None:
            leaves = torch.zeros(self.members, self.capacity, dtype=torch.float64)
            leaves[:, : state["weights"].shape[1]] = state["weights"]
            self.tree.rebuild(leaves.to(self.device))
            self.largest = state["largest"].to(self.device).clone()

    def _check(
        self, rows: Mapping[str, Tensor], mask: Tensor | None, priority: Tensor | None
    ) -> int:
        """How many rows n there are, if all is as it must be."""
        if rows.keys() != self.columns.keys():
            raise ConfigError(
                f"a replay buffer of {', '.join(self.columns)} cannot add {', '.join(rows)}"
            )
        n = next(iter(rows.values())).shape[1]
        for name, column in self.columns.items():
            wanted = (self.members, n, *column.shape)
            if rows[name].shape != wanted:
                raise ConfigError(
                    f"field {name!r} must have shape {wanted}, not {tuple(rows[name].shape)}"
                )
        if priority is not None and self.tree is None:
            raise ConfigError(f"only prioritised replay has priorities, this is {self.kind}")
        for name, value in (("mask", mask), ("priority", priority)):
            if value is not None and value.shape != (self.members, n):
                raise ConfigError(
                    f"{name} must have shape {(self.members, n)}, not {tuple(value.shape)}"
                )
        return n


def _last(
    member: Tensor, source: Tensor, slot: Tensor, capacity: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the rows that go to one slot the last one: it would overwrite the others."""
    key = member * capacity + slot
    order = torch.sort(key, stable=True).indices  # `source` ascends within a member
    key = key[order]
    last = torch.ones_like(key, dtype=torch.bool)
    last[:-1] = key[1:] != key[:-1]
    keep = order[last]
    return member[keep], source[keep], slot[keep]

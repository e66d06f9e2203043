"""The memory of a replay buffer: rows of several fields for P members, written and read in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.agents.replay.fields import Column, check_rows
from prefrontal.agents.replay.slots import Placed

__all__ = ["Sample", "Store", "Values"]

Values: TypeAlias = Tensor | NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """Rows drawn from a buffer, with replacement.

    Attributes:
        data: Their fields, ``[P, n, ...]`` each.
        index: Where they are, ``[P, n]``, for `update_priorities`.
        weight: Importance weights ``[P, n]``, at most 1; all 1 without priorities.
    """

    data: dict[str, Tensor]
    index: Tensor
    weight: Tensor


class Store:
    """Tensors ``[P, capacity, ...]``, allocated once; which row goes where is for others to say.

    On the CPU rows are moved by NumPy, in the same memory: it copies small rows several times faster than PyTorch.

    Args:
        members: Members P.
        capacity: Rows of each.
        columns: What a row is.
        device: Where.
    """

    def __init__(
        self, members: int, capacity: int, columns: Sequence[Column], device: torch.device
    ) -> None:
        self.members, self.capacity, self.device = members, capacity, device
        self.columns = {column.name: column for column in columns}
        self.data = {
            name: torch.zeros(members, capacity, *c.shape, dtype=c.dtype, device=device)
            for name, c in self.columns.items()
        }
        self.arrays: dict[str, NDArray[Any]] | None = None
        if device.type == "cpu":
            self.arrays = {name: _array(value) for name, value in self.data.items()}
        # A single member's rows are written without its axis: one index less to go through.
        arrays = self.arrays or {}
        self._targets = {name: a[0] if members == 1 else a for name, a in arrays.items()}
        self._bfloat16 = {name for name, c in self.columns.items() if c.dtype == torch.bfloat16}
        self._count = 0  # of the rows added last, and their shapes
        self._shapes: dict[str, tuple[int, ...]] = {}

    def count(self, rows: Mapping[str, Values]) -> int:
        """How many rows n there are in ``[P, n, ...]``.

        Raises:
            ConfigError: If a field is missing or not wanted, or has another shape.
        """
        shapes = self._shapes
        if len(rows) == len(shapes):  # most of the time they are as they were before
            for name, value in rows.items():
                if name not in shapes or value.shape != shapes[name]:
                    break
            else:
                return self._count
        self._count = n = check_rows(rows, self.members, self.columns)
        self._shapes = {name: (self.members, n, *c.shape) for name, c in self.columns.items()}
        return n

    def put_slice(self, rows: Mapping[str, Values], first: int, last: int, slot: int) -> None:
        """Writes rows number first … last - 1 of every member into `slot` and those after it."""
        if last - first < self._count:
            rows = {name: value[:, first:last] for name, value in rows.items()}
        slots = slice(slot, slot + last - first)
        if self.arrays is None:
            for name, value in rows.items():
                self.data[name][:, slots] = torch.as_tensor(value)
            return
        into: Any = slots if self.members == 1 else (slice(None), slots)
        targets, array = self._targets, None if self._bfloat16 else np.ndarray
        for name, value in rows.items():
            targets[name][into] = value if type(value) is array else self._host(name, value)

    def put(self, rows: Mapping[str, Values], placed: Placed) -> None:
        """Writes each row into a slot of its own."""
        if self.arrays is not None:
            member, source, slot = placed
            for name, value in rows.items():
                self.arrays[name][member, slot] = self._host(name, value)[member, source]
            return
        at, taken, into = (self.on(x) for x in placed)
        for name, value in rows.items():
            chosen = torch.as_tensor(value).to(self.device)[at, taken]
            self.data[name][at, into] = chosen.to(self.data[name].dtype)

    def places(self, index: Tensor) -> Any:
        """Where rows ``[P, n]`` are among the rows of all members: an array on the CPU, else a tensor."""
        if self.members > 1:
            first = torch.arange(0, self.members * self.capacity, self.capacity, device=self.device)
            index = index + first.unsqueeze(1)
        return index if self.arrays is None else index.numpy()

    def gather(self, name: str, places: Any, per_entry: bool = False) -> Tensor:
        """A copy of what is at `places` of one field, ``[P, n, ...]``: rows, or single entries of rows."""
        stored = self.data[name]
        shape = stored.shape[3 if per_entry else 2 :]
        if self.arrays is None:
            chosen = stored.view(-1, *shape).index_select(0, places.flatten())
            return chosen.view(*places.shape, *shape)
        chosen = torch.from_numpy(self.arrays[name].reshape(-1, *shape).take(places, 0))
        return chosen.view(torch.bfloat16) if stored.dtype == torch.bfloat16 else chosen

    def views(self, used: int) -> dict[str, Tensor]:
        """The first `used` rows of each member."""
        return {f"data.{name}": value[:, :used] for name, value in self.data.items()}

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Writes back what `views` showed; later rows become 0."""
        for name, stored in self.data.items():
            value = saved[f"data.{name}"]
            stored[:, : value.shape[1]] = value.to(self.device)
            stored[:, value.shape[1] :] = 0

    def clear(self) -> None:
        """Makes all rows 0."""
        for stored in self.data.values():
            stored.zero_()

    def on(self, array: NDArray[Any]) -> Tensor:
        """An array as a tensor on the device."""
        tensor = torch.from_numpy(array)
        return tensor if self.arrays is not None else tensor.to(self.device)

    def _host(self, name: str, value: Values) -> NDArray[Any]:
        """What is written, as an array that can be put into `arrays`."""
        if name in self._bfloat16:
            return torch.as_tensor(value).to("cpu", torch.bfloat16).view(torch.int16).numpy()
        if isinstance(value, np.ndarray):
            return value
        try:
            return value.numpy()
        except (RuntimeError, TypeError):  # it has a gradient, is elsewhere or of a type of its own
            value = value.detach().cpu()
            return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _array(stored: Tensor) -> NDArray[Any]:
    """The same memory as an array; NumPy has no bfloat16."""
    return (stored.view(torch.int16) if stored.dtype == torch.bfloat16 else stored).numpy()

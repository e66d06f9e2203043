"""The memory of a replay buffer: rows of several fields for P members, moved in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError

Values: TypeAlias = Tensor | NDArray[Any]
S = TypeVar("S", bound="Sample")

LENGTHS = "lengths"  # a field of every buffer of trajectories
DTYPES = (
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.float32, torch.float64),
)


# FIELDS


@dataclass(frozen=True)
class Field:
    """One quantity that a replay buffer stores.

    Attributes:
        name: Name in what is added and sampled.
        shape: Shape for one step, ``()`` for a number.
        dtype: How it is stored; added values are converted (a reward of 0 or 1 fits into uint8).
        every: For trajectories only: the field is kept at steps 0, every, 2 · every, …; 1 is every
            step, 0 is once per trajectory (parameters of its task, its first recurrent state).

    Raises:
        ConfigError: If a value is not allowed.
    """

    name: str
    shape: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32
    every: int = 1

    def __post_init__(self) -> None:
        """Check the values."""
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        if not self.name:
            raise ConfigError("a field needs a name")
        if any(size < 1 for size in self.shape):
            raise ConfigError(f"shape of field {self.name!r} must be positive, not {self.shape}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"field {self.name!r} cannot be stored as {self.dtype}")
        if self.every < 0:
            raise ConfigError(f"every of field {self.name!r} must not be negative")

    @property
    def nbytes(self) -> int:
        """Bytes of one value."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize

    def slots(self, steps: int) -> int:
        """Return the number of values kept of a trajectory of `steps` steps."""
        return 1 if self.every == 0 else -(-steps // self.every)


def row_fields(fields: Sequence[Field], steps: int | None = None) -> list[Field]:
    """Return the fields of a row of `steps` steps (None: a single one), with the shapes of a row.

    Raises:
        ConfigError: If there is no field, or two have the same name.
    """
    if not fields:
        raise ConfigError("a replay buffer needs at least one field")
    rows = list(fields)
    if steps is not None:
        rows = [replace(f, shape=(f.slots(steps), *f.shape)) if f.every else f for f in fields]
        rows.append(Field(LENGTHS, dtype=torch.int64))
    names = [field.name for field in rows]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"a replay buffer cannot have two fields {name!r}")
    return rows


# ROWS


@dataclass(frozen=True)
class Sample:
    """Rows drawn from a buffer, with replacement.

    Attributes:
        data: The fields, ``[P, n, ...]`` each.
        index: Where the rows are, ``[P, n]``, for `update_priorities`.
        weight: Importance weights ``[P, n]``, at most 1; all 1 without priorities.
    """

    data: dict[str, Tensor]
    index: Tensor
    weight: Tensor

    def to(self: S, device: torch.device) -> S:
        """Return the sample on a device."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {k: v.to(device) for k, v in vars(self).items() if k != "data"}
        return replace(self, data={k: v.to(device) for k, v in self.data.items()}, **moved)


class Placed(NamedTuple):
    """Rows to keep, ``[m]`` each: `member`'s new row number `source` goes to `slot` of its own."""

    member: NDArray[np.int64]
    source: NDArray[np.int64]
    slot: NDArray[np.int64]


class Store:
    """Tensors ``[P, capacity, ...]`` on the CPU, allocated once; the caller says what goes where.

    NumPy moves the rows, in the same memory: it copies small ones several times faster than
    PyTorch. `columns` are the fields of a row, see `row_fields`.
    """

    def __init__(self, members: int, capacity: int, columns: Sequence[Field]) -> None:
        self.members, self.capacity = members, capacity
        self.fields = {field.name: field for field in columns}
        self.data = {
            name: torch.zeros(members, capacity, *f.shape, dtype=f.dtype)
            for name, f in self.fields.items()
        }
        self.arrays: dict[str, NDArray[Any]] = {n: value.numpy() for n, value in self.data.items()}
        # A single member's rows are written without its axis: one index less to go through.
        self._targets = {name: a[0] if members == 1 else a for name, a in self.arrays.items()}
        self._count = 0  # of the rows added last, and their shapes
        self._shapes: dict[str, tuple[int, ...]] = {}

    def count(self, rows: Mapping[str, Values]) -> int:
        """Return the number n of rows in ``[P, n, ...]``.

        Raises:
            ConfigError: If a field is missing or unknown, or has another shape.
        """
        shapes = self._shapes
        if len(rows) == len(shapes):  # most of the time they are as they were before
            for name, value in rows.items():
                if name not in shapes or value.shape != shapes[name]:
                    break
            else:
                return self._count
        check_names(rows, self.fields)
        n = -1
        for name, field in self.fields.items():
            shape = rows[name].shape
            n = shape[1] if n < 0 and len(shape) > 1 else n
            if shape != (self.members, n, *field.shape):
                wanted = ", ".join(map(str, (self.members, "n" if n < 0 else n, *field.shape)))
                raise ConfigError(f"field {name!r} must have shape ({wanted}), not {tuple(shape)}")
        self._count = n
        self._shapes = {name: (self.members, n, *f.shape) for name, f in self.fields.items()}
        return n

    def put_slice(self, rows: Mapping[str, Values], first: int, last: int, slot: int) -> None:
        """Write rows number first … last - 1 of every member into `slot` and those after it."""
        if last - first < self._count:
            rows = {name: value[:, first:last] for name, value in rows.items()}
        slots = slice(slot, slot + last - first)
        into: Any = slots if self.members == 1 else (slice(None), slots)
        targets, array = self._targets, np.ndarray
        for name, value in rows.items():
            targets[name][into] = value if type(value) is array else _host(value)

    def put(self, rows: Mapping[str, Values], placed: Placed) -> None:
        """Write each row into a slot of its own."""
        member, source, slot = placed
        for name, value in rows.items():
            self.arrays[name][member, slot] = _host(value)[member, source]

    def places(self, index: Tensor) -> NDArray[np.int64]:
        """Return where rows ``[P, n]`` are among the rows of all members."""
        if self.members > 1:
            first = torch.arange(0, self.members * self.capacity, self.capacity)
            index = index + first.unsqueeze(1)
        return index.numpy()

    def gather(self, name: str, places: NDArray[np.int64], per_entry: bool = False) -> Tensor:
        """Return a copy of one field at `places`, ``[P, n, ...]``: rows, or entries of rows."""
        stored = self.arrays[name]
        shape = stored.shape[3 if per_entry else 2 :]
        return torch.from_numpy(stored.reshape(-1, *shape).take(places, 0))

    def views(self, used: int) -> dict[str, Tensor]:
        """Return the first `used` rows of each member."""
        return {f"data.{name}": value[:, :used] for name, value in self.data.items()}

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Write back what `views` returned; later rows become 0."""
        for name, stored in self.data.items():
            value = saved[f"data.{name}"]
            stored[:, : value.shape[1]] = value
            stored[:, value.shape[1] :] = 0


def check_names(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise a `ConfigError` unless exactly the wanted fields are given."""
    if given.keys() != wanted.keys():
        found, names = ", ".join(given) or "nothing", ", ".join(n for n in wanted if n != LENGTHS)
        raise ConfigError(f"a replay buffer of {names} cannot add {found}")


def _host(value: Values) -> NDArray[Any]:
    """Return what is written as an array."""
    if isinstance(value, np.ndarray):
        return value
    try:
        return value.numpy()
    except (RuntimeError, TypeError):  # it has a gradient, is elsewhere or of a type of its own
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()

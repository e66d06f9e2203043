"""What a replay buffer stores per row, the memory that takes, and whether the machine has it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.replay.priorities import priority_bytes

__all__ = [
    "LENGTHS",
    "Column",
    "Field",
    "Kind",
    "available_bytes",
    "capacity_within",
    "check_memory",
    "check_rows",
    "columns",
    "in_words",
    "required_bytes",
]

Kind = Literal["uniform", "prioritised", "reservoir"]

LENGTHS = "lengths"  # the field that every buffer of trajectories has
DTYPES = {
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
}


@dataclass(frozen=True)
class Field:
    """One thing that is stored.

    Attributes:
        name: Its name in what is added and sampled.
        shape: Its shape for one step, ``()`` for a number.
        dtype: How it is stored; what is added is converted (a reward of 0 or 1 fits into uint8).
        every: Only for trajectories. It is kept at steps 0, every, 2 · every, …: 1 is every step; 0 is once for the
            whole trajectory (parameters of its task, the recurrent state it began with).
    """

    name: str
    shape: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32
    every: int = 1

    def __post_init__(self) -> None:
        """Checks the values."""
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        if not self.name:
            raise ConfigError("a field needs a name")
        if any(size < 1 for size in self.shape):
            raise ConfigError(f"shape of field {self.name!r} must be positive, not {self.shape}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"field {self.name!r} cannot be stored as {self.dtype}")
        if self.every < 0:
            raise ConfigError(f"every of field {self.name!r} must not be negative")

    def slots(self, steps: int) -> int:
        """How many times it is kept in a trajectory of `steps` steps."""
        return 1 if self.every == 0 else -(-steps // self.every)


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


def columns(fields: Sequence[Field], steps: int | None = None) -> list[Column]:
    """What a row is: a transition (`steps` None) or a trajectory of up to `steps` steps and its length.

    Raises:
        ConfigError: If there is no field, or two have the same name.
    """
    if not fields:
        raise ConfigError("a replay buffer needs at least one field")
    found = []
    for field in fields:
        shape = field.shape
        if steps is not None and field.every:
            shape = (field.slots(steps), *shape)
        found.append(Column(field.name, shape, field.dtype))
    if steps is not None:
        found.append(Column(LENGTHS, (), torch.int64))
    names = [column.name for column in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"a replay buffer cannot have two fields {twice[0]!r}")
    return found


def check_rows(rows: Mapping[str, Any], members: int, columns: Mapping[str, Column]) -> int:
    """How many rows n there are in what is to be added, ``[P, n, ...]``.

    Raises:
        ConfigError: If a field is missing or not wanted, or has another shape.
    """
    if rows.keys() != columns.keys():
        given, wanted = ", ".join(rows) or "nothing", ", ".join(columns)
        raise ConfigError(f"a replay buffer of {wanted} cannot add {given}")
    n = -1
    for name, column in columns.items():
        shape = rows[name].shape
        n = shape[1] if n < 0 and len(shape) > 1 else n
        if shape != (members, n, *column.shape):
            wanted = ", ".join(map(str, (members, "n" if n < 0 else n, *column.shape)))
            raise ConfigError(f"field {name!r} must have shape ({wanted}), not {tuple(shape)}")
    return n


def required_bytes(
    members: int,
    capacity: int,
    fields: Sequence[Field],
    kind: Kind = "uniform",
    steps: int | None = None,
) -> int:
    """Memory that a buffer takes, exactly: its data and, if prioritised, its sum tree and largest priorities.

    Args:
        members: Members P.
        capacity: Transitions of each, or trajectories.
        fields: What is stored.
        kind: Kind of replay.
        steps: Steps of the longest trajectory; None for transitions.
    """
    size = members * capacity * sum(column.nbytes for column in columns(fields, steps))
    if kind == "prioritised":
        size += priority_bytes(members, capacity)
    return size


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
    least = required_bytes(members, 1, fields, kind, steps)
    if size < least:
        raise ConfigError(f"capacity_bytes must be at least {least}, one row a member, not {size}")
    low, high = 1, size // required_bytes(members, 1, fields, "uniform", steps) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if required_bytes(members, middle, fields, kind, steps) <= size:
            low = middle
        else:
            high = middle
    return low


def available_bytes(device: torch.device | str = "cpu") -> int | None:
    """Memory that can still be had on a device, in bytes; None where the system does not say.

    On the CPU this is what the system calls available, or what a container's limit (cgroup) leaves if that is less.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    found = [value for value in (_system_bytes(), _container_bytes()) if value is not None]
    return min(found) if found else None


def check_memory(
    needed: int, what: str, device: torch.device | str = "cpu", promised: int = 0
) -> None:
    """Refuses what does not fit.

    Args:
        needed: Bytes.
        what: What needs them, for the message.
        device: Where.
        promised: Bytes of that memory that others have, but have not used yet.

    Raises:
        ConfigError: If that is more than `available_bytes`.
    """
    free = available_bytes(device)
    if free is not None and needed + promised > free:
        others = f", of which {in_words(promised)} are promised to other buffers" * bool(promised)
        raise ConfigError(
            f"{what} needs {in_words(needed)} and {in_words(free)} of memory are free{others}: "
            "give it a smaller capacity"
        )


def in_words(size: int) -> str:
    """A number of bytes to read, in powers of 1000: "1.6 GB"."""
    amount, units = float(size), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g} {units[0]}"


def _system_bytes() -> int | None:
    path = Path("/proc/meminfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _container_bytes(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the memory limit of a container leaves, or None if there is no limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            allowed, now = (root / limit).read_text().strip(), (root / used).read_text().strip()
        except OSError:
            continue
        if allowed.isdigit() and now.isdigit():
            return max(0, int(allowed) - int(now))
    return None

"""What a replay buffer stores per row, the memory that takes, and whether the machine has it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from agents.errors import ConfigError

__all__ = ["Field", "available_bytes", "check_memory", "field_bytes", "in_words"]

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

    @property
    def nbytes(self) -> int:
        """Bytes of one step."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize

    def slots(self, steps: int) -> int:
        """How many times it is kept in a trajectory of `steps` steps."""
        return 1 if self.every == 0 else -(-steps // self.every)


def field_bytes(fields: Sequence[Field], steps: int | None = None) -> int:
    """Bytes of one row: a transition (`steps` None) or a trajectory of up to `steps` steps.

    Raises:
        ConfigError: If there is no field, or two have the same name.
    """
    names = [field.name for field in fields]
    if not names:
        raise ConfigError("a replay buffer needs at least one field")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"field {twice[0]!r} is there twice")
    return sum(field.nbytes * (1 if steps is None else field.slots(steps)) for field in fields)


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


def check_memory(needed: int, what: str, device: torch.device | str = "cpu") -> None:
    """Refuses what does not fit.

    Args:
        needed: Bytes.
        what: What needs them, for the message.
        device: Where.

    Raises:
        ConfigError: If that is more than `available_bytes`.
    """
    free = available_bytes(device)
    if free is not None and needed > free:
        raise ConfigError(
            f"{what} needs {in_words(needed)} and {in_words(free)} of memory are free: give it a smaller capacity"
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

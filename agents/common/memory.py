"""How much memory and time a request would take, to refuse it before anything is made."""

from __future__ import annotations

import os
from pathlib import Path

from prefrontal.agents.common.errors import ConfigError

WORKER = 2e8  # bytes of a worker process, about: Python with PyTorch
FASTEST = 1e8  # environment steps a second that no machine of today makes with these agents
YEARS = 1.0  # that a run may take at that speed
_YEAR = 365.25 * 24 * 3600


def memory_limit(container: Path = Path("/sys/fs/cgroup/memory.max")) -> float:
    """Return the bytes that a process can have at most; infinite where that is not known."""
    limit = float("inf")
    if "SC_PHYS_PAGES" in os.sysconf_names:
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if container.exists():  # a number, or "max"
        limit = min(limit, float(container.read_text().replace("max", "inf")))
    return limit


def require_memory(nbytes: float, what: str, mend: str) -> None:
    """Check that something fits in the memory of the machine.

    Args:
        nbytes: Bytes that it needs at least.
        what: What it is; the message begins with it.
        mend: What would need less.

    Raises:
        ConfigError: There is not that much; says both numbers.
    """
    limit = memory_limit()
    if nbytes > limit:
        raise ConfigError(
            f"{what} needs {nbytes / 1e9:,.3g} GB, more than the total memory of "
            f"{limit / 1e9:,.3g} GB: {mend}"
        )


def require_training(
    members: int, parameters: float, played: float, snapshots: int = 0, device: str = "cpu"
) -> None:
    """Check that members can be trained in this memory; not on other devices, which have their own.

    Args:
        members: Members.
        parameters: Parameters of each; so many are its gradient, two moments of the optimiser, and
            the copy in a checkpoint.
        played: Numbers that each keeps of the episodes of an update, or remembers.
        snapshots: Copies in half precision that are kept of each.
        device: Where it is computed.

    Raises:
        ConfigError: There is not that much memory; says both numbers.
    """
    if device != "cpu":
        return
    each = 4 * (5 * parameters + played) + 2 * snapshots * parameters
    kept = f", {snapshots:,} snapshots" if snapshots else ""
    require_memory(
        members * each,
        f"training {members:,} x {parameters:,} parameters{kept}, with the episodes of an update,",
        "take fewer members, episodes at once or snapshots, or smaller networks",
    )


def require_time(steps: float, what: str, mend: str) -> None:
    """Check that so many environment steps can be made in a lifetime.

    Raises:
        ConfigError: They take more than `YEARS` even at `FASTEST` steps a second.
    """
    years = steps / FASTEST / _YEAR
    if years > YEARS:
        raise ConfigError(
            f"{what} of {steps:,.3g} environment steps would take {years:,.3g} years at "
            f"{FASTEST:,.0f} steps a second: {mend}"
        )

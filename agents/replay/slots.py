"""Which slot of a buffer a new row goes to: pure functions of how many rows were seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Placed", "reservoir", "ring"]


class Placed(NamedTuple):
    """Rows that are kept: of `member`, number `source` among those added, into `slot`; ``[m]`` each, no slot twice."""

    member: NDArray[np.int64]
    source: NDArray[np.int64]
    slot: NDArray[np.int64]


def ring(seen: NDArray[np.int64], added: NDArray[np.bool_], capacity: int) -> Placed:
    """First in, first out: row t of a stream goes to slot t mod capacity; of more rows than that the last ones stay.

    Args:
        seen: Rows that each member has added before, ``[P]``.
        added: Which of the new rows are added, ``[P, n]``.
        capacity: Slots of each member.
    """
    order = added.cumsum(1) - 1
    kept = added & (order >= order[:, -1:] + 1 - capacity)
    member, source = kept.nonzero()
    return Placed(member, source, (seen[member] + order[member, source]) % capacity)


def reservoir(
    seen: NDArray[np.int64], added: NDArray[np.bool_], capacity: int, u: NDArray[np.float64]
) -> Placed:
    """Every row ever added is there with the same probability, capacity / rows seen (Vitter 1985, algorithm R).

    Row t (from 0) of a stream goes to slot t while there is room, and then to slot j, drawn from 0 … t with the same
    probability each, if there is such a slot; else it is dropped.

    Args:
        seen: Rows that each member has added before, ``[P]``.
        added: Which of the new rows are added, ``[P, n]``.
        capacity: Slots of each member.
        u: Numbers drawn from [0, 1), ``[P, n]``.
    """
    t = seen[:, None] + added.cumsum(1) - 1
    slots = np.where(t < capacity, t, (u * (t + 1)).astype(np.int64))
    member, source = (added & (slots < capacity)).nonzero()
    slot = slots[member, source]
    # Rows with the same slot overwrite each other: only the last of them is there in the end.
    key = member * capacity + slot
    order = np.argsort(key, kind="stable")
    last = np.ones(len(key), bool)
    last[:-1] = np.diff(key[order]) > 0
    kept = order[last]
    return Placed(member[kept], source[kept], slot[kept])

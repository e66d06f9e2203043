"""Arrays in a page: exact, as text, and no more of them than a page can hold."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.experiments.evaluation import Record

SEEN = 64  # numbers of an observation that are shown one by one, at most
PIXELS = 1024  # numbers of an observation that are drawn, at most
WIDE = 16  # numbers of a fact a step, at most
TEXT = 4 / 3  # characters a byte takes in base64


def packed(values: np.ndarray) -> dict[str, Any]:
    """Return an array as its shape, its type as JavaScript calls it, and its bytes in base64.

    Numbers stay what they are: float32 and smaller integers exactly, int64 where they fit in 32
    bits; float64 stays float64.
    """
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        array = array.astype(np.int64)
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        kinds: list[Any] = [(np.int8, "Int8"), (np.int16, "Int16"), (np.int32, "Int32")]
        fit = [one for one in kinds if np.iinfo(one[0]).min <= low <= high <= np.iinfo(one[0]).max]
        kind, name = fit[0] if fit else (np.float64, "Float64")
    else:
        small = array.dtype.itemsize <= 4
        kind, name = (np.float32, "Float32") if small else (np.float64, "Float64")
    data = np.ascontiguousarray(array, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
    return {"shape": list(array.shape), "type": name, "data": base64.b64encode(data).decode()}


def pixels(values: np.ndarray) -> dict[str, Any]:
    """Return large observations ``[..., D]`` as shades from 0 to 255, to be drawn."""
    low, high = float(values.min()), float(values.max())
    shades = np.round((values - low) * (255 / (high - low or 1))).astype(np.uint8)
    data = base64.b64encode(np.ascontiguousarray(shades).tobytes()).decode()
    return {"shape": list(shades.shape), "type": "Uint8", "data": data, "low": low, "high": high}


def shown_facts(record: Record) -> list[str]:
    """Return the names of what a record says of each step, besides what the player draws."""
    own = ("action", "reward", "value", "rpe", "policy", "hidden", "observation", "mask")
    shape = record["action"].shape[:3]
    return [
        name
        for name, value in record.items()
        if name not in own
        and not name.startswith("task.")
        and value.shape[:3] == shape
        and int(np.prod(value.shape[3:])) <= WIDE
    ]


def bytes_a_step(record: Record) -> float:
    """Return about how many characters one step of one episode takes in a page."""
    size = 12.0  # three principal components
    for name in ("action", "reward", "value", "rpe", "policy", *shown_facts(record)):
        if name in record:
            whole = record[name].dtype.kind in "biu"
            size += (1 if whole else 4) * int(np.prod(record[name].shape[3:]))
    seen = int(np.prod(record["observation"].shape[3:])) if "observation" in record else 0
    size += 4 * seen if seen <= SEEN else seen if seen <= PIXELS else 0
    return size * TEXT


def fitting(record: Record, episodes: int, budget: float) -> tuple[int, int, int]:
    """Return how many members, episodes of each and steps of these a page holds.

    Episodes are left out first, then members, then ends of episodes.
    """
    members, there, steps = record["action"].shape[:3]
    episodes, each = min(episodes, there), bytes_a_step(record) * steps
    while episodes > 1 and members * episodes * each > budget:
        episodes -= 1
    while members > 1 and members * episodes * each > budget:
        members -= 1
    return members, episodes, max(1, min(steps, int(budget / bytes_a_step(record))))


def cut(record: Record, members: int, episodes: int, steps: int) -> Record:
    """Return the first members, episodes and steps of a record."""
    full = record["action"].shape[2]
    return {
        name: value[:members, :episodes]
        if name.startswith("task.") or value.shape[2] != full
        else value[:members, :episodes, :steps]
        for name, value in record.items()
    }


def principal(record: Record, kept: Record) -> tuple[np.ndarray, np.ndarray] | None:
    """Return states in principal components ``[M, E, T, 3]``, and their shares ``[M, 3]``.

    The components of each member are those of all its recorded states.
    """
    from prefrontal.analysis.neural.representation import pca

    hidden = record.get("hidden")
    if hidden is None or hidden.ndim != 4 or hidden.shape[3] < 2 or not np.isfinite(hidden).all():
        return None
    mask = record.get("mask", np.ones(hidden.shape[:3])) > 0
    places, shares = [], []
    for m in range(len(kept["hidden"])):
        samples = hidden[m][mask[m]].astype(np.float64)
        count = min(3, samples.shape[1], len(samples) - 1)
        if count < 2:
            return None
        found = pca(samples, count)
        spare = [(0, 0)] * 2 + [(0, 3 - count)]
        places.append(np.pad(found.project(kept["hidden"][m].astype(np.float64)), spare))
        shares.append(np.pad(found.explained, (0, 3 - count)))
    return np.array(places, dtype=np.float32), np.array(shares, dtype=np.float32)


def thinned(curves: Mapping[str, np.ndarray], points: int) -> dict[str, np.ndarray]:
    """Return learning curves ``[U, M]`` with at most so many of their points, the last included."""
    count = len(curves["steps"])
    at = np.unique(np.linspace(0, count - 1, min(points, count)).round().astype(int))
    return {name: one[at] for name, one in curves.items()}

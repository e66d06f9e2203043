"""Observations of any space as numbers, for one environment or for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from prefrontal.agents.networks.parts import Part

STACKED = (
    "images of one frame have 2 or 3 dimensions: leave a stack of frames out, agents have a memory"
)
#: Spaces of a fixed number of numbers; what is of another one in a Dict or Tuple is left out.
FITTING = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)


def shown(space: Any, where: str = "") -> tuple[Any, list[str]]:
    """Return the part of a space that can be shown to agents, and the names of what is left out.

    Of a Dict or Tuple, texts, graphs, sequences and spaces of others' own are left out: they have
    no fixed number of numbers. Whether the rest can be shown is for `unfit` to say.
    """
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return space, []
    kept, left = {}, []
    for key, part in parts(space).items():
        name = f"{where}.{key}" if where else str(key)
        if not isinstance(part, (*FITTING, spaces.Dict, spaces.Tuple)):
            left.append(f"{name} ({type(part).__name__})")
            continue
        kept[key], more = shown(part, name)
        left += more
    return (Left(type(space), kept) if left else space), left


class Left(spaces.Dict):
    """What is shown of a Dict or Tuple of which something is left out."""

    def __init__(self, kind: type[Any], kept: Mapping[Any, Any]) -> None:
        self.kind = kind
        super().__init__({})
        self.spaces = dict(kept)


def parts(space: Any) -> dict[Any, Any]:
    """Return the parts of a Dict or Tuple by name or number, in order."""
    return dict(space.spaces) if isinstance(space, spaces.Dict) else dict(enumerate(space.spaces))


def unfit(space: Any) -> str:
    """Return why observations cannot be shown to agents; "" if they can."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return next(filter(None, map(unfit, parts(space).values())), "")
    if isinstance(space, spaces.Box):
        return STACKED if is_image(space) and len(space.shape) > 3 else ""
    if isinstance(space, spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete):
        return ""
    return (
        "environments that are not ours need Box, Discrete, MultiBinary, MultiDiscrete, or Dict "
        "and Tuple of these"
    )


def size(space: Any) -> int:
    """Return how many numbers an observation of a space becomes."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return sum(map(size, parts(space).values()))
    return spaces.flatdim(space)


def flat(space: Any, values: Any, rows: int, stacked: bool = False) -> np.ndarray:
    """Return observations of many rows as numbers ``[rows, I]``, float32.

    Discrete ones become one-hot, the parts of a Dict or Tuple follow each other, and images and
    counts of an unsigned type are scaled from their bounds to 0 ... 1.

    Args:
        space: Space of one observation.
        values: An observation each row; or stacked ones: arrays ``[rows, ...]``, in a dictionary
            or tuple where the space is one.
        rows: How many.
        stacked: Which of both.

    Raises:
        ValueError: An observation is none of the space; says what it must be.
    """
    if isinstance(space, spaces.Dict | spaces.Tuple):
        keys = list(parts(space))
        for value in [values] if stacked else values:
            _check_keys(space, keys, value)
        found = [
            flat(part, values[key] if stacked else [v[key] for v in values], rows, stacked)
            for key, part in parts(space).items()
        ]
        return np.concatenate(found, 1) if found else np.zeros((rows, 0), np.float32)
    try:
        array = np.asarray(values)
    except ValueError:  # of rows of unequal length
        array = np.asarray(None)
    if isinstance(space, spaces.Box):
        return _box(space, array, rows)
    return _counted(space, array, rows)


def _check_keys(space: Any, keys: Sequence[Any], value: Any) -> None:
    """Check that an observation has all parts, and no others but what is left out."""
    left, most = isinstance(space, Left), max(keys, default=0)
    if issubclass(space.kind if left else type(space), spaces.Tuple):
        fits = isinstance(value, Sequence | np.ndarray)
        fits = fits and (len(value) > most if left else len(value) == len(keys))
    else:
        fits = isinstance(value, Mapping)
        fits = fits and (value.keys() >= set(keys) if left else value.keys() == set(keys))
    if not fits:
        raise ValueError(f"must have the entries {', '.join(map(str, keys))}")


def _box(space: spaces.Box, array: np.ndarray, rows: int) -> np.ndarray:
    if array.dtype.kind not in "biuf" or array.shape != (rows, *space.shape):
        raise ValueError(f"must be numbers of shape {list(space.shape)}")
    with np.errstate(over="ignore"):
        found = array.astype(np.float32).reshape(rows, -1)
    if not np.isfinite(found).all():
        raise ValueError("must be finite numbers")
    if space.dtype.kind in "iu" and array.dtype != space.dtype:
        limits = np.iinfo(cast(Any, space.dtype))
        whole = array.dtype.kind != "f" or (found == np.round(found)).all()
        if not whole or (array < limits.min).any() or (array > limits.max).any():
            raise ValueError(f"must be of its type, {space.dtype}")
    if unsigned(space) or is_image(space):
        low, high = space.low.astype(np.float32).ravel(), space.high.astype(np.float32).ravel()
        found = (found - low) / np.maximum(high - low, 1)
    return found


def _counted(space: Any, array: np.ndarray, rows: int) -> np.ndarray:
    """Return one-hot numbers of Discrete and MultiDiscrete, and bits of MultiBinary."""
    wrong = f"must be of {' '.join(repr(space).split())[:80]}"
    if array.shape != (rows, *space.shape) or array.dtype.kind not in "biuf":
        raise ValueError(wrong)
    if array.dtype.kind == "f" and not isinstance(space, spaces.MultiBinary):
        raise ValueError(wrong)
    if isinstance(space, spaces.MultiBinary):
        if not ((array == 0) | (array == 1)).all():
            raise ValueError(wrong)
        return array.astype(np.float32).reshape(rows, -1)
    counts = np.asarray(getattr(space, "nvec", getattr(space, "n", None))).ravel()
    numbers = array.reshape(rows, -1).astype(np.int64) - np.asarray(space.start).ravel()
    if (numbers < 0).any() or (numbers >= counts).any():
        raise ValueError(wrong)
    found = np.zeros((rows, int(counts.sum())), np.float32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    found[np.arange(rows)[:, None], numbers + starts] = 1
    return found


def unsigned(space: spaces.Box) -> bool:
    """Return whether observations are bytes, or other counts from 0."""
    return space.dtype.kind == "u"


def is_image(space: spaces.Box) -> bool:
    """Return whether observations are pixels: of several dimensions, and bytes, bits, or 0 to 255.

    All have the same bounds.
    """
    if len(space.shape) < 2 or not space.low.size:
        return False
    low, high = space.low.flat[0], space.high.flat[0]
    pixels = unsigned(space) or space.dtype == bool or (low == 0 and high == 255)
    return bool(pixels and (space.low == low).all() and (space.high == high).all())


def made_of(space: Any) -> list[Part]:
    """Return what flat observations of a space are made of, in order."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return [part for one in parts(space).values() for part in made_of(one)]
    if not (count := size(space)):
        return []
    if not isinstance(space, spaces.Box) or (unsigned(space) and not is_image(space)):
        return [Part("symbols", (count,))]
    low, high = float(space.low.min()), float(space.high.max())
    if is_image(space):
        unit = max(high - low, 1.0)
        return [Part("image", space.shape, unit, space.dtype.kind != "f" and unit <= 255)]
    if len(space.shape) == 3 and np.isfinite([low, high]).all():
        return [Part("grid", space.shape)]
    return [Part("numbers", (count,))]

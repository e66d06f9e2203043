"""What is missing in recorded data and what cannot be in them: the rule that all measures follow.

A choice, state or other code of -1 is missing, and so is a number that is NaN; ``None`` and masked
entries of NumPy are read alike. What is missing is neither scored nor learned from:

- A trial whose choice is missing is as if it had not been: values stay as they are, and the next
  choice follows the last one that was made.
- Where the choice is there and its reward (or transition) is not, the choice is scored and nothing
  is learned from it.
- Activity, errors and signals belong to one step: a step with anything missing is left out.
- Members are never left out, for the one that failed would go: statistics over members refuse NaN.

What cannot be one (action 5 of 2 arms, probability 1.5, half an action, infinity, a string) is
refused with its place and value, by the functions here.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MISSING = -1  # code of a choice or state that is missing
TRIALS = ("member", "episode", "trial")  # names of the last axes of an array


class NotMeasurableError(ValueError):
    """Something is missing that has to be there: some member never did what is to be measured."""


def codes(
    name: str,
    values: ArrayLike,
    count: int | None = None,
    axes: Sequence[str] = TRIALS,
    complete: bool = False,
) -> Codes:
    """Return choices, states or answers (count = 2: no, yes) as integers, -1 where missing.

    Args:
        name: What they are, for messages.
        values: Whole numbers from 0, of any shape; -1, NaN, None or masked where missing.
        count: How many codes there are, K; any number if None.
        axes: What the axes are, for messages; the last ones, if the array has fewer.
        complete: Whether nothing may be missing.

    Raises:
        NotMeasurableError: If a code that has to be there is missing.
        ValueError: If a value is no code from 0 to K - 1; the message names its place.
    """
    array = _numeric(name, values, axes)
    known = np.where(np.isnan(array), MISSING, array) if array.dtype.kind == "f" else array
    most = 2**53 if count is None else count - 1  # above, floats are not exact
    wrong = (known < MISSING) | (known > most) | (known != np.floor(known))
    if wrong.any():
        allowed = "a whole number from 0" + ("" if count is None else f" to {count - 1}")
        found = _first(array, wrong, axes)
        raise ValueError(f"{name} must be {allowed} (-1: missing), got {found}")
    if complete and (known == MISSING).any():
        raise NotMeasurableError(f"{name} is missing: {_first(array, known == MISSING, axes)}")
    return np.asarray(known, dtype=np.int64)


def numbers(
    name: str,
    values: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    axes: Sequence[str] = TRIALS,
    complete: bool = False,
) -> Array:
    """Return rewards, probabilities or other numbers as floats, NaN where missing.

    Args:
        name: What they are, for messages.
        values: Finite numbers of any shape; NaN, None or masked where missing.
        low: Least value that one can have.
        high: Greatest value that one can have.
        axes: What the axes are, for messages; the last ones, if the array has fewer.
        complete: Whether nothing may be missing.

    Raises:
        NotMeasurableError: If a number that has to be there is missing or infinite.
        ValueError: If a value is not finite or out of range; the message names its place.
    """
    array = np.asarray(_numeric(name, values, axes), dtype=np.float64)
    room = 1e-9 * max([1.0, *(abs(end) for end in (low, high) if np.isfinite(end))])  # rounding
    wrong = np.isinf(array) | (array < low - room) | (array > high + room)
    if complete:
        wrong |= np.isnan(array)
    if wrong.any():
        ends = f" from {low:g}" if low > -np.inf else ""
        ends += f" to {high:g}" if high < np.inf else ""
        rest = "" if complete else " (NaN: missing)"
        absent = complete and not np.isfinite(array[wrong]).all()
        found = _first(array, ~np.isfinite(array) if absent else wrong, axes)
        message = f"{name} must be a finite number{ends}{rest}, got {found}"
        raise NotMeasurableError(message) if absent else ValueError(message)
    return array


def answers(name: str, values: ArrayLike) -> Array:
    """Return whether something was so, 0 or 1, as floats to be averaged: NaN where missing."""
    given = codes(name, values, 2)
    return np.where(given == MISSING, np.nan, given)


def number(name: str, value: float, low: float = -np.inf, high: float = np.inf) -> float:
    """Return one number that has to be there, such as a rate; see :func:`numbers`.

    Raises:
        ValueError: If it is no finite number in the range.
    """
    if np.ndim(value):
        raise ValueError(f"{name} must be one number, got an array of shape {np.shape(value)}")
    return float(numbers(name, value, low, high, complete=True))


def packed(absent: ArrayLike, *arrays: NDArray) -> tuple[NDArray, ...]:
    """Move the missing trials of each episode behind the others, which keep their order.

    So the trial before is the last one that was there.

    Args:
        absent: Which are missing ``[..., T]``.
        *arrays: To be reordered ``[..., T]``.
    """
    order = np.argsort(np.asarray(absent, dtype=bool), axis=-1, kind="stable")
    return tuple(np.take_along_axis(array, order, axis=-1) for array in arrays)


def _numeric(name: str, values: ArrayLike, axes: Sequence[str]) -> NDArray[Any]:
    """Return an array of integers or floats, NaN for None and masked entries."""
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        return np.where(hidden, np.nan, _numeric(name, np.where(hidden, 0, values.data), axes))
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            objects = np.asarray(values, dtype=object)
            foreign = [not (item is None or isinstance(item, Real)) for item in objects.ravel()]
            wrong = np.array(foreign, dtype=bool).reshape(objects.shape)
            if wrong.any():
                raise ValueError(f"{name} must be numbers, got {_first(objects, wrong, axes)}")
            array = objects.astype(np.float64)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"{name} must be a regular array: its rows differ in length") from None
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def _first(array: NDArray[Any], wrong: NDArray[np.bool_], axes: Sequence[str]) -> str:
    """Return the first wrong value and its place: ``5 at member 0, episode 3, trial 17``."""
    index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    labels = [*axes[max(0, len(axes) - len(index)) :], *["column"] * (len(index) - len(axes))]
    place = ", ".join(f"{label} {int(at)}" for label, at in zip(labels, index, strict=True))
    value = array[index]
    text = repr(value) if isinstance(value, str | bytes) else f"{value}"
    return text[:80] + (f" at {place}" if place else "")

"""Means under masks, of what is not missing and by label, and z-scores, per member."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers

Array = NDArray[np.float64]


def masked_mean(values: ArrayLike, mask: ArrayLike, axis: int | tuple[int, ...]) -> Array:
    """Return the mean over some axes of the values under a mask; NaN where there is none.

    Args:
        values: Any shape; entries outside the mask may be NaN.
        mask: Which to count, of a shape that broadcasts to that of the values.
        axis: Axes to average over.
    """
    counted = np.broadcast_to(np.asarray(mask, dtype=bool), np.shape(values))
    count = counted.sum(axis=axis)
    total = np.where(counted, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def observed_mean(values: ArrayLike, axis: int | tuple[int, ...]) -> Array:
    """Return the mean over some axes of the values that are not missing; NaN where all are."""
    array = np.asarray(values, dtype=np.float64)
    return masked_mean(array, ~np.isnan(array), axis)


def mean_by_label(
    values: ArrayLike, label: ArrayLike, labels: Sequence[int], counted: ArrayLike = True
) -> Array:
    """Return the mean of each member over the steps of each label.

    Args:
        values: What to average ``[M, E, T]``, or ``[M, E, T, H]``; missing ones are left out.
        label: Label of every step (condition, pair, trials since an event) ``[M, E, T]``.
        labels: K labels to report; steps of others are left out.
        counted: Which steps count ``[M, E, T]``; all by default.

    Returns:
        Means ``[M, K]``, or ``[M, K, H]``; NaN for a label that a member never met.

    Raises:
        ValueError: If shapes disagree, or a value is infinite or no number.
    """
    array, given = numbers("values", values), np.asarray(label)
    kept = np.asarray(counted, dtype=bool)
    if given.ndim != 3 or array.shape[:3] != given.shape or kept.shape not in ((), given.shape):
        shapes = f"{array.shape}, {given.shape} and {kept.shape}"
        raise ValueError(f"one shape [M, E, T] is needed, got {shapes}")
    spare = (1,) * (array.ndim - 3)
    masks = [(kept & (given == one)).reshape(given.shape + spare) for one in labels]
    means = [masked_mean(array, mask & ~np.isnan(array), (1, 2)) for mask in masks]
    return np.stack(means, axis=1)


def z_scores(name: str, values: ArrayLike) -> Array:
    """Return a signal ``[M, E, T, ...]`` with mean 0 and standard deviation 1 for each member.

    What is missing stays missing, and counts for neither.

    Raises:
        ValueError: If the signal, called `name`, never changes, is infinite or no number.
    """
    signal = numbers(name, values)
    centred = signal - np.expand_dims(observed_mean(signal, (1, 2)), (1, 2))
    spread = np.sqrt(np.expand_dims(observed_mean(centred**2, (1, 2)), (1, 2)))
    if not (spread > 1e-12 * np.abs(np.nan_to_num(signal)).max(initial=0.0)).all():
        raise ValueError(f"{name} never changes: nothing can depend on it")
    return np.asarray(centred / spread)

"""Means under masks and by label, and z-scores, per member."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def mean_by_label(
    values: ArrayLike, label: ArrayLike, labels: Sequence[int], counted: ArrayLike = True
) -> Array:
    """Return the mean of each member over the steps of each label.

    Args:
        values: What to average ``[M, E, T]``, or ``[M, E, T, H]``.
        label: Label of every step (condition, pair, trials since an event) ``[M, E, T]``.
        labels: K labels to report; steps of others are left out.
        counted: Which steps count ``[M, E, T]``; all by default.

    Returns:
        Means ``[M, K]``, or ``[M, K, H]``; NaN for a label that a member never met.

    Raises:
        ValueError: If shapes disagree.
    """
    array, given = np.asarray(values, dtype=np.float64), np.asarray(label)
    kept = np.asarray(counted, dtype=bool)
    if given.ndim != 3 or array.shape[:3] != given.shape or kept.shape not in ((), given.shape):
        shapes = f"{array.shape}, {given.shape} and {kept.shape}"
        raise ValueError(f"one shape [M, E, T] is needed, got {shapes}")
    spare = (1,) * (array.ndim - 3)
    masks = [(kept & (given == one)).reshape(given.shape + spare) for one in labels]
    return np.stack([masked_mean(array, mask, (1, 2)) for mask in masks], axis=1)


def z_scores(name: str, values: ArrayLike) -> Array:
    """Return a signal ``[M, E, T, ...]`` with mean 0 and standard deviation 1 for each member.

    Raises:
        ValueError: If the signal, called `name`, never changes.
    """
    signal = np.asarray(values, dtype=np.float64)
    spread = signal.std(axis=(1, 2), keepdims=True)
    if (spread == 0).any():
        raise ValueError(f"{name} never changes: nothing can depend on it")
    return np.asarray((signal - signal.mean(axis=(1, 2), keepdims=True)) / spread)

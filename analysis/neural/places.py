"""Places in hidden states: how alike the activity at two places is, against their distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, numbers
from prefrontal.analysis.neural.similarity import compare, dissimilarity
from prefrontal.analysis.stats.means import masked_mean, mean_by_label

Array = NDArray[np.float64]


def place_patterns(hidden: ArrayLike, cell: ArrayLike, cells: int, least: int = 1) -> Array:
    """Return the mean activity at each place.

    Args:
        hidden: Activity ``[M, E, T, H]``.
        cell: Place of the agent at each step ``[M, E, T]``, a number from 0 on.
        cells: Number of places, C.
        least: Visits that a place needs; fewer are too few to average over.

    Returns:
        ``[M, C, H]``, NaN at places that a member visited too rarely.
    """
    place = codes("cell", cell, cells, ("member", "episode", "step"))
    patterns = mean_by_label(hidden, place, range(cells))
    visits = np.stack([(place == one).sum(axis=(1, 2)) for one in range(cells)], axis=1)
    return np.where((visits >= least)[..., None], patterns, np.nan)


def distance_correlation(patterns: ArrayLike, distance: ArrayLike) -> Array:
    """Return how well the dissimilarity of activity at two places follows their distance.

    Args:
        patterns: Mean activity at each place ``[M, C, H]``; places with NaN are left out.
        distance: Between places ``[C, C]``, for example in steps of the shortest path.

    Returns:
        Spearman's correlation over pairs of places of one minus Pearson's correlation of their
        patterns with their distance, ``[M]``: 1 if the nearer of two pairs is always the more
        alike, 0 if activity says nothing of distance.
    """
    apart = numbers("distance", distance, axes=("place", "place"))
    return np.array([compare(one, apart) for one in dissimilarity(patterns)])


def similarity_by_distance(patterns: ArrayLike, distance: ArrayLike) -> Array:
    """Return the mean correlation of the activity at two places, by their distance.

    Args:
        patterns: Mean activity at each place ``[M, C, H]``; places with NaN are left out.
        distance: Between places ``[C, C]``, whole steps.

    Returns:
        ``[M, D]`` for distances of 1 to D, the longest; NaN where there are no such pairs.
    """
    steps = codes("distance", distance, axes=("place", "place"), complete=True)
    alike = 1 - dissimilarity(patterns)
    masks = [(steps == one) & ~np.isnan(alike) for one in range(1, int(steps.max()) + 1)]
    return np.stack([masked_mean(alike, mask, (1, 2)) for mask in masks], axis=1)

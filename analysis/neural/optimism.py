"""Optimism of units: does asymmetric scaling of outcomes predict the value they reverse at?

The measure follows the idea of Muller et al. (2024), who found in macaque prefrontal cortex that
cells which respond more steeply to better outcomes than to worse ones reverse at higher values
when the animal chooses. What a unit's response is, is ours:

- at feedback, the change of its activity that an outcome brings, fitted by a line of prediction
  errors above 0 and by another below, with slopes b+ and b-; its asymmetry is b+ / (b+ + b-);
- at choice, its mean activity in bins of value; its reversal point is the value at which that
  crosses the unit's mean activity over all trials.

A unit whose activity falls with value is turned over first. Units whose two slopes differ in sign
do not signal prediction errors and are left out. The two numbers are taken from different halves of
the episodes, so that common noise cannot correlate them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers
from prefrontal.analysis.neural.distributional import correlations, reversal_points

Array = NDArray[np.float64]

BINS = 10


@dataclass(frozen=True)
class Optimism:
    """Units of one member.

    Attributes:
        asymmetry: b+ / (b+ + b-) of each unit, NaN where it has none ``[H]``.
        reversal: Value at which it reverses, NaN where it does not vary ``[H]``.
    """

    asymmetry: Array
    reversal: Array

    @property
    def correlation(self) -> float:
        """Pearson correlation of the two over the units that have both; 0 of fewer than three."""
        both = ~(np.isnan(self.asymmetry) | np.isnan(self.reversal))
        if both.sum() < 3:
            return 0.0
        return float(correlations(self.asymmetry[both], self.reversal[both]))

    def shuffled(self, rng: np.random.Generator) -> Optimism:
        """Return the same with asymmetries given to other units at random."""
        given = self.asymmetry.copy()
        both = ~np.isnan(given)
        given[both] = rng.permutation(given[both])
        return Optimism(given, self.reversal)


def unit_optimism(hidden: ArrayLike, value: ArrayLike, reward: ArrayLike) -> Optimism:
    """Measure asymmetry in the even episodes and reversal points in the odd ones.

    Args:
        hidden: Activity when choosing ``[E, T, H]``; the outcome of trial t is in that of t + 1.
        value: Value of what is chosen ``[E, T]``.
        reward: Outcomes ``[E, T]``.

    Raises:
        ValueError: If shapes disagree.
    """
    h, v, r = numbers("hidden", hidden), numbers("value", value), numbers("reward", reward)
    if h.ndim != 3 or h.shape[:2] != v.shape or v.shape != r.shape:
        raise ValueError(
            "hidden must be [E, T, H], value and reward [E, T]; "
            f"got {h.shape}, {v.shape}, {r.shape}"
        )
    change = np.diff(h[::2], axis=1).reshape(-1, h.shape[2])
    error = (r - v)[::2, :-1].ravel()
    slopes = [_slopes(error[side], change[side]) for side in (error > 0, error < 0)]
    agree = slopes[0] * slopes[1] > 0
    total = np.where(agree, slopes[0] + slopes[1], 1.0)
    return Optimism(np.where(agree, slopes[0] / total, np.nan), _reversals(h[1::2], v[1::2]))


def linear_units(hidden: ArrayLike, value: ArrayLike, rng: np.random.Generator) -> Array:
    """Return units that code value by a line and noise: a null model without asymmetry.

    Each has the slope on value of the unit that it replaces; what remains of that unit comes from
    another episode, so that it has its size and its course in time, but knows nothing of this one.

    Args:
        hidden: Activity ``[E, T, H]``.
        value: Value of what is chosen ``[E, T]``.
        rng: Source of the new order of episodes.
    """
    h, v = numbers("hidden", hidden), numbers("value", value)
    centred = v - v.mean()
    slope = (centred[..., None] * h).sum(axis=(0, 1)) / (centred**2).sum()
    line = h.mean(axis=(0, 1)) + centred[..., None] * slope
    rest = (h - line)[rng.permutation(len(h))]
    return np.asarray(line + rest)


def _slopes(x: Array, y: Array) -> Array:
    """Return the slope of a line with intercept of each column of y ``[S, H]`` on x ``[S]``."""
    centred = x - x.mean()
    return np.asarray(centred @ (y - y.mean(axis=0)) / (centred**2).sum())


def _reversals(h: Array, v: Array) -> Array:
    """Return the value at which the mean activity of each unit crosses its overall mean."""
    activity, value = h.reshape(-1, h.shape[2]), v.ravel()
    activity = activity - activity.mean(axis=0)
    activity = activity * np.sign((value - value.mean()) @ activity)
    edges = np.quantile(value, np.arange(1, BINS) / BINS)
    bins = np.searchsorted(np.unique(edges), value, side="right")
    _, bins = np.unique(bins, return_inverse=True)
    count = np.bincount(bins)
    centres = np.bincount(bins, value) / count
    means = np.stack([np.bincount(bins, column) / count for column in activity.T])
    return reversal_points(centres, means)

"""The median over members, of whom some may only be known to be beyond a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.missing import number, numbers
from prefrontal.analysis.stats.intervals import Interval, check_level


def median(values: ArrayLike, most: float, level: float = 0.95) -> Interval:
    """Return the median over members with its exact interval by ranks.

    The interval goes from one member's value to another's: the narrowest pair of ranks, as far from
    either end, between which the median of the population lies with at least the probability
    `level`, whatever the distribution (Thompson 1936). With 6 to 8 members these are the least and
    the largest. It asks only for the order of members, so it holds where some never came so far
    (censored): they are as large as `most`, the least that they can be.

    Args:
        values: One number a member ``[M]``; infinite, or above `most`, where it was never reached.
        most: How far it was looked.
        level: Coverage.

    Returns:
        The median, `most` if it was never reached by half of the members. No interval with so few
        members (below 6 for 95 %) that none reaches the level.

    Raises:
        ValueError: If there are no members, or a value is missing or no number.
    """
    from scipy import stats

    check_level(level)
    limit = number("most", most)
    array = np.asarray(values, dtype=np.float64)
    known = np.where(array > limit, limit, array)
    members = np.sort(numbers("values", known, axes=("member",), complete=True))
    if members.ndim != 1 or not len(members):
        raise ValueError(f"values must hold one number a member [M], got shape {members.shape}")
    count = len(members)
    beyond = int(stats.binom.ppf((1 - level) / 2, count, 0.5))  # ranks left out at each end, or +1
    if stats.binom.cdf(beyond, count, 0.5) > (1 - level) / 2:
        beyond -= 1
    value = float(np.median(members))
    if beyond < 0:
        return Interval(value, None, None, count)
    low, high = float(members[beyond]), float(members[count - 1 - beyond])
    return Interval(value, low, high, count, "exact")


def trials_to_criterion(
    errors: ArrayLike, below: float, more_than: int, window: int = 100
) -> np.ndarray:
    """Return how many trials members needed until nearly all trials of a window were right.

    Args:
        errors: Error of each trial ``[U, M]``.
        below: A trial is right if its error is below this.
        more_than: How many trials of a window have to be exceeded by the right ones.
        window: Trials in a row.

    Returns:
        Trials at the end of the first such window ``[M]``; infinite if there was none.
    """
    curves = numbers("errors", errors, axes=("trial", "member"), complete=True)
    right = np.cumsum(np.pad(curves < below, ((1, 0), (0, 0))), axis=0)
    reached = np.asarray(right[window:] - right[:-window]) > more_than
    if not len(reached):
        return np.full(curves.shape[1], np.inf)
    return np.where(reached.any(axis=0), reached.argmax(axis=0) + window, np.inf)

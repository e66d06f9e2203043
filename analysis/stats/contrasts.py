"""Differences between independent groups of members, such as the populations of two conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.missing import numbers
from prefrontal.analysis.stats.intervals import Interval, check_level, members_of


def contrast(
    groups: Sequence[ArrayLike], coefficients: Sequence[float] = (1.0, -1.0), level: float = 0.95
) -> Interval:
    """Return a linear contrast of the means of independent groups, with its interval.

    The interval is that of Welch, with the degrees of freedom of Satterthwaite, so that groups may
    differ in size and spread: with coefficients (1, -1) it is that of the two-sided t test for
    unequal variances. For a main effect in a 2 x 2 design give (.5, .5, -.5, -.5). The groups must
    hold different members: for the same members take the differences first, and their `interval`.

    Args:
        groups: Values of the members of each group ``[M]``.
        coefficients: One for each group.
        level: Coverage of the interval.

    Returns:
        The contrast and its interval (None, None if some group has a single member), and all
        members.

    Raises:
        ValueError: If there is not one coefficient for each group, a group is empty, or a value is
            missing or infinite.
    """
    from scipy import stats

    if len(groups) != len(coefficients):
        raise ValueError(f"{len(groups)} groups need as many coefficients, not {len(coefficients)}")
    check_level(level)
    values = [members_of(f"group {i}", group).ravel() for i, group in enumerate(groups)]
    counts = np.array([len(group) for group in values])
    weights = numbers("coefficients", coefficients, axes=("group",), complete=True)
    value = float(weights @ [group.mean() for group in values])
    members = int(counts.sum())
    if (counts == 1).any():
        return Interval(value, None, None, members)
    parts = weights**2 * [group.var(ddof=1) for group in values] / counts
    variance = float(parts.sum())
    if variance == 0.0:
        return Interval(value, value, value, members, "welch")
    freedom = variance**2 / float((parts**2 / (counts - 1)).sum())
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * variance**0.5
    return Interval(value, value - half, value + half, members, "welch")

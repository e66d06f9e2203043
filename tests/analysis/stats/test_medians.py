"""The median over members by ranks, censored members too, and trials to a criterion."""

import numpy as np
import pytest

from prefrontal.analysis.stats.medians import median, trials_to_criterion


def test_ranks_by_hand():
    # P(at most k of 8 below the median): .0039 for 0, .035 for 1; of 20: .0207 for 5, .0577 for 6
    values = np.array([5.0, 1, 8, 3, 7, 2, 6, 4])
    found = median(values, 100)
    assert (found.value, found.low, found.high, found.members) == (4.5, 1.0, 8.0, 8)
    wide = median(np.arange(20.0), 100)
    assert (wide.low, wide.high) == (5.0, 14.0)  # the 6th and the 15th
    assert median(values, 100, level=0.9).low == 2.0
    few = median(values[:5], 100)
    assert few.value == 5.0
    assert few.low is few.high is None
    assert median(values[:6], 100).low == 1.0


def test_members_that_never_came_so_far_count_as_the_limit():
    values = np.array([np.inf, 300, np.inf, 200, 400, 100, 500, 600])
    found = median(values, 2000)
    assert (found.value, found.low, found.high) == (450.0, 100.0, 2000.0)
    assert median(np.full(8, np.inf), 2000).value == 2000.0
    assert median(np.array([2500.0] * 5 + [10.0] * 3), 2000).value == 2000.0
    with pytest.raises(ValueError, match=r"must be a finite number.*got|missing"):
        median([np.nan, 1.0], 10)
    with pytest.raises(ValueError, match="hold one number"):
        median([], 10)


def test_the_interval_covers_the_median():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        found = median(rng.exponential(1.0, 12), 1.5)
        held += found.low <= np.log(2) <= found.high
    assert 0.95 < held / 2000 < 0.98  # exactly .961 for twelve members


def test_trials_to_criterion_by_hand():
    errors = np.full((12, 3), 2.0)
    errors[3:7, 0] = 0.5  # right in trials 4 to 7 (counted from 1)
    errors[[1, 3, 5, 7, 8, 9], 1] = 0.5
    found = trials_to_criterion(errors, below=1.0, more_than=2, window=4)
    # first member: 3 of 4 at the end of trial 6; second: trials 6, 8, 9 of 6 ... 9
    assert found.tolist() == [6.0, 9.0, np.inf]
    assert trials_to_criterion(errors, 1.0, 3, 4).tolist() == [7.0, np.inf, np.inf]
    assert trials_to_criterion(errors[:3], 1.0, 2, 4).tolist() == [np.inf] * 3

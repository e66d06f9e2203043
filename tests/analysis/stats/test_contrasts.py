"""Contrasts of independent groups: against SciPy, by hand, and their coverage."""

import numpy as np
import pytest
from scipy import stats

from prefrontal.analysis.stats.contrasts import contrast


def test_two_groups_are_welchs_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 8), rng.normal(0, 0.5, 4)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    found = contrast([a, b])
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.members == 12


def test_main_effect_by_hand():
    groups = [[2.0, 4.0], [1.0, 3.0], [0.0, 2.0], [1.0, 1.0]]
    found = contrast(groups, [0.5, 0.5, -0.5, -0.5])
    assert found.value == pytest.approx((3 + 2) / 2 - (1 + 1) / 2)
    # Three groups of variance 2 and one without, two members each: .25 (1 + 1 + 1), 3 degrees
    half = stats.t.ppf(0.975, 3) * np.sqrt(0.75)
    assert (found.low, found.high) == pytest.approx((1.5 - half, 1.5 + half))


def test_intervals_cover_with_unequal_groups():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        found = contrast([rng.normal(0, 1, 8), rng.normal(0, 3, 4)])
        hits += found.low <= 0 <= found.high
    assert 0.92 < hits / 1000 < 0.975


def test_edges():
    assert contrast([[1.0], [0.0, 0.0]]).low is None
    same = contrast([[1.0, 1.0], [0.5, 0.5]])
    assert (same.low, same.value, same.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="2 groups need as many coefficients, not 3"):
        contrast([[1.0], [2.0]], [1, 1, 1])
    with pytest.raises(ValueError, match="group 0 must hold at least one member"):
        contrast([[], [1.0]])

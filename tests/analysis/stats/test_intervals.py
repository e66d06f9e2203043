"""Intervals over members: agreement with SciPy, measured coverage, edge cases."""

import numpy as np
import pytest
from scipy import stats

from prefrontal.analysis.stats.intervals import (
    NotMeasurableError,
    curve_interval,
    interval,
    iqm,
    over_episodes,
    probability_of_improvement,
)


def test_iqm_is_scipys_trimmed_mean():
    rng = np.random.default_rng(0)
    for n in (1, 3, 4, 7, 8, 33):
        x = rng.normal(size=(2, n))
        np.testing.assert_allclose(iqm(x), stats.trim_mean(x, 0.25, axis=1))


def test_percentile_interval_of_iqm_agrees_with_scipy():
    x = np.random.default_rng(1).normal(size=40)
    ours = interval(x, "iqm")
    theirs = stats.bootstrap(
        (x,),
        iqm,
        n_resamples=10_000,
        method="percentile",
        axis=-1,
        random_state=np.random.default_rng(2),
    ).confidence_interval
    assert ours.method == "percentile"
    assert abs(ours.low - theirs.low) < 0.02
    assert abs(ours.high - theirs.high) < 0.02


def test_bootstrap_t_agrees_with_scipy_where_all_methods_agree():
    x = np.random.default_rng(3).normal(size=200)
    ours = interval(x)
    theirs = stats.bootstrap(
        (x,), np.mean, random_state=np.random.default_rng(2)
    ).confidence_interval
    assert ours.value == pytest.approx(x.mean())
    assert abs(ours.low - theirs.low) < 0.01
    assert abs(ours.high - theirs.high) < 0.01


@pytest.mark.parametrize(
    ("name", "n", "least"), [("normal", 4, 0.92), ("normal", 8, 0.92), ("expo", 8, 0.90)]
)
def test_coverage_of_the_mean_over_few_members(name, n, least):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(800, n)) if name == "normal" else rng.exponential(size=(800, n)) - 1
    _, low, high = curve_interval(x, resamples=1000)
    coverage = np.mean((low <= 0) & (high >= 0))
    assert least < coverage < 0.985


def test_curve_interval_is_the_interval_at_every_point():
    x = np.random.default_rng(5).gamma(2.0, size=(3, 9))
    mean, low, high = curve_interval(x, resamples=500, seed=7)
    for u in range(3):
        one = interval(x[u], resamples=500, seed=7)
        np.testing.assert_allclose(
            [mean[u], low[u], high[u]], [one.value, one.low, one.high], rtol=1e-10
        )


def test_one_member_has_no_interval():
    one = interval([0.7])
    assert (one.low, one.high, one.members) == (None, None, 1)
    assert "1 member" in str(one)
    assert np.isnan(curve_interval(np.ones((4, 1)))[1]).all()


def test_equal_members_and_a_single_outlier_stay_in_range():
    same = interval(np.full(8, 0.9))
    assert same.low == pytest.approx(0.9)
    assert same.high == pytest.approx(0.9)
    outlier = interval([0.2, *np.linspace(0.99, 0.991, 7)])
    assert 0.2 <= outlier.low < outlier.value < outlier.high <= 0.991


def test_intervals_end_where_values_do():
    rewarded = [0.55, 0.99, 1.0, 1.0]
    free, kept = interval(rewarded), interval(rewarded, within=(0.0, 1.0))
    assert free.high > 1.0
    assert (kept.low, kept.high, kept.value) == (free.low, 1.0, free.value)
    assert interval([0.7], within=(0.0, 1.0)).high is None


def test_tasks_are_stratified_and_pairing_is_wider_when_members_differ():
    rng = np.random.default_rng(6)
    skill = rng.normal(size=(12, 1))
    scores = skill + 0.1 * rng.normal(size=(12, 5)) + np.arange(5) * 10
    apart, together = interval(scores), interval(scores, paired=True)
    assert apart.value == pytest.approx(together.value)
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    # resampling within tasks keeps the spread between tasks out of the interval
    assert apart.high - apart.low < 2
    assert interval(scores, "iqm").low < interval(scores, "iqm").value


def test_stratified_interval_covers():
    rng = np.random.default_rng(8)
    hits = [
        i.low <= 2.0 <= i.high
        for i in (interval(rng.normal(2, 1, (8, 3)), resamples=500, seed=s) for s in range(300))
    ]
    assert 0.9 < np.mean(hits) < 0.99


def test_probability_of_improvement_is_mann_whitney():
    rng = np.random.default_rng(9)
    x, y = rng.normal(1, 1, 10), rng.normal(0, 1, 12)
    ours = probability_of_improvement(x, y)
    assert ours.value == pytest.approx(stats.mannwhitneyu(x, y).statistic / 120)
    assert ours.low < ours.value < ours.high
    assert probability_of_improvement([1, 1], [1, 1]).value == 0.5
    assert probability_of_improvement([1.0], [0.0]).low is None


def test_interval_of_improvement_by_newcombe():
    """Ends solve (p - end)^2 = z^2 V(end), and are never the estimate itself."""
    one = probability_of_improvement(np.arange(8.0) + 8, np.arange(8.0))
    assert (one.value, one.high, one.method) == (1.0, 1.0, "newcombe")
    assert 0.6 < one.low < 0.85
    none = probability_of_improvement(np.arange(8.0), np.arange(8.0) + 8)
    assert (none.low, none.high) == (0.0, pytest.approx(1 - one.low))
    for n, other in ((8, 8), (5, 12)):
        found = probability_of_improvement(np.arange(n) + 0.5, np.arange(other))
        for end in (found.low, found.high):
            spare = (n + other) / 2 - 1
            odds = (1 - end) / (2 - end) + end / (1 + end)
            variance = end * (1 - end) / (n * other) * (1 + spare * odds)
            assert (found.value - end) ** 2 == pytest.approx(1.959964**2 * variance, rel=1e-5)
    more = probability_of_improvement(np.tile(np.arange(8.0)[:, None] + 8, 4), np.ones((8, 4)))
    assert more.low > one.low  # four tasks, other agents in each


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.95, 0.98])
def test_coverage_of_the_probability_of_improvement(truth):
    rng = np.random.default_rng(11)
    shift = 2**0.5 * stats.norm.ppf(truth)
    ours, theirs = rng.normal(shift, 1, (4000, 8)), rng.normal(0, 1, (4000, 8))
    wins = (ours[:, :, None] > theirs[:, None]).sum(axis=(1, 2))
    # The interval depends on the number of wins alone: one call for each number that occurred.
    kinds, first, counts = np.unique(wins, return_index=True, return_counts=True)
    found = [probability_of_improvement(ours[i], theirs[i]) for i in first]
    assert [round(one.value * 64) for one in found] == kinds.tolist()
    hit = np.array([one.low <= truth <= one.high for one in found])
    assert 0.92 <= counts[hit].sum() / counts.sum() < 0.995
    assert all(one.high - one.low > 0.1 for one in found)


def test_no_interval_of_the_mean_covers_where_one_member_in_ten_fails():
    """43 of 100 sets of eight members hold no failure at all; docs/intervals.md says so."""
    rng = np.random.default_rng(12)
    for rate, covered in ((0.1, 0.57), (0.2, 0.82)):
        score = np.where(rng.random((1000, 8)) < rate, 0.5, 1.0) + rng.normal(0, 0.02, (1000, 8))
        _, low, high = curve_interval(score, resamples=500)
        mean = 1 - 0.5 * rate
        assert np.mean((low <= mean) & (high >= mean)) == pytest.approx(covered, abs=0.04)


def test_same_seed_same_interval():
    x = np.random.default_rng(10).normal(size=8)
    assert interval(x) == interval(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval(np.zeros((2, 3, 4))), "average over episodes"),
        (lambda: interval([]), "got shape"),
        (lambda: interval([1.0, np.nan]), "finite"),
        (lambda: interval([1.0, 2.0], "median"), "'mean' or 'iqm'"),
        (lambda: interval([1.0, 2.0], level=95), "level"),
        (lambda: interval([1.0, 2.0], resamples=9), "resamples"),
        (lambda: interval([1.0, 2.0], within=(1, 0)), "low < high"),
        (lambda: interval([1.0, 2.0], within=(0, 1)), "2.0 at member 1"),
        (lambda: curve_interval(np.ones((2, 8)), level=1.0), "level"),
        (lambda: curve_interval(np.ones((2, 8)), level=-0.5), "level"),
        (lambda: probability_of_improvement([1.0], [1.0], level=0), "level"),
        (lambda: probability_of_improvement(np.ones((2, 2)), np.ones((2, 3))), "same tasks"),
        (lambda: curve_interval([1.0]), "points, members"),
    ],
)
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("chance", [0.5, 0.98, 0.999])
def test_the_interval_over_episodes_covers_a_fraction(chance):
    """Of one member: 300 episodes of up to five choices, which come in runs."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1500):
        shown = rng.integers(1, 6, 300)
        right = np.where(rng.random(300) < chance, shown, 0)  # all of an episode, or none
        found = over_episodes(right, shown, fraction=True)
        assert 0 <= found.low <= found.value <= found.high <= 1
        hits += found.low <= chance <= found.high
    assert hits / 1500 > 0.925


def test_the_interval_over_episodes():
    x = np.random.default_rng(1).normal(3, 2, 50)
    found, theirs = over_episodes(x), stats.ttest_1samp(x, 0).confidence_interval()
    assert found.low == pytest.approx(theirs.low)
    assert found.high == pytest.approx(theirs.high)
    certain = over_episodes(np.ones(20), fraction=True)
    assert certain.low < 0.9  # 20 of 20 do not say that it is always so
    assert over_episodes(np.ones(1)).low is None
    with pytest.raises(NotMeasurableError):
        over_episodes(np.zeros(3), np.zeros(3))

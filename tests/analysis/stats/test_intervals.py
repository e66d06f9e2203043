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

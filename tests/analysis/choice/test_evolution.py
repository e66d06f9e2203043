"""Analyses of evolution on simulated data whose answer is known."""

import numpy as np
import pytest

from prefrontal.analysis.choice.evolution import (
    diversity,
    heritability,
    innate_share,
    plasticity,
    reliability,
    retest,
    share_of_members,
)


def test_innate_share_by_hand():
    before, after = np.array([[0.0, 5.0], [10.0, 1.0]]), np.array([[10.0, 10.0], [20.0, 1.0]])
    assert innate_share(before, after).tolist() == [[0.0, 0.5], [0.5, 1.0]]
    assert innate_share([3.0], [5.0], chance=1.0) == pytest.approx([0.5])
    assert np.isnan(innate_share([0.0], [0.0])).all()
    with pytest.raises(ValueError, match="shapes"):
        innate_share([1.0, 2.0], [1.0])


def test_diversity_is_the_root_mean_square_distance_of_pairs():
    genes = np.random.default_rng(0).normal(size=(3, 7, 5))
    for population, found in zip(genes, diversity(genes), strict=True):
        pairs = [
            ((a - b) ** 2).mean() for i, a in enumerate(population) for b in population[i + 1 :]
        ]
        assert found == pytest.approx(np.sqrt(np.mean(pairs)))
    assert diversity(np.ones((4, 2))) == 0
    with pytest.raises(ValueError, match="individuals"):
        diversity(np.ones((1, 5)))


def simulated_families(slope, noise, n, seed=0):
    rng = np.random.default_rng(seed)
    mothers, fathers = rng.normal(size=(2, n))
    children = slope * (mothers + fathers) / 2 + noise * rng.normal(size=n)
    return mothers, fathers, children


def test_heritability_recovers_a_known_slope():
    found = heritability(*simulated_families(0.6, 0.5, 4000))
    assert found.slope == pytest.approx(0.6, abs=0.03)
    assert found.low < 0.6 < found.high
    assert found.families == 4000


def test_heritability_interval_covers():
    inside = []
    for seed in range(300):
        found = heritability(*simulated_families(0.4, 1.0, 30, seed))
        inside.append(found.low <= 0.4 <= found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.035)


def test_noise_of_measurement_is_corrected_for():
    """True fitness is inherited with slope 1; what is measured of the parents is half noise."""
    rng = np.random.default_rng(1)
    true = rng.normal(size=(4000, 1))
    tests = true + 2 * rng.normal(size=(4000, 4))  # mean of 4: noise variance 1, reliability .5
    measured = tests.mean(axis=1)
    assert reliability(tests) == pytest.approx(0.5, abs=0.03)
    children = true[:, 0] + 0.2 * rng.normal(size=4000)
    found = heritability(measured, measured, children, reliability(tests))
    assert found.slope == pytest.approx(0.5, abs=0.04)
    assert found.corrected == pytest.approx(1.0, abs=0.06)


def test_reliability_at_its_ends():
    assert reliability([[1.0, 1.0], [2.0, 2.0]]) == 1
    assert reliability([[1.0, 2.0], [2.0, 1.0]]) == 0
    with pytest.raises(ValueError, match="individuals"):
        reliability([[1.0, 2.0]])


def test_heritability_refuses_what_tells_nothing():
    with pytest.raises(ValueError, match="N >= 3"):
        heritability([1.0], [1.0], [1.0])
    with pytest.raises(ValueError, match="do not differ"):
        heritability([1.0] * 4, [1.0] * 4, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match="reliability"):
        heritability([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.0)


def test_share_of_members_is_exact():
    """Clopper & Pearson: 0 of 40 gives 1 - .025^(1/40) = .0881 at the upper end."""
    none = share_of_members(np.zeros(40))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 40))


def test_retest_shows_the_winners_curse():
    """Of 50 equal individuals of value 150, 10 noisy tasks each, the best looks far too good."""
    rng = np.random.default_rng(3)
    records, fresh = [], []
    for _ in range(20):
        scores = 15 + 5 * rng.normal(size=(50, 10))
        records.append(scores.sum(axis=1).max())
        fresh.append(15 + 5 * rng.normal(size=300))
    found = retest(fresh, records, tasks=10)
    assert found.value.value == pytest.approx(150, abs=2)
    assert found.curse.value == pytest.approx(
        5 * np.sqrt(10) * 2.249, abs=4
    )  # expected maximum of 50 normals
    assert found.errors == pytest.approx(10 * 5 / np.sqrt(300), rel=0.2)
    with pytest.raises(ValueError, match="tasks"):
        retest([[1.0]], [1.0], 10)


def test_plasticity_separates_weights_from_activations():
    flat, climbing = np.full(20, 0.5), np.r_[0.5, np.full(19, 0.97)]
    in_weights = plasticity(np.full((2, 20), 0.95), np.tile(flat, (2, 1)))
    assert in_weights.weights == pytest.approx(0.45)
    assert in_weights.activations == pytest.approx(0)
    in_context = plasticity(np.tile(climbing, (2, 1)), np.tile(climbing, (2, 1)))
    assert in_context.weights == pytest.approx(0)
    assert in_context.activations == pytest.approx(0.47)
    assert in_context.both == pytest.approx(0.47)
    with pytest.raises(ValueError, match="trials"):
        plasticity(np.zeros((2, 5)), np.zeros((2, 5)))

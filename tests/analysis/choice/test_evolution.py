"""Analyses of evolution on simulated data whose answer is known."""

import numpy as np
import pytest

from prefrontal.analysis.choice.evolution import innate_share, plasticity, retest, share_of_members


def test_innate_share_by_hand():
    before, after = np.array([[0.0, 5.0], [10.0, 1.0]]), np.array([[10.0, 10.0], [20.0, 1.0]])
    assert innate_share(before, after).tolist() == [[0.0, 0.5], [0.5, 1.0]]
    assert innate_share([3.0], [5.0], chance=1.0) == pytest.approx([0.5])
    assert np.isnan(innate_share([0.0], [0.0])).all()
    with pytest.raises(ValueError, match="shapes"):
        innate_share([1.0, 2.0], [1.0])


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

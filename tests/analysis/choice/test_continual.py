"""Continual-learning measures: hand values, and records of known answer."""

import numpy as np
import pytest

from prefrontal.analysis.choice.continual import (
    confusion_by_pair,
    pair_accuracy,
    recovery_time,
    transfer,
)


def test_transfer_by_hand():
    # Lopez-Paz & Ranzato's matrix for three modes, two members.
    one = [[0.9, 0.4, 0.5], [0.7, 0.8, 0.6], [0.8, 0.5, 1.0]]
    two = [[1.0, 0.5, 0.5], [1.0, 1.0, 0.5], [1.0, 1.0, 1.0]]
    found = transfer([one, two], untrained=[[0.5, 0.5, 0.5]] * 2)
    np.testing.assert_allclose(found.average, [2.3 / 3, 1.0])
    np.testing.assert_allclose(found.backward, [(-0.1 - 0.3) / 2, 0.0])
    np.testing.assert_allclose(found.forward, [(-0.1 + 0.1) / 2, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.forgetting, [(0.1 + 0.3) / 2, 0.0])
    np.testing.assert_allclose(found.learning, [2.7 / 3, 1.0])
    # The best stage counts, not the one in which a mode was learnt.
    found = transfer([[[0.6, 0.5, 0.5], [0.9, 0.8, 0.5], [0.7, 0.8, 0.9]]])
    np.testing.assert_allclose(found.forgetting, [(0.2 + 0.0) / 2])
    np.testing.assert_allclose(found.backward, [(0.1 + 0.0) / 2])
    assert np.isnan(found.forward).all()


def test_transfer_has_intervals_over_members():
    rng = np.random.default_rng(0)
    matrix = 0.9 + 0.02 * rng.standard_normal((16, 3, 3))
    intervals = transfer(matrix, 0.5 + np.zeros((16, 3))).intervals()
    assert set(intervals) == {"average", "backward", "forward", "forgetting", "learning"}
    assert intervals["average"].low < 0.9 < intervals["average"].high
    assert intervals["average"].members == 16
    assert "forward" not in transfer(matrix).intervals()
    with pytest.raises(ValueError, match=r"matrix must be \[M, N, N\]"):
        transfer(np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="untrained must be"):
        transfer(matrix, np.zeros((16, 2)))


def record(accuracies, trials=60_000, seed=0):
    """Choices among stimuli 0 < 1 < 2, right with a probability that depends on the pair."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(0, 1), (0, 2), (1, 2)])
    which = rng.integers(3, size=(1, 10, trials // 10))
    low, high = pairs[which].transpose(3, 0, 1, 2)
    swap = rng.random(which.shape) < 0.5
    left, right = np.where(swap, high, low), np.where(swap, low, high)
    correct = rng.random(which.shape) < np.array(accuracies)[which]
    return left, right, np.where(correct, high, low), correct, which


def test_pairs_are_told_apart():
    left, right, chosen, correct, which = record([0.2, 1.0, 0.9])
    np.testing.assert_allclose(pair_accuracy(correct, which, [0, 1, 2]), [[0.2, 1, 0.9]], atol=0.01)
    assert np.isnan(pair_accuracy(correct, which, [7])).all()
    table = confusion_by_pair(left, right, chosen, [0, 1, 2])[0]
    assert np.isnan(np.diag(table)).all()
    np.testing.assert_allclose(table[[1, 2, 2], [0, 0, 1]], [0.2, 1.0, 0.9], atol=0.01)
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose((table + table.T)[off], 1.0)
    with pytest.raises(ValueError, match="one shape"):
        pair_accuracy(correct[0], which[0], [0])


def test_recovery_time_by_hand():
    curves = [[0.2, 0.9, 0.4, 0.9, 1.0], [0.1, 0.1, 0.2, 0.2, 0.3], [1.0, 0.2, 0.2, 0.2, 0.2]]
    assert recovery_time(curves, 0.9).tolist() == [1, np.inf, 0]
    assert recovery_time(curves, 0.9, window=2).tolist() == [3, np.inf, np.inf]
    assert recovery_time(curves, [0.6, 0.2, 0.6], window=2).tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="a window of 6"):
        recovery_time(curves, 0.9, window=6)
    with pytest.raises(ValueError, match=r"curves .* got nan at member 0, point 0"):
        recovery_time([[np.nan, 1.0]], 0.9)

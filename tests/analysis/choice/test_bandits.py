"""Bandit measures on arrays small enough to count by hand, and on a random policy."""

import numpy as np
import pytest

from prefrontal.analysis.choice import bandits

REGRET = np.array([[[0.0, 0.5, 0.5], [0.5, 0.0, 0.0]]])  # one member, two episodes, three trials


def test_regret_by_hand():
    np.testing.assert_allclose(bandits.regret_curve(REGRET), [[0.25, 0.5, 0.75]])
    np.testing.assert_allclose(bandits.total_regret(REGRET), [0.75])
    np.testing.assert_allclose(bandits.suboptimal_pulls(REGRET), [1.5])


def test_choices_by_hand():
    action = np.array([[[0, 1, 1], [1, 0, 0]]])
    best = np.zeros((1, 2, 1), dtype=int)
    np.testing.assert_allclose(bandits.optimal_fraction(action, best), [[0.5, 0.5, 0.5]])
    np.testing.assert_allclose(bandits.arm_frequencies(action, 3), [[0.5, 0.5, 0]])
    np.testing.assert_allclose(bandits.arm_frequencies(action, 2, trial=-1), [[0.5, 0.5]])


def test_random_policy_on_independent_arms_has_the_known_regret():
    rng = np.random.default_rng(0)
    p = rng.random((4, 4000, 2))
    action = rng.integers(0, 2, (4, 4000, 100))
    chosen = np.take_along_axis(p, action.reshape(4, 4000, -1), axis=2)
    record = {
        "action": action,
        "optimal_action": np.broadcast_to(p.argmax(-1)[..., None], action.shape),
        "regret": p.max(-1, keepdims=True) - chosen,
        "reward": (rng.random(action.shape) < chosen).astype(float),
    }
    result = bandits.summary(record)
    # exact: T * (2/3 - 1/2) = 16.67 for two arms drawn from U[0, 1]
    assert result["regret"].mean() == pytest.approx(100 / 6, abs=0.3)
    assert result["suboptimal_pulls"].mean() == pytest.approx(50, abs=0.2)
    assert result["reward"].mean() == pytest.approx(0.5, abs=0.01)
    assert result["final_optimal_fraction"].shape == (4,)


def test_actions_outside_the_arms_are_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        bandits.arm_frequencies(np.array([[[0, 2]]]), 2)

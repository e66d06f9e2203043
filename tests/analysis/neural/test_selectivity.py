"""Selectivity: known codes are found, and unrelated slow signals are not."""

import numpy as np
import pytest

from prefrontal.analysis.neural.selectivity import history_variables, selectivity


def _simulate(seed=0, episodes=80, trials=21):
    rng = np.random.default_rng(seed)
    action = rng.integers(0, 2, (2, episodes, trials))
    reward = (rng.random((2, episodes, trials)) < 0.4).astype(float)
    return rng, action, reward


def test_known_codes_are_found():
    rng, action, reward = _simulate()
    variables = history_variables(action, reward)
    value = np.cumsum(rng.normal(size=(2, 80, 20)), axis=2)
    hidden = rng.normal(size=(2, 80, 20, 8))
    hidden[..., 0] += variables["previous action"]
    hidden[..., 1] += variables["previous reward"]
    hidden[..., 2] += variables["interaction"]
    hidden[..., 3] += 0.5 * value
    hidden[..., 4] = 0.3  # silent
    found = selectivity(hidden, {**variables, "value": value})
    assert found.names == ("previous action", "previous reward", "interaction", "value")
    np.testing.assert_array_equal(found.selective[:, :4], np.tile(np.eye(4, dtype=bool), (2, 1, 1)))
    assert not found.selective[:, 4:].any()
    np.testing.assert_allclose(found.fraction, 1 / 8)
    assert found.coefficients[0, 0, 0] == pytest.approx(1, abs=0.1)
    assert (found.r_squared[:, 3] > 0.3).all()


def test_slow_unrelated_signals_are_rarely_called_selective():
    rng = np.random.default_rng(1)
    hidden = np.cumsum(rng.normal(size=(3, 60, 50, 40)), axis=2)
    value = np.cumsum(rng.normal(size=(3, 60, 50)), axis=2)
    found = selectivity(hidden, {"value": value})
    assert found.fraction.max() <= 1 / 40
    assert (found.p_values < 0.05).mean() < 0.1


def test_categorical_variables_are_tested_as_one():
    rng = np.random.default_rng(2)
    arm = rng.integers(0, 4, (1, 60, 10))
    hidden = rng.normal(size=(1, 60, 10, 5))
    hidden[..., 0] += arm == 2
    found = selectivity(hidden, {"arm": np.eye(4)[arm][..., 1:]})
    assert found.selective[0, :, 0].tolist() == [True, False, False, False, False]


def test_errors():
    rng, action, reward = _simulate(episodes=5)
    hidden = rng.normal(size=(2, 5, 21, 3))
    with pytest.raises(ValueError, match="flat never changes"):
        selectivity(hidden, {"flat": np.ones((2, 5, 21))})
    with pytest.raises(ValueError, match="as hidden"):
        selectivity(hidden, {"action": action[..., 1:]})
    with pytest.raises(ValueError, match="hidden must be"):
        selectivity(hidden[0], {"reward": reward})

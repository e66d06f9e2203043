"""RPE read-outs: events by hand, and regressions that tell model-based from model-free errors."""

import numpy as np
import pytest

from prefrontal.analysis.choice.observers import simulate_two_step
from prefrontal.analysis.neural import dopamine
from prefrontal.analysis.stats.means import mean_by_label

STAGE = np.array([[[0, 1, 2, 0, 1, 2], [0, 0, 1, 2, 2, 0]]])


def test_means_by_condition():
    rpe = np.arange(12.0).reshape(1, 2, 6)
    episode = np.array([0, 1])[None, :, None] + 0 * STAGE
    found = mean_by_label(rpe, episode, range(3), STAGE == 1)
    np.testing.assert_allclose(found, [[2.5, 8, np.nan]])


def test_inferred_value_is_seen_at_the_first_trial_after_a_reversal():
    # Value of the target not yet sampled, by trials since the reversal: inferred at once, or not.
    rng = np.random.default_rng(0)
    since = np.tile(np.arange(4), (2, 30, 5))
    value = np.stack([np.ones((30, 20)), np.where(since[1] == 0, 0.0, 1.0)])
    rpe = value + 0.1 * rng.normal(size=value.shape)
    found = mean_by_label(rpe, since, range(4))
    np.testing.assert_allclose(found[0], 1, atol=0.1)
    assert found[1, 0] < 0.1


def test_signals_along_choices_are_those_of_the_learner():
    observer = simulate_two_step("model_based", episodes=30)
    signals = dopamine.two_step_signals(observer.trials)
    np.testing.assert_allclose(signals["outcome error"], observer.prediction_error)
    # With a full trace the cached value is that of a learner of first actions alone.
    caching = simulate_two_step("model_free", episodes=30)
    signals = dopamine.two_step_signals(caching.trials, trace=1.0)
    reward = caching.trials.reward
    np.testing.assert_allclose(reward - signals["model-free value"], caching.prediction_error)


def test_regression_finds_whose_errors_they_are():
    trials = simulate_two_step("model_based", episodes=100).trials
    signals = dopamine.two_step_signals(trials)
    names = ("model-based state error", "model-free state error")
    noise = 0.3 * np.random.default_rng(1).normal(size=(2, 100, 100))
    rpe = np.concatenate([0.5 * signals[name] for name in names]) + noise
    found = dopamine.rpe_regression(
        rpe, {name: np.repeat(signals[name], 2, axis=0) for name in names}
    )
    assert found.names == names
    assert found.p_values[0, 0] < 1e-6
    assert found.p_values[1, 1] < 1e-6
    assert found.p_values[0, 1] > 1e-3
    assert found.p_values[1, 0] > 1e-3
    assert found.coefficients[0, 0] == pytest.approx(0.5 * signals[names[0]].std(), rel=0.1)
    assert (found.r_squared > 0.05).all()


def test_errors():
    rpe = np.zeros((1, 9, 3))
    with pytest.raises(ValueError, match="flat never changes"):
        dopamine.rpe_regression(rpe, {"flat": np.ones((1, 9, 3))})
    with pytest.raises(ValueError, match="shape of rpe"):
        dopamine.rpe_regression(rpe, {"short": np.ones((1, 9))})

"""RPE read-outs: events by hand, and regressions that tell model-based from model-free errors."""

import numpy as np
import pytest

from analysis import dopamine
from analysis.observers import simulate_two_step

STAGE = np.array([[[0, 1, 2, 0, 1, 2], [0, 0, 1, 2, 2, 0]]])


def test_events_by_hand():
    np.testing.assert_array_equal(
        dopamine.outcome_steps(STAGE, 2), [[[0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 1, 0]]]
    )
    np.testing.assert_array_equal(
        dopamine.cue_steps(STAGE, 1), [[[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]]
    )
    before = STAGE.copy()
    dopamine.cue_steps(STAGE, 2)
    np.testing.assert_array_equal(STAGE, before)


def test_means_by_condition():
    rpe = np.arange(12.0).reshape(1, 2, 6)
    found = dopamine.rpe_by_condition(
        rpe, STAGE == 1, np.array([0, 1])[None, :, None] + 0 * STAGE, 3
    )
    np.testing.assert_allclose(found, [[2.5, 8, np.nan]])


def test_inferred_value_is_seen_at_the_first_trial_after_a_reversal():
    # Value of the target not yet sampled, by trials since the reversal: inferred at once, or not.
    rng = np.random.default_rng(0)
    since = np.tile(np.arange(4), (2, 30, 5))
    value = np.stack([np.ones((30, 20)), np.where(since[1] == 0, 0.0, 1.0)])
    rpe = value + 0.1 * rng.normal(size=value.shape)
    found = dopamine.rpe_by_condition(rpe, np.ones_like(since), since, 4)
    np.testing.assert_allclose(found[0], 1, atol=0.1)
    assert found[1, 0] < 0.1


def test_regression_finds_whose_errors_they_are():
    model_based = simulate_two_step("model_based", episodes=60)
    trials = model_based.trials
    # The model-free error along the same choices and rewards.
    rows, q = np.arange(60), np.zeros((60, 2))
    action, reward = trials.first_action[0], trials.reward[0]
    model_free = np.zeros_like(reward)
    for n in range(reward.shape[1]):
        model_free[:, n] = reward[:, n] - q[rows, action[:, n]]
        q[rows, action[:, n]] += 0.5 * model_free[:, n]
    noise = 0.3 * np.random.default_rng(1).normal(size=(2, 60, 100))
    rpe = np.stack([0.5 * model_based.prediction_error[0], 0.5 * model_free]) + noise
    signals = {
        "model-based": np.repeat(model_based.prediction_error, 2, axis=0),
        "model-free": np.stack([model_free] * 2),
    }
    found = dopamine.rpe_regression(rpe, signals)
    assert found.names == ("model-based", "model-free")
    assert found.p_values[0, 0] < 1e-6
    assert found.p_values[1, 1] < 1e-6
    assert found.p_values[0, 1] > 1e-3
    assert found.p_values[1, 0] > 1e-3
    np.testing.assert_allclose(
        found.coefficients[0, 0], 0.5 * model_based.prediction_error.std(), rtol=0.1
    )
    assert (found.r_squared > 0.2).all()


def test_errors():
    rpe = np.zeros((1, 9, 3))
    with pytest.raises(ValueError, match="flat never changes"):
        dopamine.rpe_regression(rpe, {"flat": np.ones((1, 9, 3))})
    with pytest.raises(ValueError, match="shape of rpe"):
        dopamine.rpe_regression(rpe, {"short": np.ones((1, 9))})

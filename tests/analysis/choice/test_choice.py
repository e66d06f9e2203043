"""Choice probes on simulated learners with known weights, and learning curves by hand."""

import numpy as np
import pytest

from prefrontal.analysis.choice import choice
from prefrontal.analysis.choice.cognitive_models import RescorlaWagner


def _lau_glimcher_learner(reward_weights, choice_weights, bias, seed=0):
    """An agent whose log odds are exactly those of the regression [1, E, T]."""
    rng = np.random.default_rng(seed)
    episodes, trials, lags = 60, 200, len(reward_weights)
    action, reward = np.zeros((episodes, trials)), np.zeros((episodes, trials))
    p_reward = rng.uniform(0.1, 0.6, (episodes, 2))
    for t in range(trials):
        odds = np.full(episodes, bias)
        for k in range(1, min(lags, t) + 1):
            sign = 2 * action[:, t - k] - 1
            odds += sign * (reward_weights[k - 1] * reward[:, t - k] + choice_weights[k - 1])
        action[:, t] = rng.random(episodes) < 1 / (1 + np.exp(-odds))
        chosen = action[:, t].astype(int)
        reward[:, t] = rng.random(episodes) < p_reward[np.arange(episodes), chosen]
    return action[None], reward[None]


def test_history_regression_recovers_known_weights():
    truth = ([1.2, 0.6, 0.3], [0.4, -0.2, 0.0], 0.1)
    found = choice.history_regression(*_lau_glimcher_learner(*truth), lags=3)
    np.testing.assert_allclose(found.reward[0], truth[0], atol=0.12)
    np.testing.assert_allclose(found.choice[0], truth[1], atol=0.12)
    assert found.bias[0] == pytest.approx(truth[2], abs=0.08)
    low, high = found.fits[0].interval(0.999)
    assert ((low < [0.1, *truth[0], *truth[1]]) & (high > [0.1, *truth[0], *truth[1]])).all()


def test_history_regression_of_a_deterministic_agent_is_finite():
    won = np.random.default_rng(0).random((1, 20, 50)) < 0.5
    action = np.zeros((1, 20, 50))
    for t in range(1, 50):
        action[..., t] = np.where(won[..., t - 1], action[..., t - 1], 1 - action[..., t - 1])
    found = choice.history_regression(action, won, lags=2)
    assert np.isfinite(found.reward).all()
    assert found.reward[0, 0] > 3
    assert found.choice[0, 0] < -1


def test_matching_law_of_an_agent_that_matches():
    rng = np.random.default_rng(1)
    fractions = np.linspace(0.2, 0.8, 40)
    for sensitivity, low, high in ((1.0, 0.9, 1.1), (0.5, 0.42, 0.58)):
        odds = (fractions / (1 - fractions)) ** sensitivity
        p = (odds / (1 + odds))[:, None]
        # Rewards come at a rate that does not depend on how often an arm is chosen.
        action = rng.random((2, 40, 4000)) < p
        per_choice = np.where(action, fractions[:, None] / p, (1 - fractions[:, None]) / (1 - p))
        reward = rng.random(action.shape) < 0.4 * per_choice
        found = choice.matching_law(action, reward, skip=10)
        assert ((found.sensitivity > low) & (found.sensitivity < high)).all()
        np.testing.assert_allclose(found.bias, 0, atol=0.05)
        assert (found.r_squared > 0.9).all()
        assert (found.used == 1).all()


def test_matching_leaves_out_blocks_without_ratios():
    action = np.zeros((1, 5, 10))
    action[0, :4, ::2] = 1
    action[0, 1, :3] = 1
    found = choice.matching_law(action, np.ones_like(action))
    assert found.used[0] == pytest.approx(0.8)
    assert np.isnan(found.log_choice_ratio[0, 4])
    with pytest.raises(ValueError, match="three blocks"):
        choice.matching_law(np.zeros((1, 5, 10)), np.ones((1, 5, 10)))


def test_learning_set_curve_by_hand():
    trial = np.array([[[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 1, 1]]])
    correct = np.array([[[0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 0, 0]]])
    decision = np.array([[[0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 0]]])
    curve = choice.learning_set_curve(correct, trial, 4, decision)
    np.testing.assert_allclose(curve, [[0.5, 1, 1, np.nan]])
    with pytest.raises(ValueError, match="one shape"):
        choice.learning_set_curve(correct, trial[..., :2], 4)


def test_accuracy_since_a_switch_by_hand():
    correct = np.array([[[1, 1, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1]]])
    since = np.array([[[0, 1, 0, 1, 2, 3], [0, 1, 2, 0, 1, 2]]])
    after = np.array([[[0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]]])
    curve = choice.learning_set_curve(correct, since, 5, after)
    np.testing.assert_array_equal(curve, [[0, 0.5, 1, 1, np.nan]])


def test_rescorla_wagner_weights_decay_by_its_learning_rate():
    rng = np.random.default_rng(2)
    p = np.repeat(rng.random((100, 1, 2)), 200, axis=1)
    data = RescorlaWagner(0.0).simulate([0.4, 4.0], p)
    weights = choice.history_regression(data.action[None], data.reward[None], lags=4).reward[0]
    assert (np.diff(weights) < 0).all()
    assert weights[1] / weights[0] == pytest.approx(0.6, abs=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: choice.history_regression(x[0], x[0]), r"\[M, E, T\]"),
        (lambda x: choice.history_regression(x + 2, x), "from 0 to 1 .* got 2.0 at member 0"),
        (lambda x: choice.history_regression(x, x, lags=5), "lags must be 1 to 4"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((1, 2, 5)))

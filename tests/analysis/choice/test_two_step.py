"""Two-step probes on observers whose stay probabilities are known (4e4 episodes, exact to .005)."""

import numpy as np
import pytest

from prefrontal.analysis.choice import two_step
from prefrontal.analysis.choice.observers import WANG_2016, WANG_2018, simulate_two_step
from prefrontal.analysis.choice.two_step import TwoStepTrials

# observer: reward a trial, P(best first action), RC, RU, UC, UU
KNOWN_2018 = {
    "random": (0.500, 0.50, 0.50, 0.50, 0.50, 0.50),
    "ideal": (0.7058, 0.929, 1.0, 0.664, 0.664, 1.0),
    "model_based": (0.656, 0.824, 0.901, 0.416, 0.462, 0.886),
    "model_free": (0.635, 0.783, 0.957, 0.873, 0.550, 0.733),
}


@pytest.mark.parametrize("observer", KNOWN_2018)
def test_observers_behave_as_known(observer):
    reward, best, *bars = KNOWN_2018[observer]
    result = simulate_two_step(observer, episodes=6000, seed=1)
    assert two_step.reward_per_trial(result.trials)[0] == pytest.approx(reward, abs=0.004)
    assert result.optimal.mean() == pytest.approx(best, abs=0.004)
    np.testing.assert_allclose(two_step.stay_probabilities(result.trials)[0], bars, atol=0.012)


def test_ideal_observer_of_wang_2016_shows_the_published_zeros_at_first_only():
    result = simulate_two_step("ideal", WANG_2016, episodes=20_000)
    whole = two_step.stay_probabilities(result.trials)[0]
    first = two_step.stay_probabilities(result.trials, first_transition=True)[0]
    np.testing.assert_allclose(whole, two_step.IDEAL_2016, atol=0.015)
    np.testing.assert_allclose(first, two_step.IDEAL_2016_FIRST, atol=1e-12)
    assert two_step.reward_per_trial(result.trials)[0] == pytest.approx(0.6698, abs=0.005)


def test_indices_tell_observers_apart():
    stay = {o: two_step.stay_probabilities(simulate_two_step(o).trials) for o in KNOWN_2018}
    assert two_step.model_based_index(stay["ideal"])[0] == pytest.approx(0.67, abs=0.05)
    assert two_step.model_free_index(stay["ideal"])[0] == pytest.approx(0, abs=0.03)
    assert two_step.model_based_index(stay["model_free"])[0] == pytest.approx(0.27, abs=0.05)
    assert two_step.model_free_index(stay["model_free"])[0] == pytest.approx(0.55, abs=0.05)
    assert two_step.model_based_index(two_step.PUBLISHED_2018) == pytest.approx(0.725)


def test_regression_finds_the_signature_of_each_observer():
    fits = {
        o: two_step.stay_regression(simulate_two_step(o, episodes=300).trials)[0]
        for o in KNOWN_2018
    }
    _, reward, _, interaction = range(4)
    p = {o: fit.p_values for o, fit in fits.items()}
    assert p["model_based"][interaction] < 1e-9
    assert p["model_based"][reward] > 1e-3
    assert p["model_free"][reward] < 1e-9
    assert fits["model_free"].coefficients[reward] > fits["model_free"].coefficients[interaction]
    assert (p["random"] > 1e-3).all()
    assert fits["ideal"].coefficients[interaction] > 2  # separable, yet finite
    assert np.isfinite(fits["ideal"].covariance).all()


def test_stay_probabilities_by_hand():
    trials = TwoStepTrials(
        np.array([[[0, 0, 1, 1, 0]]]),
        np.array([[[True, False, True, False, True]]]),
        np.array([[[1.0, 1, 0, 0, 1]]]),
    )
    # RC stay; RU switch; UC stay; UU switch; the last trial has no successor
    np.testing.assert_allclose(two_step.stay_probabilities(trials), [[1, 0, 1, 0]])
    np.testing.assert_array_equal(trials.second_state, [[[0, 1, 1, 0, 0]]])
    first = two_step.stay_probabilities(trials, first_transition=True)[0]
    assert first[0] == 1
    assert np.isnan(first[1:]).all()


def test_trials_of_a_record():
    expected = simulate_two_step("random", WANG_2018, episodes=4).trials
    shape = (*expected.reward.shape, 3)  # three steps a trial: fixation, first and second stage
    columns = {name: np.zeros(shape) for name in ("action", "reward", "common", "stage")}
    columns["stage"][:] = [-1, 0, 1]
    columns["action"][..., 1] = expected.first_action
    columns["common"][..., 2] = expected.common
    columns["reward"][..., 2] = expected.reward
    record = {name: column.reshape(1, 4, 300) for name, column in columns.items()}
    record["trial"] = np.broadcast_to(np.repeat(np.arange(100), 3), (1, 4, 300))
    found = two_step.trials_of(record)
    np.testing.assert_array_equal(found.first_action, expected.first_action)
    np.testing.assert_array_equal(found.common, expected.common)
    np.testing.assert_array_equal(found.reward, expected.reward)
    record["trial"] = record["trial"][..., ::-1]
    with pytest.raises(ValueError, match="same number of steps"):
        two_step.trials_of(record)


def test_errors():
    with pytest.raises(ValueError, match="one shape"):
        TwoStepTrials(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="lacks common, stage"):
        two_step.trials_of({"action": 0, "reward": 0, "trial": 0})
    with pytest.raises(ValueError, match="ideal"):
        simulate_two_step("perfect")
    one = np.zeros((1, 1, 3))
    with pytest.raises(ValueError, match="never occur"):
        two_step.stay_regression(TwoStepTrials(one, one, one))

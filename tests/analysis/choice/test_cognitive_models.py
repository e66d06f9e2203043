"""Parameter and model recovery, learning rates of blocks, likelihoods by hand."""

from dataclasses import replace

import numpy as np
import pytest

from prefrontal.analysis.choice.cognitive_models import (
    ChoiceData,
    RescorlaWagner,
    choice_data,
    compare,
    fit,
)
from prefrontal.analysis.choice.hybrid_model import Hybrid, two_step_data
from prefrontal.analysis.choice.learning_rate import learning_rates
from prefrontal.analysis.choice.observers import simulate_two_step


def _arms(episodes=20, trials=100, seed=0):
    rng = np.random.default_rng(seed)
    return np.repeat(rng.random((episodes, 1, 2)), trials, axis=1)


def test_likelihood_by_hand():
    data = choice_data([0, 0, 1], [1.0, 0.0, 0.0])
    found = RescorlaWagner(0.0).log_likelihood(np.array([[0.5, 2.0], [0.5, 0.0]]), data)
    # Q: (0, 0), (.5, 0), (.25, 0); log odds of arm 0: 0, 1, .5
    by_hand = -np.log(2) - np.log(1 + np.exp(-1)) - np.log(1 + np.exp(0.5))
    np.testing.assert_allclose(found, [by_hand, -3 * np.log(2)])


@pytest.mark.parametrize("truth", [(0.3, 4.0), (0.7, 8.0)])
def test_rescorla_wagner_is_recovered(truth):
    data = RescorlaWagner().simulate(truth, _arms())
    found = fit(RescorlaWagner(), data, starts=2)
    assert found.parameters["learning_rate"] == pytest.approx(truth[0], abs=0.06)
    assert found.parameters["inverse_temperature"] == pytest.approx(truth[1], rel=0.12)
    assert found.at_bound == ()
    assert found.bic == pytest.approx(2 * np.log(2000) - 2 * found.log_likelihood)


def test_the_model_that_made_the_choices_wins():
    plain, forgetful = RescorlaWagner(), RescorlaWagner(forgetting=True)
    models = {"plain": plain, "forgetful": forgetful}
    best = compare(models, forgetful.simulate([0.4, 5.0, 0.2], _arms()), starts=2)[0]
    assert best.model == "forgetful"
    assert best.parameters["forgetting_rate"] == pytest.approx(0.2, abs=0.06)
    assert compare(models, plain.simulate([0.4, 5.0], _arms()), starts=2)[0].model == "plain"


def test_hybrid_of_daw_is_recovered():
    rng = np.random.default_rng(1)
    walk = np.clip(0.5 + np.cumsum(rng.normal(0, 0.025, (15, 150, 2, 2)), axis=1), 0.25, 0.75)
    truth = dict(zip(Hybrid().names, [0.6, 0.4, 0.6, 0.4, 5.0, 0.1, 4.0], strict=True))
    data = Hybrid().simulate(list(truth.values()), walk)
    found = fit(Hybrid(), data, starts=1).parameters
    for name, allowed in (("w", 0.2), ("alpha1", 0.2), ("alpha2", 0.12), ("perseveration", 0.06)):
        assert found[name] == pytest.approx(truth[name], abs=allowed), name
    for name in ("beta1", "beta2"):
        assert found[name] == pytest.approx(truth[name], rel=0.2), name


def test_hybrid_tells_observers_apart():
    planned, cached = {}, {}
    for observer in ("model_based", "model_free"):
        trials = simulate_two_step(observer, episodes=10).trials
        found = fit(Hybrid(0.8, options=1), two_step_data(trials), starts=1).parameters
        assert "beta2" not in found
        # w alone means nothing where one of the two systems never learns: its pull counts
        planned[observer] = found["w"] * found["beta1"] * found["alpha2"]
        cached[observer] = (1 - found["w"]) * found["beta1"] * found["alpha1"]
    assert planned["model_based"] == pytest.approx(5 * 0.5, rel=0.15)
    assert cached["model_based"] < 0.6
    assert cached["model_free"] == pytest.approx(5 * 0.5, rel=0.15)
    assert planned["model_free"] < 0.6


def test_learning_rates_of_blocks_are_recovered():
    arms = _arms(40)
    arms[:, 50:] = arms[:, 50:, ::-1]
    slow = RescorlaWagner().simulate([0.2, 6.0], arms, seed=1)
    fast = RescorlaWagner().simulate([0.6, 6.0], arms, seed=2)
    action = np.concatenate([slow.action, fast.action])
    reward = np.concatenate([slow.reward, fast.reward])
    found = learning_rates(action, reward, np.repeat(["low", "high"], 40))
    assert found.groups.tolist() == ["high", "low"]
    np.testing.assert_allclose(found.rates, [0.6, 0.2], atol=0.06)
    assert found.inverse_temperature == pytest.approx(6, rel=0.15)
    assert 0.2 < found.shared_rate < 0.6


def _two_step(options):
    rng = np.random.default_rng(3)
    truth = [0.6, 0.4, 0.6, 0.4, 5.0, 0.1, 4.0][: len(Hybrid(options=options).names)]
    return Hybrid(options=options).simulate(truth, rng.uniform(0.2, 0.8, (4, 40, 2, options)))


MODELS = {
    "plain": (lambda unit: RescorlaWagner(0.5 * unit), 2),
    "forgetting": (lambda unit: RescorlaWagner(0.5 * unit, forgetting=True), 2),
    "hybrid": (lambda unit: Hybrid(), 2),
    "hybrid, one option": (lambda unit: Hybrid(options=1), 1),
}


@pytest.mark.parametrize("name", MODELS)
def test_fits_do_not_depend_on_the_unit_of_reward(name):
    make, options = MODELS[name]
    data = _two_step(options)
    wanted = fit(make(1.0), data, starts=1)
    for unit in (1000.0, 0.01):
        found = fit(make(unit), replace(data, reward=unit * data.reward), starts=1)
        assert found.log_likelihood == pytest.approx(wanted.log_likelihood, rel=1e-6)
        assert found.at_bound == wanted.at_bound
        for label, power in zip(make(1.0).names, make(1.0).units, strict=True):
            in_ours = found.parameters[label] / unit**power
            assert in_ours == pytest.approx(wanted.parameters[label], rel=0.01, abs=1e-3), label


def test_learning_rates_do_not_depend_on_the_unit_of_reward():
    data = RescorlaWagner().simulate([0.4, 5.0], _arms(10, 50))
    group = np.arange(10) % 2
    wanted = learning_rates(data.action, data.reward, group)
    for unit in (1000.0, 0.01):
        found = learning_rates(data.action, unit * data.reward, group, 0.5 * unit)
        np.testing.assert_allclose(found.rates, wanted.rates)
        assert found.inverse_temperature * unit == pytest.approx(wanted.inverse_temperature)


def test_only_models_of_the_same_choices_are_ranked():
    data = _two_step(2)
    with pytest.raises(ValueError, match="cached those of action, hybrid those of action and sec"):
        compare({"cached": RescorlaWagner(), "hybrid": Hybrid()}, data)
    first = compare({"cached": RescorlaWagner(), "hybrid": Hybrid(options=1)}, data, starts=1)
    assert [one.choices for one in first] == [160, 160]
    assert {one.explains for one in first} == {("action",)}
    both = fit(Hybrid(), data, starts=1)
    assert (both.choices, both.explains) == (320, ("action", "second_action"))
    second = np.where(np.arange(40) < 10, -1, data.second_action)
    assert fit(Hybrid(), replace(data, second_action=second), starts=1).choices == 320 - 40


def test_parameters_that_the_likelihood_does_not_depend_on_are_flagged():
    rng = np.random.default_rng(0)
    episodes = choice_data(np.ones((30, 2), int), rng.integers(0, 2, (30, 2)))
    # Second choices stay after a reward and after none alike: forgetting cannot matter, at start 0
    # the values of arms not chosen are 0 with and without it.
    switching = replace(episodes, action=np.repeat(rng.integers(0, 2, (30, 1)), 2, axis=1))
    found = fit(RescorlaWagner(0.0, forgetting=True), switching, starts=2)
    assert found.flat == ("forgetting_rate",)
    assert fit(RescorlaWagner(), RescorlaWagner().simulate([0.5, 4.0], _arms())).flat == ()


class Broken(RescorlaWagner):
    """A model whose likelihood is not finite where an arm is learned about fast."""

    def log_likelihood(self, parameters, data):
        found = super().log_likelihood(parameters, data)
        return np.where(parameters[:, 0] > self.start, np.nan, found)


def test_an_optimum_that_is_not_finite_is_never_returned():
    data = RescorlaWagner(0.9).simulate([0.3, 4.0], _arms(5))
    found = fit(Broken(0.9), data)
    assert np.isfinite([found.log_likelihood, *found.parameters.values()]).all()
    with pytest.raises(ValueError, match="Broken: the log likelihood is not finite"):
        fit(Broken(-1.0), data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (choice_data([0], [1.0]), "1 choices cannot determine 2 parameters"),
        (
            choice_data([0, 1, 0, 1], [2.0] * 4),
            "every reward is 2: a fit needs rewards that differ",
        ),
        (choice_data([0, 1, 0], [np.nan] * 3), "every reward is missing"),
        (choice_data([1, 1, 1], [0.0, 1.0, 0.0]), "3 choices and all the same"),
        (choice_data([0, 0, 0], [0.0, 1.0, 0.0], 1), "all the same"),
        (choice_data([[0], [1], [0]], [[0.0], [1.0], [0.0]]), "the likelihood is flat"),
        (choice_data([0, -1, 1, -1], [0.0, 1.0, 1.0, 0.0]), "2 choices cannot determine"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        fit(RescorlaWagner(), data)


def test_errors():
    with pytest.raises(ValueError, match=r"must be \[E, T\]"):
        choice_data(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="0 to 1"):
        choice_data([0, 2], [0, 0])
    with pytest.raises(ValueError, match="second_state"):
        Hybrid().log_likelihood(np.ones((1, 7)), choice_data([0], [0]))
    with pytest.raises(ValueError, match=r"from 0 to 1 .* got -2 at episode 0, trial 1"):
        choice_data([[0, -2]], [[0, 0]])
    with pytest.raises(ValueError, match="group must be"):
        learning_rates([[0, 1]], [[0, 1]], np.zeros(3))
    with pytest.raises(ValueError, match="options=1"):
        two_step_data(simulate_two_step("random", episodes=2).trials, options=2)
    with pytest.raises(ValueError, match="the choices of group 1 say nothing of its rate"):
        learning_rates([[0, 1, 1], [-1, -1, -1]], [[0, 1, 0], [0, 1, 0]], [0, 1])
    assert ChoiceData(np.zeros((1, 2), int), np.zeros((1, 2))).choices == 2

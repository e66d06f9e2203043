"""Agents as models of the chooser: raw, and with a read-out of each subject."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.behaviour.agents.forcing import force
from prefrontal.behaviour.agents.read_out import AgentModel, ReadOut
from prefrontal.behaviour.fits.fitted import Fittable, Fitted
from prefrontal.behaviour.models.run import run
from prefrontal.behaviour.table import behaviour

SPEC = EnvironmentSpec("prefrontal/TwoArmedBandit-v0", ("action", "reward"), {"trials": 60})
AGENTS = Population.create(SPEC, NetworkConfig("gru", hidden_size=4), members=1)
AGENTS.model.set_parameters(6 * AGENTS.model.parameters)  # so that it has an opinion


def followers(subjects, beta, kappa, bias, trials=6):
    """Return random histories, after which a last choice follows the agent with this read-out.

    Only the last choice is scored.
    """
    rng = np.random.default_rng(0)
    choice = rng.integers(0, 2, (subjects, trials))
    reward = (rng.random((subjects, trials)) < 0.5).astype(float)
    logits = beta * force(AGENTS, behaviour(choice, reward)).preference[0, :, -1]
    logits[:, 0] += bias
    logits[np.arange(subjects), choice[:, -2]] += kappa
    p = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    choice[:, -1] = rng.random(subjects) < p
    last = np.zeros(choice.shape, bool)
    last[:, -1] = True
    return behaviour(choice, reward).masked(last)


def test_a_read_out_is_recovered():
    table = followers(1500, beta=0.5, kappa=0.8, bias=-0.5)
    model = AgentModel(AGENTS[0], "it", "pooled")
    assert isinstance(model, Fittable)
    with pytest.warns(UserWarning, match="trials of an episode: up to 6 in the table, 60 in"):
        fitted = model.fit(table)
    assert isinstance(fitted, Fitted)
    found = fitted.read_out.population
    wanted = {"inverse_temperature": 0.5, "perseveration": 0.8, "bias": -0.5}
    assert found == {name: pytest.approx(value, abs=0.3) for name, value in wanted.items()}
    raw = force(AGENTS, table).score(table)
    assert np.nanmean(fitted.score(table)) > np.nanmean(raw)


def test_log_probabilities_are_those_computed_by_hand():
    table = behaviour([[0, 1]], [[1.0, 0.0]])
    columns = {"agent_0": np.array([[0.0, -3.0]]), "agent_1": np.array([[-1.0, 0.0]])}
    table = replace(table, columns=columns)
    theta = {"inverse_temperature": 0.5, "perseveration": 1.0, "bias": 0.2}
    theta = {name: torch.tensor([value], dtype=torch.float64) for name, value in theta.items()}
    found = run(ReadOut("it"), theta, table).log_p[0]
    first = 0.2 - np.log(np.exp(0.2) + np.exp(-0.5))
    second = 0 - np.log(np.exp(-1.5 + 1.0 + 0.2) + 1)
    np.testing.assert_allclose(found, [first, second])


def test_raw_agents_are_their_policy_and_below_chance_is_said():
    table = followers(40, beta=-1.0, kappa=0.0, bias=0.0)  # does what the agent would not
    with pytest.warns(UserWarning, match="trials of an episode") as caught:
        fitted = AgentModel(AGENTS[0], "it", "raw").fit(table)
    assert not any("chance" in str(one.message) for one in caught)  # a comparison says it once
    assert re.search("it: below chance in .*: 0.* a choice, chance is 0.500", fitted.notes[-1])
    np.testing.assert_array_equal(fitted.score(table), force(AGENTS, table).score(table)[0])
    assert any("trials of an episode: up to 6" in note for note in fitted.notes)


def test_what_is_not_available_has_no_probability():
    table = behaviour([[0, 1, 1]], [[1.0, 0.0, 1.0]])
    there = np.ones((1, 3, 2), bool)
    there[0, 1, 0] = False
    scores = force(AGENTS, replace(table, available=there)).score(replace(table, available=there))
    assert scores[0, 0, 1] == 0.0
    assert (scores[0, 0, [0, 2]] < 0).all()


def test_second_choices_have_an_inverse_temperature_of_their_own():
    spec = EnvironmentSpec("prefrontal/Daw2011TwoStep-v0", ("action", "reward"), {"trials": 8})
    agent = Population.create(spec, NetworkConfig("gru", hidden_size=3), members=1)[0]
    rng = np.random.default_rng(0)
    choice, state, second = rng.integers(0, 2, (3, 4, 8))
    table = behaviour(choice, rng.random((4, 8)) < 0.5, state2=state, choice2=second)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = AgentModel(agent, "it").fit(table)
    assert "inverse_temperature_2" in fitted.read_out.parameters
    assert np.isfinite(fitted.score(table)).all()


def test_a_population_of_several_is_refused():
    several = Population.create(SPEC, NetworkConfig("gru", hidden_size=4), members=2)
    with pytest.raises(ValueError, match=r"one member of the 2 agents, such as agents\[0\]"):
        AgentModel(several)

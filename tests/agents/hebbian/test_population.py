"""Trained rate networks: predict, record, save and load."""

import numpy as np
import pytest
import torch

from prefrontal import agents
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.hebbian.learner import make_learner
from prefrontal.agents.hebbian.population import RatePopulation, make_population
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.hebbian.answers import ANSWERS, SMALL, job


@pytest.fixture
def population():
    return make_population(job(), make_learner(job(), range(2)).state()["weights"])


def recorded(population, **options):
    envs = make_envs(ANSWERS, population.members, 4, facts=True, discrete=False)
    envs.reset(seed=0)
    return next(population.record(envs, 1, seed=0, discount=1.0, **options))


def test_what_is_recorded(population):
    record = recorded(population, hidden=True)
    assert record["action"].shape == (2, 4, 9, 1)
    assert record["reward"].shape == record["trial"].shape == (2, 4, 9)
    assert record["hidden"].shape == (2, 4, 9, 14)
    np.testing.assert_array_equal(record["hidden"][..., :1], record["action"])
    missed = np.abs(record["action"][..., 6:, 0] - record["task.target"][..., None]).sum(2) / 3
    np.testing.assert_allclose(record["reward"].sum(2), -missed, rtol=1e-5)
    again = recorded(population)
    np.testing.assert_array_equal(record["action"], again["action"])
    assert "hidden" not in again


def test_predict_is_what_is_played(population):
    record = recorded(population, hidden=True)
    for member, agent in enumerate(population):
        state = (np.arctanh(record["hidden"][member, :, 0]),)
        for t in range(1, 9):
            action, state = agent.predict(record["observation"][member, :, t], state)
            np.testing.assert_allclose(action, record["action"][member, :, t], atol=1e-5)
    fresh = agent.predict(np.ones((2, 1)))
    again = agent.predict(np.ones((2, 1)), fresh[1], np.array([True, False]))
    np.testing.assert_array_equal(fresh[0][0], again[0][0])
    assert (fresh[0][1] != again[0][1]).all()
    assert agent.predict(np.ones(1))[0].shape == (1,)


def test_it_is_saved_and_loaded(population, tmp_path):
    population.save(tmp_path)
    loaded = agents.load(tmp_path)
    assert type(loaded) is RatePopulation
    assert torch.equal(loaded.weights, population.weights)
    assert loaded.meta() == population.meta()
    assert loaded[1].members == [1]
    assert torch.equal(loaded[1].weights[0], population.weights[1])
    half = RatePopulation(population.weights.half(), SMALL, ANSWERS, 1)  # as they are shipped
    np.testing.assert_allclose(half.weights, population.weights, rtol=1e-3, atol=1e-6)


def test_what_does_not_fit_is_refused(population):
    with pytest.raises(CheckpointError, match=r"weights have shape \[2, 209\].*\[2, 210\]"):
        RatePopulation(population.weights[:, 1:], SMALL, ANSWERS, 1)
    with pytest.raises(ConfigError, match="no prediction errors"):
        recorded(population, forget=True)
    with pytest.raises(ValueError, match="1 numbers"):
        population[0].predict(np.zeros(5))

"""Trained policies that adapt by gradient: predict, record, save and load."""

import numpy as np
import pytest
import torch

from prefrontal import agents
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.gradient_policies.population import GradientPopulation, make_population
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.gradient_policies.test_learner import SPEC, job, learner


@pytest.fixture
def population():
    weights = torch.randn(2, 11, generator=torch.Generator().manual_seed(0))
    return make_population(job(), weights)


def recorded(population, **options):
    envs = make_envs(SPEC, population.members, 4, facts=True)
    envs.reset(seed=0)
    return next(population.record(envs, 1, seed=0, discount=1.0, **options))


def test_what_is_recorded(population):
    record = recorded(population, hidden=True)
    assert record["action"].shape == record["reward"].shape == record["regret"].shape == (2, 4, 6)
    policy = record["policy"]
    assert policy.shape == (2, 4, 6, 3)
    start = population.weights[:, :3].softmax(1).numpy()
    np.testing.assert_allclose(
        policy[:, :, :2], start[:, None, None] + 0 * policy[:, :, :2], rtol=1e-5
    )
    np.testing.assert_array_equal(policy[:, :, 2], policy[:, :, 3])
    assert (policy[:, :, 1] != policy[:, :, 2]).any()
    chosen = np.take_along_axis(record["task.p"], record["action"][:, :, 0, None].astype(int), 2)
    np.testing.assert_allclose(record["expected_reward"][:, :, 0], chosen[..., 0])
    again = recorded(population)
    np.testing.assert_array_equal(record["action"], again["action"])
    assert "observation" not in again


def test_new_policies_learn_what_training_gives():
    trained = learner()
    fresh = make_population(job(), trained.weights.clone())
    for _ in range(3):
        trained.update()
    metrics = fresh.learn(total_steps=100, config=job().algorithm, num_envs=8)
    assert metrics["return"].shape == (3, 2)
    other = learner(steps=100)  # schedules span the call
    for _ in range(3):
        other.update()
    assert torch.equal(fresh.weights, other.weights)
    assert not torch.equal(fresh.weights, trained.weights)
    with pytest.raises(ConfigError, match="at least 2"):
        fresh.learn(100, num_envs=1)


def test_predict_is_what_is_played(population):
    """The best action at every step, by what observations say of the last reward."""
    record = recorded(population, hidden=True, deterministic=True)
    for member, agent in enumerate(population):
        state = None
        for t in range(6):
            seen = record["observation"][member, :, t]
            action, state = agent.predict(seen, state, deterministic=True)
            np.testing.assert_array_equal(action, record["action"][member, :, t])
            np.testing.assert_allclose(state[0], record["hidden"][member, :, t], atol=1e-6)
    fresh = agent.predict(seen, state, np.ones(4, bool), deterministic=True)
    np.testing.assert_array_equal(fresh[0], record["action"][member, :, 0])
    assert agent.predict(seen[0])[0].shape == ()
    drawn, _ = agent.predict(np.repeat(seen[:1], 20_000, 0))
    share = np.bincount(drawn, minlength=3) / 20_000
    np.testing.assert_allclose(share, record["policy"][member, 0, 0], atol=0.02)


def test_it_is_saved_and_loaded(population, tmp_path):
    population.save(tmp_path)
    loaded = agents.load(tmp_path)
    assert type(loaded) is GradientPopulation
    assert torch.equal(loaded.weights, population.weights)
    assert loaded.meta() == population.meta()
    assert loaded[1].members == [1]
    assert torch.equal(loaded[1].weights[0], population.weights[1])


def test_what_does_not_fit_is_refused(population):
    with pytest.raises(CheckpointError, match=r"weights have shape \[2, 10\].*\[2, 11\]"):
        GradientPopulation(population.weights[:, 1:], population.told)
    with pytest.raises(ConfigError, match="no prediction errors"):
        recorded(population, forget=True)
    with pytest.raises(ValueError, match="5 numbers"):
        population[0].predict(np.zeros(2))

"""Cores with states of other shapes, with every learner: learned, gone on with, saved, played."""

import numpy as np
import pytest
import torch

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, load, registry
from prefrontal.agents.a2c.config import ReplayConfig
from prefrontal.agents.base import Job
from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.population import Population
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.supervised.config import DecisionPretrainedConfig

INPUTS, TRIALS = ("action", "reward"), 7
SPEC = EnvironmentSpec("prefrontal/TwoArmedBandit-v0", INPUTS, {"trials": TRIALS})
NETWORKS = {
    "attention": NetworkConfig("attention", {"layers": 2, "memory": 4}, hidden_size=6),
    "linear-attention": NetworkConfig("linear-attention", {"heads": 3}, hidden_size=6),
}
ALGORITHMS = {
    "a2c": A2CConfig(),
    "replay": A2CConfig(replay=ReplayConfig("prioritised", 20)),
    "r2d2": R2D2Config(sequence=4, burn_in=2, replay_start=4, replay_batch=4),
    "supervised": DecisionPretrainedConfig(),
    "evolution": EvolutionConfig(
        individuals=4,
        offspring=3,
        remeasured=1,
        tasks=2,
        tournament=2,
        truncation=2,
        learning_updates=2,
    ),
}


def job(core, algorithm):
    batch = 1 if algorithm == "evolution" else 5
    return Job(SPEC, NETWORKS[core], ALGORITHMS[algorithm], 2, batch, 4000, seed=2)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("core", NETWORKS)
def test_they_learn_and_go_on_exactly(core, algorithm):
    one = job(core, algorithm)
    straight = registry.make_learner(one, [0, 1])
    for _ in range(2):
        before = straight.state()
        straight.update()
    state = straight.state()
    assert any((before[name] != state[name]).any() for name in state)
    resumed = registry.make_learner(one, [0, 1])
    resumed.set_state(state)
    for _ in range(2):
        told, again = straight.update(), resumed.update()
        assert all(same(told[name], again[name]) for name in told)
    after = resumed.state()
    assert all(same(value, after[name]) for name, value in straight.state().items())


def same(one, other):
    return torch.equal(one.nan_to_num(), other.nan_to_num())


@pytest.mark.parametrize("core", NETWORKS)
def test_they_are_saved_and_play_step_by_step_what_is_recorded(core, tmp_path):
    Population.create(SPEC, NETWORKS[core], members=2, seed=3).save(tmp_path)
    agents = load(tmp_path)
    envs = make_envs(SPEC, agents.members, 3, facts=True)
    envs.reset(seed=0)
    (record,) = agents.record(envs, 1, seed=0, discount=0.9, deterministic=True, hidden=True)
    for member, agent in enumerate(agents):
        state, seen = None, record["observation"][member]
        for t in range(TRIALS):
            value = agent.value(seen[:, t], state)
            action, state = agent.predict(seen[:, t], state, deterministic=True)
            np.testing.assert_array_equal(action, record["action"][member, :, t])
            np.testing.assert_allclose(value, record["value"][member, :, t], atol=1e-6)

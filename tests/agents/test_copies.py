"""Agents of every kind are copied after they have predicted, and go on exactly."""

import copy
import multiprocessing
import pickle

import cloudpickle
import numpy as np
import pytest
import torch

import prefrontal as pf
from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.evolution.config import LifetimeConfig
from prefrontal.agents.evolution.population import Evolved
from prefrontal.agents.r2d2.population import QPopulation
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv
from prefrontal.agents.td3.config import TD3NetworkConfig
from prefrontal.agents.td3.population import ContinuousPopulation
from tests.agents.helpers import BANDIT

SPEC = EnvironmentSpec(BANDIT, ("action", "reward", "time"), {"trials": 8})
FIREFLY = EnvironmentSpec("prefrontal/FireflyNavigation-v0", ("action",))
SMALL = NetworkConfig(hidden_size=6)


def evolved():
    made = Evolved.create(SPEC, SMALL, 3, seed=2)
    made.genomes, made.hyper = torch.rand(3, 5), torch.rand(3, 4)
    made.lifetime = LifetimeConfig()
    return made


KINDS = {
    "lstm": lambda: Population.create(SPEC, SMALL, 3, seed=2),
    "gru": lambda: Population.create(SPEC, NetworkConfig(hidden_size=6, core="gru"), 3, seed=2),
    "q": lambda: QPopulation.create(SPEC, SMALL, 3, seed=2),
    "evolved": evolved,
    "td3": lambda: ContinuousPopulation.create(
        FIREFLY, TD3NetworkConfig("actor2", "critic4", scale=0.05), members=3, seed=1
    ),
    "rate": lambda: pf.load("miconi2017-dnms", "hebbian")[:3],
    "gradient": lambda: pf.load("maml-bandit", "5x10-maml-10")[:3],
}
COPIERS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda agent: pickle.loads(pickle.dumps(agent)),
    "cloudpickle": lambda agent: cloudpickle.loads(cloudpickle.dumps(agent)),
}


def rows_for(agent):
    return np.random.default_rng(0).random((4, agent.input_size), dtype=np.float32)


def go_on(agent, state):
    """Predict three times more."""
    seen = []
    for _ in range(3):
        action, state = agent.predict(rows_for(agent), state)
        seen += [action, *state]
    return seen


@pytest.mark.parametrize("copier", COPIERS)
@pytest.mark.parametrize("kind", KINDS)
def test_agents_and_populations_go_on_alike(kind, copier):
    population = KINDS[kind]()
    agent, untouched = population[1], KINDS[kind]()[1]
    for one in (agent, untouched):
        _, state = one.predict(rows_for(one))
    twin = COPIERS[copier](agent)
    together = COPIERS[copier](population)
    first, second, third = (go_on(one, state) for one in (twin, agent, untouched))
    for a, b, c in zip(first, second, third, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(b, c)
    assert together.members == population.members
    assert type(together) is type(population)
    _, state = together[1].predict(rows_for(agent))
    for a, b in zip(go_on(together[1], state), go_on(population[1], state), strict=True):
        np.testing.assert_array_equal(a, b)


def go_on_and_change(agent, state):
    """Go on in another process, and change the weights there."""
    seen = go_on(agent, state)
    weights = agent.model.parameters if hasattr(agent, "model") else agent.weights
    weights.zero_()
    return seen


def test_agents_sent_to_other_processes_go_on_alike_and_leave_the_original():
    agents = [make()[1] for make in KINDS.values()]
    states = [agent.predict(rows_for(agent))[1] for agent in agents]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        sent = pool.starmap(go_on_and_change, zip(agents, states, strict=True))
    for agent, state, seen in zip(agents, states, sent, strict=True):
        for a, b in zip(seen, go_on(agent, state), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("copier", COPIERS)
def test_episodes_of_foreign_environments_go_on_alike(copier):
    """Before a reset, after it, while all rows run, and when some have ended."""

    def play(env, steps):
        seen = []
        for t in range(steps):
            action = torch.tensor([1, 0, t % 2, 1])
            seen += [each.clone() for each in env.step(action)[:4]]
        return seen

    env, untouched = (
        EpisodeVectorEnv("CartPole-v1", [0, 3], 2, ("action", "reward", "time")) for _ in range(2)
    )
    twin = COPIERS[copier](env)
    started = [one.reset(seed=4)[0] for one in (twin, env, untouched)]
    assert torch.equal(started[0], started[1])
    for steps in (1, 4, 10, 3):
        twin = COPIERS[copier](env)
        for a, b, c in zip(*(play(one, steps) for one in (twin, env, untouched)), strict=True):
            assert torch.equal(a, b)
            assert torch.equal(b, c)
    twin = COPIERS[copier](env)
    assert torch.equal(twin.reset()[0], env.reset()[0])

"""Populations are sequences of agents, which know what to play."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

import prefrontal as pf
from prefrontal import envs
from prefrontal.agents import EnvironmentSpec, MetaInputs, NetworkConfig, Population
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.r2d2.population import QPopulation
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.td3.population import ContinuousPopulation

BANDIT = "prefrontal/TwoArmedBandit-v0"
NETWORK = NetworkConfig(hidden_size=4)
SPEC = EnvironmentSpec(BANDIT, ("action", "centred_reward"))

MAKE = {
    "a2c": lambda: Population.create(SPEC, NETWORK, members=5),
    "q": lambda: QPopulation.create(SPEC, NETWORK, members=5),
    "td3": lambda: ContinuousPopulation.create("prefrontal/FireflyNavigation-v0", members=5),
    "rate": lambda: pf.load("miconi2017-dnms", "hebbian"),
    "gradient": lambda: pf.load("maml-bandit", "5x10-maml-10"),
    "evolved": lambda: pf.load("baldwin-two-armed-bandit", "baldwin"),
    "lineages": lambda: pf.load("hinton-nowlan-1987", "learning"),
}


def weights(population) -> torch.Tensor:
    model = getattr(population, "model", None)
    return population.weights if model is None else model.parameters


@pytest.mark.parametrize("kind", MAKE)
def test_slices_are_populations(kind, tmp_path):
    population = MAKE[kind]()
    count = len(population)
    for part in (slice(1, 3), slice(-2, None), slice(None, None, -1), slice(None, None, 2)):
        taken, wanted = population[part], list(range(count))[part]
        assert type(taken) is type(population)
        assert list(taken.members) == wanted
        assert torch.equal(weights(taken), weights(population)[wanted])
        assert [list(one.members) for one in taken] == [[index] for index in wanted]
    assert len(population[count:]) == 0
    assert list(population[1:][np.int64(0)].members) == [1]
    assert list(population[-1].members) == [count - 1]
    population[1:3].save(tmp_path)
    assert torch.equal(weights(pf.load(tmp_path)), weights(population)[1:3])
    for wrong in ("a", 1.0, None, [0, 1]):
        with pytest.raises(TypeError, match=f"members are numbers 0 ... {count - 1} or slices"):
            population[wrong]
    for beyond in (count, -count - 1):
        with pytest.raises(IndexError, match=f"there are {count} members, no number {beyond}"):
            population[beyond]


def test_slices_of_evolved_populations_have_genes():
    population = MAKE["evolved"]()
    part = population[2:4]
    assert torch.equal(part.genomes, population.genomes[2:4])
    assert torch.equal(part.hyper, population.hyper[2:4])
    assert part.lifetime == population.lifetime


def test_slices_act_as_their_members_do():
    population = MAKE["a2c"]()
    observation, _ = population[3].make_env().reset(seed=1)
    for agent in (population[3], population[2:][1], population[3:4][0]):
        assert agent.value(observation) == population[3].value(observation)


# WHAT THEY ARE SHOWN

SHIPPED = [  # of every kind of trained agents, with one stage and with several
    ("wang2016-bandit", None),
    ("wang2018-harlow", "one-dimensional"),
    ("meta-changing-reward", None),
    ("course-changing-reward", "replay"),
    ("baldwin-context-bandit", "baldwin"),
    ("zhang2024-modularity", "modular"),
    ("one-shot-maze", "walled"),
    ("long-sequence", "replay"),
]


@pytest.mark.parametrize(("name", "condition"), SHIPPED)
def test_shipped_agents_make_what_they_play(name, condition):
    agent = pf.load(name, condition)[-1]
    env = agent.make_env()
    agent.check_env(env)
    observation, _ = env.reset(seed=0)
    action, state = agent.predict(observation)
    assert env.action_space.contains(action)
    agent.predict(env.step(action)[0], state)
    rows = agent.make_vec(3, split="train")
    agent.check_env(rows)
    observation, _ = rows.reset(seed=0)
    action, _ = agent.predict(observation)
    rows.step(action)


def test_populations_without_networks_have_no_environment():
    with pytest.raises(ConfigError, match="no networks: there is no environment to play"):
        MAKE["lineages"]()[0].make_env()


def test_pictures_of_what_they_play():
    env = MAKE["a2c"]()[0].make_env(render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().ndim == 3
    foreign = Population.create(EnvironmentSpec("CartPole-v1", ("action",)), NETWORK)[0]
    assert foreign.make_env(render_mode="rgb_array").render_mode == "rgb_array"


def test_environments_say_what_they_show():
    for env in (
        gymnasium.make(BANDIT, inputs=("action", "time")),
        MetaInputs(gymnasium.make("CartPole-v1"), ("action", "time")),
        RecordEpisodeStatistics(MetaInputs(gymnasium.make("CartPole-v1"), ("action", "time"))),
    ):
        assert env.get_wrapper_attr("inputs") == ("action", "time")
        assert list(env.get_wrapper_attr("input_slices")) == ["observation", "action", "time"]
    assert gymnasium.make_vec(BANDIT, inputs=("action", "time")).unwrapped.inputs == (
        "action",
        "time",
    )


def shown(inputs, trials=100):
    return gymnasium.make(BANDIT, inputs=inputs, trials=trials)


def rows_of(inputs):
    return gymnasium.make_vec(BANDIT, num_envs=2, inputs=inputs)


FACES = {
    "single": shown,
    "wrapped": lambda inputs: RecordEpisodeStatistics(FlattenObservation(shown(inputs))),
    "vector": rows_of,
    "vector of single ones": lambda inputs: gymnasium.vector.SyncVectorEnv([lambda: shown(inputs)]),
    "SB3's": lambda inputs: DummyVecEnv([lambda: shown(inputs)]),
    "our SB3 face": lambda inputs: envs.to_sb3_vec_env(rows_of(inputs)),
    "the learners'": lambda inputs: make_envs(EnvironmentSpec(BANDIT, inputs), [0], 2, facts=True),
}


@pytest.mark.parametrize("face", FACES)
def test_agents_notice_other_inputs_of_the_same_size(face):
    agent = Population.create(SPEC, NETWORK)[0]
    agent.check_env(FACES[face](("action", "centred_reward")))
    for inputs in (("action", "reward"), ("centred_reward", "action")):
        with pytest.raises(ConfigError, match=f"shows {', '.join(inputs)}; agent.make_env") as said:
            agent.check_env(FACES[face](inputs))
        assert "\n" not in str(said.value)


def test_agents_notice_what_is_another_environment():
    agent = Population.create(SPEC, NETWORK)[0]
    with pytest.raises(ConfigError, match="does not say what it shows; agent"):
        agent.check_env(gymnasium.make("CartPole-v1"))
    other = gymnasium.make("prefrontal/BernoulliBandit-v0", inputs=SPEC.inputs, arms=4)
    with pytest.raises(ConfigError, match=r"need observations of shape \[4\], not \(6,\)"):
        agent.check_env(other)
    with pytest.raises(ValueError, match=r"not \[1, 4\]; agent.make_env\(\) makes") as said:
        evaluate_policy(
            Population.create(EnvironmentSpec("CartPole-v1"), NETWORK)[0],
            gymnasium.make("CartPole-v1"),
            1,
            warn=False,
        )
    assert "\n" not in str(said.value)


def test_records_are_made_of_what_was_trained_on():
    wrong = make_envs(EnvironmentSpec(BANDIT, ("action", "reward")), [0], 2, facts=True)
    wrong.reset(seed=0)
    with pytest.raises(ConfigError, match="the environment shows action, reward"):
        Population.create(SPEC, NETWORK).record(wrong, 1, seed=0, discount=0.9)

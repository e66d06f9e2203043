"""Q-agents act greedily, explore if asked to, and learn on as Q-learners."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig, load, registry
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.population import Population
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.r2d2.population import EXPLORATION, QAgent, QPopulation
from prefrontal.agents.r2d2.targets import dueling
from prefrontal.agents.rollout.environments import make_envs

SPEC = EnvironmentSpec(
    "prefrontal/CorrelatedBandit-v0", ("action", "centred_reward", "time"), {"trials": 10}
)
CONFIG = R2D2Config(learning_rate=1e-2, discount=0.6, optimiser_steps=2, replay_capacity=400)
JOB = Job(SPEC, NetworkConfig(hidden_size=16, input_gain=3.0), CONFIG, 1, 16, 90 * 160, 0)


@pytest.fixture(scope="module")
def agents() -> QPopulation:
    learner = registry.make_learner(JOB, [0])
    while learner.steps[0] < JOB.total_steps:
        learner.update()
    made = registry.make_population(JOB, learner.state()["weights"])
    assert isinstance(made, QPopulation)
    return made


def record(agents, **options):
    envs = make_envs(SPEC, [0], 200, split="held_out", facts=True)
    envs.reset(seed=5)
    (one,) = agents.record(envs, 1, seed=1, discount=0.6, **options)
    return one


def test_greedy_by_default_and_better_than_draws_from_the_advantages(agents):
    model = agents.model
    drawn = Population(model.parameters, JOB.network, SPEC, model.input_size, 2)
    greedy, sampled = record(agents), record(drawn)
    assert greedy["reward"].mean() > sampled["reward"].mean() + 0.04
    assert np.array_equal(greedy["action"], record(agents, deterministic=True)["action"])
    assert np.array_equal(np.unique(greedy["policy"]), [0.0, 1.0])
    assert np.array_equal(greedy["policy"].argmax(3), greedy["action"])


def test_exploration_by_option(agents):
    explored = record(agents, deterministic=False)
    best = explored["policy"].argmax(3)
    share = (explored["action"] != best).mean()
    assert share == pytest.approx(EXPLORATION / 2, abs=0.01)  # half of the random actions
    values = np.unique(explored["policy"].round(6))
    assert np.allclose(values, [EXPLORATION / 2, 1 - EXPLORATION / 2])


def test_the_value_of_a_state_is_that_of_its_best_action(agents):
    agent = agents[0]
    assert isinstance(agent, QAgent)
    rows = np.random.default_rng(0).random((6, agent.model.input_size), dtype=np.float32)
    value = agent.value(rows)
    logits, values = agent.model.heads(agent._tapes)
    np.testing.assert_allclose(value, dueling(logits, values).amax(2)[0, 0].numpy(), rtol=1e-6)


def test_predict_is_greedy_unless_told_otherwise(agents):
    agent = agents[0]
    rows = np.tile(
        np.random.default_rng(1).random(agent.model.input_size, dtype=np.float32), (4000, 1)
    )
    assert len(set(agent.predict(rows)[0])) == 1
    chosen, _ = agent.predict(rows, deterministic=False)
    rarer = min((chosen == 0).mean(), (chosen == 1).mean())
    assert rarer == pytest.approx(EXPLORATION / 2, abs=0.01)


def test_saved_and_learned_on_as_a_q_agent(agents, tmp_path):
    agents.save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, QPopulation)
    assert again.meta() == agents.meta()
    assert again.meta()["kind"] == "recurrent-q"
    short = replace(CONFIG, exploration=0.1, replay_start=16)
    metrics = again.learn(3 * 160, short)
    assert {"q_mean", "exploration"} <= set(metrics)
    assert not torch.equal(again.model.parameters, agents.model.parameters)


def test_they_cannot_forget(agents):
    with pytest.raises(ConfigError, match="can lose their memory"):
        record(agents, forget=True)

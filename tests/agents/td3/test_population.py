"""Agents with continuous actions as users meet them: predict, save, load, index, records."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import agents
from prefrontal.agents.common.errors import CheckpointError
from prefrontal.agents.networks.packed import Packing
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.agents.td3.learner import make_learner
from prefrontal.agents.td3.population import ContinuousPopulation, make_population
from prefrontal.experiments.evaluation import Evaluation, write_record
from prefrontal.experiments.settings import Settings
from tests.agents.td3.reach import FIREFLY, QUICK, RECALL, job

SMALL = TD3NetworkConfig("actor2", "critic4", scale=0.05)


@pytest.fixture
def population():
    made = ContinuousPopulation.create(FIREFLY, SMALL, members=3, seed=1)
    made.weights *= 3.0  # so that they move
    return made


def test_predict_is_what_is_played(population):
    envs = make_envs(FIREFLY, population.members, 2, facts=True, discrete=False)
    envs.reset(seed=0)
    played = population.play(envs)
    assert played.action.shape == (6, 35, 2)
    for member, agent in enumerate(population):
        state, start = None, np.ones(2, bool)
        for t in range(5):
            seen = played.observation[2 * member : 2 * member + 2, t].numpy()
            action, state = agent.predict(seen, state, start)
            start = np.zeros(2, bool)
            np.testing.assert_allclose(
                action, played.action[2 * member : 2 * member + 2, t], atol=1e-5
            )
    single, _ = population[0].predict(seen[0])
    again, _ = population[0].predict(
        seen[0], state and tuple(s[:1] for s in state), np.array([True])
    )
    assert single.shape == (2,)
    np.testing.assert_array_equal(single, again)


def test_predict_refuses_what_does_not_fit(population):
    with pytest.raises(ValueError, match="6 numbers"):
        population[0].predict(np.zeros(5))
    with pytest.raises(ValueError, match="2 rows"):
        population[0].predict(np.zeros((2, 6)), (np.zeros((1, 6)),) * 4)
    _, state = population[0].predict(np.zeros((2, 6)))
    for given in (state[:1], tuple(part[:, :-1] for part in state)):
        with pytest.raises(
            ValueError, match=r"a state of shapes (\[2, 6\](, )?){4}; got 2 rows and"
        ):
            population[0].predict(np.zeros((2, 6)), given)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"observations that are finite, not NaN or infinite$"):
            population[0].predict(np.full(6, wrong))
    with pytest.raises(IndexError, match="3 members"):
        population[3]


def test_it_plays_in_an_ordinary_environment(population):
    env = gymnasium.make("prefrontal/FireflyNavigation-v0", inputs=("action",))
    seen, _ = env.reset(seed=0)
    state, steps, over = None, 0, False
    while not over:
        action, state = population[1].predict(seen, state)
        seen, _, over, _, _ = env.step(action)
        steps += 1
    assert steps == 35


def test_saved_and_loaded(population, tmp_path):
    population.save(tmp_path)
    loaded = agents.load(tmp_path)
    assert isinstance(loaded, ContinuousPopulation)
    assert torch.equal(loaded.weights, population.weights)
    assert loaded.meta() == population.meta()
    assert loaded.network == SMALL
    assert loaded.environment == FIREFLY
    with pytest.raises(CheckpointError, match="needs"):
        ContinuousPopulation(population.weights[:, 1:], SMALL, FIREFLY, 6, 2)


def test_a_compact_copy_acts_the_same(population):
    small = population.compact()
    assert small.dtype == torch.float16
    assert small.shape[1] == population.actor_stack.size + population.critic_stack.size
    copy = ContinuousPopulation(small, SMALL, FIREFLY, 6, 2)
    torch.testing.assert_close(copy.actors, population.actors, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(copy.critics, population.critics, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(copy.compact(), small)


def test_values_and_hidden_states_are_those_of_one_member_alone(population):
    envs = make_envs(FIREFLY, population.members, 2, facts=True, discrete=False)
    envs.reset(seed=0)
    played = population.play(envs)
    values, hidden = population.values(played), population.hidden(played)
    assert values.shape == (6, 35)
    stack, packing = population[2].critic_stack, Packing((35,))
    out = stack.forward(population.critics[2:], played.observation[5:], played.action[5:], packing)
    torch.testing.assert_close(values[5], out[0, :, 0], atol=1e-5, rtol=1e-5)
    actor = population[2].actor_stack
    state = actor.begin(1, population[2].actors)
    for t in range(4):
        _, state = actor.step(population[2].actors, played.observation[None, 5:, t], state)
    torch.testing.assert_close(hidden[5, 3], state[1][0][0, 0], atol=1e-5, rtol=1e-5)


def test_record(population, tmp_path):
    settings = Settings(FIREFLY, SMALL, TD3Config())
    evaluation = Evaluation({"default": population}, {"default": settings}, "train", 5, 0, tmp_path)
    record = evaluation.record(hidden=True, reward="zone")
    assert record["action"].shape == (3, 5, 35, 2)
    assert record["hidden"].shape == (3, 5, 35, 6)
    assert record["observation"].shape == (3, 5, 35, 6)
    assert record["task.gain"].shape == (3, 5)
    assert set(np.unique(record["mask"])) <= {0.0, 1.0}
    np.testing.assert_array_equal(record["mask"], record["active"])
    assert {"rewarded", "ended", "distance", "value", "rpe"} <= set(record)

    # TD ERRORS by hand, of the first member
    envs = make_envs(FIREFLY, population.members, 5, facts=True, discrete=False)
    envs.reset(seed=0)
    values = population.values(population.play(envs))[0].double().numpy()
    mask, reward = record["mask"][0, 0], record["reward"][0, 0]
    for t in range(int(mask.sum())):
        after = 0.97 * values[t + 1] * mask[t + 1] if t < 34 else 0.0
        expected = reward[t] + after - values[t]
        assert record["rpe"][0, 0, t] == pytest.approx(expected, abs=1e-5)
    assert not record["rpe"][0, 0][mask == 0].any()
    np.testing.assert_allclose(record["value"][0, 0], values, atol=1e-6)


def test_record_is_written_with_a_column_for_each_number(population, tmp_path):
    settings = Settings(FIREFLY, SMALL, TD3Config())
    evaluation = Evaluation({"default": population}, {"default": settings}, "train", 2, 0, tmp_path)
    arrays, table, tasks, trials = write_record(evaluation.record(hidden=True), tmp_path)
    assert np.load(arrays)["action"].shape == (3, 2, 35, 2)
    header, *rows = table.read_text().splitlines()
    assert {"action.0", "action.1", "target_x"} <= set(header.split(","))
    assert len(rows) == 3 * 2 * 35
    assert tasks.read_text().startswith("member,episode,task.gain\n")
    assert trials.read_text().startswith("member,episode,trial,task.target.0,task.target.1")


def test_record_on_given_tasks(population, tmp_path):
    settings = Settings(FIREFLY, SMALL, TD3Config())
    evaluation = Evaluation({"default": population}, {"default": settings}, "train", 5, 0, tmp_path)
    target = np.array([[[0.0, 200.0]], [[50.0, 300.0]], [[-30.0, 150.0]]], np.float32)
    record = evaluation.record(tasks={"target": target, "gain": np.full(3, 2.0, np.float32)})
    assert record["task.target"].shape == (3, 3, 1, 2)
    np.testing.assert_array_equal(record["task.target"][1], target)
    assert (record["gain"][:, :, 0] == 2.0).all()


def test_a_run_gives_its_population():
    given = job()
    learner = make_learner(given, [0])
    learner.update()
    population = make_population(given, learner.state()["weights"])
    assert len(population) == 1
    action, _ = population[0].predict(np.array([0.3], np.float32))
    assert action.shape == (1,)


def test_what_is_not_a_number_is_forgotten_where_an_episode_starts(population):
    agent, seen = population[0], np.zeros((2, 6))
    _, state = agent.predict(seen)
    broken = tuple(np.where([[True], [False]], np.nan, part) for part in state)
    fresh, _ = agent.predict(seen)
    action, _ = agent.predict(seen, broken, [True, True])
    np.testing.assert_array_equal(action, fresh)
    with pytest.raises(ValueError, match="a state that is finite"):
        agent.predict(seen, broken, [False, True])


def test_learning_is_that_of_a_training_run():
    work = job(members=2, trials=80)
    learner = make_learner(work, [0, 1])
    while bool((learner.steps < work.total_steps).any()):
        learner.update()
    population = ContinuousPopulation.create(RECALL, work.network, 2)
    metrics = population.learn(work.total_steps, QUICK)
    assert torch.equal(population.weights, learner.state()["weights"])
    assert metrics["return"].shape[1] == 2
    # on, from what it has learned and not from the beginning
    given = population.weights.clone()
    still = replace(QUICK, learning_rate=1e-12, learning_rate_final=1e-12)
    population.learn(work.total_steps, still)
    torch.testing.assert_close(population.weights, given, atol=1e-6, rtol=0)
    # alone, and without a second critic
    agent = ContinuousPopulation(population.compact(), work.network, RECALL, 1, 1)[1]
    before = agent.weights.clone()
    agent.learn(240, QUICK)
    assert agent.weights.shape == (1, population.weights.shape[1])
    assert not torch.equal(agent.weights[:, : before.shape[1]], before)
    with pytest.raises(ValueError, match="total_steps"):
        agent.learn(0)

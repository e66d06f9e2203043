"""Trained agents as users meet them."""

import copy
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.evaluation import evaluate_policy

from prefrontal import envs
from prefrontal.agents import A2CConfig, Agent, EnvironmentSpec, NetworkConfig, Population, load
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.r2d2.population import QPopulation
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.agents.runs.checkpoint import save_checkpoint
from tests.agents.helpers import BANDIT, learner, register_countdown

INPUTS = ("action", "reward", "time")
SPEC = EnvironmentSpec(BANDIT, INPUTS, {"trials": 8})


def made(members: int = 3, **network) -> Population:
    """Random agents."""
    return Population.create(SPEC, NetworkConfig(hidden_size=6, **network), members, seed=2)


def test_a_population_is_named_in_one_line():
    agents = made(12)
    assert repr(agents) == f"Population(12 members; lstm of 6 units; {BANDIT})"
    assert repr(agents[2:4]) == f"Population(members 2, 3; lstm of 6 units; {BANDIT})"
    assert repr(agents[5]) == f"Agent(member 5; lstm of 6 units; {BANDIT})"


def bandits(n: int, **kwargs) -> gymnasium.vector.VectorEnv:
    kwargs = {"trials": 8, "inputs": INPUTS} | kwargs
    return gymnasium.make_vec("prefrontal/TwoArmedBandit-v0", num_envs=n, **kwargs)


# --- members, saving, loading ---


def test_a_population_is_a_sequence_of_agents():
    population = made()
    assert len(population) == 3
    assert [agent.members for agent in population] == [[0], [1], [2]]
    assert isinstance(population[1], Agent)
    assert torch.equal(population[-1].model.parameters[0], population.model.parameters[2])
    for index in (3, -4):
        with pytest.raises(IndexError, match="there are 3 members"):
            population[index]


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_saved_agents_come_back_bit_by_bit(tmp_path, layout):
    population = made(layout=layout)
    population.save(tmp_path / "agents")
    loaded = load(tmp_path / "agents")
    assert torch.equal(loaded.model.parameters, population.model.parameters)
    for name in ("network", "environment", "seed", "members"):
        assert getattr(loaded, name) == getattr(population, name)
    population[2].save(tmp_path / "one")
    one = load(str(tmp_path / "one"))
    assert one.members == [2]
    observation = np.random.default_rng(0).random((5, 5), dtype=np.float32)
    for agent in (loaded[2], one[0]):
        action, state = agent.predict(observation)
        wanted, wanted_state = population[2].predict(observation)
        assert np.array_equal(action, wanted)
        assert all(np.array_equal(a, b) for a, b in zip(state, wanted_state, strict=True))


def test_a_missing_path_suggests_its_neighbour(tmp_path):
    made().save(tmp_path / "two-step")
    with pytest.raises(
        CheckpointError, match=r"no trained agents in .*two_step; did you mean 'two-step'\?$"
    ):
        load(tmp_path / "two_step")
    with pytest.raises(CheckpointError, match=r"no trained agents in .*harlow$"):
        load(tmp_path / "harlow")
    with pytest.raises(CheckpointError, match="no trained agents in"):
        load(tmp_path / "no" / "where")


def test_a_run_of_several_conditions_asks_which(tmp_path):
    made().save(tmp_path / "modular")
    made(1).save(tmp_path / "holistic")
    with pytest.raises(CheckpointError, match="several conditions; name one of holistic, modular"):
        load(tmp_path)
    assert len(load(tmp_path, "modular")) == 3
    with pytest.raises(CheckpointError, match="did you mean 'modular'"):
        load(tmp_path, "moduler")


def test_a_folder_of_runs_names_some(tmp_path):
    folder = tmp_path / "shipped"
    for name in ("a", "b/modular", "d/1", "d/2"):
        made(1).save(folder / name)
    for name in ("a", "b", "c", "d/1", "d/2"):  # a run, one with conditions, one without agents
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.toml").touch()
    message = f"there are no trained agents in {folder} itself; name one below it: " + ", ".join(
        repr(str(folder / name)) for name in ("a", "b", "d/1")
    )
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)} \\(or 1 other\\)$"):
        load(folder)
    with pytest.raises(CheckpointError, match=f"{re.escape(repr(str(folder / 'd' / '2')))}$"):
        load(folder / "d")
    assert len(load(folder / "b")) == 1  # there is only one to name
    with pytest.raises(CheckpointError, match=r"no trained agents in .*c$"):
        load(folder / "c")


def _rewrite(folder: Path, change) -> None:
    header = json.loads((folder / "checkpoint" / "checkpoint.json").read_text())
    change(header["meta"])
    (folder / "checkpoint" / "checkpoint.json").write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: meta.update(kind="a tree"), "does not hold agents of recurrent-a2c"),
        (lambda meta: meta.pop("members"), "missing key 'members'"),
        (lambda meta: meta.pop("environment"), "missing key 'environment'"),
        (
            lambda meta: meta["network"].update(hiden_size=4),
            "'hiden_size'.*did you mean 'hidden_size'",
        ),
        (lambda meta: meta["network"].update(core="tree"), "must be one of lstm, gru"),
        (lambda meta: meta["network"].update(hidden_size=7), "weights have shape"),
        (lambda meta: meta.update(members=[0, 1]), r"weights have shape \[3, .*numbers \[2,"),
        (
            lambda meta: meta["environment"].update(id="nowhere:A-v0"),
            "named by its id alone, not 'nowhere:A-v0'",
        ),
        (lambda meta: meta.update(input_size="five"), "input_size must be an integer"),
    ],
)
def test_what_is_wrong_with_a_description_is_said_in_one_line(tmp_path, change, message):
    made().save(tmp_path)
    _rewrite(tmp_path, change)
    with pytest.raises((CheckpointError, ConfigError), match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_foreign_weights_are_refused(tmp_path):
    save_checkpoint(tmp_path / "checkpoint", {"other": torch.ones(2)}, made().meta())
    with pytest.raises(CheckpointError, match="does not fit its own settings: weights"):
        load(tmp_path)
    save_checkpoint(tmp_path / "checkpoint", {"weights": torch.ones(3)}, made().meta())
    with pytest.raises(CheckpointError, match="weights have shape"):
        load(tmp_path)


def test_a_pickle_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "boom",))

    made().save(tmp_path)
    for name in ("checkpoint.json", next((tmp_path / "checkpoint").glob("*.safetensors")).name):
        made().save(tmp_path)
        (tmp_path / "checkpoint" / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(CheckpointError):
            load(tmp_path)
    assert not (tmp_path / "boom").exists()


def test_loading_registers_the_environments(tmp_path):
    """As in the README: nobody imports `envs` by hand."""
    made().save(tmp_path)
    script = f"""
import gymnasium
from prefrontal.agents import load
population = load({str(tmp_path)!r})
agent = population[0]
envs = gymnasium.make_vec(
    "prefrontal/TwoArmedBandit-v0", num_envs=100, split="held_out", inputs=agent.environment.inputs
)
obs, info = envs.reset(seed=1)
state = episode_start = None
for _ in range(100):
    action, state = agent.predict(obs, state, episode_start)
    obs, reward, terminated, truncated, info = envs.step(action)
    episode_start = terminated
print(terminated.all(), action.shape)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True (100,)\n", "")


# --- predict ---


@pytest.mark.parametrize("core", ["lstm", "gru", "rnn", "none"])
@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_passing_the_state_on_equals_a_rollout(core, layout):
    population = made(core=core, layout=layout)
    vector = make_envs(SPEC, [0] * 3, 5)
    vector.reset(seed=4)
    generators = [torch.Generator().manual_seed(m) for m in range(3)]
    trajectory = Rollout(vector, population.model, 5, generators, every=True).collect(True)
    _, values = population.model.heads(trajectory.tapes)
    agent, state = population[1], None
    for t in range(8):
        observation = trajectory.tapes[0].x_t[t][1].T.numpy()
        value = agent.value(observation, state)
        action, state = agent.predict(observation, state, deterministic=True)
        assert np.array_equal(action, trajectory.actions[t, 1].numpy())
        np.testing.assert_allclose(value, values[t, 1].numpy(), rtol=1e-5, atol=1e-6)
        wanted = [part for net in population.model.state(trajectory.tapes, t + 1) for part in net]
        for mine, theirs in zip(state, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs[1].numpy(), rtol=1e-5, atol=1e-6)


def test_one_observation_equals_a_batch_of_one():
    agent = made()[0]
    rows = np.random.default_rng(0).random((4, 5), dtype=np.float32)
    action, state = agent.predict(rows, deterministic=True)
    assert action.shape == (4,)
    assert {s.shape for s in state} == {(4, 6)}
    for row in range(4):
        one, own = agent.predict(rows[row], deterministic=True)
        assert one.shape == ()
        assert one == action[row]
        assert {s.shape for s in own} == {(1, 6)}
        again, _ = agent.predict(rows[row], own, deterministic=True)
        both, _ = agent.predict(rows, state, deterministic=True)
        assert again == both[row]
        np.testing.assert_allclose(own[0][0], state[0][row], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_only_rows_where_an_episode_starts_are_reset(layout):
    agent = made(layout=layout)[1]
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 4, 5), dtype=np.float32)
    _, fresh = agent.predict(second)
    _, state = agent.predict(first)
    _, carried = agent.predict(second, state)
    kept = [s.copy() for s in state]
    _, mixed = agent.predict(second, state, np.array([True, False, True, False]))
    for new, old, found in zip(fresh, carried, mixed, strict=True):
        assert np.array_equal(found[[0, 2]], new[[0, 2]])
        assert np.array_equal(found[[1, 3]], old[[1, 3]])
        assert not np.array_equal(new, old)
    assert all(np.array_equal(a, b) for a, b in zip(state, kept, strict=True))
    _, single = agent.predict(second[0], tuple(s[:1] for s in state), np.array([True]))
    np.testing.assert_allclose(single[0][0], fresh[0][0], rtol=1e-5)


def test_actions_are_drawn_from_the_policy_unless_told_otherwise():
    agent = made()[0]
    rows = np.tile(np.random.default_rng(0).random(5, dtype=np.float32), (4000, 1))
    drawn, _ = agent.predict(rows)
    certain, _ = agent.predict(rows, deterministic=True)
    assert len(set(certain)) == 1
    logits = agent.model.heads(agent._tapes)[0][0, 0, :, 0]
    share = (drawn == 1).mean()
    assert share == pytest.approx(logits.softmax(0)[1].item(), abs=0.03)
    again, _ = agent.predict(rows)
    assert not np.array_equal(drawn, again)
    agent.set_random_seed(0)
    repeated, _ = agent.predict(rows)
    assert np.array_equal(drawn, repeated)


def test_the_value_is_that_of_the_observation_whatever_came_before():
    agent = made()[0]
    rows = np.random.default_rng(0).random((5, 5), dtype=np.float32)
    many = agent.value(rows)
    _, state = agent.predict(rows[0])
    assert agent.value(rows[3]) == pytest.approx(many[3:4], rel=1e-5)
    assert agent.value(rows[3], state) != pytest.approx(many[3:4], rel=1e-5)
    assert agent.value(rows[3], state, np.array([True])) == pytest.approx(many[3:4], rel=1e-5)


@pytest.mark.parametrize("shape", [(4,), (6,), (2, 4), (2, 2, 5), ()])
def test_observations_of_the_wrong_size(shape):
    with pytest.raises(
        ValueError, match=r"needs observations of 5 numbers \(inputs action, reward, time\)"
    ):
        made()[0].predict(np.zeros(shape))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_observations_that_are_not_finite(wrong):
    observation = np.zeros((3, 5))
    observation[1, 2] = wrong
    for given in (observation, observation[1]):
        with pytest.raises(ValueError, match=r"observations that are finite, not NaN or infinite$"):
            made()[0].predict(given)


def test_states_of_another_batch():
    agent = made()[0]
    _, state = agent.predict(np.zeros((3, 5)))
    for given, start in ((state, None), (tuple(s[:2] for s in state), [True] * 3)):
        with pytest.raises(
            ValueError, match="2 observations need an episode_start of 2 rows and a state of shapes"
        ):
            agent.predict(np.zeros((2, 5)), given, start)


def test_states_that_are_not_finite():
    agent = made()[0]
    _, state = agent.predict(np.zeros((2, 5)))
    broken = tuple(np.full_like(part, np.nan) for part in state)
    with pytest.raises(ValueError, match="a state that is finite"):
        agent.predict(np.zeros((2, 5)), broken, [True, False])
    agent.predict(np.zeros((2, 5)), broken, [True, True])


def test_weights_that_are_not_numbers_are_not_loaded(tmp_path):
    population = made()
    parameters = population.model.parameters.clone()
    parameters[1, 3] = np.nan
    population.model.set_parameters(parameters)
    population.save(tmp_path)
    with pytest.raises(CheckpointError, match="are not all numbers"):
        load(tmp_path)


def test_stable_baselines3_evaluates_our_agents():
    agent = made()[0]
    vector = envs.to_sb3_vec_env(bandits(5))
    returns, lengths = evaluate_policy(agent, vector, 20, False, return_episode_rewards=True)
    assert lengths == [8] * 20
    assert len(set(returns)) > 2
    single = gymnasium.make("prefrontal/TwoArmedBandit-v0", trials=8, inputs=INPUTS)
    mean, deviation = evaluate_policy(agent, single, 10, warn=False)
    assert 0 <= mean <= 8
    assert deviation > 0


# --- learn ---


def test_learning_is_that_of_a_training_run():
    network = NetworkConfig(hidden_size=8)
    population = Population.create(
        EnvironmentSpec(BANDIT, INPUTS, {"trials": 6}), network, 2, seed=5
    )
    before = population.model.parameters
    metrics = population.learn(200, A2CConfig(), num_envs=4)
    assert metrics["return"].shape == (9, 2)  # updates of 24 steps
    other = learner(range(2), seed=5, network=network, total_steps=200)
    for _ in range(9):
        other.update()
    assert torch.equal(population.model.parameters, other.model.parameters)
    assert not torch.equal(population.model.parameters, before)


def test_an_agent_can_learn_on_alone():
    population = made()
    agent = population[1]
    agent.learn(100, num_envs=2)
    assert not torch.equal(agent.model.parameters[0], population.model.parameters[1])
    with pytest.raises(ValueError, match="total_steps"):
        agent.learn(0)


def test_any_environment():
    population = Population.create(register_countdown())
    population.learn(50, num_envs=4)
    env = gymnasium.make(register_countdown())
    with pytest.raises(ValueError, match=r"needs observations of 7 numbers"):
        population[0].predict(env.reset(seed=0)[0])


@pytest.mark.parametrize("core", ["lstm", "gru"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda agent: pickle.loads(pickle.dumps(agent))])
def test_a_copy_of_an_agent_that_has_predicted_goes_on_alike(core, copied):
    agent = made(core=core)[1]
    rows = np.random.default_rng(0).random((4, 5), dtype=np.float32)
    _, state = agent.predict(rows)
    twin = copied(agent)
    for one, other in zip(agent.predict(rows, state), twin.predict(rows, state), strict=True):
        np.testing.assert_array_equal(one, other)
    twin.model.set_parameters(twin.model.parameters * 2)  # and its own weights are its own
    assert not np.array_equal(twin.predict(rows, state)[1][0], agent.predict(rows, state)[1][0])


def test_agents_learn_by_settings_of_their_own_kind():
    with pytest.raises(ConfigError, match="learn by settings of a2c, not q"):
        made().learn(100, R2D2Config())
    with pytest.raises(ConfigError, match="learn by settings of q, not a2c"):
        QPopulation.create(SPEC, NetworkConfig(hidden_size=4)).learn(100, A2CConfig())

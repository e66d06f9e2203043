"""Vector environments of others: whole episodes, and nothing of the next one."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrontal.agents import EnvironmentSpec
from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.common.user_files import import_object
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv
from prefrontal.agents.rollout.vectors import Vectors
from tests.agents.helpers import Countdown

BATCH = 6


class Legal(Countdown):
    """A countdown whose legal actions are all but the one taken last."""

    def reset(self, *, seed=None, options=None):
        seen, info = super().reset(seed=seed)
        return seen, {**info, "action_mask": np.ones(3, np.int8)}

    def step(self, action):
        *found, info = super().step(action)
        mask = np.ones(3, np.int8)
        mask[action - self.action_space.start] = 0
        return *found, {**info, "action_mask": mask}


class LegalByMethod(Countdown):
    mask = (True, True, True)

    def reset(self, *, seed=None, options=None):
        self.mask = (True, True, True)
        return super().reset(seed=seed)

    def step(self, action):
        self.mask = np.arange(3) != action - self.action_space.start
        return super().step(action)

    def action_masks(self):
        return self.mask


def made(factory, kind="next", **kwargs):
    """Register a vector environment, and return the rows of two members."""
    env_id = f"tests/Vector{kind}-v0"
    gymnasium.registry.pop(env_id, None)
    gymnasium.register(env_id, vector_entry_point=factory)
    return EpisodeVectorEnv(env_id, [0, 4], BATCH, ("action", "reward", "time"), **kwargs)


MODES = {
    mode.value: lambda num_envs, start=0, mode=mode: SyncVectorEnv(
        [lambda: Legal(start=start)] * num_envs, autoreset_mode=mode
    )
    for mode in AutoresetMode
}
MODES["SB3"] = lambda num_envs, start=0: DummyVecEnv([lambda: Legal(start=start)] * num_envs)
MODES["SB3, method"] = lambda num_envs, start=0: DummyVecEnv(
    [lambda: LegalByMethod(start=start)] * num_envs
)


@pytest.mark.parametrize("start", [0, 2])
@pytest.mark.parametrize("kind", MODES)
def test_whole_episodes_whatever_follows_an_end(kind, start):
    """Of `Countdown`: the first number counts down to 0, the second is the length."""
    envs = made(MODES[kind], start=start, max_episode_steps=9)
    assert isinstance(envs.rows, Vectors)
    first, info = envs.reset(seed=3)
    assert info["action_mask"].all()
    for _ in range(2):
        length = first[:, 1]
        assert len(length.unique()) > 2
        assert torch.equal(first[:, 0], length)
        assert not first[:, 2:].any()
        for t in range(1, 9):
            action = torch.full((2 * BATCH,), t % 3)
            seen, reward, ended, cut, info = envs.step(action)
            last = torch.minimum(length, torch.tensor(float(t)))  # step that a row shows
            assert torch.equal(seen[:, 1], length)
            assert torch.equal(seen[:, 0], length - last)
            assert torch.equal(seen[:, 2:5], torch.eye(3)[(last % 3).long()])
            torch.testing.assert_close(seen[:, 6], last / 9)
            assert torch.equal(reward, torch.where(length >= t, t % 3 + 1.0, 0.0))
            assert torch.equal(ended, (length <= t) & (length % 2 == 0))
            assert torch.equal(cut, (length <= t) & (length % 2 == 1))
            mask = torch.arange(3) != t % 3
            assert torch.equal(info["action_mask"], mask | (ended | cut)[:, None])
        first, _ = envs.reset()


def test_rows_equal_those_of_single_environments():
    """Members are seeded apart; the rows of each as `SyncVectorEnv` seeds them."""
    envs = made(MODES["NextStep"])
    seen, _ = envs.reset(seed=3)
    other = EpisodeVectorEnv("tests/Vectornext-v0", [4], BATCH, ("action", "reward", "time"))
    assert torch.equal(other.reset(seed=3)[0], seen[BATCH:])
    assert not torch.equal(seen[:BATCH], seen[BATCH:])


def test_the_vector_class_of_cartpole_plays_as_the_single_one():
    envs = make_envs(EnvironmentSpec("CartPole-v1", ("reward",)), [0], 3)
    assert isinstance(envs.rows, Vectors)
    start, _ = envs.reset(seed=1)
    single = gymnasium.make("CartPole-v1")
    for row in range(3):
        envs.reset(seed=1)
        single.reset()
        single.unwrapped.state = envs.rows.envs[0].env.state[:, row].copy()
        over = False
        for t in range(60):
            seen, reward, ended, *_ = envs.step(torch.full((3,), t % 2))
            if over:
                continue
            state, pays, over, _, _ = single.step(t % 2)
            np.testing.assert_allclose(seen[row, :4], state, rtol=1e-4, atol=1e-6)
            assert (reward[row], ended[row]) == (pays, over)
        assert over
    assert envs.steps == 500
    assert start.shape == (3, 5)


def test_a_limit_that_a_vector_class_does_not_know_is_kept():
    envs = made(MODES["SameStep"], max_episode_steps=2)
    length = envs.reset(seed=3)[0][:, 1]
    envs.step(torch.zeros(2 * BATCH, dtype=torch.int64))
    _, _, ended, cut, _ = envs.step(torch.zeros(2 * BATCH, dtype=torch.int64))
    assert torch.equal(ended, length == 2)
    assert torch.equal(cut, length != 2)


@pytest.mark.parametrize("kwargs", [{"meta_episodes": 2}, {"vary": {"gravity": "9:10"}}])
def test_what_changes_between_episodes_is_played_one_by_one(kwargs):
    envs = make_envs(EnvironmentSpec("CartPole-v1", (), kwargs), [0], 2)
    assert not isinstance(envs.rows, Vectors)
    with pytest.raises(ConfigError, match="are for single ones"):
        made(MODES["NextStep"], **kwargs)


class Wrong(VectorEnv):
    """Two numbers a row, and what it is told to return."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs, told=(), more=0):
        self.num_envs, self.told = num_envs + more, dict(told)
        self.single_observation_space = spaces.Box(-1, 1, (2,))
        self.single_action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros((self.num_envs, 2), np.float32), dict(self.told.get("started", {}))

    def step(self, actions):
        rows, told = self.num_envs, self.told
        false = np.zeros(rows, bool)
        found = {
            "seen": np.zeros((rows, 2)),
            "reward": np.zeros(rows),
            "ended": false,
            "cut": false,
        }
        return *(told.get(name, value) for name, value in found.items()), told.get("info", {})


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"seen": np.zeros((2, 3))}, r"observation of a row must be numbers of shape \[2\]"),
        ({"seen": np.full((BATCH, 2), np.nan)}, "observation of a row must be finite"),
        ({"reward": 0.0}, r"rewards must be numbers of shape \[6\], not array"),
        ({"reward": np.full(BATCH, np.inf)}, "rewards must be finite numbers"),
        ({"ended": np.zeros(BATCH)}, "terminated and truncated must be true or false for each row"),
        ({"info": {"action_mask": np.ones((BATCH, 2))}}, "at every reset and step, or never"),
        ({"started": {"action_mask": np.ones((BATCH, 3))}}, "action mask must be 2 times true or"),
        ({"started": {"action_mask": np.zeros((BATCH, 2))}}, "must allow at least one action"),
    ],
)
def test_a_vector_environment_is_to_blame(told, message):
    envs = made(Wrong, told=told)
    message = f"^environment tests/Vectornext-v0, .*{message}"
    if "started" in told:
        with pytest.raises(TrainingError, match=message) as said:
            envs.reset(seed=0)
    else:
        envs.reset(seed=0)
        with pytest.raises(TrainingError, match=message) as said:
            envs.step(torch.zeros(2 * BATCH, dtype=torch.int64))
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda num_envs: gymnasium.make("CartPole-v1"), "must make a gymnasium.vector.VectorEnv"),
        (lambda num_envs: Wrong(num_envs, more=1), "must make num_envs = 6 rows, not 7"),
        (type("Silent", (Wrong,), {"metadata": {}}), "must say what it does after the end"),
    ],
)
def test_what_is_no_vector_environment(factory, message):
    with pytest.raises(ConfigError, match=message):
        made(factory)


@pytest.mark.parametrize("kind", [SyncVectorEnv, DummyVecEnv])
def test_the_class_of_the_rows_may_say_their_time_limit(kind):
    class Limited(Countdown):
        max_episode_steps = np.int64(30)

    envs = made(lambda num_envs: kind([Limited] * num_envs), "limited")
    assert envs.steps == 30
    assert not envs.notes


def test_a_wrong_number_of_rows_names_the_function_and_its_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import gymnasium\n"
        "from gymnasium.vector import SyncVectorEnv, AutoresetMode\n"
        "def rows(num_envs):\n"
        "    make = [lambda: gymnasium.make('CartPole-v1')] * (num_envs + 1)\n"
        "    return SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP)\n"
    )
    said = r"^rows must make num_envs = 6 rows, not 7 \(mine.py, line 3, in rows\)"
    with pytest.raises(ConfigError, match=said):
        made(import_object(f"{file}:rows"), "seven")

"""Environments that are not ours, as vectors of whole episodes."""

import pytest
import torch

from prefrontal.agents import EnvironmentSpec
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv
from tests.agents.helpers import register_countdown


def made(members=(0,), batch=4, inputs=("action", "reward", "time"), **kwargs) -> EpisodeVectorEnv:
    envs = EpisodeVectorEnv(register_countdown(**kwargs), members, batch, inputs)
    envs.reset(seed=3)
    return envs


def test_inputs_show_the_step_before():
    envs = made()
    first, _ = envs.reset()
    assert first.shape == (4, 2 + 3 + 1 + 1)
    assert not first[:, 2:].any()
    action = torch.tensor([0, 1, 2, 0])
    observation, reward, *_ = envs.step(action)
    assert reward.tolist() == [1.0, 2.0, 3.0, 1.0]
    where = envs.input_slices
    assert torch.equal(observation[:, where["action"]], torch.eye(3)[action])
    assert torch.equal(observation[:, where["reward"]].squeeze(1), reward)
    assert torch.equal(observation[:, where["time"]], torch.full((4, 1), 1 / envs.steps))
    assert torch.equal(observation[:, 0], first[:, 0] - 1)
    assert not first[:, 2:].any()  # what was returned before has not changed


def test_rows_that_have_ended_stay_as_they_are():
    envs = made(batch=30)
    first, _ = envs.reset()
    length = first[:, 1]
    for t in range(1, 6):
        observation, reward, ended, cut, _ = envs.step(torch.zeros(30, dtype=torch.int64))
        assert torch.equal(ended, (length <= t) & (length % 2 == 0))
        assert torch.equal(cut, (length <= t) & (length % 2 == 1))
        assert torch.equal(reward, (length >= t).float())
        assert torch.equal(observation[:, 0], (length - t).clamp(min=0))


def test_actions_may_start_anywhere():
    made(start=2).step(torch.tensor([0, 1, 2, 0]))  # the environment asserts that 2, 3, 4 came


def test_discrete_observations_become_one_hot():
    envs = EpisodeVectorEnv("FrozenLake-v1", [0], 2, ("action",))
    observation, _ = envs.reset(seed=0)
    assert observation.shape == (2, 16 + 4)
    assert observation[:, 0].tolist() == [1.0, 1.0]
    assert observation.sum() == 2


def test_a_member_plays_the_same_episodes_whoever_is_beside_it():
    alone, together = made(members=(2,)), made(members=(0, 2, 5))
    for _ in range(3):
        mine, all_rows = alone.reset()[0], together.reset()[0]
        assert torch.equal(mine, all_rows[4:8])
    assert not torch.equal(all_rows[:4], all_rows[4:8])


def test_rows_and_episodes_differ():
    envs = made(batch=20, longest=1000)
    lengths = torch.stack([envs.reset()[0][:, 1] for _ in range(10)])
    assert len(lengths.unique()) > 150


def test_goes_on_exactly_from_its_random_state():
    envs, other = made(members=(0, 1)), made(members=(0, 1))
    for _ in range(3):
        envs.reset()
    state = envs.random_state()
    assert {len(value) for value in state.values()} == {2}
    wanted = [envs.reset()[0] for _ in range(4)]
    other.set_random_state(state)
    assert all(torch.equal(other.reset()[0], one) for one in wanted)


@pytest.mark.parametrize(
    ("env_id", "inputs", "message"),
    [
        ("CartPole-v1", ("actoin",), "did you mean 'action'"),
        ("CartPole-v1", ("reward_one_hot",), "'reward_one_hot' is not available"),
        ("Pendulum-v1", (), "this agent needs Discrete"),
    ],
)
def test_refuses_what_it_cannot_play(env_id, inputs, message):
    with pytest.raises(ConfigError, match=message):
        make_envs(EnvironmentSpec(env_id, inputs), [0], 1)

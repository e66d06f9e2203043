"""Episodes played by one call are those that are stepped through."""

import ctypes
import dataclasses

import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import TrainingError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.kernels.build import KernelError, available
from prefrontal.agents.networks import playing
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.envs.bandits import TwoArmedBandit
from tests.envs.test_outcomes import TOLD, VARIANTS

pytestmark = pytest.mark.skipif(not available(), reason="there is no compiler")
INPUTS = ("action", "reward", "time")


def made(name, fields, batch=5, inputs=INPUTS, layout="shared", hidden=6, members=3):
    spec = EnvironmentSpec(f"prefrontal/{name}-v0", inputs, fields, split="all")
    envs = make_envs(spec, range(members), batch, privileged=True, facts="episode")
    envs.reset(seed=1)
    size = envs.single_observation_space.shape[0]
    model = ActorCritic(
        size, envs.num_actions, NetworkConfig(hidden_size=hidden, layout=layout), members
    )
    model.initialise([generator(0, m, "weights") for m in range(members)])
    streams = [generator(0, m, "actions") for m in range(members)]
    return Rollout(envs, model, batch, streams, privileged=True, facts=True)


def stepped(*args, **kwargs):
    rollout = made(*args, **kwargs)
    rollout.envs.step = type(rollout.envs).step.__get__(rollout.envs)  # another one, as it were
    return rollout


def assert_same(one, two):
    assert torch.equal(one.actions, two.actions)
    assert torch.equal(one.rewards, two.rewards)
    for mine, other in zip(one.tapes, two.tapes, strict=True):
        torch.testing.assert_close(mine.x[: one.steps], other.x[: one.steps], rtol=0, atol=1e-6)
        torch.testing.assert_close(mine.heads, other.heads, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mine.hidden(), other.hidden(), rtol=1e-5, atol=1e-5)
    assert torch.equal(one.privileged, two.privileged)
    for which in ("facts", "task"):
        mine, other = getattr(one, which), getattr(two, which)
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[key], other[key]) for key in mine), which


def compare(*args, **kwargs):
    told, slow = made(*args, **kwargs), stepped(*args, **kwargs)
    calls = []
    played = told.envs.played
    told.envs.played = lambda actions: calls.append(1) or played(actions)
    for deterministic in (False, True, False):  # the streams of random numbers go on alike
        assert_same(told.collect(deterministic), slow.collect(deterministic))
    assert len(calls) == 3


@pytest.mark.parametrize(("name", "fields"), [(name, {}) for name in sorted(TOLD)] + VARIANTS)
def test_a_task_that_tells_is_played_alike(name, fields):
    compare(name, fields)


@pytest.mark.parametrize("batch", [1, 16, 21])
def test_any_batch(batch):
    compare("TwoArmedBandit", {"trials": 7}, batch=batch, hidden=48, members=2)


@pytest.mark.parametrize("inputs", [(), ("centred_reward", "reward_one_hot"), ("trial_start",)])
def test_any_input(inputs):
    compare("Harlow", {"delay": 1}, inputs=inputs)


def test_two_networks():
    compare("TwoStep", {"compact": True, "trials": 9}, layout="separate")


def test_what_cannot_be_told_is_stepped_through():
    rollout = made("Daw2011TwoStep", {"trials": 4})
    rollout.envs.played = None
    assert rollout.collect().steps == 8


class Wrapper:
    """Passes on what it does not have itself."""

    def __init__(self, env):
        self.env = env

    def __getattr__(self, name):
        return getattr(self.env, name)


def test_what_is_wrapped_is_stepped_through():
    rollout = made("TwoArmedBandit", {"trials": 5})
    rollout.envs.played = None
    rollout.envs = Wrapper(rollout.envs)
    assert rollout.collect().steps == 5


@dataclasses.dataclass(frozen=True)
class Mistold(TwoArmedBandit):
    """Tells too few rewards."""

    def outcomes(self, params, noise):
        told = super().outcomes(params, noise)
        return told._replace(rewards=told.rewards[:2])


def test_what_is_told_in_a_wrong_shape_is_the_task_s_fault():
    rollout = made("TwoArmedBandit", {"trials": 5})
    rollout.envs.task = Mistold(trials=5)
    with pytest.raises(TrainingError, match=r"Mistold.outcomes: rewards must have shape"):
        rollout.collect()


def test_structs_of_another_size_are_refused(monkeypatch):
    playing._function.cache_clear()
    monkeypatch.setattr(playing, "_Play", ctypes.c_int64)
    with pytest.raises(KernelError, match="bytes here and"):
        playing._function()

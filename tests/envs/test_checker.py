"""The checker passes on good environments and names the fault of broken ones."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from prefrontal import envs

#: Short episodes of tasks that do not count in trials; of all others, 12 trials.
SHORT = {
    "HarlowOneDimensional": {"max_steps": 40},
    "FireflyNavigation": {"trial_steps": 20},
    "OneShotMaze": {"max_steps": 12},
    "DelayedNonMatchToSample": {"step_ms": 40},
}


@pytest.mark.parametrize("name", envs.TASKS)
def test_our_environments_pass(name):
    task = envs.task_class(name)(**SHORT.get(name, {"trials": 12}))
    envs.check_vector_env(
        lambda n, **more: envs.TaskVectorEnv(task, n, **more),
        single=lambda: envs.TaskEnv(task),
        steps=2 * task.steps + 5,
        episodes=40,
    )


def test_ours_are_checked_by_id():
    envs.check_vector_env("prefrontal/InformativeArmBandit-v0", steps=20, episodes=40)


def test_environments_of_others_pass():
    def single():
        return gymnasium.make("CartPole-v1")

    for mode in ("vector_entry_point", "sync"):
        envs.check_vector_env(
            lambda n, mode=mode: gymnasium.make_vec("CartPole-v1", n, vectorization_mode=mode),
            single=single,
        )
    kwargs = {"autoreset_mode": AutoresetMode.SAME_STEP}
    envs.check_vector_env(
        lambda n: gymnasium.vector.SyncVectorEnv([single] * n, **kwargs), single=single
    )


class Broken(envs.TaskVectorEnv):
    """A short bandit, to be broken."""

    def __init__(self, num_envs):
        super().__init__(envs.TwoArmedBandit(trials=10), num_envs)


class IgnoresSeed(Broken):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None, options=options)


class ReusesObservation(Broken):
    def _observation(self):
        return self._inputs.batch_major.numpy()


class DeclaresAnotherMode(Broken):
    def __init__(self, num_envs):
        super().__init__(num_envs)
        self.metadata = {**self.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}


class DeclaresNoMode(Broken):
    def __init__(self, num_envs):
        super().__init__(num_envs)
        self.metadata = {}


class RowsInfluenceEachOther(Broken):
    def step(self, actions):
        obs, reward, terminated, truncated, info = super().step(actions)
        return obs, reward + np.sum(actions), terminated, truncated, info


class LeavesItsSpace(Broken):
    def step(self, actions):
        obs, reward, terminated, truncated, info = super().step(actions)
        return obs + 1, reward, terminated, truncated, info


class RewardOfWrongShape(Broken):
    def step(self, actions):
        obs, reward, terminated, truncated, info = super().step(actions)
        return obs, reward[:, None], terminated, truncated, info


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (IgnoresSeed, "the same seed"),
        (ReusesObservation, "return new arrays"),
        (DeclaresAnotherMode, "final_obs belongs to SAME_STEP"),
        (DeclaresNoMode, "must be an AutoresetMode"),
        (RowsInfluenceEachOther, "reward of row 0 at step 1 depends on actions in other rows"),
        (LeavesItsSpace, "not in observation_space"),
        (RewardOfWrongShape, r"reward must be an array of shape \(4,\)"),
    ],
)
def test_faults_are_named(make, message):
    with pytest.raises(AssertionError, match=message):
        envs.check_vector_env(make)


def test_a_single_face_of_another_distribution_is_noticed():
    def easy():
        return gymnasium.make("prefrontal/InformativeArmBandit-v0", trials=10)

    with pytest.raises(AssertionError, match="mean return of random episodes differs"):
        envs.check_vector_env(Broken, single=easy)


def test_wrong_use_is_an_error():
    with pytest.raises(ValueError, match="num_envs must be at least 2"):
        envs.check_vector_env("prefrontal/TwoArmedBandit-v0", num_envs=1)
    with pytest.raises(ValueError, match="tensors=False"):
        envs.check_vector_env(lambda n: envs.TaskVectorEnv(envs.TwoArmedBandit(), n, tensors=True))
    with pytest.raises(ValueError, match="make must be an id or a function"):
        envs.check_vector_env(3)

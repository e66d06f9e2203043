"""The input `trial_start`: 1 at the first step of every trial, in every face of every task."""

from __future__ import annotations

import dataclasses
import pickle

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs import TASKS, task_class

#: So that several trials of these have an end.
SHORT = {
    "FireflyNavigation": {"targets": 3, "trial_steps": 5},
    "HarlowOneDimensional": {"max_steps": 40},
    "OneShotMaze": {"max_steps": 30},
}


def actions_of(env, facts, rng):
    """The best action in half of the rows, any in the others (a stop now and then)."""
    n = env.num_envs
    if not env.num_actions:
        shape = (n, *env.single_action_space.shape)
        moves = rng.uniform(-0.3, 1.0, shape) * (rng.random((n, 1)) < 0.7)
        low, high = env.single_action_space.low, env.single_action_space.high
        return torch.from_numpy(moves.astype(np.float32).clip(low, high))
    action = torch.from_numpy(rng.integers(env.num_actions, size=n))
    return torch.where(torch.arange(n) < n // 2, action, facts(action)["optimal_action"])


@pytest.mark.parametrize("name", TASKS)
def test_it_is_one_where_the_trial_of_the_facts_is_another(name):
    task, rng, n = task_class(name)(**SHORT.get(name, {})), np.random.default_rng(0), 24
    env = envs.TaskVectorEnv(
        task, n, inputs=("time", "trial_start"), tensors=True, autoreset="disabled"
    )
    (column,) = range(*env.input_slices["trial_start"].indices(1000))
    shown = [env.reset(seed=0)[0][:, column].clone()]
    trials = []
    for _ in range(env.steps):
        action = actions_of(env, lambda a: task.facts(env._params, env._state, a), rng)
        obs, *_, info = env.step(action)
        shown.append(obs[:, column].clone())
        trials.append(info["trial"])
    trial = torch.stack(trials)
    begins = torch.cat([torch.ones(1, n), (trial[1:] != trial[:-1]).float()])
    assert torch.equal(torch.stack(shown[:-1]), begins)
    assert (shown[-1] == 0).all()  # no trial is to come
    if name in SHORT or getattr(task, "trials", 1) > 1:
        assert begins.sum() > n


def test_steps_of_a_trial_by_hand():
    env = envs.TaskVectorEnv(envs.TwoStep(trials=3), 1, split="all", inputs=("trial_start",))
    start = env.input_slices["trial_start"].start
    seen = [env.reset(seed=0)[0][0, start]]
    for _ in range(6):
        obs, *_, info = env.step([0])
        seen.append(obs[0, start])
    # The last observation returned is the first of the next episode.
    assert seen == [1, 0, 1, 0, 1, 0, 1]
    assert info["final_obs"][0][start] == 0


def test_all_faces_show_the_same():
    from prefrontal.envs.sb3 import to_sb3_vec_env

    arguments = {"trials": 4, "inputs": ("action", "trial_start"), "split": "all"}
    env_id = "prefrontal/TwoStep-v0"
    single = gymnasium.make(env_id, **arguments)
    vector = gymnasium.make_vec(env_id, num_envs=2, **arguments)
    tensors = gymnasium.make_vec(env_id, num_envs=2, tensors=True, **arguments)
    sb3 = to_sb3_vec_env(gymnasium.make_vec(env_id, num_envs=2, **arguments))
    sb3.seed(0)
    task = {"task": {"good": np.zeros((2, 4), int), "common": np.ones((2, 4), int)}}
    one = {"task": {name: value[0] for name, value in task["task"].items()}}
    rows = [
        single.reset(seed=0, options=one)[0],
        vector.reset(seed=0, options=task)[0][0],
        tensors.reset(seed=0, options=task)[0][0].numpy(),
        sb3.reset()[0],
    ]
    shown = [[row[-1] for row in rows]]
    copy = pickle.loads(pickle.dumps(vector.unwrapped))
    for t in range(7):
        action, actions = t % 2, np.full(2, t % 2)
        rows = [
            single.step(action)[0],
            vector.step(actions)[0][0],
            tensors.step(torch.from_numpy(actions))[0][0].numpy(),
            sb3.step(actions)[0][0],
        ]
        assert rows[1][-1] == copy.step(actions)[0][0, -1]
        shown.append([row[-1] for row in rows])
    assert shown == [[1 - t % 2] * 4 for t in range(8)]
    assert single.observation_space.high[-1] == 1
    assert single.observation_space.low[-1] == 0


@dataclasses.dataclass(frozen=True)
class Endless(envs.TwoArmedBandit):
    """A task whose trials have no fixed number of steps."""

    steps = 7


@dataclasses.dataclass(frozen=True)
class Told(Endless):
    """One that says where they start."""

    def trial_start(self, params, state):
        """Every third step."""
        return state["t"] % 3 == 0


def test_a_task_that_does_not_say_is_refused_and_one_that_does_is_not():
    assert envs.TaskVectorEnv(Endless(trials=7), 2, inputs=("trial_start",)).steps == 7
    envs.TaskVectorEnv(Endless(trials=5), 2)
    with pytest.raises(ValueError, match="Endless does not say where its trials start"):
        envs.TaskVectorEnv(Endless(trials=5), 2, inputs=("trial_start",))
    env = envs.TaskVectorEnv(Told(trials=7), 1, inputs=("trial_start",))
    shown = [env.reset(seed=0)[0][0, -1], *(env.step([0])[0][0, -1] for _ in range(6))]
    assert shown == [1, 0, 0, 1, 0, 0, 1]

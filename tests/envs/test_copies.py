"""Copies of every face of every task go on exactly like the original, which does not notice."""

import copy
import dataclasses
import functools
import multiprocessing
import pickle

import cloudpickle
import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from prefrontal import envs

COPIERS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
}
FACES = {
    "single": lambda *args, **fields: gymnasium.make(
        *args, privileged=True, facts=False, render_mode="rgb_array", **fields
    ),
    "vector": lambda *args, **fields: RecordEpisodeStatistics(
        gymnasium.make_vec(*args, num_envs=4, **fields)
    ),
    "tensors": lambda *args, **fields: gymnasium.make_vec(
        *args, num_envs=4, tensors=True, privileged=True, inputs=("action", "reward"), **fields
    ),
    "members": lambda *args, **fields: gymnasium.make_vec(
        *args, num_envs=4, tensors=True, members=(3, 5), autoreset="disabled", **fields
    ),
    "sb3": lambda *args, **fields: envs.to_sb3_vec_env(
        gymnasium.make_vec(*args, num_envs=3, **fields)
    ),
}


def make(face, name):
    """A face of a task with short episodes."""
    fields = {field.name for field in dataclasses.fields(envs.task_class(name))}
    short = {"trials": 8, "max_steps": 30}
    return FACES[face](
        f"prefrontal/{name}-v0", **{key: short[key] for key in fields & short.keys()}
    )


def vector_of(env):
    """The vector environment inside a face."""
    env = getattr(env, "vector_env", env).unwrapped
    return getattr(env, "_vector", env)


def action_of(env, rng):
    """An action for a face: a stop now and then where actions are continuous."""
    vector = vector_of(env)
    if vector.num_actions:
        action = rng.integers(vector.num_actions, size=vector.num_envs)
    else:
        shape = (vector.num_envs, *vector.single_action_space.shape)
        action = rng.uniform(-0.3, 1.0, shape).astype(np.float32) * (rng.random() < 0.8)
    if vector.tensors:
        return torch.from_numpy(action)
    return action[0] if isinstance(env.unwrapped, envs.TaskEnv) else action


def arrays(value):
    """Turn what a face returns into something that can be compared (and leave out clocks)."""
    if isinstance(value, torch.Tensor):
        return value.numpy().copy()
    if isinstance(value, dict):
        return {k: arrays(v) for k, v in value.items() if k not in ("t", "episode_time")}
    if isinstance(value, tuple | list):
        return tuple(arrays(item) for item in value)
    return copy.deepcopy(value)


def play(env, steps, seed=0):
    """Go on for some steps (with a reset where an episode is over); all that was returned."""
    rng, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        vector = vector_of(env)
        if vector._t >= vector.steps:
            seen.append(arrays(env.reset()))
        seen.append(arrays(env.step(action_of(env, rng))))
    if vector_of(env).render_mode:
        seen.append(arrays(env.render()))
    return seen


def begin(env):
    if isinstance(env, VecEnv):
        env.seed(1)
        return arrays(env.reset())
    return arrays(env.reset(seed=1))


def compare(copier, env, untouched, steps):
    """A copy, its original, and one that was never copied go on alike."""
    twin = copier(env)
    first, second, third = (play(one, steps) for one in (twin, env, untouched))
    assert data_equivalence(first, second, exact=True)
    assert data_equivalence(second, third, exact=True)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", envs.TASKS)
def test_a_copy_goes_on_like_the_original_at_every_moment(name, face):
    env, untouched = (make(face, name) for _ in range(2))
    turn = (list(envs.TASKS).index(name) + list(FACES).index(face)) % 3  # all copiers, all moments
    before, start, middle, last, end = (list(COPIERS.values()) * 3)[turn : turn + 5]
    twin = before(env)
    assert data_equivalence(begin(twin), begin(env), exact=True)
    begin(untouched)
    compare(start, env, untouched, 1)
    compare(middle, env, untouched, 2)
    rest = vector_of(env).steps - 4
    for one in (env, untouched):
        play(one, rest)
    compare(last, env, untouched, 1)
    compare(end, env, untouched, 3)


@pytest.mark.parametrize("copier", COPIERS)
def test_observations_of_a_copy_are_its_own(copier):
    env = make("tensors", "TwoArmedBandit")
    shown = env.reset(seed=0)[0]
    kept = shown.clone()
    twin = COPIERS[copier](env)
    seen = [twin.step(torch.ones(4, dtype=torch.long))[0].clone() for _ in range(3)]
    assert (shown == kept).all()
    assert all((row[:, 2] == 1).all() for row in seen)  # zeros for ever, if views are cut off
    assert vector_of(twin)._noise_at[5].data_ptr() == vector_of(twin)._noise[5].data_ptr()
    assert len(pickle.dumps(env)) < 200_000  # views do not take their buffer along


def test_tasks_of_a_notebook_are_copied_by_value():
    class Mine(envs.TwoArmedBandit):
        pass

    env = envs.TaskVectorEnv(Mine(trials=9), 2)
    env.reset(seed=0)
    data = cloudpickle.dumps(env)
    assert data_equivalence(play(cloudpickle.loads(data), 12), play(env, 12), exact=True)


@pytest.mark.slow  # starts four processes
def test_copies_sent_to_other_processes_go_on_alike():
    names = ("TwoStep", "OneShotMaze")
    started = []
    for name in names:
        started.append(make("single", name))
        begin(started[-1])
        play(started[-1], 5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        sent = pool.map(functools.partial(play, steps=12), started)
    for env, seen in zip(started, sent, strict=True):
        assert data_equivalence(seen, play(env, 12), exact=True)
    fresh = functools.partial(make, "single", "TwoStep")
    ours, theirs = SyncVectorEnv([fresh]), AsyncVectorEnv([lambda: fresh()], context="spawn")
    for env in (ours, theirs):
        env.reset(seed=3)
        env.action_space.seed(3)
    for _ in range(20):
        action = ours.action_space.sample()
        for a, b in zip(ours.step(action)[:4], theirs.step(action)[:4], strict=True):
            assert (a == b).all()
    theirs.close()
    ours, theirs = DummyVecEnv([fresh]), SubprocVecEnv([fresh], start_method="spawn")
    for env in (ours, theirs):
        env.seed(3)
        env.reset()
    for step in range(20):
        for a, b in zip(ours.step([step % 2])[:3], theirs.step([step % 2])[:3], strict=True):
            assert (a == b).all()
    theirs.close()

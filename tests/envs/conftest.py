"""A fixture that lets a policy play one episode in many rows and records everything."""

import pytest
import torch

from prefrontal import envs


def _play(task, policy, n=2000, split="all", seed=0, options=None):
    """Play one episode; ``policy(t, observation [n, D], reward of the step before [n])``.

    Returns a record of NumPy arrays [1, n, T] (observations [1, n, T, D]), with all facts.
    """
    env = envs.TaskVectorEnv(task, n, split=split, inputs=(), tensors=True, autoreset="disabled")
    observation, info = env.reset(seed=seed, options=options)
    columns = {"observation": [], "action": [], "reward": []}
    task_params, reward = info["task"], torch.zeros(n)
    for t in range(env.steps):
        observation = observation.clone()
        action = policy(t, observation, reward)
        columns["observation"].append(observation)
        columns["action"].append(action)
        observation, reward, _, _, info = env.step(action)
        columns["reward"].append(reward.clone())
        for name, value in info.items():
            if name != "task":
                columns.setdefault(name, []).append(value)
    record = {name: torch.stack(steps, dim=1)[None].numpy() for name, steps in columns.items()}
    return record | {f"task.{name}": value[None].numpy() for name, value in task_params.items()}


def _random(actions, seed=1):
    """A policy that takes each action with equal probability."""
    generator = torch.Generator().manual_seed(seed)
    return lambda t, obs, reward: torch.randint(actions, (len(obs),), generator=generator)


class _LearnedToLearn:
    """Guesses once, then knows which half of the observation holds the good stimulus."""

    def __init__(self, generator):
        self.generator = generator

    def __call__(self, t, obs, reward):
        left, right = obs.chunk(2, dim=1)
        if t == 0:
            self.action = torch.randint(2, (len(obs),), generator=self.generator)
        else:
            if t == 1:
                other, chosen = self.chosen[::-1]
                self.good = torch.where((reward > 0)[:, None], chosen, other)
            distance = [(side - self.good).abs().sum(1) for side in (left, right)]
            self.action = (distance[1] < distance[0]).long()
        at_left = (self.action == 0)[:, None]
        self.chosen = torch.where(at_left, left, right), torch.where(at_left, right, left)
        return self.action


@pytest.fixture
def play():
    return _play


@pytest.fixture
def random_policy():
    return _random


@pytest.fixture
def learned_to_learn():
    return _LearnedToLearn(torch.Generator().manual_seed(0))

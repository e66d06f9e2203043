"""CartPole-v1 with 16 or so environments, learning included: the work of `benchmarks.cartpole`.

Every step is learned from once: one pass over a batch of 128 steps of every environment, one
optimiser step a batch. Actor and critic have a network each, of 64 units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

STEPS, UNITS = 128, 64


def play(members: int, num_envs: int, core: str = "none") -> Iterator[int]:
    """Train our agents; see `benchmarks.peers`."""
    import torch

    from prefrontal.agents.registry import make_learner
    from prefrontal.experiments.own_environment import settings_for

    torch.set_num_threads(1)
    settings = settings_for("CartPole-v1").with_options(
        core=core,
        hidden_size=UNITS,
        passes=1,
        segment=STEPS,
        num_envs=num_envs,
        members=members,
        total_steps=10**9,
    )
    learner = make_learner(settings.job(0), range(members))
    before = 0.0
    while True:
        learner.update()
        steps = float(learner.steps.sum())
        yield round(steps - before)
        before = steps


def play_sb3(members: int, num_envs: int) -> Iterator[int]:
    """Train Stable-Baselines3's A2C, without memory; see `benchmarks.peers`."""
    from stable_baselines3 import A2C

    shape = {"net_arch": [UNITS]}
    yield from _learn(A2C, "MlpPolicy", members, num_envs, n_steps=STEPS, policy_kwargs=shape)


def play_recurrent_ppo(members: int, num_envs: int) -> Iterator[int]:
    """Train sb3-contrib's RecurrentPPO; see `benchmarks.peers`."""
    from sb3_contrib import RecurrentPPO

    batch = {"n_steps": STEPS, "batch_size": STEPS * num_envs, "n_epochs": 1}
    shape = {"lstm_hidden_size": UNITS, "net_arch": []}
    yield from _learn(
        RecurrentPPO, "MlpLstmPolicy", members, num_envs, policy_kwargs=shape, **batch
    )


def _learn(
    algorithm: Any, policy: str, members: int, num_envs: int, **settings: Any
) -> Iterator[int]:
    if members != 1:
        raise ValueError(f"{algorithm.__name__} trains one agent at a time, not {members}")
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.logger import Logger

    envs = make_vec_env("CartPole-v1", num_envs, seed=0)
    model = algorithm(policy, envs, seed=0, device="cpu", **settings)
    model.set_logger(Logger(folder=None, output_formats=[]))
    while True:
        model.learn(STEPS * num_envs, log_interval=10**9, reset_num_timesteps=False)
        yield STEPS * num_envs

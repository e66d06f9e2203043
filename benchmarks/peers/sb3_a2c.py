"""Stable-Baselines3 A2C with a feed-forward network, which cannot learn the task: for scale."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers.common import (
    CLIP_NORM,
    DISCOUNT,
    ENTROPY_COEF,
    HIDDEN,
    LEARNING_RATE,
    TRIALS,
    VALUE_COEF,
    vector_env,
)


def play(members: int, num_envs: int) -> Iterator[int]:
    """Train one agent; see `benchmarks.peers`.

    Raises:
        ValueError: If `members` is not 1.
    """
    if members != 1:
        raise ValueError(f"Stable-Baselines3 trains one agent at a time, not {members}")
    from stable_baselines3 import A2C
    from stable_baselines3.common.logger import Logger

    from prefrontal.envs import to_sb3_vec_env

    model = A2C(
        "MlpPolicy",
        to_sb3_vec_env(vector_env(num_envs)),
        learning_rate=LEARNING_RATE,
        n_steps=TRIALS,
        gamma=DISCOUNT,
        ent_coef=ENTROPY_COEF,
        vf_coef=VALUE_COEF,
        max_grad_norm=CLIP_NORM,
        policy_kwargs={"net_arch": [HIDDEN]},
        device="cpu",
        seed=0,
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    while True:
        model.learn(TRIALS * num_envs, log_interval=10**9, reset_num_timesteps=False)
        yield TRIALS * num_envs

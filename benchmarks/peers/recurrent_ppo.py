"""sb3-contrib RecurrentPPO at its fastest: one epoch, whole episodes, one batch, one LSTM."""

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
        raise ValueError(f"RecurrentPPO trains one agent at a time, not {members}")
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.logger import Logger

    from prefrontal.envs import to_sb3_vec_env

    model = RecurrentPPO(
        "MlpLstmPolicy",
        to_sb3_vec_env(vector_env(num_envs)),
        learning_rate=LEARNING_RATE,
        n_steps=TRIALS,
        batch_size=TRIALS * num_envs,
        n_epochs=1,
        gamma=DISCOUNT,
        gae_lambda=1.0,
        ent_coef=ENTROPY_COEF,
        vf_coef=VALUE_COEF,
        max_grad_norm=CLIP_NORM,
        policy_kwargs={
            "lstm_hidden_size": HIDDEN,
            "net_arch": [],
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
        device="cpu",
        seed=0,
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    while True:
        model.learn(TRIALS * num_envs, log_interval=10**9, reset_num_timesteps=False)
        yield TRIALS * num_envs

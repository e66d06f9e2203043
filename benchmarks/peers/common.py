"""What all peers share: the task, and the hyper-parameters, which do not matter for speed."""

from __future__ import annotations

from typing import Any

BANDIT = "prefrontal/TwoArmedBandit-v0"
INPUTS = ("action", "reward", "time")
INPUT_SIZE = 5  # constant, one-hot previous action (2), previous reward, time
ACTIONS = 2
TRIALS = 100
HIDDEN = 48

DISCOUNT = 0.8
LEARNING_RATE = 1e-3
VALUE_COEF = 0.25
ENTROPY_COEF = 0.05
CLIP_NORM = 0.5


def vector_env(num_envs: int, seed: int = 0) -> Any:
    """Return the bandit as a NumPy `gymnasium.vector.VectorEnv`, without facts for analysis."""
    import gymnasium

    from prefrontal import envs  # noqa: F401 (registers the ids)

    env = gymnasium.make_vec(BANDIT, num_envs=num_envs, split="all", inputs=INPUTS, facts=False)
    env.reset(seed=seed)
    return env


def single_env(seed: int = 0) -> Any:
    """Return the bandit as a `gymnasium.Env`."""
    import gymnasium

    from prefrontal import envs  # noqa: F401 (registers the ids)

    env = gymnasium.make(BANDIT, split="all", inputs=INPUTS, facts=False)
    env.reset(seed=seed)
    return env

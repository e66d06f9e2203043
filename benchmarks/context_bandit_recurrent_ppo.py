"""RecurrentPPO (sb3-contrib) beside the shipped agents: return on held-out colours.

    python -m benchmarks.context_bandit_recurrent_ppo
    python -m benchmarks.context_bandit_recurrent_ppo --settings ours --steps 1000000

The task is the two-colour context bandit. `default` are the settings RecurrentPPO comes with (LSTM
256, discount .99, 10 epochs) and 3 M steps; `ours` are settings that suit the task (LSTM 48,
discount 0, whole episodes, 4 epochs). Both see what our agents see: the colours, the previous
action and the previous reward.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

SHIPPED = Path("pretrained", "context-bandit", "findings.json")
TRIALS = 100
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "ours": {
        "learning_rate": 3e-3,
        "n_steps": TRIALS,
        "batch_size": 16 * TRIALS,
        "n_epochs": 4,
        "gamma": 0.0,
        "ent_coef": 0.02,
        "policy_kwargs": {
            "lstm_hidden_size": 48,
            "net_arch": [],
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
    },
}


def vector_env(num_envs: int, split: str, seed: int) -> Any:
    """Return the task as a Stable-Baselines3 ``VecEnv``."""
    from prefrontal.envs import to_sb3_vec_env

    env = gymnasium.make_vec(
        "prefrontal/ContextBandit-v0",
        num_envs=num_envs,
        split=split,
        trials=TRIALS,
        inputs=("action", "centred_reward"),
        facts=False,
    )
    env.reset(seed=seed)
    return to_sb3_vec_env(env)


def held_out_return(model: Any, episodes: int, seed: int) -> float:
    """Return the mean return on held-out colours, with sampled actions, of `episodes` or more."""
    num_envs = 64
    envs = vector_env(num_envs, "held_out", seed)
    total, rounds = 0.0, -(-episodes // num_envs)
    for _ in range(rounds):
        observation, state, start = envs.reset(), None, np.ones(num_envs, dtype=bool)
        for _ in range(TRIALS):
            action, state = model.predict(observation, state, start, deterministic=False)
            observation, reward, start, _ = envs.step(action)
            total += float(np.sum(reward))
    return total / (rounds * num_envs)


def main(arguments: list[str]) -> int:
    """Train one agent in stages and print its return on the way; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", choices=SETTINGS, default="default")
    parser.add_argument("--steps", type=int, default=3_000_000)
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=1000, help="held-out episodes a reading")
    parser.add_argument("--readings", type=int, default=6)
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(arguments)
    try:
        from sb3_contrib import RecurrentPPO
    except ImportError:
        print("error: this needs sb3-contrib: pip install -e '.[bench]'", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    model = RecurrentPPO(
        "MlpLstmPolicy",
        vector_env(options.num_envs, "train", options.seed),
        device="cpu",
        seed=options.seed,
        **SETTINGS[options.settings],
    )
    readings, started = [], time.process_time()
    for index in range(options.readings):
        due = options.steps * (index + 1) // options.readings - model.num_timesteps
        model.learn(due, log_interval=10**9, reset_num_timesteps=False)
        spent = time.process_time() - started
        score = held_out_return(model, options.episodes, options.seed + 1)
        readings.append({"steps": model.num_timesteps, "return": score, "cpu_seconds": spent})
        done = f"{model.num_timesteps:>10,} steps"
        print(f"{done}  return {score:6.2f}  {spent:7.0f} CPU seconds", flush=True)
    if SHIPPED.is_file():
        findings = json.loads(SHIPPED.read_text())["findings"]
        ours = next(finding for finding in findings if finding["name"] == "return")
        print(
            f"shipped agents     return {ours['value']:6.2f}  (chance 50, optimum {TRIALS - 0.5})"
        )
    if options.json:
        result = {"settings": options.settings, "seed": options.seed, "readings": readings}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Scratch."""
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.agents.networks.config import HeadConfig


_ARMS = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/CorrelatedBandit-v0",
        ("action", "centred_reward", "time"),
        {"distribution": "uniform", "trials": 100},
    ),
    cfg.NetworkConfig(),
    cfg.A2CConfig(learning_rate=1e-2, discount=0.6, entropy_coef=0.1),
    cfg.TrainingConfig(num_envs=16, total_steps=1_000_000),
)
_AMOUNTS = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/VariableMagnitude-v0", ("reward_one_hot", "time"), {"trials": 100}
    ),
    cfg.NetworkConfig(input_gain=3.0),
    cfg.A2CConfig(learning_rate=1e-2, discount=0.0),
    cfg.TrainingConfig(num_envs=16, total_steps=1_000_000),
)
_RISK = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/RiskyChoice-v0",
        ("action", "centred_reward", "time"),
        {"small": 0.05, "low": 0.0, "high": 1.0, "trials": 100},
        split="all",
    ),
    cfg.NetworkConfig(),
    cfg.A2CConfig(learning_rate=1e-2, discount=0.6, entropy_coef=0.1),
    cfg.TrainingConfig(num_envs=16, total_steps=1_000_000),
)

def _expectiles(size=9, **o):
    return (HeadConfig("tau", size=size, loss="expectile", **o),)


def _conditions():
    reward = {"target": "reward", "per_action": True}
    return {
        "arms": _ARMS.with_options(heads=_expectiles(**reward)),
        "critic": _ARMS.with_options(heads=_expectiles(), critic="heads", discount=0.0),
        "scalar": _ARMS,
        "magnitude": _AMOUNTS.with_options(heads=_expectiles(), critic="heads"),
        "risk": _RISK.with_options(heads=_expectiles(2, **reward)),
    }


EXPERIMENT = Experiment(
    name="distributional-dopamine",
    summary="x",
    reference="x",
    conditions=_conditions(),
    measure=lambda e: Outcome([]),
)

"""Any Gymnasium environment: what ``train.py --env-id ID`` trains, and how it is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents import A2CConfig, EnvironmentSpec, NetworkConfig
from agents.environments import find_spec, is_native
from analysis.findings import Finding
from analysis.statistics import interval
from experiments.evaluation import Evaluation
from experiments.settings import Experiment, Outcome, Settings, TrainingConfig

__all__ = ["EXPERIMENT", "settings_for"]


def settings_for(env_id: str, base: Settings | None = None) -> Settings:
    """Settings for an environment: those of an experiment if it is given, else defaults that suit long control tasks."""
    if not env_id.startswith("envs:") and env_id.startswith("prefrontal/"):
        env_id = f"envs:{env_id}"
    find_spec(env_id)
    if base is not None:
        inputs = base.environment.inputs if is_native(env_id) else ("action", "reward")
        algorithm = base.algorithm if is_native(env_id) else replace(base.algorithm, critic="own")
        return replace(base, environment=EnvironmentSpec(env_id, inputs, {}), algorithm=algorithm)
    if is_native(env_id):
        return Settings(EnvironmentSpec(env_id, ("action", "reward", "time"), {}))
    return Settings(
        EnvironmentSpec(env_id, ("action", "reward"), {}),
        NetworkConfig(hidden_size=64),
        A2CConfig(
            learning_rate=3e-3,
            discount=0.99,
            gae_lambda=0.95,
            entropy_coef=0.01,
            normalise_advantages=True,
            passes=4,
        ),
        TrainingConfig(members=1, num_envs=8, total_steps=500_000),
    )


def _measure(evaluation: Evaluation) -> Outcome:
    record = evaluation.record()
    returns = record["reward"].sum(2).mean(1)
    findings = [Finding.of("return per episode", interval(returns))]
    if "regret" in record:
        findings.append(
            Finding.of(
                "regret per episode", interval(record["regret"].sum(2).mean(1)), better="lower"
            )
        )
    if "mask" in record:
        findings.append(
            Finding.of("steps per episode", interval(np.asarray(record["mask"].sum(2).mean(1))))
        )
    return Outcome(findings)


EXPERIMENT = Experiment(
    name="own-environment",
    summary="Any Gymnasium environment: train.py --env-id ID.",
    reference="yours",
    conditions={"default": settings_for("envs:prefrontal/TwoArmedBandit-v0")},
    measure=_measure,
)

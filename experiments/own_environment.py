"""Any Gymnasium environment: what ``train.py --env-id ID`` trains, and how it is measured.

Most control tasks show their whole state, so that the default core has no memory: ``--core lstm``
is for tasks that hide some of it. Measurements: docs/findings/own-environment.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.settings import (
    A2CConfig,
    CriticConfig,
    EnvironmentSpec,
    NetworkConfig,
    Settings,
    TrainingConfig,
)


def settings_for(env_id: str, base: Settings | None = None) -> Settings:
    """Return settings for an environment.

    Args:
        env_id: Gymnasium id.
        base: Settings to start from; default: such as suit our tasks, or long control tasks.

    Raises:
        ConfigError: There is no such environment.
    """
    from prefrontal.agents.rollout.environments import is_native

    native = is_native(env_id)
    if base is not None:
        inputs = base.environment.inputs if native else ("action", "reward")
        algorithm = base.algorithm
        if isinstance(algorithm, A2CConfig) and not native:  # only ours can show their task
            algorithm = replace(algorithm, critic=CriticConfig("own"))
        return replace(base, environment=EnvironmentSpec(env_id, inputs, {}), algorithm=algorithm)
    if native:
        return Settings(EnvironmentSpec(env_id, ("action", "reward", "time"), {}))
    return Settings(
        EnvironmentSpec(env_id, ("action", "reward"), {}),
        NetworkConfig(core="none", hidden_size=64, input_gain=3.0),
        A2CConfig(
            learning_rate=3e-3,
            discount=0.98,
            gae_lambda=0.95,
            clip_norm=1.0,
            value_coef=0.02,
            entropy_coef=0.0,
            normalise_advantages=True,
            passes=8,
        ),
        TrainingConfig(num_envs=8, total_steps=1_000_000),
    )


def _measure(evaluation: Evaluation) -> Outcome:
    record = evaluation.record()
    returns = record["reward"].sum(2).mean(1)
    findings = [finding("return per episode", returns)]
    if "regret" in record:
        findings.append(
            finding("regret per episode", record["regret"].sum(2).mean(1), better="lower")
        )
    if "mask" in record:
        findings.append(finding("steps per episode", np.asarray(record["mask"].sum(2).mean(1))))
    return Outcome(findings)


EXPERIMENT = Experiment(
    name="own-environment",
    summary="Any Gymnasium environment: train.py --env-id ID.",
    reference="yours",
    conditions={"default": Settings(EnvironmentSpec("prefrontal/TwoArmedBandit-v0"))},
    measure=_measure,
)

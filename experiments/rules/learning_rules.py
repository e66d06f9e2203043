"""Learning rules: what must go back through time for an agent to learn to learn?

Which rule trains the slow weights, on four tasks: Harlow's with three blank steps after each choice
(conditions named after the rule alone) and with six (`longer`), the compact two-step task, two
dependent arms (`arms`). All rules of a task have the same environment steps; the step size of each,
and where it has one its noise or decay, is the best of three settings, tried on other seeds with
half of the steps. The controls are one-step truncation, which sends no credit through time, the
read-out alone on a random core, and feedback that is drawn anew for every update. Measurements:
docs/findings/learning-rules.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prefrontal.agents.reference.bandit_optima import correlated_optimal_regret
from prefrontal.analysis.choice.two_step import reward_per_trial
from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure, regret_by_member
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.prefrontal.wang2018_harlow import right_choices
from prefrontal.experiments.two_step.measures import trials_of_record

TASKS = ("longer", "two-step", "arms")
IDEAL_TWO_STEP = 0.7058  # reward a trial of the ideal observer

#: What the accuracy on trial 2 of delayed Harlow is held against.
BARS: dict[str, dict[str, Any]] = {
    "bptt": {"bar": 0.93},
    "eprop": {"bar": 0.90},
    "eprop-adaptive": {"goal": 0.85},
    "truncated": {"bar": 0.65, "better": "lower"},
    "readout": {"bar": 0.65, "better": "lower"},
    "eprop-redrawn": {"bar": 0.65, "better": "lower"},
}
TWO_STEP_BARS: dict[str, dict[str, Any]] = {
    "eprop": {"bar": 0.695},
    "readout": {"bar": 0.68, "better": "lower"},
}


def measure(evaluation: Evaluation) -> Outcome:
    """Measure what each rule reaches on each task, what e-prop costs, and how it is aligned."""
    findings: list[Finding] = []
    reached: dict[str, dict[str, np.ndarray]] = {task: {} for task in ("delayed", *TASKS)}
    for condition in evaluation.conditions:
        task, rule = _parts(condition)
        record = evaluation.record(condition, split="all" if task == "arms" else None)
        values = reached[task][rule] = MEASURES[task](record)
        findings.append(_finding(task, rule, values, record))
    for task, by_rule in reached.items():
        findings += _costs(task, by_rule)
    findings += _alignments(evaluation)
    shown = [rule for rule in _FEW if rule in evaluation.conditions]
    curves = curve_figure(evaluation, conditions=shown) if shown else []
    return Outcome(findings, curves + _figures(evaluation, reached))


def _parts(condition: str) -> tuple[str, str]:
    """Return the task and the rule of a condition."""
    for task in TASKS:
        if condition.startswith(f"{task}-"):
            return task, condition.removeprefix(f"{task}-")
    return "delayed", condition


def _second_trial(record: Record) -> np.ndarray:
    return right_choices(record)[:, :, 1].mean(1)


MEASURES: dict[str, Callable[[Record], np.ndarray]] = {
    "delayed": _second_trial,
    "longer": _second_trial,
    "two-step": lambda record: reward_per_trial(trials_of_record(record)),
    "arms": regret_by_member,
}


def _finding(task: str, rule: str, values: np.ndarray, record: Record) -> Finding:
    if task == "arms":
        best = correlated_optimal_regret("uniform", record["action"].shape[2])
        name = f"regret, dependent arms, {rule}"
        return finding(name, values, optimum=best, better="lower")
    if task == "two-step":
        name = f"reward per trial, two-step, {rule}"
        return finding(name, values, optimum=IDEAL_TWO_STEP, **TWO_STEP_BARS.get(rule, {}))
    steps = {"delayed": 3, "longer": 6}[task]
    bars = BARS.get(rule, {}) if task == "delayed" else {}
    name = f"accuracy, trial 2, {steps} blank steps, {rule}"
    return finding(name, values, optimum=1.0, within=(0, 1), **bars)


def _costs(task: str, values: dict[str, np.ndarray]) -> list[Finding]:
    """Return what e-prop and one-step truncation cost beside BPTT, on the same tasks."""
    findings = []
    for rule in ("eprop", "truncated"):
        if {"bptt", rule} <= set(values) and len(values["bptt"]) == len(values[rule]):
            apart = values["bptt"] - values[rule]
            bar: dict[str, Any] = {"bar": 0.05} if (task, rule) == ("delayed", "eprop") else {}
            findings.append(
                finding(
                    f"cost of {rule}, {task}",
                    -apart if task == "arms" else apart,
                    better="lower",
                    **bar,
                )
            )
    return findings


def _alignments(evaluation: Evaluation) -> list[Finding]:
    """Return cosines of updates with BPTT's, in the first and the last twentieth of training."""
    findings = []
    for condition, curves in evaluation.curves.items():
        if "alignment" not in curves:
            continue
        for name, what in (("alignment", "update"), ("alignment_time", "bridging time")):
            rows = curves[name]
            few = max(1, len(rows) // 20)
            for when, part in (("start", rows[:few]), ("end", rows[-few:])):
                if not np.isnan(part).all(0).any():
                    mean = np.nanmean(part, axis=0)
                    findings.append(finding(f"cosine with BPTT, {what}, {condition}, {when}", mean))
    return findings


def _figures(evaluation: Evaluation, reached: dict[str, dict[str, np.ndarray]]) -> list[Any]:
    if not evaluation.figures:
        return []
    labels = {
        "delayed": "correct, trial 2",
        "longer": "correct, trial 2",
        "two-step": "reward per trial",
        "arms": "regret per episode",
    }
    return [
        bars_with_members(
            {rule: {"members": one} for rule, one in values.items()},
            evaluation.folder / f"{task}.png",
            labels[task],
            episodes=evaluation.episodes,
        )
        for task, values in reached.items()
        if values
    ]


def _harlow(delay: int, steps: int) -> cfg.Settings:
    options = {"dimension": 8, "unit_variance": True, "trials": 6, "delay": delay}
    return cfg.Settings(
        cfg.EnvironmentSpec("prefrontal/Harlow-v0", ("action", "reward", "time"), options),
        cfg.NetworkConfig(input_gain=3.0),
        cfg.A2CConfig(learning_rate=1e-2, discount=0.8, entropy_coef=0.05),
        cfg.TrainingConfig(num_envs=32, total_steps=steps),
    )


_DELAYED = _harlow(3, 1_000_000)
_LONGER = _harlow(6, 2_000_000)
_TWO_STEP = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/TwoStep-v0", ("centred_reward", "time"), {"trials": 100, "compact": True}
    ),
    cfg.NetworkConfig(input_gain=3.0),
    cfg.A2CConfig(learning_rate=1.5e-2, discount=0.0, entropy_coef=0.05),
    cfg.TrainingConfig(num_envs=16, total_steps=600_000),
)
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

RULES: dict[str, dict[str, Any]] = {
    "bptt": {},
    "eprop": {"rule": "eprop"},
    "truncated": {"rule": "truncated"},
    "readout": {"rule": "readout"},
    "eprop-random": {"rule": "eprop", "feedback": "random"},
    "eprop-adaptive": {"rule": "eprop", "feedback": "adaptive"},
    "eprop-redrawn": {"rule": "eprop", "feedback": "redrawn"},
    "bptt-random": {"feedback": "random"},
    "node-perturbation": {"rule": "node-perturbation"},
    "hebbian": {"rule": "hebbian"},
    "weight-perturbation": {"rule": "weight-perturbation"},
    "evolution-strategies": {"rule": "evolution-strategies"},
}
_FEW = ("bptt", "eprop", "truncated", "readout")

#: The best of three settings of each rule on each task, tried on seed 1000 with half of the steps:
#: step sizes (1/3, 1 and 3 times that of the task), or pairs of a step size and a noise or decay.
TUNED: dict[str, dict[str, dict[str, Any]]] = {
    "delayed": {
        **{rule: {"learning_rate": 3e-2} for rule in RULES},
        "eprop-redrawn": {"learning_rate": 1e-2},
        "eprop-adaptive": {"learning_rate": 3e-2, "feedback_decay": 1e-3},
        "node-perturbation": {"rule_noise": 0.3},
        "hebbian": {"learning_rate": 3.3e-3},
        "weight-perturbation": {},
        "evolution-strategies": {},
    },
    "two-step": {
        **{rule: {"learning_rate": 4.5e-2} for rule in RULES},
        "eprop-redrawn": {"learning_rate": 5e-3},
        "eprop-adaptive": {"learning_rate": 4.5e-2, "feedback_decay": 1e-3},
        "node-perturbation": {"learning_rate": 5e-3},
        "hebbian": {"learning_rate": 5e-3},
        "weight-perturbation": {},
        "evolution-strategies": {"directions": 8},
    },
}
ALIGNED = ("eprop", "truncated", "eprop-random", "eprop-adaptive", "bptt-random")


def _conditions() -> dict[str, cfg.Settings]:
    made: dict[str, cfg.Settings] = {}
    for rule, options in RULES.items():
        tuned = options | TUNED["delayed"][rule]
        made[rule] = _DELAYED.with_options(alignment=rule in ALIGNED, **tuned)
        made[f"two-step-{rule}"] = _TWO_STEP.with_options(**options | TUNED["two-step"][rule])
    for rule in _FEW:
        options = RULES[rule]
        made[f"longer-{rule}"] = _LONGER.with_options(**options | TUNED["delayed"][rule])
        made[f"arms-{rule}"] = _ARMS.with_options(**options)
    return made


EXPERIMENT = Experiment(
    name="learning-rules",
    summary="which learning rules learn to learn, and which tasks need credit through time",
    reference="Bellec et al. 2020, Nature Communications 11:3625; Miconi 2017, eLife 6:e20899",
    conditions=_conditions(),
    measure=measure,
    half=True,
)

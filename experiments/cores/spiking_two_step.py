"""Spiking networks learn to learn: the two-step task, and one-shot learning by adaptation.

Half of the units have thresholds that rise with every spike and fall slowly (Bellec et al. 2018),
which is a memory without plastic synapses. Conditions: `two-step` (compact: one step a trial) and
`harlow` with back-propagation through time, `two-step-eprop` and `harlow-eprop` with e-prop,
`harlow-without-adaptation`, and `harlow-tau-1`, `-5`, `-80`, where adaptation lasts shorter or
longer than the 20 steps of `harlow`. Equal samples for all arms of a task. Measurements:
docs/findings/spiking-two-step.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.analysis.choice.two_step import reward_per_trial
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member
from prefrontal.experiments.prefrontal.wang2018_harlow import right_choices
from prefrontal.experiments.two_step.measures import trials_of_record

IDEAL, MODEL_FREE = 0.7058, 0.635  # reward a trial
BAR_TWO_STEP, BAR_ADAPTATION = 0.69, 0.10
RATE_EPISODES = 200  # of each member, of which the traces are recorded


def measure(evaluation: Evaluation) -> Outcome:
    """Measure reward a trial, accuracy on trial 2, and what adaptation and its length are worth."""
    findings: list[Finding] = []
    curves = {}
    for condition in evaluation.conditions:
        record = evaluation.record(condition)
        if condition.startswith("two-step"):
            findings += _two_step(evaluation, condition)
        else:
            right = right_choices(record)
            curves[condition] = right.mean(axis=1)
            findings.append(
                finding(f"accuracy, trial 2, {condition}", curves[condition][:, 1], optimum=1.0)
            )
        trace = evaluation.record(condition, hidden=True, episodes=RATE_EPISODES)["hidden"]
        findings.append(finding(f"ticks with a spike, {condition}", trace.mean(axis=(1, 2, 3))))
    if {"harlow", "harlow-without-adaptation"} <= curves.keys():
        gain = curves["harlow"][:, 1] - curves["harlow-without-adaptation"][:, 1]
        findings += [
            finding("accuracy, trial 2, adaptation less none", gain, bar=BAR_ADAPTATION),
            worst_gain(evaluation, gain),
        ]
    return Outcome(findings, curve_figure(evaluation) + _figure(evaluation, curves))


def worst_gain(evaluation: Evaluation, gain: np.ndarray) -> Finding:
    """Return the smallest gain of a member, with the interval over its episodes (paired tasks)."""
    difference = np.subtract(
        *(
            right_choices(evaluation.record(condition))[:, :, 1]
            for condition in ("harlow", "harlow-without-adaptation")
        )
    )
    return worst_member(
        "accuracy, trial 2, adaptation less none, worst member",
        difference if len(gain) > 1 else gain,
        "higher",
        bar=BAR_ADAPTATION,
    )


def _two_step(evaluation: Evaluation, condition: str) -> list[Finding]:
    trials = trials_of_record(evaluation.record(condition))
    judged: dict[str, Any] = {"bar": BAR_TWO_STEP} if condition == "two-step" else {}
    where = "" if condition == "two-step" else f", {condition}"
    return [
        finding(
            f"reward per trial{where}",
            reward_per_trial(trials),
            optimum=IDEAL,
            failure=MODEL_FREE,
            note=f"model-free learner {MODEL_FREE}",
            **judged,
        ),
        worst_member(
            f"reward per trial, worst member{where}",
            trials.reward.mean(axis=2),
            "higher",
            optimum=IDEAL,
            **judged,
        ),
    ]


def _figure(evaluation: Evaluation, curves: dict[str, np.ndarray]) -> list[Any]:
    if not (evaluation.figures and curves):
        return []
    path = evaluation.folder / "accuracy_by_trial.png"
    what = "fraction correct on objects never seen"
    shown = {"chance": 0.5}
    return [curves_by_trial(curves, path, what, shown, (0.4, 1.02), episodes=evaluation.episodes)]


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the return of an episode for the ideal observer and for chance."""
    trials = settings.environment.kwargs["trials"]
    if settings.environment.id == "prefrontal/Harlow-v0":
        return {"optimum": trials - 1, "chance": 0.0}
    return {"optimum": IDEAL * trials, "model-free": MODEL_FREE * trials, "chance": trials / 2}


def _conditions() -> dict[str, cfg.Settings]:
    network = cfg.NetworkConfig(core="spiking", hidden_size=100, input_gain=2.0)
    two_step = cfg.Settings(
        cfg.EnvironmentSpec(
            "prefrontal/TwoStep-v0", ("centred_reward", "time"), {"trials": 100, "compact": True}
        ),
        network,
        cfg.A2CConfig(learning_rate=5e-3, discount=0.0, entropy_coef=0.05),
        cfg.TrainingConfig(num_envs=16, total_steps=600_000),
    )
    harlow = cfg.Settings(
        cfg.EnvironmentSpec(
            "prefrontal/Harlow-v0",
            ("action", "reward", "time"),
            {"dimension": 8, "unit_variance": True, "trials": 6},
        ),
        network,
        cfg.A2CConfig(learning_rate=5e-3, discount=0.0, entropy_coef=0.05),
        cfg.TrainingConfig(num_envs=32, total_steps=800_000),
    )
    arms = {"two-step": two_step, "harlow": harlow}
    found = {"two-step": two_step, "harlow": harlow}
    found |= {f"{name}-eprop": one.with_options(rule="eprop") for name, one in arms.items()}
    found["harlow-without-adaptation"] = harlow.with_options(core_kwargs={"beta": 0.0})
    for tau in (1, 5, 80):
        own = {"tau_adaptation": float(tau)}
        found[f"harlow-tau-{tau}"] = harlow.with_options(core_kwargs=own)
    return found


EXPERIMENT = Experiment(
    name="spiking-two-step",
    summary="spiking networks learn the two-step task; adaptation is what learns in one shot",
    reference="Bellec et al. 2018, Advances in Neural Information Processing Systems 31",
    conditions=_conditions(),
    measure=measure,
    levels=levels,
)

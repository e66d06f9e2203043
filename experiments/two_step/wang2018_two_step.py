"""The two-step task: model-free training yields a model-based learner.

Source: Wang et al. 2018, simulation 4. Conditions: `default` (two steps a trial: the choice, then
the forced second stage, which pays) and `compact` (one step a trial: first action, state and reward
shown together; at most the 10,000 training episodes of the paper). The observation holds a copy of
the first action in place of the previous-action input, which beside the reward would be that of the
forced step. A choice has no effect on later trials, so in `compact` the right discount is 0;
`default` needs one above 0, because a choice is paid a step later. Measurements:
docs/findings/wang2018-two-step.md.
"""

from __future__ import annotations

import numpy as np

from prefrontal.analysis.choice.two_step import (
    IDEAL_2018,
    PUBLISHED_2018,
    TwoStepTrials,
    reward_per_trial,
)
from prefrontal.analysis.neural.dopamine import rpe_regression, two_step_signals
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, exact, finding, worst_member
from prefrontal.experiments.two_step.measures import (
    index_findings,
    regression_findings,
    stay_by_member,
    stay_figure,
    stay_findings,
    trials_of_record,
)

IDEAL, MODEL_FREE = 0.7058, 0.635  # reward a trial
PUBLISHED_EPISODES = 10_000


def measure(evaluation: Evaluation) -> Outcome:
    """Measure reward, stay probabilities and their regression, and prediction errors."""
    findings, stays = [], {}
    for condition in evaluation.conditions:
        record = evaluation.record(condition)
        trials = trials_of_record(record)
        where = "" if condition == "default" else f", {condition}"
        rewards = reward_per_trial(trials)
        stay = stays[condition] = stay_by_member(trials)
        findings += [
            finding(
                f"reward per trial{where}",
                rewards,
                optimum=IDEAL,
                failure=MODEL_FREE,
                note=f"model-free learner {MODEL_FREE}",
            ),
            worst_member(
                f"reward per trial, worst member{where}",
                trials.reward.mean(axis=2),
                "higher",
                optimum=IDEAL,
                bar=0.70,
                goal=0.704,
            ),
            *stay_findings(trials, IDEAL_2018, where, (0.55, 0.75), PUBLISHED_2018, within=0.05),
            *index_findings(stay, IDEAL_2018, where, PUBLISHED_2018),
            *regression_findings(trials, where),
            *_dopamine(record, trials),
            *_training(evaluation, condition, where),
        ]
    figures = curve_figure(evaluation)
    return Outcome(findings, figures + stay_figure(evaluation, stays, IDEAL_2018, PUBLISHED_2018))


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the ideal observer, of a model-free learner and of chance."""
    by_trial = {"optimum": IDEAL, "model-free": MODEL_FREE, "chance": 0.5}
    return {name: settings.environment.kwargs["trials"] * one for name, one in by_trial.items()}


def _dopamine(record: Record, trials: TwoStepTrials) -> list[Finding]:
    """Return how the RPE at the second stage depends on the errors of the two systems."""
    if 1 not in record["stage"]:
        return []
    signals = two_step_signals(trials)
    chosen = ("model-based state error", "model-free state error")
    fit = rpe_regression(record["rpe"][..., 0::2], {name: signals[name] for name in chosen})
    return [
        finding(f"RPE at the second stage, weight of the {name}", weights)
        for name, weights in zip(fit.names, fit.coefficients.T, strict=True)
    ]


def _training(evaluation: Evaluation, condition: str, where: str) -> list[Finding]:
    """Return the training episodes of a member, where the run has its curves."""
    curves = evaluation.curves.get(condition)
    if not curves:
        return []
    episodes = (
        float(np.max(curves["steps"]))
        / evaluation.populations[condition].environment.kwargs["trials"]
    )
    episodes /= 1 if condition == "compact" else 2
    bar = PUBLISHED_EPISODES if condition == "compact" else None
    return [
        exact(
            f"training episodes of a member{where}",
            episodes,
            len(evaluation.populations[condition]),
            published=PUBLISHED_EPISODES,
            bar=bar,
            better="lower",
            note="" if bar else "more than published",
        )
    ]


_INPUTS = ("centred_reward", "time")

EXPERIMENT = Experiment(
    name="wang2018-two-step",
    summary="two-step task: stay probabilities of an ideal model-based learner",
    reference="Wang et al. 2018, Nature Neuroscience 21:860-868, simulation 4",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec("prefrontal/TwoStep-v0", _INPUTS, {"trials": 100}),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(learning_rate=1.5e-2, discount=0.7, entropy_coef=0.05),
            cfg.TrainingConfig(num_envs=16, total_steps=3_000_000),
        ),
        "compact": cfg.Settings(
            cfg.EnvironmentSpec("prefrontal/TwoStep-v0", _INPUTS, {"trials": 100, "compact": True}),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(learning_rate=1.5e-2, discount=0.0, entropy_coef=0.05),
            cfg.TrainingConfig(num_envs=16, total_steps=992_000),
        ),
    },
    measure=measure,
    levels=levels,
)

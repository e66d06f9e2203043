"""Harlow's learning set (Wang et al. 2018, simulation 5): two new objects, then all right.

Conditions: `abstract` (objects are random vectors, one step a trial) and `one-dimensional` (the
gaze moves along a ring from a fixation mark to the objects, as in public re-implementations).
Findings are about objects never seen in training. Without detours six trials on the ring take 36
steps, so episodes of 60 steps waste less than the 250 of the re-implementations. Measurements:
docs/findings/wang2018-harlow.md.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member

BARS = {"abstract": (0.98, 0.995), "one-dimensional": (0.94, 0.97)}  # of trial 2, and goals
PUBLISHED = (0.53, 0.97, 0.98, 0.98, 0.99, 0.985)  # model, end of training; read off a figure, ±.01
FAILED = 0.9  # accuracy on trial 2; chance is .5, half a rule .75
PUBLIC = "best public re-implementation .94 to .95"


def right_choices(record: Record) -> np.ndarray:
    """Return whether each trial of each episode was chosen right, ``[M, E, N]``.

    A trial that was never finished counts as wrong: nothing is conditioned on reaching it.
    """
    right = record["correct"] * record.get("decision", np.ones(record["correct"].shape))
    trials = range(record["task.side"].shape[2])
    return np.stack([(right * (record["trial"] == n)).sum(axis=2) for n in trials], axis=2)


def measure(evaluation: Evaluation) -> Outcome:
    """Measure accuracy by trial on objects never seen, and the share of finished trials."""
    findings, curves = [], {}
    for condition in evaluation.conditions:
        here = partial(finding, where=f", {condition}")
        bar, goal = BARS.get(condition, (None, None))
        record = evaluation.record(condition)
        right = right_choices(record)
        curve = curves[condition] = right.mean(axis=1)
        greedy = right_choices(evaluation.record(condition, deterministic=True)).mean(axis=1)
        seen = right_choices(evaluation.record(condition, split="train")).mean(axis=1)
        note = PUBLIC if condition == "one-dimensional" else ""
        findings += [
            here(
                "accuracy, trial 1",
                curve[:, 0],
                published=PUBLISHED[0],
                optimum=0.5,
                bar=(0.47, 0.53),
                better="near",
            ),
            here(
                "accuracy, trial 2",
                curve[:, 1],
                published=PUBLISHED[1],
                optimum=1.0,
                failure=FAILED,
                bar=bar,
                goal=goal,
                note=note,
            ),
            worst_member(
                f"accuracy, trial 2, worst member, {condition}",
                right[:, :, 1],
                "higher",
                fraction=True,
                optimum=1.0,
                bar=bar,
                goal=goal,
            ),
            here("accuracy, last trial", curve[:, -1], published=PUBLISHED[-1], optimum=1.0),
            here("accuracy, trial 2, greedy", greedy[:, 1], optimum=1.0),
            here("accuracy, trial 2, objects of training", seen[:, 1], optimum=1.0),
        ]
        if "decision" in record:
            trials = curve.shape[1]
            finished = record["decision"].sum(axis=2).mean(axis=1) / trials
            steps = record["active"].sum(axis=2).mean(axis=1) / trials
            findings += [
                here("trials finished", finished, optimum=1.0, bar=0.99),
                here("steps a trial", steps, better="lower"),
            ]
    figures = curve_figure(evaluation)
    if evaluation.figures:
        path = evaluation.folder / "accuracy_by_trial.png"
        lines = {"chance": 0.5, "published, trial 2": PUBLISHED[1]}
        figures.append(
            curves_by_trial(
                curves,
                path,
                "fraction correct on objects never seen",
                lines,
                (0.4, 1.02),
                episodes=evaluation.episodes,
            )
        )
    return Outcome(findings, figures)


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum and of chance, in the task of +1 and -1 a trial."""
    if settings.environment.id != "prefrontal/Harlow-v0":
        return {}
    return {"optimum": settings.environment.kwargs["trials"] - 1, "chance": 0.0}


EXPERIMENT = Experiment(
    name="wang2018-harlow",
    summary="Harlow's learning set: one-shot learning about objects never seen",
    reference="Wang et al. 2018, Nature Neuroscience 21:860-868, simulation 5",
    conditions={
        "abstract": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/Harlow-v0",
                ("action", "reward", "time"),
                {"dimension": 8, "unit_variance": True, "trials": 6},
            ),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(learning_rate=1e-2, discount=0.8, entropy_coef=0.05),
            cfg.TrainingConfig(num_envs=32, total_steps=1_500_000),
        ),
        "one-dimensional": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/HarlowOneDimensional-v0",
                ("action", "reward"),
                {"trials": 6, "max_steps": 60},
            ),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(
                learning_rate=7e-3,
                discount=0.9,
                gae_lambda=0.95,
                entropy_coef=0.05,
                normalise_advantages=True,
            ),
            cfg.TrainingConfig(num_envs=16, total_steps=3_000_000),
        ),
    },
    measure=measure,
    levels=levels,
)

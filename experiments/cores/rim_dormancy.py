"""What modules that rest are good for: one-shot memory over delays longer than any in training.

Recurrent independent mechanisms (Goyal et al. 2021) solve the copying problem over blank phases
four times as long as in training, where an LSTM fails: modules that lose the competition keep their
state. Here it is asked of reinforcement learning. Of Harlow's task (two new objects, one of which
pays) there are the first three trials, with blank steps between them: 0 to 8 in training, drawn
anew for every episode, up to 32 at test. Accuracy on trial 2 says whether the outcome of trial 1
was remembered.

Conditions: `rim` (3 of 6 modules of 8 units active), `rim-all-active`, `rim-no-communication`,
`rim-workspace` (Goyal et al. 2022), `lstm` of as many units, `lstm-equal` of as many parameters,
and `lstm-forget-4`, whose forget gates start open: the cheap explanation. All have the same samples
and the same settings but for the step size, chosen from as many for either kind. The input `time`
is left out, since it would mean something else at test.
Measurements: docs/findings/rim-dormancy.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.prefrontal.wang2018_harlow import levels, right_choices

TRAINED, LONGEST = 8, 32  # blank steps
DELAYS = (0, 4, TRAINED, 16, LONGEST)
KEPT, BETTER = 0.9, 0.1  # goals: share of accuracy kept, and advantage over the LSTM
FAILED = 0.75  # accuracy on trial 2; chance is .5
LOOKED_AT = 200  # episodes in which modules are looked at


def measure(evaluation: Evaluation) -> Outcome:
    """Measure accuracy on trial 2 by delay, what is kept of it, and which modules rest."""
    findings, curves = [], {}
    for condition in evaluation.conditions:
        curve = np.stack([accuracy(evaluation.record(condition, **of(d))) for d in DELAYS], 1)
        curves[condition] = curve
        at = dict(zip(DELAYS, curve.T, strict=True))
        for delay in (TRAINED, 16, LONGEST):
            where: dict[str, Any] = {"where": f", {delay} blank steps, {condition}"}
            if delay == TRAINED:
                where["failure"] = FAILED
            findings.append(
                finding("accuracy, trial 2", at[delay], optimum=1.0, within=(0, 1), **where)
            )
        goal: dict[str, Any] = {"goal": KEPT} if condition == "rim" else {}
        kept = at[LONGEST] / at[TRAINED]
        name = f"share of accuracy kept, {TRAINED} to {LONGEST} blank steps, {condition}"
        findings.append(finding(name, kept, **goal))
    longest = {name: curve[:, -1] for name, curve in curves.items()}
    for name, other in longest.items():
        if name != "rim" and "rim" in longest and len(other) == len(longest["rim"]):
            goal = {"goal": BETTER} if name == "lstm" else {}
            less = f"accuracy at {LONGEST} blank steps, rim less {name}"
            findings.append(finding(less, longest["rim"] - other, **goal))
    for condition in evaluation.conditions:
        own = cfg.expect(evaluation.settings[condition].network, cfg.NetworkConfig).core_kwargs
        if condition.startswith("rim") and own.get("active") != own.get("modules", 6):
            record = evaluation.record(condition, hidden=True, episodes=LOOKED_AT, **of(LONGEST))
            resting = modules_at_rest(record, own.get("modules", 6))
            findings.append(finding(f"modules at rest through a delay of 32, {condition}", resting))
    figures = curve_figure(evaluation)
    if evaluation.figures:
        path = evaluation.folder / "accuracy_by_delay.png"
        figures.append(
            curves_by_trial(
                curves,
                path,
                "fraction correct on trial 2, objects never seen",
                {"chance": 0.5},
                (0.45, 1.02),
                "blank steps between trials (0 to 8 in training)",
                evaluation.episodes,
                DELAYS,
            )
        )
    return Outcome(findings, figures)


def of(delay: int) -> dict[str, Any]:
    """Return parameters of the task with as many blank steps in all episodes."""
    return {"delay": delay, "shortest_delay": None}


def accuracy(record: Record) -> np.ndarray:
    """Return the fraction of episodes in which trial 2 was chosen right, ``[M]``."""
    mean: np.ndarray = right_choices(record)[:, :, 1].mean(axis=1)
    return mean


def modules_at_rest(record: Record, modules: int) -> np.ndarray:
    """Return how many modules kept their state through all blank steps, ``[M]``.

    The first blank step, at which the outcome of the choice is shown, is not counted.
    """
    hidden = record["hidden"][:, :, 1:-1]
    states = hidden.reshape(*hidden.shape[:3], modules, -1)
    rested = (states[:, :, 1:] == states[:, :, :-1]).all(axis=(2, 4))
    mean: np.ndarray = rested.sum(axis=2).mean(axis=1)
    return mean


def _conditions() -> dict[str, cfg.Settings]:
    rim = cfg.Settings(
        cfg.EnvironmentSpec(
            "prefrontal/Harlow-v0",
            ("action", "reward"),
            {
                "dimension": 8,
                "unit_variance": True,
                "trials": 3,
                "delay": TRAINED,
                "shortest_delay": 0,
            },
        ),
        cfg.NetworkConfig(core="rim", input_gain=3.0),
        cfg.A2CConfig(
            learning_rate=1e-2, discount=0.0, entropy_coef=0.05, normalise_advantages=True
        ),
        cfg.TrainingConfig(num_envs=32, total_steps=1_000_000),
    )
    lstm = rim.with_options(core="lstm", learning_rate=2e-2)
    return {
        "rim": rim,
        "rim-all-active": rim.with_options(core_kwargs={"active": 6}),
        "rim-no-communication": rim.with_options(core_kwargs={"heads": 0}),
        "rim-workspace": rim.with_options(core="rim-workspace"),
        "lstm": lstm,
        "lstm-equal": lstm.with_options(hidden_size=42),
        "lstm-forget-4": lstm.with_options(forget_bias=4.0),
    }


EXPERIMENT = Experiment(
    name="rim-dormancy",
    summary="recurrent independent mechanisms: one-shot memory over delays never met in training",
    reference="Goyal et al. 2021, Recurrent independent mechanisms, ICLR, arXiv:1909.10893",
    conditions=_conditions(),
    measure=measure,
    levels=levels,
)

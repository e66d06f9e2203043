"""Dopamine blocked and stimulated (Wang et al. 2018, simulation 6, after Stopper et al. 2014).

A safe arm pays 1/4, a risky one 1 or nothing. Actor and critic have an LSTM each, and the actor is
given the critic's reward prediction error in place of the reward (`actor_reward="rpe"`): what
dopamine carries is not only what the weights learn from, but what the frozen network acts on.
Blocking takes `AMOUNT` from that input after risky wins, stimulating adds it after risky losses.
Risky choice falls and rises on the same tasks, while no weight changes:
docs/findings/wang2018-dopamine.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, exact, finding

AMOUNT = 0.5  # half of the large reward
RISKY = 1  # the action, as in prefrontal.envs.risky_choice


def risky_choice(record: Record) -> np.ndarray:
    """Return the fraction of risky choices, ``[M]``."""
    return np.asarray((record["action"] == RISKY).mean(axis=(1, 2)))


def measure(evaluation: Evaluation) -> Outcome:
    """Measure risky choice with dopamine blocked, stimulated, and left alone, on the same tasks."""
    from prefrontal.agents.rollout.rollout import Stimulation

    stimulations = {
        "alone": Stimulation(),  # adds nothing, also where `prefrontal evaluate` adds something
        "block": Stimulation(win=-AMOUNT, action=RISKY),
        "stimulate": Stimulation(loss=AMOUNT, action=RISKY),
    }
    model = next(iter(evaluation.populations.values())).model
    before = model.parameters
    records = {name: evaluation.record(stimulation=one) for name, one in stimulations.items()}
    changed = int((_bits(before) != _bits(model.parameters)).sum())
    alone = records["alone"]
    share = {name: risky_choice(record) for name, record in records.items()}
    p, small = alone["task.p"], float(alone["optimal_reward"].min())
    best, worth = float(np.maximum(p, small).mean()), p > small
    better = np.where(worth[..., None], alone["action"] == RISKY, alone["action"] != RISKY)
    found = alone["reward"].mean(axis=(1, 2))
    findings = [
        finding(
            "risky choice, blocked after risky wins, less left alone",
            share["block"] - share["alone"],
            bar=0.0,
            better="lower",
            note="published in words: lower",
        ),
        finding(
            "risky choice, stimulated after risky losses, less left alone",
            share["stimulate"] - share["alone"],
            bar=0.0,
            note="published in words: higher",
        ),
        exact(
            "weights that differ bitwise afterwards",
            float(changed),
            len(before),
            bar=(0.0, 0.0),
            better="near",
        ),
        finding("risky choice, left alone", share["alone"]),
        finding(
            "better arm chosen, left alone",
            better.mean(axis=(1, 2)),
            bar=0.6,
            note="chance .5; the agent has to find out which arm it is",
        ),
        finding(
            "reward a trial, left alone",
            found,
            bound=best,
            note="bound: p known from the start",
        ),
    ]
    if evaluation.stimulation is not None:
        asked = interval(risky_choice(evaluation.record()) - share["alone"])
        findings.append(
            Finding.of("risky choice, with --block and --stimulate, less left alone", asked)
        )
    trials = alone["action"].shape[2]
    figures = curve_figure(
        evaluation, {"bound: p known": best * trials, "always safe": small * trials}
    )
    return Outcome(findings, figures + _figure(evaluation, records))


def _bits(weights: Any) -> np.ndarray:
    """Return the bit patterns of weights, which tell apart what compares as equal (0 and -0)."""
    return np.asarray(weights.cpu().numpy().view(np.int32))


def _figure(evaluation: Evaluation, records: dict[str, Record]) -> list[Path]:
    if not evaluation.figures:
        return []
    names = {
        "alone": "left alone",
        "block": "blocked after wins",
        "stimulate": "stimulated after losses",
    }
    curves = {
        names[key]: (record["action"] == RISKY).mean(axis=1) for key, record in records.items()
    }
    path = evaluation.folder / "risky_choice.png"
    return [
        curves_by_trial(
            curves, path, "risky choices", ylim=(0.0, 1.0), episodes=evaluation.episodes
        )
    ]


EXPERIMENT = Experiment(
    name="wang2018-dopamine",
    summary="blocking or stimulating the prediction error shifts risky choice, with frozen weights",
    reference="Wang et al. 2018, Nature Neuroscience 21:860, simulation 6",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/RiskyChoice-v0", ("action", "reward", "time"), {"trials": 100}
            ),
            cfg.NetworkConfig(layout="separate", actor_reward="rpe", rpe_discount=0.6),
            cfg.A2CConfig(learning_rate=1e-2, discount=0.6),
            cfg.TrainingConfig(num_envs=16, total_steps=1_500_000),
        )
    },
    measure=measure,
)

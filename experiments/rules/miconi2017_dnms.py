"""A Hebbian rule that reward modulates learns a task with a delay, without gradients (Miconi 2017).

A chaotic network of 200 rate units learns delayed non-match to sample from one number at the end
of each trial. Conditions: `hebbian` (as published); `no-cube` (the same products without the cube,
with a step size that makes changes as large as those of the next); `node-perturbation` (synapses
are told the perturbation itself, with the published step size).

What was found is in ``docs/findings/miconi2017-dnms.md``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from prefrontal.agents.hebbian.config import HebbianConfig, RateNetworkConfig
from prefrontal.analysis.choice.evolution import share_of_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.analysis.stats.medians import median, trials_to_criterion
from prefrontal.envs.non_match import DURATION, LASTS, ONSETS, TARGET
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.settings import EnvironmentSpec, Settings, TrainingConfig

TRIALS = 2000  # within which all members should reach the criterion
RIGHT, MORE_THAN = 1.0, 95  # error of a trial on the right side, and how many of 100 must be more
LAST = 100  # trials that the error at the end is taken from
PUBLISHED = 850.0  # median of 20 runs; their quartiles are 690 and 1,110
QUARTILE = 1110.0
WORST = 2.0  # error, about
TYPES = {"AA": (0, 0), "AB": (0, 1), "BA": (1, 0), "BB": (1, 1)}
CONDITIONS = {
    "hebbian": HebbianConfig(),
    "no-cube": HebbianConfig(exponent=1, learning_rate=0.005),
    "node-perturbation": HebbianConfig("node-perturbation", learning_rate=0.001),
}


def measure(evaluation: Evaluation) -> Outcome:
    """Measure learning by trial, what controls learn, and what frozen weights do."""
    errors = {name: -curves["return"] for name, curves in evaluation.curves.items() if curves}
    criteria = {name: trials_to_criterion(one, RIGHT, MORE_THAN) for name, one in errors.items()}
    records = {name: _played(evaluation, name) for name in evaluation.conditions}
    findings: list[Finding] = []
    for name in evaluation.conditions:
        if name in errors:
            findings += _learning(name, errors[name], criteria[name])
        findings += _frozen(name, records[name])
    findings += _contrasts(errors)
    if not evaluation.figures:
        return Outcome(findings)
    return Outcome(findings, _figures(evaluation.folder, errors, criteria, records))


def _learning(name: str, errors: np.ndarray, criteria: np.ndarray) -> list[Finding]:
    """Return trials to criterion, how many members reached it, and the error at the end."""
    published, control = name == "hebbian", name == "no-cube"
    middle = median(criteria, float(len(errors)))
    in_time = criteria <= TRIALS
    counts = int(in_time.sum()), len(in_time)
    return [
        Finding.of(
            f"trials to criterion, {name}",
            middle,
            published=PUBLISHED if published else None,
            bar=QUARTILE if published else None,
            better="lower",
            failure=float(TRIALS),
            succeeded=counts,
            note=f"median; the whole run, {len(errors):,} trials, if never",
        ),
        Finding.of(
            f"members at criterion within {TRIALS:,} trials, {name}",
            share_of_members(in_time),
            bar=0.5 if control else None,
            better="lower" if control else "higher",
        ),
        finding(
            f"error, last {LAST} of {TRIALS:,} trials, {name}",
            errors[:TRIALS][-LAST:].mean(axis=0),
            within=(0.0, WORST),
            better="lower",
            optimum=0.0,
        ),
    ]


def _played(evaluation: Evaluation, condition: str) -> Record:
    """Let frozen networks play each type of trial equally often, without perturbations."""
    each = max(1, evaluation.episodes // len(TYPES))
    stimuli = np.tile(np.array(list(TYPES.values())), (each, 1))
    return evaluation.record(condition, tasks={"stimuli": stimuli})


def _by_type(values: np.ndarray) -> np.ndarray:
    """Return the mean over the trials of each type, ``[M, 4, ...]``, of values ``[M, E, ...]``."""
    return np.stack([values[:, kind :: len(TYPES)].mean(axis=1) for kind in range(4)], axis=1)


def _frozen(name: str, record: Record) -> list[Finding]:
    """Return what networks do that are neither perturbed nor changed any more."""
    errors = -record["reward"].sum(axis=2)
    here, by_type = partial(finding, where=f", frozen weights, {name}"), _by_type(errors)
    return [
        here("error", errors.mean(axis=1), within=(0.0, WORST), better="lower", optimum=0.0),
        here("error of the worst type", by_type.max(axis=1), within=(0.0, WORST), better="lower"),
        here("trials on the right side", (errors < RIGHT).mean(axis=1), within=(0.0, 1.0)),
    ]


def _contrasts(errors: dict[str, np.ndarray]) -> list[Finding]:
    """Compare the other rules with the published one, from the same initial weights."""
    last = {name: one[:TRIALS][-LAST:].mean(axis=0) for name, one in errors.items()}
    what = f"error, last {LAST} of {TRIALS:,} trials"
    return [
        Finding.of(
            f"{what}: {name} less hebbian",
            interval(last[name] - last["hebbian"]),
            bar=0.0 if name == "no-cube" else None,
        )
        for name in last
        if name != "hebbian" and "hebbian" in last and len(last[name]) == len(last["hebbian"])
    ]


def _figures(
    folder: Path,
    errors: dict[str, np.ndarray],
    criteria: dict[str, np.ndarray],
    records: dict[str, Record],
) -> list[Path]:
    from prefrontal.analysis.figures.trials import error_curves, responses

    figures = [error_curves(errors, criteria, folder / "errors.png", RIGHT)] if errors else []
    name, record = next(iter(records.items()))
    output = _by_type(record["action"][..., 0])
    scale = output.shape[2] / DURATION
    shown = [(onset * scale, (onset + LASTS) * scale) for onset in ONSETS]
    return [
        *figures,
        responses(
            {kind: output[:, index].T for index, kind in enumerate(TYPES)},
            folder / "responses.png",
            dict.fromkeys(TYPES, shown),
            {kind: TARGET if one != two else -TARGET for kind, (one, two) in TYPES.items()},
            ((DURATION - LASTS) * scale, DURATION * scale),
            f"output, {name}",
        ),
    ]


_BASE = Settings(
    EnvironmentSpec("prefrontal/DelayedNonMatchToSample-v0", inputs=()),
    RateNetworkConfig(),
    HebbianConfig(),
    TrainingConfig(members=8, num_envs=1, total_steps=TRIALS * DURATION),
)

EXPERIMENT = Experiment(
    name="miconi2017-dnms",
    summary="a Hebbian rule that reward modulates learns to compare across a delay",
    reference="Miconi 2017, eLife 6:e20899",
    conditions={name: replace(_BASE, algorithm=rule) for name, rule in CONDITIONS.items()},
    measure=measure,
    shipped="",
    whole_curves=True,
    held_out=False,
    most_episodes=100,
    half=True,
)

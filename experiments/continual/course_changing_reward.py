"""Changing rewards, forgetting, and replay (NeuroAI course, W2D4 tutorial 5).

Mode 1 shows red, yellow and green, mode 2 red, green and blue; what a colour pays never changes. A
network that learns mode 2 after mode 1 forgets red against yellow, though nothing about it has
changed. The buffer of the course does not cure this over many agents (`course-buffer`). `no-replay`
is A2C with as many trials and optimiser steps as published; `replay` adds a reservoir of episodes
of both modes, corrected by V-trace, with the policy at the end of mode 1 cloned on them; `fifo`
keeps as many episodes, the newest; `joint` has both modes in turn from the start (the upper bound);
`more-steps` and `ewc` are other remedies. Results: docs/findings/course-changing-reward.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.a2c.config import CourseReplayConfig
from prefrontal.analysis.choice.continual import transfer
from prefrontal.analysis.figures.continual import accuracy_through_switches, pair_confusion
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.continual.measures import (
    confusion,
    pair_accuracies,
    pair_counts,
    stage_accuracies,
    untrained_accuracy,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member

COLOURS = ("red", "yellow", "green", "blue")
RY, GB = "red/yellow", "green/blue"
#: Measured on eight agents of an independent rebuild: red/yellow and green/blue after mode 2.
REBUILT = {"no-replay": (0.74, 0.80), "course-buffer": (0.81, 0.68)}
HALF = 1000  # trials on which agents on the way are measured


def measure(evaluation: Evaluation) -> Outcome:
    """Measure accuracy by pair, what is forgotten, how fast green and blue are learned."""
    staged = evaluation.conditions
    after = {c: _both_modes(evaluation, c) for c in staged}
    findings = [f for c in staged for f in _findings(evaluation, c, after[c])]
    findings += _speed(evaluation) + _transfer(evaluation)
    figures = _figures(evaluation, staged, after) if evaluation.figures else []
    return Outcome(findings, figures)


def _both_modes(
    evaluation: Evaluation, condition: str, snapshot: int | None = None, trials: int = 5000
) -> dict[str, np.ndarray]:
    """Return the accuracy on all pairs; on red/green, which is in both modes, in mode 2."""
    found: dict[str, np.ndarray] = {}
    for mode in (1, 2):
        found |= pair_accuracies(evaluation, condition, mode, snapshot, trials)
    return found


def _findings(
    evaluation: Evaluation, condition: str, after: dict[str, np.ndarray]
) -> list[Finding]:
    """Return the findings of one condition."""
    rebuilt = REBUILT.get(condition, (None, None))
    forgets = condition == "no-replay"
    findings: list[Finding] = []
    kept = evaluation.snapshots(condition)
    if kept and condition != "joint":
        before = pair_accuracies(evaluation, condition, 1, len(kept) // 2 - 1)[RY]
        bar = 0.97 if forgets else None
        findings.append(finding(f"{RY} after mode 1, {condition}", before, optimum=1.0, bar=bar))
    note = "other: eight agents, an independent rebuild" if rebuilt[0] else ""
    bars: dict[str, Any] = {"bar": 0.85, "better": "lower"} if forgets else {}
    for pair, reference in zip((RY, GB), rebuilt, strict=True):
        more = bars if pair == RY else {}
        findings.append(
            finding(
                f"{pair} after mode 2, {condition}",
                after[pair],
                other=reference,
                note=note,
                **more,
            )
        )
    if condition == "replay":
        right, shown = pair_counts(evaluation, condition, (1, 2))
        findings += [
            worst_member(
                f"{pair} after mode 2, worst member, {condition}",
                right[pair],
                "higher",
                shown[pair],
                fraction=True,
                optimum=1.0,
                bar=0.97,
            )
            for pair in (RY, "red/green", "red/blue", GB)
        ]
    else:
        name = f"{RY} after mode 2, worst member, {condition}"
        findings.append(worst_member(name, after[RY], "higher"))
    return findings


def _speed(evaluation: Evaluation) -> list[Finding]:
    """Compare green against blue, while mode 2 is learned, with replay and without."""
    if not {"no-replay", "replay"} <= set(evaluation.conditions):
        return []
    means = {}
    for condition in ("no-replay", "replay"):
        kept = evaluation.snapshots(condition)
        half = range(len(kept) // 2, len(kept))
        curve = [pair_accuracies(evaluation, condition, 2, k, HALF)[GB] for k in half]
        if not curve:
            return []
        means[condition] = np.mean(curve, axis=0)
    if len({len(one) for one in means.values()}) > 1:
        return []
    gain = means["replay"] - means["no-replay"]
    return [
        finding(f"{GB} while mode 2 is learnt, no-replay", means["no-replay"]),
        finding(f"{GB} while mode 2 is learnt, replay", means["replay"]),
        finding(f"{GB} while mode 2 is learnt, replay less no-replay", gain, bar=0.0),
    ]


def _transfer(evaluation: Evaluation) -> list[Finding]:
    """Return average accuracy and transfer (Lopez-Paz & Ranzato 2017) where snapshots allow."""
    findings = []
    for condition in evaluation.conditions:
        staged = len(evaluation.settings[condition].environment.stages) == 2
        if not staged or len(evaluation.snapshots(condition)) < 2:
            continue
        matrix = stage_accuracies(evaluation, condition, (1, 2))
        start = untrained_accuracy(evaluation, condition, (1, 2))
        found = transfer(matrix, start).intervals()
        for name in ("average", "backward", "forward"):
            label = f"{name} {'accuracy' if name == 'average' else 'transfer'}, {condition}"
            findings.append(Finding.of(label, found[name]))
    return findings


def _figures(
    evaluation: Evaluation, staged: list[str], after: dict[str, dict[str, np.ndarray]]
) -> list[Path]:
    folder, figures = evaluation.folder, []
    shown = [c for c in staged if len(evaluation.snapshots(c)) >= 4]
    if shown:
        curves = {}
        for condition in shown:
            count = len(evaluation.snapshots(condition))
            rows = [_both_modes(evaluation, condition, k, HALF) for k in range(count)]
            curves[condition] = {pair: np.stack([row[pair] for row in rows]) for pair in rows[0]}
        steps = [step for step, _ in evaluation.snapshots(shown[0])]
        switch = [evaluation.settings[shown[0]].training.total_steps / 2]
        path = folder / "accuracy_through_the_switch.png"
        figures.append(accuracy_through_switches(steps, curves, switch, path))
    tables = {c: confusion(evaluation, c, (1, 2), COLOURS) for c in staged}
    figures.append(pair_confusion(tables, COLOURS, folder / "confusion_by_pair.png"))
    return figures


def _conditions() -> dict[str, cfg.Settings]:
    spec = cfg.EnvironmentSpec(
        "prefrontal/ChangingReward-v0",
        ("reward", "action"),
        {"scale": 0.25, "trials": 10},
        stages=({"mode": "1"}, {"mode": "2"}),
    )
    rule = cfg.A2CConfig(
        learning_rate=7.5e-4,
        learning_rate_final=7.5e-4,
        optimiser="rmsprop",
        epsilon=1e-5,
        clip_norm=1e6,
        discount=0.0,
        value_coef=0.4,
        entropy_coef=0.02,
        entropy_coef_final=0.02,
        reset_optimiser=True,
    )
    base = cfg.Settings(
        spec,
        cfg.NetworkConfig(core="relu", hidden_size=100, embedding_size=100),
        rule,
        cfg.TrainingConfig(num_envs=10, total_steps=200_000),
    )
    replay = base.with_options(
        replay="reservoir",
        replay_capacity=2500,
        replay_from_stage=1,
        policy_cloning=0.3,
        cloning_target="stage_end",
    )
    course = replace(base, algorithm=CourseReplayConfig())
    return {
        "no-replay": base.with_options(snapshots=10),
        "replay": replay.with_options(snapshots=10),
        "course-buffer": course.with_options(kwargs={"scale": 0.25, "trials": 25}, num_envs=4),
        "joint": base.with_options(kwargs={**spec.kwargs, "mode": "1,2", "block": 1}, stages=()),
        "fifo": replay.with_options(replay="uniform"),
        "ewc": base.with_options(ewc_coef=3e5),
        "more-steps": base.with_options(passes=2),
    }


EXPERIMENT = Experiment(
    name="course-changing-reward",
    summary="forgetting of what is no longer met; replay that prevents it, a buffer that does not",
    reference="Neuromatch NeuroAI course 2024, W2D4 tutorial 5",
    conditions=_conditions(),
    measure=measure,
    shipped="--members 16",
)

"""Changing rewards, forgetting, and replay (NeuroAI course, W2D4 tutorial 5): red against yellow after learning about blue.

Mode 1 shows red, yellow and green, mode 2 red, green and blue; what a colour pays never changes. A network that learns mode 2
after mode 1 forgets red against yellow, though nothing about it has changed. The course's remedy is a buffer that is said to
cure this; over many agents it does not (`course-buffer`; see `prefrontal.agents.a2c.course`). Conditions:

- `no-replay`: A2C, mode 1 and then mode 2, as many trials and optimiser steps as published.
- `course-buffer`: the course's agent with its buffer, loss and settings as published (in rollouts of four times 25 trials).
- `replay`: `no-replay` and a reservoir of the episodes of mode 1 and 2, corrected by V-trace, with the policy at the end of mode
  1 cloned on them. `fifo` keeps as many episodes, the newest.
- `joint`: both modes in turn from the start, the upper bound. `more-steps`: two optimiser steps on each batch in place of
  replay. `ewc`: elastic weight consolidation in place of replay. (Sizes of the buffer: `long-sequence`. A recurrent
  network that needs no change of its weights: `meta-changing-reward`.)

What was learned about learning this:

- Actions change nothing but their own reward, so the right discount is 0. With the published .91, two thirds of what an action is
  credited with is noise: agents are slower, and a corrected replay fails for some of them. With 0, an episode of 100
  trials is worth as much as ten of 10, which are quicker to play: a rollout here is ten episodes of ten trials.
- The published entropy bonus of .001 lets single agents settle on a side for green and blue, for good; .02 does not.
- Importance weights alone leave one agent in sixteen at chance on red and yellow: once its policy is certain of the wrong
  colour, weights of the right choices that were kept are 0. Cloning the policy that mode 1 ended with has no such trap. To clone
  the behaviour of a whole reservoir is worse: it holds the clumsy beginnings too.
- Elastic weight consolidation needs a large coefficient (3e5; 300 forgets, 1e4 half), because the Fisher information of a policy
  that is all but certain is small.
- The linear first layer of the published network computes nothing a single layer could not, but with it 1,000 updates at the
  published rate suffice (.97 to .98 on red and yellow), without it they do not (.92).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.config import CourseReplayConfig, EWCConfig, ReplayConfig
from prefrontal.analysis.choice.continual import transfer
from prefrontal.analysis.figures.continual import (
    accuracy_through_switches,
    pair_confusion,
)
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.bandits.measures import worst_member
from prefrontal.experiments.continual.measures import (
    confusion,
    pair_accuracies,
    stage_accuracies,
    untrained_accuracy,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.settings import Experiment, Outcome, Settings, TrainingConfig

COLOURS = ("red", "yellow", "green", "blue")
RY, GB = "red/yellow", "green/blue"
#: Measured on eight agents of an independent rebuild: red/yellow and green/blue after mode 2.
REBUILT = {"no-replay": (0.74, 0.80), "course-buffer": (0.81, 0.68)}
HALF = 1000  # trials on which agents on the way are measured


def measure(evaluation: Evaluation) -> Outcome:
    """Accuracy by pair after each mode, what is forgotten, how fast green and blue are learnt."""
    staged = evaluation.conditions
    after = {c: _both_modes(evaluation, c) for c in staged}
    findings = [f for c in staged for f in _findings(evaluation, c, after[c])]
    findings += _speed(evaluation) + _transfer(evaluation)
    figures = _figures(evaluation, staged, after) if evaluation.figures else []
    return Outcome(findings, figures)


def _both_modes(
    evaluation: Evaluation, condition: str, snapshot: int | None = None, trials: int = 5000
) -> dict[str, np.ndarray]:
    """Accuracy on all pairs of both modes; red/green, which is in both, in mode 2."""
    found: dict[str, np.ndarray] = {}
    for mode in (1, 2):
        found |= pair_accuracies(evaluation, condition, mode, snapshot, trials)
    return found


def _findings(
    evaluation: Evaluation, condition: str, after: dict[str, np.ndarray]
) -> list[Finding]:
    """What one condition is judged by."""
    published = REBUILT.get(condition, (None, None))
    forgets = condition == "no-replay"
    findings: list[Finding] = []
    kept = evaluation.snapshots(condition)
    if kept and condition != "joint":
        before = pair_accuracies(evaluation, condition, 1, len(kept) // 2 - 1)[RY]
        bar = 0.97 if forgets else None
        findings.append(
            Finding.of(f"{RY} after mode 1, {condition}", interval(before), optimum=1.0, bar=bar)
        )
    note = "eight agents, an independent rebuild" if published[0] else ""
    bars: dict[str, Any] = {"bar": 0.85, "better": "lower"} if forgets else {}
    for pair, reference in zip((RY, GB), published, strict=True):
        more = bars if pair == RY else {}
        findings.append(
            Finding.of(f"{pair} after mode 2, {condition}", interval(after[pair]), published=reference, note=note, **more)
        )  # fmt: skip
    if condition == "replay":
        findings += [
            worst_member(f"{pair} after mode 2, worst member, {condition}", after[pair], "higher", optimum=1.0, bar=0.97)
            for pair in (RY, "red/green", "red/blue", GB)
        ]  # fmt: skip
    else:
        name = f"{RY} after mode 2, worst member, {condition}"
        findings.append(worst_member(name, after[RY], "higher"))
    return findings


def _speed(evaluation: Evaluation) -> list[Finding]:
    """Green against blue while mode 2 is learnt, with replay less without (same members, same tasks)."""
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
        Finding.of(f"{GB} while mode 2 is learnt, no-replay", interval(means["no-replay"])),
        Finding.of(f"{GB} while mode 2 is learnt, replay", interval(means["replay"])),
        Finding.of(f"{GB} while mode 2 is learnt, replay less no-replay", interval(gain), bar=0.0),
    ]


def _transfer(evaluation: Evaluation) -> list[Finding]:
    """Average accuracy, backward and forward transfer (Lopez-Paz & Ranzato 2017) where both stages were kept."""
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


def _conditions() -> dict[str, Settings]:
    spec = EnvironmentSpec(
        "prefrontal/ChangingReward-v0",
        inputs=("reward", "action"),
        kwargs={"scale": 0.25, "trials": 10},
        stages=({"mode": "1"}, {"mode": "2"}),
    )
    rule = A2CConfig(
        learning_rate=7.5e-4, learning_rate_final=7.5e-4, optimiser="rmsprop", epsilon=1e-5, clip_norm=1e6,
        discount=0.0, value_coef=0.4, entropy_coef=0.02, entropy_coef_final=0.02, reset_optimiser=True,
    )  # fmt: skip
    base = Settings(
        spec,
        NetworkConfig(core="relu", hidden_size=100, embedding_size=100),
        rule,
        TrainingConfig(members=1, num_envs=10, total_steps=200_000),
    )
    kept_fairly = ReplayConfig(
        "reservoir",
        capacity=2500,
        from_stage=1,
        policy_cloning=0.3,
        cloning_target="stage_end",
    )
    kept = replace(base.training, snapshots=10)
    published = replace(
        base,
        environment=replace(spec, kwargs={"scale": 0.25, "trials": 25}),
        algorithm=CourseReplayConfig(),
        training=replace(base.training, num_envs=4),
    )

    def changed(algorithm: Any) -> Settings:
        return replace(base, algorithm=algorithm)

    return {
        "no-replay": replace(base, training=kept),
        "replay": replace(base, algorithm=replace(rule, replay=kept_fairly), training=kept),
        "course-buffer": published,
        "joint": replace(
            base,
            environment=replace(
                spec, kwargs={**spec.kwargs, "mode": "1,2", "block": 1}, stages=()
            ),
        ),
        "fifo": changed(replace(rule, replay=replace(kept_fairly, keep="uniform"))),
        "ewc": changed(replace(rule, ewc=EWCConfig(3e5))),
        "more-steps": changed(replace(rule, passes=2)),
    }  # fmt: skip


EXPERIMENT = Experiment(
    name="course-changing-reward",
    summary="an agent forgets what it no longer meets; replay that prevents it, and a buffer that does not",
    reference="Neuromatch NeuroAI course 2024, W2D4 tutorial 5",
    conditions=_conditions(),
    measure=measure,
    shipped=("--members", "16"),
)

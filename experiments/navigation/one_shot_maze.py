"""One-shot navigation: search for a hidden goal once, then go straight back to it.

Source: Wang et al. 2016, experiment 7. Conditions: `open` (5 x 5, start in the centre) and `walled`
(7 x 7, passages), and feed-forward agents in both, as controls. Agents are trained and tested on
all goals, as published. The walled maze is smaller than the published one, so the ratio of first to
later steps is what is compared. Controls have no clock, which would tell where a fixed search has
come to. Measurements: docs/findings/one-shot-maze.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.reference.search_optima import Search, best_search
from prefrontal.analysis.choice.search import (
    first_and_later,
    first_to_second,
    goals_found,
    steps_per_goal,
)
from prefrontal.analysis.figures.navigation import maze_paths, steps_by_goal
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member

if TYPE_CHECKING:
    from prefrontal.envs.maze import OneShotMaze  # imports torch

PUBLISHED = (100.0, 30.0)  # steps to the first and to later goals, in a maze of other dimensions
CONTROL = "-feedforward"
GOALS = 5  # shown by the figure, in episodes with at least as many


def measure(evaluation: Evaluation) -> Outcome:
    """Measure steps to the first and to later goals, beside the best search."""
    findings: list[Finding] = []
    curves, shortest = {}, {}
    for condition in evaluation.conditions:
        record = evaluation.record(condition, split="all")
        if condition.endswith(CONTROL):
            findings += _control(condition, record)
        else:
            findings += _memory(condition, _task(evaluation, condition), record)
        steps = steps_per_goal(record["reward"], GOALS)
        known = np.asarray(np.isfinite(steps).all(axis=2))
        if known.any(axis=1).all():
            curves[condition] = np.stack(
                [s[k].mean(axis=0) for s, k in zip(steps, known, strict=True)]
            )
            shortest[condition] = float(
                np.mean(
                    [d[k].mean() for d, k in zip(record["distance"][:, :, 0], known, strict=True)]
                )
            )
    if not evaluation.figures:
        return Outcome(findings)
    figures = curve_figure(evaluation, {})
    figures.append(steps_by_goal(curves, evaluation.folder / "steps_by_goal.png", shortest))
    for condition in evaluation.conditions:
        if not condition.endswith(CONTROL):
            figures.append(_paths(evaluation, condition))
    return Outcome(findings, figures)


def ideal(task: OneShotMaze) -> tuple[Search, float]:
    """Return the best search for any goal, and the mean length of the shortest paths."""
    maze, goals = task.plan, task.plan.goals
    start = maze.distance[maze.start, goals]
    return best_search(maze.distance[np.ix_(goals, goals)], start), float(start.mean())


def _task(evaluation: Evaluation, condition: str) -> OneShotMaze:
    from prefrontal.envs.maze import OneShotMaze

    return OneShotMaze(**evaluation.populations[condition].environment.kwargs)


def _memory(condition: str, task: OneShotMaze, record: Record) -> list[Finding]:
    """Return findings about agents with a memory."""
    best: dict[str, float | None] = dict.fromkeys(("first", "later", "ratio"))
    note = ""
    if not task.random_start:
        search, distance = ideal(task)
        best = {"first": search.lower, "later": distance, "ratio": search.upper / distance}
        if not search.exact:
            note = f"best search known: {search.upper:.1f}, no less than the optimum said"
    found, (first, later) = goals_found(record["reward"]), first_and_later(record["reward"])
    share, mean = (found > 0).mean(axis=1), np.nanmean(first, axis=1)
    back = np.nanmean(later, axis=1)
    counted = np.where(np.isnan(first), task.max_steps, first).mean(axis=1)
    here = partial(finding, where=f", {condition}")
    bars = {"first": 14.0, "later": 2.7, "found": 0.99} if condition == "open" else {}
    ratio = 2.5 if condition == "walled" else None
    return [
        here("episodes with the goal found", share, optimum=1.0, bar=bars.get("found")),
        here(
            "steps to the first goal",
            mean,
            better="lower",
            optimum=best["first"],
            bar=bars.get("first"),
            note=note,
        ),
        here("steps to the first goal, whole episodes if not found", counted, better="lower"),
        here(
            "steps to a later goal",
            back,
            better="lower",
            optimum=best["later"],
            bar=bars.get("later"),
        ),
        worst_member(
            f"steps to a later goal, worst member, {condition}",
            back,
            "lower",
            optimum=best["later"],
        ),
        here(
            "first over later steps",
            mean / back,
            bar=ratio,
            published=PUBLISHED[0] / PUBLISHED[1],
            optimum=best["ratio"],
        ),
        here("first over second, episodes with both", first_to_second(record["reward"])),
        *_repeated(condition, record),
        here("goals an episode", found.mean(axis=1)),
    ]


def _repeated(condition: str, record: Record) -> list[Finding]:
    """Return steps to the first goal over those to others, in episodes with `GOALS` of them."""
    steps = steps_per_goal(record["reward"], GOALS)
    known = np.asarray(np.isfinite(steps).all(axis=2, keepdims=True))
    if not known.any(axis=(1, 2)).all():
        return []
    sums = np.where(known, steps, 0.0).sum(axis=1)
    ratio = sums[:, 0] / sums[:, 1:].mean(axis=1)
    name = f"first over goals 2 to {GOALS}, episodes with all of them, {condition}"
    return [finding(name, ratio)]


def _control(condition: str, record: Record) -> list[Finding]:
    """Return findings about agents without a memory: no drop."""
    here = partial(finding, where=f", {condition}")
    found = goals_found(record["reward"])
    return [
        here(
            "first over second, episodes with both",
            first_to_second(record["reward"]),
            bar=(0.9, 1.1),
            better="near",
            optimum=1.0,
            note="no memory, no drop",
        ),
        *_repeated(condition, record),
        here("goals an episode", found.mean(axis=1)),
    ]


def _paths(evaluation: Evaluation, condition: str) -> Path:
    """Draw four episodes of the first member."""
    record = evaluation.record(condition, split="all")
    maze = _task(evaluation, condition).plan
    found = np.flatnonzero(goals_found(record["reward"])[0] > 0)[:4]
    chosen = found if len(found) else np.arange(1)
    return maze_paths(
        maze.rows,
        maze.cells,
        record["cell"][0, chosen],
        record["reached"][0, chosen],
        record["task.goal"][0, chosen],
        evaluation.folder / f"paths_{condition}.png",
    )


_OPEN = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/OneShotMaze-v0",
        ("action", "reward", "time"),
        {"maze": "open", "max_steps": 60},
        split="all",
    ),
    cfg.NetworkConfig(),
    cfg.A2CConfig(learning_rate=7e-3, discount=0.9, entropy_coef=0.05),
    cfg.TrainingConfig(num_envs=16, total_steps=3_000_000),
)
_WALLED = _OPEN.with_options(
    kwargs={"maze": "walled", "max_steps": 100},
    normalise_advantages=True,
    critic="privileged",
    num_envs=8,
    total_steps=2_500_000,
)
#: Without memory, and without the clock, which could tell where a fixed search has come to.
_NO_MEMORY: dict[str, Any] = {
    "inputs": ("action", "reward"),
    "core": "none",
    "total_steps": 600_000,
}


EXPERIMENT = Experiment(
    name="one-shot-maze",
    summary="find a hidden goal once, then go straight back to it",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 7",
    conditions={
        "open": _OPEN,
        "walled": _WALLED,
        "open-feedforward": _OPEN.with_options(**_NO_MEMORY),
        "walled-feedforward": _WALLED.with_options(**_NO_MEMORY),
    },
    measure=measure,
)

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
    goals_by_step,
    goals_found,
)
from prefrontal.analysis.figures.navigation import goals_found_by_step, maze_paths
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member

if TYPE_CHECKING:
    from prefrontal.envs.maze import OneShotMaze  # imports torch

PUBLISHED = (100.0, 30.0)  # steps to the first and to later goals, in a maze of other dimensions
CONTROL = "-feedforward"


def measure(evaluation: Evaluation) -> Outcome:
    """Measure steps to the first and to later goals, beside the best search."""
    findings: list[Finding] = []
    found: dict[str, np.ndarray] = {}
    for condition in evaluation.conditions:
        record = evaluation.record(condition, split="all")
        findings += _first(condition, _task(evaluation, condition), record)
        if condition.endswith(CONTROL):
            findings += _control(condition, record)
        else:
            findings += _memory(condition, _task(evaluation, condition), record)
        found[condition] = goals_by_step(record["reward"])
    if not evaluation.figures:
        return Outcome(findings)
    figures = curve_figure(evaluation)
    figures.append(
        goals_found_by_step(found, evaluation.folder / "goals_by_step.png", evaluation.episodes)
    )
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


def _best_search(task: OneShotMaze) -> dict[str, Any]:
    """Return what the steps to the first goal are held against; nothing where it is not known."""
    if task.random_start:
        return {}
    search, _ = ideal(task)
    if search.exact:
        return {"optimum": search.lower}
    return {"bound": search.lower, "note": f"the best search known has {search.upper:.1f}"}


def _first(condition: str, task: OneShotMaze, record: Record) -> list[Finding]:
    """Return how the first goal is found, the same for all agents and on all episodes."""
    bars = {"found": 0.99, "first": 14.0} if condition == "open" else {}
    here = partial(finding, where=f", {condition}")
    found = goals_found(record["reward"])
    return [
        here(
            "episodes with the goal found", (found > 0).mean(1), optimum=1.0, bar=bars.get("found")
        ),
        here(
            "steps to the first goal, whole episodes if not found",
            _whole(record, task.max_steps),
            better="lower",
            bar=bars.get("first"),
            **_best_search(task),
        ),
        here("goals an episode", found.mean(axis=1)),
    ]


def _whole(record: Record, steps: int) -> np.ndarray:
    """Return the mean steps to the first goal, all steps of an episode if not found, ``[M]``."""
    first, _ = first_and_later(record["reward"])
    return np.where(np.isnan(first), steps, first).mean(axis=1)


def _memory(condition: str, task: OneShotMaze, record: Record) -> list[Finding]:
    """Return findings about agents with a memory: the way back."""
    distance = None if task.random_start else ideal(task)[1]
    _, later = first_and_later(record["reward"])
    known = np.isfinite(later)
    back = np.nanmean(later, axis=1)
    here = partial(finding, where=f", {condition}")
    name, among = "steps to a later goal", "episodes with two goals"
    bar = 2.7 if condition == "open" else None
    return [
        here(f"{name}, {among}", back, better="lower", optimum=distance, bar=bar),
        worst_member(
            f"{name}, {among}, worst member, {condition}",
            np.where(known, later, 0.0),
            "lower",
            counts=known.astype(float),
            optimum=distance,
        ),
        here(
            f"first over later steps, later of {among}",
            _whole(record, task.max_steps) / back,
            bar=2.5 if condition == "walled" else None,
            published=PUBLISHED[0] / PUBLISHED[1],
            note="a poor search raises it: no optimum",
        ),
        here("first over second, episodes with both", first_to_second(record["reward"])),
    ]


def _control(condition: str, record: Record) -> list[Finding]:
    """Return findings about agents without a memory: no drop."""
    return [
        finding(
            "first over second, episodes with both",
            first_to_second(record["reward"]),
            where=f", {condition}",
            bar=(0.9, 1.1),
            better="near",
            optimum=1.0,
            note="no memory, no drop: given that both were found, the two times may be swapped",
        )
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

"""Predict where one will be: a predictive head in a maze, and its horizon.

In the spirit of Fang & Stachenfeld 2024: a head of the recurrent core learns the observations to
come, weighted by γ^k, while the agent learns to find a hidden goal and to go back to it. Conditions
`horizon-0` to `horizon-95` (γ = 0 to .95, so that γ = 0 predicts the next observation alone),
`encoding-80` (the core's own activity to come), and as controls `no-head` and `noise`, whose head
learns random numbers. `small-` agents have half as many units, `light-` ones a tenth of the
head's weight. Agents are tested on the goals of training, on goals held out, and in a maze
whose doors have moved. Measurements: docs/findings/predictive-maze.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.agents.networks.config import HeadConfig
from prefrontal.analysis.choice.search import first_and_later, goals_found
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.neural.places import (
    distance_correlation,
    place_patterns,
    similarity_by_distance,
)
from prefrontal.analysis.stats.findings import Better, Finding, number, span
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding

#: Three corridors, with doors at both ends and in the middle; and the doors at the ends moved by a
#: cell. Cells have the same numbers in both.
MAZE = "......./.##.##./...S.../.##.##./......."
MOVED = "......./#.#.#.#/...S.../#.#.#.#/......."
CELLS = 27
UNITS, FEW_UNITS = 48, 24
SMALL, LIGHT = "small-", "light-"
HORIZONS = (0, 50, 80, 95)  # hundredths
HEAD = "ahead"
CONTROLS = ("no-head", "noise")

LEAST = 10  # visits of a cell
FAR = 8  # steps between two cells

SEARCH, RETURN = "search steps", "return steps"
HELD_OUT, TRANSFER = "goals an episode, held-out goals", "goals an episode, doors moved"
SPEED, ALIKE = "goals an episode while learning", "similarity against distance"
FALL = f"similarity 1 step apart less {FAR} steps apart"
BETTER: dict[str, Better] = {SEARCH: "lower", RETURN: "lower"}

Values = dict[str, dict[str, np.ndarray]]


def measure(evaluation: Evaluation) -> Outcome:
    """Measure search, return, transfer and the code for places at each horizon."""
    names = (SEARCH, RETURN, HELD_OUT, TRANSFER, SPEED, ALIKE, FALL)
    values: Values = {name: {} for name in names}
    alike = {}
    for condition in evaluation.conditions:
        trained = evaluation.record(condition, split="train", hidden=True)
        values[SEARCH][condition], values[RETURN][condition] = search_and_return(trained)
        values[HELD_OUT][condition] = _goals(evaluation.record(condition))
        values[TRANSFER][condition] = _goals(
            evaluation.record(condition, split="train", maze=MOVED)
        )
        if curves := evaluation.curves.get(condition):
            values[SPEED][condition] = curves["return"].mean(axis=0)
        patterns = place_patterns(trained["hidden"], trained["cell"], CELLS, LEAST)
        values[ALIKE][condition] = distance_correlation(patterns, _distances())
        alike[condition] = similarity_by_distance(patterns, _distances())
        values[FALL][condition] = alike[condition][:, 0] - alike[condition][:, FAR - 1]
    findings = [one for name in values for one in _sweep(name, values[name])]
    findings += _horizons(values[TRANSFER])
    if "horizon-0" in evaluation.conditions:
        told = foretold(evaluation.record("horizon-0", split="train", hidden=True))
        findings.append(finding("next cell foretold, horizon-0", told, optimum=1.0, within=(0, 1)))
    return Outcome(findings, _figures(evaluation, values, alike))


def search_and_return(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean steps to the first goal and to a later one, ``[M]`` each.

    Where no goal was found, all steps of the episode were searched; episodes without a second goal
    say nothing of the return.
    """
    first, later = first_and_later(record["reward"])
    steps = record["reward"].shape[2]
    return np.where(np.isnan(first), steps, first).mean(axis=1), np.nanmean(later, axis=1)


def foretold(record: Record) -> np.ndarray:
    """Return how often the head's largest number is that of the next cell, ``[M]``."""
    said = record[f"head.{HEAD}"][:, :, :-1].argmax(-1)
    return np.asarray((said == record["cell"][:, :, 1:]).mean(axis=(1, 2)))


def _goals(record: Record) -> np.ndarray:
    return goals_found(record["reward"]).mean(axis=1)


def _distances() -> np.ndarray:
    from prefrontal.envs.maze import find_maze  # imports torch

    return find_maze(MAZE).distance


def _shortest() -> float:
    """Return the mean length of the shortest paths to the goals of training."""
    from prefrontal.envs.maze import OneShotMaze

    task = OneShotMaze(maze=MAZE)
    return float(task.plan.distance[task.plan.start, task.goals("train")].mean())


def _sweep(name: str, values: dict[str, np.ndarray]) -> list[Finding]:
    """Return one measure of all conditions, and how each head differs from both controls."""
    better = BETTER.get(name, "higher")
    optimum = _shortest() if name == RETURN else None
    found = [
        finding(f"{name}, {condition}", one, better=better, optimum=optimum)
        for condition, one in values.items()
    ]
    for condition, one in values.items():
        group = SMALL if condition.startswith(SMALL) else ""
        without, noise = (values.get(group + control) for control in CONTROLS)
        if condition.removeprefix(group) in CONTROLS or without is None or noise is None:
            continue
        apart = interval(one - noise)
        note = f"less noise: {number(apart.value)} ({span(apart.low, apart.high)})"
        bar = 0.0 if (name, condition) == (ALIKE, "horizon-80") else None
        title = f"{name}, {condition} less no head"
        found.append(finding(title, one - without, better=better, bar=bar, note=note))
    return found


def _horizons(goals: dict[str, np.ndarray]) -> list[Finding]:
    """Return what a longer horizon gains in the new maze, which the paper's finding predicts."""
    found = []
    for prefix in ("", LIGHT):
        near, far = f"{prefix}horizon-0", f"{prefix}horizon-80"
        if {near, far} <= set(goals):
            apart = goals[far] - goals[near]
            found.append(finding(f"{TRANSFER}, {far} less {near}", apart, goal=0.0))
    return found


def _figures(evaluation: Evaluation, values: Values, alike: dict[str, np.ndarray]) -> list[Any]:
    """Draw learning curves, the sweep of each measure, and similarity by distance."""
    if not evaluation.figures:
        return []
    learning = [*CONTROLS, "horizon-80", f"{LIGHT}horizon-80"]
    figures = curve_figure(
        evaluation, conditions=[one for one in learning if one in evaluation.conditions]
    )
    swept = {"weight 1": "", "weight .1": LIGHT}
    for name, by_condition in values.items():
        lines = {one: float(by_condition[one].mean()) for one in CONTROLS if one in by_condition}
        curves = {}
        for label, prefix in swept.items():
            names = [f"{prefix}horizon-{percent}" for percent in HORIZONS]
            if set(names) <= set(by_condition):
                curves[label] = np.stack([by_condition[one] for one in names], axis=1)
        if not curves:
            continue
        figures.append(
            curves_by_trial(
                curves,
                evaluation.folder / f"sweep_{name.replace(',', '').replace(' ', '_')}.png",
                name,
                references=lines,
                xlabel="horizon (discount)",
                x=np.array(HORIZONS) / 100,
            )
        )
    large = {name: one for name, one in alike.items() if not name.startswith((SMALL, LIGHT))}
    if large:
        figures.append(
            curves_by_trial(
                large,
                evaluation.folder / "similarity_by_distance.png",
                "correlation of mean states",
                xlabel="steps between two cells",
                episodes=evaluation.episodes,
            )
        )
    return figures


_PLAIN = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/OneShotMaze-v0",
        ("action", "reward", "time"),
        {"maze": MAZE, "max_steps": 60},
    ),
    cfg.NetworkConfig(hidden_size=UNITS),
    cfg.A2CConfig(learning_rate=7e-3, discount=0.9, entropy_coef=0.05),
    cfg.TrainingConfig(num_envs=16, total_steps=1_500_000),
)


def _agents(units: int, head: dict[str, Any] | None) -> cfg.Settings:
    heads = () if head is None else (HeadConfig(HEAD, **head),)
    return _PLAIN.with_options(hidden_size=units, heads=heads)


def _controls(units: int, prefix: str = "") -> dict[str, cfg.Settings]:
    noise = {"target": "noise", "size": CELLS, "weight": 1 / CELLS}  # the observation's variance
    return {f"{prefix}no-head": _agents(units, None), f"{prefix}noise": _agents(units, noise)}


def _predicting(
    units: int, horizons: tuple[int, ...], weight: float, prefix: str = ""
) -> dict[str, cfg.Settings]:
    head = {"target": "observation", "size": CELLS, "weight": weight}
    return {
        f"{prefix}horizon-{percent}": _agents(units, head | {"discount": percent / 100})
        for percent in horizons
    }


EXPERIMENT = Experiment(
    name="predictive-maze",
    summary="a head that predicts what comes, and how far it looks",
    reference="Fang & Stachenfeld 2024, ICLR (DQN there, a recurrent actor-critic here)",
    conditions={
        **_controls(UNITS),
        **_predicting(UNITS, HORIZONS, 1.0),
        "encoding-80": _agents(UNITS, {"target": "encoding", "size": UNITS, "discount": 0.8}),
        **_predicting(UNITS, HORIZONS, 0.1, LIGHT),
        **_controls(FEW_UNITS, SMALL),
        **_predicting(FEW_UNITS, (80,), 1.0, SMALL),
        **_predicting(FEW_UNITS, (80,), 0.1, SMALL + LIGHT),
    },
    measure=measure,
    half=True,
    most_episodes=500,
)

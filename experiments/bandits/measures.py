"""What the bandit experiments share: findings of regret, reference policies, figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.reference.counting import Policy
from prefrontal.agents.reference.play import simulate
from prefrontal.analysis.choice.bandits import regret_curve, total_regret
from prefrontal.analysis.figures.behaviour import choice_raster, hidden_state_pca
from prefrontal.analysis.figures.learning import regret_curves, training_curves
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import exact, finding, worst_member


def regret_by_member(record: Record) -> np.ndarray:
    """Return the mean regret of an episode, ``[M]``."""
    return np.asarray(total_regret(record["regret"]))


def reward_by_member(record: Record) -> np.ndarray:
    """Return the mean total reward of an episode, ``[M]``."""
    return np.asarray(record["reward"].sum(axis=2).mean(axis=1))


def worst_regret(name: str, record: Record, **fields: Any) -> Finding:
    """Return the regret of an episode of the worst member, with its own sampling error."""
    return worst_member(name, record["regret"].sum(axis=2), "lower", **fields)


def regret_finding(name: str, record: Record, **fields: Any) -> Finding:
    """Return the regret of an episode, mean over members with its interval."""
    return finding(name, regret_by_member(record), better="lower", **fields)


def reference_regret(
    policies: Mapping[str, Policy], p: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Return the regret of reference policies on the tasks of a record, with the same noise.

    Args:
        policies: What to compare with, by the name it is to have.
        p: Arm probabilities at each trial ``[M, E, T, K]``.
        seed: Seed of noise and policies.

    Returns:
        Regret of each trial by that name, ``[M, E, T]``.
    """
    flat = p.reshape(-1, *p.shape[2:])
    noise = np.random.default_rng([seed, 1]).random(flat.shape[:2])
    return {
        name: simulate(policy, flat, p.shape[2], np.random.default_rng([seed, 2]), noise)[
            "regret"
        ].reshape(p.shape[:3])
        for name, policy in policies.items()
    }


def budget(
    evaluation: Evaluation, steps: int, published: int, note: str, condition: str | None = None
) -> list[Finding]:
    """Return the training episodes of a member beside the published ones, where the run says them.

    Args:
        evaluation: The trained populations.
        steps: Environment steps of an episode of training.
        published: Episodes that the paper trained for.
        note: What else differs.
        condition: Which; by default the first.
    """
    condition = condition or evaluation.conditions[0]
    if not evaluation.curves.get(condition):
        return []
    episodes = float(np.max(evaluation.curves[condition]["steps"])) / steps
    members = len(evaluation.populations[condition])
    name = "training episodes of a member"
    return [exact(name, episodes, members, published=published, better="lower", note=note)]


def beats(
    name: str, theirs: np.ndarray, record: Record, where: str = "", note: str = ""
) -> Finding:
    """Return how much less regret the agent has than a reference policy on the same tasks.

    The bar is that the whole interval lies above 0. `theirs` is the regret of each trial,
    ``[M, E, T]``.
    """
    total = np.asarray(total_regret(theirs))
    found = interval(total - regret_by_member(record))
    return Finding.of(
        f"{name}'s regret less the agent's{where}",
        found,
        bar=0.0,
        note=f"{note or name}: {total.mean():.2f}",
    )


def regret_figure(
    evaluation: Evaluation,
    record: Record,
    references: Mapping[str, np.ndarray],
    optimum: float | None,
    name: str,
    title: str,
) -> list[Path]:
    """Draw the cumulative regret against all reference policies."""
    if not evaluation.figures:
        return []
    curves = {key: regret.mean(axis=(0, 1)).cumsum() for key, regret in references.items()}
    path = evaluation.folder / f"{name}.png"
    return [
        regret_curves(
            regret_curve(record["regret"]), curves, path, optimum, title, record["regret"].shape[1]
        )
    ]


def curve_figure(
    evaluation: Evaluation,
    references: Mapping[str, float] | None = None,
    conditions: Collection[str] | None = None,
) -> list[Path]:
    """Draw the learning curves of these conditions (default: all) that have metrics.

    Args:
        evaluation: The trained populations.
        references: Measured returns of an episode, by name, beside `Evaluation.levels`.
        conditions: Which.
    """
    shown = {
        condition: curves
        for condition, curves in evaluation.curves.items()
        if curves and (conditions is None or condition in conditions)
    }
    if not evaluation.figures or not shown:
        return []
    levels = {c: {**evaluation.levels.get(c, {}), **(references or {})} for c in shown}
    points = {c: (one["steps"].min(axis=1), one["return"]) for c, one in shown.items()}
    ending = "" if conditions is None or "default" in shown else f"_{'_'.join(shown)}"
    return [training_curves(points, evaluation.folder / f"learning_curve{ending}.png", levels)]


def portrait_figures(evaluation: Evaluation) -> list[Path]:
    """Draw choices and hidden states of the first member over an episode of two arms."""
    if not evaluation.figures:
        return []
    record = evaluation.record(episodes=200, hidden=True)
    p = record["task.p"][0]
    folder = evaluation.folder
    raster = choice_raster(
        record["action"][0, :60], record["reward"][0, :60], p[:60], folder / "choices.png"
    )
    states = hidden_state_pca(record["hidden"][0], p[:, 1] - p[:, 0], folder / "hidden_states.png")
    return [raster, states]

"""Hidden states at the end of a bandit are ordered by the arms' probabilities.

Source: Wang et al. 2018, Fig. 1. The first two principal components of the state after 100 trials,
on held-out tasks. Signs and rotation of components are arbitrary, so the order is measured by the
direction *in their plane* along which a parameter grows, found on half of the episodes, and the
rank correlation of that coordinate with the parameter on the other half. An agent that has settled
on one arm knows the other one badly, so the worse arm's probability is shown for comparison only.
The order is there long before the regret is small, so the settings of `wang2016-bandit` with fewer
steps do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prefrontal.analysis.figures.behaviour import hidden_state_pca
from prefrontal.analysis.neural.representation import pca, rank_correlation
from prefrontal.experiments.bandits.measures import curve_figure, regret_finding
from prefrontal.experiments.bandits.wang2016_bandit import EXPERIMENT as BANDIT
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

STATES = 1250  # episodes a member: 10,000 with eight members
BATCH = 250  # episodes recorded in the figure


def plane_order(points: np.ndarray, parameter: np.ndarray) -> float:
    """Return the rank correlation of a parameter with the coordinate along which it grows.

    Args:
        points: Coordinates ``[E, 2]``.
        parameter: One value a point ``[E]``.

    Returns:
        Spearman's correlation on the second half of the points; the direction is the least-squares
        fit on the first half.
    """
    half = len(points) // 2
    design = np.column_stack([np.ones(len(points)), points])
    direction, *_ = np.linalg.lstsq(design[:half], parameter[:half], rcond=None)
    return rank_correlation(design[half:] @ direction, parameter[half:])


def measure(evaluation: Evaluation) -> Outcome:
    """Measure how the first two components of the last hidden state order tasks."""
    record = evaluation.record(episodes=min(STATES, evaluation.episodes), hidden=True)
    p, last = record["task.p"], record["hidden"][:, :, -1]  # [M, E, 2], [M, E, H]
    components = [pca(states, 2) for states in last]
    points = [found.project(states) for found, states in zip(components, last, strict=True)]
    parameters = {
        "p(right) - p(left)": p[..., 1] - p[..., 0],
        "p(left)": p[..., 0],
        "p(right)": p[..., 1],
        "p of the better arm": p.max(axis=2),
        "p of the worse arm": p.min(axis=2),
    }
    findings = [
        finding(
            f"rank correlation of the first two PCs with {name}",
            np.array([plane_order(xy, v) for xy, v in zip(points, values, strict=True)]),
            bar=None if "worse" in name else 0.0,
            note="published as a figure" if "-" in name else "",
        )
        for name, values in parameters.items()
    ]
    difference = parameters["p(right) - p(left)"]
    first = np.array(
        [abs(rank_correlation(xy[:, 0], d)) for xy, d in zip(points, difference, strict=True)]
    )
    explained = np.array([found.explained.sum() for found in components])
    findings += [
        finding("size of the rank correlation of PC 1 with p(right) - p(left)", first),
        finding("variance that the first two PCs explain", explained),
        regret_finding(f"regret, {evaluation.split} tasks", record),
    ]
    return Outcome(findings, curve_figure(evaluation) + _figure(evaluation))


def _figure(evaluation: Evaluation) -> list[Path]:
    if not evaluation.figures:
        return []
    record = evaluation.record(episodes=BATCH, hidden=True)
    p = record["task.p"][0]
    path = evaluation.folder / "hidden_states.png"
    return [hidden_state_pca(record["hidden"][0], p[:, 1] - p[:, 0], path)]


EXPERIMENT = Experiment(
    name="wang2018-bandit-pca",
    summary="principal components of the hidden state order bandits by their arms' probabilities",
    reference="Wang et al. 2018, Nature Neuroscience 21:860, Fig. 1",
    conditions={"default": BANDIT.conditions["default"].with_options(total_steps=1_500_000)},
    measure=measure,
    levels=BANDIT.levels,
)

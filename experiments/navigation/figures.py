"""The figures of the comparison of modular and holistic navigators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prefrontal.analysis.figures.navigation import (
    architecture_table,
    learning_by_trials,
    measures_against_gain,
    paths_from_above,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.navigation.measures import (
    Kind,
    Summary,
    common_tasks,
    played,
    summary,
    world,
)

ZONE = 65.0  # cm
SIMULATED: tuple[Kind, ...] = ("integrator", "efference copy")


def modularity_figures(
    evaluation: Evaluation,
    sweeps: Mapping[str, Mapping[float, Summary]],
    pulses: Mapping[str, Summary],
    decoding: Mapping[str, np.ndarray],
    learning: tuple[np.ndarray, Mapping[str, np.ndarray]],
    count: int,
) -> list[Path]:
    """Draw paths, measures against gain, learning by trials, and the table of architectures.

    Args:
        evaluation: The trained populations.
        sweeps: Measures of every condition at every gain (the same ones).
        pulses: Measures with pulses at gain 1.
        decoding: Error of decoding the place, ``[M]``.
        learning: A grid of trials ``[U]``, and the rewarded fraction by condition, ``[U, M]``.
        count: Trials of each member at each gain.
    """
    from prefrontal.experiments.navigation.navigators import navigate

    folder, gains = evaluation.folder, tuple(next(iter(sweeps.values())))
    shown = {
        condition: {f"{gain:g}x": played(evaluation, condition, gain, count) for gain in (1.0, 2.0)}
        for condition in evaluation.conditions
        if condition in ("modular", "holistic")
    }
    typical = {
        condition: int(np.argsort(sweeps[condition][2.0].auc)[len(sweeps[condition][2.0].auc) // 2])
        for condition in shown
    }
    figures = [paths_from_above(shown, folder / "paths_from_above.png", typical)] if shown else []
    panels = {
        "radial error (cm)": "radial",
        "rewarded fraction": "rewarded",
        "area of boundary sweep": "auc",
    }
    fields = world(evaluation, evaluation.conditions[0])
    tasks = [common_tasks(count, evaluation.seed, gain, **fields) for gain in gains]
    simulated = {name: [summary(navigate(t, name, **fields)) for t in tasks] for name in SIMULATED}
    figures.append(
        measures_against_gain(
            gains,
            {
                label: {c: [getattr(s, name) for s in by.values()] for c, by in sweeps.items()}
                for label, name in panels.items()
            },
            folder / "measures_against_gain.png",
            {"radial error (cm)": {"": ZONE, "reward zone": -ZONE}},
            {
                label: {who: [getattr(s, name)[0] for s in by] for who, by in simulated.items()}
                for label, name in panels.items()
            },
            episodes=count,
        )
    )
    grid, curves = learning
    known = np.all([np.isfinite(values).all(axis=1) for values in curves.values()], axis=0)
    if curves and np.any(known):
        grid, curves = grid[known], {name: values[known] for name, values in curves.items()}
        figures.append(learning_by_trials(grid, curves, folder / "learning_by_trials.png"))
    rows = {
        condition: {
            "rewarded\n1x": by[1.0].rewarded,
            "rewards /s\n1x": by[1.0].rate,
            "TD error\n1x": by[1.0].td_error,
            "radial error\n2x (cm)": by[2.0].radial,
            "area\n2x": by[2.0].auc,
            "rewards /s\n1.5x, 2x": (by[1.5].rate + by[2.0].rate) / 2,
            "area\npulses": pulses[condition].auc,
            "decoding\n(cm)": decoding[condition],
        }
        for condition, by in sweeps.items()
    }
    less = frozenset(
        name for name in next(iter(rows.values())) if "rror" in name or "decod" in name
    )
    return [*figures, architecture_table(rows, folder / "architectures.png", less)]

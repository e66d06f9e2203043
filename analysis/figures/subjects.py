"""Figures of fitted choices: staying, changes of the best arm, how well parameters are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style


def stay_figure(stays: Mapping[str, Mapping[str, ArrayLike]], path: Path) -> Path:
    """Draw how often the last choice is repeated, by what it led to: subjects, and each model.

    Args:
        stays: By who chooses (the first: the subjects), probabilities ``[S]`` by condition.
        path: Where to write; returned.
    """
    tones = style.colours(list(stays))
    conditions = list(next(iter(stays.values())))
    width = 0.8 / len(stays)
    panel = (1.2 + 1.1 * len(conditions), 3.2)
    said = "models: probability of repeating the choice after the same history"
    canvas = style.drawing(path, panel=panel, ylabel="P(stay)", caption=said)
    with canvas as (figure, (axes,)):
        for i, (name, values) in enumerate(stays.items()):
            for k, condition in enumerate(conditions):
                known = np.asarray(values[condition], dtype=np.float64)
                known = known[~np.isnan(known)]
                if len(known):
                    x = k + (i - (len(stays) - 1) / 2) * width
                    dots = {"s": 6, "alpha": 0.5, "label": name if not k else None}
                    style.dots_and_interval(axes, x, known, width / 4, tones[name], 1.5, **dots)
        axes.set_xticks(range(len(conditions)), [name.replace(", ", "\n") for name in conditions])
        axes.set_ylim(0, 1)
        style.legend_below(figure, 4)
    return path


def change_figure(curves: Mapping[str, ArrayLike], before: int, path: Path) -> Path:
    """Draw how often the arm that becomes the best is chosen, around the change.

    Args:
        curves: By name, fractions ``[S, L]``; subjects without a change are NaN.
        before: Trials before the change.
        path: Where to write; returned.
    """
    canvas = style.drawing(path, xlabel="trials from the change", ylabel="P(new best arm)")
    with canvas as (figure, (axes,)):
        axes.axvline(0, color=style.GREY, linewidth=0.8)
        shown = {name: np.asarray(values, dtype=np.float64) for name, values in curves.items()}
        shown = {name: v[~np.isnan(v).any(axis=1)].T for name, v in shown.items()}
        length = len(next(iter(shown.values())))
        style.draw_curves(axes, shown, np.arange(length) - before)
        axes.set_ylim(0, 1)
        style.legend_below(figure, 3)
    return path


def recovery_figure(
    true: Mapping[str, ArrayLike], fitted: Mapping[str, ArrayLike], path: Path
) -> Path:
    """Draw fitted against true parameters, one panel a parameter, one dot a subject.

    Args:
        true: Parameters ``[S]`` by name.
        fitted: Likewise.
        path: Where to write; returned.
    """
    canvas = style.drawing(
        path, len(true), panel=(2.8, 2.8), most=4, xlabel="simulated", ylabel="fitted"
    )
    with canvas as (_, panels):
        for axes, (name, given) in zip(panels, true.items(), strict=True):
            x, y = np.asarray(given, dtype=np.float64), np.asarray(fitted[name], dtype=np.float64)
            ends = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
            axes.plot(ends, ends, color=style.INK, linewidth=0.9, linestyle=style.DASHED)
            axes.scatter(x, y, s=9, color=style.PALETTE[0], alpha=0.6, linewidths=0)
            r = np.corrcoef(x, y)[0, 1] if x.std() > 0 and y.std() > 0 else np.nan
            axes.set_title(f"{name}   r = {r:.2f}")
    return path


def confusion_figure(matrix: ArrayLike, names: Sequence[str], path: Path) -> Path:
    """Draw how often each model is found in choices that each model simulated.

    Args:
        matrix: Fractions ``[simulated, found]``.
        names: The models.
        path: Where to write; returned.
    """
    values = np.asarray(matrix, dtype=np.float64)
    side = 1.6 + 0.6 * len(names)
    canvas = style.drawing(path, panel=(side, side), xlabel="found", ylabel="simulated")
    with canvas as (_, (axes,)):
        colours = style.gradient("#FFFFFF", style.PALETTE[0])
        style.draw_table(axes, values, names, names, cmap=colours, vmin=0.0, vmax=1.0)
        axes.tick_params(axis="x", rotation=45)
        for (row, column), value in np.ndenumerate(values):
            tone = "white" if value > 0.6 else style.INK
            look: Any = {"ha": "center", "va": "center", "color": tone, "fontsize": 8}
            axes.text(column, row, f"{value:.2f}", **look)
    return path

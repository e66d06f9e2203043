"""Figures of continual learning: pairs through switches, confusion, stages, size of the buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style
from prefrontal.analysis.missing import numbers


def accuracy_through_switches(
    steps: ArrayLike,
    curves: Mapping[str, Mapping[str, ArrayLike]],
    switches: Sequence[float],
    path: Path,
) -> Path:
    """Draw accuracy on every pair while modes change: one panel a condition, one curve a pair.

    Args:
        steps: Environment steps at which accuracy was measured ``[U]``.
        curves: Condition to (pair to accuracy ``[U, M]``); the same pairs in all conditions.
        switches: Steps at which the mode changed, drawn as vertical lines.
        path: Where to write; returned.
    """
    unit, label = style.step_unit(float(np.max(steps)))
    said = "dashed: the mode changes; dotted: chance"
    look: Any = {"ylabel": "fraction correct", "caption": said, **style.SHARED}
    canvas = style.drawing(path, len(curves), (2.6, 2.3), (0.6, 0.7), 3, label, **look)
    with canvas as (figure, panels):
        for axes, (name, pairs) in zip(panels, curves.items(), strict=True):
            style.draw_curves(axes, pairs, np.asarray(steps) / unit)
            for switch in switches:
                axes.axvline(switch / unit, color=style.GREY, linewidth=0.9, linestyle=style.DASHED)
            axes.axhline(0.5, color=style.GREY, linewidth=0.7, linestyle=":")
            axes.set(title=name, ylim=(-0.02, 1.02))
        style.legend_below(figure, 6)
    return path


def pair_confusion(matrices: Mapping[str, ArrayLike], stimuli: Sequence[str], path: Path) -> Path:
    """Draw how often the row's stimulus was chosen over the column's, one panel a condition.

    Rows and columns stand in the order of reward, so that below the diagonal all should be 1. The
    worst member is written in brackets.

    Args:
        matrices: Condition to `choice.continual.confusion_by_pair` ``[M, S, S]``.
        stimuli: Their names, worst first.
        path: Where to write; returned.
    """
    size = len(stimuli)
    below = np.tril(np.ones((size, size), dtype=bool), -1)
    sizes = {np.shape(values)[0] for values in matrices.values()}
    said = f"mean of {_members(sizes)}; in brackets, the worst member"
    canvas = style.drawing(
        path, len(matrices), (2.3, 2.9), (0.9, 0.4), 4, sharey=True, caption=said
    )
    with canvas as (figure, panels):
        for axes, (name, values) in zip(panels, matrices.items(), strict=True):
            table = numbers("matrices", values, 0.0, 1.0, ("member", "row", "column"))
            shown = np.where(below, table.mean(axis=0), np.nan)
            image = style.draw_table(
                axes, shown, stimuli, stimuli, cmap="RdYlBu", vmin=0.0, vmax=1.0
            )
            for i, j in zip(*np.nonzero(below), strict=True):
                members = table[:, i, j]
                if np.isfinite(members).all():
                    text = f"{members.mean():.2f}\n({members.min():.2f})"
                    tone = "white" if abs(members.mean() - 0.5) > 0.35 else style.INK
                    axes.text(j, i, text, ha="center", va="center", fontsize=7, color=tone)
            axes.set_xticks(range(size), list(stimuli), rotation=45, ha="right")
            axes.set(title=name, xlim=(-0.5, size - 1.5), ylim=(size - 0.5, 0.5))
        figure.colorbar(image, ax=panels, label="P(row chosen over column)", shrink=0.7)
    return path


def against_buffer_size(
    sizes: Sequence[float], measures: Mapping[str, ArrayLike], path: Path, ylabel: str
) -> Path:
    """Draw measures against the size of the buffer: mean with interval, every member a dot.

    Args:
        sizes: Episodes that the buffer holds, rising; 0 is named "none" (no replay).
        measures: Name to values ``[S, M]``, one row a size.
        path: Where to write; returned.
        ylabel: What is shown, with unit.
    """
    tones = style.colours(list(measures))
    canvas = style.drawing(path, ylabel=ylabel, xlabel="episodes that the buffer holds")
    with canvas as (figure, (axes,)):
        for index, (name, values) in enumerate(measures.items()):
            x = np.arange(len(sizes)) + 0.06 * (index - (len(measures) - 1) / 2)
            means = [
                style.dots_and_interval(axes, at, row, 0.08, tones[name], 1.2, s=9, alpha=0.5)
                for at, row in zip(x, np.asarray(values, dtype=np.float64), strict=True)
            ]
            axes.plot(x, means, color=tones[name], label=name)
        axes.set_xticks(range(len(sizes)), [f"{size:g}" if size else "none" for size in sizes])
        if len(measures) > 1:
            style.legend_below(figure, 3)
    return path


def stage_matrix(matrices: Mapping[str, ArrayLike], path: Path) -> Path:
    """Draw accuracy after each stage on each mode, mean over members, one panel a condition.

    Args:
        matrices: Condition to accuracy R[stage, mode] ``[M, N, N]``.
        path: Where to write; returned.
    """
    labels: Any = {"xlabel": "tested on mode", "ylabel": "after training on mode"}
    labels["caption"] = f"mean of {_members({np.shape(one)[0] for one in matrices.values()})}"
    canvas = style.drawing(path, len(matrices), (2.5, 2.9), (0.9, 0.0), **labels, sharey=True)
    with canvas as (figure, panels):
        for axes, (name, values) in zip(panels, matrices.items(), strict=True):
            table = numbers("matrices", values, 0.0, 1.0, ("member", "stage", "mode")).mean(axis=0)
            modes = [str(mode) for mode in range(1, len(table) + 1)]
            image = style.draw_table(axes, table, modes, modes, cmap="RdYlBu", vmin=0.0, vmax=1.0)
            axes.set_title(name)
        figure.colorbar(image, ax=panels, label="fraction correct", shrink=0.8)
    return path


def _members(counts: set[int]) -> str:
    """Return "8 members", or "8 to 16 members"."""
    return f"{' to '.join(map(str, sorted({min(counts), max(counts)})))} members"

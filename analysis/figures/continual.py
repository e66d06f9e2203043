"""Figures of continual learning: accuracy by pair through the switches, confusion by pair, forgetting by buffer size.

Arrays and a path in, the path out. Members are shown wherever their mean is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures.style import (
    GREY,
    INK,
    colours,
    mean_and_members,
    new_figure,
    new_panels,
    reference_lines,
    save,
    step_unit,
    style,
)
from prefrontal.analysis.stats.intervals import interval


def accuracy_through_switches(
    steps: ArrayLike,
    curves: Mapping[str, Mapping[str, ArrayLike]],
    switches: Sequence[float],
    path: Path,
    title: str = "",
) -> Path:
    """Accuracy on every pair while modes change: one panel a condition, one curve a pair.

    Args:
        steps: Environment steps at which accuracy was measured [U].
        curves: Condition to (pair to accuracy [U, M], one column per member); the same pairs everywhere.
        switches: Steps at which the mode changed, drawn as vertical lines.
        path: Where to write.
        title: Title of the whole figure, if any.

    Returns:
        The path.
    """
    x = np.asarray(steps, dtype=np.float64)
    factor, prefix = step_unit(float(x.max()))
    tones = colours(list(next(iter(curves.values()))))
    with style():
        figure, panels = new_panels(
            len(curves), 3, (2.6, 2.3), (0.6, 0.7), f"environment steps{prefix}", "fraction correct",
            sharex=True, sharey=True,
        )  # fmt: skip
        for index, (axes, (name, pairs)) in enumerate(zip(panels, curves.items(), strict=True)):
            for pair, values in pairs.items():
                label = pair if index == 0 else None
                table = np.asarray(values, dtype=np.float64)
                mean_and_members(axes, x / factor, table, tones[pair], label)
            for switch in switches:
                axes.axvline(switch / factor, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.axhline(0.5, color=GREY, linewidth=0.7, linestyle=":")
            axes.set(title=name, ylim=(-0.02, 1.02))
        figure.legend(loc="outside lower center", ncols=6)
        if title:
            figure.suptitle(title)
        return save(figure, path)


def pair_confusion(
    matrices: Mapping[str, ArrayLike], stimuli: Sequence[str], path: Path, title: str = ""
) -> Path:
    """How often the row's stimulus was chosen over the column's, one panel a condition; worst member in brackets.

    Rows and columns stand in the order of reward, so that below the diagonal all should be 1.

    Args:
        matrices: Condition to :func:`prefrontal.analysis.choice.continual.confusion_by_pair` [M, S, S].
        stimuli: Their names, worst first.
        path: Where to write.
        title: Title of the whole figure, if any.

    Returns:
        The path.
    """
    size = len(stimuli)
    below = np.tril(np.ones((size, size), dtype=bool), -1)
    with style():
        figure, panels = new_panels(len(matrices), 4, (2.3, 2.9), (0.9, 0.4), sharey=True)
        for axes, (name, values) in zip(panels, matrices.items(), strict=True):
            table = np.asarray(values, dtype=np.float64)
            shown = np.where(below, table.mean(axis=0), np.nan)
            image = axes.imshow(shown, cmap="RdYlBu", vmin=0.0, vmax=1.0)
            for i, j in zip(*np.nonzero(below), strict=True):
                members = table[:, i, j]
                if np.isfinite(members).all():
                    text = f"{members.mean():.2f}\n({members.min():.2f})"
                    dark = abs(members.mean() - 0.5) > 0.35
                    tone = "white" if dark else INK
                    axes.text(j, i, text, ha="center", va="center", fontsize=7, color=tone)
            axes.set_xticks(range(size), list(stimuli), rotation=45, ha="right")
            axes.set_yticks(range(size), list(stimuli))
            axes.set_xlim(-0.5, size - 1.5)
            axes.set_ylim(size - 0.5, 0.5)
            axes.set_title(name)
            axes.tick_params(length=0)
        figure.colorbar(image, ax=panels, label="P(row chosen over column)", shrink=0.7)
        if title:
            figure.suptitle(title)
        return save(figure, path)


def against_buffer_size(
    sizes: Sequence[float],
    measures: Mapping[str, ArrayLike],
    path: Path,
    ylabel: str,
    xlabel: str = "episodes that the buffer holds",
    references: Mapping[str, float] | None = None,
    title: str = "",
) -> Path:
    """Any measure (forgetting, accuracy) against the size of the buffer: mean with interval, every member a dot.

    Args:
        sizes: Sizes, rising; 0 (no replay) stands at the left of the logarithmic axis.
        measures: Name to values [S, M], one row a size.
        path: Where to write.
        ylabel: What is shown, with unit.
        xlabel: What the size counts.
        references: Named horizontal lines.
        title: Title, if any.

    Returns:
        The path.
    """
    positions = np.arange(len(sizes), dtype=np.float64)
    with style():
        figure, (axes,) = new_figure(size=(4.6, 3.2))
        tones = colours(list(measures))
        for index, (name, values) in enumerate(measures.items()):
            table = np.asarray(values, dtype=np.float64)
            found = [interval(row) for row in table]
            x = positions + 0.06 * (index - (len(measures) - 1) / 2)
            spread = np.linspace(-0.08, 0.08, table.shape[1]) if table.shape[1] > 1 else 0.0
            for place, row in zip(x, table, strict=True):
                axes.scatter(place + spread, row, s=9, color=tones[name], alpha=0.5, linewidths=0)
            axes.plot(x, [one.value for one in found], color=tones[name], label=name)
            for place, one in zip(x, found, strict=True):
                if one.low is not None and one.high is not None:
                    axes.plot([place, place], [one.low, one.high], color=INK, linewidth=1.2)
        reference_lines(axes, references or {})
        axes.set_xticks(positions, ["none" if size == 0 else f"{size:g}" for size in sizes])
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        if len(measures) > 1:
            axes.legend(loc="best")
        return save(figure, path)


def stage_matrix(
    matrices: Mapping[str, ArrayLike],
    path: Path,
    modes: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """Accuracy after each stage on each mode, R[stage, mode], mean over members, one panel a condition.

    Args:
        matrices: Condition to R [M, N, N].
        path: Where to write.
        modes: Names of the modes; by default their numbers.
        title: Title of the whole figure, if any.

    Returns:
        The path.
    """
    count = np.asarray(next(iter(matrices.values()))).shape[1]
    names = list(modes or map(str, range(1, count + 1)))
    with style():
        figure, panels = new_figure(1, len(matrices), (2.5 * len(matrices) + 0.9, 2.9), sharey=True)
        for axes, (name, values) in zip(panels, matrices.items(), strict=True):
            table = np.asarray(values, dtype=np.float64).mean(axis=0)
            image = axes.imshow(table, cmap="RdYlBu", vmin=0.0, vmax=1.0)
            axes.set_xticks(range(count), names)
            axes.set_yticks(range(count), names)
            axes.set(title=name, xlabel="tested on mode")
            axes.tick_params(length=0)
        panels[0].set_ylabel("after training on mode")
        figure.colorbar(image, ax=panels, label="fraction correct", shrink=0.8)
        if title:
            figure.suptitle(title)
        return save(figure, path)

"""Figures of navigation: paths from above, measures against gain, learning by trials, a table of architectures.

Arrays of records and a path in, the path out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.figures.style import (
    FAINT,
    INK,
    PALETTE,
    colours,
    mean_and_members,
    new_figure,
    reference_lines,
    save,
    style,
)
from prefrontal.analysis.stats.findings import number
from prefrontal.analysis.stats.intervals import interval

HIT, MISS, TARGET = PALETTE[0], PALETTE[1], PALETTE[4]
# From bad to good; text stays legible on both.
MERIT = LinearSegmentedColormap.from_list("merit", ["#F5C9A6", "#F7F7F7", "#B5D7EC"])


def paths_from_above(
    records: Mapping[str, Mapping[str, Mapping[str, NDArray]]],
    path: Path,
    members: Mapping[str, int],
    count: int = 16,
    zone: float = 65.0,
) -> Path:
    """Paths of one member of each condition from above, a row for each condition and a column for each gain.

    Blue paths end in the reward zone, orange ones do not; a thin line leads from the end of a path to its target.

    Args:
        records: Condition to (name of the column to a record of single trials, columns ``[M, E, T]``).
        path: Where to write.
        members: Which member of each condition.
        count: How many trials, the first ones.
        zone: Radius of the reward zone, cm.

    Returns:
        The path.
    """
    rows, columns = len(records), len(next(iter(records.values())))
    with style():
        figure, panels = new_figure(
            rows, columns, (2.7 * columns + 0.6, 2.7 * rows + 0.5), sharex=True, sharey=True
        )
        for i, (condition, by_gain) in enumerate(records.items()):
            for j, (gain, record) in enumerate(by_gain.items()):
                axes = panels[i * columns + j]
                for trial in range(min(count, record["active"].shape[1])):
                    _one_path(axes, record, members[condition], trial, zone)
                axes.plot(0, 0, marker="^", color=INK, markersize=5, zorder=5)
                axes.set_aspect("equal")
                axes.set_title(f"{condition}, {gain}")
                if i == rows - 1:
                    axes.set_xlabel("cm")
                if j == 0:
                    axes.set_ylabel("cm")
        return save(figure, path)


def _one_path(
    axes: Any, record: Mapping[str, NDArray], member: int, trial: int, zone: float
) -> None:
    """Draw one trial."""
    active = record["active"][member, trial] > 0
    last = int(active.sum()) - 1
    x, y = (
        np.append(record[at][member, trial][active], record[end][member, trial][last])
        for at, end in (("x", "end_x"), ("y", "end_y"))
    )
    target = [record[name][member, trial][last] for name in ("target_x", "target_y")]
    tone = HIT if record["rewarded"][member, trial][last] > 0 else MISS
    axes.add_patch(Circle(tuple(target), zone, color=TARGET, alpha=0.12, linewidth=0))
    axes.plot([x[-1], target[0]], [y[-1], target[1]], color=FAINT, linewidth=0.8, zorder=1.5)
    axes.plot(x, y, color=tone, linewidth=1.1, alpha=0.85)
    axes.plot(x[-1], y[-1], marker="o", color=tone, markersize=2.5)
    axes.plot(*target, marker=".", color=TARGET, markersize=5)


def measures_against_gain(
    gains: ArrayLike,
    panels: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    references: Mapping[str, Mapping[str, float]] | None = None,
    others: Mapping[str, Mapping[str, ArrayLike]] | None = None,
    trained: float = 1.0,
) -> Path:
    """Measures by gain, one panel each: mean over members with a 95 % interval, every member a thin line.

    Args:
        gains: Gains G, ascending.
        panels: Name of a measure, with unit, to (condition to members' values ``[G, M]``).
        path: Where to write.
        references: Name of a measure to named horizontal lines.
        others: Name of a measure to (name of a simulated navigator to its values ``[G]``), drawn dashed.
        trained: The gain of training, marked.

    Returns:
        The path.
    """
    x = np.log2(np.asarray(gains, dtype=np.float64))
    tones = colours(list(next(iter(panels.values()))))
    with style():
        figure, axes_of = new_figure(1, len(panels), (3.3 * len(panels) + 0.4, 3.6))
        for axes, (measure, curves) in zip(axes_of, panels.items(), strict=True):
            axes.axvline(np.log2(trained), color=FAINT, linewidth=5, zorder=0.5)
            for condition, values in curves.items():
                label = condition if axes is axes_of[0] else None
                mean_and_members(axes, x, values, tones[condition], label)
            for dash, (name, line) in zip(
                ((1, 1.5), (4, 2)), (others or {}).get(measure, {}).items(), strict=False
            ):
                label = name if axes is axes_of[0] else None
                axes.plot(x, line, color=INK, linewidth=1.0, linestyle=(0, dash), label=label)
            reference_lines(axes, (references or {}).get(measure, {}))
            axes.set_xticks(x, [f"{gain:g}" for gain in np.asarray(gains)])
            axes.set(xlabel="gain (trained at 1)", ylabel=measure)
        figure.legend(loc="outside lower center", ncols=4)
        return save(figure, path)


def learning_by_trials(
    trials: ArrayLike,
    curves: Mapping[str, ArrayLike],
    path: Path,
    ylabel: str = "rewarded fraction",
    references: Mapping[str, float] | None = None,
) -> Path:
    """Learning curves on a common grid of trials: mean with a 95 % interval, every member a thin line.

    Args:
        trials: The grid ``[U]``.
        curves: Condition to values ``[U, M]``.
        path: Where to write.
        ylabel: What is shown.
        references: Named horizontal lines.

    Returns:
        The path.
    """
    with style():
        figure, (axes,) = new_figure(size=(4.8, 3.4))
        for condition, tone in colours(list(curves)).items():
            values = np.asarray(curves[condition], dtype=np.float64)
            mean_and_members(axes, trials, values, tone, f"{condition} ({values.shape[1]})")
        reference_lines(axes, references or {})
        axes.set(xlabel="trials", ylabel=ylabel, ylim=(-0.02, 1.02))
        figure.legend(loc="outside lower center", ncols=3)
        return save(figure, path)


def architecture_table(
    measures: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    lower_is_better: frozenset[str] = frozenset(),
) -> Path:
    """A table of conditions by measures: mean and 95 % interval over members, the best of a column bluest.

    Args:
        measures: Condition to (measure to members' values ``[M]``), the same measures in all.
        path: Where to write.
        lower_is_better: Measures of which less (in size) is better.

    Returns:
        The path.
    """
    conditions, names = list(measures), list(next(iter(measures.values())))
    means = np.array(
        [[np.asarray(measures[c][n], np.float64).mean() for n in names] for c in conditions]
    )
    merit = np.where([n in lower_is_better for n in names], -np.abs(means), means)
    span = np.ptp(merit, axis=0)
    shade = (merit - merit.min(axis=0)) / np.where(span > 0, span, 1.0)
    with style():
        figure, (axes,) = new_figure(size=(1.9 + 1.15 * len(names), 0.9 + 0.5 * len(conditions)))
        axes.imshow(shade, cmap=MERIT, vmin=0, vmax=1, aspect="auto")
        for i, condition in enumerate(conditions):
            for j, name in enumerate(names):
                estimate = interval(measures[condition][name])
                ends = ""
                if estimate.low is not None and estimate.high is not None:
                    ends = f"\n{number(estimate.low)} to {number(estimate.high)}"
                axes.text(
                    j, i - 0.12 * bool(ends), number(estimate.value), ha="center", va="center"
                )
                axes.text(j, i + 0.12, ends, ha="center", va="center", fontsize=6.5)
        axes.set_xticks(range(len(names)), names, fontsize=8)
        axes.set_yticks(
            range(len(conditions)),
            [f"{c} ({len(np.ravel(measures[c][names[0]]))})" for c in conditions],
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        return save(figure, path)

"""Figures of learning and of findings: curves, regret, bars, and all findings side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures.style import (
    DASHED,
    INK,
    PALETTE,
    colours,
    dots_and_interval,
    draw_curves,
    drawing,
    label_ends,
    legend_below,
    reference_lines,
    step_unit,
)
from prefrontal.analysis.stats.findings import Finding, number
from prefrontal.analysis.stats.intervals import curve_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curve(
    steps: ArrayLike,
    curves: Mapping[str, ArrayLike],
    path: Path,
    ylabel: str = "reward per episode",
    references: Mapping[str, float] | None = None,
) -> Path:
    """Draw learning curves: mean over members with a 95 % interval, every member as a thin line.

    Args:
        steps: Environment steps of each member at each point ``[U]``.
        curves: Condition name to values ``[U, M]``.
        path: Where to write; the suffix gives the format.
        ylabel: What the values are, with unit.
        references: Named horizontal lines, for example {"Bayes-optimal": 64.9}.

    Returns:
        The path.
    """
    unit, label = step_unit(float(np.max(steps)))
    counts = {name: np.shape(values)[1] for name, values in curves.items()}
    counted = {
        f"{name} ({counts[name]} member{'s' if counts[name] > 1 else ''})": values
        for name, values in curves.items()
    }
    with drawing(path, xlabel=label, ylabel=ylabel) as (_, (axes,)):
        x = draw_curves(axes, counted, np.asarray(steps) / unit)
        reference_lines(axes, references)
        axes.set_xlim(0, x.max())
        axes.legend(loc="best")
    return path


def regret_curves(
    agent: ArrayLike,
    policies: Mapping[str, ArrayLike],
    path: Path,
    optimum: ArrayLike | float | None = None,
    title: str = "",
) -> Path:
    """Draw the cumulative regret of the agent against reference policies.

    Args:
        agent: Expected cumulative regret of each member ``[M, T]`` (`choice.bandits.regret_curve`).
        policies: Policy name to its expected cumulative regret ``[T]``.
        path: Where to write.
        optimum: Exact regret of the Bayes-optimal policy: a curve ``[T]``, or its total after T
            trials.
        title: Title, if any.

    Returns:
        The path.
    """
    members = np.atleast_2d(np.asarray(agent, dtype=np.float64))
    trials = np.arange(1, members.shape[1] + 1)
    tones = colours(["agent", *policies])
    ends: list[tuple[float, str, str]] = []
    with drawing(path, panel=(5.4, 3.4), xlabel="trial", ylabel="cumulative regret") as (
        figure,
        (axes,),
    ):
        for index, (name, curve) in enumerate(policies.items(), start=1):
            regret = np.asarray(curve, dtype=np.float64)
            line = "-" if index < len(PALETTE) else (0, (2, 1.5))  # colours come round again
            axes.plot(trials, regret, color=tones[name], linewidth=1.2, linestyle=line)
            ends.append((float(regret[-1]), name, tones[name]))
        if optimum is not None:
            best = np.asarray(optimum, dtype=np.float64)
            if best.ndim == 0:
                axes.axhline(float(best), color=INK, linewidth=1.0, linestyle=DASHED)
            else:
                axes.plot(trials, best, color=INK, linewidth=1.2, linestyle=DASHED)
            ends.append((float(best.ravel()[-1]), "Bayes-optimal", INK))
        mean, low, high = curve_interval(members.T)
        axes.fill_between(trials, low, high, color=tones["agent"], alpha=0.25, linewidth=0)
        axes.plot(trials, mean, color=tones["agent"], linewidth=2.4)
        ends.append((float(mean[-1]), "meta-RL agent", tones["agent"]))
        # A policy over three times as bad as the agent leaves the picture, its name stays.
        within = [end for end, _, _ in ends if end <= 3 * mean[-1]]
        axes.set(title=title, xlim=(0, trials[-1]), ylim=(0, 1.08 * max([*within, 1e-9])))
        figure.draw_without_rendering()  # settles the layout that the labels are placed in
        label_ends(axes, ends)
    return path


def bars_with_members(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    ylabel: str,
    published: Mapping[str, float] | None = None,
    ideal: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Path:
    """Draw bars of means with 95 % intervals, every member as a dot.

    Args:
        groups: Category to (condition name to members' values ``[M]``); all categories hold the
            same conditions. One condition: {"RC": {"agent": values}, ...}.
        path: Where to write.
        ylabel: What the bars show, with unit.
        published: Category to the published number, drawn as a diamond.
        ideal: Category to the ideal observer's number, drawn as a line.
        ylim: Limits of the vertical axis.

    Returns:
        The path.
    """
    conditions = list(next(iter(groups.values())))
    tones, width = colours(conditions), 0.8 / len(conditions)
    size = max(3.4, 1.2 + 0.9 * len(groups)), 3.2
    with drawing(path, panel=size, ylabel=ylabel) as (figure, (axes,)):
        for i, (category, members) in enumerate(groups.items()):
            for j, (name, tone) in enumerate(tones.items()):
                x = i - 0.4 + width * (j + 0.5)
                dots = {"s": 12, "alpha": 0.9, "zorder": 3}
                mean = dots_and_interval(axes, x, members[name], width / 4, tone, **dots)
                label = name if len(conditions) > 1 else None
                axes.bar(x, mean, width * 0.9, color=tone, alpha=0.35, label=label)
            if ideal and category in ideal:
                ends, y = [i - 0.42, i + 0.42], [ideal[category]] * 2
                axes.plot(ends, y, color=INK, linewidth=1.2, ls="--", label="ideal observer")
            if published and category in published:
                _diamonds(axes, [i], [published[category]])
        axes.set_xticks(range(len(groups)), list(groups))
        axes.tick_params(axis="x", length=0)
        if ylim is not None:
            axes.set_ylim(ylim)
        legend_below(figure, 4)
    return path


def findings_forest(findings: Sequence[Finding], path: Path) -> Path:
    """Draw every finding on a row of its own scale: interval, published number, optimum and bar.

    Each row is scaled to the span of its own numbers, so that findings of different units share a
    figure; the measured number is written at the right.

    Args:
        findings: What to show, from top to bottom.
        path: Where to write.

    Returns:
        The path.
    """
    with drawing(path, panel=(6.6, 1.1 + 0.42 * len(findings))) as (figure, (axes,)):
        for row, finding in enumerate(findings):
            _forest_row(axes, -row, finding)
        axes.set_yticks([-row for row in range(len(findings))], [f.name for f in findings])
        axes.set(xlim=(-0.06, 1.06), ylim=(-len(findings) + 0.4, 0.6), xticks=[])
        axes.tick_params(axis="y", length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        legend_below(figure, 5)
    return path


def _forest_row(axes: Axes, y: float, finding: Finding) -> None:
    """Draw one finding at height y: what meets the bar, interval, published and optimum."""
    numbers = [finding.value, finding.low, finding.high, finding.optimum]
    for reference in (finding.published, finding.bar, finding.goal):
        numbers += list(reference) if isinstance(reference, tuple) else [reference]
    known = [n for n in numbers if n is not None and np.isfinite(n)] or [0.0]
    middle, extent = (min(known) + max(known)) / 2, (max(known) - min(known)) or 1.0

    def place(value: float) -> float:
        return 0.5 + 0.84 * (value - middle) / extent

    height = [y - 0.34, y + 0.34]
    if finding.bar is not None:
        if isinstance(finding.bar, tuple):
            start, end = place(finding.bar[0]), place(finding.bar[1])
        elif finding.better == "lower":
            start, end = -0.06, place(finding.bar)
        else:
            start, end = place(finding.bar), 1.06
        meets = {"color": PALETTE[2], "alpha": 0.16, "lw": 0, "label": "meets the bar"}
        axes.fill_betweenx(height, start, end, **meets)
    if finding.optimum is not None:
        x = place(finding.optimum)
        axes.plot([x, x], height, color=INK, lw=1.4, ls=":", label="optimum")
    if finding.published is not None:
        ends = finding.published if isinstance(finding.published, tuple) else [finding.published]
        _diamonds(axes, [place(end) for end in ends], [y] * len(ends))
    if np.isfinite(finding.value):
        tone = PALETTE[1] if finding.met is False else PALETTE[0]
        if finding.low is not None and finding.high is not None:
            axes.plot([place(finding.low), place(finding.high)], [y, y], color=tone, lw=2.0)
        label = "measured" if finding.met is not False else "measured, misses it"
        axes.scatter(place(finding.value), y, s=34, color=tone, lw=0, zorder=4, label=label)
    at = {"xy": (1.02, y), "xycoords": ("axes fraction", "data"), "va": "center"}
    text = number(finding.value) + (f" {finding.unit}" if finding.unit else "")
    axes.annotate(text, **at, fontsize=8.5, annotation_clip=False)


def _diamonds(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Mark published numbers."""
    look = {"marker": "D", "s": 34, "facecolor": "white", "edgecolor": INK, "linewidths": 1.1}
    axes.scatter(x, y, zorder=5, label="published", **look)

"""Figures of learning and of findings: arrays and a path in, the path out.

Members are shown wherever their mean is. Figures of behaviour and of hidden states are in
:mod:`prefrontal.analysis.figures.behaviour`, the common look in :mod:`prefrontal.analysis.figures.style`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from prefrontal.analysis.figures.style import (
    INK,
    PALETTE,
    colours,
    label_ends,
    mean_and_members,
    new_figure,
    reference_lines,
    save,
    step_unit,
    style,
)
from prefrontal.analysis.stats.findings import Finding, number
from prefrontal.analysis.stats.intervals import curve_interval, interval


def learning_curve(
    steps: ArrayLike,
    curves: Mapping[str, ArrayLike],
    path: Path,
    ylabel: str = "reward per episode",
    references: Mapping[str, float] | None = None,
    title: str = "",
) -> Path:
    """Learning curves: mean over members with a 95 % interval, every member as a thin line.

    Args:
        steps: Environment steps of each member at each point [U].
        curves: Condition name to values [U, M], one column per member.
        path: Where to write; the suffix gives the format.
        ylabel: What the values are, with unit.
        references: Named horizontal lines, for example {"Bayes-optimal": 64.9}.
        title: Title, if any.

    Returns:
        The path.
    """
    x = np.asarray(steps, dtype=np.float64)
    factor, prefix = step_unit(float(x.max()))
    with style():
        figure, (axes,) = new_figure()
        for name, colour in colours(list(curves)).items():
            values = np.asarray(curves[name], dtype=np.float64)
            count = values.shape[1]
            label = f"{name} ({count} member{'s' if count > 1 else ''})"
            mean_and_members(axes, x / factor, values, colour, label)
        reference_lines(axes, references or {})
        axes.set(xlabel=f"environment steps{prefix}", ylabel=ylabel, title=title)
        axes.set_xlim(0, x.max() / factor)
        axes.legend(loc="best")
        return save(figure, path)


def regret_curves(
    agent: ArrayLike,
    policies: Mapping[str, ArrayLike],
    path: Path,
    optimum: ArrayLike | float | None = None,
    title: str = "",
    agent_name: str = "meta-RL agent",
) -> Path:
    """Cumulative regret of the agent against reference policies.

    Args:
        agent: Expected cumulative regret of each member [M, T] (see ``bandits.regret_curve``).
        policies: Policy name to its expected cumulative regret [T].
        path: Where to write.
        optimum: Exact regret of the Bayes-optimal policy: a curve [T], or its total after T trials.
        title: Title, if any.
        agent_name: Name of the agent in the figure.

    Returns:
        The path.
    """
    members = np.atleast_2d(np.asarray(agent, dtype=np.float64))
    trials = np.arange(1, members.shape[1] + 1)
    with style():
        figure, (axes,) = new_figure(size=(5.4, 3.4))
        ends: list[tuple[float, str, str]] = []
        tones = colours(["agent", *policies])
        for index, (name, curve) in enumerate(policies.items(), start=1):
            regret = np.asarray(curve, dtype=np.float64)
            line = "-" if index < len(PALETTE) else (0, (2, 1.5))  # colours come round again
            axes.plot(trials, regret, color=tones[name], linewidth=1.2, linestyle=line)
            ends.append((float(regret[-1]), name, tones[name]))
        if optimum is not None:
            best = np.asarray(optimum, dtype=np.float64)
            if best.ndim == 0:
                axes.axhline(float(best), color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
            else:
                axes.plot(trials, best, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
            ends.append((float(best.ravel()[-1]), "Bayes-optimal", INK))
        mean, low, high = curve_interval(members.T)
        axes.fill_between(trials, low, high, color=tones["agent"], alpha=0.25, linewidth=0)
        axes.plot(trials, mean, color=tones["agent"], linewidth=2.4)
        ends.append((float(mean[-1]), agent_name, tones["agent"]))
        axes.set(xlabel="trial", ylabel="cumulative regret", title=title)
        axes.set_xlim(0, trials[-1])
        # A policy over three times as bad as the agent leaves the picture, its name stays.
        within = [end for end, _, _ in ends if end <= 3 * mean[-1]]
        axes.set_ylim(0, 1.08 * max([*within, 1e-9]))
        figure.draw_without_rendering()  # settles the layout that the labels are placed in
        label_ends(axes, ends)
        return save(figure, path)


def bars_with_members(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    ylabel: str,
    published: Mapping[str, float] | None = None,
    ideal: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    title: str = "",
) -> Path:
    """Bars of means with 95 % intervals, every member as a dot.

    Args:
        groups: Category to (condition name to members' values [M]); all categories hold the same
            conditions. One condition: {"RC": {"agent": values}, ...}.
        path: Where to write.
        ylabel: What the bars show, with unit.
        published: Category to the published number, drawn as a diamond.
        ideal: Category to the ideal observer's number, drawn as a line.
        ylim: Limits of the vertical axis.
        title: Title, if any.

    Returns:
        The path.
    """
    conditions = list(next(iter(groups.values())))
    tones, width = colours(conditions), 0.8 / len(conditions)
    with style():
        figure, (axes,) = new_figure(size=(max(3.4, 1.2 + 0.9 * len(groups)), 3.2))
        for i, (category, members) in enumerate(groups.items()):
            for j, name in enumerate(conditions):
                values = np.asarray(members[name], dtype=np.float64)
                x = i - 0.4 + width * (j + 0.5)
                estimate = interval(values)
                label = name if i == 0 and len(conditions) > 1 else None
                tone = tones[name]
                axes.bar(x, estimate.value, width * 0.9, color=tone, alpha=0.35, label=label)
                spread = np.linspace(-0.25, 0.25, len(values)) * width if len(values) > 1 else 0.0
                axes.scatter(
                    x + spread, values, s=12, color=tone, alpha=0.9, linewidths=0, zorder=3
                )
                if estimate.low is not None and estimate.high is not None:
                    axes.plot([x, x], [estimate.low, estimate.high], color=INK, zorder=4)
            if ideal and category in ideal:
                label = "ideal observer" if i == 0 else None
                y = [ideal[category]] * 2
                axes.plot([i - 0.42, i + 0.42], y, color=INK, linewidth=1.2, ls="--", label=label)
            if published and category in published:
                label = "published" if i == 0 else None
                axes.scatter(
                    i, published[category], marker="D", s=34, facecolor="white", edgecolor=INK,
                    linewidths=1.1, zorder=5, label=label,
                )  # fmt: skip
        axes.set_xticks(range(len(groups)), list(groups))
        axes.tick_params(axis="x", length=0)
        axes.set(ylabel=ylabel, title=title)
        if ylim is not None:
            axes.set_ylim(ylim)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside lower center", ncols=4)
        return save(figure, path)


def findings_forest(findings: Sequence[Finding], path: Path, title: str = "") -> Path:
    """Every finding on a row of its own scale: interval, published number, optimum and bar.

    Each row is scaled to the span of its own numbers, so that findings of different units share a
    figure; the measured number is written at the right.

    Args:
        findings: What to show, from top to bottom.
        path: Where to write.
        title: Title, if any.

    Returns:
        The path.
    """
    with style():
        height = 1.1 + 0.42 * len(findings)
        figure, (axes,) = new_figure(size=(6.6, height))
        for row, finding in enumerate(findings):
            _forest_row(axes, -row, finding)
        axes.set_yticks([-row for row in range(len(findings))], [f.name for f in findings])
        axes.set_ylim(-len(findings) + 0.4, 0.6)
        axes.set_xlim(-0.06, 1.06)
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        axes.set_title(title)
        seen = {label: h for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(list(seen.values()), list(seen), loc="outside lower center", ncols=5)
        return save(figure, path)


def _forest_row(axes: Axes, y: float, finding: Finding) -> None:
    """One finding at height y: the region that meets the bar, interval, published and optimum."""
    numbers = [finding.value, finding.low, finding.high, finding.optimum]
    for reference in (finding.published, finding.bar, finding.goal):
        numbers += list(reference) if isinstance(reference, tuple) else [reference]
    known = [n for n in numbers if n is not None and np.isfinite(n)] or [0.0]
    middle, span = (min(known) + max(known)) / 2, (max(known) - min(known)) or 1.0

    def place(value: float) -> float:
        return 0.5 + 0.84 * (value - middle) / span

    if finding.bar is not None:
        if isinstance(finding.bar, tuple):
            start, end = place(finding.bar[0]), place(finding.bar[1])
        elif finding.better == "lower":
            start, end = -0.06, place(finding.bar)
        else:
            start, end = place(finding.bar), 1.06
        axes.fill_betweenx(
            [y - 0.34, y + 0.34],
            start,
            end,
            color=PALETTE[2],
            alpha=0.16,
            lw=0,
            label="meets the bar",
        )
    if finding.optimum is not None:
        x = place(finding.optimum)
        axes.plot([x, x], [y - 0.34, y + 0.34], color=INK, lw=1.4, ls=":", label="optimum")
    if finding.published is not None:
        ends = finding.published if isinstance(finding.published, tuple) else [finding.published]
        axes.scatter(
            [place(end) for end in ends], [y] * len(ends), marker="D", s=34, facecolor="white",
            edgecolor=INK, lw=1.1, zorder=3, label="published",
        )  # fmt: skip
    if np.isfinite(finding.value):
        tone = PALETTE[1] if finding.met is False else PALETTE[0]
        if finding.low is not None and finding.high is not None:
            axes.plot([place(finding.low), place(finding.high)], [y, y], color=tone, lw=2.0)
        label = "measured" if finding.met is not False else "measured, misses it"
        axes.scatter(place(finding.value), y, s=34, color=tone, lw=0, zorder=4, label=label)
    text = number(finding.value) + (f" {finding.unit}" if finding.unit else "")
    axes.annotate(
        text, xy=(1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
        annotation_clip=False,
    )  # fmt: skip

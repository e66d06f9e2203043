"""Figures of learning and of results: curves, regret against policies, bars of members."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style


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
        path: Where to write, in the format of its suffix; returned.
        ylabel: What the values are, with unit.
        references: Named horizontal lines, for example {"Bayes-optimal": 64.9}.
    """
    unit, label = style.step_unit(float(np.max(steps)))
    counts = {name: np.shape(values)[1] for name, values in curves.items()}
    counted = {
        f"{name} ({counts[name]} member{'s' if counts[name] > 1 else ''})": values
        for name, values in curves.items()
    }
    canvas = style.drawing(path, xlabel=label, ylabel=ylabel)
    with canvas as (figure, (axes,)):
        x = style.draw_curves(axes, counted, np.asarray(steps) / unit)
        style.reference_lines(axes, references)
        axes.set_xlim(0, x.max())
        style.legend_below(figure, 3)
    return path


def training_curves(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    path: Path,
    levels: Mapping[str, Mapping[str, float]],
) -> Path:
    """Draw returns over training, smoothed: mean with a 95 % interval, every member as a thin line.

    Conditions of the same levels share a panel. Where their optimum is known, it is regret that is
    drawn: the optimum less the return.

    Args:
        curves: Condition to environment steps ``[U]`` and mean returns of an episode ``[U, M]``.
        path: Where to write, in the format of its suffix; returned.
        levels: Condition to known returns by name, drawn as lines; "optimum" is the exact one.
    """
    panels: dict[tuple[tuple[str, float], ...], list[str]] = {}
    for condition in curves:
        panels.setdefault(tuple(levels.get(condition, {}).items()), []).append(condition)
    tones = style.colours(list(curves))
    unit, label = style.step_unit(max(float(np.max(steps)) for steps, _ in curves.values()))
    canvas = style.drawing(
        path, len(panels), most=3, xlabel=label, caption="while learning, on tasks of training"
    )
    with canvas as (figure, drawn):
        for axes, (known, conditions) in zip(drawn, panels.items(), strict=True):
            lines = dict(known)
            optimum = lines.pop("optimum", None)
            for name in conditions:
                steps, returns = curves[name]
                shown = style.smoothed(returns)
                shown = shown if optimum is None else optimum - shown
                x = np.asarray(steps) / unit
                style.mean_and_members(axes, x, shown, tones[name], name)
            if optimum is not None:
                lines = {name: optimum - value for name, value in lines.items()} | {"optimum": 0.0}
            style.reference_lines(axes, lines)
            axes.set_xlim(left=0)
            axes.set_ylabel(
                "return of an episode" if optimum is None else "return below the optimum"
            )
        if len(curves) > 1:
            style.legend_below(figure, 4)
    return path


def regret_curves(
    agent: ArrayLike,
    policies: Mapping[str, ArrayLike],
    path: Path,
    optimum: ArrayLike | float | None = None,
    title: str = "",
    episodes: int | None = None,
) -> Path:
    """Draw the cumulative regret of the agent against reference policies.

    Args:
        agent: Expected cumulative regret of each member ``[M, T]`` (`choice.bandits.regret_curve`).
        policies: Policy name to its expected cumulative regret ``[T]``.
        path: Where to write; returned.
        optimum: Exact regret of the Bayes-optimal policy: a curve ``[T]``, or its total after T
            trials.
        title: Title, if any.
        episodes: Episodes of each member that the values are means over, for the caption.
    """
    members = np.atleast_2d(np.asarray(agent, dtype=np.float64))
    trials = np.arange(1, members.shape[1] + 1)
    tones = {"agent": style.PALETTE[0]}
    tones |= dict(zip(policies, itertools.cycle(style.PALETTE[1:]), strict=False))
    ends: list[tuple[float, str, str]] = []
    labels: Any = {"xlabel": "trial", "ylabel": "cumulative regret"}
    canvas = style.drawing(path, panel=(4.4, 3.4), caption=style.each(episodes), **labels)
    with canvas as (_, (axes,)):
        for name, curve in policies.items():
            regret = np.asarray(curve, dtype=np.float64)
            axes.plot(trials, regret, color=tones[name], linewidth=1.2)
            ends.append((float(regret[-1]), name, tones[name]))
        if optimum is not None:
            best = np.asarray(optimum, dtype=np.float64)
            if best.ndim == 0:
                axes.axhline(float(best), color=style.INK, linewidth=1.0, linestyle=style.DASHED)
            else:
                axes.plot(trials, best, color=style.INK, linewidth=1.2, linestyle=style.DASHED)
            ends.append((float(best.ravel()[-1]), "Bayes-optimal", style.INK))
        style.mean_and_members(axes, trials, members.T, tones["agent"])
        ended = float(members[:, -1].mean())
        ends.append((ended, "meta-RL agent", tones["agent"]))
        # A policy over three times as bad as the agent leaves the picture, its name stays.
        within = [end for end, _, _ in ends if end <= 3 * ended]
        axes.set(title=title, xlim=(0, trials[-1]), ylim=(0, 1.08 * max([*within, 1e-9])))
        style.label_ends(axes, ends)
    return path


def bars_with_members(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    ylabel: str,
    published: Mapping[str, float] | None = None,
    ideal: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    episodes: int | None = None,
) -> Path:
    """Draw bars of means with 95 % intervals, every member as a dot.

    Args:
        groups: Category to (condition name to members' values ``[M]``); all categories hold the
            same conditions. One condition: {"RC": {"agent": values}, ...}.
        path: Where to write; returned.
        ylabel: What the bars show, with unit.
        published: Category to the published number, drawn as a diamond.
        ideal: Category to the ideal observer's number, drawn as a line.
        ylim: Limits of the vertical axis.
        episodes: Episodes of each member that the values are means over, for the caption.
    """
    conditions = list(next(iter(groups.values())))
    tones, width = style.colours(conditions), 0.8 / len(conditions)
    size = max(3.4, 1.2 + 0.9 * len(groups)), 3.2
    canvas = style.drawing(path, panel=size, ylabel=ylabel, caption=style.each(episodes))
    with canvas as (figure, (axes,)):
        for i, (category, members) in enumerate(groups.items()):
            for j, (name, tone) in enumerate(tones.items()):
                x = i - 0.4 + width * (j + 0.5)
                dots: Any = {"s": 12, "alpha": 0.9, "zorder": 3}
                mean = style.dots_and_interval(axes, x, members[name], width / 4, tone, 1.8, **dots)
                label = name if len(conditions) > 1 else None
                axes.bar(x, mean, width * 0.9, color=tone, alpha=0.35, label=label)
            if ideal and category in ideal:
                ends, y = [i - 0.42, i + 0.42], [ideal[category]] * 2
                axes.plot(ends, y, color=style.INK, linewidth=1.2, ls="--", label="ideal observer")
            if published and category in published:
                look: Any = {"marker": "D", "s": 34, "facecolor": "white", "edgecolor": style.INK}
                number = published[category]
                axes.scatter(i, number, linewidths=1.1, zorder=5, label="published", **look)
        axes.set_xticks(range(len(groups)), list(groups))
        axes.tick_params(axis="x", length=0)
        if ylim is not None:
            axes.set_ylim(ylim)
        style.legend_below(figure, 4)
    return path

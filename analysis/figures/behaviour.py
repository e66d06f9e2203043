"""Figures of behaviour and of hidden states: choice rasters, curves by trial, trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style
from prefrontal.analysis.missing import MISSING, codes, numbers
from prefrontal.analysis.neural.representation import pca
from prefrontal.analysis.stats.means import observed_mean

TICKS = 12  # most positions that are all labelled
# Two ends that a colour-blind reader can tell apart, pale in the middle.
DIVERGING = ("#D55E00", "#F2B489", "#D9D9D9", "#8DBFE0", "#0072B2")
RASTER = {
    "left": "#F5C9A6",
    "left, rewarded": "#D55E00",
    "right": "#B5D7EC",
    "right, rewarded": "#0072B2",
}


def choice_raster(
    action: ArrayLike,
    reward: ArrayLike,
    arm_probabilities: ArrayLike,
    path: Path,
    member: int = 0,
) -> Path:
    """Draw every choice of a two-armed bandit: one row an episode, one column a trial.

    The colour is the arm, full where the pull was rewarded and pale where it was not; a trial whose
    choice or reward is missing is left white. Episodes are sorted by how much better the right arm
    is; the arms' probabilities stand at the right.

    Args:
        action: Chosen arms ``[E, T]``, 0 (left) or 1 (right).
        reward: Rewards ``[E, T]``; above zero counts as rewarded.
        arm_probabilities: Reward probability of each arm in each episode ``[E, 2]``.
        path: Where to write; returned.
        member: Whose choices they are, for the caption.

    Raises:
        ValueError: If there are not two arms, or shapes disagree.
    """
    from matplotlib.colors import ListedColormap

    arm, paid = codes("action", action, 2), numbers("reward", reward)
    probabilities = numbers(
        "arm_probabilities", arm_probabilities, 0.0, 1.0, ("episode", "arm"), complete=True
    )
    if probabilities.ndim != 2 or probabilities.shape[1] != 2:
        raise ValueError(f"arm_probabilities must be [episodes, 2], got {probabilities.shape}")
    if arm.ndim != 2 or arm.shape != paid.shape or len(arm) != len(probabilities):
        raise ValueError(f"action and reward must be [E, T], got {arm.shape} and {paid.shape}")
    order = np.argsort(probabilities[:, 1] - probabilities[:, 0], kind="stable")
    code = np.where((arm == MISSING) | np.isnan(paid), np.nan, 2 * arm + (paid > 0))[order]
    episodes, trials = arm.shape
    rows = np.arange(episodes)
    height = min(8.0, max(2.6, 1.3 + 0.075 * episodes))
    said = f"member {member}, {episodes} episodes; at the right, the arms' probabilities"
    canvas = style.drawing(path, 2, (3.2, height), width_ratios=[7, 1], sharey=True, caption=said)
    with canvas as (figure, (axes, side)):
        tones: Any = {"cmap": ListedColormap(list(RASTER.values())), "vmin": -0.5, "vmax": 3.5}
        extent = (0.5, trials + 0.5, episodes - 0.5, -0.5)
        axes.imshow(code, aspect="auto", interpolation="nearest", extent=extent, **tones)
        axes.set(xlabel="trial", ylabel="episode, sorted by p(right) - p(left)", yticks=[])
        side.hlines(rows, *probabilities[order].T, color=style.FAINT, linewidth=1.2)
        for column in (0, 1):
            tone = style.PALETTE[1 - column]
            side.scatter(probabilities[order, column], rows, s=9, color=tone, linewidths=0)
        side.set(xlabel="p(reward)", xlim=(-0.05, 1.05), xticks=[0, 1])
        side.spines["left"].set_visible(False)
        side.tick_params(axis="y", length=0)
        for name, tone in RASTER.items():
            axes.scatter([], [], marker="s", s=40, color=tone, label=name)
        style.legend_below(figure, 4, handletextpad=0.2)
    return path


def curves_by_trial(
    curves: Mapping[str, ArrayLike],
    path: Path,
    ylabel: str,
    references: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xlabel: str = "trial",
    episodes: int | None = None,
    x: ArrayLike | None = None,
) -> Path:
    """Draw any measure by trial: mean over members with a 95 % interval, and every member.

    Args:
        curves: Condition name to members' curves ``[M, T]``.
        path: Where to write; returned.
        ylabel: What is shown, with unit.
        references: Named horizontal lines, for example {"chance": 0.5}.
        ylim: Limits of the vertical axis.
        xlabel: What the columns are.
        episodes: Episodes of each member that the values are means over, for the caption.
        x: Positions of the columns ``[T]``; by default 1, 2, ...
    """
    from matplotlib.ticker import MaxNLocator

    canvas = style.drawing(path, xlabel=xlabel, ylabel=ylabel, caption=style.each(episodes))
    with canvas as (figure, (axes,)):
        members = {name: np.atleast_2d(v).T for name, v in curves.items()}
        at = style.draw_curves(axes, members, x)
        if x is None:
            axes.set_xlim(1, max([2, *at[-1:]]))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        elif len(at) <= TICKS:
            axes.set_xticks(at)
        if ylim is not None:
            axes.set_ylim(ylim)
        style.reference_lines(axes, references)
        if len(curves) > 1:
            style.legend_below(figure, 3)
    return path


def hidden_state_pca(
    hidden: ArrayLike,
    value: ArrayLike,
    path: Path,
    value_name: str = "p(right) - p(left)",
    member: int = 0,
) -> Path:
    """Draw hidden states in their first two principal components, coloured by a task parameter.

    Left: paths of 24 episodes, spread evenly over the parameter, in the components of all states,
    of which time takes the largest share. Right: where episodes end, in the components of their
    last states alone (Wang et al. 2018, Fig. 1).

    Args:
        hidden: Hidden states of one member ``[E, T, H]``.
        value: Task parameter that gives the colour ``[E]``.
        path: Where to write; returned.
        value_name: Name of that parameter, with unit.
        member: Whose hidden states they are, for the caption.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    states = numbers("hidden", hidden, axes=("episode", "trial", "unit"))
    parameter = numbers("value", value, axes=("episode",), complete=True)
    if states.ndim != 3 or parameter.shape != states.shape[:1]:
        raise ValueError(f"hidden must be [E, T, H], value [E], got {states.shape}")
    components, last_components = pca(states, 2), pca(states[:, -1], 2)
    points = components.project(states)  # [E, T, 2]
    last = last_components.project(states[:, -1])  # [E, 2]
    extent = float(np.abs(parameter).max())
    low, high = (-extent, extent) if parameter.min() < 0 else (parameter.min(), parameter.max())
    colour = ScalarMappable(Normalize(low, high), style.gradient(*DIVERGING))
    order = np.argsort(parameter, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(24, len(order))).astype(int)]
    said = f"member {member}; left {len(shown)} of {len(order)} episodes, right all"
    canvas = style.drawing(path, 2, (3.7, 3.4), caption=said)
    with canvas as (figure, (paths, ends)):
        for episode in shown:
            tone = colour.to_rgba(parameter[episode])
            paths.plot(*points[episode].T, color=tone, linewidth=0.8, alpha=0.75)
            x, y = points[episode, -1]
            paths.scatter(x, y, s=16, color=tone, linewidths=0, zorder=3)
        x, y = observed_mean(points[:, 0], axis=0)
        paths.scatter(x, y, s=30, color=style.INK, zorder=4)
        paths.annotate("start", (x, y), (5, 5), textcoords="offset points")
        x, y = last[order].T
        ends.scatter(x, y, c=colour.to_rgba(parameter[order]), s=12, linewidths=0)
        for axes, name, found in (
            (paths, "through the episode", components),
            (ends, "at the end of the episode", last_components),
        ):
            axes.set_xlabel(f"PC 1 ({found.explained[0]:.0%} of variance)")
            axes.set_ylabel(f"PC 2 ({found.explained[1]:.0%})")
            axes.set_title(name, fontweight="normal")
            axes.axhline(0, color=style.GREY, linewidth=0.4, zorder=0)
            axes.axvline(0, color=style.GREY, linewidth=0.4, zorder=0)
        scale = figure.colorbar(colour, ax=ends, pad=0.02)
        scale.set_label(value_name)
        scale.outline.set_visible(False)
    return path

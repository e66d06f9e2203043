"""Figures of behaviour and of hidden states: choice rasters, curves by trial, trajectories.

Arrays of the record and a path in, the path out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from prefrontal.analysis.figures.style import (
    GREY,
    INK,
    PALETTE,
    colours,
    mean_and_members,
    new_figure,
    reference_lines,
    save,
    style,
)
from prefrontal.analysis.neural.representation import pca

# Two ends a colour-blind reader can tell apart, pale in the middle.
DIVERGING = LinearSegmentedColormap.from_list(
    "arms", ["#D55E00", "#F2B489", "#D9D9D9", "#8DBFE0", "#0072B2"]
)


def choice_raster(
    action: ArrayLike,
    reward: ArrayLike,
    arm_probabilities: ArrayLike,
    path: Path,
    title: str = "",
) -> Path:
    """Every choice of a two-armed bandit: one row an episode, one column a trial.

    A row's colour is the arm, full where the pull was rewarded and pale where it was not. Episodes
    are sorted by how much better the right arm is; the arms' probabilities stand at the right.

    Args:
        action: Chosen arms [E, T], 0 (left) or 1 (right).
        reward: Rewards [E, T]; above zero counts as rewarded.
        arm_probabilities: Reward probability of each arm in each episode [E, 2].
        path: Where to write.
        title: Title, if any.

    Returns:
        The path.

    Raises:
        ValueError: If there are not two arms.
    """
    arm, rewarded = np.asarray(action), np.asarray(reward) > 0
    probabilities = np.asarray(arm_probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or probabilities.shape[1] != 2:
        raise ValueError(f"arm_probabilities must be [episodes, 2], got {probabilities.shape}")
    order = np.argsort(probabilities[:, 1] - probabilities[:, 0], kind="stable")
    code = (2 * arm + rewarded)[order]
    tones = ListedColormap(["#F5C9A6", "#D55E00", "#B5D7EC", "#0072B2"])
    names = ["left", "left, rewarded", "right", "right, rewarded"]
    episodes, trials = arm.shape
    with style():
        figure, (axes, side) = new_figure(
            1,
            2,
            (6.4, min(8.0, max(2.6, 1.3 + 0.075 * episodes))),
            width_ratios=[7, 1],
            sharey=True,
        )
        axes.imshow(
            code, cmap=tones, vmin=-0.5, vmax=3.5, aspect="auto", interpolation="nearest",
            extent=(0.5, trials + 0.5, episodes - 0.5, -0.5),
        )  # fmt: skip
        axes.set(xlabel="trial", ylabel="episode, sorted by p(right) - p(left)", title=title)
        axes.set_yticks([])
        rows = np.arange(episodes)
        side.hlines(rows, *probabilities[order].T, color="#DDDDDD", linewidth=1.2)
        for column in (0, 1):
            tone = PALETTE[1 - column]
            side.scatter(probabilities[order, column], rows, s=9, color=tone, linewidths=0)
        side.set(xlabel="p(reward)", xlim=(-0.05, 1.05), xticks=[0, 1])
        side.spines["left"].set_visible(False)
        side.tick_params(axis="y", length=0)
        handles = [axes.scatter([], [], marker="s", s=40, color=tones(i)) for i in range(4)]
        figure.legend(handles, names, loc="outside lower center", ncols=4, handletextpad=0.2)
        return save(figure, path)


def curves_by_trial(
    curves: Mapping[str, ArrayLike],
    path: Path,
    ylabel: str,
    references: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xlabel: str = "trial",
    title: str = "",
) -> Path:
    """Any measure by trial: mean over members with a 95 % interval, every member a thin line.

    Args:
        curves: Condition name to members' curves [M, T].
        path: Where to write.
        ylabel: What is shown, with unit.
        references: Named horizontal lines, for example {"chance": 0.5}.
        ylim: Limits of the vertical axis.
        xlabel: What the columns are.
        title: Title, if any.

    Returns:
        The path.
    """
    with style():
        figure, (axes,) = new_figure()
        longest = 1
        for name, colour in colours(list(curves)).items():
            members = np.atleast_2d(np.asarray(curves[name], dtype=np.float64))
            trials = np.arange(1, members.shape[1] + 1)
            longest = max(longest, members.shape[1])
            mean_and_members(axes, trials, members.T, colour, name)
        axes.set_xlim(1, max(longest, 2))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if ylim is not None:
            axes.set_ylim(ylim)
        reference_lines(axes, references or {})
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        if len(curves) > 1:
            axes.legend(loc="best")
        return save(figure, path)


def hidden_state_pca(
    hidden: ArrayLike,
    value: ArrayLike,
    path: Path,
    value_name: str = "p(right) - p(left)",
    title: str = "",
    num_trajectories: int = 24,
) -> Path:
    """Hidden states in their first two principal components, coloured by a task parameter.

    Left: paths through an episode (dot at the start, end marked), in the components of all states,
    of which time takes the largest share. Right: where episodes end, in the components of their
    last states alone (Wang et al. 2018, Fig. 1).

    Args:
        hidden: Hidden states of one member [E, T, H].
        value: Task parameter that gives the colour [E].
        path: Where to write.
        value_name: Name of that parameter, with unit.
        title: Title, if any.
        num_trajectories: How many episodes to draw as paths, spread evenly over the parameter.

    Returns:
        The path.
    """
    states = np.asarray(hidden, dtype=np.float64)
    parameter = np.asarray(value, dtype=np.float64)
    components, last_components = pca(states, 2), pca(states[:, -1], 2)
    points = components.project(states)  # [E, T, 2]
    last = last_components.project(states[:, -1])  # [E, 2]
    extent = float(np.abs(parameter).max()) if parameter.min() < 0 else float(parameter.max())
    norm = Normalize(-extent if parameter.min() < 0 else float(parameter.min()), extent)
    order = np.argsort(parameter, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(num_trajectories, len(order))).astype(int)]
    with style():
        figure, (paths, ends) = new_figure(1, 2, (7.4, 3.4))
        for episode in shown:
            tone = DIVERGING(norm(parameter[episode]))
            paths.plot(*points[episode].T, color=tone, linewidth=0.8, alpha=0.75)
            paths.scatter(
                points[episode, -1, 0],
                points[episode, -1, 1],
                s=16,
                color=tone,
                linewidths=0,
                zorder=3,
            )
        x, y = points[:, 0].mean(axis=0)
        paths.scatter(x, y, s=30, color=INK, zorder=4)
        paths.annotate("start", (x, y), (5, 5), textcoords="offset points")
        ends.scatter(
            last[order, 0], last[order, 1], c=parameter[order], cmap=DIVERGING, norm=norm, s=12,
            linewidths=0,
        )  # fmt: skip
        panels = (
            (paths, "through the episode", components),
            (ends, "at the end of the episode", last_components),
        )
        for axes, name, found in panels:
            axes.set_xlabel(f"PC 1 ({found.explained[0]:.0%} of variance)")
            axes.set_ylabel(f"PC 2 ({found.explained[1]:.0%})")
            axes.set_title(name, fontweight="normal")
            axes.axhline(0, color=GREY, linewidth=0.4, zorder=0)
            axes.axvline(0, color=GREY, linewidth=0.4, zorder=0)
        scale = figure.colorbar(ScalarMappable(norm, DIVERGING), ax=ends, pad=0.02)
        scale.set_label(value_name)
        scale.outline.set_visible(False)
        if title:
            figure.suptitle(title, fontweight="bold", x=0.01, ha="left", fontsize=10)
        return save(figure, path)

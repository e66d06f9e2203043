"""Figures of probes: matching, dissimilarity matrices, weights of the past.

Arrays of the record's probes and a path in, the path out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.choice.choice import HistoryWeights, Matching
from prefrontal.analysis.figures.style import (
    GREY,
    INK,
    PALETTE,
    mean_and_members,
    new_figure,
    save,
    style,
)


def matching_figure(matching: Matching, path: Path, title: str = "") -> Path:
    """Log choice ratio against log reward ratio, every block a dot, every member a line.

    Args:
        matching: Result of :func:`prefrontal.analysis.choice.choice.matching_law`.
        path: Where to write.
        title: Title, if any.

    Returns:
        The path.
    """
    x, y = matching.log_reward_ratio, matching.log_choice_ratio
    extent = 1.05 * float(np.nanmax(np.abs([x, y])))
    with style():
        figure, (axes,) = new_figure(size=(3.6, 3.6))
        diagonal = [-extent, extent]
        dashes = (0, (4, 3))
        axes.plot(diagonal, diagonal, color=INK, lw=0.9, ls=dashes, label="strict matching")
        axes.scatter(x, y, s=7, color=PALETTE[0], alpha=min(1.0, 60 / x.size + 0.15), linewidths=0)
        for member in range(len(x)):
            ends = np.array([np.nanmin(x[member]), np.nanmax(x[member])])
            fitted = matching.sensitivity[member] * ends + matching.bias[member]
            axes.plot(ends, fitted, color=PALETTE[1], linewidth=1.2, alpha=0.8)
        axes.annotate(
            f"slope {matching.sensitivity.mean():.2f}", (0.05, 0.93), xycoords="axes fraction",
            color=PALETTE[1],
        )  # fmt: skip
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", title=title)
        axes.set(xlabel="log reward ratio", ylabel="log choice ratio")
        axes.legend(loc="lower right")
        return save(figure, path)


def dissimilarity_figure(
    matrices: Mapping[str, ArrayLike],
    conditions: Sequence[str],
    path: Path,
    label: str = "1 - correlation",
    title: str = "",
) -> Path:
    """Dissimilarity matrices side by side, on one scale.

    Args:
        matrices: Name (agent, member, model) to its matrix [C, C].
        conditions: Names of the conditions [C].
        path: Where to write.
        label: What the colours show.
        title: Title, if any.

    Returns:
        The path.
    """
    squares = {name: np.asarray(matrix, dtype=np.float64) for name, matrix in matrices.items()}
    top = max(float(square.max()) for square in squares.values())
    with style():
        words = 0.06 * max(len(name) for name in conditions)  # inches, of upright labels
        figure, panels = new_figure(1, len(squares), (1.3 + 2.2 * len(squares), 3.0 + words))
        figure.set_layout_engine("compressed")
        for i, (axes, (name, square)) in enumerate(zip(panels, squares.items(), strict=True)):
            image = axes.imshow(square, cmap="cividis", vmin=0, vmax=top)
            axes.set_title(name, fontweight="normal")
            ticks = range(len(conditions))
            axes.set_xticks(ticks, conditions, rotation=90)
            axes.set_yticks(ticks, conditions if i == 0 else [""] * len(conditions))
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
        scale = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.02)
        scale.set_label(label)
        scale.outline.set_visible(False)
        if title:
            figure.suptitle(title, fontweight="bold", fontsize=10)
        return save(figure, path)


def history_figure(weights: HistoryWeights, path: Path, title: str = "") -> Path:
    """Weights of past rewards and choices by how long ago, mean and members.

    Args:
        weights: Result of :func:`prefrontal.analysis.choice.choice.history_regression`.
        path: Where to write.
        title: Title, if any.

    Returns:
        The path.
    """
    lags = np.arange(1, weights.reward.shape[1] + 1)
    with style():
        figure, (axes,) = new_figure(size=(4.2, 3.0))
        axes.axhline(0, color=GREY, linewidth=0.6)
        mean_and_members(axes, lags, weights.reward.T, PALETTE[0], "reward")
        mean_and_members(axes, lags, weights.choice.T, PALETTE[1], "choice")
        axes.set(xlabel="trials ago", ylabel="weight (log odds)", title=title)
        axes.set_xticks(lags)
        axes.legend(loc="upper right")
        return save(figure, path)

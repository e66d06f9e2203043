"""Figures of probes: matching, weights of the past, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.choice.choice import HistoryWeights, Matching
from prefrontal.analysis.figures import style


def matching_figure(matching: Matching, path: Path) -> Path:
    """Draw log choice ratio against log reward ratio, every block a dot, every member a line.

    Args:
        matching: Result of `choice.choice.matching_law`.
        path: Where to write; returned.
    """
    x, y = matching.log_reward_ratio, matching.log_choice_ratio
    extent = 1.05 * float(np.nanmax(np.abs([x, y])))
    limits = (-extent, extent)
    canvas = style.drawing(
        path,
        panel=(3.6, 3.6),
        xlabel="log reward ratio",
        ylabel="log choice ratio",
        caption=f"dots: {x.shape[1]} blocks of each of {len(x)} members, lines: members",
    )
    with canvas as (figure, (axes,)):
        axes.plot(limits, limits, color=style.INK, lw=0.9, ls=style.DASHED, label="strict matching")
        alpha = min(1.0, 60 / x.size + 0.15)
        axes.scatter(x, y, s=7, color=style.PALETTE[0], alpha=alpha, linewidths=0)
        for ratios, slope, bias in zip(x, matching.sensitivity, matching.bias, strict=True):
            ends = np.array([np.nanmin(ratios), np.nanmax(ratios)])
            axes.plot(ends, slope * ends + bias, color=style.PALETTE[1], linewidth=1.2, alpha=0.8)
        slope_text = f"slope {matching.sensitivity.mean():.2f}"
        axes.annotate(slope_text, (0.05, 0.93), xycoords="axes fraction", color=style.PALETTE[1])
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        style.legend_below(figure, 1)
    return path


def history_figure(weights: HistoryWeights, path: Path) -> Path:
    """Draw the weights of past rewards and choices by how long ago, mean and members.

    Args:
        weights: Result of `choice.choice.history_regression`.
        path: Where to write; returned.
    """
    canvas = style.drawing(path, panel=(4.2, 3.0), xlabel="trials ago", ylabel="weight (log odds)")
    with canvas as (figure, (axes,)):
        axes.axhline(0, color=style.GREY, linewidth=0.6)
        lags = style.draw_curves(axes, {"reward": weights.reward.T, "choice": weights.choice.T})
        axes.set_xticks(lags)
        style.legend_below(figure, 2)
    return path


def calibration_figure(curves: Mapping[str, tuple[ArrayLike, ArrayLike]], path: Path) -> Path:
    """Draw the fraction of right choices against confidence.

    Args:
        curves: By name, mean confidence and fraction right of each bin ``[M, bins]`` each, of
            `choice.metacognition.calibration_curve`; bins that a member lacks are left out.
        path: Where to write; returned.
    """
    tones = style.colours(list(curves))
    canvas = style.drawing(path, panel=(3.8, 3.6), xlabel="confidence", ylabel="fraction right")
    with canvas as (figure, (axes,)):
        axes.plot((0, 1), (0, 1), color=style.INK, lw=0.9, ls=style.DASHED, label="calibrated")
        for name, (confidence, right) in curves.items():
            held, values = np.asarray(confidence), np.asarray(right)
            full = ~np.isnan(held).any(axis=0)
            x = held[:, full].mean(axis=0)
            style.mean_and_members(axes, x, values[:, full].T, tones[name], name, 0.5)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        style.legend_below(figure, 2)
    return path

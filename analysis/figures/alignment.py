"""Figures of recordings beside models: what units code, and where a core comes to rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style
from prefrontal.analysis.missing import numbers


def encoding_figure(
    scores: Mapping[str, ArrayLike],
    passing: Mapping[str, ArrayLike],
    latents: Sequence[str],
    path: Path,
) -> Path:
    """Draw what each latent variable explains of each unit, a panel an area.

    Args:
        scores: By area, parts of variance or deviance ``[U, K]``; NaN is left out.
        passing: By area, whether a unit codes the variable (0 or 1) ``[U, K]``.
        latents: Names of the K latent variables.
        path: Where to write; returned.
    """
    size = (1.6 + 0.55 * len(latents), 4.4)
    said = "a dot a unit, filled where it passes the session permutation; line: median"
    canvas = style.drawing(path, len(scores), size, most=3, ylabel="explained", caption=said)
    rng = np.random.default_rng(0)
    with canvas as (_, panels):
        for axes, (area, given) in zip(panels, scores.items(), strict=True):
            values = numbers("scores", given, axes=("unit", "latent"))
            filled = numbers("passing", passing[area], 0, 1, axes=("unit", "latent")) > 0
            for k in range(len(latents)):
                there = ~np.isnan(values[:, k])
                aside = k + rng.uniform(-0.25, 0.25, int(there.sum()))
                y, full = values[there, k], filled[there, k]
                tone = style.PALETTE[k % len(style.PALETTE)]
                axes.scatter(aside[full], y[full], s=9, color=tone, linewidths=0)
                axes.scatter(
                    aside[~full], y[~full], s=9, facecolors="none", edgecolors=tone, linewidths=0.5
                )
                if len(y):
                    axes.plot([k - 0.3, k + 0.3], [np.median(y)] * 2, color=style.INK, linewidth=1)
            axes.axhline(0, color=style.GREY, linewidth=0.8)
            axes.set_xticks(range(len(latents)), latents, rotation=45, ha="right")
            axes.set_ylim(max(-0.5, float(np.nanmin(values, initial=0.0)) - 0.05), 1)
            axes.set_title(area)
    return path


def slow_points_figure(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], path: Path, label: str
) -> Path:
    """Draw visited states in two principal components, and where the core would come to rest.

    Args:
        panels: Title (a member) to states ``[N, 2]``, what they stand for ``[N]`` (their colour),
            and the slow points ``[P, 2]``.
        path: Where to write; returned.
        label: What the colour is.
    """
    said = f"dots: visited states, colour {label}; crosses: slow points"
    names = "first component", "second component"
    canvas = style.drawing(path, len(panels), (2.9, 2.8), (0.0, 0.0), 4, *names, said)
    with canvas as (_, each):
        for axes, (title, given) in zip(each, panels.items(), strict=True):
            states, colour, points = (numbers("panels", one, axes=("point",)) for one in given)
            x, y = states[:, 0], states[:, 1]
            axes.scatter(x, y, c=colour, s=5, cmap="coolwarm", linewidths=0, rasterized=True)
            x, y = points[:, 0], points[:, 1]
            axes.scatter(x, y, marker="x", s=18, color=style.INK, linewidths=0.9)
            axes.set_title(title)
    return path

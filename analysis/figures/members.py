"""Scatter plots in which every member is a colour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style
from prefrontal.analysis.missing import numbers


def scatter_by_member(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    path: Path,
    xlabel: str,
    ylabel: str,
    diagonal: bool = False,
    episodes: int | None = None,
) -> Path:
    """Draw one number against another, a panel a condition.

    Args:
        panels: Title to horizontal and vertical positions ``[M, N]``; NaN is left out.
        path: Where to write; returned.
        xlabel: What is horizontal, with unit.
        ylabel: What is vertical, with unit.
        diagonal: Whether to draw the line on which both are equal.
        episodes: Episodes of each member that were measured, for the caption.
    """
    said = "; ".join(text for text in ("a colour a member", style.each(episodes)) if text)
    size, margin = (3.4, 3.2), (0.4, 0.0)
    canvas = style.drawing(path, len(panels), size, margin, 3, xlabel, ylabel, said)
    with canvas as (_, each):
        for axes, (title, (x, y)) in zip(each, panels.items(), strict=True):
            x, y = (numbers("panels", one, axes=("member", "point")) for one in (x, y))
            for m, (a, b) in enumerate(zip(x, y, strict=True)):
                tone = style.PALETTE[m % len(style.PALETTE)]
                axes.scatter(a, b, s=12, color=tone, alpha=0.8, linewidths=0)
            if diagonal:
                ends = [float(np.nanmin([x, y])), float(np.nanmax([x, y]))]
                axes.plot(ends, ends, color=style.INK, linewidth=0.9, linestyle=style.DASHED)
            axes.set_title(title)
    return path

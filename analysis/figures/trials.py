"""Figures of learning by trial: errors with their quartiles, and the output in a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style


def error_curves(
    errors: Mapping[str, ArrayLike],
    criteria: Mapping[str, ArrayLike],
    path: Path,
    level: float,
    window: int = 20,
) -> Path:
    """Draw errors of trials, one panel a condition: median and quartiles of the members.

    Args:
        errors: Condition to error of each trial ``[U, M]``; drawn as means over `window` trials.
        criteria: Condition to the trials that members needed to reach the criterion ``[M]``
            (infinite if never), drawn as marks.
        path: Where to write; returned.
        level: Error below which a trial is right.
        window: Trials that are averaged, at most.
    """
    window = max(1, min(window, *(np.shape(one)[0] for one in errors.values())))
    caption = (
        f"means over {window} trials; line: median of the members, band: quartiles, thin: each "
        "member, triangles: criterion reached"
    )
    labels = {"xlabel": "trial", "ylabel": "error"}
    canvas = style.drawing(
        path, len(errors), (2.7, 2.3), (0.6, 0.4), 4, caption=caption, **labels, **style.SHARED
    )
    tones = style.colours(list(errors))
    with canvas as (_, panels):
        for axes, (condition, values) in zip(panels, errors.items(), strict=True):
            curves, tone = np.asarray(values, dtype=np.float64), tones[condition]
            count = len(curves) // window
            means = curves[: count * window].reshape(count, window, curves.shape[1]).mean(axis=1)
            x = (np.arange(count) + 0.5) * window
            low, middle, high = np.quantile(means, [0.25, 0.5, 0.75], axis=1)
            axes.plot(x, means, color=tone, linewidth=0.4, alpha=0.35)
            axes.fill_between(x, low, high, color=tone, alpha=0.25, linewidth=0)
            axes.plot(x, middle, color=tone, linewidth=1.8)
            style.reference_lines(axes, {"right side": level})
            at = np.asarray(criteria[condition], dtype=np.float64)
            marks = at[np.isfinite(at)]
            axes.plot(marks, np.full(len(marks), 0.03), "^", color=style.INK, markersize=4)
            axes.set(title=f"{condition} ({len(at)} members)", ylim=(0, 2), xlim=(0, len(curves)))
    return path


def responses(
    traces: Mapping[str, ArrayLike],
    path: Path,
    shaded: Mapping[str, Sequence[tuple[float, float]]],
    targets: Mapping[str, float],
    response: tuple[float, float],
    ylabel: str = "output",
) -> Path:
    """Draw what the output does in a trial, one panel a type of trial.

    Args:
        traces: Type to the output at each step ``[T, M]``, means over the trials of each member.
        path: Where to write; returned.
        shaded: Type to the times (from, to) in which a stimulus was shown.
        targets: Type to the target of the output.
        response: When the output has to be near its target, (from, to).
        ylabel: What the output is.
    """
    canvas = style.drawing(
        path, len(traces), (2.3, 2.1), (0.4, 0.4), 4, "step", ylabel, **style.SHARED
    )
    with canvas as (_, panels):
        for axes, (name, values) in zip(panels, traces.items(), strict=True):
            curves = np.asarray(values, dtype=np.float64)
            for span in shaded[name]:
                axes.axvspan(*span, color=style.FAINT, linewidth=0)
            x = np.arange(len(curves))
            style.mean_and_members(axes, x, curves, style.PALETTE[targets[name] > 0])
            axes.plot(response, [targets[name]] * 2, color=style.INK, linewidth=3.0)
            axes.set(title=name, ylim=(-1.1, 1.1), xlim=(0, len(curves)))
    return path

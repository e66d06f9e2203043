"""Continual learning: accuracy by pair, what is forgotten and what is carried over, and how soon a change is made good.

Choices between two stimuli. Arrays of a record are [M, E, T]: members, episodes, trials. A *matrix* holds the
accuracy after each stage of training on each mode, R[stage, mode] (Lopez-Paz & Ranzato 2017, "Gradient episodic
memory for continual learning", eqs. 2 to 4); stages and modes come in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.stats.intervals import Interval, interval

Array = NDArray[np.float64]


def pair_accuracy(correct: ArrayLike, pair: ArrayLike, pairs: Sequence[int]) -> Array:
    """Fraction of right choices for each pair of stimuli.

    Pooled over pairs, an accuracy hides that one pair is at chance, or below it.

    Args:
        correct: Whether the choice was right [M, E, T].
        pair: Code of the pair that was shown [M, E, T].
        pairs: Which codes to report.

    Returns:
        Fractions [M, pairs]; NaN for a pair that a member never met.
    """
    right, shown = np.asarray(correct, dtype=np.float64), np.asarray(pair)
    if right.shape != shown.shape or right.ndim != 3:
        raise ValueError(f"arrays must be one [M, E, T], got {right.shape} and {shown.shape}")
    columns = []
    for code in pairs:
        met = shown == code
        count = met.sum(axis=(1, 2))
        total = (right * met).sum(axis=(1, 2))
        columns.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return np.stack(columns, axis=1)


def confusion_by_pair(
    left: ArrayLike, right: ArrayLike, chosen: ArrayLike, stimuli: Sequence[int]
) -> Array:
    """How often each stimulus was chosen over each other one.

    Entry [i, j] is P(i is chosen | i and j are shown), so [i, j] + [j, i] = 1: every pair stands for itself.

    Args:
        left: Stimulus on the left [M, E, T].
        right: Stimulus on the right [M, E, T].
        chosen: The one that was chosen [M, E, T].
        stimuli: Which stimuli, in the order of rows and columns.

    Returns:
        [M, S, S]; NaN on the diagonal and for pairs that a member never met.
    """
    one, two, took = np.asarray(left), np.asarray(right), np.asarray(chosen)
    size = len(stimuli)
    table = np.full((one.shape[0], size, size), np.nan)
    for i, a in enumerate(stimuli):
        for j, b in enumerate(stimuli):
            if i == j:
                continue
            met = ((one == a) & (two == b)) | ((one == b) & (two == a))
            count = met.sum(axis=(1, 2))
            picked = (met & (took == a)).sum(axis=(1, 2))
            table[:, i, j] = np.where(count > 0, picked / np.maximum(count, 1), np.nan)
    return table


def pooled_confusion(better: ArrayLike, chosen: ArrayLike, stimuli: Sequence[int]) -> Array:
    """The published matrix: which stimulus was chosen (column) when which was the better one (row), all pairs pooled.

    For comparison: where the better of {1, 2} and of {1, 3} and {2, 3} share rows, a failure on one pair is diluted.

    Args:
        better: The better stimulus of each trial [M, E, T].
        chosen: The one that was chosen [M, E, T].
        stimuli: Which stimuli, in the order of rows and columns.

    Returns:
        Fractions of the trials of a row [M, S, S]; NaN in rows that never occurred.
    """
    best, took = np.asarray(better), np.asarray(chosen)
    counts = np.stack(
        [
            np.stack([((best == a) & (took == b)).sum(axis=(1, 2)) for b in stimuli], axis=1)
            for a in stimuli
        ],
        axis=1,
    ).astype(np.float64)
    total = counts.sum(axis=2, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.nan)


@dataclass(frozen=True)
class Transfer:
    """What a learner keeps and carries over, per member [M] each, in units of accuracy.

    Attributes:
        average: ACC, accuracy after the last stage, mean over modes (eq. 2).
        backward: BWT, accuracy after the last stage less that right after a mode was learnt, mean over all modes but
            the last (eq. 3). Negative: forgetting.
        forward: FWT, accuracy before a mode is learnt less that of untrained agents, mean over all modes but the
            first (eq. 4); NaN without `untrained`.
        forgetting: Best accuracy a mode had after any earlier stage less the last one, mean over all modes but the
            last (Chaudhry et al. 2018, "Riemannian walk", eq. 3). 0: nothing is forgotten.
        learning: Accuracy right after a mode was learnt, mean over modes.
    """

    average: Array
    backward: Array
    forward: Array
    forgetting: Array
    learning: Array

    def intervals(self) -> dict[str, Interval]:
        """Each measure with its interval over members (measures that are not a number are left out)."""
        found = {name: np.asarray(value) for name, value in vars(self).items()}
        return {name: interval(value) for name, value in found.items() if np.isfinite(value).all()}


def transfer(matrix: ArrayLike, untrained: ArrayLike | None = None) -> Transfer:
    """Average accuracy, backward and forward transfer and forgetting.

    Args:
        matrix: Accuracy of each member after each stage on each mode, R [M, N, N].
        untrained: Accuracy of each member before training on each mode, b [M, N].

    Returns:
        The measures.

    Raises:
        ValueError: If there are not as many stages as modes, or fewer than two.
    """
    table = np.asarray(matrix, dtype=np.float64)
    if table.ndim != 3 or table.shape[1] != table.shape[2] or table.shape[1] < 2:
        raise ValueError(f"matrix must be [M, N, N] with two modes or more, got {table.shape}")
    modes = table.shape[1]
    last, learnt = table[:, -1], np.einsum("mii->mi", table)
    backward = (last - learnt)[:, :-1].mean(axis=1)
    # BEST of the stages before the last in which a mode had been learnt
    best = np.stack([table[:, mode:-1, mode].max(axis=1) for mode in range(modes - 1)], axis=1)
    forward = np.full(len(table), np.nan)
    if untrained is not None:
        start = np.asarray(untrained, dtype=np.float64)
        if start.shape != (len(table), modes):
            raise ValueError(f"untrained must be {(len(table), modes)}, got {start.shape}")
        before = np.stack([table[:, mode - 1, mode] for mode in range(1, modes)], axis=1)
        forward = (before - start[:, 1:]).mean(axis=1)
    return Transfer(
        average=last.mean(axis=1),
        backward=backward,
        forward=forward,
        forgetting=(best - last[:, :-1]).mean(axis=1),
        learning=learnt.mean(axis=1),
    )


def accuracy_since(correct: ArrayLike, since: ArrayLike, counted: ArrayLike, num: int) -> Array:
    """Accuracy by trials since something happened (a switch, the change of a pair's order).

    Args:
        correct: Whether the choice was right [M, E, T].
        since: Trials since it happened, from 0 [M, E, T].
        counted: Which trials count [M, E, T] (those after a first switch, say).
        num: How many trials to report.

    Returns:
        Fractions [M, num]; NaN where nothing counts.
    """
    right, when = np.asarray(correct, dtype=np.float64), np.asarray(since)
    wanted = np.asarray(counted, dtype=bool)
    if not right.shape == when.shape == wanted.shape:
        raise ValueError(f"one shape is needed, got {right.shape}, {when.shape}, {wanted.shape}")
    curve = np.full((right.shape[0], num), np.nan)
    for n in range(num):
        at = wanted & (when == n)
        count = at.sum(axis=(1, 2))
        total = (right * at).sum(axis=(1, 2))
        curve[:, n] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return curve


def recovery_time(curves: ArrayLike, level: ArrayLike, window: int = 1) -> Array:
    """How long after a switch accuracy is back: the first point from which a running mean reaches a level.

    The mean over points n ... n + window - 1 has to reach the level; what comes later does not count.

    Args:
        curves: Accuracy after the switch [M, U], point 0 the first one after it.
        level: Accuracy to be reached, for all or for each member [M].
        window: Points of the running mean.

    Returns:
        The point n of each member [M]; infinity for one that never gets there.

    Raises:
        ValueError: If the window is longer than the curves, or a curve has a gap.
    """
    table = np.asarray(curves, dtype=np.float64)
    if table.ndim != 2 or not 1 <= window <= table.shape[1]:
        raise ValueError(
            f"a window of {window} needs curves [M, U] at least as long: {table.shape}"
        )
    if not np.isfinite(table).all():
        raise ValueError("curves must be finite: there is a point at which nothing was counted")
    means = np.lib.stride_tricks.sliding_window_view(table, window, axis=1).mean(axis=-1)
    wanted = np.broadcast_to(np.asarray(level, dtype=np.float64), (len(table),))
    reached = means >= wanted[:, None] - 1e-12
    return np.where(reached.any(axis=1), reached.argmax(axis=1).astype(np.float64), np.inf)


def time_to(steps: ArrayLike, curves: ArrayLike, level: float) -> Array:
    """When a curve of training first reaches a level, by straight lines between its points.

    Args:
        steps: Steps at which accuracy was measured, rising [U].
        curves: Accuracy [M, U].
        level: Accuracy to be reached.

    Returns:
        Steps [M]; infinity for a member that never gets there.
    """
    x, table = np.asarray(steps, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    if x.shape != table.shape[1:]:
        raise ValueError(f"one step for each point is needed, got {x.shape} for {table.shape}")
    found = np.full(len(table), np.inf)
    for member, y in enumerate(table):
        reached = y >= level
        if reached.any():
            n = int(reached.argmax())
            part = 1.0 if n == 0 else (level - y[n - 1]) / (y[n] - y[n - 1])
            found[member] = x[n] if n == 0 else x[n - 1] + part * (x[n] - x[n - 1])
    return found


def by_pair_intervals(accuracies: ArrayLike, names: Sequence[str]) -> Mapping[str, Interval]:
    """Mean accuracy of each pair [M, pairs] with its interval over members, by name."""
    table = np.asarray(accuracies, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise ValueError(f"accuracies must be [M, {len(names)}], got {table.shape}")
    return {name: interval(column) for name, column in zip(names, table.T, strict=True)}

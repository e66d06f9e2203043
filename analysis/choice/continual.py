"""Continual learning: accuracy by pair, forgetting, transfer, and recovery after a switch.

Choices between two stimuli. Arrays of a record are ``[M, E, T]``: members, episodes, trials. A
*matrix* holds the accuracy after each stage of training on each mode, R[stage, mode] (Lopez-Paz &
Ranzato 2017, "Gradient episodic memory for continual learning", eqs. 2 to 4); stages and modes come
in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import MISSING, answers, codes, numbers
from prefrontal.analysis.stats.intervals import Interval, interval
from prefrontal.analysis.stats.means import masked_mean, mean_by_label

Array = NDArray[np.float64]


def pair_accuracy(correct: ArrayLike, pair: ArrayLike, pairs: Sequence[int]) -> Array:
    """Return the fraction of right choices for each pair of stimuli.

    Pooled over pairs, an accuracy hides that one pair is at chance, or below it.

    Args:
        correct: Whether the choice was right ``[M, E, T]``, 0 or 1.
        pair: Code of the pair that was shown ``[M, E, T]``.
        pairs: Which codes to report.

    Returns:
        Fractions ``[M, pairs]``; NaN for a pair that a member never met.
    """
    return mean_by_label(answers("correct", correct), pair, pairs)


def confusion_by_pair(
    left: ArrayLike, right: ArrayLike, chosen: ArrayLike, stimuli: Sequence[int]
) -> Array:
    """Return how often each stimulus was chosen over each other one.

    Entry (i, j) is P(i is chosen | i and j are shown), so that (i, j) and (j, i) sum to 1.

    Args:
        left: Stimulus on the left ``[M, E, T]``.
        right: Stimulus on the right ``[M, E, T]``.
        chosen: The one that was chosen ``[M, E, T]``.
        stimuli: Which stimuli, in the order of rows and columns.

    Returns:
        ``[M, S, S]``; NaN on the diagonal and for pairs that a member never met.

    Raises:
        ValueError: If shapes disagree, or the chosen stimulus is neither of the two.
    """
    shown = {"left": left, "right": right, "chosen": chosen}
    one, two, took = (codes(name, values) for name, values in shown.items())
    if not one.shape == two.shape == took.shape or one.ndim != 3:
        shapes = f"{one.shape}, {two.shape} and {took.shape}"
        raise ValueError(f"one shape [M, E, T] is needed, got {shapes}")
    known = (one != MISSING) & (two != MISSING) & (took != MISSING)
    if (known & (took != one) & (took != two)).any():
        m, e, t = np.argwhere(known & (took != one) & (took != two))[0]
        raise ValueError(
            f"chosen must be the left or the right stimulus, {one[m, e, t]} or {two[m, e, t]}, "
            f"got {took[m, e, t]} at member {m}, episode {e}, trial {t}"
        )
    size = len(stimuli)
    table = np.full((one.shape[0], size, size), np.nan)
    for i, a in enumerate(stimuli):
        for j, b in enumerate(stimuli):
            if i == j:
                continue
            met = ((one == a) & (two == b)) | ((one == b) & (two == a))
            table[:, i, j] = masked_mean(took == a, met & known, (1, 2))
    return table


@dataclass(frozen=True)
class Transfer:
    """What a learner keeps and carries over, per member ``[M]`` each, in units of accuracy.

    Attributes:
        average: ACC, accuracy after the last stage, mean over modes (eq. 2).
        backward: BWT, accuracy after the last stage less that right after a mode was learnt, mean
            over all modes but the last (eq. 3). Negative: forgetting.
        forward: FWT, accuracy before a mode is learnt less that of untrained agents, mean over all
            modes but the first (eq. 4); NaN without `untrained`.
        forgetting: Best accuracy a mode had after any earlier stage less the last one, mean over
            all modes but the last (Chaudhry et al. 2018, "Riemannian walk", eq. 3). 0: nothing is
            forgotten.
        learning: Accuracy right after a mode was learnt, mean over modes.
    """

    average: Array
    backward: Array
    forward: Array
    forgetting: Array
    learning: Array

    def intervals(self) -> dict[str, Interval]:
        """Return each measure that is finite in all members with its interval over them."""
        found = {name: np.asarray(value) for name, value in vars(self).items()}
        return {name: interval(value) for name, value in found.items() if np.isfinite(value).all()}


def transfer(matrix: ArrayLike, untrained: ArrayLike | None = None) -> Transfer:
    """Return average accuracy, backward and forward transfer and forgetting.

    Args:
        matrix: Accuracy of each member after each stage on each mode, R ``[M, N, N]``. A measure
            of which some part is NaN is NaN.
        untrained: Accuracy of each member before training on each mode, b ``[M, N]``.

    Raises:
        ValueError: If there are not as many stages as modes, fewer than two, or an accuracy is not
            from 0 to 1.
    """
    table = numbers("matrix", matrix, 0.0, 1.0, axes=("member", "stage", "mode"))
    if table.ndim != 3 or table.shape[1] != table.shape[2] or table.shape[1] < 2:
        raise ValueError(f"matrix must be [M, N, N] with two modes or more, got {table.shape}")
    modes = table.shape[1]
    last, learnt = table[:, -1], np.einsum("mii->mi", table)
    backward = (last - learnt)[:, :-1].mean(axis=1)
    # BEST of the stages before the last in which a mode had been learnt
    best = np.stack([table[:, mode:-1, mode].max(axis=1) for mode in range(modes - 1)], axis=1)
    forward = np.full(len(table), np.nan)
    if untrained is not None:
        start = numbers("untrained", untrained, 0.0, 1.0, axes=("member", "mode"))
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


def recovery_time(curves: ArrayLike, level: ArrayLike, window: int = 1) -> Array:
    """Return how long after a switch accuracy is back at a level.

    The answer is the first point n whose mean over n ... n + window - 1 reaches the level; what
    comes later does not count.

    Args:
        curves: Accuracy after the switch ``[M, U]``, point 0 the first one after it.
        level: Accuracy to be reached, for all or for each member ``[M]``.
        window: Points of the running mean.

    Returns:
        The point n of each member ``[M]``; infinity for one that never gets there.

    Raises:
        ValueError: If the window is longer than the curves, or a curve has a gap.
    """
    table = numbers("curves", curves, axes=("member", "point"), complete=True)
    if table.ndim != 2 or not 1 <= window <= table.shape[1]:
        raise ValueError(
            f"a window of {window} needs curves [M, U] at least as long: {table.shape}"
        )
    means = np.lib.stride_tricks.sliding_window_view(table, window, axis=1).mean(axis=-1)
    wanted = numbers("level", level, axes=("member",), complete=True)
    if wanted.shape not in ((), (len(table),)):
        raise ValueError(f"level must be one number or [{len(table)}], got {wanted.shape}")
    wanted = np.broadcast_to(wanted, (len(table),))
    reached = means >= wanted[:, None] - 1e-12
    return np.where(reached.any(axis=1), reached.argmax(axis=1).astype(np.float64), np.inf)

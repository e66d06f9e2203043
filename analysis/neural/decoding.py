"""Linear decoding of task variables from hidden states, cross-validated over episodes.

Folds never divide an episode: its steps are alike, and a decoder that has seen some of them would
only recognise the episode. No penalty is tuned on the data that score it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers
from prefrontal.analysis.stats.regression import ridge_decoder

Array = NDArray[np.float64]


def decode_value(
    hidden: ArrayLike, target: ArrayLike, folds: int = 5, ridge: float = 1.0, seed: int = 0
) -> Array:
    """Decode a continuous variable from activity by ridge regression.

    Args:
        hidden: Activity ``[M, E, T, H]``; steps in which something is missing (NaN) are left out.
        target: The variable at the same steps ``[M, E, T]``.
        folds: Number of folds of episodes.
        ridge: Penalty on standardised weights, in units of samples.
        seed: Seed of the division into folds.

    Returns:
        R squared on left-out episodes ``[M]``: 1 perfect, 0 as good as the mean, below 0 worse.

    Raises:
        ValueError: If shapes disagree, there are more folds than episodes, or the variable never
            changes.
    """
    activity, wanted, fold = _checked(hidden, target, folds, seed)
    scores = []
    for x, y in zip(activity, wanted, strict=True):
        predicted = np.empty(y.shape)
        for k in range(folds):
            train, test = fold != k, fold == k
            decode = ridge_decoder(x[train].reshape(-1, x.shape[-1]), y[train].ravel(), ridge)
            predicted[test] = decode(x[test])
        whole = ~np.isnan(y)
        total = ((y[whole] - y[whole].mean()) ** 2).sum() if whole.any() else 0.0
        if total == 0:
            raise ValueError("the variable never changes: there is nothing to decode")
        scores.append(1 - ((y - predicted)[whole] ** 2).sum() / total)
    return np.array(scores)


def _checked(
    hidden: ArrayLike, target: ArrayLike, folds: int, seed: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return activity, target, and the fold of every episode ``[E]``."""
    activity, wanted = numbers("hidden", hidden), numbers("target", target)
    if activity.ndim != 4 or activity.shape[:3] != wanted.shape:
        raise ValueError(
            f"hidden must be [M, E, T, H], target [M, E, T]; got {activity.shape}, {wanted.shape}"
        )
    wanted = np.where(np.isnan(activity).any(axis=-1), np.nan, wanted)
    episodes = activity.shape[1]
    if not 2 <= folds <= episodes:
        raise ValueError(f"folds must be 2 to {episodes}, the number of episodes, got {folds}")
    fold = np.random.default_rng(seed).permutation(np.arange(episodes) % folds)
    return activity, wanted, fold

"""Linear decoding of task variables from hidden states, cross-validated over episodes.

Folds never divide an episode: its steps are alike, and a decoder that has seen some of them would
only recognise the episode. No penalty is tuned on the data that score it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.stats.regression import ridge_decoder

Array = NDArray[np.float64]


def decode_value(
    hidden: ArrayLike, target: ArrayLike, folds: int = 5, ridge: float = 1.0, seed: int = 0
) -> Array:
    """Decode a continuous variable from activity by ridge regression.

    Args:
        hidden: Activity ``[M, E, T, H]``.
        target: The variable at the same steps ``[M, E, T]``.
        folds: Number of folds of episodes.
        ridge: Penalty on standardised weights, in units of samples.
        seed: Seed of the division into folds.

    Returns:
        R squared on left-out episodes ``[M]``: 1 perfect, 0 as good as the mean, below 0 worse.
    """
    activity, wanted, fold = _checked(hidden, target, folds, seed)
    scores = []
    for x, y in zip(activity, wanted, strict=True):
        predicted = np.empty(y.shape)
        for k in range(folds):
            train, test = fold != k, fold == k
            decode = ridge_decoder(x[train].reshape(-1, x.shape[-1]), y[train].ravel(), ridge)
            predicted[test] = decode(x[test])
        scores.append(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    return np.array(scores)


def _checked(
    hidden: ArrayLike, target: ArrayLike, folds: int, seed: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return activity, target, and the fold of every episode ``[E]``."""
    activity, wanted = np.asarray(hidden, np.float64), np.asarray(target, np.float64)
    if activity.ndim != 4 or activity.shape[:3] != wanted.shape:
        raise ValueError(
            f"hidden must be [M, E, T, H], target [M, E, T]; got {activity.shape}, {wanted.shape}"
        )
    episodes = activity.shape[1]
    if not 2 <= folds <= episodes:
        raise ValueError(f"folds must be 2 to {episodes}, the number of episodes, got {folds}")
    fold = np.random.default_rng(seed).permutation(np.arange(episodes) % folds)
    return activity, wanted, fold

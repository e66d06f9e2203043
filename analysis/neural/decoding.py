"""Linear decoding of task variables from hidden states, cross-validated over episodes.

Folds never divide an episode: its steps are alike, and a decoder that has seen some of them would
only recognise the episode. No penalty is tuned on the data that score it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.stats.regression import (
    logistic_regression,
    ridge_decoder,
    standardiser,
)

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


def decode_class(
    hidden: ArrayLike, label: ArrayLike, folds: int = 5, ridge: float = 1.0, seed: int = 0
) -> Array:
    """Decode a category from activity by logistic regressions, each category against the rest.

    Args:
        hidden: Activity ``[M, E, T, H]``.
        label: Category at the same steps ``[M, E, T]``, any values.
        folds: Number of folds of episodes.
        ridge: Penalty on standardised weights.
        seed: Seed of the division into folds.

    Returns:
        Balanced accuracy on left-out episodes ``[M]``: the mean over categories of the fraction
        decoded right, so that chance is one over the number of categories however unequal they are.

    Raises:
        ValueError: If there is one category only, or a training fold lacks one.
    """
    names, index = np.unique(np.asarray(label), return_inverse=True)
    if len(names) < 2:
        raise ValueError("decoding needs two categories or more, got one")
    activity, wanted, fold = _checked(hidden, index.reshape(np.shape(label)), folds, seed)
    scores = []
    for x, y in zip(activity, wanted.astype(int), strict=True):
        predicted = np.empty(y.shape, dtype=int)
        for k in range(folds):
            train, test = fold != k, fold == k
            samples = x[train].reshape(-1, x.shape[-1])
            scaled = standardiser(samples)
            a, b = (np.insert(scaled(z), 0, 1.0, axis=-1) for z in (samples, x[test]))
            is_class = y[train].ravel()[:, None] == np.arange(len(names))
            if not is_class.any(axis=0).all():
                raise ValueError("a fold lacks a category: use more episodes or fewer folds")
            # Every category weighs the same, as in the score.
            weights = (is_class / is_class.sum(axis=0)).sum(axis=1) * len(is_class) / len(names)
            odds = [
                b @ logistic_regression(a, one, weights, ridge=ridge).coefficients
                for one in is_class.T
            ]
            predicted[test] = np.argmax(odds, axis=0)
        scores.append(np.mean([(predicted[y == c] == c).mean() for c in range(len(names))]))
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

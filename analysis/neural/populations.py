"""How alike two populations are in the same trials: CKA, CCA, and their halves as a ceiling.

Rows are the same trials in both: a recording and the hidden state of a network that was shown the
same history, or two networks. What one explains of the other is `scoring.explained`; `crossnobis`
has cross-validated distances of conditions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, number, numbers
from prefrontal.analysis.neural.scoring import blocks

Array = NDArray[np.float64]


def linear_cka(first: ArrayLike, second: ArrayLike, debiased: bool = False) -> float:
    """Return the linear centred kernel alignment of two populations (Kornblith et al. 2019).

    ``HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))`` with K = X X' and L = Y Y': 1 for populations that
    are alike up to rotation and scale. With few trials and many units it is far above 0 for
    populations that share nothing; debiased (HSIC_1 of Song et al. 2012; Nguyen et al. 2021) it is
    0 on average then, and can be below 0.

    Args:
        first: Activity ``[N, H]``; trials in which anything is missing (NaN) are left out.
        second: Activity in the same trials ``[N, J]``.
        debiased: Whether to use the unbiased estimate.

    Raises:
        ValueError: If shapes disagree, there are fewer than four trials, or nothing changes.
    """
    x, y = _pair(first, second, 4)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    both = _hsic(x, x, debiased), _hsic(y, y, debiased)
    if min(both) <= 0:
        raise ValueError("a population that does not change over trials has no alignment")
    return _hsic(x, y, debiased) / float(np.sqrt(both[0] * both[1]))


def cca(
    first: ArrayLike,
    second: ArrayLike,
    components: int = 3,
    folds: int = 5,
    block: int = 10,
    ridge: float = 1.0,
) -> Array:
    """Return canonical correlations of two populations in left-out trials (Hotelling 1936).

    Directions are found in the training folds; correlations of the projections of all left-out
    trials, each fold centred by its training trials, are averaged over folds. Without
    cross-validation they would be near 1 wherever units are not far fewer than trials.

    Args:
        first: Activity ``[N, H]``; trials in which anything is missing (NaN) are left out.
        second: Activity in the same trials ``[N, J]``.
        components: How many pairs of directions.
        folds: Folds of trials.
        block: Neighbouring trials that stay in one fold.
        ridge: Penalty on directions of standardised units, in units of samples.

    Returns:
        ``[components]``, in the order of the correlations in the training folds.

    Raises:
        ValueError: If shapes disagree, there are too few trials, or too many components.
    """
    x, y = _pair(first, second, 4)
    number("ridge", ridge, 0.0)
    most = min(x.shape[1], y.shape[1])
    if not 1 <= components <= most:
        raise ValueError(f"components must be 1 to {most}, got {components}")
    fold, found = blocks(len(x), folds, block), []
    for k in range(folds):
        train, test = fold != k, fold == k
        a, b = (_whitened(one, train, ridge) for one in (x, y))
        left, _, right = np.linalg.svd(a[train].T @ b[train], full_matrices=False)
        projected = a[test] @ left[:, :components], b[test] @ right[:components].T
        found.append(_correlations(*projected))
    return np.asarray(np.mean(found, axis=0))


def split_units(
    patterns: ArrayLike,
    measure: Callable[[Array, Array], float],
    splits: int = 20,
    seed: int = 0,
) -> float:
    """Return how alike two random halves of a population's units are: a ceiling for `measure`.

    Args:
        patterns: Activity ``[N, H]``.
        measure: Of two populations ``[N, H / 2]``, such as `linear_cka`.
        splits: Divisions into halves that are averaged over.
        seed: Seed of the divisions.

    Raises:
        ValueError: If there are fewer than two units.
    """
    x = numbers("patterns", patterns, axes=("trial", "unit"))
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"patterns must be [N, H] with H >= 2, got {x.shape}")
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(x.shape[1]) for _ in range(splits)]
    half = x.shape[1] // 2
    return float(np.mean([measure(x[:, o[:half]], x[:, o[half : 2 * half]]) for o in orders]))


def _pair(first: ArrayLike, second: ArrayLike, least: int) -> tuple[Array, Array]:
    """Return both with the trials that are whole in both."""
    x, y = (
        numbers(n, v, axes=("trial", "unit")) for n, v in (("first", first), ("second", second))
    )
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"both must be [N, units] of the same trials, got {x.shape} and {y.shape}")
    whole = ~(np.isnan(x).any(axis=1) | np.isnan(y).any(axis=1))
    if whole.sum() < least:
        raise ValueError(f"there must be {least} trials that both have, got {whole.sum()}")
    return x[whole], y[whole]


def _hsic(x: Array, y: Array, debiased: bool) -> float:
    """Return HSIC up to a factor that cancels; the Gram matrices are never made."""
    square = float(((x.T @ y) ** 2).sum())
    if not debiased:
        return square
    n = len(x)
    k, m = (x**2).sum(axis=1), (y**2).sum(axis=1)  # diagonals
    rows_k, rows_m = x @ x.sum(axis=0) - k, y @ y.sum(axis=0) - m  # sums without the diagonal
    trace = square - float(k @ m)
    sums = float(rows_k.sum() * rows_m.sum()) / ((n - 1) * (n - 2))
    return trace + sums - 2 / (n - 2) * float(rows_k @ rows_m)


def _whitened(x: Array, train: NDArray[np.bool_], ridge: float) -> Array:
    """Return activity in directions of unit variance over the training trials."""
    mean, spread = x[train].mean(axis=0), x[train].std(axis=0)
    z = (x - mean) / np.where(spread > 1e-9, spread, np.inf)
    values, vectors = np.linalg.eigh(z[train].T @ z[train])
    kept = values > 1e-9 * values.max(initial=0.0)
    return np.asarray(z @ vectors[:, kept] / np.sqrt(values[kept] + ridge))


def _correlations(a: Array, b: Array) -> Array:
    """Return the correlation of each pair of columns; 0 where one does not change."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.where(size > 0, (a * b).sum(axis=0) / np.where(size > 0, size, 1.0), 0.0)


def crossnobis(
    patterns: ArrayLike, condition: ArrayLike, fold: ArrayLike, shrinkage: float = 0.1
) -> Array:
    """Return cross-validated Mahalanobis distances of conditions (Walther et al. 2016).

    ``d_ij = mean over folds m != n of (b_i^m - b_j^m)' S^-1 (b_i^n - b_j^n) / H`` with b the mean
    pattern of a condition in a fold and S the covariance of single trials around those means.
    Noise of one fold is not that of another: conditions that do not differ have a distance of 0 on
    average, and it can be below 0; other distances are above 0 by noise alone.

    Args:
        patterns: Activity of single trials ``[N, H]``; those with a missing value (NaN), condition
            or fold are left out.
        condition: Condition of each trial ``[N]``, whole numbers from 0 to C - 1.
        fold: Fold of each trial ``[N]``, whole numbers from 0, such as its session or run.
        shrinkage: Share of the covariance that is only its diagonal, 0 to 1.

    Returns:
        ``[C, C]`` with zero diagonal; NaN for pairs that are not together in two folds.

    Raises:
        ValueError: If shapes disagree, there are fewer than two conditions, or no mean has two
            trials.
    """
    activity = numbers("patterns", patterns, axes=("trial", "unit"))
    kind, part = (
        codes(n, v, axes=("trial",)) for n, v in (("condition", condition), ("fold", fold))
    )
    number("shrinkage", shrinkage, 0.0, 1.0)
    if activity.ndim != 2 or not kind.shape == part.shape == activity.shape[:1]:
        raise ValueError(
            f"patterns must be [N, H], condition and fold [N]; got {activity.shape}, {kind.shape} "
            f"and {part.shape}"
        )
    whole = ~np.isnan(activity).any(axis=1) & (kind >= 0) & (part >= 0)
    activity, kind, part = (
        activity[whole],
        kind[whole],
        np.unique(part[whole], return_inverse=True)[1],
    )
    count, folds = int(kind.max(initial=0)) + 1, int(part.max(initial=0)) + 1
    if count < 2:
        raise ValueError("there must be two conditions")
    means = np.full((folds, count, activity.shape[1]), np.nan)
    rest = np.empty_like(activity)
    for m in range(folds):
        for c in range(count):
            there = (part == m) & (kind == c)
            if there.any():
                means[m, c] = activity[there].mean(axis=0)
                rest[there] = activity[there] - means[m, c]
    freedom = len(rest) - int((~np.isnan(means[..., 0])).sum())
    if freedom < 1:
        raise ValueError("a condition must have two trials in a fold: nothing tells the noise")
    noise = rest.T @ rest / freedom
    spread = np.diag(np.where(np.diag(noise) > 1e-12, np.diag(noise), 1.0))
    precision = np.linalg.pinv((1 - shrinkage) * noise + shrinkage * spread, hermitian=True)
    matrix = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            apart = means[:, i] - means[:, j]
            apart = apart[~np.isnan(apart).any(axis=1)]
            products = apart @ precision @ apart.T
            pairs = len(apart) * (len(apart) - 1)
            total = (products.sum() - np.trace(products)) / activity.shape[1]
            matrix[i, j] = matrix[j, i] = total / pairs if pairs else np.nan
    return matrix

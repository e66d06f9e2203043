"""Representational similarity: dissimilarity matrices, and how alike two of them are.

Kriegeskorte et al. 2008; `crossnobis` has the cross-validated distances. For inference over models
take rsatoolbox: `to_rsatoolbox` hands the matrices over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, number, numbers

Array = NDArray[np.float64]
Metric = Literal["correlation", "euclidean"]
Comparison = Literal["spearman", "kendall", "pearson"]


def dissimilarity(patterns: ArrayLike, metric: Metric = "correlation") -> Array:
    """Return representational dissimilarity matrices.

    Args:
        patterns: Activity patterns ``[..., C, H]``, one for each condition.
        metric: "correlation": one minus Pearson's correlation over units; "euclidean": distance
            between patterns divided by the square root of the number of units.

    Returns:
        Symmetric matrices ``[..., C, C]`` with zero diagonal; NaN for the pairs of a condition
        whose pattern has a missing value (NaN).

    Raises:
        ValueError: If there is no pair of conditions, or a pattern is constant over units and so
            has no correlation.
    """
    activity = numbers("patterns", patterns, axes=("condition", "unit"))
    if activity.ndim < 2 or activity.shape[-2] < 2:
        raise ValueError(f"patterns must be [..., C, H] with C >= 2, got {activity.shape}")
    if metric == "correlation":
        centred = activity - activity.mean(axis=-1, keepdims=True)
        norm = np.linalg.norm(centred, axis=-1, keepdims=True)
        if (norm < 1e-12).any():
            raise ValueError("a pattern is constant over units: use metric='euclidean'")
        unit = centred / norm
        matrix = 1 - unit @ np.swapaxes(unit, -1, -2)
    elif metric == "euclidean":
        difference = activity[..., :, None, :] - activity[..., None, :, :]
        matrix = np.sqrt((difference**2).mean(axis=-1))
    else:
        raise ValueError(f"metric must be 'correlation' or 'euclidean', got {metric!r}")
    diagonal = np.arange(matrix.shape[-1])
    matrix[..., diagonal, diagonal] = 0.0
    return np.asarray(np.maximum(matrix, 0.0))


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


def upper(matrix: ArrayLike) -> Array:
    """Return the entries above the diagonal of ``[..., C, C]``, row by row ``[..., N]``."""
    square = numbers("matrix", matrix, axes=("row", "column"))
    if square.ndim < 2 or square.shape[-1] != square.shape[-2]:
        raise ValueError(f"matrix must be [..., C, C], got {square.shape}")
    rows, columns = np.triu_indices(square.shape[-1], 1)
    return square[..., rows, columns]


def compare(first: ArrayLike, second: ArrayLike, method: Comparison = "spearman") -> float:
    """Return the correlation of two dissimilarity matrices' entries above the diagonal.

    Args:
        first: Matrix ``[C, C]``.
        second: Matrix ``[C, C]`` of the same conditions.
        method: "spearman", "kendall" (tau-b; better where a model predicts ties) or "pearson".

    Raises:
        ValueError: If shapes disagree, or the entries of one matrix are all alike (entries that are
            NaN in one of them are left out).
    """
    from scipy import stats

    if method not in ("spearman", "kendall", "pearson"):
        raise ValueError(f"method must be 'spearman', 'kendall' or 'pearson', got {method!r}")
    x, y = upper(first), upper(second)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"both must be [C, C], got {np.shape(first)} and {np.shape(second)}")
    both = ~(np.isnan(x) | np.isnan(y))
    x, y = x[both], y[both]
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        raise ValueError("a matrix whose entries are all alike has no correlation")
    if method == "spearman":
        return float(stats.spearmanr(x, y).statistic)
    if method == "kendall":
        return float(stats.kendalltau(x, y).statistic)
    return float(np.corrcoef(x, y)[0, 1])


def to_rsatoolbox(
    matrices: ArrayLike, conditions: Sequence[str] | None = None, metric: str = "correlation"
) -> Any:
    """Return dissimilarity matrices as ``rsatoolbox.rdm.RDMs``, one a member.

    Args:
        matrices: ``[M, C, C]`` or ``[C, C]``.
        conditions: Names of the conditions ``[C]``.
        metric: Name of the dissimilarity measure.

    Raises:
        ImportError: If rsatoolbox is not installed.
    """
    try:
        from rsatoolbox.rdm import RDMs
    except ImportError as error:
        raise ImportError("to_rsatoolbox needs rsatoolbox: pip install '.[rsa]'") from error
    stack = numbers("matrices", matrices, axes=("member", "row", "column"))
    stack = stack[None] if stack.ndim == 2 else stack
    count = stack.shape[-1]
    names = [str(i) for i in range(count)] if conditions is None else list(conditions)
    if len(names) != count:
        raise ValueError(f"{count} conditions need {count} names, got {len(names)}")
    return RDMs(
        upper(stack),
        dissimilarity_measure=metric,
        rdm_descriptors={"member": list(range(len(stack)))},
        pattern_descriptors={"condition": names},
    )

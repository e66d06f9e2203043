"""Representational similarity: dissimilarity matrices, and how alike two of them are.

Kriegeskorte et al. 2008. `populations.crossnobis` has cross-validated distances. For
inference over models take rsatoolbox: `to_rsatoolbox` hands the matrices over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers

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

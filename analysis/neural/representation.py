"""What hidden states represent: principal components and rank correlations.

Dissimilarity matrices are in `similarity`, read-outs of task variables in `decoding`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PCA:
    """Principal components of a set of activity patterns.

    Attributes:
        mean: Mean pattern ``[H]``.
        components: Unit vectors ``[K, H]``, strongest first; the largest weight of each is
            positive.
        variance: Variance along each component ``[K]``, activity squared.
        explained: Fraction of the total variance of each component ``[K]``.
    """

    mean: Array
    components: Array
    variance: Array
    explained: Array

    def project(self, patterns: ArrayLike) -> Array:
        """Return patterns ``[..., H]`` in the coordinates of the components ``[..., K]``."""
        return np.asarray((numbers("patterns", patterns) - self.mean) @ self.components.T)


def pca(patterns: ArrayLike, num_components: int | None = None) -> PCA:
    """Find principal components by singular value decomposition of the centred patterns.

    Args:
        patterns: Activity ``[..., H]``; all axes in front are samples, of which those in which
            something is missing (NaN) are left out.
        num_components: How many components to keep; all that the data can have by default.

    Returns:
        The components. Their signs are fixed, so that the same data give the same picture.

    Raises:
        ValueError: If there are fewer than two samples or too few for ``num_components``.
    """
    samples = np.atleast_1d(numbers("patterns", patterns))
    samples = samples.reshape(-1, samples.shape[-1])
    samples = samples[~np.isnan(samples).any(axis=1)]
    most = min(samples.shape[0] - 1, samples.shape[1])
    if samples.shape[0] < 2:
        raise ValueError(f"principal components need two samples or more, got {samples.shape[0]}")
    if num_components is not None and not 1 <= num_components <= most:
        raise ValueError(f"num_components must be 1 to {most} here, got {num_components}")
    mean = samples.mean(axis=0)
    _, singular, components = np.linalg.svd(samples - mean, full_matrices=False)
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    variance = singular**2 / (samples.shape[0] - 1)
    total = variance.sum()
    explained = variance / total if total > 0 else np.zeros_like(variance)
    kept = slice(num_components if num_components is not None else most)
    return PCA(mean, components[kept], variance[kept], explained[kept])


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's rank correlation of two series; ties are given their mean rank.

    Pairs of which one is missing (NaN) are left out.

    Raises:
        ValueError: If the lengths differ, or one of them is constant and so has no ranks.
    """
    from scipy import stats

    first, second = (numbers(n, v).ravel() for n, v in (("x", x), ("y", y)))
    if first.size != second.size:
        raise ValueError(f"both series need one length, got {first.size} and {second.size}")
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    if not first.size or np.ptp(first) == 0 or np.ptp(second) == 0:
        raise ValueError("a constant series has no rank correlation")
    ranks = stats.rankdata(first), stats.rankdata(second)
    return float(np.corrcoef(*ranks)[0, 1])

"""Principal components with known answers, and rank correlation against SciPy."""

import numpy as np
import pytest
from scipy import stats

from prefrontal.analysis.neural.representation import pca, rank_correlation


def test_pca_finds_a_known_plane():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(12, 2)))[0].T
    scores = rng.normal(size=(50, 40, 2)) * [3.0, 1.0]
    found = pca(scores @ basis + 5.0, 3)
    assert found.explained[:2].sum() == pytest.approx(1)
    np.testing.assert_allclose(found.variance[:2], [9, 1], rtol=0.1)
    assert abs(found.components[0] @ basis[0]) > 0.99
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(3), atol=1e-9)
    projected = found.project(scores @ basis + 5.0)
    assert projected.shape == (50, 40, 3)
    np.testing.assert_allclose(projected.reshape(-1, 3).var(0, ddof=1), found.variance, atol=1e-9)


def test_pca_signs_are_fixed_and_errors_clear():
    x = np.random.default_rng(1).normal(size=(30, 4))
    np.testing.assert_allclose(pca(x).components, pca(x[::-1]).components, atol=1e-8)
    with pytest.raises(ValueError, match="1 to 4"):
        pca(x, 5)
    with pytest.raises(ValueError, match="two samples"):
        pca(x[:1])


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 5, 40), rng.normal(size=40)
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    with pytest.raises(ValueError, match="constant"):
        rank_correlation(x, np.ones(40))
    with pytest.raises(ValueError, match="40 and 3"):
        rank_correlation(x, [1, 2, 3])

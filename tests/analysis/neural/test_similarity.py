"""Dissimilarity matrices against SciPy, comparisons, and decoding with known ceilings."""

import builtins

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from prefrontal.analysis.neural import similarity
from prefrontal.analysis.neural.decoding import decode_value

RNG = np.random.default_rng(0)
PATTERNS = RNG.normal(size=(2, 6, 30))


def test_matrices_are_scipys():
    np.testing.assert_allclose(
        similarity.dissimilarity(PATTERNS)[1], squareform(pdist(PATTERNS[1], "correlation"))
    )
    np.testing.assert_allclose(
        similarity.dissimilarity(PATTERNS, "euclidean")[0],
        squareform(pdist(PATTERNS[0])) / np.sqrt(30),
    )


def test_comparisons_are_scipys_and_ignore_rotation():
    first, second = similarity.dissimilarity(PATTERNS, "euclidean")
    x, y = similarity.upper(first), similarity.upper(second)
    assert similarity.compare(first, second) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert similarity.compare(first, second, "kendall") == pytest.approx(
        stats.kendalltau(x, y).statistic
    )
    rotation = np.linalg.qr(RNG.normal(size=(30, 30)))[0]
    rotated = similarity.dissimilarity(PATTERNS[0] @ rotation, "euclidean")
    assert similarity.compare(first, rotated, "pearson") == pytest.approx(1)


def test_rsatoolbox_gets_the_matrices():
    rsatoolbox = pytest.importorskip("rsatoolbox")
    matrices = similarity.dissimilarity(PATTERNS)
    rdms = similarity.to_rsatoolbox(matrices, list("abcdef"))
    assert isinstance(rdms, rsatoolbox.rdm.RDMs)
    np.testing.assert_allclose(rdms.get_matrices(), matrices)
    ours = similarity.compare(*matrices)
    assert rsatoolbox.rdm.compare(rdms[0], rdms[1], "spearman")[0, 0] == pytest.approx(ours)


def test_without_rsatoolbox_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("rsatoolbox"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"\.\[rsa\]"):
        similarity.to_rsatoolbox(similarity.dissimilarity(PATTERNS))


def test_decoding_reaches_its_known_ceilings_and_chance():
    target = RNG.normal(size=(2, 40, 10))
    hidden = RNG.normal(size=(2, 40, 10, 12))
    hidden[0] += 2 * target[0, ..., None]
    found = decode_value(hidden, target)
    # twelve units of signal variance 4, noise variance 1: R^2 = 48/49
    assert found[0] == pytest.approx(48 / 49, abs=0.01)
    assert found[1] == pytest.approx(0, abs=0.08)


def test_folds_do_not_divide_episodes():
    # Every episode has its own pattern and its own target: nothing to learn across episodes.
    pattern, value = RNG.normal(size=(1, 60, 1, 30)), RNG.normal(size=(1, 60, 1))
    hidden = np.broadcast_to(pattern, (1, 60, 8, 30))
    assert decode_value(hidden, np.broadcast_to(value, (1, 60, 8)))[0] < 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: similarity.dissimilarity(np.ones((2, 3))), "constant over units"),
        (lambda: similarity.dissimilarity(np.ones((1, 3))), "C >= 2"),
        (lambda: similarity.dissimilarity(PATTERNS, "cosine"), "metric must be"),
        (lambda: similarity.compare(np.eye(3), np.eye(4)), "both must be"),
        (lambda: similarity.compare(np.eye(4), np.eye(4), "tau"), "method must be"),
        (lambda: decode_value(np.ones((1, 4, 2, 3)), np.ones((1, 4, 2)), folds=5), "folds"),
        (lambda: decode_value(np.ones((1, 4, 2, 3)), np.ones((1, 4))), "hidden must be"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

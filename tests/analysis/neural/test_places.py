"""Activity by place: means by hand, and codes that are alike at near places, or not."""

import numpy as np
import pytest

from prefrontal.analysis.neural.places import (
    distance_correlation,
    place_patterns,
    similarity_by_distance,
)

LINE = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))  # eight places in a row


def test_patterns_are_means_over_visits():
    cell = np.array([[[0, 1, 0], [1, 1, 2]]])
    hidden = np.array([[[[1.0, 0], [2, 2], [3, 4]], [[4, 4], [6, 0], [9, 9]]]])
    patterns = place_patterns(hidden, cell, 4)
    np.testing.assert_allclose(patterns[0, :3], [[2, 2], [4, 2], [9, 9]])
    assert np.isnan(patterns[0, 3]).all()
    assert np.isnan(place_patterns(hidden, cell, 4, least=2)[0, 2]).all()
    with pytest.raises(ValueError, match=r"from 0 to 1 .* got 2"):
        place_patterns(hidden, cell, 2)


def test_bumps_follow_distance_and_shuffled_ones_do_not():
    """Broad bumps are less alike with every step; in another order they are not."""
    bumps = np.exp(-((np.arange(-20, 28) - np.arange(8)[:, None]) ** 2) / 50)
    shuffled = bumps[np.random.default_rng(0).permutation(8)]
    found = distance_correlation(np.stack([bumps, shuffled]), LINE)
    assert found[0] == pytest.approx(1, abs=0.03)
    assert abs(found[1]) < 0.5
    lost = bumps.copy()
    lost[3] = np.nan
    assert distance_correlation(lost[None], LINE)[0] == pytest.approx(1, abs=0.03)
    by_distance = similarity_by_distance(bumps[None], LINE)
    assert by_distance.shape == (1, 7)
    assert (np.diff(by_distance[0]) < 0).all()


def test_similarity_by_distance_by_hand():
    """Correlations of three patterns of three units: 1, and -1/2 of unit vectors."""
    patterns = np.array([[[1.0, 0, 0], [2, 1, 1], [0, 1, 0]]])
    row = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    np.testing.assert_allclose(similarity_by_distance(patterns, row), [[(1 - 0.5) / 2, -0.5]])

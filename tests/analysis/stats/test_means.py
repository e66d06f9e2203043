"""Means under masks and by label, and z-scores, against hand values."""

import numpy as np
import pytest

from prefrontal.analysis.stats.means import masked_mean, mean_by_label, z_scores


def test_masked_mean_by_hand():
    values = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    mask = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(masked_mean(values, mask, 1), [1.5, np.nan, 9.0])
    assert masked_mean(values, mask, (0, 1)) == pytest.approx(4.0)
    # One mask for all units.
    np.testing.assert_array_equal(masked_mean(values[1:], [[True], [True]], 0), [5.5, 6.5, 7.5])


def test_means_by_label_leave_out_other_labels_and_what_does_not_count():
    values = np.arange(6.0).reshape(1, 2, 3)
    label = np.array([[[0, 1, 1], [0, 0, 5]]])
    np.testing.assert_allclose(mean_by_label(values, label, [1, 0, 2]), [[1.5, 7 / 3, np.nan]])
    counted = np.array([[[0, 1, 0], [1, 1, 1]]])
    np.testing.assert_allclose(mean_by_label(values, label, [1, 0], counted), [[1.0, 3.5]])
    units = np.stack([values, -values], axis=-1)
    np.testing.assert_allclose(mean_by_label(units, label, [1])[0], [[1.5, -1.5]])
    with pytest.raises(ValueError, match="one shape"):
        mean_by_label(values, label[..., :2], [0])
    with pytest.raises(ValueError, match="one shape"):
        mean_by_label(values, label, [0], counted[..., :2])


def test_z_scores_are_per_member():
    signal = np.array([[[0.0, 2.0]], [[10.0, 30.0]]])
    np.testing.assert_allclose(z_scores("x", signal), [[[-1, 1]], [[-1, 1]]])
    with pytest.raises(ValueError, match="x never changes"):
        z_scores("x", np.ones((1, 2, 3)))

"""Bayesian model selection against what is known by hand."""

import numpy as np
import pytest

from prefrontal.behaviour.fits.selection import exceedance_probabilities, model_selection


def test_exceedance_of_two_models_is_a_tail_of_the_beta_distribution():
    # P(r > 1/2) under Beta(2, 1), whose density is 2 r, is 3/4.
    assert exceedance_probabilities([2, 1]) == pytest.approx([0.75, 0.25], abs=1e-6)
    assert exceedance_probabilities([3, 3, 3, 3]) == pytest.approx([0.25] * 4, abs=1e-9)


def test_subjects_of_whom_the_model_is_plain_are_counted():
    evidence = np.zeros((20, 2))
    evidence[:15, 0] = evidence[15:, 1] = 50.0
    found = model_selection(evidence, ("a", "b"))
    assert found.alpha == pytest.approx([16, 6], abs=1e-9)
    assert found.frequencies == pytest.approx([16 / 22, 6 / 22], abs=1e-9)
    assert found.responsibilities[:, 0] == pytest.approx([1.0] * 15 + [0.0] * 5, abs=1e-9)
    # P(r > 1/2) under Beta(16, 6): at least 16 of 21 fair coins is its complement.
    assert found.exceedance[0] == pytest.approx(0.986701, abs=1e-5)


def test_the_prior_counts_once_a_model():
    evidence = np.zeros((20, 2))
    evidence[:, 0] = 50.0
    assert model_selection(evidence, prior=0.5).alpha == pytest.approx([20.5, 0.5], abs=1e-9)


def test_equal_evidence_says_that_all_are_equally_frequent():
    found = model_selection(np.full((12, 3), -70.0))
    assert found.frequencies == pytest.approx([1 / 3] * 3)
    assert found.protected_exceedance == pytest.approx([1 / 3] * 3)
    assert found.bor > 0.8
    clear = np.zeros((40, 2))
    clear[:, 1] = 5.0
    assert model_selection(clear).bor < 1e-5


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="subject 1, model 0"):
        model_selection([[0.0, 1.0], [np.nan, 1.0]])
    with pytest.raises(ValueError, match="2 models and 1 names"):
        model_selection([[0.0, 1.0]], ("a",))
    with pytest.raises(ValueError, match="prior"):
        model_selection([[0.0, 1.0]], prior=0)


def test_exceedance_is_protected_by_the_chance_that_all_are_equally_frequent():
    found = model_selection([[0.5, 0.0], [0.4, 0.0], [0.6, 0.0]])
    assert found.exceedance[0] - found.protected_exceedance[0] > 0.02
    expected = (1 - found.bor) * found.exceedance + found.bor / 2
    assert found.protected_exceedance == pytest.approx(expected)
    assert found.protected_exceedance.sum() == pytest.approx(1.0)

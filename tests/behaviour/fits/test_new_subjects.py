"""Subjects that were not fitted are predicted by an integral over the population."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from prefrontal.behaviour.fits.comparison import compare
from prefrontal.behaviour.fits.fitting import CognitiveFit, fit
from prefrontal.behaviour.models.catalogue import find
from prefrontal.behaviour.table import behaviour
from tests.behaviour.fits.test_fitting import coins

BIASED = find("biased-random")


def test_the_integral_is_that_of_a_grid():
    fitted = fit(coins([30, 10, 25, 18, 22, 33], 40), [BIASED], "em")["biased-random"]
    new = replace(coins([40, 36, 5], 40), subjects=("x", "y", "z"))
    told = fitted.score(new)
    mean, deviation = fitted.mean[0], fitted.variance[0] ** 0.5
    for s, firsts in enumerate((40, 36, 5)):
        for known in (1, 12, 40):
            first, second = min(firsts, known), max(0, known - firsts)

            def integrand(x, first=first, second=second):
                p = 1 / (1 + np.exp(-x))
                return norm.pdf(x, mean, deviation) * p**first * (1 - p) ** second

            exact = np.log(quad(integrand, mean - 10 * deviation, mean + 10 * deviation)[0])
            assert told[s, :known].sum() == pytest.approx(exact, abs=0.02)


def test_probabilities_of_a_choice_sum_to_one():
    fitted = fit(coins([30, 10, 25], 40), [BIASED], "map")["biased-random"]
    both = behaviour([[0], [1]], np.ones((2, 1)), subjects=["x", "y"])
    assert np.exp(fitted.score(both)).sum() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("method", ["map", "em", "ml"])
def test_the_model_that_subjects_follow_wins_where_they_differ(method):
    """Each prefers one of two arms, and which differs: as a mean they prefer none."""
    rng = np.random.default_rng(0)
    bias = np.where(np.arange(12) % 2, 1.5, -1.5) + 0.3 * rng.standard_normal(12)
    choice = (rng.random((12, 60)) > 1 / (1 + np.exp(-bias))[:, None]).astype(int)
    data = behaviour(choice, np.ones(choice.shape))
    fits = [CognitiveFit(find(name), method) for name in ("random", "biased-random")]
    found = compare(fits, data, "subjects")
    assert found.best == "biased-random"
    assert found.difference("biased-random", "random").low > 0.05

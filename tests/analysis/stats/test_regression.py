"""Regressions against known coefficients, closed forms and simulated false-positive rates."""

import numpy as np
import pytest
from scipy import optimize, stats

from prefrontal.analysis.stats.regression import (
    holm,
    linear_regression,
    logistic_regression,
)


def test_logistic_regression_is_the_maximum_and_covers():
    rng = np.random.default_rng(0)
    truth = np.array([0.3, -0.7, 1.1])
    hits = []
    for _ in range(60):
        x = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
        y = rng.random(400) < 1 / (1 + np.exp(-x @ truth))
        fit = logistic_regression(x, y)
        low, high = fit.interval()
        hits.append((low < truth) & (truth < high))
    assert 0.9 < np.mean(hits) < 0.99
    best = optimize.minimize(lambda b: -(y * (x @ b) - np.logaddexp(0, x @ b)).sum(), np.zeros(3))
    np.testing.assert_allclose(fit.coefficients, best.x, atol=1e-4)
    assert fit.log_likelihood == pytest.approx(-best.fun)
    assert fit.p_values[2] < 1e-4


def test_weights_stand_for_repeated_rows():
    x = np.array([[1.0, -1], [1, 1]])
    once = logistic_regression(x, [0.25, 0.75], [8, 16])
    many = logistic_regression(
        np.repeat(x, [8, 16], axis=0), [1] * 2 + [0] * 6 + [1] * 12 + [0] * 4
    )
    np.testing.assert_allclose(once.coefficients, many.coefficients, atol=1e-8)
    np.testing.assert_allclose(once.covariance, many.covariance, atol=1e-8)
    np.testing.assert_allclose(once.coefficients, [0, np.log(3)], atol=1e-8)


def test_firth_adds_half_a_trial_to_every_cell():
    x = np.array([[1.0, 0], [0, 1]])
    fit = logistic_regression(x, [1.0, 0.3], [20, 10], firth=True)
    np.testing.assert_allclose(fit.coefficients, np.log([20.5 / 0.5, 3.5 / 7.5]), atol=1e-6)


def test_separable_outcomes_are_an_error_without_penalty():
    x = np.column_stack([np.ones(40), np.linspace(-1, 1, 40)])
    with pytest.raises(ValueError, match="firth=True"):
        logistic_regression(x, x[:, 1] > 0)
    assert np.isfinite(logistic_regression(x, x[:, 1] > 0, firth=True).coefficients).all()
    assert np.isfinite(logistic_regression(x, x[:, 1] > 0, ridge=1.0).coefficients).all()


def test_clustered_errors_hold_their_level_where_plain_ones_do_not():
    rng = np.random.default_rng(1)
    walks = np.cumsum(rng.normal(size=(2, 40, 60, 300)), axis=2)  # slow and unrelated
    plain, clustered = [], []
    for i in range(300):
        x, y = walks[0, :, :, i], walks[1, :, :, i]
        design = np.stack([np.ones_like(x), x], axis=-1)
        clustered.append(linear_regression(design, y[..., None]).p_values(slice(1, 2))[0])
        plain.append(stats.linregress(x.ravel(), y.ravel()).pvalue)
    assert np.mean(np.array(plain) < 0.05) > 0.5
    assert np.mean(np.array(clustered) < 0.05) < 0.11


def test_linear_regression_of_many_units():
    rng = np.random.default_rng(2)
    x = np.concatenate([np.ones((50, 4, 1)), rng.normal(size=(50, 4, 2))], axis=-1)
    truth = np.array([[1.0, 0, 0], [2.0, 0, 0], [0.5, 0, 0]])
    y = x @ truth + rng.normal(size=(50, 4, 3)) * [0.5, 1, 0]
    fit = linear_regression(x, y)
    np.testing.assert_allclose(fit.coefficients[:, 0], truth[:, 0], atol=0.15)
    assert fit.r_squared[0] > 0.9
    p = fit.p_values(slice(1, 3))
    assert p[0] < 1e-6
    assert p[1] > 0.01
    assert p[2] == 1  # a silent unit codes nothing
    assert fit.degrees == 49


def test_corrections_for_many_tests():
    p = np.array([0.001, 0.012, 0.02, 0.04, 0.5])
    assert holm(p).tolist() == [True, True, False, False, False]
    assert not holm(np.full((2, 3), 0.9)).any()
    assert holm(np.full((2, 3), 1e-9)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: logistic_regression(np.ones((3, 1)), [0, 1]), "x must be"),
        (lambda: logistic_regression(np.ones((2, 1)), [0, 2]), "0 to 1"),
        (lambda: linear_regression(np.ones((9, 2, 2)), np.ones((9, 2, 1))), "dependent"),
        (lambda: linear_regression(np.ones((2, 9, 2)), np.ones((2, 9, 1))), "more than 2"),
        (lambda: linear_regression(np.ones((9, 2)), np.ones((9, 2))), "x must be"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

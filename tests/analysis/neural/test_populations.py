"""CKA from explicit Gram matrices, CCA and crossnobis on populations with a known answer."""

import numpy as np
import pytest

from prefrontal.analysis.neural.populations import cca, crossnobis, linear_cka, split_units


def reference_cka(x, y, debiased):
    """From the definition: centring matrices and Gram matrices, element by element."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    if not debiased:
        h = np.eye(n) - np.ones((n, n)) / n

        def hsic(a, b):
            return np.trace(h @ a @ h @ h @ b @ h)

    else:

        def hsic(a, b):
            a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
            one = np.ones(n)
            first = np.trace(a @ b)
            second = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
            third = 2 / (n - 2) * (one @ a @ b @ one)
            return (first + second - third) / (n * (n - 3))

    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_is_that_of_the_gram_matrices(debiased):
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 1.0, size=(50, 7))
    y = x[:, :3] @ rng.normal(size=(3, 11)) + rng.normal(size=(50, 11)) - 5.0
    assert linear_cka(x, y, debiased) == pytest.approx(reference_cka(x, y, debiased), abs=1e-9)
    turn = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    assert linear_cka(x, 3 * x @ turn + 1, debiased) == pytest.approx(1.0, abs=1e-9)


def test_debiased_cka_of_strangers_is_zero_on_average():
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=(40, 60)), rng.normal(size=(40, 60))) for _ in range(50)]
    plain, debiased = ([linear_cka(x, y, one) for x, y in pairs] for one in (False, True))
    assert np.mean(plain) > 0.5
    assert abs(np.mean(debiased)) < 0.02


def test_cca_finds_the_shared_direction_and_no_other():
    """A signal of variance 1 with noise of variance 1/4 on both sides: correlation 0.8."""
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(3000, 1))
    x, y = (rng.normal(size=(3000, 6)) for _ in range(2))
    x[:, :1], y[:, :1] = (signal + 0.5 * noise[:, :1] for noise in (x, y))
    mix = [np.linalg.qr(rng.normal(size=(6, 6)))[0] for _ in range(2)]
    found = cca(x @ mix[0], y @ mix[1], components=2)
    assert found[0] == pytest.approx(0.8, abs=0.03)
    assert abs(found[1]) < 0.08
    few = cca(rng.normal(size=(100, 40)), rng.normal(size=(100, 40)), components=1)
    assert abs(few[0]) < 0.35  # 0.95 in the trials that it was fitted to


def test_halves_of_a_population():
    rng = np.random.default_rng(3)
    signal = rng.normal(size=(200, 2))
    alike = signal @ rng.normal(size=(2, 30))
    assert split_units(alike, linear_cka) > 0.8
    noise = rng.normal(size=(200, 30))
    assert abs(split_units(noise, lambda a, b: linear_cka(a, b, True))) < 0.1
    with pytest.raises(ValueError, match="H >= 2"):
        split_units(noise[:, :1], linear_cka)


def test_crossnobis_is_the_squared_mahalanobis_distance_without_its_bias():
    """Two conditions 3 apart along a unit of variance 4; the third does not differ from the first.

    The distances are 9 / 4 / H, 9 / 4 / H and 0, with H = 5 units.
    """
    rng = np.random.default_rng(4)
    found = []
    for _ in range(40):
        condition = np.tile(np.arange(3), 80)
        fold = np.repeat(np.arange(4), 60)
        x = 2 * rng.normal(size=(240, 5))
        x[condition == 1, 0] += 3.0
        found.append(crossnobis(x, condition, fold))
    mean = np.mean(found, axis=0)
    assert mean[0, 1] == pytest.approx(0.45, rel=0.1)
    assert mean[1, 2] == pytest.approx(0.45, rel=0.1)
    assert abs(mean[0, 2]) < 0.005
    assert min(one[0, 2] for one in found) < 0  # not above 0 by noise


def test_crossnobis_by_hand():
    """Two folds, one unit, variance of the rest 1: differences of 2 and 3 make 6."""
    x = np.array([0.0, 2.0, 2.0, 4.0, 1.0, 3.0, 4.0, 6.0]) / 1.0
    condition, fold = [0, 0, 1, 1, 0, 0, 1, 1], [0] * 4 + [1] * 4
    # Means 1, 3 and 2, 5; what is left are eight times 1 with four degrees of freedom: 2.
    assert crossnobis(x[:, None], condition, fold)[0, 1] == pytest.approx(2 * 3 / 2)
    alone = crossnobis(x[:, None], [0, 0, 1, 1, 0, 0, 0, 0], fold)
    assert np.isnan(alone[0, 1])  # together in one fold alone

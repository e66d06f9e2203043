"""Optimism of units whose asymmetry is known, and its null models."""

import numpy as np
import pytest

from prefrontal.analysis.neural.optimism import Optimism, linear_units, unit_optimism

E, T = 600, 20


def trials(seed=0):
    """Values that do not depend on what came before, and outcomes with that probability."""
    rng = np.random.default_rng(seed)
    value = rng.uniform(0.05, 0.95, (E, T))
    return value, (rng.random((E, T)) < value).astype(float), rng


def test_asymmetry_is_the_ratio_of_slopes():
    rng = np.random.default_rng(0)
    value, reward, _ = trials()
    error, tau = reward - value, np.array([0.2, 0.5, 0.8])
    scaled = np.where(error[..., None] > 0, tau, 1 - tau) * error[..., None]
    h = np.zeros((E, T, 3))
    h[:, 1:] = scaled[:, :-1].cumsum(axis=1)  # each change is the scaled error
    found = unit_optimism(h, value, reward)
    np.testing.assert_allclose(found.asymmetry, tau, atol=1e-9)
    np.testing.assert_allclose(unit_optimism(-h, value, reward).asymmetry, tau, atol=1e-9)
    h[..., 1] = rng.normal(size=(E, T))
    h[:, 1:, 0] = np.abs(scaled[:, :-1, 0]).cumsum(axis=1)  # rises with gains and with losses
    assert np.isnan(unit_optimism(h, value, reward).asymmetry[0])


def test_reversal_is_where_activity_crosses_its_mean():
    value, reward, _ = trials()
    h = np.stack([value, -value, value**3], axis=-1)
    reversal = unit_optimism(h, value, reward).reversal
    cube = np.mean(value**3) ** (1 / 3)
    np.testing.assert_allclose(reversal, [0.5, 0.5, cube], atol=0.02)
    assert cube > 0.6


def test_correlation_and_its_shuffle():
    rng = np.random.default_rng(0)
    tau = np.append(np.linspace(0.1, 0.9, 40), np.nan)
    one = Optimism(tau, np.append(0.3 + 0.4 * tau[:-1], 5.0))
    assert one.correlation == pytest.approx(1.0)
    shuffled = [one.shuffled(rng).correlation for _ in range(200)]
    assert abs(np.mean(shuffled)) < 0.05
    assert np.isnan(one.shuffled(rng).asymmetry[-1])
    assert Optimism(np.full(5, np.nan), np.ones(5)).correlation == 0.0


def test_linear_units_keep_the_line_and_lose_the_bend():
    value, reward, rng = trials()
    h = value[..., None] ** np.array([0.3, 1.0, 4.0]) + 0.05 * rng.normal(size=(E, T, 3))
    bent = unit_optimism(h, value, reward).reversal
    plain = unit_optimism(linear_units(h, value, rng), value, reward).reversal
    assert np.ptp(bent) > 0.15
    np.testing.assert_allclose(plain, 0.5, atol=0.03)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="hidden must be"):
        unit_optimism(np.zeros((2, 3, 4)), np.zeros((2, 4)), np.zeros((2, 3)))

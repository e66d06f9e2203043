"""Fixed points of nets whose fixed points are known by hand."""

import numpy as np
import pytest
import torch

from prefrontal.analysis.dynamics.fixed_points import (
    fixed_points,
    jacobian,
    line,
    time_constants,
)


def both(function):
    """The step of PyTorch and of NumPy."""
    return [("torch", function(torch)), ("numpy", function(np))]


def starts_of(kind, array):
    return torch.tensor(array, dtype=torch.float64) if kind == "torch" else array


def hopfield(m):
    """Two units, ``tanh(2 h)`` each: fixed at 0 and ±0.9575, so that there are nine points."""
    return lambda h: m.tanh(2.0 * h)


@pytest.mark.parametrize(("kind", "step"), both(hopfield))
def test_the_nine_points_of_two_bistable_units(kind, step):
    rng = np.random.default_rng(0)
    found = fixed_points(step, starts_of(kind, rng.uniform(-1.2, 1.2, (80, 2))))
    root = 0.957504  # of x = tanh(2 x)
    grid = sorted((a, b) for a in (-root, 0.0, root) for b in (-root, 0.0, root))
    assert found.fixed.all()
    assert len(found) == 9
    np.testing.assert_allclose(sorted(map(tuple, found.points.round(9))), grid, atol=1e-6)
    corners = np.abs(found.points).min(axis=1) > 0.5
    np.testing.assert_array_equal(found.stable, corners)
    assert found.starts.sum() == 80
    # The slope of tanh(2 x) is 2 (1 - x^2): 2 at 0 and 0.1664 at the root.
    slope = 2 * (1 - root**2)
    for point, values in zip(found.points, found.eigenvalues, strict=True):
        wanted = sorted((2.0 if abs(x) < 0.5 else slope for x in point), reverse=True)
        np.testing.assert_allclose(values.real, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "step"),
    both(lambda m: lambda h: m.stack([h[:, 0], 0.5 * h[:, 1] + 0.2 * h[:, 0] ** 2], 1)),
)
def test_a_line_attractor_has_an_eigenvalue_of_one_along_it(kind, step):
    """The first unit keeps its value v, the second is drawn to 0.4 v^2: the points (v, 0.4 v^2)."""
    rng = np.random.default_rng(1)
    found = fixed_points(step, starts_of(kind, rng.uniform(-0.5, 0.5, (40, 2))))
    assert len(found) > 20
    np.testing.assert_allclose(found.points[:, 1], 0.4 * found.points[:, 0] ** 2, atol=1e-7)
    np.testing.assert_allclose(found.eigenvalues.real, [[1.0, 0.5]] * len(found), atol=1e-6)
    one = line(found)
    assert one.explained > 0.95
    assert (one.leading, one.second) == pytest.approx((1.0, 0.5), abs=1e-6)
    assert one.alignment > 0.9
    position = one.position(found.points)
    assert abs(np.corrcoef(position, found.points[:, 0])[0, 1]) > 0.999


def turning(m):
    """A limit cycle of radius 1: radii go to 1 and angles turn by 0.5 a step."""

    def step(h):
        radius = m.sqrt((h**2).sum(-1, keepdims=True))
        near = h * (1 + 0.5 * (1 - radius**2))
        c, s = np.cos(0.5), np.sin(0.5)
        return m.stack([c * near[:, 0] - s * near[:, 1], s * near[:, 0] + c * near[:, 1]], 1)

    return step


@pytest.mark.parametrize(("kind", "step"), both(turning))
def test_a_limit_cycle_is_no_fixed_point(kind, step):
    """Only the point that it turns around is one, and nothing is drawn there."""
    angle = np.linspace(0, 6, 30)
    starts = np.stack([np.cos(angle), np.sin(angle)], 1) * np.linspace(0.5, 1.2, 30)[:, None]
    found = fixed_points(step, starts_of(kind, starts))
    assert len(found) <= 1
    assert not found.stable.any()
    np.testing.assert_allclose(found.points, np.zeros((len(found), 2)), atol=1e-6)


@pytest.mark.parametrize(("kind", "step"), both(lambda m: lambda h: h + 0.1 + 0.05 * m.sin(h)))
def test_what_drifts_on_has_no_point_at_all(kind, step):
    """It moves by 0.05 at least: q is 0.00125 where it is slowest, at 3/2 pi + 2 k pi."""
    starts = np.linspace(0, 12, 20)[:, None]
    assert not len(fixed_points(step, starts_of(kind, starts)))
    found = fixed_points(step, starts_of(kind, starts), slow=0.002)
    assert not found.fixed.any()
    np.testing.assert_allclose(found.speed[:2], 0.00125, rtol=1e-6)
    np.testing.assert_allclose(sorted(found.points[:2, 0]), [1.5 * np.pi, 3.5 * np.pi], atol=1e-3)


def test_jacobian_by_hand_and_by_differences():
    """``F = (x y, x + y^2)`` at (2, 3): rows (3, 2) and (1, 6)."""

    def step(m):
        return lambda h: m.stack([h[:, 0] * h[:, 1], h[:, 0] + h[:, 1] ** 2], 1)

    for kind, one in both(step):
        found = jacobian(one, starts_of(kind, np.array([[2.0, 3.0]])))
        np.testing.assert_allclose(found, [[[3, 2], [1, 6]]], atol=1e-8)


def test_time_constants():
    found = time_constants([np.exp(-0.1), 0.5, 1j * np.exp(-1.0), 1.0, 0.0])
    np.testing.assert_allclose(found, [10, 1 / np.log(2), 1.0, np.inf, 0.0])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"starts must be \[B, H\], got \(3,\)"):
        fixed_points(lambda h: h, np.zeros(3))
    with pytest.raises(ValueError, match=r"states \(2, 3\) to such, not to \(2, 1\)"):
        fixed_points(lambda h: h[:, :1], np.zeros((2, 3)))
    found = fixed_points(np.tanh, np.ones((2, 2)))
    with pytest.raises(ValueError, match="a line needs three points of two units, got 1 of 2"):
        line(found)

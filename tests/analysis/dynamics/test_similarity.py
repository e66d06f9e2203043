"""Dynamical similarity: rotated dynamics are alike, others are not."""

import numpy as np
import pytest

from prefrontal.analysis.dynamics.similarity import (
    delay_embedding,
    dynamical_similarity,
    linear_step,
    step_distance,
)


def linear(a, rng, episodes=20, steps=60, noise=0.05):
    """Trajectories of a linear system that noise keeps going."""
    x = rng.normal(size=(episodes, len(a)))
    states = []
    for _ in range(steps):
        x = x @ a.T + noise * rng.normal(size=x.shape)
        states.append(x)
    return np.stack(states, axis=1)


def turn(angle, size):
    c, s = np.cos(angle), np.sin(angle)
    return size * np.array([[c, -s], [s, c]])


def test_embedding_by_hand():
    found = delay_embedding(np.arange(8.0).reshape(1, 4, 2), 2)
    np.testing.assert_array_equal(found, [[[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]])


def test_the_step_has_the_eigenvalues_of_the_system():
    rng = np.random.default_rng(0)
    a = np.zeros((3, 3))
    a[:2, :2], a[2, 2] = turn(0.4, 0.95), 0.8
    found = np.linalg.eigvals(linear_step(linear(a, rng), 3))
    wanted = np.linalg.eigvals(a)
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(wanted), atol=0.03)


def test_the_distance_is_zero_up_to_rotation_and_reflection():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(6, 6))
    for sign in (1, -1):
        q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        q[:, 0] *= sign * np.sign(np.linalg.det(q))
        assert step_distance(a, q @ a @ q.T) < 1e-5


def test_the_distance_by_hand():
    """Rotations commute in the plane, where a reflection turns the other way round.

    ``|R(x) - R(y)|^2 = 4 (1 - cos(x - y))``; y and -y are alike.
    """
    for other in (1.1, -1.1):
        found = step_distance(turn(0.4, 1.0), turn(other, 1.0))
        assert found == pytest.approx(np.sqrt(4 * (1 - np.cos(0.7))), abs=1e-6)
    # Symmetric steps are alike where their eigenvalues are: (1, 2) and (2, 4) are 1 and 2 apart.
    assert step_distance(np.diag([1.0, 2.0]), np.diag([4.0, 2.0])) == pytest.approx(np.sqrt(5))


def test_another_embedding_of_the_same_dynamics_is_nearer_than_other_dynamics():
    rng = np.random.default_rng(2)
    a, b = turn(0.3, 0.97), turn(1.2, 0.97)
    first, again, other = (linear(one, rng) for one in (a, a, b))
    wide = again @ np.linalg.qr(rng.normal(size=(8, 2)))[0].T  # in eight units
    same = dynamical_similarity(first, wide, rank=2, delays=3)
    far = dynamical_similarity(first, other, rank=2, delays=3)
    assert same < 0.1
    assert far > 5 * same


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="more steps than delays"):
        delay_embedding(np.zeros((2, 5, 3)), 5)
    with pytest.raises(ValueError, match="rank must be 1 to 3"):
        linear_step(np.random.default_rng(0).normal(size=(2, 9, 3)), 4)
    with pytest.raises(ValueError, match=r"both must be \[r, r\]"):
        step_distance(np.eye(2), np.eye(3))

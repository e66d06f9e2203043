"""Fixed and slow points of a network at one input, and its dynamics around them.

Sussillo & Barak 2013: a state h with F(h) = h is a fixed point; one where ``q(h) = 1/2 |F(h) -
h|^2`` has a small minimum is a slow point, near which the state stays long. A row of them is a line
attractor: a memory of one number. With a state as a PyTorch tensor, derivatives are exact; with a
NumPy array they are central differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import number, numbers
from prefrontal.analysis.neural.representation import pca

Array = NDArray[np.float64]
Step = Callable[[Any], Any]  # states [B, H] to the next ones, row by row

_STATES = ("start", "unit")


@dataclass(frozen=True)
class FixedPoints:
    """Points where the state stays, or nearly so, slowest first.

    Attributes:
        points: ``[N, H]``.
        speed: ``q = 1/2 |F(h) - h|^2`` at each ``[N]``, activity squared.
        fixed: Which are fixed points, the others are slow ones ``[N]``.
        jacobian: ``dF/dh`` at each, ``[N, H, H]``.
        eigenvalues: Its eigenvalues ``[N, H]``, largest magnitude first.
        starts: How many starts ended at each ``[N]``.
    """

    points: Array
    speed: Array
    fixed: NDArray[np.bool_]
    jacobian: Array
    eigenvalues: NDArray[np.complex128]
    starts: NDArray[np.int64]

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Which draw the state in from all sides: all eigenvalues have a magnitude below 1."""
        return np.asarray(np.abs(self.eigenvalues).max(axis=1, initial=0.0) < 1)

    def __len__(self) -> int:
        """Return how many there are, N."""
        return len(self.points)


@dataclass(frozen=True)
class Line:
    """The line along which slow points lie.

    Attributes:
        centre: Their mean ``[H]``.
        axis: Their first principal component, of length 1 ``[H]``.
        explained: Part of their variance that is along it.
        leading: Median magnitude of the largest eigenvalue: 1 keeps the position on the line.
        second: Median magnitude of the next one: below 1, the state is drawn to the line.
        alignment: Median cosine (without sign) of the axis and the eigenvector of the largest.
    """

    centre: Array
    axis: Array
    explained: float
    leading: float
    second: float
    alignment: float

    def position(self, states: ArrayLike) -> Array:
        """Return where states ``[..., H]`` are along the line ``[...]``; the centre is 0."""
        return np.asarray((numbers("states", states) - self.centre) @ self.axis)


def jacobian(step: Step, states: Any) -> Array:
    """Return ``dF/dh`` at states ``[B, H]``, ``[B, H, H]``.

    Args:
        step: From states to the next ones, each row by itself.
        states: A tensor (the step is differentiated) or an array (central differences).

    Raises:
        ValueError: If the step does not return states of the same shape.
    """
    return _measured(step, states)[1]


def fixed_points(
    step: Step,
    starts: Any,
    tolerance: float = 1e-16,
    slow: float = 1e-4,
    iterations: int = 200,
    apart: float = 1e-3,
    reach: float = 2.0,
) -> FixedPoints:
    """Find fixed and slow points from many starts.

    ``q`` is minimised from every start by damped Gauss-Newton steps (Levenberg-Marquardt), which
    near a fixed point are Newton's, until it is at most `tolerance`. With a larger one, points of a
    slow line or plane stay where they are found and do not slide on to its slowest point.

    Args:
        step: From states ``[B, H]`` to the next ones, each row by itself, at one input.
        starts: States to start from ``[B, H]``, such as those that were visited; a tensor or an
            array, see `jacobian`. Use float64.
        tolerance: What q is at most in a fixed point.
        slow: What q is at most in a slow point; others are left out.
        iterations: Steps of the minimisation at most.
        apart: Points closer than this are one.
        reach: Points are left out that are further from the mean start than this many times the
            furthest start: the network never goes there. Starts that are all alike set no limit.

    Raises:
        ValueError: If starts are not ``[B, H]`` and finite, or the step does not return their
            shape.
    """
    for name, value in (("tolerance", tolerance), ("slow", slow), ("apart", apart)):
        number(name, value, 0.0)
    first = numbers("starts", _array(starts), axes=_STATES, complete=True)
    if first.ndim != 2 or not first.size:
        raise ValueError(f"starts must be [B, H], got {first.shape}")
    where = _minimised(step, starts, first, iterations, tolerance)
    centre = first.mean(axis=0)
    furthest = np.linalg.norm(first - centre, axis=1).max()
    moved, _ = _measured(step, _like(starts, where))
    speed = 0.5 * ((moved - where) ** 2).sum(axis=1)
    near = np.linalg.norm(where - centre, axis=1) <= (reach * furthest or np.inf)
    order = [i for i in np.argsort(speed, kind="stable") if near[i] and speed[i] <= slow]
    kept: list[int] = []
    ended: list[int] = []
    for i in order:
        gaps = np.linalg.norm(where[kept] - where[i], axis=1)
        if len(kept) and gaps.min() < apart:
            ended[int(gaps.argmin())] += 1
        else:
            kept.append(int(i))
            ended.append(1)
    points = where[kept]
    slopes = (
        _measured(step, _like(starts, points))[1]
        if kept
        else np.zeros((0, first.shape[1], first.shape[1]))
    )
    values = np.linalg.eigvals(slopes).astype(np.complex128)
    values = np.take_along_axis(values, np.argsort(-np.abs(values), axis=1, kind="stable"), axis=1)
    speed = speed[kept]
    return FixedPoints(points, speed, speed <= tolerance, slopes, values, np.array(ended, np.int64))


def time_constants(eigenvalues: ArrayLike) -> Array:
    """Return time constants ``-1 / ln |lambda|`` in steps; infinite where nothing decays.

    Args:
        eigenvalues: Eigenvalues of a step, real or complex, of any shape.
    """
    size = numbers("eigenvalues", np.abs(np.asarray(eigenvalues)), axes=("point", "eigenvalue"))
    with np.errstate(divide="ignore"):
        return np.where(size < 1, -1 / np.log(np.where(size < 1, size, 0.5)), np.inf)


def line(found: FixedPoints) -> Line:
    """Return the line along which slow points lie, and whether they are a line attractor.

    They are one where nearly all of their variance is along the line, the largest eigenvalue is
    near 1 with its eigenvector along it, and the next one is clearly smaller.

    Raises:
        ValueError: If there are fewer than three points or two units.
    """
    count, units = found.points.shape
    if count < 3 or units < 2:
        raise ValueError(f"a line needs three points of two units, got {count} of {units}")
    parts = pca(found.points, 1)
    axis = parts.components[0]
    values, vectors = np.linalg.eig(found.jacobian)
    order = np.argsort(-np.abs(values), axis=1)
    size = np.take_along_axis(np.abs(values), order, axis=1)
    leading = np.take_along_axis(vectors, order[:, None, :1], axis=2)[..., 0]
    cosines = np.abs(leading @ axis)
    return Line(
        parts.mean,
        axis,
        float(parts.explained[0]),
        float(np.median(size[:, 0])),
        float(np.median(size[:, 1])),
        float(np.median(cosines)),
    )


def _minimised(step: Step, starts: Any, first: Array, iterations: int, tolerance: float) -> Array:
    """Return where q has a minimum, from every start ``[B, H]``."""
    where, damping = first.copy(), np.full(len(first), 1e-3)
    going = np.arange(len(first))
    moved, slopes = _measured(step, _like(starts, where))
    for _ in range(iterations):
        rest = moved - where[going]
        slope = slopes - np.eye(first.shape[1])
        curve = np.swapaxes(slope, 1, 2) @ slope
        curve += damping[going, None, None] * np.eye(first.shape[1])
        down = -np.linalg.solve(curve, np.einsum("bij,bi->bj", slope, rest)[..., None])[..., 0]
        tried = where[going] + down
        then, steeper = _measured(step, _like(starts, tried))
        before, after = ((x**2).sum(axis=1) for x in (rest, then - tried))
        better = after < before  # never where it is NaN
        where[going[better]] = tried[better]
        factor = np.where(better, 0.2, 5.0)
        damping[going] = np.clip(damping[going] * factor, 1e-12, 1e12)
        moved = np.where(better[:, None], then, moved)
        slopes = np.where(better[:, None, None], steeper, slopes)
        size = np.linalg.norm(down, axis=1)
        ends = (better & (size < 1e-12)) | (damping[going] >= 1e10)
        ends |= np.minimum(before, np.where(better, after, before)) <= 2 * tolerance
        going, moved, slopes = going[~ends], moved[~ends], slopes[~ends]
        if not len(going):
            break
    return where


def _measured(step: Step, states: Any) -> tuple[Array, Array]:
    """Return the next states ``[B, H]`` and the Jacobian at these ``[B, H, H]``."""
    return _by_autograd(step, states) if _is_tensor(states) else _by_differences(step, states)


def _by_autograd(step: Step, states: Any) -> tuple[Array, Array]:
    import torch

    with torch.enable_grad():
        given = states.detach().clone().requires_grad_()
        found = _same(step(given), given)
        rows = [
            torch.autograd.grad(
                found[:, i].sum(), given, retain_graph=True, materialize_grads=True
            )[0]
            for i in range(found.shape[1])
        ]
    return _array(found), _array(torch.stack(rows, 1))


def _by_differences(step: Step, states: Any) -> tuple[Array, Array]:
    given = np.asarray(states, dtype=np.float64)
    found = np.asarray(_same(step(given), given), dtype=np.float64)
    slopes = np.empty((*given.shape, given.shape[1]))
    for i in range(given.shape[1]):
        width = 6e-6 * np.maximum(1.0, np.abs(given[:, i]))
        up, down = given.copy(), given.copy()
        up[:, i] += width
        down[:, i] -= width
        slopes[:, :, i] = (np.asarray(step(up)) - np.asarray(step(down))) / (2 * width)[:, None]
    return found, slopes


def _same(found: Any, given: Any) -> Any:
    """Return the next states, of the shape of those before.

    Raises:
        ValueError: They are not.
    """
    if getattr(found, "shape", None) != given.shape:
        shape = getattr(found, "shape", None)
        raise ValueError(f"the step must map states {tuple(given.shape)} to such, not to {shape}")
    return found


def _is_tensor(states: Any) -> bool:
    return hasattr(states, "requires_grad_")


def _like(states: Any, values: Array) -> Any:
    """Return values as a tensor where the states are one."""
    if not _is_tensor(states):
        return values
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(states)


def _array(states: Any) -> Array:
    if _is_tensor(states):
        states = states.detach().cpu().numpy()
    return np.asarray(states, dtype=np.float64)

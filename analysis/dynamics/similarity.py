"""Dynamical similarity: whether two systems move alike, wherever their states lie.

Ostrow et al. 2023 (dynamical similarity analysis): trajectories are embedded with their own past,
which makes nonlinear dynamics nearly linear; a linear step A is fitted in the coordinates of
greatest variance (dynamic mode decomposition); and two systems differ by the least distance of
their steps over all rotations and reflections of coordinates, ``min over C |A - C B C'|``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers

Array = NDArray[np.float64]


def delay_embedding(trajectories: ArrayLike, delays: int) -> Array:
    """Return states together with those before ``[E, T - delays + 1, delays * H]``.

    Args:
        trajectories: States ``[E, T, H]``; nothing may be missing.
        delays: How many states in a row, 1 for the state alone.

    Raises:
        ValueError: If shapes are wrong, or trajectories are too short.
    """
    given = numbers("trajectories", trajectories, axes=("episode", "step", "unit"), complete=True)
    if given.ndim != 3 or not 1 <= delays < given.shape[1]:
        raise ValueError(
            f"trajectories must be [E, T, H] with more steps than delays, got {given.shape} and "
            f"{delays}"
        )
    windows = np.lib.stride_tricks.sliding_window_view(given, delays, axis=1)
    return np.ascontiguousarray(np.moveaxis(windows, 3, 2)).reshape(*windows.shape[:2], -1)


def linear_step(trajectories: ArrayLike, rank: int, delays: int = 1) -> Array:
    """Return the linear step of trajectories in their coordinates of greatest variance.

    Coordinates are principal ones of the delay embedding, scaled to a variance of 1; the step is
    the least-squares map from each state to the next (Hankel dynamic mode decomposition).

    Args:
        trajectories: States ``[E, T, H]``.
        rank: Number of coordinates r.
        delays: See `delay_embedding`.

    Returns:
        ``A [r, r]``, with ``z_{t+1} = A z_t``.

    Raises:
        ValueError: If there are fewer coordinates that change.
    """
    embedded = delay_embedding(trajectories, delays)
    centred = embedded - embedded.mean(axis=(0, 1))
    flat = centred.reshape(-1, embedded.shape[-1])
    left, singular, _ = np.linalg.svd(flat, full_matrices=False)
    most = int((singular > 1e-9 * singular.max(initial=0.0)).sum())
    if not 1 <= rank <= most:
        raise ValueError(f"rank must be 1 to {most}, the coordinates that change, got {rank}")
    z = (left[:, :rank] * np.sqrt(len(left))).reshape(*embedded.shape[:2], rank)
    before, after = z[:, :-1].reshape(-1, rank), z[:, 1:].reshape(-1, rank)
    return np.asarray(np.linalg.lstsq(before, after, rcond=None)[0].T)


def step_distance(first: ArrayLike, second: ArrayLike, restarts: int = 10, seed: int = 0) -> float:
    """Return ``min over orthogonal C of |A - C B C'|`` (Frobenius).

    Descent along the orthogonal group from the rotation that aligns the symmetric parts, and from
    random ones of both determinants.

    Args:
        first: A, ``[r, r]``.
        second: B, ``[r, r]``.
        restarts: Random starts.
        seed: Of the random starts.

    Raises:
        ValueError: If they are not square and of one size.
    """
    a, b = (
        numbers(name, one, axes=("row", "column"), complete=True)
        for name, one in (("first", first), ("second", second))
    )
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.shape != b.shape:
        raise ValueError(f"both must be [r, r], got {a.shape} and {b.shape}")
    rng = np.random.default_rng(seed)
    starts = [_aligned(a, b)]
    for one in range(restarts):
        q = np.linalg.qr(rng.normal(size=a.shape))[0]
        q[:, 0] *= (-1) ** one * np.sign(np.linalg.det(q))
        starts.append(q)
    return float(np.sqrt(max(0.0, min(_descended(a, b, c) for c in starts))))


def dynamical_similarity(
    first: ArrayLike, second: ArrayLike, rank: int = 5, delays: int = 5, seed: int = 0
) -> float:
    """Return the distance of the dynamics of two systems: 0 if they move alike.

    Args:
        first: Trajectories ``[E, T, H]``; nothing may be missing.
        second: Trajectories of the other ``[D, S, J]``.
        rank: Coordinates of the linear steps, the same for both.
        delays: States in a row that are embedded.
        seed: Of random starts.

    Raises:
        ValueError: See `linear_step`.
    """
    return step_distance(
        linear_step(first, rank, delays), linear_step(second, rank, delays), seed=seed
    )


def _aligned(a: Array, b: Array) -> Array:
    """Return the rotation that aligns the symmetric parts, with signs by the other parts.

    If B = C' A C and no eigenvalue of the symmetric part is there twice, it is C.
    """
    (_, u), (_, v) = (np.linalg.eigh(x + x.T) for x in (a, b))
    skew = (u.T @ (a - a.T) @ u) * (v.T @ (b - b.T) @ v)
    signs = np.where(np.linalg.eigh(skew)[1][:, -1] < 0, -1.0, 1.0)
    return np.asarray((u * signs) @ v.T)


def _descended(a: Array, b: Array, c: Array, iterations: int = 500) -> float:
    """Return the least ``|A - C B C'|^2`` that descent from C finds."""
    rest = a - c @ b @ c.T
    value, size = float((rest**2).sum()), 0.1
    eye = np.eye(len(a))
    for _ in range(iterations):
        moved = c @ b @ c.T
        slope = -2 * (rest @ moved.T + rest.T @ moved)
        turn = slope - slope.T  # a skew matrix: C follows exp(-size * turn)
        if (turn**2).sum() < 1e-20:
            break
        while size > 1e-12:
            half = size / 2 * turn
            tried = np.linalg.solve(eye + half, (eye - half) @ c)  # Cayley: stays orthogonal
            left = a - tried @ b @ tried.T
            after = float((left**2).sum())
            if after < value:
                break
            size /= 2
        else:
            break
        gain = value - after
        c, rest, value, size = tried, left, after, 2 * size
        if gain < 1e-14 * max(value, 1e-14):
            break
    return value

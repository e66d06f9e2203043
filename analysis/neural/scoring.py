"""What predictors explain of responses in trials that were left out, beyond nuisance terms.

Squared errors of ridge regressions, or Poisson deviances of log-linear models; folds are blocks of
neighbouring trials. `encoding` asks units with it, and what is decoded from units is scored alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import number, numbers

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Score = Callable[[Array, Array, Array, Codes], tuple[Array, Array]]

PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_AXES = ("trial", "unit")
_EPS = 1e-12


def drift_terms(trials: int, degree: int = 3) -> Array:
    """Return Legendre polynomials of time in a session ``[trials, degree + 1]``, a constant first.

    Raises:
        ValueError: If the degree is below 0, or there are not more trials than terms.
    """
    if not 0 <= degree < trials - 1:
        raise ValueError(f"drift of degree {degree} needs more trials than {trials}")
    time = np.linspace(-1, 1, trials)
    return np.asarray(np.polynomial.legendre.legvander(time, degree), dtype=np.float64)


def blocks(trials: int, folds: int = 5, block: int = 10) -> Codes:
    """Return the fold of each trial ``[trials]``: blocks of neighbours, dealt out in turn.

    Blocks of several trials, because neighbours are alike; many of them, because a fold that is one
    long stretch would have to be extrapolated.

    Raises:
        ValueError: If some fold would be empty.
    """
    if folds < 2 or block < 1 or trials <= (folds - 1) * block:
        raise ValueError(
            f"{folds} folds of blocks of {block} trials need at least "
            f"{(max(folds, 2) - 1) * block + 1} trials, got {trials}"
        )
    return np.asarray(np.arange(trials) // block % folds, dtype=np.int64)


def explained(
    response: ArrayLike,
    latent: ArrayLike,
    nuisance: ArrayLike | None = None,
    folds: int = 5,
    block: int = 10,
    noise: Literal["gaussian", "poisson"] = "gaussian",
    ridge: float = 1.0,
) -> Array:
    """Return what a latent variable explains of responses in left-out trials, beyond nuisance.

    Args:
        response: Counts, or anything else to be explained ``[N, U]``; rows in which anything is
            missing (NaN) are left out.
        latent: Predictors ``[N]`` or ``[N, K]``; with "gaussian" their ridge penalty is chosen
            within the training trials, for each response, by generalised cross-validation.
        nuisance: What is explained away first, without a penalty ``[N, D]``, with its own constant;
            a constant alone by default.
        folds: Folds of trials.
        block: Neighbouring trials that stay in one fold.
        noise: Squared errors, or the Poisson deviance of a log-linear model (counts of at least 0).
        ridge: Penalty on the weights of standardised predictors with "poisson".

    Returns:
        ``1 - left(nuisance and latent) / left(nuisance)`` with squared errors or deviances of
        left-out trials ``[U]``; NaN for a response that nuisance explains wholly.

    Raises:
        ValueError: If shapes disagree, or there are too few trials.
    """
    y = numbers("response", response, 0.0 if noise == "poisson" else -np.inf, axes=_AXES)
    x = numbers("latent", latent, axes=_AXES)
    x = x.reshape(len(x), -1)
    drift = np.ones((len(x), 1)) if nuisance is None else numbers("nuisance", nuisance, axes=_AXES)
    if y.ndim != 2 or drift.ndim != 2 or not len(y) == len(x) == len(drift):
        raise ValueError(
            f"response must be [N, U], latent [N, K] and nuisance [N, D]; got {y.shape}, {x.shape} "
            f"and {drift.shape}"
        )
    whole = ~np.isnan(np.concatenate([y, x, drift], axis=1)).any(axis=1)
    fold = blocks(int(whole.sum()), folds, block)
    full, base = scorer(noise, ridge)(y[whole], x[whole], drift[whole], fold)
    return share(full, base)


def share(full: Array, base: Array) -> Array:
    """Return ``1 - full / base``, NaN where there is nothing to explain."""
    there = base > _EPS
    return np.where(there, 1 - full / np.where(there, base, 1.0), np.nan)


def scorer(noise: str, ridge: float) -> Score:
    """Return what scores responses, predictors, nuisance and folds; see `explained`.

    It returns what is left unexplained with and without the predictors, ``[U]`` each.

    Raises:
        ValueError: If there is no such noise, or the penalty is below 0.
    """
    number("ridge", ridge, 0.0)
    if noise == "gaussian":
        return _squared
    if noise == "poisson":
        return lambda y, x, drift, fold: _deviance(y, x, drift, fold, ridge)
    raise ValueError(f"noise must be 'gaussian' or 'poisson', got {noise!r}")


def _squared(y: Array, x: Array, drift: Array, fold: Codes) -> tuple[Array, Array]:
    """Return squared errors of left-out trials with and without the predictors, ``[U]`` each.

    Drift is regressed out of both in the training trials (Frisch-Waugh-Lovell), and a ridge
    regression of what is left is made by singular values, its penalty by generalised
    cross-validation. Predictors are scaled by all trials: one that starts to vary in the trials
    that are left out would be far from anything that was fitted.
    """
    full, base = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    spread = x.std(axis=0)
    scale = np.where(spread > 1e-9, spread, np.inf)
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        both = np.concatenate([y[train], x[train]], axis=1)
        slope = np.linalg.lstsq(drift[train], both, rcond=None)[0]
        rest, unseen = both - drift[train] @ slope, np.concatenate([y[test], x[test]], axis=1)
        unseen = unseen - drift[test] @ slope
        target, inputs = rest[:, : y.shape[1]], rest[:, y.shape[1] :]
        wanted, given = unseen[:, : y.shape[1]], unseen[:, y.shape[1] :]
        weights = _ridge(inputs / scale, target)
        base += (wanted**2).sum(axis=0)
        full += ((wanted - given / scale @ weights) ** 2).sum(axis=0)
    return full, base


def _ridge(x: Array, y: Array) -> Array:
    """Return ridge weights ``[K, U]``, each response with the penalty that it is best with.

    Penalties that leave more than one degree of freedom for two trials are not tried.
    """
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    shares = left.T @ y
    shrink = singular[:, None] ** 2 / (singular[:, None] ** 2 + np.array(PENALTIES))  # [K, L]
    total = (y**2).sum(axis=0)
    explained_by = np.einsum("kl,ku->lu", 2 * shrink - shrink**2, shares**2)
    freedom = 1 - shrink.sum(axis=0) / len(y)
    loss = (total - explained_by) / np.maximum(freedom, _EPS)[:, None] ** 2
    best = np.where(freedom[:, None] < 0.5, np.inf, loss).argmin(axis=0)
    inverse = singular[:, None] / (singular[:, None] ** 2 + np.array(PENALTIES)[best])  # [K, U]
    return np.asarray(right.T @ (inverse * shares))


def _deviance(y: Array, x: Array, drift: Array, fold: Codes, ridge: float) -> tuple[Array, Array]:
    """Return Poisson deviances of left-out trials with and without the predictors."""
    full, base = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        mean, spread = x[train].mean(axis=0), x[train].std(axis=0)
        z = (x - mean) / np.where(spread > 1e-9, spread, np.inf)
        design = np.concatenate([drift, z], axis=1)
        penalty = np.r_[np.full(drift.shape[1], 1e-6), np.full(x.shape[1], ridge)]
        for matrix, weight, sums in (
            (design, penalty, full),
            (drift, penalty[: drift.shape[1]], base),
        ):
            rate = np.exp(
                np.clip(matrix[test] @ _poisson(matrix[train], y[train], weight), -20, 20)
            )
            log = np.log(np.where(y[test] > 0, y[test], 1) / rate)
            sums += 2 * (np.where(y[test] > 0, y[test] * log, 0.0) - (y[test] - rate)).sum(axis=0)
    return full, base


def _poisson(x: Array, y: Array, penalty: Array) -> Array:
    """Return weights ``[P, U]`` of log-linear Poisson regressions, by Newton's method."""
    b = np.zeros((x.shape[1], y.shape[1]))
    b[0] = np.log(np.maximum(y.mean(axis=0), 1e-3))  # the constant comes first
    for _ in range(25):
        rate = np.exp(np.clip(x @ b, -20, 20))
        slope = x.T @ (y - rate) - penalty[:, None] * b
        curve = np.einsum("np,nu,nq->upq", x, rate, x) + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, slope.T[..., None])[..., 0].T
        b = b + step * np.minimum(1.0, 2.0 / np.maximum(np.abs(step).max(axis=0), _EPS))
        if np.abs(step).max() < 1e-8:
            break
    return b

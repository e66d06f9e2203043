"""Logistic and linear regression in NumPy: Newton's method, Firth's penalty, clustered errors.

Small enough to read, so that a probe needs no statistics package. Two habits of these data decide
the details. Good agents are deterministic, so that their choices can be *separable* and the maximum
likelihood estimate infinite: Firth's penalty keeps it finite. Hidden states and values drift slowly
within an episode, so that its steps are no independent samples: errors are clustered by episode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import number, numbers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression.

    Attributes:
        coefficients: Log odds per unit of each column ``[P]``.
        covariance: Inverse Fisher information at the estimate ``[P, P]``.
        log_likelihood: Log likelihood of the data (without penalty), nats.
    """

    coefficients: Array
    covariance: Array
    log_likelihood: float

    @property
    def standard_errors(self) -> Array:
        """Return the standard errors of the coefficients ``[P]``."""
        return np.sqrt(np.diag(self.covariance))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return the Wald interval, low ``[P]`` and high ``[P]``: of trials, not of members."""
        from scipy import stats

        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        reach = stats.norm.ppf(0.5 + level / 2) * self.standard_errors
        return self.coefficients - reach, self.coefficients + reach

    @property
    def p_values(self) -> Array:
        """Return the two-sided p-values of the coefficients against zero ``[P]``."""
        from scipy import stats

        return np.asarray(2 * stats.norm.sf(np.abs(self.coefficients) / self.standard_errors))


def logistic_regression(
    x: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike | None = None,
    firth: bool = False,
    ridge: float = 0.0,
) -> LogisticFit:
    """Fit ``log p/(1-p) = x b`` by Newton's method with step halving.

    Rows in which something is missing (NaN) are left out.

    Args:
        x: Design ``[N, P]``, with its own column of ones if an intercept is wanted.
        y: Outcomes ``[N]``, 0 or 1, or fractions of ones where a row stands for many trials.
        weights: How many trials each row stands for ``[N]``; one each by default.
        firth: Add half the log determinant of the Fisher information (Jeffreys prior; Firth 1993,
            Heinze & Schemper 2002). Finite for separable data; in a saturated design it equals half
            a success and half a failure more in every cell.
        ridge: Penalty ``ridge / 2 * b.b`` on all coefficients.

    Raises:
        ValueError: If shapes disagree, outcomes lie outside ``[0, 1]``, a weight is below 0, or
            there is no finite maximum.
    """
    design, outcome = numbers("x", x, axes=("row",)), numbers("y", y, 0.0, 1.0, ("row",))
    rows = np.ones(outcome.shape) if weights is None else numbers("weights", weights, 0.0)
    if design.ndim != 2 or outcome.shape != design.shape[:1] or rows.shape != outcome.shape:
        raise ValueError(f"x must be [N, P], y [N]; got {design.shape}, {outcome.shape}")
    whole = ~(np.isnan(design).any(axis=1) | np.isnan(outcome) | np.isnan(rows))
    design, outcome, rows = design[whole], outcome[whole], rows[whole]
    if not rows.sum() > 0:
        raise ValueError("y must hold outcomes from 0 to 1, at least one")
    b = np.zeros(design.shape[1])
    objective = _penalised(design, outcome, rows, b, firth, ridge)
    for _ in range(100):
        p = _sigmoid(design @ b)
        fisher = _information(design, rows, p, ridge)
        score = design.T @ (rows * (outcome - p)) - ridge * b
        if firth:
            spread = rows * p * (1 - p)
            leverage = spread * np.einsum("np,pq,nq->n", design, _inverse(fisher), design)
            score += design.T @ (leverage * (0.5 - p))
        step = _inverse(fisher) @ score
        step *= min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
        for _ in range(30):
            candidate = _penalised(design, outcome, rows, b + step, firth, ridge)
            if candidate >= objective - 1e-12 * abs(objective):
                break
            step = step / 2
        b, objective = b + step, candidate
        if np.abs(step).max() < 1e-9:
            break
        if np.abs(b).max() > 1e3:
            raise ValueError("the outcomes are separable, no finite estimate: use firth=True")
    else:
        raise ValueError("logistic regression did not converge: use firth=True or ridge > 0")
    p = _sigmoid(design @ b)
    covariance = _inverse(_information(design, rows, p, ridge))
    if not firth and ridge == 0 and np.abs(b).max() > 12 and covariance.diagonal().max() > 1e4:
        raise ValueError("the outcomes are separable, no finite estimate: use firth=True")
    return LogisticFit(b, covariance, _penalised(design, outcome, rows, b, False, 0.0))


@dataclass(frozen=True)
class LinearFit:
    """Linear regressions of many responses (units) on one design.

    Attributes:
        coefficients: Change of each unit per unit of each column ``[P, U]``.
        covariance: Of the coefficients of each unit, clustered by group ``[U, P, P]``.
        r_squared: Fraction of the variance of each unit that the design explains ``[U]``.
        degrees: Degrees of freedom of the tests: groups - 1.
    """

    coefficients: Array
    covariance: Array
    r_squared: Array
    degrees: int

    def p_values(self, columns: slice) -> Array:
        """Return the p-values ``[U]`` of the joint test that these columns do not matter.

        A Wald test with clustered covariance: ``b' V^-1 b / k ~ F(k, groups - 1)``; with one column
        the square of Student's t.
        """
        from scipy import stats

        b = self.coefficients[columns].T  # [U, k]
        v = self.covariance[:, columns, columns]
        count = b.shape[1]
        silent = np.trace(v, axis1=1, axis2=2) <= 1e-30  # a unit that never changes
        v = np.where(silent[:, None, None], np.eye(count), v)
        wald = np.einsum("uk,ukl,ul->u", b, np.linalg.pinv(v, hermitian=True), b) / count
        p = stats.f.sf(wald, count, self.degrees)
        return np.where(silent, 1.0, p)


def linear_regression(x: ArrayLike, y: ArrayLike) -> LinearFit:
    """Fit each unit's activity by least squares, with errors clustered by group (episode).

    The covariance is the sandwich ``(X'X)^-1 (sum over g of X_g' u_g u_g' X_g) (X'X)^-1`` with the
    usual small-sample factor: right whatever the correlation of steps within a group, as long as
    groups are independent (Liang & Zeger 1986). This matters: slow signals that share nothing look
    strongly related if steps are taken for independent samples (Elber-Dorozko & Loewenstein 2018).

    Samples in which something is missing (NaN) are left out, and groups of which nothing is left.

    Args:
        x: Design ``[G, n, P]``: groups, samples in a group, columns (with its own ones).
        y: Responses ``[G, n, U]``.

    Raises:
        ValueError: If there are too few groups, or columns are linearly dependent.
    """
    design, response = (numbers(n, v, axes=("episode", "step")) for n, v in (("x", x), ("y", y)))
    if design.ndim != 3 or response.ndim != 3 or design.shape[:2] != response.shape[:2]:
        raise ValueError(f"x must be [G, n, P], y [G, n, U]; got {design.shape}, {response.shape}")
    columns = design.shape[-1]
    absent = np.isnan(design).any(axis=-1) | np.isnan(response).any(axis=-1)
    whole: NDArray[np.bool_] = np.asarray(~absent)  # [G, n]
    groups, count = int(whole.any(axis=1).sum()), int(whole.sum())
    if groups <= columns:
        raise ValueError(f"{columns} columns need more than {columns} episodes, got {groups}")
    # A sample of zeros adds nothing to any of the sums below.
    design, response = (np.where(whole[..., None], array, 0.0) for array in (design, response))
    flat, targets = design.reshape(-1, columns), response.reshape(whole.size, -1)
    if np.linalg.matrix_rank(flat) < columns:
        raise ValueError("columns of the design are linearly dependent: leave one out")
    bread = np.linalg.inv(flat.T @ flat)
    coefficients = bread @ (flat.T @ targets)
    residual = targets - flat @ coefficients
    scores = np.einsum("gnp,gnu->ugp", design, residual.reshape(response.shape))
    meat = np.swapaxes(scores, 1, 2) @ scores  # [U, P, P]
    factor = groups / (groups - 1) * (count - 1) / (count - columns)
    total = ((targets - targets.sum(axis=0) / count) ** 2)[whole.ravel()].sum(axis=0)
    unexplained = (residual**2).sum(axis=0) / np.where(total > 0, total, 1.0)
    r_squared = np.where(total > 0, 1 - unexplained, 0.0)
    return LinearFit(coefficients, factor * bread @ meat @ bread, r_squared, groups - 1)


def ridge_decoder(activity: Array, target: Array, ridge: float) -> Callable[[Array], Array]:
    """Fit a linear read-out of activity by ridge regression.

    Args:
        activity: Samples ``[n, H]``; those in which something is missing (NaN) are left out.
        target: What to read out ``[n]`` or ``[n, K]``.
        ridge: Penalty on the weights of standardised units, in units of samples.

    Returns:
        The decoder: activity ``[m, H]`` to its estimate ``[m]`` or ``[m, K]``.

    Raises:
        ValueError: If nothing is left, a value is infinite, or the penalty is below 0.
    """
    number("ridge", ridge, 0.0)
    activity, target = (
        numbers(name, values, axes=("sample",))
        for name, values in (("activity", activity), ("target", target))
    )
    flat = target.reshape(len(target), -1)
    whole = ~(np.isnan(activity).any(axis=1) | np.isnan(flat).any(axis=1))
    activity, target = activity[whole], target[whole]
    if not len(target):
        raise ValueError("no sample has both activity and target")
    mean, spread, centre = activity.mean(axis=0), activity.std(axis=0), target.mean(axis=0)
    scale = np.where(spread > 1e-12, spread, np.inf)  # a unit that never changes becomes zero
    a = (activity - mean) / scale
    weights = np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T @ (target - centre))
    return lambda other: np.asarray((other - mean) / scale @ weights + centre)


def holm(p_values: ArrayLike, level: float = 0.05) -> NDArray[np.bool_]:
    """Return which tests pass with this probability of any false one (Holm 1979); one family.

    Raises:
        ValueError: If a p-value or the level is not from 0 to 1.
    """
    p = numbers("p_values", p_values, 0.0, 1.0, axes=("test",), complete=True)
    number("level", level, 0.0, 1.0)
    order = np.argsort(p, axis=None)
    passes = p.ravel()[order] <= level / (p.size - np.arange(p.size))
    result = np.zeros(p.size, dtype=bool)
    result[order[: p.size if passes.all() else int(passes.argmin())]] = True
    return result.reshape(p.shape)


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def _inverse(matrix: Array) -> Array:
    return np.asarray(np.linalg.pinv(matrix, hermitian=True), dtype=np.float64)


def _information(x: Array, rows: Array, p: Array, ridge: float) -> Array:
    return (x * (rows * p * (1 - p))[:, None]).T @ x + ridge * np.eye(x.shape[1])


def _penalised(x: Array, y: Array, rows: Array, b: Array, firth: bool, ridge: float) -> float:
    """Return the log likelihood with its penalties."""
    z = x @ b
    value = float(rows @ (y * z - np.logaddexp(0, z))) - ridge / 2 * float(b @ b)
    if firth:
        value += 0.5 * float(np.linalg.slogdet(_information(x, rows, _sigmoid(z), ridge))[1])
    return value

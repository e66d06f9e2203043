"""Distributions of rewards in a population of values: expectiles, reversal points, decoding.

A value that learns with the step sizes α+ from positive and α- from negative prediction errors
settles on the expectile of the rewards at the level τ = α+ / (α+ + α-): the number e with
``sum_k p_k |τ - 1(r_k < e)| (r_k - e) = 0`` (Newey & Powell 1987; Dabney et al. 2020). The mean is
that at τ = .5. Of a reward that is 0 or 1, it is ``logit e = logit p + logit τ``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, numbers

Array = NDArray[np.float64]


def head_levels(size: int) -> Array:
    """Return the levels of a head of expectiles, τ_i = (i + 1/2) / size, ``[size]``."""
    return (np.arange(size) + 0.5) / size


def expectiles(amounts: ArrayLike, probabilities: ArrayLike, levels: ArrayLike) -> Array:
    """Return the exact expectiles of discrete distributions.

    Between two neighbouring amounts the condition is linear in e, so it is solved there.

    Args:
        amounts: What there can be, rising ``[K]``.
        probabilities: Of each amount ``[..., K]``.
        levels: Levels τ from 0 to 1, ends excluded ``[N]``.

    Returns:
        ``[..., N]``.

    Raises:
        ValueError: If amounts do not rise, probabilities do not sum to 1, or a level is no level.
    """
    (x, p), tau = _distributions(amounts, probabilities), _levels(levels)[:, None]
    share = np.where(x[:, None] < x, tau[..., None], 1 - tau[..., None])  # [N, at, K]
    pull = np.tensordot(p, share * (x - x[:, None]), axes=(-1, -1))  # [..., N, at], falling
    last = (pull > 0).sum(axis=-1)[..., None]  # how many amounts lie below e
    weight = p[..., None, :] * np.where(np.arange(len(x)) >= last, tau, 1 - tau)
    return np.asarray((weight * x).sum(axis=-1) / weight.sum(axis=-1))


def bernoulli_expectiles(p: ArrayLike, levels: ArrayLike) -> Array:
    """Return the expectiles of a reward that is 1 with probability p ``[...]``, else 0.

    ``logit e = logit p + logit τ``; the result is ``[..., N]`` for levels ``[N]``.
    """
    paid, tau = numbers("p", p, 0.0, 1.0)[..., None], _levels(levels)
    up = tau * paid
    return np.asarray(up / (up + (1 - tau) * (1 - paid)))


def logit(p: ArrayLike) -> Array:
    """Return ``log p / (1 - p)``, of numbers between 0 and 1."""
    given = np.asarray(p, dtype=np.float64)
    return np.asarray(np.log(given) - np.log1p(-given))


def arm_predictive(
    action: ArrayLike, reward: ArrayLike, arms: int = 2, dependent: bool = False
) -> Array:
    """Return the probability that each Bernoulli arm pays next, given the pulls before.

    Arms have uniform priors, so it is (wins + 1) / (pulls + 2). Dependent arms are two whose
    probabilities sum to 1: a loss of one is then a win of the other.

    Args:
        action: Pulled arms ``[..., T]``.
        reward: 0 or 1 ``[..., T]``; nothing is learned from one that is missing (-1 or NaN).
        arms: How many arms, K.
        dependent: Whether p_2 = 1 - p_1.

    Returns:
        Before each pull ``[..., T, K]``.

    Raises:
        ValueError: If a reward is neither 0 nor 1, there is not one an action, or dependent arms
            are not two.
    """
    arm, paid = codes("action", action, arms, complete=True), codes("reward", reward, 2)
    if arm.ndim < 1 or arm.shape != paid.shape:
        raise ValueError(f"action and reward must be [..., T] alike, got {arm.shape}, {paid.shape}")
    if dependent and arms != 2:
        raise ValueError(f"dependent arms must be 2, got {arms}")
    pulled = arm[..., None] == np.arange(arms)
    won, lost = pulled & (paid == 1)[..., None], pulled & (paid == 0)[..., None]
    if dependent:
        won, lost = won | lost[..., ::-1], lost | won[..., ::-1]
    wins, losses = (seen.cumsum(axis=-2) - seen for seen in (won, lost))
    return np.asarray((wins + 1) / (wins + losses + 2))


def amount_predictive(index: ArrayLike, amounts: int) -> Array:
    """Return the probability of each of K amounts under a uniform prior on the simplex.

    It is (n_k + 1) / (n + K) after n amounts, n_k of them k.

    Args:
        index: Which amount came ``[..., T]``.
        amounts: K.

    Returns:
        Before each amount comes ``[..., T, K]``.
    """
    came = codes("index", index, amounts, complete=True)[..., None] == np.arange(amounts)
    counts = came.cumsum(axis=-2) - came
    return np.asarray((counts + 1) / (counts.sum(axis=-1, keepdims=True) + amounts))


def responses_by_outcome(outcome: ArrayLike, response: ArrayLike, count: int) -> Array:
    """Return the mean response of each cell to each outcome, ``[M, N, K]``; NaN to one that lacks.

    Args:
        outcome: Which of K outcomes ``[M, E, T]``.
        response: ``[M, E, T, N]``.
        count: K.
    """
    came, given = np.asarray(outcome), np.asarray(response, dtype=np.float64)
    masks = [came == k for k in range(count)]
    sums = [(given * mask[..., None]).sum(axis=(1, 2)) for mask in masks]
    counts = [mask.sum(axis=(1, 2))[:, None] for mask in masks]
    return np.stack([one / many for one, many in zip(sums, counts, strict=True)], axis=-1)


def reversal_points(amounts: ArrayLike, responses: ArrayLike) -> Array:
    """Return the amount at which the mean response to amounts changes from negative to positive.

    Neighbouring amounts are joined by straight lines; where there are several crossings it is the
    mean of them, and a cell that never crosses is at the end it lies nearer to. An amount whose
    response is missing (NaN: it never came) is left out, so those on both sides of it are joined.

    Args:
        amounts: Rising ``[K]``.
        responses: Mean response to each ``[..., K]``, rising on the whole; NaN where missing.

    Returns:
        ``[...]``; NaN where a cell never crosses and some response is missing, or its mean
        response is 0.

    Raises:
        ValueError: If amounts do not rise, or there is not one response to each.
    """
    x, y = numbers("amounts", amounts, complete=True), numbers("responses", responses)
    if x.ndim != 1 or not x.size or (np.diff(x) <= 0).any() or y.shape[-1:] != x.shape:
        raise ValueError(f"amounts must rise, one a response; got {x.shape} and {y.shape}")
    if not np.isnan(y).any():
        return _crossings(x, y)
    rows = y.reshape(-1, len(x))
    found = np.full(len(rows), np.nan)
    for i, row in enumerate(rows):
        known = ~np.isnan(row)
        if known.all() or ((row[known][:-1] < 0) & (row[known][1:] >= 0)).any():
            found[i] = _crossings(x[known], row[known])
    return found.reshape(y.shape[:-1])


def _crossings(x: Array, y: Array) -> Array:
    """Return `reversal_points` of responses none of which is missing."""
    left, right = y[..., :-1], y[..., 1:]
    crosses = (left < 0) & (right >= 0)
    step = np.where(crosses, right - left, 1.0)
    at = x[:-1] - np.where(crosses, left, 0.0) / step * np.diff(x)
    count, mean = crosses.sum(axis=-1), y.mean(axis=-1)
    end = np.where(mean > 0, x[0], np.where(mean < 0, x[-1], np.nan))
    return np.where(count > 0, (at * crosses).sum(axis=-1) / np.maximum(count, 1), end)


def asymmetries(distance: ArrayLike, responses: ArrayLike) -> Array:
    """Return α+ / (α+ + α-) of cells: slopes through 0 of responses to gains and to losses.

    Args:
        distance: How far outcomes lie above each cell's reversal point (or prediction errors)
            ``[..., S]``.
        responses: Response to each ``[..., S]``.

    Returns:
        ``[...]``; a slope below 0 counts as 0. NaN where both do, and where no outcome lies above
        0 or none below.
    """
    x, y = numbers("distance", distance), numbers("responses", responses)
    slopes = []
    with np.errstate(invalid="ignore"):
        for side in (x > 0, x < 0):
            part = np.where(side, x, 0.0)
            slopes.append(np.maximum((part * y).sum(axis=-1), 0) / (part * x).sum(axis=-1))
        return np.asarray(slopes[0] / (slopes[0] + slopes[1]))


def correlations(x: ArrayLike, y: ArrayLike) -> Array:
    """Return the Pearson correlation over the last axis ``[..., N]`` of each row.

    It is 0 where one of the two does not vary.

    Raises:
        ValueError: If rows are empty, or differ in length.
    """
    a, b = (numbers(name, one, complete=True) for name, one in (("x", x), ("y", y)))
    if a.ndim < 1 or a.shape[-1:] != b.shape[-1:] or not a.shape[-1]:
        raise ValueError(f"x and y must be [..., N] with N >= 1 alike, got {a.shape}, {b.shape}")
    # Of equal numbers the mean may be rounded to another one
    vary = (a != a[..., :1]).any(axis=-1) & (b != b[..., :1]).any(axis=-1)
    a, b = (one - one.mean(axis=-1, keepdims=True) for one in (a, b))
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    vary &= scale > 0
    return np.where(vary, (a * b).sum(axis=-1) / np.where(vary, scale, 1.0), 0.0)


def rank_correlations(x: ArrayLike, y: ArrayLike) -> Array:
    """Return the Spearman correlation over the last axis of each row."""
    from scipy.stats import rankdata

    return correlations(rankdata(x, axis=-1), rankdata(y, axis=-1))


def decode(values: ArrayLike, levels: ArrayLike, grid: ArrayLike) -> Array:
    """Return the distribution on a grid that best explains a set of expectiles.

    It minimises ``sum_i (sum_k p_k |τ_i - 1(r_k < e_i)| (r_k - e_i))²`` (Dabney et al. 2020,
    methods), which is a least-squares problem in p >= 0 with ``sum_k p_k = 1``. Where many
    distributions do equally well, this is one with few amounts.

    Args:
        values: Expectiles e ``[N]``.
        levels: Their levels τ ``[N]``.
        grid: Amounts r that there may be ``[K]``, not all the same.

    Returns:
        Probabilities p ``[K]``.

    Raises:
        ValueError: If there is no value or not one a level, or fewer than two amounts.
    """
    from scipy.optimize import nnls

    e, tau = numbers("values", values, complete=True), _levels(levels)
    r = numbers("grid", grid, complete=True)
    if e.shape != tau.shape or not e.size:
        raise ValueError(f"values must be [N], one a level, got {e.shape} and {tau.shape}")
    if r.ndim != 1 or not (r != r[:1]).any():
        raise ValueError(f"grid must be [K] of at least two amounts that differ, got {r.shape}")
    distance = r - e[:, None]
    rows = np.where(distance > 0, tau[:, None], 1 - tau[:, None]) * distance
    rows = rows / np.abs(rows).max()
    heavy = 1e3  # of the condition that probabilities sum to 1
    system = np.concatenate([rows, np.full((1, len(r)), heavy)])
    p, _ = nnls(system, np.append(np.zeros(len(e)), heavy), maxiter=50 * len(r))
    return np.asarray(p / p.sum())


def best_gaussian(amounts: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the least Wasserstein-1 distance of any one Gaussian from a discrete distribution.

    Args:
        amounts: What there can be, rising ``[K]``.
        probabilities: Of each amount ``[K]``.

    Raises:
        ValueError: If amounts do not rise, or probabilities are not one each and sum to 1.
    """
    from scipy.optimize import minimize
    from scipy.stats import norm

    x, p = _distributions(amounts, probabilities)
    if p.ndim != 1:
        raise ValueError(f"probabilities must be [K], of one distribution, got {p.shape}")
    at = (np.arange(2000) + 0.5) / 2000  # W1 is the mean distance of quantiles
    target = x[np.minimum(np.searchsorted(np.cumsum(p), at), len(x) - 1)]
    normal = norm.ppf(at)

    def distance(moments: Array) -> float:
        return float(np.abs(moments[0] + abs(moments[1]) * normal - target).mean())

    start = np.array([target.mean(), target.std()])
    return float(minimize(distance, start, method="Nelder-Mead").fun)


@dataclass(frozen=True)
class Cells:
    """Simulated values and the prediction errors that they learn from.

    Attributes:
        index: Which amount came ``[R, S]``.
        values: Values before it ``[R, N, S]``.
        errors: Prediction errors of the cells ``[R, N, S]``.
        responses: What the cells signal: errors scaled by α+ or α-, and noise ``[R, N, S]``.
    """

    index: NDArray[np.int64]
    values: Array
    errors: Array
    responses: Array


def simulate_cells(
    amounts: ArrayLike,
    probabilities: ArrayLike,
    levels: ArrayLike,
    trials: int = 2000,
    runs: int = 8,
    rate: float = 0.05,
    noise: float = 0.0,
    coupled: bool = True,
    seed: int = 0,
) -> Cells:
    """Let values learn from prediction errors that are scaled by their sign (Dabney et al. 2020).

    Cell i signals ``c_i = 2 |τ_i - 1(δ_i < 0)| δ_i``. Coupled, it has a value of its own: ``δ_i =
    r - V_i`` and ``V_i += rate c_i``. Uncoupled, every cell meets all values and every value all
    cells: ``δ_i = r - mean V`` and ``V_i += rate mean c``.

    Args:
        amounts: Rising ``[K]``.
        probabilities: Of each ``[K]``.
        levels: τ of each cell ``[N]``.
        trials: S.
        runs: Independent runs, R.
        rate: Step size of the values, which start at 0.
        noise: Standard deviation of noise on what is signalled; nothing is learned from it.
        coupled: Whether a value learns from its own cell alone.
        seed: Seed of amounts and noise.
    """
    x, tau = numbers("amounts", amounts, complete=True), _levels(levels)
    rng = np.random.default_rng(seed)
    index = rng.choice(len(x), size=(runs, trials), p=np.asarray(probabilities, dtype=np.float64))
    kept = np.zeros((3, runs, len(tau), trials))
    value = np.zeros((runs, len(tau)))
    for t in range(trials):
        met = value if coupled else value.mean(axis=1, keepdims=True)
        error = x[index[:, t], None] - met + np.zeros_like(value)
        signal = 2 * np.abs(tau - (error < 0)) * error
        kept[:, :, :, t] = value, error, signal
        value = value + rate * (signal if coupled else signal.mean(axis=1, keepdims=True))
    return Cells(index, kept[0], kept[1], kept[2] + noise * rng.normal(size=kept[2].shape))


def _levels(levels: ArrayLike) -> Array:
    tau = numbers("levels", levels, complete=True)
    if tau.ndim != 1 or (tau <= 0).any() or (tau >= 1).any():
        raise ValueError("levels must lie between 0 and 1, ends excluded")
    return tau


def _distributions(amounts: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
    x = numbers("amounts", amounts, complete=True)
    p = numbers("probabilities", probabilities, 0.0, 1.0, complete=True)
    if x.ndim != 1 or (np.diff(x) <= 0).any() or p.shape[-1:] != x.shape:
        raise ValueError(f"amounts must rise, one a probability; got {x.shape} and {p.shape}")
    if (np.abs(p.sum(axis=-1) - 1) > 1e-3).any():
        raise ValueError("probabilities must sum to 1")
    return x, p

"""Means and interquartile means with intervals over members; probability of improvement.

A member is an independent agent: own weights, own seed. It is the unit of replication. Episodes of
one member are not replicates of its training, so average over them first: an interval over episodes
says how well *one* agent was measured, not how well the method works.

With eight members or more the mean gets the bootstrap-t interval (studentised, its ends kept within
the observed range), with fewer Student's t, and the interquartile mean the percentile bootstrap, as
in rliable. The probability of improvement gets Newcombe's interval, which holds for few members and
near 0 and 1. docs/intervals.md has the measured coverage of these and of the others.

Where members fail now and then, no interval of the mean holds. If one in ten fails, eight members
hold no failure at all in 43 of 100 sets, and the nominal 95 % interval covers .57; if one in five
fails, .82. So show the members, and how many failed, as well. For the same reason NaN is refused
here, not left out (module `missing`): the member that has no value may be the one that failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import NotMeasurableError, numbers

Statistic = Literal["mean", "iqm"]
Array = NDArray[np.float64]

TRIM = 0.25  # the interquartile mean leaves out a quarter at each end
FEW = 8  # members below which a resampling interval cannot reach its level


@dataclass(frozen=True)
class Interval:
    """An estimate over members and its interval.

    Attributes:
        value: The statistic of the members.
        low: Lower end of the interval; None for a single member (one seed is an anecdote).
        high: Upper end of the interval; None for a single member.
        members: How many independent members there were.
        method: How the interval was made: "none", "t", "bootstrap-t", "percentile", "newcombe",
            "welch" or "exact".
    """

    value: float
    low: float | None
    high: float | None
    members: int
    method: str = "none"

    def __str__(self) -> str:
        """For example ``1.83 [1.78, 1.90]``."""
        if self.low is None or self.high is None:
            return f"{self.value:.4g} (1 member)"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def iqm(values: ArrayLike, axis: int = -1) -> Array:
    """Return the interquartile mean: the mean without the lowest and the highest quarter.

    A quarter of n is rounded down, so up to three values are simply averaged (Agarwal et al. 2021,
    "Deep RL at the edge of the statistical precipice"; equals ``scipy.stats.trim_mean(x, 0.25)``).

    Raises:
        ValueError: If there are no values, or one is missing, infinite or no number.
    """
    array = members_of("values", values)
    cut = int(TRIM * array.shape[axis])
    kept = np.take(np.sort(array, axis=axis), range(cut, array.shape[axis] - cut), axis=axis)
    return np.asarray(kept.mean(axis=axis))


def interval(
    values: ArrayLike,
    statistic: Statistic = "mean",
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    paired: bool = False,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Return the mean or interquartile mean over members with its interval.

    With several tasks the statistic is taken over all members and tasks, and members are resampled
    within each task on their own (stratified bootstrap, Agarwal et al. 2021). That is right when
    the members of different tasks are different agents. Where row m is the *same* agent in every
    task, say ``paired=True``: its tasks are averaged first and agents are resampled whole.

    Args:
        values: One number per member ``[M]``, or per member and task ``[M, K]``; any unit.
        statistic: "mean" or "iqm".
        level: Coverage, 0.95 for a 95 % interval.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resampling; the same data and seed give the same interval.
        paired: Whether row m of ``[M, K]`` is one and the same member.
        within: Least and greatest value that there can be, (0, 1) for a fraction; the interval
            ends there.

    Returns:
        The estimate, its interval (None, None for one member) and the number of members.

    Raises:
        NotMeasurableError: If a value is missing or infinite (a ValueError).
        ValueError: If values are empty, have more than two axes or lie outside `within`, or an
            option is not one.
    """
    if len(within) != 2 or not within[0] < within[1]:
        raise ValueError(f"within must be (low, high) with low < high, got {within}")
    table = _table(values, within)
    _check_options(statistic, level, resamples)
    if paired:
        table = table.mean(axis=1, keepdims=True)
    members = table.shape[0]
    if statistic == "mean":
        low, high, method = _mean_interval(table[None], level, resamples, seed)
        value = float(table.mean())
    else:
        low, high, method = _iqm_interval(table, level, resamples, seed)
        value = float(iqm(table.ravel()))
    if members == 1:
        return Interval(value, None, None, 1)
    ends = np.clip([low[0], high[0]], *within)
    return Interval(value, float(ends[0]), float(ends[1]), members, method)


def curve_interval(
    values: ArrayLike, level: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Return the mean over members at every point of a curve, with a pointwise interval.

    Args:
        values: Curves ``[U, M]``: U points, M members.
        level: Coverage of the interval at each point.
        resamples: Number of bootstrap resamples, shared by all points.
        seed: Seed of the resampling.

    Returns:
        mean ``[U]``, low ``[U]``, high ``[U]``; for one member low and high are NaN, and at a point
        at which a member has no value (NaN) all three are.

    Raises:
        ValueError: If values are not ``[U, M]``, infinite or no numbers, or an option is not one.
    """
    curves = numbers("values", values, axes=("point", "member"))
    if curves.ndim != 2 or not curves.size:
        raise ValueError(f"values must be [points, members], got shape {curves.shape}")
    _check_options("mean", level, resamples)
    # A few hundred points at a time: a resample of every point is held in memory.
    parts = np.array_split(curves[:, :, None], max(1, len(curves) // 256))
    ends = [_mean_interval(part, level, resamples, seed)[:2] for part in parts]
    low, high = (np.concatenate(end) for end in zip(*ends, strict=True))
    return curves.mean(axis=1), low, high


def over_episodes(
    sums: ArrayLike, counts: ArrayLike | None = None, level: float = 0.95, fraction: bool = False
) -> Interval:
    """Return what *one* member scores, with the interval of its sampling error over its episodes.

    It says how well this member was measured, not how well the method works. The value is
    ``r = sum(sums) / sum(counts)``, its error that of a ratio estimator: the standard deviation of
    ``sums - r counts`` over episodes, by the mean count and the root of the number of episodes.
    Fractions have Wilson's interval (1927) for as many independent trials as have that error, so
    that one that was always right is not thereby certain.

    Args:
        sums: Sum of what was measured in each episode ``[E]``.
        counts: How much was measured in each episode ``[E]``; 1 by default.
        level: Coverage.
        fraction: Whether each thing that was counted is 0 or 1.

    Returns:
        The value and its interval (None, None for a single episode).

    Raises:
        NotMeasurableError: Nothing was counted, or a value is not finite.
    """
    values = np.asarray(sums, dtype=np.float64)
    weights = np.ones_like(values) if counts is None else np.asarray(counts, dtype=np.float64)
    total = float(weights.sum())
    if not total > 0 or not np.isfinite(values).all():
        raise NotMeasurableError("an episode with NaN, or none at all, has nothing to average")
    ratio, episodes = float(values.sum() / total), len(values)
    if episodes == 1:
        return Interval(ratio, None, None, 1)
    spread = float((values - ratio * weights).std(ddof=1))
    error = spread * np.sqrt(episodes) / total
    quantile = _student((1 + level) / 2, episodes - 1)
    if not fraction:
        return Interval(ratio, ratio - quantile * error, ratio + quantile * error, 1, "t")
    trials = min(total, ratio * (1 - ratio) / error**2) if error > 0 else episodes
    squared = quantile**2 / trials
    middle, reach = ratio + squared / 2, np.sqrt(squared * (ratio * (1 - ratio) + squared / 4))
    low, high = (float(middle + sign * reach) / (1 + squared) for sign in (-1, 1))
    return Interval(ratio, min(max(low, 0.0), ratio), max(min(high, 1.0), ratio), 1, "Wilson")


def probability_of_improvement(ours: ArrayLike, theirs: ArrayLike, level: float = 0.95) -> Interval:
    """Return P(a random member of ours scores higher than one of theirs), ties counted half.

    The Mann-Whitney statistic, averaged over tasks (Agarwal et al. 2021, eq. 4). Negate the scores
    where lower is better. The interval is method 5 of Newcombe (2006, "Confidence intervals for an
    effect size measure based on the Mann-Whitney statistic. Part 2", Statistics in Medicine
    25:559): all p with ``(estimate - p)^2 <= z^2 V(p)``, where ``V(p) = p (1 - p) / (M N) (1 + n
    ((1 - p) / (2 - p) + p / (1 + p)))`` and ``n = (M + N) / 2 - 1``. So it never has length 0, not
    even where all of ours are better. The members of different tasks are taken for different
    agents: V is divided by the number of tasks.

    Args:
        ours: Scores ``[M]`` or ``[M, K]``.
        theirs: Scores ``[N]`` or ``[N, K]``, the same K tasks.
        level: Coverage of the interval.

    Returns:
        The probability; ``members`` is the size of the smaller group.

    Raises:
        ValueError: If a score is missing or infinite, or the tasks are not the same.
    """
    from scipy import stats

    x, y = _table(ours), _table(theirs)
    check_level(level)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"both need the same tasks, got {x.shape[1]} and {y.shape[1]}")
    wins = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])  # [M, N, K]
    members = min(len(x), len(y))
    value = float(wins.mean())
    if members == 1:
        return Interval(value, None, None, 1)
    z, spare = float(stats.norm.ppf(0.5 + level / 2)), (len(x) + len(y)) / 2 - 1
    outside, inside = np.array([0.0, 1.0]), np.array([value, value])
    for _ in range(60):  # halve the way from 0, and from 1, to the estimate
        p = (outside + inside) / 2
        variance = p * (1 - p) * (1 + spare * ((1 - p) / (2 - p) + p / (1 + p))) / wins.size
        excluded = (value - p) ** 2 > z**2 * variance
        outside, inside = np.where(excluded, p, outside), np.where(excluded, inside, p)
    return Interval(value, float(inside[0]), float(inside[1]), members, "newcombe")


# --- intervals ---


def _mean_interval(x: Array, level: float, resamples: int, seed: int) -> tuple[Array, Array, str]:
    """Return the interval of the mean of x ``[U, M, K]`` over M and K, for all points at once.

    Bootstrap-t: the quantiles of (mean* - mean) / se* over resamples take the place of Student's,
    which follows skew; the ends are kept within the observed range, where a resample without its
    only outlier has hardly any spread and its quotient explodes.
    """
    points, members, tasks = x.shape
    mean, se = x.mean(axis=(1, 2)), _standard_error(x.var(axis=1), members)
    if members == 1:
        return np.full(points, np.nan), np.full(points, np.nan), "none"
    tail = (1 - level) / 2
    if members < FEW:
        reach = _student(1 - tail, tasks * (members - 1)) * se
        return mean - reach, mean + reach, "t"
    rng = np.random.default_rng(seed)
    shift, variance = np.zeros((points, resamples)), np.zeros((points, resamples, tasks))
    for k in range(tasks):
        weights = _counts(rng, members, resamples).T / members  # [M, S]
        centred = x[:, :, k] - x[:, :, k].mean(axis=1, keepdims=True)
        moved = centred @ weights  # mean* - mean of this task
        shift += moved / tasks
        variance[:, :, k] = np.maximum(centred**2 @ weights - moved**2, 0.0)
    scale = np.abs(x).max(axis=(1, 2))[:, None]
    se_resampled = np.maximum(_standard_error(variance, members), 1e-12 * scale + 1e-300)
    t = np.where(np.abs(shift) <= 1e-12 * scale, 0.0, shift / se_resampled)
    t_low, t_high = np.quantile(t, [tail, 1 - tail], axis=1)
    least, most = x.min(axis=1).mean(axis=1), x.max(axis=1).mean(axis=1)
    return np.maximum(mean - t_high * se, least), np.minimum(mean - t_low * se, most), "bootstrap-t"


def _iqm_interval(
    table: Array, level: float, resamples: int, seed: int
) -> tuple[Array, Array, str]:
    """Return the interval of the interquartile mean of ``[M, K]``, resampled within each task.

    For fewer than eight members of one task: Student's t with the winsorised standard error of a
    trimmed mean (Tukey & McLaughlin 1963).
    """
    members, tasks = table.shape
    if members == 1:
        return np.full(1, np.nan), np.full(1, np.nan), "none"
    tail = (1 - level) / 2
    if members < FEW and tasks == 1:
        ordered, cut = np.sort(table[:, 0]), int(TRIM * members)
        winsorised = np.clip(ordered, ordered[cut], ordered[members - cut - 1])
        se = winsorised.std(ddof=1) / ((1 - 2 * cut / members) * np.sqrt(members))
        reach = np.atleast_1d(_student(1 - tail, members - 2 * cut - 1) * se)
        centre = iqm(ordered)
        return centre - reach, centre + reach, "t"
    rng = np.random.default_rng(seed)
    drawn = np.stack(
        [table[rng.integers(0, members, (resamples, members)), k] for k in range(tasks)], axis=-1
    )
    low, high = np.quantile(iqm(drawn.reshape(resamples, -1)), [tail, 1 - tail])
    return np.atleast_1d(low), np.atleast_1d(high), "percentile"


def _student(probability: float, degrees: int) -> float:
    """Return a quantile of Student's t distribution."""
    from scipy import stats

    return float(stats.t.ppf(probability, degrees))


def _standard_error(variance: Array, members: int) -> Array:
    """Return the error of the mean over members and tasks, from variances ``[..., K]`` (ddof 0)."""
    tasks = variance.shape[-1]
    return np.asarray(np.sqrt(variance.sum(axis=-1) / max(members - 1, 1)) / tasks)


def _counts(rng: np.random.Generator, members: int, resamples: int) -> Array:
    """Return how often each member is drawn in each resample ``[resamples, M]``."""
    return rng.multinomial(members, np.full(members, 1 / members), resamples).astype(np.float64)


# --- checks ---


def members_of(name: str, values: ArrayLike, low: float = -np.inf, high: float = np.inf) -> Array:
    """Return what members have, of which nothing may be missing.

    Raises:
        NotMeasurableError: If a value is missing or infinite.
        ValueError: If there are none, or one is no number or out of range.
    """
    axes = ("member", "task")[: max(1, np.ndim(values))]
    array = np.atleast_1d(numbers(name, values, low, high, axes, complete=True))
    if not array.size:
        raise ValueError(f"{name} must hold at least one member, got shape {array.shape}")
    return array


def check_level(level: float) -> None:
    """Refuse a coverage that is none.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")


def _table(values: ArrayLike, within: tuple[float, float] = (-np.inf, np.inf)) -> Array:
    """Return the values as a table ``[M, K]``."""
    if np.ndim(values) not in (1, 2) or np.size(values) == 0:
        raise ValueError(
            f"values must be [members] or [members, tasks], got shape {np.shape(values)}; "
            "average over episodes first"
        )
    array = members_of("values", values, *within)
    return array[:, None] if array.ndim == 1 else array


def _check_options(statistic: str, level: float, resamples: int) -> None:
    if statistic not in ("mean", "iqm"):
        raise ValueError(f"statistic must be 'mean' or 'iqm', got {statistic!r}")
    check_level(level)
    if resamples < 100:
        raise ValueError(f"resamples must be at least 100, got {resamples}")

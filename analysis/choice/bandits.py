"""Bandit measures: regret, optimal choices, sub-optimal pulls and first pulls.

All take arrays of the record, ``[..., E, T]`` (members, episodes, trials; any axes in front), and
keep the axes in front, so that `stats.intervals.interval` can then resample members. Missing
trials (module `missing`) count nowhere: means are over the episodes that have the trial.
Regret is the *pseudo*-regret: expected reward of the best arm minus expected reward of the chosen
one, in reward units; it has no noise from the rewards themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import MISSING, codes, numbers
from prefrontal.analysis.stats.means import observed_mean

Array = NDArray[np.float64]
Record = Mapping[str, NDArray]

LEAST = 1e-6  # rounding of a regret below 0 in single precision


def regret_curve(regret: ArrayLike) -> Array:
    """Return the expected cumulative regret after each trial.

    Args:
        regret: Regret of each trial ``[..., E, T]``.

    Returns:
        ``R_t = sum over s <= t of regret_s``, mean over episodes ``[..., T]``, never decreasing;
        NaN at a trial that every episode lacks.

    Raises:
        ValueError: If a regret is below 0.
    """
    by_trial = observed_mean(numbers("regret", regret, low=-LEAST), axis=-2)
    return np.where(np.isnan(by_trial), np.nan, np.cumsum(np.nan_to_num(by_trial), axis=-1))


def total_regret(regret: ArrayLike) -> Array:
    """Return the expected regret of an episode ``[...]`` from regrets ``[..., E, T]``."""
    by_trial = observed_mean(numbers("regret", regret, low=-LEAST), axis=-2)
    return np.asarray(np.nansum(by_trial, axis=-1))


def optimal_fraction(action: ArrayLike, optimal_action: ArrayLike) -> Array:
    """Return the fraction of episodes in which the best arm is chosen, at each trial.

    Args:
        action: Chosen arms ``[..., E, T]``.
        optimal_action: Best arms ``[..., E, T]`` (or anything that broadcasts to it).

    Returns:
        Fractions ``[..., T]``. Where two arms are equally good only the recorded one counts.
    """
    return observed_mean(_optimal(action, optimal_action), axis=-2)


def suboptimal_pulls(regret: ArrayLike, tolerance: float = 1e-9) -> Array:
    """Return the mean number of costly pulls of an episode ``[...]`` from ``[..., E, T]``."""
    lost = numbers("regret", regret, low=-LEAST)
    costly = np.where(np.isnan(lost), np.nan, lost > tolerance)
    return np.asarray(np.nansum(observed_mean(costly, axis=-2), axis=-1))


def arm_frequencies(action: ArrayLike, num_arms: int, trial: int = 0) -> Array:
    """Return how often each arm is chosen at one trial, by default the first pull.

    Args:
        action: Chosen arms ``[..., E, T]``, from 0 to num_arms - 1.
        num_arms: Number of arms K.
        trial: Which trial, counted from 0.

    Returns:
        Frequencies ``[..., K]`` that sum to one; NaN if no episode has the trial.

    Raises:
        ValueError: If an action is not an arm, or there is no such trial.
    """
    chosen = codes("action", action, num_arms)
    if chosen.ndim < 2 or not -chosen.shape[-1] <= trial < chosen.shape[-1]:
        raise ValueError(f"action must be [..., E, T] with a trial {trial}, got {chosen.shape}")
    chosen = chosen[..., trial, None]
    taken = np.where(chosen == MISSING, np.nan, chosen == np.arange(num_arms))
    return observed_mean(taken, axis=-2)


def summary(record: Record) -> dict[str, Array]:
    """Return the usual numbers of a bandit record, one value a member ``[M]``.

    Args:
        record: With ``regret``, ``action``, ``optimal_action`` and ``reward``, each ``[M, E, T]``.

    Returns:
        "regret" (an episode), "optimal_fraction" and "final_optimal_fraction" (last tenth of the
        trials), "suboptimal_pulls" (an episode), "reward" (a trial).
    """
    fraction = optimal_fraction(record["action"], record["optimal_action"])
    last = max(1, fraction.shape[-1] // 10)
    return {
        "regret": total_regret(record["regret"]),
        "optimal_fraction": observed_mean(fraction, axis=-1),
        "final_optimal_fraction": observed_mean(fraction[..., -last:], axis=-1),
        "suboptimal_pulls": suboptimal_pulls(record["regret"]),
        "reward": observed_mean(numbers("reward", record["reward"]), axis=(-2, -1)),
    }


def _optimal(action: ArrayLike, optimal_action: ArrayLike) -> Array:
    """Return whether each choice was the best one, 0 or 1; NaN where either is missing."""
    chosen, best = codes("action", action), codes("optimal_action", optimal_action)
    missing = (chosen == MISSING) | (best == MISSING)
    return np.where(missing, np.nan, chosen == best)

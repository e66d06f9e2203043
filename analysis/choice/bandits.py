"""Bandit measures: regret, optimal choices, sub-optimal pulls and first pulls.

All take arrays of the record, ``[..., E, T]`` (members, episodes, trials; any axes in front), and
keep the axes in front, so that `stats.intervals.interval` can then resample members.
Regret is the *pseudo*-regret: expected reward of the best arm minus expected reward of the chosen
one, in reward units; it has no noise from the rewards themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Record = Mapping[str, NDArray]


def regret_curve(regret: ArrayLike) -> Array:
    """Return the expected cumulative regret after each trial.

    Args:
        regret: Regret of each trial ``[..., E, T]``.

    Returns:
        ``R_t = sum over s <= t of regret_s``, mean over episodes ``[..., T]``, never decreasing.
    """
    return np.asarray(np.cumsum(np.asarray(regret, dtype=np.float64), axis=-1).mean(axis=-2))


def total_regret(regret: ArrayLike) -> Array:
    """Return the expected regret of an episode ``[...]`` from regrets ``[..., E, T]``."""
    return np.asarray(np.asarray(regret, dtype=np.float64).sum(axis=-1).mean(axis=-1))


def optimal_fraction(action: ArrayLike, optimal_action: ArrayLike) -> Array:
    """Return the fraction of episodes in which the best arm is chosen, at each trial.

    Args:
        action: Chosen arms ``[..., E, T]``.
        optimal_action: Best arms ``[..., E, T]`` (or anything that broadcasts to it).

    Returns:
        Fractions ``[..., T]``. Where two arms are equally good only the recorded one counts.
    """
    chosen = np.asarray(action)
    return np.asarray((chosen == np.asarray(optimal_action)).mean(axis=-2))


def suboptimal_pulls(regret: ArrayLike, tolerance: float = 1e-9) -> Array:
    """Return the mean number of costly pulls of an episode ``[...]`` from ``[..., E, T]``."""
    costly = np.asarray(regret) > tolerance
    return np.asarray(costly.sum(axis=-1).mean(axis=-1))


def arm_frequencies(action: ArrayLike, num_arms: int, trial: int = 0) -> Array:
    """Return how often each arm is chosen at one trial, by default the first pull.

    Args:
        action: Chosen arms ``[..., E, T]``, integers from 0 to num_arms - 1.
        num_arms: Number of arms K.
        trial: Which trial, counted from 0.

    Returns:
        Frequencies ``[..., K]`` that sum to one.

    Raises:
        ValueError: If an action is not an arm.
    """
    chosen = np.asarray(action)
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < num_arms):
        raise ValueError(
            f"actions must be 0 to {num_arms - 1}, got {chosen.min()} to {chosen.max()}"
        )
    return np.asarray((chosen[..., trial, None] == np.arange(num_arms)).mean(axis=-2))


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
        "optimal_fraction": np.asarray(fraction.mean(axis=-1)),
        "final_optimal_fraction": np.asarray(fraction[..., -last:].mean(axis=-1)),
        "suboptimal_pulls": suboptimal_pulls(record["regret"]),
        "reward": np.asarray(np.asarray(record["reward"]).mean(axis=(-2, -1))),
    }

"""Search and return: how many steps each goal of an episode takes, when the same goal is found again and again.

Arrays of the record, ``[M, E, T]``: members, episodes, steps; a reward above zero is a goal reached.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["first_and_later", "first_to_second", "goals_found", "steps_per_goal"]

Array = NDArray[np.float64]


def goals_found(reward: ArrayLike) -> NDArray[np.int64]:
    """Goals found in each episode, ``[M, E]``."""
    return np.asarray((np.asarray(reward) > 0).sum(axis=2))


def steps_per_goal(reward: ArrayLike, goals: int) -> Array:
    """Steps to each of the first goals of an episode, counted from the goal before (from the start for the first).

    Args:
        reward: Rewards ``[M, E, T]``.
        goals: How many goals, G.

    Returns:
        ``[M, E, G]``, NaN for goals that were not found.

    Raises:
        ValueError: If `goals` is below 1.
    """
    if goals < 1:
        raise ValueError(f"goals must be at least 1, not {goals}")
    reached = np.asarray(reward) > 0
    number = np.cumsum(reached, axis=2)
    times = np.full((*reached.shape[:2], goals + 1), np.nan)
    times[..., 0] = 0.0
    member, episode, step = np.nonzero(reached & (number <= goals))
    times[member, episode, number[member, episode, step]] = step + 1
    return np.asarray(np.diff(times, axis=2))


def first_and_later(reward: ArrayLike) -> tuple[Array, Array]:
    """Steps to the first goal, and mean steps to a later one, of each episode.

    Returns:
        ``[M, E]`` each; NaN where no goal, or no second one, was found. The steps after the last goal count for nothing.
    """
    reached = np.asarray(reward) > 0
    steps = reached.shape[2]
    count = reached.sum(axis=2)
    first = np.where(count > 0, reached.argmax(axis=2) + 1.0, np.nan)
    last = np.where(count > 0, steps - reached[:, :, ::-1].argmax(axis=2), np.nan)
    later = (last - first) / np.where(count > 1, count - 1.0, np.nan)
    return first, later


def first_to_second(reward: ArrayLike) -> Array:
    """Steps to the first goal over steps to the second, means over the episodes in which both were found, ``[M]``.

    Whoever has no memory searches alike for both, so that the ratio is 1 whatever the episodes' length: given that both were
    found in time, the two times may be swapped. NaN for a member that never found two.
    """
    both = steps_per_goal(reward, 2)
    found: NDArray[np.bool_] = np.asarray(np.isfinite(both).all(axis=2))
    sums = np.where(found[..., None], both, 0.0).sum(axis=1)
    return np.asarray(sums[:, 0] / np.where(found.any(axis=1), sums[:, 1], np.nan))

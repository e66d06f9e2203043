"""Search and return: steps to each goal of an episode, when the same goal is found repeatedly.

Arrays of the record, ``[M, E, T]``: members, episodes, steps; a reward above 0 is a goal reached.
No step may be missing: the steps to a goal could not be counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers
from prefrontal.analysis.stats.means import masked_mean

Array = NDArray[np.float64]


def goals_found(reward: ArrayLike) -> NDArray[np.int64]:
    """Return the number of goals found in each episode ``[M, E]``."""
    return np.asarray(_reached(reward).sum(axis=2))


def goals_by_step(reward: ArrayLike) -> Array:
    """Return the mean number of goals found by each step, over all episodes, ``[M, T]``.

    Nothing is conditioned on success: an episode in which nothing is found counts as 0 goals. Among
    episodes with five goals, agents without a memory would seem to find the first one fast.
    """
    return np.asarray(_reached(reward).cumsum(axis=2).mean(axis=1))


def steps_per_goal(reward: ArrayLike, goals: int) -> Array:
    """Return the steps to each of the first goals of an episode, counted from the goal before.

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
    reached = _reached(reward)
    number = np.cumsum(reached, axis=2)
    times = np.full((*reached.shape[:2], goals + 1), np.nan)
    times[..., 0] = 0.0
    member, episode, step = np.nonzero(reached & (number <= goals))
    times[member, episode, number[member, episode, step]] = step + 1
    return np.asarray(np.diff(times, axis=2))


def first_and_later(reward: ArrayLike) -> tuple[Array, Array]:
    """Return the steps to the first goal, and the mean steps to a later one, of each episode.

    Returns:
        ``[M, E]`` each; NaN where no goal, or no second one, was found. The steps after the last
        goal count for nothing.
    """
    reached = _reached(reward)
    steps = reached.shape[2]
    count = reached.sum(axis=2)
    first = np.where(count > 0, reached.argmax(axis=2) + 1.0, np.nan)
    last = np.where(count > 0, steps - reached[:, :, ::-1].argmax(axis=2), np.nan)
    later = (last - first) / np.where(count > 1, count - 1.0, np.nan)
    return first, later


def first_to_second(reward: ArrayLike) -> Array:
    """Return mean steps to the first goal over mean steps to the second, ``[M]``.

    Only episodes in which both were found count. An agent without memory searches alike for both,
    so that its ratio is 1 whatever the length of episodes: given that both were found in time, the
    two times may be swapped. NaN for a member that never found two.
    """
    both = steps_per_goal(reward, 2)
    means = masked_mean(both, np.isfinite(both).all(axis=2, keepdims=True), axis=1)  # [M, 2]
    return np.asarray(means[:, 0] / means[:, 1])


def _reached(reward: ArrayLike) -> NDArray[np.bool_]:
    """Return whether each step reaches a goal ``[M, E, T]``."""
    paid = numbers("reward", reward, axes=("member", "episode", "step"), complete=True)
    if paid.ndim != 3:
        raise ValueError(f"reward must be [M, E, T], got {paid.shape}")
    return np.asarray(paid > 0)

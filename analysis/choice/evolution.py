"""What evolution did: what is innate and what is learned, and what is luck.

Generations are the first axis, independent populations (members) the next, individuals and tasks
the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.stats.intervals import Interval, interval

Array = NDArray[np.float64]


def innate_share(before: ArrayLike, after: ArrayLike, chance: float = 0.0) -> Array:
    """Return how much of what individuals achieve is innate, (before - chance) / (after - chance).

    It rises towards 1 where what was learned becomes innate (genetic assimilation: Waddington 1953;
    Hinton & Nowlan 1987), and stays near 0 where what evolves is the ability to learn.

    Args:
        before: Fitness before learning, any shape.
        after: Fitness after learning, the same shape.
        chance: Fitness of an individual that knows and learns nothing.

    Returns:
        The share; NaN where fitness after learning is not above chance.
    """
    innate = np.asarray(before, dtype=np.float64) - chance
    total = np.asarray(after, dtype=np.float64) - chance
    if innate.shape != total.shape:
        raise ValueError(f"before and after have shapes {innate.shape} and {total.shape}")
    return np.divide(innate, total, out=np.full(total.shape, np.nan), where=total > 0)


def share_of_members(happened: ArrayLike, level: float = 0.95) -> Interval:
    """Return the share of members to which something happened, with its exact interval.

    The interval is the binomial one of Clopper & Pearson (1934).

    Args:
        happened: Whether it did ``[M]``.
        level: Coverage.
    """
    events = np.asarray(happened, dtype=bool)
    if events.ndim != 1 or not len(events):
        raise ValueError(f"happened must be [members], got {events.shape}")
    from scipy import stats

    ends = stats.binomtest(int(events.sum()), len(events)).proportion_ci(level)
    return Interval(float(events.mean()), float(ends.low), float(ends.high), len(events), "exact")


@dataclass(frozen=True)
class Retest:
    """Champions on fresh tasks.

    Attributes:
        value: Score over members, on as many tasks as fitness was measured with.
        errors: Standard error of each champion's score, from the spread over its tasks ``[M]``.
        scores: Of each champion ``[M]``.
        curse: What selection had recorded minus the score, over members: the winner's curse.
    """

    value: Interval
    errors: Array
    scores: Array
    curse: Interval


def retest(fresh: ArrayLike, recorded: ArrayLike, tasks: int) -> Retest:
    """Return the scores of champions on tasks that they were not selected by.

    The best of many noisy measurements is too good: it was chosen for its luck as well. Only fresh
    tasks tell how good a champion is.

    Args:
        fresh: Score of each champion on each fresh task ``[M, K]``.
        recorded: Fitness that selection went by ``[M]``, the sum over `tasks` tasks.
        tasks: Tasks that fitness is the sum of.
    """
    table = np.asarray(fresh, np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"fresh must be [members, tasks >= 2], got {table.shape}")
    scores = tasks * table.mean(axis=1)
    errors = tasks * table.std(axis=1, ddof=1) / np.sqrt(table.shape[1])
    curse = interval(np.asarray(recorded, np.float64) - scores)
    return Retest(interval(scores), errors, scores, curse)


@dataclass(frozen=True)
class Plasticity:
    """How much of an ability to learn is in the weights, and how much in the activations.

    Attributes:
        weights: What learning in the weights is worth before anything is in the activations:
            accuracy on the first trial after learning minus that with initial weights ``[M]``.
        activations: What the activations learn within an episode with the initial weights: accuracy
            on the last trials minus that on the first ``[M]``.
        both: What the activations still add once the weights have learned ``[M]``.
    """

    weights: Array
    activations: Array
    both: Array


def plasticity(on: ArrayLike, off: ArrayLike, last: int = 5) -> Plasticity:
    """Split an evolved or trained ability into learning in the weights and in the activations.

    Args:
        on: Accuracy by trial of an episode after a lifetime of learning ``[M, N]``, the recurrent
            state reset at its start.
        off: The same with the initial weights (plasticity off).
        last: Trials that count as the end of an episode.
    """
    learned, initial = np.asarray(on, np.float64), np.asarray(off, np.float64)
    if learned.shape != initial.shape or learned.ndim != 2 or learned.shape[1] <= last:
        raise ValueError(
            f"on and off must be [members, trials > {last}], got {learned.shape}, {initial.shape}"
        )
    return Plasticity(
        learned[:, 0] - initial[:, 0],
        initial[:, -last:].mean(axis=1) - initial[:, 0],
        learned[:, -last:].mean(axis=1) - learned[:, 0],
    )

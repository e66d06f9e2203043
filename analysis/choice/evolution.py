"""What evolution did: what is innate and what is learned, and what is luck.

Generations are the first axis, independent populations (members) the next, individuals and tasks
the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import number, numbers
from prefrontal.analysis.stats.intervals import Interval, check_level, interval, members_of
from prefrontal.analysis.stats.means import observed_mean

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
        The share; NaN where fitness after learning is not above chance, or one is missing.

    Raises:
        ValueError: If shapes disagree, or a value is infinite or no number.
    """
    axes = ("generation", "member", "individual")
    innate = numbers("before", before, axes=axes) - number("chance", chance)
    total = numbers("after", after, axes=axes) - chance
    if innate.shape != total.shape:
        raise ValueError(f"before and after have shapes {innate.shape} and {total.shape}")
    return np.divide(innate, total, out=np.full(total.shape, np.nan), where=total > 0)


def share_of_members(happened: ArrayLike, level: float = 0.95) -> Interval:
    """Return the share of members to which something happened, with its exact interval.

    The interval is the binomial one of Clopper & Pearson (1934).

    Args:
        happened: Whether it did ``[M]``, 0 or 1.
        level: Coverage.

    Raises:
        ValueError: If there are no members, or it is not known of one.
    """
    from scipy import stats

    events = members_of("happened", happened, 0.0, 1.0)
    if events.ndim != 1 or not np.isin(events, (0.0, 1.0)).all():
        raise ValueError(f"happened must be 0 or 1 for each member [M], got {happened!s:.60}")
    check_level(level)
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

    Raises:
        ValueError: If a champion has fewer than two scores that are not missing, or no fitness.
    """
    table = numbers("fresh", fresh, axes=("member", "task"))
    played = (~np.isnan(table)).sum(axis=-1)
    if table.ndim != 2 or not table.size or (played < 2).any() or tasks < 1:
        raise ValueError(f"fresh must be [members, tasks >= 2], got {table.shape}, tasks={tasks}")
    scores = tasks * observed_mean(table, axis=1)
    errors = tasks * np.nanstd(table, axis=1, ddof=1) / np.sqrt(played)
    curse = interval(members_of("recorded", recorded) - scores)
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

    Raises:
        ValueError: If shapes disagree, there are too few trials, or an accuracy is not from 0 to 1.
    """
    axes = ("member", "trial")
    learned, initial = numbers("on", on, 0.0, 1.0, axes), numbers("off", off, 0.0, 1.0, axes)
    if learned.shape != initial.shape or learned.ndim != 2 or learned.shape[1] <= last:
        raise ValueError(
            f"on and off must be [members, trials > {last}], got {learned.shape}, {initial.shape}"
        )
    return Plasticity(
        learned[:, 0] - initial[:, 0],
        observed_mean(initial[:, -last:], axis=1) - initial[:, 0],
        observed_mean(learned[:, -last:], axis=1) - learned[:, 0],
    )

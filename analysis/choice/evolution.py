"""What evolution did: what is innate and what is learned, what is heritable and what is luck.

Generations are the first axis, independent populations (members) the next, individuals and tasks
the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.stats.intervals import Interval, interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Heritability:
    """Regression of children on their parents.

    Attributes:
        slope: Children's value by that of the mean of their parents: the narrow heritability h²
            where like environments are not inherited (Falconer & Mackay 1996, chapter 10). 1 if
            children are the mean of their parents.
        low: Lower end of its 95 % interval (Student's t of the regression).
        high: Upper end.
        families: Children.
        corrected: The slope divided by the reliability of the parents' values: what it would be,
            had parents been measured without noise.
    """

    slope: float
    low: float
    high: float
    families: int
    corrected: float


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


def diversity(genomes: ArrayLike) -> Array:
    """Return the root mean square distance, over genes, between two different individuals.

    Args:
        genomes: Genes ``[..., I, n]``, at least two individuals.

    Returns:
        Distance ``[...]``, in units of the genes: √2 times the standard deviation within the
        population.
    """
    genes = np.asarray(genomes, dtype=np.float64)
    if genes.ndim < 2 or genes.shape[-2] < 2:
        raise ValueError(f"genomes must be [..., individuals >= 2, genes], got {genes.shape}")
    return np.asarray(np.sqrt(2 * genes.var(axis=-2, ddof=1).mean(axis=-1)))


def reliability(scores: ArrayLike) -> float:
    """Return how much of the differences between individuals' mean scores is not noise.

    The intraclass correlation, 1 - MSW / MSB of a one-way analysis of variance: the squared
    correlation of the mean over R tasks with the true value.

    Args:
        scores: ``[I, R]``: individuals, and R scores of each on tasks of its own.

    Returns:
        From 0 (all noise; estimates below are set to 0) to 1.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"scores must be [individuals >= 2, tasks >= 2], got {table.shape}")
    within = table.var(axis=1, ddof=1).mean()
    between = table.shape[1] * table.mean(axis=1).var(ddof=1)
    return float(max(0.0, 1 - within / between)) if between > 0 else 0.0


def heritability(
    mothers: ArrayLike, fathers: ArrayLike, children: ArrayLike, reliable: float = 1.0
) -> Heritability:
    """Regress children on the mean of their two parents.

    Args:
        mothers: Value of one parent of each child ``[N]``, measured apart from what it was selected
            by (else selection of lucky parents pulls the slope towards 0).
        fathers: Of the other ``[N]``; the same one where a child has a single parent.
        children: Of the children ``[N]``.
        reliable: Reliability of the parents' values; see `reliability`.

    Raises:
        ValueError: If there are fewer than three children, or their parents do not differ.
    """
    middle = (np.asarray(mothers, np.float64) + np.asarray(fathers, np.float64)) / 2
    value = np.asarray(children, np.float64)
    if middle.shape != value.shape or middle.ndim != 1 or len(value) < 3:
        raise ValueError(f"parents {middle.shape} and children {value.shape} must be [N], N >= 3")
    if not 0 < reliable <= 1:
        raise ValueError(f"reliability must lie in (0, 1], got {reliable}")
    if np.ptp(middle) == 0:
        raise ValueError("parents do not differ: nothing can be inherited from their differences")
    from scipy import stats

    fit = stats.linregress(middle, value)
    reach = float(stats.t.ppf(0.975, len(value) - 2) * fit.stderr)
    slope = float(fit.slope)
    return Heritability(slope, slope - reach, slope + reach, len(value), slope / reliable)


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

"""What an agent knows of its own choices: sensitivity and calibration of confidence, wagers.

Confidence is the probability that the choice made was right. Measures take one row a member,
``[M, ...]``, whose other axes (episodes, trials) are pooled; nothing may be missing.

| measure | question |
|---|---|
| `type2_auroc` | does confidence tell right choices from wrong ones? |
| `calibration_error` | is the number right, too? |
| `meta_d` | how much of what the choice rests on does confidence rest on, too? |
| `wager_gain` | what is confidence worth, where a wrong choice costs something? |

Hold each against `dependent_arms_observer`, which judges the same choices by all that there is to
know. Fleming & Lau (2014), How to measure metacognition, Frontiers in Human Neuroscience 8:443.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, number, numbers

Array = NDArray[np.float64]

BINS = 20  # of a calibration curve, equally wide
RATINGS = 4  # of confidence, for meta-d'
LEAST = 1e-3  # mass of bands, below which differences of cumulative probabilities lose digits
CHUNK = 1024  # histories whose likelihoods are computed at once


def type2_auroc(confidence: ArrayLike, correct: ArrayLike) -> Array:
    """Return the probability that a right choice is held with more confidence than a wrong one.

    The area under the type-2 receiver operating characteristic, ties counted half; .5: confidence
    says nothing. Any number that grows with confidence will do.

    Args:
        confidence: ``[M, ...]``.
        correct: Whether each choice was right, 0 or 1 ``[M, ...]``.

    Returns:
        ``[M]``; NaN for a member whose choices are all right, or all wrong.
    """
    from scipy.stats import rankdata

    held, right = _judged(confidence, correct, (-np.inf, np.inf))
    hits = right.sum(axis=1)
    misses = right.shape[1] - hits
    ranks = (rankdata(held, axis=1) * right).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ranks - hits * (hits + 1) / 2) / (hits * misses))


def calibration_curve(
    confidence: ArrayLike, correct: ArrayLike, bins: int = BINS
) -> tuple[Array, Array, Array]:
    """Return mean confidence, fraction right and share of the choices, by bin of confidence.

    Args:
        confidence: Probabilities ``[M, ...]``.
        correct: Whether each choice was right, 0 or 1 ``[M, ...]``.
        bins: Number of bins, equally wide from 0 to 1.

    Returns:
        Three arrays ``[M, bins]``; the first two are NaN where a bin is empty, and all of them
        where there is no choice.
    """
    held, right = _judged(confidence, correct, (0.0, 1.0))
    bins = _whole("bins", bins, 1)
    place = np.minimum((held * bins).astype(np.int64), bins - 1)
    place += bins * np.arange(len(held))[:, None]
    sums = [
        np.bincount(place.ravel(), weight.ravel(), bins * len(held)).reshape(-1, bins)
        for weight in (held, right, np.ones_like(held))
    ]
    count = np.where(sums[2] > 0, sums[2], np.nan)
    return sums[0] / count, sums[1] / count, sums[2] / (held.shape[1] or np.nan)


def calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> Array:
    """Return the expected calibration error ``[M]``: mean |fraction right - mean confidence|.

    Over the bins of `calibration_curve`, weighted by their choices; 0: calibrated, NaN: no choice.
    """
    held, right, share = calibration_curve(confidence, correct, bins)
    error = np.nansum(share * np.abs(right - held), axis=1)
    return np.where(np.isnan(share).any(axis=1), np.nan, error)


def wager_gain(confidence: ArrayLike, worth: ArrayLike, safe: float) -> Array:
    """Return what opting out below a confidence of `safe` gains over never opting out, a choice.

    A choice that is right pays 1, one that is wrong nothing, and opting out `safe`, so that this
    is the best rule for calibrated confidence.

    Args:
        confidence: Probabilities, of any shape.
        worth: What each choice pays: 1 or 0 or, without that noise, its exact expectation.
        safe: What opting out pays.

    Returns:
        In the shape of `confidence`.

    Raises:
        ValueError: If there is not one worth a choice.
    """
    held = numbers("confidence", confidence, 0.0, 1.0, complete=True)
    paid = numbers("worth", worth, 0.0, 1.0, complete=True)
    _alike("[...]", confidence=held, worth=paid)
    return np.where(held < number("safe", safe, 0.0, 1.0), safe - paid, 0.0)


def dependent_arms_observer(
    action: ArrayLike, reward: ArrayLike, better: ArrayLike = ((0.5, 1.0),)
) -> tuple[Array, Array]:
    """Judge choices between two arms that pay with p and 1 - p, by Bayes' rule.

    A win here and a loss there are the same evidence: after n trials of which x speak for arm 1,
    the likelihood of p1 is that of x wins and n - x losses. What bands hold of it is a difference
    of cumulative Beta distributions, or where that would be rounded off, an integral in logs.

    Args:
        action: Choices, 0 or 1 ``[..., T]``.
        reward: Their rewards, 0 or 1 ``[..., T]``.
        better: Bands of equal prior density in which the probability of the better arm lies,
            ``[n, 2]`` from low to high. The default is p1 ~ U[0, 1]. For a single probability,
            give a narrow band around it.

    Returns:
        The exact probability, given all outcomes *before* it, that each choice is of the better
        arm, and that it is rewarded, both ``[..., T]``.

    Raises:
        ValueError: If there is not one reward an action, or bands are none, or not from low to
            high.
    """
    from scipy.special import betainc

    chosen = codes("action", action, 2, complete=True)
    won = codes("reward", reward, 2, complete=True)
    bands = numbers("better", better, 0.5, 1.0, ("band", "end"), complete=True)
    bands = np.clip(bands, 0.5, 1.0)
    if chosen.ndim < 1:
        raise ValueError("action and reward must be [..., T], got one number")
    _alike("[..., T]", action=chosen, reward=won)
    if bands.ndim != 2 or bands.shape[1] != 2 or not len(bands):
        raise ValueError(f"better must be bands [n, 2] from low to high, got {bands.shape}")
    if (bands[:, 0] >= bands[:, 1]).any():
        low, high = bands[np.argmax(bands[:, 0] >= bands[:, 1])]
        raise ValueError(f"better must be bands from low to high, got [{low:g}, {high:g}]")
    for_1 = (chosen == won).astype(np.int64)
    x = np.cumsum(for_1, axis=-1) - for_1
    n = np.arange(chosen.shape[-1])
    wins: Array = n[:, None].astype(np.float64)  # of arm 1, in tables [x, n]
    losses: Array = np.maximum(n - wins, 0.0)

    def mass(a: Array, b: Array) -> Array:
        low, high = bands.T[:, :, None, None]
        return np.asarray((betainc(a, b, high) - betainc(a, b, low)).sum(axis=0))

    first, second = mass(wins + 1, losses + 1), mass(losses + 1, wins + 1)  # 1 is better, or 0 is
    paying = mass(wins + 2, losses + 1) + mass(losses + 1, wins + 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        better_1 = first / (first + second)
        paid_1 = (wins + 1) / (wins + losses + 2) * paying / (first + second)
    seen = np.zeros(wins.shape[:1] + losses.shape[-1:], dtype=bool)
    seen[x, n] = True
    at = np.nonzero(seen & ~(first + second >= LEAST))
    better_1[at], paid_1[at] = _by_nodes(at[0], at[1] - at[0], bands)
    better_1, paid_1 = better_1[x, n], paid_1[x, n]
    return (
        np.where(chosen == 1, better_1, 1 - better_1),
        np.where(chosen == 1, paid_1, 1 - paid_1),
    )


def _by_nodes(
    wins: NDArray[np.int64], losses: NDArray[np.int64], bands: Array
) -> tuple[Array, Array]:
    """Return the probability that arm 1 is better, and that it pays, by Gauss-Legendre quadrature.

    Likelihoods are polynomials, of which it is exact with enough nodes; all terms are positive,
    and in logs, so none is rounded off.

    Args:
        wins: Of arm 1 in each history ``[S]``.
        losses: Of arm 1 ``[S]``.
        bands: From low to high ``[n, 2]``.
    """
    if not wins.size:
        return np.zeros(0), np.zeros(0)
    node, weight = np.polynomial.legendre.leggauss(int((wins + losses).max()) // 2 + 2)
    half = np.diff(bands, axis=1) / 2
    p = (bands.mean(axis=1, keepdims=True) + half * node).ravel()
    weight = np.log((half * weight).ravel())
    up, down = np.log(p), np.log1p(-p)
    found = []
    for start in range(0, len(wins), CHUNK):
        won, lost = (one[start : start + CHUNK, None] for one in (wins, losses))
        joint = np.stack([won * up + lost * down, lost * up + won * down]) + weight  # arm 1 is
        joint = np.exp(joint - joint.max(axis=(0, 2), keepdims=True))  # better, or arm 0 is
        better, other = joint.sum(axis=2)
        paying = joint[0] @ p + joint[1] @ (1 - p)
        found.append((better / (better + other), paying / (better + other)))
    better_1, paid_1 = (np.concatenate(one) for one in zip(*found, strict=True))
    return better_1, paid_1


# META-D'


@dataclass(frozen=True)
class MetaD:
    """How well choices, and confidence in them, tell two stimuli apart; see `meta_d`.

    Attributes:
        d: d' of the choices, z(hits) - z(false alarms).
        criterion: Their criterion c = -(z(hits) + z(false alarms)) / 2.
        meta_d: The d' at which an ideal observer's ratings would be those observed.
        log_likelihood: Of the ratings, given stimuli and choices.
    """

    d: float
    criterion: float
    meta_d: float
    log_likelihood: float

    @property
    def ratio(self) -> float:
        """The M-ratio meta-d' / d'; 1: confidence uses all that the choice uses."""
        return self.meta_d / self.d


def rating_counts(
    stimulus: ArrayLike, response: ArrayLike, confidence: ArrayLike, ratings: int = RATINGS
) -> Array:
    """Count ratings of confidence, made at equal shares of all choices, for `meta_d`.

    Args:
        stimulus: What was there, 0 or 1, of any shape.
        response: What was chosen, 0 or 1.
        confidence: Any number that grows with it. Where many are equal there are fewer ratings.
        ratings: Number of ratings R, at least 2.

    Returns:
        ``[2, 2 R]``, a row for each stimulus: choices of 0, from the most confident to the least,
        then choices of 1, from the least confident to the most.

    Raises:
        ValueError: If there is no choice, or not one stimulus, response and confidence each.
    """
    shown = codes("stimulus", stimulus, 2, complete=True)
    chosen = codes("response", response, 2, complete=True)
    held = numbers("confidence", confidence, complete=True)
    _alike("[...]", stimulus=shown, response=chosen, confidence=held)
    if not held.size:
        raise ValueError("stimulus, response and confidence must be of at least one choice, got 0")
    shown, chosen, held = shown.ravel(), chosen.ravel(), held.ravel()
    ratings = _whole("ratings", ratings, 2)
    edges = np.unique(np.quantile(held, np.arange(1, ratings) / ratings))
    edges = edges[edges > held.min()]  # below the least there is nothing
    rating, most = np.searchsorted(edges, held, side="right"), len(edges) + 1
    place = np.where(chosen == 1, most + rating, most - 1 - rating) + 2 * most * shown
    return np.bincount(place, minlength=4 * most).reshape(2, -1).astype(np.float64)


def meta_d(counts: ArrayLike) -> MetaD:
    """Fit meta-d' by maximum likelihood (Maniscalco & Lau 2012, Consciousness and Cognition 21).

    The evidence is normal with variance 1 around -d'/2 or d'/2. Of the type-1 data, d' and c are
    taken; meta-d' and the 2 (R - 1) criteria of the ratings maximise the likelihood of the ratings
    given stimulus and choice, with the type-1 criterion at the same place relative to meta-d',
    c meta-d' / d'. If a count is 0, 1 / (2 R) is added to all.

    Args:
        counts: Of `rating_counts`, ``[2, 2 R]``.

    Raises:
        ValueError: Counts of another shape, confidence that does not vary (there is one rating), a
            stimulus that was never there, or a d' of 0.
    """
    from scipy.optimize import minimize
    from scipy.special import log_ndtr, ndtr, ndtri

    table = numbers("counts", counts, 0.0, axes=("stimulus", "rating"), complete=True)
    if table.shape == (2, 2):
        raise ValueError("counts: confidence does not vary (R is 1), so there is no meta-d'")
    if table.ndim != 2 or len(table) != 2 or table.shape[1] % 2 or table.shape[1] < 4:
        raise ValueError(f"counts must be [2, 2 R] with R >= 2, got {table.shape}")
    if not table.any(axis=1).all():
        raise ValueError(
            f"counts: there is no choice on stimulus {int(table.any(axis=1).argmin())}"
        )
    ratings = table.shape[1] // 2
    if (table == 0).any():
        table = table + 1 / (2 * ratings)
    said_1 = table[:, ratings:].sum(axis=1) / table.sum(axis=1)
    false_alarms, hits = ndtri(said_1)
    d, criterion = hits - false_alarms, -(hits + false_alarms) / 2
    if abs(d) < 1e-9:
        raise ValueError("counts: the choices do not tell the stimuli apart, so d' is 0")

    def loss(x: Array) -> float:
        middle = x[0] * criterion / d
        below, above = np.cumsum(np.exp(x[1:ratings])), np.cumsum(np.exp(x[ratings:]))
        edges = np.concatenate(
            [[-np.inf], middle - below[::-1], [middle], middle + above, [np.inf]]
        )
        total = 0.0
        for row, mean in zip(table, (-x[0] / 2, x[0] / 2), strict=True):
            # the upper tail where it is the smaller one, or differences are rounded off
            low, high = ndtr(edges - mean), ndtr(mean - edges)
            mass = np.where(edges[:-1] > mean, high[:-1] - high[1:], low[1:] - low[:-1])
            said = log_ndtr(middle - mean), log_ndtr(mean - middle)
            share = np.log(mass, out=np.full(2 * ratings, -np.inf), where=mass > 0)
            total -= row @ np.maximum(share - np.repeat(said, ratings), -700.0)
        return float(total)

    start = np.concatenate([[d], np.full(2 * (ratings - 1), np.log(1.0 / ratings))])
    found = minimize(
        loss,
        start,
        method="L-BFGS-B",
        bounds=[(None, None), *[(-15.0, 5.0)] * (2 * (ratings - 1))],
        options={"maxiter": 1000, "ftol": 1e-13},
    )
    return MetaD(float(d), float(criterion), float(found.x[0]), -float(found.fun))


def _judged(
    confidence: ArrayLike, correct: ArrayLike, bounds: tuple[float, float]
) -> tuple[Array, Array]:
    """Return confidence and whether right, checked, one row a member ``[M, N]``."""
    held = numbers("confidence", confidence, *bounds, complete=True)
    right = codes("correct", correct, 2, complete=True)
    _alike("[M, ...]", confidence=held, correct=right)
    if held.ndim < 2 or not len(held):
        raise ValueError(
            f"confidence and correct must be [M, ...] of at least one member, got {held.shape}"
        )
    flat = len(held), int(np.prod(held.shape[1:]))  # -1 is ambiguous where there is no choice
    return held.reshape(flat), right.reshape(flat).astype(np.float64)


def _alike(shape: str, **arrays: NDArray) -> None:
    """Refuse arrays of different shapes."""
    shapes = [one.shape for one in arrays.values()]
    if len(set(shapes)) == 1:
        return
    names, hint = " and ".join(arrays), ""
    if "confidence" in arrays and arrays["confidence"].shape in [(*one, 1) for one in shapes]:
        hint = "; of a head take confidence[..., 0]"
    raise ValueError(f"{names} must be {shape} alike, got {', '.join(map(str, shapes))}{hint}")


def _whole(name: str, value: float, low: int) -> int:
    """Return a whole number that is at least `low`."""
    given = number(name, value)
    if given < low or given != int(given):
        raise ValueError(f"{name} must be at least {low}, a whole number, got {value}")
    return int(given)

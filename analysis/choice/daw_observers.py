"""Observers of the two-step task of Daw et al. (2011), simulated on given walks of the reward probabilities.

The Bayesian one knows everything but the walks: it filters each of the four probabilities on a grid and takes what is best
in expectation now. (The optimum would explore a little besides; it is not known.) The learners are the two ends of the
hybrid of `prefrontal.analysis.choice.hybrid_model`, with parameters that earn most.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from prefrontal.analysis.choice.hybrid_model import Hybrid
from prefrontal.analysis.choice.two_step import TwoStepTrials

Array = NDArray[np.float64]
DawObserver = Literal["bayesian", "model_based", "model_free", "random"]

# alpha1, alpha2, lambda, w, beta1, perseveration, beta2
LEARNERS = {
    "model_based": (0.0, 0.4, 0.0, 1.0, 20.0, 0.0, 8.0),
    "model_free": (0.4, 0.4, 1.0, 0.0, 8.0, 0.0, 8.0),
    "random": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}


def simulate_daw(
    observer: DawObserver,
    p: Array,
    common: float = 0.7,
    drift: float = 0.025,
    bounds: tuple[float, float] = (0.25, 0.75),
    seed: int = 0,
    bins: int = 50,
) -> TwoStepTrials:
    """Let an observer play on given walks.

    Args:
        observer: "bayesian", "model_based", "model_free" or "random".
        p: Reward probability of each second-stage state and action ``[E, N, 2, 2]``.
        common: Probability of the common transition.
        drift: Standard deviation of a step of the walks.
        bounds: Where the walks are reflected.
        seed: Seed of everything random.
        bins: Cells of the Bayesian observer's grid.

    Returns:
        Its trials, as one member ``[1, E, N]``.

    Raises:
        ValueError: If the observer is unknown.
    """
    p = np.asarray(p, dtype=np.float64)
    if observer == "bayesian":
        return _bayesian(p, common, drift, bounds, seed, bins)
    if observer not in LEARNERS:
        allowed = ", ".join(["bayesian", *LEARNERS])
        raise ValueError(f"observer must be one of {allowed}, got {observer!r}")
    data = Hybrid(common).simulate(LEARNERS[observer], p, seed)
    assert data.second_state is not None
    assert data.second_action is not None
    return TwoStepTrials(
        data.action[None],
        (data.second_state == data.action)[None],
        data.reward[None],
        data.second_action[None],
    )


def _bayesian(
    p: Array, common: float, drift: float, bounds: tuple[float, float], seed: int, bins: int
) -> TwoStepTrials:
    rng = np.random.default_rng(seed)
    episodes, trials = p.shape[:2]
    centres, moves = _walk(drift, bounds, bins)
    belief = np.full((episodes, 2, 2, bins), 1.0 / bins)
    rows = np.arange(episodes)
    first, second, place = np.zeros((3, episodes, trials), dtype=np.int64)
    reward = np.zeros((episodes, trials))
    for n in range(trials):
        value = belief @ centres  # [E, 2, 2]
        # CHOICES: the action whose common state is worth more, then the better one there; ties at random
        first[:, n] = _better(value.max(axis=2), rng)
        is_common = rng.random(episodes) < common
        s = place[:, n] = np.where(is_common, first[:, n], 1 - first[:, n])
        a = second[:, n] = _better(value[rows, s], rng)
        # OUTCOME, Bayes' rule, drift
        won = rng.random(episodes) < p[rows, n, s, a]
        reward[:, n] = won
        updated = belief[rows, s, a] * np.where(won[:, None], centres, 1 - centres)
        belief[rows, s, a] = updated / updated.sum(axis=1, keepdims=True)
        belief = belief @ moves
    return TwoStepTrials(first[None], (place == first)[None], reward[None], second[None])


def _walk(drift: float, bounds: tuple[float, float], bins: int) -> tuple[Array, Array]:
    """Centres of the cells, and the probabilities ``[from, to]`` of a step of the reflected walk."""
    low, high = bounds
    edges = np.linspace(low, high, bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    if drift == 0:
        return centres, np.eye(bins)
    span = high - low
    moves = np.zeros((bins, bins))
    for image in range(-2, 3):  # a reflected walk is a free one, folded
        for start in (centres, 2 * low - centres):
            cdf = stats.norm.cdf((edges[None] - start[:, None] - 2 * image * span) / drift)
            moves += np.diff(cdf, axis=1)
    return centres, moves / moves.sum(axis=1, keepdims=True)


def _better(values: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Index of the larger of two ``[E, 2]``, at random where they are equal."""
    difference = values[:, 1] - values[:, 0]
    tie = np.isclose(difference, 0.0, atol=1e-12)
    return np.where(tie, rng.random(len(values)) < 0.5, difference > 0).astype(np.int64)

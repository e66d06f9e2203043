"""Reference policies with other memories than counts: rules, delta rules, Bayes filters.

Their protocol is that of `prefrontal.agents.reference.counting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from prefrontal.agents.reference.counting import (
    Floats,
    Ints,
    State,
    argmax_random,
    require_two_arms,
    wins_of,
)


@dataclass(frozen=True)
class WinStayLoseShift:
    """Repeats a rewarded arm, otherwise goes to another one at random."""

    name = "win-stay lose-shift"

    def begin(self, n: int, arms: int, trials: int) -> State:
        """Start without a last arm (-1)."""
        return {"arm": np.full(n, -1), "won": np.zeros(n, bool), "arms": arms, "trials": trials}

    def act(self, state: State, rng: Generator) -> Ints:
        """Stay or shift."""
        arm, arms = state["arm"], state["arms"]
        other = (arm + rng.integers(1, arms, size=arm.size)) % arms
        first = rng.integers(arms, size=arm.size)
        return np.where(arm < 0, first, np.where(state["won"], arm, other))

    def update(self, state: State, action: Ints, reward: Floats) -> State:
        """Remember the arm, and whether it paid more than nothing."""
        return {**state, "arm": np.asarray(action), "won": np.asarray(reward) > 0.0}


@dataclass(frozen=True)
class RescorlaWagner:
    """Delta rule with a fixed learning rate, Q += alpha (r - Q) from Q = 1/2, and a softmax choice.

    Args:
        alpha: Learning rate, in [0, 1].
        beta: Inverse temperature per unit of reward; infinite: greedy, ties at random.
        coupled: Two arms that sum to one: the other arm learns from 1 - r.
    """

    alpha: float = 0.5
    beta: float = float("inf")
    coupled: bool = False

    @property
    def name(self) -> str:
        """Name and settings."""
        coupled = " coupled" if self.coupled else ""
        return f"Rescorla-Wagner{coupled} alpha {self.alpha:g} beta {self.beta:g}"

    def begin(self, n: int, arms: int, trials: int) -> State:
        """Start from one half for every arm."""
        if self.coupled:
            require_two_arms(arms, self.name)
        return {"q": np.full((n, arms), 0.5), "arms": arms, "trials": trials}

    def act(self, state: State, rng: Generator) -> Ints:
        """Sample the softmax (Gumbel-max), or take the best arm if beta is infinite."""
        q = state["q"]
        if np.isinf(self.beta):
            return argmax_random(q, rng)
        return (self.beta * q + rng.gumbel(size=q.shape)).argmax(axis=1)

    def update(self, state: State, action: Ints, reward: Floats) -> State:
        """Move the chosen arm's value towards the reward."""
        q, rows = state["q"].copy(), np.arange(len(action))
        q[rows, action] += self.alpha * (reward - q[rows, action])
        if self.coupled:
            other = 1 - np.asarray(action)
            q[rows, other] += self.alpha * (1.0 - reward - q[rows, other])
        return {**state, "q": q}


@dataclass(frozen=True)
class RestlessBayes:
    """Bayes filter for two arms p and 1 - p, where p takes a reflected Gaussian walk.

    Trial: pull, reward with the present p, then p <- reflect(p + N(0, sd)) in [0, 1]; at first p is
    uniform. As both arms tell the same, exploring gains nothing: with the true `sds` and
    `sample=False` this is the Bayes-optimal agent. With `sample=True` it is Thompson sampling (an
    arm is pulled with the probability that it is better), the control of Wang et al. (2016),
    experiment 4, which knows the walk with a single volatility.

    Args:
        sds: Step sizes of the walk; several: unknown volatility, one of these for the whole
            episode, all equally likely at first.
        sample: Thompson sampling instead of the best arm.
        bins: Grid points for p.
    """

    sds: tuple[float, ...] = (0.1,)
    sample: bool = False
    bins: int = 100

    @property
    def name(self) -> str:
        """Name and settings."""
        kind = "Thompson" if self.sample else "Bayes"
        return f"restless {kind} sd {', '.join(f'{sd:g}' for sd in self.sds)}"

    def begin(self, n: int, arms: int, trials: int) -> State:
        """Start from a uniform belief over volatility and p, ``[n, volatilities, bins]``."""
        require_two_arms(arms, self.name)
        size = len(self.sds) * self.bins
        belief = np.full((n, len(self.sds), self.bins), 1.0 / size)
        return {"belief": belief, "arms": arms, "trials": trials}

    def act(self, state: State, rng: Generator) -> Ints:
        """Pull the arm of higher posterior mean, or each as often as it is believed better."""
        p, _ = _walk(self.sds, self.bins)
        belief = state["belief"].sum(axis=1)
        if self.sample:
            better = belief @ (0.5 + 0.5 * np.sign(p - 0.5))
            return (rng.random(len(belief)) >= better).astype(np.int64)
        mean = belief @ p
        lean = np.where(np.abs(mean - 0.5) < 1e-12, 0.0, mean - 0.5)
        return argmax_random(np.stack([lean, -lean], axis=1), rng)

    def update(self, state: State, action: Ints, reward: Floats) -> State:
        """Weigh the belief by the likelihood of the reward, then let it drift."""
        p, kernel = _walk(self.sds, self.bins)
        first = wins_of(reward) == (np.asarray(action) == 0)  # evidence for arm 0
        belief = state["belief"] * np.where(first[:, None], p, 1.0 - p)[:, None, :]
        belief /= belief.sum(axis=(1, 2), keepdims=True)
        drifted = (belief.transpose(1, 0, 2) @ kernel).transpose(1, 0, 2)
        return {**state, "belief": drifted}


@lru_cache(maxsize=8)
def _walk(sds: tuple[float, ...], bins: int) -> tuple[Floats, Floats]:
    """Return grid points ``[B]`` and transitions ``[sds, B, B]`` of a walk reflected in [0, 1].

    From a grid point the Gaussian step reaches bin j itself or any of its mirror images.

    Raises:
        ValueError: If a step size is not positive or there is only one bin.
    """
    from scipy.special import ndtr

    if not sds or min(sds) <= 0.0 or bins < 2:
        raise ValueError(
            f"a walk needs positive sds and at least 2 bins, not sds {sds}, bins {bins}"
        )
    edges = np.linspace(0.0, 1.0, bins + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    kernel = np.zeros((len(sds), bins, bins))
    for row, sd in zip(kernel, sds, strict=True):
        reach = int(np.ceil(4.0 * sd)) + 1
        for image in range(-reach, reach + 1):
            for mirror in (1.0, -1.0):
                reached = ndtr((2.0 * image + mirror * edges - centres[:, None]) / sd)
                row += mirror * np.diff(reached, axis=1)
        row /= row.sum(axis=1, keepdims=True)
    return centres, kernel

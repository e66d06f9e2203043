"""The protocol of reference policies, and those that count wins and losses of Bernoulli arms.

A policy is a frozen dataclass that plays n episodes side by side:

    state = policy.begin(n, arms, trials)
    action = policy.act(state, rng)                   # [n]
    state = policy.update(state, action, reward)      # a new state; the old one is left alone

A state is a dict of arrays ``[n, ...]``, one row per episode (rows may be at different trials), and
the integers "arms" and "trials". All randomness comes from the generator passed in.

References:
    Wang et al. (2016), Learning to reinforcement learn. arXiv:1611.05763.
    Duan et al. (2016), RL^2. arXiv:1611.02779, table 1.
    Auer, Cesa-Bianchi & Fischer (2002), Finite-time analysis of the multiarmed bandit problem.
    Kaufmann, Cappe & Garivier (2012), On Bayesian upper confidence bounds for bandit problems.
    May, Korda, Lee & Leslie (2012), Optimistic Bayesian sampling in contextual-bandit problems.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from prefrontal.agents.reference.bandit_optima import bayes_optimal_table, gittins_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
State = dict[str, Any]


class Policy(Protocol):
    """Interface of every reference policy; see the module."""

    @property
    def name(self) -> str:
        """Short name for tables and figures."""

    def begin(self, n: int, arms: int, trials: int) -> State:
        """Return the state of n episodes before the first of `trials` pulls of `arms` arms."""

    def act(self, state: State, rng: Generator) -> Ints:
        """Return the arm to pull in each episode, ``[n]``."""

    def update(self, state: State, action: Ints, reward: Floats) -> State:
        """Return the state after `action` ``[n]`` paid `reward` ``[n]``."""


def argmax_random(values: Floats, rng: Generator) -> Ints:
    """Return the column of the largest value in each row, ``[n]``; ties are broken at random."""
    if values.shape[1] == 2:  # the common case, several times faster
        first, second = values[:, 0], values[:, 1]
        coin = rng.random(len(values)) < 0.5
        return ((second > first) | ((second == first) & coin)).astype(np.int64)
    best = values == values.max(axis=1, keepdims=True)
    return (best * (1.0 - rng.random(values.shape))).argmax(axis=1)


def require_two_arms(arms: int, name: str) -> None:
    """Raise a `ValueError` unless there are two arms."""
    if arms != 2:
        raise ValueError(f"{name} plays 2 arms, not {arms}")


def wins_of(reward: ArrayLike) -> NDArray[np.bool_]:
    """Return rewards of Bernoulli arms as booleans; raise a `ValueError` if one is not 0 or 1."""
    values = np.asarray(reward)
    odd = values[(values != 0) & (values != 1)]
    if odd.size:
        raise ValueError(
            f"this policy is for Bernoulli arms: rewards must be 0 or 1, not {odd.flat[0]}"
        )
    return values == 1


# POLICIES THAT COUNT WINS AND LOSSES OF EACH ARM


@dataclass(frozen=True)
class CountPolicy(abc.ABC):
    """Pulls the arm of highest index, a function of all arms' wins and losses ``[n, arms]``."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Short name for tables and figures."""

    @abc.abstractmethod
    def index(self, state: State, rng: Generator) -> Floats:
        """Return the index of every arm, ``[n, arms]``."""

    def begin(self, n: int, arms: int, trials: int) -> State:
        """Start n episodes without wins or losses."""
        counts = np.zeros((n, arms), np.int64)
        return {"wins": counts, "losses": counts, "arms": arms, "trials": trials}

    def act(self, state: State, rng: Generator) -> Ints:
        """Pull the arm of highest index; ties at random."""
        return argmax_random(self.index(state, rng), rng)

    def update(self, state: State, action: Ints, reward: Floats) -> State:
        """Count the reward, see `wins_of`."""
        won = wins_of(reward)
        rows = np.arange(won.size)
        wins, losses = state["wins"].copy(), state["losses"].copy()
        wins[rows, action] += won
        losses[rows, action] += ~won
        return {**state, "wins": wins, "losses": losses}


@dataclass(frozen=True)
class Random(CountPolicy):
    """Every arm with equal probability."""

    name = "random"

    def index(self, state: State, rng: Generator) -> Floats:
        """Return the same index for all arms."""
        return np.zeros(state["wins"].shape)


@dataclass(frozen=True)
class Greedy(CountPolicy):
    """Highest posterior mean under Beta(1, 1) priors."""

    name = "greedy"

    def index(self, state: State, rng: Generator) -> Floats:
        """Return the posterior mean, (wins + 1) / (pulls + 2)."""
        return np.asarray((state["wins"] + 1.0) / (state["wins"] + state["losses"] + 2.0))


@dataclass(frozen=True)
class EpsilonGreedy(CountPolicy):
    """Greedy, but with probability `epsilon` any arm (the best included)."""

    epsilon: float = 0.1

    @property
    def name(self) -> str:
        """Name and setting."""
        return f"epsilon-greedy {self.epsilon:g}"

    index = Greedy.index

    def act(self, state: State, rng: Generator) -> Ints:
        """Explore with probability epsilon."""
        n, arms = state["wins"].shape
        explore = rng.random(n) < self.epsilon
        return np.where(explore, rng.integers(arms, size=n), super().act(state, rng))


@dataclass(frozen=True)
class Thompson(CountPolicy):
    """Best arm of one draw from the Beta posteriors.

    Args:
        optimistic: Never let a draw fall below the posterior mean (May et al. 2012).
    """

    optimistic: bool = False

    @property
    def name(self) -> str:
        """Name and setting."""
        return "optimistic Thompson" if self.optimistic else "Thompson"

    def index(self, state: State, rng: Generator) -> Floats:
        """Return a draw from Beta(wins + 1, losses + 1)."""
        a, b = state["wins"] + 1.0, state["losses"] + 1.0
        draw = rng.beta(a, b)
        return np.maximum(draw, a / (a + b)) if self.optimistic else draw


@dataclass(frozen=True)
class UCB(CountPolicy):
    """Upper confidence bound: mean + c sqrt(ln t / n), t pulls so far, n of this arm.

    UCB1 (Auer et al. 2002) has c = sqrt(2). The constant of Duan et al. (2016), whose bonus is
    c sqrt(2 ln t / n) over Beta(1, 1)-initialised counts, is sqrt(2) times smaller: their .2 is
    `UCB(.2 * 2**.5, prior=True)`.

    Args:
        c: Width of the bound.
        prior: Posterior mean and n + 2 pulls under a Beta(1, 1) prior. False: empirical mean and n
            pulls, every arm tried once first.
    """

    c: float = 1.0
    prior: bool = False

    @property
    def name(self) -> str:
        """Name and settings."""
        return f"UCB {self.c:.3g}{' Beta(1, 1)' if self.prior else ''}"

    def index(self, state: State, rng: Generator) -> Floats:
        """Return the bound; infinite for arms never pulled, unless there is a prior."""
        wins, pulls = state["wins"], state["wins"] + state["losses"]
        if self.prior:
            wins, pulls, total = wins + 1.0, pulls + 2.0, pulls.sum(axis=1, keepdims=True)
            return wins / pulls + self.c * np.sqrt(np.log(np.maximum(total, 1)) / pulls)
        n = np.maximum(pulls, 1)
        bonus = np.sqrt(np.log(np.maximum(pulls.sum(axis=1, keepdims=True), 1)) / n)
        return np.where(pulls > 0, wins / n + self.c * bonus, np.inf)


@dataclass(frozen=True)
class BayesUCB(CountPolicy):
    """Highest `quantile` of the Beta(wins + 1, losses + 1) posterior (Kaufmann et al. 2012)."""

    quantile: float = 0.95

    @property
    def name(self) -> str:
        """Name and setting."""
        return f"Bayes-UCB {self.quantile:g}"

    def index(self, state: State, rng: Generator) -> Floats:
        """Return the quantile, from a table."""
        return _look_up(_quantiles(self.quantile, state["trials"]), state)


@dataclass(frozen=True)
class Gittins(CountPolicy):
    """Highest Gittins index: optimal for endless discounted play, near-optimal for finite play."""

    gamma: float = 0.99

    @property
    def name(self) -> str:
        """Name and setting."""
        return f"Gittins {self.gamma:g}"

    def index(self, state: State, rng: Generator) -> Floats:
        """Return the Gittins index, from a table."""
        return _look_up(gittins_table(self.gamma, state["trials"]), state)


@dataclass(frozen=True)
class BayesOptimal(CountPolicy):
    """Maximises expected total reward over the episode for two independent U[0, 1] arms."""

    name = "Bayes-optimal"

    def begin(self, n: int, arms: int, trials: int) -> State:
        """Start, for two arms only."""
        require_two_arms(arms, self.name)
        return super().begin(n, arms, trials)

    def index(self, state: State, rng: Generator) -> Floats:
        """Return 1 for the better arm and -1 for the other; 0 if they are equally good."""
        sign = bayes_optimal_table(state["trials"]).prefer(state["wins"], state["losses"])
        return np.stack([sign, -sign], axis=1).astype(np.float64)


@lru_cache(maxsize=8)
def _quantiles(quantile: float, trials: int) -> Floats:
    """Return the quantile of Beta(wins + 1, losses + 1), ``[trials + 1, trials + 1]``."""
    from scipy.special import betaincinv

    counts = np.arange(trials + 1) + 1.0
    table: Floats = betaincinv(counts[:, None], counts, quantile)
    table.flags.writeable = False
    return table


def _look_up(table: Floats, state: State) -> Floats:
    """Return the entries ``[n, arms]`` of a table at (wins, losses), if it has so many trials."""
    wins, losses = state["wins"], state["losses"]
    if (wins + losses).max(initial=0) > state["trials"]:
        raise ValueError(f"an episode was begun with {state['trials']} trials but has more")
    return np.asarray(table[wins, losses])

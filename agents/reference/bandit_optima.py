"""Exact optima of small bandit problems: dynamic programs, solved once and cached in the process.

Everything here is computed, never sampled. The policies that play these optima are in
`prefrontal.agents.reference.counting` and `.memory`.

| problem | function | value |
|---|---|---|
| one Bernoulli arm, discounted | `gittins_table` | .7029 for Beta(1, 1), discount .9 |
| two independent U[0, 1] arms | `bayes_optimal_regret` | 1.748246, 100 trials |
| two arms with p2 = 1 - p1 | `correlated_optimal_regret` | 1.2215, uniform p1, 100 trials |
| eleven arms, one informative | `informative_arm_returns` | 20.55, 5 trials |

References:
    Gittins (1979), Bandit processes and dynamic allocation indices. J. R. Stat. Soc. B 41.
    Wang et al. (2016), Learning to reinforcement learn. arXiv:1611.05763, experiments 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CORRELATED_DISTRIBUTIONS: dict[str, float] = {"easy": 0.9, "medium": 0.75, "hard": 0.6}
"""Probability of the better of two arms that sum to one (Wang et al. 2016, experiment 2)."""

MAX_TABLE_TRIALS = 250
"""Longest horizon of `bayes_optimal_table`; it holds about trials^4 / 48 bytes (81 MB at 250)."""

_TIE = 1e-10  # two actions whose values differ by less are equally good
_RATES = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0.0, 1.0, 2001))  # standard arms, dense at 0 and 1
_CUT = 5e-5  # crude bound on what an ever deeper recursion would add to a Gittins index


# ONE ARM: GITTINS INDEX


@lru_cache(maxsize=8)
def gittins_table(gamma: float, trials: int) -> Floats:
    """Return the Gittins index of all posteriors that `trials` pulls of one arm can reach.

    The index of a Bernoulli arm is the sure reward per trial at which an agent that discounts by
    `gamma` over an endless horizon is indifferent between the arm and the sure reward (Gittins
    1979); to 4 decimals.

    Calibration: for standard arms of every rate l on a grid, the advantage of one more pull

        D(a, b, l) = p - l + gamma [p V(a+1, b, l) + (1-p) V(a, b+1, l)],   p = a / (a + b),
        V(a, b, l) = max(0, D(a, b, l)),

    is solved backwards from a depth where learning no longer pays, V = max(0, p - l) / (1 - gamma);
    the index is the l at which D crosses zero.

    Returns:
        Read-only ``[trials + 1, trials + 1]``, indexed by (wins, losses); NaN where their sum
        exceeds `trials`.

    Raises:
        ValueError: If `gamma` is not between 0 and 1 or `trials` is negative.
    """
    if not 0.0 < gamma < 1.0:
        raise ValueError(f"gamma must lie between 0 and 1 (both excluded), not {gamma}")
    if trials < 0:
        raise ValueError(f"trials must be at least 0, not {trials}")
    depth = trials
    while gamma ** (depth - trials) / (4.0 * np.sqrt(depth - trials + 1)) > _CUT:
        depth += 1
    table = np.full((trials + 1, trials + 1), np.nan)
    p = np.arange(1, depth + 3)[:, None] / (depth + 3.0)  # posterior means after depth + 1 pulls
    value = np.maximum(p - _RATES, 0.0) / (1.0 - gamma)  # [wins, rate]
    for n in range(depth, -1, -1):
        p = np.arange(1, n + 2)[:, None] / (n + 2.0)
        lost, won = value[: n + 1], value[1 : n + 2]
        advantage = (p * (won - lost) + lost) * gamma + (p - _RATES)
        if n <= trials:
            wins = np.arange(n + 1)
            left = (advantage > 0.0).sum(axis=1) - 1  # last rate at which pulling is better
            high, low = advantage[wins, left], advantage[wins, left + 1]
            step = _RATES[left + 1] - _RATES[left]
            table[wins, n - wins] = _RATES[left] + step * high / (high - low)
        value = np.maximum(advantage, 0.0)
    table.flags.writeable = False
    return table


# TWO INDEPENDENT ARMS, FINITE HORIZON


@dataclass(frozen=True)
class BayesOptimalTable:
    """Which of two independent arms is better, for every posterior within a horizon.

    Attributes:
        trials: The horizon T.
        value: Expected total reward from the start.
        preference: int8, flat: +1 arm 0, -1 arm 1, 0 equally good; only pulls[0] >= pulls[1].
        offset: ``[T, T]`` start of the block of (pulls of arm 0, pulls of arm 1) in `preference`.
    """

    trials: int
    value: float
    preference: NDArray[np.int8]
    offset: Ints

    def prefer(self, wins: Ints, losses: Ints) -> NDArray[np.int8]:
        """Return +1 where arm 0 is better, -1 where arm 1 is, 0 where they are equally good.

        The wins and losses of both arms are ``[n, 2]``.

        Raises:
            ValueError: If the horizon is already used up in some row.
        """
        pulls = wins + losses
        if pulls.size and pulls.sum(axis=1).max() >= self.trials:
            raise ValueError(f"no trial left: this table was solved for {self.trials} trials")
        swap = pulls[:, 0] < pulls[:, 1]  # the block stored is that with the arms exchanged
        row, column = np.where(swap[:, None], wins[:, ::-1], wins).T
        more, fewer = np.where(swap[:, None], pulls[:, ::-1], pulls).T
        sign = self.preference[self.offset[more, fewer] + row * (fewer + 1) + column]
        return np.where(swap, -sign, sign)


def bayes_optimal_value(trials: int) -> float:
    """Return the largest expected total reward from two independent U[0, 1] Bernoulli arms.

    Undiscounted and exact: dynamic programming over all posteriors (wins and losses of each arm).

    Raises:
        ValueError: If `trials` is below 1.
    """
    return _solve_two_arms(trials, keep=False).value


def bayes_optimal_regret(trials: int) -> float:
    """Return the smallest expected regret on two U[0, 1] arms: 2 trials / 3 less the value."""
    return 2.0 * trials / 3.0 - bayes_optimal_value(trials)


def bayes_optimal_table(trials: int) -> BayesOptimalTable:
    """Return the optimal choice for two U[0, 1] arms in every posterior within `trials`.

    Raises:
        ValueError: If `trials` is below 1 or above `MAX_TABLE_TRIALS`.
    """
    if trials > MAX_TABLE_TRIALS:
        raise ValueError(
            f"trials must be at most {MAX_TABLE_TRIALS} for an exact policy (its size grows with "
            f"trials^4), not {trials}; a Gittins policy has no such limit"
        )
    return _solve_two_arms(trials, keep=True)


@lru_cache(maxsize=4)
def _solve_two_arms(trials: int, keep: bool) -> BayesOptimalTable:
    """Solve V_n(s1, s2) = max_i p_i (1 + V_{n+1}(s_i + 1)) + (1 - p_i) V_{n+1}(s_i) backwards.

    Layer n holds one block ``[s1, s2]`` for each way to divide n pulls between the arms; only
    blocks in which arm 0 was pulled at least as often are computed; the others are transposes.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, not {trials}")
    offset = np.zeros((trials, trials), np.int64)
    size = 0
    for n in range(trials):
        for fewer in range(n // 2 + 1):
            offset[n - fewer, fewer] = size
            size += (n - fewer + 1) * (fewer + 1)
    preference = np.zeros(size if keep else 0, np.int8)
    mean = [np.arange(1, n + 2) / (n + 2.0) for n in range(trials)]  # posterior means, n pulls
    later = [np.zeros((trials - j + 1, j + 1)) for j in range(trials // 2 + 1)]
    for n in range(trials - 1, -1, -1):
        layer = []
        for fewer in range(n // 2 + 1):
            more = n - fewer
            p, q = mean[more][:, None], mean[fewer]
            first = later[fewer]  # arm 0 pulled: [more + 2, fewer + 1]
            second = later[fewer + 1] if fewer < more else first.T  # arm 1 pulled
            pull_0 = p * (1.0 + first[1:] - first[:-1]) + first[:-1]
            pull_1 = q * (1.0 + second[:, 1:] - second[:, :-1]) + second[:, :-1]
            if keep:
                gain = pull_0 - pull_1
                start = offset[more, fewer]
                block = preference[start : start + gain.size]
                np.subtract(gain > _TIE, gain < -_TIE, out=block.reshape(gain.shape), dtype=np.int8)
            layer.append(np.maximum(pull_0, pull_1))
        later = layer
    preference.flags.writeable = False
    return BayesOptimalTable(trials, float(later[0][0, 0]), preference, offset)


# TWO ARMS THAT SUM TO ONE


def correlated_optimal_regret(distribution: str | float, trials: int = 100) -> float:
    """Return the smallest expected regret on two Bernoulli arms with p2 = 1 - p1.

    A win here and a loss there are the same evidence, whichever arm is pulled, so after t trials
    the evidence for the better arm is Binomial(t, p) and the best policy follows the majority:

        regret = (2p - 1) sum_{t=0}^{T-1} [P(X_t < t/2) + P(X_t = t/2) / 2],   X_t ~ Bin(t, p).

    The uniform case integrates this over p by a quadrature that is exact for its degree.

    Args:
        distribution: "uniform" (p1 ~ U[0, 1]), "easy" (.9/.1), "medium" (.75/.25), "hard" (.6/.4),
            or the probability of the better arm, in [.5, 1].
        trials: Number of pulls T.

    Raises:
        ValueError: If the distribution is unknown or the probability is outside [.5, 1].
    """
    from scipy.stats import binom

    if distribution == "uniform":
        nodes, weights = np.polynomial.legendre.leggauss(trials // 2 + 2)
        p, weights = 0.75 + 0.25 * nodes, 0.5 * weights  # mean over p ~ U[.5, 1]
    else:
        better = CORRELATED_DISTRIBUTIONS.get(str(distribution), distribution)
        if isinstance(better, str):
            allowed = ", ".join(["uniform", *CORRELATED_DISTRIBUTIONS])
            raise ValueError(f"distribution must be one of {allowed}, not {better!r}")
        if not 0.5 <= better <= 1.0:
            raise ValueError(f"the better arm's probability must be in [.5, 1], not {better}")
        p, weights = np.array([float(better)]), np.ones(1)
    t = np.arange(trials)[:, None]
    half = t // 2
    tie = np.where(t % 2 == 0, 0.5 * binom.pmf(half, t, p), 0.0)
    wrong = binom.cdf(half, t, p) - tie
    return float(((2.0 * p - 1.0) * wrong.sum(axis=0)) @ weights)


# ONE INFORMATIVE ARM


def informative_arm_returns(trials: int = 5) -> dict[str, float]:
    """Return expected returns on the eleven-armed task with one informative arm.

    Of arms 0..9 one hidden target pays 5 and nine pay 1; arm 10 pays .1 (target + 1), all for sure
    (Wang et al. 2016, experiment 3).

    Returns:
        "optimal" (informative arm once, then the target), "search" (arms 0..9 without replacement
        until the target is found), "stay" (one of arms 0..9 throughout) and "random".

    Raises:
        ValueError: If `trials` is below 2 (with one pull the information cannot be used).
    """
    if trials < 2:
        raise ValueError(f"trials must be at least 2, not {trials}")
    found = np.arange(1, 11)  # the trial at which a search would meet the target
    search = np.where(found <= trials, found - 1 + 5.0 * (trials - found + 1), trials)
    return {
        "optimal": 0.55 + 5.0 * (trials - 1),
        "search": float(search.mean()),
        "stay": 1.4 * trials,
        "random": (5.0 + 9.0 + 0.55) / 11.0 * trials,
    }

"""What one update in an episode can earn: the ceilings of agents that adapt once by gradient.

A policy without memory pulls arms at random until the update, and keeps one policy after it. For k
arms with independent U[0, 1] probabilities this is

| 10 pulls, 5 arms | 100 pulls, 5 arms | |
|---|---|---|
| 5.93 (5.99) | 70.6 (70.6) | one gradient step after a fifth of the pulls (after the best number) |
| 5.93 (5.99) | 71.1 (71.2) | the best policy that can be chosen then: explore, then commit |

Of n pulls of a U[0, 1] arm any number of wins is equally likely, and the arm then pays
``(wins + 1) / (n + 2)`` on average. So arms are drawn, and what they pay is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from prefrontal.agents.reference.counting import Floats, Ints

DRAWS = 100_000  # of arms and wins
TRIED = 20_000  # for each number of pulls that is tried


class Ceiling(NamedTuple):
    """Mean total reward, and its standard error."""

    value: float
    error: float


def one_update(
    arms: int,
    pulls: int,
    explore: int,
    rule: Literal["gradient", "commit"] = "gradient",
    *,
    step: float = np.inf,
    baseline: float = 0.5,
    fresh: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Ceiling:
    """Return the reward of an episode with one update, after uniformly random pulls.

    Args:
        arms: Number of arms k.
        pulls: Pulls of an episode, N.
        explore: Pulls before the update.
        rule: The update: a step along the policy gradient of all logits, from equal ones; or the
            best arm given what was seen (`commit`).
        step: Its step size, for the mean of the gradient over pulls; infinite: the policy takes the
            arms whose gradient is largest.
        baseline: What rewards are compared with in the gradient.
        fresh: Whether N other pulls follow the update, and only those count.
        draws: How many arms and wins are drawn.
        seed: Of the random numbers.
    """
    generator = np.random.default_rng(seed)
    n = generator.multinomial(explore, [1 / arms] * arms, size=draws)
    wins = generator.integers(0, n + 1)
    pays = (wins + 1) / (n + 2)
    later = (_policy(rule, wins, n, step, baseline) * pays).sum(axis=1)
    total = pulls * later if fresh else 0.5 * explore + (pulls - explore) * later
    return Ceiling(float(total.mean()), float(total.std() / draws**0.5))


def best_one_update(
    arms: int, pulls: int, candidates: Iterable[int], rule: Literal["gradient", "commit"]
) -> tuple[int, Ceiling]:
    """Return the best number of pulls before the update, and the reward with it on other draws."""

    def tried(explore: int) -> float:
        return one_update(arms, pulls, explore, rule, draws=TRIED, seed=1).value

    best = max(candidates, key=tried)
    return best, one_update(arms, pulls, best, rule)


def _policy(rule: str, wins: Ints, n: Ints, step: float, baseline: float) -> Floats:
    """Return the probabilities of arms after the update, ``[draws, k]``."""
    if rule == "gradient":
        above = wins - baseline * n
        gradient = (above - above.mean(axis=1, keepdims=True)) / n.sum(axis=1, keepdims=True)
        if np.isfinite(step):
            policy = np.exp(step * gradient)
            return np.asarray(policy / policy.sum(axis=1, keepdims=True))
        worth = np.round(gradient, 9)
    else:
        worth = (wins + 1) / (n + 2)
    best = worth == worth.max(axis=1, keepdims=True)
    return np.asarray(best / best.sum(axis=1, keepdims=True))

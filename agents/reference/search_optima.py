"""Expected duration of the best search for a hidden goal: one of G places, all equally likely.

An agent that knows the map but not the goal visits places in some order until it meets the goal.
The best order has the least sum of times at which places are first met (the minimum latency
problem). Distances are shortest paths, so places met on the way come earlier in the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXACT = 13  # places; the exact solution takes 2^G G^2 operations


@dataclass(frozen=True)
class Search:
    """Expected steps of the best search found, and a bound of all."""

    lower: float  # bound of the expected steps of any search
    upper: float  # expected steps of `order`; equal to `lower` where it is proven best
    order: tuple[int, ...]  # of places

    @property
    def exact(self) -> bool:
        """Whether the best search is known."""
        return self.lower == self.upper


def best_search(distance: np.ndarray, start: np.ndarray, rounds: int = 20, seed: int = 0) -> Search:
    """Return the search with the least expected time, or bounds of it.

    For few places it is exact: dynamic programming over the sets of visited places. For more than
    `EXACT` places the upper bound is the best order of a local search from several starts (a run of
    places is reversed or moved to the end as long as that helps), and the lower bound says that the
    k-th place cannot be met before step k, nor before the k-th nearest place can.

    Args:
        distance: Steps between places, ``[G, G]``, of shortest paths.
        start: Steps from the start to each place, ``[G]``.
        rounds: Starts of the local search.
        seed: Seed of the starts.
    """
    count = len(start)
    if count <= EXACT:
        order = _exact(distance, start)
        value = latency(distance, start, order)
        return Search(value, value, tuple(order))
    nearest = np.sort(start)
    lower = float(np.maximum(nearest, np.arange(1, count + 1)).mean())
    generator = np.random.default_rng(seed)
    best, found = np.inf, np.arange(count)
    for _ in range(rounds):
        order = _improved(distance, start, _greedy(distance, start, generator))
        value = latency(distance, start, order)
        if value < best:
            best, found = value, order
        if best <= lower:
            break
    return Search(lower, best, tuple(int(place) for place in found))


def latency(distance: np.ndarray, start: np.ndarray, order: np.ndarray) -> float:
    """Return the expected steps to the goal if the places are visited in this order."""
    legs = np.concatenate([start[order[:1]], distance[order[:-1], order[1:]]])
    return float(np.cumsum(legs).mean())


def _exact(distance: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the best order.

    f(S, i) = min over j not in S of (G - |S|) d(i, j) + f(S + j, j), from full sets S down.
    """
    count = len(start)
    sets = 1 << count
    size = np.array([bin(s).count("1") for s in range(sets)])
    value = np.full((sets, count), np.inf)
    after = np.zeros((sets, count), dtype=np.int64)
    value[-1] = 0.0
    places = np.arange(count)
    for visited in range(sets - 2, 0, -1):
        left = places[(visited >> places) & 1 == 0]
        onward = value[visited | (1 << left), left]  # [j]
        cost = (count - size[visited]) * distance[:, left] + onward  # [i, j]
        best = cost.argmin(axis=1)
        value[visited], after[visited] = cost[places, best], left[best]
    first = int((count * start + value[1 << places, places]).argmin())
    order, visited = [first], 1 << first
    while len(order) < count:
        order.append(int(after[visited, order[-1]]))
        visited |= 1 << order[-1]
    return np.array(order)


def _greedy(distance: np.ndarray, start: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the order that goes to the nearest place; of equal ones to dead ends, or at random."""
    count, here = len(start), start.astype(float)
    left = np.ones(count, dtype=bool)
    weight = generator.choice([0.0, 0.1, 0.3])
    order = []
    for _ in range(count):
        open_near = ((distance <= 1) & left[None]).sum(axis=1)
        score = here + weight * open_near + 0.2 * generator.random(count)
        place = int(np.where(left, score, np.inf).argmin())
        order.append(place)
        left[place] = False
        here = distance[place].astype(float)
    return np.array(order)


def _improved(distance: np.ndarray, start: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the order after all moves of `_moves` that lower the latency, until none does."""
    count = len(order)
    # NODE 0 is the start; a tour is [0, order + 1]
    whole = np.zeros((count + 1, count + 1))
    whole[1:, 1:], whole[0, 1:], whole[1:, 0] = distance, start, start
    tour = np.concatenate([[0], order + 1])
    best = _times(whole, tour).sum()
    improved = True
    while improved:
        improved = False
        for begin in range(1, count):
            candidates = _moves(tour, begin)
            totals = _times(whole, candidates).sum(axis=1)
            pick = int(totals.argmin())
            if totals[pick] < best - 1e-9:
                tour, best, improved = candidates[pick], totals[pick], True
    return tour[1:] - 1


def _times(whole: np.ndarray, tours: np.ndarray) -> np.ndarray:
    """Return the times at which the places of tours ``[..., G + 1]`` are met."""
    return np.cumsum(whole[tours[..., :-1], tours[..., 1:]], axis=-1)


def _moves(tour: np.ndarray, begin: int) -> np.ndarray:
    """Return the tours in which a run that starts at `begin` is reversed, or moved to the end."""
    count = len(tour)
    ends = range(begin + 1, count + 1)
    reversed_runs = [[*tour[:begin], *tour[begin:e][::-1], *tour[e:]] for e in ends]
    moved = [[*tour[:begin], *tour[e:], *tour[begin:e]] for e in ends]
    return np.array(reversed_runs + moved)

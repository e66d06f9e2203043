"""The best search for a hidden goal: by hand, against all orders, and bounds."""

import itertools

import numpy as np
import pytest

from prefrontal.agents.reference import search_optima
from prefrontal.agents.reference.search_optima import best_search, latency
from prefrontal.envs.maze import find_maze


def bounds(layout: str) -> search_optima.Search:
    maze = find_maze(layout)
    start = maze.distance[maze.start, maze.goals]
    return best_search(maze.distance[np.ix_(maze.goals, maze.goals)], start)


def test_open_is_searched_without_a_wasted_step():
    search = bounds("open")
    assert search.exact
    assert search.upper == 12.5  # (1 + ... + 24) / 24
    assert sorted(search.order) == list(range(24))


def test_a_corridor_by_hand():
    # Right 1, 2; then left 5, 6, 7 (shorter arm first): 21 / 5.
    search = bounds("...S..")
    assert search.exact
    assert search.upper == pytest.approx(21 / 5)


def test_exact_agrees_with_all_orders():
    generator = np.random.default_rng(0)
    points = generator.integers(0, 9, (7, 2))
    distance = np.abs(points[:, None] - points[None]).sum(2)
    orders = np.array(list(itertools.permutations(range(1, 7))))
    best = min(latency(distance[1:, 1:], distance[0, 1:], order - 1) for order in orders)
    found = best_search(distance[1:, 1:], distance[0, 1:])
    assert found.exact
    assert found.upper == pytest.approx(best)
    assert latency(distance[1:, 1:], distance[0, 1:], np.array(found.order)) == found.upper


def test_bounds_hold_the_truth_where_it_is_known(monkeypatch):
    maze = find_maze("..#../.#.../..S.#")
    start = maze.distance[maze.start, maze.goals]
    between = maze.distance[np.ix_(maze.goals, maze.goals)]
    exact = best_search(between, start)
    assert exact.exact
    monkeypatch.setattr(search_optima, "EXACT", 0)
    found = best_search(between, start)
    assert found.lower <= exact.upper <= found.upper
    assert found.upper == pytest.approx(exact.upper)

"""The race against Thompson sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.time_to_thompson import Config, ours, race


def test_an_agent_arrives_when_two_looks_agree():
    looks = iter(
        [
            np.array([5.0, 2.0, 5.0]),  # agent 1 seems to arrive,
            np.array([5.0, 3.0, 5.0]),  # but not on other tasks
            np.array([2.0, 2.0, 5.0]),
            np.array([2.5, 2.6, 5.0]),
            np.array([2.0, 9.0, 4.0]),
        ]
    )
    lines: list[str] = []
    arrivals = race(itertools.repeat(10), lambda seed: next(looks), 3, 60, 20, lines.append)
    assert [arrival.steps for arrival in arrivals] == [40, 40, None]
    assert [arrival.regret for arrival in arrivals] == [2.5, 2.6, 4.0]
    assert len(lines) == 3


def test_tasks_of_a_look_are_not_those_of_another():
    seeds: list[int] = []

    def look(seed):
        seeds.append(seed)
        return np.array([1.0 if seed == 4 else 9.0])

    race(itertools.repeat(1), look, 1, 3, 1, lambda line: None)
    assert seeds == [2, 4, 5, 6]


def test_ours_trains_and_is_looked_at():
    train, look, total = ours(Config(members=2, episodes=64))
    assert next(train) == 32 * 100
    regret = look(1)
    assert regret.shape == (2,)
    assert (regret > 5).all()
    assert total > 10**6


@pytest.mark.parametrize("field", ["members", "every", "episodes", "steps"])
def test_settings_are_checked(field):
    with pytest.raises(ValueError, match="at least 1"):
        Config(**{field: 0})

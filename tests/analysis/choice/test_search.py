"""Steps per goal by hand, and the ratio that a searcher without memory has."""

import numpy as np
import pytest

from prefrontal.analysis.choice.search import (
    first_and_later,
    first_to_second,
    goals_found,
    steps_per_goal,
)

REWARD = np.array([[[0, 0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0] * 7, [1, 0, 0, 0, 1, 0, 0]]])


def test_steps_by_hand():
    steps = steps_per_goal(REWARD, 2)
    nan = np.nan
    np.testing.assert_array_equal(steps, [[[3, 2], [7, nan], [nan, nan], [1, 4]]])
    assert steps_per_goal(REWARD, 4)[0, 0, 2:].tolist() == pytest.approx([1, nan], nan_ok=True)
    first, later = first_and_later(REWARD)
    np.testing.assert_array_equal(first, [[3, 7, nan, 1]])
    np.testing.assert_array_equal(later, [[1.5, nan, nan, 4]])
    assert goals_found(REWARD).tolist() == [[3, 1, 0, 2]]
    assert first_to_second(REWARD).tolist() == [(3 + 1) / (2 + 4)]
    assert np.isnan(first_to_second(np.zeros((1, 3, 5)))).all()
    with pytest.raises(ValueError, match="goals must be at least 1"):
        steps_per_goal(REWARD, 0)


def test_who_has_no_memory_has_a_ratio_of_one():
    """Though goals differ in how hard they are to find, and late ones are cut off."""
    generator = np.random.default_rng(0)
    hazard = generator.uniform(0.01, 0.4, (1, 40_000, 1))
    reward = generator.random((1, 40_000, 60)) < hazard
    assert first_to_second(reward)[0] == pytest.approx(1.0, abs=0.02)
    first, later = first_and_later(reward)
    assert np.nanmean(first) / np.nanmean(later) > 1.05  # which the plain ratio has not

"""A table of choices as probes take it: numbers by hand, and the figures."""

import numpy as np
import pytest

from prefrontal.analysis.figures.subjects import change_figure, confusion_figure, recovery_figure
from prefrontal.behaviour.probes import around_changes, record_of, stays, transitions
from prefrontal.behaviour.table import behaviour

CHOICE = [[0, 0, 1, -1, 1, 1, 0, 0]]
REWARD = [[1.0, 0.0, 0.0, np.nan, 1.0, 0.0, 1.0, 0.0]]
BLOCK = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])


def table(**more):
    return behaviour(CHOICE, REWARD, block=BLOCK, resets="block", **more)


def test_staying_is_counted_within_stretches_and_between_trials_that_are_there():
    found = stays(table())
    # After rewards: 0 -> 0, 1 -> 1, 0 -> 0. After none: 0 -> 1 and 1 -> 0; 1 -> missed counts not,
    # nor does the missed trial, nor the step to the new block.
    assert found["rewarded"].tolist() == [1.0]
    assert found["not rewarded"].tolist() == [0.0]


def test_a_model_stays_by_its_probability_of_the_last_choice():
    policy = np.zeros((1, 8, 2))
    policy[..., 0] = [[0.5, 0.9, 0.4, 0.5, 0.5, 0.2, 0.3, 0.7]]
    policy[..., 1] = 1 - policy[..., 0]
    found = stays(table(), policy)
    assert found["rewarded"][0] == pytest.approx((0.9 + 0.8 + 0.7) / 3)
    assert found["not rewarded"][0] == pytest.approx((0.4 + 0.7) / 2)


def test_staying_in_two_steps_is_told_apart_by_the_transition():
    state2 = np.array([[0, 1, 1, -1, 1, 0, 1, 0]])
    found = stays(table(state2=state2, mapping=np.array([[0, 1]])))
    assert transitions(table(state2=state2, mapping=np.array([[0, 1]])))[0].tolist() == [
        *(1, 0, 1, -1, 1, 0, 0, 1)
    ]
    assert found["rewarded, common"][0] == 1
    assert found["rewarded, rare"][0] == 1
    assert np.isnan(found["not rewarded, common"][0])
    assert found["not rewarded, rare"][0] == 0


def test_stretches_become_episodes():
    record = record_of(table(columns={"mood": np.array([list("abcdefgh")])}))
    assert record["action"].tolist() == [[[0, 0, 1, -1], [1, 1, 0, 0]]]
    assert record["mood"].tolist() == [[list("abcd"), list("efgh")]]


def test_choices_around_a_change_of_the_best_arm():
    best = np.array([[0, 0, 1, 1, 1, 1, 0, 0.0]])
    found = around_changes(table(), best, before=2, after=2)
    # Changes to 1 at trial 2 and to 0 at trial 6: new arm chosen at -2, -1, 0 and 1.
    assert found[0].tolist() == [0, 0, 1, 1]  # the missed trial counts not
    policy = np.full((1, 8, 2), 0.5)
    policy[0, 2] = 0.1, 0.9
    found = around_changes(table(), best, before=1, after=1, policy=policy)
    np.testing.assert_allclose(found, [[0.5, 0.7]])
    assert around_changes(table(), np.zeros((1, 8))) is None


def test_figures_are_written(tmp_path):
    rng = np.random.default_rng(0)
    curves = {"subjects": np.vstack([rng.random((3, 6)), np.full(6, np.nan)])}
    true = {"rate": rng.random(5), "constant": np.ones(5)}
    made = [
        change_figure(curves, 2, tmp_path / "a.png"),
        recovery_figure(true, true, tmp_path / "b.png"),
        confusion_figure(np.eye(2), ["rw", "wsls"], tmp_path / "c.png"),
    ]
    assert all(path.stat().st_size > 1000 for path in made)

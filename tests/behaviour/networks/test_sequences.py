"""What a network is shown of a table, against sequences written by hand."""

import numpy as np
import pytest
import torch

from prefrontal.behaviour.networks.sequences import Sequences, Shape, inner_fold, targets
from prefrontal.behaviour.table import behaviour, starts_of

NAN = np.nan
#: Second trial missed, reward of the third not known, a new session at the fifth.
SESSION = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, -1, -1, -1]])
TABLE = behaviour(
    [[0, -1, 2, 1, 1, 0], [1, 1, 0, -1, -1, -1]],
    [[1.0, NAN, NAN, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, NAN, NAN, NAN]],
    3,
    session=SESSION,
    block=SESSION,
    row=np.array([[0, 1, 2, 3, 4, 5], [6, 7, 8, -1, -1, -1]]),
)
SHAPE = Shape(3, mean=0.5, scale=0.5)


def test_only_trials_that_are_learned_from_make_steps():
    found = Sequences.of(TABLE, SHAPE)
    assert found.sequence.tolist() == [[0, 0, 0, 0, 1, 1], [2, 2, 2, -1, -1, -1]]
    assert found.step[0].tolist() == [0, 1, 1, 1, 0, 1]
    assert found.step[1, :3].tolist() == [0, 1, 2]
    assert found.subject.tolist() == [0, 0, 1]
    assert found.inputs[:2, 0].tolist() == [[0.0] * 6, [1, 0, 0, 1, 0, 0]]
    assert found.inputs[1, 1].tolist() == [0, 1, 0, 0, 1, 0]
    assert found.inputs[:, 2].tolist() == [[0.0] * 6, [0, 1, 0, 0, -1, 0], [0, 1, 0, 0, 1, 0]]


def test_scales_are_those_of_the_rewards():
    assert Shape.of(TABLE) == Shape(3, 0, 0, pytest.approx(4 / 7), pytest.approx(12**0.5 / 7))


def test_likelihoods_are_of_what_was_chosen_among_what_there_was():
    available = np.ones((2, 6, 3), bool)
    available[0, 2, 0] = False
    table = behaviour(TABLE.choice, TABLE.reward, 3, available=available, starts=TABLE.starts)
    sequences = Sequences.of(table, SHAPE)
    (first,) = targets(table, SHAPE, sequences)
    logits = torch.zeros(3, 1, 3, 3)
    logits[1, 0, 0] = torch.tensor([0.0, 1.0, 2.0])
    values = first.log_likelihood(logits)[0]
    by_trial = dict(zip(map(tuple, first.trial.T.tolist()), values.tolist(), strict=True))
    assert by_trial[0, 0] == pytest.approx(np.log(1 / 3))
    assert by_trial[0, 2] == pytest.approx(2 - np.log(np.e + np.e**2))
    assert by_trial[0, 3] == pytest.approx(1 - np.log(1 + np.e + np.e**2))
    assert len(by_trial) == 8


def test_second_choices_have_logits_of_their_state():
    table = behaviour(
        [[0, 1]],
        [[1.0, 0.0]],
        2,
        state2=np.array([[1, 0]]),
        choice2=np.array([[0, 1]]),
    )
    shape = Shape.of(table)
    assert (shape.inputs, shape.outputs) == (2 * (2 + 2) + 2, 2 + 2 * 2)
    sequences = Sequences.of(table, shape)
    assert sequences.inputs[1, 0].tolist() == [1, 0, 1, 0, 0, 1, 0, 1, 1, 0]
    _, second = targets(table, shape, sequences)
    logits = torch.arange(12.0).view(2, 1, 1, 6).square()
    wanted = [[16 - np.log(np.exp(16) + np.exp(25)), 81 - np.log(np.exp(64) + np.exp(81))]]
    np.testing.assert_allclose(second.log_likelihood(logits), wanted, rtol=1e-5, atol=1e-6)


def test_other_tasks_are_refused():
    with pytest.raises(ValueError, match="fitted to 3 arms, not 2"):
        SHAPE.require(behaviour([[0, 1]], [[1.0, 0.0]]))
    with pytest.raises(ValueError, match="fitted to 0 second-stage states, not 2"):
        Shape(2).require(behaviour([[0, 1]], [[1.0, 0.0]], state2=np.array([[0, 1]])))


def table_of(subjects, trials, sessions=1):
    session = np.broadcast_to(np.arange(trials) * sessions // trials, (subjects, trials))
    ones = np.ones((subjects, trials))
    starts = starts_of(session, session, "session")
    return behaviour(ones.astype(int), ones, session=session, block=session, starts=starts)


@pytest.mark.parametrize("within", [False, True])
def test_what_is_held_out_to_stop_is_a_share_of_the_largest_units(within):
    many = inner_fold(table_of(20, 10, 5), 0.2, 0, within)
    assert many.mean() == pytest.approx(0.2)
    whole = many.all(axis=1) | ~many.any(axis=1)
    assert whole.all() != within
    if within:  # a session of each
        assert (many.reshape(20, 5, 2).all(axis=2).sum(axis=1) == 1).all()
    few = inner_fold(table_of(2, 50), 0.2, 0, within)
    assert few.sum(axis=1).tolist() == [10, 10]
    assert np.abs(np.diff(few.astype(int), axis=1)).sum() <= 4  # in one run each

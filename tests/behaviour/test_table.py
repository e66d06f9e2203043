"""The table of choices: what counts, what is padding, and how parts of it are taken."""

import numpy as np
import pytest

from prefrontal.behaviour.table import behaviour, starts_of

CHOICE = [[0, 1, -1, 1], [1, 1, 0, 0]]
REWARD = [[1.0, 0.0, np.nan, np.nan], [0.0, 1.0, 1.0, 0.0]]


def test_a_missed_trial_keeps_its_place_and_an_unknown_reward_teaches_nothing():
    table = behaviour(CHOICE, REWARD)
    assert table.scored.tolist() == [[True, True, False, True], [True] * 4]
    assert table.learned.tolist() == [[True, True, False, False], [True] * 4]
    assert table.row[1].tolist() == [4, 5, 6, 7]
    assert (table.arms, table.trials_scored, len(table)) == (2, 7, 2)


def test_masks_change_what_is_scored_and_nothing_else():
    keep = np.arange(4) % 2 == 0
    table = behaviour(CHOICE, REWARD).masked(np.broadcast_to(keep, (2, 4)))
    assert table.scored.tolist() == [[True, False, False, False], [True, False, True, False]]
    assert table.learned.sum() == 6


def test_a_selection_has_no_padding_that_nobody_needs():
    table = behaviour(CHOICE, REWARD, row=np.array([[0, 1, -1, -1], [2, 3, 4, 5]]))
    short = table.select([0])
    assert short.choice.tolist() == [[0, 1]]
    assert short.subjects == ("0",)
    assert table.select(np.array([False, True])).trials == 4


def test_values_start_anew_where_the_user_says_so():
    session = np.array([[0, 0, 1, 1, -1]])
    block = np.array([[0, 1, 2, 2, -1]])
    assert starts_of(session, block, "never").tolist() == [[True, False, False, False, False]]
    assert starts_of(session, block, "session").tolist() == [[True, False, True, False, False]]
    assert starts_of(session, block, "block").tolist() == [[True, True, True, False, False]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"choice": [[0, 2, -1, 1]]}, r"choice.*2"),
        ({"scored": np.array([[True] * 4])}, "choice or reward is missing"),
        ({"row": np.zeros((1, 3), int)}, r"row must be \[S, T\] = \[1, 4\]"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        behaviour(**{"choice": [CHOICE[0]], "reward": [REWARD[0]], "arms": 2, **wrong})

"""The exact optimum of a few pulls of many arms."""

import pytest

from prefrontal.agents.reference.bandit_optima import bayes_optimal_value
from prefrontal.agents.reference.many_arms import few_pulls_value


def test_by_hand() -> None:
    assert few_pulls_value(3, 1) == 0.5
    # After a win the same arm pays 2/3; after a loss a new one pays 1/2: .5 + .5 * 2/3 + .5 * .5.
    assert few_pulls_value(2, 2) == pytest.approx(13 / 12)
    assert few_pulls_value(1, 9) == pytest.approx(4.5)


@pytest.mark.parametrize("pulls", [2, 5, 10])
def test_two_arms_as_by_the_other_solver(pulls: int) -> None:
    assert few_pulls_value(2, pulls) == pytest.approx(bayes_optimal_value(pulls), abs=1e-12)


def test_more_arms_are_worth_more_until_there_is_one_a_pull() -> None:
    values = [few_pulls_value(arms, 6) for arms in (2, 3, 5, 6, 9)]
    assert values[0] < values[1] < values[2] <= values[3] == values[4]


def test_too_many_pulls_are_refused() -> None:
    with pytest.raises(ValueError, match="pulls 1 to"):
        few_pulls_value(5, 100)

"""Dynamic programs against exact values: published, rational, or enumerated by another route."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from prefrontal.agents.reference.bandit_optima import (
    bayes_optimal_regret,
    bayes_optimal_table,
    bayes_optimal_value,
    correlated_optimal_regret,
    gittins_table,
    informative_arm_returns,
)
from prefrontal.agents.reference.opting_out import opt_out_optimal_reward

# GITTINS

INDICES = {  # rows: wins + 1, columns: losses + 1
    0.9: """
        .7029 .5001 .3796 .3021 .2488 .2103
        .8001 .6346 .5163 .4342 .3720 .3245
        .8452 .7072 .6010 .5184 .4561 .4058
        .8723 .7539 .6579 .5809 .5179 .4677
        .8905 .7869 .6996 .6276 .5676 .5168
        .9039 .8115 .7318 .6642 .6071 .5581""",
    0.99: """
        .8699 .7005 .5671 .4701 .3969 .3415
        .9102 .7844 .6726 .5806 .5093 .4509
        .9285 .8268 .7308 .6491 .5798 .5225
        .9395 .8533 .7697 .6952 .6312 .5756
        .9470 .8719 .7973 .7295 .6697 .6172
        .9525 .8857 .8184 .7561 .6998 .6504""",
}


@pytest.mark.parametrize("gamma", INDICES)
def test_gittins_tables_to_four_decimals(gamma):
    expected = np.array(INDICES[gamma].split(), float).reshape(6, 6)
    np.testing.assert_allclose(gittins_table(gamma, 20)[:6, :6], expected, rtol=0, atol=6e-5)


@pytest.mark.parametrize(
    ("gamma", "first", "second"),
    [
        (0.5, 0.5590, 0.5359),
        (0.7, 0.6046, 0.5650),
        (0.8, 0.6413, 0.5898),
        (0.9, 0.7029, 0.6346),
        (0.95, 0.7614, 0.6810),
        (0.99, 0.8699, 0.7844),
    ],
)
def test_gittins_first_indices(gamma, first, second):
    table = gittins_table(gamma, 20)
    assert table[0, 0] == pytest.approx(first, abs=6e-5)
    assert table[1, 1] == pytest.approx(second, abs=6e-5)


def test_gittins_published_row_of_nine_wins():
    indices = gittins_table(0.9, 20)[9, 1:6]
    np.testing.assert_allclose(indices, [0.8695, 0.8103, 0.7573, 0.7101, 0.6677], atol=6e-5)


def test_gittins_table_does_not_depend_on_its_size():
    small, large = gittins_table(0.9, 10), gittins_table(0.9, 60)
    inside = np.add.outer(np.arange(11), np.arange(11)) <= 10
    np.testing.assert_allclose(small[inside], large[:11, :11][inside], atol=1e-5)
    assert np.isnan(small[~inside]).all()


def test_gittins_exceeds_the_mean_and_tends_to_it():
    table = gittins_table(0.9, 60)
    wins, losses = np.nonzero(~np.isnan(table))
    excess = table[wins, losses] - (wins + 1) / (wins + losses + 2)
    assert (excess > 0).all()
    assert excess[wins + losses == 60].max() < 0.02


# TWO INDEPENDENT ARMS

VALUES = {
    1: 0.5,
    2: 1.083333,
    3: 1.666667,
    5: 2.888889,
    10: 6.021786,
    15: 9.211539,
    20: 12.431265,
    25: 15.669635,
    30: 18.919868,
    50: 31.996712,
    100: 64.918421,
    150: 97.974613,
    200: 131.094081,
}


@pytest.mark.parametrize(("trials", "value"), VALUES.items())
def test_bayes_optimal_value(trials, value):
    assert bayes_optimal_value(trials) == pytest.approx(value, abs=6e-7)
    assert bayes_optimal_regret(trials) == pytest.approx(2 * trials / 3 - value, abs=6e-7)


def test_bayes_optimal_regret_at_100_trials():
    assert bayes_optimal_regret(100) == pytest.approx(1.748246, abs=6e-7)


def test_following_the_table_earns_the_value():
    """Every posterior within 18 trials, by another recursion."""
    trials = 18
    table = bayes_optimal_table(trials)

    @cache
    def earn(w0, l0, w1, l1):
        if w0 + l0 + w1 + l1 == trials:
            return 0.0
        sign = int(table.prefer(np.array([[w0, w1]]), np.array([[l0, l1]]))[0])
        options = []
        if sign >= 0:
            p = (w0 + 1) / (w0 + l0 + 2)
            options.append(p * (1 + earn(w0 + 1, l0, w1, l1)) + (1 - p) * earn(w0, l0 + 1, w1, l1))
        if sign <= 0:
            p = (w1 + 1) / (w1 + l1 + 2)
            options.append(p * (1 + earn(w0, l0, w1 + 1, l1)) + (1 - p) * earn(w0, l0, w1, l1 + 1))
        assert max(options) - min(options) < 1e-12  # a tie is a tie
        return options[0]

    assert earn(0, 0, 0, 0) == pytest.approx(bayes_optimal_value(trials), abs=1e-12)


def test_table_treats_the_arms_alike():
    rng = np.random.default_rng(0)
    wins, losses = rng.integers(0, 8, (500, 2)), rng.integers(0, 8, (500, 2))
    table = bayes_optimal_table(30)
    sign = table.prefer(wins, losses)
    np.testing.assert_array_equal(sign, -table.prefer(wins[:, ::-1], losses[:, ::-1]))
    assert {-1, 0, 1} <= set(sign.tolist())


def test_table_prefers_the_less_known_of_two_equal_means():
    assert bayes_optimal_table(20).prefer(np.array([[1, 2]]), np.array([[1, 2]])) == 1


def test_no_choice_after_the_last_trial():
    with pytest.raises(ValueError, match="solved for 3 trials"):
        bayes_optimal_table(3).prefer(np.array([[2, 0]]), np.array([[0, 1]]))


# TWO ARMS THAT SUM TO ONE


@pytest.mark.parametrize(
    ("distribution", "regret", "decimals"),
    [("easy", 0.62500, 5), ("medium", 1.00000, 5), ("hard", 2.31208, 5), ("uniform", 1.2214, 4)],
)
def test_correlated_regret(distribution, regret, decimals):
    assert round(correlated_optimal_regret(distribution), decimals) == regret


@pytest.mark.parametrize(("distribution", "pulls"), [("easy", 0.781), ("hard", 11.560)])
def test_correlated_suboptimal_pulls(distribution, pulls):
    gap = {"easy": 0.8, "hard": 0.2}[distribution]
    assert correlated_optimal_regret(distribution) / gap == pytest.approx(pulls, abs=6e-4)


@pytest.mark.parametrize("trials", [1, 2, 7, 100])
def test_uniform_correlated_regret_in_rational_numbers(trials):
    """By the posterior means after x of t trials favoured arm 0: all x are equally likely."""
    exact = sum(
        Fraction(3, 4)
        - sum(Fraction(max(x, t - x) + 1, t + 2) for x in range(t + 1)) / Fraction(t + 1)
        for t in range(trials)
    )
    assert correlated_optimal_regret("uniform", trials) == pytest.approx(float(exact), abs=1e-12)


def test_correlated_regret_at_the_ends():
    assert correlated_optimal_regret(0.5) == 0.0
    assert correlated_optimal_regret(1.0) == pytest.approx(0.5)  # only the first pull is a guess
    assert correlated_optimal_regret(0.9, trials=1) == pytest.approx(0.4)


# OTHERS


def test_informative_arm():
    returns = informative_arm_returns(5)
    assert returns == pytest.approx(
        {"optimal": 20.55, "search": 11.0, "stay": 7.0, "random": 6.6136}, abs=5e-5
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gittins_table(1.0, 9), "between 0 and 1"),
        (lambda: gittins_table(0.9, -1), "trials must be at least 0"),
        (lambda: bayes_optimal_value(0), "trials must be at least 1"),
        (lambda: bayes_optimal_table(1000), "at most 250"),
        (lambda: correlated_optimal_regret("mild"), "uniform, easy, medium, hard"),
        (lambda: correlated_optimal_regret(0.3), r"\[.5, 1\]"),
        (lambda: informative_arm_returns(1), "at least 2"),
    ],
)
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_opting_out_pays_before_the_end_only():
    """Two trials: .6 twice is more than .5 and 2/3. Three: .5, then 2/3, then .75 or .6.

    After one win, q = 2/3: 2/3 + 2/3 * .75 + 1/3 * .6 = 1.3667, and .5 before it, against 1.8.
    """
    assert opt_out_optimal_reward(0.6, 2) == pytest.approx(1.2)
    assert opt_out_optimal_reward(0.6, 3) == pytest.approx(0.5 + 2 / 3 + 0.5 + 0.2)
    never = 75 - correlated_optimal_regret("uniform")
    assert opt_out_optimal_reward(0.0) == pytest.approx(never)
    with pytest.raises(ValueError, match="safe"):
        opt_out_optimal_reward(1.2)

"""Counting policies against published regrets, exact regrets, and their own definitions."""

from functools import lru_cache

import numpy as np
import pytest

from prefrontal.agents.reference.counting import (
    UCB,
    BayesOptimal,
    BayesUCB,
    EpsilonGreedy,
    Gittins,
    Greedy,
    Random,
    Thompson,
    argmax_random,
)
from prefrontal.agents.reference.memory import WinStayLoseShift
from prefrontal.agents.reference.play import simulate

# REGRET OF 100 TRIALS

EPISODES = 4000
DISTRIBUTIONS = ("independent", "uniform", "easy", "medium", "hard")


def draw(distribution, n, rng):
    """Arm probabilities [n, 2]."""
    if distribution == "independent":
        return rng.random((n, 2))
    better = {"easy": 0.9, "medium": 0.75, "hard": 0.6}.get(distribution)
    p = rng.random(n) if better is None else rng.choice([better, 1 - better], n)
    return np.stack([p, 1 - p], axis=1)


@lru_cache
def regrets(policy, seed=0):
    """Regret and sub-optimal pulls of EPISODES episodes of each distribution, [5, EPISODES]."""
    rng = np.random.default_rng(seed)
    p = np.concatenate([draw(d, EPISODES, rng) for d in DISTRIBUTIONS])
    regret = simulate(policy, p, 100, rng)["regret"]
    return regret.sum(axis=1).reshape(5, -1), (regret > 0).sum(axis=1).reshape(5, -1)


TABLE = [  # policy, regret on each of DISTRIBUTIONS (None: not tabulated)
    (Random(), (16.60, 25.01, 39.99, 24.98, 10.00)),
    (Greedy(), (2.68, 2.11, 0.64, 1.85, 4.73)),
    (WinStayLoseShift(), (7.68, 8.50, 8.30, 12.63, 8.03)),
    (EpsilonGreedy(0.1), (3.43, 3.98, 4.57, 3.74, 4.19)),
    (Thompson(), (2.79, 2.79, 2.13, 3.01, 4.10)),
    (Thompson(optimistic=True), (2.42, 2.41, 1.71, 2.54, 3.68)),
    (UCB(2**0.5), (5.59, 6.00, 6.29, 7.02, 6.00)),
    (UCB(1.0), (4.12, 4.19, 3.90, 4.67, 4.88)),
    (UCB(0.5**0.5), (2.97, None, None, 2.99, None)),
    (UCB(0.2**0.5), (2.11, 1.96, 1.14, 1.98, 3.30)),
    (Gittins(0.9), (1.99, 1.61, 0.65, 1.29, 3.52)),
    (Gittins(0.95), (1.85, 1.55, 0.68, 1.27, 3.20)),
    (Gittins(0.99), (1.78, 1.58, 0.80, 1.40, 2.96)),
    (BayesOptimal(), (1.748, 1.55, 0.80, 1.353, 2.95)),
]


@pytest.mark.parametrize(("policy", "expected"), TABLE, ids=lambda x: getattr(x, "name", ""))
def test_regret_table(policy, expected):
    """Within 3 standard errors of the difference; the table's own is .02."""
    regret, _ = regrets(policy)
    for distribution, row, value in zip(DISTRIBUTIONS, regret, expected, strict=True):
        if value is not None:
            error = np.hypot(row.std() / EPISODES**0.5, 0.02)
            assert abs(row.mean() - value) < 3 * error, (distribution, row.mean(), value, error)


@pytest.mark.parametrize(
    ("policy", "pulls"),
    [
        (Random(), {"independent": 50}),
        (Greedy(), {"independent": 17.6}),
        (Thompson(), {"independent": 16.6}),
        (BayesOptimal(), {"independent": 13.3}),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_suboptimal_pulls(policy, pulls):
    _, measured = regrets(policy)
    for distribution, value in pulls.items():
        row = measured[DISTRIBUTIONS.index(distribution)]
        assert abs(row.mean() - value) < 3 * np.hypot(row.std() / EPISODES**0.5, 0.05)


@pytest.mark.parametrize(
    ("trials", "arms", "expected"),
    [
        (10, 5, {"thompson": 5.83, "greedy": 6.64, "ucb": 6.66, "gittins": 6.66}),
        (100, 5, {"thompson": 75.2, "greedy": 75.8, "ucb": 78.6, "gittins": 78.6}),
        (100, 10, {"thompson": 76.9, "greedy": 79.4, "ucb": 83.3, "gittins": 83.8}),
    ],
)
def test_many_arms(trials, arms, expected):
    """Mean total reward; the table's standard error is taken to be that of 20,000 episodes."""
    width = 0.05 if trials == 10 else 0.2
    policies = {
        "thompson": Thompson(),
        "greedy": Greedy(),
        "ucb": UCB(width * 2**0.5, prior=True),
        "gittins": Gittins(0.5 if trials == 10 else 0.99),
    }
    spread = {(10, 5): 1.9, (100, 5): 15.8, (100, 10): 11.0}[trials, arms]
    n = 20_000 if trials == 10 else 5_000
    rng = np.random.default_rng(3)
    p = rng.random((n, arms))
    for name, value in expected.items():
        regret = simulate(policies[name], p, trials, rng)["regret"].sum(axis=1)
        reward = trials * arms / (arms + 1) - regret  # the best arm's mean is known: less noise
        error = np.hypot(regret.std() / n**0.5, spread / 20_000**0.5)
        assert abs(reward.mean() - value) < 3 * error, (name, reward.mean(), value, error)


# DEFINITIONS


def counted(wins, losses, trials=100):
    wins, losses = np.array([wins]), np.array([losses])
    return {"wins": wins, "losses": losses, "arms": wins.shape[1], "trials": trials}


RNG = np.random.default_rng(4)


def test_ucb_bonus_counts_pulls_so_far():
    index = UCB(0.7).index(counted([3, 1], [1, 2]), RNG)[0]
    n = np.array([4, 3])
    np.testing.assert_allclose(index, np.array([3, 1]) / n + 0.7 * np.sqrt(np.log(7) / n))


def test_ucb_with_prior_starts_from_beta_one_one():
    index = UCB(0.7, prior=True).index(counted([3, 0], [1, 0]), RNG)[0]
    n = np.array([6, 2])
    np.testing.assert_allclose(index, np.array([4, 1]) / n + 0.7 * np.sqrt(np.log(4) / n))


def test_ucb_tries_every_arm_first():
    action = simulate(UCB(0.1), np.full((50, 6), 0.5), 6, RNG)["action"]
    assert (np.sort(action, axis=1) == np.arange(6)).all()


def test_bayes_ucb_is_the_upper_quantile():
    from scipy.stats import beta

    index = BayesUCB(0.95).index(counted([3, 0], [1, 2], trials=10), RNG)[0]
    np.testing.assert_allclose(index, beta.ppf(0.95, [4, 1], [2, 3]))


@pytest.mark.parametrize("arms", [2, 5])
def test_ties_are_broken_evenly(arms):
    values = np.zeros((20_000, arms))
    values[:, 0] = -1.0 if arms > 2 else 0.0
    counts = np.bincount(argmax_random(values, RNG), minlength=arms) / 20_000
    best = values[0] == values[0].max()
    np.testing.assert_allclose(counts, best / best.sum(), atol=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BayesOptimal().begin(1, 3, 5), "2 arms, not 3"),
        (
            lambda: Greedy().update(Greedy().begin(1, 2, 5), np.array([0]), np.array([0.5])),
            "rewards must be 0 or 1, not 0.5",
        ),
        (lambda: Gittins(0.5).index(counted([3, 0], [3, 0], trials=5), RNG), "begun with 5"),
    ],
)
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()

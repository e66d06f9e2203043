"""Delta rules, Bayes filters and rules of thumb against values by hand and against simulation."""

import numpy as np
import pytest

from prefrontal.agents.reference.counting import Thompson
from prefrontal.agents.reference.memory import (
    RescorlaWagner,
    RestlessBayes,
    WinStayLoseShift,
)
from prefrontal.agents.reference.play import best_fixed_alpha, simulate

RNG = np.random.default_rng(4)


def test_win_stay_lose_shift_rule():
    played = simulate(WinStayLoseShift(), np.full((300, 4), 0.5), 20, RNG)
    stayed = played["action"][:, 1:] == played["action"][:, :-1]
    np.testing.assert_array_equal(stayed, played["reward"][:, :-1] == 1)
    assert len(np.unique(played["action"])) == 4


def test_updates_leave_the_old_state_alone():
    policies = [Thompson(), WinStayLoseShift(), RescorlaWagner(), RestlessBayes()]
    for policy in policies:
        state = policy.begin(3, 2, 10)
        before = {k: np.copy(v) for k, v in state.items()}
        later = policy.update(state, np.array([0, 1, 0]), np.array([1.0, 0.0, 0.0]))
        for key in state:
            np.testing.assert_array_equal(state[key], before[key])
        assert any(not np.array_equal(later[key], before[key]) for key in state)


# RESCORLA-WAGNER AND RESTLESS ARMS


def walks(n, trials, sd, rng):
    """Restless arms p, 1 - p [n, T, 2]: p starts uniform, then steps N(0, sd), reflected."""
    p = np.empty((n, trials))
    p[:, 0] = rng.random(n)
    for t in range(1, trials):
        step = np.abs(p[:, t - 1] + rng.normal(0, sd, n)) % 2
        p[:, t] = np.where(step > 1, 2 - step, step)
    return np.stack([p, 1 - p], axis=2)


def test_rescorla_wagner_by_hand():
    policy = RescorlaWagner(alpha=0.25)
    state = policy.update(policy.begin(1, 2, 9), np.array([1]), np.array([1.0]))
    state = policy.update(state, np.array([1]), np.array([0.0]))
    np.testing.assert_allclose(state["q"], [[0.5, 0.46875]])
    coupled = RescorlaWagner(alpha=0.25, coupled=True)
    state = coupled.update(coupled.begin(1, 2, 9), np.array([1]), np.array([1.0]))
    np.testing.assert_allclose(state["q"], [[0.375, 0.625]])


def test_softmax_probabilities():
    state = {"q": np.tile([0.2, 0.5, 0.9], (40_000, 1)), "arms": 3, "trials": 1}
    action = RescorlaWagner(beta=2.0).act(state, RNG)
    weight = np.exp(2.0 * np.array([0.2, 0.5, 0.9]))
    np.testing.assert_allclose(np.bincount(action) / 40_000, weight / weight.sum(), atol=0.01)


def test_filter_without_drift_is_the_beta_posterior():
    policy = RestlessBayes(sds=(1e-9,), bins=400)
    state = policy.begin(1, 2, 9)
    for action, reward in ((0, 1), (0, 1), (1, 0), (1, 1), (0, 0)):  # 3 for arm 0, 2 against
        state = policy.update(state, np.array([action]), np.array([float(reward)]))
    p = (np.arange(400) + 0.5) / 400
    density = p**3 * (1 - p) ** 2
    np.testing.assert_allclose(state["belief"][0, 0], density / density.sum(), atol=1e-12)


@pytest.mark.parametrize("sd", [0.1, 0.7])
def test_filter_drifts_like_a_reflected_walk(sd):
    policy = RestlessBayes(sds=(sd,), bins=50)
    state = policy.update(policy.begin(1, 2, 9), np.array([0]), np.array([1.0]))
    p = RNG.random(200_000)
    p = p[RNG.random(p.size) < p]  # the posterior after a win, by rejection
    u = np.abs(p + RNG.normal(0, sd, p.size)) % 2
    p = np.where(u > 1, 2 - u, u)
    seen = np.histogram(p, bins=50, range=(0, 1))[0] / p.size
    belief = state["belief"][0, 0]
    assert belief.sum() == pytest.approx(1)
    np.testing.assert_allclose(belief, seen, atol=6 * (0.02 / p.size) ** 0.5)


def test_order_of_agents_on_restless_arms():
    """The filter that knows the walk beats Thompson's, the best fixed delta rule, and no memory."""
    rng = np.random.default_rng(5)
    p = walks(800, 100, 0.1, rng)
    noise = rng.random((800, 100))

    def regret(policy):
        played = simulate(policy, p, 100, np.random.default_rng(6), noise)
        return played["regret"].sum(axis=1).mean()

    delta_rule, table = best_fixed_alpha(
        p[:300], rng, alphas=(0.1, 0.3, 0.5, 0.7), betas=(5.0, np.inf), coupled=True
    )
    optimal = regret(RestlessBayes((0.1,), bins=40))
    assert table.shape == (4, 2)
    assert table.min() < table.mean()
    assert optimal < regret(RestlessBayes((0.02, 0.1, 0.3), bins=40)) + 0.05
    assert optimal < regret(RestlessBayes((0.01,), bins=40)) - 0.5
    assert optimal < regret(delta_rule) - 0.1
    sampling = regret(RestlessBayes((0.1,), sample=True, bins=40))
    assert regret(delta_rule) < sampling < regret(Thompson()) - 1


def test_volatility_is_inferred():
    policy = RestlessBayes(sds=(0.01, 0.3), bins=40)
    rng = np.random.default_rng(7)
    believed = []
    for sd in (0.01, 0.3):
        p, state = walks(200, 100, sd, rng)[:, :, 0], policy.begin(200, 2, 100)
        for t in range(100):
            won = (rng.random(200) < p[:, t]).astype(float)
            state = policy.update(state, np.zeros(200, int), won)
        believed.append(state["belief"].sum(axis=2)[:, 1].mean())
    assert believed[0] < 0.35
    assert believed[1] > 0.65


# ERRORS


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RestlessBayes().begin(1, 3, 5), "2 arms, not 3"),
        (
            lambda: RestlessBayes(sds=(0.0,)).act({"belief": np.ones((1, 1, 9))}, RNG),
            "positive sds",
        ),
    ],
)
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()

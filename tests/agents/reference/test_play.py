"""Reference policies played on given arms, and in place of a trained agent."""

import gymnasium
import numpy as np
import pytest

from prefrontal.agents.reference.counting import BayesOptimal, Greedy, Thompson
from prefrontal.agents.reference.memory import (
    RescorlaWagner,
    RestlessBayes,
    WinStayLoseShift,
)
from prefrontal.agents.reference.play import ReferenceAgent, simulate

RNG = np.random.default_rng(4)


def test_common_random_numbers():
    p, noise = RNG.random((40, 2)), RNG.random((40, 30))
    first, second = (simulate(Thompson(), p, 30, np.random.default_rng(9), noise) for _ in range(2))
    for key in ("action", "reward", "regret"):
        np.testing.assert_array_equal(first[key], second[key])
    chosen = np.take_along_axis(p, first["action"], axis=1)
    np.testing.assert_array_equal(first["reward"], noise < chosen)
    np.testing.assert_allclose(first["regret"], p.max(axis=1, keepdims=True) - chosen)


# REFERENCE POLICIES AS AGENTS

SLICES = {
    "observation": slice(0, 1),
    "action": slice(1, 3),
    "reward": slice(3, 4),
    "centred_reward": slice(4, 5),
}


def observe(action, reward):
    """Float32 observations as the environments make them; None: first step."""
    if action is None:
        return np.concatenate([np.ones((len(reward), 1)), np.zeros((len(reward), 6))], axis=1)
    columns = [np.ones_like(reward), *np.eye(2)[action].T, reward, 2 * reward - 1]
    return np.stack([*columns, *np.eye(2)[reward.astype(int)].T], axis=1).astype(np.float32)


@pytest.mark.parametrize("reward_input", ["reward", "centred_reward"])
@pytest.mark.parametrize(
    "policy",
    [
        Thompson(),
        BayesOptimal(),
        WinStayLoseShift(),
        RescorlaWagner(),
        RestlessBayes(),
    ],
    ids=lambda x: x.name,
)
def test_agent_plays_as_its_policy(policy, reward_input):
    """Two episodes one after another, in lock-step, equal `simulate` number for number."""
    n, trials = 30, 12
    p, noise = RNG.random((2, n, 2)), RNG.random((2, n, trials))
    agent = ReferenceAgent(policy, SLICES, 2, trials, 5, reward_input=reward_input)
    rng, state, action, reward = np.random.default_rng(5), None, None, np.zeros(n)
    for episode in range(2):
        played = simulate(policy, p[episode], trials, rng, noise[episode])
        for t in range(trials):
            # The previous action is still shown at the start of the second episode.
            obs, start = observe(action, reward), np.full(n, t == 0)
            action, state = agent.predict(obs, state, start)
            np.testing.assert_array_equal(action, played["action"][:, t])
            reward = played["reward"][:, t]


@pytest.mark.parametrize("by_flag", [True, False])
def test_agent_resets_single_rows(by_flag):
    agent = ReferenceAgent(Greedy(), SLICES, 2, 10)
    _, state = agent.predict(observe(None, np.zeros(3)))
    for _ in range(4):
        _, state = agent.predict(observe([0, 0, 1], np.array([1.0, 0.0, 1.0])), state)
    obs = observe([0, 0, 1], np.array([1.0, 0.0, 1.0]))
    if not by_flag:
        obs[1, 1:] = 0.0
    _, state = agent.predict(obs, state, np.array([False, True, False]) if by_flag else None)
    np.testing.assert_array_equal(state["wins"], [[5, 0], [0, 0], [0, 5]])
    np.testing.assert_array_equal(state["losses"], [[0, 0], [0, 0], [0, 0]])


def test_agent_takes_one_observation():
    agent = ReferenceAgent(Greedy(), SLICES, 2, 10)
    action, state = agent.predict(observe(None, np.zeros(1))[0], None, np.ones(1, bool))
    assert np.ndim(action) == 0
    action, state = agent.predict(observe([1], np.ones(1))[0], state, np.zeros(1, bool))
    assert action == 1
    np.testing.assert_array_equal(state["wins"], [[0, 1]])


class SecondArm(gymnasium.Env):
    """Two arms, of which the second always pays; observation: go cue, action one-hot, reward."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (4,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.eye(4, dtype=np.float32)[0], {}

    def step(self, action):
        self.t += 1
        obs = np.array([1, action == 0, action == 1, action], dtype=np.float32)
        return obs, float(action), self.t == 5, False, {}


def test_agent_in_stable_baselines3_evaluate_policy():
    """The first pull is random; win-stay lose-shift is right from the second on."""
    from stable_baselines3.common.evaluation import evaluate_policy

    slices = {"action": slice(1, 3), "reward": slice(3, 4)}
    agent = ReferenceAgent(WinStayLoseShift(), slices, 2, 5)
    returns, _ = evaluate_policy(
        agent, SecondArm(), n_eval_episodes=40, warn=False, return_episode_rewards=True
    )
    assert set(returns) == {4.0, 5.0}


# ERRORS


def agent(**settings):
    arguments = dict(policy=Greedy(), input_slices=SLICES, num_arms=2, trials=5)
    return ReferenceAgent(**{**arguments, **settings})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate(Greedy(), np.zeros((3, 4, 2)), 5, RNG), r"\[n, 5, k\]"),
        (lambda: simulate(Greedy(), np.zeros((3, 2)), 5, RNG, np.zeros(3)), r"\[3, 5\]"),
        (lambda: agent(reward_input="time"), "not 'time'"),
        (lambda: agent(input_slices={"reward": slice(0, 1)}), "needs the input 'action'"),
        (lambda: agent(num_arms=3), "width 3, not 2"),
        (lambda: agent().predict(np.ones((2, 7)), episode_start=np.ones(3)), r"must be \[2\]"),
        (
            lambda: agent().predict(np.ones((2, 7)), Greedy().begin(3, 2, 5)),
            "state has 3 rows, but there are 2",
        ),
    ],
)
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Reference policies against published tables, exact regrets, and their own definitions."""

from functools import lru_cache
from itertools import product

import gymnasium
import numpy as np
import pytest

from prefrontal.agents.reference import play as ref

# REGRET OF 100 TRIALS

EPISODES = 10_000
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
    regret = ref.simulate(policy, p, 100, rng)["regret"]
    return regret.sum(axis=1).reshape(5, -1), (regret > 0).sum(axis=1).reshape(5, -1)


TABLE = [  # policy, regret on each of DISTRIBUTIONS (None: not tabulated)
    (ref.Random(), (16.60, 25.01, 39.99, 24.98, 10.00)),
    (ref.Greedy(), (2.68, 2.11, 0.64, 1.85, 4.73)),
    (ref.WinStayLoseShift(), (7.68, 8.50, 8.30, 12.63, 8.03)),
    (ref.EpsilonGreedy(0.1), (3.43, 3.98, 4.57, 3.74, 4.19)),
    (ref.Thompson(), (2.79, 2.79, 2.13, 3.01, 4.10)),
    (ref.Thompson(optimistic=True), (2.42, 2.41, 1.71, 2.54, 3.68)),
    (ref.UCB(2**0.5), (5.59, 6.00, 6.29, 7.02, 6.00)),
    (ref.UCB(1.0), (4.12, 4.19, 3.90, 4.67, 4.88)),
    (ref.UCB(0.5**0.5), (2.97, None, None, 2.99, None)),
    (ref.UCB(0.2**0.5), (2.11, 1.96, 1.14, 1.98, 3.30)),
    (ref.Gittins(0.9), (1.99, 1.61, 0.65, 1.29, 3.52)),
    (ref.Gittins(0.95), (1.85, 1.55, 0.68, 1.27, 3.20)),
    (ref.Gittins(0.99), (1.78, 1.58, 0.80, 1.40, 2.96)),
    (ref.BayesOptimal(), (1.748, 1.55, 0.80, 1.353, 2.95)),
    (ref.CorrelatedOptimal(), (2.82, 1.2215, 0.625, 1.0, 2.31208)),
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
        (ref.Random(), {"independent": 50}),
        (ref.Greedy(), {"independent": 17.6}),
        (ref.Thompson(), {"independent": 16.6}),
        (ref.BayesOptimal(), {"independent": 13.3}),
        (ref.CorrelatedOptimal(), dict(uniform=7.5, easy=0.781, medium=2.0, hard=11.56)),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_suboptimal_pulls(policy, pulls):
    _, measured = regrets(policy)
    for distribution, value in pulls.items():
        row = measured[DISTRIBUTIONS.index(distribution)]
        assert abs(row.mean() - value) < 3 * np.hypot(row.std() / EPISODES**0.5, 0.05)


def test_bayes_ucb_regrets_of_the_neuromatch_course():
    """Means of 300 runs there, printed to one decimal."""
    rng = np.random.default_rng(2)
    course = {(0.4, 0.6): 3.1, (0.05, 0.95): 1.0, (0.51, 0.49): 0.9, (0.25, 0.75): 1.5}
    for arms, value in course.items():
        played = ref.simulate(ref.BayesUCB(ties_left=True), np.tile(arms, (3000, 1)), 100, rng)
        regret = played["regret"].sum(axis=1)
        assert abs(regret.mean() - value) < 3 * regret.std() / 300**0.5 + 0.05


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
        "thompson": ref.Thompson(),
        "greedy": ref.Greedy(),
        "ucb": ref.UCB(width * 2**0.5, prior=True),
        "gittins": ref.Gittins(0.5 if trials == 10 else 0.99),
    }
    spread = {(10, 5): 1.9, (100, 5): 15.8, (100, 10): 11.0}[trials, arms]
    n = 20_000 if trials == 10 else 5_000
    rng = np.random.default_rng(3)
    p = rng.random((n, arms))
    for name, value in expected.items():
        regret = ref.simulate(policies[name], p, trials, rng)["regret"].sum(axis=1)
        reward = trials * arms / (arms + 1) - regret  # the best arm's mean is known: less noise
        error = np.hypot(regret.std() / n**0.5, spread / 20_000**0.5)
        assert abs(reward.mean() - value) < 3 * error, (name, reward.mean(), value, error)


# DEFINITIONS


def counted(wins, losses, trials=100):
    wins, losses = np.array([wins]), np.array([losses])
    return {"wins": wins, "losses": losses, "arms": wins.shape[1], "trials": trials}


RNG = np.random.default_rng(4)


def test_ucb_bonus_counts_pulls_so_far():
    index = ref.UCB(0.7).index(counted([3, 1], [1, 2]), RNG)[0]
    n = np.array([4, 3])
    np.testing.assert_allclose(index, np.array([3, 1]) / n + 0.7 * np.sqrt(np.log(7) / n))


def test_ucb_with_prior_starts_from_beta_one_one():
    index = ref.UCB(0.7, prior=True).index(counted([3, 0], [1, 0]), RNG)[0]
    n = np.array([6, 2])
    np.testing.assert_allclose(index, np.array([4, 1]) / n + 0.7 * np.sqrt(np.log(4) / n))


def test_ucb_tries_every_arm_first():
    action = ref.simulate(ref.UCB(0.1), np.full((50, 6), 0.5), 6, RNG)["action"]
    assert (np.sort(action, axis=1) == np.arange(6)).all()


def test_bayes_ucb_is_the_upper_quantile():
    from scipy.stats import beta

    index = ref.BayesUCB(0.95).index(counted([3, 0], [1, 2], trials=10), RNG)[0]
    np.testing.assert_allclose(index, beta.ppf(0.95, [4, 1], [2, 3]))


@pytest.mark.parametrize("arms", [2, 5])
def test_ties_are_broken_evenly(arms):
    values = np.zeros((20_000, arms))
    values[:, 0] = -1.0 if arms > 2 else 0.0
    counts = np.bincount(ref.argmax_random(values, RNG), minlength=arms) / 20_000
    best = values[0] == values[0].max()
    np.testing.assert_allclose(counts, best / best.sum(), atol=0.02)


def test_win_stay_lose_shift_rule():
    played = ref.simulate(ref.WinStayLoseShift(), np.full((300, 4), 0.5), 20, RNG)
    stayed = played["action"][:, 1:] == played["action"][:, :-1]
    np.testing.assert_array_equal(stayed, played["reward"][:, :-1] == 1)
    assert len(np.unique(played["action"])) == 4


def test_correlated_optimal_earns_the_exact_regret():
    """Every history of 6 trials, enumerated, on arms .7 and .3 either way round."""
    policy, trials = ref.CorrelatedOptimal(), 6

    def expected(p, state, left):
        if not left:
            return 0.0
        index = policy.index(state, RNG)[0]
        arms = np.flatnonzero(index == index.max())
        total = 0.0
        for arm, won in product(arms, (0.0, 1.0)):
            later = policy.update(state, np.array([arm]), np.array([won]))
            chance = p[arm] if won else 1 - p[arm]
            total += chance * (max(p) - p[arm] + expected(p, later, left - 1)) / len(arms)
        return total

    for p in ((0.7, 0.3), (0.3, 0.7)):
        regret = expected(p, policy.begin(1, 2, trials), trials)
        assert regret == pytest.approx(ref.correlated_optimal_regret(0.7, trials), abs=1e-12)


def test_updates_leave_the_old_state_alone():
    policies = [ref.Thompson(), ref.WinStayLoseShift(), ref.RescorlaWagner(), ref.RestlessBayes()]
    for policy in policies:
        state = policy.begin(3, 2, 10)
        before = {k: np.copy(v) for k, v in state.items()}
        later = policy.update(state, np.array([0, 1, 0]), np.array([1.0, 0.0, 0.0]))
        for key in state:
            np.testing.assert_array_equal(state[key], before[key])
        assert any(not np.array_equal(later[key], before[key]) for key in state)


def test_common_random_numbers():
    p, noise = RNG.random((40, 2)), RNG.random((40, 30))
    first, second = (
        ref.simulate(ref.Thompson(), p, 30, np.random.default_rng(9), noise) for _ in range(2)
    )
    for key in ("action", "reward", "regret"):
        np.testing.assert_array_equal(first[key], second[key])
    chosen = np.take_along_axis(p, first["action"], axis=1)
    np.testing.assert_array_equal(first["reward"], noise < chosen)
    np.testing.assert_allclose(first["regret"], p.max(axis=1, keepdims=True) - chosen)


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
    policy = ref.RescorlaWagner(alpha=0.25)
    state = policy.update(policy.begin(1, 2, 9), np.array([1]), np.array([1.0]))
    state = policy.update(state, np.array([1]), np.array([0.0]))
    np.testing.assert_allclose(state["q"], [[0.5, 0.46875]])
    coupled = ref.RescorlaWagner(alpha=0.25, coupled=True)
    state = coupled.update(coupled.begin(1, 2, 9), np.array([1]), np.array([1.0]))
    np.testing.assert_allclose(state["q"], [[0.375, 0.625]])


def test_softmax_probabilities():
    state = {"q": np.tile([0.2, 0.5, 0.9], (40_000, 1)), "arms": 3, "trials": 1}
    action = ref.RescorlaWagner(beta=2.0).act(state, RNG)
    weight = np.exp(2.0 * np.array([0.2, 0.5, 0.9]))
    np.testing.assert_allclose(np.bincount(action) / 40_000, weight / weight.sum(), atol=0.01)


def test_filter_without_drift_is_the_beta_posterior():
    policy = ref.RestlessBayes(sds=(1e-9,), bins=400)
    state = policy.begin(1, 2, 9)
    for action, reward in ((0, 1), (0, 1), (1, 0), (1, 1), (0, 0)):  # 3 for arm 0, 2 against
        state = policy.update(state, np.array([action]), np.array([float(reward)]))
    p = (np.arange(400) + 0.5) / 400
    density = p**3 * (1 - p) ** 2
    np.testing.assert_allclose(state["belief"][0, 0], density / density.sum(), atol=1e-12)


@pytest.mark.parametrize(("sd", "low", "high"), [(0.1, 0.0, 1.0), (0.4, 0.2, 0.7)])
def test_filter_drifts_like_a_reflected_walk(sd, low, high):
    policy = ref.RestlessBayes(sds=(sd,), low=low, high=high, bins=50)
    state = policy.update(policy.begin(1, 2, 9), np.array([0]), np.array([1.0]))
    width, n = high - low, 200_000
    p = low + width * RNG.random(n)
    p = p[RNG.random(n) < p]  # the posterior after a win, by rejection
    u = np.abs(p - low + RNG.normal(0, sd, p.size)) % (2 * width)
    p = low + np.where(u > width, 2 * width - u, u)
    seen = np.histogram(p, bins=50, range=(low, high))[0] / p.size
    belief = state["belief"][0, 0]
    assert belief.sum() == pytest.approx(1)
    np.testing.assert_allclose(belief, seen, atol=6 * (0.02 / p.size) ** 0.5)


def test_order_of_agents_on_restless_arms():
    """The filter that knows the walk beats Thompson's, the best fixed delta rule, and no memory."""
    rng = np.random.default_rng(5)
    p = walks(1500, 100, 0.1, rng)
    noise = rng.random((1500, 100))

    def regret(policy):
        played = ref.simulate(policy, p, 100, np.random.default_rng(6), noise)
        return played["regret"].sum(axis=1).mean()

    delta_rule, table = ref.best_fixed_alpha(
        p[:500], rng, alphas=(0.1, 0.3, 0.5, 0.7), betas=(5.0, np.inf), coupled=True
    )
    optimal = regret(ref.RestlessBayes((0.1,)))
    assert table.shape == (4, 2)
    assert table.min() < table.mean()
    assert optimal < regret(ref.RestlessBayes((0.02, 0.1, 0.3))) + 0.05
    assert optimal < regret(ref.RestlessBayes((0.01,))) - 0.5
    assert optimal < regret(delta_rule) - 0.1
    assert regret(delta_rule) < regret(ref.RestlessBayes((0.1,), sample=True))
    assert regret(ref.RestlessBayes((0.1,), sample=True)) < regret(ref.Thompson()) - 1


def test_volatility_is_inferred():
    policy = ref.RestlessBayes(sds=(0.01, 0.3), bins=60)
    rng = np.random.default_rng(7)
    believed = []
    for sd in (0.01, 0.3):
        p, state = walks(400, 100, sd, rng)[:, :, 0], policy.begin(400, 2, 100)
        for t in range(100):
            won = (rng.random(400) < p[:, t]).astype(float)
            state = policy.update(state, np.zeros(400, int), won)
        believed.append(state["belief"].sum(axis=2)[:, 1].mean())
    assert believed[0] < 0.35
    assert believed[1] > 0.65


# THE ELEVEN-ARMED TASK


def informative_arms():
    """All ten tasks: what each arm pays [10, 11]."""
    pays = np.ones((10, 11))
    pays[np.arange(10), np.arange(10)] = 5.0
    pays[:, 10] = 0.1 * np.arange(1, 11)
    return pays


@pytest.mark.parametrize(
    ("policy", "value", "atol"),
    [
        (ref.InformativeArm(), 20.55, 1e-9),
        (ref.Search(), 11.0, 0.12),
        (ref.Search(enough=-np.inf), 7.0, 0.1),
    ],
)
def test_informative_arm_returns(policy, value, atol):
    pays = np.tile(informative_arms(), (3000, 1))
    reward = ref.simulate(policy, pays, 5, np.random.default_rng(8), sure=True)["reward"]
    assert reward.sum(axis=1).mean() == pytest.approx(value, abs=atol)


# REFERENCE POLICIES AS AGENTS

SLICES = {
    "observation": slice(0, 1),
    "action": slice(1, 3),
    "reward": slice(3, 4),
    "centred_reward": slice(4, 5),
    "reward_one_hot": slice(5, 7),
}


def observe(action, reward):
    """Float32 observations as the environments make them; None: first step."""
    if action is None:
        return np.concatenate([np.ones((len(reward), 1)), np.zeros((len(reward), 6))], axis=1)
    columns = [np.ones_like(reward), *np.eye(2)[action].T, reward, 2 * reward - 1]
    return np.stack([*columns, *np.eye(2)[reward.astype(int)].T], axis=1).astype(np.float32)


@pytest.mark.parametrize("reward_input", ["reward", "centred_reward", "reward_one_hot"])
@pytest.mark.parametrize(
    "policy",
    [
        ref.Thompson(),
        ref.BayesOptimal(),
        ref.WinStayLoseShift(),
        ref.RescorlaWagner(),
        ref.RestlessBayes(),
    ],
    ids=lambda x: x.name,
)
def test_agent_plays_as_its_policy(policy, reward_input):
    """Two episodes one after another, in lock-step, equal `simulate` number for number."""
    n, trials = 30, 12
    p, noise = RNG.random((2, n, 2)), RNG.random((2, n, trials))
    agent = ref.ReferenceAgent(
        policy, SLICES, 2, trials, 5, reward_input=reward_input, reward_values=(0.0, 1.0)
    )
    rng, state, action, reward = np.random.default_rng(5), None, None, np.zeros(n)
    for episode in range(2):
        played = ref.simulate(policy, p[episode], trials, rng, noise[episode])
        for t in range(trials):
            # The previous action is still shown at the start of the second episode.
            obs, start = observe(action, reward), np.full(n, t == 0)
            action, state = agent.predict(obs, state, start)
            np.testing.assert_array_equal(action, played["action"][:, t])
            reward = played["reward"][:, t]


@pytest.mark.parametrize("by_flag", [True, False])
def test_agent_resets_single_rows(by_flag):
    agent = ref.ReferenceAgent(ref.Greedy(), SLICES, 2, 10)
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
    agent = ref.ReferenceAgent(ref.Greedy(), SLICES, 2, 10)
    action, state = agent.predict(observe(None, np.zeros(1))[0], None, np.ones(1, bool))
    assert np.ndim(action) == 0
    action, state = agent.predict(observe([1], np.ones(1))[0], state, np.zeros(1, bool))
    assert action == 1
    np.testing.assert_array_equal(state["wins"], [[0, 1]])


class ElevenArms(gymnasium.Env):
    """The ten informative tasks in turn; observation: go cue, action one-hot, reward."""

    observation_space = gymnasium.spaces.Box(0.0, 5.0, (13,), np.float32)
    action_space = gymnasium.spaces.Discrete(11)
    task = -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.task, self.t = (self.task + 1) % 10, 0
        return np.eye(13, dtype=np.float32)[0], {}

    def step(self, action):
        self.t += 1
        reward = float(informative_arms()[self.task, action])
        obs = np.concatenate([[1.0], np.eye(11)[action], [reward]]).astype(np.float32)
        return obs, reward, self.t == 5, False, {}


def test_agent_in_stable_baselines3_evaluate_policy():
    from stable_baselines3.common.evaluation import evaluate_policy

    slices = {"action": slice(1, 12), "reward": slice(12, 13)}
    agent = ref.ReferenceAgent(ref.InformativeArm(), slices, 11, 5)
    mean, _ = evaluate_policy(agent, ElevenArms(), n_eval_episodes=10, warn=False)
    assert mean == pytest.approx(20.55, abs=1e-5)


# ERRORS


def agent(**settings):
    arguments = dict(policy=ref.Greedy(), input_slices=SLICES, num_arms=2, trials=5)
    return ref.ReferenceAgent(**{**arguments, **settings})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ref.BayesOptimal().begin(1, 3, 5), "2 arms, not 3"),
        (lambda: ref.CorrelatedOptimal().begin(1, 3, 5), "2 arms, not 3"),
        (lambda: ref.RestlessBayes().begin(1, 3, 5), "2 arms, not 3"),
        (lambda: ref.InformativeArm().begin(1, 3, 5), "11 arms, not 3"),
        (
            lambda: ref.Greedy().update(
                ref.Greedy().begin(1, 2, 5), np.array([0]), np.array([0.5])
            ),
            "rewards must be 0 or 1, not 0.5",
        ),
        (
            lambda: ref.InformativeArm().update(
                ref.InformativeArm().begin(1, 11, 5), np.array([10]), np.array([5.0])
            ),
            "must pay .1",
        ),
        (lambda: ref.Gittins(0.5).index(counted([3, 0], [3, 0], trials=5), RNG), "begun with 5"),
        (lambda: ref.simulate(ref.Greedy(), np.zeros((3, 4, 2)), 5, RNG), r"\[n, 5, k\]"),
        (lambda: ref.simulate(ref.Greedy(), np.zeros((3, 2)), 5, RNG, np.zeros(3)), r"\[3, 5\]"),
        (lambda: ref.best_fixed_alpha(np.zeros((3, 2)), RNG), r"\[n, T, k\]"),
        (lambda: ref.RestlessBayes(sds=(0.0,)).act(counted([1], [1]), RNG), "positive sds"),
        (lambda: agent(reward_input="time"), "not 'time'"),
        (lambda: agent(reward_input="reward_one_hot"), "with reward_values"),
        (lambda: agent(input_slices={"reward": slice(0, 1)}), "needs the input 'action'"),
        (lambda: agent(num_arms=3), "width 3, not 2"),
        (lambda: agent().predict(np.ones((2, 7)), episode_start=np.ones(3)), r"must be \[2\]"),
        (
            lambda: agent().predict(np.ones((2, 7)), ref.Greedy().begin(3, 2, 5)),
            "state has 3 rows, but there are 2",
        ),
    ],
)
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()

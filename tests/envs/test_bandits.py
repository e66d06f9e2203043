"""Bandits against theory: payment rates, regrets of known policies, schedules and hints."""

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.bandits import GAP_BANDS
from prefrontal.envs.restless import DRIFT
from prefrontal.envs.splits import in_train_bands


def play(task, policy, n, split="all", seed=0):
    """Run one episode in n rows; returns rewards, expected and optimal rewards, all [T, n]."""
    env = envs.TaskVectorEnv(task, n, split=split, tensors=True, autoreset="disabled")
    _, info = env.reset(seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    rewards, expected, optimal, known = [], [], [], info["task"]
    for t in range(env.steps):
        action = policy(t, n, generator, rewards, known)
        _, reward, _, _, info = env.step(action)
        rewards.append(reward)
        expected.append(info["expected_reward"])
        optimal.append(info["optimal_reward"])
    return torch.stack(rewards), torch.stack(expected), torch.stack(optimal)


def random_policy(arms):
    return lambda t, n, generator, rewards, known: torch.randint(arms, (n,), generator=generator)


# Expected regrets of the random policy: 100 times half the mean gap (1/3, 1/2, .8, .5, .2).
@pytest.mark.parametrize(
    ("task", "regret"),
    [
        (envs.TwoArmedBandit(), 16.667),
        (envs.CorrelatedBandit(), 25.0),
        (envs.CorrelatedBandit(distribution="easy"), 40.0),
        (envs.CorrelatedBandit(distribution="medium"), 25.0),
        (envs.CorrelatedBandit(distribution="hard"), 10.0),
    ],
)
def test_random_policy_has_the_regret_of_theory(task, regret):
    rewards, expected, optimal = play(task, random_policy(2), 20_000)
    measured = (optimal - expected).sum(0)
    assert measured.mean() == pytest.approx(regret, abs=0.5)  # standard error at most .1
    assert rewards.sum(0).mean() == pytest.approx(50.0, abs=0.5)
    assert (expected <= optimal).all()


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_both_halves_of_the_two_armed_bandit_are_equally_hard(split):
    _, expected, optimal = play(envs.TwoArmedBandit(), random_policy(2), 20_000, split)
    assert (optimal - expected).sum(0).mean() == pytest.approx(16.667, abs=0.5)
    assert optimal[0].mean() == pytest.approx(2 / 3, abs=0.006)


def test_best_arm_pays_what_theory_says():
    def oracle(t, n, generator, rewards, known):
        return known["p"].argmax(1)

    rewards, _, _ = play(envs.TwoArmedBandit(), oracle, 20_000)
    assert rewards.sum(0).mean() == pytest.approx(66.667, abs=0.6)
    rewards, _, _ = play(envs.BernoulliBandit(), oracle, 20_000)
    assert rewards.sum(0).mean() == pytest.approx(10 * 5 / 6, abs=0.06)


def test_dependent_arms_sum_to_one_and_the_halves_are_disjoint():
    for split in ("train", "held_out"):
        p = envs.CorrelatedBandit().sample(10_000, split, torch.Generator().manual_seed(0))["p"]
        assert p.sum(1).numpy() == pytest.approx(1.0)
        # In double precision: near the middle, the gap of rounded probabilities may leave its band.
        gap = (p[:, 0].double() - p[:, 1].double()).abs()
        wrong = (in_train_bands(gap, GAP_BANDS) != (split == "train")).float().mean()
        assert wrong < 1e-3
        assert (p[:, 0] > 0.5).float().mean() == pytest.approx(0.5, abs=0.03)


def test_named_distribution_holds_nothing_out():
    with pytest.raises(ValueError, match="only two tasks"):
        gymnasium.make("prefrontal/CorrelatedBandit-v0", distribution="easy", split="held_out")
    p = envs.CorrelatedBandit(distribution="easy").sample(
        1000, "train", torch.Generator().manual_seed(0)
    )["p"]
    assert set(np.unique(p.numpy().round(5))) == {np.float32(0.1), np.float32(0.9)}


class TestInformativeArm:
    def test_optimal_actions_return_the_optimum(self):
        env = envs.TaskVectorEnv(
            "prefrontal.envs:InformativeArmBandit", 10_000, split="all", autoreset="disabled"
        )
        _, info = env.reset(seed=0)
        target = info["task"]["target"]
        total, optimal = np.zeros(10_000), np.zeros(10_000)
        for t in range(5):
            action = np.full(10_000, 10) if t == 0 else target
            _, reward, _, _, info = env.step(action)
            assert (info["optimal_action"] == action).all()
            total += reward
            optimal += info["optimal_reward"]
        assert total == pytest.approx(optimal)
        assert total.mean() == pytest.approx(20.55, abs=0.015)  # standard error .003

    @pytest.mark.parametrize("split", ["train", "held_out"])
    def test_the_optimum_is_the_same_in_both_halves(self, split):
        task = envs.InformativeArmBandit()
        target = task.sample(20_000, split, torch.Generator().manual_seed(0))["target"]
        assert (target + 1).float().mean() == pytest.approx(5.5, abs=0.1)
        assert set(target.unique().tolist()) == (
            {3, 6} if split == "held_out" else {*range(10)} - {3, 6}
        )

    def test_random_policy_earns_what_theory_says(self):
        rewards, _, _ = play(envs.InformativeArmBandit(), random_policy(11), 20_000)
        assert rewards.sum(0).mean() == pytest.approx(6.61, abs=0.1)  # standard error .02

    def test_advice_follows_what_the_agent_could_know(self):
        env = envs.TaskVectorEnv(envs.InformativeArmBandit(), 1, split="all", autoreset="disabled")
        env.reset(seed=0, options={"task": {"target": [2]}})
        advice = []
        for action in (0, 1, 4, 5, 6):
            advice.append(int(env.step([action])[-1]["optimal_action"][0]))
        assert advice == [10, 10, 10, 10, 2]  # last: the first arm not tried (0, 1 are)
        env.reset(options={"task": {"target": [2]}})
        advice = [int(env.step([a])[-1]["optimal_action"][0]) for a in (0, 2, 2, 2, 2)]
        assert advice == [10, 10, 2, 2, 2]  # found by luck

    def test_rewards_are_exactly_the_declared_values(self):
        env = envs.TaskVectorEnv(
            envs.InformativeArmBandit(),
            500,
            split="all",
            inputs=("reward_one_hot",),
            autoreset="disabled",
        )
        env.reset(seed=0)
        for action in (10, 0, 5, 9):
            obs, reward, *_ = env.step(np.full(500, action))
            one_hot = obs[:, env.input_slices["reward_one_hot"]]
            assert (one_hot.sum(1) == 1).all()
            assert one_hot @ np.array(env.task.reward_values) == pytest.approx(reward)


class TestRestless:
    @pytest.mark.parametrize("volatility", ["low", "high"])
    def test_path_stays_inside_and_moves_as_said(self, volatility):
        task = envs.RestlessBandit(volatility=volatility)
        params = task.sample(5000, "all", torch.Generator().manual_seed(0))
        p, drift = params["p"], params["drift"]
        low, high = DRIFT[volatility]
        assert p.shape == (5000, 100)
        assert p.min() >= 0.0
        assert p.max() <= 1.0
        assert drift.mean() == pytest.approx((low + high) / 2, rel=0.02)
        # Away from the walls a step is normal with the episode's drift.
        steps = (p.diff(dim=1) / drift[:, None])[(p[:, :-1] - 0.5).abs() < 0.5 - 4 * high]
        if volatility == "low":
            assert steps.std() == pytest.approx(1.0, abs=0.02)
        # The uniform law is stationary: at the last trial too.
        assert p[:, -1].mean() == pytest.approx(0.5, abs=0.02)
        assert p[:, -1].std() == pytest.approx(12**-0.5, abs=0.01)

    def test_halves_have_disjoint_drifts(self):
        task = envs.RestlessBandit()
        for split in ("train", "held_out"):
            drift = task.sample(5000, split, torch.Generator().manual_seed(0))["drift"].double()
            for name, (low, high) in DRIFT.items():
                mine = drift[drift < 0.07] if name == "low" else drift[drift > 0.07]
                assert len(mine) == pytest.approx(2500, abs=200)
                wrong = in_train_bands((mine - low) / (high - low)) != (split == "train")
                assert wrong.float().mean() < 1e-3  # float32 rounding at the edges

    def test_by_hand_path_is_paid_trial_by_trial(self):
        path = np.tile([1.0, 0.0], 50)[None]
        env = envs.TaskVectorEnv("prefrontal.envs:RestlessBandit", 1)
        _, info = env.reset(seed=0, options={"task": {"p": path}})
        assert info["task"]["drift"] == pytest.approx(1.0)
        for t in range(99):
            _, reward, _, _, info = env.step([t % 2])
            assert reward[0] == 1.0
            assert info["optimal_action"][0] == t % 2


def test_switching_bandit_swaps_when_it_says():
    env = envs.TaskVectorEnv("prefrontal.envs:SwitchingBandit", 1, autoreset="disabled")
    env.reset(seed=0, options={"task": {"p": [[1.0, 0.0]], "first_switch": [10]}})
    good, block, since = [], [], []
    for _ in range(100):
        _, _, _, _, info = env.step([0])
        good.append(int(info["optimal_action"][0]))
        block.append(int(info["block"][0]))
        since.append(int(info["since_switch"][0]))
    assert good == [0] * 10 + [1] * 25 + [0] * 25 + [1] * 25 + [0] * 15
    assert block == [0] * 10 + [1] * 25 + [2] * 25 + [3] * 25 + [4] * 15
    assert since == [*range(10), *range(25), *range(25), *range(25), *range(15)]


def test_switching_bandit_halves_have_the_same_mean_and_are_disjoint():
    task = envs.SwitchingBandit()
    for split in ("train", "held_out"):
        params = task.sample(20_000, split, torch.Generator().manual_seed(0))
        good = params["p"].max(1).values.double()
        assert good.mean() == pytest.approx(0.9, abs=0.002)
        assert (in_train_bands((good - 0.8) / 0.2) != (split == "train")).float().mean() < 1e-3
        assert set(params["first_switch"].unique().tolist()) == set(range(1, 26))


@pytest.mark.parametrize("name", envs.TASKS)
def test_privileged_is_finite_after_the_last_step_too(name):
    env = envs.TaskVectorEnv(envs.task_class(name), 3, autoreset="disabled", privileged=True)
    _, info = env.reset(seed=0)
    for _ in range(env.steps):
        assert info["privileged"].shape == (3, env.privileged_size)
        _, _, _, _, info = env.step(env.action_space.sample())
    assert np.isfinite(info["privileged"]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: envs.TwoArmedBandit(trials=0), "trials must be at least 1, not 0"),
        (lambda: envs.BernoulliBandit(arms=1), "arms must be at least 2, not 1"),
        (lambda: envs.CorrelatedBandit(distribution="soft"), "distribution must be one of"),
        (
            lambda: envs.RestlessBandit(volatility="none"),
            "volatility must be one of 'mixed', 'low', 'high'",
        ),
        (lambda: envs.SwitchingBandit(switch_every=0), "switch_every must be at least 1"),
    ],
)
def test_bad_fields_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_opting_out_pays_for_certain_and_is_best_where_arms_are_worse():
    env = envs.TaskVectorEnv(
        "prefrontal.envs:CorrelatedBandit", 3, split="all", opt_out=0.6, trials=4
    )
    env.reset(seed=0, options={"task": {"p": [[0.55, 0.45], [0.9, 0.1], [0.2, 0.8]]}})
    _, reward, _, _, info = env.step(np.array([2, 2, 1]))
    assert reward[:2] == pytest.approx([0.6, 0.6])
    assert reward[2] in (0.0, 1.0)
    assert list(info["optimal_action"]) == [2, 0, 1]
    assert info["expected_reward"] == pytest.approx([0.6, 0.6, 0.8])
    assert info["optimal_reward"] == pytest.approx([0.6, 0.9, 0.8])
    assert envs.CorrelatedBandit().num_actions == 2
    assert envs.CorrelatedBandit(opt_out=0.6).reward_values == (0.0, 0.6, 1.0)

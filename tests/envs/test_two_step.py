"""The two-step task of Wang et al. against observers whose reward and choices are known."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.analysis.choice import two_step
from prefrontal.analysis.choice.observers import simulate_two_step
from prefrontal.envs.two_step import CENTRE, FIRST, FIXATION, SECOND

FIX, CUE, STATE, COPY = 0, 1, slice(2, 4), slice(4, 6)


class Observer:
    """Chooses from what it sees alone: observations and rewards."""

    def __init__(self, task, seed=3):
        self.task, self.generator = task, torch.Generator().manual_seed(seed)
        self.started = False

    def __call__(self, t, obs, reward):
        stages = self.task.stages
        stage = stages[t % len(stages)]
        if t == 0:
            self.begin(len(obs))
        if stage == FIXATION:
            return torch.full((len(obs),), CENTRE)
        if stage == SECOND:
            self.state = obs[:, STATE].argmax(1)
            return torch.randint(2, (len(obs),), generator=self.generator)
        if t >= len(stages):
            # The outcome of the trial before: the state is shown with it if compact.
            state = obs[:, STATE].argmax(1) if self.task.compact else self.state
            if self.task.fixation:
                reward = self.paid
            self.learn(obs[:, COPY].argmax(1), state, reward > 0)
        return self.choose(len(obs))

    def begin(self, n):
        self.belief = torch.full((n,), 0.5, dtype=torch.float64)  # that state 1 is the good one

    def learn(self, action, state, paid):
        likely = torch.where((state == 1) == paid, self.task.reward, 1 - self.task.reward)
        joint = self.belief * likely
        self.belief = joint / (joint + (1 - self.belief) * (1 - likely))
        self.belief = self.belief + self.task.flip * (1 - 2 * self.belief)

    def choose(self, n):
        coin = torch.rand(n, generator=self.generator) < 0.5
        tie = (self.belief - 0.5).abs() < 1e-9
        return torch.where(tie, coin, self.belief > 0.5).long()


class ModelFree(Observer):
    """Learns the values of first-stage actions only."""

    def begin(self, n):
        self.values = torch.zeros(n, 2)

    def learn(self, action, state, paid):
        old = self.values.gather(1, action[:, None])
        self.values = self.values.scatter(
            1, action[:, None], old + 0.5 * (paid.float()[:, None] - old)
        )

    def choose(self, n):
        odds = 5.0 * (self.values[:, 1] - self.values[:, 0])
        return (torch.rand(n, generator=self.generator) < torch.sigmoid(odds)).long()


def test_ideal_observer_reaches_the_known_reward_and_bars_of_2018(play):
    task = envs.TwoStep()
    record = play(task, Observer(task), 4000)
    trials = two_step.trials_of(record)
    assert two_step.reward_per_trial(trials)[0] == pytest.approx(0.7058, abs=0.004)
    bars = two_step.stay_probabilities(trials)[0]
    np.testing.assert_allclose(bars, two_step.IDEAL_2018, atol=0.012)
    choice = record["stage"] == FIRST
    best = (record["action"] == record["optimal_action"])[choice].mean()
    assert best == pytest.approx(0.929, abs=0.004)


def test_ideal_observer_reaches_the_known_reward_and_bars_of_2016(play):
    task = envs.TwoStepWang2016()
    trials = two_step.trials_of(play(task, Observer(task), 20_000))
    assert two_step.reward_per_trial(trials)[0] == pytest.approx(0.6698, abs=0.004)
    bars = two_step.stay_probabilities(trials)[0]
    np.testing.assert_allclose(bars, two_step.IDEAL_2016, atol=0.012)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_compact_and_both_halves_pay_the_same(play, split):
    task = envs.TwoStep(compact=True)
    record = play(task, Observer(task), 4000, split)
    assert record["reward"].mean() == pytest.approx(0.7058, abs=0.004)


def test_model_free_learner_and_chance(play, random_policy):
    task = envs.TwoStep()
    trials = two_step.trials_of(play(task, ModelFree(task), 3000))
    assert two_step.reward_per_trial(trials)[0] == pytest.approx(0.635, abs=0.005)
    bars = two_step.stay_probabilities(trials)[0]
    np.testing.assert_allclose(bars, [0.957, 0.873, 0.550, 0.733], atol=0.012)
    simulated = simulate_two_step("model_free", episodes=3000).trials
    np.testing.assert_allclose(bars, two_step.stay_probabilities(simulated)[0], atol=0.02)
    chance = two_step.trials_of(play(task, random_policy(2), 2000))
    assert two_step.reward_per_trial(chance)[0] == pytest.approx(0.5, abs=0.004)


@pytest.mark.parametrize(("task", "best"), [(envs.TwoStep(), 0.74), (envs.TwoStepWang2016(), 0.70)])
def test_best_action_pays_what_theory_says(play, task, best):
    env = envs.TaskVectorEnv(task, 5000, split="all", autoreset="disabled")
    _, info = env.reset(seed=0)
    good, rewards = info["task"]["good"], []
    for t in range(env.steps):
        *_, info = step = env.step(good[:, t // 2])
        rewards.append(step[1])
        if t % 2 == 0:
            np.testing.assert_allclose(info["expected_reward"], best, rtol=1e-6)
            np.testing.assert_allclose(info["optimal_reward"], best, rtol=1e-6)
    assert 2 * np.mean(rewards) == pytest.approx(best, abs=0.006)


def test_facts_agree_with_what_is_shown(play, random_policy):
    record = {k: v[0] for k, v in play(envs.TwoStep(), random_policy(2), 200).items()}
    obs, first, second = record["observation"], record["first_action"], record["second_state"]
    choice, after = slice(0, None, 2), slice(1, None, 2)
    assert (record["stage"] == np.tile([FIRST, SECOND], 100)).all()
    assert (record["trial"] == np.repeat(np.arange(100), 2)).all()
    assert (obs[:, choice, CUE] == 1).all()
    assert (obs[:, choice, STATE] == 0).all()
    assert (obs[:, after, CUE] == 0).all()
    assert (obs[:, after, STATE].argmax(-1) == second[:, after]).all()
    assert (obs[:, after, COPY].argmax(-1) == first[:, after]).all()
    assert (obs[:, :1, COPY] == 0).all()
    # The copy stays beside the reward, whatever was done at the forced step.
    assert (obs[:, 2::2, COPY].argmax(-1) == first[:, 1:-1:2]).all()
    assert (obs[:, :, FIX] == 0).all()
    assert (first[:, choice] == record["action"][:, choice]).all()
    assert ((second == first) == record["common"]).all()
    assert (record["common"][:, choice] == record["task.common"]).all()
    assert (record["good"][:, choice] == record["task.good"]).all()
    assert record["common"].mean() == pytest.approx(0.8, abs=0.01)
    assert (record["reward"][:, choice] == 0).all()
    for good, rate in ((True, 0.9), (False, 0.1)):
        paid = record["reward"][:, after][(second == record["good"])[:, after] == good]
        assert paid.mean() == pytest.approx(rate, abs=0.012)
    # Regret is that of the choice.
    regret = record["optimal_reward"] - record["expected_reward"]
    wrong = record["action"] != record["good"]
    np.testing.assert_allclose(regret[:, choice], np.where(wrong, 0.48, 0.0)[:, choice], atol=1e-6)
    assert (regret[:, after] == 0).all()
    earned = record["reward"][:, after].mean()
    assert earned == pytest.approx(record["expected_reward"][:, choice].mean(), abs=0.015)
    assert earned == pytest.approx(record["expected_reward"][:, after].mean(), abs=0.012)


def test_the_forced_action_makes_no_difference():
    runs = []
    for forced in (0, 1):
        env = envs.TaskVectorEnv(envs.TwoStep(), 50, inputs=())
        obs, _ = env.reset(seed=0)
        steps = []
        for t in range(200):
            action = np.full(50, forced) if t % 2 else (np.arange(50) + t // 2) % 2
            obs, reward, *_ = env.step(action)
            steps.append(np.column_stack([obs, reward]))
        runs.append(np.stack(steps))
    assert (runs[0] == runs[1]).all()


def test_compact_shows_state_and_action_beside_the_reward(play, random_policy):
    task = envs.TwoStep(compact=True)
    record = {k: v[0] for k, v in play(task, random_policy(2), 100).items()}
    obs = record["observation"]
    assert (obs[:, 0, 2:] == 0).all()
    assert (obs[:, :, CUE] == 1).all()
    assert (obs[:, 1:, STATE].argmax(-1) == record["second_state"][:, :-1]).all()
    assert (obs[:, 1:, COPY].argmax(-1) == record["action"][:, :-1]).all()
    assert (record["stage"] == FIRST).all()
    assert record["reward"].mean() == pytest.approx(record["expected_reward"].mean(), abs=0.02)


def test_fixation_asks_for_the_centre(play, random_policy):
    task = envs.TwoStep(fixation=True)
    assert task.reward_range == (-1.0, 1.0)
    record = {k: v[0] for k, v in play(task, random_policy(3), 300).items()}
    stage, action, reward = record["stage"], record["action"], record["reward"]
    assert (stage[:, :3] == [FIXATION, FIRST, SECOND]).all()
    fixating, choosing, second = (stage == s for s in (FIXATION, FIRST, SECOND))
    assert (reward[fixating] == np.where(action[fixating] == CENTRE, 0, -1)).all()
    assert (reward[choosing] == np.where(action[choosing] == CENTRE, -1, 0)).all()
    assert (record["expected_reward"] <= record["optimal_reward"]).all()
    assert (record["optimal_action"][fixating] == CENTRE).all()
    aborted = second & (record["first_action"] == CENTRE)
    assert aborted.mean() == pytest.approx(1 / 9, abs=0.01)
    assert (reward[aborted] == 0).all()
    assert (record["second_state"][aborted] == -1).all()
    assert (record["observation"][aborted] == 0).all()
    assert reward[second & ~aborted].mean() == pytest.approx(0.5, abs=0.01)
    assert (record["observation"][fixating][:, FIX] == 1).all()
    assert set(np.unique(reward)) <= set(task.reward_values)
    # The reward is seen at fixation and remembered there by this observer.
    ideal = Observer(task)

    def remember(t, obs, last):
        if t % 3 == 0:
            ideal.paid = last
        return ideal(t, obs, last)

    trials = two_step.trials_of(play(task, remember, 2000))
    assert two_step.reward_per_trial(trials)[0] == pytest.approx(0.7058, abs=0.005)


def test_halves_are_disjoint_and_alike():
    schedules = {}
    for split in ("train", "held_out"):
        params = envs.TwoStep().sample(4000, split, torch.Generator().manual_seed(0))
        good, common = params["good"], params["common"]
        parity = ((1 - common).sum(1) + good[:, 0]) % 2
        assert (parity == (split == "held_out")).all()
        assert good[:, 0].float().mean() == pytest.approx(0.5, abs=0.03)
        assert common.float().mean() == pytest.approx(0.8, abs=0.005)
        assert (good[:, 1:] != good[:, :-1]).float().mean() == pytest.approx(0.025, abs=0.002)
        schedules[split] = {tuple(row) for row in torch.cat([good, common], 1).tolist()}
    assert not schedules["train"] & schedules["held_out"]
    short = [
        envs.TwoStepWang2016().sample(20_000, split, torch.Generator().manual_seed(0))
        for split in ("train", "held_out")
    ]
    rows = [{tuple(r) for r in torch.cat([p["good"], p["common"]], 1).tolist()} for p in short]
    assert not rows[0] & rows[1]
    assert min(len(rows[0]), len(rows[1])) > 700  # of half of 2 x 2^10 schedules, some very rare


def test_schedules_by_hand():
    env = envs.TaskVectorEnv(
        "prefrontal.envs:TwoStep", 1, trials=2, split="all", reward=1.0, inputs=()
    )
    task = {"good": [[0, 1]], "common": [[1, 0]]}
    obs, _ = env.reset(seed=0, options={"task": task})
    assert obs.tolist() == [[0, 1, 0, 0, 0, 0]]
    obs, reward, *_ = env.step([0])
    assert obs.tolist() == [[0, 0, 1, 0, 1, 0]]
    obs, reward, *_ = env.step([1])
    assert reward[0] == 1.0
    assert obs.tolist() == [[0, 1, 0, 0, 1, 0]]
    obs, *_ = env.step([0])
    assert obs.tolist() == [[0, 0, 0, 1, 1, 0]]
    assert env.step([0])[1][0] == 1.0
    with pytest.raises(ValueError, match="'good' must be whole numbers"):
        env.reset(options={"task": {**task, "good": [[0.5, 1]]}})
    with pytest.raises(ValueError, match=r"must be \['common', 'good'\]; got \['good'\]"):
        env.reset(options={"task": {"good": [[0, 1]]}})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"transition": 0.3}, r"transition must be between 0.5 and 1, not 0.3"),
        ({"flip": -0.1}, r"flip must be between 0 and 1"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"fixation": True, "compact": True}, "choose one of them"),
    ],
)
def test_bad_fields_are_errors(fields, message):
    with pytest.raises(ValueError, match=message):
        envs.TwoStep(**fields)

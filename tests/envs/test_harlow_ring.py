"""The one-dimensional Harlow task: against a plain re-implementation, and a scripted gaze."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.analysis.choice.choice import learning_set_curve

MARK = -1.0


class Ring:
    """A slow, literal implementation: an array that is rolled under the gaze."""

    def __init__(self, codes, side, start, trials):
        self.codes, self.side, self.trials = codes, side, trials  # codes: good, bad
        self.trial, self.gaze, self.cells = 0, start, {0: "mark"}

    def see(self):
        if self.trial == self.trials:
            return [0.0] * 9
        look = {"mark": MARK, "good": self.codes[0], "bad": self.codes[1]}
        ring = [0.0] * 17
        for cell, thing in self.cells.items():
            ring[cell % 17] = look[thing]
        return [ring[(self.gaze + offset) % 17] for offset in range(-4, 5)]

    def step(self, action):
        if self.trial == self.trials:
            return 0.0
        self.gaze = (self.gaze + (-1, 1, 0)[action]) % 17
        cells = {cell % 17: thing for cell, thing in self.cells.items()}
        thing = cells.get(self.gaze)
        if thing == "mark":
            left, right = ("good", "bad") if self.side[self.trial] == 0 else ("bad", "good")
            self.cells = {-3: left, 3: right}
            return 0.2
        if thing is None:
            return 0.0
        self.trial, self.cells = self.trial + 1, {0: "mark"}
        return 1.0 if thing == "good" else -1.0


@pytest.mark.parametrize("no_op", [False, True])
def test_dynamics_are_those_of_a_plain_implementation(no_op):
    n, generator = 40, np.random.default_rng(0)
    env = envs.TaskVectorEnv(
        "prefrontal.envs:HarlowOneDimensional",
        n,
        no_op=no_op,
        inputs=(),
        autoreset="disabled",
        split="all",
    )
    obs, info = env.reset(seed=0)
    task = info["task"]
    k = 2 * (task["objects"] % 1000) + 1 + task["objects"] // 1000
    rings = [
        Ring(k[i] / 2001, task["side"][i], int(task["start"][i]), env.task.trials) for i in range(n)
    ]
    towards = generator.random(n) < 0.7  # some rows persist in a direction, so that they arrive
    for _ in range(250):
        np.testing.assert_allclose(obs, [ring.see() for ring in rings], rtol=1e-6)
        action = generator.integers(env.num_actions, size=n)
        action = np.where(towards & (generator.random(n) < 0.9), 1, action)
        trials = np.array([min(ring.trial, 5) for ring in rings])
        active = np.array([ring.trial < 6 for ring in rings])
        obs, reward, *_, info = env.step(action)
        expected = np.array([ring.step(a) for ring, a in zip(rings, action, strict=True)])
        np.testing.assert_allclose(reward, expected, atol=1e-7)
        np.testing.assert_allclose(info["expected_reward"], expected, atol=1e-7)
        assert (info["trial"] == trials).all()
        assert (info["active"] == active).all()
        assert (info["decision"] == (np.abs(expected) == 1)).all()
        assert (info["correct"] == (expected == 1)).all()
    assert sum(ring.trial == 6 for ring in rings) > 10
    assert sum(ring.trial < 6 for ring in rings) > 0


class Gaze:
    """Goes to the mark, then to the object that was good, by the shortest way; sees, remembers."""

    def __init__(self, n, seed=0):
        self.coin = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < 0.5
        self.good = torch.zeros(n)
        self.aim = torch.zeros(n)  # the code last walked to

    def __call__(self, t, obs, reward):
        learned = reward.abs() == 1
        other = torch.where(self.aim == self.pair[0], self.pair[1], self.pair[0]) if t else 0
        self.good = torch.where(learned, torch.where(reward > 0, self.aim, other), self.good)
        mark_ahead = (obs[:, 5:] == MARK).any(1)
        left, right = obs[:, 1], obs[:, 7]
        both = (left > 0) & (right > 0) & (obs[:, 4] == 0)
        if not t:
            self.pair, self.walk = [torch.zeros(len(obs))] * 2, torch.zeros(len(obs)).long()
        guess = torch.where(self.coin, right, left)
        goal = torch.where(self.good > 0, self.good, guess)
        self.aim = torch.where(both, goal, self.aim)
        self.pair = [
            torch.where(both, left, self.pair[0]),
            torch.where(both, right, self.pair[1]),
        ]
        mark = (obs == MARK).any(1)
        self.walk = torch.where(mark, mark_ahead.long(), self.walk)
        self.walk = torch.where(both, (self.aim == right).long(), self.walk)
        return self.walk


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_gaze_that_has_learned_to_learn_reaches_the_optimum(play, split):
    task = envs.HarlowOneDimensional(max_steps=40)
    record = play(task, Gaze(4000), 4000, split)
    curve = learning_set_curve(record["correct"], record["trial"], 6, record["decision"])[0]
    assert curve[0] == pytest.approx(0.5, abs=0.04)
    assert (curve[1:] == 1).all()
    assert (record["decision"].sum(-1) == 6).all()
    assert (record["active"].sum(-1) <= 36).all()
    assert record["reward"][0].sum(1).mean() == pytest.approx(6.2, abs=0.08)
    over = record["active"] == 0
    assert (record["reward"][over] == 0).all()
    assert (record["observation"][over] == 0).all()


def test_the_advised_actions_are_the_shortest_way():
    env = envs.TaskVectorEnv(
        "prefrontal.envs:HarlowOneDimensional", 200, max_steps=40, autoreset="disabled"
    )
    total, advice = np.zeros(200), np.zeros(200, dtype=int)
    env.reset(seed=0)
    active = []
    for _ in range(40):
        # The facts are pure: ask for the advice, then take it.
        facts = env.task.facts(env._params, env._state, torch.from_numpy(advice))
        advice = facts["optimal_action"].numpy()
        _, reward, *_, info = env.step(advice)
        assert (info["expected_reward"] == info["optimal_reward"]).all()
        active.append(info["active"])
        total += reward
    assert total == pytest.approx(7.2)
    assert np.sum(active, 0).max() <= 36


def test_halves_share_no_object_and_no_object_looks_like_the_mark():
    codes = {}
    for split in ("train", "held_out"):
        task = envs.HarlowOneDimensional()
        params = task.sample(20_000, split, torch.Generator().manual_seed(0))
        assert (params["objects"][:, 0] != params["objects"][:, 1]).all()
        assert params["start"].unique().tolist() == [-3, -2, -1, 1, 2, 3]
        state, _ = task.reset(params)
        codes[split] = set(state["codes"][2:].flatten().tolist())
        assert len(codes[split]) == 1000
        assert min(codes[split]) > 0.0
        assert max(codes[split]) < 1.0
    assert not codes["train"] & codes["held_out"]


def test_by_hand_and_errors():
    env = envs.TaskVectorEnv("prefrontal.envs:HarlowOneDimensional", 1, trials=1, inputs=())
    task = {"objects": [[0, 1000]], "side": [[1]], "start": [-1]}
    obs, _ = env.reset(seed=0, options={"task": task})
    assert obs.tolist() == [[0, 0, 0, 0, 0, -1, 0, 0, 0]]
    obs, reward, *_ = env.step([1])
    assert reward[0] == pytest.approx(0.2)
    assert obs[0] == pytest.approx([0, 2 / 2001, 0, 0, 0, 0, 0, 1 / 2001, 0])
    for _ in range(3):
        obs, reward, *_ = env.step([1])
    assert reward[0] == 1.0
    assert (obs == 0).all()
    with pytest.raises(ValueError, match="two different objects"):
        env.reset(options={"task": {**task, "objects": [[5, 5]]}})
    with pytest.raises(ValueError, match=r"'start' must lie in \[-8, 8\]"):
        env.reset(options={"task": {**task, "start": [9]}})
    with pytest.raises(ValueError, match="max_steps must be at least 1"):
        envs.HarlowOneDimensional(max_steps=0)

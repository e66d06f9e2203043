"""Blank steps between choices: what is shown, paid, counted and drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.harlow import object_vectors
from prefrontal.experiments.prefrontal.wang2018_harlow import right_choices

PAIRED = (envs.Harlow, envs.HarlowPairs, envs.ContextBandit)


@pytest.mark.parametrize("task", PAIRED)
def test_without_a_delay_tasks_are_drawn_and_described_as_before(task, play, random_policy):
    """Blank steps cost nothing where there are none: the same numbers, no new facts."""
    fixed = task(trials=5, delay=2)
    assert task().draws == task(delay=7).draws == task(delay=7, shortest_delay=0).draws - 1
    plain, blank = (play(t, random_policy(2), 50) for t in (task(trials=5), fixed))
    for name in plain:
        if name.startswith("task."):
            assert (plain[name] == blank[name]).all()
    assert (plain["observation"] == blank["observation"][:, :, ::3]).all()
    assert set(blank) - set(plain) == {"decision", "active"}


def test_an_episode_with_two_blank_steps_by_hand():
    inputs = ("action", "reward", "reward_one_hot", "time", "trial_start")
    env = envs.TaskVectorEnv("prefrontal.envs:Harlow", 1, trials=2, delay=2, inputs=inputs)
    assert env.steps == 4
    assert env.task.reward_values == (-1.0, 0.0, 1.0)
    obs, info = env.reset(seed=0, options={"task": {"objects": [[3, 1500]], "side": [[1, 0]]}})
    assert set(info["task"]) == {"objects", "side"}
    good, bad = object_vectors(8, False)[[3, 1500]]
    shown, facts, paid = [obs[0]], [], []
    for action in (0, 1, 0, 0):  # wrong; whatever; whatever; right
        obs, reward, *_, info = env.step([action])
        over = "final_obs" in info
        shown.append(info["final_obs"][0] if over else obs[0])
        facts.append({name: value[0] for name, value in info.items() if np.shape(value) == (1,)})
        paid.append(reward[0])
    blank = [0.0] * 16
    pairs = [[*bad, *good], blank, blank, [*good, *bad], [*good, *bad]]
    rest = [
        # action, reward, which of -1 0 1 it was, time, start of a trial
        [0, 0, 0, 0, 0, 0, 0.0, 1],
        [1, 0, -1, 1, 0, 0, 0.25, 0],
        [0, 1, 0, 0, 1, 0, 0.5, 0],
        [1, 0, 0, 0, 1, 0, 0.75, 1],
        [1, 0, 1, 0, 0, 1, 1.0, 0],
    ]
    assert np.array(shown).tolist() == [
        [*map(float, a), *b] for a, b in zip(pairs, rest, strict=True)
    ]
    assert paid == [-1, 0, 0, 1]
    expected = {
        "trial": [0, 0, 0, 1],
        "decision": [1, 0, 0, 1],
        "active": [1, 1, 1, 1],
        "optimal_action": [1, 0, 0, 0],
        "correct": [0, 0, 0, 1],
        "expected_reward": [-1, 0, 0, 1],
        "optimal_reward": [1, 0, 0, 1],
    }
    assert {name: [step[name] for step in facts] for name in expected} == expected


def test_every_episode_has_a_delay_of_its_own_if_they_vary():
    task = envs.ContextBandit(trials=3, delay=3, shortest_delay=1)
    assert task.parameters == ("colour", "side", "delay")
    assert envs.ContextBandit.parameters == ("colour", "side")
    params = task.sample(30_000, "train", torch.Generator().manual_seed(0))
    counts = torch.bincount(params["delay"]) / 30_000
    assert counts[0] == 0
    assert counts[1:].numpy() == pytest.approx(1 / 3, abs=0.01)  # standard error .003
    by_hand = {
        "colour": np.array([[1.0, 0.5, 0.0]] * 3),
        "side": np.array([[0, 1, 0]] * 3),
        "delay": np.array([1, 2, 3]),
    }
    env = envs.TaskVectorEnv(task, 3, inputs=("trial_start",), privileged=True)
    obs, info = env.reset(seed=0, options={"task": by_hand})
    steps, facts, seen = [obs], [], [info["privileged"]]
    for _ in range(9):
        obs, *_, info = env.step(np.zeros(3, int))
        steps.append(np.stack(info["final_obs"]) if "final_obs" in info else obs)
        facts.append(info)
        seen.append(info["privileged"])
    starts = np.stack(steps)[:-1, :, -1].T.tolist()
    assert starts == [
        [1, 0, 1, 0, 1, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
    ]
    left, right = [1, 0, -1, -1, 0, 1], [-1, 0, 1, 1, 0, -1]  # where the paying colour is
    assert np.stack(steps)[:7, 1, :6].tolist() == [
        left,
        [0] * 6,
        [0] * 6,
        right,
        [0] * 6,
        [0] * 6,
        left,
    ]
    assert np.stack([step["decision"] for step in facts], 1).tolist() == starts
    assert np.stack([step["correct"] for step in facts], 1).tolist() == [
        [1, 0, 0, 0, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 1],
    ]
    assert np.stack([step["trial"] for step in facts], 1).tolist() == [
        [0, 0, 1, 1, 2, 2, 2, 2, 2],
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        [0, 0, 0, 0, 1, 1, 1, 1, 2],
    ]
    assert np.stack([step["active"] for step in facts], 1).tolist() == [
        [1, 1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]
    # Side of the paying colour (0 on blank steps), t / T, and the delay
    assert np.stack(seen[:4])[:, 1].tolist() == [
        pytest.approx([-1, 0, 2 / 3]),
        pytest.approx([0, 1 / 9, 2 / 3]),
        pytest.approx([0, 2 / 9, 2 / 3]),
        pytest.approx([1, 3 / 9, 2 / 3]),
    ]


def test_delays_are_drawn_where_a_task_is_set_without_them():
    env = envs.TaskVectorEnv("prefrontal.envs:Harlow", 64, delay=4, shortest_delay=0)
    params = {"objects": [[0, 1]] * 64, "side": [[0] * 6] * 64}
    _, info = env.reset(seed=0, options={"task": params})
    assert set(info["task"]["delay"]) == {0, 1, 2, 3, 4}
    with pytest.raises(ValueError, match=r"'delay' must lie in \[0, 4\]"):
        env.reset(options={"task": params | {"delay": [5] * 64}})


@pytest.mark.parametrize("shortest", [None, 0])
@pytest.mark.parametrize("task", PAIRED)
def test_all_choices_are_made_and_counted_whatever_the_delay(task, shortest, play):
    task = task(trials=4, delay=3, shortest_delay=shortest)
    record = play(task, lambda t, obs, reward: torch.zeros(len(obs), dtype=torch.int64), 300)
    assert (record["decision"].sum(2) == 4).all()
    right = right_choices(record)[0]
    assert (right == (record["task.side"][0] == 0)).all()
    win = task.reward_range[1]
    assert (record["optimal_reward"].sum(2) == 4 * win).all()
    assert (record["reward"] == record["expected_reward"]).all()
    blank = record["decision"] == 0
    assert (record["observation"][blank] == 0).all()
    assert (record["observation"][~blank] != 0).any(1).all()
    if shortest is None:
        assert (record["active"] == 1).all()
    else:
        assert record["active"].mean() == pytest.approx((3 * 1.5 + 4) / 13, abs=0.03)


def test_pictures_show_the_last_choice_and_no_pair_on_blank_steps():
    env = envs.TaskEnv("prefrontal.envs:Harlow", trials=2, delay=2, render_mode="rgb_array")
    env.reset(seed=0)
    views = [env.render()]
    for action in (0, 1, 1, 0):
        env.step(action)
        views.append(env.render())
    left, right = (slice(64, 172), slice(0, 200)), (slice(64, 172), slice(200, 400))
    bare = [[bool((view[part] == 255).all()) for view in views] for part in (left, right)]
    assert bare == [[True, False, False, False, False], [False, True, True, False, True]]
    assert (views[1][left] == views[2][left]).all()


def test_wrong_fields_say_why():
    with pytest.raises(ValueError, match="delay must not be negative, not -1"):
        envs.Harlow(delay=-1)
    with pytest.raises(ValueError, match="shortest_delay must be at most delay, 2, not 3"):
        envs.Harlow(delay=2, shortest_delay=3)
    with pytest.raises(ValueError, match="punishment must not be positive where blank steps pay 0"):
        envs.HarlowPairs(delay=2, punishment=0.5)

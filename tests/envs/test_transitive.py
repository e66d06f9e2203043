"""Transitive inference: items, order, pairs, steps of a trial, and what is counted."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.transitive import features


def drawn(split, n=4000, **fields):
    task = envs.TransitiveInference(**fields)
    return task, task.sample(n, split, torch.Generator().manual_seed(0))


def test_one_episode_by_hand():
    fields = {"fewest_items": 3, "most_items": 3, "trials": 3, "learning_trials": 2}
    env = envs.TaskVectorEnv("prefrontal.envs:TransitiveInference", 1, **fields, inputs=("reward",))
    # From the highest: 7 has its first three features 1, 0 none, 32767 all.
    task = {"items": [[7, 0, 32767]], "count": [3], "pair": [[[0, 1], [2, 1], [2, 0]]]}
    obs, info = env.reset(seed=0, options={"task": task})
    high, middle, low = [1.0] * 3 + [-1.0] * 12, [-1.0] * 15, [1.0] * 15
    assert features(info_items(info)).tolist() == [[high, middle, low]]
    shown, facts, paid = [obs[0].tolist()], [], []
    for action in (1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0):  # at the cues 0 right, 0 wrong, 1 right
        obs, reward, *_, info = env.step([action])
        shown.append((info["final_obs"][0] if "final_obs" in info else obs[0]).tolist())
        facts.append(info)
        paid.append(reward[0])
    cue, blank = [0.0] * 30 + [1.0], [0.0] * 31
    trials = [[*high, *middle, 0.0], [*low, *middle, 0.0], [*low, *high, 0.0]]
    seen = [[0, 0, 1, 0], [0, 0, -1, 0], [0, 0, 1, 0]]  # the outcome is seen after the cue
    expected = [
        [*view, reward]
        for pair, rewards in zip(trials, seen, strict=True)
        for view, reward in zip((pair, cue, blank, blank), rewards, strict=True)
    ]
    assert shown == [*expected, [*blank, 0.0]]
    assert paid == [0, 1, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0]
    each = {
        "trial": [0, 1, 2],
        "phase": [0, 0, 1],
        "first_rank": [0, 2, 2],
        "second_rank": [1, 1, 0],
        "distance": [1, 1, 2],
        "adjacent": [1, 1, 0],
    }
    for name, values in each.items():
        assert [int(step[name][0]) for step in facts] == np.repeat(values, 4).tolist(), name
    at_cue = {
        "decision": [1, 1, 1],
        "optimal_action": [0, 1, 1],
        "correct": [1, 0, 1],
        "expected_reward": [1, -1, 1],
        "optimal_reward": [1, 1, 1],
    }
    for name, values in at_cue.items():
        told = np.array([step[name][0] for step in facts]).reshape(3, 4)
        assert told[:, 1].tolist() == values, name
        assert (told[:, [0, 2, 3]] == 0).all()


def info_items(info):
    return torch.from_numpy(info["task"]["items"])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_shorter_trials(steps, play):
    task = envs.TransitiveInference(trials=5, trial_steps=steps)
    record = play(task, lambda t, obs, reward: torch.zeros(len(obs), dtype=torch.int64), 50)
    cue = min(1, steps - 1)
    assert (record["decision"][0] == (np.arange(5 * steps) % steps == cue)).all()
    assert (record["observation"][0, :, :, -1] == record["decision"][0]).all()
    shown = (record["observation"][0, :, :, :30] != 0).all(2)
    assert (shown == (np.arange(5 * steps) % steps == 0)).all()
    assert (record["reward"] == record["expected_reward"]).all()
    assert (record["correct"].sum(2) > 0).any()


@pytest.mark.parametrize("split", ["train", "held_out", "all"])
def test_items_are_unlike_each_other_and_halves_share_none(split):
    task, params = drawn(split)
    assert (features(params["items"]).abs() == 1).all()
    shown = features(params["items"])
    equal = (shown[:, :, None] == shown[:, None]).float().mean(3)
    others = ~torch.eye(8, dtype=torch.bool)
    assert equal[:, others].max() <= 0.66
    assert equal[:, others].mean() < 0.5  # published: unlike on average, since the like are redrawn
    assert shown.mean((0, 1)).abs().max() < 0.03  # standard error .006
    ones = (shown > 0).sum(2) % 2
    if split != "all":
        assert (ones == int(split == "held_out")).all()
    counts = torch.bincount(params["count"]) / 4000
    assert counts[4:].numpy() == pytest.approx(0.2, abs=0.025)
    for row in range(50):
        by_hand = {name: value[row : row + 1].tolist() for name, value in params.items()}
        assert all(
            torch.equal(task.validate(by_hand)[k], v[row : row + 1]) for k, v in params.items()
        )


def test_pairs_are_neighbours_first_and_then_any_with_equal_probability():
    _, params = drawn("train", 20_000, fewest_items=4, most_items=4)
    pair = params["pair"]
    seen = torch.bincount((4 * pair[:, :20, 0] + pair[:, :20, 1]).flatten(), minlength=16)
    seen = (seen / 400_000).view(4, 4).numpy()
    near = np.abs(np.subtract.outer(range(4), range(4))) == 1
    assert seen == pytest.approx(near / 6, abs=0.003)  # standard error .0006
    seen = torch.bincount((4 * pair[:, 20:, 0] + pair[:, 20:, 1]).flatten(), minlength=16)
    seen = (seen / 200_000).view(4, 4).numpy()
    assert seen == pytest.approx((1 - np.eye(4)) / 12, abs=0.003)


def test_one_who_infers_the_order_from_neighbours_is_right_about_all(play):
    """Chains of what was higher decide every pair, once all neighbours were met."""
    task = envs.TransitiveInference(learning_trials=60, trials=90, trial_steps=1)
    n, rows = 100, range(100)
    higher = [set() for _ in rows]
    last = [None] * n

    def reaches(row, start, end):
        known, found = {start}, True
        while found:
            found = {b for a, b in higher[row] if a in known} - known
            known |= found
        return end in known

    def policy(t, obs, reward):
        action = torch.zeros(n, dtype=torch.int64)
        for row in rows:
            if last[row]:
                first, second, chosen = last[row]
                first_is_higher = (reward[row] > 0) == (chosen == 0)
                higher[row].add((first, second) if first_is_higher else (second, first))
            one, other = (tuple(part.tolist()) for part in obs[row, :30].chunk(2))
            action[row] = int(reaches(row, other, one))
            last[row] = (one, other, int(action[row]))
        return action

    record = play(task, policy, n, "held_out")
    test = record["phase"] == 1
    assert record["correct"][test].mean() > 0.99
    assert (record["distance"][test] > 1).mean() > 0.4
    assert record["correct"][0, :, 0].mean() == pytest.approx(0.5, abs=0.2)  # the first is a guess
    assert (record["adjacent"][~test] == 1).all()


def test_what_is_not_a_task_is_refused():
    fields = {"fewest_items": 2, "most_items": 3, "trials": 1}
    env = envs.TaskVectorEnv("prefrontal.envs:TransitiveInference", 1, **fields)
    good = {"items": [[1, 2, 3]], "count": [2], "pair": [[[0, 1]]]}
    env.reset(options={"task": good})
    for change, message in (
        ({"items": [[1, 1, 3]]}, "items of an episode must differ"),
        ({"pair": [[[0, 2]]]}, "two different ranks below the number of items"),
        ({"pair": [[[1, 1]]]}, "two different ranks"),
        ({"count": [4]}, r"'count' must lie in \[2, 3\]"),
    ):
        with pytest.raises(ValueError, match=message):
            env.reset(options={"task": good | change})
    env.reset(options={"task": good | {"items": [[1, 2, 2]]}})  # the third is not used
    with pytest.raises(ValueError, match="fewest_items must be at most most_items, 3, not 4"):
        envs.TransitiveInference(fewest_items=4, most_items=3)

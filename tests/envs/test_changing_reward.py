"""The changing-reward task: chance and ceiling as published, changes, facts, and halves."""

import itertools

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.changing_modes import COLOURS, MAPS, PALETTE, SETS, colour_sets, mode_rewards

RED, YELLOW, GREEN, BLUE = range(4)


def optimal_policy(task):
    """Look up what the colours pay in the first map of a mode (covariate shift: no change)."""
    rgb = torch.tensor([colour for colour, _ in PALETTE.values()]) / 255.0
    pays = torch.tensor([reward for _, reward in PALETTE.values()])

    def policy(t, obs, reward):
        left, right = (torch.cdist(half, rgb).argmin(1) for half in (obs[:, :3], obs[:, 3:6]))
        return (pays[right] > pays[left]).long()

    return policy


def fields(record):
    return {name: value[0] for name, value in record.items()}


@pytest.mark.parametrize(("mode", "chance", "ceiling"), [("1", 2, 8 / 3), ("2", 8 / 3, 11 / 3)])
def test_chance_and_ceiling_of_the_published_modes(play, random_policy, mode, chance, ceiling):
    task = envs.ChangingReward(mode=mode)
    guessed = fields(play(task, random_policy(2), 2000, "train"))
    assert guessed["reward"].mean() == pytest.approx(chance, abs=0.01)  # standard error .002
    assert guessed["correct"].mean() == pytest.approx(0.5, abs=0.005)
    known = fields(play(task, optimal_policy(task), 2000, "held_out"))
    assert known["reward"].mean() == pytest.approx(ceiling, abs=0.01)
    assert (known["correct"] == 1).all()
    assert known["optimal_reward"].mean() == pytest.approx(ceiling, abs=0.01)
    # Six ordered pairs, equally probable on every trial, the last included.
    shown = sorted(COLOURS.index(name) for name in SETS[int(mode) - 1])
    for trials in (slice(None), slice(-1, None)):
        ordered = known["left"][:, trials] * 12 + known["right"][:, trials]
        codes, counts = np.unique(ordered, return_counts=True)
        assert codes.tolist() == sorted(12 * a + b for a, b in itertools.permutations(shown, 2))
        error = 5 * (counts.sum() / 6) ** 0.5
        np.testing.assert_allclose(counts, counts.sum() / 6, atol=error)


def test_published_colours_and_scaled_rewards_by_hand():
    env = envs.TaskVectorEnv(
        "prefrontal.envs:ChangingReward", 2, trials=2, inputs=("reward",), scale=0.25
    )
    rewards = np.zeros((2, 2, 12))
    rewards[:, :, [RED, YELLOW]] = 1, 2
    rewards[1, 1, RED] = 4  # red pays more than yellow now
    task = {"mode": [[1, 1], [1, 2]], "rewards": rewards, "draw": [[0.0, 0.9]] * 2}
    obs, _ = env.reset(seed=0, options={"task": task})
    assert obs.tolist() == [[1, 0, 0, 1, 1, 0, 0]] * 2  # red on the left
    obs, reward, _, _, info = env.step([1, 1])
    assert reward.tolist() == [0.5, 0.5]
    assert obs.tolist() == [[1, 1, 0, 1, 0, 0, 0.5]] * 2  # red on the right
    assert (info["pair"] == RED * 12 + YELLOW).all()
    assert (info["chosen"] == YELLOW).all()
    _, reward, _, _, info = env.step([1, 1])
    info = info["final_info"]
    assert reward.tolist() == [0.25, 1.0]
    assert info["correct"].tolist() == [0, 1]
    assert info["better"].tolist() == [YELLOW, RED]
    assert info["switches"].tolist() == [0, 1]
    assert info["order_changed"].tolist() == [0, 1]
    assert info["order_age"].tolist() == [1, 0]
    assert envs.ChangingReward(scale=0.25).reward_values == (0.25, 0.5, 0.75, 1.0)


def test_reset_options_switch_the_mode():
    env = envs.TaskVectorEnv("prefrontal.envs:ChangingReward", 2)
    drawn = env.reset(seed=3)[1]["task"]
    info = env.reset(seed=3, options={"task": {"mode": [2, 1]}})[1]["task"]
    assert info["mode"].tolist() == [[2] * 100, [1] * 100]
    assert (info["draw"] == drawn["draw"]).all()
    assert sorted(np.flatnonzero(info["rewards"][0, 0])) == [RED, GREEN, BLUE]
    assert (info["rewards"][1] == drawn["rewards"][1]).all()
    single = envs.TaskEnv("prefrontal.envs:ChangingReward")
    modes = [1] * 50 + [2] * 50
    assert (
        single.reset(seed=0, options={"task": {"mode": modes}})[1]["task"]["mode"].tolist() == modes
    )
    with pytest.raises(ValueError, match=r"'mode' must lie in \[1, 10\]"):
        env.reset(options={"task": {"mode": [11, 1]}})
    with pytest.raises(ValueError, match="must be positive for two colours"):
        env.reset(options={"task": {**drawn, "rewards": np.zeros((2, 100, 12))}})


def test_modes_have_three_rewards_and_maps_are_permutations():
    table = mode_rewards("covariate")
    assert table.shape == (10, 12)
    for row, names in zip(table, SETS, strict=True):
        assert row[row > 0].unique().numel() == 3
        assert [row[COLOURS.index(name)] for name in names] == [PALETTE[name][1] for name in names]
    assert len(set(SETS)) == 10
    assert ((table > 0).sum(0) >= 2).all()  # every colour is needed again
    maps = mode_rewards("concept")
    assert maps.shape == (24, 12)
    assert maps[0, :4].tolist() == [1, 2, 3, 4]
    assert maps[23, :4].tolist() == [4, 3, 2, 1]


def test_a_sequence_of_modes_and_its_cues(play, random_policy):
    task = envs.ChangingReward(mode="1,2", block=30)
    record = fields(play(task, random_policy(2), 20))
    expected = [1] * 30 + [2] * 30 + [1] * 30 + [2] * 10
    assert (record["mode"] == expected).all()
    assert (record["switches"] == np.repeat([0, 1, 2, 3], [30, 30, 30, 10])).all()
    assert (record["since_switch"] == np.concatenate([range(30)] * 3 + [range(10)])).all()
    told = envs.ChangingReward(mode="1,2", block=30, cue="switch")
    cue = fields(play(told, random_policy(2), 20))["observation"][..., 6]
    assert (np.flatnonzero(cue[0]) == [30, 60, 90]).all()
    named = envs.ChangingReward(change="concept", mode="1,24", block=50, cue="mode")
    obs = fields(play(named, random_policy(2), 5))["observation"]
    assert obs.shape[-1] == 30
    assert (obs[..., 6:].argmax(-1) == np.repeat([0, 23], 50)).all()
    # Joint training: the mode changes on every trial.
    joint = fields(play(envs.ChangingReward(mode="1,2", block=1), random_policy(2), 500))
    assert (joint["mode"][0] == np.tile([1, 2], 50)).all()


def test_concept_shift_reverses_pairs(play, random_policy):
    task = envs.ChangingReward(change="concept", mode="1,24", block=50)
    record = fields(play(task, random_policy(2), 200))
    lower = np.minimum(record["left"], record["right"])
    higher = np.maximum(record["left"], record["right"])
    assert (record["better"][:, :50] == higher[:, :50]).all()
    assert (record["better"][:, 50:] == lower[:, 50:]).all()
    assert (record["order_changed"] == np.repeat([0, 1], 50)).all()
    assert (record["order_age"] == np.concatenate([range(50)] * 2)).all()


def test_rewards_drift_from_map_to_map():
    task = envs.ChangingReward(change="gradual", mode="1,24", block=50)
    rewards = task.sample(1, "train", torch.Generator())["rewards"][0]
    np.testing.assert_allclose(rewards[0, :4], [1, 2, 3, 4])
    np.testing.assert_allclose(rewards[25, :4], 2.5)
    np.testing.assert_allclose(rewards[10, :4], [1.6, 2.2, 2.8, 3.4], rtol=1e-6)
    np.testing.assert_allclose(rewards[50, :4], [4, 3, 2, 1])
    np.testing.assert_allclose(rewards[60, :4], [3.4, 2.8, 2.2, 1.6], rtol=1e-6)
    assert not rewards[:, 4:].any()
    assert task.reward_values is None


@pytest.mark.parametrize("change", ["covariate", "concept", "gradual", "mixed"])
def test_drawn_changes(change, play, random_policy):
    task = envs.ChangingReward(change=change, mode="any", block=20, jitter=4)
    record = fields(play(task, random_policy(2), 300))
    rewards, mode = record["task.rewards"], record["mode"]
    shown = rewards > 0
    count = shown.sum(-1)
    assert (count == (count[:, :1])).all()
    drifts = (rewards % 1 != 0).any((1, 2))
    kinds = {
        "covariate": count[:, 0] == 3,
        "gradual": drifts,
        "concept": (count[:, 0] == 4) & ~drifts,
    }
    assert sum(kinds.values()).tolist() == [1] * 300
    if change == "mixed":
        for rows in kinds.values():
            assert rows.mean() == pytest.approx(1 / 3, abs=0.1)
    else:
        assert kinds[change].all()
    switch = mode[:, 1:] != mode[:, :-1]
    moved = (rewards[:, 1:] != rewards[:, :-1]).any(-1)
    sudden = ~kinds["gradual"]
    assert (switch == moved)[sudden].all()
    for row in np.flatnonzero(kinds["covariate"]):
        assert (shown[row].any(0).sum()) == 4
        values = rewards[row].max(0)
        assert sorted(values[values > 0]) == [1, 2, 3, 4]
        assert ((rewards[row] == values) | (rewards[row] == 0)).all()
    lengths = np.diff(np.flatnonzero(np.append(True, switch[0])))
    assert ((lengths >= 16) & (lengths < 24)).all()


def test_facts_by_brute_force(play, random_policy):
    task = envs.ChangingReward(change="mixed", mode="any", block=12, jitter=3, trials=60)
    record = fields(play(task, random_policy(2), 60))
    rewards = record["task.rewards"]
    for row in range(60):
        for t in range(60):
            pair = record["left"][row, t], record["right"][row, t]
            paid = [rewards[row, t, colour] for colour in pair]
            assert min(paid) > 0
            assert record["expected_reward"][row, t] == paid[record["action"][row, t]]
            assert record["reward"][row, t] == paid[record["action"][row, t]]
            assert record["correct"][row, t] == (record["reward"][row, t] == max(paid))
            assert record["optimal_action"][row, t] == (paid[1] > paid[0])
            assert record["pair"][row, t] == 12 * min(pair) + max(pair)

            def order(u, row=row, pair=pair):
                one, two = (rewards[row, u, colour] for colour in pair)
                return np.sign(one - two) if one > 0 and two > 0 else 0

            age = 0
            while age < t and order(t - age - 1) == order(t):
                age += 1
            assert record["order_age"][row, t] == age
            assert record["order_changed"][row, t] == (age < t)


def test_halves_are_disjoint():
    # COLOUR SETS, hence reward maps
    train, held_out = (
        {tuple(row) for row in colour_sets(s).tolist()} for s in ("train", "held_out")
    )
    assert not train & held_out
    assert len(train | held_out) == len(colour_sets("all")) == 495
    for half in (train, held_out):
        pairs = {pair for four in half for pair in itertools.combinations(four, 2)}
        assert len(pairs) == 66  # every pair of colours occurs in both
    # SCHEDULES and SEQUENCES
    task = envs.ChangingReward(change="concept", mode="any", block=20, jitter=5)
    for split, odd in (("train", 0), ("held_out", 1)):
        params = task.sample(3000, split, torch.Generator().manual_seed(1))
        switch = (params["mode"][:, 1:] != params["mode"][:, :-1]).int().argmax(1) + 1
        assert (switch % 2 == odd).all()
        assert set(switch.tolist()) == set(range(15, 25)) & set(range(14 + odd, 26, 2))
        assert ((params["draw"] >= 0.5).sum(1) % 2 == odd).all()
        assert params["draw"][:, -1].mean() == pytest.approx(0.5, abs=0.03)
        sets = {tuple(np.flatnonzero(r)) for r in params["rewards"][:, 0].numpy()}
        assert sets <= (held_out if odd else train)
        assert len(sets) > 230
        maps = {tuple(r[r > 0].int().tolist()) for r in params["rewards"][:, 0]}
        assert maps == set(MAPS)


def test_vector_environment_keeps_its_promises():
    for kwargs in ({}, {"change": "mixed", "mode": "any", "jitter": 3, "cue": "switch"}):
        envs.check_vector_env(
            lambda num_envs, kwargs=kwargs, **more: envs.TaskVectorEnv(
                "prefrontal.envs:ChangingReward", num_envs, trials=30, **kwargs, **more
            ),
            single=lambda kwargs=kwargs: envs.TaskEnv(
                "prefrontal.envs:ChangingReward", trials=30, **kwargs
            ),
            steps=70,
            episodes=40,
        )


def test_critics_see_what_the_colours_pay():
    env = envs.TaskVectorEnv(
        "prefrontal.envs:ChangingReward", 3, privileged=True, autoreset="disabled"
    )
    _, info = env.reset(seed=0)
    for _ in range(100):
        seen = info["privileged"]
        _, _, _, _, info = env.step([0, 1, 0])
        sides = np.where([0, 1, 0], seen[:, 1], seen[:, 0])
        np.testing.assert_allclose(info["expected_reward"], 4 * sides)
    np.testing.assert_allclose(info["privileged"][:, 2], 1.0)


def test_picture_shows_both_colours():
    env = envs.TaskEnv("prefrontal.envs:ChangingReward", render_mode="rgb_array")
    obs, _ = env.reset(seed=0)
    picture = env.render()
    np.testing.assert_allclose(picture[100, 256] / 255, obs[:3])  # those to choose from now
    np.testing.assert_allclose(picture[100, 344] / 255, obs[3:6])
    env.step(1)
    np.testing.assert_allclose(env.render()[100, [56, 144]] / 255, obs[:6].reshape(2, 3))  # before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "11"}, "mode must be 'any', or numbers from 1 to 10"),
        ({"mode": "1;2"}, "mode must be 'any', or numbers"),
        ({"mode": "25", "change": "concept"}, "from 1 to 24"),
        ({"change": "mixed"}, "it needs mode 'any'"),
        ({"change": "other"}, "change must be one of 'covariate', 'concept', 'gradual', 'mixed'"),
        ({"cue": "loud"}, "cue must be one of 'none', 'switch', 'mode'"),
        ({"cue": "mode", "mode": "any"}, "cue 'mode' needs modes named by number"),
        ({"jitter": 25}, "jitter must be below block, 25, not 25"),
        ({"scale": 0.0}, "scale must be positive"),
        ({"block": 0}, "block must be at least 1"),
    ],
)
def test_bad_fields_are_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        envs.ChangingReward(**wrong)


def test_rounding_does_not_carry_the_largest_reward_out_of_the_space():
    fields = {"mode": "any", "scale": 0.25, "change": "mixed", "trials": 50}
    env = gymnasium.make_vec(
        "prefrontal/ChangingReward-v0", num_envs=64, inputs=("centred_reward",), **fields
    )
    env.reset(seed=0)
    highest = env.single_observation_space.high[env.unwrapped.input_slices["centred_reward"]]
    assert highest == pytest.approx(1)
    top = 0.0
    for _ in range(49):
        observation, reward, *_ = env.step(env.action_space.sample())
        top = max(top, reward.max())
        assert env.observation_space.contains(observation)
    assert top == 1

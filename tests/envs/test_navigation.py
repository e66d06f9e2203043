"""Firefly navigation: dynamics by hand, stop rule, rewards, noise, pulses, splits, targets."""

import itertools
import math

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import TD3

from prefrontal import envs
from prefrontal.envs import navigation_laws as laws

QUIET = {"process_noise": 0.0, "observation_noise": 0.0}


def make(num_envs=1, target=(0.0, 300.0), gain=1.0, pulse=None, **fields):
    """An environment on one task for all rows, and its first observation."""
    task = envs.FireflyNavigation(**fields)
    env = envs.TaskVectorEnv(task, num_envs, inputs=("action",), autoreset="disabled")
    places = np.broadcast_to(target, (num_envs, task.targets, 2))
    by_hand = {"target": places, "gain": np.full(num_envs, gain)}
    if pulse is not None:
        by_hand["pulse"] = np.broadcast_to(pulse, (num_envs, task.targets, 3))
    obs, _ = env.reset(seed=0, options={"task": by_hand})
    return env, obs


def play(env, actions):
    """Take actions (one for all rows) and return observations, rewards and facts by step."""
    record = []
    for action in actions:
        obs, reward, *_, info = env.step(np.tile(np.float32(action), (env.num_envs, 1)))
        record.append((obs, reward, info))
    return record


def column(record, name, row=0):
    return np.array([info[name][row] for _, _, info in record])


class TestDynamics:
    def test_velocities_act_a_step_later_and_in_the_published_order(self):
        env, obs = make(**QUIET)
        assert obs[0] == pytest.approx([0, 0, 0, 0.75, 0, 0])
        record = play(env, [(1.0, 0.5), (1.0, 0.5), (0.5, -1.0), (0.0, 0.0)])
        # Step 0 moves nothing; then 200 cm/s and 45 degrees/s for .1 s each, heading last.
        x, y, heading = (column(record, name) for name in ("x", "y", "heading"))
        turn = math.radians(4.5)
        assert heading == pytest.approx([90, 90, 94.5, 99.0], abs=1e-4)
        assert y == pytest.approx([0, 0, 20, 20 + 20 * math.cos(turn)], abs=1e-3)
        assert x == pytest.approx([0, 0, 0, -20 * math.sin(turn)], abs=1e-3)
        assert column(record, "v") == pytest.approx([0, 200, 200, 100])
        assert column(record, "w") == pytest.approx([0, 45, 45, -90], abs=1e-4)
        # What is seen is the new velocity, what was done the action
        assert record[0][0][0] == pytest.approx([0.5, math.pi / 4, 0, 0.75, 1.0, 0.5])
        assert record[2][0][0] == pytest.approx([0.25, -math.pi / 2, 0, 0, 0.5, -1.0])

    def test_gain_multiplies_both_speeds(self):
        slow, _ = make(**QUIET)
        fast, _ = make(gain=2.5, **QUIET)
        actions = [(0.7, 0.3)] * 5
        a, b = play(slow, actions), play(fast, actions)
        for name in ("v", "w"):
            assert column(b, name) == pytest.approx(2.5 * column(a, name), rel=1e-5)

    def test_target_is_visible_for_three_steps(self):
        env, obs = make()
        record = play(env, [(1.0, 0.0)] * 6)
        seen = [obs[0, 3], *(o[0, 3] for o, _, _ in record)]
        assert [value != 0 for value in seen] == [True] * 3 + [False] * 4
        env, obs = make(visible_steps=4)
        assert play(env, [(1.0, 0.0)] * 3)[-1][0][0, 3] != 0

    def test_mirror_image_of_every_step(self):
        left, obs_left = make(target=(-120.0, 250.0), **QUIET)
        right, obs_right = make(target=(120.0, 250.0), **QUIET)
        signs, action_signs = (np.array(s) for s in left.mirror)
        assert obs_left * signs == pytest.approx(obs_right)
        actions = np.random.default_rng(0).uniform(-1, 1, (12, 2))
        pairs = zip(play(left, actions), play(right, actions * action_signs), strict=True)
        for (a, reward_a, info_a), (b, reward_b, info_b) in pairs:
            assert a * signs == pytest.approx(b, abs=1e-6)
            assert reward_a == reward_b
            assert info_a["distance"] == pytest.approx(info_b["distance"], abs=1e-3)


class TestEnd:
    def test_episode_has_35_steps_and_rests_after_the_stop(self):
        env, _ = make(3)
        assert env.steps == 35
        record = play(env, [(1.0, 0.2)] * 4 + [(0.05, -0.09)] + [(1.0, 1.0)] * 29)
        assert not env._over.equal(env._running)
        assert column(record, "active").tolist() == [1.0] * 5 + [0.0] * 29
        assert np.flatnonzero(column(record, "stopped")).tolist() == [4]
        assert np.flatnonzero(column(record, "ended")).tolist() == [4]
        for obs, reward, info in record[5:]:
            assert (obs[:, :4] == 0).all()
            assert (reward == 0).all()
            assert (info["v"] == 0).all()
            assert info["x"] == pytest.approx(record[5][2]["x"])
        *_, terminated, truncated, _ = env.step(np.zeros((3, 2), np.float32))
        assert terminated.all()
        assert not truncated.any()

    def test_only_one_who_started_can_stop(self):
        env, _ = make()
        record = play(env, [(0.0, 0.0)] * 3 + [(0.0, 0.2)] + [(0.09, 0.11)] + [(0.09, 0.09)])
        assert column(record, "started").tolist() == [0, 0, 0, 0, 1, 1]
        assert column(record, "stopped").tolist() == [0, 0, 0, 0, 0, 1]

    def test_time_out_pays_nothing(self):
        env, _ = make(target=(0.0, 1.0), **QUIET)
        record = play(env, [(0.0, 0.5)] * 35)
        assert column(record, "ended").tolist() == [0] * 34 + [1]
        assert column(record, "distance").max() < 65
        assert not np.any([reward for _, reward, _ in record])
        assert not column(record, "rewarded").any()

    @pytest.mark.parametrize(("end_position", "reached"), [("after", 60.0), ("before", 40.0)])
    def test_place_that_counts(self, end_position, reached):
        env, _ = make(target=(0.0, 110.0), end_position=end_position, reward="zone", **QUIET)
        record = play(env, [(1.0, 0.0)] * 3 + [(0.0, 0.0)] * 2)
        # By the stopping step two steps of 20 cm were made, and a third is under way.
        assert column(record, "y")[3] == pytest.approx(40.0)
        assert column(record, "end_y")[3] == pytest.approx(reached)
        assert column(record, "distance")[3] == pytest.approx(110 - reached)
        assert record[3][1][0] == (110 - reached < 65)
        assert column(record, "y")[4] == pytest.approx(reached)


class TestReward:
    @pytest.mark.parametrize(
        ("distance", "shaped", "zone"),
        [
            (0.0, 10.0, 1.0),
            (64.9, 10.0, 1.0),
            (65.1, 10 * math.exp(-0.5 * (1.5 * 65.1 / 65) ** 2), 0.0),
            (100.0, 10 * math.exp(-0.5 * (150 / 65) ** 2), 0.0),
            (300.0, 0.01, 0.0),
        ],
    )
    def test_values(self, distance, shaped, zone):
        for kind, value in {"shaped": shaped, "zone": zone}.items():
            env, _ = make(target=(0.0, 20.0 + distance), reward=kind, **QUIET)
            record = play(env, [(1.0, 0.0), (0.0, 0.0)])
            assert column(record, "distance")[1] == pytest.approx(distance, abs=1e-3)
            assert record[0][1][0] == 0.0
            assert record[1][1][0] == pytest.approx(value, rel=1e-4)
            assert column(record, "rewarded")[1] == zone


class TestNoise:
    @pytest.mark.parametrize(("scales", "factor"), [(True, 2.0), (False, 1.0)])
    def test_size_and_what_it_scales_with(self, scales, factor):
        env, _ = make(20_000, gain=2.0, noise_scales_with_gain=scales)
        (obs, _, _), (_, _, info) = play(env, [(0.5, -0.5)] * 2)
        v, w = info["v"] / 400, np.radians(info["w"])  # after one step
        for value, seen, speed in ((v, obs[:, 0], 0.5), (w, obs[:, 1], math.pi / 2)):
            assert abs(value).mean() == pytest.approx(speed, rel=0.02)  # gain 2, half the joystick
            assert value.std() == pytest.approx(0.2 * speed * factor, rel=0.02)
            assert (seen - value).std() == pytest.approx(0.1 * speed * factor, rel=0.02)
        assert abs(np.corrcoef([v, w, obs[:, 0] - v, obs[:, 1] - w]) - np.eye(4)).max() < 0.03

    def test_observation_noise_can_be_off_and_changes_nothing_else(self):
        a, b = make(50)[0], make(50, observation_noise=0.0)[0]
        actions = [(0.5, 0.3)] * 4
        noisy, clean = play(a, actions), play(b, actions)
        for (_, _, x), (_, _, y) in zip(noisy, clean, strict=True):
            assert (x["v"] == y["v"]).all()
        for (obs, _, _), (_, _, info) in itertools.pairwise(clean):
            assert obs[:, 0] == pytest.approx(info["v"] / 400)

    def test_normal_numbers_stay_within_the_observation_space(self):
        extremes = torch.tensor([[0.0, 1 - 2**-24]] * 4)
        assert laws.normal_pairs(extremes).abs().max() < 6.0


class TestPulses:
    def test_shape_and_onset(self):
        env, _ = make(pulse=[100.0, -60.0, 4.0], **QUIET)
        record = play(env, [(0.0, 0.0)] * 20)
        v = column(record, "v")  # at step t: of the pulse at t - 1
        expected = [0.0] * 5 + [100 * math.exp(-0.5 * ((k - 5) / 2) ** 2) for k in range(11)]
        assert v == pytest.approx([*expected, 0, 0, 0, 0], abs=1e-3)
        assert column(record, "w") == pytest.approx(-0.6 * v, abs=1e-3)

    @pytest.mark.parametrize(("kind", "low", "high"), [("small", -200, 200), ("large", -200, 800)])
    def test_law(self, kind, low, high):
        task = envs.FireflyNavigation(perturbation=kind)
        pulse = task.sample(20_000, "train", torch.Generator().manual_seed(0))["pulse"][:, 0]
        assert pulse[:, 0].min() == pytest.approx(low, abs=2)
        assert pulse[:, 0].max() == pytest.approx(high, abs=2)
        assert pulse[:, 0].mean() == pytest.approx((low + high) / 2, abs=8)
        assert pulse[:, 2].unique().tolist() == list(range(11))


class TestLaws:
    def test_targets_are_uniform_over_the_area_of_the_sector(self):
        task = envs.FireflyNavigation()
        target = task.sample(40_000, "train", torch.Generator().manual_seed(0))["target"][:, 0]
        radius, angle = target.norm(dim=1), torch.atan2(target[:, 0], target[:, 1]).rad2deg()
        assert 100 <= radius.min() < 105
        assert 398 < radius.max() <= 400.001
        assert angle.abs().max() <= 35.001
        # Half the area lies within sqrt((100^2 + 400^2) / 2)
        assert (radius < math.sqrt(85_000)).float().mean() == pytest.approx(0.5, abs=0.01)
        assert (angle.abs() < 17.5).float().mean() == pytest.approx(0.5, abs=0.01)
        assert abs(np.corrcoef(radius, angle)[0, 1]) < 0.02

    @pytest.mark.parametrize("law", ["one", "many"])
    def test_gains_of_the_splits_are_disjoint(self, law):
        task = envs.FireflyNavigation(gain_law=law)
        gains = {
            split: task.sample(20_000, split, torch.Generator().manual_seed(0))["gain"].double()
            for split in ("train", "held_out", "all")
        }
        if law == "one":
            assert (gains["train"] == 1).all()
            assert gains["held_out"].log2().abs().min() >= 0.25 - 1e-6
            assert (gains["all"] == 1).double().mean() == pytest.approx(0.5, abs=0.02)
        else:
            band = ((gains["train"].log2() + 1) / 3 * 8).floor().long().clamp(0, 7)
            assert set(band.tolist()) == {0, 3, 5, 6}
            band = ((gains["held_out"].log2() + 1) / 3 * 8).floor().long().clamp(0, 7)
            assert set(band.tolist()) == {1, 2, 4, 7}
        assert gains["all"].min() == pytest.approx(0.5, abs=0.01)
        assert gains["all"].max() == pytest.approx(4.0, abs=0.01)

    def test_gains_of_a_list(self):
        task = envs.FireflyNavigation(gains=[0.5, 2])
        gain = task.sample(2000, "train", torch.Generator().manual_seed(0))["gain"]
        assert (gain == 2).float().mean() == pytest.approx(0.5, abs=0.05)
        assert set(gain.tolist()) == {0.5, 2.0}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"reward": "sparse"}, "reward must be one of 'shaped', 'zone', not 'sparse'"),
            ({"gain_law": "two"}, "gain_law must be one of 'one', 'many'"),
            ({"perturbation": "huge"}, "perturbation must be one of 'none', 'small', 'large'"),
            ({"end_position": "now"}, "end_position must be one of 'after', 'before'"),
            ({"targets": 0}, "targets must be at least 1"),
            ({"process_noise": -0.1}, "process_noise must not be negative"),
            ({"gains": (0.0,)}, r"gains must be above 0 and at most 8"),
        ],
    )
    def test_wrong_fields_are_errors(self, fields, message):
        with pytest.raises(ValueError, match=message):
            envs.FireflyNavigation(**fields)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"gain": [1.0, 1.0]}, "must be 'target' and"),
            ({"target": [[0.0, 200.0]] * 2}, r"\[num_envs, 1, 2\]; got \[2, 2\]"),
            ({"target": [[[0.0, 2e3]]] * 2}, "'target' must lie in"),
            ({"target": [[[0.0, 200.0]]] * 2, "gain": [1.0]}, "same number of episodes"),
            ({"target": [[[0.0, 200.0]]] * 2, "size": [1.0]}, "task parameters must be"),
            ({"target": [[[0.0, 2e2]]] * 2, "pulse": [[[0, 400, 1]]] * 2}, "angular pulses"),
        ],
    )
    def test_wrong_tasks_by_hand_are_errors(self, params, message):
        env = envs.TaskVectorEnv(envs.FireflyNavigation(), 2)
        with pytest.raises(ValueError, match=message):
            env.reset(seed=0, options={"task": params})


class TestSeveralTargets:
    def test_the_next_one_is_seen_from_where_the_agent_is(self):
        targets = [[0.0, 100.0], [50.0, 200.0]]
        env, _ = make(targets=2, target=targets, reward="zone", **QUIET)
        assert env.steps == 70
        go, stop = (1.0, 1.0), (0.0, 0.0)
        record = play(env, [go] * 4 + [stop] + [stop] * 2 + [go] * 3 + [stop] + [go] * 3)
        assert column(record, "trial").tolist() == [0] * 5 + [1] * 9
        assert column(record, "clock").tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 5 - 5, 1, 2]
        assert column(record, "active").tolist() == [1] * 11 + [0] * 3
        assert np.flatnonzero(column(record, "stopped")).tolist() == [4, 10]
        seen = [obs[0, 2:4].tolist() for obs, _, _ in record]
        assert seen[4:8] == [[0.125, 0.5]] * 3 + [[0.0, 0.0]]
        assert column(record, "x")[5] == 0.0
        assert column(record, "heading")[5] == pytest.approx(90.0)
        # The same movement in both frames
        for name in ("x", "y", "heading"):
            assert column(record, name)[8:11] == pytest.approx(column(record, name)[1:4], abs=1e-3)
        # In the world: where the first trial ended plus the turned path of the second
        origin, pose = (env._state[name][:, 0].double() for name in ("origin", "pose"))
        assert origin[:2] * 400 == pytest.approx(
            np.array([column(record, "end_x")[4], column(record, "end_y")[4]]), abs=1e-3
        )
        assert origin[2] == pytest.approx(math.radians(36.0), abs=1e-5)
        assert pose[0] * 400 == pytest.approx(column(record, "end_x")[10], abs=1e-3)

    def test_motion_goes_on_after_a_time_out(self):
        env, _ = make(targets=2, target=[[0.0, 100.0]] * 2, trial_steps=5, **QUIET)
        record = play(env, [(1.0, 0.0)] * 10)
        assert column(record, "v").tolist() == [0.0] + [200.0] * 9
        assert column(record, "y") == pytest.approx([0, 0, 20, 40, 60, 0, 20, 40, 60, 80])
        assert column(record, "ended").tolist() == [0, 0, 0, 0, 1] * 2

    def test_gain_is_the_same_within_and_varies_across_episodes(self):
        task = envs.FireflyNavigation(targets=5, gain_law="many")
        params = task.sample(100, "train", torch.Generator().manual_seed(0))
        assert params["gain"].shape == (100,)
        assert params["target"].shape == (100, 5, 2)
        assert params["gain"].std() > 0.3

    def test_several_targets_pass_the_checker(self):
        make_vec = lambda n, **kwargs: gymnasium.make_vec(  # noqa: E731
            "prefrontal/FireflyNavigation-v0",
            n,
            targets=3,
            perturbation="large",
            trial_steps=9,
            **kwargs,
        )
        envs.check_vector_env(make_vec, steps=60)


def test_picture_shows_the_path_from_above():
    env = gymnasium.make("prefrontal/FireflyNavigation-v0", render_mode="rgb_array", targets=2)
    env.reset(seed=0)
    before = env.render()
    assert before.shape == (400, 400, 3)
    assert before.dtype == np.uint8
    for action in [(1.0, 0.1)] * 6 + [(0.0, 0.0)]:
        env.step(np.float32(action))
    after = env.render()
    blue, orange = (np.array(colour) for colour in ((0, 114, 178), (230, 159, 0)))
    assert (after == blue).all(-1).sum() > (before == blue).all(-1).sum() + 20
    assert (after == orange).all(-1).sum() > 30  # two targets now


def test_picture_shows_a_new_target_even_where_nothing_moved():
    env = gymnasium.make(
        "prefrontal/FireflyNavigation-v0",
        render_mode="rgb_array",
        targets=3,
        trial_steps=5,
        process_noise=0.0,
    )
    places = [[0.0, 300.0], [300.0, 0.0], [-300.0, 0.0]]
    env.reset(seed=0, options={"task": {"target": places}})
    seen = []
    for t in range(15):
        if t in (0, 5, 10):
            seen.append((env.render() == (230, 159, 0)).all(-1).sum())
        env.step(np.zeros(2, np.float32))
    assert seen[0] < seen[1] < seen[2]
    assert abs(int((env.render() == (230, 159, 0)).all(-1).sum()) - int(seen[2])) < 20  # no fourth


def test_pulses_begin_within_short_trials():
    for steps in (1, 4):
        task = envs.FireflyNavigation(perturbation="large", trial_steps=steps, targets=2)
        drawn = task.sample(200, "train", torch.Generator().manual_seed(0))
        assert drawn["pulse"][..., 2].max() == steps - 1
        task.validate({name: value.numpy() for name, value in drawn.items()})


@pytest.mark.parametrize("action", [[2.0, 0.0], [np.nan, 0.0]])
def test_actions_outside_the_box_are_errors(action):
    env, _ = make()
    with pytest.raises(ValueError, match="actions must lie in Box"):
        env.step([action])


def test_sb3_td3_trains_on_it():
    env = envs.to_sb3_vec_env(
        gymnasium.make_vec("prefrontal/FireflyNavigation-v0", num_envs=4, inputs=("action",))
    )
    model = TD3("MlpPolicy", env, learning_starts=40, batch_size=16, seed=0, device="cpu")
    before = [p.detach().clone() for p in model.actor.parameters()]
    model.learn(200)
    assert any((a != b).any() for a, b in zip(before, model.actor.parameters(), strict=True))


class TestDiscreteJoystick:
    def test_each_action_is_its_command(self):
        task = envs.FireflyNavigation(joystick="discrete", **QUIET)
        env = envs.TaskVectorEnv(task, 15, inputs=("action",))
        assert env.single_action_space.n == 15
        assert env.mirror is None
        obs, _ = env.reset(seed=0)
        assert obs.shape == (15, 4 + 15)
        obs, *_ = env.step(np.arange(15))
        commands = np.array(laws.COMMANDS)
        assert obs[:, :2] == pytest.approx(commands * [0.5, math.pi / 2], abs=1e-6)
        *_, info = env.step(np.zeros(15, dtype=int))
        assert info["stopped"].tolist() == [0.0] + [1.0] * 14
        assert abs(commands[1:, 0]).min() > 0.1

    def test_passes_the_checker(self):
        make_vec = lambda n, **kwargs: gymnasium.make_vec(  # noqa: E731
            "prefrontal/FireflyNavigation-v0", n, joystick="discrete", trial_steps=9, **kwargs
        )
        envs.check_vector_env(make_vec, steps=40)


def test_an_episode_can_be_shorter_than_all_its_trials():
    env, _ = make(targets=3, target=[[0.0, 100.0]] * 3, episode_steps=12, trial_steps=5, **QUIET)
    assert env.steps == 12
    record = play(env, [(1.0, 0.0)] * 12)
    assert column(record, "trial").tolist() == [0] * 5 + [1] * 5 + [2] * 2
    with pytest.raises(ValueError, match="episode_steps must not be negative"):
        envs.FireflyNavigation(episode_steps=-1)


@pytest.mark.parametrize("name", ["process_noise", "observation_noise"])
def test_noise_must_be_a_number_that_is_not_negative(name):
    with pytest.raises(ValueError, match=f"{name} must not be negative, not -0.1"):
        envs.FireflyNavigation(**{name: -0.1})
    for value in (float("inf"), float("nan")):
        with pytest.raises(
            ValueError, match=f"{name} must (be a finite number|not be negative), not {value}"
        ):
            envs.FireflyNavigation(**{name: value})

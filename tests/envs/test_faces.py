"""The vector face and the single face: seeds, inputs, autoreset, members, tasks by hand, resume."""

import copy
import dataclasses
import pickle

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from prefrontal import envs
from prefrontal.envs import TASKS

ID = "prefrontal/TwoArmedBandit-v0"


def make_vec(num_envs=4, **kwargs):
    return gymnasium.make_vec(ID, num_envs=num_envs, **kwargs)


def rollout(env, steps, seed=None, restart=True):
    """Return rewards [steps, n] and observations of fixed pseudo-random actions."""
    if restart:
        env.reset(seed=seed)
    generator = np.random.default_rng(0)
    rewards, observations = [], []
    for _ in range(steps):
        if env.unwrapped.num_actions:
            action = generator.integers(env.unwrapped.num_actions, size=env.num_envs)
        else:
            shape = (env.num_envs, *env.single_action_space.shape)
            action = generator.uniform(-0.3, 1.0, shape).astype(np.float32)
        tensors = env.unwrapped.tensors
        obs, reward, *_ = env.step(torch.from_numpy(action) if tensors else action)
        rewards.append(np.array(reward.numpy() if tensors else reward))
        observations.append(np.array(obs.numpy() if tensors else obs))
    return np.stack(rewards), np.stack(observations)


class TestSeeds:
    @pytest.mark.parametrize("seed", [np.int64(3), np.int32(3), np.uint8(3)])
    def test_numpy_integers_are_seeds(self, seed):
        for env in (make_vec(), gymnasium.make(ID)):
            expected = env.reset(seed=3)[1]["task"]["p"]
            assert (env.reset(seed=seed)[1]["task"]["p"] == expected).all()

    @pytest.mark.parametrize("env", [make_vec(), gymnasium.make(ID)])
    def test_other_things_are_not(self, env):
        with pytest.raises(TypeError, match=r"seed must be an integer or None; got 3\.0"):
            env.reset(seed=3.0)

    def test_seed_determines_everything_and_episodes_differ(self):
        a, b = rollout(make_vec(), 250, seed=1), rollout(make_vec(), 250, seed=1)
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()
        assert (a[0][:100] != a[0][100:200]).any()
        assert (a[0] != rollout(make_vec(), 250, seed=2)[0]).any()

    def test_without_a_seed_two_environments_differ(self):
        tasks = [make_vec(64).reset()[1]["task"]["p"] for _ in range(2)]
        assert (tasks[0] != tasks[1]).any()

    def test_single_face_is_the_vector_face_with_one_row(self):
        single, vector = gymnasium.make(ID), make_vec(1)
        (a, info_a), (b, info_b) = single.reset(seed=5), vector.reset(seed=5)
        for action in (0, 1, 1, 0) * 20:
            assert (a == b[0]).all()
            assert (info_a["task"]["p"] == info_b["task"]["p"][0]).all()
            a, reward_a, *_, info_a = single.step(action)
            b, reward_b, *_, info_b = vector.step([action])
            assert reward_a == reward_b[0]


class TestInputs:
    def test_default_is_action_reward_time(self):
        env = make_vec(2)
        obs, _ = env.reset(seed=0)
        assert obs.tolist() == [[1, 0, 0, 0, 0]] * 2
        obs, reward, *_ = env.step([0, 1])
        assert obs[:, env.input_slices["action"]].tolist() == [[1, 0], [0, 1]]
        assert (obs[:, env.input_slices["reward"]][:, 0] == reward).all()
        assert obs[:, env.input_slices["time"]] == pytest.approx(0.01)
        assert env.input_slices["observation"] == slice(0, 1)

    def test_order_is_as_listed(self):
        env = make_vec(2, inputs=("time", "centred_reward", "reward_one_hot", "action"))
        names = ["observation", "time", "centred_reward", "reward_one_hot", "action"]
        assert list(env.input_slices) == names
        starts = [part.start for part in env.input_slices.values()]
        assert starts == sorted(starts)
        obs, _ = env.reset(seed=0)
        assert (obs[:, 1:] == 0).all()
        obs, reward, *_ = env.step([0, 1])
        assert (obs[:, env.input_slices["centred_reward"]][:, 0] == 2 * reward - 1).all()
        assert (obs[:, env.input_slices["reward_one_hot"]].argmax(1) == reward).all()

    def test_none_gives_the_bare_observation(self):
        obs, _ = make_vec(3, inputs=()).reset(seed=0)
        assert obs.shape == (3, 1)

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            (("rewards",), "inputs must be among action, reward, .*; got 'rewards'"),
            (("time", "time"), "must not repeat"),
            ({"action", "reward"}, "inputs must be in an order, such as .*; a set has none"),
            (frozenset(("action",)), "inputs must be in an order"),
        ],
    )
    def test_wrong_names_are_errors(self, inputs, message):
        with pytest.raises(ValueError, match=message):
            make_vec(inputs=inputs)


class TestEpisodes:
    def test_same_step_returns_the_next_episode_and_keeps_the_last_observation(self):
        env = make_vec(3, trials=5)
        assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        _, info = env.reset(seed=0)
        before = info["task"]["p"]
        for _ in range(4):
            _, _, terminated, truncated, info = env.step([0, 1, 0])
            assert not terminated.any()
            assert "final_obs" not in info
        obs, reward, terminated, truncated, info = env.step([0, 1, 0])
        assert terminated.all()
        assert not truncated.any()
        assert obs.tolist() == [[1, 0, 0, 0, 0]] * 3
        final = np.stack(info["final_obs"])
        assert (final[:, 3] == reward).all()
        assert (final[:, 4] == 1).all()
        assert info["_final_obs"].all()
        assert (info["final_info"]["task"]["p"] == before).all()
        assert (info["task"]["p"] != before).any()
        # The facts are those of the step just taken, with and without an end.
        assert (info["trial"] == 4).all()
        assert (info["expected_reward"] == before[range(3), [0, 1, 0]]).all()

    def test_disabled_autoreset_asks_for_a_reset(self):
        env = make_vec(2, trials=2, autoreset="disabled")
        with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) first"):
            env.step([0, 0])
        env.reset(seed=0)
        env.step([0, 0])
        obs, _, terminated, _, info = env.step([0, 0])
        assert terminated.all()
        assert (obs[:, 4] == 1).all()
        assert "final_obs" not in info
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step([0, 0])

    @pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
    def test_modes_of_gymnasium_are_understood(self, mode):
        env = make_vec(2, trials=2, autoreset=mode)
        assert env.metadata["autoreset_mode"] is mode
        env.reset(seed=0)
        env.step([0, 0])
        assert ("final_obs" in env.step([0, 0])[-1]) == (mode is AutoresetMode.SAME_STEP)

    def test_reset_masks_of_gymnasium_name_all_rows(self):
        env = RecordEpisodeStatistics(make_vec(3, trials=2, autoreset="disabled"))
        expected = make_vec(3).reset(seed=4)[1]["task"]["p"]
        env.reset(seed=0)
        for _ in range(2):
            over = env.step([0, 1, 0])[2]
        options = {"reset_mask": over, "task": {"p": expected}}
        assert (env.reset(options=options)[1]["task"]["p"] == expected).all()
        env.step([0, 1, 0])
        for mask, message in (
            (np.array([True, False, True]), "reset_mask must be true in every row: .* lock-step"),
            (np.zeros(3, dtype=bool), "reset_mask must be true in every row"),
            (np.ones(2, dtype=bool), "reset_mask must be 3 of true or false"),
            (np.ones(3), "reset_mask must be 3 of true or false"),
        ):
            with pytest.raises(ValueError, match=message):
                env.unwrapped.reset(seed=1, options={"reset_mask": mask})
        env.step([0, 1, 0])  # the refused ones left the episode as it was
        with pytest.raises(ValueError, match="reset options must be 'task' only; got reset_mask"):
            gymnasium.make(ID).reset(options={"reset_mask": np.ones(1, dtype=bool)})

    def test_action_spaces_may_start_anywhere(self):
        class FromOne(envs.TwoArmedBandit):
            action_space = gymnasium.spaces.Discrete(2, start=1)

        env, plain = (envs.TaskVectorEnv(task, 4) for task in (FromOne(), envs.TwoArmedBandit()))
        env.reset(seed=0)
        plain.reset(seed=0)
        env.action_space.seed(0)
        for _ in range(20):
            action = env.action_space.sample()
            for a, b in zip(env.step(action)[:2], plain.step(action - 1)[:2], strict=True):
                assert (a == b).all()
        with pytest.raises(ValueError, match=r"actions must be integers in 1\.\.2; got \[0"):
            env.step([0, 1, 1, 1])
        assert envs.TaskEnv(FromOne()).action_space.start == 1

    def test_without_facts_info_is_empty(self):
        env = make_vec(2, trials=3, facts=False)
        _, info = env.reset(seed=0)
        assert set(info) == {"task"}
        assert env.step([0, 0])[-1] == {}
        env.step([0, 0])
        info = env.step([0, 0])[-1]
        assert set(info) == {"final_obs", "final_info", "_final_obs", "_final_info"}

    @pytest.mark.parametrize("actions", [[0, 2], [0, -1], [0.0, 1.0], [0], [[0, 1]]])
    def test_wrong_actions_are_errors(self, actions):
        env = make_vec(2)
        env.reset(seed=0)
        with pytest.raises(ValueError, match="actions must"):
            env.step(actions)

    def test_gymnasium_vector_wrappers_work(self):
        env = RecordEpisodeStatistics(make_vec(3, trials=5))
        env.reset(seed=0)
        for _ in range(5):
            info = env.step([0, 1, 0])[-1]
        assert (info["episode"]["l"] == 5).all()
        env = DictInfoToList(make_vec(3, trials=1))
        env.reset(seed=0)
        infos = env.step([0, 1, 0])[-1]
        assert len(infos) == 3
        assert infos[2]["final_info"]["task"]["p"].shape == (2,)

    def test_vector_face_takes_no_single_wrappers(self):
        with pytest.raises(gymnasium.error.Error, match="wrappers"):
            make_vec(2, wrappers=[gymnasium.wrappers.FlattenObservation])
        env = make_vec(
            2, vectorization_mode="sync", wrappers=[gymnasium.wrappers.FlattenObservation]
        )
        assert env.reset(seed=0)[0].shape == (2, 5)


class TestTasksByHand:
    def test_they_are_used_for_one_episode(self):
        env = make_vec(2, trials=3)
        p = [[1.0, 0.0], [0.0, 1.0]]
        _, info = env.reset(seed=0, options={"task": {"p": p}})
        assert info["task"]["p"].tolist() == p
        for _ in range(3):
            _, reward, *_, info = env.step([0, 0])
            assert reward.tolist() == [1, 0]
        assert info["task"]["p"].tolist() != p

    def test_noise_is_the_same_as_without(self):
        env = make_vec(16)
        task = env.reset(seed=0)[1]["task"]
        expected = rollout(env, 100, restart=False)[0]
        env.reset(seed=0, options={"task": {"p": torch.from_numpy(task["p"])}})
        assert (rollout(env, 100, restart=False)[0] == expected).all()

    def test_single_face_has_no_batch_dimension(self):
        env = gymnasium.make(ID)
        _, info = env.reset(seed=0, options={"task": {"p": [0.25, 0.75]}})
        assert info["task"]["p"].tolist() == [0.25, 0.75]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tasks": {}}, "reset options must be 'task' only; got tasks"),
            ({"task": {"q": [[0.5, 0.5]] * 2}}, r"must be \['p'\]; got \['q'\]"),
            ({"task": {"p": [0.5, 0.5]}}, r"'p' must have shape \[num_envs, 2\]; got \[2\]"),
            ({"task": {"p": [[0.5, 1.5]] * 2}}, r"'p' must lie in \[0.0, 1.0\]"),
            ({"task": {"p": [[0.5, np.nan]] * 2}}, r"'p' must lie in \[0.0, 1.0\]"),
            ({"task": {"p": [[0.5, 0.5]] * 3}}, "must describe num_envs = 2 tasks; got 3"),
            ({"task": 3}, "must map parameter names to arrays; got 3"),
        ],
    )
    def test_wrong_ones_are_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            make_vec(2).reset(seed=0, options=options)

    def test_whole_numbers_are_required_where_they_are(self):
        env = gymnasium.make("prefrontal/InformativeArmBandit-v0")
        with pytest.raises(ValueError, match="'target' must be whole numbers"):
            env.reset(seed=0, options={"task": {"target": 1.5}})


class TestMembers:
    @pytest.mark.parametrize("name", envs.TASKS)
    def test_a_member_does_not_depend_on_who_is_beside_it(self, name):
        def member_rows(members, rows):
            env = envs.TaskVectorEnv(
                envs.task_class(name), 4 * len(members), members=members, tensors=True
            )
            env.reset(seed=7)
            seen = []
            for t in range(2 * env.steps):
                if env.num_actions:
                    action = torch.full((env.num_envs,), t % env.num_actions)
                else:  # several steps on, then a stop
                    action = torch.full(env.action_space.shape, 0.5 * (t % 8 != 7))
                seen.append(env.step(action)[1][rows].clone())
            return torch.stack(seen)

        alone = member_rows([5], slice(0, 4))
        beside = member_rows([3, 5, 1], slice(4, 8))
        assert (alone == beside).all()
        other = member_rows([3, 5, 1], slice(0, 4))
        assert name == "InformativeArmBandit" or (other != beside).any()

    def test_rows_must_be_shared_equally(self):
        with pytest.raises(ValueError, match="multiple of the number of members, 2; got 3"):
            make_vec(3, members=[0, 1])


class TestTensors:
    @pytest.mark.parametrize("name", envs.TASKS)
    def test_tensors_and_arrays_agree(self, name):
        make = f"prefrontal/{name}-v0"
        a, b = (gymnasium.make_vec(make, num_envs=6, tensors=tensors) for tensors in (False, True))
        steps = 2 * a.unwrapped.steps + 3
        for x, y in zip(rollout(a, steps, seed=2), rollout(b, steps, seed=2), strict=True):
            assert x == pytest.approx(y)

    def test_observation_is_a_view_of_a_feature_major_buffer(self):
        env = make_vec(8, tensors=True)
        obs, _ = env.reset(seed=0)
        assert obs.shape == (8, 5)
        assert obs.T.is_contiguous()
        again, *_ = env.step(torch.zeros(8, dtype=torch.long))
        assert again.data_ptr() == obs.data_ptr()

    def test_task_parameters_survive_the_next_episode(self):
        env = make_vec(8, tensors=True, trials=1)
        p = env.reset(seed=0)[1]["task"]["p"]
        kept = p.clone()
        env.step(torch.zeros(8, dtype=torch.long))
        assert (p == kept).all()

    def test_arrays_are_not_overwritten(self):
        env = make_vec(8)
        obs, info = env.reset(seed=0)
        kept = copy.deepcopy((obs, info))
        env.step(np.ones(8, dtype=int))
        assert (obs == kept[0]).all()
        assert (info["task"]["p"] == kept[1]["task"]["p"]).all()


def test_random_state_resumes_exactly():
    env = make_vec(4, members=[2, 9], trials=10)
    rollout(env, 20, seed=3)
    state = copy.deepcopy(env.unwrapped.random_state())
    env.reset()
    expected = rollout(env, 30, restart=False)
    other = make_vec(4, members=[2, 9], trials=10)
    other.unwrapped.set_random_state(state)
    other.reset()
    for x, y in zip(expected, rollout(other, 30, restart=False), strict=True):
        assert (x == y).all()
    with pytest.raises(ValueError, match="random state must be of 1 members; got 2"):
        make_vec(4).unwrapped.set_random_state(state)


def test_privileged_belongs_to_the_next_choice():
    env = make_vec(4, privileged=True, trials=3)
    _, info = env.reset(seed=0)
    for t in range(3):
        assert info["privileged"].shape == (4, env.unwrapped.privileged_size)
        assert (info["privileged"][:, :2] == info["task"]["p"]).all()
        assert info["privileged"][:, 2] == pytest.approx(t / 3)
        info = env.step([0, 1, 0, 1])[-1]
    assert (info["privileged"][:, :2] == info["task"]["p"]).all()
    assert (info["privileged"][:, 2] == 0).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"trial": 3}, "unknown key 'trial' of TwoArmedBandit; did you mean 'trials'"),
        ({"split": "test"}, "split must be one of train, held_out, all; got 'test'"),
        ({"autoreset": "next_step"}, "autoreset must be one of same_step, disabled"),
        ({"autoreset": AutoresetMode.NEXT_STEP}, "autoreset must be one of same_step, disabled"),
        ({"autoreset": None}, "autoreset must be one of same_step, disabled; got None"),
        (
            {"render_mode": "human"},
            "render_mode must be None, ansi or rgb_array; got 'human'",
        ),
        ({"inputs": 3}, "inputs must be among action, reward, .*; got 3"),
    ],
)
def test_wrong_arguments_are_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_vec(2, **kwargs)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in TASKS),
        ("CorrelatedBandit", {"opt_out": 0.75}),
        ("TwoStep", {"compact": True}),
        ("TwoStep", {"fixation": True}),
    ],
)
def test_facts_of_an_episode_are_those_of_its_steps(name, options):
    told = {"tensors": True, "autoreset": "disabled", **options}
    stepwise = envs.TaskVectorEnv(envs.task_class(name), 3, facts=True, **told)
    later = envs.TaskVectorEnv(envs.task_class(name), 3, facts="episode", **told)
    task = stepwise.reset(seed=0)[1]["task"]
    assert later.reset(seed=0)[1]["task"].keys() == task.keys()
    infos = []
    for _ in range(min(20, stepwise.steps)):
        actions = torch.as_tensor(stepwise.action_space.sample())
        infos.append(stepwise.step(actions)[-1])
        assert not later.step(actions)[-1]
    for fact, found in later.episode_facts().items():
        expected = torch.stack([info[fact] for info in infos])
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", TASKS)
def test_every_field_of_every_task_is_checked_for_its_type(name):
    wrong = {int: "3", float: "0.5", bool: 1, str: 5}
    for field in dataclasses.fields(envs.task_class(name)):
        default = field.default
        given = wrong.get(type(default), 0.5)
        with pytest.raises(ValueError, match=rf"^{field.name} must be .*, got {given!r}"):
            gymnasium.make(f"prefrontal/{name}-v0", **{field.name: given})
        gymnasium.make(f"prefrontal/{name}-v0", **{field.name: default}).close()


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("FireflyNavigation", {"targets": "3"}, "^targets must be an integer, got '3'"),
        ("FireflyNavigation", {"targets": True}, "^targets must be an integer, got True"),
        ("FireflyNavigation", {"targets": 2.0}, "^targets must be an integer, got 2.0"),
        (
            "FireflyNavigation",
            {"gains": 1.5},
            "^gains must be a list, each item a number, got 1.5",
        ),
        ("FireflyNavigation", {"gains": ["1"]}, r"^gains\[0\] must be a number, got '1'"),
        (
            "HarlowPairs",
            {"objects": 5},
            "^objects must be one of 'digits', 'one_hot', 'vectors', got 5",
        ),
        ("TwoStep", {"fixation": "no"}, "^fixation must be true or false, got 'no'"),
    ],
)
def test_a_wrong_type_is_said_in_one_line(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make(f"prefrontal/{name}-v0", **kwargs)
    with pytest.raises(ValueError, match=message):
        gymnasium.make_vec(f"prefrontal/{name}-v0", num_envs=2, **kwargs)


def test_numbers_of_numpy_and_lists_are_as_good():
    made = gymnasium.make("prefrontal/FireflyNavigation-v0", targets=np.int64(2), gains=[1, 2.0])
    assert made.unwrapped.task == envs.FireflyNavigation(targets=2, gains=(1.0, 2.0))
    assert hash(made.unwrapped.task) == hash(envs.FireflyNavigation(targets=2, gains=(1.0, 2.0)))


@pytest.mark.parametrize("num_envs", ["2", 2.0, None])
def test_the_number_of_rows_is_an_integer(num_envs):
    with pytest.raises(ValueError, match=f"num_envs must be an integer, got {num_envs!r}"):
        envs.TaskVectorEnv("prefrontal.envs:TwoArmedBandit", num_envs)


def test_single_face_refuses_arguments_of_the_vector_face():
    with pytest.raises(ValueError, match="tensors is an argument of make_vec only"):
        gymnasium.make(ID, tensors=True)


def test_render_describes_the_task_and_the_input():
    env = gymnasium.make(ID, render_mode="ansi", split="all")
    env.reset(seed=0, options={"task": {"p": [0.25, 0.75]}})
    env.step(1)
    assert env.render().startswith(
        "TwoArmedBandit p=[0.25, 0.75] | step 1/100 | input [1.0, 0.0, 1.0"
    )


def test_made_anew_from_its_spec_and_copied():
    env = make_vec(4, trials=7, split="held_out")
    again = gymnasium.make_vec(env.spec)
    assert again.unwrapped.task == env.unwrapped.task
    expected = rollout(env, 20, seed=0)[0]
    assert (rollout(again, 20, seed=0)[0] == expected).all()
    assert pickle.loads(pickle.dumps(env.unwrapped.task)) == env.unwrapped.task

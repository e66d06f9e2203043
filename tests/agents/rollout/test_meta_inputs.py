"""Foreign environments as agents see them: observations of any space, one after the other."""

import re
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TimeLimit
from stable_baselines3.common.evaluation import evaluate_policy

from prefrontal.agents import EnvironmentSpec, MetaInputs, NetworkConfig, Population
from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.networks.parts import Part
from prefrontal.agents.rollout.meta_episodes import MetaEpisodes
from prefrontal.agents.rollout.rows import Rows
from tests.agents.helpers import register_countdown

BOX = spaces.Box(-2, 2, (3,), np.float32)


class Told(gymnasium.Env):
    """It returns what it is told to: an observation, and a step."""

    def __init__(self, space=BOX, actions=None, seen=None, step=None):
        self.observation_space = space
        self.action_space = spaces.Discrete(2) if actions is None else actions
        self.seen, self.told = seen, step

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def _seen(self):
        return self.observation_space.sample() if self.seen is None else self.seen

    def step(self, action):
        assert self.action_space.contains(action)
        return (self._seen(), 0.5, False, False, {}) if self.told is None else self.told


def wrapped(space=BOX, inputs=(), **told) -> MetaInputs:
    return MetaInputs(TimeLimit(Told(space, **told), 5), inputs)


SPACES = {
    "box": spaces.Box(-1, 1, (2, 3), np.float64),
    "integers": spaces.Box(-5, 900, (4,), np.int64),
    "bits in bytes": spaces.Box(0, 1, (4,), np.uint8),
    "discrete": spaces.Discrete(5, start=-2),
    "binary": spaces.MultiBinary([2, 3]),
    "multi": spaces.MultiDiscrete([3, 2], start=[1, -1]),
    "tuple": spaces.Tuple((spaces.Discrete(3), BOX)),
    "dict": spaces.Dict({"b": BOX, "a": spaces.Dict({"c": spaces.MultiBinary(2)})}),
    "scalar": spaces.Box(-1, 1, (), np.float32),
}


@pytest.mark.parametrize("name", SPACES)
def test_observations_are_flattened_as_gymnasium_does(name):
    space = SPACES[name]
    for seed in range(20):
        space.seed(seed)
        value = space.sample()
        env = wrapped(space, ("action", "reward"), seen=value)
        flat = spaces.flatten(space, value).astype(np.float32)
        seen, _ = env.reset(seed=seed)
        assert env.observation_space.contains(seen)
        np.testing.assert_array_equal(seen, [*flat, 0, 0, 0])
        np.testing.assert_array_equal(env.step(1)[0], [*flat, 0, 1, 0.5])
        np.testing.assert_array_equal(seen[env.input_slices["observation"]], flat)


def test_bytes_are_scaled_from_their_bounds():
    value = np.array([0, 51, 255], np.uint8)
    seen, _ = wrapped(spaces.Box(0, 255, (3,), np.uint8), seen=value).reset()
    np.testing.assert_allclose(seen, [0, 0.2, 1])
    seen, _ = wrapped(spaces.Box(10, 20, (3,), np.uint8), seen=np.uint8([10, 15, 20])).reset()
    np.testing.assert_allclose(seen, [0, 0.5, 1])


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(0, 255, (2, 4, 4, 3), np.uint8), "leave a stack of frames out"),
        (spaces.Dict({"a": BOX, "b": spaces.Box(0, 255, (4,) * 4, np.uint8)}), "leave a stack"),
        (spaces.Text(4), "need Box, Discrete, MultiBinary, MultiDiscrete, or Dict and Tuple"),
        (spaces.Sequence(BOX), "need Box, Discrete"),
        (spaces.Tuple((spaces.Graph(BOX, None),)), "0 numbers"),
        (spaces.Discrete(10**9), "1,000,000,000 numbers with their inputs; there must be 1 to"),
        (spaces.Dict({}), "0 numbers"),
    ],
)
def test_observations_that_cannot_be_shown(space, message):
    with pytest.raises(ConfigError, match=message) as caught:
        wrapped(space)
    assert len(str(caught.value).splitlines()) == 1


IMAGES = {
    "bytes": (spaces.Box(0, 255, (4, 5, 3), np.uint8), 255, True),
    "one channel": (spaces.Box(0, 255, (4, 5), np.uint8), 255, True),
    "shorts": (spaces.Box(0, 65535, (4, 5), np.uint16), 65535, False),
    "numbers from 0 to 255": (spaces.Box(0, 255, (4, 5, 3), np.float32), 255, False),
    "few levels": (spaces.Box(10, 20, (4, 5), np.uint8), 10, True),
    "bits": (spaces.Box(0, 1, (4, 5, 2), bool), 1, True),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_scaled_from_their_bounds_and_known(name):
    space, unit, whole = IMAGES[name]
    space.seed(0)
    value = space.sample()
    env = wrapped(space, ("action",), seen=value)
    low = float(space.low.min())
    scaled = (value.astype(np.float64).ravel() - low) / unit
    np.testing.assert_allclose(env.reset()[0], [*scaled, 0, 0], rtol=1e-6)
    assert env.parts == (Part("image", space.shape, unit, whole),)


def test_parts_of_an_observation_are_in_its_order():
    space = spaces.Dict(
        {
            "b": BOX,
            "a": spaces.Tuple((spaces.Discrete(3), spaces.Box(0, 255, (4, 4, 3), np.uint8))),
            "c": spaces.Box(0, 1, (2, 2, 2), np.float32),
            "d": spaces.Box(0, 9, (2,), np.uint8),
            "e": spaces.Box(np.array([[0, 0]]), np.array([[1, 2]]), dtype=np.uint8),
        }
    )
    env = wrapped(space)
    kinds = [(part.kind, part.size) for part in env.parts]
    given = [("symbols", 3), ("image", 48), ("numbers", 3), ("grid", 8)]
    assert kinds == [*given, ("symbols", 2), ("symbols", 2)]
    assert env.input_slices["observation"].stop == sum(part.size for part in env.parts)


@pytest.mark.parametrize(
    "actions",
    [
        spaces.Dict({"a": spaces.Discrete(2)}),
        spaces.Tuple((spaces.Discrete(2),)),
        spaces.Text(3),
        spaces.Box(0, 9, (2,), np.int64),
        spaces.Box(0, 1, (0,)),
    ],
)
def test_other_actions_are_refused(actions):
    message = "Told has actions .*; agents choose among options .*Box of floats.*: wrap the"
    with pytest.raises(ConfigError, match=message) as caught:
        wrapped(actions=actions)
    assert len(str(caught.value).splitlines()) == 1


class Takes(Told):
    """It keeps the action that it was given last."""

    def step(self, action):
        self.taken = action
        return super().step(action)


@pytest.mark.parametrize(
    ("space", "action", "taken", "shown"),
    [
        (spaces.Discrete(3, start=4), 2, 6, [0, 0, 1]),
        (spaces.MultiDiscrete([2, 3], start=[0, -1]), [1, 0], [1, -1], [0, 1, 1, 0, 0]),
        (spaces.MultiBinary([1, 2]), [1, 0], [[1, 0]], [0, 1, 1, 0]),
        (spaces.Box(np.float32([0, -2]), np.float32([4, 2])), [1, 3], [1, 2], [-0.5, 1]),
        (spaces.Box(-np.inf, np.inf, (2,)), [1, -7], [1, -7], [1, -7]),
    ],
)
def test_actions_are_flat_and_shown_as_inputs(space, action, taken, shown):
    inner = Takes(actions=space)
    env = MetaInputs(TimeLimit(inner, 5), ("action",))
    env.reset()
    seen = env.step(np.array(action))[0]
    np.testing.assert_array_equal(inner.taken, taken)
    assert inner.taken in space
    np.testing.assert_allclose(seen[env.input_slices["action"]], shown)


def test_time_limits_are_found_wherever_they_are():
    assert MetaInputs(FlattenObservation(TimeLimit(Told(), 7))).steps == 7
    assert MetaInputs(gymnasium.make("Blackjack-v1", max_episode_steps=9)).steps == 9
    assert MetaInputs(TimeLimit(gymnasium.make("Blackjack-v1"), 6)).steps == 6
    told = Told()
    told.max_episode_length = 4  # as popgym's; whether it counts the last step is not known
    assert MetaInputs(told).steps == 5
    numpys = Told()
    numpys.max_steps = np.int64(10)
    assert MetaInputs(numpys).steps == 10


@pytest.mark.parametrize("several", [None, 3])
def test_without_a_time_limit_episodes_are_cut_after_1000_steps(several):
    inner = Told() if several is None else MetaEpisodes(Told(), several)
    env = MetaInputs(inner, ("time",))
    note = "Told has no time limit: episodes are cut after 1,000 steps .*max_episode_steps=STEPS"
    assert re.search(note, env.notes[0])
    assert env.steps == 1000 * (several or 1)
    env.reset()
    ends = [env.step(0)[2:4] for _ in range(env.steps)]
    assert ends[:-1] == [(False, False)] * (env.steps - 1)
    assert ends[-1] == (False, True)
    assert wrapped().notes == ()


def test_what_has_no_fixed_size_is_left_out_of_dicts_and_tuples():
    space = spaces.Dict(
        {"a": BOX, "mission": spaces.Text(9), "b": spaces.Tuple((spaces.Text(3), BOX))}
    )
    env = wrapped(space, seen={"a": np.ones(3), "mission": "go", "b": ("x", 2 * np.ones(3))})
    assert env.reset()[0].tolist() == [1, 1, 1, 2, 2, 2]
    assert "not shown b.0 (Text), mission (Text) of Told" in env.notes[0]
    with pytest.raises(TrainingError, match="must have the entries a, b"):
        wrapped(space, seen={"a": np.ones(3), "mission": "go"}).reset()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"action", "reward"}, "inputs need an order, such as"),
        (frozenset({"action"}), "inputs need an order"),
        (("action", "action"), "must not repeat"),
        (("centred_reward",), "'centred_reward' is not available for Told"),
        (("trial_start",), "'trial_start' is not available for Told: environments that are not"),
    ],
)
def test_inputs_must_be_known_and_in_order(inputs, message):
    with pytest.raises(ConfigError, match=message):
        wrapped(inputs=inputs)
    if "is not available for Told" not in message:
        with pytest.raises(ConfigError, match=message):
            EnvironmentSpec("CartPole-v1", inputs)


def test_one_input_is_one_name():
    assert (
        wrapped(inputs="time").inputs == EnvironmentSpec("CartPole-v1", "time").inputs == ("time",)
    )


def test_actions_are_those_of_the_space():
    env = wrapped(actions=spaces.Discrete(3, start=4))
    env.reset()
    assert env.action_space == spaces.Discrete(3)
    for action in range(3):
        env.step(np.array(action))
    for action in (-1, 3):
        with pytest.raises(ValueError, match=f"actions must be 0 ... 2, not {action}"):
            env.step(action)


# AGENTS THAT PLAY THEM


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("CartPole-v1", {}),
        ("FrozenLake-v1", {"is_slippery": False}),
        ("Blackjack-v1", {"max_episode_steps": 12}),
        (register_countdown(start=3), {}),
    ],
)
def test_agents_play_foreign_environments(env_id, kwargs):
    spec = EnvironmentSpec(env_id, ("action", "reward", "time"), kwargs)
    agent = Population.create(spec, NetworkConfig(hidden_size=4))[0]
    env = agent.make_env()
    assert isinstance(env, MetaInputs)
    agent.check_env(env)
    env.reset(seed=1)
    mean, _ = evaluate_policy(agent, env, n_eval_episodes=3, warn=False)
    assert np.isfinite(mean)
    observation, _ = env.reset(seed=1)
    action, _ = agent.predict(observation)
    assert env.action_space.contains(action)
    agent.learn(64, num_envs=2)
    rows = agent.make_vec(2)
    agent.check_env(rows)
    observation, _ = rows.reset(seed=1)
    state, start, ends = None, np.ones(2, bool), 0
    for _ in range(30):
        action, state = agent.predict(observation, state, start)
        observation, _, ended, cut, _ = rows.step(action)
        start = ended | cut
        ends += start.sum()
        # A row that ended shows the start of the next episode: nothing has been done in it yet.
        first = observation[start]
        assert not first[:, agent.make_env().input_slices["action"]].any()
    assert ends


# WHO IS TO BLAME

NAN = float("nan")
WRONG = [
    ({"step": (np.zeros(3), NAN, False, False, {})}, "step 1 .*reward must be a finite .*not nan"),
    ({"step": (np.zeros(3), float("inf"), False, False, {})}, "reward must be .*not inf"),
    ({"step": (np.zeros(3), 1e300, False, False, {})}, r"reward must be .*not 1e\+300"),
    ({"step": (np.zeros(3), None, False, False, {})}, "reward must be .*not None"),
    ({"step": (np.zeros(3), "1", False, False, {})}, "reward must be .*not '1'"),
    (
        {"step": (np.zeros(3), np.ones(1), False, False, {})},
        r"reward must be .*not array\(\[1.\]\)",
    ),
    ({"step": (np.zeros(3), 1j, False, False, {})}, "reward must be"),
    ({"step": (np.zeros(3), 0.0, None, False, {})}, "terminated and truncated .*not None"),
    ({"step": (np.zeros(3), 0.0, NAN, False, {})}, "terminated and truncated .*not nan"),
    ({"step": (np.zeros(3), 0.0, False, np.zeros(2), {})}, "terminated and truncated"),
    ({"step": (np.zeros(3), 0.0, False, {})}, "step must return .observation, reward, term"),
    ({"step": 7}, "step raised TypeError: cannot unpack"),
    ({"step": (None, 0.0, False, False, {})}, r"observation must be numbers of shape \[3\]"),
    ({"step": (np.zeros(4), 0.0, False, False, {})}, r"observation must be numbers of shape"),
    ({"step": ([1, [2, 3], 4], 0.0, False, False, {})}, r"must be numbers of shape \[3\], not \[1"),
    ({"step": (np.array([0, NAN, 0]), 0.0, False, False, {})}, "observation must be finite"),
    ({"seen": np.array([1e300, 0, 0])}, "step 0 .*observation must be finite numbers"),
    ({"seen": np.zeros((3, 1))}, "step 0 of an episode with seed 3: the observation must be"),
    ({"space": spaces.Discrete(3), "seen": 3}, r"must be of Discrete\(3\), not 3"),
    ({"space": spaces.Discrete(3), "seen": -1}, r"must be of Discrete\(3\), not -1"),
    ({"space": spaces.MultiBinary(2), "seen": np.array([0, 2])}, "must be of MultiBinary"),
    ({"space": spaces.MultiDiscrete([2, 2]), "seen": np.array([0, 2])}, "must be of MultiDiscrete"),
    ({"space": spaces.Tuple((BOX, BOX)), "seen": (np.zeros(3),)}, "must have the entries 0, 1"),
    ({"space": spaces.Dict({"a": BOX}), "seen": {"b": np.zeros(3)}}, "must have the entries a"),
    ({"space": spaces.Box(0, 9, (1,), np.uint8), "seen": np.array([300])}, "its type, uint8"),
    ({"space": spaces.Box(0, 9, (1,), np.int32), "seen": np.array([0.5])}, "its type, int32"),
]


def played(env, seed):
    env.reset(seed=seed)
    for _ in range(2):
        env.step(0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("told", "message"), WRONG)
def test_the_environment_is_to_blame(told, message):
    with pytest.raises(TrainingError, match=message) as caught:
        played(wrapped(**told), 3)
    said = str(caught.value)
    assert said.startswith("environment Told, step ")
    assert len(said) < 300
    assert "\n" not in said


class Raises(Told):
    def reset(self, *, seed=None, options=None):
        self.t = 0
        if seed == 13:
            raise KeyError("thirteen")
        return super().reset(seed=seed)

    def step(self, action):
        self.t += 1
        if self.t == 2:
            raise ZeroDivisionError("two\nlines")
        return super().step(action)


class OldReset(Told):
    def reset(self):
        return self._seen()


class OnlyObservation(Told):
    def reset(self, *, seed=None, options=None):
        return self._seen()


@pytest.mark.parametrize(
    ("kind", "seed", "message"),
    [
        (Raises, 13, "step 0 of an episode with seed 13: reset raised KeyError: 'thirteen'"),
        (Raises, 1, "step 2 of an episode with seed 1: step raised ZeroDivisionError: two lines"),
        (OldReset, 1, "step 0 .*reset raised TypeError.*'seed'.*it takes seed and options"),
        (OnlyObservation, 1, r"step 0 .*reset must return \(observation, info\), not array"),
    ],
)
def test_environments_that_raise_or_are_old(kind, seed, message):
    env_id = f"tests/{kind.__name__}-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, entry_point=kind, max_episode_steps=5)
    agent = Population.create(EnvironmentSpec(env_id, ()), NetworkConfig(hidden_size=4))[0]
    env = agent.make_env()
    with pytest.raises(TrainingError, match=f"^environment {env_id}, {message}") as caught:
        played(env, seed)
    assert "\n" not in str(caught.value)
    with pytest.raises(TrainingError, match=f"^environment {env_id}, "):
        agent.learn(100, num_envs=2)


# LEGAL ACTIONS


class Masked(Told):
    """Three actions, of which the one after the last is legal, and the one chosen last."""

    def __init__(self, how="info"):
        super().__init__(actions=spaces.Discrete(3, start=1))
        self.legal, self.how, self.bad = np.array([1, 0, 0], np.int8), how, None
        if how == "method":
            self.action_masks = lambda: self.legal

    def _info(self):
        mask = self.legal if self.bad is None else self.bad
        return {"action_mask": mask} if self.how == "info" and mask is not None else {}

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], self._info()

    def step(self, action):
        seen, _, _, cut, _ = super().step(action)
        self.legal = np.eye(3, dtype=np.int8)[[action % 3, action - 1]].max(0)
        return seen, 0.0, action == 3, cut, self._info()


@pytest.mark.parametrize("how", ["info", "method"])
def test_legal_actions_are_told_at_every_reset_and_step(how):
    env = MetaInputs(TimeLimit(Masked(how), 4))
    mask = env.reset()[1]["action_mask"]
    assert mask.dtype == bool
    assert mask.tolist() == [True, False, False]
    assert env.step(0)[4]["action_mask"].tolist() == [True, True, False]
    assert env.step(1)[4]["action_mask"].tolist() == [False, True, True]
    *_, ended, _, info = env.step(2)
    assert ended
    assert info["action_mask"].tolist() == [True] * 3  # nothing follows
    env.reset()
    assert [env.step(0)[4]["action_mask"].sum() for _ in range(4)] == [2, 2, 2, 3]  # cut


def test_legal_actions_of_the_first_step_of_an_inner_episode():
    env = MetaInputs(MetaEpisodes(TimeLimit(Masked(), 2), 2))
    env.reset()
    assert [env.step(1)[4]["action_mask"].tolist() for _ in range(4)] == [
        [False, True, True],
        [False, True, True],  # as it was left: the environment is not set back by reset
        [False, True, True],
        [True] * 3,
    ]


@pytest.mark.parametrize("how", ["info", "method"])
@pytest.mark.filterwarnings("ignore:Evaluation environment")
def test_evaluation_of_maskable_agents_is_told_what_is_legal(how):
    maskable = pytest.importorskip("sb3_contrib.common.maskable.evaluation")
    env_id = f"tests/Masked-{how}-v0"
    gymnasium.register(env_id, lambda: Masked(how), max_episode_steps=4)
    agent = Population.create(EnvironmentSpec(env_id, ()), NetworkConfig(hidden_size=4))[0]
    env = agent.make_env()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.action_masks()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        maskable.evaluate_policy(agent, env, n_eval_episodes=5, warn=False)
    assert not [one for one in warned if "forbids" in str(one.message)]
    env.unwrapped.legal = np.int8([1, 0, 0])
    env.reset()
    env.step(0)
    assert env.action_masks().tolist() == [True, True, False]
    with pytest.warns(UserWarning, match="an action that its action_mask forbids"):
        env.step(2)


def test_only_environments_with_masks_have_a_method():
    env = wrapped()
    env.reset()
    assert not hasattr(env, "action_masks")
    assert not hasattr(wrapped(actions=BOX), "action_masks")


@pytest.mark.parametrize("first", [{}, {"action_mask": None}])
def test_masks_that_come_later_are_refused(first):
    inner = Masked()
    inner._info = lambda: first
    env = MetaInputs(TimeLimit(inner, 9))
    if first:
        with pytest.raises(
            TrainingError, match=r"step 0 .* must be 3 times true or false, not None"
        ):
            env.reset()
        return
    env.reset()
    inner._info = lambda: {"action_mask": np.ones(3, bool)}
    with pytest.raises(TrainingError, match="there at every reset and step, or never"):
        env.step(0)


def test_masks_are_there_in_all_rows_or_in_none():
    rows = Rows([MetaInputs(TimeLimit(Masked(how), 9)) for how in ("info", "nothing")])
    with pytest.raises(TrainingError, match="masks must be there in all environments"):
        rows.reset([0, 1])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones(2), "step 1 .*action mask must be 3 times true or false, not array"),
        (np.array([0, 2, 1]), "must be 3 times true or false"),
        ("yes", "must be 3 times true or false, not 'yes'"),
        (np.zeros(3), "must allow at least one action"),
        (None, "must be there at every reset and step, or never, not None"),
    ],
)
def test_wrong_masks_are_refused_in_one_line(bad, message):
    inner = Masked()
    env = MetaInputs(TimeLimit(inner, 9))
    env.reset()
    inner.bad = bad
    if bad is None:
        inner.how = "nothing"
    with pytest.raises(TrainingError, match=message) as caught:
        env.step(0)
    assert "\n" not in str(caught.value)


def test_a_mask_that_comes_late_is_refused():
    env = wrapped(step=(np.zeros(3), 0.0, False, False, {"action_mask": np.ones(2)}))
    env.reset()
    with pytest.raises(TrainingError, match="at every reset and step, or never"):
        env.step(0)

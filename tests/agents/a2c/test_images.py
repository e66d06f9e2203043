"""Agents learn from images and normalised numbers, whatever else they do."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from prefrontal.agents import EnvironmentSpec, MetaInputs, NetworkConfig, Population, load
from prefrontal.agents.a2c.learner import A2C, check, make_learner
from prefrontal.agents.base import Job, require_learnable
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.networks.config import CORES, HeadConfig
from prefrontal.agents.rollout.environments import make_envs, probe
from prefrontal.agents.runs.checkpoint import load_checkpoint, save_checkpoint
from tests.agents.helpers import a2c


class Pictures(gymnasium.Env):
    """An image lights up at the top or below; the reward is for telling which. Other parts vary."""

    def __init__(self, side: int = 7, first: bool = False):
        self.side, self.first = side, first
        shape = (3, side, side) if first else (side, side, 3)
        image = spaces.Box(0, 255, shape, np.uint8)
        numbers = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        parts = {"image": image, "numbers": numbers, "step": spaces.Discrete(4)}
        self.observation_space, self.action_space = spaces.Dict(parts), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._seen(), {}

    def _seen(self):
        self.below = int(self.np_random.integers(2))
        image = np.zeros((self.side, self.side, 3), np.uint8)
        image[self.side - 2 if self.below else 1] = self.np_random.integers(100, 256)
        numbers = self.np_random.normal([500, 0], [100, 0.01]).astype(np.float32)
        image = image.transpose(2, 0, 1) if self.first else image
        return {"image": image, "numbers": numbers, "step": self.t}

    def step(self, action):
        reward = float(action == self.below)
        self.t += 1
        return self._seen(), reward, self.t == 3 or self.np_random.random() < 0.1, False, {}


ID = "tests/Pictures-v0"
if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point=Pictures, max_episode_steps=4)
SPEC = EnvironmentSpec(ID, ("action", "reward"))
SMALL = {"hidden_size": 6, "image_units": 8, "normalise_observations": True}


def job(members=2, num_envs=4, spec=SPEC, network=None, **settings) -> Job:
    network = network or NetworkConfig(**SMALL)
    return Job(spec, network, a2c(**settings), members, num_envs, 400, 3)


def made(members=range(2), **given) -> A2C:
    return make_learner(job(len(members), **given), list(members))


def encoded(learner: A2C) -> torch.Tensor:
    return learner.model.encoder.parameters[:, : -2 * 2 - 1].clone()


SETTINGS = {
    "one pass": {},
    "passes": {"passes": 2},
    "replay": {"replay": "uniform", "replay_capacity": 16, "replay_ratio": 1.0},
    "cloning": {
        "replay": "uniform",
        "replay_capacity": 16,
        "policy_cloning": 0.1,
        "value_cloning": 0.1,
    },
    "truncated": {"rule": "truncated"},
    "eprop": {"rule": "eprop", "alignment": True},
    "feedback": {"feedback": "adaptive"},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("core", ["lstm", "gru"])
def test_settings_learn_from_images_and_go_on_exactly(name, core):
    network = NetworkConfig(core=core, **SMALL)
    learner = made(network=network, **SETTINGS[name])
    before = encoded(learner)
    for _ in range(3):
        learner.update()
    assert ((encoded(learner) != before).any(1)).all()
    state = learner.state()
    metrics = [learner.update() for _ in range(2)]
    again = made(network=network, **SETTINGS[name])
    again.set_state(state)
    for wanted in metrics:
        found = again.update()
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert torch.equal(again.model.parameters, learner.model.parameters)


@pytest.mark.parametrize("core", [one for one in CORES if not one.startswith(("test", "own"))])
def test_every_core_learns_from_images(core):
    learner = made(network=NetworkConfig(core=core, **{**SMALL, "hidden_size": 12}))
    before = encoded(learner)
    learner.update()
    assert ((encoded(learner) != before).any(1)).all()


@pytest.mark.parametrize("rule", ["weight-perturbation", "evolution-strategies"])
def test_search_disturbs_the_encoder(rule):
    network = NetworkConfig(hidden_size=6, image_units=8)
    learner = made(network=network, rule=rule, directions=2)
    before = learner.model.encoder.parameters.clone()
    learner.update()
    assert (learner.model.encoder.parameters != before).any(1).all()


def test_a_critic_of_its_own_with_prediction_errors_and_heads():
    heads = (HeadConfig("values", loss="expectile", size=3), HeadConfig("r", "reward"))
    heads += (HeadConfig("code", "encoding", size=6, discount=0.5, into_core=False),)
    network = NetworkConfig(layout="separate", actor_reward="rpe", heads=heads, **SMALL)
    learner = made(network=network, discount=0.8)
    before = encoded(learner)
    learner.update()
    assert ((encoded(learner) != before).any(1)).all()


def test_members_learn_as_each_alone():
    together, alone = made(range(3)), made(range(1, 2))
    alone = make_learner(job(1), [1])
    for _ in range(3):
        together.update()
        alone.update()
    torch.testing.assert_close(alone.model.parameters[0], together.model.parameters[1])


def test_the_place_of_the_channels_makes_no_difference():
    weights = []
    for first in (False, True):
        spec = EnvironmentSpec(ID, SPEC.inputs, {"first": first})
        learner = made(spec=spec)
        learner.update()
        learner.update()
        weights.append(learner.model.parameters)
    torch.testing.assert_close(*weights)


def kept_numbers(learner, tapes):
    """Numbers as they were shown, ``[T, P, 2, B]``."""
    return learner.model.kept(tapes, tapes[0].used)["observation"][..., :2].permute(2, 0, 3, 1)


def test_replayed_numbers_are_normalised_by_the_estimate_of_today():
    learner = made(replay="uniform", replay_capacity=16)
    learner.update()
    kept = learner.replay.buffer.sample(4, cut=False).data
    assert kept["image0"].dtype == torch.uint8
    assert kept["observation"][..., 0].max() > 100  # as it was shown
    learner.update()
    tapes = learner.replay.draw(5).trajectory.tapes
    seen = torch.stack(tapes[0].x_t[: tapes[0].used])[:, :, 8:10]
    mean, deviation, _ = learner.model.encoder._statistics()
    raw = kept_numbers(learner, tapes)
    wanted = (raw - mean.unsqueeze(2)) / deviation.unsqueeze(2)
    torch.testing.assert_close(seen, wanted.clamp(-10, 10))


def test_agents_are_saved_with_what_they_must_know(tmp_path):
    learner = made()
    for _ in range(4):
        learner.update()
    one = Population.of(job(), learner.model.parameters)
    one.save(tmp_path)
    arrays, meta = load_checkpoint(tmp_path / "checkpoint")
    assert [part["kind"] for part in meta["parts"]] == ["image", "numbers", "symbols"]
    two = load(tmp_path)
    agent, rows = two[1], np.random.default_rng(0).random((5, two.input_size), np.float32)
    rows[:, 147] = 500
    found = []
    for copied in (agent, one[1], copy.deepcopy(agent), pickle.loads(pickle.dumps(agent))):
        copied.set_random_seed(0)
        actions, state = copied.predict(rows)
        found.append([actions, copied.predict(rows, state)[0], copied.value(rows)])
    for other in found[1:]:
        assert all(map(np.array_equal, found[0], other))
    assert np.isfinite(found[0][2]).all()
    statistics = two.model.encoder._statistics()
    assert (statistics[0][:, 0] - 500).abs().max() < 60
    meta["parts"][0]["shape"] = [7, 7, 4]
    save_checkpoint(tmp_path / "wrong" / "checkpoint", arrays, meta)
    with pytest.raises((CheckpointError, ConfigError)):
        load(tmp_path / "wrong")


def test_predict_sees_what_the_rollout_saw():
    learner = made([0], num_envs=1)
    for _ in range(3):
        learner.update()
    population = Population.of(job(1, 1), learner.model.parameters)
    envs = make_envs(SPEC, [0], 1, facts=True)
    envs.reset(seed=5)
    (record,) = population.record(envs, 1, seed=1, discount=0.9, hidden=True)
    again = make_envs(SPEC, [0], 1)
    again.reset(seed=5)
    agent, state = population[0], None
    observation, _ = again.reset()
    for t, action in enumerate(record["action"][0, 0]):
        row = observation.numpy()
        np.testing.assert_allclose(agent.value(row, state), record["value"][0, 0, t], rtol=1e-4)
        seen = record["observation"][0, 0, t]  # the code, then numbers as they were shown
        np.testing.assert_allclose(seen[8:], row[0, 147:], rtol=1e-6)
        _, state = agent.predict(row, state)
        observation = again.step(torch.tensor([int(action)]))[0]


def test_an_environment_with_another_image_is_told():
    population = Population.create(SPEC, NetworkConfig(**SMALL), 1)
    population.check_env(make_envs(SPEC, [0], 2))
    population.check_env(population.make_env())
    for env in (
        make_envs(EnvironmentSpec(ID, SPEC.inputs, {"first": True}), [0], 2),
        MetaInputs(gymnasium.make(ID, first=True), SPEC.inputs),
    ):
        with pytest.raises(ConfigError, match=r"image 7 x 7 x 3, .* not image 3 x 7 x 7"):
            population.check_env(env)


def test_agents_of_before_there_were_encoders_load(tmp_path):
    population = Population.create(EnvironmentSpec("CartPole-v1"), NetworkConfig(hidden_size=4), 2)
    population.save(tmp_path)
    arrays, meta = load_checkpoint(tmp_path / "checkpoint")
    del meta["parts"]
    for name in ("encoder", "image_units", "normalise_observations"):
        del meta["network"][name]
    save_checkpoint(tmp_path / "old" / "checkpoint", arrays, meta)
    assert torch.equal(load(tmp_path / "old").model.parameters, population.model.parameters)


def test_memory_counts_images_and_their_encoder():
    spec = EnvironmentSpec(ID, SPEC.inputs, {"side": 500})  # 750,000 pixels
    with pytest.raises(ConfigError, match="more than the total memory"):
        require_learnable(job(10, 100_000, spec))
    network = NetworkConfig(image_units=2**30)
    with pytest.raises(ConfigError, match="more than the total memory"):
        require_learnable(job(network=network))
    assert probe(spec).parts[0].size == 750_000


@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [
        ({}, {"rule": "node-perturbation"}, "has no encoder of images: take another --rule"),
        (SMALL, {"rule": "weight-perturbation"}, "does not normalise observations"),
        ({"heads": (HeadConfig("o", "observation"),)}, {}, "cannot learn to tell images"),
    ],
)
def test_what_does_not_go_with_images(network, settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check(job(network=NetworkConfig(**network), **settings))
    assert len(str(caught.value).splitlines()) == 1


def test_what_does_not_go_without_them():
    spec = EnvironmentSpec("FrozenLake-v1")
    for network, message in (
        (NetworkConfig(encoder="cnn"), "needs an environment with images"),
        (NetworkConfig(normalise_observations=True), "needs observations with numbers"),
    ):
        with pytest.raises(ConfigError, match=message):
            check(job(spec=spec, network=network))


class Alone(Pictures):
    """The same, of which nothing is seen but the image."""

    def __init__(self):
        super().__init__()
        self.observation_space = self.observation_space["image"]

    def _seen(self):
        return super()._seen()["image"]


@pytest.mark.parametrize("inputs", [(), ("reward",)])
@pytest.mark.parametrize("core", ["none", "lstm"])
def test_an_image_may_be_all_that_is_seen(inputs, core):
    if "tests/Alone-v0" not in gymnasium.registry:
        gymnasium.register("tests/Alone-v0", entry_point=Alone, max_episode_steps=4)
    spec = EnvironmentSpec("tests/Alone-v0", inputs)
    made = job(spec=spec, network=NetworkConfig(core=core, hidden_size=6, image_units=8))
    learner = make_learner(made, [0, 1])
    before = learner.state()["weights"]
    learner.update()
    assert not torch.equal(before, learner.state()["weights"])

"""A2C with every kind of actions: it learns, replays, saves, and never takes what is masked."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from prefrontal.agents import load
from prefrontal.agents.a2c.config import A2CConfig, EWCConfig, ReplayConfig
from prefrontal.agents.a2c.learner import make_learner
from prefrontal.agents.base import Job
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.population import Population
from prefrontal.agents.registry import check
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec

SPACES = {
    "Choice": spaces.Discrete(3, start=5),
    "Choices": spaces.MultiDiscrete([2, 3]),
    "Switches": spaces.MultiBinary((1, 2)),
    "Numbers": spaces.Box(np.float32([-2, 0]), np.float32([2, 1])),
    "Free": spaces.Box(-np.inf, np.inf, (1,)),
}


class Match(gymnasium.Env):
    """Pays 1 less the distance between an action and the observation; 5 steps an episode."""

    def __init__(self, kind: str, mask: bool = False) -> None:
        self.action_space, self.mask = SPACES[kind], mask
        self.observation_space = spaces.Box(-1, 1, (2,))

    def _look(self):
        self.seen = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        self.allowed = np.array([self.seen[0] > 0, True, self.seen[1] > 0])
        return self.seen, {"action_mask": self.allowed} if self.mask else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._look()

    def step(self, action):
        assert self.action_space.contains(action)
        space, seen = self.action_space, self.seen
        if isinstance(space, spaces.Discrete):
            distance = float(action - 5 != int(seen[0] > 0))
            legal = self.allowed[action - 5] or not self.mask
        elif isinstance(space, spaces.Box):
            wanted = np.clip(seen[: len(action)], space.low, space.high)
            distance, legal = np.abs(action - wanted).mean(), True
        else:
            distance, legal = np.mean(np.ravel(action) != (seen > 0)), True
        self.t += 1
        shown, info = self._look()
        return shown, 1.0 - float(distance), not legal, self.t == 5, info


gymnasium.register("tests/Match-v0", Match, max_episode_steps=5)
NETWORK = NetworkConfig(hidden_size=8, core="none")
SETTINGS = A2CConfig(
    learning_rate=1e-2, discount=0.3, gae_lambda=0.5, normalise_advantages=True, entropy_coef=0.01
)


def job(kind, config=SETTINGS, total_steps=1_000, network=NETWORK, **kwargs):
    spec = EnvironmentSpec("tests/Match-v0", ("action", "reward"), {"kind": kind, **kwargs})
    return Job(spec, network, config, 2, 4, total_steps, 0)


@pytest.mark.parametrize("kind", SPACES)
def test_actions_of_every_kind_are_learned(kind):
    learner = make_learner(job(kind, total_steps=8_000), [0, 1])
    returns = torch.stack([learner.update()["return"] for _ in range(400)])
    first, last = returns[:20].mean(0), returns[-60:].mean(0)
    assert (last > first + 0.35 * (5 - first)).all(), (first, last)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("core", ["lstm", "gru"])
def test_replay_of_the_policy_that_acted_has_ratios_of_one(kind, core):
    replay = ReplayConfig(keep="uniform", capacity=8, ratio=1.0, policy_cloning=0.1)
    config = A2CConfig(learning_rate=1e-12, replay=replay)
    learner = make_learner(
        job(kind, config, network=NetworkConfig(hidden_size=5, core=core)), [0, 1]
    )
    for _ in range(3):
        metrics = learner.update()
    torch.testing.assert_close(
        metrics["replay_ratio_mean"], torch.ones(2, dtype=torch.float64), atol=1e-4, rtol=0
    )
    assert metrics["cloning_kl"].abs().max() < 1e-5


@pytest.mark.parametrize("kind", SPACES)
def test_training_resumes_exactly(kind):
    config = A2CConfig(
        passes=2,
        replay=ReplayConfig(keep="uniform", capacity=8, ratio=1.0, steps="separate"),
        ewc=EWCConfig(coef=0.1, episodes=4),
    )
    made = job(kind, config)
    one, other = make_learner(made, [0, 1]), make_learner(made, [0, 1])
    for _ in range(2):
        one.update()
    other.set_state(one.state())
    assert torch.equal(one.update()["return"], other.update()["return"])
    assert torch.equal(one.state()["weights"], other.state()["weights"])


@pytest.mark.parametrize("kind", SPACES)
def test_agents_play_after_loading_as_before(kind, tmp_path):
    spec = job(kind).environment
    agents = Population.create(spec, NETWORK, members=2, seed=3)
    agents.save(tmp_path)
    again = load(tmp_path)
    assert again.discrete == (kind == "Choice")
    env = agents[1].make_env()
    seen, _ = env.reset(seed=0)
    action, _ = agents[1].predict(seen, deterministic=True)
    np.testing.assert_array_equal(again[1].predict(seen, deterministic=True)[0], action)
    assert env.action_space.contains(action.astype(env.action_space.dtype))
    batch, _ = again[1].predict(np.stack([seen, seen]), deterministic=True)
    np.testing.assert_array_equal(batch[0], action)
    envs = make_envs(spec, [0, 1], 3, facts=True, discrete=False)
    envs.reset(seed=0)
    (record,) = again.record(envs, 1, seed=0, discount=0.9)
    assert record["action"].shape == (2, 3, 5, *agents.model.policy.actions.shape)
    low, high = agents.model.policy.actions.low, agents.model.policy.actions.high
    if kind == "Numbers":
        assert (record["action"] >= low).all()
        assert (record["action"] <= high).all()
    assert record["policy"].shape == (2, 3, 5, agents.model.policy.actions.outputs)


@pytest.mark.parametrize("passes", [1, 3])
def test_no_action_that_is_masked_is_ever_taken(passes):
    replay = ReplayConfig(keep="uniform", capacity=8, ratio=1.0, steps="separate")
    config = A2CConfig(learning_rate=1e-2, passes=passes, replay=replay, entropy_coef=0.1)
    made = job("Choice", config, mask=True)
    check(made)
    learner = make_learner(made, [0, 1])
    for _ in range(40):
        metrics = learner.update()
        assert all(bool(x.isfinite().all()) for x in metrics.values())
    assert learner.steps.tolist() == [800.0, 800.0]  # none of 40 x 4 episodes ended early
    agents = Population.of(made, learner.state()["weights"])
    envs = make_envs(made.environment, [0, 1], 50, facts=True)
    envs.reset(seed=1)
    (record,) = agents.record(envs, 1, seed=0, discount=0.9)
    taken = np.take_along_axis(record["available"], record["action"][..., None].astype(int), -1)
    assert taken.all()
    assert record["mask"].all()
    assert (record["policy"][~record["available"].astype(bool)] == 0).all()
    action, _ = agents[0].predict(np.zeros(6, np.float32), action_masks=[False, False, True])
    assert action == 2
    with pytest.raises(ValueError, match="leave an action in each row"):
        agents[0].predict(np.zeros(6, np.float32), action_masks=[False] * 3)


class Pushed(gymnasium.Env):
    """A point that any number may push, for 20 steps; pays less the further it is from 0."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,))
    action_space = SPACES["Free"]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.left = self.np_random.normal(), 20
        return np.float32([self.place]), {}

    def step(self, action):
        self.place, self.left = self.place + float(action[0]), self.left - 1
        return np.float32([self.place]), -abs(self.place), False, self.left == 0, {}


def test_actions_without_bounds_do_not_run_away_from_attention():
    """Its stream adds up what it is given: the last action and its reward, so it repeats them."""
    env_id = "tests/Pushed-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, entry_point=Pushed, max_episode_steps=20)
    network = NetworkConfig(
        core="attention",
        hidden_size=32,
        layout="separate",
        input_gain=3.0,
        core_kwargs={"memory": 20},
    )
    config = A2CConfig(learning_rate=5e-3, passes=4, gae_lambda=0.95, normalise_advantages=True)
    spec = EnvironmentSpec(env_id, ("action", "reward"))
    agents = make_learner(Job(spec, network, config, 1, 8, 10_000, 0), [0])
    for _ in range(10):
        agents.update()
        assert float(agents.rollout.actions.abs().max()) < 100

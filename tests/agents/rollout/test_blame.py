"""Tasks that return what nobody can learn from are blamed, whoever learns."""

from __future__ import annotations

import gymnasium
import pytest
import torch

from prefrontal import envs
from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.common.errors import TrainingError
from prefrontal.agents.common.user_files import import_file
from prefrontal.agents.evolution.config import LifetimeConfig
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.r2d2.population import QPopulation
from prefrontal.agents.reference.random_play import RandomPlayers
from prefrontal.agents.rollout.blame import check_numbers
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.td3.config import TD3Config
from prefrontal.agents.td3.population import ContinuousPopulation
from prefrontal.envs.bandits import TwoArmedBandit
from prefrontal.envs.navigation import FireflyNavigation

NETWORK = NetworkConfig(hidden_size=4)
WRONG = ["reward nan", "reward inf", "reward 1e30", "observation nan", "observation -inf"]


def spoil(base: type, wrong: str) -> str:
    """Register a task that goes wrong at its third step; return its id."""
    what, text = wrong.split()
    name = f"Wrong{base.__name__}{what}{text}".replace("-", "Minus")

    class Wrong(base):
        def step(self, params, state, action, noise):
            state, observation, reward = super().step(params, state, action, noise)
            self_t = Wrong.calls = (Wrong.calls + 1) % self.steps
            if self_t == 3:
                if what == "reward":
                    reward = reward.clone() + float(text)
                else:
                    observation = observation.clone()
                    observation[0] = float(text)
            return state, observation, reward

    Wrong.calls, Wrong.__name__, Wrong.__module__ = 0, name, "theirs"
    env_id = f"prefrontal/{name}-v0"
    if env_id not in gymnasium.registry:
        envs.register(name, Wrong)
    gymnasium.spec(env_id).kwargs.get("task", Wrong).calls = 0
    return env_id


@pytest.mark.parametrize("kind", [Population, QPopulation])
@pytest.mark.parametrize("wrong", WRONG)
def test_actor_critics_and_q_agents_blame_the_task(kind, wrong):
    spec = EnvironmentSpec(spoil(TwoArmedBandit, wrong), ("action", "reward"), {"trials": 6})
    population = kind.create(spec, NETWORK, members=2)
    what, number = wrong.split()
    said = f"^environment {spec.id}: the {what} at step 3 is {float(number):g}; "
    with pytest.raises(TrainingError, match=said.replace("+", r"\+")) as caught:
        population.learn(100, num_envs=3)
    assert "\n" not in str(caught.value)
    envs = make_envs(spec, population.members, 2, facts=True)
    envs.reset(seed=0)
    spoil(TwoArmedBandit, wrong)
    with pytest.raises(TrainingError, match=said.replace("+", r"\+")):
        next(population.record(envs, 1, seed=0, discount=0.9))


@pytest.mark.parametrize("wrong", WRONG)
def test_td3_blames_the_task(wrong):
    spec = EnvironmentSpec(spoil(FireflyNavigation, wrong), ("action",))
    population = ContinuousPopulation.create(spec, members=1)
    with pytest.raises(TrainingError, match=f"the {wrong.split()[0]} at step 3 is"):
        population.learn(1000, TD3Config(), num_envs=2)


@pytest.mark.parametrize("kernel", ["compiled", "torch"])
@pytest.mark.parametrize("what", ["reward", "observation"])
def test_lives_blame_the_task(what, kernel):
    class Wrong(TwoArmedBandit):
        def step(self, params, state, action, noise):
            state, observation, reward = super().step(params, state, action, noise)
            if what == "reward":
                return state, observation, reward * float("nan")
            return state, observation * float("nan"), reward

    name = f"Dead{what.title()}"
    if f"prefrontal/{name}-v0" not in gymnasium.registry:
        envs.register(name, Wrong)
    spec = EnvironmentSpec(f"prefrontal/{name}-v0", ("action", "reward"), {"trials": 6})
    core = "lstm" if kernel == "compiled" else "gru"
    lives = Lifetimes(spec, LifetimeConfig(), NetworkConfig(core=core, hidden_size=4))
    weights = torch.zeros(2, lives.net.size)
    with pytest.raises(TrainingError, match=rf"the {what} at step 1 is nan"):
        lives.live(weights, torch.full((2, 4), 0.1), [1, 2])


FILE = """
import torch
from prefrontal.envs.bandits import TwoArmedBandit

class Raises(TwoArmedBandit):
    def step(self, params, state, action, noise):
        return {}["nothing"]

class Columns(TwoArmedBandit):
    def step(self, params, state, action, noise):
        state, observation, reward = super().step(params, state, action, noise)
        return state, observation, reward[:1]

class NoReward(TwoArmedBandit):
    def step(self, params, state, action, noise):
        state, observation, _ = super().step(params, state, action, noise)
        return state, observation, None

class Missing(TwoArmedBandit):
    def step(self, params, state, action, noise):
        state, observation, reward = super().step(params, state, action, noise)
        return state, observation, reward * float("nan")

class Mistold(TwoArmedBandit):
    def outcomes(self, params, noise):
        told = super().outcomes(params, noise)
        return told._replace(rewards=told.rewards[:2])
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Raises", r"KeyError: 'nothing' \(their_task.py, line 7, in step\)$"),
        ("Mistold", r"Mistold.outcomes: rewards must .* \(their_task.py, line 25, in outcomes\)$"),
        (
            "Columns",
            r"rewards must have shape \[3\], one a row, not \[1\] \(their_task.py, line 10",
        ),
        (
            "NoReward",
            r"rewards must have shape \[3\], .* not \[\] \(their_task.py, line 15, in step\)$",
        ),
        ("Missing", r"the reward at step 1 is nan; it must be a .*\(their_task.py, line 20, in"),
    ],
)
def test_the_file_and_the_line_are_named(name, message, tmp_path, monkeypatch):
    file = tmp_path / "their_task.py"
    file.write_text(FILE)
    env_id = f"prefrontal/Their{name}-v0"
    gymnasium.registry.pop(env_id, None)
    envs.register(f"Their{name}", getattr(import_file(str(file)), name))
    spec = EnvironmentSpec(env_id, ("action",), {"trials": 6})
    population = Population.create(spec, NETWORK)
    with pytest.raises(TrainingError, match=f"^environment {env_id}: .*{message}") as caught:
        population.learn(100, num_envs=3)
    assert "\n" not in str(caught.value)
    if name == "Raises":
        played = make_envs(spec, [0], 2, facts=True)
        played.reset(seed=0)
        with pytest.raises(TrainingError, match=message):
            RandomPlayers([0]).record(played, 1, seed=0)


def test_an_actor_that_is_no_number_is_not_the_environments_fault():
    spec = EnvironmentSpec("prefrontal/FireflyNavigation-v0", ("action",))
    population = ContinuousPopulation.create(spec)
    population.weights[:] = float("nan")
    played = make_envs(spec, [0], 2, facts=True, discrete=False)
    played.reset(seed=0)
    assert population.play(played).action.isnan().any()


def test_a_core_that_raises_is_not_the_environments_fault(monkeypatch):
    population = Population.create(EnvironmentSpec("prefrontal/TwoArmedBandit-v0"), NETWORK)
    monkeypatch.setattr(type(population.model), "step", lambda *_: {}["core"])
    monkeypatch.setattr(type(population.model), "act", lambda *_: {}["core"])
    monkeypatch.setattr(type(population.model), "play", lambda *_: {}["core"])
    with pytest.raises(KeyError, match="core"):
        population.learn(100)


def test_large_numbers_whose_sum_is_larger_are_fine():
    check_numbers("x", "reward", torch.full((10, 10), 1e19))
    with pytest.raises(
        TrainingError, match=r"^environment x: the reward at step 5 is -1e\+20; scale it$"
    ):
        check_numbers("x", "reward", torch.eye(10)[:, 4:5] * -1e20, first=1)

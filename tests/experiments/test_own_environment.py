"""A task of the user's is measured like ours: against random and oracle, by trial, with figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.td3.population import ContinuousPopulation
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import Task, check_parameters
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.own_environment import EXPERIMENT
from prefrontal.experiments.settings import Settings
from tests.agents.helpers import register_countdown


@dataclass(frozen=True)
class OneGoodArm(Task):
    """Three arms, one of which pays 1 (in training arm 0, held out arm 1 or 2)."""

    parameters = ("good",)
    draws = 1
    noise = 0
    num_actions = 3
    reward_range = (0.0, 1.0)
    trials: int = 20

    @property
    def steps(self) -> int:
        return self.trials

    def from_uniform(self, uniform: torch.Tensor, split: str) -> dict[str, torch.Tensor]:
        check_split(split)
        low, count = {"train": (0, 1), "held_out": (1, 2), "all": (0, 3)}[split]
        return {"good": low + (uniform[:, 0] * count).long()}

    def validate(self, params: Any) -> dict[str, torch.Tensor]:
        return check_parameters(params, integers=("good",), good=((), 0, 2))

    def reset(self, params: Any) -> Any:
        return {"t": 0}, torch.ones(len(params["good"]), 1)

    def step(self, params: Any, state: Any, action: Any, noise: Any) -> Any:
        ones = torch.ones(len(action), 1)
        return {"t": state["t"] + 1}, ones, (action == params["good"]).float()

    def facts(self, params: Any, state: Any, action: Any) -> dict[str, torch.Tensor]:
        return {
            "trial": torch.full_like(action, state["t"]),
            "optimal_action": params["good"].clone(),
            "expected_reward": (action == params["good"]).float(),
            "optimal_reward": torch.ones(len(action)),
        }

    def privileged(self, params: Any, state: Any) -> torch.Tensor:
        return params["good"].float()[:, None]


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    if "prefrontal/OneGoodArm-v0" not in gymnasium.registry:
        envs.register("OneGoodArm", OneGoodArm)


def evaluated(folder: Path, spec: EnvironmentSpec, agents: Any, episodes: int = 60) -> Evaluation:
    curves = {"steps": np.array([[10.0] * len(agents), [20.0] * len(agents)])}
    curves["return"] = np.ones((2, len(agents)))
    settings = {"default": Settings(spec)}
    return Evaluation(
        {"default": agents}, settings, "held_out", episodes, 0, folder, {"default": curves}
    )


FIRST_BIAS = -16  # of the policy, counted from the end of the parameters (4 units, 4 outputs)


def always_first(spec: EnvironmentSpec, members: int = 2) -> Population:
    """Return agents that take the first action whatever they see: all weights 0 but its bias."""
    agents = Population.create(spec, NetworkConfig(core="none", hidden_size=4), members=members)
    weights = torch.zeros_like(agents.model.parameters)
    weights[:, FIRST_BIAS] = 50.0
    agents.model.set_parameters(weights)
    return agents


def test_a_task_of_the_users_gets_what_ours_get(tmp_path: Path) -> None:
    spec = EnvironmentSpec("prefrontal/OneGoodArm-v0", ("action", "reward"), {"trials": 20})
    outcome = EXPERIMENT.measure(evaluated(tmp_path, spec, always_first(spec)))
    found = {one.name: one.value for one in outcome.findings}
    # Arm 0 is never the good one of held-out tasks, always that of training.
    assert found["return per episode"] == 0
    assert found["return per episode, oracle of the facts"] == 20
    assert found["return per episode, random policy"] == pytest.approx(20 / 3, abs=0.8)
    assert found["regret per episode"] == 20
    assert found["regret a trial, first tenth"] == found["regret a trial, last tenth"] == 1
    assert found["share of optimal choices"] == 0
    assert found["share of the way from random to oracle"] == pytest.approx(-0.5, abs=0.1)
    assert found["return per episode, train tasks"] == 20
    assert found["generalisation gap of the return above random"] == pytest.approx(20, abs=0.8)
    names = {path.name for path in outcome.figures}
    assert names == {
        "learning_curve.png",
        "regret_by_trial.png",
        "choices.png",
        "hidden_states.png",
    }
    assert all(path.stat().st_size > 5000 for path in outcome.figures)


def test_the_random_policy_plays_the_same_tasks(tmp_path: Path) -> None:
    spec = EnvironmentSpec("prefrontal/OneGoodArm-v0", ("action",))
    subject = evaluated(tmp_path, spec, Population.create(spec, members=2), episodes=400)
    ours, random = subject.record(), subject.record(random=True)
    np.testing.assert_array_equal(ours["task.good"], random["task.good"])
    np.testing.assert_array_equal(ours["optimal_reward"], random["optimal_reward"])
    assert not np.array_equal(random["action"][0], random["action"][1])
    for action in range(3):
        assert (random["action"] == action).mean() == pytest.approx(1 / 3, abs=0.02)
    np.testing.assert_array_equal(random["regret"], 1 - random["reward"])


def test_no_oracle_where_choices_change_what_comes(tmp_path: Path) -> None:
    """The best reward of a step in a maze depends on where the walk has led."""
    spec = EnvironmentSpec("prefrontal/OneShotMaze-v0", ("action", "reward"), {"max_steps": 30})
    outcome = EXPERIMENT.measure(evaluated(tmp_path, spec, Population.create(spec), episodes=20))
    names = [one.name for one in outcome.findings]
    assert "regret per episode" in names
    assert not [name for name in names if "oracle" in name]


def test_an_environment_of_others(tmp_path: Path) -> None:
    spec = EnvironmentSpec(register_countdown(longest=7), ("action", "reward"))
    outcome = EXPERIMENT.measure(evaluated(tmp_path, spec, Population.create(spec), episodes=30))
    found = {one.name: one.value for one in outcome.findings}
    assert found["steps per episode"] == pytest.approx(4, abs=1.5)
    # The reward is 1 to 3 a step, 2 on average.
    theirs = found["return per episode, random policy"] / found["steps per episode, random policy"]
    assert theirs == pytest.approx(2, abs=0.3)
    assert not [name for name in found if "regret" in name or "train" in name]
    assert {path.name for path in outcome.figures} == {
        "learning_curve.png",
        "reward_by_step.png",
        "choices.png",
        "values.png",
    }


def test_continuous_actions(tmp_path: Path) -> None:
    spec = EnvironmentSpec("prefrontal/FireflyNavigation-v0", ("action",))
    outcome = EXPERIMENT.measure(
        evaluated(tmp_path, spec, ContinuousPopulation.create(spec), episodes=20)
    )
    names = [one.name for one in outcome.findings]
    assert "return per episode less the random policy's" in names
    assert len(outcome.figures) == 4

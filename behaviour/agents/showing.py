"""How a task shows its trials to an agent, found out by playing it; what of a table is unlike it.

A task is asked through its Gymnasium environment alone: random actions are played, and what is
observed at each step of a trial is written down by the first choice and the second state before it.
Tasks that show anything else of their own (pictures, contexts) cannot be shown recorded choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.behaviour.table import Behaviour

ROWS = 64  # episodes that are played
TRIALS = 40  # of each

Views = NDArray[np.float32]


@dataclass(frozen=True)
class Showing:
    """What a step of a task shows.

    Attributes:
        spec: Which environment.
        stages: Steps of a trial: 1, or 2 where a second stage follows the choice.
        actions: Actions K.
        views: What is shown of the task itself ``[stages, K + 1, 3, D]``, by step of the trial,
            last first choice (K: none yet) and last second state (2: none).
        known: Which of them were seen ``[stages, K + 1, 3]``.
        fixed: Which numbers of an input those are, ``[D]``.
        slices: Where in an input each thing lies.
        size: Numbers of an input.
        steps: Steps of an episode.
        range: Lowest and highest reward.
        values: Rewards that there are, or None.
        common: Probability of the common transition, or None.
    """

    spec: EnvironmentSpec
    stages: int
    actions: int
    views: Views
    known: NDArray[np.bool_]
    fixed: NDArray[np.int64]
    slices: Mapping[str, slice]
    size: int
    steps: int
    range: tuple[float, float]
    values: tuple[float, ...] | None
    common: float | None

    @property
    def trials(self) -> int:
        """Trials of an episode."""
        return self.steps // self.stages

    @classmethod
    def of(cls, spec: EnvironmentSpec) -> Showing:
        """Return how an environment shows its trials.

        Raises:
            ConfigError: There is no such environment, or it shows more than what choices and
                second states determine.
        """
        envs = make_envs(spec, [0], ROWS, facts=True)
        try:
            played = _play(envs)
        finally:
            envs.close()
        name, actions = spec.id, int(envs.num_actions)
        trial, stage = played["trial"], played["stage"]
        stages = int((trial == trial[0]).sum())
        if (stage < 0).any() or stages > 2 or (trial != np.arange(len(trial)) // stages).any():
            raise ConfigError(
                f"{name} has trials of other steps than a choice and a second stage: agents of it "
                "cannot be shown recorded choices"
            )
        slices = dict(envs.input_slices)
        fixed = np.r_[slices["observation"], slices.get("trial_start", slice(0, 0))]
        views = np.zeros((stages, actions + 1, 3, len(fixed)), np.float32)
        known = np.zeros(views.shape[:3], bool)
        for t, seen in enumerate(played["observation"][..., fixed]):
            at = t % stages, played["first"][t], played["state"][t]
            for row, view in enumerate(seen):
                place = at[0], at[1][row], at[2][row]
                if known[place] and not np.allclose(views[place], view, atol=1e-6):
                    raise ConfigError(
                        f"what {name} shows does not follow from choices and second states alone: "
                        "agents of it cannot be shown recorded choices"
                    )
                views[place], known[place] = view, True
        task = getattr(envs, "task", None)
        paid = played["reward"]
        ends = getattr(task, "reward_range", (float(paid.min()), float(paid.max())))
        return cls(
            spec,
            stages,
            actions,
            views,
            known,
            fixed,
            slices,
            played["observation"].shape[2],
            int(envs.steps),
            (float(ends[0]), float(ends[1])),
            getattr(task, "reward_values", None),
            getattr(task, "transition", None)
            if stages == 2 or (played["state"] < 2).any()
            else None,
        )

    def differences(self, behaviour: Behaviour) -> list[str]:
        """Return in what a table differs from the task that the agents were trained on, by name.

        Raises:
            ValueError: The agents cannot be shown the table at all.
        """
        if behaviour.arms > self.actions:
            raise ValueError(
                f"agents of {self.spec.id} choose among {self.actions} arms, and the table has "
                f"{behaviour.arms}: take agents of a task with as many"
            )
        two = self.known[..., :2].any()
        if two and behaviour.state2 is None:
            raise ValueError(
                f"agents of {self.spec.id} are shown second-stage states, and the table has none: "
                "name its column state2"
            )
        said = []
        if behaviour.state2 is not None and not two:
            said.append(
                f"stages: the table has two, {self.spec.id} has one, and state2 is not shown"
            )
        if behaviour.arms < self.actions:
            said.append(
                f"arms: {behaviour.arms} in the table, {self.actions} in {self.spec.id}: "
                "the others are ruled out"
            )
        low, high = reward_range(behaviour)
        if low < self.range[0] - 1e-9 or high > self.range[1] + 1e-9:
            ends = "{:g} to {:g}".format
            said.append(
                f"reward range: {ends(low, high)} in the table, {ends(*self.range)} in "
                f"{self.spec.id}: rewards are mapped from the one to the other"
            )
        longest = longest_episode(behaviour)
        if longest != self.trials:
            beyond = "; `time` stays at its last value" * ("time" in self.slices)
            said.append(
                f"trials of an episode: up to {longest} in the table, {self.trials} in "
                f"{self.spec.id}" + beyond * (longest > self.trials)
            )
        own, theirs = self.common, behaviour.common
        if own is not None and theirs is not None and abs(own - theirs) > 1e-9:
            said.append(f"common transitions: {theirs:g} in the table, {own:g} in {self.spec.id}")
        if "action" in self.slices and self.stages == 2 and behaviour.choice2 is None:
            said.append("second choices: agents are shown them, and the table has none (choice2)")
        return said


def reward_range(behaviour: Behaviour) -> tuple[float, float]:
    """Return the lowest and the highest reward that was learned from."""
    paid = behaviour.reward[behaviour.learned]
    return (float(paid.min()), float(paid.max())) if paid.size else (0.0, 0.0)


def longest_episode(behaviour: Behaviour) -> int:
    """Return the most trials between two starts."""
    number = np.cumsum(behaviour.starts.ravel())[behaviour.present.ravel()]
    return int(np.bincount(number).max(initial=0))


def _play(envs: Any) -> dict[str, Any]:
    """Play random actions; return ``[t, n]`` of each step what was before it, and was seen."""
    rng = torch.Generator().manual_seed(0)
    observation, _ = envs.reset()
    n, actions = len(observation), int(envs.num_actions)
    first = torch.full((n,), actions)
    state = torch.full((n,), 2)
    names = ("observation", "first", "state", "trial", "stage", "reward")
    played: dict[str, list[Any]] = {name: [] for name in names}
    now = 0
    for t in range(int(envs.steps)):
        seen = observation.clone(), first, state
        action = torch.randint(actions, (n,), generator=rng)
        observation, reward, ended, cut, info = envs.step(action)
        now = _one(info.get("trial"), t)
        if now >= TRIALS:
            break
        stage = _one(info.get("stage"), 0)
        if stage <= 0:
            first = action
            if "second_state" in info:
                state = torch.where(info["second_state"] < 0, 2, info["second_state"])
        for name, value in zip(names, (*seen, now, stage, reward), strict=True):
            played[name].append(value if isinstance(value, int) else value.clone().numpy())
        if bool((ended | cut).any()):
            break
    return {name: np.stack(values) for name, values in played.items()}


def _one(fact: Any, otherwise: int) -> int:
    return otherwise if fact is None else int(fact.flatten()[0])

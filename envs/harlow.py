"""Harlow's learning-set task: one reward tells which of two new objects is the good one."""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import by_trial, check_split
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

OBJECTS = 1000  # in each split
LEFT, RIGHT = 0, 1


@dataclasses.dataclass(frozen=True)
class PairChoice(Task):
    """Shared dynamics of choices between a good and a bad stimulus whose sides are shuffled.

    The task parameter ``side`` ``[n, trials]`` says where the good one is: 0 left, 1 right.

    ## Action Space
    `Discrete(2)`: 0 the stimulus on the left, 1 the one on the right.
    """

    noise = 0  # rewards are certain
    num_actions = 2

    open_loop = True

    trials: int = option(6, "Choices between the two objects of an episode.", least=1)

    @property
    def steps(self) -> int:
        """One step a trial."""
        return self.trials

    @abstractmethod
    def stimuli(self, params: Params) -> tuple[Tensor, Tensor]:
        """Return the good and the bad stimulus, ``[n, D / 2]`` each."""

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and the stimuli of the first trial."""
        good, bad = self.stimuli(params)
        side = params["side"]
        left_is_good, right_is_good = torch.cat([good, bad], 1), torch.cat([bad, good], 1)
        # VIEWS [T, D, n] of all trials at once
        at_right = (side.T == RIGHT)[:, None]
        views = torch.where(at_right, right_is_good.T, left_is_good.T).unbind(0)
        lose, win = self.reward_range
        pays = torch.tensor([win, lose], device=side.device)  # by action XOR side
        return {"t": 0, "views": views, "side": by_trial(side), "pays": pays}, views[0].T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay for the choice, and show the next pair (after the last trial the same once more)."""
        t = state["t"]
        reward = state["pays"].take(action ^ state["side"][t])
        view = state["views"][min(t + 1, self.trials - 1)].T
        return {**state, "t": t + 1}, view, reward

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, side of the good stimulus, whether it was chosen, and what that pays."""
        t = state["t"]
        side = state["side"][t]
        lose, win = self.reward_range
        return {
            "trial": torch.full_like(action, t),
            "optimal_action": side,
            "correct": (action == side).long(),
            "expected_reward": torch.where(action == side, win, lose),
            "optimal_reward": torch.full(action.shape, win, device=action.device),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the side of the good stimulus (-1 left, 1 right) and t / T, ``[n, 2]``."""
        t = state["t"]
        side = 2.0 * state["side"][min(t, self.trials - 1)] - 1.0
        return torch.stack([side, torch.full_like(side, t / self.steps)], dim=1)

    @abstractmethod
    def looks(self, params: Params, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pictures of the good and of the bad stimulus of an episode, 72 x 72 pixels."""

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw the pair of the last choice with its reward, and the pair to choose from now."""
        good, bad = self.looks(params, row)

        def pair(trial: int) -> tuple[np.ndarray, np.ndarray, int]:
            side = int(params["side"][row, trial])
            return (bad, good, side) if side == RIGHT else (good, bad, side)

        pictures.choices(picture, pair, self.trials, *past, self.reward_range)


@dataclasses.dataclass(frozen=True)
class Harlow(PairChoice):
    """Harlow's task with vectors for objects: two new objects, six trials.

    ## Description
    Two objects that the agent has not met together are shown, one on either side. One is good, the
    other bad, for the whole episode; the sides are shuffled on every trial. The first choice is a
    guess, but its outcome tells all: an agent that has learned to learn is right from trial 2 on.

    ## Observation Space
    The left object, then the right one, `dimension` features each; then the chosen `inputs`.

    ## Starting State
    Two different objects of the split, the good one drawn first; sides independent and equally
    probable on every trial.

    ## Reward
    +1 for the good object, -1 for the bad one.

    ## Information
    `task`: `objects` [2], indices of the good and of the bad object; `side` [trials], where the
    good one is (0 left, 1 right). Each step: `trial`; `correct`, whether the good object was
    chosen; `optimal_action`, `expected_reward`, `optimal_reward` for one who knows the object.

    ## Task Distribution
    2,000 random vectors, uniform on the unit sphere, the same in every run. Objects 0 to 999 are
    `train`, 1000 to 1999 `held_out`: an agent tested there has never seen either object. `all`:
    both objects of a pair from all 2,000.

    ## Paper Correspondence
    Wang et al. 2018, simulation 5: 6 trials, +1 and -1, 1,000 objects in training and 1,000 others
    at test, as published. There an object is an image on a simulated screen, the agent turns its
    gaze towards it, and a trial starts with a fixation (see `HarlowOneDimensional`); here it is a
    vector, and a trial is one step. Accuracy published for networks and monkeys: 97 % on trial 2.
    Optimal return: 5 (0 on trial 1, 1 on each of the others).

    ## References
    Harlow HF 1949, The formation of learning sets, Psychological Review 56:51-65. Wang JX et al.
    2018, Prefrontal cortex as a meta-reinforcement learning system, Nature Neuroscience 21:860-868.
    """

    parameters = ("objects", "side")
    reward_range = (-1.0, 1.0)
    lasting = ("objects",)
    reward_values = (-1.0, 1.0)

    dimension: int = option(8, "Features of an object.", least=2)
    unit_variance: bool = option(
        False,
        "Whether objects, unit vectors, are scaled by the root of `dimension`, so that a feature "
        "has variance 1, which networks learn from faster.",
    )

    @property
    def _largest(self) -> float:
        return self.dimension**0.5 if self.unit_variance else 1.0

    @property
    def observation_low(self) -> tuple[float, ...]:  # type: ignore[override]
        """Two objects, opposite of the largest feature a vector can have."""
        return (-self._largest,) * (2 * self.dimension)

    @property
    def observation_high(self) -> tuple[float, ...]:  # type: ignore[override]
        """Two objects, the largest feature a vector can have."""
        return (self._largest,) * (2 * self.dimension)

    @property
    def draws(self) -> int:
        """Two objects, and a side for every trial."""
        return 2 + self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"objects": [n, 2], "side": [n, trials]}``."""
        return {
            "objects": draw_pair(uniform[:, :2], split),
            "side": (uniform[:, 2:] < 0.5).long(),
        }

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"objects": [num_envs, 2], "side": [num_envs, trials]}``, unequal objects."""
        return check_pairs(params, side=((self.trials,), LEFT, RIGHT))

    def stimuli(self, params: Params) -> tuple[Tensor, Tensor]:
        """Return the vectors of the good and of the bad object, ``[n, dimension]`` each."""
        objects = params["objects"]
        vectors = torch.from_numpy(object_vectors(self.dimension, self.unit_variance))
        good, bad = vectors.to(objects.device)[objects].unbind(1)
        return good, bad

    def looks(self, params: Params, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a pattern for each object (vectors have no look)."""
        good, bad = (pictures.emblem(number) for number in params["objects"][row].tolist())
        return good, bad


def draw_pair(uniform: Tensor, split: str) -> Tensor:
    """Draw pairs of different objects, ``[n, 2]`` int64, of uniform numbers ``[n, 2]``."""
    check_split(split)
    count = 2 * OBJECTS if split == "all" else OBJECTS
    first = (uniform[:, 0] * count).long().clamp_(max=count - 1)
    other = (uniform[:, 1] * (count - 1)).long().clamp_(max=count - 2)
    second = (first + 1 + other) % count
    return torch.stack([first, second], dim=1) + (OBJECTS if split == "held_out" else 0)


def check_pairs(
    params: Mapping[str, Any], **allowed: tuple[tuple[int, ...], float, float]
) -> Params:
    """Check whole-number parameters set by hand, among them ``objects`` ``[n, 2]``.

    Raises:
        ValueError: See `check_parameters`; or the two objects of a pair are equal.
    """
    pairs = ((2,), 0, 2 * OBJECTS - 1)
    checked = check_parameters(params, integers=("objects", *allowed), objects=pairs, **allowed)
    if bool((checked["objects"][:, 0] == checked["objects"][:, 1]).any()):
        raise ValueError("task parameter 'objects' must hold two different objects in every row")
    return checked


@functools.lru_cache
def object_vectors(dimension: int, unit_variance: bool) -> np.ndarray:
    """Return all objects, ``[2000, dimension]`` float32 of length 1 or sqrt(dimension)."""
    vectors = np.random.default_rng(1949).standard_normal((2 * OBJECTS, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors *= dimension**0.5 if unit_variance else 1.0
    return vectors.astype(np.float32)

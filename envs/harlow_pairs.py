"""Harlow's experiment of the NeuroAI course: one of two digits is rewarded."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.harlow import PairChoice
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import Params, check_parameters


@dataclasses.dataclass(frozen=True)
class HarlowPairs(PairChoice):
    """Two of ten objects, one rewarded and one punished, on shuffled sides.

    ## Description
    A task is an ordered pair of objects: the first is rewarded, the second punished. Sides are
    shuffled on every trial. The pair is small enough to be learned by changing weights, over many
    episodes of the same task (`lasting`), and simple enough to be learned within one.

    ## Observation Space
    The left object, then the right one, then the chosen `inputs`. An object is its number
    (`digits`), a one-hot vector (`one_hot`), or a random unit vector of `dimension` features,
    the same in every run (`vectors`).

    ## Starting State
    Two different objects of the split, every ordered pair equally probable; sides independent and
    equally probable on every trial.

    ## Reward
    +1 for the rewarded object, `punishment` for the other one, 0 on the blank steps that `delay`
    puts between the choices.

    ## Information
    `task`: `objects` [2], the rewarded and the punished object; `side` [trials], where the rewarded
    one is (0 left, 1 right); with `shortest_delay` also `delay`. Each step: `trial`; `correct`,
    whether the rewarded object was chosen; `optimal_action`, `expected_reward`, `optimal_reward`
    for one who knows the object (all 0 on blank steps). With `delay` also `decision`, whether the
    step is a choice, and `active`, 0 after the last one.

    ## Task Distribution
    `train`: pairs of the first `num_objects` - `held_out_objects` objects; `held_out`: pairs of the
    others, so that an agent tested there has never seen either object. `all`: pairs of all objects.

    ## Paper Correspondence
    NeuroAI course (Neuromatch), W2D4 tutorial 4: digits, 90 ordered pairs, +1 and -1, 6 trials in
    learning and 20 at test, as published on `all`. The course has no held-out objects, and shows
    digits as raw numbers, which makes neighbours all but indistinguishable: one-hot and vector
    objects are ours.

    ## References
    Neuromatch Academy, NeuroAI course, W2D4, Biological meta reinforcement learning. Harlow HF
    1949, The formation of learning sets, Psychological Review 56:51-65.
    """

    parameters = ("objects", "side")
    lasting = ("objects",)

    objects: Literal["digits", "one_hot", "vectors"] = option(
        "digits",
        "What an object looks like: its number, a one-hot vector, or a random vector.",
    )
    num_objects: int = option(10, "Number of objects.")
    held_out_objects: int = option(2, "Objects, the last ones, that are kept for testing.", least=2)
    dimension: int = option(8, "Features of an object that is a vector.", least=1)
    punishment: float = option(-1.0, "Reward of the object that is not rewarded.", below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        least = self.held_out_objects + 2
        if self.num_objects < least:
            raise ValueError(f"num_objects must be at least {least}, not {self.num_objects}")
        if self.delay and self.punishment > 0:
            raise ValueError(
                f"punishment must not be positive where blank steps pay 0, not {self.punishment}"
            )

    @property
    def reward_range(self) -> tuple[float, float]:
        """The punishment and the reward, 1."""
        return float(self.punishment), 1.0

    @property
    def features(self) -> Tensor:
        """What the objects look like, ``[num_objects, F]``."""
        return _features(self.objects, self.num_objects, self.dimension)

    @property
    def observation_low(self) -> tuple[float, ...]:  # type: ignore[override]
        """Lowest value of each feature of both objects, and of blank steps."""
        lowest = self.features.amin(0)
        return tuple(2 * (lowest.clamp(max=0.0) if self.delay else lowest).tolist())

    @property
    def observation_high(self) -> tuple[float, ...]:  # type: ignore[override]
        """Highest value of each feature of both objects, and of blank steps."""
        highest = self.features.amax(0)
        return tuple(2 * (highest.clamp(min=0.0) if self.delay else highest).tolist())

    @property
    def draws(self) -> int:
        """The two objects, and the schedule."""
        return 2 + self.schedule_draws

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"objects": [n, 2], "side": [n, trials]}``, and `delay` if it varies."""
        check_split(split)
        trained = self.num_objects - self.held_out_objects
        first = trained if split == "held_out" else 0
        count = {"train": trained, "held_out": self.held_out_objects}.get(split, self.num_objects)
        good = (uniform[:, 0] * count).long().clamp_(max=count - 1)
        offset = 1 + (uniform[:, 1] * (count - 1)).long().clamp_(max=count - 2)
        objects = first + torch.stack([good, (good + offset) % count], dim=1)
        schedule = self.schedule(uniform[:, 2:])
        return {"objects": objects, **schedule, "side": 1 - schedule["side"]}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"objects": [num_envs, 2], "side": [num_envs, trials]}``."""
        objects = ((2,), 0, self.num_objects - 1)
        bounds = {"objects": objects, **self.schedule_bounds}
        checked = check_parameters(params, integers=bounds, **bounds)
        if bool((checked["objects"][:, 0] == checked["objects"][:, 1]).any()):
            raise ValueError("the objects of a pair must differ")
        return checked

    def stimuli(self, params: Params) -> tuple[Tensor, Tensor]:
        """Return the features of the rewarded and of the punished object, ``[n, F]`` each."""
        shown = self.features.to(params["objects"].device)[params["objects"]]
        return shown[:, 0], shown[:, 1]

    def looks(self, params: Params, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the objects."""
        good, bad = (
            pictures.card(pictures.PAPER, str(number)) for number in params["objects"][row].tolist()
        )
        return good, bad


@functools.cache
def _features(objects: str, count: int, dimension: int) -> Tensor:
    if objects == "digits":
        return torch.arange(count, dtype=torch.float32)[:, None]
    if objects == "one_hot":
        return torch.eye(count)
    vectors = np.random.default_rng(20_240_704).standard_normal((count, dimension))
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).float()

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
from prefrontal.envs.outcomes import Outcomes, ticking
from prefrontal.envs.splits import by_trial, check_split
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

OBJECTS = 1000  # in each split
LEFT, RIGHT, BLANK = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class PairChoice(Task):
    """Shared dynamics of choices between a good and a bad stimulus whose sides are shuffled.

    The task parameter ``side`` ``[n, trials]`` says where the good one is: 0 left, 1 right.

    With `delay`, that many blank steps come between one choice and the next: the observation is 0,
    nothing is paid, and actions make no difference. The outcome of a choice (the inputs `action`
    and `reward`) is shown at the step after it, the first blank one, so that it must be remembered
    for as long as the others last. A trial is a choice and the blank steps after it. With
    `shortest_delay` every episode has a delay of its own, each from `shortest_delay` to `delay` as
    likely as the others: the task parameter ``delay`` ``[n]``. Blank steps then fill the episode.

    ## Action Space
    `Discrete(2)`: 0 the stimulus on the left, 1 the one on the right.

    ## Episode End
    Terminates after `trials` + (`trials` - 1) `delay` steps: no blank step follows the last choice,
    unless the delay of the episode is shorter than `delay`. Never truncates.
    """

    noise = 0  # rewards are certain
    num_actions = 2

    open_loop = True

    trials: int = option(6, "Choices between the two objects of an episode.", least=1)
    delay: int = option(
        0,
        "Blank steps between one choice and the next, in which nothing is shown or paid, and "
        "nothing that is done makes a difference.",
        least=0,
    )
    shortest_delay: int | None = option(
        None,
        "If given, the blank steps of an episode are as many between all its choices, a number "
        "drawn for every episode, from this one to `delay`.",
        least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shortest_delay is not None:
            if self.shortest_delay > self.delay:
                raise ValueError(
                    f"shortest_delay must be at most delay, {self.delay}, not {self.shortest_delay}"
                )
            object.__setattr__(self, "parameters", (*type(self).parameters, "delay"))

    @property
    def steps(self) -> int:
        """One step a choice, and the blank steps between them."""
        return self.trials + (self.trials - 1) * self.delay

    @property
    def reward_values(self) -> tuple[float, ...]:  # type: ignore[override]
        """What the bad and the good stimulus pay, and blank steps."""
        blank = {0.0} if self.delay else set()
        return tuple(sorted({*self.reward_range} | blank))

    @abstractmethod
    def stimuli(self, params: Params) -> tuple[Tensor, Tensor]:
        """Return the good and the bad stimulus, ``[n, D / 2]`` each."""

    @property
    def schedule_draws(self) -> int:
        """Uniform numbers for a side of every trial and, if they vary, the delay."""
        return self.trials + (self.shortest_delay is not None)

    def schedule(self, uniform: Tensor) -> Params:
        """Make ``side`` ``[n, trials]``, and ``delay`` ``[n]`` if it varies, of uniforms."""
        params = {"side": (uniform[:, : self.trials] < 0.5).long()}
        if self.shortest_delay is not None:
            count = self.delay - self.shortest_delay + 1
            drawn = (uniform[:, -1] * count).long().clamp_(max=count - 1)
            params["delay"] = drawn + self.shortest_delay
        return params

    @property
    def schedule_bounds(self) -> dict[str, tuple[tuple[int, ...], float, float]]:
        """Shapes and bounds of what `schedule` makes, for `check_parameters`."""
        bounds: dict[str, tuple[tuple[int, ...], float, float]] = {
            "side": ((self.trials,), LEFT, RIGHT)
        }
        if self.shortest_delay is not None:
            bounds["delay"] = ((), self.shortest_delay, self.delay)
        return bounds

    def complete(self, given: Mapping[str, Any], drawn: Params) -> Mapping[str, Any]:
        """Add the delays that were drawn, if there are any."""
        return {"delay": drawn["delay"], **given} if "delay" in drawn else given

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and the stimuli of the first trial."""
        good, bad = self.stimuli(params)
        side = params["side"].T  # of every trial [trials, n]; below of every step [T, n]
        state: State = {"t": 0}
        if self.delay:
            at = torch.arange(self.steps, device=side.device)[:, None].expand(-1, side.shape[1])
            period = 1 + params.get("delay", torch.full_like(side[0], self.delay))
            trial = (at // period).clamp_(max=self.trials - 1)
            chooses = trial * period == at
            side = torch.where(chooses, side.gather(0, trial), BLANK)
            active = at <= (self.trials - 1) * period
            state |= {"trial": trial.unbind(0), "active": active.long().unbind(0)}
        left_is_good, right_is_good = torch.cat([good, bad], 1), torch.cat([bad, good], 1)
        # VIEWS [T, D, n] of all steps at once
        views = torch.where((side == RIGHT)[:, None], right_is_good.T, left_is_good.T)
        if self.delay:
            views = views.masked_fill(~chooses[:, None], 0.0)
        lose, win = self.reward_range
        # PAYS by action XOR side
        state["pays"] = torch.tensor([win, lose, 0.0, 0.0], device=side.device)
        state |= {"views": views.unbind(0), "side": by_trial(side.T)}
        return state, state["views"][0].T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay for the choice, and show what is next (after the last step the same once more)."""
        t = state["t"]
        reward = state["pays"].take(action ^ state["side"][t])
        view = state["views"][min(t + 1, self.steps - 1)].T
        return {**state, "t": t + 1}, view, reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what both sides would pay at every step, and what is shown."""
        state, _ = self.reset(params)
        sides, actions = torch.stack(state["side"]), torch.arange(2, device=noise.device)
        rewards = state["pays"].take(actions[:, None] ^ sides[:, None])
        return Outcomes(rewards, torch.stack(state["views"]), ticking(state, self.steps))

    def trial_start(self, params: Params, state: State) -> Tensor | bool:
        """Say whether a pair is shown: it is at the first step of a trial, and there alone."""
        starts: Tensor | bool = state["side"][state["t"]] != BLANK if self.delay else True
        return starts

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, side of the good stimulus, whether it was chosen, and what that pays.

        With `delay` also ``decision``, whether the step is a choice, and ``active``, 0 after the
        last choice. On blank steps ``correct`` and both rewards are 0, and so is
        ``optimal_action``, for want of a better one.
        """
        t = state["t"]
        side = state["side"][t]
        lose, win = self.reward_range
        if not self.delay:
            return {
                "trial": torch.full_like(action, t),
                "optimal_action": side,
                "correct": (action == side).long(),
                "expected_reward": torch.where(action == side, win, lose),
                "optimal_reward": torch.full(action.shape, win, device=action.device),
            }
        decision = side != BLANK
        return {
            "trial": state["trial"][t],
            "decision": decision.long(),
            "active": state["active"][t],
            "optimal_action": side * decision,
            "correct": (action == side).long(),
            "expected_reward": state["pays"].take(action ^ side),
            "optimal_reward": win * decision.float(),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the side of the good stimulus, t / T and, if they vary, delay / `delay`.

        ``[n, 2]`` or ``[n, 3]``. Sides are -1 left, 1 right, and 0 on blank steps.
        """
        t = state["t"]
        side = state["side"][min(t, self.steps - 1)]
        shown = [2.0 * side - 1.0, torch.full(side.shape, t / self.steps, device=side.device)]
        if self.delay:
            shown[0] = shown[0] * (side != BLANK)
        if "delay" in params:
            shown.append(params["delay"] / max(self.delay, 1))
        return torch.stack(shown, dim=1)

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

        sides = [int(side[row]) for side in state["side"][: state["t"] + 1]]
        chose = [t for t, side in enumerate(sides[: state["t"]]) if side != BLANK]
        count = len(sides) - sides.count(BLANK)  # on a blank step there is no pair to choose from
        so_far = past.actions[chose], past.rewards[chose]
        pictures.choices(picture, pair, count, *so_far, self.reward_range)


@dataclasses.dataclass(frozen=True)
class Harlow(PairChoice):
    """Harlow's task with vectors for objects: two new objects, six trials.

    ## Description
    Two objects that the agent has not met together are shown, one on either side. One is good, the
    other bad, for the whole episode; the sides are shuffled on every trial. The first choice is a
    guess, but its outcome tells all: an agent that has learned to learn is right from trial 2 on.

    With `delay` blank steps come between the choices. The outcome is shown at the first of them, so
    that what paid must be carried across the others: the task then asks for credit through time.

    ## Observation Space
    The left object, then the right one, `dimension` features each; then the chosen `inputs`. All
    features are 0 on blank steps.

    ## Starting State
    Two different objects of the split, the good one drawn first; sides independent and equally
    probable on every trial.

    ## Reward
    +1 for the good object, -1 for the bad one, 0 on blank steps.

    ## Information
    `task`: `objects` [2], indices of the good and of the bad object; `side` [trials], where the
    good one is (0 left, 1 right); with `shortest_delay` also `delay`. Each step: `trial`;
    `correct`, whether the good object was chosen; `optimal_action`, `expected_reward`,
    `optimal_reward` for one who knows the object (all 0 on blank steps). With `delay` also
    `decision`, whether the step is a choice, and `active`, 0 after the last one.

    ## Task Distribution
    2,000 random vectors, uniform on the unit sphere, the same in every run. Objects 0 to 999 are
    `train`, 1000 to 1999 `held_out`: an agent tested there has never seen either object. `all`:
    both objects of a pair from all 2,000.

    ## Paper Correspondence
    Wang et al. 2018, simulation 5: 6 trials, +1 and -1, 1,000 objects in training and 1,000 others
    at test, as published. There an object is an image on a simulated screen, the agent turns its
    gaze towards it, and a trial starts with a fixation (see `HarlowOneDimensional`); here it is a
    vector, and a trial is one step. Accuracy published for networks and monkeys: 97 % on trial 2.
    Optimal return: 5 (0 on trial 1, 1 on each of the others), whatever the delay. Nothing is
    published with blank steps: they are ours.

    ## References
    Harlow HF 1949, The formation of learning sets, Psychological Review 56:51-65. Wang JX et al.
    2018, Prefrontal cortex as a meta-reinforcement learning system, Nature Neuroscience 21:860-868.
    """

    parameters = ("objects", "side")
    reward_range = (-1.0, 1.0)
    lasting = ("objects",)

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
        """Two objects, and the schedule."""
        return 2 + self.schedule_draws

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"objects": [n, 2], "side": [n, trials]}``, and `delay` if it varies."""
        return {"objects": draw_pair(uniform[:, :2], split), **self.schedule(uniform[:, 2:])}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"objects": [num_envs, 2], "side": [num_envs, trials]}``, unequal objects."""
        return check_pairs(params, **self.schedule_bounds)

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

"""Any Gymnasium environment as recurrent agents see it, one episode at a time."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

import gymnasium
import numpy as np
from gymnasium import spaces

from prefrontal.agents.common.errors import (
    ConfigError,
    PrefrontalError,
    TrainingError,
    did_you_mean,
)
from prefrontal.agents.common.user_files import blamed, place_of
from prefrontal.agents.rollout.action_spaces import ActionSpace
from prefrontal.agents.rollout.flat import flat, made_of, shown, size, unfit
from prefrontal.agents.rollout.limits import ASSUMED, limited
from prefrontal.agents.rollout.meta_episodes import MetaEpisodes
from prefrontal.agents.rollout.spec import in_order

_INPUTS = ("action", "reward", "time", "trial_start")
_FIVE = "step must return (observation, reward, terminated, truncated, info)"
_MOST = 1_000_000  # numbers in an observation
_LARGEST = float(np.finfo(np.float32).max)


class MetaInputs(gymnasium.Wrapper[np.ndarray, Any, Any, Any]):
    """An environment as recurrent agents see it: flat observations, followed by chosen inputs.

    Observations are flattened as `gymnasium.spaces.flatten` does: discrete ones become one-hot,
    those of a Dict or Tuple follow each other. Bytes (uint8, or other unsigned integers) and images
    are scaled from their bounds to 0 ... 1; `parts` says where images are. Actions are flat and
    numbered from 0, see `ActionSpace`.

    Args:
        env: An environment with observations that are Box, Discrete, MultiBinary, MultiDiscrete, or
            a Dict or Tuple of these (what else is in it is left out), and such actions (no Dict or
            Tuple). Without a time limit, episodes are cut after 1,000 steps.
        inputs: What follows the observation, in this order: any of `action` (the previous one:
            choices one-hot, numbers scaled from their bounds to -1 ... 1), `reward` (the previous
            one), `time` (share of the time limit), and of `MetaEpisodes` and NeuroGym `trial_start`
            (1 at the first step of a trial, else 0).

    Raises:
        ConfigError: The environment has other spaces, or there is no such input.

    Attributes:
        inputs: Names of the inputs.
        input_slices: Where in an observation each input lies.
        steps: Longest episode (the time limit of the environment).
        parts: What the observation is made of.
        notes: What a user has to know of it, a line each.
        trials: Whether it says where trials start: inner episodes, or NeuroGym's trials; then
            ``info["trial"]`` and ``info["trial_start"]`` are there at every step.
        actions: What actions there are.
        masks: Whether the environment says which actions are legal, None before the first episode;
            ``info["action_mask"]`` then has them at every reset and step, an array of K bool, all
            true after the end of an episode.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], inputs: Sequence[str] = ()) -> None:
        if not isinstance(env, gymnasium.Env):
            raise ConfigError(f"MetaInputs takes an environment of Gymnasium's, not {_short(env)}")
        if isinstance(env, MetaEpisodes):
            self.steps, assumed, notes = env.steps, env.assumed, env.notes
        else:
            (env, self.steps, assumed), notes = limited(env), ()
        super().__init__(env)
        self.trials = isinstance(env, MetaEpisodes) or _counts_trials(env.unwrapped)
        self.id = name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        self.inputs = in_order(inputs)
        for one in self.inputs:
            if one == "trial_start" and not self.trials:
                raise ConfigError(
                    f"input 'trial_start' is not available for {name}: environments that are not "
                    "ours do not say where their trials start (those of --meta-episodes do)"
                )
            if one not in _INPUTS:
                raise ConfigError(
                    f"input {one!r} is not available for {name}{did_you_mean(one, _INPUTS)}"
                )
        self.played = ActionSpace(env.action_space, name)
        self.actions, self.action_space = self.played.actions, self.played.flat
        self.shown, left = shown(env.observation_space)
        if why := unfit(self.shown):
            raise ConfigError(f"{name} has observations {_short(env.observation_space)}; {why}")
        self.parts = tuple(made_of(self.shown))
        self.notes = _notes(name, assumed, left) + notes
        width = size(self.shown)
        widths = {"action": self.actions.width, "reward": 1, "time": 1, "trial_start": 1}
        self.input_slices = {"observation": slice(0, width)}
        for one in self.inputs:
            self.input_slices[one] = slice(width, width + widths[one])
            width += widths[one]
        if not 0 < width <= _MOST:
            raise ConfigError(
                f"{name} has observations {_short(env.observation_space)}, {width:,} numbers with "
                f"their inputs; there must be 1 to {_MOST:,}"
            )
        self.observation_space = spaces.Box(-np.inf, np.inf, (width,), np.float32)
        self._t, self._trial, self._seed = 0, 0, "no seed"
        self.masks: bool | None = None
        self._legal: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode, with inputs of zero.

        Raises:
            TrainingError: The environment raises, or returns no observation of its space.
        """
        observation, info = self.begin(seed, options)
        self._legal = info.get("action_mask") if self.masks else None
        return self._seen(observation, {"trial_start": 1}), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one step with an action of `action_space`.

        Raises:
            ValueError: There is no such action.
            TrainingError: The environment raises, or returns something that nobody can learn from.
        """
        chosen = self.played.checked(action)[None]
        if self._legal is not None and not self._legal[chosen[0]]:
            warnings.warn(
                f"{self.id} is given an action that its action_mask forbids: agents have to be "
                'told it, predict(..., action_masks=info["action_mask"])',
                stacklevel=2,
            )
        observation, reward, ended, cut, info = self.advance(self.played.each(chosen)[0])
        self._legal = info.get("action_mask") if self.masks else None
        inputs = {"reward": reward, "time": self._t / self.steps}
        inputs["action"] = self.played.inputs(chosen)[0]
        inputs["trial_start"] = self.trials and info["trial_start"]
        return self._seen(observation, inputs), reward, ended, cut, info

    @property
    def action_masks(self) -> Callable[[], np.ndarray]:
        """Return a method that returns which actions are legal, ``[K]`` of bool.

        Raises:
            AttributeError: The environment does not say it, which is known after the first reset.
        """
        if self.masks is False or not self.actions.discrete:
            raise AttributeError(f"{self.id} does not say which actions are legal")
        return self._action_masks

    def _action_masks(self) -> np.ndarray:
        if self._legal is None:
            raise gymnasium.error.ResetNeeded("the first reset says which actions are legal")
        return self._legal.copy()

    def _seen(self, observation: Any, inputs: dict[str, Any]) -> np.ndarray:
        seen = np.zeros(cast(spaces.Box, self.observation_space).shape, np.float32)
        try:
            inputs["observation"] = flat(self.shown, [observation], 1)[0]
        except (ValueError, TypeError, OverflowError) as error:
            self.blame(f"the observation {error}", observation)
        for name, where in self.input_slices.items():
            seen[where] = inputs.get(name, 0)
        return seen

    def same_as(self, other: MetaInputs) -> bool:
        """Return whether another environment has the same spaces and time limit."""
        spaces = [(one.env.observation_space, one.env.action_space) for one in (self, other)]
        return spaces[0] == spaces[1] and self.steps == other.steps

    # WITHOUT INPUTS

    def begin(self, seed: int | None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Start an episode; return the environment's own observation and info, unchecked."""
        self.start(seed)
        if seed is not None and callable(old := getattr(self.unwrapped, "seed", None)):
            self.call(old, seed)  # as NeuroGym's, whose `reset` does not seed them
        result = self.call(self.env.reset, seed=seed, options=options)
        if not isinstance(result, tuple) or len(result) != 2:
            self.blame("reset must return (observation, info)", result)
        observation, info = result
        return observation, self._masked(info)

    def start(self, seed: int | None) -> None:
        """Note that an episode starts, for messages."""
        self._t, self._trial = 0, 0
        self._seed = "no seed" if seed is None else f"seed {seed}"

    def count_step(self) -> None:
        """Note that a step is taken, for messages and the input `time`."""
        self._t += 1

    def advance(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one step with an action of the environment's own.

        Returns:
            What the environment does, all checked but the observation.
        """
        self.count_step()
        result = self.call(self.env.step, action)
        if not isinstance(result, tuple) or len(result) != 5:
            self.blame(_FIVE, result)
        observation, reward, ended, cut, info = result
        if not (type(reward) is float and math.isfinite(reward)) or abs(reward) > _LARGEST:
            if not _is_number(reward):
                self.blame("the reward must be a finite number", reward)
            reward = float(reward)
        if not (type(ended) is type(cut) is bool):
            for flag in (ended, cut):
                if np.ndim(flag) or flag not in (True, False):
                    self.blame("terminated and truncated must be true or false", flag)
            ended, cut = bool(ended), bool(cut)
        if self.trials and not isinstance(self.env, MetaEpisodes):
            starts = bool(info["new_trial"])
            self._trial += starts
            info = {**info, "trial": self._trial, "trial_start": starts}
        if self.masks and (ended or cut):
            info = {**info, "action_mask": np.ones(self.actions.sizes[0], bool)}
        elif self.masks or type(info) is not dict or "action_mask" in info:
            info = self._masked(info)
        return observation, reward, ended, cut, info

    def _masked(self, info: Any) -> dict[str, Any]:
        """Return info with the legal actions as an array of bool, if the environment says them.

        Whether it does is seen where its first episode starts: in ``info["action_mask"]``, or by a
        method ``action_masks()``, where MaskablePPO of sb3-contrib looks for them.
        """
        if not isinstance(info, Mapping):
            self.blame("info must be a dictionary", info)
        mask = info.get("action_mask")
        told = "action_mask" in info
        if mask is None and self.masks is not False:
            with contextlib.suppress(AttributeError):
                method = self.env.get_wrapper_attr("action_masks")
                mask, told = self.call(method), True
        if self.masks is None:
            self.masks = told
        elif self.masks != (mask is not None):
            self.blame("action masks must be there at every reset and step, or never", mask)
        if not self.masks:
            return dict(info)
        if not self.actions.discrete:
            self.blame("action masks are for one Discrete action", mask)
        legal = self.legal(mask)
        if not legal.any():
            self.blame("the action mask must allow at least one action", mask)
        return {**info, "action_mask": legal}

    def legal(self, mask: Any, rows: tuple[int, ...] = ()) -> np.ndarray:
        """Return a mask of the environment's as bool, ``[*rows, K]``, checked."""
        array, count = np.asarray(mask), self.actions.sizes[0]
        fits = array.shape == (*rows, count) and array.dtype.kind in "biuf"
        if not fits or not ((array == 0) | (array == 1)).all():
            self.blame(f"the action mask must be {count} times true or false", mask)
        return array.astype(bool)

    # BLAME

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the environment; what it raises is its fault."""
        try:
            return method(*args, **kwargs)
        except (PrefrontalError, MemoryError, gymnasium.error.ResetNeeded):
            raise
        except Exception as error:  # others' environments raise anything
            name = method.__name__
            said = f"{name} raised {blamed(error) or f'{type(error).__name__}: {error}'}"
            if name == "reset" and isinstance(error, TypeError) and "argument" in said:
                said += "; it takes seed and options"
            if name == "step" and "to unpack (expected 5" in said:  # by Gymnasium's own wrappers
                said = _FIVE
            if blamed(error) is None:
                said += place_of(getattr(type(self.unwrapped), name))
            raise TrainingError(f"{self._when()}: {said}") from error

    def blame(self, wrong: str, value: Any) -> NoReturn:
        """Say what the environment did wrong, and when."""
        method = type(self.unwrapped).step if self._t else type(self.unwrapped).reset
        raise TrainingError(f"{self._when()}: {wrong}, not {_short(value)}{place_of(method)}")

    def _when(self) -> str:
        return f"environment {self.id}, step {self._t} of an episode with {self._seed}"


def _counts_trials(env: Any) -> bool:
    """Return whether an environment is NeuroGym's, where ``info["new_trial"]`` ends a trial."""
    return callable(getattr(env, "new_trial", None)) and hasattr(env, "num_tr")


def _notes(name: str, assumed: bool, left: Sequence[str]) -> tuple[str, ...]:
    """Return what a user has to know of how agents see an environment."""
    notes = []
    if assumed:
        notes.append(
            f"{name} has no time limit: episodes are cut after {ASSUMED:,} steps (set another by "
            "--env-kwargs max_episode_steps=STEPS)"
        )
    if left:
        notes.append(f"agents are not shown {', '.join(left)} of {name}: no numbers of fixed size")
    return tuple(notes)


def _is_number(value: Any) -> bool:
    """Return whether a value is one finite number, for agents too (float32)."""
    array = np.asarray(value)
    with np.errstate(over="ignore"):
        return (
            not array.ndim and array.dtype.kind in "biuf" and bool(np.isfinite(np.float32(array)))
        )


def _short(value: Any) -> str:
    """Return a value in one line of at most 80 characters."""
    return " ".join(repr(value).split())[:80]

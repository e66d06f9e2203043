"""Vector environments of others as rows of whole episodes, whatever they do after an end."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.user_files import place_of
from prefrontal.agents.rollout.flat import flat
from prefrontal.agents.rollout.limits import limit_of, time_limit
from prefrontal.agents.rollout.meta_inputs import MetaInputs
from prefrontal.agents.rollout.rows import Shown


class Vectors:
    """Whole episodes of vector environments: one for each member, which knows no other.

    A row whose episode has ended is played on, where its environment cannot leave that, and nothing
    of it is shown: it keeps its last observation, with reward 0 and ended flags, until `reset`, or
    `restart`.

    Args:
        env_id: Gymnasium id with a ``vector_entry_point``: a class or function of ``num_envs`` that
            makes a `gymnasium.vector.VectorEnv`, or a `VecEnv` of Stable-Baselines3's.
        inputs: What follows the observation, see `MetaInputs`.
        members: How many members.
        batch: Rows of each.
        **kwargs: Arguments of the environment.

    Raises:
        ConfigError: It makes something else, does not say what it does after an end, or has spaces
            that agents cannot meet.

    Attributes:
        like: What one row is like.
    """

    def __init__(
        self, env_id: str, inputs: Sequence[str], members: int, batch: int, **kwargs: Any
    ) -> None:
        spec = gymnasium.spec(env_id)
        self.envs = [_made(spec, batch, kwargs) for _ in range(members)]
        self.batch = batch
        told = kwargs.get("max_episode_steps", spec.max_episode_steps)
        self.like = MetaInputs(_Row(self.envs[0], spec, told), inputs)
        rows = members * batch
        self.shown = Shown(self.like, rows)
        self.ended, self.cut = np.ones(rows, bool), np.zeros(rows, bool)
        self._waiting = np.zeros(rows, bool)  # their next step starts an episode

    def reset(self, seeds: Sequence[int | None]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Start an episode in every row; the seed of a member's first row is that of all.

        Raises:
            TrainingError: The environment raises, or returns something that nobody can learn from.
        """
        firsts = [cast(int, seed) for seed in seeds[:: self.batch]]
        self.like.start(firsts[0])
        started = [
            self.like.call(env.reset, seed) for env, seed in zip(self.envs, firsts, strict=True)
        ]
        rows = np.arange(len(self.ended))
        seen = [self._flat(one) for one, _ in started]
        self.shown.begin(rows, np.concatenate(seen))
        self.ended[:] = self.cut[:] = self._waiting[:] = False
        return self.shown.array, self._info([info for _, info in started])

    def restart(self) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        """Go on with the next episode in every row whose last one has ended.

        Returns:
            As `reset`, and which rows show it only after the next step, ``[n]`` of bool.

        Raises:
            ConfigError: A row was cut by a time limit that its environment does not know.
            TrainingError: As `reset`.
        """
        over, mode = self.ended | self.cut, self.envs[0].mode
        known = np.concatenate([env.over for env in self.envs])
        if mode is not AutoresetMode.DISABLED and (over & ~known).any():
            raise ConfigError(
                f"{self.like.id} is cut after {self.like.steps} steps by a time limit that it does "
                "not keep itself, so that no row can start anew alone: give its rows a limit of "
                "their own, or leave --segment out"
            )
        if mode is AutoresetMode.NEXT_STEP:
            self._waiting[:] = over
            return self.shown.array, self._info([]), over
        for env, first in zip(self.envs, range(0, len(over), self.batch), strict=True):
            part = over[first : first + self.batch]
            if part.any():
                seen, info = self.like.call(env.first, part)
                rows = first + np.flatnonzero(part)
                self.shown.begin(rows, self._flat(seen)[part])
                if self.shown.legal is not None:
                    legal = self.like.legal(info.get("action_mask"), (self.batch,))
                    there = np.asarray(info.get("_action_mask", part), bool)
                    self._check_legal(legal[part], there[part])
                    self.shown.legal[rows] = legal[part]
        self.ended[:] = self.cut[:] = False
        return self.shown.array, self._info([]), self._waiting

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Step every row; those that have ended show nothing new.

        Raises:
            TrainingError: As `reset`.
        """
        rows, begun = np.flatnonzero(~(self.ended | self.cut)), np.flatnonzero(self._waiting)
        paid = np.zeros(len(self.ended), np.float32)
        if not len(rows) and not len(begun):
            return self.shown.array, paid, self.ended, self.cut, self._info([])
        self.like.count_step()
        played = [
            self._played(env, actions[first : first + self.batch])
            for env, first in zip(self.envs, range(0, len(actions), self.batch), strict=True)
        ]
        seen, rewards, ended, cut, told = zip(*played, strict=True)
        paid[rows] = np.concatenate(rewards)[rows]
        self.ended[rows] = np.concatenate(ended)[rows]
        over = self.shown.t[rows] + 1 >= self.like.steps
        self.cut[rows] = (np.concatenate(cut)[rows] | over) & ~self.ended[rows]
        shown = np.concatenate(seen)
        self.shown.step(rows, shown[rows], actions[rows], paid[rows])
        if len(begun):
            self.shown.begin(begun, shown[begun])
            self.ended[begun] = self.cut[begun] = self._waiting[begun] = False
        return self.shown.array, paid, self.ended, self.cut, self._info(told)

    def close(self) -> None:
        """Close all."""
        for env in self.envs:
            env.close()

    def _played(self, env: Theirs, actions: np.ndarray) -> tuple[Any, ...]:
        """Return what one vector environment does, checked; observations are those of the end."""
        seen, last, rewards, *flags, info = self.like.call(env.step, self.like.played.own(actions))
        flags = [np.asarray(flag) for flag in flags]
        rewards = np.asarray(rewards)
        for flag in flags:
            if flag.shape != (self.batch,) or flag.dtype != bool:
                self.like.blame("terminated and truncated must be true or false for each row", flag)
        if rewards.shape != (self.batch,) or rewards.dtype.kind not in "biuf":
            self.like.blame(f"rewards must be numbers of shape {[self.batch]}", rewards)
        with np.errstate(over="ignore"):
            rewards = rewards.astype(np.float32)
        if not np.isfinite(rewards).all():
            self.like.blame("rewards must be finite numbers", rewards)
        found = self._flat(seen)
        if last:
            found[list(last)] = self._flat(list(last.values()), stacked=False)
        return found, rewards, *flags, info

    def _flat(self, seen: Any, stacked: bool = True) -> np.ndarray:
        try:
            return flat(self.like.shown, seen, self.batch if stacked else len(seen), stacked)
        except (ValueError, TypeError, OverflowError) as error:
            self.like.blame(f"the observation of a row {error}", seen)

    def _info(self, told: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Return which actions are legal, ``[n, K]``, if the environment says it."""
        running = ~(self.ended | self.cut)
        if told:
            masks = [info.get("action_mask") for info in told]
            there = any(mask is not None for mask in masks)
            if self.like.masks is None:
                self.like.masks = there
            if self.like.masks != there or (there and any(mask is None for mask in masks)):
                self.like.blame(
                    "action masks must be there at every reset and step, or never", None
                )
            if there:
                self._take(masks, [info.get("_action_mask") for info in told], running)
        if self.shown.legal is None:
            return {}
        self.shown.legal[~running] = True
        return {"action_mask": self.shown.legal}

    def _take(self, masks: list[Any], given: list[Any], running: np.ndarray) -> None:
        """Take the legal actions of all rows, those that run checked."""
        there = [np.ones(self.batch, bool) if one is None else np.asarray(one) for one in given]
        parts = [self.like.legal(mask, (self.batch,)) for mask in masks]
        self.shown.legal = np.concatenate(parts)
        self._check_legal(self.shown.legal[running], np.concatenate(there)[running])

    def _check_legal(self, legal: np.ndarray, there: np.ndarray) -> None:
        """Blame the environment for rows whose mask ``[m, K]`` is missing or allows nothing."""
        if not there.all():
            self.like.blame("action masks must be there at every reset and step, or never", None)
        if not legal.any(1).all():
            self.like.blame("the action mask must allow at least one action", legal)


class Theirs:
    """A vector environment of others, as one that says what was seen last in an episode.

    Args:
        env: The environment.
        mode: What it does after the end of an episode.

    Attributes:
        over: In which rows the last step ended an episode.
    """

    def __init__(self, env: Any, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> None:
        self.env, self.mode = env, mode
        self.row_spaces = env.single_observation_space, env.single_action_space
        self.num_envs, self.over = env.num_envs, np.zeros(env.num_envs, bool)
        self._shown: tuple[Any, Mapping[str, Any]] = None, {}

    def reset(self, seed: int) -> tuple[Any, Mapping[str, Any]]:
        """Return stacked observations, and info."""
        self.over = np.zeros(self.num_envs, bool)
        return self.env.reset(seed=seed)

    def first(self, rows: np.ndarray) -> tuple[Any, Mapping[str, Any]]:
        """Return stacked observations, those of the next episode in `rows` that ended, and info.

        Not in the mode NEXT_STEP.
        """
        if self.mode is AutoresetMode.SAME_STEP:
            return self._shown
        self.over = self.over & ~rows
        return self.env.reset(options={"reset_mask": rows.copy()})

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        """Return stacked observations, last ones by row, rewards, flags and info."""
        if self.mode is AutoresetMode.DISABLED and self.over.any():
            self.env.reset(options={"reset_mask": self.over.copy()})
        seen, rewards, ended, cut, info = self.env.step(actions)
        self._shown, self.over = (seen, info), np.asarray(ended, bool) | np.asarray(cut, bool)
        last = {}
        if self.mode is AutoresetMode.SAME_STEP:
            last = {row: info["final_obs"][row] for row in np.flatnonzero(self.over)}
        return seen, last, rewards, ended, cut, info

    def close(self) -> None:
        """Close it."""
        self.env.close()


class TheirsOfSB3(Theirs):
    """A `VecEnv` of Stable-Baselines3's: rows that end start anew in the same step."""

    mode = AutoresetMode.SAME_STEP

    def __init__(self, env: Any) -> None:
        self.env, self.num_envs = env, env.num_envs
        self.row_spaces = env.observation_space, env.action_space
        self.over, self._seen = np.zeros(self.num_envs, bool), None
        self._asked: bool | None = None  # whether its rows have action_masks()

    def reset(self, seed: int) -> tuple[Any, Mapping[str, Any]]:
        """Return stacked observations, and info."""
        self.env.seed(seed)
        seen = self.env.reset()
        return seen, self._legal(self.env.reset_infos)

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        """Return stacked observations, last ones by row, rewards, flags and info."""
        seen, rewards, done, infos = self.env.step(actions)
        self.over = np.asarray(done, bool)
        cut = np.array([bool(info.get("TimeLimit.truncated")) for info in infos])
        last = {row: infos[row]["terminal_observation"] for row in np.flatnonzero(done)}
        self._seen = seen
        return seen, last, rewards, done & ~cut, done & cut, self._legal(infos)

    def first(self, rows: np.ndarray) -> tuple[Any, Mapping[str, Any]]:
        """See `Theirs.first`."""
        return self._seen, self._legal(self.env.reset_infos)

    def _legal(self, infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        masks = [info.get("action_mask") for info in infos]
        if self._asked is None:
            self._asked = masks[0] is None and self.env.has_attr("action_masks")
        if self._asked:
            masks = self.env.env_method("action_masks")
        there = np.array([mask is not None for mask in masks])
        if not there.any():
            return {}
        like = next(mask for mask in masks if mask is not None)
        filled = [np.ones_like(like) if mask is None else mask for mask in masks]
        return {"action_mask": np.array(filled), "_action_mask": there}


class _Row(gymnasium.Env[Any, Any]):
    """The spaces and the time limit of one row, for `MetaInputs` to judge."""

    def __init__(self, theirs: Theirs, spec: EnvSpec, limit: int | None) -> None:
        self.observation_space, self.action_space = theirs.row_spaces
        self.spec = spec
        self.max_episode_steps = limit or _limit_of(theirs.env)


def _limit_of(env: Any) -> int | None:
    """Return the time limit of a vector environment: its own, or that of its rows."""
    if (told := limit_of(env)) is None:
        with contextlib.suppress(Exception):  # whatever asking them raises
            rows = getattr(env.unwrapped, "envs", None)  # in this process
            told = time_limit(rows[0]) if rows else env.get_attr("spec")[0].max_episode_steps
    return told


def _made(spec: EnvSpec, rows: int, kwargs: Mapping[str, Any]) -> Theirs:
    """Make one vector environment, ready to be played.

    Raises:
        ConfigError: What the entry point makes is none, or has other rows, or does not say how it
            goes on after an end.
    """
    entry = spec.vector_entry_point
    creator: Any = load_env_creator(entry) if isinstance(entry, str) else entry
    given = {**spec.kwargs, **kwargs}
    takes = inspect.signature(creator).parameters
    if "max_episode_steps" in takes and spec.max_episode_steps is not None:
        given.setdefault("max_episode_steps", spec.max_episode_steps)
    elif "max_episode_steps" not in takes and all(
        one.kind != one.VAR_KEYWORD for one in takes.values()
    ):
        given.pop("max_episode_steps", None)  # it is kept by `Vectors`
    env, name = creator(num_envs=rows, **given), getattr(creator, "__name__", spec.id)
    start = creator.__init__ if isinstance(creator, type) else creator  # type: ignore[misc]
    place = place_of(start)
    theirs: Theirs
    if isinstance(env, VectorEnv):
        theirs = Theirs(env, _mode(env, place))
    elif _is_sb3(env):
        theirs = TheirsOfSB3(env)
    else:
        raise ConfigError(
            f"{name} must make a gymnasium.vector.VectorEnv, or a VecEnv of Stable-Baselines3's, "
            f"not {type(env).__name__}{place}"
        )
    if theirs.num_envs != rows:
        raise ConfigError(f"{name} must make num_envs = {rows} rows, not {theirs.num_envs}{place}")
    return theirs


def _mode(env: VectorEnv[Any, Any, Any], place: str) -> AutoresetMode:
    told = env.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(told)
    except ValueError:
        raise ConfigError(
            "a vector environment must say what it does after the end of an episode: "
            "metadata['autoreset_mode'] = gymnasium.vector.AutoresetMode.NEXT_STEP (or SAME_STEP, "
            f"or DISABLED), not {told!r}{place}"
        ) from None


def _is_sb3(env: Any) -> bool:
    """Return whether it is a `VecEnv`; who has one has imported Stable-Baselines3."""
    module = sys.modules.get("stable_baselines3.common.vec_env")
    return module is not None and isinstance(env, module.VecEnv)


def is_vectorised(made: Any) -> bool:
    """Return whether a class or function makes a vector environment: whether it takes num_envs."""
    if isinstance(made, type):
        return issubclass(made, VectorEnv) or _is_sb3_class(made)
    return callable(made) and "num_envs" in inspect.signature(made).parameters


def _is_sb3_class(made: type[Any]) -> bool:
    module = sys.modules.get("stable_baselines3.common.vec_env")
    return module is not None and issubclass(made, module.VecEnv)

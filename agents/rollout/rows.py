"""Environments side by side in one process, as arrays: whole episodes, with inputs and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from prefrontal.agents.rollout.flat import flat
from prefrontal.agents.rollout.meta_inputs import MetaInputs


class Shown:
    """What rows have shown last, in one array: observations and inputs, written many at once.

    Args:
        like: An environment as agents see it; says which inputs there are, and where.
        rows: How many rows n.

    Attributes:
        array: ``[n, I]``, float32.
        legal: ``[n, K]`` of bool, which actions are legal; None where nothing says so.
    """

    def __init__(self, like: MetaInputs, rows: int) -> None:
        self.like, self.rows = like, rows
        self.array = np.zeros((rows, *cast(spaces.Box, like.observation_space).shape), np.float32)
        self.legal: np.ndarray | None = None
        self.t = np.zeros(rows, np.int64)

    def begin(self, rows: np.ndarray, observations: np.ndarray) -> None:
        """Write the start of episodes: observations ``[m, I]`` of m rows, and inputs of zero."""
        self.t[rows] = 0
        self.array[rows] = 0
        self._write("observation", rows, observations)
        self._write("trial_start", rows, 1)

    def step(
        self,
        rows: np.ndarray,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        starts: np.ndarray | int = 0,
    ) -> None:
        """Write what m rows show after a step: arrays ``[m, ...]``."""
        self.t[rows] += 1
        self._write("observation", rows, observations)
        if "action" in self.like.input_slices:
            self._write("action", rows, self.like.played.inputs(actions))
        self._write("reward", rows, rewards[:, None])
        self._write("time", rows, self.t[rows, None] / self.like.steps)
        self._write("trial_start", rows, starts)

    def _write(self, name: str, rows: np.ndarray, values: Any) -> None:
        if (where := self.like.input_slices.get(name)) is None:
            return
        if len(rows) == self.rows:
            self.array[:, where] = values
        else:
            self.array[rows, where] = values


class Rows:
    """Whole episodes of environments that are played one after the other in this process.

    A row whose episode has ended keeps showing its last observation, with reward 0 and ended flags,
    until it is reset.

    Args:
        envs: The environment of each row.

    Attributes:
        like: The first of them; all are alike.
    """

    def __init__(self, envs: Sequence[MetaInputs]) -> None:
        self.envs, self.like = list(envs), envs[0]
        self.shown = Shown(self.like, len(self.envs))
        self.ended, self.cut = (np.ones(len(self.envs), bool) for _ in range(2))
        self.trial = np.zeros(len(self.envs), np.int64)

    def reset(self, seeds: Sequence[int | None]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Start an episode in every row that has a seed; the others stay as they are."""
        rows = np.array([row for row, seed in enumerate(seeds) if seed is not None])
        started = [self.envs[row].begin(seeds[row]) for row in rows]
        if not len(rows):
            return self.shown.array, self._info(rows, [])
        for row in rows:
            if self.envs[row].masks != self.envs[rows[0]].masks:
                self.envs[row].blame("action masks must be there in all environments", None)
        self.shown.begin(rows, self._flat(rows, [seen for seen, _ in started]))
        self.ended[rows] = self.cut[rows] = False
        self.trial[rows] = 0
        return self.shown.array, self._info(rows, [info for _, info in started])

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Step every row that is still running."""
        rows = np.flatnonzero(~(self.ended | self.cut))
        rewards = np.zeros(len(self.envs), np.float32)
        if not len(rows):
            return self.shown.array, rewards, self.ended, self.cut, self._info(rows, [])
        given = actions[rows]
        own = self.like.played.each(given)
        played = [self.envs[row].advance(one) for row, one in zip(rows, own, strict=True)]
        seen, paid, ended, cut, told = zip(*played, strict=True)
        rewards[rows], self.ended[rows], self.cut[rows] = paid, ended, cut
        self.cut &= ~self.ended
        starts: Any = 0
        if self.like.trials:
            self.trial[rows] = [info["trial"] for info in told]
            starts = np.array([[info["trial_start"]] for info in told])
        self.shown.step(rows, self._flat(rows, seen), given, rewards[rows], starts)
        return self.shown.array, rewards, self.ended, self.cut, self._info(rows, told)

    def close(self) -> None:
        """Close every row."""
        for env in self.envs:
            env.close()

    def _flat(self, rows: np.ndarray, seen: Sequence[Any]) -> np.ndarray:
        """Return the observations of m rows ``[m, I]``; blame the environment that is wrong."""
        wrong = ValueError, TypeError, OverflowError
        try:
            return flat(self.like.shown, seen, len(seen))
        except wrong:
            for row, one in zip(rows, seen, strict=True):
                try:
                    flat(self.like.shown, [one], 1)
                except wrong as error:
                    self.envs[row].blame(f"the observation {error}", one)
            raise

    def _info(self, rows: np.ndarray, told: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return what the rows say besides: the inner episode, and which actions are legal."""
        info = {"trial": self.trial} if self.like.trials else {}
        if self.like.masks:
            if self.shown.legal is None:
                self.shown.legal = np.ones((len(self.envs), self.like.actions.sizes[0]), bool)
            if len(rows):
                self.shown.legal[rows] = [one["action_mask"] for one in told]
            info["action_mask"] = self.shown.legal
        return info

"""The Gymnasium face of one episode at a time, made of the vector environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from prefrontal.envs.gym import TaskVectorEnv, as_seed, task_option
from prefrontal.envs.lazy import torch
from prefrontal.envs.task import Task


class TaskEnv(gymnasium.Env[np.ndarray, Any]):
    """One episode at a time: the vector face with one row, and the same arguments.

    Task parameters set by hand, ``reset(options={"task": {name: value}})``, have no batch dimension
    here; nor has anything else.

    Attributes:
        task: The task.
        inputs: Names of the inputs.
        input_slices: Where in an observation each input lies; ``"observation"`` is the base.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
    }

    def __init__(
        self, task: Task | type[Task] | str, *, render_mode: str | None = None, **arguments: Any
    ):
        for name in ("num_envs", "tensors", "members", "autoreset"):
            if name in arguments:
                raise ValueError(f"{name} is an argument of make_vec only")
        self._vector = TaskVectorEnv(
            task, 1, autoreset="disabled", render_mode=render_mode, **arguments
        )
        self.task, self.render_mode = self._vector.task, render_mode
        self.inputs, self.input_slices = self._vector.inputs, self._vector.input_slices
        self.__doc__ = self.task.__doc__
        self.observation_space = self._vector.single_observation_space
        self.action_space = self._vector.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see `TaskVectorEnv.reset`."""
        seed = as_seed(seed)
        super().reset(seed=seed)
        given = task_option(options)
        if given is not None:
            options = {"task": {name: _add_row(value) for name, value in given.items()}}
        if seed is None and not self._vector._seeded:
            seed = int(self.np_random.integers(2**63))
        observation, info = self._vector.reset(seed=seed, options=options)
        return observation[0], _first_row(info)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one step; see `TaskVectorEnv.step`."""
        *arrays, info = self._vector.step(np.asarray(action)[None])
        observation, reward, terminated, truncated = (array[0] for array in arrays)
        return observation, float(reward), bool(terminated), bool(truncated), _first_row(info)

    def render(self) -> Any:
        """Return one line of text (``"ansi"``), one picture (``"rgb_array"``), or None."""
        rendered = self._vector.render()
        return None if rendered is None else rendered[0]


def _add_row(value: Any) -> np.ndarray:
    return (value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value))[None]


def _first_row(info: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _first_row(value) if isinstance(value, dict) else value[0]
        for name, value in info.items()
    }

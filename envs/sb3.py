"""The Stable-Baselines3 face of Gymnasium vector environments, which SB3 itself does not take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn


class SB3VecEnv(VecEnv):
    """A Gymnasium vector environment as a Stable-Baselines3 ``VecEnv``.

    The info of a row that ends its episode has ``terminal_observation`` and ``episode`` (return
    ``r``, length ``l``, seconds ``t``), so SB3 logs returns without a Monitor; every info has
    ``TimeLimit.truncated``. Other entries of the vector info (the facts of a step) are not split
    into rows: that costs more than the environment. Read them from ``vector_info``. Rows are one
    environment, so attributes and methods are those of all rows.

    Made with ``render_mode="rgb_array"``, ``render`` returns the pictures of all rows as tiles, and
    ``VecVideoRecorder`` writes videos of them (it needs ``moviepy``).

    Args:
        vector_env: Any Gymnasium vector environment with autoreset mode SAME_STEP.

    Attributes:
        vector_env: The environment.
        vector_info: Info of the last reset or step, as the environment returned it.
    """

    def __init__(self, vector_env: VectorEnv[Any, Any, Any]):
        if not isinstance(vector_env, VectorEnv):
            raise TypeError(f"expected a gymnasium VectorEnv; got {type(vector_env).__name__}")
        mode = vector_env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"SB3 needs autoreset mode SAME_STEP; the environment has {mode}")
        if getattr(vector_env.unwrapped, "tensors", False):
            raise ValueError("SB3 needs NumPy arrays: make the environment with tensors=False")
        self.vector_env = vector_env
        self.vector_info: dict[str, Any] = {}
        self.metadata = vector_env.metadata
        self._actions: np.ndarray | None = None
        self._returns = np.zeros(vector_env.num_envs)
        self._lengths = np.zeros(vector_env.num_envs, dtype=np.int64)
        self._start = time.time()
        super().__init__(
            vector_env.num_envs,
            vector_env.single_observation_space,
            vector_env.single_action_space,
        )

    def reset(self) -> Any:
        """Reset every row, with the seed and the options set by ``seed`` and ``set_options``."""
        observation = self._restart(self._seeds[0], _batched_options(self._options))
        self._reset_seeds()
        self._reset_options()
        return observation

    def _restart(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, self.vector_info = self.vector_env.reset(seed=seed, options=options)
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step every row; rows that ended show the first observation of their next episode."""
        observation, reward, terminated, truncated, info = self.vector_env.step(self._actions)
        self.vector_info = info
        self._returns += reward
        self._lengths += 1
        dones = terminated | truncated
        infos: list[dict[str, Any]] = [
            {"TimeLimit.truncated": bool(cut)} for cut in truncated & ~terminated
        ]
        for row in np.flatnonzero(dones):
            infos[row]["terminal_observation"] = info["final_obs"][row]
            infos[row]["episode"] = {
                "r": float(self._returns[row]),
                "l": int(self._lengths[row]),
                "t": round(time.time() - self._start, 6),
            }
            self._returns[row], self._lengths[row] = 0.0, 0
        return observation, np.asarray(reward, dtype=np.float32), dones, infos

    def close(self) -> None:
        """Close the environment."""
        self.vector_env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the vector environment, once for each row asked for."""
        value = getattr(self.vector_env.unwrapped, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment; rows cannot differ.

        Raises:
            ValueError: Only some rows were asked for.
        """
        self._check_all(indices)
        setattr(self.vector_env.unwrapped, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of the vector environment once; the result stands for each row.

        ``"reset"`` starts an episode in every row, and returns the observation and an empty info of
        each.

        Raises:
            ValueError: Only some rows were asked for.
        """
        self._check_all(indices)
        if method_name == "reset":
            return [(row, {}) for row in self._restart(*method_args, **method_kwargs)]
        result = getattr(self.vector_env, method_name)(*method_args, **method_kwargs)
        return [result] * self.num_envs

    def _check_all(self, indices: VecEnvIndices) -> None:
        """Raise ValueError unless all rows are meant."""
        asked: Any = indices
        if indices is not None and np.ravel(asked).tolist() != list(range(self.num_envs)):
            raise ValueError(
                "rows share one environment and run in lock-step: indices must be None; "
                f"got {indices!r}"
            )

    def env_is_wrapped(
        self,
        wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]],
        indices: VecEnvIndices = None,
    ) -> list[bool]:
        """Say yes to ``Monitor`` (episodes are recorded as it does), no to anything else."""
        return [issubclass(wrapper_class, Monitor) for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return a picture a row, uint8 ``[height, width, 3]``.

        Raises:
            ValueError: The environment was made without ``render_mode="rgb_array"``.
        """
        if self.render_mode != "rgb_array":
            raise ValueError(
                'pictures need an environment made with render_mode="rgb_array"; '
                f"this one has {self.render_mode!r}"
            )
        images: tuple[np.ndarray, ...] = self.vector_env.render()  # type: ignore[assignment]
        return images


def to_sb3_vec_env(vector_env: VectorEnv[Any, Any, Any]) -> SB3VecEnv:
    """Give a Gymnasium vector environment to Stable-Baselines3 (and sb3-contrib).

    Args:
        vector_env: Any Gymnasium vector environment with autoreset mode SAME_STEP, such as
            ``gymnasium.make_vec("prefrontal/TwoArmedBandit-v0", num_envs=16)``.

    Returns:
        A ``VecEnv`` that logs episode returns by itself.

    Raises:
        TypeError: It is not a vector environment.
        ValueError: It resets in another way, or returns tensors.
    """
    return SB3VecEnv(vector_env)


def _batched_options(options: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Turn SB3's options, one dict a row, into those of a vector environment.

    The same parameter of all rows is stacked: ``{"task": {"p": [2]}}`` becomes ``[num_envs, 2]``.
    """
    if not any(options):
        return None
    if any(set(row) != {"task"} or set(row["task"]) != set(options[0]["task"]) for row in options):
        raise ValueError("options must hold 'task', with the same parameters, in every row")
    names = options[0]["task"]
    return {"task": {name: np.stack([row["task"][name] for row in options]) for name in names}}

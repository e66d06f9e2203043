"""Environments in processes of their own, for slow simulators."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.rollout.meta_inputs import MetaInputs
from prefrontal.agents.rollout.rows import Rows


class Workers:
    """Rows as `Rows` plays them, in equal parts by several processes: the same results.

    Args:
        make: Makes one environment.
        rows: How many n.
        workers: Processes at most: the largest number that divides the rows is taken.

    Raises:
        ConfigError: `workers` is no number of at least 1, or this process may start no others.

    Attributes:
        like: What one row is like; it is not played.
    """

    def __init__(self, make: Callable[[], MetaInputs], rows: int, workers: int) -> None:
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
            raise ConfigError(f"env_workers must be a whole number of at least 1, not {workers!r}")
        if multiprocessing.current_process().daemon:
            raise ConfigError(
                "a process of --workers cannot start those of --env-workers: leave out --workers"
            )
        count = next(number for number in range(min(workers, rows), 0, -1) if rows % number == 0)
        self.like, self.count = make(), rows
        parts = np.arange(rows).reshape(count, -1)
        made = [partial(_Part, make, part[0], len(part)) for part in parts]
        self.envs: Any = None
        off = AutoresetMode.DISABLED
        self.envs = self._asked(AsyncVectorEnv, made, context="fork", autoreset_mode=off)

    def reset(self, seeds: Sequence[int | None]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Start an episode in every row that has a seed; the others stay as they are."""
        seen, info = self._asked(self.envs.reset, options={"seeds": list(seeds)})
        return self._joined(seen), self._told(info)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Step every row that is still running."""
        parts = actions.reshape(self.envs.num_envs, -1, *actions.shape[1:])
        *arrays, info = self._asked(self.envs.step, parts)
        seen, rewards, ended, cut = map(self._joined, arrays)
        return seen, rewards.astype(np.float32), ended, cut, self._told(info)

    def close(self) -> None:
        """End the processes."""
        if self.envs is not None and not self.envs.closed:
            self.envs.close()
        self.like.close()

    def _asked(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of all processes.

        Raises:
            TrainingError: An environment is to blame, or a process has died.
        """
        level = gymnasium.logger.min_level
        gymnasium.logger.min_level = 100  # what goes wrong is told below, in one line
        try:
            return method(*args, **kwargs)
        except (EOFError, OSError) as error:
            codes = self._end()
            raise TrainingError(
                f"environment {self.like.id}: a process of --env-workers has died{codes}; take "
                "fewer if memory has run out; --resume goes on from the last checkpoint"
            ) from error
        finally:
            gymnasium.logger.min_level = level

    def _end(self) -> str:
        """End all processes at once; return how those ended that were not alive any more."""
        processes = self.envs.processes if self.envs is not None else []
        for one in processes:
            one.join(0.1)
        codes = {one.exitcode for one in processes if not one.is_alive()}
        for one in processes:
            one.terminate()
            one.join()
        if self.envs is not None:
            self.envs.closed = True
        return f" (exit code {', '.join(map(str, codes))})" if codes else ""

    def _joined(self, parts: np.ndarray) -> np.ndarray:
        """Return what all processes say of their rows ``[W, n / W, ...]`` as one, ``[n, ...]``."""
        return parts.reshape(self.count, *parts.shape[2:])

    def _told(self, info: dict[str, Any]) -> dict[str, np.ndarray]:
        return {name: self._joined(info[name]) for name in info if not name.startswith("_")}


class _Part(gymnasium.Env[Any, Any]):
    """The rows of one process, as one environment of arrays."""

    def __init__(self, make: Callable[[], MetaInputs], first: int, rows: int) -> None:
        self.rows = Rows([make() for _ in range(rows)])
        self.mine = slice(first, first + rows)
        like = self.rows.like.observation_space
        assert isinstance(like, spaces.Box)
        self.observation_space = spaces.Box(-np.inf, np.inf, (rows, *like.shape), np.float32)
        # Actions are handed on as they are.
        self.action_space = gymnasium.vector.utils.batch_space(self.rows.like.action_space, rows)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        assert options is not None
        return self.rows.reset(options["seeds"][self.mine])

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        return self.rows.step(action)

    def close(self) -> None:
        self.rows.close()

"""Any Gymnasium environment as a vector of whole episodes, with inputs for meta-learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError, did_you_mean

_INPUTS = ("action", "reward", "time")


class EpisodeVectorEnv:
    """Episodes of any environment with a flat Box (or Discrete) observation and discrete actions.

    Each row is an environment of its own, seeded from (seed, member, row). A row whose episode has
    ended keeps returning its last observation, reward 0 and ended flags until `reset`, so a batch
    of unequal episodes can be masked.

    Args:
        env_id: Gymnasium id.
        members: Identities of the members; rows are blocked by member.
        batch: Rows per member.
        inputs: What follows the observation: any of `action`, `reward`, `time`.
        device: Where the tensors live.
        **kwargs: Arguments of the environment.

    Attributes:
        steps: Longest episode (the time limit of the environment).
        input_slices: Where in an observation each input lies.
    """

    variable_length = True
    privileged_size = 0

    def __init__(
        self,
        env_id: str,
        members: Sequence[int],
        batch: int,
        inputs: Sequence[str] = (),
        device: str = "cpu",
        **kwargs: Any,
    ) -> None:
        for name in inputs:
            if name not in _INPUTS:
                raise ConfigError(
                    f"input {name!r} is not available for {env_id}{did_you_mean(name, _INPUTS)}"
                )
        self.members, self.batch, self.device = list(members), batch, device
        self.num_envs = len(self.members) * batch
        self.envs = [gymnasium.make(env_id, **kwargs) for _ in range(self.num_envs)]
        env, limit = self.envs[0], self.envs[0].spec and self.envs[0].spec.max_episode_steps
        if not limit:
            raise ConfigError(f"{env_id} has no time limit; register it with max_episode_steps")
        for what, space, kinds in (
            ("actions", env.action_space, (spaces.Discrete,)),
            ("observations", env.observation_space, (spaces.Box, spaces.Discrete)),
        ):
            if not isinstance(space, kinds):
                allowed = " or ".join(kind.__name__ for kind in kinds)
                raise ConfigError(
                    f"{env_id} has {what} {space}; environments that are not ours need {allowed} "
                    "ones"
                )
        self.steps = int(limit)
        self.single_action_space = cast(spaces.Discrete, env.action_space)
        self.num_actions = int(self.single_action_space.n)
        self._first_action = int(self.single_action_space.start)
        self._base_space: Any = env.observation_space
        size = spaces.flatdim(env.observation_space)
        widths = {"action": self.num_actions, "reward": 1, "time": 1}
        self.input_slices = {"observation": slice(0, size)}
        for name in inputs:
            self.input_slices[name] = slice(size, size + widths[name])
            size += widths[name]
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self._seeds: list[np.random.Generator] = []

    def reset(self, *, seed: int | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Start an episode in every row; `seed` determines all episodes from here on."""
        if seed is not None:
            self._seeds = [
                np.random.default_rng(np.random.SeedSequence([int(seed), m, r]))
                for m in self.members
                for r in range(self.batch)
            ]
        self._rows = np.zeros((self.num_envs, self.single_observation_space.shape[0]), np.float32)
        for row, (env, rng) in enumerate(zip(self.envs, self._seeds, strict=True)):
            self._observe(row, env.reset(seed=int(rng.integers(2**31)))[0])
        self._ended = np.zeros(self.num_envs, bool)
        self._cut = np.zeros(self.num_envs, bool)
        self._t = 0
        return self._tensor(self._rows), {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every row that is still running."""
        chosen = actions.cpu().numpy()
        rewards = np.zeros(self.num_envs, np.float32)
        self._t += 1
        for row in np.flatnonzero(~(self._ended | self._cut)):
            observation, reward, ended, cut, _ = self.envs[row].step(
                int(chosen[row]) + self._first_action
            )
            self._observe(row, observation)
            rewards[row], self._ended[row], self._cut[row] = reward, ended, cut and not ended
        inputs: dict[str, Any] = {
            "action": np.eye(self.num_actions, dtype=np.float32)[chosen],
            "reward": rewards[:, None],
            "time": self._t / self.steps,
        }
        for name, where in self.input_slices.items():
            if name in inputs:
                self._rows[:, where] = inputs[name]
        flags = self._tensor(self._ended), self._tensor(self._cut)
        return self._tensor(self._rows), self._tensor(rewards), *flags, {}

    def random_state(self) -> dict[str, Tensor]:
        """Return the states of the rows' seed generators, ``[P, B, words]`` int64."""
        words = [_pack(rng) for rng in self._seeds]
        return {"seeds": torch.tensor(words).unflatten(0, (len(self.members), self.batch))}

    def set_random_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `random_state` returned."""
        for rng, words in zip(self._seeds, state["seeds"].flatten(0, 1).tolist(), strict=True):
            _unpack(rng, words)

    def close(self) -> None:
        """Close every row."""
        for env in self.envs:
            env.close()

    def _observe(self, row: Any, observation: Any) -> None:
        flat = np.asarray(spaces.flatten(self._base_space, observation))
        self._rows[row, self.input_slices["observation"]] = flat

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array.copy()).to(self.device)


def _pack(rng: np.random.Generator) -> list[int]:
    """Return the state of a PCG64 generator as 32-bit words: two numbers and a buffered draw."""
    state: Any = rng.bit_generator.state
    numbers = [state["state"]["state"], state["state"]["inc"]]
    words = [(number >> (32 * k)) & 0xFFFFFFFF for number in numbers for k in range(4)]
    return [*words, state["has_uint32"], state["uinteger"]]


def _unpack(rng: np.random.Generator, words: list[int]) -> None:
    numbers = [sum(words[4 * i + k] << (32 * k) for k in range(4)) for i in range(2)]
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": numbers[0], "inc": numbers[1]},
        "has_uint32": words[8],
        "uinteger": words[9],
    }

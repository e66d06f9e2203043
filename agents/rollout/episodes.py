"""Any Gymnasium environment with the inputs of meta-learning: one at a time, or whole episodes."""

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


class MetaInputs(gymnasium.Wrapper[np.ndarray, Any, Any, Any]):
    """An environment as recurrent agents see it: flat observations, followed by chosen inputs.

    Actions are numbered from 0, whatever the environment's own numbers are.

    Args:
        env: An environment with a Box or Discrete observation, discrete actions and a time limit.
        inputs: What follows the observation: any of `action` (the previous one, one-hot),
            `reward` (the previous one), `time` (share of the time limit).

    Raises:
        ConfigError: The environment has other spaces or no time limit, or there is no such input.

    Attributes:
        steps: Longest episode (the time limit of the environment).
        input_slices: Where in an observation each input lies.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], inputs: Sequence[str] = ()) -> None:
        super().__init__(env)
        env_id = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        for name in inputs:
            if name not in _INPUTS:
                raise ConfigError(
                    f"input {name!r} is not available for {env_id}{did_you_mean(name, _INPUTS)}"
                )
        limit = env.spec and env.spec.max_episode_steps
        if not limit:
            raise ConfigError(
                f"{env_id} has no time limit; give one: --env-kwargs max_episode_steps=STEPS"
            )
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
        self.steps, actions = int(limit), cast(spaces.Discrete, env.action_space)
        self.action_space = spaces.Discrete(int(actions.n))
        self._first_action = int(actions.start)
        size = spaces.flatdim(env.observation_space)
        widths = {"action": int(actions.n), "reward": 1, "time": 1}
        self.input_slices = {"observation": slice(0, size)}
        for name in inputs:
            self.input_slices[name] = slice(size, size + widths[name])
            size += widths[name]
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode, with inputs of zero."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._t = 0
        return self._seen(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """Take one step with an action 0 ... K - 1."""
        observation, reward, ended, cut, info = self.env.step(int(action) + self._first_action)
        self._t += 1
        inputs = {"action": np.eye(int(cast(spaces.Discrete, self.action_space).n))[int(action)]}
        inputs |= {"reward": np.float32(reward), "time": np.float32(self._t / self.steps)}
        return self._seen(observation, inputs), reward, ended, cut, info

    def _seen(self, observation: Any, inputs: dict[str, Any] | None = None) -> np.ndarray:
        seen = np.zeros(cast(spaces.Box, self.observation_space).shape, np.float32)
        flat = spaces.flatten(self.env.observation_space, observation)
        for name, value in {"observation": flat, **(inputs or {})}.items():
            if name in self.input_slices:
                seen[self.input_slices[name]] = value
        return seen


class EpisodeVectorEnv:
    """Whole episodes of any environment that `MetaInputs` takes, side by side.

    Each row is an environment of its own, seeded from (seed, member, row). A row whose episode has
    ended keeps returning its last observation, reward 0 and ended flags until `reset`, so a batch
    of unequal episodes can be masked.

    Args:
        env_id: Gymnasium id.
        members: Identities of the members; rows are blocked by member.
        batch: Rows per member.
        inputs: What follows the observation, see `MetaInputs`.
        device: Where the tensors live.
        **kwargs: Arguments of the environment.

    Raises:
        ConfigError: See `MetaInputs`.

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
        self.members, self.batch, self.device = list(members), batch, device
        self.num_envs = len(self.members) * batch
        first = MetaInputs(gymnasium.make(env_id, **kwargs), inputs)
        others = range(self.num_envs - 1)
        self.envs = [first, *(MetaInputs(gymnasium.make(env_id, **kwargs), inputs) for _ in others)]
        self.steps, self.input_slices = first.steps, first.input_slices
        self.single_action_space = cast(spaces.Discrete, first.action_space)
        self.single_observation_space = cast(spaces.Box, first.observation_space)
        self.num_actions = int(self.single_action_space.n)
        self._seeds: list[np.random.Generator] = []

    def reset(self, *, seed: int | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Start an episode in every row; `seed` determines all episodes from here on."""
        if seed is not None:
            self._seeds = [
                np.random.default_rng(np.random.SeedSequence([int(seed), m, r]))
                for m in self.members
                for r in range(self.batch)
            ]
        starts = zip(self.envs, self._seeds, strict=True)
        self._rows = np.stack([env.reset(seed=int(rng.integers(2**31)))[0] for env, rng in starts])
        self._ended = np.zeros(self.num_envs, bool)
        self._cut = np.zeros(self.num_envs, bool)
        return self._tensor(self._rows), {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every row that is still running."""
        chosen = actions.cpu().numpy()
        rewards = np.zeros(self.num_envs, np.float32)
        for row in np.flatnonzero(~(self._ended | self._cut)):
            self._rows[row], rewards[row], ended, cut, _ = self.envs[row].step(chosen[row])
            self._ended[row], self._cut[row] = ended, cut and not ended
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

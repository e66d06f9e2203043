"""Whole episodes of any Gymnasium environment, side by side, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from prefrontal.agents.rollout.meta_episodes import MetaEpisodes, Vary
from prefrontal.agents.rollout.meta_inputs import MetaInputs


def make_foreign(
    env_id: str,
    inputs: Sequence[str],
    meta_episodes: int | None = None,
    vary: Vary | None = None,
    **kwargs: Any,
) -> MetaInputs:
    """Make one environment that is not ours; `MetaInputs` takes the place of Gymnasium's checks.

    Args:
        env_id: Gymnasium id.
        inputs: See `MetaInputs`.
        meta_episodes: Inner episodes of an episode, see `MetaEpisodes`; None: an episode is one.
        vary: What changes from episode to episode, likewise.
        **kwargs: Arguments of the environment.
    """
    env = gymnasium.make(env_id, **{"disable_env_checker": True, **kwargs})
    if meta_episodes is not None or vary:
        env = MetaEpisodes(env, 1 if meta_episodes is None else meta_episodes, vary)
    return MetaInputs(env, inputs)


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
        inputs: Names of the inputs.
        input_slices: Where in an observation each input lies.
        parts: What an observation is made of.
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
        first = make_foreign(env_id, inputs, **kwargs)
        others = range(self.num_envs - 1)
        self.envs = [first, *(make_foreign(env_id, inputs, **kwargs) for _ in others)]
        self.spec, self.inputs = first.spec, first.inputs
        self.steps, self.input_slices, self.parts = first.steps, first.input_slices, first.parts
        self.single_action_space = first.action_space
        self.single_observation_space = cast(spaces.Box, first.observation_space)
        self.num_actions = first.actions.sizes[0] if first.actions.discrete else 0
        self._seeds: list[np.random.Generator] = []
        self._trial = np.zeros(self.num_envs, np.int64)
        self._meta = isinstance(first.env, MetaEpisodes)

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
        self._trial[:] = 0
        return self._tensor(self._rows), {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every row that is still running."""
        chosen = actions.cpu().numpy()
        rewards = np.zeros(self.num_envs, np.float32)
        for row in np.flatnonzero(~(self._ended | self._cut)):
            self._rows[row], rewards[row], ended, cut, told = self.envs[row].step(chosen[row])
            self._trial[row] = told.get("trial", 0) if self._meta else 0
            self._ended[row], self._cut[row] = ended, cut and not ended
        flags = self._tensor(self._ended), self._tensor(self._cut)
        info = {"trial": self._tensor(self._trial)} if self._meta else {}
        return self._tensor(self._rows), self._tensor(rewards), *flags, info

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

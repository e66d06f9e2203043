"""Whole episodes of any Gymnasium environment, side by side, as tensors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.meta_episodes import MetaEpisodes, Vary
from prefrontal.agents.rollout.meta_inputs import MetaInputs
from prefrontal.agents.rollout.rows import Rows
from prefrontal.agents.rollout.vectors import Vectors
from prefrontal.agents.rollout.workers import Workers


def make_foreign(
    env_id: str,
    inputs: Sequence[str],
    meta_episodes: int | None = None,
    vary: Vary | None = None,
    env_workers: int | None = None,
    **kwargs: Any,
) -> MetaInputs:
    """Make one environment that is not ours; `MetaInputs` takes the place of Gymnasium's checks.

    Args:
        env_id: Gymnasium id.
        inputs: See `MetaInputs`.
        meta_episodes: Inner episodes of an episode, see `MetaEpisodes`; None: an episode is one.
        vary: What changes from episode to episode, likewise.
        env_workers: Of no meaning here.
        **kwargs: Arguments of the environment.

    Raises:
        ConfigError: There is only a vector environment of that id, or see `MetaInputs`.
    """
    if gymnasium.spec(env_id).entry_point is None:
        raise ConfigError(f"{env_id} makes vector environments only, and no single one to play")
    env = gymnasium.make(env_id, **{"disable_env_checker": True, **kwargs})
    if meta_episodes is not None or vary:
        env = MetaEpisodes(env, 1 if meta_episodes is None else meta_episodes, vary)
    return MetaInputs(env, inputs)


def make_rows(
    env_id: str, inputs: Sequence[str], members: int, batch: int, **kwargs: Any
) -> Rows | Vectors | Workers:
    """Make environments side by side: in `env_workers` processes, or in this one.

    A vector class that is registered for the id is used in this one, if nothing changes between
    episodes and its rows have the spaces and the time limit of the single environment of that id.
    """
    spec, workers = gymnasium.spec(env_id), kwargs.pop("env_workers", None)
    changes = kwargs.keys() & {"meta_episodes", "vary"}
    if spec.entry_point is None:
        if changes or workers is not None:
            raise ConfigError(
                "meta_episodes, vary and env_workers are for single ones, not vectors"
            )
        return Vectors(env_id, inputs, members, batch, **kwargs)
    make = functools.partial(make_foreign, env_id, inputs, **kwargs)
    if workers is not None:
        return Workers(make, members * batch, workers)
    first = make()
    if spec.vector_entry_point is not None and not changes:
        try:
            rows = Vectors(env_id, inputs, members, batch, **kwargs)
            if rows.like.same_as(first):
                first.close()
                return rows
            rows.close()
        except (ConfigError, TypeError, ImportError, gymnasium.error.Error):
            pass  # it needs other arguments, packages, or is older than autoreset modes
    return Rows([first, *(make() for _ in range(members * batch - 1))])


class EpisodeVectorEnv:
    """Whole episodes of any environment that `MetaInputs` takes, side by side.

    Each row is an environment of its own, seeded from (seed, member, row). A row whose episode has
    ended keeps returning its last observation, reward 0 and ended flags until `reset`, so a batch
    of unequal episodes can be masked; or until `restart`, which starts the next one in it alone.

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
        notes: What a user has to know of the environment, a line each.
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
        self.rows = make_rows(env_id, inputs, len(self.members), batch, **kwargs)
        first = self.rows.like
        self.spec, self.inputs, self.notes = first.spec, first.inputs, first.notes
        self.steps, self.input_slices, self.parts = first.steps, first.input_slices, first.parts
        self.single_action_space = first.action_space
        self.single_observation_space = cast(spaces.Box, first.observation_space)
        self.num_actions = first.actions.sizes[0] if first.actions.discrete else 0
        self._seeds: list[np.random.Generator] = []
        self._over = np.zeros(self.num_envs, bool)

    def reset(self, *, seed: int | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Start an episode in every row; `seed` determines all episodes from here on."""
        if seed is not None:
            self._seeds = [
                np.random.default_rng(np.random.SeedSequence([int(seed), m, r]))
                for m in self.members
                for r in range(self.batch)
            ]
        seen, info = self.rows.reset([int(rng.integers(2**31)) for rng in self._seeds])
        return self._tensor(seen), self._tensors(info)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every row that is still running."""
        *arrays, info = self.rows.step(actions.cpu().numpy())
        self._over = arrays[2] | arrays[3]
        seen, rewards, ended, cut = map(self._tensor, arrays)
        return seen, rewards, ended, cut, self._tensors(info)

    def restart(self) -> tuple[Tensor, dict[str, Any], Tensor]:
        """Start the next episode in every row whose last one has ended; others stay as they are.

        Returns:
            As `reset`, and in which rows the next step, whatever the action, only starts the
            episode, ``[n]`` of bool: that is so in vector environments of the mode NEXT_STEP.

        Raises:
            ConfigError: A vector environment cannot start single rows, see `Vectors.restart`.
        """
        waiting = np.zeros_like(self._over)
        if isinstance(self.rows, Vectors):
            seen, info, waiting = self.rows.restart()
        else:
            each = zip(self._seeds, self._over, strict=True)
            seeds = [int(rng.integers(2**31)) if over else None for rng, over in each]
            seen, info = self.rows.reset(seeds)
        return self._tensor(seen), self._tensors(info), self._tensor(waiting)

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
        self.rows.close()

    def _tensors(self, info: dict[str, np.ndarray]) -> dict[str, Any]:
        return {name: self._tensor(value) for name, value in info.items()}

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

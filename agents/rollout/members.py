"""What all populations of trained agents share: they are sequences, and know what to play."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prefrontal.agents.rollout.environments import make_public
from prefrontal.agents.rollout.spec import EnvironmentSpec


class Members:
    """A population as a sequence of its members, each an agent of its own."""

    members: Sequence[int]
    environment: EnvironmentSpec

    def member(self, index: int) -> Any:
        """Return the agent at an index, 0 ... P - 1."""
        raise NotImplementedError

    def make_env(self, split: str = "held_out") -> Any:
        """Make the Gymnasium environment that these agents were trained on, as they see it.

        Args:
            split: Which tasks: ``held_out``, ``train`` or ``all`` (where there are splits).

        Raises:
            ConfigError: The environment is not registered, or cannot be made.
        """
        return make_public(self.environment, None, split)

    def make_vec(self, num_envs: int, split: str = "held_out") -> Any:
        """Make a vector environment of `num_envs` rows, otherwise as `make_env`."""
        return make_public(self.environment, num_envs, split)

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} members, no number {index}")
        return self.member(index % len(self))

    def __iter__(self) -> Iterator[Any]:
        return map(self.member, range(len(self)))

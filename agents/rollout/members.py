"""What all populations of trained agents share: they are sequences, and know what to play."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from prefrontal.agents.rollout.environments import make_public
from prefrontal.agents.rollout.spec import EnvironmentSpec


class Members:
    """A population as a sequence of its members, each an agent of its own."""

    members: Sequence[int]
    environment: EnvironmentSpec
    #: Attributes that copies do not take along, and what they have instead.
    behind: ClassVar[Mapping[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return copies of all attributes.

        Tensors that are sent to another process are moved to memory that both share: the original
        would lose its place, which compiled code knows, and change with its copy.
        """
        return copy.deepcopy({**vars(self), **self.behind})

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

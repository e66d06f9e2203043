"""What all populations of trained agents share: they are sequences, and know what to play."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from prefrontal.agents.networks.parts import Parts
from prefrontal.agents.rollout.environments import check_shown, make_public
from prefrontal.agents.rollout.spec import EnvironmentSpec


class Members:
    """A population as a sequence of its members, each an agent of its own."""

    members: Sequence[int]
    environment: EnvironmentSpec
    input_size: int
    parts: Parts = ()  # what observations are made of, as far as it is known
    #: Attributes that copies do not take along, and what they have instead.
    behind: ClassVar[Mapping[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return copies of all attributes.

        Tensors that are sent to another process are moved to memory that both share: the original
        would lose its place, which compiled code knows, and change with its copy.
        """
        return copy.deepcopy({**vars(self), **self.behind})

    def part(self, indices: Sequence[int]) -> Any:
        """Return the population of some members, each 0 ... P - 1."""
        raise NotImplementedError

    def member(self, index: int) -> Any:
        """Return the agent at an index, 0 ... P - 1."""
        raise NotImplementedError

    def make_env(self, split: str = "held_out", render_mode: str | None = None) -> Any:
        """Make the Gymnasium environment that these agents were trained on, as they see it.

        Args:
            split: Which tasks: ``held_out``, ``train`` or ``all`` (where there are splits).
            render_mode: What its ``render`` returns, see Gymnasium.

        Raises:
            ConfigError: The environment is not registered, or cannot be made.
        """
        return make_public(self.environment, None, split, render_mode)

    def make_vec(
        self, num_envs: int, split: str = "held_out", render_mode: str | None = None
    ) -> Any:
        """Make a vector environment of `num_envs` rows, otherwise as `make_env`.

        A row that ends shows the first observation of its next episode at once (SAME_STEP).
        """
        return make_public(self.environment, num_envs, split, render_mode)

    def check_env(self, env: Any) -> None:
        """Check that an environment shows what these agents were trained to see.

        `predict` is given arrays, which do not say what they are made of: with other inputs of the
        same size agents play badly without a word. Environments of `make_env` are right.

        Args:
            env: An `Env`, a `VectorEnv`, or a `VecEnv` of Stable-Baselines3's, wrapped or not.

        Raises:
            ConfigError: It shows other inputs, or does not say which, or has observations of
                another size or with other images.
        """
        check_shown(env, self.environment, self.input_size, self.parts)

    def __repr__(self) -> str:
        network = getattr(self, "network", None)
        core, units = getattr(network, "core", ""), getattr(network, "hidden_size", 0)
        who = f"member{'s' * (len(self) > 1)} {', '.join(map(str, self.members))}"
        who = who if len(self) < 9 else f"{len(self)} members"
        told = [who, f"{core} of {units} units" if core else "", self.environment.id]
        return f"{type(self).__name__}({'; '.join(filter(None, told))})"

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.part(range(len(self))[index])
        try:
            number = operator.index(index)
        except TypeError:
            raise TypeError(
                f"members are numbers 0 ... {len(self) - 1} or slices of them, not {index!r:.80}"
            ) from None
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} members, no number {number}")
        return self.member(number % len(self))

    def __iter__(self) -> Iterator[Any]:
        return map(self.member, range(len(self)))

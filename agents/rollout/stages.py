"""A run in stages: environments of one shape that follow one another in equal shares of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from prefrontal.agents.common.errors import ConfigError

__all__ = ["Stages"]


class Stages:
    """Which environments all members learn in now, as a function of the steps that they have made.

    Args:
        envs: Vector environments, one a stage.
        total_steps: Environment steps per member of the whole run.

    Raises:
        ConfigError: If there is more than one, and one agent could not learn in all of them in lock-step.
    """

    def __init__(self, envs: Sequence[Any], total_steps: int) -> None:
        self.envs, self.total_steps = list(envs), total_steps
        first = self.envs[0]
        for other in self.envs[1:]:
            for what, one, two in (
                ("observations", first.single_observation_space.shape, other.single_observation_space.shape),
                ("actions", first.num_actions, other.num_actions),
                ("a privileged view", first.privileged_size, other.privileged_size),
            ):  # fmt: skip
                if one != two:
                    raise ConfigError(
                        f"all stages need {what} of the same size, not {one} and {two}"
                    )
        self.variable = any(bool(getattr(e, "variable_length", False)) for e in self.envs)
        if self.variable and len(self.envs) > 1:
            raise ConfigError("stages need an environment whose episodes have a fixed length")

    def __len__(self) -> int:
        return len(self.envs)

    @property
    def longest(self) -> int:
        """Steps of the longest episode of all stages."""
        return max(int(envs.steps) for envs in self.envs)

    @property
    def equal(self) -> bool:
        """Whether all episodes of all stages have the same length."""
        return not self.variable and len({int(envs.steps) for envs in self.envs}) == 1

    def at(self, steps: Tensor) -> int:
        """The stage after so many steps ``[P]`` (all members have made as many, if there are several stages)."""
        if len(self.envs) == 1:
            return 0
        return min(len(self.envs) - 1, int(steps[0].item() * len(self.envs) // self.total_steps))

    def progress(self, steps: Tensor, of: Literal["run", "stage"]) -> Tensor:
        """Which part of the run, or of the stage, is over, ``[P]`` from 0 to 1."""
        share = steps / self.total_steps
        if of == "stage" and len(self.envs) > 1:
            share = share * len(self.envs) - self.at(steps)
        return share.clamp(max=1.0)

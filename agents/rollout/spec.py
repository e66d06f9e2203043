"""Which environment, and what of it an agent is shown: pure data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["NO_ENVIRONMENT", "EnvironmentSpec"]


@dataclass(frozen=True)
class EnvironmentSpec:
    """Which environment, and what of it an agent is shown.

    Attributes:
        id: Gymnasium id; ``module:id`` imports the module first.
        inputs: What follows the observation: `action` (one-hot if discrete), `reward` or
            `centred_reward` or `reward_one_hot`, `time`.
        kwargs: Parameters of the environment, by name.
        split: Which tasks are trained on: `train`, `held_out` or `all` (ignored where an
            environment has no splits).
        stages: Parameters that replace those in `kwargs` in equal shares of a run, in this order:
            rewards that change, a curriculum. Trained agents are evaluated on the last stage.
            Empty: the same parameters from start to end.
    """

    id: str
    inputs: tuple[str, ...] = ("action", "reward", "time")
    kwargs: dict[str, Any] = field(default_factory=dict)
    split: str = "train"
    stages: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Restore what a file cannot hold (tuples), and read the ids of earlier versions."""
        object.__setattr__(self, "id", self.id.removeprefix("envs:"))
        object.__setattr__(self, "kwargs", _with_tuples(self.kwargs))
        object.__setattr__(self, "stages", tuple(map(_with_tuples, self.stages)))

    def stage(self, index: int) -> EnvironmentSpec:
        """Return the specification of one stage (negative: from the last); itself without stages."""
        if not self.stages:
            return self
        return replace(self, kwargs=self.kwargs | self.stages[index], stages=())


def _with_tuples(value: Any) -> Any:
    """Turn lists into tuples, at any depth."""
    if isinstance(value, dict):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list | tuple) else value


#: For an algorithm that needs no environment.
NO_ENVIRONMENT = EnvironmentSpec("none", inputs=())

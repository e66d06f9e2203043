"""Which environment, what of it an agent is shown, and what an agent must know of it: pure data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from prefrontal.agents.common.actions import Actions
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.parts import Part

#: Arguments of Gymnasium's and of our own that say what code runs, and of no environment.
RESERVED = frozenset(
    {
        "additional_wrappers",
        "entry_point",
        "env_spec",
        "id",
        "num_envs",
        "task",
        "vector_entry_point",
        "vector_kwargs",
        "vectorization_mode",
        "wrappers",
    }
)


@dataclass(frozen=True)
class EnvironmentSpec:
    """Which environment, and what of it an agent is shown.

    Attributes:
        id: Gymnasium id. It names no module (``module:id``): what a run folder says is data.
        inputs: What follows the observation: `action` (one-hot if discrete), `reward` or
            `centred_reward` or `reward_one_hot`, `time`, `trial_start` (1 at the first step of
            every trial, else 0).
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
        """Restore what a file cannot hold (tuples), and read the ids of earlier versions.

        Raises:
            ValueError: The id names a module, a parameter is one of Gymnasium's own, or inputs
                have no order or are there twice.
        """
        object.__setattr__(self, "inputs", in_order(self.inputs))
        object.__setattr__(self, "id", self.id.removeprefix("envs:"))
        if ":" in self.id:
            raise ValueError(
                f"an environment is named by its id alone, not {self.id!r}: import the module "
                f"first (on the command line: --task {self.id})"
            )
        for name in {**self.kwargs, **{k: v for one in self.stages for k, v in one.items()}}:
            if name in RESERVED:
                raise ValueError(f"{name!r} is not a parameter of an environment")
        object.__setattr__(self, "kwargs", _with_tuples(self.kwargs))
        object.__setattr__(self, "stages", tuple(map(_with_tuples, self.stages)))

    def stage(self, index: int) -> EnvironmentSpec:
        """Return the specification of one stage (negative: from the last), or itself."""
        if not self.stages:
            return self
        return replace(self, kwargs=self.kwargs | self.stages[index], stages=())


@dataclass(frozen=True)
class EnvironmentFacts:
    """What an agent must know of the environments of a run, read once from the vector environments.

    Attributes:
        input_size: Numbers I of an observation, with its inputs.
        actions: What actions there are.
        privileged_size: Numbers of what only a critic may see; 0 if there are none.
        steps: Steps T of the longest episode, of each stage.
        variable_length: Whether an episode may end before that.
        parts: What an observation is made of; none if the environment does not say.
        notes: What a user has to know of how agents meet the environment, a line each.
    """

    input_size: int
    actions: Actions
    privileged_size: int
    steps: tuple[int, ...]
    variable_length: bool
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether an action is one choice."""
        return self.actions.discrete

    @property
    def num_actions(self) -> int:
        """Options K of one choice; 0 if actions are something else."""
        return self.actions.sizes[0] if self.discrete else 0

    @property
    def action_size(self) -> int:
        """Numbers A of a continuous action; 0 if actions are choices."""
        return len(self.actions.low)

    @property
    def longest(self) -> int:
        """Steps of the longest episode of all stages."""
        return max(self.steps)

    @property
    def equal(self) -> bool:
        """Whether all episodes of all stages have the same length."""
        return not self.variable_length and len(set(self.steps)) == 1

    def updates(self, batch: int, total_steps: int) -> float:
        """Return the updates of a run with `batch` episodes in each, about.

        Every stage has an equal share of `total_steps`.
        """
        share = total_steps / len(self.steps) / batch
        return sum(share / steps for steps in self.steps)


def in_order(inputs: Any) -> tuple[str, ...]:
    """Return names of inputs as a tuple; a single name is one of one.

    Raises:
        ConfigError: They have no order (that of a set changes from run to run), or one is there
            twice.
    """
    if isinstance(inputs, set | frozenset):
        raise ConfigError(
            "inputs need an order, such as ('action', 'reward'): a set has another one in every run"
        )
    names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    if len(set(names)) < len(names):
        raise ConfigError(f"inputs must not repeat; got {', '.join(map(str, names))}")
    return names


def _with_tuples(value: Any) -> Any:
    """Turn lists into tuples, at any depth."""
    if isinstance(value, dict):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list | tuple) else value


#: For an algorithm that needs no environment.
NO_ENVIRONMENT = EnvironmentSpec("none", inputs=())

"""The settings of one condition.

Importing this module imports no torch, so that experiments can be listed and explained fast.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from prefrontal.agents.a2c.config import (
    A2CConfig,
    CourseReplayConfig,
    CriticConfig,
    EWCConfig,
    ReplayConfig,
)
from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.evolution.config import (
    EvolutionConfig,
    HintonNowlanConfig,
    NoNetworkConfig,
    PublishedConfig,
)
from prefrontal.agents.gradient_policies.config import LogitsConfig, MetaGradientConfig
from prefrontal.agents.hebbian.config import HebbianConfig, RateNetworkConfig
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT, EnvironmentSpec
from prefrontal.agents.supervised.config import DecisionPretrainedConfig
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.checking import build, check, checked, fields, option

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.base import Job

__all__ = [
    "A2CConfig",
    "Algorithm",
    "CriticConfig",
    "DecisionPretrainedConfig",
    "EWCConfig",
    "EnvironmentSpec",
    "LogitsConfig",
    "MetaGradientConfig",
    "Network",
    "NetworkConfig",
    "ReplayConfig",
    "Settings",
    "TrainingConfig",
    "expect",
    "task_options",
    "with_options",
]

T = TypeVar("T")

#: Network and algorithm of a condition; ``kind`` in config.toml says which, the first if there is
#: none.
Network = NetworkConfig | NoNetworkConfig | TD3NetworkConfig | RateNetworkConfig | LogitsConfig
Algorithm = (
    A2CConfig
    | EvolutionConfig
    | HintonNowlanConfig
    | TD3Config
    | R2D2Config
    | CourseReplayConfig
    | PublishedConfig
    | DecisionPretrainedConfig
    | HebbianConfig
    | MetaGradientConfig
)


#: Episodes of each member that findings are measured on, unless an experiment has its own number.
EPISODES = 4000

#: Learners that any environment may be trained with, and their settings: algorithm and network.
LEARNERS: dict[str, tuple[Any, Any]] = {
    "a2c": (A2CConfig, NetworkConfig),
    "r2d2": (R2D2Config, NetworkConfig),
    "td3": (TD3Config, TD3NetworkConfig),
    "evolution": (EvolutionConfig, NetworkConfig),
    "decision-pretrained": (DecisionPretrainedConfig, NetworkConfig),
    "meta-gradient": (MetaGradientConfig, LogitsConfig),
}


_SHOWN = frozenset({"inputs", "split", "kwargs", "stages"})  # fields of an EnvironmentSpec
_PARTS = ("training", "network", "algorithm")


@dataclass(frozen=True)
class TrainingConfig:
    """How much training."""

    members: int = option(
        1,
        "Independent agents trained side by side, each with its own weights, optimiser and random "
        "numbers.",
        least=1,
    )
    num_envs: int = option(
        16,
        "Episodes per member and update; about 600 to 2,000 environment steps an update learn "
        "fastest.",
        least=1,
    )
    total_steps: int = option(
        1_000_000,
        "Environment steps per member, rounded up to whole updates (of evolution: generations). "
        "TD3 counts each trial as a whole episode, and no trial of its phase I.",
        least=1,
    )
    snapshots: int = option(
        0,
        "Copies of the weights that the run keeps, evenly spaced, for measures of how something "
        "was learned.",
        least=0,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class Settings:
    """All settings of one condition.

    Attributes:
        environment: What the agents are trained on and shown (`NO_ENVIRONMENT` for an algorithm
            that needs none).
        network: Shape of the networks.
        algorithm: How the agents learn.
        training: How much training.
    """

    environment: EnvironmentSpec
    network: Network = field(default_factory=NetworkConfig)
    algorithm: Algorithm = field(default_factory=A2CConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def with_options(self, **options: Any) -> Settings:
        """Return these settings with other values of some options, checked.

        Args:
            **options: Values by the names that they have on the command line: settings of the
                training, the network and the algorithm, parameters of the task (of an environment
                without a `Task`: ``env_kwargs``, a dictionary), and fields of its specification.

        Raises:
            ConfigError: There is no such option, or a value is of another type or not allowed.
        """
        parts = {name: getattr(self, name) for name in _PARTS}
        known = _SHOWN.union(*map(option_names, parts.values()))
        given = {name: value for name, value in options.items() if name not in known}
        own = self._task_options() if given else set()
        for name in given:
            if name == "core":
                raise ConfigError(
                    "there is no setting 'core': networks of the kind "
                    f"{self.network.kind!r} have a shape of their own, without a core to choose"
                )
            if name not in own:
                raise ConfigError(
                    f"there is no setting {name!r}{did_you_mean(name, sorted(known | own))}"
                )
        changed = {name: with_options(part, options) for name, part in parts.items()}
        shown = {name: options[name] for name in options.keys() & _SHOWN}
        if not (given or shown):
            return replace(self, **changed)
        return replace(self, environment=self._environment_with(given, shown), **changed)

    def option_names(self) -> set[str]:
        """Return the names of all options."""
        parts = (option_names(getattr(self, name)) for name in _PARTS)
        return self._task_options().union(_SHOWN, *parts)

    def _task_options(self) -> set[str]:
        if self.environment == NO_ENVIRONMENT:
            return set()
        task = task_options(self.environment.id)
        foreign = {"env_kwargs", "meta_episodes", "vary", "env_workers"}
        return {one.name for one in dataclasses.fields(task)} if task else foreign

    def _environment_with(
        self, given: Mapping[str, Any], shown: Mapping[str, Any]
    ) -> EnvironmentSpec:
        """Return the environment with other parameters, which its task must take."""
        spec, given = self.environment, dict(given)
        kwargs = dict(shown.get("kwargs", spec.kwargs)) | given.pop("env_kwargs", {}) | given
        task = task_options(spec.id)
        try:
            plain = {one.name: getattr(spec, one.name) for one in dataclasses.fields(spec)}
            kwargs = kwargs if task is None else _told(task, kwargs)
            changed = build(EnvironmentSpec, {**plain, **shown, "kwargs": kwargs})
            if task is not None:
                if given:
                    _refuse_staged(spec, build(task, spec.kwargs), build(task, kwargs))
                build(task, changed.stage(-1).kwargs)
        except ValueError as error:
            name = f"environment {task.__name__}: " if task else ""
            raise ConfigError(f"{name}{error}") from error
        return changed

    def resolved(self) -> Settings:
        """Return these settings with all parameters of the task, those at their defaults too."""
        spec = self.environment
        task = task_options(spec.id)
        if task is None:
            return self
        kwargs = _told(task, dataclasses.asdict(build(task, spec.kwargs)))
        return replace(self, environment=replace(spec, kwargs=kwargs))

    def with_algorithm(self, name: str) -> Settings:
        """Return these settings with another learner (`LEARNERS`), and settings of its own.

        The network stays if the learner has such networks.
        """
        config, network = LEARNERS[name]
        if isinstance(self.algorithm, config) and not isinstance(self.algorithm, PublishedConfig):
            return self
        kept = self.network if type(self.network) is network else network()
        if name == "evolution":  # has no critic
            kept = replace(kept, layout="shared")
        # Lives of evolution play `tasks` episodes side by side; the others want a batch.
        num_envs = 1 if name == "evolution" else max(self.training.num_envs, 16)
        return replace(
            self,
            network=kept,
            algorithm=config(),
            training=replace(self.training, num_envs=num_envs),
        )

    def job(
        self, seed: int, device: str = "cpu", workers: int = 1, ray_address: str | None = None
    ) -> Job:
        """Return the training job of these settings."""
        from prefrontal.agents.base import Job

        return Job(
            environment=self.environment,
            network=self.network,
            algorithm=self.algorithm,
            seed=seed,
            device=device,
            workers=workers,
            ray_address=ray_address,
            **dataclasses.asdict(self.training),
        )


def require_common(conditions: Mapping[str, Settings], names: Iterable[str]) -> None:
    """Check that options are of all conditions that are to have them.

    Args:
        conditions: Settings by condition.
        names: What is given; names that no condition has are for others to refuse.

    Raises:
        ConfigError: An option is of some conditions alone; names them.
    """
    known = {name: one.option_names() for name, one in conditions.items()}
    for name in names:
        have = [condition for condition, options in known.items() if name in options]
        if have and len(have) < len(known):
            flag, one = name.replace("_", "-"), len(have) == 1
            raise ConfigError(
                f"--{flag} is an option of the condition{'s' * (not one)} {', '.join(have)} alone: "
                f"add --condition {' '.join(have)}"
            )


def option_names(config: Any) -> set[str]:
    """Return the names of the options of a dataclass and of the dataclasses in it."""
    names: set[str] = set()
    for one in dataclasses.fields(config):
        value = getattr(config, one.name)
        group = dataclasses.is_dataclass(value)
        names |= option_names(value) if group else {one.metadata.get("name", one.name)}
    return names


def with_options(config: T, options: Mapping[str, Any]) -> T:
    """Return a dataclass with other values of some options of it and of the dataclasses in it.

    Raises:
        ConfigError: A value is of another type or not allowed.
    """
    changes = {}
    for key, (one, hint) in fields(type(config)).items():
        name, value = one.metadata.get("name", key), getattr(config, key)
        try:
            if dataclasses.is_dataclass(value):
                changes[key] = with_options(value, options)
            elif name in options:
                changes[key] = checked(options[name], hint, name)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from error
    try:
        return typing.cast(T, replace(typing.cast(Any, config), **changes))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def expect(config: object, kind: type[T]) -> T:
    """Return the settings of a network or algorithm, which must be of this kind.

    Raises:
        TypeError: They are of another kind.
    """
    if not isinstance(config, kind):
        raise TypeError(f"settings of {kind.__name__} are needed, not {type(config).__name__}")
    return config


def task_options(env_id: str) -> type[Any] | None:
    """Return the task of an id, whose fields are its options; None if it has none."""
    import gymnasium

    from prefrontal import envs

    name = re.sub(r"^prefrontal/(\w+)-v\d+$", r"\1", env_id)
    if name in envs.TASKS:
        return envs.task_class(name)
    known = gymnasium.registry.get(env_id)
    task = known.kwargs.get("task") if known is not None else None
    return task if isinstance(task, type) and issubclass(task, envs.Task) else None


def _told(task: type[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without those that are None by default, which files cannot hold."""
    unset = {one.name for one in dataclasses.fields(task) if one.default is None}
    return {key: value for key, value in kwargs.items() if value is not None or key not in unset}


def _refuse_staged(spec: EnvironmentSpec, own: Any, given: Any) -> None:
    """Refuse options that every stage of the environment overrides."""
    for name in set.intersection(*map(set, spec.stages)) if spec.stages else ():
        if getattr(given, name) != getattr(own, name):
            values = ", ".join(repr(stage[name]) for stage in spec.stages)
            raise ValueError(f"{name} is set by the stages of this experiment: {values}")

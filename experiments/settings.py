"""The settings of one condition, and what a run folder holds of them.

Importing this module imports no torch, so that experiments can be listed and explained fast.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from prefrontal.agents.a2c.config import (
    A2CConfig,
    CourseReplayConfig,
    CriticConfig,
    EWCConfig,
    ReplayConfig,
)
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.evolution.config import (
    EvolutionConfig,
    HintonNowlanConfig,
    NoNetworkConfig,
    PublishedConfig,
)
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.registry import load, load_trained
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.checking import check, option

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.base import Job
    from prefrontal.agents.runs.folder import RunFolder

__all__ = [
    "A2CConfig",
    "Algorithm",
    "CriticConfig",
    "EWCConfig",
    "EnvironmentSpec",
    "Network",
    "NetworkConfig",
    "ReplayConfig",
    "Settings",
    "TrainingConfig",
    "condition_folder",
    "config_of",
    "expect",
    "load_run",
    "load_snapshots",
    "read_curves",
    "settings_of",
    "task_options",
    "with_options",
]

T = TypeVar("T")

#: Network and algorithm of a condition; ``kind`` in config.toml says which, the first if there is
#: none.
Network = NetworkConfig | NoNetworkConfig | TD3NetworkConfig
Algorithm = (
    A2CConfig
    | EvolutionConfig
    | HintonNowlanConfig
    | TD3Config
    | R2D2Config
    | CourseReplayConfig
    | PublishedConfig
)


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
        "Environment steps per member, rounded up to whole updates (of evolution: generations).",
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
        """Return these settings with other values of some options.

        Args:
            **options: Values by the names that they have on the command line, or by those of the
                fields of the environment's specification.

        Raises:
            TypeError: There is no such option.
        """
        if unknown := set(options) - option_names(self):
            raise TypeError(f"there are no options {', '.join(sorted(unknown))}")
        return with_options(self, options)

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


def option_names(config: Any) -> set[str]:
    """Return the names of the options of a dataclass and of the dataclasses in it."""
    names: set[str] = set()
    for one in dataclasses.fields(config):
        value = getattr(config, one.name)
        group = dataclasses.is_dataclass(value)
        names |= option_names(value) if group else {one.metadata.get("name", one.name)}
    return names


def with_options(config: T, options: Mapping[str, Any]) -> T:
    """Return a dataclass with other values of some options of it and of the dataclasses in it."""
    changes = {}
    for one in dataclasses.fields(typing.cast(Any, config)):
        name, value = one.metadata.get("name", one.name), getattr(config, one.name)
        if dataclasses.is_dataclass(value):
            changes[one.name] = with_options(value, options)
        elif name in options:
            changes[one.name] = options[name]
    return typing.cast(T, dataclasses.replace(typing.cast(Any, config), **changes))


def expect(config: object, kind: type[T]) -> T:
    """Return the settings of a network or algorithm, which must be of this kind.

    Raises:
        TypeError: They are of another kind.
    """
    if not isinstance(config, kind):
        raise TypeError(f"settings of {kind.__name__} are needed, not {type(config).__name__}")
    return config


def task_options(env_id: str) -> type[Any] | None:
    """Return the task of an id, whose fields are its options; None if it is not ours."""
    from prefrontal import envs

    name = re.sub(r"^(?:envs:)?prefrontal/(\w+)-v\d+$", r"\1", env_id)
    return envs.task_class(name) if name in envs.TASKS else None


def config_of(experiment: str, seed: int, conditions: Mapping[str, Settings]) -> dict[str, Any]:
    """Return the configuration of a run as plain values for ``config.toml``."""
    return {
        "experiment": experiment,
        "seed": seed,
        "conditions": {name: to_plain(settings) for name, settings in conditions.items()},
    }


def settings_of(run: RunFolder) -> tuple[str, int, dict[str, Settings]]:
    """Return experiment, seed and settings by condition, from ``config.toml``.

    Raises:
        ConfigError: If something in it is missing, unknown or wrong.
    """
    config = run.config()
    conditions = config.get("conditions")
    name, seed = config.get("experiment"), config.get("seed")
    tables = isinstance(conditions, dict) and all(isinstance(c, dict) for c in conditions.values())
    if not (tables and conditions and isinstance(name, str) and isinstance(seed, int)):
        raise ConfigError(
            f"{run.path / 'config.toml'} is not the configuration of a run: it needs experiment, "
            "seed and [conditions]"
        )
    settings = {
        key: from_plain(Settings, value, f"conditions.{key}") for key, value in conditions.items()
    }
    return name, seed, settings


def condition_folder(run: RunFolder, condition: str) -> RunFolder:
    """Return the folder of a condition: that of the run for `default`, else one in it."""
    return run if condition == "default" else run.condition(condition)


def load_run(run: RunFolder, conditions: Mapping[str, Settings]) -> dict[str, Any]:
    """Return the trained agents of every condition.

    Raises:
        ConfigError: If ``config.toml`` describes other agents than the checkpoint holds.
    """
    populations = {name: load(run.path, None if name == "default" else name) for name in conditions}
    for name, population in populations.items():
        given, stored = to_plain(conditions[name]), population.meta()
        tasks = [plain.get("environment") for plain in (given, stored)]
        networks = [{"kind": None, **plain.get("network", {})} for plain in (given, stored)]
        if networks[0] != networks[1] or tasks[0] != tasks[1]:
            raise ConfigError(
                f"{run.path / 'config.toml'} and the checkpoint of {name} describe different "
                "agents or tasks; restore the configuration"
            )
    return populations


def load_snapshots(run: RunFolder, conditions: Iterable[str]) -> dict[str, list[tuple[int, Any]]]:
    """Return the snapshots of every condition: environment steps, and the agents then."""
    found = {}
    for name in conditions:
        folder = condition_folder(run, name)
        arrays, meta = folder.load()
        kept = arrays["snapshots"].unbind(1) if "snapshots" in arrays else ()
        found[name] = [
            (steps, load_trained({**arrays, "weights": weights}, meta, folder.path))
            for steps, weights in zip(meta.get("snapshot_steps", ()), kept, strict=True)
        ]
    return found


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """Return ``metrics.csv`` as arrays ``[U, M]`` by name (steps included); empty without one.

    If the last report lacks members, or the end of its last row, it is left out.

    Raises:
        ConfigError: It is not a table of numbers with rows of all members, in order, for report
            after report.
    """
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return {}
    try:
        last = [row for row in rows if row["update"] == rows[-1]["update"]]
        members = max(int(row["member"] or -1) for row in rows) + 1
        if len(last) < members or None in rows[-1].values():
            rows = rows[: -len(last)]
        numbers = {
            name: np.array([float(row[name] or "nan") for row in rows]).reshape(-1, members)
            for name in (rows[0] if rows else ())
        }
        if not rows:
            return {}
        update = numbers.pop("update")
        ordered = (numbers.pop("member") == np.arange(members)).all()
        if not ordered or (update != update[:, :1]).any() or (np.diff(update[:, 0]) <= 0).any():
            raise ValueError("rows are missing, or not in their order")
        return {"steps": numbers.pop("steps"), **numbers}
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a table of learning curves; restore or remove it"
        ) from error

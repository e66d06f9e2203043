"""One module per published finding: configuration, measure, published reference.

A module of this package that defines ``EXPERIMENT`` is an experiment; nothing else needs to be registered.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.experiments.settings import Experiment, Outcome, Settings, TrainingConfig

__all__ = [
    "Experiment",
    "Outcome",
    "Settings",
    "TrainingConfig",
    "all_experiments",
    "find_experiment",
]


@functools.cache
def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.walk_packages(__path__, f"{__name__}.")
        if not m.ispkg
    ]
    found = [module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT")]
    return {experiment.name: experiment for experiment in sorted(found, key=lambda e: e.name)}


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ConfigError: If there is none; suggests the nearest.
    """
    experiments = all_experiments()
    if name not in experiments:
        raise ConfigError(f"there is no experiment {name!r}{did_you_mean(name, experiments)}")
    return experiments[name]

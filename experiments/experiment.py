"""What an experiment is, what its measure returns, and how experiments are found by name."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.settings import Settings, task_options


@dataclass(frozen=True)
class Outcome:
    """What a measure found.

    Attributes:
        findings: Measured numbers beside published ones, optima and bars.
        figures: Files written.
    """

    findings: list[Finding]
    figures: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """One published finding: how to train for it, how to measure it, what to hold it against.

    Attributes:
        name: Name on the command line: that of its module, with hyphens.
        summary: One line.
        reference: Paper.
        conditions: Settings by condition; a single one is called `default`.
        measure: From an evaluation of trained populations to findings and figures.
        shipped: Words for train.py with which the shipped population was trained.
        whole_curves: Whether learning curves are shipped whole, because findings are read off them.
        most_episodes: Episodes of each member that are measured at most; None: as many as asked
            for.
    """

    name: str
    summary: str
    reference: str
    conditions: Mapping[str, Settings]
    measure: Callable[[Evaluation], Outcome]
    shipped: str = "--members 8"
    whole_curves: bool = False
    most_episodes: int | None = None


def finding(
    name: str,
    values: np.ndarray,
    *,
    where: str = "",
    within: tuple[float, float] = (-np.inf, np.inf),
    **fields: Any,
) -> Finding:
    """Return a finding: the mean over members with its interval.

    Args:
        name: What was measured, in words.
        values: One number a member, ``[M]``.
        where: End of the name, for several findings of one condition.
        within: Bounds of what is measured, which the interval does not leave.
        **fields: Fields of the `Finding`: what to hold it against.
    """
    return Finding.of(name + where, interval(values, within=within), **fields)


def worst_member(name: str, values: np.ndarray, better: str, **fields: Any) -> Finding:
    """Return a finding: the value of the worst member (no interval: it is one member)."""
    value = float(values.max() if better == "lower" else values.min())
    return Finding(name, value, better=typing.cast(Any, better), **fields)


def all_experiments() -> dict[str, Experiment]:
    """Return every experiment by name."""
    return {name: find_experiment(name) for name in _modules()}


def is_experiment(name: str) -> bool:
    """Return whether the package has an experiment of that name."""
    return name in _modules()


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name; no other is imported.

    Raises:
        ConfigError: There is none; suggests the nearest.
    """
    modules = _modules()
    if name not in modules:
        raise ConfigError(f"there is no experiment {name!r}{did_you_mean(name, modules)}")
    experiment: Experiment = importlib.import_module(modules[name]).EXPERIMENT
    return experiment


def _modules() -> dict[str, str]:
    """Return the module of every experiment by name: the files that define ``EXPERIMENT``."""
    root = Path(__file__).parent
    found = {}
    for path in sorted(root.rglob("*.py"), key=lambda path: path.stem):
        if "\nEXPERIMENT = " in path.read_text():
            parts = path.relative_to(root).with_suffix("").parts
            found[path.stem.replace("_", "-")] = ".".join(("prefrontal.experiments", *parts))
    return found


def of_other_tasks(experiment: Experiment, settings: Mapping[str, Settings]) -> list[str]:
    """Return the conditions whose task differs from that of the experiment.

    Bars and published values belong to the tasks of an experiment, and to their split, at the end
    of training. What agents are shown of a task (`inputs`), their networks and how they learn are
    what bars judge.
    """
    return [
        name
        for name, one in settings.items()
        if name not in experiment.conditions
        or _task(one.environment) != _task(experiment.conditions[name].environment)
    ]


def _task(spec: EnvironmentSpec) -> object:
    """Return what tells one task from another, defaults filled in."""
    last = spec.stage(-1)
    options = task_options(spec.id)
    defaults = dataclasses.asdict(options()) if options else {}
    return spec.id, last.split, defaults | last.kwargs


def unjudged(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without bars, goals and published values."""
    return [replace(finding, bar=None, goal=None, published=None) for finding in findings]

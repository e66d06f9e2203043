"""Bars and published values belong to the tasks of an experiment; findings of agents of other tasks are not held against them.

What agents are shown of a task (`inputs`), their networks and how they learn are what bars judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.analysis.stats.findings import Finding
from prefrontal.envs.arguments import resolve_task
from prefrontal.experiments.options import task_class
from prefrontal.experiments.settings import Experiment, Settings

__all__ = ["of_other_tasks", "unjudged"]


def of_other_tasks(experiment: Experiment, settings: Mapping[str, Settings]) -> list[str]:
    """Conditions whose task (or split of tasks), at the end of training, is not the one they have in the experiment."""
    return [
        name
        for name, one in settings.items()
        if name not in experiment.conditions
        or _task(one.environment) != _task(experiment.conditions[name].environment)
    ]


def _task(spec: EnvironmentSpec) -> object:
    """What tells one task from another, defaults filled in."""
    last = spec.stage(-1)
    ours = task_class(spec.id)
    return spec.id, last.split, resolve_task(ours, last.kwargs) if ours else last.kwargs


def unjudged(findings: Iterable[Finding]) -> list[Finding]:
    """The findings without bars, goals and published values."""
    return [replace(finding, bar=None, goal=None, published=None) for finding in findings]

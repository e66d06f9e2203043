"""What an experiment finds in an evaluation; of a sweep at every point, and how points differ."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.analysis.missing import NotMeasurableError
from prefrontal.analysis.stats.contrasts import contrast
from prefrontal.analysis.stats.findings import Finding, table
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import (
    Experiment,
    Measured,
    Outcome,
    of_other_tasks,
    unjudged,
)
from prefrontal.experiments.names import split_condition
from prefrontal.experiments.run_files import condition_folder

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch


def measured(
    experiment: Experiment, evaluation: Evaluation, run: Path, changed: bool = False
) -> Outcome:
    """Return what the experiment finds; of a sweep at every point, with their differences.

    Args:
        experiment: Whose measure it is.
        evaluation: The trained populations.
        run: Folder of the run, for messages.
        changed: Whether the agents are no longer whole, so that nothing is held against bars.

    Raises:
        ConfigError: The run cannot be measured with its settings in so many episodes.
    """
    points = _by_point(evaluation.conditions)
    if list(points) == [""]:
        return _of_point(experiment, evaluation, run, changed)
    found: dict[str, dict[str, Finding]] = {}
    figures = curve_figure(evaluation)
    for point, names in points.items():
        part = evaluation.part(names, evaluation.folder / point)
        part.folder.mkdir(exist_ok=True)
        outcome = _of_point(experiment, part, run, changed, point)
        found[point] = {one.name: one for one in outcome.findings}
        figures += outcome.figures
    return Outcome(_side_by_side(found), figures)


def _by_point(conditions: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the conditions of every point of a sweep by their names in the experiment."""
    points: dict[str, dict[str, str]] = {}
    for name in conditions:
        base, point = split_condition(name)
        points.setdefault(point, {})[base] = name
    return points


def _side_by_side(points: Mapping[str, Mapping[str, Finding]]) -> list[Finding]:
    """Return the findings of all points, each followed by the differences from the first point.

    What is the same at all points, such as a reference policy, is said once.
    """
    findings: list[Finding] = []
    for name in dict.fromkeys(name for found in points.values() for name in found):
        there = {point: found[name] for point, found in points.items() if name in found}
        first = next(iter(there))
        if len(there) == len(points) > 1 and len(set(map(repr, there.values()))) == 1:
            findings.append(there[first])
            continue
        base = there[first]
        findings += [replace(one, name=f"{name}, {point}") for point, one in there.items()]
        findings += [
            difference(f"{name}, {point} less {first}", one, base)
            for point, one in there.items()
            if point != first and isinstance(one, Measured) and isinstance(base, Measured)
        ]
    return findings


def difference(name: str, one: Measured, other: Measured) -> Finding:
    """Return the difference of two findings, member by member if there are as many of them.

    Members of one run share seeds and the tasks that they meet.
    """
    if len(one.members) != len(other.members):
        found = contrast([one.members, other.members])
        return Measured.of(name, found, better=one.better, unit=one.unit, note="other members")
    values = np.subtract(one.members, other.members)
    fields = {"better": one.better if one.better != "near" else "higher", "unit": one.unit}
    return Measured.of(name, interval(values), members=tuple(values.tolist()), **fields)


def show_in_tensorboard(
    run: RunFolder, title: str, outcome: Outcome, evaluation: Evaluation
) -> None:
    """Add findings and figures to the events in a run folder.

    The findings of a point of a sweep are beside the settings of that point.
    """
    from prefrontal.agents.runs.events import write_evaluation

    step, findings = evaluation.trained_steps(), outcome.findings
    said = "\n\n".join([title, table(findings, "markdown")])
    values = {one.name: one.value for one in findings}
    write_evaluation(run.path, values, said, outcome.figures, step)
    for point, names in _by_point(evaluation.conditions).items():
        own = [one for one in findings if point and one.name.endswith(f", {point}")]
        values = {one.name.removesuffix(f", {point}"): one.value for one in own}
        for name in names.values() if point else ():
            folder = condition_folder(run, name).path
            write_evaluation(folder, values, table(own, "markdown"), [], step)


def _of_point(
    experiment: Experiment, evaluation: Evaluation, run: Path, changed: bool, point: str = ""
) -> Outcome:
    """Return what is found at one point, judged only for whole agents on the own task."""
    try:
        with warnings.catch_warnings():  # what cannot be measured is NaN, and reported as such
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            outcome = experiment.measure(evaluation)
    except NotMeasurableError as error:
        raise ConfigError(
            f"{run} cannot be measured in {evaluation.episodes} episodes: {error}; train longer, "
            "or give more --episodes"
        ) from error
    except PrefrontalError:
        raise
    except ValueError as error:  # what a measure needs of its data
        raise ConfigError(
            f"{run} cannot be measured with its settings in {evaluation.episodes} episodes: {error}"
        ) from error
    others = of_other_tasks(experiment, evaluation.settings)
    plain = unjudged(outcome.findings)
    if changed:
        return replace(outcome, findings=plain)
    if not others or plain == outcome.findings:
        return outcome
    print(
        f"note: the task of {point or ', '.join(others)} is not that of {experiment.name}; "
        "findings are not held against its bars",
        file=sys.stderr,
    )
    return replace(outcome, findings=plain)

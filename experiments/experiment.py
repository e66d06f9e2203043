"""What an experiment is, what its measure returns, and how experiments are found by name."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.analysis.missing import NotMeasurableError
from prefrontal.analysis.stats.findings import Better, Finding, tally, tally_text
from prefrontal.analysis.stats.intervals import interval, over_episodes
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.names import module_of, split_condition, summaries
from prefrontal.experiments.settings import EPISODES, Settings, task_options


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
        shipped: Options of `prefrontal train` with which the shipped population was trained.
        whole_curves: Whether learning curves are shipped whole, because findings are read off them.
        held_out: Whether tasks are held out from training, for findings to be about; if nothing
            can be, they are about all.
        half: Whether weights are shipped in half precision, because there are many; findings are
            then those of the shipped weights.
        most_episodes: Episodes of each member that are measured at most; None: as many as asked
            for.
        levels: From settings to the known returns of an episode, by name: "optimum" where it is
            exact, "chance", others. Learning curves are drawn against them.
    """

    name: str
    summary: str
    reference: str
    conditions: Mapping[str, Settings]
    measure: Callable[[Evaluation], Outcome]
    shipped: str = "--members 8"
    whole_curves: bool = False
    half: bool = False
    held_out: bool = True
    most_episodes: int | None = None
    levels: Callable[[Settings], Mapping[str, float]] = lambda _: {}


@dataclass(frozen=True)
class Measured(Finding):
    """A finding that is the mean over members, with the number of each.

    Conditions and runs whose members share seeds are compared member by member.

    Attributes:
        members: One number a member, in their order.
    """

    members: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `Finding.to_json` does, and ``members``."""
        return super().to_json() | {"members": list(self.members)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Measured:
        """Return a finding from what `to_json` gave; rows of earlier versions have no members."""
        found = cast(Measured, super().from_json(row))
        return replace(found, members=tuple(found.members))


def finding(
    name: str,
    values: np.ndarray,
    *,
    where: str = "",
    within: tuple[float, float] = (-np.inf, np.inf),
    failure: float | None = None,
    **fields: Any,
) -> Finding:
    """Return a finding: the mean over members with its interval.

    Args:
        name: What was measured, in words.
        values: One number a member, ``[M]``.
        where: End of the name, for several findings of one condition.
        within: Bounds of what is measured, which the interval does not leave.
        failure: A member on the wrong side of this has failed; how many have not is said too.
        **fields: Fields of the `Finding`: what to hold it against.

    Raises:
        NotMeasurableError: A member has no number; names the finding.
    """
    lacking = int((~np.isfinite(values)).sum())
    if lacking:
        raise NotMeasurableError(
            f"{name + where!r} has no value for {lacking} of {np.size(values)} members, which "
            "never did what it measures"
        )
    fields["members"] = tuple(np.asarray(values, np.float64).ravel().tolist())
    if failure is not None:
        return Measured.of_members(name + where, values, failure, within=within, **fields)
    return Measured.of(name + where, interval(values, within=within), **fields)


def worst_member(
    name: str,
    episodes: np.ndarray,
    better: Better,
    counts: np.ndarray | None = None,
    fraction: bool = False,
    **fields: Any,
) -> Finding:
    """Return a finding: the value of the worst member with the interval over *its* episodes.

    Args:
        name: What was measured, in words.
        episodes: Its sum in each episode ``[M, E]``, or one number a member ``[M]``, without an
            interval and so without a verdict. A single member has neither.
        better: "lower" or "higher".
        counts: How much was summed in each episode ``[M, E]``; 1 by default.
        fraction: Whether each thing that was counted is 0 or 1.
        **fields: Fields of the `Finding`: what to hold it against.
    """
    values = episodes
    if episodes.ndim == 2:
        values = episodes.sum(1) / (episodes.shape[1] if counts is None else counts.sum(1))
    worst = int(values.argmax() if better == "lower" else values.argmin())
    if episodes.ndim == 1 or len(values) == 1:
        return Finding(name, float(values[worst]), better=better, **fields)
    own = None if counts is None else counts[worst]
    found = over_episodes(episodes[worst], own, fraction=fraction)
    return Finding.of(name, found, better=better, **fields)


def exact(name: str, value: float, members: int, **fields: Any) -> Finding:
    """Return a finding without a sampling error: its interval is the value (none of one member)."""
    end = value if members > 1 else None
    return Finding(name, value, end, end, **fields)


def conclusion(
    experiment: Experiment, findings: Sequence[Finding], conditions: Collection[str], episodes: int
) -> tuple[str, int]:
    """Return what the verdicts say together, in one line, and the exit code that follows.

    The finding as a whole is only spoken of where all conditions were measured, on as many episodes
    as the experiment asks for. It is reproduced if all bars are met, and not reproduced if one is
    missed. Of a sweep nothing is said: its settings are not those of the experiment.

    Returns:
        The line ("" where no finding has a bar), and 1 if the finding is not reproduced, else 0.
    """
    judged = [one for one in findings if one.bar is not None]
    if not judged or any(split_condition(name)[1] for name in conditions):
        return "", 0
    said = tally_text(judged)
    if not said:
        return "no verdicts: they need intervals, and those several members", 0
    wanted = min(EPISODES, experiment.most_episodes or EPISODES)
    if missing := sorted(set(experiment.conditions) - set(conditions)):
        return f"without {', '.join(missing)}: {said}", 0
    if episodes < wanted:
        return f"{episodes:,} of {wanted:,} episodes: {said}", 0
    counts = tally(judged)
    if counts["missed"]:
        return f"finding not reproduced: {said}", 1
    whole = counts["met"] == len(judged)
    return f"{'finding reproduced' if whole else 'undecided'}: {said}", 0


def all_experiments() -> dict[str, Experiment]:
    """Return every experiment by name."""
    return {name: find_experiment(name) for name in summaries()}


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name; no other is imported.

    Raises:
        ConfigError: There is none; suggests the nearest.
    """
    experiment: Experiment = importlib.import_module(module_of(name)).EXPERIMENT
    return experiment


def of_other_tasks(experiment: Experiment, settings: Mapping[str, Settings]) -> list[str]:
    """Return the conditions whose task differs from that of the experiment.

    Bars and published values belong to the tasks of an experiment, and to their split, at the end
    of training. What agents are shown of a task (`inputs`), their networks and how they learn are
    what bars judge.
    """
    own = experiment.conditions
    return [
        name
        for name, one in settings.items()
        if (base := split_condition(name)[0]) not in own
        or _task(one.environment) != _task(own[base].environment)
    ]


def known_levels(
    experiment: Experiment, settings: Mapping[str, Settings]
) -> dict[str, Mapping[str, float]]:
    """Return the known returns of an episode by condition; none where the task is another one."""
    others = of_other_tasks(experiment, settings)
    return {key: experiment.levels(one) for key, one in settings.items() if key not in others}


def _task(spec: EnvironmentSpec) -> object:
    """Return what tells one task from another, defaults filled in."""
    last = spec.stage(-1)
    options = task_options(spec.id)
    defaults = dataclasses.asdict(options()) if options else {}
    return spec.id, last.split, defaults | last.kwargs


def unjudged(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without bars, goals, failures, and values of the paper and others."""
    none = dict.fromkeys(("bar", "goal", "published", "other", "failure", "succeeded"))
    return [replace(finding, **none) for finding in findings]  # type: ignore[arg-type]

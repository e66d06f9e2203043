"""Runs of agents side by side: `prefrontal compare` of them, and `prefrontal.compare_runs`.

Findings of one name are compared, each member's value with another's. Where all members are the
same in both runs (identities, seed of the run) and meet the same tasks, differences are taken
member by member (paired); else runs are independent groups (Welch).
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.analysis.stats.contrasts import contrast
from prefrontal.analysis.stats.findings import Finding, number, span
from prefrontal.analysis.stats.intervals import Interval, interval
from prefrontal.doors import Doors
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.fit_folder import dump_json, write_rows
from prefrontal.fit_report import aligned, markdown
from prefrontal.measuring import measured
from prefrontal.showing.runs import Opened, by_member, names_of, opened

EPISODES = 1000
COLUMNS = (
    *("finding", "run", "value", "low", "high", "members"),
    *("difference", "difference_low", "difference_high", "pairing"),
)


@dataclass(frozen=True)
class Side:
    """A run and what was found.

    Attributes:
        name: Of the run.
        findings: By name.
        values: Of each member ``[M]``, by finding, where the finding is their mean.
        curves: Environment steps ``[U]`` and returns ``[U, M]`` by condition.
        levels: Known returns by condition.
        members: What is the same in runs that can be paired: seed, tasks and identities.
    """

    name: str
    findings: Mapping[str, Finding]
    values: Mapping[str, np.ndarray]
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    levels: Mapping[str, Mapping[str, float]]
    members: Any


@dataclass(frozen=True)
class Difference:
    """How far a run is from the first one in a finding.

    Attributes:
        found: This run's mean less the first run's, with its 95 % interval.
        paired: Whether the same members were compared, one by one.
    """

    found: Interval
    paired: bool

    @property
    def pairing(self) -> str:
        """How it was compared, in a word."""
        return "paired" if self.paired else "independent"


@dataclass(frozen=True)
class RunComparison:
    """Runs of agents side by side.

    Attributes:
        runs: The runs, the first of which the others are held against.
        differences: By finding and run.
        written: Files that were written.
    """

    runs: tuple[Side, ...]
    differences: Mapping[str, Mapping[str, Difference]]
    written: tuple[Path, ...] = field(default=())

    @property
    def findings(self) -> list[str]:
        """Names of the findings that several runs have, in order; of all, if none has."""
        names = dict.fromkeys(itertools.chain.from_iterable(one.findings for one in self.runs))
        counts = {name: sum(name in one.findings for one in self.runs) for name in names}
        return [name for name in names if counts[name] > 1] or list(names)

    def table(self) -> list[list[str]]:
        """Return the table as texts: each run's number with its interval, and differences."""
        first, *others = (one.name for one in self.runs)
        head = ["finding", first]
        for other in others:
            head += [other, f"{other} - {first}", "95 % interval", "pairing"]
        return [head, *(self._row(name, others) for name in self.findings)]

    def _row(self, name: str, others: Sequence[str]) -> list[str]:
        cells = {one.name: _cell(one.findings.get(name)) for one in self.runs}
        row = [name, cells[self.runs[0].name]]
        for other in others:
            row.append(cells[other])
            found = self.differences.get(name, {}).get(other)
            if found is None:
                row += ["", "", ""]
            else:
                one = found.found
                row += [number(one.value), span(one.low, one.high), found.pairing]
        return row

    def __str__(self) -> str:
        return "\n".join(aligned(self.table()))

    def _repr_markdown_(self) -> str:
        return "\n".join(markdown(escaped(self.table())))

    def rows(self) -> list[list[Any]]:
        """Return the rows of ``comparison.csv``."""
        rows: list[list[Any]] = []
        for name in self.findings:
            for run in (one for one in self.runs if name in one.findings):
                it = run.findings[name]
                count = len(run.values[name]) if name in run.values else None
                row = [name, run.name, it.value, it.low, it.high, count]
                found = self.differences.get(name, {}).get(run.name)
                one = None if found is None else found.found
                ends = [None] * 3 if one is None else [one.value, one.low, one.high]
                rows.append([*row, *ends, "" if found is None else found.pairing])
        return rows

    def to_plain(self) -> dict[str, Any]:
        """Return the results, ready for JSON."""
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in self.rows()]
        return {"runs": [one.name for one in self.runs], "findings": rows}

    def write(self, folder: Path) -> list[Path]:
        """Write table, rows and learning curves to a folder; return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / "comparison.md"
        said = [
            "# Runs side by side",
            "",
            self._repr_markdown_(),
            "",
            "Intervals are 95 % intervals over members. Paired: the same members (seed, identity) "
            "on the same tasks, their differences one by one. Independent: Welch's interval.",
        ]
        page.write_text("\n".join(said) + "\n", encoding="utf-8")
        write_rows(folder / "comparison.csv", COLUMNS, self.rows())
        dump_json(folder / "comparison.json", self.to_plain())
        written = [page, folder / "comparison.csv", folder / "comparison.json"]
        curves, levels = self._curves()
        if curves:
            from prefrontal.analysis.figures.learning import training_curves

            written.append(training_curves(curves, folder / "learning_curves.png", levels))
        return written

    def _curves(self) -> tuple[dict[str, Any], dict[str, Mapping[str, float]]]:
        """Return learning curves and known levels of all runs by the name of the line."""
        curves, levels = {}, {}
        for run in self.runs:
            for condition, curve in run.curves.items():
                name = run.name if condition == "default" else f"{run.name}, {condition}"
                curves[name], levels[name] = curve, run.levels.get(condition, {})
        return curves, levels


def _cell(finding: Finding | None) -> str:
    """Return a number with its interval."""
    if finding is None:
        return ""
    ends = span(finding.low, finding.high)
    return number(finding.value) + (f" [{ends}]" if ends else "")


def escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return cells that a table of Markdown holds as they are."""
    return [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in rows]


def compare_runs(
    runs: Sequence[Any],
    *,
    episodes: int = EPISODES,
    seed: int = 0,
    split: str = "held_out",
    out: Path | str | None = None,
    task: Any = None,
    core: Any = None,
    study: str | None = None,
) -> RunComparison:
    """Compare runs of agents: findings side by side, differences with intervals, one figure.

    Args:
        runs: Run folders or shipped populations, at least two; the others are held against the
            first.
        episodes: Episodes of each member, at most.
        seed: Seed of tasks, noise and actions, the same for all runs.
        split: Tasks: ``held_out``, ``train`` or ``all``.
        out: Folder to write to; None: nothing is written.
        task: Task of yours that the agents were trained on.
        core: Core of yours that they have.
        study: Study of yours that they were trained for.

    Raises:
        ConfigError: There is no such run, one is named twice, or there are less than two.
    """
    if len(runs) < 2:
        raise ConfigError("name two runs or more to compare: prefrontal compare RUN RUN")
    doors = Doors(task, core, study)
    paths = [getattr(one, "path", one) for one in runs]
    every = [opened(one, doors, name) for one, name in zip(paths, names_of(paths), strict=True)]
    with tempfile.TemporaryDirectory() as scratch:
        sides = [
            measure(one, one.evaluation(episodes, split, seed, Path(scratch))) for one in every
        ]
    return compared(sides, None if out is None else Path(out))


def compared(runs: Sequence[Side], folder: Path | None) -> RunComparison:
    """Hold runs against the first of them; write the comparison, if a folder is given."""
    first = runs[0]
    differences: dict[str, dict[str, Difference]] = {}
    for name, ours in first.values.items():
        for other in runs[1:]:
            if name in other.values:
                paired = first.members == other.members
                found = difference(ours, other.values[name], paired)
                differences.setdefault(name, {})[other.name] = found
    made = RunComparison(tuple(runs), differences)
    return made if folder is None else replace(made, written=tuple(made.write(folder)))


def difference(first: np.ndarray, other: np.ndarray, paired: bool) -> Difference:
    """Return the mean of `other` ``[M]`` less that of `first` ``[M]``, with its interval."""
    return Difference(interval(other - first) if paired else contrast([other, first]), paired)


def measure(run: Opened, evaluation: Evaluation, findings: Sequence[Finding] | None = None) -> Side:
    """Measure a run: its findings, of all members (None: measured here too) and of each.

    Raises:
        ConfigError: It cannot be measured in so many episodes.
    """
    found = findings or measured(run.experiment, evaluation, run.folder.path).findings
    settings = evaluation.settings
    tasks = [(one.environment.id, one.environment.stage(-1).kwargs) for one in settings.values()]
    members = [list(one.members) for one in evaluation.populations.values()]
    drawn = evaluation.split, evaluation.seed, evaluation.episodes
    curves = {
        key: (one["steps"][:, 0], one["return"])
        for key, one in evaluation.curves.items()
        if "return" in one
    }
    return Side(
        run.name,
        {one.name: one for one in found},
        by_member(run.experiment, evaluation, found),
        curves,
        evaluation.levels,
        (run.seed, list(settings), tasks, members, drawn),
    )


def dated() -> Path:
    """Return a folder for a comparison, named by the time."""
    return Path("runs", "compare", time.strftime("%Y%m%d-%H%M%S"))

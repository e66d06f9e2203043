"""The commands that show runs: report, play, and compare and evaluate of several."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefrontal.agents.common.errors import ConfigError, quoted
from prefrontal.behaviour_options import CompareOptions
from prefrontal.options import EvaluationOptions
from prefrontal.reading import parse
from prefrontal.showing.options import CompareRunsOptions, PlayOptions, ReportOptions


def parted(words: Sequence[str], *classes: Any) -> tuple[list[str], list[str]]:
    """Return the words that are no options or values of options (names of runs), and the others.

    Args:
        words: Words of the command line.
        *classes: Dataclasses of options, each of which takes one value, a switch none.
    """
    switches = {"--help", "-h"}
    for one in (field for cls in classes for field in dataclasses.fields(cls)):
        if one.type == "bool":
            option = one.name.replace("_", "-")
            switches |= {f"--{option}", f"--no-{option}"}
    runs: list[str] = []
    rest: list[str] = []
    valued = False
    for word in words:
        flag = word.startswith("-")
        (runs if not flag and not valued else rest).append(word)
        valued = flag and "=" not in word and word.replace("_", "-") not in switches
    return runs, rest


def are_agents(words: Sequence[str]) -> bool:
    """Return whether `compare` is about runs of agents, not about the models of one fit.

    Raises:
        ConfigError: Some are fits and others not, there are several fits, or one word is neither a
            fit nor a run.
    """
    from prefrontal.showing.runs import is_run

    runs, _ = parted(words, CompareOptions, CompareRunsOptions)
    fits = [one for one in runs if (Path(one).expanduser() / "fit.json").is_file()]
    if fits and len(runs) > 1:
        raise ConfigError(
            f"{fits[0]} is a fit: its models are compared with each other, one fit at a time; "
            "agents are compared with them by --agents, and `prefrontal report` shows several fits"
        )
    if len(runs) == 1 and not fits and not is_run(runs[0]):
        from prefrontal.agents.runs.folder import runs_below

        below = runs_below(Path(runs[0]).expanduser())
        raise ConfigError(
            f"there is no fit and no run of agents in {quoted(runs[0])}"
            + (below or ": name a folder of `prefrontal fit`, or several of `prefrontal train`")
        )
    return not fits and bool(runs)


def compare(words: list[str]) -> int:
    """Compare runs of agents; print the table."""
    options = parse(
        CompareRunsOptions,
        words,
        "prefrontal compare",
        "Compare runs of agents; the first is held against the others.",
    )
    from prefrontal.showing.comparing import compare_runs, dated

    found = compare_runs(
        options.runs,
        episodes=options.episodes,
        seed=options.seed,
        split=options.split,
        out=options.out or dated(),
        task=options.task,
        core=options.core,
        study=options.study,
    )
    if options.json:
        return _print_json(found.to_plain())
    _print_comparison(found)
    return 0


def evaluate(words: list[str]) -> int:
    """Evaluate several runs, each as if alone, and compare them."""
    runs, rest = parted(words, EvaluationOptions)
    from prefrontal.doors import Doors
    from prefrontal.evaluating import evaluate_by
    from prefrontal.showing.comparing import compared, dated, measure
    from prefrontal.showing.runs import names_of, opened

    names, measured, reports = names_of(runs), [], []
    places = places_of(names)
    folder = dated()
    for name, run in zip(names, runs, strict=True):
        options = parse(EvaluationOptions, [run, *rest], "prefrontal evaluate")
        if options.out is not None:
            folder = options.out.expanduser()
            options = replace(options, out=folder / places[name])
        report = evaluate_by(options)
        reports.append(report)
        one = opened(run, Doors(options.task, options.core, options.study), name)
        measured.append(measure(one, report.evaluation, report.findings))
        if not options.json:
            report.print()
            print()
    found = compared(measured, folder)
    if "--json" in rest:
        metrics = {name: one.metrics for name, one in zip(names, reports, strict=True)}
        return _print_json({"runs": metrics, "comparison": found.to_plain()})
    _print_comparison(found)
    return max(report.exit_code for report in reports)


def places_of(names: Sequence[str]) -> dict[str, str]:
    """Return a name of a folder for each run: the last part of its name, all if several share it.

    ``a/run`` and ``b/run`` go to ``a-run`` and ``b-run``.
    """
    places: dict[str, str] = {}
    last = [Path(name).name for name in names]
    for name, short in zip(names, last, strict=True):
        if last.count(short) > 1:
            short = "-".join(part for part in re.split(r"[\\/]+", name) if part.strip("."))
        count = itertools.count(2)
        place = short
        while place in places.values():
            place = f"{short}-{next(count)}"
        places[name] = place
    return places


def report(words: list[str]) -> int:
    """Write one HTML file on runs."""
    options = parse(ReportOptions, words, "prefrontal report", "One HTML file on runs.")
    from prefrontal.showing.report import report_by

    path = report_by(options)
    print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB); open it in a browser")
    return 0


def play(words: list[str]) -> int:
    """Draw an episode as a film."""
    options = parse(PlayOptions, words, "prefrontal play", "Draw an episode as a film.")
    from prefrontal.showing.film import play_by

    print(f"written: {play_by(options)}")
    return 0


def _print_comparison(found: Any) -> None:
    print(found)
    print("\nwritten:", *(f"  {path}" for path in found.written), sep="\n")


def _print_json(plain: Any) -> int:
    from prefrontal.fit_report import json_text

    print(json_text(plain, indent=1))
    return 0

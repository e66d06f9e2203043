"""Search settings with Optuna: a population a trial, the best confirmed on a fresh seed.

The study is a folder: `config.toml` (what is searched, from where), `study.log` (Optuna's journal),
`trials/NUMBER` (a run folder each), `trials.csv`, `chosen-NUMBER` and `default` (run folders that
the reported numbers are of) and `report.json`. This process alone writes to the journal, so that
workers can be anywhere; trials under way when it is killed go on from their checkpoints.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.analysis.stats.findings import Finding, number, span, table
from prefrontal.experiments.experiment import Measured
from prefrontal.experiments.run_files import config_of
from prefrontal.experiments.settings import Settings
from prefrontal.measuring import difference
from prefrontal.options import EvaluationOptions, RunOptions
from prefrontal.planning import Plan, plan
from prefrontal.reading import parse_settings
from prefrontal.search_space import Axis, default_space, read_space, typed_space, values_of
from prefrontal.study_kept import Kept, read_kept, refuse_other, require_finding, run_words
from prefrontal.study_log import begun, importance, open_study, write_trials, written
from prefrontal.sweeping import require_axes, words_of
from prefrontal.training import check_all, execute, new_folder
from prefrontal.trials import Result, Trials, objective_of
from prefrontal.tune_options import CONFIRM, MEASURED, MEMBERS, TRIALS, TuneOptions

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch

FRESH = 1  # added to the seed of the trials, for the numbers that are reported
LAST = 2**63 - 1  # the largest seed
UNDER = "tune"  # folder in `runs`


def tune(what: str | None, options: TuneOptions, rest: Sequence[str], command: str) -> list[str]:
    """Search, confirm and report; return the lines of the report.

    Args:
        what: What is trained, see `prefrontal.training.train`.
        options: How to search and to run.
        rest: Other words of the command line: settings.
        command: All of it.

    Raises:
        PrefrontalError: What the user can mend, in one line.
    """
    prog = f"prefrontal tune {what or 'WHAT'}"
    made = plan(what, options, under=UNDER)
    if len(made.conditions) > 1 and not {"--help", "-h"} & set(rest):
        raise ConfigError(
            f"{made.experiment.name} has several conditions: name one, --condition "
            f"{next(iter(made.conditions))} (or {', '.join(list(made.conditions)[1:])})"
        )
    condition, base = next(iter(made.conditions.items()))
    resumed = made.resumed
    start = base if resumed else base.with_options(members=MEMBERS)
    settings = parse_settings(start, options, rest, prog, made.description).resolved()
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError('prefrontal tune needs Optuna: pip install ".[tune]"')
    if resumed is not None:
        kept = read_kept(resumed, settings == base.resolved())
        seed = made.seed
        refuse_other(resumed, kept, seed, options)
    else:
        texts = options.search or [f"{k}={v}" for k, v in default_space(settings, rest).items()]
        words = (*run_words(options), *rest)
        sizes = options.episodes or MEASURED, options.confirm or CONFIRM, options.trials or TRIALS
        kept = Kept(what or "", words, tuple(texts), options.objective or "", *sizes)
        seed = options.seed or 0
        require_finding(kept.objective, made, options)
    if seed + FRESH > LAST:
        raise ConfigError(f"--seed must be below {LAST}: the numbers of the next one are reported")
    study = Study(made, kept, condition, settings, seed, options)
    study.require()
    with _folder(study, resumed, command) as folder:
        study.search(folder.path)
        return study.report(folder.path)


@contextlib.contextmanager
def _folder(study: Study, resumed: RunFolder | None, command: str) -> Iterator[RunFolder]:
    """Make the folder of a study, or go on in it; what is trained can be read by new processes."""
    from prefrontal.agents.common.pool import PREPARATIONS
    from prefrontal.agents.runs.folder import RunFolder

    name = study.plan.experiment.name
    if resumed is not None:
        run = RunFolder.resume(resumed.path, command)
    else:
        out = study.options.out or new_folder(f"{UNDER}/{name}", study.seed)
        config = config_of(name, study.seed, {study.condition: study.settings})
        run = RunFolder.create(out, config | {"tune": asdict(study.kept)}, command)
    PREPARATIONS.append(study.plan.doors.open)
    try:
        with run:
            yield run
    finally:
        PREPARATIONS.remove(study.plan.doors.open)


class Study:
    """A search, and what it is about.

    Args:
        plan: What is trained.
        kept: What is searched.
        condition: Which condition is trained.
        settings: The default setting.
        seed: Of the trials.
        options: How to run.
    """

    def __init__(
        self,
        plan: Plan,
        kept: Kept,
        condition: str,
        settings: Settings,
        seed: int,
        options: TuneOptions,
    ) -> None:
        self.plan, self.kept, self.condition = plan, kept, condition
        self.settings, self.seed, self.options = settings, seed, options
        self.space = typed_space(read_space(kept.search), settings)

    def at(self, point: Mapping[str, str]) -> Settings:
        """Return the settings of a point.

        Raises:
            ConfigError: A name is none of a setting, or a value is wrong.
        """
        words = words_of(point, (), "--search")
        prog = f"prefrontal tune {self.kept.what}"
        return parse_settings(self.settings, self.options, words, prog, "").resolved()

    def require(self) -> None:
        """Check what is searched, at all ends of the space, and that it can be trained here.

        Raises:
            ConfigError: It cannot.
        """
        from prefrontal.agents.common.memory import WORKER, require_memory
        from prefrontal.agents.registry import check

        if self.settings.training.members < 2:
            raise ConfigError("a trial needs two members or more, for an interval: --members 4")
        if "algorithm" in self.space or "members" in self.space:
            raise ConfigError("--search is for settings of one learner and population")
        require_axes({self.condition: self.settings}, _values(self.space), "--search", TuneOptions)
        words_of(dict.fromkeys(self.space, "0"), self.kept.words, "--search")
        check_all({self.condition: self.settings}, self.options, self.seed)
        for name, axis in self.space.items():
            for end in axis.ends():
                check(self.at({name: end}).job(self.seed, self.options.device))
        if (workers := self._workers()) > 1 and self.options.ray_address is None:
            require_memory(workers * WORKER, f"{workers:,} processes", "take fewer --workers")

    def _workers(self) -> int:
        return min(self.options.workers or os.cpu_count() or 1, self.kept.trials)

    def search(self, folder: Path) -> None:
        """Try settings until there are enough, and write `trials.csv` after each.

        Raises:
            TrainingError: The first trials have all failed.
        """
        from prefrontal.agents.common.pool import make_pool

        study, live = open_study(folder, self.seed), dict[int, Any]()
        self._remember(study)
        self._begin_with_default(study)
        if begun(study) >= self.kept.trials and all(
            one.state.is_finished() for one in study.trials
        ):
            return
        options, kept = self.options, self.kept
        function = Trials(
            (folder / "trials").absolute(),
            self.plan.experiment.name,
            self.condition,
            self.plan.doors,
            self.seed,
            options.device,
            options.log,
            kept.objective or None,
            kept.episodes,
        )
        order: list[int] = []
        pool = make_pool(function, self._workers(), options.ray_address, options.device)
        with contextlib.closing(pool):
            for index, result in pool.stream(self._items(study, live, order)):
                self._tell(study, live.pop(order[index]), result)
                write_trials(study, folder / "trials.csv")

    def _remember(self, study: Any) -> None:
        """Keep --trials and --objective of a resumed study for the next time; take what is kept.

        Raises:
            ConfigError: Another finding counts from now on, though trials are complete.
        """
        options, attrs = self.options, study.user_attrs
        name = attrs.get("objective", self.kept.objective)
        if options.objective not in (None, name):
            if any(one.state.name == "COMPLETE" for one in study.trials):
                raise ConfigError(
                    f"--objective: trials of the study are complete, and {name or 'the first'!r} "
                    "counts; leave it out, or start a new study"
                )
            study.set_user_attr("objective", name := options.objective)
        if options.resume and options.trials:
            study.set_user_attr("trials", options.trials)
        trials = options.trials or attrs.get("trials", self.kept.trials)
        self.kept = replace(self.kept, objective=name, trials=trials)

    def _begin_with_default(self, study: Any) -> None:
        """Let the first trial be of the default setting, if it lies in the space."""
        present = values_of(self.settings)
        if not study.trials and all(a.holds(present.get(name)) for name, a in self.space.items()):
            study.enqueue_trial(
                {n: a.text_of(present[n]) or present[n] for n, a in self.space.items()}
            )

    def _items(self, study: Any, live: dict[int, Any], order: list[int]) -> Iterator[Any]:
        """Yield trials: those that a killed process left, then new ones."""
        import optuna
        from optuna.trial import TrialState

        left = [one for one in study.trials if one.state == TrialState.RUNNING]
        while True:
            if left:
                trial = optuna.trial.Trial(study, left.pop(0)._trial_id)
            elif begun(study) < self.kept.trials:
                trial = study.ask()
            else:
                return
            point = {name: axis.ask(name, trial) for name, axis in self.space.items()}
            try:
                settings = self.at(point)
            except ConfigError as error:  # values that do not go together
                self._tell(study, trial, Result("failed", 0.0, reason=str(error)))
                continue
            live[trial.number] = trial
            order.append(trial.number)
            finished = [one for one in study.trials if one.state.is_finished()]
            yield trial.number, settings, finished

    def _tell(self, study: Any, trial: Any, result: Result) -> None:
        """Write down what became of a trial, and say it."""
        from optuna.trial import TrialState

        for part, reached in enumerate(result.part, 1):
            if reached == reached:  # a number
                trial.report(reached, part)
        one = result.finding
        told: dict[str, Any] = {"seconds": round(result.seconds, 1), "reason": result.reason}
        if one is not None:
            told |= {"finding": one.name, "mean": one.value, "low": one.low, "high": one.high}
        for key, said in told.items():
            trial.set_user_attr(key, said)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        state = states.get(result.state, TrialState.FAIL)
        counted = result.value if state == TrialState.COMPLETE else None
        study.tell(trial.number, counted, state=state)
        if self.options.progress:
            point = ", ".join(f"{name}={written(x)}" for name, x in trial.params.items())
            got = result.reason or result.state
            if one is not None:
                got = f"{one.name} {number(one.value)} ({span(one.low, one.high)})"
            print(f"trial {trial.number}: {point}: {got}", file=sys.stderr, flush=True)
        states_so_far = [one.state for one in study.trials if one.state.is_finished()]
        if len(states_so_far) >= 3 and set(states_so_far) == {TrialState.FAIL}:
            raise TrainingError(f"the first trials have all failed: {result.reason or 'no reason'}")

    def report(self, folder: Path) -> list[str]:
        """Train the chosen and the default setting on a fresh seed; write and return the report.

        Raises:
            TrainingError: No trial was finished.
        """
        from optuna.trial import TrialState

        study = open_study(folder, self.seed)
        if not any(one.state == TrialState.COMPLETE for one in study.trials):
            raise TrainingError("no trial was finished: try more --trials, or another --search")
        best = study.best_trial
        point = {name: written(best.params[name]) for name in self.space}
        chosen, default = self.at(point), self.settings
        places = {"chosen": folder / f"chosen-{best.number:04d}"}
        if chosen != default:
            places["default"] = folder / "default"
        found = {
            key: self._confirmed(place, chosen if key == "chosen" else default)
            for key, place in places.items()
        }
        rows = list[Finding]()
        if chosen == default:
            rows.append(found["chosen"])
        else:
            rows += [replace(one, name=f"{one.name}, {key}") for key, one in found.items()]
            first, second = found.values()
            if isinstance(first, Measured) and isinstance(second, Measured):
                rows.append(difference(f"{first.name}, chosen less default", first, second))
        words = ["prefrontal", "train", self.kept.what, *words_of(point, self.kept.words)]
        states = [one.state.name.lower() for one in study.trials]
        counts = {name: states.count(name) for name in ("complete", "pruned", "fail")}
        told = {
            "trials": counts,
            "seeds": {"trials": self.seed, "reported": self.seed + FRESH},
            "chosen": best.params,
            "chosen_trial": best.number,
            "command": shlex.join(filter(None, words)),
            "importance": importance(study),
            "findings": [one.to_json() for one in rows],
        }
        (folder / "report.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        what = "the default" if chosen == default else f"trial {best.number}"
        return [
            f"{len(states)} trials ({', '.join(f'{n} {state}' for state, n in counts.items())})",
            f"chosen: {what}, {', '.join(f'{name}={value}' for name, value in point.items())}",
            "",
            f"on a fresh seed ({self.seed + FRESH}), {self.kept.confirm} members each:",
            "",
            table(rows),
            "",
            f"train it:  {told['command']}",
            f"written:   {folder / 'trials.csv'}, {folder / 'report.json'}, "
            + ", ".join(map(str, places.values())),
        ]

    def _confirmed(self, out: Path, settings: Settings) -> Finding:
        """Train a setting on a fresh seed, or go on with that; return the finding that counts."""
        from prefrontal.agents.runs.folder import RunFolder
        from prefrontal.evaluating import evaluate_by

        settings = settings.with_options(members=self.kept.confirm)
        own = {one.name: getattr(self.options, one.name) for one in fields(RunOptions)}
        there = RunFolder.read(out) if (out / "config.toml").is_file() else None
        options = RunOptions(
            **own | {"out": out, "resume": False, "algorithm": None, "preset": None}
        )
        options = replace(options, seed=self.seed + FRESH)
        conditions = {self.condition: settings}
        made = replace(self.plan, conditions=conditions, resumed=there, seed=self.seed + FRESH)
        execute(made, conditions, options, f"prefrontal tune, {out.name}")
        asked = EvaluationOptions(run=out, seed=self.seed + FRESH, figures=False)
        with contextlib.redirect_stderr(io.StringIO()):
            findings = evaluate_by(asked, self.plan.doors).findings
        return objective_of(findings, self.kept.objective or None)


def _values(space: Mapping[str, Axis]) -> dict[str, tuple[str, ...]]:
    return {name: axis.values for name, axis in space.items()}

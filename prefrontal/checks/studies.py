"""All that is checked of a study: its settings, one update of training, and its measure."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prefrontal.agents.common.errors import PrefrontalError
from prefrontal.agents.registry import check
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.analysis.missing import NotMeasurableError
from prefrontal.analysis.stats.findings import Finding
from prefrontal.checks.calls import Wrong, said
from prefrontal.doors import Doors
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.names import is_experiment
from prefrontal.experiments.run_files import (
    condition_folder,
    load_run,
    load_snapshots,
    read_curves,
    settings_of,
)
from prefrontal.experiments.settings import Settings
from prefrontal.training import train

EPISODES = 64  # that each member plays to be measured
_NAME = re.compile(r"(?!checkpoint$)[A-Za-z0-9][\w.-]*", re.ASCII)
_NAMED = (
    "must be letters from a to z, digits and any of -_. (first a letter or a digit; 'checkpoint' "
    "is taken)"
)


def study_problems(what: str) -> Iterator[str]:
    """Yield what is wrong with a study, ``FILE.py`` or ``FILE.py:NAME``.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
        ConfigError: There is no study.
    """
    study = Doors(study=what).experiment()
    yield from _shape_problems(study)
    for name, settings in study.conditions.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                check(settings.job(0))
        except PrefrontalError as error:
            raise Wrong(f"EXPERIMENT.conditions[{name!r}]: {error}") from error
        except Exception as error:
            raise Wrong(f"EXPERIMENT.conditions[{name!r}]: {said(error)}") from error
    with tempfile.TemporaryDirectory() as folder:
        yield from _measure_problems(what, study, Path(folder))


def _shape_problems(study: Experiment) -> Iterator[str]:
    """Yield fields of a study that are of a wrong kind.

    Raises:
        Wrong: It cannot be trained.
    """
    for key in ("name", "summary", "reference"):
        if not isinstance(getattr(study, key), str):
            raise Wrong(f"EXPERIMENT.{key} must be a text, not {getattr(study, key)!r:.60}")
    if not _NAME.fullmatch(study.name):
        raise Wrong(f"EXPERIMENT.name {_NAMED}, not {study.name!r:.80}")
    if is_experiment(study.name):
        raise Wrong(f"EXPERIMENT.name must be another: the package has an experiment {study.name}")
    given = study.conditions
    if not isinstance(given, Mapping) or not given:
        raise Wrong(
            f"EXPERIMENT.conditions must map names to Settings, at least one, not {given!r:.60}"
        )
    for name, settings in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Wrong(f"EXPERIMENT.conditions: a name {_NAMED}, not {name!r:.80}")
        if not isinstance(settings, Settings):
            raise Wrong(
                f"EXPERIMENT.conditions[{name!r}] must be Settings, not {type(settings).__name__}"
            )
        _check_parts(name, settings)
    if not callable(study.measure):
        raise Wrong(f"EXPERIMENT.measure must be a function, not {study.measure!r:.60}")
    if len(given) > 1 and "default" in given:
        yield "EXPERIMENT.conditions: 'default' is the name of a single condition; name them all"


def _check_parts(name: str, settings: Settings) -> None:
    """Raise Wrong unless the parts of settings are of the right classes."""
    for field in dataclasses.fields(Settings):
        part, default = getattr(settings, field.name), field.default_factory
        right = dataclasses.is_dataclass(part) and not isinstance(part, type)
        if field.name in ("environment", "training"):
            kind = field.type if isinstance(field.type, str) else field.type.__name__
            right = type(part).__name__ == kind
        if not right:
            like = getattr(default, "__name__", "EnvironmentSpec")
            raise Wrong(
                f"EXPERIMENT.conditions[{name!r}].{field.name} must be settings like {like}(), not "
                f"{part!r:.60}"
            )


def _measure_problems(what: str, study: Experiment, folder: Path) -> Iterator[str]:
    """Train for an update, and yield what is wrong with what is measured."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            run = train(what, members=1, total_steps=1, out=folder / "run", progress=False)
    except PrefrontalError as error:
        raise Wrong(f"EXPERIMENT cannot be trained for one update: {error}") from error
    evaluation = _evaluation(RunFolder.read(run.path), folder)
    try:
        outcome = study.measure(evaluation)
    except NotMeasurableError:
        return  # agents without training need not do what is measured
    except Exception as error:
        raise Wrong(f"EXPERIMENT.measure raises {said(error)}") from error
    if not isinstance(outcome, Outcome):
        raise Wrong(f"EXPERIMENT.measure must return an Outcome, not {type(outcome).__name__}")
    for found in outcome.findings:
        if not isinstance(found, Finding):
            yield f"EXPERIMENT.measure: findings must be of the class Finding, not {found!r:.60}"
    for path in outcome.figures:
        if not isinstance(path, Path) or not path.is_file():
            yield f"EXPERIMENT.measure: figures must be paths of written files, not {path!r:.60}"


def _evaluation(run: RunFolder, folder: Path) -> Evaluation:
    """Return the agents of a run, ready to be measured."""
    _, _, settings = settings_of(run)
    curves = {key: read_curves(condition_folder(run, key).path / "metrics.csv") for key in settings}
    snapshots: dict[str, Any] = load_snapshots(run, settings)
    return Evaluation(
        load_run(run, settings),
        settings,
        "held_out",
        EPISODES,
        0,
        folder,
        curves,
        snapshots=snapshots,
    )

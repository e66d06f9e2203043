"""Where settings and learning curves go beside a run folder: W&B, MLflow.

A sink is opened with the settings of one condition, is given numbers as training goes on, and is
closed. A run that is resumed goes on in the same place.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from prefrontal.agents.common.errors import ConfigError, TrainingError

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.base import Job
    from prefrontal.agents.training.loop import Progress

PROJECT = "prefrontal"  # of W&B; of MLflow the experiment
BATCH = 100  # settings that MLflow takes at once


class BrokenOff(Exception):
    """Ends training on purpose, from within its report: the run has not failed."""


class Sink(Protocol):
    """Where numbers go."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keep numbers by name, after so many environment steps."""

    def close(self, failed: bool) -> None:
        """End, and say whether training broke off."""


class _WandB:
    """A run of W&B; `WANDB_MODE=offline` keeps it in the run folder."""

    def __init__(self, key: str, name: str, folder: Path, settings: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=PROJECT,
            id=key,
            name=name,
            dir=str(folder),
            config=dict(settings),
            resume="allow",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Sink`."""
        self._run.log(dict(values), step=step)

    def close(self, failed: bool) -> None:
        """See `Sink`."""
        self._run.finish(exit_code=int(failed))


class _MLflow:
    """A run of MLflow, where `MLFLOW_TRACKING_URI` says."""

    def __init__(self, key: str, name: str, folder: Path, settings: Mapping[str, Any]) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient()
        known = self._client.get_experiment_by_name(PROJECT)
        place = known.experiment_id if known else self._client.create_experiment(PROJECT)
        begun = self._client.search_runs([place], f"tags.`{PROJECT}.key` = '{key}'")
        if begun:
            self._run = begun[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        tags = {f"{PROJECT}.key": key, f"{PROJECT}.folder": str(folder)}
        self._run = self._client.create_run(place, run_name=name, tags=tags).info.run_id
        params = [Param(one, str(value)) for one, value in settings.items()]
        for start in range(0, len(params), BATCH):
            self._client.log_batch(self._run, params=params[start : start + BATCH])

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Sink`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def close(self, failed: bool) -> None:
        """See `Sink`."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


_KINDS: dict[str, tuple[str, type[Any], str]] = {
    "wandb": ("W&B", _WandB, "log in with `wandb login`, or keep it here: WANDB_MODE=offline"),
    "mlflow": ("MLflow", _MLflow, "say where it is: MLFLOW_TRACKING_URI"),
}


def require_sinks(kinds: Sequence[str]) -> None:
    """Check that the packages of sinks are there.

    Raises:
        ConfigError: One is not; says how to install it.
    """
    for kind in kinds:
        if importlib.util.find_spec(kind) is None:
            raise ConfigError(
                f'--log {kind} needs {_KINDS[kind][0]}: pip install ".[{kind}]", or leave it out'
            )


@contextlib.contextmanager
def open_sinks(
    kinds: Sequence[str], folder: Path, run: Path, job: Job
) -> Iterator[Callable[[Progress], None]]:
    """Yield what sends the progress of one condition to the sinks, and close them.

    Args:
        kinds: Names of sinks; the packages are there.
        folder: Folder of the condition.
        run: Folder of the run, by which the place is found again when the run is resumed.
        job: What is trained.

    Raises:
        TrainingError: A sink cannot be opened, written to or closed; training can be resumed
            without it.
    """
    if not kinds:
        yield lambda progress: None
        return
    from prefrontal.agents.runs.events import hyper_parameters

    begun = (run / "config.toml").stat().st_mtime_ns
    key = hashlib.sha256(f"{folder.resolve()} {begun}".encode()).hexdigest()[:16]
    name = f"{run.name}/{folder.name}" if folder != run else run.name
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        sinks: list[tuple[str, Any]] = []
        for kind in kinds:
            with _saying(kind):
                sink = _KINDS[kind][1](key, name, folder, hyper_parameters(job))
            sinks.append((kind, sink))
            stack.push(functools.partial(_close, kind, sink))

        def send(progress: Progress) -> None:
            groups = {name: "rollout" if name == "return" else "train" for name in progress.metrics}
            values = {
                f"{groups[name]}/{name}": float(value.mean())
                for name, value in progress.metrics.items()
            }
            for kind, sink in sinks if values else ():
                with _saying(kind):
                    sink.log(values, progress.steps)

        yield send


def _close(kind: str, sink: Sink, broken: type[BaseException] | None, *_: Any) -> None:
    """Close a sink; what has ended training already counts more than what it raises then."""
    try:
        with _saying(kind):
            sink.close(broken is not None and not issubclass(broken, BrokenOff))
    except TrainingError:
        if broken is None:
            raise


@contextlib.contextmanager
def _saying(kind: str) -> Iterator[None]:
    """Turn what a package raises into one line."""
    try:
        yield
    except Exception as error:
        title, _, hint = _KINDS[kind]
        said = f"{error}".strip().partition("\n")[0] or type(error).__name__
        raise TrainingError(f"--log {kind}: {title} said: {said:.200}; {hint}") from error

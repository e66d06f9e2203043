"""Training runs: members spread over workers; the parent alone writes to the run folder.

Members are independent, so a run is the same (up to rounding) for any number of workers. Each
worker (`shards`) trains a block of members, and after every report hands its metrics and its
complete state to the parent, which joins the blocks, writes `metrics.csv`, TensorBoard events and
checkpoints, and can resume with another number of workers.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import CheckpointError, TrainingError
from prefrontal.agents.registry import entry_of, require_fit, updates
from prefrontal.agents.registry import meta as describe
from prefrontal.agents.runs.checkpoint import Shapes
from prefrontal.agents.runs.events import write_start
from prefrontal.agents.runs.folder import MetricsFile, RunFolder, writing
from prefrontal.agents.training.shards import advance, broadcast, shards_of

CHECKPOINT_SECONDS = 10.0  # between checkpoints at least, and
CHECKPOINT_SHARE = 0.02  # of the time is spent on writing them at most


@dataclass(frozen=True)
class Progress:
    """What a run reports while it goes on."""

    steps: int  # of the environment, of the slowest member
    total_steps: int  # that each member will make
    metrics: dict[str, Tensor]  # means over the updates since the last report, [P] each


def train(
    job: Job,
    run: RunFolder,
    workers: int = 1,
    report: Callable[[Progress], None] | None = None,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Train one condition in its run folder, going on from the checkpoint if there is one.

    Args:
        job: What to train.
        run: Where to write.
        workers: Processes, here or on the Ray cluster of the job, to spread the members over.
        report: Called at the start, without metrics, and then about 200 times a run.
        levels: Known returns of an episode by name, for TensorBoard.

    Raises:
        TrainingError: A loss is not a number, an environment goes wrong, or a worker dies; the
            last checkpoint, if there is one, is kept.
    """
    state, meta = _resumed(job, run) if run.has_checkpoint else (None, {})
    update = int(meta.get("update", 0))
    snapshots = _Snapshots(job.snapshots, job.total_steps, state, meta)
    entry, described = entry_of(job.algorithm), describe(job)
    # About 200 reports a run; fixed by the job, so that a resumed run reports alike
    whole = entry.every_update or entry.every_report
    every = 1 if whole else max(1, math.ceil(updates(job) / 200))
    finished = state is not None and bool((state["steps"] >= job.total_steps).all())
    if finished:
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet_threads())
        # An algorithm that spreads its own work over `job.workers` has one learner, here
        blocks = 1 if entry.spreads_itself else workers
        shards = stack.enter_context(shards_of(job, min(blocks, job.members)))
        if state is not None:
            broadcast(shards, state)
        log = _Log(run, update if state is not None else None, job, levels or {})
        stack.callback(log.close)
        if report is not None:
            done = 0 if state is None else int(state["steps"].min().item())
            report(Progress(done, job.total_steps, {}))
        saved, pause = time.monotonic(), CHECKPOINT_SECONDS
        while not finished:
            with _keeping(run):
                metrics, state = advance(shards, every)
            update += every
            finished = bool((state["steps"] >= job.total_steps).all())
            steps = state["steps"].min().item()
            log.write(update, state["steps"], metrics)
            snapshots.take(steps, state["weights"])
            if finished or entry.every_update or time.monotonic() - saved > pause:
                begun = time.monotonic()
                meta = described | {"update": update} | snapshots.meta()
                run.save(state | snapshots.arrays(), meta)
                saved = time.monotonic()
                pause = max(CHECKPOINT_SECONDS, (saved - begun) / CHECKPOINT_SHARE)
            if report is not None:
                report(Progress(int(steps), job.total_steps, metrics))


def _resumed(job: Job, run: RunFolder) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and description of the checkpoint to go on from.

    Raises:
        CheckpointError: It cannot be read, or is not one of this job.
    """

    def check(shapes: Shapes, meta: dict[str, Any]) -> None:
        snapshots = {"snapshot_steps": meta.get("snapshot_steps", [])}
        require_fit(shapes, describe(job) | snapshots, run.path)

    state, meta = run.load(check)
    steps, update = state.get("steps"), meta.get("update")
    told = steps is not None and steps.shape == (job.members,) and bool((steps >= 0).all())
    if not told or not isinstance(update, int) or update < 0:
        raise CheckpointError(f"the checkpoint in {run.path} does not say how far the run is")
    return state, meta


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """Let threads that cannot write files end without a traceback.

    The writer of TensorBoard's events raises their error again where it is called next.
    """
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, OSError):
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def _keeping(run: RunFolder) -> Iterator[None]:
    """Say of what ends a run that its last checkpoint is kept, if there is one."""
    try:
        yield
    except TrainingError as error:
        if not run.has_checkpoint:
            raise
        raise TrainingError(f"{error} (the last checkpoint is kept)") from error


class _Snapshots:
    """Copies of the weights, evenly spaced over the run, in half precision."""

    def __init__(
        self, count: int, total_steps: int, state: dict[str, Tensor] | None, meta: dict[str, Any]
    ) -> None:
        self.count, self.total_steps = count, total_steps
        self.steps: list[int] = list(meta.get("snapshot_steps", []))
        kept = (state or {}).pop("snapshots", None)
        self.weights: list[Tensor] = [] if kept is None else list(kept.unbind(1))

    def take(self, steps: float, weights: Tensor) -> None:
        """Keep a copy if one is due."""
        if self._due(steps) > self._due(self.steps[-1] if self.steps else 0):
            self.steps.append(int(steps))
            self.weights.append(weights.to(torch.float16))

    def _due(self, steps: float) -> int:
        """Return how many copies are due after so many steps."""
        return int(min(steps, self.total_steps) * self.count // self.total_steps)

    def arrays(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps: ``snapshots [P, S, n]``."""
        return {"snapshots": torch.stack(self.weights, 1)} if self.weights else {}

    def meta(self) -> dict[str, Any]:
        """Return the environment steps at which they were taken."""
        return {"snapshot_steps": self.steps} if self.steps else {}


class _Log:
    """`metrics.csv` (one row a member and report) and TensorBoard events."""

    def __init__(
        self, run: RunFolder, last_update: int | None, job: Job, levels: Mapping[str, float]
    ) -> None:
        self.run, self.last_update = run, last_update
        self.job, self.levels = job, levels
        self.writer: Any = None
        self.file: MetricsFile | None = None

    def close(self) -> None:
        """End the events.

        Raises:
            RunFolderError: They cannot be written.
        """
        if self.writer is not None:
            with writing(self.run.path):
                self.writer.close()

    def write(self, update: int, steps: Tensor, metrics: dict[str, Tensor]) -> None:
        """Append one report.

        Raises:
            RunFolderError: The disk is full, or the folder was removed.
        """
        with writing(self.run.path):
            self._write(update, steps, metrics)

    def _write(self, update: int, steps: Tensor, metrics: dict[str, Tensor]) -> None:
        if self.file is None:
            from torch.utils.tensorboard import SummaryWriter

            columns = ["update", "member", "steps", *sorted(metrics)]
            self.file = self.run.metrics(columns, self.last_update)
            self.writer = SummaryWriter(
                str(self.run.path), purge_step=int(steps.min()) if self.last_update else None
            )
            write_start(self.writer, self.job, self.levels)
        for member, done in enumerate(steps.tolist()):
            values = {name: value[member].item() for name, value in metrics.items()}
            self.file.append({"update": update, "member": member, "steps": int(done), **values})
        for name, value in metrics.items():
            group = "rollout" if name == "return" else "train"
            self.writer.add_scalar(f"{group}/{name}", value.mean().item(), int(steps.min()))
            if name == "return" and len(steps) > 1:
                for member, one in enumerate(value.tolist()):
                    self.writer.add_scalar(f"members/{name}_{member}", one, int(steps.min()))

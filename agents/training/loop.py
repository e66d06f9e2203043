"""Training runs: members spread over worker processes; the parent alone writes to the run folder.

Members are independent, so a run is the same (up to rounding) for any number of workers. Each
worker trains a block of members, and after every report hands its metrics and its complete state
to the parent, which joins the blocks, writes `metrics.csv`, TensorBoard events and checkpoints, and
can resume with another number of workers.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from prefrontal.agents.base import Job, Learner
from prefrontal.agents.common.errors import (
    CheckpointError,
    PrefrontalError,
    TrainingError,
    UserCodeError,
)
from prefrontal.agents.common.pool import start_process
from prefrontal.agents.common.user_files import blamed
from prefrontal.agents.registry import entry_of, make_learner, require_fit, updates
from prefrontal.agents.registry import meta as describe
from prefrontal.agents.runs.checkpoint import Shapes
from prefrontal.agents.runs.folder import MetricsFile, RunFolder

CHECKPOINT_SECONDS = 10.0  # between checkpoints at least, and
CHECKPOINT_SHARE = 0.02  # of the time is spent on writing them at most


@dataclass(frozen=True)
class Progress:
    """What a run reports while it goes on."""

    steps: int  # of the environment, of the slowest member
    total_steps: int  # that each member will make
    metrics: dict[str, Tensor]  # means over the updates since the last report, [P] each


def train(
    job: Job, run: RunFolder, workers: int = 1, report: Callable[[Progress], None] | None = None
) -> None:
    """Train one condition in its run folder, going on from the checkpoint if there is one.

    Args:
        job: What to train.
        run: Where to write.
        workers: Processes to spread the members over.
        report: Called at the start, without metrics, and then about 200 times a run.

    Raises:
        TrainingError: A loss is not a number or a worker dies; the last checkpoint is kept.
    """
    state, meta = _resumed(job, run) if run.has_checkpoint else (None, {})
    update = int(meta.get("update", 0))
    snapshots = _Snapshots(job.snapshots, job.total_steps, state, meta)
    entry, described = entry_of(job.algorithm), describe(job)
    # About 200 reports a run; fixed by the job, so that a resumed run reports alike
    every = 1 if entry.every_update else max(1, math.ceil(updates(job) / 200))
    finished = state is not None and bool((state["steps"] >= job.total_steps).all())
    if finished:
        return
    with contextlib.ExitStack() as stack:
        # An algorithm that spreads its own work over `job.workers` has one learner, here
        blocks = 1 if entry.spreads_itself else workers
        shards = stack.enter_context(_shards(job, min(blocks, job.members)))
        if state is not None:
            _broadcast(shards, job, state)
        log = _Log(run, update if state is not None else None)
        stack.callback(log.close)
        if report is not None:
            done = 0 if state is None else int(state["steps"].min().item())
            report(Progress(done, job.total_steps, {}))
        saved, pause = time.monotonic(), CHECKPOINT_SECONDS
        while not finished:
            metrics, state = _advance(shards, every)
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
    known = steps is not None and steps.shape == (job.members,) and steps.dtype == torch.float64
    if not known or not bool((steps >= 0).all()) or not isinstance(update, int) or update < 0:
        raise CheckpointError(f"the checkpoint in {run.path} does not say how far the run is")
    return state, meta


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

    def __init__(self, run: RunFolder, last_update: int | None) -> None:
        self.run, self.last_update = run, last_update
        self.writer: Any = None
        self.file: MetricsFile | None = None

    def close(self) -> None:
        """End the events."""
        if self.writer is not None:
            self.writer.close()

    def write(self, update: int, steps: Tensor, metrics: dict[str, Tensor]) -> None:
        """Append one report."""
        if self.file is None:
            from torch.utils.tensorboard import SummaryWriter

            columns = ["update", "member", "steps", *sorted(metrics)]
            self.file = self.run.metrics(columns, self.last_update)
            self.writer = SummaryWriter(
                str(self.run.path), purge_step=int(steps.min()) if self.last_update else None
            )
        for member, done in enumerate(steps.tolist()):
            values = {name: value[member].item() for name, value in metrics.items()}
            self.file.append({"update": update, "member": member, "steps": int(done), **values})
        for name, value in metrics.items():
            group = "rollout" if name == "return" else "train"
            self.writer.add_scalar(f"{group}/{name}", value.mean().item(), int(steps.min()))
            if name == "return" and len(steps) > 1:
                for member, one in enumerate(value.tolist()):
                    self.writer.add_scalar(f"members/{name}_{member}", one, int(steps.min()))


# MEMBERS IN PROCESSES


class _Local:
    """A block of members in this process."""

    def __init__(self, job: Job, members: Sequence[int]) -> None:
        self.members = list(members)
        self.learner = make_learner(job, members)

    def send(self, message: tuple[str, Any]) -> None:
        """Do at once what a worker is asked to."""
        self._reply = _answer(self.learner, *message)

    def receive(self) -> Any:
        """Return what the last `send` gave."""
        return self._reply


class _Worker:
    """A block of members in a process of its own."""

    def __init__(self, job: Job, members: Sequence[int], context: Any) -> None:
        self.members = list(members)
        self.pipe, theirs = context.Pipe()
        self.process = start_process(context, _work, theirs, job, self.members)
        theirs.close()

    def send(self, message: tuple[str, Any]) -> None:
        """Ask the worker for something."""
        with contextlib.suppress(ConnectionError):  # `receive` reports a dead worker
            self.pipe.send(message)

    def receive(self) -> Any:
        """Return the worker's answer."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise TrainingError(
                "a worker process died (killed, or out of memory); run again with --resume to go "
                "on from the last checkpoint"
            ) from error
        if kind == "error":
            raise value
        return value


def _work(pipe: Any, job: Job, members: list[int]) -> None:
    """Run a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends its workers
    torch.set_num_threads(1)
    try:
        learner = make_learner(job, members)
        while True:
            message = pipe.recv()
            if message is None:
                return
            pipe.send(("ok", _answer(learner, *message)))
    except PrefrontalError as error:
        pipe.send(("error", error))
    except (EOFError, ConnectionError):  # the parent is gone
        return
    except Exception as error:
        if (said := blamed(error)) is None:
            raise
        pipe.send(("error", UserCodeError(said)))


def _answer(learner: Learner, request: str, argument: Any) -> Any:
    if request == "state":
        try:
            _require_like(argument, learner.state())
            learner.set_state(argument)
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the checkpoint is not one of this run's settings ({error!s:.200}); restore the "
                "folder from a copy or start a new run"
            ) from error
        return None
    rows = [learner.update() for _ in range(argument)]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return means, learner.state()


def _require_like(state: dict[str, Tensor], fresh: dict[str, Tensor]) -> None:
    """Check that a state has the tensors of a learner that has just begun.

    Raises:
        ValueError: One is missing, or of another type or shape; what replay keeps grows.
    """
    for name, begun in fresh.items():
        found, free = state.get(name, torch.empty(0)), 2 if ".data." in name else 0
        shapes = [list(one.shape[:1] + one.shape[free:]) for one in (found, begun)]
        if found.dtype != begun.dtype or shapes[0] != shapes[1] or found.ndim != begun.ndim:
            raise ValueError(f"{name} is missing, or of another type or shape")


@contextlib.contextmanager
def _shards(job: Job, workers: int) -> Iterator[list[Any]]:
    """Yield the members in `workers` blocks: one in this process, several in a process each."""
    bounds = [round(index * job.members / workers) for index in range(workers + 1)]
    blocks = [range(low, high) for low, high in itertools.pairwise(bounds)]
    if workers == 1:
        local = _Local(job, blocks[0])
        try:
            yield [local]
        finally:
            local.learner.close()
        return
    context = multiprocessing.get_context("spawn")
    shards = [_Worker(job, block, context) for block in blocks]
    try:
        yield shards
    finally:
        for shard in shards:
            shard.process.terminate()
            shard.process.join()


def _advance(shards: list[Any], updates: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Let every shard make some updates; join their metrics and states."""
    for shard in shards:
        shard.send(("update", updates))
    answers = [shard.receive() for shard in shards]
    metrics = {name: torch.cat([a[0][name] for a in answers]) for name in answers[0][0]}
    state = {name: torch.cat([a[1][name] for a in answers]) for name in answers[0][1]}
    return metrics, state


def _broadcast(shards: list[Any], job: Job, state: dict[str, Tensor]) -> None:
    """Give every shard its members' part of a joined state."""
    for shard in shards:
        shard.send(("state", {name: value[shard.members] for name, value in state.items()}))
    for shard in shards:
        shard.receive()


# WHAT LEARNING CURVES TELL OF FAILURES

HEAD, TAIL = 0.02, 0.1  # shares of the curve averaged at its start and end
RISEN = 0.05  # rise of the return that counts, in units of the largest |return| of any member
UNDECIDED, DECIDED = 0.95, 0.1  # entropy, in units of ln K
BEHIND = 0.75  # share of the best member's gain below which a member has learned half a rule
ADVICE = (
    "never left the plateau at chance (entropy is still that of a coin): try more updates of fewer "
    "episodes (--num-envs 16, more --total-steps), a smaller --discount, --input-gain 3",
    "settled on one way of acting before it learned anything (no entropy left, return as at the "
    "start): try a larger --entropy-coef (x 3) or a smaller --learning-rate (/ 2)",
    "learned half a rule (return stands still well below the best member's, hardly any entropy "
    "left): try --input-gain 3, a larger --entropy-coef, or --critic privileged --passes 4",
)


def diagnose(entropy: ArrayLike, returns: ArrayLike, num_actions: int) -> list[str]:
    """Read signatures of failure off the curves of a run.

    - Undecided: entropy near ln K at the end, and a return not above that of the start (of the
      lowest member): never left the plateau at chance.
    - Collapsed: entropy near 0 and a return not above that of the start: one action is always
      taken.
    - Half a rule: the return rose and then stood still well below the best member's, with little
      entropy left: the member follows a rule that is right on some tasks only. One member alone
      cannot be told from one that has learned all.

    Args:
        entropy: Mean entropy of the policy by report and member ``[U, M]``, nats.
        returns: Mean return of an episode ``[U, M]``.
        num_actions: Number of actions K.

    Returns:
        One sentence for each signature found: members, and settings to try; empty if all is well.

    Raises:
        ValueError: The curves differ in shape, are empty, or are not ``[U, M]``.
    """
    h, g = np.asarray(entropy, dtype=np.float64), np.asarray(returns, dtype=np.float64)
    if h.shape != g.shape or h.ndim != 2 or not h.size:
        raise ValueError(
            f"entropy and returns must both be [U, M] and not empty, got {h.shape}, {g.shape}"
        )
    head, tail = max(1, round(HEAD * len(h))), max(1, round(TAIL * len(h)))
    # Members start alike: the lowest start is chance, also for those that left it early
    gain = g[-tail:].mean(axis=0) - g[:head].mean(axis=0).min()
    left = h[-tail:].mean(axis=0) / math.log(max(num_actions, 2))
    scale = max(float(np.abs(g).max()), 1e-12)
    risen = gain > RISEN * scale
    # A curve that still rises may yet arrive: compare the last two quarters.
    quarter = max(1, len(g) // 4)
    late, later = g[-2 * quarter : -quarter or None].mean(axis=0), g[-quarter:].mean(axis=0)
    stands = later - late < RISEN * scale
    undecided = ~risen & (left > UNDECIDED)
    collapsed = ~risen & (left < DECIDED)
    half_rule = risen & stands & (left < 0.5) & (gain < BEHIND * gain.max())
    found = zip((undecided, collapsed, half_rule), ADVICE, strict=True)
    return [f"{_members(which)} {advice}" for which, advice in found if which.any()]


def _members(which: np.ndarray) -> str:
    """Return names such as "member 3", "members 1, 2" or "all members"."""
    if which.all() and len(which) > 1:
        return "all members"
    named = ", ".join(map(str, np.flatnonzero(which)))
    return f"member {named}" if which.sum() == 1 else f"members {named}"

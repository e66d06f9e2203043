"""Blocks of members: in this process, in a process each, or on the machines of a Ray cluster.

A block answers two requests: ``("state", tensors)`` goes on from a state, and ``("update", n)``
makes n updates and returns their mean metrics and the complete state after them.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.base import Job, Learner
from prefrontal.agents.common.errors import CheckpointError, TrainingError
from prefrontal.agents.common.pool import (
    DEATHS,
    attempt,
    gpus_of,
    join_cluster,
    packed,
    processors,
    start_process,
    unpacked,
)
from prefrontal.agents.registry import entry_of, make_learner

Message = tuple[str, Any]


class _Local:
    """A block of members in this process."""

    def __init__(self, job: Job, members: Sequence[int]) -> None:
        self.members = list(members)
        self.learner = make_learner(job, members)

    def send(self, message: Message) -> None:
        """Do at once what a worker is asked to."""
        self._reply = _answer(self.learner, *message)

    def receive(self) -> Any:
        """Return what the last `send` gave."""
        return self._reply

    def close(self) -> None:
        """Release environments and processes."""
        self.learner.close()


class _Worker:
    """A block of members in a process of its own."""

    def __init__(self, job: Job, members: Sequence[int], context: Any) -> None:
        self.members = list(members)
        self.pipe, theirs = context.Pipe()
        self.process = start_process(context, _work, theirs, job, self.members)
        theirs.close()

    def send(self, message: Message) -> None:
        """Ask the worker for something."""
        with contextlib.suppress(ConnectionError):  # `receive` reports a dead worker
            self.pipe.send(message)

    def receive(self) -> Any:
        """Return the worker's answer."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise TrainingError(
                "a worker process died (killed, or out of memory); run again with --resume"
            ) from error
        if kind == "error":
            raise value
        return value

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join()


def _work(pipe: Any, job: Job, members: list[int]) -> None:
    """Run a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends its workers
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        kind, learner = attempt(make_learner, job, members)
        if kind == "error":
            pipe.send((kind, learner))
            return
        while True:
            pipe.send(attempt(_answer, learner, *pipe.recv()))


class _Remote:
    """A block of members in a process of a Ray cluster.

    If that process or its machine dies, another takes its place: it goes on from the last state
    that was received here, and does again what was asked since, with the same numbers.
    """

    def __init__(self, job: Job, members: Sequence[int], ray: Any) -> None:
        self.members, self._ray = list(members), ray
        self._parcel = ray.put(packed((job, self.members)))
        self._gpus = gpus_of(job.device)
        self._state: dict[str, Tensor] | None = None
        self._actor = self._hire(1)

    def _hire(self, processors: int) -> Any:
        asked = {"num_cpus": processors, "num_gpus": self._gpus, "scheduling_strategy": "SPREAD"}
        return self._ray.remote(**asked)(_Actor).remote(self._parcel)

    def send(self, message: Message) -> None:
        """Ask the worker for something."""
        self._message = message
        self._reply = self._actor.answer.remote(message)

    def receive(self) -> Any:
        """Return the worker's answer.

        Raises:
            TrainingError: Workers die again and again over the same request.
        """
        for _ in range(DEATHS):
            try:
                kind, value = self._ray.get(self._reply)
            except self._ray.exceptions.RayActorError:
                self._actor = self._hire(0)  # beside others, if the cluster is smaller now
                if self._state is not None:
                    self._actor.answer.remote(("state", self._state))
                self.send(self._message)
                continue
            if kind == "error":
                raise value
            self._state = value[1] if self._message[0] == "update" else self._message[1]
            return value
        raise TrainingError(
            f"{DEATHS} workers of the Ray cluster died over the same members (killed, or out of "
            "memory); run again with --resume"
        )

    def close(self) -> None:
        """End the process."""
        self._ray.kill(self._actor)


class _Actor:
    """What `_Remote` asks, on the machine that learns."""

    def __init__(self, parcel: bytes) -> None:
        self._parcel = parcel
        self._learner: Learner | None = None

    def answer(self, message: Message) -> tuple[str, Any]:
        """Return the answer to a request, or what the user can mend."""
        return attempt(self._answered, message)

    def _answered(self, message: Message) -> Any:
        if self._learner is None:
            self._learner = make_learner(*unpacked(self._parcel))
        return _answer(self._learner, *message)


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
        found = state.get(name, torch.empty(0))
        free = 2 if ".data." in name or name == "replay.weights" else 0
        shapes = [list(one.shape[:1] + one.shape[free:]) for one in (found, begun)]
        if found.dtype != begun.dtype or shapes[0] != shapes[1] or found.ndim != begun.ndim:
            raise ValueError(f"{name} is missing, or of another type or shape")


@contextlib.contextmanager
def shards_of(job: Job, workers: int) -> Iterator[list[Any]]:
    """Yield the members in `workers` blocks, and end them.

    One block is in this process, several are in a process each; with the address of a Ray cluster
    all are in processes there, at most one a processor, and one a GPU if the device is cuda.

    Raises:
        ConfigError: There is no such cluster, or it has no GPU for cuda.
    """
    with contextlib.ExitStack() as stack:
        ray = None
        if job.ray_address is not None and not entry_of(job.algorithm).spreads_itself:
            ray, ours = join_cluster(job.ray_address, workers)
            if ours:
                stack.callback(ray.shutdown)
            workers = min(workers, processors(ray, job.device))
        bounds = [round(index * job.members / workers) for index in range(workers + 1)]
        blocks = [range(low, high) for low, high in itertools.pairwise(bounds)]
        context = multiprocessing.get_context("spawn")
        shards: list[Any] = []
        for block in blocks:
            if ray is not None:
                shards.append(_Remote(job, block, ray))
            elif workers > 1:
                shards.append(_Worker(job, block, context))
            else:
                shards.append(_Local(job, block))
            stack.callback(shards[-1].close)
        yield shards


def advance(shards: list[Any], updates: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Let every block make some updates; join their metrics and states."""
    for shard in shards:
        shard.send(("update", updates))
    answers = [shard.receive() for shard in shards]
    metrics = {name: torch.cat([a[0][name] for a in answers]) for name in answers[0][0]}
    state = {name: torch.cat([a[1][name] for a in answers]) for name in answers[0][1]}
    return metrics, state


def broadcast(shards: list[Any], state: dict[str, Tensor]) -> None:
    """Give every block its members' part of a joined state."""
    for shard in shards:
        shard.send(("state", {name: value[shard.members] for name, value in state.items()}))
    for shard in shards:
        shard.receive()

"""Work spread over processes, or over the machines of a Ray cluster; what dies is done again.

A pool applies one function, which every worker is given once, when it starts. `map` gives the same,
in the same order, whatever the number of workers, if the function does: no result depends on who
computed it, or how often it had to be tried. (Compiled code is built for the processor it runs on:
bit by bit, results are the same on machines with equal processors.)
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from prefrontal.agents.common.errors import (
    ConfigError,
    PrefrontalError,
    TrainingError,
    UserCodeError,
)
from prefrontal.agents.common.user_files import blamed

DEATHS = 5  # of workers over one piece of work, before it is given up

Work = Callable[[Any], Any]

#: What every new process does first, so that what is sent to it can be read: open the user's files.
PREPARATIONS: list[Callable[[], object]] = []


def start_process(context: Any, target: Callable[..., None], pipe: Any, *args: Any) -> Any:
    """Start ``target(pipe, *args)`` in a process, after the `PREPARATIONS`; return the process."""
    work = pickle.dumps((target, args))
    process = context.Process(target=_begin, args=(tuple(PREPARATIONS), pipe, work), daemon=True)
    with _without_main():
        process.start()
    return process


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep new processes from running the user's script again, which may have no main guard."""
    main = sys.modules["__main__"]
    names = "__file__", "__spec__"
    before: dict[str, Any] = {name: vars(main)[name] for name in names if name in vars(main)}
    main.__file__, main.__spec__ = None, None
    try:
        yield
    finally:
        del main.__file__, main.__spec__  # in a notebook there is no file
        vars(main).update(before)


def _begin(preparations: Sequence[Callable[[], object]], pipe: Any, work: bytes) -> None:
    """Run a new process, which ends when its parent does, in whatever way that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for prepare in preparations:
        prepare()
    target, args = pickle.loads(work)  # written by the parent
    target(pipe, *args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left who could read a result or an error


def attempt(function: Callable[..., Any], *args: Any) -> tuple[str, Any]:
    """Return ("ok", result), or ("error", error) of what the user can mend, to be sent back."""
    try:
        return "ok", function(*args)
    except PrefrontalError as error:
        return "error", error
    except Exception as error:
        if (said := blamed(error)) is None:
            raise
        return "error", UserCodeError(said)


def make_pool(
    function: Work, workers: int = 1, ray_address: str | None = None, device: str = "cpu"
) -> Serial:
    """Make a pool: on Ray if there is an address (see `check_ray`), else of `workers` processes.

    The function must be one that can be pickled. One worker is this process alone. On Ray each
    piece of work has a GPU to itself if the device is cuda.
    """
    if ray_address is not None:
        return RayCluster(function, ray_address, workers, device)
    return Processes(function, workers) if workers > 1 else Serial(function)


def check_ray(address: str) -> None:
    """Check that there is a Ray cluster at an address.

    Args:
        address: ``host:port``, `auto` (the cluster that this machine is part of), or `local`.

    Raises:
        ConfigError: If Ray is not installed, or nothing answers there.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError('--ray-address needs Ray: pip install ".[ray]"')
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:  # Ray itself would try for minutes
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, reason: Any) -> ConfigError:
    return ConfigError(
        f"there is no Ray cluster at {address!r}: {reason}; start one with `ray start --head`, "
        "or give --ray-address local"
    )


class Serial:
    """A pool that does everything in this process, one after the other.

    Attributes:
        workers: Pieces of work that are done at once.
    """

    workers = 1

    def __init__(self, function: Work) -> None:
        self._function: Any = function

    def map(self, items: Sequence[Any]) -> list[Any]:
        """Return the results in the order of the items."""
        return [self._function(item) for item in items]

    def stream(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """Yield index and result of every item as they are done, in any order.

        An item is taken from the iterable when a worker is free for it.
        """
        for index, item in enumerate(items):
            yield index, self._function(item)

    def close(self) -> None:
        """End the workers."""


class Processes(Serial):
    """Worker processes on this machine. One that dies is replaced, and its work done again.

    The context says how they are started; by default by "spawn".
    """

    def __init__(self, function: Work, workers: int, context: Any = None) -> None:
        super().__init__(function)
        self.workers = workers
        self._context = context or multiprocessing.get_context("spawn")
        self._crew = [self._hire() for _ in range(workers)]

    def map(self, items: Sequence[Any]) -> list[Any]:
        """Return the results in the order of the items.

        Raises:
            TrainingError: If workers die again and again over the same piece of work.
            PrefrontalError: What the function raised.
        """
        results = dict(self.stream(items))
        return [results[index] for index in range(len(items))]

    def stream(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """See `Serial.stream`; raises what `map` does."""
        source = enumerate(items)
        again: list[tuple[int, Any]] = []
        deaths: dict[int, int] = {}  # by the index of the work
        busy: dict[int, tuple[int, Any]] = {}  # worker -> index and piece of work
        while True:
            for worker in set(range(self.workers)) - set(busy):
                piece = again.pop() if again else next(source, None)
                if piece is None:
                    break
                busy[worker] = piece
                with contextlib.suppress(ConnectionError):  # its death is seen below
                    self._crew[worker][1].send(piece[1])
            if not busy:
                return
            ready = set(multiprocessing.connection.wait([self._crew[w][1] for w in busy]))
            for worker in [w for w in busy if self._crew[w][1] in ready]:
                piece = busy.pop(worker)
                try:
                    kind, value = self._crew[worker][1].recv()
                except (EOFError, ConnectionError):
                    deaths[piece[0]] = deaths.get(piece[0], 0) + 1
                    if deaths[piece[0]] == DEATHS:
                        raise TrainingError(
                            f"{DEATHS} worker processes died over the same work (killed, or out "
                            "of memory): try fewer --workers; run again with --resume"
                        ) from None
                    self._crew[worker][0].join()
                    self._crew[worker] = self._hire()
                    again.append(piece)
                    continue
                if kind == "error":
                    raise value
                yield piece[0], value

    def close(self) -> None:
        """See `Serial.close`."""
        for process, pipe in self._crew:
            pipe.close()
            process.terminate()
            process.join()
        self._crew = []

    def _hire(self) -> tuple[Any, Any]:
        ours, theirs = self._context.Pipe()
        process = start_process(self._context, _serve, theirs, self._function)
        theirs.close()
        return process, ours


def _serve(pipe: Any, function: Work) -> None:
    """Work through what comes, in a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends its workers
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        while True:
            pipe.send(attempt(function, pipe.recv()))


class RayCluster(Serial):
    """Workers of a Ray cluster; what a dying worker or machine leaves, Ray does again elsewhere.

    Args:
        function: What they apply.
        address: Of the cluster (``host:port``, ``auto``), or `local` to start one here.
        workers: Processors of a cluster that is started here.
        device: Where they compute; with cuda each piece of work has a GPU to itself.

    Raises:
        ConfigError: If Ray is not installed, there is no cluster at the address, or it has no GPU
            for cuda.
    """

    def __init__(self, function: Work, address: str, workers: int = 1, device: str = "cpu") -> None:
        self._ray, self._ours = join_cluster(address, workers)
        try:
            self.workers = processors(self._ray, device)
        except ConfigError:
            self.close()
            raise
        self._gpus = gpus_of(device)
        super().__init__(self._ray.put(packed(function)))  # once a machine

    def map(self, items: Sequence[Any]) -> list[Any]:
        """See `Serial.map`.

        Raises:
            PrefrontalError: What the function raised.
        """
        answers = self._ray.get([self._begin(item) for item in items])
        return [_result(answer) for answer in answers]

    def stream(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """See `Serial.stream`; raises what `map` does."""
        source, busy = enumerate(items), dict[Any, int]()
        while True:
            for index, item in itertools.islice(source, self.workers - len(busy)):
                busy[self._begin(item)] = index
            if not busy:
                return
            (done,), _ = self._ray.wait(list(busy))
            yield busy.pop(done), _result(self._ray.get(done))

    def _begin(self, item: Any) -> Any:
        asked = {"max_retries": -1, "num_gpus": self._gpus}
        return self._ray.remote(**asked)(_single).remote(self._function, item)

    def close(self) -> None:
        """Leave the cluster; end it, if it was started here."""
        if self._ours:
            self._ray.shutdown()


def join_cluster(address: str, workers: int = 1) -> tuple[Any, bool]:
    """Join a Ray cluster, unless this process has joined one.

    Args:
        address: See `check_ray`.
        workers: Processors of a cluster that is started here.

    Returns:
        The module `ray`, and whether the cluster was joined now, so that it is to be left.

    Raises:
        ConfigError: If Ray is not installed, or there is no cluster at the address.
    """
    check_ray(address)
    import ray

    if ray.is_initialized():
        return ray, False
    given: dict[str, Any] = {"address": address}
    if address == "local":
        given |= {"num_cpus": max(1, workers), "include_dashboard": False}
    try:
        ray.init(**given, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, str(error).partition("\n")[0]) from error
    return ray, True


def gpus_of(device: str) -> int:
    """Return how many GPUs a worker needs."""
    return int(device.startswith("cuda"))


def processors(ray: Any, device: str = "cpu") -> int:
    """Return how many workers the cluster that was joined has room for.

    One a processor; one a GPU, if there are fewer, where the device is cuda.

    Raises:
        ConfigError: The device is cuda, and the cluster has no GPU.
    """
    there = ray.cluster_resources()
    count = max(1, int(there.get("CPU", 1)))
    if gpus_of(device):
        count = min(count, int(there.get("GPU", 0)))
        if count == 0:
            raise ConfigError("--device cuda: the Ray cluster has no GPU; take --device cpu")
    return count


def packed(work: Any) -> bytes:
    """Return work as bytes for a machine of a Ray cluster, with what must be opened before it."""
    return pickle.dumps((os.getcwd(), tuple(PREPARATIONS), pickle.dumps(work)))


@functools.lru_cache(maxsize=1)
def unpacked(parcel: bytes) -> Any:
    """Return what was `packed` here or elsewhere, in the same folder if this machine has it."""
    folder, preparations, work = pickle.loads(parcel)  # written by those who use the cluster
    torch.set_num_threads(1)
    with contextlib.suppress(OSError):
        os.chdir(folder)
    for prepare in preparations:
        prepare()
    return pickle.loads(work)


def _result(answer: tuple[str, Any]) -> Any:
    """Return what `attempt` returned, or raise it."""
    kind, value = answer
    if kind == "error":
        raise value
    return value


def _single(parcel: bytes, item: Any) -> tuple[str, Any]:
    return attempt(unpacked(parcel), item)

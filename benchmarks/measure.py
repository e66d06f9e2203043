"""Sides of a comparison, each in a process of its own, measured in turns.

A side keeps its process for the whole run: its threads, its environment variables and its peak
memory are its own, and it is compiled and warm before the first round. One process runs at a time,
unless a side has `copies`. This module imports none of the libraries compared, because a process
inherits the peak memory of the one that started it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from prefrontal.agents.common.errors import ConfigError, PrefrontalError

__all__ = [
    "Player",
    "Result",
    "Sample",
    "Side",
    "choose",
    "command",
    "measure",
    "quartiles",
]

# Libraries that only a comparison needs, and the extra of this package that brings each.
EXTRAS = {"jax": "jax", "jaxlib": "jax", "sb3_contrib": "bench"}


@dataclass(frozen=True)
class Side:
    """One way to do the work of a comparison.

    Attributes:
        name: Name in the table.
        module: Module of `benchmarks.peers`.
        members: Independent agents (or individuals).
        num_envs: Episodes per member and update.
        function: Name of its `play` function.
        threads: Threads of the process. One thread is pinned to one core.
        copies: Processes that work at the same time, each with `members` agents; their rates are
            added.
        options: Further arguments of `play`.
    """

    name: str
    module: str
    members: int = 1
    num_envs: int = 16
    function: str = "play"
    threads: int = 1
    copies: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clock(self) -> str:
        """`cpu` for one thread (other load on the machine does not count), else `wall`."""
        return "cpu" if self.threads == self.copies == 1 else "wall"

    def play(self) -> Iterator[int]:
        """Return the generator of this side; see `benchmarks.peers`."""
        module = importlib.import_module(f"benchmarks.peers.{self.module}")
        generator: Iterator[int] = getattr(module, self.function)(
            self.members, self.num_envs, **self.options
        )
        return generator


def choose(sides: Sequence[Side], only: Sequence[str]) -> list[Side]:
    """Return the sides whose names start with one of `only`; all if it is empty.

    Raises:
        ConfigError: If a name fits no side.
    """
    for name in only:
        if not any(side.name.startswith(name) for side in sides):
            names = "; ".join(side.name for side in sides)
            raise ConfigError(f"no side starts with {name!r}; there are: {names}")
    return [side for side in sides if not only or side.name.startswith(tuple(only))]


def command(work: Callable[[Any], object], settings: type[Any], about: str | None) -> None:
    """Do work as the command line says; what cannot be done is one line, and exit code 2."""
    import tyro  # here: sides do not load it

    try:
        work(tyro.cli(settings, description=about))
    except PrefrontalError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@dataclass(frozen=True)
class Sample:
    """Work done in one turn.

    Attributes:
        steps: Environment steps.
        wall: Seconds that passed.
        cpu: Seconds of processor time, all threads.
    """

    steps: int
    wall: float
    cpu: float


@dataclass(frozen=True)
class Result:
    """Measurements of one side.

    Attributes:
        rates: Environment steps per second, one a round.
        memory: Largest resident memory of its process, in MB.
    """

    rates: list[float]
    memory: float


def work(generator: Iterator[int], seconds: float) -> Sample:
    """Run a side for at least `seconds` of wall-clock time and at least one update."""
    wall, cpu, steps = time.perf_counter(), time.process_time(), 0
    while not steps or time.perf_counter() - wall < seconds:
        steps += next(generator)
    return Sample(steps, time.perf_counter() - wall, time.process_time() - cpu)


class Player:
    """A side in its own processes."""

    def __init__(self, side: Side) -> None:
        self.side = side
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for copy in range(side.copies):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, side, copy), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def run(self, seconds: float) -> tuple[float, float]:
        """Take one turn; return the rate in steps per second, and the peak memory so far in MB.

        Raises:
            ModuleNotFoundError: If the side's library is not installed.
            RuntimeError: If the side failed.
        """
        for pipe in self._pipes:
            pipe.send(seconds)
        answers = [self._receive(pipe) for pipe in self._pipes]
        rates = [s.steps / (s.cpu if self.side.clock == "cpu" else s.wall) for s, _ in answers]
        return sum(rates), sum(memory for _, memory in answers)

    def close(self) -> None:
        """End the processes."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.terminate()
            process.join()

    def _receive(self, pipe: Connection) -> tuple[Sample, float]:
        try:
            kind, value = pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of side {self.side.name!r} died") from None
        if kind == "missing":
            extra = EXTRAS[value]
            raise ModuleNotFoundError(
                f"install the {extra} extra: pip install '.[{extra}]'", name=value
            )
        if kind == "error":
            raise RuntimeError(f"side {self.side.name!r} failed:\n{value}")
        sample: tuple[Sample, float] = value
        return sample


def _serve(pipe: Connection, side: Side, copy: int) -> None:
    """Run a side's process: answer every number of seconds with a sample."""
    if side.threads == 1 and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[-1 - copy % len(cores)]})
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(side.threads)
    try:
        generator = side.play()
        while True:
            seconds = pipe.recv()
            pipe.send(("sample", (work(generator, seconds), peak_memory())))
    except ModuleNotFoundError as error:
        root = (error.name or "").partition(".")[0]
        pipe.send(("missing", root) if root in EXTRAS else ("error", traceback.format_exc()))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception:  # the parent reports whatever a library raises
        pipe.send(("error", traceback.format_exc()))


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(
    sides: Sequence[Side],
    rounds: int,
    seconds: float,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Result]:
    """Measure sides in turns.

    Args:
        sides: What to measure.
        rounds: Turns per side.
        seconds: Length of a turn.
        say: Called with a line for every side that is ready or left out, and for every round.

    Returns:
        Results by name; sides whose library is not installed are left out.

    Raises:
        RuntimeError: If a side failed.
    """
    players: dict[str, Player] = {}
    rates: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    try:
        for side in sides:  # compile, and reach the speed of an update that is not the first
            player = Player(side)
            try:
                player.run(0.0)
                player.run(min(seconds, 0.5))
            except ModuleNotFoundError as error:
                say(f"{side.name}: skipped: {error}")
                player.close()
                continue
            except RuntimeError:
                player.close()
                raise
            players[side.name], rates[side.name] = player, []
            say(f"{side.name}: ready")
        for index in range(rounds):
            for name, player in players.items():
                rate, memory[name] = player.run(seconds)
                rates[name].append(rate)
            say(f"round {index + 1} of {rounds}")
    finally:
        for player in players.values():
            player.close()
    return {name: Result(values, memory[name]) for name, values in rates.items()}


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the first quartile, median and third quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high

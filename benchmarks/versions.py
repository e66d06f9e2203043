"""Speed of this checkout against another one, both measured in turns in one run.

    python -m benchmarks.versions ../before --only "ours P1" "default experiment"

Every side that is ours and runs in one thread, of `benchmarks.throughput`, `benchmarks.replay`,
`benchmarks.td3` and `benchmarks.shipped` (updates with the settings of experiments), is set up
with the code of both checkouts, each in a process of its own; what is measured is said by this
checkout. They take turns. The table shows steps (of TD3: updates) per second of processor time, and
the median and quartiles over the rounds of the ratio of this checkout to the other one: 1 is as
fast as before. Sides that the other checkout's code cannot do are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks import replay, shipped, td3, throughput
from benchmarks.measure import Side, choose, command, quartiles
from prefrontal.agents.common.errors import ConfigError

__all__ = ["Config", "Worker", "compare", "main"]

# Runs in a checkout, with its code: sets a side up that another checkout (`benchmarks` is found
# there) has, then answers every number of seconds with a rate.
WORKER = """
import os, sys
from importlib import import_module
import prefrontal
sys.path.insert(0, sys.argv[1])
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
from benchmarks.measure import work
sides = import_module(f"benchmarks.{sys.argv[2]}").SIDES
turns = next(side for side in sides if side.name == sys.argv[3]).play()
try:
    next(turns)
except (ImportError, AttributeError, KeyError):
    if os.getcwd() != sys.argv[1]:
        sys.exit(3)
    raise
for line in sys.stdin:
    done = work(turns, float(line))
    print(f"RATE {done.steps / done.cpu}", flush=True)
"""
MISSING = 3  # exit code of a worker whose checkout has no such side
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
PEERS = {"play_sb3", "play_deap"}


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        other: Folder of the other checkout.
        only: Measure only sides whose name starts with one of these.
        rounds: Turns per side and checkout.
        seconds: Length of a turn.
    """

    other: tyro.conf.Positional[Path]
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = ()
    rounds: int = 9
    seconds: float = 0.5


class Worker:
    """One side in one checkout, in a process of its own.

    Args:
        checkout: Root of the checkout.
        benchmark: Module of `benchmarks` that has the side.
        side: Its name.
    """

    def __init__(self, checkout: Path, benchmark: str, side: str) -> None:
        self.name = f"side {side!r} in {checkout}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(Path.cwd()), benchmark, side],
            cwd=checkout,
            env=os.environ | ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def rate(self, seconds: float) -> float | None:
        """Return the steps per second of a turn, or None if the checkout has no such side.

        Raises:
            RuntimeError: If the process failed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: its exit code says why
        for line in self._process.stdout:
            if line.startswith("RATE "):
                return float(line.split()[1])
        if self._process.wait() == MISSING:
            return None
        raise RuntimeError(f"{self.name} failed")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def compare(
    here: Worker, other: Worker, rounds: int, seconds: float
) -> tuple[list[float], list[float]] | None:
    """Return the rates of both, one per round, or None if one of them has no such side.

    The first of a round alternates, so that a drift of the machine's speed favours neither.
    """
    if None in (here.rate(0.0), other.rate(0.0)):
        return None
    here.rate(min(seconds, 0.5)), other.rate(min(seconds, 0.5))
    ours: list[float] = []
    theirs: list[float] = []
    for index in range(rounds):
        pairs = [(here, ours), (other, theirs)]
        for worker, rates in pairs[:: 1 if index % 2 else -1]:
            rate = worker.rate(seconds)
            assert rate is not None
            rates.append(rate)
    return ours, theirs


def sides(only: tuple[str, ...] = ()) -> list[tuple[str, Side]]:
    """Return the benchmark and the side of all one-thread work of ours.

    Raises:
        ConfigError: If a name in `only` fits no side.
    """
    both = [("throughput", side) for side in throughput.SIDES if side.name.startswith("ours")]
    both += [("throughput", s) for s in throughput.SIDES if s.module == "evolution"]
    both += [("replay", side) for side in replay.SIDES]
    both += [("td3", side) for side in td3.SIDES if side.function == "play"]
    both += [("shipped", side) for side in shipped.SIDES]
    both = [(b, s) for b, s in both if s.clock == "cpu" and s.function not in PEERS]
    chosen = choose([side for _, side in both], only)
    return [(b, s) for b, s in both if s in chosen]


def main(config: Config) -> None:
    """Measure and print a table."""
    if not (config.other / "prefrontal").is_dir():
        raise ConfigError(f"{config.other} is no checkout: it has no folder prefrontal")
    print("| side | here, k steps/s | other, k steps/s | here / other | quartiles |")
    print("|---|---|---|---|---|")
    for benchmark, side in sides(config.only):
        here, other = (Worker(p, benchmark, side.name) for p in (Path.cwd(), config.other))
        try:
            rates = compare(here, other, config.rounds, config.seconds)
        finally:
            here.close()
            other.close()
        if rates is None:
            print(f"| {side.name} | - | - | - | not in both |", flush=True)
            continue
        low, ratio, high = quartiles([a / b for a, b in zip(*rates, strict=True)])
        ours, theirs = (quartiles(values)[1] / 1e3 for values in rates)
        row = f"| {side.name} | {ours:.4g} | {theirs:.4g} | {ratio:.3f} | {low:.3f}-{high:.3f} |"
        print(row, flush=True)


if __name__ == "__main__":
    command(main, Config, __doc__)

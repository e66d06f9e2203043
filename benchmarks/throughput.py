"""Environment steps per second, learning included: ours and the peers, in turns in one run.

    python -m benchmarks.throughput --json results.json

The work: the two-armed bandit, 100 trials per episode, 48 LSTM units, one optimiser step per batch
of episodes (`benchmarks.peers`). P is the number of independent agents trained at once, N the
number of episodes per update of each.

Rates of one-thread sides are per second of processor time, so that other load on the machine does
not count; rates of sides with several threads or processes are per second of wall-clock time. A
ratio is the median of the ratios of the rounds; where a peer was measured in several ways (one or
two threads, several layouts) its best way counts.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.measure import Result, Side, choose, command, measure, quartiles

PACKAGES = ("torch", "gymnasium", "stable-baselines3", "sb3-contrib", "jax", "deap", "numpy")


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        rounds: Turns per side.
        seconds: Length of a turn.
        only: Measure only sides whose name starts with one of these.
        json: Also write everything measured to this file.
    """

    rounds: int = 5
    seconds: float = 2.0
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = ()
    json: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.rounds < 1 or self.seconds <= 0:
            raise ValueError("rounds must be at least 1 and seconds positive")


@dataclass(frozen=True)
class Bar:
    """A ratio that is claimed.

    Attributes:
        name: What is compared.
        ours: Sides of ours; the best counts.
        peers: Sides of the peer; the best counts.
        bar: What the ratio must reach, or None.
        goal: What it should reach.
        memory: Compare peak memory instead: the ratio must stay below bar and goal.
    """

    name: str
    ours: tuple[str, ...]
    peers: tuple[str, ...]
    bar: float | None
    goal: float
    memory: bool = False


GRID = ((1, 16), (1, 64), (1, 256), (8, 16), (32, 16))  # members P and episodes N

# Learning rules that must cost no more than back-propagation through time.
RULES = ("eprop", "truncated")

# N that makes an update about as many steps as the bandit's 1,600.
OTHER_TASKS = {"TwoStep": 16, "Harlow": 256}


def _chunked(members: int, num_envs: int) -> bool:
    """Return whether the layout in chunks of the JAX peer differs from the other."""
    return members > 1 or num_envs > 128


def _sides() -> list[Side]:
    sides = [Side(f"ours P{p} N{n}", "prefrontal", p, n) for p, n in GRID]
    for n in (16, 64, 256):
        sides += [
            Side(f"RecurrentPPO N{n}", "recurrent_ppo", 1, n),
            Side(f"RecurrentPPO N{n}, 2 threads", "recurrent_ppo", 1, n, threads=2),
        ]
    sides += [Side(f"CleanRL-style PPO-LSTM N{n}", "cleanrl_style", 1, n) for n in (16, 64)]
    sides += [Side("one-environment LSTM A2C", "one_environment", 1, 1)]
    sides += [Side(f"SB3 A2C MLP N{n}", "sb3_a2c", 1, n) for n in (16, 64)]
    chunks = {"layout": "chunks"}
    for p, n in GRID:
        sides.append(Side(f"JAX P{p} N{n}", "jax_a2c", p, n))
        if _chunked(p, n):
            sides.append(Side(f"JAX P{p} N{n}, chunks", "jax_a2c", p, n, options=chunks))
    plain = {"kernel": "torch"}
    for p in (1, 8):
        sides.append(Side(f"ours, plain core P{p} N16", "prefrontal", p, 16, options=plain))
    for rule in RULES:
        sides.append(Side(f"ours, {rule} P8 N16", "prefrontal", 8, 16, options={"rule": rule}))
    # OTHER TASKS
    for name, n in OTHER_TASKS.items():
        options = {"env_id": f"prefrontal/{name}-v0"}
        sides.append(Side(f"ours, {name} P32 N{n}", "prefrontal", 32, n, options=options))
    # EVOLUTION
    for n in (1, 16):
        sides += [
            Side(f"evolution, ours, N{n}", "evolution", 50, n),
            Side(f"evolution, DEAP, N{n}", "evolution", 50, n, function="play_deap"),
        ]
    # BOTH CORES
    sides += [
        Side("both cores, ours P32 N16", "prefrontal", 16, 16, copies=2),
        Side("both cores, ours P1 N256, 2 processes", "prefrontal", 1, 256, copies=2),
        Side("both cores, ours P1 N256, 2 threads", "prefrontal", 1, 256, threads=2),
    ]
    for p, n in [(32, 16), (1, 256)]:
        name, half = f"both cores, JAX P{p} N{n}", max(1, p // 2)
        sides += [
            Side(f"{name}, 2 threads", "jax_a2c", p, n, threads=2),
            Side(f"{name}, 2 threads, chunks", "jax_a2c", p, n, threads=2, options=chunks),
            Side(f"{name}, 2 processes, chunks", "jax_a2c", half, n, copies=2, options=chunks),
        ]
    return sides


def _bars() -> list[Bar]:
    bars: list[Bar] = []

    def claim(
        name: str, ours: Sequence[str], peers: Sequence[str], bar: float | None, goal: float
    ) -> None:
        bars.append(Bar(name, tuple(ours), tuple(peers), bar, goal))

    ppo = {n: [f"RecurrentPPO N{n}", f"RecurrentPPO N{n}, 2 threads"] for n in (16, 64, 256)}
    small, large, many = ["ours P1 N16"], ["ours P1 N256"], ["ours P32 N16"]
    claim("P1 N16: ours / RecurrentPPO", small, ppo[16], 10, 40)
    claim("P1 N256: ours / RecurrentPPO", large, ppo[256], 8, 15)
    claim("P32 N16: ours / RecurrentPPO N16", many, ppo[16], 25, 100)
    plain = {p: [f"ours, plain core P{p} N16"] for p in (1, 8)}
    claim("plain core, P1 N16: ours / RecurrentPPO N16", plain[1], ppo[16], 1.5, 3)
    claim("plain core, P8 N16: ours / RecurrentPPO N16", plain[8], ppo[16], 4, 8)
    claim("P8 N16: plain core / compiled LSTM", plain[8], ["ours P8 N16"], 1 / 6, 1 / 3)
    for rule in RULES:
        claim(f"P8 N16: {rule} / bptt", [f"ours, {rule} P8 N16"], ["ours P8 N16"], 1, 1.1)
    # One after another, 32 members make as many steps a second as one does.
    claim("P32 N16: ours / members one after another", many, small, 2, 4)
    claim("P32 N16: ours / one-environment A2C", many, ["one-environment LSTM A2C"], 180, 700)
    for p, n in GRID:
        work, ours, jax = f"P{p} N{n}", f"ours P{p} N{n}", f"JAX P{p} N{n}"
        bar = 1.1 if (p, n) in [(1, 256), (32, 16)] else None
        claim(f"{work}: ours / JAX, vmap", [ours], [jax], bar, 2.5)
        if _chunked(p, n):
            claim(f"{work}: ours / JAX at its best", [ours], [jax, f"{jax}, chunks"], bar, 2.5)
    for name, n in OTHER_TASKS.items():
        other = f"{name} P32 N{n}"
        claim(f"per LSTM step: {other} / bandit P32 N16", [f"ours, {other}"], many, 0.6, 0.9)
    for work in ("P32 N16", "P1 N256"):
        both = [
            side.name for side in SIDES if side.name.startswith("both cores") and work in side.name
        ]
        mine = [name for name in both if "ours" in name]
        peers = [name for name in both if "JAX" in name]
        claim(f"{work}, both cores: ours / JAX, each at its best", mine, peers, 1.4, 3)
    claim(
        "evolution, 1 episode per update: ours / DEAP",
        ["evolution, ours, N1"],
        ["evolution, DEAP, N1"],
        15,
        250,
    )
    claim(
        "evolution, 16 episodes per update: ours / DEAP",
        ["evolution, ours, N16"],
        ["evolution, DEAP, N16"],
        200,
        700,
    )
    memory = Bar(
        "peak memory, P32 N16: ours / RecurrentPPO N64",
        tuple(many),
        (ppo[64][0],),
        1,
        0.5,
        memory=True,
    )
    return [*bars, memory]


SIDES = _sides()
BARS = _bars()


def verdict(bar: Bar, ratio: float) -> str:
    """Return `goal met`, `met`, `NOT met`, or `no bar` where only a goal was set, and missed."""

    def reached(level: float) -> bool:
        return ratio <= level if bar.memory else ratio >= level

    if reached(bar.goal):
        return "goal met"
    if bar.bar is None:
        return "no bar"
    return "met" if reached(bar.bar) else "NOT met"


def compare(bar: Bar, results: Mapping[str, Result]) -> dict[str, Any] | None:
    """Return the ratio of a bar with its quartiles, or None if a side of it was not measured."""
    ours = [results[name] for name in bar.ours if name in results]
    peers = [results[name] for name in bar.peers if name in results]
    if not ours or not peers:
        return None
    if bar.memory:
        ratios = [ours[0].memory / peers[0].memory]
    else:
        best, other = (max(r, key=lambda result: quartiles(result.rates)[1]) for r in (ours, peers))
        ratios = [a / b for a, b in zip(best.rates, other.rates, strict=True)]
    low, ratio, high = quartiles(ratios)
    row = {"name": bar.name, "ratio": ratio, "quartiles": [low, high]}
    return row | {"bar": bar.bar, "goal": bar.goal, "verdict": verdict(bar, ratio)}


def machine() -> dict[str, Any]:
    """Return processor, cores and versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"processor": model, "cores": os.cpu_count(), "versions": versions}


def load() -> float:
    """Return the mean number of running processes over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def table(
    sides: Sequence[Side], results: Mapping[str, Result], rows: Sequence[dict[str, Any]]
) -> str:
    """Return rates and ratios as Markdown tables."""
    lines = ["| side | k steps/s | quartiles | per second of | peak MB |", "|---|---|---|---|---|"]
    for side in sides:
        if side.name in results:
            result = results[side.name]
            low, median, high = (f"{value / 1e3:.3g}" for value in quartiles(result.rates))
            lines.append(
                f"| {side.name} | {median} | {low}-{high} | {side.clock} | {result.memory:.0f} |"
            )
    lines += ["", "| ratio | measured | quartiles | bar | goal | |", "|---|---|---|---|---|---|"]
    for row in rows:
        low, high = (f"{value:.3g}" for value in row["quartiles"])
        bar = "-" if row["bar"] is None else f"{row['bar']:.3g}"
        lines.append(
            f"| {row['name']} | {row['ratio']:.3g} | {low}-{high} "
            f"| {bar} | {row['goal']:g} | {row['verdict']} |"
        )
    return "\n".join(lines)


def main(config: Config) -> None:
    """Measure, print the tables and write the file."""
    sides = choose(SIDES, config.only)
    before = load()
    results = measure(sides, config.rounds, config.seconds, lambda line: print(line, flush=True))
    rows = [row for row in (compare(bar, results) for bar in BARS) if row is not None]
    about = machine() | {"load": [before, load()]}
    loads = f"load {before:.1f} to {about['load'][1]:.1f}"
    print(f"\n{about['processor']}, {about['cores']} cores, {loads}; ", end="")
    print(", ".join(f"{name} {number}" for name, number in about["versions"].items()))
    print(f"medians of {config.rounds} rounds of {config.seconds:g} s\n")
    print(table(sides, results, rows))
    if config.json is not None:
        settings = {"rounds": config.rounds, "seconds": config.seconds, "only": config.only}
        measured = {name: asdict(result) for name, result in results.items()}
        everything = {"machine": about, "settings": settings, "sides": measured, "ratios": rows}
        config.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    command(main, Config, __doc__)

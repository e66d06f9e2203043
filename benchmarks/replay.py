"""Replay: transitions per second added and sampled, ours and Stable-Baselines3's, in one run.

    python -m benchmarks.replay --seconds 0.5 --json results.json

Bars are for its buffer as its algorithms use it: it stores whether an episode was cut by a time
limit, and returns whether it really ended, which is what ours stores. With that switched off ("same
fields") both store five arrays, and its samples no longer tell the two cases apart; those ratios
have no bar. Its buffer takes arrays; ours is measured with arrays and with tensors, and the better
one counts. P is the number of members (P buffers of Stable-Baselines3, one of ours), N the number
of environments of each member. Prioritised replay, reservoirs and trajectories have no peer in
Stable-Baselines3: their rates stand alone.

Each side has a process of its own with one thread; rates are per second of processor time. A ratio
is the median of the ratios of the rounds.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from benchmarks.measure import Result, Side, choose, command, measure
from benchmarks.throughput import Bar, Config, compare, load, machine, table

__all__ = ["BARS", "SIDES", "main"]


def _sides() -> list[Side]:
    sides: list[Side] = []

    def side(name: str, function: str, p: int, n: int, operation: str, **options: Any) -> None:
        options["operation"] = operation
        sides.append(Side(name, "replay", p, n, f"play_{function}", options=options))

    def pair(work: str, p: int, n: int, operation: str, **options: Any) -> None:
        """Add one piece of work by every side that can do it."""
        if operation == "sample":
            side(f"{work}: ours", "ours", p, n, operation, **options)
        else:
            for given in ("arrays", "tensors"):
                side(f"{work}: ours, {given}", "ours", p, n, operation, tensors=given == "tensors")
        for given, timeouts in (("", True), (", same fields", False)):
            side(f"{work}: SB3{given}", "sb3", p, n, operation, timeouts=timeouts, **options)

    pair("add a step, P1 N1", 1, 1, "add")
    pair("add a step, P1 N16", 1, 16, "add")
    pair("add a step, P8 N16", 8, 16, "add")
    pair("add 100 steps at once, P1 N1", 1, 1, "add_batch")
    pair("add 100 steps at once, P1 N16", 1, 16, "add_batch")
    pair("sample 32, P1", 1, 1, "sample", batch=32)
    pair("sample 256, P1", 1, 1, "sample")
    pair("sample 64, P8", 8, 1, "sample", batch=64)
    # WITHOUT A PEER
    for kind in ("prioritised", "reservoir"):
        side(f"{kind}: add a step, P1 N16", "ours", 1, 16, "add", kind=kind)
        side(f"{kind}: add 100 steps at once, P1 N16", "ours", 1, 16, "add_batch", kind=kind)
        side(f"{kind}: sample 256, P1", "ours", 1, 1, "sample", kind=kind)
    side("prioritised: update 256, P1", "ours", 1, 1, "update", kind="prioritised")
    side("prioritised: sample 64, P8", "ours", 8, 1, "sample", kind="prioritised", batch=64)
    for kind in ("uniform", "prioritised", "reservoir"):
        name = f"{kind} trajectories of 100 steps"
        for action, operation in (("add", "add"), ("sample", "sample"), ("slices", "slices")):
            side(f"{name}: {action} 16, P1", "trajectories", 1, 16, operation, kind=kind)
    return sides


def _work(side: Side) -> str:
    """Return the work that all sides of a comparison do."""
    return side.name.partition(":")[0]


def _bars() -> list[Bar]:
    bars = []
    works = dict.fromkeys(_work(side) for side in SIDES if ": SB3" in side.name)
    for work in works:
        mine = tuple(s.name for s in SIDES if s.name.startswith(f"{work}: ours"))
        bar, goal = (5.0, 20.0) if "at once" in work else (1.0, 2.0)
        bars.append(Bar(f"{work}: ours / SB3", mine, (f"{work}: SB3",), bar, goal))
        same = f"{work}: SB3, same fields"
        bars.append(Bar(f"{work}: ours / SB3, same fields", mine, (same,), None, goal))
    return bars


SIDES = _sides()
BARS = _bars()


def main(config: Config) -> None:
    """Measure, print the tables and write the file."""
    sides = choose(SIDES, config.only)
    before = load()
    results: dict[str, Result] = {}
    for work in dict.fromkeys(_work(side) for side in sides):  # few processes at a time
        print(work, flush=True)
        some = [side for side in sides if _work(side) == work]
        results |= measure(some, config.rounds, config.seconds)
    rows = [row for row in (compare(bar, results) for bar in BARS) if row is not None]
    about = machine() | {"load": [before, load()]}
    print(f"\n{about['processor']}, load {before:.1f} to {about['load'][1]:.1f}")
    print(f"medians of {config.rounds} rounds of {config.seconds:g} s\n")
    print(table(sides, results, rows))
    if config.json is not None:
        measured = {name: asdict(result) for name, result in results.items()}
        settings = {"rounds": config.rounds, "seconds": config.seconds, "only": config.only}
        everything = {"machine": about, "settings": settings, "sides": measured, "ratios": rows}
        config.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    command(main, Config, __doc__)

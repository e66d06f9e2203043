"""How near the compiled LSTM comes to what the processor can do, in GFLOP/s of one thread.

    python -m benchmarks.kernels

Counted are the multiplications and additions of matrix products alone: of a step of one episode 2
(4 H) F for the gates, F = I + H + 1, and 2 O (H + 1) for the read-outs; on the way back 2 (4 H) H
for the state, 2 (4 H) F + 2 O (H + 1) for the weights. Beside them stands the product of two large
matrices in PyTorch (1024 x 1024), which is about what the processor reaches at all. Gates cost five
sigmoids a unit that are not counted.
"""

from __future__ import annotations

import os

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch
import tyro

INPUTS, READ_OUTS, STEPS = 5, 3, 100  # of the bandit
SHAPES = ((1, 16, 48), (1, 64, 48), (1, 256, 48), (32, 16, 48), (32, 8, 48), (8, 16, 128))


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        rounds: Turns of each measurement; the median counts.
        seconds: Length of a turn.
    """

    rounds: int = 5
    seconds: float = 0.2


def rate(work: Callable[[], object], flops: float, config: Config) -> float:
    """Return the median GFLOP/s of some work, by processor time."""
    work()
    found = []
    for _ in range(config.rounds):
        count, start = 0, time.process_time()
        while (passed := time.process_time() - start) < config.seconds:
            work()
            count += 1
        found.append(count * flops / passed / 1e9)
    return statistics.median(found)


def kernels(members: int, batch: int, hidden: int, config: Config) -> tuple[float, float]:
    """Return the GFLOP/s of playing tabulated episodes, and of back-propagation through time."""
    from prefrontal.agents.networks.compiled import CompiledLSTM
    from prefrontal.agents.networks.config import NetworkConfig
    from prefrontal.agents.networks.playing import play

    net = CompiledLSTM(INPUTS, READ_OUTS, NetworkConfig(hidden_size=hidden), members)
    g = torch.Generator().manual_seed(0)
    net.set_parameters(torch.stack([net.initial(g) for _ in range(members)]))
    tape, rows = net.tape(STEPS, batch), members * batch
    table = SimpleNamespace(
        inputs=torch.ones(STEPS, INPUTS, rows),
        rewards=torch.rand(STEPS, READ_OUTS - 1, rows),
        shown=None,
        rows={"action": 1, "reward": 3},
        scale=1.0,
        shift=0.0,
        values=(),
        following=None,
        start=None,
    )
    noise = torch.rand(members, STEPS, READ_OUTS - 1, batch)
    actions = torch.zeros(STEPS, members, batch, dtype=torch.int64)
    rewards = torch.zeros(STEPS, members, batch)
    d_heads = torch.randn(STEPS, members, READ_OUTS, batch) / (STEPS * batch)
    steps, inputs = STEPS * rows, INPUTS + hidden + 1
    gates, read_outs = 8 * hidden * inputs, 2 * READ_OUTS * (hidden + 1)
    back = 8 * hidden * hidden
    return (
        rate(
            lambda: play(tape, table, noise, actions, rewards), steps * (gates + read_outs), config
        ),
        rate(lambda: net.backward(tape, d_heads), steps * (back + gates + read_outs), config),
    )


def main(config: Config) -> None:
    """Measure and print a table."""
    torch.set_num_threads(1)
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    out = torch.empty(1024, 1024)
    limit = rate(lambda: torch.mm(a, b, out=out), 2 * 1024**3, config)
    print(f"product of large matrices: {limit:.0f} GFLOP/s\n")
    print("| members, episodes, units | play | of the limit | backward | of the limit |")
    print("|---|---|---|---|---|")
    for shape in SHAPES:
        here, back = kernels(*shape, config)
        print(
            f"| {', '.join(map(str, shape))} | {here:.0f} | {here / limit:.2f} "
            f"| {back:.0f} | {back / limit:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))

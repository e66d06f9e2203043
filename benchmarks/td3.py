"""Updates of TD3 a second: ours with recurrent networks.

Beside feed-forward ones of Stable-Baselines3, measured in turns.

    python -m benchmarks.td3

The work is that of `benchmarks.peers.td3_updates`. One thread each, rates per second of processor
time; a ratio is the median of the ratios of the rounds. Stable-Baselines3 has no recurrent TD3: its
networks have as many parameters and see as many steps an update, but no time to go through. The
other peer has our networks, written in PyTorch as one usually does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from benchmarks.measure import Side, measure, quartiles

MODULE = "td3_updates"
SIDES = [
    Side("ours, modular", MODULE),
    Side("ours, holistic", MODULE, options={"holistic": True}),
    Side("ours, modular, P8", MODULE, members=8),
    Side("Stable-Baselines3 TD3, MLP", MODULE, function="play_sb3"),
    Side("PyTorch, nn.LSTM, modular", MODULE, function="play_autograd"),
]
RATIOS = [
    ("ours, modular", "Stable-Baselines3 TD3, MLP"),
    ("ours, holistic", "Stable-Baselines3 TD3, MLP"),
    ("ours, modular, P8", "Stable-Baselines3 TD3, MLP"),
    ("ours, modular", "PyTorch, nn.LSTM, modular"),
]


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        rounds: Turns per side.
        seconds: Length of a turn.
        json: Also write what was measured to this file.
    """

    rounds: int = 5
    seconds: float = 2.0
    json: Path | None = None

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.rounds < 1 or self.seconds <= 0:
            raise ValueError("rounds must be at least 1 and seconds positive")


def run(config: Config) -> str:
    """Measures every side; returns the table."""
    results = measure(SIDES, config.rounds, config.seconds)
    lines = [f"{'updates a second':32} median   quartiles"]
    for name, result in results.items():
        low, middle, high = quartiles(result.rates)
        lines.append(f"{name:32} {middle:6.1f}   {low:.1f} to {high:.1f}")
    lines.append(f"\n{'ratio':60} median   quartiles")
    for ours, peer in RATIOS:
        pairs = zip(results[ours].rates, results[peer].rates, strict=True)
        low, middle, high = quartiles([a / b for a, b in pairs])
        lines.append(f"{f'{ours} / {peer}':60} {middle:6.2f}   {low:.2f} to {high:.2f}")
    if config.json is not None:
        found = {name: asdict(result) for name, result in results.items()}
        config.json.write_text(json.dumps(found, indent=1))
    return "\n".join(lines)


if __name__ == "__main__":
    print(run(tyro.cli(Config, description=__doc__)))

"""Steps of CartPole-v1 a second, learning included, beside sb3-contrib and Stable-Baselines3.

    python -m benchmarks.cartpole

The work is that of `benchmarks.peers.cartpole`, with 16 environments. One thread each, rates per
second of processor time; sides take turns in one run, and a ratio is the median of the ratios of
the rounds. Ours plays the vector class of CartPole that is registered with Gymnasium.
"""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from benchmarks.measure import Side, measure, quartiles

SIDES = [
    Side("ours, LSTM", "cartpole", options={"core": "lstm"}),
    Side("sb3-contrib RecurrentPPO", "cartpole", function="play_recurrent_ppo"),
    Side("ours, no memory", "cartpole"),
    Side("ours, no memory, P8", "cartpole", members=8),
    Side("Stable-Baselines3 A2C, MLP", "cartpole", function="play_sb3"),
]
RATIOS = [  # and what is to be reached
    ("ours, LSTM", "sb3-contrib RecurrentPPO", 4.0),
    ("ours, no memory", "Stable-Baselines3 A2C, MLP", 1.0),
    ("ours, no memory, P8", "Stable-Baselines3 A2C, MLP", None),
]


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        rounds: Turns per side.
        seconds: Length of a turn.
    """

    rounds: int = 5
    seconds: float = 3.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.rounds < 1 or self.seconds <= 0:
            raise ValueError("rounds must be at least 1 and seconds positive")


def run(config: Config) -> str:
    """Measure every side; return the table."""
    results = measure(SIDES, config.rounds, config.seconds)
    lines = [f"{'steps a second of processor time':60} median   quartiles"]
    for name, result in results.items():
        low, middle, high = quartiles(result.rates)
        lines.append(f"{name:60} {middle:6.0f}   {low:.0f} to {high:.0f}")
    lines.append(f"\n{'ratio':60} median   quartiles       bar")
    for ours, peer, bar in RATIOS:
        if peer not in results:
            continue
        pairs = zip(results[ours].rates, results[peer].rates, strict=True)
        low, middle, high = quartiles([a / b for a, b in pairs])
        told = "-" if bar is None else f"{bar:g} {'met' if low >= bar else 'NOT met'}"
        lines.append(f"{f'{ours} / {peer}':60} {middle:6.2f}   {low:.2f} to {high:.2f}   {told}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(run(tyro.cli(Config, description=__doc__)))

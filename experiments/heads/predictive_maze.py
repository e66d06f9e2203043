"""Predict where one will be: a predictive head in a maze, and its horizon.

In the spirit of Fang & Stachenfeld 2024: a head of the recurrent core learns the observations to
come, weighted by γ^k, while the agent learns to find a hidden goal and to go back to it. Conditions
`horizon-0` to `horizon-95` (γ = 0 to .95, so that γ = 0 predicts the next observation alone),
`encoding-80` (the core's own activity to come), and as controls `no-head` and `noise`, whose head
learns random numbers. Agents are tested on the goals of training, on goals held out, and in a maze
whose doors have moved. Measurements: docs/findings/predictive-maze.md.
"""

from __future__ import annotations

from typing import Any

from prefrontal.experiments import settings as cfg
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.agents.networks.config import HeadConfig

#: Three corridors, with doors at both ends and in the middle; and doors moved by one cell. The
#: cells have the same numbers in both.
MAZE = "......./.##.##./...S.../.##.##./......."
MOVED = "......./#.#.#.#/...S.../#.#.#.#/......."
CELLS = 27
UNITS, FEW_UNITS, SMALL = 48, 24, "small-"
HORIZONS = (0, 50, 80, 95)  # hundredths
HEAD = "ahead"


def measure(evaluation: Evaluation) -> Outcome:
    return Outcome([])


_PLAIN = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/OneShotMaze-v0",
        ("action", "reward", "time"),
        {"maze": MAZE, "max_steps": 60},
    ),
    cfg.NetworkConfig(hidden_size=UNITS),
    cfg.A2CConfig(learning_rate=7e-3, discount=0.9, entropy_coef=0.05),
    cfg.TrainingConfig(num_envs=16, total_steps=1_500_000),
)


def _conditions(units: int, horizons: tuple[int, ...]) -> dict[str, cfg.Settings]:
    plain = _PLAIN.with_options(hidden_size=units)

    def ahead(**head: Any) -> cfg.Settings:
        return plain.with_options(heads=(HeadConfig(HEAD, **head),))

    return {
        "no-head": plain,
        # In all as much variance as the observation has.
        "noise": ahead(target="noise", size=CELLS, weight=1 / CELLS),
        **{
            f"horizon-{percent}": ahead(target="observation", size=CELLS, discount=percent / 100)
            for percent in horizons
        },
    }


EXPERIMENT = Experiment(
    name="predictive-maze",
    summary="a head that predicts what comes, and how far it looks",
    reference="Fang & Stachenfeld 2024, ICLR (DQN there, a recurrent actor-critic here)",
    conditions={
        **_conditions(UNITS, HORIZONS),
        "encoding-80": _PLAIN.with_options(
            heads=(HeadConfig(HEAD, "encoding", size=UNITS, discount=0.8),)
        ),
        **{SMALL + name: one for name, one in _conditions(FEW_UNITS, (80,)).items()},
    },
    measure=measure,
)

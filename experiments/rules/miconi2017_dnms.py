"""A Hebbian rule that reward modulates learns a task with a delay, without gradients (Miconi 2017).

A chaotic network of 200 rate units learns delayed non-match to sample from one number at the end
of each trial. Conditions: `hebbian` (as published); `no-cube` (the same products without the
cube); `random-sign` (the error counts with a random sign: changes that tell nothing);
`node-perturbation` (synapses are told the perturbation itself, with the published step size).

What was found is in ``docs/findings/miconi2017-dnms.md``.
"""

from __future__ import annotations

from dataclasses import replace

from prefrontal.agents.hebbian.config import HebbianConfig, RateNetworkConfig
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import EnvironmentSpec, Settings, TrainingConfig

TRIAL = 1000  # steps
CONDITIONS = {
    "hebbian": HebbianConfig(),
    "no-cube": HebbianConfig(exponent=1),
    "random-sign": HebbianConfig(random_sign=True),
    "node-perturbation": HebbianConfig("node-perturbation", learning_rate=0.001),
}


def measure(evaluation: Evaluation) -> Outcome:
    """Measure."""
    return Outcome([])


_BASE = Settings(
    EnvironmentSpec("prefrontal/DelayedNonMatchToSample-v0", inputs=()),
    RateNetworkConfig(),
    HebbianConfig(),
    TrainingConfig(members=8, num_envs=1, total_steps=2000 * TRIAL),
)

EXPERIMENT = Experiment(
    name="miconi2017-dnms",
    summary="a Hebbian rule that reward modulates learns to compare across a delay",
    reference="Miconi 2017, eLife 6:e20899",
    conditions={name: replace(_BASE, algorithm=rule) for name, rule in CONDITIONS.items()},
    measure=measure,
    shipped="",
    whole_curves=True,
    most_episodes=100,
)

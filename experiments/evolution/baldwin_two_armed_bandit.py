"""Evolving learners of two-armed bandits: 100 pulls to learn in the weights, 20 that count.

One who knows the arms earns 133 of 200 on average; one who must find out in the 20 pulls, 124 at
best (exact); guessing, 100. So learning in the weights pays if it is fast, and learning in the
activations is what is left to those who cannot (`darwin`).

What was found is in ``docs/findings/baldwin-two-armed-bandit.md``.
"""

from __future__ import annotations

from prefrontal.agents import EnvironmentSpec
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.evolution.comparison import compare, conditions
from prefrontal.experiments.experiment import Experiment, Outcome

PULLS, EXAM, TASKS = 10, 20, 10
STEPS = 1_000_000
SPEC = EnvironmentSpec(
    "prefrontal/TwoArmedBandit-v0",
    inputs=("reward", "action"),
    split="all",
    stages=({"trials": PULLS}, {"trials": EXAM}),
)


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the reward of champions on fresh arms, against the exact optima."""
    from prefrontal.agents.reference.bandit_optima import bayes_optimal_value

    pulls = EXAM * TASKS
    return compare(evaluation, 0.5 * pulls, 2 / 3 * pulls, TASKS * bayes_optimal_value(EXAM))


EXPERIMENT = Experiment(
    name="baldwin-two-armed-bandit",
    summary="Evolution of learners of two-armed bandits",
    reference="Fernando et al. 2018, arXiv 1806.07917 (method); Wang et al. 2016 (task)",
    conditions=conditions(SPEC, STEPS, learning_updates=10),
    measure=measure,
)

"""Evolving learners of the context bandit: which of two complementary colours pays.

It is learned by changing weights. Colours are new in every life and continuous, so nothing about
them can be inborn: only how to learn is inherited. A life has 25 episodes of 6 trials, then 20
trials that count. One who knows earns 200 over ten tasks, one who must find out in the test 195
(half a reward on its first trial), guessing 100. Held-out colours are never seen in evolution.

What was found is in ``docs/findings/baldwin-context-bandit.md``.
"""

from __future__ import annotations

from prefrontal.agents import EnvironmentSpec
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.evolution.comparison import compare, conditions
from prefrontal.experiments.experiment import Experiment, Outcome

TRIALS, EXAM, TASKS = 6, 20, 10
STEPS = 1_000_000
SPEC = EnvironmentSpec(
    "prefrontal/ContextBandit-v0",
    inputs=("reward", "action"),
    stages=({"trials": TRIALS}, {"trials": EXAM}),
)


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the reward of champions on fresh colours of the training split."""
    return compare(evaluation, 0.5 * EXAM * TASKS, EXAM * TASKS, (EXAM - 0.5) * TASKS)


EXPERIMENT = Experiment(
    name="baldwin-context-bandit",
    summary="Evolution of learners of which colour pays",
    reference="Fernando et al. 2018, arXiv 1806.07917 (method); Juliani 2017 (task)",
    conditions=conditions(SPEC, STEPS),
    measure=measure,
)

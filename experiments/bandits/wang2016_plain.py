"""Two independent arms by plain A2C in the published 20,000 episodes (Wang et al. 2016, 2018).

`wang2016-bandit` has a critic that sees the arms and several passes over each batch, and more
episodes. Here the agent's own value head is the baseline and each batch is used once. Conditions:

- `published`: an episode an update, RMSProp and the weights of the loss of Wang et al. (2018);
- `batches`: 16 episodes an update, Adam, a step size and an entropy bonus that go to 0.

Measurements: docs/findings/wang2016-plain.md.
"""

from __future__ import annotations

import numpy as np

from prefrontal.agents.reference.bandit_optima import bayes_optimal_regret, bayes_optimal_value
from prefrontal.agents.reference.counting import UCB, Gittins, Greedy, Thompson
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import (
    beats,
    budget,
    curve_figure,
    reference_regret,
    regret_finding,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome

POLICIES = (UCB(1.0), Thompson(), Greedy(), Gittins(0.99))
LEARNED = 8.3  # half the regret of random pulls: a member that has more has not learned to learn


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the regret of each condition, against reference policies on the same tasks."""
    findings = []
    for condition in evaluation.conditions:
        record = evaluation.record(condition, split="all")
        trials = record["action"].shape[2]
        arms = np.repeat(record["task.p"][:, :, None], trials, axis=2)
        references = reference_regret({p.name: p for p in POLICIES}, arms, evaluation.seed)
        optimum = bayes_optimal_regret(trials)
        findings += [
            regret_finding(f"regret, {condition}", record, optimum=optimum, failure=LEARNED),
            *(
                beats(policy.name, references[policy.name], record, where=f", {condition}")
                for policy in (Thompson(), UCB(1.0))
            ),
            *budget(evaluation, trials, 20_000, condition, condition),
        ]
    findings += [
        Finding(f"reference: {name}", float(values.sum(axis=2).mean()), better="lower")
        for name, values in references.items()
    ]
    return Outcome(findings, curve_figure(evaluation))


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum and of random pulls."""
    trials = settings.environment.kwargs["trials"]
    return {"optimum": bayes_optimal_value(trials), "chance": trials / 2}


def _settings(
    inputs: tuple[str, ...], network: cfg.NetworkConfig, algorithm: cfg.A2CConfig, num_envs: int
) -> cfg.Settings:
    return cfg.Settings(
        cfg.EnvironmentSpec("prefrontal/TwoArmedBandit-v0", inputs, {"trials": 100}),
        network,
        algorithm,
        cfg.TrainingConfig(num_envs=num_envs, total_steps=2_000_000),
    )


EXPERIMENT = Experiment(
    name="wang2016-plain",
    summary="two independent arms by plain A2C, own critic, one pass, 20,000 episodes",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 1; Wang et al. 2018, Methods",
    conditions={
        "published": _settings(
            ("action", "reward", "time"),
            cfg.NetworkConfig(),
            cfg.A2CConfig(
                learning_rate=7e-4,
                learning_rate_final=7e-4,
                optimiser="rmsprop",
                discount=0.9,
                value_coef=0.05,
                entropy_coef=0.05,
                entropy_coef_final=0.05,
            ),
            num_envs=1,
        ),
        "batches": _settings(
            ("action", "centred_reward", "time"),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(learning_rate=1e-2, discount=0.8, entropy_coef=0.05),
            num_envs=16,
        ),
    },
    measure=measure,
    levels=levels,
    shipped="--members 8",
)

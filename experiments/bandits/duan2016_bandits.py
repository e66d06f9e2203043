"""Bernoulli bandits of k arms and n pulls (Duan et al. 2016, RL², table 1).

Conditions are named ARMSxPULLS. The published cells are means over 1,000 bandits: at 100 pulls of
5 arms the standard deviation of one episode is 15.8, so their standard error is .5, and most
published differences are noise.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from prefrontal.agents.reference.counting import UCB, Gittins, Greedy, Thompson
from prefrontal.analysis.choice.bandits import total_regret
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import (
    curve_figure,
    reference_regret,
    regret_by_member,
    reward_by_member,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

# condition: bar, goal, published RL²
CELLS = {
    "5x10": (6.62, 6.66, 6.7),
    "5x100": (77.8, 78.7, 78.7),
    "10x100": (82.0, 83.5, 83.5),
    "5x500": (395.0, 401.6, 401.6),
}
PARITY = -0.5  # reward less that of the best policy: the standard error of a published cell


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the total reward, beside that of reference policies on the same bandits."""
    findings = []
    for condition in evaluation.conditions:
        bar, goal, published = CELLS[condition]
        record = evaluation.record(condition, split="all")
        findings.append(
            finding(
                f"reward, {condition}",
                reward_by_member(record),
                published=published,
                bar=bar,
                goal=goal,
            )
        )
        held_out = evaluation.record(condition)
        findings.append(
            finding(f"reward, {condition}, {evaluation.split} tasks", reward_by_member(held_out))
        )
        arms, trials = record["task.p"], record["action"].shape[2]
        policies = [
            Thompson(),
            Greedy(),
            UCB(0.2 * 2**0.5, prior=True),
            Gittins(0.9 if trials <= 20 else 0.99 if trials <= 200 else 0.995),
        ]
        paths = np.repeat(arms[:, :, None], trials, axis=2)
        ceiling = arms.max(axis=2).mean() * trials
        regrets = {
            name: total_regret(regret)
            for name, regret in reference_regret(
                {p.name: p for p in policies}, paths, evaluation.seed
            ).items()
        }
        best = min(regrets, key=lambda name: float(regrets[name].mean()))
        findings.append(
            finding(
                f"reward, {condition}, less that of the best policy",
                regrets[best] - regret_by_member(record),
                bar=PARITY,
                note=f"{best}, same bandits; published: as good as the best algorithms",
            )
        )
        findings += [
            Finding(f"reference, {condition}: {name}", float(ceiling - regret.mean()))
            for name, regret in regrets.items()
        ]
    return Outcome(findings, curve_figure(evaluation))


def _settings(
    arms: int, trials: int, num_envs: int, total_steps: int, algorithm: cfg.A2CConfig
) -> cfg.Settings:
    return cfg.Settings(
        cfg.EnvironmentSpec(
            "prefrontal/BernoulliBandit-v0",
            ("action", "centred_reward", "time"),
            {"arms": arms, "trials": trials},
        ),
        cfg.NetworkConfig(input_gain=3.0),
        algorithm,
        cfg.TrainingConfig(num_envs=num_envs, total_steps=total_steps),
    )


_SHORT = cfg.A2CConfig(learning_rate=1e-2, discount=0.9, entropy_coef=0.05)
#: A long horizon from the start, which keeps agents exploring; values in units of the returns, or
#: else their errors fill the clipped gradient; a large critic, which lowers its noise.
_LONG = cfg.A2CConfig(
    learning_rate=7e-3,
    discount=0.99,
    gae_lambda=0.95,
    value_coef=0.05,
    normalise_values=True,
    entropy_coef=0.05,
    entropy_anneal=0.5,
    normalise_advantages=True,
    critic=cfg.CriticConfig("privileged", units=256),
    passes=4,
)
#: More entropy, annealed later: with ten arms agents settle on trying too few of them.
_MANY = dataclasses.replace(_LONG, entropy_coef=0.1, entropy_anneal=0.6)
_LONGEST = dataclasses.replace(_LONG, gae_lambda=0.98, discount=0.9, discount_final=0.985)

EXPERIMENT = Experiment(
    name="duan2016-bandits",
    summary="Bernoulli bandits of the RL² paper: 5 arms 10, 100 or 500 pulls, 10 arms 100 pulls",
    reference="Duan et al. 2016, arXiv:1611.02779, table 1",
    conditions={
        "5x10": _settings(5, 10, 64, 3_000_000, _SHORT),
        "5x100": _settings(5, 100, 64, 20_000_000, _LONG),
        "10x100": _settings(10, 100, 64, 26_000_000, _MANY),
        "5x500": _settings(5, 500, 16, 24_000_000, _LONGEST),
    },
    measure=measure,
    levels=lambda settings: {"chance": settings.environment.kwargs["trials"] / 2},
)

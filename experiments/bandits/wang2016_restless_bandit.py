"""Restless arms p and 1 - p that drift slowly or fast (Wang et al. 2016, experiment 4).

Published, in words: regret below Thompson sampling that knows the walk with one volatility, UCB (χ
= 1) and the best Rescorla-Wagner learner with a fixed rate, because the network adapts its learning
rate to the volatility. Regret is against the arm that is best now, which no agent can know; the
ideal observer that infers the volatility is simulated beside it. Both arms tell the same, so
exploration earns nothing and a small discount is best: docs/findings/wang2016-restless-bandit.md.
"""

from __future__ import annotations

import numpy as np

from prefrontal.agents.reference.counting import UCB, Policy
from prefrontal.agents.reference.memory import RestlessBayes
from prefrontal.agents.reference.play import best_fixed_alpha
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import (
    beats,
    curve_figure,
    reference_regret,
    regret_figure,
    regret_finding,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome

# What an observer believes about the standard deviation of a step: two means, or all values.
MEAN_DRIFT = {"low": 0.03, "high": 0.2}
GRID = (0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


def measure(evaluation: Evaluation) -> Outcome:
    """Measure regret at low and high volatility against the controls and the ideal observer."""
    findings: list[Finding] = []
    figures = curve_figure(evaluation)
    mixed = _paths(evaluation.record(volatility="mixed", episodes=500)["task.p"])
    mixed, rng = mixed.reshape(-1, *mixed.shape[2:])[:2000], np.random.default_rng(evaluation.seed)
    betas = (5.0, 10.0, float("inf"))
    controls: dict[str, Policy] = {
        "Thompson": RestlessBayes(
            sds=(float(np.mean(list(MEAN_DRIFT.values()))),), sample=True, bins=60
        ),
        "UCB (χ = 1)": UCB(1.0),
        "best fixed Rescorla-Wagner": best_fixed_alpha(mixed, rng, betas=betas)[0],
        "best fixed coupled Rescorla-Wagner": best_fixed_alpha(
            mixed, rng, betas=betas, coupled=True
        )[0],
    }
    policies = controls | {"ideal observer": RestlessBayes(sds=GRID, bins=60)}
    for volatility in MEAN_DRIFT:
        record = evaluation.record(volatility=volatility)
        references = reference_regret(policies, _paths(record["task.p"]), evaluation.seed)
        optimum = float(references["ideal observer"].sum(axis=2).mean())
        name, where = f"regret, {volatility} volatility", f", {volatility} volatility"
        findings.append(
            regret_finding(name, record, optimum=optimum, note="optimum: ideal observer")
        )
        findings += [
            beats(key, references[key], record, where, policy.name)
            for key, policy in controls.items()
        ]
        title = f"restless arms, {volatility} volatility"
        figures += regret_figure(
            evaluation, record, references, None, f"regret_{volatility}", title
        )
    return Outcome(findings, figures)


def _paths(p: np.ndarray) -> np.ndarray:
    """Return the probabilities of both arms ``[..., T, 2]`` from those of one ``[..., T]``."""
    return np.stack([p, 1.0 - p], axis=-1)


EXPERIMENT = Experiment(
    name="wang2016-restless-bandit",
    summary="two drifting arms, against Thompson, UCB and the best fixed learning rate",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 4",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/RestlessBandit-v0",
                ("action", "centred_reward", "time"),
                {"volatility": "mixed", "trials": 100},
            ),
            cfg.NetworkConfig(),
            cfg.A2CConfig(
                learning_rate=1e-2,
                discount=0.3,
                entropy_coef=0.05,
                normalise_advantages=True,
                critic=cfg.CriticConfig("privileged"),
            ),
            cfg.TrainingConfig(num_envs=16, total_steps=3_000_000),
        )
    },
    measure=measure,
    levels=lambda settings: {"chance": settings.environment.kwargs["trials"] / 2},
)

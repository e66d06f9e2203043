"""Two dependent arms, p and 1 - p (Wang et al. 2016, experiment 2).

Trained on `uniform`, tested on four distributions. All four share one Bayes-optimal policy (play
the arm favoured by wins here and losses there), so an ideal learner's train/test grid is flat, and
the regret of each has an exact optimum. Conditions: `uniform` (the agent), and `no-reward` (the
reward input switched off, so that regret must be chance, 25). A discount of .6 makes this
learnable in a million steps: the plateau at chance grows steeply with the discount, and exploration
earns nothing here. Centred rewards matter as much (±1 after the first trial).
"""

from __future__ import annotations

from prefrontal.agents.reference.bandit_optima import correlated_optimal_regret
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import (
    curve_figure,
    regret_by_member,
    regret_finding,
    worst_regret,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

SAMPLED = {
    "uniform": (1.42, 1.25),
    "easy": (0.75, 0.64),
    "medium": (1.15, 1.03),
    "hard": (2.7, 2.4),
}
GREEDY = {
    "uniform": (1.32, 1.25),
    "easy": (0.68, 0.64),
    "medium": (1.08, 1.03),
    "hard": (2.65, 2.4),
}


def measure(evaluation: Evaluation) -> Outcome:
    """Measure regret on four distributions, sampled and greedy, and without the reward input."""
    findings = []
    if "uniform" in evaluation.conditions:
        for greedy, bars in ((False, SAMPLED), (True, GREEDY)):
            for distribution, (bar, goal) in bars.items():
                record = evaluation.record(
                    "uniform", split="all", deterministic=greedy, distribution=distribution
                )
                findings.append(
                    regret_finding(
                        f"regret, {distribution}, {'greedy' if greedy else 'sampled'}",
                        record,
                        optimum=correlated_optimal_regret(distribution, record["action"].shape[2]),
                        bar=bar,
                        goal=goal,
                    )
                )
        held_out = evaluation.record("uniform")
        findings.append(regret_finding(f"regret, uniform, {evaluation.split} tasks", held_out))
        everything = evaluation.record("uniform", split="all", distribution="uniform")
        findings.append(
            worst_regret(
                "regret, uniform, sampled, worst member",
                everything,
                bar=1.58,
                note="bar: Gittins .99",
            )
        )
    if "no-reward" in evaluation.conditions:
        blind = evaluation.record("no-reward", split="all")
        findings.append(
            finding(
                "regret without the reward input (chance 25.0)",
                regret_by_member(blind),
                other=25.0,
                note="other: computed, random pulls",
                bar=(24.0, 26.0),
                better="near",
            )
        )
    return Outcome(findings, curve_figure(evaluation))


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum (of one that sees rewards) and of random pulls."""
    trials = settings.environment.kwargs["trials"]
    best = 0.75 * trials - correlated_optimal_regret("uniform", trials)
    return {"optimum": best, "chance": trials / 2}


_UNIFORM = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/CorrelatedBandit-v0",
        ("action", "centred_reward", "time"),
        {"distribution": "uniform", "trials": 100},
    ),
    cfg.NetworkConfig(),
    cfg.A2CConfig(learning_rate=1e-2, discount=0.6, entropy_coef=0.1),
    cfg.TrainingConfig(num_envs=16, total_steps=3_000_000),
)

EXPERIMENT = Experiment(
    name="wang2016-correlated-arms",
    summary="two dependent arms, trained on uniform, tested on uniform, easy, medium and hard",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 2",
    conditions={
        "uniform": _UNIFORM,
        "no-reward": _UNIFORM.with_options(inputs=("action", "time"), total_steps=500_000),
    },
    measure=measure,
    levels=levels,
)

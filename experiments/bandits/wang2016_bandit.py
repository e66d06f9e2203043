"""Two independent arms (Wang et al. 2016, experiment 1; Wang et al. 2018, Fig. 1).

The paper reports, in words, regret between that of Gittins indices and those of Thompson sampling
and UCB. The agent is held against those policies on the same tasks, and against the exact optimum
(1.748 over 100 trials). The limit is the variance of the learning signal, hence the critic that
sees the arm probabilities in training, and four clipped passes over each batch, which help only
with that critic. Measurements: docs/findings/wang2016-bandit.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.agents.reference.bandit_optima import bayes_optimal_regret, bayes_optimal_value
from prefrontal.agents.reference.counting import (
    UCB,
    BayesOptimal,
    BayesUCB,
    EpsilonGreedy,
    Gittins,
    Greedy,
    Random,
    Thompson,
)
from prefrontal.agents.reference.memory import WinStayLoseShift
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import (
    beats,
    budget,
    curve_figure,
    portrait_figures,
    reference_regret,
    regret_by_member,
    regret_figure,
    regret_finding,
    worst_regret,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

POLICIES = (
    Random(),
    WinStayLoseShift(),
    EpsilonGreedy(),
    UCB(1.0),
    Thompson(),
    Greedy(),
    Thompson(optimistic=True),
    UCB(0.2**0.5),
    BayesUCB(),
    Gittins(0.99),
    BayesOptimal(),
)


# Bars of the regret, mean and worst member, however long a run was; the steps they are meant for.
BAR, WORST_BAR, LONG = 2.1, 2.3, 12_000_000
THOMPSON = 2.79  # regret of Thompson sampling over 100 trials: a member that has more has failed


def measure(evaluation: Evaluation) -> Outcome:
    """Measure regret on all and on held-out tasks, against every reference policy."""
    everything, held_out = evaluation.record(split="all"), evaluation.record()
    greedy = evaluation.record(split="all", deterministic=True)
    trials = everything["action"].shape[2]
    optimum = bayes_optimal_regret(trials)
    gap = regret_by_member(held_out) - regret_by_member(everything)
    arms = np.repeat(everything["task.p"][:, :, None], trials, axis=2)
    references = reference_regret({p.name: p for p in POLICIES}, arms, evaluation.seed)
    bars: dict[str, Any] = {"bar": BAR, "goal": 1.95} if trials == 100 else {}
    steps = evaluation.trained_steps()
    note = f"trained for {steps / 1e6:.3g} M steps; the bar is for {LONG / 1e6:g} M"
    findings = [
        regret_finding(
            "regret, all tasks",
            everything,
            optimum=optimum,
            note=note if bars and 0 < steps < LONG else "",
            failure=THOMPSON if bars else None,
            **bars,
        ),
        worst_regret(
            "regret, all tasks, worst member",
            everything,
            optimum=optimum,
            bar=WORST_BAR if bars else None,
        ),
        regret_finding(f"regret, {evaluation.split} tasks", held_out),
        finding(
            f"regret, {evaluation.split} less all tasks", gap, bar=(-0.15, 0.15), better="near"
        ),
        regret_finding("regret, all tasks, greedy actions", greedy, optimum=optimum),
        *budget(
            evaluation, trials, 20_000, "here with a critic that sees the arms, and several passes"
        ),
        beats("Thompson", references[Thompson().name], everything),
        beats("UCB (χ = 1)", references[UCB(1.0).name], everything),
        *(
            Finding(f"reference: {name}", float(values.sum(axis=2).mean()), better="lower")
            for name, values in references.items()
        ),
    ]
    figures = curve_figure(evaluation)
    figures += regret_figure(
        evaluation, everything, references, None, "regret", "two independent arms"
    )
    return Outcome(findings, figures + portrait_figures(evaluation))


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum, of Thompson sampling and of random pulls."""
    trials = settings.environment.kwargs["trials"]
    known = {"optimum": bayes_optimal_value(trials), "chance": trials / 2}
    return known | ({"Thompson": 2 * trials / 3 - THOMPSON} if trials == 100 else {})


EXPERIMENT = Experiment(
    name="wang2016-bandit",
    summary="two independent arms: regret against Thompson, Gittins and the exact optimum",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 1",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/TwoArmedBandit-v0",
                ("action", "centred_reward", "time"),
                {"trials": 100},
            ),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(
                learning_rate=7e-3,
                discount=0.8,
                discount_final=0.97,
                gae_lambda=0.95,
                entropy_coef=0.05,
                entropy_anneal=0.7,
                normalise_advantages=True,
                critic=cfg.CriticConfig("privileged"),
                passes=4,
            ),
            cfg.TrainingConfig(num_envs=32, total_steps=6_000_000),
        )
    },
    measure=measure,
    levels=levels,
    shipped="--members 8 --total-steps 16000000 --discount-final 0.98 --learning-rate 0.006",
)

"""Ten pulls of ten arms (Duan et al. 2016, RL², table 1), where the optimum is known exactly.

Beside `duan2016-bandits` this is the cell without a longer horizon than its episodes: the right
discount is 1. The agent's values are learned in units of the returns, with a small weight, because
their errors share the clipped gradient of the core with the policy's:
docs/findings/duan2016-bandits.md, where all cells stand in one table.
"""

from __future__ import annotations

import numpy as np

from prefrontal.agents.reference.counting import UCB, Gittins, Greedy, Thompson
from prefrontal.agents.reference.many_arms import few_pulls_value
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.bandits.duan2016_bandits import EXPERIMENT as RL2
from prefrontal.experiments.bandits.measures import (
    beats,
    curve_figure,
    reference_regret,
    regret_finding,
    reward_by_member,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

POLICIES = (Thompson(), Greedy(), UCB(0.2 * 2**0.5, prior=True), Gittins(0.9))


def measure(evaluation: Evaluation) -> Outcome:
    """Measure reward and regret beside the exact optimum and reference policies."""
    kwargs = evaluation.settings["default"].environment.kwargs
    arms, trials = kwargs["arms"], kwargs["trials"]
    optimum = few_pulls_value(arms, trials)
    everything, held_out = evaluation.record(split="all"), evaluation.record()
    paths = np.repeat(everything["task.p"][:, :, None], trials, axis=2)
    references = reference_regret({p.name: p for p in POLICIES}, paths, evaluation.seed)
    best = trials * arms / (arms + 1)  # expected reward of the best arm
    findings = [
        finding(
            "reward, all tasks",
            reward_by_member(everything),
            published=6.7,
            bar=6.6,
            goal=6.7,
            optimum=optimum,
        ),
        finding(f"reward, {evaluation.split} tasks", reward_by_member(held_out)),
        regret_finding("regret, all tasks", everything, optimum=best - optimum),
        beats("Thompson", references[Thompson().name], everything),
        beats("greedy", references[Greedy().name], everything),
        *(
            Finding(f"reference: regret, {name}", float(each.sum(axis=2).mean()), better="lower")
            for name, each in references.items()
        ),
    ]
    return Outcome(findings, curve_figure(evaluation))


EXPERIMENT = Experiment(
    name="duan2016-ten-arms",
    summary="Bernoulli bandits of the RL² paper: ten arms, ten pulls, against the exact optimum",
    reference="Duan et al. 2016, arXiv:1611.02779, table 1",
    conditions={
        "default": RL2.conditions["5x10"].with_options(
            arms=10,
            discount=1.0,
            normalise_advantages=True,
            normalise_values=True,
            value_coef=0.05,
            critic="privileged",
            passes=2,
        )
    },
    measure=measure,
    levels=lambda settings: {"chance": settings.environment.kwargs["trials"] / 2},
    shipped="--members 8",
)

"""What each ingredient of the learning rule buys on two independent arms.

Every condition differs from `full` (the settings of `wang2016-bandit`, on a third of the default
budget) in one thing. `no-reward` is the control of Wang et al. 2016: without the reward input no
learning within an episode is possible, so regret must be chance, 16.60. `plain` is A2C as
published in form (own value head, one pass, advantages as they are).
"""

from __future__ import annotations

from typing import Any

from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.bandits.measures import regret_by_member, regret_finding
from prefrontal.experiments.bandits.wang2016_bandit import EXPERIMENT as BANDIT
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.settings import Settings

CHANCE = 16.6  # regret of random pulls over 100 trials


def measure(evaluation: Evaluation) -> Outcome:
    """Measure regret on all tasks, and what each change costs against `full` on the same tasks."""
    findings: list[Finding] = []
    regrets = {}
    for condition in evaluation.conditions:
        record = evaluation.record(condition, split="all")
        regrets[condition] = regret_by_member(record)
        chance: dict[str, Any] = {
            "bar": (CHANCE - 0.3, CHANCE + 0.3),
            "better": "near",
            "other": CHANCE,
            "note": "other: computed, random pulls",
        }
        findings.append(
            finding("regret, no-reward (chance)", regrets[condition], **chance)
            if condition == "no-reward"
            else regret_finding(f"regret, {condition}", record)
        )
    for condition, regret in regrets.items():
        if (
            condition not in ("full", "no-reward")
            and "full" in regrets
            and len(regret) == len(regrets["full"])
        ):
            findings.append(finding(f"cost of {condition}", regret - regrets["full"]))
    figures = []
    if evaluation.figures:
        shown = {c: {"regret": r} for c, r in regrets.items() if c != "no-reward"}
        figures.append(
            bars_with_members(
                shown,
                evaluation.folder / "ablations.png",
                "regret per episode",
                episodes=evaluation.episodes,
            )
        )
    return Outcome(findings, figures)


def _conditions() -> dict[str, Settings]:
    full = BANDIT.conditions["default"].with_options(total_steps=2_000_000)
    plain = {"critic": "own", "passes": 1, "normalise_advantages": False}
    changes: dict[str, dict[str, Any]] = {
        "full": {},
        "own-critic": {"critic": "own"},
        "one-pass": {"passes": 1},
        "not-normalised": {"normalise_advantages": False},
        "constant-discount": {"discount_final": None},
        "monte-carlo": {"gae_lambda": 1.0},
        "plain": {**plain, "gae_lambda": 1.0, "discount_final": None},
        "no-input-gain": {"input_gain": 1.0},
        "no-reward": {"inputs": ("action", "time"), "total_steps": 500_000},
    }
    return {name: full.with_options(**change) for name, change in changes.items()}


EXPERIMENT = Experiment(
    name="bandit-ablations",
    summary="what each ingredient of the learning rule buys; no reward input, no learning",
    reference="controls for Wang et al. 2016, arXiv:1611.05763, experiment 1",
    conditions=_conditions(),
    measure=measure,
    shipped="--members 4",
)

"""Eleven arms, one of which tells where the good one is (Wang et al. 2016, experiment 3).

One target arm of ten pays 5, the others 1; arm 11 pays a tenth of the target's index. The optimum
pulls arm 11 once, which costs up to .9 at once, and the target for the rest: 20.55 over 5 trials.
Searching without arm 11 gives 11.0, and an agent with too little entropy at the start never leaves
that policy: an entropy bonus of .5, annealed to 0, is needed. Trained and tested on all ten
targets, as published: a network that was never paid for an arm has no reason to pull it.
"""

from __future__ import annotations

from prefrontal.agents.reference.bandit_optima import informative_arm_returns
from prefrontal.analysis.choice.bandits import arm_frequencies
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure, reward_by_member
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the return over five trials, and where the first pull goes."""
    record, greedy = (
        evaluation.record(split="all"),
        evaluation.record(split="all", deterministic=True),
    )
    exact = informative_arm_returns(record["action"].shape[2])
    reward = reward_by_member(record)
    first = arm_frequencies(record["action"], 11, trial=0)[:, 10]
    return Outcome(
        [
            finding("return, sampled", reward, optimum=exact["optimal"], bar=20.4, goal=20.54),
            worst_member(
                "return, sampled, worst member",
                record["reward"].sum(axis=2),
                "higher",
                optimum=exact["optimal"],
                bar=20.4,
            ),
            finding("return, greedy", reward_by_member(greedy), optimum=exact["optimal"]),
            finding("first pull is the informative arm", first, published=1.0, bar=0.99),
        ],
        curve_figure(evaluation),
    )


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum, of search without arm 11, and of random pulls."""
    trials = settings.environment.kwargs["trials"]
    exact = informative_arm_returns(trials)
    chance = trials * (5 + 9 * 1 + 0.55) / 11
    return {"optimum": exact["optimal"], "search": exact["search"], "chance": chance}


EXPERIMENT = Experiment(
    name="wang2016-informative-arm",
    summary="eleven arms, 5 trials: a costly look at the informative arm pays",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 3",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/InformativeArmBandit-v0",
                ("action", "reward_one_hot", "reward", "time"),
                {"trials": 5},
                split="all",
            ),
            cfg.NetworkConfig(),
            cfg.A2CConfig(learning_rate=1e-2, discount=0.95, entropy_coef=0.5),
            cfg.TrainingConfig(num_envs=64, total_steps=2_000_000),
        )
    },
    measure=measure,
    levels=levels,
)

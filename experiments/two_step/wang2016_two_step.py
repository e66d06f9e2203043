"""The two-step task without flips, ten trials an episode (Wang et al. 2016, experiment 5).

The published stay probabilities (1, 0, 0, .96) are those of an ideal observer on the first pair of
trials alone; over the whole episode it has 1, .506, .507, 1. Both are reported, and nothing is
trained towards the zeros. Learning is easy: .664 a trial after .6 M steps, the ideal observer's
reward after 1 M. Members differ in RU and UC (.49 to .54), where the ideal observer itself is often
indifferent.
"""

from __future__ import annotations

from prefrontal.analysis.choice.two_step import (
    CONDITIONS,
    IDEAL_2016,
    IDEAL_2016_FIRST,
    reward_per_trial,
)
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member
from prefrontal.experiments.two_step.measures import (
    index_findings,
    regression_findings,
    stay_by_member,
    stay_figure,
    stay_findings,
    trials_of_record,
)

IDEAL = 0.6698  # reward a trial
PUBLISHED_FIRST = (1.0, 0.0, 0.0, 0.96)


def measure(evaluation: Evaluation) -> Outcome:
    """Measure reward, and stay probabilities over the episode and on its first pair of trials."""
    trials = trials_of_record(evaluation.record())
    rewards = reward_per_trial(trials)
    stay, first = stay_by_member(trials), stay_by_member(trials, first_transition=True)
    findings = [
        finding("reward per trial", rewards, optimum=IDEAL, bar=0.664, goal=0.668),
        worst_member(
            "reward per trial, worst member", trials.reward.mean(axis=2), "higher", optimum=IDEAL
        ),
        *stay_findings(trials, IDEAL_2016, "", (0.45, 0.60)),
        *index_findings(stay, IDEAL_2016, "", reach=None),
        *(
            finding(
                f"stay probability {key}, first pair of trials",
                values,
                published=published,
                optimum=ideal,
            )
            for key, values, published, ideal in zip(
                CONDITIONS, first.T, PUBLISHED_FIRST, IDEAL_2016_FIRST, strict=True
            )
        ),
        *regression_findings(trials, ""),
    ]
    figures = curve_figure(evaluation)
    figures += stay_figure(evaluation, {"whole episode": stay}, IDEAL_2016)
    figures += stay_figure(
        evaluation,
        {"first pair of trials": first},
        IDEAL_2016_FIRST,
        PUBLISHED_FIRST,
        "stay_probabilities_first",
    )
    return Outcome(findings, figures)


EXPERIMENT = Experiment(
    name="wang2016-two-step",
    summary="two-step task without flips, 10 trials: model-based from the second trial on",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 5",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/TwoStepWang2016-v0", ("centred_reward", "time"), {"trials": 10}
            ),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(learning_rate=1.5e-2, discount=0.8, entropy_coef=0.05),
            cfg.TrainingConfig(num_envs=32, total_steps=1_500_000),
        )
    },
    measure=measure,
    levels=lambda _: {"optimum": 10 * IDEAL, "chance": 5.0},
)

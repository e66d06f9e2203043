"""Two independent arms (Wang et al. 2016, experiment 1; Wang et al. 2018, Fig. 1)."""

from agents import A2CConfig, EnvironmentSpec, NetworkConfig
from experiments.settings import Experiment, Outcome, Settings, TrainingConfig


def measure(evaluation):  # type: ignore
    return Outcome([])


EXPERIMENT = Experiment(
    name="wang2016-bandit",
    summary="Two independent Bernoulli arms, 100 trials: regret against Thompson, Gittins and the exact optimum.",
    reference="Wang et al. 2016, arXiv:1611.05763, experiment 1",
    conditions={
        "default": Settings(
            EnvironmentSpec(
                "envs:prefrontal/TwoArmedBandit-v0",
                inputs=("action", "centred_reward", "time"),
                kwargs={"trials": 100},
            ),
            NetworkConfig(input_gain=3.0),
            A2CConfig(
                learning_rate=7e-3,
                discount=0.8,
                discount_final=0.97,
                gae_lambda=0.95,
                entropy_coef=0.05,
                entropy_anneal=0.7,
                normalise_advantages=True,
                critic="privileged",
                passes=4,
            ),
            TrainingConfig(members=1, num_envs=32, total_steps=6_000_000),
        )
    },
    measure=measure,
)

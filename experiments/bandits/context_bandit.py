"""The two-colour context bandit: which colour pays, wherever it is shown.

Source: Stable-Baselines3 Contrib, issue 211 (an abstraction of Harlow's task). A choice changes
nothing but its own reward, so the right discount is 0: all later rewards are noise to its credit.
Results and failures: docs/findings/context-bandit.md.
"""

from __future__ import annotations

from typing import Any

from prefrontal.analysis.choice.choice import learning_set_curve
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure, reward_by_member
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, exact, finding, worst_member

FAILED = 90.0  # half a rule, such as one colour or one side, earns 50 to 75


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the return on colours never seen in training, and accuracy by trial."""
    record = evaluation.record()
    returns = reward_by_member(record)
    greedy = reward_by_member(evaluation.record(deterministic=True))
    trials = int(record["trial"].max()) + 1
    optimum = trials - 0.5
    bars: dict[str, Any] = {"bar": 97.0, "goal": 98.5} if trials == 100 else {}
    curve = learning_set_curve(record["correct"], record["trial"], trials)
    findings = [
        finding(
            "return", returns, optimum=optimum, failure=FAILED if trials == 100 else None, **bars
        ),
        worst_member(
            "return, worst member", record["reward"].sum(axis=2), "higher", optimum=optimum, **bars
        ),
        finding("return, greedy actions", greedy, optimum=optimum),
        finding("accuracy, trial 2", curve[:, 1], optimum=1.0),
        finding("accuracy, last trial", curve[:, -1], optimum=1.0),
    ]
    curves = evaluation.curves.get("default")
    if curves:
        steps = float(curves["steps"].max())
        findings.append(
            exact("training steps of a member", steps, len(returns), bar=3e6, better="lower")
        )
    figures = curve_figure(evaluation)
    if evaluation.figures:
        path = evaluation.folder / "accuracy_by_trial.png"
        lines = {"chance": 0.5}
        figures.append(
            curves_by_trial(
                {"default": curve},
                path,
                "fraction correct",
                lines,
                (0.4, 1.02),
                episodes=evaluation.episodes,
            )
        )
    return Outcome(findings, figures)


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum, which has to guess once, and of chance."""
    trials = settings.environment.kwargs["trials"]
    return {"optimum": trials - 0.5, "chance": trials / 2}


EXPERIMENT = Experiment(
    name="context-bandit",
    summary="two colours, one pays: bind the reward to the colour, not to the side",
    reference="Stable-Baselines3 Contrib, issue 211; Juliani 2017, Meta-RL",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/ContextBandit-v0", ("action", "centred_reward"), {"trials": 100}
            ),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(
                learning_rate=1e-2,
                discount=0.0,
                entropy_coef=0.1,
                normalise_advantages=True,
                critic=cfg.CriticConfig("privileged"),
                passes=4,
            ),
            cfg.TrainingConfig(num_envs=16, total_steps=2_400_000),
        )
    },
    measure=measure,
    levels=levels,
)

"""The two-colour context bandit: which colour pays, wherever it is shown (sb3-contrib issue 211; a Harlow abstraction).

What was learned about learning this task (direct training on 100 trials; no curriculum on the length of episodes is needed):

- The choice changes nothing but its own reward, so the right discount is 0: all later rewards are noise to its credit.
- Partial rules are the trap: returns stand at 80 to 90 (a rule that is right for most colours) while entropy is gone.
- Plain A2C: 3 of 4 members were still at 85 to 89 after 1.5 M steps, with an entropy bonus of .02 or .1 alike.
- Four clipped passes over each batch with a critic that sees the task: 97.6 to 99.4 (4 members) after 1.5 M steps, 99.3 to
  99.5 (8 members) after 3 M, on held-out colours; 8 members take 300 CPU seconds.
"""

from __future__ import annotations

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.config import CriticConfig
from prefrontal.analysis.choice.choice import learning_set_curve
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.bandits.measures import curve_figure, reward_by_member, worst_member
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig

OPTIMUM = 99.5  # half a reward on the first of 100 trials, one on each of the others


def measure(evaluation: Evaluation) -> Outcome:
    """Return on colours never seen in training, and accuracy by trial."""
    record = evaluation.record()
    returns = reward_by_member(record)
    greedy = reward_by_member(evaluation.record(deterministic=True))
    trials = record["action"].shape[2]
    optimum = trials - 0.5
    bars = {"bar": 97.0, "goal": 98.5} if trials == 100 else {}
    curve = learning_set_curve(record["correct"], record["trial"], trials)
    findings = [
        Finding.of("return", interval(returns), optimum=optimum, **bars),
        worst_member("return, worst member", returns, "higher", optimum=optimum, **bars),
        Finding.of("return, greedy actions", interval(greedy), optimum=optimum),
        Finding.of("accuracy, trial 2", interval(curve[:, 1]), optimum=1.0),
        Finding.of("accuracy, last trial", interval(curve[:, -1]), optimum=1.0),
    ]
    curves = evaluation.curves.get("default")
    if curves:
        steps = float(curves["steps"].max())
        findings.append(Finding("training steps of a member", steps, bar=3e6, better="lower"))
    figures = curve_figure(evaluation, {"optimum": optimum, "chance": trials / 2})
    if evaluation.figures:
        path = evaluation.folder / "accuracy_by_trial.png"
        lines = {"chance": 0.5}
        figures.append(
            curves_by_trial({"default": curve}, path, "fraction correct", lines, (0.4, 1.02))
        )
    return Outcome(findings, figures)


EXPERIMENT = Experiment(
    name="context-bandit",
    summary="two colours, one pays: bind the reward to the colour, not to the side",
    reference="Stable-Baselines3 Contrib, issue 211; Juliani 2017, Meta-RL",
    conditions={
        "default": Settings(
            EnvironmentSpec(
                "prefrontal/ContextBandit-v0",
                inputs=("action", "centred_reward"),
                kwargs={"trials": 100},
            ),
            NetworkConfig(input_gain=3.0),
            A2CConfig(
                learning_rate=1e-2,
                discount=0.0,
                entropy_coef=0.1,
                normalise_advantages=True,
                critic=CriticConfig("privileged"),
                passes=4,
            ),
            TrainingConfig(members=1, num_envs=16, total_steps=2_400_000),
        )
    },
    measure=measure,
)

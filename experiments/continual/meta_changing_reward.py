"""Changes that need no change of weights: a recurrent network trained on the *distribution* of changes of rewards.

Colours, rewards and switches are drawn for every episode (covariate shift, concept shift or drift). The network has to find out
within the episode what colours pay, and to notice when that is no longer so; nothing tells it. Weights are frozen, and
colour sets, reward maps and switch times are ones it has never been trained on. Beside it: one who remembers what every colour
paid last and forgets all on a surprise (see `prefrontal.experiments.continual.measures.remembering`).

What was learned about learning this: as in the two-colour context bandit, returns stand at chance for a long time (a value has to
be bound to a colour that was seen a step before), and 0 is the right discount. With a single pass over each batch, 300,000 steps
were not enough to leave chance; with four passes all of 16 members leave it by then, and are still getting better after 1.5
million. They recover from a switch in about four trials, but to .7 where one who remembers comes to .96: after a reward they know
whether to take that colour again, and not yet what all four pay.
"""

from __future__ import annotations

import numpy as np

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.config import CriticConfig
from prefrontal.analysis.choice.choice import learning_set_curve
from prefrontal.analysis.choice.continual import recovery_time
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.continual.measures import remembering
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig

AFTER = 10  # trials after a switch that are shown
WINDOW = 3  # trials of the running mean that says when accuracy is back


def measure(evaluation: Evaluation) -> Outcome:
    """A frozen network after switches it has never seen: accuracy on pairs whose order changed, by trials since the switch."""
    findings: list[Finding] = []
    figures = curve_figure(evaluation, {})
    curves: dict[str, np.ndarray] = {}
    for change in ("concept", "covariate", "gradual"):
        record = evaluation.record(episodes=400, change=change, cue="none")
        switched = record["switches"] > 0
        late = (record["since_switch"] >= AFTER) & switched
        settled = np.nanmean(np.where(late, record["correct"], np.nan), axis=(1, 2))
        findings.append(Finding.of(f"settled accuracy, {change}", interval(settled)))
        if change == "gradual":
            continue
        affected = switched & (record["order_changed"] == 1)
        curve = learning_set_curve(record["correct"], record["since_switch"], AFTER, affected)
        known = remembering(record, evaluation.seed)
        ideal = learning_set_curve(known, record["since_switch"], AFTER, affected)
        curves |= {f"{change}, agent": curve, f"{change}, one who remembers": ideal}
        for who, one in (("agent", curve), ("one who remembers", ideal)):
            level = 0.95 * one[:, -WINDOW:].mean(axis=1)
            needed = np.minimum(recovery_time(one, level, WINDOW), AFTER)  # AFTER: not within it
            findings += [
                Finding.of(f"first trial after a switch, {change}, {who}", interval(one[:, 0])),
                Finding.of(f"accuracy {AFTER} trials after, {change}, {who}", interval(one[:, -WINDOW:].mean(1))),
                Finding.of(f"trials to recover, {change}, {who}", interval(needed), better="lower"),
            ]  # fmt: skip
    if evaluation.figures:
        path = evaluation.folder / "recovery.png"
        label = "fraction correct on pairs whose order changed"
        figures.append(
            curves_by_trial(curves, path, label, {"chance": 0.5}, (0, 1.02), "trials since the switch")
        )  # fmt: skip
    return Outcome(findings, figures)


EXPERIMENT = Experiment(
    name="meta-changing-reward",
    summary="what colours pay changes within an episode: a frozen network finds out",
    reference="control for the NeuroAI course 2024, W2D4 tutorial 5; Wang et al. 2018",
    conditions={
        "default": Settings(
            EnvironmentSpec(
                "prefrontal/ChangingReward-v0",
                inputs=("action", "centred_reward"),
                kwargs={
                    "change": "mixed",
                    "mode": "any",
                    "block": 15,
                    "jitter": 5,
                    "scale": 0.25,
                    "trials": 50,
                },
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
            TrainingConfig(members=1, num_envs=16, total_steps=1_500_000),
        )
    },
    measure=measure,
    shipped=("--members", "16"),
)

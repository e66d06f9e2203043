"""A recurrent network trained on the *distribution* of changes of rewards, with frozen weights.

Colours, rewards and switches are drawn for every episode (covariate shift, concept shift or drift).
The network has to find out within the episode what colours pay, and to notice when that is no
longer so; nothing tells it. Colour sets, reward maps and switch times of the test are new. Beside
it: an observer that remembers what every colour paid last and forgets all on a surprise
(`prefrontal.experiments.continual.measures.remembering`). As in the two-colour context bandit, 0 is
the right discount, and four passes leave chance sooner. Binding values to colours takes many
episodes: docs/findings/meta-changing-reward.md.
"""

from __future__ import annotations

import numpy as np

from prefrontal.analysis.choice.choice import learning_set_curve
from prefrontal.analysis.choice.continual import recovery_time
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.continual.measures import remembering
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

AFTER = 10  # trials after a switch that are shown
WINDOW = 3  # trials of the running mean that says when accuracy is back


def measure(evaluation: Evaluation) -> Outcome:
    """Measure accuracy on pairs whose order changed, by trials since a switch."""
    findings: list[Finding] = []
    figures = curve_figure(evaluation)
    curves: dict[str, np.ndarray] = {}
    for change in ("concept", "covariate", "gradual"):
        record = evaluation.record(episodes=400, change=change, cue="none")
        switched = record["switches"] > 0
        late = (record["since_switch"] >= AFTER) & switched
        settled = np.nanmean(np.where(late, record["correct"], np.nan), axis=(1, 2))
        findings.append(finding(f"settled accuracy, {change}", settled))
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
            judged = change == "concept" and who == "agent"
            findings += [
                finding(f"first trial after a switch, {change}, {who}", one[:, 0]),
                finding(
                    f"accuracy {AFTER} trials after, {change}, {who}",
                    one[:, -WINDOW:].mean(1),
                    bar=0.85 if judged else None,
                    goal=0.93 if judged else None,
                ),
                finding(
                    f"trials to recover, at most {AFTER}, {change}, {who}", needed, better="lower"
                ),
            ]
    if evaluation.figures:
        path = evaluation.folder / "recovery.png"
        label = "fraction correct on pairs whose order changed"
        figures.append(
            curves_by_trial(
                curves, path, label, {"chance": 0.5}, (0, 1.02), "trials since the switch", 400
            )
        )
    return Outcome(findings, figures)


EXPERIMENT = Experiment(
    name="meta-changing-reward",
    summary="what colours pay changes within an episode: a frozen network finds out",
    reference="control for the NeuroAI course 2024, W2D4 tutorial 5; Wang et al. 2018",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/ChangingReward-v0",
                ("action", "centred_reward"),
                {
                    "change": "mixed",
                    "mode": "any",
                    "block": 15,
                    "jitter": 5,
                    "scale": 0.25,
                    "trials": 50,
                },
            ),
            cfg.NetworkConfig(hidden_size=64, input_gain=3.0),
            cfg.A2CConfig(
                learning_rate=6e-3,
                discount=0.0,
                entropy_coef=0.1,
                entropy_anneal=0.7,
                normalise_advantages=True,
                critic=cfg.CriticConfig("privileged"),
                passes=4,
            ),
            cfg.TrainingConfig(num_envs=64, total_steps=40_000_000),
        )
    },
    measure=measure,
    shipped="--members 8",
)

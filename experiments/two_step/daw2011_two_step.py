"""The two-step task with a choice at both stages and drifting rewards (Daw et al. 2011).

People repeat a first choice after a reward (model-free) and more so if the transition was common
(model-based). The network is held against three observers that meet the same walks: a Bayesian one
that filters the four probabilities, and the two ends of the hybrid model that the paper fits to
people. Model-based control earns hardly more than model-free control here (Kool et al. 2016), so
the stay regression and the hybrid fit tell more than the reward. Trained on blocks of 67 trials
with walks between 0 and 1, where the stakes are larger; tested on the published 201 trials with
walks between .25 and .75, which are new to it. Measurements: docs/findings/daw2011-two-step.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.cognitive_models import fit
from prefrontal.analysis.choice.hybrid_model import Hybrid, two_step_data
from prefrontal.analysis.choice.observers import DawObserver, simulate_daw
from prefrontal.analysis.choice.two_step import (
    CONDITIONS,
    TwoStepTrials,
    model_based_index,
    model_free_index,
)
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.two_step.measures import (
    NAMES,
    index_findings,
    regression_findings,
    stay_by_member,
    stay_figure,
    trials_of_record,
)

PUBLISHED: dict[str, Any] = {
    "trials": 201,
    "low": 0.25,
    "high": 0.75,
}  # what is measured, whatever was trained on
MOST = 1250  # episodes of a member: 402 steps each fill memory
OBSERVED = 100  # episodes of a member whose walks the observers meet
FITTED = 10  # episodes of a member to which the hybrid model is fitted
OBSERVERS: dict[str, DawObserver] = {
    "Bayesian observer": "bayesian",
    "model-based learner": "model_based",
    "model-free learner": "model_free",
}
HUMAN_W = (0.29, 0.59)  # quartiles of 17 people, median .39
Array = NDArray[np.float64]


def measure(evaluation: Evaluation) -> Outcome:
    """Measure reward against observers, stay probabilities, and the weights of the hybrid model."""
    record = evaluation.record(episodes=min(evaluation.episodes, MOST), **PUBLISHED)
    trials = trials_of_record(record)
    stay = stay_by_member(trials)
    agent = earned(trials, record["task.p"])
    findings = [finding("reward per trial", agent.mean(axis=1), optimum=None)]
    seen = record["task.p"][:, :OBSERVED]
    indices = []
    for name, observer in OBSERVERS.items():
        played = on_walks(observer, seen, evaluation.seed)
        theirs, repeats = earned(played, seen), stay_by_member(played).mean(axis=0)
        gain = (agent[:, :OBSERVED] - theirs).mean(axis=1)
        bar = 0.0 if observer == "model_free" else None
        findings += [
            Finding(f"reference: reward per trial, {name}", float(theirs.mean())),
            finding(f"reward per trial less that of the {name}, same walks", gain, bar=bar),
        ]
        indices += [
            Finding(f"reference: model-based index, {name}", float(model_based_index(repeats))),
            Finding(f"reference: model-free index, {name}", float(model_free_index(repeats))),
        ]
    findings += [
        finding(f"stay probability {key} ({NAMES[key]})", values)
        for key, values in zip(CONDITIONS, stay.T, strict=True)
    ]
    findings += index_findings(stay, None, "", reach=None) + indices
    findings += regression_findings(trials, "")
    findings += _hybrid(trials, record)
    figures = curve_figure(evaluation)
    return Outcome(findings, figures + stay_figure(evaluation, {"agent": stay}, None))


def earned(trials: TwoStepTrials, p: Array) -> Array:
    """Return the mean reward probability of second-stage choices, ``[M, E]``.

    Args:
        trials: Trials ``[M, E, N]`` with second-stage actions.
        p: Reward probabilities of second-stage states and actions ``[M, E, N, 2, 2]``.
    """
    assert trials.second_action is not None
    state, action = trials.second_state.astype(np.int64), trials.second_action.astype(np.int64)
    of_state = np.take_along_axis(p, state[..., None, None], axis=3)[..., 0, :]
    return np.asarray(np.take_along_axis(of_state, action[..., None], axis=3)[..., 0].mean(axis=2))


def on_walks(observer: DawObserver, p: Array, seed: int) -> TwoStepTrials:
    """Return what an observer does on the walks ``[M, E, N, 2, 2]``: trials ``[M, E, N]``."""
    played = simulate_daw(observer, p.reshape(-1, *p.shape[2:]), seed=seed)
    assert played.second_action is not None
    fields = (played.first_action, played.common, played.reward, played.second_action)
    return TwoStepTrials(*(field.reshape(p.shape[:3]) for field in fields))


def _hybrid(trials: TwoStepTrials, record: Record) -> list[Finding]:
    """Return parameters of the hybrid model, fitted to each member's choices."""
    assert trials.second_action is not None
    some = TwoStepTrials(
        *(
            field[:, :FITTED]
            for field in (trials.first_action, trials.common, trials.reward, trials.second_action)
        )
    )
    fits = [
        fit(Hybrid(), two_step_data(some, member, options=2), starts=2)
        for member in range(len(record["action"]))
    ]
    values = {name: np.array([one.parameters[name] for one in fits]) for name in Hybrid().names}
    pulls = {
        "model-based": values["w"] * values["beta1"] * values["alpha2"],
        "model-free": (1 - values["w"]) * values["beta1"] * values["alpha1"],
    }
    return [
        finding(
            "hybrid model, model-based weight w",
            values["w"],
            published=HUMAN_W,
            note="published: quartiles of 17 people",
        ),
        *(
            finding(f"hybrid model, {name} pull (weight x inverse temperature x rate)", pull)
            for name, pull in pulls.items()
        ),
    ]


EXPERIMENT = Experiment(
    name="daw2011-two-step",
    summary="two-step task with drifting rewards: model-based and model-free shares of control",
    reference="Daw et al. 2011, Neuron 69:1204-1215",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/Daw2011TwoStep-v0",
                ("action", "centred_reward"),
                {"trials": 67, "low": 0.0, "high": 1.0},
            ),
            cfg.NetworkConfig(input_gain=3.0),
            cfg.A2CConfig(
                learning_rate=1e-2,
                discount=0.5,
                entropy_coef=0.05,
                normalise_advantages=True,
                critic=cfg.CriticConfig("privileged"),
            ),
            cfg.TrainingConfig(num_envs=8, total_steps=4_000_000),
        )
    },
    measure=measure,
    levels=lambda settings: {"chance": settings.environment.kwargs["trials"] / 2},
)

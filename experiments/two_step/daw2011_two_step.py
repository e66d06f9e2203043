"""The two-step task with a choice at both stages and drifting rewards (Daw et al. 2011).

People repeat a first choice after a reward (model-free) and more so if the transition was common (model-based). The network is
held against three observers that meet the same walks: a Bayesian one that filters the four probabilities, and the two ends
of the hybrid model that the paper fits to people. Model-based control earns hardly more than model-free control here (Kool
et al. 2016), so the reward says little about which of the two was learned; the stay regression and the hybrid fit do.

The network is trained on blocks of 67 trials with walks between 0 and 1, and tested on the published 201 trials with walks
between .25 and .75, which it has never met. What was learned about learning this task (2 members each):

- On the published walks the stakes are small: after 1.5 M steps of 201 trials reward is .51 a trial (chance .50, Bayesian
  observer .56), and with blocks of 67 trials and four passes over each batch .525 after 1 M steps.
- With walks between 0 and 1 learning starts after .3 M steps, and the model-based index is above 0 after 1 M.
- After 4 M steps (8 members, 300 CPU seconds with the evaluation) the agents earn more on the published walks than either
  learner and .01 a trial less than the Bayesian observer; they are model-based, more so than people are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.config import CriticConfig
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
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig
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
    """Reward against observers on the same walks, stay probabilities, their regression, and the hybrid model's weights."""
    record = evaluation.record(episodes=min(evaluation.episodes, MOST), **PUBLISHED)
    trials = trials_of_record(record)
    stay = stay_by_member(trials)
    agent = earned(trials, record["task.p"])
    findings = [Finding.of("reward per trial", interval(agent.mean(axis=1)), optimum=None)]
    seen = record["task.p"][:, :OBSERVED]
    indices = []
    for name, observer in OBSERVERS.items():
        played = on_walks(observer, seen, evaluation.seed)
        theirs, repeats = earned(played, seen), stay_by_member(played).mean(axis=0)
        gain = (agent[:, :OBSERVED] - theirs).mean(axis=1)
        bar = 0.0 if observer == "model_free" else None
        findings += [
            Finding(f"reference: reward per trial, {name}", float(theirs.mean())),
            Finding.of(f"reward per trial less that of the {name}, same walks", interval(gain), bar=bar),
        ]  # fmt: skip
        indices += [
            Finding(f"reference: model-based index, {name}", float(model_based_index(repeats))),
            Finding(f"reference: model-free index, {name}", float(model_free_index(repeats))),
        ]
    findings += [
        Finding.of(f"stay probability {key} ({NAMES[key]})", interval(values))
        for key, values in zip(CONDITIONS, stay.T, strict=True)
    ]
    findings += index_findings(stay, None, "", reach=None) + indices
    findings += regression_findings(trials, "")
    findings += _hybrid(trials, record)
    references = {"chance": 33.5}
    return Outcome(
        findings, curve_figure(evaluation, references) + stay_figure(evaluation, {"agent": stay}, None)
    )  # fmt: skip


def earned(trials: TwoStepTrials, p: Array) -> Array:
    """Mean reward probability of what was chosen at the second stage, ``[M, E]`` (less noisy than the rewards).

    Args:
        trials: Trials ``[M, E, N]`` with second-stage actions.
        p: Reward probabilities of second-stage states and actions ``[M, E, N, 2, 2]``.
    """
    assert trials.second_action is not None
    state, action = trials.second_state.astype(np.int64), trials.second_action.astype(np.int64)
    of_state = np.take_along_axis(p, state[..., None, None], axis=3)[..., 0, :]
    return np.asarray(np.take_along_axis(of_state, action[..., None], axis=3)[..., 0].mean(axis=2))


def on_walks(observer: DawObserver, p: Array, seed: int) -> TwoStepTrials:
    """What an observer does on the walks ``[M, E, N, 2, 2]``: trials ``[M, E, N]``."""
    played = simulate_daw(observer, p.reshape(-1, *p.shape[2:]), seed=seed)
    assert played.second_action is not None
    fields = (played.first_action, played.common, played.reward, played.second_action)
    return TwoStepTrials(*(field.reshape(p.shape[:3]) for field in fields))


def _hybrid(trials: TwoStepTrials, record: Record) -> list[Finding]:
    """Parameters of the hybrid model, fitted to each member's choices."""
    assert trials.second_action is not None
    some = TwoStepTrials(*(field[:, :FITTED] for field in (
        trials.first_action, trials.common, trials.reward, trials.second_action)))  # fmt: skip
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
        Finding.of("hybrid model, model-based weight w", interval(values["w"]), published=HUMAN_W,
                   note="published: quartiles of 17 people"),
        *(Finding.of(f"hybrid model, {name} pull (weight x inverse temperature x rate)", interval(pull))
          for name, pull in pulls.items()),
    ]  # fmt: skip


EXPERIMENT = Experiment(
    name="daw2011-two-step",
    summary="two-step task with drifting rewards: model-based and model-free shares of control",
    reference="Daw et al. 2011, Neuron 69:1204-1215",
    conditions={
        "default": Settings(
            EnvironmentSpec(
                "prefrontal/Daw2011TwoStep-v0",
                inputs=("action", "centred_reward"),
                kwargs={"trials": 67, "low": 0.0, "high": 1.0},
            ),
            NetworkConfig(input_gain=3.0),
            A2CConfig(
                learning_rate=1e-2,
                discount=0.5,
                entropy_coef=0.05,
                normalise_advantages=True,
                critic=CriticConfig("privileged"),
            ),
            TrainingConfig(members=1, num_envs=8, total_steps=4_000_000),
        )
    },
    measure=measure,
)

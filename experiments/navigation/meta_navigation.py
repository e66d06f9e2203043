"""Meta-learning to navigate: the gain of the joystick is found out within the episode.

A meta-reinforcement-learning version of the firefly task, with frozen weights. Every episode has a
gain of its own, between .5 and 4, and five targets. What is seen of one's own motion is so noisy
(standard deviation: .7 of the largest speed) that it must be weighed against one's own commands
times the gain, which several targets tell. Conditions: `five-targets`, whose recurrent state runs
on through the episode, also tested with the memory wiped whenever a target appears; and the control
`one-target`, trained on as many targets, each an episode of its own. Errors of neither control can
fall. Results: docs/findings/meta-navigation.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.analysis.choice import navigation as nav
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.neural.decoding import decode_value
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.navigation.measures import Kind, common_tasks, world
from prefrontal.experiments.settings import EnvironmentSpec, Settings, TrainingConfig

TARGETS = 5
EPISODES = 1000  # of five targets, the same for all
DECODED = 400  # episodes whose hidden states are decoded
STEPS = 35
EPISODES_TRAINED = 12_000  # of five targets
TASK: dict[str, Any] = {"gain_law": "many", "observation_noise": 0.7}
SAME = (-10.0, 10.0)  # cm of change that count as none


def size_of_error(record: Record) -> np.ndarray:
    """Return the mean size of the radial error at each target ``[M, N]``, cm."""
    return np.asarray(np.abs(nav.radial_error(nav.ends_of_trials(record))).mean(axis=1))


def measure(evaluation: Evaluation) -> Outcome:
    """Measure the radial error by target, with the memory kept and wiped; decode the gain."""
    from prefrontal.experiments.navigation.navigators import navigate

    conditions = evaluation.conditions
    fields = world(evaluation, "five-targets" if "five-targets" in conditions else conditions[0])
    if "five-targets" not in conditions:
        fields["targets"] = TARGETS
    last = fields["targets"]
    tasks = common_tasks(evaluation.episodes, evaluation.seed, split=evaluation.split, **fields)
    errors: dict[str, np.ndarray] = {}
    simulated: dict[str, np.ndarray] = {}
    findings: list[Finding] = []
    if "five-targets" in evaluation.conditions:
        play = partial(evaluation.record, "five-targets", tasks=tasks, episode_steps=0)
        errors["five targets"] = size_of_error(play())
        errors["memory wiped"] = size_of_error(play(forget=True))
    if "one-target" in evaluation.conditions:
        errors["one target"] = errors_alone(evaluation, "one-target", tasks)
    for name, error in errors.items():
        keeps = name == "five targets"
        findings += [
            *(
                finding(
                    f"radial error, target {n}, {name}", error[:, n - 1], unit="cm", better="lower"
                )
                for n in sorted({1, last})
            )
        ]
        if last > 1:
            findings.append(
                finding(
                    f"fall of the radial error, target 1 to {last}, {name}",
                    error[:, 0] - error[:, -1],
                    unit="cm",
                    bar=0.0 if keeps else SAME,
                    better="higher" if keeps else "near",
                    note="" if keeps else "control",
                )
            )
    kinds: tuple[Kind, ...] = ("Bayesian", "forgetful Bayesian")
    for kind in kinds:
        error = size_of_error(navigate(tasks, kind, evaluation.seed, **fields))
        findings += [
            Finding(
                f"radial error, target {n}, {kind} navigator",
                float(error[0, n - 1]),
                unit="cm",
                better="lower",
            )
            for n in sorted({1, last})
        ]
        simulated[f"{kind} navigator"] = error
    findings += gain_findings(evaluation, tasks)
    if not evaluation.figures or not errors:
        return Outcome(findings)
    path = evaluation.folder / "error_by_target.png"
    label = "size of the radial error (cm)"
    return Outcome(findings, [curves_by_trial(errors | simulated, path, label, xlabel="target")])


def errors_alone(
    evaluation: Evaluation, condition: str, tasks: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return the errors where each target has an episode of its own, ``[M, N]``."""
    alone = [
        size_of_error(
            evaluation.record(condition, tasks=only(tasks, n), targets=1, episode_steps=0)
        )
        for n in range(tasks["target"].shape[1])
    ]
    return np.concatenate(alone, axis=1)


def only(tasks: Mapping[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """Return the tasks with one of their targets."""
    return {name: value if name == "gain" else value[:, n : n + 1] for name, value in tasks.items()}


def gain_findings(evaluation: Evaluation, tasks: Mapping[str, np.ndarray]) -> list[Finding]:
    """Return how well the logarithm of the gain is decoded from the actor's LSTM.

    Nothing where all gains are the same.
    """
    if np.ptp(tasks["gain"]) == 0.0:
        return []
    some = {name: value[: min(DECODED, len(value))] for name, value in tasks.items()}
    found, count = {}, tasks["target"].shape[1]
    if "five-targets" in evaluation.conditions:
        record = evaluation.record("five-targets", tasks=some, hidden=True, episode_steps=0)
        for n in sorted({2, count}) if count > 1 else ():
            appears = (record["trial"] == n - 1) & (record["clock"] == 0) & (record["active"] > 0)
            found[f"as target {n} appears"] = decoded_gain(record, appears)
    if "one-target" in evaluation.conditions:
        record = evaluation.record(
            "one-target", tasks=only(some, 0), targets=1, hidden=True, episode_steps=0
        )
        found["as the only target ends, one target"] = decoded_gain(record, record["ended"] > 0)
    return [
        finding(f"gain decoded {when} (R squared)", values, optimum=1.0)
        for when, values in found.items()
    ]


def decoded_gain(record: Record, when: np.ndarray) -> np.ndarray:
    """Return R squared of the decoded octaves of the gain at the first marked step, ``[M]``."""
    at = when.argmax(axis=2)
    hidden = np.take_along_axis(record["hidden"], at[:, :, None, None], axis=2)
    return decode_value(hidden, np.log2(record["gain"][:, :, :1]), ridge=10.0)


def _settings(targets: int) -> Settings:
    """Return settings for episodes of so many targets; targets and updates in all are the same."""
    parts = TARGETS // targets  # episodes in place of one of five targets
    return Settings(
        EnvironmentSpec(
            "prefrontal/FireflyNavigation-v0",
            ("action",),
            {"reward": "shaped", "targets": targets, **TASK},
            stages=({"observation_noise": 0.0, "gain_law": "one"}, {}),
        ),
        TD3NetworkConfig(scale=0.5),
        TD3Config(
            learning_rate=7e-4,
            learning_rate_final=4e-4,
            batch=8 * parts,
            updates_per_trial=3.0 / parts,
            memory=10_000 * parts,
            learning_starts=128 * parts,
            first_phase_reward=0.1,
            first_phase_every=64 * parts,
            final_phase_reward=0.33,
            validation_every=200 * parts,
            validation_trials=200 * parts,
        ),
        TrainingConfig(
            members=8, num_envs=32 * parts, total_steps=EPISODES_TRAINED * TARGETS * STEPS
        ),
    )


EXPERIMENT = Experiment(
    name="meta-navigation",
    summary="navigators that find out the gain of their joystick within the episode",
    reference="ours; the task of Zhang, Pitkow & Angelaki 2024, Science Advances 10:eadk1256",
    conditions={"five-targets": _settings(TARGETS), "one-target": _settings(1)},
    measure=measure,
    shipped="",
    most_episodes=EPISODES,
)

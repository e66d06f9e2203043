"""Plastic weights infer an order: transitive inference with activity reset at every trial.

Five new items an episode, in a hidden order; neighbours are learned, then any two are compared
(Miconi & Kay 2025). Activity is set back where a trial starts, so that what is known of the order
is in the plastic weights alone. Conditions: `plastic` (neuromodulated, with an eligibility trace),
`without-plasticity` (α = 0), `lstm-reset` (activity set back too) and `lstm` (not set back), on
equal samples. The agents of `plastic` are also tested with the modulation frozen at its mean, and
with numbers of items that they were not trained on. Measurements:
docs/findings/plastic-transitive-inference.md.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member

if TYPE_CHECKING:
    from prefrontal.agents.population import Population  # imports torch

BAR, CHANCE = 0.90, (0.47, 0.53)
ITEMS, FAR = 5, 3
HIDDEN_EPISODES, OTHER_EPISODES = 200, 1000  # of each member
FROZEN = "modulation frozen"


def accuracy(record: Record, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return right choices and choices in the test phase, ``[M, E]`` each.

    Args:
        record: Of transitive inference.
        chosen: Which steps count, ``[M, E, T]``.
    """
    counted = record["decision"] * record["phase"] * chosen
    return (record["correct"] * counted).sum(2), counted.sum(2)


def share(counts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the accuracy of each member, ``[M]``, of counts ``[M, E]``."""
    right, all_ = counts
    return right.sum(1) / all_.sum(1)


def distance_effect(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy at distance 3 or more, less that of neighbours: ``[M]``, and by episode.

    The numbers by episode ``[M, E]`` have that mean, and the spread of a difference of ratios.
    """
    far, near = (
        accuracy(record, chosen) for chosen in (record["distance"] >= FAR, record["adjacent"])
    )
    effect = share(far) - share(near)
    by_episode = sum(
        sign * (right - share((right, all_))[:, None] * all_) / all_.mean(1, keepdims=True)
        for sign, (right, all_) in ((1, far), (-1, near))
    )
    return effect, effect[:, None] + by_episode


def frozen(population: Population, record: Record) -> Population:
    """Return agents whose neuromodulation is constant: each member's mean over a record.

    Args:
        population: Agents with a plastic core.
        record: What they did, with ``hidden``.
    """
    import torch

    still = copy.deepcopy(population)
    (net,) = still.model.nets
    modulator = net.plain.views(net.parameters)["core.modulator"]  # [M, H + 1]
    weights = modulator.numpy()[:, None, None]
    level = np.tanh((record["hidden"] * weights[..., :-1]).sum(3) + weights[..., -1])
    modulator.zero_()
    modulator[:, -1] = torch.atanh(torch.from_numpy(level.mean((1, 2))))
    return still


def measure(evaluation: Evaluation) -> Outcome:
    """Measure accuracy in the test by distance, of all conditions and with frozen modulation."""
    findings: list[Finding] = []
    curves: dict[str, np.ndarray] = {}
    for condition in evaluation.conditions:
        record = evaluation.record(condition)
        findings += _findings(condition, record)
        curves[condition] = _by_distance(record)
        if condition == "plastic":
            still = _with_frozen_modulation(evaluation, condition)
            findings += _findings(FROZEN, still)
            curves[FROZEN] = _by_distance(still)
            findings += _other_numbers(evaluation, condition)
    return Outcome(findings, curve_figure(evaluation) + _figure(evaluation, curves))


def _findings(condition: str, record: Record) -> list[Finding]:
    inferred, neighbours = (
        accuracy(record, chosen) for chosen in (1 - record["adjacent"], record["adjacent"])
    )
    judged: dict[str, Any] = {}
    if condition == "plastic":
        judged = {"bar": BAR}
    elif condition in ("without-plasticity", "lstm-reset"):
        judged = {"bar": CHANCE, "better": "near"}
    found = [
        finding(f"accuracy, pairs that are no neighbours, {condition}", share(inferred), **judged),
        finding(f"accuracy, neighbours, {condition}", share(neighbours)),
    ]
    if condition == "plastic":
        effect, by_episode = distance_effect(record)
        found += [
            worst_member(
                f"accuracy, pairs that are no neighbours, worst member, {condition}",
                inferred[0],
                "higher",
                inferred[1],
                fraction=True,
                goal=BAR,
            ),
            finding(f"symbolic distance effect, {condition}", effect, bar=0.0),
            worst_member(
                f"symbolic distance effect, worst member, {condition}",
                by_episode,
                "higher",
                bar=0.0,
            ),
        ]
    return found


def _with_frozen_modulation(evaluation: Evaluation, condition: str) -> Record:
    """Return what agents with frozen modulation do on the same tasks."""
    number = min(HIDDEN_EPISODES, evaluation.episodes)
    seen = evaluation.record(condition, hidden=True, episodes=number)
    still = frozen(evaluation.populations[condition], seen)
    settings = {FROZEN: evaluation.settings[condition]}
    place = (evaluation.split, evaluation.episodes, evaluation.seed, evaluation.folder)
    return Evaluation({FROZEN: still}, settings, *place).record()


def _other_numbers(evaluation: Evaluation, condition: str) -> list[Finding]:
    """Return accuracy with fewer and more items than trained on, as published: 4 to 8."""
    found = []
    number = min(OTHER_EPISODES, evaluation.episodes)
    for items in (4, 6, 7, 8):
        given: dict[str, Any] = {"fewest_items": items, "most_items": items}
        record = evaluation.record(condition, episodes=number, **given)
        counts = accuracy(record, 1 - record["adjacent"])
        found.append(finding(f"accuracy, no neighbours, {items} items, {condition}", share(counts)))
    return found


def _by_distance(record: Record) -> np.ndarray:
    """Return accuracy in the test by distance from 1, ``[M, items - 1]``."""
    distances = range(1, int(record["distance"].max()) + 1)
    return np.stack([share(accuracy(record, record["distance"] == d)) for d in distances], axis=1)


def _figure(evaluation: Evaluation, curves: dict[str, np.ndarray]) -> list[Path]:
    if not evaluation.figures:
        return []
    path = evaluation.folder / "accuracy_by_distance.png"
    return [
        curves_by_trial(
            curves,
            path,
            "fraction correct in the test",
            {"chance": 0.5, "bar": BAR},
            (0.4, 1.02),
            xlabel="distance in the order",
            episodes=evaluation.episodes,
        )
    ]


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the return of an episode of one who knows the order, and of chance."""
    return {"optimum": float(settings.environment.kwargs["trials"]), "chance": 0.0}


def _conditions() -> dict[str, cfg.Settings]:
    task = {"fewest_items": ITEMS, "most_items": ITEMS, "trials": 30}
    plastic = cfg.Settings(
        cfg.EnvironmentSpec(
            "prefrontal/TransitiveInference-v0",
            ("action", "reward", "trial_start"),
            task,
            stages=({"fewest_items": 2},) * 5 + ({},),  # fewer items too, but for the last sixth
        ),
        cfg.NetworkConfig(
            core="plastic",
            core_kwargs={"plasticity": "retroactive"},
            hidden_size=32,
            input_gain=2.0,
            reset_at="trial",
        ),
        cfg.A2CConfig(
            learning_rate=5e-3,
            discount=0.0,
            entropy_coef=0.02,
            critic=cfg.CriticConfig("privileged"),
        ),
        cfg.TrainingConfig(num_envs=16, total_steps=1_200_000),
    )
    none = {"plasticity": "none"}
    return {
        "plastic": plastic,
        "without-plasticity": plastic.with_options(core_kwargs=none),
        "lstm-reset": plastic.with_options(core="lstm", core_kwargs={}, hidden_size=48),
        "lstm": plastic.with_options(
            core="lstm", core_kwargs={}, hidden_size=48, reset_at="episode"
        ),
    }


EXPERIMENT = Experiment(
    name="plastic-transitive-inference",
    summary="plastic weights infer an order, with activity reset at every trial",
    reference="Miconi & Kay 2025, Nature Neuroscience 28:406-414",
    conditions=_conditions(),
    measure=measure,
    levels=levels,
)

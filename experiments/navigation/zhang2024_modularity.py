"""Modular against holistic actor-critics that navigate by path integration.

Source: Zhang, Pitkow & Angelaki 2024. Agents learn to steer to a firefly at one gain of their
joystick and are tested at others. Actor and critic of equal size differ in shape: *holistic*, one
LSTM does all; *modular*, an LSTM infers the state and a feed-forward network acts on it, with the
action to be judged entering after the LSTM. Conditions: the published four, and two controls as
deep and as large that are not modular: `early-action` (A3 C3, differs from `modular` only in where
the action enters) and `two-lstms` (A2 C2). Gains are set by the measure, so `--split` changes the
written record only. Results, and what differs from the paper:
docs/findings/zhang2024-modularity.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.analysis.choice import navigation as nav
from prefrontal.analysis.stats.contrasts import contrast
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.navigation.figures import modularity_figures
from prefrontal.experiments.navigation.measures import Summary, played, sweep
from prefrontal.experiments.settings import EnvironmentSpec, Settings, TrainingConfig

GAINS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
TARGETS = 1000  # at each gain, the same for all
DECODED = 300  # trials, at each of these gains
DECODED_GAINS = (1.0, 1.5, 2.0)
ZONE = 65.0
FRACTION = (0.0, 1.0)
STEPS = 35
LEARNED = 0.9  # rewarded fraction that training curves are timed to
CURVES = {"trials", "phase", "validation"}
EVERY = 200  # trials between points of a learning curve

#: Published values (figure readings): fraction, rate and TD error at 1, rate and TD error at 1.5
#: and 2 together, radial error and area at 2, area with pulses, decoding error over gains.
PUBLISHED = {
    "modular": (0.98, 0.72, 0.07, 0.81, 0.28, 31.0, 0.93, 0.91, 15.0),
    "holistic-actor": (0.99, 0.705, 0.07, 0.36, 0.525, 102.0, 0.817, 0.892, 24.0),
    "holistic": (0.975, 0.55, 0.16, 0.075, 0.66, 167.0, 0.729, 0.832, 42.0),
    "holistic-critic": (0.855, 0.435, 0.235, 0.095, 0.635, 167.0, 0.732, 0.831, 49.0),
}
CONDITIONS = {
    "modular": TD3NetworkConfig("actor3", "critic5"),
    "holistic": TD3NetworkConfig("actor1", "critic1"),
    "holistic-actor": TD3NetworkConfig("actor1", "critic5"),
    "holistic-critic": TD3NetworkConfig("actor3", "critic1"),
    "early-action": TD3NetworkConfig("actor3", "critic3"),
    "two-lstms": TD3NetworkConfig("actor2", "critic2"),
}
LOST = "area lost, 1x to 2x"
CARRIES = "above 0: it is not depth alone"

Sweeps = Mapping[str, Mapping[float, Summary]]


def measure(evaluation: Evaluation) -> Outcome:
    """Measure every condition at every gain, and compare them."""
    count = evaluation.episodes
    sweeps: dict[str, dict[float, Summary]] = {}
    level: dict[str, Summary] = {}  # at gain 2, where noise stays that of gain 1
    pulses: dict[str, Summary] = {}
    decoding: dict[str, np.ndarray] = {}
    for condition in evaluation.conditions:
        sweeps[condition] = sweep(evaluation, condition, GAINS, count)
        level[condition] = sweep(
            evaluation, condition, (2.0,), count, noise_scales_with_gain=False
        )[2.0]
        pulses[condition] = sweep(evaluation, condition, (1.0,), count, perturbation="small")[1.0]
        decoding[condition] = decoding_errors(evaluation, condition, min(DECODED, count))
    grid, curves = learning(evaluation.curves)
    findings = [
        finding
        for condition in evaluation.conditions
        for finding in of_condition(
            condition, sweeps[condition], level[condition], pulses[condition], decoding[condition]
        )
    ]
    findings += learning_findings(grid, curves) + contrasts(sweeps, level)
    if not evaluation.figures:
        return Outcome(findings)
    refitted = {name: errors[1].mean(axis=0) for name, errors in decoding.items()}
    return Outcome(
        findings, modularity_figures(evaluation, sweeps, pulses, refitted, (grid, curves), count)
    )


def decoding_errors(evaluation: Evaluation, condition: str, count: int) -> np.ndarray:
    """Return errors of decoding the place: decoder of gain 1, and one a gain, ``[2, G, M]``."""
    records = [played(evaluation, condition, gain, count, hidden=True) for gain in DECODED_GAINS]
    trained = records[DECODED_GAINS.index(1.0)]
    return np.array(
        [
            [nav.decode_place(trained, record) for record in records],
            [nav.decode_place(record) for record in records],
        ]
    )


def of_condition(
    condition: str,
    by_gain: Mapping[float, Summary],
    level: Summary,
    pulses: Summary,
    decoding: np.ndarray,
) -> list[Finding]:
    """Return the findings of one condition."""
    one, two = by_gain[1.0], by_gain[2.0]
    novel = [by_gain[1.5], two]
    modular, holistic = condition == "modular", condition == "holistic"
    published = PUBLISHED.get(condition, (None,) * 9)

    def bar(for_modular: object, for_holistic: object = None) -> object:
        return for_modular if modular else for_holistic if holistic else None

    here = partial(finding, where=f", {condition}")
    far = (-ZONE, ZONE) if modular else None
    return [
        here(
            "rewarded fraction, 1x",
            one.rewarded,
            within=FRACTION,
            failure=LEARNED,
            published=published[0],
            bar=bar(0.95),
        ),
        here(
            "rewards a second, 1x",
            one.rate,
            published=published[1],
            bar=bar(0.70, 0.60),
            better="lower" if holistic else "higher",
            note="the step of the stop takes no time, as in the published code",
        ),
        here(
            "rewards a second, 1x, step of the stop counted",
            one.rate_with_stop,
            note="not as published",
        ),
        here(
            "radial error, 2x",
            two.radial,
            published=published[5],
            unit="cm",
            bar=far if modular else bar(None, 100.0),
            better="near" if modular else "higher",
            note="whole distance, above 0 too far; the zone is 65 cm",
        ),
        here(
            "area of the boundary sweep, 2x",
            two.auc,
            within=FRACTION,
            published=published[6],
            bar=bar(0.90, 0.80),
            better="lower" if holistic else "higher",
        ),
        here("area, 2x, noise as at 1x", level.auc, within=FRACTION),
        here("radial error, 2x, noise as at 1x", level.radial, unit="cm"),
        here(f"{LOST}", lost_area(by_gain), better="lower"),
        *(
            here(f"rewarded fraction, {gain:g}x", by_gain[gain].rewarded, within=FRACTION)
            for gain in (0.5, 0.75, 2.0, 3.0, 4.0)
        ),
        *(here(f"radial error, {gain:g}x", by_gain[gain].radial, unit="cm") for gain in (3.0, 4.0)),
        here(
            "rewards a second, 1.5x and 2x",
            np.mean([s.rate for s in novel], axis=0),
            published=published[3],
        ),
        here("area, pulses", pulses.auc, within=FRACTION, published=published[7]),
        here("TD error, 1x", one.td_error, published=published[2], better="lower"),
        here(
            "TD error, 1.5x and 2x",
            np.mean([s.td_error for s in novel], axis=0),
            published=published[4],
            better="lower",
        ),
        here("path over straight way, 1x", one.stretch, optimum=1.0, better="lower"),
        here(
            "place decoded, refitted, 1x to 2x",
            decoding[1].mean(axis=0),
            unit="cm",
            published=published[8],
            better="lower",
        ),
        here("place decoded, decoder of 1x, 2x", decoding[0][-1], unit="cm", better="lower"),
    ]


def learning(
    metrics: Mapping[str, Mapping[str, np.ndarray]],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the rewarded fraction in validation on a common grid of trials after phase I.

    Args:
        metrics: Metrics of training ``[U, M]`` by name, by condition.

    Returns:
        The grid ``[G]``, as long as the longest run, and the curves ``[G, M]`` by condition: 0
        before the first validation, NaN after a member's last trial (to the nearest point: metrics
        are means over some rounds of trials).
    """
    whole = {name: one for name, one in metrics.items() if set(one) >= CURVES}
    # Rows are means over some rounds; those that include phase I tell nothing of the later trials.
    after = {name: np.where(one["phase"] >= 2, one["trials"], -1) for name, one in whole.items()}
    longest = max((trials.max() for trials in after.values()), default=0)
    grid = np.arange(EVERY, longest + EVERY / 2, EVERY)
    curves = {}
    for name, trials in after.items():
        curves[name] = np.full((len(grid), trials.shape[1]), np.nan)
        for m in range(trials.shape[1]):
            for g, at in enumerate(grid[trials[:, m].max() + EVERY / 2 > grid]):
                seen = (trials[:, m] >= 0) & (trials[:, m] <= at)
                values = whole[name]["validation"][seen, m]
                curves[name][g, m] = values[-1] if len(values) else 0.0
    return grid, curves


def learning_findings(grid: np.ndarray, curves: Mapping[str, np.ndarray]) -> list[Finding]:
    """Return trials until nine targets in ten are reached, and compare conditions."""
    findings, reached = [], {}
    for condition, values in curves.items():
        if not np.isfinite(values).any(axis=0).all():
            continue  # some member played too few trials for a single point
        first = nav.first_to(grid, values, LEARNED)
        last = np.where(np.isfinite(values), grid[:, None], 0).max(axis=0)
        reached[condition] = np.where(np.isfinite(first), first, last)
        here = partial(finding, where=f", {condition}")
        findings += [
            here(
                f"trials to {LEARNED:g} rewarded, whole run if never",
                reached[condition],
                within=(0.0, float(last.max())),
                better="lower",
            ),
            here(
                f"agents that reached {LEARNED:g} rewarded",
                np.isfinite(first),
                within=FRACTION,
                note="fraction",
            ),
        ]
    if {"modular", "holistic"} <= set(reached):
        sooner = contrast([reached["holistic"], reached["modular"]])
        findings.append(
            Finding.of(
                f"trials to {LEARNED:g} rewarded, whole run if never, holistic less modular",
                sooner,
                bar=0.0,
            )
        )
    return findings


def lost_area(by_gain: Mapping[float, Summary]) -> np.ndarray:
    """Return the area that each member loses from gain 1 to gain 2, ``[M]``."""
    return by_gain[1.0].auc - by_gain[2.0].auc


def contrasts(sweeps: Sweeps, level: Mapping[str, Summary]) -> list[Finding]:
    """Compare areas at gain 2: which part matters, and whether depth does."""
    grown = {condition: by_gain[2.0].auc for condition, by_gain in sweeps.items()}
    same = {condition: one.auc for condition, one in level.items()}
    critic, actor = (
        ("modular holistic-actor", "holistic holistic-critic"),
        ("modular holistic-critic", "holistic holistic-actor"),
    )
    lost = {condition: lost_area(by_gain) for condition, by_gain in sweeps.items()}
    asked: list[tuple[str, tuple[str, str], dict[str, Any]]] = [
        ("modular less holistic", ("modular", "holistic"), {"bar": 0.1, "published": 0.201}),
        (
            "modular less holistic, noise as at 1x",
            ("modular", "holistic"),
            {"bar": 0.0},
        ),
        (
            "effect of a modular critic",
            critic,
            {"bar": 0.0, "published": 0.143},
        ),
        ("effect of a modular actor", actor, {"published": 0.058}),
        (
            "effect of the critic less that of the actor",
            ("holistic-actor", "holistic-critic"),
            {"bar": 0.0, "published": 0.085, "note": "the mixed pairs"},
        ),
        (
            "modular less equally deep, action entering early",
            ("modular", "early-action"),
            {"note": CARRIES},
        ),
        ("modular less two LSTMs", ("modular", "two-lstms"), {"note": CARRIES}),
        (
            "equally deep, action entering early, less holistic",
            ("early-action", "holistic"),
            {"note": "layers behind the LSTM"},
        ),
        ("two LSTMs less holistic", ("two-lstms", "holistic"), {"note": "a second LSTM"}),
        *(
            (f"{LOST}: {name}", pair, {"note": "whatever they have at 1x"})
            for name, pair in (
                ("equally deep, action entering early, less modular", ("early-action", "modular")),
                ("two LSTMs less modular", ("two-lstms", "modular")),
                ("holistic less equally deep, action entering early", ("holistic", "early-action")),
                ("holistic less two LSTMs", ("holistic", "two-lstms")),
            )
        ),
    ]
    findings = []
    for name, (plus, minus), extra in asked:
        values = same if "noise as" in name else lost if name.startswith(LOST) else grown
        more, less = plus.split(), minus.split()
        if {*more, *less} <= set(values):
            signs = [1 / len(more)] * len(more) + [-1 / len(less)] * len(less)
            found = contrast([values[condition] for condition in [*more, *less]], signs)
            whole = name if values is lost else f"area, 2x: {name}"
            findings.append(Finding.of(whole, found, **extra))
    return findings


_BASE = Settings(
    EnvironmentSpec(
        "prefrontal/FireflyNavigation-v0",
        ("action",),
        {"reward": "shaped"},
        stages=({"observation_noise": 0.0}, {}),
    ),
    TD3NetworkConfig(),
    TD3Config(),
    TrainingConfig(members=8, num_envs=8, total_steps=10_000 * STEPS),
)

EXPERIMENT = Experiment(
    name="zhang2024-modularity",
    summary="modular actor-critics generalise to gains never trained; holistic ones overshoot",
    reference="Zhang, Pitkow & Angelaki 2024, Science Advances 10:eadk1256",
    conditions={name: replace(_BASE, network=network) for name, network in CONDITIONS.items()},
    measure=measure,
    shipped="",
    whole_curves=True,
    most_episodes=TARGETS,
)

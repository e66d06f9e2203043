"""How learning can guide evolution (Hinton & Nowlan 1987): learning finds a needle in a haystack.

Of the 2^20 networks one is right. Conditions: `learning` (as published: half of the genes are
undecided, and an organism guesses them on 1,000 trials); `no-learning` (the same genomes, but what
is undecided stays so); `decided` (no learning, and no undecided genes: every organism is born with
one network of the 2^20).

What was found is in ``docs/findings/hinton-nowlan-1987.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.evolution.config import HintonNowlanConfig, NoNetworkConfig
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.analysis.choice.evolution import innate_share, share_of_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig, expect

GENERATIONS = 100
ALLELES = ("right", "wrong", "undecided")
#: Undecided alleles by generation: our simulation of the published rules, 40 populations.
UNDECIDED = {20: (0.29, 0.35), 50: (0.20, 0.24)}
WITHOUT_WRONG = 0.01
BY_CHANCE = 0.1  # a random search of as many genotypes hits the one of 2^20 in one run of ten


def measure(evaluation: Evaluation) -> Outcome:
    """Measure allele frequencies, fitness before and after learning, and who found the needle."""
    histories = {name: evaluation.populations[name].history for name in evaluation.conditions}
    findings: list[Finding] = []
    for name, history in histories.items():
        generations = len(history["right"])
        if name == "learning":
            findings += _alleles(history, generations)
        bar = BY_CHANCE if name == "no-learning" else None
        what = f"populations that ever had a perfect genotype, {name}"
        found, note = (history["perfect"] > 0).any(axis=0), f"within {generations - 1} generations"
        share = share_of_members(found)
        findings.append(Finding.of(what, share, note=note, better="lower", bar=bar))
    return Outcome(findings, _figures(evaluation, histories) if evaluation.figures else [])


def _alleles(history: dict[str, np.ndarray], generations: int) -> list[Finding]:
    """Return what becomes of the alleles with learning, as far as the generations go."""
    findings = []
    if generations > 20:
        name, wrong = "wrong alleles, generation 20", interval(history["wrong"][20])
        findings.append(Finding.of(name, wrong, published=0.0, bar=WITHOUT_WRONG, better="lower"))
    for generation, bar in UNDECIDED.items():
        if generations > generation:
            now = interval(history["undecided"][generation])
            name = f"undecided alleles, generation {generation}"
            findings.append(Finding.of(name, now, bar=bar, better="near"))
    gone = history["wrong"] < WITHOUT_WRONG
    first = interval(np.where(gone.any(axis=0), gone.argmax(axis=0), generations))
    last = history["mean_fitness"][-1]
    share = innate_share(history["innate_fitness"][-1], last, chance=1.0)
    without = "first generation with less than 1 % wrong alleles, the last if never"
    return [
        *findings,
        Finding.of(without, first, better="lower"),
        Finding.of("mean fitness, last generation", interval(last), optimum=20.0),
        Finding.of("share of fitness that is inborn, last generation", interval(share)),
    ]


def _figures(evaluation: Evaluation, histories: dict[str, dict[str, Any]]) -> list[Path]:
    from prefrontal.analysis.figures.evolution import allele_frequencies, fitness_by_generation

    groups = {c: {a: h[a] for a in ALLELES} for c, h in histories.items()}
    expected = {(g, "undecided"): ends for g, ends in UNDECIDED.items()}
    path = evaluation.folder / "allele_frequencies.png"
    figures = [allele_frequencies(groups, path, expected)]
    curves = {
        c: {"after learning": h["mean_fitness"], "at birth": h["innate_fitness"]}
        for c, h in histories.items()
        if expect(evaluation.settings[c].algorithm, HintonNowlanConfig).trials
    }
    if curves:
        generation = np.arange(len(next(iter(curves.values()))["at birth"]))
        path = evaluation.folder / "fitness.png"
        figures.append(fitness_by_generation(generation, curves, path, "mean fitness"))
    return figures


def _settings(**constants: float) -> Settings:
    algorithm = HintonNowlanConfig(**constants)  # type: ignore[arg-type]
    training = TrainingConfig(40, 1, total_steps=algorithm.individuals * (GENERATIONS + 1))
    return Settings(NO_ENVIRONMENT, NoNetworkConfig(), algorithm, training)


EXPERIMENT = Experiment(
    name="hinton-nowlan-1987",
    summary="Learning guides evolution to a needle in a haystack",
    reference="Hinton & Nowlan 1987, Complex Systems 1:495-502",
    conditions={
        "learning": _settings(),
        "no-learning": _settings(trials=0),
        "decided": _settings(trials=0, undecided=0.0),
    },
    measure=measure,
    shipped="",
)

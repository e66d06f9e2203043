"""How learning can guide evolution (Hinton & Nowlan 1987): a needle in a haystack that learning makes easy to find.

Of the 2^20 networks one is right. Conditions: `learning` (as published: half of the genes are undecided, and an organism
guesses them on 1,000 trials); `no-learning` (the same genomes, but what is undecided stays so); `decided` (no learning, and
no undecided genes: every organism is born with one network of the 2^20).

What was learned about the simulation:

- Wrong alleles are gone by generation 9 (median; 5 to 20), undecided ones stay: with few of them learning is so fast that
  being born right hardly pays any more. They go on falling slowly (.32, .23, .18 at generations 20, 50, 100).
- Without learning, fitness is 1 for all and only drift is left. Of decided genomes about one in 2^20 is perfect in every
  generation, by chance: a lineage of 1,000 finds it in 100 generations with probability .1, and then spreads it.
- Training and evaluation of 3 × 40 populations over 100 generations take 12 CPU seconds (4 a condition).
- "Trials left" counts the successful trial as used; an organism that is born perfect has them all (fitness 20).
"""

from __future__ import annotations

import numpy as np

from prefrontal.agents.evolution.hinton_nowlan import HintonNowlanConfig, NoNetworkConfig
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.analysis.choice.evolution import innate_share, share_of_members
from prefrontal.analysis.figures.evolution import allele_frequencies, fitness_by_generation
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig

GENERATIONS = 100
ALLELES = ("right", "wrong", "undecided")
#: Undecided alleles, by generation: our simulation of the published rules, 40 populations, with their tolerance.
UNDECIDED = {20: (0.29, 0.35), 50: (0.20, 0.24)}
WITHOUT_WRONG = 0.01


def measure(evaluation: Evaluation) -> Outcome:
    """Allele frequencies, fitness before and after learning, and who ever found the needle."""
    histories = {name: evaluation.populations[name].history for name in evaluation.conditions}
    findings: list[Finding] = []
    for name, history in histories.items():
        generations = len(history["right"])
        if name == "learning":
            findings += _alleles(history, generations)
        ever = (history["perfect"] > 0).any(axis=0)
        bar = {"bar": 0.0, "better": "lower"} if name == "no-learning" else {"better": "lower"}
        note = f"within {generations - 1} generations"
        findings.append(
            Finding.of(f"populations that ever had a perfect genotype, {name}", share_of_members(ever), note=note, **bar)
        )  # fmt: skip
    figures = []
    if evaluation.figures:
        groups = {c: {a: h[a] for a in ALLELES} for c, h in histories.items()}
        expected = {(g, "undecided"): ends for g, ends in UNDECIDED.items()}
        figures.append(
            allele_frequencies(groups, evaluation.folder / "allele_frequencies.png", expected)
        )
        learners = {c: h for c, h in histories.items() if evaluation.settings[c].algorithm.trials}
        curves = {
            c: {"after learning": h["mean_fitness"], "at birth": h["innate_fitness"]}
            for c, h in learners.items()
        }
        if curves:
            generation = np.arange(len(next(iter(learners.values()))["right"]))
            figures.append(
                fitness_by_generation(generation, curves, evaluation.folder / "fitness.png", "mean fitness")
            )  # fmt: skip
    return Outcome(findings, figures)


def _alleles(history: dict[str, np.ndarray], generations: int) -> list[Finding]:
    """What becomes of the alleles with learning, as far as the generations go."""
    findings = []
    if generations > 20:
        wrong = interval(history["wrong"][20])
        findings.append(
            Finding.of("wrong alleles, generation 20", wrong, published=0.0, bar=WITHOUT_WRONG, better="lower")
        )  # fmt: skip
    for generation, bar in UNDECIDED.items():
        if generations > generation:
            now = interval(history["undecided"][generation])
            findings.append(
                Finding.of(f"undecided alleles, generation {generation}", now, bar=bar, better="near")
            )  # fmt: skip
    gone = history["wrong"] < WITHOUT_WRONG
    first = np.where(gone.any(axis=0), gone.argmax(axis=0), generations)
    share = innate_share(history["innate_fitness"][-1], history["mean_fitness"][-1], chance=1.0)
    return [
        *findings,
        Finding.of("first generation with less than 1 % wrong alleles", interval(first), better="lower"),
        Finding.of("mean fitness, last generation", interval(history["mean_fitness"][-1]), optimum=20.0),
        Finding.of("share of fitness that is inborn, last generation", interval(share)),
    ]  # fmt: skip


def _settings(**constants: float) -> Settings:
    algorithm = HintonNowlanConfig(**constants)  # type: ignore[arg-type]
    lives = algorithm.individuals * (GENERATIONS + 1)
    return Settings(
        NO_ENVIRONMENT, NoNetworkConfig(), algorithm, TrainingConfig(40, 1, total_steps=lives)
    )


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
    shipped=(),
)

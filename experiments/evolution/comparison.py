"""Evolution around learning on any tabulated task: who evolves what, on fresh tasks, with plasticity on and off."""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.evolution.learner import EvolutionConfig
from prefrontal.analysis.choice.evolution import plasticity
from prefrontal.analysis.figures.evolution import plasticity_curves
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval, probability_of_improvement
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.evolution.measures import (
    FRESH,
    evolution_figures,
    frozen,
    live,
    strangers,
    tested_again,
)
from prefrontal.experiments.experiment import Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig

INHERITED = ("baldwin", "darwin", "hyper-parameters")


def conditions(spec: EnvironmentSpec, steps: int, **given: Any) -> dict[str, Settings]:
    """Baldwin, Darwin and hyper-parameters alone, at equal environment steps.

    Args:
        spec: Environment: first stage for learning, last for the test.
        steps: Environment steps of each run.
        **given: Settings of evolution that all have.
    """
    return {
        name: Settings(
            spec,
            NetworkConfig(hidden_size=20),
            EvolutionConfig(inheritance=name, weight_scale=0.15, hyper_scale=0.4, **given),  # type: ignore[arg-type]
            TrainingConfig(1, 1, steps),
        )
        for name in INHERITED
    }


def compare(
    evaluation: Evaluation, chance: float, in_weights: float, in_activations: float
) -> Outcome:
    """Champions on fresh tasks, at birth and after learning; who beats whom; where the ability lives.

    Args:
        evaluation: Of conditions as `conditions` makes them.
        chance: Fitness of guessing.
        in_weights: Best fitness of one who knows the task when the test begins.
        in_activations: Best fitness of one who has to learn it in the test.
    """
    findings, scores, curves = [], {}, {}
    for name in evaluation.conditions:
        champions, algorithm = evaluation.populations[name], evaluation.settings[name].algorithm
        lifetimes, tasks = champions.lifetimes(), algorithm.tasks
        hyper = frozen(champions.hyper) if name == "darwin" else champions.hyper
        weights = champions.genomes
        if name == "hyper-parameters":  # weights are random at every birth
            weights = strangers(lifetimes, evaluation.seed, len(champions), FRESH)
        score, on = live(lifetimes, weights, hyper, evaluation.seed)
        born, off = live(lifetimes, weights, frozen(hyper), evaluation.seed)
        again, recorded = tested_again(evaluation, name, score)
        scores[name] = again.scores
        best = in_activations if name == "darwin" else in_weights
        findings += [
            Finding.of(f"champion, fresh tasks, {name}", again.value, optimum=best, note=f"guessing {chance:g}"),
            Finding.of(f"champion at birth, {name}", interval(tasks * born.mean(axis=1)), optimum=in_activations),
        ]  # fmt: skip
        if np.isfinite(recorded).all():
            findings.append(Finding.of(f"winner's curse, {name}", again.curse, better="lower"))
        on, off = on.mean(axis=1), off.mean(axis=1)
        exam = int(lifetimes.test.steps)
        split = plasticity(on[:, -exam:], off[:, -exam:])
        findings += [
            Finding.of(f"learned in the weights, {name}", interval(split.weights)),
            Finding.of(f"learned in the activations, {name}", interval(split.activations)),
        ]
        if lifetimes.spec.split == "train":
            unseen, _ = live(lifetimes, weights, hyper, evaluation.seed, split="held_out")
            outside = tasks * unseen.mean(axis=1)
            findings.append(
                Finding.of(f"champion, held-out tasks, {name}", interval(outside), optimum=best)
            )
        curves[name] = {"plasticity on": on.T, "plasticity off": off.T}
    for other in evaluation.conditions:
        if "baldwin" in scores and other != "baldwin":
            beats = probability_of_improvement(scores["baldwin"], scores[other])
            findings.append(Finding.of(f"probability that baldwin beats {other}", beats))
    figures = evolution_figures(evaluation, evaluation.conditions, in_weights)
    if evaluation.figures:
        learning = evaluation.populations[evaluation.conditions[0]].lifetimes().learning_steps
        shown: dict[str, Any] = curves
        path = evaluation.folder / "plasticity.png"
        figures.append(
            plasticity_curves(shown, path, break_after=learning, ylabel="fraction of best choices")
        )
    return Outcome(findings, figures)

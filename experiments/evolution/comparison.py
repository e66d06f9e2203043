"""Evolution around learning on any tabulated task: who evolves what, with plasticity on and off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval, probability_of_improvement
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.evolution.measures import Champions, evolution_figures, live
from prefrontal.experiments.experiment import Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig

INHERITED: tuple[Any, ...] = ("baldwin", "darwin", "hyper-parameters")


def conditions(spec: EnvironmentSpec, steps: int, **given: Any) -> dict[str, Settings]:
    """Return settings of Baldwin, Darwin and hyper-parameters alone, at equal environment steps.

    Lives learn on the first stage of `spec` and are tested on the last. `given` are settings of
    evolution that all have.
    """
    network, training = NetworkConfig(hidden_size=20), TrainingConfig(1, 1, steps)
    common = EvolutionConfig(weight_scale=0.15, hyper_scale=0.4, **given)
    return {
        name: Settings(spec, network, replace(common, inheritance=name), training)
        for name in INHERITED
    }


def compare(
    evaluation: Evaluation, chance: float, in_weights: float, in_activations: float
) -> Outcome:
    """Measure champions on fresh tasks, at birth and after learning, and against each other.

    Args:
        evaluation: Populations of conditions as `conditions` makes them.
        chance: Fitness of guessing.
        in_weights: Best fitness of one who knows the task when the test begins.
        in_activations: Best fitness of one who has to learn it in the test.
    """
    findings, scores, curves = [], {}, {}
    for name in evaluation.conditions:
        one = Champions(evaluation, name)
        scores[name], curves[name] = one.again.scores, one.lived.curves
        best = in_activations if name == "darwin" else in_weights
        findings += one.findings(in_activations, optimum=best, note=f"guessing {chance:g}")
        findings += one.lived.where()
        if one.lifetimes.spec.split == "train":
            lives, weights, hyper = one.lifetimes, one.weights, one.hyper
            score, _ = live(lives, weights, hyper, evaluation.seed, split="held_out")
            outside = interval(one.tasks * score.mean(axis=1))
            findings.append(Finding.of(f"champion, held-out tasks, {name}", outside, optimum=best))
    for other in evaluation.conditions:
        if "baldwin" in scores and other != "baldwin":
            beats = probability_of_improvement(scores["baldwin"], scores[other])
            findings.append(Finding.of(f"probability that baldwin beats {other}", beats))
    figures = evolution_figures(evaluation, evaluation.conditions, in_weights)
    if evaluation.figures:
        from prefrontal.analysis.figures.evolution import plasticity_curves

        learning = one.lifetimes.learning_steps
        path, label = evaluation.folder / "plasticity.png", "fraction of best choices"
        figures.append(plasticity_curves(curves, path, break_after=learning, ylabel=label))
    return Outcome(findings, figures)

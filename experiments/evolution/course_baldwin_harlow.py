"""The Baldwin effect of the NeuroAI course (W2D4 tutorial 4): evolution selects for the ability to learn which digit is good.

An individual meets a pair of digits, learns for 25 episodes of 6 trials (one RMSProp step each) and is tested on 20 trials;
fitness is the sum over ten pairs, 200 at most. Conditions:

- `baldwin`: newborn weights and hyper-parameters evolve, and what is learned is thrown away, with the published number of
  environment steps (4,050 individuals, ten tasks of 170 trials each);
- `published`: the course's algorithm with its four defects (`prefrontal.agents.evolution.published`), as long;
- `baldwin-short`, `published-short`: a quarter of it, as all that follow;
- `lamarck`: children inherit learned weights; `darwin`: nobody learns; `hyper-parameters`: weights are random at every birth;
  `random-search`: every child is a stranger;
- `plain-rl`: no evolution: one recurrent network a member, trained by A2C over all pairs (meta-reinforcement learning);
- `vectors`: `baldwin` on random vectors in the place of digits, of which half are never seen in evolution.

At the published number of steps several conditions are near the top; a quarter tells them apart. ``--total-steps 6885000`` gives
all of them the whole.

What was learned about evolving learners:

- Generations of 45 children and 5 survivors, tournaments of 3 and self-adapting mutations that start at .15 take every champion
  above 190 within the published budget (194.6 on fresh tasks); mutations of .02 or five children a generation do not.
- Ten tasks measure fitness to ± 10: survivors are measured again in every generation, and a champion is chosen by the mean less
  two standard errors, which everyone's spread tells. A newborn's ten perfect scores have none of their own: choosing by
  these instead gave 189.7.
- Most of the effect is a larger learning rate and a smaller discount: random weights with the evolved hyper-parameters reach 161
  of the 195. Nothing becomes inborn: every task contradicts another one, so champions are born at chance and must learn.
- Learned weights are worth inheriting (`lamarck` beats `baldwin-short`): they are a better place to learn from, and still at
  chance.
- Who does not learn by gradients learns in the activations: a little by evolution (`darwin`), and all there is to learn by A2C,
  in 7 of 8 members (`plain-rl`; the eighth stays half-way).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.evolution.learner import EvolutionConfig
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.evolution.published import PublishedConfig
from prefrontal.analysis.choice.evolution import innate_share, plasticity
from prefrontal.analysis.figures.evolution import plasticity_curves
from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval, probability_of_improvement
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.evolution.measures import (
    FRESH,
    evolution_figures,
    frozen,
    generation_zero,
    imported,
    live,
    lives_of_network,
    starting_hyper,
    strangers,
    tested_again,
    unseen,
)
from prefrontal.experiments.experiment import Experiment, Outcome
from prefrontal.experiments.settings import Settings, TrainingConfig

TRIALS, EXAM, TASKS = 6, 20, 10
TOP = float(EXAM * TASKS)
STEPS = 4_050 * TASKS * (25 * TRIALS + EXAM)  # of the published run
SHORT = STEPS // 4  # of what is held against each other
GENERATION_ZERO = (44.0, 54.0)
BAR = 190.0
HELD_OUT = 0.9
PUBLISHED = 168.0  # our measurement of the published algorithm: re-tested, ± 13
FOUNDERS = 12  # populations of generation 0
SPEC = EnvironmentSpec(
    "prefrontal/HarlowPairs-v0",
    inputs=("reward", "action"),
    split="all",
    stages=({"trials": TRIALS}, {"trials": EXAM}),
)
RIVALS = ("lamarck", "darwin", "hyper-parameters", "random-search", "plain-rl", "published-short")
VECTORS: dict[str, Any] = {"objects": "vectors", "num_objects": 20, "held_out_objects": 10}


def measure(evaluation: Evaluation) -> Outcome:
    """Champions on fresh tasks; what explains them; where their ability lives."""
    findings: list[Finding] = []
    scores: dict[str, np.ndarray] = {}
    trials: dict[str, dict[str, np.ndarray]] = {}
    for condition in evaluation.conditions:
        if condition == "plain-rl":
            findings += _network(evaluation, condition, scores, trials)
        else:
            findings += _evolved(evaluation, condition, scores, trials)
    if "baldwin" in evaluation.conditions:
        findings = [_founders(evaluation), *findings, *_controls(evaluation, "baldwin")]
    if "published" in evaluation.conditions:
        findings += _controls(evaluation, "published")
    if "baldwin-short" in evaluation.conditions:
        findings += [
            Finding.of(f"probability that baldwin-short beats {other}",
                       probability_of_improvement(scores["baldwin-short"], scores[other]))
            for other in RIVALS if other in scores
        ]  # fmt: skip
    if {"baldwin", "published"} <= set(scores):
        beats = probability_of_improvement(scores["baldwin"], scores["published"])
        findings.append(Finding.of("probability that baldwin beats published", beats))
    if "vectors" in evaluation.conditions:
        findings += _held_out(evaluation, "vectors", "objects", scores["vectors"], {}, HELD_OUT)
    if "baldwin" in evaluation.conditions:
        digits = {"num_objects": 20, "held_out_objects": 10}
        findings += _held_out(evaluation, "baldwin", "digits, 10 to 19,", scores["baldwin"], digits)
    evolved = [c for c in evaluation.conditions if c != "plain-rl"]
    whole = [c for c in evolved if _steps(evaluation, c) >= STEPS]
    figures = evolution_figures(evaluation, whole, TOP)
    figures += evolution_figures(evaluation, [c for c in evolved if c not in whole], TOP, "_short")
    if evaluation.figures:
        shown: dict[str, Any] = {
            c: trials[c] for c in ("baldwin", "published", "plain-rl") if c in trials
        }
        if shown:
            path = evaluation.folder / "plasticity.png"
            figures.append(plasticity_curves(shown, path, break_after=25 * TRIALS))
        groups = {name: {"re-tested": values} for name, values in scores.items()}
        path = evaluation.folder / "champions.png"
        figures.append(
            bars_with_members(groups, path, "champion's fitness, fresh tasks", ylim=(-10, 205))
        )
    return Outcome(findings, figures)


def _founders(evaluation: Evaluation) -> Finding:
    """Newborns with random weights and the course's hyper-parameters."""
    algorithm = evaluation.settings["baldwin"].algorithm
    lifetimes = evaluation.populations["baldwin"].lifetimes()
    means = generation_zero(
        lifetimes,
        starting_hyper(algorithm, 1),
        evaluation.seed,
        FOUNDERS,
        algorithm.individuals,
        TASKS,
    )
    return Finding.of(
        "generation 0, mean fitness", interval(means), published=49.72, optimum=TOP, bar=GENERATION_ZERO,
        better="near", note=f"{FOUNDERS} populations of {algorithm.individuals}",
    )  # fmt: skip


def _evolved(
    evaluation: Evaluation,
    condition: str,
    scores: dict[str, np.ndarray],
    trials: dict[str, dict[str, np.ndarray]],
) -> list[Finding]:
    """A condition of evolution: its champions, the winner's curse, and what learning adds to them."""
    champions, algorithm = (
        evaluation.populations[condition],
        evaluation.settings[condition].algorithm,
    )
    lifetimes = champions.lifetimes()
    learns = algorithm.inheritance != "darwin"
    hyper = champions.hyper if learns else frozen(champions.hyper)
    weights = champions.genomes
    if algorithm.inheritance == "hyper-parameters":  # weights are random at every birth
        weights = strangers(lifetimes, evaluation.seed, len(champions), FRESH)
    score, right = live(lifetimes, weights, hyper, evaluation.seed)
    born, off = live(lifetimes, weights, frozen(hyper), evaluation.seed)
    again, recorded = tested_again(evaluation, condition, score)
    scores[condition] = again.scores
    bar = BAR if condition == "baldwin" else None
    published = PUBLISHED if condition == "published" else None
    findings = [
        Finding.of(f"champion, fresh tasks, {condition}", again.value, published=published, optimum=TOP, bar=bar),
        Finding.of(f"champion at birth, {condition}", interval(TASKS * born.mean(axis=1)), optimum=TOP),
    ]  # fmt: skip
    if np.isfinite(recorded).all():
        findings.append(
            Finding.of(f"winner's curse, {condition}", again.curse, better="lower", note="recorded - re-tested")
        )  # fmt: skip
    curves = evaluation.curves.get(condition, {})
    if learns and curves and condition in ("baldwin", "published", "lamarck"):
        share = innate_share(curves["before"][-10:].mean(0), curves["return"][-10:].mean(0))
        slope = np.nanmean(curves["heritability"], axis=0)
        findings += [
            Finding.of(f"share of fitness that is inborn, end of evolution, {condition}", interval(share)),
            Finding.of(f"heritability of fitness, {condition}", interval(slope), note="one life measured; all generations"),
        ]  # fmt: skip
    if condition in ("baldwin", "published", "vectors"):
        findings += _where(condition, right, off, trials)
    return findings


def _where(
    name: str, on: np.ndarray, off: np.ndarray, trials: dict[str, dict[str, np.ndarray]]
) -> list[Finding]:
    """Whether the ability is in the weights' learning or in the activations."""
    on, off = on.mean(axis=1), off.mean(axis=1)  # [M, steps]
    trials[name] = {"plasticity on": on.T, "plasticity off": off.T}
    split = plasticity(on[:, -EXAM:], off[:, -EXAM:])
    return [
        Finding.of(f"learned in the weights, {name}", interval(split.weights), note="accuracy on trial 1, learned - newborn"),
        Finding.of(f"learned in the activations, {name}", interval(split.activations), note="newborn, last 5 trials - first"),
    ]  # fmt: skip


def _network(
    evaluation: Evaluation,
    condition: str,
    scores: dict[str, np.ndarray],
    trials: dict[str, dict[str, np.ndarray]],
) -> list[Finding]:
    """Meta-reinforcement learning: the same lives, of networks that nobody evolved."""
    population = evaluation.populations[condition]
    base = EvolutionConfig()
    spec = replace(population.environment, stages=SPEC.stages)
    lifetimes = lives_of_network(spec, base.lifetime, population.network.hidden_size)
    weights = imported(lifetimes.net, population.model.parameters)
    hyper = starting_hyper(base, len(population))
    plastic, right = live(lifetimes, weights, hyper, evaluation.seed)
    still, off = live(lifetimes, weights, frozen(hyper), evaluation.seed)
    scores[condition] = TASKS * still.mean(axis=1)
    return [
        Finding.of(f"fresh tasks, no gradient steps, {condition}", interval(scores[condition]), optimum=190.0,
                   note="optimum of a learner in activations"),
        Finding.of(f"fresh tasks, the course's gradient steps, {condition}", interval(TASKS * plastic.mean(axis=1)),
                   optimum=TOP),
        *_where(condition, right, off, trials),
    ]  # fmt: skip


def _steps(evaluation: Evaluation, condition: str) -> int:
    """Environment steps that a condition was given."""
    return evaluation.settings[condition].training.total_steps


def _controls(evaluation: Evaluation, condition: str) -> list[Finding]:
    """What the evolved hyper-parameters, and the evolved weights, are worth alone."""
    champions = evaluation.populations[condition]
    lifetimes: Lifetimes = champions.lifetimes()
    members = len(champions)
    start = starting_hyper(evaluation.settings[condition].algorithm, members)
    random = strangers(lifetimes, evaluation.seed, members, FRESH)
    alone, _ = live(lifetimes, random, champions.hyper, evaluation.seed)
    weights, _ = live(lifetimes, champions.genomes, start, evaluation.seed)
    return [
        Finding.of(f"random weights, evolved hyper-parameters, {condition}", interval(TASKS * alone.mean(axis=1)),
                   published=(112.0, 145.0), optimum=TOP),
        Finding.of(f"evolved weights, the course's hyper-parameters, {condition}", interval(TASKS * weights.mean(axis=1)),
                   published=(96.0, 139.0), optimum=TOP),
    ]  # fmt: skip


def _held_out(
    evaluation: Evaluation,
    condition: str,
    what: str,
    within: np.ndarray,
    kwargs: dict[str, Any],
    bar: float | None = None,
) -> list[Finding]:
    """Champions on objects that were never seen in evolution, as a fraction of their score on those that were."""
    champions = evaluation.populations[condition]
    spec = unseen(champions.environment, **kwargs)
    lifetimes = Lifetimes(spec, champions.lifetime, champions.network.hidden_size)
    score, _ = live(lifetimes, champions.genomes, champions.hyper, evaluation.seed)
    outside = TASKS * score.mean(axis=1)
    return [
        Finding.of(f"champion, {what} never seen, {condition}", interval(outside), optimum=TOP),
        Finding.of(f"{what} never seen / seen, {condition}", interval(outside / within), optimum=1.0, bar=bar),
    ]  # fmt: skip


def _condition(algorithm: Any, spec: EnvironmentSpec = SPEC, steps: int = SHORT) -> Settings:
    return Settings(spec, NetworkConfig(hidden_size=20), algorithm, TrainingConfig(1, 1, steps))


def _evolution(**given: Any) -> EvolutionConfig:
    return EvolutionConfig(weight_scale=0.15, hyper_scale=0.4, **given)


EXPERIMENT = Experiment(
    name="course-baldwin-harlow",
    summary="The Baldwin effect: what evolves is the ability to learn which object is good",
    reference="NeuroAI course (Neuromatch), W2D4 tutorial 4; Fernando et al. 2018, arXiv 1806.07917",
    conditions={
        "baldwin": _condition(_evolution(), steps=STEPS),
        "published": _condition(PublishedConfig(), steps=STEPS),
        "baldwin-short": _condition(_evolution()),
        "lamarck": _condition(_evolution(inheritance="lamarck")),
        "darwin": _condition(_evolution(inheritance="darwin")),
        "hyper-parameters": _condition(_evolution(inheritance="hyper-parameters")),
        "random-search": _condition(_evolution(inheritance="random-search")),
        "plain-rl": Settings(
            replace(SPEC, stages=(), kwargs={"trials": TRIALS}),
            NetworkConfig(hidden_size=20),
            A2CConfig(learning_rate=1e-2, discount=0.8, entropy_coef=0.05),
            TrainingConfig(1, 128, SHORT),
        ),
        "published-short": _condition(PublishedConfig()),
        "vectors": _condition(_evolution(), replace(SPEC, split="train", kwargs=VECTORS)),
    },
    measure=measure,
)

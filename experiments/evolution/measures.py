"""What experiments on evolution around learning share: champions on fresh tasks, and figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.evolution.config import HYPER, EvolutionConfig
from prefrontal.analysis.choice.evolution import plasticity, retest
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.settings import expect

if TYPE_CHECKING:
    from torch import Tensor

    from prefrontal.agents.evolution.lifetimes import Lifetimes

FRESH = 300  # tasks that a champion is tested on again
CURVE = 60  # points of curves over generations


def task_seeds(seed: int, member: int, count: int) -> list[int]:
    """Return seeds of tasks that no evolution has met; the same for all conditions, not members."""
    words = np.random.SeedSequence([seed, member, 0x1EA51]).generate_state(count, np.uint64)
    return [int(word >> np.uint64(2)) for word in words]


def live(
    lifetimes: Lifetimes,
    weights: Tensor,
    hyper: Tensor,
    seed: int,
    tasks: int = FRESH,
    split: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Let every member live on fresh tasks.

    Args:
        lifetimes: Lives in which environment.
        weights: Initial weights, one row a member ``[M, n]`` or one a life ``[M, tasks, n]``.
        hyper: Hyper-parameters ``[M, 4]``.
        seed: Seed of the tasks.
        tasks: Tasks of each member.
        split: Split in place of the environment's.

    Returns:
        Score ``[M, tasks]``, and whether each choice was right ``[M, tasks, steps]``.
    """
    members = len(hyper)
    if weights.ndim == 2:
        weights = weights[:, None].expand(-1, tasks, -1)
    seeds = [s for member in range(members) for s in task_seeds(seed, member, tasks)]
    shape, hyper = (members, tasks), hyper.repeat_interleave(tasks, 0)
    lives = lifetimes.live(weights.flatten(0, 1), hyper, seeds, split=split)
    return lives.score.view(shape).double().numpy(), lives.correct.view(*shape, -1).numpy()


def frozen(hyper: Tensor) -> Tensor:
    """Return hyper-parameters with plasticity off: all trials are played, nothing is learned."""
    still = hyper.clone()
    still[:, HYPER.index("learning_rate")] = 0.0
    return still


def starting_hyper(algorithm: Any, members: int) -> Tensor:
    """Return the hyper-parameters that evolution starts from ``[M, 4]``."""
    import torch

    return torch.tensor([[float(getattr(algorithm, name)) for name in HYPER]] * members)


def random_weights(lifetimes: Lifetimes, seed: int, members: int, count: int) -> Tensor:
    """Return random initial weights, others for every life ``[M, count, n]``."""
    import torch

    from prefrontal.agents.common.seeding import generator

    generators = [generator(seed, member, "weights") for member in range(members)]
    return torch.stack([lifetimes.net.initial(count, g) for g in generators])


def generation_zero(
    lifetimes: Lifetimes, hyper: Tensor, seed: int, populations: int, individuals: int, tasks: int
) -> np.ndarray:
    """Return the mean fitness of populations with random weights ``[populations]``."""
    weights = random_weights(lifetimes, seed + 1, populations, individuals)
    weights = weights.repeat_interleave(tasks, 1)
    hyper = hyper[:1].expand(populations, -1)
    score, _ = live(lifetimes, weights, hyper, seed, individuals * tasks)
    return np.asarray(tasks * score.mean(axis=1))


class Lived:
    """What M members achieve on K fresh tasks with plasticity on (they learn) and off.

    The arguments are those of `live`, and the condition's name.

    Attributes:
        score: Reward of the test after a life of learning ``[M, K]``.
        born: Reward of the same test without learning ``[M, K]``.
        curves: Fraction of right choices at every step of a life ``[S, M]``, plasticity on and off.
    """

    def __init__(
        self, name: str, lifetimes: Lifetimes, weights: Tensor, hyper: Tensor, seed: int
    ) -> None:
        self.name, self._exam = name, int(lifetimes.test.steps)
        self.score, on = live(lifetimes, weights, hyper, seed)
        self.born, off = live(lifetimes, weights, frozen(hyper), seed)
        self.curves = {"plasticity on": on.mean(1).T, "plasticity off": off.mean(1).T}

    def where(self) -> list[Finding]:
        """Return whether the ability is in the weights' learning or in the activations."""
        split = plasticity(*(curve[-self._exam :].T for curve in self.curves.values()))
        weights, activations = interval(split.weights), interval(split.activations)
        name, note = (
            f"learned in the weights, {self.name}",
            "accuracy on trial 1, learned - initial",
        )
        found = [Finding.of(name, weights, note=note)]
        name, note = f"learned in the activations, {self.name}", "initial, last 5 trials - first"
        return [*found, Finding.of(name, activations, note=note)]


class Champions:
    """Champions of a condition, on fresh tasks.

    Attributes:
        lifetimes: Lives that they evolved for.
        weights: Their initial weights (random ones, if only hyper-parameters evolved), see `live`.
        hyper: Their hyper-parameters ``[M, 4]``.
        lived: What they achieve.
        tasks: Tasks that fitness is the sum of.
        again: Fitness on fresh tasks, against what selection had recorded.
    """

    def __init__(self, evaluation: Evaluation, condition: str) -> None:
        champions, seed = evaluation.populations[condition], evaluation.seed
        algorithm = expect(evaluation.settings[condition].algorithm, EvolutionConfig)
        self.lifetimes, self.tasks = champions.lifetimes(), algorithm.tasks
        learn = algorithm.inheritance != "darwin"
        self.hyper = champions.hyper if learn else frozen(champions.hyper)
        self.weights = champions.genomes
        if algorithm.inheritance == "hyper-parameters":  # weights are random at every birth
            self.weights = random_weights(self.lifetimes, seed, len(champions), FRESH)
        self.lived = Lived(condition, self.lifetimes, self.weights, self.hyper, seed)
        curves, score = evaluation.curves.get(condition, {}), self.lived.score
        fitness = curves["best"][-1] if curves else np.full(len(score), np.nan)
        self._recorded = bool(np.isfinite(fitness).all())
        known = np.where(np.isnan(fitness), self.tasks * score.mean(axis=1), fitness)
        self.again = retest(score, known, self.tasks)

    def findings(self, birth_optimum: float, **fields: Any) -> list[Finding]:
        """Return fitness on fresh tasks (with `fields`), at birth, and the winner's curse.

        `birth_optimum` is the best fitness that there can be without learning.
        """
        name, born = self.lived.name, interval(self.tasks * self.lived.born.mean(axis=1))
        found = [
            Finding.of(f"champion, fresh tasks, {name}", self.again.value, **fields),
            Finding.of(f"champion at birth, {name}", born, optimum=birth_optimum),
        ]
        if self._recorded:
            note, curse = "recorded - re-tested", self.again.curse
            found.append(Finding.of(f"winner's curse, {name}", curse, better="lower", note=note))
        return found


def evolution_figures(
    evaluation: Evaluation, conditions: Iterable[str], top: float, ending: str = ""
) -> list[Path]:
    """Draw fitness before and after learning, and genes, over the environment steps of evolution.

    The conditions have about the same number of steps; `top` is the largest fitness there can be,
    `ending` ends the files' names.
    """
    curves = {c: evaluation.curves[c] for c in conditions if evaluation.curves.get(c)}
    if not curves or not evaluation.figures:
        return []
    from prefrontal.analysis.figures.evolution import fitness_by_generation, gene_curves

    taken = [table["steps"] for table in curves.values()]
    steps = np.linspace(max(t.min() for t in taken), min(t.max() for t in taken), CURVE)

    def on_steps(condition: str, name: str) -> np.ndarray:
        """Interpolate a column of the curves, ``[CURVE, M]``."""
        table = curves[condition]
        columns = zip(table["steps"].T, table[name].T, strict=True)
        return np.stack([np.interp(steps, x, y) for x, y in columns], axis=1)

    fitness = {
        c: {"after learning": on_steps(c, "return"), "before learning": on_steps(c, "before")}
        for c in curves
    }
    labels = {gene: gene.replace("_coef", " weight").replace("_", " ") for gene in HYPER}
    genes = {
        label: {c: on_steps(c, f"{gene}_gene") for c in curves if c != "darwin"}
        for gene, label in labels.items()
    }
    first = evaluation.settings[next(iter(curves))].algorithm
    start = {label: float(getattr(first, gene)) for gene, label in labels.items()}
    logarithmic = [name for name in genes if name != "discount"]
    millions, label = steps / 1e6, "environment steps (millions)"
    path, what = evaluation.folder / f"fitness{ending}.png", "mean fitness of the population"
    best, limits = {"best possible": top}, (-0.1 * top, 1.05 * top)
    drawn = evaluation.folder / f"genes{ending}.png"
    return [
        fitness_by_generation(millions, fitness, path, what, best, limits, label),
        gene_curves(millions, genes, drawn, logarithmic, start, xlabel=label),
    ]

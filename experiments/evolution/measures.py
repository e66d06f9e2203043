"""What experiments on evolution around learning have in common: lives of champions, what explains them, and their figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.seeding import generator
from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.evolution.lifetimes import HYPER, LifetimeConfig, Lifetimes, Lives
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.analysis.choice.evolution import Retest, retest
from prefrontal.analysis.figures.evolution import fitness_by_generation, gene_curves
from prefrontal.experiments.evaluation import Evaluation

FRESH = 300  # tasks that a champion is tested on again
CURVE = 60  # points of curves over generations


def task_seeds(seed: int, member: int, count: int) -> list[int]:
    """Seeds of tasks that no evolution has met; the same for every condition, others for every member."""
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
    """Lets every member live on fresh tasks.

    Args:
        lifetimes: Of which environment.
        weights: Newborn weights, one row a member ``[M, n]`` or one a life ``[M, tasks, n]``.
        hyper: Hyper-parameters ``[M, 4]``.
        seed: Of the tasks.
        tasks: How many.
        split: In place of the environment's.

    Returns:
        Score ``[M, tasks]``, and whether each choice was right ``[M, tasks, steps]``.
    """
    members = len(hyper)
    if weights.ndim == 2:
        weights = weights[:, None].expand(-1, tasks, -1)
    seeds = [s for member in range(members) for s in task_seeds(seed, member, tasks)]
    lives: Lives = lifetimes.live(
        weights.flatten(0, 1), hyper.repeat_interleave(tasks, 0), seeds, split=split
    )
    shape = (members, tasks)
    return lives.score.view(shape).double().numpy(), lives.correct.view(*shape, -1).numpy()


def frozen(hyper: Tensor) -> Tensor:
    """The same hyper-parameters with plasticity off: all trials are played, and nothing is learned."""
    still = hyper.clone()
    still[:, HYPER.index("learning_rate")] = 0.0
    return still


def starting_hyper(algorithm: Any, members: int) -> Tensor:
    """Hyper-parameters that evolution started from ``[M, 4]``."""
    return torch.tensor([[float(getattr(algorithm, name)) for name in HYPER]] * members)


def strangers(lifetimes: Lifetimes, seed: int, members: int, count: int) -> Tensor:
    """Newborns with random weights, others for every life ``[M, count, n]``."""
    drawn = [
        lifetimes.net.initial(count, generator(seed, member, "weights"))
        for member in range(members)
    ]
    return torch.stack(drawn)


def generation_zero(
    lifetimes: Lifetimes, hyper: Tensor, seed: int, populations: int, individuals: int, tasks: int
) -> np.ndarray:
    """Mean fitness of populations of newborns with random weights ``[populations]``."""
    lives = individuals * tasks
    weights = strangers(lifetimes, seed + 1, populations, individuals)
    newborn = weights.repeat_interleave(tasks, 1)
    score, _ = live(lifetimes, newborn, hyper[:1].expand(populations, -1), seed, lives)
    return np.asarray(tasks * score.mean(axis=1))


def imported(net: LifetimeNet, weights: Tensor) -> Tensor:
    """Parameters of `prefrontal.agents.networks.actor_critic.ActorCritic` (LSTM, shared layout) as weights of a lifetime without embedding.

    The inverse of `LifetimeNet.exported`; the bias goes to the first of the two.
    """
    hidden, actions, width = net.hidden, net.actions, net.inputs + net.hidden + 1
    core, heads = weights.split([4 * hidden * width, weights.shape[1] - 4 * hidden * width], dim=1)
    rows = core.unflatten(1, (4 * hidden, width)).transpose(1, 2)
    matrix, bias = rows[:, :-1].flatten(1), rows[:, -1]
    policy, value = heads.unflatten(1, (actions + 1, hidden + 1)).split([actions, 1], dim=1)
    parts = [
        matrix, bias, torch.zeros_like(bias), value[:, 0],
        policy[:, :, :-1].transpose(1, 2).flatten(1), policy[:, :, -1],
    ]  # fmt: skip
    return torch.cat(parts, dim=1)


def lives_of_network(spec: EnvironmentSpec, config: LifetimeConfig, hidden: int) -> Lifetimes:
    """Lives of networks that were trained without an embedding, on the same tasks."""
    return Lifetimes(spec, replace(config, embedding_size=0), hidden)


def unseen(spec: EnvironmentSpec, **kwargs: Any) -> EnvironmentSpec:
    """The same environment with other objects to hold out, of which all tasks are made."""
    return replace(spec, kwargs=spec.kwargs | kwargs, split="held_out")


def tested_again(
    evaluation: Evaluation, condition: str, score: np.ndarray
) -> tuple[Retest, np.ndarray]:
    """Champions on fresh tasks against what selection had recorded of them.

    Args:
        evaluation: Holds the run.
        condition: Which.
        score: On fresh tasks ``[M, tasks]``.

    Returns:
        The re-test, and the recorded fitness ``[M]`` (NaN where the run has no curves).
    """
    tasks = evaluation.settings[condition].algorithm.tasks
    curves = evaluation.curves.get(condition, {})
    recorded = curves["best"][-1] if curves else np.full(len(score), np.nan)
    known = np.where(np.isnan(recorded), tasks * score.mean(axis=1), recorded)
    return retest(score, known, tasks), recorded


def evolution_figures(
    evaluation: Evaluation, conditions: Iterable[str], top: float, ending: str = ""
) -> list[Path]:
    """Fitness before and after learning, and genes, over the environment steps of evolution.

    Args:
        evaluation: Holds the curves.
        conditions: Of about the same number of steps.
        top: Largest fitness there can be.
        ending: Of the names of the files.
    """
    curves = {c: evaluation.curves[c] for c in conditions if evaluation.curves.get(c)}
    if not curves or not evaluation.figures:
        return []
    ends = [c["steps"].max() for c in curves.values()]
    steps = np.linspace(max(c["steps"].min() for c in curves.values()), min(ends), CURVE)

    def on_steps(condition: str, name: str) -> np.ndarray:
        table = curves[condition]
        return np.stack(
            [np.interp(steps, x, y) for x, y in zip(table["steps"].T, table[name].T, strict=True)],
            axis=1,
        )

    fitness = {
        c: {"after learning": on_steps(c, "return"), "before learning": on_steps(c, "before")}
        for c in curves
    }
    genes: dict[str, dict[str, np.ndarray]] = {
        gene.replace("_coef", " weight").replace("_", " "): {
            c: on_steps(c, f"{gene}_gene") for c in curves if c != "darwin"
        }
        for gene in HYPER
    }
    first = next(iter(curves))
    start: Mapping[str, float] = {
        gene.replace("_coef", " weight").replace("_", " "): float(
            getattr(evaluation.settings[first].algorithm, gene)
        )
        for gene in HYPER
    }
    millions, label = steps / 1e6, "environment steps (millions)"
    return [
        fitness_by_generation(
            millions, fitness, evaluation.folder / f"fitness{ending}.png", "mean fitness of the population",
            {"best possible": top}, (-0.1 * top, 1.05 * top), label,
        ),
        gene_curves(
            millions, genes, evaluation.folder / f"genes{ending}.png",
            [name for name in genes if name != "discount"], start, xlabel=label,
        ),
    ]  # fmt: skip

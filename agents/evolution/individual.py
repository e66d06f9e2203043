"""Individuals: a genome and what its measurements tell of it, and who of a population is the champion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from deap import base

from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.evolution.genome import Genome

__all__ = ["Individual", "champion"]


class _Fitness(base.Fitness):
    weights = (1.0,)


class Individual:
    """A genome and what is known of it.

    Args:
        genome: Its genes.
        scores: Number, sum and sum of squares of its scores, task by task.
        parents: Fitness of its parents, if it has any.
    """

    def __init__(
        self, genome: Genome, scores: Sequence[float] = (0, 0, 0), parents: float | None = None
    ) -> None:
        self.genome, self.parents = genome, parents
        self.count, self.sum, self.squares = scores
        self.fitness = _Fitness()

    def measured(self, scores: np.ndarray, tasks: int, caution: float) -> None:
        """Takes the scores of a generation's tasks, and sets the fitness: in units of the sum over `tasks` tasks."""
        self.count += len(scores)
        self.sum += float(np.sum(scores))
        self.squares += float(np.square(scores).sum())
        self.judge(tasks, caution)

    @property
    def spread(self) -> float:
        """Variance of its scores from task to task."""
        return max(self.squares - self.sum**2 / max(self.count, 1), 0.0) / max(self.count - 1, 1)

    def judge(self, tasks: int, caution: float) -> None:
        """Sets the fitness from what is known."""
        if self.count:
            error = (self.spread / self.count) ** 0.5
            self.fitness.values = (tasks * (self.sum / self.count - caution * error),)

    def mean(self, tasks: int) -> float:
        """Mean of all measurements, in units of the sum over `tasks` tasks."""
        return tasks * self.sum / max(self.count, 1)


def champion(people: Sequence[Individual], config: EvolutionConfig) -> Individual:
    """The best of a population by the mean of its measurements, less what luck may have added to it."""
    variance = sum(one.spread for one in people) / len(people)

    def cautious(one: Individual) -> float:
        return (
            one.sum / max(one.count, 1)
            - config.champion_caution * (variance / max(one.count, 1)) ** 0.5
        )

    return max(people, key=cautious)

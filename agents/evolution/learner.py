"""Evolution around learning: a genetic algorithm whose fitness is what a life of learning achieves.

A member is one independent evolutionary run. An update is one generation of every run: parents are
selected, children are made by crossover and mutation, children and the best survivors live on tasks
common to all of their generation, and the population is renewed. Survivors that are measured again
keep the mean of all their measurements, so that nobody stays for a lucky score, and the champion is
the best by that mean less two standard errors. DEAP provides fitness and toolbox; operators are our
own (`prefrontal.agents.evolution.genome`), because DEAP's draw from Python's global generator and
take slices of arrays for copies.

What is inherited decides what evolves: see `prefrontal.agents.evolution.config`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from deap import base
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.memory import require_training
from prefrontal.agents.common.pool import make_pool
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.evolution.config import HYPER, EvolutionConfig
from prefrontal.agents.evolution.genome import (
    Bounds,
    Genome,
    Individual,
    champion,
    crossover,
    initial_genome,
    mutate,
    random_genome,
)
from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.networks.parts import require_flat
from prefrontal.agents.networks.vectorised import without_memory

_PART = 16  # individuals that a worker is given at once


def check(job: Job) -> str:
    """Check that a job can be trained, see `lifetimes_of`; there is nothing to say of it.

    Raises:
        ConfigError: It cannot, or not in the memory there is.
    """
    config, facts = cast(EvolutionConfig, job.algorithm), job.facts
    require_flat("evolution", facts.parts, job.network)
    sizes = facts.input_size, facts.num_actions, job.network, config.embedding_units
    size = without_memory(lambda: LifetimeNet(*sizes)).size
    population = size * (config.individuals + config.offspring)
    lessons = config.learning_updates * config.learning_episodes + 1
    played = config.tasks * lessons * facts.longest
    require_training(job.members, size, population + played, job.snapshots)
    lifetimes_of(job)
    return ""


def updates(job: Job) -> float:
    """Return the generations within the environment steps of a job."""
    config, lives = cast(EvolutionConfig, job.algorithm), lifetimes_of(job)
    steps = int(lives.test.steps) if config.inheritance == "darwin" else lives.steps
    first, each = config.individuals, config.offspring + config.remeasured
    return 1 + max(0.0, job.total_steps / (config.tasks * steps) - first) / each


def lifetimes_of(job: Job) -> Lifetimes:
    """Return the lives of a job.

    Raises:
        ConfigError: If the environment or the network is none that lifetimes have, or
            ``num_envs`` is not 1.
    """
    if job.num_envs != 1:
        raise ConfigError(
            f"evolution plays `tasks` lives side by side: num_envs must be 1, not {job.num_envs}"
        )
    network = job.network
    if (network.layout, network.actor_reward) != ("shared", "reward"):
        raise ConfigError('lifetimes need layout "shared" and actor_reward "reward"')
    if network.embedding_size:
        raise ConfigError("evolution has --embedding-units: leave --embedding-size at 0")
    return Lifetimes(job.environment, cast(EvolutionConfig, job.algorithm).lifetime, network)


class Evolution:
    """P evolutionary runs side by side; see the module.

    Attributes:
        populations: Individuals of each run.
        steps: Environment steps so far ``[P]``.

    Raises:
        ConfigError: See `lifetimes_of`.
    """

    def __init__(self, job: Job, members: Sequence[int]) -> None:
        self.job, self.members = job, list(members)
        self.config = config = cast(EvolutionConfig, job.algorithm)
        self.lifetimes = lifetimes_of(job)
        self.pool = make_pool(partial(_live, self.lifetimes), job.workers, job.ray_address)
        self.toolbox = base.Toolbox()
        self.toolbox.register("map", self.pool.map)
        self.toolbox.register("mate", crossover, net=self.lifetimes.net)
        self.toolbox.register("mutate", mutate, bounds=Bounds.of(config))
        self.generators = [generator(job.seed, member, "evolution") for member in self.members]
        self.populations = [self._initial(g) for g in self.generators]
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)

    def close(self) -> None:
        """End the workers."""
        self.pool.close()

    def update(self) -> dict[str, Tensor]:
        """Evolve one generation of every run; return metrics ``[P]``."""
        config, streams = self.config, self.generators
        plans = [self._plan(p, g) for p, g in zip(self.populations, streams, strict=True)]
        seeds = [torch.randint(2**62, (config.tasks,), generator=g).tolist() for g in streams]
        learning = config.inheritance != "darwin"
        after = self._measure(plans, seeds, learning)
        before = self._measure(plans, seeds, False) if learning else after
        rows = []
        for member, (living, survivors) in enumerate(plans):
            for individual, (scores, learned) in zip(living, after[member], strict=True):
                individual.measured(scores, config.tasks, config.caution)
                if config.inheritance == "lamarck":
                    old = individual.genome
                    individual.genome = Genome(torch.from_numpy(learned), old.hyper, old.scales)
            measured = {id(individual) for individual in living}
            self.populations[member] = [s for s in survivors if id(s) not in measured] + living
            born = sum(scores.sum() for scores, _ in before[member]) / len(living)
            rows.append(self._metrics(self.populations[member], living, float(born)))
        each = self.lifetimes.steps if learning else int(self.lifetimes.test.steps)
        self.steps += config.tasks * each * torch.tensor([len(living) for living, _ in plans])
        table = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64)
        return dict(zip(rows[0], table.unbind(1), strict=True))

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly, and the champions."""
        individuals = [individual for run in self.populations for individual in run]
        size = (len(self.members), self.config.individuals)
        genomes = [individual.genome for individual in individuals]
        known = [
            (i.count, i.sum, i.squares, float("nan") if i.parents is None else i.parents)
            for i in individuals
        ]
        champions = [champion(run, self.config).genome for run in self.populations]
        weights = torch.stack([c.weights for c in champions])
        return {
            "weights": self.lifetimes.net.exported(weights),
            "champion": torch.cat([weights, torch.stack([c.hyper for c in champions])], 1),
            "steps": self.steps.clone(),
            "genomes": torch.stack([g.weights for g in genomes]).unflatten(0, size),
            "hyper": torch.stack([g.hyper for g in genomes]).unflatten(0, size),
            "scales": torch.stack([g.scales for g in genomes]).unflatten(0, size),
            "scores": torch.tensor(known, dtype=torch.float64).unflatten(0, size),
            "generator": generator_states(self.generators),
        }

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.steps = state["steps"].clone()
        set_generator_states(self.generators, state["generator"])
        self.populations = []
        for run in range(len(self.members)):
            parts = (state[name][run].unbind(0) for name in ("genomes", "hyper", "scales"))
            individuals = []
            for weights, hyper, scales, known in zip(*parts, state["scores"][run], strict=True):
                *scores, parents = known.tolist()
                genome = Genome(weights.clone(), hyper.clone(), scales.clone())
                one = Individual(genome, scores, None if parents != parents else parents)
                one.judge(self.config.tasks, self.config.caution)
                individuals.append(one)
            self.populations.append(individuals)

    # GENERATION

    def _initial(self, g: torch.Generator) -> list[Individual]:
        """Return generation 0."""
        make = random_genome if self.config.inheritance == "random-search" else initial_genome
        net, config = self.lifetimes.net, self.config
        return [Individual(make(net, config, g)) for _ in range(config.individuals)]

    def _plan(
        self, population: list[Individual], g: torch.Generator
    ) -> tuple[list[Individual], list[Individual]]:
        """Return who lives (and is measured) in this generation, and who survives it."""
        config = self.config
        if not population[0].count:  # generation 0
            return population, []
        ranked = sorted(population, key=lambda i: i.fitness, reverse=True)
        survivors = ranked[: config.individuals - config.offspring]
        children = [self._child(ranked, g) for _ in range(config.offspring)]
        return survivors[: config.remeasured] + children, survivors

    def _child(self, ranked: list[Individual], g: torch.Generator) -> Individual:
        config = self.config
        if config.inheritance == "random-search":
            return Individual(random_genome(self.lifetimes.net, config, g))
        mother, father = (ranked[self._parent(len(ranked), g)] for _ in range(2))
        genome = self.toolbox.mate(mother.genome, father.genome, generator=g)
        genome = self.toolbox.mutate(genome, generator=g)
        mean = (mother.mean(config.tasks) + father.mean(config.tasks)) / 2
        return Individual(genome, parents=mean)

    def _parent(self, count: int, g: torch.Generator) -> int:
        """Return the rank of a parent."""
        if self.config.selection == "truncation":
            return int(torch.randint(self.config.truncation, (), generator=g))
        return int(torch.randperm(count, generator=g)[: self.config.tournament].min())

    # MEASUREMENT

    def _measure(
        self, plans: list[Any], seeds: list[list[int]], learning: bool
    ) -> list[list[tuple[np.ndarray, np.ndarray | None]]]:
        """Return scores task by task, and mean learned weights, of everyone who lives."""
        work, keep = [], learning and self.config.inheritance == "lamarck"
        for (living, _), tasks, g in zip(plans, seeds, self.generators, strict=True):
            if self.config.inheritance == "hyper-parameters" and learning:
                for individual in living:
                    old = individual.genome
                    weights = self.lifetimes.net.initial(1, g)[0]
                    individual.genome = Genome(weights, old.hyper, old.scales)
            for individual in living:
                genome = individual.genome
                work.append((genome.weights.numpy(), genome.hyper.numpy(), tasks, learning, keep))
        # The size of a part never depends on the number of workers: results must not either.
        parts = [work[i : i + _PART] for i in range(0, len(work), _PART)]
        answers = iter([one for part in self.toolbox.map(parts) for one in part])
        return [[next(answers) for _ in living] for living, _ in plans]

    def _metrics(
        self, population: list[Individual], living: list[Individual], before: float
    ) -> dict[str, float]:
        tasks = self.config.tasks
        genes = torch.stack([i.genome.hyper for i in population]).double()
        weights = torch.stack([i.genome.weights for i in population]).double()
        scales = torch.stack([i.genome.scales for i in population]).double().log().mean(0).exp()
        best = champion(population, self.config)
        row = {
            "return": float(np.mean([i.mean(tasks) for i in population])),
            "best": best.mean(tasks),
            "before": before,
            "diversity": float((2 * weights.var(0).mean()).sqrt()),
            "weight_scale": float(scales[0]),
            "hyper_scale": float(scales[1]),
            "heritability": _slope(
                [(i.parents, i.mean(tasks)) for i in living if i.parents is not None]
            ),
        }
        for column, name in enumerate(HYPER):
            row[f"{name}_gene"] = float(genes[:, column].mean())
            row[f"{name}_champion"] = float(best.genome.hyper[column])
        return row


#: Makes a learner for some members of a job, see `prefrontal.agents.registry`.
make_learner = Evolution


def _slope(pairs: list[tuple[float, float]]) -> float:
    """Return the regression slope of children on their parents' mean; NaN where not defined."""
    if len(pairs) < 3:
        return float("nan")
    parents, children = np.array(pairs).T
    covariance = ((parents - parents.mean()) * (children - children.mean())).mean()
    return float(covariance / parents.var()) if parents.var() else float("nan")


def _live(lifetimes: Lifetimes, part: list[Any]) -> list[Any]:
    """Let some individuals live, each on every task: what workers do."""
    weights, hyper, seeds, learning, keep = zip(*part, strict=True)
    tasks = len(seeds[0])
    lives = lifetimes.live(
        torch.from_numpy(np.stack(weights)).repeat_interleave(tasks, 0),
        torch.from_numpy(np.stack(hyper)).repeat_interleave(tasks, 0),
        [seed for of_one in seeds for seed in of_one],
        learning=learning[0],
        keep_weights=keep[0],
    )
    scores = lives.score.view(-1, tasks).numpy()
    if lives.weights is None:
        return [(of_one, None) for of_one in scores]
    learned = lives.weights.view(len(part), tasks, -1).mean(1).numpy()
    return list(zip(scores, learned, strict=True))

"""Evolution around learning: a genetic algorithm whose fitness is what an individual achieves after a life of learning.

A member is one independent evolutionary run. An update is one generation of every run: parents are selected, children are
made by crossover and mutation, children and the best survivors live on tasks common to all of their generation, and the
population is renewed. Survivors that are measured again keep the mean of all their measurements, so that nobody stays for a
lucky score, and the champion is who is best by that mean less two standard errors. DEAP provides fitness, toolbox, hall of
fame and logbook; operators are `prefrontal.agents.evolution.genome`'s, because DEAP's own draw from Python's global generator and take slices of
arrays for copies.

What is inherited decides what evolves: see `prefrontal.agents.evolution.config`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from deap import base, tools
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.pool import make_pool
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.evolution.config import EvolutionConfig, lifetimes_of
from prefrontal.agents.evolution.genome import Genome, crossover, mutate, newborn, stranger
from prefrontal.agents.evolution.individual import Individual, champion
from prefrontal.agents.evolution.lifetimes import HYPER, LifetimeConfig, Lifetimes

__all__ = ["Evolution", "EvolutionConfig"]

_PART = 16  # individuals that a worker is given at once


class Evolution:
    """P evolutionary runs side by side; see the module.

    Args:
        job: What to evolve on.
        config: The algorithm.
        members: Identities of the runs.

    Attributes:
        halls: Fittest individual of each run's present population (DEAP's hall of fame), for library users.
        logbook: Steps and best fitness by generation since this object was made (DEAP's logbook), likewise.

    Raises:
        ConfigError: If the environment or the network is none that lifetimes can have, or ``num_envs`` is not 1.
    """

    def __init__(self, job: Job, config: EvolutionConfig, members: Sequence[int]) -> None:
        if job.num_envs != 1:
            raise ConfigError("evolution plays `tasks` lives side by side: leave --num-envs at 1")
        self.job, self.config, self.members = job, config, list(members)
        self.lifetimes = lifetimes_of(job, config)
        self.pool = make_pool(job.workers, job.ray_address)
        self.toolbox = base.Toolbox()
        self.toolbox.register("map", self.pool.map)
        self.toolbox.register("live", _live, job, config)
        self.toolbox.register("mate", crossover, net=self.lifetimes.net)
        self.toolbox.register("mutate", mutate, bounds=config.bounds())
        self.generators = [generator(job.seed, member, "evolution") for member in self.members]
        self.populations = [self._founders(g) for g in self.generators]
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)
        self.halls = [tools.HallOfFame(1, similar=lambda a, b: a is b) for _ in self.members]
        self.logbook = tools.Logbook()

    def close(self) -> None:
        """Ends the workers."""
        self.pool.close()

    def update(self) -> dict[str, Tensor]:
        """One generation of every run; returns metrics ``[P]``."""
        config = self.config
        plans = [self._plan(p, g) for p, g in zip(self.populations, self.generators, strict=True)]
        seeds = [
            torch.randint(2**62, (config.tasks,), generator=g).tolist() for g in self.generators
        ]
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
            known = {id(individual) for individual in living}
            self.populations[member] = [s for s in survivors if id(s) not in known] + living
            self.halls[member].clear()
            self.halls[member].update(self.populations[member])
            born = sum(scores.sum() for scores, _ in before[member]) / len(living)
            rows.append(self._metrics(self.populations[member], living, float(born)))
        steps = self.lifetimes.steps if learning else int(self.lifetimes.test.steps)
        self.steps += torch.tensor([len(p[0]) for p in plans], dtype=torch.float64) * (
            config.tasks * steps
        )
        self.logbook.record(steps=self.steps.tolist(), best=[row["best"] for row in rows])
        return {
            name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]
        }

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly, and the champions."""
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
        """Restores what `state` returned."""
        self.steps = state["steps"].clone()
        set_generator_states(self.generators, state["generator"])
        self.populations = []
        for run in range(len(self.members)):
            parts = (state[name][run].unbind(0) for name in ("genomes", "hyper", "scales"))
            people = []
            for weights, hyper, scales, known in zip(*parts, state["scores"][run], strict=True):
                *scores, parents = known.tolist()
                genome = Genome(weights.clone(), hyper.clone(), scales.clone())
                one = Individual(genome, scores, None if parents != parents else parents)
                one.judge(self.config.tasks, self.config.caution)
                people.append(one)
            self.populations.append(people)

    # GENERATION

    def _founders(self, g: torch.Generator) -> list[Individual]:
        config, net = self.config, self.lifetimes.net
        hyper = torch.tensor([getattr(config, name) for name in HYPER])
        count = range(config.individuals)
        if config.inheritance == "random-search":
            return [Individual(self._stranger(g)) for _ in count]
        return [Individual(newborn(net, hyper, self._scales(), g)) for _ in count]

    def _plan(
        self, people: list[Individual], g: torch.Generator
    ) -> tuple[list[Individual], list[Individual]]:
        """Who lives in this generation (and is measured), and who survives it (some of them living again)."""
        config = self.config
        if not people[0].count:  # the founders
            return people, []
        ranked = sorted(people, key=lambda i: i.fitness, reverse=True)
        survivors = ranked[: config.individuals - config.offspring]
        children = [self._child(ranked, g) for _ in range(config.offspring)]
        return survivors[: config.remeasured] + children, survivors

    def _child(self, ranked: list[Individual], g: torch.Generator) -> Individual:
        config = self.config
        if config.inheritance == "random-search":
            return Individual(self._stranger(g))
        mother, father = (ranked[self._parent(len(ranked), g)] for _ in range(2))
        genome = self.toolbox.mate(mother.genome, father.genome, generator=g)
        genome = self.toolbox.mutate(genome, generator=g)
        mean = (mother.mean(config.tasks) + father.mean(config.tasks)) / 2
        return Individual(genome, parents=mean)

    def _parent(self, count: int, g: torch.Generator) -> int:
        """Rank of a parent."""
        if self.config.selection == "truncation":
            return int(torch.randint(self.config.truncation, (), generator=g))
        return int(torch.randperm(count, generator=g)[: self.config.tournament].min())

    def _scales(self) -> Tensor:
        return torch.tensor([self.config.weight_scale, self.config.hyper_scale])

    def _stranger(self, g: torch.Generator) -> Genome:
        return stranger(self.lifetimes.net, self.config.bounds(), self._scales(), g)

    # MEASUREMENT

    def _measure(
        self, plans: list[Any], seeds: list[list[int]], learning: bool
    ) -> list[list[tuple[np.ndarray, np.ndarray | None]]]:
        """Scores task by task, and mean learned weights, of everyone who lives."""
        work, keep = [], learning and self.config.inheritance == "lamarck"
        for (living, _), tasks, g in zip(plans, seeds, self.generators, strict=True):
            if self.config.inheritance == "hyper-parameters" and learning:
                for individual in living:
                    old = individual.genome
                    fresh = self.lifetimes.net.initial(1, g)[0]
                    individual.genome = Genome(fresh, old.hyper, old.scales)
            for individual in living:
                genome = individual.genome
                work.append((genome.weights.numpy(), genome.hyper.numpy(), tasks, learning, keep))
        size = _PART  # never of the number of workers: results must not depend on it
        parts = [work[i : i + size] for i in range(0, len(work), size)]
        done = [one for part in self.toolbox.map(self.toolbox.live, parts) for one in part]
        answers = iter(done)
        return [[next(answers) for _ in living] for living, _ in plans]

    def _metrics(
        self, people: list[Individual], living: list[Individual], before: float
    ) -> dict[str, float]:
        tasks = self.config.tasks
        genes = torch.stack([i.genome.hyper for i in people]).double()
        weights = torch.stack([i.genome.weights for i in people]).double()
        scales = torch.stack([i.genome.scales for i in people]).double().log().mean(0).exp()
        best = champion(people, self.config)
        row = {
            "return": float(np.mean([i.mean(tasks) for i in people])),
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


def _slope(pairs: list[tuple[float, float]]) -> float:
    """Regression slope of children on the mean of their parents; NaN where it is not defined."""
    if len(pairs) < 3:
        return float("nan")
    parents, children = np.array(pairs).T
    spread = parents.var()
    return (
        float(((parents - parents.mean()) * (children - children.mean())).mean() / spread)
        if spread
        else float("nan")
    )


def _live(job: Job, config: EvolutionConfig, part: list[Any]) -> list[Any]:
    """Lives of some individuals, each on every task: what workers do."""
    lifetimes = _cached(repr(job.environment), job.network.hidden_size, config.lifetime, job)
    tasks = [seed for _, _, seeds, _, _ in part for seed in seeds]
    count = len(part[0][2])
    weights = torch.from_numpy(np.stack([one[0] for one in part])).repeat_interleave(count, 0)
    hyper = torch.from_numpy(np.stack([one[1] for one in part])).repeat_interleave(count, 0)
    _, _, _, learning, keep = part[0]
    lives = lifetimes.live(weights, hyper, tasks, learning=learning, keep_weights=keep)
    scores = lives.score.view(-1, count).numpy()
    learned = (
        [None] * len(part)
        if lives.weights is None
        else lives.weights.view(len(part), count, -1).mean(1).numpy()
    )
    return list(zip(scores, learned, strict=True))


_CACHE: dict[Any, Lifetimes] = {}


def _cached(environment: str, hidden: int, config: LifetimeConfig, job: Job) -> Lifetimes:
    key = environment, hidden, config
    if key not in _CACHE:
        _CACHE.clear()
        _CACHE[key] = Lifetimes(job.environment, config, hidden)
    return _CACHE[key]

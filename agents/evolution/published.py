"""The genetic algorithm of the NeuroAI course (W2D4 tutorial 4), with its four published defects.

It serves as a comparison.

1. The weights of the value loss and of the entropy are clamped from the discount: every child has
   min(γ, .7) and .05.
2. A module that a child takes from its second parent is not copied. The child's mutation then
   changes the parent too, whose fitness stays what it was, and both (and whoever shares it later)
   go on changing together.
3. Fitness is one noisy measurement, made once and kept for life.
4. The five that are replaced are drawn at random, the best among them; five children of four
   parents are born a generation.

What is not a defect: 50 individuals, the 20 best may be parents, modules and hyper-parameters from
either parent with probability .5, Gaussian mutations of fixed size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.evolution.genome import Genome, Individual
from prefrontal.agents.evolution.learner import Evolution
from prefrontal.agents.evolution.learner import check as check  # as of any evolution

PARENTS = 4
WEIGHT_NOISE = 0.02
#: Standard deviation of the mutation, lowest and highest value of each hyper-parameter (`HYPER`).
HYPER_NOISE = (5e-5, 0.01, 0.05, 1e-3)
LOWEST, HIGHEST = (1e-4, 0.6, 0.1, 1e-4), (1e-2, 0.99, 0.7, 0.05)


class PublishedEvolution(Evolution):
    """Evolution as published.

    Attributes:
        shared: Of each run, by the individual's `id`: a number for the storage of each module; who
            shares a storage has the same number.
    """

    def __init__(self, job: Job, members: Sequence[int]) -> None:
        super().__init__(job, members)
        self.slices = list(self.lifetimes.net.modules.values())
        self.shared: list[dict[int, list[int]]] = []
        self._issued = 0
        for population in self.populations:
            self.shared.append({id(one): self._own() for one in population})

    def state(self) -> dict[str, Tensor]:
        """Return `Evolution.state` and who shares what, ``[P, individuals, modules]``."""
        owners = [
            [shared[id(one)] for one in population]
            for shared, population in zip(self.shared, self.populations, strict=True)
        ]
        return super().state() | {"owners": torch.tensor(owners, dtype=torch.int64)}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        super().set_state(state)
        self.shared = [
            dict(zip(map(id, population), owners.tolist(), strict=True))
            for population, owners in zip(self.populations, state["owners"], strict=True)
        ]
        self._issued = int(state["owners"].max()) + 1

    def _own(self) -> list[int]:
        """Return storage that nobody shares, one number a module."""
        first, self._issued = self._issued, self._issued + len(self.slices)
        return list(range(first, self._issued))

    def _plan(
        self, population: list[Individual], g: torch.Generator
    ) -> tuple[list[Individual], list[Individual]]:
        """Let only children live; survivors are drawn at random and not measured again."""
        config = self.config
        if not population[0].count:
            return population, []
        shared = next(s for s in self.shared if id(population[0]) in s)
        ranked = sorted(population, key=lambda one: one.fitness, reverse=True)[: config.truncation]
        parents = [ranked[i] for i in torch.randint(len(ranked), (PARENTS,), generator=g)]
        children: list[Individual] = []
        for _ in range(config.offspring):
            first, second = (parents[i] for i in torch.randint(PARENTS, (2,), generator=g))
            children.append(self._born(first, second, population + children, shared, g))
        kept = torch.randperm(len(population), generator=g)[config.offspring :].sort().values
        survivors = [population[i] for i in kept]
        living = {id(one) for one in survivors + children}
        for key in [key for key in shared if key not in living]:
            del shared[key]
        return children, survivors

    def _born(
        self,
        first: Individual,
        second: Individual,
        everyone: list[Individual],
        shared: dict[int, list[int]],
        g: torch.Generator,
    ) -> Individual:
        """Return a child, mutated in storage that its second parent may share (defect 2)."""
        weights, owner = first.genome.weights.clone(), self._own()
        from_second = (torch.rand(len(self.slices), generator=g) < 0.5).tolist()
        noise = WEIGHT_NOISE * torch.randn(len(weights), generator=g)
        for module, taken in enumerate(from_second):
            place = self.slices[module]
            if taken:
                owner[module] = shared[id(second)][module]
                weights[place] = second.genome.weights[place]
                for one in everyone:
                    if shared[id(one)][module] == owner[module]:
                        one.genome.weights[place] += noise[place]
        mean = (first.mean(self.config.tasks) + second.mean(self.config.tasks)) / 2
        genome = Genome(weights + noise, self._hyper(first, second, g), first.genome.scales)
        child = Individual(genome, parents=mean)
        shared[id(child)] = owner
        return child

    def _hyper(self, first: Individual, second: Individual, g: torch.Generator) -> Tensor:
        """Return a child's hyper-parameters, the last two clamped from its discount (defect 1)."""
        from_second = torch.rand(len(LOWEST), generator=g) < 0.5
        hyper = torch.where(from_second, second.genome.hyper, first.genome.hyper)
        hyper = hyper + torch.tensor(HYPER_NOISE) * torch.randn(len(LOWEST), generator=g)
        hyper[2:] = hyper[1].clamp(LOWEST[1], HIGHEST[1])
        return torch.clamp(hyper, torch.tensor(LOWEST), torch.tensor(HIGHEST))


#: Makes a learner for some members of a job, see `prefrontal.agents.registry`.
make_learner = PublishedEvolution

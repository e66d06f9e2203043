"""How learning can guide evolution (Hinton & Nowlan 1987): the original simulation.

An organism is a network of potential connections. Each gene says that a connection is right (1),
wrong (0), or undecided (2, "?" in the paper): left to learning. Only the network with every
connection right is worth anything. An organism without a wrong gene guesses its u undecided
connections anew on every trial of its life, and so finds that network with probability 2^-u a
trial; the sooner, the more offspring it has.

The trial of the first success follows a geometric law, so it is drawn at once from one uniform
number x and no trial is ever played: ``1 + floor(log(1 - x) / log(1 - 2^-u))``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job, Record
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.common.memory import require_memory
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.evolution.config import HintonNowlanConfig, NoNetworkConfig
from prefrontal.agents.rollout.members import Members
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.agents.runs.checkpoint import Shapes, save_checkpoint
from prefrontal.agents.runs.described import Described, require_shape
from prefrontal.checking import option

WRONG, RIGHT, UNDECIDED = 0, 1, 2

#: What is known of every generation, in the order of the columns.
HISTORY = (
    *("right", "wrong", "undecided"),  # mean frequency of the alleles
    *("mean_fitness", "best_fitness", "innate_fitness", "perfect", "diversity"),
)


@dataclass(frozen=True)
class Description(Described):
    """What loading needs besides the histories."""

    algorithm: HintonNowlanConfig = field(default_factory=HintonNowlanConfig)
    seed: int = option(0, "Seed of the run.", least=0)
    members: tuple[int, ...] = option((), "Identities; none: 0 ... P - 1.", least=0)


def make_learner(job: Job, members: Sequence[int]) -> HintonNowlan:
    """Make populations that evolve side by side, one a member."""
    config = cast(HintonNowlanConfig, job.algorithm)
    return HintonNowlan(config, members, updates(job), job.seed)


def make_population(job: Job, weights: Tensor) -> Lineages:
    """Return what is kept of the populations: `weights` are their histories."""
    return Lineages(weights, cast(HintonNowlanConfig, job.algorithm), job.seed)


def meta(job: Job) -> dict[str, Any]:
    """Return what loading needs besides the histories."""
    return _meta(cast(HintonNowlanConfig, job.algorithm), job.seed, list(range(job.members)))


def _meta(config: HintonNowlanConfig, seed: int, members: Sequence[int]) -> dict[str, Any]:
    return {
        "kind": config.kind,
        "seed": seed,
        "members": members,
        "environment": to_plain(NO_ENVIRONMENT),
        "network": {"kind": NoNetworkConfig.kind},
        "algorithm": to_plain(config),
    }


def check(job: Job) -> str:
    """Check that a simulation can be run; there is nothing to say of it.

    Raises:
        ConfigError: There is not the memory for it, or a setting would change nothing.
    """
    if job.num_envs != 1 or job.snapshots:
        raise ConfigError("the simulation plays no episodes: leave out --num-envs and --snapshots")
    config = cast(HintonNowlanConfig, job.algorithm)
    nbytes = 5 * config.individuals * config.genes + 8 * len(HISTORY) * updates(job)
    require_memory(
        job.members * nbytes,
        f"simulating {job.members:,} populations",
        "take fewer members, individuals, genes or steps",
    )
    return ""


def updates(job: Job) -> int:
    """Return the generations after the first; a step is one organism's life."""
    individuals = cast(HintonNowlanConfig, job.algorithm).individuals
    return max(1, math.ceil(job.total_steps / individuals) - 1)


class HintonNowlan:
    """P populations of the simulation; an update is a generation.

    Each draws from generators of its own. `generations` are recorded after generation 0.

    Attributes:
        steps: Lives lived so far, ``[P]``.
        genomes: Genes of the living, ``[P, N, G]`` uint8.
        history: See `HISTORY`, ``[P, generations + 1, 8]``; NaN where the future is.
    """

    def __init__(
        self, config: HintonNowlanConfig, members: Sequence[int], generations: int, seed: int
    ) -> None:
        self.config, self.generation = config, 0
        self.generators = [generator(seed, member, "weights") for member in members]
        shape = (config.individuals, config.genes)
        drawn = torch.stack([torch.rand(shape, generator=g) for g in self.generators])
        share = (1 - config.undecided) / 2
        fixed = torch.where(drawn < share, RIGHT, WRONG)
        self.genomes = torch.where(drawn < 2 * share, fixed, UNDECIDED).to(torch.uint8)
        size = (len(members), generations + 1, len(HISTORY))
        self.history = torch.full(size, math.nan, dtype=torch.float64)
        self.steps = torch.zeros(len(members), dtype=torch.float64)
        self._live()

    def update(self) -> dict[str, Tensor]:
        """Breed the next generation and let it live; return its row of `HISTORY` and `return`."""
        self.genomes = next_generation(self.genomes, self.fitness, self._uniform(3))
        self.generation += 1
        return self._live()

    def state(self) -> dict[str, Tensor]:
        """Return everything, by member; `weights` is the history, which findings are made of."""
        return {
            "weights": self.history.flatten(1).clone(),
            "steps": self.steps.clone(),
            "genomes": self.genomes.clone(),
            "fitness": self.fitness.clone(),
            "generators": generator_states(self.generators),
        }

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.history = state["weights"].reshape(self.history.shape).clone()
        self.steps = state["steps"].clone()
        self.genomes, self.fitness = state["genomes"].clone(), state["fitness"].clone()
        self.generation = round(float(self.steps[0]) / self.config.individuals) - 1
        set_generator_states(self.generators, state["generators"])

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _uniform(self, rows: int) -> Tensor:
        """Return numbers in [0, 1), ``[P, rows, N]``, each member's from its own generator."""
        size = (rows, self.config.individuals)
        drawn = [torch.rand(size, generator=g, dtype=torch.float64) for g in self.generators]
        return torch.stack(drawn)

    def _live(self) -> dict[str, Tensor]:
        config, uniform = self.config, self._uniform(1)[:, 0]
        self.fitness = fitness(self.genomes, uniform, config.trials, config.advantage)
        share = [(self.genomes == a).double().mean(1) for a in (WRONG, RIGHT, UNDECIDED)]  # [P, G]
        perfect = (self.genomes == RIGHT).all(2).sum(1).double()
        row = {
            "right": share[RIGHT].mean(1),
            "wrong": share[WRONG].mean(1),
            "undecided": share[UNDECIDED].mean(1),
            "mean_fitness": self.fitness.mean(1),
            "best_fitness": self.fitness.amax(1),
            "innate_fitness": 1 + config.advantage * perfect / config.individuals,
            "perfect": perfect,
            # Probability that two organisms, drawn with replacement, differ in a gene.
            "diversity": 1 - sum(s.square() for s in share).mean(1),  # type: ignore[union-attr]
        }
        if self.generation < self.history.shape[1]:
            self.history[:, self.generation] = torch.stack([row[name] for name in HISTORY], dim=1)
        self.steps += config.individuals
        return {"return": row["mean_fitness"].clone(), **row}


def fitness(genomes: Tensor, uniform: Tensor, trials: int, advantage: float) -> Tensor:
    """Return the fitness of organisms after a life of learning, ``1 + advantage n / trials``.

    n is the number of trials left after success. An organism that is born perfect needs no trial:
    all are left, and it has 1 + advantage (20, as published).

    Args:
        genomes: Genes ``[..., G]``.
        uniform: One number in [0, 1) an organism ``[...]``, which determines its learning time.
        trials: Trials of a life.
        advantage: See `HintonNowlanConfig`.
    """
    undecided = (genomes == UNDECIDED).sum(-1).double()
    # For u = 0 the quotient is 0 (or -0): log(1 - 1) is minus infinity.
    failures = (torch.log1p(-uniform.double()) / torch.log1p(-(2.0**-undecided))).floor()
    life = max(trials, 1)
    left = torch.where(undecided == 0, life, (trials - 1 - failures).clamp(min=0))
    able = (genomes != WRONG).all(-1)
    return 1 + advantage * torch.where(able, left, 0.0) / life


def next_generation(genomes: Tensor, fitness: Tensor, uniform: Tensor) -> Tensor:
    """Return as many children: two parents drawn in proportion to fitness, one-point crossover.

    Args:
        genomes: Parents ``[P, N, G]``.
        fitness: Their fitness ``[P, N]``.
        uniform: Numbers in [0, 1) ``[P, 3, N]``: for the first and the second parent, and the point
            of crossover.

    Returns:
        Children ``[P, N, G]``: genes up to the point (1 ... G - 1, equally probable) are the first
        parent's.
    """
    members, individuals, genes = genomes.shape
    wheel = fitness.cumsum(1)
    spins = (uniform[:, :2] * wheel[:, -1:, None]).flatten(1)  # [P, 2 N]
    parents = torch.searchsorted(wheel, spins.contiguous(), right=True).clamp_(max=individuals - 1)
    halves = parents.unflatten(1, (2, individuals)).unbind(1)
    first, second = (genomes[torch.arange(members)[:, None], half] for half in halves)
    point = 1 + (uniform[:, 2] * (genes - 1)).long()
    return torch.where(torch.arange(genes) < point[..., None], first, second)


class Lineages(Members):
    """What is kept of evolved populations, indexed by member: histories ``[P, generations * 8]``.

    The identities `members` of the populations are 0 ... P - 1 unless given.
    """

    environment = NO_ENVIRONMENT
    discrete, input_size = True, 0

    def __init__(
        self,
        weights: Tensor,
        config: HintonNowlanConfig,
        seed: int = 0,
        members: Sequence[int] | None = None,
    ) -> None:
        shape, count = list(weights.shape), len(HISTORY)
        if weights.ndim != 2 or shape[1] % count:
            raise CheckpointError(
                f"a history has {count} numbers a generation, and weights have shape {shape}"
            )
        self.config, self.seed, self.weights = config, seed, weights.double()
        self.members = list(range(shape[0])) if members is None else list(members)
        if len(self.members) != shape[0]:
            raise CheckpointError(f"{len(self.members)} members cannot have {shape[0]} histories")

    def part(self, indices: Sequence[int]) -> Lineages:
        """See `Members.part`."""
        members = [self.members[index] for index in indices]
        return Lineages(self.weights[list(indices)], self.config, self.seed, members)

    def member(self, index: int) -> Lineages:
        """See `Members.member`."""
        return self.part([index])

    def record(self, *_: Any, **__: Any) -> Iterator[Record]:
        """Raise a `ConfigError`: there is nothing to play."""
        raise ConfigError("populations without networks play no episodes")

    @property
    def history(self) -> dict[str, Any]:
        """Columns by name (`HISTORY`), arrays ``[generations, P]``."""
        table = self.weights.reshape(len(self), -1, len(HISTORY))
        return {name: table[..., k].T.numpy().copy() for k, name in enumerate(HISTORY)}

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> Lineages:
        """Return what a checkpoint holds; see `prefrontal.agents.load`."""
        told = Description.of(meta, folder)
        return cls(arrays["weights"], told.algorithm, told.seed, told.members or None)

    @classmethod
    def require_fit(cls, shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
        """Check the shape of the histories; see `Population.require_fit`."""
        told = Description.of(meta, folder)
        _, shape = shapes.get("weights", ("", ()))
        rows = len(told.members) or (shape[0] if shape else 1)
        generations = shape[1] // len(HISTORY) if len(shape) == 2 else 0
        sizes = [(rows, max(generations, 1) * len(HISTORY))]
        require_shape(shapes, "weights", sizes, folder)

    def meta(self) -> dict[str, Any]:
        """Return what `load` needs besides the weights."""
        return _meta(self.config, self.seed, self.members)

    def save(self, path: Path | str) -> None:
        """Write the histories and the constants to ``path/checkpoint``; see `load`."""
        save_checkpoint(Path(path) / "checkpoint", {"weights": self.weights}, self.meta())

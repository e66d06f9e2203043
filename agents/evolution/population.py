"""Evolved agents: champions with the genes they were born with, so that they can live again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.evolution.config import HYPER, EvolutionConfig, LifetimeConfig
from prefrontal.agents.evolution.lifetime_net import LifetimeNet, merges_embedding
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.networks.vectorised import without_memory
from prefrontal.agents.population import Description, Population
from prefrontal.agents.population import meta as actor_critic_meta
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import Shapes, save_checkpoint
from prefrontal.agents.runs.described import require_shape


def make_population(job: Job, weights: Tensor) -> Evolved:
    """Make the champions of a job from the weights ``[P, m]`` in the learner's state."""
    made = Evolved.of(exported(job), weights)
    made.lifetime = cast(EvolutionConfig, job.algorithm).lifetime
    return made


def exported(job: Job) -> Job:
    """Return the job with the networks of its champions: the embedding is theirs.

    That of the course's LSTM is part of the LSTM's weights; see `LifetimeNet.exported`.
    """
    if merges_embedding(job.network):
        return job
    units = cast(EvolutionConfig, job.algorithm).embedding_units
    return replace(job, network=replace(job.network, embedding_size=units))


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the champions of a job needs besides weights and genes."""
    lifetime = to_plain(cast(EvolutionConfig, job.algorithm).lifetime)
    return actor_critic_meta(exported(job)) | {"kind": Evolved.KIND, "lifetime": lifetime}


class Evolved(Population):
    """One champion a run, as it is born: plays like any population, or lives its life of learning.

    Attributes:
        genomes: Initial weights ``[P, n]`` as `prefrontal.agents.evolution.lifetimes` has them.
        hyper: Hyper-parameters ``[P, 4]`` that they learn with.
        lifetime: What a life is.
    """

    KIND = "evolved"

    genomes: Tensor
    hyper: Tensor
    lifetime: LifetimeConfig

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> Evolved:
        """Return the champions in what a checkpoint holds; see `prefrontal.agents.load`."""
        made, champions = super().from_checkpoint(arrays, meta, folder), arrays["champion"]
        made.genomes, made.hyper = champions[:, : -len(HYPER)], champions[:, -len(HYPER) :]
        made.lifetime = from_plain(LifetimeConfig, meta.get("lifetime", {}), str(folder))
        return made

    @classmethod
    def require_fit(cls, shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
        """Check the genes of the champions too; see `Population.require_fit`."""
        super().require_fit(shapes, meta, folder)
        told = Description.of(meta, folder)
        lifetime = from_plain(LifetimeConfig, meta.get("lifetime", {}), str(folder))
        sizes = told.input_size, told.num_actions, told.network, lifetime.embedding_size
        genes = without_memory(lambda: LifetimeNet(*sizes)).size
        require_shape(shapes, "champion", [(len(told.members), genes + len(HYPER))], folder)

    def part(self, indices: Sequence[int], kind: Any = None) -> Any:
        """See `Members.part`: a population takes its genes along, an agent is its weights alone."""
        made, rows = super().part(indices, kind), list(indices)
        if isinstance(made, Evolved):
            made.genomes, made.hyper = self.genomes[rows], self.hyper[rows]
            made.lifetime = self.lifetime
        return made

    def meta(self) -> dict[str, Any]:
        """Return what `load` needs besides the weights and genes."""
        return super().meta() | {"lifetime": to_plain(self.lifetime)}

    def save(self, path: Path | str) -> None:
        """Write weights, genes and their description to ``path/checkpoint``."""
        genes = torch.cat([self.genomes, self.hyper], 1)
        arrays = {"weights": self.model.parameters, "champion": genes}
        save_checkpoint(Path(path) / "checkpoint", arrays, self.meta())

    def lifetimes(self, environment: EnvironmentSpec | None = None) -> Lifetimes:
        """Return lives on the tasks that they evolved on, or on those of another environment."""
        spec = environment or self.environment
        return Lifetimes(spec, self.lifetime, self.network)

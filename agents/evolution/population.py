"""Evolved agents: champions, with the genes that they were born with, so that their lives can be lived again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from prefrontal.agents.common.errors import CheckpointError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.evolution.lifetimes import HYPER, LifetimeConfig, Lifetimes
from prefrontal.agents.population import Population

if TYPE_CHECKING:
    from prefrontal.agents.base import Job

__all__ = ["Evolved"]


class Evolved(Population):
    """One champion a run, newborn; plays like any population (weights frozen), or lives its life of learning.

    Attributes:
        genomes: Newborn weights ``[P, n]`` as `prefrontal.agents.evolution.lifetimes` has them.
        hyper: Hyper-parameters ``[P, 4]`` that they learn with.
        lifetime: What a life is.
    """

    KIND = "evolved"

    genomes: Tensor
    hyper: Tensor
    lifetime: LifetimeConfig

    @classmethod
    def of_job(cls, job: Job, weights: Tensor, lifetime: LifetimeConfig) -> Evolved:
        """The champions of a job with these (exported) weights; their genes are in the learner's state."""
        made = cast(Evolved, cls.of(job, weights))
        made.lifetime = lifetime
        return made

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> Evolved:
        """See `prefrontal.agents.population.load_trained`."""
        if "champion" not in arrays:
            raise CheckpointError(f"the checkpoint in {folder} lacks the genes of its champions")
        made = cast(Evolved, super().from_checkpoint(arrays, meta, folder))
        made.genomes, made.hyper = arrays["champion"].split(
            [arrays["champion"].shape[1] - len(HYPER), len(HYPER)], dim=1
        )
        made.lifetime = from_plain(LifetimeConfig, meta.get("lifetime", {}), str(folder))
        return made

    def meta(self) -> dict[str, Any]:
        """What `load` needs besides the weights and genes."""
        return super().meta() | {"kind": self.KIND, "lifetime": to_plain(self.lifetime)}

    def lifetimes(self) -> Lifetimes:
        """Lives on the tasks that they evolved on."""
        return Lifetimes(self.environment, self.lifetime, self.network.hidden_size)

"""What loading actor-critics needs besides their weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from prefrontal.agents.base import Job
from prefrontal.agents.common.actions import Actions
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import Part
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.described import Described
from prefrontal.checking import option

KIND = "recurrent-a2c"


@dataclass(frozen=True)
class Description(Described):
    """What loading needs besides the weights; see `prefrontal.agents.population`."""

    network: NetworkConfig
    environment: EnvironmentSpec
    input_size: int = option(dataclasses.MISSING, "Inputs a step.", least=1)
    num_actions: int = option(dataclasses.MISSING, "Read-outs of the policy.", least=1)
    seed: int = option(dataclasses.MISSING, "Seed of the run.", least=0)
    members: tuple[int, ...] = option(dataclasses.MISSING, "Identities.", least=0)
    actions: Actions | None = None  # None: one choice among `num_actions`
    parts: tuple[Part, ...] = ()  # what observations are made of; (): it is not known

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        if self.actions is not None and self.actions.outputs != self.num_actions:
            raise ValueError(f"num_actions must be {self.actions.outputs}, not {self.num_actions}")


def special(actions: Actions) -> Actions | None:
    """Return what a description says of actions: nothing of one choice."""
    return None if actions.discrete else actions


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    told = Description(
        job.network,
        job.environment,
        job.facts.input_size,
        job.facts.actions.outputs,
        job.seed,
        tuple(range(job.members)),
        special(job.facts.actions),
        job.facts.parts,
    )
    return {"kind": KIND, **to_plain(told)}

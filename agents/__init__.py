"""Learners and trained agents; they know no particular task.

Rooms, each importing only those before it: `common` (errors, seeds, returns, optimisers), `kernels`
(compiled accelerators), `networks`, `rollout` (agents meet environments), `replay`, `runs` (run
folders), `base` (jobs, protocols), `a2c` (a learner) and `reference` (optimal and heuristic
policies), `population` (trained agents), `r2d2`, `td3`, `evolution` (learners), `registry` (what
can be trained, and loaded, by name) and `training` (the loop). The names below are imported when
they are first used, so that this package is imported without PyTorch.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

# Before the first matrix product: sums in an order that does not depend on where in memory a matrix
# lies, so that a resumed run is bit for bit one that was never interrupted.
os.environ.setdefault("MKL_CBWR", "AUTO")

if TYPE_CHECKING:
    from prefrontal.agents.a2c.config import A2CConfig as A2CConfig
    from prefrontal.agents.a2c.learner import A2C as A2C
    from prefrontal.agents.networks.actor_critic import ActorCritic as ActorCritic
    from prefrontal.agents.networks.config import HeadConfig as HeadConfig
    from prefrontal.agents.networks.config import NetworkConfig as NetworkConfig
    from prefrontal.agents.population import Agent as Agent
    from prefrontal.agents.population import Population as Population
    from prefrontal.agents.registry import load as load
    from prefrontal.agents.rollout.meta_inputs import MetaInputs as MetaInputs
    from prefrontal.agents.rollout.spec import EnvironmentSpec as EnvironmentSpec

_PLACES = {
    "A2C": "a2c.learner",
    "A2CConfig": "a2c.config",
    "ActorCritic": "networks.actor_critic",
    "Agent": "population",
    "EnvironmentSpec": "rollout.spec",
    "HeadConfig": "networks.config",
    "MetaInputs": "rollout.meta_inputs",
    "NetworkConfig": "networks.config",
    "Population": "population",
    "load": "registry",
}

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)

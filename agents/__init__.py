"""Learners: recurrent actor-critics, their rollouts, returns and learning rules. They know no particular task."""

import os

# Before the first matrix product: sums in an order that does not depend on where in memory a matrix lies, so that a
# member learns the same, bit by bit, alone or in any population.
os.environ.setdefault("MKL_CBWR", "AUTO")

from agents.a2c import A2C, A2CConfig
from agents.environments import EnvironmentSpec
from agents.networks import ActorCritic, NetworkConfig
from agents.population import Agent, Population, load

__all__ = [
    "A2C",
    "A2CConfig",
    "ActorCritic",
    "Agent",
    "EnvironmentSpec",
    "NetworkConfig",
    "Population",
    "load",
]

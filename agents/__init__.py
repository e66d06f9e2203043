"""Learners: recurrent actor-critics, their rollouts, returns and learning rules. They know no particular task."""

import os

# Before the first matrix product: sums in an order that does not depend on where in memory a matrix lies, so that a
# member learns the same, bit by bit, alone or in any population.
os.environ.setdefault("MKL_CBWR", "AUTO")

from prefrontal.agents.a2c.learner import A2C, A2CConfig
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.population import Agent, Population, load
from prefrontal.agents.rollout.spec import EnvironmentSpec

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

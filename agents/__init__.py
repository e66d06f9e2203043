"""Learners: recurrent actor-critics, their rollouts, returns and learning rules. They know no particular task."""

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

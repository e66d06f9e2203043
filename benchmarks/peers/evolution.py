"""Evolution with a learning inner loop: 50 genomes are initial weights, a lifetime is a number of A2C updates.

Two sides: `play` has all 50 individuals learn side by side (ours), `play_deap` evaluates one individual after another with a
plain PyTorch loop, as a user of DEAP would. Selection and mutation are DEAP's in both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.peers.common import (
    BANDIT,
    CLIP_NORM,
    HIDDEN,
    INPUTS,
    LEARNING_RATE,
    TRIALS,
)

LIFETIME = 8
SIGMA = 0.05


class Individual(np.ndarray):
    """A genome ``[n]`` with the attribute DEAP wants."""

    fitness: Any


def next_generation(
    genomes: np.ndarray, returns: list[float], rng: np.random.Generator
) -> np.ndarray:
    """Tournament selection (DEAP) and Gaussian mutation; genomes ``[50, n]``."""
    from deap import base, tools

    class Fitness(base.Fitness):
        weights = (1.0,)

    population = [genome.view(Individual) for genome in genomes]
    for individual, value in zip(population, returns, strict=True):
        individual.fitness = Fitness((value,))
    chosen = tools.selTournament(population, len(population), tournsize=3)
    parents = np.stack([np.asarray(individual) for individual in chosen])
    return parents + SIGMA * rng.standard_normal(parents.shape, dtype=np.float32)


def play(members: int, num_envs: int) -> Iterator[int]:
    """Evolves `members` genomes that learn side by side; see `benchmarks.peers`."""
    import torch

    import envs  # noqa: F401 (registers the ids)
    from agents.a2c import A2CConfig
    from agents.environments import EnvironmentSpec
    from agents.networks import NetworkConfig
    from agents.training import Job

    random.seed(0)
    rng = np.random.default_rng(0)
    spec = EnvironmentSpec(BANDIT, inputs=INPUTS, split="all")
    network = NetworkConfig(hidden_size=HIDDEN)
    lifetime = LIFETIME * num_envs * TRIALS
    job = Job(spec, network, A2CConfig(), members, num_envs, total_steps=lifetime, seed=0)
    learner = A2CConfig().learner(job, range(members))
    newborn = {name: value.clone() for name, value in learner.optimiser.state().items()}
    genomes = learner.model.parameters.numpy()
    while True:
        learner.model.set_parameters(torch.from_numpy(genomes))
        learner.optimiser.set_state(newborn)
        learner.steps.zero_()
        for _ in range(LIFETIME):
            metrics = learner.update()
            yield members * num_envs * TRIALS
        genomes = next_generation(genomes, metrics["return"].tolist(), rng)


def play_deap(members: int, num_envs: int) -> Iterator[int]:
    """Evolves `members` genomes one at a time, each with one environment, episode after episode; see `benchmarks.peers`."""
    import torch
    from torch import nn
    from torch.nn.utils import parameters_to_vector, vector_to_parameters

    from benchmarks.peers.common import single_env
    from benchmarks.peers.one_environment import episode_loss, make_agent

    random.seed(0)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    env = single_env()
    first = [parameters_to_vector(make_agent().parameters()) for _ in range(members)]
    genomes = torch.stack(first).detach().numpy()
    while True:
        returns = []
        for genome in genomes:
            agent = make_agent()
            vector_to_parameters(torch.from_numpy(genome), agent.parameters())
            optimiser = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE)
            for _ in range(LIFETIME):
                optimiser.zero_grad()
                total = 0.0
                for _ in range(num_envs):
                    loss, reward = episode_loss(agent, env)
                    (loss / num_envs).backward()
                    total += reward / num_envs
                nn.utils.clip_grad_norm_(agent.parameters(), CLIP_NORM)
                optimiser.step()
                yield num_envs * TRIALS
            returns.append(total)
        genomes = next_generation(genomes, returns, rng)

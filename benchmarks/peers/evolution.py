"""Evolution of 50 initial weights; a lifetime is 8 A2C updates on one task and a test episode.

Two sides: `play` computes all lifetimes at once (`prefrontal.agents.evolution.lifetimes`, which
evolution itself uses), `play_deap` one after another in a plain PyTorch loop, as a user of DEAP
would. Optimiser, loss, task and test are the same; selection and mutation are DEAP's in both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.common import (
    BANDIT,
    DISCOUNT,
    ENTROPY_COEF,
    HIDDEN,
    INPUTS,
    LEARNING_RATE,
    TRIALS,
    VALUE_COEF,
    single_env,
)

if TYPE_CHECKING:
    from prefrontal.agents.evolution.lifetimes import Lifetimes

LIFETIME = 8
SIGMA = 0.05


class Individual(np.ndarray):
    """A genome ``[n]`` with the attribute DEAP wants."""

    fitness: Any


def next_generation(
    genomes: np.ndarray, returns: list[float], rng: np.random.Generator
) -> np.ndarray:
    """Return the next genomes by tournament selection (DEAP) and Gaussian mutation, ``[50, n]``."""
    from deap import base, tools

    class Fitness(base.Fitness):
        weights = (1.0,)

    population = [genome.view(Individual) for genome in genomes]
    for individual, value in zip(population, returns, strict=True):
        individual.fitness = Fitness((value,))
    chosen = tools.selTournament(population, len(population), tournsize=3)
    parents = np.stack([np.asarray(individual) for individual in chosen])
    return parents + SIGMA * rng.standard_normal(parents.shape, dtype=np.float32)


def lifetimes(num_envs: int) -> Lifetimes:
    """Return lifetimes of `LIFETIME` updates of `num_envs` episodes each, and a test episode."""
    from prefrontal import envs  # noqa: F401 (registers the ids)
    from prefrontal.agents.evolution.config import LifetimeConfig
    from prefrontal.agents.evolution.lifetimes import Lifetimes
    from prefrontal.agents.networks.config import NetworkConfig
    from prefrontal.agents.rollout.spec import EnvironmentSpec

    spec = EnvironmentSpec(BANDIT, inputs=INPUTS, split="all")
    config = LifetimeConfig(LIFETIME, num_envs, embedding_size=0)
    return Lifetimes(spec, config, NetworkConfig(hidden_size=HIDDEN))


def play(members: int, num_envs: int) -> Iterator[int]:
    """Evolve `members` genomes, all at once, a generation per turn; see `benchmarks.peers`."""
    import torch

    random.seed(0)
    rng = np.random.default_rng(0)
    lives = lifetimes(num_envs)
    genomes = lives.net.initial(members, torch.Generator().manual_seed(0)).numpy()
    hyper = torch.tensor([LEARNING_RATE, DISCOUNT, VALUE_COEF, ENTROPY_COEF]).repeat(members, 1)
    while True:
        seed = int(rng.integers(2**62))  # all lifetimes have the same task
        scores = lives.live(torch.from_numpy(genomes), hyper, [seed] * members).score
        yield members * lives.steps
        genomes = next_generation(genomes, scores.tolist(), rng)


class _SameTask:
    """An environment whose episodes are all of one task."""

    def __init__(self, env: Any) -> None:
        self.env, self.step = env, env.step
        _, info = env.reset()
        self.options = {"task": info["task"]}

    def reset(self) -> Any:
        """Start an episode of the task."""
        return self.env.reset(options=self.options)


def play_deap(members: int, num_envs: int) -> Iterator[int]:
    """Evolve `members` genomes, one lifetime after another; see `benchmarks.peers`."""
    import torch
    from torch.nn.utils import parameters_to_vector, vector_to_parameters

    from benchmarks.peers.one_environment import episode_loss, make_agent

    random.seed(0)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    env = single_env()
    first = [parameters_to_vector(make_agent().parameters()) for _ in range(members)]
    genomes = torch.stack(first).detach().numpy()
    while True:
        task, scores = _SameTask(env), []
        for genome in genomes:
            agent = make_agent()
            vector_to_parameters(torch.from_numpy(genome.copy()), agent.parameters())
            optimiser = torch.optim.RMSprop(agent.parameters(), LEARNING_RATE, alpha=0.99, eps=1e-5)
            for _ in range(LIFETIME):
                optimiser.zero_grad()
                for _ in range(num_envs):
                    loss, _ = episode_loss(agent, task)
                    (loss / num_envs).backward()
                optimiser.step()
                yield num_envs * TRIALS
            with torch.no_grad():
                scores.append(episode_loss(agent, task)[1])
            yield TRIALS
        genomes = next_generation(genomes, scores, rng)

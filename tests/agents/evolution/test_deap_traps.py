"""What DEAP's own operators do to arrays and random numbers, and that ours do neither."""

from __future__ import annotations

import random

import numpy as np
import torch
from deap import tools

from prefrontal import envs  # noqa: F401 (registers the ids)
from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.base import Job
from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.evolution.genome import Genome, crossover
from prefrontal.agents.evolution.learner import make_learner
from prefrontal.agents.evolution.lifetime_net import LifetimeNet

NET = LifetimeNet(5, 2, NetworkConfig(hidden_size=6), 4)


def test_deap_takes_slices_of_arrays_for_copies_and_we_do_not():
    """Its two-point crossover swaps slices, views of arrays: a piece of one parent is lost."""
    first, second = np.zeros(10), np.ones(10)
    random.seed(1)
    tools.cxTwoPoint(first, second)
    assert first.sum() + second.sum() != 10
    mother, father = (
        Genome(torch.full((NET.size,), v), torch.full((4,), v), torch.ones(2)) for v in (0.0, 1.0)
    )
    g = torch.Generator()
    one, other = (
        crossover(*pair, NET, g.manual_seed(7)) for pair in ((mother, father), (father, mother))
    )
    assert bool((one.weights + other.weights == 1).all())  # nothing is lost
    assert 0 < one.weights.mean() < 1
    assert not mother.weights.any()
    assert bool(father.weights.all())


def test_no_global_random_numbers_are_drawn_or_matter():
    spec = EnvironmentSpec("prefrontal/HarlowPairs-v0", ("reward", "action"), {"trials": 3})
    config = EvolutionConfig(
        individuals=6,
        offspring=4,
        remeasured=1,
        tasks=2,
        tournament=2,
        truncation=3,
        learning_updates=1,
        embedding_units=0,
    )
    job = Job(spec, NetworkConfig(hidden_size=3), config, 1, 1, 10**6, seed=2)
    champions = []
    for seed in range(2):
        random.seed(seed), torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the generator that must not be used)
        before = random.getstate(), np.random.get_state()[2], torch.get_rng_state()  # noqa: NPY002
        learner = make_learner(job, [0])
        for _ in range(3):
            learner.update()
        champions.append(learner.state()["champion"])
        after = random.getstate(), np.random.get_state()[2], torch.get_rng_state()  # noqa: NPY002
        assert before[:2] == after[:2]
        assert torch.equal(before[2], after[2])
    assert torch.equal(*champions)

"""Hinton & Nowlan's simulation: learning, selection, crossover, resumption, members."""

import math

import pytest
import torch

from prefrontal.agents import load
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import CheckpointError
from prefrontal.agents.evolution.config import HintonNowlanConfig, NoNetworkConfig
from prefrontal.agents.evolution.hinton_nowlan import (
    HISTORY,
    Lineages,
    fitness,
    make_learner,
    make_population,
    next_generation,
    updates,
)
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT

SMALL = HintonNowlanConfig(individuals=60, genes=6, trials=20)


def job(config=SMALL, generations=6, members=3, seed=0):
    lives = config.individuals * (generations + 1)
    return Job(NO_ENVIRONMENT, NoNetworkConfig(), config, members, 1, lives, seed)


def evolve(work, members, generations):
    learner = make_learner(work, members)
    for _ in range(generations):
        learner.update()
    return learner


def test_fitness_by_hand():
    genomes = torch.tensor([[1, 1, 1], [1, 0, 2], [1, 1, 2], [1, 2, 2], [2, 2, 2]])
    uniform = torch.tensor([0.9, 0.9, 0.49, 0.9999, 0.2])
    # p = .5, .25, .125; failures = floor(log(1 - x) / log(1 - p)) = 0, 32, 1;
    # the successful trial is used up
    expected = [20.0, 1.0, 1 + 19 * 0.9, 1.0, 1 + 19 * 0.8]
    assert fitness(genomes, uniform, 10, 19.0).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("undecided", [1, 3, 6])
def test_learning_time_is_geometric(undecided):
    """Mean over uniform numbers = T - (1 - q^T) / p, the expectation of the trials left."""
    genome = torch.tensor([2] * undecided + [1] * (6 - undecided)).expand(200_000, 6)
    x = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    trials, p = 50, 2.0**-undecided
    left = trials - (1 - (1 - p) ** trials) / p
    assert fitness(genome, x, trials, 19.0).mean().item() == pytest.approx(
        1 + 19 * left / trials, abs=2e-3
    )


def test_no_trials_no_learning():
    genomes = torch.tensor([[1, 1], [1, 2], [2, 2], [0, 1]])
    assert fitness(genomes, torch.zeros(4), 0, 19.0).tolist() == [20.0, 1.0, 1.0, 1.0]


def test_parents_in_proportion_to_fitness():
    genomes = torch.tensor([[[0, 0], [1, 1], [2, 2]]], dtype=torch.uint8)
    weights = torch.tensor([[1.0, 0.0, 3.0]], dtype=torch.float64)
    grid = (torch.arange(3) + 0.5) / 4  # wheel: 0 up to .25, then 2
    uniform = torch.stack([grid, grid.flip(0), torch.zeros(3)])[None].double()
    children = next_generation(genomes, weights, uniform)
    assert children[0].tolist() == [[0, 2], [2, 2], [2, 0]]


def test_crossover_at_every_point_but_the_ends():
    genomes = torch.stack([torch.zeros(5), torch.ones(5)])[None].to(torch.uint8)
    genomes = torch.cat([genomes, genomes], 1)  # 0, 1, 0, 1
    uniform = torch.tensor([[[0.1] * 4, [0.3] * 4, [0.0, 0.3, 0.6, 0.99]]], dtype=torch.float64)
    children = next_generation(genomes, torch.ones(1, 4, dtype=torch.float64), uniform)
    assert children[0].sum(1).tolist() == [4, 3, 2, 1]
    assert (children[0].diff(dim=1) >= 0).all()  # the first parent's genes first


def test_initial_frequencies():
    history = make_learner(job(HintonNowlanConfig(), members=4), range(4)).history
    assert history[:, 0, :3].mean(0).tolist() == pytest.approx([0.25, 0.25, 0.5], abs=0.005)
    # 1 - (.25² + .25² + .5²)
    assert history[:, 0, HISTORY.index("diversity")].mean().item() == pytest.approx(
        0.625, abs=0.003
    )


def test_members_do_not_depend_on_their_neighbours():
    work = job()
    together, alone = evolve(work, [0, 1, 2], 4), evolve(work, [2], 4)
    assert torch.equal(together.history[2:, :5], alone.history[:, :5])


def test_resumes_exactly():
    work = job()
    whole, first = evolve(work, range(3), 6), evolve(work, range(3), 2)
    second = make_learner(work, range(3))
    second.set_state(first.state())
    for _ in range(4):
        second.update()
    for name, value in whole.state().items():
        assert torch.equal(value, second.state()[name]), name


def test_generations_are_those_asked_for():
    work = job(generations=6)
    assert updates(work) == 6
    learner = evolve(work, range(3), 6)
    assert (learner.steps == work.total_steps).all()
    assert learner.history.isfinite().all()
    assert evolve(work, range(3), 5).history.isnan().any()


def test_saves_and_loads(tmp_path):
    work = job()
    lineages = make_population(work, evolve(work, range(3), 6).state()["weights"])
    lineages.save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, Lineages)
    assert len(again) == 3
    assert again.config == SMALL
    assert (again.history["mean_fitness"] == lineages.history["mean_fitness"]).all()
    assert again.history["right"].shape == (7, 3)


def test_lineages_are_a_sequence_of_members(tmp_path):
    lineages = Lineages(torch.arange(48.0).reshape(3, 16), SMALL, seed=7)
    for index, one in enumerate(lineages):
        assert (len(one), one.members, one.seed, one.config) == (1, [index], 7, SMALL)
        for name, column in one.history.items():
            assert (column[:, 0] == lineages.history[name][:, index]).all()
    assert lineages[-1].members == [2]
    assert lineages[2][0].members == [2]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"there are 3 members, no number {index}"):
            lineages[index]
    lineages[1].save(tmp_path)
    assert load(tmp_path).members == [1]


def test_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="undecided"):
        HintonNowlanConfig(undecided=1.5)
    with pytest.raises(ValueError, match="genes"):
        HintonNowlanConfig(genes=1)
    with pytest.raises(CheckpointError, match="8 numbers"):
        Lineages(torch.zeros(2, 9), SMALL)
    with pytest.raises(CheckpointError, match="3 members cannot have 2 histories"):
        Lineages(torch.zeros(2, 8), SMALL, members=range(3))


def test_learning_finds_the_needle_and_evolution_alone_does_not():
    """The published result, with 8 populations against 40 of another implementation."""
    work = job(HintonNowlanConfig(), generations=20, members=8)
    history = evolve(work, range(8), 20).history[:, 20]
    assert history[:, HISTORY.index("wrong")].mean() < 0.01
    assert math.isclose(history[:, HISTORY.index("undecided")].mean(), 0.32, abs_tol=0.045)
    blind = job(HintonNowlanConfig(trials=0), generations=20, members=8)
    assert (evolve(blind, range(8), 20).history[:, :21, HISTORY.index("best_fitness")] == 1).all()

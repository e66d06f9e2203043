"""Genomes: no child changes its parents, no gene leaves its bounds, scales adapt."""

from __future__ import annotations

import pytest
import torch

from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.evolution.genome import (
    Bounds,
    Genome,
    crossover,
    initial_genome,
    mutate,
    random_genome,
)
from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.networks.config import NetworkConfig

NET = LifetimeNet(5, 2, NetworkConfig(hidden_size=6), 4)
HYPER, SCALES = torch.tensor([1e-3, 0.9, 0.4, 0.01]), torch.tensor([0.05, 0.2])
BOUNDS = Bounds.of(EvolutionConfig())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parents() -> tuple[Genome, Genome]:
    return (
        Genome(torch.zeros(NET.size), HYPER.clone(), SCALES.clone()),
        Genome(torch.ones(NET.size), HYPER / 2, 4 * SCALES),
    )


def test_modules_cover_the_genome():
    covered = torch.zeros(NET.size)
    for module in NET.modules.values():
        covered[module] += 1
    assert bool((covered == 1).all())
    assert (
        sum(part.numel() for part in NET.plain.views(torch.zeros(1, NET.size)).values()) == NET.size
    )


def test_crossover_takes_whole_modules_of_either_parent():
    mother, father = parents()
    taken = []
    for seed in range(400):
        child = crossover(mother, father, NET, generator(seed))
        modules = [child.weights[m].unique() for m in NET.modules.values()]
        assert all(len(values) == 1 for values in modules)
        genes = child.hyper == father.hyper
        assert torch.equal(torch.where(genes, father.hyper, mother.hyper), child.hyper)
        taken.append([*(float(values) for values in modules), *genes.float().tolist()])
        torch.testing.assert_close(child.scales, 2 * SCALES)
    share = torch.tensor(taken).mean(0)
    assert bool(((share - 0.5).abs() < 0.11).all())  # 4.4 standard errors


def test_children_share_nothing_with_their_parents():
    mother, father = parents()
    child = mutate(crossover(mother, mother, NET, generator()), BOUNDS, generator(1))
    child.weights.fill_(7)
    child.hyper.fill_(7)
    child.scales.fill_(7)
    assert bool((mother.weights == 0).all())
    assert torch.equal(mother.hyper, HYPER)
    assert torch.equal(mother.scales, SCALES)
    assert bool((father.weights == 1).all())


def test_mutations_have_the_scales_of_the_child():
    mother, _ = parents()
    fixed = Bounds.of(EvolutionConfig(adaptation=0.0))
    children = [mutate(mother, fixed, generator(seed)) for seed in range(300)]
    weights = torch.stack([c.weights for c in children])
    assert abs(float(weights.std()) - 0.05) < 0.001
    hyper = torch.stack([c.hyper for c in children])
    logs = torch.stack([hyper[:, 0], 1 - hyper[:, 1], hyper[:, 2], hyper[:, 3]], 1).log()
    assert bool(((logs.std(0) - 0.2).abs() < 0.04).all())
    adapted = torch.stack([mutate(mother, BOUNDS, generator(s)).scales for s in range(300)])
    assert bool(((adapted / SCALES).log().std(0) - 0.2).abs().lt(0.04).all())


def test_nothing_leaves_its_bounds():
    config = EvolutionConfig(weight_scale=1.0, hyper_scale=2.0)
    genome = initial_genome(NET, config, generator())
    assert genome.hyper.tolist() == pytest.approx([7.5e-4, 0.91, 0.4, 1e-3])
    assert genome.scales.tolist() == [1.0, 2.0]
    for seed in range(60):
        genome = mutate(genome, BOUNDS, generator(seed))
        for value, ends in ((genome.hyper, BOUNDS.hyper), (genome.scales, BOUNDS.scales)):
            assert bool(((value >= ends[:, 0]) & (value <= ends[:, 1])).all())
    drawn = torch.stack([random_genome(NET, config, generator(s)).hyper for s in range(200)])
    assert bool((drawn >= BOUNDS.hyper[:, 0]).all() and (drawn <= BOUNDS.hyper[:, 1]).all())
    middle = drawn[:, 0].log().median().exp()  # uniform on a logarithmic scale: (1e-4 3e-2)^.5
    assert float(middle) == pytest.approx(1.7e-3, rel=0.6)

"""Evolution: reproducible, resumable, the same on any number of workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

import prefrontal.agents.common.pool
from prefrontal.agents import EnvironmentSpec, NetworkConfig, load
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.evolution.genome import Genome, Individual
from prefrontal.agents.evolution.learner import Evolution, make_learner, updates
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import train

CONFIG = EvolutionConfig(
    individuals=8,
    offspring=5,
    remeasured=2,
    tasks=3,
    tournament=2,
    truncation=4,
    learning_updates=2,
    embedding_units=3,
)
SPEC = EnvironmentSpec(
    "prefrontal/HarlowPairs-v0",
    ("reward", "action"),
    split="all",
    stages=({"trials": 3}, {"trials": 5}),
)
LIFE = 2 * 3 + 5
JOB = Job(SPEC, NetworkConfig(hidden_size=4), CONFIG, 2, 1, 3 * LIFE * (8 + 7 * 4), seed=5)


def evolution(members=(0, 1), **changes) -> Evolution:
    return make_learner(replace(JOB, algorithm=replace(CONFIG, **changes)), members)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(
            value.nan_to_num() if value.is_floating_point() else value,
            other[name].nan_to_num() if value.is_floating_point() else other[name],
        ), name


@pytest.fixture
def forking(monkeypatch):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prefrontal.agents.evolution.learner"])
    monkeypatch.setattr(
        prefrontal.agents.common.pool.multiprocessing, "get_context", lambda _: context
    )


def test_generations_count_their_environment_steps():
    learner = evolution()
    steps = []
    for _ in range(3):
        metrics = learner.update()
        steps.append(learner.steps.tolist())
    assert steps == [[3 * LIFE * (8 + 7 * g)] * 2 for g in range(3)]
    assert updates(JOB) == pytest.approx(5)
    assert {"return", "best", "before", "diversity", "heritability", "discount_gene"} <= set(
        metrics
    )
    assert all(value.shape == (2,) for value in metrics.values())
    assert [len(run) for run in learner.populations] == [8, 8]
    darwin = evolution(inheritance="darwin")
    darwin.update()
    assert darwin.steps.tolist() == [8 * 3 * 5] * 2


@pytest.mark.parametrize(
    "inheritance", ["baldwin", "lamarck", "darwin", "hyper-parameters", "random-search"]
)
def test_it_resumes_exactly_and_alone_as_in_company(inheritance):
    straight, first = evolution(inheritance=inheritance), evolution(inheritance=inheritance)
    for _ in range(2):
        straight.update(), first.update()
    resumed, alone = evolution(inheritance=inheritance), evolution([1], inheritance=inheritance)
    resumed.set_state(first.state())
    for _ in range(2):
        metrics, again = straight.update(), resumed.update()
        alone.update()
        assert_same(metrics, again)
    alone.update(), alone.update()
    assert_same(straight.state(), resumed.state())
    assert_same({name: value[1:] for name, value in straight.state().items()}, alone.state())


def test_what_is_inherited():
    for inheritance in ("baldwin", "lamarck", "darwin"):
        learner = evolution(inheritance=inheritance)
        born = [i.genome.weights.clone() for i in learner.populations[0]]
        learner.update()
        kept = [
            torch.equal(a, i.genome.weights)
            for a, i in zip(born, learner.populations[0], strict=True)
        ]
        assert kept == [inheritance != "lamarck"] * 8
    search = evolution(inheritance="random-search")
    rates = [i.genome.hyper[0].item() for i in search.populations[0]]
    assert len(set(rates)) == 8  # not the given learning rate
    hyper = evolution(inheritance="hyper-parameters")
    hyper.update()
    before = {id(i): i.genome.weights.clone() for i in hyper.populations[0]}
    hyper.update()
    again = [i for i in hyper.populations[0] if id(i) in before and i.count == 6]
    assert len(again) == 2
    assert not any(torch.equal(before[id(i)], i.genome.weights) for i in again)


def test_parents_are_not_changed_by_their_children():
    learner = evolution()
    learner.update()
    before = {
        id(i): (i.genome, i.genome.weights.clone(), i.genome.hyper.clone())
        for i in learner.populations[0]
    }
    learner.update()
    for genome, weights, hyper in before.values():
        assert torch.equal(genome.weights, weights)
        assert torch.equal(genome.hyper, hyper)


def test_fitness_is_the_mean_of_all_measurements_less_its_error():
    one = Individual(Genome(torch.zeros(1), torch.zeros(4), torch.zeros(2)))
    one.measured(np.array([20.0, 10.0]), tasks=10, caution=1.0)
    one.measured(np.array([6.0, 12.0]), tasks=10, caution=1.0)
    error = np.std([20, 10, 6, 12], ddof=1) / 2
    assert one.mean(10) == 120
    assert one.fitness.values[0] == pytest.approx(120 - 10 * error)
    one.judge(10, caution=0.0)
    assert one.fitness.values[0] == pytest.approx(120)


def test_common_tasks_and_second_measurements():
    """Everybody of a generation meets the same tasks; survivors keep what was known of them."""
    learner = evolution(caution=0.0)
    seen = []
    original = learner._measure

    def watch(plans, seeds, learning):
        seen.append(seeds)
        return original(plans, seeds, learning)

    learner._measure = watch
    learner.update()
    learner.update()
    assert seen[0] == seen[1] != seen[2]
    assert len(seen[0][0]) == 3
    assert sorted(i.count for i in learner.populations[0]) == [3] * 6 + [6] * 2


def test_selection_prefers_the_better():
    tournament, truncation = evolution(), evolution(selection="truncation")
    g = torch.Generator().manual_seed(0)
    ranks = np.array([tournament._parent(8, g) for _ in range(2000)])
    # the best of 2 of 8 without replacement: rank r with probability 2 (7 - r) / 56
    expected = np.array([2 * (7 - r) / 56 for r in range(8)])
    np.testing.assert_allclose(np.bincount(ranks, minlength=8) / 2000, expected, atol=0.04)
    ranks = np.array([truncation._parent(8, g) for _ in range(2000)])
    np.testing.assert_allclose(np.bincount(ranks) / 2000, [0.25] * 4, atol=0.04)


def test_any_number_of_workers_gives_the_same_even_if_one_is_killed(forking):
    serial, spread = evolution(), make_learner(replace(JOB, workers=2), (0, 1))
    try:
        for generation in range(3):
            if generation == 1:
                os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
            assert_same(serial.update(), spread.update())
        assert_same(serial.state(), spread.state())
    finally:
        spread.close()


@pytest.mark.ray
def test_a_ray_cluster_gives_the_same():
    pytest.importorskip("ray")
    serial, spread = (
        evolution(),
        make_learner(replace(JOB, workers=2, ray_address="local"), (0, 1)),
    )
    try:
        for _ in range(2):
            assert_same(serial.update(), spread.update())
    finally:
        spread.close()


def test_a_run_leaves_champions_that_live_again(tmp_path):
    with RunFolder.create(tmp_path / "run", {}) as run:
        train(JOB, run, workers=3)
    champions = load(tmp_path / "run")
    state, _ = run.load()
    assert bool((state["steps"] >= JOB.total_steps).all())
    assert champions.hyper.shape == (2, 4)
    lifetimes = champions.lifetimes()
    lives = lifetimes.live(champions.genomes, champions.hyper, [1, 2])
    assert lives.correct.shape == (2, LIFE)
    exported = lifetimes.net.exported(champions.genomes)
    assert torch.equal(exported, champions.model.parameters)
    action, _ = champions[0].predict(np.zeros(5, np.float32))
    assert action in (0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_envs": 4}, "num_envs must be 1, not 4"),
        ({"network": NetworkConfig(layout="separate")}, 'lifetimes need layout "shared"'),
        ({"network": NetworkConfig(embedding_size=4)}, "leave --embedding-size at 0"),
    ],
)
def test_what_evolution_cannot_do_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_learner(replace(JOB, **changes), [0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offspring": 7}, "offspring and remeasured must be at most individuals, 8, together"),
        ({"tasks": 1}, "tasks must be at least 2"),
        ({"discount": 0.995}, "discount must lie in discount_range, 0.0 to 0.99, not 0.995"),
        ({"discount_range": (0.5, 1.0)}, "discount_range must be at least 0 and below 1"),
        ({"learning_rate_range": (0.0, 1.0)}, "learning_rate_range must be positive"),
        ({"tournament": 9}, "tournament and truncation must be at most 8"),
        ({"caution": -1.0}, "caution must not be negative"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)

"""The published defects of the course's algorithm, and what is measured of champions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.evolution.config import EvolutionConfig, LifetimeConfig, PublishedConfig
from prefrontal.agents.evolution.genome import Individual, champion
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.evolution.published import HIGHEST, LOWEST, make_learner
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.experiments.evolution.course_baldwin_harlow import EXPERIMENT, SPEC, STEPS
from prefrontal.experiments.evolution.measures import (
    frozen,
    generation_zero,
    live,
    starting_hyper,
    task_seeds,
)

SMALL = {"individuals": 12, "tasks": 2, "learning_updates": 2}


def published(members=1, seed=0):
    config = PublishedConfig(truncation=6, **SMALL)
    settings = replace(EXPERIMENT.conditions["published"], algorithm=config)
    settings = replace(settings, training=replace(settings.training, members=members))
    return make_learner(settings.job(seed), range(members))


def evolved(updates, **given):
    learner = published(**given)
    for _ in range(updates):
        learner.update()
    return learner


def test_published_sizes():
    config = EXPERIMENT.conditions["published"].algorithm
    assert (config.individuals, config.offspring, config.tasks, config.truncation) == (
        50,
        5,
        10,
        20,
    )
    assert STEPS == (50 + 800 * 5) * 10 * 170


def test_defect_1_value_and_entropy_weights_follow_the_discount():
    learner = evolved(6)
    children = [one.genome.hyper for one in learner.populations[0] if one.parents is not None]
    assert len(children) > 3
    for rate, discount, value, entropy in torch.stack(children).tolist():
        assert value == pytest.approx(min(discount, 0.7))
        assert entropy == pytest.approx(0.05)
        assert LOWEST[0] <= rate <= HIGHEST[0]
        assert LOWEST[1] <= discount <= HIGHEST[1]


def test_defect_2_a_shared_module_is_one_storage():
    """Whoever shares a module always has the same weights in it, and some do share."""
    learner = evolved(5)
    people, shared = learner.populations[0], learner.shared[0]
    ties = 0
    for a in people:
        for b in people:
            for module, place in enumerate(learner.slices):
                if a is not b and shared[id(a)][module] == shared[id(b)][module]:
                    ties += 1
                    assert torch.equal(a.genome.weights[place], b.genome.weights[place])
    assert ties


def test_defect_2_the_second_parent_is_mutated_and_the_first_is_not():
    learner = evolved(1)
    people, shared = learner.populations[0], learner.shared[0]
    first, second, other = people[:3]
    before = {id(one): one.genome.weights.clone() for one in people}
    child = learner._born(first, second, people, shared, torch.Generator().manual_seed(0))
    taken = [shared[id(child)][m] == shared[id(second)][m] for m in range(len(learner.slices))]
    assert any(taken)
    for module, place in enumerate(learner.slices):
        moved = second.genome.weights[place] - before[id(second)][place]
        assert bool(moved.any()) == taken[module]
        if taken[module]:
            assert torch.equal(child.genome.weights[place], second.genome.weights[place])
        else:
            added = child.genome.weights[place] - before[id(first)][place]
            assert added.std() == pytest.approx(0.02, rel=0.6)
    assert torch.equal(first.genome.weights, before[id(first)])
    assert torch.equal(other.genome.weights, before[id(other)])


def test_defect_3_and_4_measured_once_and_culled_at_random():
    learner = published()
    learner.update()
    lost_the_best = False
    for _ in range(12):
        best = max(learner.populations[0], key=lambda one: one.fitness)
        learner.update()
        assert len(learner.populations[0]) == 12
        assert all(one.count == 2 for one in learner.populations[0])
        lost_the_best |= all(one is not best for one in learner.populations[0])
    assert lost_the_best


def test_published_resumes_exactly():
    whole, first = evolved(5, members=2), evolved(2, members=2)
    second = published(members=2)
    second.set_state(first.state())
    for _ in range(3):
        second.update()
    again = second.state()
    for name, value in whole.state().items():
        same = torch.equal(value.double().nan_to_num(-1), again[name].double().nan_to_num(-1))
        assert same or name == "owners", name
    # Numbers of storage differ; who shares with whom does not.
    for a, b in zip(whole.state()["owners"], second.state()["owners"], strict=True):
        assert torch.equal(a[:, None] == a, b[:, None] == b)


def test_the_champion_is_not_the_luckiest():
    """Ten perfect scores have no spread; by everyone's the mean of forty is worth more."""

    def individual(scores):
        return Individual(None, (len(scores), sum(scores), sum(x * x for x in scores)))

    lucky, proven = individual([20.0] * 10), individual([20.0] * 37 + [16.0] * 3)
    ordinary = [individual([20.0, 12.0] * 5) for _ in range(8)]
    people = [*ordinary, lucky, proven]
    assert champion(people, EvolutionConfig()) is proven
    assert champion(people, EvolutionConfig(champion_caution=0.0)) is lucky
    assert lucky.spread == 0
    assert ordinary[0].spread == pytest.approx(160 / 9)


def test_fresh_tasks_are_common_to_conditions_and_differ_between_members():
    assert task_seeds(0, 3, 20) == task_seeds(0, 3, 20)
    assert not set(task_seeds(0, 3, 20)) & set(task_seeds(0, 4, 20))
    assert task_seeds(0, 3, 10) == task_seeds(0, 3, 20)[:10]
    assert max(task_seeds(1, 1, 100)) < 2**63


def test_a_life_with_plasticity_off_is_played_with_the_weights_of_birth():
    lifetimes = Lifetimes(SPEC, LifetimeConfig(updates=3), NetworkConfig(hidden_size=6))
    weights = lifetimes.net.initial(2, torch.Generator().manual_seed(1))
    hyper = starting_hyper(EvolutionConfig(), 2)
    assert hyper[0].tolist() == pytest.approx([7.5e-4, 0.91, 0.4, 1e-3])
    score, right = live(lifetimes, weights, frozen(hyper), 0, tasks=5)
    assert score.shape == (2, 5)
    assert right.shape == (2, 5, 3 * 6 + 20)
    assert score == pytest.approx(2 * right[:, :, -20:].sum(2) - 20)
    seeds = [s for member in range(2) for s in task_seeds(0, member, 5)]
    tested = lifetimes.live(
        weights.repeat_interleave(5, 0), hyper.repeat_interleave(5, 0), seeds, learning=False
    )
    assert tested.score.tolist() == score.flatten().tolist()


def test_imported_is_the_inverse_of_exported():
    """Networks of the core live the same life: the same logits and values, step by step."""
    network = NetworkConfig(hidden_size=7)
    spec = EnvironmentSpec("prefrontal/HarlowPairs-v0", inputs=("reward", "action"), split="all")
    population = Population.create(spec, network, members=3, seed=2)
    net = Lifetimes(SPEC, LifetimeConfig(embedding_size=0), network).net
    weights = net.imported(population.model.parameters)
    assert torch.allclose(net.exported(weights), population.model.parameters, atol=1e-7)
    envs = make_envs(spec, population.members, 4)
    envs.reset(seed=0)
    rollout = Rollout(envs, population.model, 4, [generator(0, m, "actions") for m in range(3)])
    trajectory = rollout.collect(False)
    logits, values = population.model.heads(trajectory.tapes)
    views = net.plain.views(weights)
    memory = net.plain.initial_state(views, 4)
    for t in range(6):
        x = trajectory.tapes[0].x_t[t].transpose(1, 2)
        ours, _, memory = net.plain.step(views, x, memory)
        assert torch.allclose(ours[..., :2].transpose(1, 2), logits[t], atol=1e-5)
        assert torch.allclose(ours[..., 2], values[t].view(3, 4), atol=1e-5)


def test_generation_zero_is_the_courses():
    """Course: 49.72; ours 48 to 50 (SD of one individual 20)."""
    lifetimes = Lifetimes(SPEC, LifetimeConfig())
    means = generation_zero(lifetimes, starting_hyper(EvolutionConfig(), 1), 0, 3, 40, 10)
    assert means.shape == (3,)
    assert means.mean() == pytest.approx(49.5, abs=5)
    assert np.ptp(means) > 0


def test_rivals_have_equal_numbers_of_steps():
    conditions = EXPERIMENT.conditions
    steps = {name: one.training.total_steps for name, one in conditions.items()}
    assert steps.pop("baldwin") == steps.pop("published") == STEPS
    assert set(steps.values()) == {STEPS // 4}
    kinds = {
        one.algorithm.inheritance
        for one in conditions.values()
        if isinstance(one.algorithm, EvolutionConfig)
    }
    assert kinds == {"baldwin", "lamarck", "darwin", "hyper-parameters", "random-search"}
    assert isinstance(conditions["plain-rl"].algorithm, A2CConfig)
    train = conditions["vectors"].environment
    assert train.split == "train"
    assert train.kwargs["held_out_objects"] == 10

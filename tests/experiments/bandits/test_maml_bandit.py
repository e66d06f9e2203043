"""Agents that adapt by gradient, and what they are held against."""

from dataclasses import replace
from pathlib import Path

import pytest

from prefrontal.agents import registry
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment

EXPERIMENT = find_experiment("maml-bandit")


def population(condition: str):
    settings = EXPERIMENT.conditions[condition]
    job = replace(settings, training=replace(settings.training, members=3)).job(0)
    registry.check(job)
    learner = registry.make_learner(replace(job, num_envs=2), range(3))
    begun = learner.state()["weights"]
    learner.close()
    return registry.make_population(job, begun)


def test_one_large_step_is_at_its_ceiling_and_a_small_one_at_chance(tmp_path: Path) -> None:
    names = ["5x10-maml-1", "5x100-reptile", "5x100-fixed", "5x100-maml-1"]
    populations = {name: population(name) for name in names}
    settings = {name: EXPERIMENT.conditions[name] for name in names}
    evaluation = Evaluation(populations, settings, "held_out", 2000, 0, tmp_path)
    outcome = EXPERIMENT.measure(evaluation)
    found = {one.name: one for one in outcome.findings}
    assert found["reward, 5x10, maml-1"].value == pytest.approx(5.93, abs=0.1)
    assert found["reward, 5x100, reptile"].value == pytest.approx(70.4, abs=0.8)
    assert found["reward, 5x100, fixed"].value == pytest.approx(50.6, abs=0.7)
    assert found["ceiling, 5x100: one gradient step after 20 pulls"].value == pytest.approx(
        70.6, abs=0.1
    )
    assert found["ceiling, 5x100: step .5, fresh pulls"].value == pytest.approx(50.7, abs=0.1)
    assert found["reference, 5x10: Gittins 0.9"].value == pytest.approx(6.6, abs=0.1)
    assert found["reward, 5x100, maml-1 less reptile"].bar is None
    assert {path.name for path in outcome.figures} == {"rewards_10.png", "rewards_100.png"}


def test_agents_have_the_same_bandits_and_steps() -> None:
    for pulls in (10, 100):
        one, net = (EXPERIMENT.conditions[f"5x{pulls}-{name}"] for name in ("maml-1", "rl2"))
        assert one.environment.kwargs == net.environment.kwargs
        assert one.training.total_steps == net.training.total_steps
    assert len(EXPERIMENT.conditions) == 14

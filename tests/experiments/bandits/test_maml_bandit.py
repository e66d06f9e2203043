"""Agents that adapt by gradient, and what they are held against."""

from dataclasses import replace
from pathlib import Path

import pytest

from prefrontal.agents import registry
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment

EXPERIMENT = find_experiment("maml-bandit")


def untrained(folder: Path, *conditions: str) -> dict[str, Finding]:
    """Return what is found of three members where training starts."""
    settings, populations = {name: EXPERIMENT.conditions[name] for name in conditions}, {}
    for name, one in settings.items():
        job = replace(one, training=replace(one.training, members=3, num_envs=2)).job(0)
        learner = registry.make_learner(job, range(3))
        populations[name] = registry.make_population(job, learner.state()["weights"])
        learner.close()
    evaluation = Evaluation(populations, settings, "held_out", 1000, 0, folder, figures=False)
    return {one.name: one for one in EXPERIMENT.measure(evaluation).findings}


def test_one_large_step_is_at_its_ceiling(tmp_path: Path) -> None:
    found = untrained(tmp_path, "5x10-maml-1", "5x10-maml-10", "5x10-fixed")
    assert found["reward, 5x10, maml-1"].value == pytest.approx(5.93, abs=0.1)
    assert found["reward, 5x10, fixed"].value == pytest.approx(5.05, abs=0.1)
    assert found["ceiling, 5x10: one gradient step after 2 pulls"].value == pytest.approx(
        5.93, abs=0.01
    )
    assert found["reference, 5x10: Gittins 0.9"].value == pytest.approx(6.6, abs=0.1)
    assert found["reward, 5x10, maml-10 less maml-1"].bar == 0.0


@pytest.mark.slow
def test_a_small_step_is_at_chance(tmp_path: Path) -> None:
    found = untrained(tmp_path, "5x100-reptile", "5x100-fixed", "5x100-maml-1")
    assert found["reward, 5x100, reptile"].value == pytest.approx(70.4, abs=0.8)
    assert found["reward, 5x100, fixed"].value == pytest.approx(50.6, abs=0.7)
    assert found["ceiling, 5x100: step .5, fresh pulls"].value == pytest.approx(50.7, abs=0.1)


def test_agents_have_the_same_bandits_and_steps() -> None:
    for pulls in (10, 100):
        one, net = (EXPERIMENT.conditions[f"5x{pulls}-{name}"] for name in ("maml-1", "rl2"))
        assert one.environment.kwargs == net.environment.kwargs
        assert one.training.total_steps == net.training.total_steps
    assert len(EXPERIMENT.conditions) == 14

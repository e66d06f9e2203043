"""Two independent arms by plain A2C: what is reported of agents that have not learned."""

from pathlib import Path

import pytest

from prefrontal.agents import Population
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment

EXPERIMENT = find_experiment("wang2016-plain")


def test_untrained_agents_are_at_chance_and_have_failed(tmp_path: Path) -> None:
    settings = {"published": EXPERIMENT.conditions["published"]}
    untrained = Population.create(settings["published"].environment, members=3)
    evaluation = Evaluation(
        {"published": untrained}, settings, "held_out", 1000, 0, tmp_path, figures=False
    )
    found = {one.name: one for one in EXPERIMENT.measure(evaluation).findings}
    assert found["regret, published"].value == pytest.approx(16.6, abs=0.7)
    assert found["Thompson's regret less the agent's, published"].verdict == "missed"
    assert found["reference: Gittins 0.99"].value == pytest.approx(1.78, abs=0.15)


def test_both_conditions_have_the_published_number_of_episodes() -> None:
    for settings in EXPERIMENT.conditions.values():
        assert settings.training.total_steps == 20_000 * settings.environment.kwargs["trials"]
        assert settings.algorithm.critic.baseline == "own"
        assert settings.algorithm.passes == 1

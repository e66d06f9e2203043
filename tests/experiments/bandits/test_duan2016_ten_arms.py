"""Ten pulls of ten arms: against the exact optimum."""

from pathlib import Path

import pytest

from prefrontal.agents import Population
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment

EXPERIMENT = find_experiment("duan2016-ten-arms")


def test_untrained_agents_pull_at_random(tmp_path: Path) -> None:
    untrained = Population.create(EXPERIMENT.conditions["default"].environment, members=3)
    evaluation = Evaluation(
        {"default": untrained}, EXPERIMENT.conditions, "held_out", 1000, 0, tmp_path, figures=False
    )
    found = {one.name: one for one in EXPERIMENT.measure(evaluation).findings}
    reward, regret = found["reward, all tasks"], found["regret, all tasks"]
    assert reward.verdict == "missed"
    assert reward.value == pytest.approx(5.0, abs=0.1)
    assert reward.optimum == pytest.approx(6.714, abs=1e-3)
    assert regret.optimum == pytest.approx(100 / 11 - 6.714, abs=1e-3)
    assert found["reference: regret, Gittins 0.9"].value == pytest.approx(regret.optimum, abs=0.06)
    assert found["greedy's regret less the agent's"].verdict == "missed"

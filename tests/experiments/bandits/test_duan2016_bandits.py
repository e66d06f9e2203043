"""The bandits of the RL² paper: its point is parity with the best algorithms."""

from pathlib import Path

import pytest

from prefrontal.agents import Population
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import conclusion, find_experiment

EXPERIMENT = find_experiment("duan2016-bandits")


def test_the_finding_is_not_reproduced_without_parity(tmp_path: Path) -> None:
    settings = {"5x100": EXPERIMENT.conditions["5x100"]}
    untrained = Population.create(settings["5x100"].environment, members=3)
    evaluation = Evaluation(
        {"5x100": untrained}, settings, "held_out", 100, 0, tmp_path, figures=False
    )
    findings = EXPERIMENT.measure(evaluation).findings
    found = {one.name: one for one in findings}
    parity = found["reward, 5x100, less that of the best policy"]
    assert parity.verdict == "missed"
    assert parity.note.split(",")[0] in {"UCB 0.283 Beta(1, 1)", "Gittins 0.99"}
    references = [one.value for one in findings if one.name.startswith("reference, 5x100")]
    difference = found["reward, 5x100"].value - max(references)
    assert abs(parity.value - difference) < 2  # without the luck of the rewards
    assert conclusion(EXPERIMENT, findings, EXPERIMENT.conditions, 4000)[1] == 1


@pytest.mark.parametrize(("pulls", "index"), [(20, "0.9"), (30, "0.99"), (201, "0.995")])
def test_agents_of_another_number_of_pulls_are_measured_too(
    tmp_path: Path, pulls: int, index: str
) -> None:
    settings = {"5x100": EXPERIMENT.conditions["5x100"].with_options(trials=pulls)}
    untrained = Population.create(settings["5x100"].environment, members=2)
    evaluation = Evaluation(
        {"5x100": untrained}, settings, "held_out", 10, 0, tmp_path, figures=False
    )
    names = {one.name for one in EXPERIMENT.measure(evaluation).findings}
    assert f"reference, 5x100: Gittins {index}" in names

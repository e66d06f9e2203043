"""What is measured of modules that rest."""

from pathlib import Path

import numpy as np

from prefrontal.agents import Population
from prefrontal.experiments.cores.rim_dormancy import EXPERIMENT, modules_at_rest
from prefrontal.experiments.evaluation import Evaluation


def test_modules_that_rest_through_all_blank_steps_are_counted() -> None:
    """Three modules of two units: one always rests, one moves once, one moves at the edges only."""
    hidden = np.zeros((1, 2, 6, 6))  # the choice, four blank steps, the choice
    hidden[0, 0, 3:, 2] = 1.0  # the second module moves at the third blank step
    hidden[0, :, 0, 4] = 1.0  # the third at the first blank step
    hidden[0, :, 5, 5] = 1.0  # and at the second choice
    assert modules_at_rest({"hidden": hidden}, 3).tolist() == [2.5]


def test_untrained_modules_are_measured_at_all_delays(tmp_path: Path) -> None:
    settings = {name: EXPERIMENT.conditions[name] for name in ("rim", "rim-all-active", "lstm")}
    populations = {
        name: Population.create(one.environment, one.network, members=2)
        for name, one in settings.items()
    }
    evaluation = Evaluation(populations, settings, "held_out", 200, 0, tmp_path)
    outcome = EXPERIMENT.measure(evaluation)
    found = {one.name: one for one in outcome.findings}
    for name in settings:
        assert abs(found[f"accuracy, trial 2, 32 blank steps, {name}"].value - 0.5) < 0.1
    assert found["accuracy at 32 blank steps, rim less lstm"].goal == 0.1
    resting = {name: one.value for name, one in found.items() if "at rest" in name}
    assert list(resting) == ["modules at rest through a delay of 32, rim"]
    assert 0 < resting["modules at rest through a delay of 32, rim"] <= 3
    assert [path.name for path in outcome.figures] == ["accuracy_by_delay.png"]

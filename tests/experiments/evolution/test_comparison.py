"""The small experiments on evolution around learning, through the command lines."""

import json

import pytest

from prefrontal import command
from prefrontal.experiments.evolution.baldwin_two_armed_bandit import EXPERIMENT, SPEC


@pytest.mark.slow
def test_evolves_and_compares(tmp_path):
    out = tmp_path / "run"
    words = "baldwin-context-bandit --members 2 --total-steps 6000 --individuals 10 --offspring 8"
    words += " --remeasured 2 --tasks 2 --truncation 4 --condition baldwin darwin --workers 1"
    assert command.train([*words.split(), "--no-progress", "--out", str(out)]) == 0
    assert command.evaluate([str(out), "--json", "--record", "2"]) == 0
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    found = {finding["name"]: finding["value"] for finding in metrics["findings"]}
    # Nobody learns in Darwin's condition: the champion after a life is the champion at birth.
    assert found["champion, fresh tasks, darwin"] == found["champion at birth, darwin"]
    assert found["learned in the weights, darwin"] == 0
    assert 0 <= found["probability that baldwin beats darwin"] <= 1
    assert "champion, held-out tasks, baldwin" in found
    figures = {path.name for path in (out / "evaluation").glob("*.png")}
    assert figures == {"fitness.png", "genes.png", "plasticity.png"}


def test_the_bandit_has_equal_steps_for_all_and_lives_of_120_pulls():
    conditions = EXPERIMENT.conditions
    assert list(conditions) == ["baldwin", "darwin", "hyper-parameters"]
    assert len({one.training.total_steps for one in conditions.values()}) == 1
    assert [stage["trials"] for stage in SPEC.stages] == [10, 20]
    assert {one.algorithm.learning_updates for one in conditions.values()} == {10}

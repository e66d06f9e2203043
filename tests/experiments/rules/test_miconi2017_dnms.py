"""The experiment of Miconi 2017 from the command line: findings and figures."""

import json

import numpy as np
import pytest

from prefrontal import command
from prefrontal.experiments.rules.miconi2017_dnms import (
    CONDITIONS,
    EXPERIMENT,
    _contrasts,
    _learning,
)


def test_trains_and_measures(tmp_path):
    out = tmp_path / "run"
    words = ["miconi2017-dnms", "--members", "2", "--units", "14", "--step-ms", "100"]
    words += ["--condition", "hebbian", "no-cube", "--total-steps", "1200", "--seed", "1"]
    words += ["--workers", "1", "--no-progress", "--out", str(out)]
    assert command.train(words) == 0
    assert command.evaluate([str(out), "--json", "--episodes", "8"]) == 0
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    names = [finding["name"] for finding in metrics["findings"]]
    assert "trials to criterion, hebbian" in names
    assert "error of the worst type, frozen weights, no-cube" in names
    assert {"errors.png", "responses.png"} <= {p.name for p in (out / "evaluation").glob("*.png")}


def test_the_protocol_is_the_published_one():
    one = EXPERIMENT.conditions["hebbian"]
    assert one.training.total_steps == 2_000_000
    assert one.training.num_envs == 1
    assert one.environment.inputs == ()
    assert (one.network.units, one.network.gain, one.network.time_constant) == (200, 1.5, 30)
    assert set(CONDITIONS) == set(EXPERIMENT.conditions)


def test_bars_by_hand():
    errors = np.full((2000, 8), 1.5)
    errors[700:] = 0.2
    errors[:900, 7] = 1.5  # the slowest
    criteria = np.array([796.0] * 7 + [996.0])
    middle, share, last = _learning("hebbian", errors, criteria)
    assert (middle.value, middle.low, middle.high) == (796.0, 796.0, 996.0)
    assert middle.verdict == "met"
    assert middle.succeeded == (8, 8)
    assert share.value == 1.0
    assert last.value == pytest.approx(0.2)
    nothing = np.full((2000, 8), 1.5)
    middle, share, _ = _learning("no-cube", nothing, np.full(8, np.inf))
    assert (middle.value, middle.succeeded) == (2000.0, (0, 8))
    assert share.verdict == "met"
    rng = np.random.default_rng(0)
    errors = {"hebbian": errors, "no-cube": nothing + rng.normal(0, 0.01, (2000, 8))}
    (found,) = _contrasts(errors)
    assert found.verdict == "met"
    assert found.name.endswith("no-cube less hebbian")

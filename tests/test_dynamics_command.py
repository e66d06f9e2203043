"""`prefrontal dynamics`: where a core comes to rest, by the command and from Python."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import prefrontal as pf
from prefrontal import command
from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.resting import _posterior
from tests.front import refused

SPEC = EnvironmentSpec("prefrontal/CorrelatedBandit-v0", ("action", "reward"), {"trials": 12})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def keeping(members=2):
    """Agents of two vanilla units: the first counts actions, the second follows it.

    Where it is small, ``h = tanh(x + h)`` keeps its value: a line attractor.
    """
    agents = Population.create(SPEC, NetworkConfig(core="rnn", hidden_size=2), members)
    weights = torch.zeros_like(agents.model.parameters)
    views = agents.model.nets[0].plain.views(weights)
    inputs = agents.input_size
    views["core.weight"][:, 0, 1] = 0.02  # the first action
    views["core.weight"][:, 0, 2] = -0.02
    views["core.weight"][:, 0, inputs] = 1.0
    views["core.weight"][:, 1, inputs] = 0.1  # the second follows the first
    views["core.weight"][:, 1, inputs + 1] = 0.3
    views["head.weight"][:, 0, 0] = 1.0
    agents.model.set_parameters(weights)
    return agents


def test_a_line_attractor_is_found(capsys):
    keeping().save("run")
    words = ["run", "--episodes", "8", "--starts", "20", "--json"]
    assert command.main(["dynamics", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(Path("run/dynamics/dynamics.json").read_text())
    assert (found["members"], found["state_size"]) == (2, 2)
    assert found["explained"]["mean"] > 0.95
    assert found["leading"]["mean"] == pytest.approx(1.0, abs=0.02)
    assert found["slow_modes"]["mean"] == 1
    assert found["preference"]["mean"] > 0.9
    assert found["resting"]["mean"] < 0.05 * found["driven"]["mean"]
    with Path("run/dynamics/slow_points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(found["slow_points"]["each"])
    assert all(float(row["second"]) < 0.5 for row in rows)
    assert Path("run/dynamics/slow_points.png").is_file()


def test_from_python_and_what_is_printed():
    keeping(1).save("run")
    found = pf.dynamics("run", episodes=4, starts=8, figures=False, out="out")
    assert found.lines[0] is not None
    assert "variance of the slow points along a line" in str(found)
    assert [path.name for path in found.written] == ["dynamics.json", "slow_points.csv"]


def test_posteriors_by_hand():
    """Arm 0 pays, arm 1 does not: 2/3 against 1/3 alone, and 3/4 where they add up to 1."""

    class Played:
        rewards = torch.tensor([1.0, 0.0]).view(2, 1, 1)
        actions = torch.tensor([0, 1]).view(2, 1, 1)
        task = {"p": torch.tensor([[[0.8, 0.3]]])}  # noqa: RUF012

    np.testing.assert_allclose(_posterior(Played, 2).ravel(), [2 / 3 - 1 / 2, 2 / 3 - 1 / 3])
    Played.task = {"p": torch.tensor([[[0.8, 0.2]]])}
    np.testing.assert_allclose(_posterior(Played, 2).ravel(), [2 * 2 / 3 - 1, 2 * 3 / 4 - 1])
    Played.task = {}
    assert _posterior(Played, 2) is None


def test_what_has_no_core(capsys):
    said = refused(capsys, command.main, ["dynamics", "meta-navigation"])
    assert "only agents that learned as recurrent networks" in said or "several conditions" in said
    assert "there are no trained agents" in refused(capsys, command.main, ["dynamics", "nowhere"])

"""What the documentation shows does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population, load
from prefrontal.agents.base import Job
from prefrontal.agents.networks.config import CORES
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.registry import make_learner
from tests.agents.helpers import BANDIT, learner

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def core() -> str:
    """The core of `docs/architecture.md`, made known as there."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "architecture.md").read_text(), re.DOTALL)
    body = [line for line in code.splitlines() if line.strip()]
    assert len(body) <= 30
    exec(compile(code, "docs/architecture.md", "exec"), {"__name__": "docs"})
    assert "my-gru" in CORES
    return "my-gru"


def test_the_core_of_the_documentation_learns_with_a2c_and_replay(core):
    for settings in ({}, {"replay": "uniform", "replay_capacity": 8, "critic": "privileged"}):
        network = NetworkConfig(core=core, hidden_size=12)
        subject = learner(range(2), network=network, batch=8, learning_rate=1e-2, **settings)
        before = subject.model.parameters
        for _ in range(3):
            metrics = subject.update()
        assert all(bool(value.isfinite().all()) for value in metrics.values())
        assert (subject.model.parameters - before).abs().amax(1).min() > 1e-3


def test_the_core_of_the_documentation_is_saved_and_predicts(core, tmp_path):
    spec = EnvironmentSpec(BANDIT, ("action", "reward", "time"), {"trials": 6})
    population = Population.create(spec, NetworkConfig(core=core, hidden_size=5), members=2)
    population.save(tmp_path)
    agent = load(tmp_path)[1]
    size = agent.model.input_size
    observation, state = np.ones((3, size), np.float32), None
    for _ in range(3):
        _, state = agent.predict(observation, state)
    assert [part.shape for part in state] == [(3, 5)]
    assert torch.equal(agent.model.parameters[0], population.model.parameters[1])


def test_the_core_of_the_documentation_learns_with_r2d2(core):
    spec = EnvironmentSpec(BANDIT, ("action", "reward", "time"), {"trials": 6})
    config = R2D2Config(sequence=4, burn_in=2, replay_start=4, replay_batch=4)
    job = Job(spec, NetworkConfig(core=core, hidden_size=6), config, 2, 8, 2000, seed=0)
    learner = make_learner(job, range(2))
    before = learner.state()["weights"]
    for _ in range(3):
        learner.update()
    assert (learner.state()["weights"] - before).abs().amax(1).min() > 1e-4


def test_one_update_enters_few_files():
    """A reader can follow an update: plain core, environment included."""
    words = [sys.executable, "docs/count_files.py", "update"]
    done = subprocess.run(words, cwd=DOCS.parent, capture_output=True, text=True, check=True)
    files = [line for line in done.stdout.splitlines() if ".py: " in line]
    assert 8 < len(files) <= 13, done.stdout

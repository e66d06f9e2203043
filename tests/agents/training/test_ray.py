"""Members on a Ray cluster: the same numbers, whoever trains them and whoever dies."""

import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import TrainingError
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import Job, train
from tests.agents.helpers import BANDIT

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
JOB = Job(
    environment=EnvironmentSpec(BANDIT, ("action", "reward"), {"trials": 5}),
    network=NetworkConfig(hidden_size=7),
    algorithm=A2CConfig(normalise_advantages=True),
    members=3,
    num_envs=3,
    total_steps=15 * 40,
    seed=4,
)


@pytest.fixture(scope="module")
def cluster():
    """Two machines of one processor each, on this one."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def finished(path, job, workers, report=None):
    """State and metrics that a run left behind."""
    run = RunFolder.resume(path) if path.exists() else RunFolder.create(path, {})
    with run:
        train(job, run, workers, report)
    return run.load()[0], (path / "metrics.csv").read_bytes()


def busy() -> dict[int, int]:
    """The processes of our cluster that train members, with that of their machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            title = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if title.startswith(b"ray::_Actor") and parent in machines():
                found[int(path.name)] = parent
    return found


def machines() -> set[int]:
    """The processes that stand for machines, which this one has started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in children}


def test_members_learn_the_same_when_their_workers_are_killed(cluster, tmp_path):
    """Two blocks, on a machine each; both are killed while they train, at different times."""
    used, killed = set(), list[int]()

    def report(progress):
        alive = busy()
        used.update(alive.values())
        if progress.steps in (150, 450):
            killed.append(min(set(alive) - set(killed)))
            os.kill(killed[-1], signal.SIGKILL)

    on_ray = replace(JOB, ray_address=cluster.address)
    state, metrics = finished(tmp_path / "ray", on_ray, 2, report)
    assert len(used) == 2
    assert len(set(killed)) == 2
    expected, rows = finished(tmp_path / "local", JOB, 2)
    assert metrics == rows
    for name, value in expected.items():
        assert torch.equal(state[name], value), name


def test_a_run_on_a_cluster_goes_on_elsewhere(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("prefrontal.agents.training.loop.CHECKPOINT_SECONDS", 0.0)

    def stop(progress):
        if progress.steps > 300:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        finished(tmp_path / "run", replace(JOB, ray_address=cluster.address), 1, stop)
    state, metrics = finished(tmp_path / "run", JOB, 1)
    expected, rows = finished(tmp_path / "straight", JOB, 1)
    assert metrics == rows
    assert torch.equal(state["weights"], expected["weights"])


def test_what_goes_wrong_there_is_said_here(cluster, tmp_path):
    job = replace(JOB, algorithm=A2CConfig(learning_rate=1e30), ray_address=cluster.address)
    with pytest.raises(TrainingError, match=r"^[^\n]*member[^\n]*$"):
        finished(tmp_path / "run", job, 2)

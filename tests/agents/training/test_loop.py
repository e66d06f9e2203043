"""Training runs: killed, resumed, spread over processes, always the same numbers."""

import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import prefrontal.agents.training.loop
import prefrontal.agents.training.shards
from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, load
from prefrontal.agents.common.errors import CheckpointError, TrainingError
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import Job, train
from tests.agents.helpers import BANDIT, learner, register_countdown, run_train

JOB = Job(
    environment=EnvironmentSpec(BANDIT, ("action", "reward"), {"trials": 5}),
    network=NetworkConfig(hidden_size=7),
    algorithm=A2CConfig(normalise_advantages=True),
    members=3,
    num_envs=3,
    total_steps=15 * 450,  # three updates a report
    seed=4,
)
SHORT = replace(JOB, total_steps=15 * 40)


class Interrupted(Exception):
    """Ends a run from within its report."""


@pytest.fixture
def forking(monkeypatch):
    """Workers that need not import everything again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train", "torch.utils.tensorboard"])
    monkeypatch.setattr(
        prefrontal.agents.training.shards.multiprocessing, "get_context", lambda _: context
    )
    return context


def finished(path: Path, job: Job, workers: int = 1, report=None):
    """The population that a run left behind, its state and its metrics."""
    run = RunFolder.resume(path) if (path / "config.toml").exists() else RunFolder.create(path, {})
    with run:
        train(job, run, workers, report)
    return load(path), run.load()[0], (path / "metrics.csv").read_bytes()


def assert_same(one, other):
    _, state, metrics = one
    _, other_state, other_metrics = other
    assert state.keys() == other_state.keys()
    for name, value in state.items():
        assert torch.equal(value, other_state[name]), name
    assert metrics == other_metrics


def test_a_run_leaves_metrics_a_checkpoint_and_events(tmp_path):
    seen = []
    population, state, metrics = finished(tmp_path / "run", JOB, report=seen.append)
    rows = metrics.decode().splitlines()
    assert rows[0].startswith("update,member,steps,")
    assert len(rows) == 1 + 150 * 3
    assert rows[-1].startswith(f"450,2,{JOB.total_steps},")
    assert [p.steps for p in seen] == [45 * k for k in range(151)]
    assert torch.equal(load(tmp_path / "run").model.parameters, population.model.parameters)
    assert torch.equal(state["weights"], population.model.parameters)
    assert list((tmp_path / "run").glob("events.out.tfevents*"))
    again, _, same_metrics = finished(tmp_path / "run", JOB)  # there is nothing left to do
    assert torch.equal(again.model.parameters, population.model.parameters)
    assert same_metrics == metrics


def test_the_number_of_workers_does_not_matter(tmp_path):
    """Up to rounding; here with workers as users have them, in new interpreters."""
    job = replace(JOB, total_steps=15 * 8)
    one, two = (finished(tmp_path / str(n), job, workers=n)[1] for n in (1, 2))
    alone = finished(tmp_path / "alone", replace(job, members=1))[1]
    assert torch.equal(one["generator.actions"], two["generator.actions"])
    for other, rows in ((two, slice(3)), (alone, slice(1))):
        torch.testing.assert_close(other["weights"], one["weights"][rows], rtol=1e-4, atol=1e-5)


def test_metrics_of_many_updates_are_averaged_alike_for_any_number_of_members():
    together, _ = prefrontal.agents.training.shards._answer(learner([0, 4, 7]), "update", 9)
    alone, _ = prefrontal.agents.training.shards._answer(learner([4]), "update", 9)
    for name, value in alone.items():
        torch.testing.assert_close(value, together[name][1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "workers"),
    [
        (SHORT.environment, 1),
        (SHORT.environment, 2),
        (EnvironmentSpec(register_countdown()), 1),  # which workers would have to register
    ],
)
def test_resumes_exactly(tmp_path, monkeypatch, forking, environment, workers):
    job = replace(SHORT, environment=environment)
    monkeypatch.setattr(prefrontal.agents.training.loop, "CHECKPOINT_SECONDS", 0.0)
    straight = finished(tmp_path / "straight", job, workers)
    for stop in (0.2, 0.6, None):

        def report(progress, stop=stop):
            if stop is not None and progress.steps > stop * job.total_steps:
                raise Interrupted

        try:
            resumed = finished(tmp_path / "run", job, workers, report)
        except Interrupted:
            continue
    assert_same(resumed, straight)


@pytest.mark.slow
def test_a_killed_worker_is_reported_in_one_line(tmp_path, forking):
    def report(_):
        child = multiprocessing.active_children()[0]
        os.kill(child.pid, signal.SIGKILL)
        child.join()

    before = set(multiprocessing.active_children())
    job = replace(SHORT, total_steps=15 * 400)
    with pytest.raises(TrainingError, match=r"^a worker process died .*--resume"):
        finished(tmp_path / "run", job, 2, report)
    assert set(multiprocessing.active_children()) == before
    assert_same(finished(tmp_path / "run", job, 2), finished(tmp_path / "straight", job, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loss_that_is_not_a_number_names_the_member(tmp_path, forking, workers):
    job = replace(JOB, algorithm=A2CConfig(learning_rate=1e38, epsilon=1e-30))
    with pytest.raises(TrainingError, match=r"the loss of member .* is not a number at step"):
        finished(tmp_path / "run", job, workers)


def test_that_the_last_checkpoint_is_kept_is_said_only_if_there_is_one(tmp_path):
    wrong = replace(JOB, algorithm=A2CConfig(learning_rate=1e38, epsilon=1e-30))
    with pytest.raises(TrainingError, match=r"try a smaller --learning-rate$"):
        finished(tmp_path / "new", wrong)
    finished(tmp_path / "run", SHORT)
    with pytest.raises(TrainingError, match=r"--learning-rate \(the last checkpoint is kept\)$"):
        finished(tmp_path / "run", wrong)


def test_a_checkpoint_of_another_population_is_refused(tmp_path):
    finished(tmp_path / "run", SHORT)
    with pytest.raises(CheckpointError, match=r"weights have shape \[3, .*numbers \[2,"):
        finished(tmp_path / "run", replace(SHORT, members=2))


# TRAIN.PY, KILLED

COMMAND = [
    "wang2016-bandit",
    "--members",
    "3",
    "--num-envs",
    "3",
    "--trials",
    "5",
    "--hidden-size",
    "7",
    "--total-steps",
    "1500",
    "--seed",
    "4",
    "--critic-units",
    "5",
]


def rows_of(run: Path) -> int:
    file = run / "metrics.csv"
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
def test_train_can_be_killed_at_any_moment(tmp_path, forking):
    """Real SIGKILLs at any moment: the resumed run ends with the bits of an uninterrupted one."""
    moments = random.Random(7)
    run, straight = tmp_path / "killed", tmp_path / "straight"

    def started(*arguments: str):
        process = forking.Process(target=run_train, args=(str(tmp_path), list(arguments)))
        process.start()
        return process

    undisturbed = started(*COMMAND, "--out", str(straight), "--workers", "1")
    kills = 0
    for rows in (0, 1, 40, 60, 3, 60):
        go_on = ["wang2016-bandit", "--resume"] if (run / "config.toml").exists() else COMMAND
        before = rows_of(run)
        process = started(*go_on, "--out", str(run), "--workers", "1")
        while process.is_alive():
            if (run / "config.toml").exists() and rows_of(run) >= before + rows:
                time.sleep(moments.random() * 0.02)
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.001)
        process.join()
    last = started("wang2016-bandit", "--resume", "--out", str(run), "--workers", "1")
    last.join()
    undisturbed.join()
    assert (last.exitcode, undisturbed.exitcode) == (0, 0)
    assert kills == 6
    state, wanted = (RunFolder.read(path).load()[0] for path in (run, straight))
    assert all(torch.equal(value, wanted[name]) for name, value in state.items())
    assert (run / "metrics.csv").read_bytes() == (straight / "metrics.csv").read_bytes()
    assert rows_of(run) == 301


def test_snapshots_are_kept_through_an_interruption(tmp_path, monkeypatch):
    """Four copies, evenly spaced, the last is what was trained; the same after a resume."""
    monkeypatch.setattr(prefrontal.agents.training.loop, "CHECKPOINT_SECONDS", 0.0)
    job = replace(SHORT, snapshots=4)
    whole = finished(tmp_path / "whole", job)
    run = RunFolder.read(tmp_path / "whole")
    arrays, meta = run.load()
    assert arrays["snapshots"].shape[:2] == (3, 4)
    assert meta["snapshot_steps"] == [150, 300, 450, 600]
    assert torch.equal(arrays["snapshots"][:, -1], arrays["weights"].half())
    assert not torch.equal(arrays["snapshots"][:, 0], arrays["weights"].half())

    def stop(progress):
        if progress.steps >= 345:
            raise Interrupted

    with pytest.raises(Interrupted):
        finished(tmp_path / "cut", job, report=stop)
    assert_same(finished(tmp_path / "cut", job), whole)
    assert RunFolder.read(tmp_path / "cut").load()[1]["snapshot_steps"] == meta["snapshot_steps"]


def test_stages_replace_parameters():
    spec = EnvironmentSpec(BANDIT, ("action",), {"trials": 5}, stages=({"trials": 3}, {}))
    assert spec.stage(0) == EnvironmentSpec(BANDIT, ("action",), {"trials": 3})
    assert spec.stage(-1).kwargs == {"trials": 5}
    assert replace(spec, stages=()).stage(1).stages == ()
    read = EnvironmentSpec(BANDIT, kwargs={"a": [1, [2]]}, stages=[{"b": [3]}])  # from a file
    assert read.kwargs == {"a": (1, (2,))}
    assert read.stages == ({"b": (3,)},)
    envs = make_envs(replace(spec, stages=({}, {"trials": 7})), [0], 2)
    assert envs.steps == 7  # of the last stage
    envs.close()

"""Settings and learning curves in W&B and MLflow, kept on this machine; what is absent is named."""

import time
from pathlib import Path

import pytest

from prefrontal import command
from prefrontal.agents.common.errors import TrainingError
from prefrontal.sinks import BrokenOff, _close
from tests.front import SMALL, refused

WORDS = ["context-bandit", *SMALL, "--members", "2", "--workers", "1", "--no-progress"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
def test_what_is_absent_is_said_in_one_line(kind, capsys, monkeypatch):
    monkeypatch.setattr("prefrontal.sinks.importlib.util.find_spec", lambda _: None)
    said = refused(capsys, command.train, [*WORDS, "--log", kind])
    assert f"--log {kind} needs" in said
    assert f'pip install ".[{kind}]"' in said
    assert "must be one of" in refused(capsys, command.train, [*WORDS, "--log", "wandbb"])


def test_mlflow_keeps_settings_and_curves_of_one_run(monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    assert command.train([*WORDS, "--log", "mlflow", "--out", "run"]) == 0
    assert command.train(["context-bandit", "--resume", "--out", "run", "--log", "mlflow"]) == 0
    client = mlflow.MlflowClient()
    place = client.get_experiment_by_name("prefrontal")
    (run,) = client.search_runs([place.experiment_id])  # the same when it is resumed
    assert run.info.status == "FINISHED"
    assert run.data.params["algorithm/discount"] == "0.0"
    assert run.data.params["network/hidden_size"] == "6"
    curve = client.get_metric_history(run.info.run_id, "rollout/return")
    steps = [int(row.split(",")[2]) for row in Path("run/metrics.csv").read_text().split()[1::2]]
    assert sorted(one.step for one in curve) == steps


def test_wandb_keeps_them_offline_in_the_run_folder(monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert command.train([*WORDS, "--log", "wandb", "--out", "run"]) == 0
    (kept,) = Path("run").glob("wandb/offline-run-*/run-*.wandb")
    names = b"rollout/return", b"algorithm/learning_rate", b"prefrontal"
    for _ in range(600):  # a process of W&B's writes it, and may do so after training has ended
        missing = [name for name in names if name not in kept.read_bytes()]
        if not missing:
            break
        time.sleep(0.1)
    assert not missing


def test_a_place_that_cannot_be_reached_is_one_line(monkeypatch, capsys):
    pytest.importorskip("mlflow")

    def unreachable(*_):
        raise OSError("no such host\nmore")

    monkeypatch.setattr("mlflow.MlflowClient", unreachable)
    from prefrontal.command import guarded

    words = [*WORDS, "--log", "mlflow", "--out", "run"]
    assert guarded(command.train, words) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "error: --log mlflow: MLflow said: no such host; say where it is: MLFLOW_TRACKING_URI"
    ]
    assert command.train(["context-bandit", "--resume", "--out", "run"]) == 0


class Kept:
    """A sink that says how it was closed, or fails at it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.failed = error, []

    def log(self, values, step):
        pass

    def close(self, failed):
        self.failed.append(failed)
        if self.error is not None:
            raise self.error


def test_a_sink_that_fails_on_close_hides_no_error():
    sink = Kept(OSError("gone"))
    _close("mlflow", sink, TrainingError)  # which is raised already
    with pytest.raises(TrainingError, match="--log mlflow: MLflow said: gone"):
        _close("mlflow", sink, None)


def test_what_is_broken_off_has_not_failed():
    sink = Kept()
    for broken in (None, BrokenOff, TrainingError):
        _close("wandb", sink, broken)
    assert sink.failed == [False, False, True]

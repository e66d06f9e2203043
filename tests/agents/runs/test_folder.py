"""Run folders: refuse to overwrite, lock, and resume to the same files."""

import csv
import errno
import json
import multiprocessing
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prefrontal.agents.common.errors import RunFolderError
from prefrontal.agents.runs import folder as runfolder
from prefrontal.agents.runs.folder import MetricsFile, RunFolder, git_revision

COLUMNS = ["update", "loss", "note"]
CONFIG = {"seed": 3, "learner": {"rate": 0.1}}


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [{"update": u, "loss": 1 / u, "note": "a,b"} for u in range(first, last + 1)]


def write(path: Path, first: int, last: int, last_update: int | None = None) -> None:
    file = MetricsFile(path, COLUMNS, last_update)
    for row in rows(first, last):
        file.append(row)
    file.close()


# --- metrics.csv ---


def test_cells_read_back_exactly(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.csv", ["update", *"abcdefg"])
    values = [0.1 + 0.2, np.float32(0.1), torch.tensor(1e-300).double(), None, True, 7, 'x,"y"']
    file.append(dict(zip(["update", *"abcdefg"], [np.int64(1), *values], strict=True)))
    (row,) = csv.DictReader((tmp_path / "m.csv").open())
    assert row["update"] == "1"
    assert float(row["a"]) == 0.1 + 0.2
    assert np.float32(row["b"]) == np.float32(0.1)
    assert float(row["c"]) == float(values[2])
    assert (row["d"], row["e"], row["f"], row["g"]) == ("", "1", "7", 'x,"y"')


def test_rows_must_fit(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.csv", COLUMNS)
    with pytest.raises(ValueError, match="must have the keys"):
        file.append({"update": 1, "loss": 2.0})
    with pytest.raises(ValueError, match="must have the keys"):
        file.append({"update": 1, "loss": 2.0, "note": "", "more": 1})
    with pytest.raises(ValueError, match="one line"):
        file.append({"update": 1, "loss": 2.0, "note": "a\nb"})
    with pytest.raises(TypeError, match="a cell must be"):
        file.append({"update": 1, "loss": [2.0], "note": ""})
    with pytest.raises(ValueError, match="first column must be 'update'"):
        MetricsFile(tmp_path / "m.csv", ["loss"])
    assert (tmp_path / "m.csv").read_text() == "update,loss,note\n"


def test_resumed_from_any_byte_the_file_is_the_same(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    write(whole, 1, 9)
    content = whole.read_bytes()
    through_5 = content.index(b"\n6,") + 1  # the checkpoint of update 5 waited for its rows
    resumed = tmp_path / "resumed.csv"
    for size in range(through_5, len(content) + 1):
        resumed.write_bytes(content[:size])
        write(resumed, 6, 9, last_update=5)
        assert resumed.read_bytes() == content


def test_resumed_without_checkpoint_starts_again(tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole.csv", tmp_path / "resumed.csv"
    write(whole, 1, 4)
    for size in range(0, len(whole.read_bytes()), 7):
        resumed.write_bytes(whole.read_bytes()[:size])
        write(resumed, 1, 4, last_update=None)
        assert resumed.read_bytes() == whole.read_bytes()


def test_damaged_metrics_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.csv"
    path.write_text("update,other\n1,2\n")
    with pytest.raises(RunFolderError, match=r"has the columns 'update,other', and this run"):
        MetricsFile(path, COLUMNS, 1)
    path.write_text("update,loss,note\n1,2,\n\0\0\0\n")
    with pytest.raises(RunFolderError, match="line 3, does not start with an update number"):
        MetricsFile(path, COLUMNS, 1)
    path.unlink()
    MetricsFile(path, COLUMNS, 4)
    assert "is missing: it starts again after update 4\n" in capsys.readouterr().err


def test_full_disk_keeps_complete_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = MetricsFile(tmp_path / "m.csv", COLUMNS)
    file.append(rows(1, 1)[0])
    before = (tmp_path / "m.csv").read_bytes()

    def full(handle: Any, content: bytes) -> None:
        handle.write(content[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runfolder, "write_all", full)
    with pytest.raises(RunFolderError, match=r"cannot write .*m\.csv: No space left on device"):
        file.append(rows(2, 2)[0])
    monkeypatch.undo()
    assert (tmp_path / "m.csv").read_bytes() == before
    file.append(rows(2, 2)[0])
    assert (tmp_path / "m.csv").read_bytes().startswith(before)


# --- the folder ---


def test_a_new_run(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "a" / "run", CONFIG, "python train.py --seed 3") as run:
        assert run.config() == CONFIG
        assert not run.has_checkpoint
        versions = run.versions()
        assert torch.__version__.startswith(versions["torch"])
        names = {"python", "torch", "numpy", "gymnasium", "prefrontal", "platform", "git"}
        assert versions.keys() == names
        assert (run.path / "command.txt").read_text() == "python train.py --seed 3\n"
    read = RunFolder.read(tmp_path / "a" / "run")
    assert read.config() == CONFIG


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, CONFIG).close()
    with pytest.raises(RunFolderError, match="is not empty; resume the run in it or choose"):
        RunFolder.create(tmp_path, {"seed": 4})
    assert RunFolder.read(tmp_path).config() == CONFIG
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder.create(tmp_path / "other", CONFIG)
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.create(tmp_path / "other" / "thesis.tex", CONFIG)


def test_a_start_killed_before_its_configuration_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text("{")
    (tmp_path / ".config.toml.12.tmp").write_text("se")
    with pytest.raises(RunFolderError, match="no run in"):
        RunFolder.resume(tmp_path)
    with RunFolder.create(tmp_path, CONFIG) as run:
        assert run.config() == CONFIG


def test_resume_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"no run in .*nowhere; give a folder that contains"):
        RunFolder.resume(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, CONFIG)
    for begin in (lambda: RunFolder.resume(tmp_path), lambda: RunFolder.create(tmp_path, CONFIG)):
        with pytest.raises(RunFolderError, match="is in use by another run"):
            begin()
    assert RunFolder.read(tmp_path).config() == CONFIG
    run.close()
    run.close()
    try:  # a caller that tries to create and then resumes meets no lock of its own
        RunFolder.create(tmp_path, CONFIG)
    except RunFolderError:
        RunFolder.resume(tmp_path, "again").close()
    run = RunFolder.resume(tmp_path)
    del run  # forgotten: the lock goes with it
    RunFolder.resume(tmp_path).close()


def test_resume_logs_the_command_and_says_other_versions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RunFolder.create(tmp_path, CONFIG, "first").close()
    versions = json.loads((tmp_path / "versions.json").read_text())
    (tmp_path / "versions.json").write_text(json.dumps({**versions, "torch": "0.1"}))
    RunFolder.resume(tmp_path, "second\nline").close()
    (said,) = capsys.readouterr().err.splitlines()
    assert re.match(r"note: resuming .* with torch .*, begun with 0\.1: numbers may differ", said)
    assert (tmp_path / "command.txt").read_text() == "first\nsecond line\n"


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_damaged_configuration_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"cannot read .*config\.toml") as caught:
        RunFolder.read(tmp_path).config()
    assert "\n" not in str(caught.value)


def test_full_disk_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runfolder, "write_atomically", full)
    with pytest.raises(RunFolderError, match=r"cannot write .*: No space left on device"):
        RunFolder.create(tmp_path, CONFIG)
    monkeypatch.undo()
    RunFolder.create(tmp_path, CONFIG).close()


def test_conditions_have_their_own_files(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, CONFIG) as run:
        for name in ("modular", "holistic"):
            condition = run.condition(name)
            condition.metrics(COLUMNS).append(rows(1, 1)[0])
            condition.save({"w": torch.ones(2)}, {"update": 1, "condition": name})
            condition.close()
        assert run.condition("modular").load()[1]["condition"] == "modular"
        assert not run.has_checkpoint
        for name in ("", "..", "a/b", "checkpoint", "-x"):
            with pytest.raises(ValueError, match="a condition is named by"):
                run.condition(name)


def test_git_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    revision = git_revision()
    assert revision == "unknown" or len(revision.removesuffix("-dirty")) == 40
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert git_revision() == "unknown"


def train(path: Path, last: int, ready: Any) -> None:
    """A random walk as a stand-in for training: reports every update, saves every fifth."""
    begin = RunFolder.resume if (path / "config.toml").exists() else RunFolder.create
    with begin(path, *([CONFIG] if begin == RunFolder.create else [])) as run:
        g = torch.Generator().manual_seed(3)
        w, update = torch.zeros(8), 0
        if run.has_checkpoint:
            arrays, meta = run.load()
            w, update = arrays["w"], meta["update"]
            g.set_state(arrays["generator"])
        metrics = run.metrics(["update", "loss"], update or None)
        ready.set()
        while update < last:
            update += 1
            w += torch.randn(8, generator=g)
            metrics.append({"update": update, "loss": w.norm()})
            if update % 5 == 0:
                run.save({"w": w, "generator": g.get_state()}, {"update": update})


def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "torch", "safetensors.torch", "tomli_w"])

    def start(folder: str, last: int) -> Any:
        ready = context.Event()
        process = context.Process(target=train, args=(tmp_path / folder, last, ready), daemon=True)
        process.start()
        assert ready.wait(60)
        return process

    rng = random.Random(0)
    kills = 8
    for _ in range(kills):
        process = start("killed", 10**9)
        time.sleep(rng.uniform(0.005, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    killed = RunFolder.read(tmp_path / "killed")
    last = killed.load()[1]["update"] + 7
    train(tmp_path / "killed", last, context.Event())
    train(tmp_path / "whole", last, context.Event())
    whole = RunFolder.read(tmp_path / "whole")
    for name in ("metrics.csv", "config.toml"):
        assert (killed.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert torch.equal(killed.load()[0]["w"], whole.load()[0]["w"])
    assert (killed.path / "command.txt").read_text().count("\n") == kills + 1

"""Runs that are cut off from outside: one line, no traceback of a thread or worker, no orphans."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prefrontal import command
from tests.hostile import EVOLVED, TINY, said_of

RUN = ["wang2016-bandit", "--trials", "4", *TINY.split(), "--total-steps", "100000", "--out", "run"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def removing(monkeypatch, break_off) -> None:
    """Let something happen after the third report of a run."""
    from prefrontal.progress import Reporter

    seen = []

    def report(self, progress):
        seen.append(progress)
        if len(seen) == 3:
            break_off()

    monkeypatch.setattr(Reporter, "report", report)


def test_a_folder_that_is_removed_while_the_run_goes_on(monkeypatch):
    # Renamed, which is one step: a file that is written meanwhile cannot keep the folder.
    removing(monkeypatch, lambda: os.rename("run", "elsewhere"))
    code, err = said_of(command.train, RUN)
    assert (code, len(err.splitlines())) == (2, 1), err
    assert "run was removed" in err or "cannot write run" in err
    assert not Path("run").exists()


def test_a_full_disk_for_the_events(monkeypatch):
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    removing(monkeypatch, lambda: monkeypatch.setattr(RecordWriter, "write", full))
    code, err = said_of(command.train, RUN)
    assert (code, len(err.splitlines())) == (2, 1), err
    assert "cannot write run: No space left on device" in err


def children(process: int) -> set[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    found = set(map(int, path.read_text().split())) if path.exists() else set()
    return found.union(*map(children, found))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize(("what", "after"), [("members", 0.5), ("evolution", 4.0)])
def test_workers_end_with_a_parent_that_is_killed(tmp_path, what, after):
    words = ["course-baldwin-harlow", "--condition", "baldwin", *EVOLVED.split()]
    if what == "members":
        words = ["wang2016-bandit", *TINY.split()]
    words += ["--total-steps", "100000000", "--workers", "2", "--out", "killed"]
    code = "import sys; from prefrontal.command import entry; entry()"
    root = Path(__file__).parents[1]
    with open("err", "wb") as err:
        environment = {**os.environ, "PYTHONPATH": str(root)}
        begun = [sys.executable, "-c", code, "train", *words]
        process = subprocess.Popen(begun, stderr=err, stdout=err, env=environment)
    end = time.monotonic() + 60
    while len(workers := children(process.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(after)
    workers |= children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not list(filter(alive, workers))
    assert "Traceback" not in Path("err").read_text()


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

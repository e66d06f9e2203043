"""Run folders from anywhere: each works, or is refused in one line, with little memory."""

import gc
import os
import resource
import shutil
import sys
from pathlib import Path

import pytest
import scipy.stats  # noqa: F401 (an import that is interrupted half-way spoils those that follow)

import prefrontal as pf
from prefrontal.agents.common.errors import PrefrontalError
from tests.hostile import attack, commands_on, fault, make_runs, said_of

COUNT = int(os.environ.get("PREFRONTAL_ATTACKS", "40"))
GIGABYTE = 2**30


def peak() -> int:
    """Return the most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def files(folder: Path) -> set[Path]:
    return {one for one in folder.rglob("*")}


@pytest.mark.slow
def test_changed_folders_work_or_are_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    make_runs(runs)

    def interrupted(*_):  # a run that goes on has read all that there is to read
        raise KeyboardInterrupt

    monkeypatch.setattr("prefrontal.agents.training.loop.advance", interrupted)
    begun, faults = peak(), []
    names = sorted(one.name for one in runs.iterdir())
    for seed in range(COUNT):
        place = tmp_path / "changed"
        shutil.rmtree(place, ignore_errors=True)
        run = Path(
            shutil.copytree(runs / names[seed % len(names)], place / names[seed % len(names)])
        )
        told = attack(run, seed)
        outside, modules = files(tmp_path) - files(place), set(sys.modules)
        for main, words in commands_on(run):
            wrong = fault(*said_of(main, words, seconds=10))
            if peak() - begun > GIGABYTE:
                wrong, begun = f"took {(peak() - begun) / 1e9:.1f} GB", peak()
            if wrong:
                faults.append(f"seed {seed}, {run.name} {main.__name__}: {told}\n{wrong}")
        try:
            pf.load(run)
        except PrefrontalError:
            pass  # always one line, see its constructor
        except Exception as error:
            faults.append(f"seed {seed}, {run.name} load: {told}\n{error!r}")
        assert files(tmp_path) - files(place) == outside
        assert not [one for one in set(sys.modules) - modules if "evil" in one]
        gc.collect()
    assert not faults, f"{len(faults)} faults\n" + "\n\n".join(faults)

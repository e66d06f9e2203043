"""Two checkouts measured in turns; here one is a folder with a benchmark of known speed."""

from pathlib import Path

import pytest

from benchmarks.versions import Config, Worker, compare, main, sides

MEASURE = """
from collections import namedtuple
def work(turns, seconds):
    return namedtuple("Sample", "steps cpu")(next(turns), 1.0)
"""


def checkout(folder: Path, steps: int, name: str = "ours P1 N16") -> Path:
    """A checkout whose code does so many steps a second; that of an `older` one cannot."""
    package, code = folder / "benchmarks", folder / "prefrontal"
    package.mkdir(parents=True)
    code.mkdir()
    (code / "__init__.py").write_text("" if name == "older" else f"STEPS = {steps}\n")
    (package / "__init__.py").write_text("")
    (package / "measure.py").write_text(MEASURE)
    (package / "throughput.py").write_text(
        "class Side:\n"
        f"    name = {name!r}\n"
        "    def play(self):\n"
        "        import prefrontal\n"
        "        while True:\n"
        "            yield prefrontal.STEPS\n"
        "SIDES = [Side()]\n"
    )
    return folder


def test_the_ratio_is_that_of_the_rates(tmp_path, monkeypatch, capsys):
    here, other = checkout(tmp_path / "here", 6000), checkout(tmp_path / "other", 4000)
    monkeypatch.chdir(here)
    main(Config(other, only=("ours P1 N16",), rounds=3, seconds=0.0))
    row = capsys.readouterr().out.splitlines()[-1]
    assert row == "| ours P1 N16 | 6 | 4 | 1.500 | 1.500-1.500 |"


def test_sides_that_one_checkout_lacks_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(checkout(tmp_path / "sides", 1))
    here = Worker(checkout(tmp_path / "here", 1), "throughput", "ours P1 N16")
    other = Worker(checkout(tmp_path / "other", 1, "older"), "throughput", "ours P1 N16")
    try:
        assert compare(here, other, 1, 0.0) is None
    finally:
        here.close()
        other.close()


def test_a_side_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(checkout(tmp_path / "sides", 1))
    worker = Worker(checkout(tmp_path / "here", 1), "replay", "ours P1 N16")
    with pytest.raises(RuntimeError, match=r"side 'ours P1 N16' in .*here failed"):
        worker.rate(0.0)
    worker.close()


def test_only_sides_of_ours_in_one_thread_are_measured():
    names = {(benchmark, side.name) for benchmark, side in sides()}
    assert ("throughput", "ours, plain core P8 N16") in names
    assert ("throughput", "evolution, ours, N16") in names
    assert ("replay", "sample 32, P1: ours") in names
    assert {("td3", "ours, modular"), ("shipped", "default experiment")} <= names
    assert not any("SB3" in name or "DEAP" in name or "both cores" in name for _, name in names)
    with pytest.raises(ValueError, match="no side starts with 'theirs'"):
        sides(("theirs",))

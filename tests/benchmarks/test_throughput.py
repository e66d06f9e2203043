"""The harness: turns, processes, ratios and tables."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from benchmarks import throughput
from benchmarks.measure import Player, Result, Side, choose, command, measure, quartiles, work
from benchmarks.throughput import BARS, SIDES, Bar, Config, compare, main, verdict

OURS = Side("ours P1 N16", "prefrontal", 1, 16)


def test_work_counts_what_the_generator_yields():
    sample = work(iter(range(100, 10**6)), 0.0)
    assert sample.steps == 100
    assert sample.wall >= 0


def test_sides_have_names_of_their_own_and_bars_name_sides():
    names = [side.name for side in SIDES]
    assert len(set(names)) == len(names)
    assert {name for bar in BARS for name in bar.ours + bar.peers} <= set(names)


def test_clock_is_processor_time_only_for_one_thread():
    assert OURS.clock == "cpu"
    assert Side("two", "prefrontal", threads=2).clock == "wall"
    assert Side("two", "prefrontal", copies=2).clock == "wall"


def test_quartiles():
    assert quartiles([3.0]) == (3.0, 3.0, 3.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_unknown_side_is_refused_with_the_names():
    with pytest.raises(ValueError, match="no side starts with 'theirs'; there are: ours P1 N16"):
        choose(SIDES, ["theirs"])
    assert [side.name for side in choose(SIDES, ["ours P1 N16"])] == ["ours P1 N16"]


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (["throughput", "--only", "theirs"], "no side starts with 'theirs'"),
        (["replay", "--only", "theirs"], "no side starts with 'theirs'"),
        (["versions", "nowhere"], "nowhere is no checkout"),
        (["versions", ".", "--only", "theirs"], "no side starts with 'theirs'"),
        (["rl2_noise", "--only", "theirs", "--told-steps", "100"], "no variant 'theirs'"),
    ],
)
def test_what_cannot_be_measured_is_one_line(told, wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", told)
    module = importlib.import_module(f"benchmarks.{told[0]}")
    with pytest.raises(SystemExit) as ended:
        command(module.main, module.Config, None)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {wrong}")
    assert said.count("\n") == 1


def test_verdicts():
    bar = Bar("speed", ("a",), ("b",), 2, 4)
    assert [verdict(bar, ratio) for ratio in (1.0, 2.0, 4.0)] == ["NOT met", "met", "goal met"]
    assert verdict(Bar("speed", ("a",), ("b",), None, 4), 1.0) == "no bar"
    memory = Bar("memory", ("a",), ("b",), 1, 0.5, memory=True)
    assert [verdict(memory, ratio) for ratio in (2.0, 0.9, 0.4)] == ["NOT met", "met", "goal met"]


def test_the_best_of_a_peer_counts_and_ratios_are_of_rounds():
    results = {
        "a": Result([4.0, 6.0, 8.0], 10.0),
        "slow": Result([1.0, 1.0, 1.0], 5.0),
        "fast": Result([2.0, 2.0, 2.0], 5.0),
    }
    row = compare(Bar("speed", ("a",), ("slow", "fast"), 2, 4), results)
    assert row is not None
    assert row["ratio"] == 3.0
    assert row["quartiles"] == [2.5, 3.5]
    memory = compare(Bar("memory", ("a",), ("slow",), 1, 0.5, memory=True), results)
    assert memory is not None
    assert memory["ratio"] == 2.0
    assert compare(Bar("speed", ("a",), ("absent",), 2, 4), results) is None


def test_a_side_that_fails_says_why():
    player = Player(Side("bad", "one_environment", members=2, num_envs=1))
    try:
        with pytest.raises(RuntimeError, match="one agent and one environment"):
            player.run(0.0)
    finally:
        player.close()


def test_a_library_that_is_not_installed_is_skipped_with_a_line(monkeypatch):
    lines: list[str] = []

    def absent(self, seconds):
        raise ModuleNotFoundError("install the jax extra: pip install '.[jax]'", name="jax")

    monkeypatch.setattr(Player, "run", absent)
    assert measure([OURS], 1, 0.0, lines.append) == {}
    assert lines == [
        "ours P1 N16: skipped: install the jax extra: pip install '.[jax]'",
        "round 1 of 1",
    ]


@pytest.mark.slow
def test_whole_run(tmp_path, capsys, monkeypatch):
    sides = [OURS, Side("RecurrentPPO N16", "one_environment", 1, 1)]
    monkeypatch.setattr(throughput, "SIDES", sides)
    main(Config(rounds=2, seconds=0.05, json=tmp_path / "results.json"))
    printed = capsys.readouterr().out
    assert "| P1 N16: ours / RecurrentPPO |" in printed
    saved = json.loads((tmp_path / "results.json").read_text())
    assert set(saved["sides"]) == {side.name for side in sides}
    assert all(len(side["rates"]) == 2 and side["memory"] > 50 for side in saved["sides"].values())
    assert saved["machine"]["versions"]["torch"]


@pytest.mark.parametrize("fields", [{"rounds": 0}, {"seconds": 0.0}])
def test_settings_are_checked(fields):
    with pytest.raises(ValueError, match="rounds"):
        Config(**fields)

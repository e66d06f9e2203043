"""The sides of the replay benchmark move what they say they move."""

import pytest

import benchmarks.peers.replay as peers
import benchmarks.replay as replay
from benchmarks.measure import Result
from benchmarks.replay import BARS, SIDES, main
from benchmarks.throughput import Config


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(peers, "CAPACITY", 8000)


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_every_side_moves_what_it_says(side):
    moved = next(side.play())
    assert moved > 0
    assert moved % side.members == 0


def test_bars_name_sides_and_every_work_of_the_peer_has_one():
    names = {side.name for side in SIDES}
    assert len(names) == len(SIDES)
    assert {name for bar in BARS for name in bar.ours + bar.peers} <= names
    compared = {name for bar in BARS for name in bar.peers}
    assert compared == {name for name in names if ": SB3" in name}


def test_a_run_prints_rates_and_ratios(capsys, tmp_path, monkeypatch):
    """Without the processes, which are tested with the other benchmark."""

    def measured(sides, rounds, seconds):
        return {s.name: Result([3e6 if "ours" in s.name else 1e6] * rounds, 100.0) for s in sides}

    monkeypatch.setattr(replay, "measure", measured)
    main(Config(rounds=2, only=("sample 32",), json=tmp_path / "out.json"))
    out = capsys.readouterr().out
    assert "| sample 32, P1: ours / SB3 | 3 | 3-3 | 1 | 2 | goal met |" in out
    assert (tmp_path / "out.json").stat().st_size > 100
    with pytest.raises(ValueError, match="no side starts with 'theirs'"):
        main(Config(only=("theirs",)))

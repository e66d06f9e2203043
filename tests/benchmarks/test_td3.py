"""The comparison of TD3 updates: every side runs, and the table has its ratios."""

import json

import pytest

from benchmarks import td3
from benchmarks.measure import Result
from benchmarks.peers import td3_updates


@pytest.mark.parametrize("function", ["play", "play_sb3", "play_autograd"])
def test_every_side_updates(function):
    generator = getattr(td3_updates, function)(1, 2)
    assert [next(generator), next(generator)] == [4, 4]


@pytest.mark.parametrize("function", ["play_sb3", "play_autograd"])
def test_peers_train_one_agent(function):
    with pytest.raises(ValueError, match="one agent"):
        next(getattr(td3_updates, function)(2, 2))


def test_the_table_has_every_side_and_ratio(monkeypatch, tmp_path):
    def measure(sides, rounds, seconds):
        return {side.name: Result([10.0 + k] * rounds, 100.0) for k, side in enumerate(sides)}

    monkeypatch.setattr(td3, "measure", measure)
    table = td3.run(td3.Config(rounds=3, json=tmp_path / "found.json"))
    assert all(side.name in table for side in td3.SIDES)
    assert f"{10 / 13:.2f}" in table
    assert set(json.loads((tmp_path / "found.json").read_text())) == {s.name for s in td3.SIDES}
    with pytest.raises(ValueError, match="rounds"):
        td3.Config(rounds=0)

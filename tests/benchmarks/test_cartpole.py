"""The comparison on CartPole: every side runs, and the table has its ratios."""

import pytest

from benchmarks import cartpole as table
from benchmarks.measure import Result
from benchmarks.peers import cartpole


@pytest.mark.parametrize("core", ["none", "lstm"])
def test_ours_counts_the_steps_of_episodes(core):
    generator = cartpole.play(2, 3, core)
    assert all(2 * 3 * 8 <= next(generator) <= 2 * 3 * 500 for _ in range(2))


@pytest.mark.parametrize("function", ["play_sb3", "play_recurrent_ppo"])
def test_peers_train_one_agent(function):
    pytest.importorskip("sb3_contrib")
    generator = getattr(cartpole, function)(1, 2)
    assert next(generator) == 2 * cartpole.STEPS
    with pytest.raises(ValueError, match="one agent at a time"):
        next(getattr(cartpole, function)(2, 2))


def test_the_table_has_every_side_and_ratio(monkeypatch):
    def measure(sides, rounds, seconds):
        return {side.name: Result([40.0 - k] * rounds, 100.0) for k, side in enumerate(sides)}

    monkeypatch.setattr(table, "measure", measure)
    text = table.run(table.Config(rounds=3))
    assert all(side.name in text for side in table.SIDES)
    assert "1.03   1.03 to 1.03   4 NOT met" in text
    assert "1.06   1.06 to 1.06   1 met" in text
    with pytest.raises(ValueError, match="rounds"):
        table.Config(rounds=0)

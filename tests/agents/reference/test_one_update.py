"""Ceilings of one update in an episode, against enumeration by hand."""

import pytest

from prefrontal.agents.reference.one_update import best_one_update, one_update


def test_one_pull_by_hand():
    """One of two arms: it won (then 2/3) or lost (then the other, 1/2); the best is .5 + 7/12."""
    for rule in ("gradient", "commit"):
        found = one_update(2, 2, 1, rule)
        assert found.value == pytest.approx(0.5 + 7 / 12, abs=4 * found.error)
        assert found.error < 0.001
    # softmax of ±.25 step after a win, and of ∓.25 step after a loss: step 4 gives e / (e + 1/e)
    keep = 2.718281828**2 / (2.718281828**2 + 1)
    after = (keep * 2 / 3 + (1 - keep) / 2 + keep / 2 + (1 - keep) / 3) / 2
    found = one_update(2, 2, 1, step=4.0)
    assert found.value == pytest.approx(0.5 + after, abs=4 * found.error)
    fresh = one_update(2, 7, 1, fresh=True)
    assert fresh.value == pytest.approx(7 * 7 / 12, abs=4 * fresh.error)


def test_published_columns():
    assert one_update(5, 10, 2).value == pytest.approx(5.93, abs=0.01)
    assert one_update(5, 100, 20).value == pytest.approx(70.6, abs=0.1)
    assert one_update(5, 100, 20, "commit").value == pytest.approx(71.1, abs=0.1)
    assert one_update(5, 100, 100, step=0.5, fresh=True).value == pytest.approx(50.7, abs=0.1)
    best, found = best_one_update(5, 10, range(1, 6), "commit")
    assert best == 3
    assert found.value == pytest.approx(5.99, abs=0.01)

"""Exported files, read back."""

import csv

import numpy as np
import pytest

from prefrontal.analysis.choice.export import to_hbayesdm_csv, to_tidy_csv


def _read(path):
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


RECORD = {
    "action": np.array([[[0, 1], [1, 1]]]),
    "reward": np.array([[[1.0, 0.0], [0.0, 1.0]]]),
    "hidden": np.zeros((1, 2, 2, 3)),
    "task.gain": np.array([[1.5, 2.5]]),
}


def test_bandit_columns(tmp_path):
    rows = _read(to_hbayesdm_csv(RECORD, tmp_path / "a" / "b.tsv"))
    assert list(rows[0]) == ["subjID", "choice", "outcome"]
    assert [tuple(row.values()) for row in rows] == [
        ("m0e0", "1", "1"),
        ("m0e0", "2", "-1"),
        ("m0e1", "2", "-1"),
        ("m0e1", "2", "1"),
    ]
    rows = _read(to_hbayesdm_csv(RECORD, tmp_path / "c.tsv", "banditNarm_delta", max_episodes=1))
    assert list(rows[0]) == ["subjID", "choice", "gain", "loss"]
    assert len(rows) == 2


def test_two_step_columns(tmp_path):
    # first action 0, common, second action 1; first action 0, rare, second action 0
    record = {
        "action": np.array([[[0, 1, 0, 0]]]),
        "reward": np.array([[[0.0, 1, 0, 0]]]),
        "trial": np.array([[[0, 0, 1, 1]]]),
        "stage": np.array([[[0, 1, 0, 1]]]),
        "common": np.array([[[0, 1, 0, 0]]]),
    }
    rows = _read(to_hbayesdm_csv(record, tmp_path / "a.tsv", "ts_par4"))
    assert [tuple(row.values()) for row in rows] == [
        ("m0e0", "1", "2", "1"),
        ("m0e0", "1", "3", "0"),
    ]
    assert list(rows[0]) == ["subjID", "level1_choice", "level2_choice", "reward"]
    reduced = to_hbayesdm_csv(record, tmp_path / "b.tsv", "ts_par4", second_choice=False)
    assert [row["level2_choice"] for row in _read(reduced)] == ["1", "3"]


def test_tidy_table(tmp_path):
    rows = _read(to_tidy_csv(RECORD, tmp_path / "a.tsv"))
    assert list(rows[0]) == ["member", "episode", "step", "action", "reward", "task.gain"]
    assert rows[3] == {
        "member": "0",
        "episode": "1",
        "step": "1",
        "action": "1",
        "reward": "1.0",
        "task.gain": "2.5",
    }
    with pytest.raises(ValueError, match="hidden: not an array"):
        to_tidy_csv(RECORD, tmp_path / "b.tsv", ("hidden",))


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="begin with one of"):
        to_hbayesdm_csv(RECORD, tmp_path / "a.tsv", "igt_orl")
    three = {**RECORD, "action": RECORD["action"] + 1}
    with pytest.raises(ValueError, match=r"from 0 to 1 .* got 2 at member 0, episode 0, trial 1"):
        to_hbayesdm_csv(three, tmp_path / "a.tsv")

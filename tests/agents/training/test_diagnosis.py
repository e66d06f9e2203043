"""Failure signatures on synthetic curves."""

import math
import warnings

import numpy as np
import pytest

from prefrontal.agents.training.diagnosis import diagnose

U = 200
RISE = 50 + 48 / (1 + np.exp(-(np.arange(U) - 60) / 8))  # 50 to 98
FALL = math.log(2) * (1 - (RISE - 50) / 50)
FLAT = np.full(U, 50.0)
COIN, SURE = np.full(U, math.log(2) * 0.999), np.full(U, 0.001)


def curves(*columns):
    noise = np.random.default_rng(0).normal(0, 0.5, (U, len(columns)))
    return np.stack(columns, axis=1) + noise


def test_success_is_not_a_failure():
    assert diagnose(np.stack([FALL, FALL], 1), curves(RISE, RISE), 2) == []
    assert diagnose(FALL[:, None], curves(RISE), 2) == []


def test_one_report_is_enough_to_say_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert diagnose(FALL[:1, None] / 2, RISE[:1, None], 2) == []


def test_those_who_learn_early_are_not_failures():
    early = 50 + 48 * np.minimum(1, np.arange(U) / 3)
    sure = FALL.clip(max=0.05)
    assert diagnose(np.stack([FALL, sure], 1), curves(RISE, early), 2) == []
    assert diagnose(np.stack([sure, sure], 1), curves(early, early - 1), 2) == []


def test_plateau_at_chance():
    (said,) = diagnose(np.stack([COIN, FALL], 1), curves(FLAT, RISE), 2)
    assert said.startswith("member 0 never left the plateau")
    assert "--discount" in said
    (said,) = diagnose(np.stack([COIN, COIN], 1), curves(FLAT, FLAT), 2)
    assert said.startswith("all members")


def test_collapse():
    (said,) = diagnose(np.stack([FALL, SURE, SURE], 1), curves(RISE, FLAT, FLAT), 2)
    assert said.startswith("members 1, 2 settled")
    assert "--entropy-coef" in said


def test_a_long_run_whose_first_report_comes_after_learning_is_no_collapse():
    late = curves(*[62 + 2 * np.minimum(1, np.arange(U) / 50)] * 2)  # 64 of chance 50
    sure = np.stack([FALL.clip(max=0.2), SURE], 1)
    assert diagnose(sure, late, 2) == []
    assert diagnose(sure, late, 2, chance=50.0) == []
    (said,) = diagnose(sure, late, 2, chance=61.5)
    assert said.startswith("all members settled on one way")


def test_half_a_rule():
    half = np.minimum(RISE, 75.0)
    (said,) = diagnose(np.stack([FALL, FALL], 1), curves(half, RISE), 2)
    assert said.startswith("member 0 learned half a rule")
    # One that still rises may yet arrive, and one that has its entropy still explores.
    slow = 50 + 24 * np.arange(U) / U
    assert diagnose(np.stack([FALL, FALL], 1), curves(slow, RISE), 2) == []
    assert diagnose(np.stack([COIN * 0.8, FALL], 1), curves(half, RISE), 2) == []


def test_returns_below_zero():
    assert diagnose(FALL[:, None], curves(RISE - 100), 2) == []
    (said,) = diagnose(SURE[:, None], curves(FLAT - 100), 2)
    assert "settled" in said


def test_refuses_curves_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\[U, M\]"):
        diagnose(np.zeros((3, 2)), np.zeros((3, 1)), 2)
    with pytest.raises(ValueError, match="not empty"):
        diagnose(np.zeros((0, 2)), np.zeros((0, 2)), 2)


def test_one_action_cannot_be_settled_on():
    flat = np.zeros((20, 2))
    assert diagnose(flat, flat, num_actions=2)
    assert diagnose(flat, flat, num_actions=1) == []

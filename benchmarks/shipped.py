"""Updates of A2C with the settings of shipped experiments, for `benchmarks.versions`."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import Side

__all__ = ["SIDES"]


def _side(name: str, experiment: str, condition: str = "default", **options: Any) -> Side:
    told = {"experiment": experiment, "condition": condition, **options}
    return Side(name, "shipped", members=told.pop("members", 1), num_envs=0, options=told)


TWO_STEP = "wang2018-two-step"
SIDES = [
    _side("default experiment", "wang2016-bandit"),
    _side("default experiment, P8", "wang2016-bandit", members=8),
    _side("default experiment, no compiler", "wang2016-bandit", kernel="torch"),
    _side("two-step, two steps a trial", TWO_STEP),
    _side("two-step, two steps a trial, no compiler", TWO_STEP, kernel="torch"),
    _side("Harlow on a ring", "wang2018-harlow", "one-dimensional"),
    _side("Harlow on a ring, P8", "wang2018-harlow", "one-dimensional", members=8),
]

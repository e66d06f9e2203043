"""What configurations make, until the registry joins them with their learners."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, ClassVar

_MODULES = {
    "evolution": ("learner", "population", "learner"),
    "published-evolution": ("published", "population", "learner"),
    "hinton-nowlan": ("hinton_nowlan", "hinton_nowlan", "hinton_nowlan"),
}


class Bridge:
    """The three methods of `prefrontal.agents.base.Algorithm` that import learners."""

    kind: ClassVar[str]

    def learner(self, job: Any, members: Sequence[int]) -> Any:
        """Make a learner for some members of a job."""
        return self._function(0, "make_learner")(job, members)

    def population(self, job: Any, weights: Any) -> Any:
        """Make the agents with these weights."""
        return self._function(1, "make_population")(job, weights)

    def updates(self, job: Any) -> float:
        """Return how many updates a run makes."""
        return float(self._function(2, "updates")(job))

    def _function(self, index: int, name: str) -> Any:
        module = f"prefrontal.agents.evolution.{_MODULES[self.kind][index]}"
        return getattr(importlib.import_module(module), name)

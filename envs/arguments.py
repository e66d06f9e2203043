"""Arguments of `reset`: seed, task parameters set by hand, and which rows."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np


def as_seed(seed: Any) -> int | None:
    """Return a seed as a Python int (Gymnasium refuses NumPy's)."""
    if seed is None:
        return None
    try:
        return operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer or None; got {seed!r}") from None


def task_option(options: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return ``options["task"]``, the only option there is."""
    unknown = sorted(set(options or ()) - {"task"})
    if unknown:
        raise ValueError(f"reset options must be 'task' only; got {', '.join(unknown)}")
    given = (options or {}).get("task")
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"options['task'] must map parameter names to arrays; got {given!r}")
    return given


def check_mask(mask: Any, rows: int) -> None:
    """Accept None, or a reset mask ``[rows]`` that is true in every row.

    Raises:
        ValueError: It is something else, or leaves rows out.
    """
    if mask is None:
        return
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape != (rows,):
        raise ValueError(f"reset_mask must be {rows} of true or false, one a row; got {mask!r}")
    if not array.all():
        raise ValueError(
            "reset_mask must be true in every row: rows run in lock-step, so none starts again "
            "without the others"
        )

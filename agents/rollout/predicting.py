"""Checks of what `predict` is given: observations, and the recurrent state of the last step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.rollout.spec import EnvironmentSpec


def observed(observation: np.ndarray, size: int, environment: EnvironmentSpec) -> np.ndarray:
    """Return observations as rows ``[n, I]``, one row for a single one ``[I]``.

    Raises:
        ValueError: They have the wrong size, or are not finite.
    """
    array = np.asarray(observation, dtype=np.float32)
    rows = np.atleast_2d(array)
    if rows.ndim != 2 or rows.shape[1] != size:
        raise ValueError(
            f"the agent needs observations of {size} numbers "
            f"(inputs {', '.join(environment.inputs) or 'none'}), not {list(array.shape)}; "
            "agent.make_env() makes the environment that shows them"
        )
    if not np.isfinite(rows).all():
        raise ValueError("the agent needs observations that are finite, not NaN or infinite")
    return rows


def resumed(
    state: Sequence[np.ndarray],
    episode_start: np.ndarray | None,
    initial: Sequence[Tensor],
    n: int,
) -> list[Tensor]:
    """Return the state to go on from: that given, or the initial one where an episode starts.

    States, given and initial, are ``[n, ...]`` each; `episode_start` is ``[n]`` of bool, and None
    for nowhere.

    Raises:
        ValueError: Shapes differ, or the state is not finite.
    """
    start = np.zeros(n, bool) if episode_start is None else np.atleast_1d(episode_start)
    given = [torch.from_numpy(np.array(part, dtype=np.float32)) for part in state]
    shapes = [[list(part.shape) for part in parts] for parts in (given, initial)]
    if shapes[0] != shapes[1] or start.shape != (n,):
        raise ValueError(
            f"{n} observations need an episode_start of {n} rows and a state of shapes "
            f"{', '.join(map(str, shapes[1]))}; got {len(start)} rows and "
            f"{', '.join(map(str, shapes[0]))}"
        )
    begins = torch.from_numpy(start.astype(bool))
    state_now = [
        torch.where(begins.view(-1, *[1] * (part.dim() - 1)), first, part)
        for first, part in zip(initial, given, strict=True)
    ]
    if not all(bool(part.isfinite().all()) for part in state_now):
        raise ValueError("the agent needs a state that is finite, not NaN or infinite")
    return state_now

"""Who is to blame: environments that raise, or return what nobody can learn from, in one line."""

from __future__ import annotations

import traceback
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import PrefrontalError, TrainingError
from prefrontal.agents.common.user_files import blamed, place_of

LARGE = 1e19  # numbers whose square is none in float32


def blame(envs: Any, error: Exception) -> None:
    """Say in one line what a task of the user's raised; do nothing about errors of ours.

    Args:
        envs: A vector environment of tensors.
        error: What escaped while it was played.

    Raises:
        TrainingError: The error came out of the user's task, or out of a vector environment that
            was given something else than its task has to return.
    """
    if isinstance(error, PrefrontalError | MemoryError):
        return
    task = type(getattr(envs, "task", envs))
    said = blamed(error)
    doors = (getattr(type(envs), name, None) for name in ("step", "table", "played"))
    files = {door.__code__.co_filename for door in doors if door is not None}
    frames = traceback.extract_tb(error.__traceback__)
    passed = {frame.name for frame in frames if frame.filename in files}
    if not passed:
        return  # a core of the user's, or a bug of ours
    if said is None and task.__module__.startswith("prefrontal."):
        return
    told = passed & {"table", "played"}
    method = getattr(task, "outcomes" if told else "step", None)
    said = said or f"{type(error).__name__}: {error}{place_of(method)}"
    raise TrainingError(f"environment {name_of(envs)}: {said}") from error


def check_numbers(
    name: str, what: str, values: Tensor, task: Any = None, time: int = 0, first: int = 0
) -> None:
    """Check what an environment returned in whole episodes.

    Args:
        name: Of the environment.
        what: "reward" or "observation".
        values: Any shape.
        task: What returned them.
        time: Which dimension is time.
        first: Number of the first step.

    Raises:
        TrainingError: A number is not finite, or too `LARGE`; names the step and the number.
    """
    if not values.numel():
        return
    low, high = torch.aminmax(values)
    if float(low) > -LARGE and float(high) < LARGE:
        return
    steps = values.movedim(time, 0).flatten(1)
    wrong = ~(steps.abs() < LARGE)
    step = int(wrong.any(1).nonzero()[0])
    number = steps[step][wrong[step]][0].item()
    right = "scale it" if abs(number) < float("inf") else "it must be a finite number"
    place = "" if task is None else place_of(type(task).step)
    raise TrainingError(
        f"environment {name}: the {what} at step {first + step} is {number:g}; {right}{place}"
    )


def check_shape(envs: Any, reward: Any) -> None:
    """Check that there is one reward a row.

    Raises:
        TrainingError: There is not.
    """
    shape = tuple(getattr(reward, "shape", ()))
    if shape != (envs.num_envs,):
        place = place_of(type(getattr(envs, "task", envs)).step)
        raise TrainingError(
            f"environment {name_of(envs)}: rewards must have shape {[envs.num_envs]}, one a row, "
            f"not {list(shape)}{place}"
        )


def name_of(envs: Any) -> str:
    """Return the id of a vector environment, or the name of its task."""
    spec = getattr(envs, "spec", None)
    return spec.id if spec is not None else type(getattr(envs, "task", envs)).__name__

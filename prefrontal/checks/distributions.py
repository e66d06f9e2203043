"""What a task draws: its parameters in every split, and whether the splits are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from prefrontal.checks.calls import Wrong, called, on_its_device, pure, said, same
from prefrontal.envs.splits import SPLITS
from prefrontal.envs.task import Params, Task

MANY = 2048  # tasks that are drawn to compare splits
_KINDS = (torch.float32, torch.int64, torch.bool)


def drawn(task: Task, count: int, split: str = "all", seed: int = 0) -> Params:
    """Draw parameters, and check their names and shapes.

    Raises:
        Wrong: They are not what a task must return.
    """
    generator = torch.Generator().manual_seed(seed)
    where, function, given = f"{type(task).__name__}.sample", task.sample, (count, split, generator)
    if task.draws is not None:
        where = f"{type(task).__name__}.from_uniform"
    hint = ""
    if task.draws is not None:
        hint = f" (draws = {task.draws}: as many uniform numbers a task)"
    params = called(where, function, *given, hint=hint)
    if not isinstance(params, dict) or set(params) != set(task.parameters):
        got = sorted(params) if isinstance(params, dict) else type(params).__name__
        raise Wrong(f"{where} must return a dict with the names in parameters, not {got}")
    for name, value in params.items():
        right = isinstance(value, torch.Tensor) and value.dim() > 0 and len(value) == count
        if not right or value.dtype not in _KINDS:
            got = f"{value.dtype} {list(value.shape)}" if isinstance(value, torch.Tensor) else value
            raise Wrong(
                f"{where}: {name!r} must be a tensor [n, ...], n = {count}, of float32, int64 or "
                f"bool, not {str(got).removeprefix('torch.'):.60}"
            )
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise Wrong(f"{where}: {name!r} is not finite (NaN or infinite)")
    return params


def sample_problems(task: Task) -> Iterator[str]:
    """Yield what is wrong with how a task draws its parameters.

    Raises:
        Wrong: It cannot draw them.
    """
    name = type(task).__name__
    drawn(task, 5)
    if task.draws is not None:
        yield from _uniform_problems(task, task.draws)
    else:
        where = f"{name}.sample"
        made = pure(where, task, lambda seed: drawn(task, 64, seed=seed), 0)
        varied = any(len(value.unique(dim=0)) > 1 for value in made.values())
        if varied and same(made, drawn(task, 64, seed=1)):
            yield f"{where} draws the same tasks always: draw from the generator that it is given"
        else:
            on_its_device(where, task.sample, 5, "all", torch.Generator())
    yield from _validate_problems(task)
    yield from split_problems(task)


def _uniform_problems(task: Task, draws: int) -> Iterator[str]:
    """Yield what is wrong with how a task makes parameters of uniform numbers."""
    where, count = f"{type(task).__name__}.from_uniform", 256
    uniform = torch.rand(count, draws, generator=torch.Generator().manual_seed(0))
    made = pure(where, task, task.from_uniform, uniform, "all")
    on_its_device(where, task.from_uniform, uniform, "all")
    few = called(where, task.from_uniform, uniform[:3].clone(), "all")
    if not same(few, {name: value[:3] for name, value in made.items()}, 1e-6):
        yield f"{where}: a task depends on the others of its batch: make each of its own row"
    other = torch.rand(count, draws, generator=torch.Generator().manual_seed(1))
    if same(task.from_uniform(other, "all"), made):
        yield f"{where} makes the same tasks of all uniform numbers: make them of those it is given"


def _validate_problems(task: Task) -> Iterator[str]:
    """Yield what is wrong with how a task accepts parameters set by hand."""
    where, params = f"{type(task).__name__}.validate", drawn(task, 256)
    given = {name: value.numpy().copy() for name, value in params.items()}
    accepted = called(where, task.validate, given, hint=" for parameters that it has drawn itself")
    if not isinstance(accepted, dict) or not same(accepted, params, 1e-6):
        yield f"{where} must return the parameters that it is given, as tensors like those drawn"
    try:
        task.validate({**given, "no such parameter": given[task.parameters[0]]})
    except ValueError:
        return
    except Exception as error:
        raise Wrong(
            f"{where} raises {said(error)} for an unknown parameter: ValueError is right"
        ) from error
    yield f"{where} accepts a parameter that there is not: raise ValueError (check_parameters does)"


def split_problems(task: Task) -> Iterator[str]:
    """Yield what is wrong with the splits: they must be apart, and together `all`."""
    where = f"{type(task).__name__}: "
    made: dict[str, np.ndarray] = {}
    for split in SPLITS:
        try:
            made[split] = _columns(drawn(task, MANY, split))
        except Wrong as wrong:
            if split == "held_out" and isinstance(wrong.__cause__, ValueError):
                return  # a task of which nothing can be held out says so
            raise Wrong(f"{wrong} in the split {split!r}") from wrong
    train, held_out, whole = (made[split] for split in SPLITS)
    if np.array_equal(train, held_out):
        yield (
            f"{where}split is ignored: train and held_out give the same tasks (raise ValueError "
            "where nothing can be held out)"
        )
        return
    other = _columns(drawn(task, MANY, "held_out", seed=1))
    common = _rows(train) & (_rows(held_out) | _rows(other))
    if (share := _mixed(train, held_out)) > 0.05:
        much = f"{min(1.0, 2 * share):.0%}"
        yield f"{where}the splits overlap: about {much} of train lies in held_out"
    elif common:
        example = np.array2string(np.frombuffer(min(common), train.dtype)[:6], precision=3)
        yield f"{where}the splits overlap: train and held_out both have the task {example}"
    both = np.concatenate([train, held_out])
    for number in range(both.shape[1]):
        low, high = both[:, number].min(), both[:, number].max()
        ends = whole[:, number].min(), whole[:, number].max()
        if max(abs(ends[0] - low), abs(ends[1] - high)) > 0.1 * (high - low) + 1e-6:
            yield (
                f"{where}the split all must be train and held_out together: number {number} of its "
                f"parameters goes from {ends[0]:.3g} to {ends[1]:.3g}, and theirs from {low:.3g} "
                f"to {high:.3g}"
            )
            return


def _columns(params: Params) -> np.ndarray:
    """Return parameters as an array ``[n, k]``."""
    return np.concatenate(
        [
            value.double().flatten(1).numpy()
            if value.dim() > 1
            else value.double()[:, None].numpy()
            for _, value in sorted(params.items())
        ],
        1,
    )


def _rows(columns: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in columns}


def _mixed(train: np.ndarray, held_out: np.ndarray) -> float:
    """Return how often neighbours are of different splits, where tasks are points on one line.

    Of halves that overlap everywhere it is 1/2, whatever their number; 0 if there is no such line.
    """
    both = np.concatenate([train, held_out])
    varied = both[:, np.ptp(both, 0) > 1e-9] if both.shape[1] <= 64 else both[:, :0]
    if not varied.shape[1]:
        return 0.0
    with np.errstate(invalid="ignore"):
        related = np.abs(np.corrcoef(varied.T)) if varied.shape[1] > 1 else np.ones((1, 1))
    if (related < 1 - 1e-6).any() or len(np.unique(varied[:, 0])) < MANY:
        return 0.0
    labels: Any = np.repeat([0, 1], [len(train), len(held_out)])[np.argsort(varied[:, 0])]
    return float((labels[1:] != labels[:-1]).mean())

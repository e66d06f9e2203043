"""Call methods of the user's, and see whether they do more than return something."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.user_files import blamed

#: What is compared of a class and of its module: plain data, no code.
_DATA = (bool, int, float, str, list, dict, set, tuple, Tensor, np.ndarray, type(None))


class Wrong(Exception):
    """A problem after which later checks would mean nothing; its text is the line to show."""


def called(where: str, function: Callable[..., Any], *arguments: Any, hint: str = "") -> Any:
    """Call a function of the user's.

    Args:
        where: What is called, to begin the line with.
        function: The function.
        *arguments: What it is given.
        hint: What is probably wrong, to end the line with (not of errors that speak of names).

    Raises:
        Wrong: It raised; one line with its error, file and line.
    """
    try:
        return function(*arguments)
    except Wrong:
        raise
    except Exception as error:
        if isinstance(error, dataclasses.FrozenInstanceError):
            hint = ": keep nothing on the object, put it in the state"
        elif isinstance(error, NameError | AttributeError):
            hint = ""
        raise Wrong(f"{where} raises {said(error)}{hint}") from error


def said(error: Exception) -> str:
    """Return an error of the user's in one line."""
    if isinstance(error, pickle.PicklingError | AttributeError) and "pickle" in str(error).lower():
        return str(error)
    return " ".join((blamed(error) or f"{type(error).__name__}: {error}").split())


def pure(
    where: str, owner: Any, function: Callable[..., Any], *arguments: Any, hint: str = ""
) -> Any:
    """Call a method twice, and hold it to its promise that it only returns something.

    Args:
        where: What is called.
        owner: The object that it is a method of.
        function: The method.
        *arguments: What it is given.
        hint: See `called`.

    Returns:
        What it returned.

    Raises:
        Wrong: It raised, drew random numbers, changed its arguments, kept something outside them,
            or returned something else the second time.
    """
    given, kept, drawn = copied(arguments), data_of(owner), random_states()
    made = called(where, function, *arguments, hint=hint)
    for name, state in random_states().items():
        if not same(state, drawn[name]):
            raise Wrong(f"{where} draws numbers from {name}: take all randomness from its argument")
    for number, (one, before) in enumerate(zip(arguments, given, strict=True)):
        if not same(one, before):
            what = _difference(one, before) or f"argument {number + 1}"
            raise Wrong(f"{where} changes {what} in place: make new tensors, and return them")
    for name, value in data_of(owner).items():
        if name not in kept or not same(value, kept[name]):
            raise Wrong(f"{where} changes {name}: keep nothing outside of what it returns")
    if not same(called(where, function, *given), made, 1e-6):
        raise Wrong(
            f"{where} returns something else for the same arguments: take all randomness from its "
            "argument, and keep nothing between calls"
        )
    return made


def _difference(one: Any, before: Any) -> str:
    """Return the name of the entry of a dictionary that has changed, or ""."""
    if not isinstance(one, Mapping):
        return ""
    names = [name for name in one if name not in before or not same(one[name], before[name])]
    return f"{names[0]!r} of its argument" if names else ""


def random_states() -> dict[str, Any]:
    """Return the states of the global generators of random numbers, by their names."""
    return {
        "torch's global generator": torch.get_rng_state(),
        "numpy.random": np.random.get_state(legacy=False),  # noqa: NPY002 (a user may draw from it)
        "the module random": random.getstate(),
    }


def data_of(owner: Any) -> dict[str, Any]:
    """Return copies of the plain data that an object, its class and its module keep, by name."""
    cls = type(owner)
    found = {f"self.{name}": value for name, value in vars(owner).items()}
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] not in ("prefrontal", "torch", "abc", "builtins"):
            found |= {f"{base.__name__}.{name}": value for name, value in vars(base).items()}
            module = vars(sys.modules.get(base.__module__, base))
            found |= {f"the global {name}": value for name, value in module.items()}
    copies = {}
    for name, value in found.items():
        if isinstance(value, _DATA) and "__" not in name and "._abc" not in name:
            with contextlib.suppress(Exception):
                copies[name] = copied(value)
    return copies


def copied(value: Any) -> Any:
    """Return a deep copy; faster than `copy.deepcopy` for what holds many tensors."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) is dict:
        return {name: copied(one) for name, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return copy.deepcopy(value)


def same(one: Any, other: Any, tolerance: float = 0.0) -> bool:
    """Return whether two values are equal, whatever they are made of; NaN equals NaN."""
    if isinstance(one, Tensor):
        if not (isinstance(other, Tensor) and (one.shape, one.dtype) == (other.shape, other.dtype)):
            return False
        if torch.equal(one, other) or not one.is_floating_point():
            return torch.equal(one, other)
        return torch.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
    if isinstance(one, np.ndarray):
        return one.shape == np.shape(other) and bool(np.all((one == other) | (one != one)))
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(same(one[name], other[name], tolerance) for name in one)
        )
    if isinstance(one, list | tuple):
        return (
            isinstance(other, list | tuple)
            and len(one) == len(other)
            and all(same(a, b, tolerance) for a, b in zip(one, other, strict=True))
        )
    if type(one).__eq__ is object.__eq__:  # of a class that says nothing of equality
        return same(getattr(one, "__dict__", {}), getattr(other, "__dict__", {}), tolerance)
    return bool(one == other)


def on_its_device(where: str, function: Callable[..., Any], *arguments: Any) -> None:
    """Hold a method to making its tensors where its arguments live.

    It is called with another default device than that of its arguments.

    Raises:
        Wrong: It makes tensors on the default device.
    """
    advice = "makes tensors on the default device: give them device=..., that of its arguments"
    try:
        with torch.device("meta"):
            made = function(*arguments)
    except Exception as error:
        theirs = blamed(error)
        place = theirs[theirs.rindex(" (") :] if theirs else ""
        raise Wrong(f"{where} {advice}{place}") from error
    if any(part.is_meta for part in tensors(made)):
        raise Wrong(f"{where} {advice}")


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield all tensors in a value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)


def shaped(value: Any, shape: tuple[int, ...], dtype: torch.dtype | None = torch.float32) -> str:
    """Return what is wrong with the type, shape, kind or values of a tensor, or ""."""
    text = f"{str(dtype).removeprefix('torch.')} " if dtype else ""
    right = f"must be a {text}tensor {list(shape)}"
    if not isinstance(value, Tensor):
        return f"{right}, not {type(value).__name__}"
    if tuple(value.shape) != shape or (dtype is not None and value.dtype != dtype):
        kind = str(value.dtype).removeprefix("torch.")
        return f"{right}, not {kind} {list(value.shape)}"
    if value.is_floating_point() and not bool(value.isfinite().all()):
        return "must be finite, not NaN or infinite"
    return ""

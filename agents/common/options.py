"""Options of configurations: help, range and flat name as metadata of dataclass fields."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["check", "grouped", "option"]

#: What a limit asks for, in words, and whether a value keeps it (NaN keeps none).
_LIMITS: dict[str, Any] = {
    "least": ("at least", lambda value, limit: value >= limit),
    "above": ("above", lambda value, limit: value > limit),
    "most": ("at most", lambda value, limit: value <= limit),
    "below": ("below", lambda value, limit: value < limit),
}


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    name: str | None = None,
) -> Any:
    """Return a dataclass field with a help text and a range, which `check` holds it to.

    Args:
        default: The default.
        help: What the option means; it must be understood without the help of its neighbours.
        least: Smallest value allowed.
        above: Number that the value must exceed.
        most: Largest value allowed.
        below: Number that the value must not reach.
        name: Flat name of a field in a group: on the command line (``--replay-capacity`` for
            ``replay.capacity``), in messages and in files of earlier versions.
    """
    metadata = {"help": help, "least": least, "above": above, "most": most, "below": below}
    known = {key: value for key, value in (metadata | {"name": name}).items() if value is not None}
    return dataclasses.field(default=default, metadata=known)


def check(config: Any) -> None:
    """Check every field of a dataclass against its range and its choices; None is not checked.

    Raises:
        ValueError: If a value is not allowed; names the field, what is allowed, and the value.
    """
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), field.metadata.get("name", field.name)
        choices = typing.get_args(hints[field.name])
        if typing.get_origin(hints[field.name]) is Literal and value not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}"
            )
        limits = {key: field.metadata[key] for key in _LIMITS if key in field.metadata}
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and not all(
                _LIMITS[key][1](number, limit) for key, limit in limits.items()
            ):
                raise ValueError(f"{name} must {_range(limits)}, not {value}")


def _range(limits: Mapping[str, float]) -> str:
    """Return what limits ask for, in words."""
    if limits in ({"least": 0}, {"above": 0}):
        return "not be negative" if "least" in limits else "be positive"
    if set(limits) == {"least", "most"}:
        return f"be between {limits['least']} and {limits['most']}"
    return "be " + " and ".join(f"{_LIMITS[key][0]} {limit}" for key, limit in limits.items())


def grouped(cls: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values of a configuration with flat keys moved into their groups.

    Files of earlier versions have ``replay = "uniform"`` and ``replay_capacity = 100`` where there
    now is a table ``replay`` with the keys ``keep`` and ``capacity``. The flat names are those in
    the metadata of the fields of a group; other keys stay where they are.
    """
    values = dict(data)
    hints = typing.get_type_hints(cls)
    for group in dataclasses.fields(cls):
        if not dataclasses.is_dataclass(hints[group.name]):
            continue
        inner = dataclasses.fields(hints[group.name])
        flat = {f.metadata["name"]: f.name for f in inner if "name" in f.metadata}
        moved = {
            flat[key]: values.pop(key)
            for key in flat
            if key in values and not isinstance(values[key], Mapping)
        }
        if moved:
            values[group.name] = {**values.get(group.name, {}), **moved}
    return values

"""Values that a file or a caller gives, checked against the types and ranges of a dataclass.

Help texts, ranges and flat names are metadata of dataclass fields (`option`). Run files, command
lines and the parameters of environments all go through here. It imports nothing of ours.
"""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

__all__ = [
    "KIND",
    "NONE",
    "alternatives",
    "build",
    "check",
    "checked",
    "did_you_mean",
    "expected",
    "fields",
    "grouped",
    "option",
]

T = TypeVar("T")

MANY = 24  # names that an error message lists
INTEGERS = 2**63  # whole numbers are below it, as TOML has them and PyTorch takes them
KIND = "kind"  # key that says which of several dataclasses a table is
NONE = "none"  # TOML has no null: how None is written where the default is something else
_WORDS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    type(None): repr(NONE),
    Path: "a path",
}

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
    alias: str | None = None,
    positional: bool = False,
    repeated: bool = False,
) -> Any:
    """Return a dataclass field with a help text and a range, which `check` holds it to.

    Args:
        default: The default.
        help: What the option means; it must be understood without its neighbours.
        least: Smallest value allowed.
        above: Number that the value must exceed.
        most: Largest value allowed.
        below: Number that the value must not reach.
        name: Flat name of a field in a group: on the command line (``--replay-capacity`` for
            ``replay.capacity``), in messages and in files of earlier versions.
        alias: Another name on the command line.
        positional: Whether it is given without its name, as fields without a default are.
        repeated: Whether a tuple is given one value at a time, the option repeated.
    """
    metadata = {"help": help, "least": least, "above": above, "most": most, "below": below}
    metadata |= {"name": name, "alias": alias, "positional": positional or None}
    metadata |= {"repeated": repeated or None}
    known = {key: value for key, value in metadata.items() if value is not None}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=known)
    return dataclasses.field(default=default, metadata=known)


def check(config: Any) -> None:
    """Check every field of a dataclass against its type, its range and its choices.

    Raises:
        ValueError: A value is not allowed; names the field, what is allowed, and the value.
    """
    for key, (field, hint) in fields(type(config)).items():
        value, name = getattr(config, key), field.metadata.get("name", key)
        choices = get_args(hint)
        if dataclasses.is_dataclass(hint) and not isinstance(value, typing.cast(type, hint)):
            kind = getattr(hint, "__name__", hint)
            raise ValueError(f"{name} must be a {kind}, not {shown(value)}")
        if get_origin(hint) is Literal and value not in choices:
            known = ", ".join(map(repr, choices))
            raise ValueError(f"{name} must be one of {known}, not {shown(value)}")
        if not (value is None and field.default is None):
            checked(value, hint, name)
        limits = {key: field.metadata[key] for key in _LIMITS if key in field.metadata}
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{name} must be a finite number, not {number}")
            if number is not None and not all(
                _LIMITS[key][1](number, limit) for key, limit in limits.items()
            ):
                raise ValueError(f"{name} must {_range(limits)}, not {shown(value)}")
            if isinstance(number, int) and abs(number) >= INTEGERS:
                raise ValueError(f"{name} must be below 2^63, not {shown(number)}")


def shown(value: Any) -> str:
    """Return a value for a message, at most 80 characters of it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _range(limits: Mapping[str, float]) -> str:
    """Return what limits ask for, in words."""
    if limits in ({"least": 0}, {"above": 0}):
        return "not be negative" if "least" in limits else "be positive"
    if set(limits) == {"least", "most"}:
        return f"be between {limits['least']} and {limits['most']}"
    return "be " + " and ".join(f"{_LIMITS[key][0]} {limit}" for key, limit in limits.items())


def grouped(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Move flat keys into their groups.

    Files of earlier versions have ``replay = "uniform"`` and ``replay_capacity = 100`` where there
    now is a table ``replay`` with the keys ``keep`` and ``capacity``. The flat names are those in
    the metadata of the fields of a group; other keys stay where they are. Settings that no longer
    exist, in the class attribute `retired`, are left out where they have the value that did
    nothing; the class attribute `renamed` gives the present names of former ones.
    """
    retired, renamed = getattr(cls, "retired", {}), getattr(cls, "renamed", {})
    kept = {k: v for k, v in values.items() if k not in retired or v != retired[k]}
    moved = {renamed.get(k, k): v for k, v in kept.items()}
    for group, (_, hint) in fields(cls).items():
        if not dataclasses.is_dataclass(hint):
            continue
        flat = {
            f.metadata["name"]: f.name for f in dataclasses.fields(hint) if "name" in f.metadata
        }
        inner = {
            flat[key]: moved.pop(key)
            for key in flat
            if key in moved and not isinstance(moved[key], Mapping)
        }
        if inner:
            moved[group] = {**moved.get(group, {}), **inner}
    return moved


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name.

    Args:
        name: What was given.
        choices: What is allowed.

    Returns:
        "; did you mean 'x'?" if one choice is close, else "; allowed: 'x', 'y'", or "" if nothing
        is allowed.
    """
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    if close:
        return f"; did you mean {by_lower[close[0]]!r}?"
    if by_lower:
        named = [repr(choice) for choice in by_lower.values()]
        rest = f" and {len(named) - MANY} others" if len(named) > MANY else ""
        return f"; allowed: {', '.join(named[:MANY])}{rest}"
    return ""


def fields(cls: Any) -> dict[str, tuple[dataclasses.Field, Any]]:
    """Return name → (field, type) of what the constructor of a dataclass takes.

    Where a type cannot be found (its name is known to a type checker only), it is Any.
    """
    try:
        hints = typing.get_type_hints(cls)
    except NameError:
        hints = {}
    return {f.name: (f, hints.get(f.name, Any)) for f in dataclasses.fields(cls) if f.init}


def build(cls: type[T], values: Mapping[str, Any], section: str = "") -> T:
    """Build a dataclass, checking every key and every type.

    Args:
        cls: The dataclass.
        values: Names and values of its fields; those left out take their default.
        section: Where the values stand in their file, for error messages.

    Returns:
        An instance of `cls`.

    Raises:
        ValueError: An unknown or missing key, a wrong type or a value that is not allowed; the
            message names the key and what would be right.
    """
    known, values = fields(cls), grouped(cls, values)
    where = f"in [{section}]" if section else f"of {cls.__name__}"
    for key in values:
        if key not in known:
            raise ValueError(f"unknown key {shown(key)} {where}{did_you_mean(str(key), known)}")
    given = {}
    for name, (field, hint) in known.items():
        if name in values:
            given[name] = checked(values[name], hint, f"{section}.{name}".lstrip("."))
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"missing key {name!r} {where}; it must be {expected(hint)}")
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:  # the dataclass's own checks
        raise ValueError(f"[{section}] {error}" if section else str(error)) from error


def checked(value: Any, hint: Any, name: str) -> Any:
    """Return a value as a type asks for it.

    Understands nested dataclasses, bool, int, float, str, Path, None, Literal, unions, tuple[X,
    ...], tuple[X, Y], list[X], dict[str, X] and any class; anything is right for other types.
    Scalars of NumPy become Python's, an integer becomes a float where a float is asked for, a list
    a tuple, a text a path, a table a dataclass, and "none" None; nothing else is converted.

    Raises:
        ValueError: The value is of another type; the message starts with `name`.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(hint, value, name)
    if origin is Literal:
        # `in` alone would take True or 1.0 for 1.
        if any(value == choice and type(value) is type(choice) for choice in args):
            return value
        raise ValueError(f"{name} must be {expected(hint)}, got {shown(value)}")
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type, hint), value, name)
    if origin in (tuple, list) and isinstance(value, tuple | list):
        items = args[:1] * len(value) if _open(hint) else args
        if len(items) == len(value):
            pairs = enumerate(zip(value, items, strict=True))
            return origin(checked(v, item, f"{name}[{i}]") for i, (v, item) in pairs)
    elif origin is dict and isinstance(value, Mapping):
        return {key: checked(v, args[1], f"{name}.{key}") for key, v in value.items()}
    elif origin not in (tuple, list, dict):
        return _checked_class(value, hint, name)
    raise _wrong(value, hint, name)


def _checked_class(value: Any, hint: Any, name: str) -> Any:
    """Check against a plain class; anything else, such as Any, takes every value."""
    if hint is Any or get_origin(hint) is not None or not isinstance(hint, type):
        return value
    value = value.item() if getattr(value, "shape", None) == () else value
    if hint is type(None) and value == NONE:
        return None
    if hint is float and type(value) is int and abs(value) >= INTEGERS:
        raise _wrong(value, hint, name)
    if (hint, type(value)) == (float, int):
        return float(value)
    if hint is Path and isinstance(value, str | Path):
        return _path(value, name)
    # True is an int to Python, and not to us.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(value, hint, name)
    return value


def _path(value: str | Path, name: str) -> Path:
    """Return a path, with the home folder in place of ``~``."""
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # there is no such home
        raise ValueError(f"{name} {shown(str(value))} has no home folder") from error


def _wrong(value: Any, hint: Any, name: str) -> ValueError:
    return ValueError(
        f"{name} must be {expected(hint)}, got {shown(value)} ({type(value).__name__})"
    )


def _open(hint: Any) -> bool:
    """Return whether a type is a list or a tuple of any length."""
    return get_origin(hint) is list or get_args(hint)[-1:] == (Ellipsis,)


def _one_of(hint: Any, value: Any, name: str) -> Any:
    """Take the first member of a union that accepts the value, then one that converts it."""
    kinds = alternatives(hint)
    if kinds and isinstance(value, Mapping):
        kind = value.get(KIND, next(iter(kinds)))
        if not isinstance(kind, str) or kind not in kinds:
            raise ValueError(f"{name}.{KIND} must be one of {', '.join(kinds)}, got {shown(kind)}")
        return build(kinds[kind], {k: v for k, v in value.items() if k != KIND}, name)
    members = get_args(hint)
    if len(members) == 2 and type(None) in members and value not in (None, NONE):
        # Optional[X]: the message about X says more than one about the union.
        return checked(value, next(m for m in members if m is not type(None)), name)
    for member in sorted(members, key=lambda one: one is not type(value)):
        try:
            return checked(value, member, name)
        except ValueError:
            continue
    raise _wrong(value, hint, name)


def alternatives(hint: Any) -> dict[str, Any]:
    """Return the dataclasses of a union that differ in their `kind`; empty if it has none."""
    if get_origin(hint) not in (Union, types.UnionType):
        return {}
    return {member.kind: member for member in get_args(hint) if hasattr(member, KIND)}


def expected(hint: Any) -> str:
    """Return what a type asks for, in words."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(expected, args))
    if origin in (tuple, list):
        if _open(hint):
            return f"a list, each item {expected(args[0])}"
        return f"a list of {len(args)}: {', '.join(map(expected, args))}"
    if dataclasses.is_dataclass(hint) or origin is dict or hint is dict:
        return "a table"
    return f"a {hint.__name__}" if isinstance(hint, type) else "anything"

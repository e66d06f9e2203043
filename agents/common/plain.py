"""Frozen dataclasses to plain dictionaries (for TOML and JSON) and strictly back."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from prefrontal.agents.common.errors import ConfigError, did_you_mean

T = TypeVar("T")

_KIND = "kind"  # key that says which of several dataclasses a table is
_NONE = "none"  # TOML has no null: how None is written where the default is something else
_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def to_plain(config: Any) -> dict[str, Any]:
    """Turn a dataclass into dictionaries, lists and scalars that TOML and JSON can hold.

    Nested dataclasses become dictionaries, tuples lists, paths strings. A field that is None is
    omitted where None is its default and written as "none" elsewhere, so that `from_plain` returns
    an equal dataclass. Where a field may hold one of several dataclasses that have a `kind`, the
    kind is written too, unless it is the first of them.

    Args:
        config: A dataclass instance.

    Returns:
        Field names and plain values, in the order of the fields.

    Raises:
        TypeError: If `config` is no dataclass instance or a value has no plain form.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"to_plain takes a dataclass instance, got {config!r}")
    hints = typing.get_type_hints(type(config))
    plain: dict[str, Any] = {}
    for field in _fields(type(config)):
        value = getattr(config, field.name)
        if value is not None:
            plain[field.name] = _plain(value, field.name)
            alternatives = _alternatives(hints[field.name])
            if alternatives and type(value) is not next(iter(alternatives.values())):
                plain[field.name] = {_KIND: type(value).kind, **plain[field.name]}
        elif field.default is not None:
            if _takes_none_as_text(hints[field.name]):
                raise TypeError(f"{field.name} is a text that may be None: make None its default")
            plain[field.name] = _NONE
    return plain


def from_plain(cls: type[T], data: Mapping[str, Any], section: str = "") -> T:
    """Build a dataclass from plain values, checking every key and every type.

    Understands nested dataclasses, bool, int, float, str, Path, Literal, Optional and other unions
    of these, tuple[X, ...], tuple[X, Y], list[X], dict[str, X] and Any. An integer is accepted
    where a float is expected, and nothing else is converted. Keys left out take their default.

    Args:
        cls: The dataclass to build.
        data: Field names and values, as `to_plain` or a TOML file gives them.
        section: Where `data` stands in its file, for error messages.

    Returns:
        An instance of `cls`.

    Raises:
        ConfigError: An unknown or missing key, a wrong type or a value that is not allowed; the
            message names the key and what would be right.
        TypeError: If `cls` is no dataclass or has a field of a type not listed above.
    """
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"from_plain builds dataclasses, got {cls!r}")
    fields = {field.name: field for field in _fields(cls)}
    hints = typing.get_type_hints(cls)
    where = f"in [{section}]" if section else "at the top level"
    retired = getattr(cls, "retired", {})  # settings of earlier versions, where they did nothing
    data = {k: v for k, v in data.items() if k not in retired or v != retired[k]}
    for key in data:
        if key not in fields:
            raise ConfigError(f"unknown key {key!r} {where}{did_you_mean(str(key), fields)}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _check(hints[name], data[name], f"{section}.{name}".lstrip("."))
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"missing key {name!r} {where}; it must be {_expected(hints[name])}")
    try:
        return cls(**values)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:  # the dataclass's own checks
        raise ConfigError(f"[{section}] {error}" if section else str(error)) from error


def _fields(cls: Any) -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(cls) if field.init]


def _plain(value: Any, key: str) -> Any:
    """One value without dataclasses, tuples, paths or NumPy subclasses of Python numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_plain(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{key}.{k}") for k, v in value.items() if v is not None}
    if isinstance(value, tuple | list):
        return [_plain(item, key) for item in value]
    if isinstance(value, Path):
        return str(value)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"{key} has no plain form: {value!r} ({type(value).__name__})")


def _check(hint: Any, value: Any, key: str) -> Any:
    """The value as `hint` asks for it, or a ConfigError that names the key."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _check_union(hint, value, key)
    if origin is Literal:
        # `in` alone would take True or 1.0 for 1.
        if not any(value == choice and type(value) is type(choice) for choice in args):
            raise ConfigError(f"{key} must be {_expected(hint)}, got {value!r}")
        return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _wrong(hint, value, key)
        return from_plain(typing.cast(type, hint), value, key)
    if origin in (tuple, list):
        return _check_sequence(hint, value, key)
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise _wrong(hint, value, key)
        item = args[1] if args else Any
        return {name: _check(item, entry, f"{key}.{name}") for name, entry in value.items()}
    return _check_scalar(hint, value, key)


def _check_scalar(hint: Any, value: Any, key: str) -> Any:
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and type(value) is int:
        return float(value)
    if hint is type(None) and value in (None, _NONE):
        return None
    if hint not in (*_NAMES, Path, type(None)):
        raise TypeError(f"{key} has a type that a configuration cannot hold: {hint!r}")
    # True is an int to Python, and not to us.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(hint, value, key)
    return value


def _check_union(hint: Any, value: Any, key: str) -> Any:
    """The first alternative that takes the value as it is, then one that converts it."""
    kinds = _alternatives(hint)
    if kinds and isinstance(value, Mapping):
        kind = value.get(_KIND, next(iter(kinds)))
        if kind not in kinds:
            raise ConfigError(f"{key}.{_KIND} must be one of {', '.join(kinds)}, got {kind!r}")
        fields = {name: entry for name, entry in value.items() if name != _KIND}
        return from_plain(kinds[kind], fields, key)
    alternatives = get_args(hint)
    if len(alternatives) == 2 and type(None) in alternatives and value not in (None, _NONE):
        # Optional[X]: the message about X says more than one about the union.
        return _check(next(a for a in alternatives if a is not type(None)), value, key)
    exact = [a for a in alternatives if a is type(value)]
    for alternative in [*exact, *alternatives]:
        try:
            return _check(alternative, value, key)
        except ConfigError:
            continue
    raise _wrong(hint, value, key)


def _alternatives(hint: Any) -> dict[str, Any]:
    """The dataclasses of a union that are told apart by their `kind`, by kind; empty if it is no such union."""
    if get_origin(hint) not in (Union, types.UnionType):
        return {}
    return {a.kind: a for a in get_args(hint) if hasattr(a, _KIND)}


def _check_sequence(hint: Any, value: Any, key: str) -> Any:
    if not isinstance(value, tuple | list):
        raise _wrong(hint, value, key)
    build, args = get_origin(hint), get_args(hint)
    if build is list or args[-1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise _wrong(hint, value, key)
    items = [_check(a, v, f"{key}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True))]
    return items if build is list else tuple(items)


def _wrong(hint: Any, value: Any, key: str) -> ConfigError:
    return ConfigError(f"{key} must be {_expected(hint)}, got {value!r} ({type(value).__name__})")


def _expected(hint: Any) -> str:
    """What a type asks for, in words."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in _NAMES:
        return _NAMES[hint]
    if hint is type(None):
        return f"{_NONE!r}"
    if origin is Literal:
        return f"one of {', '.join(repr(choice) for choice in args)}"
    if origin in (Union, types.UnionType):
        return " or ".join(_expected(a) for a in args)
    if origin is list or (origin is tuple and args[-1] is Ellipsis):
        return f"a list, each item {_expected(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)}: {', '.join(_expected(a) for a in args)}"
    if dataclasses.is_dataclass(hint) or origin is dict or hint is dict:
        return "a table"
    return "a path" if hint is Path else "anything"


def _takes_none_as_text(hint: Any) -> bool:
    """Whether "none" could be an ordinary value of the type."""
    return any(a in (str, Path) or _NONE in get_args(a) for a in (hint, *get_args(hint)))

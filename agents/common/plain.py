"""Frozen dataclasses to plain dictionaries (for TOML and JSON) and strictly back."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from prefrontal.agents.common.errors import ConfigError
from prefrontal.checking import KIND, NONE, alternatives, build, fields

T = TypeVar("T")


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
    plain: dict[str, Any] = {}
    for name, (field, hint) in fields(type(config)).items():
        value = getattr(config, name)
        if value is not None:
            plain[name] = _plain(value, name)
            kinds = alternatives(hint)
            if kinds and type(value) is not next(iter(kinds.values())):
                plain[name] = {KIND: type(value).kind, **plain[name]}
        elif field.default is not None:
            if _takes_none_as_text(hint):
                raise TypeError(f"{name} is a text that may be None: make None its default")
            plain[name] = NONE
    return plain


def from_plain(cls: type[T], data: Mapping[str, Any], section: str = "") -> T:
    """Build a dataclass from plain values, checking every key and every type.

    What is understood and converted: see `prefrontal.checking.checked`. Keys left out take their
    default.

    Args:
        cls: The dataclass to build.
        data: Field names and values, as `to_plain` or a TOML file gives them.
        section: Where `data` stands in its file, for error messages.

    Returns:
        An instance of `cls`.

    Raises:
        ConfigError: An unknown or missing key, a wrong type or a value that is not allowed; the
            message names the key and what would be right.
        TypeError: `cls` is no dataclass.
    """
    try:
        return build(cls, data, section)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _plain(value: Any, key: str) -> Any:
    """Return one value without dataclasses, tuples, paths or NumPy subclasses of Python numbers."""
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


def _takes_none_as_text(hint: Any) -> bool:
    """Return whether "none" could be an ordinary value of the type."""
    return any(a in (str, Path) or NONE in get_args(a) for a in (hint, *get_args(hint)))

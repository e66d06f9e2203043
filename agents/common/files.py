"""Files that may come from anywhere, read as data: of limited size, depth and kinds of values."""

from __future__ import annotations

import json
import math
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefrontal.agents.common.errors import ConfigError, RunFolderError
from prefrontal.checking import INTEGERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SMALL = 2**20  # bytes of a file of settings at most,
LISTS = 2**24  # of one that lists members and snapshots,
TABLES = 2**27  # and of a table of learning curves
DEPTH = 16  # of tables and lists in each other


def require_size(path: Path, most: int) -> None:
    """Check that a path is an ordinary file of at most `most` bytes.

    Raises:
        RunFolderError: It is not, or cannot be found.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror or error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise RunFolderError(f"cannot read {path}: it is no file")
    if found.st_size > most:
        raise RunFolderError(
            f"cannot read {path}: it has {found.st_size:,} bytes, and such a file has at most "
            f"{most:,}"
        )


def read_toml(path: Path, most: int = SMALL) -> dict[str, Any]:
    """Return the tables of a TOML file, checked by `require_plain`.

    Raises:
        RunFolderError: It cannot be read, is too large, or is not TOML of plain values.
    """

    def loads(text: str) -> Any:
        found = tomllib.loads(text)
        require_plain(found)
        return found

    return _read(path, most, loads)


def read_json(path: Path, most: int = SMALL) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        RunFolderError: It cannot be read, is too large, or holds no JSON object.
    """
    return _read(path, most, json.loads)


def _read(path: Path, most: int, loads: Callable[[str], Any]) -> dict[str, Any]:
    require_size(path, most)
    try:
        found = loads(path.read_bytes().decode("utf-8"))
    except RecursionError:
        raise RunFolderError(f"cannot read {path}: its values are nested too deeply") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error!s:.300}") from error
    if not isinstance(found, dict):
        raise RunFolderError(f"cannot read {path}: it must hold names and values")
    return found


def require_plain(value: Any, where: str = "", depth: int = 0) -> None:
    """Check that a value is one that files hold: tables, lists, texts, numbers, switches, None.

    Raises:
        ConfigError: It is another (a date, NaN, a number beyond 64 bits), or nested too deeply.
    """
    if depth > DEPTH:
        raise ConfigError("its values are nested too deeply")
    if isinstance(value, dict | list | tuple):
        named = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in named:
            require_plain(key, where, depth)
            require_plain(item, f"{where}.{key}".lstrip(".") if depth < 4 else where, depth + 1)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
            raise ConfigError(f"{where or 'a name'} must be text of Unicode, got {value!r:.80}")
    elif isinstance(value, float) and math.isnan(value):
        raise ConfigError(f"{where} must be a number, got nan")
    elif isinstance(value, int) and not -INTEGERS <= value < INTEGERS:
        raise ConfigError(f"{where} is a number of more than 64 bits")
    elif not isinstance(value, int | float | type(None)):
        raise ConfigError(f"{where} must be no {type(value).__name__}")

"""Python files of the user's: import what they name on a command line, and blame their errors.

Only what a user types, or passes in Python, is imported here; never a name that a file holds.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean

PREFIX = "prefrontal_user_files"  # of the names of modules that are files

#: Packages with environments, and how they are installed.
_INSTALLED = {
    "minigrid": '; pip install ".[minigrid]"',
    "popgym": '; pip install ".[popgym]"',
    "neurogym": "; docs/environments.md says how it is installed",
}

#: Files that were imported, whose errors are the user's.
_files: set[str] = set()


def import_file(place: str) -> ModuleType:
    """Import ``path/to/file.py`` or ``package.module``, once a process.

    The folder of the file (of a module: the current one) is searched for what it imports, after
    everything that is installed.

    Raises:
        ConfigError: There is no such file or module, or it raises; names its line.
    """
    if not place.endswith(".py") and not all(map(str.isidentifier, place.split("."))):
        raise ConfigError(f"{place!r:.80} is neither FILE.py nor a module, PACKAGE.MODULE")
    try:
        file = Path(place).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # no such home, a name too long
        raise ConfigError(f"there is no file {place!r:.80}: {error!s:.80}") from error
    folder = str(file.parent if place.endswith(".py") else Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        if not place.endswith(".py"):
            importlib.invalidate_caches()
            module = importlib.import_module(place)
            _files.add(str(getattr(module, "__file__", None)))
            return module
        if not file.is_file():
            beside = [one.name for one in file.parent.glob("*.py")] if file.parent.is_dir() else []
            hint = did_you_mean(file.name, beside)
            raise ConfigError(f"there is no file {place}{hint if 'mean' in hint else ''}")
        return _run(file)
    except ConfigError:
        raise
    except ModuleNotFoundError as error:
        if place.endswith(".py") or not f"{place}.".startswith(f"{error.name}."):
            raise ConfigError(f"{place} cannot be imported: {error}{_where(error)}") from error
        raise ConfigError(f"there is no module {place!r}{_INSTALLED.get(place, '')}") from error
    except SyntaxError as error:
        where = f"{Path(str(error.filename)).name}, line {error.lineno}"
        raise ConfigError(f"{where}: {type(error).__name__}: {error.msg}") from error
    except (Exception, SystemExit) as error:  # whatever it does while it is imported
        said = blamed(error) or f"{type(error).__name__}: {error}"
        raise ConfigError(f"{place} cannot be imported: {said}") from error


def _run(file: Path) -> ModuleType:
    """Import a file under a name of its own, which hides no other module."""
    name = f"{PREFIX}_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    _files.add(str(file))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def import_object(text: str, fits: Callable[[Any], bool] = callable) -> Any:
    """Return what ``file.py:Name`` or ``package.module:Name`` names.

    Args:
        text: The name.
        fits: Whether something is of the kind that is wanted, for what the message proposes.

    Raises:
        ConfigError: There is no such file, module or name, or the file raises.
    """
    place, _, name = text.rpartition(":")
    module = import_file(place)
    if name.startswith("_") or not hasattr(module, name):
        hint = did_you_mean(name, own_names(module, fits)).replace("allowed:", "it has")
        raise ConfigError(f"there is no {name!r} in {place}{hint}")
    return getattr(module, name)


def own_names(module: ModuleType, fits: Callable[[Any], bool]) -> list[str]:
    """Return the names of what a module defines itself, not imports, and that fits."""

    def own(made: Any) -> bool:
        if inspect.isclass(made) or inspect.isroutine(made):
            return f"{made.__module__}.".startswith(f"{module.__name__}.")
        return not inspect.ismodule(made)

    public = {key: made for key, made in vars(module).items() if not key.startswith("_")}
    return [key for key, made in public.items() if own(made) and fits(made)]


def blamed(error: BaseException) -> str | None:
    """Return an error of the user's file in one line, with file and line; None if it is ours."""
    where = _where(error)
    return f"{type(error).__name__}: {error}{where}" if where else None


def place_of(function: Any) -> str:
    """Return file and line of a function of the user's, in brackets after a space; "" if ours."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename not in _files:
        return ""
    return f" ({Path(code.co_filename).name}, line {code.co_firstlineno}, in {code.co_name})"


def _where(error: BaseException) -> str:
    """Return the last place in a file of the user's that an error passed, or ""."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _files
    ]
    if not frames:
        return ""
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name})"

"""Errors that a user can mend, and the hints that go with them."""

import shlex
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

from prefrontal.checking import did_you_mean

__all__ = [
    "CheckpointError",
    "ConfigError",
    "PrefrontalError",
    "RunFolderError",
    "TrainingError",
    "UserCodeError",
    "did_you_mean",
    "quoted",
    "require_count",
]


class PrefrontalError(Exception):
    """Something the user can mend: one line that says what is wrong and what would be right.

    The command line prints the message without a traceback and ends with `exit_code`.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).splitlines()))


class CheckpointError(PrefrontalError, ValueError):
    """A checkpoint is missing, damaged, foreign or cannot be written."""


class RunFolderError(PrefrontalError, ValueError):
    """A run folder is missing, in use, holds something else or cannot be written."""


class ConfigError(PrefrontalError, ValueError):
    """A configuration has an unknown key, a wrong type or a value that is not allowed."""


class TrainingError(PrefrontalError):
    """Training cannot go on (for example, a loss that is not a number)."""


class UserCodeError(PrefrontalError):
    """A task, core or study of the user's raised; the message gives its file and line."""


def quoted(path: Path | str) -> str:
    """Return a path for a message: in quotes, as a shell needs them, if it has odd characters."""
    return shlex.quote(str(path))


def require_count(name: str, value: Any) -> None:
    """Check that there are so many of something.

    Raises:
        ConfigError: It is no whole number of at least 1.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{name} must be a whole number of at least 1, not {value!r:.80}")

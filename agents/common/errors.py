"""Errors that a user can mend, and the hints that go with them."""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class PrefrontalError(Exception):
    """Something the user can mend: one line that says what is wrong and what would be right.

    The command line prints the message without a traceback and ends with `exit_code`.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class CheckpointError(PrefrontalError, ValueError):
    """A checkpoint is missing, damaged, foreign or cannot be written."""


class RunFolderError(PrefrontalError, ValueError):
    """A run folder is missing, in use, holds something else or cannot be written."""


class ConfigError(PrefrontalError, ValueError):
    """A configuration has an unknown key, a wrong type or a value that is not allowed."""


class TrainingError(PrefrontalError):
    """Training cannot go on (for example, a loss that is not a number)."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The end of an error message about an unknown name.

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
        return f"; allowed: {', '.join(repr(choice) for choice in by_lower.values())}"
    return ""

"""`columns.toml`: what the columns of a user's table mean.

```toml
[columns]            # ours = theirs; what is not named is looked up under our own name
subject = "subject"
choice = "deck"
[codes]
choice = {"1" = 0, "2" = 1}
missing = ["", "n/a"]              # of any column; per column: missing.choice = [0, -1]
[task]
arms = 2
resets = "block"                   # values start anew: session | block | never
choice_is = "stimulus"             # or "side", with the stimuli in [sides]
[sides]
choice = ["stimulus_left", "stimulus_right"]
[exclude]
rt = ">= 20000"                    # such rows are left out, as if they had not been
[missed]
slow = 1                           # such rows are kept as missed trials
```
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.agents.common.files import read_toml
from prefrontal.behaviour.table import Resets
from prefrontal.checking import build, check, did_you_mean, option

#: Columns that have a meaning here; any other is kept under its own name.
MEANINGS = {
    "subject": "who chooses",
    "session": "session of the trial",
    "block": "block of the trial",
    "trial": "number of the trial, which must not fall within a block",
    "choice": "what is chosen",
    "reward": "what is paid",
    "gain": "what is paid, in place of reward, with loss",
    "loss": "what is lost, of any sign",
    "state2": "state at the second stage",
    "choice2": "choice at the second stage",
    "transition": "1 or common, 0 or rare",
    "missed": "1 where no choice was made",
    "forced": "1 where the choice was not free",
    "available": "which arms can be chosen: codes in one cell, or a list of columns of 0 and 1",
    "rt": "response time",
}
CODED = ("choice", "state2", "choice2", "stimulus", "stimulus2")  # codes from 0
MOST = 1000  # arms, or codes of a column
NEAR = 0.8  # likeness from which a name is taken for a slip
EMPTY = ("", "n/a", "nan", "na")  # what stands for no value in columns that have no rule
ANY = "any"  # key of missing codes for all columns, where others have their own

_CONDITION = re.compile(r"\s*([<>=!]+)\s*(.*?)\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class DataError(PrefrontalError, ValueError):
    """Data of the user's are not what they have to be; the message names row, value and remedy."""


@functools.lru_cache(maxsize=2**16)
def normal(value: object) -> str:
    """Return a cell as text that compares: ``1.0`` and ``1`` are one code, ``NaN`` and ``nan``.

    Numbers that a float cannot hold stay as they are: such digits name somebody.
    """
    if isinstance(value, bool):
        return str(int(value))
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in EMPTY else text
    if number != number:
        return "nan"
    if math.isinf(number) or (number.is_integer() and abs(number) >= 2**53):
        return text
    return str(int(number)) if number.is_integer() else repr(number)


@dataclass(frozen=True)
class Condition:
    """Which values of a column it means: ``">= 20000"``, ``"!= test"``, one value or a list."""

    relation: str
    values: tuple[str, ...]

    @classmethod
    def read(cls, name: str, given: Any) -> Condition:
        """Return the condition that a value of `columns.toml` states.

        Raises:
            ConfigError: It is none.
        """
        listed = given if isinstance(given, list) else [given]
        if not listed or not all(isinstance(one, str | int | float) for one in listed):
            raise ConfigError(
                f"{name} must be a condition such as '>= 20', a value or a list of values, "
                f"not {given!r:.80}"
            )
        if isinstance(given, list):
            return cls("==", tuple(normal(one) for one in given))
        found = _CONDITION.fullmatch(given) if isinstance(given, str) else None
        relation, value = found.groups() if found else ("==", given)
        if relation not in (*_COMPARE, "==", "!="):
            raise ConfigError(
                f"{name}: {given!r} begins with {relation!r}; write >=, <=, >, <, == or !=, or the "
                f"value in a list, [{given!r:.80}]"
            )
        if relation in _COMPARE and as_number(normal(value)) is None:
            raise ConfigError(f"{name}: {given!r} compares with no number; write it as '>= 20'")
        return cls(relation, (normal(value),))

    def holds(self, cell: str) -> bool:
        """Return whether a cell is meant; one that is no number is neither above nor below."""
        if self.relation in _COMPARE:
            here, there = as_number(cell), as_number(self.values[0])
            return here is not None and there is not None and _COMPARE[self.relation](here, there)
        return (normal(cell) in self.values) == (self.relation == "==")

    def unseen(self, cells: Collection[str]) -> tuple[str, ...]:
        """Return the values that none of a column's cells is: slips, perhaps."""
        compared = self.relation in _COMPARE
        return () if compared else tuple(value for value in self.values if value not in cells)


@dataclass(frozen=True)
class Task:
    """What the table itself does not say of the task."""

    arms: int | None = option(
        None, "Number of arms; none: as many as the codes name.", least=2, most=MOST
    )
    resets: Resets | None = option(None, "Where values start anew: session, block or never.")
    choice_is: Literal["stimulus", "side"] | None = option(
        None, "What the codes of a choice name: a stimulus, or the side where one was."
    )
    common: float | None = option(
        None, "Probability of the common transition of a two-step task.", above=0, below=1
    )
    mapping: tuple[int, ...] | None = option(
        None,
        "Second-stage state that each first choice commonly leads to, such as [0, 1].",
        least=0,
        most=MOST - 1,
    )
    files: Literal["subjects", "sessions"] | None = option(
        None, "What several files are: subjects of their own, or sessions of the same ones."
    )

    def __post_init__(self) -> None:
        """Check types and ranges; `ValueError` names what is not allowed."""
        check(self)


@dataclass(frozen=True)
class Columns:
    """What `columns.toml` says.

    Attributes:
        columns: Ours to theirs; ``available`` may be a list of columns, one an arm.
        codes: Of columns of ours, what their cells stand for.
        missing: Of columns of ours, and of any (`ANY`), cells that stand for no value.
        task: What the table itself does not say.
        sides: Of ``choice`` and ``choice2``, the columns with the stimulus at each side.
        exclude: Rows that are left out, as if they had not been: any of these conditions.
        missed: Rows that are kept as missed trials.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    task: Task = field(default_factory=Task)
    sides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: Mapping[str, Condition] = field(default_factory=dict)
    missed: Mapping[str, Condition] = field(default_factory=dict)

    def theirs(self, name: str) -> Any:
        """Return the name that a column of ours has in the table."""
        return self.columns.get(name, name)

    def absent(self, name: str) -> tuple[str, ...]:
        """Return the cells of a column of ours that stand for no value."""
        return (*self.missing.get(ANY, ()), *self.missing.get(name, ()))

    def over(self, other: Columns) -> Columns:
        """Return these settings, and of `other` what is not said here."""
        given = {name: getattr(self.task, name) for name in vars(self.task)}
        task = replace(other.task, **{k: v for k, v in given.items() if v is not None})
        merged: dict[str, Any] = {
            one.name: {**getattr(other, one.name), **getattr(self, one.name)}
            for one in fields(self)
            if one.name != "task"
        }
        return Columns(**merged, task=task)


def columns_from(tables: Mapping[str, Any], where: str = "columns.toml") -> Columns:
    """Return what the tables of a `columns.toml` say, checked.

    Raises:
        ConfigError: A table or key is unknown, or a value is of another kind; names it.
    """
    known = ("columns", "codes", "task", "sides", "exclude", "missed")
    for name, table in tables.items():
        if name not in known:
            raise ConfigError(f"{where}: there is no table [{name}]{did_you_mean(name, known)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: {name} must be a table, [{name}], not {table!r:.80}")
    codes = dict(tables.get("codes", {}))
    missing = codes.pop("missing", {})
    missing = missing if isinstance(missing, dict) else {ANY: missing}
    for name, given in tables.get("columns", {}).items():
        meant = _meant(name)
        if meant is not None:
            raise ConfigError(
                f"{where}: [columns] {name} is none of our names; did you mean {meant!r}? A column "
                "of your own needs a name that is less like it"
            )
        texts = given if isinstance(given, list) and name == "available" else [given]
        if not all(isinstance(text, str) for text in texts):
            raise ConfigError(f"{where}: [columns] {name} must name a column, not {given!r:.80}")
    try:
        return Columns(
            columns=dict(tables.get("columns", {})),
            codes={name: _codes(name, given) for name, given in codes.items()},
            missing={name: _missing(name, given) for name, given in missing.items()},
            task=build(Task, tables.get("task", {}), "task"),
            sides={name: _sides(name, given) for name, given in tables.get("sides", {}).items()},
            exclude={k: Condition.read(k, v) for k, v in tables.get("exclude", {}).items()},
            missed={k: Condition.read(k, v) for k, v in tables.get("missed", {}).items()},
        )
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def read_columns(given: Path | str | Mapping[str, Any] | Columns | None) -> Columns:
    """Return settings from a file, from tables as in one, or as they are; None: nothing is said.

    Raises:
        ConfigError: See `columns_from`.
        RunFolderError: The file cannot be read.
    """
    if isinstance(given, Columns):
        return given
    if given is None or isinstance(given, Mapping):
        return columns_from(given or {})
    path = Path(given).expanduser()
    return columns_from(read_toml(path), path.name)


def dumps(columns: Columns) -> str:
    """Return settings as the text of a `columns.toml`."""
    task = {name: value for name, value in vars(columns.task).items() if value is not None}
    codes: dict[str, Any] = {name: dict(table) for name, table in columns.codes.items()}
    if columns.missing:
        alone = set(columns.missing) == {ANY}
        listed = {name: list(values) for name, values in columns.missing.items()}
        codes["missing"] = listed[ANY] if alone else listed
    tables = {
        "columns": dict(columns.columns),
        "codes": codes,
        "task": {k: list(v) if isinstance(v, tuple) else v for k, v in task.items()},
        "sides": {name: list(value) for name, value in columns.sides.items()},
        "exclude": {name: _written(one) for name, one in columns.exclude.items()},
        "missed": {name: _written(one) for name, one in columns.missed.items()},
    }
    return toml_text(tables)


def toml_text(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return tables as TOML with a line for each key, empty ones left out."""
    lines = []
    for name, table in tables.items():
        if table:
            lines += [f"[{name}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items()), ""]
    return "\n".join(lines)


def _key(name: str) -> str:
    """Return a key, quoted where TOML asks for it."""
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name, re.ASCII) else _value(name)


def _value(value: Any) -> str:
    """Return a value in one line; strings of JSON are strings of TOML."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_value(str(k))} = {_value(v)}" for k, v in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _written(condition: Condition) -> Any:
    """Return a condition as `Condition.read` takes it."""
    if condition.relation == "==":
        return list(condition.values)
    return f"{condition.relation} {condition.values[0]}"


def _meant(name: str) -> str | None:
    """Return which of our names a key that is none of them seems to mean."""
    if name in MEANINGS:
        return None
    close = difflib.get_close_matches(name.lower(), MEANINGS, n=1, cutoff=NEAR)
    numbered = name[-1:].isdigit() and name.lower() not in MEANINGS  # a third stage, say
    return close[0] if close and not numbered else None


def as_number(text: str) -> float | None:
    """Return a cell as a finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _codes(name: str, given: Any) -> dict[str, float]:
    """Return what cells of a column stand for."""
    whole = name in CODED
    if not isinstance(given, dict) or not all(
        isinstance(value, int) and 0 <= value < MOST
        if whole
        else isinstance(value, int | float) and math.isfinite(value)
        for value in given.values()
    ):
        kind = f"whole numbers from 0 to {MOST - 1}" if whole else "numbers"
        raise ValueError(
            f'[codes] {name} must give {kind}, {{"A" = 0, "B" = 1}}, not {given!r:.80}'
        )
    if whole and 0 not in given.values():
        raise ValueError(f"[codes] {name} gives no cell the code 0: number them from 0")
    return {normal(cell): value if whole else float(value) for cell, value in given.items()}


def _missing(name: str, given: Any) -> tuple[str, ...]:
    """Return cells that stand for no value."""
    if not isinstance(given, list) or not all(isinstance(one, str | int | float) for one in given):
        raise ValueError(f'missing of {name} must be a list such as ["", "n/a", -1]: {given!r:.80}')
    return tuple(normal(one) for one in given)


def _sides(name: str, given: Any) -> tuple[str, ...]:
    """Return the columns with the stimulus at each side."""
    if name not in ("choice", "choice2"):
        raise ValueError(f"[sides] has choice and choice2, not {name}")
    texts = isinstance(given, list) and all(isinstance(one, str) for one in given)
    if not texts or len(given) < 2:
        raise ValueError(f"[sides] {name} must list a column for each side, not {given!r:.80}")
    return tuple(given)

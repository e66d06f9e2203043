"""Cells of a table as codes, numbers and switches, by the rules of `columns.toml`.

Whatever does not fit is refused in one line, which names the row, the value and what would mend it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from prefrontal.analysis.missing import MISSING
from prefrontal.behaviour.files.columns import (
    ANY,
    EMPTY,
    MEANINGS,
    MOST,
    Columns,
    Condition,
    DataError,
    as_number,
    normal,
)
from prefrontal.behaviour.files.rows import Rows
from prefrontal.behaviour.table import Codes, Floats, Mask
from prefrontal.checking import did_you_mean

NUMBERS = ("trial", "rt", "gain", "loss")  # kept as they are, whatever is made of them
LISTED = 5  # values in a note
YES, NO = ("1", "true", "yes", "y"), ("0", "false", "no", "n", *EMPTY)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cells:
    """Rows that are not excluded, and what their columns mean.

    Attributes:
        rows: All rows of the files.
        columns: What the user says of them.
        kept: Indices of the rows that are not excluded.
    """

    rows: Rows
    columns: Columns
    kept: Codes

    @classmethod
    def read(cls, rows: Rows, columns: Columns) -> Cells:
        """Return the rows that no [exclude] condition names.

        Raises:
            DataError: A column that the settings name is not there, or no row is left.
        """
        whole = cls(rows, columns, np.arange(len(rows)))
        whole.require_columns()
        whole.note_unseen()
        gone = whole.meets(columns.exclude)
        if gone.all():
            raise DataError("[exclude] leaves out all rows: see its conditions")
        return cls(rows, columns, np.flatnonzero(~gone))

    def require_columns(self) -> None:
        """Check that every column is there that the settings name."""
        columns, there = self.columns, self.rows.cells
        named = [one for given in columns.columns.values() for one in _listed(given)]
        for name in columns.sides:
            named += _listed(columns.theirs(name))
        named += [one for sides in columns.sides.values() for one in sides]
        for name in named:
            if name not in there:
                raise DataError(
                    f"{self.rows.file[0]} has no column {name!r}{did_you_mean(name, there)}"
                )
        known = {*MEANINGS, *columns.columns, *there, ANY, "stimulus", "stimulus2"}
        for table in ("codes", "missing", "exclude", "missed"):
            for name in getattr(columns, table):
                lacking = table in ("exclude", "missed") and not self.has(name)
                if name not in known or lacking:
                    raise DataError(
                        f"[{table}] {name}: {self.rows.file[0]} has no such column"
                        f"{did_you_mean(name, there)}"
                    )
                ours = [k for k, given in columns.columns.items() if given == name != k]
                if table in ("codes", "missing") and ours:
                    raise DataError(f"[{table}] {name}: say it of {ours[0]!r}, as [columns] has it")
        plain = {name.lower(): name for name in there if name not in named}
        for name in MEANINGS:
            if name != "rt" and name in plain and not self.has(name):
                raise DataError(
                    f"{self.rows.file[0]} has no column {columns.theirs(name)!r}; did you mean "
                    f'{plain[name]!r}? Say [columns] {name} = "{plain[name]}", or give it another '
                    f'name, other_{name} = "{plain[name]}"'
                )

    def note_unseen(self) -> None:
        """Tell of values in conditions that no row has: rows may stay that were to be left out."""
        for table in ("exclude", "missed"):
            for name, condition in getattr(self.columns, table).items():
                unseen = condition.unseen(set(self.texts(name)))
                if unseen:
                    listed = ", ".join(map(repr, unseen[:LISTED]))
                    _LOG.warning("note: [%s] %s: no row has %s", table, name, listed)

    def has(self, name: str) -> bool:
        """Return whether there is a column of ours."""
        return all(one in self.rows.cells for one in _listed(self.columns.theirs(name)))

    def texts(self, name: str, theirs: str | None = None) -> list[str]:
        """Return the cells of a column of ours, as they compare."""
        cells = self.rows.cells[theirs or self.columns.theirs(name)]
        return [normal(cells[i]) for i in self.kept]

    def meets(self, conditions: dict[str, Condition] | Any) -> Mask:
        """Return which rows one of the conditions names."""
        found = np.zeros(len(self.kept), bool)
        for name, condition in conditions.items():
            answers = {text: condition.holds(text) for text in set(self.texts(name))}
            found |= np.array([answers[text] for text in self.texts(name)], bool)
        return found

    def refuse(self, at: int, message: str) -> NoReturn:
        """Raise what is wrong in a row that is kept."""
        raise DataError(f"{self.rows.place(int(self.kept[at]))}: {message}")

    def codes(
        self,
        name: str,
        count: int | None = None,
        skip: Mask | None = None,
        theirs: str | None = None,
    ) -> Codes:
        """Return codes from 0, -1 where missing: empty cells, ``n/a``, ``NaN``, and by a rule.

        Args:
            name: Column of ours, whose rules count.
            count: How many codes there are, if that is stated.
            skip: Rows that need no value, whatever stands there.
            theirs: Column to read in place of the one that is named so.

        Raises:
            DataError: A cell is no code.
        """
        table, absent = self.columns.codes.get(name), (*EMPTY, *self.columns.absent(name))
        found = np.full(len(self.kept), MISSING, np.int64)
        for at, text in enumerate(self.texts(name, theirs)):
            if (skip is not None and skip[at]) or text in absent:
                continue
            code = int(table[text]) if table is not None and text in table else None
            if table is None and text.isdecimal():
                code = int(text)
            if code is None or code >= (MOST if count is None else count):
                self._no_code(at, name, text, count, table)
            found[at] = code
        return found

    def _no_code(self, at: int, name: str, text: str, count: int | None, table: Any) -> NoReturn:
        """Say why a cell is no code."""
        if table is not None and text not in table:
            known = ", ".join(table)
            self.refuse(
                at,
                f"{name} is {text!r}, which has no code (there are {known}): add it to [codes] "
                f"{name}, or list it in missing.{name}",
            )
        range_ = f" to {(MOST if count is None else count) - 1}"
        if table is not None:
            self.refuse(
                at,
                f"[codes] {name} gives {text!r} the code {table[text]}, and codes count from 0"
                f"{range_}: number them from 0, or set [task] arms to how many there are",
            )
        self.refuse(
            at,
            f"{name} is {text!r}, and codes count from 0{range_}: set [task] arms, give [codes] "
            f'{name} = {{"1" = 0, "2" = 1}} if yours count from 1, or list it in missing.{name}',
        )

    def numbers(self, name: str, skip: Mask | None = None) -> Floats:
        """Return numbers, NaN where missing; see `codes`."""
        table, absent = self.columns.codes.get(name, {}), (*EMPTY, *self.columns.absent(name))
        found = np.full(len(self.kept), np.nan)
        for at, text in enumerate(self.texts(name)):
            if text in absent:
                continue
            value = table[text] if text in table else as_number(text)
            if value is not None and (not table or text in table):
                found[at] = value
            elif skip is not None and skip[at]:
                continue
            else:
                known = f" (there are {', '.join(table)})" if table else ""
                self.refuse(
                    at,
                    f"{name} is {text!r}, which is no number with a meaning{known}: add it to "
                    f'[codes] {name}, such as {{"win" = 1, "loss" = 0}}, or to missing.{name}',
                )
        return found

    def switches(self, name: str, yes: Sequence[str] = YES, no: Sequence[str] = NO) -> Codes:
        """Return 1 or 0 of a column of yes and no, -1 where missing by a rule."""
        table = self.columns.codes.get(name)
        found = np.full(len(self.kept), MISSING, np.int64)
        for at, text in enumerate(self.texts(name)):
            if table is not None and text in table:
                found[at] = int(bool(table[text]))
            elif text in self.columns.absent(name):
                continue
            elif table is None and text.lower() in (*yes, *no):
                found[at] = int(text.lower() in yes)
            else:
                self.refuse(
                    at,
                    f"{name} is {text!r}, which is neither {yes[0]} nor {no[0]}: say what it means "
                    f'in [codes] {name} = {{"{text}" = 1}}, or list it in missing.{name}',
                )
        return found

    def labels(self, name: str) -> list[str]:
        """Return the texts of a column that has to have one in each row, as they stand there."""
        cells = self.rows.cells[self.columns.theirs(name)]
        raw = [str(cells[i]).strip() for i in self.kept]
        first: dict[str, str] = {}
        for at, (text, own) in enumerate(zip(self.texts(name), raw, strict=True)):
            if text in EMPTY or text in self.columns.absent(name):
                self.refuse(at, f"{name} is missing ({text!r}): fill it in, or [exclude] the row")
            if first.setdefault(text, own) != own:
                self.refuse(
                    at,
                    f"{name} is {own!r} here and {first[text]!r} in another row, one number: write "
                    "it in one way, or give two names that differ",
                )
        return raw

    def others(self) -> dict[str, np.ndarray]:
        """Return every column that has no meaning of its own, numbers where all cells are."""
        used = {one for name in MEANINGS for one in _listed(self.columns.theirs(name))}
        named = {ours: one for ours, one in self.columns.columns.items() if ours not in MEANINGS}
        rest = {name: name for name in self.rows.cells if name not in {*used, *named.values()}}
        kept = {name: self.columns.theirs(name) for name in NUMBERS if self.has(name)}
        return {ours: self._free(ours, one) for ours, one in {**kept, **named, **rest}.items()}

    def _free(self, ours: str, theirs: str) -> np.ndarray:
        """Return a column as numbers, or as texts if a cell is none."""
        absent = {*EMPTY, *self.columns.absent(ours)}
        table = self.columns.codes.get(ours, {})
        texts = self.texts(ours, theirs)
        values = [None if t in absent else table.get(t, as_number(t)) for t in texts]
        if any(v is None and t not in absent for v, t in zip(values, texts, strict=True)):
            return np.array(["" if text in absent else text for text in texts], dtype=np.str_)
        return np.array([np.nan if value is None else value for value in values], np.float64)


def _listed(given: str | Sequence[str]) -> list[str]:
    """Return the columns that a column of ours is read from."""
    return [given] if isinstance(given, str) else list(given)

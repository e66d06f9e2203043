"""Rows of a file before anything is known of them: cells as texts, and where each row stands."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefrontal.behaviour.files.columns import DataError, normal

DELIMITERS = ("\t", ";", ",")
MOST = 2**28  # bytes of a table at most


@dataclass(frozen=True)
class Rows:
    """Cells of one or several files, column by column.

    Attributes:
        cells: Of each column by name, the texts of its rows.
        file: Of each row the name of its file.
        line: Of each row its line in the file, from 1; of files without lines, its trial.
        places: What `line` counts: ``line`` or ``trial``.
    """

    cells: Mapping[str, Sequence[str]]
    file: Sequence[str]
    line: Sequence[int]
    places: str = "line"

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.file)

    def place(self, row: int) -> str:
        """Return where a row stands, for messages."""
        return f"{self.file[row]}, row {row} ({self.places} {self.line[row]})"


def joined(parts: Sequence[Rows]) -> Rows:
    """Return rows of several files as one table; a column that a file lacks is empty there."""
    names = list(dict.fromkeys(name for part in parts for name in part.cells))
    cells = {
        name: [cell for part in parts for cell in part.cells.get(name, [""] * len(part))]
        for name in names
    }
    files = [name for part in parts for name in part.file]
    return Rows(cells, files, [at for part in parts for at in part.line], parts[0].places)


def read_table(path: Path) -> Rows:
    """Read a table of texts with a header: commas, semicolons or tabs between the cells.

    A byte-order mark, blank lines and spaces around cells are left out. Where semicolons part the
    cells, a comma in a number is its decimal point.

    Raises:
        DataError: It is no such table; names the line.
    """
    try:
        if path.stat().st_size > MOST:
            raise DataError(f"{path.name} has more than {MOST:,} bytes: split it by subjects")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is no text in UTF-8 (byte {error.start}): save it as CSV, UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    if not first.count(delimiter):
        found = "has one column" if first else "is empty"
        raise DataError(f"{path.name} {found}: a table of trials has subject, choice, ...")
    reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}") from error
    header = [name.strip() for name in lines[0][1]]
    for name in header:
        if header.count(name) > 1 and name:
            raise DataError(f"{path.name} has two columns {name!r}: rename one")
    for at, line in lines[1:]:
        if len(line) > len(header) and any(cell.strip() for cell in line[len(header) :]):
            raise DataError(f"{path.name}, line {at}: {len(line)} cells under {len(header)} names")
    if len(lines) == 1:
        raise DataError(f"{path.name} has a header and no rows")
    body = [[cell.strip() for cell in line] for _, line in lines[1:]]
    columns = {
        name or f"column {i + 1}": [line[i] if i < len(line) else "" for line in body]
        for i, name in enumerate(header)
    }
    if delimiter == ";":
        columns = {name: [_point(cell) for cell in cells] for name, cells in columns.items()}
    return Rows(columns, [path.name] * len(body), [at for at, _ in lines[1:]])


def _point(cell: str) -> str:
    """Return a number with a decimal comma as one with a point."""
    changed = cell.replace(",", ".") if cell.count(",") == 1 else cell
    return changed if normal(changed).replace(".", "").lstrip("-").isdigit() else cell

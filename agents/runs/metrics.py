"""The metrics of a run as a CSV file that survives kill and resume."""

import contextlib
import csv
import io
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefrontal.agents.common.errors import PrefrontalError, RunFolderError
from prefrontal.agents.runs.checkpoint import write_all, write_atomically


class MetricsFile:
    """A CSV file with fixed columns, the first of them `update`, that survives kill and resume.

    Floats are written so that they read back exactly, None as an empty cell. A row is in the file
    when `append` returns: a killed process loses at most the row it was writing.

    Args:
        path: The file; created with its header if it does not exist.
        columns: Column names; the first must be "update".
        last_update: The checkpoint's update. Rows after it and a half-written last line are
            dropped, so that the resumed file equals that of a run never interrupted. None: all
            rows are dropped (there is no checkpoint).

    Raises:
        RunFolderError: If the file has other columns or is damaged, or cannot be written.
    """

    def __init__(
        self, path: Path | str, columns: Sequence[str], last_update: int | None = None
    ) -> None:
        self.path, self.columns = Path(path), tuple(columns)
        if not self.columns or self.columns[0] != "update":
            raise ValueError(f"the first column must be 'update', got {list(columns)}")
        with writing(self.path):
            content = self._line(self.columns)
            if last_update is not None:
                content += self._rows_until(last_update)
            write_atomically(self.path, content)
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row of numbers (also of NumPy or a tensor of one), texts or None.

        Raises:
            RunFolderError: If the disk is full; the file keeps its complete rows.
            ValueError: If the row has other keys than the file has columns.
        """
        if row.keys() != set(self.columns):
            raise ValueError(f"a row must have the keys {list(self.columns)}, got {list(row)}")
        line = self._line([_cell(row[column]) for column in self.columns])
        size = self._file.seek(0, os.SEEK_END)
        with writing(self.path):
            try:
                write_all(self._file, line)
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.truncate(size)
                raise

    def sync(self) -> None:
        """Wait until every row is on the disk, so that a checkpoint never precedes its rows."""
        with writing(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        self._file.close()

    def _rows_until(self, last_update: int) -> bytes:
        """Return the complete rows up to an update, byte by byte as they were."""
        if not self.path.exists():
            warnings.warn(
                f"{self.path} is missing: it starts again after update {last_update}", stacklevel=4
            )
            return b""
        lines = self.path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # the process was killed while it wrote this line
        if lines and lines[0] != self._line(self.columns):
            raise RunFolderError(
                f"{self.path} has the columns {lines[0].decode(errors='replace').strip()!r}, and "
                f"this run writes {','.join(self.columns)!r}; resume with the version that began it"
            )
        kept = []
        for number, line in enumerate(lines[1:], start=2):
            update = re.match(rb"(\d+)(,|\n)", line)
            if update is None:
                raise RunFolderError(
                    f"{self.path}, line {number}, does not start with an update number: mend or "
                    "remove the line, then resume"
                )
            if int(update[1]) <= last_update:
                kept.append(line)
        return b"".join(kept)

    @staticmethod
    def _line(cells: Sequence[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        if len(text.getvalue().splitlines()) > 1:
            raise ValueError(f"a cell must be one line, got {list(cells)}")
        return text.getvalue().encode()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk and its like into one line."""
    try:
        yield
    except PrefrontalError:
        raise
    except OSError as error:
        raise RunFolderError(
            f"cannot write {path}: {error.strerror or error}; what is there is kept: make room or "
            "choose another folder, then resume"
        ) from error


def _cell(value: Any) -> str:
    """Return a value as text that reads back exactly."""
    if value is None or isinstance(value, str):
        return value or ""
    if hasattr(value, "item"):  # a NumPy scalar or a tensor of one element
        value = value.item()
    if isinstance(value, int | float):
        return repr(int(value) if isinstance(value, bool) else value)
    raise TypeError(f"a cell must be a number, text or None, got {value!r}")

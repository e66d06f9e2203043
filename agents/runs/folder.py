"""Run folders: everything one run leaves on disk, written so that it can be killed and resumed.

::

    config.toml    the resolved configuration       command.txt    one line for each start
    versions.json  what the run was begun with      metrics.csv    a row for each report
    checkpoint/    the last good checkpoint         CONDITION/     metrics and checkpoint of one
                                                                   condition, where there are some
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from torch import Tensor

from prefrontal.agents.common.errors import PrefrontalError, RunFolderError, quoted
from prefrontal.agents.common.files import (
    SMALL,
    TABLES,
    read_json,
    read_toml,
    require_plain,
    require_size,
)
from prefrontal.agents.runs.checkpoint import (
    Check,
    has_checkpoint,
    library_versions,
    load_checkpoint,
    save_checkpoint,
    write_all,
    write_atomically,
)

EXAMPLES = 3  # of folders that a message names

_BEGINNING = re.compile(r"versions\.json|command\.txt|\..*\.tmp")


class RunFolder:
    """The folder of one run. Use `create`, `resume` or `read`, and `with` to release it.

    A folder that was created or resumed is locked against other processes until it is closed (where
    the file system has locks); reading needs no lock and works while a run goes on. `path` is the
    folder, and `checkpoint` that of the checkpoint in it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path, self.checkpoint = Path(path), Path(path) / "checkpoint"
        self._unlock: weakref.finalize | None = None
        self._metrics: MetricsFile | None = None

    @classmethod
    def create(
        cls, path: Path | str, config: Mapping[str, Any], command: str | None = None
    ) -> RunFolder:
        """Begin a run in a new or empty folder.

        Args:
            path: Folder to create.
            config: The resolved configuration as plain values (`to_plain`).
            command: How to repeat the run; by default the command line of this process.

        Raises:
            RunFolderError: If the folder holds something, is in use or cannot be written.
        """
        run, config = cls(path), dict(config)
        require_plain(config)  # what could not be read again is not written
        with writing(run.path):
            if run.path.exists() and not run.path.is_dir():
                raise RunFolderError(f"{run.path} is a file; choose a folder for the run")
            run.path.mkdir(parents=True, exist_ok=True)
            run._acquire()
            try:
                run._begin(config, command)
            except BaseException:
                run.close()
                raise
        return run

    @classmethod
    def resume(cls, path: Path | str, command: str | None = None) -> RunFolder:
        """Go on with a run, whether or not it got as far as its first checkpoint.

        `command` is for `command.txt`, as in `create`. Say on stderr where the libraries are not
        those the run was begun with.

        Raises:
            RunFolderError: If the folder holds no run, is in use or cannot be written.
        """
        run = cls.read(path)
        begun = run.versions()
        with writing(run.path):
            run._acquire()
            run._log_command(command)
        for name, version in library_versions().items():
            if name != "platform" and begun.get(name, version) != version:
                note(
                    f"resuming {run.path} with {name} {version}, begun with {begun[name]}: numbers "
                    "may differ from those of an uninterrupted run"
                )
        return run

    @classmethod
    def read(cls, path: Path | str) -> RunFolder:
        """Open a run to look at it.

        Raises:
            RunFolderError: If the folder holds no run.
        """
        run = cls(path)
        if not (run.path / "config.toml").is_file():
            raise RunFolderError(
                f"no run in {quoted(run.path)}; give a folder that contains config.toml, or train "
                "first"
            )
        return run

    def config(self) -> dict[str, Any]:
        """Return the configuration as plain values, for `agents.common.plain.from_plain`."""
        return read_toml(self.path / "config.toml")

    def versions(self) -> dict[str, str]:
        """Return the versions the run was begun with."""
        versions = read_json(self.path / "versions.json")
        return {name: f"{version!s:.80}" for name, version in versions.items()}

    def condition(self, name: str) -> RunFolder:
        """Return the sub-folder of one condition, with its own metrics and checkpoint.

        Raises:
            RunFolderError: It cannot have that name.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w.=,+-]*", name, re.ASCII) or name == "checkpoint":
            raise RunFolderError(
                "a condition is named by letters from a to z, digits and any of -_.=,+ (first a "
                f"letter or a digit; not 'checkpoint'), got {name!r:.80}"
            )
        return RunFolder(self.path / name)

    def metrics(self, columns: Sequence[str], last_update: int | None = None) -> MetricsFile:
        """Open `metrics.csv`; see `MetricsFile`. `save` then keeps it in step with checkpoints."""
        if self._metrics is not None:
            self._metrics.close()
        with writing(self.path):
            self.path.mkdir(exist_ok=True)  # that of a condition
        self._metrics = MetricsFile(self.path / "metrics.csv", columns, last_update)
        return self._metrics

    def save(self, arrays: Mapping[str, Tensor], meta: dict[str, Any]) -> None:
        """Save a checkpoint after the rows that precede it; see `save_checkpoint`."""
        if self._metrics is not None:
            self._metrics.sync()
        if not self.path.is_dir():
            raise RunFolderError(f"the run folder {self.path} was removed while the run went on")
        save_checkpoint(self.checkpoint, arrays, meta)

    def load(self, check: Check | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Read the checkpoint; see `load_checkpoint`."""
        return load_checkpoint(self.checkpoint, check)

    @property
    def has_checkpoint(self) -> bool:
        """Whether a checkpoint was ever saved; if not, a resumed run begins at update 0."""
        return has_checkpoint(self.checkpoint)

    def close(self) -> None:
        """Close the metrics and release the lock. Closing twice is harmless."""
        if self._metrics is not None:
            self._metrics.close()
        if self._unlock is not None:
            self._unlock()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, config: Mapping[str, Any], command: str | None) -> None:
        # What a start that was killed before it wrote its configuration leaves is no run.
        if any(not _BEGINNING.fullmatch(entry.name) for entry in self.path.iterdir()):
            raise RunFolderError(
                f"run folder {self.path} is not empty; resume the run in it or choose another"
            )
        versions = json.dumps(library_versions() | {"git": git_revision()}, indent=1)
        write_atomically(self.path / "versions.json", f"{versions}\n".encode())
        self._log_command(command)
        # Last, because a folder with a configuration is a run that can be resumed.
        write_atomically(self.path / "config.toml", tomli_w.dumps(dict(config)).encode())

    def _acquire(self) -> None:
        """Lock the folder itself: the lock ends with the process, however that ends."""
        if sys.platform == "win32":
            return
        import fcntl

        lock = os.open(self.path, os.O_RDONLY)
        self._unlock = weakref.finalize(self, os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise RunFolderError(
                f"run folder {self.path} is in use by another run; wait for it or choose another "
                "folder"
            ) from error
        except OSError:
            return  # a file system without locks

    def _log_command(self, command: str | None) -> None:
        line = shlex.join(sys.argv) if command is None else command
        path = self.path / "command.txt"
        earlier = b""
        if path.exists():
            require_size(path, SMALL)
            earlier = path.read_bytes()
        line = " ".join(line.splitlines()) + "\n"  # of bytes that are no Unicode, as they were
        write_atomically(path, earlier + line.encode(errors="surrogateescape"))


def git_revision() -> str:
    """Return the commit of this source code, "-dirty" if files differ from it, or "unknown"."""
    source = Path(__file__).resolve()
    # Installed code may lie inside a repository of the user's: ask only where it is tracked.
    tracked = ["git", "ls-files", "--error-unmatch", source.name]
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        for command in (tracked, describe):
            done = subprocess.run(
                command, cwd=source.parent, capture_output=True, text=True, timeout=10, check=True
            )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def runs_below(folder: Path) -> str:
    """Return the end of a message that names the runs at most two levels below, or "" if none."""

    def saved(run: Path) -> bool:
        return any(map(has_checkpoint, (run / "checkpoint", *run.glob("*/checkpoint"))))

    configs = [*folder.glob("*/config.toml"), *folder.glob("*/*/config.toml")]
    found = sorted(path.parent for path in configs if saved(path.parent))
    if not found:
        return ""
    more = len(found) - EXAMPLES
    others = f" (or {more} other{'s' * (more > 1)})" if more > 0 else ""
    named = ", ".join(repr(str(run)) for run in found[:EXAMPLES])
    return f" itself; name one below it: {named}{others}"


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
            note(f"{self.path} is missing: it starts again after update {last_update}")
            return b""
        require_size(self.path, TABLES)
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
            update = re.match(rb"(\d{1,18})(,|\n)", line)
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


def note(text: str) -> None:
    """Say something on stderr that does not stop a run."""
    print(f"note: {text}", file=sys.stderr)


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

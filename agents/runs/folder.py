"""Run folders: everything one run leaves on disk, written so that it can be killed and resumed.

config.toml    the resolved configuration       command.txt    one line for each start
versions.json  what the run was begun with      metrics.csv    one row for each report
checkpoint/    the last good checkpoint         CONDITION/     metrics and checkpoint of one
                                                               condition, where there are several
"""

import json
import os
import re
import shlex
import subprocess
import sys
import warnings
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from torch import Tensor

from prefrontal.agents.common.errors import RunFolderError
from prefrontal.agents.runs.checkpoint import (
    has_checkpoint,
    library_versions,
    load_checkpoint,
    save_checkpoint,
    write_atomically,
)
from prefrontal.agents.runs.metrics import MetricsFile, writing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


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
    ) -> "RunFolder":
        """Begin a run in a new or empty folder.

        Args:
            path: Folder to create.
            config: The resolved configuration as plain values (`to_plain`).
            command: How to repeat the run; by default the command line of this process.

        Raises:
            RunFolderError: If the folder holds something, is in use or cannot be written.
        """
        run = cls(path)
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
    def resume(cls, path: Path | str, command: str | None = None) -> "RunFolder":
        """Go on with a run, whether or not it got as far as its first checkpoint.

        `command` is for `command.txt`, as in `create`. Warn where the libraries are not those the
        run was begun with.

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
                warnings.warn(
                    f"resuming {run.path} with {name} {version}, begun with {begun[name]}: numbers "
                    "may differ from those of an uninterrupted run",
                    stacklevel=2,
                )
        return run

    @classmethod
    def read(cls, path: Path | str) -> "RunFolder":
        """Open a run to look at it.

        Raises:
            RunFolderError: If the folder holds no run.
        """
        run = cls(path)
        if not (run.path / "config.toml").is_file():
            raise RunFolderError(
                f"no run in {run.path}; give a folder that contains config.toml, or train first"
            )
        return run

    def config(self) -> dict[str, Any]:
        """Return the configuration as plain values, for `agents.common.plain.from_plain`."""
        path = self.path / "config.toml"
        try:
            return tomllib.loads(path.read_bytes().decode("utf-8"))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"cannot read {path}: {error}") from error

    def versions(self) -> dict[str, str]:
        """Return the versions the run was begun with."""
        path = self.path / "versions.json"
        try:
            versions = json.loads(path.read_bytes().decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(f"cannot read {path}: {error}") from error
        if not isinstance(versions, dict):
            raise RunFolderError(f"{path} must hold a JSON object of names and versions")
        return versions

    def condition(self, name: str) -> "RunFolder":
        """Return the sub-folder of one condition, with its own metrics and checkpoint."""
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII) or name == "checkpoint":
            raise ValueError(f"a condition is named by letters, digits, '-', '_', got {name!r}")
        with writing(self.path):
            (self.path / name).mkdir(exist_ok=True)
        return RunFolder(self.path / name)

    def metrics(self, columns: Sequence[str], last_update: int | None = None) -> MetricsFile:
        """Open `metrics.csv`; see `MetricsFile`. `save` then keeps it in step with checkpoints."""
        if self._metrics is not None:
            self._metrics.close()
        self._metrics = MetricsFile(self.path / "metrics.csv", columns, last_update)
        return self._metrics

    def save(self, arrays: Mapping[str, Tensor], meta: dict[str, Any]) -> None:
        """Save a checkpoint after the rows that precede it; see `save_checkpoint`."""
        if self._metrics is not None:
            self._metrics.sync()
        save_checkpoint(self.checkpoint, arrays, meta)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Read the checkpoint; see `load_checkpoint`."""
        return load_checkpoint(self.checkpoint)

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

    def __enter__(self) -> "RunFolder":
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
        line = shlex.join(["python", *sys.argv]) if command is None else command
        path = self.path / "command.txt"
        earlier = path.read_bytes() if path.exists() else b""
        write_atomically(path, earlier + (" ".join(line.splitlines()) + "\n").encode())


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

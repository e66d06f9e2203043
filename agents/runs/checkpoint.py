"""Checkpoints that survive a kill at any moment and run no code when they are read.

A checkpoint is a folder of two files:

- `arrays-HASH.safetensors`: every tensor (weights, optimiser, generator states);
- `checkpoint.json`: format and version, the library versions that wrote it, the name, size and
  SHA-256 of the arrays file, and `meta`, whatever else the caller wants back.

A save writes the new arrays beside the old ones and then replaces `checkpoint.json` in one rename:
that rename is the save. Before it a reader finds the old checkpoint, after it the new one, and a
damaged copy fails its checksum. One process may write to a folder; any number may read.
"""

import contextlib
import errno
import functools
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from prefrontal.agents.common.errors import CheckpointError, RunFolderError, quoted
from prefrontal.agents.common.files import LISTS, read_json, require_size
from prefrontal.agents.common.memory import require_memory

#: Type and shape of every tensor of a checkpoint by its name.
Shapes = dict[str, tuple[str, tuple[int, ...]]]
Check = Callable[[Shapes, dict[str, Any]], None]

FORMAT = "prefrontal-checkpoint"
VERSION = 1

_HEADER = "checkpoint.json"
_ARRAYS = re.compile(r"arrays-[0-9a-f]{16}\.safetensors")
_TEMPORARY = re.compile(r"\.(arrays|checkpoint).*\.tmp")
_KINDS = {  # first bytes of files that are often mistaken for a checkpoint
    b"PK": "a zip archive (as torch.save and Stable-Baselines3 write)",
    b"\x80": "a pickle",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF": "an HDF5 file",
    b"{": "a file that starts like JSON",
}


def save_checkpoint(folder: Path | str, arrays: Mapping[str, Tensor], meta: dict[str, Any]) -> None:
    """Save tensors and plain values, atomically and durably.

    Args:
        folder: Folder of the checkpoint; created if it does not exist.
        arrays: Tensors of any shape and device; read back on the CPU, bit by bit the same.
        meta: JSON values (dictionaries with text keys, lists, numbers, texts, None).

    Raises:
        CheckpointError: If the disk is full or the folder cannot be written. The checkpoint that
            was there before stays as it was.
        TypeError: If `meta` would not be read back as it is, or an array's type cannot be stored.
    """
    folder = Path(folder)
    _require_json(meta, "meta")
    content = _serialise(arrays)
    digest = hashlib.sha256(content).hexdigest()
    name = f"arrays-{digest[:16]}.safetensors"
    header = {
        "format": FORMAT,
        "version": VERSION,
        "versions": library_versions(),
        "arrays": {"file": name, "bytes": len(content), "sha256": digest},
        "meta": meta,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)
        write_atomically(folder / _HEADER, json.dumps(header, indent=1).encode())
    except OSError as error:
        raise CheckpointError(
            f"cannot write a checkpoint in {folder}: {error.strerror or error}; the last good one "
            "is kept: make room or choose another folder, then resume"
        ) from error
    _remove_leftovers(folder, keep=name)


def load_checkpoint(
    folder: Path | str, check: Check | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, on the CPU, and `meta`. Nothing is ever executed or unpickled.

    Args:
        folder: Folder of the checkpoint.
        check: Called with the shapes of the tensors by name and with `meta`, before any tensor is
            made; raises if they are not what the caller needs.

    Raises:
        CheckpointError: If the checkpoint is missing, truncated, damaged, too large, from another
            program or from another version of the format.
    """
    folder, previous = Path(folder), None
    try:
        while True:
            header = _read_header(folder)
            expected = header["arrays"]
            try:
                return _read_arrays(folder, expected, header["meta"], check), header["meta"]
            except FileNotFoundError as error:
                # A writer that saved in between has removed the old arrays: look again.
                if expected == previous:
                    raise CheckpointError(
                        f"the checkpoint in {folder} is incomplete: {expected['file']} is missing; "
                        "copy the whole folder"
                    ) from error
                previous = expected
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint in {folder}: {error.strerror or error}"
        ) from error


def has_checkpoint(folder: Path | str) -> bool:
    """Return whether a save in the folder was ever completed (it may since have been damaged)."""
    return (Path(folder) / _HEADER).exists()


@functools.cache
def library_versions() -> dict[str, str]:
    """Return the versions of what decides the numbers: Python, libraries and the platform."""
    versions = {"python": platform.python_version()}
    for name in ("torch", "numpy", "gymnasium", "prefrontal"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    versions["platform"] = platform.platform()
    return versions


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old or the new one, never a part.

    Raises:
        OSError: If the disk is full or the folder cannot be written; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", buffering=0) as file:
            write_all(file, content)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def write_all(file: io.FileIO, content: bytes) -> None:
    """Write every byte to an unbuffered file, which may take them in parts."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the file system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path, keep: str) -> None:
    """Remove the arrays of older checkpoints and what killed saves left behind."""
    with contextlib.suppress(OSError):  # the save is complete: an old file does no harm
        for path in folder.iterdir():
            stale = _ARRAYS.fullmatch(path.name) and path.name != keep
            if stale or _TEMPORARY.fullmatch(path.name):
                path.unlink()


def _serialise(arrays: Mapping[str, Tensor]) -> bytes:
    copies = {}
    for name, tensor in arrays.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_complex():
            raise TypeError(f"array {name!r} must be a dense real tensor, got {type(tensor)}")
        # A copy, because safetensors refuses tensors that share memory.
        copies[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return safetensors.torch.save(copies)


def _require_json(value: Any, where: str) -> None:
    """Refuse what JSON would turn into something else (tuples, number keys) or not take."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} must have text keys, got {key!r}")
            _require_json(item, f"{where}.{key}")
    elif isinstance(value, list):
        for item in value:
            _require_json(item, f"{where}[]")
    elif type(value) not in (str, int, float, bool, type(None)):
        raise TypeError(f"{where} must be a JSON value, got {value!r} ({type(value).__name__})")


def _read_header(folder: Path) -> dict[str, Any]:
    """Return `checkpoint.json`, checked field by field."""
    path, foreign = folder / _HEADER, f"{folder / _HEADER} is no checkpoint of prefrontal"
    if folder.is_file():
        raise CheckpointError(
            f"{folder} is {_kind(folder)}, not a checkpoint; give a folder that contains {_HEADER}"
        )
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint in {quoted(folder)}; give a folder that contains {_HEADER}, or train "
            "first"
        )
    require_size(path, LISTS)
    try:
        header = read_json(path, LISTS)
    except RunFolderError as error:
        raise CheckpointError(
            f"{path} is {_kind(path)}, not complete JSON: truncated or written by another program; "
            "restore it from a copy or start a new run"
        ) from error
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{foreign}: its format must be {FORMAT!r}")
    if header.get("version") != VERSION:
        raise CheckpointError(
            f"the checkpoint in {folder} has format version {header.get('version')!r}, and this "
            f"prefrontal reads version {VERSION}; use the prefrontal that wrote it"
        )
    arrays = header.get("arrays")
    if not (
        isinstance(arrays, dict)
        and isinstance(arrays.get("file"), str)
        and _ARRAYS.fullmatch(arrays["file"])  # a bare name: never a path to somewhere else
        and type(arrays.get("bytes")) is int
        and isinstance(arrays.get("sha256"), str)
        and isinstance(header.get("meta"), dict)
    ):
        raise CheckpointError(f"{foreign}: 'arrays' or 'meta' is missing or malformed")
    return header


def _read_arrays(
    folder: Path, expected: dict[str, Any], meta: dict[str, Any], check: Check | None
) -> dict[str, Tensor]:
    """Return the tensors, once size, shapes and checksum of their file are right."""
    path = folder / expected["file"]
    mend = "restore the folder from a copy or start a new run"
    found = path.stat()  # once: a writer may remove the file at any moment
    if found.st_size != expected["bytes"] or not stat.S_ISREG(found.st_mode):
        raise CheckpointError(
            f"{path} is truncated or damaged: {found.st_size} bytes instead of "
            f"{expected['bytes']}; {mend}"
        )
    shapes = _shapes(path, found.st_size)
    if check is not None:
        check(shapes, meta)
    require_memory(2 * found.st_size, str(path), mend)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise CheckpointError(f"{path} is damaged: its SHA-256 does not match {_HEADER}; {mend}")
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no safetensors file: {error!s:.200}; {mend}") from error


def _shapes(path: Path, size: int) -> Shapes:
    """Return type and shape of every tensor, from the head of a safetensors file of that size.

    Sizes that do not add up to that of the file are refused where it is read as a whole.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size, LISTS):
                raise ValueError("its head is too long")
            head = json.loads(file.read(length).decode("utf-8"))
        told = {name: one for name, one in head.items() if name != "__metadata__"}
        return {name: (str(one["dtype"]), tuple(one["shape"])) for name, one in told.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no safetensors file: {error!s:.200}") from error


def _kind(path: Path) -> str:
    """Return what a file that should have been ours looks like."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(16)
        for magic, kind in _KINDS.items():
            if start.startswith(magic):
                return kind
        return "a file of another kind" if start else "an empty file"
    return "a file that cannot be read"

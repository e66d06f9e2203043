"""Compiled code for CPUs: how the C++ sources beside this file become libraries.

A source is compiled once per machine with the system's compiler and kept in the user's cache folder
(``$XDG_CACHE_HOME/prefrontal``, else ``~/.cache/prefrontal``), or in a private folder for temporary
files where that cannot be written. Where there is no compiler, or it fails or hangs, or
``PREFRONTAL_KERNEL=torch`` is set, PyTorch computes the same, several times slower and rounded
differently in the last bits; all but the last give a warning.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from prefrontal.agents.common.errors import PrefrontalError

FLAGS = ("-O3", "-ffp-contract=fast", "-fno-math-errno", "-std=c++17")
#: Flags for the instructions of this CPU; the first that the compiler knows are taken.
NATIVE = (
    ("-march=native", "-mprefer-vector-width=512"),
    ("-march=native",),
    ("-mcpu=native",),  # ARM and POWER
    (),
)
TIMEOUT = 120.0  # seconds that a compiler is given


class KernelError(PrefrontalError):
    """There is no compiler, or it failed."""


@functools.cache
def compiled(
    name: str,
    real: Literal["float", "double"] = "float",
    struct: type[ctypes.Structure] | None = None,
) -> ctypes.CDLL:
    """Return the library of one C++ source beside this file, compiled once per machine.

    Args:
        name: File name without its ending.
        real: Numbers it computes with; a source without `real` ignores this.
        struct: What its functions are given; its size must be what ``struct_size()`` returns.

    Raises:
        KernelError: There is no compiler, it failed or took too long, its library cannot be kept
            or loaded, or the struct has another size.
    """
    folder = Path(__file__).parent
    source, headers = folder / f"{name}.cpp", sorted(folder.glob("*.h"))
    compiler = _compiler()
    key = hashlib.sha256(repr((FLAGS, NATIVE, real, compiler, _machine())).encode())
    for file in (source, *headers):
        key.update(file.read_bytes())
    options = (*FLAGS, f"-DREAL={real}")
    path = _kept(f"{name}-{real}-{key.hexdigest()[:16]}", [*compiler, *options], source)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise KernelError(f"{path} cannot be loaded: {error}") from error
    if struct is not None and library.struct_size() != ctypes.sizeof(struct):
        raise KernelError(
            f"{struct.__name__} has {ctypes.sizeof(struct)} bytes here and {library.struct_size()} "
            f"in {source.name}"
        )
    return library


def _compiler() -> list[str]:
    """Return the compiler's path, and the flags that ``CXX`` gives it."""
    try:
        told = shlex.split(os.environ.get("CXX", ""))
    except ValueError as error:
        raise KernelError(f"CXX cannot be read: {error}") from error
    if told and shutil.which(told[0]) is None:
        raise KernelError(f"there is no C++ compiler {told[0]!r}, which CXX names")
    command = told[0] if told else shutil.which("g++") or shutil.which("clang++")
    if command is None:
        raise KernelError("there is no C++ compiler: install g++, or set CXX")
    return [str(shutil.which(command)), *told[1:]]


def _machine() -> tuple[str, ...]:
    """Return what compiled code is for, as it may use every instruction that there is here."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    # x86 has flags, ARM Features
    known = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.machine(), platform.processor(), *sorted(known.split())


# WHERE LIBRARIES ARE KEPT


def _folders() -> Iterator[Path]:
    """Yield where libraries may be kept; never below the folder that we happen to be in."""
    places = [os.environ.get("XDG_CACHE_HOME", "")]
    with contextlib.suppress(RuntimeError):  # no HOME, and no entry for this user
        places.append(str(Path.home() / ".cache"))
    place = next((each for each in places if os.path.isabs(each)), None)
    if place is not None:
        yield Path(place) / "prefrontal"
    if hasattr(os, "getuid"):
        with contextlib.suppress(OSError):
            private = Path(tempfile.gettempdir()).absolute() / f"prefrontal-{os.getuid()}"
            private.mkdir(mode=0o700, exist_ok=True)
            found = private.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            if ours and not found.st_mode & 0o077:  # nobody else can have put a library there
                yield private


def _kept(stem: str, command: list[str], source: Path) -> Path:
    """Return the library of this name, compiled if it is not there or not whole.

    The name ends with the checksum of what is in the file.
    """
    causes = []
    for folder in _folders():
        for path in sorted(folder.glob(f"{stem}-*.so")):
            if path.name == f"{stem}-{_checksum(path)}.so":
                return path
            with contextlib.suppress(OSError):  # cut short, or changed
                path.unlink()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Moved when whole: several processes may build at once.
            with tempfile.TemporaryDirectory(dir=folder) as build:
                made = Path(build) / "library.so"
                _compile(command, made, source)
                with made.open("rb") as file:
                    os.fsync(file.fileno())
                path = folder / f"{stem}-{_checksum(made)}.so"
                os.replace(made, path)
            return path
        except OSError as error:
            causes.append(f"{folder}: {error.strerror or error}")
    raise KernelError(f"compiled code cannot be kept ({'; '.join(causes) or 'no folder for it'})")


def _checksum(path: Path) -> str:
    """Return the checksum of a file; "" if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except OSError:
        return ""


def _compile(command: list[str], made: Path, source: Path) -> None:
    """Compile one source, for this CPU if the compiler can."""
    said = ""
    for native in NATIVE:
        whole = [*command, *native, "-shared", "-fPIC", "-o", str(made), str(source)]
        with tempfile.TemporaryFile(dir=made.parent) as log:
            # In a session of its own, so that what the compiler started ends with it.
            options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True}
            process = subprocess.Popen(whole, stdout=log, stderr=subprocess.STDOUT, **options)
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                raise KernelError(
                    f"{command[0]} did not compile {source.name} within {TIMEOUT:g} seconds"
                ) from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            log.seek(0)
            said = said or log.read(500).decode(errors="replace").strip()
        if process.returncode == 0 and made.is_file():
            return
    raise KernelError(f"{command[0]} could not compile {source.name}: {said or 'no file was made'}")


@functools.cache
def available(name: str = "lstm") -> bool:
    """Return whether compiled code may be used: it compiles here, and is not forbidden.

    Args:
        name: Which source; the first call compiles it.

    Raises:
        KernelError: ``PREFRONTAL_KERNEL`` has an unknown value.
    """
    choice = os.environ.get("PREFRONTAL_KERNEL", "compiled")
    if choice not in ("compiled", "torch"):
        raise KernelError(f"PREFRONTAL_KERNEL must be compiled or torch, not {choice!r}")
    if choice == "torch":
        return False
    try:
        compiled(name)
    except KernelError as error:
        what = {
            "lstm": "the LSTM runs",
            "replay": "replay runs",
            "learning": "learning runs",
            "stack": "recurrent TD3 runs",
        }.get(name, "lifetimes run")
        warnings.warn(f"{what} in PyTorch, several times slower: {error}", stacklevel=2)
        return False
    return True

"""Compiled code for CPUs: how the C++ sources beside this file become libraries.

A source is compiled once per machine with the system's compiler and kept in the user's cache
folder. Where there is no compiler, or ``PREFRONTAL_KERNEL=torch`` is set, PyTorch computes the
same, several times slower and rounded differently in the last bits; a missing compiler gives a
warning.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Literal

from prefrontal.agents.common.errors import PrefrontalError

FLAGS = (
    "-O3",
    "-march=native",
    "-mprefer-vector-width=512",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-std=c++17",
)


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
        KernelError: There is no compiler, it failed, or the struct has another size.
    """
    folder = Path(__file__).parent
    source, headers = folder / f"{name}.cpp", sorted(folder.glob("*.h"))
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise KernelError("there is no C++ compiler: install g++, or set CXX")
    options = (*FLAGS, f"-DREAL={real}")
    key = hashlib.sha256(repr((options, compiler, _machine())).encode())
    for file in (source, *headers):
        key.update(file.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prefrontal"
    path = cache / f"{name}-{real}-{key.hexdigest()[:16]}.so"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Moved when whole: several processes may build at once.
        with tempfile.TemporaryDirectory(dir=cache) as build:
            made = Path(build) / path.name
            command = [compiler, *options, "-shared", "-fPIC", "-o", str(made), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                message = done.stderr.strip()[:500]
                raise KernelError(f"{compiler} could not compile {source.name}: {message}")
            os.replace(made, path)
    library = ctypes.CDLL(str(path))
    if struct is not None and library.struct_size() != ctypes.sizeof(struct):
        raise KernelError(
            f"{struct.__name__} has {ctypes.sizeof(struct)} bytes here and {library.struct_size()} "
            f"in {source.name}"
        )
    return library


def _machine() -> tuple[str, ...]:
    """Return what compiled code is for, as it may use every instruction that there is here."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return platform.machine(), platform.processor(), flags


@functools.cache
def available() -> bool:
    """Return whether compiled code may be used.

    It compiles here, and ``PREFRONTAL_KERNEL`` does not forbid it.

    Raises:
        KernelError: ``PREFRONTAL_KERNEL`` has an unknown value.
    """
    choice = os.environ.get("PREFRONTAL_KERNEL", "compiled")
    if choice not in ("compiled", "torch"):
        raise KernelError(f"PREFRONTAL_KERNEL must be compiled or torch, not {choice!r}")
    if choice == "torch":
        return False
    try:
        compiled("lstm")
    except (KernelError, OSError) as error:
        warnings.warn(f"the LSTM runs in PyTorch, several times slower: {error}", stacklevel=2)
        return False
    return True

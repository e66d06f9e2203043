"""Compiled code for CPUs: how the C++ sources beside this file become libraries.

The C++ source beside this file is compiled once per machine with the system's compiler and kept in the user's cache folder.
Where there is no compiler, or ``PREFRONTAL_KERNEL=torch`` is set, networks compute the same with PyTorch, about three times
slower and rounded differently in the last bits; the first is said in a warning.
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

from prefrontal.agents.common.errors import PrefrontalError

__all__ = ["KernelError", "available", "compiled"]

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
def compiled(name: str) -> ctypes.CDLL:
    """The library of one C++ source beside this file, compiled if this machine has not done so yet.

    Args:
        name: File name without its ending.

    Raises:
        KernelError: If there is no compiler, or it failed.
    """
    source = Path(__file__).with_name(f"{name}.cpp")
    header = source.with_name("vectors.h")
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise KernelError("there is no C++ compiler: install g++, or set CXX")
    cpuinfo = Path("/proc/cpuinfo")
    flags = (
        next((x for x in cpuinfo.read_text().splitlines() if x.startswith("flags")), "")
        if cpuinfo.exists()
        else ""
    )
    key = hashlib.sha256(
        source.read_bytes()
        + header.read_bytes()
        + repr((FLAGS, compiler, platform.machine(), platform.processor(), flags)).encode()
    ).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prefrontal"
    path = folder / f"{name.split('_')[0]}-{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder
        ) as build:  # moved when whole: several processes may build at once
            made = Path(build) / "made.so"
            command = [compiler, *FLAGS, "-shared", "-fPIC", "-o", str(made), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise KernelError(
                    f"{compiler} could not compile {source.name}: {done.stderr.strip()[:500]}"
                )
            os.replace(made, path)
    return ctypes.CDLL(str(path))


@functools.cache
def available() -> bool:
    """Whether networks may use the compiled LSTM: it compiles here, and ``PREFRONTAL_KERNEL`` does not forbid it."""
    choice = os.environ.get("PREFRONTAL_KERNEL", "compiled")
    if choice not in ("compiled", "torch"):
        raise KernelError(f"PREFRONTAL_KERNEL must be compiled or torch, not {choice!r}")
    if choice == "torch":
        return False
    try:
        compiled("lstm")
    except (KernelError, OSError) as error:
        warnings.warn(f"the LSTM runs in PyTorch, about three times slower: {error}", stacklevel=2)
        return False
    return True

"""A compiled LSTM for CPUs: the same step and back-propagation through time as `prefrontal.agents.networks.cores.LSTM`, in one pass over the cache.

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
from typing import Any, Literal

import torch
from torch import Tensor

from prefrontal.agents.common.errors import PrefrontalError

__all__ = ["CompiledTape", "KernelError", "available", "compiled", "library"]

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


class _Tape(ctypes.Structure):
    _fields_ = (
        [(name, ctypes.c_int32) for name in "TPBIHO"]
        + [
            (name, ctypes.c_void_p)
            for name in ("weight", "head", "z", "gates", "cell", "squashed", "heads", "scratch")
        ]
        + [
            (f"{name}_block", ctypes.c_int64)
            for name in ("z", "gates", "cell", "squashed", "heads")
        ]
    )


@functools.cache
def compiled(name: str, real: Literal["float", "double"] = "float") -> ctypes.CDLL:
    """Return the library of one C++ source beside this file, compiled once per machine.

    Args:
        name: File name without its ending.
        real: Numbers it computes with; a source without `real` ignores this.

    Raises:
        KernelError: If there is no compiler, or it failed.
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
    return ctypes.CDLL(str(path))


def _machine() -> tuple[str, ...]:
    """Return what compiled code is for, as it may use every instruction that there is here."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return platform.machine(), platform.processor(), flags


def check_size(structure: type[ctypes.Structure], size: int) -> None:
    """Hold a structure against the size that the compiled code says its own has.

    Raises:
        KernelError: If they differ.
    """
    if ctypes.sizeof(structure) != size:
        raise KernelError(
            f"{structure.__name__} has {ctypes.sizeof(structure)} bytes, in compiled code {size}"
        )


@functools.cache
def library(real: Literal["float", "double"] = "float") -> Any:
    """Return the compiled LSTM.

    Args:
        real: Numbers it computes with: of torch.float32 or torch.float64.

    Raises:
        KernelError: If there is no compiler, or it failed.
    """
    lib = compiled("lstm", real)
    number, pointer = ctypes.c_int, ctypes.c_void_p
    check_size(_Tape, lib.lstm_tape_size())
    lib.lstm_scratch.restype = lib.packed_scratch.restype = ctypes.c_long
    lib.lstm_scratch.argtypes = [pointer]
    lib.lstm_forward.argtypes = [pointer, number]
    lib.lstm_choose.argtypes = [pointer, number, number, pointer, ctypes.c_long, pointer]
    lib.lstm_backward.argtypes = [pointer] * 7
    lib.packed_scratch.argtypes = [number] * 2
    lib.packed_forward.argtypes = [number] * 3 + [pointer] * 9
    lib.packed_backward.argtypes = [number] * 3 + [pointer] * 9
    return lib


@functools.cache
def available() -> bool:
    """Whether networks may use the compiled LSTM: it compiles here, and ``PREFRONTAL_KERNEL`` does not forbid it."""
    choice = os.environ.get("PREFRONTAL_KERNEL", "compiled")
    if choice not in ("compiled", "torch"):
        raise KernelError(f"PREFRONTAL_KERNEL must be compiled or torch, not {choice!r}")
    if choice == "torch":
        return False
    try:
        library()
    except (KernelError, OSError) as error:
        warnings.warn(f"the LSTM runs in PyTorch, about three times slower: {error}", stacklevel=2)
        return False
    return True


class CompiledTape:
    """The addresses of one tape and of the parameters that go with it."""

    def __init__(self, tape: Any, weight: Tensor, head: Tensor) -> None:
        self.lib = library()
        members = weight.shape[0]
        outputs, hidden = head.shape[1], head.shape[2] - 1
        tensors = (
            weight,
            head,
            tape.z,
            tape.gates,
            tape.extra["cell"],
            tape.extra["squashed"],
            tape.extra["heads"],
        )
        assert all(
            (not t.numel() or t[0, 0].is_contiguous())
            and t.dtype == torch.float32
            and t.device.type == "cpu"
            for t in tensors
        )
        self.keep = tensors
        inputs = tape.z.shape[2] - hidden - 1
        self.struct = _Tape(
            tape.used,
            members,
            tape.batch,
            inputs,
            hidden,
            outputs,
            *(t.data_ptr() for t in tensors),
            0,
            *(t.stride(0) // members for t in tensors[2:]),
        )
        self.address = ctypes.addressof(self.struct)
        self.forward = functools.partial(self.lib.lstm_forward, self.address)
        self.scratch = torch.empty(self.lib.lstm_scratch(self.address) + 16)
        self.struct.scratch = -(-self.scratch.data_ptr() // 64) * 64

    def choose(self, t: int, choices: int, noise: Tensor, actions: Tensor) -> None:
        """Writes ``argmax(read-outs + noise)`` over the first `choices` read-outs of step `t`.

        Args:
            t: Which step.
            choices: Actions K.
            noise: ``[P, K, B]``, contiguous within a member.
            actions: ``[P, B]`` of int64, overwritten.
        """
        self.lib.lstm_choose(
            self.address, t, choices, noise.data_ptr(), noise.stride(0), actions.data_ptr()
        )

    def backward(
        self, used: int, d_heads: Tensor, d_hidden: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of weight ``[P, 4H, F]``, read-out ``[P, O, H + 1]`` and initial state ``[P, 2, H]``.

        Args:
            used: Steps of the recording.
            d_heads: Gradient of the linear read-outs, ``[T, P, O, B]``.
            d_hidden: Gradient of the hidden states through other read-outs, ``[T, P, H, B]``.
        """
        self.struct.T = used
        d_heads = d_heads.contiguous()
        d_hidden = None if d_hidden is None else d_hidden.contiguous()
        weight, head = self.keep[:2]
        d_weight, d_head = torch.empty_like(weight), torch.empty_like(head)
        d_state = torch.empty(weight.shape[0], 2, head.shape[2] - 1)
        self.lib.lstm_backward(
            self.address,
            d_heads.data_ptr(),
            None if d_hidden is None else d_hidden.data_ptr(),
            d_weight.data_ptr(),
            d_head.data_ptr(),
            d_state.data_ptr(),
            self.struct.scratch,
        )
        return d_weight, d_head, d_state

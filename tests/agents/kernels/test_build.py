"""Compiled code is an accelerator: without a compiler everything works, and says so."""

import ctypes
import subprocess
import sys

import pytest

from prefrontal.agents.kernels import build


def test_without_a_compiler_says_so_and_goes_on(tmp_path: object) -> None:
    script = (
        "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    from prefrontal.agents.kernels import build\n    print(build.available())\n"
        "print(*[str(w.message) for w in seen if 'LSTM' in str(w.message)])"
    )
    environment = {
        "PATH": "",
        "CXX": "",
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(
        "False\nthe LSTM runs in PyTorch, several times slower: there is no C++ compiler"
    )
    environment["PREFRONTAL_KERNEL"] = "torch"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n\n"


@pytest.mark.skipif(not build.available(), reason="there is no C++ compiler here")
def test_a_struct_must_have_the_size_of_that_in_compiled_code() -> None:
    class Short(ctypes.Structure):
        _fields_ = (("T", ctypes.c_int32),)

    for name in ("lstm", "lifetime"):
        with pytest.raises(build.KernelError, match=f"Short has 4 bytes here and .* in {name}.cpp"):
            build.compiled(name, struct=Short)

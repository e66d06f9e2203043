"""Compiled code is an accelerator: without a compiler everything works, and says so."""

import subprocess
import sys


def test_without_a_compiler_says_so_and_goes_on(tmp_path: object) -> None:
    script = (
        "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n    from prefrontal.agents.kernels import build as kernel\n    print(kernel.available())\n"
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
        "False\nthe LSTM runs in PyTorch, about three times slower: there is no C++ compiler"
    )
    environment["PREFRONTAL_KERNEL"] = "torch"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n\n"

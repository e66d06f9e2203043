"""Kernels with fewer instructions than this processor has: they pass the same tests."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from prefrontal.agents.kernels.build import available

X86 = platform.machine() in ("x86_64", "AMD64")
ROOT = Path(__file__).parents[3]
TESTS = ("tests/agents/networks/test_compiled.py", "tests/agents/kernels/test_learning.py")


@pytest.mark.slow
@pytest.mark.skipif(not (X86 and available()), reason="there is no C++ compiler here, or no x86")
@pytest.mark.parametrize("without", ["avx512f", "avx"])
def test_kernels_with_fewer_instructions(without):
    asked = ["g++", f"-mno-{without}", "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    known = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert f"__{without.upper()}__" not in known
    told = os.environ | {"CXX": f"g++ -mno-{without}", "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(run, env=told, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "skipped" not in done.stdout.splitlines()[-1]

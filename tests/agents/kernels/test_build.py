"""Compiled code is an accelerator: without a compiler everything works, and says so."""

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

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


# WHERE LIBRARIES ARE KEPT, AND HOW THEY GET THERE

needs_compiler = pytest.mark.skipif(not build.available(), reason="there is no C++ compiler here")
make = build.compiled.__wrapped__


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A fresh cache, and a folder for temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "tmp")
    return tmp_path / "cache" / "prefrontal"


def compiler(folder: Path, script: str) -> str:
    """Write a program that stands in for a compiler; return its path."""
    path = folder / "compiler.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def libraries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.so"))


@needs_compiler
@pytest.mark.parametrize("said", ["", "cache", "./cache"])
def test_a_cache_that_is_no_absolute_path_is_none(said, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", said)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make("replay")
    assert len(libraries(tmp_path / "home" / ".cache" / "prefrontal")) == 1
    assert not os.listdir()


@needs_compiler
def test_without_a_home_libraries_lie_in_a_private_folder(cache, monkeypatch, tmp_path):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nobody)
    make("replay")
    (library,) = libraries(tmp_path)
    assert library.parent == tmp_path / "tmp" / f"prefrontal-{os.getuid()}"
    assert library.parent.stat().st_mode & 0o777 == 0o700
    library.parent.chmod(0o777)  # others may have put something there
    with pytest.raises(build.KernelError, match="cannot be kept"):
        make("replay")
    library.unlink()
    library.parent.rmdir()
    library.parent.symlink_to(tmp_path)
    with pytest.raises(build.KernelError, match="cannot be kept"):
        make("replay")


@needs_compiler
def test_a_cache_that_cannot_be_written_is_left_alone(cache, tmp_path):
    cache.parent.write_text("a file")  # for root too, nothing can be made below it
    make("replay")
    assert [path.parent.parent.name for path in libraries(tmp_path)] == ["tmp"]


@needs_compiler
@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_library_is_made_anew(damage, cache):
    make("replay")
    (library,) = libraries(cache)
    whole = library.read_bytes()
    broken = {"cut": whole[: len(whole) // 2], "empty": b"", "changed": b"x" + whole[1:]}[damage]
    library.unlink()  # this process has it mapped
    library.write_bytes(broken)
    make("replay")
    (library,) = libraries(cache)
    assert library.stem.endswith(hashlib.sha256(library.read_bytes()).hexdigest()[:32])


@needs_compiler
def test_what_is_kept_is_not_compiled_again(cache, monkeypatch):
    make("replay")
    monkeypatch.setattr(build, "_compile", None)
    monkeypatch.setattr(Path, "mkdir", None)  # a cache that can only be read will do
    make("replay")


@needs_compiler
def test_libraries_of_other_processors_are_others(cache, monkeypatch):
    make("replay")
    monkeypatch.setattr(build, "_machine", lambda: ("x86_64", "", "sse2"))
    make("replay")
    assert len(libraries(cache)) == 2


@needs_compiler
def test_several_may_build_at_once(cache):
    errors = []

    def one():
        try:
            make("replay")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(libraries(cache)) == 1
    assert len(os.listdir(cache)) == 1  # nothing half done is left


@needs_compiler
def test_the_compiler_may_have_flags(cache, monkeypatch):
    monkeypatch.setenv("CXX", "g++ -O2 -DNAME='a b'")
    make("replay")
    assert libraries(cache)


@needs_compiler
@pytest.mark.parametrize("refused", ["-march=native", "-mprefer-vector-width=512"])
def test_a_compiler_need_not_know_this_processor(refused, cache, tmp_path, monkeypatch):
    script = f'case "$*" in *{refused}*) echo "unknown {refused}" >&2; exit 1;; esac\nexec g++ "$@"'
    monkeypatch.setenv("CXX", compiler(tmp_path, script.replace("-mcpu=native", "")))
    make("replay")
    assert libraries(cache)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo broken >&2; exit 1", "could not compile replay.cpp: broken"),
        ("exit 0", "could not compile replay.cpp: no file was made"),
        ("sleep 60", "did not compile replay.cpp within 0.5 seconds"),
        ('while [ "$1" != -o ]; do shift; done; echo x > "$2"', "cannot be loaded"),
        (None, "there is no C.. compiler 'nowhere-g..', which CXX names"),
    ],
)
def test_a_compiler_that_fails_is_one_line(script, message, cache, tmp_path, monkeypatch):
    told = "nowhere-g++ -O2" if script is None else compiler(tmp_path, script)
    monkeypatch.setenv("CXX", told)
    monkeypatch.delenv("PREFRONTAL_KERNEL", raising=False)
    monkeypatch.setattr(build, "TIMEOUT", 0.5)
    begun = time.monotonic()
    with pytest.warns(UserWarning, match=f"replay runs in PyTorch.*{message}") as seen:
        assert build.available.__wrapped__("replay") is False
    assert time.monotonic() - begun < 5
    assert len(seen) == 1
    assert "\n" not in str(seen[0].message)

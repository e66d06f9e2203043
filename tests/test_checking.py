"""Values against types: what is accepted, what is converted, and what the message says."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrontal.checking import build, checked, did_you_mean


class Own:
    pass


@pytest.mark.parametrize(
    ("hint", "right", "wrong", "message"),
    [
        (int | None, (3, None, np.int64(3)), "3", "x must be an integer, got '3' (str)"),
        (int | str, (3, "a"), 0.5, "x must be an integer or a string, got 0.5 (float)"),
        (tuple[int, str], ((1, "a"),), (1, 2), "x[1] must be a string, got 2 (int)"),
        (tuple[int, str], ((1, "a"),), (1,), "x must be a list of 2: an integer, a string, got"),
        (tuple[()], ((),), (1,), "x must be a list of 0"),
        (tuple[float, ...], ((), (0.5, 1.0)), 0.5, "x must be a list, each item a number, got 0.5"),
        (float, (1, 0.5, np.float32(1)), True, "x must be a number, got True (bool)"),
        (bool, (True, np.bool_(False)), 1, "x must be true or false, got 1 (int)"),
        (Own, (), 3, "x must be a Own, got 3 (int)"),
        (complex, (1j,), 3, "x must be a complex, got 3 (int)"),
        (Any, (3, Own), None, ""),
        (Callable[[int], int], (3, abs), None, ""),
    ],
)
def test_values_of_the_type_pass_and_others_are_named(hint, right, wrong, message):
    for value in right:
        assert checked(value, hint, "x") == value
    if message:
        with pytest.raises(ValueError, match="^" + re.escape(message)):
            checked(wrong, hint, "x")


def test_few_things_are_converted():
    for value, hint, expected in [
        (1, float, 1.0),
        (np.int64(2), int, 2),
        (np.float32(0.5), float, 0.5),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ("a/b", Path, Path("a/b")),
        ("none", int | None, None),
        ("none", str | None, "none"),
    ]:
        got = checked(value, hint, "x")
        assert got == expected
        assert type(got) is type(expected)
    assert [type(item) for item in checked([1, 2], tuple[float, ...], "x")] == [float, float]


def test_only_dataclasses_are_built():
    with pytest.raises(TypeError, match="dataclass"):
        build(dict, {})


def test_did_you_mean() -> None:
    assert did_you_mean("TwoArmedBandi", ["Harlow", "TwoArmedBandit"]) == (
        "; did you mean 'TwoArmedBandit'?"
    )
    assert did_you_mean("LSTM", ["gru", "lstm"]) == "; did you mean 'lstm'?"
    assert did_you_mean("xyz", ["gru", "lstm"]) == "; allowed: 'gru', 'lstm'"
    assert did_you_mean("xyz", []) == ""


def test_checking_needs_neither_torch_nor_numpy():
    code = "import sys, prefrontal.checking; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

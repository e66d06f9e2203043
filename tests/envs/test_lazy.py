"""What a task is can be read without PyTorch; what it does imports it once."""

import subprocess
import sys

import pytest
import torch

from prefrontal.envs.lazy import LazyModule


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_tasks_are_read_without_pytorch():
    code = """
import dataclasses, sys, typing
from prefrontal import envs
assert "prefrontal.envs.bandits" not in sys.modules
for name in envs.TASKS:
    task = envs.task_class(name)
    hints = typing.get_type_hints(task)
    for field in dataclasses.fields(task):
        assert field.name in hints and field.metadata["help"].endswith("."), (name, field)
    task()
    assert task.__doc__.count("## ") >= 12
print(sorted({"torch", "stable_baselines3", "matplotlib"} & set(sys.modules)))
"""
    assert run(code).strip() == "[]"


def test_first_use_imports_the_module_and_keeps_what_was_read():
    lazy = LazyModule("torch")
    assert lazy.ones is torch.ones
    assert lazy.__dict__["ones"] is torch.ones
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lazy.nothing  # noqa: B018

"""What `train.py EXPERIMENT --help` says of a task comes from its docstring, and is true."""

import dataclasses
import inspect
import re
import typing
from ast import literal_eval

import pytest

from prefrontal.envs import TASKS, task_class
from prefrontal.experiments.options import task_options


@pytest.mark.parametrize("name", TASKS)
def test_every_argument_of_a_task_is_explained(name):
    options = task_options(task_class(name))
    hints = typing.get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        text = hints[field.name].__metadata__[0].help
        assert text.endswith("."), (field.name, text)
        assert "=" not in text, (field.name, text)


@pytest.mark.parametrize("name", TASKS)
def test_defaults_are_as_documented(name):
    task = task_class(name)
    arguments = inspect.getdoc(task).split("## Arguments")[1].split("\n\n")[0]
    said = dict(re.findall(r"`(\w+)=([^`]*)`:", arguments))
    assert {name: literal_eval(text) for name, text in said.items()} == {
        field.name: field.default for field in dataclasses.fields(task)
    }

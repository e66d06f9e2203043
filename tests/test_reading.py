"""The command line's options: what `prefrontal train EXPERIMENT --help` says of a task is true."""

import dataclasses
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.checking import check, option
from prefrontal.envs import TASKS
from prefrontal.experiments.settings import Settings, task_options
from prefrontal.options import RunOptions
from prefrontal.reading import parse, parse_known, parse_settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", TASKS)
def test_every_argument_of_a_task_is_explained(name):
    for one in dataclasses.fields(task_options(f"prefrontal/{name}-v0")):
        text = one.metadata["help"]
        assert text.endswith("."), (one.name, text)


@pytest.mark.parametrize("name", TASKS)
def test_no_field_of_a_task_has_the_name_of_another_option(name):
    """On the command line all options are flat; argparse refuses two of one name."""
    settings = Settings(EnvironmentSpec(f"prefrontal/{name}-v0"))
    assert parse_settings(settings, RunOptions(), [], "test", "").network == settings.network


@dataclass(frozen=True)
class Group:
    size: int = option(3, "Size.", least=1, name="group_size")

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Example:
    path: Path = option(dataclasses.MISSING, "A path.")
    rate: float | None = option(None, "A rate of 5 %.")
    kind: Literal["a", "b"] = option("a", "A kind.")
    pair: tuple[float, float] = option((1.0, 2.0), "Two numbers.")
    names: tuple[str, ...] = option((), "Names.")
    on: bool = option(True, "Whether it is on.")
    count: int = option(1, "A number of things.")
    most: int | None = option(None, "The most of them.")

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Nested:
    rate: float = option(0.5, "A rate.", above=0)
    group: Group = option(Group(), "A group.")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--rate", "-1e-3"], "rate", -1e-3),
        (["--rate=-.5"], "rate", -0.5),
        (["--rate", "none"], "rate", None),
        (["--kind", "b"], "kind", "b"),
        (["--pair", "3", "-4"], "pair", (3.0, -4.0)),
        (["--names", "x", "y"], "names", ("x", "y")),
        (["--names"], "names", ()),
        (["--no-on"], "on", False),
    ],
)
def test_words_become_values(words, name, value):
    assert getattr(parse(Example, ["x", *words], "test"), name) == value


def test_groups_keep_flat_names_and_are_checked():
    assert parse_known(Nested, ["--group_size", "7"], "test")[0].group == Group(7)
    assert parse_known(Nested, [], "test")[0] == Nested()
    with pytest.raises(ConfigError, match="group_size must be at least 1, not 0"):
        parse_known(Nested, ["--group-size", "0"], "test")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: PATH; see test --help"),
        (["x", "--rate", "fast"], "--rate must be a number, not 'fast'; see test"),
        (["x", "--rate", "0,001"], "not '0,001' (a decimal point, not a comma); see test"),
        (["x", "--pair", "1", "b"], "--pair must be numbers, not '1', 'b'; see test"),
        (["x", "--count", "1e3"], "--count must be a whole number, not '1e3'; see test"),
        (["x", "--most", "2,5"], "--most must be a whole number, not '2,5'; see test"),
        (["x", "--rate", "inf"], "rate must be a finite number, not inf"),
        (["x", "--kind", "c"], "--kind must be one of a, b, not 'c'"),
        (["x", "--pair", "3"], "--pair: expected 2 arguments"),
        (["x", "--rat", "1"], "unrecognised --rat; did you mean --rate?"),
        (["x", "y"], "unrecognised y"),
    ],
)
def test_refusals_are_one_line(words, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(Example, words, "test")


def test_known_options_are_taken_out_of_the_words():
    words = ["name", "--members", "2", "--seed", "4", "--help", "--condition", "a", "b"]
    options, rest = parse_known(RunOptions, words, "test")
    assert (options.seed, options.condition) == (4, ("a", "b"))
    assert rest == ["name", "--members", "2", "--help"]


@pytest.mark.parametrize(
    "code",
    [
        "import prefrontal",
        "from prefrontal import command; command.main(['list'])",
        "from prefrontal import command; command.train(['zhang2024-modularity', '--help'])",
        "from prefrontal import command; command.evaluate(['--help'])",
    ],
)
def test_answers_without_heavy_libraries(code):
    heavy = "{'torch', 'stable_baselines3', 'scipy', 'matplotlib', 'tensorboard'}"
    after = f"import sys, atexit; atexit.register(lambda: print({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{after}\n{code}"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_core_that_is_none_is_not_a_core_that_is_not_named():
    assert parse(RunOptions, ["--core", "none"], "test").core == "none"
    assert parse(RunOptions, [], "test").core is None

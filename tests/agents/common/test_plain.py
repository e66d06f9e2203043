"""Dataclasses to plain values and back; every mistake is named."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import tomli_w

from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.agents.common.plain import from_plain, to_plain

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


@dataclass(frozen=True)
class Learner:
    learning_rate: float = 7e-4
    core: Literal["lstm", "gru"] = "lstm"
    clip: float | None = 0.5
    order: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True)
class Config:
    seed: int
    name: str = "run"
    learner: Learner = field(default_factory=Learner)
    inputs: tuple[str, ...] = ("action", "reward")
    span: tuple[float, int] = (0.0, 1)
    anneal: int | None = None
    note: str | None = None
    out: Path = Path("runs")
    width: int | str = 48
    quiet: bool = False
    env: dict[str, float] = field(default_factory=dict)
    extra: Any = None


def through_toml(config: Config) -> Config:
    return from_plain(Config, tomllib.loads(tomli_w.dumps(to_plain(config))))


@pytest.mark.parametrize(
    "config",
    [
        Config(3),
        Config(
            seed=2**40,
            name='quote " and ünïcode',
            learner=Learner(1e-300, "gru", None, 2),
            inputs=(),
            span=(-0.5, 7),
            anneal=9,
            note="none",
            out=Path("a/b"),
            width="wide",
            quiet=True,
            env={"gain": 0.1, "friction": 1e22},
            extra=[1, {"a": "b"}],
        ),
    ],
)
def test_round_trip_through_toml(config: Config) -> None:
    assert through_toml(config) == config
    assert list(to_plain(config))[:3] == ["seed", "name", "learner"]


def test_to_plain_gives_plain_values() -> None:
    plain = to_plain(Config(1, inputs=("a",), span=(np.float64(0.1), 2)))
    assert plain["inputs"] == ["a"]
    assert type(plain["span"][0]) is float
    assert plain["out"] == "runs"
    assert "anneal" not in plain  # None is the default and therefore omitted ...
    assert to_plain(Learner(clip=None))["clip"] == "none"  # ... and written where it is not


def test_none_that_a_text_could_be_is_refused() -> None:
    @dataclass(frozen=True)
    class Ambiguous:
        path: str | None = "x"

    # Annotations of a local class resolve because they name only builtins.
    with pytest.raises(TypeError, match="make None its default"):
        to_plain(Ambiguous(None))
    assert to_plain(Ambiguous("y")) == {"path": "y"}


@pytest.mark.parametrize("bad", [{"a": 1}, Config, 3])
def test_to_plain_takes_instances_only(bad: object) -> None:
    with pytest.raises(TypeError, match="takes a dataclass instance"):
        to_plain(bad)


def test_to_plain_names_a_value_without_plain_form() -> None:
    with pytest.raises(TypeError, match="extra has no plain form"):
        to_plain(Config(1, extra=object()))


def test_integers_become_floats_and_nothing_else_is_converted() -> None:
    config = from_plain(Config, {"seed": 1, "learner": {"learning_rate": 1}, "span": [2, 3]})
    assert type(config.learner.learning_rate) is float
    assert type(config.span[0]) is float
    assert type(config.width) is int
    assert math.isnan(from_plain(Learner, {"learning_rate": math.nan}).learning_rate)
    assert from_plain(Learner, {"clip": "none"}).clip is None
    assert dataclasses.replace(config, seed=2).seed == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "missing key 'seed' of Config; it must be an integer"),
        ({"seed": 1, "sead": 2}, "unknown key 'sead' of Config; did you mean 'seed'?"),
        (
            {"seed": 1, "learner": {"learnin_rate": 1.0}},
            "unknown key 'learnin_rate' in [learner]; did you mean 'learning_rate'?",
        ),
        (
            {"seed": 1, "learner": {"zzz": 1.0}},
            "unknown key 'zzz' in [learner]; allowed: 'learning_rate', 'core', 'clip', 'order'",
        ),
        ({"seed": "1"}, "seed must be an integer, got '1' (str)"),
        ({"seed": 1.0}, "seed must be an integer, got 1.0 (float)"),
        ({"seed": True}, "seed must be an integer, got True (bool)"),
        ({"seed": 1, "quiet": 1}, "quiet must be true or false, got 1 (int)"),
        ({"seed": 1, "name": 1}, "name must be a string, got 1 (int)"),
        (
            {"seed": 1, "learner": {"learning_rate": True}},
            "learner.learning_rate must be a number, got True (bool)",
        ),
        (
            {"seed": 1, "learner": {"core": "lstmm"}},
            "learner.core must be one of 'lstm', 'gru', got 'lstmm'",
        ),
        ({"seed": 1, "learner": {"order": True}}, "learner.order must be one of 1, 2, got True"),
        ({"seed": 1, "learner": {"clip": "x"}}, "learner.clip must be a number, got 'x' (str)"),
        ({"seed": 1, "learner": 3}, "learner must be a table, got 3 (int)"),
        ({"seed": 1, "inputs": "action"}, "inputs must be a list, each item a string"),
        ({"seed": 1, "inputs": ["a", 2]}, "inputs[1] must be a string, got 2 (int)"),
        ({"seed": 1, "span": [1.0]}, "span must be a list of 2: a number, an integer, got [1.0]"),
        ({"seed": 1, "width": 1.5}, "width must be an integer or a string, got 1.5 (float)"),
        ({"seed": 1, "env": {"gain": "x"}}, "env.gain must be a number, got 'x' (str)"),
        ({"seed": 1, "env": [1]}, "env must be a table, got [1] (list)"),
        ({"seed": 1, "out": 1}, "out must be a path, got 1 (int)"),
        (
            {"seed": 1, "learner": {"learning_rate": -1}},
            "[learner] learning_rate must be positive, got -1.0",
        ),
    ],
)
def test_mistakes_are_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_plain(Config, data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_are_one_line_and_end_with_two() -> None:
    error = ConfigError("a\nb")
    assert str(error) == "a b"
    assert isinstance(error, PrefrontalError)
    assert isinstance(error, ValueError)
    assert error.exit_code == 2


@dataclass(frozen=True)
class _First:
    kind: ClassVar[str] = "first"
    size: int = 1


@dataclass(frozen=True)
class _Second:
    kind: ClassVar[str] = "second"
    rate: float = 0.5


@dataclass(frozen=True)
class _Either:
    rule: _First | _Second = field(default_factory=_First)


def test_one_of_several_dataclasses_is_told_by_its_kind():
    assert to_plain(_Either()) == {"rule": {"size": 1}}
    assert to_plain(_Either(_Second(0.1))) == {"rule": {"kind": "second", "rate": 0.1}}
    for either in (_Either(), _Either(_Second(0.1))):
        assert from_plain(_Either, to_plain(either)) == either
    assert from_plain(_Either, {"rule": {"kind": "first", "size": 3}}) == _Either(_First(3))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "third"}, "rule.kind must be one of first, second, got 'third'"),
        ({"rate": 0.1}, "unknown key 'rate' in [rule]"),
        ({"kind": "second", "size": 1}, "unknown key 'size' in [rule]"),
    ],
)
def test_a_wrong_kind_is_refused(rule, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        from_plain(_Either, {"rule": rule})

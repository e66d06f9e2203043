"""Options of configurations: ranges, choices, and flat keys of earlier files."""

from dataclasses import dataclass
from typing import Literal

import pytest

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.checking import check, grouped, option


@dataclass(frozen=True)
class Part:
    keep: Literal["none", "all"] = option("none", "What is kept.", name="part")
    size: int = option(3, "Size of what is kept.", least=1, name="part_size")
    share: tuple[float, ...] = option((0.5,), "Shares.", least=0, below=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Whole:
    rate: float | None = option(None, "Rate.", above=0)
    coef: float = option(1.0, "Weight.", least=0, most=2)
    part: Part = Part()

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Whole(rate=0.0), "rate must be positive, not 0.0"),
        (lambda: Whole(rate=float("nan")), "rate must be a finite number, not nan"),
        (lambda: Whole(coef=2.5), "coef must be between 0 and 2, not 2.5"),
        (lambda: Part(size=0), "part_size must be at least 1, not 0"),
        (lambda: Part(share=(0.2, 1.0)), r"share must be at least 0 and below 1, not \(0.2, 1.0\)"),
        (lambda: Part(keep="some"), "part must be one of 'none', 'all', not 'some'"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


def test_what_is_in_range_passes():
    assert Whole(rate=1e-9, coef=2, part=Part("all", 1, (0.0, 0.99))).rate == 1e-9


@pytest.mark.parametrize(
    "data",
    [
        {"coef": 0.5, "part": "all", "part_size": 7},
        {"coef": 0.5, "part": {"keep": "all", "size": 7}},
        {"coef": 0.5, "part": {"keep": "all"}, "part_size": 7},
    ],
)
def test_flat_and_grouped_keys_are_read_alike(data):
    before = dict(data)
    read = from_plain(Whole, data)
    assert read == Whole(coef=0.5, part=Part("all", 7))
    assert data == before  # what was given is not changed
    assert from_plain(Whole, to_plain(read)) == read


def test_an_unknown_flat_key_is_refused():
    assert grouped(Whole, {"size": 7}) == {"size": 7}  # no flat name: left to be refused
    with pytest.raises(ConfigError, match="unknown key 'size'"):
        from_plain(Whole, {"size": 7})

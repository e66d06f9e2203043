"""What a study searches: ranges and lists of values by the name of a setting."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.experiments.settings import Settings
from prefrontal.study_log import written
from prefrontal.sweeping import read_sweep

#: Settings that are searched by default, by the kind of the learner: a fifth to five times theirs.
SCALED: dict[str, tuple[str, ...]] = {
    "a2c": ("learning_rate", "entropy_coef"),
    "q": ("learning_rate",),
    "td3": ("learning_rate", "target_rate"),
    "evolution": ("learning_rate", "weight_scale"),
    "decision-pretrained": ("learning_rate",),
    "hebbian": ("learning_rate", "amplitude"),
    "meta-gradient": ("learning_rate",),
}
FACTOR = 5.0
UNITS = "hidden_size"  # half to twice the present number


@dataclass(frozen=True)
class Axis:
    """One setting that is searched.

    Attributes:
        values: Values to choose from, as they are written; empty for a range.
        low: Lower end of a range.
        high: Upper end of it.
        log: Whether its logarithm is uniform.
        whole: Whether it has whole numbers only.
    """

    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def ask(self, name: str, trial: Any) -> str:
        """Return what Optuna suggests, as it is written on the command line."""
        if self.values:
            return str(trial.suggest_categorical(name, self.values))
        if self.whole:
            return str(trial.suggest_int(name, int(self.low), int(self.high), log=self.log))
        return written(trial.suggest_float(name, self.low, self.high, log=self.log))

    def ends(self) -> tuple[str, ...]:
        """Return the values that a study is checked with before it begins."""
        if self.values:
            return self.values
        return tuple(str(int(x)) if self.whole else repr(x) for x in (self.low, self.high))

    def holds(self, value: Any) -> bool:
        """Return whether a present value is among those that are searched."""
        if self.values:
            return self.text_of(value) is not None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def text_of(self, value: Any) -> str | None:
        """Return a present value as it is written among those to choose from; None: it is not."""
        return next((text for text in self.values if _says(text, value)), None)


def _says(text: str, value: Any) -> bool:
    """Return whether a text of the command line says a value."""
    if isinstance(value, list | tuple):
        words = text.split()
        return len(words) == len(value) and all(map(_says, words, value))
    if value is None or isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text == str(value)


def read_space(texts: Sequence[str]) -> dict[str, Axis]:
    """Return what is searched, from texts of the command line.

    Raises:
        ConfigError: A text has another form.
    """
    space = {}
    for name, values in read_sweep(texts, "--search").items():
        ends = values[0].split(":")
        if len(values) > 1 or len(ends) == 1:
            space[name] = Axis(values)
            continue
        kind, low, high = ends[2:] or [""], _number(ends[0]), _number(ends[1])
        known = not math.isnan(low + high) and kind in ([""], ["log"])
        if not known or (kind == ["log"] and low <= 0):
            raise ConfigError(
                f"--search {name} takes LOW:HIGH, LOW:HIGH:log with LOW above 0, or "
                f"VALUE,VALUE,..., not {values[0]!r:.80}"
            )
        if low >= high:
            raise ConfigError(f"--search {name}={values[0]:.80}: LOW has to be below HIGH")
        whole = all(end.lstrip("-").isdecimal() for end in ends[:2])
        space[name] = Axis((), low, high, kind == ["log"], whole)
    return space


def _number(text: str) -> float:
    """Return a number that is written; NaN: it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def default_space(settings: Settings, given: Sequence[str] = ()) -> dict[str, str]:
    """Return what is searched if nothing is named, in the words of the command line, by name.

    Args:
        settings: Present ones.
        given: Words of the command line; what they set is not searched.

    Raises:
        ConfigError: Nothing is known of this learner.
    """
    found = {}
    for name in SCALED.get(settings.algorithm.kind, ()):
        if value := getattr(settings.algorithm, name):
            found[name] = f"{value / FACTOR:.4g}:{value * FACTOR:.4g}:log"
    units = getattr(settings.network, UNITS, 0)
    if units > 1:
        found[UNITS] = f"{units // 2}:{units * 2}:log"
    flags = {word.partition("=")[0][2:].replace("-", "_") for word in given}
    found = {name: text for name, text in found.items() if name not in flags}
    if not found:
        raise ConfigError("name what is searched: --search NAME=LOW:HIGH, or NAME=VALUE,VALUE,...")
    return found


def typed_space(space: Mapping[str, Axis], settings: Settings) -> dict[str, Axis]:
    """Return a space whose ranges are whole where, as written, only the setting tells.

    ``discount=0:1`` is a range of numbers, ``hidden_size=16:64`` one of whole ones.
    """
    present = values_of(settings)
    return {
        name: replace(axis, whole=False) if isinstance(present.get(name), float) else axis
        for name, axis in space.items()
    }


def values_of(settings: Settings) -> dict[str, Any]:
    """Return the present values of settings by their names on the command line."""
    found: dict[str, Any] = dict(settings.environment.kwargs)

    def collect(config: Any) -> None:
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if dataclasses.is_dataclass(value):
                collect(value)
            else:
                found[field.metadata.get("name", field.name)] = value

    for part in (settings.training, settings.network, settings.algorithm):
        collect(part)
    return found

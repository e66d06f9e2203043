"""Sweeps: conditions made of all combinations of values of some settings."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.experiments.settings import LEARNERS, Settings, require_common
from prefrontal.options import RunOptions

MOST = 64  # conditions of a sweep
LONGEST = 150  # characters of the name of a condition, which is that of its folder

#: Values by the name of the setting: texts of the command line, or values of Python.
Point = Mapping[str, Any]


def read_sweep(texts: Sequence[str], flag: str = "--sweep") -> dict[str, tuple[str, ...]]:
    """Return the values of every setting, from ``NAME=VALUE,VALUE,...``.

    Raises:
        ConfigError: A text has another form, or a setting is given twice.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        axis = tuple(one.strip() for one in values.split(","))
        if not name.isidentifier() or not all(axis):
            raise ConfigError(f"{flag} takes NAME=VALUE,VALUE,..., not {text!r:.80}")
        if name in axes:
            raise ConfigError(f"{flag}: {name} is given twice; put its values behind one another")
        axes[name] = axis
    return axes


def swept(
    conditions: Mapping[str, Settings],
    axes: Mapping[str, Sequence[Any]],
    changed: Callable[[Settings, Point], Settings],
) -> dict[str, Settings]:
    """Return a condition for every combination of values, of every condition.

    Args:
        conditions: Settings by condition.
        axes: Values by the name of the setting; `algorithm` chooses the learner.
        changed: Puts the values of a point into settings, and checks them.

    Raises:
        ConfigError: A name is none of a setting, a value is wrong or given twice, or there are too
            many conditions.
    """
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    require_axes(conditions, axes)
    if len(points) * len(conditions) > MOST:
        raise ConfigError(
            f"the sweep makes {len(points) * len(conditions):,} conditions, of at most {MOST}: "
            "take fewer values, or sweep some settings after the others"
        )
    made: dict[str, Settings] = {}
    for condition, one in conditions.items():
        for point in points:
            name = name_of(condition, point)
            if name in made:
                raise ConfigError(f"the sweep has {name!r} twice")
            rest = {key: value for key, value in point.items() if key != "algorithm"}
            made[name] = changed(learner_of(one, point), rest)
    return made


def require_axes(
    conditions: Mapping[str, Settings],
    names: Mapping[str, Any],
    flag: str = "--sweep",
    run_options: type[RunOptions] = RunOptions,
) -> None:
    """Refuse settings that cannot be varied within a run.

    Raises:
        ConfigError: One says how to run, is none, is of some conditions alone, or is a core of the
            user's.
    """
    run = {field.name for field in dataclasses.fields(run_options)} - {"core", "algorithm"}
    for name, values in names.items():
        if name in run:
            raise ConfigError(
                f"{flag} {name}: that is no setting of the task, the network or the learner"
            )
        if name == "core" and any(":" in str(value) for value in values):
            raise ConfigError(
                f"{flag} core: cores of the package can be compared here; train one of yours in a "
                "run of its own, with --core"
            )
    learners = names.get("algorithm", [None])
    known = set[str]().union(
        *(
            learner_of(one, {"algorithm": learner}).option_names()
            for one in conditions.values()
            for learner in learners
        )
    )
    for name in names:
        if name not in known | {"algorithm", "core"}:
            hint = did_you_mean(name, sorted(known))
            raise ConfigError(
                f"{flag}: there is no setting {name!r}{hint if 'mean' in hint else ''}"
            )
    if "algorithm" not in names:
        require_common(conditions, names)


def learner_of(settings: Settings, point: Point) -> Settings:
    """Return settings with the learner of a point, if it names one.

    Raises:
        ConfigError: There is no such learner, or no environment to learn in.
    """
    name = point.get("algorithm")
    if name is None:
        return settings
    if name not in LEARNERS:
        raise ConfigError(f"there is no learner {name!r}{did_you_mean(str(name), LEARNERS)}")
    if settings.environment == NO_ENVIRONMENT:
        raise ConfigError("there is no environment to learn in by another learner")
    return settings.with_algorithm(name)


def name_of(condition: str, point: Point) -> str:
    """Return the name of a condition: that of the experiment's, unless `default`, and the point.

    Raises:
        ConfigError: It is too long for the name of a folder.
    """
    parts = [] if condition == "default" else [condition]
    for name, value in point.items():
        text = "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        parts.append(f"{name}={'+'.join(text.split())}")
    text = re.sub(r"[^\w.=,+-]+", "-", ",".join(parts), flags=re.ASCII)
    if len(text) > LONGEST:
        raise ConfigError(f"the condition {text:.40}... has a name of more than {LONGEST} letters")
    return text


def words_of(point: Point, given: Sequence[str], flag: str = "--sweep") -> list[str]:
    """Return the values of a point as words of the command line, behind those that are given.

    Raises:
        ConfigError: One is given there as well.
    """
    words = list(given)
    flags = {word.partition("=")[0].replace("_", "-") for word in given}
    for name, value in point.items():
        option = name.replace("_", "-")
        if {f"--{option}", f"--no-{option}"} & flags:
            raise ConfigError(f"{flag} {name}: leave out --{option}, which says the same")
        if value in ("true", "false"):
            words.append(f"--{option}" if value == "true" else f"--no-{option}")
        else:
            words += [f"--{option}", *value.split()]
    return words

"""Models by name, those of the package and those of the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.common.user_files import import_object
from prefrontal.behaviour.models.hidden_state import HiddenState
from prefrontal.behaviour.models.kalman import POLICIES, Kalman
from prefrontal.behaviour.models.model import Model
from prefrontal.behaviour.models.rescorla_wagner import RescorlaWagner
from prefrontal.behaviour.models.rlwm import WorkingMemory
from prefrontal.behaviour.models.simple import PearceHall, Random, WinStayLoseShift
from prefrontal.behaviour.models.two_step import WITHOUT, TwoStep
from prefrontal.behaviour.named import ADDITIONS

#: How models are made. ``rw`` stands for itself and all its additions, ``rw+dual+forget``.
MODELS: dict[str, Callable[..., Model]] = {
    "random": Random,
    "biased-random": partial(Random, True),
    "wsls": WinStayLoseShift,
    "rw": RescorlaWagner,
    "pearce-hall": PearceHall,
    **{f"kalman-{policy}": partial(Kalman, policy) for policy in POLICIES},
    "hidden-state": HiddenState,
    **{kind: partial(TwoStep, kind) for kind in WITHOUT},
    **{f"{kind}-reduced": partial(TwoStep, kind, 1) for kind in WITHOUT},
    "rlwm": WorkingMemory,
}


def names() -> tuple[str, ...]:
    """Return the names of the models; ``rw`` takes additions, as in ``rw+dual``."""
    return tuple(MODELS)


def _is_model(made: Any) -> bool:
    return isinstance(made, type) and issubclass(made, Model)


def find(name: str, arms: int = 2, **options: Any) -> Model:
    """Return a model by its name.

    Args:
        name: One of `names`; ``rw`` with any of its additions, in any order; or a class of the
            user's, ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS``.
        arms: Number of arms of the data, for models that have a parameter for each.
        **options: Fields of its class, such as ``prior_variance=(10, 0)``.

    Raises:
        ConfigError: There is no such model or option, or a value that it does not take.
    """
    if ":" in name:
        make = import_object(name, _is_model)
        if not _is_model(make):
            raise ConfigError(
                f"{name} is no model: it must be a class derived from prefrontal.behaviour.Model"
            )
        return _made(name, make, options)
    first, *additions = name.split("+")
    if first not in MODELS:
        raise ConfigError(f"there is no model {first!r:.80}{did_you_mean(first, MODELS)}")
    make = MODELS[first]
    if additions:
        if first != "rw":
            raise ConfigError(f"only rw takes additions, not {first}")
        for one in additions:
            if one not in ADDITIONS:
                hint = did_you_mean(one, ADDITIONS)
                raise ConfigError(f"rw has no addition {one!r:.80}{hint}")
        make = partial(RescorlaWagner, tuple(additions))
    if "arms" in _options(make):
        options = {"arms": arms, **options}
    return _made(name, make, options)


def _options(make: Callable[..., Model]) -> list[str]:
    """Return the names of the options that a maker of models takes."""
    given = len(make.args) if isinstance(make, partial) else 0
    make = getattr(make, "func", make)
    if not dataclasses.is_dataclass(make):
        return []
    return [one.name for one in dataclasses.fields(make)][given:]


def _made(name: str, make: Callable[..., Model], options: dict[str, Any]) -> Model:
    """Return a model with its options."""
    known = [one for one in _options(make) if one != "additions"]
    for option in options:
        if option not in known:
            there = did_you_mean(option, known) if known else "; it has none"
            raise ConfigError(f"{name} has no option {option!r:.80}{there}")
    try:
        return make(**options)
    except (TypeError, ValueError) as error:
        if isinstance(make, type) and ":" in name:
            raise  # theirs: blamed on their file
        raise ConfigError(f"{name}: {error}") from error

"""A `Behaviour` as the arrays that the probes of `analysis` take: ``[S, E, N]``.

Subjects stand for members, and the stretches between two resets of values for episodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.two_step import TwoStepTrials
from prefrontal.analysis.missing import MISSING
from prefrontal.behaviour.table import Behaviour


def record_of(behaviour: Behaviour) -> dict[str, NDArray]:
    """Return choices as a record, ``[S, E, N]`` each: -1, NaN or an empty text where missing.

    Args:
        behaviour: S subjects, whose values start anew E times at most, after N trials at most.

    Returns:
        ``action`` and ``reward``, of two-step tasks ``second_state``, ``second_action`` and
        ``common``, and every other column under its name.
    """
    found: dict[str, NDArray] = {"action": behaviour.choice, "reward": behaviour.reward}
    if behaviour.state2 is not None:
        found["second_state"] = behaviour.state2
        found["common"] = transitions(behaviour)
    if behaviour.choice2 is not None:
        found["second_action"] = behaviour.choice2
    found |= {name: value for name, value in behaviour.columns.items() if name not in found}
    stretch = np.cumsum(behaviour.starts, axis=1) - 1
    subject, trial = np.nonzero(behaviour.present)
    episode = stretch[subject, trial]
    first = np.zeros((len(behaviour), episode.max(initial=0) + 1), np.int64)
    at = np.argwhere(behaviour.starts)
    first[at[:, 0], stretch[at[:, 0], at[:, 1]]] = at[:, 1]
    within = trial - first[subject, episode]
    shape = (*first.shape, int(within.max(initial=0)) + 1)
    for name, value in found.items():
        empty: Any = {"f": np.nan, "U": ""}.get(value.dtype.kind, MISSING)
        spread = np.full(shape, empty, value.dtype if value.dtype.kind != "b" else np.int64)
        spread[subject, episode, within] = value[subject, trial]
        found[name] = spread
    return found


def transitions(behaviour: Behaviour) -> NDArray[np.int64]:
    """Return whether transitions were common ``[S, T]``, -1 where choice or state is missing.

    Raises:
        ValueError: The task has one stage, or it is not known where choices commonly lead.
    """
    if behaviour.state2 is None or behaviour.mapping is None:
        raise ValueError("a two-step task is needed, with a column of transitions or a mapping")
    commonly = np.take_along_axis(behaviour.mapping, np.maximum(behaviour.choice, 0), axis=1)
    unknown = (behaviour.choice == MISSING) | (behaviour.state2 == MISSING)
    return np.where(unknown, MISSING, commonly == behaviour.state2)


def two_step_trials(behaviour: Behaviour) -> TwoStepTrials:
    """Return the trials of a two-step task as `analysis.choice.two_step` takes them.

    Raises:
        ValueError: See `transitions`.
    """
    transitions(behaviour)
    record = record_of(behaviour)
    names = ("action", "common", "reward")
    return TwoStepTrials(*(record[name] for name in names), record.get("second_action"))

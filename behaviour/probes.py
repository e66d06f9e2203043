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
    second = record.get("second_action")
    return TwoStepTrials(record["action"], record["common"], record["reward"], second)


def stays(behaviour: Behaviour, policy: NDArray[np.float64] | None = None) -> dict[str, NDArray]:
    """Return how often subjects repeat their last choice, by what it led to, ``[S]`` each.

    Outcomes are above or below the subject's mean reward; in two-step tasks they are told apart by
    the transition too.

    Args:
        behaviour: Recorded choices.
        policy: A model's probabilities of the choices before each, ``[S, T, K]``: how often it
            would repeat them, after the same history; None: the subjects themselves.

    Returns:
        Probabilities by condition; NaN for subjects who never met it.
    """
    choice, reward = behaviour.choice, behaviour.reward
    if policy is None:
        policy = (choice[..., None] == np.arange(behaviour.arms)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        learned = np.where(behaviour.learned, reward, np.nan)
        mean = np.nansum(learned, 1) / np.maximum(behaviour.learned.sum(1), 1)
    counted = behaviour.learned[:, :-1] & behaviour.scored[:, 1:] & ~behaviour.starts[:, 1:]
    won = reward[:, :-1] > mean[:, None]
    kinds = {"rewarded": won, "not rewarded": ~won}
    if behaviour.state2 is not None and behaviour.mapping is not None:
        common = transitions(behaviour)[:, :-1]
        kinds = {
            f"{name}, {kind}": met & (common == code)
            for name, met in kinds.items()
            for kind, code in (("common", 1), ("rare", 0))
        }
    last = np.maximum(choice[:, :-1], 0)[..., None]
    stay = np.take_along_axis(policy[:, 1:], last, axis=2)[..., 0]
    found = {}
    for name, met in kinds.items():
        use = met & counted & ~np.isnan(stay)
        total = np.where(use, np.nan_to_num(stay), 0.0).sum(axis=1)
        found[name] = np.where(use.any(axis=1), total / np.maximum(use.sum(axis=1), 1), np.nan)
    return found


def around_changes(
    behaviour: Behaviour,
    best: NDArray[np.float64],
    before: int = 5,
    after: int = 15,
    policy: NDArray[np.float64] | None = None,
) -> NDArray[np.float64] | None:
    """Return how often the arm that becomes the best is chosen around the change, ``[S, L]``.

    Args:
        behaviour: Recorded choices.
        best: The best arm of each trial ``[S, T]``, NaN where it is not known.
        before: Trials before a change.
        after: Trials from it on; L is the sum of both.
        policy: A model's probabilities of the choices, in place of the choices, ``[S, T, K]``.

    Returns:
        NaN for subjects without a change; None if nobody has one.
    """
    if policy is None:
        policy = (behaviour.choice[..., None] == np.arange(behaviour.arms)).astype(np.float64)
    offsets = np.arange(-before, after)
    found = np.full((len(behaviour), len(offsets)), np.nan)
    for s in range(len(behaviour)):
        known = best[s, 1:] == best[s, 1:]
        change = np.flatnonzero(known & (best[s, 1:] != best[s, :-1]) & ~behaviour.starts[s, 1:])
        at = change[:, None] + 1 + offsets
        inside = (at >= 0) & (at < behaviour.trials)
        at = np.clip(at, 0, behaviour.trials - 1)
        use = inside & behaviour.scored[s, at]
        new = policy[s, at, best[s, change + 1].astype(np.int64)[:, None]]
        with np.errstate(invalid="ignore"):
            found[s] = np.where(use, new, 0.0).sum(axis=0) / use.sum(axis=0)
    return None if np.isnan(found).all() else found

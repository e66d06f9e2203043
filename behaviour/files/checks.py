"""What has to be true of choices before anything is fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrontal.analysis.missing import MISSING
from prefrontal.behaviour.files.columns import DataError
from prefrontal.behaviour.table import Behaviour

LEAST = 20  # scored choices of a subject
NAMED = 5  # subjects that a message names


def require_fittable(behaviour: Behaviour) -> None:
    """Refuse subjects of whom a fit would say nothing.

    Raises:
        DataError: Some have fewer than 20 scored choices, or always choose the same; names all of
            them, the row where the first begins, and how to leave them out.
    """
    scored = behaviour.scored.sum(axis=1)
    few = np.flatnonzero(scored < LEAST)
    if len(few):
        first = few[0]
        raise DataError(
            f"subject {behaviour.subjects[first]!r} (from row {behaviour.row[first, 0]}) has "
            f"{scored[first]} scored trials, and a fit needs {LEAST}: "
            f"{_remedy(behaviour, few, 'which trials are missed or forced, and [codes] missing')}"
        )
    hidden = np.where(behaviour.scored, behaviour.choice, MISSING)
    most = hidden.max(axis=1)
    same = ((hidden == most[:, None]) | (hidden == MISSING)).all(axis=1)
    if behaviour.scored2 is not None and behaviour.choice2 is not None:
        second = np.where(behaviour.scored2, behaviour.choice2, MISSING)
        two = (second == second.max(axis=1)[:, None]) | (second == MISSING)
        same &= two.all(axis=1)
    never = np.flatnonzero(same)
    if len(never):
        first = never[0]
        raise DataError(
            f"subject {behaviour.subjects[first]!r} (from row {behaviour.row[first, 0]}) never "
            f"varies: all {scored[first]} choices are {most[first]}: "
            f"{_remedy(behaviour, never, 'what [codes] choice and missing make of the cells')}"
        )


def notes_on(behaviour: Behaviour) -> tuple[str, ...]:
    """Return what a table lacks and what is made of that, a line each."""
    made = behaviour.present & (behaviour.choice != MISSING)
    missed = int((behaviour.present & ~made).sum())
    unknown, absent = int((made & np.isnan(behaviour.reward)).sum()), _absent(behaviour)
    paid = behaviour.reward[behaviour.learned]
    notes = []
    if missed:
        notes.append(f"choices that are missing: {missed:,}; they teach nothing and are not scored")
    if unknown:
        notes.append(
            f"rewards that are not known: {unknown:,}; such choices are scored, teach nothing"
        )
    if absent:
        notes.append(
            f"trials that are absent or left out within blocks, by their numbers: {absent:,}; rows "
            "are taken as they follow each other"
        )
    if paid.size and paid.min() == paid.max():
        notes.append(f"all rewards are {paid[0]:g}: nothing can be learned; see [codes] reward")
    return tuple(notes)


def _absent(behaviour: Behaviour) -> int:
    """Return how many trials lack within blocks, if there are numbers of trials that count them."""
    number = behaviour.columns.get("trial")
    if number is None or number.dtype.kind != "f":
        return 0
    same = behaviour.present[:, 1:]
    for unit in (behaviour.session, behaviour.block):
        same = same & (np.diff(unit, axis=1) == 0)
    steps = np.diff(number, axis=1)[same]
    steps = steps[np.isfinite(steps)]
    counted = steps.size and np.median(steps) == 1 and (steps == np.round(steps)).all()
    return int((steps[steps > 1] - 1).sum()) if counted else 0


def _remedy(behaviour: Behaviour, subjects: Sequence[int] | np.ndarray, see: str) -> str:
    """Return how to leave subjects out, in the words of `columns.toml`; what to see if all are."""
    if len(subjects) == len(behaviour):
        return f"so it is with every subject: see {see}"
    named = [behaviour.subjects[i] for i in subjects]
    listed = ", ".join(f'"{name}"' for name in named[:NAMED])
    more = f", and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"leave them out, [exclude] subject = [{listed}{more}]"

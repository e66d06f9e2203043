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


def _remedy(behaviour: Behaviour, subjects: Sequence[int] | np.ndarray, see: str) -> str:
    """Return how to leave subjects out, in the words of `columns.toml`; what to see if all are."""
    if len(subjects) == len(behaviour):
        return f"so it is with every subject: see {see}"
    named = [behaviour.subjects[i] for i in subjects]
    listed = ", ".join(f'"{name}"' for name in named[:NAMED])
    more = f", and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"leave them out, [exclude] subject = [{listed}{more}]"

"""From rows and what their columns mean to a `Behaviour`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.missing import MISSING
from prefrontal.behaviour.files.cells import Cells
from prefrontal.behaviour.files.columns import Columns, DataError, normal
from prefrontal.behaviour.files.rows import Rows
from prefrontal.behaviour.table import Behaviour, Codes, Floats, Mask, Resets, starts_of

COMMON, RARE = ("1", "common", "true"), ("0", "rare", "uncommon", "false")


def build_behaviour(rows: Rows, columns: Columns) -> Behaviour:
    """Return the table of choices that rows hold.

    Args:
        rows: Rows of one or several files.
        columns: What their columns mean.

    Raises:
        DataError: A row does not fit, or something has to be said that is not; names the remedy.
    """
    cells = Cells.read(rows, columns)
    for name, instead in (("choice", ""), ("reward", "gain")):
        if not cells.has(name) and not cells.has(instead or name):
            raise DataError(
                f"{rows.file[0]} has no column {columns.theirs(name)!r}: name it in columns.toml, "
                f'[columns] {name} = "..." (there are {_there(cells)})'
            )
    subject = _subjects(cells)
    names = list(dict.fromkeys(subject))
    number = {name: i for i, name in enumerate(names)}
    who = np.array([number[one] for one in subject])
    session, block, resets = _stretches(cells, who)
    _require_order(cells, who, np.stack([who, session, block]))

    missed = cells.meets(columns.missed)
    if cells.has("missed"):
        missed |= cells.switches("missed") == 1
    flat = _choices(cells, missed)
    reward = _rewards(cells, flat["choice"] == MISSING)
    flat |= _second_stage(cells, flat["choice"], who, len(names), flat.pop("arms"))
    arms, mapping = flat.pop("arms"), flat.pop("mapping")
    forced = cells.switches("forced") == 1 if cells.has("forced") else np.zeros(len(who), bool)

    known = flat["choice"] != MISSING
    flat |= {"reward": reward, "scored": known & ~forced, "learned": known & ~np.isnan(reward)}
    if flat["choice2"] is not None:
        flat["scored2"] = flat["scored"] & (flat["choice2"] != MISSING)
    flat |= {"session": session, "block": block, "row": cells.kept}
    place = _places(who, len(names))
    padded = {name: _padded(value, place) for name, value in flat.items() if value is not None}
    return Behaviour(
        subjects=tuple(names),
        arms=arms,
        starts=starts_of(padded["session"], padded["block"], resets),
        common=columns.task.common,
        mapping=mapping,
        columns={name: _padded(value, place) for name, value in _others(cells).items()},
        resets=resets,
        **padded,
    )


def _there(cells: Cells) -> str:
    """Return the names of the first columns, for messages."""
    return ", ".join(list(cells.rows.cells)[:12])


def _others(cells: Cells) -> dict[str, NDArray]:
    """Return the columns without a meaning, and the files if there are several."""
    found = cells.others()
    if len(set(cells.rows.file)) > 1:
        found["file"] = np.array([cells.rows.file[i] for i in cells.kept], dtype=np.str_)
    return found


def _subjects(cells: Cells) -> list[str]:
    """Return of each row who chooses."""
    files = [Path(cells.rows.file[i]).stem for i in cells.kept]
    are = cells.columns.task.files
    if not cells.has("subject"):
        if are != "subjects":
            raise DataError(
                f"{cells.rows.file[0]} has no column {cells.columns.theirs('subject')!r}: name it "
                'in [columns], or say [task] files = "subjects" if every file is one'
            )
        return files
    named = cells.labels("subject")
    if are == "subjects":
        return [f"{file}:{name}" for file, name in zip(files, named, strict=True)]
    first: dict[str, str] = {}
    for at, name in enumerate(named):
        file = cells.rows.file[cells.kept[at]]
        if first.setdefault(name, file) != file and are is None:
            cells.refuse(
                at,
                f"subject {name!r} is in {first[name]} too: say [task] files = "
                '"sessions" if they are one, "subjects" if not',
            )
    return named


def _stretches(cells: Cells, who: Codes) -> tuple[Codes, Codes, Resets]:
    """Return numbers of sessions and blocks in each subject, and where values start anew."""
    labels = {name: cells.labels(name) for name in ("session", "block") if cells.has(name)}
    if cells.columns.task.files == "sessions":
        own = labels.get("session", [""] * len(who))
        files = [cells.rows.file[i] for i in cells.kept]
        labels["session"] = [f"{file}:{one}" for file, one in zip(files, own, strict=True)]
    found = {name: np.zeros(len(who), np.int64) for name in ("session", "block")}
    several = set()
    for subject in range(who.max() + 1):
        index = np.flatnonzero(who == subject)
        change = np.zeros(len(index), bool)
        for name in ("session", "block"):
            if name in labels:
                own_labels = np.array([labels[name][i] for i in index])
                change[1:] |= own_labels[1:] != own_labels[:-1]
                several |= {name} if change.any() else set()
            found[name][index] = np.cumsum(change)
    resets = cells.columns.task.resets
    if resets == "block" and "block" not in labels:
        raise DataError(
            f'[task] resets = "block", and {cells.rows.file[0]} has no column of blocks: name it, '
            f'[columns] block = "..." (there are {_there(cells)}), or say "session" or "never"'
        )
    if resets is None and several:
        raise DataError(
            f"{cells.rows.file[0]} has several {'s and '.join(sorted(several))}s of a subject: say "
            'where values start anew, [task] resets = "session", "block" or "never"'
        )
    return found["session"], found["block"], resets or "session"


def _require_order(cells: Cells, who: Codes, stretch: Codes) -> None:
    """Check that numbers of trials do not fall within a block: else two subjects have one name.

    No trial may come again in a later block of the same name either: else rows are there twice.
    """
    if not cells.has("trial"):
        return
    numbers = cells.numbers("trial", np.ones(len(cells.kept), bool))
    labels = [cells.labels(name) for name in ("session", "block") if cells.has(name)]
    files = [cells.rows.file[i] for i in cells.kept]
    first: dict[tuple[Any, ...], int] = {}
    last: dict[tuple[int, ...], float] = {}
    for at, (number, key) in enumerate(zip(numbers, map(tuple, stretch.T.tolist()), strict=True)):
        if number <= last.get(key, -np.inf):
            cells.refuse(
                at,
                f"trial {number:g} of its subject follows trial {last[key]:g}: sort the rows, or "
                "name the column that tells blocks, sessions or persons apart",
            )
        named = (who[at], files[at], number, *(one[at] for one in labels))
        before = first.setdefault(named, at)
        if before != at:
            cells.refuse(
                at,
                f"trial {number:g} of its subject and block is there already, "
                f"{cells.rows.place(int(cells.kept[before]))}: remove the copy, or give the second "
                "block a name of its own",
            )
        last[key] = number if number == number else last.get(key, -np.inf)


def _choices(cells: Cells, missed: Mask) -> dict[str, Any]:
    """Return first choices, as stimuli, the number of arms and which could be chosen."""
    task, sides = cells.columns.task, cells.columns.sides.get("choice")
    two_step = any(cells.has(name) for name in ("state2", "choice2", "transition"))
    if two_step and task.choice_is is None:
        raise DataError(
            f"{cells.rows.file[0]} is of a two-step task: say what a choice names, [task] "
            'choice_is = "stimulus", or "side" with the stimulus at each side in [sides]'
        )
    if task.choice_is == "side" and sides is None:
        raise DataError(
            f"{cells.rows.file[0]}: choices are sides: recode them, [sides] choice = "
            '["COLUMN AT SIDE 0", "COLUMN AT SIDE 1"]; if values belong to the sides themselves, '
            'say choice_is = "stimulus"'
        )
    if sides is not None and task.choice_is != "side":
        raise DataError('[sides] recodes sides: say [task] choice_is = "side"')
    count = task.arms if sides is None else len(sides)
    choice = cells.codes("choice", count, missed)
    arms = task.arms
    if sides is not None:
        choice = _at_side(cells, "stimulus", choice, sides, arms)
    if arms is None:
        counted = "choice" not in cells.columns.codes
        if counted and choice.max() > 0 and not (choice == 0).any():
            raise DataError(
                f"{cells.rows.file[0]}: no choice is 0, and codes count from 0: give [codes] "
                'choice = {"1" = 0, "2" = 1} if yours count from 1, or say [task] arms = '
                f"{choice.max() + 1}"
            )
        arms = max(2, int(choice.max(initial=0)) + 1)
    return {"choice": choice, "arms": arms, "available": _available(cells, choice, arms)}


def _at_side(
    cells: Cells, name: str, side: Codes, sides: tuple[str, ...], count: int | None
) -> Codes:
    """Return the stimulus at the side that was chosen."""
    found = np.full(len(side), MISSING, np.int64)
    for code, column in enumerate(sides):
        stimulus = cells.codes(name, count, side != code, column)
        found = np.where(side == code, stimulus, found)
    return found


def _available(cells: Cells, choice: Codes, arms: int) -> Mask | None:
    """Return which arms could be chosen, ``[N, K]``."""
    given = cells.columns.columns.get("available", "available")
    if not cells.has("available"):
        return None
    if isinstance(given, list):
        if len(given) != arms:
            raise DataError(f"[columns] available names {len(given)} columns for {arms} arms")
        texts = [cells.texts("available", column) for column in given]
        found = np.array([[text in ("1", "true") for text in column] for column in texts]).T
    else:
        table = cells.columns.codes.get("choice")
        known = {str(k): k for k in range(arms)} if table is None else table
        found = np.zeros((len(choice), arms), bool)
        for at, text in enumerate(cells.texts("available")):
            for part in text.replace("|", " ").replace(",", " ").split():
                code = known.get(normal(part))
                if code is None:
                    cells.refuse(at, f"available is {text!r}, and {part!r} is no arm")
                found[at, int(code)] = True
    wrong = np.flatnonzero((choice != MISSING) & ~found[np.arange(len(choice)), choice])
    if len(wrong):
        at = int(wrong[0])
        cells.refuse(at, f"choice is {choice[at]}, which was not available: see both columns")
    return found


def _rewards(cells: Cells, missed: Mask) -> Floats:
    """Return what was paid; gains less losses where those are given."""
    if cells.has("reward"):
        return cells.numbers("reward", missed)
    paid = cells.numbers("gain", missed)
    return paid - np.abs(cells.numbers("loss", missed)) if cells.has("loss") else paid


def _second_stage(cells: Cells, choice: Codes, who: Codes, count: int, arms: int) -> dict[str, Any]:
    """Return states and choices at the second stage, and where first choices commonly lead."""
    nothing = {"state2": None, "choice2": None, "mapping": None, "arms": arms}
    missed, task = choice == MISSING, cells.columns.task
    common: Codes | None = None
    if cells.has("transition"):
        common = cells.switches("transition", COMMON, (*RARE, "", "n/a", "nan", "na"))
        common[missed] = MISSING
    if common is None and not cells.has("state2"):
        for name in ("common", "mapping"):
            if getattr(task, name) is not None:
                raise DataError(
                    f"[task] {name} is of two-step tasks, and {cells.rows.file[0]} has neither "
                    f"state2 nor transition: name them in [columns], or leave {name} out"
                )
        return nothing
    to = task.mapping
    if to is not None and (len(to) != arms or (arms == 2 and set(to) != {0, 1})):
        raise DataError(
            f"[task] mapping must name a state for each of {arms} arms, such as "
            f"{list(range(arms))[:9]}, not {list(to)}"
        )
    mapping = None if task.mapping is None else np.tile(np.array(task.mapping), (count, 1))
    if cells.has("state2"):
        state2 = cells.codes("state2", None, missed)
        if common is None and mapping is None:
            raise DataError(
                f"{cells.rows.file[0]} has second-stage states and no column of transitions: name "
                'it, [columns] transition = "...", or say [task] mapping = [0, 1], the state that '
                "each choice commonly leads to"
            )
        if common is not None:
            mapping = _mapping(cells, (choice, state2, common, who), mapping, count, arms)
    else:
        if arms != 2:
            raise DataError(f"{arms} arms and no column state2: transitions alone tell two apart")
        mapping = np.tile([0, 1], (count, 1)) if mapping is None else mapping
        led = mapping[who, choice]
        state2 = np.where(common == 1, led, mapping.sum(axis=1)[who] - led)
        state2[missed | (common == MISSING)] = MISSING
    choice2 = None
    if cells.has("choice2"):
        sides, skip = cells.columns.sides.get("choice2"), missed | (state2 == MISSING)
        choice2 = cells.codes("choice2", None if sides is None else len(sides), skip)
        if sides is not None:
            choice2 = _at_side(cells, "stimulus2", choice2, sides, None)
    return {"state2": state2, "choice2": choice2, "mapping": mapping, "arms": arms}


def _mapping(
    cells: Cells,
    flat: tuple[Codes, Codes, Codes, Codes],
    stated: Codes | None,
    count: int,
    arms: int,
) -> Codes:
    """Return the state that each subject's choices commonly lead to, as all rows agree."""
    choice, state2, common, who = flat
    found = np.full((count, arms), MISSING) if stated is None else stated.copy()
    whole = (choice != MISSING) & (state2 != MISSING) & (common != MISSING)
    for row in np.flatnonzero(whole & (common == 1)):
        if found[who[row], choice[row]] == MISSING:
            found[who[row], choice[row]] = state2[row]
    others = np.flatnonzero(whole & ((found[who, choice] == state2) != (common == 1)))
    others = others[found[who[others], choice[others]] != MISSING]
    if len(others):
        at = int(others[0])
        kind = "common" if common[at] == 1 else "rare"
        cells.refuse(
            at,
            f"choice {choice[at]} leads to state {state2[at]} by a {kind} transition, and commonly "
            f"to {found[who[at], choice[at]]} in other rows: if choices are sides, say choice_is = "
            '"side" with [sides]; else see [codes] and the column of transitions',
        )
    if arms == 2:  # one that never led there commonly leads where the other does not
        for own in found:
            if (own == MISSING).sum() == 1 and own.max() <= 1:
                own[own == MISSING] = 1 - own.max()
    return np.where(found == MISSING, np.arange(arms), found)


def _places(who: Codes, count: int) -> Codes:
    """Return the index of each subject's trials ``[S, T]``, -1: padding."""
    longest = int(np.bincount(who, minlength=count).max())
    place = np.full((count, longest), MISSING)
    for subject in range(count):
        index = np.flatnonzero(who == subject)
        place[subject, : len(index)] = index
    return place


def _padded(values: NDArray, place: Codes) -> NDArray:
    """Return values of rows ``[N, ...]`` as ``[S, T, ...]``."""
    empty: Any = {"b": False, "f": np.nan, "U": ""}.get(values.dtype.kind, MISSING)
    whole = values[place]
    whole[place == MISSING] = empty
    return whole

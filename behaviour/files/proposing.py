"""A first `columns.toml` for a table that nobody prepared, and questions of what it cannot show."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from prefrontal.behaviour.files.cells import YES
from prefrontal.behaviour.files.columns import EMPTY, as_number, normal, toml_text
from prefrontal.behaviour.files.rows import Rows

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Names that columns of ours have elsewhere, in small letters without signs.
KNOWN = {
    "subject": "subject subj subjid subjectid participant participantid participantnr ppt ppid pid "
    "sub id workerid prolificid rat mouse animal monkey",
    "session": "session sessionid ses sess sessionnr day",
    "block": "block blocknr blockid blocknumber run game",
    "trial": "trial trialnr trialid trialnumber t",
    "choice": "choice choice1 choices action actions chosen response resp key deck arm stimchosen "
    "level1choice firstchoice keypress",
    "reward": "reward rewards outcome outcomes payoff points feedback win won score money",
    "gain": "gain gains",
    "loss": "loss losses",
    "state2": "state2 finalstate secondstate s2 stage2state",
    "choice2": "choice2 secondchoice action2 level2choice",
    "transition": "transition transit common transitiontype",
    "missed": "missed slow timeout toolate omission",
    "forced": "forced instructed",
    "rt": "rt responsetime reactiontime latency rts choicert",
}
SECOND_STAGE = ("state2", "choice2", "transition")
MOST_CODES = 12  # different cells of a column that can be codes
LISTED = 5  # values in a question
ABSENT = ("timeout", "time out", "miss", "missed", "late", "too late", "none", "null", "v")
PRACTICE = ("practice", "training", "train", "warmup", "warm-up", "demo", "instruction")
WORDS = {  # of outcomes and choices that nobody doubts
    "reward": {"win": 1, "won": 1, "reward": 1, "rewarded": 1, "loss": 0, "lose": 0, "none": 0},
}


@dataclass(frozen=True)
class Proposal:
    """What a table seems to be.

    Attributes:
        text: A `columns.toml`; what the user has to say stands in it as a comment.
        questions: What the table cannot tell, one a line.
    """

    text: str
    questions: tuple[str, ...]

    def tables(self) -> dict[str, Any]:
        """Return the tables of the `columns.toml`."""
        return tomllib.loads(self.text)


def propose(rows: Rows) -> Proposal:
    """Return a `columns.toml` for a table from what its cells show, and what has to be asked."""
    named, ambiguous = _names(rows)
    if "missed" in named:  # what stands in such rows needs no code
        made = [normal(cell).lower() not in YES for cell in rows.cells[named["missed"]]]
        rows = Rows({k: [*compress(v, made)] for k, v in rows.cells.items()}, rows.file, rows.line)
    questions = [
        f'which column is {ours}? Say [columns] {ours} = "..." (there are {", ".join(there)})'
        for ours, there in ambiguous.items()
    ]
    tables: dict[str, dict[str, Any]] = {"columns": named, "codes": {}, "task": {}}
    missing: list[str] = []
    if "choice" in named:
        codes, absent, asked = _choice(rows, named)
        missing += absent
        questions += asked
        if codes is not None:
            tables["codes"]["choice"] = codes
            tables["task"]["arms"] = max(2, len(codes))
    for name in ("reward", "gain", "loss"):
        if name in named:
            paid, absent, asked = _reward(rows.cells[named[name]], named[name], name)
            missing += [one for one in absent if one not in missing]
            questions += asked
            if paid:
                tables["codes"][name] = paid
    for name in SECOND_STAGE:
        if name in named:
            codes, absent, asked = _later(name, rows.cells[named[name]], named[name])
            missing += [one for one in absent if one not in missing]
            questions += asked
            if codes:
                tables["codes"][name] = codes
    if missing:
        tables["codes"]["missing"] = missing
    questions += _task(named, tables["task"], rows) + _practice(rows)
    text = toml_text(tables)
    asked_lines = "".join(f"# ? {one}\n" for one in questions)
    return Proposal(f"{text}{asked_lines}" if questions else text, tuple(questions))


def _task(named: dict[str, str], task: dict[str, Any], rows: Rows) -> list[str]:
    """Fill in the task; return what has to be asked of it."""
    asked = []
    if "subject" not in named:
        if len(set(rows.file)) > 1:
            task["files"] = "subjects"
        else:
            asked.append('which column is subject? Say [columns] subject = "..."')
    if any(_several(rows, named, name) for name in ("session", "block") if name in named):
        asked.append(
            'where do values start anew? Say [task] resets = "session", "block" or "never"'
        )
    if any(name in named for name in SECOND_STAGE):
        asked.append(
            'does a choice name a stimulus or a side? Say [task] choice_is = "stimulus", or "side" '
            "with the stimulus at each side in [sides]"
        )
        if "transition" not in named:
            asked.append(
                "where do choices commonly lead? Say [task] mapping = [0, 1], or name a "
                "column, [columns] transition"
            )
    return asked


def _several(rows: Rows, named: dict[str, str], name: str) -> bool:
    """Return whether somebody has several sessions or blocks."""
    who = rows.cells[named["subject"]] if "subject" in named else rows.file
    return len(set(zip(who, rows.cells[named[name]], strict=True))) > len(set(who))


def _practice(rows: Rows) -> list[str]:
    """Ask whether rows that seem to be practice are to be left out."""
    return [
        f'are rows with {name} {cell} to be left out? Say [exclude] {_quoted(name)} = ["{cell}"]'
        for name, cells in rows.cells.items()
        for cell in dict.fromkeys(cells)
        if cell.lower() in PRACTICE
    ]


def _quoted(name: str) -> str:
    """Return a key of TOML."""
    return toml_text({"x": {name: 0}}).splitlines()[1].rpartition(" = ")[0]


def _names(rows: Rows) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return ours = theirs where one column has a known name, and where several or none has."""
    plain = {name: "".join(c for c in name.lower() if c.isalnum()) for name in rows.cells}
    named: dict[str, str] = {}
    ambiguous: dict[str, list[str]] = {}
    for ours, words in KNOWN.items():
        known = words.split()
        found = [name for name in rows.cells if plain[name] in known]
        best = [name for name in found if name == ours] or found
        if len(best) == 1:
            named[ours] = best[0]
        elif best and ours in ("subject", "choice", "reward"):
            first = min(best, key=lambda name: known.index(plain[name]))
            varied = [name for name in best if len(set(rows.cells[name])) > 1]
            if len(varied) == 1 or ours == "subject":
                named[ours] = varied[0] if len(varied) == 1 else first
            else:
                ambiguous[ours] = best
        elif best:
            named[ours] = best[0]
        elif ours == "choice" or (ours == "reward" and "gain" not in plain.values()):
            ambiguous[ours] = list(rows.cells)[:MOST_CODES]
    return named, ambiguous


def _cells(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the different cells of a column in order, and those that stand for nothing."""
    counts = Counter(map(normal, cells))
    absent = [cell for cell in counts if cell in EMPTY or cell.lower() in ABSENT]
    there = [cell for cell in counts if cell not in absent]
    whole = all(as_number(cell) is not None for cell in there)
    return sorted(there, key=(lambda c: float(c)) if whole else None), absent


def _choice(
    rows: Rows, named: dict[str, str]
) -> tuple[dict[str, int] | None, list[str], list[str]]:
    """Return codes of choices, cells of missed ones, and what has to be asked."""
    there, absent = _cells(rows.cells[named["choice"]])
    numbers = [as_number(cell) for cell in there]
    if all(n is not None and n == int(n) for n in numbers) and there:
        values = [int(float(cell)) for cell in there]
        odd = [v for v in values if v < 0 or (v == 0 and _rare(rows.cells[named["choice"]], "0"))]
        kept = [v for v in values if v not in odd]
        if kept and kept == list(range(kept[0], kept[0] + len(kept))) and kept[0] in (0, 1):
            codes = {str(v): i for i, v in enumerate(kept)}
            asked = [
                f"does {named['choice']} {v} mean that no choice was made? Say [codes] "
                f"missing.choice = [{', '.join(map(str, odd))}]"
                for v in odd[:1]
            ]
            return codes, absent, asked
    if len(there) > MOST_CODES:
        return (
            None,
            absent,
            [
                f"{named['choice']} has {len(there)} different values: which are arms? Say [codes] "
                'choice = {"A" = 0, "B" = 1}'
            ],
        )
    codes = {cell: i for i, cell in enumerate(there)}
    rare = [cell for cell in there if _rare(rows.cells[named["choice"]], cell)]
    asked = [
        f"is {cell!r} of {named['choice']} a choice? If it is none, list it in [codes] missing and "
        "count the arms again"
        for cell in rare
    ]
    return codes, absent, asked


def _rare(cells: Sequence[str], cell: str) -> bool:
    """Return whether fewer cells than a tenth are this one."""
    return sum(normal(one) == cell for one in cells) < 0.1 * len(cells)


def _reward(
    cells: Sequence[str], theirs: str, ours: str
) -> tuple[dict[str, float] | None, list[str], list[str]]:
    """Return codes of outcomes that are no numbers, cells that stand for nothing, and questions."""
    there, absent = _cells(cells)
    words = [cell for cell in there if as_number(cell) is None]
    if not words:
        if there == ["1", "2"] and ours == "reward":
            return (
                None,
                absent,
                [
                    f"{theirs} is 1 or 2: which is the reward? Say [codes] reward = "
                    '{"1" = 1, "2" = 0}'
                ],
            )
        return None, absent, []
    if all(word.lower() in WORDS["reward"] for word in words) and len(words) == len(there):
        return {word: WORDS["reward"][word.lower()] for word in words}, absent, []
    amounts = {cell: _amount(cell) for cell in there}
    seen = {cell: amount for cell, amount in amounts.items() if amount is not None}
    if len(seen) == len(there):
        return seen, absent, []
    words = [word for word in words if word not in seen]
    shown = ", ".join(repr(word) for word in words[:LISTED])
    example = ", ".join(f'"{word}" = ?' for word in words[:2])
    return (
        None,
        absent,
        [
            f"what do {shown} of {theirs} pay? Say [codes] {ours} = {{{example}}} with numbers for "
            "?, or list them in missing"
        ],
    )


def _amount(cell: str) -> float | None:
    """Return the number of a cell such as ``-€0.50``, ``1.200,00 EUR`` or ``3``; None: none seen.

    Of points and commas the last one is decimal, but where it comes again or three digits follow
    (of an amount without a currency, such as ``1,200``, nobody can tell).
    """
    if (number := as_number(cell)) is not None:
        return number
    bare = "".join(c for c in cell if unicodedata.category(c) not in ("Sc", "Zs"))
    bare = re.sub(r"^([+-]?)[A-Z]{3}|[A-Z]{3}$", r"\1", bare.replace("\u2212", "-"))
    found = re.fullmatch(
        r"([+-]?)([1-9]\d{0,2}(?:([.,'])\d{3})(?:\3\d{3})*|\d+)(?:([.,])(\d+))?", bare
    )
    unsure = (
        found is not None and found[3] and (found[3] == found[4] or (bare == cell and not found[4]))
    )
    if found is None or unsure:
        return None
    whole = found[2].replace(found[3], "") if found[3] else found[2]
    return float(f"{found[1]}{whole}.{found[5] or 0}")


def _later(
    name: str, cells: Sequence[str], theirs: str
) -> tuple[dict[str, int] | None, list[str], list[str]]:
    """Return codes of the second stage."""
    there, absent = _cells(cells)
    if name == "transition":
        if all(
            c.lower() in ("0", "1", "common", "rare", "uncommon", "true", "false") for c in there
        ):
            return None, absent, []
        return (
            None,
            absent,
            [
                f"which of {', '.join(there[:LISTED])} of {theirs} is common? Say [codes] "
                f'transition = {{"{there[0]}" = 1}}, 1 for common and 0 for rare'
            ],
        )
    if len(there) > MOST_CODES:
        return None, absent, [f"{theirs} has {len(there)} values: say what they are in [codes]"]
    if there == [str(k) for k in range(len(there))]:
        return None, absent, []
    return {cell: i for i, cell in enumerate(there)}, absent, []

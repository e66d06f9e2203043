"""A finding: one measured number beside the published one, the optimum and the bar it must meet.

Every experiment yields findings; the printed report, the JSON and the README tables are all made
here, so they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.stats.intervals import Interval, interval

Better = Literal["lower", "higher", "near"]
Verdict = Literal["met", "open", "missed"]
VERDICTS: tuple[Verdict, ...] = ("met", "open", "missed")
Reference = float | tuple[float, float] | None


@dataclass(frozen=True)
class Finding:
    """One measured number and what to hold it against.

    A bar is *met* if the whole interval is on its right side, *missed* if the whole interval is on
    the wrong side, and *open* in between: more members or episodes would tell. Without an interval
    (one member) there is no verdict. What could not be measured leaves its bar open.

    Attributes:
        name: What was measured, in words ("regret, independent arms").
        value: The measured number; NaN where it could not be measured (written as null).
        low: Lower end of its 95 % interval over members (of a worst member: over its episodes; of
            an exact number: the number), None if there is none.
        high: Upper end of that interval, None if there is none.
        published: What the cited paper prints: a number, a range (low, high), or None.
        optimum: The exact optimum, or None where it is not known.
        bar: What must be met: a number, reached in the direction of ``better``, or a range
            (low, high) the value must lie in.
        goal: What we aim at beyond the bar, in the same form.
        better: "lower", "higher", or "near" (inside a range; bar and goal are then ranges).
        unit: Unit of the value ("reward/trial"); empty for a pure number.
        note: One line a reader of the table needs.
        other: What another source says, which the note names: a rebuild of the published method, a
            computed value, another paper. In the form of `published`.
        bound: What nobody can pass, but perhaps nobody can reach either, in place of the optimum.
        failure: A member whose value is on the wrong side of this number has failed; None where
            no failure is stated.
        succeeded: How many members have not failed, and of how many, (7, 8).
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    published: Reference = None
    optimum: float | None = None
    bar: Reference = None
    goal: Reference = None
    better: Better = "higher"
    unit: str = ""
    note: str = ""
    other: Reference = None
    bound: float | None = None
    failure: float | None = None
    succeeded: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ValueError: If ``better`` is unknown, a range is reversed, or "near" has no range.
        """
        if self.better not in ("lower", "higher", "near"):
            raise ValueError(
                f"{self.name}: better must be 'lower', 'higher' or 'near', got {self.better!r}"
            )
        for label in ("published", "other", "bar", "goal"):
            reference = getattr(self, label)
            if isinstance(reference, tuple) and (
                len(reference) != 2 or not reference[0] <= reference[1]
            ):
                raise ValueError(f"{self.name}: {label} must be (low, high), got {reference}")
        for label in ("bar", "goal"):
            reference = getattr(self, label)
            if self.better == "near" and isinstance(reference, float | int):
                raise ValueError(f"{self.name}: near needs a range as {label}, got {reference}")

    @classmethod
    def of(cls, name: str, interval: Interval, **fields: Any) -> Finding:
        """Return a finding from an interval over members."""
        return cls(name, interval.value, interval.low, interval.high, **fields)

    @classmethod
    def of_members(
        cls,
        name: str,
        values: ArrayLike,
        failure: float,
        better: Better = "higher",
        within: tuple[float, float] = (-math.inf, math.inf),
        **fields: Any,
    ) -> Finding:
        """Return the mean over members with its interval, and how many members have not failed.

        Args:
            name: What was measured, in words.
            values: One number a member ``[M]``.
            failure: What a member that has not failed reaches.
            better: "lower" or "higher".
            within: Bounds that the interval does not leave.
            **fields: Other fields.
        """
        members = np.asarray(values, dtype=np.float64)
        learned = members <= failure if better == "lower" else members >= failure
        counts = int(learned.sum()), len(members)
        fields |= {"better": better, "failure": failure, "succeeded": counts}
        return cls.of(name, interval(members, within=within), **fields)

    @property
    def verdict(self) -> Verdict | None:
        """Say what the interval says of the bar; None without a bar or an interval."""
        return self._judged(self.bar)

    @property
    def goal_verdict(self) -> Verdict | None:
        """Say what the interval says of the goal; None without a goal or an interval."""
        return self._judged(self.goal)

    def _judged(self, reference: Reference) -> Verdict | None:
        if reference is None:
            return None
        if math.isnan(self.value):
            return "open"
        if self.low is None or self.high is None:
            return None
        least, most = _range(reference, self.better)
        if least <= self.low and self.high <= most:
            return "met"
        return "missed" if self.high < least or self.low > most else "open"

    def to_json(self) -> dict[str, Any]:
        """Return all fields and both verdicts as JSON values; null if absent or NaN."""
        fields = ("value", "low", "high", "published", "other", "optimum", "bound", "bar", "goal")
        numbers = {label: _json_number(getattr(self, label)) for label in (*fields, "failure")}
        return {
            "name": self.name,
            **numbers,
            "better": self.better,
            "verdict": self.verdict,
            "goal_verdict": self.goal_verdict,
            "unit": self.unit,
            "note": self.note,
            "succeeded": None if self.succeeded is None else list(self.succeeded),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Finding:
        """Return a finding from what `to_json` gave; verdicts are made anew from the numbers."""
        fields = {key: row[key] for key in cls.__dataclass_fields__ if key in row}
        for key in ("published", "other", "bar", "goal", "succeeded"):
            if isinstance(fields.get(key), list):
                fields[key] = tuple(fields[key])
        if fields["value"] is None:
            fields["value"] = float("nan")
        return cls(**fields)


def tally(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """Return how many findings are met, open and missed."""
    verdicts = [finding.verdict for finding in findings]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def tally_text(findings: Iterable[Finding]) -> str:
    """Return "3 met, 1 open, 0 missed", or "" where nothing has a verdict."""
    counts = tally(findings)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return said if sum(counts.values()) else ""


def table(findings: Sequence[Finding], format: Literal["text", "markdown"] = "text") -> str:
    """Return findings as a table, one row each; columns that would be empty are left out.

    Args:
        findings: What to show.
        format: "text" for a terminal, "markdown" for a README.

    Returns:
        The table, without a newline at its end.
    """
    if format not in ("text", "markdown"):
        raise ValueError(f"format must be 'text' or 'markdown', got {format!r}")
    header = ["finding", "measured", "95 % interval", "members that learned", "published"]
    header += ["other source", "optimum", "bound", "bar", "verdict", "goal", "note"]
    rows = [_row(finding) for finding in findings]
    kept = [i for i in range(len(header)) if i < 2 or any(row[i] for row in rows)]
    cells = [[row[i] for i in kept] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(kept))]
    left = [header[i] in ("finding", "verdict", "note") for i in kept]
    lines = [
        [c.ljust(w) if ll else c.rjust(w) for c, w, ll in zip(row, widths, left, strict=True)]
        for row in cells
    ]
    if format == "text":
        rule = ["-" * width for width in widths]
        return "\n".join("  ".join(line).rstrip() for line in [lines[0], rule, *lines[1:]])
    rule = ["-" * w if ll else "-" * (w - 1) + ":" for w, ll in zip(widths, left, strict=True)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def number(value: float) -> str:
    """Return a number for a table: 0.664, 12.35, 123.5, 20,000; "n/a" for NaN."""
    if math.isnan(value):
        return "n/a"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size < 0.001 and value != 0:
        return f"{value:.1e}"
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def span(low: float | None, high: float | None) -> str:
    """Return the ends of an interval for a table, "" if there is none."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def _row(finding: Finding) -> list[str]:
    sign = {"lower": "<= ", "higher": ">= ", "near": ""}[finding.better]
    return [
        finding.name,
        number(finding.value) + (f" {finding.unit}" if finding.unit else ""),
        span(finding.low, finding.high),
        _learned(finding, sign),
        _reference(finding.published),
        _reference(finding.other),
        _reference(finding.optimum),
        _reference(finding.bound),
        _reference(finding.bar, sign),
        finding.verdict or "",
        _reference(finding.goal, sign),
        finding.note,
    ]


def _learned(finding: Finding, sign: str) -> str:
    if finding.succeeded is None:
        return ""
    count, members = finding.succeeded
    return f"{count} of {members} ({_reference(finding.failure, sign)})"


def _reference(reference: Reference, sign: str = "") -> str:
    if reference is None:
        return ""
    if isinstance(reference, tuple):
        return span(*reference)
    return sign + number(reference)


def _range(reference: float | tuple[float, float], better: Better) -> tuple[float, float]:
    """Return the least and the largest value that meet a reference."""
    if isinstance(reference, tuple):
        return reference
    return (-math.inf, reference) if better == "lower" else (reference, math.inf)


def _json_number(value: Reference) -> float | list[float] | None:
    if value is None:
        return None
    if isinstance(value, tuple):
        return [float(end) for end in value]
    return float(value) if math.isfinite(value) else None

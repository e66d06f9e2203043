"""A finding: one measured number beside the published one, the optimum and the bar it must meet.

Every experiment yields findings; the printed report, the JSON and the README tables are all made
here, so they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prefrontal.analysis.stats.intervals import Interval

Better = Literal["lower", "higher", "near"]
Reference = float | tuple[float, float] | None


@dataclass(frozen=True)
class Finding:
    """One measured number and what to hold it against.

    Attributes:
        name: What was measured, in words ("regret, independent arms").
        value: The measured number; NaN where it could not be measured (written as null).
        low: Lower end of its 95 % interval over members, None if there is none.
        high: Upper end of its 95 % interval over members, None if there is none.
        published: What the paper reports: a number, a range (low, high), or None.
        optimum: The exact optimum, or None where it is not known.
        bar: What must be met: a number, reached in the direction of ``better``, or a range
            (low, high) the value must lie in.
        goal: What we aim at beyond the bar, in the same form.
        better: "lower", "higher", or "near" (inside a range; bar and goal are then ranges).
        unit: Unit of the value ("reward/trial"); empty for a pure number.
        note: One line a reader of the table needs.
        throughout: Whether the whole interval has to meet the bar and the goal, not the value
            alone.
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
    throughout: bool = False

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ValueError: If ``better`` is unknown, a range is reversed, or "near" has no range.
        """
        if self.better not in ("lower", "higher", "near"):
            raise ValueError(
                f"{self.name}: better must be 'lower', 'higher' or 'near', got {self.better!r}"
            )
        for label in ("published", "bar", "goal"):
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

    @property
    def met(self) -> bool | None:
        """Say if the value (or, `throughout`, its interval) meets the bar; None without a bar."""
        return self._reached(self.bar)

    @property
    def goal_met(self) -> bool | None:
        """Say if the value (or, `throughout`, its interval) meets the goal; None without a goal."""
        return self._reached(self.goal)

    def _reached(self, reference: Reference) -> bool | None:
        values = [self.value]
        if self.throughout:
            values += [end for end in (self.low, self.high) if end is not None]
        met = [_reached(value, reference, self.better) for value in values]
        return None if reference is None else all(met)

    def to_json(self) -> dict[str, Any]:
        """Return all fields, ``met`` and ``goal_met`` as JSON values; null if absent or NaN."""
        fields = ("value", "low", "high", "published", "optimum", "bar", "goal")
        numbers = {label: _json_number(getattr(self, label)) for label in fields}
        return {
            "name": self.name,
            **numbers,
            "better": self.better,
            "met": self.met,
            "goal_met": self.goal_met,
            "unit": self.unit,
            "note": self.note,
            "throughout": self.throughout,
        }


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
    header = ["finding", "measured", "95 % interval", "published", "optimum", "bar", "met", "goal"]
    header += ["note"]
    rows = [_row(finding) for finding in findings]
    kept = [i for i in range(len(header)) if i < 2 or any(row[i] for row in rows)]
    cells = [[row[i] for i in kept] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(kept))]
    left = [header[i] in ("finding", "met", "note") for i in kept]
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
    met = {True: "yes", False: "no", None: ""}[finding.met]
    return [
        finding.name,
        number(finding.value) + (f" {finding.unit}" if finding.unit else ""),
        span(finding.low, finding.high),
        _reference(finding.published),
        _reference(finding.optimum),
        _reference(finding.bar, sign)
        + (" throughout" if finding.throughout and finding.bar is not None else ""),
        met,
        _reference(finding.goal, sign),
        finding.note,
    ]


def _reference(reference: Reference, sign: str = "") -> str:
    if reference is None:
        return ""
    if isinstance(reference, tuple):
        return span(*reference)
    return sign + number(reference)


def _reached(value: float, reference: Reference, better: str) -> bool | None:
    if reference is None:
        return None
    if isinstance(reference, tuple):
        return bool(reference[0] <= value <= reference[1])
    return bool(value <= reference if better == "lower" else value >= reference)


def _json_number(value: Reference) -> float | list[float] | None:
    if value is None:
        return None
    if isinstance(value, tuple):
        return [float(end) for end in value]
    return float(value) if math.isfinite(value) else None

"""The table of findings in the README, made from the shipped populations: ``python -m experiments.report``.

Each row is one measured number with its interval over members, taken from ``pretrained/*/evaluation/metrics.json``, which
``evaluate.py`` writes. Nothing in the table is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from analysis.findings import Finding, table

BEGIN, END = "<!-- findings: written by `make findings` -->", "<!-- end of findings -->"


def main(root: Path = Path()) -> int:
    """Rewrites the table between the marks in ``README.md``."""
    readme = root / "README.md"
    text = readme.read_text()
    if BEGIN not in text or END not in text:
        print(f"error: {readme} has no line {BEGIN}", file=sys.stderr)
        return 2
    parts = [
        _section(path) for path in sorted((root / "pretrained").glob("*/evaluation/metrics.json"))
    ]
    body = "\n\n".join([BEGIN, *parts, END])
    readme.write_text(
        re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: body, text, flags=re.DOTALL)
    )
    return 0


def _section(path: Path) -> str:
    """One experiment: its name, its size, and the findings that are held against something."""
    metrics = json.loads(path.read_text())
    findings = [f for f in map(_finding, metrics["findings"]) if not f.name.startswith("reference")]
    members = max(metrics["members"].values())
    judged = [f.met for f in findings if f.met is not None]
    title = (
        f"**`{metrics['experiment']}`** ({metrics['reference']}): {sum(judged)} of {len(judged)} bars met; "
        f"{members} members, {metrics['episodes']:,} episodes each, seed {metrics['seed']}; "
        f"`python evaluate.py pretrained/{metrics['experiment']}`"
    )
    return f"{title}\n\n{table(findings, 'markdown')}"


def _finding(row: dict[str, Any]) -> Finding:
    """A finding read back from JSON."""
    fields = {key: value for key, value in row.items() if key not in ("met", "goal_met")}
    for key in ("published", "bar", "goal"):
        if isinstance(fields[key], list):
            fields[key] = tuple(fields[key])
    if fields["value"] is None:
        fields["value"] = float("nan")
    return Finding(**fields)


if __name__ == "__main__":
    sys.exit(main())

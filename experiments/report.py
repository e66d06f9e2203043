"""Tables of the README and of the model cards: ``python -m prefrontal.experiments.report``.

Each row of the findings is one measured number with its interval over members, from
``pretrained/*/findings.json``, the ``metrics.json`` of the shipped evaluation. The environments
come from the registry. Nothing in the tables is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

from prefrontal import envs
from prefrontal.analysis.stats.findings import Finding, table, tally_text
from prefrontal.experiments.judging import stale


def main(root: Path = Path()) -> int:
    """Rewrite the tables between the marks in ``README.md``, and those in the model cards."""
    readme = root / "README.md"
    shipped = sorted((root / "pretrained").glob("*/findings.json"))
    if not shipped:
        print(f"error: there are no findings in {root / 'pretrained'}", file=sys.stderr)
        return 2
    for path in shipped:
        if not _refresh_card(path):
            print(
                f"error: {path.parent} has no MODEL_CARD.md with a table of findings",
                file=sys.stderr,
            )
            return 2
    text = readme.read_text()
    for name, body in (
        ("findings", "\n\n".join(map(_section, shipped))),
        ("environments", _environments()),
    ):
        begin, end = f"<!-- {name}: written by `make findings` -->", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            print(f"error: {readme} has no lines {begin} and {end}", file=sys.stderr)
            return 2
        between = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
        text = between.sub(_constant("\n\n".join((begin, body, end))), text)
    readme.write_text(text)
    if old := stale(shipped):
        print(f"note: judged by other code than there is now: {', '.join(old)}", file=sys.stderr)
    return 0


def _constant(text: str) -> Callable[[re.Match[str]], str]:
    """Return a replacement that is taken as it is, with its backslashes."""
    return lambda _: text


def _refresh_card(path: Path) -> bool:
    """Put the findings into the table of the model card beside them; return whether it has one."""
    card = path.parent / "MODEL_CARD.md"
    if not card.is_file():
        return False
    rows = table(
        [Finding.from_json(row) for row in json.loads(path.read_text())["findings"]], "markdown"
    )
    old = re.compile(r"^\| finding .*?(?=\n\n|\n*\Z)", re.DOTALL | re.MULTILINE)
    text, found = old.subn(lambda _: rows, card.read_text(), count=1)
    card.write_text(text)
    return found == 1


def _environments() -> str:
    """Return every registered environment with the first line of its docstring."""
    rows = [
        f"| `prefrontal/{name}-v0` | {(task.__doc__ or '').strip().splitlines()[0]} |"
        for name, task in ((name, envs.task_class(name)) for name in envs.TASKS)
    ]
    return "\n".join(["| id | task |", "|---|---|", *rows])


def _section(path: Path) -> str:
    """Return one experiment, folded: its name and bars met; unfolded, command and findings."""
    metrics = json.loads(path.read_text())
    findings = [Finding.from_json(row) for row in metrics["findings"]]
    sizes = sorted({*metrics["members"].values()})
    members = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}"
    said = tally_text(findings)
    bars = f": {said}" if said else ""
    summary = f"<b><code>{metrics['experiment']}</code></b> ({escape(metrics['reference'])}){bars}"
    size = (
        f"{members} members, {metrics['episodes']:,} episodes each, seed {metrics['seed']}; "
        f"`prefrontal evaluate {metrics['experiment']}`"
    )
    return "\n\n".join(
        [f"<details><summary>{summary}</summary>", size, table(findings, "markdown"), "</details>"]
    )


if __name__ == "__main__":
    sys.exit(main())

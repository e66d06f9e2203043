"""Tables of README, findings pages and model cards: ``python -m prefrontal.experiments.report``.

Each row of a table is one measured number with its interval over members, from
``pretrained/*/findings.json``, the ``metrics.json`` of the shipped evaluation. A page in
``docs/findings`` holds all numbers of one experiment; README and the first page of the findings
hold one row an experiment. Nothing in the tables is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefrontal.agents.common.files import read_toml
from prefrontal.analysis.stats.findings import VERDICTS, Finding, number, span, table, tally
from prefrontal.experiments.judging import stale
from prefrontal.experiments.names import summaries

#: The number that a row of README shows, where it is not the first that has a bar.
HEADLINES = {
    "bandit-ablations": "cost of one-pass",
    "course-baldwin-harlow": "champion, fresh tasks, baldwin",
    "course-changing-reward": "red/yellow after mode 2, worst member, replay",
    "hinton-nowlan-1987": "populations that ever had a perfect genotype, learning",
    "learning-rules": "accuracy, trial 2, 3 blank steps, bptt",
    "meta-changing-reward": "accuracy 10 trials after, concept, agent",
    "wang2018-harlow": "accuracy, trial 2, abstract",
    "wang2018-two-step": "model-based index",
    "zhang2024-modularity": "area of the boundary sweep, 2x, modular",
}


def main(root: Path = Path()) -> int:
    """Rewrite the tables of README, of the pages in ``docs/findings`` and of the model cards."""
    shipped = sorted((root / "pretrained").glob("*/findings.json"))
    pages = root / "docs" / "findings"
    places = {
        root / "README.md": ("docs/findings/", "a row each"),
        pages / "index.md": ("", "a row each"),
    }
    if not shipped:
        return _error(f"there are no findings in {root / 'pretrained'}")
    for path in shipped:
        if not _refresh_card(path):
            return _error(f"{path.parent} has no MODEL_CARD.md with a table of findings")
    for place, (folder, name) in places.items():
        if not place.is_file() or not _put(place, name, _summary(shipped, folder)):
            return _error(f"{place} has no lines {' and '.join(_marks(name))}")
    for path in shipped:
        page = pages / f"{path.parent.name}.md"
        if not page.is_file():
            page.write_text(f"# {_title(path.parent.name)}\n\n" + "\n".join(_marks("findings")))
        if not _put(page, "findings", _section(path)):
            return _error(f"{page} has no lines {' and '.join(_marks('findings'))}")
    if old := stale(shipped):
        print(f"note: judged by other code than there is now: {', '.join(old)}", file=sys.stderr)
    return 0


def _error(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 2


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: written by `make findings` -->", f"<!-- end of {name} -->"


def _put(page: Path, name: str, body: str) -> bool:
    """Put text between the two marks of a page; return whether it has them."""
    begin, end = _marks(name)
    between = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    text, found = between.subn(_constant(f"{begin}\n\n{body}\n\n{end}"), page.read_text())
    if found:
        page.write_text(text.rstrip("\n") + "\n")
    return found == 1


def _constant(text: str) -> Callable[[re.Match[str]], str]:
    """Return a replacement that is taken as it is, with its backslashes."""
    return lambda _: text


def _refresh_card(path: Path) -> bool:
    """Put the findings into the table of the model card beside them; return whether it has one."""
    card = path.parent / "MODEL_CARD.md"
    if not card.is_file():
        return False
    rows = table(_findings(json.loads(path.read_text())), "markdown")
    old = re.compile(r"^\| finding .*?(?=\n\n|\n*\Z)", re.DOTALL | re.MULTILINE)
    text, found = old.subn(_constant(rows), card.read_text(), count=1)
    card.write_text(text)
    return found == 1


def _findings(metrics: Mapping[str, Any]) -> list[Finding]:
    return [Finding.from_json(row) for row in metrics["findings"]]


def _title(experiment: str) -> str:
    return summaries()[experiment].rstrip(".")


def _headline(experiment: str, findings: Sequence[Finding]) -> Finding:
    """Return the main number: one of `HEADLINES`, else the first with a bar, else the first."""
    judged = [f for f in findings if f.bar is not None and "worst member" not in f.name]
    named = [f for f in findings if f.name == HEADLINES.get(experiment)]
    return (named or judged or list(findings))[0]


def _verdict(findings: Sequence[Finding]) -> str:
    """Return what the bars say together: "reproduced (3 of 3 bars)", "-" where there are none."""
    counts = tally(findings)
    met, still_open, missed = (counts[verdict] for verdict in VERDICTS)
    if not met + still_open + missed:
        return "no bar"
    word = "not reproduced" if missed else "undecided" if still_open else "reproduced"
    return f"{word}, {met} of {met + still_open + missed}"


def _summary(shipped: Sequence[Path], folder: str) -> str:
    """Return a table with one row an experiment: verdict, main number, link to its page."""
    rows = ["| experiment | verdict, bars met | main number (95 % interval) |", "|---|---|---|"]
    for path in shipped:
        name = path.parent.name
        findings = _findings(json.loads(path.read_text()))
        main = _headline(name, findings)
        ends = f" ({between})" if (between := span(main.low, main.high)) else ""
        said = f"{main.name}: {number(main.value)}{ends}"
        rows.append(f"| [{name}]({folder}{name}.md) | {_verdict(findings)} | {said} |")
    return "\n".join(rows)


def _section(path: Path) -> str:
    """Return one experiment: source, verdict, commands, budget of training, all its findings."""
    metrics = json.loads(path.read_text())
    findings, name = _findings(metrics), metrics["experiment"]
    conditions = read_toml(path.parent / "config.toml")["conditions"]
    budget = [
        f"`{condition}` {one['training'].get('members', 1)} members, "
        f"{one['training'].get('total_steps', 0):,} steps each"
        for condition, one in conditions.items()
    ]
    return "\n\n".join(
        [
            f"{_title(name)}. After {metrics['reference']}.",
            f"**Verdict**: {metrics['conclusion'] or 'no finding has a bar'}.",
            f"```\nprefrontal evaluate {name}      # these numbers, from the shipped agents\n"
            f"prefrontal reproduce {name}     # train the agents from nothing, and evaluate them\n"
            "```",
            f"Training: {'; '.join(budget)}. Where a paper tells its budget, that is a row of the "
            f"table. Evaluation: {metrics['episodes']:,} episodes of each member, seed "
            f"{metrics['seed']}.",
            table(findings, "markdown"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

"""Pages made at every build, from the packages themselves, into ``docs/generated``."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import reference
import tables
from sphinx.util import logging

#: Pages of the table of contents that a checkout may lack.
OPTIONAL = ("report", "studies", "many-machines", "performance", "speed")


def literal_tables(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with tables kept as they are, and bars that are no markup."""
    done: list[str] = []
    inside = False
    for line in lines:
        starts = line.lstrip().startswith("|")
        if starts and not inside:
            done += ["", " " * (len(line) - len(line.lstrip())) + "::", ""]
        elif inside and not starts:
            done += [""]
        inside = starts
        done.append("    " + line if starts else re.sub(r"(?<!`)\|(?!`)", r"\\|", line))
    return done


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Mend what reStructuredText would take for markup."""
    lines[:] = [re.sub(r"^#+ (.*)", r"**\1**", line) for line in literal_tables(lines)]


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out functions of other libraries that are attributes of ours."""
    inner = getattr(obj, "__func__", obj)
    return True if inspect.isbuiltin(inner) else None


def generate(app: Any) -> None:
    """Write all pages."""
    out = Path(app.srcdir) / "generated"
    reference.write(out / "api")
    tables.write(out, Path(app.srcdir).parent / "pretrained")
    notebooks(Path(app.srcdir) / "tutorials", out / "notebooks")


def notebooks(tutorials: Path, out: Path) -> None:
    """Write the tutorials as notebooks without output, to download."""
    import jupytext

    out.mkdir(parents=True, exist_ok=True)
    for page in sorted(tutorials.glob("*.md")):
        if page.read_text().startswith("---"):
            jupytext.write(jupytext.read(page), out / f"{page.stem}.ipynb")


def complete(app: Any, page: str, content: list[str]) -> None:
    """Add its learning curves to the page of a finding, and the notebook to that of a tutorial."""
    if page == "index":  # pages that there need not be
        for name in OPTIONAL:
            if not (Path(app.srcdir) / f"{name}.md").is_file():
                content[0] = content[0].replace(f"\n{name}\n", "\n")
    folder, _, name = page.rpartition("/")
    made = Path(app.srcdir) / "generated"
    if folder == "findings" and (made / "curves" / f"{name}.png").is_file():
        content[0] += (
            f"\n## Learning curves\n\n![Return over training, mean and every member]"
            f"(../generated/curves/{name}.png)\n\nOf the shipped agents: mean over members with a "
            "95 % interval, and every member as a thin line.\n"
        )
    if folder == "tutorials" and (made / "notebooks" / f"{name}.ipynb").is_file():
        place = f"../generated/notebooks/{name}.ipynb"
        content[0] += f"\n---\n\n{{download}}`This page as a notebook <{place}>`\n"


def complain(app: Any, env: Any) -> None:
    """Warn of public names that have no entry in the reference."""
    found = env.get_domain("py").objects
    for name in reference.public():
        if name not in found:
            logging.getLogger(__name__).warning("%s has no entry in the reference", name)


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("source-read", complete)
    app.connect("env-check-consistency", complain)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

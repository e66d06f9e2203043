"""One HTML file on runs: `prefrontal report`, and `prefrontal.report`.

The file holds everything: style, scripts and data. It asks no host for anything, and its policy of
contents forbids it to. Data stands in it as JSON and is written as text, never as markup.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.doors import Doors
from prefrontal.reading import built
from prefrontal.showing.agents_data import agents, as_json
from prefrontal.showing.fits_data import fit, is_fit
from prefrontal.showing.options import ReportOptions
from prefrontal.showing.runs import names_of, opened

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("base.js", "charts.js", "findings.js", "curves.js", "player.js", "fits.js", "page.js")
EPISODES = 2_600_000  # characters for the episodes of all runs
LARGEST = 5_000_000  # bytes of a file


def report(
    runs: Any,
    *more: Any,
    out: Path | str = "report.html",
    episodes: int = 3,
    split: str = "held_out",
    seed: int = 0,
    task: Any = None,
    core: Any = None,
    study: str | None = None,
) -> Path:
    """Write one HTML file on one or several runs: findings, learning curves, episodes step by step.

    Args:
        runs: Run folder of agents or of a fit, or shipped population; or a list of them.
        *more: More runs, which stand beside it.
        out: File to write.
        episodes: Episodes of each member in the player, at most.
        split: Tasks that are played, where an evaluation has recorded none.
        seed: Seed of what is played.
        task: Task of yours that the agents were trained on.
        core: Core of yours that they have.
        study: Study of yours that they were trained for.

    Returns:
        The file.

    Raises:
        ConfigError: There is no such run, or a file of it cannot be read.
    """
    every = [*(runs if isinstance(runs, list | tuple) else [runs]), *more]
    given = {
        "runs": tuple(Path(getattr(one, "path", one)) for one in every),
        "out": Path(out),
        "episodes": episodes,
        "split": split,
        "seed": seed,
    }
    return report_by(built(ReportOptions, given), Doors(task, core, study))


def report_by(options: ReportOptions, doors: Doors | None = None) -> Path:
    """Write a report as options say; return its file."""
    doors = doors or Doors(options.task, options.core, options.study)
    out = options.out.expanduser()
    if out.suffix not in (".html", ".htm"):
        raise ConfigError(f"a report is written to a file NAME.html, not {out}")
    if not options.runs:
        raise ConfigError("name a run folder or a shipped population")
    share = EPISODES / len(options.runs)
    runs = []
    for path, name in zip(options.runs, names_of(options.runs), strict=True):
        if is_fit(path):
            runs.append(fit(path, name, share))
        else:
            run = opened(path, doors, name)
            runs.append(agents(run, options.episodes, options.split, options.seed, share))
    text = page({"runs": _within(runs), "version": _version()})
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def _within(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave figures out where all of them make the file too large."""
    for run in reversed(runs):
        if len(as_json({"runs": runs})) > LARGEST - 200_000:
            run["figures"] = []
    return list(runs)


def _version() -> str:
    try:
        return version("prefrontal")
    except PackageNotFoundError:
        return ""


def page(data: dict[str, Any]) -> str:
    """Return the page that shows data: one text, with style and scripts of the package in it."""
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    script = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    text = (PAGE / "page.html").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {"STYLE": style, "DIGEST": digest, "SCRIPT": script, "DATA": as_json(data)}
    pieces = text.split("@@")  # NAMES of parts at odd places
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))

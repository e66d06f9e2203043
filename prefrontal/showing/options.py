"""Options of `compare` of agents, `report` and `play`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prefrontal.checking import check, option

Split = Literal["held_out", "train", "all"]


@dataclass(frozen=True)
class PlayOptions:
    """Draw an episode as a film."""

    what: str = option(
        dataclasses.MISSING,
        "Run folder, shipped population (`prefrontal list shipped`), or a task, which the random "
        "policy plays: a Gymnasium id, FILE.py:CLASS or PACKAGE:ID.",
    )
    member: int = option(0, "Which member plays.", least=0)
    condition: str | None = option(None, "Which condition plays; none: the first.")
    out: Path = option(Path("play.gif"), "File to write: NAME.gif, or NAME.mp4 with ffmpeg.")
    split: Split | None = option(
        None, "Tasks to draw from; none: held-out ones, and all for the random policy."
    )
    seed: int = option(0, "Seed of task, noise and actions.", least=0)
    frames: int = option(200, "Steps that are shown, at most.", least=1)
    fps: int = option(4, "Steps a second.", least=1, most=50)
    task: str | None = option(
        None, "Task of yours that the agents were trained on, FILE.py:CLASS or PACKAGE:ID."
    )
    core: str | None = option(None, "Recurrent core of yours that they have, FILE.py:CLASS.")
    study: str | None = option(None, "Study of yours that they were trained for, FILE.py.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class CompareRunsOptions:
    """Compare runs of agents."""

    runs: tuple[Path, ...] = option(
        dataclasses.MISSING,
        "Run folders, or names of shipped populations; the others are held against the first.",
    )
    episodes: int = option(1000, "Episodes of each member, at most.", least=1)
    split: Split = option("held_out", "Tasks that findings are about.")
    seed: int = option(0, "Seed of tasks, noise and actions, the same for all runs.", least=0)
    out: Path | None = option(None, "Folder to write to; default runs/compare/TIME.")
    json: bool = option(False, "Print the results as JSON and nothing else.")
    task: str | None = option(
        None, "Task of yours that the agents were trained on, FILE.py:CLASS or PACKAGE:ID."
    )
    core: str | None = option(None, "Recurrent core of yours that they have, FILE.py:CLASS.")
    study: str | None = option(None, "Study of yours that they were trained for, FILE.py.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class ReportOptions:
    """Write one HTML file on one or several runs."""

    runs: tuple[Path, ...] = option(
        dataclasses.MISSING,
        "Run folders of agents or fits, or names of shipped populations; several stand side by "
        "side.",
    )
    out: Path = option(Path("report.html"), "File to write.")
    episodes: int = option(
        3, "Episodes of each member in the player, at most; fewer if the file grows.", least=1
    )
    split: Split = option("held_out", "Tasks to play, where an evaluation has recorded none.")
    seed: int = option(0, "Seed of what is played.", least=0)
    task: str | None = option(
        None, "Task of yours that the agents were trained on, FILE.py:CLASS or PACKAGE:ID."
    )
    core: str | None = option(None, "Recurrent core of yours that they have, FILE.py:CLASS.")
    study: str | None = option(None, "Study of yours that they were trained for, FILE.py.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

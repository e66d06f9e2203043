"""Options of the commands on recordings and on dynamics: align, dynamics."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prefrontal.checking import check, option


@dataclass(frozen=True)
class AlignOptions:
    """Relate a recording to models and agents, trial by trial."""

    run: Path | None = option(
        None,
        "Run folder of `prefrontal fit` on the same table: values and prediction errors of its "
        "models are related to the recording.",
        positional=True,
    )
    neural: Path | None = option(
        None,
        "Spike counts, an .npz with counts [trials, bins, units] and, if wanted, session, trial, "
        "subject, area, unit, bins.",
    )
    trials: str | None = option(
        None, "Table of the choices in these trials, as for `prefrontal fit`."
    )
    columns: Path | None = option(
        None, "What the columns of the table mean, a columns.toml; none: that of the run."
    )
    agents: str | None = option(
        None,
        "Trained agents that are shown the same trials, by commas: shipped populations or run "
        "folders. An untrained network of the same shape stands beside each.",
    )
    bins: str | None = option(None, "Bins that are counted, FIRST:END (END is not); none: all.")
    noise: Literal["gaussian", "poisson"] = option(
        "gaussian", "Squared errors, or the Poisson deviance of a log-linear model."
    )
    drift: int = option(3, "Degree of the polynomials of time that are explained away.", least=0)
    least: int = option(50, "Trials that a session must have.", least=20)
    seed: int = option(0, "Seed of the untrained networks.", least=0)
    out: Path | None = option(None, "Folder to write to; default RUN/alignment, or runs/alignment.")
    figures: bool = option(True, "Whether to write the figure.")
    json: bool = option(False, "Print the summary as JSON and nothing else.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class DynamicsOptions:
    """Find where the core of trained agents comes to rest."""

    run: Path = option(
        dataclasses.MISSING, "Run folder, or name of a shipped population (`prefrontal list`)."
    )
    condition: str | None = option(None, "Which condition; needed if the run has several.")
    split: Literal["held_out", "train", "all"] = option(
        "held_out", "Tasks that are played to visit states."
    )
    episodes: int = option(16, "Episodes of each member that are played.", least=2)
    starts: int = option(40, "Visited states that points are looked for from.", least=4)
    slow: float = option(
        1e-3,
        "Speed below which a point is slow: q = |F(h) - h|^2 / 2, each unit in its standard "
        "deviations over visited states.",
        above=0,
    )
    seed: int = option(0, "Seed of tasks and actions.", least=0)
    out: Path | None = option(None, "Folder to write to; default RUN/dynamics.")
    figures: bool = option(True, "Whether to write the figure.")
    json: bool = option(False, "Print the results as JSON and nothing else.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

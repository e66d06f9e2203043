"""Options of the commands on choices: fit, compare, recover, simulate."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prefrontal.checking import check, option

Method = Literal["ml", "map", "em", "hbi", "pooled"]
Folds = Literal["sessions", "blocks", "subjects"]

METHOD = (
    "How: maximum likelihood (ml), with a prior (map), with a population (em), several models in "
    "one population (hbi), or one parameter set for all subjects (pooled)."
)
CV = (
    "Cross-validate too: hold out sessions or blocks of every subject, or whole subjects. All "
    "models meet the same folds."
)
PRIOR = (
    "Prior variances of the two arms of Kalman filters, such as 10,0; all other models take none."
)


@dataclass(frozen=True)
class FitOptions:
    """Fit models to choices."""

    data: str = option(
        dataclasses.MISSING,
        "Table of choices (CSV, TSV, hBayesDM), .mat or .nwb file, folder (BIDS, Psych-DS), or a "
        "pattern in quotes.",
    )
    columns: Path | None = option(
        None, "What its columns mean, a columns.toml; none: one is proposed, or the format says it."
    )
    models: str = option(
        "rw,rw+persev,rw+forget+persev",
        "Models, by commas: `prefrontal list models`; CORE:UNITS for a recurrent network (gru:2), "
        "FILE.py:CLASS for one of yours.",
    )
    method: Method = option("map", METHOD)
    out: Path | None = option(None, "Run folder; default runs/fit/NAME-TIME.")
    cv: Folds | None = option(None, CV)
    folds: int | None = option(None, "Folds of the cross-validation; none: 5, or 2.", least=2)
    seeds: int = option(5, "Recurrent networks trained side by side for each name.", least=1)
    seed: int = option(0, "Seed of starting points, networks and folds.", least=0)
    prior_variance: str | None = option(None, PRIOR)
    figures: bool = option(True, "Whether to write figures.")
    json: bool = option(False, "Print the results as JSON and nothing else.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class CompareOptions:
    """Compare model classes on held-out choices."""

    run: Path = option(dataclasses.MISSING, "Run folder of `prefrontal fit`.")
    cv: Folds | None = option(
        None,
        "What is held out: sessions or blocks of every subject, or whole subjects; none: the first "
        "of these of which there are several.",
    )
    folds: int | None = option(None, "Folds; none: 5, or 2 within subjects.", least=2)
    models: str | None = option(None, "Models, by commas; none: those of the run.")
    agents: str | None = option(
        None,
        "Trained agents to compare with, by commas: shipped populations or run folders, each read "
        "out with parameters fitted to every subject.",
    )
    seeds: int = option(5, "Recurrent networks trained side by side for each name.", least=1)
    seed: int = option(0, "Seed of starting points, networks and folds.", least=0)
    out: Path | None = option(None, "Folder to write to; default RUN/comparison.")
    json: bool = option(False, "Print the results as JSON and nothing else.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class RecoverOptions:
    """Simulate models and fit them again: are parameters and models found?"""

    models: str = option("rw,rw+dual", "Models, by commas.")
    subjects: int = option(50, "Simulated subjects of each model.", least=2)
    trials: int = option(200, "Trials of each.", least=20)
    method: Method = option("em", METHOD)
    seed: int = option(0, "Seed of parameters, tasks and choices.", least=0)
    out: Path | None = option(None, "Folder to write to; default runs/recover/TIME.")
    figures: bool = option(True, "Whether to write figures.")
    json: bool = option(False, "Print the results as JSON and nothing else.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class SimulateOptions:
    """Let fitted models choose again: posterior predictive checks."""

    run: Path = option(dataclasses.MISSING, "Run folder of `prefrontal fit`.")
    per_subject: int = option(10, "Draws of every subject's choices.", least=1)
    models: str | None = option(None, "Models, by commas; none: those of the run.")
    seed: int = option(0, "Seed of the choices.", least=0)
    out: Path | None = option(None, "Folder to write to; default RUN/simulation.")
    figures: bool = option(True, "Whether to write figures.")
    json: bool = option(False, "Print the results as JSON and nothing else.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

"""Fit models of the chooser to a user's data: `prefrontal fit`; in Python `pf.read`, `pf.fit`.

What is fitted is a `prefrontal.fitted.BehaviourFit`; `fit_folder` writes it and reads it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour.files import Columns, DataError, columns_from, read, read_columns
from prefrontal.behaviour.files.building import build_behaviour
from prefrontal.behaviour.files.checks import notes_on, require_fittable
from prefrontal.behaviour.files.formats import load
from prefrontal.behaviour.files.proposing import propose
from prefrontal.behaviour.files.reading import Data, paths_of
from prefrontal.behaviour.table import Behaviour
from prefrontal.behaviour_options import FitOptions, Folds, Method
from prefrontal.fitted import (
    BehaviourFit,
    as_config_errors,
    is_network,
    models_of,
    notes_of,
    require_folder,
    require_needs,
    split,
)

__all__ = ["BehaviourFit", "fit", "read"]


def fit(
    data: Behaviour | Data,
    models: str | Sequence[Any] = "rw",
    *,
    columns: Path | str | Mapping[str, Any] | Columns | None = None,
    method: Method = "map",
    cv: Folds | None = None,
    folds: int | None = None,
    seeds: int = 5,
    seed: int = 0,
    prior_variance: Sequence[float] | None = None,
    out: Path | str | None = None,
    figures: bool = True,
) -> BehaviourFit:
    """Fit models to choices.

    Args:
        data: A table, or what `read` takes.
        models: Names by commas or in a list, or models.
        columns: What the columns mean, as `read` takes it.
        method: ``ml``, ``map``, ``em``, ``hbi`` or ``pooled``.
        cv: What to hold out for a cross-validation; None: none is made.
        folds: Its folds; None: 5, or 2 within subjects.
        seeds: Recurrent networks for each name.
        seed: Of starting points, networks and folds.
        prior_variance: Prior variances of the arms of Kalman filters.
        out: Run folder to write; None: nothing is written.
        figures: Whether to write figures.

    Raises:
        DataError: The data are not what a fit needs, in one line.
        ConfigError: There is no such model, or it does not take these data; there are folds without
            ``cv``; or ``out`` cannot be written or holds something else.
    """
    from prefrontal.behaviour.fits.fitting import Fits
    from prefrontal.behaviour.fits.fitting import fit as fit_models

    if folds is not None and cv is None:
        raise ConfigError(
            "folds are those of a cross-validation: say what is held out, --cv sessions, blocks or "
            "subjects"
        )
    require_folder(out, "fit.json", "a fit")
    settings = read_columns(columns)
    table = data if isinstance(data, Behaviour) else read(data, settings)
    require_fittable(table)
    variance = None if prior_variance is None else tuple(map(float, prior_variance))
    cognitive, networks = models_of(models, table, seeds, variance)
    require_needs(cognitive, table)
    words = [one for one in split(models) if not is_network(one)]
    code = {
        one.name: word
        for one, word in zip(cognitive, words, strict=True)
        if isinstance(word, str) and ":" in word
    }
    with as_config_errors():
        fits = fit_models(table, cognitive, method, seed) if cognitive else Fits(table, {})
        fitted = {one.name: one.fit(table, seed) for one in networks}
    notes = (*notes_on(table), *notes_of(fits))
    made = BehaviourFit(table, fits, fitted, method, seed, variance, notes, code)
    if cv is not None:
        from prefrontal.comparing import compare

        made = replace(made, comparison=compare(made, cv=cv, folds=folds, seeds=seeds, seed=seed))
    if out is None:
        return made
    from prefrontal.fit_folder import write

    return write(made, Path(out), settings, figures)


def fit_by(options: FitOptions, command: str) -> BehaviourFit:
    """Fit as the command line says, and write the run folder.

    Raises:
        DataError: Something has to be said of the data first; a `columns.toml` is proposed.
    """
    from prefrontal.fit_folder import write_command

    settings, table = _read(options)
    name = Path(options.data.rstrip("/*")).stem or "data"
    out = options.out or Path("runs", "fit", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    made = fit(
        table,
        options.models,
        columns=settings,
        method=options.method,
        cv=options.cv,
        folds=options.folds,
        seeds=options.seeds,
        seed=options.seed,
        prior_variance=variances(options.prior_variance),
        out=out,
        figures=options.figures,
    )
    write_command(out, command)
    return made


def _read(options: FitOptions) -> tuple[Columns, Behaviour]:
    """Return what the columns mean, as stated or as they seem to, and the choices."""
    paths = paths_of(options.data)
    if options.columns is not None:
        settings = read_columns(options.columns)
        return settings, read(options.data, settings)
    rows, own = load(paths)
    if not own.columns and not own.codes and own.task.arms is None:
        found = propose(rows)
        if found.questions:
            file = Path(f"{paths[0].stem}.columns.toml")
            asked = "; ".join(found.questions)
            if file.exists():
                raise DataError(f"name what the columns mean: --columns {file}, or remove it")
            file.write_text(found.text, encoding="utf-8")
            raise DataError(
                f"wrote {file} from what the table shows; answer in it, then add --columns {file}: "
                f"{asked}"
            )
        own = columns_from(found.tables()).over(own)
    return own, build_behaviour(rows, own)


def variances(text: str | None) -> tuple[float, ...] | None:
    """Return the numbers of ``10,0``.

    Raises:
        ConfigError: They are none.
    """
    if text is None:
        return None
    try:
        found = tuple(float(one) for one in text.split(","))
    except ValueError as error:
        raise ConfigError(f"prior_variance must be numbers such as 10,0, not {text!r}") from error
    if not all(0 <= one < np.inf for one in found):
        raise ConfigError(f"prior_variance must be variances from 0, not {text!r}")
    return found

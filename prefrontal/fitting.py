"""Fit models of the chooser to a user's data: `prefrontal fit`; in Python `pf.read`, `pf.fit`.

What is fitted is a `BehaviourFit`; `prefrontal.fit_folder` writes it to a folder and reads it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.behaviour.files import Columns, DataError, columns_from, read, read_columns
from prefrontal.behaviour.files.building import build_behaviour
from prefrontal.behaviour.files.checks import require_fittable
from prefrontal.behaviour.files.formats import load
from prefrontal.behaviour.files.proposing import propose
from prefrontal.behaviour.files.reading import Data, paths_of
from prefrontal.behaviour.table import Behaviour
from prefrontal.behaviour_options import FitOptions, Folds, Method

if TYPE_CHECKING:  # they import torch
    from prefrontal.behaviour.fits.fitting import Fits
    from prefrontal.behaviour.models.model import Model
    from prefrontal.comparing import BehaviourComparison

__all__ = ["BehaviourFit", "fit", "read"]


@dataclass(frozen=True)
class BehaviourFit:
    """Models fitted to choices.

    Attributes:
        behaviour: The choices.
        fits: Cognitive models, with their random-effects selection.
        networks: Recurrent networks, by name.
        method: How the cognitive models were fitted.
        seed: Of starting points and networks.
        prior_variance: Of Kalman filters, if it was stated.
        notes: What is doubtful, a line each.
        comparison: Cross-validation, if it was asked for.
        path: The run folder, if there is one.
    """

    behaviour: Behaviour
    fits: Fits
    networks: Mapping[str, Any] = field(default_factory=dict)
    method: Method = "map"
    seed: int = 0
    prior_variance: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    comparison: BehaviourComparison | None = None
    path: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of everything that was fitted."""
        return (*self.fits, *self.networks)

    def __getitem__(self, name: str) -> Any:
        """Return one that was fitted, by name."""
        return self.networks[name] if name in self.networks else self.fits[name]

    def to_plain(self) -> dict[str, Any]:
        """Return the results, ready for JSON."""
        plain = self.fits.to_plain()
        for name, one in self.networks.items():
            plain["models"][name] = _summary(one.score(self.behaviour), self.behaviour)
        plain |= {"method": self.method, "seed": self.seed, "notes": list(self.notes)}
        if self.comparison is not None:
            plain["cross_validation"] = self.comparison.to_plain()
        return plain


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
        ConfigError: There is no such model, or it does not take these data.
    """
    from prefrontal.behaviour.fits.fitting import Fits
    from prefrontal.behaviour.fits.fitting import fit as fit_models

    settings = read_columns(columns)
    table = data if isinstance(data, Behaviour) else read(data, settings)
    require_fittable(table)
    variance = None if prior_variance is None else tuple(map(float, prior_variance))
    cognitive, networks = models_of(models, table, seeds, variance)
    require_needs(cognitive, table)
    with as_config_errors():
        fits = fit_models(table, cognitive, method, seed) if cognitive else Fits(table, {})
        fitted = {one.name: one.fit(table, seed) for one in networks}
    made = BehaviourFit(table, fits, fitted, method, seed, variance, notes_of(fits))
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
    if not own.columns and not own.codes:
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


def models_of(
    models: str | Sequence[Any],
    table: Behaviour,
    seeds: int,
    prior_variance: tuple[float, ...] | None = None,
) -> tuple[list[Model], list[Any]]:
    """Return models by name: cognitive ones, and recurrent networks.

    Raises:
        ConfigError: There is no such model; suggests one.
    """
    from prefrontal.behaviour.models.catalogue import find
    from prefrontal.behaviour.networks.recurrent import Recurrent

    names = models.split(",") if isinstance(models, str) else list(models)
    names = [name.strip() if isinstance(name, str) else name for name in names]
    if prior_variance is not None and not any("kalman" in str(name) for name in names):
        raise ConfigError("prior_variance is of Kalman filters: name one, such as kalman-ucb")
    cognitive: list[Model] = []
    networks: list[Any] = []
    for name in names:
        if not isinstance(name, str):
            (networks if isinstance(name, Recurrent) else cognitive).append(name)
        elif name.rpartition(":")[2].isdigit():
            with as_config_errors():
                networks.append(Recurrent.named(name, seeds=seeds))
        else:
            kalman = prior_variance is not None and name.startswith("kalman")
            options = {"prior_variance": prior_variance} if kalman else {}
            cognitive.append(find(name, table.arms, **options))
    return cognitive, networks


def require_needs(models: Sequence[Model], table: Behaviour) -> None:
    """Check that the data have what models need.

    Raises:
        DataError: One lacks; names the model and how to give it.
    """
    for model in models:
        for name in model.needs:
            if getattr(table, name, None) is None and name not in table.columns:
                hint = (
                    'name the columns of the second stage, [columns] state2 = "...", transition = '
                    '"..."'
                    if name in ("state2", "choice2", "mapping")
                    else f'name the column, [columns] {name} = "..."'
                )
                raise DataError(f"{model.name} needs {name}, which the data do not have: {hint}")


def notes_of(fits: Fits) -> tuple[str, ...]:
    """Return what is doubtful of fits, a line each."""
    said = []
    for name, one in fits.items():
        subjects = np.asarray(one.subjects)
        indefinite = subjects[one.not_positive_definite]
        if len(indefinite):
            said.append(
                f"{name}: Hessian not positive definite for {_some(indefinite)}: no standard "
                "errors; the model has more parameters than these choices determine"
            )
        for text, flags in (("at bound", one.at_bound), ("not identified", one.not_identified)):
            for d, parameter in enumerate(one.model.parameters):
                found = subjects[flags[:, d]]
                if len(found):
                    said.append(f"{name}: {parameter.name} {text} for {_some(found)}")
        if one.not_converged.any():
            said.append(f"{name}: not converged for {_some(subjects[one.not_converged])}")
    return tuple(said)


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


@contextlib.contextmanager
def as_config_errors() -> Iterator[None]:
    """Say what models and fits find wrong in one line, without a traceback.

    Raises:
        ConfigError: In place of a `ValueError`.
    """
    try:
        yield
    except PrefrontalError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _some(names: Sequence[str] | np.ndarray) -> str:
    """Return who, or how many."""
    if len(names) <= 3:
        return ", ".join(map(str, names))
    return f"{len(names)} subjects ({', '.join(map(str, names[:3]))}, ...)"


def _summary(score: np.ndarray, table: Behaviour) -> dict[str, Any]:
    """Return the likelihood of what has no parameters to be read, by subject and in all."""
    each = np.nansum(score, axis=1)
    count = table.scored.sum(axis=1)
    if table.scored2 is not None:
        count = count + table.scored2.sum(axis=1)
    return {
        "log_likelihood": float(each.sum()),
        "normalised_likelihood": float(np.exp(each.sum() / max(count.sum(), 1))),
        "evidence": None,
        "bic": None,
        "parameters": {},
        "by_subject": {
            "log_likelihood": each.tolist(),
            "normalised_likelihood": np.exp(each / np.maximum(count, 1)).tolist(),
        },
    }

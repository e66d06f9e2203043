"""What was fitted to choices, and what is said of it: models by name, notes, results."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.agents.networks.config import CORES
from prefrontal.behaviour.files import DataError
from prefrontal.behaviour.table import Behaviour
from prefrontal.behaviour_options import Method

if TYPE_CHECKING:  # they import torch
    from prefrontal.behaviour.fits.fitting import Fits
    from prefrontal.behaviour.models.model import Model


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
        code: What models of the user's were named as, ``FILE.py:CLASS``, by the model's name.
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
    code: Mapping[str, str] = field(default_factory=dict)
    comparison: Any = None
    path: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of everything that was fitted."""
        return (*self.fits, *self.networks)

    def __getitem__(self, name: str) -> Any:
        """Return one that was fitted, by name."""
        return self.networks[name] if name in self.networks else self.fits[name]

    def __repr__(self) -> str:
        from prefrontal.fit_report import aligned, table

        return "\n".join(aligned(table(self.to_plain())))

    def to_plain(self) -> dict[str, Any]:
        """Return the results, ready for JSON."""
        plain = self.fits.to_plain()
        for name, one in self.networks.items():
            plain["models"][name] = _summary(one.score(self.behaviour), self.behaviour)
        plain |= {"method": self.method, "seed": self.seed, "notes": list(self.notes)}
        if self.comparison is not None:
            plain["cross_validation"] = self.comparison.to_plain()
        return plain


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

    names = split(models)
    if prior_variance is not None and not any("kalman" in str(name) for name in names):
        raise ConfigError("prior_variance is of Kalman filters: name one, such as kalman-ucb")
    cognitive: list[Model] = []
    networks: list[Any] = []
    for name in names:
        if not isinstance(name, str):
            (networks if is_network(name) else cognitive).append(name)
        elif is_network(name):
            with as_config_errors():
                networks.append(Recurrent.named(name, seeds=seeds))
        else:
            kalman = prior_variance is not None and name.startswith("kalman")
            options = {"prior_variance": prior_variance} if kalman else {}
            cognitive.append(find(name, table.arms, **options))
    named = [one.name for one in networks]
    if len(set(named)) < len(named):
        raise ConfigError(f"networks must have different names, not {', '.join(named)}")
    return cognitive, networks


def is_network(model: Any) -> bool:
    """Whether a name (or what it names) is of a recurrent network, rightly written or not."""
    if not isinstance(model, str):
        from prefrontal.behaviour.networks.recurrent import Recurrent

        return isinstance(model, Recurrent)
    core, _, units = model.rpartition(":")
    return model in CORES or core in CORES or (bool(core) and units[:1] in tuple("+-.0123456789"))


def split(names: str | Sequence[Any]) -> list[Any]:
    """Return names given by commas or in a list, without blanks around them."""
    listed = names.split(",") if isinstance(names, str) else names
    return [one.strip() if isinstance(one, str) else one for one in listed]


def with_code(names: Iterable[str], code: Mapping[str, str]) -> str:
    """Return models as they are named to commands: those of the user's by their files."""
    return ",".join(code.get(name, name) for name in names)


def cognitive_names(models: str | Sequence[Any]) -> list[Any]:
    """Return names as `split` does, where networks have no place.

    Raises:
        ConfigError: There is one.
    """
    for one in (names := split(models)):
        if is_network(one):
            raise ConfigError(f"{one} is a network, and here only cognitive models are of use")
    return names


def require_folder(folder: Path | str | None, own: str | None = None, what: str = "") -> None:
    """Check, before anything is computed, that results can be written to a folder.

    Args:
        folder: The folder; made when something is written. None: nothing will be.
        own: File that it must have if it has any.
        what: What has such a file.

    Raises:
        ConfigError: It is a file or in one, cannot be written, or holds something else.
    """
    if folder is None:
        return
    folder = Path(folder)
    try:
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        if not there.is_dir():
            raise ConfigError(f"{there} is a file: name a folder, --out")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ConfigError(f"{there} cannot be written: name another folder, --out")
        if own and there == folder and any(folder.iterdir()) and not (folder / own).is_file():
            raise ConfigError(f"{folder} holds something else than {what}: name another, --out")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from error


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
            who = _some(subjects[one.not_converged])
            said.append(f"{name}: not converged for {who}: see whether another seed gives the same")
    return tuple(said)


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

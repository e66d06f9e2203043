"""The run folder of a fit: what is written, and how it loads again.

```
fit.json          results, as `--json` prints them        report.md    a page on them
parameters.csv    one row a model, subject, parameter      figures/     PNG and SVG
trials.csv        one row a row of the source              bms.json     model selection
comparison.csv    one row a model                          columns.toml what the columns meant
models.json       the fits, exactly                        behaviour.csv the choices, tidy
command.txt       the command                              versions.json
```
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, RunFolderError, quoted
from prefrontal.agents.common.files import TABLES, read_json
from prefrontal.agents.runs.checkpoint import library_versions
from prefrontal.behaviour.files import Columns, read_tidy, write_tidy
from prefrontal.behaviour.files.columns import dumps
from prefrontal.behaviour.fits.fitted import FittedModel
from prefrontal.behaviour.fits.fitting import Fits
from prefrontal.behaviour.models.catalogue import MODELS, find
from prefrontal.behaviour.table import Behaviour
from prefrontal.fit_report import draw, json_text, page
from prefrontal.fitted import BehaviourFit, is_network, require_folder, with_code

FORMAT = 1


def write(made: BehaviourFit, folder: Path, columns: Columns, figures: bool) -> BehaviourFit:
    """Write everything of a fit to a folder; return the fit with its path.

    Raises:
        ConfigError: The folder holds something else.
    """
    require_folder(folder, "fit.json", "a fit")
    folder.mkdir(parents=True, exist_ok=True)
    made = replace(made, path=folder)
    write_tidy(made.behaviour, folder / "behaviour.csv")
    (folder / "columns.toml").write_text(dumps(columns), encoding="utf-8")
    plain = {"format": FORMAT, **made.to_plain(), "networks": list(made.networks)}
    plain["code"] = dict(made.code)
    plain["prior_variance"] = None if made.prior_variance is None else list(made.prior_variance)
    dump_json(folder / "fit.json", plain)
    dump_json(folder / "bms.json", plain["bms"])
    stored = {name: one.to_plain() for name, one in made.fits.items()}
    (folder / "models.json").write_text(json.dumps(stored) + "\n", encoding="utf-8")  # with NaN
    dump_json(folder / "versions.json", library_versions())
    write_rows(folder / "parameters.csv", PARAMETERS, _parameters(made.fits))
    write_rows(folder / "comparison.csv", COMPARISON, comparison_rows(plain))
    _write_trials(folder / "trials.csv", made)
    drawn = draw(made.behaviour, policies(made), folder / "figures") if figures else []
    if made.comparison is not None:
        made.comparison.write(folder / "comparison")
    (folder / "report.md").write_text(page(plain, drawn), encoding="utf-8")
    return made


def write_command(folder: Path, command: str) -> None:
    """Write the command that made a folder."""
    (folder / "command.txt").write_text(command + "\n", encoding="utf-8")


def dated(kind: str) -> Path:
    """Return a run folder named by the time."""
    return Path("runs", kind, time.strftime("%Y%m%d-%H%M%S"))


def opened(path: Path | str) -> tuple[dict[str, Any], Behaviour]:
    """Return what a run folder says of its fit, and the choices.

    Raises:
        ConfigError: There is no fit.
        RunFolderError: A file cannot be read.
    """
    folder = Path(path).expanduser()
    if not (folder / "fit.json").is_file():
        raise no_fit(folder)
    return _read(folder / "fit.json"), read_tidy(folder / "behaviour.csv")


def no_fit(folder: Path) -> ConfigError:
    """Return what is raised where a folder has no fit."""
    agents = " (there are agents)" if (folder / "config.toml").is_file() else ""
    return ConfigError(
        f"there is no fit in {quoted(folder)}{agents}: name a run folder of `prefrontal fit`"
    )


def _read(path: Path) -> dict[str, Any]:
    """Return what a file of a run folder holds.

    Raises:
        RunFolderError: It cannot be read; says what to do.
    """
    try:
        return read_json(path, TABLES)
    except RunFolderError as error:
        raise RunFolderError(f"{error}: fit again, --out {path.parent}") from error


def load_fit(path: Path | str, models: Sequence[str] | None = None) -> BehaviourFit:
    """Read a fit from its run folder; recurrent networks are not kept.

    Args:
        path: The folder.
        models: Names of the models to read, in which alone models of the user's are named
            (``FILE.py:CLASS``): a folder never says what code to run. None: all.

    Raises:
        ConfigError: There is no fit or model, or a model of the user's is not named.
        RunFolderError: A file cannot be read.
    """
    about, table = opened(path)
    stored = _read(Path(path).expanduser() / "models.json")
    variance = variance_of(about)
    made = {}
    require_ours(about, stored if models is None else models, models is None)
    for name in stored if models is None else models:
        kalman = variance is not None and name.startswith("kalman")
        model = find(name, table.arms, **({"prior_variance": variance} if kalman else {}))
        if model.name not in stored:
            raise ConfigError(f"{path} has no fit of {model.name}: it has {', '.join(stored)}")
        made[model.name] = FittedModel.from_plain(stored[model.name], model)
    return BehaviourFit(
        table,
        Fits(table, made),
        method=about["method"],
        seed=about["seed"],
        prior_variance=variance,
        notes=tuple(about["notes"]),
        path=Path(path),
    )


def require_ours(about: Mapping[str, Any], names: Iterable[str], folder: bool = True) -> None:
    """Check that names in a run folder are of the package: none is code of the user's.

    Args:
        about: What the folder says of its fit.
        names: What is to be found by name.
        folder: Whether the folder alone says so; if not, the user may name code.

    Raises:
        ConfigError: One is; says how to name it.
    """
    code = dict(about.get("code") or {})
    for name in names:
        ours = is_network(name) or (name.partition("+")[0] in MODELS and name not in code)
        stated = not folder and (ours or ":" in name or name not in about["models"])
        if not (ours or stated):
            code.setdefault(name, "FILE.py:CLASS")
            again = with_code(about["models"], code)
            raise ConfigError(f"{name} is code of yours: name it again, --models {again}")


def variance_of(about: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Return the prior variances of a fit."""
    given = about.get("prior_variance")
    return None if given is None else tuple(map(float, given))


def policies(made: BehaviourFit) -> dict[str, np.ndarray]:
    """Return what each model made of each choice beforehand, probabilities ``[S, T, K]``."""
    found = {name: one.latents(made.behaviour)["policy"] for name, one in made.fits.items()}
    return found | {name: one.policy(made.behaviour) for name, one in made.networks.items()}


PARAMETERS = (
    "model",
    "subject",
    "parameter",
    "value",
    "standard_error",
    "at_bound",
    "not_identified",
    "not_positive_definite",
)
COMPARISON = (
    "model",
    "parameters",
    "log_likelihood",
    "normalised_likelihood",
    "evidence",
    "bic",
    "frequency",
    "exceedance",
    "protected_exceedance",
)


def _parameters(fits: Fits) -> Iterable[Sequence[Any]]:
    """Yield the rows of `parameters.csv`."""
    for name, one in fits.items():
        values, errors = one.parameters, one.standard_errors
        for s, subject in enumerate(one.subjects):
            for d, parameter in enumerate(values):
                flags = (one.at_bound[s, d], one.not_identified[s, d], one.not_positive_definite[s])
                value, error = values[parameter][s], errors[parameter][s]
                yield [name, subject, parameter, value, error, *map(int, flags)]


def comparison_rows(plain: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    """Yield the rows of `comparison.csv` from results."""
    bms = plain["bms"] or {}
    for name, one in plain["models"].items():
        yield [
            name,
            len(one["parameters"]),
            *(one[key] for key in COMPARISON[2:6]),
            *(bms.get(key, {}).get(name) for key in ("frequencies", *COMPARISON[7:])),
        ]


def _write_trials(path: Path, made: BehaviourFit) -> None:
    """Write what every model made of every row: log-probabilities, values, prediction errors."""
    table = made.behaviour
    subject, trial = np.nonzero(table.present)
    columns: dict[str, np.ndarray] = {
        "row": table.row,
        "session": table.session,
        "block": table.block,
        "choice": table.choice,
        "reward": table.reward,
        "scored": table.scored.astype(np.int64),
    }
    for name in made.names:
        columns[f"{name}.log_p"] = made[name].score(table)
    for name, one in made.fits.items():
        found = one.latents(table)
        for key in ("values", "rpe"):
            if key not in found:
                continue
            value = found[key]
            if value.ndim == 2:
                columns[f"{name}.{key}"] = value
            elif value.ndim == 3:
                for k in range(value.shape[2]):
                    columns[f"{name}.value{k}"] = value[..., k]
    flat = [value[subject, trial].tolist() for value in columns.values()]
    names = [table.subjects[s] for s in subject]
    write_rows(path, ("subject", *columns), zip(names, *flat, strict=True))


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV; what is missing is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(["" if one is None or one != one else one for one in row])


def dump_json(path: Path, plain: Any) -> None:
    """Write JSON; numbers that are missing are null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_text(plain, indent=1) + "\n", encoding="utf-8")

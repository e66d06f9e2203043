"""Relate a recording to fitted models and to agents that are shown the same trials.

`align` is both `prefrontal.align` of Python and what the command `prefrontal align` calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour.alignment import (
    LEVEL,
    Alignment,
    align_recording,
    by_row,
    task_variables,
)
from prefrontal.behaviour.files.building import build_behaviour
from prefrontal.behaviour.files.columns import Columns, read_columns
from prefrontal.behaviour.files.formats import load as load_rows
from prefrontal.behaviour.files.reading import paths_of
from prefrontal.behaviour.files.rows import Rows, read_table
from prefrontal.behaviour.recordings import KEYS, Recording, read_spikes
from prefrontal.behaviour.table import Behaviour
from prefrontal.fit_folder import no_fit
from prefrontal.fitted import require_folder
from prefrontal.neural_options import AlignOptions
from prefrontal.reading import built

Array = NDArray[np.float64]
Latents = dict[str, Array]


@dataclass(frozen=True)
class Aligned:
    """What `align` found, and where it was written.

    Attributes:
        alignment: Units and populations against latent variables.
        notes: What to keep in mind: tasks unlike those that agents were trained on, few sessions.
        folder: Where ``alignment.csv``, ``alignment.json`` and the figure are.
        written: All files that were written.
    """

    alignment: Alignment
    notes: tuple[str, ...]
    folder: Path
    written: tuple[Path, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """What ``alignment.json`` holds."""
        return {**self.alignment.summary(), "notes": list(self.notes)}

    def __str__(self) -> str:
        """Return a table: a row for each latent variable and area."""
        found = self.summary
        lines = [f"{'latent variable':<34}{'area':<14}{'units':>6}{'median':>9}{'passing':>9}"]
        for name, one in found["latents"].items():
            for area, values in one["areas"].items():
                shown = (_text(values[key], 3) for key in ("median_score", "passing"))
                lines.append(
                    f"{name:<34}{area:<14}{values['units']:>6}" + "".join(f"{x:>9}" for x in shown)
                )
        lines += ["", f"{'population':<34}{'CKA':>9}{'null':>9}{'p':>9}{'decoded':>9}"]
        for name, one in found["latents"].items():
            shown = (_text(one["population"][key], 3) for key in _POPULATION)
            lines.append(f"{name:<34}" + "".join(f"{x:>9}" for x in shown))
        ceiling = found["ceiling"]
        lines.append(f"{'two halves of the units':<34}{_text(ceiling['cka'], 3):>9}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


_POPULATION = ("cka", "cka_null", "cka_p", "decoded")


def align(
    run: Path | str | None = None,
    *,
    neural: Path | str | Recording,
    trials: Path | str,
    columns: Path | str | None = None,
    agents: str | None = None,
    latents: Mapping[str, ArrayLike] | None = None,
    bins: str | None = None,
    noise: str = "gaussian",
    drift: int = 3,
    least: int = 50,
    seed: int = 0,
    out: Path | str | None = None,
    figures: bool = True,
) -> Aligned:
    """Relate a recording to latent variables of the same trials; write tables and a figure.

    Args:
        run: Run folder of `prefrontal fit`, for values and prediction errors of its models.
        neural: Spike counts, ``spikes.npz`` or what `read_spikes` returned.
        trials: Table of the choices in these trials.
        columns: What its columns mean; None: the ``columns.toml`` of the run.
        agents: Trained agents that are shown the same trials, by commas.
        latents: More latent variables by name, a row for each row of the table ``[N]`` or
            ``[N, k]``, such as the hidden states of a fitted network.
        bins: Bins that are counted, ``"FIRST:END"``.
        noise: ``"gaussian"`` or ``"poisson"``.
        drift: Degree of the polynomials of time that are explained away.
        least: Trials that a session must have.
        seed: Seed of untrained networks.
        out: Folder to write to.
        figures: Whether to draw.

    Raises:
        PrefrontalError: What the command would say in one line.
    """
    given: dict[str, Any] = {
        "run": None if run is None else Path(run),
        "neural": None if isinstance(neural, Recording) else Path(neural),
        "trials": str(trials),
        "columns": None if columns is None else Path(columns),
        "out": None if out is None else Path(out),
    }
    for name in ("agents", "bins", "noise", "drift", "least", "seed", "figures"):
        given[name] = locals()[name]
    options = built(AlignOptions, given)
    recording = neural if isinstance(neural, Recording) else None
    return align_by(options, recording, latents)


def align_by(
    options: AlignOptions,
    recording: Recording | None = None,
    more: Mapping[str, ArrayLike] | None = None,
) -> Aligned:
    """Align by options; see `align`."""
    if options.trials is None or (options.neural is None and recording is None):
        lacking = "--trials data.csv" if options.trials is None else "--neural spikes.npz"
        raise ConfigError(f"name the recording and the table of its trials: {lacking} is missing")
    folder = (options.out or (options.run or Path("runs")) / "alignment").expanduser()
    require_folder(folder)
    recording = recording or read_spikes(Path(str(options.neural)))
    rows, columns = _table(options)
    behaviour = build_behaviour(rows, columns)
    name = Path(options.trials).name
    latents = {"task": by_row(_task(behaviour), behaviour, len(rows))}
    if options.run is not None:
        latents |= _of_fit(options.run, behaviour, len(rows), name)
    notes: list[str] = []
    for agent in filter(None, (options.agents or "").replace(" ", "").split(",")):
        found, said = _of_agents(agent, behaviour, len(rows), options.seed)
        latents, notes = latents | found, notes + said
    latents |= {key: np.asarray(value, dtype=np.float64) for key, value in (more or {}).items()}
    for key, values in latents.items():
        if len(values) != len(rows):
            raise ConfigError(f"{key} has {len(values)} rows and {name} {len(rows)}")
    keys = {
        key: rows.cells[columns.theirs(key)] for key in KEYS if columns.theirs(key) in rows.cells
    }
    alignment = align_recording(
        recording,
        latents,
        keys,
        bins=_bins(options.bins),
        drift=options.drift,
        noise=options.noise,
        least=options.least,
        table=name,
    )
    summary = alignment.summary()
    if summary["smallest_p"] > LEVEL:
        notes.append(
            f"{summary['sessions']} sessions: p cannot be below {summary['smallest_p']:.2f}, so "
            "that no unit passes; add the behaviour of more sessions to the table"
        )
    return _written(alignment, tuple(notes), folder, options.figures)


def _written(alignment: Alignment, notes: tuple[str, ...], folder: Path, figures: bool) -> Aligned:
    folder.mkdir(parents=True, exist_ok=True)
    written = [alignment.write(folder), folder / "alignment.json"]
    made = Aligned(alignment, notes, folder, ())
    written[1].write_text(json.dumps(made.summary, indent=1) + "\n", encoding="utf-8")
    if figures:
        from prefrontal.analysis.figures.alignment import encoding_figure

        area = np.array(alignment.recording.area)
        found = alignment.units
        each = {one: area == one for one in dict.fromkeys(alignment.recording.area)}
        written.append(
            encoding_figure(
                {one: found.score[there] for one, there in each.items()},
                {one: found.p_values[there] <= LEVEL for one, there in each.items()},
                found.names,
                folder / "encoding.png",
            )
        )
    return Aligned(alignment, notes, folder, tuple(written))


def _table(options: AlignOptions) -> tuple[Rows, Columns]:
    """Return the rows of the table, and what its columns mean."""
    stated = options.columns
    if stated is None and options.run is not None:
        own = options.run.expanduser() / "columns.toml"
        stated = own if own.is_file() else None
    rows, own_columns = load_rows(paths_of(str(options.trials)))
    return rows, read_columns(stated).over(own_columns)


def _task(behaviour: Behaviour) -> Array:
    return task_variables(behaviour.choice, behaviour.reward, behaviour.starts, behaviour.arms)


def _of_fit(run: Path, behaviour: Behaviour, rows: int, name: str) -> Latents:
    """Return values and prediction errors of the models of a fit, from its ``trials.csv``.

    Raises:
        ConfigError: There is no such file, or it is of another table.
    """
    path = run.expanduser() / "trials.csv"
    if not path.is_file():
        raise no_fit(run)
    cells = read_table(path).cells
    if "row" not in cells:
        raise ConfigError(f"{path} has no column row: it is not of `prefrontal fit`")
    try:
        row = np.array([int(one) for one in cells["row"]])
        numeric = {
            column: [float(cell or "nan") for cell in texts]
            for column, texts in cells.items()
            if _kind(column)
        }
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}") from error
    there = behaviour.row[behaviour.present]
    if not np.array_equal(np.sort(row), np.sort(there)):
        raise ConfigError(
            f"{path} has {len(row)} trials and {name} {len(there)}: the fit is of another table, "
            "or of other columns (--columns)"
        )
    grouped: dict[str, list[list[float]]] = {}
    for column, values in numeric.items():
        grouped.setdefault(f"{column.rpartition('.')[0]}.{_kind(column)}", []).append(values)
    found = {}
    for latent, group in grouped.items():
        found[latent] = np.full((rows, len(group)), np.nan)
        found[latent][row] = np.transpose(group)
    return found


def _kind(column: str) -> str:
    """Return what a column of ``trials.csv`` holds, ``values`` or ``rpe``; empty: neither."""
    model, _, kind = column.rpartition(".")
    return {"rpe": "rpe", "value": "values"}.get(kind.rstrip("0123456789s") if model else "", "")


def _of_agents(name: str, behaviour: Behaviour, rows: int, seed: int) -> tuple[Latents, list[str]]:
    """Return what the first member of a population made of the trials, and an untrained one."""
    from prefrontal.agents.population import Population
    from prefrontal.behaviour.agents.forcing import force
    from prefrontal.evaluating import load

    agents = load(name)
    if not isinstance(agents, Population):
        raise ConfigError(f"{name}: only agents that learned as recurrent networks can be aligned")
    one = agents[0]
    untrained = Population.create(agents.environment, agents.network, 1, seed)
    forced = force(one, behaviour, hidden=True)
    other = force(untrained, behaviour, hidden=True)
    label = Path(name).name
    found = {f"{label}.value": forced.value[0], f"{label}.rpe": forced.rpe[0]}
    for key, said in ((label, forced), (f"{label} untrained", other)):
        assert said.hidden is not None
        found[f"{key}.hidden"] = said.hidden[0].astype(np.float64)
    latents = {key: by_row(values, behaviour, rows) for key, values in found.items()}
    return latents, [f"{name}: {difference}" for difference in forced.differences]


def _bins(text: str | None) -> slice:
    """Return which bins are meant by ``FIRST:END``."""
    if text is None:
        return slice(None)
    first, colon, end = text.partition(":")
    if not colon or not all(part.isdigit() or not part for part in (first, end)):
        raise ConfigError(f"bins are written FIRST:END, such as 2:5, not {text!r}")
    return slice(int(first) if first else None, int(end) if end else None)


def _text(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"

"""Recordings against what models say of the same trials: units one by one, and as populations.

Latent variables (values, prediction errors, hidden states) come from models and agents that were
shown the history that the subject had. Each is scored beside drift on trials that were left out,
and its null are the latent variables of other sessions (`prefrontal.analysis.neural.encoding`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.agents.common.errors import ConfigError
from prefrontal.analysis.missing import numbers
from prefrontal.analysis.neural.encoding import (
    Encoding,
    encoding,
    shifts,
    split_half,
)
from prefrontal.analysis.neural.populations import linear_cka, split_units
from prefrontal.analysis.neural.scoring import drift_terms, explained
from prefrontal.behaviour.recordings import Recording, label, rows_of
from prefrontal.behaviour.table import Behaviour

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

LEVEL = 0.05  # a unit codes what passes at this level
FEWEST = 4  # units of a session that are a population


@dataclass(frozen=True)
class Alignment:
    """What latent variables explain of a recording.

    Attributes:
        recording: The recording.
        units: Unit by unit.
        reliability: Of each unit over bins, a ceiling ``[U]``; NaN with one bin.
        populations: By latent variable, means over sessions: ``cka`` (debiased), ``cka_null`` (with
            the latent variable of other sessions), ``cka_p`` (part of the assignments that are as
            much alike) and ``decoded`` (part of the latent variable's variance that the units
            explain beyond drift in left-out trials).
        ceiling: Debiased CKA of two halves of the units, mean over sessions; NaN if there are few.
        sessions: Sessions that were used, and those with a recording.
    """

    recording: Recording
    units: Encoding
    reliability: Array
    populations: Mapping[str, Mapping[str, float]]
    ceiling: float
    sessions: tuple[int, int]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each unit and latent variable, as `alignment.csv` has them."""
        found, limit = self.units, self.units.quantile(1 - LEVEL)
        return [
            {
                "unit": self.recording.unit[u],
                "area": self.recording.area[u],
                "latent": name,
                "score": found.score[u, k],
                "null_95": limit[u, k],
                "p": found.p_values[u, k],
                "trials": int(found.trials[u]),
                "reliability": self.reliability[u],
            }
            for u in range(len(found.score))
            for k, name in enumerate(found.names)
        ]

    def summary(self) -> dict[str, Any]:
        """Return what is found by latent variable and area, as the JSON has it."""
        found, area = self.units, np.array(self.recording.area)
        least = 1 / (1 + found.null.shape[-1])
        return {
            "trials": len(self.recording.counts),
            "units": len(area),
            "sessions": self.sessions[0],
            "sessions_recorded": self.sessions[1],
            "smallest_p": least,
            "ceiling": {"reliability": _mean(self.reliability), "cka": _number(self.ceiling)},
            "latents": {
                name: {
                    "areas": {
                        one: _area(
                            found.score[area == one, k], found.p_values[area == one, k], least
                        )
                        for one in dict.fromkeys(self.recording.area)
                    },
                    "population": {
                        key: _number(value) for key, value in self.populations[name].items()
                    },
                }
                for k, name in enumerate(found.names)
            },
        }

    def write(self, folder: Path) -> Path:
        """Write ``alignment.csv`` to a folder; return its path."""
        path, rows = folder / "alignment.csv", self.rows()
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for row in rows:
                shown = {k: "" if v != v else v for k, v in row.items()}  # empty where NaN
                writer.writerow(shown)
        return path


def align_recording(
    recording: Recording,
    latents: Mapping[str, ArrayLike],
    keys: Mapping[str, Sequence[object]],
    *,
    bins: slice = slice(None),
    drift: int = 3,
    noise: Literal["gaussian", "poisson"] = "gaussian",
    least: int = 50,
    table: str = "the table",
) -> Alignment:
    """Relate a recording to latent variables of the same trials.

    Args:
        recording: Spike counts, see `read_spikes`.
        latents: Name to latent variables, one entry for each row of the table of trials ``[N]`` or
            ``[N, k]``; NaN where there is none (missed trials).
        keys: ``subject``, ``session`` and ``trial`` of each row, as far as they are known. Each
            session of each subject is a session.
        bins: Which bins are counted.
        drift: Degree of the polynomials of time that are explained away in each session.
        noise: Squared errors, or the Poisson deviance.
        least: Trials that a session must have.
        table: What the table is called in messages.

    Raises:
        ConfigError: Trials are no rows (see `rows_of`), there is no bin, no latent variable, or
            there are fewer than two sessions.
    """
    if not latents:
        raise ConfigError("there is no latent variable: name models or agents")
    columns = {name: _columns(name, values) for name, values in latents.items()}
    rows = len(next(iter(columns.values())))
    place = rows_of(recording, keys, rows, table)
    counted = recording.counts[:, bins]
    if not counted.shape[1]:
        raise ConfigError(f"{recording.name} has {recording.counts.shape[1]} bins: none is chosen")
    counts = np.full((rows, counted.shape[2]), np.nan)
    counts[place] = counted.sum(axis=1)
    session = _sessions(keys, rows)
    try:
        units = encoding(counts, columns, session, drift=drift, noise=noise, least=least)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    whole = ~np.isnan(np.concatenate(list(columns.values()), axis=1)).any(axis=1)
    used = [np.flatnonzero(whole & (session == one)) for one in np.unique(session)]
    used = [one for one in used if len(one) >= least]
    recorded = [not np.isnan(counts[one]).all() for one in used]
    wide = [s for s, one in enumerate(used) if _whole_units(counts[one]).sum() >= FEWEST]
    several = counted.shape[1] > 1
    reliability = split_half(counted) if several else np.full(counts.shape[1], np.nan)
    halves = [
        split_units(_recorded(counts[used[s]]), lambda a, b: linear_cka(a, b, True)) for s in wide
    ]
    return Alignment(
        recording,
        units,
        reliability,
        {name: _population(counts, x, used, wide, drift) for name, x in columns.items()},
        float(np.mean(halves)) if halves else float("nan"),
        (len(used), sum(recorded)),
    )


def task_variables(
    choice: NDArray[np.int64], reward: Array, starts: NDArray[np.bool_], arms: int
) -> Array:
    """Return what happened in a trial and in the one before, the baseline without any model.

    Args:
        choice: ``[S, T]``, -1 where missed.
        reward: ``[S, T]``, NaN where not known.
        starts: Before which trials a history begins ``[S, T]``.
        arms: Number of arms K.

    Returns:
        Choice (one-hot, one left out), reward and their product, of this trial and of the one
        before (0 where there is none), ``[S, T, 4 K - 2]``; NaN where a trial is missed.
    """
    chosen = (choice[..., None] == np.arange(1, arms)).astype(float)
    paid = np.nan_to_num(reward)[..., None]
    every = (choice[..., None] == np.arange(arms)) * paid
    now = np.concatenate([chosen, every], axis=-1)
    before = np.zeros_like(now)
    before[:, 1:] = now[:, :-1]
    before[starts] = 0.0
    found = np.concatenate([now, before], axis=-1)
    return np.where((choice < 0)[..., None] | np.isnan(reward)[..., None], np.nan, found)


def by_row(values: Array, behaviour: Behaviour, rows: int | None = None) -> Array:
    """Return what belongs to trials ``[S, T, ...]`` by row of their source ``[rows, ...]``.

    Args:
        values: Such as the hidden states of a fitted network.
        behaviour: The table.
        rows: Rows of the source; None: up to the last one that the table uses.
    """
    there = behaviour.present
    count = int(behaviour.row.max(initial=-1)) + 1 if rows is None else rows
    found = np.full((count, *values.shape[2:]), np.nan)
    found[behaviour.row[there]] = values[there]
    return found


def _columns(name: str, values: ArrayLike) -> Array:
    try:
        given = numbers(name, values, axes=("row", "column"))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return given.reshape(len(given), -1)


def _sessions(keys: Mapping[str, Sequence[object]], rows: int) -> Codes:
    """Return the number of the session of each row, in the order in which they come."""
    parts = [list(map(label, keys[name])) for name in ("subject", "session") if name in keys]
    names = list(zip(*parts, strict=True)) if parts else [()] * rows
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)


def _whole_units(counts: Array) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(counts).any(axis=0) & (np.nan_to_num(counts).std(axis=0) > 0))


def _recorded(counts: Array) -> Array:
    """Return the units that were recorded in all trials, with equal variances."""
    there = counts[:, _whole_units(counts)]
    return np.asarray((there - there.mean(axis=0)) / there.std(axis=0))


def _population(
    counts: Array, latent: Array, used: list[Codes], wide: list[int], drift: int
) -> dict[str, float]:
    """Return how alike units and a latent variable are, mean over sessions with enough units."""
    true: list[float] = []
    null: list[list[float]] = []
    decoded: list[float] = []
    for s in wide:
        own, units = used[s], _recorded(counts[used[s]])
        if not latent[own].std() > 0:
            continue
        true.append(linear_cka(units, latent[own], True))
        null.append([])
        for j in shifts(len(used)):
            other = used[(s + j) % len(used)]
            n = min(len(own), len(other))
            varies = latent[other[:n]].std() > 0
            null[-1].append(
                linear_cka(units[:n], latent[other[:n]], True) if varies else float("nan")
            )
        found = explained(latent[own], units, drift_terms(len(own), drift))
        decoded.append(float(np.nanmean(found)) if not np.isnan(found).all() else np.nan)
    if not true:
        return dict.fromkeys(("cka", "cka_null", "cka_p", "decoded"), float("nan"))
    mean, others = np.mean(true), np.mean(null, axis=0)
    return {
        "cka": float(mean),
        "cka_null": float(np.nanmean(others)),
        "cka_p": float((1 + (others >= mean).sum()) / (1 + len(others))),
        "decoded": float(np.nanmean(decoded)),
    }


def _area(score: Array, p_values: Array, least: float) -> dict[str, Any]:
    """Return how many units of an area code a latent variable, and how much."""
    known = ~np.isnan(p_values)
    return {
        "units": int(known.sum()),
        "mean_score": _mean(score),
        "median_score": _number(np.median(score[known])) if known.any() else None,
        "passing": _number((p_values[known] <= LEVEL).mean()) if known.any() else None,
        "by_chance": int(LEVEL / least + 1e-9) * least,
    }


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return _number(known.mean()) if len(known) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

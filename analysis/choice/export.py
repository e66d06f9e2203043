"""Recorded choices as files that other software reads: hBayesDM and tidy tables.

hBayesDM (Ahn, Haines & Zhang 2017) fits hierarchical Bayesian models of decision making from
tab-separated files with fixed column names.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.two_step import trials_of
from prefrontal.analysis.missing import MISSING, codes, numbers

Record = Mapping[str, NDArray]

# Family of models -> columns of their data, as hBayesDM names them.
COLUMNS = {
    "bandit2arm": ("subjID", "choice", "outcome"),
    "prl": ("subjID", "choice", "outcome"),
    "bandit4arm2": ("subjID", "choice", "outcome"),
    "banditNarm": ("subjID", "choice", "gain", "loss"),
    "bandit4arm": ("subjID", "choice", "gain", "loss"),
    "ts": ("subjID", "level1_choice", "level2_choice", "reward"),
}


def to_hbayesdm_csv(
    record: Record,
    path: Path,
    model: str = "bandit2arm_delta",
    max_episodes: int | None = None,
    second_choice: bool = True,
) -> Path:
    """Write choices with hBayesDM's column names, one row a trial, tab-separated.

    Every episode is a subject (``m0e12``: member 0, episode 12), since an agent starts each afresh.
    Choices count from 1. In the bandit and reversal families the outcome is 1 for a reward and -1
    for none; gains and losses are the rewards above and below zero. In two-step tasks
    ``level2_choice`` is 1 or 2 in the state that first choice 1 commonly leads to, 3 or 4 in the
    other. Trials in which something is missing are left out, since hBayesDM knows no missing ones.

    Args:
        record: A record of steps ``[M, E, T]`` with ``action`` and ``reward``, one step a trial;
            for two-step models what `two_step.trials_of` needs.
        path: File to write; returned.
        model: Name of the hBayesDM model, for example "bandit2arm_delta", "prl_ewa", "ts_par4".
        max_episodes: Write only the first so many episodes of each member.
        second_choice: Whether a two-step task has a choice at its second stage. Without one (Wang
            et al. 2016, 2018) ``level2_choice`` is always 1 or 3, and beta2 means nothing.

    Raises:
        ValueError: If the model's family is unknown or the choices do not fit it.
    """
    family = model.split("_")[0]
    if family not in COLUMNS:
        raise ValueError(f"model must begin with one of {', '.join(COLUMNS)}; got {model!r}")
    two_step = family == "ts"
    arrays = (
        _two_step_columns(record, second_choice) if two_step else _bandit_columns(record, family)
    )
    if max_episodes is not None and max_episodes < 1:
        raise ValueError(f"max_episodes must be at least 1, got {max_episodes}")
    columns = [array[:, :max_episodes] for array in arrays]
    member, episode = np.indices(columns[0].shape)[:2]
    whole: NDArray[np.bool_] = np.asarray(~np.isnan(columns).any(axis=0))
    subjects = [f"m{m}e{e}" for m, e in zip(member[whole], episode[whole], strict=True)]
    discrete = [name not in ("gain", "loss") for name in COLUMNS[family][1:]]
    flat = [
        (column[whole].astype(int) if is_code else column[whole]).tolist()
        for column, is_code in zip(columns, discrete, strict=True)
    ]
    return _write(path, COLUMNS[family], zip(subjects, *flat, strict=True))


def to_tidy_csv(record: Record, path: Path, names: tuple[str, ...] | None = None) -> Path:
    """Write per-step scalars of a record as a tidy, tab-separated table: one row a step.

    Args:
        record: A record; arrays ``[M, E, T]`` become columns, arrays ``[M, E]`` are repeated at
            every step.
        path: File to write; returned.
        names: Which arrays; all of those two shapes by default.
    """
    shape = np.shape(record["action"])[:3]
    fits = {name for name, array in record.items() if np.shape(array) in (shape, shape[:2])}
    chosen = tuple(sorted(fits)) if names is None else names
    missing = sorted(set(chosen) - fits)
    if missing:
        raise ValueError(f"{', '.join(missing)}: not an array of shape {shape} or {shape[:2]}")
    columns: list[NDArray] = list(np.indices(shape))
    for name in chosen:
        array = np.asarray(record[name])
        columns.append(np.broadcast_to(array if array.ndim == 3 else array[..., None], shape))
    header = ("member", "episode", "step", *chosen)
    return _write(path, header, zip(*(column.ravel().tolist() for column in columns), strict=True))


def _bandit_columns(record: Record, family: str) -> list[NDArray]:
    most = {"bandit2arm": 2, "prl": 2, "bandit4arm": 4, "bandit4arm2": 4}.get(family)
    action, reward = codes("action", record["action"], most), numbers("reward", record["reward"])
    if action.ndim != 3 or action.shape != reward.shape:
        raise ValueError(f"action and reward must be [M, E, T], got {action.shape}, {reward.shape}")
    choice = _known(action, action != MISSING) + 1
    if COLUMNS[family][-1] == "loss":
        return [choice, np.maximum(reward, 0.0), np.minimum(reward, 0.0)]
    return [choice, _known(np.where(reward > 0, 1, -1), ~np.isnan(reward))]


def _two_step_columns(record: Record, second_choice: bool) -> list[NDArray]:
    trials = trials_of(record)
    state, second = trials.second_state, np.zeros_like(trials.second_state)
    if second_choice and trials.second_action is not None:
        second = codes("second_action", trials.second_action, 2)
    return [
        _known(trials.first_action + 1, trials.first_action != MISSING),
        _known(2 * state + second + 1, (state != MISSING) & (second != MISSING)),
        _known(trials.reward > 0, ~np.isnan(trials.reward)),
    ]


def _known(values: NDArray, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values as floats, NaN where they are not known."""
    return np.where(known, values, np.nan).astype(np.float64)


def _write(path: Path, header: tuple[str, ...], rows: Iterable[Iterable[object]]) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path

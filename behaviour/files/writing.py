"""Choices as files, tidy tables and hBayesDM's; both read back equal."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.missing import MISSING
from prefrontal.behaviour.files.columns import ANY, Columns, Task, dumps, read_columns
from prefrontal.behaviour.files.reading import read
from prefrontal.behaviour.probes import transitions
from prefrontal.behaviour.table import Behaviour

SOURCE = "source_row"  # column of `write_tidy` that keeps `Behaviour.row`

#: Family of models -> columns of their data, as hBayesDM names them (Ahn, Haines & Zhang 2017).
HBAYESDM = {
    "bandit2arm": ("choice", "outcome"),
    "prl": ("choice", "outcome"),
    "bandit4arm2": ("choice", "outcome"),
    "banditNarm": ("choice", "gain", "loss"),
    "bandit4arm": ("choice", "gain", "loss"),
    "igt": ("choice", "gain", "loss"),
    "ts": ("level1_choice", "level2_choice", "reward"),
}
ARMS = {"bandit2arm": 2, "prl": 2, "bandit4arm2": 4, "bandit4arm": 4, "igt": 4, "ts": 2}


def write_tidy(table: Behaviour, path: Path | str) -> Path:
    """Write one row a trial under our names, and what the columns mean beside it.

    Args:
        table: The choices.
        path: Table to write, tab-separated if it ends in ``.tsv``; ``NAME.columns.toml`` is written
            beside it.

    Returns:
        The path of the table.
    """
    path = Path(path)
    columns: dict[str, NDArray] = {
        "session": table.session,
        "block": table.block,
        "choice": table.choice,
        "reward": table.reward,
    }
    shown = table.choice != MISSING
    if table.state2 is not None:
        columns["state2"] = table.state2
        if table.mapping is not None:
            columns["transition"] = transitions(table)
    if table.choice2 is not None:
        columns["choice2"] = table.choice2
    if (shown & ~table.scored).any():
        columns["forced"] = (shown & ~table.scored).astype(np.int64)
    if table.available is not None:
        arms = np.array([str(arm) for arm in range(table.arms)])
        texts = [" ".join(arms[one]) for one in table.available.reshape(-1, table.arms)]
        columns["available"] = np.array(texts).reshape(table.choice.shape)
    columns |= {name: value for name, value in table.columns.items() if name not in columns}
    columns[SOURCE] = table.row
    subject, trial = np.nonzero(table.present)
    flat = [_cells(value[subject, trial]) for value in columns.values()]
    rows = zip([table.subjects[i] for i in subject], *flat, strict=True)
    _write(path, ("subject", *columns), rows, "\t" if path.suffix == ".tsv" else ",")
    same = table.mapping is not None and bool((table.mapping == table.mapping[0]).all())
    task = Task(
        arms=table.arms,
        resets=table.resets,
        choice_is="stimulus",
        common=table.common,
        mapping=tuple(table.mapping[0].tolist()) if same and table.mapping is not None else None,
    )
    text = dumps(Columns(missing={ANY: ("",)}, task=task))
    columns_beside(path).write_text(text, encoding="utf-8")
    return path


def read_tidy(path: Path | str) -> Behaviour:
    """Read what `write_tidy` wrote, with the rows of the source that it came from."""
    path = Path(path)
    found = read(path, read_columns(columns_beside(path)))
    columns = dict(found.columns)
    row = columns.pop(SOURCE)
    return replace(
        found, columns=columns, row=np.where(np.isnan(row), MISSING, row).astype(np.int64)
    )


def columns_beside(path: Path) -> Path:
    """Return where the `columns.toml` of a table is: ``data.columns.toml`` for ``data.csv``."""
    return path.with_name(f"{path.stem}.columns.toml")


def write_hbayesdm(
    table: Behaviour, path: Path | str, model: str, second_choice: bool = True
) -> Path:
    """Write choices with hBayesDM's column names, one row a trial, tab-separated.

    Choices count from 1. In the bandit and reversal families rewards from 0 become 1 for a reward
    and -1 for none, and signed outcomes stay; gains and losses are the rewards above and below
    zero. In two-step tasks ``level2_choice`` is 1 or 2 in the state that first choice 1 commonly
    leads to, 3 or 4 in the other. Trials in which something is missing are left out, since
    hBayesDM knows no missing ones.

    Args:
        table: The choices.
        path: File to write; returned.
        model: Name of the hBayesDM model, for example "bandit2arm_delta", "prl_ewa", "ts_par4".
        second_choice: Whether a two-step task has a choice at its second stage. Without one (Wang
            et al. 2016, 2018) ``level2_choice`` is always 1 or 3, and beta2 means nothing.

    Raises:
        ValueError: The family is unknown, or the choices do not fit it.
    """
    family = model.split("_")[0]
    if family not in HBAYESDM:
        raise ValueError(f"model must begin with one of {', '.join(HBAYESDM)}; got {model!r}")
    most = ARMS.get(family, table.arms)
    if table.arms > most:
        raise ValueError(f"{family} has {most} arms, and there are {table.arms}")
    known = table.choice != MISSING
    if (known & ~table.scored).any():
        raise ValueError("hBayesDM knows no forced choices: leave those trials out")
    columns = {"choice": table.choice + 1.0}
    whole = known & ~np.isnan(table.reward)
    if family == "ts":
        columns, whole = _two_step(table, whole, second_choice)
    elif "loss" in HBAYESDM[family]:
        gain, loss = np.maximum(table.reward, 0.0), np.minimum(table.reward, 0.0)
        both = {"gain", "loss"} <= set(table.columns)
        columns["gain"] = table.columns["gain"] if both else gain
        columns["loss"] = table.columns["loss"] if both else loss
    else:
        signed = family == "bandit4arm2" or bool((table.reward[whole] < 0).any())
        columns["outcome"] = table.reward if signed else np.where(table.reward > 0, 1.0, -1.0)
    if (table.starts.sum(axis=1) > 1).any():
        if family != "prl":
            raise ValueError(
                "hBayesDM has no sessions: make each a subject, or choose prl_..._multipleB"
            )
        columns = {"block": np.cumsum(table.starts, axis=1).astype(np.float64), **columns}
    if "trial" in table.columns:
        columns = {"trial": table.columns["trial"], **columns}
    subject, trial = np.nonzero(whole)
    flat = [_cells(value[subject, trial]) for value in columns.values()]
    rows = zip([table.subjects[i] for i in subject], *flat, strict=True)
    return _write(Path(path), ("subjID", *columns), rows, "\t")


def _two_step(
    table: Behaviour, whole: NDArray[np.bool_], second_choice: bool
) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
    """Return hBayesDM's columns of a two-step task, and which trials are whole."""
    common = transitions(table)
    state = np.where(common == 1, table.choice, 1 - table.choice)
    whole = whole & (common != MISSING)
    second: NDArray = np.zeros_like(table.choice)
    if second_choice:
        if table.choice2 is None:
            raise ValueError("there is no second choice: say second_choice=False")
        second = table.choice2
        whole = whole & (second != MISSING)
    level2 = 2.0 * state + second + 1
    paid = np.where(table.reward > 0, 1.0, 0.0)
    columns = {"level1_choice": table.choice + 1.0, "level2_choice": level2, "reward": paid}
    return columns, whole


def _cells(values: NDArray) -> list[str]:
    """Return values as cells: empty where missing, whole numbers without a point."""
    if values.dtype.kind == "U":
        return list(map(str, values.tolist()))
    if values.dtype.kind in "iu":
        return ["" if value == MISSING else str(value) for value in values.tolist()]
    flat = values.astype(np.float64).tolist()
    return ["" if v != v else str(int(v)) if float(v).is_integer() else repr(v) for v in flat]


def _write(path: Path, header: tuple[str, ...], rows: Any, delimiter: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path

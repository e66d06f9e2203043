"""Formats that say of themselves what their columns mean: hBayesDM, BIDS, Psych-DS, cbm, NWB.

Records of agents, as ``prefrontal evaluate`` writes them, are such a format too.

Each reader gives `Rows` and the `Columns` that the format states; what the user says comes over
them. Nothing in a file is run: no pickle, no code.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.behaviour.agents.records import of_record
from prefrontal.behaviour.files.columns import Columns, DataError, columns_from
from prefrontal.behaviour.files.rows import Rows, joined, read_table

Found = tuple[Rows, Columns]
TABLES, MATLAB, NWB, RECORD = (".csv", ".tsv", ".txt"), ".mat", ".nwb", ".npz"
ENTITY = re.compile(r"([A-Za-z]+)-([A-Za-z0-9]+)")

#: What hBayesDM's columns mean (Ahn, Haines & Zhang 2017). In its two-step task, the second choice
#: names the state too: 1 and 2 are in the state that first choice 1 commonly leads to.
HBAYESDM: Mapping[str, Any] = {
    "columns": {"subject": "subjID", "reward": "outcome"},
    "codes": {"choice": {"1": 0, "2": 1}},
    "task": {"choice_is": "stimulus"},
}
HBAYESDM_TWO_STEP: Mapping[str, Any] = {
    "columns": {
        "subject": "subjID",
        "choice": "level1_choice",
        "state2": "level2_choice",
        "choice2": "level2_choice",
    },
    "codes": {
        "choice": {"1": 0, "2": 1},
        "state2": {"1": 0, "2": 0, "3": 1, "4": 1},
        "choice2": {"1": 0, "2": 1, "3": 0, "4": 1},
    },
    "task": {"arms": 2, "choice_is": "stimulus", "mapping": [0, 1], "common": 0.7},
}
#: What cbm's examples mean (Piray et al. 2019): 0 is a missed trial, outcome 2 no reward.
CBM = {
    "columns": {"choice": "actions", "reward": "outcome"},
    "codes": {"choice": {"1": 0, "2": 1}, "missing": {"choice": [0]}},
    "task": {"arms": 2},
}
CBM_TWO_STEP = {
    "columns": {"choice": "choice1", "reward": "outcome", "transition": "transit"},
    "codes": {
        "choice": {"1": 0, "2": 1},
        "choice2": {"1": 0, "2": 1},
        "state2": {"2": 0, "3": 1},
        "reward": {"1": 1, "2": 0},
        "transition": {"1": 1, "2": 0},
        "missing": {"any": [0]},
    },
    "task": {"arms": 2, "choice_is": "stimulus", "common": 0.7},
}


def load(paths: Iterable[Path]) -> Found:
    """Return the rows of files or folders, and what their formats say of the columns.

    Raises:
        DataError: A file cannot be read, or is of no format that is known.
    """
    found = [_load(path) for path in paths]
    columns = found[0][1]
    return (joined([rows for rows, _ in found]) if len(found) > 1 else found[0][0]), columns


def _load(path: Path) -> Found:
    """Return the rows of one file or folder."""
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in TABLES:
        rows = read_table(path)
        if {"member", "episode", "step", "action", "reward"} <= set(rows.cells):
            return _record_table(path, rows)
        return rows, hbayesdm_columns(rows)
    if path.suffix.lower() == RECORD:
        return _record(path)
    if path.suffix.lower() == MATLAB:
        return _matlab(path)
    if path.suffix.lower() == NWB:
        return _nwb(path)
    raise DataError(f"{path.name}: a table ends in .csv, .tsv or .txt; also read: .mat, .nwb, .npz")


def hbayesdm_columns(rows: Rows) -> Columns:
    """Return what the columns mean if they are hBayesDM's; nothing if not."""
    names = set(rows.cells)
    if "subjID" not in names:
        return Columns()
    if {"level1_choice", "level2_choice"} <= names:
        return columns_from(HBAYESDM_TWO_STEP)
    if "choice" not in names or not ({"outcome"} <= names or {"gain", "loss"} <= names):
        return Columns()
    tables = {name: dict(table) for name, table in HBAYESDM.items()}
    if "outcome" not in names:
        del tables["columns"]["reward"]
    most = max((int(c) for c in rows.cells["choice"] if c.isdecimal()), default=2)
    if 2 < most <= 1000:
        tables["codes"] = {"choice": {str(k + 1): k for k in range(most)}}
    if "block" in names:
        tables["task"]["resets"] = "block"
    return columns_from(tables)


def _record(path: Path) -> Found:
    """Return the rows of an agent's record: members are subjects, episodes their sessions."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = {
                "action",
                "reward",
                "trial",
                "policy",
                "first_action",
                "second_state",
                "common",
            }
            record = {name: arrays[name] for name in arrays.files if name in names}
        table = of_record(record)
    except (OSError, ValueError, IndexError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path.name} holds no record of choices ({error!s:.120}): name the record.npz that "
            "`prefrontal evaluate` writes"
        ) from error
    shape = table.choice.shape
    trial = np.arange(shape[1]) % (shape[1] // record["action"].shape[1])
    values: dict[str, NDArray[Any]] = {
        "session": table.session,
        "trial": np.broadcast_to(trial, shape),
    }
    values |= {"choice": table.choice, "reward": table.reward}
    task: dict[str, Any] = {"arms": table.arms, "resets": "session"}
    if table.state2 is not None:
        values["state2"] = table.state2
        task["choice_is"] = "stimulus"
        if "common" in record:
            by_trial = record["common"].reshape(*shape, -1)[..., -1]
            values["transition"] = by_trial.astype(np.int64)
    cells = {"subject": [name for name in table.subjects for _ in range(shape[1])]}
    cells |= {name: [str(one) for one in value.ravel().tolist()] for name, value in values.items()}
    count = table.choice.size
    rows = Rows(cells, [path.name] * count, list(range(1, count + 1)), "trial")
    return rows, columns_from({"task": task})


def _record_table(path: Path, rows: Rows) -> Found:
    """Return a record's table of steps, where each step is a trial."""
    if "trial" in rows.cells and "first_action" in rows.cells:
        raise DataError(f"{path.name} has several steps a trial: name record.npz beside it")
    names = {"subject": "member", "session": "episode", "trial": "step", "choice": "action"}
    arms = sum(name.startswith("policy.") for name in rows.cells)
    task = {"resets": "session", **({"arms": arms} if arms > 1 else {})}
    cells = {name: cell for name, cell in rows.cells.items() if name != "trial"}
    return Rows(cells, rows.file, rows.line), columns_from({"columns": names, "task": task})


def _folder(path: Path) -> Found:
    """Return the rows of a folder: BIDS, Psych-DS, or files of one kind."""
    about = path / "dataset_description.json"
    if about.is_file():
        return _dataset(path, _description(about))
    for endings in ((".csv", ".tsv"), (MATLAB,), (NWB,)):
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in endings)
        if files:
            return load(files)
    raise DataError(f"{path} holds no .csv, .tsv, .mat or .nwb file")


def _description(path: Path) -> dict[str, Any]:
    """Return what a dataset says of itself."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path.name} cannot be read: {error!s:.120}") from error
    return found if isinstance(found, dict) else {}


def _dataset(path: Path, about: Mapping[str, Any]) -> Found:
    """Return the rows of a folder in BIDS or Psych-DS; names of files tell subject and session.

    Sources: bids-specification.readthedocs.io, task events; psych-ds.github.io.
    """
    bids = "BIDSVersion" in about
    files = [p for p in sorted(path.rglob("*.?sv")) if p.suffix in (".tsv", ".csv")]
    ends = ("_events.tsv", "_beh.tsv") if bids else ("_data.csv", "_data.tsv")
    files = [p for p in files if p.name.endswith(ends)]
    if not files:
        raise DataError(f"{path} holds no file that ends in {' or '.join(ends)}")
    parts = []
    for file in files:
        rows = read_table(file)
        named = {key.lower(): value for key, value in ENTITY.findall(file.stem)}
        cells = dict(rows.cells)
        renamed = {"sub": "subject", "ses": "session", "run": "block", "participant": "subject"}
        for key, value in named.items():
            cells.setdefault(renamed.get(key, key), [value] * len(rows))
        parts.append(Rows(cells, rows.file, rows.line))
    rows = joined(parts)
    columns = {"rt": "response_time"} if "response_time" in rows.cells else {}
    missing = {"missing": ["n/a"]} if bids else {}
    if not bids:
        _require_declared(rows, about)
    # A subject of several files has several sessions or runs of them.
    return rows, columns_from({"columns": columns, "codes": missing, "task": {"files": "sessions"}})


def _require_declared(rows: Rows, about: Mapping[str, Any]) -> None:
    """Check that a Psych-DS dataset declares what it names a variable."""
    declared = about.get("variableMeasured", [])
    names = {one.get("name") if isinstance(one, dict) else one for one in declared}
    lacking = sorted(str(one) for one in names - set(rows.cells))
    if lacking:
        raise DataError(
            f"dataset_description.json declares {lacking[0]!r} in variableMeasured, and no file "
            "has such a column"
        )


def _matlab(path: Path) -> Found:
    """Return the rows of a ``.mat`` file: cbm's cells of structs, or variables by subject."""
    from scipy.io import loadmat

    try:
        variables = loadmat(path, struct_as_record=True)
    except NotImplementedError as error:
        raise DataError(f"{path.name} is of MATLAB 7.3: save it with -v7") from error
    except Exception as error:  # SciPy raises many kinds on files that are damaged
        raise DataError(f"{path.name} cannot be read: {error!s:.120}") from error
    named = {name: value for name, value in variables.items() if not name.startswith("__")}
    cells = named.get("data")
    if isinstance(cells, np.ndarray) and cells.dtype == object:
        return _cbm(path, list(cells.ravel()))
    pattern = re.compile(r"(.+?)_(?:.*_)?choices_(\d+)")
    parts = []
    for name, value in named.items():
        found = pattern.fullmatch(name)
        outcome = named.get(name.replace("choices", "outcomes"))
        if found and outcome is not None:
            both = {"choice": value, "reward": outcome}
            label = {"subject": found.group(1), "block": found.group(2)}
            parts.append(_struct_rows(path, both, label))
    if not parts:
        raise DataError(
            f"{path.name} holds neither `data`, a cell of structs as in cbm, nor pairs of "
            "ID_choices_1 and ID_outcomes_1"
        )
    return joined(parts), Columns()


def _cbm(path: Path, structs: list[Any]) -> Found:
    """Return the rows of cbm's data: a struct of vectors for each subject."""
    parts = []
    for i, one in enumerate(structs):
        if not isinstance(one, np.ndarray) or not one.dtype.names or one.size != 1:
            raise DataError(f"{path.name}: cell {i + 1} of `data` is no struct of trials")
        fields = {str(name): one[name].ravel()[0] for name in one.dtype.names}
        vectors = {
            name: value
            for name, value in fields.items()
            if isinstance(value, np.ndarray)
            and value.dtype.kind in "biuf"
            and value.size
            and value.size == max(value.shape)
        }
        longest = max((value.size for value in vectors.values()), default=0)
        whole = {name: value for name, value in vectors.items() if value.size == longest}
        parts.append(_struct_rows(path, whole, {"subject": str(i + 1)}))
    rows = joined(parts)
    if "choice1" in rows.cells:
        return rows, columns_from(CBM_TWO_STEP)
    return rows, columns_from(CBM if "actions" in rows.cells else {})


def _struct_rows(path: Path, vectors: Mapping[str, Any], labels: Mapping[str, str]) -> Rows:
    """Return vectors of trials as rows, with labels that all have."""
    flat = {name: np.asarray(value).ravel() for name, value in vectors.items()}
    sizes = {value.size for value in flat.values()}
    if len(sizes) != 1:
        of = next(iter(labels.values()))
        raise DataError(f"{path.name}: vectors of {of} differ in length: {sorted(sizes)}")
    (count,) = sizes
    cells = {name: [value] * count for name, value in labels.items()}
    cells |= {name: [str(one) for one in value.tolist()] for name, value in flat.items()}
    return Rows(cells, [path.name] * count, list(range(1, count + 1)), "trial")


def _nwb(path: Path) -> Found:
    """Return the rows of the trials of an NWB file; columns of several values are left out.

    Source: nwb-overview.readthedocs.io, `TimeIntervals`.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise DataError('NWB files need pynwb: pip install ".[nwb]"') from error
    try:
        with NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
            session = file.read()
            trials = session.trials
            if trials is None:
                raise DataError(f"{path.name} has no table of trials")
            columns = {name: trials[name] for name in trials.colnames}
            flat = {
                name: [_text(one) for one in column[:]]
                for name, column in columns.items()
                if not hasattr(column, "target") and np.ndim(column[:1]) == 1
            }
            subject = getattr(session.subject, "subject_id", None) or path.stem
            label = session.session_id or session.identifier
    except DataError:
        raise
    except Exception as error:  # HDF5 and hdmf raise many kinds on files that are damaged
        raise DataError(f"{path.name} cannot be read: {error!s:.120}") from error
    count = len(next(iter(flat.values()), []))
    flat.setdefault("subject", [str(subject)] * count)
    flat.setdefault("session", [str(label)] * count)
    rows = Rows(flat, [path.name] * count, list(range(1, count + 1)), "trial")
    return rows, columns_from({"task": {"files": "sessions"}})


def _text(value: Any) -> str:
    """Return a value of an HDF5 table as a cell."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(int(value)) if isinstance(value, bool | np.bool_) else str(value)

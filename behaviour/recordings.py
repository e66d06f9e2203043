"""Spike counts beside a table of trials: `spikes.npz`, and which of its trials is which row.

```python
np.savez("spikes.npz", counts=counts, session=session, trial=trial, area=area, unit=unit)
```

| array | |
|---|---|
| `counts` | ``[trials, bins, units]``, or ``[trials, units]``; NaN where a unit was not recorded |
| `session`, `trial`, `subject` | of each trial, as in the columns of the table: the key |
| `area`, `unit` | of each unit, a name |
| `bins` | edges of the bins, ``[bins + 1]``, seconds |

All but `counts` may be absent. Without a key the trials are the rows of the table, in their order.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.analysis.missing import numbers

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

KEYS = ("subject", "session", "trial")
ARRAYS = ("counts", *KEYS, "area", "unit", "bins")


@dataclass(frozen=True)
class Recording:
    """Spike counts of units, trial by trial.

    Attributes:
        counts: ``[N, B, U]``; NaN where a unit was not recorded.
        keys: What names each trial: ``subject``, ``session``, ``trial``, ``[N]`` texts each, as
            far as they are known.
        area: Where each unit is ``[U]``.
        unit: Name of each unit ``[U]``.
        bins: Edges of the bins, seconds ``[B + 1]``, or None.
        name: What it is called in messages.
    """

    counts: Array
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    area: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    bins: Array | None = None
    name: str = "the recording"

    def __post_init__(self) -> None:
        """Check shapes and values, and name what has no name.

        Raises:
            ConfigError: An array has another length than the counts, or a count cannot be one.
        """
        given = np.asarray(self.counts)
        if given.ndim == 2:
            given = given[:, None]
        if given.ndim != 3 or not given.size:
            raise ConfigError(
                f"{self.name}: counts must be [trials, bins, units], not {list(given.shape)}"
            )
        try:
            counts = numbers("counts", given, 0.0, axes=("trial", "bin", "unit"))
        except ValueError as error:
            raise ConfigError(f"{self.name}: {error}") from error
        trials, bins, units = counts.shape
        lengths: list[tuple[str, Sequence[object], int, str]] = [
            *((name, values, trials, "trials") for name, values in self.keys.items()),
            ("area", self.area or [""] * units, units, "units"),
            ("unit", self.unit or [""] * units, units, "units"),
        ]
        if self.bins is not None:
            lengths.append(("bins", list(self.bins), bins + 1, "edges of bins"))
        for name, values, wanted, what in lengths:
            if len(values) != wanted:
                raise ConfigError(
                    f"{self.name}: {name} has {len(values)} entries, and counts "
                    f"{list(counts.shape)} need {wanted} {what}"
                )
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "area", tuple(self.area) or ("all",) * units)
        object.__setattr__(self, "unit", tuple(self.unit) or tuple(map(str, range(units))))


def read_spikes(path: Path | str) -> Recording:
    """Read ``spikes.npz``; see the module for what is in it.

    Raises:
        ConfigError: It is no such file, or an array in it is not what it has to be; names the
            remedy.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError, EOFError) as error:
        hint = "texts with dtype=str" if "pickle" in str(error) else "by numpy.savez(counts=...)"
        raise ConfigError(f"{path.name} holds no plain arrays: save {hint}") from error
    for name in arrays:
        if name not in ARRAYS:
            raise ConfigError(f"{path.name}: unknown array {name!r}{did_you_mean(name, ARRAYS)}")
    if "counts" not in arrays:
        raise ConfigError(f"{path.name} has no array counts, [trials, bins, units]")
    texts = {
        name: tuple(map(label, values.ravel()))
        for name, values in arrays.items()
        if name in (*KEYS, "area", "unit")
    }
    return Recording(
        arrays["counts"],
        {name: texts[name] for name in KEYS if name in texts},
        texts.get("area", ()),
        texts.get("unit", ()),
        arrays.get("bins"),
        path.name,
    )


def write_spikes(path: Path | str, recording: Recording) -> Path:
    """Write ``spikes.npz``, which `read_spikes` reads back; return its path."""
    arrays = {name: np.array(values) for name, values in recording.keys.items()}
    if recording.bins is not None:
        arrays["bins"] = np.asarray(recording.bins)
    path = Path(path)
    np.savez_compressed(
        path,
        allow_pickle=False,
        counts=recording.counts,
        area=np.array(recording.area),
        unit=np.array(recording.unit),
        **arrays,
    )
    return path


def label(value: object) -> str:
    """Return a session, trial or name as text that compares: 1, 1.0 and "1" are the same."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def rows_of(
    recording: Recording, keys: Mapping[str, Sequence[object]], rows: int, table: str
) -> Codes:
    """Return which row of a table each trial of a recording is ``[N]``.

    Args:
        recording: The recording.
        keys: ``subject``, ``session``, ``trial`` of each row, as far as the table has them.
        rows: Number of rows.
        table: What the table is called in messages.

    Raises:
        ConfigError: Trials are not rows: without a key their numbers differ, or a key is not in
            the table, or twice; says how many trials and rows there are, and what to do.
    """
    trials = len(recording.counts)
    both = f"{recording.name} has {trials} trials and {table} {rows} rows"
    used = [name for name in KEYS if name in recording.keys]
    if "trial" not in used:
        if trials != rows:
            raise ConfigError(
                f"{both}: give {recording.name} the arrays session and trial, by which they are "
                "joined"
            )
        return np.arange(rows)
    if lacking := [name for name in used if name not in keys]:
        raise ConfigError(
            f"{recording.name} names its trials by {', '.join(used)}, and {table} has no column "
            f"{lacking[0]}: name it in columns.toml, [columns] {lacking[0]} = ..."
        )
    theirs = list(zip(*(map(label, keys[name]) for name in used), strict=True))
    place: dict[tuple[str, ...], int] = {}
    for row, key in enumerate(theirs):
        if key in place:
            more = [name for name in KEYS if name in keys and name not in used]
            hint = f"name {more[0]} too" if more else "give every session a name of its own"
            raise ConfigError(f"{table} has {_said(used, key)} twice: {hint} in {recording.name}")
        place[key] = row
    ours = list(zip(*(recording.keys[name] for name in used), strict=True))
    lost = [key for key in ours if key not in place]
    if lost:
        sessions = sorted({key[:-1] for key in lost})
        where = f" in {len(sessions)} sessions" if len(used) > 1 else ""
        raise ConfigError(
            f"{both}, and {len(lost)} trials{where} are no rows, first {_said(used, lost[0])}: "
            "leave them out of the recording, or keep missed trials as rows of the table"
        )
    if len(set(ours)) < len(ours):
        twice = next(key for i, key in enumerate(ours) if key in ours[:i])
        raise ConfigError(f"{recording.name} has {_said(used, twice)} twice")
    return np.array([place[key] for key in ours], dtype=np.int64)


def _said(names: Sequence[str], key: Sequence[str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))

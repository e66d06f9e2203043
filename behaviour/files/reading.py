"""`read`: choices from a file, some files or a folder."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefrontal.behaviour.files.building import build_behaviour
from prefrontal.behaviour.files.columns import Columns, DataError, read_columns
from prefrontal.behaviour.files.formats import load
from prefrontal.behaviour.table import Behaviour

Data = str | Path | Sequence[str | Path]


def read(data: Data, columns: Path | str | Mapping[str, Any] | Columns | None = None) -> Behaviour:
    """Read choices of people, animals or agents.

    Args:
        data: A table (CSV, TSV; hBayesDM's too), a ``.mat`` file as of cbm, an NWB file, a folder
            (BIDS, Psych-DS, or files of one kind), a pattern such as ``"data/*_game.csv"``, or a
            list of files.
        columns: What the columns mean: a `columns.toml`, or its tables as a dictionary; None: they
            have our names, or the format says it.

    Returns:
        The table of choices; ``row`` counts rows from 0 below the header, over all files.

    Raises:
        DataError: Something in the data is not what it has to be, in one line.
        ConfigError: Something in `columns` is not.
    """
    stated = read_columns(columns)
    rows, own = load(paths_of(data))
    return build_behaviour(rows, stated.over(own))


def paths_of(data: Data) -> list[Path]:
    """Return the files or folders that are meant, in order of their names.

    Raises:
        DataError: There are none.
    """
    given = [data] if isinstance(data, str | Path) else list(data)
    paths: list[Path] = []
    for one in given:
        try:
            path = Path(one).expanduser()
            found = [path] if path.exists() else sorted(map(Path, glob.glob(str(path))))
        except (RuntimeError, ValueError, OSError) as error:  # no such home, a name too long
            raise DataError(f"there is no file {str(one)[:80]!r}: {error!s:.80}") from error
        if not found:
            raise DataError(f"there is no file {str(one)[:200]}")
        paths += found
    if not paths:
        raise DataError("name a file of choices")
    return paths

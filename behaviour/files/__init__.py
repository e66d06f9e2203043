"""Files of choices: read and written, with what their columns mean said in a `columns.toml`."""

from prefrontal.behaviour.files.columns import Columns, DataError, columns_from, read_columns
from prefrontal.behaviour.files.reading import read
from prefrontal.behaviour.files.writing import read_tidy, write_hbayesdm, write_tidy

__all__ = [
    "Columns",
    "DataError",
    "columns_from",
    "read",
    "read_columns",
    "read_tidy",
    "write_hbayesdm",
    "write_tidy",
]

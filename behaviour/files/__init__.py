"""Files of choices: read and written, with what their columns mean said in a `columns.toml`."""

from prefrontal.behaviour.files.columns import Columns, DataError, columns_from, read_columns
from prefrontal.behaviour.files.reading import read

__all__ = ["Columns", "DataError", "columns_from", "read", "read_columns"]

"""Arrays as tables of comma-separated values, many rows at once.

A column is made into a matrix of characters, a row a number, in which zeros stand for "no
character". The columns side by side, without the zeros, are rows of the file. Numbers have as few
digits as are needed to read the same number back.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

_ROWS = 16384  # of a block, whose characters fit in the cache
_SEEN = 1024  # first numbers of a block: if few are different, the others may well be the same ones
_TENS = 10 ** np.arange(13)
_PLACES = 12  # decimal places that `_decimals` writes at most: 9 digits of a number from 1e-4 on


def write_table(columns: Mapping[str, np.ndarray], path: Path) -> Path:
    """Write columns ``[n]`` by name to a file that begins with their names; return its path.

    Fields are quoted and rows end as those of the module `csv`.
    """
    header = io.StringIO()
    csv.writer(header).writerow(columns)
    with path.open("wb") as file:
        file.write(header.getvalue().encode())
        for begin in range(0, len(next(iter(columns.values()))), _ROWS):
            rows = slice(begin, begin + _ROWS)
            file.write(_lines([_characters(column[rows]) for column in columns.values()]))
    return path


def _lines(columns: list[np.ndarray]) -> bytes:
    """Return rows of text, given the characters ``[n, width]`` of each column."""
    comma, end = (np.frombuffer(text, np.uint8) for text in (b",", b"\r\n"))
    n = len(columns[0])
    parts = [part for column in columns for part in (column, np.broadcast_to(comma, (n, 1)))]
    whole = np.concatenate([*parts[:-1], np.broadcast_to(end, (n, 2))], axis=1)
    return whole[whole != 0].tobytes()


def _characters(column: np.ndarray) -> np.ndarray:
    """Return the characters ``[n, width]`` of a column ``[n]``, 0 where there is none."""
    column = np.ascontiguousarray(column)
    floats = column.dtype.kind == "f"
    bits = column.view(f"i{column.itemsize}") if floats else column  # -0.0 is not 0.0
    few = np.unique(bits[:_SEEN])
    if len(few) <= _SEEN // 4:
        place = np.searchsorted(few, bits).clip(max=len(few) - 1)
        if (few[place] == bits).all():
            return _texts(few.view(column.dtype))[place]
    if column.dtype != np.float32:
        return _texts(column)
    size = np.abs(column)
    plain = (size > 1e-4) & (size < 1e6)
    if plain.all():
        return _decimals(column)
    found = _decimals(np.where(plain, column, np.float32(1)))
    found[~plain] = 0
    others = _texts(column[~plain])
    found[~plain, : others.shape[1]] = others
    return found


def _texts(column: np.ndarray) -> np.ndarray:
    """Return the characters of a column, value by value."""
    if column.dtype.kind in "US":
        texts = np.array([_quoted(text).encode() for text in column.astype(str).tolist()])
    else:
        texts = column.astype("S")
    found = texts.view(np.uint8).reshape(len(texts), -1)
    return found[:, found.any(axis=0)]


def _quoted(text: str) -> str:
    """Return text as it stands in a row."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def _words(texts: Iterable[str]) -> np.ndarray:
    """Return texts of four characters at most as one number each."""
    return np.array([text.encode() for text in texts], "S4").view(np.uint32)


# THREE DIGITS 0 ... 999 as characters, each in two ways: index n, and 1000 + n
_NUMBERS = range(1000)
_PADDED = [f"{n:03d}" for n in _NUMBERS]
_THOUSANDS = _words(f"{sign}{n or ''}" for sign in ("", "-") for n in _NUMBERS)
_UNITS = _words([*map(str, _NUMBERS), *_PADDED])
_FIRST = _words([*(f".{text}" for text in _PADDED), *(f".{n / 1000}"[2:] for n in _NUMBERS)])
_LATER = _words([*_PADDED, *(text.rstrip("0") for text in _PADDED)])


def _decimals(numbers: np.ndarray) -> np.ndarray:
    """Return the characters of float32 numbers between 1e-4 and 1e6 in size, all at once.

    They are the shortest decimals that are read as the same numbers, as NumPy writes them.
    """
    size = np.abs(numbers).astype(np.float64)
    exponent = np.floor(np.log10(size)).astype(np.int64)
    # MANY PLACES [n], int64: number times 10^12, rounded to 6 digits, or to 7, ... if need be
    scaled, left = np.empty(len(size), np.int64), np.arange(len(size))
    for digits in (6, 7, 8, 9):
        places = digits - 1 - exponent[left]
        wanted, tens = size[left], _TENS[places].astype(np.float64)
        rounded = np.rint(wanted * tens)
        scaled[left] = rounded.astype(np.int64) * _TENS[_PLACES - places]
        left = left[(rounded / tens).astype(np.float32) != wanted]
    # GROUPS of three digits, from the last one: what is left out are zeros at either end
    words, bare = np.empty((len(size), 6), np.uint32), np.ones(len(size), bool)
    for column in (5, 4, 3, 2):
        scaled, group = np.divmod(scaled, 1000)
        words[:, column] = (_LATER if column > 2 else _FIRST)[group + 1000 * bare]
        bare &= group == 0
    thousands, units = np.divmod(scaled, 1000)
    words[:, 1] = _UNITS[units + 1000 * (thousands > 0)]
    words[:, 0] = _THOUSANDS[thousands + 1000 * np.signbit(numbers)]
    return words.view(np.uint8)

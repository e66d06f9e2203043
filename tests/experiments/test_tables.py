"""Tables say what the module `csv` would write: the same characters, and numbers that read back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from prefrontal.experiments import tables
from prefrontal.experiments.tables import write_table


def plainly(columns: dict[str, np.ndarray]) -> bytes:
    """Return the file as the module `csv` writes it, number by number."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(zip(*(map(str, each) for each in columns.values()), strict=True))
    return file.getvalue().encode()


def written(tmp_path: Path, **columns: np.ndarray) -> bytes:
    return write_table(columns, tmp_path / "table.csv").read_bytes()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_columns_of_every_kind(tmp_path: Path, rng: np.random.Generator) -> None:
    n = 3 * tables._ROWS + 5
    odd = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-4, 1e6, 1e-45, -3.4e38, 16777216.0])
    columns = {
        "few": rng.integers(2, size=n),
        "late": np.r_[np.zeros(n - 1, np.int64), -7],  # other than what the first rows hold
        "many": rng.integers(-(2**63), 2**63 - 1, size=n),
        "large": rng.integers(2**64, size=n, dtype=np.uint64),
        "short": rng.integers(-99, 99, size=n).astype(np.int16),
        "yes": rng.random(n) < 0.5,
        "single": rng.normal(size=n).astype(np.float32),
        "double": rng.normal(size=n),
        "odd": rng.choice(odd, n).astype(np.float32),
        "mixed": np.where(rng.random(n) < 0.5, rng.choice(odd, n), rng.normal(size=n)).astype("f4"),
        "strided": rng.normal(size=(n, 2)).astype(np.float32).T[1],
        "text": rng.choice(["a", "b,c", 'say "d"', "two\r\nlines", "ü", ""], n),
        'a name, "quoted"': np.arange(n),
    }
    assert written(tmp_path, **columns) == plainly(columns)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.integers(2**32, size=n, dtype=np.uint32).view(np.float32),
        lambda rng, n: 10 ** rng.uniform(-5, 7, n) * rng.choice([-1, 1], n),
        lambda rng, n: rng.integers(10**6, size=n) / 10.0 ** rng.integers(7, size=n),
        lambda rng, n: 10.0 ** rng.integers(-5, 8, size=n),
        lambda rng, n: np.nextafter(
            (10.0 ** rng.integers(-5, 8, size=n)).astype(np.float32),
            rng.choice([-np.inf, np.inf], n).astype(np.float32),
        ),
    ],
    ids=["any bits", "any size", "few digits", "powers of ten", "beside them"],
)
def test_float32_has_the_shortest_decimals_that_read_back(tmp_path, rng, draw) -> None:
    numbers = draw(rng, 100_000).astype(np.float32)
    lines = written(tmp_path, x=numbers).decode().split()[1:]
    assert lines == numbers.astype(str).tolist()
    np.testing.assert_array_equal(np.array(lines, np.float64).astype(np.float32), numbers)


def test_blocks_make_no_difference(tmp_path: Path, rng: np.random.Generator, monkeypatch) -> None:
    columns = {"step": np.arange(1000), "x": rng.normal(size=1000).astype(np.float32)}
    whole = written(tmp_path, **columns)
    monkeypatch.setattr(tables, "_ROWS", 7)
    assert written(tmp_path, **columns) == whole == plainly(columns)

"""Small runs that reports, comparisons and films are tested on."""

from pathlib import Path

import pytest

from prefrontal import command
from tests.front import SMALL


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[str, Path]:
    """Two runs of the same seed with other cores, and one of another seed; do not write there."""
    folder = tmp_path_factory.mktemp("shown")
    said = {"lstm": [], "gru": ["--core", "gru"], "other": ["--seed", "1"]}
    for name, words in said.items():
        made = ["wang2016-bandit", *SMALL, "--members", "3", "--workers", "1", *words]
        assert command.train([*made, "--no-progress", "--out", str(folder / name)]) == 0
    return {name: folder / name for name in said}


@pytest.fixture(scope="session")
def fit(tmp_path_factory) -> Path:
    """A small fit with its predictive checks; do not write there."""
    import prefrontal as pf

    folder = tmp_path_factory.mktemp("fit") / "bandit"
    data = Path(__file__).parents[2] / "behaviour" / "examples" / "bandit.csv"
    made = pf.fit(data, "rw,rw+persev", out=folder)
    pf.simulate(made, 2, out=folder / "simulation")
    pf.compare(made, folds=2, out=folder / "comparison")
    return folder

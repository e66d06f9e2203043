"""Draw the figures of these tests at a low resolution, which takes a fraction of the time."""

import pytest

from prefrontal.analysis.figures import style


@pytest.fixture(autouse=True)
def low_resolution(monkeypatch):
    monkeypatch.setitem(style.STYLE, "savefig.dpi", 50.0)

"""What `docs/models.md` says of the models is what they are."""

import re
from pathlib import Path

import torch

from prefrontal.behaviour.models import find, names
from prefrontal.behaviour.named import ADDITIONS, MODELS
from prefrontal.checks import problems

TEXT = (Path(__file__).parents[3] / "docs/models.md").read_text()


def rows(head):
    """Name and parameters of each row of the table below a head."""
    table = TEXT.split(head)[1].split("\n\n")[0].splitlines()[2:]
    cells = [line.replace("\\|", "").split("|")[1:3] for line in table]
    return {name.strip().strip("`"): re.findall(r"`([\w-]+)`", words) for name, words in cells}


def test_every_model_is_described_with_its_parameters():
    table = rows("| name | parameters |")
    table = {"random": [], **table}
    assert list(table) == list(names())
    for name, parameters in table.items():
        assert parameters == [one.name for one in find(name).parameters], name


def test_every_addition_is_described_with_its_parameters():
    table = rows("| addition | parameter |")
    assert set(table) == set(ADDITIONS)
    without = {one.name for one in find("rw").parameters}
    for name, parameters in table.items():
        added = [p.name for p in find(f"rw+{name}").parameters if p.name not in without]
        assert parameters == added


def test_priors_are_as_described():
    found = {
        (name, one.name): (one.mean, one.variance)
        for name in (*names(), "rw+lapse")
        for one in find(name).parameters
        if (one.mean, one.variance) != (0.0, 6.25)
    }
    assert found == {
        ("rw+lapse", "lapse"): (-3, 6.25),
        ("rlwm", "lapse"): (-3, 6.25),
        ("hidden-state", "hazard"): (-2, 6.25),
        ("rlwm", "capacity"): (1, 1),
        ("rlwm", "inverse_temperature"): (1, 6.25),
    }


def test_the_model_shown_is_one(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / "shown.py"
    file.write_text(code)
    assert problems(f"{file}:DecayingValues") == []
    assert torch.get_default_dtype() == torch.float32


def test_models_that_are_listed_are_those_that_there_are():
    assert tuple(MODELS) == names()

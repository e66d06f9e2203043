"""Findings know which code judged them, so that a table that no longer follows it is noticed."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from prefrontal.experiments import judging
from prefrontal.experiments.experiment import all_experiments
from prefrontal.experiments.judging import fingerprint, stale

SHIPPED = sorted((Path(__file__).parents[2] / "pretrained").glob("*/findings.json"))


def test_the_shipped_findings_were_judged_by_the_code_there_is() -> None:
    """`make findings` measures and judges them again."""
    assert SHIPPED
    assert stale(SHIPPED) == []


def test_every_experiment_has_a_fingerprint_of_its_own() -> None:
    read = judging.Read()
    prints = {name: fingerprint(name, read) for name in all_experiments()}
    assert len(set(prints.values())) == len(prints)
    assert prints["wang2016-bandit"] == fingerprint("wang2016-bandit")
    assert {"analysis.stats.findings", "experiments.bandits.measures"} <= set(read)
    assert not [name for name in read if "figures" in name.split(".")[1]]


def test_what_judges_counts_and_what_only_tells_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "experiments" / "bandits" / "wang2016_bandit.py"
    helper = tmp_path / "analysis" / "stats" / "findings.py"
    figure = tmp_path / "analysis" / "figures" / "learning.py"
    for path in (module, helper, figure):
        path.parent.mkdir(parents=True)
    monkeypatch.setattr(judging, "PACKAGE", tmp_path)

    def printed(code: str = "BAR = 1", help_: str = "RULE = 1", picture: str = "RED = 1") -> str:
        imports = "from prefrontal.analysis.stats import findings\n"
        imports += "from prefrontal.analysis.figures.learning import RED\n"
        module.write_text(imports + code)
        helper.write_text(help_)
        figure.write_text(picture)
        return fingerprint("wang2016-bandit")

    one = printed()
    assert printed("BAR = 1  # a comment") == one
    assert printed(picture="RED = 2") == one
    assert printed("BAR = 2") != one
    assert printed(help_="RULE = 2") != one
    assert printed('def f():\n    """Say."""\n    return 1') == printed("def f():\n    return 1")
    file = tmp_path / "findings.json"
    for code, old in (
        (printed(), []),
        ("another", ["wang2016-bandit"]),
        (None, ["wang2016-bandit"]),
    ):
        file.write_text(json.dumps({"experiment": "wang2016-bandit", "code": code}))
        assert stale([file]) == old


def test_a_fingerprint_does_not_depend_on_what_a_version_of_python_adds() -> None:
    tree = ast.parse("def f(a): return a")
    told = judging._plain(tree)
    tree.body[0].type_params = []  # new in 3.12
    assert judging._plain(tree) == told

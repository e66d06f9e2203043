"""Shipping a run, and the README's tables made from what is shipped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prefrontal import command, reproducing
from prefrontal.agents import load
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.experiments import report
from prefrontal.experiments.experiment import find_experiment
from prefrontal.experiments.run_files import read_curves

WORDS = [
    "--total-steps",
    "64000",
    "--num-envs",
    "4",
    "--members",
    "2",
    "--workers",
    "1",
    "--no-progress",
]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    experiment = find_experiment("wang2016-informative-arm")
    command.train([experiment.name, *WORDS, "--out", "run"])
    command.evaluate(["run", "--episodes", "20", "--record", "1", "--no-figures"])
    reproducing.ship(experiment, RunFolder.read("run"), Path("pretrained", experiment.name))
    return tmp_path


def test_shipped_population_is_the_trained_one(shipped: Path) -> None:
    ours, theirs = load("run"), load("pretrained/wang2016-informative-arm")
    assert len(theirs) == 2
    np.testing.assert_array_equal(ours.model.parameters, theirs.model.parameters)
    target = shipped / "pretrained" / "wang2016-informative-arm"
    assert "prefrontal train wang2016-informative-arm" in (target / "MODEL_CARD.md").read_text()
    assert sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) < 500_000
    full, thin = read_curves(Path("run/metrics.csv")), read_curves(target / "metrics.csv")
    assert len(thin["steps"]) <= 2 * reproducing.REPORTS < len(full["steps"])
    assert thin["steps"][-1].tolist() == full["steps"][-1].tolist()
    whole = replace(find_experiment("wang2016-informative-arm"), whole_curves=True)
    reproducing.ship(whole, RunFolder.read("run"), Path("whole"))
    assert Path("whole/metrics.csv").read_bytes() == Path("run/metrics.csv").read_bytes()
    # It is a run folder like any other.
    assert command.evaluate([str(target), "--episodes", "5", "--record", "1", "--no-figures"]) == 0


def test_conditions_are_shipped_in_folders_of_their_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, few = "wang2018-harlow", ["--episodes", "5", "--record", "1", "--no-figures"]
    command.train([name, "--total-steps", "400", *WORDS[2:], "--out", "run"])
    command.evaluate(["run", *few])
    experiment = find_experiment(name)
    reproducing.ship(experiment, RunFolder.read("run"), Path("pretrained", name))
    reproducing.ship(replace(experiment, half=True), RunFolder.read("run"), Path("half"))
    for condition in experiment.conditions:
        places = "run", f"pretrained/{name}", "half"
        run, shipped, half = (load(place, condition).model.parameters for place in places)
        np.testing.assert_array_equal(run, shipped)
        np.testing.assert_array_equal(run.half().float(), half)


def test_readme_tables(shipped: Path) -> None:
    marks = [
        f"<!-- {n}: written by `make findings` -->\nold\n<!-- end of {n} -->"
        for n in ("findings", "environments")
    ]
    Path("README.md").write_text("before\n" + "\n".join(marks) + "\nafter\n")
    assert report.main() == 0
    text = Path("README.md").read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "return, sampled" in text
    card = Path("pretrained/wang2016-informative-arm/MODEL_CARD.md")
    shipped_card = card.read_text()
    numbers = card.parent / "findings.json"
    metrics = json.loads(numbers.read_text())
    assert all(finding["name"] in shipped_card for finding in metrics["findings"])
    metrics["findings"][0]["value"] = 4.25
    numbers.write_text(json.dumps(metrics))
    assert report.main() == 0
    assert "4.250" in card.read_text()
    assert "4.250" in Path("README.md").read_text()
    assert card.read_text().split("## Use")[1] == shipped_card.split("## Use")[1]
    text = Path("README.md").read_text()
    assert "`prefrontal/TwoArmedBandit-v0`" in text
    assert report.main() == 0
    assert Path("README.md").read_text() == text


def test_tables_that_have_no_place_are_refused(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, folder = tmp_path / "README.md", Path("pretrained/wang2016-informative-arm")
    readme.write_text("nothing here")
    capsys.readouterr()
    assert report.main(tmp_path) == 2
    assert "no lines" in capsys.readouterr().err
    for content in ("no table", None):
        card = folder / "MODEL_CARD.md"
        card.write_text(content) if content else card.unlink()
        assert report.main(tmp_path) == 2
        assert "no MODEL_CARD.md with a table of findings" in capsys.readouterr().err
    (folder / "findings.json").unlink()
    assert report.main(tmp_path) == 2
    assert "there are no findings" in capsys.readouterr().err
    assert readme.read_text() == "nothing here"

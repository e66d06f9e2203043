"""Shipping a run, and the tables of pages made from what is shipped."""

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


@pytest.fixture
def pages(shipped: Path) -> tuple[Path, Path]:
    """README and the first page of the findings, with places for their tables."""
    marks = "<!-- a row each: written by `make findings` -->\nold\n<!-- end of a row each -->"
    index = Path("docs/findings/index.md")
    index.parent.mkdir(parents=True)
    for page in (Path("README.md"), index):
        page.write_text(f"before\n{marks}\nafter\n")
    return Path("README.md"), index


def test_tables_of_pages(pages: tuple[Path, Path]) -> None:
    readme, index = pages
    name = "wang2016-informative-arm"
    page = Path("docs/findings", f"{name}.md")
    assert report.main() == 0
    for text, link in (
        (readme.read_text(), f"[{name}](docs/findings/{name}.md)"),
        (index.read_text(), f"[{name}]({name}.md)"),
    ):
        assert "old" not in text
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert link in text
        assert "return, sampled: " in text
    card = Path("pretrained", name, "MODEL_CARD.md")
    shipped_card = card.read_text()
    numbers = card.parent / "findings.json"
    metrics = json.loads(numbers.read_text())
    assert all(finding["name"] in shipped_card for finding in metrics["findings"])
    metrics["findings"][0]["value"] = 4.25
    numbers.write_text(json.dumps(metrics))
    page.write_text(page.read_text() + "\nWhat was learned.\n")
    assert report.main() == 0
    assert all("4.250" in place.read_text() for place in (card, readme, index, page))
    assert card.read_text().split("## Use")[1] == shipped_card.split("## Use")[1]
    text = page.read_text()
    assert text.startswith("# Eleven arms, one of which")
    assert text.endswith("\nWhat was learned.\n")
    assert "`default` 2 members, 64,000 steps each" in text
    before = [place.read_text() for place in (card, readme, index, page)]
    assert report.main() == 0
    assert [place.read_text() for place in (card, readme, index, page)] == before


def test_headlines_name_findings_that_there_are() -> None:
    pretrained = Path(report.__file__).parents[1] / "pretrained"
    for name, headline in report.HEADLINES.items():
        rows = json.loads((pretrained / name / "findings.json").read_text())["findings"]
        assert headline in [row["name"] for row in rows]


def test_tables_that_have_no_place_are_refused(
    pages: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, folder = tmp_path / "README.md", Path("pretrained/wang2016-informative-arm")
    assert report.main(tmp_path) == 0
    page = Path("docs/findings/wang2016-informative-arm.md")
    page.write_text("no marks")
    assert report.main(tmp_path) == 2
    assert f"{page} has no lines" in capsys.readouterr().err
    readme.write_text("nothing here")
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

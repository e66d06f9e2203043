"""The table of environments: rows are measured by the commands that stand in it, and replaced."""

import csv
from dataclasses import replace

import pytest

from benchmarks import environments
from prefrontal import command
from prefrontal.experiments.presets import PRESETS


@pytest.fixture
def tiny(monkeypatch):
    """An environment that is trained in this process, and hardly."""
    words = "CartPole-v1 --total-steps 60 --num-envs 2 --no-progress"
    one = environments.Environment(words, 475, members=2, episodes=3)
    monkeypatch.setattr(environments, "ENVIRONMENTS", {"first": one})
    runs = []

    def train(words):
        runs.append(words)
        return float(command.main(words))

    monkeypatch.setattr(environments, "_train", train)
    return runs


def test_a_row_is_what_its_command_does(tiny, tmp_path):
    table = tmp_path / "table.csv"
    for _ in range(2):
        words = ["first", "--out", str(tmp_path / "runs"), "--table", str(table)]
        assert environments.main(words) == 0
    assert len(tiny) == 1  # what is there is not trained again
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["name"] for row in rows] == ["first"] * 2
    drawn, best = rows
    assert (drawn["measure"], best["measure"]) == (environments.DRAWN, environments.BEST)
    assert (drawn["bar"], best["bar"]) == ("", "475")
    assert best["command"].endswith("--no-progress --members 2 --seed 1")
    assert (best["members"], best["episodes"], best["steps"]) == ("2", "3", "60")
    for row in rows:
        assert 5 < float(row["worst"]) <= float(row["value"]) < 200


def test_rows_of_others_stay(tmp_path):
    table = tmp_path / "table.csv"
    row = environments._row("taxi", "prefrontal", "return", 1.0)
    environments.write([row, replaced := row | {"agent": "RecurrentPPO"}], table)
    environments.write([replaced | {"value": 3.0}], table)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(one["agent"], one["value"]) for one in rows] == [
        ("prefrontal", "1.0"),
        ("RecurrentPPO", "3.0"),
    ]


def test_the_page_beside_a_table_has_its_rows(tmp_path):
    table, page = tmp_path / "t.csv", tmp_path / "t.md"
    more = {"bar": 5, "members": 8, "steps": 100_000, "cpu_seconds": 61}
    more["command"] = "prefrontal train Taxi-v4 --members 8 --seed 1"
    row = environments._row("taxi", "prefrontal", "return", 7.4321, 7.1, 7.6, 6.0, **more)
    environments.write([row], table)
    page.write_text(f"before\n\n{environments.MARK}\nold\n## After\n")
    for _ in range(2):
        environments._onto_page(table)
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1], "old" in lines) == ("before", "## After", False)
    line = "| `Taxi-v4 --members 8` | return | 7.432 [7.1, 7.6] | 6 | 5 | 8 | 100,000 | 61 |"
    assert lines.count(line) == 1


def test_commands_name_presets_that_there_are():
    for one in environments.ENVIRONMENTS.values():
        words = one.command.split()
        if "--preset" in words:
            assert words[words.index("--preset") + 1] in PRESETS
        assert replace(one, members=3).command.endswith(f"--members 3 --seed {one.seed}")


def test_unknown_names_are_refused(capsys):
    with pytest.raises(SystemExit):
        environments.main(["cartpol"])
    assert "there is no 'cartpol'" in capsys.readouterr().err

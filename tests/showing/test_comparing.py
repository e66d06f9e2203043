"""Runs of agents side by side: differences, tables, files; one command for two kinds of runs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.analysis.stats.findings import Finding
from prefrontal.doors import Doors
from prefrontal.options import EvaluationOptions
from prefrontal.showing.commands import are_agents, parted, places_of
from prefrontal.showing.comparing import Side, compared, difference, escaped
from prefrontal.showing.runs import by_member, names_of, opened
from tests.front import refused


def side(name: str, values: dict[str, np.ndarray], members: object) -> Side:
    findings = {key: Finding(key, float(one.mean()), 0.0, 1.0) for key, one in values.items()}
    return Side(name, findings, values, {}, {}, members)


def test_paired_differences_are_those_of_each_member():
    found = difference(np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 5, 6]), paired=True)
    # differences 1, 1, 2, 2: mean 1.5, deviation 1/sqrt(3), t(3) = 3.182446
    assert found.pairing == "paired"
    assert found.found.value == 1.5
    half = 3.182446 / 3**0.5 / 2
    np.testing.assert_allclose([found.found.low, found.found.high], [1.5 - half, 1.5 + half], 1e-5)


def test_runs_of_other_members_are_independent_groups():
    found = difference(np.array([0.0, 2.0]), np.array([5.0, 7.0]), paired=False)
    # means 6 and 1, each variance 2 of two members: error sqrt(2), 2 degrees of freedom
    half = 4.302653 * 2**0.5
    assert found.pairing == "independent"
    np.testing.assert_allclose(
        [found.found.value, found.found.low, found.found.high], [5, 5 - half, 5 + half], 1e-5
    )


@pytest.mark.parametrize(
    ("other", "pairing"), [((0, [0, 1]), "paired"), ((1, [0, 1]), "independent")]
)
def test_members_are_paired_where_seed_and_identities_are_the_same(other, pairing):
    values = {"reward": np.array([1.0, 2.0]), "extra": np.array([0.0, 1.0])}
    runs = [
        side("a", values, (0, [0, 1])),
        side("b", {"reward": np.array([2.0, 3.0])}, other),
    ]
    made = compared(runs, None)
    assert made.differences["reward"]["b"].pairing == pairing
    assert made.findings == ["reward"]
    head, row = made.table()
    assert head == ["finding", "a", "b", "b - a", "95 % interval", "pairing"]
    assert row[3] == "1.000"
    assert row[-1] == pairing


def test_values_of_members_are_those_their_mean_is_made_of(runs):
    run = opened(runs["lstm"], Doors())
    evaluation = run.evaluation(30)
    findings = run.experiment.measure(evaluation).findings
    values = by_member(run.experiment, evaluation, findings)
    means = {one.name: one.value for one in findings}
    assert len(values) > 2
    for name, one in values.items():
        assert one.shape == (3,)
        np.testing.assert_allclose(one.mean(), means[name], rtol=1e-5)
    # What a finding does not say itself is measured of each member alone: the same
    silent = [Finding(one.name, one.value) for one in findings]
    again = by_member(run.experiment, evaluation, silent)
    assert set(again) >= set(values)
    for name, one in values.items():
        np.testing.assert_allclose(again[name], one, rtol=1e-5)
    worst = [name for name in means if "worst" in name]
    assert not set(worst) & set(values)
    assert any(np.ptp(one) > 0 for one in values.values())


def test_compare_writes_a_table_and_a_figure(runs, tmp_path, capsys):
    words = [str(runs[name]) for name in ("lstm", "gru", "other")]
    assert command.compare([*words, "--episodes", "20", "--out", str(tmp_path / "c")]) == 0
    said = capsys.readouterr().out
    assert "gru - lstm" in said
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert {"comparison.md", "comparison.csv", "comparison.json", "learning_curves.png"} <= names
    rows = list(csv.DictReader((tmp_path / "c" / "comparison.csv").open()))
    by = {(row["finding"], row["run"]): row for row in rows}
    name = next(row["finding"] for row in rows if row["difference"])
    ours, theirs = (float(by[name, run]["value"]) for run in ("gru", "lstm"))
    np.testing.assert_allclose(float(by[name, "gru"]["difference"]), ours - theirs, atol=1e-6)
    assert by[name, "gru"]["pairing"] == "paired"
    assert by[name, "other"]["pairing"] == "independent"
    assert json.loads((tmp_path / "c" / "comparison.json").read_text())["runs"] == [
        "lstm",
        "gru",
        "other",
    ]


def test_compare_in_python_writes_nothing_if_not_asked(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = pf.compare_runs([runs["lstm"], runs["gru"]], episodes=10)
    assert not list(tmp_path.iterdir())
    assert found._repr_markdown_().startswith("| finding | lstm | gru |")


def test_evaluate_of_several_runs_compares_them(runs, tmp_path, capsys):
    words = [
        str(runs["lstm"]),
        str(runs["gru"]),
        "--episodes",
        "20",
        "--record",
        "2",
        "--no-figures",
    ]
    assert command.evaluate([*words, "--out", str(tmp_path / "e")]) == 0
    assert "gru - lstm" in capsys.readouterr().out
    for path in ("lstm/metrics.json", "gru/record.npz", "comparison.csv"):
        assert (tmp_path / "e" / path).is_file()
    assert command.evaluate([*words, "--json", "--out", str(tmp_path / "j")]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert set(plain["runs"]) == {"lstm", "gru"}
    metrics = json.loads((tmp_path / "j" / "lstm" / "metrics.json").read_text())
    assert plain["runs"]["lstm"] == metrics


def test_one_command_tells_fits_and_agents_apart(runs, fit, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = str(runs["lstm"])
    for words, message in (
        ([run], "two runs or more"),
        ([run, run], "is named twice"),
        ([run, "nowhere"], "there is no run in nowhere"),
        ([str(fit), run], "is a fit"),
        ([str(fit), "--episodes", "3"], "unrecognised --episodes"),
        ([run, str(runs["gru"]), "--cv", "blocks"], "unrecognised --cv"),
        ([], "required"),
    ):
        assert message in refused(capsys, command.compare, words)


def test_names_are_short_and_tell_runs_apart(tmp_path):
    assert names_of([Path("a/x"), "b/y"]) == ["x", "y"]
    assert names_of(["a/x", "b/x"]) == ["a/x", "b/x"]


def test_cells_do_not_break_a_table_of_markdown():
    assert escaped([["a|b", "<b>"]]) == [["a\\|b", "&lt;b>"]]


def test_runs_are_recognised_among_options():
    words = ["--episodes", "100", "a", "--no-figures", "b", "--seed=3", "--json", "c"]
    runs, rest = parted(words, EvaluationOptions)
    assert runs == ["a", "b", "c"]
    assert rest == ["--episodes", "100", "--no-figures", "--seed=3", "--json"]
    assert are_agents(["--episodes", "100", "a", "--json", "b"])
    with pytest.raises(ConfigError, match="no fit and no run of agents in a: name"):
        are_agents(["--models", "rw,rw+dual", "a"])


def test_folders_of_runs_are_unique():
    names = ["a/run", "b/run", "/a/run", "../run", "x", "deep/y"]
    places = places_of(names)
    assert list(places) == names
    assert list(places.values()) == ["a-run", "b-run", "a-run-2", "run", "x", "y"]


def test_options_may_stand_before_runs(runs, tmp_path, capsys):
    named = [str(runs["lstm"]), str(runs["gru"])]
    said = ["--episodes", "20", "--json", "--out", str(tmp_path / "c"), *named]
    assert command.compare(said) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == ["lstm", "gru"]

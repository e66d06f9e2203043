"""The commands on choices, from a table to run folders, and what they refuse."""

import csv
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour import examples
from prefrontal.behaviour.examples.make import bandit
from prefrontal.behaviour.files import DataError, write_tidy
from prefrontal.behaviour.table import behaviour
from prefrontal.fit_folder import load_fit
from prefrontal.fit_report import recovery_lines
from prefrontal.fitted import notes_of
from tests.behaviour.files.test_columns import PROMISED
from tests.behaviour.files.test_formats import DATA
from tests.front import refused

EXAMPLES = Path(examples.__file__).parent
BANDIT = [str(EXAMPLES / "bandit.csv"), "--columns", str(EXAMPLES / "bandit.columns.toml")]
QUICK = ["--models", "rw,rw+persev", "--no-figures"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder of a fit, with everything in it."""
    folder = tmp_path_factory.mktemp("fit") / "run"
    assert command.main(["fit", *BANDIT, "--models", "rw,random", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fit_prints_json_of_the_promised_form(folder, capsys):
    words = ["fit", *BANDIT, *QUICK, "--method", "em", "--out", "run", "--json"]
    assert command.main(words) == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["subjects"], plain["subject_names"][0]) == (4, "S01")
    assert plain["trials_scored"] == 160
    assert list(plain["models"]) == ["rw", "rw+persev"]
    one = plain["models"]["rw"]
    keys = {"log_likelihood", "normalised_likelihood", "evidence", "bic", "parameters"}
    assert keys <= set(one)
    assert len(one["parameters"]["learning_rate"]) == 4
    by_subject = one["by_subject"]
    assert sum(by_subject["log_likelihood"]) == pytest.approx(one["log_likelihood"])
    said = np.exp(one["log_likelihood"] / 160)
    assert one["normalised_likelihood"] == pytest.approx(said)
    bms = plain["bms"]
    assert set(bms) == {"frequencies", "exceedance", "protected_exceedance", "bor", "prior"}
    assert bms["prior"] == 1
    assert sum(bms["frequencies"].values()) == pytest.approx(1)
    assert Path("run/command.txt").read_text().startswith("prefrontal fit ")


def test_a_run_folder_holds_what_was_found(run):
    assert {"torch", "numpy", "prefrontal"} <= set(json.loads((run / "versions.json").read_text()))
    assert "resets" in (run / "columns.toml").read_text()
    trials = rows(run / "trials.csv")
    assert [int(row["row"]) for row in trials] == list(range(160))
    found = load_fit(run)
    score = found.fits["rw"].score(found.behaviour)
    told = [float(row["rw.log_p"]) for row in trials]
    np.testing.assert_allclose(told, score.ravel())
    assert sum(told) == pytest.approx(found.fits["rw"].log_likelihood.sum())
    assert {"rw.value0", "rw.value1", "rw.rpe"} <= set(trials[0])
    table = rows(run / "parameters.csv")
    assert [row["subject"] for row in table if row["parameter"] == "learning_rate"] == [
        *("S01", "S02", "S03", "S04")
    ]
    compared = {row["model"]: row for row in rows(run / "comparison.csv")}
    assert float(compared["random"]["log_likelihood"]) == pytest.approx(160 * np.log(0.5))
    report = (run / "report.md").read_text()
    for figure in ("figures/stay.png", "figures/history.png"):
        assert f"({figure})" in report
        assert (run / figure).is_file()


def test_a_fit_loads_as_it_was(run):
    first = pf.read(BANDIT[0], BANDIT[2])
    made, found = pf.fit(first, "rw,random"), load_fit(run)
    np.testing.assert_array_equal(found["rw"].raw, made["rw"].raw)
    np.testing.assert_array_equal(found.behaviour.row, first.row)
    assert found.method == made.method == "map"
    assert [line.split()[0] for line in str(made).splitlines()] == ["model", "rw", "random"]
    assert "frequency" in str(pf.compare(found, cv="subjects", folds=2))


def test_a_run_folder_never_says_what_code_to_run(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    for name in ("models.json", "fit.json"):
        text = (copy / name).read_text()
        (copy / name).write_text(text.replace('"rw"', '"evil.py:Model"'))
    (tmp_path / "evil.py").write_text("raise SystemExit('was run')")
    with pytest.raises(ConfigError, match="code of yours: name it again, --models"):
        load_fit(copy)
    with pytest.raises(ConfigError, match="code of yours: name it again, --models"):
        pf.compare(copy)


def test_fitted_models_choose_again(run, capsys):
    assert command.main(["simulate", str(run), "--per-subject", "3", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert set(plain["stay"]) == {"subjects", "rw", "random"}
    drawn = rows(run / "simulation/simulated.csv")
    assert len(drawn) == 2 * 3 * 160
    same = pf.simulate(run, 3, models="random")
    assert str(same).startswith("P(stay) after")
    for shown in (same, made := load_fit(run), made["rw"], made.behaviour):
        assert "array" not in repr(shown), type(shown)
        assert len(repr(shown)) < 1000, type(shown)
    assert abs(same.drawn["random"].mean() - 0.5) < 0.1
    told = [int(row["choice"]) for row in drawn if row["model"] == "random"]
    assert told == same.drawn["random"].ravel().tolist()


def test_without_columns_they_are_proposed_or_asked_for(folder, capsys):
    shutil.copy(EXAMPLES / "pilot.csv", folder)
    assert command.guarded(command.main, ["fit", "pilot.csv"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "wrote pilot.columns.toml" in line
    assert 'resets = "session", "block" or "never"' in line
    assert 'choice = {"blue" = 0, "orange" = 1}' in Path("pilot.columns.toml").read_text()
    assert "or remove it" in refused(capsys, command.main, ["fit", "pilot.csv"])


def test_a_table_that_leaves_no_question_is_fitted_at_once(folder, capsys):
    table = bandit(1)
    with Path("plain.csv").open("w") as file:
        file.write("subj,action,outcome\n")
        for s, name in enumerate(table.subjects):
            for choice, reward in zip(table.choice[s], table.reward[s], strict=True):
                file.write(f"{name},{choice + 1},{'win' if reward else 'loss'}\n")
    assert command.main(["fit", "plain.csv", *QUICK, "--out", "run"]) == 0
    assert "4 subjects, 160 scored choices" in capsys.readouterr().out
    assert 'reward = {"loss" = 0.0, "win" = 1.0}' in Path("run/columns.toml").read_text()
    assert Path("run/report.md").is_file()


def short(folder: Path) -> list[str]:
    """The words for a table whose second subject broke off."""
    whole = bandit(1, subjects=2)
    row = whole.row.copy()
    row[1, 12:] = -1
    cut = np.where(row < 0, -1, whole.choice)
    none = {name: np.where(row < 0, -1, 0) for name in ("session", "block")}
    table = behaviour(cut, whole.reward, 2, whole.subjects, row=row, **none)
    path = write_tidy(table, folder / "short.csv")
    return [str(path), "--columns", str(folder / "short.columns.toml")]


def constant(folder: Path) -> list[str]:
    """The words for a table whose first subject always chooses the same."""
    table = bandit(1, subjects=2)
    table.choice[0] = 1
    path = write_tidy(table, folder / "constant.csv")
    return [str(path), "--columns", str(folder / "constant.columns.toml")]


def test_subjects_of_whom_a_fit_says_nothing_are_refused(folder, capsys):
    said = refused(capsys, command.main, ["fit", *short(folder), *QUICK])
    assert "subject 'S02' (from row 40) has 12 scored trials, and a fit needs 20" in said
    assert '[exclude] subject = ["S02"]' in said
    said = refused(capsys, command.main, ["fit", *constant(folder), *QUICK])
    assert "subject 'S01' (from row 0) never varies: all 40 choices are 1" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "none.csv"], "there is no file none.csv"),
        (["fit", *BANDIT, "--models", "rww"], "no model 'rww'; did you mean"),
        (["fit", *BANDIT, "--models", "rw+dull"], "no addition 'dull'; did you mean 'dual'"),
        (["fit", *BANDIT, "--models", "hybrid"], "hybrid needs state2, which the data do not have"),
        (["fit", *BANDIT, "--models", "gru:x"], "CORE:UNITS, such as gru:2, not 'gru:x'"),
        (["fit", *BANDIT, "--models", "gru:2.5"], "CORE:UNITS, such as gru:2, not 'gru:2.5'"),
        (["fit", *BANDIT, "--models", "gru:-1"], "CORE:UNITS, such as gru:2, not 'gru:-1'"),
        (["fit", *BANDIT, "--models", "gru:0"], "CORE:UNITS, such as gru:2, not 'gru:0'"),
        (["fit", *BANDIT, "--models", "rw,gru"], "CORE:UNITS, such as gru:2, not 'gru'"),
        (["fit", *BANDIT, "--models", "rw+dual:2"], "such as gru:2, not 'rw+dual:2'"),
        (["fit", *BANDIT, "--models", "lstm:1:2"], "such as gru:2, not 'lstm:1:2'"),
        (["fit", *BANDIT, "--models", "gru:2,gru:2"], "networks must have different names"),
        (["fit", *BANDIT, "--models", "rw+dual+dual"], "each addition is named once"),
        (["fit", *BANDIT, "--folds", "3"], "say what is held out, --cv sessions"),
        (["recover", "--models", "rw,gru:2"], "gru:2 is a network, and here only"),
        (["fit", *BANDIT, "--prior-variance", "10,0"], "kalman"),
        (["fit", *BANDIT, "--models", "kalman-ucb", "--prior-variance", "a"], "numbers such as"),
        (["fit", *BANDIT, "--method", "mcmc"], "ml"),
        (["fit", BANDIT[0], "--columns", "none.toml"], "none.toml"),
        (["simulate", "none"], "there is no fit in none"),
        (["compare", "none"], "there is no fit and no run of agents in none: name a folder of"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(folder, capsys, words, said):
    assert said in refused(capsys, command.main, words)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("compare", "there is no fit and no run of agents in 'an empty one': name a folder"),
        ("simulate", "there is no fit in 'an empty one': name a run folder"),
        ("evaluate", "there is no run in 'an empty one'"),
        ("report", "there is no run in 'an empty one'"),
        ("play", "error: there is no run in 'an empty one'"),
        ("dynamics", "there are no trained agents in 'an empty one'"),
    ],
)
def test_a_folder_without_a_run_is_told_by_its_name_in_quotes(folder, capsys, name, said):
    Path("an empty one").mkdir()
    assert said in refused(capsys, command.main, [name, "an empty one"])


def test_a_folder_of_something_else_is_kept(folder, capsys):
    Path("run").mkdir()
    Path("run/thesis.md").write_text("mine")
    said = refused(capsys, command.main, ["fit", *BANDIT, *QUICK, "--out", "run"])
    assert "run holds something else than a fit" in said


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_fitted(
    folder, capsys, run, monkeypatch
):
    def fitted(*_):
        raise AssertionError("something was computed")

    monkeypatch.setattr("prefrontal.fitting.models_of", fitted)
    for name in ("opened", "load_fit", "models_of"):
        monkeypatch.setattr(f"prefrontal.comparing.{name}", fitted)
    monkeypatch.setattr("prefrontal.aligning.read_spikes", fitted)
    Path("file.csv").write_text("mine")
    for words in (
        ["fit", *BANDIT],
        ["compare", str(run)],
        ["simulate", str(run)],
        ["recover", "--models", "rw"],
        ["align", str(run), "--neural", "s.npz", "--trials", "t.csv"],
    ):
        for out in ("file.csv", "file.csv/run"):
            said = refused(capsys, command.main, [*words, "--out", out])
            assert "file.csv is a file: name a folder, --out" in said, words
    monkeypatch.setattr("os.access", lambda *_: False)
    said = refused(capsys, command.main, ["recover", "--out", "new/run"])
    assert "cannot be written: name another folder" in said
    assert Path("file.csv").read_text() == "mine"


MINE = """
from prefrontal.behaviour.models import Model, log_softmax

class Mine(Model):
    name = "my-model"

    def log_policy(self, theta, state, trial):
        return log_softmax(trial.chosen * 0)
"""


def test_a_model_of_the_users_is_named_again_as_the_fit_says(folder, capsys):
    Path("mine.py").write_text(MINE)
    words = [*BANDIT, "--models", "random,mine.py:Mine", "--no-figures", "--out", "own"]
    assert command.main(["fit", *words]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "held-out" in one]
    assert line.endswith("prefrontal compare own --models random,mine.py:Mine")
    again = "my-model is code of yours: name it again, --models random,mine.py:Mine"
    for words in (
        ["simulate", "own"],
        ["compare", "own"],
        ["compare", "own", "--models", "my-model"],
    ):
        assert again in refused(capsys, command.main, words)
    more = ["--models", "random,mine.py:Mine"]
    assert command.main(["simulate", "own", "--per-subject", "2", "--no-figures", *more]) == 0
    assert command.main(["compare", "own", "--cv", "subjects", *more]) == 0


def test_what_a_fit_says_to_do_next_runs(run, folder, capsys):
    """One session a subject, the commonest kind of data."""
    assert command.main(["fit", *BANDIT, *QUICK, "--out", "run"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "held-out" in one]
    words = shlex.split(line.partition(":")[2])[1:]
    assert command.guarded(command.main, words) == 0
    said = refused(capsys, command.main, [*words, "--cv", "blocks"])
    assert "2 folds for 1 block (subject S01): leave out subjects, --cv subjects" in said


def test_a_run_folder_that_was_cut_short_says_what_to_do(run, tmp_path, capsys):
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    for name in ("models.json", "fit.json"):
        (copy / name).write_text((copy / name).read_text()[:100])
        said = refused(capsys, command.main, ["simulate", str(copy)])
        assert said.endswith(f"fit again, --out {copy}")


def test_one_subject_is_one(folder, capsys):
    write_tidy(bandit(1, subjects=1), Path("one.csv"))
    words = ["fit", "one.csv", "--columns", "one.columns.toml", *QUICK, "--out", "run"]
    assert command.main(words) == 0
    assert capsys.readouterr().out.startswith("1 subject, 40 scored choices")
    assert Path("run/report.md").read_text().splitlines()[2].startswith("1 subject, 40")


def test_what_a_network_has_no_number_for_is_null(folder, capsys):
    words = ["fit", *BANDIT, "--models", "random,gru:1", "--seeds", "1", "--no-figures"]
    assert command.main([*words, "--out", "run", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["bms"] is None
    assert [plain["models"]["gru:1"][key] for key in ("evidence", "bic")] == [None, None]


def test_data_in_python_are_refused_alike():
    with pytest.raises(DataError, match=r"row 0 .line 2.*choice is .* no code"):
        pf.fit(EXAMPLES / "bandit.csv", "rw", columns={"codes": {"choice": {"3": 0}}})


def test_help_explains_each_command(capsys):
    for name, flag in (
        ("fit", "--prior-variance"),
        ("compare", "--agents"),
        ("recover", "--subjects"),
        ("simulate", "--per-subject"),
    ):
        with pytest.raises(SystemExit) as end:
            command.main([name, "--help"])
        assert end.value.code == 0
        assert flag in capsys.readouterr().out


def test_held_out_choices_are_compared_on_the_same_folds(run, tmp_path, capsys):
    words = ["compare", str(run), "--cv", "subjects", "--folds", "2", "--out", str(tmp_path / "c")]
    assert command.main([*words, "--agents", "wang2016-bandit", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    names = ["rw", "random", "wang2016-bandit", "wang2016-bandit raw"]
    assert list(plain["models"]) == names
    assert [plain[key] for key in ("subjects", "trials_scored", "folds")] == [4, 160, 2]
    assert plain["models"]["random"]["log_likelihood"] == pytest.approx(160 * np.log(0.5))
    one = plain["models"]["rw"]
    assert {"normalised_likelihood", "evidence", "bic", "parameters"} <= set(one)
    whole = json.loads((run / "fit.json").read_text())["models"]["rw"]
    assert one["evidence"] == pytest.approx(whole["evidence"])
    assert one["log_likelihood"] < whole["log_likelihood"]
    notes = " ".join(plain["notes"])
    below = [note for note in plain["notes"] if "below chance" in note]
    (line,) = [note for note in below if "bandit raw: below chance on held-out choices: " in note]
    raw = plain["models"]["wang2016-bandit raw"]["normalised_likelihood"]
    assert f"{raw:.3f} a choice, and chance is 0.500" in line  # an agent that never explores
    assert plain["chance"] == 0.5
    page = (tmp_path / "c/report.md").read_text()
    said = "held out: whole subjects, 2 folds; 160 choices; chance is 0.5000 a choice"
    assert said in page
    found = one["nats_a_choice_above_best"] if plain["best"] != "rw" else {"low": 0.0}
    assert f"[{found['low']:.4f}, " in page or plain["best"] == "rw"
    assert "wang2016-bandit: trials of an episode: up to 40 in the table, 100 in" in notes
    assert [row["model"] for row in rows(tmp_path / "c/comparison.csv")] == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cv", "subjects", "--folds", "9"], "9 folds for 4 subjects: take fewer folds"),
        (["--cv", "sessions"], "2 folds for 1 session"),
        (["--agents", "nobody"], "there are no trained agents in nobody"),
        (["--agents", "wang2016-bandit:8"], "members 0 to 7, not 8"),
        (["--agents", "wang2018-two-step", "--cv", "subjects"], "the table has none"),
        (["--models", "hybrid"], "hybrid needs state2"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(run, folder, capsys, words, said):
    words = ["compare", str(run), "--models", "random", *words, "--out", "no"]
    assert said in refused(capsys, command.main, words)


def test_models_that_a_design_cannot_tell_apart_are_named():
    plain = {"r": {}, "models": ["rw", "rw+dual", "wsls"]}
    shares = [[0.5, 0.4, 0.1], [0.75, 0.2, 0.05], [0.1, 0.45, 0.45]]
    lines = recovery_lines(plain | {"confusion": shares})
    assert lines[-3].split() == ["wsls", "0.10", "0.45", "0.45"]  # all of rw is well
    assert lines[-2:] == [
        "rw+dual is found in 20 % of its own subjects: this design cannot tell it from rw",
        "wsls is found in 45 % of its own subjects: this design cannot tell it from rw+dual",
    ]


def test_what_was_simulated_is_recovered(folder, capsys):
    words = ["--models", "rw,random", "--subjects", "6", "--trials", "60", "--method", "map"]
    assert command.main(["recover", *words, "--out", "found", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["models"] == ["rw", "random"]
    np.testing.assert_allclose(np.sum(plain["confusion"], axis=1), 1)
    assert len(plain["true"]["rw"]["learning_rate"]) == 6
    assert "rw" in str(pf.recover("rw,random", 2, 20, method="map"))
    for name in ("recovery.json", "recovery_rw.png", "confusion.png"):
        assert (folder / "found" / name).is_file()


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="published data are not here")
@pytest.mark.parametrize(
    ("experiment", "variances", "frequencies"),
    [
        (1, "10,0", (0.4115, 0.0592, 0.4926, 0.0367)),
        (2, "100,100", (0.1656, 0.0581, 0.6595, 0.1168)),
    ],
)
def test_gershman_2018_is_selected_as_published(folder, experiment, variances, frequencies):
    """The eight frequencies and the exceedance of the authors' `bms_results.mat`."""
    kinds = ("ucb", "thompson", "hybrid", "value")
    Path("columns.toml").write_text(PROMISED)
    data = str(DATA / f"gershman2018_bandit/data{experiment}.csv")
    words = [data, "--columns", "columns.toml", "--method", "ml", "--prior-variance", variances]
    models = ",".join(f"kalman-{kind}" for kind in kinds)
    assert command.main(["fit", *words, "--models", models, "--no-figures", "--out", "run"]) == 0
    bms = json.loads(Path("run/bms.json").read_text())
    found = [bms["frequencies"][f"kalman-{kind}"] for kind in kinds]
    np.testing.assert_allclose(found, frequencies, atol=5e-4)
    sure = bms["protected_exceedance"]["kalman-hybrid"]
    assert sure == pytest.approx(0.727, abs=0.002) if experiment == 1 else sure >= 0.999


def test_a_column_of_the_best_arm_gives_curves_around_its_changes(tmp_path):
    table = bandit(1)
    best = np.broadcast_to(np.arange(table.trials) >= 20, table.choice.shape).astype(float)
    made = pf.fit(replace(table, columns={"best": best}), "random", out=tmp_path / "run")
    assert "(figures/changes.png)" in (made.path / "report.md").read_text()
    assert (made.path / "figures/changes.png").is_file()


def test_a_hessian_that_is_not_positive_definite_is_said_by_name(run):
    fits = load_fit(run).fits
    doubtful = np.array([True, False, False, True])
    one = replace(fits["rw"], not_positive_definite=doubtful)
    (said,) = [note for note in notes_of({"rw": one}) if "Hessian" in note]
    assert said.startswith("rw: Hessian not positive definite for S01, S04: no standard errors")
    one = replace(fits["rw"], not_converged=doubtful)
    assert "rw: not converged for S01, S04: see whether another seed gives the same" in notes_of(
        {"rw": one}
    )

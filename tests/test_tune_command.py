"""`prefrontal tune`: what is searched and counts, killed and resumed, confirmed on fresh seeds."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.analysis.stats.findings import Finding
from prefrontal.doors import Doors
from prefrontal.experiments.experiment import find_experiment
from prefrontal.search_space import Axis, default_space, read_space, typed_space
from prefrontal.trials import Result, Trials, objective_of
from tests.front import ROOT, refused

optuna = pytest.importorskip("optuna")
WORDS = ["--total-steps", "800", "--trials", "2", "--episodes", "20", "--confirm", "2"]
WORDS += ["--num-envs", "4", "--hidden-size", "6", "--members", "2"]
WORDS += ["--workers", "1", "--no-progress"]
SHORT = "wang2016-informative-arm"  # episodes of five steps
SEARCH = ["--search", "learning_rate=1e-3:1e-2:log", "--search", "core=lstm,gru"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(study) -> list[dict[str, str]]:
    with (Path(study) / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on(tmp_path, capsys):
    """In the middle of its second trial, which keeps its number and its setting."""
    words = ["tune", SHORT, *WORDS, *SEARCH, "--out", "study"]
    process = subprocess.Popen(
        [sys.executable, "-m", "prefrontal", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    begun = tmp_path / "study/trials/0001/config.toml"
    end = time.monotonic() + 120
    while not begun.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert begun.exists()
    assert [one["state"] for one in rows("study")] == ["complete"]
    first, second = rows("study")[0], begun.read_bytes()
    with Path("study/study.log").open("ab") as file:
        file.write(b'{"half a li')  # the worst moment

    assert command.main(["tune", SHORT, "--resume", "--out", "study"]) == 0
    tried = rows("study")
    assert [(one["trial"], one["state"]) for one in tried] == [("0", "complete"), ("1", "complete")]
    assert tried[0] == first
    assert begun.read_bytes() == second
    config = RunFolder.read("study/trials/0001").config()["conditions"]["default"]
    assert config["algorithm"]["learning_rate"] == float(tried[1]["learning_rate"])
    assert config["network"]["core"] == tried[1]["core"]

    report = json.loads(Path("study/report.json").read_text())
    best = max(tried, key=lambda one: float(one["low"]))
    assert report["chosen_trial"] == int(best["trial"])
    assert report["seeds"] == {"trials": 0, "reported": 1}
    chosen = Path(f"study/chosen-{int(best['trial']):04d}")
    assert RunFolder.read(chosen).config()["seed"] == 1
    measured = json.loads((chosen / "evaluation/metrics.json").read_text())["findings"][0]
    assert report["findings"][0]["value"] == measured["value"]  # never that of the best trial
    assert report["findings"][0]["value"] != float(best["mean"])
    assert len(pf.load(chosen)) == 2
    said = capsys.readouterr().out
    assert report["command"] in said
    assert command.main([*report["command"].split()[1:], "--out", "again", "--no-progress"]) == 0
    again = RunFolder.read("again").config()["conditions"]["default"]
    assert again["algorithm"]["learning_rate"] == float(best["learning_rate"])

    assert command.main(["tune", SHORT, "--resume", "--out", "study"]) == 0
    assert rows("study") == tried  # nothing is left to do


SETTINGS = (
    find_experiment("context-bandit")
    .conditions["default"]
    .with_options(trials=5, total_steps=400, num_envs=4, hidden_size=6, critic_units=4, members=2)
)


def trials(folder, **fields) -> Trials:
    given = {"objective": None, "episodes": 20, "log": (), "device": "cpu", "seed": 0}
    return Trials(folder, "context-bandit", "default", Doors(), **(given | fields))


def test_a_trial_that_is_worse_than_the_median_is_broken_off(tmp_path):
    def finished(value):
        parts = dict.fromkeys(range(1, 10), value)
        return [optuna.trial.create_trial(value=value, intermediate_values=parts) for _ in range(6)]

    better = trials(tmp_path)((0, SETTINGS, finished(5.0)))  # all that there is to earn
    assert (better.state, len(better.part), better.finding) == ("pruned", 3, None)
    worse = trials(tmp_path)((1, SETTINGS, finished(-1.0)))
    assert worse.state == "complete"
    assert len(worse.part) == 9
    assert worse.value == worse.finding.low
    few = trials(tmp_path)((2, SETTINGS, finished(5.0)[:4]))
    assert few.state == "complete"
    assert few.finding == replace(worse.finding)  # the same seed and setting


def test_a_trial_that_fails_is_no_end(tmp_path):
    wild = SETTINGS.with_options(learning_rate=1e30)
    failed = trials(tmp_path)((0, wild, []))
    assert failed.state == "failed"
    assert "not a number" in failed.reason or "not finite" in failed.reason
    with pytest.raises(ConfigError, match="no finding 'retun'; did you mean 'return'"):
        trials(tmp_path, objective="retun")((1, SETTINGS, []))


def test_what_counts_is_the_worse_end_of_the_interval():
    more, less = (Finding("x", 2.0, 1.0, 4.0, better=better) for better in ("higher", "lower"))
    assert Result("complete", 0.0, finding=more).value == 1.0
    assert Result("complete", 0.0, finding=less).value == -4.0
    assert Result("complete", 0.0, finding=Finding("x", 2.0)).value is None
    assert objective_of([less, more], None) is less
    with pytest.raises(ConfigError, match="--objective"):
        objective_of([replace(more, better="near")], None)


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), (".9", 0.9), ("1e-2", 0.01), ("action  reward", ("action", "reward"))],
)
def test_a_present_value_is_found_however_it_is_written(text, value):
    assert Axis(("none", text)).text_of(value) == text
    assert Axis(("none", text)).holds(value)
    assert not Axis(("none", "false", ".8", "action")).holds(value)
    assert Axis(("none", text)).text_of(None) == "none"


def test_a_study_is_mended_and_held_to_what_it_is(capsys, monkeypatch):
    """A wrong objective is said after the first trial; trials that are added are kept."""
    monkeypatch.setattr("prefrontal.tuning.require_finding", lambda *_: None)
    words = ["context-bandit", *WORDS, "--search", "discount=.5,0", "--out", "study"]
    words[words.index("800")] = "200"
    said = guarded_line(capsys, ["tune", *words, "--objective", "retun"])
    assert "did you mean 'return'; go on with --resume --objective NAME" in said.replace("?", "")
    again = ["tune", "context-bandit", "--resume", "--out", "study", "--no-progress"]
    again += ["--workers", "1"]
    assert command.main([*again, "--objective", "return", "--trials", "3"]) == 0
    tried = rows("study")
    assert [(one["trial"], one["finding"]) for one in tried] == [(n, "return") for n in "012"]
    assert tried[0]["discount"] == "0"  # the default
    assert command.main(again) == 0  # nothing to do
    assert rows("study") == tried
    for more, why in {
        "--seed 3": "has seed 0",
        "--episodes 30": "has episodes 20",
        "--confirm 4": "has confirm 2",
        "--algorithm r2d2": "names no algorithm",
        "--objective regret": "trials of the study are complete",
    }.items():
        assert why in guarded_line(capsys, [*again, *more.split()]), more


def guarded_line(capsys, words) -> str:
    """The one line with which a command that has begun says no."""
    capsys.readouterr()
    assert command.guarded(command.main, words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_search_spaces():
    space = read_space(["learning-rate=1e-4:1e-2:log", "hidden_size=16:64", "discount=0:1", "a=x"])
    assert space["learning_rate"] == Axis((), 1e-4, 1e-2, log=True)
    assert space["hidden_size"] == Axis((), 16, 64, whole=True)
    typed = typed_space(space, SETTINGS)
    assert typed["hidden_size"].whole
    assert not typed["discount"].whole
    assert typed["a"].ends() == ("x",)
    assert Axis(("lstm", "gru")).holds("lstm")
    assert not Axis((), 1, 5).holds(6)
    assert default_space(SETTINGS) == {
        "learning_rate": "0.002:0.05:log",
        "entropy_coef": "0.02:0.5:log",
        "hidden_size": "3:12:log",
    }
    given = ["--hidden-size", "6", "--entropy_coef=.1"]
    assert list(default_space(SETTINGS, given)) == ["learning_rate"]
    for name, one in {"a2c": SETTINGS, "r2d2": SETTINGS.with_algorithm("r2d2")}.items():
        assert "learning_rate" in default_space(one), name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "context-bandit --search learnin_rate=1:2",
            "'learnin_rate'; did you mean 'learning_rate'",
        ),
        ("context-bandit --search qqq=1:2", "--search: there is no setting 'qqq'"),
        ("context-bandit --search learning_rate=2:1", "=2:1: LOW has to be below HIGH"),
        ("context-bandit --search discount=0:8", "discount must be between 0 and 1, not 8"),
        ("context-bandit --search core=lstm,gr", "did you mean 'gru'"),
        ("context-bandit --search discount=.9:none", "LOW:HIGH"),
        ("context-bandit --search entropy_coef=0:1:log", "LOW:HIGH:log with LOW above 0"),
        ("context-bandit --search discount=0:1 --discount .5", "leave out --discount"),
        ("context-bandit --search members=2:4", "settings of one learner and population"),
        ("context-bandit --members 1", "two members or more"),
        ("context-bandit --sweep discount=0,1", "--search, not --sweep"),
        ("context-bandit --resume --search discount=0:1", "leave out --search"),
        ("wang2016-correlated-arms", "name one, --condition uniform (or no-reward)"),
        ("hinton-nowlan-1987 --condition learning", "--search NAME=LOW:HIGH"),
        (f"context-bandit --seed {2**63 - 1}", "--seed must be below"),
        ("context-bandit --objective retun", "no finding 'retun'; did you mean 'return'"),
        ("context-bandit --search trials=5:9", "--search trials: that is no setting"),
        ("context-bandi", "did you mean 'context-bandit'?"),
    ],
)
def test_wrong_studies_are_refused(words, said, capsys):
    assert said in refused(capsys, command.main, ["tune", *words.split()])


def test_help_and_absence_of_optuna(capsys, monkeypatch):
    for words in (["tune", "--help"], ["tune", "context-bandit", "--help"]):
        with pytest.raises(SystemExit) as end:
            command.main(words)
        assert end.value.code == 0
        said = capsys.readouterr().out
        assert "--search" in said
        assert "--confirm" in said
    assert "--learning-rate" in said
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    told = refused(capsys, command.main, ["tune", "context-bandit"])
    assert 'needs Optuna: pip install ".[tune]"' in told


@pytest.mark.parametrize("words", [["list"], ["train", "--help"], ["tune", "--help"]])
def test_help_is_fast(words):
    """No library of arithmetic, search or clusters is imported for it."""
    code = (
        "import sys; from prefrontal.command import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, 'optuna' in sys.modules, 'ray' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False False False"

"""`--sweep`: combinations of settings as conditions of one run, trained and told apart."""

import json
from pathlib import Path

import numpy as np
import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.experiments.names import split_condition
from prefrontal.experiments.settings import LEARNERS
from prefrontal.sweeping import name_of, read_sweep, words_of
from tests.front import QUICK, SMALL, refused

WORDS = ["context-bandit", *SMALL, "--members", "2", "--workers", "1", "--no-progress"]
POINTS = ["discount=0,core=lstm", "discount=0,core=gru", "discount=.9,core=lstm"]
POINTS += ["discount=.9,core=gru"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "run"
    sweeps = ["--sweep", "discount=0,.9", "--sweep", "core=lstm,gru"]
    assert command.train([*WORDS, *sweeps, "--out", str(out)]) == 0
    return out


def conditions(path) -> dict:
    return RunFolder.read(path).config()["conditions"]


def test_all_combinations_are_conditions(run):
    stored = conditions(run)
    assert list(stored) == POINTS
    for name, one in stored.items():
        _, point = split_condition(name)
        values = dict(part.split("=") for part in point.split(","))
        assert one["algorithm"]["discount"] == float(values["discount"])
        assert one["network"]["core"] == values["core"]
        assert one["environment"]["kwargs"]["trials"] == 5
        assert len(pf.load(run, name)) == 2


def test_members_are_compared_with_themselves(run, capsys):
    assert command.evaluate([str(run), *QUICK]) == 0
    found = json.loads((run / "evaluation/metrics.json").read_text())
    rows = {one["name"]: one for one in found["findings"]}
    assert found["conclusion"] == ""
    first, last = (rows[f"return, {point}"]["members"] for point in (POINTS[0], POINTS[-1]))
    row = rows[f"return, {POINTS[-1]} less {POINTS[0]}"]
    np.testing.assert_allclose(row["members"], np.subtract(last, first))
    assert row["value"] == pytest.approx(np.mean(last) - np.mean(first))
    assert row["low"] <= row["value"] <= row["high"]
    # What is the same everywhere is said once; the task is not the experiment's: nothing is judged
    assert sum(name.startswith("training steps of a member") for name in rows) == 1
    assert {one["verdict"] for one in rows.values()} == {None}
    for point in POINTS:
        assert (run / "evaluation" / point / "record.npz").is_file()
        assert list((run / point).glob("events*.evaluation"))


def test_a_sweep_goes_on(run, capsys):
    before = {path: path.read_bytes() for path in run.rglob("metrics.csv")}
    assert command.train(["context-bandit", "--resume", "--out", str(run)]) == 0
    assert {path: path.read_bytes() for path in before} == before
    said = refused(capsys, command.train, ["context-bandit", "--resume", "--sweep", "discount=0,1"])
    assert "leave out --sweep" in said


def test_several_conditions_tasks_and_studies_are_swept(tmp_path):
    words = [*SMALL[:-2], "--no-progress", "--workers", "1"]
    several = ["wang2016-correlated-arms", *words, "--sweep", "discount=.5,.9", "--out", "a"]
    assert command.train(several) == 0
    assert list(conditions("a")) == [
        f"{one},discount={value}" for one in ("uniform", "no-reward") for value in (".5", ".9")
    ]
    one = ["CartPole-v1", "--total-steps", "100", "--num-envs", "1", "--no-progress"]
    assert command.train([*one, "--sweep", "normalise_values=true,false", "--out", "b"]) == 0
    stored = conditions("b")
    assert [one["algorithm"]["normalise_values"] for one in stored.values()] == [True, False]
    study = Path("mine.py")
    study.write_text(STUDY)
    assert command.train([str(study), *words, "--sweep", "algorithm=a2c,r2d2", "--out", "c"]) == 0
    kinds = [one["algorithm"].get("kind", "a2c") for one in conditions("c").values()]
    assert kinds == [LEARNERS[name][0].kind for name in ("a2c", "r2d2")]
    assert command.evaluate(["c", "--study", "mine.py", *QUICK]) == 0
    rows = json.loads(Path("c/evaluation/metrics.json").read_text())["findings"]
    assert "reward, algorithm=r2d2 less algorithm=a2c" in [row["name"] for row in rows]


STUDY = """
from prefrontal.experiments.bandits.measures import reward_by_member
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.settings import EnvironmentSpec, Settings

EXPERIMENT = Experiment(
    "mine",
    "reward",
    "none",
    {"default": Settings(EnvironmentSpec("prefrontal/TwoArmedBandit-v0"))},
    lambda evaluation: Outcome([finding("reward", reward_by_member(evaluation.record()))]),
)
"""


def test_sweeps_in_python():
    options = {"trials": 5, "num_envs": 4, "hidden_size": 6, "total_steps": 100}
    run = pf.train(
        "context-bandit", sweep={"discount": (0.0, 0.5)}, progress=False, out="run", **options
    )
    assert list(conditions(run.path)) == ["discount=0.0", "discount=0.5"]
    with pytest.raises(pf.PrefrontalError, match="discount must be"):
        pf.train("context-bandit", sweep={"discount": (0.0, 5.0)})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["discont=0,1"], "--sweep: there is no setting 'discont'; did you mean 'discount'?"),
        (["qqq=0,1"], "--sweep: there is no setting 'qqq'"),
        (["algorithm=a2c,r2d2", "target_interva=1,2"], "did you mean 'target_interval'?"),
        (["discount=0,8"], "discount must be between 0 and 1, not 8.0"),
        (["discount=0,0"], "has 'discount=0' twice"),
        (["discount"], "--sweep takes NAME=VALUE,VALUE,..., not 'discount'"),
        (["discount=.1,"], "--sweep takes NAME=VALUE"),
        (["discount=.1", "discount=.2"], "discount is given twice"),
        (["trials=4,5"], "--sweep trials: leave out --trials"),
        (["seed=0,1"], "--sweep seed: that is no setting"),
        (["core=lstm,gr"], "'gr'; did you mean 'gru'?"),
        (["core=mine.py:Mine,gru"], "train one of yours in a run of its own"),
        (["algorithm=a2c,r2d3"], "no learner 'r2d3'; did you mean 'r2d2'?"),
        (["discount=" + ",".join(f".{k}" for k in range(10, 80))], "70 conditions, of at most 64"),
        (["inputs=" + " action" * 40], "a name of more than 150 letters"),
    ],
)
def test_wrong_sweeps_are_refused(words, said, capsys):
    sweeps = [word for text in words for word in ("--sweep", text)]
    assert said in refused(capsys, command.train, [*WORDS, *sweeps])


def test_names_and_words():
    assert split_condition("uniform") == ("uniform", "")
    assert split_condition("uniform,a=1,b=x") == ("uniform", "a=1,b=x")
    assert split_condition("a=1,b=x") == ("default", "a=1,b=x")
    assert name_of("default", {"inputs": "action reward", "x": "a/b:c"}) == (
        "inputs=action+reward,x=a-b-c"
    )
    assert name_of("uniform", {"inputs": ("action", "time")}) == "uniform,inputs=action+time"
    assert read_sweep(["learning-rate=1e-3, 2e-3"]) == {"learning_rate": ("1e-3", "2e-3")}
    assert words_of({"a_b": "false", "c": "1 2"}, ["--d"]) == ["--d", "--no-a-b", "--c", "1", "2"]


@pytest.mark.parametrize("sweep", [{"core": "lstm"}, {"core": []}, {"discount": 0.5}, ["core"]])
def test_a_sweep_of_python_has_lists(sweep):
    with pytest.raises(ConfigError, match=r"sweep.* takes"):
        pf.train("context-bandit", sweep=sweep)

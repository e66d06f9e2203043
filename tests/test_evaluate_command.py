"""`prefrontal evaluate`, and both commands on environments that are not ours."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prefrontal import command
from prefrontal.agents import A2CConfig, load
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.command import guarded
from prefrontal.experiments.run_files import settings_of
from tests.agents.helpers import register_countdown
from tests.front import QUICK, ROOT, SMALL, refused


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A finished run of two members; do not write into it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert (
        command.train(
            ["wang2016-bandit", *SMALL, "--members", "2", "--workers", "1", "--out", str(run)]
        )
        == 0
    )
    return run


@pytest.fixture
def run(trained, folder) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(trained, folder / "run"))


def test_evaluate_writes_findings_and_a_record(capsys, run):
    assert command.evaluate(["run", "--episodes", "30", "--record", "4"]) == 0
    said = capsys.readouterr().out
    written = [Path(line.strip()) for line in said.partition("written:")[2].splitlines() if line]
    assert written
    assert all(path.is_file() for path in written)
    metrics = json.loads(Path("run/evaluation/metrics.json").read_text())
    assert (metrics["experiment"], metrics["members"], metrics["episodes"]) == (
        "wang2016-bandit",
        {"default": 2},
        30,
    )
    record = np.load("run/evaluation/record.npz")
    assert record["action"].shape == (2, 4, 5)
    assert record["hidden"].shape == (2, 4, 5, 6)
    assert record["task.p"].shape == (2, 4, 2)
    table = Path("run/evaluation/record.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * 4 * 5
    assert table[0].startswith("member,episode,step,")


def test_evaluate_json_prints_nothing_else_and_is_the_same_twice(capsys, run):
    assert command.evaluate(["run", *QUICK, "--json", "--seed", "3"]) == 0
    first = capsys.readouterr().out
    assert json.loads(first)["findings"]
    assert command.evaluate(["run", *QUICK, "--json", "--seed", "3", "--out", "elsewhere"]) == 0
    assert capsys.readouterr().out == first
    assert Path("elsewhere/metrics.json").read_text() == first
    assert command.evaluate(["run", *QUICK, "--json", "--seed", "4"]) == 0
    assert capsys.readouterr().out != first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "required: PATH"),
        ("ran", "there is no run in ran; did you mean 'run'?"),
        ("run/checkpoint", "there is no run in run/checkpoint"),
        (".", "there is no run in . itself; name one below it: 'run'"),
        ("no/where", "no run in no/where"),
        ("run --epsodes 3", "did you mean --episodes?"),
        ("run --episodes 0", "episodes must be at least 1, not 0"),
        ("run --record -1", "record must be at least 1, not -1"),
        ("run --split test", "--split must be one of held_out, train, all, not 'test'"),
        ("run --seed -1", "seed"),
        ("run --out /proc/x/y", "/proc/x"),
    ],
)
def test_evaluate_refuses_in_one_line(capsys, run, words, message):
    assert message in refused(capsys, command.evaluate, words.split())


def test_evaluate_stimulates_only_what_is_given_prediction_errors(capsys, run):
    (run / "evaluation").mkdir()
    assert 'actor_reward "rpe"' in refused(capsys, command.evaluate, ["run", "--block", "1"])


def test_evaluate_with_units_held_and_driven(capsys, run):
    words = ["run", "--episodes", "30", "--no-figures", "--record", "4", "--json"]
    assert command.evaluate(words) == 0
    whole = json.loads(capsys.readouterr().out)
    assert "units" not in whole
    assert command.evaluate([*words, "--lesion", "1,3", "--drive", "2=0.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    units = {"held": {"1": 0.0, "3": 0.0}, "added": {"2": 0.5}}
    assert found["units"] == {"default": units}
    assert all(one["verdict"] is None for one in found["findings"])
    values = [[one["value"] for one in each["findings"]] for each in (whole, found)]
    assert values[0] != values[1]
    hidden = np.load("run/evaluation-units/record.npz")["hidden"]
    assert (hidden[..., [1, 3]] == 0).all()
    assert (hidden[..., 0] != 0).any()
    assert command.evaluate([*words, "--lesion", "random:2"]) == 0
    assert len(json.loads(capsys.readouterr().out)["units"]["default"]["held"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lesion", "48000"], "there is no unit 48000: the core has units 0 to"),
        (["--lesion", "first"], "units are written 3,7,12"),
        (["--drive", "3"], "drive needs what is added"),
    ],
)
def test_evaluate_refuses_units_that_are_not(capsys, run, words, message):
    assert message in refused(capsys, command.evaluate, ["run", *words])


def test_learning_curves_that_are_not_whole(capsys, run):
    """What is missing is noted, what is damaged refused.

    No number is made from half a curve without a word.
    """
    metrics = run / "metrics.csv"
    text = metrics.read_text()
    lines = text.splitlines(keepends=True)
    for content, note in (
        (text, ""),
        ("".join(lines[:3]), "ends at step"),
        (lines[0], "missing or empty"),
    ):
        metrics.write_text(content)
        assert command.evaluate(["run", *QUICK]) == 0
        err = capsys.readouterr().err
        assert note in err
        assert ("metrics.csv" in err) == bool(note)
    head, *rows = lines
    by_member = sorted(rows, key=lambda row: row.split(",")[1])
    for content in (
        text.replace("steps", "stops", 1),
        head + rows[0].replace("0", "x"),
        head + "".join(by_member),
        head + "".join(rows[:3] + rows[4:]),
        head + "".join(rows[2:] + rows[:2]),
        head + "".join([rows[1], rows[0], *rows[2:]]),  # members in another order
        head + "".join([rows[0], "9" + rows[1], *rows[2:]]),  # of another update
    ):
        metrics.write_text(content)
        assert "not a table of learning curves" in refused(capsys, command.evaluate, ["run"])


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("boom"),))


@pytest.mark.parametrize("name", ["checkpoint.json", "*.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip", pickle.dumps(Bomb()), b"{}", b"half", None]
)
def test_a_damaged_or_hostile_checkpoint(capsys, run, name, content):
    (path,) = (run / "checkpoint").glob(name)
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    for main, words in (
        (command.evaluate, ["run", *QUICK]),
        (command.train, ["wang2016-bandit", "--resume", "--out", "run"]),
    ):
        assert "run/checkpoint" in refused(capsys, main, words)
    assert not Path("boom").exists()


def test_a_run_that_never_got_to_a_checkpoint(capsys, run):
    shutil.rmtree(run / "checkpoint")
    assert "there are no trained agents in run" in refused(
        capsys, command.evaluate, ["run", *QUICK]
    )
    assert command.train(["wang2016-bandit", "--resume", "--out", "run"]) == 0
    assert command.evaluate(["run", *QUICK]) == 0


# --- environments that are not ours ---


def test_any_environment_trains_and_evaluates(capsys):
    words = ["--num-envs", "4", "--hidden-size", "8", "--total-steps", "1500", "--out", "cart"]
    assert command.train(["--env-id", "CartPole-v1", *words]) == 0
    assert command.evaluate(["cart", "--episodes", "40", "--record", "3", "--json"]) == 0
    said = capsys.readouterr().out
    findings = json.loads(said[said.index("{") :])["findings"]
    names = {finding["name"]: finding["value"] for finding in findings}
    assert 8 < names["return per episode"] < 200
    assert names["return per episode"] == pytest.approx(names["steps per episode"])
    assert command.evaluate(["cart", "--episodes", "2", "--no-figures", "--json"]) == 0
    with np.load("cart/evaluation/record.npz") as record:  # no more than are played
        assert record["action"].shape[1] == 2


def test_records_of_unequal_episodes(monkeypatch):
    """Played in several batches, of which each is as long as its longest episode."""
    from prefrontal.experiments import evaluation

    env_id = register_countdown(longest=9)
    words = ["--num-envs", "2", "--hidden-size", "4", "--total-steps", "20", "--out", "own"]
    assert command.train(["--env-id", env_id, *words]) == 0
    monkeypatch.setattr(evaluation, "_ROWS", 3)
    settings = settings_of(RunFolder.read("own"))[2]
    settings = {"default": replace(settings["default"], algorithm=A2CConfig(discount=0.5))}
    subject = evaluation.Evaluation({"default": load("own")}, settings, "train", 12, 0, Path())
    record = subject.record(hidden=True)
    length = record["mask"].sum(2)
    assert record["mask"].shape[:2] == (1, 12)
    assert len(set(length[0])) > 2
    assert record["hidden"].shape[2] == record["mask"].shape[2]
    for episode in range(12):
        n = int(length[0, episode])
        reward, value, rpe = (record[k][0, episode] for k in ("reward", "value", "rpe"))
        assert record["observation"][0, episode, 0, 1] == n
        assert not reward[n:].any()
        np.testing.assert_allclose(
            rpe[: n - 1], reward[: n - 1] + 0.5 * value[1:n] - value[: n - 1], atol=1e-5
        )
        if n % 2 == 0:  # it ended: nothing follows
            assert rpe[n - 1] == pytest.approx(reward[n - 1] - value[n - 1], abs=1e-5)
        else:  # it was cut: its last state has a value
            assert abs(rpe[n - 1] - (reward[n - 1] - value[n - 1])) > 1e-4


# --- as a program ---


def program(name: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / name), *words],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )


def test_programs_end_with_a_code_and_one_line(run):
    done = program("evaluate.py", "ran")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no run in ran; did you mean 'run'?\n"
    done = program("train.py", "wang2016-bandit", *SMALL, "--out", "new", "--no-progress")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(load("new")) == 1


def test_the_memory_of_replay_is_said_before_training(capsys):
    words = [
        "wang2016-bandit",
        *SMALL,
        "--passes",
        "1",
        "--replay",
        "reservoir",
        "--replay-capacity",
        "20",
    ]
    assert command.train([*words, "--out", "replayed"]) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith(
        "default: a member keeps reservoir replay of 1 x 20 trajectories of 5 steps ("
    )


def test_options_that_the_stages_decide_are_refused(capsys):
    words = ["course-changing-reward", "--condition", "no-replay", "--mode", "9", "--out", "staged"]
    assert guarded(command.train, words) == 2
    assert "mode is set by the stages of this experiment: '1', '2'" in capsys.readouterr().err
    assert not Path("staged").exists()


def test_a_navigator_is_refused_what_it_cannot_do(capsys):
    """Too large, not finite, cut short, measured on too little.

    Stimulated where there is nothing to stimulate.
    """
    words = ["zhang2024-modularity", "--condition", "modular", "--members", "1", "--no-progress"]
    tiny = [
        *words,
        "--scale",
        "0.05",
        "--total-steps",
        "70",
        "--num-envs",
        "2",
        "--learning-starts",
        "2",
        "--first-phase-trials",
        "2",
    ]
    for option in (
        ["--scale", "inf"],
        ["--exploration", "nan", "0", "0"],
        ["--observation-noise", "inf"],
    ):
        assert "must be a finite number" in refused(capsys, command.train, [*words, *option])
    assert "more than the total memory" in refused(
        capsys, command.train, [*words, "--scale", "1e6"]
    )
    assert command.train([*tiny, "--out", "whole"]) == 0
    assert command.train([*tiny, "--episode-steps", "5", "--out", "cut"]) == 0
    for run in ("whole", "cut"):
        Path(run, "evaluation").mkdir()
    assert "more than 20 episodes, not 5" in refused(
        capsys, command.evaluate, ["whole", "--episodes", "5"]
    )
    refusal = refused(capsys, command.evaluate, ["whole", "--episodes", "30", "--block", "1"])
    assert 'networks with actor_reward "rpe", which these are not' in refusal
    words = ["zhang2024-modularity", "--env-id", "Pendulum-v1", "--no-progress"]
    assert "needs numbers within -1 ... 1" in refused(capsys, command.train, words)


def test_navigators_of_another_task_are_measured_and_not_judged(capsys):
    """Cut episodes are measured whole, and several targets as such.

    Bars are those of the published task.
    """
    words = [
        "zhang2024-modularity",
        "--condition",
        "modular",
        "--members",
        "1",
        "--no-progress",
        "--scale",
        "0.05",
        "--total-steps",
        "70",
        "--num-envs",
        "2",
        "--learning-starts",
        "2",
        "--first-phase-trials",
        "2",
    ]
    measure = ["--episodes", "30", "--record", "1", "--no-figures", "--json"]
    judged = {}
    for out, options in (
        ("own", []),
        ("cut", ["--episode-steps", "5"]),
        ("three", ["--targets", "3", "--trial-steps", "4"]),
    ):
        assert command.train([*words, *options, "--out", out]) == 0
        capsys.readouterr()
        assert command.evaluate([out, *measure]) == 0
        said = capsys.readouterr()
        findings = json.loads(said.out)["findings"]
        judged[out] = sum(finding["bar"] is not None for finding in findings)
        assert ("is not that of zhang2024-modularity" in said.err) == (out != "own")
    assert judged == {"own": 4, "cut": 0, "three": 0}


def test_a_round_may_be_too_short_for_an_update(capsys):
    words = [
        "zhang2024-modularity",
        "--condition",
        "modular",
        "--members",
        "1",
        "--no-progress",
        "--scale",
        "0.05",
        "--total-steps",
        "140",
        "--num-envs",
        "1",
        "--learning-starts",
        "1",
        "--first-phase-trials",
        "1",
        "--updates-per-trial",
        "0.5",
    ]
    assert command.train([*words, "--out", "slow"]) == 0
    assert len(load("slow")) == 1


def test_what_cannot_be_measured_is_said_in_one_line(capsys):
    """One generation: nothing of a heritability can be known."""
    words = [
        "--condition",
        "baldwin",
        "--members",
        "1",
        "--total-steps",
        "10",
        "--individuals",
        "5",
        "--offspring",
        "3",
        "--remeasured",
        "1",
        "--truncation",
        "2",
        "--tasks",
        "2",
    ]
    assert command.train(["course-baldwin-harlow", *words, "--no-progress", "--out", "short"]) == 0
    assert guarded(command.evaluate, ["short", *QUICK]) == 2
    assert "error: short cannot be measured" in capsys.readouterr().err

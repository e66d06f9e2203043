"""The command line: what it does, and how it says no."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import command
from prefrontal.agents import A2CConfig, load
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.command import guarded
from prefrontal.experiments.experiment import all_experiments
from prefrontal.experiments.run_files import settings_of
from tests.agents.helpers import Countdown, register_countdown

ROOT = Path(__file__).parents[1]
SMALL = [
    "--trials",
    "5",
    "--num-envs",
    "4",
    "--hidden-size",
    "6",
    "--total-steps",
    "200",
    "--critic-units",
    "4",
]
QUICK = ["--episodes", "20", "--record", "3", "--no-figures"]


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


def refused(capsys, main, arguments: list[str]) -> str:
    """The one line with which a command line says no."""
    before = set(Path.cwd().rglob("*"))
    capsys.readouterr()
    assert guarded(main, arguments) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in out + err
    assert set(Path.cwd().rglob("*")) == before
    return lines[0]


# --- train ---


def test_list_names_everything(capsys):
    assert command.main(["list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    for name in (*all_experiments(), "prefrontal/Harlow-v0", "lstm", "r2d2"):
        assert name in names
    assert command.main(["list", "experiments"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(all_experiments())
    assert "no command 'lst'; did you mean 'list'?" in refused(capsys, command.main, ["lst"])


def test_help(capsys):
    assert command.main(["--help"]) == 0
    assert "prefrontal COMMAND" in capsys.readouterr().out
    assert command.main([]) == 2
    helps = (
        (["train", "--help"], "--env-id"),
        (["train", "wang2016-bandit", "--help"], "--learning-rate"),
        (["train", "CartPole-v1", "--help"], "--env-kwargs"),
        (["evaluate", "--help"], "--episodes"),
        (["reproduce", "--help"], "--ship"),
        (["new", "--help"], "study"),
        (["check", "--help"], "FILE.py:CLASS"),
        (["list", "--help"], "learners"),
    )
    for words, said in helps:
        with pytest.raises(SystemExit) as end:
            command.main(words)
        assert end.value.code == 0
        assert said in capsys.readouterr().out


def test_a_run_folder(trained, capsys):
    config = RunFolder.read(trained).config()
    assert config["experiment"] == "wang2016-bandit"
    settings = config["conditions"]["default"]
    assert settings["training"] == {"members": 2, "num_envs": 4, "total_steps": 200, "snapshots": 0}
    assert settings["network"]["hidden_size"] == 6
    assert settings["environment"]["kwargs"] == {"trials": 5}
    assert len(load(trained)) == 2
    rows = (trained / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + 10 * 2


def test_a_run_without_out_goes_to_runs_and_resumes_by_itself(capsys):
    words = ["wang2016-bandit", *SMALL]
    for _ in range(2):  # in the same second
        assert command.train(words) == 0
    runs = sorted(Path("runs/wang2016-bandit").iterdir())
    assert len(runs) == 2
    assert str(runs[-1]) in capsys.readouterr().out
    assert command.train(["wang2016-bandit", "--resume"]) == 0
    assert len(list(Path("runs/wang2016-bandit").iterdir())) == 2
    one, two = (load(path).model.parameters for path in runs)
    assert torch.equal(one, two)


def test_switches_can_be_turned_either_way(run):
    out = {}
    for word in ("--normalise-advantages", "--no-normalise-advantages"):
        path = f"with{word}"
        assert command.train(["wang2016-bandit", *SMALL, word, "--out", path]) == 0
        config = RunFolder.read(path).config()
        out[word] = config["conditions"]["default"]["algorithm"]["normalise_advantages"]
    assert out == {"--normalise-advantages": True, "--no-normalise-advantages": False}


def test_only_the_conditions_that_are_named(capsys):
    assert (
        command.train(
            [
                "bandit-ablations",
                *SMALL,
                "--members",
                "1",
                "--condition",
                "full",
                "plain",
                "--out",
                "some",
            ]
        )
        == 0
    )
    assert sorted(p.parent.name for p in Path("some").glob("*/checkpoint")) == ["full", "plain"]
    assert len(load("some", "plain")) == 1
    shutil.rmtree("some/full/checkpoint")
    shutil.rmtree("some/plain/checkpoint")
    go_on = ["bandit-ablations", "--resume", "--out", "some", "--condition"]
    assert command.train([*go_on, "plain"]) == 0
    assert [p.parent.name for p in Path("some").glob("*/checkpoint")] == ["plain"]
    assert "no condition 'no-passes'" in refused(capsys, command.train, [*go_on, "no-passes"])


def test_a_negative_number_is_a_value(capsys):
    register_shifted()
    words = [
        "--env-id",
        "tests/Shifted-v0",
        "--env-kwargs",
        "shift=-2.5",
        "name=x",
        "--num-envs",
        "2",
        "--hidden-size",
        "4",
        "--total-steps",
        "20",
        "--out",
        "shifted",
    ]
    assert command.train(words) == 0
    config = RunFolder.read("shifted").config()
    assert config["conditions"]["default"]["environment"]["kwargs"] == {"shift": -2.5, "name": "x"}
    rows = Path("shifted/metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("return")
    assert float(rows[1].split(",")[column]) < 0
    assert "learning_rate must be positive" in refused(
        capsys, command.train, ["wang2016-bandit", "--learning-rate", "-1e-3"]
    )


class Shifted(Countdown):
    """Rewards of `Countdown`, shifted."""

    def __init__(self, shift: float = 0.0, name: str = ""):
        super().__init__()
        self.shift = shift

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + 2 * self.shift, *rest


def register_shifted() -> None:
    if "tests/Shifted-v0" not in gymnasium.registry:
        gymnasium.register("tests/Shifted-v0", entry_point=Shifted, max_episode_steps=6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("wang2016-bandi", "no experiment 'wang2016-bandi'; did you mean 'wang2016-bandit'?"),
        ("nonsense-xyz", "no experiment 'nonsense-xyz'"),
        ("--seed 3", "name an experiment or a task first"),
        ("wang2016-bandit --lerning-rate 3", "did you mean --learning-rate?"),
        (
            "wang2016-bandit --learning-rate abc",
            "--learning-rate: could not convert string to float: 'abc'",
        ),
        ("wang2016-bandit --learning-rate nan", "learning_rate must be a finite number, not nan"),
        ("wang2016-bandit --total-steps 1e6", "--total-steps"),
        ("wang2016-bandit --total-steps 0", "total_steps must be at least 1, not 0"),
        ("wang2016-bandit --members -2", "members must be at least 1, not -2"),
        ("wang2016-bandit --num-envs 0", "num_envs must be at least 1"),
        ("wang2016-bandit --hidden-size 0", "hidden_size must be at least 1"),
        ("wang2016-bandit --members", "--members: expected one argument"),
        ("wang2016-bandit --core lsmt", "core must be one of lstm"),
        ("wang2016-bandit --discount 1.5", "discount must be between 0 and 1, not 1.5"),
        ("wang2016-bandit --trials 0", "trials must be at least 1"),
        ("wang2016-bandit --inputs actoin", "'actoin'"),
        ("wang2016-bandit --seed -1", "seed must be between 0 and"),
        ("wang2016-bandit --workers -1", "workers must not be negative"),
        ("wang2016-bandit --device abacus", "device must be cpu or cuda, not 'abacus'"),
        ("wang2016-bandit --out /proc/x/y", "cannot write /proc/x/y"),
        ("wang2016-bandit stray", "stray"),
        ("bandit-ablations --condition ful", "no condition 'ful'; did you mean 'full'?"),
        ("bandit-ablations --condition=ful", "no condition 'ful'; did you mean 'full'?"),
        ("--env-id", "--env-id: expected one argument"),
        ("--env-id CartPol-v1", "no environment 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        ("--env-id prefrontal/TwoArmBandit-v0", "did you mean 'prefrontal/TwoArmedBandit-v0'?"),
        ("--env-id nowhere:A-v0", "there is no module 'nowhere'"),
        ("--env-id Pendulum-v1", "that are not ours need Discrete ones"),
        ("--env-id CartPole-v1 --critic privileged", "can show its task"),
        ("--env-id CartPole-v1 --env-kwargs foo", "NAME=VALUE, not 'foo'"),
        ("--env-id CartPole-v1 --env-kwargs foo=1", "'foo'"),
        (
            "--env-id CartPole-v1 --env-kwargs render_mode=3",
            "'CartPole-v1' cannot be made with render_mode=3",
        ),
        (
            "--env-id prefrontal/FireflyNavigation-v0 --targets three",
            "--targets: invalid literal for int()",
        ),
        ("--env-id CartPole-v1 --inputs centred_reward", "'centred_reward' is not available"),
        ("wang2016-bandit --passes 1 --replay uniform --replay-from-stage 1", "must be at most 0"),
        ("wang2016-bandit --resume", "there is no run of wang2016-bandit to resume"),
        ("wang2016-bandit --resume --out nowhere", "no run in nowhere"),
        ("wang2016-bandit --resume --out", "--out: expected one argument"),
    ],
)
def test_train_refuses_in_one_line(capsys, words, message):
    assert message in refused(capsys, command.train, words.split())


def test_refusals_do_not_depend_on_the_terminal():
    said = subprocess.run(
        [sys.executable, "train.py", "wang2016-bandit", "--members", "x"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 2
    assert said.stderr.startswith("error: --members: invalid literal for int()")
    assert len(said.stderr.splitlines()) == 1


def test_train_does_not_overwrite(capsys, run):
    assert "is not empty" in refused(
        capsys, command.train, ["wang2016-bandit", *SMALL, "--out", "run"]
    )
    Path("file").write_text("mine")
    assert "file is a file" in refused(
        capsys, command.train, ["wang2016-bandit", *SMALL, "--out", "file"]
    )


@pytest.mark.parametrize(
    "change",
    ["--seed 5", "--hidden-size 7", "--learning-rate 0.5", "--trials 6", "--total-steps 300"],
)
def test_resume_refuses_changes(capsys, run, change):
    words = ["wang2016-bandit", "--resume", "--out", "run", *change.split()]
    message = refused(capsys, command.train, words)
    assert "--resume goes on with the settings in run/config.toml" in message


def test_resume_refuses_another_experiment(capsys, run):
    for words in (["duan2016-bandits"], ["--env-id", "CartPole-v1"]):
        message = refused(capsys, command.train, [*words, "--resume", "--out", "run"])
        assert "run is a run of wang2016-bandit, not of" in message


def test_resume_refuses_another_environment(capsys):
    words = ["--num-envs", "2", "--hidden-size", "4", "--total-steps", "20", "--out", "own"]
    assert command.train(["--env-id", register_countdown(), *words]) == 0
    message = refused(
        capsys, command.train, ["--env-id", "CartPole-v1", "--resume", "--out", "own"]
    )
    assert "own trains on tests/Countdown5From0-v0, not on CartPole-v1" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "hidden_size = 6",
            "hiden_size = 6",
            "'hiden_size' in [conditions.default.network]; did you mean 'hidden_size'?",
        ),
        (
            "hidden_size = 6",
            "hidden_size = '6'",
            "conditions.default.network.hidden_size must be an integer",
        ),
        ("hidden_size = 6", "hidden_size = -6", "hidden_size must be at least 1"),
        ("trials = 5", "trails = 5", "trails"),
        (
            "trials = 5",
            "trials = '5'",
            "trials must be an integer, got '5'",
        ),
        ('core = "lstm"', 'core = "lsmt"', "core must be one of lstm"),
        ("[conditions.default.network]", "[conditions.default.netwerk]", "did you mean 'network'"),
        ("seed = 0", "", "it needs experiment, seed and [conditions]"),
        ("seed = 0", "seed = = 0", "cannot read run/config.toml"),
    ],
)
def test_a_configuration_edited_by_hand_is_checked(capsys, run, old, new, message):
    config = run / "config.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert message in refused(
        capsys, command.train, ["wang2016-bandit", "--resume", "--out", "run"]
    )
    if (
        "trials" not in old
    ):  # the weights fit all the same: what they were trained on is in their checkpoint
        assert message in refused(capsys, command.evaluate, ["run", *QUICK])


# --- evaluate ---


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
    assert refusal.startswith("error: agents with continuous actions are not given")
    words = ["zhang2024-modularity", "--env-id", "Pendulum-v1", "--no-progress"]
    assert "not ours need Discrete ones" in refused(capsys, command.train, words)


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

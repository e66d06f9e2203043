"""`prefrontal train`: what it does, and how it says no."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest
import torch

from prefrontal import command
from prefrontal.agents import load
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.experiments.experiment import all_experiments
from tests.agents.helpers import Countdown, register_countdown
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
        (["train", "CartPole-v1", "--help"], "`control`"),
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
            "--learning-rate must be a number, not 'abc'",
        ),
        ("wang2016-bandit --learning-rate nan", "learning_rate must be a finite number, not nan"),
        ("wang2016-bandit --total-steps 1e6", "--total-steps"),
        ("wang2016-bandit --total-steps 0", "total_steps must be at least 1, not 0"),
        ("wang2016-bandit --members -2", "members must be at least 1, not -2"),
        ("wang2016-bandit --num-envs 0", "num_envs must be at least 1"),
        ("wang2016-bandit --hidden-size 0", "hidden_size must be at least 1"),
        ("wang2016-bandit --members", "--members: expected one argument"),
        ("wang2016-bandit --core lsmt", "core must be one of lstm"),
        ("wang2016-bandit --core lstmm", "not 'lstmm'; did you mean 'lstm'?"),
        ("wang2016-bandit --core mine.py", "name the class of the core in its file: mine.py:CLASS"),
        ("wang2016-bandit --algorithm td3 --core gru", "without a core to choose"),
        ("miconi2017-dnms --core gru", "without a core to choose"),
        ("wang2016-bandit --core-kwargs leak", "error: --core-kwargs takes NAME=VALUE, not 'leak'"),
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
        ("--env-id CartPole-v1 --critic privileged", "can show its task"),
        ("--env-id CartPole-v1 --env-kwargs foo", "NAME=VALUE, not 'foo'"),
        ("--env-id CartPole-v1 --env-kwargs foo=1", "'foo'"),
        (
            "--env-id CartPole-v1 --env-kwargs render_mode=3",
            "'CartPole-v1' cannot be made with render_mode=3",
        ),
        (
            "--env-id prefrontal/FireflyNavigation-v0 --targets three",
            "--targets must be a whole number",
        ),
        ("--env-id CartPole-v1 --preset memry", "no preset 'memry'; did you mean 'memory'?"),
        ("--env-id CartPole-v1 --preset memory --algorithm r2d2", "leave out --preset"),
        ("--env-id prefrontal/Harlow-v0 --preset memory", "has settings of its own"),
        ("wang2016-bandit --preset memory", "wang2016-bandit has settings of its own"),
        ("wang2016-bandit --task CartPole-v1 --preset memory", "an experiment has settings"),
        ("--env-id CartPole-v1 --inputs centred_reward", "'centred_reward' is not available"),
        ("wang2016-bandit --passes 1 --replay uniform --replay-from-stage 1", "must be at most 0"),
        ("wang2018-harlow --delay 3", "--delay is an option of the condition abstract alone: add"),
        ("wang2018-harlow --delay=3", "--delay is an option of the condition abstract alone: add"),
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
    assert said.stderr.startswith("error: --members must be a whole number, not")
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


def test_settings_of_a_core_are_options(folder, capsys):
    small = [*SMALL[:4], *SMALL[6:], "--members", "1", "--workers", "1", "--hidden-size", "6"]
    core = ["--core", "rim", "--core-kwargs", "modules=3", "active=2"]
    assert command.train(["wang2016-bandit", *small, *core, "--out", "run"]) == 0
    agents = load("run")
    assert agents.network.core_kwargs == {"modules": 3, "active": 2}
    assert agents.model.nets[0].plain.module.core.count == 3
    for given, said in (
        (["active=9"], "the core rim: active must be from 1 to 6, not 9"),
        (["modules=two"], "the core rim: modules must be an integer, got 'two'"),
        (["activ=2"], "the core rim has no setting 'activ'; did you mean 'active'?"),
        (["active"], "--core-kwargs takes NAME=VALUE, not 'active'"),
    ):
        words = ["wang2016-bandit", *small, "--core", "rim", "--core-kwargs", *given]
        assert said in refused(capsys, command.train, words)
    words = ["wang2016-bandit", *small, "--core-kwargs", "beta=1"]
    assert "the core lstm has no setting 'beta': it has no settings" in refused(
        capsys, command.train, words
    )


def test_heads_are_options_beside_those_of_the_experiment(folder, capsys):
    small = [*SMALL[:4], *SMALL[6:], "--members", "1", "--workers", "1", "--hidden-size", "6"]
    own = ["--head", "name=a", "size=3", "loss=expectile", "--head", "name=b", "target=correct"]
    words = ["metacognition", "--condition", "reader", *small, *own, "per-action=true"]
    assert command.train([*words, "--out", "run"]) == 0
    heads = load("run").network.heads
    assert [head.name for head in heads] == ["confidence", "a", "b"]
    assert (heads[1].size, heads[2].per_action, heads[0].into_core) == (3, True, False)
    again = [*words, "--out", "run", "--resume"]
    assert command.train(again) == 0  # the same words as before
    assert load("run").network.heads == heads
    for given, said in (
        (["name=a", "name=b"], "--head: name is given twice"),
        (["name=a", "target=corect"], "head a: the environment does not say 'corect'"),
        (["name=a", "sise=3"], "unknown key 'sise' in [heads[0]]; did you mean 'size'?"),
        (["target=reward"], "missing key 'name' in [heads[0]]"),
        (["a"], "--head takes NAME=VALUE, not 'a'"),
    ):
        words = ["wang2016-bandit", *small, "--head", *given]
        assert said in refused(capsys, command.train, words)


def test_a_rule_that_a_core_cannot_have_says_why(folder, capsys):
    words = ["wang2018-harlow", "--condition", "abstract", "--core", "attention", "--rule", "eprop"]
    said = refused(capsys, command.train, [*words, "--out", "run"])
    assert "the core attention cannot learn by eprop" in said
    assert not (folder / "run").exists()

"""The user's own files: a task, a core, a study, by the name of their file, from any folder."""

import json
import shutil
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import CORES
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.behaviour.models.catalogue import find
from prefrontal.command import guarded
from prefrontal.doors import Doors

TASK = '''
"""A bandit whose best arm jumps."""

import dataclasses

import torch

from helper_of_mine import LOW
from prefrontal.checking import option
from prefrontal.envs import Task
from prefrontal.envs.task import check_parameters


@dataclasses.dataclass(frozen=True)
class JumpingBandit(Task):
    """Three arms, one of them good; a cue shows that the good arm has jumped."""

    parameters = ("good", "pay")
    noise = 2
    num_actions = 3
    reward_range = (0.0, 1.0)
    draws = 2

    trials: int = option(8, "Pulls of an episode.", least=1)
    hazard: float = option(0.05, "Probability that the good arm jumps.", least=0, most=1)

    @property
    def steps(self):
        return self.trials

    def from_uniform(self, uniform, split):
        low, high = {"train": (0.7, 0.8), "held_out": (0.8, 0.9), "all": (0.7, 0.9)}[split]
        return {"good": (3 * uniform[:, 0]).long(), "pay": low + (high - low) * uniform[:, 1]}

    def validate(self, params):
        return check_parameters(params, integers=["good"], good=((), 0, 2), pay=((), 0.0, 1.0))

    def reset(self, params):
        return {"t": 0, "good": params["good"]}, torch.ones(len(params["good"]), 1)

    def paying(self, params, state, action):
        return torch.where(action == state["good"], params["pay"], LOW)

    def step(self, params, state, action, noise):
        reward = (noise[0] < self.paying(params, state, action)).float()
        jumps = noise[1] < self.hazard
        good = torch.where(jumps, (state["good"] + 1) % 3, state["good"])
        return {"t": state["t"] + 1, "good": good}, jumps.float()[:, None], reward

    def facts(self, params, state, action):
        return {
            "trial": torch.full_like(action, state["t"]),
            "optimal_action": state["good"],
            "expected_reward": self.paying(params, state, action),
            "optimal_reward": params["pay"],
        }

    def privileged(self, params, state):
        return torch.nn.functional.one_hot(state["good"], 3).float()
'''

CORE = """
import torch
from torch import nn


class MyCore(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.units = hidden_size
        self.gate = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch):
        return (torch.zeros(batch, self.units),)

    def forward(self, x, state):
        h = torch.tanh(self.gate(torch.cat([x, state[0]], 1)))
        return h, (h,)
"""

STUDY = """
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.settings import EnvironmentSpec, Settings, TrainingConfig


def measure(evaluation):
    return Outcome([finding("reward", evaluation.record()["reward"].sum(2).mean(1))])


EXPERIMENT = Experiment(
    name="my-study",
    summary="a study of mine",
    reference="me",
    conditions={
        "default": Settings(
            EnvironmentSpec("prefrontal/TwoArmedBandit-v0", kwargs={"trials": 5}),
            training=TrainingConfig(num_envs=4, total_steps=100),
        )
    },
    measure=measure,
)
"""

TINY = ["--num-envs", "4", "--hidden-size", "5", "--total-steps", "64", "--no-progress"]
QUICK = ["--episodes", "8", "--record", "2", "--no-figures"]
CODE = ["--task", "mine/my_task.py:JumpingBandit", "--core", "mine/my_core.py:MyCore"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with the user's files in `mine`, not the present one, and strays beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine").mkdir()
    for name, text in (
        ("my_task", TASK),
        ("my_core", CORE),
        ("my_study", STUDY),
        ("helper_of_mine", "LOW = 0.1"),
        ("random", "raise ImportError('a stray file')"),
    ):
        (tmp_path / "mine" / f"{name}.py").write_text(text)
    for name in ("agents", "envs", "train", "torch"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('a stray file')")
    yield tmp_path
    sys.modules.pop("helper_of_mine", None)
    for name in [name for name in sys.modules if name.startswith("prefrontal_user_files")]:
        del sys.modules[name]
    for env_id in [name for name in gymnasium.registry if name.startswith("own/")]:
        del gymnasium.registry[env_id]
    for name in [name for name in CORES if ":" in name]:
        del CORES[name]


def said(capsys, main, words: list[str]) -> str:
    capsys.readouterr()
    assert guarded(main, words) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert len(err.splitlines()) == 1, err
    return err


def forget() -> None:
    """What a fresh interpreter does not know."""
    gymnasium.registry.pop("own/JumpingBandit-v0", None)
    CORES.pop("my_core.py:MyCore", None)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_task_and_a_core_of_mine(capsys, workers):
    words = ["mine/my_task.py:JumpingBandit", "--hazard", ".1", "--core", CODE[3], *TINY]
    words += ["--members", "2", "--workers", workers, "--out", "run"]
    assert command.train(words) == 0
    out = capsys.readouterr().out
    assert f"prefrontal evaluate run {' '.join(CODE)}" in out
    config = RunFolder.read("run").config()
    assert config["format"] == 2
    stored = config["conditions"]["default"]
    assert stored["environment"]["id"] == "own/JumpingBandit-v0"
    assert stored["environment"]["kwargs"] == {"trials": 8, "hazard": 0.1}
    assert stored["network"]["core"] == "my_core.py:MyCore"
    assert "mine" not in Path("run/config.toml").read_text()
    forget()
    assert "--core my_core.py:MyCore" in said(capsys, command.evaluate, ["run", *QUICK])
    text = Path("mine/my_core.py").read_text()
    Path("mine/other.py").write_text(text.replace("class MyCore", "class Other"))
    wrong = ["run", *CODE[:2], "--core", "mine/other.py:Other", *QUICK]
    needed = "the agents were trained with the core my_core.py:MyCore, not other.py:Other"
    assert needed in said(capsys, command.evaluate, wrong)
    forget()
    with_core = ["run", *CODE[2:], *QUICK]
    assert "--task FILE.py:JumpingBandit" in said(capsys, command.evaluate, with_core)
    assert command.evaluate(["run", *CODE, *QUICK]) == 0
    out = capsys.readouterr().out
    assert out.startswith("own/JumpingBandit-v0: Three arms")
    assert "regret" in out
    record = np.load("run/evaluation/record.npz")
    assert (record["task.pay"] > 0.8).all()
    assert record["hidden"].shape == (2, 2, 8, 5)
    agents = pf.load("run", task=CODE[1], core=CODE[3])
    assert agents[1].make_env().reset(seed=1)[0].shape == (agents.model.input_size,)
    resume = [CODE[1], *CODE[2:], "--resume", "--out", "run"]
    assert command.train(resume) == 0


def test_code_that_a_folder_names_is_never_imported(capsys, folder):
    assert command.train([CODE[1], "--core", CODE[3], *TINY, "--out", "run"]) == 0
    forget()
    (folder / "evil.py").write_text("open('evil', 'w')\nraise SystemExit(3)")
    (folder / "run" / "evil.py").write_text("open('evil', 'w')")
    text = Path("run/config.toml").read_text()
    meta = Path("run/checkpoint/checkpoint.json").read_text()
    changes = [
        ('"own/JumpingBandit-v0"', '"evil:prefrontal/TwoArmedBandit-v0"'),
        ('"own/JumpingBandit-v0"', '"run.evil:prefrontal/TwoArmedBandit-v0"'),
        ('"my_core.py:MyCore"', '"evil.py:MyCore"'),
        ('"my_core.py:MyCore"', '"evil:MyCore"'),
    ]
    for old, new in changes:
        Path("run/config.toml").write_text(text.replace(old, new))
        Path("run/checkpoint/checkpoint.json").write_text(meta.replace(old, new))
        for main, words in (
            (command.evaluate, ["run", *QUICK]),
            (command.train, ["own-environment", "--resume", "--out", "run"]),
        ):
            assert new.strip('"').partition(":")[0] in said(capsys, main, words)
        assert not Path("evil").exists()
    for name in ("task", "entry_point", "vectorization_mode", "wrappers"):
        new = f'trials = 8\n{name} = "evil:X"'
        Path("run/config.toml").write_text(text.replace("trials = 8", new))
        assert repr(name) in said(capsys, command.evaluate, ["run", *CODE, *QUICK])
    assert not Path("evil").exists()


def test_a_core_of_the_package_is_not_replaced(capsys):
    assert command.train(["wang2016-bandit", "--trials", "5", *TINY, "--out", "run"]) == 0
    message = said(capsys, command.evaluate, ["run", *CODE[2:], *QUICK])
    assert "core 'lstm', not 'my_core.py:MyCore'" in message
    study = ["run", "--study", "mine/my_study.py", *QUICK]
    assert "not of a study: leave out --study" in said(capsys, command.evaluate, study)
    message = said(capsys, command.evaluate, ["run", *CODE[:2], *QUICK])
    assert "'prefrontal/TwoArmedBandit-v0', not 'own/JumpingBandit-v0'" in message


def test_a_study_of_mine(capsys):
    assert command.train(["mine/my_study.py", "--members", "2", "--no-progress", "--out", "s"]) == 0
    assert "--study mine/my_study.py" in capsys.readouterr().out
    assert "name its file: --study" in said(capsys, command.evaluate, ["s", *QUICK])
    assert command.evaluate(["s", "--study", "mine/my_study.py", *QUICK]) == 0
    (finding,) = json.loads(Path("s/evaluation/metrics.json").read_text())["findings"]
    assert finding["name"] == "reward"
    words = ["mine/my_study.py:EXPERIMENT", "--no-progress", "--out", "t"]
    assert command.train(words) == 0
    Path("mine/my_study.py").write_text(STUDY.replace('"my-study"', '"another"'))
    shutil.copy("mine/my_study.py", "mine/another.py")
    message = said(capsys, command.evaluate, ["s", "--study", "mine/another.py", *QUICK])
    assert "is of 'my-study', and mine/another.py holds 'another'" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("import torch\n", "import torch\nimport nothing_like_it\n", "No module named"),
        ("class JumpingBandit(Task):", "class JumpingBandit(Task)", "my_task.py, line 15: Syntax"),
        ("    noise = 2\n", "    noise = 2 / 0\n", "ZeroDivisionError: division by zero (my_task"),
        ("class JumpingBandit(Task):", "class Another(Task):", "no 'JumpingBandit' in mine/my_"),
        ("class JumpingBandit(Task):", "class JumpingBandit:", "must be a class derived from"),
        ("    hazard:", "    members:", "must not be named members"),
        (
            '"pay": low',
            '"pya": low',
            "from_uniform must return a dict with the names in parameters",
        ),
        ("jumps.float()[:, None]", "jumps.float()[:, None][0, 5]", "(my_task.py, line"),
        ("LOW)", "1 / (LOW - LOW))", "ZeroDivisionError: float division by zero (my_task.py"),
    ],
)
def test_errors_of_the_user_are_theirs(capsys, old, new, message):
    path = Path("mine/my_task.py")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert message in said(capsys, command.train, [CODE[1], *TINY, "--out", "run"])


def test_a_core_that_would_not_learn_is_refused_before_there_is_a_folder(capsys):
    path = Path("mine/my_core.py")
    with path.open("a") as file:
        file.write("\n    def reset(self, state):\n        return (state[0][:, :2],)\n")
    words = ["wang2016-bandit", "--trials", "5", "--core", CODE[3], *TINY, "--out", "run"]
    assert "MyCore.reset: tensor 0 of the state must be" in said(capsys, command.train, words)
    assert not Path("run").exists()


def test_errors_of_the_user_in_other_processes_are_theirs(capsys):
    path = Path("mine/my_core.py")
    path.write_text(path.read_text().replace("state[0]], 1)", "state[3]], 1)"))
    words = ["wang2016-bandit", "--trials", "5", "--core", CODE[3], *TINY, "--out", "run"]
    words += ["--members", "2", "--workers", "2"]
    assert "tuple index out of range (my_core.py, line" in said(capsys, command.train, words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mine/my_tsk.py:JumpingBandit", "no file mine/my_tsk.py; did you mean 'my_task.py'?"),
        ("mine/my_task.py:JumpngBandit", "did you mean 'JumpingBandit'?"),
        ("mine/my_task.py:LO", "no 'LO' in mine/my_task.py; it has 'JumpingBandit'\n"),
        ("mine/my_task.py:optio", "no 'optio' in mine/my_task.py; it has 'JumpingBandit'\n"),
        ("mine/my_study.py:XPERIMENT", "did you mean 'EXPERIMENT'?"),
        ("nothing.at.all:Task", "there is no module"),
        ("mine/my_task.py", "mine/my_task.py holds no EXPERIMENT"),
        ("mine/my_task.py", "task, name its class: mine/my_task.py:JumpingBandit\n"),
        ("mine/nothing.py", "no file mine/nothing.py"),
        ("wang2016-bandit --core mine/my_core.py:MyCor", "did you mean 'MyCore'?"),
        ("wang2016-bandit --core mine/my_core.py:tor", "no 'tor' in mine/my_core.py; it has 'MyC"),
        ("wang2016-bandit --core mine/my_task.py:Jumping", "'Jumping' in mine/my_task.py\n"),
        ("wang2016-bandit --core mine/my_core.py:torch", "core 'my_core.py:torch' must be"),
        ("wang2016-bandit --core mine/my_task.py:JumpingBandit", "without initial_state"),
        ("wang2016-bandit --task mine/my_core.py:MyCore", "must be a class derived from"),
        ("hinton-nowlan-1987 --task CartPole-v1", "needs no environment"),
        ("wang2016-bandi --task CartPole-v1", "did you mean 'wang2016-bandit'?"),
    ],
)
def test_doors_that_lead_nowhere(capsys, words, message):
    assert message in said(capsys, command.train, [*words.split(), "--no-progress"])


def test_names_of_models_are_taken_from_their_file_alone(tmp_path):
    file = tmp_path / "my_models.py"
    file.write_text("from prefrontal.behaviour.models.simple import Random\n")
    with pytest.raises(ConfigError, match=r"there is no 'Rando' in \S+my_models.py$"):
        find(f"{file}:Rando")


def test_an_environment_of_mine_that_is_no_task(capsys):
    Path("mine/my_env.py").write_text(
        "import gymnasium\nfrom gymnasium.envs.classic_control import CartPoleEnv\n"
        "class MyCartPole(CartPoleEnv):\n    pass\n"
        "gymnasium.register('mine/Cart-v1', entry_point=MyCartPole, max_episode_steps=9)\n"
    )
    words = ["--num-envs", "2", "--total-steps", "40", "--no-progress"]
    assert command.train(["mine/my_env.py:MyCartPole", *words, "--out", "no"]) == 0
    assert "note: own/MyCartPole-v0 has no time limit: episodes are" in capsys.readouterr().out
    limit = ["--env-kwargs", "max_episode_steps=9"]
    assert command.train(["mine/my_env.py:MyCartPole", *limit, *words, "--out", "a"]) == 0
    assert command.train(["mine/my_env.py:mine/Cart-v1", *words, "--out", "b"]) == 0
    del gymnasium.registry["mine/Cart-v1"]
    assert "--task PACKAGE:ID" in said(capsys, command.evaluate, ["b", *QUICK])


def test_classes_are_doors_in_python(folder):
    found: dict = {"__name__": "__main__"}
    exec(CORE, found)
    run = pf.train(
        "wang2016-bandit",
        core=found["MyCore"],
        members=2,
        trials=5,
        num_envs=4,
        hidden_size=5,
        total_steps=64,
        progress=False,
        out="run",
    )
    assert run.doors.local
    report = pf.evaluate(run, episodes=8, record=2, figures=False)
    assert report.record["hidden"].shape == (2, 2, 5, 5)
    assert len(pf.load(run)) == 2
    exec(CORE, found)  # a cell of a notebook that is run again
    assert Doors(core=found["MyCore"]).core_name() == "__main__:MyCore"


FACTORIES = """
import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv


def one(limit=7):
    return gymnasium.make("CartPole-v1", max_episode_steps=limit)


def rows(num_envs):
    return SyncVectorEnv([one] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def rows_of_sb3(num_envs):
    return DummyVecEnv([one] * num_envs)
"""


@pytest.mark.parametrize("name", ["one", "rows", "rows_of_sb3"])
def test_functions_that_make_environments(name, capsys):
    Path("mine/factories.py").write_text(FACTORIES)
    task = f"mine/factories.py:{name}"
    assert command.check([task]) == 0
    assert "all is well" in capsys.readouterr().out
    assert command.train([task, *TINY, "--out", name]) == 0
    assert command.evaluate([name, "--task", task, *QUICK]) == 0
    record = np.load(f"{name}/evaluation/record.npz")
    assert record["reward"].shape[2] <= 7
    if name != "one":
        agent = pf.load(name, task=task)[0]
        with pytest.raises(ConfigError, match="makes vector environments only, and no single one"):
            agent.make_env()


def test_a_function_is_a_door_in_python():
    def mine():
        return gymnasium.make("CartPole-v1", max_episode_steps=5)

    assert Doors(mine).environment() == "own/mine-v0"
    assert gymnasium.make("own/mine-v0").spec.max_episode_steps == 5

"""What would take absurd memory or time is refused with it, before anything is made."""

import re
import resource
from pathlib import Path

import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents import Population
from prefrontal.agents.common.errors import PrefrontalError
from prefrontal.agents.networks.config import NetworkConfig
from tests.front import QUICK, SMALL, refused


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("wang2016-bandit --hidden-size 1000000", "more than the total memory"),
        ("wang2016-bandit --members 1000000000", "more than the total memory"),
        ("wang2016-bandit --num-envs 300000000", "more than the total memory"),
        ("wang2016-bandit --critic-units 30000000", "more than the total memory"),
        ("wang2016-bandit --snapshots 1000000000000", "1,000,000,000,000 snapshots"),
        ("wang2016-bandit --algorithm r2d2 --hidden-size 1000000", "more than the total memory"),
        ("wang2016-bandit --core gru --hidden-size 1000000", "more than the total memory"),
        ("course-baldwin-harlow --hidden-size 1000000", "more than the total memory"),
        ("course-baldwin-harlow --workers 100000", "100,000 processes needs 2e+04 GB"),
        ("hinton-nowlan-1987 --individuals 100000000000", "more than the total memory"),
        ("wang2016-bandit --total-steps 1000000000000000000", "years at"),
        (
            "prefrontal/Harlow-v0 --delay 100000000",
            "an episode must have 1 to 1,000,000 steps; got",
        ),
        ("wang2016-bandit --trials 100000000", "an episode must have 1 to 1,000,000 steps; got"),
        (f"wang2016-bandit --total-steps {'9' * 23}", "total_steps must be below 2^63"),
        ("hinton-nowlan-1987 --core gru", "no setting 'core'"),
        ("hinton-nowlan-1987 --num-envs 4", "plays no episodes"),
        ("wang2016-bandit --out=", "--out= has no value"),
        ("wang2016-bandit --out ~nobody-here/x", "has no home folder"),
        (f"wang2016-bandit --core {'x' * 500}", "x" * 60 + "..."),
        ("phys2d/CartPole-v0", "'phys2d/CartPole-v0' cannot be imported"),
        (".foo:X", "is neither FILE.py nor a module"),
    ],
)
def test_training(capsys, words, message):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = refused(capsys, command.train, words.split())
    if message == "more than the total memory":
        assert re.search(r"needs [\d.e+,]+ GB, more than the total memory of [\d.]+ GB", said)
    assert message.replace("x" * 60, "x" * 40) in said
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kB


def test_evaluation_and_a_vast_network_in_a_small_folder(capsys):
    assert command.train(["wang2016-bandit", *SMALL, "--out", "run"]) == 0
    said = refused(capsys, command.evaluate, ["run", "--episodes", "10000000000"])
    assert "take fewer --episodes" in said
    said = refused(capsys, command.evaluate, ["run", *QUICK, "--block", "1"])
    assert 'actor_reward "rpe"' in said
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in (Path("run/config.toml"), Path("run/checkpoint/checkpoint.json")):
        text = path.read_text()
        path.write_text(re.sub(r'(hidden_size"?( =|:)) 6', r"\1 8000", text))
    for main, words in (
        (command.evaluate, ["run", *QUICK]),
        (command.train, ["wang2016-bandit", "--resume", "--out", "run"]),
    ):
        assert "does not fit its own settings" in refused(capsys, main, words)
    with pytest.raises(PrefrontalError, match="does not fit its own settings"):
        pf.load("run")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # kB
    with Path("run/metrics.csv").open("r+b") as file:
        file.truncate(20 * 10**9)
    with Path("run/config.toml").open("r+b") as file:
        file.truncate(20 * 10**9)
    assert "such a file has at most" in refused(capsys, command.evaluate, ["run", *QUICK])


def test_wrong_types_in_python_name_the_field():
    with pytest.raises(ValueError, match="hidden_size must be an integer, got '8'"):
        NetworkConfig(hidden_size="8")
    with pytest.raises(ValueError, match="members must be a whole number of at least 1, not 0"):
        Population.create("prefrontal/TwoArmedBandit-v0", members=0)
    agents = Population.create("prefrontal/TwoArmedBandit-v0", NetworkConfig(hidden_size=3))
    for steps in ("many", float("nan"), 0):
        with pytest.raises(ValueError, match="total_steps must be a whole number"):
            agents.learn(steps)

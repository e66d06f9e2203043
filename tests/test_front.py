"""The Python front: what the README shows, in a notebook; the same checks as the command."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.envs import Harlow

ROOT = Path(__file__).parents[1]
SMALL = {"trials": 5, "num_envs": 4, "hidden_size": 6, "total_steps": 200, "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> pf.Run:
    """A finished run of two members; do not write into it."""
    out = tmp_path_factory.mktemp("front") / "run"
    return pf.train("wang2016-bandit", members=2, workers=1, out=out, **SMALL)


@pytest.mark.slow
def test_the_python_of_the_readme_in_a_notebook(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 12
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(
        notebook, timeout=1200, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = notebook.cells[0].outputs
    text = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
    assert "regret, uniform, sampled" in text
    assert "95 % interval" in text
    (shown,) = [o.data for o in outputs if o.output_type == "execute_result"]
    assert '<img src="data:image/png;base64,' in shown["text/html"]


def test_a_report_in_python_is_that_of_the_command(run, tmp_path, capsys):
    report = pf.evaluate(run, episodes=30, record=4, out=tmp_path / "python", seed=3)
    words = [str(run), "--episodes", "30", "--record", "4", "--seed", "3", "--json"]
    assert command.evaluate([*words, "--out", str(tmp_path / "command")]) == 0
    assert capsys.readouterr().out == report.metrics_text
    assert report.record["action"].shape == (2, 4, 5)
    np.testing.assert_array_equal(
        np.load(tmp_path / "python" / "record.npz")["hidden"], report.record["hidden"]
    )
    assert all(Path(figure).is_file() for figure in report.figures)
    assert {f.path.suffix for f in report.figures} == {".png"}
    assert report.findings[0].name in str(report)
    assert report.findings[0].name in report._repr_markdown_()


def test_findings_are_records_that_pandas_reads(run, tmp_path):
    pandas = pytest.importorskip("pandas")
    report = pf.evaluate(run, episodes=10, record=1, out=tmp_path, figures=False)
    table = pandas.DataFrame(report.findings)
    assert list(table["name"]) == [finding.name for finding in report.findings]
    assert table["value"].dtype == float


def test_the_same_checks_as_the_command(run):
    for call, message in (
        (lambda: pf.train("wang2016-bandi"), "did you mean 'wang2016-bandit'?"),
        (lambda: pf.train(3), "name an experiment or a task, not 3"),
        (lambda: pf.train("bandit-ablations", condition="ful"), "did you mean 'full'?"),
        (lambda: pf.train(), "name an experiment or a task first"),
        (lambda: pf.train("wang2016-bandit", membres=3), "did you mean 'members'?"),
        (lambda: pf.train("wang2016-bandit", members="many"), "members must be an integer"),
        (lambda: pf.train("wang2016-bandit", members=0), "members must be at least 1, not 0"),
        (lambda: pf.train("wang2016-bandit", trials=0), "trials must be at least 1, not 0"),
        (lambda: pf.train("wang2016-bandit", core="lsmt"), "core must be one of lstm"),
        (lambda: pf.train("wang2016-bandit", core=3), "a class is needed"),
        (lambda: pf.train("wang2016-bandit", algorithm="ppo"), "algorithm must be one of"),
        (lambda: pf.train("wang2016-bandit", algorithm="td3"), "no continuous actions"),
        (lambda: pf.train("wang2016-bandit", seed=-1), "seed must be between 0"),
        (lambda: pf.train("wang2016-bandit", condition=["ful"]), "no condition 'ful'"),
        (lambda: pf.train("wang2016-bandit", out=run), "is not empty"),
        (lambda: pf.evaluate("wang2016-bandi"), "did you mean 'wang2016-bandit'?"),
        (lambda: pf.evaluate(run, episodes=0), "episodes must be at least 1"),
        (lambda: pf.evaluate(run, split="test"), "split must be one of"),
        (lambda: pf.evaluate(3), "named by its folder or its name, not by 3"),
        (lambda: pf.load(None), "named by its folder or its name, not by None"),
        (lambda: pf.load("wang2016-bandi"), "did you mean 'wang2016-bandit'?"),
    ):
        with pytest.raises(pf.PrefrontalError, match=re.escape(message)) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 1


def test_shipped_agents_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    population = pf.load("wang2016-bandit")
    assert len(population) == 8
    report = pf.evaluate("wang2016-bandit", episodes=5, record=1, figures=False)
    assert Path("runs/evaluation/wang2016-bandit/metrics.json").is_file()
    assert report.metrics["members"] == {"default": 8}
    assert len(pf.load("one-shot-maze", "open")) == 8


def test_agents_make_their_environment(run):
    agent = pf.load(run)[0]
    env = agent.make_env(split="train")
    observation, _ = env.reset(seed=1)
    assert observation.shape == (agent.model.input_size,)
    rows = agent.make_vec(3)
    action, _ = agent.predict(rows.reset(seed=1)[0])
    assert rows.step(action)[1].shape == (3,)
    mean, _ = evaluate_policy(agent, env, n_eval_episodes=3, warn=False)
    assert 0 <= mean <= 5


def test_agents_play_a_foreign_environment(tmp_path):
    small = {"num_envs": 2, "hidden_size": 4, "total_steps": 60, "progress": False}
    run = pf.train("CartPole-v1", inputs=("action", "reward", "time"), out=tmp_path / "r", **small)
    agent = pf.load(run)[0]
    mean, _ = evaluate_policy(agent, agent.make_env(), n_eval_episodes=2, warn=False)
    assert 5 < mean < 500
    rows = agent.make_vec(2)
    observation, _ = rows.reset(seed=1)
    action, _ = agent.predict(observation)
    observation, *_ = rows.step(action)
    np.testing.assert_array_equal(observation[:, 4:6], np.eye(2)[action])
    np.testing.assert_allclose(observation[:, 6:], [[1, 1 / 500]] * 2)


@pytest.mark.parametrize(
    ("algorithm", "more"),
    [
        ("r2d2", {}),
        ("a2c", {}),
        ("evolution", {}),
        ("evolution", {"core": "gru"}),  # its champions keep the embedding of their lives
        ("evolution", {"reset_at": "trial", "inputs": ("action", "reward", "trial_start")}),
    ],
)
def test_any_learner(algorithm, more, tmp_path):
    settings = {"total_steps": 400, "hidden_size": 4, "progress": False, "workers": 1}
    if algorithm == "evolution":
        settings |= {"individuals": 4, "offspring": 2, "remeasured": 1, "tournament": 2}
        settings |= {"truncation": 2, "tasks": 2, "learning_updates": 2}
    task, out = "prefrontal/ContextBandit-v0", tmp_path / "r"
    run = pf.train(task, algorithm=algorithm, out=out, trials=5, **settings, **more)
    pf.train(task, resume=True, out=out, progress=False)
    report = pf.evaluate(run, episodes=4, record=1, figures=False)
    assert report.record["action"].shape == (1, 1, 5)


def test_continuous_actions_are_not_for_q_learning(tmp_path):
    with pytest.raises(ConfigError, match=r"FireflyNavigation.*--algorithm a2c"):
        pf.train("prefrontal/FireflyNavigation-v0", algorithm="r2d2", out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_script_without_a_main_guard_trains_in_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import prefrontal as pf\n"
        f"run = pf.train('wang2016-bandit', members=2, workers=2, out='r', **{SMALL})\n"
        "print(len(pf.load(run)))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("2\n")
    settings = RunFolder.read(tmp_path / "r").config()["conditions"]["default"]
    assert settings["environment"]["kwargs"] == {"trials": 5}


def test_a_run_from_python_holds_every_parameter_of_the_task(tmp_path):
    small = {name: value for name, value in SMALL.items() if name != "trials"} | {"total_steps": 9}
    run = pf.train("prefrontal/Harlow-v0", out=tmp_path / "r", **small)
    kwargs = RunFolder.read(run.path).config()["conditions"]["default"]["environment"]["kwargs"]
    told = {one.name for one in dataclasses.fields(Harlow) if one.default is not None}
    assert kwargs.keys() == told
    assert pf.train("prefrontal/Harlow-v0", out=tmp_path / "r", resume=True, progress=False)

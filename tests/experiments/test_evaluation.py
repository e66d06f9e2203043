"""Records are what was played, tasks are common to conditions.

The bandit findings say what the record says.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from prefrontal import command
from prefrontal.agents import A2CConfig, EnvironmentSpec, Population
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.reference.bandit_optima import bayes_optimal_regret
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.experiments.evaluation import Evaluation, _joined, write_record
from prefrontal.experiments.experiment import all_experiments, find_experiment
from prefrontal.experiments.run_files import read_curves, settings_of
from prefrontal.experiments.settings import Settings
from prefrontal.options import RunOptions as Run
from prefrontal.reading import parse_settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SPEC = EnvironmentSpec(
    "prefrontal/TwoArmedBandit-v0", inputs=("action", "reward", "time"), kwargs={"trials": 12}
)


def make(
    tmp_path: Path, members: int = 2, episodes: int = 30, **populations: Population
) -> Evaluation:
    made = populations or {"default": Population.create(SPEC, members=members)}
    settings = dict.fromkeys(made, Settings(SPEC, algorithm=A2CConfig(discount=0.9)))
    return Evaluation(made, settings, "held_out", episodes, 3, tmp_path)


def test_record_is_consistent_with_itself(tmp_path: Path) -> None:
    record = make(tmp_path).record(hidden=True)
    assert record["action"].shape == (2, 30, 12)
    assert record["hidden"].shape == (2, 30, 12, 48)
    # The inputs of a step are the action and reward of the step before, and nothing at the first.
    seen = record["observation"]
    assert not seen[:, :, 0, 1:].any()
    np.testing.assert_array_equal(seen[:, :, 1:, 1:3].argmax(-1), record["action"][:, :, :-1])
    np.testing.assert_array_equal(seen[:, :, 1:, 3], record["reward"][:, :, :-1])
    # Regret and prediction errors follow from their definitions.
    p = record["task.p"]
    chosen = np.take_along_axis(p, record["action"].astype(int), axis=2)
    np.testing.assert_allclose(record["regret"], p.max(-1, keepdims=True) - chosen, atol=1e-6)
    after = np.concatenate([record["value"][:, :, 1:], np.zeros((2, 30, 1))], axis=2)
    np.testing.assert_allclose(
        record["rpe"], record["reward"] + 0.9 * after - record["value"], atol=1e-5
    )
    np.testing.assert_allclose(record["policy"].sum(-1), 1, atol=1e-5)


def test_actions_follow_the_recorded_policy(tmp_path: Path) -> None:
    record = make(tmp_path, members=1, episodes=2000).record()
    expected = record["policy"][..., 1].mean()
    assert abs(record["action"].mean() - expected) < 4 * np.sqrt(0.25 / record["action"].size)
    greedy = make(tmp_path, members=1).record(deterministic=True)
    np.testing.assert_array_equal(greedy["action"], greedy["policy"].argmax(-1))


def test_conditions_meet_the_same_tasks_and_members_their_own(tmp_path: Path) -> None:
    one, two = Population.create(SPEC, members=2), Population.create(SPEC, members=2, seed=5)
    evaluation = make(tmp_path, a=one, b=two)
    a, b = evaluation.record("a"), evaluation.record("b")
    np.testing.assert_array_equal(a["task.p"], b["task.p"])
    assert not np.array_equal(a["task.p"][0], a["task.p"][1])
    assert not np.array_equal(a["action"], b["action"])


def test_written_record_reads_back(tmp_path: Path) -> None:
    record = make(tmp_path, episodes=3).record(hidden=True)
    arrays, table, tasks = write_record(record, tmp_path)
    assert [path.name for path in (table, tasks)] == ["record.csv", "record_tasks.csv"]
    with np.load(arrays, allow_pickle=False) as stored:
        assert set(stored) == set(record)
        np.testing.assert_array_equal(stored["hidden"], record["hidden"])
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 12
    last = rows[-1]
    assert (last["member"], last["episode"], last["step"]) == ("1", "2", "11")
    assert float(last["reward"]) == record["reward"][1, 2, 11]
    assert not [name for name in last if name.startswith(("hidden", "task."))]
    with tasks.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3
    assert float(rows[-1]["task.p.1"]) == pytest.approx(record["task.p"][1, 2, 1])


def test_batches_are_joined_and_shorter_ones_end_in_zeros() -> None:
    rng = np.random.default_rng(0)

    def batch(steps: int) -> dict[str, np.ndarray]:
        return {
            "action": rng.integers(1, 9, size=(2, 4, steps)).astype(np.int16),
            "policy": rng.random((2, 4, steps, 3)).astype(np.float32),
            "task.p": rng.random((2, 4, 5)),
            "task.size": rng.random((2, 4)),
        }

    parts = [batch(6), batch(8), batch(7)]
    asked = iter(parts)
    whole = _joined(asked, 10)
    assert next(asked, None) is None
    for name, value in whole.items():
        assert value.dtype == parts[0][name].dtype
        for episode in range(10):
            part = parts[episode // 4][name][:, episode % 4]
            if name.startswith("task."):
                np.testing.assert_array_equal(value[:, episode], part)
            else:
                assert value.shape[2] == 8
                np.testing.assert_array_equal(value[:, episode, : part.shape[1]], part)
                assert not value[:, episode, part.shape[1] :].any()


def test_a_batch_is_put_away_before_the_next_is_played(monkeypatch, tmp_path: Path) -> None:
    events: list[str] = []
    collect, record = Rollout.collect, Population._recorded
    monkeypatch.setattr(Rollout, "collect", lambda *a: (events.append("play"), collect(*a))[1])
    monkeypatch.setattr(Population, "_recorded", lambda *a: (events.append("keep"), record(*a))[1])
    monkeypatch.setattr("prefrontal.experiments.evaluation._ROWS", 8)
    make(tmp_path, members=2, episodes=10).record()
    assert events == ["play", "keep"] * 3


def test_parameters_by_trial_are_joined_by_trial(tmp_path: Path) -> None:
    trial = np.tile(np.repeat(np.arange(4), 2), (2, 3, 1))  # two steps a trial
    side = np.random.default_rng(0).integers(2, size=(2, 3, 4))
    record = {
        "action": np.zeros((2, 3, 8), np.int64),
        "trial": trial,
        "policy": np.full((2, 3, 8, 2), 0.5, np.float32),
        "task.side": side,
        "task.objects": np.zeros((2, 3, 2)),
    }
    written = {path.name: path for path in write_record(record, tmp_path)}
    tables = {}
    for name in ("record", "record_tasks", "record_trials"):
        with written[f"{name}.csv"].open() as file:
            tables[name] = list(csv.DictReader(file))
    assert [len(rows) for rows in tables.values()] == [2 * 3 * 8, 2 * 3, 2 * 3 * 4]
    assert list(tables["record_tasks"][0]) == [
        "member",
        "episode",
        *(f"task.objects.{k}" for k in (0, 1)),
    ]
    for row in tables["record_trials"]:
        at = tuple(int(row[key]) for key in ("member", "episode", "trial"))
        assert int(row["task.side"]) == side[at]
    # As many trials as actions: nobody can tell, so that nothing is called a trial's.
    few = {**record, "policy": np.full((2, 3, 8, 4), 0.25)}
    assert "record_trials.csv" not in {path.name for path in write_record(few, tmp_path / "..")}


def test_every_experiment_has_settings_that_parse_and_survive_toml() -> None:
    for experiment in all_experiments().values():
        assert experiment.summary
        for settings in experiment.conditions.values():
            parsed = parse_settings(settings, Run(), [], "test", "")
            given = settings.environment.kwargs
            assert given.items() <= parsed.environment.kwargs.items(), experiment.name
            same = replace(parsed, environment=replace(parsed.environment, kwargs=given))
            assert same == settings, experiment.name
            toml = tomli_w.dumps(to_plain(parsed))
            assert from_plain(Settings, tomllib.loads(toml)) == parsed, experiment.name


def test_options_reach_environment_and_algorithm() -> None:
    settings = find_experiment("wang2016-bandit").conditions["default"]
    words = [
        "--trials",
        "7",
        "--passes",
        "2",
        "--inputs",
        "action",
        "--hidden-size",
        "9",
        "--members",
        "3",
    ]
    parsed = parse_settings(settings, Run(), words, "test", "")
    assert parsed.environment.kwargs == {"trials": 7}
    assert parsed.environment.inputs == ("action",)
    sizes = (parsed.algorithm.passes, parsed.network.hidden_size, parsed.training.members)
    assert sizes == (2, 9, 3)


def test_unknown_experiment_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'wang2016-bandit'"):
        find_experiment("wang2016-bandits")


@pytest.fixture(scope="module")
def bandit_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "bandit"
    words = [
        "--total-steps",
        "6400",
        "--members",
        "2",
        "--workers",
        "1",
        "--no-progress",
        "--out",
        str(out),
    ]
    assert command.train(["wang2016-bandit", *words]) == 0
    return out


def test_bandit_findings(bandit_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert command.evaluate([str(bandit_run), "--episodes", "150", "--json", "--record", "2"]) == 0
    printed = json.loads(capsys.readouterr().out)
    stored = json.loads((bandit_run / "evaluation" / "metrics.json").read_text())
    assert printed == stored
    findings = {f["name"]: f for f in stored["findings"]}
    regret = findings["regret, all tasks"]
    assert regret["optimum"] == pytest.approx(bayes_optimal_regret(100))
    assert regret["verdict"] == "missed"
    assert stored["conclusion"].startswith("150 of 4,000 episodes: 0 met")
    # The bar does not move with the length of the run, which is said.
    assert regret["bar"] == 2.1
    assert regret["note"] == "trained for 0.0064 M steps; the bar is for 12 M"
    budget = findings["training episodes of a member"]
    assert (budget["value"], budget["published"]) == (64, 20_000)
    assert regret["low"] <= regret["value"] <= regret["high"]
    # Hardly trained, so near chance, and no better than Thompson sampling.
    assert regret["value"] == pytest.approx(16.6, abs=4)
    assert findings["Thompson's regret less the agent's"]["verdict"] == "missed"
    assert findings["reference: Thompson"]["value"] == pytest.approx(2.79, abs=0.9)
    for name in ("regret.png", "choices.png", "hidden_states.png", "learning_curve.png"):
        assert (bandit_run / "evaluation" / name).stat().st_size > 5000


def test_same_seed_gives_the_same_findings(
    bandit_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = []
    for seed in ("1", "1", "2"):
        capsys.readouterr()
        command.evaluate(
            [
                str(bandit_run),
                "--episodes",
                "40",
                "--seed",
                seed,
                "--json",
                "--record",
                "1",
                "--no-figures",
            ]
        )
        outputs.append(json.loads(capsys.readouterr().out)["findings"][0]["value"])
    assert outputs[0] == outputs[1] != outputs[2]


def test_run_folder_is_complete(bandit_run: Path) -> None:
    from prefrontal.agents.runs.folder import RunFolder

    name, seed, settings = settings_of(RunFolder.read(bandit_run))
    assert (name, seed) == ("wang2016-bandit", 0)
    assert settings["default"].training.total_steps == 6400
    curves = read_curves(bandit_run / "metrics.csv")
    assert curves["steps"][-1].tolist() == [6400, 6400]
    assert curves["return"].shape == curves["steps"].shape
    assert list(bandit_run.glob("events.out.tfevents.*"))
    for file in ("config.toml", "versions.json", "command.txt", "checkpoint/checkpoint.json"):
        assert (bandit_run / file).is_file()


def test_numbers_are_written_as_numpy_says_them(tmp_path):
    """Each that occurs is turned into text once; signs of zero, NaN and types are kept."""
    numbers = np.array([0.0, -0.0, np.nan, 1 / 3, 1e-20, 1 / 3], np.float32).reshape(1, 2, 3)
    record = {
        "action": np.arange(6).reshape(1, 2, 3) % 2,
        "value": numbers,
        "exact": numbers.astype(np.float64)[..., None].repeat(2, 3),
        "told": numbers > 0,
    }
    arrays, table = write_record(record, tmp_path)
    with table.open(newline="") as file:
        text = file.read()
    columns = [np.repeat(0, 6), np.repeat([0, 1], 3), np.tile(range(3), 2)]
    columns += [record["action"], numbers, *record["exact"].reshape(6, 2).T, record["told"]]
    rows = zip(*(column.ravel().astype(str) for column in columns), strict=True)
    names = "member,episode,step,action,value,exact.0,exact.1,told"
    assert text == "".join(f"{row}\r\n" for row in [names, *map(",".join, rows)])
    for name, value in np.load(arrays).items():
        np.testing.assert_array_equal(value, record[name])

"""`prefrontal align`: a recording beside a fit and agents, by the command and from Python."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.behaviour.recordings import read_spikes
from tests.behaviour import recordings
from tests.front import refused

WORDS = ["--neural", "spikes.npz", "--trials", "data.csv"]
STATED = [*WORDS, "--columns", "fit/columns.toml"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a table, a recording, and what a fit of two models would write."""
    folder = tmp_path_factory.mktemp("made")
    said = recordings.write(folder)
    (folder / "fit").mkdir()
    (folder / "fit" / "columns.toml").write_text('[task]\nresets = "session"\n')
    with (folder / "fit" / "trials.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "row", "rw.log_p", "rw.value0", "rw.value1", "rw.rpe"])
        for row, (value, error) in enumerate(zip(said["value"], said["rpe"], strict=True)):
            writer.writerow(["A", row, -0.5, -value, value, error])
    return folder


@pytest.fixture(autouse=True)
def folder(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def test_align_with_a_fit(capsys):
    assert command.main(["align", "fit", *WORDS, "--json", "--out", "a"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(Path("a/alignment.json").read_text())
    assert list(found["latents"]) == ["task", "rw.values", "rw.rpe"]
    assert found["latents"]["rw.values"]["areas"]["ACC"]["passing"] > 0.6
    assert found["latents"]["rw.rpe"]["areas"]["OFC"]["passing"] > 0.8
    assert found["latents"]["rw.rpe"]["areas"]["none"]["passing"] < 0.2
    assert len(Path("a/alignment.csv").read_text().splitlines()) == 1 + 3 * 36
    assert Path("a/encoding.png").is_file()
    assert command.main(["align", "fit", *WORDS, "--bins", "0:1", "--no-figures"]) == 0
    said = capsys.readouterr().out
    assert "rw.rpe" in said
    assert "fit/alignment/alignment.csv" in said


def test_align_with_agents_and_with_more_from_python():
    trials = np.arange(recordings.SESSIONS * recordings.TRIALS) % recordings.TRIALS
    found = pf.align(
        neural=read_spikes("spikes.npz"),
        trials="data.csv",
        columns="fit/columns.toml",
        agents="wang2016-bandit",
        latents={"time": np.sin(trials)},
        figures=False,
        out="b",
    )
    hidden = "wang2016-bandit.hidden"
    assert {hidden, "wang2016-bandit untrained.hidden", "time"} < set(found.summary["latents"])
    units = found.alignment.units
    assert units.score.shape == (36, 6)
    k = units.names.index(hidden)
    area = np.array(found.alignment.recording.area)
    assert np.median(units.score[area == "ACC", k]) > 0.1  # it has a value like the learner's
    assert (units.p_values[area == "none", k] <= 0.05).mean() < 0.2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--neural", "spikes.npz"], "--trials data.csv is missing"),
        (["--trials", "data.csv"], "--neural spikes.npz is missing"),
        ([*STATED, "--bins", "1"], "bins are written FIRST:END, such as 2:5, not '1'"),
        ([*STATED, "--bins", "4:"], "spikes.npz has 2 bins: none is chosen"),
        (["nowhere", *STATED], "there is no fit in nowhere"),
        ([*STATED, "--agents", "wang2016-bandits"], "did you mean 'wang2016-bandit'"),
        (
            ["--neural", "more.npz", *STATED[2:]],
            "more.npz has 320 trials and data.csv 1600 rows: give more.npz the arrays session and",
        ),
        (
            ["--neural", "other.npz", *STATED[2:]],
            "and 80 trials in 1 sessions are no rows, first session 77, trial 0",
        ),
    ],
)
def test_align_refuses_in_one_line(capsys, words, message):
    whole = read_spikes("spikes.npz")
    np.savez("more.npz", counts=whole.counts)
    session = np.array(whole.keys["session"], "U4")
    session[session == "3"] = "77"
    np.savez("other.npz", counts=whole.counts, session=session, trial=whole.keys["trial"])
    assert message in refused(capsys, command.main, ["align", *words])

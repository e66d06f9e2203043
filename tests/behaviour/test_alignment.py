"""Recordings beside a table of trials: files, keys, and simulated units with a known code."""

import csv
import json

import numpy as np
import pytest

from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour.alignment import align_recording, task_variables
from prefrontal.behaviour.recordings import Recording, label, read_spikes, rows_of, write_spikes
from tests.behaviour.recordings import SESSIONS, TRIALS, learner, recording


@pytest.fixture(scope="module")
def alignment():
    said = learner()
    latents = {name: said[name] for name in ("value", "rpe")}
    return align_recording(recording(said), latents, said, table="data.csv")


def test_units_code_what_they_were_made_to_code(alignment, tmp_path):
    summary = json.loads(json.dumps(alignment.summary()))
    assert (summary["trials"], summary["units"]) == (4 * TRIALS, 36)
    assert (summary["sessions"], summary["sessions_recorded"]) == (SESSIONS, 4)
    assert summary["smallest_p"] == 1 / SESSIONS
    passing = {
        name: {area: one["passing"] for area, one in found["areas"].items()}
        for name, found in summary["latents"].items()
    }
    assert passing["value"]["ACC"] > 0.6
    assert passing["rpe"]["OFC"] > 0.9
    for name in passing:
        assert passing[name]["none"] < 0.2
    assert passing["value"]["OFC"] < 0.3
    rows = list(csv.DictReader(alignment.write(tmp_path).open()))
    assert len(rows) == 2 * 36
    assert set(rows[0]) == {
        "unit",
        "area",
        "latent",
        "score",
        "null_95",
        "p",
        "trials",
        "reliability",
    }
    assert rows[0]["trials"] == str(TRIALS)


def test_populations_are_alike_and_have_a_ceiling(alignment):
    found = alignment.populations
    assert found["rpe"]["cka"] > 0.2
    assert abs(found["rpe"]["cka_null"]) < 0.05
    assert found["rpe"]["cka_p"] == 1 / SESSIONS
    assert found["rpe"]["decoded"] > 0.3
    assert alignment.ceiling > found["rpe"]["cka_null"]


def test_counts_without_bins_are_one_bin():
    counts = np.arange(6.0).reshape(3, 2)
    found = Recording(counts)
    np.testing.assert_array_equal(found.counts, counts[:, None])
    assert (found.counts.shape, found.unit) == ((3, 1, 2), ("0", "1"))


def test_a_file_reads_back(tmp_path):
    made = recording(learner())
    found = read_spikes(write_spikes(tmp_path / "spikes.npz", made))
    np.testing.assert_array_equal(found.counts, made.counts)
    assert (found.keys, found.area, found.unit) == (made.keys, made.area, made.unit)
    np.testing.assert_array_equal(found.bins, made.bins)
    np.savez(tmp_path / "plain.npz", counts=made.counts[:, 0])
    plain = read_spikes(tmp_path / "plain.npz")
    assert plain.counts.shape[1] == 1
    assert (plain.keys, set(plain.area)) == ({}, {"all"})


def test_trials_find_their_rows_by_key():
    keys = {"session": ["a", "a", "b", "b"], "trial": [1, 2, 1, 2]}
    made = Recording(np.ones((2, 1, 1)), {"session": ("b", "a"), "trial": ("2", "1")})
    assert rows_of(made, keys, 4, "data.csv").tolist() == [3, 0]
    assert rows_of(Recording(np.ones((4, 1, 1))), {}, 4, "data.csv").tolist() == [0, 1, 2, 3]
    assert [label(one) for one in (1, 1.0, "1", " 1.0 ", "1a", 1.5)] == [*["1"] * 4, "1a", "1.5"]


KEYS = {"session": ["a", "a", "b"], "trial": [0, 1, 0]}


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (
            {},
            KEYS,
            r"spikes.npz has 2 trials and data.csv 3 rows: give spikes.npz the arrays session and "
            "trial",
        ),
        (
            {"session": "ab", "trial": "07"},
            KEYS,
            r"spikes.npz has 2 trials and data.csv 3 rows, and 1 trials in 1 sessions are no rows, "
            r"first session b, trial 7: leave them out",
        ),
        ({"session": "ab", "trial": "00"}, {"session": ["a"] * 3}, "no column trial: name it"),
        ({"trial": "01"}, KEYS, "data.csv has trial 0 twice: name session too in spikes.npz"),
        ({"session": "aa", "trial": "00"}, KEYS, "spikes.npz has session a, trial 0 twice"),
        (
            {"session": "aa", "trial": "01"},
            {"session": ["a", "a", "a"], "trial": [0, 1, 0]},
            "data.csv has session a, trial 0 twice: give every session a name of its own",
        ),
    ],
)
def test_trials_that_are_no_rows_are_named_in_one_line(ours, theirs, message):
    given = {name: tuple(values) for name, values in ours.items()}
    made = Recording(np.ones((2, 1, 1)), given, name="spikes.npz")
    with pytest.raises(ConfigError, match=message) as caught:
        rows_of(made, theirs, 3, "data.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"count": np.ones((2, 1, 1))}, "unknown array 'count'; did you mean 'counts'"),
        ({"session": np.array(["a"])}, "has no array counts"),
        ({"counts": np.ones(3)}, r"must be \[trials, bins, units\], not \[3\]"),
        ({"counts": -np.ones((2, 1, 1))}, "from 0 .*-1.0 at trial 0, bin 0, unit 0"),
        ({"counts": np.ones((2, 1, 1)), "trial": np.arange(3)}, "trial has 3 entries, .* 2 trials"),
        ({"counts": np.ones((2, 1, 1)), "area": np.array(["a", "b"])}, "area has 2 .* 1 units"),
        ({"counts": np.ones((2, 1, 1)), "bins": np.array([0.0])}, "bins has 1 .* 2 edges of bins"),
        (
            {"counts": np.ones((2, 1, 1)), "unit": np.array([None])},
            "holds no plain arrays: save te",
        ),
    ],
)
def test_files_that_are_none(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", allow_pickle=True, **arrays)
    with pytest.raises(ConfigError, match=message) as caught:
        read_spikes(tmp_path / "x.npz")
    assert "\n" not in str(caught.value)


def test_other_files_and_no_file(tmp_path):
    (tmp_path / "x.npz").write_text("counts")
    with pytest.raises(ConfigError, match=r"x.npz holds no plain arrays: save"):
        read_spikes(tmp_path / "x.npz")
    with pytest.raises(ConfigError, match="there is no file"):
        read_spikes(tmp_path / "y.npz")


def test_an_alignment_needs_sessions_bins_and_latent_variables():
    made = Recording(np.ones((60, 2, 1)), name="spikes.npz")
    keys = {"session": ["a"] * 60}
    with pytest.raises(ConfigError, match=r"needs two sessions of at least 50 trials .* got 1"):
        align_recording(made, {"v": np.arange(60.0)}, keys)
    with pytest.raises(ConfigError, match="no latent variable"):
        align_recording(made, {}, keys)
    with pytest.raises(ConfigError, match="has 2 bins: none is chosen"):
        align_recording(made, {"v": np.arange(60.0)}, keys, bins=slice(5, 6))


def test_task_variables_by_hand():
    """Choices 0, 1, missed, 1 with rewards 1, 0, -, 2: choice, reward by arm, and those before."""
    choice = np.array([[0, 1, -1, 1]])
    reward = np.array([[1.0, 0.0, np.nan, 2.0]])
    starts = np.array([[True, False, False, False]])
    found = task_variables(choice, reward, starts, 2)[0]
    assert found.shape == (4, 6)
    np.testing.assert_array_equal(found[0], [0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(found[1], [1, 0, 0, 0, 1, 0])
    assert np.isnan(found[2]).all()
    np.testing.assert_array_equal(found[3], [1, 0, 2, 0, 0, 0])

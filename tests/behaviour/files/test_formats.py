"""Files in every format, shipped and published, and what is written reads back equal."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from prefrontal.analysis.choice.two_step import model_based_index, stay_probabilities
from prefrontal.behaviour import examples
from prefrontal.behaviour.examples.make import bandit, two_step, write_all
from prefrontal.behaviour.files import DataError, read, read_tidy, write_hbayesdm, write_tidy
from prefrontal.behaviour.files.formats import load
from prefrontal.behaviour.files.proposing import propose
from prefrontal.behaviour.probes import record_of, two_step_trials

EXAMPLES = Path(examples.__file__).parent
SHARED = Path(__file__).parents[3].parent / "shared/data"
DATA = Path(os.environ.get("PREFRONTAL_DATA", SHARED))
published = pytest.mark.skipif(not DATA.is_dir(), reason="published data are not here")
CARPET = {
    "columns": {"choice": "choice1", "state2": "final_state", "transition": "common"},
    "codes": {name: {"1": 0, "2": 1} for name in ("choice", "choice2", "state2")},
    "task": {"files": "subjects", "choice_is": "stimulus", "common": 0.7},
    "missed": {"slow": 1},
}


def same(one, other, but=()):
    """Check that two tables are equal, except for some fields and columns."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in but:
            continue
        if field.name == "columns":
            assert set(a) - set(but) == set(b) - set(but)
            for name in set(a) - set(but):
                np.testing.assert_array_equal(a[name], b[name], name)
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, field.name)
        else:
            assert a == b, field.name


@pytest.mark.parametrize(
    ("name", "seed", "but"),
    [
        ("hbayesdm/bandit2arm.txt", 10, ("reward",)),
        ("hbayesdm/bandit4arm2.txt", 12, ("reward",)),
        ("hbayesdm/bandit4arm.txt", 13, ("reward", "gain", "loss")),
        ("psych-ds", 5, ("columns",)),
        ("cbm/bandit.mat", 6, ("reward", "subjects")),
    ],
)
def test_shipped_files_hold_what_was_simulated(name, seed, but):
    found = read(EXAMPLES / name)
    same(found, bandit(seed, arms=found.arms), but)


def test_shipped_bids_and_nwb():
    pytest.importorskip("pynwb")
    one = read(EXAMPLES / "nwb")
    assert one.subjects == ("S01", "S02")
    np.testing.assert_array_equal(one.choice, bandit(8, 2).choice)
    two = read(EXAMPLES / "bids")
    assert (two.choice == -1).sum() == 4
    assert np.nanmax(two.columns["rt"]) == 0.5


@pytest.mark.parametrize("name", ["cbm/two_step.mat", "hbayesdm/ts.txt"])
def test_shipped_two_step_tasks(name):
    found = read(EXAMPLES / name)
    expected = two_step(7 if "mat" in name else 21)
    there = found.choice != -1
    assert there.sum() == (236 if "mat" in name else 240)
    for field in ("choice", "state2", "choice2", "reward"):
        given, wanted = getattr(found, field), getattr(expected, field)
        np.testing.assert_array_equal(given[there], wanted[there])
    assert found.mapping.tolist() == [[0, 1]] * 4
    assert found.common == 0.7


def test_sides_are_recoded_by_what_stood_there():
    found = read(EXAMPLES / "sides.csv", EXAMPLES / "sides.columns.toml")
    same(found, two_step(3), but=("columns",))


def test_examples_are_what_the_program_writes(tmp_path):
    pytest.importorskip("pynwb")
    write_all(tmp_path)
    for path in EXAMPLES.rglob("*"):
        if path.suffix in (".csv", ".tsv", ".txt", ".toml", ".json"):
            assert path.read_bytes() == (tmp_path / path.relative_to(EXAMPLES)).read_bytes(), path


def test_tidy_tables_read_back_equal(tmp_path):
    found = read(EXAMPLES / "cbm/two_step.mat")
    same(read_tidy(write_tidy(found, tmp_path / "a.tsv")), found)
    rows = "subject,choice,reward,forced,available,mood,x\na,0,1,1,0,fair,1.5\na,1,,0,0 1,,2\n"
    (tmp_path / "b.csv").write_text(rows)
    found = read(tmp_path / "b.csv", {"task": {"arms": 2}, "codes": {"missing": [""]}})
    same(read_tidy(write_tidy(found, tmp_path / "c.csv")), found)
    assert "forced" in (tmp_path / "c.csv").read_text()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("bandit2arm", "bandit2arm_delta"),
        ("bandit4arm", "bandit4arm_4par"),
        ("bandit4arm2", "bandit4arm2_kalman_filter"),
        ("igt", "igt_orl"),
        ("prl", "prl_ewa"),
        ("prl_multipleB", "prl_ewa_multipleB"),
        ("ts", "ts_par7"),
    ],
)
def test_hbayesdm_reads_back_equal(tmp_path, name, model):
    found = read(EXAMPLES / "hbayesdm" / f"{name}.txt")
    same(read(write_hbayesdm(found, tmp_path / "x.txt", model)), found)


def test_hbayesdm_gets_signs_and_no_missing_trials(tmp_path):
    table = bandit(1, subjects=1, trials=4)
    table.choice[0, 1], table.reward[0, 2] = -1, np.nan
    table.scored[0, 1] = False
    path = write_hbayesdm(table, tmp_path / "x.txt", "bandit2arm_delta")
    outcome = [1 if table.reward[0, t] else -1 for t in (0, 3)]
    choice = [table.choice[0, t] + 1 for t in (0, 3)]
    rows = "".join(f"S01\t{c}\t{o}\n" for c, o in zip(choice, outcome, strict=True))
    assert path.read_text() == "subjID\tchoice\toutcome\n" + rows


def test_hbayesdm_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(ValueError, match="begin with one of"):
        write_hbayesdm(bandit(1), tmp_path / "x.txt", "rw")
    with pytest.raises(ValueError, match="2 arms, and there are 3"):
        write_hbayesdm(bandit(1, arms=3), tmp_path / "x.txt", "prl_ewa")
    with pytest.raises(ValueError, match="two-step task is needed"):
        write_hbayesdm(bandit(1), tmp_path / "x.txt", "ts_par4")


def test_probes_take_stretches_between_resets_as_episodes():
    found = read(EXAMPLES / "hbayesdm/prl_multipleB.txt")
    record = record_of(found)
    assert record["action"].shape == (3, 2, 20)
    np.testing.assert_array_equal(record["action"][1, 1], found.choice[1, 20:])


def test_a_proposal_asks_for_what_it_cannot_know():
    rows, _ = load([EXAMPLES / "pilot.csv"])
    found = propose(rows)
    assert 'choice = {"blue" = 0, "orange" = 1}' in found.text
    assert 'missing = ["timeout", ""]' in found.text
    practice, resets = sorted(found.questions)
    assert '[exclude] Phase = ["practice"]' in practice
    assert "where do values start anew" in resets
    rows, _ = load([EXAMPLES / "sides.csv"])
    assert any('choice_is = "stimulus", or "side"' in one for one in propose(rows).questions)


@published
@pytest.mark.parametrize(
    ("name", "shape", "arms", "starts"),
    [
        ("bandit2arm", (20, 100), 2, 20),
        ("bandit4arm", (10, 200), 4, 10),
        ("bandit4arm2", (10, 300), 4, 10),
        ("igt", (4, 100), 4, 4),
        ("prl", (20, 100), 2, 20),
        ("prl_multipleB", (3, 600), 2, 9),
        ("ts", (11, 200), 2, 11),
    ],
)
def test_published_files_of_hbayesdm(name, shape, arms, starts):
    found = read(DATA / "hbayesdm" / f"{name}_exampleData.txt")
    assert found.choice.shape == shape
    assert (found.arms, found.starts.sum()) == (arms, starts)


@published
def test_magic_carpet_gives_the_model_based_index_of_its_authors():
    files = str(DATA / "dasilva_hare2020_twostep/magic_carpet/*_game.csv")
    found = read(files, CARPET)
    assert (len(found), int(found.present.sum())) == (24, 4934)
    stay = stay_probabilities(two_step_trials(found))
    np.testing.assert_allclose(stay.mean(0), [0.801, 0.473, 0.481, 0.822], atol=1e-3)
    assert model_based_index(stay).mean() == pytest.approx(0.669, abs=0.001)


@published
def test_published_gershman_and_cbm_and_suthaharan():
    codes = {"choice": {"1": 0, "2": 1}}
    task = {"arms": 2, "resets": "block"}
    settings = {"columns": {"rt": "RT"}, "codes": codes, "task": task}
    late = {"exclude": {"rt": ">= 20000"}}
    found = read(DATA / "gershman2018_bandit/data1.csv", settings | late)
    assert (len(found), found.trials_scored, found.starts.sum()) == (45, 8990, 900)
    cbm = read(DATA / "piray_cbm/example_2step_task/all_data.mat")
    assert (len(cbm), cbm.trials) == (20, 201)
    one = sorted((DATA / "suthaharan2021_prl3").glob("*.mat"))[0]
    codes = {"choice": {"1": 0, "2": 1, "3": 2}}
    assert read(one, {"codes": codes, "task": {"resets": "never"}}).trials == 160


def test_sides_are_refused_unless_they_are_recoded():
    """Values belong to stimuli: read as stimuli, sides would look model-free and be wrong."""
    file = EXAMPLES / "sides.csv"
    for task, said in (
        ({}, r"choice_is = \"stimulus\", or \"side\""),
        ({"choice_is": "side"}, r"choices are sides: recode them, \[sides\]"),
        ({"choice_is": "stimulus"}, r"row \d+ .*leads to state . by a .* transition.*sides"),
    ):
        with pytest.raises(DataError, match=said):
            read(file, {"task": task})
    found = read(file, EXAMPLES / "sides.columns.toml")
    index = model_based_index(stay_probabilities(two_step_trials(found)))
    expected = model_based_index(stay_probabilities(two_step_trials(two_step(3))))
    np.testing.assert_allclose(index, expected)

"""What a table lacks is noted with how many, and agents' records are tables."""

from dataclasses import replace

import numpy as np
import pytest

from prefrontal.behaviour.agents.records import of_record
from prefrontal.behaviour.files import DataError, columns_from, read
from prefrontal.behaviour.files.building import build_behaviour
from prefrontal.behaviour.files.checks import notes_on
from prefrontal.behaviour.files.formats import load
from prefrontal.behaviour.files.proposing import propose
from prefrontal.behaviour.table import behaviour
from prefrontal.experiments.evaluation import write_record
from tests.behaviour.files.test_columns import table

HEAD = "subject,trial,choice,reward\n"
RULE = {"codes": {"missing": ["NaN", ""]}}


@pytest.mark.parametrize("columns", [{}, RULE, None])
def test_missing_cells_are_one_thing_with_a_rule_or_without(tmp_path, columns):
    """None: as proposed."""
    text = HEAD + "a,1,0,1\na,2,1,NaN\na,3,,\na,4,1,n/a\na,5,0,0\n"
    path = table(tmp_path, text.replace("n/a", "NaN" if columns == RULE else "n/a"))
    if columns is None:
        rows, _ = load([path])
        found = build_behaviour(rows, columns_from(propose(rows).tables()))
    else:
        found = read(path, columns)
    assert found.choice[0].tolist() == [0, 1, -1, 1, 0]
    assert found.scored[0].tolist() == [True, True, False, True, True]
    assert found.learned[0].tolist() == [True, False, False, False, True]
    assert notes_on(found) == (
        "choices that are missing: 1; they teach nothing and are not scored",
        "rewards that are not known: 2; such choices are scored, teach nothing",
    )


def test_trials_that_are_absent_are_counted(tmp_path):
    text = "subject,block,trial,choice,reward\n" + "".join(
        f"{s},{t // 10},{t},{t % 2},{t % 3}\n"
        for s in "ab"
        for t in range(20)
        if t not in (4, 5, 9)
    )
    found = read(table(tmp_path, text), {"task": {"resets": "block"}})
    (note,) = notes_on(found)  # 9 is the last of its block, and nobody knows how long blocks are
    assert note.startswith(
        "trials that are absent or left out within blocks, by their numbers: 4; "
    )
    seconds = replace(found, columns={"trial": found.columns["trial"] * 7})
    assert not notes_on(seconds)  # no numbers of trials


def test_rewards_that_never_vary_are_noted():
    one = behaviour([[0, 1, 0]], [[0.0, 0.0, 0.0]])
    assert notes_on(one) == ("all rewards are 0: nothing can be learned; see [codes] reward",)
    assert not notes_on(behaviour([[0, 1]], [[0.0, 1.0]]))


@pytest.mark.parametrize(
    ("cells", "amounts"),
    [
        (("-€0.50", "€1,200.00"), (-0.5, 1200.0)),
        (("$0.00", "$2.50"), (0.0, 2.5)),
        (("1.200,00 EUR", "-0,50 EUR"), (1200.0, -0.5)),
        (("€1,200", "0"), (1200.0, 0.0)),
    ],
)
def test_amounts_are_proposed_as_the_numbers_that_are_seen(tmp_path, cells, amounts):
    text = "subject;choice;reward\n" + "".join(f"a;{i % 2};{c}\n" for i, c in enumerate(cells * 9))
    rows, _ = load([table(tmp_path, text)])
    found = propose(rows)
    assert not found.questions
    made = build_behaviour(rows, columns_from(found.tables()))
    assert made.reward[0, :2].tolist() == list(amounts)


@pytest.mark.parametrize("cells", [("1,200", "3"), ("meh", "great"), ("€1,2,3", "€1")])
def test_what_an_outcome_pays_is_asked_and_no_answer_is_ready_to_paste(tmp_path, cells):
    text = "subject\tchoice\treward\n" + f"a\t0\t{cells[0]}\na\t1\t{cells[1]}\n" * 9
    (question,) = propose(load([table(tmp_path, text)])[0]).questions
    assert f'"{cells[0]}" = ?' in question
    assert "= 0" not in question


def recorded() -> dict:
    rng = np.random.default_rng(0)
    shape = (2, 3, 12)
    return {
        "action": rng.integers(3, size=shape),
        "reward": rng.random(shape).astype(np.float32),
        "policy": np.full((*shape, 3), 1 / 3, np.float32),
        "trial": np.broadcast_to(np.arange(12), shape),
        "hidden": np.zeros((*shape, 4)),
    }


@pytest.mark.parametrize("name", ["record.npz", "record.csv"])
def test_a_record_of_an_evaluation_is_a_table(tmp_path, name):
    record = recorded()
    write_record(record, tmp_path)
    found, wanted = read(tmp_path / name), of_record(record)
    for part in ("choice", "session", "starts", "scored", "row"):
        np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part), part)
    np.testing.assert_allclose(found.reward, wanted.reward)
    assert (len(found), found.arms) == (2, 3)
    assert notes_on(found) == ()


def test_a_record_of_several_steps_a_trial_keeps_first_choices(tmp_path):
    record = recorded()
    two = np.repeat(np.arange(6), 2)
    record["trial"] = np.broadcast_to(two, (2, 3, 12))
    record |= {"first_action": record["action"] % 2, "second_state": record["action"] % 2}
    record["common"] = np.ones((2, 3, 12))
    del record["policy"]
    write_record(record, tmp_path)
    found = read(tmp_path / "record.npz")
    assert found.choice.shape == (2, 18)
    assert found.choice[1, 6:12].tolist() == record["first_action"][1, 1, 1::2].tolist()
    with pytest.raises(DataError, match=r"several steps a trial: name record\.npz beside it"):
        read(tmp_path / "record.csv")


def test_other_arrays_are_no_record(tmp_path):
    np.savez(tmp_path / "other.npz", spikes=np.zeros(3))
    with pytest.raises(DataError, match="no record of choices"):
        read(tmp_path / "other.npz")

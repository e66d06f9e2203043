"""`columns.toml`: the form that is promised, and what each of its keys does."""

import numpy as np
import pytest

from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour.files import DataError, columns_from, read, read_columns
from prefrontal.behaviour.files.columns import Condition, dumps, normal

PROMISED = """
[columns]            # ours = theirs; what is not named is looked up under our own name
subject = "subject"
block = "block"
choice = "choice"
reward = "reward"
rt = "RT"
[codes]
choice = {"1" = 0, "2" = 1}
missing = ["", "n/a", "NaN"]       # of any column; per column: missing.choice = [0, -1]
[task]
arms = 2
resets = "block"                   # values start anew: session | block | never
choice_is = "stimulus"             # or "side"
[exclude]
rt = ">= 20000"                    # such rows are left out, as if they had not been
"""
TABLE = """subject,block,choice,reward,RT
a,1,1,5,300
a,1,2,-3,25000
a,2,,2,310
a,2,n/a,NaN,20000
a,2,2,0.5,19999
b,1,2,1,n/a
"""
SIMPLE = {"task": {"arms": 2}}


def table(folder, text, name="data.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_promised_form_reads_word_for_word(tmp_path):
    file = table(tmp_path, PROMISED, "columns.toml")
    found = read(table(tmp_path, TABLE), columns=file)
    assert found.subjects == ("a", "b")
    assert found.choice.tolist() == [[0, -1, 1], [1, -1, -1]]
    np.testing.assert_array_equal(found.reward, [[5, 2, 0.5], [1, np.nan, np.nan]])
    assert found.row.tolist() == [[0, 2, 4], [5, -1, -1]]  # of the source, with excluded rows
    assert found.starts.tolist() == [[True, True, False], [True, False, False]]
    assert found.scored.tolist() == [[True, False, True], [True, False, False]]
    np.testing.assert_array_equal(found.columns["rt"], [[300, 310, 19999], [np.nan] * 3])
    assert (found.arms, found.resets) == (2, "block")


def test_missed_in_place_of_exclude_keeps_the_rows(tmp_path):
    file = table(tmp_path, PROMISED.replace("[exclude]", "[missed]"), "columns.toml")
    found = read(table(tmp_path, TABLE), columns=file)
    assert found.choice.tolist() == [[0, -1, -1, -1, 1], [1, -1, -1, -1, -1]]
    assert found.row[0].tolist() == [0, 1, 2, 3, 4]
    assert found.reward[0, 1] == -3  # it was paid, and teaches nothing
    assert found.learned.sum() == found.scored.sum() == 3


def test_missing_codes_of_one_column(tmp_path):
    text = PROMISED.replace('missing = ["", "n/a", "NaN"]', "missing.choice = [0, -1]")
    rows = "subject,block,choice,reward,RT\na,1,0,5,1\na,1,-1,1,1\na,1,2,0,1\n"
    found = read(table(tmp_path, rows), read_columns(table(tmp_path, text, "c.toml")))
    assert found.choice.tolist() == [[-1, -1, 1]]


def test_what_is_excluded_need_not_make_sense(tmp_path):
    rows = "subject,phase,choice,reward\na,practice,huh,?\na,test,0,1\na,test,1,0\n"
    found = read(table(tmp_path, rows), {**SIMPLE, "exclude": {"phase": ["practice"]}})
    assert found.choice.tolist() == [[0, 1]]
    with pytest.raises(DataError, match=r"row 0 .line 2.*'huh'"):
        read(table(tmp_path, rows), SIMPLE)


def test_texts_are_codes_and_outcomes(tmp_path):
    rows = "subject,choice,reward\na,left,win\na,right,loss\n"
    codes = {"choice": {"left": 0, "right": 1}, "reward": {"win": 1, "loss": -0.5}}
    found = read(table(tmp_path, rows), {"codes": codes})
    assert found.choice.tolist() == [[0, 1]]
    assert found.reward.tolist() == [[1, -0.5]]


def test_forced_and_available_and_gains(tmp_path):
    rows = (
        "subject,choice,gain,loss,forced,available,mood\n"
        "a,0,10,0,1,0,fair\na,2,5,-3,0,0|2,foul\na,1,0,4,0,0 1 2,fair\n"
    )
    found = read(table(tmp_path, rows), {"task": {"arms": 3}})
    assert found.reward.tolist() == [[10, 2, -4]]
    assert found.scored.tolist() == [[False, True, True]]
    assert found.learned.all()
    assert found.available[0, 1].tolist() == [True, False, True]
    assert found.columns["mood"][0].tolist() == ["fair", "foul", "fair"]
    with pytest.raises(DataError, match=r"row 0.*choice is 0, which was not available"):
        read(table(tmp_path, rows.replace("a,0,10,0,1,0,", "a,0,10,0,1,1,")), {"task": {"arms": 3}})


def test_available_is_a_column_for_each_arm(tmp_path):
    rows = "subject,choice,reward,on1,on2\na,0,1,1,0\na,1,0,1,1\n"
    found = read(table(tmp_path, rows), {"columns": {"available": ["on1", "on2"]}, **SIMPLE})
    assert found.available[0].tolist() == [[True, False], [True, True]]


def test_sessions_and_blocks_are_numbered_in_each_subject(tmp_path):
    rows = "subject,session,block,choice,reward\n" + "".join(
        f"{who},{ses},{block},0,1\n"
        for who, ses, block in [("a", "x", 1), ("a", "x", 2), ("a", "y", 1), ("b", "y", 1)]
    )
    found = read(table(tmp_path, rows), {"task": {"resets": "session"}})
    assert found.session.tolist() == [[0, 0, 1], [0, -1, -1]]
    assert found.block.tolist() == [[0, 1, 2], [0, -1, -1]]
    assert found.starts.tolist() == [[True, False, True], [True, False, False]]


@pytest.mark.parametrize(
    ("given", "cell", "holds"),
    [
        (">= 20000", "20000.0", True),
        ("> 2", "2", False),
        ("< 2", "text", False),
        ("<= 2", "-1", True),
        ("!= test", "practice", True),
        ("test", "test", True),
        (1, "1.0", True),
        (["a", 3], "3", True),
        (["a", 3], "4", False),
        (True, "1", True),
    ],
)
def test_conditions(given, cell, holds):
    assert Condition.read("x", given).holds(cell) == holds


def test_cells_compare_as_what_they_mean():
    assert [normal(c) for c in (" 1.0 ", 1, "01", "NaN", "N/A", "1e3", "x1")] == [
        *("1", "1", "1", "nan", "n/a", "1000", "x1")
    ]
    long = ("5e1234567890", "12345678901234567", "12345678901234568")
    assert [normal(c) for c in long] == list(long)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"column": {}}, r"no table \[column\].*columns"),
        ({"task": {"arm": 2}}, "arm"),
        ({"task": {"resets": "trial"}}, "resets"),
        ({"codes": {"choice": {"1": 0.5}}}, "whole numbers"),
        ({"codes": {"missing": "n/a"}}, "must be a list"),
        ({"columns": {"choice": 3}}, "must name a column"),
        ({"sides": {"reward": ["a"]}}, "choice and choice2"),
        ({"exclude": {"rt": ">= long"}}, "compares with no number"),
        ({"task": 3}, "must be a table"),
        ({"exclude": {"block": "=> 1"}}, "begins with '=>'; write >="),
        ({"exclude": {"block": "= 1"}}, "begins with '='"),
        ({"missed": {"block": "=< 1"}}, "begins with '=<'"),
        ({"exclude": {"block": "> nan"}}, "compares with no number"),
        ({"exclude": {"block": {"a": 1}}}, "must be a condition"),
        ({"exclude": {"block": [{"a": 1}]}}, "must be a condition"),
        ({"exclude": {"block": []}}, "must be a condition"),
        ({"task": {"common": 1.7}}, "common must be .*above 0 and below 1"),
        ({"task": {"common": 0.0}}, "common must be"),
        ({"task": {"arms": 0}}, "arms must be between 2 and 1000, not 0"),
        ({"task": {"arms": 1}}, "arms must be between 2 and 1000, not 1"),
        ({"task": {"arms": 1_000_000}}, "arms must be between 2 and 1000"),
        ({"task": {"mapping": [0, -1]}}, "mapping must be"),
        ({"codes": {"choice": {"A": -1}}}, "whole numbers from 0 to 999"),
        ({"codes": {"state2": {"A": 10**6}}}, "whole numbers from 0 to 999"),
        ({"codes": {"reward": {"A": float("inf")}}}, "must give numbers"),
        ({"codes": {"choice": {"0": 1, "1": 2}}}, "no cell the code 0: number them from 0"),
        ({"sides": {"choice": ["left"]}}, "a column for each side"),
        ({"columns": {"blok": "Blk"}}, r"\[columns\] blok is none of our names.*'block'"),
        ({"columns": {"subjct": "x"}}, "did you mean 'subject'"),
        ({"columns": {"Block": "Block"}}, "did you mean 'block'"),
        ({"columns": {"choice1": 3}}, "must name a column"),  # may be a column of the user's
    ],
)
def test_what_columns_cannot_say_is_refused_in_one_line(tables, said):
    with pytest.raises(ConfigError, match=said) as caught:
        columns_from(tables)
    assert "\n" not in str(caught.value)


def test_settings_are_written_as_they_are_read(tmp_path):
    found = read_columns(table(tmp_path, PROMISED, "columns.toml"))
    again = read_columns(table(tmp_path, dumps(found), "again.toml"))
    assert again == found
    sides = columns_from(
        {
            "sides": {"choice": ["a b", "c"]},
            "missed": {"slow": 1},
            "codes": {"missing": {"rt": [0]}},
        }
    )
    assert read_columns(table(tmp_path, dumps(sides), "sides.toml")) == sides


def test_values_that_no_row_has_are_noted(tmp_path, caplog):
    rows = table(tmp_path, "subject,block,choice,reward\na,0,1,0\nb,1,0,1\n")
    conditions = {"exclude": {"subject": ["b", "c"], "block": ">= 7"}, "missed": {"block": "late"}}
    assert len(read(rows, {**SIMPLE, **conditions})) == 1
    assert [one.getMessage() for one in caplog.records] == [
        "note: [exclude] subject: no row has 'c'",
        "note: [missed] block: no row has 'late'",
    ]


def test_names_of_subjects_stay_as_they_are(tmp_path):
    rows = table(tmp_path, "subject,choice,reward\n007,1,0\n5e1234567890,0,1\n5e1234567891,0,1\n")
    assert read(rows, SIMPLE).subjects == ("007", "5e1234567890", "5e1234567891")

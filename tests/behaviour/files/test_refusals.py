"""Data that cannot be meant: one line that names the row, the value and the remedy."""

import pytest

from prefrontal.behaviour.files import DataError, read
from prefrontal.behaviour.files.checks import require_fittable
from tests.behaviour.files.test_columns import table

HEAD = "subject,choice,reward\n"
TWO_STEP = "subject,choice,state2,transition,reward\n"
STIMULUS = {"choice_is": "stimulus"}
BLOCKS = {"task": {"resets": "block"}}


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        (HEAD + "a,0,1\na,3,1\n", {"task": {"arms": 2}}, r"row 1 \(line 3\): choice is '3'.*arms"),
        (HEAD + "a,1,1\na,2,1\n", {"task": {"arms": 2}}, r"row 1.*'2'.*count from 0.*\[codes\]"),
        (HEAD + "a,0,1\na,1,meh\n", {}, r"row 1.*reward is 'meh'.*\[codes\] reward"),
        (
            HEAD + "a,0,win\na,1,2\n",
            {"codes": {"reward": {"win": 1, "loss": 0}}},
            r"row 1.*'2'.*there are win, loss.*missing.reward",
        ),
        (HEAD + "a,0,1\na,x,1\n", {"codes": {"choice": {"0": 0}}}, r"row 1.*'x'.*no code"),
        ("choice,reward\n0,1\n", {}, r"no column 'subject'.*files = \"subjects\""),
        ("subject,pick,reward\na,0,1\n", {}, r"no column 'choice'.*there are subject, pick"),
        (HEAD + "a,0,1\n", {"columns": {"choice": "choise"}}, r"'choise'.*did you mean.*choice"),
        (HEAD + "a,0,1\n", {"exclude": {"rt": "> 3"}}, r"\[exclude\] rt.*no such column"),
        (HEAD + "a,0,1\n", {"exclude": {"choice": 0}}, "leaves out all rows"),
        (HEAD + ",0,1\n", {}, r"row 0.*subject is missing"),
        (
            "subject,block,choice,reward\na,1,0,1\na,2,0,1\n",
            {},
            r'several blocks.*resets = "session", "block" or "never"',
        ),
        (
            "subject,trial,choice,reward\na,1,0,1\na,2,0,1\na,1,1,1\n",
            {},
            r"row 2.*trial 1 of its subject follows trial 2.*persons apart",
        ),
        (TWO_STEP + "a,0,0,1,1\n", {}, r"two-step task.*choice_is = \"stimulus\", or \"side\""),
        (
            TWO_STEP.replace("transition", "mood") + "a,0,0,1,1\n",
            {"task": STIMULUS},
            r"no column of transitions.*mapping = \[0, 1\]",
        ),
        (
            TWO_STEP + "a,0,0,common,1\na,1,1,common,1\na,0,1,common,0\n",
            {"task": STIMULUS},
            r'row 2.*choice 0 leads to state 1 by a common transition.*choice_is = "side"',
        ),
        (TWO_STEP + "a,0,0,odd,1\n", {"task": STIMULUS}, r"row 0.*'odd'.*neither 1 nor 0"),
        (
            TWO_STEP + "a,0,0,1,1\n",
            {"task": {"choice_is": "side"}},
            r"choices are sides: recode them, \[sides\] choice",
        ),
        (HEAD + "1,0,1\n01,1,1\n", {}, r"row 1.*subject is '01' here and '1' in another row"),
        (HEAD + "1,0,1\n1.0,1,1\n", {}, r"row 1.*'1.0' here and '1'"),
        (HEAD.title() + "a,0,1\n", {}, r"did you mean 'Subject'\? Say \[columns\] subject = "),
        (HEAD.replace("choice", "Choice") + "a,0,1\n", {}, r"no column 'choice'.*'Choice'"),
        (
            "subject,choice,reward,Forced\na,0,1,1\n",
            {},
            r"no column 'forced'.*'Forced'.*other_forced",
        ),
        ("subject,Blk,choice,reward\na,1,0,1\n", BLOCKS, r"no column of blocks.*there are.*Blk"),
        ("subject,Block,choice,reward\na,1,0,1\n", BLOCKS, r"did you mean 'Block'"),
        (
            HEAD.replace("choice", "C") + "a,L,1\n",
            {"columns": {"choice": "C"}, "codes": {"C": {"L": 0}}},
            r"\[codes\] C: say it of 'choice'",
        ),
        (HEAD + "a,1,1\na,2,1\n", {}, r"no choice is 0.*arms = 3"),
        (HEAD + "a,0,1\na,1000000,1\n", {}, r"row 1.*codes count from 0 to 999"),
        (
            HEAD + "a,0,1\na,1,1\n",
            {"codes": {"choice": {"0": 0, "1": 2}}, "task": {"arms": 2}},
            r"row 1.*\[codes\] choice gives '1' the code 2.*from 0 to 1.*arms",
        ),
        (HEAD + "a,0,1\n", {"task": {"common": 0.7}}, r"common is of two-step tasks"),
        (HEAD + "a,0,1\n", {"task": {"mapping": [0, 1]}}, r"mapping is of two-step tasks"),
        (TWO_STEP + "a,0,0,1,1\n", {"task": STIMULUS | {"mapping": [0]}}, "for each of 2 arms"),
        (TWO_STEP + "a,0,0,1,1\n", {"task": STIMULUS | {"mapping": [0, 0]}}, "for each of 2 arms"),
        (
            HEAD + "a,0,1\n",
            {"sides": {"choice2": ["choice", "choice"]}},
            "no column 'choice2'",
        ),
        (
            "subject,block,trial,choice,reward\na,1,1,0,1\na,2,1,0,1\na,1,1,0,1\n",
            BLOCKS,
            r"row 2.*trial 1 of its subject and block is there already, .*row 0 .*remove the copy",
        ),
        ("", {}, "is empty"),
        ("\n \n", {}, "is empty"),
        ("subject\nx\n", {}, "has one column"),
        (HEAD + 'a,0,"1\n', {}, "line 2"),
        (HEAD + "a,0,1,7\n", {}, "line 2: 4 cells under 3 names"),
        (HEAD, {}, "a header and no rows"),
        ("a,a\n1,2\n", {}, "two columns 'a'"),
    ],
)
def test_one_line_names_row_value_and_remedy(tmp_path, text, columns, said):
    with pytest.raises(DataError, match=said) as caught:
        read(table(tmp_path, text), columns)
    assert "\n" not in str(caught.value)


def test_one_name_in_two_files_is_one_person_or_two(tmp_path):
    files = [
        table(tmp_path, HEAD + f"a,{k},1\n{other},0,0\n", f"{k}.csv")
        for k, other in ((0, "b"), (1, "c"))
    ]
    with pytest.raises(DataError, match=r"1.csv, row 2 .line 2.*subject 'a' is in 0.csv too"):
        read(files)
    apart = read(files, {"task": {"files": "subjects"}})
    assert apart.subjects == ("0:a", "0:b", "1:a", "1:c")
    one = read(files, {"task": {"files": "sessions", "resets": "session"}})
    assert one.subjects == ("a", "b", "c")
    assert one.starts[0].tolist() == [True, True]


@pytest.mark.parametrize("name", ["x.mat", "x.nwb", "x.xlsx", "x.csv"])
def test_damaged_and_foreign_files_are_refused(tmp_path, name):
    if name == "x.nwb":
        pytest.importorskip("pynwb")
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00damaged\x80\x04K\x01.")
    with pytest.raises(DataError) as caught:
        read(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"holds no .csv"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"codes": {"choice": {"0": 0, "1": 0}}}, r"never varies.*every subject: see.*choice"),
        ({"codes": {"missing": {"choice": [0, 1]}}}, r"0 scored.*every subject: see.*missing"),
    ],
)
def test_what_fails_with_every_subject_is_no_fault_of_theirs(tmp_path, columns, said):
    rows = "".join(f"{who},{k % 2},1\n" for who in "ab" for k in range(30))
    with pytest.raises(DataError, match=said) as caught:
        require_fittable(read(table(tmp_path, HEAD + rows), columns))
    assert "leave them out" not in str(caught.value)

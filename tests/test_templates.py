"""Templates of a task, a core, a model and a study: written, checked, trained and tested."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefrontal.command import guarded, main
from prefrontal.templates import write

ROOT = Path(__file__).parents[1]
NAMES = {
    "task": "lever_box.py",
    "core": "slow_unit.py",
    "model": "slow_habit.py",
    "study": "memory_helps.py",
}
WHAT = {"task": "{}:LeverBox", "core": "{}:SlowUnit", "model": "{}:SlowHabit", "study": "{}"}


def code(text):
    """Lines that are neither empty, comments nor docstrings."""
    said = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said |= set(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return [x for n, x in lines if n not in said and x.strip() and not x.strip().startswith("#")]


@pytest.mark.parametrize("kind", NAMES)
def test_a_template_has_the_name_of_its_file_and_is_short(kind, tmp_path, capsys):
    file = tmp_path / NAMES[kind]
    assert guarded(main, ["new", kind, str(file)]) == 0
    said = capsys.readouterr().out
    what = WHAT[kind].format(file)
    assert f"prefrontal check {what}\n" in said
    test = file.with_name(f"test_{file.name}")
    for one in (file, test):
        assert str(one) in said
        text = one.read_text()
        assert f"my_{kind}" not in text
        assert f"My{kind.title()}" not in text
        assert 5 < len(code(text)) <= 60
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "trained", "flag"),
    [
        ("task", ["{}", "--hazard", "0.1", "--trials", "20"], "--task"),
        ("core", ["wang2018-harlow", "--condition", "abstract", "--core", "{}"], "--core"),
        ("study", ["{}"], "--study"),
    ],
)
def test_a_template_is_checked_trained_evaluated_and_tested(
    kind, trained, flag, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write(kind, Path(NAMES[kind]))
    what = WHAT[kind].format(NAMES[kind])
    assert guarded(main, ["check", what]) == 0
    assert capsys.readouterr().out == f"{what}: all is well\n"
    budget = ["--members", "2", "--total-steps", "4000", "--workers", "1", "--out", "run"]
    words = [word.format(what) for word in trained]
    assert guarded(main, ["train", *words, *budget, "--no-progress"]) == 0
    done = guarded(main, ["evaluate", "run", flag, what, "--episodes", "20"])
    assert done in (0, 1)  # 1: so little training reproduces no finding
    assert "written:" in capsys.readouterr().out
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "2 passed" in tested.stdout, tested.stdout


def test_the_template_of_a_model_is_tested_by_its_test(tmp_path):
    write("model", tmp_path / NAMES["model"])
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "2 passed" in tested.stdout, tested.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-task.py", "my-task.py must be a name of Python with the ending .py, as my_task.py"),
        ("2_tasks.py", "must be a name of Python"),
        ("class.py", "must be a name of Python"),
        ("none.py", "must be a name of Python"),
        ("my_task", "must be a name of Python"),
        ("my_task.txt", "must be a name of Python"),
        ("there/my_task.py", "there is no folder there"),
        ("torch.py", "torch.py would hide an installed module; give another name"),
        ("random.py", "random.py would hide an installed module; give another name"),
        ("there_is.py", "there_is.py exists already; give another name"),
        ("tested.py", "test_tested.py exists already; give another name"),
    ],
)
def test_wrong_files_are_refused_in_one_line(name, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for taken in ("there_is.py", "test_tested.py"):
        Path(taken).write_text("mine\n")
    assert guarded(main, ["new", "task", name]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"there_is.py", "test_tested.py"}
    assert Path("there_is.py").read_text() == "mine\n"


def test_a_table_of_choices_to_try(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert guarded(main, ["new", "data", "choices.csv"]) == 0
    last = capsys.readouterr().out.splitlines()[-1].partition("prefrontal ")[2].split()
    assert guarded(main, [*last, "--out", "fitted", "--no-figures"]) == 0
    assert "rw+dual" in capsys.readouterr().out
    for name, said in (("choices.csv", "exists already"), ("choices.tsv", "ending .csv")):
        assert guarded(main, ["new", "data", name]) == 2
        assert said in capsys.readouterr().err

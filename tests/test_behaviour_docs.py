"""The tutorial of `docs/behaviour.md` works word for word, and its tables say what is printed."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from prefrontal import command
from prefrontal.behaviour import examples
from prefrontal.behaviour.files import columns_from
from prefrontal.behaviour.files.proposing import tomllib

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "behaviour.md").read_text()
TUTORIAL = TEXT.partition("## Your data in ten minutes")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TUTORIAL, re.DOTALL)


def said(capsys, words: str) -> str:
    """What a command of the tutorial prints."""
    command.guarded(command.main, shlex.split(words)[1:])
    out, err = capsys.readouterr()
    return out + err


@pytest.mark.slow
def test_the_tutorial_ends_at_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(examples.__file__).parent / "pilot.csv", tmp_path)
    printed, tables = "", 0
    for kind, text in BLOCKS:
        if kind == "sh":
            printed += "".join(said(capsys, line) for line in text.splitlines())
        elif kind == "toml":
            tables += 1
            with Path("pilot.columns.toml").open("w" if tables == 1 else "a") as file:
                file.write(text)
        elif text.startswith("Participant;"):
            assert Path("pilot.csv").read_text("utf-8-sig").startswith(text)
        else:
            assert text in printed
    assert tables == 2
    assert Path("runs/pilot/report.md").is_file()
    assert Path("runs/pilot/comparison/report.md").is_file()


def test_the_columns_that_are_promised_are_read():
    (shown,) = re.findall(r"## columns.toml\n\n```toml\n(.*?)```", TEXT, re.DOTALL)
    found = columns_from(tomllib.loads(shown))
    assert found.task.resets == "block"
    assert found.missing["any"] == ("", "n/a", "nan")


def test_python_of_the_documentation_runs(monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(DOCS.parent)
    names: dict = {}
    exec(compile(code, "docs/behaviour.md", "exec"), names)
    assert len(names["rates"]) == 4
    assert set(names["again"].drawn) == {"rw", "rw+persev"}


@pytest.mark.parametrize("name", ["fit", "compare", "recover", "simulate"])
def test_every_option_that_is_shown_exists(name, capsys):
    with pytest.raises(SystemExit):
        command.main([name, "--help"])
    told = capsys.readouterr().out
    lines = [line for line in re.findall(r"`(prefrontal [^`]+)`", TEXT) if f" {name} " in line]
    flags = {flag for line in lines for flag in re.findall(r"--[\w-]+", line)}
    assert flags, name
    assert not [flag for flag in flags if flag not in told]


@pytest.mark.slow
def test_an_agent_is_a_subject_in_three_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"An agent as a subject.*?```sh\n(.*?)```", TEXT, re.DOTALL)
    assert len(block.splitlines()) == 3
    printed = "".join(said(capsys, line) for line in block.splitlines())
    assert "8 subjects, 4,000 scored choices" in printed
    assert "held out: sessions of every subject, 5 folds; 4,000 choices" in printed

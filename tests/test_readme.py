"""README: one page, and all that it tells to type works."""

import re
import shlex
from pathlib import Path

import pytest

from prefrontal import command
from prefrontal.experiments.names import is_experiment

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
SHELL = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
SHORT = {  # what makes a command short
    "train": "--total-steps 4000 --num-envs 4 --workers 1 --no-progress",
    "evaluate": "--episodes 5 --record 1 --no-figures",
    "report": "--episodes 1",
    "fit": "--no-figures",
    "recover": "--subjects 4 --trials 40 --no-figures",
}


def test_it_is_one_page():
    assert len(TEXT.splitlines()) <= 250
    assert len(TEXT.encode()) <= 20_000


def test_its_links_lead_somewhere():
    places = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert len(places) > 40
    assert not [p for p in places if not p.startswith("https:") and not (ROOT / p).exists()]


def test_what_make_is_told_to_make_can_be_made():
    targets = re.findall(r"`?make ([a-z]+)", TEXT)
    makefile = (ROOT / "Makefile").read_text()
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.slow
def test_its_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [line for line in SHELL if line.startswith("prefrontal ")]
    assert {shlex.split(line)[1] for line in lines} == {
        *("list", "train", "evaluate", "reproduce", "new", "check", "fit", "compare", "recover"),
        *("report", "play"),
    }
    for line in lines:
        words = shlex.split(f"{line} {SHORT.get(line.split()[1], '')}")[1:]
        if words[0] == "reproduce":  # takes minutes
            assert is_experiment(words[1])
            continue
        code = command.guarded(command.main, words)
        assert code in (0, 1), (line, capsys.readouterr().err)
    assert Path("runs/mine/evaluation/metrics.json").is_file()

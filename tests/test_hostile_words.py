"""Command lines with extreme values: each works, or is refused in one line that leaves nothing."""

import os
from pathlib import Path

import pytest

from prefrontal import command
from tests.hostile import RUNS, fault, said_of
from tests.hostile_words import draw_words, write_files

COUNT = int(os.environ.get("PREFRONTAL_ATTACKS", "80"))


@pytest.mark.slow
def test_any_command_line_works_or_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    code, err = said_of(command.train, [*RUNS["a2c"].split(), "--out", "run"])
    assert code == 0, err
    # What is said before training is what matters; some of these runs would be large.
    monkeypatch.setattr("prefrontal.agents.training.loop.train", lambda *_, **__: None)
    faults = []
    for seed in range(COUNT):
        name, main, words = draw_words(seed)
        before = set(Path.cwd().rglob("*"))
        code, err = said_of(main, words, seconds=1.5)
        # `check` names every fault of the user's code, a line each.
        wrong = None if (name, code) == ("check", 2) else fault(code, err)
        wrong = "a traceback: " + err if "Traceback" in err else wrong
        left = {one for one in set(Path.cwd().rglob("*")) - before if "__pycache__" not in str(one)}
        if wrong is None and code == 2 and left and name != "check":
            wrong = f"left {left}: {err}"
        if wrong is None and name != "check" and max(map(len, words), default=0) > 2000:
            wrong = f"said all of a long value: {err[:200]}" if len(err) > 900 else None
        if wrong:
            faults.append(f"seed {seed}, {name} {[word[:60] for word in words]}\n{wrong[-1500:]}")
    assert not faults, f"{len(faults)} faults\n" + "\n\n".join(faults)

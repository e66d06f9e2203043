"""What tests of the command line share: small runs, and how a refusal is read."""

from pathlib import Path

from prefrontal.command import guarded

ROOT = Path(__file__).parents[1]
SMALL = [
    "--trials",
    "5",
    "--num-envs",
    "4",
    "--hidden-size",
    "6",
    "--total-steps",
    "200",
    "--critic-units",
    "4",
]
QUICK = ["--episodes", "20", "--record", "3", "--no-figures"]


def refused(capsys, main, arguments: list[str]) -> str:
    """The one line with which a command line says no."""
    before = set(Path.cwd().rglob("*"))
    capsys.readouterr()
    assert guarded(main, arguments) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in out + err
    assert set(Path.cwd().rglob("*")) == before
    return lines[0]

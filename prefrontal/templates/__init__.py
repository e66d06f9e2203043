"""Commented templates of a task, a core, a model and a study, which a user edits; a table to try.

Each is a Python file beside this one, ``KIND.py.txt``, and its test, ``test_KIND.py.txt``, with
names that `write` replaces by those of the file.
"""

from __future__ import annotations

import keyword
import shlex
import shutil
import sys
from importlib import resources
from importlib.metadata import packages_distributions
from pathlib import Path

from prefrontal.agents.common.errors import ConfigError

#: The commands that come next.
_NEXT = {
    "task": ("train {what} --members 2 --total-steps 20000", "evaluate RUN --task {what}"),
    "core": (
        "train wang2018-harlow --core {what} --members 2 --total-steps 20000",
        "evaluate RUN --core {what}",
    ),
    "model": ("fit DATA.csv --models rw,{what}",),
    "study": ("train {what} --members 2 --total-steps 20000", "evaluate RUN --study {what}"),
}


def write(kind: str, file: Path) -> str:
    """Write a template and its test, or a table of choices and what its columns mean.

    Args:
        kind: task, core, model, study or data.
        file: File to write; a class has the name of its Python file: ``my_task.py``, MyTask.

    Returns:
        What was written, and the commands that come next.

    Raises:
        ConfigError: The file or its test exists, or cannot have that name or place.
    """
    file = file.expanduser()
    if kind == "data":
        return _data(file)
    stem = file.stem
    name = "".join(part[:1].upper() + part[1:] for part in stem.split("_"))
    if file.suffix != ".py" or not _is_name(stem) or not _is_name(name):
        raise ConfigError(
            f"{file.name} must be a name of Python with the ending .py, as my_{kind}.py"
        )
    test = file.with_name(f"test_{file.name}")
    _require_free(file, test)
    if stem in sys.stdlib_module_names or stem in packages_distributions():
        raise ConfigError(f"{file.name} would hide an installed module; give another name")
    for source, target in ((f"{kind}.py.txt", file), (f"test_{kind}.py.txt", test)):
        text = Path(__file__).with_name(source).read_text(encoding="utf-8")
        names = {
            f"My{kind.title()}": name,
            f"my_{kind}": stem,
            f"my-{kind}": stem.replace("_", "-"),
        }
        for old, new in names.items():
            text = text.replace(old, new)
        target.write_text(text, encoding="utf-8")
    what = shlex.quote(str(file) if kind == "study" else f"{file}:{name}")
    lines = [f"written: {file}, {test}", f"{'check it:':13} prefrontal check {what}"]
    for command in _NEXT[kind]:
        verb = f"{command.partition(' ')[0]}:"
        lines.append(f"{verb:13} prefrontal {command.format(what=what)}")
    return "\n".join([*lines, f"{'test it:':13} pytest {shlex.quote(str(test))}"])


def _data(file: Path) -> str:
    """Write simulated choices, and what their columns mean."""
    if file.suffix != ".csv":
        raise ConfigError(f"{file.name} must have the ending .csv, as choices.csv")
    columns = file.with_suffix(".columns.toml")
    _require_free(file, columns)
    with resources.as_file(resources.files("prefrontal.behaviour") / "examples") as folder:
        shutil.copyfile(folder / "bandit.csv", file)
        shutil.copyfile(folder / "bandit.columns.toml", columns)
    told = shlex.join([str(file), "--columns", str(columns)])
    return f"written: {file}, {columns}\n{'fit it:':13} prefrontal fit {told} --models rw,rw+dual"


def _require_free(*files: Path) -> None:
    for one in files:
        if not one.parent.is_dir():
            raise ConfigError(f"there is no folder {one.parent}")
        if one.exists():
            raise ConfigError(f"{one} exists already; give another name")


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)

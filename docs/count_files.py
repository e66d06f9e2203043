"""Count the files of this project that a reader has to follow.

Run ``python docs/count_files.py train``.
``update`` is one A2C update with a plain core on two arms, environment included; ``train`` and
``evaluate`` are the commands on the default experiment. A file counts when one of its functions is
called; code that runs because a module is imported does not count. Work in other processes is not
seen, so everything runs in this one.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

DEFAULT = "wang2016-bandit"
SMALL = ["--total-steps", "32000", "--members", "2", "--workers", "1", "--no-progress"]


def entered(run: Callable[[], object]) -> dict[str, set[str]]:
    """Return the functions that were called while `run` ran, by file of this project.

    Args:
        run: What to watch.

    Returns:
        Names of functions by path below the project's root.
    """
    found: dict[str, set[str]] = {}
    importing = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal importing
        code = frame.f_code
        if (
            code.co_name in ("_find_and_load", "_handle_fromlist")
            and "importlib" in code.co_filename
        ):
            importing += {"call": 1, "return": -1}.get(event, 0)
        elif event == "call" and not importing and not code.co_name.startswith("<"):
            path = Path(code.co_filename).resolve()
            if (
                path.is_relative_to(ROOT)
                and path.is_file()
                and ".venv" not in path.parts
                and path != Path(__file__)
            ):
                found.setdefault(str(path.relative_to(ROOT)), set()).add(code.co_name)

    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


def update() -> dict[str, set[str]]:
    """Return what one A2C update of one agent enters; making the agent is not watched."""
    from dataclasses import replace

    from prefrontal.agents.a2c.config import A2CConfig
    from prefrontal.agents.networks.config import NetworkConfig
    from prefrontal.agents.registry import make_learner
    from prefrontal.experiments.experiment import find_experiment

    settings = find_experiment(DEFAULT).conditions["default"]
    job = replace(settings, network=NetworkConfig(core="gru"), algorithm=A2CConfig()).job(seed=0)
    learner = make_learner(job, [0])
    learner.update()  # the first one may build or fill things that later ones only use
    found = entered(learner.update)
    learner.close()
    return found


def train(folder: Path) -> dict[str, set[str]]:
    """Return what ``prefrontal train`` enters."""
    from prefrontal import command

    words = [DEFAULT, *SMALL, "--out", str(folder / "run")]
    with contextlib.redirect_stdout(io.StringIO()):
        return entered(lambda: command.train(words))


def evaluate(folder: Path) -> dict[str, set[str]]:
    """Return what ``prefrontal evaluate`` enters, figures included."""
    from prefrontal import command

    train(folder)
    words = [str(folder / "run"), "--episodes", "50", "--record", "2"]
    with contextlib.redirect_stdout(io.StringIO()):
        return entered(lambda: command.evaluate(words))


def main(what: str) -> int:
    """Print the files and their number."""
    with tempfile.TemporaryDirectory() as folder:
        found = update() if what == "update" else globals()[what](Path(folder))
    for path in sorted(found):
        print(f"{path}: {', '.join(sorted(found[path]))}")
    print(f"{len(found)} files, {sum(map(len, found.values()))} functions")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["update"], ["train"], ["evaluate"]):
        sys.exit("usage: python docs/count_files.py update|train|evaluate")
    sys.exit(main(sys.argv[1]))

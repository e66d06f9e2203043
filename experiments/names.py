"""Which experiments there are, by name; importing this imports none of them."""

from __future__ import annotations

from pathlib import Path

from prefrontal.agents.common.errors import ConfigError, did_you_mean


def is_experiment(name: str) -> bool:
    """Return whether the package has an experiment of that name."""
    return name in _files()


def split_condition(name: str) -> tuple[str, str]:
    """Return the condition of the experiment and the point of the sweep that a name holds.

    ``uniform,discount=.6`` is ("uniform", "discount=.6"), ``discount=.6`` ("default",
    "discount=.6"), and ``uniform``, which was not swept, ("uniform", "").
    """
    first, _, rest = name.partition(",")
    return ("default", name) if "=" in first else (first, rest)


def summaries() -> dict[str, str]:
    """Return every experiment by name, with the first line of its module."""
    return {
        name: path.read_text(encoding="utf-8").partition("\n")[0].strip('"')
        for name, path in _files().items()
    }


def module_of(name: str) -> str:
    """Return the name of the module of an experiment.

    Raises:
        ConfigError: There is none; suggests the nearest.
    """
    files = _files()
    if name not in files:
        raise ConfigError(f"there is no experiment {name!r}{did_you_mean(name, files)}")
    parts = files[name].relative_to(Path(__file__).parent).with_suffix("").parts
    return ".".join(("prefrontal.experiments", *parts))


def _files() -> dict[str, Path]:
    """Return the file of every experiment by name: those that define ``EXPERIMENT``."""
    paths = sorted(Path(__file__).parent.rglob("*.py"), key=lambda path: path.stem)
    return {
        path.stem.replace("_", "-"): path
        for path in paths
        if "\nEXPERIMENT = " in path.read_text(encoding="utf-8")
    }

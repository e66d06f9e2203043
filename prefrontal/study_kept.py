"""What the folder of a study keeps of it, and what a study that goes on is held against."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefrontal.agents.common.errors import ConfigError, did_you_mean, quoted
from prefrontal.checking import check
from prefrontal.planning import Plan
from prefrontal.reading import built
from prefrontal.shipped import shipped_folder
from prefrontal.tune_options import TuneOptions

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch


@dataclass(frozen=True)
class Kept:
    """What `config.toml` keeps of a study beside settings.

    Attributes:
        what: First word of the command line.
        words: Its other words, those of the study left out.
        search: What is searched, as on the command line.
        objective: Name of the finding that counts; empty: the first.
        episodes: Episodes a member that trials are measured on.
        confirm: Members that the reported numbers are of.
        trials: Settings that are tried.
    """

    what: str
    words: tuple[str, ...]
    search: tuple[str, ...]
    objective: str
    episodes: int
    confirm: int
    trials: int

    def __post_init__(self) -> None:
        """Check the types."""
        check(self)


def read_kept(run: RunFolder, same: bool) -> Kept:
    """Return what a study's folder says of it.

    Raises:
        ConfigError: It is none of a study, or other settings are given than it has.
    """
    table = run.config().get("tune")
    if not isinstance(table, dict):
        raise ConfigError(f"{quoted(run.path)} is no folder of prefrontal tune")
    if not same:
        raise ConfigError(
            f"--resume goes on with the settings in {run.path / 'config.toml'}; leave other "
            "settings out, or start a new study"
        )
    return built(Kept, table)


def refuse_other(run: RunFolder, kept: Kept, seed: int, options: TuneOptions) -> None:
    """Refuse what differs from a study that goes on.

    Raises:
        ConfigError: Something does.
    """
    words = dict(itertools.pairwise(kept.words))
    stored = {
        "seed": seed,
        "episodes": kept.episodes,
        "confirm": kept.confirm,
        "algorithm": words.get("--algorithm"),
    }
    for name, value in stored.items():
        given = getattr(options, name)
        if given not in (None, value):
            has = f"has {name} {value}" if value is not None else f"names no {name}"
            raise ConfigError(
                f"--{name} {given}: the study in {run.path} {has}; leave it out, or start a new one"
            )


def require_finding(name: str, made: Plan, options: TuneOptions) -> None:
    """Check the name of the objective, where the shipped findings are those of the study.

    Raises:
        ConfigError: There is no such finding.
    """
    experiment = made.experiment
    shipped = shipped_folder(experiment.name)
    changed = options.task or options.algorithm or len(experiment.conditions) > 1
    if not name or shipped is None or changed or not (shipped / "findings.json").is_file():
        return
    from prefrontal.agents.common.files import read_json

    known = [one["name"] for one in read_json(shipped / "findings.json")["findings"]]
    if name not in known:
        raise ConfigError(
            f"--objective: {experiment.name} has no finding {name!r}{did_you_mean(name, known)}"
        )


def run_words(options: TuneOptions) -> list[str]:
    """Return the words that say what is trained, for the command that trains the chosen one."""
    named = ("task", "core", "algorithm", "preset")
    given = {name: getattr(options, name) for name in named if getattr(options, name)}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return [*words, *(("--condition", *options.condition) if options.condition else ())]

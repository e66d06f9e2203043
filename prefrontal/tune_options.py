"""Options of `prefrontal tune`."""

from __future__ import annotations

from dataclasses import dataclass

from prefrontal.checking import option
from prefrontal.options import RunOptions

MEMBERS = 4  # of every trial, where nothing else is said
TRIALS = 50
MEASURED = 500  # episodes per member that a trial is measured on
CONFIRM = 8  # members of the reported numbers


@dataclass(frozen=True)
class TuneOptions(RunOptions):
    """What to search, and how to run."""

    trials: int | None = option(None, f"Settings that are tried; default {TRIALS}.", least=1)
    search: tuple[str, ...] = option(
        (),
        "Values of a setting to search, NAME=LOW:HIGH, NAME=LOW:HIGH:log, or NAME=VALUE,VALUE,... "
        "(several settings: repeat the option). Default: step size, exploration and units around "
        "the present ones.",
        repeated=True,
    )
    objective: str | None = option(
        None, "Finding that counts, by its name in `prefrontal evaluate`; default: the first."
    )
    episodes: int | None = option(
        None, f"Episodes per member that a trial is measured on; default {MEASURED}.", least=1
    )
    confirm: int | None = option(
        None,
        "Members that learn with the chosen setting, and others with the default, on a fresh seed: "
        f"their numbers are reported; default {CONFIRM}.",
        least=2,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.sweep:
            raise ValueError("a study has --search, not --sweep")
        if self.resume and self.search:
            raise ValueError("--resume goes on with the study: leave out --search")

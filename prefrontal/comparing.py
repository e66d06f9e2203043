"""Compare model classes on held-out choices, recover what was simulated, simulate what was fitted.

`prefrontal compare`, `recover` and `simulate`, and the same from Python.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour.models.simulate import redrawn
from prefrontal.behaviour.probes import stays
from prefrontal.behaviour.table import Behaviour
from prefrontal.behaviour_options import SimulateOptions
from prefrontal.fit_folder import dump_json, load_fit, write_rows
from prefrontal.fitting import BehaviourFit

Floats = np.ndarray


@dataclass(frozen=True)
class Simulation:
    """Choices that fitted models would make after the recorded histories.

    Attributes:
        behaviour: The recorded choices.
        drawn: By model, choices ``[draws, S, T]``; -1 where none is scored.
    """

    behaviour: Behaviour
    drawn: Mapping[str, np.ndarray]

    def stays(self) -> dict[str, dict[str, Floats]]:
        """Return how often the last recorded choice is repeated, by its outcome.

        Subjects ``[S]``, and each model ``[draws, S]``.
        """
        arms = np.arange(self.behaviour.arms)
        found: dict[str, dict[str, Floats]] = {"subjects": stays(self.behaviour)}
        for name, drawn in self.drawn.items():
            made = [stays(self.behaviour, np.float64(one[..., None] == arms)) for one in drawn]
            found[name] = {key: np.stack([one[key] for one in made]) for key in made[0]}
        return found

    def to_plain(self) -> dict[str, Any]:
        """Return means over subjects, with the 95 % interval over draws, ready for JSON."""
        plain: dict[str, Any] = {"subjects": list(self.behaviour.subjects), "stay": {}}
        for name, values in self.stays().items():
            plain["stay"][name] = {key: _spread(value) for key, value in values.items()}
        return plain

    def write(self, folder: Path, figures: bool = True) -> None:
        """Write draws and summary, and draw staying."""
        table = self.behaviour
        subject, trial = np.nonzero(table.scored)
        rows = (
            (name, table.subjects[s], draw, int(table.row[s, t]), int(one[s, t]))
            for name, drawn in self.drawn.items()
            for draw, one in enumerate(drawn)
            for s, t in zip(subject, trial, strict=True)
        )
        write_rows(folder / "simulated.csv", ("model", "subject", "draw", "row", "choice"), rows)
        dump_json(folder / "simulation.json", self.to_plain())
        if figures:
            from prefrontal.analysis.figures.subjects import stay_figure

            shown = self.stays()
            means = {
                name: {k: v if v.ndim == 1 else v.mean(axis=0) for k, v in values.items()}
                for name, values in shown.items()
            }
            stay_figure(means, folder / "stay.png")


def _spread(values: Floats) -> dict[str, float | None]:
    """Return the mean over subjects, and of draws the 95 % interval of that mean."""
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(values)
        mean = np.where(known, values, 0).sum(-1) / known.sum(-1)
    if np.isnan(mean).any():
        return {"mean": None}
    if values.ndim == 1:
        return {"mean": float(mean)}
    low, high = np.quantile(mean, [0.025, 0.975])
    return {"mean": float(mean.mean()), "low": float(low), "high": float(high)}


def simulate(
    run: BehaviourFit | Path | str,
    per_subject: int = 10,
    *,
    models: str | Sequence[str] | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    figures: bool = True,
) -> Simulation:
    """Let fitted models choose again, each time after the history that was recorded.

    What another choice would have paid nobody knows, so histories stay as they were: choices
    follow the model, and what they are compared with is how subjects went on after the same past.

    Args:
        run: A fit, or its run folder.
        per_subject: Draws of every subject's choices.
        models: Names, by commas or in a list; None: all cognitive models of the fit.
        seed: Of the choices.
        out: Folder to write to; None: nothing is written.
        figures: Whether to draw.

    Raises:
        ConfigError: There is no such fit or model.
    """
    made = loaded(run, models)
    chosen = list(made.fits) if models is None else split(models)
    drawn = {}
    for name in chosen:
        if name not in made.fits:
            raise ConfigError(
                f"{name} is no cognitive model of this fit: it has {', '.join(made.fits) or 'none'}"
            )
        one = made.fits[name]
        again = [
            redrawn(one.model, one.parameters, made.behaviour, seed * per_subject + draw)
            for draw in range(per_subject)
        ]
        drawn[name] = np.stack(again)
    found = Simulation(made.behaviour, drawn)
    if out is not None:
        found.write(Path(out), figures)
    return found


def simulate_by(options: SimulateOptions) -> tuple[Simulation, Path]:
    """Simulate as the command line says; return where it was written too."""
    folder = options.out or options.run / "simulation"
    found = simulate(
        options.run,
        options.per_subject,
        models=options.models,
        seed=options.seed,
        out=folder,
        figures=options.figures,
    )
    return found, folder


def loaded(run: BehaviourFit | Path | str, models: str | Sequence[str] | None) -> BehaviourFit:
    """Return a fit, from its folder if it is one."""
    if isinstance(run, BehaviourFit):
        return run
    return load_fit(run, () if models is None else split(models))


def split(names: str | Sequence[str]) -> list[str]:
    """Return names given by commas or in a list."""
    return [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)


def dated(kind: str) -> Path:
    """Return a run folder named by the time."""
    return Path("runs", kind, time.strftime("%Y%m%d-%H%M%S"))

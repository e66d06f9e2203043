"""`prefrontal compare`, `recover` and `simulate` of models of choice, and the same from Python."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.behaviour.models.simulate import redrawn
from prefrontal.behaviour.probes import stays
from prefrontal.behaviour.table import Behaviour
from prefrontal.behaviour_options import (
    CompareOptions,
    Folds,
    Method,
    RecoverOptions,
    SimulateOptions,
)
from prefrontal.fit_folder import (
    COMPARISON,
    comparison_rows,
    dated,
    dump_json,
    load_fit,
    opened,
    require_ours,
    variance_of,
    write_rows,
)
from prefrontal.fit_report import (
    aligned,
    below_chance,
    held_out,
    markdown,
    recovery_lines,
    simulation_lines,
    spread,
    what_was_held_out,
)
from prefrontal.fitted import (
    BehaviourFit,
    as_config_errors,
    cognitive_names,
    models_of,
    require_folder,
    require_needs,
    split,
)


@dataclass(frozen=True)
class BehaviourComparison:
    """Model classes compared on held-out choices: same folds, same trials.

    Attributes:
        found: Scores of all of them, `prefrontal.behaviour.fits.comparison.Comparison`.
        fitted: Of models that were fitted to all choices, what was found then, by name.
        notes: What was noticed on the way, a line each.
    """

    found: Any
    fitted: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        plain = self.to_plain()
        return "\n".join([what_was_held_out(plain), *aligned(held_out(plain))])

    def to_plain(self) -> dict[str, Any]:
        """Return the results, ready for JSON.

        Likelihoods are of held-out choices; ``evidence``, ``bic`` and ``parameters`` of the fit to
        all choices, None and empty for what has none.
        """
        plain: dict[str, Any] = self.found.to_plain()
        for name, one in plain["models"].items():
            whole = self.fitted.get(name, {})
            one |= {key: whole.get(key) for key in ("evidence", "bic")}
            one["parameters"] = whole.get("parameters", {})
        return {**plain, "notes": list(self.notes)}

    def write(self, folder: Path) -> None:
        """Write results to a folder."""
        plain = self.to_plain()
        dump_json(folder / "comparison.json", plain)
        dump_json(folder / "bms.json", plain["bms"])
        write_rows(folder / "comparison.csv", COMPARISON, comparison_rows(plain))
        lines = ["# Held-out choices", "", f"{what_was_held_out(plain)}.", ""]
        lines += [*markdown(held_out(plain)), "", *(f"- {note}" for note in self.notes)]
        (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def compare(
    run: BehaviourFit | Path | str,
    agents: str | Sequence[Any] = (),
    *,
    cv: Folds | None = None,
    folds: int | None = None,
    models: str | Sequence[Any] | None = None,
    seeds: int = 5,
    seed: int = 0,
    out: Path | str | None = None,
) -> BehaviourComparison:
    """Compare models, networks and agents on choices that they were not fitted to.

    Args:
        run: A fit, or its run folder.
        agents: Trained agents, each as it is (``NAME raw``) and with a read-out fitted to every
            subject: names of shipped populations or run folders, ``NAME:3`` for their member 3 (0
            otherwise), or agents.
        cv: What is held out: ``sessions`` or ``blocks`` of every subject, or whole ``subjects``;
            None: the first of these of which there are several.
        folds: Number of folds; None: 5, or 2 within subjects.
        models: What to compare, as `fit` takes it; None: what the run fitted.
        seeds: Recurrent networks for each name.
        seed: Of starting points, networks and folds.
        out: Folder to write to; None: nothing is written.

    Raises:
        ConfigError: There is no such fit, model or agent, or there are more folds than subjects.
    """
    require_folder(out)
    if isinstance(run, BehaviourFit):
        table, method, variance = run.behaviour, run.method, run.prior_variance
        fitted = run.to_plain()["models"]
        known: list[Any] = [one.model for one in run.fits.values()]
        known += [one.settings for one in run.networks.values()]
    else:
        about, table = opened(run)
        method, variance, fitted = about["method"], variance_of(about), about["models"]
        known = list(fitted)
        require_ours(about, known if models is None else split(models), models is None)
    cognitive, networks = models_of(known if models is None else models, table, seeds, variance)
    require_needs(cognitive, table)
    from prefrontal.behaviour.fits.comparison import compare as compare_fittables
    from prefrontal.behaviour.fits.fitting import CognitiveFit

    method = "em" if method == "hbi" else method
    fittables: list[Any] = [CognitiveFit(one, method) for one in cognitive]
    fittables += [*networks, *agents_of(agents)]
    with as_config_errors(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = compare_fittables(fittables, table, cv, folds=folds, seed=seed)
    said = [*dict.fromkeys(str(one.message) for one in caught), *below_chance(found.to_plain())]
    comparison = BehaviourComparison(found, fitted, tuple(said))
    if out is not None:
        comparison.write(Path(out))
    return comparison


def compare_by(options: CompareOptions) -> tuple[BehaviourComparison, Path]:
    """Compare as the command line says; return where it was written too."""
    folder = options.out or options.run / "comparison"
    found = compare(
        options.run,
        options.agents or (),
        cv=options.cv,
        folds=options.folds,
        models=options.models,
        seeds=options.seeds,
        seed=options.seed,
        out=folder,
    )
    return found, folder


def agents_of(agents: str | Sequence[Any]) -> list[Any]:
    """Return trained agents by name as fittables: each as it is, and with a read-out.

    Raises:
        ConfigError: There is no such agent or member.
    """
    from prefrontal.behaviour.agents.read_out import AgentModel
    from prefrontal.evaluating import load

    fittables: list[Any] = []
    for one in split(agents):
        if isinstance(one, str):
            path, _, member = (
                one.rpartition(":") if one.rpartition(":")[2].isdigit() else (one, "", "0")
            )
            population = load(path)
            if int(member) >= len(population):
                raise ConfigError(f"{path} has members 0 to {len(population) - 1}, not {member}")
            agent, name = population[int(member)], one
        else:
            agent, name = one, f"agent {len(fittables) // 2}"
        fittables += [AgentModel(agent, name), AgentModel(agent, f"{name} raw", "raw")]
    return fittables


@dataclass(frozen=True)
class BehaviourRecovery:
    """What was found again of what was simulated.

    Attributes:
        found: `prefrontal.behaviour.fits.recovery.Recovery`.
    """

    found: Any

    def __repr__(self) -> str:
        return "\n".join(recovery_lines(self.to_plain()))

    def to_plain(self) -> dict[str, Any]:
        """Return the results, ready for JSON."""
        plain: dict[str, Any] = self.found.to_plain()
        return plain

    def write(self, folder: Path, figures: bool = True) -> None:
        """Write results to a folder, and draw them."""
        plain = self.to_plain()
        dump_json(folder / "recovery.json", plain)
        if not figures:
            return
        from prefrontal.analysis.figures.subjects import confusion_figure, recovery_figure

        for name in self.found.names:
            true, again = self.found.true[name], self.found.fitted[name]
            if true:
                file = f"recovery_{name.replace('+', '_')}.png"
                recovery_figure(true, again, folder / file)
        if len(self.found.names) > 1:
            confusion_figure(self.found.confusion, self.found.names, folder / "confusion.png")


def recover(
    models: str | Sequence[Any] = "rw,rw+dual",
    subjects: int = 50,
    trials: int = 200,
    *,
    method: Method = "em",
    seed: int = 0,
    out: Path | str | None = None,
    figures: bool = True,
) -> BehaviourRecovery:
    """Simulate models and fit all of them to what each chose: are parameters and models found?

    Args:
        models: Names by commas or in a list, or models.
        subjects: Simulated subjects of each model.
        trials: Trials of each.
        method: How they are fitted.
        seed: Of parameters, tasks and choices.
        out: Folder to write to; None: nothing is written.
        figures: Whether to draw.

    Raises:
        ConfigError: There is no such model.
    """
    from prefrontal.behaviour.fits.recovery import recover as recover_models
    from prefrontal.behaviour.models.catalogue import find

    require_folder(out)
    chosen = [find(one) if isinstance(one, str) else one for one in cognitive_names(models)]
    with as_config_errors():
        found = recover_models(chosen, subjects, trials, method=method, seed=seed)
    recovery = BehaviourRecovery(found)
    if out is not None:
        recovery.write(Path(out), figures)
    return recovery


def recover_by(options: RecoverOptions) -> tuple[BehaviourRecovery, Path]:
    """Recover as the command line says; return where it was written too."""
    folder = options.out or dated("recover")
    found = recover(
        options.models,
        options.subjects,
        options.trials,
        method=options.method,
        seed=options.seed,
        out=folder,
        figures=options.figures,
    )
    return found, folder


@dataclass(frozen=True)
class Simulation:
    """Choices that fitted models would make after the recorded histories.

    Attributes:
        behaviour: The recorded choices.
        drawn: By model, choices ``[draws, S, T]``; -1 where none is scored.
    """

    behaviour: Behaviour
    drawn: Mapping[str, np.ndarray]

    def __repr__(self) -> str:
        return "\n".join(simulation_lines(self.to_plain()))

    def stays(self) -> dict[str, dict[str, np.ndarray]]:
        """Return how often the last recorded choice is repeated, by its outcome.

        Subjects ``[S]``, and each model ``[draws, S]``.
        """
        arms = np.arange(self.behaviour.arms)
        found: dict[str, dict[str, np.ndarray]] = {"subjects": stays(self.behaviour)}
        for name, drawn in self.drawn.items():
            made = [stays(self.behaviour, np.float64(one[..., None] == arms)) for one in drawn]
            found[name] = {key: np.stack([one[key] for one in made]) for key in made[0]}
        return found

    def to_plain(self) -> dict[str, Any]:
        """Return means over subjects, with the 95 % interval over draws, ready for JSON."""
        names = self.behaviour.subjects
        plain: dict[str, Any] = {"subjects": len(names), "subject_names": list(names), "stay": {}}
        for name, values in self.stays().items():
            plain["stay"][name] = {key: spread(value) for key, value in values.items()}
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

            means = {
                name: {k: v if v.ndim == 1 else v.mean(axis=0) for k, v in values.items()}
                for name, values in self.stays().items()
            }
            stay_figure(means, folder / "stay.png")


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
    require_folder(out)
    names = None if models is None else cognitive_names(models)
    made = run if isinstance(run, BehaviourFit) else load_fit(run, names)
    if not made.fits:
        raise ConfigError("there is no cognitive model in this fit, and networks are not kept")
    drawn = {}
    for name, one in made.fits.items():
        again = [
            redrawn(
                one.model.in_unit(one.scale),
                one.parameters,
                made.behaviour,
                seed * per_subject + draw,
            )
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

"""The journal of a study, and what is read from it. Optuna is imported where it is needed."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

ENOUGH = 10  # trials that importance is estimated from at least


def open_study(folder: Path, seed: int) -> Any:
    """Return Optuna's study in a folder, which no other process uses.

    What a killed process left half written in the journal is removed, and so is its lock.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / "study.log"
    for lock in folder.glob("study.log.lock*"):
        lock.unlink()
    if path.is_file():
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(whole.rfind(b"\n") + 1)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    # A resumed study must not draw the same numbers again
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        make = optuna.create_study
        study = make(storage=storage, study_name="study", direction="maximize", load_if_exists=True)
        seed = (seed + 7919 * begun(study)) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return study


def write_trials(study: Any, path: Path) -> None:
    """Write a row for every trial that is finished."""
    names = list(dict.fromkeys(name for one in study.trials for name in one.params))
    told = ("finding", "mean", "low", "high", "seconds", "reason")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", *names, *told])
        for one in study.trials:
            if one.state.is_finished():
                values = [written(one.params.get(name, "")) for name in names]
                attrs = [one.user_attrs.get(key, "") for key in told]
                writer.writerow([one.number, one.state.name.lower(), *values, *attrs])


def importance(study: Any) -> dict[str, float]:
    """Return how much each setting mattered (PED-ANOVA), where there are enough trials."""
    import optuna

    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < ENOUGH or len({one.value for one in complete}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=judge))


def begun(study: Any) -> int:
    """Return how many trials were begun: all but those that wait."""
    return sum(one.state.name != "WAITING" for one in study.trials)


def written(value: Any) -> str:
    """Return a value that Optuna suggested as it is tried: with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

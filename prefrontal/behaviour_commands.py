"""The commands on choices: fit, compare, recover, simulate."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from prefrontal.behaviour_options import CompareOptions, FitOptions, RecoverOptions, SimulateOptions
from prefrontal.reading import parse


def fit(words: list[str]) -> int:
    """Fit models to choices; print the table of models."""
    options = parse(FitOptions, words, "prefrontal fit", "Fit models to choices.")
    from prefrontal.fit_report import aligned, counted, table
    from prefrontal.fitted import with_code
    from prefrontal.fitting import fit_by

    made = fit_by(options, shlex.join(["prefrontal", "fit", *words]))
    plain = made.to_plain()
    if options.json:
        return _print_json(plain)
    print(counted(plain))
    print(*aligned(table(plain)), sep="\n")
    if made.comparison is not None:
        print(made.comparison)
    _print_notes(made.notes)
    assert made.path is not None
    print(f"written: {made.path} (begin with {made.path / 'report.md'})")
    models = ["--models", with_code(made.names, made.code)] if made.code else []
    again = shlex.join(["prefrontal", "compare", str(made.path), *models])
    print(f"held-out choices:  {again}")
    return 0


def compare(words: list[str]) -> int:
    """Compare model classes on held-out choices; print the table."""
    options = parse(
        CompareOptions,
        words,
        "prefrontal compare",
        "Compare the model classes of a fit on held-out choices. Of runs of agents: `prefrontal "
        "compare RUN RUN --help`.",
    )
    from prefrontal.comparing import compare_by

    made, folder = compare_by(options)
    return _report(made, folder, options.json)


def recover(words: list[str]) -> int:
    """Simulate models and fit them again; print what is found."""
    options = parse(RecoverOptions, words, "prefrontal recover", "Are parameters and models found?")
    from prefrontal.comparing import recover_by

    made, folder = recover_by(options)
    return _report(made, folder, options.json)


def simulate(words: list[str]) -> int:
    """Let fitted models choose again; print what they do beside the subjects."""
    options = parse(
        SimulateOptions, words, "prefrontal simulate", "Let fitted models choose again."
    )
    from prefrontal.comparing import simulate_by

    made, folder = simulate_by(options)
    return _report(made, folder, options.json)


def _report(made: Any, folder: Path, as_json: bool) -> int:
    """Print results as JSON, or as they show themselves and where they were written."""
    plain = made.to_plain()
    if as_json:
        return _print_json(plain)
    print(made)
    _print_notes(plain.get("notes", ()))
    print(f"written: {folder}")
    return 0


def _print_notes(notes: Any) -> None:
    for note in notes:
        print(f"note: {note}")


def _print_json(plain: Any) -> int:
    from prefrontal.fit_report import json_text

    print(json_text(plain))
    return 0

"""Tables, a page and figures of fits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.analysis.choice.choice import history_regression
from prefrontal.analysis.figures.probes import history_figure
from prefrontal.analysis.figures.subjects import change_figure, stay_figure
from prefrontal.behaviour.probes import around_changes, record_of, stays
from prefrontal.behaviour.table import Behaviour

HEAD = ("model", "parameters", "log lik.", "lik./choice", "BIC", "evidence", "frequency", "pxp")
LAGS = 5  # trials back of history weights
BEFORE = 5  # trials before a change of the best arm
SHOWN = 4  # models in a figure at most, the best ones


def draw(behaviour: Behaviour, policies: Mapping[str, np.ndarray], folder: Path) -> list[Path]:
    """Draw what subjects do and what models would, after the same history; return the figures.

    Changes of the best arm are drawn if there is a column ``best``, the code of the best arm.
    """
    shown = dict(list(policies.items())[:SHOWN])
    stay = {"subjects": stays(behaviour)}
    stay |= {name: stays(behaviour, policy) for name, policy in shown.items()}
    drawn = [stay_figure(stay, folder / "stay.png")]
    if behaviour.arms == 2:
        record = record_of(behaviour)
        lags = min(LAGS, record["action"].shape[2] - 1)
        try:
            weights = history_regression(record["action"], record["reward"], lags)
        except ValueError:  # somebody has no stretch that is long enough
            weights = None
        if weights is not None:
            drawn.append(history_figure(weights, folder / "history.png"))
    best = behaviour.columns.get("best")
    if best is not None and best.dtype.kind == "f":
        made = {"subjects": around_changes(behaviour, best, BEFORE)}
        made |= {
            name: around_changes(behaviour, best, BEFORE, policy=policy)
            for name, policy in shown.items()
        }
        curves = {name: curve for name, curve in made.items() if curve is not None}
        if curves:
            drawn.append(change_figure(curves, BEFORE, folder / "changes.png"))
    return drawn


def table(plain: Mapping[str, Any]) -> list[list[str]]:
    """Return the table of models, best first by evidence, as texts."""
    bms = plain["bms"] or {"frequencies": {}, "protected_exceedance": {}}
    order = sorted(plain["models"].items(), key=lambda item: -_rank(item[1]))
    rows = [list(HEAD)]
    for name, one in order:
        numbers = [
            f"{one['log_likelihood']:.1f}",
            f"{one['normalised_likelihood']:.4f}",
            *("" if one[key] is None else f"{one[key]:.1f}" for key in ("bic", "evidence")),
            *(
                f"{bms[key][name]:.3f}" if name in bms[key] else ""
                for key in ("frequencies", "protected_exceedance")
            ),
        ]
        rows.append([name, str(len(one["parameters"]) or ""), *numbers])
    return filled(rows)


def _rank(one: Mapping[str, Any]) -> float:
    return -np.inf if one["evidence"] is None else float(one["evidence"])


def counted(plain: Mapping[str, Any]) -> str:
    """Return how many subjects and choices there are."""
    count = plain["subjects"]
    some = "1 subject" if count == 1 else f"{count} subjects"
    return f"{some}, {plain['trials_scored']:,} scored choices"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of equal columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as a table of Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]


def page(plain: Mapping[str, Any], figures: Sequence[Path]) -> str:
    """Return a page on a fit, in Markdown."""
    bms = plain["bms"]
    lines = [
        "# Models fitted to choices",
        "",
        f"{counted(plain)}; method `{plain['method']}`, seed {plain['seed']}.",
        "",
        *markdown(table(plain)),
        "",
        "Log likelihoods are sums over subjects, in nats; lik./choice is the geometric mean of the "
        "probabilities of the scored choices; evidence is the log marginal likelihood by Laplace's "
        "approximation (of `ml` and `pooled`: minus half the BIC).",
    ]
    if bms is not None:
        lines += [
            "",
            "Frequencies and pxp (protected exceedance probability) are of random-effects Bayesian "
            f"model selection with a prior count of {bms['prior']:g} for each model; the "
            f"probability that all models are equally frequent (BOR) is {bms['bor']:.3f}.",
        ]
    if "cross_validation" in plain:
        found = plain["cross_validation"]
        said = [f"{what_was_held_out(found)}.", "", *markdown(held_out(found))]
        lines += ["", "## Held-out choices", "", *said]
    if plain["notes"]:
        lines += ["", "## Notes", "", *(f"- {note}" for note in plain["notes"])]
    if figures:
        lines += ["", "## Figures", ""]
        lines += [f"![{one.stem}]({one.parent.name}/{one.name})" for one in figures]
    lines += [
        "",
        "Parameters by subject: `parameters.csv`; log-probabilities, values and prediction errors "
        "by row of the data: `trials.csv`.",
    ]
    return "\n".join(lines) + "\n"


def json_text(plain: Any, indent: int | None = None) -> str:
    """Return results as JSON that every reader takes: numbers that are missing are null."""
    return json.dumps(_finite(plain), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def held_out(plain: Mapping[str, Any]) -> list[list[str]]:
    """Return the table of a comparison on held-out choices, best first.

    Differences are from the best, nats a choice, means over subjects with 95 % intervals.
    """
    bms = plain["bms"] or {"frequencies": {}, "protected_exceedance": {}}
    rows = [["model", "log lik.", "lik./choice", "nats/choice from best", "frequency", "pxp"]]
    order = sorted(plain["models"].items(), key=lambda item: -item[1]["log_likelihood"])
    for name, one in order:
        rows.append(
            [
                name,
                f"{one['log_likelihood']:.1f}",
                f"{one['normalised_likelihood']:.4f}",
                "" if name == plain["best"] else _from_best(one["nats_a_choice_above_best"]),
                *(
                    f"{bms[key][name]:.3f}" if name in bms[key] else ""
                    for key in ("frequencies", "protected_exceedance")
                ),
            ]
        )
    return filled(rows)


def _from_best(found: Mapping[str, float | None] | None) -> str:
    """Return a difference with its interval; none of one subject."""
    if found is None:
        return "-inf"
    value, low, high = found["value"], found["low"], found["high"]
    ends = "" if low is None or high is None or low != low else f" [{low:.4f}, {high:.4f}]"
    return f"{value:.4f}{ends}"


def what_was_held_out(plain: Mapping[str, Any]) -> str:
    """Return what a comparison left out, in a line."""
    kinds = {"subjects": "whole subjects", "sessions": "sessions", "blocks": "blocks"}
    whose = "" if plain["left_out"] == "subjects" else " of every subject"
    chance = f"; chance is {plain['chance']:.4f} a choice" if "chance" in plain else ""
    return (
        f"held out: {kinds[plain['left_out']]}{whose}, {plain['folds']} folds; "
        f"{plain['trials_scored']:,} choices{chance}"
    )


def below_chance(plain: Mapping[str, Any]) -> list[str]:
    """Return a line for each whose held-out choices are less likely than by chance."""
    allowed = "; raw agents are nearly deterministic, a fitted read-out allows for that"
    return [
        f"{name}: below chance on held-out choices: {one['normalised_likelihood']:.3f} a choice, "
        f"and chance is {plain['chance']:.3f}{allowed if name.endswith(' raw') else ''}"
        for name, one in plain["models"].items()
        if one["normalised_likelihood"] < plain["chance"] - 1e-9
    ]


def filled(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return a table without the columns that are empty below their name."""
    kept = [i for i in range(len(rows[0])) if i == 0 or any(row[i] for row in rows[1:])]
    return [[row[i] for i in kept] for row in rows]


def recovery_lines(plain: Mapping[str, Any]) -> list[str]:
    """Return how well parameters are found, and how often which model is."""
    rows = [["model", "parameter", "r"]]
    for name, one in plain["r"].items():
        rows += [[name, key, "-" if r is None else f"{r:.2f}"] for key, r in one.items()]
    lines = aligned(rows)
    if len(plain["models"]) > 1:
        cells = [[f"{value:.2f}" for value in row] for row in plain["confusion"]]
        found = [["simulated, found:", *plain["models"]]]
        lines += ["", *aligned([*found, *map(_row, plain["models"], cells)])]
        lines += _not_told_apart(plain["models"], plain["confusion"])
    return lines


def _not_told_apart(names: Sequence[str], confusion: Sequence[Sequence[float]]) -> list[str]:
    """Return a line for every model that less than half of its own subjects are found to be of."""
    lines = []
    for k, (name, row) in enumerate(zip(names, confusion, strict=True)):
        if row[k] < 0.5:
            taken = max((share, other) for other, share in enumerate(row) if other != k)[1]
            lines.append(
                f"{name} is found in {row[k]:.0%} of its own subjects: this design cannot tell it "
                f"from {names[taken]}".replace("%", " %")
            )
    return lines


def _row(name: str, cells: Sequence[str]) -> list[str]:
    """Return a row with its name."""
    return [name, *cells]


def simulation_lines(plain: Mapping[str, Any]) -> list[str]:
    """Return how often choices are repeated: subjects, and models with intervals."""
    conditions = list(plain["stay"]["subjects"])
    rows = [["P(stay) after", *conditions]]
    for name, values in plain["stay"].items():
        rows.append([name, *(_interval(values[one]) for one in conditions)])
    return aligned(rows)


def _interval(value: Mapping[str, float | None]) -> str:
    """Return a mean with its interval."""
    if value["mean"] is None:
        return "-"
    low, high = value.get("low"), value.get("high")
    return f"{value['mean']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None else "")


def spread(values: np.ndarray) -> dict[str, float | None]:
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

"""What the two-step experiments share: stay probabilities against the ideal observer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.two_step import (
    CONDITIONS,
    TwoStepTrials,
    model_based_index,
    model_free_index,
    stay_counts,
    stay_probabilities,
    stay_regression,
)
from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import finding, worst_member

NAMES = {
    "RC": "rewarded, common",
    "RU": "rewarded, rare",
    "UC": "unrewarded, common",
    "UU": "unrewarded, rare",
}
_DRIVES = ("constant", "reward (model-free)", "transition", "reward x transition (model-based)")


def trials_of_record(record: Record) -> TwoStepTrials:
    """Return the trials of a record, however many steps a trial has (`compact`: one).

    Args:
        record: With ``reward``, ``trial``, ``first_action`` and ``common`` ``[M, E, T]``.

    Returns:
        The trials ``[M, E, N]``; the second-stage action is that of the last step (no choice where
        the stage is forced).
    """
    count = int(record["trial"].max()) + 1
    by_trial = {
        name: record[name].reshape(*record[name].shape[:2], count, -1)
        for name in ("action", "reward", "first_action", "common")
    }
    return TwoStepTrials(
        by_trial["first_action"][..., -1],
        by_trial["common"][..., -1].astype(bool),
        by_trial["reward"].sum(axis=-1),
        by_trial["action"][..., -1] if by_trial["action"].shape[-1] > 1 else None,
    )


def stay_findings(
    trials: TwoStepTrials,
    ideal: Sequence[float],
    where: str,
    mixed: tuple[float, float],
    published: Sequence[float] | None = None,
    sure: float = 0.98,
    within: float | None = None,
) -> list[Finding]:
    """Return stay probabilities: means over members, and the lowest member of the sure ones.

    Args:
        trials: The trials ``[M, E, N]``.
        ideal: Stay probabilities of the ideal observer, conditions as in `CONDITIONS`.
        where: Ending of the findings' names.
        mixed: Bar of RU and UC: a range in which the mean of members must lie.
        published: Published ones.
        sure: Bar of RC and UU.
        within: Goal of the farthest member's distance from the ideal observer in RU and UC; adds a
            finding.
    """
    findings, stay = [], stay_by_member(trials)
    for index, key in enumerate(CONDITIONS):
        fields = {"published": published[index] if published else None, "optimum": ideal[index]}
        name = f"stay probability {key} ({NAMES[key]}){where}"
        values = interval(stay[:, index])
        if key in ("RC", "UU"):
            findings.append(Finding.of(name, values, bar=sure, better="higher", **fields))
        else:
            findings.append(Finding.of(name, values, bar=mixed, better="near", **fields))
    stays, counts = stay_counts(trials, by_episode=True)
    least = int(np.argmin(stay[:, [0, 3]].min(axis=0))) * 3  # RC or UU, whichever is lower
    name = f"stay probability RC, UU, lowest member{where}"
    findings.append(
        worst_member(name, stays[..., least], "higher", counts[..., least], fraction=True, bar=sure)
    )
    if within is not None:
        farthest = float(np.abs(stay[:, 1:3] - np.asarray(ideal)[1:3]).max())
        findings.append(
            Finding(
                f"stay probability RU, UC, farthest member from the ideal observer{where}",
                farthest,
                goal=within,
                optimum=0.0,
                better="lower",
            )
        )
    return findings


def index_findings(
    stay: NDArray[np.float64],
    ideal: Sequence[float] | None,
    where: str,
    published: Sequence[float] | None = None,
    reach: float | None = 0.05,
) -> list[Finding]:
    """Return the model-based index RC - RU - UC + UU and the model-free one RC + RU - UC - UU.

    Args:
        stay: Stay probabilities ``[M, 4]``.
        ideal: Those of the ideal observer, if it is known.
        where: Ending of the findings' names.
        published: Published ones.
        reach: How far the model-free index may be from 0.
    """
    published_based = float(model_based_index(published)) if published else None
    published_free = float(model_free_index(published)) if published else None
    ideal_based = float(model_based_index(ideal)) if ideal else None
    ideal_free = round(float(model_free_index(ideal)), 3) if ideal else None
    return [
        finding(
            f"model-based index{where}",
            model_based_index(stay),
            published=published_based,
            optimum=ideal_based,
        ),
        finding(
            f"model-free index{where}",
            model_free_index(stay),
            published=published_free,
            optimum=ideal_free,
            bar=(-reach, reach) if reach else None,
            better="near",
        ),
    ]


def regression_findings(trials: TwoStepTrials, where: str) -> list[Finding]:
    """Return the coefficients of the stay regression (Daw et al. 2011), in log odds of staying."""
    coefficients = np.stack([fit.coefficients for fit in stay_regression(trials)])
    return [
        finding(f"stay regression, {name}{where}", values, unit="log odds")
        for name, values in zip(_DRIVES, coefficients.T, strict=True)
    ]


def stay_figure(
    evaluation: Evaluation,
    stays: Mapping[str, NDArray[np.float64]],
    ideal: Sequence[float] | None,
    published: Sequence[float] | None = None,
    name: str = "stay_probabilities",
) -> list[Path]:
    """Draw stay probabilities ``[M, 4]`` by condition, one dot a member."""
    if not evaluation.figures:
        return []
    groups = {
        key: {condition: stay[:, index] for condition, stay in stays.items()}
        for index, key in enumerate(CONDITIONS)
    }
    return [
        bars_with_members(
            groups,
            evaluation.folder / f"{name}.png",
            "probability of staying",
            published=dict(zip(CONDITIONS, published, strict=True)) if published else None,
            ideal=dict(zip(CONDITIONS, ideal, strict=True)) if ideal else None,
            ylim=(0.0, 1.05),
            episodes=evaluation.episodes,
        )
    ]


def stay_by_member(trials: TwoStepTrials, first_transition: bool = False) -> NDArray[np.float64]:
    """Return stay probabilities ``[M, 4]``.

    Raises:
        ValueError: If there are too few episodes.
    """
    stay = stay_probabilities(trials, first_transition)
    if not np.isfinite(stay).all():
        raise ValueError("some condition never occurred: evaluate more episodes")
    return stay

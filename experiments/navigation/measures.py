"""What the navigation experiments share: the same targets for all, and measures at every gain."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from prefrontal.analysis.choice import navigation as nav
from prefrontal.experiments.evaluation import Evaluation, Record

#: Simulated navigators, see `prefrontal.experiments.navigation.navigators`.
Kind = Literal["integrator", "efference copy", "Bayesian", "forgetful Bayesian"]


@dataclass(frozen=True)
class Summary:
    """Measures of each member at one gain, ``[M]``.

    Attributes:
        rewarded: Fraction of trials that were rewarded.
        rate: Rewards a second, the step of the stop taking no time, as published.
        rate_with_stop: Rewards a second, the step of the stop counted.
        radial: Mean signed distance between end and target, cm; the published "radial error".
        radius: Mean of the distance travelled less that of the target, cm.
        angular: Mean size of the error of direction, degrees.
        auc: Area under the curve of the reward-boundary sweep.
        td_error: Mean size of the critic's error of prediction (NaN where there is no critic).
        stretch: Path length over the straight way.
        curvature: Turning of the path, degrees a metre.
    """

    rewarded: np.ndarray
    rate: np.ndarray
    rate_with_stop: np.ndarray
    radial: np.ndarray
    radius: np.ndarray
    angular: np.ndarray
    auc: np.ndarray
    td_error: np.ndarray
    stretch: np.ndarray
    curvature: np.ndarray

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the measures."""
        return [field.name for field in fields(cls)]


def summary(record: Record) -> Summary:
    """Return all measures of a record of trials at one gain."""
    trials, paths = nav.ends_of_trials(record), nav.paths(record)
    td_error = nav.mean_size(record, "rpe") if "rpe" in record else np.full(len(trials.end), np.nan)
    return Summary(
        rewarded=nav.rewarded_fraction(trials),
        rate=nav.reward_rate(trials),
        rate_with_stop=nav.reward_rate(trials, stop_takes_time=True),
        radial=nav.radial_error(trials, "signed distance").mean(axis=(1, 2)),
        radius=nav.radial_error(trials).mean(axis=(1, 2)),
        angular=np.abs(nav.angular_error(trials)).mean(axis=(1, 2)),
        auc=nav.boundary_auc(trials),
        td_error=td_error,
        stretch=np.nanmean(paths.stretch, axis=1),
        curvature=np.nanmean(paths.curvature, axis=1),
    )


def common_tasks(
    count: int, seed: int, gain: float | None = None, split: str = "held_out", **task: Any
) -> dict[str, np.ndarray]:
    """Return tasks that are the same for every member, condition and gain.

    Args:
        count: How many.
        seed: Seed of the targets (and of the pulses, where the task has them).
        gain: The gain; if None, gains are drawn by the split.
        split: Which gains, if they are drawn.
        **task: Fields of the task.
    """
    import torch

    from prefrontal.envs.navigation import FireflyNavigation

    generator = torch.Generator().manual_seed(seed)
    drawn = FireflyNavigation(**task).sample(count, split, generator)
    tasks = {name: value.numpy() for name, value in drawn.items()}
    if gain is not None:
        tasks["gain"] = np.full(count, gain, dtype=np.float32)
    return tasks


def world(evaluation: Evaluation, condition: str, **task: Any) -> dict[str, Any]:
    """Return the fields of the last task of training, without a limit of an episode."""
    trained = evaluation.settings[condition].environment.stage(-1).kwargs
    return {**trained, "episode_steps": 0, **task}


def played(
    evaluation: Evaluation,
    condition: str,
    gain: float,
    count: int,
    *,
    hidden: bool = False,
    **task: Any,
) -> Record:
    """Record trials of one condition at a gain, on the targets of `common_tasks`; see `sweep`."""
    fields = world(evaluation, condition, **task)
    tasks = common_tasks(count, evaluation.seed, gain, **fields)
    return evaluation.record(condition, tasks=tasks, hidden=hidden, **fields)


def sweep(
    evaluation: Evaluation, condition: str, gains: tuple[float, ...], count: int, **task: Any
) -> dict[float, Summary]:
    """Return the measures of one condition at each gain, on the same targets.

    Args:
        evaluation: The trained populations.
        condition: Which of them.
        gains: At which gains.
        count: Trials of each member at each gain.
        **task: Fields of the task that differ from those of training.
    """
    return {gain: summary(played(evaluation, condition, gain, count, **task)) for gain in gains}

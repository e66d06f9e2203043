"""The two-step task (Daw et al. 2011; Wang et al. 2016, 2018): does the agent use the model?

After a reward that came by a *rare* transition, a model-free learner repeats its first choice, a
model-based one switches: the other first choice commonly leads to the rewarded state. Four stay
probabilities (rewarded or not, common or rare) tell them apart, and a regression says how surely.
Trials without a first choice are as if they had not been (module `missing`): the choice before is
the last one that was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import MISSING, codes, numbers, packed
from prefrontal.analysis.stats.means import observed_mean
from prefrontal.analysis.stats.regression import LogisticFit, logistic_regression

Array = NDArray[np.float64]

CONDITIONS = ("RC", "RU", "UC", "UU")
"""Rewarded-common, rewarded-uncommon, unrewarded-common, unrewarded-uncommon, in this order."""

# Exact to the third digit, by simulation of the ideal Bayes observer (module `observers`).
IDEAL_2018 = (1.0, 0.664, 0.664, 1.0)
IDEAL_2016 = (1.0, 0.506, 0.507, 1.0)
IDEAL_2016_FIRST = (1.0, 0.0, 0.0, 1.0)
# Wang et al. 2018 (mean of 8 networks, read off the figure, +-.01).
PUBLISHED_2018 = (0.99, 0.635, 0.62, 0.99)


@dataclass(frozen=True)
class TwoStepTrials:
    """Trials of the two-step task, each field ``[M, E, N]`` (members, episodes, trials).

    Attributes:
        first_action: First-stage action, 0 or 1; -1 where missing.
        common: Whether the transition was the common one; -1 where missing (then integers).
        reward: Reward of the trial; above zero counts as rewarded, NaN is missing.
        second_action: Second-stage action, where the task has one; -1 where missing.
    """

    first_action: NDArray
    common: NDArray
    reward: NDArray
    second_action: NDArray | None = None

    def __post_init__(self) -> None:
        """Check that all fields have one shape ``[M, E, N]`` and hold what they can hold."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        shapes = {np.shape(value) for value in given.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 3:
            raise ValueError(f"fields must share one shape [M, E, N], got {sorted(shapes)}")
        for name, value in given.items():
            if name == "reward":
                checked: NDArray = numbers(name, value)
            else:
                checked = codes(name, value, None if name == "second_action" else 2)
            if name == "common" and (checked != MISSING).all():
                checked = checked.astype(bool)
            object.__setattr__(self, name, checked)

    @property
    def second_state(self) -> NDArray:
        """Return the second state, named by the first action that commonly leads there.

        -1 where the first action or the transition is missing.
        """
        missing = (self.first_action == MISSING) | (self.common == MISSING)
        reached = np.where(self.common == 1, self.first_action, 1 - self.first_action)
        return np.where(missing, MISSING, reached)


def trials_of(record: Mapping[str, NDArray]) -> TwoStepTrials:
    """Return the trials of a record of steps.

    Args:
        record: With ``action``, ``reward``, ``trial``, ``stage`` (0 at the first choice, 1 at the
            second stage) and ``common`` (as known at stage 1), each ``[M, E, T]``; every trial with
            the same number of steps.

    Returns:
        The trials ``[M, E, N]``; the reward of a trial is the sum over its steps.

    Raises:
        ValueError: If an array is missing, trials differ in length, or a step is of no trial.
    """
    missing = sorted({"action", "reward", "trial", "stage", "common"} - set(record))
    if missing:
        raise ValueError(f"the record lacks {', '.join(missing)}: is it of a two-step task?")
    shapes = {np.shape(record[name]) for name in ("action", "reward", "trial", "stage", "common")}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise ValueError(f"arrays must share one shape [M, E, T], got {sorted(shapes)}")
    trial, stage = codes("trial", record["trial"], complete=True), np.asarray(record["stage"])[0, 0]
    count = int(trial.max()) + 1
    members, episodes, steps = trial.shape
    if steps % count or (trial != np.arange(steps) * count // steps).any():
        raise ValueError("every trial must have the same number of steps")
    shape = (members, episodes, count, steps // count)
    within = stage[: steps // count]
    if not {0, 1} <= set(within.tolist()):
        raise ValueError(f"stage must hold 0 and 1 in every trial, got {sorted(set(within))}")
    first, second = int(np.argmax(within == 0)), int(np.argmax(within == 1))
    action = codes("action", record["action"]).reshape(shape)
    return TwoStepTrials(
        action[..., first],
        codes("common", record["common"], 2).reshape(shape)[..., second],
        numbers("reward", record["reward"]).reshape(shape).sum(axis=-1),
        action[..., second],
    )


def stay_counts(
    trials: TwoStepTrials, first_transition: bool = False, by_episode: bool = False
) -> tuple[Array, Array]:
    """Count how often each condition occurred and was followed by the same first action.

    Args:
        trials: The trials.
        first_transition: Count only the choice after the first trial of an episode, where the ideal
            observer of Wang 2016 shows the published zeros; otherwise the whole episode.
        by_episode: Whether to count in every episode, or in all of a member.

    Returns:
        stays ``[M, 4]`` and occurrences ``[M, 4]``, or ``[M, E, 4]``, conditions as in
        `CONDITIONS`.
    """
    action, common, reward = trials.first_action, trials.common, trials.reward
    absent = action == MISSING
    if absent.any():
        action, common, reward = packed(absent, action, common, reward)
    last = 1 if first_transition else action.shape[-1] - 1
    stay = (action[..., 1:] == action[..., :-1])[..., :last]
    # Index of the condition: RC 0, RU 1, UC 2, UU 3.
    condition = 2 * (~(reward > 0)).view(np.int8) + (common == 0)
    condition[np.isnan(reward) | (common == MISSING)] = MISSING
    condition = condition[..., :-1][..., :last]
    condition[action[..., 1:][..., :last] == MISSING] = MISSING  # no choice follows
    axes = 2 if by_episode else (1, 2)
    each = [condition == index for index in range(len(CONDITIONS))]
    stays = [np.count_nonzero(those & stay, axis=axes) for those in each]
    occurrences = [np.count_nonzero(those, axis=axes) for those in each]
    return np.stack(stays, -1).astype(np.float64), np.stack(occurrences, -1).astype(np.float64)


def stay_probabilities(trials: TwoStepTrials, first_transition: bool = False) -> Array:
    """Return the probability of repeating the first action in each condition ``[M, 4]``.

    NaN for a condition that never occurred.

    Args:
        trials: The trials.
        first_transition: Count only the choice after the first trial of an episode.
    """
    stays, occurrences = stay_counts(trials, first_transition)
    return np.where(occurrences > 0, stays / np.maximum(occurrences, 1), np.nan)


def model_based_index(stay: ArrayLike) -> Array:
    """Return RC - RU - UC + UU of stay probabilities ``[..., 4]``; 0 if model-free only."""
    p = _stay(stay)
    return np.asarray(p[..., 0] - p[..., 1] - p[..., 2] + p[..., 3])


def model_free_index(stay: ArrayLike) -> Array:
    """Return RC + RU - UC - UU of stay probabilities ``[..., 4]``; 0 for the ideal observer."""
    p = _stay(stay)
    return np.asarray(p[..., 0] + p[..., 1] - p[..., 2] - p[..., 3])


def reward_per_trial(trials: TwoStepTrials) -> Array:
    """Return the mean reward of a trial ``[M]``; at most .7058 in Wang 2018, .6698 in 2016."""
    return observed_mean(trials.reward, axis=(1, 2))


def stay_regression(trials: TwoStepTrials) -> list[LogisticFit]:
    """Regress staying on reward, transition and their product (Daw et al. 2011).

    Codes are +1 (rewarded; common) and -1, so the constant is the mean log odds of staying, and the
    reward and interaction coefficients are the model-free and model-based signatures. Firth's
    penalty keeps the estimates of a deterministic agent finite.

    Args:
        trials: The trials.

    Returns:
        One fit per member, coefficients of a constant, reward, transition and their product.

    Raises:
        ValueError: If a member never meets one of the four conditions.
    """
    reward, transition = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    design = np.stack([np.ones(4), reward, transition, reward * transition], axis=1)
    fits = []
    for member, (stays, occurrences) in enumerate(zip(*stay_counts(trials), strict=True)):
        seen = occurrences > 0
        if not seen.all():
            absent = ", ".join(np.array(CONDITIONS)[~seen])
            raise ValueError(
                f"these conditions never occur: {absent} (member {member}); record more episodes"
            )
        fits.append(logistic_regression(design, stays / occurrences, occurrences, firth=True))
    return fits


def _stay(stay: ArrayLike) -> Array:
    """Return stay probabilities ``[..., 4]``; NaN where a condition never occurred."""
    p = numbers("stay", stay, 0.0, 1.0, axes=("member", "condition"))
    if p.shape[-1:] != (4,):
        raise ValueError(f"stay must be [..., 4], one for each of {CONDITIONS}, got {p.shape}")
    return p

"""How choices follow from past rewards and choices: history weights, matching, learning curves.

Two-armed tasks with one choice a trial. Arrays of the record ``[M, E, T]``: members, episodes,
trials. Trials without a choice are as if they had not been (module `missing`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import MISSING, Codes, answers, codes, numbers, packed
from prefrontal.analysis.stats.means import mean_by_label
from prefrontal.analysis.stats.regression import LogisticFit, logistic_regression

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HistoryWeights:
    """Influence of the past on the present choice, log odds of arm 1 per event.

    Attributes:
        reward: Weight of a reward k trials ago, for the arm that gave it ``[M, n]``, k = 1..n.
        choice: Weight of having chosen an arm k trials ago, rewarded or not ``[M, n]``.
        bias: Log odds of arm 1 without any history ``[M]``.
        fits: The regressions, one per member; columns: bias, rewards, choices.
    """

    reward: Array
    choice: Array
    bias: Array
    fits: list[LogisticFit]


def history_regression(action: ArrayLike, reward: ArrayLike, lags: int = 10) -> HistoryWeights:
    """Regress choices on the last rewards and choices (Lau & Glimcher 2005, eq. 2).

    ``log p(1)/p(0) = sum_k a_k (R1 - R0)_{t-k} + sum_k b_k (C1 - C0)_{t-k} + c``, where R_i is the
    reward earned from arm i and C_i whether it was chosen. Firth's penalty keeps the weights of a
    deterministic agent finite.

    Args:
        action: Choices ``[M, E, T]``, 0 or 1.
        reward: Rewards ``[M, E, T]``; a missing one counts as none.
        lags: How many trials to look back, n; the first n choices of an episode are left out.

    Raises:
        ValueError: If actions are not 0 or 1, or an episode has no more than n trials.
    """
    chosen, earned = _two_armed(action, reward)
    trials = chosen.shape[-1]
    if not 1 <= lags < trials:
        raise ValueError(f"lags must be 1 to {trials - 1} for {trials} trials, got {lags}")
    sign = np.where(chosen == MISSING, 0.0, 2.0 * chosen - 1)
    signals = np.stack([sign * np.nan_to_num(earned), sign])  # [2, M, E, T]
    past = np.stack([signals[..., lags - k : trials - k] for k in range(1, lags + 1)], axis=-1)
    fits = []
    for member in range(chosen.shape[0]):
        made = chosen[member, :, lags:].ravel() != MISSING
        if not made.any():
            raise ValueError(f"member {member} made no choice with {lags} choices before it")
        columns = past[:, member].transpose(1, 2, 0, 3).reshape(-1, 2 * lags)[made]
        # Rows that agree stand together: without gain for long histories, a hundredfold for short.
        design = np.column_stack([np.ones(len(columns)), columns])
        outcome = chosen[member, :, lags:].ravel()[made]
        rows, index, counts = np.unique(design, axis=0, return_inverse=True, return_counts=True)
        ones = np.bincount(index.ravel(), weights=outcome, minlength=len(rows))
        fits.append(logistic_regression(rows, ones / counts, counts, firth=True))
    weights = np.stack([fit.coefficients for fit in fits])
    return HistoryWeights(weights[:, 1 : 1 + lags], weights[:, 1 + lags :], weights[:, 0], fits)


@dataclass(frozen=True)
class Matching:
    """Generalised matching law ``log(C1/C0) = s log(R1/R0) + log b`` (Baum 1974), per member.

    Attributes:
        sensitivity: Slope s ``[M]``; 1 is strict matching, below 1 undermatching.
        bias: log b ``[M]``.
        r_squared: Fraction of the variance of log choice ratios explained ``[M]``.
        used: Fraction of blocks with both choices and both rewards, which alone have ratios
            ``[M]``.
        log_choice_ratio: Of each block ``[M, blocks]``, NaN where not used.
        log_reward_ratio: Of each block ``[M, blocks]``, NaN where not used.
    """

    sensitivity: Array
    bias: Array
    r_squared: Array
    used: Array
    log_choice_ratio: Array
    log_reward_ratio: Array


def matching_law(action: ArrayLike, reward: ArrayLike, skip: int = 0) -> Matching:
    """Regress log choice ratios on log ratios of earned rewards; every episode is a block.

    Args:
        action: Choices ``[M, E, T]``, 0 or 1 (for blocks within episodes give each block as an
            episode).
        reward: Rewards ``[M, E, T]``; a missing one counts as none.
        skip: How many trials at the start of each block to leave out, while behaviour adapts.

    Raises:
        ValueError: If a member has fewer than three usable blocks, or their ratios of rewards never
            change.
    """
    chosen, earned = _two_armed(action, reward)
    if not 0 <= skip < chosen.shape[-1]:
        raise ValueError(f"skip must be 0 to {chosen.shape[-1] - 1}, got {skip}")
    chosen, earned = chosen[..., skip:], np.nan_to_num(earned[..., skip:])
    choices = np.stack([(chosen == arm).sum(axis=-1) for arm in (0, 1)])
    rewards = np.stack([((chosen == arm) * earned).sum(axis=-1) for arm in (0, 1)])
    usable = (choices > 0).all(axis=0) & (rewards > 0).all(axis=0)  # [M, E]
    if usable.sum(axis=1).min() < 3:
        raise ValueError("matching needs three blocks with both choices and both rewards")
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(usable, np.log(choices[1] / choices[0]), np.nan)
        x = np.where(usable, np.log(rewards[1] / rewards[0]), np.nan)
    dx, dy = x - np.nanmean(x, 1, keepdims=True), y - np.nanmean(y, 1, keepdims=True)
    if not (np.nanmax(np.abs(dx), axis=1) > 1e-12).all():
        raise ValueError("matching needs blocks of different ratios of rewards")
    slope = np.nansum(dx * dy, 1) / np.nansum(dx**2, 1)
    bias = np.nanmean(y, 1) - slope * np.nanmean(x, 1)
    residual = np.nansum((dy - slope[:, None] * dx) ** 2, 1)
    return Matching(slope, bias, 1 - residual / np.nansum(dy**2, 1), usable.mean(1), y, x)


def learning_set_curve(
    correct: ArrayLike, trial: ArrayLike, num_trials: int, decision: ArrayLike | None = None
) -> Array:
    """Return accuracy by trial within a problem (Harlow 1949), or since any other event.

    Args:
        correct: Whether the choice of each step was right ``[M, E, T]``, 0 or 1.
        trial: Trial within the problem, or since the event, from 0 ``[M, E, T]``.
        num_trials: Number of trials N to report.
        decision: Which steps count, the decisions ``[M, E, T]``; all by default.

    Returns:
        Fractions correct ``[M, N]``; NaN for a trial that no episode reached.
    """
    counted = True if decision is None else codes("decision", decision, 2) == 1
    return mean_by_label(answers("correct", correct), trial, range(num_trials), counted)


def _two_armed(action: ArrayLike, reward: ArrayLike) -> tuple[Codes, Array]:
    """Return choices and rewards ``[M, E, T]``, trials without a choice behind the others."""
    chosen, earned = codes("action", action, 2), numbers("reward", reward)
    if chosen.ndim != 3 or chosen.shape != earned.shape:
        raise ValueError(f"arrays must be [M, E, T], got {chosen.shape} and {earned.shape}")
    chosen, earned = packed(chosen == MISSING, chosen, earned)
    return chosen, earned

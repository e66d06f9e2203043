"""Reward prediction errors: at which events, and of which value.

The record's ``rpe`` at step t is delta_t = r_t + gamma v_{t+1} - v_t: the step that ends in a
reward carries the error of the outcome; the step before a cue carries the error of the cue, for it
is v_{t+1} that the cue changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.choice.two_step import TwoStepTrials
from prefrontal.analysis.missing import MISSING, number, numbers
from prefrontal.analysis.stats.means import z_scores
from prefrontal.analysis.stats.regression import linear_regression

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RPERegression:
    """Regression of RPEs on named signals, per member.

    Attributes:
        names: Names of the signals, as given.
        coefficients: Change of the RPE per standard deviation of each signal ``[M, K]``, reward
            units.
        p_values: Against zero, errors clustered by episode ``[M, K]``.
        r_squared: Fraction of the variance of the RPEs explained ``[M]``.
    """

    names: tuple[str, ...]
    coefficients: Array
    p_values: Array
    r_squared: Array


def rpe_regression(rpe: ArrayLike, signals: Mapping[str, ArrayLike]) -> RPERegression:
    """Regress the network's RPEs on those of cognitive models (Daw et al. 2011; Wang et al. 2018).

    All signals enter one regression, so that a coefficient is what a signal explains beyond the
    others: model-based value beyond model-free value, say.

    Args:
        rpe: Prediction errors at one event a trial ``[M, E, N]``; events at which the error or a
            signal is missing (NaN) are left out.
        signals: Name to the signal at the same events ``[M, E, N]``.

    Raises:
        ValueError: If a signal has another shape or never changes.
    """
    delta = numbers("rpe", rpe)
    given = {name: numbers(name, signal) for name, signal in signals.items()}
    for name, values in given.items():
        if values.shape != delta.shape or delta.ndim != 3:
            raise ValueError(f"{name} must have the shape of rpe {delta.shape}, got {values.shape}")
    missing = np.any([np.isnan(each) for each in (delta, *given.values())], axis=0)
    if missing.any():
        given = {name: np.where(missing, np.nan, values) for name, values in given.items()}
    columns = [z_scores(name, values) for name, values in given.items()]
    design = np.stack([np.ones_like(delta), *columns], axis=-1)
    fits = [linear_regression(x, y[..., None]) for x, y in zip(design, delta, strict=True)]
    count = len(columns)
    return RPERegression(
        tuple(signals),
        np.stack([fit.coefficients[1:, 0] for fit in fits]),
        np.array([[f.p_values(slice(k, k + 1))[0] for k in range(1, count + 1)] for f in fits]),
        np.array([fit.r_squared[0] for fit in fits]),
    )


def two_step_signals(
    trials: TwoStepTrials, common: float = 0.8, learning_rate: float = 0.5, trace: float = 1.0
) -> dict[str, Array]:
    """Return values and prediction errors of both systems along choices (Daw et al. 2011).

    Both learn the value of the second state, ``V(s) += alpha (r - V(s))``. The model-based system
    plans ``Q(a) = common V(s_a) + (1 - common) V(other)``, the model-free one caches ``Q(a) +=
    alpha (V(s) - Q(a)) + alpha trace (r - V(s))``. They agree on the error at the outcome and
    differ on the error at the second state, which is where a regression can tell them apart.

    Args:
        trials: Recorded trials, no second-stage choice. Nothing is learned from one in which
            something is missing.
        common: Probability of the common transition.
        learning_rate: alpha, per trial.
        trace: lambda, how much of the outcome's error reaches the first action.

    Returns:
        Arrays ``[M, E, N]``: "model-based value" and "model-free value" of the chosen first action,
        "state value" of the second state reached, "model-based state error" and "model-free state
        error" (state value minus value of the first action), and "outcome error"; NaN where they
        are of something missing.

    Raises:
        ValueError: If a parameter is not from 0 to 1.
    """
    for name, value in (("common", common), ("learning_rate", learning_rate), ("trace", trace)):
        number(name, value, 0.0, 1.0)
    action, state = trials.first_action, trials.second_state
    known = state != MISSING
    learns = known & ~np.isnan(trials.reward)
    reward = np.nan_to_num(trials.reward)
    shape = action.shape
    # BY TRIAL: trials first, and values of both states or actions in rows [2, M, E]
    actions, states, rewards, learn_in = (
        np.ascontiguousarray(np.moveaxis(each, -1, 0)) for each in (action, state, reward, learns)
    )
    values, cached = np.zeros((2, *shape[:2])), np.zeros((2, *shape[:2]))
    planned_of, cached_of, value_of = np.zeros((3, shape[-1], *shape[:2]))
    for n in range(shape[-1]):
        second, other = actions[n] == 1, states[n] == 1
        planned = common * values + (1 - common) * values[::-1]
        planned_of[n] = np.where(second, planned[1], planned[0])
        cached_of[n] = np.where(second, cached[1], cached[0])
        value_of[n] = np.where(other, values[1], values[0])
        surprise = rewards[n] - value_of[n]
        first = learning_rate * (value_of[n] - cached_of[n] + trace * surprise)
        surprise = learning_rate * surprise
        first, surprise = first * learn_in[n], surprise * learn_in[n]
        cached += first * np.stack([~second, second])
        values += surprise * np.stack([~other, other])
    planned_of, cached_of, value_of = (
        np.ascontiguousarray(np.moveaxis(each, 0, -1)) for each in (planned_of, cached_of, value_of)
    )
    planned_of[action == MISSING] = cached_of[action == MISSING] = np.nan
    value_of[~known] = np.nan
    return {
        "model-based value": planned_of,
        "model-free value": cached_of,
        "state value": value_of,
        "model-based state error": value_of - planned_of,
        "model-free state error": value_of - cached_of,
        "outcome error": trials.reward - value_of,
    }

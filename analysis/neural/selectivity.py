"""Which units code what: regression of every unit's activity on task variables.

Previous action, previous reward, their interaction and value in prefrontal neurons (Tsutsui et al.
2016) and in the units of trained networks (Wang et al. 2018, Simulations 1 and 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import MISSING, codes, numbers
from prefrontal.analysis.stats.means import observed_mean, z_scores
from prefrontal.analysis.stats.regression import holm, linear_regression

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Selectivity:
    """Which units code which variable, per member.

    Attributes:
        names: Names of the variables, as given.
        p_values: Joint test of all columns of a variable, beyond the other variables ``[M, H, K]``.
        selective: Which pass after correction for all tests of a member ``[M, H, K]``.
        coefficients: Change of activity per standard deviation of each variable ``[M, H, K]``; for
            variables of several columns the norm over them.
        r_squared: Fraction of a unit's variance that all variables explain together ``[M, H]``.
    """

    names: tuple[str, ...]
    p_values: Array
    selective: NDArray[np.bool_]
    coefficients: Array
    r_squared: Array

    @property
    def fraction(self) -> Array:
        """Return the fraction of units that code each variable ``[M, K]``."""
        return np.asarray(self.selective.mean(axis=1))


def selectivity(
    hidden: ArrayLike, variables: Mapping[str, ArrayLike], level: float = 0.05
) -> Selectivity:
    """Test every unit against every variable, each beyond all the others.

    One linear regression a unit; variables are standardised; Wald F tests with errors clustered by
    episode, since activity and value both drift within one (steps taken for independent samples
    would call nearly every unit selective; Elber-Dorozko & Loewenstein 2018). There must be more
    episodes than columns, and some tens of them for the tests to hold their level.

    Args:
        hidden: Activity ``[M, E, T, H]``, for example at the choice of each trial. Steps at which
            activity or a variable is missing (NaN) are left out.
        variables: Name to values at the same steps ``[M, E, T]``, or ``[M, E, T, k]`` for a
            categorical variable of k columns (one-hot with one left out).
        level: Probability of any false discovery among the units and variables of a member (Holm).

    Raises:
        ValueError: If shapes disagree, a variable never changes or is a sum of others.
    """
    activity = numbers("hidden", hidden)
    if activity.ndim != 4:
        raise ValueError(f"hidden must be [M, E, T, H], got {activity.shape}")
    given = {name: _columns(name, v, activity.shape[:3]) for name, v in variables.items()}
    missing = np.any([np.isnan(a).any(axis=-1) for a in (activity, *given.values())], axis=0)
    columns, slices, start = [np.ones((*activity.shape[:3], 1))], [], 1
    for name, values in given.items():
        block = z_scores(name, np.where(missing[..., None], np.nan, values))
        slices.append(slice(start, start + block.shape[-1]))
        start += block.shape[-1]
        columns.append(block)
    design = np.concatenate(columns, axis=-1)  # [M, E, T, P]
    p_values, passed, strengths, explained = [], [], [], []
    for x, y in zip(design, activity, strict=True):
        fit = linear_regression(x, y)
        p = np.stack([fit.p_values(columns_of) for columns_of in slices], axis=-1)  # [H, K]
        p_values.append(p)
        passed.append(holm(p, level))
        strengths.append([_strength(fit.coefficients[columns_of]) for columns_of in slices])
        explained.append(fit.r_squared)
    return Selectivity(
        tuple(variables),
        np.stack(p_values),
        np.stack(passed),
        np.swapaxes(np.array(strengths), 1, 2),
        np.stack(explained),
    )


def history_variables(action: ArrayLike, reward: ArrayLike) -> dict[str, Array]:
    """Return what happened on the trial before (Wang et al. 2018, Simulation 1).

    Args:
        action: Choices ``[M, E, T]``, 0 or 1.
        reward: Rewards ``[M, E, T]``.

    Returns:
        "previous action" (-1, 1), "previous reward" and "interaction", each ``[M, E, T - 1]``, for
        activity from the second trial on: ``hidden[:, :, 1:]``; NaN after a trial in which they are
        missing.
    """
    chosen, earned = codes("action", action, 2), numbers("reward", reward)
    if chosen.ndim != 3 or chosen.shape != earned.shape:
        raise ValueError(f"arrays must be [M, E, T], got {chosen.shape} and {earned.shape}")
    arm = np.where(chosen == MISSING, np.nan, 2.0 * chosen - 1)[..., :-1]
    won = earned[..., :-1]
    # Centred, or the product would repeat the action.
    interaction = arm * (won - observed_mean(won, (0, 1, 2)))
    return {"previous action": arm, "previous reward": won, "interaction": interaction}


def _columns(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return a variable as columns ``[M, E, T, k]``."""
    block = numbers(name, values)
    if block.ndim == len(shape):
        block = block[..., None]
    if block.shape[:-1] != tuple(shape):
        raise ValueError(f"{name} must be {tuple(shape)} as hidden, got {np.shape(values)}")
    return block


def _strength(coefficients: Array) -> Array:
    """Return the signed coefficient of one column, or the norm over ``[k, H]``, as ``[H]``."""
    return coefficients[0] if len(coefficients) == 1 else np.linalg.norm(coefficients, axis=0)

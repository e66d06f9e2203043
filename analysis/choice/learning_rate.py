"""The effective learning rate: how fast behaviour follows outcomes, and when.

Behrens et al. 2007: people learn faster when the world changes faster. Wang et al. 2016, 2018: so
do trained networks, with weights frozen. The measure is the Rescorla-Wagner learning rate that best
describes the choices of a group of trials, such as blocks of one volatility.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.choice.cognitive_models import RescorlaWagner, choice_data
from prefrontal.analysis.missing import MISSING

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LearningRates:
    """Rescorla-Wagner learning rates of groups of trials that share one inverse temperature.

    Attributes:
        groups: Labels of the groups ``[G]``.
        rates: Learning rate of each group ``[G]``.
        inverse_temperature: Shared by all groups, per unit of reward.
        shared_rate: The best single learning rate.
    """

    groups: NDArray
    rates: Array
    inverse_temperature: float
    shared_rate: float


def learning_rates(
    action: ArrayLike, reward: ArrayLike, group: ArrayLike, start: float = 0.5
) -> LearningRates:
    """Fit one learning rate per group of trials, by likelihood on a grid that is refined twice.

    Values run through the whole episode with the group's own rate; only the choices within the
    group count. Exact where a group is whole episodes (Wang et al. 2016: blocks of one volatility),
    a close approximation for windows, since values forget what was before them. Values are measured
    in the range of the rewards, so that the unit of rewards does not matter.

    Args:
        action: Choices of one member ``[E, T]``, 0 or 1; -1 where missing.
        reward: Rewards ``[E, T]``; NaN where missing.
        group: Label of every trial ``[E, T]``, or of every episode ``[E]``; trials whose label is
            NaN are of no group.
        start: Value of both arms before the first reward.

    Raises:
        ValueError: If the labels fit neither trials nor episodes, choices or rewards are all alike,
            or the choices of a group say nothing of its rate.
    """
    data = choice_data(action, reward)
    labels = np.asarray(group)
    if labels.shape == data.action.shape[:1]:
        labels = np.broadcast_to(labels[:, None], data.action.shape)
    if labels.shape != data.action.shape:
        raise ValueError(f"group must be {data.action.shape} or [E], got {labels.shape}")
    names = np.unique(labels[labels == labels])  # NaN is unlike itself
    made = (data.action != MISSING).ravel()
    member = ((labels.ravel()[:, None] == names) & made[:, None]).astype(np.float64)  # [E * T, G]
    model, scale = RescorlaWagner(start), data.reward_range(("action",))

    chosen = np.where(data.action == MISSING, 0.0, 2.0 * data.action - 1)

    def tabulate(rates: Array, betas: Array) -> Array:
        """Return the log likelihood of each group ``[rates, betas, G]``."""
        table = np.empty((len(rates), len(betas), len(names)))
        for i, rate in enumerate(rates):
            values = model.values(np.array([[rate, 1.0]]), data)[0]
            advantage = chosen * (values[..., 1] - values[..., 0]) / scale  # of the arm taken
            for j, beta in enumerate(betas):
                by_trial = -np.logaddexp(0.0, -beta * advantage)
                table[i, j] = by_trial.ravel() @ member
        return table

    rates, betas = np.linspace(0.02, 1.0, 25), np.geomspace(0.3, 40, 14)
    rates_of = np.zeros(len(names))
    for _ in range(3):
        table = tabulate(rates, betas)
        at = int(table.max(axis=0).sum(axis=-1).argmax())
        beta, best = float(betas[at]), table[:, at].argmax(axis=0)
        rates_of = rates[best]
        together = table.sum(axis=-1)
        shared = np.unravel_index(int(together.argmax()), together.shape)
        unlike = np.ptp(table.reshape(-1, len(names)), axis=0) > 1e-9
        if not unlike.all():
            raise ValueError(f"the choices of group {names[~unlike][0]} say nothing of its rate")
        result = LearningRates(names, rates_of, beta / scale, float(rates[shared[0]]))
        # Finer: close to every group's best, and to the best single rate.
        width = np.diff(np.sort(rates)).max() / 2
        near = np.concatenate([[result.shared_rate], rates_of])[:, None]
        rates = np.unique(np.clip(near + np.linspace(-width, width, 7), 1e-3, 1.0).round(5))
        ratio = (betas[1] / betas[0]) ** 0.5
        centre = [beta, float(betas[shared[1]])]
        betas = np.unique((np.array(centre)[:, None] * ratio ** np.linspace(-1, 1, 5)).round(5))
    return result

"""The effective learning rate: how fast behaviour follows outcomes, and when.

Behrens et al. 2007: people learn faster when the world changes faster. Wang et al. 2016, 2018: so
do trained networks, with weights frozen. The measure is the Rescorla-Wagner learning rate that best
describes the choices of a group of trials: blocks of one volatility, or a sliding window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.choice.cognitive_models import RescorlaWagner, choice_data

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LearningRates:
    """Rescorla-Wagner learning rates of groups of trials that share one inverse temperature.

    Attributes:
        groups: Labels of the groups ``[G]``.
        rates: Learning rate of each group ``[G]``.
        inverse_temperature: Shared by all groups, per unit of reward.
        log_likelihood: With one rate per group, nats.
        shared_rate: The best single learning rate.
        shared_log_likelihood: With that single rate, nats.
        choices: Number of choices.
    """

    groups: NDArray
    rates: Array
    inverse_temperature: float
    log_likelihood: float
    shared_rate: float
    shared_log_likelihood: float
    choices: int

    @property
    def bic_gain(self) -> float:
        """Return BIC of the single rate minus BIC of one rate a group; positive: rates differ."""
        extra = len(self.groups) - 1
        gain = 2 * (self.log_likelihood - self.shared_log_likelihood)
        return float(gain - extra * np.log(self.choices))


def learning_rates(
    action: ArrayLike, reward: ArrayLike, group: ArrayLike, start: float = 0.5
) -> LearningRates:
    """Fit one learning rate per group of trials, by likelihood on a grid that is refined twice.

    Values run through the whole episode with the group's own rate; only the choices within the
    group count. Exact where a group is whole episodes (Wang et al. 2016: blocks of one volatility),
    a close approximation for windows, since values forget what was before them.

    Args:
        action: Choices of one member ``[E, T]``, 0 or 1.
        reward: Rewards ``[E, T]``.
        group: Label of every trial ``[E, T]``, or of every episode ``[E]``.
        start: Value of both arms before the first reward.

    Raises:
        ValueError: If the labels fit neither trials nor episodes.
    """
    data = choice_data(action, reward)
    labels = np.asarray(group)
    if labels.shape == data.action.shape[:1]:
        labels = np.broadcast_to(labels[:, None], data.action.shape)
    if labels.shape != data.action.shape:
        raise ValueError(f"group must be {data.action.shape} or [E], got {labels.shape}")
    names, index = np.unique(labels, return_inverse=True)
    member = np.eye(len(names))[index.ravel()]  # [E * T, G]
    model = RescorlaWagner(start)

    chosen = 2.0 * data.action - 1

    def tabulate(rates: Array, betas: Array) -> Array:
        """Return the log likelihood of each group ``[rates, betas, G]``."""
        table = np.empty((len(rates), len(betas), len(names)))
        for i, rate in enumerate(rates):
            values = model.values(np.array([[rate, 1.0]]), data)[0]
            advantage = chosen * (values[..., 1] - values[..., 0])  # of the arm taken [E, T]
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
        result = LearningRates(
            names,
            rates_of,
            beta,
            float(table[best, at, np.arange(len(names))].sum()),
            float(rates[shared[0]]),
            float(together[shared]),
            data.choices,
        )
        # Finer: close to every group's best, and to the best single rate.
        width = np.diff(np.sort(rates)).max() / 2
        near = np.concatenate([[result.shared_rate], rates_of])[:, None]
        rates = np.unique(np.clip(near + np.linspace(-width, width, 7), 1e-3, 1.0).round(5))
        ratio = (betas[1] / betas[0]) ** 0.5
        centre = [beta, float(betas[shared[1]])]
        betas = np.unique((np.array(centre)[:, None] * ratio ** np.linspace(-1, 1, 5)).round(5))
    return result


def sliding_learning_rate(
    action: ArrayLike, reward: ArrayLike, window: int = 20, stride: int = 5
) -> tuple[Array, Array]:
    """Fit the learning rate in a window that slides through episodes (Wang et al. 2018, Fig. 3).

    Args:
        action: Choices of one member ``[E, T]``, 0 or 1; at one t all episodes should be in one
            phase.
        reward: Rewards ``[E, T]``.
        window: Width in trials.
        stride: Distance between windows in trials.

    Returns:
        Middle of each window, trials ``[W]``, and its learning rate ``[W]``; the inverse
        temperature is that of the whole.
    """
    data = choice_data(action, reward)
    trials = data.action.shape[1]
    if not 1 <= window <= trials:
        raise ValueError(f"window must be 1 to {trials} trials, got {window}")
    whole = learning_rates(action, reward, np.zeros(len(data.action)))
    rates = np.linspace(0.01, 1.0, 100)
    vectors = np.stack([rates, np.full(100, whole.inverse_temperature)], axis=-1)
    parts = [
        RescorlaWagner().trial_log_likelihood(part, data).sum(axis=1)
        for part in np.array_split(vectors, 5)  # bounds the memory
    ]
    by_trial = np.concatenate(parts)  # [100, T]
    firsts = np.arange(0, trials - window + 1, stride)
    sums = np.stack([by_trial[:, first : first + window].sum(axis=1) for first in firsts])
    return firsts + (window - 1) / 2, rates[sums.argmax(axis=1)]

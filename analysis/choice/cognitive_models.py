"""Cognitive models of bandit choices: likelihood, simulation, fits and comparison.

A model is a learner with a softmax: the same few lines give its likelihood and its simulation, so
that what is fitted is what is simulated. All episodes are computed side by side, and so are the
parameter vectors that a numerical gradient needs. The two-step hybrid is in `hybrid_model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Bounds = tuple[tuple[float, float], ...]


class Model(Protocol):
    """What :func:`fit` needs of a model; ``data`` is whatever its likelihood takes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the P parameters."""

    @property
    def bounds(self) -> Bounds:
        """Return the lowest and the highest value of each parameter."""

    def log_likelihood(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the log likelihood ``[S]``, nats, under each of S parameter vectors ``[S, P]``."""


@dataclass(frozen=True)
class ChoiceData:
    """Choices to fit; every episode starts afresh.

    Attributes:
        action: Chosen arms (first-stage actions) ``[E, T]``, from 0.
        reward: Rewards ``[E, T]``.
        num_arms: Number of arms K.
        second_state: Second-stage states ``[E, T]``, 0 or 1; two-step tasks only.
        second_action: Second-stage actions ``[E, T]``; two-step tasks with a choice there only.
    """

    action: NDArray[np.int64]
    reward: Array
    num_arms: int = 2
    second_state: NDArray[np.int64] | None = None
    second_action: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check shapes and the range of actions."""
        if self.action.ndim != 2 or self.action.shape != self.reward.shape:
            raise ValueError(
                f"action and reward must be [E, T], got {self.action.shape}, {self.reward.shape}"
            )
        if self.action.min() < 0 or self.action.max() >= self.num_arms:
            raise ValueError(f"actions must be 0 to {self.num_arms - 1}, got {self.action.max()}")

    @property
    def choices(self) -> int:
        """Return the number of choices that a likelihood covers."""
        return self.action.size * (1 if self.second_action is None else 2)


def choice_data(action: ArrayLike, reward: ArrayLike, num_arms: int = 2) -> ChoiceData:
    """Return the data of one member ``[E, T]`` (or of one episode ``[T]``)."""
    actions, rewards = np.atleast_2d(action), np.atleast_2d(reward)
    return ChoiceData(actions.astype(np.int64), rewards.astype(np.float64), num_arms)


@dataclass(frozen=True)
class RescorlaWagner:
    """Delta rule and softmax: ``Q(a) += alpha (r - Q(a))``, ``p(a) ~ exp(beta Q(a))``.

    Attributes:
        start: Value of every arm before the first reward.
        forgetting: Also let the values of arms not chosen decay towards ``start``, at a rate of its
            own (Ito & Doya 2009).
    """

    start: float = 0.5
    forgetting: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return learning rate, inverse temperature, and forgetting rate if there is one."""
        names = ("learning_rate", "inverse_temperature")
        return (*names, "forgetting_rate") if self.forgetting else names

    @property
    def bounds(self) -> Bounds:
        """Return 0 to 1 for rates, 0 to 50 (a unit of reward) for the inverse temperature."""
        bounds: Bounds = ((0.0, 1.0), (0.0, 50.0))
        return (*bounds, (0.0, 1.0)) if self.forgetting else bounds

    def update(self, q: Array, parameters: Array, chosen: NDArray, reward: Array) -> Array:
        """Return the values after a trial.

        Args:
            q: Values ``[S, E, K]``.
            parameters: ``[S, P]``.
            chosen: One-hot choices ``[S or 1, E, K]``.
            reward: ``[S or 1, E]``.
        """
        rate = parameters[:, 0, None, None]
        updated = q + rate * chosen * (reward[..., None] - q)
        if self.forgetting:
            updated += parameters[:, 2, None, None] * (1 - chosen) * (self.start - q)
        return updated

    def log_likelihood(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the log likelihood ``[S]``, nats, under each of S parameter vectors ``[S, P]``."""
        logits = parameters[:, 1, None, None, None] * self.values(parameters, data)
        chosen = np.broadcast_to(data.action[None, ..., None], (*logits.shape[:3], 1))
        taken = np.take_along_axis(log_softmax(logits), chosen, axis=-1)  # [S, E, T, 1]
        return np.asarray(taken[..., 0].sum(axis=(1, 2)))

    def values(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the values of all arms before every choice of the data ``[S, E, T, K]``."""
        one_hot = np.eye(data.num_arms)[data.action]  # [E, T, K]
        result = np.full((len(parameters), *one_hot.shape), self.start)
        q = result[:, :, 0]
        for t in range(data.action.shape[1] - 1):
            q = self.update(q, parameters, one_hot[None, :, t], data.reward[None, :, t])
            result[:, :, t + 1] = q
        return result

    def simulate(
        self, parameters: Sequence[float], arm_probabilities: ArrayLike, seed: int = 0
    ) -> ChoiceData:
        """Let the model play Bernoulli bandits.

        Args:
            parameters: Its parameters, in the order of ``names``.
            arm_probabilities: Reward probabilities ``[E, T, K]``, or ``[E, 1, K]`` with ``T`` from
                broadcasting beforehand.
            seed: Seed of choices and rewards.
        """
        rng = np.random.default_rng(seed)
        p_reward = np.asarray(arm_probabilities, dtype=np.float64)
        episodes, trials, arms = p_reward.shape
        vector = np.asarray(parameters, dtype=np.float64)[None]
        q = np.full((1, episodes, arms), self.start)
        action = np.zeros((episodes, trials), dtype=np.int64)
        reward = np.zeros((episodes, trials))
        for t in range(trials):
            action[:, t] = softmax_choice(vector[0, 1] * q[0], rng)
            chosen = np.eye(arms)[action[:, t]]
            reward[:, t] = rng.random(episodes) < (p_reward[:, t] * chosen).sum(axis=-1)
            q = self.update(q, vector, chosen[None], reward[None, :, t])
        return ChoiceData(action, reward, arms)


@dataclass(frozen=True)
class Fit:
    """A maximum-likelihood fit.

    Attributes:
        model: Name of the model.
        parameters: Name to estimate.
        log_likelihood: At the estimate, nats.
        choices: Number of choices fitted.
        at_bound: Names of the parameters that ended on a bound: not identified by these data.
    """

    model: str
    parameters: dict[str, float]
    log_likelihood: float
    choices: int
    at_bound: tuple[str, ...] = field(default=())

    @property
    def bic(self) -> float:
        """Return Schwarz's criterion ``P log n - 2 log L``; lower is better."""
        return float(len(self.parameters) * np.log(self.choices) - 2 * self.log_likelihood)


def fit(
    model: Model, data: ChoiceData, starts: int = 4, seed: int = 0, name: str | None = None
) -> Fit:
    """Maximise the likelihood by L-BFGS-B from several starting points, and keep the best.

    Args:
        model: What to fit.
        data: Choices of one agent; episodes share the parameters.
        starts: Number of starting points: the likeliest of sixteen times as many random ones.
        seed: Seed of the random points.
        name: Name in the result; the class of the model by default.
    """
    from scipy import optimize

    bounds = np.array(model.bounds)
    low, high = bounds.T
    rng = np.random.default_rng(seed)
    # The likelihood has local maxima and flat places (steep softmaxes): start at the best of many.
    reach = np.minimum(high, 8.0) - low
    candidates = low + reach * rng.uniform(0.05, 0.95, (16 * starts, len(bounds)))
    order = np.argsort(-model.log_likelihood(candidates, data))
    first = candidates[order[:starts]]
    step = 1e-5

    def objective(vector: Array) -> tuple[float, Array]:
        # One call for the value and all central differences.
        forward = np.minimum(vector + step * np.eye(len(vector)), high)
        backward = np.maximum(vector - step * np.eye(len(vector)), low)
        values = -model.log_likelihood(np.concatenate([vector[None], forward, backward]), data)
        up, down = values[1 : 1 + len(vector)], values[1 + len(vector) :]
        width = (forward - backward).diagonal()
        return float(values[0]), (up - down) / width

    search = {"jac": True, "bounds": bounds, "method": "L-BFGS-B"}
    best = min(
        (optimize.minimize(objective, vector, **search) for vector in first),
        key=lambda found: float(found.fun),
    )
    near = (best.x - low < 1e-4) | (high - best.x < 1e-4)
    return Fit(
        name or type(model).__name__,
        dict(zip(model.names, (float(value) for value in best.x), strict=True)),
        -float(best.fun),
        data.choices,
        tuple(label for label, on_bound in zip(model.names, near, strict=True) if on_bound),
    )


def compare(
    models: dict[str, Model], data: ChoiceData, starts: int = 4, seed: int = 0
) -> list[Fit]:
    """Fit several models to the same choices; best (lowest BIC) first."""
    fits = [fit(model, data, starts, seed, name) for name, model in models.items()]
    return sorted(fits, key=lambda one: one.bic)


def log_softmax(logits: Array) -> Array:
    """Return the log of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def softmax_choice(logits: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw one choice for each row of logits ``[E, K]``; return choices ``[E]``."""
    probabilities = np.exp(log_softmax(logits))
    below = probabilities.cumsum(axis=-1)[:, :-1] < rng.random((len(probabilities), 1))
    return np.asarray(below.sum(axis=-1), dtype=np.int64)

"""The hybrid of model-based and model-free control of the two-step task (Daw et al. 2011)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.choice.cognitive_models import (
    Bounds,
    ChoiceData,
    log_softmax,
    parameter_vector,
    probabilities,
    softmax_choice,
)
from prefrontal.analysis.choice.two_step import TwoStepTrials
from prefrontal.analysis.missing import MISSING, codes, number

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hybrid:
    """SARSA(lambda) and planning, mixed with weight w (Daw et al. 2011, supplement; their symbols).

    Second stage: ``Q2(s, a2) += alpha2 (r - Q2)``, softmax with beta2. First stage, model-free:
    ``QTD(a1) += alpha1 (Q2 - QTD) + alpha1 lambda (r - Q2)``; model-based:
    ``QMB(a1) = sum_s P(s | a1) max_a2 Q2(s, a2)``; softmax of
    ``beta1 (w QMB + (1 - w) QTD + p rep(a1))``, where rep is one for the previous first action.

    Read w together with the rates: an agent without any model-free learning is fitted as well by
    w = 1 as by alpha1 = 0 and a larger beta1. What the data do determine is, roughly, the pulls
    ``w beta1 alpha2`` and ``(1 - w) beta1 alpha1``.

    Attributes:
        common: Probability of the common transition, known to the agent.
        options: Number of second-stage actions: 2 as in Daw et al.; 1 in the reduced tasks of
            Wang et al. (then there is no beta2).
    """

    common: float = 0.7
    options: int = 2

    def __post_init__(self) -> None:
        """Check the parameters of the task."""
        number("common", self.common, 0.0, 1.0)
        if self.options < 1:
            raise ValueError(f"options must be at least 1, got {self.options}")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters, in the order that all methods take them."""
        names = ("alpha1", "alpha2", "lambda", "w", "beta1", "perseveration")
        return (*names, "beta2") if self.options > 1 else names

    @property
    def bounds(self) -> Bounds:
        """Return 0 to 1 for rates, lambda and w, 0 to 50 (a range) for inverse temperatures."""
        bounds: Bounds = (*[(0.0, 1.0)] * 4, (0.0, 50.0), (-2.0, 2.0))
        return (*bounds, (0.0, 50.0)) if self.options > 1 else bounds

    @property
    def units(self) -> tuple[int, ...]:
        """Return -1 for inverse temperatures, 1 for perseveration, which is added to values."""
        return (0, 0, 0, 0, -1, 1, -1)[: len(self.names)]

    @property
    def explains(self) -> tuple[str, ...]:
        """Return the first-stage actions, and those of the second stage if there is a choice."""
        return ("action", "second_action") if self.options > 1 else ("action",)

    def log_likelihood(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the log likelihood ``[S]`` of both stages' choices under ``[S, P]`` parameters."""
        if data.second_state is None or (self.options > 1 and data.second_action is None):
            raise ValueError("a hybrid model needs second_state, and second_action if it has any")
        sets, episodes = len(parameters), len(data.action)
        state = self._start(sets, episodes)
        total = np.zeros(sets)
        first_hot = (data.action[..., None] == np.arange(2)).astype(np.float64)  # [E, T, 2]
        second_hot = self._second_hot(data)  # [E, T, 2 * options]
        learns = second_hot.any(axis=-1, keepdims=True) & ~np.isnan(data.reward[..., None])
        reward = np.nan_to_num(data.reward)
        for t in range(data.action.shape[1]):
            a1, a2 = first_hot[None, :, t], second_hot[None, :, t]
            total += (log_softmax(self._first_logits(parameters, state)) * a1).sum(axis=(1, 2))
            if self.options > 1:
                grouped = state[1].reshape(sets, episodes, 2, self.options)
                logits = log_softmax(parameters[:, 6, None, None, None] * grouped)
                total += (logits * a2.reshape(1, episodes, 2, self.options)).sum(axis=(1, 2, 3))
            state = self._learn(parameters, state, a1, a2, reward[None, :, t], learns[None, :, t])
        return total

    def simulate(
        self, parameters: Sequence[float], reward_probabilities: ArrayLike, seed: int = 0
    ) -> ChoiceData:
        """Let the model play.

        Args:
            parameters: In the order of ``names``.
            reward_probabilities: Of each second-stage state and action ``[E, T, 2, options]``.
            seed: Seed of transitions, choices and rewards.

        Raises:
            ValueError: If a probability is not from 0 to 1, or there are not as many parameters.
        """
        rng = np.random.default_rng(seed)
        p_reward = probabilities("reward_probabilities", reward_probabilities, 4)
        if p_reward.shape[2:] != (2, self.options):
            wanted = f"[E, T, 2, {self.options}]"
            raise ValueError(f"reward_probabilities must be {wanted}, got {p_reward.shape}")
        episodes, trials = p_reward.shape[:2]
        vector, rows = parameter_vector(self, parameters), np.arange(episodes)
        state = self._start(1, episodes)
        first, second, place = np.zeros((3, episodes, trials), dtype=np.int64)
        reward = np.zeros((episodes, trials))
        for t in range(trials):
            first[:, t] = softmax_choice(self._first_logits(vector, state)[0], rng)
            is_common = rng.random(episodes) < self.common
            place[:, t] = np.where(is_common, first[:, t], 1 - first[:, t])
            values = state[1][0].reshape(episodes, 2, self.options)[rows, place[:, t]]
            if self.options > 1:
                second[:, t] = softmax_choice(vector[0, 6] * values, rng)
            p = p_reward[rows, t, place[:, t], second[:, t]]
            reward[:, t] = rng.random(episodes) < p
            pair = np.eye(2 * self.options)[place[:, t] * self.options + second[:, t]]
            a1 = np.eye(2)[first[:, t]][None]
            state = self._learn(vector, state, a1, pair[None], reward[None, :, t], np.ones(1))
        return ChoiceData(first, reward, 2, place, second if self.options > 1 else None)

    def _start(self, sets: int, episodes: int) -> tuple[Array, Array, Array]:
        """Return first values, second values and previous action, ``[S, E, 2 or 2 * options]``."""
        first, second = np.zeros((sets, episodes, 2)), np.zeros((sets, episodes, 2 * self.options))
        return first, second, first

    def _second_hot(self, data: ChoiceData) -> Array:
        """Return which pair of state and action was met ``[E, T, 2 * options]``; none: zeros."""
        assert data.second_state is not None
        pair, known = data.second_state * self.options, data.second_state != MISSING
        if data.second_action is not None and self.options > 1:
            second = codes("second_action", data.second_action, self.options)
            pair, known = pair + second, known & (second != MISSING)
        met = pair[..., None] == np.arange(2 * self.options)
        return (met & known[..., None]).astype(np.float64)

    def _first_logits(self, parameters: Array, state: tuple[Array, Array, Array]) -> Array:
        model_free, second, previous = state
        best = second.reshape(*second.shape[:2], 2, self.options).max(axis=-1)
        planned = self.common * best + (1 - self.common) * best[..., ::-1]
        w, beta, repeat = (parameters[:, i, None, None] for i in (3, 4, 5))
        return np.asarray(beta * (w * planned + (1 - w) * model_free + repeat * previous))

    @staticmethod
    def _learn(
        parameters: Array,
        state: tuple[Array, Array, Array],
        a1: Array,
        a2: Array,
        reward: Array,
        learns: NDArray,
    ) -> tuple[Array, Array, Array]:
        """Return the state after a trial; values stay where nothing is learned ``[1, E, 1]``."""
        model_free, second, previous = state
        alpha1, alpha2, trace = (parameters[:, i, None, None] for i in (0, 1, 2))
        reached = (second * a2).sum(axis=-1, keepdims=True)  # value of the pair reached [S, E, 1]
        surprise = reward[..., None] - reached
        first_update = (reached - model_free) + trace * surprise
        return (
            model_free + alpha1 * (a1 * learns) * first_update,
            second + alpha2 * (a2 * learns) * surprise,
            np.where(a1.any(axis=-1, keepdims=True), a1, previous),
        )


def two_step_data(trials: TwoStepTrials, member: int = 0, options: int = 1) -> ChoiceData:
    """Return the trials of one member as data for `Hybrid`.

    Args:
        trials: Recorded trials.
        member: Which member.
        options: Number of second-stage actions the task has (1: the second action is ignored).

    Raises:
        ValueError: If there is no such member, or no second action.
    """
    if not 0 <= member < len(trials.reward):
        raise ValueError(f"member must be 0 to {len(trials.reward) - 1}, got {member}")
    second = None
    if options > 1:
        if trials.second_action is None:
            raise ValueError("the trials hold no second_action: use options=1")
        second = trials.second_action[member]
    return ChoiceData(
        trials.first_action[member], trials.reward[member], 2, trials.second_state[member], second
    )

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
    softmax_choice,
)
from prefrontal.analysis.choice.two_step import TwoStepTrials

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

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters, in the order that all methods take them."""
        names = ("alpha1", "alpha2", "lambda", "w", "beta1", "perseveration")
        return (*names, "beta2") if self.options > 1 else names

    @property
    def bounds(self) -> Bounds:
        """Return 0 to 1 for rates, lambda and w, and 0 to 50 for inverse temperatures."""
        bounds: Bounds = (*[(0.0, 1.0)] * 4, (0.0, 50.0), (-2.0, 2.0))
        return (*bounds, (0.0, 50.0)) if self.options > 1 else bounds

    def log_likelihood(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the log likelihood ``[S]`` of both stages' choices under ``[S, P]`` parameters."""
        if data.second_state is None or (self.options > 1 and data.second_action is None):
            raise ValueError("a hybrid model needs second_state, and second_action if it has any")
        sets, episodes = len(parameters), len(data.action)
        state = self._start(sets, episodes)
        total = np.zeros(sets)
        first_hot = np.eye(2)[data.action]  # [E, T, 2]
        second_hot = self._second_hot(data)  # [E, T, 2 * options]
        for t in range(data.action.shape[1]):
            a1, a2 = first_hot[None, :, t], second_hot[None, :, t]
            total += (log_softmax(self._first_logits(parameters, state)) * a1).sum(axis=(1, 2))
            if self.options > 1:
                grouped = state[1].reshape(sets, episodes, 2, self.options)
                logits = log_softmax(parameters[:, 6, None, None, None] * grouped)
                total += (logits * a2.reshape(1, episodes, 2, self.options)).sum(axis=(1, 2, 3))
            state = self._learn(parameters, state, a1, a2, data.reward[None, :, t])
        return total

    def simulate(
        self, parameters: Sequence[float], reward_probabilities: ArrayLike, seed: int = 0
    ) -> ChoiceData:
        """Let the model play.

        Args:
            parameters: In the order of ``names``.
            reward_probabilities: Of each second-stage state and action ``[E, T, 2, options]``.
            seed: Seed of transitions, choices and rewards.
        """
        rng = np.random.default_rng(seed)
        p_reward = np.asarray(reward_probabilities, dtype=np.float64)
        episodes, trials = p_reward.shape[:2]
        vector, rows = np.asarray(parameters, dtype=np.float64)[None], np.arange(episodes)
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
            state = self._learn(vector, state, a1, pair[None], reward[None, :, t])
        return ChoiceData(first, reward, 2, place, second if self.options > 1 else None)

    def _start(self, sets: int, episodes: int) -> tuple[Array, Array, Array]:
        """Return first values, second values and previous action, ``[S, E, 2 or 2 * options]``."""
        first, second = np.zeros((sets, episodes, 2)), np.zeros((sets, episodes, 2 * self.options))
        return first, second, first

    def _second_hot(self, data: ChoiceData) -> Array:
        assert data.second_state is not None
        pair = data.second_state * self.options
        if data.second_action is not None and self.options > 1:
            pair = pair + data.second_action
        return np.asarray(np.eye(2 * self.options)[pair])

    def _first_logits(self, parameters: Array, state: tuple[Array, Array, Array]) -> Array:
        model_free, second, previous = state
        best = second.reshape(*second.shape[:2], 2, self.options).max(axis=-1)
        planned = self.common * best + (1 - self.common) * best[..., ::-1]
        w, beta, repeat = (parameters[:, i, None, None] for i in (3, 4, 5))
        return np.asarray(beta * (w * planned + (1 - w) * model_free + repeat * previous))

    @staticmethod
    def _learn(
        parameters: Array, state: tuple[Array, Array, Array], a1: Array, a2: Array, reward: Array
    ) -> tuple[Array, Array, Array]:
        model_free, second, _ = state
        alpha1, alpha2, trace = (parameters[:, i, None, None] for i in (0, 1, 2))
        reached = (second * a2).sum(axis=-1, keepdims=True)  # value of the pair reached [S, E, 1]
        surprise = reward[..., None] - reached
        first_update = (reached - model_free) + trace * surprise
        return (
            model_free + alpha1 * a1 * first_update,
            second + alpha2 * a2 * surprise,
            np.broadcast_to(a1, model_free.shape),
        )


def two_step_data(trials: TwoStepTrials, member: int = 0, options: int = 1) -> ChoiceData:
    """Return the trials of one member as data for `Hybrid`.

    Args:
        trials: Recorded trials.
        member: Which member.
        options: Number of second-stage actions the task has (1: the second action is ignored).
    """
    second = None
    if options > 1:
        if trials.second_action is None:
            raise ValueError("the trials hold no second_action: use options=1")
        second = np.asarray(trials.second_action)[member].astype(np.int64)
    return ChoiceData(
        np.asarray(trials.first_action)[member].astype(np.int64),
        np.asarray(trials.reward)[member].astype(np.float64),
        2,
        np.asarray(trials.second_state)[member].astype(np.int64),
        second,
    )

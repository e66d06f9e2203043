"""Simulated observers of the two-step task, with known answers for every probe.

Pure NumPy, independent of the environments: the ideal Bayes observer, a model-based and a
model-free learner, and a random one. Their stay probabilities and rewards are reference lines in
figures, and the ground truth the probes are tested on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.two_step import TwoStepTrials

Array = NDArray[np.float64]
Observer = Literal["ideal", "model_based", "model_free", "random"]


@dataclass(frozen=True)
class TwoStepTask:
    """Two first actions, two second states, one of which is good.

    Attributes:
        trials: Trials in an episode.
        common: Probability that a first action leads to its own state.
        reward: Reward probability in the good state; one minus it in the other.
        flip: Probability that the good state changes at the start of a trial.
    """

    trials: int = 100
    common: float = 0.8
    reward: float = 0.9
    flip: float = 0.025


WANG_2018 = TwoStepTask()
WANG_2016 = TwoStepTask(trials=10, common=0.75, flip=0.0)


@dataclass(frozen=True)
class Simulation:
    """What an observer did.

    Attributes:
        trials: Its trials, as one member [1, E, N].
        optimal: Whether it took the first action that leads to the good state [1, E, N].
        prediction_error: Its own prediction error at the outcome, r minus the value it had given to
            the second state (or, model-free, to the first action) [1, E, N].
    """

    trials: TwoStepTrials
    optimal: NDArray[np.bool_]
    prediction_error: Array


def simulate_two_step(
    observer: Observer,
    task: TwoStepTask = WANG_2018,
    episodes: int = 1000,
    learning_rate: float = 0.5,
    inverse_temperature: float = 5.0,
    seed: int = 0,
) -> Simulation:
    """Let an observer play.

    - "ideal": knows the task; Bayes' rule gives the probability that a state is the good one, and
      it takes the action that leads there (ties at random).
    - "model_based": learns the value of the second state it visits, V += alpha (r - V), from 0;
      first actions are worth their expected V; softmax.
    - "model_free": learns the value of the first action it takes in the same way; softmax.
    - "random": each action with probability one half.

    Args:
        observer: Which one.
        task: The task; :data:`WANG_2018` or :data:`WANG_2016`.
        episodes: Episodes, independent of each other.
        learning_rate: Of the two learners, per trial.
        inverse_temperature: Of their softmax, per unit of reward.
        seed: Seed of everything random.

    Returns:
        What it did.

    Raises:
        ValueError: If the observer is unknown.
    """
    if observer not in ("ideal", "model_based", "model_free", "random"):
        raise ValueError(
            f"observer must be ideal, model_based, model_free or random, got {observer!r}"
        )
    rng = np.random.default_rng(seed)
    rows = np.arange(episodes)
    good = rng.integers(0, 2, episodes)  # the good second state
    belief = np.full(episodes, 0.5)  # ideal: probability that state 1 is the good one
    values = np.zeros((episodes, 2))  # learners: of states or of first actions
    shape = (episodes, task.trials)
    action, optimal = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    common, reward, error = np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape)
    for n in range(task.trials):
        good = np.where(rng.random(episodes) < task.flip, 1 - good, good)
        belief = belief + task.flip * (1 - 2 * belief)
        # CHOICE: preference is the log odds of action 1
        if observer == "ideal":
            preference = np.where(np.isclose(belief, 0.5), 0.0, np.sign(belief - 0.5) * 1e3)
        elif observer == "random":
            preference = np.zeros(episodes)
        else:
            reach = 2 * task.common - 1 if observer == "model_based" else 1.0
            preference = inverse_temperature * reach * (values[:, 1] - values[:, 0])
        chosen = (rng.random(episodes) < 0.5 * (1 + np.tanh(preference / 2))).astype(np.int64)
        # TRANSITION and OUTCOME
        common[:, n] = rng.random(episodes) < task.common
        state = np.where(common[:, n], chosen, 1 - chosen)
        p_reward = np.where(state == good, task.reward, 1 - task.reward)
        reward[:, n] = rng.random(episodes) < p_reward
        action[:, n], optimal[:, n] = chosen, chosen == good
        # LEARNING
        if observer == "ideal":
            believed = np.where(state == 1, belief, 1 - belief)
            predicted = believed * task.reward + (1 - believed) * (1 - task.reward)
            # A reward here, or none there, speaks for state 1.
            points_to_1 = (state == 1) == (reward[:, n] > 0)
            likelihood_1 = np.where(points_to_1, task.reward, 1 - task.reward)
            joint = belief * likelihood_1
            belief = joint / (joint + (1 - belief) * (1 - likelihood_1))
        else:
            updated = state if observer == "model_based" else chosen
            predicted = values[rows, updated]
            values[rows, updated] += learning_rate * (reward[:, n] - predicted)
        error[:, n] = reward[:, n] - predicted
    trials = TwoStepTrials(action[None], common[None], reward[None])
    return Simulation(trials, optimal[None], error[None])

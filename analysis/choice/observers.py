"""Simulated observers of the two-step tasks, with known answers for every probe.

Pure NumPy, independent of the environments. Their stay probabilities and rewards are reference
lines in figures, and the ground truth that the probes are tested on.

For the task of Wang et al. (2016, 2018): the ideal Bayes observer, a model-based and a model-free
learner, and a random one. For that of Daw et al. (2011), on given walks of the reward
probabilities: a Bayesian observer that knows everything but the walks, filters each of the four
probabilities on a grid and takes what is best in expectation now (the optimum would explore a
little besides; it is not known), and the two ends of the hybrid model with parameters that earn
most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.cognitive_models import probabilities
from prefrontal.analysis.choice.hybrid_model import Hybrid
from prefrontal.analysis.choice.two_step import TwoStepTrials
from prefrontal.analysis.missing import number

Array = NDArray[np.float64]
Observer = Literal["ideal", "model_based", "model_free", "random"]
DawObserver = Literal["bayesian", "model_based", "model_free", "random"]


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

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name in ("common", "reward", "flip"):
            number(name, getattr(self, name), 0.0, 1.0)
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, got {self.trials}")


WANG_2018 = TwoStepTask()
WANG_2016 = TwoStepTask(trials=10, common=0.75, flip=0.0)


@dataclass(frozen=True)
class Simulation:
    """What an observer did.

    Attributes:
        trials: Its trials, as one member ``[1, E, N]``.
        optimal: Whether it took the first action that leads to the good state ``[1, E, N]``.
        prediction_error: Its own prediction error at the outcome, r minus the value it had given to
            the second state (or, model-free, to the first action) ``[1, E, N]``.
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
    """Let an observer play the task of Wang et al. (2016, 2018).

    - "ideal": knows the task; Bayes' rule gives the probability that a state is the good one, and
      it takes the action that leads there (ties at random).
    - "model_based": learns the value of the second state it visits, V += alpha (r - V), from 0;
      first actions are worth their expected V; softmax.
    - "model_free": learns the value of the first action it takes in the same way; softmax.
    - "random": each action with probability one half.

    Args:
        observer: Which one.
        task: The task; `WANG_2018` or `WANG_2016`.
        episodes: Episodes, independent of each other.
        learning_rate: Of the two learners, per trial.
        inverse_temperature: Of their softmax, per unit of reward.
        seed: Seed of everything random.

    Raises:
        ValueError: If the observer is unknown, or a parameter cannot be one.
    """
    number("learning_rate", learning_rate, 0.0, 1.0)
    number("inverse_temperature", inverse_temperature, 0.0)
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
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


# Parameters of `Hybrid`: alpha1, alpha2, lambda, w, beta1, perseveration, beta2
LEARNERS = {
    "model_based": (0.0, 0.4, 0.0, 1.0, 20.0, 0.0, 8.0),
    "model_free": (0.4, 0.4, 1.0, 0.0, 8.0, 0.0, 8.0),
    "random": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}


def simulate_daw(
    observer: DawObserver,
    p: Array,
    common: float = 0.7,
    drift: float = 0.025,
    bounds: tuple[float, float] = (0.25, 0.75),
    seed: int = 0,
    bins: int = 50,
) -> TwoStepTrials:
    """Let an observer play the task of Daw et al. (2011) on given walks.

    Args:
        observer: "bayesian", "model_based", "model_free" or "random".
        p: Reward probability of each second-stage state and action ``[E, N, 2, 2]``.
        common: Probability of the common transition.
        drift: Standard deviation of a step of the walks.
        bounds: Where the walks are reflected.
        seed: Seed of everything random.
        bins: Cells of the Bayesian observer's grid.

    Returns:
        Its trials, as one member ``[1, E, N]``.

    Raises:
        ValueError: If the observer is unknown, or a parameter cannot be one.
    """
    p = probabilities("p", p, 4)
    number("common", common, 0.0, 1.0)
    number("drift", drift, 0.0)
    if not 0 <= bounds[0] < bounds[1] <= 1 or bins < 1:
        raise ValueError(f"bounds must be 0 <= low < high <= 1 with a bin or more, got {bounds}")
    if observer == "bayesian":
        return _bayesian(p, common, drift, bounds, seed, bins)
    if observer not in LEARNERS:
        allowed = ", ".join(["bayesian", *LEARNERS])
        raise ValueError(f"observer must be one of {allowed}, got {observer!r}")
    data = Hybrid(common).simulate(LEARNERS[observer], p, seed)
    assert data.second_state is not None
    assert data.second_action is not None
    return TwoStepTrials(
        data.action[None],
        (data.second_state == data.action)[None],
        data.reward[None],
        data.second_action[None],
    )


def _bayesian(
    p: Array, common: float, drift: float, bounds: tuple[float, float], seed: int, bins: int
) -> TwoStepTrials:
    """Play by Bayes' rule on a grid of the four reward probabilities."""
    rng = np.random.default_rng(seed)
    episodes, trials = p.shape[:2]
    centres, moves = _walk(drift, bounds, bins)
    belief = np.full((episodes, 2, 2, bins), 1.0 / bins)
    rows = np.arange(episodes)
    first, second, place = np.zeros((3, episodes, trials), dtype=np.int64)
    reward = np.zeros((episodes, trials))
    for n in range(trials):
        value = belief @ centres  # [E, 2, 2]
        # CHOICES: the action whose common state is worth more, then the better one in that state
        first[:, n] = _better(value.max(axis=2), rng)
        is_common = rng.random(episodes) < common
        s = place[:, n] = np.where(is_common, first[:, n], 1 - first[:, n])
        a = second[:, n] = _better(value[rows, s], rng)
        # OUTCOME, Bayes' rule, drift
        won = rng.random(episodes) < p[rows, n, s, a]
        reward[:, n] = won
        updated = belief[rows, s, a] * np.where(won[:, None], centres, 1 - centres)
        belief[rows, s, a] = updated / updated.sum(axis=1, keepdims=True)
        belief = belief @ moves
    return TwoStepTrials(first[None], (place == first)[None], reward[None], second[None])


def _walk(drift: float, bounds: tuple[float, float], bins: int) -> tuple[Array, Array]:
    """Return the centres of the cells, and the chances ``[from, to]`` of a step of the walk."""
    from scipy import stats

    low, high = bounds
    edges = np.linspace(low, high, bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    if drift == 0:
        return centres, np.eye(bins)
    span = high - low
    moves = np.zeros((bins, bins))
    for image in range(-2, 3):  # a reflected walk is a free one, folded
        for start in (centres, 2 * low - centres):
            cdf = stats.norm.cdf((edges[None] - start[:, None] - 2 * image * span) / drift)
            moves += np.diff(cdf, axis=1)
    return centres, moves / moves.sum(axis=1, keepdims=True)


def _better(values: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the index of the larger of two ``[E, 2]``, at random where they are equal."""
    difference = values[:, 1] - values[:, 0]
    tie = np.isclose(difference, 0.0, atol=1e-12)
    return np.where(tie, rng.random(len(values)) < 0.5, difference > 0).astype(np.int64)

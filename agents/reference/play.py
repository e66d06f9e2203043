"""Playing reference policies: on given bandit arms, and in place of a trained agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from prefrontal.agents.reference.counting import Floats, Policy, State
from prefrontal.agents.reference.memory import RescorlaWagner


def simulate(
    policy: Policy,
    p: ArrayLike,
    trials: int,
    rng: Generator,
    noise: ArrayLike | None = None,
) -> dict[str, NDArray[Any]]:
    """Play a policy on given arms.

    Args:
        policy: What chooses.
        p: Probability of reward of each arm, ``[n, k]``, or at each trial, ``[n, T, k]``.
        trials: Pulls an episode, T.
        rng: Source of the policy's randomness and, without `noise`, of the rewards.
        noise: Uniforms ``[n, T]``, for common random numbers: an arm pays 1 where noise < p.

    Returns:
        "action" ``[n, T]`` int, "reward" ``[n, T]``, and "regret" ``[n, T]``, the expected loss of
        each choice, max_k p - p of the chosen arm.

    Raises:
        ValueError: If `p` or `noise` has the wrong shape.
    """
    arms = np.asarray(p, np.float64)
    if arms.ndim not in (2, 3) or (arms.ndim == 3 and arms.shape[1] != trials):
        raise ValueError(f"p must be [n, k] or [n, {trials}, k], not {list(arms.shape)}")
    n, k = arms.shape[0], arms.shape[-1]
    uniform = rng.random((n, trials)) if noise is None else np.asarray(noise)
    if uniform.shape != (n, trials):
        raise ValueError(f"noise must be [{n}, {trials}], not {list(uniform.shape)}")
    actions = np.zeros((trials, n), np.int64)
    rewards, regrets = np.zeros((trials, n)), np.zeros((trials, n))
    rows = np.arange(n)
    best = arms.max(axis=-1)
    state = policy.begin(n, k, trials)
    for t in range(trials):
        now, best_now = (arms, best) if arms.ndim == 2 else (arms[:, t], best[:, t])
        action = policy.act(state, rng)
        expected = now[rows, action]
        reward = (uniform[:, t] < expected).astype(np.float64)
        state = policy.update(state, action, reward)
        actions[t], rewards[t], regrets[t] = action, reward, best_now - expected
    return {"action": actions.T, "reward": rewards.T, "regret": regrets.T}


def best_fixed_alpha(
    p: ArrayLike,
    rng: Generator,
    alphas: Sequence[float] = tuple(np.arange(1, 20) / 20.0),
    betas: Sequence[float] = (2.0, 5.0, 10.0, 20.0, float("inf")),
    coupled: bool = False,
) -> tuple[RescorlaWagner, Floats]:
    """Find the fixed Rescorla-Wagner agent of least regret, all tried on the same random numbers.

    Args:
        p: Probabilities of reward in every trial, ``[n, T, k]``.
        rng: Source of the random numbers.
        alphas: Learning rates to try.
        betas: Inverse temperatures to try.
        coupled: Passed to `RescorlaWagner`.

    Returns:
        The best agent, and the mean regret of an episode ``[len(alphas), len(betas)]``.
    """
    arms = np.asarray(p, np.float64)
    noise, seed = rng.random(arms.shape[:2]), int(rng.integers(2**63))
    regret = np.zeros((len(alphas), len(betas)))
    for i, alpha in enumerate(alphas):
        for j, beta in enumerate(betas):
            policy = RescorlaWagner(float(alpha), float(beta), coupled=coupled)
            played = simulate(policy, arms, arms.shape[1], np.random.default_rng(seed), noise)
            regret[i, j] = played["regret"].sum(axis=1).mean()
    best = divmod(int(regret.argmin()), len(betas))
    alpha, beta = float(alphas[best[0]]), float(betas[best[1]])
    return RescorlaWagner(alpha, beta, coupled=coupled), regret


# AS AN AGENT


class ReferenceAgent:
    """A reference policy with the `predict` of a trained agent.

    It reads the previous action and reward from the observation, so it runs wherever an agent
    does, for example in Stable-Baselines3's `evaluate_policy`.

    Args:
        policy: What chooses.
        input_slices: Columns of the observation: "action" (one-hot) and `reward_input`.
        num_arms: Number of arms.
        trials: Pulls an episode.
        seed: Seed of the policy's randomness.
        reward_range: Least and largest reward, to undo "centred_reward".
        reward_input: "reward" or "centred_reward".

    Raises:
        ValueError: If an input is missing or has the wrong width.
    """

    def __init__(
        self,
        policy: Policy,
        input_slices: Mapping[str, slice],
        num_arms: int,
        trials: int,
        seed: int = 0,
        reward_range: tuple[float, float] = (0.0, 1.0),
        reward_input: Literal["reward", "centred_reward"] = "reward",
    ) -> None:
        if reward_input not in ("reward", "centred_reward"):
            raise ValueError(f"reward_input must be reward or centred_reward, not {reward_input!r}")
        for name, wanted in (("action", num_arms), (reward_input, 1)):
            if name not in input_slices:
                present = ", ".join(input_slices)
                raise ValueError(f"a reference agent needs the input {name!r}; there are {present}")
            width = input_slices[name].stop - input_slices[name].start
            if width != wanted:
                raise ValueError(f"input {name!r} must have width {wanted}, not {width}")
        self.policy, self.num_arms, self.trials = policy, num_arms, trials
        self.reward_range, self.reward_input = reward_range, reward_input
        self._action_slice = input_slices["action"]
        self._reward_slice = input_slices[reward_input]
        self._rng = np.random.default_rng(seed)

    def predict(
        self,
        observation: ArrayLike,
        state: State | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, State]:
        """Choose an arm in each row.

        Args:
            observation: One observation ``[I]`` or a batch ``[n, I]``.
            state: What the last call returned; None: all episodes begin.
            episode_start: True where an episode begins, ``[n]``; the state of those rows is reset.
                So is a row without a previous action (all zeros): it is at its first step.
            deterministic: Without effect: a policy's randomness is part of what it is.

        Returns:
            The action, an integer or ``[n]``, and the new state.

        Raises:
            ValueError: If `state` or `episode_start` has another number of rows than `observation`.
        """
        obs = np.asarray(observation, np.float64)
        batch = np.atleast_2d(obs)
        n = batch.shape[0]
        previous = batch[:, self._action_slice]
        starts = np.asarray(False if episode_start is None else episode_start, bool)
        if starts.shape not in ((), (n,)):
            raise ValueError(f"episode_start must be [{n}], not {list(starts.shape)}")
        starts = starts | (previous == 0.0).all(axis=1)
        fresh = self.policy.begin(n, self.num_arms, self.trials)
        if state is None:
            state = fresh
        else:
            old = next(len(value) for value in state.values() if isinstance(value, np.ndarray))
            if old != n:
                raise ValueError(f"state has {old} rows, but there are {n} observations")
            # Rows that start are updated with arm 0 and no reward, then reset.
            reward = batch[:, self._reward_slice][:, 0]
            if self.reward_input == "centred_reward":
                low, high = self.reward_range
                reward = low + (high - low) * (reward + 1.0) / 2.0
            reward = np.where(starts, 0.0, reward)
            action = np.where(starts, 0, previous.argmax(axis=1))
            state = _reset_rows(self.policy.update(state, action, reward), fresh, starts)
        choice = self.policy.act(state, self._rng)
        return (choice[0] if obs.ndim == 1 else choice), state


def _reset_rows(state: State, fresh: State, rows: NDArray[np.bool_]) -> State:
    """Return `state` with the marked rows replaced by those of `fresh`."""
    return {
        key: np.where(rows.reshape(-1, *[1] * (value.ndim - 1)), fresh[key], value)
        if isinstance(value, np.ndarray)
        else value
        for key, value in state.items()
    }

"""Rewards of seven sizes: the task in which dopamine neurons were seen to expect a distribution."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prefrontal.checking import option
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, constant, ticking
from prefrontal.envs.splits import chequerboard
from prefrontal.envs.task import Params, State, StepResult, Task, check_parameters

AMOUNTS = (0.1, 0.3, 1.2, 2.5, 5.0, 10.0, 20.0)  # microlitres
LARGEST = AMOUNTS[-1]


@dataclasses.dataclass(frozen=True)
class VariableMagnitude(Task):
    """One of seven amounts on every trial, how often each has to be found out.

    ## Description
    On every trial the same cue is followed by one of seven amounts of juice. How probable each is
    stays fixed for the episode and is new in the next, so what there is to learn within an episode
    is not one value but a distribution. Nothing can be done about it: conditioning is Pavlovian.

    ## Action Space
    `Discrete(1)`: wait.

    ## Observation Space
    A constant 1 (the cue), followed by the chosen `inputs`. `reward_one_hot` says which amount
    came last.

    ## Starting State
    The probabilities w of the seven amounts are uniform on the simplex, Dirichlet(1, ..., 1).
    After n_k trials with amount k out of n, the next one is k with probability
    (n_k + 1) / (n + 7).

    ## Reward
    The amount in units of the largest: .1, .3, 1.2, 2.5, 5, 10 or 20 microlitres over 20.

    ## Information
    `task`: `w` [7], the probability of each amount. Each step: `trial`; `expected_reward` and
    `optimal_reward`, both the mean of the distribution; `optimal_action`, 0.

    ## Task Distribution
    w is made of six uniform numbers by breaking a stick, a map without overlaps. The cube of these
    numbers is cut into 8 cells a side and coloured like a chequerboard: cells whose indices have
    an even sum are `train`, the others `held_out`. Means of w agree between the halves to
    10^-5. `all`: the whole simplex.

    ## Paper Correspondence
    Dabney et al. 2020, variable-magnitude task: the seven amounts. There each animal met one
    distribution for all sessions; here the distribution changes between episodes, so that it has to
    be learned within one. Trials have no delay between cue and reward; distribution and split are
    ours.

    ## References
    Dabney W et al. 2020, A distributional code for value in dopamine-based reinforcement learning,
    Nature 577:671-675.
    """

    parameters = ("w",)
    open_loop = True
    noise = 1  # which amount?
    num_actions = 1
    reward_range = (AMOUNTS[0] / LARGEST, 1.0)
    reward_values = tuple(amount / LARGEST for amount in AMOUNTS)
    draws = len(AMOUNTS) - 1  # where the stick is broken

    trials: int = option(100, "Rewards of an episode.", least=1)

    @property
    def steps(self) -> int:
        """One step a trial."""
        return self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the probability of each amount, ``{"w": [n, 7]}``."""
        cube = chequerboard(uniform, split).clamp(max=1.0)
        left = torch.ones_like(cube[:, 0])
        parts = []
        for k in range(self.draws):  # the part of Beta(1, 6 - k) of what is left
            kept = left * (1.0 - cube[:, k]).pow(1.0 / (self.draws - k))
            parts.append(left - kept)
            left = kept
        return {"w": torch.stack([*parts, left], dim=1)}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"w": [num_envs, 7]}``, probabilities that sum to 1."""
        checked = check_parameters(params, w=((len(AMOUNTS),), 0.0, 1.0))
        if not bool(((checked["w"].sum(dim=1) - 1.0).abs() < 1e-3).all()):
            raise ValueError("task parameter 'w' must sum to 1 in every episode")
        return checked

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (the cue)."""
        w = params["w"]
        cue = torch.ones(len(w), 1, device=w.device)
        below = w.cumsum(dim=1)[:, :-1].T.contiguous()  # the last amount takes what is left
        amounts = torch.tensor(self.reward_values, device=w.device)
        return {"t": 0, "cue": cue, "below": below, "amounts": amounts}, cue

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay one of the amounts."""
        reward = state["amounts"].take((noise[0] >= state["below"]).sum(dim=0))
        return {**state, "t": state["t"] + 1}, state["cue"], reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return the amount of every step."""
        state, cue = self.reset(params)
        rewards = state["amounts"].take((noise >= state["below"]).sum(dim=1, keepdim=True))
        return Outcomes(rewards, constant(cue, self.steps), ticking(state, self.steps))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the trial, and the mean of the distribution as expected and best reward."""
        mean = params["w"] @ state["amounts"]
        return {
            "trial": torch.full_like(action, state["t"]),
            "optimal_action": torch.zeros_like(action),
            "expected_reward": mean,
            "optimal_reward": mean,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the probabilities and the time t / T, ``[n, 8]``."""
        return torch.cat([params["w"], state["cue"] * (state["t"] / self.trials)], dim=1)

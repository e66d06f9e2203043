"""A safe and a risky arm: the task in which dopamine is blocked or stimulated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import bands
from prefrontal.envs.task import Params, State, Task, check_at_least, check_parameters

SAFE, RISKY = 0, 1


@dataclasses.dataclass(frozen=True)
class RiskyChoice(Task):
    """A small reward for certain, or a large one with a probability that has to be found out.

    ## Description
    The safe arm always pays a little; the risky arm pays much with a probability that is fixed for
    the episode and unknown at its start. Whether risk is worth it has to be learned from its
    outcomes. If the agent's actor is given the critic's reward prediction error in place of the
    reward, adding to it or subtracting from it after an outcome (stimulating or blocking
    dopamine) shifts the choices that follow, while no weight changes.

    ## Action Space
    `Discrete(2)`: 0 safe, 1 risky.

    ## Observation Space
    A constant 1 (a go cue), followed by the chosen `inputs` (previous action, reward, time).

    ## Starting State
    The probability p of the large reward is uniform on [`low`, `high`].

    ## Reward
    Safe: `small`. Risky: 1 with probability p, else 0.

    ## Episode End
    Terminates after `trials` steps. Never truncates.

    ## Information
    `task`: `p`. Each step: `trial`; `risky`, whether the risky arm is chosen; `optimal_action`
    (risky if p is at least `small`), `expected_reward`, `optimal_reward`.

    ## Arguments
    `small=.25`: the safe reward. `low=0`: least probability of the large reward. `high=.5`:
    greatest. `trials=100`: choices of an episode.

    ## Task Distribution
    The range of p is cut into 8 bands: bands 0, 3, 5, 6 are `train`, bands 1, 2, 4, 7 `held_out`,
    with the same mean (.25 by default, where both arms are worth the same) and variance, and in both
    halves risk pays in half of the episodes. `all`: the whole range.

    ## Paper Correspondence
    Wang et al. 2018, simulation 6, after Stopper et al. 2014: rats chose between one pellet for
    certain and four pellets at a risk, so that rewards are 1/4 and 1 in units of the large one. The
    distribution of p, the number of trials and the split are ours; there is no fixation step,
    and no forced trials come before the free choices. The prediction error that replaces the
    reward is a matter of the agent, not of this environment.

    ## References
    Wang JX et al. 2018, Prefrontal cortex as a meta-reinforcement learning system, Nature
    Neuroscience 21:860-868. Stopper CM et al. 2014, Overriding phasic dopamine signals redirects
    action selection during risk/reward decision making, Neuron 84:177-189.

    ## Version History
    v0: initial version.
    """

    parameters = ("p",)

    small: float = 0.25
    low: float = 0.0
    high: float = 0.5
    trials: int = 100

    def __post_init__(self) -> None:
        check_at_least("trials", self.trials, 1)
        if not 0.0 < self.small < 1.0:
            raise ValueError(f"small must lie between 0 and 1, the large reward; got {self.small}")
        if not 0.0 <= self.low < self.high <= 1.0:
            raise ValueError(
                f"low and high must be 0 <= low < high <= 1; got {self.low, self.high}"
            )

    @property
    def steps(self) -> int:
        """One step a trial."""
        return self.trials

    @property
    def noise(self) -> int:
        """One uniform a step: does the risky arm pay?"""
        return 1

    @property
    def num_actions(self) -> int:
        """Safe or risky."""
        return 2

    @property
    def reward_range(self) -> tuple[float, float]:
        """Nothing, or the large reward."""
        return 0.0, 1.0

    @property
    def reward_values(self) -> tuple[float, ...]:  # type: ignore[override]
        """Nothing, the small reward, the large one."""
        return 0.0, self.small, 1.0

    @property
    def draws(self) -> int:
        """One uniform: the probability of the large reward."""
        return 1

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the probability of the large reward, ``{"p": [n]}``."""
        return {"p": self.low + (self.high - self.low) * bands(uniform[:, 0], split)}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs]}``, any probability."""
        return check_parameters(params, p=((), 0.0, 1.0))

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (a go cue)."""
        cue = torch.ones(len(params["p"]), 1, device=params["p"].device)
        # By action + 2 x (would the risky arm pay?)
        pays = torch.tensor([self.small, 0.0, self.small, 1.0], device=cue.device)
        return {"t": 0, "cue": cue, "pays": pays}, cue

    def step(
        self, params: Params, state: State, action: Tensor, noise: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """Pay the small reward, or the large one with its probability."""
        reward = state["pays"].take(torch.add(action, noise[0] < params["p"], alpha=2))
        return {**state, "t": state["t"] + 1}, state["cue"], reward

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, choice, better arm, and the expected rewards of the chosen and the better."""
        p = params["p"]
        return {
            "trial": torch.full_like(action, state["t"]),
            "risky": (action == RISKY).long(),
            "optimal_action": (p >= self.small).long(),
            "expected_reward": torch.where(action == RISKY, p, self.small),
            "optimal_reward": p.clamp(min=self.small),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the probability of the large reward and the time t / T, ``[n, 2]``."""
        time = state["cue"][:, 0] * (state["t"] / self.trials)
        return torch.stack([params["p"], time], dim=1)

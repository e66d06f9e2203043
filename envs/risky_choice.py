"""A safe and a risky arm: the task in which dopamine is blocked or stimulated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prefrontal.checking import option
from prefrontal.envs.bandits import Bandit
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, constant, ticking
from prefrontal.envs.splits import bands
from prefrontal.envs.task import Params, State, StepResult, check_parameters

SAFE, RISKY = 0, 1


@dataclasses.dataclass(frozen=True)
class RiskyChoice(Bandit):
    """A small reward for certain, or a large one with a probability that has to be found out.

    ## Description
    The safe arm always pays a little; the risky arm pays much with a probability that is fixed for
    the episode and unknown at its start. Whether risk is worth it has to be learned from its
    outcomes. If the agent's actor is given the critic's reward prediction error in place of the
    reward, adding to it or subtracting from it after an outcome (stimulating or blocking
    dopamine) shifts the choices that follow, while no weight changes.

    ## Action Space
    `Discrete(2)`: 0 safe, 1 risky.

    ## Starting State
    The probability p of the large reward is uniform on [`low`, `high`].

    ## Reward
    Safe: `small`. Risky: 1 with probability p, else 0.

    ## Information
    `task`: `p`. Each step: `trial`; `risky`, whether the risky arm is chosen; `optimal_action`
    (risky if p is at least `small`), `expected_reward`, `optimal_reward`.

    ## Task Distribution
    The range of p is cut into 8 bands: bands 0, 3, 5, 6 are `train`, bands 1, 2, 4, 7 `held_out`,
    with the same mean (.25 by default, where both arms are worth the same) and variance, and in
    both halves risk pays in half of the episodes. `all`: the whole range.

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
    """

    parameters = ("p",)
    open_loop = True
    draws = 1  # the probability of the large reward

    small: float = option(0.25, "Reward of the safe arm.", above=0, below=1)
    low: float = option(0.0, "Smallest probability of the large reward.", least=0, most=1)
    high: float = option(0.5, "Largest probability of the large reward.", least=0, most=1)
    trials: int = option(100, "Choices of an episode.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise ValueError(f"low must be below high, {self.high}, not {self.low}")

    @property
    def reward_values(self) -> tuple[float, ...]:  # type: ignore[override]
        """Nothing, the small reward, the large one."""
        return 0.0, self.small, 1.0

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

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay the small reward, or the large one with its probability."""
        reward = state["pays"].take(torch.add(action, noise[0] < params["p"], alpha=2))
        return {**state, "t": state["t"] + 1}, state["cue"], reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what both arms would pay at every step."""
        state, cue = self.reset(params)
        pays = torch.cat([torch.full_like(noise, self.small), (noise < params["p"]).float()], 1)
        return Outcomes(pays, constant(cue, self.steps), ticking(state, self.steps))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, choice, better arm, and expected rewards of the chosen and the better."""
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

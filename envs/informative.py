"""The bandit with an informative arm: giving up reward now to know where it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prefrontal.checking import option
from prefrontal.envs.bandits import Bandit
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, constant
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import Params, State, StepResult, check_parameters

ORDINARY = 10  # arms that may be the target; the informative arm has this index
TARGET_REWARD = 5.0
OTHER_REWARD = 1.0
#: Targets (from 0) that training never sees: arms 4 and 7 of the paper's 1 to 10, whose mean is
#: that of all, so that the optimal return is 20.55 in every split.
HELD_OUT_TARGETS = (3, 6)


@dataclasses.dataclass(frozen=True)
class InformativeArmBandit(Bandit):
    """Ten ordinary arms, one of them the target, and an arm that tells which.

    ## Description
    One of ten arms, the target, pays 5; the other nine pay 1. The eleventh arm pays little, but
    how much tells which arm is the target. All rewards are certain. The best strategy pays the
    price once: pull the informative arm, then the target to the end.

    ## Action Space
    `Discrete(11)`: arms 0 to 9 are ordinary, arm 10 is informative.

    ## Observation Space
    A constant 1 (a go cue), followed by the chosen `inputs` (previous action, reward, time). The
    paper gives the reward one-hot, `inputs=("action", "reward_one_hot", "time")`.

    ## Starting State
    The target is uniform on the targets of the split.

    ## Reward
    5 for the target, 1 for other ordinary arms, 0.1 x k for the informative arm where the target
    is the k-th arm (k = 1 to 10; for k = 10 this is 1, like an ordinary arm).

    ## Information
    `task`: `target`, counted from 0. Each step: `trial`; `expected_reward`, what the chosen arm
    pays; `optimal_action`, the best action for an agent that knows only what happened in this
    episode (the informative arm while the target is unknown, on the last trial an ordinary arm
    not tried yet; the target once it is known); `optimal_reward`, what the best strategy earns on
    this trial: 0.1 x k on the first, 5 on the others. So `optimal_reward` sums to the optimal
    return, 20.55 on average, and the regret of an episode is what was lost to that strategy
    (negative after a lucky guess).

    ## Task Distribution
    `train`: eight targets. `held_out`: arms 4 and 7 (indices 3 and 6); the mean of k, and so the
    optimal return, is the same. A network that has never been paid for an arm has no reason to
    pull it, so failure on `held_out` is expected of one-hot actions, and worth measuring. To
    compare with the paper, train and test on `all`.

    ## Paper Correspondence
    Wang et al. 2016, experiment 3: as published, on `all`. Expected returns over 5 trials: optimal
    20.55, search without the informative arm 11.0, uniformly random 6.61.

    ## References
    Wang JX et al. 2016, Learning to reinforcement learn, arXiv:1611.05763.
    """

    parameters = ("target",)
    noise = 0  # rewards are certain
    num_actions = ORDINARY + 1
    reward_range = (0.1, TARGET_REWARD)
    draws = 1  # the target
    reward_values = (*((k + 1) / 10 for k in range(ORDINARY)), TARGET_REWARD)

    trials: int = option(5, "Pulls of an episode.", least=2)

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the target, ``{"target": [n]}`` int64 from 0."""
        check_split(split)
        held_out = set(HELD_OUT_TARGETS)
        targets = {
            "train": sorted(set(range(ORDINARY)) - held_out),
            "held_out": sorted(held_out),
            "all": list(range(ORDINARY)),
        }[split]
        index = (uniform[:, 0] * len(targets)).long().clamp_(max=len(targets) - 1)
        return {"target": torch.tensor(targets, device=uniform.device)[index]}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"target": [num_envs]}``, whole numbers from 0 to 9."""
        return check_parameters(params, integers=("target",), target=((), 0, ORDINARY - 1))

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (a go cue)."""
        target = params["target"]
        device = target.device
        # PAYOFF [target, arm]
        payoff = torch.full((ORDINARY, ORDINARY + 1), OTHER_REWARD, device=device)
        payoff.fill_diagonal_(TARGET_REWARD)
        payoff[:, ORDINARY] = torch.tensor(self.reward_values[:ORDINARY], device=device)
        cue = torch.ones(len(target), 1, device=device)
        state = {
            "t": 0,
            "payoff": payoff,
            "offset": target * (ORDINARY + 1),
            "cue": cue,
            "past": (),  # actions so far, for the optimal action
        }
        return state, cue

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay what the chosen arm pays for this target."""
        reward = state["payoff"].take(state["offset"] + action)
        past = (*state["past"], action.clone())
        return {**state, "t": state["t"] + 1, "past": past}, state["cue"], reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what every arm would pay at every step; facts depend on the arms tried before."""
        state, cue = self.reset(params)
        paid = state["payoff"][params["target"]]
        return Outcomes(constant(paid, self.steps), constant(cue, self.steps))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts described under Information."""
        target, t = params["target"], state["t"]
        tried = torch.zeros(len(target), ORDINARY + 1, dtype=torch.bool, device=target.device)
        for past in state["past"]:
            tried.scatter_(1, past[:, None], True)
        known = tried[:, ORDINARY] | tried.gather(1, target[:, None])[:, 0]
        look = torch.full_like(target, ORDINARY)
        untried = tried[:, :ORDINARY].to(torch.uint8).argmin(dim=1)
        unknown = look if t < self.trials - 1 else untried  # a look pays only if a pull follows
        hint = state["payoff"][target, ORDINARY]
        return {
            "trial": torch.full_like(target, t),
            "optimal_action": torch.where(known, target, unknown),
            "expected_reward": state["payoff"].take(state["offset"] + action),
            "optimal_reward": hint if t == 0 else torch.full_like(hint, TARGET_REWARD),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the one-hot target and the time t / T, ``[n, 11]``."""
        one_hot = torch.nn.functional.one_hot(params["target"], ORDINARY).to(torch.float32)
        return torch.cat([one_hot, state["cue"] * (state["t"] / self.steps)], dim=1)

"""Foraging at two baited targets: what is not taken stays, and choices come to match rewards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prefrontal.checking import option
from prefrontal.envs.bandits import Bandit
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import Params, State, StepResult, check_parameters

TOTAL = 0.5  # sum of the two base probabilities
#: Edges of the base probability of target 0; each range, and their union, is symmetric about 1/4.
RANGES = {
    "train": ((0.0, 0.1), (0.2, 0.3), (0.4, 0.5)),
    "held_out": ((0.1, 0.2), (0.3, 0.4)),
    "all": ((0.0, 0.5),),
}


@dataclasses.dataclass(frozen=True)
class Foraging(Bandit):
    """Two targets that are baited now and then, and stay baited until they are chosen.

    ## Description
    On every trial each target is baited with its own base probability, if it is not baited yet; the
    agent chooses one and takes the bait if there is any. So a target that pays seldom is worth a
    visit after a while. Animals, and networks, come to choose the targets in (nearly) the ratio in
    which they have paid: the matching law.

    ## Action Space
    `Discrete(2)`: the target to choose.

    ## Starting State
    The base probability p0 of target 0 is uniform on the ranges of the split, that of target 1
    is .5 - p0. Neither target is baited before trial 0.

    ## Reward
    1 with probability 1 - (1 - p)^(n + 1), where p is the base probability of the chosen target and
    n the number of trials since it was last chosen (or since the start); otherwise 0.

    ## Information
    `task`: `p` [2], the base probabilities. Each step: `trial`; `optimal_action`, the target with
    the higher probability of a reward now (ties: target 0); `expected_reward`, the probability of
    the chosen target, `optimal_reward` the higher one. One who knows the
    base probabilities and always takes the better target now earns within 1 % of the most possible.

    ## Task Distribution
    p0 in `train`: [0, .1], [.2, .3] or [.4, .5]; `held_out`: [.1, .2] or [.3, .4], the gaps; `all`:
    [0, .5]. All are symmetric under a swap of the targets.

    ## Paper Correspondence
    Wang et al. 2018, simulation 1, after Tsutsui et al. 2016 and Lau & Glimcher 2005: base
    probabilities, baiting, ranges and test on the gaps as published; 50 to 100 trials in training
    there, 100 at test. There, a fixation step came before each choice.

    ## References
    Wang JX et al. 2018, Prefrontal cortex as a meta-reinforcement learning system, Nature
    Neuroscience 21:860-868. Tsutsui KI et al. 2016, A dynamic code for economic object valuation in
    prefrontal cortex neurons, Nature Communications 7:12554. Lau B, Glimcher PW 2005, Dynamic
    response-by-response models of matching behavior in rhesus monkeys, Journal of the Experimental
    Analysis of Behavior 84:555-579.
    """

    parameters = ("p",)
    draws = 1  # the base probability of target 0

    trials: int = option(100, "Choices of an episode.", least=1)

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the base probabilities of both targets, ``{"p": [n, 2]}``."""
        check_split(split)
        ranges = RANGES[split]
        lower = torch.tensor([low for low, _ in ranges], device=uniform.device)
        width = ranges[0][1] - ranges[0][0]
        scaled = uniform[:, 0] * len(ranges)
        index = scaled.long().clamp_(max=len(ranges) - 1)
        first = (lower[index] + width * (scaled - index)).clamp_(0.0, TOTAL)
        return {"p": torch.stack([first, TOTAL - first], dim=1)}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs, 2]}``, probabilities of any kind."""
        return check_parameters(params, p=((2,), 0.0, 1.0))

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (a go cue)."""
        refuse = (1.0 - params["p"]).T.contiguous()  # [2, n]
        n, device = refuse.shape[1], refuse.device
        cue = torch.ones(n, 1, device=device)
        state: State = {
            "t": 0,
            "refuse": refuse,
            "empty": refuse,  # [2, n] probability that a target holds no bait when it is chosen
            "targets": torch.arange(2, device=device)[:, None],
            "rows": torch.arange(n, device=device),
            "cue": cue,
        }
        return state, cue

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay where the uniform number reaches the probability that the target is empty."""
        empty, refuse, cue = state["empty"], state["refuse"], state["cue"]
        # Target a of row i lies at a n + i. Baited: u >= 1 - P(baited), which has that probability.
        reward = empty.take(torch.add(state["rows"], action, alpha=len(action))).le_(noise[0])
        # The chosen target has one chance of a bait before the next trial, the other one more.
        empty = empty.masked_fill(action == state["targets"], 1.0).mul_(refuse)
        return {**state, "t": state["t"] + 1, "empty": empty}, cue, reward

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, better target now, and the probabilities of the chosen and the better."""
        baited = 1.0 - state["empty"]
        best, target = baited.max(dim=0)
        return {
            "trial": torch.full_like(action, state["t"]),
            "optimal_action": target,
            "expected_reward": baited.gather(0, action[None])[0],
            "optimal_reward": best,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return base probabilities, probabilities of a reward now, and t / T, ``[n, 5]``."""
        time = state["cue"] * (state["t"] / self.trials)
        return torch.cat([params["p"], 1.0 - state["empty"].T, time], dim=1)

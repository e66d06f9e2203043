"""Stationary Bernoulli bandits: two independent arms, two dependent arms, and k arms."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from prefrontal.checking import option
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, constant, ticking, with_time
from prefrontal.envs.splits import bands, check_split, chequerboard
from prefrontal.envs.task import Params, State, StepResult, Task, check_parameters

#: Bands of the gap |p1 - p2| in the split of `CorrelatedBandit`: regret peaks at small gaps, so few
#: bands would make one half easier.
GAP_BANDS = 32
#: Probability of the better arm in the named distributions of `CorrelatedBandit`.
NAMED = {"easy": 0.9, "medium": 0.75, "hard": 0.6}


@dataclasses.dataclass(frozen=True)
class Bandit(Task):
    """What bandits of two arms have in common, unless they say otherwise.

    ## Action Space
    `Discrete(2)`: the arm to pull.

    ## Observation Space
    A constant 1 (a go cue), followed by the chosen `inputs` (previous action, reward, time).

    ## Reward
    1 with the probability of the chosen arm, otherwise 0.
    """

    noise = 1  # does the chosen arm pay?
    num_actions = 2
    reward_range = (0.0, 1.0)
    reward_values: ClassVar[tuple[float, ...] | None] = (0.0, 1.0)

    trials: int = option(100, "Pulls of an episode.", least=1)

    @property
    def steps(self) -> int:
        """One step a trial."""
        return self.trials


@dataclasses.dataclass(frozen=True)
class StationaryBandit(Bandit):
    """Shared dynamics of bandits whose arms pay 1 with fixed probabilities p ``[n, K]``."""

    parameters = ("p",)
    open_loop = True

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs, num_actions]}``, probabilities of any kind."""
        return check_parameters(params, p=((self.num_actions,), 0.0, 1.0))

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (a go cue)."""
        p = params["p"]
        n, arms = p.shape
        # `offset` is where the row of an episode starts in the flattened p.
        offset = torch.arange(0, n * arms, arms, device=p.device)
        cue = torch.ones(n, 1, device=p.device)
        return {"t": 0, "offset": offset, "cue": cue}, cue

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay 1 where the uniform number lies below the probability of the chosen arm."""
        reward = params["p"].take(state["offset"] + action).gt_(noise[0])
        cue = state["cue"]
        return {"t": state["t"] + 1, "offset": state["offset"], "cue": cue}, cue, reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what every arm would pay at every step."""
        state, cue = self.reset(params)
        p = params["p"].T.contiguous()  # [K, n]
        rewards = torch.gt(p, noise, out=noise.new_empty(len(noise), *p.shape))
        seen = functools.partial(with_time, params["p"], self.steps)
        return Outcomes(rewards, constant(cue, self.steps), ticking(state, self.steps), seen)

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, best arm, and the probabilities of the chosen and of the best arm.

        Of many steps at once (`episode_facts`), `action` is ``[t, n]`` and ``state["t"]`` ``[t,
        1]``.
        """
        p = params["p"]
        best, arm = (each.expand(action.shape) for each in p.max(dim=1))
        return {
            "trial": torch.zeros_like(action).add_(state["t"]),
            "optimal_action": arm,
            "expected_reward": p.take(state["offset"] + action),
            "optimal_reward": best,
        }

    def episode_facts(
        self, params: Params, states: Sequence[State], actions: Tensor
    ) -> dict[str, Tensor]:
        """Return the facts of many steps at once; see `Task.episode_facts`."""
        times = torch.tensor([[state["t"]] for state in states], device=actions.device)
        return self.facts(params, {**states[0], "t": times}, actions)

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the arm probabilities and the time t / T, ``[n, K + 1]``."""
        return torch.cat([params["p"], state["cue"] * (state["t"] / self.steps)], dim=1)


@dataclasses.dataclass(frozen=True)
class TwoArmedBandit(StationaryBandit):
    """Two independent Bernoulli arms.

    ## Description
    On each of 100 trials the agent pulls one of two arms; each pays 1 with its own probability,
    which stays fixed for the episode and is new in the next. An agent whose weights are frozen can
    do well only by learning within the episode, in its recurrent activity.

    ## Starting State
    Arm probabilities p1, p2 independent and uniform on [0, 1].

    ## Information
    `task`: `p` [2], the arm probabilities. Each step: `trial`, `optimal_action`,
    `expected_reward` (probability of the chosen arm), `optimal_reward` (of the better one).

    ## Task Distribution
    The unit square is cut into bands of p1 + p2 of width 1/4, crossed with |p1 - p2| below or above
    1/2, and coloured like a chequerboard: one colour is `train`, the other `held_out`. Swapping the
    arms keeps the colour; (p1, p2) -> (1 - p1, 1 - p2) changes it. So both halves have the same
    distribution of |p1 - p2|, and the same mean of the better arm, 2/3. `all`: the whole square.

    ## Paper Correspondence
    Wang et al. 2016, experiment 1, and Wang et al. 2018, figure 1: as published, on `all`. The
    papers train and test on the whole square; the split is ours. Expected regret over 100
    trials: random 16.60, Thompson sampling 2.79, Gittins (discount .99) 1.78, Bayes-optimal 1.748.

    ## References
    Wang JX et al. 2016, Learning to reinforcement learn, arXiv:1611.05763. Wang JX et al. 2018,
    Prefrontal cortex as a meta-reinforcement learning system, Nature Neuroscience 21:860-868.
    """

    draws = 2

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the probabilities of both arms, ``{"p": [n, 2]}``."""
        return {"p": chequerboard(uniform, split)}


@dataclasses.dataclass(frozen=True)
class CorrelatedBandit(StationaryBandit):
    """Two Bernoulli arms whose probabilities sum to 1.

    ## Description
    As `TwoArmedBandit`, but p2 = 1 - p1: a pull of either arm says as much about the other. An
    agent that has learned this structure explores less.

    ## Action Space
    `Discrete(2)`: the arm to pull. With `opt_out`: `Discrete(3)`, 2 opts out.

    ## Starting State
    `distribution="uniform"`: p1 uniform on [0, 1]. `"easy"`: {.1, .9}; `"medium"`: {.25, .75};
    `"hard"`: {.4, .6}; which arm is the better one is drawn with equal probability.

    ## Information
    `task`: `p` [2], the arm probabilities. Each step: `trial`, `optimal_action`,
    `expected_reward` (probability of the chosen arm), `optimal_reward` (of the better one). Where
    opting out pays more than either arm, it is the optimal action.

    ## Reward
    1 with the probability of the chosen arm, otherwise 0. Opting out pays `opt_out` for certain.

    ## Task Distribution
    `uniform`: the gap |p1 - p2| is cut into 32 bands; bands whose number (from 0) has an even count
    of ones in binary are `train`, the others `held_out`. Both halves treat the arms alike and have
    the same mean and variance of the gap; the optimal regret differs by 3 %.
    The named distributions consist of two tasks that differ only in the arm, so nothing can be
    held out: `train` and `all` are the same, `held_out` raises a ValueError. To test an agent
    trained on one distribution on another, use `all`.

    ## Paper Correspondence
    Wang et al. 2016, experiment 2: as published, on `all`. The papers do not split `uniform`; the
    split is ours. The four distributions share one Bayes-optimal policy; its expected regret
    over 100 trials is 1.2215, .625, 1.000 and 2.312 (uniform, easy, medium, hard). Opting out is
    ours; it asks for confidence in the way of wagers (Persaud, McLeod & Cowey 2007).

    ## References
    Wang JX et al. 2016, Learning to reinforcement learn, arXiv:1611.05763. Wang JX et al. 2018,
    Prefrontal cortex as a meta-reinforcement learning system, Nature Neuroscience 21:860-868.
    Persaud N, McLeod P, Cowey A 2007, Post-decision wagering objectively measures awareness, Nature
    Neuroscience 10:257-261.
    """

    draws = 1  # the first arm's probability, or which arm is the better one

    distribution: Literal["uniform", "easy", "medium", "hard"] = option(
        "uniform", "Distribution of the arm probabilities, see Starting State."
    )
    opt_out: float = option(
        0.0,
        "Sure reward of a third action, which says nothing of the arms; 0: there is none.",
        least=0.0,
        most=1.0,
    )

    @property
    def num_actions(self) -> int:  # type: ignore[override]
        """One action an arm, and perhaps opting out."""
        return 3 if self.opt_out else 2

    @property
    def reward_values(self) -> tuple[float, ...]:  # type: ignore[override]
        """Rewards that there can be."""
        return tuple(sorted({0.0, 1.0, self.opt_out}))

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs, 2]}``, probabilities of any kind."""
        return check_parameters(params, p=((2,), 0.0, 1.0))

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay as an arm does, or for certain where the action is to opt out."""
        if not self.opt_out:
            return super().step(params, state, action, noise)
        state, cue, reward = super().step(params, state, action.clamp(max=1), noise)
        return state, cue, reward.masked_fill_(action == 2, self.opt_out)

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what every arm, and opting out, would pay at every step."""
        told = super().outcomes(params, noise)
        if not self.opt_out:
            return told
        sure = torch.full_like(noise, self.opt_out)
        return told._replace(rewards=torch.cat([told.rewards, sure], 1))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the arms; opting out counts as an arm that pays for certain."""
        if not self.opt_out:
            return super().facts(params, state, action)
        found = super().facts(params, state, action.clamp(max=1))
        best, worth = found["optimal_reward"], found["expected_reward"]
        found["optimal_action"] = found["optimal_action"].masked_fill(best < self.opt_out, 2)
        found["optimal_reward"] = best.clamp(min=self.opt_out)
        found["expected_reward"] = worth.masked_fill(action == 2, self.opt_out)
        return found

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the probabilities of both arms, ``{"p": [n, 2]}``."""
        check_split(split)
        centred = 2.0 * uniform[:, 0] - 1.0
        if self.distribution == "uniform":
            gap = bands(centred.abs(), split, GAP_BANDS)
        elif split == "held_out":
            raise ValueError(
                f"distribution {self.distribution!r} has only two tasks, none is held out: "
                "use split='all'"
            )
        else:
            gap = torch.full_like(centred, 2.0 * NAMED[self.distribution] - 1.0)
        first = 0.5 + 0.5 * torch.where(centred < 0.0, -gap, gap)
        return {"p": torch.stack([first, 1.0 - first], dim=1)}


@dataclasses.dataclass(frozen=True)
class BernoulliBandit(StationaryBandit):
    """Bernoulli arms, as many as you like, with independent probabilities.

    ## Description
    On each trial the agent pulls one of `arms` arms; each pays 1 with its own probability, which
    stays fixed for the episode and is new in the next.

    ## Action Space
    `Discrete(arms)`: the arm to pull.

    ## Starting State
    Arm probabilities independent and uniform on [0, 1].

    ## Information
    `task`: `p` [arms], the arm probabilities. Each step: `trial`, `optimal_action`,
    `expected_reward` (probability of the chosen arm), `optimal_reward` (of the best one).

    ## Task Distribution
    The unit cube is cut into 8 cells a side and coloured like a chequerboard: cells whose indices
    have an even sum are `train`, the others `held_out`. Any permutation of the arms keeps the
    colour. The mean of the best arm is the same in both to 10^-5 (5 arms; .001 with 3). Two arms
    are split like `TwoArmedBandit`. `all`: the whole cube.

    ## Paper Correspondence
    Duan et al. 2016 (RL2), table 1: k = 5, 10, 50 arms, n = 10, 100, 500 pulls, as published, on
    `all`; they call an episode a trial. Published total rewards for n = 10, k = 5: random 5.0,
    Thompson sampling 5.7, Gittins 6.6, RL2 6.7. The split is ours.

    ## References
    Duan Y et al. 2016, RL2: Fast reinforcement learning via slow reinforcement learning,
    arXiv:1611.02779. Mishra N et al. 2018, A simple neural attentive meta-learner, ICLR.
    """

    trials: int = option(10, "Pulls of an episode.", least=1)
    arms: int = option(5, "Number of arms.", least=2)

    @property
    def num_actions(self) -> int:  # type: ignore[override]
        """One action an arm."""
        return self.arms

    @property
    def draws(self) -> int:
        """One uniform an arm."""
        return self.arms

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the probabilities of all arms, ``{"p": [n, arms]}``."""
        return {"p": chequerboard(uniform, split)}

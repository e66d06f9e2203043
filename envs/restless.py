"""Bandits that change within an episode: a slow or fast drift, and sudden reversals."""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from prefrontal.checking import option
from prefrontal.envs.bandits import Bandit
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, constant, ticking, with_time
from prefrontal.envs.splits import bands, check_split
from prefrontal.envs.task import Params, State, StepResult, check_parameters

#: Standard deviation of one step of the drift: lowest and highest of an episode.
DRIFT = {"low": (0.01, 0.05), "high": (0.1, 0.3)}


@dataclasses.dataclass(frozen=True)
class ChangingBandit(Bandit):
    """Shared dynamics of two-armed bandits whose probabilities follow a path fixed at reset.

    ## Reward
    1 with the current probability of the chosen arm, otherwise 0.
    """

    open_loop = True

    trials: int = option(100, "Pulls of an episode.", least=2)

    @abstractmethod
    def path(self, params: Params) -> Tensor:
        """Return the probabilities of both arms at every trial, ``[T, 2, n]``."""

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (a go cue)."""
        path = self.path(params)
        n = path.shape[2]
        cue = torch.ones(n, 1, device=path.device)
        rows = torch.arange(n, device=path.device)
        return {"t": 0, "path": path.unbind(0), "rows": rows, "cue": cue}, cue

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay 1 where the uniform number lies below the current probability of the chosen arm."""
        t, rows = state["t"], state["rows"]
        # An entry of the path is [2, n]: arm a of row i lies at a n + i.
        reward = state["path"][t].take(torch.add(rows, action, alpha=len(rows))).gt_(noise[0])
        return {**state, "t": t + 1}, state["cue"], reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what both arms would pay at every step."""
        state, cue = self.reset(params)
        path = torch.stack(state["path"])
        seen = functools.partial(with_time, path.transpose(1, 2), self.steps)
        states = ticking(state, self.steps)
        return Outcomes(path.gt(noise).float(), constant(cue, self.steps), states, seen)

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, best arm now, and the current probabilities of the chosen and best arm."""
        now = state["path"][state["t"]]
        best, arm = now.max(dim=0)
        return {
            "trial": torch.full_like(arm, state["t"]),
            "optimal_action": arm,
            "expected_reward": now.gather(0, action[None])[0],
            "optimal_reward": best,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the current probabilities of both arms and the time t / T, ``[n, 3]``."""
        t = state["t"]
        now = state["path"][min(t, self.trials - 1)]
        return torch.cat([now.T, state["cue"] * (t / self.trials)], dim=1)


@dataclasses.dataclass(frozen=True)
class RestlessBandit(ChangingBandit):
    """Two arms with probabilities p and 1 - p, where p drifts slowly or fast.

    ## Description
    The better arm changes within the episode. How fast it does is fixed for the episode and not
    observed: an agent that adapts its learning rate to the volatility does best.

    ## Starting State
    p uniform on [0, 1]; the drift s of the episode uniform on [.01, .05] (`low`) or [.1, .3]
    (`high`); `mixed` draws one of the two ranges with equal probability. On every trial p moves by
    a normal step of standard deviation s, reflected at 0 and 1.

    ## Information
    `task`: `p` [trials], the probability of arm 0 at each trial (arm 1: 1 - p), and `drift`. Each
    step: `trial`, and `optimal_action`, `expected_reward`, `optimal_reward` by the current
    probabilities. By hand, `drift` may be left out: then it is the root mean square step of `p`.

    ## Task Distribution
    Each range of the drift is cut into 8 bands: bands 0, 3, 5, 6 are `train`, bands 1, 2, 4, 7
    `held_out`, with the same mean and variance. `all`: the whole range.

    ## Paper Correspondence
    Wang et al. 2016, experiment 4: two arms p and 1 - p, 100 steps, episodes of low or high
    volatility. The drift law is in a figure only; the law and the numbers here are ours, and so is
    the split. Regret here is against the arm that is best now, an oracle no agent can match.

    ## References
    Wang JX et al. 2016, Learning to reinforcement learn, arXiv:1611.05763.
    """

    parameters = ("p", "drift")

    volatility: Literal["mixed", "low", "high"] = option(
        "mixed", "Range of the drift, see Starting State."
    )

    @property
    def draws(self) -> int:
        """Drift, which range, first probability, and T - 1 steps of the walk."""
        return self.trials + 2

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the drift and the whole path, ``{"p": [n, T], "drift": [n]}``."""
        check_split(split)
        # Normal steps, by the inverse of the distribution function (kept off its infinite end).
        steps = torch.special.ndtri(uniform[:, 3:].clamp(min=1e-7))
        position = bands(uniform[:, 0], split)
        low, high = (a + (b - a) * position for a, b in (DRIFT["low"], DRIFT["high"]))
        is_high = {"low": 0.0, "high": 1.0, "mixed": 0.5}[self.volatility] > uniform[:, 1]
        drift = torch.where(is_high, high, low)
        # Folding a free walk at 0 and 1 gives the reflected walk, as its steps are symmetric.
        free = torch.cat([uniform[:, 2:3], drift[:, None] * steps], dim=1).cumsum(dim=1)
        return {"p": 1.0 - (1.0 - free.remainder(2.0)).abs(), "drift": drift}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs, trials]}``, with or without ``"drift"`` ``[num_envs]``."""
        checked = check_parameters(
            {name: value for name, value in params.items() if name != "drift"},
            p=((self.trials,), 0.0, 1.0),
        )
        if "drift" not in params:
            return {**checked, "drift": checked["p"].diff(dim=1).square().mean(dim=1).sqrt()}
        return check_parameters(params, p=((self.trials,), 0.0, 1.0), drift=((), 0.0, np.inf))

    def path(self, params: Params) -> Tensor:
        """Return the probabilities of both arms at every trial, ``[T, 2, n]``."""
        p = params["p"].T
        return torch.stack([p, 1.0 - p], dim=1)


@dataclasses.dataclass(frozen=True)
class SwitchingBandit(ChangingBandit):
    """Two arms, one good and one bad, that change places every so many trials.

    ## Description
    The good arm pays with probability g, the bad one with 1 - g. After a first block of random
    length they swap, and again after every `switch_every` trials, without a signal.

    ## Starting State
    g uniform on [.8, 1]; either arm is good first, with equal probability; the trial of the first
    swap uniform on 1 .. `switch_every`.

    ## Information
    `task`: `p` [2], the probabilities at the start, and `first_switch`, the trial (from 0) at which
    they are swapped first. Each step: `trial`; `optimal_action`, `expected_reward` and
    `optimal_reward` by the current probabilities; `block`, how often they were swapped so far;
    `since_switch`, the trials since the last swap (or since the start).

    ## Task Distribution
    The range of g is cut into 8 bands: bands 0, 3, 5, 6 are `train`, bands 1, 2, 4, 7 `held_out`,
    with the same mean (.9) and variance. `all`: the whole range.

    ## Paper Correspondence
    A probabilistic reversal task in the manner of Behrens et al. 2007 and of Wang et al. 2018
    (simulation 2), whose exact schedules differ (there the volatility itself changes); numbers and
    split are ours. Regret here is against the arm that is good now, an oracle no agent can match.

    ## References
    Behrens TEJ et al. 2007, Learning the value of information in an uncertain world, Nature
    Neuroscience 10:1214-1221. Wang JX et al. 2018, Prefrontal cortex as a meta-reinforcement
    learning system, Nature Neuroscience 21:860-868.
    """

    parameters = ("p", "first_switch")
    draws = 3

    switch_every: int = option(25, "Trials between swaps.", least=1)

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"p": [n, 2], "first_switch": [n]}``."""
        check_split(split)
        good = 0.8 + 0.2 * bands(uniform[:, 0], split)
        first = torch.where(uniform[:, 1] < 0.5, good, 1.0 - good)
        switch = 1 + (uniform[:, 2] * self.switch_every).long().clamp_(max=self.switch_every - 1)
        return {"p": torch.stack([first, 1.0 - first], dim=1), "first_switch": switch}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs, 2], "first_switch": [num_envs]}``, any probabilities."""
        return check_parameters(
            params,
            integers=("first_switch",),
            p=((2,), 0.0, 1.0),
            first_switch=((), 1, np.inf),
        )

    def path(self, params: Params) -> Tensor:
        """Return the probabilities of both arms at every trial, ``[T, 2, n]``."""
        p, first = params["p"].T, params["first_switch"]
        trial = torch.arange(self.trials, device=p.device)[:, None]
        swapped = (self._block(first, trial) % 2 == 1)[:, None, :]  # [T, 1, n]
        return torch.where(swapped, p.flip(0), p).contiguous()

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Add ``block`` and ``since_switch`` to the facts of every changing bandit."""
        first = params["first_switch"]
        facts = super().facts(params, state, action)
        block = self._block(first, facts["trial"])
        start = torch.where(block > 0, first + (block - 1) * self.switch_every, 0)
        return {**facts, "block": block, "since_switch": facts["trial"] - start}

    def _block(self, first: Tensor, trial: Tensor) -> Tensor:
        """Return how often the arms were swapped before ``trial``."""
        switches = torch.div(trial - first, self.switch_every, rounding_mode="floor") + 1
        return switches.clamp_(min=0)

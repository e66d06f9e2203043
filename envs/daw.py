"""The two-step task of Daw et al. (2011), with a choice at both stages and drifting rewards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import by_trial, chequerboard, normal
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters


@dataclasses.dataclass(frozen=True)
class Daw2011TwoStep(Task):
    """Two choices a trial; four reward probabilities that drift independently.

    ## Description
    The first choice commonly leads to the second-stage state of the same number, rarely to the
    other. There the agent chooses again between two actions. Each of the four second-stage
    actions pays with its own probability, which drifts slowly, so the agent never stops learning.

    ## Action Space
    `Discrete(2)`: the first choice, then the second one, in turn.

    ## Observation Space
    Five features, then the chosen `inputs`: choice cue (first stage); second-stage state, one-hot
    (2); the last first-stage action, one-hot (2), shown from the step after it until the next one
    is made. All are 0 or 1. Beside a reward, the previous action is the second-stage choice.

    ## Starting State
    The four probabilities are independent and uniform on [`low`, `high`].

    ## Reward
    At the second stage 1 with the current probability of the chosen action there, else 0.

    ## Episode End
    Terminates after `trials` trials, 2 x `trials` steps. Never truncates.

    ## Information
    `task`: `p` [trials, 2, 2], the reward probability by trial, second-stage state and action;
    `common` [trials], whether the transition of each trial is common. Each step: `trial`; `stage`
    (0 and 1); `first_action` of the trial; `common` and `second_state` of the trial, known at both
    stages; `optimal_action`, `expected_reward` of the choice (at the first stage: if the second one
    is the best there), `optimal_reward`. The regret of a trial is the sum over its steps.

    ## Task Distribution
    The cube of the four first probabilities is cut into 8 cells a side and coloured like a
    chequerboard: even cells are `train`, odd ones `held_out`. `all`: the whole cube.

    ## Paper Correspondence
    Daw et al. 2011: as published, on `all`; their 201 trials came in three blocks of 67, and the
    first-stage options and transitions were counterbalanced between people. The law of the first
    probabilities (uniform, which the walk preserves) and the split are ours, as is the copy of the
    first action in the observation. A model-based learner earns hardly more here than a model-free
    one (Kool et al. 2016), and because the probabilities in one state do not sum to 1, a purely
    model-based one shows a main effect of transition too (Feher da Silva & Hare 2018).

    ## References
    Daw ND et al. 2011, Model-based influences on humans' choices and striatal prediction errors,
    Neuron 69:1204-1215. Kool W et al. 2016, When does model-based control pay off?, PLoS
    Computational Biology 12:e1005090. Feher da Silva C, Hare TA 2018, A note on the analysis of
    two-stage task results, PLoS ONE 13:e0195328.
    """

    parameters = ("p", "common")
    noise = 1  # does the chosen action pay?
    num_actions = 2
    reward_range = (0.0, 1.0)
    reward_values = (0.0, 1.0)
    observation_low = (0.0,) * 5
    observation_high = (1.0,) * 5

    transition: float = option(0.7, "Probability of the common transition.", least=0.5, most=1)
    drift: float = option(0.025, "Standard deviation of a step of a reward probability.", least=0)
    low: float = option(0.25, "Smallest reward probability.", least=0, most=1)
    high: float = option(0.75, "Largest reward probability.", least=0, most=1)
    trials: int = option(201, "Trials of an episode.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise ValueError(f"low must be below high, {self.high}, not {self.low}")

    @property
    def steps(self) -> int:
        """Two steps a trial."""
        return 2 * self.trials

    @property
    def draws(self) -> int:
        """Transitions, four first probabilities, and their steps."""
        return 5 * self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"p": [n, trials, 2, 2], "common": [n, trials]}``."""
        trials, span = self.trials, self.high - self.low
        common = uniform[:, :trials] < self.transition
        start = chequerboard(uniform[:, trials : trials + 4], split)[:, None]
        steps = normal(uniform[:, trials + 4 :]).view(len(uniform), trials - 1, 4)
        # Folding a free walk at 0 and 1 gives the reflected walk, as its steps are symmetric.
        free = torch.cat([start, steps.mul_(self.drift / span)], dim=1).cumsum_(dim=1)
        folded = free.remainder_(2.0).sub_(1.0).abs_()  # 1 - the walk
        walk = folded.mul_(-span).add_(self.high)
        return {"p": walk.view(-1, trials, 2, 2), "common": common.long()}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"p": [num_envs, trials, 2, 2], "common": [num_envs, trials]}``."""
        p, common = ((self.trials, 2, 2), 0.0, 1.0), ((self.trials,), 0.0, 1.0)
        return check_parameters(params, integers=("common",), p=p, common=common)

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and the observation of the first choice."""
        p, rare = params["p"], 1 - params["common"]
        n, device = len(rare), rare.device
        # VIEWS [5, rows]: all observations there are, by what has been done
        chosen = torch.eye(2, 3, device=device)  # column: action 0, 1, or none
        cue = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], device=device)
        action = torch.tensor([0, 1, 0, 1], device=device)  # column: action + 2 state
        state_of = torch.tensor([0, 0, 1, 1], device=device)
        off = torch.zeros(1, 4, device=device)
        none = torch.full((n,), 2, device=device)
        state: State = {
            "t": 0,
            "choose": torch.cat([cue, chosen]),
            "second": torch.cat([off, chosen[:, state_of], chosen[:, action]]),
            # An entry of the walk is [4, n]: action a in state s of row i lies at (2 s + a) n + i.
            "walk": p.flatten(2).permute(1, 2, 0).contiguous().unbind(0),
            "rare": by_trial(rare),
            "rows": torch.arange(n, device=device),
            "first": none,
            "reached": none,
            "nothing": torch.zeros(n, device=device),
        }
        return state, state["choose"].index_select(1, none).T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Make the first choice, or the second one, which pays."""
        t = state["t"]
        trial, stage = divmod(t, 2)
        if stage == 0:
            reached = action ^ state["rare"][trial]
            view = state["second"].index_select(1, torch.add(action, reached, alpha=2)).T
            new = {**state, "t": t + 1, "first": action, "reached": reached}
            return new, view, state["nothing"]
        arm = torch.add(action, state["reached"], alpha=2)
        chosen = torch.add(state["rows"], arm, alpha=len(arm))
        reward = state["walk"][trial].take(chosen).gt_(noise[0])
        view = state["choose"].index_select(1, state["first"]).T
        return {**state, "t": t + 1}, view, reward

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the step and of its trial; see the class."""
        trial, stage = divmod(state["t"], 2)
        now, common = params["p"][:, trial], params["common"][:, trial]
        first = action if stage == 0 else state["first"]
        second = first ^ (1 - common)
        values = now[torch.arange(len(now), device=now.device), second]  # [n, 2]
        if stage == 0:
            best_second = now.amax(dim=2)
            values = self.transition * best_second + (1 - self.transition) * best_second.flip(1)
        best, optimal = values.max(dim=1)
        return {
            "trial": torch.full_like(action, trial),
            "stage": torch.full_like(action, stage),
            "first_action": first,
            "common": common,
            "second_state": second,
            "optimal_action": optimal,
            "expected_reward": values.gather(1, action[:, None])[:, 0],
            "optimal_reward": best,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the four current probabilities, the stage, and t / T, ``[n, 6]``."""
        t = state["t"]
        now = state["walk"][min(t // 2, self.trials - 1)]
        fixed = torch.tensor([[t % 2, t / self.steps]], dtype=torch.float32, device=now.device)
        return torch.cat([now.T, fixed.expand(now.shape[1], 2)], dim=1)

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw actions, transitions and states, and the way of the trial of the last step."""
        trial, stage = divmod(max(state["t"] - 1, 0), 2)
        first = reached = second = paid = None
        if len(past.actions):
            first = int(past.actions[2 * trial])
            reached = first ^ (1 - int(params["common"][row, trial]))
        if stage == 1:
            second, paid = past.action, (past.reward, self.reward_range)
        worth = params["p"][row, trial].numpy(force=True)
        pictures.two_stages(picture, worth, self.transition, (first, reached, second), paid)

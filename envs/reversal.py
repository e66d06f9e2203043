"""Reversals without a signal: inferred value, and learning in stable and in volatile times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.bandits import Bandit
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, constant, ticking
from prefrontal.envs.splits import by_trial, check_split, first_state, switches_before, switching
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

FIXATION, TARGET = -1, 0  # stages of a trial of InferredValue
CENTRE = 2  # the action asked for at fixation


@dataclasses.dataclass(frozen=True)
class InferredValue(Task):
    """One of two targets pays; when they have changed places, one of them tells about the other.

    ## Description
    On each trial one of two targets appears, left or right, and the agent has to choose it. One of
    the two pays, the other does not; which one it is changes now and then without a signal. When an
    outcome shows that the targets have changed places, the value of the *other* one follows,
    though it has not been seen since. A prediction error at the sight of that target which
    follows the change at once reflects inferred value, as in dopamine neurons; a learner without
    a memory of that structure has to see every target again.

    A trial has two steps: a fixation cue, at which the central action is due, and the target.

    ## Action Space
    `Discrete(3)`: 0 left, 1 right, 2 centre.

    ## Observation Space
    Three features, then the chosen `inputs`: fixation cue, left target, right target; one of them
    is 1, the others are 0.

    ## Starting State
    Either target pays, with equal probability.

    ## Reward
    1 for choosing a target that pays now, 0 for one that does not; any other action than the
    centre at fixation, and any other than the one that is shown at the target, costs `penalty`.

    ## Episode End
    Terminates after `trials` trials, 2 x `trials` steps. Never truncates.

    ## Information
    `task`: `target` [trials], the target of each trial (0 left, 1 right); `paying` [trials], the
    one that pays. Each step: `trial`; `stage` (-1 fixation, 0 target); `target` and `paying` of the
    trial, known at both stages; `pays`, whether they agree; `reversals` so far; `since_reversal`,
    trials since the last one (since the start if none); `seen` and `other_seen`, on how many
    earlier trials since then this target and the other one were shown (after a reversal, `seen` 0
    and `other_seen` 1 or more: a value that can only be inferred); `optimal_action`,
    `expected_reward`, `optimal_reward` for one who knows what pays.

    ## Task Distribution
    Targets are left or right with equal probability. Episodes with an even number of trials on the
    right are `train`, those with an odd number `held_out`: no sequence of targets occurs in both,
    and any `trials` - 1 trials have the same distribution. `all`: every sequence.

    ## Paper Correspondence
    Wang et al. 2018, simulation 3, after Bromberg-Martin et al. 2010: one target a trial, one of
    two pays, reversals without a signal, fixation before, invalid actions cost 1, as published. The
    probability of a reversal, the number of trials and the split are ours. For one who knows the
    task, a target pays with probability 1 - `reversal` or `reversal` after the first trial.

    ## References
    Wang JX et al. 2018, Prefrontal cortex as a meta-reinforcement learning system, Nature
    Neuroscience 21:860-868. Bromberg-Martin ES et al. 2010, A pallidus-habenula-dopamine pathway
    signals inferred stimulus values, Journal of Neurophysiology 104:1068-1076.
    """

    parameters = ("target", "paying")
    open_loop = True
    noise = 0  # rewards are certain
    num_actions = 3
    observation_low = (0.0,) * 3
    observation_high = (1.0,) * 3

    reversal: float = option(
        0.05, "Probability that the targets change places before a trial.", least=0, most=1
    )
    penalty: float = option(1.0, "Cost of an invalid action.", least=0)
    trials: int = option(50, "Trials of an episode.", least=2)

    @property
    def steps(self) -> int:
        """Two steps a trial."""
        return 2 * self.trials

    @property
    def reward_range(self) -> tuple[float, float]:
        """Invalid action, or paying target."""
        return -self.penalty, 1.0

    @property
    def reward_values(self) -> tuple[float, ...]:  # type: ignore[override]
        """Invalid action, target that does not pay, target that pays."""
        return (-self.penalty, 0.0, 1.0) if self.penalty else (0.0, 1.0)

    @property
    def draws(self) -> int:
        """Targets, which one pays first, reversals before all trials but the first."""
        return 2 * self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the schedule, ``{"target": [n, trials], "paying": [n, trials]}``."""
        check_split(split)
        target = (uniform[:, : self.trials] < 0.5).long()
        if split != "all":  # the last target makes the number even or odd
            target[:, -1] = (target[:, :-1].sum(dim=1) + int(split == "held_out")) & 1
        first = (uniform[:, self.trials] < 0.5).long()
        reversals = uniform[:, self.trials + 1 :] < self.reversal
        return {"target": target, "paying": switching(first, reversals)}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"target": [num_envs, trials], "paying": [num_envs, trials]}``, 0 or 1."""
        bit = ((self.trials,), 0.0, 1.0)
        return check_parameters(params, integers=("target", "paying"), target=bit, paying=bit)

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the fixation cue."""
        target = params["target"]
        n, device = len(target), target.device
        # VIEWS [T, 3, n] of the targets; what choosing them pays
        shown = target.T[:, None] == torch.tensor([-1, 0, 1], device=device)[:, None]
        pays = (target == params["paying"]).long()
        fixation = torch.tensor([1.0, 0.0, 0.0], device=device)[:, None].expand(3, n).T
        # REWARDS by action + 3 x condition: target 0 or 1 not paying, 0 or 1 paying, fixation
        rewards = torch.full((5, 3), -self.penalty, device=device)
        for condition, (due, pay) in enumerate([(0, 0.0), (1, 0.0), (0, 1.0), (1, 1.0), (2, 0.0)]):
            rewards[condition, due] = pay
        state: State = {
            "t": 0,
            "fixation": fixation,
            "views": shown.float().unbind(0),
            "condition": by_trial(3 * (target + 2 * pays)),
            "rewards": rewards.flatten(),
            "look": rewards[4],
        }
        return state, fixation

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Look at the centre, or choose the target."""
        trial, stage = divmod(state["t"], 2)
        new = {**state, "t": state["t"] + 1}
        if stage == 0:
            return new, state["views"][trial].T, state["look"].take(action)
        return new, state["fixation"], state["rewards"].take(state["condition"][trial] + action)

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what every action would pay at every step, and what is shown."""
        state, fixation = self.reset(params)
        condition, views = torch.stack(state["condition"]), torch.stack(state["views"])
        actions = torch.arange(3, device=condition.device)[:, None]
        paid = state["rewards"].take(condition[:, None] + actions)  # [trials, 3, n]
        looks = state["look"][:, None].expand(paid.shape)
        shown = constant(fixation, self.trials), views
        each = (torch.stack(pair, 1).flatten(0, 1) for pair in ((looks, paid), shown))
        return Outcomes(*each, ticking(state, self.steps))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the step and of its trial; see the class."""
        trial, stage = divmod(state["t"], 2)
        stage -= 1
        targets, paying = params["target"], params["paying"][:, trial]
        target = targets[:, trial]
        reversals, since = switches_before(params["paying"], trial)
        when = torch.arange(trial, device=target.device)
        recent = when >= (trial - since)[:, None]  # [n, trial]
        same = targets[:, :trial] == target[:, None]
        due = torch.full_like(target, CENTRE) if stage == FIXATION else target
        best = (target == paying).float() * float(stage == TARGET)
        return {
            "trial": torch.full_like(target, trial),
            "stage": torch.full_like(target, stage),
            "target": target,
            "paying": paying,
            "pays": (target == paying).long(),
            "reversals": reversals,
            "since_reversal": since,
            "seen": (recent & same).sum(dim=1),
            "other_seen": (recent & ~same).sum(dim=1),
            "optimal_action": due,
            "expected_reward": torch.where(action == due, best, -self.penalty),
            "optimal_reward": best,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return which target pays (0 or 1), the stage, and t / T, ``[n, 3]``."""
        t = state["t"]
        paying = params["paying"][:, min(t // 2, self.trials - 1)].float()
        stage = torch.full_like(paying, t % 2 - 1)
        return torch.stack([paying, stage, torch.full_like(paying, t / self.steps)], dim=1)

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw what is shown now (mark or target), which target pays, and the last action."""
        trial, stage = divmod(min(state["t"], self.steps - 1), 2)
        due = int(params["target"][row, trial]) if stage else CENTRE
        paying = int(params["paying"][row, trial])
        for action, x in enumerate((90, 310, 200)):
            shown, size = action == due, 18 if action == CENTRE else 34
            colour = (pictures.INK if action == CENTRE else pictures.BLUE) if shown else None
            pictures.disc(picture, (x, 76), size, colour or pictures.FAINT)
            if action == paying:
                pictures.disc(picture, (x, 128), 5, pictures.GOOD)
            if action == past.action:
                pictures.box(picture, (x - 42, 34), (84, 84), pictures.INK, border=2)
                pictures.coin(picture, (x, 16), past.reward, self.reward_range)
        pictures.write(picture, (200, 156), "fixate" if due == CENTRE else "choose the target")


@dataclasses.dataclass(frozen=True)
class Volatility(Bandit):
    """A reversal bandit with stable and volatile times: learn slowly in the one, fast in the other.

    ## Description
    One of two arms is good and pays with probability `reward`, the other one with 1 - `reward`.
    They change places without a signal, seldom in stable times and often in volatile times, which
    alternate in blocks. When the world changes often, recent outcomes should count for more: an
    agent that notices the volatility adapts its learning rate, though its weights are frozen.

    ## Starting State
    The first block is stable or volatile, and either arm is good first, with equal probability.

    ## Reward
    On each trial exactly one of the arms pays 1, the good one with probability `reward`; so a
    reward, or its absence, says the same of both arms.

    ## Information
    `task`: `good` [trials], the good arm; `pays` [trials], the arm that pays; `volatile` [trials].
    Each step: `trial`; `volatile`; `reversals` so far; `since_reversal`, trials since the last one
    (since the start if none); `optimal_action` (the good arm), `expected_reward`, `optimal_reward`.

    ## Task Distribution
    Held out are schedules: an episode is `train` if the number of trials on which the bad arm pays
    and the index of the first good arm are both even or both odd, else `held_out`. So no schedule
    (good and paying arms) of one half occurs in the other; reversals, blocks and outcomes have the
    same distribution in both. `all`: everything.

    ## Paper Correspondence
    Wang et al. 2018, simulation 2, after Behrens et al. 2007, who had 120 stable trials (.75/.25)
    before or after 170 trials with reversals (.8/.2) every 30 or 40. Constants of the simulation
    are not published in detail: those here, reversals at random times, and the split are ours.
    Regret here is against the arm that is good now, an oracle no agent can match.

    ## References
    Behrens TEJ et al. 2007, Learning the value of information in an uncertain world, Nature
    Neuroscience 10:1214-1221. Wang JX et al. 2018, Prefrontal cortex as a meta-reinforcement
    learning system, Nature Neuroscience 21:860-868.
    """

    parameters = ("good", "pays", "volatile")
    open_loop = True
    noise = 0  # which arm pays is part of the schedule

    stable: float = option(
        0.01, "Probability of a reversal before a trial in stable blocks.", least=0, most=1
    )
    volatile: float = option(
        0.1, "Probability of a reversal before a trial in volatile blocks.", least=0, most=1
    )
    reward: float = option(0.8, "Reward probability of the better arm.", least=0.5, most=1)
    block: int = option(
        100,
        "Trials of a block; with `block` equal to `trials` an episode is all stable or all "
        "volatile.",
        least=1,
    )
    trials: int = option(200, "Trials of an episode.", least=1)

    @property
    def draws(self) -> int:
        """First block, first good arm, outcomes, reversals before all trials but the first."""
        return 2 * self.trials + 1

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the schedule, ``good``, ``pays`` and ``volatile``, ``[n, trials]`` each."""
        trial = torch.arange(self.trials, device=uniform.device)
        starts = (uniform[:, :1] < 0.5).long()
        volatile = (starts + torch.div(trial, self.block, rounding_mode="floor")) & 1
        hazard = self.stable + (self.volatile - self.stable) * volatile[:, 1:]
        odd = uniform[:, 2 : self.trials + 2] >= self.reward  # the bad arm pays
        first = first_state(uniform[:, 1], odd, 1.0 - self.reward, split)
        good = switching(first, uniform[:, self.trials + 2 :] < hazard)
        return {"good": good, "pays": good ^ odd.long(), "volatile": volatile}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``good``, ``pays`` and ``volatile``, ``[num_envs, trials]`` each, 0 or 1."""
        bits = dict.fromkeys(self.parameters, ((self.trials,), 0.0, 1.0))
        return check_parameters(params, integers=self.parameters, **bits)

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state and the constant observation 1 (a go cue)."""
        pays = params["pays"]
        cue = torch.ones(len(pays), 1, device=pays.device)
        return {"t": 0, "pays": by_trial(pays), "cue": cue}, cue

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay where the chosen arm is the one that pays."""
        t, cue = state["t"], state["cue"]
        return {**state, "t": t + 1}, cue, (action == state["pays"][t]).float()

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what both arms would pay at every step."""
        state, cue = self.reset(params)
        pays = torch.stack(state["pays"])[:, None]
        rewards = (torch.arange(2, device=cue.device)[:, None] == pays).float()
        return Outcomes(rewards, constant(cue, self.steps), ticking(state, self.steps))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the step; see the class."""
        t = state["t"]
        good = params["good"][:, t]
        reversals, since = switches_before(params["good"], t)
        return {
            "trial": torch.full_like(action, t),
            "volatile": params["volatile"][:, t],
            "reversals": reversals,
            "since_reversal": since,
            "optimal_action": good,
            "expected_reward": torch.where(action == good, self.reward, 1.0 - self.reward),
            "optimal_reward": torch.full(action.shape, self.reward, device=action.device),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the good arm, whether times are volatile (0 or 1), and t / T, ``[n, 3]``."""
        t = state["t"]
        last = min(t, self.trials - 1)
        time = state["cue"][:, 0] * (t / self.trials)
        return torch.stack([params["good"][:, last], params["volatile"][:, last], time], dim=1)

"""The two-step task of Wang et al. (2016, 2018): is the learned algorithm model-based?"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, ticking
from prefrontal.envs.splits import by_trial, first_state, switching
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

FIXATION, FIRST, SECOND = -1, 0, 1  # stages of a trial
CENTRE = 2  # the action asked for at fixation


@dataclasses.dataclass(frozen=True)
class TwoStep(Task):
    """The two-step task: a choice, an uncertain transition, and a reward that depends on where.

    ## Description
    A trial starts with a choice of one of two actions. Action 0 commonly leads to second-stage
    state 0 and rarely to state 1, action 1 the other way round. One of the two states is good and
    pays often, the other one seldom; which one is good may change at the start of any trial. An
    agent that uses the structure (a model) repeats its choice after a reward that followed a
    *common* transition and changes it after a reward that followed a *rare* one; a model-free
    learner repeats it after either.

    A trial has two steps: the choice, after which the second-stage state is shown, and a forced
    step in that state, which pays; its action makes no difference. With `compact` a trial has one
    step: the choice pays at once, and the state that was reached is shown with the reward. With
    `fixation` a step comes before the choice in which the central action is due.

    ## Action Space
    `Discrete(2)`: the first-stage choice. With `fixation` `Discrete(3)`, where 2 is the centre.

    ## Observation Space
    Six features, then the chosen `inputs`: fixation cue; choice cue; second-stage state, one-hot
    (2); the last first-stage action, one-hot (2). All are 0 or 1. The state is shown at the
    second stage only (`compact`: on the step after, beside the choice cue). The last first-stage
    action, an efference copy, is shown from the step after it until the next one is made, so that
    it stands beside the reward it earned.

    ## Starting State
    Either state is good first, with equal probability. No action has been made.

    ## Reward
    At the second stage 1 with probability `reward` in the good state and 1 - `reward` in the other,
    else 0. With `fixation` an invalid action (any but the centre at fixation; the centre at the
    choice) costs 1, and after an invalid choice no second-stage state is reached and nothing paid.

    ## Episode End
    Terminates after `trials` trials: 2 x `trials` steps (`compact` 1 x, `fixation` 3 x). Never
    truncates.

    ## Information
    `task`: `good` [trials], the good state of each trial; `common` [trials], whether its transition
    is common. Each step: `trial`; `stage` (-1 fixation, 0 choice, 1 second stage; 0 where
    `compact`); `first_action` of the trial (-1 before it is made); `common`, known at all stages;
    `second_state` (-1 if not reached); `good`; `optimal_action` (at the choice, the one that
    commonly leads to the good state; at the second stage every action is optimal, and the one
    taken is given); `expected_reward`, the probability that the trial pays, given the choice (at
    the second stage: given the state); `optimal_reward`, with the best choice. At fixation both
    count invalid actions only. Regret is therefore that of the choices.

    ## Task Distribution
    The task has no continuous parameter, only two mirror images of one structure that alternate.
    What is held out are schedules: an episode is `train` if the number of its rare transitions
    and the index of the first good state are both even or both odd, else `held_out`. So no
    schedule (good states and transitions) of one half occurs in the other; sequences of flips and
    transitions have the published distribution in both. `all`: everything.

    ## Paper Correspondence
    Wang et al. 2018, simulation 4: transitions .8/.2, rewards .9/.1, flips .025, 100 trials, as
    published. There, a fixation step asks for a central action and invalid actions cost 1
    (`fixation=True`; what follows an invalid choice is our decision). Two re-implementations have
    no fixation step, and one of them feeds the network only with the first-stage action, the state
    and the reward (`compact`). The efference copy is ours: without it, the previous-action input
    beside the reward would hold the meaningless action of the forced step. With the copy, networks
    learn with that input or without it, `inputs=("centred_reward",)`, a little sooner without. The
    split is ours. Reward per trial: random .500; model-free about .635; ideal Bayes observer .7058;
    best action always .74. Ideal stay probabilities 1, .664, .664, 1 (rewarded common and rare,
    unrewarded common and rare); published .99, .635, .62, .99.

    ## References
    Wang JX et al. 2018, Prefrontal cortex as a meta-reinforcement learning system, Nature
    Neuroscience 21:860-868. Daw ND et al. 2011, Model-based influences on humans' choices and
    striatal prediction errors, Neuron 69:1204-1215. Miller KJ et al. 2017, Dorsal hippocampus
    contributes to model-based planning, Nature Neuroscience 20:1269-1276.
    """

    parameters = ("good", "common")
    noise = 1  # does the state pay?
    observation_low = (0.0,) * 6
    observation_high = (1.0,) * 6

    transition: float = option(0.8, "Probability of the common transition.", least=0.5, most=1)
    reward: float = option(0.9, "Reward probability in the good state.", least=0.5, most=1)
    flip: float = option(
        0.025, "Probability that the good state changes before a trial.", least=0, most=1
    )
    trials: int = option(100, "Trials of an episode.", least=1)
    fixation: bool = option(False, "Whether a step to fixate comes before each trial.")
    compact: bool = option(False, "Whether a trial has one step, not two; not with `fixation`.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fixation and self.compact:
            raise ValueError("compact has one step a trial and so no fixation: choose one of them")

    @property
    def stages(self) -> tuple[int, ...]:
        """Stages of a trial, one a step."""
        if self.compact:
            return (FIRST,)
        return (FIXATION, FIRST, SECOND) if self.fixation else (FIRST, SECOND)

    @property
    def steps(self) -> int:
        """Two steps a trial; one if compact, three with fixation."""
        return self.trials * len(self.stages)

    @property
    def num_actions(self) -> int:
        """Two first-stage actions, and with fixation the centre."""
        return 3 if self.fixation else 2

    @property
    def reward_range(self) -> tuple[float, float]:
        """Nothing or 1; with fixation an invalid action costs 1."""
        return (-1.0 if self.fixation else 0.0), 1.0

    @property
    def reward_values(self) -> tuple[float, ...]:  # type: ignore[override]
        """Nothing or 1; with fixation also the cost of an invalid action."""
        return (-1.0, 0.0, 1.0) if self.fixation else (0.0, 1.0)

    @property
    def draws(self) -> int:
        """First good state, transitions, flips before all trials but the first."""
        return 2 * self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make the schedule, ``{"good": [n, trials], "common": [n, trials]}``."""
        common = uniform[:, 1 : self.trials + 1] < self.transition
        first = first_state(uniform[:, 0], ~common, 1.0 - self.transition, split)
        flips = uniform[:, self.trials + 1 :] < self.flip
        return {"good": switching(first, flips), "common": common.long()}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"good": [num_envs, trials], "common": [num_envs, trials]}``, 0 or 1."""
        bit = ((self.trials,), 0.0, 1.0)
        return check_parameters(params, integers=("good", "common"), good=bit, common=bit)

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and the observation of the first fixation or choice."""
        rare = 1 - params["common"]
        n, device = len(rare), rare.device
        # VIEWS [6, rows]: all observations there are, by what has been done
        chosen = torch.eye(2, 3, device=device)  # column: action 0, 1, or none
        blank, on = torch.zeros(2, 3, device=device), torch.ones(1, 3, device=device)
        choose = torch.cat([blank[:1], on, blank, chosen])
        actions = torch.arange(self.num_actions, device=device).repeat(2)  # column: a + A rare
        flipped = torch.arange(2, device=device).repeat_interleave(self.num_actions)
        reached = chosen[:, torch.where(actions == CENTRE, CENTRE, actions ^ flipped)]
        cues = torch.zeros(2, len(actions), device=device)
        cues[1] = float(self.compact)
        state: State = {
            "t": 0,
            "choose": choose,
            "fixate": torch.cat([on, blank[:1], blank, chosen]),
            "second": torch.cat([cues, reached, chosen[:, actions]]),
            # A trial is spent in the good state if first action = good XOR rare.
            "hit": by_trial(params["good"] ^ rare),
            "rare": by_trial(rare * self.num_actions),
            "first": torch.full((n,), CENTRE, device=device),
            "nothing": torch.zeros(n, device=device),
            # By first action XOR hit: a hit, a miss, and twice nothing for the centre
            "pays": torch.tensor([self.reward, 1.0 - self.reward, 0.0, 0.0], device=device),
            "centre": torch.tensor([0.0, 0.0, 1.0], device=device),
        }
        start = state["fixate" if self.fixation else "choose"]
        return state, start.index_select(1, state["first"]).T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Make a choice, or pay for it; see the class."""
        t = state["t"]
        trial, index = divmod(t, len(self.stages))
        stage = self.stages[index]
        if stage == FIXATION:
            view = state["choose"].index_select(1, state["first"]).T
            return {**state, "t": t + 1}, view, state["centre"].take(action).sub_(1.0)
        if stage == SECOND:
            first = state["first"]
            after = state["fixate"] if self.fixation else state["choose"]
            view = after.index_select(1, first).T
            return {**state, "t": t + 1}, view, self._pay(state, trial, first, noise)
        seen = torch.add(state["rare"][trial], action)
        view = state["second"].index_select(1, seen).T
        reward = state["nothing"]
        if self.compact:
            reward = self._pay(state, trial, action, noise)
        elif self.fixation:
            reward = -state["centre"].take(action)
        return {**state, "t": t + 1, "first": action}, view, reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes | None:
        """Return what actions would pay and show at every step; see `Outcomes`."""
        state, first = self.reset(params)
        if not self.compact:
            return self._by_first_action(state, noise)
        rare, hit = torch.stack(state["rare"]), torch.stack(state["hit"])
        actions = torch.arange(2, device=rare.device)[:, None]
        rewards = state["pays"].take(actions ^ hit[:, None]).gt_(noise)
        seen = state["second"].T[rare[:-1, None] + actions].transpose(2, 3)  # [T - 1, 2, 6, n]
        shown = torch.cat([first.T.expand(1, 2, -1, -1), seen])
        # The choice before is in the state, but of a trial with one step nothing asks for it.
        return Outcomes(rewards, shown, ticking(state, self.steps))

    def _by_first_action(self, state: State, noise: Tensor) -> Outcomes:
        """Return outcomes where a trial has several steps: places are the last first actions."""
        rare, hit = torch.stack(state["rare"]), torch.stack(state["hit"])
        trials, n = rare.shape
        places, choices = torch.arange(CENTRE + 1, device=rare.device), self.num_actions
        acts = places[:choices]
        seen, paid, following = [], [], []
        each = noise[:, 0].unflatten(0, (trials, -1))
        for index, stage in enumerate(self.stages):
            view = state["fixate" if stage == FIXATION else "choose"].T[None, :, :, None]
            earned = torch.zeros(1, 1, choices, 1, device=rare.device)
            if stage == SECOND:
                reached = rare[:, None] + places[:choices, None]
                view = state["second"].T[reached].transpose(2, 3)
                view = torch.cat([view, view[:, :1].expand(-1, CENTRE + 1 - choices, -1, -1)], 1)
                paying = state["pays"].take(places[:, None] ^ hit[:, None])
                earned = paying.gt(each[:, index, None]).float()[:, :, None]
            elif self.fixation:
                centre = state["centre"].take(acts)
                earned = (centre - 1.0 if stage == FIXATION else -centre)[None, None, :, None]
            seen.append(view.expand(trials, CENTRE + 1, -1, n))
            paid.append(earned.expand(trials, CENTRE + 1, choices, n))
            after = acts.expand(CENTRE + 1, -1) if stage == FIRST else places[:, None]
            following.append(after.expand(trials, CENTRE + 1, choices))
        rewards, shown, next_places = (
            torch.stack(x, 1).flatten(0, 1) for x in (paid, seen, following)
        )
        where = {"following": next_places, "start": state["first"]}
        trace = functools.partial(self._trace, state)
        return Outcomes(rewards.flatten(1, 2), shown, trace=trace, **where)

    def _trace(self, state: State, actions: Tensor) -> list[State]:
        """Return the states before the steps of these actions ``[T, n]``, given the first one."""
        states = [state]
        for t, action in enumerate(actions[:-1]):
            first = self.stages[t % len(self.stages)] == FIRST
            states.append({**states[-1], "t": t + 1, **({"first": action} if first else {})})
        return states

    def _pay(self, state: State, trial: int, first: Tensor, noise: Tensor) -> Tensor:
        """Pay where the uniform number lies below the probability of the reached state."""
        return state["pays"].take(first ^ state["hit"][trial]).gt_(noise[0])

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the step and of its trial; see the class."""
        trial, index = divmod(state["t"], len(self.stages))
        good, common = params["good"][:, trial], params["common"][:, trial]
        return self._facts(self.stages[index], trial, good, common, state["first"], action)

    def episode_facts(
        self, params: Params, states: Sequence[State], actions: Tensor
    ) -> dict[str, Tensor]:
        """Return the facts of many steps, all of one stage at once; see `Task.episode_facts`."""
        if type(self).facts is not TwoStep.facts:
            return super().episode_facts(params, states, actions)
        found: dict[str, Tensor] = {}
        for index, stage in enumerate(self.stages):
            rows = [i for i, one in enumerate(states) if one["t"] % len(self.stages) == index]
            if not rows:
                continue
            at, times = torch.tensor([rows, [states[i]["t"] for i in rows]], device=actions.device)
            trial = times // len(self.stages)
            first = torch.stack([states[i]["first"] for i in rows])
            good, common = (params[name].T[trial] for name in ("good", "common"))
            told = self._facts(stage, trial[:, None], good, common, first, actions[at])
            for name, value in told.items():
                found.setdefault(name, value.new_empty(actions.shape))[at] = value
        return found

    def _facts(self, stage: int, trial: int | Tensor, *each: Tensor) -> dict[str, Tensor]:
        """Return the facts of steps of one stage, tensors of the shape of their actions.

        Of each step: the good state, whether the transition is common, the first action, and what
        is done.
        """
        good, common, first, action = each
        none = torch.full_like(action, -1)
        first = {FIXATION: none, FIRST: action, SECOND: first}[stage]
        valid = (first == 0) | (first == 1)
        second = torch.where(valid, first ^ (1 - common), -1)
        common_pay = self.transition * self.reward + (1 - self.transition) * (1 - self.reward)
        best = torch.full(action.shape, common_pay, device=action.device)
        if stage == FIXATION:
            expected, best = torch.where(action == CENTRE, 0.0, -1.0), torch.zeros_like(best)
            optimal = torch.full_like(action, CENTRE)
        elif stage == FIRST:
            expected = torch.where(action == good, best, 1.0 - best)
            expected, optimal = torch.where(valid, expected, -1.0), good
        else:
            paid = torch.where(second == good, self.reward, 1.0 - self.reward)
            expected = best = torch.where(valid, paid, 0.0)
            optimal = action
        return {
            "trial": torch.zeros_like(action) + trial,
            "stage": torch.full_like(action, stage),
            "first_action": first,
            "common": common,
            "second_state": second,
            "good": good,
            "optimal_action": optimal,
            "expected_reward": expected,
            "optimal_reward": best,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return the good state, one-hot, the reward due, the stage, and t / T, ``[n, 5]``.

        The reward due is the probability that the reached state pays, 0 before it is reached.
        """
        t = state["t"]
        trial, index = divmod(min(t, self.steps - 1), len(self.stages))
        good = params["good"][:, trial]
        stage = self.stages[index] if t < self.steps else self.stages[0]
        due = state["nothing"]
        if stage == SECOND:
            due = state["pays"].take(state["first"] ^ state["hit"][trial])
        fixed = torch.tensor([[stage, t / self.steps]], dtype=torch.float32, device=due.device)
        shown = torch.stack([1 - good, good, due], dim=1)
        return torch.cat([shown, fixed.expand(len(due), 2)], dim=1)

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw actions, transitions and states, and the way of the trial of the last step."""
        trial, index = divmod(max(state["t"] - 1, 0), len(self.stages))
        good, common = (int(params[name][row, trial]) for name in ("good", "common"))
        worth = np.full((2, 1), 1.0 - self.reward)
        worth[good] = self.reward
        first = reached = paid = None
        if len(past.actions) and self.stages[index] != FIXATION:
            since = len(past.actions) - 1 - (self.stages[index] == SECOND)
            first = int(past.actions[since])
            reached = None if first == CENTRE else first ^ (1 - common)
            if index == len(self.stages) - 1:
                paid = past.reward, self.reward_range
        pictures.two_stages(picture, worth, self.transition, (first, reached, None), paid)


@dataclasses.dataclass(frozen=True)
class TwoStepWang2016(TwoStep):
    """The two-step task with parameters of Wang et al. 2016: ten trials, no flips.

    ## Description
    As `TwoStep`, but the good state is the same for the whole episode, and an episode is short.

    ## Task Distribution
    As `TwoStep`: half of all schedules are held out. With 10 trials the two states are good first
    with probabilities .5005 and .4995.

    ## Paper Correspondence
    Wang et al. 2016, experiment 5: transitions .75/.25, rewards .9/.1, 10 trials, as published. The
    efference copy of the first-stage action and the split are ours. Reward per trial: ideal Bayes
    observer .6698. The published stay probabilities 1, 0, 0, .96 are those of an ideal observer on
    the first pair of trials only; over the whole episode it has 1, .506, .507, 1.

    ## References
    Wang JX et al. 2016, Learning to reinforcement learn, arXiv:1611.05763.
    """

    transition: float = option(0.75, "Probability of the common transition.", least=0.5, most=1)
    flip: float = option(
        0.0, "Probability that the good state changes before a trial.", least=0, most=1
    )
    trials: int = option(10, "Trials of an episode.", least=1)

"""Delayed non-match to sample with a rate for a response: are two stimuli, far apart, different?"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

# Milliseconds: of a trial, of each stimulus and of the response at the end, and the onsets
DURATION, LASTS = 1000, 200
ONSETS = (1, 400)
TARGET = 0.98  # of the output: positive if the stimuli differ, negative if they are the same


@dataclasses.dataclass(frozen=True)
class DelayedNonMatchToSample(Task):
    """Two stimuli .2 s apart, and an output that must be high if they differ, else low.

    ## Description
    An episode is one trial of 1 s: a stimulus, a delay, a second stimulus, another delay, and a
    response period. There are two stimuli, hence four types of trial. The output is a rate that
    is free to move all the time; in the response period it must be near .98 where the stimuli
    were different, near -.98 where they were the same. It is an exclusive or over time: either
    stimulus alone says nothing, so the first must be remembered.

    ## Action Space
    `Box(-1, 1)`: the output, one number.

    ## Observation Space
    Two features, one a stimulus: 1 while it is there, else 0; then the chosen `inputs`.

    ## Starting State
    Nothing is shown at the first step. All four types of trial are equally probable.

    ## Reward
    At the last step, minus the error of the trial: the mean, over the steps of the response period,
    of the distance between output and target. 0 at all other steps.

    ## Episode End
    Terminates after 1000 steps of 1 ms (1000 / `step_ms`). Never truncates.

    ## Information
    `task`: `stimuli` [2], the first and the second one, 0 or 1. Each step: `trial`, always 0;
    `different`, whether the stimuli are; `target` of the output; `response`, whether the step is in
    the response period; `distance` of the output from the target there (else 0).

    ## Task Distribution
    Four trial types, of which none can be held out: an agent that has not been taught one of them
    has no reason to do it. So `train` and `all` are the same, and `held_out` is refused: test on
    `all`.

    ## Paper Correspondence
    Miconi 2017, delayed non-match to sample, from the published code: 1,000 steps of 1 ms, the
    first stimulus at steps 1 to 200 (counted from 0), the second at 400 to 599, the response at 800
    to 999, inputs of 0 and 1, targets of .98, and one error for the whole trial. There the types of
    trial follow each other in a fixed order (set them by hand for that), the output is the rate of
    a unit, which sees the input of a step before it answers in the same step, as agents do here,
    and a third input, meant for a cue to respond, is always 0 and left out. What the published
    learning curves call criterion is that 95 of 100 trials in a row have an error below 1, the
    right side of 0; the text beside the code says below .5. Steps of more than 1 ms are ours.

    ## References
    Miconi T 2017, Biologically plausible learning in recurrent neural networks reproduces neural
    dynamics observed during cognitive tasks, eLife 6:e20899.
    """

    parameters = ("stimuli",)
    noise = 0
    num_actions = 0
    reward_range = (-1.0 - TARGET, 0.0)
    draws = 1  # the type of trial
    open_loop = False
    observation_low = (0.0, 0.0)
    observation_high = (1.0, 1.0)

    step_ms: int = option(
        1,
        "Milliseconds of a step, a divisor of 200. Ten make an episode of 100 steps, for agents "
        "that learn in fewer of them.",
        least=1,
        most=LASTS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if LASTS % self.step_ms:
            raise ValueError(f"step_ms must be a divisor of {LASTS}, not {self.step_ms}")

    @property
    def steps(self) -> int:
        """One second."""
        return DURATION // self.step_ms

    @property
    def action_space(self) -> Space[Any]:
        """The output."""
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"stimuli": [n, 2]}``."""
        check_split(split)
        if split == "held_out":
            raise ValueError(
                "nothing can be held out of the four trial types of DelayedNonMatchToSample: use "
                "split='all'"
            )
        kind = (uniform[:, 0] * 4).long().clamp_(max=3)
        return {"stimuli": torch.stack([kind // 2, kind % 2], dim=1)}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"stimuli": [num_envs, 2]}``, each 0 or 1."""
        return check_parameters(params, integers=("stimuli",), stimuli=((2,), 0, 1))

    def shown(self, t: int) -> int:
        """Return what is there at a step: 0 or 1, the first or the second stimulus; 2 nothing."""
        now = t * self.step_ms
        there = [onset <= now < onset + LASTS for onset in ONSETS]
        return there.index(True) if any(there) else 2

    def responds(self, t: int) -> bool:
        """Return whether a step is in the response period."""
        return t * self.step_ms >= DURATION - LASTS

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and that nothing is shown."""
        first, second = torch.nn.functional.one_hot(params["stimuli"], 2).float().unbind(1)
        nothing = torch.zeros_like(first)
        same = params["stimuli"][:, 0] == params["stimuli"][:, 1]
        target = torch.where(same, -TARGET, TARGET)
        state: State = {
            "t": 0,
            "views": (first, second, nothing),
            "target": target,
            "missed": torch.zeros_like(target),  # sum of distances so far
            "unpaid": torch.zeros_like(target),
        }
        return state, nothing

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Note the output in the response period, and pay for it at the last step."""
        t = state["t"] + 1
        after, reward = {**state, "t": t}, state["unpaid"]
        if self.responds(t - 1):
            after["missed"] = state["missed"] + (action[:, 0] - state["target"]).abs()
        if t == self.steps:
            reward = after["missed"] * (-self.step_ms / LASTS)
        return after, state["views"][self.shown(t)], reward

    def trial_start(self, params: Params, state: State) -> bool:
        """Say that an episode is one trial."""
        return bool(state["t"] == 0)

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the type of trial, and the distance of the output from its target."""
        target, responds = state["target"], self.responds(state["t"])
        return {
            "trial": torch.zeros_like(params["stimuli"][:, 0]),
            "different": (target > 0).long(),
            "target": target,
            "response": torch.full(target.shape, int(responds), device=target.device),
            "distance": (action[:, 0] - target).abs() * responds,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return both stimuli (-1 or 1), the target, t / T and the error so far, ``[n, 5]``."""
        stimuli, target = 2.0 * params["stimuli"].T - 1.0, state["target"]
        time = torch.full_like(target, state["t"] / self.steps)
        missed = state["missed"] * (self.step_ms / LASTS)
        return torch.stack([*stimuli, target, time, missed], dim=1)

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw both stimuli as bars in time, the target of the response, and the output so far."""
        left, wide, middle, high = 20, 360, 86, 64

        def place(ms: float, level: float) -> pictures.Point:
            return left + wide * ms / DURATION, middle - high * level

        for onset, stimulus in zip(ONSETS, params["stimuli"][row].tolist(), strict=True):
            corner = place(onset, 1.0)
            colour = pictures.ORANGE if stimulus else pictures.BLUE
            pictures.box(picture, corner, (wide * LASTS / DURATION, 2 * high), pictures.FAINT)
            centre = (corner[0] + wide * LASTS / DURATION / 2, 12.0)
            pictures.write(picture, centre, f"S{stimulus}", colour)
            pictures.box(picture, (corner[0], 2 * high + 26), (wide * LASTS / DURATION, 6), colour)
        pictures.stroke(picture, place(0, 0), place(DURATION, 0), pictures.LINE, 1)
        level = float(state["target"][row])
        ends = place(DURATION - LASTS, level), place(DURATION, level)
        pictures.stroke(picture, *ends, pictures.GOOD, 4)
        every = max(1, len(past.actions) // 100)
        times = range(0, len(past.actions), every)
        points = [place(t * self.step_ms, float(past.actions[t, 0])) for t in times]
        for start, end in itertools.pairwise(points):
            pictures.stroke(picture, start, end, pictures.INK, 2)

"""The two-colour contextual bandit: which colour pays, wherever it is shown?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.harlow import PairChoice
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import chequerboard
from prefrontal.envs.task import Params, check_parameters

CELLS = 4  # of a half axis of a colour channel, for the split


@dataclasses.dataclass(frozen=True)
class ContextBandit(PairChoice):
    """Two complementary colours on shuffled sides, one of which pays.

    ## Description
    Two colours are shown, one on either side, and the agent chooses a side. One colour pays, the
    other never does, for the whole episode; where it is shown changes from step to step. So what
    has to be bound to the reward is the colour, not the action. One trial tells all.

    ## Observation Space
    Red, green and blue of the left colour, then of the right one, each mapped from [0, 1] to
    [-1, 1]; then the chosen `inputs`. All six are 0 on the blank steps that `delay` puts between
    the choices.

    ## Starting State
    The paying colour c is uniform on the unit cube, the other one is its complement 1 - c; sides
    independent and equally probable on every trial.

    ## Reward
    1 for the paying colour, else 0.

    ## Information
    `task`: `colour` [3], the one that pays, in [0, 1]; `side` [trials], where it is (0 left, 1
    right); with `shortest_delay` also `delay`. Each step: `trial`; `correct`, whether the paying
    colour was chosen; `optimal_action`, `expected_reward`, `optimal_reward` for one who knows the
    colour (all 0 on blank steps). With `delay` also `decision`, whether the step is a choice, and
    `active`, 0 after the last one.

    ## Task Distribution
    The distances |2 c - 1| of the three channels from grey are cut into 4 cells each and coloured
    like a chequerboard: even cells are `train`, odd ones `held_out`. A colour and its complement
    lie in the same half, as does any colour of the same three distances. `all`: the whole cube.

    ## Paper Correspondence
    The "rainbow" contextual bandit of A. Juliani's Meta-RL notebooks (2017), an abstraction of
    Harlow's task, which users report recurrent PPO does not learn (sb3-contrib, issue 211):
    colours, sides, rewards and 100 steps as there. The mapping to [-1, 1], the split and blank
    steps are ours.
    Optimal return 99.5 (half a reward on trial 1, one on each of the others), random 50.

    ## References
    Juliani A 2017, https://github.com/awjuliani/Meta-RL. Stable-Baselines3 Contrib, issue 211,
    https://github.com/Stable-Baselines-Team/stable-baselines3-contrib/issues/211.
    """

    parameters = ("colour", "side")
    reward_range = (0.0, 1.0)
    lasting = ("colour",)
    observation_low = (-1.0,) * 6
    observation_high = (1.0,) * 6

    trials: int = option(
        100,
        "Choices of an episode. Ten trials are easier to learn first; leave out the input "
        "`time` if the number changes, or it changes its meaning.",
        least=1,
    )

    @property
    def draws(self) -> int:
        """Three distances from grey, their signs, and the schedule."""
        return 6 + self.schedule_draws

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"colour": [n, 3], "side": [n, trials]}``, and `delay` if it varies."""
        distance = chequerboard(uniform[:, :3], split, cells=CELLS)
        sign = torch.where(uniform[:, 3:6] < 0.5, -0.5, 0.5)
        return {"colour": 0.5 + sign * distance, **self.schedule(uniform[:, 6:])}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"colour": [num_envs, 3], "side": [num_envs, trials]}``."""
        bounds = self.schedule_bounds
        return check_parameters(params, integers=bounds, colour=((3,), 0.0, 1.0), **bounds)

    def stimuli(self, params: Params) -> tuple[Tensor, Tensor]:
        """Return the paying colour and its complement, in [-1, 1], ``[n, 3]`` each."""
        centred = 2.0 * params["colour"] - 1.0
        return centred, -centred

    def looks(self, params: Params, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the paying colour and its complement."""
        colour = np.round(255 * params["colour"][row].numpy(force=True)).astype(np.uint8)
        return pictures.card(colour), pictures.card(255 - colour)

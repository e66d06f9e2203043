r"""A maze in pixels, written as anybody would: the way to go is shown once, at the start.

An agent (white) stands at the foot of a corridor, and a light (red) says on which side the reward
is. The light is out after the first step. Up the corridor it goes with `up`; at its end, `left` and
`right` finish the episode, with reward 1 on the side of the light and 0 on the other.

What can be had, per episode:

- random actions .485 (`random_return`: a guess, if they arrive in time);
- agents without memory .50 at most, also those that see their previous action and reward: on
  arrival that is `up` and 0, whatever the light was;
- the best 1.

Train 4 agents on it, with an LSTM as memory:

    prefrontal train docs/examples/pixels.py:LightMaze --core lstm --members 4 \
        --total-steps 20000 --env-kwargs max_episode_steps=20
"""

import gymnasium
import numpy as np
from gymnasium import spaces

LEFT, RIGHT, UP = range(3)
CELL, SIDE = 16, 64  # pixels of a cell, and of a picture of 4 x 4 cells
LENGTH, STEPS = 3, 20  # steps up the corridor; the time limit that is meant


class LightMaze(gymnasium.Env):
    """Pictures ``[64, 64, 3]`` of uint8, and three actions."""

    def __init__(self):
        self.observation_space = spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        """Light one side."""
        super().reset(seed=seed)
        self.side = int(self.np_random.integers(2))
        self.height = self.time = 0
        return self._picture(), {}

    def step(self, action):
        """Move."""
        self.time += 1
        if self.height < LENGTH:
            self.height += action == UP
        elif action != UP:
            return self._picture(), float(action == self.side), True, False, {}
        return self._picture(), 0.0, False, False, {}

    def _picture(self):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        middle = slice(SIDE // 2 - CELL // 2, SIDE // 2 + CELL // 2)
        picture[:, middle] = picture[:CELL] = 60  # the floor
        if self.time == 0:
            picture[:CELL, CELL * 3 * self.side : CELL * (3 * self.side + 1)] = (255, 0, 0)
        bottom = SIDE - CELL * self.height
        picture[bottom - CELL : bottom, middle] = 255
        return picture


def random_return() -> float:
    """Return what random actions bring, exactly: an arrival within the time limit, and a guess."""
    at = np.zeros(LENGTH + 1)  # probability of each height, among episodes that still run
    at[0], done = 1.0, 0.0
    for _ in range(STEPS):
        up = at[:-1] / 3
        left = at[-1] * 2 / 3
        at[:-1] -= up
        at[1:] += up
        at[-1] -= left
        done += left
    return done / 2

"""Harlow's learning-set task with a gaze that moves along a ring: the one-dimensional version."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.harlow import LEFT, OBJECTS, RIGHT, check_pairs, draw_pair
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes
from prefrontal.envs.task import Params, Past, State, StepResult, Task

RING = 17  # cells
REACH = 4  # cells seen on either side of the gaze
OFFSET = 3  # cells from the fixation mark to either object
FIXATE, CHOOSE = -1, 0  # stages of a trial
FIXATION_REWARD = 0.2
FIXATION_CODE = -1.0


@dataclasses.dataclass(frozen=True)
class HarlowOneDimensional(Task):
    """Harlow's task on a ring: move the gaze to a fixation mark, then to one of two objects.

    ## Description
    The agent sees part of a ring of 17 cells and moves its gaze along it. A trial begins with a
    fixation mark; when the gaze reaches it, it gives way to two objects, one on either side. The
    first object that the gaze reaches is chosen, and the mark is back in its place. One object is
    good, the other bad, for the whole episode; sides are shuffled on every trial. An agent that has
    learned to learn is right from trial 2 on.

    ## Action Space
    `Discrete(2)`: 0 moves the gaze one cell to the left, 1 to the right. With `no_op`
    `Discrete(3)`, where 2 leaves it where it is.

    ## Observation Space
    The cell under the gaze and four on either side, 9 numbers from left to right: 0 an empty cell,
    -1 the fixation mark, k / 2001 in (0, 1) an object (k from 1 to 2000); then the chosen `inputs`.

    ## Starting State
    The gaze 1, 2 or 3 cells from the mark on either side, each with probability 1/6; two different
    objects of the split; sides independent and equally probable on every trial.

    ## Reward
    +.2 on reaching the mark, +1 on reaching the good object, -1 the bad one, else 0.

    ## Episode End
    Terminates after `max_steps` steps. Never truncates. After `trials` choices nothing happens any
    more: all cells are empty, and no action makes a difference.

    ## Information
    `task`: `objects` [2], indices of the good and of the bad object; `side` [trials], where the
    good one is (0 left, 1 right); `start`, the first place of the gaze, in cells to the right of
    the mark. Each step: `trial` (of the last trial after its choice); `stage` (-1 towards the mark,
    0 among objects); `active`, 0 after the last choice; `decision`, whether this step chooses an
    object; `correct`, whether that is the good one; `optimal_action`, the shortest way to the mark
    or to the good object (if not `active`, the action taken); `expected_reward` of the step and
    `optimal_reward`, that of the optimal action. What is lost by detours shows in the number of
    steps only, so their difference is a regret at decisions alone.

    ## Task Distribution
    2,000 objects with equally spaced codes: odd k are `train`, even k `held_out`. `all`: both
    objects of a pair from all 2,000.

    ## Paper Correspondence
    Wang et al. 2018, simulation 5, reduced to one dimension as in a public re-implementation
    (BKHMSI/Meta-RL-Harlow): ring, field of view, offset, rewards, 6 trials, at most 250 steps and
    1,000 objects are as there; accuracy on trial 2 published for networks and monkeys 97 %, of that
    re-implementation 94 to 95 %. Different here: two objects are never equal, and the mark has a
    code that no object has (there the two could be equal, and one object looked like the mark);
    objects are held out; the episode has a fixed length. `no_op` is as in the paper. Optimal return
    6.2 (six marks, 0 for the first choice, 1 for each of the others).

    ## References
    Harlow HF 1949, The formation of learning sets, Psychological Review 56:51-65. Wang JX et al.
    2018, Prefrontal cortex as a meta-reinforcement learning system, Nature Neuroscience 21:860-868.
    """

    parameters = ("objects", "side", "start")
    noise = 0  # moves and rewards are certain
    reward_range = (-1.0, 1.0)
    reward_values = (-1.0, 0.0, FIXATION_REWARD, 1.0)
    observation_low = (FIXATION_CODE,) * (2 * REACH + 1)
    observation_high = (1.0,) * (2 * REACH + 1)

    trials: int = option(6, "Choices of an episode.", least=1)
    max_steps: int = option(
        250,
        "Steps of an episode; 36 are enough for six trials without detours.",
        least=1,
    )
    no_op: bool = option(False, "Whether there is an action that leaves the gaze where it is.")

    @property
    def steps(self) -> int:
        """Always the largest number of steps."""
        return self.max_steps

    @property
    def num_actions(self) -> int:
        """Left, right, and perhaps neither."""
        return 3 if self.no_op else 2

    @property
    def draws(self) -> int:
        """Two objects, the first place of the gaze, and a side for every trial."""
        return 3 + self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"objects": [n, 2], "side": [n, trials], "start": [n]}``."""
        place = (uniform[:, 2] * (2 * OFFSET)).long().clamp_(max=2 * OFFSET - 1) - OFFSET
        return {
            "objects": draw_pair(uniform[:, :2], split),
            "side": (uniform[:, 3:] < 0.5).long(),
            "start": torch.where(place >= 0, place + 1, place),
        }

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``objects`` [num_envs, 2], ``side`` [num_envs, trials], ``start`` [num_envs]."""
        side, start = ((self.trials,), LEFT, RIGHT), ((), -(RING // 2), RING // 2)
        return check_pairs(params, side=side, start=start)

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and what is seen at first."""
        objects, side = params["objects"], params["side"]
        n, device = len(side), side.device
        graph = _graph(self.trials, self.num_actions, device)
        # CODES [4, n] of nothing, the mark, the good and the bad object; k is odd in train
        k = 2 * (objects % OBJECTS) + 1 + objects // OBJECTS
        marks = torch.tensor([[0.0], [FIXATION_CODE]], device=device).expand(2, n)
        codes = torch.cat([marks, k.T / (2 * OBJECTS + 1)])
        # PER ROW which picture is at each place, [places, n], and what moves pay, [places, A, n]
        here = side.T.index_select(0, graph["trial"])
        good = here.float().mul_(2.0).sub_(1.0)[:, None]  # -1 left, 1 right
        reward = torch.addcmul(graph["mark_reward"][:, :, None], graph["side"][:, :, None], good)
        place = params["start"] % RING
        state: State = {
            "t": 0,
            "place": place,
            "before": place,  # that of the step before
            "next": graph["next"].flatten(),
            "reward": reward,
            "picture": torch.add(graph["picture"][:, None], here, alpha=RING),
            "pictures": graph["pictures"] * n,
            "codes": codes,
            "rows": torch.arange(n, device=device),
            "graph": graph,
        }
        return state, self._see(state, place)

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what all places show and pay, the same at every step; see `Outcomes`."""
        state, _ = self.reset(params)
        graph, picture, codes = state["graph"], state["picture"], state["codes"]
        looks = codes[graph["pictures"].T]  # [pictures, 9, n]
        left, right = (looks.index_select(0, graph["picture"] + k * RING) for k in (LEFT, RIGHT))
        shown = torch.where((picture > graph["picture"][:, None])[:, None], right, left)
        tables = state["reward"].flatten(0, 1), shown, graph["next"]
        rewards, shown, following = (table[None] for table in tables)
        return Outcomes(rewards, shown, following=following, start=state["place"])

    def _see(self, state: State, place: Tensor) -> Tensor:
        """Return what is seen, ``[n, 9]``: in every cell the code of what is there."""
        rows = state["rows"]
        picture = state["picture"].take(torch.add(rows, place, alpha=len(rows)))
        things = state["pictures"].index_select(1, picture)  # thing j of row i: at j n + i of codes
        return state["codes"].take(things.add_(rows)).T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Move the gaze; see the class."""
        move = torch.add(action, state["place"], alpha=self.num_actions)
        place = state["next"].take(move)
        rows = state["rows"]
        reward = state["reward"].take(torch.add(rows, move, alpha=len(rows)))
        after = {**state, "t": state["t"] + 1, "place": place, "before": state["place"]}
        return after, self._see(state, place), reward

    def trial_start(self, params: Params, state: State) -> Tensor | bool:
        """Say whether the step before chose an object, and another trial follows."""
        if state["t"] == 0:
            return True
        trial = state["graph"]["trial"]
        return trial[state["place"]] != trial[state["before"]]

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the step; see the class."""
        graph, place = state["graph"], state["place"]
        trial, stage = graph["trial"][place], graph["stage"][place]
        active = place < len(graph["trial"]) - 1
        side = params["side"].gather(1, trial[:, None])[:, 0]
        target = torch.where(stage == FIXATE, 0, torch.where(side == LEFT, -OFFSET, OFFSET))
        # Cells to the target, the shorter way round the ring, positive to the right
        ahead = (target - graph["gaze"][place] + RING // 2) % RING - RING // 2
        optimal = torch.where(active, (ahead > 0).long(), action)
        chosen = graph["chosen"][place, action]
        rewards = state["reward"][place, :, state["rows"]]
        return {
            "trial": trial,
            "stage": stage,
            "active": active.long(),
            "decision": (chosen >= 0).long(),
            "correct": (chosen == side).long(),
            "optimal_action": optimal,
            "expected_reward": rewards.gather(1, action[:, None])[:, 0],
            "optimal_reward": rewards.gather(1, optimal[:, None])[:, 0],
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return trial / trials, stage, gaze / 8, side of the good object, active, t / T."""
        graph, place = state["graph"], state["place"]
        trial = graph["trial"][place]
        side = 2 * params["side"].gather(1, trial[:, None])[:, 0] - 1
        active = (place < len(graph["trial"]) - 1).float()
        time = torch.full_like(active, state["t"] / self.steps)
        where = graph["gaze"][place] / (RING // 2)
        return torch.stack(
            [trial / self.trials, graph["stage"][place], where, side, active, time], 1
        )

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw the ring, the part of it that is seen, the mark or the objects, and the last reward.

        A dot is beside the good object.
        """
        place, graph = int(state["place"][row]), state["graph"]
        trial, stage, gaze = (int(graph[name][place]) for name in ("trial", "stage", "gaze"))
        active = place < len(graph["trial"]) - 1
        good, bad = params["objects"][row].tolist()
        if int(params["side"][row, trial]) == RIGHT:
            good, bad = bad, good
        things = {-OFFSET: good, OFFSET: bad} if stage == CHOOSE else {0: None}
        for cell in range(-(RING // 2), RING // 2 + 1):
            x, y = 200 + 22 * cell, 96
            seen = abs((cell - gaze + RING // 2) % RING - RING // 2) <= REACH
            pictures.box(picture, (x - 10, y - 10), (20, 20), pictures.FAINT)
            if seen:
                pictures.box(picture, (x - 11, y - 11), (22, 22), pictures.ORANGE, border=2)
            if cell == gaze:
                pictures.stroke(picture, (x, y + 40), (x, y + 20), pictures.ORANGE, 6)
                pictures.disc(picture, (x, y + 44), 8, pictures.ORANGE)
            if active and cell in things:
                self._draw_thing(picture, (x, y), things[cell])
        if active and stage == CHOOSE:
            right = int(params["side"][row, trial]) == RIGHT
            pictures.disc(
                picture, (200 + 22 * (OFFSET if right else -OFFSET), 20), 5, pictures.GOOD
            )
        words = f"trial {trial + 1}/{self.trials}" if active else "over"
        pictures.write(picture, (60, 20), words, pictures.SHADE)
        if past.reward:
            pictures.coin(picture, (350, 22), past.reward, self.reward_range)

    @staticmethod
    def _draw_thing(picture: np.ndarray, centre: tuple[int, int], thing: int | None) -> None:
        """Draw the fixation mark (None) in its cell, or an object above it."""
        x, y = centre
        if thing is None:
            pictures.stroke(picture, (x - 6, y), (x + 6, y), pictures.INK, 3)
            pictures.stroke(picture, (x, y - 6), (x, y + 6), pictures.INK, 3)
            return
        look = pictures.emblem(thing, size=36)
        picture[y - 60 : y - 24, x - 18 : x + 18] = look
        pictures.stroke(picture, (x, y - 22), (x, y), pictures.INK, 2)


@functools.lru_cache
def _graph(trials: int, actions: int, device: Any) -> dict[str, Tensor]:
    """Return tables of all places an episode can be in: (trial, stage, gaze), and one for "over".

    ``next`` [places, A] is the place an action leads to; ``chosen`` [places, A] the side of the
    object it chooses (-1: none), ``side`` the same as -1, 1 and 0; ``mark_reward`` [places, A] what
    it earns at the mark; ``picture`` [places] what is seen, where the good object is on the left;
    ``trial``, ``stage``, ``gaze``; ``pictures`` see `_pictures`.
    """
    places = 2 * RING * trials + 1
    over = places - 1
    stage_of, trial_of, gaze_of = (np.zeros(places, dtype=np.int64) for _ in range(3))
    following = np.full((places, actions), over)
    chosen = np.full((places, actions), -1)
    mark_reward = np.zeros((places, actions), dtype=np.float32)
    for place in range(over):
        trial, rest = divmod(place, 2 * RING)
        choosing, position = divmod(rest, RING)
        trial_of[place], stage_of[place] = trial, CHOOSE if choosing else FIXATE
        gaze_of[place] = (position + RING // 2) % RING - RING // 2
        for action, move in enumerate((-1, 1, 0)[:actions]):
            arrived = (position + move) % RING
            next_trial, next_choosing = trial, choosing
            if choosing and arrived in (OFFSET, RING - OFFSET):
                chosen[place, action] = RIGHT if arrived == OFFSET else LEFT
                next_trial, next_choosing = trial + 1, 0
            elif not choosing and arrived == 0:
                mark_reward[place, action], next_choosing = FIXATION_REWARD, 1
            if next_trial < trials:
                following[place, action] = next_trial * 2 * RING + next_choosing * RING + arrived
    trial_of[over], stage_of[over] = trials - 1, CHOOSE
    # Pictures: 0 nothing; then the mark, objects with the good one left, right; RING gazes each.
    picture = np.where(stage_of == FIXATE, 0, 2) * RING + gaze_of % RING
    picture[over] = 4 * RING
    tables = {
        "next": following,
        "chosen": chosen,
        "side": ((chosen == RIGHT) - 1.0 * (chosen == LEFT)).astype(np.float32),
        "mark_reward": mark_reward,
        "picture": picture,
        "trial": trial_of,
        "stage": stage_of,
        "gaze": gaze_of,
        "pictures": _pictures(),
    }
    return {name: torch.from_numpy(table).to(device) for name, table in tables.items()}


def _pictures() -> np.ndarray:
    """Return what is seen in each cell from every gaze, ``[9, 6 x 17]``.

    Things are 0 nothing, 1 the mark, 2 the good and 3 the bad object. Kinds of pictures: the mark
    (twice, whatever the side), objects with the good one left, right, and nothing (twice).
    """
    pictures = np.zeros((2 * REACH + 1, 6, RING), dtype=np.int64)
    shown = {0: {1: 0}, 1: {1: 0}, 2: {2: -OFFSET, 3: OFFSET}, 3: {2: OFFSET, 3: -OFFSET}}
    for kind, things in shown.items():
        for thing, cell in things.items():
            for gaze in range(RING):
                seen = (cell - gaze + RING // 2) % RING - RING // 2 + REACH
                if 0 <= seen <= 2 * REACH:
                    pictures[seen, kind, gaze] = thing
    return pictures.reshape(2 * REACH + 1, 6 * RING)

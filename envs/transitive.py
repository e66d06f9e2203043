"""Transitive inference: learn which of two neighbours is higher, and infer it for all pairs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, ticking
from prefrontal.envs.splits import by_trial, check_split
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

FEATURES = 15  # of an item
MOST_EQUAL = 9  # features that two items of an episode share at most: two thirds of 15, less one
TRIES = 96  # for all items; for ten of them they do not suffice in one of a million episodes
FIRST, SECOND = 0, 1


@dataclasses.dataclass(frozen=True)
class TransitiveInference(Task):
    """New items with a hidden order: neighbours are compared, then any two of them.

    ## Description
    The items of an episode have an order that the agent cannot see. On each trial two of them are
    shown, and it chooses one: the higher one pays 1, the lower one costs 1. In the first
    `learning_trials` the two are neighbours in the order, later any two. So the order of items that
    were never shown together has to be inferred.

    A trial has `trial_steps` steps: the pair is shown; a cue asks for the choice, when the pair is
    gone; the outcome is seen (by the inputs `action` and `reward`); then nothing is shown. Only
    what is done at the cue makes a difference. With one step a trial, pair and cue come together.

    ## Action Space
    `Discrete(2)`: 0 the first item of the pair, 1 the second one.

    ## Observation Space
    The first item, the second one, 15 features each, -1 or 1 (0 where no pair is shown), and the
    cue, 0 or 1; then the chosen `inputs`.

    ## Starting State
    A number of items from `fewest_items` to `most_items`, each as likely as the others. Items are
    random, drawn again if they share ten or more features with one before. On every trial each
    ordered pair is as likely as the others that may be shown.

    ## Reward
    At the cue +1 for the higher item, -1 for the lower one; 0 at all other steps.

    ## Episode End
    Terminates after `trials` `trial_steps` steps. Never truncates.

    ## Information
    `task`: `items` [`most_items`], from the highest to the lowest, as numbers whose binary digits
    are the features (those from `count` on are not used); `count`, how many there are; `pair`
    [trials, 2], the ranks of the first and of the second one, from 0, the highest. Each step:
    `trial`; `phase`, 0 learning, 1 test; `decision`, whether the step is the one at the cue;
    `first_rank`, `second_rank`; `distance`, between them; `adjacent`, whether that is 1; `correct`,
    whether the higher item was chosen; `optimal_action`, `expected_reward`, `optimal_reward` for
    one who knows the order (these and `correct` are 0 at steps that are no decision).

    ## Task Distribution
    Items. Those with an even number of features that are 1 are `train`, the others `held_out`: an
    agent tested there has never seen any of the items. `all`: all 32,768.

    ## Paper Correspondence
    Miconi & Kay 2025, from the published code: 4 to 8 items of 15 random features, drawn again if
    more than 66 % are those of another, 20 trials with neighbours and 10 with any pair, four steps
    a trial, +1 and -1. There all episodes of a batch have the same number of items, two blank steps
    come before the first trial, a loss has three times the weight in the last ten trials, the
    activity of the network (not its plastic weights) is set back before every trial (here that is
    the network's to do, see the input `trial_start`), and action 1 is the first item. The split is
    ours. Return of chance 0, of one who knows the order 30. One who remembers every outcome, infers
    what follows and guesses else earns 24.9 (3,000 episodes), and is right in the test about .994
    of neighbours and .984 of other pairs: not all neighbours were met, and the more so the farther
    two items are apart, so that it is no better about these.

    ## References
    Miconi T & Kay K 2025, Neural mechanisms of relational learning and fast knowledge reassembly in
    plastic neural networks, Nature Neuroscience 28:406-414.
    """

    parameters = ("items", "count", "pair")
    noise = 0  # rewards are certain
    num_actions = 2
    reward_range = (-1.0, 1.0)
    reward_values = (-1.0, 0.0, 1.0)
    open_loop = True
    observation_low = (-1.0,) * (2 * FEATURES) + (0.0,)
    observation_high = (1.0,) * (2 * FEATURES + 1)

    fewest_items: int = option(4, "Smallest number of items of an episode.", least=2, most=10)
    most_items: int = option(8, "Largest number of items of an episode.", least=2, most=10)
    trials: int = option(30, "Choices of an episode.", least=1)
    learning_trials: int = option(
        20, "Trials at the beginning that show neighbours in the order only.", least=0
    )
    trial_steps: int = option(
        4,
        "Steps of a trial: the pair, the cue to choose, and what remains blank. With 1 pair and "
        "cue come together.",
        least=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fewest_items > self.most_items:
            raise ValueError(
                f"fewest_items must be at most most_items, {self.most_items}, not "
                f"{self.fewest_items}"
            )

    @property
    def steps(self) -> int:
        """All steps of all trials."""
        return self.trials * self.trial_steps

    @property
    def cue(self) -> int:
        """The step of a trial at which the choice is made."""
        return min(1, self.trial_steps - 1)

    @property
    def draws(self) -> int:
        """The number of items, tries for them, and a pair for every trial."""
        return 1 + TRIES + self.trials

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``items`` [n, most_items], ``count`` [n] and ``pair`` [n, trials, 2]."""
        check_split(split)
        number, tried, pairs = uniform.split([1, TRIES, self.trials], dim=1)
        count = self.fewest_items + _whole(number[:, 0], self.most_items - self.fewest_items + 1)
        # CODES [n, TRIES]: the last feature makes the number of ones even or odd
        if split == "all":
            codes = _whole(tried, 2**FEATURES)
        else:
            half = _whole(tried, 2 ** (FEATURES - 1))
            codes = 2 * half + ((_ones(half) + int(split == "held_out")) & 1)
        items = _unlike(codes, self.most_items)
        # PAIRS: neighbours, the higher one first or second; any two
        next_to = _whole(pairs, 2 * (count[:, None] - 1))
        near = torch.stack([(next_to + 1) // 2, next_to // 2 + 1 - next_to % 2], dim=2)
        anyone = _whole(pairs, count[:, None] * (count[:, None] - 1))
        first, other = anyone // (count[:, None] - 1), anyone % (count[:, None] - 1)
        far = torch.stack([first, other + (other >= first)], dim=2)
        learning = torch.arange(self.trials, device=uniform.device) < self.learning_trials
        pair = torch.where(learning[:, None], near, far)
        return {"items": items, "count": count, "pair": pair}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``items`` [num_envs, most_items], ``count`` [num_envs], ``pair`` [.., trials, 2].

        Raises:
            ValueError: See `check_parameters`; or two items that are equal, or a pair of one item,
                or of items that there are not.
        """
        bounds = {
            "items": ((self.most_items,), 0, 2**FEATURES - 1),
            "count": ((), self.fewest_items, self.most_items),
            "pair": ((self.trials, 2), 0, self.most_items - 1),
        }
        checked = check_parameters(params, integers=bounds, **bounds)
        items, count, pair = (checked[name] for name in self.parameters)
        for row, number in zip(items.tolist(), count.tolist(), strict=True):
            if len(set(row[:number])) < number:
                raise ValueError("the items of an episode must differ")
        if bool((pair >= count[:, None, None]).any() or (pair[..., 0] == pair[..., 1]).any()):
            raise ValueError("a pair must hold two different ranks below the number of items")
        return checked

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and the first pair."""
        items, pair = params["items"], params["pair"]
        n, device = len(items), items.device
        shown = features(items)[torch.arange(n, device=device)[:, None, None], pair]
        # PAIRS [trials, D, n] of all trials at once
        cue = torch.full((n, self.trials, 1), float(self.cue == 0), device=device)
        pairs = torch.cat([shown.flatten(2), cue], dim=2).permute(1, 2, 0).contiguous()
        blank = torch.zeros(n, 2 * FEATURES + 1, device=device)
        asks = blank.clone()
        asks[:, -1] = 1.0
        state: State = {
            "t": 0,
            "pairs": pairs.unbind(0),
            "asks": asks,
            "blank": blank,
            "ranks": tuple(by_trial(pair[:, :, side]) for side in (FIRST, SECOND)),
            "better": by_trial((pair[:, :, FIRST] > pair[:, :, SECOND]).long()),
        }
        return state, state["pairs"][0].T

    def _now(self, t: int) -> tuple[int, int]:
        """Return the trial and its step; after the last step those of the last one."""
        return divmod(min(t, self.steps - 1), self.trial_steps)

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay for the choice if this is the cue, and show what is next."""
        trial, stage = self._now(state["t"])
        if stage == self.cue:
            reward = 1.0 - 2.0 * (action ^ state["better"][trial]).float()
        else:
            reward = torch.zeros(action.shape, device=action.device)
        after = {**state, "t": state["t"] + 1}
        trial, stage = self._now(after["t"])
        if stage == 0:
            return after, state["pairs"][trial].T, reward
        return after, state["asks" if stage == self.cue else "blank"], reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what both choices would pay at every step, and what is shown."""
        state, _ = self.reset(params)
        better, pairs = torch.stack(state["better"]), torch.stack(state["pairs"])
        actions = torch.arange(2, device=better.device)[:, None]
        rewards = torch.zeros(self.trials, self.trial_steps, 2, better.shape[1])
        rewards = rewards.to(better.device)
        rewards[:, self.cue] = 1.0 - 2.0 * (actions ^ better[:, None]).float()
        shown = torch.zeros_like(pairs)[:, None].repeat(1, self.trial_steps, 1, 1)
        shown[:, self.cue] = state["asks"].T
        shown[:, 0] = pairs
        states = ticking(state, self.steps)
        return Outcomes(rewards.flatten(0, 1), shown.flatten(0, 1), states)

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the step; see the class."""
        trial, stage = self._now(state["t"])
        first, second = (ranks[trial] for ranks in state["ranks"])
        decision, better = int(stage == self.cue), state["better"][trial]
        right, distance = (action == better) * decision, (first - second).abs()
        return {
            "trial": torch.full_like(action, trial),
            "phase": torch.full_like(action, int(trial >= self.learning_trials)),
            "decision": torch.full_like(action, decision),
            "first_rank": first,
            "second_rank": second,
            "distance": distance,
            "adjacent": (distance == 1).long(),
            "correct": right,
            "optimal_action": better * decision,
            "expected_reward": 2.0 * right - decision,
            "optimal_reward": torch.full(action.shape, float(decision), device=action.device),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return which item is higher (-1 first, 1 second, 0 after the choice), cue and t / T."""
        trial, stage = self._now(state["t"])
        side = (2.0 * state["better"][trial] - 1.0) * (stage <= self.cue)
        asked = torch.full_like(side, float(stage == self.cue))
        return torch.stack([side, asked, torch.full_like(side, state["t"] / self.steps)], dim=1)

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw the pair of the last choice with its reward, and the pair to choose from now."""

        def pair(trial: int) -> tuple[np.ndarray, np.ndarray, int]:
            ranks = params["pair"][row, trial].tolist()
            first, second = (pictures.emblem(int(params["items"][row, rank])) for rank in ranks)
            return first, second, int(ranks[0] > ranks[1])

        done = slice(self.cue, None, self.trial_steps)
        made = past.actions[done], past.rewards[done]
        running = state["t"] < self.steps and self._now(state["t"])[1] <= self.cue
        pictures.choices(picture, pair, len(made[0]) + running, *made, self.reward_range)


def features(codes: Tensor) -> Tensor:
    """Return items as features -1 or 1, ``[..., 15]`` float32, of their numbers ``[...]``."""
    digits = torch.arange(FEATURES, device=codes.device)
    return ((codes[..., None] >> digits) & 1) * 2.0 - 1.0


def _whole(uniform: Tensor, count: int | Tensor) -> Tensor:
    """Make whole numbers from 0 to ``count`` - 1 of uniforms."""
    drawn = (uniform * count).long()
    return torch.minimum(drawn, torch.as_tensor(count - 1, device=uniform.device))


def _ones(codes: Tensor) -> Tensor:
    """Count the features of items that are 1."""
    return torch.from_numpy(_counts()).to(codes.device)[codes]


@functools.cache
def _counts() -> np.ndarray:
    """Return how many features are 1 in all items, ``[32768]`` int64."""
    digits = np.arange(2**FEATURES)[:, None] >> np.arange(FEATURES) & 1
    return digits.sum(axis=1)


def _unlike(tried: Tensor, count: int) -> Tensor:
    """Choose items one after the other, each the first one tried that is unlike those before.

    Args:
        tried: ``[n, tries]`` int64.
        count: How many are chosen.

    Returns:
        ``[n, count]``.
    """
    chosen, fit = [], torch.ones_like(tried, dtype=torch.bool)
    for _ in range(count):
        item = tried.gather(1, fit.to(torch.uint8).argmax(dim=1, keepdim=True))
        fit = fit & (FEATURES - _ones(tried ^ item) <= MOST_EQUAL)
        chosen.append(item)
    return torch.cat(chosen, dim=1)

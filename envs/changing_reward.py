"""The changing-reward task: which of two colours pays more, when colours or rewards change?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from prefrontal.checking import option
from prefrontal.envs import pictures
from prefrontal.envs.changing_modes import (
    BEST,
    COLOURS,
    MAPS,
    PALETTE,
    SETS,
    block_lengths,
    drawn_rewards,
    mode_rewards,
    shown_pairs,
)
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, ticking
from prefrontal.envs.splits import by_trial, check_split, switches_before
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

KINDS = ("covariate", "concept", "gradual")
DRAWN = "any"  # the mode that says that changes are drawn anew for every episode


@dataclasses.dataclass(frozen=True)
class ChangingReward(Task):
    """Two colours a trial, one pays more; the colours on offer, or what they pay, change.

    ## Description
    Two colours are shown, one on either side, and the agent chooses a side. A colour pays by
    itself, wherever it is shown. Then something changes, within an episode or between stages of
    training: *which colours are shown* (covariate shift: a learner that goes on learning may forget
    pairs that it no longer meets, although nothing about them has changed), or *what they pay*
    (concept shift: what was learned is wrong now), at once or as a gradual drift.

    ## Action Space
    `Discrete(2)`: 0 the colour on the left, 1 the one on the right.

    ## Observation Space
    Red, green and blue of the left colour, then of the right one, divided by 255; then the cue:
    nothing, one number that is 1 on the first trial of a block (but not of the episode), or the
    number of the mode, one-hot; then the chosen `inputs`.

    ## Starting State
    The first mode of the sequence. On every trial an ordered pair of different colours of the mode,
    all equally probable and independent.

    ## Reward
    What the chosen colour pays, 1 to 4, times `scale`.

    ## Information
    `task`: `mode` [trials], `rewards` [trials, 12], what each colour of the palette pays (0: not
    shown), `draw` [trials], a number that chooses the pair. Each step: `trial`; `mode`; `switches`
    of mode so far and `since_switch`, trials since the last one (since the start if none); `left`,
    `right`, `better` and `chosen` colour; `pair`, the code 12 i + j of the two colours, i < j;
    `correct`, whether no better one was left; `order_changed`, whether the order of this pair was
    another one before, or it was not on offer, in this episode, and `order_age`, trials since it is
    what it is; `optimal_action`, `expected_reward`, `optimal_reward` for one who knows the rewards.
    `reset(options={"task": {"mode": ...}})` sets the modes alone, one a row or one a trial; pairs
    are then those that would have come, if the number of colours is the same.

    ## Task Distribution
    With mode `any`, an episode has four of twelve colours with the rewards 1 to 4. Sets of four are
    cut into two disjoint halves, so that a reward map of one half (which colours pay what) never
    occurs in the other. With `jitter`, the first switch falls on an even trial in `train`, on an
    odd one in `held_out`. In any case, the colour that comes earlier in the palette is on the right
    an even number of times in an episode of `train`, an odd number in `held_out`: no sequence of
    trials occurs in both, and any `trials` - 1 trials have the same distribution. `all`:
    everything. Modes named by number are the same in both halves: they are for agents that learn in
    stages.

    ## Paper Correspondence
    The NeuroAI course of Neuromatch, W2D4 tutorial 5: modes 1 {red, yellow, green} and 2 {red,
    green, blue} of `covariate`, rewards 1 to 4 by the place in the rainbow, colours, observation /
    255, all six ordered pairs equally probable, as published; there a switch is a new call of
    `reset`. The course's agent is given rewards / 4, as input and in its returns: `scale=.25`. More
    colours, modes 3 to 10, concept shift, drift, cues, blocks and the split are ours. Reward of a
    random agent and of one that knows the rewards: 2 and 8/3 a trial in mode 1, 8/3 and 11/3 in
    mode 2.

    ## References
    Neuromatch Academy 2024, NeuroAI course, W2D4 tutorial 5 "Replay". Lopez-Paz D, Ranzato M 2017,
    Gradient episodic memory for continual learning, NeurIPS 30. Moreno-Torres JG et al. 2012, A
    unifying view on dataset shift in classification, Pattern Recognition 45:521-530.
    """

    parameters = ("mode", "rewards", "draw")
    open_loop = True
    noise = 0  # rewards are certain
    num_actions = 2

    change: Literal["covariate", "concept", "gradual", "mixed"] = option(
        "covariate",
        "What changes: `covariate`, `concept`, `gradual` (drift), or `mixed` (one of the three, "
        "drawn for every episode).",
    )
    mode: str = option(
        "1",
        "Sequence of modes, for example `1` or `1,2`, which is repeated; `any` draws colours, "
        "rewards and changes for every episode. With `gradual`, rewards move from those of a "
        "mode to those of the next in the course of a block.",
    )
    block: int = option(25, "Trials of a block.", least=1)
    jitter: int = option(0, "Trials by which a block may be shorter or longer.", least=0)
    cue: Literal["none", "switch", "mode"] = option(
        "none",
        "What the agent is told of the mode: `none`, `switch` (that a block begins), `mode` "
        "(which mode it is).",
    )
    scale: float = option(1.0, "Factor on rewards.", above=0)
    trials: int = option(100, "Choices of an episode.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.jitter >= self.block:
            raise ValueError(f"jitter must be below block, {self.block}, not {self.jitter}")
        if self.mode == DRAWN:
            if self.cue == "mode":
                raise ValueError(
                    "cue 'mode' needs modes named by number; with mode 'any' use 'switch'"
                )
            return
        if self.change == "mixed":
            raise ValueError("change 'mixed' draws its changes: it needs mode 'any'")
        count = self._modes
        names = self.mode.split(",")
        if not all(name.strip().isdigit() and 1 <= int(name) <= count for name in names):
            raise ValueError(
                f"mode must be 'any', or numbers from 1 to {count} with commas between; "
                f"got {self.mode!r}"
            )

    @property
    def sequence(self) -> tuple[int, ...]:
        """Modes by number in the order in which they come; empty if they are drawn."""
        return () if self.mode == DRAWN else tuple(int(name) for name in self.mode.split(","))

    @property
    def blocks(self) -> int:
        """Blocks that an episode can have, B."""
        return -(-self.trials // (self.block - self.jitter))

    @property
    def _modes(self) -> int:
        """Modes that have a number."""
        return len(SETS if self.change == "covariate" else MAPS)

    @property
    def steps(self) -> int:
        """One step a trial."""
        return self.trials

    @property
    def reward_range(self) -> tuple[float, float]:
        """The least and the most that a colour pays."""
        return self.scale, BEST * self.scale

    @property
    def reward_values(self) -> tuple[float, ...] | None:  # type: ignore[override]
        """The four rewards; None if they drift."""
        if self.change in ("gradual", "mixed"):
            return None
        return tuple(self.scale * value for value in range(1, BEST + 1))

    @property
    def _width(self) -> int:
        """Numbers that an observation has."""
        return 6 + {"none": 0, "switch": 1, "mode": self._modes}[self.cue]

    @property
    def observation_low(self) -> tuple[float, ...]:  # type: ignore[override]
        """Black, no cue."""
        return (0.0,) * self._width

    @property
    def observation_high(self) -> tuple[float, ...]:  # type: ignore[override]
        """White, all cues."""
        return (1.0,) * self._width

    @property
    def draws(self) -> int:
        """A pair for every trial, and lengths of blocks; if drawn, kind, colours and maps."""
        return self.trials + self.blocks + (2 * self.blocks + 3 if self.mode == DRAWN else 0)

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``mode`` [n, trials], ``rewards`` [n, trials, colours] and ``draw`` [n, trials]."""
        check_split(split)
        n, device = len(uniform), uniform.device
        draw, lengths, rest = uniform.split(
            [self.trials, self.blocks, uniform.shape[1] - self.trials - self.blocks], dim=1
        )
        # BLOCKS [n, T]: in which one a trial is, and how far within it
        ends = block_lengths(lengths, self.block, self.jitter, split).cumsum(dim=1)  # [n, B]
        trial = torch.arange(self.trials, device=device)
        block = torch.searchsorted(ends, trial.expand(n, -1).contiguous(), right=True)
        starts = torch.cat([torch.zeros_like(ends[:, :1]), ends], dim=1)
        # REWARDS [n, B + 1, colours], the last of them what the last block drifts to
        order = torch.arange(self.blocks + 1, device=device)
        sequence = self.sequence
        if self.change == "mixed":
            kind = (rest[:, 0] * len(KINDS)).long()
        else:
            kind = torch.full((n,), KINDS.index(self.change), device=device)
        if sequence:
            numbers = torch.tensor(sequence, device=device)[order % len(sequence)]
            table = mode_rewards(self.change).to(device)[numbers - 1].expand(n, -1, -1)
        else:
            numbers = order + 1
            table = drawn_rewards(rest[:, 1:], kind, self.blocks, split)
        rows = torch.arange(n, device=device)[:, None]
        rewards = table[rows, block]
        if self.change in ("gradual", "mixed"):
            begins, stops = starts.gather(1, block), starts.gather(1, block + 1)
            part = (trial - begins) / (stops - begins) * (kind == KINDS.index("gradual"))[:, None]
            rewards = torch.lerp(rewards, table[rows, block + 1], part[..., None])
        return {"mode": numbers[block], "rewards": rewards, "draw": _halved(draw, split)}

    def complete(self, given: Mapping[str, Any], drawn: Params) -> Mapping[str, Any]:
        """Let ``{"mode": [num_envs]}`` (or ``[num_envs, trials]``) alone stand for a whole task."""
        if set(given) != {"mode"}:
            return given
        mode = torch.as_tensor(np.asarray(given["mode"]))
        if mode.dim() == 1:
            mode = mode[:, None].expand(-1, self.trials)
        count = self._modes if self.change != "mixed" else 0
        shape = (self.trials,)
        mode = check_parameters({"mode": mode}, integers=("mode",), mode=(shape, 1, count))["mode"]
        rewards = mode_rewards(self.change)[mode - 1]
        return {"mode": mode, "rewards": rewards, "draw": drawn["draw"]}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``mode``, ``draw`` [num_envs, trials] and ``rewards`` [num_envs, trials, 12]."""
        checked = check_parameters(
            params,
            integers=("mode",),
            mode=((self.trials,), 1, 1e6),
            rewards=((self.trials, len(COLOURS)), 0.0, BEST),
            draw=((self.trials,), 0.0, 1.0),
        )
        if bool(((checked["rewards"] > 0).sum(dim=2) < 2).any()):
            raise ValueError(
                "task parameter 'rewards' must be positive for two colours on every trial"
            )
        return checked

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state, and the colours of the first trial."""
        left, right = shown_pairs(params["rewards"], params["draw"])  # [n, T]
        device = left.device
        rgb = torch.tensor([value for value, _ in PALETTE.values()], device=device) / 255.0
        parts = [rgb[left], rgb[right]]
        mode = params["mode"]
        if self.cue == "switch":
            new = mode[:, 1:] != mode[:, :-1]
            parts.append(torch.cat([torch.zeros_like(new[:, :1]), new], 1)[..., None].float())
        elif self.cue == "mode":
            parts.append(
                (mode[..., None] == torch.arange(1, self._modes + 1, device=device)).float()
            )
        # VIEWS [T, D, n] of all trials at once; PAYS [T, n] of both sides
        views = torch.cat(parts, dim=2).permute(1, 2, 0).contiguous().unbind(0)
        pays = [
            by_trial(params["rewards"].gather(2, side[..., None])[..., 0] * self.scale)
            for side in (left, right)
        ]
        sides = by_trial(left), by_trial(right)
        return {"t": 0, "views": views, "pays": pays, "sides": sides}, views[0].T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Pay for the choice, and show the next pair (after the last trial the same once more)."""
        t = state["t"]
        left, right = state["pays"]
        reward = torch.where(action == 1, right[t], left[t])
        view = state["views"][min(t + 1, self.trials - 1)].T
        return {**state, "t": t + 1}, view, reward

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes:
        """Return what both sides would pay at every step, and the pairs."""
        state, _ = self.reset(params)
        rewards = torch.stack([torch.stack(side) for side in state["pays"]], 1)
        return Outcomes(rewards, torch.stack(state["views"]), ticking(state, self.steps))

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return the facts of the trial; see the class."""
        t = state["t"]
        (left, right), (pay_left, pay_right) = (
            (side[t] for side in state[name]) for name in ("sides", "pays")
        )
        best = torch.maximum(pay_left, pay_right)
        paid = torch.where(action == 1, pay_right, pay_left)
        switches, since = switches_before(params["mode"], t)
        changed, age = _order_changes(params["rewards"][:, : t + 1], left, right)
        return {
            "trial": torch.full_like(action, t),
            "mode": params["mode"][:, t],
            "switches": switches,
            "since_switch": since,
            "left": left,
            "right": right,
            "pair": torch.minimum(left, right) * len(COLOURS) + torch.maximum(left, right),
            "better": torch.where(pay_right > pay_left, right, left),
            "chosen": torch.where(action == 1, right, left),
            "correct": (paid == best).long(),
            "order_changed": changed,
            "order_age": age,
            "optimal_action": (pay_right > pay_left).long(),
            "expected_reward": paid,
            "optimal_reward": best,
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return what both colours pay, over the most that any pays, and t / T, ``[n, 3]``."""
        t = state["t"]
        last = min(t, self.trials - 1)
        left, right = (pay[last] / self.reward_range[1] for pay in state["pays"])
        return torch.stack([left, right, torch.full_like(left, t / self.steps)], dim=1)

    def render(self, params: Params, row: int) -> str:
        """Name the modes of an episode in their order."""
        modes = torch.unique_consecutive(params["mode"][row]).tolist()
        return f"ChangingReward {self.change}, modes {' '.join(map(str, modes))}"

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw the colours of the last choice with its reward, and those to choose from now."""

        def pair(trial: int) -> tuple[np.ndarray, np.ndarray, int]:
            view = state["views"][trial][:6, row].numpy(force=True)
            left, right = np.round(255 * view).astype(np.uint8).reshape(2, 3)
            pays = [float(side[trial][row]) for side in state["pays"]]
            return pictures.card(left), pictures.card(right), int(pays[1] > pays[0])

        pictures.choices(picture, pair, self.trials, *past, self.reward_range)


def _halved(draw: Tensor, split: str) -> Tensor:
    """Change sides on the last trial so that an even (train) or odd number of draws is >= 1/2."""
    if split == "all":
        return draw
    wrong = (draw >= 0.5).sum(dim=1) % 2 != int(split == "held_out")
    last = torch.where(wrong, (draw[:, -1] + 0.5) % 1.0, draw[:, -1])
    return torch.cat([draw[:, :-1], last[:, None]], dim=1)


def _order_changes(rewards: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Say whether the order of two colours was another before, and how long it has been this one.

    Colours that are not both on offer have another order.

    Args:
        rewards: Of all colours up to this trial, ``[n, t + 1, colours]``.
        left: One of the colours ``[n]``.
        right: The other ``[n]``.

    Returns:
        ``[n]`` int64 each: 0 or 1; and trials since the last change (since the start if there is
        none).
    """
    first, second = (
        rewards.gather(2, side[:, None, None].expand(-1, rewards.shape[1], 1))[..., 0]
        for side in (left, right)
    )
    order = torch.sign(first - second) * (first > 0) * (second > 0)
    other = order != order[:, -1:]
    when = torch.arange(1, order.shape[1] + 1, device=order.device)
    last = (other * when).amax(dim=1)  # 0 if there is none
    return (last > 0).long(), order.shape[1] - 1 - last

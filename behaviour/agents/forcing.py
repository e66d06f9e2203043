"""Teacher forcing: agents are stepped through what a subject chose and got, not what they would.

Where values start anew an episode starts. Trials that are not learned from are not shown; a choice
without a known reward is judged from the history before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.returns import next_values, rpe
from prefrontal.agents.population import Population
from prefrontal.behaviour.agents.showing import Showing, reward_range
from prefrontal.behaviour.networks.sequences import Sequences, Shape
from prefrontal.behaviour.table import Behaviour, Floats

CHUNK = 128  # sequences that run side by side


@dataclass(frozen=True)
class Forced:
    """What P agents made of recorded trials; NaN where there is none.

    Attributes:
        log_policy: Log-probabilities of the first choices, before each ``[P, S, T, K]``.
        log_policy2: Of the second ones ``[P, S, T, K]``; None: one stage.
        preference: Logits of the first choices (of Q-learners: advantages) ``[P, S, T, K]``.
        preference2: Of the second ones, likewise.
        value: Value before each choice ``[P, S, T]``.
        rpe: Prediction error at each outcome ``[P, S, T]``, ``r + γ v' - v``.
        hidden: Features that each choice is read from ``[P, S, T, H]``; None: not asked for.
        differences: In what the table is unlike the task that they were trained on, by name.
    """

    log_policy: Floats
    log_policy2: Floats | None
    preference: Floats
    preference2: Floats | None
    value: Floats
    rpe: Floats
    hidden: NDArray[np.float32] | None
    differences: tuple[str, ...]

    def score(self, behaviour: Behaviour) -> Floats:
        """Return log-probabilities of the scored choices ``[P, S, T]``, both stages together.

        NaN where nothing is scored.
        """
        policy = self.log_policy
        if behaviour.available is not None:
            policy = np.where(behaviour.available, policy, -np.inf)
            policy = policy - np.logaddexp.reduce(policy, axis=-1, keepdims=True)
        total = _chosen(policy, behaviour.choice, behaviour.scored)
        if behaviour.scored2 is None or behaviour.choice2 is None or self.log_policy2 is None:
            return total
        second = _chosen(self.log_policy2, behaviour.choice2, behaviour.scored2)
        both = np.nan_to_num(total) + np.nan_to_num(second)
        return np.where(np.isnan(total) & np.isnan(second), np.nan, both)


def force(
    agents: Population,
    behaviour: Behaviour,
    *,
    discount: float = 0.8,
    hidden: bool = False,
    showing: Showing | None = None,
) -> Forced:
    """Step agents through recorded trials.

    Args:
        agents: A population, or one of its members.
        behaviour: The table.
        discount: γ of the prediction errors, for each step.
        hidden: Whether features are wanted.
        showing: How the task shows its trials, if that is known already.

    Raises:
        ConfigError: These agents, or their task, cannot be shown recorded choices.
        ValueError: The table has more arms than the task, or lacks its second stage.
    """
    if not isinstance(agents, Population):
        raise ConfigError("only agents that learned as recurrent networks take recorded choices")
    showing = Showing.of(agents.environment) if showing is None else showing
    said = showing.differences(behaviour)
    shape = Shape(behaviour.arms, *_second(behaviour))
    sequences = Sequences.of(behaviour, shape)
    rows = rows_shown(showing, behaviour, sequences)
    out = _Out(agents, behaviour, sequences, showing, hidden)
    paid = torch.from_numpy(_paid(showing, behaviour, sequences))
    for start in range(0, rows.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        out.take(part, rows[:, part], paid[:, part], discount)
    return out.forced(tuple(said))


def rows_shown(showing: Showing, behaviour: Behaviour, sequences: Sequences) -> Tensor:
    """Return the inputs of all steps ``[stages L, N, I]``, as the task would show them."""
    stages, steps, count = showing.stages, len(sequences.inputs), len(sequences.subject)
    here = _by_step(behaviour, sequences)
    choice, state = here["choice"], np.where(here["state2"] < 0, 2, here["state2"])
    none = np.where(choice < 0, showing.actions, choice)
    rows = np.zeros((steps, stages, count, showing.size), np.float32)
    before, old = np.full_like(none, showing.actions), np.full_like(state, 2)
    before[1:], old[1:] = none[:-1], state[:-1]
    for stage, at in enumerate([(before, old), (none, state)][:stages]):
        rows[:, stage][..., showing.fixed] = showing.views[stage, at[0], at[1]]
    last = here["choice"] if stages == 1 else here["choice2"]
    _write(rows[1:, 0], showing, last[:-1], _mapped(showing, behaviour, here["reward"][:-1]))
    if stages == 2:
        _write(rows[:, 1], showing, choice, np.zeros(choice.shape))
    if "time" in showing.slices:
        time = np.minimum(np.arange(steps * stages), showing.steps - 1) / showing.steps
        rows[..., showing.slices["time"]] = time.reshape(steps, stages, 1, 1)
    return torch.from_numpy(rows.reshape(steps * stages, count, showing.size))


def _write(
    rows: NDArray[np.float32], showing: Showing, action: NDArray[np.int64], reward: Floats
) -> None:
    """Write what the step before did into rows ``[L, N, I]``."""
    slices, (low, high) = showing.slices, showing.range
    if "action" in slices:
        rows[..., slices["action"]] = action[..., None] == np.arange(showing.actions)
    if "reward" in slices:
        rows[..., slices["reward"]] = reward[..., None]
    if "centred_reward" in slices:
        rows[..., slices["centred_reward"]] = (2 * reward[..., None] - low - high) / (high - low)
    if "reward_one_hot" in slices:
        near = np.abs(reward[..., None] - np.asarray(showing.values))
        rows[..., slices["reward_one_hot"]] = near == near.min(-1, keepdims=True)


def _mapped(showing: Showing, behaviour: Behaviour, reward: Floats) -> Floats:
    """Return rewards in the range of the task."""
    (low, high), (least, most) = showing.range, reward_range(behaviour)
    if least >= low - 1e-9 and most <= high + 1e-9:
        return reward
    return low + (reward - least) * (high - low) / max(most - least, 1e-12)


def _second(behaviour: Behaviour) -> tuple[int, int]:
    return tuple(  # type: ignore[return-value]
        0 if codes is None else int(codes.max()) + 1
        for codes in (behaviour.state2, behaviour.choice2)
    )


def _by_step(behaviour: Behaviour, sequences: Sequences) -> dict[str, NDArray[Any]]:
    """Return what was learned from at each step of each sequence ``[L, N]``; -1 and 0: nothing."""
    size = len(sequences.inputs), len(sequences.subject)
    learned = behaviour.learned & (sequences.sequence >= 0) & (sequences.step < size[0])
    place = sequences.step[learned], sequences.sequence[learned]
    found: dict[str, NDArray[Any]] = {"reward": np.zeros(size)}
    found["reward"][place] = behaviour.reward[learned]
    for name in ("choice", "state2", "choice2"):
        found[name] = np.full(size, -1, np.int64)
        codes = getattr(behaviour, name)
        if codes is not None:
            found[name][place] = codes[learned]
    return found


def _paid(showing: Showing, behaviour: Behaviour, sequences: Sequences) -> NDArray[np.float32]:
    """Return what every step paid ``[stages L, N]``, in the range of the task."""
    here = _by_step(behaviour, sequences)
    paid = _mapped(showing, behaviour, here["reward"]) * (here["choice"] >= 0)
    by_stage = np.zeros((len(paid), showing.stages, paid.shape[1]), np.float32)
    by_stage[:, -1] = paid
    return by_stage.reshape(-1, paid.shape[1])


class _Out:
    """Runs agents over sequences, and puts what they say in the places of the trials."""

    def __init__(
        self,
        agents: Population,
        behaviour: Behaviour,
        sequences: Sequences,
        showing: Showing,
        hidden: bool,
    ) -> None:
        self.agents, self.behaviour, self.sequences = agents, behaviour, sequences
        self.showing, self.two = showing, showing.stages == 2
        size = (len(agents), *behaviour.choice.shape)
        arms, units = behaviour.arms, agents.network.hidden_size

        def empty(*more: int) -> Floats:
            return np.full((*size, *more), np.nan)

        self.found = {"value": empty(), "rpe": empty()}
        for name in ("log_policy", "preference"):
            self.found[name] = empty(arms)
            if self.two:
                self.found[f"{name}2"] = empty(arms)
        self.hidden = np.full((*size, units), np.nan, np.float32) if hidden else None

    @torch.no_grad()
    def take(self, part: slice, rows: Tensor, paid: Tensor, discount: float) -> None:
        """Run the agents over some sequences."""
        agents, model, stages = self.agents, self.agents.model, self.showing.stages
        tapes = model.tapes(len(rows), rows.shape[1])
        model.begin(tapes)
        for t, row in enumerate(rows):
            for tape in tapes:
                tape.x_t[t].copy_(row.T.expand(len(agents), -1, -1))
            model.step(tapes, t)
        logits, values, _ = model.read(tapes)
        policy, values = agents.judged(logits, values, False)
        errors = rpe(paid[:, None].expand_as(values), discount, values, next_values(values))
        arms = self.behaviour.arms
        log = policy[:, :, :arms].double().log()
        log = log - log.logsumexp(2, keepdim=True)  # over the arms that there are
        first, last = slice(0, None, stages), slice(stages - 1, None, stages)
        said = {
            "value": (values[first], False),
            "rpe": (errors[last], True),
            "log_policy": (log[first], False),
            "preference": (logits[first, :, :arms], False),
        }
        if self.two:
            said["log_policy2"] = log[1::2], True
            said["preference2"] = logits[1::2, :, :arms], True
        for name, (tensor, after) in said.items():
            self._put(self.found[name], tensor, part, after)
        if self.hidden is not None:
            self._put(self.hidden, tapes[0].hidden()[first], part, False)

    def _put(self, into: NDArray[Any], tensor: Tensor, part: slice, after: bool) -> None:
        """Write ``[L, P, ..., B]`` to the trials ``[P, S, T, ...]``.

        `after`: what follows the choice, of trials that are learned from alone.
        """
        number = self.sequences.sequence
        there = (number >= part.start) & (number < part.stop)
        if after:
            there &= self.behaviour.learned
        array = tensor.movedim(-1, 1).numpy()  # [L, B, P, ...]
        shown = array[self.sequences.step[there], number[there] - part.start]
        into[:, there] = shown.swapaxes(0, 1)

    def forced(self, differences: tuple[str, ...]) -> Forced:
        """Return all that was said."""
        second: dict[str, Any] = {
            name: self.found.get(name) for name in ("log_policy2", "preference2")
        }
        return Forced(**{**self.found, **second}, hidden=self.hidden, differences=differences)


def _chosen(log_policy: Floats, choice: NDArray[np.int64], scored: NDArray[np.bool_]) -> Floats:
    index = np.maximum(choice, 0)[None, ..., None]
    index = np.broadcast_to(index, (*log_policy.shape[:3], 1))
    own = np.take_along_axis(log_policy, index, 3)[..., 0]
    return np.where(scored, own, np.nan)

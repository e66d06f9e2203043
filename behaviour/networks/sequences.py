"""What a fitted network is shown of a table, and where in it each choice is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.behaviour.table import Behaviour, Floats, Mask

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """Sizes of a task, and the scale of its rewards, as the network learned them.

    Attributes:
        arms: First choices K.
        states: Second-stage states; 0 where there are none.
        options: Choices in each of them; 0 where there is none to make.
        mean: Mean of the rewards.
        scale: Their standard deviation.
    """

    arms: int
    states: int = 0
    options: int = 0
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, behaviour: Behaviour) -> Shape:
        """Return the sizes of a table.

        Raises:
            ValueError: Nothing in it is learned from.
        """
        rewards = behaviour.reward[behaviour.learned]
        if not rewards.size:
            raise ValueError("there is no trial whose choice and reward are known")
        states, options = (
            0 if codes is None else max(2, int(codes.max()) + 1)
            for codes in (behaviour.state2, behaviour.choice2)
        )
        mean, scale = float(rewards.mean()), float(rewards.std()) or 1.0
        return cls(behaviour.arms, states, options, mean, scale)

    @property
    def inputs(self) -> int:
        """Numbers that a step shows; see `Sequences.inputs`."""
        return 2 * (self.arms + self.states) + self.options

    @property
    def outputs(self) -> int:
        """Logits of a step: of the first choices, and of the second ones in each state."""
        return self.arms + max(self.states, bool(self.options)) * self.options

    def require(self, behaviour: Behaviour) -> None:
        """Check that a table is of this task.

        Raises:
            ValueError: It has other arms or stages.
        """
        here = Shape.of(behaviour)
        if here.arms != self.arms:
            raise ValueError(f"the network was fitted to {self.arms} arms, not {here.arms}")
        for name, most, got in (
            ("second-stage states", self.states, here.states),
            ("second choices", self.options, here.options),
        ):
            if got > most or bool(got) != bool(most):
                raise ValueError(f"the network was fitted to {most} {name}, not {got}")


@dataclass(frozen=True)
class Sequences:
    """A table as N sequences of steps, one for each time that values start anew.

    Step p of a sequence shows the p-th trial that was learned from (step 0 nothing). What is not
    learned from makes no step: its choice is predicted at the step before.

    Attributes:
        inputs: ``[L, N, I]``: the trial's choice, one-hot; the reward, scaled, in the place of the
            choice; where there are two stages likewise the second state, and the reward in its
            place; the second choice, one-hot. (Of a reward apart from what earned it a network
            of one or two units makes little.)
        sequence: Of each trial the sequence it is in, ``[S, T]``; -1: padding.
        step: At which step of it the choice is predicted, ``[S, T]``.
        subject: The subject of each sequence ``[N]``.
    """

    inputs: Tensor
    sequence: Index
    step: Index
    subject: Tensor

    @classmethod
    def of(cls, behaviour: Behaviour, shape: Shape) -> Sequences:
        """Return the sequences of a table."""
        there, learned = behaviour.present, behaviour.learned & behaviour.present
        number = np.cumsum(behaviour.starts.ravel()).reshape(there.shape) - 1
        # Trials learned from before this one, in all, and at the start of its sequence
        before: Index = np.cumsum(learned.ravel()).reshape(there.shape) - learned
        first: Index = before[behaviour.starts]
        step = np.where(there, before - first[number], 0)
        steps, count = int(step.max(initial=0)) + 1, len(first)
        inputs = np.zeros((steps, count, shape.inputs), np.float32)
        shown = learned & (step + 1 < steps)
        at = step[shown] + 1, number[shown]
        reward = (behaviour.reward[shown] - shape.mean) / shape.scale
        column = 0
        for codes, size, paid in (
            (behaviour.choice, shape.arms, True),
            (behaviour.state2, shape.states, True),
            (behaviour.choice2, shape.options, False),
        ):
            if codes is not None:
                known = codes[shown] >= 0
                step_of, sequence_of = at[0][known], at[1][known]
                place = column + codes[shown][known]
                inputs[step_of, sequence_of, place] = 1.0
                if paid:
                    inputs[step_of, sequence_of, place + size] = reward[known]
            column += 2 * size if paid else size
        subjects = np.broadcast_to(np.arange(len(behaviour))[:, None], there.shape)
        return cls(
            torch.from_numpy(inputs),
            np.where(there, number, -1),
            step,
            torch.from_numpy(subjects[behaviour.starts].copy()),
        )


@dataclass(frozen=True)
class Targets:
    """Choices to be predicted, n of them, of one stage.

    Attributes:
        trial: Their places in the table, subjects and trials, ``[2, n]``.
        step: Steps ``[n]``.
        sequence: Sequences ``[n]``.
        first: The first of the logits to choose from, ``[n]``.
        choice: Choices ``[n]``.
        available: Which could be chosen ``[n, K]``; None: all.
        size: Number K of choices.
    """

    trial: Index
    step: Tensor
    sequence: Tensor
    first: Tensor
    choice: Tensor
    available: Tensor | None
    size: int

    def part(self, keep: NDArray[np.bool_] | Tensor) -> Targets:
        """Return some of the choices, by a mask ``[n]``."""
        mask = torch.as_tensor(keep)
        return Targets(
            self.trial[:, mask.numpy()],
            self.step[mask],
            self.sequence[mask],
            self.first[mask],
            self.choice[mask],
            None if self.available is None else self.available[mask],
            self.size,
        )

    def log_likelihood(self, logits: Tensor, sequence: Tensor | None = None) -> Tensor:
        """Return log-probabilities of the choices ``[P, n]`` from logits ``[L, P, N, O]``.

        Args:
            logits: Of all steps and sequences.
            sequence: In place of the numbers of the sequences, where there are logits of some only.
        """
        number = self.sequence if sequence is None else sequence
        own = logits[self.step, :, number]  # [n, P, O]
        columns = self.first[:, None] + torch.arange(self.size)
        own = own.gather(2, columns[:, None].expand(-1, own.shape[1], -1))
        if self.available is not None:
            own = own.masked_fill(~self.available[:, None], -torch.inf)
        chosen = self.choice[:, None, None].expand(-1, own.shape[1], 1)
        return own.log_softmax(2).gather(2, chosen)[..., 0].T


def targets(behaviour: Behaviour, shape: Shape, sequences: Sequences) -> list[Targets]:
    """Return the scored choices of a table: of the first stage, and of the second if it has one."""
    available = behaviour.available
    found = [_targets(sequences, behaviour.scored, behaviour.choice, shape.arms, 0, available)]
    if behaviour.choice2 is not None and behaviour.scored2 is not None:
        state = 0 if behaviour.state2 is None else np.maximum(behaviour.state2, 0)
        first = shape.arms + state * shape.options
        found.append(
            _targets(sequences, behaviour.scored2, behaviour.choice2, shape.options, first, None)
        )
    return found


def _targets(
    sequences: Sequences,
    scored: Mask,
    choice: Index,
    size: int,
    first: Index | int,
    available: Mask | None,
) -> Targets:
    def tensor(array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array[scored]))

    return Targets(
        np.stack(np.nonzero(scored)),
        tensor(sequences.step),
        tensor(sequences.sequence),
        tensor(np.broadcast_to(first, scored.shape)),
        tensor(choice),
        None if available is None else tensor(available),
        size,
    )


def inner_fold(behaviour: Behaviour, share: float, seed: int, within: bool) -> Mask:
    """Return trials ``[S, T]`` to be held out of training, to say when it should stop.

    Whole subjects are held out where there are five or more, else whole sessions, else of each
    subject a run of consecutive trials.

    Args:
        behaviour: The table.
        share: Share of what is held out.
        seed: Seed of the draw.
        within: Whether something of every subject must stay (of a network that knows subjects).
    """
    rng = np.random.default_rng(seed)
    there = behaviour.present
    subject = np.broadcast_to(np.arange(len(behaviour))[:, None], there.shape)
    counted = (behaviour.scored & there).any(axis=1)
    if counted.sum() >= 5 and not within:
        return there & _drawn(subject, np.flatnonzero(counted), share, rng)
    sessions = (behaviour.session.max(axis=1) + 1).clip(min=0)
    if sessions.min() >= 3:
        base = np.cumsum(sessions) - sessions
        number = base[:, None] + behaviour.session
        chosen = [
            b + rng.permutation(n)[: max(1, round(share * n))]
            for b, n in zip(base, sessions, strict=True)
        ]
        return there & np.isin(number, np.concatenate(chosen))
    total = there.sum(axis=1, keepdims=True)
    length = np.maximum(1, np.round(share * total))
    start = np.floor(rng.random(total.shape) * (total - length + 1))
    place = np.arange(there.shape[1])
    return there & (place >= start) & (place < start + length)


def _drawn(unit: Index, units: Index, share: float, rng: np.random.Generator) -> Mask:
    count = max(1, round(share * len(units)))
    return np.isin(unit, rng.permutation(units)[:count])


def masked_sum(found: list[tuple[Targets, Floats]], shape: tuple[int, int]) -> Floats:
    """Return log-probabilities ``[S, T]``, of both stages together; NaN where none is scored."""
    total = np.full(shape, np.nan)
    for one, values in found:
        place = tuple(one.trial)
        total[place] = np.nan_to_num(total[place]) + values
    return total

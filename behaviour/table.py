"""`Behaviour`: choices of subjects, trial by trial, with what is missing kept in its place.

The choices of a person, an animal and an agent are the same table. Subjects have unequal numbers of
trials: arrays are padded to the longest, ``[S, T]``, and two masks say what counts. A *missed*
trial keeps its place, updates nothing and is not scored; a *forced* choice updates and is not
scored; padding does neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.missing import MISSING, codes, numbers

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
Resets = Literal["session", "block", "never"]

AXES = ("subject", "trial")


@dataclass(frozen=True)
class Behaviour:
    """Choices of S subjects in up to T trials each.

    Attributes:
        subjects: Their names.
        choice: Chosen arms ``[S, T]``, from 0; -1 where missed, or padding.
        reward: What was paid ``[S, T]``, any unit; NaN where it is not known.
        arms: Number of arms K.
        scored: Which choices a likelihood covers ``[S, T]``: made freely, and known.
        learned: Which trials are learned from ``[S, T]``: the choice and its reward are known.
        starts: Before which trials values start anew ``[S, T]``: the first of every subject, and of
            every session or block if the task says so.
        row: Of each trial the row in the source, from 0 ``[S, T]``; -1: padding.
        session: Of each trial the number of its session, from 0 in each subject ``[S, T]``; -1:
            padding.
        block: Likewise of its block; numbers go on over sessions.
        available: Which arms could be chosen ``[S, T, K]``; None: always all.
        state2: State at the second stage ``[S, T]``, from 0; -1 where missing; None: one stage.
        choice2: Choice at the second stage, likewise; None: there is none to make.
        scored2: Which second choices a likelihood covers ``[S, T]``; None: there are none.
        common: Probability of the common transition of a two-step task, if it has one.
        mapping: Second-stage state that each first choice commonly leads to, ``[S, K]``.
        columns: Anything else, ``[S, T]`` each: numbers (NaN where missing) or texts.
        resets: When values start anew, as the user stated it.
    """

    subjects: tuple[str, ...]
    choice: Codes
    reward: Floats
    arms: int
    scored: Mask
    learned: Mask
    starts: Mask
    row: Codes
    session: Codes
    block: Codes
    available: Mask | None = None
    state2: Codes | None = None
    choice2: Codes | None = None
    scored2: Mask | None = None
    common: float | None = None
    mapping: Codes | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    resets: Resets = "session"

    def __post_init__(self) -> None:
        """Check shapes and what the arrays hold.

        Raises:
            ValueError: Arrays are not ``[S, T]``, a choice is none of the arms, or a trial counts
                whose choice is missing.
        """
        shape = (len(self.subjects), self.choice.shape[-1])
        for name in TRIALWISE:
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(f"{name} must be [S, T] = {list(shape)}, not {list(value.shape)}")
        for name, value in self.columns.items():
            if value.shape != shape:
                raise ValueError(f"column {name!r} must be {list(shape)}, not {list(value.shape)}")
        codes("choice", self.choice, self.arms, AXES)
        numbers("reward", self.reward, axes=AXES)
        unknown = self.choice == MISSING
        if (self.scored & unknown).any() or (
            self.learned & (unknown | np.isnan(self.reward))
        ).any():
            raise ValueError("a trial counts whose choice or reward is missing")

    def __repr__(self) -> str:
        """Return how much there is, in a line; arrays are in the fields."""
        return (
            f"Behaviour of {len(self)} subject{'s' * (len(self) != 1)}: {self.trials_scored:,} "
            f"scored choices among {self.arms} arms, values start anew: {self.resets}"
        )

    def __len__(self) -> int:
        """Return the number of subjects S."""
        return len(self.subjects)

    @property
    def trials(self) -> int:
        """Trials T of the longest subject."""
        return int(self.choice.shape[1])

    @property
    def present(self) -> Mask:
        """Which places hold a trial, ``[S, T]``; the others are padding."""
        return self.row != MISSING

    @property
    def trials_scored(self) -> int:
        """Number of choices that a likelihood covers, of all subjects, at both stages."""
        second = 0 if self.scored2 is None else int(self.scored2.sum())
        return int(self.scored.sum()) + second

    def masked(self, keep: Mask) -> Behaviour:
        """Return the same history with only these trials ``[S, T]`` scored (cross-validation)."""
        second = None if self.scored2 is None else self.scored2 & keep
        return replace(self, scored=self.scored & keep, scored2=second)

    def select(self, subjects: Sequence[int] | Mask) -> Behaviour:
        """Return some subjects, by index or mask, without padding that none of them needs."""
        index = np.arange(len(self))[np.asarray(subjects)]
        longest = int(self.present[index].sum(axis=1).max(initial=1))
        cut: dict[str, Any] = {
            name: None if (value := getattr(self, name)) is None else value[index, :longest]
            for name in (*TRIALWISE, "available")
        }
        return replace(
            self,
            subjects=tuple(self.subjects[i] for i in index),
            mapping=None if self.mapping is None else self.mapping[index],
            columns={name: value[index, :longest] for name, value in self.columns.items()},
            **cut,
        )


#: Fields that have one entry a trial, or are None.
TRIALWISE = (
    "choice",
    "reward",
    "scored",
    "learned",
    "starts",
    "row",
    "session",
    "block",
    "state2",
    "choice2",
    "scored2",
)


def starts_of(session: Codes, block: Codes, resets: Resets) -> Mask:
    """Return before which trials ``[S, T]`` values start anew.

    Args:
        session: Numbers of sessions, -1 for padding.
        block: Numbers of blocks, likewise.
        resets: At each session, at each block (and session), or at the first trial alone.
    """
    starts = np.zeros(session.shape, bool)
    starts[:, 0] = True
    if resets != "never":
        starts[:, 1:] |= np.diff(session, axis=1) != 0
    if resets == "block":
        starts[:, 1:] |= np.diff(block, axis=1) != 0
    return starts & (session != MISSING)


def behaviour(
    choice: Any,
    reward: Any,
    arms: int | None = None,
    subjects: Sequence[str] | None = None,
    **more: Any,
) -> Behaviour:
    """Return complete trials of equal number, ``[S, T]``, as a table: one session a subject.

    Args:
        choice: Choices ``[S, T]`` from 0; -1 where missed.
        reward: Rewards ``[S, T]``; NaN where not known.
        arms: Number of arms; None: the largest choice and one, but at least 2.
        subjects: Names; None: ``0`` to ``S - 1``.
        **more: Other fields of `Behaviour`, in place of what is derived.

    Raises:
        ValueError: See `Behaviour`.
    """
    chosen, paid = codes("choice", choice, arms, AXES), numbers("reward", reward, axes=AXES)
    if chosen.ndim != 2:
        raise ValueError(f"choice must be [S, T], not {list(chosen.shape)}")
    count, trials = chosen.shape
    arms = max(2, int(chosen.max(initial=0)) + 1) if arms is None else arms
    known = chosen != MISSING
    one = np.zeros(chosen.shape, np.int64)
    resets: Resets = more.get("resets", "session")
    session, block = more.get("session", one), more.get("block", one)
    choice2 = more.get("choice2")
    derived = {
        "scored": known,
        "learned": known & ~np.isnan(paid),
        "starts": starts_of(session, block, resets),
        "row": np.arange(count * trials).reshape(count, trials),
        "session": session,
        "block": block,
        "scored2": None if choice2 is None else known & (choice2 != MISSING),
    }
    names = tuple(map(str, range(count))) if subjects is None else tuple(subjects)
    return Behaviour(subjects=names, choice=chosen, reward=paid, arms=arms, **{**derived, **more})

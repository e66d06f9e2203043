"""Compare anything that was fitted by choices that it has not seen.

Cross-validation leaves out whole subjects, or sessions or blocks of every subject; all that are
compared get the same folds. What is left out is not scored when fitting, but stays in the history
that a subject learned from, so that no trial is predicted from a past that never was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.stats.intervals import Interval, interval
from prefrontal.behaviour.fits.fitted import Fittable, Floats
from prefrontal.behaviour.fits.selection import ModelSelection, model_selection
from prefrontal.behaviour.table import MISSING, Behaviour, Codes, Mask

By = Literal["subjects", "sessions", "blocks"]
UNITS = {"sessions": "session", "blocks": "block", "subjects": "subject"}
FOLDS = 5


@dataclass(frozen=True)
class Comparison:
    """How well K fitted things predict choices that they have not seen.

    Attributes:
        names: What was compared.
        subjects: Names of the S subjects.
        by: What was left out.
        folds: In how many parts.
        score: Log-probability of each choice when it was left out, nats, ``[K, S, T]``; NaN where
            not scored.
        choices: Scored choices of each subject ``[S]``; both stages count where they are explained.
        chance: Geometric mean probability of a choice where all that can be chosen is as likely.
        selection: Random-effects selection from the log-likelihoods of left-out choices, in place
            of evidence; None for one name, or where a choice has probability 0.
    """

    names: tuple[str, ...]
    subjects: tuple[str, ...]
    by: str
    folds: int
    score: Floats
    choices: NDArray[np.int64]
    chance: float
    selection: ModelSelection | None

    @property
    def log_likelihood(self) -> Floats:
        """Of the left-out choices, nats, ``[S, K]``."""
        total: Floats = np.nansum(self.score, axis=2).T
        return total

    @property
    def normalised_likelihood(self) -> Floats:
        """Geometric mean probability of a subject's left-out choices ``[S, K]``."""
        return np.exp(self.log_likelihood / self.choices[:, None])

    @property
    def best(self) -> str:
        """The name whose summed log-likelihood is highest."""
        return self.names[int(self.log_likelihood.sum(axis=0).argmax())]

    def interval(self, name: str, level: float = 0.95) -> Interval:
        """Return the mean over subjects of the normalised likelihood, with its interval."""
        return interval(self.normalised_likelihood[:, self.names.index(name)], level=level)

    def difference(self, name: str, other: str, level: float = 0.95) -> Interval:
        """Return how much better one is than another, nats a choice, paired by subject."""
        each = self.log_likelihood / self.choices[:, None]
        gain = each[:, self.names.index(name)] - each[:, self.names.index(other)]
        return interval(gain, level=level)

    def _above_best(self, name: str) -> dict[str, float | None] | None:
        """Return the difference from the best; None where a choice has probability 0."""
        both = self.log_likelihood[:, [self.names.index(name), self.names.index(self.best)]]
        return _ends(self.difference(name, self.best)) if np.isfinite(both).all() else None

    def to_plain(self) -> dict[str, Any]:
        """Return the table, ready for JSON; differences are from the best."""
        models = {}
        for k, name in enumerate(self.names):
            own = self.log_likelihood[:, k]
            models[name] = {
                "log_likelihood": float(own.sum()),
                "normalised_likelihood": float(np.exp(own.sum() / self.choices.sum())),
                "mean_over_subjects": _ends(self.interval(name)),
                "nats_a_choice_above_best": self._above_best(name),
                "by_subject": {
                    "log_likelihood": own.tolist(),
                    "normalised_likelihood": self.normalised_likelihood[:, k].tolist(),
                },
            }
        return {
            "subjects": len(self.subjects),
            "subject_names": list(self.subjects),
            "trials_scored": int(self.choices.sum()),
            "left_out": self.by,
            "folds": self.folds,
            "chance": self.chance,
            "best": self.best,
            "models": models,
            "bms": None if self.selection is None else self.selection.to_plain(),
        }


def compare(
    fittables: Sequence[Fittable],
    behaviour: Behaviour,
    by: By | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Fit and score all on the same folds.

    Args:
        fittables: Cognitive models with a method (`fitting.CognitiveFit`), networks, agents.
        behaviour: The choices.
        by: What is left out: ``subjects``; ``sessions`` or ``blocks`` of every subject in turn, of
            two folds the odd and the even ones. None: sessions if every subject has several, else
            blocks, else subjects.
        folds: In how many parts; None: 5, or as many as all subjects allow.
        seed: Of the folds over subjects, and of the fits.

    Raises:
        ValueError: There are more folds than there is to leave out, two have one name, or they
            explain different choices.
    """
    names = tuple(one.name for one in fittables)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"what is compared needs different names, not {', '.join(names) or 'none'}"
        )
    silent = ~_scored(behaviour).any(axis=1)
    if silent.any():
        who = behaviour.subjects[int(silent.argmax())]
        raise ValueError(f"no choice of subject {who} is scored; leave such subjects out")
    second = _second_stage(fittables, behaviour)
    by = default_by(behaviour) if by is None else by
    part = parts_of(behaviour, by, folds, seed)
    score = np.full((len(names), *behaviour.choice.shape), np.nan)
    for fold in range(int(part.max()) + 1):
        left_out = part == fold
        if by == "subjects":
            out = left_out.any(axis=1)
            train, test, where = behaviour.select(~out), behaviour.select(out), np.flatnonzero(out)
        else:
            train, test = behaviour.masked(~left_out), behaviour.masked(left_out)
            where = np.arange(len(behaviour))
        for k, one in enumerate(fittables):
            scores = one.fit(train, seed=seed).score(test)
            score[k, where, : test.trials] = np.where(
                np.isnan(scores), score[k, where, : test.trials], scores
            )
    wanted, choices = behaviour.scored, behaviour.scored.sum(axis=1)
    chance = -np.log(_options(behaviour))[wanted].sum()
    if second and behaviour.scored2 is not None and behaviour.choice2 is not None:
        wanted, choices = wanted | behaviour.scored2, choices + behaviour.scored2.sum(axis=1)
        chance -= np.log(max(2, behaviour.choice2.max() + 1)) * behaviour.scored2.sum()
    _check_scores(score, wanted, behaviour, names)
    total = np.nansum(score, axis=2).T
    clear = len(names) > 1 and bool(np.isfinite(total).all())
    selection = model_selection(total, names) if clear else None
    found = int(part.max()) + 1
    chance = float(np.exp(chance / choices.sum()))
    return Comparison(names, behaviour.subjects, by, found, score, choices, chance, selection)


def _options(behaviour: Behaviour) -> Floats:
    """Return how many arms can be chosen ``[S, T]``."""
    if behaviour.available is None:
        return np.full(behaviour.choice.shape, float(behaviour.arms))
    counts: Floats = np.maximum(1.0, behaviour.available.sum(axis=-1))
    return counts


def parts_of(behaviour: Behaviour, by: By, folds: int | None = None, seed: int = 0) -> Codes:
    """Return in which fold each scored trial is left out ``[S, T]``; -1: not scored.

    Raises:
        ValueError: There are more folds than there is to leave out, or fewer than two.
    """
    if by not in UNITS:
        raise ValueError(f"what is left out must be one of {', '.join(UNITS)}, not {by!r}")
    scored = _scored(behaviour)
    unit, there = _units(behaviour, by)
    folds = max(2, min(FOLDS, int(there.min()))) if folds is None else folds
    if folds < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, not {folds}")
    if folds > there.min():
        least = int(there.argmin())
        whose = "" if by == "subjects" else f" (subject {behaviour.subjects[least]})"
        remedy = "take fewer folds" if there.min() > 1 else _instead(behaviour)
        count, what = int(there.min()), UNITS[by]
        raise ValueError(
            f"{folds} folds for {count} {what}{'' if count == 1 else 's'}{whose}: {remedy}"
        )
    if by == "subjects":
        order = np.random.default_rng(seed).permutation(len(behaviour))
        unit = order.argsort()[:, None] + np.zeros_like(unit)
    return np.where(scored, unit % folds, MISSING)


def default_by(behaviour: Behaviour) -> By:
    """Return what can be left out of a table: sessions, else blocks, else subjects.

    Raises:
        ValueError: There is one subject with one session and block.
    """
    for by in _allowed(behaviour):
        return by
    raise ValueError(f"nothing can be left out: {_instead(behaviour)}")


def _allowed(behaviour: Behaviour) -> list[By]:
    """Return what every subject has several of, or of what there are several."""
    kinds: tuple[By, ...] = ("sessions", "blocks", "subjects")
    return [by for by in kinds if _units(behaviour, by)[1].min() > 1]


def _instead(behaviour: Behaviour) -> str:
    """Return what can be left out of a table, in the words of the command."""
    allowed = _allowed(behaviour)
    if not allowed:
        return "the table has one subject, with one session and one block"
    return f"leave out {' or '.join(allowed)}, --cv {' or --cv '.join(allowed)}"


def _units(behaviour: Behaviour, by: By) -> tuple[Codes, Codes]:
    """Return the unit of each scored trial ``[S, T]``, and how many each subject has (or all)."""
    scored = _scored(behaviour)
    if by == "subjects":
        unit = np.broadcast_to(np.arange(len(behaviour))[:, None], scored.shape)
        return unit, np.full(1, len(behaviour))
    unit = _ranks(behaviour.session if by == "sessions" else behaviour.block, scored)
    return unit, unit.max(axis=1) + 1


def _scored(behaviour: Behaviour) -> Mask:
    """Return on which trials any choice is scored ``[S, T]``."""
    if behaviour.scored2 is None:
        return behaviour.scored
    return np.asarray(behaviour.scored | behaviour.scored2)


def _ranks(unit: Codes, scored: Mask) -> Codes:
    """Return the number of each unit among those of the subject that have scored choices."""
    ranks = np.full(unit.shape, MISSING)
    for s, row in enumerate(unit):
        ranks[s, scored[s]] = np.unique(row[scored[s]], return_inverse=True)[1]
    return ranks


def _second_stage(fittables: Sequence[Fittable], behaviour: Behaviour) -> bool:
    """Whether second choices are explained; all that are compared must agree."""
    if behaviour.scored2 is None:
        return False
    both = {one.name: "choice2" in getattr(one, "explains", ("choice",)) for one in fittables}
    if len(set(both.values())) > 1:
        two = next(name for name, value in both.items() if value)
        one = next(name for name, value in both.items() if not value)
        raise ValueError(
            f"{two} explains both choices of a trial and {one} the first: leave one out"
        )
    return all(both.values())


def _check_scores(
    score: Floats, wanted: Mask, behaviour: Behaviour, names: tuple[str, ...]
) -> None:
    """Refuse scores that are missing, or are there for choices that do not count."""
    wrong = np.argwhere(np.isnan(score) == wanted)
    if len(wrong):
        k, s, t = wrong[0]
        what = "no probability to a scored" if wanted[s, t] else "a probability to an unscored"
        raise ValueError(
            f"{names[k]} gives {what} choice: subject {behaviour.subjects[s]}, "
            f"row {behaviour.row[s, t]}"
        )


def _ends(found: Interval) -> dict[str, float | None]:
    """Return an interval for JSON."""
    return {"value": found.value, "low": found.low, "high": found.high}

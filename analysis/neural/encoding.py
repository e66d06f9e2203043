"""Encoding: what latent variables explain of spike counts, beyond drift, and by chance.

Each unit's counts are regressed on a latent variable (a value, a prediction error, the hidden state
of a network) beside drift terms, and scored on trials that were left out. Counts and values both
drift slowly within a session, and what drifts looks related: single trials are no independent
samples, and shuffled trials no fair null (Elber-Dorozko & Loewenstein 2018). The null here is the
*session permutation*: the same counts with the latent variable of another session, which drifts as
well and cannot be what the unit codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, number, numbers
from prefrontal.analysis.neural.representation import pca
from prefrontal.analysis.neural.scoring import Score, blocks, drift_terms, scorer, share

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST = 199  # assignments of other sessions that are tried at most
_EPS = 1e-12


@dataclass(frozen=True)
class Encoding:
    """What each latent variable explains of each unit.

    Attributes:
        names: Names of the K latent variables.
        score: Part of what drift leaves unexplained in left-out trials that the latent variable
            explains, of variance or of Poisson deviance, ``[U, K]``: 1 all, 0 nothing, below 0
            worse than drift alone. NaN for units without a session that is long enough.
        null: The same with the latent variable of other sessions ``[U, K, A]``; A is the number of
            sessions less one, at most `MOST`.
        p_values: Part of the A + 1 assignments of sessions (the true one is one of them) that
            explain at least as much ``[U, K]``; never below 1 / (A + 1).
        trials: Trials of each unit that were scored ``[U]``.
    """

    names: tuple[str, ...]
    score: Array
    null: Array
    p_values: Array
    trials: Codes

    def quantile(self, level: float = 0.95) -> Array:
        """Return that quantile of the null ``[U, K]``."""
        number("level", level, 0.0, 1.0)
        return np.quantile(self.null, level, axis=-1)


def encoding(
    counts: ArrayLike,
    latents: Mapping[str, ArrayLike],
    session: ArrayLike,
    *,
    drift: int = 3,
    folds: int = 5,
    block: int = 10,
    least: int = 50,
    components: int = 10,
    noise: Literal["gaussian", "poisson"] = "gaussian",
    ridge: float = 1.0,
) -> Encoding:
    """Score every unit against every latent variable, with the session permutation as the null.

    A unit is fitted in each of its sessions apart. In assignment j each session has the latent
    variables of the j-th session after it (of two sessions of different length, the trials that
    both have, and the true latent variables are scored on the same ones). Sessions without
    recordings take part with their latent variables: the more there are, the finer the test.

    Args:
        counts: Spike counts ``[N, U]`` of all trials of all sessions; NaN where a unit was not
            recorded. Rows in which a latent variable is missing (NaN) are left out.
        latents: Name to latent variables of the same trials ``[N]`` or ``[N, k]``.
        session: Session of each trial ``[N]``, whole numbers from 0, trials in their order.
        drift: Degree of the polynomials of time that are explained away in each session.
        folds: Folds of trials within a session.
        block: Neighbouring trials that stay in one fold.
        least: Trials that a session must have to be used.
        components: Principal components that a latent variable of more columns (a hidden state) is
            reduced to first, over all sessions: a session has few trials for each weight.
        noise: See `explained`.
        ridge: See `explained`.

    Raises:
        ValueError: If shapes disagree, a session is unknown, or there are not two sessions of that
            many trials.
    """
    y = numbers("counts", counts, 0.0 if noise == "poisson" else -np.inf, axes=_AXES)
    columns = {name: numbers(name, values, axes=_AXES) for name, values in latents.items()}
    label = codes("session", session, axes=("trial",))
    if y.ndim != 2 or label.shape != y.shape[:1] or any(len(x) != len(y) for x in columns.values()):
        shapes = ", ".join(f"{name} {x.shape}" for name, x in columns.items())
        raise ValueError(
            f"counts must be [N, U], session and latents of as many trials; got {y.shape}, "
            f"{label.shape}, {shapes}"
        )
    columns = {name: x.reshape(len(x), -1) for name, x in columns.items()}
    absent = np.isnan(np.concatenate(list(columns.values()), axis=1)).any(axis=1) | (label < 0)
    rows = [np.flatnonzero(~absent & (label == one)) for one in np.unique(label[label >= 0])]
    rows = [one for one in rows if len(one) >= max(least, (folds - 1) * block + drift + 2)]
    if len(rows) < 2:
        raise ValueError(
            f"the session permutation needs two sessions of at least {least} trials with every "
            f"latent variable, got {len(rows)}: give least, or the behaviour of other sessions too"
        )
    used = np.concatenate(rows)
    columns = {name: _reduced(x, used, components) for name, x in columns.items()}
    measure = _Sessions(y, rows, drift, folds, block, scorer(noise, ridge))
    found = [measure.permuted(x) for x in columns.values()]
    score, null, p_values = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    return Encoding(tuple(columns), score, null, p_values, measure.trials())


def shifts(sessions: int) -> Codes:
    """Return how far sessions are moved on in each assignment ``[A]``, 1 to S - 1 at most `MOST`.

    Raises:
        ValueError: If there are fewer than two sessions.
    """
    if sessions < 2:
        raise ValueError(f"the session permutation needs two sessions, got {sessions}")
    found = np.linspace(1, sessions - 1, min(sessions - 1, MOST))
    return np.asarray(found.round(), dtype=np.int64)


def split_half(counts: ArrayLike) -> Array:
    """Return the reliability of each unit: how well half of its bins foretell the other half.

    The Pearson correlation r over trials of the counts in odd and in even bins, ``2 r / (1 + r)``
    (Spearman-Brown) for all bins: what of the variance over trials is not noise of single bins, and
    so a ceiling for what can be explained.

    Args:
        counts: ``[N, B, U]``; trials in which a unit is missing (NaN) are left out of it.

    Returns:
        ``[U]``; NaN for units that never change, below 0 where there is no reliability.

    Raises:
        ValueError: If there is no second bin.
    """
    given = numbers("counts", counts, axes=("trial", "bin", "unit"))
    if given.ndim != 3 or given.shape[1] < 2:
        raise ValueError(f"counts must be [N, B, U] with B >= 2, got {given.shape}")
    found = np.full(given.shape[2], np.nan)
    for unit, one in enumerate(np.moveaxis(given, 2, 0)):
        one = one[~np.isnan(one).any(axis=1)]
        halves = one[:, ::2].sum(axis=1), one[:, 1::2].sum(axis=1)
        if len(one) > 2 and min(half.std() for half in halves) > 0:
            r = float(np.corrcoef(*halves)[0, 1])
            found[unit] = 2 * r / (1 + r) if r > -1 else -np.inf
    return found


_AXES = ("trial", "unit")


def _reduced(latent: Array, rows: Codes, components: int) -> Array:
    """Return principal components ``[N, components]``, where there are more columns than that."""
    if latent.shape[1] <= components:
        return latent
    found = np.full((len(latent), components), np.nan)
    found[rows] = pca(latent[rows], components).project(latent[rows])
    return found


class _Sessions:
    """The counts of all sessions, to be scored with latent variables of their own or of others."""

    def __init__(
        self, counts: Array, rows: list[Codes], drift: int, folds: int, block: int, score: Score
    ) -> None:
        self.counts, self.rows, self.score = counts, rows, score
        self.drift, self.folds, self.block = drift, folds, block

    def trials(self) -> Codes:
        """Return the trials of each unit that are scored ``[U]``."""
        every = np.concatenate(self.rows)
        return np.asarray((~np.isnan(self.counts[every])).sum(axis=0), dtype=np.int64)

    def permuted(self, latent: Array) -> tuple[Array, Array, Array]:
        """Return scores ``[U]``, those of the null ``[U, A]``, and p-values ``[U]``."""
        cache: dict[tuple[int, int], Array] = {}
        null, true = [], []
        for j in (0, *shifts(len(self.rows))):
            with_true, with_other = [np.zeros((2, self.counts.shape[1]))], []
            for s, own in enumerate(self.rows):
                if np.isnan(self.counts[own]).all():
                    continue
                other = self.rows[(s + j) % len(self.rows)]
                length = min(len(own), len(other))
                if (s, length) not in cache:
                    cache[s, length] = self._left(own[:length], latent[own[:length]])
                with_true.append(cache[s, length])
                if j:
                    with_other.append(self._left(own[:length], latent[other[:length]]))
            true.append(share(*np.sum(with_true, axis=0)))
            if j:
                null.append(share(*np.sum([with_true[0], *with_other], axis=0)))
        others = np.stack(null, axis=-1)
        beyond = (others >= np.stack(true[1:], axis=-1) - _EPS).sum(axis=-1)
        p = np.where(np.isnan(true[0]), np.nan, (1 + beyond) / (1 + len(null)))
        return true[0], others, p

    def _left(self, rows: Codes, latent: Array) -> Array:
        """Return what is left unexplained with and without the latent variable ``[2, U]``.

        It is 0 and 0 for units that were not recorded, or never fire, in these trials.
        """
        y, left = self.counts[rows], np.zeros((2, self.counts.shape[1]))
        drift = drift_terms(len(rows), self.drift)
        there = ~np.isnan(y)
        for units in _alike(there):
            whole = there[:, units[0]]
            if whole.sum() > (self.folds - 1) * self.block + self.drift + 1:
                fold = blocks(int(whole.sum()), self.folds, self.block)
                part = y[np.ix_(whole, units)]
                left[:, units] = self.score(part, latent[whole], drift[whole], fold)
        return left


def _alike(there: NDArray[np.bool_]) -> list[Codes]:
    """Return groups of columns that are the same."""
    if (there.all(axis=0) | ~there.any(axis=0)).all():
        return [one for one in (np.flatnonzero(there[0]), np.flatnonzero(~there[0])) if len(one)]
    _, group = np.unique(there, axis=1, return_inverse=True)
    group = group.ravel()
    return [np.flatnonzero(group == one) for one in range(int(group.max(initial=-1)) + 1)]

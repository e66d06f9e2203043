"""Bayesian model selection with random effects: which model do how many subjects follow?

Every subject follows one of K models, drawn with frequencies that are unknown themselves. The
method is that of Stephan et al. (2009), with the protected exceedance probability of Rigoux et al.
(2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammainc, gammaincinv, gammaln, logsumexp, xlogy

Floats = NDArray[np.float64]

NODES = 200  # of the quadrature of exceedance probabilities
ROUNDS = 10_000
CLOSE = 1e-10  # changes of the Dirichlet counts that end the iteration


@dataclass(frozen=True)
class ModelSelection:
    """Posterior over the frequencies of K models among subjects.

    Attributes:
        names: The models.
        alpha: Dirichlet counts ``[K]``.
        frequencies: Expected frequencies ``[K]``: counts over their sum; for hierarchical Bayesian
            inference the mean responsibilities, as Piray et al. (2019) report them.
        responsibilities: Probability that a subject follows a model ``[S, K]``.
        exceedance: Probability that a model is the most frequent one ``[K]``.
        protected_exceedance: The same, with the chance that all are equally frequent.
        bor: Bayesian omnibus risk: posterior probability that all are equally frequent.
        prior: Prior Dirichlet count of each model.
    """

    names: tuple[str, ...]
    alpha: Floats
    frequencies: Floats
    responsibilities: Floats
    exceedance: Floats
    protected_exceedance: Floats
    bor: float
    prior: float

    def to_plain(self) -> dict[str, Any]:
        """Return numbers by the names of the models, ready for JSON."""

        def named(values: Floats) -> dict[str, float]:
            return dict(zip(self.names, values.tolist(), strict=True))

        return {
            "frequencies": named(self.frequencies),
            "exceedance": named(self.exceedance),
            "protected_exceedance": named(self.protected_exceedance),
            "bor": self.bor,
            "prior": self.prior,
        }


def model_selection(
    evidence: ArrayLike, names: tuple[str, ...] | list[str] | None = None, prior: float = 1.0
) -> ModelSelection:
    """Select among models with random effects over subjects.

    Args:
        evidence: Log evidence of each subject and model ``[S, K]``, or what stands for it: minus
            half the BIC, log-likelihoods of held-out choices.
        names: The models; None: ``0`` to ``K - 1``.
        prior: Dirichlet count of each model. 1, as in SPM and cbm; 1 / K, as in some other
            programs, lets rare models vanish faster.

    Raises:
        ValueError: Evidence is not ``[S, K]``, has missing numbers, or the prior is not positive.
    """
    table = np.asarray(evidence, float)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"evidence must be [subjects, models], not {list(table.shape)}")
    if not np.isfinite(table).all():
        subject, model = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(
            f"the evidence of subject {subject}, model {model} is missing or infinite; "
            "leave out the subject or the model"
        )
    if not prior > 0:
        raise ValueError(f"prior must be above 0, not {prior}")
    count = table.shape[1]
    names = tuple(map(str, range(count))) if names is None else tuple(names)
    if len(names) != count:
        raise ValueError(f"there are {count} models and {len(names)} names")
    alpha = np.full(count, float(prior))
    for _ in range(ROUNDS):
        shares = _responsibilities(table, alpha)
        new = prior + shares.sum(axis=0)
        change, alpha = np.abs(new - alpha).max(), new
        if change < CLOSE:
            break
    shares = _responsibilities(table, alpha)
    bor = omnibus_risk(table, alpha, shares, prior)
    exceedance = exceedance_probabilities(alpha)
    return ModelSelection(
        names=names,
        alpha=alpha,
        frequencies=alpha / alpha.sum(),
        responsibilities=shares,
        exceedance=exceedance,
        protected_exceedance=(1 - bor) * exceedance + bor / count,
        bor=bor,
        prior=float(prior),
    )


def exceedance_probabilities(alpha: ArrayLike) -> Floats:
    """Return the probability of each frequency to be the largest, under Dirichlet counts ``[K]``.

    Frequencies are gamma variables over their sum: P(i largest) is the mean of Π_j P(x_j < x_i)
    over x_i, here by Gauss-Legendre quadrature over the quantiles of x_i.
    """
    counts = np.asarray(alpha, float)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    quantiles, weights = (nodes + 1) / 2, weights / 2
    largest = np.empty(len(counts))
    for i, count in enumerate(counts):
        x = gammaincinv(count, quantiles)
        others = np.delete(counts, i)
        largest[i] = weights @ np.prod(gammainc(others[:, None], x), axis=0)
    return largest / largest.sum()


def omnibus_risk(evidence: Floats, alpha: Floats, shares: Floats, prior: float) -> float:
    """Return the posterior probability that all models are equally frequent (Rigoux et al. 2014).

    Args:
        evidence: Log evidence ``[S, K]``.
        alpha: Dirichlet counts ``[K]`` after convergence.
        shares: Responsibilities ``[S, K]``.
        prior: Prior count of each model.
    """
    count = evidence.shape[1]
    log_r = digamma(alpha) - digamma(alpha.sum())
    free = (
        gammaln(prior * count)
        - count * gammaln(prior)
        + ((prior - 1) * log_r).sum()
        + (shares * (evidence + log_r)).sum()
        - xlogy(shares, shares).sum()
        + gammaln(alpha).sum()
        - gammaln(alpha.sum())
        - ((alpha - 1) * log_r).sum()
    )
    equal = (logsumexp(evidence, axis=1) - np.log(count)).sum()
    return float(1 / (1 + np.exp(np.clip(free - equal, -700, 700))))


def _responsibilities(evidence: Floats, alpha: Floats) -> Floats:
    """Return the probabilities ``[S, K]`` of the models, given the counts of their frequencies."""
    u = evidence + digamma(alpha) - digamma(alpha.sum())
    u = u - u.max(axis=1, keepdims=True)
    weights = np.exp(u)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares

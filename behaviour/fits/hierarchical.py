"""Fits where subjects inform each other: the population is estimated together with them.

`em` is expectation maximisation with Laplace's approximation (Huys et al. 2011): the parameters of
subjects are normal around those of the population. `hbi` is hierarchical Bayesian inference (Piray
et al. 2019): the same for several models at once, where each subject counts for the population of a
model by the probability that it follows that model. Both take a Newton step or two of the subjects'
parameters between two estimates of the population, and so need one pass over the trials for each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.behaviour.fits.likelihood import Gaussian, Likelihood, Point, prior_of
from prefrontal.behaviour.fits.optimise import laplace, newton

ROUNDS = 300
ROUGH, SHARP = 1e-6, 1e-10  # gain of a Newton step, nats, that is left out: between rounds, at last
CLOSE = 3e-3  # change of a mean, in standard deviations, and of a log variance, that ends `em`
SETTLED = 5e-3  # the same of `hbi`; models that few follow go on moving slowly
LEAST = 1e-4  # smallest variance of a population in `em`
COUNT, SHAPE, RATE = 1.0, 0.5, 0.01  # prior of a population: b, v and s of Piray et al. (2019)


def em(likelihood: Likelihood, point: Point) -> tuple[Point, Gaussian]:
    """Estimate the population and, with it, every subject.

    Args:
        likelihood: Of one model.
        point: The subjects' maxima under the model's prior.

    Returns:
        Maxima of the subjects' posteriors, and the population.
    """
    group = prior_of(likelihood.model)
    for _ in range(ROUNDS):
        spread = laplace(group, point).covariance.diagonal(dim1=-2, dim2=-1)
        mean = point.x.mean(0)
        variance = (point.x**2 + spread).mean(0) - mean**2
        before, group = group, Gaussian(mean, variance.clamp_min(LEAST))
        point = newton(likelihood, group, point, steps=3, close=ROUGH)
        if _apart(before, group) < CLOSE:
            break
    return newton(likelihood, group, point), group


def _apart(one: Gaussian, other: Gaussian) -> float:
    """Return how far two populations are apart: in standard deviations and in log variances."""
    means = (one.mean - other.mean).abs() / other.variance.sqrt()
    widths = (one.variance / other.variance).log().abs()
    return max([0.0, *means.tolist(), *widths.tolist()])


@dataclass(frozen=True)
class Population:
    """What is believed of the population that follows one model (normal-gamma, per parameter).

    Attributes:
        mean: Of the mean ``[D]``.
        count: Subjects that it rests on, with the prior's (β).
        shape: Of the precisions' gamma distribution (ν).
        rate: Likewise ``[D]`` (σ).
    """

    mean: Tensor
    count: Tensor
    shape: Tensor
    rate: Tensor

    @property
    def prior(self) -> Gaussian:
        """What it says about a subject: normal, with the mean precision."""
        return Gaussian(self.mean, self.rate / self.shape)

    @property
    def errors(self) -> Tensor:
        """Standard errors of the mean ``[D]``."""
        return (self.rate / (self.shape * self.count)).sqrt()

    @property
    def log_precision(self) -> Tensor:
        """Expected log precisions ``[D]``."""
        return torch.digamma(self.shape) - self.rate.log()

    def correction(self) -> Tensor:
        """Return what the evidence of a subject loses as the population is uncertain."""
        lost = 0.5 * (torch.digamma(self.shape) - self.shape.log()) - 0.5 / self.count
        return len(self.mean) * lost

    def divergence(self) -> Tensor:
        """Return the Kullback-Leibler divergence from the prior of populations, nats."""
        v, s, b = SHAPE, RATE, COUNT
        log_tau, tau = self.log_precision, self.shape / self.rate
        mean_p = 0.5 * (math.log(b) + log_tau) - 0.5 * b * (tau * self.mean**2 + 1 / self.count)
        tau_p = v * math.log(s) - math.lgamma(v) + (v - 1) * log_tau - s * tau
        mean_q = 0.5 * (self.count.log() + log_tau) - 0.5
        tau_q = self.shape * self.rate.log() - torch.lgamma(self.shape)
        tau_q = tau_q + (self.shape - 1) * log_tau - self.shape
        return (mean_q + tau_q - mean_p - tau_p).sum()


@dataclass(frozen=True)
class Hierarchy:
    """Several models in one population.

    Attributes:
        points: For each model the maxima of all subjects.
        populations: For each model what is believed of those who follow it.
        alpha: Dirichlet counts of the models' frequencies ``[K]``.
        responsibilities: Probability that a subject follows a model ``[S, K]``.
        bound: Lower bound of the log evidence of all, nats.
    """

    points: list[Point]
    populations: list[Population]
    alpha: Tensor
    responsibilities: Tensor
    bound: float


def hbi(
    likelihoods: Sequence[Likelihood], points: Sequence[Point], equal: bool = False
) -> Hierarchy:
    """Estimate the models' frequencies, their populations and the subjects together.

    Args:
        likelihoods: Of each model, on the same subjects.
        points: For each model the subjects' maxima under the model's prior.
        equal: Hold all subjects equally likely to follow each model: the null hypothesis of the
            protected exceedance probability.
    """
    points, count = list(points), len(points)
    shares = torch.ones(len(points[0].x), count, dtype=torch.float64) / (count if equal else 1)
    spreads = [
        laplace(prior_of(one.model), point).covariance.diagonal(dim1=-2, dim2=-1)
        for one, point in zip(likelihoods, points, strict=True)
    ]
    before: list[Population] = []
    for taken in range(ROUNDS + 1):
        groups = [
            _population(point.x, spread, share)
            for point, spread, share in zip(points, spreads, shares.T, strict=True)
        ]
        alpha = 1 + shares.sum(0)
        last = taken == ROUNDS or (bool(before) and _settled(before, groups))
        for k, group in enumerate(groups):
            close, steps = (SHARP, 30) if last else (ROUGH, 3)
            points[k] = newton(likelihoods[k], group.prior, points[k], steps, close)
        found = [laplace(group.prior, point) for group, point in zip(groups, points, strict=True)]
        spreads = [one.covariance.diagonal(dim1=-2, dim2=-1) for one in found]
        gains = torch.stack(
            [one.evidence + group.correction() for one, group in zip(found, groups, strict=True)], 1
        )
        log_m = torch.digamma(alpha) - torch.digamma(alpha.sum())
        log_m = torch.full_like(log_m, -math.log(count)) if equal else log_m
        if not equal:
            shares = (gains + log_m).softmax(1)
        if last:
            break
        before = groups
    bound = (shares * (gains + log_m)).sum() - torch.xlogy(shares, shares).sum()
    bound = bound - torch.stack([group.divergence() for group in groups]).sum()
    if not equal:
        bound = bound - _dirichlet_divergence(alpha, log_m)
    return Hierarchy(points, groups, alpha, shares, float(bound))


def _population(x: Tensor, spread: Tensor, share: Tensor) -> Population:
    """Return what is believed of a population from its members' parameters ``[S, D]``.

    Args:
        x: Maxima.
        spread: Posterior variances ``[S, D]``.
        share: Probability of each subject to be a member ``[S]``.
    """
    members = share.sum()
    weights = (share / members.clamp_min(1e-300)).unsqueeze(-1)
    mean = (weights * x).sum(0)
    variance = (weights * (x**2 + spread)).sum(0) - mean**2
    pull = members * COUNT / (members + COUNT) * mean**2
    return Population(
        members / (COUNT + members) * mean,
        COUNT + members,
        SHAPE + 0.5 * members,
        RATE + 0.5 * (members * variance + pull),
    )


def _settled(before: list[Population], after: list[Population]) -> bool:
    """Whether no population moved."""
    pairs = zip(before, after, strict=True)
    return all(_apart(one.prior, other.prior) < SETTLED for one, other in pairs)


def _dirichlet_divergence(alpha: Tensor, log_m: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of Dirichlet counts from 1 each, nats."""
    log_q = torch.lgamma(alpha.sum()) - torch.lgamma(alpha).sum() + ((alpha - 1) * log_m).sum()
    return log_q - math.lgamma(len(alpha))

"""Maxima for many subjects at once: a search from many starts, and Newton steps to the end.

Rows are independent problems. A search follows several of them for each subject with BFGS steps
(gradients alone, Nocedal & Wright 2006, chapter 6); Newton steps with exact Hessians then bring the
best to its maximum, and leave the Hessian that evidence and standard errors need.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prefrontal.behaviour.fits.likelihood import Likelihood, Point, Pooled, Prior, expand, slope

SHORT = 1e-7  # fraction of a step below which a row does not go on
LONG = 3.0  # largest change of a raw parameter in one step
NEAR = 0.2  # raw distance at which two searches of a row count as one
MERGED = 4  # evaluations after which it is looked for such
HOPE = 10.0  # times what its next step promises, within which a search may still become the best
EVALUATIONS = 40  # of the gradient in a search
STEPS = 40  # of Newton's method
CLOSE = 1e-10  # expected gain, nats, at which a Newton search ends
SOFT = 1e-3  # the same of a search, which Newton steps follow


def search(
    likelihood: Likelihood | Pooled,
    prior: Prior,
    points: Tensor,
    starts: int,
) -> Tensor:
    """Return the best parameters ``[M, D]`` found from some of many points.

    The points are divided among the starts, and the best of each part is followed.

    Args:
        likelihood: What to climb.
        prior: What is added to it.
        points: Where to look first ``[N, M, D]``.
        starts: How many of them to follow, for each row; a divisor of N.
    """
    count, size = points.shape[1:]
    with torch.no_grad():
        first = _finite(-likelihood.of(points)) + prior.energy(points).sum(-1)
    best = first.view(starts, -1, count).argmin(1)
    index = best.view(starts, 1, count, 1).expand(-1, -1, -1, size)
    x = points.view(starts, -1, count, size).gather(1, index).squeeze(1)
    rows = np.tile(np.arange(count), starts)
    found, value = _bfgs(likelihood, prior, x.reshape(-1, size), rows)
    index = value.view(starts, count).argmin(0).view(1, -1, 1).expand(1, -1, size)
    return found.view(starts, count, size).gather(0, index)[0]


def newton(
    likelihood: Likelihood | Pooled,
    prior: Prior,
    point: Point,
    steps: int = STEPS,
    close: float = CLOSE,
) -> Point:
    """Return a maximum near a point.

    Where the Hessian is not positive definite, steps use the absolute values of its eigenvalues, so
    that they lead away from a saddle.

    Args:
        likelihood: What to climb.
        prior: What is added to it.
        point: Where to start.
        steps: Most passes over the trials.
        close: Gain that a step must promise, nats, for a row to go on.
    """
    length = torch.ones(len(point.x), dtype=point.x.dtype)
    for taken in range(steps + 1):
        step, gain = _step(prior, point)
        done = (gain < close) | (length < SHORT)
        if taken == steps or bool(done.all()):
            break
        active = (~done).nonzero().squeeze(-1)
        there = point.x[active] + length[active, None] * step[active]
        near = expand(likelihood, there, active.numpy())
        before = _total(prior, point)[active]
        after = _total(prior, near)
        better = after <= before - 1e-4 * length[active] * gain[active]
        better |= (after - before).abs() <= 1e-12 * before.abs()
        near = _put(point, active, near)
        accepted = torch.zeros_like(done).index_put_((active,), better)
        point = point.where(accepted, near)
        length = torch.where(accepted, 1.0, torch.where(done, length, length * 0.25))
    return point


def arrived(prior: Prior, point: Point) -> Tensor:
    """Return which rows are at a stationary point ``[M]``: a step promises less than 1e-6 nats."""
    return _step(prior, point)[1] < 1e-6


class Laplace(NamedTuple):
    """The normal distribution that stands for a posterior.

    Attributes:
        log_posterior: Log likelihood and log prior density at the maximum ``[M]``.
        evidence: Log of the integral over all parameters ``[M]``.
        covariance: ``[M, D, D]``; of the Hessian with its eigenvalues as in `evidence`.
        positive: Whether the Hessian is positive definite ``[M]``.
    """

    log_posterior: Tensor
    evidence: Tensor
    covariance: Tensor
    positive: Tensor


def laplace(prior: Prior, point: Point, least: float | None = None) -> Laplace:
    """Return Laplace's approximation around maxima.

    Args:
        prior: What is added to the likelihood.
        point: The maxima.
        least: What eigenvalues that are not positive are set to; None: the smallest precision of
            the prior. The choices then count as telling nothing about that direction.
    """
    precision = prior.curvature(point.x)
    values, vectors = torch.linalg.eigh(point.hessian + torch.diag_embed(precision))
    positive = (values > 0).all(-1)
    floor = precision.amin(-1, keepdim=True) if least is None and precision.numel() else least or 0
    values = torch.where(values > 0, values, floor)
    covariance = vectors @ torch.diag_embed(1 / values) @ vectors.mT
    log_posterior = -_total(prior, point)
    size = point.x.shape[-1]
    evidence = log_posterior + 0.5 * size * math.log(2 * math.pi) - 0.5 * values.log().sum(-1)
    return Laplace(log_posterior, evidence, covariance, positive)


def _total(prior: Prior, point: Point) -> Tensor:
    """Return minus the log posterior ``[M]``; infinite where it is not a number."""
    total = point.value + prior.energy(point.x).sum(-1)
    bad = point.gradient.isfinite().all(-1) & point.hessian.isfinite().all(-1).all(-1)
    return torch.where(bad, _finite(total), torch.inf)


def _finite(value: Tensor) -> Tensor:
    return torch.where(value.isfinite(), value, torch.inf)


def _put(point: Point, active: Tensor, near: Point) -> Point:
    """Return a point of all rows, of which the active ones are new."""
    return Point(
        *(whole.index_put((active,), part) for whole, part in zip(point, near, strict=True))
    )


def _step(prior: Prior, point: Point) -> tuple[Tensor, Tensor]:
    """Return Newton steps ``[M, D]`` and what they promise ``[M]``, nats."""
    gradient = point.gradient + prior.slope(point.x)
    hessian = point.hessian + torch.diag_embed(prior.curvature(point.x))
    values, vectors = torch.linalg.eigh(hessian)
    along = (vectors.mT @ gradient.unsqueeze(-1)).squeeze(-1)
    along = along / values.abs().clamp_min(1e-6)
    step = -(vectors @ along.unsqueeze(-1)).squeeze(-1)
    gain = -0.5 * (step * gradient).sum(-1)
    return _short(step), gain


def _short(step: Tensor) -> Tensor:
    """Return steps ``[M, D]`` that change no parameter by more than `LONG`."""
    if not step.shape[-1]:
        return step
    most = step.abs().amax(-1, keepdim=True)
    return step * (LONG / most.clamp_min(LONG))


def _bfgs(
    likelihood: Likelihood | Pooled, prior: Prior, x: Tensor, rows: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Return parameters ``[M, D]`` and minus their log posterior ``[M]`` after a search."""
    size = x.shape[-1]
    found = x.clone()
    best = torch.full((len(x),), torch.inf, dtype=x.dtype)
    here = torch.arange(len(x))
    count = int(rows.max()) + 1

    def at(x: Tensor, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        value, gradient = slope(likelihood, x, rows)
        total, steep = value + prior.energy(x).sum(-1), gradient + prior.slope(x)
        return torch.where(steep.isfinite().all(-1), _finite(total), torch.inf), steep

    value, gradient = at(x, rows)
    inverse = torch.eye(size, dtype=x.dtype).expand(len(x), -1, -1).clone()
    inverse /= gradient.norm(dim=-1).clamp_min(1.0)[:, None, None]
    length, fresh = torch.ones_like(value), torch.ones_like(value, dtype=torch.bool)
    for taken in range(EVALUATIONS):
        step = _short(-(inverse @ gradient.unsqueeze(-1)).squeeze(-1))
        promise = -(step * gradient).sum(-1)
        done = ((promise < SOFT) & ~fresh) | (length < 1e-3) | ~value.isfinite()
        found[here], best[here] = x, value
        if taken % MERGED == MERGED - 1:
            values = best.view(-1, count)
            behind = _near_better(found.view(-1, count, size), values)[here]
            lead = values.amin(0).repeat(len(values))[here]
            done |= behind | ((value - HOPE * promise > lead) & ~fresh)
        if bool(done.all()):
            break
        if float(done.double().mean()) > 0.2:
            keep = ~done
            here, x, value, gradient = here[keep], x[keep], value[keep], gradient[keep]
            inverse, length, fresh = inverse[keep], length[keep], fresh[keep]
            step, promise, rows = step[keep], promise[keep], rows[keep.numpy()]
        there = x + length[:, None] * step
        next_value, next_gradient = at(there, rows)
        accepted = next_value <= value - 1e-4 * length * promise
        s, y = there - x, next_gradient - gradient
        inverse = torch.where(accepted[:, None, None], _update(inverse, s, y, fresh), inverse)
        x = torch.where(accepted[:, None], there, x)
        value = torch.where(accepted, next_value, value)
        gradient = torch.where(accepted[:, None], next_gradient, gradient)
        length = torch.where(accepted, 1.0, length * 0.3)
        fresh &= ~accepted
    found[here], best[here] = x, value
    return found, best


def _near_better(x: Tensor, value: Tensor) -> Tensor:
    """Return which of N searches of each row run after a better one, flat ``[N * M]``.

    Args:
        x: Where they are ``[N, M, D]``.
        value: How low ``[N, M]``.
    """
    order = torch.arange(len(x))
    near = (x.unsqueeze(1) - x).abs().amax(-1) < NEAR  # [N, N, M]
    better = value < value.unsqueeze(1)
    better |= (value == value.unsqueeze(1)) & (order < order.unsqueeze(1)).unsqueeze(-1)
    return (near & better).any(1).flatten()


def _update(inverse: Tensor, s: Tensor, y: Tensor, fresh: Tensor) -> Tensor:
    """Return inverse Hessians ``[M, D, D]`` after steps ``s`` that changed gradients by ``y``."""
    curvature = (s * y).sum(-1)
    usable = curvature > 1e-10 * (s.norm(dim=-1) * y.norm(dim=-1))
    safe = torch.where(usable, curvature, 1.0)
    size = s.shape[-1]
    eye = torch.eye(size, dtype=s.dtype)
    scale = safe / (y * y).sum(-1).clamp_min(1e-300)
    inverse = torch.where(fresh[:, None, None], scale[:, None, None] * eye, inverse)
    left = eye - s.unsqueeze(-1) * y.unsqueeze(-2) / safe[:, None, None]
    new = left @ inverse @ left.mT + s.unsqueeze(-1) * s.unsqueeze(-2) / safe[:, None, None]
    return torch.where(usable[:, None, None], new, inverse)

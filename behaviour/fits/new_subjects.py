"""What a population says of subjects that were not fitted: an integral over their parameters.

p(choices) = integral of p(choices | x) N(x; population) dx, as log p of each choice given those
before it. One point, such as the population's mean, is no prediction where subjects differ: it
speaks for models whose parameters differ less, not for the one that subjects follow.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from prefrontal.behaviour.fits.likelihood import Gaussian, Likelihood, expand
from prefrontal.behaviour.fits.optimise import laplace, newton

DRAWS = 256  # from the population, and as many from around each subject's maximum
AT_ONCE = 32  # draws that a model runs side by side
SEED = 0


def predictive(likelihood: Likelihood, population: Gaussian) -> Tensor:
    """Return the log-probability of every choice under a population ``[S, T]``, nats.

    The integral is a weighted sum over draws: one half from the population, which serves while few
    choices are known, one half from Laplace's approximation of the subject's posterior, where the
    integrand is when all are known (importance sampling from a mixture, Hesterberg 1995, whose
    weights are below 2). Draws are Sobol points of a fixed seed, so that all calls agree.

    Args:
        likelihood: Of the subjects; both stages of a trial are summed if both are explained.
        population: Of raw parameters ``[D]``, independent normal distributions.

    Returns:
        0 where not scored. Sums over t are the log of the integral.
    """
    subjects, size = len(likelihood.behaviour), len(population.mean)
    middle = population.mean.expand(subjects, -1)
    point = newton(likelihood, population, expand(likelihood, middle))
    spread = torch.linalg.cholesky(laplace(population, point).covariance)
    normal = _normal(2 * DRAWS, size)
    wide = population.mean + population.variance.sqrt() * normal[:DRAWS]
    near = point.x + (spread @ normal[DRAWS:, None, :, None]).squeeze(-1)  # [draws, S, D]
    x = torch.cat([wide.unsqueeze(1).expand(-1, subjects, -1), near])
    prior = -population.energy(x).sum(-1)
    white = torch.linalg.solve_triangular(spread, (x - point.x).unsqueeze(-1), upper=False)
    scale = spread.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    around = -0.5 * (white.squeeze(-1) ** 2).sum(-1) - scale - 0.5 * size * math.log(2 * math.pi)
    weight = prior - torch.logaddexp(prior, around)  # [draws, S]
    with torch.no_grad():
        known = torch.cat([_known(likelihood, part) for part in x.split(AT_ONCE)])
    total = (weight.unsqueeze(-1) + known).logsumexp(0) - weight.logsumexp(0).unsqueeze(-1)
    return total.diff(dim=-1)


def _known(likelihood: Likelihood, x: Tensor) -> Tensor:
    """Return log-probabilities of all choices before each trial and of all ``[N, S, T + 1]``."""
    ran = likelihood.run(x)
    log_p = ran.log_p if ran.log_p2 is None else ran.log_p + ran.log_p2
    none = torch.zeros_like(log_p[..., :1])
    return torch.cat([none, log_p.cumsum(-1)], -1)


def _normal(count: int, size: int) -> Tensor:
    """Return standard normal numbers ``[count, size]`` that fill space evenly, halves apart."""
    engines = (SobolEngine(size, scramble=True, seed=SEED + half) for half in (0, 1))
    uniform = torch.cat([one.draw(count // 2, dtype=torch.float64) for one in engines])
    normal: Tensor = torch.special.ndtri(uniform.clamp(1e-12, 1 - 1e-12))
    return normal

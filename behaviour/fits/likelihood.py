"""What a fit climbs: the likelihood of a model, and what is known of its parameters before.

Fits work with unconstrained parameters ("raw", one row a subject, `Parameter.raw`), as if rewards
were divided by the largest one, so that a prior on an inverse temperature means the same for cents
and for dollars. Gradients and Hessians are exact, by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.behaviour.models.model import Model
from prefrontal.behaviour.models.run import Ran, Trials, run, tabulate
from prefrontal.behaviour.table import Behaviour

LARGEST = 1e100  # reward of a fit; its inverse is the smallest: squares of both are numbers
FAR = {"unit": 8.0, "positive": 8.0, "real": 30.0}  # raw values of a parameter that ran away


def scale_of(behaviour: Behaviour) -> float:
    """Return the unit of reward in a fit: the largest absolute one learned from; 1 if all are 0.

    Raises:
        ValueError: Nothing can be computed in it.
    """
    if not behaviour.learned.any():
        return 1.0
    scale = float(np.abs(behaviour.reward[behaviour.learned]).max()) or 1.0
    if not 1 / LARGEST <= scale <= LARGEST:
        raise ValueError(
            f"the largest reward is {scale:g}, and a fit takes {1 / LARGEST:g} to {LARGEST:g}: "
            "put rewards in another unit"
        )
    return scale


class Likelihood:
    """Log likelihood of a model's raw parameters on the trials of S subjects.

    Rewards stay as they are; parameters that have their unit (`Parameter.unit`) are scaled, and
    so are the model's defaults (`Model.in_unit`).

    Args:
        model: The model.
        behaviour: The trials.
        scale: The unit of reward; None: see `scale_of`.
    """

    def __init__(self, model: Model, behaviour: Behaviour, scale: float | None = None) -> None:
        self.model = model
        self.behaviour = behaviour
        self.scale = scale_of(behaviour) if scale is None else scale
        self._trials = tabulate(behaviour, model)
        self._some: tuple[NDArray[np.int64], Trials] | None = None

    def run(self, raw: Tensor, trials: Trials | None = None, latents: bool = False) -> Ran:
        """Run the model with raw parameters ``[..., S, D]``, on all trials if not told which."""
        theta = natural(self.model, raw, self.scale)
        model = self.model.in_unit(self.scale)
        return run(model, theta, self._trials if trials is None else trials, latents)

    def of(self, raw: Tensor, rows: NDArray[np.int64] | None = None) -> Tensor:
        """Return log likelihoods ``[..., S]`` of raw parameters ``[..., S, D]``.

        Args:
            raw: Parameters.
            rows: Subjects that the rows of ``raw`` belong to, in place of all S in order.
        """
        trials = None
        if rows is not None:
            if self._some is None or not np.array_equal(self._some[0], rows):
                self._some = rows, tabulate(self.behaviour.select(rows.tolist()), self.model)
            trials = self._some[1]
        total = self.run(raw, trials).total
        return total if self.model.parameters else total.expand(*raw.shape[:-2], -1)


def natural(model: Model, raw: Tensor, scale: float) -> dict[str, Tensor]:
    """Return parameters in their ranges and in the unit of rewards, by name, from ``[..., D]``."""
    theta = model.theta(raw) if model.parameters else {}
    return {one.name: theta[one.name] * scale**one.unit for one in model.parameters}


class Prior(Protocol):
    """What is known of each parameter without any data, apart from the others."""

    def energy(self, x: Tensor) -> Tensor:
        """Return minus the log density ``[..., D]``."""
        ...

    def slope(self, x: Tensor) -> Tensor:
        """Return its derivative ``[..., D]``."""
        ...

    def curvature(self, x: Tensor) -> Tensor:
        """Return its second derivative ``[..., D]``."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions.

    Attributes:
        mean: Means ``[D]``.
        variance: Variances ``[D]``.
    """

    mean: Tensor
    variance: Tensor

    def energy(self, x: Tensor) -> Tensor:
        """Return minus the log density ``[..., D]``."""
        return 0.5 * ((x - self.mean) ** 2 / self.variance + (2 * torch.pi * self.variance).log())

    def slope(self, x: Tensor) -> Tensor:
        """Return its derivative ``[..., D]``."""
        return (x - self.mean) / self.variance

    def curvature(self, x: Tensor) -> Tensor:
        """Return its second derivative ``[..., D]``."""
        return (1 / self.variance).expand_as(x)


@dataclass(frozen=True)
class Box:
    """Nothing within bounds, and a parabola that holds parameters back beyond them.

    Attributes:
        bound: Largest raw values on both sides ``[D]``.
    """

    bound: Tensor

    def energy(self, x: Tensor) -> Tensor:
        """Return half the squared way beyond the bounds ``[..., D]``."""
        return 0.5 * (x.abs() - self.bound).relu() ** 2

    def slope(self, x: Tensor) -> Tensor:
        """Return its derivative ``[..., D]``."""
        return (x.abs() - self.bound).relu() * x.sign()

    def curvature(self, x: Tensor) -> Tensor:
        """Return its second derivative ``[..., D]``."""
        return (x.abs() > self.bound).to(x.dtype)


def prior_of(model: Model) -> Gaussian:
    """Return the prior that a model states."""
    mean = torch.tensor([one.mean for one in model.parameters], dtype=torch.float64)
    variance = torch.tensor([one.variance for one in model.parameters], dtype=torch.float64)
    return Gaussian(mean, variance)


def bounds_of(model: Model) -> Box:
    """Return how far parameters may run without a prior."""
    return Box(torch.tensor([FAR[one.transform] for one in model.parameters], dtype=torch.float64))


class Point(NamedTuple):
    """Minus the log likelihood around raw parameters, without any prior.

    Attributes:
        x: Parameters ``[M, D]``.
        value: ``[M]``.
        gradient: ``[M, D]``.
        hessian: ``[M, D, D]``.
    """

    x: Tensor
    value: Tensor
    gradient: Tensor
    hessian: Tensor

    def where(self, accepted: Tensor, other: Point) -> Point:
        """Return the other point for those rows ``[M]`` that are accepted."""
        return Point(
            *(
                torch.where(accepted.view(-1, *[1] * (mine.dim() - 1)), its, mine)
                for mine, its in zip(self, other, strict=True)
            )
        )


class Pooled:
    """The same with one parameter vector for all subjects: rows are points, not subjects."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood
        self.model = likelihood.model

    def of(self, raw: Tensor, rows: NDArray[np.int64] | None = None) -> Tensor:
        """Return log likelihoods ``[..., M]`` of parameters ``[..., M, D]``, over all subjects."""
        return self.likelihood.of(raw.unsqueeze(-2)).sum(-1)


def slope(
    likelihood: Likelihood | Pooled, x: Tensor, rows: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """Return minus the log likelihood ``[M]`` and its gradient ``[M, D]``."""
    x = x.detach().requires_grad_()
    value = -likelihood.of(x, rows)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient


def expand(
    likelihood: Likelihood | Pooled, x: Tensor, rows: NDArray[np.int64] | None = None
) -> Point:
    """Return minus the log likelihood, its gradient and its Hessian at ``x`` ``[M, D]``.

    All columns of the Hessian come from one pass over D copies of the parameters.
    """
    size = x.shape[-1]
    if not size:
        with torch.no_grad():
            return Point(x, -likelihood.of(x, rows), x, x.unsqueeze(-1))
    copies = x.detach().expand(size, *x.shape).clone().requires_grad_()
    value = -likelihood.of(copies, rows)
    (gradient,) = torch.autograd.grad(value.sum(), copies, create_graph=True)
    along = torch.eye(size, dtype=x.dtype).unsqueeze(1)
    (hessian,) = torch.autograd.grad((gradient * along).sum(), copies)
    hessian = hessian.movedim(0, -1)
    return Point(x.detach(), value[0].detach(), gradient[0].detach(), (hessian + hessian.mT) / 2)

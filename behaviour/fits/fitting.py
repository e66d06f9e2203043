"""Fit cognitive models: by maximum likelihood, with a prior, or with a population.

All subjects, and all starting points of a search, go side by side. Methods:

=========== ====================================================================================
``ml``      maximum likelihood, each subject alone; parameters that run away are flagged
``map``     maximum a posteriori under the model's prior, N(0, 6.25) if it states no other, with
            Laplace's approximation of the evidence
``em``      the prior is the population, estimated too (`hierarchical.em`)
``hbi``     several models in one population (`hierarchical.hbi`)
``pooled``  maximum likelihood with one parameter vector for all subjects
=========== ====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from prefrontal.behaviour.fits.fitted import FittedModel
from prefrontal.behaviour.fits.hierarchical import Hierarchy, em, hbi
from prefrontal.behaviour.fits.likelihood import (
    FAR,
    Box,
    Gaussian,
    Likelihood,
    Point,
    Pooled,
    Prior,
    bounds_of,
    expand,
    prior_of,
)
from prefrontal.behaviour.fits.optimise import arrived, laplace, newton, search
from prefrontal.behaviour.fits.selection import (
    ModelSelection,
    exceedance_probabilities,
    model_selection,
)
from prefrontal.behaviour.models.model import Model
from prefrontal.behaviour.table import Behaviour

Method = Literal["ml", "map", "em", "hbi", "pooled"]
METHODS = ("ml", "map", "em", "hbi", "pooled")

WIDE = 2.0  # prior standard deviations on both sides that starting points are drawn from
STARTS = 16  # points that a search follows, for each subject
SCREENED = 2 * STARTS  # points of which these are the better ones
NEAR = 0.5  # way to the bound of a raw parameter within which it counts as run away
NARROWED = 0.9  # posterior over prior variance above which choices say nothing of a parameter
LOOSE = 10.0  # standard error of a raw parameter above which it is not identified without a prior


class Fits(Mapping[str, FittedModel]):
    """Models fitted to the same choices, by name.

    Attributes:
        behaviour: The choices.
        models: The fits.
        selection: Which models how many subjects follow; None for a single model. From the evidence
            of each, or, for ``hbi``, estimated with them.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        models: dict[str, FittedModel],
        selection: ModelSelection | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.models = models
        if selection is None and len(models) > 1:
            evidence = np.stack([one.evidence for one in models.values()], axis=1)
            selection = model_selection(evidence, tuple(models))
        self.selection = selection

    def __getitem__(self, name: str) -> FittedModel:
        return self.models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def to_plain(self) -> dict[str, Any]:
        """Return the table of models, ready for JSON."""
        return {
            "subjects": list(self.behaviour.subjects),
            "trials_scored": self.behaviour.trials_scored,
            "models": {name: one.summary() for name, one in self.items()},
            "bms": None if self.selection is None else self.selection.to_plain(),
        }


@dataclass(frozen=True)
class CognitiveFit:
    """A model with a method: something to fit, as comparisons take it (`fitted.Fittable`).

    Attributes:
        model: The model.
        method: ``ml``, ``map``, ``em`` or ``pooled``.
    """

    model: Model
    method: Method = "map"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def explains(self) -> tuple[str, ...]:
        """Which choices it explains."""
        return self.model.explains

    def fit(self, behaviour: Behaviour, seed: int = 0) -> FittedModel:
        """Fit it to the scored choices."""
        return fit(behaviour, [self.model], self.method, seed)[self.name]


def fit(
    behaviour: Behaviour, models: Sequence[Model], method: Method = "map", seed: int = 0
) -> Fits:
    """Fit models to choices.

    Args:
        behaviour: The choices; only scored ones count, all are learned from.
        models: Models of different names.
        method: See the head of this module.
        seed: Of the starting points.

    Raises:
        ValueError: An unknown method, two models of one name, a subject without scored choices, or
            data that lack what a model needs.
    """
    _check(behaviour, models, method)
    likelihoods = [Likelihood(model, behaviour) for model in models]
    if method == "hbi":
        return _together(behaviour, likelihoods, seed)
    made = [_alone(likelihood, method, seed) for likelihood in likelihoods]
    return Fits(behaviour, {one.name: one for one in made})


def _check(behaviour: Behaviour, models: Sequence[Model], method: str) -> None:
    """Refuse what cannot be fitted."""
    if method not in METHODS:
        raise ValueError(f"method {method!r} is none of {', '.join(METHODS)}")
    names = [model.name for model in models]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"models must have different names, not {', '.join(names) or 'none'}")
    if method == "hbi" and len(names) < 2:
        raise ValueError("method 'hbi' compares models: give two or more, or take 'em'")
    none = behaviour.scored.sum(axis=1) == 0
    if none.any() and method != "pooled":
        who = ", ".join(np.asarray(behaviour.subjects)[none][:3])
        raise ValueError(f"no choice of subject {who} is scored; leave such subjects out")


def _alone(likelihood: Likelihood, method: str, seed: int) -> FittedModel:
    """Fit one model."""
    if method == "pooled":
        return _pooled(likelihood, seed)
    box = bounds_of(likelihood.model)
    prior = box if method == "ml" else prior_of(likelihood.model)
    point = _maxima(likelihood, prior, len(likelihood.behaviour), seed)
    if method == "ml":
        return _described(likelihood, method, point, box)
    if method == "map":
        return _described(likelihood, method, point, prior)
    point, group = em(likelihood, point)
    return _described(likelihood, method, point, group)


def _maxima(likelihood: Likelihood | Pooled, prior: Prior, rows: int, seed: int) -> Point:
    """Return the highest maximum of each row that a search from many starts finds."""
    model = likelihood.model
    size = len(model.parameters)
    if size:
        stated = prior_of(model)
        generator = torch.Generator().manual_seed(seed)
        draws = torch.rand(SCREENED, rows, size, generator=generator, dtype=torch.float64) * 2 - 1
        points = stated.mean + WIDE * stated.variance.sqrt() * draws
        points[0] = stated.mean
        x = search(likelihood, prior, points, STARTS)
    else:
        x = torch.zeros(rows, 0, dtype=torch.float64)
    return newton(likelihood, prior, expand(likelihood, x))


def _pooled(likelihood: Likelihood, seed: int) -> FittedModel:
    """Fit one parameter vector to all subjects."""
    box = bounds_of(likelihood.model)
    count = len(likelihood.behaviour)
    point = _maxima(Pooled(likelihood), box, 1, seed)
    each = expand(likelihood, point.x.expand(count, -1))
    shared = Point(each.x, each.value, *(one.expand(count, *one.shape[1:]) for one in point[2:]))
    return _described(likelihood, "pooled", shared, box)


def _together(behaviour: Behaviour, likelihoods: Sequence[Likelihood], seed: int) -> Fits:
    """Fit several models in one population."""
    count = len(behaviour)
    points = [_maxima(one, prior_of(one.model), count, seed) for one in likelihoods]
    found = hbi(likelihoods, points)
    made = [
        _described(likelihood, "hbi", point, group.prior)
        for likelihood, point, group in zip(
            likelihoods, found.points, found.populations, strict=True
        )
    ]
    names = tuple(one.name for one in made)
    null = hbi(likelihoods, points, equal=True)
    return Fits(behaviour, dict(zip(names, made, strict=True)), _selection(found, null, names))


def _selection(found: Hierarchy, null: Hierarchy, names: tuple[str, ...]) -> ModelSelection:
    """Return the frequencies that a hierarchy found, protected by its null hypothesis."""
    exceedance = exceedance_probabilities(found.alpha.numpy())
    bor = float(1 / (1 + np.exp(np.clip(found.bound - null.bound, -700, 700))))
    return ModelSelection(
        names=names,
        alpha=found.alpha.numpy(),
        frequencies=found.responsibilities.mean(0).numpy(),
        responsibilities=found.responsibilities.numpy(),
        exceedance=exceedance,
        protected_exceedance=(1 - bor) * exceedance + bor / len(names),
        bor=bor,
        prior=1.0,
    )


def _described(
    likelihood: Likelihood, method: str, point: Point, prior: Gaussian | Box
) -> FittedModel:
    """Return a fit with its evidence and all that is doubtful of it."""
    model, behaviour = likelihood.model, likelihood.behaviour
    size = len(model.parameters)
    choices = behaviour.scored.sum(axis=1)
    if "choice2" in model.explains and behaviour.scored2 is not None:
        choices = choices + behaviour.scored2.sum(axis=1)
    log_likelihood = -point.value.numpy()
    total = np.full(len(choices), choices.sum()) if method == "pooled" else choices
    penalty = size * np.log(total) / (len(choices) if method == "pooled" else 1)
    bic = -2 * log_likelihood + penalty
    alone = isinstance(prior, Box)
    hidden = size * np.log(choices.sum()) / len(choices) if method == "em" else 0.0
    around = laplace(prior, point, least=1e-6 if alone else None)
    variance = around.covariance.diagonal(dim1=-2, dim2=-1)
    loose = variance > (LOOSE**2 if isinstance(prior, Box) else NARROWED * prior.variance)
    away = point.x.abs() >= torch.where(loose, FAR["unit"], bounds_of(model).bound) - NEAR
    covariance = torch.where(around.positive[:, None, None], around.covariance, torch.nan)
    mean, spread = _population_of(method, point.x, prior)
    return FittedModel(
        model=model,
        method=method,
        subjects=behaviour.subjects,
        scale=likelihood.scale,
        raw=point.x.numpy(),
        covariance=covariance.numpy(),
        log_likelihood=log_likelihood,
        evidence=-bic / 2 if alone else around.evidence.numpy() - hidden,
        bic=bic,
        choices=choices,
        mean=mean.numpy(),
        variance=spread.numpy(),
        at_bound=away.numpy(),
        not_identified=loose.numpy(),
        not_positive_definite=~around.positive.numpy(),
        not_converged=~arrived(prior, point).numpy(),
    )


def _population_of(method: str, x: Tensor, prior: Gaussian | Box) -> tuple[Tensor, Tensor]:
    """Return means and variances ``[D]`` of the population, as `FittedModel.mean` says."""
    if method in ("em", "hbi") and isinstance(prior, Gaussian):
        return prior.mean, prior.variance
    middle = x.mean(0) if method == "map" else torch.from_numpy(np.median(x.numpy(), axis=0))
    return middle, ((x - x.mean(0)) ** 2).mean(0)

"""What a fit leaves: parameters of every subject, how sure they are, and how well they predict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from prefrontal.behaviour.fits.likelihood import Gaussian, Likelihood, natural
from prefrontal.behaviour.fits.new_subjects import predictive
from prefrontal.behaviour.models.model import Model
from prefrontal.behaviour.table import Behaviour

Floats = NDArray[np.float64]
LEAST = 1e-4  # smallest variance of a population
AT_ONCE = 32  # new subjects that are predicted side by side: memory


@runtime_checkable
class Fitted(Protocol):
    """Anything fitted that predicts choices.

    Attributes:
        name: Its name.
    """

    name: str

    def score(self, behaviour: Behaviour) -> Floats:
        """Return the log-probability of every scored choice, nats, ``[S, T]``.

        Each given what the subject did and got before; NaN where not scored. Both stages of a trial
        are summed if both are explained. Subjects that were fitted get their own parameters; for
        others, parameters are integrated over the population.
        """
        ...


@runtime_checkable
class Fittable(Protocol):
    """Anything that can be fitted to choices: a cognitive model, a network, an agent's read-out.

    One that explains second choices too has ``explains = ("choice", "choice2")``.

    Attributes:
        name: Its name.
    """

    name: str

    def fit(self, behaviour: Behaviour, seed: int = 0) -> Fitted:
        """Fit it to the scored choices of some subjects."""
        ...


@dataclass(frozen=True)
class FittedModel:
    """A cognitive model fitted to S subjects, with D parameters.

    Attributes:
        model: The model.
        method: ``ml``, ``map``, ``em``, ``pooled`` or ``hbi``.
        subjects: Names of the subjects.
        scale: The unit of reward in the fit (`likelihood.scale_of`).
        raw: Unconstrained parameters ``[S, D]``.
        covariance: Their posterior covariance ``[S, D, D]``, without a prior for ``ml`` and
            ``pooled``; NaN where the Hessian is not positive definite.
        log_likelihood: Of the scored choices, nats, ``[S]``; without any prior.
        evidence: Log evidence ``[S]``: Laplace's approximation under the prior or the population;
            for ``ml`` and ``pooled``, minus half the BIC. Of ``em`` the population's 2 D parameters
            cost D log(choices of all) together, shared equally, so that the sum is minus half the
            integrated BIC of Huys et al. (2011); without it the richer model would win.
        bic: -2 log-likelihood + (number of parameters) log(number of scored choices that the model
            explains, both stages of a trial count) ``[S]``; of ``pooled`` one penalty, shared
            equally.
        choices: That number of choices ``[S]``.
        mean: Raw parameters of the population ``[D]``, the middle of `others`: the
            median of the subjects (``ml``), their mean (``map``), the group's (``em``, ``hbi``),
            the only ones (``pooled``).
        variance: Their variances over subjects ``[D]``.
        at_bound: Raw parameters that ran away, so that the value is no estimate ``[S, D]``.
        not_identified: Parameters that the choices do not determine ``[S, D]``: they narrow the
            prior variance by less than a tenth or, without a prior, the standard error of the raw
            parameter is above 10.
        not_positive_definite: Whether the Hessian of the negative log posterior is not positive
            definite ``[S]``. For the evidence, eigenvalues below the prior's smallest precision
            were then set to it; there are no standard errors.
        not_converged: Whether Newton steps did not arrive ``[S]``.
    """

    model: Model
    method: str
    subjects: tuple[str, ...]
    scale: float
    raw: Floats
    covariance: Floats
    log_likelihood: Floats
    evidence: Floats
    bic: Floats
    choices: NDArray[np.int64]
    mean: Floats
    variance: Floats
    at_bound: NDArray[np.bool_]
    not_identified: NDArray[np.bool_]
    not_positive_definite: NDArray[np.bool_]
    not_converged: NDArray[np.bool_]

    def __repr__(self) -> str:
        """Return in a line what was fitted; arrays are in the fields."""
        return (
            f"{self.name} fitted to {len(self.subjects)} subject{'s' * (len(self.subjects) != 1)} "
            f"({self.method}): log likelihood {self.log_likelihood.sum():.1f}, "
            f"evidence {self.evidence.sum():.1f}"
        )

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def parameters(self) -> dict[str, Floats]:
        """Parameters in their ranges and in the unit of rewards, ``[S]`` each."""
        return self._natural(self.raw)

    @property
    def population(self) -> dict[str, float]:
        """Parameters of the population, likewise."""
        return {name: float(value) for name, value in self._natural(self.mean).items()}

    @property
    def others(self) -> Gaussian:
        """What is known of raw parameters of subjects who were not fitted.

        Of ``map``, the moments of the subjects' posteriors: estimates alone spread less than
        subjects do. Of ``pooled``, one point.
        """
        variance = self.variance
        if self.method == "map":
            own = self.covariance.diagonal(axis1=-2, axis2=-1)
            known = own[~self.not_positive_definite]
            variance = variance + (known.mean(axis=0) if len(known) else 0.0)
        variance = np.maximum(variance, LEAST)
        return Gaussian(torch.from_numpy(self.mean), torch.from_numpy(variance))

    @property
    def standard_errors(self) -> dict[str, Floats]:
        """Standard errors of `parameters`, by the delta method, ``[S]`` each; NaN: not known."""
        x = torch.from_numpy(self.raw)
        found = {}
        for d, one in enumerate(self.model.parameters):
            column = x[:, d].clone().requires_grad_()
            (slope,) = torch.autograd.grad(one.constrained(column).sum(), column)
            spread = np.sqrt(self.covariance[:, d, d]) * self.scale**one.unit
            found[one.name] = slope.abs().numpy() * spread
        return found

    @property
    def normalised_likelihood(self) -> Floats:
        """Geometric mean of the probabilities of the scored choices ``[S]``; NaN: none scored."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.exp(self.log_likelihood / self.choices)

    def raw_for(self, behaviour: Behaviour) -> torch.Tensor:
        """Return raw parameters ``[S, D]`` of subjects by name; the population's for new ones."""
        known = {name: i for i, name in enumerate(self.subjects)}
        rows = [self.raw[known[s]] if s in known else self.mean for s in behaviour.subjects]
        return torch.from_numpy(np.stack(rows))

    def score(self, behaviour: Behaviour) -> Floats:
        """Return the log-probability of every scored choice ``[S, T]``, see `Fitted`."""
        ran = self._run(behaviour)
        log_p, scored = ran.log_p.numpy().copy(), behaviour.scored
        if ran.log_p2 is not None:
            assert behaviour.scored2 is not None
            log_p, scored = log_p + ran.log_p2.numpy(), scored | behaviour.scored2
        new = [s for s, name in enumerate(behaviour.subjects) if name not in self.subjects]
        if not len(self.mean) or self.method == "pooled":
            new = []
        for rows in (new[at : at + AT_ONCE] for at in range(0, len(new), AT_ONCE)):
            some = behaviour.select(rows)
            likelihood = Likelihood(self.model, some, self.scale)
            log_p[rows, : some.trials] = predictive(likelihood, self.others).numpy()
        return np.where(scored, log_p, np.nan)

    def latents(self, behaviour: Behaviour) -> dict[str, Floats]:
        """Return what the model thought before each choice: values, policy, prediction errors.

        ``[S, T, ...]`` each, in the unit of rewards.
        """
        return {name: value.numpy() for name, value in self._run(behaviour, True).latents.items()}

    def summary(self) -> dict[str, Any]:
        """Return what a table of models shows: sums, and numbers by subject; ready for JSON."""
        flags = ("at_bound", "not_identified", "not_positive_definite", "not_converged")
        return {
            "log_likelihood": float(self.log_likelihood.sum()),
            "normalised_likelihood": float(np.exp(self.log_likelihood.sum() / self.choices.sum())),
            "evidence": float(self.evidence.sum()),
            "bic": float(self.bic.sum()),
            "parameters": {name: values.tolist() for name, values in self.parameters.items()},
            "standard_errors": {k: _or_none(v) for k, v in self.standard_errors.items()},
            "population": self.population,
            "by_subject": {
                "log_likelihood": self.log_likelihood.tolist(),
                "normalised_likelihood": _or_none(self.normalised_likelihood),
                "evidence": self.evidence.tolist(),
                "bic": self.bic.tolist(),
            },
            "flags": {name: int(getattr(self, name).sum()) for name in flags},
        }

    def to_plain(self) -> dict[str, Any]:
        """Return everything but the model itself as numbers, texts, lists and dictionaries."""
        plain = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
            if name != "model"
        }
        return {**plain, "name": self.name}

    def save(self, path: Path | str) -> None:
        """Write `to_plain` as JSON; numbers that are missing are written as NaN."""
        Path(path).write_text(json.dumps(self.to_plain()))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], model: Model) -> FittedModel:
        """Return what `to_plain` gave; the model is made by its name."""
        if plain["name"] != model.name:
            raise ValueError(f"this is a fit of {plain['name']}, not of {model.name}")
        made: dict[str, Any] = {
            name: np.asarray(value) if isinstance(value, list) else value
            for name, value in plain.items()
            if name not in ("name", "subjects")
        }
        return cls(model=model, subjects=tuple(plain["subjects"]), **made)

    @classmethod
    def load(cls, path: Path | str, model: Model) -> FittedModel:
        """Read what `save` wrote."""
        return cls.from_plain(json.loads(Path(path).read_text()), model)

    def _natural(self, raw: Floats) -> dict[str, Floats]:
        values = natural(self.model, torch.from_numpy(raw), self.scale)
        return {name: value.numpy() for name, value in values.items()}

    def _run(self, behaviour: Behaviour, latents: bool = False) -> Any:
        likelihood = Likelihood(self.model, behaviour, self.scale)
        with torch.no_grad():
            return likelihood.run(self.raw_for(behaviour), latents=latents)


def _or_none(values: Floats) -> list[float | None]:
    """Return numbers for JSON, None where one is missing."""
    return [float(value) if np.isfinite(value) else None for value in values]

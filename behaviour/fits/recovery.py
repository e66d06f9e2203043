"""Would these data tell? Simulate subjects of known parameters, fit them, and look.

Parameters are recovered if the fitted ones follow the true ones; models, if the model that chose is
the one found (Wilson & Collins 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from prefrontal.behaviour.fits.fitted import Floats
from prefrontal.behaviour.fits.fitting import Method, fit
from prefrontal.behaviour.models.model import Model, Parameter
from prefrontal.behaviour.models.simulate import Environment, bandits, simulate, stimuli, two_step

BLOCK, GOOD = 25, 0.8  # trials between reversals of the default task, and what the better arm pays


@dataclass(frozen=True)
class Recovery:
    """What became of simulated subjects.

    Attributes:
        names: The models.
        true: By model and parameter, what the subjects were simulated with ``[S]``.
        fitted: Likewise, what was found by the model that chose.
        r: By model and parameter, the correlation of the two, before the parameter's transform
            (rates as logits, inverse temperatures as logs); NaN where either does not vary.
        r_natural: The same in the parameters' ranges.
        confusion: Proportion of the subjects of a model (row) whose best model is another (column),
            ``[K, K]``.
        inversion: Probability that a subject of whom a model is found the best (column) chose by
            another (row), all being equally frequent, ``[K, K]``; NaN where none is found.
        frequencies: Frequencies that random-effects selection gives for the subjects of a model
            (row), ``[K, K]``; ones for a single model.
    """

    names: tuple[str, ...]
    true: dict[str, dict[str, Floats]]
    fitted: dict[str, dict[str, Floats]]
    r: dict[str, dict[str, float]]
    r_natural: dict[str, dict[str, float]]
    confusion: Floats
    inversion: Floats
    frequencies: Floats

    def to_plain(self) -> dict[str, Any]:
        """Return all of it, ready for JSON; None where a number is missing."""

        def lists(group: dict[str, dict[str, Floats]]) -> dict[str, dict[str, list[float]]]:
            return {
                name: {key: value.tolist() for key, value in one.items()}
                for name, one in group.items()
            }

        def known(value: float) -> float | None:
            return value if np.isfinite(value) else None

        return {
            "models": list(self.names),
            "true": lists(self.true),
            "fitted": lists(self.fitted),
            "r": {n: {k: known(v) for k, v in one.items()} for n, one in self.r.items()},
            "r_natural": {
                n: {k: known(v) for k, v in one.items()} for n, one in self.r_natural.items()
            },
            "confusion": self.confusion.tolist(),
            "inversion": [[known(v) for v in row] for row in self.inversion.tolist()],
            "frequencies": self.frequencies.tolist(),
        }


def recover(
    models: Sequence[Model],
    subjects: int = 50,
    trials: int = 200,
    method: Method = "map",
    seed: int = 0,
    environment: Environment | None = None,
    theta: Mapping[str, Mapping[str, Any]] | None = None,
    draw: Literal["typical", "prior"] = "typical",
) -> Recovery:
    """Simulate every model, fit all to it, and compare.

    Args:
        models: Models of different names.
        subjects: Subjects simulated of each.
        trials: Trials of each.
        method: See `fitting.fit`.
        seed: Of parameters, choices and starting points.
        environment: What is played, by as many subjects; None: see `task_for`.
        theta: By the name of a model, parameters in place of drawn ones, ``[S]`` or numbers.
        draw: Where other parameters come from: see `typical`, or the priors of the models.

    Raises:
        ValueError: See `fitting.fit` and `simulate.simulate`.
    """
    environment = task_for(models, subjects, trials, seed) if environment is None else environment
    count = len(environment.trials)
    names = tuple(model.name for model in models)
    true, fitted, confusion, frequencies = {}, {}, [], []
    for k, model in enumerate(models):
        given = (theta or {}).get(model.name)
        drawn = draws(model, count, seed + 1000 * k, draw) if given is None else given
        made = simulate(model, drawn, environment, seed=seed + 1000 * k)
        fits = fit(made, models, method, seed)
        true[model.name] = {
            name: np.broadcast_to(np.asarray(value, float), (count,))
            for name, value in drawn.items()
        }
        fitted[model.name] = fits[model.name].parameters
        support = np.stack([one.evidence for one in fits.values()], axis=1)
        if method == "hbi" and fits.selection is not None:
            support = fits.selection.responsibilities
        best = support.argmax(axis=1)
        confusion.append(np.bincount(best, minlength=len(names)) / count)
        single = np.ones(1)
        frequencies.append(single if fits.selection is None else fits.selection.frequencies)
    found = np.stack(confusion)
    with np.errstate(invalid="ignore"):
        inversion = found / found.sum(axis=0)
    pairs = [(model, true[model.name], fitted[model.name]) for model in models]
    return Recovery(
        names=names,
        true=true,
        fitted=fitted,
        r={model.name: _correlations(model, one, two, raw=True) for model, one, two in pairs},
        r_natural={model.name: _correlations(model, one, two) for model, one, two in pairs},
        confusion=found,
        inversion=inversion,
        frequencies=np.stack(frequencies),
    )


def draws(
    model: Model, subjects: int, seed: int = 0, draw: Literal["typical", "prior"] = "typical"
) -> dict[str, Floats]:
    """Draw parameters of subjects, in their ranges, for rewards of 0 to 1.

    Args:
        model: Whose parameters.
        subjects: How many subjects.
        seed: Of the draws.
        draw: ``prior``: the priors of the model. ``typical``: what is found in people, about: rates
            logistic(N(0, 1)), inverse temperatures exp(N(log 4, 0.5)), what else is positive
            exp(N(0, 0.5)), other numbers N(0, 1); around the prior mean where that is not 0.
    """
    if draw not in ("typical", "prior"):
        raise ValueError(f"draw must be typical or prior, not {draw!r}")
    rng = np.random.default_rng(seed)
    found = {}
    for one in model.parameters:
        mean, deviation = (one.mean, one.variance**0.5) if draw == "prior" else typical(one)
        raw = torch.from_numpy(mean + deviation * rng.standard_normal(subjects))
        found[one.name] = one.constrained(raw).numpy()
    return found


def typical(parameter: Parameter) -> tuple[float, float]:
    """Return mean and standard deviation of the raw parameter among people, about; see `draws`."""
    mean = parameter.mean
    if parameter.transform != "positive":
        return mean, 1.0
    return (float(np.log(4)) if parameter.unit == -1 and not mean else mean), 0.5


def task_for(models: Sequence[Model], subjects: int, trials: int, seed: int = 0) -> Environment:
    """Return a task that the models can play.

    For models of two stages the two-step task of Daw et al. (2011), rewards with probabilities that
    drift between 0.25 and 0.75 with steps of N(0, 0.025); for models of stimuli, learning of
    responses (Collins & Frank 2012); for others a bandit of two arms that pay with probabilities of
    0.8 and 0.2, exchanged every 25 trials.
    """
    if any("state2" in model.needs or "choice2" in model.explains for model in models):
        rng = np.random.default_rng(seed)
        walk = rng.uniform(0.25, 0.75, (subjects, 1, 2, 2))
        steps = 0.025 * rng.standard_normal((subjects, trials - 1, 2, 2))
        path = np.concatenate([walk, steps], axis=1).cumsum(axis=1) - 0.25
        return two_step(0.25 + 0.5 - np.abs(path % 1.0 - 0.5))  # reflected at both ends
    if any("stimulus" in model.needs for model in models):
        return stimuli(subjects, trials, seed=seed)
    better = (np.arange(trials) // BLOCK % 2 + np.arange(subjects)[:, None]) % 2
    pay = np.where(better[..., None] == np.arange(2), GOOD, 1 - GOOD)
    return bandits(pay)


def _correlations(
    model: Model, true: Mapping[str, Floats], fitted: Mapping[str, Floats], raw: bool = False
) -> dict[str, float]:
    """Return the correlation of true and fitted, by parameter."""
    found = {}
    for one in model.parameters:
        pair = [np.asarray(group[one.name], float) for group in (true, fitted)]
        if raw:
            pair = [one.raw(torch.tensor(value)).numpy() for value in pair]
        x, y = pair
        varied = np.ptp(x) > 0 and np.ptp(y) > 0 and bool(np.isfinite([x, y]).all())
        found[one.name] = float(np.corrcoef(x, y)[0, 1]) if varied else float("nan")
    return found

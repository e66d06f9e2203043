"""A Kalman filter of the arms' values, and four ways to choose by it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prefrontal.behaviour.models.model import Model, Parameter, State, Theta, Trial, filled
from prefrontal.behaviour.table import Behaviour

PRIOR, NOISE = 100.0, 10.0  # variances that are not stated

#: What enters the probit, by the name of the policy: parameter, and power of the unit of reward.
POLICIES = {
    "value": {"value_weight": -1},
    "ucb": {"value_weight": -1, "relative_uncertainty_weight": -1},
    "thompson": {"scaled_value_weight": 0},
    "hybrid": {"scaled_value_weight": 0, "relative_uncertainty_weight": -1},
}


@dataclass(frozen=True)
class Kalman(Model):
    """Means and variances of two arms, and a probit of their differences (Gershman 2018).

    For the arm chosen: gain ``g = s / (s + q)``, ``m += g (r - m)``, ``s -= g s``, with prior mean
    m, prior variance s and noise variance q given, not fitted. With ``V = m1 - m2``,
    ``RU = sqrt(s1) - sqrt(s2)`` and ``TU = sqrt(s1 + s2)``, the first arm is chosen with
    probability ``Phi(x)``, where x is ``w V`` (value), ``w V + u RU`` (ucb, directed exploration),
    ``w V / TU`` (thompson, random exploration), or ``w V / TU + u RU`` (hybrid).

    Attributes:
        policy: ``value``, ``ucb``, ``thompson`` or ``hybrid``.
        prior_variance: One for both arms or one each, in the unit of rewards squared; None: 100.
        prior_mean: Mean of both arms before the first reward.
        noise_variance: Of a reward around its arm's mean; None: 10. If neither variance is stated,
            a fit takes both times the square of the largest absolute reward.
    """

    policy: str = "hybrid"
    prior_variance: tuple[float, ...] | None = None
    prior_mean: float = 0.0
    noise_variance: float | None = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ValueError: A policy is unknown, a variance is negative or not one or two numbers.
        """
        if self.policy not in POLICIES:
            raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {self.policy!r}")
        noise, given = self.noise_variance, self.prior_variance
        if noise is not None and not 0 < noise < float("inf"):
            raise ValueError(f"noise_variance must be above 0, not {noise}")
        if given is None:
            return
        prior = tuple(map(float, given if isinstance(given, (tuple, list)) else (given,)))
        if len(prior) > 2 or not all(0 <= one < float("inf") for one in prior) or not any(prior):
            raise ValueError(
                f"prior_variance must be one number from 0, or two, and not all 0, not {given}"
            )
        object.__setattr__(self, "prior_variance", prior)

    @property
    def name(self) -> str:
        """``kalman-`` and the policy."""
        return f"kalman-{self.policy}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Weights in the probit."""
        return tuple(Parameter(name, unit=unit) for name, unit in POLICIES[self.policy].items())

    def in_unit(self, scale: float) -> Kalman:
        """Return it with the variances of rewards of at most ``scale``, if none is stated."""
        if self.prior_variance is not None or self.noise_variance is not None:
            return self
        square = scale**2
        return replace(self, prior_variance=(PRIOR * square,), noise_variance=NOISE * square)

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return prior means and variances.

        Raises:
            ValueError: There are not two arms.
        """
        if behaviour.arms != 2:
            raise ValueError(f"{self.name} chooses between 2 arms, and these data have more")
        variance = torch.tensor(self.prior_variance or (PRIOR,), dtype=torch.float64).expand(2)
        return {
            "values": filled(theta, behaviour, 2, value=self.prior_mean),
            "variances": filled(theta, behaviour, 2) + variance,
        }

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the probit of the weighted differences."""
        value = state["values"][..., 0] - state["values"][..., 1]
        variance = state["variances"]
        uncertainty = variance.sqrt()[..., 0] - variance.sqrt()[..., 1]
        terms = {
            "value_weight": value,
            "relative_uncertainty_weight": uncertainty,
            "scaled_value_weight": value / (variance[..., 0] + variance[..., 1]).sqrt(),
        }
        x = sum(
            (theta[name] * terms[name] for name in POLICIES[self.policy]), torch.zeros_like(value)
        )
        log_p = torch.special.log_ndtr(torch.stack([x, -x], -1))
        if trial.available is None:
            return log_p
        alone = trial.available & ~trial.available.flip(-1)  # the only arm there is
        return log_p.masked_fill(alone, 0.0).masked_fill(~trial.available, -torch.inf)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return means and variances after the reward."""
        values, variances = state["values"], state["variances"]
        noise = NOISE if self.noise_variance is None else self.noise_variance
        gain = trial.chosen * variances / (variances + noise)
        return {
            "values": values + gain * (trial.reward.unsqueeze(-1) - values),
            "variances": variances - gain * variances,
        }

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return the prediction error."""
        return {"rpe": trial.reward - (state["values"] * trial.chosen).sum(-1)}

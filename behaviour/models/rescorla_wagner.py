"""The delta rule of Rescorla and Wagner with a softmax, and what is commonly added to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.behaviour.models.model import (
    Model,
    Parameter,
    State,
    Theta,
    Trial,
    filled,
    log_softmax,
    per_arm,
)
from prefrontal.behaviour.named import ADDITIONS
from prefrontal.behaviour.table import Behaviour


@dataclass(frozen=True)
class RescorlaWagner(Model):
    """Delta rule and softmax (Rescorla & Wagner 1972; Sutton & Barto 2018, section 2.8).

    ``Q(a) += alpha (r - Q(a))`` for the arm chosen, ``p(a) ~ exp(beta Q(a))``. Additions:

    - ``dual``: alpha is one number where ``r > Q(a)`` and another where not (Niv et al. 2012).
    - ``forget``: arms not chosen: ``Q += phi (Q_0 - Q)`` (Ito & Doya 2009).
    - ``persev``: ``kappa`` is added to the preference ``beta Q`` of the arm chosen last
      (Lau & Glimcher 2005).
    - ``lapse``: ``p = (1 - epsilon) softmax + epsilon / K``; K counts arms that can be chosen.
    - ``bias``: a number for each arm but the last is added to its preference.

    Attributes:
        additions: Which of them.
        start_value: Value ``Q_0`` of all arms before the first reward, in the unit of rewards.
        arms: Number of arms K; only ``bias`` asks for it.
    """

    additions: tuple[str, ...] = ()
    start_value: float = 0.0
    arms: int = 2

    def __post_init__(self) -> None:
        """Check what is added, and put it in order.

        Raises:
            ValueError: There is no such addition, or one is named twice.
        """
        unknown = set(self.additions) - set(ADDITIONS)
        if unknown:
            known = ", ".join(ADDITIONS)
            raise ValueError(f"rw takes the additions {known}, not {', '.join(sorted(unknown))}")
        if len(set(self.additions)) < len(self.additions):
            raise ValueError("each addition is named once")
        ordered = tuple(one for one in ADDITIONS if one in self.additions)
        object.__setattr__(self, "additions", ordered)

    @property
    def name(self) -> str:
        """Name with all additions."""
        return "+".join(("rw", *self.additions))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Rates, inverse temperature, and what the additions need."""
        rates: tuple[str, ...] = ("learning_rate",)
        if "dual" in self.additions:
            rates = ("learning_rate_positive", "learning_rate_negative")
        more = {
            "forget": (Parameter("forgetting_rate", "unit"),),
            "persev": (Parameter("perseveration"),),
            "lapse": (Parameter("lapse", "unit", mean=-3.0),),
            "bias": biases(self.arms),
        }
        return (
            *(Parameter(name, "unit") for name in rates),
            Parameter("inverse_temperature", "positive", unit=-1),
            *(one for name in self.additions if name in more for one in more[name]),
        )

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return the start value for all arms."""
        return {"values": filled(theta, behaviour, behaviour.arms, value=self.start_value)}

    def prepare(self, theta: Theta, trials: Trial) -> dict[str, Tensor]:
        """Return where values move to and how far, ``[T, ..., S, K]``."""
        chosen, arms = trials.chosen, trials.chosen.shape[-1]
        names = [one.name for one in self.parameters if one.name.startswith("learning_rate")]
        rates = [per_arm(theta[name], arms) * chosen for name in names]
        target = trials.reward.unsqueeze(-1).expand_as(chosen)
        if "forget" in self.additions:
            rest = 1 - chosen
            rates = [rate + per_arm(theta["forgetting_rate"], arms) * rest for rate in rates]
            target = target * chosen + self.start_value * rest
        return {"target": target, "up": rates[0], "down": rates[-1]}

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the softmax of the preferences, with lapses."""
        arms = trial.chosen.shape[-1]
        preferences = per_arm(theta["inverse_temperature"], arms) * state["values"]
        if "persev" in self.additions:
            preferences = preferences + per_arm(theta["perseveration"], arms) * trial.previous
        if "bias" in self.additions:
            preferences = preferences + bias_of_arms(theta, arms)
        log_p = log_softmax(preferences, trial.available)
        if "lapse" not in self.additions:
            return log_p
        return with_lapse(log_p.exp(), theta["lapse"], trial.available)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return the values moved towards the reward, or back to the start."""
        values, made = state["values"], trial.prepared
        rate = made["up"]
        if "dual" in self.additions:
            rate = torch.where(made["target"] > values, rate, made["down"])
        return {"values": torch.lerp(values, made["target"], rate)}

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return the prediction error."""
        return {"rpe": trial.reward - (state["values"] * trial.chosen).sum(-1)}


def with_lapse(p: Tensor, lapse: Tensor, available: Tensor | None) -> Tensor:
    """Return log-probabilities ``[..., S, K]`` of choices a part of which is random.

    Args:
        p: Probabilities of the others.
        lapse: The part that is random ``[..., S]``, among the arms that can be chosen.
        available: Which can, or None: all.
    """
    count = p.shape[-1] if available is None else available.sum(-1, keepdim=True)
    rate = lapse.unsqueeze(-1)
    mixed = ((1 - rate) * p + rate / count).log()
    return mixed if available is None else mixed.masked_fill(~available, -torch.inf)


def biases(arms: int) -> tuple[Parameter, ...]:
    """Return a bias towards each arm but the last, whose is 0."""
    names = ["bias"] if arms == 2 else [f"bias_{arm}" for arm in range(arms - 1)]
    return tuple(map(Parameter, names))


def bias_of_arms(theta: Theta, arms: int) -> Tensor:
    """Return the biases ``[..., S, K]``.

    Raises:
        ValueError: The model was made for another number of arms.
    """
    names = [one.name for one in biases(arms)]
    if not set(names) <= set(theta) or f"bias_{arms - 1}" in theta:
        raise ValueError(f"the data have {arms} arms: make the model for them, arms={arms}")
    values = [theta[name] for name in names]
    return torch.stack([*values, torch.zeros_like(values[0])], -1)

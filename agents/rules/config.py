"""Settings of a learning rule: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefrontal.checking import check, option

#: Rules that send errors back from the read-outs; the others correlate noise with reward.
BACKWARD = ("bptt", "truncated", "eprop", "readout")
#: Rules that disturb what reaches the units.
DISTURBING = ("node-perturbation", "hebbian")
#: Rules that disturb the weights of whole episodes.
SEARCHING = ("weight-perturbation", "evolution-strategies")


@dataclass(frozen=True)
class RuleConfig:
    """How the update of the slow weights is made."""

    name: Literal[
        "bptt",
        "truncated",
        "eprop",
        "readout",
        "node-perturbation",
        "hebbian",
        "weight-perturbation",
        "evolution-strategies",
    ] = option(
        "bptt",
        "How the slow weights learn: back-propagation through time (bptt), cut every `truncation` "
        "steps (truncated), without the way through the recurrent weights (eprop; Bellec et al. "
        "2020), the read-out alone (readout), node-perturbation, reward-modulated Hebbian node "
        "perturbation (hebbian; Miconi 2017), weight-perturbation, evolution-strategies.",
        name="rule",
    )
    truncation: int = option(
        1,
        "Steps after which `truncated` cuts the way through time; with 1, no credit goes through "
        "time.",
        least=1,
        name="truncation",
    )
    feedback: Literal["symmetric", "random", "adaptive", "redrawn"] = option(
        "symmetric",
        "What carries errors from the read-outs back: their own weights (symmetric), fixed random "
        "ones (random; Lillicrap et al. 2016), random ones that learn as the read-out does, both "
        "decaying (adaptive; Kolen & Pollack 1994), or ones drawn anew for every update (redrawn; "
        "a control).",
        name="feedback",
    )
    feedback_decay: float = option(
        0.01,
        "Share of the read-out and of `adaptive` feedback that decays in every update.",
        least=0,
        below=1,
        name="feedback_decay",
    )
    perturbation: float = option(
        0.1,
        "Standard deviation of the noise of perturbation and search rules.",
        above=0,
        name="rule_noise",
    )
    directions: int = option(
        16,
        "Directions in which evolution-strategies disturb the weights in an update, each there and "
        "back; 2 x directions must divide num_envs.",
        least=1,
        name="directions",
    )
    alignment: bool = option(
        False,
        "Whether every update is compared with that of back-propagation through time: cosines in "
        "the learning curves.",
        name="alignment",
    )

    def __post_init__(self) -> None:
        """Check that the settings fit each other."""
        check(self)
        if self.feedback != "symmetric" and self.name not in ("bptt", "truncated", "eprop"):
            raise ValueError(
                f"feedback {self.feedback!r} needs a rule that sends errors back (bptt, truncated, "
                f"eprop), not {self.name!r}"
            )

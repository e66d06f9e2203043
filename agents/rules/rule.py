"""A learning rule at work in a learner: the settings, and what of it has a state of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import CORES, NetworkConfig
from prefrontal.agents.networks.cores import core_class
from prefrontal.agents.networks.cores.gated import OneMatrix
from prefrontal.agents.networks.vectorised import Credit, Tape
from prefrontal.agents.rules.alignment import alignment
from prefrontal.agents.rules.config import BACKWARD, DISTURBING, SEARCHING, RuleConfig
from prefrontal.agents.rules.credit import Feedback, credit_of
from prefrontal.agents.rules.perturbation import Perturbation
from prefrontal.agents.rules.search import Search

Credits = Sequence[Credit]


class Rule:
    """The rule of P members.

    Args:
        config: Its settings.
        model: The networks.
        streams: From a purpose to a generator a member.

    Attributes:
        feedback: What carries errors back, if not the read-outs themselves.
        perturbation: Noise on the units, if the rule is one of `DISTURBING`.
        search: Noise on the weights, if the rule is one of `SEARCHING`.
    """

    def __init__(
        self,
        config: RuleConfig,
        model: ActorCritic,
        streams: Callable[[str], list[torch.Generator]],
    ) -> None:
        self.config, self.model = config, model
        self.feedback: Feedback | None = None
        self.perturbation: Perturbation | None = None
        self.search: Search | None = None
        if config.feedback != "symmetric":
            self.feedback = Feedback(config, model, streams("feedback"))
        if config.name in DISTURBING:
            self.perturbation = Perturbation(config, model, streams("perturbation"))
        if config.name in SEARCHING:
            self.search = Search(config, model, streams("perturbation"))

    @property
    def carriers(self) -> Sequence[Tensor | None]:
        """What carries errors back in each net; None: the read-out's own weights."""
        return self.feedback.weights if self.feedback is not None else (None, None)

    @property
    def credits(self) -> list[Credit]:
        """The ways that the gradient takes in each net."""
        return [credit_of(self.config, one) for one in self.carriers]

    def begin(self, tapes: Sequence[Tape]) -> Credits:
        """Draw what is drawn for an update, before its episodes are played on these tapes.

        Returns:
            The ways that the gradient takes in each net.
        """
        if self.feedback is not None:
            self.feedback.begin()
        if self.perturbation is not None:
            self.perturbation.begin(tapes)
        return self.credits

    def follow(self, before: Tensor, after: Tensor) -> None:
        """Take part in a step of the parameters; see `Feedback.follow`."""
        if self.feedback is not None:
            self.feedback.follow(before, after)

    def alignment(self, gradient: Callable[[Credits], Tensor], update: Tensor) -> dict[str, Tensor]:
        """Return how the update is aligned with that of BPTT; see `alignment`.

        Args:
            gradient: From the ways it takes, one a net, to the gradient of the loss of new
                episodes ``[P, n]``.
            update: What the rule takes for it, ``[P, n]``.
        """
        core = self.model.before_readouts()
        one_step = None
        if self.config.name in BACKWARD and self.config.name != "readout":
            cut = [Credit(truncate=1, feedback=one) for one in self.carriers]
            one_step = gradient(cut)[:, core]
        found = alignment(
            update[:, core], one_step, lambda credit: gradient([credit, credit])[:, core]
        )
        if self.feedback is not None:
            found["feedback_alignment"] = self.feedback.cosine()
        return found

    def parts(self) -> Mapping[str, Any]:
        """Return what has a state of its own, by name."""
        parts = {"feedback": self.feedback, "perturbation": self.perturbation}
        parts["search"] = self.search  # type: ignore[assignment]
        return {f"rule_{name}": part for name, part in parts.items() if part is not None}


def _of_one_matrix() -> list[str]:
    """Return the names of the cores of one matrix."""
    return [name for name in CORES if issubclass(core_class(name), OneMatrix)]


def check_rule(config: RuleConfig, network: NetworkConfig, batch: int) -> None:
    """Check that a rule fits the networks.

    Args:
        config: The rule.
        network: The networks.
        batch: Episodes a member and update.

    Raises:
        ConfigError: It does not; says why.
    """
    name, core = config.name, core_class(network.core)
    disturbs = name in DISTURBING
    if (name == "eprop" or disturbs) and not hasattr(core, "drive"):
        what = "cuts the way through" if name == "eprop" else "puts noise on"
        raise ConfigError(
            f"the core {network.core} cannot learn by {name}, which {what} what reaches its units: "
            "it does not say what that is (methods drive and advance)"
        )
    if name == "hebbian" and not issubclass(core, OneMatrix):
        raise ConfigError(
            f"the core {network.core} cannot learn by hebbian, which needs a core of one matrix "
            f"({', '.join(_of_one_matrix())}), a class derived from "
            "prefrontal.agents.networks.cores.gated.OneMatrix"
        )
    if name not in BACKWARD and network.layout != "shared":
        raise ConfigError(f'the rule {name} needs one network, layout "shared" (--layout shared)')
    if name == "hebbian" and network.embedding_size:
        raise ConfigError("the rule hebbian needs a network without embedding (embedding_size 0)")
    if name == "evolution-strategies" and batch % (2 * config.directions):
        raise ConfigError(
            f"the rule {name} needs num_envs in multiples of 2 x directions, "
            f"{2 * config.directions}, not {batch}"
        )

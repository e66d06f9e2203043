"""Rules that send errors back from the read-outs, and the weights that carry the errors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prefrontal.agents.common.seeding import generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import Credit
from prefrontal.agents.rules.config import RuleConfig


def credit_of(rule: RuleConfig, feedback: Tensor | None = None) -> Credit:
    """Return the ways that a rule leaves to the gradient of one net.

    Rules that do not send errors back leave those of the read-out: the rest is not theirs.

    Args:
        rule: The rule.
        feedback: What carries errors back, ``[P, O, H]``; None: the read-out's weights.
    """
    if rule.name == "bptt":
        return Credit(feedback=feedback)
    if rule.name == "truncated":
        return Credit(truncate=rule.truncation, feedback=feedback)
    return Credit("local" if rule.name == "eprop" else "none", feedback=feedback)


class Feedback:
    """Weights that carry errors from the read-outs back to the features, in place of the read-outs.

    `adaptive` ones (Kolen & Pollack 1994) get the same update as the read-out, and both decay, so
    that their difference dies out: B ← (1 - d)(B + ΔW), W ← (1 - d)(W + ΔW).

    Args:
        rule: The rule; its feedback is not symmetric.
        model: The networks.
        generators: One a member.

    Attributes:
        weights: ``[P, O, H]`` of each net, uniform in ±1/√H as read-outs begin.
    """

    def __init__(
        self, rule: RuleConfig, model: ActorCritic, generators: Sequence[torch.Generator]
    ) -> None:
        self.rule, self.model, self.generators = rule, model, list(generators)
        self.weights: list[Tensor] = []
        self._draw()

    def _draw(self) -> None:
        self.weights = []
        readers = self.model.readers()
        none = torch.zeros_like(self.model.before_readouts()) if readers is None else readers
        only_read = self.model.readouts(none.unsqueeze(0))
        for like, reader in zip(self.model.readouts(self.model.parameters), only_read, strict=True):
            size, sent = like.shape[2], ~reader[0, :, 0].cpu()
            weight = torch.zeros(len(self.generators), *like.shape[1:])
            for row, g in zip(weight, self.generators, strict=True):
                row[sent] = 2 * torch.rand(int(sent.sum()), size, generator=g) - 1
            self.weights.append(weight.to(like) * size**-0.5)

    def begin(self) -> None:
        """Draw weights anew, if that is the rule."""
        if self.rule.feedback == "redrawn":
            self._draw()

    def follow(self, before: Tensor, after: Tensor) -> None:
        """Take the step that the read-outs took, and let both decay, if that is the rule.

        Args:
            before: Parameters before the step, ``[P, n]``.
            after: Those after it; their read-outs decay in place.
        """
        if self.rule.feedback != "adaptive":
            return
        kept = 1 - self.rule.feedback_decay
        pairs = zip(self.model.readouts(before), self.model.readouts(after), strict=True)
        for weight, (old, new) in zip(self.weights, pairs, strict=True):
            weight.add_(new - old).mul_(kept)
            new.mul_(kept)

    def cosine(self) -> Tensor:
        """Return the cosine between feedback and read-outs of each member, ``[P]``."""
        theirs = self.model.readouts(self.model.parameters)
        mine, own = (torch.cat([w.flatten(1) for w in part], 1) for part in (self.weights, theirs))
        return torch.cosine_similarity(mine, own, dim=1)

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly; first dimension: the member."""
        named = {f"weights{index}": weight for index, weight in enumerate(self.weights)}
        return named | {"generator": generator_states(self.generators)}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for index, weight in enumerate(self.weights):
            weight.copy_(state[f"weights{index}"])
        set_generator_states(self.generators, state["generator"])

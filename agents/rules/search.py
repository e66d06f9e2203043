"""Search in the space of weights: every few episodes are played with other weights.

With ε the noise (deviation 1) of a candidate and R the return of its episodes,

- weight perturbation is ``ΔW = Σ_i (R_i - mean R) ε_i / (σ C)``, with one candidate an episode;
- evolution strategies (Salimans et al. 2017) take candidates in pairs ±ε and the centred ranks of
  their returns in place of R.

The candidates of a member are members of a population of their own. The critic's read-out is left
alone: what it says means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.seeding import generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rollout.rollout import Rollout, Trajectory
from prefrontal.agents.rules.config import RuleConfig


class Search:
    """Candidates around P members, and what is learned from their returns.

    Args:
        rule: The rule.
        model: The networks.
        generators: One a member, for the weights' noise.
    """

    def __init__(
        self, rule: RuleConfig, model: ActorCritic, generators: Sequence[torch.Generator]
    ) -> None:
        self.rule, self.model, self.generators = rule, model, list(generators)
        self.learned = torch.ones(model.parameters.shape[1], dtype=torch.bool, device=model.device)
        (value,) = model.readouts(torch.arange(len(self.learned)).unsqueeze(0))[-1:]
        first = int(value[0, -1, 0])  # of the last row: the critic's
        self.learned[first : first + value.shape[2] + 1] = False

    def candidates(self, batch: int) -> int:
        """Return how many candidates each member has, for so many episodes."""
        return batch if self.rule.name == "weight-perturbation" else 2 * self.rule.directions

    def rollout(self, envs: Any, batch: int, generators: list[torch.Generator]) -> Rollout:
        """Return how candidates play in an environment of P * B rows."""
        count = self.candidates(batch)
        alone = self.model.like(self.model.members * count)
        return Rollout(envs, alone, batch // count, generators)

    def collect(self, rollout: Rollout) -> tuple[Trajectory, Tensor]:
        """Play episodes with disturbed weights.

        Returns:
            The episodes ``[T, P, B]``, and what stands in for the gradient of the loss, ``[P, n]``.
        """
        members, n = self.model.parameters.shape
        count = rollout.model.members // members
        paired = self.rule.name == "evolution-strategies"
        drawn = count // 2 if paired else count
        rows = [torch.randn(drawn, n, generator=g) for g in self.generators]
        noise = torch.stack(rows).to(self.model.parameters) * self.learned
        if paired:
            noise = torch.stack([noise, -noise], 2).flatten(1, 2)
        disturbed = self.model.parameters.unsqueeze(1) + self.rule.perturbation * noise
        rollout.model.set_parameters(disturbed.flatten(0, 1))
        played = rollout.collect()
        returns = played.rewards.sum(0).mean(1).unflatten(0, (members, count))
        scores = _centred_ranks(returns) if paired else returns - returns.mean(1, keepdim=True)
        gradient = -torch.einsum("pc,pcn->pn", scores, noise) / (count * self.rule.perturbation)
        return _regrouped(played, members), gradient

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly; first dimension: the member."""
        return {"generator": generator_states(self.generators)}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        set_generator_states(self.generators, state["generator"])


def _centred_ranks(returns: Tensor) -> Tensor:
    """Return the ranks of returns ``[P, C]``, from -1/2 to 1/2; equal returns have equal ranks."""
    below = (returns.unsqueeze(1) < returns.unsqueeze(2)).sum(2)
    above = (returns.unsqueeze(1) > returns.unsqueeze(2)).sum(2)
    return (below - above) / (2.0 * max(returns.shape[1] - 1, 1))


def _regrouped(played: Trajectory, members: int) -> Trajectory:
    """Return episodes ``[T, P * C, B / C]`` as ``[T, P, B]``, without tapes."""
    shape = len(played.rewards), members, -1
    mask = None if played.mask is None else played.mask.reshape(shape)
    actions = played.actions.reshape(*shape, *played.actions.shape[3:])
    return Trajectory([], actions, played.rewards.reshape(shape), mask)

"""Elastic weight consolidation: weights that mattered for earlier stages are held.

Kirkpatrick et al. (2017), equation 3: while stage k is learned, the loss gets the penalty

    coef / 2 · Σ_{j<k} Σ_i F_{j,i} (θ_i - θ*_{j,i})²

with θ*_j the weights at the end of stage j and F_j the diagonal of the Fisher information of the
policy there. The sum over stages is one quadratic function of θ, so that three numbers a weight
hold all of them: Σ F_j, Σ F_j θ*_j and Σ F_j θ*_j². The online form (Schwarz et al. 2018, section
3) keeps the newest anchor alone, with the running information F ← decay · F + F_j.

The information is that of one step of an episode. The scores Σ_t ∇ log π(a_t | h_t) of an episode
have the sum of the information of its steps as their second moment, because actions are drawn from
the policy itself: what the scores of two steps have in common is 0 on average. So one gradient an
episode is enough, and the network may be recurrent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import EWCConfig
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rollout.rollout import Rollout, Trajectory


class Consolidation:
    """The elastic penalty of P members.

    Args:
        config: Hyper-parameters.
        model: The learner's networks.

    Attributes:
        fisher: Σ F, ``[P, n]``.
        pull: Σ F θ*, ``[P, n]``.
        offset: Σ F θ*², summed over weights, ``[P]``.
    """

    def __init__(self, config: EWCConfig, model: ActorCritic) -> None:
        self.config, self.model = config, model
        self.fisher, self.pull = (torch.zeros_like(model.parameters) for _ in range(2))
        self.offset = self.fisher.sum(1)

    def add_gradient(self, parameters: Tensor, gradient: Tensor) -> Tensor:
        """Add the gradient of the penalty to `gradient` ``[P, n]``; return the penalty ``[P]``."""
        force = torch.addcmul(-self.pull, self.fisher, parameters)  # Σ F (θ - θ*)
        gradient.add_(force, alpha=self.config.coef)
        size = (parameters * (force - self.pull)).sum(1) + self.offset
        return (0.5 * self.config.coef * size).clamp_(min=0.0)

    def end_stage(self, rollout: Rollout) -> None:
        """Play episodes to estimate the Fisher information, and anchor the weights."""
        self.consolidate(self.estimate(rollout))

    def estimate(self, rollout: Rollout) -> Tensor:
        """Estimate the diagonal of the Fisher information of a step, ``[P, n]``."""
        total, played = torch.zeros_like(self.fisher), 0
        steps = torch.zeros_like(self.fisher[:, :1])
        while played < self.config.episodes:
            trajectory = rollout.collect()
            total += squared_scores(self.model, trajectory).sum(1)
            if trajectory.mask is None:
                steps += trajectory.steps * rollout.batch
            else:
                steps += trajectory.mask.sum((0, 2)).unsqueeze(1)
            played += rollout.batch
        return total / steps

    def consolidate(self, fisher: Tensor) -> None:
        """Hold the weights where they are, with a force in proportion to `fisher` ``[P, n]``."""
        anchor = self.model.parameters
        if self.config.online:
            self.fisher = self.config.decay * self.fisher + fisher
            self.pull = self.fisher * anchor
            self.offset = (self.pull * anchor).sum(1)
        else:
            self.fisher = self.fisher + fisher
            self.pull = self.pull + fisher * anchor
            self.offset = self.offset + (fisher * anchor.square()).sum(1)

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly, with the member first."""
        return {"fisher": self.fisher, "pull": self.pull, "offset": self.offset}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        like = self.fisher
        self.fisher, self.pull, self.offset = (
            state[name].to(like.device, like.dtype).clone() for name in ("fisher", "pull", "offset")
        )


def squared_scores(model: ActorCritic, trajectory: Trajectory) -> Tensor:
    """Compute (Σ_t ∇ log π(a_t | h_t))² of every episode and weight, ``[P, B, n]``.

    Every episode gets a network of its own, with the weights of its member: the gradients of P · B
    members with one episode each are those of the episodes.

    Args:
        model: The policies.
        trajectory: Episodes that they played; the recording stays as it is.
    """
    members, batch = trajectory.rewards.shape[1:]
    alone = model.like(members * batch)
    alone.set_parameters(model.parameters.repeat_interleave(batch, dim=0))
    tapes = alone.tapes(trajectory.tapes[0].used, 1)
    for mine, theirs in zip(tapes, trajectory.tapes, strict=True):
        for t in range(theirs.used):
            mine.x_t[t].copy_(theirs.x_t[t].transpose(1, 2).flatten(0, 1).unsqueeze(2))
        if theirs.seen is not None:
            mine.seen = theirs.seen.apart()
    alone.unroll(tapes)
    parameters = alone.parameters.requires_grad_()
    with torch.enable_grad():
        logits, _ = alone.heads(tapes, parameters)
        available = trajectory.available
        if available is not None:  # [T, P, K, B] to [T, P * B, K, 1]
            available = available.transpose(2, 3).flatten(1, 2).unsqueeze(3)
        law = alone.policy.law(logits[: trajectory.steps], available)
        actions = trajectory.actions.flatten(1, 2).unsqueeze(2)
        chosen = alone.policy.log_prob(law, actions)[..., 0]  # [T, P * B]
        if trajectory.mask is not None:
            chosen = chosen * trajectory.mask.flatten(1)
        (score,) = torch.autograd.grad(chosen.sum(), parameters)
    return score.square().unflatten(0, (members, batch))

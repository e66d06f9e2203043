"""One agent's networks, and an update of TD3: targets → critics → actor → target networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.packed import Packing
from prefrontal.agents.td3.adam import Adam
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.agents.td3.networks import stacks

LINEAR = 2.0  # tanh 2 = .96


@dataclass(frozen=True)
class Batch:
    """Whole trajectories, packed.

    Attributes:
        observation: ``[R, I]``.
        action: ``[R, A]``.
        reward: ``[R]``.
        packing: Which row is which step of which trajectory.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    packing: Packing


def smooth(action: Tensor, noise: Tensor, threshold: float) -> Tensor:
    """Return actions ``[..., A]`` with noise that never turns a stop into another action.

    Fujimoto et al. (2018) smooth the target over neighbouring actions. Where all components below
    `threshold` mean "stop", actions beyond it are no neighbours: a stop remains one, and components
    at or above the threshold remain so.

    Args:
        action: Within -1 ... 1.
        noise: Of the same shape.
        threshold: Smallest size of the largest component of an action that is no stop; 0 if there
            are no stops.
    """
    noisy = (action + noise).clamp(-1, 1)
    if threshold == 0:
        return noisy
    large = action.abs() >= threshold
    below = torch.nextafter(torch.tensor(threshold), torch.tensor(0.0)).item()
    stop = ~large.any(-1, keepdim=True)
    outside = action.sign() * (action.sign() * noisy).clamp(min=threshold)
    return torch.where(stop, noisy.clamp(-below, below), torch.where(large, outside, noisy))


def critic_targets(batch: Batch, after: Tensor, discount: float, trace: Tensor) -> Tensor:
    """Return λ-returns ``[R]`` (Watkins 1989).

    ``y_t = r_t + γ ((1 - λ_{t+1}) Q_{t+1} + λ_{t+1} y_{t+1})``, and ``y = r`` at the last step of a
    trajectory.

    Args:
        batch: Trajectories.
        after: Value Q of each row's observation, ``[R]``, the smaller one of two target critics.
        discount: γ.
        trace: λ of each row, ``[R]``; see `kept`.
    """
    target = batch.reward.clone()
    starts = batch.packing.starts
    for t in range(len(batch.packing.sizes) - 1, 0, -1):
        rows, n = slice(starts[t], starts[t + 1]), batch.packing.sizes[t]
        value = torch.lerp(after[rows], target[rows], trace[rows])
        target[starts[t - 1] : starts[t - 1] + n].add_(value, alpha=discount)
    return target


def kept(action: Tensor, other: Tensor, threshold: float) -> Tensor:
    """Return where both of two actions ``[R, A]`` are stops or neither is; else traces are cut."""
    return (action.abs().amax(1) < threshold) == (other.abs().amax(1) < threshold)


def initial_weights(
    network: TD3NetworkConfig, inputs: int, actions: int, members: Iterable[int], seed: int
) -> Tensor:
    """Draw actor, first and second critic of each member, ``[P, n]``."""
    actor, critic = stacks(network, inputs, actions)
    streams = [generator(seed, member, "weights") for member in members]
    drawn = [(actor.initial(stream), critic.initial(stream, 2)) for stream in streams]
    return torch.stack([torch.cat([part.flatten() for part in parts]) for parts in drawn])


class Networks:
    """Actor, twin critics, their targets, and Adam's moments, of one agent.

    Args:
        network: Which actor and critic.
        inputs: Numbers I in an observation.
        actions: Numbers A in an action.
        config: Hyper-parameters.
        weights: Initial weights ``[1, n]``, see `initial_weights`.
    """

    def __init__(
        self,
        network: TD3NetworkConfig,
        inputs: int,
        actions: int,
        config: TD3Config,
        weights: Tensor,
    ) -> None:
        self.config = config
        self.actor_stack, self.critic_stack = stacks(network, inputs, actions)
        self.actor = weights[:, : self.actor_stack.size].clone()
        self.critics = weights[:, self.actor_stack.size :].reshape(2, -1).clone()
        self.target_actor, self.target_critics = self.actor.clone(), self.critics.clone()
        self.adam = {
            "actor": Adam(self.actor, config.epsilon),
            "critics": Adam(self.critics, config.epsilon),
        }
        self._actor, self._critics = self.actor_stack.tape(), self.critic_stack.tape()
        self.updates = 0

    def learn(
        self, batch: Batch, learning_rate: float, chance: torch.Generator, imitation: float = 0.0
    ) -> tuple[float, float]:
        """Update the critics, and every `actor_delay`-th time the actor and the target networks.

        Args:
            batch: What to learn from.
            learning_rate: Step size.
            chance: Of the noise on the target's actions.
            imitation: How much the actor is drawn to the actions of the batch: β, see
                `_actor_gradient`.

        Returns:
            Mean squared and mean absolute TD error of the critics, before the update.
        """
        config = self.config
        target = self._targets(batch, chance)

        self.updates += 1
        actor_too = self.updates % config.actor_delay == 0

        # CRITICS: the sum of their mean squared errors
        error = self._values(self.critics, batch, batch.action) - target
        losses = error.square().mean().item(), error.abs().mean().item()
        adam, share = self.adam["critics"], config.target_rate
        self._critics.backward(error.mul_(2 / error.shape[1]).unsqueeze(2), adam.gradient, None)
        adam.step(learning_rate, self.target_critics if actor_too else None, share)

        # ACTOR
        if actor_too:
            self._actor_gradient(batch, imitation)
            self.adam["actor"].step(learning_rate, self.target_actor, share)
        return losses

    def _values(self, critics: Tensor, batch: Batch, action: Tensor, keep: bool = True) -> Tensor:
        """Return the values ``[N, R]`` that critics ``[N, n]`` give to actions ``[R, A]``."""
        x, a = (value.expand(len(critics), -1, -1) for value in (batch.observation, action))
        return self._critics.forward(critics, x, a, batch.packing, keep).squeeze(2)

    def _targets(self, batch: Batch, chance: torch.Generator) -> Tensor:
        """Return what the critics are to say, ``[R]``."""
        config, packing = self.config, batch.packing
        x = batch.observation[None]
        proposal = self._actor.forward(self.target_actor, x, None, packing, keep=False)[0].tanh_()
        noise = torch.randn(proposal.shape, generator=chance) * config.target_noise
        noise.clamp_(-config.target_clip, config.target_clip)
        following = smooth(proposal, noise, config.stop_threshold)
        # At the first step the target critics are given what was done.
        first = len(packing.lengths)
        following[:first] = batch.action[:first]
        after = self._values(self.target_critics, batch, following, keep=False).amin(0)
        trace = config.trace * kept(batch.action, following, config.stop_threshold)
        return critic_targets(batch, after, config.discount, trace)

    def _actor_gradient(self, batch: Batch, imitation: float) -> None:
        """Compute the gradient of the actor's loss: minus the first critic's value of its actions.

        With imitation β it is ``-mean Q + β mean |Q| mean (a - a_batch)^2`` (Fujimoto & Gu 2021,
        with β for 1/α). Beyond `LINEAR` what enters the tanh costs its square, times `saturation`:
        a gradient that has vanished never comes back.
        """
        out = self._actor.forward(self.actor, batch.observation[None], None, batch.packing)
        action, rows = out.tanh(), batch.packing.rows
        value = self._values(self.critics[:1], batch, action[0])
        d_action = torch.empty_like(action)
        self._critics.backward(torch.full((1, rows, 1), -1 / rows), None, d_action)
        if imitation:
            weight = imitation * value.abs().mean() * 2 / action.numel()
            d_action += weight * (action - batch.action)
        d_out = d_action * (1 - action.square())
        if self.config.saturation:
            d_out += self.config.saturation * 2 / rows * (out - out.clamp(-LINEAR, LINEAR))
        self._actor.backward(d_out, self.adam["actor"].gradient, None)

    def take(self, weights: Tensor) -> None:
        """Replace networks and targets by given ones.

        Args:
            weights: Flat, in the order of `weights()`; they may end after the first critic.
        """
        flat = self.weights()[0]
        flat[: len(weights)] = weights
        self.actor.copy_(flat[None, : self.actor_stack.size])
        self.critics.copy_(flat[self.actor_stack.size :].view_as(self.critics))
        self.target_actor.copy_(self.actor)
        self.target_critics.copy_(self.critics)

    def weights(self) -> Tensor:
        """Return actor, first and second critic in one row, ``[1, n]``."""
        return torch.cat([self.actor.flatten(), self.critics.flatten()])[None]

    def _tensors(self) -> dict[str, Tensor]:
        """Return all that learning changes, by name."""
        names = ("actor", "critics", "target_actor", "target_critics")
        moments = {name: adam.tensors() for name, adam in self.adam.items()}
        return {name: getattr(self, name) for name in names} | {
            f"{name}.{key}": value for name, kept in moments.items() for key, value in kept.items()
        }

    def state(self) -> dict[str, Tensor]:
        """Return everything, as rows ``[1, n]``."""
        rows = {name: value.reshape(1, -1) for name, value in self._tensors().items()}
        return {"updates": torch.tensor([[self.updates]]), **rows}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.updates = int(state["updates"])
        for name, own in self._tensors().items():
            own.copy_(state[name].view_as(own))

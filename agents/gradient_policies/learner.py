"""The outer loop: episodes → logits as functions of the parameters → a step on the parameters.

Given what happened so far, h_t, an agent that adapts is a policy ``π(a_t | h_t; φ)`` whose
parameters φ are the start of its logits, step sizes and baselines. So the gradient of its expected
return is

    E[ Σ_t ∇_φ log π(a_t | h_t; φ) (R_t − b_t) ],    R_t = r_t + ... + r_T,

where ∇_φ goes through the updates before t, and actions before an update are credited with what
they bring after it: the sampling term of E-MAML (Stadie et al. 2018; Al-Shedivat et al. 2018), as
differentiating a DiCE objective gives it (Foerster et al. 2018). b_t is the mean of R_t over the
other episodes of the batch.

First order (Finn et al. 2017): the gradients of the updates are constants, and an action is
credited up to the next update only. Reptile (Nichol et al. 2018): ``θ_0 ← θ_0 + η (mean θ_U −
θ_0)``, with θ_U the logits after the last update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job, section
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.memory import require_training
from prefrontal.agents.common.optim import Optimiser, anneal, check_finite, clip_by_norm
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.gradient_policies.config import LogitsConfig, MetaGradientConfig
from prefrontal.agents.gradient_policies.policy import (
    Parameters,
    Played,
    adapted,
    initial_weights,
    play,
    size,
)
from prefrontal.agents.rollout.environments import make_envs

PROBED = 32  # episodes in which observations must not change


def make_learner(job: Job, members: Sequence[int]) -> MetaGradient:
    """Make a learner for some members of a job.

    Raises:
        ConfigError: As `check`.
    """
    check(job)
    return MetaGradient(job, members)


def check(job: Job) -> str:
    """Check that a job can be trained; there is nothing to say of it.

    Raises:
        ConfigError: Device, environment or numbers are not what this learner needs.
    """
    facts, network = job.facts, cast(LogitsConfig, job.network)
    if torch.device(job.device).type != "cpu":
        raise ConfigError(f"meta-gradient computes on the CPU, not on {job.device}")
    if not facts.discrete or len(facts.steps) > 1 or facts.variable_length:
        raise ConfigError(
            "meta-gradient needs an environment of discrete actions, episodes of one length and no "
            f"stages, and {job.environment.id!r} is none"
        )
    if job.num_envs < 2:
        raise ConfigError("meta-gradient needs --num-envs of at least 2: episodes are compared")
    if "reward" not in job.environment.inputs:
        raise ConfigError(
            "meta-gradient adapts by the reward: give --inputs reward (and others), not "
            f"{', '.join(job.environment.inputs) or 'none'}"
        )
    first = network.times(facts.longest)[0]
    if first >= facts.longest:
        raise ConfigError(
            f"the first of update_after must come before the last of the {facts.longest} steps of "
            f"an episode, not after {first}: nobody would see what it changes"
        )
    if network.times(facts.longest)[-1] > facts.longest:
        raise ConfigError(
            f"update_after must lie within the {facts.longest} steps of an episode, not "
            f"{network.update_after}"
        )
    _require_blind(job)
    played = job.num_envs * (3 * facts.longest + 8 * network.updates * facts.num_actions)
    require_training(job.members, size(facts.num_actions, network.updates), played, job.snapshots)
    return ""


def _require_blind(job: Job) -> None:
    """Check that what an environment shows beside the inputs never changes.

    Raises:
        ConfigError: It does: a policy that sees nothing could not know what to do.
    """
    envs = make_envs(job.environment, [0], PROBED)
    shown = envs.input_slices["observation"]
    first, chance = envs.reset(seed=0)[0][:, shown].clone(), torch.Generator().manual_seed(0)
    changes = bool((first != first[0]).any())
    for _ in range(int(envs.steps)):
        actions = torch.randint(envs.num_actions, (PROBED,), generator=chance)
        changes |= bool((envs.step(actions)[0][:, shown] != first).any())
    envs.close()
    if changes:
        raise ConfigError(
            "meta-gradient needs an environment whose observations never change, such as a bandit: "
            f"its policy sees nothing, and {job.environment.id!r} shows more"
        )


def outer_loss(weights: Tensor, played: Played, updates: int, exact: bool) -> Tensor:
    """Return what the outer gradient is the gradient of, ``[P]``; its value means nothing.

    Args:
        weights: Parameters ``[P, n]``.
        played: Episodes that these parameters have played.
        updates: Updates U of an episode.
        exact: Whether the gradient is exact or of first order, see the module.
    """
    batch, count = played.rewards.shape[2], played.logits[0].shape[-1]
    taken = played.by_action(torch.ones_like(played.rewards))
    earned = played.by_action(played.rewards)
    credit = _credit(played, exact)
    # An update after the last step changes nothing
    parts = len(played.ends) - 1
    parameters = Parameters.of(weights, count, updates)
    logits = adapted(parameters, taken[:parts], earned[:parts], exact)
    total = sum(
        (one.log_softmax(-1) * c).sum((1, 2))
        for one, c in zip(logits, played.by_action(credit), strict=True)
    )
    return -cast(Tensor, total) / batch


def _credit(played: Played, exact: bool) -> Tensor:
    """Return the return of each step less the mean of the other episodes, ``[T, P, B]``."""
    rewards, batch = played.rewards, played.rewards.shape[2]
    ends = played.ends[-1:] if exact else played.ends
    parts = [rewards[i:j] for i, j in zip([0, *ends], ends, strict=False)]
    later = torch.cat([part.flip(0).cumsum(0).flip(0) for part in parts])
    return (later - later.mean(2, keepdim=True)) * (batch / (batch - 1))


class MetaGradient:
    """P members that learn side by side; an update is an episode in every environment.

    Args:
        job: What to learn.
        members: Identities of the members.

    Attributes:
        weights: See `policy`, ``[P, n]``.
        steps: Environment steps made so far, ``[P]`` float64.
    """

    def __init__(self, job: Job, members: Sequence[int]) -> None:
        self.config = cast(MetaGradientConfig, job.algorithm)
        network = cast(LogitsConfig, job.network)
        self.members, self.batch, self.total_steps = list(members), job.num_envs, job.total_steps
        self.envs = make_envs(job.environment, members, job.num_envs)
        self.actions, self.updates = int(self.envs.num_actions), network.updates
        self.times = network.times(int(self.envs.steps))
        self.weights = initial_weights(network, self.actions, len(members))
        self.optimiser = Optimiser(self.weights, "adam", self.config.epsilon)
        self.generators = [generator(job.seed, member, "actions") for member in members]
        self.envs.reset(seed=job.seed)
        self.steps = torch.zeros(len(members), dtype=torch.float64)

    def update(self) -> dict[str, Tensor]:
        """Play one episode in every environment and learn from it; return metrics ``[P]``."""
        config, shape = self.config, (int(self.envs.steps), self.batch)
        uniform = torch.stack([torch.rand(shape, generator=g) for g in self.generators], 1)
        parameters = Parameters.of(self.weights, self.actions, self.updates)
        played = play(self.envs, parameters, self.times, uniform)
        progress = (self.steps / self.total_steps).float()
        rate = anneal(config.learning_rate, config.learning_rate_final, progress).unsqueeze(1)
        if config.outer == "reptile":
            change = self._reptile(parameters, played)
            norm = torch.linalg.vector_norm(change, dim=1)
            self.weights[:, : self.actions] += rate * change
        else:
            gradient = self._gradient(played)
            norm = clip_by_norm(gradient, config.clip_norm)
            self.optimiser.step(self.weights, gradient, rate)
        check_finite(norm, self.members, self.steps)
        self.steps += shape[0] * self.batch
        parameters = Parameters.of(self.weights, self.actions, self.updates)
        metrics = {
            "return": played.rewards.double().sum(0).mean(1),
            "gradient_norm": norm,
            "inner_step": parameters.steps.flatten(1).log().mean(1).exp(),
            "inner_baseline": parameters.baselines.flatten(1).mean(1),
            "learning_rate": rate.squeeze(1),
        }
        return {name: value.double() for name, value in metrics.items()}

    def _gradient(self, played: Played) -> Tensor:
        """Return the gradient of the loss ``[P, n]``, 0 where nothing is learned."""
        weights = self.weights.clone().requires_grad_()
        loss = outer_loss(weights, played, self.updates, self.config.outer == "exact")
        (gradient,) = torch.autograd.grad(loss.sum(), weights)
        if self.config.learned == "logits":
            gradient[:, self.actions :] = 0.0
        return gradient

    def _reptile(self, parameters: Parameters, played: Played) -> Tensor:
        """Return how far the logits are from the start after the last update, ``[P, K]``."""
        taken = played.by_action(torch.ones_like(played.rewards))[: self.updates]
        earned = played.by_action(played.rewards)[: self.updates]
        after = adapted(parameters, taken, earned)[-1]
        return (after - parameters.start).mean(1)

    # EXACT STATE

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly; first dimension: the member."""
        parts: dict[str, Any] = {
            "optimiser": self.optimiser.state(),
            "envs": self.envs.random_state(),
        }
        state = {
            "weights": self.weights,
            "steps": self.steps,
            "generators": generator_states(self.generators),
            **{f"{part}.{name}": x for part, held in parts.items() for name, x in held.items()},
        }
        return {name: value.clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.weights, self.steps = state["weights"].clone(), state["steps"].clone()
        set_generator_states(self.generators, state["generators"])
        self.optimiser.set_state(section(state, "optimiser"))
        self.envs.set_random_state(section(state, "envs"))

    def close(self) -> None:
        """Close the environment."""
        self.envs.close()

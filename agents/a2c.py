"""Recurrent advantage actor-critic: collect → advantages → loss → one step, for a whole population at once.

Wang et al. (2018): the policy is trained by the advantage, the value head by the reward prediction error, through the
whole episode; the recurrent state carries the fast learning. What lowers the variance of the learning signal is
optional, each by its own switch: `gae_lambda`, `normalise_advantages`, `critic="privileged"` and `passes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from agents.critic import AsymmetricCritic
from agents.environments import make_envs, reward_row
from agents.errors import ConfigError, TrainingError
from agents.networks import ActorCritic, NetworkConfig
from agents.optim import Optimiser, clip_by_norm
from agents.returns import Estimate, gae, n_step
from agents.rollout import Rollout, Trajectory
from agents.seeding import generator, generator_states, set_generator_states

if TYPE_CHECKING:
    from agents.learner import Job
    from agents.population import Population

__all__ = ["A2C", "A2CConfig"]


@dataclass(frozen=True)
class A2CConfig:
    """Hyper-parameters of the learning rule. "Annealed" means linear in environment steps over the whole run.

    Attributes:
        learning_rate: Step size at the start.
        learning_rate_final: Step size at the end (annealed).
        optimiser: `adam`, or `rmsprop` (Wang et al. 2018).
        epsilon: Added to the root of the second moment of the gradient.
        clip_norm: Largest gradient norm, per member.
        discount: Discount γ per step at the start.
        discount_final: Discount reached after `discount_anneal` of the run; none keeps it constant.
        discount_anneal: Fraction of the run over which the discount is annealed.
        gae_lambda: λ of generalised advantage estimation (Schulman et al. 2016); 1 is the Monte Carlo return.
        n_step: Steps of an n-step return in place of λ; none uses λ.
        value_coef: Weight of the squared value error (Wang et al. 2018: .05).
        entropy_coef: Weight of the entropy bonus at the start, in units of reward per nat.
        entropy_coef_final: Weight of the entropy bonus after `entropy_anneal` of the run (annealed).
        entropy_anneal: Fraction of the run over which the entropy bonus is annealed.
        normalise_advantages: Whether advantages have mean 0 and deviation 1 in each member's batch.
        critic: Baseline of the policy gradient: the agent's `own` value head, or a `privileged` critic that sees the
            task.
        critic_units: Hidden units of the privileged critic.
        critic_learning_rate: Step size of the privileged critic (annealed like `learning_rate`).
        passes: Optimiser steps on each batch; above 1 the ratio of policies is clipped (Schulman et al. 2017).
        clip_ratio: Largest change of that ratio.
    """

    kind: ClassVar[str] = "a2c"

    learning_rate: float = 1e-2
    learning_rate_final: float = 0.0
    optimiser: Literal["adam", "rmsprop"] = "adam"
    epsilon: float = 1e-5
    clip_norm: float = 0.5
    discount: float = 0.8
    discount_final: float | None = None
    discount_anneal: float = 0.5
    gae_lambda: float = 1.0
    n_step: int | None = None
    value_coef: float = 0.25
    entropy_coef: float = 0.05
    entropy_coef_final: float = 0.0
    entropy_anneal: float = 1.0
    normalise_advantages: bool = False
    critic: Literal["own", "privileged"] = "own"
    critic_units: int = 64
    critic_learning_rate: float = 3e-3
    passes: int = 1
    clip_ratio: float = 0.2

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("discount", "discount_final", "gae_lambda"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")
        for name in (
            "learning_rate",
            "epsilon",
            "clip_norm",
            "discount_anneal",
            "entropy_anneal",
            "critic_units",
            "critic_learning_rate",
            "clip_ratio",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("learning_rate_final", "value_coef", "entropy_coef", "entropy_coef_final"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.passes < 1 or (self.n_step is not None and self.n_step < 1):
            raise ValueError("passes and n_step must be at least 1")

    @property
    def final_discount(self) -> float:
        """Discount γ at the end of training."""
        return self.discount if self.discount_final is None else self.discount_final

    def learner(self, job: Job, members: Sequence[int]) -> A2C:
        """A learner for some members of a job."""
        envs = make_envs(
            job.environment,
            members,
            job.num_envs,
            privileged=self.critic == "privileged",
            device=job.device,
        )
        return A2C(
            envs,
            job.network,
            self,
            members,
            job.num_envs,
            job.total_steps,
            job.seed,
            job.device,
        )

    def population(self, job: Job, weights: Tensor) -> Population:
        """The agents with these weights."""
        from agents.population import Population  # which itself trains with A2C

        return Population.of(job, weights)

    def updates(self, job: Job) -> float:
        """Updates of a whole run."""
        envs = make_envs(job.environment, [0], 1)
        envs.close()
        return job.total_steps / (int(envs.steps) * job.num_envs)


class A2C:
    """P members learning side by side.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows (see `agents.rollout.Rollout`).
        network: Shape of the actor-critic.
        config: Hyper-parameters.
        members: Identities of the members; (seed, identity) determines a member's learning curve, whoever is beside it.
        batch: Episodes B per member and update.
        total_steps: Environment steps per member of the whole run, for annealing.
        seed: Seed of the run.
        device: Where to compute.
    """

    def __init__(
        self,
        envs: Any,
        network: NetworkConfig,
        config: A2CConfig,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.envs, self.config, self.members = envs, config, list(members)
        self.total_steps = total_steps
        row = None
        if network.actor_reward == "rpe":
            _check_rpe(network, config)
            inputs = [name for name in envs.input_slices if name != "observation"]
            row = reward_row(inputs, envs.single_observation_space.shape[0], envs.num_actions)
        streams = {
            name: [generator(seed, member, name) for member in self.members]
            for name in ("weights", "actions", "critic")
        }
        self.model = ActorCritic(
            envs.single_observation_space.shape[0],
            envs.num_actions,
            network,
            len(self.members),
            device=device,
            reward_row=row,
        )
        self.model.initialise(streams["weights"])
        self.optimiser = Optimiser(self.model.parameters, config.optimiser, config.epsilon)
        self.critic = None
        sighted = config.critic == "privileged"
        if sighted:
            if not envs.privileged_size:
                raise ConfigError('critic="privileged" needs an environment that can show its task')
            self.critic = AsymmetricCritic(
                network.hidden_size,
                envs.privileged_size,
                config.critic_units,
                streams["critic"],
                device=device,
            )
        self.generators = streams["actions"]
        self.envs.reset(seed=seed)
        self.rollout = Rollout(envs, self.model, batch, self.generators, privileged=sighted)
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)

    def close(self) -> None:
        """Closes the environments."""
        self.envs.close()

    def update(self) -> dict[str, Tensor]:
        """Plays one episode in every environment and learns from it; returns metrics, each ``[P]``."""
        config, model = self.config, self.model
        progress = (self.steps / self.total_steps).clamp_(max=1.0).to(model.dtype)
        rate = (1 - progress) * config.learning_rate + progress * config.learning_rate_final
        entropy_coef = _anneal(
            config.entropy_coef, config.entropy_coef_final, progress / config.entropy_anneal
        ).to(model.device)
        discount = _anneal(
            config.discount,
            config.discount if config.discount_final is None else config.discount_final,
            progress / config.discount_anneal,
        ).to(model.device)

        # COLLECT
        trajectory = self.rollout.collect()
        with torch.no_grad():
            logits, values = model.heads(trajectory.tapes)
            weight = _weights(trajectory)

            # ADVANTAGES
            own = self._estimate(trajectory, values, discount)
            advantages, critic_loss = own.advantages, None
            if self.critic is not None:
                advantages, critic_loss = self._fit_critic(trajectory, discount, weight, rate)
            if config.normalise_advantages:
                advantages = _normalise(advantages, weight)
            old = _log_prob(logits, trajectory.actions)

        # UPDATE
        for index in range(config.passes):
            if index:
                model.unroll(trajectory.tapes)
            parameters = model.parameters.requires_grad_()
            loss, parts = self._loss(
                trajectory, parameters, advantages, own.targets, old, weight, entropy_coef
            )
            (gradient,) = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                norm = clip_by_norm(gradient, config.clip_norm)
                self._check(norm)
                flat = parameters.detach()
                self.optimiser.step(flat, gradient, rate.unsqueeze(1).to(model.device))
                model.set_parameters(flat)
            if index == 0:
                metrics = parts | {"gradient_norm": norm}

        self.steps += _count(trajectory)
        metrics |= {
            "return": _by_member(trajectory.rewards).double().sum(1) / self.rollout.batch,
            "rpe_deviation": _masked_deviation(own.targets - values[: trajectory.steps], weight),
            "learning_rate": rate,
            "entropy_coef": entropy_coef,
            "discount": discount,
        }
        if critic_loss is not None:
            metrics["critic_loss"] = critic_loss
        return {name: value.detach().cpu().to(torch.float64) for name, value in metrics.items()}

    def state(self) -> dict[str, Tensor]:
        """All that training needs to go on exactly: tensors whose leading dimension is the member."""
        state = {
            "weights": self.model.parameters,
            "steps": self.steps,
            "generator.actions": generator_states(self.generators),
        }
        state |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        state |= {f"envs.{name}": value for name, value in self.envs.random_state().items()}
        if self.critic is not None:
            state["critic.weights"] = self.critic.parameters
            moments = self.critic.optimiser.state()
            state |= {f"critic.optimiser.{name}": value for name, value in moments.items()}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self.model.set_parameters(state["weights"].to(self.model.device))
        self.steps = state["steps"].clone()
        set_generator_states(self.generators, state["generator.actions"])
        self.optimiser.set_state(_section(state, "optimiser."))
        self.envs.set_random_state(_section(state, "envs."))
        if self.critic is not None:
            self.critic.parameters.copy_(state["critic.weights"])
            self.critic.optimiser.set_state(_section(state, "critic.optimiser."))

    def _estimate(self, trajectory: Trajectory, values: Tensor, discount: Tensor) -> Estimate:
        """Advantages and value targets ``[T, P, B]`` from values of the states (one more, if episodes can be cut)."""
        steps, rewards = trajectory.steps, trajectory.rewards
        discount_t: Tensor = discount.view(1, -1, 1)
        if trajectory.mask is not None and trajectory.truncated is not None:
            # 1 where the episode goes on after this step; a cut episode gets the value of where it was cut.
            going_on = torch.cat([trajectory.mask[1:], torch.zeros_like(trajectory.mask[:1])])
            last = trajectory.mask - going_on
            rewards = rewards + last * trajectory.truncated * discount_t * values[1 : steps + 1]
            discount_t = discount_t * going_on
        values = values[:steps]
        if self.config.n_step is not None:
            targets = n_step(
                rewards,
                discount_t,
                torch.cat([values[1:], torch.zeros_like(values[:1])]),
                self.config.n_step,
            )
            return Estimate(targets - values, targets)
        return gae(rewards, discount_t, values, self.config.gae_lambda)

    def _fit_critic(
        self, trajectory: Trajectory, discount: Tensor, weight: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Advantages over the privileged critic's values, then one step of that critic towards its targets."""
        critic = self.critic
        assert critic is not None
        assert trajectory.privileged is not None
        features = critic.features(
            trajectory.tapes[0].hidden()[: trajectory.steps], trajectory.privileged
        )
        values, _ = critic.forward(features)  # [P, T * B]
        shape = (trajectory.steps, -1)
        baseline = values.unflatten(1, shape).transpose(0, 1)
        estimate = self._estimate(trajectory, baseline, discount)
        targets = estimate.targets.transpose(0, 1).flatten(1)
        relative = rate.unsqueeze(1).to(features.device) / self.config.learning_rate
        for _ in range(self.config.passes):
            error = critic.fit(
                features,
                targets,
                _by_member(weight) * targets.shape[1] if weight.dim() else 1.0,
                relative * self.config.critic_learning_rate,
                self.config.clip_norm,
            )
        return estimate.advantages, error

    def _loss(
        self,
        trajectory: Trajectory,
        parameters: Tensor,
        advantages: Tensor,
        targets: Tensor,
        old: Tensor,
        weight: Tensor,
        entropy_coef: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-advantage · log π + value_coef (target - v)² - entropy_coef · H: mean over steps, summed over members."""
        config = self.config
        logits, values = self.model.heads(trajectory.tapes, parameters)
        log_probs = logits[: trajectory.steps].log_softmax(2)  # [T, P, K, B]
        chosen = log_probs.gather(2, trajectory.actions.unsqueeze(2)).squeeze(2)
        if config.passes == 1:
            gain = chosen * advantages
        else:
            ratio = (chosen - old).exp()
            low, high = 1 - config.clip_ratio, 1 + config.clip_ratio
            gain = torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages)
        entropy = _mean(-(log_probs.exp() * log_probs).sum(2), weight)
        value_loss = _mean((values[: trajectory.steps] - targets).square(), weight)
        policy_loss = -_mean(gain, weight)
        loss = policy_loss + config.value_coef * value_loss - entropy_coef * entropy
        parts = {"entropy": entropy, "value_loss": value_loss, "policy_loss": policy_loss}
        return loss.sum(), parts

    def _check(self, norm: Tensor) -> None:
        bad = [self.members[i] for i in torch.nonzero(~torch.isfinite(norm)).flatten().tolist()]
        if bad:
            names = ", ".join(map(str, bad))
            raise TrainingError(
                f"the loss of member {names} is not a number at step {int(self.steps.max())}: "
                "try a smaller --learning-rate (the last checkpoint is kept)"
            )


def _check_rpe(network: NetworkConfig, config: A2CConfig) -> None:
    """Refuses settings with which the actor's prediction errors would not be those of the learning rule."""
    if config.passes != 1:
        raise ConfigError('actor_reward "rpe" needs passes = 1: later passes change the critic')
    if config.discount_final is not None or config.discount != network.rpe_discount:
        raise ConfigError(
            f'actor_reward "rpe" needs a constant discount equal to rpe_discount, {network.rpe_discount}'
        )


def _anneal(start: float, end: float, progress: Tensor) -> Tensor:
    return start + (end - start) * progress.clamp(0.0, 1.0)


def _log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    log_probs = logits[: actions.shape[0]].log_softmax(2)
    return log_probs.gather(2, actions.unsqueeze(2)).squeeze(2)


def _weights(trajectory: Trajectory) -> Tensor:
    """Weights ``[T, P, B]`` of sum 1 per member over the steps that count; the number 1 if all do."""
    if trajectory.mask is None:
        return torch.ones((), dtype=trajectory.rewards.dtype, device=trajectory.rewards.device)
    return trajectory.mask / trajectory.mask.sum((0, 2), keepdim=True)


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over steps and episodes: ``[T, P, B]`` to ``[P]``."""
    if not weight.dim():
        return _by_member(x).mean(1)
    # In double precision, because how many steps there are depends on the longest episode of all members.
    return _by_member(x * weight).double().sum(1).to(x.dtype)


def _by_member(x: Tensor) -> Tensor:
    """``[T, P, B]`` as ``[P, T * B]``: sums over two axes at once, or over gaps, are rounded differently for every P."""
    return x.transpose(0, 1).contiguous().flatten(1)


def _masked_deviation(x: Tensor, weight: Tensor) -> Tensor:
    mean = _mean(x, weight).view(1, -1, 1)
    return _mean((x - mean).square(), weight).sqrt()


def _normalise(x: Tensor, weight: Tensor) -> Tensor:
    mean = _mean(x, weight).view(1, -1, 1)
    return (x - mean) / (_masked_deviation(x, weight).view(1, -1, 1) + 1e-8)


def _count(trajectory: Trajectory) -> Tensor:
    """Environment steps of each member, ``[P]``."""
    if trajectory.mask is None:
        steps, members, batch = trajectory.actions.shape
        return torch.full((members,), float(steps * batch), dtype=torch.float64)
    return trajectory.mask.sum((0, 2)).to("cpu", torch.float64)


def _section(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}

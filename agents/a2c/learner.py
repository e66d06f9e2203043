"""Recurrent advantage actor-critic: collect → advantages → loss → one step, for a whole population.

Wang et al. (2018): the policy is trained by the advantage, the value head by the reward prediction
error, through the whole episode; the recurrent state carries the fast learning. What lowers the
variance of the learning signal is optional: `gae_lambda`, `normalise_advantages`, a privileged
`critic` and `passes`. So is what keeps old skills when the environment changes in stages: `replay`
(`prefrontal.agents.a2c.off_policy`) and `ewc` (`prefrontal.agents.a2c.ewc`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.ewc import Consolidation
from prefrontal.agents.a2c.off_policy import (
    METRICS,
    Replay,
    corrected,
    episode_buffer,
)
from prefrontal.agents.base import Job, RecurrentLearner, require_learnable
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.optim import anneal, check_finite, clip_by_norm
from prefrontal.agents.common.returns import (
    by_member,
    count_steps,
    deviation,
    estimate,
    log_probs,
    mean,
    normalise,
    step_weights,
)
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import AsymmetricCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.rollout.environments import facts_of, make_stages, reward_row
from prefrontal.agents.rollout.rollout import Rollout, Trajectory
from prefrontal.agents.rollout.spec import EnvironmentFacts


def make_learner(job: Job, members: Sequence[int]) -> A2C:
    """Make a learner for some members of a job."""
    config = cast(A2CConfig, job.algorithm)
    privileged = config.critic.baseline == "privileged"
    envs = make_stages(
        job.environment, members, job.num_envs, privileged=privileged, device=job.device
    )
    shape = (members, job.num_envs, job.total_steps, job.seed, job.device)
    return A2C(envs, job.network, config, *shape)


def check(job: Job) -> str:
    """Check that a job can be trained, without building a learner.

    Returns:
        What there is to say of its memory; empty if nothing.

    Raises:
        ConfigError: Settings do not fit each other or the environment, or there is not that much
            memory.
    """
    require_learnable(job)
    config = cast(A2CConfig, job.algorithm)
    _check(job.network, config, job.facts, job.environment.inputs)
    if config.replay.keep == "none":
        return ""
    buffer = episode_buffer(config.replay, job.facts, [generator(job.seed, 0, "replay")])
    return f"a member keeps {buffer}"


class A2C(RecurrentLearner):
    """P members learning side by side.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows, or one for each stage.
        network: Shape of the actor-critic.
        config: Settings.
        members: Identities of the members; (seed, identity) determines what a member learns.
        batch: Episodes B per member and update.
        total_steps: Environment steps per member of the whole run, for annealing and stages.
        seed: Seed of the run.
        device: Where to compute.

    Raises:
        ConfigError: Settings do not fit each other or the environment.
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
        envs = list(envs) if isinstance(envs, list | tuple) else [envs]
        inputs = [name for name in envs[0].input_slices if name != "observation"]
        row = _check(network, config, facts_of(envs), inputs)
        shape = (members, batch, total_steps, seed, device, row)
        super().__init__(envs, network, config.optimiser, config.epsilon, *shape)
        self.config, self.final_discount = config, config.final_discount
        self.critic: AsymmetricCritic | None = None
        if config.critic.baseline == "privileged":
            sizes = network.hidden_size, self.stages.facts.privileged_size, config.critic.units
            self.critic = AsymmetricCritic(*sizes, self.streams("critic"), device=device)
        self.rollout = self._rollout()
        self.replay: Replay | None = None
        if config.replay.keep != "none":
            self.replay = Replay(
                config.replay, self.model, self.streams("replay"), batch, self.stages.facts
            )
        self.consolidation: Consolidation | None = None
        if config.ewc.coef:
            self.consolidation = Consolidation(config.ewc, self.model)

    def update(self) -> dict[str, Tensor]:
        """Play one episode in every environment and learn from it; return metrics ``[P]``."""
        config, model = self.config, self.model
        self._enter_stage()
        progress = self.stages.progress(self.steps, config.anneal).to(model.dtype)
        rate = anneal(config.learning_rate, config.learning_rate_final, progress)
        entropy_coef = anneal(
            config.entropy_coef, config.entropy_coef_final, progress / config.entropy_anneal
        ).to(model.device)
        discount = anneal(
            config.discount, self.final_discount, progress / config.discount_anneal
        ).to(model.device)

        # COLLECT
        trajectory = self.rollout.collect()
        with torch.no_grad():
            logits, values = model.heads(trajectory.tapes)
            weight = step_weights(trajectory.mask, values)
            if self.replay is not None:
                self.replay.add(trajectory, logits, values, self.stages.index)

            # ADVANTAGES
            returned = trajectory.to_the_end(values, discount)
            own = estimate(*returned, config.gae_lambda, config.n_step)
            advantages, critic_loss = own.advantages, None
            if self.critic is not None:
                advantages, critic_loss = self._fit_critic(trajectory, discount, weight, rate)
            if config.normalise_advantages:
                advantages = normalise(advantages, weight)
            _, old = log_probs(logits, trajectory.actions)
        learned = Learned(trajectory, advantages, own.targets, old, weight)

        # LOSS AND STEP
        due = [] if self.replay is None else self.replay.due(self.stages.index)
        mixed = config.replay.steps == "mixed"
        metrics: dict[str, Tensor] = {}
        replayed: dict[str, Tensor] = {}
        for index in range(config.passes):
            if index:
                model.unroll(trajectory.tapes)
            parameters = model.parameters.requires_grad_()
            loss, parts = self._loss(learned, parameters, entropy_coef)
            if mixed and due:
                more, replayed = self._replay_loss(due[0], parameters, discount, entropy_coef)
                loss = loss + more
            norm, penalty = self._step(loss, parameters, rate)
            metrics = metrics or parts | {"gradient_norm": norm}
        for number in [] if mixed else due:
            parameters = model.parameters.requires_grad_()
            loss, replayed = self._replay_loss(number, parameters, discount, entropy_coef)
            _, penalty = self._step(loss, parameters, rate)

        # REPORT
        self.steps += count_steps(trajectory.mask, trajectory.actions)
        metrics |= {
            "return": trajectory.rewards.double().sum((0, 2)) / self.batch,
            "rpe_deviation": deviation(own.targets - values[: trajectory.steps], weight),
            "learning_rate": rate,
            "entropy_coef": entropy_coef,
            "discount": discount,
        }
        if critic_loss is not None:
            metrics["critic_loss"] = critic_loss
        if len(self.stages) > 1:
            metrics["stage"] = torch.full_like(rate, self.stages.index)
        if self.replay is not None:
            metrics |= {name: torch.zeros_like(rate) for name in METRICS} | replayed
        if self.consolidation is not None:
            metrics["ewc_penalty"] = penalty
        return {name: value.detach().cpu().to(torch.float64) for name, value in metrics.items()}

    def _loss(
        self, learned: Learned, parameters: Tensor, entropy_coef: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of new episodes ``[P]``, and its parts."""
        trajectory, advantages = learned.trajectory, learned.advantages
        logits, values = self.model.heads(trajectory.tapes, parameters)
        every, chosen = log_probs(logits, trajectory.actions)
        gain = chosen * advantages
        if self.config.passes > 1:  # the clipped objective (Schulman et al. 2017, equation 7)
            ratio = (chosen - learned.old).exp()
            low, high = 1 - self.config.clip_ratio, 1 + self.config.clip_ratio
            gain = torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages)
        error = (values[: trajectory.steps] - learned.targets).square()
        return actor_critic_loss(self.config, gain, every, error, learned.weight, entropy_coef)

    def _replay_loss(
        self, number: int, parameters: Tensor, discount: Tensor, entropy_coef: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw kept episodes; return their loss ``[P]`` and metrics.

        Args:
            number: How many episodes.
            parameters: ``[P, n]``, those of the model.
            discount: Discount γ, ``[P]``.
            entropy_coef: Weight of the entropy bonus, ``[P]``.
        """
        assert self.replay is not None
        drawn = self.replay.draw(number)
        config, trajectory, weight = self.config.replay, drawn.trajectory, drawn.weight
        logits, all_values = self.model.heads(trajectory.tapes, parameters)
        every, chosen = log_probs(logits, trajectory.actions)
        values = all_values[: trajectory.steps]
        with torch.no_grad():
            ratio = (chosen - log_probs(drawn.policy, trajectory.actions)[1]).exp()
            found, value_weight = corrected(self.config, trajectory, all_values, discount, ratio)
            advantages = found.advantages
            if self.config.normalise_advantages:
                advantages = normalise(advantages, weight)
            self.replay.prioritise(drawn, found.targets - values)
        error = (values - found.targets).square() * value_weight
        gain = chosen * advantages
        loss, _ = actor_critic_loss(self.config, gain, every, error, weight, entropy_coef)
        loss = config.coef * loss
        kl = torch.zeros_like(loss.detach())
        if config.clones:
            policy, kept, which = self.replay.cloned(drawn, self.stages.index)
            kl = mean((policy.exp() * (policy - every)).sum(2) * which, weight)
            apart = mean((values - kept).square() * which, weight)
            loss = loss + config.policy_cloning * kl + config.value_cloning * apart
        plain = step_weights(trajectory.mask, ratio)
        parts = (loss, mean(ratio, plain), kl)
        return loss, {name: x.detach() for name, x in zip(METRICS, parts, strict=True)}

    def _step(self, loss: Tensor, parameters: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Take one optimiser step.

        Args:
            loss: Of each member, ``[P]``.
            parameters: ``[P, n]``, which the loss is a function of.
            rate: Step sizes, ``[P]``.

        Returns:
            The norm of the gradient and the elastic penalty, ``[P]`` each.
        """
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        with torch.no_grad():
            flat = parameters.detach()
            penalty = torch.zeros_like(rate)
            if self.consolidation is not None:
                penalty = self.consolidation.add_gradient(flat, gradient)
            norm = clip_by_norm(gradient, self.config.clip_norm)
            check_finite(norm, self.members, self.steps)
            self.optimiser.step(flat, gradient, rate.unsqueeze(1).to(self.model.device))
            self.model.set_parameters(flat)
        return norm, penalty

    def _fit_critic(
        self, trajectory: Trajectory, discount: Tensor, weight: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return advantages over the privileged critic's values, then fit it to its targets."""
        critic, config = self.critic, self.config
        assert critic is not None
        assert trajectory.privileged is not None
        hidden = trajectory.tapes[0].hidden()[: trajectory.steps]
        features = critic.features(hidden, trajectory.privileged)
        baseline = critic.values(features)  # [P, T * B]
        baseline = baseline.unflatten(1, (trajectory.steps, -1)).transpose(0, 1)
        returned = trajectory.to_the_end(baseline, discount)
        found = estimate(*returned, config.gae_lambda, config.n_step)
        targets = by_member(found.targets)
        scale = by_member(weight) * targets.shape[1] if weight.dim() else 1.0
        relative = rate.unsqueeze(1).to(features.device) / config.learning_rate
        for _ in range(config.passes):
            step_size = relative * config.critic.learning_rate
            error = critic.fit(features, targets, scale, step_size, config.clip_norm)
        return found.advantages, error

    # STAGES AND STATE

    def _rollout(self) -> Rollout:
        play = self.stages.now, self.model, self.batch, self.generators
        return Rollout(*play, privileged=self.critic is not None)

    def _enter_stage(self) -> None:
        """Go on to the next stage if it is time."""
        while self.stages.index < self.stages.at(self.steps):
            if self.replay is not None:
                self.replay.end_stage()
            if self.consolidation is not None:
                self.consolidation.end_stage(self.rollout)
            self.move(self.stages.index + 1)
            if self.config.reset_optimiser:
                self.optimiser.reset()

    def move(self, stage: int) -> None:
        """Make a stage the present one."""
        super().move(stage)
        self.rollout = self._rollout()

    def parts(self) -> Mapping[str, Any]:
        """Return what has a state of its own, by name."""
        more = {"critic": self.critic, "replay": self.replay, "consolidation": self.consolidation}
        return dict(super().parts()) | {k: part for k, part in more.items() if part is not None}


class Learned(NamedTuple):
    """New episodes and what is learned from them, ``[T, P, B]`` each."""

    trajectory: Trajectory
    advantages: Tensor
    targets: Tensor  # of the values
    old: Tensor  # log-probabilities of the actions by the policy that acted
    weight: Tensor  # of each step, see `step_weights`


# LOSS


def actor_critic_loss(
    config: A2CConfig,
    gain: Tensor,
    every: Tensor,
    value_error: Tensor,
    weight: Tensor,
    entropy_coef: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return -gain + value_coef · error² - entropy_coef · H, the mean over steps, and its parts.

    Args:
        config: The coefficients.
        gain: Advantage times log-probability of the action, ``[T, P, B]``.
        every: Log-probabilities of all actions, ``[T, P, K, B]``.
        value_error: Squared errors of the values, ``[T, P, B]``.
        weight: Of each step, see `step_weights`.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
    """
    entropy = mean(-(every.exp() * every).sum(2), weight)
    value_loss = mean(value_error, weight)
    policy_loss = -mean(gain, weight)
    loss = policy_loss + config.value_coef * value_loss - entropy_coef * entropy
    return loss, {"entropy": entropy, "value_loss": value_loss, "policy_loss": policy_loss}


def _check(
    network: NetworkConfig, config: A2CConfig, facts: EnvironmentFacts, inputs: Sequence[str]
) -> int | None:
    """Check that settings fit each other and the environment.

    Returns:
        Which input is the previous reward, where actors are given prediction errors in its place.
    """
    last = len(facts.steps) - 1
    if config.critic.baseline == "privileged" and not facts.privileged_size:
        raise ConfigError('critic="privileged" needs an environment that can show its task')
    if config.replay.keep != "none" and config.replay.from_stage > last:
        raise ConfigError(
            f"replay_from_stage must be at most {last}, the last stage of the environment (the "
            f"first is 0), not {config.replay.from_stage}"
        )
    if network.actor_reward != "rpe":
        return None
    if config.replay.keep != "none":
        raise ConfigError('replay cannot be combined with actor_reward "rpe"')
    if config.passes != 1:
        raise ConfigError('actor_reward "rpe" needs passes = 1: later passes change the critic')
    if config.discount_final is not None or config.discount != network.rpe_discount:
        raise ConfigError(
            'actor_reward "rpe" needs a constant discount equal to rpe_discount, '
            f"{network.rpe_discount}"
        )
    return reward_row(inputs, facts.input_size, facts.num_actions)

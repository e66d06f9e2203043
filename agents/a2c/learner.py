"""Recurrent advantage actor-critic: collect → advantages → loss → one step, for a whole population at once.

Wang et al. (2018): the policy is trained by the advantage, the value head by the reward prediction error, through the
whole episode; the recurrent state carries the fast learning. What lowers the variance of the learning signal is
optional, each by its own switch: `gae_lambda`, `normalise_advantages`, `critic="privileged"` and `passes`; so is what keeps
old skills when the environment changes in stages: `replay` (`prefrontal.agents.a2c.off_policy`) and `ewc_coef` (`prefrontal.agents.a2c.ewc`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.a2c import loss as a2c_loss
from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.ewc import Consolidation
from prefrontal.agents.a2c.off_policy import METRICS, Replay
from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.common.optim import Optimiser, clip_by_norm
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.privileged_critic import AsymmetricCritic
from prefrontal.agents.rollout.environments import Stages, reward_row
from prefrontal.agents.rollout.rollout import Rollout, Trajectory

__all__ = ["A2C", "A2CConfig"]


class A2C:
    """P members learning side by side.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows (see `prefrontal.agents.rollout.rollout.Rollout`), or one for each stage.
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
        self.stages = Stages(envs if isinstance(envs, list | tuple) else [envs], total_steps)
        self.stage = 0
        self.envs = envs = self.stages.envs[0]
        self.config, self.members, self.seed, self.batch = config, list(members), seed, batch
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
        sighted = config.critic.baseline == "privileged"
        if sighted:
            if not envs.privileged_size:
                raise ConfigError('critic="privileged" needs an environment that can show its task')
            self.critic = AsymmetricCritic(
                network.hidden_size,
                envs.privileged_size,
                config.critic.units,
                streams["critic"],
                device=device,
            )
        self.generators = streams["actions"]
        for each in self.stages.envs:
            each.reset(seed=seed)
        self.rollout = self._rollout()
        self.replay: Replay | None = None
        if config.replay.keep != "none":
            last = len(self.stages) - 1
            if config.replay.from_stage > last:
                raise ConfigError(
                    f"replay_from_stage must be at most {last}, the last stage of the environment (the first is 0), "
                    f"not {config.replay.from_stage}"
                )
            longest, equal = self.stages.facts.longest, self.stages.facts.equal
            self.replay = Replay(config, self.model, self.members, batch, longest, equal, seed)
        self.consolidation: Consolidation | None = None
        if config.ewc.coef:
            self.consolidation = Consolidation(config.ewc, self.model)
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)

    def close(self) -> None:
        """Closes the environments."""
        for envs in self.stages.envs:
            envs.close()

    def _rollout(self) -> Rollout:
        sighted = self.critic is not None
        return Rollout(self.envs, self.model, self.batch, self.generators, privileged=sighted)

    def _enter_stage(self) -> None:
        """Goes on to the next stage if it is time: its environments continue the streams of random numbers."""
        while self.stage < self.stages.at(self.steps):
            if self.replay is not None:
                self.replay.end_stage()
            if self.consolidation is not None:
                self.consolidation.end_stage(self.rollout)
            self._move(self.stage + 1)
            if self.config.reset_optimiser:
                like = self.model.parameters
                self.optimiser = Optimiser(like, self.config.optimiser, self.config.epsilon)

    def _move(self, stage: int) -> None:
        """Makes a stage the present one."""
        random = self.envs.random_state()
        self.stage, self.envs = stage, self.stages.envs[stage]
        self.envs.set_random_state(random)
        self.rollout = self._rollout()

    def update(self) -> dict[str, Tensor]:
        """Plays one episode in every environment and learns from it; returns metrics, each ``[P]``."""
        config, model = self.config, self.model
        self._enter_stage()
        progress = self.stages.progress(self.steps, config.anneal).to(model.dtype)
        rate = (1 - progress) * config.learning_rate + progress * config.learning_rate_final
        entropy_coef = a2c_loss.anneal(
            config.entropy_coef, config.entropy_coef_final, progress / config.entropy_anneal
        ).to(model.device)
        discount = a2c_loss.anneal(
            config.discount,
            config.discount if config.discount_final is None else config.discount_final,
            progress / config.discount_anneal,
        ).to(model.device)

        # COLLECT
        trajectory = self.rollout.collect()
        with torch.no_grad():
            logits, values = model.heads(trajectory.tapes)
            weight = a2c_loss.weights(trajectory)
            if self.replay is not None:
                self.replay.add(trajectory, logits, values, self.stage)

            # ADVANTAGES
            own = a2c_loss.estimate(config, trajectory, values, discount)
            advantages, critic_loss = own.advantages, None
            if self.critic is not None:
                advantages, critic_loss = self._fit_critic(trajectory, discount, weight, rate)
            if config.normalise_advantages:
                advantages = a2c_loss.normalise(advantages, weight)
            old = a2c_loss.log_prob(logits, trajectory.actions)

        # UPDATE
        due = [] if self.replay is None else self.replay.due(self.stage)
        mixed = config.replay.steps == "mixed"
        replayed: dict[str, Tensor] = {}
        for index in range(config.passes):
            if index:
                model.unroll(trajectory.tapes)
            parameters = model.parameters.requires_grad_()
            loss, parts = self._loss(
                trajectory, parameters, advantages, own.targets, old, weight, entropy_coef
            )
            if mixed and due:
                again, replayed = self._replay_loss(due[0], parameters, discount, entropy_coef)
                loss = loss + again
            norm, penalty = self._step(loss, parameters, rate)
            if index == 0:
                metrics = parts | {"gradient_norm": norm}
        for number in [] if mixed else due:
            parameters = model.parameters.requires_grad_()
            loss, replayed = self._replay_loss(number, parameters, discount, entropy_coef)
            _, penalty = self._step(loss, parameters, rate)

        self.steps += a2c_loss.count(trajectory)
        metrics |= {
            "return": a2c_loss.by_member(trajectory.rewards).double().sum(1) / self.rollout.batch,
            "rpe_deviation": a2c_loss.masked_deviation(
                own.targets - values[: trajectory.steps], weight
            ),
            "learning_rate": rate,
            "entropy_coef": entropy_coef,
            "discount": discount,
        }
        if critic_loss is not None:
            metrics["critic_loss"] = critic_loss
        metrics |= self._more_metrics(replayed, penalty)
        return {name: value.detach().cpu().to(torch.float64) for name, value in metrics.items()}

    def _more_metrics(self, replayed: dict[str, Tensor], penalty: Tensor) -> dict[str, Tensor]:
        """Metrics of stages, replay and consolidation, where a run has them: the same names in every update."""
        metrics: dict[str, Tensor] = {}
        if len(self.stages) > 1:
            metrics["stage"] = torch.full_like(penalty, self.stage)
        if self.replay is not None:
            metrics |= {name: torch.zeros_like(penalty) for name in METRICS} | replayed
        if self.consolidation is not None:
            metrics["ewc_penalty"] = penalty
        return metrics

    def _replay_loss(
        self, number: int, parameters: Tensor, discount: Tensor, entropy_coef: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of episodes drawn from the buffer, summed over members, and its metrics."""
        assert self.replay is not None
        with torch.no_grad():
            drawn = self.replay.draw(number)
        loss, parts = self.replay.loss(drawn, parameters, discount, entropy_coef, self.stage)
        return loss.sum(), parts

    def _step(self, loss: Tensor, parameters: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the norm of the gradient and the elastic penalty, ``[P]`` each."""
        (gradient,) = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            flat = parameters.detach()
            penalty = torch.zeros_like(rate)
            if self.consolidation is not None:
                penalty = self.consolidation.add_gradient(flat, gradient)
            norm = clip_by_norm(gradient, self.config.clip_norm)
            self._check(norm)
            self.optimiser.step(flat, gradient, rate.unsqueeze(1).to(self.model.device))
            self.model.set_parameters(flat)
        return norm, penalty

    def state(self) -> dict[str, Tensor]:
        """All that training needs to go on exactly: tensors whose leading dimension is the member."""
        state = {
            "weights": self.model.parameters,
            "steps": self.steps,
            "stage": torch.full((len(self.members),), self.stage),
            "generator.actions": generator_states(self.generators),
        }
        state |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        state |= {f"envs.{name}": value for name, value in self.envs.random_state().items()}
        if self.critic is not None:
            state["critic.weights"] = self.critic.parameters
            moments = self.critic.optimiser.state()
            state |= {f"critic.optimiser.{name}": value for name, value in moments.items()}
        for name, part in (("replay", self.replay), ("consolidation", self.consolidation)):
            if part is not None:
                state |= {f"{name}.{key}": value for key, value in part.state().items()}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self.model.set_parameters(state["weights"].to(self.model.device))
        self.steps = state["steps"].clone()
        set_generator_states(self.generators, state["generator.actions"])
        self.optimiser.set_state(_section(state, "optimiser."))
        stage = int(state["stage"][0]) if "stage" in state else 0  # there were none in old states
        if stage != self.stage:
            self._move(stage)
        self.envs.set_random_state(_section(state, "envs."))
        if self.critic is not None:
            self.critic.parameters.copy_(state["critic.weights"])
            self.critic.optimiser.set_state(_section(state, "critic.optimiser."))
        for name, part in (("replay", self.replay), ("consolidation", self.consolidation)):
            if part is not None:
                part.set_state(_section(state, f"{name}."))

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
        error = (values[: trajectory.steps] - targets).square()
        loss, parts = a2c_loss.actor_critic_loss(
            config, gain, log_probs, error, weight, entropy_coef
        )
        return loss.sum(), parts

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
        values = critic.values(features)  # [P, T * B]
        shape = (trajectory.steps, -1)
        baseline = values.unflatten(1, shape).transpose(0, 1)
        estimate = a2c_loss.estimate(self.config, trajectory, baseline, discount)
        targets = estimate.targets.transpose(0, 1).flatten(1)
        relative = rate.unsqueeze(1).to(features.device) / self.config.learning_rate
        for _ in range(self.config.passes):
            error = critic.fit(
                features,
                targets,
                a2c_loss.by_member(weight) * targets.shape[1] if weight.dim() else 1.0,
                relative * self.config.critic.learning_rate,
                self.config.clip_norm,
            )
        return estimate.advantages, error

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


def _section(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}

"""Recurrent advantage actor-critic: collect → advantages → loss → one step, for a whole population.

Wang et al. (2018): the policy is trained by the advantage, the value head by the reward prediction
error, through the whole episode; the recurrent state carries the fast learning. What lowers the
variance of the learning signal is optional: `gae_lambda`, `normalise_advantages`, a privileged
`critic` and `passes`. So is what keeps old skills when the environment changes in stages: `replay`
(`prefrontal.agents.a2c.off_policy`) and `ewc` (`prefrontal.agents.a2c.ewc`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.a2c.checks import check as check
from prefrontal.agents.a2c.checks import check_settings
from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.critic import AsymmetricCritic
from prefrontal.agents.a2c.ewc import Consolidation
from prefrontal.agents.a2c.heads import Target, baseline_head, judge_heads, losses, told_by_task
from prefrontal.agents.a2c.off_policy import METRICS, Replay
from prefrontal.agents.a2c.passes import Learned, compiled_slope, every_pass
from prefrontal.agents.base import Job, RecurrentLearner
from prefrontal.agents.common import returns
from prefrontal.agents.common.optim import anneal, check_finite, clip_apart
from prefrontal.agents.common.policies import ActorCriticLoss, masked
from prefrontal.agents.kernels import learning
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import FULL, Credit
from prefrontal.agents.rollout.environments import facts_of, make_stages
from prefrontal.agents.rollout.rollout import Rollout, Trajectory
from prefrontal.agents.rollout.segments import Segments
from prefrontal.agents.rules.config import DISTURBING
from prefrontal.agents.rules.rule import Rule


def make_learner(job: Job, members: Sequence[int]) -> A2C:
    """Make a learner for some members of a job."""
    config = cast(A2CConfig, job.algorithm)
    privileged = config.critic.baseline == "privileged"
    facts = "episode" if any(map(told_by_task, job.network.heads)) else False
    kind = {"privileged": privileged, "facts": facts, "device": job.device, "discrete": False}
    envs = make_stages(job.environment, members, job.num_envs, **kind)
    shape = (members, job.num_envs, job.total_steps, job.seed, job.device)
    return A2C(envs, job.network, config, *shape)


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
        check_settings(network, config, facts_of(envs), batch)
        plain = config.rule.name in DISTURBING
        shape = (members, batch, total_steps, seed, device, plain)
        super().__init__(envs, network, config.optimiser, config.epsilon, *shape)
        self.config, self.final_discount = config, config.final_discount
        self.critic: AsymmetricCritic | None = None
        if config.critic.baseline == "privileged":
            sizes = network.hidden_size, self.stages.facts.privileged_size, config.critic.units
            self.critic = AsymmetricCritic(*sizes, self.streams("critic"), device=device)
        self.rule: Rule | None = None  # of plain back-propagation through time
        if config.rule != A2CConfig.rule:
            self.rule = Rule(config.rule, self.model, self.streams)
        self.heads, self._readers = network.heads, self.model.readers()
        self._values = self.model.value_weights()
        # What has to be fast is compiled where the network is.
        self._returns: Any = learning if self.model.compiled else returns
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
        """Play an episode, or a segment, in every environment; learn; return metrics ``[P]``."""
        config, model, rule = self.config, self.model, self.rule
        self._enter_stage()
        progress = self.stages.progress(self.steps, config.anneal).to(model.dtype)
        rate = anneal(config.learning_rate, config.learning_rate_final, progress)
        entropy_coef = anneal(
            config.entropy_coef, config.entropy_coef_final, progress / config.entropy_anneal
        ).to(model.device)
        discount = anneal(
            config.discount, self.final_discount, progress / config.discount_anneal
        ).to(model.device)
        if rule is not None and rule.search is not None:
            return self._search(rule, rate, entropy_coef, discount)

        # COLLECT
        credits = rule.begin(self.rollout.tapes) if rule is not None else (FULL, FULL)
        trajectory = self.rollout.collect()
        if self.replay is not None:
            self.replay.add(trajectory, *model.heads(trajectory.tapes), self.stages.index)

        # ADVANTAGES
        learned, metrics = self._judge(trajectory, discount, rate)
        if rule is not None and rule.config.alignment:
            metrics |= self._alignment(rule, learned, entropy_coef)

        # LOSS AND STEP
        due = [] if self.replay is None else self.replay.due(self.stages.index)
        mixed = config.replay.steps == "mixed"
        replayed: dict[str, Tensor] = {}

        def replay(number: int, parameters: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            assert self.replay is not None
            given = discount, entropy_coef, credits, self._observed, self.generators
            parameters.requires_grad_()
            loss, parts = self.replay.loss(config, number, parameters, self.stages.index, *given)
            return torch.autograd.grad(loss.sum(), parameters)[0], parts

        penalty = None
        if at_once := self._at_once(trajectory):
            given = model, config, told_of(config, learned, entropy_coef), trajectory.tapes[0]
            norms, parts = every_pass(*given, self.optimiser, *self._sizes(rate, learned.unit))
            check_finite(norms[1], self.members, self.steps)
            metrics = parts | {"gradient_norm": norms[0]} | metrics
        for index in () if at_once else range(config.passes):
            if index:
                model.refresh(trajectory.tapes)
            parameters = model.parameters
            gradient, parts = self._slope(learned, parameters, entropy_coef, credits)
            if mixed and due:
                more, replayed = replay(due[0], parameters)
                gradient = gradient + more
            norm, penalty = self._step(gradient, parameters, rate, learned.unit)
            metrics = parts | {"gradient_norm": norm} | metrics  # those of the first pass
        for number in [] if mixed else due:
            gradient, replayed = replay(number, model.parameters)
            _, penalty = self._step(gradient, model.parameters, rate)

        # REPORT
        if self.replay is not None:
            metrics |= {name: torch.zeros_like(rate) for name in METRICS} | replayed
        if penalty is not None:
            metrics["ewc_penalty"] = penalty
        metrics |= {"entropy_coef": entropy_coef, "discount": discount}
        model.follow(trajectory.tapes, trajectory.mask, trajectory.steps)
        return self._report(trajectory, rate, metrics)

    def _report(
        self, trajectory: Trajectory, rate: Tensor, metrics: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Count the steps of new episodes; return all metrics ``[P]``."""
        self.steps += returns.count_steps(trajectory.mask, trajectory.actions)
        metrics["return"] = trajectory.returns()
        metrics["learning_rate"] = rate
        if len(self.stages) > 1:
            metrics["stage"] = torch.full_like(rate, self.stages.index)
        rows = torch.stack([value.detach().to("cpu") for value in metrics.values()])
        return dict(zip(metrics, rows.double().unbind(), strict=True))

    @torch.no_grad()
    def _judge(
        self, trajectory: Trajectory, discount: Tensor, rate: Tensor
    ) -> tuple[Learned, dict[str, Tensor]]:
        """Return what is learned from new episodes, and metrics ``[P]``; fit the critic to them."""
        config = self.config
        logits, values, said = self.model.read(trajectory.tapes)
        weight = returns.step_weights(trajectory.mask, values)
        of_heads: dict[str, returns.Estimate] = {}
        learned: dict[str, Target] = {}
        if self.heads:
            played = trajectory, values, said, discount, self._observed, self.generators
            own, of_heads, learned = judge_heads(config, self.heads, *played)
        else:
            returned = trajectory.to_the_end(values, discount)
            own = self._returns.estimate(*returned, config.gae_lambda, config.n_step)
        error = own.targets - values[: trajectory.steps]
        advantages = own.advantages
        metrics = {"rpe_deviation": self._returns.deviation(error, weight)}
        if self.critic is not None:
            share = rate / config.learning_rate
            advantages, loss = self.critic.judge(config, trajectory, discount, weight, share)
            metrics["critic_loss"] = loss
        if config.critic.baseline == "heads":
            advantages = of_heads[baseline_head(self.model.config).name].advantages
        if config.normalise_advantages:
            advantages = self._returns.normalise(advantages, weight)
        unit = None
        if config.normalise_values:
            unit = returns.root_mean_square(own.targets, weight).clamp(min=1e-3)
            metrics["value_unit"] = unit
        old = None
        if config.passes > 1 and self._at_once(trajectory):
            old = torch.empty_like(advantages)  # which the first pass writes
        elif config.passes > 1:
            law = self.model.policy.law(logits[: trajectory.steps], trajectory.available)
            old = self.model.policy.log_prob(law, trajectory.actions)
        return Learned(trajectory, advantages, own.targets, old, weight, learned, unit), metrics

    def _slope(
        self,
        learned: Learned,
        parameters: Tensor,
        entropy_coef: Tensor,
        credits: Sequence[Credit] = (FULL, FULL),
        noisy: bool = True,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the gradient of the loss of new episodes by the rule ``[P, n]``, and its parts.

        Args:
            learned: The episodes.
            parameters: ``[P, n]``, those on the networks.
            entropy_coef: Weight of the entropy bonus, ``[P]``.
            credits: Which ways the gradient takes in each network.
            noisy: Whether they were played with noise, if the rule adds some.
        """
        given = self.model, self.config, learned, entropy_coef, parameters, credits
        gradient, parts = slope(*given)
        if noisy and self.rule is not None and self.rule.perturbation is not None:
            weight = learned.weight
            share = weight if weight.dim() else weight / learned.advantages[:, 0].numel()
            tapes, gain = learned.trajectory.tapes, share * learned.advantages
            gradient = gradient + self.rule.perturbation.gradient(tapes, gain)
        return gradient, parts

    def _at_once(self, trajectory: Trajectory) -> bool:
        """Return whether all passes can be made by one call."""
        plain = self.rule is self.consolidation is self.replay is None
        return plain and len(self.model.nets) == 1 and closed(self.model, trajectory)

    def _alignment(
        self, rule: Rule, learned: Learned, entropy_coef: Tensor, update: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return how an update, or that from these episodes, is aligned with that of BPTT."""

        def gradient(credits: Sequence[Credit], noisy: bool = False) -> Tensor:
            return self._slope(learned, self.model.parameters, entropy_coef, credits, noisy)[0]

        own = gradient(rule.credits, True) if update is None else update
        return rule.alignment(gradient, own)

    def _step(
        self, gradient: Tensor, parameters: Tensor, rate: Tensor, unit: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Take one optimiser step.

        Args:
            gradient: Of each member, ``[P, n]``.
            parameters: ``[P, n]``.
            rate: Step sizes, ``[P]``.
            unit: Units in which the read-out of values is learned, ``[P]``; None: 1.

        Returns:
            The norm of the gradient and the elastic penalty, if there is one, ``[P]`` each.
        """
        with torch.no_grad():
            flat = parameters.detach()
            penalty = None
            if self.consolidation is not None:
                penalty = self.consolidation.add_gradient(flat, gradient)
            size, factor = self._sizes(rate.to(flat), unit)
            if factor is not None:
                gradient.mul_(factor)
            if self._readers is None:
                norm = self.optimiser.clip(gradient, self.config.clip_norm)
            else:
                norm = clip_apart(gradient, self._readers, self.config.clip_norm)
            check_finite(norm, self.members, self.steps)
            before = flat.clone() if self.rule is not None else flat
            self.optimiser.step(flat, gradient, size)
            if self.rule is not None:
                self.rule.follow(before, flat)
            self.model.set_parameters(flat)
        return norm, penalty

    def _sizes(self, rate: Tensor, unit: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return step sizes ``[P, 1]`` or ``[P, n]``, and the factor of gradients or None."""
        if unit is None:
            return rate.unsqueeze(1), None
        factor = torch.where(self._values, unit.unsqueeze(1), 1.0)
        return rate.unsqueeze(1) * factor, factor

    @property
    def _observed(self) -> slice:
        """Which inputs are the observation."""
        observed: slice = self.stages.now.input_slices["observation"]
        return observed

    def _search(
        self, rule: Rule, rate: Tensor, entropy_coef: Tensor, discount: Tensor
    ) -> dict[str, Tensor]:
        """Learn from episodes that are played with disturbed weights; return metrics ``[P]``."""
        assert rule.search is not None
        trajectory, gradient = rule.search.collect(self.rollout)
        metrics: dict[str, Tensor] = {}
        if rule.config.alignment:  # with episodes of the weights themselves, which are not counted
            play = self.stages.now, self.model, self.batch, self.generators
            learned, _ = self._judge(Rollout(*play).collect(), discount, rate)
            metrics = self._alignment(rule, learned, entropy_coef, gradient)
        metrics["gradient_norm"], _ = self._step(gradient, self.model.parameters, rate)
        return self._report(trajectory, rate, metrics)

    # STAGES AND STATE

    def _rollout(self) -> Rollout:
        play, rule = (self.stages.now, self.model, self.batch, self.generators), self.rule
        if rule is not None and rule.search is not None:
            return rule.search.rollout(self.stages.now, self.batch, self.generators)
        if self.config.segment is not None:
            return Segments(*play, self.config.segment)
        every = rule is not None and rule.perturbation is not None
        told = any(map(told_by_task, self.heads))
        return Rollout(*play, privileged=self.critic is not None, facts=told, every=every)

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
        own = {name: part for name, part in more.items() if part is not None}
        rule = {} if self.rule is None else self.rule.parts()
        return {**super().parts(), **self.rollout.parts(), **own, **rule}


def told_of(config: A2CConfig, learned: Learned, entropy_coef: Tensor) -> ActorCriticLoss:
    """Return what the loss of the policy and the values needs."""
    clip = config.clip_ratio if config.passes > 1 else None
    coefs = entropy_coef, config.value_coef, clip, learned.unit
    return ActorCriticLoss(learned.trajectory.actions, *learned[1:5], *coefs)


def closed(model: ActorCritic, trajectory: Trajectory) -> bool:
    """Return whether compiled code computes the loss and its gradient, without a graph."""
    fast = model.compiled and not model.config.heads and trajectory.available is None
    return fast and learning.usable(model.nets[0].parameters)


def slope(
    model: ActorCritic,
    config: A2CConfig,
    learned: Learned,
    entropy_coef: Tensor,
    parameters: Tensor,
    credits: Sequence[Credit] = (FULL, FULL),
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the gradient of the loss of new episodes ``[P, n]``, and the parts of the loss.

    Compiled networks with one softmax need no graph for it. The parameters ``[P, n]`` are those
    on the networks; what these said is on the tapes. `credits` say which ways the gradient takes in
    each network.
    """
    trajectory, told = learned.trajectory, told_of(config, learned, entropy_coef)
    if closed(model, trajectory):
        return compiled_slope(model, told, trajectory.tapes, credits)
    logits, values, said = model.read(trajectory.tapes, parameters.requires_grad_(), credits)
    logits = masked(logits[: trajectory.steps], trajectory.available)
    loss, parts = told.of(model.policy, logits, values[: trajectory.steps])
    if heads := model.config.heads:
        more, each = losses(heads, said, learned.heads, trajectory.actions, learned.weight)
        loss, parts = loss + more, parts | each
    return torch.autograd.grad(loss.sum(), parameters)[0], parts

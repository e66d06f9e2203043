"""Replay for actor-critics: the agent of today learns again from whole episodes that were kept.

Observations, actions, rewards, and the policy and values of the agent that acted are kept. The loss
of an on-policy learner is biased for actions that another policy took; V-trace corrects it
(Espeholt et al. 2018). Beside it, or in its place, the policy and the values that were kept are
cloned (CLEAR, Rolnick et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig, ReplayConfig
from prefrontal.agents.a2c.heads import losses, targets, told, told_by_task, valued
from prefrontal.agents.a2c.teacher import Teacher
from prefrontal.agents.base import section
from prefrontal.agents.common.policies import FORBIDDEN
from prefrontal.agents.common.returns import (
    Estimate,
    actor_critic_loss,
    estimate,
    mean,
    normalise,
    step_weights,
    vtrace,
)
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.encoder import stored
from prefrontal.agents.networks.heads import width
from prefrontal.agents.networks.parts import Division
from prefrontal.agents.networks.vectorised import Credit, Tape
from prefrontal.agents.replay.buffer import Kind
from prefrontal.agents.replay.priorities import sequence_priority
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer
from prefrontal.agents.rollout.rollout import Trajectory
from prefrontal.agents.rollout.spec import EnvironmentFacts

METRICS = ("replay_loss", "replay_ratio_mean", "cloning_kl")


@dataclass(frozen=True)
class Replayed:
    """Episodes drawn from a buffer, on tapes that the agent of today has been unrolled on.

    Attributes:
        trajectory: The episodes.
        policy: Law of the policy that acted, ``[T, P, K, B]``; see `Policy`.
        values: Values that it gave, ``[T, P, B]``.
        stage: Stage in which they were played, ``[P, B]``.
        index: Where they are in the buffer, ``[P, B]``.
        weight: Of each step, ``[T, P, B]``, or the number 1; see `step_weights`.
        told: What the task told heads, ``[T, P, width, B]`` by name.
    """

    trajectory: Trajectory
    policy: Tensor
    values: Tensor
    stage: Tensor
    index: Tensor
    weight: Tensor
    told: dict[str, Tensor]


def episode_buffer(
    config: ReplayConfig,
    facts: EnvironmentFacts,
    generators: Sequence[torch.Generator],
    network: NetworkConfig,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> TrajectoryBuffer:
    """Make the buffer of episodes of some members, one generator each.

    Raises:
        ConfigError: There is not that much memory.
    """
    actions = facts.actions
    if actions.sizes:
        kind: torch.dtype = torch.uint8 if max(actions.sizes) <= 256 else torch.int32
    else:
        kind = dtype
    fields = [
        Field("action", actions.shape, kind),
        Field("reward", (), dtype),
        Field("policy", (actions.outputs,), dtype),
        Field("value", (), dtype),
        Field("stage", (), torch.int16, every=0),
        Field("truncated", (), torch.bool, every=0),
    ]
    shown = stored(Division(facts.input_size, facts.parts, network), dtype)
    fields += [Field(name, (size,), kind) for name, (size, kind) in shown.items()]
    told_heads = filter(told_by_task, network.heads)
    fields += [Field(f"told.{head.name}", (width(head),), dtype) for head in told_heads]
    # The state after the last step is kept too where an episode can be cut there.
    slots = facts.longest + int(not facts.equal)
    keep = cast(Kind, config.keep)
    return TrajectoryBuffer(
        len(generators), config.capacity, slots, fields, generators, keep, device=device
    )


class Replay:
    """The kept episodes of P members.

    Args:
        config: Settings.
        model: The learner's networks.
        generators: One a member.
        batch: New episodes B per member and update.
        facts: Of the environment.

    Raises:
        ConfigError: There is not enough memory.
    """

    def __init__(
        self,
        config: ReplayConfig,
        model: ActorCritic,
        generators: Sequence[torch.Generator],
        batch: int,
        facts: EnvironmentFacts,
    ) -> None:
        self.config, self.model, self.batch = config, model, batch
        self.steps, self.extra = facts.longest, int(not facts.equal)
        self.heads = model.config.heads
        kind = model.config, model.dtype, model.device
        self.buffer = episode_buffer(config, facts, generators, *kind)
        self.updates = 0
        self.teacher: Teacher | None = None  # the agents at the end of the last stage
        self._tapes: dict[int, list[Tape]] = {}

    # KEEP

    def add(self, trajectory: Trajectory, logits: Tensor, values: Tensor, stage: int) -> None:
        """Keep new episodes.

        Args:
            trajectory: The episodes.
            logits: Of the policy that acted, ``[T, P, K, B]``.
            values: That it gave, ``[T, P, B]``.
            stage: In which stage they were played.
        """
        steps, tape = trajectory.steps, trajectory.tapes[0]
        law = self.model.policy.law(logits[:steps], trajectory.available)
        shown = self.model.kept(trajectory.tapes, min(tape.used, steps + self.extra))
        members, batch = trajectory.rewards.shape[1:]
        device = trajectory.actions.device
        lengths = torch.full((members, batch), steps)
        data = {
            **shown,
            "action": trajectory.actions.movedim(0, 2),
            "reward": trajectory.rewards.permute(1, 2, 0),
            "policy": law.permute(1, 3, 0, 2),
            "value": values[:steps].permute(1, 2, 0),
        }
        own = told(self.heads, trajectory)
        data |= {f"told.{name}": x.permute(1, 3, 0, 2) for name, x in own.items()}
        truncated = trajectory.truncated
        if trajectory.mask is not None:  # nothing of what another member's longer episode adds
            lengths = trajectory.mask.sum(0).long().cpu()
            running = trajectory.mask.permute(1, 2, 0).bool()
            for name in {*data} - {*shown, "reward"}:
                one = data[name]
                data[name] = one * running.view(*running.shape, *[1] * (one.dim() - 3))
        if truncated is None:
            truncated = torch.zeros(members, batch, dtype=torch.bool, device=device)
        data = {name: _lengthened(value, steps + self.extra) for name, value in data.items()}
        data["stage"] = torch.full((members, batch), stage, dtype=torch.int16, device=device)
        data["truncated"] = truncated
        self.buffer.add(data, lengths + self.extra)

    # DRAW

    def due(self, stage: int) -> list[int]:
        """Return how many episodes to replay in each optimiser step; call it once an update."""
        rate = self.config.ratio * self.batch
        number = math.floor((self.updates + 1) * rate) - math.floor(self.updates * rate)
        self.updates += 1
        if stage < self.config.from_stage or not number:
            return []
        if self.config.steps == "mixed":
            return [number]
        full, rest = divmod(number, self.batch)
        return [self.batch] * full + [rest] * bool(rest)

    @torch.no_grad()
    def draw(self, n: int) -> Replayed:
        """Draw n episodes of every member, and unroll the agent on them."""
        sample = self.buffer.sample(n, cut=False)
        if n not in self._tapes:
            self._tapes[n] = self.model.tapes(self.steps + self.extra, n)
        tapes = self._tapes[n]
        self.model.recall(tapes, sample.data)
        self.model.unroll(tapes)
        data = sample.data
        mask = truncated = None
        if self.extra:
            mask = sample.mask[:, :, 1:].permute(2, 0, 1).to(self.model.dtype)
            truncated = data["truncated"]
        steps = slice(self.steps)
        policy = data["policy"][:, :, steps].permute(2, 0, 3, 1)
        trajectory = Trajectory(
            tapes,
            data["action"][:, :, steps].movedim(2, 0).to(self.model.policy.dtype),
            data["reward"][:, :, steps].permute(2, 0, 1),
            mask,
            truncated,
            available=policy > FORBIDDEN / 2 if self.model.policy.discrete else None,
        )
        weight = step_weights(mask, trajectory.rewards)
        if self.config.keep == "prioritised":
            even = weight if weight.dim() else weight / (trajectory.steps * n)
            importance = sample.weight.to(self.model.dtype)
            weight = (even * importance).expand(trajectory.rewards.shape)
        return Replayed(
            trajectory,
            policy,
            data["value"][:, :, steps].permute(2, 0, 1),
            data["stage"],
            sample.index,
            weight,
            {name: x[:, :, steps].permute(2, 0, 3, 1) for name, x in section(data, "told").items()},
        )

    def prioritise(self, drawn: Replayed, error: Tensor) -> None:
        """Give episodes priorities by the errors of their values, ``[T, P, B]``."""
        if self.config.keep == "prioritised":
            mask = drawn.trajectory.mask
            mask = None if mask is None else mask.permute(1, 2, 0)
            by_episode = error.permute(1, 2, 0).contiguous()
            self.buffer.update_priorities(drawn.index, sequence_priority(by_episode, mask))

    def cloned(self, drawn: Replayed, stage: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what to clone.

        Returns:
            The law ``[T, P, K, B]``, values ``[T, P, B]``, and on which episodes ``[P, B]``.
        """
        if self.config.cloning_target == "behaviour":
            return drawn.policy, drawn.values, torch.ones_like(drawn.values[0])
        earlier = (drawn.stage < stage).to(self.model.dtype)
        if self.teacher is None:
            return drawn.policy, drawn.values, earlier
        logits, values = self.teacher.teach(drawn.trajectory.tapes)
        steps, available = drawn.trajectory.steps, drawn.trajectory.available
        return self.model.policy.law(logits[:steps], available), values[:steps], earlier

    def loss(
        self,
        settings: A2CConfig,
        number: int,
        parameters: Tensor,
        stage: int,
        discount: Tensor,
        entropy_coef: Tensor,
        credits: Sequence[Credit],
        observed: slice,
        generators: Sequence[torch.Generator],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw kept episodes; return their loss ``[P]`` and metrics.

        Args:
            settings: Of the learner.
            number: How many episodes.
            parameters: ``[P, n]``, those of the model.
            stage: The present stage.
            discount: Discount γ, ``[P]``.
            entropy_coef: Weight of the entropy bonus, ``[P]``.
            credits: The ways that the gradient takes in each net.
            observed: Which inputs are the observation.
            generators: One a member, for noise that heads learn.
        """
        drawn = self.draw(number)
        config, trajectory, weight = self.config, drawn.trajectory, drawn.weight
        logits, all_values, said = self.model.read(trajectory.tapes, parameters, credits)
        policy = self.model.policy
        law = policy.law(logits[: trajectory.steps], trajectory.available)
        chosen = policy.log_prob(law, trajectory.actions)
        values = all_values[: trajectory.steps]
        with torch.no_grad():
            ratio = (chosen - policy.log_prob(drawn.policy, trajectory.actions)).exp()
            found, value_weight = corrected(settings, trajectory, all_values, discount, ratio)
            advantages = found.advantages
            if settings.normalise_advantages:
                advantages = normalise(advantages, weight)
            self.prioritise(drawn, found.targets - values)
            returns = {
                name: corrected(settings, trajectory, *one, ratio)[0].targets
                for name, one in valued(self.heads, said, discount).items()
            }
            played = self.heads, trajectory, drawn.told, observed, discount
            learned = targets(*played, returns, generators)
        error = (values - found.targets).square() * value_weight
        gain = chosen * advantages
        entropy = policy.entropy(law)
        loss, _ = actor_critic_loss(settings.value_coef, gain, entropy, error, weight, entropy_coef)
        loss = loss + losses(self.heads, said, learned, trajectory.actions, weight)[0]
        loss = config.coef * loss
        kl = torch.zeros_like(loss.detach())
        if config.clones:
            cloned, kept, which = self.cloned(drawn, stage)
            kl = mean(policy.divergence(cloned, law) * which, weight)
            apart = mean((values - kept).square() * which, weight)
            loss = loss + config.policy_cloning * kl + config.value_cloning * apart
        plain = step_weights(trajectory.mask, ratio)
        parts = (loss, mean(ratio, plain), kl)
        return loss, {name: x.detach() for name, x in zip(METRICS, parts, strict=True)}

    # STAGES AND STATE

    def end_stage(self) -> None:
        """Remember the agent as it is now, for `cloning_target` "stage_end"."""
        if self.config.clones and self.config.cloning_target == "stage_end":
            self.teacher = Teacher(self.model, self.model.parameters)

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly; first dimension: the member."""
        state = {f"buffer.{name}": value for name, value in self.buffer.state().items()}
        state["updates"] = torch.full((self.model.members,), self.updates)
        if self.teacher is not None:
            state["anchor"] = self.teacher.weights
        return state

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.buffer.set_state(section(state, "buffer"))
        self.updates = int(state["updates"][0])
        self.teacher, like = None, self.model
        if "anchor" in state:
            anchor = state["anchor"].to(like.device, like.dtype).clone()
            self.teacher = Teacher(like, anchor)


def corrected(
    config: A2CConfig, trajectory: Trajectory, values: Tensor, discount: Tensor, ratio: Tensor
) -> tuple[Estimate, Tensor]:
    """Return advantages and value targets for episodes of another policy.

    Args:
        config: Which correction, and λ or n.
        trajectory: The episodes.
        values: Of the states, ``[T, P, B]`` (one step more, if episodes can be cut).
        discount: Discount γ of each member, ``[P]``.
        ratio: π / μ of each action, ``[T, P, B]``.

    Returns:
        The estimate, and the weight of the squared value errors, ``[T, P, B]`` or a number.
    """
    replay, one = config.replay, torch.ones((), dtype=values.dtype, device=values.device)
    returned = trajectory.to_the_end(values, discount)
    if replay.correction == "vtrace":
        found = vtrace(
            *returned,
            ratio,
            rho_bar=replay.rho_bar,
            c_bar=replay.c_bar,
            lambda_=config.gae_lambda if config.n_step is None else 1.0,
            n=config.n_step,
        )
        return found, one
    plain = estimate(*returned, config.gae_lambda, config.n_step)
    if replay.correction == "none":
        return plain, one
    clipped = ratio.clamp(max=replay.rho_bar)
    return Estimate(clipped * plain.advantages, plain.targets), clipped


def _lengthened(x: Tensor, steps: int) -> Tensor:
    """Return ``[P, B, T, ...]`` with zeros up to `steps` steps."""
    missing = steps - x.shape[2]
    if not missing:
        return x
    return torch.cat([x, x.new_zeros(*x.shape[:2], missing, *x.shape[3:])], dim=2)

"""Replay for actor-critics: kept episodes are learned from again by the agent of today, from their start on.

Observations, actions, rewards and the policy and values of the agent that acted are kept. The loss of an on-policy
learner is wrong for actions that another policy chose. It is corrected by V-trace (Espeholt et al. 2018); beside it, or
in its place, the policy and the values that were kept are cloned (CLEAR, Rolnick et al. 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.loss import (
    actor_critic_loss,
    corrected,
    log_prob,
    mean,
    normalise,
    weights,
)
from prefrontal.agents.a2c.teacher import Teacher
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.replay.priorities import sequence_priority
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer
from prefrontal.agents.rollout.rollout import Trajectory

__all__ = ["METRICS", "Replay", "Replayed"]

METRICS = ("replay_loss", "replay_ratio_mean", "cloning_kl")


@dataclass(frozen=True)
class Replayed:
    """Episodes drawn from a buffer, on tapes that the agent of today has been unrolled on.

    Attributes:
        trajectory: The episodes.
        policy: Log-probabilities of all actions by the policy that acted, ``[T, P, K, B]``.
        values: Values that it gave, ``[T, P, B]``.
        stage: Stage in which they were played, ``[P, B]``.
        index: Where they are in the buffer, ``[P, B]``.
        importance: Importance weights of prioritised replay, ``[P, B]``.
    """

    trajectory: Trajectory
    policy: Tensor
    values: Tensor
    stage: Tensor
    index: Tensor
    importance: Tensor


class Replay:
    """The kept episodes of P members, and the loss of episodes drawn from them.

    Args:
        config: Hyper-parameters.
        model: The learner's networks.
        members: Identities of the members.
        batch: New episodes B per member and update.
        longest: Steps of the longest episode.
        equal: Whether all episodes are that long.
        seed: Seed of the run.

    Raises:
        ConfigError: If there is not enough memory, or the actors are given prediction errors.
    """

    def __init__(
        self,
        config: A2CConfig,
        model: ActorCritic,
        members: list[int],
        batch: int,
        longest: int,
        equal: bool,
        seed: int,
    ) -> None:
        if model.reward_row is not None:
            raise ConfigError('replay cannot be combined with actor_reward "rpe"')
        assert config.replay.keep != "none"
        self.config, self.model, self.batch, self.equal = config, model, batch, equal
        # The state after the last step is kept too where an episode can be cut there.
        self.slots = longest + int(not equal)
        actions = model.num_actions
        small = torch.uint8 if actions <= 256 else torch.int32
        fields = [
            Field("observation", (model.input_size,), model.dtype),
            Field("action", (), small),
            Field("reward", (), model.dtype),
            Field("policy", (actions,), model.dtype),
            Field("value", (), model.dtype),
            Field("stage", (), torch.int16, every=0),
            Field("truncated", (), torch.bool, every=0),
        ]
        generators = [generator(seed, member, "replay") for member in members]
        self.buffer = TrajectoryBuffer(
            len(members),
            config.replay.capacity,
            self.slots,
            fields,
            generators,
            config.replay.keep,
            device=model.device,
        )
        self.updates = 0
        self.teacher: Teacher | None = None  # the agents at the end of the last stage
        self._tapes: dict[int, list[Tape]] = {}

    # KEEP

    def add(self, trajectory: Trajectory, logits: Tensor, values: Tensor, stage: int) -> None:
        """Keeps new episodes.

        Args:
            trajectory: The episodes.
            logits: Of the policy that acted, ``[T, P, K, B]``.
            values: That it gave, ``[T, P, B]``.
            stage: In which stage they were played.
        """
        steps, extra = trajectory.steps, int(not self.equal)
        tape = trajectory.tapes[0]
        seen = torch.stack(tape.x_t[: min(tape.used, steps + extra)])
        members, batch = trajectory.actions.shape[1:]
        device = trajectory.actions.device
        lengths = torch.full((members, batch), steps)
        if trajectory.mask is not None:
            lengths = trajectory.mask.sum(0).long().cpu()
        none = torch.zeros(members, batch, dtype=torch.bool, device=device)
        data = {
            "observation": seen.permute(1, 3, 0, 2),
            "action": trajectory.actions.permute(1, 2, 0),
            "reward": trajectory.rewards.permute(1, 2, 0),
            "policy": logits[:steps].log_softmax(2).permute(1, 3, 0, 2),
            "value": values[:steps].permute(1, 2, 0),
        }
        if trajectory.mask is not None:  # nothing of what another member's longer episode adds
            running = trajectory.mask.permute(1, 2, 0).bool()
            for name in ("action", "policy", "value"):
                data[name] = data[name] * running.view(
                    *running.shape, *[1] * (data[name].dim() - 3)
                )
        data = {name: _lengthened(value, steps + extra) for name, value in data.items()}
        data["stage"] = torch.full((members, batch), stage, dtype=torch.int16, device=device)
        data["truncated"] = none if trajectory.truncated is None else trajectory.truncated
        self.buffer.add(data, lengths + extra)

    # DRAW

    def due(self, stage: int) -> list[int]:
        """How many episodes to replay in each optimiser step of this update; call it once an update."""
        rate = self.config.replay.ratio * self.batch
        number = math.floor((self.updates + 1) * rate) - math.floor(self.updates * rate)
        self.updates += 1
        if stage < self.config.replay.from_stage or not number:
            return []
        if self.config.replay.steps == "mixed":
            return [number]
        full, rest = divmod(number, self.batch)
        return [self.batch] * full + [rest] * bool(rest)

    def draw(self, n: int) -> Replayed:
        """Draws n episodes of every member, and unrolls the agent on them."""
        sample = self.buffer.sample(n, cut=False)
        steps = self.slots - int(not self.equal)
        if n not in self._tapes:
            self._tapes[n] = self.model.tapes(self.slots, n)
        tapes = self._tapes[n]
        _record(tapes, sample.data["observation"])
        self.model.unroll(tapes)
        data = {name: value[:, :, :steps] for name, value in sample.data.items() if value.dim() > 2}
        mask = truncated = None
        if not self.equal:
            mask = sample.mask[:, :, 1:].permute(2, 0, 1).to(self.model.dtype)
            truncated = sample.data["truncated"]
        trajectory = Trajectory(
            tapes,
            data["action"].permute(2, 0, 1).long(),
            data["reward"].permute(2, 0, 1),
            mask,
            truncated,
        )
        return Replayed(
            trajectory,
            data["policy"].permute(2, 0, 3, 1),
            data["value"].permute(2, 0, 1),
            sample.data["stage"],
            sample.index,
            sample.weight.to(self.model.dtype),
        )

    # LOSS

    def loss(
        self,
        drawn: Replayed,
        parameters: Tensor,
        discount: Tensor,
        entropy_coef: Tensor,
        stage: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss ``[P]`` of replayed episodes, differentiable in the parameters, and metrics.

        Args:
            drawn: The episodes.
            parameters: ``[P, n]``, those that the tapes were unrolled with.
            discount: Discount γ, ``[P]``.
            entropy_coef: Weight of the entropy bonus, ``[P]``.
            stage: The present stage.
        """
        config, trajectory = self.config, drawn.trajectory
        steps = trajectory.steps
        weight = self._weight(drawn)
        logits, values = self.model.heads(trajectory.tapes, parameters)
        log_probs = logits[:steps].log_softmax(2)
        chosen = log_probs.gather(2, trajectory.actions.unsqueeze(2)).squeeze(2)
        with torch.no_grad():
            ratio = (chosen - log_prob(drawn.policy, trajectory.actions)).exp()
            found, value_weight = corrected(config, trajectory, values, discount, ratio)
            advantages = found.advantages
            if config.normalise_advantages:
                advantages = normalise(advantages, weight)
            self._prioritise(drawn, found.targets - values[:steps])
        error = (values[:steps] - found.targets).square() * value_weight
        loss, _ = actor_critic_loss(
            config, chosen * advantages, log_probs, error, weight, entropy_coef
        )
        loss = config.replay.coef * loss
        kl = torch.zeros_like(loss.detach())
        if config.replay.clones:
            policy, kept, which = self._cloned(drawn, stage)
            kl = mean((policy.exp() * (policy - log_probs)).sum(2) * which, weight)
            apart = mean((values[:steps] - kept).square() * which, weight)
            loss = loss + config.replay.policy_cloning * kl + config.replay.value_cloning * apart
        parts = (loss, mean(ratio, weights(trajectory)), kl)
        return loss, {name: x.detach() for name, x in zip(METRICS, parts, strict=True)}

    def _weight(self, drawn: Replayed) -> Tensor:
        """Weight of each step, ``[T, P, B]``, or the number 1."""
        weight = weights(drawn.trajectory)
        if self.config.replay.keep != "prioritised":
            return weight
        if not weight.dim():
            weight = weight / (drawn.trajectory.steps * drawn.index.shape[1])
        return (weight * drawn.importance).expand(drawn.trajectory.actions.shape)

    def _prioritise(self, drawn: Replayed, error: Tensor) -> None:
        """Gives the episodes priorities by the errors of their values, ``[T, P, B]``."""
        if self.config.replay.keep == "prioritised":
            mask = drawn.trajectory.mask
            mask = None if mask is None else mask.permute(1, 2, 0)
            self.buffer.update_priorities(
                drawn.index, sequence_priority(error.permute(1, 2, 0).contiguous(), mask)
            )

    def _cloned(self, drawn: Replayed, stage: int) -> tuple[Tensor, Tensor, Tensor]:
        """What to clone: log-probabilities ``[T, P, K, B]``, values ``[T, P, B]``, and on which episodes ``[P, B]``."""
        if self.config.replay.cloning_target == "behaviour":
            return drawn.policy, drawn.values, torch.ones_like(drawn.importance)
        earlier = (drawn.stage < stage).to(self.model.dtype)
        if self.teacher is None:
            return drawn.policy, drawn.values, earlier
        policy, values = self.teacher.teach(drawn.trajectory.tapes)
        steps = drawn.trajectory.steps
        return policy[:steps], values[:steps], earlier

    # STAGES AND STATE

    def end_stage(self) -> None:
        """Remembers the agent as it is now, for `cloning_target` "stage_end"."""
        if self.config.replay.clones and self.config.replay.cloning_target == "stage_end":
            self.teacher = Teacher(self.model, self.model.parameters)

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly, tensors whose first dimension is the member."""
        state = {f"buffer.{name}": value for name, value in self.buffer.state().items()}
        state["updates"] = torch.full((self.model.members,), self.updates)
        if self.teacher is not None:
            state["anchor"] = self.teacher.weights
        return state

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        cut = len("buffer.")
        kept = {name[cut:]: value for name, value in state.items() if name.startswith("buffer.")}
        self.buffer.set_state(kept)
        self.updates = int(state["updates"][0])
        anchor = state.get("anchor")
        self.teacher = None
        if anchor is not None:
            like = self.model
            self.teacher = Teacher(like, anchor.to(like.device, like.dtype).clone())


def _lengthened(x: Tensor, steps: int) -> Tensor:
    """``[P, B, T, ...]`` with zeros up to `steps` steps."""
    missing = steps - x.shape[2]
    if not missing:
        return x
    return torch.cat([x, x.new_zeros(*x.shape[:2], missing, *x.shape[3:])], dim=2)


def _record(tapes: list[Tape], observations: Tensor) -> None:
    """Writes observations ``[P, B, T, I]`` as the inputs of tapes."""
    by_step = observations.permute(2, 0, 3, 1).unbind(0)
    for tape in tapes:
        tape.used = len(by_step)
        for x, source in zip(tape.x_t, by_step, strict=False):
            x.copy_(source)

"""Segments of episodes: so many steps of every environment, whatever ends in them.

A row whose episode ends starts its next one at once, so that none idles until the longest episode
of a batch has ended. The state of the networks goes on from one segment to the next and is the
initial one where an episode starts; gradients do not pass the start of a segment.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.actor_critic import ActorCritic, States
from prefrontal.agents.rollout.blame import check_shape
from prefrontal.agents.rollout.rollout import Rollout, Stimulation, Trajectory


class Segments(Rollout):
    """Collect segments of `steps` steps in environments that end when they end.

    Args:
        envs: As of `Rollout`, with a method `restart` (see `EpisodeVectorEnv`).
        model: The actor-critic.
        batch: Rows B per member.
        generators: As of `Rollout`.
        steps: Steps T of a segment.

    Raises:
        ConfigError: The environments cannot start single rows.
    """

    def __init__(
        self,
        envs: Any,
        model: ActorCritic,
        batch: int,
        generators: list[torch.Generator],
        steps: int,
    ) -> None:
        if not hasattr(envs, "restart"):
            raise ConfigError(
                "this vector environment cannot start single rows: leave --segment out"
            )
        super().__init__(envs, model, batch, generators, steps=steps)
        self._now: tuple[Tensor, dict[str, Any], Tensor] | None = None
        self._states: States | None = None
        size = model.members, batch
        # Where episodes start: that after the last step is the first of the next segment.
        self._starts = torch.zeros(steps + 1, *size, dtype=torch.bool, device=model.device)
        self._none = torch.zeros_like(self._starts[0]).flatten()
        self._paid = torch.zeros_like(self._none, dtype=torch.float64)
        # Mean return of the last episodes that ended, and how many have ended, of each member.
        self._returned, self._ends = (torch.zeros(size[0], dtype=torch.float64) for _ in range(2))

    def parts(self) -> dict[str, Any]:
        """See `Rollout.parts`."""
        return {"segments": self}

    def state(self) -> dict[str, Tensor]:
        """Return what goes on from a checkpoint; episodes under way do not, they start anew."""
        return {"returned": self._returned, "ends": self._ends}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self._returned, self._ends = state["returned"].clone(), state["ends"].clone()
        self._now = None

    def _play(self, deterministic: bool, stimulation: Stimulation | None) -> Trajectory:
        model, envs = self.model, self.envs
        noise = None if deterministic else self.draw_noise().unbind(1)
        actions, rewards = self.actions.flatten(1, 2), self.rewards.flatten(1, 2)
        over, after = torch.zeros_like(rewards), torch.zeros_like(rewards)
        mask: Tensor | None = None
        masks: list[Tensor] = []
        observation, info, waiting = self._begin()
        for t in range(self.steps):
            model.show(self.tapes, t, self._columns(observation))
            logits = model.step(self.tapes, t, late=True)
            if "action_mask" in info:
                legal = info["action_mask"].view(model.members, self.batch, -1)
                masks.append(legal.transpose(1, 2))
            self._act(t, logits, None if noise is None else noise[t], masks)
            observation, reward, ended, cut, info = envs.step(model.policy.applied(actions[t]))
            if not t and getattr(reward, "shape", None) != rewards[t].shape:
                check_shape(envs, reward)
            rewards[t].copy_(reward)
            if last := t + 1 == self.steps:
                self._states = [
                    tuple(x.clone() for x in one) for one in model.state(self.tapes, t + 1)
                ]
            if last or bool(cut.any()):  # what would follow counts by its value
                model.show(self.tapes, t + 1, self._columns(observation))
                model.step(self.tapes, t + 1)
                value = model.value(self.tapes, t + 1).flatten()
                after[t] = torch.where(~ended if last else cut, value, 0.0)
            started = waiting
            if waiting is not self._none:  # this step has only started their episodes
                mask = torch.ones_like(rewards) if mask is None else mask
                mask[t] = (~waiting).to(mask.dtype)
                waiting = self._none
            gone = ended | cut
            if bool(gone.any()):
                over[t] = gone
                observation, info, waiting = envs.restart()
                started = started | (gone & ~waiting)
                waiting = waiting if bool(waiting.any()) else self._none
            if started is not self._none:
                self._start(t + 1, started)
        self._now = observation, info, waiting
        returned = self._count(rewards, over)
        over[-1] = 1  # of the segment
        size = (model.members, self.batch)
        for tape in self.tapes:
            tape.used = self.steps
        model.values_at_once(self.tapes)
        return Trajectory(
            tapes=self.tapes,
            actions=self.actions,
            rewards=self.rewards,
            mask=None if mask is None else mask.unflatten(1, size),
            available=torch.stack(masks) if masks else None,
            ended=over.unflatten(1, size),
            after=after.unflatten(1, size),
            returned=returned,
        )

    def _begin(self) -> tuple[Tensor, dict[str, Any], Tensor]:
        """Go on where the last segment ended; return what is shown, and which rows wait."""
        for tape in self.tapes:
            tape.starts = self._starts[:-1]
        self._starts[0] = self._starts[-1]
        self._starts[1:] = False
        if self._now is None:
            self._now, self._states = (*self.envs.reset(), self._none), None
            self._starts[0] = False
            self._paid.zero_()
        self.model.begin(self.tapes, self._states)
        self.model.restart(self.tapes, 0, self._starts[0])
        return self._now

    def _start(self, t: int, rows: Tensor) -> None:
        """Let episodes start at step `t` in some rows ``[P * B]``."""
        self._starts[t] = rows.view_as(self._starts[t])
        if t < self.steps:  # else that is left to the next segment
            self.model.restart(self.tapes, t, self._starts[t])

    def _columns(self, observation: Tensor) -> Tensor:
        """Return observations ``[P * B, I]`` as ``[P, I, B]``."""
        return observation.T.unflatten(1, (self.model.members, self.batch)).transpose(0, 1)

    def _count(self, rewards: Tensor, over: Tensor) -> Tensor:
        """Return the mean return of the episodes of each member that ended, ``[P]``.

        Where none did, it is the last such mean; before there is one, that of the episodes so far.
        """
        counted = over.flip(0).cumsum(0).flip(0) > 0  # up to the last end in a row
        part = (rewards * counted).double().sum(0)
        rest = rewards.double().sum(0) - part
        whole = counted[0]
        paid = torch.where(whole, self._paid + part, 0.0).view(self.model.members, -1).sum(1)
        self._paid = torch.where(whole, rest, self._paid + rest)
        ends = over.double().sum(0).view(self.model.members, -1).sum(1).cpu()
        so_far = self._paid.view(self.model.members, -1).mean(1).cpu()
        self._returned = torch.where(ends > 0, paid.cpu() / ends.clamp(min=1), self._returned)
        self._ends = self._ends + ends
        return torch.where(self._ends > 0, self._returned, so_far)

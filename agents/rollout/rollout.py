"""Agent × environment → `Trajectory`: one episode of every environment, recorded.

`segments` plays parts of episodes of a fixed length in place of whole ones.

The environments step together (a Gymnasium `VectorEnv` that returns tensors, rows blocked by
member). Tasks of a fixed length end in lock-step; other environments end when they end, and the
steps after it are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.policies import masked
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.rollout.blame import LARGE, blame, check_numbers, check_shape, name_of
from prefrontal.agents.rollout.environments import facts_of
from prefrontal.agents.rollout.tabulated import play

NOT_FACTS = ("task", "privileged", "action_mask")


@dataclass(frozen=True)
class Trajectory:
    """One episode per environment, or a segment, in buffers that hold until the next is collected.

    Attributes:
        tapes: Activations of the networks, for their backward pass.
        actions: ``[T, P, B]`` or ``[T, P, B, A]``: int64 choices, or numbers before they are
            squashed (`SquashedGaussian`).
        rewards: ``[T, P, B]``.
        mask: ``[T, P, B]``, 1 until the episode has ended, then 0 (in segments 0 where a step only
            starts an episode); None if all steps count.
        truncated: ``[P, B]`` of bool: cut by a time limit that is not part of the task; None if
            none can be.
        privileged: ``[T, P, B, K]``, what only an asymmetric critic may see, or None.
        task: Parameters of the tasks played, ``[P, B, ...]`` each (if the environment says facts).
        facts: What the environment says of each step, ``[T, P, B]`` each (if it does).
        available: Which options could be chosen, ``[T, P, K, B]`` of bool; None: always all.
        ended: Of segments: 1 where the episode or the segment ends with this step, ``[T, P, B]``.
        after: Of segments: value of the state after such a step, 0 if terminal; 0 elsewhere.
        returned: Of segments: mean return of the episodes that ended, ``[P]``.
    """

    tapes: list[Tape]
    actions: Tensor
    rewards: Tensor
    mask: Tensor | None = None
    truncated: Tensor | None = None
    privileged: Tensor | None = None
    task: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Tensor] = field(default_factory=dict)
    available: Tensor | None = None
    ended: Tensor | None = None
    after: Tensor | None = None
    returned: Tensor | None = None

    @property
    def steps(self) -> int:
        """Steps T of the longest episode."""
        return self.actions.shape[0]

    def returns(self) -> Tensor:
        """Return the mean return of each member's episodes, ``[P]`` float64."""
        if self.returned is not None:
            return self.returned
        return self.rewards.sum((0, 2), dtype=torch.float64) / self.rewards.shape[2]

    def to_the_end(self, values: Tensor, discount: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return rewards, discounts and values such that nothing after an episode's end counts.

        The last reward of an episode that was cut includes the discounted value at the cut. Values
        are ``[T, P, B]`` (one step more, if episodes can be cut), the discount γ of each member
        ``[P]``. All that is returned is ``[T, P, B]``, or for discounts broadcasts to that.
        """
        rewards, discount_t = self.rewards, discount.view(1, -1, 1)
        if self.ended is not None and self.after is not None:
            rewards = rewards + discount_t * self.after
            return rewards, discount_t * (1 - self.ended), values[: self.steps]
        if self.mask is not None and self.truncated is not None:
            # 1 where the episode goes on after this step
            going_on = torch.cat([self.mask[1:], torch.zeros_like(self.mask[:1])])
            cut = (self.mask - going_on) * self.truncated
            rewards = rewards + cut * discount_t * values[1 : self.steps + 1]
            discount_t = discount_t * going_on
        return rewards, discount_t, values[: self.steps]


@dataclass(frozen=True)
class Stimulation:
    """What is added, after some outcomes, to the prediction error that an actor is given.

    Attributes:
        win: Added after a reward above 0 (negative: "block").
        loss: Added after any other outcome (positive: "stimulate").
        action: After this action alone; none means after every one.
    """

    win: float = 0.0
    loss: float = 0.0
    action: int | None = None

    def __call__(self, actions: Tensor, rewards: Tensor) -> Tensor:
        """What to add ``[P, B]`` after these actions and rewards ``[P, B]``."""
        added = torch.where(rewards > 0, self.win, self.loss)
        return added if self.action is None else added * (actions == self.action)


class Rollout:
    """Collect trajectories into preallocated buffers.

    Args:
        envs: A vector environment of tensors with ``members * batch`` rows, blocked by member. It
            has `steps` (the longest episode) and, if its episodes end at different times, a true
            `variable_length`.
        model: The actor-critic.
        batch: Episodes B per member.
        generators: One generator a member, for the actions (or one for several next to each
            other).
        privileged: Whether to record ``info["privileged"]``.
        facts: Whether to record the task parameters and the facts in ``info``.
        every: Whether tapes keep the states before all steps.
        steps: Steps T that are recorded at most; None: of the longest episode.
        learn: Whether something is learned from the trajectories; see `ActorCritic.tapes`.
    """

    def __init__(
        self,
        envs: Any,
        model: ActorCritic,
        batch: int,
        generators: list[torch.Generator],
        privileged: bool = False,
        facts: bool = False,
        every: bool = False,
        steps: int | None = None,
        learn: bool = True,
    ) -> None:
        self.envs, self.model, self.batch, self.generators = envs, model, batch, generators
        self.steps = int(envs.steps) if steps is None else steps
        self.variable = bool(getattr(envs, "variable_length", False))
        self.facts = facts
        self._later = facts and getattr(envs, "facts", None) == "episode"
        members, policy = model.members, model.policy
        # A time limit needs the value of the state after the last step: one slot more.
        self.tapes = model.tapes(self.steps + int(self.variable), batch, every, learn)
        shape = (self.steps, members, batch)
        size = (*shape, *policy.actions.shape)
        self.actions = torch.zeros(size, dtype=policy.dtype, device=model.device)
        self.rewards = torch.zeros(shape, dtype=model.dtype, device=model.device)
        self._noise = torch.empty(members, self.steps, policy.noise_size, batch)
        shown = int(envs.privileged_size) if privileged else 0
        self._privileged = self.rewards.new_zeros(*shape, shown) if shown else None

    def parts(self) -> dict[str, Any]:
        """Return what has a state of its own, by name."""
        return {}

    def draw_noise(self) -> Tensor:
        """Draw what actions are drawn with, ``[P, T, N, B]``."""
        # One generator serves several populations within a member.
        noise = self.model.policy.noise_(self._noise, self.generators)
        return noise.to(self.model.device, self.model.dtype)

    def collect(
        self, deterministic: bool = False, stimulation: Stimulation | None = None
    ) -> Trajectory:
        """Play one episode in every environment.

        Args:
            deterministic: Whether to take the most probable action in place of drawing from the
                policy.
            stimulation: What to add to the prediction errors that the actor is given.

        Raises:
            ConfigError: If there is something to add, but the actor is given rewards.
            TrainingError: The environment raises, or returns something that nobody can learn from.
        """
        if stimulation is not None and self.model.rows.reward is None:
            raise ConfigError(
                "these actors are given rewards; stimulation needs the network option "
                'actor_reward "rpe"'
            )
        try:
            trajectory = self._play(deterministic, stimulation)
        except Exception as error:
            blame(self.envs, error)
            raise
        # The last tape: an actor that is given prediction errors does not see the reward.
        rewards, seen = trajectory.rewards, self.tapes[-1].x[: trajectory.steps]
        ends = [end for part in (rewards, seen) if part.numel() for end in torch.aminmax(part)]
        if not float(torch.stack(ends).abs().max()) < LARGE:
            name, task = name_of(self.envs), getattr(self.envs, "task", None)
            check_numbers(name, "reward", rewards, task, first=1)
            check_numbers(name, "observation", seen, task)
        return trajectory

    def _play(self, deterministic: bool, stimulation: Stimulation | None) -> Trajectory:
        model, members, batch = self.model, self.model.members, self.batch
        drawn = None if deterministic else self.draw_noise()
        actions, rewards = self.actions.flatten(1, 2), self.rewards.flatten(1, 2)
        masks: list[Tensor] = []
        observation, info = self.envs.reset()
        task = info.get("task", {}) if self.facts else {}
        model.begin(self.tapes)
        ends = _Ends(members * batch, model.device)
        facts: list[dict[str, Tensor]] = []
        if model.plays_tables and self._told(drawn):
            return self._trajectory(self.steps, ends, task, facts, [], later=self.facts)
        noise = None if drawn is None else drawn.unbind(1)
        previous, source, used = None, observation, self.steps
        for t in range(self.steps + int(self.variable)):
            if observation is not previous:  # a buffer that is used again has its view
                source = observation.T.unflatten(1, (members, batch)).transpose(0, 1)
                previous = observation
            model.show(self.tapes, t, source)
            added = None
            if stimulation is not None and t:
                added = stimulation(self.actions[t - 1], self.rewards[t - 1])
            logits = model.step(self.tapes, t, added)
            if t == used:  # only the value after the last step was wanted
                break
            if self._privileged is not None:
                self._privileged[t].copy_(info["privileged"].view(members, batch, -1))
            if "action_mask" in info:
                self.require_masks()
                masks.append(info["action_mask"].view(members, batch, -1).transpose(1, 2))
            self._act(t, logits, None if noise is None else noise[t], masks)
            observation, reward, ended, cut, info = self.envs.step(model.policy.applied(actions[t]))
            if not t and getattr(reward, "shape", None) != rewards[t].shape:
                check_shape(self.envs, reward)
            rewards[t].copy_(reward)
            if self.facts and not self._later:
                facts.append({name: info[name] for name in info if name not in NOT_FACTS})
            if self.variable and ends.update(ended, cut):
                used = t + 1
        return self._trajectory(used, ends, task, facts, masks)

    def _told(self, noise: Tensor | None) -> bool:
        """Play the episode that begins by one call, if it can be told; return whether it can."""
        told = play(self.envs, self.model, self.tapes, noise, self.actions, self.rewards)
        if told is not None and self._privileged is not None and told[0] is not None:
            self._privileged.copy_(told[0].unflatten(1, self.actions.shape[1:]))
        return told is not None

    def require_masks(self) -> None:
        """Do nothing: actors may be told which actions they can choose."""

    def _act(self, t: int, logits: Tensor, noise: Tensor | None, masks: list[Tensor]) -> None:
        """Choose the actions of a step by logits ``[P, K, B]``, the best ones without noise."""
        policy = self.model.policy
        if noise is not None and policy.discrete and not masks:
            self.model.act(self.tapes, t, noise, self.actions[t])
            return
        logits = masked(logits, masks[-1] if masks else None)
        self.actions[t] = policy.best(logits) if noise is None else policy.sample(logits, noise)

    def _trajectory(
        self,
        used: int,
        ends: _Ends,
        task: dict[str, Tensor],
        facts: list[dict[str, Tensor]],
        masks: list[Tensor],
        later: bool = False,
    ) -> Trajectory:
        size = (self.model.members, self.batch)
        for tape in self.tapes:
            tape.used = used + int(self.variable)
        rewards, mask, truncated = self.rewards[:used], None, None
        if self.variable:
            mask = torch.stack(ends.masks).to(self.model.dtype).unflatten(1, size)
            rewards, truncated = rewards * mask, ends.truncated.view(size)
        told = {name: torch.stack([step[name] for step in facts]) for name in next(iter(facts), {})}
        if self._later or later:
            told = self.envs.episode_facts()
        return Trajectory(
            tapes=self.tapes,
            actions=self.actions[:used],
            rewards=rewards,
            mask=mask,
            truncated=truncated,
            privileged=None if self._privileged is None else self._privileged[:used],
            task={name: value.unflatten(0, size) for name, value in task.items()},
            facts={name: value.unflatten(1, size) for name, value in told.items()},
            available=torch.stack(masks[:used]) if masks else None,
        )


class _Ends:
    """Which episodes of a batch still run, and how the others ended."""

    def __init__(self, rows: int, device: torch.device | str) -> None:
        self.alive = torch.ones(rows, dtype=torch.bool, device=device)
        self.truncated = torch.zeros_like(self.alive)
        self.masks: list[Tensor] = []

    def update(self, ended: Tensor, cut: Tensor) -> bool:
        """Take the flags of one step; return whether all episodes have ended."""
        self.masks.append(self.alive)
        self.truncated = self.truncated | (cut & self.alive)
        self.alive = self.alive & ~(ended | cut)
        return not bool(self.alive.any())


class Stages:
    """Which environments all members learn in now, as a function of the steps they have made.

    Args:
        envs: Vector environments, one a stage.
        total_steps: Environment steps per member of the whole run.

    Attributes:
        facts: Sizes and lengths, see `EnvironmentFacts`.
        index: The present stage.

    Raises:
        ConfigError: One agent could not learn in all of them in lock-step.
    """

    def __init__(self, envs: Sequence[Any], total_steps: int) -> None:
        self.envs, self.total_steps = list(envs), total_steps
        self.facts = facts_of(self.envs)
        self.index = 0

    def __len__(self) -> int:
        return len(self.envs)

    @property
    def now(self) -> Any:
        """The vector environment of the present stage."""
        return self.envs[self.index]

    def move(self, index: int) -> None:
        """Make a stage the present one; its environments continue the random streams."""
        random = self.now.random_state()
        self.index = index
        self.now.set_random_state(random)

    def state(self) -> dict[str, Tensor]:
        """Return the random streams of the present stage."""
        random: dict[str, Tensor] = self.now.random_state()
        return random

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.now.set_random_state(state)

    def close(self) -> None:
        """Close the environments of all stages."""
        for envs in self.envs:
            envs.close()

    def at(self, steps: Tensor) -> int:
        """Return the stage after `steps` ``[P]`` (equal for all members if there are several)."""
        if len(self.envs) == 1:
            return 0
        return min(len(self.envs) - 1, int(steps[0].item() * len(self.envs) // self.total_steps))

    def progress(self, steps: Tensor, of: Literal["run", "stage"]) -> Tensor:
        """Return which part of the run, or of the stage, is over, ``[P]`` from 0 to 1."""
        share = steps / self.total_steps
        if of == "stage" and len(self.envs) > 1:
            share = share * len(self.envs) - self.at(steps)
        return share.clamp(max=1.0)

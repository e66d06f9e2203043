"""One member of a TD3 run: plays trials, remembers them, learns, passes through the phases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.base import Job, section
from prefrontal.agents.common.errors import TrainingError
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.networks.packed import Packing
from prefrontal.agents.replay.priorities import Priorities
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.td3.config import TD3Config
from prefrontal.agents.td3.play import Exploration, play
from prefrontal.agents.td3.update import Batch, Networks, initial_weights

LAST = 0.1  # of the step size of phase III is left at the end
METRICS = (
    *("rewarded", "episode_steps", "critic_loss", "td_error"),
    *("validation", "validation_steps", "phase", "trials"),
)
VALIDATION = 0x5EED  # added to the seed of the run: validation has targets of its own


@dataclass
class Progress:
    """How far a member is. The fields are the columns of the tensor `counters` of a checkpoint.

    Attributes:
        phase: 1, 2 or 3.
        trials: Trials played in phase I, or since.
        credit: Updates that are due, a fraction of one.
        best_rate: Rewards a step of the best agent in validation; -1 before the first one.
        validated: Number of validations that were due.
        final_phase_start: Trials at which phase III began.
        episode_return: Mean return of the last round (`return` among the metrics).
        rewarded: Rewarded fraction of the trials of the last round.
        episode_steps: Mean steps of the trials of the last round.
        critic_loss: Mean squared TD error of the last round.
        td_error: Mean absolute TD error of the last round.
        validation: Rewarded fraction in the last validation.
        validation_steps: Mean steps of the trials of the last validation.
    """

    phase: int = 1
    trials: int = 0
    credit: float = 0.0
    best_rate: float = -1.0
    validated: int = 0
    final_phase_start: int = 0
    episode_return: float = 0.0
    rewarded: float = 0.0
    episode_steps: float = 0.0
    critic_loss: float = 0.0
    td_error: float = 0.0
    validation: float = 0.0
    validation_steps: float = 0.0

    def metrics(self) -> dict[str, float]:
        """Return what is reported of a round."""
        reported = {name: float(getattr(self, name)) for name in METRICS}
        return {"return": self.episode_return, **reported}

    def row(self) -> Tensor:
        """Return the fields as a tensor ``[13]`` of float64."""
        return torch.tensor(astuple(self), dtype=torch.float64)

    @classmethod
    def of(cls, row: Tensor) -> Progress:
        """Return what `row` was made of."""
        values = zip(fields(cls), row.tolist(), strict=True)
        return cls(*(int(value) if field.type == "int" else value for field, value in values))


class Member:
    """One agent and all it needs to learn; determined by (seed, member) alone.

    Args:
        job: What to learn.
        config: Hyper-parameters.
        member: Identity.

    Raises:
        ConfigError: If the environment cannot be made.
    """

    def __init__(self, job: Job, config: TD3Config, member: int) -> None:
        self.config, self.total_steps, self.batch = config, job.total_steps, job.num_envs
        spec = job.environment

        def make(environment: Any, who: int, rows: int) -> Any:
            return make_envs(environment, [who], rows, facts=True, discrete=False)

        self.envs = [make(spec.stage(index), member, self.batch) for index in (0, -1)]
        space = self.envs[-1].single_action_space
        for envs in self.envs:
            envs.reset(seed=job.seed)
        last = spec.stage(-1)
        kinds = [{"gains": (gain,)} for gain in config.validation_gains] or [{}]
        self.validation = [
            make(replace(last, kwargs=last.kwargs | kind), 0, config.validation_trials)
            for kind in kinds
        ]
        self.validation_seed = job.seed + VALIDATION
        self.episode_steps = int(self.envs[-1].steps)
        self.inputs, self.actions = self.envs[-1].single_observation_space.shape[0], space.shape[0]
        self.generators = [generator(job.seed, member, name) for name in ("actions", "critic")]
        self.replay = generator(job.seed, member, "replay")
        weights = initial_weights(job.network, self.inputs, self.actions, [member], job.seed)
        self.nets = Networks(job.network, self.inputs, self.actions, config, weights)
        mirror = getattr(self.envs[-1], "mirror", None) if config.mirror else None
        self.mirror = None if mirror is None else tuple(torch.tensor(signs) for signs in mirror)
        self.memory = self._memory()
        self.progress = Progress()
        self.best = self.nets.weights()

    def begin_with(self, weights: Tensor) -> None:
        """Take the weights of an agent ``[n]`` to learn on from.

        Args:
            weights: Actor, first critic and, if it is there, the second.
        """
        self.nets.take(weights)
        self.best = self.nets.weights()

    @property
    def steps(self) -> int:
        """Environment steps of the trials after phase I, each counted as a whole episode."""
        return 0 if self.progress.phase == 1 else self.progress.trials * self.episode_steps

    def _memory(self) -> TrajectoryBuffer:
        """Return an empty memory, no larger than a run needs."""
        config, trials = self.config, -(-self.total_steps // self.episode_steps)
        capacity = min(config.memory, max(trials, config.learning_starts) + self.batch)
        shapes = {"observation": (self.inputs,), "action": (self.actions,), "reward": ()}
        stored = [Field(name, shape) for name, shape in shapes.items()]
        sizes, drawn = (1, capacity, self.episode_steps), Priorities(alpha=1.0)
        return TrajectoryBuffer(*sizes, stored, [self.replay], "prioritised", priorities=drawn)

    def round(self) -> dict[str, float]:
        """Play `num_envs` trials and learn from memory; nothing once the run is over.

        Returns:
            Metrics.
        """
        config, now = self.config, self.progress
        if self.steps < self.total_steps:
            self._play()
            if now.phase == 1 and self._due(config.first_phase_every, config.first_phase_trials):
                self._validate()
                found = now.validation > config.first_phase_reward
                if found or now.trials >= config.first_phase_trials:
                    self._end_first_phase()
            if len(self.memory) >= config.learning_starts:
                self._learn()
            last_trial = self.total_steps / self.episode_steps
            if self.progress.phase > 1 and self._due(config.validation_every, last_trial):
                self._validate()
        return self.progress.metrics()

    def _due(self, every: int, last_trial: float) -> bool:
        """Whether it is time for a validation, after so many trials each and at the end."""
        now = self.progress
        due = now.trials // every
        if due == now.validated and now.trials < last_trial:
            return False
        now.validated = due
        return True

    def _play(self) -> None:
        """Play trials with exploration, and remember them."""
        config, now, chance = self.config, self.progress, self.generators[0]
        steps, rows = self.episode_steps, self.batch
        noise = torch.randn(steps, rows, self.actions, generator=chance)
        random_rows = round(rows * config.random_trials) if now.phase == 1 else 0
        noise[:, :random_rows] = noise[:1, :random_rows]  # drawn once and kept
        rate = torch.full((rows,), config.stop_chance[now.phase - 1])
        rate[:random_rows] = 1 / config.random_trial_steps
        stops = torch.rand(steps, rows, generator=chance) < rate
        noise *= config.exploration[now.phase - 1]
        exploration = Exploration(noise, config.stop_threshold, stops, random_rows)
        envs = self.envs[0 if now.phase == 1 else 1]
        played = play(envs, self.nets.actor_stack, self.nets.actor, exploration)
        returns = (played.reward * played.mask).sum(1)
        paid = returns.clamp(min=0) + config.return_floor
        priority = paid if now.phase == 1 else torch.ones_like(paid)
        data = {name: getattr(played, name)[None] for name in ("observation", "action", "reward")}
        self.memory.add(data, played.lengths[None], priority=priority[None])
        now.trials += rows
        now.episode_return = returns.mean().item()
        now.rewarded = played.rewarded / max(played.trials, 1.0)
        now.episode_steps = played.lengths.double().mean().item()

    def _end_first_phase(self) -> None:
        """Go on to phase II: memory and counters are cleared."""
        self.memory = self._memory()
        # The validation of phase I is not reported as one of phase II.
        cleared = ("trials", "credit", "best_rate", "validated", "validation")
        begin = {name: getattr(Progress(), name) for name in cleared}
        self.progress = replace(self.progress, phase=2, **begin)

    def _learn(self) -> None:
        """Make the updates that the trials of this round allow."""
        config, now = self.config, self.progress
        now.credit += self.batch * config.updates_per_trial
        count = int(now.credit)
        now.credit -= count
        if not count:
            return
        imitation = config.imitation if now.phase == 1 else 0.0
        losses = [
            self.nets.learn(batch, self._learning_rate(), self.generators[1], imitation)
            for batch in self._batches(count)
        ]
        now.critic_loss, now.td_error = torch.tensor(losses, dtype=torch.float64).mean(0).tolist()
        if not now.critic_loss < float("inf"):
            raise TrainingError("the critics' loss is not a number; lower the learning rate")

    def _batches(self, count: int) -> Iterator[Batch]:
        """Draw trajectories for `count` updates; those of a batch are of similar length."""
        size = self.config.batch
        sample = self.memory.sample(count * size)
        x, a, r = (sample.data[name][0] for name in ("observation", "action", "reward"))
        chance = self.generators[1]
        if self.mirror is not None:
            flip = (torch.rand(count * size, generator=chance) < 0.5).view(-1, 1, 1)
            x, a = (torch.where(flip, v * s, v) for v, s in zip((x, a), self.mirror, strict=True))
        lengths = sample.lengths[0]
        order = lengths.argsort(descending=True, stable=True)
        for index in torch.randperm(count, generator=chance).tolist():
            rows = order[index * size : (index + 1) * size]
            packing = Packing(tuple(lengths[rows].tolist()))
            observation, action, reward = (packing.pack(value[rows]) for value in (x, a, r))
            yield Batch(observation, action, reward, packing)

    def _validate(self) -> None:
        """Play the validation trials, keep the best agent, and decide on phase III.

        The best agent is the one with the most rewards a step.
        """
        now, fractions, rates, steps = self.progress, [], [], []
        for envs in self.validation:
            envs.reset(seed=self.validation_seed)
            played = play(envs, self.nets.actor_stack, self.nets.actor)
            fractions.append(played.rewarded / max(played.trials, 1.0))
            rates.append(played.rewarded / played.mask.sum().item())
            steps.append(played.lengths.double().mean().item())
        now.validation = sum(fractions) / len(fractions)
        now.validation_steps = sum(steps) / len(steps)
        if sum(rates) > now.best_rate:
            self.best, now.best_rate = self.nets.weights(), sum(rates)
        if now.phase == 2 and max(fractions) > self.config.final_phase_reward:
            now.phase, now.final_phase_start = 3, now.trials

    def _learning_rate(self) -> float:
        """Return the step size: constant in phases I and II, then falling linearly."""
        now, config = self.progress, self.config
        if now.phase < 3:
            return config.learning_rate
        begun = now.final_phase_start
        share = (now.trials - begun) / (self.total_steps / self.episode_steps - begun)
        return config.learning_rate_final * (1 - (1 - LAST) * share)

    # --- to go on later ---

    def state(self) -> dict[str, Tensor]:
        """Return everything, ``[1, ...]`` each."""
        state = {
            "weights": self.best if self.progress.best_rate >= 0 else self.nets.weights(),
            "best": self.best,
            "steps": torch.tensor([float(self.steps)], dtype=torch.float64),
            "counters": self.progress.row()[None],
            "generators": generator_states(self.generators).flatten()[None],
        }
        state |= {f"nets.{name}": value for name, value in self.nets.state().items()}
        for name, value in self.memory.state().items():
            # Members may remember different numbers of trials.
            if name == "weights" or name.startswith("data."):
                full = value.new_zeros(1, self.memory.capacity, *value.shape[2:])
                full[:, : value.shape[1]] = value
                value = full
            state[f"memory.{name}"] = value
        for index, envs in enumerate(self.envs):
            state |= {f"envs{index}.{name}": value for name, value in envs.random_state().items()}
        return {name: value.detach().clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.progress = Progress.of(state["counters"][0])
        self.best = state["best"].clone()
        set_generator_states(self.generators, state["generators"].view(len(self.generators), -1))
        self.nets.set_state(section(state, "nets"))
        self.memory.set_state(section(state, "memory"))
        for index, envs in enumerate(self.envs):
            envs.set_random_state(section(state, f"envs{index}"))

    def close(self) -> None:
        """Close the environments."""
        for envs in (*self.envs, *self.validation):
            envs.close()

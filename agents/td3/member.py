"""One member of a TD3 run: plays trials, remembers them, learns from memory, passes through the phases of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from gymnasium import spaces
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.networks.packed_lstm import Packing
from prefrontal.agents.replay.priorities import Priorities
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.td3.play import play
from prefrontal.agents.td3.update import Batch, Networks, initial_weights

if TYPE_CHECKING:
    from prefrontal.agents.base import Job
    from prefrontal.agents.td3.learner import TD3Config

__all__ = ["Member"]

LAST = 0.1  # of the step size of phase III is left at the end
VALIDATION = 0x5EED  # added to the seed of the run: validation has targets of its own


class Member:
    """One agent and all it needs to learn; determined by (seed, member) alone.

    Args:
        job: What to learn.
        config: Hyper-parameters.
        member: Identity.
    """

    def __init__(self, job: Job, config: TD3Config, member: int) -> None:
        self.config, self.total_steps, self.batch = config, job.total_steps, job.num_envs
        spec = job.environment

        def make(environment: Any, who: int, rows: int) -> Any:
            return make_envs(
                environment, [who], rows, facts=True, device=job.device, discrete=False
            )

        self.envs = [
            make(spec.stage(0), member, self.batch),
            make(spec.stage(-1), member, self.batch),
        ]
        space = self.envs[-1].single_action_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1 or abs(space.low).max() != 1:
            raise ConfigError(f"recurrent TD3 needs actions within -1 ... 1, not {space}")
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
        self.phase, self.trials, self.credit = 1, 0, 0.0
        self.mastered = 0  # trials at which phase III began
        self.best, self.best_rate, self.validated = self.nets.weights(), -1.0, 0
        self.metrics = dict.fromkeys(
            (
                "return",
                "rewarded",
                "episode_steps",
                "critic_loss",
                "td_error",
                "validation",
                "validation_steps",
            ),
            0.0,
        )

    def begin_with(self, weights: Tensor) -> None:
        """Takes the weights of an agent ``[n]`` to learn on from: actor, first critic and, if it is there, the second."""
        self.nets.take(weights)
        self.best = self.nets.weights()

    @property
    def steps(self) -> int:
        """Environment steps of the trials after phase I, each counted as a whole episode."""
        return 0 if self.phase == 1 else self.trials * self.episode_steps

    def _memory(self) -> TrajectoryBuffer:
        """An empty memory, no larger than a run needs."""
        trials = -(-self.total_steps // self.episode_steps)
        fields = [
            Field("observation", (self.inputs,)),
            Field("action", (self.actions,)),
            Field("reward"),
        ]
        capacity = min(self.config.memory, max(trials, self.config.learning_starts) + self.batch)
        return TrajectoryBuffer(
            1, capacity, self.episode_steps, fields, [self.replay], "prioritised", priorities=Priorities(alpha=1.0)
        )  # fmt: skip

    def round(self) -> dict[str, float]:
        """Plays `num_envs` trials and learns from memory; nothing once the run is over. Returns metrics."""
        if self.steps < self.total_steps:
            self._play()
            if len(self.memory) >= self.config.learning_starts:
                self._learn()
            if self.phase > 1:
                due = self.trials // self.config.validation_every
                if due > self.validated or self.steps >= self.total_steps:
                    self.validated = due
                    self._validate()
        return {**self.metrics, "phase": float(self.phase), "trials": float(self.trials)}

    def _play(self) -> None:
        """Plays trials with exploration, and remembers them."""
        config = self.config
        deviation = config.exploration[self.phase - 1]
        noise = torch.randn(
            self.episode_steps, self.batch, self.actions, generator=self.generators[0]
        )
        babbling = round(self.batch * config.babble) if self.phase == 1 else 0
        noise[:, :babbling] = noise[:1, :babbling]  # drawn once and kept
        chance = torch.full((self.batch,), config.stop_chance[self.phase - 1])
        chance[:babbling] = 1 / config.babble_steps
        halt = torch.rand(self.episode_steps, self.batch, generator=self.generators[0]) < chance
        played = play(
            self.envs[min(self.phase, 2) - 1], self.nets.actor_stack, self.nets.actor,
            noise * deviation, config.stop_threshold, halt, babbling,
        )  # fmt: skip
        data = {"observation": played.observation, "action": played.action, "reward": played.reward}
        returns = (played.reward * played.mask).sum(1)
        paid = returns.clamp(min=0) + config.return_floor
        priority = paid if self.phase == 1 else torch.ones_like(paid)
        self.memory.add(
            {name: value[None] for name, value in data.items()}, played.lengths[None], priority=priority[None]
        )  # fmt: skip
        self.trials += self.batch
        self.metrics |= {
            "return": returns.mean().item(),
            "rewarded": played.rewarded / max(played.trials, 1.0),
            "episode_steps": played.lengths.double().mean().item(),
        }
        if self.phase == 1:
            due = self.trials // config.first_phase_every
            if due > self.validated or self.trials >= config.first_phase_trials:
                self.validated = due
                self._consider()

    def _consider(self) -> None:
        """Ends phase I once the agent finds rewards by itself: memory and counters are cleared."""
        self._validate()
        found = self.metrics["validation"] > self.config.first_phase_reward
        if found or self.trials >= self.config.first_phase_trials:
            self.memory, self.best_rate = self._memory(), -1.0
            self.phase, self.trials, self.credit, self.validated = 2, 0, 0.0, 0
            self.metrics["validation"] = 0.0  # until the first one of phase II

    def _learn(self) -> None:
        """The updates that the trials of this round allow."""
        config = self.config
        self.credit += self.batch * config.updates_per_trial
        count = int(self.credit)
        self.credit -= count
        if not count:
            return
        imitation = config.imitation if self.phase == 1 else 0.0
        losses = [
            self.nets.learn(batch, self._learning_rate(), self.generators[1], imitation)
            for batch in self._batches(count)
        ]
        squared, size = torch.tensor(losses, dtype=torch.float64).mean(0).tolist()
        if not squared < float("inf"):
            raise TrainingError("the critics' loss is not a number; lower the learning rate")
        self.metrics |= {"critic_loss": squared, "td_error": size}

    def _batches(self, count: int) -> Iterator[Batch]:
        """Draws trajectories for `count` updates; sorts them by length, so that those of a batch are of similar length."""
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
            yield Batch(
                packing.pack(x[rows]), packing.pack(a[rows]), packing.pack(r[rows]), packing
            )

    def _validate(self) -> None:
        """Plays the validation trials; keeps the agent with the most rewards a step, and decides on phase III."""
        fractions, rates, steps = [], [], []
        for envs in self.validation:
            envs.reset(seed=self.validation_seed)
            played = play(envs, self.nets.actor_stack, self.nets.actor)
            fractions.append(played.rewarded / max(played.trials, 1.0))
            rates.append(played.rewarded / played.mask.sum().item())
            steps.append(played.lengths.double().mean().item())
        self.metrics |= {
            "validation": sum(fractions) / len(fractions),
            "validation_steps": sum(steps) / len(steps),
        }
        if sum(rates) > self.best_rate:
            self.best, self.best_rate = self.nets.weights(), sum(rates)
        if self.phase == 2 and max(fractions) > self.config.final_phase_reward:
            self.phase, self.mastered = 3, self.trials

    def _learning_rate(self) -> float:
        """Step size: constant in phases I and II, then falling linearly."""
        if self.phase < 3:
            return self.config.learning_rate
        left = self.total_steps / self.episode_steps - self.mastered
        return self.config.learning_rate_final * (
            1 - (1 - LAST) * (self.trials - self.mastered) / left
        )

    # --- to go on later ---

    def state(self) -> dict[str, Tensor]:
        """Everything, ``[1, ...]`` each."""
        counters = [
            self.phase,
            self.trials,
            self.credit,
            self.best_rate,
            self.validated,
            self.mastered,
            *self.metrics.values(),
        ]
        state = {
            "weights": self.best if self.best_rate >= 0 else self.nets.weights(),
            "best": self.best,
            "steps": torch.tensor([float(self.steps)], dtype=torch.float64),
            "counters": torch.tensor([counters], dtype=torch.float64),
            "generators": generator_states(self.generators).flatten()[None],
        }
        state |= {f"nets.{name}": value for name, value in self.nets.state().items()}
        for name, value in self.memory.state().items():
            if name == "weights" or name.startswith(
                "data."
            ):  # members may remember different numbers of trials
                full = value.new_zeros(1, self.memory.capacity, *value.shape[2:])
                full[:, : value.shape[1]] = value
                value = full
            state[f"memory.{name}"] = value
        for index, envs in enumerate(self.envs):
            state |= {f"envs{index}.{name}": value for name, value in envs.random_state().items()}
        return {name: value.detach().clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        phase, trials, self.credit, self.best_rate, validated, mastered, *metrics = state[
            "counters"
        ][0].tolist()
        self.phase, self.trials = int(phase), int(trials)
        self.validated, self.mastered = int(validated), int(mastered)
        self.metrics = dict(zip(self.metrics, metrics, strict=True))
        self.best = state["best"].clone()
        set_generator_states(self.generators, state["generators"].view(len(self.generators), -1))

        def section(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}

        self.nets.set_state(section("nets."))
        self.memory.set_state(section("memory."))
        for index, envs in enumerate(self.envs):
            envs.set_random_state(section(f"envs{index}."))

    def close(self) -> None:
        """Closes the environments."""
        for envs in (*self.envs, *self.validation):
            envs.close()

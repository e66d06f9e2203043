"""Trained policies that adapt by gradient, as users meet them: load, index, predict, record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.base import Job, Record, learn_until
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.gradient_policies.config import LogitsConfig, MetaGradientConfig
from prefrontal.agents.gradient_policies.learner import MetaGradient, check
from prefrontal.agents.gradient_policies.policy import Parameters, inner_gradient, play, size
from prefrontal.agents.rollout.environments import register_ids
from prefrontal.agents.rollout.members import Members
from prefrontal.agents.rollout.predicting import observed, resumed
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import Shapes, save_checkpoint
from prefrontal.agents.runs.described import Described, require_shape
from prefrontal.checking import option

KIND = "gradient-policy"


@dataclass(frozen=True)
class Description(Described):
    """What `prefrontal.agents.load` needs besides the weights; see `GradientPopulation`."""

    network: LogitsConfig
    environment: EnvironmentSpec
    input_size: int = option(dataclasses.MISSING, "Inputs a step.", least=1)
    num_actions: int = option(dataclasses.MISSING, "Actions.", least=1)
    steps: int = option(dataclasses.MISSING, "Steps of an episode of training.", least=1)
    seed: int = option(dataclasses.MISSING, "Seed of the run.", least=0)
    members: tuple[int, ...] = option(dataclasses.MISSING, "Identities.", least=0)


def _described(job: Job) -> Description:
    """Return what there is to say of the agents of a job."""
    network, facts = cast(LogitsConfig, job.network), job.facts
    sizes = facts.input_size, facts.num_actions, facts.longest
    return Description(network, job.environment, *sizes, job.seed, tuple(range(job.members)))


def make_population(job: Job, weights: Tensor) -> GradientPopulation:
    """Make the agents of a job with these weights ``[P, n]``."""
    return GradientPopulation(weights, _described(job))


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    return _meta(_described(job))


def _meta(told: Description) -> dict[str, Any]:
    plain = to_plain(told)
    return {"kind": KIND, **plain, "network": {"kind": told.network.kind, **plain["network"]}}


class GradientPopulation(Members):
    """P independent policies of logits, which take gradient steps within an episode.

    Args:
        weights: Parameters ``[P, n]``, see `prefrontal.agents.gradient_policies.policy`.
        told: What else there is to know of them.

    Raises:
        CheckpointError: Numbers of weights and of members, or of parameters, do not fit.
    """

    discrete = True

    def __init__(self, weights: Tensor, told: Description) -> None:
        self.told, self.environment, self.input_size = told, told.environment, told.input_size
        self.network, self.seed, self.members = told.network, told.seed, list(told.members)
        shape = len(self.members), size(told.num_actions, told.network.updates)
        if tuple(weights.shape) != shape:
            raise CheckpointError(
                f"weights have shape {list(weights.shape)}, but these policies need {list(shape)}"
            )
        self.weights = weights.detach().clone().to(torch.float32)

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> GradientPopulation:
        """Return the agents that a checkpoint holds; see `prefrontal.agents.load`."""
        told = Description.of(meta, folder)
        register_ids(told.environment.id)
        return cls(arrays["weights"], told)

    @classmethod
    def require_fit(cls, shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
        """Check shapes of weights; see `Population.require_fit`."""
        told = Description.of(meta, folder)
        needed = len(told.members), size(told.num_actions, told.network.updates)
        require_shape(shapes, "weights", [needed], folder)

    def _of(self, indices: Sequence[int], kind: Any) -> Any:
        members = tuple(self.members[index] for index in indices)
        return kind(self.weights[list(indices)], dataclasses.replace(self.told, members=members))

    def part(self, indices: Sequence[int]) -> GradientPopulation:
        """See `Members.part`."""
        return cast(GradientPopulation, self._of(indices, GradientPopulation))

    def member(self, index: int) -> GradientAgent:
        """See `Members.member`."""
        return cast(GradientAgent, self._of([index], GradientAgent))

    def parameters(self) -> Parameters:
        """Return start, step sizes and baselines."""
        return Parameters.of(self.weights, self.told.num_actions, self.network.updates)

    def learn(
        self, total_steps: int, config: MetaGradientConfig | None = None, num_envs: int = 128
    ) -> dict[str, np.ndarray]:
        """Train all policies on (a new optimiser; schedules span the call).

        Args:
            total_steps: Environment steps per member.
            config: Settings; None for the defaults.
            num_envs: Episodes per member and update.

        Returns:
            Metrics by name, ``[updates, P]``.

        Raises:
            ConfigError: Numbers, settings and environment do not fit together.
        """
        config = config or MetaGradientConfig()
        told = self.environment, self.network, config, len(self), num_envs, total_steps, self.seed
        job = Job(*told)
        check(job)
        learner = MetaGradient(job, self.members)
        learner.weights = self.weights.clone()
        metrics = learn_until(learner, total_steps)
        self.weights = learner.weights
        return metrics

    def record(
        self,
        envs: Any,
        batches: int,
        *,
        seed: int,
        discount: float,
        deterministic: bool | None = None,
        hidden: bool = False,
        stimulation: Any = None,
        forget: bool = False,
    ) -> Iterator[Record]:
        """Play and record batches of episodes; see `prefrontal.agents.base.Trained.record`.

        The logits are updated within an episode, as in training; the weights are not.

        Returns:
            Of each batch ``action`` and ``reward`` ``[P, B, T]``, ``policy [P, B, T, K]``, facts of
            the environment, ``regret`` where it is defined, and ``task.NAME``; if wanted
            ``hidden`` (the logits) and ``observation``.
        """
        if stimulation is not None or forget:
            raise ConfigError(
                "policies of logits have no prediction errors to stimulate and no trials within an "
                "episode to forget"
            )
        self.check_env(envs)
        chances = [generator(seed, member, "evaluation") for member in self.members]
        return (self._recorded(envs, chances, bool(deterministic), hidden) for _ in range(batches))

    def _recorded(
        self, envs: Any, chances: Sequence[torch.Generator], greedy: bool, hidden: bool
    ) -> Record:
        shape = int(envs.steps), envs.num_envs // len(self)
        drawn = (
            None if greedy else torch.stack([torch.rand(shape, generator=g) for g in chances], 1)
        )
        columns: dict[str, list[Tensor]] = {}

        def watch(before: Tensor, said: dict[str, Tensor]) -> None:
            facts = {name: value for name, value in said.items() if name != "task"}
            for name, value in (facts | ({"observation": before} if hidden else {})).items():
                columns.setdefault(name, []).append(value.clone().unflatten(0, (len(self), -1)))

        played = play(envs, self.parameters(), self.network.times(self.told.steps), drawn, watch)
        lengths = torch.tensor([0, *played.ends]).diff()
        logits = torch.stack(played.logits, 2).repeat_interleave(lengths, 2)
        tensors = {name: torch.stack(values, 2) for name, values in columns.items()}
        tensors |= {
            "action": played.actions.movedim(0, 2).to(torch.int16),
            "reward": played.rewards.movedim(0, 2),
            "policy": logits.softmax(-1),
        }
        if hidden:
            tensors["hidden"] = logits
        if {"optimal_reward", "expected_reward"} <= set(tensors):
            tensors["regret"] = tensors["optimal_reward"] - tensors["expected_reward"]
        for name, value in played.task.items():
            tensors[f"task.{name}"] = value.unflatten(0, (len(self), -1))
        return {name: x.contiguous().numpy().copy() for name, x in tensors.items()}

    def meta(self) -> dict[str, Any]:
        """Return what `prefrontal.agents.load` needs besides the weights."""
        return _meta(self.told)

    def save(self, path: Path | str) -> None:
        """Write weights (safetensors) and description (JSON) to ``path/checkpoint``."""
        save_checkpoint(Path(path) / "checkpoint", {"weights": self.weights}, self.meta())


class GradientAgent(GradientPopulation):
    """One member. `predict` makes it usable wherever a Stable-Baselines3 model is."""

    def __init__(self, weights: Tensor, told: Description) -> None:
        super().__init__(weights, told)
        inputs = self.environment.inputs
        after = inputs[inputs.index("reward") :]
        self._reward = -sum(told.num_actions if name == "action" else 1 for name in after)
        self.set_random_seed(0)

    def set_random_seed(self, seed: int) -> None:
        """Restart the random numbers that actions are drawn with."""
        self._generator = generator(seed, self.members[0], "evaluation")

    def predict(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return actions, and what the next call needs to know.

        Args:
            observation: One ``[I]`` or a batch ``[n, I]``, with the inputs of training, of which
                only the last reward is looked at.
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts begin anew.
            deterministic: Whether to take the best action; by default actions are drawn.

        Returns:
            Actions (a 0-d array for one observation, else ``[n]``), and the state: logits, how
            often each action was taken and what it earned since the last update, the last action
            (one-hot), each ``[n, K]``, and the steps made ``[n, 1]``.

        Raises:
            ValueError: If the observation or the state has the wrong size or is not finite.
        """
        rows = torch.from_numpy(observed(observation, self.input_size, self.environment))
        parameters = self.parameters()
        logits = parameters.start[0].expand(len(rows), -1)
        nothing = torch.zeros_like(logits)
        fresh = [logits, nothing, nothing, nothing, torch.zeros(len(rows), 1)]
        if state is not None:
            fresh = resumed(state, episode_start, fresh, len(rows))
        logits, taken, earned, last, steps = fresh
        taken, earned = taken + last, earned + last * rows[:, self._reward :][:, :1]
        for k, time in enumerate(self.network.times(self.told.steps)):
            now = steps == time
            gradient = inner_gradient(logits, taken, earned, parameters.baselines[0, k])
            logits = torch.where(now, logits + parameters.steps[0, k] * gradient, logits)
            taken, earned = taken.masked_fill(now, 0.0), earned.masked_fill(now, 0.0)
        policy = logits.softmax(-1)
        if deterministic:
            action = policy.argmax(-1)
        else:
            drawn = torch.rand(len(rows), 1, generator=self._generator)
            action = (drawn >= policy.cumsum(-1)[:, :-1]).sum(-1)
        last = torch.nn.functional.one_hot(action, self.told.num_actions).float()
        after = tuple(x.numpy() for x in (logits.clone(), taken, earned, last, steps + 1))
        return (action[0] if np.ndim(observation) == 1 else action).numpy(), after

"""Deterministic recurrent actors with twin critics, as recurrent TD3 trains them and as users meet them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.base import Job, Record, learn_until
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.common.returns import rpe
from prefrontal.agents.networks.packed_lstm import Packing
from prefrontal.agents.population import import_environment
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.predicting import observed, resumed
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import save_checkpoint
from prefrontal.agents.td3.learner import TD3, TD3Config
from prefrontal.agents.td3.networks import TD3NetworkConfig
from prefrontal.agents.td3.play import Episodes, play

__all__ = ["KIND", "ContinuousAgent", "ContinuousPopulation", "make_population", "meta"]

KIND = "recurrent-td3"


@dataclass(frozen=True)
class Description:
    """What `prefrontal.agents.load` needs besides the weights; see `ContinuousPopulation`."""

    network: TD3NetworkConfig
    environment: EnvironmentSpec
    input_size: int
    action_size: int
    seed: int
    members: tuple[int, ...]


def make_population(job: Job, weights: Tensor) -> ContinuousPopulation:
    """Make the agents of a job with these weights ``[P, n]``."""
    return ContinuousPopulation.of(job, weights)


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    sizes = job.facts.input_size, job.facts.action_size
    return _meta(job.network, job.environment, *sizes, job.seed, tuple(range(job.members)))


def _meta(network: TD3NetworkConfig, *told: Any) -> dict[str, Any]:
    plain = to_plain(Description(network, *told))
    return {"kind": KIND, **plain, "network": {"kind": network.kind, **plain["network"]}}


class ContinuousPopulation:
    """P independent agents of one shape, each an actor and two critics.

    Args:
        weights: Parameters ``[P, n]``: actor and first critic of each in one row, and the second critic, which only learning
            needs, or not.
        network: Shape of the networks.
        environment: What they were trained on.
        input_size: Inputs I a step.
        action_size: Numbers A in an action, each within -1 ... 1.
        seed: Seed they were trained with.
        members: Identities of the members (default 0 ... P - 1).
    """

    def __init__(
        self,
        weights: Tensor,
        network: TD3NetworkConfig,
        environment: EnvironmentSpec,
        input_size: int,
        action_size: int,
        seed: int = 0,
        members: Sequence[int] | None = None,
    ) -> None:
        self.network, self.environment, self.seed = network, environment, seed
        self.input_size, self.action_size = input_size, action_size
        self.members = list(members) if members is not None else list(range(len(weights)))
        members_given = len(weights)
        self.actor_stack, _ = network.stacks(input_size, action_size, members_given)
        self.critic_stack = network.critic_stack(input_size, action_size, members_given)
        actor, critic = self.actor_stack.size, self.critic_stack.size
        if len(self.members) != members_given:
            raise CheckpointError(
                f"{len(self.members)} members cannot have {members_given} weights"
            )
        if weights.shape[1:] not in ((actor + critic,), (actor + 2 * critic,)):
            raise CheckpointError(
                f"weights have shape {list(weights.shape)}, but this network needs "
                f"{[len(self.members), actor + critic]} or, with a second critic, "
                f"{actor + 2 * critic}"
            )
        self.weights = weights.detach().clone().to(torch.float32)

    discrete = False

    @property
    def actors(self) -> Tensor:
        """Parameters of the actors, ``[P, n]``."""
        return self.weights[:, : self.actor_stack.size].contiguous()

    @property
    def critics(self) -> Tensor:
        """Parameters of the first critics, ``[P, n]``."""
        start = self.actor_stack.size
        return self.weights[:, start : start + self.critic_stack.size].contiguous()

    def compact(self) -> Tensor:
        """Weights to ship, a third of the size: actors and first critics in half precision (three digits)."""
        return torch.cat([self.actors, self.critics], 1).to(torch.float16)

    @classmethod
    def of(cls, job: Job, weights: Tensor) -> ContinuousPopulation:
        """The agents of a job with these weights."""
        return cls._for(job.environment, job.network, weights, job.seed)

    @classmethod
    def create(
        cls,
        environment: EnvironmentSpec | str,
        network: TD3NetworkConfig | None = None,
        members: int = 1,
        seed: int = 0,
    ) -> ContinuousPopulation:
        """Agents with fresh weights for an environment (a Gymnasium id, or a specification)."""
        from prefrontal.agents.td3.update import initial_weights

        spec = EnvironmentSpec(environment) if isinstance(environment, str) else environment
        network = network or TD3NetworkConfig()
        size, actions = _sizes(spec)
        weights = initial_weights(network, size, actions, range(members), seed)
        return cls(weights, network, spec, size, actions, seed)

    @classmethod
    def _for(
        cls, spec: EnvironmentSpec, network: TD3NetworkConfig, weights: Tensor, seed: int
    ) -> ContinuousPopulation:
        return cls(weights, network, spec, *_sizes(spec), seed)

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> ContinuousPopulation:
        """The agents in what a checkpoint holds; see `prefrontal.agents.population.load_trained`."""
        names = [field.name for field in fields(Description)]
        known = {name: meta[name] for name in names if name in meta}
        known["network"] = {k: v for k, v in known.get("network", {}).items() if k != "kind"}
        description = from_plain(Description, known, f"{folder / 'checkpoint'}")
        import_environment(description.environment, folder)
        return cls(arrays["weights"], **{name: getattr(description, name) for name in names})

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> ContinuousAgent:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} members, no number {index}")
        index %= len(self)
        return ContinuousAgent(
            self.weights[index : index + 1], self.network, self.environment, self.input_size,
            self.action_size, self.seed, [self.members[index]],
        )  # fmt: skip

    def __iter__(self) -> Iterator[ContinuousAgent]:
        return (self[index] for index in range(len(self)))

    def play(self, envs: Any, forget: bool = False) -> Episodes:
        """Plays an episode in every row of a vector environment of tensors (with facts, rows blocked by member).

        Args:
            envs: The environment.
            forget: Whether the recurrent state begins anew after every trial, as a control.
        """
        return play(envs, self.actor_stack, self.actors, keep=True, forget=forget)

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
    ) -> list[Record]:
        """Play and record batches of episodes; see `prefrontal.agents.base.Trained.record`.

        Returns:
            Of each batch ``action [P, B, T, A]``, ``reward``, ``mask`` ``[P, B, T]`` (1 while
            something happens), facts of the environment, and ``task.NAME``. Unless they forget:
            ``value`` and ``rpe`` of the first critic.
        """
        if stimulation is not None:
            raise ConfigError(
                "agents with continuous actions are not given prediction errors that could be "
                "stimulated"
            )
        played = (self.play(envs, forget) for _ in range(batches))
        return [self._recorded(one, discount, hidden, forget) for one in played]

    def _recorded(self, episodes: Episodes, discount: float, hidden: bool, forgot: bool) -> Record:
        mask = episodes.mask
        tensors = {"action": episodes.action, "reward": episodes.reward, "mask": mask}
        tensors |= episodes.facts
        if not forgot:  # values and states would be those of agents that remember
            values, none = self.values(episodes), torch.zeros_like(mask[:, :1])
            after = torch.cat([values[:, 1:] * mask[:, 1:], none], 1)
            tensors["value"] = values
            tensors["rpe"] = rpe(episodes.reward, discount, values, after) * mask
        if hidden and not forgot:
            tensors |= {"hidden": self.hidden(episodes), "observation": episodes.observation}
        tensors |= {f"task.{name}": value for name, value in episodes.task.items()}
        size = (len(self), -1)
        return {name: x.cpu().unflatten(0, size).numpy().copy() for name, x in tensors.items()}

    def values(self, episodes: Episodes) -> Tensor:
        """Values of the actions taken, ``[E, T]``: of the first critic, after all that it had seen until then."""
        rows, steps = episodes.mask.shape
        packing = Packing((steps,) * (rows // len(self)))
        x, a = (self._packed(v, packing) for v in (episodes.observation, episodes.action))
        out, _ = self.critic_stack.forward(self.critics, x, a, packing)
        return torch.cat([packing.unpack(one[:, 0], steps) for one in out])

    def hidden(self, episodes: Episodes) -> Tensor:
        """States of the actor's last LSTM, ``[E, T, H]``: what it believes where there is a network behind it to act."""
        stack, e = self.actor_stack, episodes
        rows, steps = e.mask.shape
        packing = Packing((steps,) * (rows // len(self)))
        x = self._packed(e.observation, packing)
        _, tape = stack.forward(self.actors, x, None, packing)
        hidden = tape.stages[len(stack.shape.lstm) - 1][1].hidden
        return torch.cat([packing.unpack(one, steps) for one in hidden])

    def _packed(self, value: Tensor, packing: Packing) -> Tensor:
        """From ``[E, T, F]`` to rows of each member, ``[P, R, F]``."""
        return torch.stack([packing.pack(one) for one in value.unflatten(0, (len(self), -1))])

    def learn(
        self, total_steps: int, config: TD3Config | None = None, num_envs: int = 8
    ) -> dict[str, np.ndarray]:
        """Trains all members on their environment with recurrent TD3, and keeps what does best in validation after phase I.

        Memory, optimisers and phases begin anew; so does the second critic of agents that came without one. Fresh agents learn
        what `train.py` gives, bit by bit (with one thread).

        Args:
            total_steps: Environment steps per member after phase I, each trial counted as a whole episode.
            config: Hyper-parameters.
            num_envs: Trials per member and round.

        Returns:
            Metrics by name, ``[rounds, P]``.

        Raises:
            ValueError: If `total_steps` is below 1.
        """
        config = config or TD3Config()
        job = Job(
            self.environment, self.network, config, len(self), num_envs, total_steps, self.seed
        )
        learner = TD3(job, config, self.members)
        for member, weights in zip(learner.members, self.weights, strict=True):
            member.begin_with(weights)
        metrics = learn_until(learner, total_steps)
        self.weights = learner.state()["weights"]
        return metrics

    def meta(self) -> dict[str, Any]:
        """What `prefrontal.agents.load` needs besides the weights."""
        sizes = self.input_size, self.action_size
        return _meta(self.network, self.environment, *sizes, self.seed, tuple(self.members))

    def save(self, path: Path | str) -> None:
        """Writes the weights (safetensors) and their description (JSON) to ``path/checkpoint``; see `prefrontal.agents.load`."""
        save_checkpoint(Path(path) / "checkpoint", {"weights": self.weights}, self.meta())


class ContinuousAgent(ContinuousPopulation):
    """One member. `predict` makes it usable wherever a Stable-Baselines3 model is."""

    def predict(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Actions for one observation or a batch, and the recurrent state to pass back with the next one.

        Args:
            observation: ``[I]`` or ``[n, I]``, with the inputs the agent was trained with.
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts get the initial state.
            deterministic: These agents have no randomness of their own; both values give the same.

        Returns:
            Actions (``[A]`` for one observation, else ``[n, A]``) and the state, arrays ``[n, H]``.

        Raises:
            ValueError: If the observation or the state has the wrong size or is not finite.
        """
        rows = observed(observation, self.input_size, self.environment)
        stack = self.actor_stack
        before = stack.begin(len(rows), self.weights)
        if state is not None:
            initial = [part[0] for pair in before for part in pair]
            parts = [part[None] for part in resumed(state, episode_start, initial, len(rows))]
            before = list(zip(parts[::2], parts[1::2], strict=True))
        out, after = stack.step(self.actors, torch.from_numpy(rows)[None], before)
        action = out[0].tanh().numpy()
        return (action[0] if np.ndim(observation) == 1 else action), tuple(
            part[0].numpy().copy() for pair in after for part in pair
        )


def _sizes(spec: EnvironmentSpec) -> tuple[int, int]:
    """Inputs and numbers in an action of an environment."""
    envs = make_envs(spec, [0], 1, discrete=False)
    inputs, shape = envs.single_observation_space.shape[0], envs.single_action_space.shape
    envs.close()
    if len(shape) != 1:
        raise ConfigError(f"environment {spec.id!r} has no continuous actions")
    return inputs, shape[0]

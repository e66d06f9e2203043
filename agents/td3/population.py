"""Trained agents of recurrent TD3 as users meet them: load, index, predict, learn, save."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.base import Job, Record, learn_until
from prefrontal.agents.common.errors import CheckpointError, ConfigError, require_count
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.common.returns import rpe
from prefrontal.agents.networks.packed import Packing
from prefrontal.agents.rollout.environments import probe, register_ids
from prefrontal.agents.rollout.members import Members
from prefrontal.agents.rollout.predicting import observed, resumed
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import Shapes, save_checkpoint
from prefrontal.agents.runs.described import Described, require_shape
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.agents.td3.learner import TD3
from prefrontal.agents.td3.networks import require_continuous, stacks
from prefrontal.agents.td3.play import Episodes, play
from prefrontal.agents.td3.update import initial_weights
from prefrontal.checking import option

KIND = "recurrent-td3"


@dataclass(frozen=True)
class Description(Described):
    """What `prefrontal.agents.load` needs besides the weights; see `ContinuousPopulation`."""

    network: TD3NetworkConfig
    environment: EnvironmentSpec
    input_size: int = option(dataclasses.MISSING, "Inputs a step.", least=1)
    action_size: int = option(dataclasses.MISSING, "Numbers in an action.", least=1)
    seed: int = option(dataclasses.MISSING, "Seed of the run.", least=0)
    members: tuple[int, ...] = option(dataclasses.MISSING, "Identities.", least=0)


def make_population(job: Job, weights: Tensor) -> ContinuousPopulation:
    """Make the agents of a job with these weights ``[P, n]``."""
    sizes = job.facts.input_size, job.facts.action_size
    return ContinuousPopulation(weights, job.network, job.environment, *sizes, job.seed)


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    sizes = job.facts.input_size, job.facts.action_size
    return _meta(job.network, job.environment, *sizes, job.seed, tuple(range(job.members)))


def _meta(network: TD3NetworkConfig, *told: Any) -> dict[str, Any]:
    plain = to_plain(Description(network, *told))
    return {"kind": KIND, **plain, "network": {"kind": network.kind, **plain["network"]}}


class ContinuousPopulation(Members):
    """P independent agents of one shape, each a deterministic actor and two critics.

    Args:
        weights: Parameters ``[P, n]``: of each member the actor, the first critic and, which only
            learning needs, perhaps the second critic.
        network: Shape of the networks.
        environment: What they were trained on.
        input_size: Inputs I a step.
        action_size: Numbers A in an action, each within -1 ... 1.
        seed: Seed they were trained with.
        members: Identities of the members (default 0 ... P - 1).

    Raises:
        CheckpointError: If numbers of weights and of members, or of parameters, do not fit.
    """

    discrete = False

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
        self._told = (network, environment, input_size, action_size, seed)
        self.members = list(members) if members is not None else list(range(len(weights)))
        self.actor_stack, self.critic_stack = stacks(network, input_size, action_size)
        actor, critic = self.actor_stack.size, self.critic_stack.size
        if len(self.members) != len(weights):
            raise CheckpointError(f"{len(self.members)} members cannot have {len(weights)} weights")
        if weights.shape[1:] not in ((actor + critic,), (actor + 2 * critic,)):
            raise CheckpointError(
                f"weights have shape {list(weights.shape)}, but this network needs "
                f"{[len(self.members), actor + critic]} or, with a second critic, "
                f"{actor + 2 * critic}"
            )
        self.weights = weights.detach().clone().to(torch.float32)

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
        """Return weights to ship: actors and first critics in half precision (three digits)."""
        return torch.cat([self.actors, self.critics], 1).to(torch.float16)

    @classmethod
    def create(
        cls,
        environment: EnvironmentSpec | str,
        network: TD3NetworkConfig | None = None,
        members: int = 1,
        seed: int = 0,
    ) -> ContinuousPopulation:
        """Return agents with random weights for an environment (its id or its settings)."""
        spec = EnvironmentSpec(environment) if isinstance(environment, str) else environment
        network = network or TD3NetworkConfig()
        require_count("members", members)
        facts = probe(spec, discrete=False)
        require_continuous(spec.id, facts)
        sizes = facts.input_size, facts.action_size
        weights = initial_weights(network, *sizes, range(members), seed)
        return cls(weights, network, spec, *sizes, seed)

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> ContinuousPopulation:
        """Return the agents that a checkpoint holds; see `prefrontal.agents.load`."""
        told = Description.of(meta, folder)
        register_ids(told.environment.id)
        return cls(arrays["weights"], **vars(told))

    @classmethod
    def require_fit(cls, shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
        """Check shapes of weights; see `Population.require_fit`."""
        told = Description.of(meta, folder)
        actor, critic = stacks(told.network, told.input_size, told.action_size)
        sizes = [actor.size + count * critic.size for count in (1, 2)]
        require_shape(shapes, "weights", [(len(told.members), size) for size in sizes], folder)

    def part(self, indices: Sequence[int], kind: Any = None) -> Any:
        """See `Members.part`; of another class, if one is given."""
        members = [self.members[index] for index in indices]
        return (kind or type(self))(self.weights[list(indices)], *self._told, members)

    def member(self, index: int) -> Any:
        """See `Members.member`."""
        return self.part([index], ContinuousAgent)

    def play(self, envs: Any, forget: bool = False) -> Episodes:
        """Play an episode in every row of a vector environment of tensors.

        Args:
            envs: The environment, with facts, rows blocked by member.
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
    ) -> Iterator[Record]:
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
        self.check_env(envs)
        played = (self.play(envs, forget) for _ in range(batches))
        return (self._recorded(one, discount, hidden, forget) for one in played)

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
        """Return the first critic's values of the actions taken, ``[E, T]``.

        Each is that of the critic after all it had seen until then.
        """
        packing, x, action = self._packed(episodes)
        out = self.critic_stack.forward(self.critics, x, action, packing)
        return _unpacked(out, packing).squeeze(2)

    def hidden(self, episodes: Episodes) -> Tensor:
        """Return the states of the actor's last LSTM, ``[E, T, H]``.

        They are what a modular agent believes: a network behind the LSTM acts on them.
        """
        packing, x, _ = self._packed(episodes)
        _, hidden = self.actor_stack.unroll(self.actors, x, None, packing)
        return _unpacked(hidden, packing)

    def _packed(self, episodes: Episodes) -> tuple[Packing, Tensor, Tensor]:
        """Return observations and actions of each member as rows ``[P, R, ...]``."""
        rows, steps = episodes.mask.shape
        packing = Packing((steps,) * (rows // len(self)))
        x, action = (
            torch.stack([packing.pack(one) for one in value.unflatten(0, (len(self), -1))])
            for value in (episodes.observation, episodes.action)
        )
        return packing, x, action

    def learn(
        self, total_steps: int, config: TD3Config | None = None, num_envs: int = 8
    ) -> dict[str, np.ndarray]:
        """Train all members on their environment, and keep what did best in validation.

        Memory, optimisers and phases begin anew; so does the second critic of agents that came
        without one. Random agents learn what `prefrontal train` gives, bit for bit (one thread).

        Args:
            total_steps: Environment steps per member after phase I, each trial counted as a whole
                episode.
            config: Hyper-parameters.
            num_envs: Trials per member and round.

        Returns:
            Metrics by name, ``[rounds, P]``.

        Raises:
            ValueError: If `total_steps` is below 1.
        """
        config = config or TD3Config()
        told = self.environment, self.network, config, len(self), num_envs, total_steps, self.seed
        job = Job(*told)
        learner = TD3(job, config, self.members)
        for member, weights in zip(learner.members, self.weights, strict=True):
            member.begin_with(weights)
        metrics = learn_until(learner, total_steps)
        self.weights = learner.state()["weights"]
        return metrics

    def meta(self) -> dict[str, Any]:
        """Return what `prefrontal.agents.load` needs besides the weights."""
        return _meta(*self._told, tuple(self.members))

    def save(self, path: Path | str) -> None:
        """Write weights (safetensors) and description (JSON) to ``path/checkpoint``."""
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
        """Return actions, and the recurrent state to pass back with the next observations.

        Args:
            observation: One ``[I]`` or a batch ``[n, I]``, with the inputs of training (only their
                number can be checked here; see `check_env`).
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts get the initial state.
            deterministic: Ignored: these agents have no randomness of their own.

        Returns:
            Actions (``[A]`` for one observation, else ``[n, A]``) and the state, arrays ``[n, H]``.

        Raises:
            ValueError: If the observation or the state has the wrong size or is not finite.
        """
        rows = observed(observation, self.input_size, self.environment)
        before = self.actor_stack.begin(len(rows), self.weights)
        if state is not None:
            initial = [part[0] for pair in before for part in pair]
            parts = [part[None] for part in resumed(state, episode_start, initial, len(rows))]
            before = list(zip(parts[::2], parts[1::2], strict=True))
        out, after = self.actor_stack.step(self.actors, torch.from_numpy(rows)[None], before)
        action = out[0].tanh().numpy()
        if np.ndim(observation) == 1:
            action = action[0]
        return action, tuple(part[0].numpy().copy() for pair in after for part in pair)


def _unpacked(rows: Tensor, packing: Packing) -> Tensor:
    """Turn rows of each member ``[P, R, F]`` into ``[E, T, F]``."""
    return torch.cat([packing.unpack(one, len(packing.sizes)) for one in rows])
